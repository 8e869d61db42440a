# SPDX-License-Identifier: Apache-2.0
"""A recording holds no secret, belongs to its owner alone, and replays without privileges to the same verdicts, twice
the same to the byte."""

import json
import os
import shutil

from lab.ecs import check_events
from lab.host import run as run_program
from lab.nginx import Listener, Upstream
from lab.traffic import browse, browse_direct
from lab.truth import Ledger

# Every marker is searched for in the recording and in all events.
MARKERS = {"cookie": "COOKIEMARK1f6d", "authorization": "BEARERMARK77ab", "query": "QUERYMARK90ce", "body": "BODYMARK3b21"}
SHAPES = (("GET", "", None), ("POST", "", (MARKERS["body"] + "=1&").encode() * 40), ("GET", "/status/404", None))


def _traffic(lab, ledger, listeners, shop):
    headers = {"Cookie": f"sessionid={MARKERS['cookie']}", "Authorization": f"Bearer {MARKERS['authorization']}"}
    for listener in listeners:
        for who in ("alice", "bob", "nobody"):
            browse(lab, ledger, listener, who, 6, cell="recorded", query=f"?token={MARKERS['query']}", headers=headers,
                   shapes=SHAPES)
    browse_direct(ledger, shop, "recorded, direct")


def _replay_as_nobody(lab, recording):
    """Replays a copy that nobody may read, with a copy of the program that nobody may run."""
    directory = lab.directory / "unprivileged"
    directory.mkdir(exist_ok=True)
    program, copy = shutil.copy(lab.binary, directory / "mtlswatch"), shutil.copy(recording, directory / "recording")
    os.chmod(program, 0o755)
    os.chown(copy, 65534, 65534)
    return run_program(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                        "--bounding-set=-all", "--", program, "replay", copy])


def _leaks(data):
    return [name for name, marker in MARKERS.items() if marker.encode() in data]


def _check_replay(lab, recording, ledger, score):
    first, second = _replay_as_nobody(lab, recording), _replay_as_nobody(lab, recording)
    if not score.check("a user without privileges can replay", first.returncode == 0, first.stderr[-500:]):
        return
    score.check("two replays are the same to the byte", first.stdout and first.stdout == second.stdout)
    score.check("the replay shows no secret", not _leaks(first.stdout.encode()), _leaks(first.stdout.encode()))
    events = [json.loads(line) for line in first.stdout.splitlines()]
    check_events(events, score)
    lab.judge(ledger, events, "replayed")


def run(lab, score):
    shop = lab.gunicorn()
    listeners = [Listener(Upstream("tcp", f"127.0.0.1:{shop.port}"), "optional", "TLSv1.2"),
                 Listener(Upstream("unix", f"unix:{shop.unix_path}"), "optional"),
                 Listener(Upstream("tcp", f"127.0.0.1:{shop.port}"), "optional", http2=True)]
    lab.nginx(listeners)
    recording, ledger = lab.directory / "traffic.recording", Ledger()
    agent = lab.agent(command=("record", recording))
    _traffic(lab, ledger, listeners, shop)
    lab.check_ground(ledger)
    if not agent.runs:
        return
    score.check("record ends with 0 on SIGTERM", agent.stop() == 0, agent.child.errors())
    score.check("the recording has mode 0600", recording.stat().st_mode & 0o7777 == 0o600,
                oct(recording.stat().st_mode))
    leaks = _leaks(recording.read_bytes())
    score.check("the recording holds no cookie, authorization, query or body", not leaks, leaks)
    score.check("the recording is not empty", recording.stat().st_size > 10000, recording.stat().st_size)
    _check_replay(lab, recording, ledger, score)
