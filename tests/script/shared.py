#!/usr/bin/env python3
"""The scripts that others wrote to test other stacks, run against ours.

    shared.py RUNNER FOLDER DIFFERENCES [--least TIER=PERCENT]...

FOLDER holds index.csv and the scripts. DIFFERENCES (expected.csv, which the runner's --expected
reads too) names those that are not right to pass, with a sentence each. Fails if a script fails that
is not named, if one that is named passes, if more than two in a hundred portable ones are named, or if
a tier passes less than its --least. Prints the counts by feature.
"""

import argparse
import collections
import csv
import os
import re
import subprocess
import sys

CASE = re.compile(r"^(not )?ok\b[ \t]*\d*[ \t-]*([^#\n]*?)[ \t]*(?:#.*)?$", re.M)
NAMED_MAX = 0.02


def read_differences(path):
    with open(path, encoding="utf-8", newline="") as source:
        named = {row["script"]: row["reason"] for row in csv.DictReader(source)}
    for script, why in named.items():
        if len(why) < 20:
            raise SystemExit(f"{path}: {script} has no sentence")
    return named


def run(runner, folder):
    done = subprocess.run([runner, "--tap", folder], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, errors="replace")
    results = {}
    for bad, name in CASE.findall(done.stdout):
        results[os.path.relpath(name.split(": ")[0], folder)] = not bad
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runner")
    parser.add_argument("folder")
    parser.add_argument("differences")
    parser.add_argument("--least", action="append", default=[], metavar="TIER=PERCENT")
    arguments = parser.parse_args()
    with open(os.path.join(arguments.folder, "index.csv"), encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    named = read_differences(arguments.differences)
    results = run(arguments.runner, arguments.folder)

    problems = []
    tiers = collections.OrderedDict()
    for row in rows:
        script, tier = row["script"], row["portability"]
        passed = results.get(script)
        counts = tiers.setdefault(tier, collections.OrderedDict()).setdefault(row["feature"], [0, 0])
        counts[0] += bool(passed)
        counts[1] += 1
        if passed is None:
            problems.append(f"{script} did not run")
        elif passed and script in named:
            problems.append(f"{script} passes and is named as a difference")
        elif not passed and script not in named:
            problems.append(f"{script} fails")
    for script in sorted(set(named) - {row["script"] for row in rows}):
        problems.append(f"{script} is named and does not exist")

    totals = {}
    for tier, features in tiers.items():
        for feature, (passed, count) in sorted(features.items()):
            print(f"{tier:16} {feature:28} {passed:3} of {count:3}")
        totals[tier] = [sum(column) for column in zip(*features.values())]
        print(f"{tier:16} {'all':28} {totals[tier][0]:3} of {totals[tier][1]:3}")
    portable_named = sum(1 for row in rows
                         if row["portability"] == "portable" and row["script"] in named)
    if portable_named > NAMED_MAX * totals.get("portable", [0, 0])[1]:
        problems.append(f"{portable_named} portable scripts are named: too many")
    for least in arguments.least:
        tier, _, percent = least.partition("=")
        passed, count = totals[tier]
        if 100 * passed < float(percent) * count:
            problems.append(f"{tier}: {passed} of {count} pass, fewer than {percent}%")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
