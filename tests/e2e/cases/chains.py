# SPDX-License-Identifier: Apache-2.0
"""Requests through several programs in a row: proxies behind proxies, relays before, behind and between them, TLS passed
through with and without a PROXY protocol header, TLS opened anew. For each: a client with a certificate, one without,
and plaintext straight into the middle. What queues requests may be answered by "unknown"; nothing may be false."""

from collections import Counter
from dataclasses import dataclass

from lab.check import get, judge_requests, of_dataset
from lab.client import Http1, open_tcp
from lab.fronts.django_tls import GunicornTlsAtOnce
from lab.fronts.front import Door
from lab.fronts.relay import NOBODY, HAProxyRelay, NginxStream, OwnRelay, Reencrypting, Socat
from lab.fronts.stunnel import Stunnel
from lab.fronts.varnish import Varnish
from lab.ground_truth import check_backends
from lab.handshake_client import Handshake, Wish, context_for
from lab.host import wait_until
from lab.laboratory import print_losses, wait_for_requests
from lab.nginx import Listener, Upstream
from lab.truth import AUTHENTICATED, DIRECT, NO_CERTIFICATE, PLAINTEXT, Ledger, Truth, new_request_id

NOT_TRUSTED = ("unknown", "front_not_trusted")
VERSIONS = "TLSv1.2 TLSv1.3"
COUNT = 3
WITH, WITHOUT = "alice", None


@dataclass(frozen=True)
class Visit:
    """One kind of client at one entry. who: a name of the Pki or None, over TLS; "plain" for no TLS at all."""
    cell: str
    port: int
    who: str
    expected: tuple
    hops: tuple  # programs, outermost first
    vague: bool = False  # the way leads through what queues requests: "unknown" and "one of" are no faults


class _World:
    """Every program, innermost first."""

    def __init__(self, lab):
        self.lab = lab
        self.shop = lab.gunicorn(workers=2)
        self.told = lab.gunicorn(name="told", workers=1, addresses=("127.0.0.1",), ready=False,
                                 extra=("--proxy-protocol", "--proxy-allow-from", "*"))
        django = f"127.0.0.1:{self.shop.port}"
        self.varnish, self.queue = lab.front(Varnish, django), lab.front(HAProxyRelay, django, mode="http")
        self.behind, self.users = lab.front(Socat, django), lab.front(Socat, django, uid=NOBODY)
        self.encrypted = lab.front(GunicornTlsAtOnce, "optional")
        self.listeners = self._listeners(django)
        self.nginx = lab.nginx(self.listeners.values(), workers=1)

    def _listeners(self, django):
        ways = {"shop": django} | {name: f"127.0.0.1:{relay.port}" for name, relay in (
            ("varnish", self.varnish), ("queue", self.queue), ("behind", self.behind), ("users", self.users))}
        upstreams = {name: Upstream(name, server) for name, server in ways.items()}
        listeners = {name: Listener(upstream, "optional", VERSIONS) for name, upstream in upstreams.items()}
        listeners["plain"] = Listener(upstreams["shop"])
        listeners["told"] = Listener(upstreams["shop"], "optional", VERSIONS, proxy_protocol=True)
        plain = Upstream("plain", f"127.0.0.1:{listeners['plain'].port}")
        listeners["twice"] = Listener(plain, "optional", VERSIONS)
        encrypted = Upstream("encrypted", f"127.0.0.1:{self.encrypted.doors[0].port}", protocol="https")
        listeners |= {"encrypted": Listener(encrypted, "optional", VERSIONS), "encrypted-plain": Listener(encrypted)}
        return listeners

    def entry(self, name):
        return self.listeners[name].port

    def server(self, name):
        return f"127.0.0.1:{self.entry(name)}"


def _behind_proxies(world):
    """TLS ends at the first program, and others follow."""
    stunnel = world.lab.front(Stunnel, [Door("optional")], world.server("plain"))
    front = stunnel.doors[0].port
    yield from _both("stunnel, nginx", front, ("stunnel4", "nginx"))
    yield from _both("nginx, nginx", world.entry("twice"), ("nginx", "nginx"))
    yield Visit("plaintext to the middle nginx", world.entry("plain"), "plain", PLAINTEXT, ("nginx",))
    yield from _both("nginx, socat", world.entry("behind"), ("nginx", "socat"))
    yield from _both("nginx, varnish", world.entry("varnish"), None, vague=True)
    yield Visit("plaintext to the middle varnish", world.varnish.port, "plain", PLAINTEXT, None, vague=True)
    yield from _both("nginx, HAProxy", world.entry("queue"), None, vague=True)
    yield Visit("plaintext to the middle HAProxy", world.queue.port, "plain", PLAINTEXT, None, vague=True)


def _both(cell, port, hops, vague=False):
    yield Visit(cell, port, WITH, AUTHENTICATED, hops, vague)
    yield Visit(cell, port, WITHOUT, NO_CERTIFICATE, hops, vague)


def _relayed(world):
    """Relays before the program that ends TLS."""
    lab, inner = world.lab, world.server("shop")
    yield from _both("socat, nginx", lab.front(Socat, inner).port, ("socat", "nginx"))
    yield from _both("a user's socat, nginx", lab.front(Socat, inner, uid=NOBODY).port, ("socat", "nginx"))
    two = lab.front(Socat, f"127.0.0.1:{lab.front(HAProxyRelay, inner).port}")
    yield from _both("socat, HAProxy tcp, nginx", two.port, ("socat", "haproxy", "nginx"))
    for kind, program, headers in ((NginxStream, "nginx", (None, 1)), (HAProxyRelay, "haproxy", (None, 1, 2))):
        for header in headers:
            relay = lab.front(kind, world.server("told" if header else "shop"), header=header)
            cell = f"TLS through {kind.name}, PROXY protocol {header or 'off'}"
            yield from _both(cell, relay.port, (program, "nginx"))


def _of_users(world):
    """What an unprivileged user runs: it never clears anybody, and is accused only of what is proved."""
    lab, django = world.lab, f"127.0.0.1:{world.shop.port}"
    authority = lab.pki.client_ca_file.parent / "foreign-ca.crt"
    yield Visit("nginx, a user's socat", world.entry("users"), WITH, NOT_TRUSTED, None)
    yield Visit("a user's socat to Django", world.users.port, "plain", DIRECT, None)
    yield Visit("root's socat to Django", world.behind.port, "plain", PLAINTEXT, ("socat",))
    own = lab.front(OwnRelay, django, authority)
    yield Visit("a user's stunnel to Django", own.port, "foreign", NOT_TRUSTED, None)
    yield Visit("a user's stunnel to Django", own.port, WITHOUT, DIRECT, None)
    own = lab.front(OwnRelay, world.server("plain"), authority)
    yield Visit("a user's stunnel to nginx", own.port, "foreign", NOT_TRUSTED, None)
    yield Visit("a user's stunnel to nginx", own.port, WITHOUT, PLAINTEXT, ("stunnel4", "nginx"))


def _others(world):
    lab, told = world.lab, f"127.0.0.1:{world.told.port}"
    relay = lab.front(HAProxyRelay, told, header=1, mode="http")
    yield Visit("PROXY protocol from HAProxy to gunicorn", relay.port, "plain", PLAINTEXT, None, vague=True)
    stream = lab.front(NginxStream, told, header=1, tls=True)
    yield from _both("PROXY protocol from nginx stream to gunicorn", stream.port, ("nginx",))
    anew = lab.front(Reencrypting, world.server("shop"), lab.pki["bob"])
    yield from _both("TLS anew from HAProxy to nginx", anew.port, None, vague=True)


def _encrypted(world):
    """Django ends TLS itself: its requests cannot be read, and their events are known by their clients' ports."""
    yield from _both("nginx, TLS to Django", world.entry("encrypted"), None)
    yield Visit("plaintext to nginx, TLS to Django", world.entry("encrypted-plain"), "plain", PLAINTEXT, None)
    yield from _both("TLS to Django", world.encrypted.doors[0].port, None)
    yield from _both("socat, TLS to Django", world.lab.front(Socat, f"127.0.0.1:{world.encrypted.doors[0].port}").port, None)
    relay = world.lab.front(HAProxyRelay, f"127.0.0.1:{world.encrypted.doors[0].port}")
    yield from _both("HAProxy tcp, TLS to Django", relay.port, None)


class _Visitor:
    def __init__(self, pki, ledger):
        self.pki, self.ledger, self.visits = pki, ledger, {}

    def go(self, visit, version="TLSv1.3"):
        certificate = self.pki.clients.get(visit.who)
        if visit.who == "plain":
            with Http1(open_tcp("127.0.0.1", visit.port)) as connection:
                for number in range(COUNT):
                    self._ask(visit, connection.source_port, None, number, lambda truth: self._plainly(connection, truth))
            return
        wish = Wish(version, certificate)
        with Handshake(context_for(self.pki, wish), wish, visit.port) as handshake:
            for number in range(COUNT):
                self._ask(visit, handshake.view.source_port, wish, number,
                          lambda truth, last=number == COUNT - 1: self._over_tls(handshake, truth, last))

    def _ask(self, visit, source_port, wish, number, send):
        who = visit.who or "nobody"
        certificate = wish.certificate if wish else None
        reported = visit.expected != DIRECT  # else the relay is the client
        truth = Truth(visit.cell, new_request_id(who), f"/t/{visit.expected[0]}/{who}/{source_port}/{number}", "GET",
                      visit.expected, who, certificate, "127.0.0.1", source_port if reported else None,
                      visit.port if reported else None, protocol=wish.version if wish else None, front_logs=False,
                      allow_unknown=visit.vague)
        send(truth)
        if truth.status != 200:
            raise RuntimeError(f"{visit.cell}: {who} got {truth.status} for {truth.path}")
        self.ledger.requests.append(truth)
        self.visits[truth.request_id, truth.path] = visit

    @staticmethod
    def _plainly(connection, truth):
        answer = connection.request("GET", truth.path, {"X-Request-ID": truth.request_id})
        truth.status, truth.worker_pid = answer.status, answer.worker_pid()

    @staticmethod
    def _over_tls(handshake, truth, last):
        truth.status = handshake.ask(truth.path, {"X-Request-ID": truth.request_id}, close=last)
        truth.worker_pid = int(handshake.view.worker_pid) if handshake.view.worker_pid else None


def _check_ground(world, visitor, blind, score):
    """The logs of the nginx in the middle and of Django name the same requests, and whose they were."""
    check_backends(visitor.ledger.requests, world.lab.backends, score)
    truths = {truth.request_id: truth for truth in (*visitor.ledger.requests, *blind.ledger.requests)}
    wait_until(lambda: len(world.nginx.requests_seen()) >= len(truths) / 2)
    wrong = []
    for row in world.nginx.requests_seen():
        truth = truths[row["request_id"]]
        ends_there = row["verify"] != "" and "anew" not in truth.cell
        serial = truth.certificate.serial if truth.certificate else ""
        if ends_there and row["serial"] != serial:
            wrong.append((truth.cell, row["serial"], serial))
    score.check("the log of nginx tells the same certificates", not wrong, wrong[:3])


def _check_hops(visitor, events, score):
    wrong = []
    for event in of_dataset(events, "mtlswatch.request"):
        visit = visitor.visits.get((get(event, "http.request.id"), get(event, "url.path")))
        if visit is None or visit.hops is None:
            continue
        hops = get(event, "mtlswatch.hops")
        programs = tuple((get(hop, "process.executable") or "").rpartition("/")[2] for hop in hops)
        if programs != visit.hops or not all(hop.get("evidence") for hop in hops):
            wrong.append((visit.cell, programs))
    score.check("hops are told outermost first, each with its evidence", not wrong, wrong[:5])


def _check_handshakes(world, visitors, events, score):
    """A relay ends no TLS: every handshake is told where it ends, and nowhere else."""
    ports = {visit.port for visitor in visitors for visit in visitor.visits.values()} | {
        listener.port for listener in world.listeners.values()}
    unseen = [event for event in of_dataset(events, "mtlswatch.handshake")
              if get(event, "event.reason") == "not_observed" and get(event, "destination.port") in ports]
    score.check("no relay is said to shake hands", not unseen, [get(event, "destination.port") for event in unseen][:5])


def _check_encrypted(visitor, world, events, score):
    """One event for each request, with its verdict, without what could not be read."""
    port = world.encrypted.doors[0].port
    mine = [event for event in of_dataset(events, "mtlswatch.request") if get(event, "server.port") == port]
    wanted = Counter((truth.cell, truth.source_port, truth.destination_port, *truth.expected) for truth in visitor.ledger.requests)
    cells = {truth.source_port: truth.cell for truth in visitor.ledger.requests}
    told = Counter((cells.get(get(event, "source.port")), get(event, "source.port"), get(event, "destination.port"),
                    get(event, "mtlswatch.verdict"), get(event, "event.reason")) for event in mine)
    score.check(f"{wanted.total()} requests to Django over TLS are told, each once and right", told == wanted,
                f"absent {list((wanted - told).items())[:4]}, beyond {list((told - wanted).items())[:4]}")
    score.check("what is encrypted is said to be, and not guessed", all(
        get(event, "mtlswatch.request.head") == "encrypted" and get(event, "url.path") is None for event in mine))
    for event in of_dataset(events, "mtlswatch.handshake"):
        if get(event, "destination.port") == port:
            score.check("a server's certificate is nobody's", get(event, "tls.client.x509.subject.common_name") != ["localhost"])


def run(lab, score):
    world = _World(lab)
    visits = [visit for part in (_behind_proxies, _relayed, _of_users, _others) for visit in part(world)]
    encrypted = list(_encrypted(world))
    agent = lab.agent()
    visitor, blind = _Visitor(lab.pki, Ledger()), _Visitor(lab.pki, Ledger())
    for visit in encrypted:
        blind.go(visit)
    for visit in visits:
        visitor.go(visit)
        if visit.who != "plain":
            visitor.go(visit, "TLSv1.2")
    _check_ground(world, visitor, blind, score)
    if not agent.runs:
        print(f"      {len(visitor.ledger.requests)} requests, not judged: no agent")
        return
    wait_for_requests(agent, visitor.ledger)
    score.check("the agent ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    print_losses(agent)
    port = world.encrypted.doors[0].port
    findings = judge_requests(visitor.ledger.requests, [event for event in agent.events if get(event, "server.port") != port])
    findings.print("chains")
    score.add(findings)
    _check_hops(visitor, agent.events, score)
    _check_handshakes(world, (visitor, blind), agent.events, score)
    _check_encrypted(blind, world, agent.events, score)
