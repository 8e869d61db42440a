# SPDX-License-Identifier: Apache-2.0
"""Every event of a run that has all kinds of them keeps to the Elastic Common Schema: field names, types, arrays."""

from lab.ecs import field_file, objections, read_fields
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import Ledger

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


def run(lab, score):
    shop = lab.gunicorn()
    ways = (Upstream("tcp", f"127.0.0.1:{shop.port}"), Upstream("unix", f"unix:{shop.unix_path}"))
    listeners = [Listener(way, verify) for way in ways for verify in ("on", "optional", "optional_no_ca", None)]
    lab.nginx(listeners)
    agent, ledger = lab.agent(), Ledger()
    for listener in listeners:
        for who in VISITORS if listener.tls else ("nobody",):
            browse(lab, ledger, listener, who, cell="ecs", headers=IDS)
    browse_direct(ledger, shop, "ecs")
    browse_direct(ledger, shop, "ecs", over="unix")
    lab.verify(ledger, agent, "ecs")
    fields, events = read_fields(field_file()), agent.events
    score.check("the field list is the schema's", len(fields) > 1000, len(fields))
    _check_the_check(fields, events, score)
    datasets = {event["event"]["dataset"] for event in events}
    score.check("requests, handshakes and the agent's life were written", len(datasets) >= 3, datasets)
    found = objections(events, fields)
    score.check(f"all {len(events)} events keep to the schema", events and not found, "; ".join(found[:20]))
