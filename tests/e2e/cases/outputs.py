# SPDX-License-Identifier: Apache-2.0
"""Every output gets its events whole from real receivers: HTTPS webhook with client certificate and signature, Alertmanager,
rsyslog, a file that is rotated. Beside them a dead webhook, a full disk and a peer that never reads change nothing but
their own count of losses. SIGHUP takes over all of a new configuration or nothing."""

import json
import signal
import subprocess

from lab.agent import configuration
from lab.host import free_port, wait_until
from lab.laboratory import wait_for_requests
from lab.nginx import Listener, Upstream
from lab.receivers import SECRET, Alertmanager, Rsyslog, SilentPeer, WebhookServer
from lab.threads import check_threads
from lab.traffic import BIG, browse, browse_at_once
from lab.truth import Ledger

BURST = 100  # of 256 KiB, on each of four connections
ALL = ["request", "handshake", "alert", "agent"]


def _full_disk(lab):
    """A file on a file system of 16 KiB."""
    folder = lab.directory / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], check=True)
    lab.callback(subprocess.run, ["umount", "-l", folder], check=False)
    return folder / "events.json"


def _outputs(lab, webhook, alertmanager, rsyslog, silent):
    secret = lab.directory / "secret"
    secret.write_text(SECRET + "\n")
    alice = lab.pki["alice"]
    return [
        {"type": "json", "path": "-"},
        {"type": "webhook", "url": webhook.url, "events": ["alert", "agent"], "secret_file": str(secret),
         "ca_file": str(lab.pki.server_ca_file), "certificate_file": str(alice.certificate_file), "key_file": str(alice.key_file)},
        {"type": "alertmanager", "url": alertmanager.url, "resend": 1},
        {"type": "syslog", "address": f"127.0.0.1:{rsyslog.port}", "queue": 100000},
        {"type": "json", "path": str(lab.directory / "rotated.json"), "events": ["request"]},
        {"type": "webhook", "url": f"http://127.0.0.1:{free_port()}/", "events": ["request"], "queue": 5},
        {"type": "json", "path": str(_full_disk(lab))},
        {"type": "syslog", "address": f"127.0.0.1:{silent.port}", "queue": 10},
    ]


def _check_webhook(webhook, score):
    got = wait_until(lambda: [event for event in webhook.events() if event["event"]["dataset"] == "mtlswatch.alert"])
    score.check("the webhook got the alert of the bypass, after it had answered 503 twice",
                "MTLS-1001" in {event["rule"]["id"] for event in got}, webhook.problems)
    score.check("every POST came with the client certificate and a good signature",
                webhook.posts and not webhook.problems and {name for *_, name in webhook.posts} == {"alice"}, webhook.problems)
    score.check("a POST's id is an event's", all(
        key in {event["event"]["id"] for event in body.get("alerts", []) + body.get("events", [])} for key, body, _ in webhook.posts))


def _check_alertmanager(alertmanager, score):
    held = wait_until(lambda: alertmanager.alerts().get("MTLS-1001"), interval_s=0.2)
    score.check("Alertmanager holds the alert", held and held["labels"]["alertname"] == "mtls-bypass", f"{alertmanager.alerts()}")
    reminded = wait_until(lambda: alertmanager.alerts().get("MTLS-1001", {}).get("endsAt", "") > (held or {}).get("endsAt", "~"), interval_s=0.2)
    score.check("it is reminded of the alert while that is active", reminded, f"{held}")
    gone = wait_until(lambda: "MTLS-1001" not in alertmanager.alerts(), interval_s=0.2)
    score.check("Alertmanager resolves it when it is over", gone, f"{alertmanager.alerts()}")


def _check_rotation(lab, listener, agent, ledger, score):
    file, moved = lab.directory / "rotated.json", lab.directory / "rotated.json.1"
    file.rename(moved)
    agent.child.signal(signal.SIGUSR1)
    score.check("SIGUSR1 opens the file anew", wait_until(file.exists))
    size = moved.stat().st_size
    for truth in browse(lab, ledger, listener, "alice", cell="after rotation"):
        score.check("a request after the rotation is in the new file",
                    wait_until(lambda sought=truth: sought.request_id in file.read_text()))
    score.check("nothing more went to the old one", moved.stat().st_size == size)


def _reload(agent, file, text, sign):
    """Writes the configuration, sends SIGHUP, waits for sign in the agent's log; false if it does not come."""
    file.write_text(text)
    agent.child.signal(signal.SIGHUP)
    return wait_until(lambda: sign in agent.child.errors(), interval_s=0.1)


def _check_reload(lab, listener, agent, text, ledger, score):
    file = lab.directory / "agent-1.yaml"
    good = _reload(agent, file, text + "nonsense: 1\n", f"{file}:")
    score.check("SIGHUP with a wrong configuration says where and changes nothing", good and agent.child.running(), agent.child.errors())
    good = _reload(agent, file, text + "limits: {connections: 5}\n", "limits need a restart")
    score.check("SIGHUP names the key that needs a restart", good, agent.child.errors())
    shop = {"name": "shop", "listen": agent.listen, "requests": "violations"}
    rest = text[text.index("rules:"):]
    good = _reload(agent, file, configuration([shop]) + rest, "configuration is in effect")
    quiet = browse(lab, Ledger(handshakes=ledger.handshakes), listener, "alice")
    loud = browse(lab, ledger, listener, "nobody", cell="after SIGHUP")
    wait_for_requests(agent, Ledger(loud))
    written = {event.get("http", {}).get("request", {}).get("id") for event in agent.events}
    score.check("SIGHUP takes over a good configuration: only violations are written",
                good and not written & {truth.request_id for truth in quiet}, agent.child.errors())


def _check_rsyslog(rsyslog, agent, score):
    """After the agent's end: what standard output got is what rsyslog got."""
    got = {event["event"]["id"]: event for *_, event in rsyslog.events()}
    mine = {event["event"]["id"]: event for event in agent.events}
    wait_until(lambda: len(rsyslog.events()) >= len(mine), interval_s=0.2)
    got = {event["event"]["id"]: event for *_, event in rsyslog.events()}
    missing, changed = set(mine) - set(got), [key for key in mine if key in got and mine[key] != got[key]]
    score.check(f"rsyslog got all {len(mine)} events whole", not missing and not changed, f"{len(missing)} missing, {len(changed)} changed")
    score.check("with application, message id and severity", {(app, msgid) for _, app, msgid, _ in rsyslog.events()} ==
                {("mtlswatch", kind) for kind in ALL})


def _check_losses(agent, score):
    text = " ".join(event["message"] for event in agent.find("mtlswatch.agent", "agent-loss"))
    for output in ("webhook_6", "json_7", "syslog_8"):
        score.check(f"what {output} lost is told", f"output {output} lost" in text, text)
    for output in ("json_1", "webhook_2", "alertmanager_3", "syslog_4", "json_5"):
        score.check(f"{output} lost nothing", f"output {output} lost" not in text, text)


def run(lab, score):
    shop = lab.gunicorn()
    listener = Listener(Upstream("tcp", f"127.0.0.1:{shop.port}"), "optional")
    lab.nginx([listener])
    receivers = (WebhookServer(lab.pki, refuse=(503, 503)), Alertmanager(lab.directory), Rsyslog(lab.directory), SilentPeer())
    for receiver in receivers:
        lab.callback(receiver.stop)
    webhook, alertmanager, rsyslog, _ = receivers
    text = configuration([{"name": "shop", "listen": shop.listen()}],
                         rules=[{"rule": "*", "resolve_after": 20, "summary_after": 2}], outputs=_outputs(lab, *receivers))
    agent, ledger = lab.agent(text), Ledger()
    agent.listen = shop.listen()
    browse(lab, ledger, listener, "alice", cell="verified")
    browse(lab, ledger, listener, "nobody", cell="no certificate")
    if not agent.runs:
        return
    check_threads(agent, score, "outputs")
    _check_alertmanager(alertmanager, score)
    _check_webhook(webhook, score)
    browse_at_once(lab, ledger, [(listener, "alice"), (listener, "bob")] * 2, BURST, cell="burst", shapes=(BIG,))
    wait_for_requests(agent, ledger)
    _check_rotation(lab, listener, agent, ledger, score)
    _check_reload(lab, listener, agent, text, ledger, score)
    check_threads(agent, score, "outputs of a new configuration")
    lab.verify(ledger, agent, "outputs", ground=False)
    _check_rsyslog(rsyslog, agent, score)
    _check_losses(agent, score)
    lines = (lab.directory / "rotated.json.1").read_text().splitlines()
    score.check("the rotated file holds whole lines of requests only",
                all(json.loads(line)["event"]["dataset"] == "mtlswatch.request" for line in lines))
