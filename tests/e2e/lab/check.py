# SPDX-License-Identifier: Apache-2.0
"""Joins truths with the agent's events and says which are right, blind (unknown where the truth was known), wrong,
missing or duplicate. A blind spot is an error too, unless the truth allows it."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from lab.django_server import READY_PATH
from lab.truth import OF_NO_TRUTH

KINDS = ("right", "blind", "wrong", "missing", "duplicate")
EXAMPLES_PER_KIND = 4


def get(event, path):
    """get(event, "source.port"); None where a part is missing."""
    for name in path.split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event


def of_dataset(events, dataset):
    return [event for event in events if get(event, "event.dataset") == dataset]


@dataclass
class Finding:
    kind: str
    cell: str
    text: str


@dataclass
class Findings:
    found: list = field(default_factory=list)

    def add(self, kind, cell, text=""):
        self.found.append(Finding(kind, cell, text))

    def count(self, *kinds):
        return sum(finding.kind in kinds for finding in self.found)

    def print(self, title):
        """A row a cell, then examples of everything that is not right."""
        rows = defaultdict(Counter)
        for finding in self.found:
            rows[finding.cell][finding.kind] += 1
        width = max([len(cell) for cell in rows] + [len(title)])
        print(f"{title:{width}}  " + "  ".join(f"{kind:>9}" for kind in KINDS))
        for cell, counts in rows.items():
            print(f"{cell:{width}}  " + "  ".join(f"{counts[kind]:9}" for kind in KINDS))
        for kind in KINDS[1:]:
            for finding in [finding for finding in self.found if finding.kind == kind][:EXAMPLES_PER_KIND]:
                print(f"  {kind}: [{finding.cell}] {finding.text}")


def expected_fields(truth):
    """Dotted ECS name -> value. None means that the field must be absent."""
    certificate = truth.certificate_in_event
    fields = {
        "mtlswatch.verdict": truth.expected[0], "event.reason": truth.expected[1], "event.action": "backend-request",
        "http.request.method": truth.method, "url.path": truth.path,
        "http.response.status_code": truth.status,
        "tls.client.x509.serial_number": certificate.serial if certificate else None,
        "tls.client.x509.subject.distinguished_name": certificate.subject if certificate else None,
        "tls.client.x509.issuer.distinguished_name": certificate.issuer if certificate else None,
        "tls.client.hash.sha256": certificate.sha256 if certificate else None,
    }
    known = {"source.ip": truth.source_ip, "source.port": truth.source_port,
             "destination.port": truth.destination_port, "process.pid": truth.worker_pid,
             "service.name": truth.service, "mtlswatch.peer.process.pid": truth.peer_pid}
    if truth.expected[0] == "unknown":  # what is not known need not be told
        known = {name: known[name] for name in ("process.pid", "service.name")}
    return fields | {name: value for name, value in known.items() if value is not None}


def differences(truth, event):
    """What an event says otherwise than the truth, as text; empty when it is right."""
    wrong = []
    for name, value in expected_fields(truth).items():
        if get(event, name) != value:
            wrong.append(f"{name} is {get(event, name)!r}, not {value!r}")
    if truth.certificate_in_event:
        names = get(event, "tls.client.x509.alternative_names") or []
        if truth.certificate.alternative_name not in names:
            wrong.append(f"tls.client.x509.alternative_names is {names!r}")
    if truth.expected[0] == "authenticated" and get(event, "mtlswatch.attribution.confidence") != "exact":
        wrong.append(f"mtlswatch.attribution is {get(event, 'mtlswatch.attribution')!r}, not exact")
    return wrong


def _judge_one(truth, events):
    """(kind, text) for one truth and the events with its request id and path."""
    if not truth.reaches_backend:
        return ("wrong", f"{truth.path} never reached the backend, yet has an event") if events else ("right", "")
    if not events:
        return ("right", "") if truth.optional else ("missing", f"{truth.method} {truth.path} {truth.request_id}")
    if len(events) > 1:
        return "duplicate", f"{len(events)} events for {truth.path} {truth.request_id}"
    wrong = differences(truth, events[0])
    if not wrong or (truth.allow_unknown and _vague(truth, events[0])):
        return "right", ""
    text = f"{truth.path} {truth.request_id}: " + "; ".join(wrong)
    return ("blind" if _vague(truth, events[0]) else "wrong"), text


def _vague(truth, event):
    """The event leaves open what the truth knows, and says nothing false."""
    verdict, certificate = get(event, "mtlswatch.verdict"), get(event, "tls.client.x509.serial_number")
    one_of = get(event, "mtlswatch.attribution.confidence") == "one_of" and verdict == truth.expected[0]
    return certificate is None and (one_of or (verdict == "unknown" != truth.expected[0]))


def judge_requests(truths, events):
    """Every truth against its event, and every event against the truths."""
    findings, by_key = Findings(), defaultdict(list)
    for event in of_dataset(events, "mtlswatch.request"):
        by_key[get(event, "http.request.id"), get(event, "url.path")].append(event)
    for truth in truths:
        findings.add(*_in_cell(truth.cell, _judge_one(truth, by_key.pop((truth.request_id, truth.path), []))))
    for (request_id, path), strangers in by_key.items():
        # A readiness poll that a backend had read before the agent knew it for one shows its response alone.
        unseen_poll = path is None and all(get(event, "event.reason") == "unseen_request" for event in strangers)
        if path != READY_PATH and not unseen_poll:
            findings.add("wrong", "(no truth)", f"{len(strangers)} events for unknown {request_id} {path}: "
                         f"{get(strangers[0], 'event.reason')}")
    return findings


def _in_cell(cell, judged):
    return judged[0], cell, judged[1]


def _handshake_key(truth):
    return truth.source_port, truth.destination_port


def handshake_fields(truth):
    certificate = truth.certificate
    return {
        "event.action": "tls-handshake", "event.outcome": "success", "tls.version": truth.protocol[-3:],
        "mtlswatch.client_certificate.presented": certificate is not None,
        "mtlswatch.client_certificate.tls_accepted": True,
        "mtlswatch.client_certificate.verify_code": truth.verify_code,
        "tls.client.x509.serial_number": certificate.serial if certificate else None,
    }


def judge_handshakes(truths, events):
    """One event a handshake of the laboratory's clients. (Handshakes of others on this host have no truth.)"""
    findings, by_key = Findings(), defaultdict(list)
    for event in of_dataset(events, "mtlswatch.handshake"):
        if get(event, "source.ip") == OF_NO_TRUTH:
            continue
        by_key[get(event, "source.port"), get(event, "destination.port")].append(event)
    expected_at = Counter(map(_handshake_key, truths))  # a client port may come again later
    for truth in truths:
        found = by_key[_handshake_key(truth)]
        wrong = _closest(truth, found)
        place = f"handshake {truth.source_port} -> {truth.destination_port}"
        if not found:
            findings.add("right" if truth.optional else "missing", truth.cell, place)
        elif len(found) > expected_at[_handshake_key(truth)]:
            findings.add("duplicate", truth.cell, f"{place}: " + ", ".join(
                f"{get(event, '@timestamp')} {get(event, 'source.ip')} {get(event, 'event.outcome')}" for event in found))
        else:
            findings.add("wrong" if wrong else "right", truth.cell, f"{place}: " + "; ".join(wrong))
    return findings


def _closest(truth, events):
    """Differences of the event that fits best. An agent that may have missed the beginning may leave fields out."""
    candidates = []
    for event in events:
        said = {name: (get(event, name), value) for name, value in handshake_fields(truth).items()}
        candidates.append([f"{name} is {found!r}, not {value!r}" for name, (found, value) in said.items()
                           if found != value and not (truth.optional and found in (None, "unknown"))])
    return min(candidates, key=len, default=[])
