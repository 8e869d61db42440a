# SPDX-License-Identifier: Apache-2.0
"""Clients that choose every byte: requests in pieces, pipelined, in the uwsgi protocol, and WebSockets."""

import base64
import http.client
import os
import struct

from lab.client import Response, open_tcp
from lab.host import PATIENCE_S


class _Stream:
    """What http.client takes for a socket; responses of one connection share one buffer."""

    def __init__(self, sock):
        self._file = sock.makefile("rb")
        self._file.close, self._close = lambda: None, self._file.close

    def makefile(self, _mode):
        return self._file

    def close(self):
        self._close()


class Raw:
    """An open connection, over TLS if a context is given. sock: one that is open already, and now is ours."""

    def __init__(self, port, context=None, sock=None):
        sock = sock or open_tcp("127.0.0.1", port)
        self.source_ip, self.source_port = sock.getsockname()
        self._sock = context.wrap_socket(sock, server_hostname="localhost") if context else sock
        self._sock.settimeout(PATIENCE_S)
        self._stream = _Stream(self._sock)

    def send(self, data):
        self._sock.sendall(data)

    def response(self, method="GET"):
        """The next response, read to its end; a 100 before it is skipped."""
        answer = http.client.HTTPResponse(self._stream, method=method)
        answer.begin()
        body = answer.read()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    def interim(self):
        """The status of a response that has a head only."""
        status = int(self._stream.makefile("rb").readline().split()[1])
        while self._stream.makefile("rb").readline().strip():
            pass
        return status

    def read(self, count):
        return self._stream.makefile("rb").read(count)

    def close(self):
        self._stream.close()
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def http_request(method, path, request_id, headers=(), body=b"", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: shop.example", f"X-Request-ID: {request_id}",
             *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def uwsgi_request(method, path, request_id, body=b""):
    """As nginx's uwsgi_pass sends it."""
    variables = {"QUERY_STRING": "", "REQUEST_METHOD": method, "CONTENT_TYPE": "", "CONTENT_LENGTH": str(len(body) or ""),
                 "REQUEST_URI": path, "PATH_INFO": path, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "shop",
                 "SERVER_PORT": "80", "HTTP_HOST": "shop.example", "HTTP_X_REQUEST_ID": request_id}
    block = b"".join(struct.pack("<H", len(part)) + part.encode() for item in variables.items() for part in item)
    return struct.pack("<BHB", 0, len(block), 0) + block + body


class WebSocket:
    """A connection that was upgraded; the server tells its process id first."""

    def __init__(self, raw, path, request_id):
        self._raw = raw
        raw.send(http_request("GET", path, request_id, (
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()))))
        self.status = raw.interim()
        self.worker_pid = int(self._receive())

    def echo(self, text):
        """Sends text unmasked in effect (a key of zeros), so that the wire shows it; returns what comes back."""
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data))
        self._raw.send(b"\x81" + size + bytes(4) + data)
        return self._receive()

    def _receive(self):
        first, size = self._raw.read(2)
        if first != 0x81:
            raise RuntimeError(f"a frame that is no text begins with {first:#x}")
        if size == 126:
            size = struct.unpack(">H", self._raw.read(2))[0]
        return self._raw.read(size).decode()
