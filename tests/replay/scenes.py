# SPDX-License-Identifier: Apache-2.0
"""What happens in each golden recording: scene(lab, file) returns the ledger and the recording agent."""
from lab.agent import configuration
from lab.nginx import Listener, Upstream
from lab.traffic import Browser, browse, browse_at_once, browse_direct
from lab.truth import PREDATES, Ledger
from markers import HEADERS, MARKERS

QUERY = f"?token={MARKERS['query']}"
SHAPES = (("GET", "", None), ("POST", "", f"card={MARKERS['body']}&".encode() * 20), ("GET", "/status/404", None))
SAID = {"query": QUERY, "headers": HEADERS, "shapes": SHAPES}  # every request carries what a recording must not hold

VISITORS = {
    "on": ("alice", "bob", "nobody", "expired", "foreign"),
    "optional": ("alice", "nobody", "expired"),
    "optional_no_ca": ("bob", "nobody", "foreign", "selfsigned", "expired"),
    None: ("nobody",),
}


def _recorder(lab, shop, file):
    """The agent; it is told what to watch, so that other backends of this host stay out of the recording."""
    return lab.agent(configuration([{"name": "shop", "listen": shop.listen()}]), ("record", file))


def _visit(lab, ledger, listeners, count):
    for listener in listeners:
        for who in VISITORS[listener.verify]:
            cell = f"{listener.verify} {who}"
            browse(lab, ledger, listener, who, count, cell=cell, service="shop", **SAID)


def every_client(lab, file):
    """TLS 1.3, HTTP/1.1, keep-alive TCP upstream: every kind of client under every way to ask for a certificate."""
    shop = lab.gunicorn()
    way = Upstream("shop", f"127.0.0.1:{shop.port}")
    listeners = [Listener(way, verify) for verify in VISITORS]
    lab.nginx(listeners)
    agent, ledger = _recorder(lab, shop, file), Ledger()
    _visit(lab, ledger, listeners, 3)
    browse_direct(ledger, shop, "direct", service="shop")
    return ledger, agent


def http2_unix(lab, file):
    """HTTP/2 to nginx, a Unix socket to gunicorn; and straight to that socket."""
    shop = lab.gunicorn()
    way = Upstream("shop", f"unix:{shop.unix_path}")
    listeners = [Listener(way, "on", http2=True), Listener(way, "optional", http2=True),
                 Listener(way, "optional", "TLSv1.2")]
    lab.nginx(listeners)
    agent, ledger = _recorder(lab, shop, file), Ledger()
    _visit(lab, ledger, listeners, 3)
    browse_direct(ledger, shop, "direct", "unix", service="shop")
    return ledger, agent


def crowd(lab, file):
    """16 connections at once, with and without certificates; then 16 whose requests nginx delays (limit_req)."""
    shop = lab.gunicorn(workers=3)
    way = Upstream("shop", f"127.0.0.1:{shop.port}")
    strict, optional, plaintext = Listener(way, "on"), Listener(way, "optional", "TLSv1.2"), Listener(way)
    delayed = Listener(way, "optional", limit_requests=True)
    lab.nginx([strict, optional, plaintext, delayed])
    agent, ledger = _recorder(lab, shop, file), Ledger()
    mixed = [(strict, "alice"), (strict, "bob"), (optional, "nobody"), (plaintext, "nobody")]
    late = [(delayed, "alice"), (delayed, "bob"), (delayed, "carol"), (delayed, "nobody")]
    browse_at_once(lab, ledger, mixed * 4, 2, cell="16 at once", service="shop", **SAID)
    browse_at_once(lab, ledger, late * 4, 2, cell="16 at once, limit_req", service="shop", **SAID)
    return ledger, agent


def agent_came_later(lab, file):
    """Connections older than the agent, to nginx and from nginx to gunicorn, beside new ones."""
    shop = lab.gunicorn()
    listeners = [Listener(Upstream("tcp", f"127.0.0.1:{shop.port}"), "optional"),
                 Listener(Upstream("unix", f"unix:{shop.unix_path}"), "optional")]
    lab.nginx(listeners, workers=1)
    ledger = Ledger()
    held = [Browser(lab, ledger, listener, who, cell="older", service="shop", optional=True) for listener in listeners
            for who in ("alice", "nobody")]
    for browser in held:
        browser.browse(1, **SAID)
    agent = _recorder(lab, shop, file)
    for browser in held:
        browser.expected, browser.marks["optional"] = PREDATES, False
        browser.browse(3, **SAID)
        browser.close()
    for listener in listeners:
        for who in ("alice", "bob", "nobody"):
            browse(lab, ledger, listener, who, 3, cell="new", service="shop", **SAID)
    return ledger, agent


SCENES = {scene.__name__: scene for scene in (every_client, http2_unix, crowd, agent_came_later)}
