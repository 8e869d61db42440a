#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs one house rule over the tree: run.py RULE ROOT [BINARY]. Exit codes: 0 kept, 1 broken, 2 usage."""
import importlib
import os
import pathlib
import sys

RULES = ("bpf_table", "include_direction", "layout", "no_printk", "readme_commands", "spdx")


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in RULES:
        print(f"usage: run.py {{{'|'.join(RULES)}}} ROOT [BINARY]", file=sys.stderr)
        return 2
    rule, root = importlib.import_module(sys.argv[1]), pathlib.Path(sys.argv[2])
    arguments = [root]
    if sys.argv[1] == "readme_commands" and len(sys.argv) == 4 and os.access(sys.argv[3], os.X_OK):
        arguments.append(sys.argv[3])
    found = list(rule.findings(*arguments))
    print("".join(f"{line}\n" for line in found), end="")
    print(f"{sys.argv[1]}: {len(found)} finding(s) in {len(list(rule.source_tree.files(root)))} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
