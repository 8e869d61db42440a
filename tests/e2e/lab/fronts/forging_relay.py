# SPDX-License-Identifier: Apache-2.0
"""forging_relay.py PORT SERVER-PORT CERTIFICATE KEY SHOWN: see forger.py. Libssl's own functions, through ctypes."""

import base64
import ctypes
import socket
import sys
import threading

PORT, SERVER_PORT = map(int, sys.argv[1:3])
CERTIFICATE, KEY, SHOWN = sys.argv[3:6]
PEM, VERIFY_PEER, OK = 1, 1, 0

_ssl, _crypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
_Pointer = ctypes.c_void_p
for _library, _name in ((_ssl, "TLS_server_method"), (_ssl, "SSL_CTX_new"), (_ssl, "SSL_new"), (_crypto, "d2i_X509"),
                        (_crypto, "X509_STORE_CTX_new")):
    getattr(_library, _name).restype = _Pointer


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, _Pointer)
def _believe(_preverified, context):
    _crypto.X509_STORE_CTX_set_error(_Pointer(context), OK)
    return 1


def _shown_der():
    lines = open(SHOWN, encoding="ascii").read().splitlines()
    return base64.b64decode("".join(lines[1:-1]))


def _call_probed_functions(der):
    """As a handshake would, outside of one."""
    start = ctypes.c_char_p(der)
    _crypto.d2i_X509(None, ctypes.byref(start), ctypes.c_long(len(der)))
    store = _Pointer(_crypto.X509_STORE_CTX_new())
    _crypto.X509_STORE_CTX_set_error(store, OK)
    _crypto.X509_STORE_CTX_get_error(store)


def _context():
    context = _Pointer(_ssl.SSL_CTX_new(_Pointer(_ssl.TLS_server_method())))
    _ssl.SSL_CTX_use_certificate_file(context, CERTIFICATE.encode(), PEM)
    _ssl.SSL_CTX_use_PrivateKey_file(context, KEY.encode(), PEM)
    _ssl.SSL_CTX_set_verify(context, VERIFY_PEER, _believe)
    _ssl.SSL_CTX_set_session_id_context(context, b"forger", 6)
    return context


def _serve(context, client, der):
    session = _Pointer(_ssl.SSL_new(context))
    _ssl.SSL_set_fd(session, client.fileno())
    if _ssl.SSL_accept(session) != 1:
        return
    buffer = ctypes.create_string_buffer(65536)
    with socket.create_connection(("127.0.0.1", SERVER_PORT)) as server:
        while (size := _ssl.SSL_read(session, buffer, len(buffer))) > 0:
            _call_probed_functions(der)
            _ssl.SSL_do_handshake(session)
            server.sendall(buffer.raw[:size])
            for answer in _until_quiet(server):
                _ssl.SSL_write(session, answer, len(answer))
    client.close()


def _until_quiet(server):
    server.settimeout(120)
    try:
        while answer := server.recv(65536):
            yield answer
            server.settimeout(0.2)
    except TimeoutError:
        return


def main():
    context, der = _context(), _shown_der()
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        client = listener.accept()[0]
        threading.Thread(target=_serve, args=(context, client, der), daemon=True).start()


main()
