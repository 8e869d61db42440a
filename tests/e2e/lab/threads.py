# SPDX-License-Identifier: Apache-2.0
"""What the running agent's threads may do, as /proc tells."""

import threading
from pathlib import Path

from lab.host import wait_until


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
    filters, inherited = _fields(pid, "Seccomp_filters"), int(_fields("self", "Seccomp_filters")[threading.get_native_id()])
    score.check(f"{when}: there are several threads, each under a filter of system calls of its own",
                len(filters) > 1 and min(map(int, filters.values())) > inherited, filters)
    score.check(f"{when}: no thread but the event loop's holds a capability",
                wait_until(lambda: _holders(pid) == {pid}), _fields(pid, "CapPrm"))
