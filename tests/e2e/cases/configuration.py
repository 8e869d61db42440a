# SPDX-License-Identifier: Apache-2.0
"""Without a configuration the agent finds Django and nginx itself; with one it watches what is named, by that name.
It does not matter whether the agent or the servers start first."""

from lab.agent import configuration
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import Ledger


def _round(lab, ledger, listeners, backends, cell, service=None):
    for listener in listeners:
        for who in ("alice", "nobody"):
            browse(lab, ledger, listener, who, cell=cell, service=service)
    for backend in backends:
        browse_direct(ledger, backend, cell, service=service)


def _check_services(agent, ledger, score):
    names = {event.get("service", {}).get("name") for event in agent.find("mtlswatch.request")}
    if agent.runs and ledger.requests:
        score.check("every found backend has a name", names and None not in names and "" not in names, f"{names}")


def run(lab, score):
    agent_first, ledger = lab.agent(), Ledger()
    shop, runserver = lab.gunicorn(), lab.runserver()
    ways = (Upstream("shop", f"127.0.0.1:{shop.port}"), Upstream("shop_unix", f"unix:{shop.unix_path}"))
    development = Upstream("development", f"127.0.0.1:{runserver.port}", keepalive=False)
    listeners = [Listener(way, "optional") for way in (*ways, development)]
    lab.nginx(listeners)
    _round(lab, ledger, listeners, (shop, runserver), "agent started first")
    _finish(lab, agent_first, ledger, score, "agent first")

    found, ledger_found = lab.agent(), Ledger()
    _round(lab, ledger_found, listeners, (shop, runserver), "found by itself")
    _finish(lab, found, ledger_found, score, "no configuration")

    named, ledger_named = lab.agent(configuration([{"name": "shop", "listen": shop.listen()}])), Ledger()
    _round(lab, ledger_named, listeners[:2], (shop,), "configured", service="shop")
    _finish(lab, named, ledger_named, score, "explicit configuration")
    lab.check_ground(Ledger([truth for part in (ledger, ledger_found, ledger_named) for truth in part.requests]))


def _finish(lab, agent, ledger, score, title):
    lab.verify(ledger, agent, title, ground=False)
    _check_services(agent, ledger, score)
