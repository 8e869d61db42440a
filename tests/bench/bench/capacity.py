# SPDX-License-Identifier: Apache-2.0
"""Records a second that one core decodes and judges: `replay` of a recording made here, of kept-alive requests and of new
handshakes. Starting the program is subtracted: it is what replaying the same recording's first frames takes."""

import resource
import statistics
import struct
import subprocess

from bench.fronts import Bench, start_front
from bench.load import ask, client_pem
from bench.ways import start_agent
from lab.laboratory import Laboratory
from lab.score import Score

REQUESTS = {"requests": 20000, "handshakes": 3000}
_MAGIC = b"MTLSWATCH-RECORDING 1\n"
_RECORD = 4


def measure_capacity(build, rounds):
    with Laboratory(str(build / "mtlswatch"), Score()) as lab:
        bench = Bench(build, lab, lab.gunicorn(workers=2))
        port, _ = start_front("nginx", lab, bench.backend)
        return [_row(lab, load, _record(bench, port, load), rounds) for load in REQUESTS]


def _record(bench, port, load):
    file = bench.lab.directory / f"{load}.recording"
    agent = start_agent(bench, command=("record", str(file)))
    ask(f"https://127.0.0.1:{port}/sized/bench", REQUESTS[load], keep_alive=load == "requests", pem=client_pem(bench.lab))
    agent.stop()
    return file


def _row(lab, load, file, rounds):
    head, records = _frames(file.read_bytes())
    empty = lab.directory / "empty.recording"
    empty.write_bytes(head)
    spent = statistics.median(_replay_s(lab.binary, file) - _replay_s(lab.binary, empty) for _ in range(rounds))
    return {"recording": load, "records": records, "records a request": records / REQUESTS[load],
            "us a request": spent / REQUESTS[load] * 1e6, "records/s": records / spent}


def _frames(data):
    """(what stands before the first record, and the number of records)."""
    at, first, records = len(_MAGIC), None, 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == _RECORD:
            records += 1
            first = first or at
        at += 8 + size
    return data[:first], records


def _replay_s(binary, file):
    """CPU seconds of the program in user mode and in the kernel."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([binary, "replay", str(file)], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
