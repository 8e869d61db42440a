# SPDX-License-Identifier: Apache-2.0
"""HAProxy with two threads."""

import json

from lab.fronts.front import GIVES_UP_S, Front, Seen, plain_serial

_FACTS = ('{"source_port":%cp,"port":%fp,"used":"%[ssl_c_used]","serial":"%[ssl_c_serial,hex]","verify":"%[ssl_c_verify]",'
          '"resumed":"%[ssl_fc_is_resumed]","sni":"%[ssl_fc_sni]","error":"%[fc_err]","leaf_error":"%[ssl_c_err]",'
          '"ca_error":"%[ssl_c_ca_err]","ca_depth":"%[ssl_c_ca_err_depth]","request_id":"%[var(txn.id)]"}')
_MAIN = """
global
  nbthread 2
  maxconn 2000
  user www-data
  group www-data
  log stdout format raw local0 info
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  log global
  timeout connect 60s
  timeout client {client}s
  timeout server 120s
  timeout queue 120s
  log-format '{facts}'
  error-log-format '{facts}'
"""
_VERIFY = {"required": "verify required", "revoking": "verify required crl-file {crl}", "optional": "verify optional", "none": "verify none",
           "ignoring": "verify optional crt-ignore-err all ca-ignore-err all"}


def _frontend(door, pem, pki, alpn, directives):
    tls = "" if door.mode is None else (f"ssl crt {pem} ca-file {pki.client_ca_file} {_VERIFY[door.mode].format(crl=pki.client_crl_file)} alpn {alpn}"
                                        + ("" if door.sessions == "tickets" else " no-tls-tickets"))
    return (f"frontend door{door.port}\n  bind 127.0.0.1:{door.port} {tls}\n"
            f"  http-request set-var(txn.id) req.hdr(x-request-id)\n{directives}  default_backend {door.variant or 'safe'}\n")


def _backend(variant, server, at_once, check):
    """variant: a value of http-reuse, or "queue": so many requests at once, the others wait."""
    reuse = "always" if variant == "queue" else variant
    limit = f" maxconn {at_once}" if variant == "queue" else ""
    option = f"  option httpchk\n  http-check send meth GET uri {check} ver HTTP/1.1 hdr Host shop hdr X-Request-ID check\n" if check else ""
    checked = " check inter 100ms" if check else ""
    return f"backend {variant}\n  http-reuse {reuse}\n{option}  server shop {server} pool-purge-delay 30s{limit}{checked}\n"


class HAProxy(Front):
    """variant: "never", "safe" (also ""), "aggressive", "always" or "queue". label: tells several of them apart.
    directives: more lines for every frontend. check: the path that health checks ask for. gives_up_s: on a client that falls silent."""

    name = "haproxy"
    logs_depth = True

    def __init__(self, directory, pki, doors, server, label="", at_once=1, alpn="http/1.1", directives="", check="", gives_up_s=GIVES_UP_S):
        self.name = "-".join(filter(None, ("haproxy", *label.replace(",", "").replace("/", "").split())))
        super().__init__(directory, pki, doors)
        pem, configuration = self.directory / "server.pem", self.directory / "haproxy.cfg"
        pem.write_text(pki.server_certificate_file.read_text() + pki.server_key_file.read_text())
        pem.chmod(0o600)
        variants = sorted({door.variant or "safe" for door in self.doors})
        configuration.write_text(_MAIN.format(facts=_FACTS, client=gives_up_s) + "".join(
            [_frontend(door, pem, pki, alpn, directives) for door in self.doors] + [
                _backend(variant, server, at_once, check) for variant in variants]))
        self.start(["/usr/sbin/haproxy", "-db", "-f", configuration])

    def seen(self):
        found = {}
        for line in self.child.stdout_path.read_text().splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                found[row["source_port"], row["port"]] = _seen(row)
        return found


def _seen(row):
    """A failed handshake's line knows no certificate, and "-" stands for what does not exist."""
    failed = row["error"] not in ("0", "-", "")
    code = int(row["verify"]) if row["verify"].isdigit() and not failed else None
    serial = None if failed else plain_serial(row["serial"].strip("-"))
    resumed = None if failed or row["resumed"] not in ("0", "1") else row["resumed"] == "1"
    return Seen(serial, None, code, resumed, None if failed else row["sni"].strip("-"), None if resumed else _error_depth(row))


def _error_depth(row):
    if row["ca_error"].isdigit() and int(row["ca_error"]):
        return int(row["ca_depth"])
    return 0 if row["leaf_error"].isdigit() and int(row["leaf_error"]) else None
