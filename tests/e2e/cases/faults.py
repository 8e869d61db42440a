# SPDX-License-Identifier: Apache-2.0
"""What happens to a host happens to the agent too: it is stopped, starved of memory, its disk is full, its tables are
full, a proxy has 500 workers, the wall clock is set, somebody calls the probed functions with garbage. No request may fail for it, no event be
wrong, and what is lost is said. --full: half an hour of load at the end (15 s otherwise). Others: `restart` (killed),
`leaks` (tables), `blindness` (held up)."""

import datetime
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from lab.agent import configuration
from lab.cgroup import MemoryLimit
from lab.check import get
from lab.client import open_tcp
from lab.host import PATIENCE_S, Child, children_of, wait_until
from lab.host import run as run_program
from lab.nginx import Listener, Upstream
from lab.steady_load import SteadyLoad
from lab.traffic import browse
from lab.truth import Ledger

MIB = 1 << 20
WORKERS = 2
SOAK_S, FULL_SOAK_S = 15, 1800
HOSTILE = Path(__file__).parent.parent / "lab/hostile.py"
WALL_CLOCK = Path(__file__).parent.parent / "lab/wall_clock.c"


class _World:
    """nginx and gunicorn, watched, and clients that never stop asking."""

    def __init__(self, lab, score):
        self.lab, self.score = lab, score
        self.shop = lab.gunicorn(workers=2)
        upstream = Upstream("tcp", f"127.0.0.1:{self.shop.port}")
        self.listeners = [Listener(upstream, "optional"), Listener(upstream, "optional", "TLSv1.2")]
        self.nginx = lab.nginx(self.listeners, workers=WORKERS)
        self.socket = lab.directory / "admin.sock"

    def agent(self, environment=None, **settings):
        return self.lab.agent(configuration([{"name": "shop", "listen": self.shop.listen()}],
                                            admin={"socket": str(self.socket)}, **settings), environment=environment)

    def status(self):
        return json.loads(run_program([self.lab.binary, "status", "--json", "--socket", self.socket]).stdout)

    def under_load(self, what, agent, happen, listeners=None):
        """happen() while clients ask; afterwards a client is judged as ever, and no event was wrong."""
        load = SteadyLoad(self.lab, listeners or self.listeners, what)
        loaded = load.wait_for_more()
        happen()
        loaded = load.wait_for_more() and loaded
        load.stop()
        self.score.check(f"{what}: clients kept asking, and every request was answered", loaded and load.answered_all(), load.problems[:1])
        self.lab.judge(load.ledger, [event for event in agent.read() if not _is_of_what_was_lost(event)], what)

    def still_sees(self, what, agent, listeners=None):
        ledger = Ledger()
        for listener in listeners or self.listeners:
            browse(self.lab, ledger, listener, "alice", cell=f"after: {what}")
        ids = {truth.request_id for truth in ledger.requests}

        def told(events):
            return ids <= {get(event, "http.request.id") for event in events if get(event, "mtlswatch.verdict") == "authenticated"}
        self.score.check(f"{what}: afterwards requests are judged as ever", agent.wait_for(told))


def _is_of_what_was_lost(event):
    """A request of which no record came through: it is told, as unknown, and cannot be named."""
    return get(event, "mtlswatch.verdict") == "unknown" and get(event, "url.path") is None


def _resident_bytes(pid):
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024


def _stopped(world):
    agent = world.agent(limits={"ring_bytes": 65536})

    def stop_and_go():
        agent.child.signal(signal.SIGSTOP)
        time.sleep(2)
        agent.child.signal(signal.SIGCONT)
    world.under_load("stopped for 2 s", agent, stop_and_go)
    world.still_sees("stopped for 2 s", agent)
    world.score.check("stopped for 2 s: it says that records were lost", agent.wait_for(
        lambda _: agent.find("mtlswatch.agent", "agent-loss")))
    agent.stop()


def _starved(world):
    agent = world.agent()
    with MemoryLimit("mtlswatch-faults", agent.child, 2 * MIB):  # for what it takes from now on
        world.under_load("2 MiB more memory", agent, lambda: time.sleep(2))
    if agent.child.running():
        world.still_sees("2 MiB more memory", agent)
        agent.stop()
    else:
        print("      the agent was killed for its memory; systemd would start it again")
        agent.child.kill()


def _full_disk(world):
    disk = world.lab.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        agent = world.agent(outputs=[{"type": "json"}, {"type": "json", "path": str(disk / "events.json")}])
        world.under_load("full disk", agent, lambda: time.sleep(2))
        world.still_sees("full disk", agent)
        lost = [event for event in agent.find("mtlswatch.agent", "agent-loss") if "output" in json.dumps(event)]
        world.score.check("full disk: it says that an output lost events", agent.wait_for(
            lambda _: agent.find("mtlswatch.agent", "agent-loss")) or lost)
        agent.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _full_tables(world):
    agent = world.agent(limits={"connections": 40, "exchanges": 4})
    port = world.listeners[0].port

    def crowd():
        idle = [open_tcp("127.0.0.1", port) for _ in range(400)]
        time.sleep(1)
        for sock in idle:
            sock.close()
    world.under_load("tables of 40 connections and 4 requests", agent, crowd)
    tables = {table["name"]: table for table in world.status()["tables"]}
    world.score.check("full tables: none outgrows its limit, and what was forgotten is counted",
                      tables["connections"]["entries"] <= 40 and tables["connections"]["evicted"] > 0, tables["connections"])
    agent.stop()


def _many_workers(world):
    agent = world.agent()
    listener = Listener(world.listeners[0].upstream, "optional")
    nginx = world.lab.nginx([listener], workers=500, name="many")
    agent.wait_for(lambda _: len(children_of(nginx.child.pid)) == 500)
    world.under_load("500 workers", agent, lambda: time.sleep(2), [listener])
    world.still_sees("500 workers", agent, [listener])
    nginx.stop()
    known = wait_until(lambda: next(each["entries"] for each in world.status()["maps"] if each["name"] == "observed_processes") < 50)
    world.score.check("500 workers: when they are gone, they are forgotten", known, world.status()["maps"])
    agent.stop()


def _clock_jump(world):
    """The wall clock is set back by an hour and on again: for the agent alone, by a library in front of libc."""
    library, hours = world.lab.directory / "wall_clock.so", world.lab.directory / "hours"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, WALL_CLOCK], check=True)
    hours.write_text("0")
    agent = world.agent({"LD_PRELOAD": str(library), "WALL_CLOCK_HOURS": str(hours)})
    for jump in (-1, 0):
        hours.write_text(str(jump))
        time.sleep(1)
        world.still_sees(f"wall clock at {jump:+} h", agent)
        wrong_s = [_told_s(event) - time.time() - 3600 * jump for event in agent.find("mtlswatch.request")[-1:]]
        world.score.check(f"wall clock at {jump:+} h: events tell the new time", wrong_s and abs(wrong_s[0]) < 60, wrong_s)
    agent.stop()


def _told_s(event):
    return datetime.datetime.fromisoformat(event["@timestamp"]).timestamp()


def _hostile(world):
    agent = world.agent()
    before = _resident_bytes(agent.child.pid)
    villain = Child("hostile", ["/usr/bin/python3", HOSTILE, "4"], world.lab.directory)
    world.under_load("garbage for the probes", agent, lambda: villain.wait(PATIENCE_S))
    world.score.check("garbage for the probes: it was really called",
                      int(villain.stdout_path.read_text() or 0) > 10_000, villain.errors())
    world.still_sees("garbage for the probes", agent)
    grown = _resident_bytes(agent.child.pid) - before
    world.score.check("garbage for the probes: the agent keeps nothing of it", grown < 16 * MIB, f"{grown} bytes more")
    agent.stop()


def _soak(world):
    seconds = FULL_SOAK_S if world.lab.full else SOAK_S
    agent = world.agent()
    resident = []

    def wait():
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(5, seconds / 3))
            resident.append(_resident_bytes(agent.child.pid) // 1024)
    world.under_load(f"{seconds} s of load", agent, wait)
    print(f"      resident KiB: {resident[0]} after {seconds / len(resident):.0f} s, {resident[-1]} at the end, most {max(resident)}")
    world.score.check("soak: the second half takes no more memory than the first",
                      max(resident[len(resident) // 2:]) <= 1.1 * max(resident[:len(resident) // 2 + 1]), resident)
    agent.stop()


def run(lab, score):
    world = _World(lab, score)
    if not lab.binary:
        return
    wait_until(lambda: len(world.nginx.worker_pids()) == WORKERS)
    workers = set(world.nginx.worker_pids())
    for fault in (_stopped, _starved, _full_disk, _full_tables, _many_workers, _clock_jump, _hostile, _soak):
        fault(world)
    kept = set(world.nginx.worker_pids())
    score.check("nginx kept its workers", kept == workers, f"{sorted(workers)}, now {sorted(kept)}")
    score.check("and this machine its mounts", not os.path.ismount(lab.directory / "disk"))
