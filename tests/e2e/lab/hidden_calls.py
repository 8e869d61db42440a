# SPDX-License-Identifier: Apache-2.0
"""A libssl whose calls of libcrypto no analysis of its file can tell: Debian's own, with the PLT stubs of a few functions
rewritten so that they jump through a register. (Compilers do the like with -fno-plt, where a call is repeated.)"""

import re
import shutil
import subprocess

LIBSSL = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
HIDDEN = ("d2i_X509", "X509_STORE_CTX_get_error", "ERR_vset_error")
_JUMP = b"\xff\x25"  # jmp *displacement(%rip)
_STUB = re.compile(r"^([0-9a-f]+) <(\w+)@plt>:$", re.MULTILINE)


def _stubs():
    """Address of every function's stub. In this library addresses in .plt are places in the file."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-j", ".plt", LIBSSL], check=True, capture_output=True,
                             text=True).stdout
    return {name: int(address, 16) for address, name in _STUB.findall(listing)}


def make_hidden_calls(directory):
    """Writes the library into the directory. Programs need LD_LIBRARY_PATH and LD_BIND_NOW (there is no lazy half left)."""
    library, stubs = directory / "libssl.so.3", _stubs()
    shutil.copyfile(LIBSSL, library)
    content = bytearray(library.read_bytes())
    for name in HIDDEN:
        at = stubs[name]
        if content[at:at + 2] != _JUMP:
            raise RuntimeError(f"the stub of {name} is not of the expected form")
        displacement = int.from_bytes(content[at + 2:at + 6], "little", signed=True) - 1  # one byte longer
        load = b"\x4c\x8b\x1d" + displacement.to_bytes(4, "little", signed=True)  # mov displacement(%rip), %r11
        content[at:at + 16] = load + b"\x41\xff\xe3" + b"\xcc" * 6  # jmp *%r11
    library.write_bytes(content)
    return {"LD_LIBRARY_PATH": str(directory), "LD_BIND_NOW": "1"}
