# SPDX-License-Identifier: Apache-2.0
"""Counts what a test found, and prints it."""

MOST_FAILURES = 20  # that are printed again


class Score:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._failures = []

    def check(self, sentence, holds, detail=""):
        """One behaviour as a sentence. detail is printed when it does not hold."""
        if holds:
            self.passed += 1
            print(f"ok    {sentence}", flush=True)
        else:
            self.failed += 1
            self._failures.append(f"FAIL  {sentence}" + (f": {detail}" if detail != "" else ""))
            print(self._failures[-1], flush=True)
        return bool(holds)

    def count(self, right, wrong):
        """Many behaviours at once, printed elsewhere as a table."""
        self.passed += right
        self.failed += wrong

    def add(self, findings, allowed=("right",)):
        """What Findings.print() printed: each finding is a behaviour."""
        right = findings.count(*allowed)
        self.count(right, len(findings.found) - right)
        self._failures += [f"{finding.kind}: [{finding.cell}] {finding.text}"
                           for finding in findings.found if finding.kind not in allowed]

    def finish(self):
        """Prints the failures again, for logs that keep only their end, and the last line; the exit code of the test."""
        if self._failures:
            print("What failed, once more:", *self._failures[:MOST_FAILURES], sep="\n", flush=True)
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
