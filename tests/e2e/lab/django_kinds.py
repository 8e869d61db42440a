# SPDX-License-Identifier: Apache-2.0
"""Every kind of server that Django runs under, each on one TCP port: process models, concurrency, protocols."""

import shutil
from dataclasses import dataclass

from lab.django_server import PROJECT, Backend, Uwsgi
from lab.host import Child

_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}
_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Kind:
    """argv: what to run, "{port}", "{project}", "{directory}" filled in. The rest: what the server can do."""
    name: str
    argv: tuple
    protocol: str = "http"
    keepalive: bool = True
    chunked: bool = True  # takes request bodies without a length
    pipelines: bool = True  # answers what came with an earlier request
    one_entrance: bool = False  # a process of its own reads all requests, and is the one that an event names
    asgi: bool = False  # reads bodies ahead of the application; speaks WebSockets


def _gunicorn(worker_class, *options, application="shop.wsgi"):
    return ("/usr/bin/gunicorn", "--bind", "127.0.0.1:{port}", "--worker-class", worker_class, "--workers", "3",
            "--keep-alive", "75", "--user", "www-data", "--group", "www-data", *options, "--chdir", "{project}", application)


def _uwsgi(*sockets, plugins="python3"):
    return ("/usr/bin/uwsgi-core", "--plugins", plugins, "--master", "--die-on-term", "--need-app", "--processes", "2",
            "--threads", "2", "--buffer-size", "16384", "--uid", "www-data", "--gid", "www-data", *sockets, "--pythonpath", "{project}", "--module",
            "shop.wsgi")


KINDS = (
    Kind("gunicorn-sync", _gunicorn("sync"), keepalive=False, pipelines=False),
    Kind("gunicorn-gthread", _gunicorn("gthread", "--threads", "4"), pipelines=False),
    Kind("gunicorn-gevent", _gunicorn("gevent")),
    Kind("gunicorn-uvicorn", _gunicorn("uvicorn.workers.UvicornWorker", application="shop.asgi:application"), asgi=True),
    Kind("uvicorn", (_PYTHON, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "2", "--lifespan", "off",
                     "--app-dir", "{project}", "--timeout-keep-alive", "75", "shop.asgi:application"), asgi=True),
    Kind("daphne", ("/usr/bin/daphne", "--bind", "127.0.0.1", "--port", "{port}", "shop.asgi:application"), asgi=True),
    Kind("hypercorn", (_PYTHON, "-m", "hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--keep-alive", "75",
                       "shop.asgi:application"), asgi=True),
    Kind("uwsgi", _uwsgi("--socket", "127.0.0.1:{port}"), protocol="uwsgi", keepalive=False, chunked=False, pipelines=False),
    Kind("uwsgi-http-socket", _uwsgi("--http-socket", "127.0.0.1:{port}"), keepalive=False, chunked=False, pipelines=False),
    Kind("uwsgi-router", _uwsgi("--http", "127.0.0.1:{port}", plugins="http,python3"), keepalive=False, chunked=False,
         pipelines=False, one_entrance=True),
)


def start_kind(directory, kind):
    """A running server of this kind, which ends with stop()."""
    project = directory / f"{kind.name}-project"
    shutil.copytree(PROJECT, project)
    server_class = Uwsgi if kind.protocol == "uwsgi" else Backend
    server = server_class(kind.name, project, addresses=("127.0.0.1",))
    argv = [part.format(port=server.port, project=project, directory=directory) for part in kind.argv]
    server.child = Child(kind.name, argv, project, {**_ENVIRONMENT, "PYTHONPATH": str(project)})
    server.wait_ready()
    return server
