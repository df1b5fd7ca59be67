"""scripts/count_tests counts cmocka's cases one by one, and a program that died as a failure."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv.pop(1)

CASES = """<?xml version="1.0" encoding="UTF-8" ?>
<testsuites>
  <testsuite name="tests" time="0.000" tests="3" failures="%d" errors="0" skipped="1" >
    <testcase name="a_case_passes" time="0.000" >
    </testcase>
    <testcase name="a_case_is_skipped" time="0.000" >
      <skipped/>
    </testcase>
    <testcase name="a_last_case" time="0.000" >%s
    </testcase>
  </testsuite>
</testsuites>
"""
GOOD = CASES % (0, "")
BAD = CASES % (1, "<failure><![CDATA[0x1 != 0x2\x01\ntest_x.c:7: error: Failure!]]></failure>")


class CountTests(unittest.TestCase):
    def count(self, *runs):
        """Each run: (program, result, exit code, XML or None)."""
        with tempfile.TemporaryDirectory() as folder:
            testlog = os.path.join(folder, "testlog.json")
            with open(testlog, "w", encoding="utf-8") as log:
                for program, result, code, xml in runs:
                    command = ["/x/run_test", *(["/usr/bin/python3", "-B"] if program.endswith(".py") else []), "/y/" + program]
                    run = {"name": "sotto:unit / " + program, "command": command, "result": result, "returncode": code}
                    log.write(json.dumps(run) + "\n")
                    if xml is not None:
                        with open(os.path.join(folder, program + ".xml"), "w", encoding="utf-8") as out:
                            out.write(xml)
            script = os.path.join(ROOT, "scripts/count_tests")
            run = subprocess.run([script, testlog, folder], capture_output=True, text=True)
        lines = run.stdout.splitlines()
        return run.returncode, lines[-1], lines[:-1]

    def test_cases_are_counted_one_by_one(self):
        self.assertEqual(self.count(("test_x", "OK", 0, GOOD)), (0, "2 passed, 0 failed, 1 skipped", []))

    def test_programs_add_up(self):
        status, line, _ = self.count(
            ("test_x", "OK", 0, GOOD), ("test_y", "OK", 0, GOOD), ("python3", "OK", 0, None), ("z", "SKIP", 77, None)
        )
        self.assertEqual((status, line), (0, "5 passed, 0 failed, 3 skipped"))

    def test_a_failed_case_is_named_with_its_message(self):
        status, line, before = self.count(("test_x", "FAIL", 1, BAD))
        self.assertEqual((status, line), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertEqual(before[0], "FAILED test_x: a_last_case")
        self.assertIn("    test_x.c:7: error: Failure!", before)

    def test_a_program_that_dies_before_its_report_failed(self):
        self.assertEqual(self.count(("test_x", "FAIL", -11, None))[:2], (1, "0 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.count(("test_x", "TIMEOUT", -15, ""))[:2], (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_program_that_dies_after_its_report_failed(self):
        self.assertEqual(self.count(("test_x", "FAIL", -6, GOOD))[:2], (1, "2 passed, 1 failed, 1 skipped"))

    def test_a_program_that_should_fail_is_one_test_and_passes_when_it_does(self):
        self.assertEqual(self.count(("test_x", "EXPECTEDFAIL", 1, BAD)), (0, "1 passed, 0 failed, 0 skipped", []))
        status, line, before = self.count(("test_x", "UNEXPECTEDPASS", 0, GOOD))
        self.assertEqual((status, line), (1, "0 passed, 1 failed, 0 skipped"))
        self.assertEqual(before[0], "FAILED test_x")

    def test_a_script_that_leaves_its_cases_counts_as_them(self):
        self.assertEqual(self.count(("test_x.py", "OK", 0, GOOD))[:2], (0, "2 passed, 0 failed, 1 skipped"))

    def test_a_script_without_a_report_counts_as_one(self):
        self.assertEqual(self.count(("python3", "OK", 0, None))[:2], (0, "1 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.count(("python3", "FAIL", 1, None))[:2], (1, "0 passed, 1 failed, 0 skipped"))


if __name__ == "__main__":
    unittest.main()
