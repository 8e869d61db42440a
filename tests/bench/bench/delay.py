# SPDX-License-Identifier: Apache-2.0
"""How long after Django's answer began its event stands in the agent's file: from event.end, the answer's first byte, to the time
at which a reader sees the line. Of kept-alive requests, of a client with pauses and of four without."""

import datetime
import json
import statistics
import threading
import time

from bench.fronts import Bench, start_front
from bench.load import ask, client_pem
from bench.ways import start_agent
from lab.client import Http1, open_tcp, tls_context
from lab.laboratory import Laboratory
from lab.score import Score

REQUESTS = {"one client, 50 requests/s": 500, "four clients, as fast as they can": 4000}
_LOOKS_EVERY_S = 0.0005


class _Reader(threading.Thread):
    """When each line was seen first."""

    def __init__(self, file):
        super().__init__(daemon=True)
        self._file, self._done, self.lines = file, threading.Event(), []

    def run(self):
        rest = b""
        with open(self._file, "rb") as output:
            while not self._done.wait(_LOOKS_EVERY_S):
                new, now = output.read(), time.time()
                *whole, rest = (rest + new).split(b"\n")
                self.lines += [(now, line) for line in whole]

    def end(self):
        time.sleep(3)
        self._done.set()
        self.join()


def measure_delay(build, _rounds):
    with Laboratory(str(build / "mtlswatch"), Score()) as lab:
        bench = Bench(build, lab, lab.gunicorn(workers=2))
        port, _ = start_front("nginx", lab, bench.backend)
        return [_row(bench, port, load) for load in REQUESTS]


def _row(bench, port, load):
    agent = start_agent(bench)
    reader = _Reader(agent.child.stdout_path)
    reader.start()
    if load.startswith("one"):
        _ask_slowly(bench.lab, port, REQUESTS[load])
    else:
        ask(f"https://127.0.0.1:{port}/sized/bench", REQUESTS[load], pem=client_pem(bench.lab))
    reader.end()
    agent.stop()
    delays = sorted(delay for delay in map(_delay_ms, reader.lines) if delay is not None)
    parts = statistics.quantiles(delays, n=100)
    return {"load": load, "events": len(delays), "p50, ms": parts[49], "p99, ms": parts[98], "most, ms": delays[-1]}


def _ask_slowly(lab, port, requests):
    with Http1(open_tcp("127.0.0.1", port), tls_context(lab.pki, lab.pki["alice"])) as client:
        for _ in range(requests):
            client.request("GET", "/sized/bench", {})
            time.sleep(0.02)


def _delay_ms(seen):
    time_s, line = seen
    event = json.loads(line)
    if event["event"]["dataset"] != "mtlswatch.request":
        return None
    return (time_s - datetime.datetime.fromisoformat(event["event"]["end"]).timestamp()) * 1000
