# SPDX-License-Identifier: Apache-2.0
"""The protected side: the Django project under gunicorn, or under its own runserver."""

import http.client
import re
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

from lab.host import Child, children_of, free_port, wait_until

PROJECT = Path(__file__).parent / "shop_project"
READY_PATH = "/ready"  # asked while a server starts; the checks expect no verdict about it

_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}
_ACCESS_FORMAT = "%({x-request-id}i)s %(p)s %(m)s %(U)s %(s)s"
_ACCESS_LINE = re.compile(r"^(?P<request_id>\S+) <(?P<pid>\d+)> (?P<method>\S+) (?P<path>\S+) (?P<status>\d+)$")


@dataclass
class Backend:
    """Where a server listens. One port serves both IP families."""
    name: str
    directory: Path
    port: int = field(default_factory=free_port)
    addresses: tuple = ("127.0.0.1", "::1")
    unix_path: Path = None
    child: Child = None

    def listen(self):
        """The addresses as gunicorn and mtlswatch's configuration write them."""
        ip = [f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}" for address in self.addresses]
        return ip + ([f"unix:{self.unix_path}"] if self.unix_path else [])

    def stop(self):
        return self.child.stop()

    def wait_ready(self):
        if not wait_until(self._answers, interval_s=0.1):
            raise RuntimeError(f"{self.name} does not answer on port {self.port}: {self.child.errors()}")

    def _answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("GET", READY_PATH, headers={"Connection": "close"})
            return connection.getresponse().status == 200
        except OSError:
            return False


class Gunicorn(Backend):
    """gunicorn as root with its workers as www-data, on TCP and on a Unix socket at once."""

    def worker_pids(self):
        return children_of(self.child.pid)

    def requests_seen(self):
        """What gunicorn itself logged: one dict a request, READY_PATH left out."""
        rows = [_ACCESS_LINE.match(line) for line in self._access_log().read_text().splitlines()]
        return [row.groupdict() for row in rows if row and row["path"] != READY_PATH]

    def _access_log(self):
        return self.directory / f"{self.name}.access"


def start_gunicorn(directory, name="shop", kind="gthread", workers=2, addresses=("127.0.0.1", "::1"), prepare=None, extra=(),
                   ready=True):
    """kind: "sync" answers one request a connection; "gthread" keeps connections alive. prepare(project): changes the
    copy of the project before it is started. extra: more arguments. ready=False: it does not answer plain HTTP."""
    project = directory / f"{name}-project"
    shutil.copytree(PROJECT, project)
    if prepare:
        prepare(project)
    server = Gunicorn(name, directory, addresses=addresses, unix_path=directory / f"{name}.sock")
    binds = [argument for address in server.listen() for argument in ("--bind", address)]
    server.child = Child(name, [
        "/usr/bin/gunicorn", *binds, "--worker-class", kind, "--workers", workers, "--threads",
        8 if kind == "gthread" else 1, "--keep-alive", 75, "--user", "www-data", "--group", "www-data",
        "--access-logfile", server._access_log(), "--access-logformat", _ACCESS_FORMAT,
        "--chdir", project, *extra, "shop.wsgi"], directory, _ENVIRONMENT)
    if ready:
        server.wait_ready()
    return server


class Uwsgi(Backend):
    """uwsgi workers behind a proxy that speaks the uwsgi protocol, so a readiness poll over HTTP would be refused."""

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


def start_uwsgi(directory, name="uwsgi"):
    """uwsgi: a master and two workers on one TCP port."""
    project = directory / f"{name}-project"
    shutil.copytree(PROJECT, project)
    server = Uwsgi(name, directory, addresses=("127.0.0.1",))
    server.child = Child(name, [
        "/usr/bin/uwsgi-core", "--plugins", "python3", "--master", "--die-on-term", "--need-app", "--processes", 2,
        "--uid", "www-data", "--gid", "www-data", "--socket", f"127.0.0.1:{server.port}", "--pythonpath", project,
        "--module", "shop.wsgi"], directory, _ENVIRONMENT)
    server.wait_ready()
    return server


def start_runserver(directory, name="runserver"):
    """manage.py runserver --noreload: Django's development server, one process."""
    project = directory / f"{name}-project"
    shutil.copytree(PROJECT, project)
    server = Backend(name, directory, addresses=("127.0.0.1",))
    server.child = Child(name, ["/usr/bin/python3", project / "manage.py", "runserver", "--noreload",
                                f"127.0.0.1:{server.port}"], directory, _ENVIRONMENT)
    server.wait_ready()
    return server
