# SPDX-License-Identifier: Apache-2.0
"""nginx with every kind of session cache, as an HTTP proxy, with uwsgi_pass, and as a plain TLS-ending `stream` proxy."""

import json
import re

from lab.fronts.front import GIVES_UP_S, Front, Seen, plain_serial
from lab.ground_truth import verify_code

_FACTS = ('{"source_port":$remote_port,"port":$server_port,"verify":"$ssl_client_verify","serial":"$ssl_client_serial",'
          '"resumed":"$ssl_session_reused","sni":"$ssl_server_name","connection":$connection}')
_TOLD = re.compile(r"\*(?P<connection>\d+) verify:0, error:(?P<code>\d+), depth:(?P<depth>\d+),")  # debug
_MAIN = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
error_log {directory}/nginx.error {level};
daemon off; user www-data; worker_processes 1; pid {directory}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  log_format truth escape=json '{facts}';
  access_log {directory}/nginx.access truth;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  client_header_timeout {gives_up}s; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  upstream shop {{ server {server}; keepalive 16; }}
  {http}
}}
stream {{
  log_format truth escape=json '{facts}';
  access_log {directory}/nginx.access truth;
  ssl_handshake_timeout {gives_up}s;
  {stream}
}}
"""
_VERIFY = {"required": "on", "revoking": "on", "optional": "optional", "ignoring": "optional_no_ca", "none": "off"}


def _cache(door):
    kind = "builtin:1000" if door.sessions == "builtin" else f"shared:door{door.port}:1m"
    return f"ssl_session_tickets {'on' if door.sessions == 'tickets' else 'off'}; ssl_session_cache {kind};"


def _tls(door, pki):
    if door.mode is None:
        return ""
    revoking = f"ssl_crl {pki.client_crl_file}; " if door.mode == "revoking" else ""
    return (f"{revoking}ssl_certificate {pki.server_certificate_file}; ssl_certificate_key {pki.server_key_file}; "
            f"ssl_protocols TLSv1.2 TLSv1.3; ssl_client_certificate {pki.client_ca_file}; "
            f"ssl_verify_client {_VERIFY[door.mode]}; {_cache(door)}")


def _server(door, pki, forward):
    flag = " ssl" if door.mode else ""
    return f"server {{ listen 127.0.0.1:{door.port}{flag}; {_tls(door, pki)} {forward} }}\n  "


class NginxFront(Front):
    """One kind of forwarding for all doors: "http", "uwsgi" (uwsgi_pass) or "stream". level: of its error log; "debug" tells of every verify error."""

    name = "nginx"
    logs_depth = True
    lenient = True

    def __init__(self, directory, pki, doors, server, kind="http", level="error"):
        self.name = "nginx" if kind == "http" else f"nginx-{kind}"
        self.refuses_after_handshake = kind == "stream"
        super().__init__(directory, pki, doors)
        forward = {"http": "location / { proxy_pass http://shop; }", "stream": f"proxy_pass {server};",
                   "uwsgi": f"location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass {server}; }}"}[kind]
        servers = "".join(_server(door, pki, forward) for door in self.doors)
        configuration = self.directory / "nginx.conf"
        configuration.write_text(_MAIN.format(
            directory=self.directory, level=level, gives_up=GIVES_UP_S, facts=_FACTS, server=server, http="" if kind == "stream" else servers,
            stream=servers if kind == "stream" else ""))
        log = self.directory / "nginx.error"
        self.start(["/usr/sbin/nginx", "-c", configuration, "-e", log])

    def seen(self):
        rows = [json.loads(line) for line in (self.directory / "nginx.access").read_text().splitlines()]
        log = (self.directory / "nginx.error").read_text(errors="replace")
        told = {int(match["connection"]): (int(match["code"]), int(match["depth"])) for match in _TOLD.finditer(log)}
        return {(row["source_port"], row["port"]): _seen(row, told.get(row["connection"])) for row in rows}


def _seen(row, last_error):
    """last_error: code and depth that the verify callback was told last."""
    code = verify_code(row["verify"])
    depth = last_error[1] if last_error and last_error[0] == code else None
    return Seen(plain_serial(row["serial"]), None, code, row["resumed"] == "r", row["sni"], depth)
