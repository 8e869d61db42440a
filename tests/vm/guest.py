#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inside the machine, as root: installs the package over an older one, watches nginx, gunicorn and Django as a service, removes it
again; or runs end-to-end cases. Every line for the console begins with "guest:"."""
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import time
import traceback

PAYLOAD = pathlib.Path("/payload")
sys.path.insert(0, str(PAYLOAD / "packaging/demo"))

from certificates import make_certificates  # noqa: E402
from scenarios import scenarios, send  # noqa: E402
from services import LISTENERS, start_django, start_nginx  # noqa: E402

EVENTS = pathlib.Path("/var/log/mtlswatch/events.json")
ETC, DROPINS = pathlib.Path("/etc/mtlswatch"), pathlib.Path("/etc/systemd/system/mtlswatch.service.d")
EDIT = "# the administrator's own\n"
CAP_SYS_ADMIN = 21  # linux/capability.h
FOLDER = "/srv/site"
PATIENCE_S = 60
failed = []


def say(text):
    print("guest: " + text.replace("\n", "\nguest:   "), flush=True)


def check(what, ok, detail=""):
    say(f"{'ok' if ok else 'FAILED'}: {what}" + (f": {detail}" if detail and not ok else ""))
    if not ok:
        failed.append(what)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)
    return done.returncode, (done.stdout + done.stderr).strip()


def shown(name, unit="mtlswatch"):
    return run("systemctl", "show", "--value", "-p", name, unit)[1]


def events():
    return [json.loads(line) for line in EVENTS.read_text().splitlines()] if EVENTS.exists() else []


def field(status, name):
    """Of a /proc/PID/status."""
    return next((line.split("\t", 1)[1].strip() for line in status.read_text().splitlines() if line.startswith(name + ":")), "")


def wait_for(condition, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
    return condition()


def reasons():
    """Of the requests, by path."""
    return {event["url"]["path"]: event["event"]["reason"] for event in events()
            if event["event"]["action"] == "backend-request"}


def is_ready():
    return any(event["event"]["action"] == "agent-ready" for event in events())


class Site:
    """nginx and gunicorn as an administrator would have them: there before mtlswatch comes, and after it has gone."""

    def __init__(self):
        os.makedirs(FOLDER, mode=0o755)
        self.ports = {name: 18000 + number for number, name in enumerate(LISTENERS)}
        make_certificates(FOLDER)
        self.services = [start_django(FOLDER, self.ports["backend"]), start_nginx(FOLDER, self.ports)]
        for service, listener in zip(self.services, ("backend", "strict")):
            service.wait_for_port(self.ports[listener], PATIENCE_S)

    def ask_everything(self, when):
        """One request of each kind; what the agent says of them."""
        EVENTS.write_text("")
        todo = scenarios(self.ports)
        for scenario in todo:
            check(f"{when}: {scenario.title}: served", send(scenario, FOLDER) == "")
        expected = {scenario.path: scenario.expected for scenario in todo if scenario.expected}
        wait_for(lambda: set(expected) <= set(reasons()))
        for path, reason in expected.items():
            seen = reasons().get(path, "no event")
            check(f"{when}: {path} is {reason}", seen == reason, seen)

    def check_untouched(self, when):
        alice = scenarios(self.ports)[0]
        check(f"{when}: nginx and gunicorn run on and serve",
              all(service.running() for service in self.services) and send(alice, FOLDER) == "")


def check_process():
    pid = int(shown("MainPID"))
    status = pathlib.Path(f"/proc/{pid}/status")
    user = pwd.getpwuid(int(field(status, "Uid").split()[0])).pw_name
    check("the agent runs as a user of its own", user == "mtlswatch", user)
    check("it can gain no privileges, under a filter", (field(status, "NoNewPrivs"), field(status, "Seccomp")) == ("1", "2"))
    say(f"effective capabilities {field(status, 'CapEff')}, memory {shown('MemoryCurrent')}")


def check_threads():
    """Only the thread that attaches probes holds capabilities; the HTTP thread is another."""
    held = {thread.name: field(thread / "status", "CapPrm") for thread in pathlib.Path(f"/proc/{shown('MainPID')}/task").iterdir()}
    main = held.pop(shown("MainPID"))
    check("its other threads hold no capability", held and set(held.values()) == {"0" * 16} and main != "0" * 16, str(held))
    said = run("journalctl", "-u", "mtlswatch", "-o", "cat", "--no-pager")[1]
    check("it put a filter of its own on them, beside systemd's", "system calls are filtered" in said, said)


def check_service():
    check("the unit is active", shown("ActiveState") == "active", run("systemctl", "status", "-n40", "mtlswatch")[1])
    check("it is enabled", shown("UnitFileState") == "enabled")
    check("the agent is ready", wait_for(is_ready))
    check_process()
    code, text = run("mtlswatch", "status")
    check("root may ask it", code in (0, 5), text)
    say("systemd: " + shown("StatusText"))


def check_rotation():
    before = EVENTS.stat().st_ino
    code, text = run("logrotate", "--force", "/etc/logrotate.d/mtlswatch")
    check("logrotate rotates", code == 0, text)
    check("and the agent opens the file anew", wait_for(lambda: EVENTS.exists() and EVENTS.stat().st_ino != before))


def check_reload():
    pid = shown("MainPID")
    code, text = run("systemctl", "reload", "mtlswatch")
    check("it reloads", code == 0 and shown("MainPID") == pid and shown("ActiveState") == "active", text)


def install(package):
    return run("apt-get", "install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", str(PAYLOAD / package),
               env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def check_upgrade(site):
    """From the older package, with one conffile edited and one as it came."""
    code, text = install("older.deb")
    check("apt installs the older package", code == 0 and wait_for(lambda: shown("ActiveState") == "active"), text)
    edited, left = ETC / "mtlswatch.yaml", ETC / "conf.d/events.yaml"
    edited.write_text(edited.read_text() + EDIT)
    pid = shown("MainPID")
    code, text = install("mtlswatch.deb")
    check("apt upgrades it", code == 0 and run("dpkg-query", "-W", "-f", "${Version}", "mtlswatch")[1] != "0.0.1", text)
    check("what the administrator edited stays", edited.read_text().endswith(EDIT))
    check("what nobody edited is the new one", "older version" not in left.read_text())
    check("the unit was restarted", shown("ActiveState") == "active" and shown("MainPID") != pid)
    site.check_untouched("upgraded")


def restart():
    check("it was never ended by its watchdog", shown("NRestarts") == "0")  # a start by hand begins to count anew
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "mtlswatch")
    return wait_for(lambda: shown("ActiveState") == "active")


def check_minimal():
    """Without CAP_SYS_ADMIN this kernel, which has no uprobe_multi links, lets nobody place a uprobe: it has to be said."""
    DROPINS.mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/share/mtlswatch/systemd/minimal.conf", DROPINS)
    check("with minimal.conf the unit is active", restart())
    held = int(field(pathlib.Path(f"/proc/{shown('MainPID')}/status"), "CapPrm"), 16)
    check("and holds no CAP_SYS_ADMIN", held != 0 and not held >> CAP_SYS_ADMIN & 1, f"{held:x}")
    said = run("journalctl", "-u", "mtlswatch", "-o", "cat", "--no-pager", f"_PID={shown('MainPID')}")[1]
    check("its log names what is missing", "CAP_SYS_ADMIN" in said, said)
    code, text = run("mtlswatch", "status")
    check("and it calls itself degraded", code == 5 and "return_probes" in text, text)
    (DROPINS / "minimal.conf").unlink()
    check("and without it again", restart())


def installation():
    site = Site()
    site.check_untouched("before")
    check_upgrade(site)
    say(run("mtlswatch", "doctor")[1])
    check_service()
    site.ask_everything("installed")
    check_rotation()
    check_reload()
    pathlib.Path("/etc/mtlswatch/conf.d/http.yaml").write_text('http: {listen: "127.0.0.1:9948"}\n')
    check("it is ready after a restart", restart())
    check_threads()
    site.check_untouched("restarted")
    site.ask_everything("restarted")
    check_minimal()
    code, text = run("apt-get", "remove", "-y", "mtlswatch")
    check("apt removes the package", code == 0 and shown("ActiveState") == "inactive", text)
    site.check_untouched("removed")
    run("apt-get", "purge", "-y", "mtlswatch")
    check("purge leaves no events", not EVENTS.parent.exists())


def end_to_end(cases):
    code, text = run("dpkg", "-i", str(PAYLOAD / "mtlswatch.deb"))
    check("the package is installed", code == 0, text)
    run("systemctl", "stop", "mtlswatch")
    pathlib.Path("/etc/mtlswatch/conf.d/events.yaml").unlink()  # the cases read standard output
    for case in cases:
        began = time.monotonic()
        code, text = run("/usr/bin/python3", "-B", "run.py", case, "--agent", "/usr/bin/mtlswatch", cwd=PAYLOAD / "tests/e2e")
        say(text[-6000:])
        check(f"{case} ({time.monotonic() - began:.0f} s)", code == 0)


def main():
    cases = (PAYLOAD / "cases").read_text().split()
    say(f"Linux {os.uname().release}, {run('systemctl', '--version')[1].splitlines()[0]}")
    try:
        if "installation" in cases:
            installation()
        others = [case for case in cases if case != "installation"]
        if others:
            end_to_end(others)
    except Exception:  # whatever broke is said on the console
        check("the tests ran to their end", False, traceback.format_exc())
    if failed:
        say(run("journalctl", "-b", "-u", "mtlswatch", "--no-pager", "-n", "40")[1])
    say(f"{len(failed)} failed" if failed else "all passed")


if __name__ == "__main__":
    main()
