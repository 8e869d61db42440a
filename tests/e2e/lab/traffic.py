# SPDX-License-Identifier: Apache-2.0
"""Clients that act and write down the truth. The truth also rides in the request target:
SHAPE/t/EXPECTED-VERDICT/WHO/SOURCE-PORT/N, so that any log line of any program can be judged by eye."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lab.client import Http1, Http2, open_tcp, open_unix, tls_context
from lab.truth import DIRECT, REJECTED, HandshakeTruth, Truth, expected, new_request_id

# (method, prefix of the path, body): several shapes of one exchange.
SMALL = (("GET", "", None), ("POST", "", b"x" * 700), ("GET", "/status/404", None))
BIG = ("GET", "/big", None)
SHAPES = (*SMALL, BIG)


class Browser:
    """One client connection to nginx, by who (a name of the Pki, or "nobody" for none), that fills a ledger.
    come_from: the client's own address. marks: further fields of the Truth, such as optional=True."""

    def __init__(self, lab, ledger, listener, who="nobody", cell="", address=None, come_from=None, **marks):
        self.ledger, self.listener, self.who, self.cell, self.marks = ledger, listener, who, cell, marks
        self.certificate = lab.pki.clients.get(who) if listener.tls else None
        self.expected = marks.pop("expected", None) or expected(listener, self.certificate)
        sock = open_tcp(address or listener.address, listener.port, come_from)
        context = None
        if listener.tls:
            context = tls_context(lab.pki, self.certificate, ("h2",) if listener.http2 else (), listener.protocol)
            self._note_handshake(sock.getsockname()[1])
        self.connection = Http2(sock, context) if listener.http2 else Http1(sock, context)

    def _note_handshake(self, source_port):
        self.ledger.handshakes.append(HandshakeTruth(
            self.cell, source_port, self.listener.port, self.listener.protocol, self.certificate,
            optional=self.marks.get("optional", False)))

    def _truth(self, number, shape):
        request_id = new_request_id(self.who)
        path = f"{shape[1]}/t/{self.expected[0]}/{self.who}/{self.connection.source_port}/{number}"
        return Truth(self.cell, request_id, path, shape[0], self.expected, self.who, self.certificate,
                     self.connection.source_ip, self.connection.source_port, self.listener.port,
                     protocol=self.listener.protocol if self.listener.tls else None, **self.marks)

    def browse(self, count=4, query="", headers=None, shapes=None):
        """count requests: one after the other over HTTP/1.1, all at once over HTTP/2. There a big response would use up
        the client's flow control window and hold the others back."""
        shapes = shapes or (SMALL if self.listener.http2 else SHAPES)
        truths = [self._truth(number, shapes[number % len(shapes)]) for number in range(count)]
        requests = [(truth.method, truth.path + query, {"X-Request-ID": truth.request_id, **(headers or {})},
                     shapes[number % len(shapes)][2]) for number, truth in enumerate(truths)]
        self.ledger.requests.extend(truths)
        if self.listener.authorize:
            self.ledger.requests.extend(map(_subrequest, truths))
        if self.listener.http2:
            answers = self.connection.requests(requests)
        else:
            answers = (self.connection.request(*request) for request in requests)
        for truth, answer in zip(truths, answers):
            truth.status, truth.worker_pid = answer.status, answer.worker_pid()
        return truths

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _subrequest(truth):
    """nginx asks /auth first, on behalf of the same client. No response of it goes to the client, so the agent may
    say that it does not know; it must not be wrong."""
    return replace(truth, path="/auth", method="GET", status=204, front_logs=False, allow_unknown=True)


def browse(lab, ledger, listener, who="nobody", count=4, query="", headers=None, shapes=None, **options):
    """One connection, count requests, then close. A front that rejects the client answers one request only."""
    with Browser(lab, ledger, listener, who, **options) as browser:
        closes_early = browser.expected == REJECTED and not listener.http2
        return browser.browse(1 if closes_early else count, query, headers, shapes)


def browse_at_once(lab, ledger, plan, count, **options):
    """plan: (listener, who) a connection; all of them open and ask at the same time."""
    with ThreadPoolExecutor(len(plan)) as pool:
        jobs = [pool.submit(browse, lab, ledger, listener, who, count, **options) for listener, who in plan]
    for job in jobs:
        job.result()


def browse_direct(ledger, backend, cell, over="tcp", count=2, address="127.0.0.1", **marks):
    """This process connects to the backend itself: the bypass that the agent exists to find."""
    for number in range(count):
        sock = open_unix(backend.unix_path) if over == "unix" else open_tcp(address, backend.port)
        with Http1(sock) as connection:
            request_id, method = new_request_id("direct"), SHAPES[number % 2][0]
            path = f"/t/bypass/direct/{connection.source_port or 0}/{number}"
            truth = Truth(cell, request_id, path, method, DIRECT, "direct", source_ip=connection.source_ip,
                          source_port=connection.source_port, destination_port=None if over == "unix" else backend.port,
                          peer_pid=os.getpid(), front_logs=False, **marks)
            ledger.requests.append(truth)
            answer = connection.request(method, path, {"X-Request-ID": request_id}, SHAPES[number % 2][2])
            truth.status, truth.worker_pid = answer.status, answer.worker_pid()
