# SPDX-License-Identifier: Apache-2.0
"""Peers that are not this host: a truly remote one (out of a TUN device), and a container, whose process is local.
What a remote peer may mean depends on `proxies:` and on whether a local front of the backend is known."""

from lab.agent import configuration
from lab.container import Container
from lab.nginx import Listener, Upstream
from lab.remote_peer import RemotePeer
from lab.traffic import browse
from lab.truth import DIRECT, NOT_MONITORED, PLAINTEXT, Ledger, Truth, new_request_id

EVERYWHERE = ("0.0.0.0",)


def _ask_from_afar(peer, ledger, port, cell, expected, front_logs=False):
    """One request of the remote peer."""
    connection, request_id = peer.connect(port), new_request_id("remote")
    path = f"/t/{expected[0]}/remote/{connection.source_port}/0"
    truth = Truth(cell, request_id, path, "GET", expected, "remote", source_ip=connection.source_ip,
                  source_port=connection.source_port, destination_port=port, front_logs=front_logs)
    ledger.requests.append(truth)
    answer = connection.exchange(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nX-Request-ID: {request_id}\r\n"
                                 "Connection: close\r\n\r\n".encode())
    head = dict(line.split(": ", 1) for line in answer.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:])
    truth.status, truth.worker_pid = int(answer.split(b" ", 2)[1]), int(head["X-Worker-Pid"])


def _ask_from_container(container, ledger, port, cell):
    """One request of a process in the container: its pid is known on this host."""
    request_id = new_request_id("container")
    path = "/t/bypass/container/0/0"
    answer = container.get(port, path, request_id)
    ledger.requests.append(Truth(cell, request_id, path, "GET", DIRECT, "container", source_ip=answer["source_ip"],
                                 source_port=answer["source_port"], destination_port=port, status=answer["status"],
                                 worker_pid=answer["worker_pid"], peer_pid=answer["pid"], front_logs=False))


def _case(lab, peer, container, shop, title, expected, proxies=None, listener=None):
    """Both peers, under a configuration. listener: a local front that has served somebody before they come."""
    backend = {"name": "shop", "listen": [f"0.0.0.0:{shop.port}"]}
    if proxies is not None:
        backend["proxies"] = proxies
    agent, ledger = lab.agent(configuration([backend])), Ledger()
    if listener:
        browse(lab, ledger, listener, "alice", cell=f"{title}: through the front", address="127.0.0.1")
    _ask_from_afar(peer, ledger, shop.port, f"{title}: remote", expected)
    _ask_from_container(container, ledger, shop.port, f"{title}: container")
    if listener and not listener.tls:
        _ask_from_afar(peer, ledger, listener.port, f"{title}: remote, through it", PLAINTEXT, front_logs=True)
    lab.verify(ledger, agent, title, ground=False)
    return ledger.requests


def run(lab, score):
    shop = lab.gunicorn(addresses=EVERYWHERE)
    with RemotePeer() as peer, Container() as container:
        listed, others = [f"{peer.address}/32", f"{container.address}/32"], ["192.0.2.0/24"]
        truths = _case(lab, peer, container, shop, "no list, no front", NOT_MONITORED)
        truths += _case(lab, peer, container, shop, "listed", NOT_MONITORED, proxies=listed)
        truths += _case(lab, peer, container, shop, "not listed", DIRECT, proxies=others)
        truths += _case(lab, peer, container, shop, "empty list", DIRECT, proxies=[])
        way = Upstream("tcp", f"127.0.0.1:{shop.port}")
        secure, plain = Listener(way, "on", address="0.0.0.0"), Listener(way, address="0.0.0.0")
        lab.nginx([secure, plain])
        truths += _case(lab, peer, container, shop, "local front", DIRECT, listener=secure)
        truths += _case(lab, peer, container, shop, "plaintext front", DIRECT, listener=plain)
        score.check("all remote and container peers were answered", all(truth.status in (200, 404) for truth in truths))
        lab.check_ground(Ledger(truths))
