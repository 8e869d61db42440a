# SPDX-License-Identifier: Apache-2.0
"""Every kind of ingress times every kind of way to Django: {TLS 1.2, 1.3} x {HTTP/1.1, HTTP/2} x {TCP, Unix socket} x
{keep-alive upstream or not}, plaintext listeners, and direct connections. One nginx and two gunicorns serve it all."""

from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import Ledger

VERIFY_MODES = ("on", "optional", "optional_no_ca")
# Who connects to a listener of each mode; what must come of it is truth.expected's business.
VISITORS = {
    "on": ("alice", "bob", "carol", "nobody", "expired", "foreign"),
    "optional": ("alice", "nobody", "expired", "selfsigned"),
    "optional_no_ca": ("bob", "nobody", "foreign", "selfsigned", "expired"),
    None: ("nobody",),
}


def upstreams(keeping, closing):
    """keeping: a gunicorn that keeps connections alive; closing: one that does not."""
    return (Upstream("tcp_keepalive", f"127.0.0.1:{keeping.port}"),
            Upstream("unix_keepalive", f"unix:{keeping.unix_path}"),
            Upstream("tcp_close", f"127.0.0.1:{closing.port}", keepalive=False),
            Upstream("unix_close", f"unix:{closing.unix_path}", keepalive=False))


def listeners(ways):
    tls = [Listener(way, verify, protocol, http2) for way in ways for verify in VERIFY_MODES
           for protocol in ("TLSv1.2", "TLSv1.3") for http2 in (False, True)]
    return tls + [Listener(way) for way in ways]


def cell_name(listener):
    if not listener.tls:
        return f"plaintext {listener.upstream.name}"
    return f"{listener.protocol} {'h2' if listener.http2 else 'h1'} {listener.upstream.name}"


def run(lab, score):
    keeping, closing = lab.gunicorn(name="shop"), lab.gunicorn(name="till", kind="sync")
    nginx = lab.nginx(listeners(upstreams(keeping, closing)))
    agent, ledger = lab.agent(), Ledger()
    for listener in nginx.listeners:
        for who in VISITORS[listener.verify]:
            browse(lab, ledger, listener, who, cell=cell_name(listener))
    for backend in (keeping, closing):
        for over in ("tcp", "unix"):
            browse_direct(ledger, backend, f"direct {backend.name} {over}", over)
    refused = [truth for truth in ledger.requests if not truth.reaches_backend]
    score.check(f"nginx answers 400 to {len(refused)} requests without an acceptable certificate",
                refused and all(truth.status == 400 for truth in refused))
    lab.verify(ledger, agent, "matrix")
