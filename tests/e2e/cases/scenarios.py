# SPDX-License-Identifier: Apache-2.0
"""Known failures of mTLS deployments behind a usual but poor setup: Django's log has the proxy's address and whatever name a
header brings. Each is caught by an alert or a field. (A sudden drop of verified handshakes has a case of its own: "drops".)"""

from lab.agent import configuration
from lab.alerts import NAME, check_fires, fail_handshakes
from lab.check import get
from lab.client import Http1, open_tcp, tls_context
from lab.host import free_port, wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.prometheus import get_page
from lab.traffic import browse
from lab.truth import Ledger

CLIENT = "127.0.0.5"
LOG_FORMAT = "%(h)s %({x-ssl-client-subject}i)s %({x-request-id}i)s %(m)s %(U)s %(s)s"
POOR_RECIPE = 'proxy_set_header Host $http_host; proxy_set_header X-SSL-Client-Subject $ssl_client_s_dn;\n'
SMALL = (("GET", "", None),)
FAILURES = 15


class Scene:
    """One nginx with the poor recipe on a strict, an optional and a plaintext listener; gunicorn; the agent."""

    def __init__(self, lab, score):
        self.lab, self.score, self.ledger = lab, score, Ledger()
        self.shop = lab.gunicorn(extra=("--access-logformat", LOG_FORMAT))
        recipe = lab.directory / "poor-recipe.conf"
        recipe.write_text(POOR_RECIPE)
        way = Upstream("tcp", f"127.0.0.1:{self.shop.port}", keepalive=False)
        self.strict, self.optional, self.plain = (Listener(way, verify, include=str(recipe)) for verify in ("on", "optional", None))
        lab.nginx([self.strict, self.optional, self.plain])
        self.port = free_port()
        backend = {"name": NAME, "listen": self.shop.listen(), "subjects": ["CN=alice,*"]}
        self.agent = lab.agent(configuration([backend], http={"listen": f"127.0.0.1:{self.port}"}))

    def ask(self, listener, who):
        """One request, with the event about it and the line of Django's server."""
        truth, = browse(self.lab, self.ledger, listener, who, 1, cell=who, shapes=SMALL, come_from=CLIENT)
        wait_for_requests(self.agent, Ledger([truth]))
        event = next((event for event in self.agent.find("mtlswatch.request") if get(event, "url.path") == truth.path), {})
        return event, self.line(truth.path)

    def line(self, path):
        log = self.lab.directory / "shop.access"
        lines = lambda: [line for line in log.read_text().splitlines() if f" {path} " in line]  # noqa: E731
        return "".join(wait_until(lines))

    def said(self, name, backend="service"):
        """The value of a metric for our backend."""
        rows = [row for row in get_page(self.port, "/metrics")[1].splitlines() if row.startswith(f'{name}{{{backend}="{NAME}"')]
        return float(rows[0].split()[-1]) if rows else None


def _check_address(scene):
    event, line = scene.ask(scene.strict, "alice")
    scene.score.check("Django's log has the proxy's address; the event has the client's, and whose certificate it was",
                      line.startswith("127.0.0.1 ") and get(event, "source.ip") == CLIENT and
                      get(event, "tls.client.x509.serial_number") == scene.lab.pki["alice"].serial, f"{line} {event}")
    alice = scene.lab.pki["alice"]
    scene.score.check("Django's log lacks issuer and alternative names; the event has both, and the validity",
                      alice.issuer not in line and alice.alternative_name not in line and
                      get(event, "tls.client.issuer") == get(event, "tls.client.x509.issuer.distinguished_name") == alice.issuer and
                      get(event, "tls.client.x509.alternative_names") == [alice.alternative_name] and
                      get(event, "tls.client.not_before") and get(event, "tls.client.not_after"), f"{line} {event}")


def _check_fallback(scene):
    event, line = scene.ask(scene.optional, "nobody")
    scene.score.check("optional verification: Django answers 200 to nobody; the event says no_client_certificate",
                      line.endswith(" 200") and get(event, "event.reason") == "no_client_certificate", f"{line} {event}")
    check_fires(scene.agent, "MTLS-1001", scene.score, "optional fallback", "no_client_certificate")
    event, line = scene.ask(scene.plain, "nobody")
    scene.score.check("plain HTTP inside: Django answers 200; the event says plaintext_ingress",
                      line.endswith(" 200") and get(event, "event.reason") == "plaintext_ingress", f"{line} {event}")
    check_fires(scene.agent, "MTLS-1004", scene.score, "plain HTTP inside")


def _failed(agent):
    return [event for event in agent.find("mtlswatch.handshake") if get(event, "event.outcome") == "failure"]


def _check_names_and_failures(scene):
    event, _ = scene.ask(scene.strict, "bob")
    scene.score.check("an unexpected name: authenticated, with its violation", get(event, "mtlswatch.verdict") == "authenticated" and
                      get(event, "mtlswatch.violations") == ["unexpected_subject"], f"{event}")
    check_fires(scene.agent, "MTLS-1006", scene.score, "an unexpected name", "unexpected_subject")
    fail_handshakes(scene.strict, FAILURES, come_from=CLIENT)
    burst = check_fires(scene.agent, "MTLS-1011", scene.score, "repeated failures")
    wait_until(lambda: len(_failed(scene.agent)) >= FAILURES, interval_s=0.1)
    failed = _failed(scene.agent)
    scene.score.check("each failure is an event with source and reason; the alert names the source", burst and
                      burst["source"]["ip"] == CLIENT and len(failed) == FAILURES and
                      {(get(event, "source.ip"), get(event, "event.reason")) for event in failed} == {(CLIENT, "alert_unknown_ca")},
                      f"{burst} {[get(event, 'event.reason') for event in failed]}")


def _check_ids(scene):
    """nginx passes a client's id on; who brings none has none in any log."""
    before = scene.said("mtlswatch_requests_without_id_total")
    sock = open_tcp("127.0.0.1", scene.strict.port, CLIENT)
    with Http1(sock, tls_context(scene.lab.pki, scene.lab.pki["alice"])) as connection:
        connection.request("GET", "/without-id", {})
        port = connection.source_port
    found = lambda: [event for event in scene.agent.find("mtlswatch.request") if get(event, "url.path") == "/without-id"]  # noqa: E731
    event, = wait_until(found, interval_s=0.1) or [{}]
    scene.score.check("a log without correlation ids: the event has none either, and is told apart by that",
                      " - GET /without-id" in scene.line("/without-id") and get(event, "http.request.id") is None and
                      get(event, "trace.id") is None, f"{scene.line('/without-id')} {event}")
    scene.score.check("it still names the client's connection and the worker", get(event, "source.port") == port and
                      get(event, "process.pid") in scene.shop.worker_pids(), f"{event}")
    counted = wait_until(lambda: scene.said("mtlswatch_requests_without_id_total") == before + 1, interval_s=0.2)
    scene.score.check("and a metric counts how many such requests there are", before == 0 and counted, f"{before}")


def run(lab, score):
    scene = Scene(lab, score)
    if not scene.agent.runs:
        return
    _check_address(scene)
    _check_fallback(scene)
    _check_names_and_failures(scene)
    _check_ids(scene)
    score.check("the agent ends with 0 on SIGTERM", scene.agent.stop() == 0, scene.agent.child.errors())
