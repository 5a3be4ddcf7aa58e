#!/usr/bin/env python3
"""Counts what Meson's test logs (meson-logs/*.json) say, sub-test by sub-test.

A program that prints TAP (a plan `1..N`, lines `ok` and `not ok`) counts by its
lines; any other counts as one. A program's own verdict has the last word: one
that fails without a `not ok`, or stops before its plan is done, adds a failure.

    tools/test_summary.py build/meson-logs/testlog.json...
"""

import json
import re
import sys

PLAN = re.compile(r"^1\.\.(\d+)", re.M)
CASE = re.compile(r"^(not )?ok\b[ \t]*(\d+)?[ \t-]*([^#\n]*)(#[^\n]*)?$", re.M)
OUTPUT_LINES = 120


class Totals:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.failures = []
        self.skips = []
        self.skipped = 0

    def fail(self, name, output, count=1):
        self.failed += count
        self.failures.append((name, output))

    def skip(self, name, reason):
        self.skipped += 1
        self.skips.append((name, reason))

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def report(self):
        """Print failures, skips and the counts; the exit code to end with."""
        for name, reason in self.skips:
            print(f"skipped: {name}{': ' + reason if reason else ''}")
        for name, output in self.failures:
            print(f"\n---- failed: {name}")
            lines = output.rstrip().splitlines()
            if len(lines) > OUTPUT_LINES:
                print(f"(the last {OUTPUT_LINES} of {len(lines)} lines)")
            print("\n".join(lines[-OUTPUT_LINES:]))
        if self.failures:
            print("\nfailed: " + ", ".join(name for name, _ in self.failures))
        if self.passed + self.failed == 0:
            print("no test ran")
        print(f"\n{self.line()}", flush=True)
        return 1 if self.failed or self.passed == 0 else 0


def count_tap(stdout):
    """(passed, failed names, skipped names, planned) of a TAP text, or None if it is none."""
    plans = PLAN.findall(stdout)
    if not plans:
        return None
    passed, failed, skipped = 0, [], []
    for bad, number, name, directive in CASE.findall(stdout):
        directive, _, reason = directive.lstrip("# \t").partition(" ")
        # cmocka writes a skipped case's name where others write the reason.
        name = name.strip() or reason.strip() or number
        if directive.upper() == "SKIP":
            skipped.append(name)
        elif bad and directive.upper() != "TODO":
            failed.append(name)
        else:
            passed += 1
    return passed, failed, skipped, sum(int(plan) for plan in plans)


def add_test(test, run_name, totals):
    name = test["name"].split(":", 1)[-1].replace(" / ", "/")
    if run_name:
        name += f" ({run_name})"
    stdout = test.get("stdout", "")
    output = stdout + test.get("stderr", "")
    result = test["result"]
    tap = count_tap(stdout)

    if tap is None or (result == "SKIP" and tap[0] + len(tap[1]) == 0):
        if result in ("OK", "EXPECTEDFAIL"):
            totals.passed += 1
        elif result in ("SKIP", "IGNORED"):
            lines = output.strip().splitlines()
            totals.skip(name, lines[-1] if lines else "")
        else:
            totals.fail(name, f"({result})\n{output}")
        return

    passed, failed, skipped, planned = tap
    totals.passed += passed
    for case in skipped:
        totals.skip(f"{name}: {case}", "")
    if failed:
        totals.fail(f"{name}: {', '.join(failed)}", output, len(failed))
    elif result not in ("OK", "SKIP", "EXPECTEDFAIL"):
        totals.fail(name, f"({result})\n{output}")
    elif passed + len(skipped) < planned:
        totals.fail(name, f"(planned {planned}, ran {passed + len(skipped)})\n{output}")


def read_log(path, run_name, totals):
    """Add one log's tests to the totals; how many programs it holds."""
    programs = 0
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            if line.strip():
                add_test(json.loads(line), run_name, totals)
                programs += 1
    return programs


def main(paths):
    totals = Totals()
    for path in paths:
        read_log(path, "", totals)
    return totals.report()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
