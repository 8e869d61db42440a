# SPDX-License-Identifier: Apache-2.0
"""A network namespace with a veth pair: a container on this host. Its processes are this host's processes."""

import json
import os
import random
import sys
from pathlib import Path

from lab.host import run

# A program that sends one request and prints who it was: its arguments are address, port, path and request id.
CLIENT = """
import http.client, json, os, sys
address, port, path, request_id = sys.argv[1:]
connection = http.client.HTTPConnection(address, int(port), timeout=120)
connection.connect()
source = connection.sock.getsockname()
connection.request("GET", path, headers={"X-Request-ID": request_id, "Connection": "close"})
response = connection.getresponse()
print(json.dumps({"pid": os.getpid(), "source_ip": source[0], "source_port": source[1], "status": response.status,
                  "worker_pid": int(response.headers["X-Worker-Pid"])}))
"""


class Container:
    """Use as a context manager; the namespace is removed at its end."""

    def __init__(self):
        self.name = f"mtlswatch-{os.getpid()}"
        network = f"10.198.{random.randrange(1, 255)}"
        self.address, self.host_address = f"{network}.2", f"{network}.1"
        self._outside, self._inside = f"mo{os.getpid() % 100000}", f"mi{os.getpid() % 100000}"

    def __enter__(self):
        self._ip("netns", "add", self.name)
        self._ip("link", "add", self._outside, "type", "veth", "peer", "name", self._inside, "netns", self.name)
        self._ip("addr", "add", f"{self.host_address}/24", "dev", self._outside)
        self._ip("link", "set", self._outside, "up")
        self._ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", self._inside)
        self._ip("-n", self.name, "link", "set", self._inside, "up")
        return self

    def __exit__(self, *_):
        run(["/usr/sbin/ip", "link", "del", self._outside])
        run(["/usr/sbin/ip", "netns", "del", self.name])

    @staticmethod
    def _ip(*arguments):
        result = run(["/usr/sbin/ip", *arguments])
        if result.returncode != 0:
            raise RuntimeError(f"ip {' '.join(arguments)}: {result.stderr}")

    def get(self, port, path, request_id):
        """A process in the namespace asks the host; what it says about itself and the answer."""
        result = run(["nsenter", f"--net={Path('/run/netns') / self.name}", sys.executable, "-c", CLIENT,
                      self.host_address, port, path, request_id])
        if result.returncode != 0:
            raise RuntimeError(f"the client in the namespace failed: {result.stderr}")
        return json.loads(result.stdout)
