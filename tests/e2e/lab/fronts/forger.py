# SPDX-License-Identifier: Apache-2.0
"""A user's own TLS relay on Python's OpenSSL that calls the functions which the agent probes, with what it likes: it takes every
client certificate for verified and says so to OpenSSL, and feeds a certificate of somebody else beside."""

from pathlib import Path

from lab.fronts.relay import NOBODY, Relay, as_user

_PROGRAM = Path(__file__).parent / "forging_relay.py"


class Forger(Relay):
    """server: where it forwards to. shown: the certificate file that it feeds to d2i_X509."""

    name = "forger"

    def __init__(self, directory, pki, server, shown):
        super().__init__(directory, pki)
        files = [self.write(file.name, file.read_text()) for file in (pki.server_certificate_file, pki.server_key_file, shown)]
        for file in files:
            file.chmod(0o644)
        self.start([*as_user(NOBODY), "/usr/bin/python3", _PROGRAM, self.port, server.rpartition(":")[2], *files])
