# SPDX-License-Identifier: Apache-2.0
"""Checks the judge of handshakes: made-up events that tell the truth are right, every field turned false is found, and
so are truths that the client or the front's log contradicts."""

import copy
from dataclasses import replace

from lab.fronts.front import Outcome, Seen
from lab.handshake_client import View
from lab.handshake_truth import ANY, Cell, accepted_fields, broken_fields, check_ground, judge, refused_fields
from lab.score import Score


def put(event, name, value):
    """put(event, "source.port", 1); None takes the field away."""
    *parents, last = name.split(".")
    for parent in parents:
        event = event.setdefault(parent, {})
    if value is None:
        event.pop(last, None)
    else:
        event[last] = value


def _cells(alice):
    verified, refused = Outcome(True, 0, "verified_client_certificate"), Outcome(False, 10, "certificate_verify_failed")
    return [
        Cell("x", "resumed", "", View(1001, 443, True, True, "TLSv1.3"), alice, "a",
             accepted_fields(verified, alice, "TLSv1.3", True, "a")),
        Cell("x", "refused", "", View(1002, 443), alice, "a", refused_fields(refused, alice, "TLSv1.2", "a")),
        Cell("x", "broken", "", View(1003, 443), expected=broken_fields(("http_request",))),
    ]


def _honest(cell):
    event = {"event": {"dataset": "mtlswatch.handshake"}}
    put(event, "source.port", cell.view.source_port)
    put(event, "destination.port", cell.view.destination_port)
    for name, wanted in cell.expected.items():
        if wanted is not ANY:
            put(event, name, wanted[0] if isinstance(wanted, tuple) else wanted)
    return event


def check_handshake_judge(alice, score):
    cells = _cells(alice)
    honest = [_honest(cell) for cell in cells]
    judge(cells, honest)
    score.check("honest events of matrix cells are right", not any(cell.wrong for cell in cells), [cell.wrong for cell in cells])
    judge(cells, honest[1:] + honest[1:2])
    score.check("a cell without event and one with two are found", [bool(cell.wrong) for cell in cells] == [True, True, False])
    missed = []
    for number, cell in enumerate(cells):
        for name in (name for name, wanted in cell.expected.items() if wanted is not ANY):
            events = copy.deepcopy(honest)
            put(events[number], name, "false")
            judge(cells, events)
            missed += [] if cell.wrong else [(cell.row, name)]
    score.check("every false field of a handshake is found", not missed, missed)


class _Log:
    """A front's log that says what it is told to."""
    name, logs_facts, refuses_after_handshake = "x", True, False

    def __init__(self, seen):
        self._seen = seen

    def seen(self):
        return {(1001, 443): self._seen}


class _Quiet(Score):
    def check(self, _sentence, holds, _detail=""):
        self.count(bool(holds), not holds)


def check_handshake_ground(alice, score):
    cell = _cells(alice)[0]
    honest = Seen(alice.serial, None, 0, True, "a")
    lies = {"serial": "1", "verify_code": 10, "resumed": False, "server_name": "b"}
    logs = [replace(honest, **{name: value}) for name, value in lies.items()]
    views = [replace(cell.view, accepted=False), replace(cell.view, resumed=False)]
    quiet = _Quiet()
    check_ground([cell], [_Log(honest)], quiet)
    score.check("a log and a client that agree are believed", quiet.passed == 1)
    for log in logs:
        check_ground([cell], [_Log(log)], quiet)
    for view in views:
        check_ground([replace(cell, view=view)], [_Log(honest)], quiet)
    score.check("a log or a client that contradicts a handshake's truth is found", quiet.failed == len(logs) + len(views),
                f"{quiet.failed} of {len(logs) + len(views)}")
