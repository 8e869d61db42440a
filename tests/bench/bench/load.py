# SPDX-License-Identifier: Apache-2.0
"""Load from ab, ApacheBench: the cheapest client in Debian that has client certificates."""

import re

from lab.host import run

_COMPLETE = re.compile(r"Complete requests:\s+(\d+)")
_FAILED = re.compile(r"(?:Failed requests|Non-2xx responses|SSL errors):\s+(\d+)")
_RATE = re.compile(r"Requests per second:\s+([\d.]+)")
_KEPT = re.compile(r"Keep-Alive requests:\s+(\d+)")


class LoadFailed(Exception):
    """Requests failed, or were not made."""


def client_pem(lab, who="alice"):
    """Certificate and key in one file."""
    file = lab.directory / f"{who}.pem"
    client = lab.pki.clients[who]
    file.write_text(client.certificate_file.read_text() + client.key_file.read_text())
    return file


def ask(url, requests, connections=4, keep_alive=True, pem=None, protocol=None):
    """Requests of one client program; returns its requests a second. keep_alive=False: a connection, and over TLS a whole
    handshake, for each."""
    argv = ["/usr/bin/ab", "-q", "-n", requests, "-c", connections, "-s", 20]
    argv += (["-k"] if keep_alive else []) + (["-E", pem] if pem else []) + (["-f", protocol] if protocol else [])
    done = run([*argv, url], timeout_s=170)
    complete = _COMPLETE.search(done.stdout)
    failed = sum(map(int, _FAILED.findall(done.stdout)))
    kept = int(_KEPT.search(done.stdout)[1]) if keep_alive and complete else requests
    if done.returncode != 0 or not complete or int(complete[1]) != requests or failed or kept < 0.98 * requests:
        raise LoadFailed(done.stdout[-1500:] + done.stderr[-500:])
    return float(_RATE.search(done.stdout)[1])
