# SPDX-License-Identifier: Apache-2.0
"""What the READMEs tell people to type exists: scripts are there and executable, presets are defined, subcommands are
known to the built program."""
import json
import os
import re
import subprocess

import source_tree

BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
SUBCOMMAND = re.compile(r"(?:^|[\s/])mtlswatch ([a-z][a-z-]*)\b")
PRESET = re.compile(r"--preset[ =]([\w-]+)")
SCRIPT = re.compile(r"^(?:sudo )?((?:packaging|tests|\.ci)/[\w./-]+)")
HELP_NAME = re.compile(r"^  ([a-z][a-z-]*)\b", re.MULTILINE)


def commands(text):
    """Lines of shell blocks without comments, and the code set inside the prose."""
    for block in BLOCK.findall(text):
        yield from (line.split("  #")[0].strip() for line in block.splitlines() if not line.startswith("#"))
    yield from (code.strip() for code in CODE.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)))


def presets(root):
    file = root / "CMakePresets.json"
    return {each["name"] for each in json.loads(file.read_text())["configurePresets"]} if file.exists() else set()


def script_objection(root, command):
    """A path need only be there; with arguments behind it, it is run."""
    script = SCRIPT.match(command)
    if not script:
        return None
    file = root / script[1]
    if not file.exists():
        return f"{script[1]} does not exist"
    runs = file.is_file() and (command == script[0] and not file.suffix or " " in command)
    return f"{script[1]} is not executable" if runs and not os.access(file, os.X_OK) else None


def known_subcommands(binary):
    help_text = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=30).stdout
    return set(HELP_NAME.findall(help_text))


def findings(root, binary=None):
    subcommands = known_subcommands(binary) if binary else None
    for path in source_tree.files(root):
        if path.name != "README.md":
            continue
        for command in commands(source_tree.text(root, path)):
            why = script_objection(root, command)
            if why:
                yield f"{path}: `{command}`: {why}"
            for preset in set(PRESET.findall(command)) - presets(root):
                yield f"{path}: `{command}`: there is no preset {preset}"
            for name in SUBCOMMAND.findall(command):
                if subcommands is not None and name not in subcommands:
                    yield f"{path}: `{command}`: mtlswatch --help does not name {name}"
