# SPDX-License-Identifier: Apache-2.0
"""As much of a Kubernetes API server as an agent asks: pods of one node, listed in pages and watched, over HTTPS, for
whoever has the token. A watch follows the next of the scripts that it was given; then it behaves."""

import base64
import json
import queue
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MOST_A_PAGE = 20  # however many are asked for: an API server may answer with fewer


class ApiServer:
    """Use as a context manager. asked: one dict a request. pods: by uid; change them by put() and remove()."""

    def __init__(self, pki, token):
        self.token, self.asked, self.pods = token, [], {}
        self._version, self._events, self._watches = 100, [], queue.Queue()
        self._changed, self._interrupted = threading.Condition(), 0
        self._server = _Server(("127.0.0.1", 0), lambda *given: _Handler(self, *given))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.server_certificate_file, pki.server_key_file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def script(self, *steps):
        """steps: what the next watches do, one each: "drip", "cut", "garbage", "expire", "expire at once", "end"."""
        for step in steps:
            self._watches.put(step)

    def end_watches(self):
        """As an API server that restarts."""
        self._interrupted += 1

    def interruptions(self):
        return self._interrupted

    def scripts_left(self):
        return self._watches.qsize()

    def next_script(self):
        try:
            return self._watches.get_nowait()
        except queue.Empty:
            return "behave"

    def put(self, pod):
        self._tell("MODIFIED" if pod["metadata"]["uid"] in self.pods else "ADDED", pod)

    def remove(self, uid):
        self._tell("DELETED", self.pods[uid])

    def _tell(self, kind, pod):
        with self._changed:
            self._version += 1
            pod = json.loads(json.dumps(pod))
            pod["metadata"]["resourceVersion"] = str(self._version)
            if kind == "DELETED":
                self.pods.pop(pod["metadata"]["uid"])
            else:
                self.pods[pod["metadata"]["uid"]] = pod
            self._events.append((self._version, {"type": kind, "object": pod}))
            self._changed.notify_all()

    def page(self, node, start, limit):
        with self._changed:
            mine = sorted((pod for pod in self.pods.values() if pod["spec"]["nodeName"] == node), key=lambda pod: pod["metadata"]["uid"])
            end = start + min(limit, MOST_A_PAGE)
            metadata = {"resourceVersion": str(self._version)}
            if end < len(mine):
                metadata["continue"] = base64.b64encode(json.dumps({"start": end}).encode()).decode()
            return {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": mine[start:end]}

    def events_after(self, version, timeout_s):
        with self._changed:
            self._changed.wait_for(lambda: self._version > version, timeout_s)
            return [event for number, event in self._events if number > version]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # clients go away in the middle of a watch


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, server, *given):
        self.api = server
        super().__init__(*given)

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        interruptions = self.api.interruptions()  # before the token: a new token followed by end_watches() ends this one too
        allowed = self.headers.get("Authorization") == f"Bearer {self.api.token}"
        self.api.asked.append({"path": url.path, "allowed": allowed, **query})
        if not allowed:
            return self._answer(401, {"kind": "Status", "code": 401})
        if url.path != "/api/v1/pods":
            return self._answer(404, {"kind": "Status", "code": 404})
        return self._watch(query, interruptions) if query.get("watch") else self._list(query)

    def _list(self, query):
        start = json.loads(base64.b64decode(query["continue"]))["start"] if "continue" in query else 0
        node = query["fieldSelector"].split(",")[0].removeprefix("spec.nodeName=")
        self._answer(200, self.api.page(node, start, int(query.get("limit", 1000))))

    def _answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _watch(self, query, interruptions):
        script = self.api.next_script()
        if script == "expire at once":
            return self._answer(410, {"kind": "Status", "code": 410})
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        version = int(query["resourceVersion"])
        if script in ("expire", "garbage"):
            version = self._tell_news(version, 0.2)
            self._line({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
                       if script == "expire" else "<html>no watch</html>")
        elif script == "cut":
            self._chunk(b'{"type":"ADDED","object":{"metadata":{"uid":"half')
            self.close_connection = True
            return self.connection.close()  # without the last chunk
        elif script in ("drip", "behave"):
            deadline = time.monotonic() + (3 if script == "drip" else 240)
            while time.monotonic() < deadline and self.api.interruptions() == interruptions:
                version = self._tell_news(version, 0.5, drip=script == "drip")
                self._line({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": str(version)}}})
        return self._chunk(b"")

    def _tell_news(self, version, timeout_s, drip=False):
        for event in self.api.events_after(version, timeout_s):
            self._line(event, drip)
            version = int(event["object"]["metadata"]["resourceVersion"])
        return version

    def _line(self, event, drip=False):
        line = (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n"
        step = 97 if drip else len(line)
        for start in range(0, len(line), step):
            self._chunk(line[start:start + step])
            time.sleep(0.01 if drip else 0)

    def _chunk(self, data):
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        except OSError:
            self.close_connection = True
            raise


def pod_object(pod, name, labels, owner=None, annotations=None, container="web", image="registry.example:5000/shop:1.2"):
    """What an API server says of a pod of lab.cluster."""
    metadata = {"uid": pod.uid, "name": name, "namespace": "store", "labels": labels, "annotations": annotations or {},
                "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}]}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "uid": "0", "controller": True}]
    status = {"name": container, "image": image, "imageID": f"{image}@sha256:{'0' * 64}", "containerID": f"containerd://{pod.container_id}"}
    return {"metadata": metadata, "spec": {"nodeName": pod.node, "containers": [{"name": container, "image": image}]},
            "status": {"phase": "Running", "podIP": pod.address, "podIPs": [{"ip": pod.address}], "containerStatuses": [status]}}
