#!/usr/bin/env python3
"""The header test: each header compiles alone.

Public headers (include/teeceepee) as C and as C++, pedantically; the core's own
headers as C.

    headers.py TREE C_COMPILER [C++_COMPILER]
"""

import concurrent.futures
import glob
import os
import subprocess
import sys

from layers import CORE

STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror"]


def compile_alone(command, header, language, standard, tree):
    """The compiler's complaint about one header, or an empty text."""
    done = subprocess.run(
        [command, *STRICT, f"-std={standard}", "-x", language, "-I", os.path.join(tree, "include"),
         "-I", os.path.join(tree, "src"), "-"],
        input=f"#include <{header}>\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return f"{header} as {standard}:\n{done.stdout}" if done.returncode else ""


def works_as_cxx(command):
    if not command:
        return False
    try:
        return subprocess.run([command, "-fsyntax-only", "-x", "c++", "-"], input="int x;\n",
                              text=True, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def check(tree, c_compiler, cxx_compiler=None):
    public = [os.path.relpath(path, os.path.join(tree, "include"))
              for path in glob.glob(os.path.join(tree, "include", "teeceepee", "*.h"))]
    internal = [os.path.relpath(path, os.path.join(tree, "src"))
                for room in CORE
                for path in glob.glob(os.path.join(tree, "src", room, "**", "*.h"), recursive=True)]
    jobs = [(c_compiler, header, "c", "c11", tree) for header in sorted(public)]
    if works_as_cxx(cxx_compiler):
        jobs += [(cxx_compiler, header, "c++", "c++17", tree) for header in sorted(public)]
    elif cxx_compiler:
        print(f"{cxx_compiler} compiles no C++ here: C only")
    jobs += [(c_compiler, header, "c", "gnu17", tree) for header in sorted(internal)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(pool.map(lambda job: compile_alone(*job), jobs))
    return [complaint for complaint in complaints if complaint], len(jobs)


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__)
        return 2
    problems, jobs_count = check(*arguments)
    print("\n".join(problems + [f"{jobs_count} compilations, {len(problems)} problems"]))
    return 1 if problems or jobs_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
