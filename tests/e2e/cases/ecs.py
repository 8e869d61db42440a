# SPDX-License-Identifier: Apache-2.0
"""Every event of a run that has all kinds of them keeps to the Elastic Common Schema: field names, types, arrays."""

from lab.agent import configuration
from lab.alerts import fail_handshakes
from lab.check import get
from lab.client import Http1, open_tcp
from lab.ecs import field_file, objections, read_fields
from lab.host import free_port
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import Ledger

ACTIONS = {"tls-handshake", "backend-request", "agent-ready", "agent-coverage", "agent-loss", "agent-stopping", "identity-summary"}
RULES = {"MTLS-1001", "MTLS-1002", "MTLS-1003", "MTLS-1004", "MTLS-1005", "MTLS-1006", "MTLS-1009", "MTLS-1011", "MTLS-1012",
         "MTLS-1013"}
VISITORS = ("alice", "bob", "nobody", "expired", "selfsigned")
IDS = {"X-Correlation-ID": "order-17", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

# What the check must object to: one lie of each kind.
LIES = {
    "a field that the schema has not": {"client": {"colour": "red"}},
    "a text where an address belongs": {"source": {"ip": "localhost"}},
    "a number as text": {"source": {"port": "80"}},
    "one value where an array belongs": {"event": {"category": "web"}},
    "an array where one value belongs": {"event": {"kind": ["event"]}},
    "a date without its zone": {"@timestamp": "2026-11-23T09:15:02"},
    "a field of our own with two types": {"mtlswatch": {"verdict": 1}},
}


def _check_the_check(fields, events, score):
    for what, lie in LIES.items():
        score.check(f"{what} is objected to", objections([*events[:1], {"mtlswatch": {"verdict": "x"}}, lie], fields))


def _everything(shop, authorities):
    """A configuration with which most that can be written is: policy, exemptions, short incidents, and an output that loses."""
    exemption = {"name": "probe", "owner": "ops@example.org", "reason": "sends no certificate", "expires": "2099-12-31",
                 "method": "GET", "path": "/probe", "source": "127.0.0.1"}
    return configuration([{"name": "shop", "listen": shop.listen(), "subjects": ["*alice*"], "client_ca": str(authorities)}],
                         exemptions=[exemption],
                         rules=[{"rule": "*", "resolve_after": 2, "summary_after": 1}, {"rule": "MTLS-1012", "window": 10, "threshold": 8}],
                         outputs=[{"type": "json"}, {"type": "webhook", "url": f"http://127.0.0.1:{free_port()}/", "queue": 1,
                                                     "events": ["request", "handshake", "alert", "agent"]}])


def _provoke(listener, shop):
    """What browsing alone does not bring: an exempt request, a false header, a burst of failures."""
    for path, headers in (("/probe", {}), ("/lie", {"X-SSL-Client-CN": "root"})):
        with Http1(open_tcp("127.0.0.1", shop.port)) as connection:
            connection.request("GET", path, headers)
    fail_handshakes(listener, 12)


def _states(agent):
    return {get(event, "mtlswatch.alert.state") for event in agent.find("mtlswatch.alert")}


def run(lab, score):
    shop = lab.gunicorn()
    ways = (Upstream("tcp", f"127.0.0.1:{shop.port}"), Upstream("unix", f"unix:{shop.unix_path}"))
    listeners = [Listener(way, verify) for way in ways for verify in ("on", "optional", "optional_no_ca", None)]
    old, failing = Listener(ways[0], "on", "TLSv1.1"), Listener(ways[0], "on")
    lab.nginx([*listeners, old, failing])
    agent, ledger = lab.agent(_everything(shop, lab.pki.client_ca_file.parent / "foreign-ca.crt")), Ledger()
    for listener in listeners:
        for who in VISITORS if listener.tls else ("nobody",):
            browse(lab, ledger, listener, who, cell="ecs", headers=IDS)
    browse(lab, ledger, old, "alice", cell="ecs", headers=IDS)
    browse_direct(ledger, shop, "ecs")
    browse_direct(ledger, shop, "ecs", over="unix")
    _provoke(failing, shop)
    agent.wait_for(lambda _: {event["rule"]["id"] for event in agent.find("mtlswatch.alert")} >= RULES)
    agent.wait_for(lambda _: _states(agent) >= {"first", "resolved"})
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    fields, events = read_fields(field_file()), agent.events
    score.check("the field list is the schema's", len(fields) > 1000, len(fields))
    _check_the_check(fields, events, score)
    actions = {event["event"]["action"] for event in events}
    score.check("events of every action were written", ACTIONS <= actions, ACTIONS - actions)
    rules = {event["rule"]["id"] for event in agent.find("mtlswatch.alert")}
    score.check("and alerts of most rules, in their states", RULES <= rules and {"first", "resolved"} <= _states(agent), RULES - rules)
    verdicts = {get(event, "mtlswatch.verdict") for event in agent.find("mtlswatch.request")}
    score.check("and requests of the verdicts", {"authenticated", "bypass", "exempt"} <= verdicts, verdicts)
    found = objections(events, fields)
    score.check(f"all {len(events)} events keep to the schema", events and not found, "; ".join(found[:20]))
