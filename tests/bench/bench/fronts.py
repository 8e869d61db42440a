# SPDX-License-Identifier: Apache-2.0
"""CPU time of a front, its backend and the watcher, a request: kept-alive ones, or one behind each new mTLS handshake."""

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from bench.cpu import spent_ns
from bench.load import ask, client_pem
from bench.ways import ALL
from lab.fronts.apache import Apache
from lab.fronts.front import Door
from lab.fronts.haproxy import HAProxy
from lab.host import children_of
from lab.laboratory import Laboratory
from lab.nginx import Listener, Upstream
from lab.score import Score

REQUESTS = {"requests": 4000, "handshakes": 1200}
KINDS = {"haproxy": HAProxy, "apache": Apache}


@dataclass
class Bench:
    """One world for a measurement."""
    build: Path
    lab: Laboratory
    backend: object
    agents: int = 0
    samples: dict = field(default_factory=dict)  # way -> a list of {who: ns a request}

    @property
    def empty_hooks(self):
        return self.build / "tests/bench/bench_empty_hooks"


def start_front(front, lab, backend):
    """(port, process ids) of a front that demands certificates."""
    server = f"127.0.0.1:{backend.port}"
    if front == "nginx":
        listener = Listener(Upstream("shop", server), "on")
        return listener.port, lab.nginx([listener], workers=1).worker_pids()
    door = Door("required")
    child = lab.front(KINDS[front], [door], server).child
    return door.port, [child.pid, *children_of(child.pid)]


def _measure_once(bench, way, load, port, groups):
    """ns a request by group of processes."""
    keep_alive = load == "requests"
    with way.watching() as watchers:
        groups = {**groups, "watcher": watchers}
        ask(f"https://127.0.0.1:{port}/sized/warm", 50, keep_alive=keep_alive, pem=client_pem(bench.lab))
        before = {who: spent_ns(pids) for who, pids in groups.items()}
        ask(f"https://127.0.0.1:{port}/sized/bench", REQUESTS[load], keep_alive=keep_alive, pem=client_pem(bench.lab))
        return {who: (spent_ns(pids) - before[who]) / REQUESTS[load] for who, pids in groups.items()}


def measure_front(front, load, build, rounds):
    with Laboratory(str(build / "mtlswatch"), Score()) as lab:
        bench = Bench(build, lab, lab.gunicorn(workers=2))
        port, pids = start_front(front, lab, bench.backend)
        groups = {"front": pids, "backend": bench.backend.worker_pids()}
        ways = [way(bench) for way in ALL]
        for _ in range(rounds):
            for way in ways:
                bench.samples.setdefault(way.name, []).append(_measure_once(bench, way, load, port, groups))
        return [_row(way.name, bench.samples) for way in ways]


def _row(name, samples):
    """Medians; ratios to the bare run of the same round, with the smallest and the largest."""
    row = {"watched by": name}
    for who in ("front", "backend"):
        ratios = [sample[who] / bare[who] for sample, bare in zip(samples[name], samples["bare"])]
        row[f"{who}, us"] = statistics.median(sample[who] for sample in samples[name]) / 1000
        row[f"{who}, ratio"] = statistics.median(ratios)
        row[f"{who}, spread"] = f"{min(ratios):.2f} to {max(ratios):.2f}"
    row["watcher, us"] = statistics.median(sample["watcher"] for sample in samples[name]) / 1000
    return row
