#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the agent's JSON lines into a table for people: mtlswatch run | packaging/demo/table.py

A line is at most 120 columns wide and nothing is cut off: what does not fit its column goes on below it. Whatever
comes in is untrusted (paths and names are the clients' choice), so only printable characters go out.
"""
import ipaddress
import json
import os
import signal
import sys

# Title and width of each column; blanks between them make 119 in all. The longest verdict and reason fit.
COLUMNS = (("TIME UTC", 8), ("EVENT", 9), ("WHO", 8), ("CAME", 22), ("HTTP", 15), ("VERDICT", 13), ("REASON", 31),
           ("SERIAL", 6))
COLOURS = {"authenticated": "32", "verified": "32", "bypass": "31", "unknown": "33", "exempt": "36"}
LINE_BYTES = 1 << 20  # longer input lines are not events of ours


def field(event, path, kind=str):
    """The value at a dotted path if it is there and of that kind, else None."""
    for name in path.split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event if isinstance(event, kind) and not (kind is int and isinstance(event, bool)) else None


def printable(text):
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def is_loopback(address):
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def endpoint(event, name):
    """":8443" on loopback, "198.51.100.7:8443", "[2001:db8::7]:8443", or the path of a Unix socket; "" if unknown."""
    address, port = field(event, name + ".ip"), field(event, name + ".port", int)
    if address is None or port is None:
        return field(event, name + ".address") or ""
    if is_loopback(address):
        return f":{port}"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def listeners_passed(event):
    """The listeners between the client and the backend, outermost first."""
    hops = field(event, "mtlswatch.hops", list) or []
    return [endpoint(hop, "destination") for hop in hops] or [endpoint(event, "destination")]


def came(event):
    """source -> listener -> backend. A local process that connected to the backend itself is named in its place."""
    peer, pid = field(event, "mtlswatch.peer.process.name"), field(event, "mtlswatch.peer.process.pid", int)
    first = f"{peer}[{pid}]" if peer else endpoint(event, "source")
    stops = [first or "?"]
    for stop in [*listeners_passed(event), endpoint(event, "server")]:
        if stop and stop != stops[-1]:
            stops.append(stop)
    return "->".join(stops)


def who(event):
    names = field(event, "tls.client.x509.subject.common_name", list) or []
    if names and isinstance(names[0], str):
        return names[0]
    if field(event, "mtlswatch.attribution.confidence") == "one_of":
        return f"one of {field(event, 'mtlswatch.attribution.candidates', int)}"
    return "-"


def handshake_cells(event):
    """HTTP, verdict and reason columns of a handshake: version, what became of the certificate, and why."""
    version = "TLS " + (field(event, "tls.version") or "?")
    if field(event, "tls.resumed", bool):
        version += " resumed"
    presented = field(event, "mtlswatch.client_certificate.presented", bool)
    code = field(event, "mtlswatch.client_certificate.verify_code", int)
    outcome, reason = field(event, "event.outcome"), field(event, "event.reason") or ""
    if outcome != "success":
        return version, outcome or "?", reason
    if presented is None:
        return version, "-", "certificate not known"
    if not presented:
        return version, "-", "no certificate sent"
    text = f"{code} {field(event, 'mtlswatch.client_certificate.verify_text') or ''}".rstrip()
    return version, {0: "verified", None: "-"}.get(code, "not verified"), text if code is not None else "not known"


def request_cells(event):
    status = field(event, "http.response.status_code", int)
    parts = (field(event, "http.request.method"), field(event, "url.path"), str(status) if status else "-")
    return " ".join(part or "?" for part in parts), field(event, "mtlswatch.verdict") or "?", \
        field(event, "event.reason") or "?"


def notes(event, serial_fits):
    """What has no column: a serial number too long for it, claims that the certificate does not bear out."""
    serial = field(event, "tls.client.x509.serial_number")
    if serial and not serial_fits:
        yield "certificate serial " + serial
    worst = field(event, "mtlswatch.worst_case")
    if worst:
        yield "at worst: " + worst
    for claim in field(event, "mtlswatch.claims", list) or []:
        header, value, result = (field(claim, name) or "?" for name in ("header", "value", "result"))
        if result != "matches":
            yield f"header {header}: {value} ({result})"


def wrap(text, width):
    """Pieces of at most width, cut after "->" or "/" where that wastes no more than half a piece; at least one."""
    pieces = []
    while len(text) > width:
        ends = [text.rfind(mark, 0, width) + len(mark) for mark in ("->", "/", " ") if mark in text[:width]]
        end = max([end for end in ends if width // 2 <= end <= width], default=width)
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text]


class Table:
    """Writes events to out as they come. colour: with terminal colours. wanted: which events are of interest."""

    def __init__(self, out, colour=False, wanted=lambda event: True):
        self.out, self.colour, self.wanted = out, colour, wanted

    def heading(self):
        self.out.write(" ".join(f"{title:<{width}}" for title, width in COLUMNS).rstrip() + "\n")
        self.out.write(" ".join("-" * width for _, width in COLUMNS) + "\n")
        self.out.flush()

    def line(self, text):
        """The event that a line holds, or None where it holds none. It has been written, if wanted."""
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            if text.strip():
                self._sentence("not an event: " + text.strip()[:200])
            return None
        if self.wanted(event):
            self._event(event)
        return event

    def _event(self, event):
        action = field(event, "event.action")
        if field(event, "event.kind") != "alert" and action == "tls-handshake":
            self._row(event, "handshake", handshake_cells(event))
        elif field(event, "event.kind") != "alert" and action == "backend-request":
            self._row(event, "request", request_cells(event))
        else:
            self._sentence(f"{action or '?'}: {field(event, 'message') or ''}")

    def _row(self, event, name, cells):
        serial = field(event, "tls.client.x509.serial_number") or "-"
        fits = len(serial) <= COLUMNS[-1][1]
        time = (field(event, "@timestamp") or "?")[11:19]
        texts = (time, name, who(event), came(event), *cells, serial if fits else "below")
        columns = [wrap(printable(text), width) for text, (_, width) in zip(texts, COLUMNS)]
        for number in range(max(map(len, columns))):
            row = [column[number] if number < len(column) else "" for column in columns]
            self.out.write(self._paint(row) + "\n")
        for note in notes(event, fits):
            self._sentence(note, indent=19)
        self.out.flush()

    def _paint(self, row):
        padded = [f"{text:<{width}}" for text, (_, width) in zip(row, COLUMNS)]
        if self.colour and row[5] in COLOURS:
            padded[5] = f"\x1b[{COLOURS[row[5]]}m{padded[5]}\x1b[0m"
        return " ".join(padded).rstrip()

    def _sentence(self, text, indent=0):
        self.out.write("".join(" " * indent + piece + "\n" for piece in wrap(printable(text), 119 - indent)))
        self.out.flush()


def colour_wanted(out):
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the agent; the table ends with what it says last
    sys.stdout.reconfigure(errors="replace")
    table = Table(sys.stdout, colour_wanted(sys.stdout))
    table.heading()
    try:
        while text := sys.stdin.buffer.readline(LINE_BYTES):
            table.line(text.decode("utf-8", "replace"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
