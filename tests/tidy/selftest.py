#!/usr/bin/env python3
"""Proves that each tidy test fails when its rule is broken on purpose.

Each case makes a small tree with one violation (or none) and asks the check. Prints
TAP.

    selftest.py C_COMPILER AR
"""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "tools"))
import docs  # noqa: E402
import exports  # noqa: E402
import headers  # noqa: E402
import layers  # noqa: E402
import lengths  # noqa: E402
import symbols  # noqa: E402
import test_summary  # noqa: E402

C_COMPILER, AR = sys.argv[1:3]
CLEAN = {
    "include/teeceepee/types.h": "#include <stdint.h>\n"
                                 "int tee_one(uint8_t byte) __attribute__((pure));\n",
    "src/base/seq.h": "#include <stdint.h>\nstruct seq32 {\n\tuint32_t v;\n};\n",
    "src/base/seq.c": '#include <string.h>\n#include "base/seq.h"\n',
    "src/tcp/conn.h": '#include "base/seq.h"\n',
    "src/tcp/input.c": '#include "tcp/conn.h"\n#include "tcp/cc/cubic.h"\n',
    "src/tcp/cc/cubic.h": '#include "base/seq.h"\n',
    "src/tcp/cc/cubic.c": '#include "tcp/cc/cubic.h"\n',
    "src/link/tap.c": '#include <unistd.h>\n#include "pkt/frame.h"\n#include "build_config.h"\n',
    "src/pkt/frame.h": "struct frame;\n",
    "src/host/loop.c": '#include <sys/epoll.h>\n#include "tcp/conn.h"\n#include <teeceepee/host.h>\n',
    "src/cli/main.c": '#include "host/loop.h"\n',
}


def make_tree(root, files):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def with_tree(changes, ask):
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, CLEAN | changes)
        return ask(root)


def layer_problems(changes):
    return with_tree(changes, lambda root: layers.check(root)[0])


def length_problems(changes, waivers=""):
    def ask(root):
        make_tree(root, {"waivers.txt": waivers})
        return lengths.check(root, os.path.join(root, "waivers.txt"))[0]
    return with_tree(changes, ask)


def doc_problems(text):
    return with_tree({"docs/a.md": text, "src/tcp/output.c": "int tcp_output(void);\n"},
                     lambda root: docs.check(root)[0])


def header_problems(changes):
    return with_tree(changes, lambda root: headers.check(root, C_COMPILER)[0])


def symbol_problems(sources, allowed):
    """Compile sources into an archive and ask the symbol test."""
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, sources | {"allowed.txt": allowed})
        for name in sources:
            subprocess.run([C_COMPILER, "-O2", "-fPIC", "-fno-builtin", "-U_FORTIFY_SOURCE", "-c",
                            name, "-o", name + ".o"], cwd=root, check=True)
        archive = os.path.join(root, "core.a")
        subprocess.run([AR, "rcs", archive, *(name + ".o" for name in sources)], cwd=root,
                       check=True)
        return symbols.check(archive, os.path.join(root, "allowed.txt"))[0]


def export_problems(header, source):
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, {"include/teeceepee/types.h": header, "lib.c": source})
        library = os.path.join(root, "lib.so")
        subprocess.run([C_COMPILER, "-shared", "-fPIC", "-fvisibility=hidden", "-o", library,
                        os.path.join(root, "lib.c")], check=True)
        return exports.check(root, library)[0]


def function_of(lines):
    return "int f(int a)\n{\n" + "\ta++;\n" * (lines - 4) + "\treturn a;\n}\n"


def counts(stdout, result):
    totals = test_summary.Totals()
    test_summary.add_test({"name": "x:unit / y", "stdout": stdout, "result": result}, "", totals)
    return (totals.passed, totals.failed, totals.skipped)


ALLOWED = "memcpy\nsnprintf print.c.o\n"
USES_MEMCPY = "#include <string.h>\nvoid f(char *a);\nvoid f(char *a) { memcpy(a, a + 9, 9); }\n"
VISIBLE = '#define TEE_API __attribute__((visibility("default")))\n'

# (what it proves, whether a problem is expected, the question)
CASES = [
    ("layers: a clean tree passes", False, lambda: layer_problems({})),
    ("layers: base may not see tcp", True,
     lambda: layer_problems({"src/base/seq.c": '#include "tcp/conn.h"\n'})),
    ("layers: tcp may not see sock", True,
     lambda: layer_problems({"src/tcp/a.c": '#  include "sock/sock.h"\n'})),
    ("layers: angle brackets hide nothing", True,
     lambda: layer_problems({"src/net/a.c": "#include <tcp/conn.h>\n"})),
    ("layers: link may not see net", True,
     lambda: layer_problems({"src/link/a.c": '#include "net/netif.h"\n'})),
    ("layers: sim may not see host", True,
     lambda: layer_problems({"src/sim/a.c": '#include "host/loop.h"\n'})),
    ("layers: host may not see cli", True,
     lambda: layer_problems({"src/host/a.c": '#include "cli/main.h"\n'})),
    ("layers: the core may not see host's public header", True,
     lambda: layer_problems({"src/stack/a.c": "#include <teeceepee/host.h>\n"})),
    ("layers: the core may not see the operating system", True,
     lambda: layer_problems({"src/net/a.c": "#include <sys/socket.h>\n"})),
    ("layers: the core may not read the clock", True,
     lambda: layer_problems({"src/engine/a.c": "#include <time.h>\n"})),
    ("layers: the core is not configured by the build", True,
     lambda: layer_problems({"src/net/a.c": '#include "build_config.h"\n'})),
    ("layers: a header needs its room", True,
     lambda: layer_problems({"src/net/a.c": '#include "netif.h"\n'})),
    ("layers: no way around by dots", True,
     lambda: layer_problems({"src/net/a.c": '#include "net/../tcp/conn.h"\n'})),
    ("layers: an unknown room fails", True, lambda: layer_problems({"src/misc/a.c": "\n"})),
    ("layers: a comment is no include", False,
     lambda: layer_problems({"src/net/a.c": '/*\n#include "tcp/conn.h"\n*/\n'})),
    ("layers: a congestion controller may not see the connection", True,
     lambda: layer_problems({"src/tcp/cc/cubic.c": '#include "tcp/conn.h"\n'})),
    ("layers: nor loss recovery, through another header", True,
     lambda: layer_problems({"src/tcp/loss/rack.c": '#include "tcp/timers.h"\n',
                             "src/tcp/timers.h": '#include "tcp/conn.h"\n'})),

    ("symbols: an allowed call passes", False,
     lambda: symbol_problems({"a.c": USES_MEMCPY}, ALLOWED)),
    ("symbols: a call inside the archive passes", False,
     lambda: symbol_problems({"a.c": "int g(void);\nint f(void) { return g(); }\n",
                              "b.c": "int g(void) { return 1; }\n"}, ALLOWED)),
    ("symbols: a system call fails", True,
     lambda: symbol_problems({"a.c": "#include <unistd.h>\nint f(void) { return getpid(); }\n"},
                             ALLOWED)),
    ("symbols: the clock fails", True,
     lambda: symbol_problems({"a.c": "#include <time.h>\nlong f(void) { return time(0); }\n"},
                             ALLOWED)),
    ("symbols: a weak reference hides nothing", True,
     lambda: symbol_problems({"a.c": "extern int getpid(void) __attribute__((weak));\n"
                                     "int f(void) { return getpid ? getpid() : 0; }\n"}, ALLOWED)),
    ("symbols: text outside the printers fails", True,
     lambda: symbol_problems({"a.c": "#include <stdio.h>\nint f(char *b, int n) "
                                     '{ return snprintf(b, 9, "%d", n); }\n'}, ALLOWED)),
    ("symbols: text in the printer passes", False,
     lambda: symbol_problems({"print.c": "#include <stdio.h>\nint f(char *b, int n) "
                                         '{ return snprintf(b, 9, "%d", n); }\n'}, ALLOWED)),
    ("symbols: a static variable fails", True,
     lambda: symbol_problems({"a.c": "static int n;\nint f(void) { return n++; }\n"}, ALLOWED)),
    ("symbols: an initialised static variable fails", True,
     lambda: symbol_problems({"a.c": "static int n = 7;\nint f(void) { return n++; }\n"}, ALLOWED)),
    ("symbols: const tables pass", False,
     lambda: symbol_problems({"a.c": 'static const char *const t[] = {"a", "b"};\n'
                                     "const char *f(int i) { return t[i]; }\n"}, ALLOWED)),

    ("lengths: 70 lines pass", False, lambda: length_problems({"src/net/a.c": function_of(70)})),
    ("lengths: a function of 71 lines fails", True,
     lambda: length_problems({"src/net/a.c": function_of(71)})),
    ("lengths: a file of 701 lines fails", True,
     lambda: length_problems({"src/net/a.c": "int x;\n" * 701})),
    ("lengths: a waiver helps", False,
     lambda: length_problems({"src/net/a.c": function_of(71)},
                             "src/net/a.c:f 80 one table, row by row\n")),
    ("lengths: only up to its limit", True,
     lambda: length_problems({"src/net/a.c": function_of(81)},
                             "src/net/a.c:f 80 one table, row by row\n")),
    ("lengths: a waiver needs a reason", True,
     lambda: length_problems({"src/net/a.c": function_of(71)}, "src/net/a.c:f 80\n")),
    ("lengths: a stale waiver fails", True,
     lambda: length_problems({"src/net/a.c": function_of(60)},
                             "src/net/a.c:f 80 one table, row by row\n")),

    ("headers: a clean tree passes", False, lambda: header_problems({})),
    ("headers: a header that leans on another fails", True,
     lambda: header_problems({"include/teeceepee/b.h": "struct b {\n\tuint8_t c;\n};\n"})),
    ("headers: an internal one too", True,
     lambda: header_problems({"src/net/b.h": "struct b {\n\tuint8_t c;\n};\n"})),

    ("exports: all declared, all exported", False,
     lambda: export_problems("TEE_API int tee_a(void (*f)(int));\nTEE_API const char *\ntee_b(void);"
                             "\n", VISIBLE + "TEE_API int tee_a(void (*f)(int)) { return !f; }\n"
                             'TEE_API const char *tee_b(void) { return ""; }\n'
                             "int hidden(void) { return 0; }\n")),
    ("exports: a promise not kept fails", True,
     lambda: export_problems("TEE_API int tee_a(void);\n", "int tee_a(void) { return 0; }\n")),
    ("exports: an undeclared one fails", True,
     lambda: export_problems("TEE_API int tee_a(void);\n",
                             VISIBLE + "TEE_API int tee_a(void) { return 0; }\n"
                             "TEE_API int tee_c(void) { return 0; }\n")),

    ("docs: what is there may be named", False,
     lambda: doc_problems("`src/tcp/output.c`, `tcp/output`, `tcp_output()`, [a](a.md)\n")),
    ("docs: a file that is gone fails", True, lambda: doc_problems("`src/tcp/inputs.c`\n")),
    ("docs: a function that is gone fails", True, lambda: doc_problems("`tcp_outputs()`\n")),
    ("docs: a dead link fails", True, lambda: doc_problems("[a](b.md)\n")),
]

# (what it proves, what is expected, standard output, Meson's verdict)
COUNTS = [
    ("summary: a plain success", (1, 0, 0), "fine\n", "OK"),
    ("summary: a plain failure", (0, 1, 0), "", "FAIL"),
    ("summary: a time-out", (0, 1, 0), "", "TIMEOUT"),
    ("summary: a plain skip", (0, 0, 1), "no tshark here\n", "SKIP"),
    ("summary: TAP by its cases", (2, 1, 1),
     "1..4\nok 1 - a\nnot ok 2 - b\n# 1 != 2\nok 3 - c\nok 4 - d # SKIP why\n", "FAIL"),
    ("summary: a not ok with exit code 0 counts", (0, 1, 0), "1..1\nnot ok 1 - a\n", "OK"),
    ("summary: a crash half-way counts", (1, 1, 0), "1..3\nok 1 - a\n", "FAIL"),
    ("summary: a plan not kept counts", (1, 1, 0), "1..3\nok 1 - a\n", "OK"),
    ("summary: cmocka's skip", (1, 0, 1), "1..2\nok 1 - a\nnot ok 2 # SKIP b\n", "OK"),
]


def main():
    number = failed = 0
    print(f"1..{len(CASES) + len(COUNTS)}")

    def tell(good, name, detail):
        nonlocal number, failed
        number += 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            print(f"# {detail}")

    for name, expected, ask in CASES:
        problems = ask()
        tell(bool(problems) == expected, name, problems or "no problem was found")
    for name, expected, stdout, result in COUNTS:
        got = counts(stdout, result)
        tell(got == expected, name, f"counted {got}, expected {expected}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
