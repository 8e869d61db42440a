# SPDX-License-Identifier: Apache-2.0
"""Includes obey base <- model <- {probe, ring, decode, correlate, policy, kubernetes, sink} <- app; few see libbpf, JSON, YAML."""
import re

import source_tree

STAGES = {"probe", "ring", "decode", "correlate", "policy", "kubernetes", "sink"}
FOLDERS = {"base", "model", "app"} | STAGES
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def allowed(folder):
    """The folders of userspace/ that one of them may include."""
    if folder == "app":
        return FOLDERS
    return {"base"} | ({"model", folder} if folder != "base" else set())


def sees_libbpf(path):
    return path.parts[1] in ("probe", "ring")


def sees_json_or_yaml(path):
    """Where values are written, and where the configuration or a JSON answer is read or made."""
    if path.parts[1] == "kubernetes":
        return "json" in path.name
    in_app = path.parts[1] == "app" and (path.name.startswith(("config_", "yaml_")) or "json" in path.name)
    return path.parts[1] == "sink" or in_app


def objection(path, include):
    folder = path.parts[1]
    if include.startswith("userspace/"):
        target = include.split("/")[1]
        return None if target in allowed(folder) else f"{folder} may not include {target}"
    if include.startswith("../") or "/../" in include:
        return "includes are written from the root"
    if (include.startswith("bpf/") or include.endswith(".skel.h")) and not sees_libbpf(path):
        return "only probe/ and ring/ may see libbpf"
    if include.startswith(("nlohmann/", "yaml-cpp/")) and not sees_json_or_yaml(path):
        return "only sink/ and the configuration loader may see JSON or YAML"
    return None


def findings(root):
    for path in source_tree.files(root):
        if path.parts[0] != "userspace" or not source_tree.is_c(path):
            continue
        if path.parts[1] not in FOLDERS:
            yield f"{path}: userspace/{path.parts[1]} is not a stage"
            continue
        for include in INCLUDE.findall(source_tree.text(root, path)):
            why = objection(path, include)
            if why:
                yield f"{path}: includes {include}: {why}"
