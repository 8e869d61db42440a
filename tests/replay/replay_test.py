#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replays a golden recording and holds every event against what really happened: replay_test.py AGENT NAME.
Needs no privileges and no kernel support. Exit codes: 0 right, 1 wrong, 2 usage."""
import collections
import json
import pathlib
import subprocess
import sys

from markers import MARKERS

FOLDER = pathlib.Path(__file__).resolve().parent / "recordings"
READY_PATH = "/ready"  # the laboratory polls it until Django answers
EXAMPLES = 5
# How an event is found for a truth.
KEYS = {"requests": ("http.request.id", "url.path"), "handshakes": ("source.port", "destination.port")}
DATASETS = {"requests": "mtlswatch.request", "handshakes": "mtlswatch.handshake"}


def get(event, path):
    for name in path.split("."):
        event = event.get(name) if isinstance(event, dict) else None
    return event


def is_poll(event):
    """A readiness poll, or the response of one whose request came before the backend was known for one."""
    path = get(event, "url.path")
    return path == READY_PATH or (path is None and get(event, "event.reason") == "unseen_request")


def replay(agent, file):
    """Standard output. Raises ValueError with what the agent complains of."""
    done = subprocess.run([agent, "replay", file], capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise ValueError(f"replay ends with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def differences(truth, event):
    return "; ".join(f"{name} is {get(event, name)!r}, not {value!r}" for name, value in truth.items()
                     if get(event, name) != value)


def judge(kind, truths, events):
    """What is wrong, as texts. Exactly one event belongs to each truth and one truth to each event."""
    found = collections.defaultdict(list)
    for event in events:
        if get(event, "event.dataset") == DATASETS[kind]:
            found[tuple(get(event, name) for name in KEYS[kind])].append(event)
    for truth in truths:
        key = tuple(truth[name] for name in KEYS[kind])
        matching = found.pop(key, [])
        if len(matching) != 1:
            yield f"{kind}: {len(matching)} events for {key}"
        elif differences(truth, matching[0]):
            yield f"{kind}: {key}: {differences(truth, matching[0])}"
    for key, strangers in found.items():
        if kind == "handshakes" or not all(map(is_poll, strangers)):
            yield f"{kind}: {len(strangers)} events that nothing caused: {key} {get(strangers[0], 'event.reason')}"


def complaints(agent, name):
    file = FOLDER / f"{name}.recording"
    truths = json.loads((FOLDER / f"{name}.json").read_text())
    first = replay(agent, file)
    if replay(agent, file) != first:
        yield "two replays differ"
    for what, marker in MARKERS.items():
        if marker.encode() in file.read_bytes() + first:
            yield f"a {what} is in the recording or its events"
    events = [json.loads(line) for line in first.splitlines()]
    for kind in KEYS:
        if not truths[kind]:
            yield f"{kind}: the recording has no truths"
        yield from judge(kind, truths[kind], events)
    print(f"{name}: " + ", ".join(f"{len(truths[kind])} {kind}" for kind in KEYS) + f", {len(events)} events")


def main():
    if len(sys.argv) != 3:
        print("usage: replay_test.py AGENT NAME", file=sys.stderr)
        return 2
    try:
        wrong = list(complaints(*sys.argv[1:]))
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        wrong = [str(error)]
    for text in wrong[:EXAMPLES]:
        print(f"wrong: {text}")
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
