# SPDX-License-Identifier: Apache-2.0
"""What is known about a handshake beforehand, checked against the client's view and the front's own log, and then
compared with the agent's event of the same two ports."""

from collections import defaultdict
from dataclasses import dataclass, field

from lab.check import get, of_dataset

ANY = object()  # the truth does not say
OTHER_NAME = "other.example"  # asked for when a session of another name is offered


@dataclass
class Cell:
    """One handshake. row and column: where it stands in the printed table."""
    front: str
    row: str
    column: str
    view: object  # lab.handshake_client.View
    certificate: object = None  # what the client sent, or had sent when the session was made
    server_name: str = ""
    expected: dict = field(default_factory=dict)  # dotted name -> value, or a tuple of values that are right
    events: tuple = (1,)  # how many events are right
    wrong: list = field(default_factory=list)  # filled by judge()


def _depth(outcome, resumed):
    """A session keeps the code alone; these two are always about the leaf."""
    return outcome.verify_depth if not resumed or outcome.verify_code in (18, 21) else None


def accepted_fields(outcome, certificate, version, resumed, server_name):
    """Of a handshake that TLS accepted, whatever the verify code."""
    return {
        "event.outcome": "success", "event.reason": outcome.reason, "tls.established": True, "tls.resumed": resumed,
        "tls.version": version[-3:], "tls.client.server_name": server_name or None,
        "mtlswatch.client_certificate.presented": certificate is not None,
        "mtlswatch.client_certificate.verify_code": outcome.verify_code,
        "mtlswatch.client_certificate.verify_depth": _depth(outcome, resumed),
        "mtlswatch.client_certificate.tls_accepted": True,
        "tls.client.x509.serial_number": certificate.serial if certificate else None,
    }


def refused_fields(outcome, certificate, version, server_name):
    """Of a full handshake that TLS refused because of the client's certificate. Without one nothing was verified; an
    agent may then say null or OpenSSL's 0."""
    code = (None, 0) if certificate is None else outcome.verify_code
    return {
        "event.outcome": "failure", "event.reason": outcome.reason, "tls.established": False, "tls.resumed": False,
        "tls.version": version[-3:], "tls.client.server_name": server_name or None,
        "mtlswatch.client_certificate.presented": certificate is not None,
        "mtlswatch.client_certificate.verify_code": code,
        "mtlswatch.client_certificate.verify_depth": _depth(outcome, False),
        "mtlswatch.client_certificate.tls_accepted": False,
        "tls.client.x509.serial_number": certificate.serial if certificate else None,
    }


def untold_fields():
    """Of a resumed session whose maker is not seen: nothing is claimed."""
    return {"event.reason": "established", "mtlswatch.client_certificate.presented": None,
            "mtlswatch.client_certificate.verify_code": None, "mtlswatch.client_certificate.verify_depth": None, "tls.client.x509.serial_number": None}


def broken_fields(reasons, outcomes=("failure",), server_name=ANY):
    """Of a handshake that ended before any certificate could come."""
    return {
        "event.outcome": outcomes, "event.reason": reasons, "tls.established": (False, None),
        "tls.client.server_name": server_name,
        "mtlswatch.client_certificate.presented": (False, None), "mtlswatch.client_certificate.verify_code": (0, None),
        "mtlswatch.client_certificate.tls_accepted": False, "tls.client.x509.serial_number": None,
    }


def check_ground(cells, fronts, score):
    """The client's view and the fronts' logs against the truths; where they disagree the test is broken."""
    for front in fronts:
        own, log = [cell for cell in cells if cell.front == front.name], front.seen()
        wrong = [f"{cell.row}/{cell.column}: {text}" for cell in own for text in _ground_disagrees(cell, front, log)]
        score.check(f"{front.name}: the client and its own log agree with {len(own)} truths", not wrong,
                    "\n      " + "\n      ".join(wrong[:12]))


def check_depths(fronts, score):
    """A log that tells no depth, or one alone, would prove nothing."""
    for front in (front for front in fronts if front.logs_depth):
        depths = {seen.verify_depth for seen in front.seen().values()} - {None}
        score.check(f"{front.name}: its log tells of verify errors at depths 0 and 1", depths == {0, 1}, depths)


def _ground_disagrees(cell, front, log):
    view, said = cell.view, cell.expected
    accepted = said["mtlswatch.client_certificate.tls_accepted"]
    if view.accepted != accepted and not (accepted and front.refuses_after_handshake):
        yield f"the client saw accepted={view.accepted} {view.alert}, not {accepted}"
    if view.accepted and view.resumed != said["tls.resumed"]:
        yield f"the client saw resumed={view.resumed}, not {said['tls.resumed']}"
    seen = log.get((view.source_port, view.destination_port))
    if seen is None:
        if accepted and view.accepted and front.logs_facts:
            yield "the log has no line"
        return
    yield from _log_disagrees(cell, seen)


def _log_disagrees(cell, seen):
    said, certificate = cell.expected, cell.certificate
    code = said["mtlswatch.client_certificate.verify_code"]
    if None not in (seen.verify_code, code) and not _is_right(seen.verify_code, code):
        yield f"the log has verify code {seen.verify_code}, not {code}"
    depth = said.get("mtlswatch.client_certificate.verify_depth")
    if None not in (seen.verify_depth, depth) and seen.verify_depth != depth:
        yield f"the log has the error at depth {seen.verify_depth}, not {depth}"
    if not cell.view.accepted:
        return
    if seen.resumed is not None and seen.resumed != said["tls.resumed"]:
        yield f"the log has resumed={seen.resumed}, not {said['tls.resumed']}"
    serial = certificate.serial.lstrip("0") if certificate else ""
    if seen.serial is not None and seen.subject is None and seen.serial != serial:
        yield f"the log has serial {seen.serial!r}"
    if seen.subject is not None and (certificate is None or f"CN={certificate.who}" not in seen.subject.replace(" ", "")):
        yield f"the log has subject {seen.subject!r}"
    # RFC 6066 section 3 forbids another name on a resumed TLS 1.2 session; OpenSSL allows it and tells the old one.
    old_name = cell.view.resumed and cell.view.version == "TLSv1.2" and cell.server_name == OTHER_NAME
    if seen.server_name is not None and seen.server_name != (cell.server_name or "") and not old_name:
        yield f"the log has server name {seen.server_name!r}, not {cell.server_name!r}"


def _key(cell):
    return cell.view.source_port, cell.view.destination_port


def _is_right(found, wanted):
    return wanted is ANY or (found in wanted if isinstance(wanted, tuple) else found == wanted)


def _differences(cell, event):
    return [f"{name.rpartition('.')[2]} {get(event, name)!r}, not {wanted!r}" for name, wanted in cell.expected.items()
            if not _is_right(get(event, name), wanted)]


def judge(cells, events):
    """Fills wrong of every cell: empty where exactly one event (or as many as are right) says just the truth."""
    by_key, at_key = defaultdict(list), defaultdict(int)
    for event in of_dataset(events, "mtlswatch.handshake"):
        by_key[get(event, "source.port"), get(event, "destination.port")].append(event)
    for cell in cells:
        at_key[_key(cell)] += 1  # a client port may come again
    for cell in cells:
        found, times = by_key[_key(cell)], at_key[_key(cell)]
        if len(found) not in [count * times for count in cell.events]:
            cell.wrong = ["no event" if not found else f"{len(found)} events"]
        elif found:
            cell.wrong = min((_differences(cell, event) for event in found), key=len)


def _request_reason(cell):
    """event.reason of the request that followed."""
    code = cell.expected["mtlswatch.client_certificate.verify_code"]
    if cell.certificate is None:
        return "no_client_certificate"
    if code != 0:
        return "client_certificate_not_verified"
    other = cell.view.resumed and cell.server_name == OTHER_NAME
    return "resumed_under_other_name" if other else "verified_client_certificate"


def judge_requests(cells, fronts, events):
    """Adds to wrong of every cell whose request reached Django: the right reason and holder. Returns how many those are."""
    by_key = defaultdict(list)
    for event in of_dataset(events, "mtlswatch.request"):
        by_key[get(event, "source.port"), get(event, "destination.port")].append(event)
    trusted = {front.name for front in fronts if front.trusted}
    carried = [cell for cell in cells if cell.view.status == 200 and cell.front in trusted]
    for cell in carried:
        wanted = _request_reason(cell)
        found = by_key[_key(cell)]
        serials = {get(event, "tls.client.x509.serial_number") for event in found}
        reasons = {get(event, "event.reason") for event in found}
        if reasons != {wanted}:
            cell.wrong.append(f"request: {sorted(map(str, reasons))}, not {wanted}")
        elif cell.certificate is not None and serials != {cell.certificate.serial}:
            cell.wrong.append(f"request: serial {serials}")
    return len(carried)


def count_events(events, keys):
    """How many handshake events have one of these pairs of ports."""
    ports = {(get(event, "source.port"), get(event, "destination.port"))
             for event in of_dataset(events, "mtlswatch.handshake")}
    return len(keys & ports)


def print_table(title, cells):
    """Rows x columns; "ok 3", or how many of the cell's handshakes are wrong. Then every kind of wrong, once, with a number."""
    columns = list(dict.fromkeys(cell.column for cell in cells))
    rows = list(dict.fromkeys((cell.front, cell.row) for cell in cells))
    width = max(len(f"{front} {row}") for front, row in rows)
    print(f"\n{title:{width}}  " + "  ".join(f"{column:>12}" for column in columns))
    for front, row in rows:
        texts = [_cell_text([cell for cell in cells if (cell.front, cell.row, cell.column) == (front, row, column)])
                 for column in columns]
        print(f"{front + ' ' + row:{width}}  " + "  ".join(f"{text:>12}" for text in texts))
    _print_wrong(cells)


def print_summary(cells):
    """Of each front and version, right handshakes of all, whoever came; as a table for a README."""
    program = lambda cell: (cell.front.removesuffix("-required").removesuffix("-optional"), cell.row.split()[0])  # noqa: E731
    columns, rows = (list(dict.fromkeys(map(name, cells))) for name in (lambda cell: cell.column, program))
    print("\n| Front | TLS | " + " | ".join(columns) + " |\n| --- | --- |" + " --- |" * len(columns))
    for front, version in rows:
        texts = []
        for column in columns:
            some = [cell for cell in cells if program(cell) == (front, version) and cell.column == column]
            texts.append(f"{sum(not cell.wrong for cell in some)}/{len(some)}" if some else "-")
        print(f"| {front} | {version.removeprefix('TLSv')} | " + " | ".join(texts) + " |")


def _cell_text(cells):
    wrong = sum(bool(cell.wrong) for cell in cells)
    if not cells:
        return "-"
    return f"WRONG {wrong}/{len(cells)}" if wrong else ("ok" if len(cells) == 1 else f"ok x{len(cells)}")


def _print_wrong(cells):
    kinds = defaultdict(list)
    for cell in cells:
        if cell.wrong:
            kinds[cell.front, "; ".join(cell.wrong)].append(f"{cell.row}/{cell.column}")
    for (front, text), places in kinds.items():
        print(f"  wrong {len(places)}x {front}: {text}\n      at {', '.join(list(dict.fromkeys(places))[:6])}")
