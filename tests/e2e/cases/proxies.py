# SPDX-License-Identifier: Apache-2.0
"""Requests through every proxy to Django, one client after the other and many at once. The agent may say exactly whose
request it was, one of whose, or that it cannot know; it may not say anything false."""

import json
import os
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from lab.check import get, of_dataset
from lab.fronts.apache import Apache
from lab.fronts.django_tls import GunicornTls, HypercornTls, UvicornTls, UwsgiTls
from lab.fronts.front import Door
from lab.fronts.haproxy import HAProxy
from lab.fronts.nginx_front import NginxFront
from lab.fronts.node_front import Node
from lab.fronts.stunnel import Stunnel
from lab.front_traffic import FrontVisitor, judge_fronts
from lab.ground_truth import check_backends
from lab.handshake_truth import check_ground
from lab.laboratory import print_losses, wait_for_requests
from lab.truth import Ledger

REUSES = ("never", "safe", "aggressive", "always", "queue")
CROWD = 16


def _fronts(lab, server, uwsgi):
    usual = [Door("required"), Door("optional"), Door("ignoring"), Door()]
    balanced = [Door(mode, variant=variant) for variant in REUSES for mode in ("optional", "ignoring", None)]
    fronts = [lab.front(HAProxy, balanced, server), lab.front(Apache, [*usual, Door("none")], server),
              lab.front(Apache, [*_again(usual), Door("none")], server, mpm="prefork"),
              lab.front(Stunnel, _again(usual), server), lab.front(NginxFront, _again(usual), server, kind="stream"),
              lab.front(NginxFront, _again(usual), f"127.0.0.1:{uwsgi.port}", kind="uwsgi")]
    return fronts + ([lab.front(Node, _again(usual), server)] if shutil.which("node") else [])


def _configuration():
    """An interpreter is nobody's front unless it is said to be one."""
    node = shutil.which("node")
    return f"fronts: {json.dumps([{'executable': os.path.realpath(node), 'uid': 0}] if node else [])}\n"


def _again(doors):
    """The same doors at other ports."""
    return [Door(door.mode, door.sessions, door.variant) for door in doors]


# Mode of the door -> who comes there and is let in.
VISITORS = {"required": ("alice", "bob"), "optional": ("carol", None), "ignoring": ("foreign", "selfsigned"), None: (None,)}


def _plan(front):
    return [(door, who) for door in front.doors if door.mode in VISITORS for who in VISITORS[door.mode]]


def _one_by_one(visitor, count=3):
    for door, who in _plan(visitor.front):
        for version in ("TLSv1.2", "TLSv1.3") if door.mode else (None,):
            visitor.visit(door, who, version, count)
    late = visitor.front.door("none")
    if late:
        visitor.authenticate_late(late, "TLSv1.2", f"{visitor.front.name} renegotiation")
        visitor.authenticate_late(late, "TLSv1.3", f"{visitor.front.name} after the handshake")


def _all_at_once(visitor, plan, cell):
    """Everybody of the plan, as often as it takes to make a crowd."""
    with ThreadPoolExecutor(CROWD) as pool:
        jobs = [pool.submit(visitor.visit, door, who, count=4, cell=f"{visitor.front.name} {cell}")
                for door, who in (plan * CROWD)[:max(CROWD, len(plan))]]
    for job in jobs:
        job.result()


def _verified_plan(front):
    """Nobody but people with good certificates: where it cannot be told who asked, all candidates are verified."""
    return [(door, who) for door in front.doors if door.mode == "optional" for who in ("alice", "bob", "carol")]


def _judge_own_tls(fronts, visitors, agent, score):
    """Django's server is the front, and its requests are read after TLS: events name no path. By client port, each once."""
    events = Counter((get(event, "source.port"), get(event, "destination.port"), get(event, "mtlswatch.verdict"),
                      get(event, "event.reason")) for event in of_dataset(agent.events, "mtlswatch.request"))
    truths = Counter((truth.source_port, truth.destination_port, *truth.expected)
                     for visitor in visitors for truth in visitor.ledger.requests)
    ports = {door.port for front in fronts for door in front.doors}
    told = Counter({said: count for said, count in events.items() if said[1] in ports})
    score.check(f"{truths.total()} requests to servers that end TLS themselves", told == truths,
                f"not told: {list(truths - told)[:4]}, too much: {list(told - truths)[:4]}")
    return ports


def _visit_own_tls(lab):
    fronts = [lab.front(kind, mode) for kind in (GunicornTls, UvicornTls, HypercornTls, UwsgiTls) for mode in ("required", "optional")]
    visitors = [FrontVisitor(lab.pki, Ledger(), front) for front in fronts]
    return fronts, visitors


def run(lab, score):
    shop, uwsgi = lab.gunicorn(workers=2), lab.uwsgi()
    fronts = _fronts(lab, f"127.0.0.1:{shop.port}", uwsgi)
    own_fronts, own_visitors = _visit_own_tls(lab)
    agent, ledger = lab.agent(_configuration()), Ledger()
    visitors = [FrontVisitor(lab.pki, ledger, front) for front in fronts]
    for visitor in visitors:
        _one_by_one(visitor)
        _all_at_once(visitor, _plan(visitor.front), "all sorts at once")
        _all_at_once(visitor, _verified_plan(visitor.front), "verified at once")
    for visitor in own_visitors:
        _one_by_one(visitor, 1)  # uwsgi's router closes after one request
    check_ground([cell for visitor in visitors for cell in visitor.cells], fronts, score)
    unlogged = {door.port for front in fronts if front.name == "nginx-uwsgi" for door in front.doors}
    check_backends([truth for truth in ledger.requests if truth.destination_port not in unlogged], lab.backends, score)
    if not agent.runs:
        print(f"      {len(ledger.requests)} requests, not judged: no agent")
        return
    wait_for_requests(agent, ledger)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    print_losses(agent)
    own_ports = _judge_own_tls(own_fronts, own_visitors, agent, score)
    judge_fronts(ledger.requests, [event for event in agent.events if get(event, "server.port") not in own_ports
                          and get(event, "destination.port") not in own_ports], score, "proxies")
