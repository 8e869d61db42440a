# SPDX-License-Identifier: Apache-2.0
"""What the laboratory needs from this machine: child processes that always end, free ports, waiting."""

import atexit
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

PATIENCE_S = 120  # how long what must come may take on a slow and busy machine; where it works, nobody waits

SERVER_PORTS = 10000, 14000
CLIENT_PORTS = 14000, 32768  # Linux gives those above to clients that ask for none
client_ports = itertools.cycle(range(*CLIENT_PORTS))

_children = []
_ports_given = set()


class Child:
    """One program that the laboratory started. It leads a process group of its own, and ends with the laboratory:
    by stop(), at exit, or by the parent-death signal when the laboratory itself is killed."""

    def __init__(self, name, argv, directory, environment=None):
        self.name = name
        self.stdout_path = Path(directory) / f"{name}.stdout"
        self.stderr_path = Path(directory) / f"{name}.stderr"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *map(str, argv)],
                cwd=directory, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True)
        self.pid = self._process.pid
        _children.append(self)

    def running(self):
        return self._process.poll() is None

    def errors(self):
        """The last lines of standard error, for a failure's message."""
        return self.stderr_path.read_text(errors="replace")[-3000:]

    def signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout_s):
        """The exit code (negative: the signal), or None when it did not end in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s=10):
        """Asks with SIGTERM, then kills the whole group. Returns the exit code as wait() does."""
        if self.running():
            self.signal(signal.SIGTERM)
        code = self.wait(timeout_s)
        self.kill()
        return code

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        if self in _children:
            _children.remove(self)


def stop_all():
    """Ends every child, youngest first."""
    for child in reversed(list(_children)):
        child.stop()


def end_children_with_us():
    """Call once at start: children end at exit, and SIGTERM and SIGINT become an orderly exit."""
    atexit.register(stop_all)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: exit(128 + received))


def _is_free(port):
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def free_port():
    """A port that nothing uses, below the ephemeral range so that no client takes it meanwhile."""
    for _ in range(1000):
        port = random.randrange(*SERVER_PORTS)
        if port not in _ports_given and _is_free(port):
            _ports_given.add(port)
            return port
    raise RuntimeError(f"no free port in {SERVER_PORTS}")


def wait_until(condition, timeout_s=PATIENCE_S, interval_s=0.02):
    """The first true value of condition(), or its last value at the timeout."""
    deadline = time.monotonic() + timeout_s
    value = condition()
    while not value and time.monotonic() < deadline:
        time.sleep(interval_s)
        value = condition()
    return value


def children_of(pid):
    """Process ids of the direct children, as the kernel lists them."""
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in listing.read_text().split()]
    return found


def run(argv, timeout_s=PATIENCE_S):
    """Runs a program to its end; the result has returncode, stdout and stderr as text. A program that does not end
    in time is killed, and its returncode is None."""
    argv = list(map(str, argv))
    try:
        return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, None, "", f"did not end within {timeout_s} s")
