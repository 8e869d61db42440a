# SPDX-License-Identifier: Apache-2.0
"""Drives clients through a front's doors: who comes, at which door, fresh or with a session of before, and what goes
wrong on purpose. Every handshake becomes a Cell."""

from dataclasses import dataclass, replace

from lab.handshake_client import Handshake, Wish, context_for, leave_in_the_middle, refuse_the_server, say, shake
from lab.handshake_truth import OTHER_NAME, Cell, accepted_fields, broken_fields, refused_fields, untold_fields

# Row -> (the door's mode, who). "ignored": a door that lets everybody in.
VISITORS = {
    "verified": ("required", "alice"), "none, optional": ("optional", None), "none, required": ("required", None),
    "expired": ("required", "expired"), "foreign CA": ("required", "foreign"), "self-signed": ("required", "selfsigned"),
    "ignored expired": ("ignoring", "expired"), "ignored foreign": ("ignoring", "foreign"),
    "ignored self-signed": ("ignoring", "selfsigned"),
    "expired intermediate": ("required", "lapsed"), "foreign intermediate": ("required", "stray"),
    "foreign root": ("required", "rooted"), "ignored expired intermediate": ("ignoring", "lapsed"),
    "not revoked": ("revoking", "alice"), "revoked": ("revoking", "revoked"),
}


@dataclass(frozen=True)
class Shape:
    """A kind of resumption. sessions: of the door; versions: where it exists."""
    column: str
    sessions: str
    versions: tuple = ("TLSv1.2", "TLSv1.3")
    take_tickets: bool = True
    second_name: str = None  # another server name when the session is offered


SHAPES = (
    Shape("ticket", "tickets"),
    Shape("id", "tickets", ("TLSv1.2",), take_tickets=False),
    Shape("id, no tickets", "cache", ("TLSv1.2",)),
    Shape("stateful", "cache", ("TLSv1.3",)),
    Shape("builtin", "builtin"),
    Shape("other name", "tickets", second_name=OTHER_NAME),
)


def _cell(front, row, column, view, outcome, wish, server_name):
    certificate, version = wish.certificate, wish.version
    said = (accepted_fields(outcome, certificate, version, view.resumed, server_name) if outcome.accepted
            else refused_fields(outcome, certificate, version, server_name))
    if view.resumed and f"{version} {column}" in front.untold:
        said |= untold_fields()
    return Cell(front.name, row, column, view, certificate, server_name, said)


def visit(front, pki):
    """All visitors, in both versions, fresh and in every shape of resumption that the front has a door for."""
    cells = []
    for version in front.versions:
        for row, (mode, who) in VISITORS.items():
            if front.door(mode):
                certificate = pki.clients.get(who)
                cells += _fresh_and_resumed(front, pki, f"{version} {row}", mode, Wish(version, certificate))
    return cells


def _fresh_and_resumed(front, pki, row, mode, wish):
    door = front.door(mode)
    outcome = front.outcome(door, wish.certificate)
    cells = [_cell(front, row, "fresh", shake(context_for(pki, wish), wish, door.port), outcome, wish, wish.server_name)]
    if not outcome.accepted:
        return cells
    for shape in SHAPES:
        door = front.door(mode, shape.sessions)
        if door and wish.version in shape.versions:
            cells += _resume(front, pki, row, door, replace(wish, take_tickets=shape.take_tickets), shape)
    return cells


def _resume(front, pki, row, door, wish, shape):
    """A handshake to get a session from, and one that offers it. Whether the server took it is for the client to say."""
    context, outcome = context_for(pki, wish), front.outcome(door, wish.certificate)
    first = shake(context, wish, door.port)
    again = replace(wish, server_name=shape.second_name or wish.server_name)
    second = shake(context, again, door.port, first.session)
    return [_cell(front, row, "fresh", first, outcome, wish, wish.server_name),
            _cell(front, row, shape.column, second, outcome, again, again.server_name)]


def resumption_of_verified(cells, front):
    """column -> whether every verified client of this front was resumed there, as the client saw it."""
    told = {}
    for cell in cells:
        if cell.front == front.name and "verified" in cell.row and cell.column != "fresh":
            told[f"{cell.row.split()[0]} {cell.column}"] = cell.view.resumed
    return told


def break_handshakes(front, pki):
    """What goes wrong on purpose, at a door that asks for a certificate but needs none."""
    port, cells = front.door("optional").port, []

    def add(row, view, reasons, **more):
        events = more.pop("events", (1,))
        cells.append(Cell(front.name, row, "broken", view, None, "", broken_fields(reasons, **more), events))

    # nginx's HTTP side peeks at the first byte: what is not TLS never gets near OpenSSL.
    add("HTTP on the TLS port", say(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("http_request",),
        events=(0,) if front.name in ("nginx", "nginx-uwsgi") else (1,))
    add("garbage", say(port, b"\x16\x99garbage" * 20), ("wrong_version_number",))
    add("TLS 1.1", _refused(pki, port, Wish("TLSv1.1")), front.old_protocol_reasons, server_name=("localhost", None))
    add("no shared cipher", _refused(pki, port, Wish("TLSv1.2", ciphers="ECDHE-RSA-AES128-GCM-SHA256")),
        ("no_shared_cipher",), server_name="localhost")
    for version in front.versions:
        add(f"{version} client refuses the server", refuse_the_server(context_for(pki, Wish(version, trust=False)), port),
            ("alert_unknown_ca",), server_name="localhost")
        _leave(add, context_for(pki, Wish(version)), port, version, front.gives_up)
    if front.name in ("nginx", "nginx-uwsgi"):
        add("no common ALPN", _refused(pki, port, Wish(alpn=("nonsense",))), ("no_application_protocol",),
            server_name="localhost")
    return cells


def _leave(add, context, port, version, gives_up):
    add(f"{version} half a hello, then closed", leave_in_the_middle(context, port, "half"), ("peer_closed",))
    add(f"{version} closed in the middle", leave_in_the_middle(context, port, "close"), ("peer_closed",),
        server_name="localhost")
    add(f"{version} reset in the middle", leave_in_the_middle(context, port, "reset"), ("socket_error", "peer_closed"),
        server_name="localhost")
    silent = leave_in_the_middle(context, port, "wait", waits_s=60 if gives_up else 5)
    add(f"{version} silent in the middle", silent, ("abandoned", "timed_out") if gives_up else ("peer_closed",),
        outcomes=("unknown", "failure"), server_name="localhost")


def _refused(pki, port, wish):
    with Handshake(context_for(pki, wish), wish, port) as handshake:
        handshake.ask("/t/broken")
        return handshake.view
