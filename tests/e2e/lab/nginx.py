# SPDX-License-Identifier: Apache-2.0
"""A real nginx with a generated configuration: many listeners, several upstreams, an access log that says for every
request whose certificate nginx saw. That log is the ground truth the laboratory is checked against."""

import json
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

from lab.host import Child, children_of, free_port, wait_until


@dataclass(frozen=True)
class Upstream:
    """One way from nginx to a backend."""
    name: str
    server: str  # as nginx writes it: "127.0.0.1:8000", "unix:/run/app.sock"
    keepalive: bool = True
    protocol: str = "http"  # or "uwsgi", or "https"


@dataclass(frozen=True)
class Listener:
    """One port of nginx. verify is None for plaintext, else a value of ssl_verify_client."""
    upstream: Upstream
    verify: str = None
    protocol: str = "TLSv1.3"
    http2: bool = False
    address: str = "127.0.0.1"
    limit_requests: bool = False  # limit_req with a delay: nginx queues requests
    upgrade: bool = False  # WebSockets are passed on
    groups: str = "auto"  # for the key exchange, in nginx's words
    resolver: str = None  # address of a name server: the upstream's name is looked up for every request
    authorize: bool = False  # auth_request: a subrequest to the upstream comes first, under /auth
    client_ca: str = ""  # whom it trusts, instead of the laboratory's clients' authority
    include: str = ""  # a file of directives for the location, instead of this laboratory's headers
    extra: str = ""  # more directives for the location
    proxy_protocol: bool = False  # every connection begins with a PROXY protocol header
    early_data: bool = False  # TLS 1.3's 0-RTT is taken
    load_certificate: bool = False  # nginx reads its own certificate anew within each handshake
    port: int = field(default_factory=free_port)

    @property
    def tls(self):
        return self.verify is not None


_MAIN = """
daemon off; user www-data; worker_processes {workers}; pid {base}.pid; error_log {base}.error info;
worker_shutdown_timeout 60s;
events {{ worker_connections {connections}; }}
http {{
  map $ssl_server_name $certificate {{ default {certificate}; }}
  log_format truth escape=json '{{"request_id":"$http_x_request_id","uri":"$request_uri","status":$status,'
    '"source_ip":"$remote_addr","source_port":$remote_port,"port":$server_port,"verify":"$ssl_client_verify",'
    '"serial":"$ssl_client_serial","protocol":"$ssl_protocol","wire":"$server_protocol","pid":$pid}}';
  access_log {base}.access truth;
  client_body_temp_path {base}-body; proxy_temp_path {base}-proxy; fastcgi_temp_path {base}-fastcgi;
  uwsgi_temp_path {base}-uwsgi; scgi_temp_path {base}-scgi;
  proxy_read_timeout 120s; client_header_timeout 300s; keepalive_timeout 300s; client_max_body_size 8m;
  limit_req_zone $server_port zone=queue:1m rate=400r/s;
  proxy_set_header Host $http_host;
  proxy_set_header X-SSL-Client-Verify $ssl_client_verify; proxy_set_header X-SSL-Client-Subject $ssl_client_s_dn;
  proxy_set_header X-SSL-Client-Issuer $ssl_client_i_dn; proxy_set_header X-SSL-Client-Serial $ssl_client_serial;
  proxy_set_header Connection "";
  {cache}
  {upstreams}
  {servers}
}}
"""


# Identity as request headers, and as variables of nginx's own.
_UWSGI_IDENTITY = ("include /etc/nginx/uwsgi_params; uwsgi_param HTTP_X_SSL_CLIENT_VERIFY $ssl_client_verify; "
                   "uwsgi_param SSL_CLIENT_S_DN $ssl_client_s_dn; uwsgi_param SSL_CLIENT_SERIAL $ssl_client_serial;")


def _upstream_text(upstream):
    keepalive = "keepalive 16; keepalive_requests 10000;" if upstream.keepalive else ""
    return f"upstream {upstream.name} {{ server {upstream.server}; {keepalive} }}"


def _tls_text(listener, pki):
    certificate = "$certificate" if listener.load_certificate else pki.server_certificate_file
    ciphers = "ssl_ciphers ALL:@SECLEVEL=0; " if listener.protocol == "TLSv1.1" else ""  # else OpenSSL 3 refuses it
    return (f"ssl_certificate {certificate}; ssl_certificate_key {pki.server_key_file}; "
            f"{ciphers}ssl_protocols {listener.protocol}; ssl_client_certificate {listener.client_ca or pki.client_ca_file}; "
            f"ssl_verify_client {listener.verify}; ssl_ecdh_curve {listener.groups}; "
            f"ssl_early_data {'on' if listener.early_data else 'off'};")


def _server_text(listener, pki):
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    flags = "".join(f" {flag}" for flag, wanted in (
        ("ssl", listener.tls), ("http2", listener.http2), ("proxy_protocol", listener.proxy_protocol)) if wanted)
    version = "1.1" if listener.upstream.keepalive else "1.0"
    scheme = "https" if listener.upstream.protocol == "https" else "http"
    forward = f"proxy_pass {scheme}://{listener.upstream.name}; proxy_http_version {version};"
    if scheme == "https":
        forward += " proxy_ssl_protocols TLSv1.3; proxy_ssl_name localhost;"
    if listener.upstream.protocol == "uwsgi":
        forward = f"uwsgi_pass {listener.upstream.name}; {_UWSGI_IDENTITY}"
    if listener.upgrade:
        forward += ' proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $http_host;'
    if listener.resolver:
        port = listener.upstream.server.rpartition(":")[2]
        forward = (f"resolver {listener.resolver} ipv6=off valid=1s; set $shop shop.example; "
                   f"proxy_pass http://$shop:{port}; proxy_http_version {version};")
    limit = "limit_req zone=queue burst=10000;" if listener.limit_requests else ""
    include = f"include {listener.include};" if listener.include else ""
    authorize = "auth_request /auth;" if listener.authorize else ""
    inner = (f"location = /auth {{ internal; {forward} proxy_pass_request_body off; "
             'proxy_set_header Content-Length ""; }') if listener.authorize else ""
    if "mirror /mirrored;" in listener.extra:
        inner = f"location = /mirrored {{ internal; proxy_pass http://{listener.upstream.name}/mirrored$request_uri; }}"
    return (f"server {{ listen {address}:{listener.port}{flags}; {_tls_text(listener, pki) if listener.tls else ''} "
            f"{inner} location / {{ {limit} {authorize} {include} {listener.extra} {forward} }} }}")


class Nginx:
    """A running nginx: master as root, workers as www-data. prefix: what starts the program, as "env" would. cache: name of a cache
    that locations may use. knows_e: since 1.19.5 nginx can be told where its log is before it reads its configuration."""

    def __init__(self, directory, pki, listeners, workers=2, name="nginx", prefix=(), program="/usr/sbin/nginx", knows_e=True,
                 environment=None, cache="", connections=1024):
        self.base, self.configuration = directory / name, directory / f"{name}.conf"
        self._pki, self._workers, self._connections = pki, workers, connections
        self._cache = f"proxy_cache_path {self.base}-cache keys_zone={cache}:1m;" if cache else ""
        self._write_configuration(listeners)
        self.child = Child(name, [*prefix, program, "-c", self.configuration, *(["-e", f"{self.base}.error"] if knows_e else [])],
                           directory, environment)
        self._wait_ready()

    def _write_configuration(self, listeners):
        self.listeners = list(listeners)
        upstreams = {listener.upstream for listener in listeners}
        self.configuration.write_text(_MAIN.format(
            base=self.base, workers=self._workers, connections=self._connections, cache=self._cache,
            certificate=self._pki.server_certificate_file,
            upstreams="\n  ".join(map(_upstream_text, upstreams)),
            servers="\n  ".join(_server_text(listener, self._pki) for listener in listeners)))

    def _wait_ready(self):
        if not wait_until(lambda: all(map(self._accepts, self.listeners)) or not self.child.running()):
            raise RuntimeError(f"nginx does not listen: {self.child.errors()}")
        if not self.child.running():
            raise RuntimeError(f"nginx ended at start: {self.child.errors()}")

    @staticmethod
    def _accepts(listener):
        address = {"0.0.0.0": "127.0.0.1"}.get(listener.address, listener.address)
        try:
            socket.create_connection((address, listener.port), 1).close()
            return True
        except OSError:
            return False

    def worker_pids(self):
        return children_of(self.child.pid)

    def reload(self, listeners=None):
        """SIGHUP: new workers take over, with these listeners if given; the old ones finish their connections. Waits for a new
        worker."""
        if listeners:
            self._write_configuration(listeners)
        before = set(self.worker_pids())
        self.child.signal(signal.SIGHUP)
        if not wait_until(lambda: set(self.worker_pids()) - before):
            raise RuntimeError("nginx started no new worker after SIGHUP")

    def requests_seen(self):
        """What nginx itself logged: one dict a request, subrequests and unread requests left out."""
        rows = [json.loads(line) for line in Path(f"{self.base}.access").read_text().splitlines()]
        return [row for row in rows if row["request_id"]]

    def stop(self):
        return self.child.stop()
