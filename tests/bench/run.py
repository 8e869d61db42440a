#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what watching costs: run.py NAME... --build BUILD-FOLDER [--rounds N] [--json FILE]. Every round runs each way
once, in turn, and ratios are taken within a round, so that what else this host does weighs on all alike. Needs root.
Exit codes: 0 measured, 1 a run failed, 2 usage."""

import argparse
import json
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))


def arguments(names):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=[*names, "all"])
    parser.add_argument("--build", type=Path, required=True, help="a build folder of preset ci or release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser.parse_args()


def main():
    from bench.measures import MEASURES
    from bench.table import print_table
    from lab.host import end_children_with_us
    given = arguments(list(MEASURES))
    if os.geteuid() != 0:
        print("run.py: needs root", file=sys.stderr)
        return 2
    end_children_with_us()
    found = {}
    for name in MEASURES if "all" in given.names else given.names:
        found[name] = MEASURES[name](given.build.resolve(), given.rounds)
        print_table(name, found[name])
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
