# SPDX-License-Identifier: Apache-2.0
"""Each shipped Prometheus rule fires for its own cause, with a real Prometheus that scrapes the real agent, and none fires
before. So that it takes two minutes and not two days, the rules' times are shortened in a copy: a minute is a second, the six
hours, the hour and the day of the comparisons are those of SHORTER."""

import re
import signal

from lab.agent import configuration
from lab.alerts import NAME, fail_handshakes, go_on
from lab.client import Http1, open_tcp, tls_context
from lab.host import free_port, wait_until
from lab.nginx import Listener, Upstream
from lab.prometheus import RULES, Prometheus, get_page
from lab.traffic import browse, browse_direct
from lab.truth import Ledger

CONTROL_S = 28  # offset and average of what is usual together
KEPT_S = 22  # longer than a rate's window and "for" together
PAUSE_S = 0.25  # a closed connection stays in the agent's table for some seconds
SHORTER = {"[1h] offset 1d": "[8s] offset 18s", "[1h]": "[60s]", "offset 1h": "offset 60s", "[6h] offset 10m": "[60s] offset 10s"}
SMALL = (("GET", "", None),)
CONNECTIONS = 1000  # of the agent's table


def shortened(rules):
    """The rules' text with its times shortened; what they compare stays."""
    for long, short in SHORTER.items():
        rules = rules.replace(long, short)
    return re.sub(r"(\[|for: )(\d+)m\b", r"\1\2s", rules)


def names_of(rules):
    return set(re.findall(r"- alert: (\w+)", rules))


class Scene:
    """Traffic to one backend, the agent and Prometheus; collects which alerts fired."""

    def __init__(self, lab, score):
        self.lab, self.score, self.ledger, self.fired = lab, score, Ledger(), set()
        self.shop = lab.gunicorn()
        way = Upstream("tcp", f"127.0.0.1:{self.shop.port}")
        self.strict, self.lax, self.old = doors = Listener(way, "on"), Listener(way, "optional_no_ca"), Listener(way, "on", "TLSv1.1")
        lab.nginx(doors)
        self.older = Http1(open_tcp("127.0.0.1", self.strict.port), tls_context(lab.pki, lab.pki["bob"]))  # than the agent
        self.older.request("GET", "/older", {})
        self.port, dead = free_port(), f"http://127.0.0.1:{free_port()}/"
        self.agent = lab.agent(configuration(
            [{"name": NAME, "listen": self.shop.listen()}], http={"listen": f"127.0.0.1:{self.port}"}, limits={"connections": CONNECTIONS},
            outputs=[{"type": "json"}, {"type": "webhook", "url": dead, "events": ["alert"], "queue": 1}]))
        self.prometheus = None

    def watch(self):
        self.prometheus = Prometheus(self.lab.directory, self.port, shortened(RULES.read_text()))
        self.lab.callback(self.prometheus.stop)
        scrapes = wait_until(lambda: self.prometheus.is_scraping() and not self.prometheus.firing(NAME), interval_s=0.5)
        self.score.check("Prometheus scrapes the agent", scrapes, self.prometheus.child.errors())

    def firing(self):
        self.fired |= self.prometheus.firing(NAME)
        return self.fired

    def until(self, names, act=lambda: None):
        """act() again and again until these have fired."""
        go_on(act, until=lambda: names <= self.firing(), pause_s=PAUSE_S)
        for name in sorted(names):
            self.score.check(f"{name} fires", name in self.fired, f"{sorted(self.fired)}")

    def ask(self, listener, who):
        browse(self.lab, self.ledger, listener, who, 2, cell=who, shapes=SMALL)


def _check_control(scene):
    """Verified clients, at last all on one kept connection: handshakes cease, and nothing is wrong."""
    def usual():
        scene.ask(scene.strict, "alice")
        scene.firing()

    go_on(usual, CONTROL_S, pause_s=PAUSE_S)
    scene.older.request("GET", "/older", {})  # or nginx closes it
    with Http1(open_tcp("127.0.0.1", scene.strict.port), tls_context(scene.lab.pki, scene.lab.pki["alice"])) as kept:
        go_on(lambda: kept.request("GET", "/kept", {}) and scene.firing(), KEPT_S, pause_s=PAUSE_S)
    go_on(usual, CONTROL_S, pause_s=PAUSE_S)
    scene.score.check("in the control run no rule fires", not scene.fired, f"{sorted(scene.fired)}")


def _hold_connections(scene):
    """Open TLS connections until the agent's table is nearly full."""
    context = tls_context(scene.lab.pki, scene.lab.pki["alice"])
    held = [Http1(open_tcp("127.0.0.1", scene.strict.port), context) for _ in range(CONNECTIONS - 40)]
    for connection in held:
        scene.lab.callback(connection.close)


def _check_failures(scene):
    """Verified clients are gone; everybody else comes."""
    context = tls_context(scene.lab.pki, scene.lab.pki["alice"])
    with Http1(open_tcp("127.0.0.1", scene.strict.port), context) as connection:
        connection.request("GET", "/spoofed", {"X-SSL-Client-CN": "root"})
    scene.ask(scene.strict, "short")
    scene.ask(scene.old, "alice")

    def others():
        browse_direct(scene.ledger, scene.shop, "direct", count=1)
        for number in range(2):
            scene.older.request("GET", f"/older/{number}", {})
            scene.ask(scene.lax, "foreign")
        fail_handshakes(scene.strict, 3)

    scene.until({"MtlswatchBypass", "MtlswatchIdentityHeaderSpoofed", "MtlswatchRequestsUnknown", "MtlswatchVerifyFailures",
                 "MtlswatchHandshakesFail", "MtlswatchVerifiedHandshakesDropped", "MtlswatchAuthenticatedRequestsStopped",
                 "MtlswatchWeakTlsVersion", "MtlswatchClientCertificateExpiresSoon", "MtlswatchEventsLost"}, others)


def _check_sensor(scene):
    """What goes wrong with the agent itself."""
    _hold_connections(scene)
    scene.until({"MtlswatchTableFull"})
    file = scene.lab.directory / "agent-1.yaml"
    file.write_text(file.read_text() + "nonsense: 1\n")
    scene.agent.child.signal(signal.SIGHUP)
    scene.until({"MtlswatchConfigurationRefused"})
    scene.shop.stop()
    scene.until({"MtlswatchBlind"})
    scene.score.check("the agent ends with 0 on SIGTERM", scene.agent.stop() == 0, scene.agent.child.errors())
    scene.until({"MtlswatchAgentDown"})
    scene.prometheus.forget_agent()
    scene.until({"MtlswatchAgentMissing"})


def run(lab, score):
    text = RULES.read_text()
    unchanged = [long for long in SHORTER if long not in text] + re.findall(r"(?:\[|for: |offset )\d+[mhd]\b", shortened(text))
    score.check("the copy of the rules has all its times shortened", not unchanged, unchanged)
    scene = Scene(lab, score)
    if not scene.agent.runs:
        return
    wait_until(lambda: get_page(scene.port, "/readyz")[0] == 200, interval_s=0.2)
    scene.watch()
    _check_control(scene)
    _check_failures(scene)
    _check_sensor(scene)
    never = names_of(text) - scene.fired
    score.check(f"all {len(names_of(text))} rules have fired", not never, f"{sorted(never)}")
