# SPDX-License-Identifier: Apache-2.0
"""IPv6 before and behind nginx, and nginx replacing its workers under traffic."""

import threading
from http.client import HTTPException

from lab.nginx import Listener, Upstream
from lab.traffic import Browser, browse, browse_direct
from lab.truth import Ledger


def _ipv6(lab, ledger, listeners, shop):
    for listener in listeners:
        for who in ("alice", "nobody"):
            browse(lab, ledger, listener, who, cell=f"[{listener.address}] to {listener.upstream.name}")
    browse_direct(ledger, shop, "direct over IPv6", address="::1")


def _reload(lab, ledger, nginx, listener, score):
    """Connections that are open across the reload stay with the old workers; new ones go to the new workers."""
    stop, problems = threading.Event(), []

    def keep_asking(who):
        try:
            while not stop.is_set():
                browse(lab, ledger, listener, who, 1, headers={"Connection": "close"}, cell="opened around the reload")
        except (OSError, HTTPException) as error:
            problems.append(error)

    askers = [threading.Thread(target=keep_asking, args=(who,)) for who in ("bob", "carol", "nobody")]
    with Browser(lab, ledger, listener, "alice", cell="open across the reload") as old:
        old.browse(2)
        slow = threading.Thread(target=old.browse, args=(1, "?ms=1500"), kwargs={"shapes": (("GET", "/slow", None),)})
        for thread in (slow, *askers):
            thread.start()
        before = nginx.worker_pids()
        nginx.reload()
        slow.join()
    for who in ("alice", "bob", "nobody"):
        browse(lab, ledger, listener, who, cell="opened after the reload")
    stop.set()
    for asker in askers:
        asker.join()
    served = {row["pid"] for row in nginx.requests_seen()}
    score.check("old and new nginx workers both forwarded", served & set(before) and served - set(before),
                f"before {before}, served {served}")
    score.check("no client failed through the reload", not problems, problems[:1])


def run(lab, score):
    shop = lab.gunicorn(workers=3)
    over_v4, over_v6 = Upstream("v4", f"127.0.0.1:{shop.port}"), Upstream("v6", f"[::1]:{shop.port}")
    both_v6 = [Listener(over_v6, "optional", address="::1"), Listener(over_v6, address="::1")]
    mixed = [Listener(over_v4, "optional", address="::1"), Listener(over_v6, "optional")]
    reloaded = Listener(over_v4, "optional", "TLSv1.2")
    nginx = lab.nginx([*both_v6, *mixed, reloaded], workers=3)
    agent, ledger = lab.agent(), Ledger()
    _ipv6(lab, ledger, both_v6 + mixed, shop)
    _reload(lab, ledger, nginx, reloaded, score)
    lab.verify(ledger, agent, "network")
