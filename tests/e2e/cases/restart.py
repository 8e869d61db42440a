# SPDX-License-Identifier: Apache-2.0
"""The agent is killed under load and started again. Nobody's request may fail for it, and what it has not seen it must
not judge: connections older than the agent are unknown, never a bypass; new ones are judged as ever, though nginx
still uses upstream connections that are older than the agent."""

from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.steady_load import SteadyLoad
from lab.traffic import Browser, browse
from lab.truth import PREDATES, Ledger


def _held_open(lab, ledger, listeners):
    """Connections that will outlive the agent; each has made its requests already."""
    held = [Browser(lab, ledger, listener, who, cell="before the kill") for listener in listeners
            for who in ("alice", "nobody")]
    for browser in held:
        browser.browse(2)
    return held


def _ask_again(held, ledger):
    for browser in held:
        browser.ledger, browser.cell, browser.expected = ledger, "opened before the agent", PREDATES
        browser.browse(3)
        browser.close()


def run(lab, score):
    shop = lab.gunicorn(workers=2)
    listeners = [Listener(Upstream("tcp", f"127.0.0.1:{shop.port}"), "optional"),
                 Listener(Upstream("unix", f"unix:{shop.unix_path}"), "optional", "TLSv1.2")]
    nginx = lab.nginx(listeners)
    first, before, after = lab.agent(), Ledger(), Ledger()
    held = _held_open(lab, before, listeners)
    wait_for_requests(first, before)
    load = SteadyLoad(lab, listeners, "during kill and restart")
    workers = set(nginx.worker_pids())
    loaded = load.wait_for_more()
    first.kill()
    loaded = load.wait_for_more() and loaded
    second = lab.agent()
    loaded = load.wait_for_more() and loaded
    load.stop()
    score.check("clients kept asking before, between and after", loaded)
    _ask_again(held, after)
    for listener in listeners:
        for who in ("alice", "bob", "nobody"):
            browse(lab, after, listener, who, cell="opened after the restart")
    score.check("no request failed while the agent was killed and started",
                load.answered_all(), load.problems[:1])
    score.check("nginx kept its workers", set(nginx.worker_pids()) == workers)
    if first.runs:
        lab.judge(Ledger(before.requests + load.ledger.requests), first.events, "killed agent")
    after.requests += load.ledger.requests
    after.handshakes += load.ledger.handshakes
    lab.verify(after, second, "second agent", ground=False)
    lab.check_ground(Ledger(before.requests + after.requests))
