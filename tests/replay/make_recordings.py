#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden recordings again: make_recordings.py AGENT [SCENE...]. As root, from anywhere; a minute in all.

Known clients browse a real nginx with gunicorn and Django behind it (tests/e2e/lab) while `AGENT record` watches. What
each of them did, confirmed by nginx's and gunicorn's own logs and never taken from the agent, is written beside the
recording as JSON. A scene whose truth those logs do not confirm is not kept.

The scenes live in a network, host name and machine id of their own: a recording tells nothing of the host it was made on
but its kernel's version. Exit codes: 0 all made, 1 a scene failed, 2 usage.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
INSIDE = "MTLSWATCH_RECORDING_INSIDE"
# What the shell does in the new namespaces before this script comes again.
PREPARE = """
set -e
mount -t tmpfs tmpfs /mnt
echo 00000000000000000000000000000000 >/mnt/machine-id
mount --bind /mnt/machine-id /etc/machine-id
hostname recorder
ip link set lo up
exec "$@"
"""


def enter_own_host():
    """Replaces this process by the same one in namespaces of its own. Its command line will be in the recordings."""
    agent = os.path.abspath(sys.argv[1])
    os.chdir(HERE)
    os.execve("/usr/bin/unshare", ["unshare", "--net", "--uts", "--mount", "sh", "-c", PREPARE, "sh", "/usr/bin/python3", "-B",
                                   "make_recordings.py", agent, *sys.argv[2:]], {**os.environ, INSIDE: "yes"})


def truths(ledger):
    """Dotted field -> what an event must say; null: it must not be there."""
    from lab.check import expected_fields, handshake_fields
    requests = []
    for truth in ledger.requests:
        if truth.reaches_backend and not truth.optional:  # optional: before the agent came
            fields = {"http.request.id": truth.request_id, **expected_fields(truth)}
            if truth.expected[0] == "authenticated":
                fields["mtlswatch.attribution.confidence"] = "exact"
            requests.append(fields)
    handshakes = [{"source.port": truth.source_port, "destination.port": truth.destination_port,
                   **handshake_fields(truth)} for truth in ledger.handshakes if not truth.optional]
    return {"requests": requests, "handshakes": handshakes}


def confirm(lab, ledger, agent):
    """The servers' own logs tell what the ledger tells, and the recording has come to its end."""
    from lab.laboratory import wait_for_requests
    wait_for_requests(agent, ledger)  # only so long must be recorded; what the events say is not looked at
    lab.score.check("record ends with 0", agent.stop() == 0, agent.child.errors())
    lab.check_ground(ledger)
    return not lab.score.failed


def make(name, scene, binary):
    from lab.laboratory import Laboratory
    from lab.score import Score
    print(f"{name}: {scene.__doc__.splitlines()[0]}")
    with Laboratory(binary, Score()) as lab:
        file = lab.directory / f"{name}.recording"
        ledger, agent = scene(lab, file)
        if not confirm(lab, ledger, agent):
            return False
        shutil.copyfile(file, HERE / f"recordings/{name}.recording")
        (HERE / f"recordings/{name}.json").write_text(json.dumps(truths(ledger), indent=1) + "\n")
    return subprocess.run([sys.executable, "-B", HERE / "replay_test.py", binary, name], check=False).returncode == 0


def main():
    if len(sys.argv) < 2 or not os.access(sys.argv[1], os.X_OK) or os.geteuid() != 0:
        print("usage, as root: make_recordings.py AGENT [SCENE...]", file=sys.stderr)
        return 2
    if INSIDE not in os.environ:
        enter_own_host()
    from lab.host import end_children_with_us
    from scenes import SCENES
    end_children_with_us()
    wanted = sys.argv[2:] or list(SCENES)
    if not set(wanted) <= set(SCENES):
        print(f"there are: {' '.join(SCENES)}", file=sys.stderr)
        return 2
    (HERE / "recordings").mkdir(exist_ok=True)
    failed = [name for name in wanted if not make(name, SCENES[name], sys.argv[1])]
    print(f"failed: {' '.join(failed)}" if failed else "all made")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
