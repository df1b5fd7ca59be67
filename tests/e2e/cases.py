"""Runs the cases of one file and, where $TEST_RESULTS names a folder, leaves them there for scripts/count_tests."""
import os
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree


class Result(unittest.TextTestResult):
    """Remembers every case with its outcome and how long it took."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cases = []
        self.started = {}

    def startTest(self, test):
        self.started[test] = time.monotonic()
        super().startTest(test)

    def note(self, test, outcome=None, text=""):
        self.cases.append((test, time.monotonic() - self.started.get(test, time.monotonic()), outcome, text))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "failure", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "failure", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skipped", reason)

    def write(self, path):
        root = ElementTree.Element("testsuites")
        for test, seconds, outcome, text in self.cases:
            name = getattr(test, "_testMethodName", str(test))
            case = ElementTree.SubElement(root, "testcase", name=name, time=f"{seconds:.3f}")
            if outcome:
                ElementTree.SubElement(case, outcome).text = text
        ElementTree.ElementTree(root).write(path, encoding="utf-8")


def main():
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Result)
    program = unittest.main(module="__main__", testRunner=runner, exit=False)
    folder = os.environ.get("TEST_RESULTS")
    if folder:
        program.result.write(os.path.join(folder, os.path.basename(sys.argv[0]) + ".xml"))
    sys.exit(0 if program.result.wasSuccessful() else 1)
