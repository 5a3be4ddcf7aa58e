#!/usr/bin/env python3
"""The layer test: every #include in src/ keeps to the order of the rooms.

  - A file includes only from its own room and from rooms that stand before it.
  - link sees only base, wire and pkt; sim sees the core and link.
  - tcp/loss and tcp/cc see no connection: tcp/conn.h is not reachable from them,
    not even through another header.
  - The core includes no header of the operating system, neither the public
    headers of the rooms outside it, nor the build's configuration.
  - A header is named with its room ("tcp/conn.h"), so that this test sees it.

    layers.py TREE
"""

import glob
import os
import re
import sys

CORE = ["base", "wire", "pkt", "engine", "net", "udp", "tcp", "addrconf", "sock", "posix", "stack"]
OUTSIDE = {
    "link": ["base", "wire", "pkt", "link"],
    "host": CORE + ["link", "host"],
    "sim": CORE + ["link", "sim"],
    "run": CORE + ["link", "host", "run"],
    "daemon": CORE + ["link", "host", "run", "daemon"],
    "cli": CORE + ["link", "host", "sim", "run", "daemon", "cli"],
}
MAY_SEE = {room: CORE[:i + 1] for i, room in enumerate(CORE)} | OUTSIDE

# Public headers that belong to rooms outside the core; the umbrella has them all.
PUBLIC_HOME = {
    "teeceepee/host.h": ("host", "run", "daemon", "cli"),
    "teeceepee/teeceepee.h": ("host", "run", "daemon", "cli"),
    "teeceepee/link.h": ("link", "host", "sim", "run", "daemon", "cli"),
}

# Headers of the C library that describe no operating system (sys/types.h: ssize_t).
FREE = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h",
        "stdint.h", "stdio.h", "stdlib.h", "string.h", "sys/types.h"}
# posix speaks the operating system's constants and structs, and calls nothing of it
# (the symbol test holds that).
FREE_FOR_POSIX = {"errno.h", "fcntl.h", "netinet/in.h", "netinet/tcp.h", "poll.h", "sys/epoll.h",
                  "sys/socket.h", "sys/uio.h"}

# The C library has a directory of the same name as one of our rooms.
SYSTEM_NET = {"net/ethernet.h", "net/if.h", "net/if_arp.h", "net/route.h"}

LEAVES = ("tcp/loss/", "tcp/cc/")
CONNECTION = "tcp/conn.h"

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def includes_of(path):
    """[(line, '<' or '"', name)] of one file, comments left out."""
    with open(path, encoding="utf-8") as source:
        text = COMMENT.sub(lambda found: "\n" * found.group().count("\n"), source.read())
    return [(text.count("\n", 0, found.start()) + 1, found.group(1), found.group(2))
            for found in INCLUDE.finditer(text)]


def check_include(room, kind, name):
    """What is wrong with one #include in that room, or None."""
    if ".." in name.split("/"):
        return "leaves its place with '..'"
    if name in PUBLIC_HOME and room not in PUBLIC_HOME[name]:
        return f"{room} may not see the public header of {PUBLIC_HOME[name][0]}"
    if name.startswith("teeceepee/"):
        return None
    if name == "build_config.h":
        return "the core has no conditional compilation" if room in CORE else None
    if kind == "<" and name in SYSTEM_NET and room not in CORE:
        return None
    first = name.split("/")[0]
    if first in MAY_SEE and "/" in name:
        if first not in MAY_SEE[room]:
            return f"{room} may not see {first}"
        return None
    if kind == '"':
        return "names no room"
    if room in CORE and name not in FREE:
        if room != "posix" or name not in FREE_FOR_POSIX:
            return "the core sees no operating system"
    return None


def path_to_connection(graph, start):
    """The chain of headers from start to tcp/conn.h, or None."""
    chains, seen = [[start]], {start}
    while chains:
        chain = chains.pop(0)
        for name in graph.get(chain[-1], []):
            if name == CONNECTION:
                return chain + [name]
            if name not in seen:
                seen.add(name)
                chains.append(chain + [name])
    return None


def check(tree):
    problems = []
    graph = {}
    src = os.path.join(tree, "src")
    files = sorted(glob.glob(os.path.join(src, "**", "*.[ch]"), recursive=True))
    for path in files:
        name = os.path.relpath(path, src)
        room = name.split("/")[0]
        if room not in MAY_SEE:
            problems.append(f"src/{name}: '{room}' is no room of the list")
            continue
        graph[name] = []
        for line, kind, included in includes_of(path):
            graph[name].append(included)
            wrong = check_include(room, kind, included)
            if wrong:
                problems.append(f"src/{name}:{line}: includes {included}: {wrong}")
    for name in graph:
        if name.startswith(LEAVES):
            chain = path_to_connection(graph, name)
            if chain:
                problems.append("src/" + " -> ".join(chain) + ": a leaf sees the connection")
    return problems, len(files)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__)
        return 2
    problems, files_count = check(arguments[0])
    print("\n".join(problems + [f"{files_count} files, {len(problems)} problems"]))
    return 1 if problems or files_count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
