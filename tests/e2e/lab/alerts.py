# SPDX-License-Identifier: Apache-2.0
"""Alerts of the agent about the laboratory's backend, and the handshakes that fail on purpose to raise them."""

import functools
import ssl
import time

from lab.client import open_tcp
from lab.host import PATIENCE_S, wait_until
from lab.truth import OF_NO_TRUTH

NAME = "watched"  # the backend's: another Django of this host may raise alerts of its own


def alerts_of(agent, rule_id=None, state=None):
    """About our backend, or about none: a handshake has no backend yet. In every state, or in one."""
    return [event for event in agent.find("mtlswatch.alert") if rule_id in (None, event["rule"]["id"])
            and event.get("service", {}).get("name", NAME) == NAME and state in (None, event["mtlswatch"]["alert"]["state"])]


def check_fires(agent, rule_id, score, what, reason=None):
    """Waits for the rule's alert; it must carry evidence that is an event of the run, and its incident's state."""
    def found():
        return [event for event in alerts_of(agent, rule_id) if reason in (None, event["event"]["reason"])]

    alerts = wait_until(found, interval_s=0.1)
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


@functools.cache
def _distrust():
    """A context is slow to make."""
    return ssl.create_default_context()


def fail_handshakes(listener, count, come_from=OF_NO_TRUTH):
    """Clients that do not trust the front's certificate: each ends its handshake with an alert, and is in no ledger."""
    for _ in range(count):
        with open_tcp(listener.address, listener.port, come_from) as sock:
            try:
                _distrust().wrap_socket(sock, server_hostname="localhost")
            except ssl.SSLCertVerificationError:
                continue
            raise RuntimeError("the system trusts the laboratory")


def go_on(act, seconds=PATIENCE_S, until=lambda: False, pause_s=0.05):
    """act() again and again, for some time or until what is waited for has come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        act()
        time.sleep(pause_s)
