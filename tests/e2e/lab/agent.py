# SPDX-License-Identifier: Apache-2.0
"""The program under test as a child: started, waited for, read, stopped or killed. Its standard output goes to a file,
so that a slow reader never holds it up."""

import json
import signal
from pathlib import Path

from lab.ecs import check_events
from lab.host import PATIENCE_S, Child, wait_until


class AgentFailed(Exception):
    """The agent did not do its part; the message holds what it said on standard error."""


def configuration(backends, **top_level):
    """YAML text. backends: dicts of name, listen and the like, lists of scalars as values."""
    lines = ["backends:"]
    for backend in backends:
        for number, (key, value) in enumerate(backend.items()):
            lines.append(f"  {'-' if number == 0 else ' '} {key}: {json.dumps(value)}")
    lines += [f"{key}: {json.dumps(value)}" for key, value in top_level.items()]
    return "\n".join(lines) + "\n"


class Agent:
    """mtlswatch running as `arguments` say, usually ["run"]. Ready when the constructor returns."""

    runs = True

    def __init__(self, binary, directory, name="agent", arguments=("run",), environment=None, score=None):
        self._score = score  # of a test: every event is held against the schema at the end
        self.events = []  # filled by read(); every JSON line so far
        self._bytes_read = 0
        self.child = Child(name, [Path(binary).resolve(), *arguments], directory, environment)
        self._wait_ready()

    def _wait_ready(self):
        def settled():
            return self.find("mtlswatch.agent", "agent-ready") or not self.child.running()

        wait_until(settled)
        if not self.find("mtlswatch.agent", "agent-ready"):
            state = "did not become ready" if self.child.running() else "ended before it was ready"
            errors = self.child.errors()
            self.child.kill()
            raise AgentFailed(f"{self.child.name} {state}; standard error:\n{errors}")

    def read(self):
        """Takes in the lines written since the last call. Raises AgentFailed on a line that is no JSON object."""
        with open(self.child.stdout_path, "rb") as output:
            output.seek(self._bytes_read)
            new = output.read()
        whole = new[:new.rfind(b"\n") + 1]
        self._bytes_read += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError as error:
                raise AgentFailed(f"standard output has a line that is no JSON: {line[:200]!r}") from error
            self.events.append(event)
        return self.events

    def find(self, dataset, action=None):
        """Events of a dataset, so far."""
        kinds = ((event.get("event", {}), event) for event in self.read())
        return [event for kind, event in kinds
                if kind.get("dataset") == dataset and action in (None, kind.get("action"))]

    def wait_for(self, predicate):
        """predicate takes the events so far; returns its last value."""
        return wait_until(lambda: predicate(self.read()), interval_s=0.1)

    def stop(self):
        """SIGTERM; returns the exit code (None: it had to be killed). All its events are in self.events then."""
        code = self.child.stop(PATIENCE_S)
        self._check()
        return code

    def kill(self):
        """SIGKILL, as the out-of-memory killer would."""
        self.child.signal(signal.SIGKILL)
        self.child.wait(PATIENCE_S)
        self._check()

    def _check(self):
        events = self.read()
        if self._score:
            check_events(events, self._score)


class NoAgent:
    """Stands in when only the laboratory itself is checked: nothing is watched, so nothing is judged."""

    runs = False
    events = ()

    def find(self, *_):
        return []

    def wait_for(self, _predicate):
        return True

    def stop(self):
        return 0

    def kill(self):
        pass
