# SPDX-License-Identifier: Apache-2.0
"""Where the agent sends events: a webhook server, a real Alertmanager, a real rsyslog, and peers that do not listen."""

import hashlib
import hmac
import http.server
import json
import re
import socket
import ssl
import threading
import urllib.request

from lab.host import Child, free_port, wait_until

SECRET = "a shared secret"


class WebhookServer:
    """HTTPS that wants a client certificate; keeps what it is sent. refuse: statuses of the first answers."""

    def __init__(self, pki, refuse=()):
        self.posts, self._refuse = [], list(refuse)  # (event id, body, peer's subject)
        self.problems = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.server_certificate_file, pki.server_key_file)
        context.load_verify_locations(pki.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(owner.take(body, self.headers, self.connection.getpeercert()))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def take(self, body, headers, certificate):
        """The status to answer with. A signature that does not hold is a problem, and refused."""
        match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers.get("X-Mtlswatch-Signature", ""))
        expected = match and hmac.new(SECRET.encode(), match[1].encode() + b"." + body, hashlib.sha256).hexdigest()
        if not match or not hmac.compare_digest(expected, match[2]):
            self.problems.append(f"signature {headers.get('X-Mtlswatch-Signature')!r}")
            return 403
        if self._refuse:
            return self._refuse.pop(0)
        names = dict(pair[0] for pair in certificate["subject"])
        self.posts.append((headers["X-Mtlswatch-Event-Id"], json.loads(body), names["commonName"]))
        return 204

    def events(self):
        return [event for _, body, _ in self.posts for event in body.get("alerts", []) + body.get("events", [])]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    """Debian's prometheus-alertmanager, alone on free ports."""

    def __init__(self, directory):
        self.url = f"http://127.0.0.1:{free_port()}"
        configuration = directory / "alertmanager.yml"
        configuration.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self.child = Child("alertmanager", [
            "/usr/bin/prometheus-alertmanager", f"--config.file={configuration}", f"--storage.path={directory}/alertmanager",
            f"--web.listen-address={self.url[7:]}", "--cluster.listen-address="], directory)
        if not wait_until(self._answers, interval_s=0.1):
            raise RuntimeError(f"alertmanager does not answer: {self.child.errors()}")

    def _answers(self):
        try:
            return self.alerts() is not None
        except OSError:
            return False

    def alerts(self):
        """Those it holds as active, by their rule id."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=20) as answer:
            return {alert["labels"]["rule_id"]: alert for alert in json.load(answer)}

    def stop(self):
        return self.child.stop()


class Rsyslog:
    """Debian's rsyslogd as the receiver of RFC 5424 over TCP; writes the messages' texts to a file, one a line."""

    def __init__(self, directory):
        self.port, self._file = free_port(), directory / "rsyslog.events"
        configuration = directory / "rsyslog.conf"
        configuration.write_text(
            f'global(workDirectory="{directory}" maxMessageSize="256k")\n'
            'module(load="imtcp")\n'
            'template(name="text" type="string" string="%syslogseverity% %app-name% %msgid% %msg%\\n")\n'
            f'ruleset(name="events") {{ action(type="omfile" file="{self._file}" template="text") }}\n'
            f'input(type="imtcp" port="{self.port}" address="127.0.0.1" ruleset="events")\n')
        self.child = Child("rsyslog", ["/usr/sbin/rsyslogd", "-n", "-f", configuration, "-i", directory / "rsyslog.pid"], directory)
        if not wait_until(self._answers, interval_s=0.1):
            raise RuntimeError(f"rsyslog does not listen: {self.child.errors()}")

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def events(self):
        """(severity, application, message id, event) a message."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [(*line.split(" ", 3)[:3], json.loads(line.split(" ", 3)[3])) for line in lines]

    def stop(self):
        return self.child.stop()


class SilentPeer:
    """Accepts a connection and never reads from it."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self.port = self._listener.getsockname()[1]

    def stop(self):
        self._listener.close()
