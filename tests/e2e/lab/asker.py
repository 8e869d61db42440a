# SPDX-License-Identifier: Apache-2.0
"""Requests with their truths, over connections of the caller's choice: who asks, how the bytes are cut, what else is claimed."""

import os

from lab.client import tls_context
from lab.raw_client import Raw, http_request
from lab.truth import AUTHENTICATED, DIRECT, NO_CERTIFICATE, PLAINTEXT, Ledger, Truth, new_request_id

PLAIN = "plain"  # who comes without TLS


def expected_of(who):
    """What a client is by itself, at a front that makes certificates optional. who: a name of the Pki, "nobody" or PLAIN."""
    return {PLAIN: PLAINTEXT, "nobody": NO_CERTIFICATE}.get(who, AUTHENTICATED)


class Asker:
    """Fills a ledger."""

    def __init__(self, pki):
        self.pki, self.ledger = pki, Ledger()

    def connect(self, port, who=PLAIN, sock=None):
        context = None if who == PLAIN else tls_context(self.pki, self.pki.clients.get(who))
        return Raw(port, context, sock)

    def note(self, cell, who, expected, port, connection=None, method="GET", path="", **marks):
        """The truth about a request that is still to be sent."""
        certificate = self.pki.clients.get(who)
        source = (connection.source_ip, connection.source_port) if connection else (None, None)
        truth = Truth(cell, new_request_id(who), f"{path}/t/{expected[0]}/{who}/{source[1] or 0}", method, expected, who, certificate,
                      *source, port, protocol=None if who == PLAIN else "TLSv1.3", front_logs=False, **marks)
        truth.path += f"/{truth.request_id}"
        self.ledger.requests.append(truth)
        return truth

    def ask(self, cell, port, who=PLAIN, expected=None, headers=(), connection=None, at=None, **marks):
        """One request, on a connection of its own unless one is given. at: its path, instead of one that tells the truth."""
        opened = None if connection else self.connect(port, who)
        try:
            used = connection or opened
            truth = self.note(cell, who, expected or expected_of(who), port, used, **marks)
            truth.path = at or truth.path
            used.send(http_request(truth.method, truth.path, truth.request_id, headers))
            return self.take(truth, used)
        finally:
            if opened:
                opened.close()

    def ask_directly(self, cell, port, headers=(), **marks):
        """This process asks the backend itself."""
        return self.ask(cell, port, PLAIN, DIRECT, headers, peer_pid=os.getpid(), **marks)

    @staticmethod
    def take(truth, connection):
        """Reads the answer."""
        answer = connection.response(truth.method)
        if answer.status != 200:
            raise RuntimeError(f"{truth.cell}: {truth.who} got {answer.status} for {truth.path}")
        truth.status, truth.worker_pid = answer.status, answer.worker_pid()
        return truth
