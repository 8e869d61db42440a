# SPDX-License-Identifier: Apache-2.0
"""A node's pods: nginx in one, Django behind a Service in another, strangers in a third; and an API server that pages,
drips, cuts, expires and changes its token. Names, labels and owners are in the events, and backends told by them."""

import json
import uuid
from types import SimpleNamespace

from lab.agent import configuration
from lab.api_server import ApiServer, pod_object
from lab.check import get
from lab.cluster import Cluster
from lab.container import CLIENT
from lab.host import run as run_program, wait_until
from lab.nginx import Listener, Upstream
from lab.threads import check_threads
from lab.traffic import browse
from lab.truth import DIRECT, NOT_MONITORED, Ledger, Truth, new_request_id

SERVICE, MASQUERADED = "10.96.7.80", "10.96.7.81"
FILLERS = 45  # other pods of the node: more than one page


def _describe(api, pods, version):
    """The API server learns of the three pods, and of others."""
    shop, front, stranger = pods
    api.put(pod_object(shop, "shop-5d4f-x2", {"app.kubernetes.io/name": "shop", "pod-template-hash": "5d4f", "version": version},
                       ("ReplicaSet", "shop-5d4f"), {"example.org/mtls": "required", "example.org/long": "x" * 5000}))
    api.put(pod_object(front, "front-q", {"app": "front", "version": version}, ("DaemonSet", "front"), container="nginx"))
    api.put(pod_object(stranger, "stranger", {"version": version}, container="shell"))


def _fill(api, node):
    for number in range(FILLERS):
        other = SimpleNamespace(uid=str(uuid.uuid4()), container_id=f"{number:064x}", node=node, address=f"10.9.0.{number}")
        api.put(pod_object(other, f"filler-{number}", {"app": "filler"}))
    elsewhere = SimpleNamespace(uid=str(uuid.uuid4()), container_id="f" * 64, node="another-node", address="10.9.1.1")
    api.put(pod_object(elsewhere, "elsewhere", {}))


def _ask_as_stranger(stranger, ledger, address, port, shop, cell, expected, seen_port=None):
    request_id, path = new_request_id("stranger"), "/t/bypass/stranger/0/0"
    answer = json.loads(stranger.python(CLIENT, address, port, path, request_id))
    known = expected == DIRECT
    ledger.requests.append(Truth(cell, request_id, path, "GET", expected, "stranger", source_ip=answer["source_ip"],
                                 source_port=answer["source_port"], destination_port=shop.port, status=answer["status"],
                                 worker_pid=answer["worker_pid"], peer_pid=answer["pid"] if known and address != SERVICE else None,
                                 front_logs=False, service="store"))


def _event_of(agent, cell, ledger):
    ids = {truth.request_id for truth in ledger.cell(cell)}
    return [event for event in agent.find("mtlswatch.request") if get(event, "http.request.id") in ids]


def _check_names(score, agent, ledger, pods, version):
    shop, front, stranger = pods
    through = _event_of(agent, "through the Service", ledger)
    score.check("there are events of requests through the Service", through)
    for event in through[:1]:
        told = {name: get(event, name) for name in (
            "orchestrator.type", "orchestrator.cluster.name", "orchestrator.namespace", "orchestrator.resource.type",
            "orchestrator.resource.name", "orchestrator.resource.id", "orchestrator.resource.ip", "orchestrator.resource.parent.type",
            "kubernetes.namespace", "kubernetes.node.name", "kubernetes.pod.name", "kubernetes.pod.uid", "kubernetes.container.name",
            "kubernetes.deployment.name", "container.id", "container.runtime", "container.image.name", "container.image.tag")}
        score.check("a request tells of Django's pod", told == {
            "orchestrator.type": "kubernetes", "orchestrator.cluster.name": "lab", "orchestrator.namespace": "store",
            "orchestrator.resource.type": "pod", "orchestrator.resource.name": "shop-5d4f-x2", "orchestrator.resource.id": shop.uid,
            "orchestrator.resource.ip": [shop.address], "orchestrator.resource.parent.type": "Deployment", "kubernetes.namespace": "store",
            "kubernetes.node.name": shop.node, "kubernetes.pod.name": "shop-5d4f-x2", "kubernetes.pod.uid": shop.uid,
            "kubernetes.container.name": "web", "kubernetes.deployment.name": "shop", "container.id": shop.container_id,
            "container.runtime": "containerd", "container.image.name": "registry.example:5000/shop", "container.image.tag": ["1.2"]}, told)
        labels = get(event, "kubernetes.labels") or {}
        score.check("and of its labels", labels.get("app_kubernetes_io/name") == "shop" and labels.get("version") == version, labels)
        hop = event["mtlswatch"]["hops"][0]
        score.check("its hop tells of the proxy's pod", get(hop, "kubernetes.pod.name") == "front-q" and
                    get(hop, "kubernetes.daemonset.name") == "front" and get(hop, "container.id") == front.container_id, hop)
        score.check("the backend's end is the pod's, not the Service's", get(event, "server.ip") == shop.address, event["server"])
    handshakes = [event for event in agent.find("mtlswatch.handshake") if get(event, "kubernetes.pod.name") == "front-q"]
    score.check("handshakes tell of the proxy's pod", handshakes)
    for event in _event_of(agent, "past the front", ledger):
        peer = event["mtlswatch"]["peer"]
        score.check("a bypass tells of the stranger's pod", get(peer, "kubernetes.pod.name") == "stranger" and
                    get(peer, "container.id") == stranger.container_id, peer)


def _trouble(api, agent, token, pods, score, ledger, ask):
    """The API server misbehaves in every way, one after the other, and changes its token; in the end the agent knows what it
    knows."""
    api.script("drip", "cut", "expire", "garbage", "expire at once", "end")
    api.end_watches()
    _describe(api, pods, "2")
    score.check("the agent asks again after every trouble", wait_until(lambda: not api.scripts_left()), api.scripts_left())
    before, api.token = len(api.asked), "second"
    api.end_watches()
    score.check("it asks with the old token first", wait_until(lambda: not all(row["allowed"] for row in api.asked[before:])))
    token.write_text("second\n")
    _describe(api, pods, "3")

    def told():
        ask("version 3")
        return any(get(event, "kubernetes.labels.version") == "3" for event in _event_of(agent, "version 3", ledger))

    score.check("what changed meanwhile is told", wait_until(told, interval_s=1), [row for row in api.asked[before:]][:5])


def _check_asked(api, node, score):
    score.check("only this node's pods were asked for", {row.get("fieldSelector") for row in api.asked} == {
        f"spec.nodeName={node},status.phase!=Succeeded,status.phase!=Failed"})
    score.check("pages were followed", any("continue" in row for row in api.asked))
    watches = [row for row in api.asked if row.get("watch")]
    score.check("watches ask for bookmarks and end by themselves",
                watches and all(row.get("allowWatchBookmarks") == "true" and 240 <= int(row["timeoutSeconds"]) <= 300 for row in watches))
    lists = [row for row in api.asked if not row.get("watch") and "continue" not in row]
    score.check("everything is listed anew only where a watch cannot go on", 3 <= len(lists) <= 5, len(lists))


def _check_status(lab, api, score):
    lists = len([row for row in api.asked if not row.get("watch") and "continue" not in row and row["allowed"]])

    def told():
        asked = run_program([lab.binary, "status", "--json", "--socket", lab.directory / "admin.sock"])
        return json.loads(asked.stdout or "{}").get("kubernetes") or {}

    def is_right():
        said = told()
        return said.get("synced") is True and said["pods"] == 3 + FILLERS and said["lists"] == lists and said["last_error"] == ""

    score.check("status tells what is known of this node's pods", wait_until(is_right, interval_s=1), f"{told()}, {lists} lists")


def _watch(lab, score, cluster, api, token, driver):
    pods = shop_pod, front_pod, stranger = cluster.pods
    with shop_pod.inside():
        shop = lab.gunicorn(name=f"shop-{driver}", addresses=("0.0.0.0",))
    cluster.serve([(SERVICE, 80, shop_pod, shop.port, False), (MASQUERADED, 80, shop_pod, shop.port, True)])
    ways = [Upstream(name, f"{address}:80") for name, address in (("service", SERVICE), ("masqueraded", MASQUERADED))]
    listeners = [Listener(way, "optional", address="0.0.0.0") for way in ways]
    with front_pod.inside():
        lab.nginx(listeners, name=f"front-{driver}")
    _fill(api, cluster.node)
    _describe(api, pods, "1")
    match = {"command_line": "gunicorn", "container": "web", "pod_namespace": "store",
             "pod_labels": {"app.kubernetes.io/name": "shop"}, "pod_annotations": {"example.org/mtls": "required"}}
    agent, ledger = lab.agent(configuration([{"name": "store", "match": match}], kubernetes={
        "node": cluster.node, "cluster": "lab", "api_server": api.url, "ca_file": str(lab.pki.server_ca_file),
        "token_file": str(token)}, admin={"socket": str(lab.directory / "admin.sock")})), Ledger()
    wait_until(lambda: any(row.get("watch") for row in api.asked))
    score.check("the agent finds the backend by its pod", _knows_backend(agent))

    def ask(cell, listener=listeners[0], who="alice", **marks):
        with cluster.on_node():
            browse(lab, ledger, listener, who, 2, cell=cell, address=front_pod.address, service="store", **marks)

    for who in ("alice", "bob", "nobody"):
        ask("through the Service", who=who)
    _ask_as_stranger(stranger, ledger, shop_pod.address, shop.port, shop, "past the front", DIRECT)
    _ask_as_stranger(stranger, ledger, SERVICE, 80, shop, "past the front, through the Service", DIRECT)
    ask("masqueraded", listeners[1], expected=NOT_MONITORED)
    if driver == "systemd":
        _trouble(api, agent, token, pods, score, ledger, ask)
        _check_asked(api, cluster.node, score)
    if agent.runs:
        check_threads(agent, score, driver)
        _check_status(lab, api, score)
    lab.verify(ledger, agent, driver, ground=False)
    if agent.runs:
        _check_names(score, agent, ledger, pods, "1")


def _knows_backend(agent):
    """Until a report on what is watched names the backend."""
    return agent.wait_for(lambda events: any(process.get("backend") == "store" for event in events
                                             for process in get(event, "mtlswatch.agent.processes") or []))


def run(lab, score):
    for driver in ("systemd", "cgroupfs"):
        token = lab.directory / f"token-{driver}"
        token.write_text("first\n")
        with Cluster(3, driver) as cluster, ApiServer(lab.pki, "first") as api:
            _watch(lab, score, cluster, api, token, driver)
            for server in (*lab.nginxes, *lab.backends):
                server.stop()
