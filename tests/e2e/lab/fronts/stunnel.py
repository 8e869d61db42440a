# SPDX-License-Identifier: Apache-2.0
"""stunnel: a thread a connection, plaintext to the server behind it."""

import re
from dataclasses import replace

from lab.fronts.front import GIVES_UP_S, Front, Seen

_MAIN = "foreground = yes\npid =\ndebug = 7\nsyslog = no\noutput = {log}\n"
# verify 1: if present; 0: ask and ignore. verifyChain implies that one is required.
_VERIFY = {"required": "verifyChain = yes", "revoking": "verifyChain = yes\nCRLfile = {crl}", "optional": "verify = 1", "ignoring": "verify = 0", "none": ""}
_LINE = re.compile(r"LOG\d\[(?P<number>\d+)\]: (?P<text>.*)$")
_ACCEPTED = re.compile(r"Service \[door(?P<port>\d+)\] accepted connection from 127\.0\.0\.1:(?P<source>\d+)")
_REJECTED = re.compile(r"Rejected by CERT at depth=(?P<depth>\d+)")
_PEER = re.compile(r"Certificate (?:accepted|verification failed|rejected)? ?.*at depth=0: (?P<subject>.*)$")


def _service(door, pki, server):
    options = "" if door.sessions == "tickets" else "options = NO_TICKET\n"
    return (f"[door{door.port}]\naccept = 127.0.0.1:{door.port}\nconnect = {server}\n"
            f"cert = {pki.server_certificate_file}\nkey = {pki.server_key_file}\nCAfile = {pki.client_ca_file}\n"
            f"{_VERIFY[door.mode].format(crl=pki.client_crl_file)}\nsslVersionMin = TLSv1.2\nTIMEOUTbusy = {GIVES_UP_S}\n{options}")


class Stunnel(Front):
    """Has no plaintext doors."""

    name = "stunnel"
    logs_depth = True

    def __init__(self, directory, pki, doors, server):
        super().__init__(directory, pki, [door for door in doors if door.mode])
        self._log, configuration = self.directory / "stunnel.log", self.directory / "stunnel.conf"
        configuration.write_text(_MAIN.format(log=self._log) + "".join(
            _service(door, pki, server) for door in self.doors))
        self.start(["/usr/bin/stunnel4", configuration])

    def problems(self):
        return super().problems() + (self._log.read_text(errors="replace")[-2000:] if self._log.exists() else "")

    def seen(self):
        """Threads write at once; the number in LOG5[7] keeps them apart, and "accepted connection" begins each."""
        found, current = {}, {}
        for line in self._log.read_text(errors="replace").splitlines():
            match = _LINE.search(line)
            if not match:
                continue
            number, text = match["number"], match["text"]
            begins = _ACCEPTED.search(text)
            if begins:
                current[number] = int(begins["source"]), int(begins["port"])
                found[current[number]] = Seen()
            elif number in current:
                found[current[number]] = _learn(found[current[number]], text)
        return found


def _learn(seen, text):
    """seen, with what one more line of the same connection says."""
    rejected = _REJECTED.search(text)
    if rejected:
        return replace(seen, verify_depth=int(rejected["depth"]))
    peer = _PEER.search(text)
    if peer and "OCSP" not in text:
        return replace(seen, serial="?", subject=peer["subject"])
    if "TLS accepted:" in text:
        return replace(seen, resumed="previous session reused" in text)
    return seen
