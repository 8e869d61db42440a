# SPDX-License-Identifier: Apache-2.0
"""A node and its pods without Kubernetes: each a network namespace, the pods behind veth pairs that the node routes, their
processes in control groups as the kubelet names them, Services as nftables rules of the node."""

import contextlib
import ctypes
import os
import subprocess
import sys
import uuid
from pathlib import Path

from lab.host import PATIENCE_S, run

_NETWORK = 0x40000000  # CLONE_NEWNET
_libc = ctypes.CDLL(None, use_errno=True)


def _must(*arguments, given=None):
    result = subprocess.run([*map(str, arguments)], input=given, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {result.stderr}")


def cgroup_mount():
    """Where the unified hierarchy is mounted."""
    rows = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return next(Path(row[1]) for row in rows if row[2] == "cgroup2")


@contextlib.contextmanager
def _within(namespace):
    """This thread, and what it starts, in a network namespace."""
    with open("/proc/thread-self/ns/net") as before, open(Path("/run/netns") / namespace) as there:
        if _libc.setns(there.fileno(), _NETWORK) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            _libc.setns(before.fileno(), _NETWORK)


class Pod:
    """cgroup: of its container, below the mount; its last part names the runtime."""

    def __init__(self, cluster, number):
        self.node, self.number = cluster.node, number
        self.uid, self.container_id = str(uuid.uuid4()), os.urandom(32).hex()
        self.namespace = f"{cluster.namespace}-{number}"
        self.address, self.gateway = f"{cluster.network}.{4 * number + 2}", f"{cluster.network}.{4 * number + 1}"
        self.cgroup = cluster.cgroup_of(self)

    def create(self, cluster):
        _must("ip", "netns", "add", self.namespace)
        outside = f"v{self.number}"
        _must("ip", "-n", cluster.namespace, "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        for where, device, address in ((cluster.namespace, outside, self.gateway), (self.namespace, "eth0", self.address)):
            _must("ip", "-n", where, "addr", "add", f"{address}/30", "dev", device)
            _must("ip", "-n", where, "link", "set", device, "up")
        _must("ip", "-n", self.namespace, "link", "set", "lo", "up")
        _must("ip", "-n", self.namespace, "route", "add", "default", "via", self.gateway)
        self.cgroup.mkdir(parents=True)

    def remove(self):
        run(["ip", "netns", "del", self.namespace])
        with contextlib.suppress(OSError):  # still has processes: a child that was not waited for
            self.cgroup.rmdir()
            self.cgroup.parent.rmdir()

    @contextlib.contextmanager
    def inside(self):
        """What is started meanwhile runs in the pod."""
        home = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        with _within(self.namespace):
            (self.cgroup / "cgroup.procs").write_text(str(os.getpid()))
            try:
                yield
            finally:
                (cgroup_mount() / home.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))

    def python(self, script, *arguments):
        """Standard output of a Python script that runs in the pod."""
        with self.inside():
            result = run([sys.executable, "-c", script, *arguments])
        if result.returncode != 0:
            raise RuntimeError(f"the script in pod {self.namespace} failed: {result.stderr}")
        return result.stdout


class Cluster:
    """Use as a context manager. driver: "systemd" or "cgroupfs", how control groups are named."""

    def __init__(self, pods, driver="systemd"):
        self.node, self.namespace = f"node-{os.getpid()}", f"mtlswatch-n{os.getpid()}"
        self.network = f"10.197.{os.getpid() % 200}"
        self._driver = driver
        self._top = cgroup_mount() / ("kubepods.slice" if driver == "systemd" else "kubepods")
        self._made_top = not self._top.exists()
        self.pods = [Pod(self, number) for number in range(pods)]

    def cgroup_of(self, pod):
        if self._driver == "cgroupfs":
            return self._top / f"pod{pod.uid}" / pod.container_id
        return self._top / f"kubepods-pod{pod.uid.replace('-', '_')}.slice" / f"cri-containerd-{pod.container_id}.scope"

    def __enter__(self):
        _must("ip", "netns", "add", self.namespace)
        _must("ip", "-n", self.namespace, "link", "set", "lo", "up")
        with _within(self.namespace):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for pod in self.pods:
            pod.create(self)
        return self

    def __exit__(self, *_):
        for pod in self.pods:
            pod.remove()
        run(["ip", "netns", "del", self.namespace])
        if self._made_top:
            with contextlib.suppress(OSError):
                self._top.rmdir()

    def on_node(self):
        """This thread is a process of the node."""
        return _within(self.namespace)

    def serve(self, services):
        """services: (address, port, pod, the pod's port, whether the source is masqueraded too) each."""
        rules = ["table ip services {", "chain prerouting { type nat hook prerouting priority -100;"]
        rules += [f"ip daddr {address} tcp dport {port} {'meta mark set 1 ' if masquerade else ''}dnat to {pod.address}:{own};"
                  for address, port, pod, own, masquerade in services]
        rules += ["}", "chain postrouting { type nat hook postrouting priority 100;", "meta mark 1 masquerade", "}", "}"]
        _must("ip", "netns", "exec", self.namespace, "nft", "-f", "-", given="\n".join(rules) + "\n")
