# SPDX-License-Identifier: Apache-2.0
"""The requests of the demonstration: one for each way to reach Django, with what the agent should say about it."""
import os
import shlex
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    title: str
    command: tuple  # of curl; as printed, so that anyone can repeat it
    path: str
    handshake: bool  # the listener speaks TLS
    expected: str  # event.reason of the request; empty: Django must not see one

    def text(self):
        return shlex.join(self.command)


def scenarios(ports):
    """File names in the commands are relative to the demonstration's folder."""
    def over_tls(title, listener, path, expected, client=None):
        certificate = ("--cert", f"{client}.pem", "--key", f"{client}.key") if client else ()
        url = f"https://localhost:{ports[listener]}{path}"
        return Scenario(title, ("curl", "-sS", "--cacert", "ca.pem", *certificate, url), path, True, expected)

    def in_clear(title, port, path, expected, *options):
        url = f"http://127.0.0.1:{ports[port]}{path}"
        return Scenario(title, ("curl", "-sS", *options, url), path, False, expected)

    claim = ("-H", "X-SSL-Client-Subject: CN=alice,O=Example")
    return [
        over_tls("alice's certificate, and the listener demands one", "strict", "/orders",
                 "verified_client_certificate", "alice"),
        over_tls("no certificate, and the listener makes it optional", "optional", "/none", "no_client_certificate"),
        over_tls("mallory's certificate of another CA, and the listener does not verify", "unverified", "/other",
                 "client_certificate_not_verified", "mallory"),
        over_tls("carol's expired certificate, and the listener demands a good one: nginx answers 400", "strict",
                 "/expired", "", "carol"),
        in_clear("plaintext listener", "plaintext", "/plain", "plaintext_ingress"),
        in_clear("straight to gunicorn, past nginx", "backend", "/direct", "direct_connection"),
        in_clear("the same, with a header that claims to be alice", "backend", "/spoof", "direct_connection", *claim),
    ]


def send(scenario, folder):
    """curl's complaint, or nothing. A proxy set in the environment must not stand between."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run([*scenario.command, "--max-time", "10"], cwd=folder, env=environment, capture_output=True,
                          stdin=subprocess.DEVNULL, text=True)
    return "" if done.returncode == 0 else done.stderr.strip()
