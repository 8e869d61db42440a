# SPDX-License-Identifier: Apache-2.0
"""Django servers that end TLS themselves, most of them feeding OpenSSL through memory: a request that is read in one piece
with the end of its handshake, one that comes later, and what is no TLS at all. Each has its event, once."""

import time
from collections import Counter

from lab.check import get, of_dataset
from lab.fronts.django_tls import GunicornTls, GunicornTlsAtOnce, HypercornTls, UvicornTls
from lab.handshake_client import Wish, ask_in_one_piece, context_for, say, shake
from lab.laboratory import print_losses

REASONS = {"alice": ("authenticated", "verified_client_certificate"), None: ("bypass", "no_client_certificate")}
COUNT = 5
NOISE = {"http_request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "wrong_version_number": b"\x16\x99" + bytes(60)}
LATE_S = 11  # a request without an answer is told after 10 s


def _ask(pki, port, who):
    """(source port, verdict, reason) of every request."""
    wish = Wish(certificate=pki.clients.get(who))
    for number in range(COUNT):
        for ask in (lambda path: ask_in_one_piece(context_for(pki, wish), port, path),
                    lambda path: shake(context_for(pki, wish), wish, port, path=path)):
            view = ask(f"/t/memory/{who}/{number}")
            if view.status != 200:
                raise RuntimeError(f"status {view.status}")
            yield view.source_port, *REASONS[who]


def _requests_of(events, port):
    return Counter((get(event, "source.port"), get(event, "mtlswatch.verdict"), get(event, "event.reason"))
                   for event in of_dataset(events, "mtlswatch.request") if get(event, "server.port") == port)


def _failures_of(events, port):
    return Counter((get(event, "source.port"), get(event, "event.reason")) for event in of_dataset(events, "mtlswatch.handshake")
                   if get(event, "destination.port") == port and get(event, "event.outcome") == "failure")


def run(lab, score):
    fronts = [lab.front(kind, "optional") for kind in (UvicornTls, HypercornTls, GunicornTls, GunicornTlsAtOnce)]
    agent = lab.agent()
    asked, noise = {}, {}
    for front in fronts:
        port = front.doors[0].port
        asked[port] = Counter(request for who in REASONS for request in _ask(lab.pki, port, who))
        noise[port] = Counter((say(port, data).source_port, reason) for reason, data in NOISE.items() for _ in range(2))
    if not agent.runs:
        print(f"      {sum(map(Counter.total, asked.values()))} requests, not judged: no agent")
        return
    score.check("every request and failure has its event", agent.wait_for(lambda events: all(_requests_of(events, port).total() >= wanted.total() and
                                      _failures_of(events, port).total() >= noise[port].total()
                                      for port, wanted in asked.items())))
    time.sleep(LATE_S)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    print_losses(agent)
    for front in fronts:
        port = front.doors[0].port
        told, failed = _requests_of(agent.events, port), _failures_of(agent.events, port)
        score.check(f"{front.name}: {asked[port].total()} requests are told, each once and right", told == asked[port],
                    f"absent {list((asked[port] - told).items())[:4]}, beyond {list((told - asked[port]).items())[:4]}")
        score.check(f"{front.name}: what is no TLS is a failed handshake, and no request", failed == noise[port], f"{failed}, not {noise[port]}")
