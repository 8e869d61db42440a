#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that begin a TLS handshake, all at once, and leave it there: crowd.py PORT COUNT. Prints how many are connected, and
holds them until its standard input ends or it is ended."""

import signal
import socket
import sys

HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)


def _client(port):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(HALF_A_HELLO)
    return sock


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    clients = [_client(port) for _ in range(count)]
    print(len(clients), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
