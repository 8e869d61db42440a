# SPDX-License-Identifier: Apache-2.0
"""A sudden drop of verified handshakes while clients keep coming raises MTLS-1007, and the alert tells the likely cause: one
after the other, each after the one before is over. Clients that stay on kept connections, or away, raise nothing."""

from lab.agent import configuration
from lab.alerts import NAME, alerts_of, fail_handshakes, go_on
from lab.host import wait_until
from lab.nginx import Listener, Upstream
from lab.traffic import Browser, browse, browse_direct
from lab.truth import Ledger

RULE = "MTLS-1007"
WINDOW_S = 2
OVER_S = 5
SMALL = (("GET", "", None),)
RULES = [{"rule": RULE, "window": WINDOW_S, "threshold": 2, "resolve_after": OVER_S}]


class Scene:
    """Traffic to one backend, and what the rule says about it."""

    def __init__(self, lab, score):
        self.lab, self.score, self.ledger = lab, score, Ledger()
        self.shop = lab.gunicorn()
        way = Upstream("tcp", f"127.0.0.1:{self.shop.port}")
        self.strict, self.optional, self.plain = doors = [Listener(way, verify) for verify in ("on", "optional", None)]
        self.nginx = lab.nginx(doors)
        self.agent = lab.agent(configuration([{"name": NAME, "listen": self.shop.listen()}], rules=RULES))

    def ask(self, listener, who, cell):
        browse(self.lab, self.ledger, listener, who, 2, cell=cell, shapes=SMALL)

    def usual(self, seconds):
        go_on(lambda: self.ask(self.strict, "alice", "usual"), seconds)

    def firsts(self):
        return alerts_of(self.agent, RULE, "first")

    def check_quiet(self, what):
        self.score.check(f"{what} raises no alert", not self.firsts(), f"{self.firsts()}")

    def check_drop(self, cause, act):
        """act() takes the place of verified clients until the alert comes; then all is as usual until it is over."""
        before = len(self.firsts())
        go_on(act, until=lambda: len(self.firsts()) > before)
        told = [event["mtlswatch"]["alert"]["cause"] for event in self.firsts()[before:]]
        self.score.check(f"a drop is told with its cause: {cause}", told == [cause], f"{told}")

    def recover(self):
        go_on(lambda: self.ask(self.strict, "alice", "usual"),
              until=lambda: len(alerts_of(self.agent, RULE, "resolved")) == len(self.firsts()))
        self.score.check("and is over when verified clients are back",
                         len(alerts_of(self.agent, RULE, "resolved")) == len(self.firsts()) > 0)
        self.usual(WINDOW_S)


def _check_control(scene):
    scene.usual(4 * WINDOW_S)
    with Browser(scene.lab, scene.ledger, scene.strict, "alice", cell="kept connection") as browser:
        go_on(lambda: browser.browse(2, shapes=SMALL), 3 * WINDOW_S)
    scene.check_quiet("usual traffic, then all of it on one kept connection,")
    wait_until(scene.firsts, 3 * WINDOW_S)
    scene.check_quiet("a time without clients")
    scene.usual(4 * WINDOW_S)


def run(lab, score):
    scene = Scene(lab, score)
    if not scene.agent.runs:
        return
    _check_control(scene)
    direct = lambda: browse_direct(scene.ledger, scene.shop, "moved past the proxy", count=4)  # noqa: E731
    for cause, act in (
            ("traffic moved past the proxy", direct),
            ("certificates expired", lambda: scene.ask(scene.strict, "expired", "expired")),
            ("the proxy takes requests without TLS", lambda: scene.ask(scene.plain, "nobody", "plaintext")),
            ("the proxy forwards clients without a verified certificate", lambda: scene.ask(scene.optional, "nobody", "optional")),
            ("handshakes fail", lambda: fail_handshakes(scene.strict, 4))):
        scene.check_drop(cause, act)
        scene.recover()
    scene.nginx.stop()  # while what is usual is fresh in memory: a quiet time makes less of it
    scene.check_drop("proxy gone", direct)
    lab.verify(scene.ledger, scene.agent, "drops")
