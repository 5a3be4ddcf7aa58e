#!/usr/bin/env python3
"""The export test: the shared library gives what the headers promise, and no more.

Every function that include/teeceepee marks TEE_API is exported by libteeceepee.so;
every symbol that it exports is declared there.

    exports.py TREE LIBRARY
"""

import glob
import os
import re
import subprocess
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.S)
DECLARATION = re.compile(r"\bTEE_API\b([^;{]*?)\b([A-Za-z_]\w*)\s*(\(|\[|;)", re.S)


def promised(tree):
    names = set()
    for path in glob.glob(os.path.join(tree, "include", "teeceepee", "*.h")):
        with open(path, encoding="utf-8") as header:
            text = COMMENT.sub(" ", header.read())
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        text = re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", "", text, flags=re.S)
        names |= {found.group(2) for found in DECLARATION.finditer(text)}
    return names


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], stdout=subprocess.PIPE,
                           check=True, text=True).stdout.splitlines()
    # Sanitizers and linkers add a few of their own, all reserved names.
    return {line.split()[-1].split("@")[0] for line in lines
            if line.split() and not line.split()[-1].startswith("_")}


def check(tree, library):
    wanted, given = promised(tree), exported(library)
    problems = [f"{name} is declared and not exported" for name in sorted(wanted - given)]
    problems += [f"{name} is exported and not declared" for name in sorted(given - wanted)]
    return problems, len(wanted)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    problems, wanted_count = check(*arguments)
    print("\n".join(problems + [f"{wanted_count} functions, {len(problems)} problems"]))
    return 1 if problems or wanted_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
