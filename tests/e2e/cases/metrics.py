# SPDX-License-Identifier: Apache-2.0
"""What the running agent tells those who look into it: metrics to a real Prometheus, health, and the commands over the
admin socket. The figures must be those of the traffic that was sent."""

import json
import os
import socket
import stat
import subprocess
from collections import Counter

from lab.agent import configuration
from lab.check import get
from lab.host import PATIENCE_S, Child, free_port, run as run_program, wait_until
from lab.nginx import Listener, Upstream
from lab.prometheus import RULES, Prometheus, get_page
from lab.threads import check_threads
from lab.traffic import browse, browse_direct
from lab.truth import Ledger
from cases.metrics_commands import check_commands

SERVICE = f"shop-{os.getpid()}"  # not the name that discovery gives to other projects of this host
QUIET = {"MtlswatchIdentityHeaderSpoofed", "MtlswatchVerifiedHandshakesDropped", "MtlswatchAuthenticatedRequestsStopped",
         "MtlswatchAgentDown", "MtlswatchAgentMissing", "MtlswatchBlind", "MtlswatchEventsLost", "MtlswatchVerifyFailures"}


def _traffic(lab, ledger, listeners, shop):
    verified, unverified, plaintext = listeners
    for who in ("alice", "bob", "nobody"):
        browse(lab, ledger, verified, who, 6, cell="metrics")
    browse(lab, ledger, unverified, "expired", cell="metrics")
    browse(lab, ledger, plaintext, cell="metrics")
    browse_direct(ledger, shop, "metrics")


def _check_health(port, score):
    status, body = get_page(port, "/healthz")
    score.check("/healthz says that the event loop turns", status == 200 and json.loads(body)["status"] == "ok", body)
    ready = wait_until(lambda: get_page(port, "/readyz")[0] == 200, interval_s=0.2)
    score.check("/readyz is 200 when the configured backend is watched", ready, get_page(port, "/readyz"))
    score.check("another path is 404", get_page(port, "/secrets")[0] == 404)


def _check_page(port, score):
    status, page = get_page(port, "/metrics")
    score.check("/metrics answers", status == 200)
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    score.check("promtool check metrics is content", checked.returncode == 0 and not checked.stdout + checked.stderr,
                checked.stdout + checked.stderr)
    leaks = [word for word in ("alice", "bob", "expired,OU", "127.0.0.1", "/t/") if word in page]
    score.check("no identity, address or path is in the metrics", not leaks, leaks)


def _counts(prometheus, expression, *labels):
    rows = prometheus.query(expression) or []
    return Counter({tuple(metric.get(label) for label in labels): int(value) for metric, value in rows if value})


def _settles(fetch, wanted):
    """The wanted value once fetch gives it, else what it gave last."""
    last = [None]

    def fetched():
        last[0] = fetch()
        return last[0] == wanted

    wait_until(fetched, interval_s=0.5)
    return last[0]


def _check_figures(prometheus, ledger, score):
    sent = [truth for truth in ledger.requests if truth.reaches_backend]
    wanted = Counter(truth.expected for truth in sent)
    found = _settles(lambda: _counts(prometheus, f'mtlswatch_requests_total{{service="{SERVICE}"}}', "verdict", "reason"), wanted)
    score.check("Prometheus has every request with its verdict and reason", found == wanted, f"{found}, sent {wanted}")
    wanted = Counter((truth.expected[0], f"{truth.status // 100}xx") for truth in sent)
    found = _counts(prometheus, f'mtlswatch_responses_total{{service="{SERVICE}"}}', "verdict", "status_class")
    score.check("and with the class of its HTTP status", found == wanted, f"{found}, sent {wanted}")
    kinds = Counter(("none" if not truth.certificate else "unverified" if truth.certificate.who == "expired" else "verified",)
                    for truth in ledger.handshakes)
    found = _counts(prometheus, 'sum by (client_cert) (mtlswatch_tls_handshakes_total{proxy="nginx"})', "client_cert")
    score.check("and every handshake with what its certificate came to", found >= kinds, f"{found}, made {kinds}")
    found = _counts(prometheus, "mtlswatch_tls_verify_failures_total", "reason")
    score.check("an expired certificate is counted as such", found == Counter({("expired",): 1}), found)
    rows = prometheus.query(f'mtlswatch_client_cert_not_after_timestamp_seconds{{service="{SERVICE}"}} - time()') or []
    days = [value / 86400 for _, value in rows]
    score.check("the soonest expiry is that of a certificate in use", len(days) == 1 and 0 < days[0] < 100, days)
    rows = prometheus.query("mtlswatch_correlation_delay_seconds_count") or []
    score.check("the delay of every verdict was measured", rows and rows[0][1] >= len(sent), rows)
    lost = prometheus.query("sum(mtlswatch_events_lost_total)")
    score.check("nothing was lost", lost and lost[0][1] == 0, lost)


def _check_alerts(prometheus, score, before):
    score.check("before the bypass no alert fired", not before, before)
    fired = wait_until(lambda: "MtlswatchBypass" in prometheus.firing(SERVICE), interval_s=0.5)
    score.check("the shipped rule fires for the bypass", fired, prometheus.firing(SERVICE))
    score.check("the others stay quiet", not prometheus.firing(SERVICE) & QUIET, prometheus.firing(SERVICE) & QUIET)


def _check_dashboard(prometheus, score):
    dashboard = json.loads((RULES.parent.parent / "grafana/mtlswatch.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    values = {"$__rate_interval": "30s", "$instance": ".*", "$service": ".*"}
    silent = []
    for expression in expressions:
        for name, value in values.items():
            expression = expression.replace(name, value)
        rows = prometheus.query(expression)
        if rows is None or (not rows and not expression.endswith(("== 0", "> 0"))):
            silent.append(expression)
    score.check("every panel of the dashboard shows something", expressions and not silent, silent[:3])


def _check_slow_clients(port, score):
    """More idle connections than the server takes: the figures come all the same, once those have had their time."""
    idle = [socket.socket() for _ in range(40)]
    for connection in idle:  # some wait in the listener's queue, or do not even get there
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
    for connection in idle:
        try:
            connection.send(b"GET /metr")
        except OSError:
            pass
    status = wait_until(lambda: get_page(port, "/healthz", 5)[0] == 200, interval_s=0.5)
    score.check("idle connections hold the server up for a bounded time only", status)
    for connection in idle:
        connection.close()


def _check_degraded(lab, shop, score):
    port, socket_path = free_port(), lab.directory / "second.sock"
    agent = lab.agent(configuration([{"name": SERVICE, "listen": shop.listen()},
                                     {"name": "absent", "listen": [f"127.0.0.1:{free_port()}"]}],
                                    http={"listen": f"127.0.0.1:{port}"}, admin={"socket": str(socket_path)}))
    wait_until(lambda: "absent" in get_page(port, "/readyz")[1], interval_s=0.2)
    status, body = get_page(port, "/readyz")
    score.check("/readyz is 503 and names the backend that no process serves", status == 503 and "absent" in body, body)
    result = run_program([lab.binary, "status", "--socket", socket_path])
    score.check("status is then 5 and says why", result.returncode == 5 and "no process found for: absent" in result.stdout,
                f"exit {result.returncode}: {result.stdout[:500]}{result.stderr}")
    taken = Child("taken", [lab.binary, "run", "--config", lab.directory / f"agent-{lab._agents}.yaml"], lab.directory)
    code = taken.wait(PATIENCE_S)
    score.check("an HTTP address that is taken is 4 and named", code == 4 and str(port) in taken.errors(), f"exit {code}: {taken.errors()}")
    agent.stop()


def _check_end(agent, ledger, socket_path, score):
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    score.check("and takes its admin socket with it", not socket_path.exists())
    summaries = agent.find("mtlswatch.agent", "identity-summary")
    top = {row["common_name"]: row for row in get(summaries[-1], "mtlswatch.identities.top")} if summaries else {}
    wanted = Counter(truth.who for truth in ledger.requests if truth.expected[0] == "authenticated")
    found = Counter({name: row["requests"] for name, row in top.items() if row["requests"]})
    score.check("the identity summary tells who asked how often", found >= wanted > Counter(), f"{found}, sent {wanted}")
    score.check("and whose certificate did not verify", top.get("expired", {}).get("handshakes_rejected") == 1, top.get("expired"))
    written = {get(event, "mtlswatch.verdict") for event in agent.find("mtlswatch.request") if get(event, "service.name") == SERVICE}
    score.check("authenticated requests are counted, though not written", written == {"bypass"}, written)


def run(lab, score):
    shop = lab.gunicorn()
    way = Upstream("tcp", f"127.0.0.1:{shop.port}")
    listeners = [Listener(way, "optional"), Listener(way, "optional_no_ca"), Listener(way)]
    lab.nginx(listeners)
    port, socket_path, ledger = free_port(), lab.directory / "admin.sock", Ledger()
    agent = lab.agent(configuration([{"name": SERVICE, "listen": shop.listen(), "requests": "violations"}],
                                    http={"listen": f"127.0.0.1:{port}"}, admin={"socket": str(socket_path)},
                                    limits={"ring_bytes": 64 << 20}))  # nothing is lost on a busy machine either
    if not agent.runs:
        return
    check_threads(agent, score, "HTTP")
    _check_health(port, score)
    score.check("the admin socket is its owner's alone", stat.S_IMODE(os.stat(socket_path).st_mode) == 0o600)
    prometheus = Prometheus(lab.directory, port)
    lab.callback(prometheus.stop)
    score.check("Prometheus scrapes the agent", wait_until(prometheus.is_scraping, interval_s=0.5))
    wait_until(lambda: prometheus.query("count_over_time(mtlswatch_ready[1m]) > 3"), interval_s=0.5)
    before = prometheus.firing(SERVICE)
    _traffic(lab, ledger, listeners, shop)
    lab.check_ground(ledger)
    _check_figures(prometheus, ledger, score)
    _check_page(port, score)
    _check_alerts(prometheus, score, before)
    _check_dashboard(prometheus, score)
    check_commands(lab, agent, ledger, (socket_path, SERVICE), shop, score)
    _check_slow_clients(port, score)
    _check_end(agent, ledger, socket_path, score)
    _check_degraded(lab, shop, score)
