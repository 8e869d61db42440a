# SPDX-License-Identifier: Apache-2.0
"""Requests through a front's doors, with their truths; and the verdicts about them, counted: what is left open is told
apart from what is false."""

from collections import Counter

from lab.check import get, judge_requests, of_dataset
from lab.client import Http1, open_tcp
from lab.fronts.apache import PRIVATE_PATH
from lab.handshake_client import Handshake, View, Wish, context_for
from lab.handshake_truth import Cell, accepted_fields
from lab.truth import AUTHENTICATED, NO_CERTIFICATE, NOT_VERIFIED, PLAINTEXT, Truth, new_request_id

_VERDICTS = {"verified_client_certificate": AUTHENTICATED, "no_client_certificate": NO_CERTIFICATE,
             "client_certificate_not_verified": NOT_VERIFIED}


class FrontVisitor:
    """Visits the doors of one front; truths go to the ledger, handshakes to cells."""

    def __init__(self, pki, ledger, front):
        self.pki, self.ledger, self.front, self.cells = pki, ledger, front, []

    def visit(self, door, who=None, version="TLSv1.3", count=3, cell=None):
        """One connection, count requests. who: a name of the Pki, or None for no certificate."""
        name = cell or " ".join(filter(None, (self.front.name, door.variant, "TLS" if door.mode else "plaintext")))
        if door.mode is None:
            self._plaintext(door, name, count)
            return
        wish = Wish(version, self.pki.clients.get(who))
        outcome = self.front.outcome(door, wish.certificate)
        with Handshake(context_for(self.pki, wish), wish, door.port) as handshake:
            for number in range(count):
                truth = self._truth(name, handshake.view, _VERDICTS[outcome.reason], wish, number)
                self._ask(handshake, truth, number == count - 1)
            self._note(handshake.view, name, outcome, wish)

    def authenticate_late(self, door, version, cell):
        """A certificate that is asked for only when PRIVATE_PATH is requested, and stays after that."""
        wish = Wish(version, self.pki["alice"], post_handshake=True)
        with Handshake(context_for(self.pki, wish), wish, door.port) as handshake:
            for number, prefix in enumerate(("", PRIVATE_PATH, "")):
                truth = self._truth(cell, handshake.view, AUTHENTICATED if number else NO_CERTIFICATE, wish, number, prefix)
                self._ask(handshake, truth, number == 2)
            self._note(handshake.view, cell, self.front.outcome(door, wish.certificate), wish)

    def _truth(self, cell, view, expected, wish, number, prefix=""):
        who = wish.certificate.who if wish.certificate else "nobody"
        truth = Truth(cell, new_request_id(who), f"{prefix}/t/{expected[0]}/{who}/{view.source_port}/{number}", "GET",
                      expected, who, wish.certificate, "127.0.0.1", view.source_port, view.destination_port,
                      protocol=wish.version, front_logs=False)
        self.ledger.requests.append(truth)
        return truth

    @staticmethod
    def _ask(handshake, truth, last):
        truth.status = handshake.ask(truth.path, {"X-Request-ID": truth.request_id}, close=last)
        if truth.status != 200:
            raise RuntimeError(f"{truth.cell}: {truth.who} got {truth.status} {handshake.view.alert} for {truth.path}")
        truth.worker_pid = int(handshake.view.worker_pid)

    def _note(self, view, name, outcome, wish):
        self.cells.append(Cell(self.front.name, name, wish.version, view, wish.certificate, wish.server_name, accepted_fields(
            outcome, wish.certificate, wish.version, False, wish.server_name)))

    def _plaintext(self, door, name, count):
        with Http1(open_tcp("127.0.0.1", door.port)) as connection:
            view = View(connection.source_port, door.port)
            for number in range(count):
                truth = self._truth(name, view, PLAINTEXT, Wish(), number)
                truth.protocol = None
                answer = connection.request("GET", truth.path, {"X-Request-ID": truth.request_id})
                truth.status, truth.worker_pid = answer.status, answer.worker_pid()


def judge_fronts(truths, events, score, title):
    """Exact, one_of and unknown are all right here; a false word, a missing or a second event is not."""
    findings = judge_requests(truths, events)
    findings.print(title)
    score.add(findings, allowed=("right", "blind"))
    _print_otherwise(truths, events)


def _print_otherwise(truths, events):
    """What the agent said that is not the exact truth, by cell."""
    known, said = {(truth.request_id, truth.path): truth for truth in truths}, Counter()
    for event in of_dataset(events, "mtlswatch.request"):
        truth = known.get((get(event, "http.request.id"), get(event, "url.path")))
        words = (get(event, "mtlswatch.verdict"), get(event, "event.reason"), get(event, "mtlswatch.attribution.confidence"))
        if truth and (words[:2] != truth.expected or words[2] != "exact"):
            said[truth.cell, truth.expected[1], " / ".join(map(str, words))] += 1
    for (cell, expected, words), number in sorted(said.items()):
        print(f"  {number:3}x {cell}: {words}, in truth {expected}")
