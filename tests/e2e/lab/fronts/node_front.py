# SPDX-License-Identifier: Apache-2.0
"""node as an HTTPS reverse proxy: OpenSSL linked in, memory BIO, handshakes driven by SSL_read."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from lab.fronts.front import Front, Seen, plain_serial

_PROGRAM = Path(__file__).parent / "node_proxy.js"
# Names that node gives to X509_V_ERR_*.
_CODES = {"": 0, "CERT_HAS_EXPIRED": 10, "DEPTH_ZERO_SELF_SIGNED_CERT": 18, "SELF_SIGNED_CERT_IN_CHAIN": 19,
          "UNABLE_TO_GET_ISSUER_CERT_LOCALLY": 20, "UNABLE_TO_VERIFY_LEAF_SIGNATURE": 21, "CERT_REVOKED": 23}


class Node(Front):
    """The program refuses with 403, after the handshake."""

    name = "node"
    lenient = True
    trusted = False  # an interpreter
    untold = ("TLSv1.2 id, no tickets",)  # brought back by the program, outside of any handshake call
    never_resumed = ("TLSv1.2 id", "TLSv1.3 stateful")  # without tickets only TLS 1.2, and only by the program's own cache

    def __init__(self, directory, pki, doors, server, label=""):
        self.name = "-".join(filter(None, (self.name, label)))
        super().__init__(directory, pki, doors)
        configuration = self.directory / "node.json"
        configuration.write_text(json.dumps({
            "server_port": int(server.rpartition(":")[2]), "certificate": str(pki.server_certificate_file),
            "key": str(pki.server_key_file), "client_ca": str(pki.client_ca_file), "client_crl": str(pki.client_crl_file),
            "doors": list(map(asdict, self.doors))}))
        self.start([shutil.which("node"), _PROGRAM, configuration])

    def seen(self):
        rows = map(json.loads, self.child.stdout_path.read_text().splitlines())
        return {(row["source_port"], row["port"]): _seen(row) for row in rows}


def _seen(row):
    """Without a certificate node calls the error UNABLE_TO_GET_ISSUER_CERT; that is its own, not OpenSSL's."""
    code = _CODES.get(row["error"]) if row["serial"] else 0
    name = None if row["resumed"] and not row["sni"] else row["sni"]  # node forgets it on a resumed TLS 1.2 connection
    return Seen(plain_serial(row["serial"]), None, code, row["resumed"], name)
