#!/usr/bin/env python3
"""The length test: functions of about 60 lines, files of about 600.

Above 70 or 700 a function or file fails, unless waivers.txt names it, its limit
and the reason. A waiver that nothing needs any more fails too.

A function is found by the layout that .clang-format gives: its opening and its
closing brace each stand alone at the start of a line.

    lengths.py TREE WAIVERS
"""

import glob
import os
import re
import sys

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 700
PLACES = ["include", "src", "examples", "bench", "fuzz", "tests"]
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions_of(lines):
    """Yield (name, first line, count of lines) of each function."""
    opened = None
    for index, line in enumerate(lines):
        if line == "{":
            first = index
            while first > 0 and lines[first - 1] and lines[first - 1][-1] not in "};/" \
                    and not lines[first - 1].startswith("#"):
                first -= 1
            # Attributes have parentheses too: the name is the one at the last
            # opening parenthesis of depth 0, but a plain search finds most.
            found = NAME.search(re.sub(r"__attribute__\s*\(\(.*?\)\)", "",
                                       " ".join(lines[first:index])))
            opened = (found.group(1) if found else "?", first)
        elif line == "}" and opened:
            yield opened[0], opened[1] + 1, index - opened[1] + 1
            opened = None


def read_waivers(path):
    """({name: limit}, problems). A line: file[:function] limit reason…"""
    waivers, problems = {}, []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if len(words) < 5 or not words[1].isdigit():
                problems.append(f"{os.path.basename(path)}:{number}: a waiver is "
                                "`file[:function] limit reason`, the reason in words")
                continue
            waivers[words[0]] = int(words[1])
    return waivers, problems


def check(tree, waivers_path):
    waivers, problems = read_waivers(waivers_path)
    used = set()
    files = []
    for place in PLACES:
        files += glob.glob(os.path.join(tree, place, "**", "*.[ch]"), recursive=True)

    def judge(name, where, count, limit):
        if count <= limit:
            return
        used.add(name)
        if count > waivers.get(name, limit):
            problems.append(f"{where}: {name.split(':')[-1]} has {count} lines, "
                            f"the limit is {waivers.get(name, limit)}")

    for path in sorted(files):
        name = os.path.relpath(path, tree)
        with open(path, encoding="utf-8") as source:
            lines = source.read().splitlines()
        judge(name, name, len(lines), FILE_LINES_MAX)
        for function, line, count in functions_of(lines):
            judge(f"{name}:{function}", f"{name}:{line}", count, FUNCTION_LINES_MAX)
    for name in sorted(set(waivers) - used):
        problems.append(f"{os.path.basename(waivers_path)}: {name} needs no waiver any more")
    return problems, len(files)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    problems, files_count = check(*arguments)
    print("\n".join(problems + [f"{files_count} files, {len(problems)} problems"]))
    return 1 if problems or files_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
