#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Says in plain words what a ctest run did: summary.py RESULTS.xml (from ctest --output-junit). Used by tests/run.

Exit codes: 0 nothing failed, 1 a test failed or did not run without saying why it was skipped, 2 there are no results.
"""
import collections
import re
import sys
import xml.etree.ElementTree

# How a test says why it was skipped: a line of its own (exit code 77), or GoogleTest's line after "FILE:LINE: Skipped".
REASONS = (re.compile(r"^SKIP: (.+)$", re.MULTILINE), re.compile(r"^\S+:\d+: Skipped\n(.+)$", re.MULTILINE))


def skip_reason(output):
    for pattern in REASONS:
        found = pattern.search(output)
        if found:
            return found.group(1).strip()
    return None


def outcome(case):
    """("passed" | "failed" | "skipped", why)."""
    skipped = case.find("skipped")
    if case.get("status") == "run":
        return "passed", ""
    if skipped is None or case.get("status") == "fail":
        failure = case.find("failure")
        return "failed", (failure.get("message") if failure is not None else "") or "see its output above"
    reason = skip_reason(case.findtext("system-out") or "")
    if reason is None:
        return "failed", f"did not run ({skipped.get('message')}) and its output has no line 'SKIP: why'"
    return "skipped", reason


def group_of(name):
    """unit.decode.ClientHello.reads_sni -> unit.decode; check.spdx -> check."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "unit" else parts[0]


def main():
    try:
        cases = xml.etree.ElementTree.parse(sys.argv[1]).getroot().findall("testcase")
    except (IndexError, OSError, xml.etree.ElementTree.ParseError) as error:
        print(f"summary: no test results: {error}", file=sys.stderr)
        return 2
    counts, details = collections.Counter(), {"failed": [], "skipped": []}
    for case in cases:
        what, why = outcome(case)
        counts[group_of(case.get("name")), what] += 1
        if why or what != "passed":
            details[what].append(f"  {case.get('name')}: {why}")
    print("\nSummary" + " " * 18 + "passed  failed  skipped")
    for group in sorted({group for group, _ in counts}):
        print(f"  {group:<22}" + "".join(f"{counts[group, what]:>8}" for what in ("passed", "failed", "skipped")))
    for what, lines in details.items():
        if lines:
            print(f"{what.capitalize()}:", *lines, sep="\n")
    return 1 if details["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
