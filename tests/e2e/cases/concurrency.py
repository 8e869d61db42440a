# SPDX-License-Identifier: Apache-2.0
"""Many clients at once: no request may be given to the wrong one. Also where nginx delays requests (limit_req) and
where it asks the backend twice for one request (auth_request)."""

from lab.host import wait_until
from lab.nginx import Listener, Upstream
from lab.targets import trust_of
from lab.traffic import browse_at_once
from lab.truth import Ledger

CONNECTIONS = 64
REQUESTS_EACH = 8
STREAMS = "64 connections, HTTP/2 streams"
NOT_YET = "HTTP/2 streams, not believed yet"  # probes on its functions come a moment after the first such client


def _crowd(verified, anonymous, plaintext):
    """64 connections: three quarters with certificates, the rest without, interleaved."""
    visitors = [(verified, "alice"), (verified, "bob"), (verified, "carol"), (anonymous, "nobody"),
                (verified, "alice"), (verified, "bob"), (verified, "carol"), (plaintext, "nobody")]
    return visitors * (CONNECTIONS // len(visitors))


def _listeners(way):
    return (Listener(way, "on"), Listener(way, "optional", "TLSv1.2"), Listener(way))


def run(lab, score):
    shop = lab.gunicorn(workers=3)
    tcp, unix = Upstream("tcp", f"127.0.0.1:{shop.port}"), Upstream("unix", f"unix:{shop.unix_path}")
    over_tcp, over_unix = _listeners(tcp), _listeners(unix)
    streams = Listener(tcp, "optional", http2=True)
    delayed, authorized = Listener(tcp, "optional", limit_requests=True), Listener(tcp, "optional", authorize=True)
    nginx = lab.nginx([*over_tcp, *over_unix, streams, delayed, authorized], workers=2)
    socket_path = lab.directory / "admin.sock"
    agent, ledger = lab.agent(f'admin: {{socket: "{socket_path}"}}\n'), Ledger()

    def is_believed():
        browse_at_once(lab, ledger, _crowd(streams, streams, over_tcp[2]), 4, cell=NOT_YET, allow_unknown=True)
        return trust_of(lab.binary, socket_path, lambda process: process["pid"] in nginx.worker_pids()) == {"believed"}

    browse_at_once(lab, ledger, _crowd(*over_tcp), REQUESTS_EACH, cell="64 connections, TCP upstream")
    browse_at_once(lab, ledger, _crowd(*over_unix), REQUESTS_EACH, cell="64 connections, Unix upstream")
    if agent.runs:
        score.check("nginx's functions are believed", wait_until(is_believed))
    browse_at_once(lab, ledger, _crowd(streams, streams, over_tcp[2]), REQUESTS_EACH, cell=STREAMS)
    browse_at_once(lab, ledger, _crowd(delayed, delayed, delayed)[:32], 4, cell="limit_req")
    browse_at_once(lab, ledger, _crowd(authorized, authorized, authorized)[:32], 4, cell="auth_request")
    for truth in ledger.cell(STREAMS):  # sent on once all that has come meanwhile is read; and whose answer it is, is no proof
        truth.allow_unknown = truth.method == "POST"
    workers = {truth.worker_pid for truth in ledger.requests} - {None}
    score.check("every gunicorn worker answered", workers == set(shop.worker_pids()), f"{workers}")
    fronts = {row["pid"] for nginx in lab.nginxes for row in nginx.requests_seen()}
    score.check("both nginx workers forwarded", len(fronts) == 2, f"{fronts}")
    lab.verify(ledger, agent, "concurrency")
