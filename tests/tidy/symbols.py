#!/usr/bin/env python3
"""The allow-list test: what the sans-I/O core calls, and what it remembers.

  - Undefined symbols of the core archive, less those that it defines itself, lie
    inside allowed-symbols.txt.
  - It has no writable static data: all that it knows is reachable from a stack, so
    that a run is a function of its arguments.

    symbols.py ARCHIVE ALLOWED
"""

import fnmatch
import re
import subprocess
import sys

# `nm -A`: archive:member:  value? type name
NM_LINE = re.compile(r"^.*?:([^:]+):\s*(?:[0-9a-f]+)?\s+([A-Za-z])\s+(\S+)$")
MEMBER_LINE = re.compile(r"^File: .*?(?:\(([^)]+)\)|([^/()]+))$")
# `readelf -S -W`: [nr] name type address offset size …
SECTION_LINE = re.compile(r"^\s*\[\s*\d+\]\s+(\S+)\s+\S+\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s")
WRITABLE = re.compile(r"^\.(data|bss|tdata|tbss)(\.|$)")


def read_allowed(path):
    """{symbol: [patterns of archive members that may use it]}."""
    allowed = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                allowed[words[0]] = words[1:] or ["*"]
    return allowed


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def undefined_symbols(archive):
    """{(member, symbol)} that the archive does not define itself."""
    defined, wanted = set(), set()
    for line in run("nm", "-A", archive).splitlines():
        found = NM_LINE.match(line)
        if not found:
            continue
        member, kind, symbol = found.groups()
        if kind in "Uwv":
            wanted.add((member, symbol.split("@")[0]))
        elif kind.isupper() or kind in "u":
            defined.add(symbol)
    return {(member, symbol) for member, symbol in wanted if symbol not in defined}, defined


def writable_sections(archive):
    """[(member, section, bytes)] of static data that can change."""
    found, member = [], "?"
    for line in run("readelf", "-S", "-W", archive).splitlines():
        name = MEMBER_LINE.match(line)
        if name:
            member = name.group(1) or name.group(2)
        section = SECTION_LINE.match(line)
        if section and WRITABLE.match(section.group(1)):
            # Const tables with pointers: written by the linker, then read-only.
            if not section.group(1).startswith(".data.rel.ro") and int(section.group(2), 16) > 0:
                found.append((member.split("/")[-1], section.group(1), int(section.group(2), 16)))
    return found


def check(archive, allowed_path):
    allowed = read_allowed(allowed_path)
    wanted, defined = undefined_symbols(archive)
    problems = []
    for member, symbol in sorted(wanted):
        member = member.split("/")[-1]
        if symbol not in allowed:
            problems.append(f"{member}: calls {symbol}, which is not on the allow-list")
        elif not any(fnmatch.fnmatch(member, pattern) for pattern in allowed[symbol]):
            problems.append(f"{member}: calls {symbol}, which only "
                            f"{' '.join(allowed[symbol])} may")
    for member, section, size in writable_sections(archive):
        problems.append(f"{member}: {size} bytes of writable static data in {section}")
    return problems, len(defined)


def main(arguments):
    if len(arguments) != 2:
        print(__doc__)
        return 2
    problems, defined_count = check(*arguments)
    print("\n".join(problems + [f"{defined_count} symbols defined, {len(problems)} problems"]))
    return 1 if problems or defined_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
