# SPDX-License-Identifier: Apache-2.0
"""The same clients at nginx on other libraries than the host's: OpenSSL 1.1.1 of Debian 11 and OpenSSL 3.5 of Debian 13, each
with nginx, libc and root directory of its release; and one whose calls of libcrypto cannot be found."""

from lab.check import get
from lab.debian_release import inside, release_root
from lab.hidden_calls import HIDDEN, make_hidden_calls
from lab.nginx import Listener, Upstream
from lab.traffic import browse
from lab.truth import Ledger

VERSIONS = {"bullseye": "OpenSSL 1.1.1", "trixie": "OpenSSL 3.5"}
WHO = ("alice", "bob", "nobody", "expired", "foreign", "selfsigned")


def _listeners(shop, **options):
    over_tcp = Upstream("tcp", f"127.0.0.1:{shop.port}")
    return [Listener(over_tcp, verify, protocol, http2, **options) for verify in ("on", "optional", "optional_no_ca")
            for protocol, http2 in (("TLSv1.2", False), ("TLSv1.3", True))] + [Listener(over_tcp)]


def _visit(lab, ledger, name, listeners):
    for listener in listeners:
        for who in WHO if listener.tls else ("nobody",):
            cell = f"{name} {listener.protocol} {listener.verify}" if listener.tls else f"{name} plaintext"
            browse(lab, ledger, listener, who, cell=cell)


def _release(lab, shop, release):
    """nginx of the release."""
    prefix = inside(release_root(release), lab.directory)
    listeners = _listeners(shop)
    lab.nginx(listeners, name=release, prefix=prefix, knows_e=release != "bullseye")
    return listeners


def _hidden_calls(lab, shop):
    """nginx on that library. It loads its own certificate within handshakes too, which must not be taken for the client's."""
    directory = lab.directory / "hidden"
    directory.mkdir(mode=0o755)
    environment = make_hidden_calls(directory)
    listeners = _listeners(shop, load_certificate=True)
    lab.nginx(listeners, name="hidden", environment=environment)
    return listeners


def _covered(agent, pid):
    """What the agent said last of the library of this process."""
    for event in reversed(agent.find("mtlswatch.agent", "agent-coverage")):
        agent_part = get(event, "mtlswatch.agent")
        paths = [path for process in agent_part.get("processes", ()) if process["pid"] == pid
                 for path in process.get("tls_libraries", ())]
        found = [library for library in agent_part.get("libraries", ()) if library["path"] in paths]
        if found:
            return found[0]
    return {}


def _check_coverage(lab, agent, score):
    """What is said of each library, once all of them have made handshakes."""
    def all_seen(_events):
        return all(_covered(agent, nginx.child.pid).get("liveness") == "seen" for nginx in lab.nginxes)

    score.check("the probes of every library were seen to fire", agent.wait_for(all_seen),
                [_covered(agent, nginx.child.pid) for nginx in lab.nginxes])
    covered = {nginx.base.name: _covered(agent, nginx.child.pid) for nginx in lab.nginxes}
    for release, version in VERSIONS.items():
        library = covered[release]
        score.check(f"{release}: version and build-id are told", library.get("version", "").startswith(version) and
                    library.get("build_id"), library)
        score.check(f"{release}: nothing is missing", library.get("tls_coverage") == "attached", library)
    hidden = covered["hidden"]
    places = {(probe["symbol"], probe["placement"]) for probe in hidden.get("probes", ())
              if "placement" in probe and probe["symbol"] in HIDDEN}
    score.check("functions whose calls cannot be found are probed where they are defined", places == {
        ("d2i_X509", "function entry"), ("X509_STORE_CTX_get_error", "function entry"),
        ("X509_STORE_CTX_get_error", "function return"), ("ERR_vset_error", "function entry")}, places)
    score.check("and that this costs more is told", "libcrypto" in hidden.get("cost", ""), hidden)


def run(lab, score):
    shop, ledger = lab.gunicorn(), Ledger()
    lab.pki.server_key_file.chmod(0o644)  # workers load it
    visited = {VERSIONS["bullseye"]: _release(lab, shop, "bullseye")}
    agent = lab.agent()
    visited[VERSIONS["trixie"]] = _release(lab, shop, "trixie")
    visited["hidden calls"] = _hidden_calls(lab, shop)
    for nginx in lab.nginxes if agent.runs else ():
        score.check(f"{nginx.base.name}: the agent knows its library",
                    agent.wait_for(lambda _events, pid=nginx.child.pid: _covered(agent, pid)))
    for name, listeners in visited.items():
        _visit(lab, ledger, name, listeners)
    if agent.runs:
        _check_coverage(lab, agent, score)
    lab.verify(ledger, agent, "libraries")
