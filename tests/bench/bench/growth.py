# SPDX-License-Identifier: Apache-2.0
"""How the agent grows with open connections: its memory, and the CPU time of starting beside so many. The connections are
of verified clients that have asked once and are kept alive."""

import contextlib
import resource

from bench.cpu import resident_kib, spent_ns
from bench.fronts import Bench
from bench.ways import start_agent
from lab.client import Http1, open_tcp, tls_context
from lab.laboratory import Laboratory
from lab.nginx import Listener, Upstream
from lab.score import Score

STEPS = (10, 1000, 10000)


def measure_connections(build, _rounds):
    """Once: memory is no matter of chance."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Laboratory(str(build / "mtlswatch"), Score()) as lab, contextlib.ExitStack() as opened:
        bench = Bench(build, lab, lab.gunicorn(workers=2))
        listener = Listener(Upstream("shop", f"127.0.0.1:{bench.backend.port}"), "on")
        lab.nginx([listener], connections=2 * STEPS[-1])
        context, rows, open_now = tls_context(lab.pki, lab.pki["alice"]), [], 0
        agent = start_agent(bench)
        for step in STEPS:
            for number in range(open_now, step):
                client = opened.enter_context(Http1(open_tcp("127.0.0.1", listener.port, come_from=f"127.0.1.{1 + number % 200}"), context))
                client.request("GET", f"/t/{number}", {})
            open_now = step
            now, most = resident_kib(agent.child.pid)
            rows.append({"connections": step, "resident, MiB": now / 1024, "at most, MiB": most / 1024, **_start_beside(bench)})
        agent.stop()
        return rows


def _start_beside(bench):
    """Another agent, which finds them open."""
    other = start_agent(bench, socket="second.sock")
    spent, (now, _) = spent_ns([other.child.pid]), resident_kib(other.child.pid)
    other.stop()
    return {"starting, ms CPU": spent / 1e6, "started, MiB": now / 1024}
