#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays a small site on loopback (nginx, gunicorn, Django), watches it with the agent, and sends it one request of
each kind. Then it goes on watching until SIGINT or SIGTERM. Usage: demonstration.py PATH_OF_MTLSWATCH

All it starts and writes is gone when it ends. Exit codes: 0 ended by signal, else the agent's own or 1.
"""
import contextlib
import pathlib
import signal
import sys
import tempfile
import threading
import time

from certificates import CertificateError, make_certificates
from scenarios import scenarios, send
from services import LISTENERS, Agent, ServiceError, free_ports, start_django, start_nginx
from table import Table, colour_wanted, field

READY_SECONDS = 60
EVENT_SECONDS = 5  # an event is written 2 s after its response began, at the latest
NO_EVENT_SECONDS = 1

LEGEND = """
handshake  a TLS client and nginx: which certificate was sent, and what OpenSSL's check said (0 is good)
request    one HTTP request that Django read, and what stands behind it:
             authenticated  a verified client certificate, the one in WHO and SERIAL
             bypass         none; REASON says which way it came in
             unknown        the agent cannot know; REASON says what it lacks. It never guesses
CAME       client -> listener -> backend; a port alone is on loopback; name[pid] is a local process
Carol's expired certificate has a handshake and no request: nginx refused her before Django read anything.
"""

FOR_REAL = """
For real, on the host that runs your TLS proxy and Django (as root; nothing there is changed or restarted):
  {binary} run               JSON lines on standard output
  {binary} run | {table}     the same as this table
"""


class Stopped(Exception):
    """A signal asked to end."""


def stop_on_signals():
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number, frame):
        for each in signals:  # once is enough: what is started must be ended in peace
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    for each in signals:
        signal.signal(each, stop)


class Watcher:
    """What the agent said so far: shows it, and lets the main thread wait for it. line() is the reader thread's."""

    def __init__(self, ports):
        self.ports = set(ports.values())
        self.table = Table(sys.stdout, colour_wanted(sys.stdout), self.is_ours)
        self.changed = threading.Condition()
        self.ready = False
        self.handshakes = 0
        self.reasons = {}  # path -> event.reason

    def is_ours(self, event):
        """Other programs of this host are left out of the demonstration's table; the agent sees them all the same."""
        seen = [field(event, name, int) for name in ("destination.port", "server.port")]
        return seen == [None, None] or bool(self.ports.intersection(seen))

    def line(self, text):
        event = self.table.line(text)
        if event is None or not self.is_ours(event):
            return
        action = field(event, "event.action")
        with self.changed:
            self.ready |= action == "agent-ready"
            self.handshakes += action == "tls-handshake"
            if action == "backend-request":
                self.reasons[field(event, "url.path")] = field(event, "event.reason") or "?"
            self.changed.notify_all()

    def wait(self, condition, seconds):
        with self.changed:
            return self.changed.wait_for(condition, seconds)


def wait_until_ready(agent, watcher):
    deadline = time.monotonic() + READY_SECONDS
    while not watcher.wait(lambda: watcher.ready, 0.2):
        if not agent.running():
            raise agent.failure()
        if time.monotonic() > deadline:
            raise ServiceError(f"mtlswatch is not ready after {READY_SECONDS} s")


def play(number, scenario, folder, watcher):
    """Sends one request and waits until the agent has spoken of it. Returns what is not as expected, or nothing."""
    print(f"\n{number}. {scenario.title}", flush=True)
    handshakes = watcher.handshakes + scenario.handshake
    complaint = send(scenario, folder)
    if complaint:
        return f"{number}. {complaint}"
    watcher.wait(lambda: watcher.handshakes >= handshakes, EVENT_SECONDS)
    watcher.wait(lambda: scenario.path in watcher.reasons, EVENT_SECONDS if scenario.expected else NO_EVENT_SECONDS)
    seen = watcher.reasons.get(scenario.path, "")
    missing = " and no handshake" if watcher.handshakes < handshakes else ""
    if seen == scenario.expected and not missing:
        return ""
    return f"{number}. expected {scenario.expected or 'no request'}, seen {seen or 'no request'}{missing}"


def play_all(todo, folder, watcher):
    watcher.table.heading()
    wrong = [text for text in (play(number, each, folder, watcher) for number, each in enumerate(todo, 1)) if text]
    print(LEGEND)
    print("\n".join(["Not as expected:", *wrong]) if wrong else f"All {len(todo)} are as they should be.")


def invite(todo, folder, binary):
    print("\nTry it yourself in another terminal; the answers appear here:")
    print(f"  cd {folder}")
    for scenario in todo:
        print("  " + scenario.text())
    print(FOR_REAL.format(binary=binary, table=pathlib.Path(__file__).with_name("table.py")))
    print("Watching on, until Ctrl-C.", flush=True)


def demonstrate(binary, stack):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlswatch-demo-", ignore_cleanup_errors=True))
    pathlib.Path(folder).chmod(0o755)  # nginx's and gunicorn's workers are www-data
    ports = free_ports(LISTENERS)
    make_certificates(folder)
    services = []

    def started(service):
        stack.callback(service.stop)
        services.append(service)
        return service

    started(start_django(folder, ports["backend"])).wait_for_port(ports["backend"])
    started(start_nginx(folder, ports)).wait_for_port(ports["strict"])
    watcher = Watcher(ports)
    wait_until_ready(started(Agent(binary, folder, watcher.line)), watcher)
    todo = scenarios(ports)
    play_all(todo, folder, watcher)
    invite(todo, folder, binary)
    while all(service.running() for service in services):
        time.sleep(0.5)
    raise next(service for service in services if not service.running()).failure()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: demonstration.py PATH_OF_MTLSWATCH")
    sys.stdout.reconfigure(errors="replace")
    stop_on_signals()
    try:
        with contextlib.ExitStack() as stack:
            demonstrate(sys.argv[1], stack)
    except Stopped:
        print("\nEnded; nginx, gunicorn, the agent and the temporary files are gone.")
    except (ServiceError, CertificateError, OSError) as error:
        print(f"demonstration: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))


if __name__ == "__main__":
    main()
