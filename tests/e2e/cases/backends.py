# SPDX-License-Identifier: Apache-2.0
"""Every kind of server that Django runs under, asked through nginx by people with and without certificates, and directly:
process models, interleaved answers, every framing of requests and responses, the uwsgi protocol, WebSockets."""

import os
from concurrent.futures import ThreadPoolExecutor

from lab.check import get, of_dataset
from lab.client import tls_context
from lab.django_kinds import KINDS
from lab.ground_truth import check_front
from lab.nginx import Listener, Upstream
from lab.raw_client import Raw, WebSocket, http_request, uwsgi_request
from lab.traffic import SHAPES, browse, browse_at_once
from lab.truth import DIRECT, HandshakeTruth, Ledger, Truth, expected, new_request_id

CROWD, REQUESTS_EACH = 24, 4
NAPS = (("GET", "/nap", None), ("POST", "/nap", b"n" * 3000), ("GET", "", None))
FRAMINGS = (*SHAPES, ("HEAD", "", None), ("GET", "/status/204", None), ("GET", "/status/304", None), ("GET", "/lies", None))
EARLY = (("POST", "/early", b"e" * 100_000),)  # a server that closes at once would lose its answer with the unread body
BIG_HEAD = (("Cookie", "c" * 6500),)


def _direct(ledger, server, cell, method, path=""):
    """A truth about this process asking the backend itself; status and worker are still to be told."""
    truth = Truth(cell, new_request_id("direct"), f"{path}/t/bypass/direct/0/0", method, DIRECT, "direct",
                  source_ip="127.0.0.1", destination_port=server.port, peer_pid=os.getpid(), front_logs=False)
    ledger.requests.append(truth)
    return truth


def _answered(truth, connection, response):
    truth.source_port, truth.status, truth.worker_pid = connection.source_port, response.status, response.worker_pid()


def _ask(ledger, server, cell, method="GET", path="", headers=(), body=b"", version="1.1", pieces=1):
    """One request on a connection of its own, in so many sends."""
    truth = _direct(ledger, server, cell, method, path)
    if body and not headers:
        headers = (("Content-Length", len(body)),)
    with Raw(server.port) as connection:
        data = http_request(method, truth.path, truth.request_id, headers, body, version)
        size = -(-len(data) // pieces)
        for at in range(0, len(data), size):
            connection.send(data[at:at + size])
        _answered(truth, connection, connection.response(method))


def _expect_continue(ledger, server, cell):
    truth = _direct(ledger, server, cell, "POST")
    with Raw(server.port) as connection:
        headers = (("Expect", "100-continue"), ("Content-Length", 1000))
        connection.send(http_request("POST", truth.path, truth.request_id, headers))
        if connection.interim() != 100:
            raise RuntimeError(f"{cell}: no 100 Continue")
        connection.send(b"x" * 1000)
        _answered(truth, connection, connection.response("POST"))


def _pipeline(ledger, server, cell):
    """Three requests in one send; the second has a body that looks like a request."""
    truths = [_direct(ledger, server, cell, method) for method in ("GET", "POST", "GET")]
    body = b"GET /never HTTP/1.1\r\nX-Request-ID: never\r\n\r\n"
    with Raw(server.port) as connection:
        connection.send(b"".join(http_request(
            truth.method, truth.path, truth.request_id, (("Content-Length", len(body)),) if truth.method == "POST" else (),
            body if truth.method == "POST" else b"") for truth in truths))
        for truth in truths:
            _answered(truth, connection, connection.response(truth.method))


def _http_directly(ledger, kind, server):
    cell = f"{kind.name} direct"
    _ask(ledger, server, cell)
    _ask(ledger, server, cell, version="1.0")
    _ask(ledger, server, cell, "HEAD")
    _ask(ledger, server, cell, headers=(*BIG_HEAD, ("Connection", "close")), pieces=5)
    _ask(ledger, server, cell, "POST", body=b"b" * 50_000, pieces=3)
    if kind.chunked:
        chunks = b"5\r\nGET /\r\n3c;x=y\r\n" + b"z" * 60 + b"\r\n0\r\n\r\n"
        _ask(ledger, server, cell, "POST", headers=(("Transfer-Encoding", "chunked"),), body=chunks, pieces=4)
        _expect_continue(ledger, server, cell)
    if kind.pipelines:
        _pipeline(ledger, server, cell)


def _uwsgi_directly(ledger, kind, server):
    body = uwsgi_request("GET", "/never", "never")
    for method, data in (("GET", b""), ("POST", body)):
        truth = _direct(ledger, server, f"{kind.name} direct", method)
        with Raw(server.port) as connection:
            connection.send(uwsgi_request(method, truth.path, truth.request_id, data))
            _answered(truth, connection, connection.response(method))


def _visit(lab, ledger, kind, server, listener):
    """Everybody alone, then all at once, with as many direct ones among them."""
    shapes = FRAMINGS + EARLY * kind.asgi
    for who in ("alice", "bob", "nobody"):
        browse(lab, ledger, listener, who, len(shapes), shapes=shapes, cell=f"{kind.name} alone")
    directly = _uwsgi_directly if kind.protocol == "uwsgi" else _http_directly
    crowd = [(listener, who) for who in ("alice", "nobody", "bob")] * (CROWD // 3)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(directly, ledger, kind, server) for _ in range(4)]
        browse_at_once(lab, ledger, crowd, REQUESTS_EACH, shapes=NAPS, cell=f"{kind.name} at once")
    for job in jobs:
        job.result()
    for truth in ledger.requests if kind.one_entrance else ():
        truth.worker_pid = None if truth.cell.startswith(f"{kind.name} ") else truth.worker_pid


def _speak(lab, ledger, kind, listener, who):
    """A WebSocket through nginx: one request, whatever its frames hold."""
    certificate = lab.pki.clients.get(who)
    with Raw(listener.port, tls_context(lab.pki, certificate)) as connection:
        cell, verdict = f"{kind.name} WebSocket", expected(listener, certificate)
        ledger.handshakes.append(HandshakeTruth(cell, connection.source_port, listener.port, listener.protocol, certificate))
        truth = Truth(cell, new_request_id(who), f"/ws/t/{verdict[0]}/{who}/{connection.source_port}/0", "GET", verdict, who,
                      certificate, connection.source_ip, connection.source_port, listener.port, protocol=listener.protocol)
        ledger.requests.append(truth)
        socket = WebSocket(connection, truth.path, truth.request_id)
        truth.status, truth.worker_pid = socket.status, socket.worker_pid
        for number in range(5):
            text = f"GET /frame/{number} HTTP/1.1\r\nX-Request-ID: never\r\n\r\n" + "f" * 5000 * number
            if socket.echo(text) != text:
                raise RuntimeError(f"{cell}: another echo")


def _check_claims(lab, events, ledger, score):
    """What nginx says in variables of its own and in headers is held against the certificate alike."""
    names = {"X-SSL-CLIENT-VERIFY", "SSL_CLIENT_S_DN", "SSL_CLIENT_SERIAL"}
    authenticated = {truth.request_id for truth in ledger.requests if truth.certificate and truth.cell.startswith("uwsgi ")}
    told = [{claim["header"] for claim in get(event, "mtlswatch.claims")} for event in of_dataset(events, "mtlswatch.request")
            if get(event, "http.request.id") in authenticated]
    score.check(f"the identity variables of {len(told)} uwsgi requests are told", told and all(claims == names for claims in told),
                told[:2])


def _check_hidden(lab, kind, server, score):
    """A request behind a body that is longer than what is read of a message: its head is not seen, it is."""
    bodies = {"a length": (("Content-Length", 40_000), b"b" * 40_000),
              "chunks": (("Transfer-Encoding", "chunked"), b"3e8\r\n%s\r\n" % (b"c" * 1000) * 40 + b"0\r\n\r\n")}
    expectations = {"a length": ("bypass", "direct_connection"), "chunks": ("unknown", "unseen_request")}
    agent, ports = lab.agent(), {}
    for what, (header, body) in bodies.items():
        with Raw(server.port) as connection:
            connection.send(http_request("POST", "/t/shown", "shown", (header,), body) + http_request("GET", "/t/hidden", "hidden"))
            for method in ("POST", "GET"):
                connection.response(method)
            ports[what] = connection.source_port
    if not agent.runs:
        return
    agent.wait_for(lambda events: len([0 for event in events if get(event, "server.port") == server.port]) >= 4)
    agent.stop()
    for what, port in ports.items():
        events = [event for event in of_dataset(agent.events, "mtlswatch.request") if get(event, "server.port") == server.port
                  and get(event, "source.port") in (port, None)]
        told = {(get(event, "mtlswatch.verdict"), get(event, "event.reason"), get(event, "http.response.status_code"))
                for event in events if get(event, "http.request.id") is None}
        score.check(f"{kind.name}: a request that hides behind a body of {what} is told", (*expectations[what], 200) in told, told)


def run(lab, score):
    chosen = os.environ.get("MTLSWATCH_E2E_KINDS")  # while one of them is being worked on
    kinds = [kind for kind in KINDS if not chosen or kind.name in chosen.split(",")]
    servers = {kind: lab.server(kind) for kind in kinds}
    listeners = {kind: Listener(Upstream(kind.name, f"127.0.0.1:{servers[kind].port}", kind.keepalive, kind.protocol), "optional")
                 for kind in kinds}
    upgrading = {kind: Listener(listeners[kind].upstream, "optional", upgrade=True) for kind in kinds if kind.asgi}
    lab.nginx([*listeners.values(), *upgrading.values()], workers=2)
    agent, ledger = lab.agent(), Ledger()
    for kind in kinds:
        _visit(lab, ledger, kind, servers[kind], listeners[kind])
    for kind, listener in upgrading.items():
        for who in ("alice", "nobody"):
            _speak(lab, ledger, kind, listener, who)
    check_front(ledger.requests, lab.nginxes, score)
    score.check("every request was answered", all(truth.status for truth in ledger.requests))
    lab.verify(ledger, agent, "backends", ground=False)
    for kind in kinds:
        if kind.name == "uvicorn":
            _check_hidden(lab, kind, servers[kind], score)
    if agent.runs and any(kind.protocol == "uwsgi" for kind in kinds):
        _check_claims(lab, agent.events, ledger, score)
