# SPDX-License-Identifier: Apache-2.0
"""Counts what a test found, and prints it."""


class Score:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, sentence, holds, detail=""):
        """One behaviour as a sentence. detail is printed when it does not hold."""
        if holds:
            self.passed += 1
            print(f"ok    {sentence}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {sentence}" + (f": {detail}" if detail != "" else ""), flush=True)
        return bool(holds)

    def count(self, right, wrong):
        """Many behaviours at once, printed elsewhere as a table."""
        self.passed += right
        self.failed += wrong

    def finish(self):
        """Prints the last line; the exit code of the test."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
