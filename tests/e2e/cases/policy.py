# SPDX-License-Identifier: Apache-2.0
"""Policy: whom a path expects and what is public on purpose, who is exempt, where and until when, and which requests of a
backend are written."""

import os

from lab.agent import configuration
from lab.alerts import NAME, check_fires
from lab.check import get
from lab.client import Http1, open_tcp, tls_context
from lab.host import free_port, wait_until
from lab.nginx import Listener, Upstream
from lab.prometheus import get_page

MONITOR, STRANGER = "127.0.0.6", "127.0.0.7"
OWNED = {"owner": "ops@example.org", "reason": "sends no certificate"}
ASKED, ONE_IN = 80, 4  # requests of a backend of which one in so many is written
PATHS = [{"path": "/admin/*", "subjects": ["spiffe://example.org/alice"]}, {"path": "/finance/*", "issuers": ["CN=Finance CA*"]},
         {"path": "/public", "require": "nothing"}]
VERIFIED, NOBODY, DIRECT = "verified_client_certificate", "no_client_certificate", "direct_connection"


def _exemptions():
    python = {"executable": os.path.realpath("/usr/bin/python3"), "uid": 0, "cgroup": "*"}
    return [{"name": "probe", **OWNED, "expires": "2099-12-31", "method": "GET", "path": "/probe", "source": MONITOR},
            {"name": "over", **OWNED, "expires": "2020-01-01", "method": "GET", "path": "/over", "source": MONITOR},
            {"name": "check", **OWNED, "expires": "2099-12-31", "method": "GET", "path": "/health", "process": python}]


class Scene:
    """Two backends, one of them sampled, behind listeners that demand a certificate or make it optional."""

    def __init__(self, lab, score):
        self.lab, self.score = lab, score
        self.shop, sampled = lab.gunicorn(), lab.gunicorn(name="sampled")
        ways = [Upstream(name, f"127.0.0.1:{backend.port}") for name, backend in (("shop", self.shop), ("sampled", sampled))]
        self.strict, self.optional, self.sampled = listeners = [
            Listener(ways[0], "on"), Listener(ways[0], "optional"), Listener(ways[1], "optional")]
        lab.nginx(listeners)
        self.port = free_port()
        self.agent = lab.agent(configuration(
            [{"name": NAME, "listen": self.shop.listen(), "paths": PATHS},
             {"name": "sampled", "listen": sampled.listen(), "requests": "sampled", "sample": ONE_IN}],
            exemptions=_exemptions(), http={"listen": f"127.0.0.1:{self.port}"}))

    def ask(self, listener, who, *asked, come_from=None, headers=None):
        """asked: "METHOD PATH" each, over one connection of who; listener None: straight to the backend."""
        context = tls_context(self.lab.pki, self.lab.pki.clients.get(who)) if listener else None
        with Http1(open_tcp("127.0.0.1", listener.port if listener else self.shop.port, come_from), context) as connection:
            for words in asked:
                connection.request(*words.split(), headers or {})

    def event(self, path, place=0):
        """The event about that path, the first or a later one."""
        def found():
            return [event for event in self.agent.find("mtlswatch.request") if get(event, "url.path") == path][place:]
        return (wait_until(found, interval_s=0.1) or [{}])[0]

    def check(self, what, path, verdict, reason, place=0, violations=None):
        event = self.event(path, place)
        said = (get(event, "mtlswatch.verdict"), get(event, "event.reason"), get(event, "mtlswatch.violations"))
        self.score.check(f"{what}: {verdict}, {reason}", said == (verdict, reason, violations), f"{said}")
        return event


def _check_expected(scene):
    scene.ask(scene.strict, "alice", "GET /admin/alice", "GET /finance/alice")
    scene.ask(scene.strict, "bob", "GET /admin/bob", "GET /elsewhere/bob")
    scene.check("who is expected on a path", "/admin/alice", "authenticated", VERIFIED)
    scene.check("who is not", "/admin/bob", "authenticated", VERIFIED, violations=["unexpected_subject"])
    scene.check("the same on a path that expects nobody special", "/elsewhere/bob", "authenticated", VERIFIED)
    scene.check("an authority that is not expected", "/finance/alice", "authenticated", VERIFIED, violations=["unexpected_issuer"])
    for reason in ("unexpected_subject", "unexpected_issuer"):
        check_fires(scene.agent, "MTLS-1006", scene.score, "a client that a path does not expect", reason)


def _check_exempt(scene):
    scene.ask(scene.optional, "nobody", "GET /public", "GET /public/more")
    scene.check("a path that is public on purpose", "/public", "exempt", "public_path")
    scene.check("what lies below it", "/public/more", "bypass", NOBODY)
    scene.ask(scene.optional, "nobody", "GET /probe", "POST /probe", "GET /over", come_from=MONITOR)
    event = scene.check("an exempt source", "/probe", "exempt", "probe")
    told = get(event, "mtlswatch.exemption") or {}
    scene.score.check("its event says whose decision it is, why and until when", told.items() >= {
        "name": "probe", **OWNED, "expires": "2099-12-31"}.items(), f"{told}")
    scene.check("another method of it", "/probe", "bypass", NOBODY, place=1)
    scene.check("an exemption that has expired", "/over", "bypass", NOBODY)
    scene.ask(scene.optional, "nobody", "GET /probe", come_from=STRANGER)
    scene.check("another source", "/probe", "bypass", NOBODY, place=2)
    scene.ask(None, None, "GET /health")
    scene.check("an exempt process", "/health", "exempt", "check")
    scene.ask(None, None, "GET /health", headers={"X-SSL-Client-Subject": "CN=root"})
    scene.check("the same with a false identity", "/health", "bypass", DIRECT, place=1)


def _check_sampled(scene):
    scene.ask(scene.sampled, "alice", *[f"GET /sampled/{number}" for number in range(ASKED)])
    scene.ask(scene.sampled, "nobody", *[f"GET /sampled/nobody/{number}" for number in range(ASKED)])
    counted = f'mtlswatch_requests_total{{service="sampled",verdict="authenticated",reason="{VERIFIED}"}} {ASKED}\n'
    scene.score.check("metrics have all requests of a backend that is sampled",
                      wait_until(lambda: counted in get_page(scene.port, "/metrics")[1], interval_s=0.2))
    scene.event(f"/sampled/nobody/{ASKED - 1}")
    written = [get(event, "mtlswatch.verdict") for event in scene.agent.find("mtlswatch.request")
               if get(event, "service.name") == "sampled"]
    expected = ASKED / ONE_IN
    scene.score.check("all violations are written, and about one in so many of the others", written.count("bypass") == ASKED and
                      0.25 * expected < written.count("authenticated") < 2.25 * expected,
                      f"{written.count('bypass')}, {written.count('authenticated')}")


def run(lab, score):
    scene = Scene(lab, score)
    if not scene.agent.runs:
        return
    _check_expected(scene)
    _check_exempt(scene)
    _check_sampled(scene)
    score.check("the agent ends with 0 on SIGTERM", scene.agent.stop() == 0, scene.agent.child.errors())
