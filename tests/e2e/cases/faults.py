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

from lab.cgroup import MemoryLimit
from lab.client import open_tcp
from lab.host import PATIENCE_S, Child, children_of, wait_until
from lab.nginx import Listener
from lab.watched_shop import WatchedShop

MIB = 1 << 20
SOAK_S, FULL_SOAK_S = 15, 1800
HOSTILE = Path(__file__).parent.parent / "lab/hostile.py"
WALL_CLOCK = Path(__file__).parent.parent / "lab/wall_clock.c"


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
    world.end("stopped for 2 s", agent)


def _starved(world):
    agent = world.agent()
    with MemoryLimit("mtlswatch-faults", agent.child, 2 * MIB):  # for what it takes from now on
        world.under_load("2 MiB more memory", agent, lambda: time.sleep(2))
    if agent.child.running():
        world.still_sees("2 MiB more memory", agent)
        world.end("2 MiB more memory", agent)
    else:
        print("      the agent was killed for its memory; systemd would start it again")
        world.judge("2 MiB more memory", agent)
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
        world.end("full disk", agent)
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
    world.end("full tables", agent)


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
    world.end("500 workers", agent)


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
    world.end("wall clock", agent)


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
    world.end("garbage for the probes", agent)


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
    world.end("soak", agent)


def run(lab, score):
    world = WatchedShop(lab, score)
    if not lab.binary:
        return
    for fault in (_stopped, _starved, _full_disk, _full_tables, _many_workers, _clock_jump, _hostile, _soak):
        fault(world)
    world.check_workers()
    score.check("and this machine its mounts", not os.path.ismount(lab.directory / "disk"))
