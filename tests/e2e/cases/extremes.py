# SPDX-License-Identifier: Apache-2.0
"""As much as there can be, in a network namespace of its own: 65,535 connections at once, a flood of first packets, no room for
another process in the kernel's map; and a proxy that is killed for system calls that it does not know, with and without
return probes. No request may fail for it, no event be wrong, and what is lost is said."""

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

from lab.check import get
from lab.host import PATIENCE_S, Child, children_of, wait_until
from lab.host import run as run_program
from lab.nginx import Listener
from lab.own_network import counted, enter_own_network
from lab.watched_shop import WatchedShop

LAB = Path(__file__).parent.parent / "lab"
PYTHON = "/usr/bin/python3"
CROWD, FRONTS = 65_535, 5  # one process may not have that many descriptors everywhere
FLOOD_S, FULL_FLOOD_S = 4, 60
NO_RESETS = "table ip flood { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }"
KEPT = 80  # connections to Django that nginx keeps open for another minute, at both ends
BACKEND_PEER = 4  # MTLSWATCH_OBSERVED_PEER


def _entries(world):
    status = world.status()
    return {each["name"]: each["entries"] for each in status["tables"] + status["maps"]
            if each["name"] in ("connections", "sessions", "exchanges", "observed_processes")}


def _check(world, name):
    return next(check for check in world.status()["checks"] if check["check"] == name)


def _check_as_before(world, what, before):
    small = wait_until(lambda: all(_entries(world)[name] <= entries + KEPT for name, entries in before.items()), interval_s=0.5)
    world.score.check(f"{what}: every table and map is small again", small, f"{before} -> {_entries(world)}")


def _resident_kib(agent):
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{agent.child.pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0])


def _crowd(world, agent, ports):
    """CROWD clients come, stay while others ask, and go. Returns what the agent held meanwhile, in KiB."""
    def come():
        clients = [Child(f"crowd-{port}", [PYTHON, LAB / "crowd.py", port, CROWD // FRONTS], world.lab.directory) for port in ports]
        for one in clients:
            wait_until(lambda one=one: one.stdout_path.read_text() or not one.running())
        came = sum(int(one.stdout_path.read_text() or 0) for one in clients)
        world.score.check(f"{CROWD} clients are connected", came == CROWD, [one.errors() for one in clients])
        return clients

    crowd = []
    world.under_load("65,535 connections", agent, lambda: crowd.extend(come()))
    resident = _resident_kib(agent)
    for one in crowd:
        one.stop(PATIENCE_S)
    return resident


def _many_connections(world):
    listeners = [Listener(world.listeners[0].upstream, "optional") for _ in range(FRONTS)]
    fronts = [world.lab.nginx([listener], workers=1, name=f"front-{listener.port}", connections=CROWD // FRONTS + 1000) for listener in listeners]
    ports = {listener.port for listener in listeners}
    agent = world.agent()
    before, held, left = _entries(world), [], [_resident_kib(agent)]
    for times in ("once", "twice"):
        held.append(_crowd(world, agent, ports))
        _check_as_before(world, f"65,535 connections {times}", before)
        most_left = (left[0] + held[0]) / 2
        wait_until(lambda: _resident_kib(agent) < most_left, interval_s=1)
        left.append(_resident_kib(agent))
    print(f"      resident KiB: with the crowd {held}, without it {left}")
    world.score.check("65,535 connections: most of their memory is given back", max(left) < most_left, left)
    world.still_sees("65,535 connections", agent)
    told = sum(get(event, "destination.port") in ports for event in agent.find("mtlswatch.handshake"))
    forgotten = next(table["evicted"] for table in world.status()["tables"] if table["name"] == "connections")
    world.score.check(f"65,535 connections: {told} broken handshakes are told, {forgotten} connections forgotten, and counted",
                      told + forgotten >= 2 * CROWD > told)
    for front in fronts:
        front.stop()
    world.end("65,535 connections", agent)


def _syn_flood(world):
    agent, seconds = world.agent(), FULL_FLOOD_S if world.lab.full else FLOOD_S
    before, cookies = _entries(world), counted("SyncookiesSent")
    subprocess.run(["/usr/sbin/nft", NO_RESETS], check=True)  # nobody tells the listener that nobody asked
    flood = Child("syn-flood", [PYTHON, LAB / "syn_flood.py", world.listeners[0].port, seconds], world.lab.directory)
    world.under_load("flood of first packets", agent, lambda: flood.wait(PATIENCE_S))
    subprocess.run(["/usr/sbin/nft", "delete table ip flood"], check=True)
    sent = int(flood.stdout_path.read_text() or 0)
    print(f"      {sent} packets, {counted('SyncookiesSent') - cookies} of them answered with cookies")
    world.score.check("flood of first packets: the listener's queue was full", counted("SyncookiesSent") - cookies > 1000, flood.errors())
    world.still_sees("flood of first packets", agent)
    _check_as_before(world, "flood of first packets", before)
    world.end("flood of first packets", agent)


def _map_id(name):
    maps = json.loads(run_program(["/usr/sbin/bpftool", "--json", "map", "show"]).stdout)
    return max(each["id"] for each in maps if each.get("name", "") == name[:15])


def _fill(map_id, keys, directory):
    """Other processes have taken all the room; of threads, which are alive as far as kill() can tell."""
    words = lambda number: " ".join(str(byte) for byte in number.to_bytes(4, "little"))  # noqa: E731
    batch = directory / "batch"
    batch.write_text("".join(f"map update id {map_id} key {words(key)} value {words(BACKEND_PEER)}\n" for key in keys))
    run_program(["/usr/sbin/bpftool", "batch", "file", batch])  # ends at the first that finds no room


def _no_room_for_processes(world):
    agent, before = world.agent(), _entries(world)
    room = next(each["capacity"] for each in world.status()["maps"] if each["name"] == "observed_processes")
    others = Child("threads", [PYTHON, LAB / "threads_asleep.py", room], world.lab.directory)
    wait_until(lambda: others.stdout_path.read_text().endswith("done\n"))
    keys = map(int, others.stdout_path.read_text().split()[:-1])
    _fill(_map_id("observed_processes"), keys, world.lab.directory)
    world.score.check("no room for processes: the map is full", _entries(world)["observed_processes"] == room, _entries(world))
    world.score.check("no room for processes: it says so", not _check(world, "maps")["ok"], world.status()["checks"])
    listener = Listener(world.listeners[0].upstream, "optional")
    late = world.lab.nginx([listener], name="late")
    world.under_load("no room for processes: those known before", agent, lambda: None)
    world.still_sees("no room for processes", agent)
    world.under_load("no room for processes: a proxy that comes now", agent, lambda: None, [listener])
    others.kill()
    world.score.check("when they are gone there is room again", wait_until(lambda: _entries(world)["observed_processes"] < room // 2))
    world.still_sees("no room for processes: a proxy that came then", agent, [listener])
    late.stop()
    _check_as_before(world, "no room for processes", before)
    world.end("no room for processes", agent)


def _filtered_nginx(world, agent, what):
    listener = Listener(world.listeners[0].upstream, "optional")
    nginx = world.lab.nginx([listener], name="filtered", prefix=[PYTHON, LAB / "filtered.py"])
    wait_until(lambda: len(nginx.worker_pids()) == 2)
    workers = set(nginx.worker_pids())
    world.under_load(what, agent, lambda: None, [listener])
    if _check(world, "return_probes")["ok"]:
        world.still_sees(what, agent, [listener])
    world.score.check(f"{what}: its workers live", set(nginx.worker_pids()) == workers, nginx.child.errors())
    nginx.stop()
    world.end(what, agent)


def _filtered(world):
    killed = run_program([PYTHON, LAB / "filtered.py", PYTHON, "-c", "import ctypes; ctypes.CDLL(None).syscall(400)"])
    world.score.check("the filter kills", killed.returncode == -signal.SIGSYS, killed)
    _filtered_nginx(world, world.agent(), "filtered proxy")


def _without_return_probes(world):
    """As where the agent's own test of them says that they are not safe."""
    what, agent = "no return probes", world.agent({"MTLSWATCH_WITHOUT": "return_probes"})
    world.score.check(f"{what}: it says so", not _check(world, "return_probes")["ok"], world.status()["checks"])
    _filtered_nginx(world, agent, what)
    told = Counter((get(event, "mtlswatch.verdict"), get(event, "event.reason")) for event in agent.find("mtlswatch.request"))
    world.score.check(f"{what}: nothing is known of who asks", set(told) == {("unknown", "unsupported_tls_library")}, told)


def run(lab, score):
    enter_own_network()
    world = WatchedShop(lab, score)
    if not lab.binary:
        return
    for fault in (_filtered, _without_return_probes, _syn_flood, _no_room_for_processes, _many_connections):
        fault(world)
    world.check_workers()
