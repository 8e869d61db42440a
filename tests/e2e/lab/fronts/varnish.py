# SPDX-License-Identifier: Apache-2.0
"""varnish without a cache: every request goes on to the server behind it."""

import shutil
from pathlib import Path

from lab.fronts.front import Door, Front

_VCL = """
vcl 4.1;
backend shop {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_recv {{ return (pass); }}
"""


class Varnish(Front):
    """One plaintext door."""

    name = "varnish"
    logs_facts = False

    def __init__(self, directory, pki, server):
        super().__init__(directory, pki, [Door()])
        host, _, port = server.rpartition(":")
        self.port = self.doors[0].port
        program = self.directory / "shop.vcl"
        program.write_text(_VCL.format(host=host, port=port))
        self._state = Path("/var/lib/varnish") / f"mtlswatch-{self.port}"  # its worker, vcache, must be able to enter it
        self.start(["/usr/sbin/varnishd", "-F", "-n", self._state, "-a", f"127.0.0.1:{self.port}", "-f", program,
                    "-s", "malloc,16m"])

    def stop(self):
        code = super().stop()
        shutil.rmtree(self._state, ignore_errors=True)
        return code
