# SPDX-License-Identifier: Apache-2.0
"""What a process pays that has nothing to do with Django while it is watched: one that does TLS through the shared libssl all the
time, between two ends of its own, and one that sends and receives over sockets of its own."""

import statistics

from bench.fronts import Bench
from bench.ways import ALL
from lab.host import run
from lab.laboratory import Laboratory
from lab.score import Score

# Each prints the ns of CPU time of one of its rounds.
_TLS = """
import ssl, sys, time
def context(server):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if server: made.load_cert_chain(sys.argv[2], sys.argv[3])
    return made
def pair(contexts):
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[1].wrap_bio(to_server, to_client, server_side=True)
    client = contexts[0].wrap_bio(to_client, to_server)
    for end in (client, server) * 3:
        try: end.do_handshake()
        except ssl.SSLWantReadError: pass
    return client, server
contexts, count = (context(False), context(True)), int(sys.argv[1])
before = time.process_time_ns()
if sys.argv[4] == "handshakes":
    for _ in range(count): pair(contexts)
else:
    client, server = pair(contexts)
    for _ in range(count):
        client.write(b"x" * 100)
        server.read(1000)
print((time.process_time_ns() - before) / count)
"""
_SOCKETS = """
import socket, sys, time
listener, count = socket.create_server(("127.0.0.1", 0)), int(sys.argv[1])
client = socket.create_connection(listener.getsockname())
server = listener.accept()[0]
before = time.process_time_ns()
for _ in range(count):
    client.send(b"x" * 100)
    server.recv(1000)
print((time.process_time_ns() - before) / count)
"""


def measure_bystanders(build, rounds):
    with Laboratory(str(build / "mtlswatch"), Score()) as lab:
        backend = lab.gunicorn(workers=2)
        bench, of_tls = Bench(build, lab, backend), (lab.pki.server_certificate_file, lab.pki.server_key_file)
        programs = {"a message over TLS": (_TLS, 60000, *of_tls, "messages"), "a TLS handshake": (_TLS, 600, *of_tls, "handshakes"),
                    "a message over a socket": (_SOCKETS, 100000)}
        ways, spent = [way(bench) for way in ALL], {}
        for _ in range(rounds):
            for way in ways:
                with way.watching():
                    for what, program in programs.items():
                        spent.setdefault((way.name, what), []).append(_spent_ns(*program))
        return [_row(way.name, programs, spent) for way in ways]


def _spent_ns(text, *arguments):
    return float(run(["/usr/bin/python3", "-c", text, *arguments]).stdout)


def _row(name, programs, spent):
    row = {"watched by": name}
    for what in programs:
        ratios = [mine / bare for mine, bare in zip(spent[name, what], spent["bare", what])]
        row[f"{what}, us"] = statistics.median(spent[name, what]) / 1000
        row[f"{what}, ratio"] = statistics.median(ratios)
        row[f"{what}, spread"] = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return row
