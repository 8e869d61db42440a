# SPDX-License-Identifier: Apache-2.0
"""Reverse proxies in JavaScript whose TLS is not OpenSSL's: bun has BoringSSL, deno has rustls."""

import json
from dataclasses import asdict
from pathlib import Path

from lab.fronts.front import Front
from lab.npm_program import npm_program

_PROGRAM = Path(__file__).parent / "web_runtime.mjs"


class _WebRuntime(Front):
    """package, version, file: where npm has the program. options: before the script."""

    logs_facts = False
    package = version = file = None
    options = ()

    def __init__(self, directory, pki, doors, server):
        super().__init__(directory, pki, doors)
        configuration = self.directory / "configuration.json"
        configuration.write_text(json.dumps({
            "server": f"http://{server}", "certificate": str(pki.server_certificate_file), "key": str(pki.server_key_file),
            "client_ca": str(pki.client_ca_file), "doors": list(map(asdict, self.doors))}))
        self.start([npm_program(self.package, self.version, self.file), *self.options, _PROGRAM, configuration],
                   {"HOME": str(self.directory), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"})


class Bun(_WebRuntime):
    name = "bun"
    package, version, file = "@oven/bun-linux-x64", "1.4.5", "bin/bun"
    options = ("run",)


class Deno(_WebRuntime):
    """Asks no client for a certificate, whatever the door."""

    name = "deno"
    package, version, file = "@deno/linux-x64-glibc", "2.9.6", "deno"
    options = ("run", "--allow-net", "--allow-read")
