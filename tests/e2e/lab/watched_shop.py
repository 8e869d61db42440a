# SPDX-License-Identifier: Apache-2.0
"""nginx and gunicorn, watched, to which something happens while clients ask."""

import json

from lab.agent import configuration
from lab.check import get
from lab.host import run as run_program, wait_until
from lab.nginx import Listener, Upstream
from lab.steady_load import SteadyLoad
from lab.traffic import browse
from lab.truth import Ledger

WORKERS = 2
TOLD_WITHIN_S = 12  # a request without an answer is told after 10 s


class WatchedShop:
    def __init__(self, lab, score):
        self.lab, self.score = lab, score
        self.shop = lab.gunicorn(workers=2)
        upstream = Upstream("tcp", f"127.0.0.1:{self.shop.port}")
        self.listeners = [Listener(upstream, "optional"), Listener(upstream, "optional", "TLSv1.2")]
        self.nginx = lab.nginx(self.listeners, workers=WORKERS)
        self.socket, self._ledger = lab.directory / "admin.sock", Ledger()
        wait_until(lambda: len(self.nginx.worker_pids()) == WORKERS)
        self._workers = set(self.nginx.worker_pids())

    def agent(self, environment=None, **settings):
        """The next one: the last has ended."""
        self._ledger = Ledger()
        return self.lab.agent(configuration([{"name": "shop", "listen": self.shop.listen()}],
                                            admin={"socket": str(self.socket)}, **settings), environment=environment)

    def status(self):
        """What the running agent says of itself."""
        return json.loads(run_program([self.lab.binary, "status", "--json", "--socket", self.socket]).stdout)

    def under_load(self, what, agent, happen, listeners=None):
        """happen() while clients ask."""
        load = SteadyLoad(self.lab, listeners or self.listeners, what)
        loaded = load.wait_for_more()
        try:
            happen()
            loaded = load.wait_for_more() and loaded
        finally:
            load.stop()
        self.score.check(f"{what}: clients kept asking, and every request was answered", loaded and load.answered_all(), load.problems[:1])
        self._add(load.ledger)

    def still_sees(self, what, agent, listeners=None):
        """Asks until all that was asked at once is judged: on a slow machine what happened may take its time to pass."""
        self.score.check(f"{what}: afterwards requests are judged as ever",
                         wait_until(lambda: self._is_seen(what, agent, listeners or self.listeners)))

    def _is_seen(self, what, agent, listeners):
        ledger = Ledger()
        for listener in listeners:
            browse(self.lab, ledger, listener, "alice", cell=f"after: {what}", optional=True, allow_unknown=True)
        self._add(ledger)
        ids = {truth.request_id for truth in ledger.requests}

        def all_told():
            return ids <= {get(event, "http.request.id") for event in agent.read() if get(event, "mtlswatch.verdict") == "authenticated"}
        return wait_until(all_told, TOLD_WITHIN_S)

    def _add(self, ledger):
        self._ledger.requests += ledger.requests
        self._ledger.handshakes += ledger.handshakes

    def end(self, what, agent):
        """Of all events none was wrong."""
        agent.stop()
        self.judge(what, agent)

    def judge(self, what, agent):
        self.lab.judge(self._ledger, [event for event in agent.read() if not _is_of_what_was_lost(event)], what)

    def check_workers(self):
        kept = set(self.nginx.worker_pids())
        self.score.check("nginx kept its workers", kept == self._workers, f"{sorted(self._workers)}, now {sorted(kept)}")


def _is_of_what_was_lost(event):
    """A request of which no record came through: it is told, as unknown, and cannot be named."""
    return get(event, "mtlswatch.verdict") == "unknown" and get(event, "url.path") is None
