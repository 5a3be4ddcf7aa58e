#!/usr/bin/env python3
"""The install test: what `make install` lays down is enough to use the library.

Installs into a temporary place, compiles a program with nothing but what
pkg-config says, shared and static, and runs it. The man page and the program
must be there too.

    install.py BUILD_DIR C_COMPILER
"""

import glob
import os
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <stdio.h>
#include <teeceepee/teeceepee.h>

int main(void)
{
	puts(tee_strerror(-TEE_ECONNREFUSED));
	return 0;
}
"""


def run(command, **extra):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **extra)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}")
    return done.stdout.strip()


def one(pattern, what):
    found = glob.glob(pattern, recursive=True)
    if not found:
        sys.exit(f"{what} was not installed ({pattern})")
    return found[0]


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    build, compiler = arguments
    with tempfile.TemporaryDirectory() as root:
        run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root])
        pc_file = one(f"{root}/**/pkgconfig/teeceepee.pc", "the pkg-config file")
        one(f"{root}/**/man1/teeceepee.1*", "the man page")
        program = one(f"{root}/**/bin/teeceepee", "the program")
        run([program, "--version"])

        env = dict(os.environ, PKG_CONFIG_SYSROOT_DIR="", LC_ALL="C")
        env["PKG_CONFIG_PATH"] = os.path.dirname(pc_file)
        # The file names the final prefix; here it stands below a temporary one.
        prefix = os.path.dirname(os.path.dirname(program))

        def flags(*options):
            return run(["pkg-config", f"--define-variable=prefix={prefix}", *options, "teeceepee"],
                       env=env).split()

        source = os.path.join(root, "try.c")
        with open(source, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        shared, static = os.path.join(root, "shared"), os.path.join(root, "static")
        run([compiler, source, "-o", shared, *flags("--cflags", "--libs")])
        library_dir = os.path.dirname(one(f"{root}/**/libteeceepee.so", "the shared library"))
        said = run([shared], env=dict(os.environ, LD_LIBRARY_PATH=library_dir))

        archive = one(f"{root}/**/libteeceepee.a", "the static library")
        libraries = [archive if flag == "-lteeceepee" else flag
                     for flag in flags("--static", "--cflags", "--libs")]
        run([compiler, source, "-o", static, *libraries])
        if not said or run([static]) != said:
            sys.exit("the shared and the static program do not say the same")
        print(f"both say: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
