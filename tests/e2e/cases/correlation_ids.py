# SPDX-License-Identifier: Apache-2.0
"""The Django example of packaging/django, behind nginx with its snippet: every line of Django's log joins with exactly
one event on http.request.id, and where Django was told a lie the event says so."""

import json
import os
import shutil
from pathlib import Path

from lab.check import get
from lab.client import Http1, open_tcp, tls_context
from lab.nginx import Listener, Upstream

EXAMPLE = Path(__file__).resolve().parents[3] / "packaging/django"
TRACE = "4bf92f3577b34da6a3ce929d0e0e47%02x"
SAME = ("http.request.method", "url.path", "http.response.status_code", "process.pid", "trace.id")
SAME_IDENTITY = ("tls.client.subject", "tls.client.issuer", "tls.client.x509.serial_number", "tls.client.not_before",
                 "tls.client.not_after")
FORGED = {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Subject": "CN=admin,O=Example", "X-SSL-Client-Issuer": "CN=client CA",
          "X-SSL-Client-Serial": "0BAD", "X-SSL-Client-Not-Before": "Jan  1 00:00:00 2020 GMT",
          "X-SSL-Client-Not-After": "Jan  1 00:00:00 2090 GMT"}


def _install_example(project):
    for module in ("mtls_identity.py", "mtls_logging.py"):
        shutil.copy(EXAMPLE / module, project)
    with open(project / "shop" / "settings.py", "a") as settings:
        settings.write('\nfrom mtls_logging import LOGGING\n'
                       'MIDDLEWARE = ["mtls_identity.ClientCertificateMiddleware", *MIDDLEWARE]\n')


def _ask(sock, context, path, count, headers):
    with Http1(sock, context) as connection:
        for number in range(count):
            trace = {"traceparent": f"00-{TRACE % number}-00f067aa0ba902b7-01"}
            connection.request("GET", f"{path}/{number}?secret=QUERYMARK", {**headers, **trace})


def _traffic(lab, listener, shop):
    for who in ("alice", "bob", "nobody"):
        context = tls_context(lab.pki, lab.pki.clients.get(who))
        _ask(open_tcp("127.0.0.1", listener.port), context, f"/{who}", 4, {**FORGED, "X-Request-ID": "the-clients-own"})
    _ask(open_tcp("127.0.0.1", shop.port), None, "/forged", 1, {**FORGED, "X-Request-ID": "forged-1"})
    _ask(open_tcp("127.0.0.1", shop.port), None, "/correlated", 1, {"X-Correlation-ID": "order:17"})


def _django_lines(shop):
    lines = [json.loads(line) for line in shop.child.stderr_path.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if get(line, "log.logger") == "mtls.request" and get(line, "url.path") != "/ready"]


def _differences(line, event):
    names = SAME + (SAME_IDENTITY if get(event, "mtlswatch.verdict") == "authenticated" else ())
    return [f"{name}: {get(line, name)!r} and {get(event, name)!r}" for name in names if get(line, name) != get(event, name)]


def _check_join(lines, events, score):
    joined = [(line, [event for event in events if get(event, "http.request.id") == get(line, "http.request.id")]) for line in lines]
    single = [(line, found[0]) for line, found in joined if len(found) == 1]
    score.check("every line of Django joins with exactly one event on http.request.id", len(single) == len(lines) == 14,
                f"{len(single)} of {len(lines)}")
    different = [difference for line, event in single for difference in _differences(line, event)]
    score.check("and says the same about request, worker, trace and client", single and not different, different[:3])
    return {get(line, "url.path"): (line, event) for line, event in single}


def _check_people(pairs, pki, score):
    for who in ("alice", "bob"):
        line, event = pairs.get(f"/{who}/0", ({}, {}))
        serial = pki[who].serial
        score.check(f"{who} is named by Django and by the event, whatever headers came along",
                    get(line, "tls.client.x509.serial_number") == get(event, "tls.client.x509.serial_number") == serial,
                    f"{line} {event}")
    line, event = pairs.get("/nobody/0", ({}, {}))
    score.check("who has no certificate is nobody for both", get(line, "tls") is None and
                get(line, "labels.client_identity") == "the proxy says 'NONE'" and
                get(event, "event.reason") == "no_client_certificate", f"{line} {event}")
    line, event = pairs.get("/forged/0", ({}, {}))
    score.check("Django believes forged headers; the event with the same id tells who brought them",
                get(line, "tls.client.subject") == "CN=admin,O=Example" and get(event, "http.request.id") == "forged-1" and
                get(event, "event.reason") == "direct_connection" and get(event, "mtlswatch.peer.process.pid") == os.getpid() and
                get(event, "tls.client.x509") is None, f"{line} {event}")
    _, event = pairs.get("/correlated/0", ({}, {}))
    score.check("a correlation id stands in for a request id", get(event, "http.request.id") == "order:17", event)
    ids = {get(event, "http.request.id") for _, event in pairs.values()}
    score.check("the proxy's ids replace the client's", "the-clients-own" not in ids and len(ids) == len(pairs), ids)


def run(lab, score):
    shop = lab.gunicorn(prepare=_install_example)
    listener = Listener(Upstream("shop", f"127.0.0.1:{shop.port}", keepalive=False), "optional", include=str(EXAMPLE / "mtls-headers.conf"))
    lab.nginx([listener])
    agent = lab.agent()
    _traffic(lab, listener, shop)
    lines = _django_lines(shop)
    score.check("Django logged every request as a JSON line, without its query", len(lines) == 14 and
                "QUERYMARK" not in json.dumps(lines), len(lines))
    if not agent.runs:
        return
    agent.wait_for(lambda events: sum(get(event, "event.action") == "backend-request" for event in events) >= 14)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    _check_people(_check_join(lines, agent.find("mtlswatch.request"), score), lab.pki, score)
