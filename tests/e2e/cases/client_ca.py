# SPDX-License-Identifier: Apache-2.0
"""`client_ca`: the agent verifies clients itself, by authorities of the operator's own. Where the proxy trusts another authority, or
not that one, an alert says so; where not all of a chain is known, nothing is claimed."""

import ssl

from lab.agent import configuration
from lab.alerts import NAME, alerts_of, check_fires
from lab.check import get
from lab.client import Http1, open_tcp, tls_context
from lab.host import wait_until
from lab.nginx import Listener, Upstream

VERIFIED, FOREIGN = ("verified", 0, None), ("not_verified", 20, "verified_by_proxy_only")


def _bundle(lab, *files):
    bundle = lab.directory / f"bundle-{len(files)}.pem"
    bundle.write_text("".join(file.read_text() for file in files))
    return str(bundle)


class _Scene:
    """nginx that trusts the clients' authority and a foreign one, and nginx that trusts the foreign one alone but lets all in."""

    def __init__(self, lab, score):
        self.lab, self.score = lab, score
        foreign = lab.pki.client_ca_file.parent / "foreign-ca.crt"
        shop = lab.gunicorn()
        way = Upstream("shop", f"127.0.0.1:{shop.port}")
        self.trusting = Listener(way, "on", "TLSv1.2", client_ca=_bundle(lab, lab.pki.client_ca_file, foreign))
        self.ignorant = Listener(way, "optional_no_ca", "TLSv1.2", client_ca=_bundle(lab, foreign))
        lab.nginx([self.trusting, self.ignorant])
        self.agent = lab.agent(configuration([{"name": NAME, "listen": shop.listen(), "client_ca": str(lab.pki.client_ca_file)}]))

    def said(self, path):
        found = lambda: [event for event in self.agent.find("mtlswatch.request") if get(event, "url.path") == path]  # noqa: E731
        event, = wait_until(found, interval_s=0.1) or [{}]
        return event, tuple(get(event, f"mtlswatch.client_ca.{name}") for name in ("result", "verify_code", "disagreement"))

    def ask(self, who, context, listener, path, session=None):
        sock = open_tcp("127.0.0.1", listener.port)
        secured = context.wrap_socket(sock, server_hostname="localhost", session=session)
        with Http1(secured) as connection:
            status = connection.request("GET", path, {}).status
            self.score.check(f"{who} is answered", status == 200, status)
            return secured.session


def _context(lab, who):
    """TLS 1.2, so that the session is there as soon as the handshake has ended."""
    context = tls_context(lab.pki)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    certificate = lab.pki[who]
    chain = lab.directory / f"{who}-chain.pem"
    chain.write_text(certificate.certificate_file.read_text() + (certificate.chain_file.read_text() if certificate.chain_file else ""))
    context.load_cert_chain(chain, certificate.key_file)
    return context


def _check(scene, what, path, expected, verdict="authenticated", violations=None):
    event, said = scene.said(path)
    scene.score.check(f"{what}: {expected}", said == expected and get(event, "mtlswatch.verdict") == verdict and
                      get(event, "mtlswatch.violations") == violations,
                      f"{said} {get(event, 'mtlswatch.verdict')} {get(event, 'mtlswatch.attribution')}")


def _check_agreement(scene):
    scene.ask("alice", _context(scene.lab, "alice"), scene.trusting, "/alice")
    _check(scene, "alice", "/alice", VERIFIED)
    context = _context(scene.lab, "dora")
    session = scene.ask("dora", context, scene.trusting, "/dora")
    _check(scene, "dora, of an authority that she sends", "/dora", VERIFIED)
    scene.ask("dora", context, scene.trusting, "/dora/resumed", session)
    event, said = scene.said("/dora/resumed")
    resumed = get(event, "mtlswatch.hops")[0]["tls"]["resumed"] if event else None
    scene.score.check("dora, resumed by a ticket that holds no authority: not checked", resumed and said == ("not_checked", None, None), said)
    early = alerts_of(scene.agent, "MTLS-1013")
    scene.score.check("no alert so far", not early, early)


def _check_disagreement(scene):
    scene.ask("foreign", _context(scene.lab, "foreign"), scene.trusting, "/foreign")
    _check(scene, "a client of an authority that only the proxy trusts", "/foreign", FOREIGN, violations=["verified_by_proxy_only"])
    alert = check_fires(scene.agent, "MTLS-1013", scene.score, "an authority that only the proxy trusts", "verified_by_proxy_only")
    scene.score.check("it says why, and whose certificate it is", alert and "unable to get local issuer" in alert["mtlswatch"]["alert"]["cause"]
                      and get(alert, "tls.client.x509.serial_number") == scene.lab.pki["foreign"].serial, f"{alert}")
    scene.ask("bob", _context(scene.lab, "bob"), scene.ignorant, "/bob")
    _check(scene, "a client of an authority that the proxy lacks", "/bob", ("verified", 0, "not_verified_by_proxy"), "bypass")
    check_fires(scene.agent, "MTLS-1013", scene.score, "an authority that the proxy lacks", "not_verified_by_proxy")


def run(lab, score):
    scene = _Scene(lab, score)
    if not scene.agent.runs:
        return
    _check_agreement(scene)
    _check_disagreement(scene)
    score.check("the agent ends with 0 on SIGTERM", scene.agent.stop() == 0, scene.agent.child.errors())
