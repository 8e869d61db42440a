# SPDX-License-Identifier: Apache-2.0
"""A network namespace for one whole test: what it does to ports, queues and tables of connections, the host does not feel."""

import ctypes
import os
from pathlib import Path

from lab.host import run

_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)


def enter_own_network():
    """This thread, the threads and the processes that it starts from now on. The namespace goes with the last of them."""
    if _libc.unshare(_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")
    run(["/usr/sbin/ip", "link", "set", "lo", "up"]).check_returncode()


def counted(name):
    """A counter of this namespace, such as TcpExt SyncookiesSent, by its second word."""
    lines = Path("/proc/thread-self/net/netstat").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        found = dict(zip(names.split(), values.split()))
        if name in found:
            return int(found[name])
    raise KeyError(name)
