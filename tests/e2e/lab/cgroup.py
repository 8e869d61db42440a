# SPDX-License-Identifier: Apache-2.0
"""A limit on the memory of one process, by whichever version of cgroups this host mounts."""

from pathlib import Path

from lab.host import wait_until

_VERSION_1, _VERSION_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class MemoryLimit:
    """While it is entered, the process may take so many bytes more than it has; its group is left and removed behind it."""

    def __init__(self, name, child, most_bytes):
        is_first = (_VERSION_1 / "memory.limit_in_bytes").exists()
        self._parent = _VERSION_1 if is_first else _VERSION_2
        self._group, self._child, self._bytes = self._parent / name, child, most_bytes
        self._limit = "memory.limit_in_bytes" if is_first else "memory.max"

    def __enter__(self):
        self._group.mkdir(exist_ok=True)
        (self._group / self._limit).write_text(str(self._bytes))
        (self._group / "cgroup.procs").write_text(str(self._child.pid))
        return self

    def __exit__(self, *_):
        try:
            (self._parent / "cgroup.procs").write_text(str(self._child.pid))
        except ProcessLookupError:
            pass  # it did not live that long
        wait_until(self._remove, 10)

    def _remove(self):
        """False: busy, as long as a process that was killed in it has not been waited for, which running() does."""
        self._child.running()
        try:
            self._group.rmdir()
        except OSError:
            return False
        return True
