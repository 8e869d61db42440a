# SPDX-License-Identifier: Apache-2.0
"""What watches while the load runs: nobody, the agent, empty programs on the agent's hooks, or probes as other tools place
them. Each is entered before a measurement and left behind it."""

import contextlib
import json
import signal
import subprocess

from lab.agent import Agent, configuration
from lab.host import Child, run, wait_until

# Entry and return of the three functions, the first bytes copied out: what sslsniff and its kind do.
_PEERS = """
uprobe:{lib}:SSL_do_handshake {{ @started[tid] = nsecs; }}
uretprobe:{lib}:SSL_do_handshake /@started[tid]/ {{ printf("%d handshake %d %d\\n", pid, retval, nsecs - @started[tid]); delete(@started[tid]); }}
uprobe:{lib}:SSL_read {{ @read[tid] = arg1; }}
uretprobe:{lib}:SSL_read /@read[tid]/ {{ printf("%d read %d %r\\n", pid, retval, buf(@read[tid], 64)); delete(@read[tid]); }}
uprobe:{lib}:SSL_write {{ @written[tid] = arg1; }}
uretprobe:{lib}:SSL_write /@written[tid]/ {{ printf("%d write %d %r\\n", pid, retval, buf(@written[tid], 64)); delete(@written[tid]); }}
"""
LIBSSL = "/usr/lib/x86_64-linux-gnu/libssl.so.3"


class Bare:
    """Nobody watches."""

    name = "bare"

    def __init__(self, bench):
        self.bench = bench

    @contextlib.contextmanager
    def watching(self):
        """Yields the process ids of the watcher."""
        yield []


class Watched(Bare):
    """mtlswatch, events to a file."""

    name = "mtlswatch"
    command = ("run",)

    @contextlib.contextmanager
    def watching(self):
        agent = start_agent(self.bench, self.command)
        try:
            yield [agent.child.pid]
        finally:
            agent.stop()


class WatchedByCallExits(Watched):
    """The same where the kernel has no better source of sends and receives than the exits of system calls."""

    name = "mtlswatch, sys_exit"
    command = ("run", "--without", "length_tracepoints,function_exits")


class Floor(Bare):
    """Empty programs on every hook that the agent has."""

    name = "empty programs"

    def __init__(self, bench):
        super().__init__(bench)
        self._places = _uprobe_places(bench)

    @contextlib.contextmanager
    def watching(self):
        with _started([self.bench.empty_hooks], "ready", self.bench, self._places) as child:
            yield [child.pid]


class Peers(Bare):
    """bpftrace, with the probes of existing tools."""

    name = "usual uprobes"

    @contextlib.contextmanager
    def watching(self):
        script = self.bench.lab.directory / "peers.bt"
        script.write_text('BEGIN { printf("ready\\n"); }' + _PEERS.format(lib=LIBSSL))
        child = Child("bpftrace", ["/usr/bin/bpftrace", "-B", "full", script], self.bench.lab.directory, {"BPFTRACE_STRLEN": "64"})
        try:
            if not wait_until(lambda: b"probes" in child.stdout_path.read_bytes(), 20):
                raise RuntimeError(f"bpftrace is not ready: {child.errors()}")
            yield [child.pid]
        finally:
            child.signal(signal.SIGINT)
            child.wait(10)
            child.kill()


ALL = (Bare, Watched, WatchedByCallExits, Floor, Peers)


def start_agent(bench, command=("run",), socket="admin.sock"):
    bench.agents += 1
    directory = bench.lab.directory
    file = directory / f"agent-{bench.agents}.yaml"
    file.write_text(configuration([{"name": "shop", "listen": [f"127.0.0.1:{bench.backend.port}"]}],
                                  admin={"socket": str(directory / socket)}))
    return Agent(bench.lab.binary, directory, f"agent-{bench.agents}", [*command, "--config", file])


def _uprobe_places(bench):
    """The agent's own, one a line."""
    agent = start_agent(bench)
    try:
        told = run([bench.lab.binary, "targets", "--json", "--socket", bench.lab.directory / "admin.sock"])
        libraries = json.loads(told.stdout)["libraries"]
    finally:
        agent.stop()
    return "".join(f"{probe['file_offset']} {_side(probe)} {library['path']}\n"
                   for library in libraries for probe in library["probes"])


def _side(probe):
    return "return" if probe["placement"] == "function return" else "entry"


@contextlib.contextmanager
def _started(argv, word, bench, text):
    """A program that has said the word; text is its standard input."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            child.stdin.write(text)
            child.stdin.close()
            if child.stdout.readline().strip() != word:
                raise RuntimeError(f"{argv[0]} does not say {word}")
            yield child
        finally:
            child.terminate()
