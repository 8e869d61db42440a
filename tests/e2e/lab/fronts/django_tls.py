# SPDX-License-Identifier: Apache-2.0
"""Django's own servers ending TLS themselves: gunicorn, uvicorn, hypercorn and uwsgi's https router. Their logs say nothing about
certificates; the client's word is all there is."""

import shutil

from lab.django_server import PROJECT
from lab.fronts.front import GIVES_UP_S, Door, Front

_REQUIREMENT = {"required": 2, "optional": 1}  # ssl.CERT_*
_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "DJANGO_SETTINGS_MODULE": "shop.settings"}


class _DjangoTls(Front):
    """One process tree a door."""

    logs_facts = False
    trusted = False  # Django itself: the case "chains" is about its requests
    old_protocol_reasons = ("unsupported_protocol", "no_suitable_signature_algorithm")

    def __init__(self, directory, pki, mode):
        self.name = f"{self.name}-{mode}"
        super().__init__(directory, pki, [Door(mode)])
        self._project = self.directory / "project"
        shutil.copytree(PROJECT, self._project)
        self.start(self._argv(self.doors[0], self._project), {**_ENVIRONMENT, "PYTHONPATH": str(self._project)})


class GunicornTls(_DjangoTls):
    """Makes a TLS context for every connection, which knows no session of before."""

    name = "gunicorn"
    gives_up = False
    resumes = False
    options = ()

    def _argv(self, door, project):
        return ["/usr/bin/gunicorn", "--bind", f"127.0.0.1:{door.port}", "--workers", 1, "--worker-class", "gthread",
                "--threads", 4, "--certfile", self.pki.server_certificate_file, "--keyfile", self.pki.server_key_file,
                "--ca-certs", self.pki.client_ca_file, "--cert-reqs", _REQUIREMENT[door.mode], *self.options,
                "--chdir", project, "shop.wsgi"]


class GunicornTlsAtOnce(GunicornTls):
    """Shakes hands before it reads, by a call of its own, and not in the course of reading."""

    name = "gunicorn-at-once"
    options = ("--do-handshake-on-connect",)


class UvicornTls(_DjangoTls):
    name = "uvicorn"
    gives_up = False

    def _argv(self, door, _project):
        return ["/usr/bin/python3", "-m", "uvicorn", "--host", "127.0.0.1", "--port", door.port, "--lifespan", "off",
                "--ssl-certfile", self.pki.server_certificate_file, "--ssl-keyfile", self.pki.server_key_file,
                "--ssl-ca-certs", self.pki.client_ca_file, "--ssl-cert-reqs", _REQUIREMENT[door.mode], "shop.asgi:application"]


class HypercornTls(UvicornTls):
    name = "hypercorn"

    def _argv(self, door, _project):
        return ["/usr/bin/hypercorn", "--bind", f"127.0.0.1:{door.port}", "--certfile", self.pki.server_certificate_file,
                "--keyfile", self.pki.server_key_file, "--ca-certs", self.pki.client_ca_file,
                "--verify-mode", "CERT_" + door.mode.upper(), "shop.asgi:application"]


class UwsgiTls(_DjangoTls):
    """The http plugin's router ends TLS in a process of its own and speaks the uwsgi protocol to the workers."""

    name = "uwsgi"
    never_resumed = ("TLSv1.2 id",)

    def _argv(self, door, project):
        authority = ("!" if door.mode == "required" else "") + str(self.pki.client_ca_file)
        address = f"127.0.0.1:{door.port},{self.pki.server_certificate_file},{self.pki.server_key_file},HIGH,{authority}"
        return ["/usr/bin/uwsgi-core", "--plugins", "http,python3", "--master", "--die-on-term", "--need-app",
                "--https", address,
                "--http-timeout", GIVES_UP_S, "--socket", self.directory / "uwsgi.sock", "--processes", 1,
                "--pythonpath", project, "--module", "shop.wsgi"]
