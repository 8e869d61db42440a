# SPDX-License-Identifier: Apache-2.0
"""One test's world: a directory, certificates, servers and the agent, ended together."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from lab.agent import Agent, NoAgent
from lab.check import get, judge_handshakes, judge_requests
from lab.django_kinds import start_kind
from lab.django_server import start_gunicorn, start_runserver, start_uwsgi
from lab.ground_truth import check_backends, check_front, fill_verify_codes
from lab.nginx import Nginx
from lab.pki import make_pki


class Laboratory(contextlib.ExitStack):
    """binary: the agent's path, or None to check the laboratory alone. full: the long profile, where a test has one."""

    def __init__(self, binary, score, full=False):
        super().__init__()
        self.binary, self.score, self.full = binary, score, full
        self.directory = Path(tempfile.mkdtemp(prefix="mtlswatch-e2e-"))
        self.directory.chmod(0o755)  # the workers run as www-data
        self.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.pki = make_pki(self.directory / "pki")
        self.backends, self.nginxes, self._agents = [], [], 0
        self._pids_without_log = set()

    def gunicorn(self, **options):
        backend = start_gunicorn(self.directory, **options)
        self.callback(backend.stop)
        self.backends.append(backend)
        return backend

    def runserver(self):
        backend = start_runserver(self.directory)
        self.callback(backend.stop)
        self._pids_without_log.add(backend.child.pid)
        return backend

    def nginx(self, listeners, workers=2, **options):
        nginx = Nginx(self.directory, self.pki, listeners, workers, **options)
        self.callback(nginx.stop)
        self.nginxes.append(nginx)
        return nginx

    def uwsgi(self):
        backend = start_uwsgi(self.directory)
        self.callback(backend.stop)
        return backend

    def server(self, kind):
        """kind: one of lab.django_kinds."""
        backend = start_kind(self.directory, kind)
        self.callback(backend.stop)
        return backend

    def front(self, front_class, *arguments, **options):
        """front_class: one of lab.fronts."""
        front = front_class(self.directory, self.pki, *arguments, **options)
        self.callback(front.stop)
        return front

    def agent(self, configuration=None, command=("run",), environment=None):
        """A ready agent, or NoAgent. configuration: YAML text."""
        self._agents += 1
        if not self.binary:
            return NoAgent()
        arguments = list(command)
        if configuration is not None:
            file = self.directory / f"agent-{self._agents}.yaml"
            file.write_text(configuration)
            arguments += ["--config", file]
        agent = Agent(self.binary, self.directory, f"agent-{self._agents}", arguments, environment, self.score)
        self.callback(agent.child.kill)
        return agent

    def check_ground(self, ledger):
        """The logs of the real servers against the ledger."""
        check_front(ledger.requests, self.nginxes, self.score)
        logged = [truth for truth in ledger.requests if truth.worker_pid not in self._pids_without_log]
        check_backends(logged, self.backends, self.score)
        fill_verify_codes(ledger, self.nginxes)

    def verify(self, ledger, agent, title, ground=True):
        """The usual end of a test: the ground truth, then every event, then an orderly stop of the agent.
        ground=False: the caller checks the ground itself, once for several agents."""
        if ground:
            self.check_ground(ledger)
        if not agent.runs:
            print(f"      {title}: {len(ledger.requests)} requests, not judged: no agent")
            return
        wait_for_requests(agent, ledger)
        self.score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
        print_losses(agent)
        self.judge(ledger, agent.events, title)

    def judge(self, ledger, events, title):
        for findings, what in ((judge_requests(ledger.requests, events), "requests"),
                               (judge_handshakes(ledger.handshakes, events), "handshakes")):
            if findings.found:
                findings.print(f"{title}: {what}")
            self.score.add(findings)


def wait_for_requests(agent, ledger):
    """Until there is an event for every request that must have one, or nobody would wait longer."""
    due = {(truth.request_id, truth.path) for truth in ledger.requests if truth.reaches_backend and not truth.optional}

    def complete(events):
        return due <= {(get(event, "http.request.id"), get(event, "url.path")) for event in events}

    agent.wait_for(complete)


def print_losses(agent):
    for event in agent.find("mtlswatch.agent", "agent-loss"):
        print(f"      the agent lost records: {event.get('message')}")
