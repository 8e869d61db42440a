# SPDX-License-Identifier: Apache-2.0
"""The programs that the demonstration starts: nginx, gunicorn with Django, and the agent. Each ends by its own pid."""
import os
import pathlib
import shutil
import signal
import socket
import string
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
LISTENERS = ("strict", "optional", "unverified", "plaintext", "backend")


class ServiceError(Exception):
    """A program did not start, or ended early; exit_code is what the demonstration ends with."""

    def __init__(self, message, exit_code=1):
        super().__init__(message)
        self.exit_code = exit_code


def free_ports(names):
    """A free loopback port for each name. They are held together, so that no two are the same."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: holder.getsockname()[1] for name, holder in zip(names, holders)}
    for holder in holders:
        holder.close()
    return ports


def tail(path, lines=15):
    text = pathlib.Path(path).read_text(errors="replace") if os.path.exists(path) else ""
    return "\n".join("  " + line for line in text.splitlines()[-lines:])


class Service:
    """One program in a session of its own, so that Ctrl-C reaches the demonstration alone and it ends them in order."""

    def __init__(self, name, command, log, **options):
        self.name, self.log = name, log
        with open(log, "ab") as errors:
            options.setdefault("stdout", errors)
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                                            **options)

    def running(self):
        return self.process.poll() is None

    def failure(self):
        return ServiceError(f"{self.name} ended with {self.process.wait()}; its last words:\n{tail(self.log)}")

    def wait_for_port(self, port, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.running():
                raise self.failure()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise ServiceError(f"{self.name} does not listen on port {port} after {seconds} s:\n{tail(self.log)}")

    def stop(self):
        """SIGTERM to the program, five seconds, then SIGKILL to whatever is left of its session."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def start_django(folder, port):
    shutil.copytree(HERE / "shop", f"{folder}/project", ignore=shutil.ignore_patterns("__pycache__"))
    command = ["/usr/bin/gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--worker-class", "gthread",
               "--threads", "4", "--keep-alive", "30", "--graceful-timeout", "1", "--user", "www-data",
               "--group", "www-data", "shop.wsgi"]
    return Service("gunicorn", command, f"{folder}/gunicorn.log", cwd=f"{folder}/project",
                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def start_nginx(folder, ports):
    text = string.Template((HERE / "nginx.conf.in").read_text()).substitute(ports, folder=folder)
    pathlib.Path(folder, "nginx.conf").write_text(text)
    log = f"{folder}/nginx-error.log"
    return Service("nginx", ["/usr/sbin/nginx", "-e", log, "-p", folder, "-c", f"{folder}/nginx.conf"], log)


class Agent(Service):
    """`mtlswatch run` without any configuration. on_line gets each line of its output, on a thread of its own."""

    def __init__(self, binary, folder, on_line):
        super().__init__("mtlswatch", [binary, "run"], f"{folder}/mtlswatch.log", stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self.reader.start()

    def _read(self, on_line):
        for line in self.process.stdout:
            on_line(line.decode("utf-8", "replace"))

    def failure(self):
        """The agent's own exit code is passed on: 4 says that this host is not fit, see README.md."""
        error = super().failure()
        error.exit_code = self.process.returncode if self.process.returncode > 0 else 1
        return error

    def stop(self):
        super().stop()
        self.reader.join(5)
