#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one end-to-end test: run.py NAME [--agent PATH | --lab-only] [--full]. PATH defaults to $MTLSWATCH.
Exit code 0: all passed, 1: something failed, 2: usage, 77: skipped, and the last line names what is missing."""

import argparse
import importlib.util
import os
import resource
import shutil
import sys
import traceback

sys.dont_write_bytecode = True

TESTS = ("lab", "matrix", "concurrency", "network", "configuration", "restart", "recording", "commandline", "remote",
         "handshakes", "memory", "leaks", "faults", "extremes", "proxies", "chains", "backends", "accuracy", "attacks", "accidents", "client_ca",
         "metrics", "correlation_ids", "ecs",
         "outputs", "alerts", "drops", "blindness", "prometheus", "policy", "kubernetes", "scenarios", "hellos", "libraries", "processes", "opaque")
OF_PROXIES = ("/usr/sbin/haproxy", "/usr/sbin/apache2", "/usr/bin/stunnel4", "/usr/bin/uwsgi-core",
              "/usr/lib/nginx/modules/ngx_stream_module.so")
OF_CHAINS = ("/usr/sbin/haproxy", "/usr/bin/stunnel4", "/usr/bin/socat", "/usr/sbin/varnishd",
             "/usr/lib/nginx/modules/ngx_stream_module.so")
OF_BACKENDS = ("/usr/bin/uwsgi-core", "/usr/lib/uwsgi/plugins/http_plugin.so", "/usr/bin/daphne",
               "/usr/lib/python3/dist-packages/gevent", "/usr/lib/python3/dist-packages/hypercorn",
               "/usr/lib/python3/dist-packages/uvicorn")
OF_OUTPUTS = ("/usr/bin/prometheus-alertmanager", "/usr/sbin/rsyslogd")
SKIPPED = 77
DESCRIPTORS = 16_384  # of one process, where a crowd comes


def missing(agent, test, full=False):
    """What this machine lacks for the test, as text, or None."""
    if os.geteuid() != 0:
        return "root"
    for program in ("/usr/sbin/nginx", "/usr/bin/gunicorn", "/usr/bin/openssl", "/usr/bin/setpriv", "/usr/sbin/ip"):
        if not os.access(program, os.X_OK):
            return program
    needed = {"handshakes": OF_PROXIES, "leaks": OF_PROXIES, "proxies": OF_PROXIES, "accuracy": OF_PROXIES,
              "attacks": (*OF_PROXIES, "/usr/bin/socat", "/usr/bin/curl"), "accidents": OF_PROXIES,
              "chains": OF_CHAINS, "backends": OF_BACKENDS, "memory": OF_BACKENDS, "outputs": OF_OUTPUTS,
              "alerts": ("/usr/bin/stunnel4",), "blindness": ("/usr/bin/caddy",)}.get(test)
    if needed:
        absent = [file for file in needed if not os.path.exists(file)]
        if absent:
            return absent[0]
    for program in {"opaque": ("/usr/bin/caddy",), "libraries": ("/usr/bin/objdump",)}.get(test, ()):
        if not os.access(program, os.X_OK):
            return program
    for program in {"kubernetes": ("/usr/sbin/nft",), "extremes": ("/usr/sbin/nft", "/usr/sbin/bpftool")}.get(test, ()):
        if not os.access(program, os.X_OK):
            return program
    if test == "extremes" and resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS:
        return f"a limit of {DESCRIPTORS} descriptors a process"
    for module in ("h2", "cryptography", "django", *(["uvicorn"] if full else []), *(["seccomp"] if test == "extremes" else [])):
        if importlib.util.find_spec(module) is None:
            return f"python3-{module}"
    if test in ("metrics", "prometheus") and not os.access("/usr/bin/prometheus", os.X_OK):
        return "/usr/bin/prometheus"
    if test == "ecs":
        from lab.ecs import FILE, field_file
        if field_file() is None:
            return f"{FILE} (beside the checkout in a folder \"shared\", or named by MTLSWATCH_ECS_FIELDS)"
    if test == "remote" and not os.access("/dev/net/tun", os.W_OK):
        return "/dev/net/tun"
    if test == "libraries":
        from lab.debian_release import RELEASES, CannotFetch, release_root
        for release in RELEASES:
            try:
                release_root(release)
            except CannotFetch as reason:
                return f"Debian {release} from its mirror ({reason})"
    if agent is not None and shutil.which(agent) is None:
        return f"the agent ({agent or 'no path given: use --agent or MTLSWATCH'})"
    return None


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", choices=TESTS)
    parser.add_argument("--agent", default=os.environ.get("MTLSWATCH", ""), help="path of the mtlswatch program")
    parser.add_argument("--lab-only", action="store_true", help="run the traffic without an agent, check the ground truth")
    parser.add_argument("--full", action="store_true", help="the long profile of a test that has one")
    return parser.parse_args()


def main():
    given = arguments()
    agent = None if given.lab_only or given.test == "lab" else given.agent
    lacking = missing(agent, given.test, given.full)
    if lacking:
        print(f"SKIP: {lacking} is missing")
        return SKIPPED
    from lab.host import end_children_with_us  # after the check: these need the Debian packages
    from lab.laboratory import Laboratory
    from lab.score import Score
    end_children_with_us()
    if given.test == "extremes":
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    score = Score()
    try:
        with Laboratory(os.path.abspath(shutil.which(agent)) if agent else None, score, given.full) as lab:
            importlib.import_module(f"cases.{given.test}").run(lab, score)
    except Exception:  # whatever broke, the count is still printed
        score.check(f"{given.test} ran to its end", False, traceback.format_exc())
    return score.finish()


if __name__ == "__main__":
    sys.exit(main())
