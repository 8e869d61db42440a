# SPDX-License-Identifier: Apache-2.0
"""Shapes that a proxy's processes come in: older or younger than the agent, on a library that was replaced on disk, in
namespaces of their own with their own copy of it, with two masters in the middle of an upgrade, or loading libssl late."""

import os
import shutil
import signal
from pathlib import Path

from lab.check import get
from lab.container import Container
from lab.host import wait_until
from lab.nginx import Listener, Upstream
from lab.traffic import browse
from lab.truth import Ledger

LIBSSL = Path("/usr/lib/x86_64-linux-gnu/libssl.so.3")
WHO = ("alice", "nobody", "foreign")


def _own_copy(lab, name):
    """A copy of libssl that nobody else uses, and the environment that selects it."""
    directory = lab.directory / name
    directory.mkdir(mode=0o755)
    shutil.copyfile(LIBSSL, directory / LIBSSL.name)
    return directory / LIBSSL.name, {"LD_LIBRARY_PATH": str(directory)}


def _listeners(shop, **options):
    over_tcp = Upstream("tcp", f"127.0.0.1:{shop.port}")
    return [Listener(over_tcp, "optional_no_ca", "TLSv1.2", **options), Listener(over_tcp, "optional_no_ca", **options)]


def _visit(lab, ledger, listeners, cell):
    for listener in listeners:
        for who in WHO:
            browse(lab, ledger, listener, who, cell=f"{cell} {listener.protocol}")


def _replaced_library(lab, shop):
    """nginx maps a file that has no name any more; another one has its name."""
    library, environment = _own_copy(lab, "replaced")
    listeners = _listeners(shop)
    nginx = lab.nginx(listeners, name="replaced", environment=environment)
    younger = library.with_suffix(".new")
    shutil.copyfile(LIBSSL, younger)
    younger.rename(library)
    if "(deleted)" not in "".join(line for line in Path(f"/proc/{nginx.child.pid}/maps").open() if "libssl" in line):
        raise RuntimeError("nginx does not map a deleted libssl")
    return listeners


def _in_namespaces(lab, shop, network):
    """nginx in mount, pid and network namespaces of its own, with a libssl that has no name outside of them."""
    library, _ = _own_copy(lab, "container")
    hidden = lab.directory / "hidden"
    hidden.mkdir()
    way = Upstream("outside", f"{network.host_address}:{shop.port}")
    listeners = [Listener(way, "optional_no_ca", protocol, address=network.address) for protocol in ("TLSv1.2", "TLSv1.3")]
    enter = (f"mount -t tmpfs hidden {hidden} && cp {library} {hidden}/ && chmod 755 {hidden} && "
             f'LD_LIBRARY_PATH={hidden} exec "$@"')
    prefix = ["nsenter", f"--net=/run/netns/{network.name}", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", enter, "inside"]
    lab.nginx(listeners, name="contained", prefix=prefix)
    return listeners


# nginx takes no upgrade while the process that started it is there, so that one must go. Whoever is left ends it.
_ORPHAN = ('( "$@" & echo $! > "$0.started"; while [ ! -s "$0.pid" ]; do sleep 0.1; done ); '
           'trap "kill $(cat "$0.started"); exit" TERM; sleep infinity & wait')


class _Upgrade:
    """nginx's binary upgrade: on SIGUSR2 the old master starts a new one; both have workers until the old one is told to go."""

    def __init__(self, lab, shop):
        self.listeners = _listeners(shop)
        base = lab.directory / "upgraded"
        self.nginx = lab.nginx(self.listeners, name=base.name, prefix=["/bin/sh", "-c", _ORPHAN, base])
        self.old_master, self._new_master = int(Path(f"{base}.started").read_text()), None

    def begin(self):
        os.kill(self.old_master, signal.SIGUSR2)
        pid_file = Path(f"{self.nginx.base}.pid")
        if not wait_until(lambda: pid_file.exists() and pid_file.read_text().strip() not in ("", str(self.old_master))):
            raise RuntimeError("nginx started no new master")
        self._new_master = int(pid_file.read_text())

    def retire_old_master(self):
        os.kill(self.old_master, signal.SIGQUIT)
        if not wait_until(lambda: not Path(f"/proc/{self.old_master}").exists()):
            raise RuntimeError("the old master stays")

    def end(self):
        if self._new_master:
            os.kill(self._new_master, signal.SIGTERM)


def _served_pids(lab, name):
    nginx = next(nginx for nginx in lab.nginxes if nginx.base.name == name)
    return {row["pid"] for row in nginx.requests_seen()}


def _check_let_go(lab, agent, score):
    """A library that nobody maps any more is not held on to."""
    paths = {str(lab.directory / "hidden" / LIBSSL.name)}
    contained = next(nginx for nginx in lab.nginxes if nginx.base.name == "contained")

    def covered(events):
        reports = [event for event in events if get(event, "event.action") == "agent-coverage"]
        return {library["path"] for library in get(reports[-1], "mtlswatch.agent.libraries") or ()} if reports else set()

    score.check("a library of another mount namespace is covered", agent.wait_for(lambda events: paths <= covered(events)))
    contained.stop()
    score.check("and let go some time after its last process", agent.wait_for(lambda events: not paths & covered(events)))


def run(lab, score):
    network = lab.enter_context(Container())
    shop, ledger = lab.gunicorn(addresses=("127.0.0.1", network.host_address)), Ledger()
    older = {"replaced, before the agent": _replaced_library(lab, shop),
             "contained, before the agent": _in_namespaces(lab, shop, network)}
    upgrade = _Upgrade(lab, shop)
    lab.callback(upgrade.end)
    agent = lab.agent()
    for cell, listeners in older.items():
        _visit(lab, ledger, listeners, cell)
    _visit(lab, ledger, upgrade.listeners, "before the upgrade")
    upgrade.begin()
    for _ in range(4):
        _visit(lab, ledger, upgrade.listeners, "two masters")
    upgrade.retire_old_master()
    _visit(lab, ledger, upgrade.listeners, "the new master alone")
    score.check("workers of both masters forwarded", len(_served_pids(lab, "upgraded")) > 2, _served_pids(lab, "upgraded"))
    lab.check_ground(ledger)
    if agent.runs:
        _check_let_go(lab, agent, score)
    lab.verify(ledger, agent, "processes", ground=False)
