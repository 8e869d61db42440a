# SPDX-License-Identifier: Apache-2.0
"""Exit codes and messages: 0 ok, 2 usage, 3 configuration, 4 environment; an error says what and where."""

import json
import os
import re
import shutil

from lab.host import run as run_program
from lab.host import wait_until
from lab.nginx import Listener, Upstream

# What is wrong with each configuration -> its text. Every one must be refused with a position.
BAD_CONFIGURATIONS = {
    "an unknown top-level key": "backend:\n  - name: shop\n",
    "an unknown key of a backend": "backends:\n  - name: shop\n    listen: [\"127.0.0.1:8000\"]\n    listne: []\n",
    "a port out of range": "backends:\n  - name: shop\n    listen: [\"127.0.0.1:80000\"]\n",
    "an address without a port": "backends:\n  - name: shop\n    listen: [\"127.0.0.1\"]\n",
    "bits past the prefix": "backends:\n  - name: shop\n    listen: [\"127.0.0.1:80\"]\n    proxies: [\"10.0.0.1/8\"]\n",
    "a scalar where a list belongs": "backends: shop\n",
    "a backend without a name": "backends:\n  - listen: [\"127.0.0.1:8000\"]\n",
    "a repeated key": "backends: []\nbackends: []\n",
    "no YAML": "backends: [unclosed\n",
}
PATIENCE_S = 10  # each of these must end at once
USAGE_ERRORS = ((), ("no-such-command",), ("run", "--no-such-option"), ("replay",), ("record",), ("explain",))


def _check_configurations(lab, score):
    for number, (what, text) in enumerate(BAD_CONFIGURATIONS.items()):
        file = lab.directory / f"bad-{number}.yaml"
        file.write_text(text)
        position = re.compile(rf"{re.escape(str(file))}:\d+:\d+: \S")
        for command in ("check-config", "run"):
            result = run_program([lab.binary, command, "--config", file], PATIENCE_S)
            score.check(f"{command} refuses {what} with 3 and its position",
                        result.returncode == 3 and position.search(result.stderr),
                        f"exit {result.returncode}: {result.stderr[-300:]}")
    absent = run_program([lab.binary, "run", "--config", lab.directory / "absent.yaml"], PATIENCE_S)
    score.check("an absent configuration file is 3 and named", absent.returncode == 3 and "absent.yaml" in absent.stderr,
                f"exit {absent.returncode}: {absent.stderr[-300:]}")


def _check_usage(lab, score):
    for arguments in USAGE_ERRORS:
        result = run_program([lab.binary, *arguments], PATIENCE_S)
        score.check(f"`mtlswatch {' '.join(arguments)}` is a usage error", result.returncode == 2 and result.stderr,
                    f"exit {result.returncode}: {result.stderr[-300:]}")


def _check_privileges(lab, score):
    program = shutil.copy(lab.binary, lab.directory / "mtlswatch")
    os.chmod(program, 0o755)
    config = lab.directory / "empty.yaml"  # whatever is installed here, others may not read
    config.write_text("")
    result = run_program(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                          "--bounding-set=-all", "--", program, "run", "--config", config], PATIENCE_S)
    score.check("run without privileges is 4 and names the capability that is missing",
                result.returncode == 4 and re.search(r"CAP_[A-Z_]+", result.stderr),
                f"exit {result.returncode}: {result.stderr[-500:]}")
    result = run_program(["setpriv", "--inh-caps=-all", "--bounding-set=-bpf,-sys_admin", "--", program, "run"], PATIENCE_S)
    score.check("root without CAP_BPF is 4 and hears that it is CAP_BPF",
                result.returncode == 4 and "CAP_BPF" in result.stderr,
                f"exit {result.returncode}: {result.stderr[-500:]}")


def _check_broken_recordings(lab, score):
    for name, data in (("empty", b""), ("garbage", os.urandom(4096)), ("text", b"{}\n" * 100)):
        file = lab.directory / f"{name}.recording"
        file.write_bytes(data)
        result = run_program([lab.binary, "replay", file], PATIENCE_S)
        score.check(f"replay of an {name} file is an error that names it",
                    result.returncode in (1, 3) and file.name in result.stderr,
                    f"exit {result.returncode}: {result.stderr[-300:]}")


def _check_commands(lab, score, shop, nginx):
    version = run_program([lab.binary, "version"])
    score.check("version tells a version", version.returncode == 0 and re.search(r"\d+\.\d+\.\d+", version.stdout),
                version.stdout)
    told = run_program([lab.binary, "version", "--json"])
    score.check("version --json is JSON", json.loads(told.stdout)["version"] in version.stdout, told.stdout)
    doctor = run_program([lab.binary, "doctor", "--json"])
    checks = json.loads(doctor.stdout or "[]")
    score.check("doctor --json is JSON", checks, f"{doctor.stdout} {doctor.stderr}")
    doctor = run_program([lab.binary, "doctor"])
    score.check("doctor runs here", doctor.returncode in (0, 5) and doctor.stdout, f"exit {doctor.returncode}: {doctor.stderr}")
    targets = run_program([lab.binary, "targets"])
    words = set(re.findall(r"\d+", targets.stdout))
    score.check("targets shows a gunicorn worker", words & set(map(str, shop.worker_pids())), targets.stdout[-800:])
    fronts = {nginx.child.pid, *nginx.worker_pids()}
    score.check("targets shows nginx", words & set(map(str, fronts)), targets.stdout[-800:])


def run(lab, score):
    shop = lab.gunicorn()
    nginx = lab.nginx([Listener(Upstream("tcp", f"127.0.0.1:{shop.port}"), "optional")])
    score.check("the servers to be found are running", wait_until(lambda: shop.worker_pids() and nginx.worker_pids()))
    if not lab.binary:
        return
    _check_configurations(lab, score)
    _check_usage(lab, score)
    _check_privileges(lab, score)
    _check_broken_recordings(lab, score)
    _check_commands(lab, score, shop, nginx)
