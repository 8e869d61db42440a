# SPDX-License-Identifier: Apache-2.0
"""A TLS client that does one handshake exactly as told and says what it saw of it: versions, certificates, resumption,
names, and everything that can go wrong on purpose."""

import contextlib
import http.client
import select
import socket
import ssl
import struct
from dataclasses import dataclass

from lab.client import open_tcp
from lab.host import PATIENCE_S

_VERSIONS = {"TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_TICKETS_WAIT_S = 0.03  # TLS 1.3: what a server has to say after the handshake, tickets or an alert, comes at once


@dataclass(frozen=True)
class Wish:
    """How to shake hands. certificate: a Certificate or None; take_tickets=False: TLS 1.2 session ids alone."""
    version: str = "TLSv1.3"
    certificate: object = None
    server_name: str = "localhost"
    alpn: tuple = ()
    take_tickets: bool = True
    ciphers: str = None
    trust: bool = True  # False: the client knows no authority and refuses the server
    post_handshake: bool = False


@dataclass
class View:
    """What the client saw. accepted: the server answered a request over TLS."""
    source_port: int
    destination_port: int
    accepted: bool = False
    resumed: bool = False
    version: str = None
    alert: str = ""  # reason of the client's own error, "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    status: int = None
    session: object = None
    worker_pid: str = None


def context_for(pki, wish):
    """A session can be offered again only with the context that made it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # other names are asked for on purpose
    if wish.trust:
        context.load_verify_locations(pki.server_ca_file)
    context.minimum_version = context.maximum_version = _VERSIONS[wish.version]
    if wish.version == "TLSv1.1":
        context.set_ciphers("ALL:@SECLEVEL=0")
    if wish.ciphers:
        context.set_ciphers(wish.ciphers)
    if wish.certificate:
        context.load_cert_chain(wish.certificate.certificate_file, wish.certificate.key_file)
    if not wish.take_tickets:
        context.options |= ssl.OP_NO_TICKET
    if wish.alpn:
        context.set_alpn_protocols(list(wish.alpn))
    context.post_handshake_auth = wish.post_handshake
    return context


class Handshake:
    """One connection: shake hands, ask requests, close. view is filled meanwhile."""

    def __init__(self, context, wish, port, session=None):
        self._tcp = open_tcp("127.0.0.1", port)
        self.view = View(self._tcp.getsockname()[1], port)
        self.sock = None
        try:
            self.sock = context.wrap_socket(self._tcp, server_hostname=wish.server_name or None, session=session)
            self.view.resumed, self.view.version = self.sock.session_reused, self.sock.version()
            self._listen_first()
        except OSError as error:
            self._fail(error)

    def _fail(self, error):
        self.view.alert = getattr(error, "reason", None) or type(error).__name__
        self.close()

    def _listen_first(self):
        """Reads an alert before anything is written: a write to a closed peer would lose it."""
        if self.view.version == "TLSv1.3" and select.select([self.sock], [], [], _TICKETS_WAIT_S)[0]:
            self.sock.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError):
                if self.sock.recv(1) == b"":
                    raise ConnectionResetError("closed after the handshake")
            self.sock.settimeout(PATIENCE_S)

    def ask(self, path, headers=None, close=True):
        """GET; the response's status, or None when the connection broke instead."""
        if self.sock is None:
            return None
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Connection: {'close' if close else 'keep-alive'}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            self.sock.sendall("\r\n".join([*lines, "", ""]).encode())
            response = http.client.HTTPResponse(self.sock)
            response.begin()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            self._fail(error)
            return None
        self.view.accepted, self.view.status = True, response.status
        self.view.session, self.view.worker_pid = self.sock.session, response.getheader("X-Worker-Pid")
        return self.view.status

    def close(self):
        """With close_notify on both sides: OpenSSL drops a cached session whose connection ended without."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                if self.view.accepted:
                    self.sock.settimeout(1)
                    self.sock.unwrap()
            self.sock.close()
        self._tcp.close()
        self.sock = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def shake(context, wish, port, session=None, path="/t/handshake", headers=None):
    """One handshake, one request, close. Returns the View."""
    with Handshake(context, wish, port, session) as handshake:
        handshake.ask(path, headers)
        return handshake.view


def say(port, data, hears_s=60):
    """Sends bytes as they are, and hears the server out."""
    with open_tcp("127.0.0.1", port) as sock:
        sock.sendall(data)
        _hear(sock, hears_s)
        return View(sock.getsockname()[1], port)


def leave_in_the_middle(context, port, how, waits_s=60):
    """Sends a ClientHello, and after the server's flight: how is "close", "reset" or "wait" (so long at most for the server
    to give up); "half" sends half a ClientHello and closes."""
    hello = client_hello(context)
    with open_tcp("127.0.0.1", port) as sock:
        view = View(sock.getsockname()[1], port)
        sock.sendall(hello[:len(hello) // 2] if how == "half" else hello)
        if how != "half":
            sock.recv(65536)
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return view
        if how != "wait":
            sock.shutdown(socket.SHUT_WR)  # the end of the stream, surely: a close with unread bytes is a reset
        _hear(sock, waits_s)
        return view


def refuse_the_server(context, port):
    """The context does not trust the server, and says so by an alert. All that the server sent is read before, since a
    close with unread bytes is a reset, which can overtake the alert."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with open_tcp("127.0.0.1", port) as sock:
        view = View(sock.getsockname()[1], port)
        while not view.alert:
            try:
                tls.do_handshake()
                raise RuntimeError("the client trusts the server")
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
            except ssl.SSLError as error:
                view.alert = error.reason
        sock.sendall(outgoing.read())
        _hear(sock, 60)
        return view


def ask_in_one_piece(context, port, path):
    """TLS 1.3: the end of the handshake and a request leave in one segment. The View has the response's status."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with open_tcp("127.0.0.1", port) as sock:
        view = View(sock.getsockname()[1], port)
        while view.version is None:
            try:
                tls.do_handshake()
                view.version = tls.version()
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        tls.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        sock.sendall(outgoing.read())
        answer = _read_until_closed(tls, incoming, sock)
        view.accepted, view.status = True, int(answer.split()[1])
        return view


def _read_until_closed(tls, incoming, sock):
    answer = b""
    while True:
        try:
            part = tls.read(65536)
            if not part:
                return answer
            answer += part
        except ssl.SSLWantReadError:
            received = sock.recv(65536)
            if not received:
                return answer
            incoming.write(received)
        except ssl.SSLError:
            return answer


def client_hello(context, server_name="localhost"):
    """The bytes that this context would send first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()


def _hear(sock, timeout_s):
    """Until the server closes, resets, or the time is over."""
    sock.settimeout(timeout_s)
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass
