# SPDX-License-Identifier: Apache-2.0
"""What the running agent's threads may do, as /proc tells."""

from pathlib import Path

from lab.host import wait_until

FILTERED = "2"  # SECCOMP_MODE_FILTER
PATIENCE_S = 30


def _fields(pid, name):
    """By thread."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            lines = (thread / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        found[int(thread.name)] = next(line.split("\t", 1)[1].strip() for line in lines if line.startswith(name + ":"))
    return found


def _holders(pid):
    return {thread for thread, held in _fields(pid, "CapPrm").items() if int(held, 16) != 0}


def check_threads(agent, score, when):
    """Every one is under a filter of system calls, and the event loop's alone holds capabilities, once a new one has begun."""
    pid = agent.child.pid
    filters = _fields(pid, "Seccomp")
    score.check(f"{when}: there are several threads, each under a filter of system calls",
                len(filters) > 1 and set(filters.values()) == {FILTERED}, filters)
    score.check(f"{when}: no thread but the event loop's holds a capability",
                wait_until(lambda: _holders(pid) == {pid}, PATIENCE_S), _fields(pid, "CapPrm"))
