# SPDX-License-Identifier: Apache-2.0
"""A sensor that cannot see says so, by MTLS-1008: a front in Go through which requests come, requests that cannot be judged,
and records that were lost while the agent was held up. Usual traffic, and a Go server that forwards nothing, raise nothing."""

import json
import signal
from collections import Counter

from lab.agent import configuration
from lab.alerts import NAME, alerts_of, check_fires, go_on
from lab.check import get
from lab.front_traffic import FrontVisitor
from lab.fronts.caddy import Caddy
from lab.fronts.front import Door
from lab.host import run as run_program, wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_at_once
from lab.truth import Ledger

WINDOW_S = 4
RULES = [{"rule": "MTLS-1008", "window": WINDOW_S, "threshold": 5}]
SMALLEST_RING = 65536  # holds the records of about a hundred requests
HELD_UP = 150  # requests of each of two clients: more than the ring holds
USUAL = 100  # connections of four requests: more than are lost


def _check_opaque_front(lab, agent, ledger, caddy, score):
    visitor = FrontVisitor(lab.pki, ledger, caddy)
    raised = lambda: {event["event"]["reason"] for event in alerts_of(agent, "MTLS-1008")}  # noqa: E731
    go_on(lambda: visitor.visit(caddy.doors[0], "alice", cell="caddy"), until=lambda: {"front_not_seen", "requests_not_judged"} <= raised())
    for truth in ledger.cell("caddy"):
        truth.allow_unknown = True  # why, is the case "opaque"'s
    front = check_fires(agent, "MTLS-1008", score, "a front that cannot be seen into", "front_not_seen")
    score.check("it names the front", front and front["process"]["pid"] == caddy.child.pid, f"{front}")
    unjudged = check_fires(agent, "MTLS-1008", score, "requests that cannot be judged", "requests_not_judged")
    score.check("it names the backend", unjudged and unjudged["service"]["name"] == NAME, f"{unjudged}")


def _check_losses(lab, agent, ledger, listener, score):
    """The agent stands still while records come, as on an overloaded host."""
    agent.child.signal(signal.SIGSTOP)
    browse_at_once(lab, ledger, [(listener, "alice"), (listener, "bob")], HELD_UP, cell="held up", shapes=(("GET", "", None),))
    agent.child.signal(signal.SIGCONT)
    for truth in ledger.cell("held up"):
        truth.allow_unknown = truth.optional = True
    for truth in ledger.handshakes:
        truth.optional |= truth.cell == "held up"
    lost = check_fires(agent, "MTLS-1008", score, "an agent that was held up", "records_lost")
    score.check("it says how many records", lost and lost["message"].split()[0].isdigit(), f"{lost}")
    told = agent.find("mtlswatch.agent", "agent-loss")
    score.check("and agent-loss events tell the same", told and told[0]["message"] == lost["message"], f"{told}")


def _records(lab, socket):
    told = run_program([lab.binary, "status", "--json", "--socket", socket])
    return json.loads(told.stdout)["records"]


def _check_accounts(lab, socket, score):
    """Of each kind, what the kernel side saw was emitted, or dropped for a reason."""
    def is_balanced():
        return all(one["seen"] == one["emitted"] + sum(one["dropped"].values()) for one in _records(lab, socket))
    score.check("records seen are those emitted and those dropped", wait_until(is_balanced), _records(lab, socket))
    records = {one["kind"]: one for one in _records(lab, socket)}
    score.check("of requests' bytes some were dropped, most were not",
                records["io"]["emitted"] > records["io"]["dropped"]["ring_full"] > 0, records["io"])


def run(lab, score):
    shop, ledger = lab.gunicorn(), Ledger()
    server = f"127.0.0.1:{shop.port}"
    listener = Listener(Upstream("tcp", server), "on")
    lab.nginx([listener])
    caddy = lab.front(Caddy, [Door("required")], server)
    socket = lab.directory / "admin.sock"
    agent = lab.agent(configuration([{"name": NAME, "listen": shop.listen()}], rules=RULES, limits={"ring_bytes": SMALLEST_RING},
                                    admin={"socket": str(socket)}))
    if not agent.runs:
        return
    for _ in range(USUAL):
        browse(lab, ledger, listener, "alice", cell="usual", shapes=(("GET", "", None),))
        wait_for_requests(agent, ledger)  # the ring is small
    score.check("usual traffic beside an idle Go server raises no alert", not alerts_of(agent, "MTLS-1008"), f"{alerts_of(agent)}")
    _check_opaque_front(lab, agent, ledger, caddy, score)
    _check_losses(lab, agent, ledger, listener, score)
    lab.check_ground(ledger)
    wait_for_requests(agent, ledger)
    _check_accounts(lab, socket, score)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    headless = [event for event in agent.find("mtlswatch.request") if not get(event, "url.path")]  # have no truth
    told = Counter((get(event, "mtlswatch.verdict"), get(event, "event.reason")) for event in headless)
    score.check(f"nothing is known of {len(headless)} requests whose head was lost", all(verdict == "unknown" for verdict, _ in told), told)
    lab.judge(ledger, [event for event in agent.events if event not in headless], "blindness")
