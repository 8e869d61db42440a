# SPDX-License-Identifier: Apache-2.0
"""Each known failure of an mTLS deployment, played with real programs, raises the alert that catches it: bypass, spoofed
header, direct connection, plaintext listener, unexpected name, expired and soon expiring certificates, repeated failures,
a listener that was weakened, and a sudden drop of verified handshakes. Usual traffic raises none."""

import ssl
import time

from lab.agent import configuration
from lab.client import Http1, open_tcp, tls_context
from lab.host import wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import SPOOFED, Ledger, Truth, new_request_id

PATIENCE_S = 40
WINDOW_S = 2
NAME = "watched"  # the backend's: another Django of this host may raise alerts of its own
RULES = [
    {"rule": "*", "resolve_after": 600},
    {"rule": "verified-handshake-drop", "window": WINDOW_S, "threshold": 4},
    {"rule": "MTLS-1005", "days": 20},
    {"rule": "MTLS-1010", "threshold": 1000},
]
# The laboratory's certificates end in 30 days, that of "short" in 10.


def _alerts(agent, rule_id):
    """The rule's alerts about our backend, or about none: a handshake has no backend yet."""
    return [event for event in agent.find("mtlswatch.alert") if event["rule"]["id"] == rule_id
            and event.get("service", {}).get("name", NAME) == NAME]


def _fires(agent, rule_id, score, what, reason=None):
    """Waits for the rule's alert; it must carry evidence that is an event of the run, and its incident's state."""
    def found():
        return [event for event in _alerts(agent, rule_id) if reason in (None, event["event"]["reason"])]

    alerts = wait_until(found, PATIENCE_S, 0.1)
    score.check(f"{what} raises {rule_id}{' ' + reason if reason else ''}", alerts,
                f"{[(event['rule']['id'], event['event']['reason']) for event in agent.find('mtlswatch.alert')]}")
    if not alerts:
        return None
    ids = {event["event"]["id"] for event in agent.events}
    evidence = alerts[0]["mtlswatch"]["alert"].get("evidence", [])
    score.check(f"{rule_id} names its evidence", evidence and set(evidence) <= ids, f"{evidence}")
    score.check(f"{rule_id} is an alert by its rule's name", alerts[0]["event"]["kind"] == "alert"
                and alerts[0]["event"]["action"] == alerts[0]["rule"]["name"])
    return alerts[0]


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
    return truth


def _fail_handshakes(listener, count):
    """Clients that do not trust the front's certificate: each ends its handshake with an alert."""
    for _ in range(count):
        with open_tcp(listener.address, listener.port) as sock:
            try:
                ssl.create_default_context().wrap_socket(sock, server_hostname="localhost")
            except ssl.SSLCertVerificationError:
                continue
            raise RuntimeError("the system trusts the laboratory")


def _windows(act, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act()
        time.sleep(0.05)


def _check_drop(lab, agent, ledger, usual, moved, score):
    """Verified clients for some windows, then only clients that go past the proxy."""
    _windows(lambda: browse(lab, ledger, usual, "alice", 2, cell="usual traffic", shapes=(("GET", "", None),)), 6 * WINDOW_S)
    score.check("usual traffic raises no drop", not _alerts(agent, "MTLS-1007"))
    stop = time.monotonic() + PATIENCE_S
    while not _alerts(agent, "MTLS-1007") and time.monotonic() < stop:
        browse_direct(ledger, moved, "moved past the proxy", count=4)
        time.sleep(0.05)
    alert = _fires(agent, "MTLS-1007", score, "a sudden drop of verified handshakes")
    if alert:
        score.check("its likely cause is told", alert["mtlswatch"]["alert"]["cause"] == "traffic moved past the proxy",
                    alert["mtlswatch"]["alert"]["cause"])


def run(lab, score):
    shop = lab.gunicorn()
    way = Upstream("tcp", f"127.0.0.1:{shop.port}")
    strict, optional, lax, plain = (Listener(way, verify) for verify in ("on", "optional", "optional_no_ca", None))
    lab.nginx([strict, optional, lax, plain])
    backend = {"name": NAME, "listen": shop.listen(), "subjects": ["spiffe://example.org/alice", "spiffe://example.org/carol"]}
    agent, ledger = lab.agent(configuration([backend], rules=RULES)), Ledger()
    if not agent.runs:
        return
    quiet = browse(lab, ledger, strict, "alice", cell="verified")
    wait_for_requests(agent, Ledger(quiet))
    early = [event for event in agent.find("mtlswatch.alert") if event.get("service", {}).get("name") == NAME]
    score.check("a verified client raises nothing", not early, f"{early}")

    browse(lab, ledger, optional, "nobody", 1, cell="no certificate")
    _fires(agent, "MTLS-1001", score, "a request without certificate", "no_client_certificate")
    browse(lab, ledger, lax, "foreign", 1, cell="other CA")
    _fires(agent, "MTLS-1001", score, "a certificate of another CA", "client_certificate_not_verified")
    browse(lab, ledger, plain, "nobody", 1, cell="plaintext")
    _fires(agent, "MTLS-1004", score, "a plaintext listener")
    browse_direct(ledger, shop, "direct", count=1)
    direct = _fires(agent, "MTLS-1003", score, "a direct connection")
    if direct:
        score.check("MTLS-1003 names the process", direct["process"]["name"].startswith("python3"), f"{direct['process']}")
    browse(lab, ledger, optional, "bob", 1, cell="unexpected name")
    _fires(agent, "MTLS-1006", score, "a name that policy does not expect", "unexpected_subject")
    # nginx of the laboratory sets four headers; X-SSL-Client-CN is the client's own.
    _spoof(lab, ledger, strict, "alice", {"X-SSL-Client-CN": "root"})
    _fires(agent, "MTLS-1002", score, "a spoofed header on an authenticated request", "identity_header_spoofed")
    browse(lab, ledger, lax, "expired", 1, cell="expired")
    _fires(agent, "MTLS-1005", score, "an expired certificate", "expired")
    browse(lab, ledger, optional, "short", 1, cell="ends soon")
    _fires(agent, "MTLS-1005", score, "a certificate that ends soon", "expires_soon")
    _fail_handshakes(strict, 12)
    _fires(agent, "MTLS-1011", score, "a burst of failed handshakes")
    _check_drop(lab, agent, ledger, strict, shop, score)
    per_incident = {}
    for event in agent.find("mtlswatch.alert"):
        if event["mtlswatch"]["alert"]["state"] == "first":
            key = event["mtlswatch"]["alert"]["fingerprint"]
            per_incident[key] = per_incident.get(key, 0) + 1
    score.check("an incident has one first alert", set(per_incident.values()) == {1}, f"{per_incident}")
    lab.verify(ledger, agent, "alerts")
