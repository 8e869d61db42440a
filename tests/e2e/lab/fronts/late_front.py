# SPDX-License-Identifier: Apache-2.0
"""A proxy in Python that loads libssl when it is told to, long after it began to listen."""

import shutil
import signal
from pathlib import Path

from lab.fronts.front import Front

_PROGRAM = Path(__file__).parent / "late_proxy.py"
LIBSSL = Path("/usr/lib/x86_64-linux-gnu/libssl.so.3")


class LateFront(Front):
    """Has one door, and a copy of libssl of its own: probes on the system's do not help it."""

    name = "late"
    logs_facts = False

    def __init__(self, directory, pki, doors, server):
        super().__init__(directory, pki, doors)
        shutil.copyfile(LIBSSL, self.directory / LIBSSL.name)
        self.start(["/usr/bin/python3", _PROGRAM, self.doors[0].port, server.rpartition(":")[2], pki.server_certificate_file,
                    pki.server_key_file, pki.client_ca_file], {"LD_LIBRARY_PATH": str(self.directory)})

    @property
    def library(self):
        return str(self.directory / LIBSSL.name)

    def maps_library(self):
        return self.library in Path(f"/proc/{self.child.pid}/maps").read_text()

    def load(self):
        self.child.signal(signal.SIGUSR1)
