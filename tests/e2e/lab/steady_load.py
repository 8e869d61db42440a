# SPDX-License-Identifier: Apache-2.0
"""Clients that keep asking while something happens to the agent or to the host."""

import threading
from http.client import HTTPException

from lab.host import wait_until
from lab.traffic import browse
from lab.truth import Ledger


class SteadyLoad:
    """Keeps asking until stopped. Whether the agent was there to see is not known: events are optional, but none may be
    wrong. A request that fails ends its client and is kept in problems."""

    def __init__(self, lab, listeners, cell, people=("alice", "bob", "nobody")):
        self.ledger, self.problems = Ledger(), []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(lab, listener, who, cell))
                         for listener in listeners for who in people]
        for thread in self._threads:
            thread.start()

    def _ask(self, lab, listener, who, cell):
        try:
            while not self._stop.is_set():
                browse(lab, self.ledger, listener, who, 5, cell=cell, optional=True, allow_unknown=True)
        except (OSError, HTTPException) as error:
            self.problems.append(error)

    def wait_for_more(self, count=30):
        """Until so many further requests were made: the load is really there. False if they do not come."""
        goal = len(self.ledger.requests) + count
        return wait_until(lambda: len(self.ledger.requests) >= goal)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def answered_all(self):
        return not self.problems and all(truth.status in (200, 404) for truth in self.ledger.requests)
