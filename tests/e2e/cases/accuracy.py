# SPDX-License-Identifier: Apache-2.0
"""How often is a request given to the right client, by proxy and load? Each row: many connections at once, people with
certificates and without among them. Nothing may be wrong; what may be left open depends on the proxy. --full: 5,000
requests a row."""

import json
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256

from lab.check import get, of_dataset
from lab.client import Http1, Http2, open_tcp, tls_context
from lab.fronts.apache import Apache
from lab.fronts.front import Door
from lab.fronts.haproxy import HAProxy
from lab.fronts.node_front import Node
from lab.fronts.stunnel import Stunnel
from lab.host import free_port, wait_until
from lab.name_server import NameServer
from lab.nginx import Listener, Upstream
from lab.targets import trust_of
from lab.truth import AUTHENTICATED, DIRECT, NO_CERTIFICATE, new_request_id

PEOPLE = ("alice", None, "bob", "carol")
SHORT, FULL = 240, 5000  # requests a row
# In a short row its end weighs more: whether nginx has read all of the last answer on an idle connection is not known.
SHORT_ALLOWANCE = 0.09
RING_BYTES = 64 << 20  # a busy machine does not let the agent read for a while
COLUMNS = ("total", "exact", "one_of", "unknown", "wrong", "missing")


@dataclass
class Row:
    """One proxy under one load. at_least: the share that must be exact. equal: all heads are the same, and a request is
    known by its place in the order in which the only thread of its worker answered."""
    name: str
    port: int
    at_least: float = 0.0
    connections: int = 16
    streams: int = 0  # HTTP/2: so many requests at a time on each connection
    equal: bool = False
    big: bool = False  # answers of 256 KiB: HTTP/2 stops and goes on with each
    trust: str = "one at a time"  # the state that `targets` tells of its process; None: it may change
    on_demand: bool = False  # its witness is switched on when it is needed


@dataclass(frozen=True)
class Asked:
    row: Row
    who: str
    source_port: int
    path: str
    request_id: str  # None where all heads are equal
    place: tuple  # (worker's pid, its how-manieth answer)

    @property
    def verdict(self):
        return AUTHENTICATED if self.who else NO_CERTIFICATE


def _nginx_rows(lab, tcp, one_thread):
    closing = Upstream("closing", tcp.server, keepalive=False)
    # The first of the two refuses every connection.
    retried = Upstream("retried", f"127.0.0.1:{free_port()} max_fails=0; server {tcp.server}", keepalive=False)
    names = NameServer()
    lab.callback(names.stop)
    shapes = (("plain", Listener(closing, "optional")), ("keep-alive", Listener(tcp, "optional")),
              ("limit_req", Listener(tcp, "optional", limit_requests=True)),
              ("auth_request", Listener(tcp, "optional", authorize=True)),
              ("resolver", Listener(closing, "optional", resolver=f"127.0.0.1:{names.port}")),
              ("second upstream", Listener(retried, "optional")))
    equal = Listener(Upstream("one", one_thread), "optional")
    lab.nginx([equal, *(listener for _, listener in shapes)])
    rows = {name: Row(f"nginx {name}", listener.port, 0.99, trust="proof") for name, listener in shapes}
    # One of its own: its HTTP/2 clients make the agent ask nginx's own functions.
    streams = Listener(tcp, "optional", http2=True)
    lab.nginx([streams])
    http2 = Row("nginx HTTP/2", streams.port, 0.99, streams=16, trust="believed", on_demand=True)
    return [*rows.values(), replace(rows["keep-alive"], name="nginx 64 connections", connections=64), http2,
            replace(http2, name="nginx HTTP/2, big answers", big=True),
            replace(rows["keep-alive"], name="nginx equal heads", port=equal.port, equal=True)]


# (name, value of http-reuse or "queue", more of Row)
_HAPROXY = (("never", "never", {}), ("safe, 64 connections", "safe", {"connections": 64}), ("always", "always", {}),
            ("queue of 4", "queue", {}), ("queue of 4, 64 connections", "queue", {"connections": 64}),
            ("HTTP/2", "always", {"streams": 16}), ("queue of 4, HTTP/2", "queue", {"streams": 16}))


def _haproxy_rows(lab, server, one_thread):
    rows = []
    for name, variant, more in _HAPROXY:  # a process for each: what is learned about one does not help another
        door = Door("optional", variant=variant)
        lab.front(HAProxy, [door], server, label=name, at_once=4, alpn="h2" if "streams" in more else "http/1.1")
        rows.append(Row(f"haproxy {name}", door.port, 0.98, trust="believed", on_demand="streams" in more, **more))
    for variant in ("always", "queue"):
        door = Door("optional", variant=variant)
        lab.front(HAProxy, [door], one_thread, label=f"equal {variant}", at_once=4)
        rows.append(Row(f"haproxy {variant}, equal heads", door.port, 0.98, equal=True, trust="believed"))
    return rows


def _other_rows(lab, server, one_thread):
    plain, streams, stunnel, node, node_equal = (Door("optional") for _ in range(5))
    lab.front(Apache, [plain], server)
    lab.front(Apache, [streams], server, http2=True)
    lab.front(Stunnel, [stunnel], server)
    rows = [Row("apache event", plain.port, 0.99, trust="proof"), Row("apache HTTP/2", streams.port, streams=8, trust="proof"),
            Row("stunnel", stunnel.port, 0.99, trust="proof")]
    if shutil.which("node"):
        lab.front(Node, [node], server)
        lab.front(Node, [node_equal], one_thread, label="equal")
        rows += [Row("node", node.port, 0.95, trust="believed", on_demand=True),
                 Row("node 64 connections", node.port, 0.95, connections=64, trust="believed", on_demand=True),
                 Row("node equal heads", node_equal.port, equal=True, trust=None)]
    return rows


class _Crowd:
    """Everybody who asks in one row."""

    def __init__(self, lab, row, contexts):
        self.row, self.contexts = row, contexts
        self.requests_each = -(-(FULL if lab.full and not row.big else SHORT) // row.connections)

    def ask(self):
        with ThreadPoolExecutor(self.row.connections) as pool:
            jobs = [pool.submit(self._visit, PEOPLE[number % len(PEOPLE)]) for number in range(self.row.connections)]
        return [asked for job in jobs for asked in job.result()]

    def _visit(self, who):
        kind = Http2 if self.row.streams else Http1
        with kind(open_tcp("127.0.0.1", self.row.port), self.contexts[who, bool(self.row.streams)]) as connection:
            at_once = self.row.streams or 1
            return [asked for first in range(0, self.requests_each, at_once)
                    for asked in self._batch(connection, who, first, min(at_once, self.requests_each - first))]

    def _batch(self, connection, who, first, count):
        requests = [self._request(connection.source_port, who, first + number) for number in range(count)]
        if self.row.streams:
            answers = connection.requests(requests)
        else:
            answers = [connection.request(*request) for request in requests]
        return [self._asked(connection.source_port, who, request, answer) for request, answer in zip(requests, answers)]

    def _request(self, source_port, who, number):
        if self.row.equal:
            return "GET", "/t/equal", {}, None
        headers = {"X-Request-ID": new_request_id(who or "nobody"), "Cookie": f"session={sha256(str(source_port).encode()).hexdigest()}"}
        return "GET", f"/{'big' if self.row.big else 't'}/{who}/{source_port}/{number}", headers, None

    def _asked(self, source_port, who, request, answer):
        if answer.status != 200:
            raise RuntimeError(f"{self.row.name}: {who} got {answer.status} for {request[1]}")
        place = answer.worker_pid(), int(answer.headers["x-worker-answers"])
        return Asked(self.row, who, source_port, request[1], request[2].get("X-Request-ID"), place)


def _events_of(asked, events):
    """Each request with its events."""
    by_id, equal = {}, {}
    for event in of_dataset(events, "mtlswatch.request"):
        by_id.setdefault((get(event, "http.request.id"), get(event, "url.path")), []).append(event)
    for event in sorted(by_id.get((None, "/t/equal"), []), key=lambda event: event["@timestamp"]):
        equal.setdefault(get(event, "process.pid"), []).append(event)
    for pid, found in equal.items():
        places = sorted(request.place for request in asked if request.row.equal and request.place[0] == pid)
        equal[pid] = dict(zip(places, found)) if len(places) == len(found) else {}
    for request in asked:
        if request.row.equal:
            found = [equal.get(request.place[0], {}).get(request.place)]
        else:
            found = by_id.get((request.request_id, request.path), [])
        yield request, [event for event in found if event]


def _word(request, events):
    """A column for one request."""
    if len(events) != 1:
        return "wrong" if events else "missing"
    event = events[0]
    verdict, reason, confidence = (get(event, name) for name in ("mtlswatch.verdict", "event.reason",
                                                                 "mtlswatch.attribution.confidence"))
    is_another = get(event, "source.port") not in (None, request.source_port)
    if confidence == "exact" and is_another and (verdict, reason) != DIRECT:
        return "wrong"
    if verdict == "unknown":
        return "unknown"
    if (verdict, reason) != request.verdict:
        return "wrong"
    return "exact" if confidence == "exact" else "one_of"


def _judge(rows, asked, events, score, allowance):
    counts, reasons, examples = {row.name: Counter() for row in rows}, Counter(), []
    for request, found in _events_of(asked, events):
        word = _word(request, found)
        counts[request.row.name].update(("total", word))
        reasons.update((request.row.name, get(event, "event.reason")) for event in found if word == "unknown")
        if word in ("wrong", "missing"):
            examples.append((request, [(get(event, "source.port"), get(event, "mtlswatch")) for event in found]))
    width = max(len(row.name) for row in rows)
    print(f"{'':{width}}  " + "  ".join(f"{name:>7}" for name in COLUMNS))
    for row in rows:
        print(f"{row.name:{width}}  " + "  ".join(f"{counts[row.name][name]:7}" for name in COLUMNS))
    for (name, reason), number in sorted(reasons.items()):
        print(f"  {number:5} unknown of {name}: {reason}")
    for example in examples[:4]:
        print(f"  {example}")
    for row in rows:
        count = counts[row.name]
        score.check(f"{row.name}: nothing wrong, nothing missing", count["total"] and not count["wrong"] + count["missing"])
        if row.at_least:
            share = row.at_least - allowance
            score.check(f"{row.name}: at least {share:.0%} exact", count["exact"] >= share * count["total"])


def _trust(lab, row, socket_path):
    """How far the processes of a row are believed, as `targets` tells."""
    return trust_of(lab.binary, socket_path, lambda process: any(listener.endswith(f":{row.port}") for listener in process["listeners"]))


def _warm_up(lab, row, contexts, socket_path, score):
    """A witness on demand comes a moment after it is first needed, and is believed once it has agreed."""
    asked = []

    def is_believed():
        asked.extend(_Crowd(lab, row, contexts).ask())
        return row.trust in _trust(lab, row, socket_path)

    score.check(f"{row.name}: its witness is believed before it is needed", wait_until(is_believed))
    return asked


def run(lab, score):
    shop, till = lab.gunicorn(workers=2), lab.gunicorn(name="till", extra=("--threads", 1))
    server = f"127.0.0.1:{shop.port}"
    one_thread, socket_path = f"127.0.0.1:{till.port}", lab.directory / "admin.sock"
    rows = [*_nginx_rows(lab, Upstream("tcp", server), one_thread), *_haproxy_rows(lab, server, one_thread),
            *_other_rows(lab, server, one_thread)]
    contexts = {(who, http2): tls_context(lab.pki, lab.pki.clients.get(who), ("h2",) if http2 else ())
                for who in PEOPLE for http2 in (False, True)}
    node = shutil.which("node")  # an interpreter is no front by itself
    fronts = json.dumps([{"executable": os.path.realpath(node), "uid": 0}] if node else [])
    agent, asked, warming = lab.agent(f'admin: {{socket: "{socket_path}"}}\nlimits: {{ring_bytes: {RING_BYTES}}}\nfronts: {fronts}\n'), [], []
    for row in rows:
        if row.on_demand and agent.runs:
            warming.append(replace(row, name=f"{row.name}, not believed yet", big=False, at_least=0))
            asked += _warm_up(lab, warming[-1], contexts, socket_path, score)
        asked += _Crowd(lab, row, contexts).ask()
    score.check("every crowd was answered", len(asked) >= len(rows) * SHORT)
    if not agent.runs:
        return
    agent.wait_for(lambda events: len(of_dataset(events, "mtlswatch.request")) >= len(asked))
    for row in (row for row in rows if row.trust):
        states = _trust(lab, row, socket_path)
        score.check(f"{row.name}: its trust is told", row.trust in states, f"{states}")
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    score.check("no record was lost", not agent.find("mtlswatch.agent", "agent-loss"))
    _judge([*rows, *warming], asked, agent.events, score, 0 if lab.full else SHORT_ALLOWANCE)
