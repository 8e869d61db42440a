# SPDX-License-Identifier: Apache-2.0
"""A TLS-ending proxy that listens long before it loads libssl: its first SIGUSR1 makes it do so. It runs as a program:
late_proxy.py PORT BACKEND-PORT CERTIFICATE KEY CLIENT-CA."""

import select
import signal
import socket
import sys
import threading


def relay(client, backend):
    """Copies both ways until one end closes."""
    while True:
        ready = [client] if client.pending() else select.select([client, backend], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (backend if source is client else client).sendall(data)


def load_tls(arguments):
    import ssl  # pylint: disable=import-outside-toplevel
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments[2], arguments[3])
    context.load_verify_locations(arguments[4])
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def serve(client, context, backend_port):
    try:
        with client, context.wrap_socket(client, server_side=True) as session:
            with socket.create_connection(("127.0.0.1", backend_port)) as backend:
                relay(session, backend)
    except OSError as error:
        print(error, file=sys.stderr)


def main(arguments):
    listener = socket.create_server(("127.0.0.1", int(arguments[0])))
    signal.sigwait({signal.SIGUSR1})
    context = load_tls(arguments)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, context, int(arguments[1])), daemon=True).start()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    main(sys.argv[1:])
