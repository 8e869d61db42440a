#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The summary of tests/run: nothing that failed, or was skipped without a reason, can look like a pass."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import summary  # noqa: E402

PASSED = '<testcase name="check.a" status="run"><system-out></system-out></testcase>'
FAILED = '<testcase name="unit.ring.b" status="fail"><failure message="Timeout"/><system-out/></testcase>'
SKIPPED = ('<testcase name="e2e.c" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>'
           "<system-out>starting\n{}\n</system-out></testcase>")
UNIT_SKIPPED = SKIPPED.format("[ RUN ] A.b\n/x/y.cpp:3: Skipped\nneeds a root user\n\n[  SKIPPED ] A.b")


def summarised(*cases):
    """(exit code, text) of the summary over these test cases."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file, contextlib.redirect_stdout(io.StringIO()) as out:
        file.write(f"<testsuite>{''.join(cases)}</testsuite>")
        file.flush()
        sys.argv = ["summary.py", file.name]
        return summary.main(), out.getvalue()


class Summary(unittest.TestCase):
    def test_a_pass_is_counted(self):
        code, text = summarised(PASSED)
        self.assertEqual(code, 0)
        self.assertIn("check                        1       0       0", text)

    def test_a_failure_is_named_and_fails(self):
        code, text = summarised(PASSED, FAILED)
        self.assertEqual(code, 1)
        self.assertIn("unit.ring.b: Timeout", text)

    def test_a_skip_says_why(self):
        for case, why in ((SKIPPED.format("SKIP: needs root"), "needs root"), (UNIT_SKIPPED, "needs a root user")):
            code, text = summarised(case)
            self.assertEqual(code, 0)
            self.assertIn(f"e2e.c: {why}", text)

    def test_a_skip_without_reason_fails(self):
        self.assertEqual(summarised(PASSED, SKIPPED.format("bye"))[0], 1)

    def test_missing_results_are_no_success(self):
        sys.argv = ["summary.py", "/nonexistent.xml"]
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(summary.main(), 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
