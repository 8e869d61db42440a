# SPDX-License-Identifier: Apache-2.0
"""passing_server.py PORT PROJECT: one process accepts, and hands every connection over a Unix socket to another, which runs Django."""

import contextlib
import os
import socket
import sys
from wsgiref.simple_server import WSGIRequestHandler

PORT, PROJECT = int(sys.argv[1]), sys.argv[2]


class _Handler(WSGIRequestHandler):
    """One request, then the connection is closed."""

    def log_message(self, *_):
        pass


class _Server:
    """What WSGIRequestHandler asks its server for."""

    server_name, server_port = "shop", PORT
    base_environ = {"SERVER_NAME": "shop", "SERVER_PORT": str(PORT), "GATEWAY_INTERFACE": "CGI/1.1", "SCRIPT_NAME": "", "CONTENT_LENGTH": "",
                    "REMOTE_HOST": ""}

    def get_environ(self):
        return self.base_environ

    def get_app(self):
        from shop.wsgi import application
        return application


def _serve(channel):
    sys.path.insert(0, PROJECT)
    server = _Server()
    server.application = server.get_app()
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if not descriptors:
            return
        with socket.socket(fileno=descriptors[0]) as connection, contextlib.suppress(OSError):  # a client that went away
            _Handler(connection, connection.getpeername(), server)
            connection.shutdown(socket.SHUT_WR)


def main():
    ours, theirs = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", PORT))
    if os.fork() == 0:
        ours.close()
        listener.close()
        _serve(theirs)
        os._exit(0)
    theirs.close()
    while True:
        connection = listener.accept()[0]
        socket.send_fds(ours, [b"c"], [connection.fileno()])
        connection.close()


main()
