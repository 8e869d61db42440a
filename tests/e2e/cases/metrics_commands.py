# SPDX-License-Identifier: Apache-2.0
"""Part of the test "metrics": the commands that look into the running agent."""

import json
import os

from lab.check import get
from lab.host import Child, run as run_program, wait_until
from lab.traffic import browse_direct
from lab.truth import Ledger



def _ask(lab, socket_path, *arguments):
    return run_program([lab.binary, arguments[0], "--socket", socket_path, *arguments[1:]])


def _check_status(lab, socket_path, service, ledger, shop, score):
    result = _ask(lab, socket_path, "status", "--json")
    status = json.loads(result.stdout or "{}")
    score.check("status ends with 0 when all is well and with 5 when not", status and
                result.returncode == (0 if status["health"] == "ready" else 5), f"exit {result.returncode}: {result.stderr}")
    rows = {(row["verdict"], row["reason"]): row["requests"] for row in status.get("verdicts", [])
            if row["service"] == service}
    sent = [truth.expected for truth in ledger.requests if truth.reaches_backend]
    score.check("status --json counts what was sent", rows == {key: sent.count(key) for key in set(sent)},
                f"exit {result.returncode}: {rows} {result.stderr}")
    watched = {row["pid"] for row in status.get("watching", []) if row["role"] == "backend"}
    score.check("it names the backend's workers", watched >= set(shop.worker_pids()), watched)
    top = [row["common_name"] for row in get(status, "identities.top") or []]
    score.check("and the most frequent clients", {"alice", "bob"} <= set(top), top)
    text = _ask(lab, socket_path, "status")
    score.check("status is a text without escape sequences where there is no terminal",
                text.returncode == result.returncode and "direct_connection" in text.stdout and "\x1b" not in text.stdout, text.stdout[:500])


def _check_targets(lab, socket_path, shop, score):
    result = _ask(lab, socket_path, "targets", "--json")
    pids = {row["pid"] for row in json.loads(result.stdout)["processes"]} if result.returncode == 0 else set()
    score.check("targets --json tells what the running agent watches", pids >= set(shop.worker_pids()), f"{pids} {result.stderr}")


def _check_explain(lab, agent, socket_path, service, score):
    listed = _ask(lab, socket_path, "events", "--json", "--filter", f"dataset=request,verdict=authenticated,backend={service}")
    events = [json.loads(line) for line in listed.stdout.splitlines()]
    score.check("events lists the last verdicts that pass the filter",
                events and {get(event, "mtlswatch.verdict") for event in events} == {"authenticated"}, listed.stderr)
    if not events:
        return
    told = _ask(lab, socket_path, "explain", get(events[0], "event.id")).stdout
    wanted = ("authenticated", "verification gave 0 (ok)", get(events[0], "tls.client.x509.serial_number"), "nginx", "exact:",
              get(events[0], "http.request.id"), "both witnesses agree")
    score.check("explain tells the evidence of an authenticated request", all(word in told for word in wanted),
                f"{[word for word in wanted if word not in told]} not in {told}")
    direct = next(event for event in agent.find("mtlswatch.request") 
                  if (get(event, "event.reason"), get(event, "service.name")) == ("direct_connection", service))
    told = _ask(lab, socket_path, "explain", get(direct, "event.id")).stdout
    score.check("and who connected directly", "past every front" in told and f"pid {os.getpid()}" in told, told)
    told = _ask(lab, socket_path, "explain", get(direct, "event.id"), "--log", agent.child.stdout_path).stdout
    score.check("explain --log finds it in the log", "past every front" in told, told)
    absent = _ask(lab, socket_path, "explain", "0" * 32)
    score.check("an event that is not kept is 1 and points at the log", absent.returncode == 1 and "--log" in absent.stderr, absent.stderr)


def _check_follow(lab, socket_path, service, shop, score):
    follower = Child("follower", [lab.binary, "events", "--socket", socket_path, "--follow", "--json",
                                  "--filter", f"reason=direct_connection,backend={service}"], lab.directory)
    lab.callback(follower.kill)
    # It may not follow yet when the first requests go out: whichever it sees must be right.
    def sees_one():
        browse_direct(Ledger(), shop, "follow")
        return follower.stdout_path.read_text().count("\n") > 0
    seen = wait_until(sees_one, interval_s=0.5)
    lines = [json.loads(line) for line in follower.stdout_path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    score.check("events --follow shows a bypass as it happens",
                seen and {get(event, "event.reason") for event in lines} == {"direct_connection"}, follower.errors())
    wrong = _ask(lab, socket_path, "events", "--filter", "colour=red")
    score.check("a filter that makes no sense is 2", wrong.returncode == 2 and "colour" in wrong.stderr, wrong.stderr)


def _check_strangers(lab, socket_path, score):
    os.chmod(lab.directory, 0o755)
    os.chmod(socket_path, 0o666)  # even with the file's mode out of the way
    asked = run_program(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "socat", "-", f"UNIX-CONNECT:{socket_path}"])
    os.chmod(socket_path, 0o600)
    score.check("another user is refused by the kernel's word", "only root" in asked.stdout, f"{asked.stdout}{asked.stderr}")
    nobody = run_program([lab.binary, "status", "--socket", lab.directory / "absent.sock"])
    score.check("status without an agent is 1 and names the socket", nobody.returncode == 1 and "absent.sock" in nobody.stderr, nobody.stderr)


def check_commands(lab, agent, ledger, asked, shop, score):
    """asked: the admin socket, and the name of the backend."""
    socket_path, service = asked
    _check_status(lab, socket_path, service, ledger, shop, score)
    _check_targets(lab, socket_path, shop, score)
    _check_explain(lab, agent, socket_path, service, score)
    _check_strangers(lab, socket_path, score)
    _check_follow(lab, socket_path, service, shop, score)
