# SPDX-License-Identifier: Apache-2.0
"""The rules about requests, handshakes and listeners, with real programs: bypass, spoofed header, direct connection, plaintext
listener, unexpected name, expired and soon expiring certificates, TLS 1.1, repeated failures of one source, a listener at
which half of the handshakes fail, and listeners that were weakened. First usual traffic, which raises none of all rules.
The cases "drops" and "blindness" have the other two rules."""

from dataclasses import replace

from lab.agent import configuration
from lab.alerts import NAME, alerts_of, check_fires, fail_handshakes, go_on
from lab.client import Http1, open_tcp, tls_context
from lab.front_traffic import FrontVisitor
from lab.fronts.front import Door
from lab.fronts.stunnel import Stunnel
from lab.handshake_client import Handshake, Wish, context_for
from lab.host import wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import OF_NO_TRUTH, SPOOFED, HandshakeTruth, Ledger, Truth, new_request_id

WINDOW_S = 2
RATE_WINDOW_S = 10  # of MTLS-1012
SEVERAL = 25  # authenticated requests, or failed handshakes: more than a rule waits for
RULES = [
    {"rule": "*", "resolve_after": 600},
    {"rule": "MTLS-1007", "window": WINDOW_S, "threshold": 8},
    {"rule": "MTLS-1008", "window": WINDOW_S, "threshold": 4},
    {"rule": "MTLS-1012", "window": RATE_WINDOW_S, "threshold": 8},
]
# The laboratory's certificates end in 30 days, that of "short" in 5.


def _spoof(lab, ledger, listener, who, headers):
    """One request of a verified client that claims to be somebody else in a header which the front passes on."""
    certificate = lab.pki.clients.get(who)
    sock = open_tcp(listener.address, listener.port)
    with Http1(sock, tls_context(lab.pki, certificate)) as connection:
        truth = Truth("spoofed header", new_request_id(who), f"/t/spoofed/{who}", "GET", SPOOFED, who, certificate,
                      connection.source_ip, connection.source_port, listener.port, protocol=listener.protocol)
        answer = connection.request("GET", truth.path, {"X-Request-ID": truth.request_id, **headers})
        truth.status, truth.worker_pid = answer.status, answer.worker_pid()
    ledger.requests.append(truth)
    ledger.handshakes.append(HandshakeTruth(truth.cell, truth.source_port, listener.port, listener.protocol, certificate))


def _check_control(lab, agent, ledger, listener, score):
    """What is usual: verified clients on new and on kept connections, some windows long, and now and then one that fails."""
    ask = lambda: browse(lab, ledger, listener, "alice", 4, cell="usual", shapes=(("GET", "", None),))  # noqa: E731
    go_on(ask, 4 * WINDOW_S)
    fail_handshakes(listener, 3)
    go_on(ask, WINDOW_S)
    wait_for_requests(agent, ledger)
    early = [(event["rule"]["id"], event["event"]["reason"]) for event in alerts_of(agent)]
    score.check("usual traffic raises no alert of any rule", not early, f"{early}")


def _check_requests(lab, agent, ledger, doors, shop, score):
    strict, optional, lax, plain, _ = doors
    browse(lab, ledger, optional, "nobody", 1, cell="no certificate")
    check_fires(agent, "MTLS-1001", score, "a request without certificate", "no_client_certificate")
    browse(lab, ledger, lax, "foreign", 1, cell="other CA")
    check_fires(agent, "MTLS-1001", score, "a certificate of another CA", "client_certificate_not_verified")
    browse(lab, ledger, plain, "nobody", 1, cell="plaintext")
    check_fires(agent, "MTLS-1004", score, "a plaintext listener")
    browse_direct(ledger, shop, "direct", count=1)
    direct = check_fires(agent, "MTLS-1003", score, "a direct connection")
    if direct:
        score.check("MTLS-1003 names the process", direct["process"]["name"].startswith("python3"), f"{direct['process']}")
    browse(lab, ledger, optional, "bob", 1, cell="unexpected name")
    check_fires(agent, "MTLS-1006", score, "a name that policy does not expect", "unexpected_subject")
    # nginx of the laboratory sets four headers; X-SSL-Client-CN is the client's own.
    _spoof(lab, ledger, strict, "alice", {"X-SSL-Client-CN": "root"})
    check_fires(agent, "MTLS-1002", score, "a spoofed header on an authenticated request", "identity_header_spoofed")


def _check_handshakes(lab, agent, ledger, doors, score):
    strict, optional, lax, _, old = doors
    browse(lab, ledger, lax, "expired", 1, cell="expired")
    check_fires(agent, "MTLS-1005", score, "an expired certificate", "expired")
    browse(lab, ledger, optional, "short", 1, cell="ends soon")
    check_fires(agent, "MTLS-1005", score, "a certificate that ends soon", "expires_soon")
    browse(lab, ledger, old, "alice", 1, cell="TLS 1.1")
    check_fires(agent, "MTLS-1009", score, "TLS 1.1", "tls_1.1")
    fail_handshakes(strict, 12)
    burst = check_fires(agent, "MTLS-1011", score, "a burst of failed handshakes")
    score.check("MTLS-1011 names the source", burst and burst["source"]["ip"] == OF_NO_TRUTH, f"{burst}")
    go_on(lambda: fail_handshakes(strict, 4), until=lambda: alerts_of(agent, "MTLS-1012"))
    rate = check_fires(agent, "MTLS-1012", score, "a listener at which most handshakes fail")
    score.check("MTLS-1012 names the listener and the HTTP statuses beside", rate and rate["destination"]["port"] == strict.port
                and "HTTP statuses beside them" in rate["message"], f"{rate}")


def _check_reconfigured(lab, agent, ledger, nginx, demanding, score):
    """ssl_verify_client on becomes optional: what was forwarded before came from verified clients only."""
    browse(lab, ledger, demanding, "alice", SEVERAL, cell="before", shapes=(("GET", "", None),))
    weak = replace(demanding, verify="optional")
    strict_workers = set(nginx.worker_pids())
    nginx.reload([weak])
    score.check("the workers that demanded a certificate are gone", wait_until(lambda: not strict_workers & set(nginx.worker_pids())))
    browse(lab, ledger, weak, "nobody", 1, cell="weakened")
    alert = check_fires(agent, "MTLS-1010", score, "a listener that was weakened")
    score.check("MTLS-1010 names the listener and what it did before", alert and alert["destination"]["port"] == weak.port and
                alert["mtlswatch"]["alert"]["cause"] == "it forwarded only verified clients before", f"{alert}")


class _Replaced(Stunnel):
    name = "stunnel-replaced"


def _check_replaced(lab, agent, ledger, shop, score):
    """stunnel that demands a certificate in the handshake, and refuses, is started again without."""
    door = Door("required")
    refusing = lab.front(Stunnel, [door], f"127.0.0.1:{shop.port}")
    wish = Wish()
    with Handshake(context_for(lab.pki, wish), wish, door.port) as handshake:
        handshake.ask("/t/refused")
        score.check("stunnel refuses who has no certificate", not handshake.view.accepted and handshake.view.alert, handshake.view)
    agent.wait_for(lambda events: any(event["event"].get("reason") == "peer_did_not_return_a_certificate" for event in events))
    refusing.stop()
    weak = replace(door, mode="optional")
    FrontVisitor(lab.pki, ledger, lab.front(_Replaced, [weak], f"127.0.0.1:{shop.port}")).visit(weak, count=1, cell="replaced")

    def found():
        return [event for event in alerts_of(agent, "MTLS-1010") if event["destination"]["port"] == door.port]

    agent.wait_for(lambda _: found())
    score.check("a listener that used to refuse raises MTLS-1010, and the alert says so", found() and
                found()[0]["mtlswatch"]["alert"]["cause"] == "it refused such clients before", f"{found()}")


def _check_incidents(agent, score):
    per_incident = {}
    for event in alerts_of(agent, state="first"):
        key = event["mtlswatch"]["alert"]["fingerprint"]
        per_incident[key] = per_incident.get(key, 0) + 1
    score.check("an incident has one first alert", set(per_incident.values()) == {1}, f"{per_incident}")


def run(lab, score):
    shop = lab.gunicorn()
    way = Upstream("tcp", f"127.0.0.1:{shop.port}")
    doors = *(Listener(way, verify) for verify in ("on", "optional", "optional_no_ca", None)), Listener(way, "on", "TLSv1.1")
    demanding = Listener(way, "on")
    lab.nginx(doors)
    nginx = lab.nginx([demanding], name="demanding")
    backend = {"name": NAME, "listen": shop.listen(), "subjects": ["spiffe://example.org/alice", "spiffe://example.org/carol"]}
    agent, ledger = lab.agent(configuration([backend], rules=RULES)), Ledger()
    if not agent.runs:
        return
    _check_control(lab, agent, ledger, doors[0], score)
    _check_requests(lab, agent, ledger, doors, shop, score)
    _check_handshakes(lab, agent, ledger, doors, score)
    _check_reconfigured(lab, agent, ledger, nginx, demanding, score)
    _check_replaced(lab, agent, ledger, shop, score)
    lab.verify(ledger, agent, "alerts")
    _check_incidents(agent, score)
