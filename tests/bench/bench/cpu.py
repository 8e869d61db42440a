# SPDX-License-Identifier: Apache-2.0
"""CPU time as the scheduler counts it, in nanoseconds, of whole processes with all their threads."""

from pathlib import Path


def spent_ns(pids):
    """{pid: {tid: ns}} is summed: threads that end meanwhile are lost, so measure programs that keep theirs."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def resident_kib(pid):
    """Now, and at most so far."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM"))
