# SPDX-License-Identifier: Apache-2.0
"""What somebody tries who has no certificate, or not that one: claims in every spelling of every proxy, relays of his own,
programs that talk to OpenSSL themselves, requests that the application or the proxy's user is made to send. The true client's
own headers, in the same spellings, accuse nobody. README.md says which cell of the table each test is."""

import json
import os
import subprocess
from urllib.parse import quote

from lab.agent import configuration
from lab.asker import PLAIN, Asker
from lab.check import get, of_dataset
from lab.fronts.apache import Apache
from lab.fronts.forger import Forger
from lab.fronts.front import Door
from lab.fronts.haproxy import HAProxy
from lab.fronts.relay import NOBODY, OwnRelay, Socat, as_user
from lab.ground_truth import check_backends
from lab.host import PATIENCE_S
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.remote_peer import RemotePeer
from lab.spellings import false_spellings, spellings
from lab.truth import AUTHENTICATED, DIRECT, NO_CERTIFICATE, PLAINTEXT, SPOOFED

NOT_TRUSTED = ("unknown", "front_not_trusted")
_PASSES = 'proxy_set_header Host $http_host; proxy_set_header Connection "";\n'
_NGINX_SAYS = _PASSES + "".join(f"proxy_set_header {header} {value};\n" for header, value in (
    ("X-SSL-Client-Verify", "$ssl_client_verify"), ("X-SSL-Client-Subject", "$ssl_client_s_dn_legacy"),
    ("X-SSL-Client-Issuer", "$ssl_client_i_dn_legacy"), ("X-SSL-Client-S-DN", "$ssl_client_s_dn"),
    ("X-SSL-Client-I-DN", "$ssl_client_i_dn"), ("X-SSL-Client-Serial", "$ssl_client_serial"),
    ("X-SSL-Client-Fingerprint", "$ssl_client_fingerprint"), ("X-SSL-Client-Not-Before", '"$ssl_client_v_start"'),
    ("X-SSL-Client-Not-After", '"$ssl_client_v_end"'), ("X-SSL-Client-Cert", "$ssl_client_escaped_cert")))
_HAPROXY_SAYS = "".join(f"  http-request set-header {header} {value}\n" for header, value in (
    ("X-SSL-Client-Verify", "%[ssl_c_verify]"), ("X-SSL-Client-Subject", "%{+Q}[ssl_c_s_dn]"), ("X-SSL-Client-S-DN", "%[ssl_c_s_dn]"),
    ("X-SSL-Client-I-DN", "%[ssl_c_i_dn]"), ("X-SSL-Client-CN", "%[ssl_c_s_dn(cn)]"), ("X-SSL-Client-Serial", "%[ssl_c_serial,hex]"),
    ("X-SSL-Client-Fingerprint", "%[ssl_c_sha1,hex]"), ("X-SSL-Client-Not-Before", "%[ssl_c_notbefore]"),
    ("X-SSL-Client-Not-After", "%[ssl_c_notafter]"), ("X-Client-Cert", "%[ssl_c_der,base64]"),
    ("Client-Cert", ":%[ssl_c_der,base64]:"), ("X-Forwarded-Client-Cert", "Hash=%[ssl_c_der,sha2(256),hex]")))
_APACHE_SAYS = "".join(f'RequestHeader set {header} "%{{{value}}}s"\n' for header, value in (
    ("X-SSL-Client-Verify", "SSL_CLIENT_VERIFY"), ("X-SSL-Client-Subject", "SSL_CLIENT_S_DN"), ("X-SSL-Client-CN", "SSL_CLIENT_S_DN_CN"),
    ("X-SSL-Client-Issuer", "SSL_CLIENT_I_DN"), ("X-SSL-Client-Serial", "SSL_CLIENT_M_SERIAL"), ("X-SSL-Client-Cert", "SSL_CLIENT_CERT"),
    ("X-SSL-Client-Not-Before", "SSL_CLIENT_V_START"), ("X-SSL-Client-Not-After", "SSL_CLIENT_V_END")))


class _Scene:
    """nginx that passes every header on, proxies that tell all they know, Django, and another Django."""

    def __init__(self, lab):
        self.lab, self.asker = lab, Asker(lab.pki)
        self.shop, self.till = lab.gunicorn(addresses=("0.0.0.0",)), lab.gunicorn(name="till", addresses=("127.0.0.1",))
        self.django = f"127.0.0.1:{self.shop.port}"
        way = Upstream("shop", self.django)
        passes, says = self._recipe("passes", _PASSES), self._recipe("says", _NGINX_SAYS)
        self.passing, self.plain = (Listener(way, verify, include=passes) for verify in ("optional", None))
        self.telling = Listener(way, "optional", include=says)
        lab.nginx([self.passing, self.plain, self.telling], workers=1)
        self.socat, self.users_socat = (lab.front(Socat, self.django, uid=uid, address="0.0.0.0") for uid in (None, NOBODY))
        self.others = [lab.front(kind, [Door("optional")], self.django, directives=says)
                       for kind, says in ((HAProxy, _HAPROXY_SAYS), (Apache, _APACHE_SAYS))]
        self.claims = {}  # request id -> the result that every claim of it must have

    def _recipe(self, name, text):
        file = self.lab.directory / f"{name}.conf"
        file.write_text(text)
        return str(file)

    def ask(self, cell, listener, who, expected, rows=(), result=None):
        """One request with the headers of these spellings; result: what must come of each claim."""
        headers = [(header, value) for _, header, value in rows]
        port = listener.port if listener else self.shop.port
        marks = {} if listener else {"peer_pid": os.getpid()}
        truth = self.asker.ask(cell, port, who, expected, headers, **marks)
        if result:
            self.claims[truth.request_id] = (result, len(rows))


def _forged_headers(scene):
    """Everything that alice's proxy would say of her, from who has no certificate."""
    for what, header, value in spellings(scene.lab.pki["alice"]):
        rows = ((what, header, value),)
        scene.ask("forged, straight to Django", None, PLAIN, DIRECT, rows, "contradicts")
        scene.ask("forged, over plaintext", scene.plain, PLAIN, PLAINTEXT, rows, "contradicts")
        scene.ask("forged, without a certificate", scene.passing, "nobody", NO_CERTIFICATE, rows, "contradicts")


def _anothers_headers(scene):
    for what, header, value in false_spellings(scene.lab.pki["alice"], scene.lab.pki["foreign"]):
        scene.ask("a verified client claims to be another", scene.passing, "alice", SPOOFED, ((what, header, value),), "contradicts")


def _own_headers(scene):
    for who in ("alice", "carol"):  # serials of 16 bytes and of 2, which begins with a zero
        for row in spellings(scene.lab.pki[who]):
            scene.ask("the client's own headers", scene.passing, who, AUTHENTICATED, (row,), "matches")
        scene.ask("all that nginx knows", scene.telling, who, AUTHENTICATED, (), None)
        for front in scene.others:
            scene.ask(f"all that {front.name} knows", front.doors[0], who, AUTHENTICATED, (), None)


def _own_relays(scene):
    """Relays of an unprivileged user with an authority of his own. What is proved unverified is told so."""
    foreign = scene.lab.pki.client_ca_file.parent / "foreign-ca.crt"
    relay = scene.lab.front(OwnRelay, scene.django, foreign)
    forger = scene.lab.front(Forger, scene.django, scene.lab.pki["alice"].certificate_file)
    for cell, port, who in (("a user's relay, his own CA", relay.port, "foreign"), ("a program that calls OpenSSL", forger.port, "selfsigned"),
                            ("a program that calls OpenSSL", forger.port, "alice")):
        scene.asker.ask(cell, port, who, NOT_TRUSTED)
    # What it does with OpenSSL may hide that nobody came: then it is not trusted either.
    for cell, front in (("a user's relay, no certificate", relay), ("a program that calls OpenSSL, no certificate", forger)):
        _forget_client(scene.asker.ask(cell, front.port, "nobody", DIRECT, allow_unknown=front is forger))


def _forget_client(truth):
    """Behind a direct connection it is the relay that is told as the client."""
    truth.source_port = truth.destination_port = None


def _socat(scene, peer):
    """Relays older than the agent, and one that has just begun: its clients may be missed, but it is taken for nobody else."""
    fresh = scene.lab.front(Socat, scene.django, address="0.0.0.0")
    for cell, relay, expected, vague in (("a socat that has just begun", fresh, PLAINTEXT, True), ("root's socat", scene.socat, PLAINTEXT, False),
                                         ("a user's socat", scene.users_socat, DIRECT, False)):
        local = scene.asker.ask(f"{cell}, local client", relay.port, PLAIN, expected, allow_unknown=vague)
        connection = peer.connect(relay.port)
        remote = scene.asker.note(f"{cell}, remote client", PLAIN, expected, relay.port, connection, allow_unknown=vague)
        answer = connection.exchange(f"GET {remote.path} HTTP/1.1\r\nHost: shop.example\r\nX-Request-ID: {remote.request_id}\r\n"
                                     "Connection: close\r\n\r\n".encode())
        remote.status = int(answer.split(b" ", 2)[1])
        if expected == DIRECT:
            remote.source_ip = "127.0.0.1"
            _forget_client(local)
            _forget_client(remote)


def _forged_by_the_application(scene):
    """SSRF: Django is made to ask itself, and another Django. The client outside is verified; that proves nothing of the inside."""
    for cell, port in (("Django asks itself", scene.shop.port), ("Django asks another", scene.till.port)):
        with scene.asker.connect(scene.passing.port, "alice") as connection:
            inner = scene.asker.note(cell, PLAIN, DIRECT, port)
            outer = scene.asker.note("the request that makes it ask", "alice", AUTHENTICATED, scene.passing.port, connection, path="/fetch")
            url = quote(f"http://127.0.0.1:{port}{inner.path}", safe="")
            connection.send(f"GET {outer.path}?id={inner.request_id}&url={url} HTTP/1.1\r\nHost: shop.example\r\n"
                            f"X-Request-ID: {outer.request_id}\r\n\r\n".encode())
            answer = connection.response()
        told = json.loads(answer.body)
        outer.status, outer.worker_pid = answer.status, answer.worker_pid()
        inner.status, inner.worker_pid, inner.peer_pid = told["status"], told["worker"], outer.worker_pid


def _by_the_proxys_user(scene):
    truth = scene.asker.note("curl as the proxy's user", PLAIN, DIRECT, scene.shop.port)
    curl = subprocess.Popen([*as_user(33), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{local_port}", "-H",
                             f"X-Request-ID: {truth.request_id}", f"http://{scene.django}{truth.path}"], stdout=subprocess.PIPE, text=True)
    status, source_port = curl.communicate(timeout=PATIENCE_S)[0].split()
    truth.status, truth.source_port, truth.peer_pid = int(status), int(source_port), curl.pid


def _check_claims(scene, events, score):
    """Every claim is told, and judged as it must be."""
    wrong, proxies = [], {}
    for event in of_dataset(events, "mtlswatch.request"):
        results = [claim["result"] for claim in get(event, "mtlswatch.claims") or ()]
        wanted, count = scene.claims.get(get(event, "http.request.id"), (None, None))
        if wanted and results != [wanted] * count:
            wrong.append((get(event, "event.reason"), get(event, "mtlswatch.claims")))
        proxies[get(event, "http.request.id")] = get(event, "mtlswatch.claims") or []
    score.check(f"{len(scene.claims)} claims are told and compared", scene.claims and not wrong, wrong[:4])
    for truth in scene.asker.ledger.requests:
        if truth.cell.startswith("all that "):
            claims = proxies.get(truth.request_id, [])
            score.check(f"{truth.cell} of {truth.who} agrees with the certificate", len(claims) >= 8 and
                        all(claim["result"] == "matches" for claim in claims), claims)


def run(lab, score):
    scene = _Scene(lab)
    backends = [{"name": backend.name, "listen": backend.listen()} for backend in (scene.shop, scene.till)]
    with RemotePeer() as peer:
        agent = lab.agent(configuration(backends))
        for attempt in (_forged_headers, _anothers_headers, _own_headers, _own_relays, _forged_by_the_application, _by_the_proxys_user):
            attempt(scene)
        _socat(scene, peer)
        check_backends(scene.asker.ledger.requests, lab.backends, score)
        if agent.runs:
            wait_for_requests(agent, scene.asker.ledger)
            _check_claims(scene, agent.read(), score)
        lab.verify(scene.asker.ledger, agent, "attacks", ground=False)
