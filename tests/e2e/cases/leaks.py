# SPDX-License-Identifier: Apache-2.0
"""1,000 handshakes of mixed shapes leave nothing behind: once their connections are closed, every table is as small as it
was before, and the watched processes are the same."""

import json
import subprocess
import threading

from lab.agent import configuration
from lab.fronts.apache import Apache
from lab.fronts.front import Door
from lab.fronts.haproxy import HAProxy
from lab.fronts.nginx_front import NginxFront
from lab.handshake_client import Wish, context_for, leave_in_the_middle, say, shake
from lab.host import PATIENCE_S, wait_until

TABLES = ("connections", "sessions", "exchanges", "observed_processes")  # the others are memories with a fixed size
ROUNDS = 84  # times 12 handshakes
THREADS = 4


def _status(binary, socket):
    told = subprocess.run([binary, "status", "--json", "--socket", str(socket)], capture_output=True, text=True, timeout=PATIENCE_S)
    return json.loads(told.stdout)


def _tables(status):
    """Entries by table of the agent and map of the kernel side."""
    return {table["name"]: table["entries"] for table in status["tables"] + status["maps"] if table["name"] in TABLES}


def _is_small(before, after):
    return all(after[name] <= entries for name, entries in before.items())


def _mix(lab, front, done):
    """12 handshakes of one front, each of another kind."""
    optional, required = front.door("optional").port, front.door("required").port
    for version in ("TLSv1.2", "TLSv1.3"):
        alice, nobody = Wish(version, lab.pki.clients["alice"]), Wish(version)
        context = context_for(lab.pki, alice)
        first = shake(context, alice, required)
        shake(context, alice, required, first.session)
        shake(context_for(lab.pki, nobody), nobody, optional)
        expired = Wish(version, lab.pki.clients["expired"])
        shake(context_for(lab.pki, expired), expired, required)
        leave_in_the_middle(context, optional, "half")
        done.append(5)
    leave_in_the_middle(context, optional, "reset")
    say(optional, b"\x16\x99garbage" * 20)
    done.append(2)


def run(lab, score):
    shop = lab.gunicorn()
    fronts = [lab.front(kind, [Door("required"), Door("optional")], f"127.0.0.1:{shop.port}")
              for kind in (NginxFront, HAProxy, Apache)]
    socket = lab.directory / "admin.sock"
    agent = lab.agent(configuration([{"name": "shop", "listen": [f"127.0.0.1:{shop.port}"]}], admin={"socket": str(socket)}))
    if not agent.runs:
        return
    before = _status(lab.binary, socket)
    done, lock, left = [], threading.Lock(), [ROUNDS]

    def work():
        while True:
            with lock:
                left[0] -= 1
                number = left[0]
            if number < 0:
                return
            _mix(lab, fronts[number % len(fronts)], done)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    score.check(f"{sum(done)} handshakes were made", sum(done) >= 1000)
    for front in fronts:
        front.stop()  # and with it the connections that it keeps open to Django
    small = wait_until(lambda: _is_small(_tables(before), _tables(_status(lab.binary, socket))))  # a closed connection is remembered for 15 s
    after = _tables(_status(lab.binary, socket))
    score.check("every table and map is as small as before", small, f"{_tables(before)} -> {after}")
    told = len(agent.find("mtlswatch.handshake"))
    score.check(f"{told} of {sum(done)} handshakes have their event", told >= sum(done))
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
