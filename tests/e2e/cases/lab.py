# SPDX-License-Identifier: Apache-2.0
"""The laboratory judges itself, without the agent: made-up events that tell the truth must be found right, and each
kind of lie must be found out; so must a truth that the servers' own logs contradict."""

import copy
import signal
import sys
from dataclasses import replace

from lab.agent import Agent, AgentFailed
from lab.check import expected_fields, handshake_fields, judge_handshakes, judge_requests
from lab.ground_truth import check_backends, check_front
from lab.handshake_lies import check_handshake_ground, check_handshake_judge, put
from lab.nginx import Listener, Upstream
from lab.score import Score
from lab.traffic import browse, browse_direct
from lab.truth import AUTHENTICATED, NO_CERTIFICATE, Ledger

_HONEST_AGENT = """
import json, signal, sys
print(json.dumps({"event": {"dataset": "mtlswatch.agent", "action": "agent-ready"}}), flush=True)
signal.sigwait([signal.SIGTERM])
"""
_FAILING_AGENT = "import sys; print('no CAP_BPF here', file=sys.stderr); sys.exit(4)"


def _event(dataset, fields):
    event = {"event": {"dataset": dataset}}
    for name, value in fields.items():
        put(event, name, value)
    return event


def _honest_events(ledger):
    """What an agent without fault would say."""
    events = []
    for truth in filter(lambda truth: truth.reaches_backend, ledger.requests):
        event = _event("mtlswatch.request", expected_fields(truth) | {
            "http.request.id": truth.request_id, "mtlswatch.attribution.confidence": "exact"})
        if truth.certificate_in_event:
            put(event, "tls.client.x509.alternative_names", [truth.certificate.alternative_name])
        events.append(event)
    return events + [_event("mtlswatch.handshake", handshake_fields(truth) | {
        "source.port": truth.source_port, "destination.port": truth.destination_port}) for truth in ledger.handshakes]


def _lies(ledger):
    """name of the lie -> (kind it must be found as, function that changes the list of events)."""
    index = next(number for number, truth in enumerate(filter(lambda truth: truth.reaches_backend, ledger.requests))
                 if truth.who == "alice")
    refused = next(truth for truth in ledger.requests if not truth.reaches_backend)

    def change(**fields):
        return lambda events: [put(events[index], name.replace("__", "."), value) for name, value in fields.items()]

    return {
        "an event left out": ("missing", lambda events: events.pop(index)),
        "an event written twice": ("duplicate", lambda events: events.append(events[index])),
        "another client's serial": ("wrong", change(tls__client__x509__serial_number="0B0B")),
        "another client's port": ("wrong", change(source__port=1)),
        "a false bypass": ("wrong", change(mtlswatch__verdict="bypass", event__reason="no_client_certificate")),
        "an unknown where it could know": ("blind", change(
            mtlswatch__verdict="unknown", event__reason="ambiguous", tls=None)),
        "an identity that is not exact": ("wrong", change(mtlswatch__attribution__confidence="none")),
        "another worker": ("wrong", change(process__pid=1)),
        "a certificate without its names": ("wrong", change(tls__client__x509__alternative_names=None)),
        "an event about a refused request": ("wrong", lambda events: events.append(_event(
            "mtlswatch.request", {"http.request.id": refused.request_id, "url.path": refused.path}))),
        "an event about nothing": ("wrong", lambda events: events.append(_event(
            "mtlswatch.request", {"http.request.id": "x", "url.path": "/x"}))),
    }


def _check_judge(ledger, score):
    honest = _honest_events(ledger)
    findings = judge_requests(ledger.requests, honest)
    score.check("honest request events are all right", findings.count("right") == len(ledger.requests),
                [finding.text for finding in findings.found if finding.kind != "right"][:2])
    for name, (kind, tell) in _lies(ledger).items():
        events = copy.deepcopy(honest)
        tell(events)
        findings = judge_requests(ledger.requests, events)
        others = len(findings.found) - findings.count("right", kind)
        score.check(f"{name} is found {kind}", findings.count(kind) == 1 and not others,
                    [(finding.kind, finding.text) for finding in findings.found if finding.kind != "right"][:3])


def _check_handshake_judge(ledger, score):
    honest = _honest_events(ledger)
    right = judge_handshakes(ledger.handshakes, honest).count("right")
    score.check("honest handshake events are all right", right == len(ledger.handshakes) > 0)
    for name, value in (("mtlswatch.client_certificate.verify_code", 99), ("tls.version", "1.1"),
                        ("mtlswatch.client_certificate.presented", "no")):
        events = copy.deepcopy(honest)
        put(events[-1], name, value)
        score.check(f"a handshake with a false {name} is found wrong",
                    judge_handshakes(ledger.handshakes, events).count("wrong") == 1)
    score.check("a handshake left out is found missing",
                judge_handshakes(ledger.handshakes, honest[:-1]).count("missing") == 1)


def _check_ground(lab, ledger, score):
    """False truths, which the servers' logs must contradict."""
    lies = {
        "whose certificate it was": lambda truth: replace(truth, certificate=lab.pki["bob"]),
        "that there was no certificate": lambda truth: replace(truth, expected=NO_CERTIFICATE),
        "which port it came from": lambda truth: replace(truth, source_port=1),
    }
    honest = next(truth for truth in ledger.requests if truth.expected == AUTHENTICATED)
    for name, tell in lies.items():
        quiet = Score()
        check_front([tell(honest)], lab.nginxes, _Silent(quiet))
        score.check(f"nginx's log contradicts a lie about {name}", quiet.failed == 1)
    quiet = Score()
    check_backends(ledger.requests[1:], lab.backends, _Silent(quiet))
    score.check("gunicorn's log shows a request that has no truth", quiet.failed == 1)


class _Silent:
    """Counts for another score without printing: these failures are wanted."""

    def __init__(self, score):
        self._score = score

    def check(self, _sentence, holds, _detail=""):
        self._score.count(bool(holds), not holds)


def _check_agent(lab, score):
    program = [sys.executable, "-c"]
    agent = Agent(program[0], lab.directory, "honest", [*program[1:], "import signal;signal.pthread_sigmask("
                  "signal.SIG_BLOCK,[signal.SIGTERM])" + _HONEST_AGENT])
    code = agent.stop()
    score.check("an agent that becomes ready and obeys SIGTERM ends with 0", code == 0, f"exit {code}")
    try:
        Agent(program[0], lab.directory, "failing", [*program[1:], _FAILING_AGENT])
        score.check("an agent that fails at start is reported", False)
    except AgentFailed as failure:
        score.check("an agent that fails at start is reported with its own words", "no CAP_BPF" in str(failure), failure)
    agent = Agent(program[0], lab.directory, "killed", [*program[1:], _HONEST_AGENT])
    agent.kill()
    score.check("a killed agent is gone", agent.child.wait(0) == -signal.SIGKILL)


def run(lab, score):
    shop = lab.gunicorn()
    way = Upstream("tcp", f"127.0.0.1:{shop.port}")
    listeners = [Listener(way, "on"), Listener(way, "optional_no_ca", "TLSv1.2"), Listener(way)]
    lab.nginx(listeners)
    ledger = Ledger()
    for listener in listeners:
        for who in ("alice", "bob", "nobody", "expired", "foreign", "selfsigned") if listener.tls else ("nobody",):
            browse(lab, ledger, listener, who, cell="self")
    browse_direct(ledger, shop, "direct")
    lab.check_ground(ledger)
    codes = {(handshake.certificate.who, handshake.verify_code) for handshake in ledger.handshakes if handshake.certificate}
    score.check("nginx found expired 10, foreign 20 or 21, self-signed 18, and the others 0",
                {("alice", 0), ("expired", 10), ("selfsigned", 18)} <= codes and codes & {("foreign", 20), ("foreign", 21)},
                codes)
    _check_judge(ledger, score)
    _check_handshake_judge(ledger, score)
    check_handshake_judge(lab.pki["alice"], score)
    check_handshake_ground(lab.pki["alice"], score)
    _check_ground(lab, ledger, score)
    _check_agent(lab, score)
