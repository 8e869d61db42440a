# SPDX-License-Identifier: Apache-2.0
"""What the hellos of a handshake say, as `openssl s_client` tells it from the other side: a HelloRetryRequest, hellos longer
than one segment, hellos in many records; and the whole chain that a client sends."""

import re
import socket
import subprocess
from dataclasses import dataclass

from lab.check import get
from lab.host import PATIENCE_S, free_port, run as run_program, wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.truth import Ledger, Truth, expected, new_request_id

LONG_ALPN = tuple(f"{number:02d}" + "n" * 200 for number in range(14)) + ("http/1.1",)  # with a key share and a ticket: 3 KB
GROUP_NAMES = {"X25519": "x25519", "P-256": "secp256r1", "prime256v1": "secp256r1", "P-384": "secp384r1"}


@dataclass(frozen=True)
class Wish:
    """A client: what it offers, and to which listener it goes."""
    name: str
    listener: Listener
    who: str = "alice"
    groups: tuple = ("X25519", "P-256")
    alpn: tuple = ("http/1.1",)
    options: tuple = ()


def _truth(lab, wish, ledger):
    certificate, port = lab.pki[wish.who], free_port()
    verdict = expected(wish.listener, certificate)
    truth = Truth(wish.name, new_request_id(wish.who), f"/t/{verdict[0]}/{wish.who}/{port}/0", "GET", verdict, wish.who,
                  certificate, "127.0.0.1", port, wish.listener.port, status=200, protocol=wish.listener.protocol)
    ledger.requests.append(truth)
    request = f"GET {truth.path} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {truth.request_id}\r\nConnection: close\r\n\r\n"
    return truth, request.encode()


def _s_client(wish, truth, request, options=()):
    certificate = truth.certificate
    chain = ("-cert_chain", certificate.chain_file) if certificate.chain else ()
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{wish.listener.port}", "-bind", f"127.0.0.1:{truth.source_port}",
         "-servername", "Shop.Example", "-groups", ":".join(wish.groups), "-alpn", ",".join(wish.alpn), "-cert",
         certificate.certificate_file, "-key", certificate.key_file, "-ign_eof", *chain, *wish.options, *options],
        input=request, capture_output=True, timeout=PATIENCE_S, check=False).stdout.decode(errors="replace")


def _ask(lab, wish, ledger):
    """One request with s_client; returns the facts that it prints, by name of the event's field."""
    truth, request = _truth(lab, wish, ledger)
    answer = _s_client(wish, truth, request)
    return truth, answer, _facts(wish, truth.certificate, answer)


def _ask_early(lab, listener, ledger):
    """A request as early data of a session that a request before it began. nginx proves the client while it reads on, which
    is not seen: such a request may be a replay."""
    wish, session, early = Wish("early data", listener), lab.directory / "early.session", lab.directory / "early.request"
    first = _ask(lab, Wish("before early data", listener, options=("-sess_out", str(session))), ledger)
    truth, request = _truth(lab, wish, ledger)
    early.write_bytes(request)
    answer = _s_client(wish, truth, b"", ("-sess_in", str(session), "-early_data", str(early)))
    if "Early data was accepted" not in answer:
        raise RuntimeError(f"nginx took no early data: {answer[-300:]}")
    truth.expected = ("unknown", "early_data")
    facts = {"mtlswatch.client_hello.early_data": True, "event.outcome": "unknown", "event.reason": "early_data"}
    return [first, (truth, answer, facts)]


def _replay_early(lab, shop, listener, ledger):
    """Early data that somebody caught on its way, sent again: nginx forwards it, though its sender can prove nothing."""
    wish, session, early = Wish("replayed early data", listener), lab.directory / "early.session", lab.directory / "caught.request"
    truth, request = _truth(lab, wish, ledger)
    truth.expected = ("unknown", "early_data")
    early.write_bytes(request)
    with socket.create_server(("127.0.0.1", 0)) as trap:
        options = ("-sess_in", session, "-early_data", early, "-servername", "Shop.Example", "-alpn", "http/1.1")
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{trap.getsockname()[1]}", *options],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        caught = trap.accept()[0]
        flight = b""
        while len(flight) < len(request) + 300:  # the hello, and the request behind it
            flight += caught.recv(65536)
        client.kill()
        client.wait()
        caught.close()
    with socket.create_connection(("127.0.0.1", listener.port), PATIENCE_S, ("127.0.0.1", truth.source_port)) as thief:
        thief.sendall(flight)
        arrived = wait_until(lambda: any(row["request_id"] == truth.request_id for row in shop.requests_seen()))
    if not arrived:
        raise RuntimeError("the replayed request did not reach Django")
    return [(truth, "HTTP/1.1 200", {"event.outcome": "unknown", "event.reason": "early_data"})]


def _facts(wish, certificate, answer):
    version, cipher = wish.listener.protocol, re.search(r"New, \S+, Cipher is (\S+)", answer).group(1)
    group = re.search(r"Server Temp Key: (?:ECDH, )?([^,\n]+)", answer).group(1).strip()
    sent = [{"subject": certificate.subject, "issuer": certificate.issuer, "serial": certificate.serial,
             "sha256": certificate.sha256}, *certificate.chain]
    return {
        "tls.version": version[-3:], "tls.cipher": _standard_name(cipher), "tls.client.server_name": "shop.example",
        # Before TLS 1.3 the group stands behind the server's certificate, further than is read.
        "tls.curve": GROUP_NAMES.get(group, group) if version == "TLSv1.3" else None,
        "tls.next_protocol": "http/1.1" if version == "TLSv1.2" else None,
        "mtlswatch.client_hello.supported_groups": [GROUP_NAMES[name] for name in wish.groups],
        "mtlswatch.client_hello.alpn": list(wish.alpn), "mtlswatch.client_certificate.chain": sent,
    }


def _standard_name(cipher):
    """OpenSSL's name of a cipher suite -> IANA's."""
    rows = [line.split() for line in run_program(["openssl", "ciphers", "-stdname", "ALL"]).stdout.splitlines()]
    return next(row[0] for row in rows if row[2] == cipher)


def _wishes(shop):
    way = Upstream("shop", f"127.0.0.1:{shop.port}")
    usual, strict, old = Listener(way, "on"), Listener(way, "on", groups="secp384r1"), Listener(way, "on", "TLSv1.2")
    retry = ("X25519", "P-384")
    return (
        Wish("usual", usual), Wish("other group", usual, groups=("P-256",)), Wish("retry", strict, groups=retry),
        Wish("long hello", usual, alpn=LONG_ALPN), Wish("long hello in many records", usual, alpn=LONG_ALPN,
                                                        options=("-max_send_frag", "512")),
        Wish("retry of a long hello in many records", strict, groups=retry, alpn=LONG_ALPN, options=("-max_send_frag", "512")),
        Wish("chain", usual, who="dora"), Wish("chain and retry", strict, who="dora", groups=retry),
        Wish("TLS 1.2", old), Wish("TLS 1.2 long hello", old, alpn=LONG_ALPN), Wish("TLS 1.2 chain", old, who="dora"),
    )


def _differences(facts, events):
    if len(events) != 1:
        return f"{len(events)} events"
    return [f"{name} is {get(events[0], name)!r}, not {value!r}" for name, value in facts.items() if get(events[0], name) != value]


def run(lab, score):
    shop = lab.gunicorn()
    wishes = _wishes(shop)
    early = Listener(wishes[0].listener.upstream, "on", early_data=True)
    lab.nginx({early: None, **{wish.listener: None for wish in wishes}})
    agent, ledger = lab.agent(), Ledger()
    told = [_ask(lab, wish, ledger) for wish in wishes] + _ask_early(lab, early, ledger)
    told += _replay_early(lab, shop, early, ledger)
    for truth, answer, _ in told:
        score.check(f"{truth.cell}: nginx answers", "HTTP/1.1 200" in answer, answer[-500:])
    if not agent.runs:
        return
    wait_for_requests(agent, ledger)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    for truth, _, facts in told:
        handshakes = [event for event in agent.events if get(event, "event.dataset") == "mtlswatch.handshake"
                      and get(event, "source.port") == truth.source_port]
        wrong = _differences(facts, handshakes)
        score.check(f"{truth.cell}: the handshake's facts are those of the client", not wrong, wrong)
        requests = [event for event in agent.events if get(event, "http.request.id") == truth.request_id]
        facts = {name: facts[name] for name in facts.keys() & {"tls.version", "tls.cipher", "tls.curve", "mtlswatch.client_certificate.chain"}}
        wrong = _differences(facts | {"mtlswatch.verdict": truth.expected[0]}, requests)
        score.check(f"{truth.cell}: so are the request's", not wrong, [*wrong, *(event.get("mtlswatch") for event in requests)])
