#!/usr/bin/env python3
"""The documentation test: what README.md and docs/ name, exists.

  - `dir/file.c` in backticks is a file or directory of the tree, or below src/,
    include/ or include/teeceepee/.
  - `some_function()` in backticks is a word of the sources.
  - a relative link leads somewhere.

    docs.py TREE
"""

import glob
import os
import re
import sys

BELOW = ["", "src", "include", "include/teeceepee", "docs"]
FENCE = re.compile(r"^```.*?^```", re.S | re.M)
TICKED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"^[\w.-]+(?:/[\w.-]+)+/?$|^[\w-]+/$")
FUNCTION = re.compile(r"^([a-z_]\w*)\(\)$")
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
WORD = re.compile(r"[A-Za-z_]\w*")
# `x_new`, `is_`: a habit of naming, not a name.
PLACEHOLDER = re.compile(r"\bx_|_(/|$)")
# Places outside the tree that a text may name.
ELSEWHERE = ("build/", "usr/", "dev/", "run/", "proc/", "sys/", "net/core/", "net/ipv4/")


def words_of_sources(tree):
    words = set()
    for place in ("include", "src", "examples", "bench", "tests", "fuzz"):
        for path in glob.glob(os.path.join(tree, place, "**", "*.[ch]"), recursive=True):
            with open(path, encoding="utf-8") as source:
                words |= set(WORD.findall(source.read()))
    return words


def check_text(tree, name, text, words):
    problems = []
    plain = FENCE.sub("", text)
    for token in TICKED.findall(plain):
        if PLACEHOLDER.search(token):
            continue
        function = FUNCTION.match(token)
        if function and function.group(1) not in words:
            problems.append(f"{name}: there is no function {token}")
        elif PATH.match(token) and not token.startswith(ELSEWHERE):
            stem = token.rstrip("/")
            candidates = [os.path.join(tree, below, stem + ending)
                          for below in BELOW for ending in ("", ".c", ".h")]
            inner = glob.glob(os.path.join(tree, "src", "*", stem))
            if not inner and not any(os.path.exists(candidate) for candidate in candidates):
                problems.append(f"{name}: there is no {token}")
    for link in LINK.findall(plain):
        if ":" not in link and not os.path.exists(
                os.path.join(tree, os.path.dirname(name), link)):
            problems.append(f"{name}: the link {link} leads nowhere")
    return problems


def check(tree):
    words = words_of_sources(tree)
    problems = []
    texts = glob.glob(os.path.join(tree, "*.md")) \
        + glob.glob(os.path.join(tree, "docs", "**", "*.md"), recursive=True)
    for path in sorted(texts):
        with open(path, encoding="utf-8") as text:
            problems += check_text(tree, os.path.relpath(path, tree), text.read(), words)
    return problems, len(texts)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__)
        return 2
    problems, texts_count = check(arguments[0])
    print("\n".join(problems + [f"{texts_count} texts, {len(problems)} problems"]))
    return 1 if problems or texts_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
