# SPDX-License-Identifier: Apache-2.0
"""Fronts whose TLS cannot be seen into: Go's, BoringSSL, rustls, and OpenSSL linked in without names. What comes through them is unknown, for
that reason and no other, whoever runs them. And one that loads libssl long after it began to listen: seen from then on."""

import os
import shutil
import subprocess
from pathlib import Path

from lab.agent import configuration
from lab.check import get, of_dataset
from lab.debian_release import CannotFetch
from lab.front_traffic import FrontVisitor
from lab.fronts.caddy import Caddy
from lab.fronts.front import Door
from lab.fronts.late_front import LateFront
from lab.fronts.node_front import Node
from lab.fronts.web_runtime import Bun, Deno
from lab.host import wait_until
from lab.laboratory import wait_for_requests
from lab.truth import Ledger

UNSUPPORTED = ("unknown", "unsupported_tls_library")
# Words of the reasons.
LIBRARIES = {"caddy": "crypto/tls", "caddy-of-nobody": "crypto/tls", "node-nameless": "linked in", "bun": "BoringSSL", "deno": "rustls"}
NAMED = b"\0tls_process_client_certificate\0"


class NamelessNode(Node):
    """node stripped, and without the exported name of the function that takes client certificates."""

    name = "node-nameless"

    def start(self, argv, environment=None):
        program = self.directory / "node"
        subprocess.run(["strip", "-s", "-o", program, argv[0]], check=True)
        program.write_bytes(program.read_bytes().replace(NAMED, NAMED.replace(b"tls", b"xls")))
        super().start([program, *argv[1:]], environment)


def _fetched(lab, kind, doors, server):
    """The front, if its program is to be had."""
    try:
        return [lab.front(kind, doors, server)]
    except CannotFetch as error:
        print(f"SKIP: {kind.name}: {error}")
        return []


def _check_library(events, front, library, score):
    """targets and agent-coverage say which library it is, and that it cannot be seen into."""
    executable = os.readlink(f"/proc/{front.child.pid}/exe")
    told = {(process.get("tls_coverage"), library in (process.get("tls_coverage_reason") or "")) for event in events
            for process in get(event, "mtlswatch.agent.processes") or () if process.get("executable") == executable}
    score.check(f"{front.name} is said to have {library}", told == {("blind", True)}, told)


def _has_static_node():
    node = shutil.which("node")
    if node and NAMED in Path(node).read_bytes():
        return True
    print("SKIP: node-nameless: needs a node with OpenSSL linked in (Debian's uses the shared one)")
    return False


def _visit_opaque(visitor):
    """Every truth of it is the same: it cannot be known."""
    for door in visitor.front.doors:
        for who in ("alice", "bob") if door.mode == "required" else ("alice", None):
            for version in ("TLSv1.2", "TLSv1.3"):
                visitor.visit(door, who, version, cell=f"{visitor.front.name} {door.mode}")
    for truth in visitor.ledger.requests:
        if truth.cell.startswith(visitor.front.name):
            truth.expected = UNSUPPORTED


def _check_named(agent, ledger, executables, score):
    """Each of these requests names the process that it came through."""
    truths = {(truth.request_id, truth.path): executables[truth.cell.split()[0]] for truth in ledger.requests
              if truth.expected == UNSUPPORTED}
    events = [event for event in of_dataset(agent.events, "mtlswatch.request")
              if (get(event, "http.request.id"), get(event, "url.path")) in truths]
    wrong = [event["mtlswatch"].get("hops") for event in events
             if truths[get(event, "http.request.id"), get(event, "url.path")] not in
             [get(hop, "process.executable") for hop in get(event, "mtlswatch.hops") or ()]]
    score.check("what cannot be seen into is named", events and not wrong, wrong[:2])


def _covers(agent, library):
    def says_so(events):
        return any(library == covered["path"] and covered["tls_coverage"] == "attached" for event in events
                   for covered in get(event, "mtlswatch.agent.libraries") or ())
    return agent.wait_for(says_so)


def _visit_late(agent, visitor, score):
    """The first handshakes make the agent look; what it then still misses it may not know."""
    front, door = visitor.front, visitor.front.doors[0]
    score.check("libssl is not loaded while the front only listens", not front.maps_library())
    front.load()
    for who in ("alice", None):
        visitor.visit(door, who, cell="late, first")
    for truth in visitor.ledger.cell("late, first"):
        truth.allow_unknown = True
    score.check("libssl was loaded later", wait_until(front.maps_library))
    if not agent.runs:
        return
    score.check("the agent found it", _covers(agent, front.library))
    for version in ("TLSv1.2", "TLSv1.3"):
        for who in ("alice", "bob", None):
            visitor.visit(door, who, version, cell="late, once found")


def run(lab, score):
    shop, ledger = lab.gunicorn(), Ledger()
    lab.pki.server_key_file.chmod(0o644)  # nobody loads it
    server = f"127.0.0.1:{shop.port}"
    doors = lambda: [Door("required"), Door("optional")]  # noqa: E731
    opaque = [lab.front(Caddy, doors(), server), lab.front(Caddy, doors(), server, as_nobody=True),
              *([lab.front(NamelessNode, doors(), server)] if _has_static_node() else []),
              *_fetched(lab, Bun, doors(), server), *_fetched(lab, Deno, [Door("none")], server)]
    late = lab.front(LateFront, [Door("optional")], server)
    python = {"executable": os.path.realpath("/usr/bin/python3"), "uid": 0}
    agent = lab.agent(configuration([{"name": "shop", "listen": [server]}], fronts=[python]))
    _visit_late(agent, FrontVisitor(lab.pki, ledger, late), score)
    for front in opaque:
        _visit_opaque(FrontVisitor(lab.pki, ledger, front))
    if agent.runs:
        wait_for_requests(agent, ledger)
        for front in opaque:
            _check_library(agent.events, front, LIBRARIES[front.name], score)
        _check_named(agent, ledger, {front.name: os.readlink(f"/proc/{front.child.pid}/exe") for front in opaque}, score)
    lab.verify(ledger, agent, "opaque")
