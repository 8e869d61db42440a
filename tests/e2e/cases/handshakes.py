# SPDX-License-Identifier: Apache-2.0
"""Every handshake of every proxy: proxy x TLS version x {fresh, each kind of resumption} x who comes, and handshakes
broken on purpose; exactly one right event for each. --full adds the proxies that the short profile leaves out."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

from lab.fronts.apache import Apache
from lab.fronts.django_tls import GunicornTls, HypercornTls, UvicornTls, UwsgiTls
from lab.fronts.front import USUAL_DOORS, Door
from lab.fronts.haproxy import HAProxy
from lab.fronts.nginx_front import NginxFront
from lab.fronts.node_front import Node
from lab.fronts.stunnel import Stunnel
from lab.handshake_matrix import break_handshakes, resumption_of_verified, visit
from lab.handshake_truth import check_depths, check_ground, count_events, judge, judge_requests, print_summary, print_table
from lab.laboratory import print_losses


def _doors(*more):
    return [Door(*kind) for kind in (*USUAL_DOORS, ("revoking", "tickets"), *more)]


def _fronts(lab, server):
    builtin = [(mode, "builtin") for mode in ("required", "optional", "ignoring")]
    fronts = [lab.front(NginxFront, _doors(*builtin), server, level="debug"), lab.front(HAProxy, _doors(), server),
              lab.front(Apache, _doors(), server), lab.front(Stunnel, _doors(), server)]
    if lab.full:
        fronts += [lab.front(Apache, _doors(), server, mpm="prefork"), lab.front(NginxFront, _doors(), server, kind="stream", level="debug")]
        fronts += [lab.front(kind, mode) for kind in (GunicornTls, UvicornTls, HypercornTls, UwsgiTls) for mode in ("required", "optional")]
        if shutil.which("node"):
            fronts.append(lab.front(Node, _doors(), server))
    only = os.environ.get("MTLSWATCH_E2E_FRONTS")  # while one front is being worked on
    return [front for front in fronts if not only or front.name in only.split(",")]


def _on_all(work, fronts):
    """work(front) for all fronts at once: most of the time goes by waiting for servers that give up. All the cells."""
    with ThreadPoolExecutor(len(fronts)) as pool:
        return [cell for cells in pool.map(work, fronts) for cell in cells]


def _check_resumption(cells, fronts, score):
    """A column where nobody was resumed would prove nothing."""
    for front in fronts:
        told = resumption_of_verified(cells, front)
        expected = {column: front.resumes and column not in front.never_resumed for column in told}
        if told:
            never = ", ".join(column for column, resumes in expected.items() if not resumes)
            score.check(f"{front.name} resumes verified clients" + (f", but not by {never}" if never else ""),
                        told == expected, [column for column in told if told[column] != expected[column]])


def run(lab, score):
    shop = lab.gunicorn()
    fronts = _fronts(lab, f"127.0.0.1:{shop.port}")
    agent = lab.agent()
    cells = _on_all(lambda front: visit(front, lab.pki), fronts)
    broken = _on_all(lambda front: break_handshakes(front, lab.pki), [front for front in fronts if front.door("optional")])
    check_ground(cells + broken, fronts, score)
    check_depths(fronts, score)
    _check_resumption(cells, fronts, score)
    if not agent.runs:
        print(f"      {len(cells)} + {len(broken)} handshakes, not judged: no agent")
        return
    due = {(cell.view.source_port, cell.view.destination_port) for cell in cells + broken if 0 not in cell.events}
    score.check("every handshake has its event while the agent runs", agent.wait_for(lambda events: count_events(events, due) == len(due)))
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    print_losses(agent)
    judge(cells + broken, agent.events)
    print(f"      {judge_requests(cells, fronts, agent.events)} of {len(cells)} handshakes carried a request to Django")
    print_table("handshakes", cells)
    print_summary(cells)
    for cell in broken:
        cell.column, cell.row, cell.front = cell.front, cell.row, ""
    print_table("broken handshakes", broken)
    wrong = sum(bool(cell.wrong) for cell in cells + broken)
    score.count(len(cells) + len(broken) - wrong, wrong)
