# SPDX-License-Identifier: Apache-2.0
"""Connections that know their own source port. Every TLS connection makes a full handshake: no session is offered."""

import errno
import http.client
import socket
import ssl
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events

from lab.host import PATIENCE_S, client_ports


@dataclass
class Response:
    status: int
    headers: dict  # lower-case names
    body: bytes = b""

    def worker_pid(self):
        return int(self.headers["x-worker-pid"]) if "x-worker-pid" in self.headers else None


def tls_context(pki, certificate=None, alpn=(), protocol=None):
    """protocol: "TLSv1.1" speaks that and nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if protocol == "TLSv1.1":
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_verify_locations(pki.server_ca_file)
    if certificate:
        context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def open_tcp(address, port, come_from=None):
    """come_from: the client's own address, where it matters. From a port that no client of this run had before, so that a
    pair of ports names one connection: the kernel's own choice comes again within seconds."""
    for own_port in client_ports:
        try:
            return socket.create_connection((address, port), PATIENCE_S, (come_from or "", own_port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise


def open_unix(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_S)
    connection.connect(str(path))
    return connection


class Http1:
    """HTTP/1.1 over an open socket, which it owns; never reconnects by itself."""

    def __init__(self, sock, context=None):
        self.source_ip, self.source_port = sock.getsockname()[:2] if sock.family != socket.AF_UNIX else (None, None)
        self._http = http.client.HTTPConnection("localhost", timeout=PATIENCE_S)
        self._http.auto_open = 0
        self._http.sock = context.wrap_socket(sock, server_hostname="localhost") if context else sock

    def request(self, method, target, headers, body=None):
        self._http.request(method, target, body, headers)
        response = self._http.getresponse()
        response.read()
        return Response(response.status, {name.lower(): value for name, value in response.getheaders()})

    def close(self):
        self._http.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Http2:
    """HTTP/2 over an open socket: all requests of one call travel at once, as streams of one connection."""

    def __init__(self, sock, context):
        self.source_ip, self.source_port = sock.getsockname()[:2]
        self._sock = context.wrap_socket(sock, server_hostname="localhost")
        if self._sock.selected_alpn_protocol() != "h2":
            raise RuntimeError("the server did not choose h2")
        self._state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._state.initiate_connection()
        self._open = {}

    def requests(self, requests):
        """requests: (method, target, headers, body) each. Returns the responses in the same order."""
        streams = [self._start(*request) for request in requests]
        self._open = {stream: None for stream in streams}
        answers = {stream: {} for stream in streams}
        self._flush()
        while self._open:
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionError("closed with streams open")
            for event in self._state.receive_data(data):
                self._take(event, answers)
            self._flush()
        return [Response(int(answers[stream][":status"]), answers[stream]) for stream in streams]

    def _start(self, method, target, headers, body):
        stream = self._state.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", target), (":scheme", "https"), (":authority", "localhost")]
        fields = [(name.lower(), value) for name, value in headers.items()]
        self._state.send_headers(stream, pseudo + fields, end_stream=body is None)
        if body is not None:
            self._state.send_data(stream, body, end_stream=True)
        return stream

    def _take(self, event, answers):
        if isinstance(event, h2.events.ResponseReceived):
            answers[event.stream_id].update(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            self._open.pop(event.stream_id, None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._open.clear()

    def _flush(self):
        self._sock.sendall(self._state.data_to_send())

    def close(self):
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
