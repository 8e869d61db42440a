# SPDX-License-Identifier: Apache-2.0
"""What may stand before, behind or between the programs that end TLS: relays of bytes (socat, nginx `stream`, HAProxy in
tcp mode, with and without a PROXY protocol header), and HAProxy that opens a TLS connection of its own."""

from lab.fronts.front import Door, Front

NOBODY = 65534
_NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; user www-data; worker_processes 1; pid {directory}/nginx.pid;
events {{ worker_connections 256; }}
stream {{ server {{ listen 127.0.0.1:{port}{ends}; proxy_pass {server}; proxy_protocol {header}; }} }}
"""
_ENDS = (" ssl; ssl_certificate {server}; ssl_certificate_key {key}; ssl_client_certificate {ca}; "
         "ssl_verify_client optional; ssl_protocols TLSv1.2 TLSv1.3")
_HAPROXY = """
global
  user www-data
  group www-data
defaults
  mode {mode}
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen relay
  bind 127.0.0.1:{port}{ends}
  server behind {server} {options}
"""
_SEND = {None: "", 1: "send-proxy", 2: "send-proxy-v2"}


class Relay(Front):
    logs_facts = False

    def __init__(self, directory, pki):
        door = Door()
        self.port = door.port
        self.name = f"{self.name}-{door.port}"
        super().__init__(directory, pki, [door])

    def write(self, name, text):
        file = self.directory / name
        file.write_text(text)
        file.chmod(0o600)
        return file


class Socat(Relay):
    """A process a connection. uid: of an unprivileged owner, None for root. address: where it listens."""

    name = "socat"

    def __init__(self, directory, pki, server, uid=None, address="127.0.0.1"):
        super().__init__(directory, pki)
        self.start([*as_user(uid), "/usr/bin/socat", f"TCP-LISTEN:{self.port},bind={address},fork,reuseaddr",
                    f"TCP:{server}"])


class NginxStream(Relay):
    """header: None or 1, the version of the PROXY protocol. tls: ends TLS after all, and asks for a certificate."""

    name = "stream"

    def __init__(self, directory, pki, server, header=None, tls=False):
        super().__init__(directory, pki)
        ends = _ENDS.format(server=pki.server_certificate_file, key=pki.server_key_file, ca=pki.client_ca_file) if tls else ""
        configuration = self.write("nginx.conf", _NGINX.format(
            directory=self.directory, port=self.port, server=server, ends=ends, header="on" if header else "off"))
        self.start(["/usr/sbin/nginx", "-c", configuration, "-e", self.directory / "nginx.error"])


class HAProxyRelay(Relay):
    """header: None, 1 or 2. mode: "tcp", or "http" for a plaintext proxy."""

    name = "haproxy"

    def __init__(self, directory, pki, server, header=None, mode="tcp"):
        super().__init__(directory, pki)
        self.start(["/usr/sbin/haproxy", "-db", "-f", self.write("haproxy.cfg", _HAPROXY.format(
            mode=mode, port=self.port, server=server, ends="", options=_SEND[header]))])


class Reencrypting(Relay):
    """HAProxy that ends TLS and opens its own to the next proxy. own: its certificate there."""

    name = "reencrypting"

    def __init__(self, directory, pki, server, own):
        super().__init__(directory, pki)
        pem = self.write("server.pem", pki.server_certificate_file.read_text() + pki.server_key_file.read_text())
        own_pem = self.write("own.pem", own.certificate_file.read_text() + own.key_file.read_text())
        self.start(["/usr/sbin/haproxy", "-db", "-f", self.write("haproxy.cfg", _HAPROXY.format(
            mode="http", port=self.port, server=server, options=f"ssl verify none crt {own_pem}",
            ends=f" ssl crt {pem} ca-file {pki.client_ca_file} verify optional"))])


class OwnRelay(Relay):
    """stunnel as an unprivileged user runs it, with an authority of his own."""

    name = "own"

    def __init__(self, directory, pki, server, authority):
        super().__init__(directory, pki)
        files = [self.write(file.name, file.read_text())
                 for file in (pki.server_certificate_file, pki.server_key_file, authority)]
        configuration = self.write("stunnel.conf", (
            f"foreground = yes\npid =\nsyslog = no\n[relay]\naccept = 127.0.0.1:{self.port}\nconnect = {server}\n"
            f"cert = {files[0]}\nkey = {files[1]}\nCAfile = {files[2]}\nverify = 1\nsslVersionMin = TLSv1.2\n"))
        for file in (*files, configuration):
            file.chmod(0o644)
        self.start([*as_user(NOBODY), "/usr/bin/stunnel4", configuration])


def as_user(uid):
    return [] if uid is None else ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--"]
