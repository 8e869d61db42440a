# SPDX-License-Identifier: Apache-2.0
"""What happens without malice, and what a malicious client makes of it: clients that read nothing, ask ahead, or send a head in
pieces; requests that a proxy makes by itself; connections that change hands; ports that come again. Whatever it is, nobody's
request is given to another client. README.md says which cell of the table each test is."""

import os
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lab.agent import configuration
from lab.asker import PLAIN, Asker, expected_of
from lab.check import get, of_dataset
from lab.django_server import Backend
from lab.fronts.front import Door
from lab.fronts.haproxy import HAProxy
from lab.host import PATIENCE_S, Child, children_of, free_port, wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.raw_client import http_request
from lab.truth import AUTHENTICATED, DIRECT, REJECTED

HERE = os.path.dirname(__file__)
PEOPLE = ("alice", "nobody", "bob", "nobody", "carol")
KEPT_S = 10  # by nginx's cache
_CACHE = (f"proxy_cache answers; proxy_cache_key $uri; proxy_cache_valid 200 {KEPT_S}s; proxy_cache_use_stale updating; "
          "proxy_cache_background_update on; proxy_cache_lock on; ")
_MIRROR = "mirror /mirrored; "


class _Scene:
    def __init__(self, lab):
        self.lab, self.asker = lab, Asker(lab.pki)
        self.shop, self.spare_port = lab.gunicorn(addresses=("0.0.0.0",), workers=2), free_port()
        self.django = f"127.0.0.1:{self.shop.port}"
        way = Upstream("shop", self.django)
        self.usual = Listener(way, "optional")
        self.mirroring, self.caching = (Listener(way, "optional", extra=text) for text in (_MIRROR, _CACHE))
        lab.nginx([self.usual, self.mirroring, self.caching], workers=1, cache="answers")
        self.haproxy = lab.front(HAProxy, [Door("optional", variant="always"), Door("optional", variant="queue")], self.django,
                                 at_once=2, gives_up_s=PATIENCE_S)  # those who read nothing may take their time
        self.passing = self._passing_server()

    def _passing_server(self):
        server = Backend("passing", self.lab.directory, addresses=("127.0.0.1",))
        server.child = Child("passing", ["/usr/bin/python3", f"{HERE}/../lab/passing_server.py", server.port,
                                         self.lab.directory / "shop-project"], self.lab.directory)
        self.lab.callback(server.stop)
        server.wait_ready()
        return server

    def doors(self):
        return (("nginx", self.usual.port), *((f"haproxy {door.variant}", door.port) for door in self.haproxy.doors))


def _withheld(scene):
    """Verified clients ask for big answers and read none; others ask meanwhile, and then those read."""
    for name, port in scene.doors():
        cell = f"{name}: reads nothing"
        with scene.asker.connect(port, "alice") as alice, scene.asker.connect(port, "bob") as bob:
            held = []
            for who, connection in (("alice", alice), ("bob", bob)):
                truth = scene.asker.note(cell, who, AUTHENTICATED, port, connection, path="/big", allow_unknown=True)
                connection.send(http_request("GET", truth.path, truth.request_id))
                held.append((truth, connection))
            time.sleep(0.1)
            for who in PEOPLE:
                scene.asker.ask(f"{cell}, others meanwhile", port, who)
            for truth, connection in held:
                scene.asker.take(truth, connection)


def _asked_ahead(scene):
    """Four requests in one send, of a verified and of an unverified client at once."""
    for name, port in scene.doors():
        with scene.asker.connect(port, "alice") as alice, scene.asker.connect(port, "nobody") as nobody:
            asked = []
            for who, connection in (("alice", alice), ("nobody", nobody)):
                truths = [scene.asker.note(f"{name}: asks ahead", who, expected_of(who), port, connection) for _ in range(4)]
                connection.send(b"".join(http_request("GET", truth.path, truth.request_id) for truth in truths))
                asked += [(truth, connection) for truth in truths]
            for truth, connection in asked:
                scene.asker.take(truth, connection)


def _in_pieces(scene):
    """Two heads, byte groups of both in turn; the unverified client's comes to its end last, then first."""
    for name, port in scene.doors():
        for order in (("alice", "nobody"), ("nobody", "alice")):
            with scene.asker.connect(port, order[0]) as first, scene.asker.connect(port, order[1]) as second:
                asked = []
                for who, connection in zip(order, (first, second)):
                    truth = scene.asker.note(f"{name}: heads in pieces", who, expected_of(who), port, connection)
                    asked.append((truth, connection, http_request("GET", truth.path, truth.request_id)))
                for at in range(0, 200, 25):
                    for _, connection, data in asked:
                        if data[at:at + 25]:
                            connection.send(data[at:at + 25])
                    time.sleep(0.01)
                for truth, connection, _ in asked:
                    scene.asker.take(truth, connection)


def _framed_twice(scene):
    """Content-Length against Transfer-Encoding, straight to Django: flagged, and nothing in it is anybody's else."""
    truth = scene.asker.note("CL against TE", PLAIN, DIRECT, scene.shop.port, method="POST", peer_pid=os.getpid(), allow_unknown=True)
    with scene.asker.connect(scene.shop.port) as connection:
        truth.source_port = connection.source_port
        connection.send(http_request("POST", truth.path, truth.request_id,
                                     (("Content-Length", 5), ("Transfer-Encoding", "chunked"), ("Connection", "close")), b"0\r\n\r\n"))
        answer = connection.response("POST")
        truth.status, truth.worker_pid = answer.status, answer.worker_pid()
    return truth


def _mirrored(scene):
    """nginx asks Django twice for one request: the copy is that client's, or nobody's."""
    for who in PEOPLE * 3:
        truth = scene.asker.ask("mirror", scene.mirroring.port, who)
        scene.asker.ledger.requests.append(replace(truth, cell="mirror, the copy", path=f"/mirrored{truth.path}", allow_unknown=True,
                                                   worker_pid=None))


def _kept(scene):
    """Answers out of nginx's cache never reach Django; what does, is asked by who came to renew it, in the background."""
    paths = []
    for first, second in (("alice", "nobody"), ("nobody", "alice")):
        with scene.asker.connect(scene.caching.port, first) as connection:
            paths.append((scene.asker.ask("cache, filled", scene.caching.port, first, connection=connection, path="/cached").path, second))
        scene.asker.ask("cache, answered from it", scene.caching.port, second, REJECTED, at=paths[-1][0])
    time.sleep(KEPT_S + 1.1)  # nginx counts whole seconds
    for path, second in paths:
        renewed = scene.asker.ask("cache, renewed in the background", scene.caching.port, second, at=path, allow_unknown=True)
        renewed.worker_pid = None  # the answer is the old one's
        if not wait_until(lambda sought=renewed.request_id: any(row["request_id"] == sought for row in scene.shop.requests_seen())):
            raise RuntimeError("nginx renewed nothing")


def _ask_together(scene, cell, port, **marks):
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(scene.asker.ask, cell, port, who, **marks) for who in PEOPLE * 6]
        return {job.result().request_id for job in jobs}


def _is_believed(scene, agent, port):
    """A HAProxy that has just begun: its functions are believed once they have agreed with the sockets, while several ask."""
    asked = _ask_together(scene, "haproxy, not believed yet", port, allow_unknown=True)

    def told():
        return [event for event in of_dataset(agent.read(), "mtlswatch.request") if get(event, "http.request.id") in asked]

    return wait_until(lambda: len(told()) == len(asked)) and all(
        get(event, "mtlswatch.attribution.confidence") == "exact" for event in told())


def _checked(scene, agent, score):
    """HAProxy's own health checks, while people of all kinds ask through it."""
    door = Door("optional", variant="always")
    scene.lab.front(HAProxy, [door], scene.django, label="checking", check="/t/check")
    if agent.runs:
        score.check("HAProxy's functions are believed", wait_until(lambda: _is_believed(scene, agent, door.port)))
    _ask_together(scene, "haproxy with health checks", door.port)
    time.sleep(0.5)

    def told():
        return [(get(event, "mtlswatch.verdict"), get(event, "event.reason"), get(event, "mtlswatch.attribution.confidence"))
                for event in of_dataset(agent.read(), "mtlswatch.request") if get(event, "url.path") == "/t/check"]

    if agent.runs:
        score.check("HAProxy's health checks are told", agent.wait_for(lambda _: len(told()) > 3))
        verdicts = {verdict for verdict, _, _ in told()}
        score.check(f"{len(told())} health checks are nobody's request", verdicts == {"unknown"}, f"{set(told())}")


def _handed_over(scene):
    """A backend that accepts in one process and answers in another; a client that connects as one process and asks as another."""
    worker, = children_of(scene.passing.child.pid)
    truth = scene.asker.ask_directly("accepted by another process", scene.passing.port, (("Connection", "close"),))
    if truth.worker_pid != worker:
        raise RuntimeError("another process answered")
    ours, theirs = socket.socketpair()
    connection = scene.asker.connect(scene.shop.port)
    truth = scene.asker.note("connected by another process", PLAIN, DIRECT, scene.shop.port, connection)
    truth.peer_pid = os.fork()
    if truth.peer_pid == 0:  # knows nothing of the connection but what it is handed
        connection.close()
        _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
        os.write(descriptors[0], http_request("GET", truth.path, truth.request_id))
        os.read(theirs.fileno(), 1)
        os._exit(0)
    socket.send_fds(ours, [b"c"], [connection._sock.fileno()])
    scene.asker.take(truth, connection)
    ours.send(b"e")
    os.waitpid(truth.peer_pid, 0)
    connection.close()


def _opened_from(port, source_port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its port is free at once
    sock.bind(("127.0.0.1", source_port))
    sock.connect(("127.0.0.1", port))
    return sock


def _ports_again(scene):
    """One client port, for one after the other: with a certificate, without, and straight to Django."""
    source_port = free_port()
    for who in PEOPLE * 2:
        for name, port in scene.doors():
            with scene.asker.connect(port, who, _opened_from(port, source_port)) as connection:
                scene.asker.ask(f"{name}: from the same port again", port, who, connection=connection)
        with scene.asker.connect(scene.shop.port, PLAIN, _opened_from(scene.shop.port, source_port)) as connection:
            scene.asker.ask_directly("from that port, straight to Django", scene.shop.port, connection=connection)


def _other_addresses(scene):
    """Django is bound to every address, and configured as 127.0.0.1."""
    for address in ("127.0.0.1", "127.9.9.9"):
        with scene.asker.connect(scene.shop.port, PLAIN, socket.create_connection((address, scene.shop.port))) as connection:
            scene.asker.ask_directly(f"straight to {address}", scene.shop.port, connection=connection)


def _check_flag(truth, agent, score):
    events = [event for event in agent.find("mtlswatch.request") if get(event, "http.request.id") == truth.request_id]
    anomalies = [get(event, "mtlswatch.request.anomalies") for event in events]
    score.check("a request that is framed twice is flagged", anomalies == [["content_length_with_transfer_encoding"]], anomalies)


def run(lab, score):
    scene = _Scene(lab)
    agent = lab.agent(configuration([{"name": "shop", "listen": [scene.django]},
                                     {"name": "passing", "listen": [f"127.0.0.1:{scene.passing.port}"]}]))
    twice = _framed_twice(scene)
    for accident in (_withheld, _asked_ahead, _in_pieces, _mirrored, _kept, _handed_over, _ports_again, _other_addresses):
        accident(scene)
    _checked(scene, agent, score)
    if not agent.runs:
        return
    wait_for_requests(agent, scene.asker.ledger)
    _check_flag(twice, agent, score)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    lab.judge(scene.asker.ledger, [event for event in agent.events if get(event, "url.path") != "/t/check"], "accidents")
