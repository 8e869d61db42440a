# SPDX-License-Identifier: Apache-2.0
"""Apache httpd with mod_ssl and mod_proxy_http, under the event or the prefork MPM."""

import json
import re
from dataclasses import replace

from lab.fronts.front import CHAIN_ERRORS, GIVES_UP_S, Front, Seen, plain_serial

PRIVATE_PATH = "/private"  # a certificate is asked for when this is requested: renegotiation, or after the handshake

_MODULES = ("authz_core", "log_config", "reqtimeout", "socache_shmcb", "ssl", "proxy", "proxy_http", "headers", "unixd",
            "setenvif")
_BUILT_IN = ("log_config", "unixd")
_FACTS = ('{\\"source_port\\":%{remote}p,\\"port\\":%{local}p,\\"verify\\":\\"%{SSL_CLIENT_VERIFY}x\\",'
          '\\"serial\\":\\"%{SSL_CLIENT_M_SERIAL}x\\",\\"resumed\\":\\"%{SSL_SESSION_RESUMED}x\\",'
          '\\"sni\\":\\"%{SSL_TLS_SNI}x\\",\\"request_id\\":\\"%{X-Request-ID}i\\"}')
_MAIN = """
ServerRoot {directory}
ServerName localhost
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
Mutex file:{directory}
{modules}
User www-data
Group www-data
Timeout 120
RequestReadTimeout handshake={gives_up} header=60
KeepAlive On
MaxKeepAliveRequests 0
LogLevel info
ErrorLog {directory}/apache.error
ErrorLogFormat "[client %{{c}}a] [local %A] %M"
LogFormat "{facts}" truth
CustomLog {directory}/apache.access truth
SSLSessionCache shmcb:{directory}/sessions(2000000)
"""
_VERIFY = {"required": "require", "revoking": "require", "optional": "optional", "ignoring": "optional_no_ca", "none": "none"}
_PORTS = r"\[client 127\.0\.0\.1:(?P<source>\d+)\] \[local 127\.0\.0\.1:(?P<port>\d+)\]"
_FAILED = re.compile(_PORTS + r".*Certificate Verification: Error \((?P<code>\d+)\)(?:.*\[subject: .*?CN=(?P<name>[^,/\]]+))?")
# optional_no_ca. Apache 2.4.71 then says SUCCESS of a TLS 1.2 session that is resumed, though its certificate never verified.
_FORGIVEN = re.compile(_PORTS + r".*AH02009: SSL client authentication failed, accepting")


def _tls(door, pki):
    if door.mode is None:
        return ""
    revoking = f"SSLCARevocationFile {pki.client_crl_file}\nSSLCARevocationCheck leaf\n" if door.mode == "revoking" else ""
    return (f"SSLEngine on\nSSLCertificateFile {pki.server_certificate_file}\nSSLCertificateKeyFile {pki.server_key_file}\n"
            f"SSLCACertificateFile {pki.client_ca_file}\nSSLVerifyClient {_VERIFY[door.mode]}\nSSLProtocol -all +TLSv1.2 +TLSv1.3\n"
            f"SSLVerifyDepth 3\n{revoking}"
            f"SSLSessionTickets {'on' if door.sessions == 'tickets' else 'off'}\n"
            f"<Location {PRIVATE_PATH}>\nSSLVerifyClient {_VERIFY['required' if door.mode == 'none' else door.mode]}\n</Location>\n")


def _host(door, pki, server, directives):
    return (f"Listen 127.0.0.1:{door.port}\n<VirtualHost 127.0.0.1:{door.port}>\n{_tls(door, pki)}"
            f"ProxyPass / http://{server}/ keepalive=On\nProxyPreserveHost On\n{directives}</VirtualHost>\n")


class Apache(Front):
    """mpm: "event" or "prefork". http2: speaks nothing else. Doors of mode "none" ask for a certificate at PRIVATE_PATH.
    directives: more lines for every virtual host."""

    name = "apache"
    logs_depth = True

    def __init__(self, directory, pki, doors, server, mpm="event", http2=False, directives=""):
        self.name = "apache" + ("" if mpm == "event" else f"-{mpm}") + ("-h2" if http2 else "")
        super().__init__(directory, pki, doors)
        configuration = self.directory / "apache.conf"
        modules = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                   for name in (*_MODULES, *(["http2"] if http2 else []), f"mpm_{mpm}") if name not in _BUILT_IN]
        configuration.write_text(_MAIN.format(directory=self.directory, modules="\n".join(modules), facts=_FACTS, gives_up=GIVES_UP_S)
                                 + ("Protocols h2\n" if http2 else "") + "".join(_host(door, pki, server, directives) for door in self.doors))
        self.start(["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", configuration])

    def problems(self):
        log = self.directory / "apache.error"
        return super().problems() + (log.read_text(errors="replace")[-2000:] if log.exists() else "")

    def forgives(self, _door, verify_code):
        return verify_code in CHAIN_ERRORS

    def seen(self):
        rows = [json.loads(line) for line in (self.directory / "apache.access").read_text().splitlines()]
        found = {(row["source_port"], row["port"]): _seen(row) for row in rows}
        for line in (self.directory / "apache.error").read_text(errors="replace").splitlines():
            failed, forgiven = _FAILED.search(line), _FORGIVEN.search(line)
            if failed:
                found[int(failed["source"]), int(failed["port"])] = Seen(verify_code=int(failed["code"]), verify_depth=_depth(failed["name"]))
            if forgiven:
                key = int(forgiven["source"]), int(forgiven["port"])
                found[key] = replace(found.get(key, Seen()), verify_code=None)
        return found


def _depth(name):
    """No chain that fails here has more than one authority below its root."""
    return None if name is None else int(name.strip().endswith(" CA"))


def _seen(row):
    """FAILED and GENEROUS carry no number: only the error log may have one."""
    code = 0 if row["verify"] in ("SUCCESS", "NONE") else None
    return Seen(plain_serial(row["serial"].strip("-")), None, code, row["resumed"] == "Resumed", row["sni"].strip("-"))
