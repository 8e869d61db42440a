# SPDX-License-Identifier: Apache-2.0
"""caddy: a reverse proxy in Go, whose crypto/tls no probe can see into. As root, or as an ordinary user."""

import json

from lab.fronts.front import Front


def _server(door, server, pki):
    handler = {"handler": "reverse_proxy", "upstreams": [{"dial": server}]}
    found = {"listen": [f"127.0.0.1:{door.port}"], "automatic_https": {"disable": True}, "routes": [{"handle": [handler]}]}
    if door.mode:
        authorities = {"mode": {"required": "require_and_verify", "optional": "verify_if_given"}[door.mode],
                       "trusted_ca_certs_pem_files": [str(pki.client_ca_file)]}
        found["tls_connection_policies"] = [{"client_authentication": authorities, "certificate_selection": {"any_tag": ["own"]}}]
    return found


class Caddy(Front):
    """As root it is a front; as nobody it is not."""

    name = "caddy"
    logs_facts = False

    def __init__(self, directory, pki, doors, server, as_nobody=False):
        self.name = "caddy-of-nobody" if as_nobody else "caddy"
        super().__init__(directory, pki, doors)
        certificate = {"certificate": str(pki.server_certificate_file), "key": str(pki.server_key_file), "tags": ["own"]}
        configuration = self.directory / "caddy.json"
        configuration.write_text(json.dumps({
            "admin": {"disabled": True},
            "apps": {"http": {"servers": {f"door{door.port}": _server(door, server, pki) for door in self.doors}},
                     "tls": {"certificates": {"load_files": [certificate]}}}}))
        self.directory.chmod(0o777)
        become = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"] if as_nobody else []
        self.start([*become, "/usr/bin/caddy", "run", "--config", configuration], {"HOME": str(self.directory),
                                                                                  "XDG_DATA_HOME": str(self.directory)})
