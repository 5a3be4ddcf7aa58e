#!/usr/bin/env python3
"""What `make bench` calls the machine's limits: the arithmetic of bench/limits.py, by hand-made parts.

Each bound takes only parts that bench/limits.c measures, gives what was worked out by hand, and gives nothing
where one of its parts is lacking.
"""

import os
import re
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TREE, "bench"), os.path.join(TREE, "tests", "live")]
import limits  # noqa: E402

PARTS = {"copy_local_gb_s": 40, "copy_read_long_ago_gb_s": 10, "copy_just_read_gb_s": 5, "copy_just_written_gb_s": 20,
         "wake_p50_us": 20, "wake_p99_us": 50, "line_p50_us": 0.1, "poll_p50_us": 1, "call_us": 0.25,
         "tap_write_us": 1, "tap_read_us": 0.75, "tap_write_full_us": 1.448, "tap_read_full_us": 2.896,
         "tap_write_super_us": 13.1044, "tap_read_super_us": 4.344, "touch_gb_s": 2, "touch_huge_gb_s": 8,
         "bytes_each": 500}
# Bulk, in ns a byte: our copy 1/40, the write 1/20 and 1/10 - 1/40 more, the read 1/15.
WANTED = {
    "sending, Gbit/s": 8 / (0.025 + 0.05 + 0.075),
    "sending, no copy, Gbit/s": 8 / (0.05 + 0.075),
    # 10.9 and 15 GB/s of ours, but 10 of the sender's.
    "receiving, Gbit/s": 80,
    "receiving, no copy, Gbit/s": 80,
    "sending, no offloads, Gbit/s": 8,
    "receiving, no offloads, Gbit/s": 4,
    "sending, no offloads, kernel's thread, Gbit/s": 8,
    "receiving, no offloads, kernel's thread, Gbit/s": 4,
    "ping-pong, sleeping, p50, µs": 21.25,
    "ping-pong, sleeping, p99, µs": 51.25,
    "ping-pong, polling, p50, µs": 2.25,
    "connections, in turn, /s": 1e6 / 24.75,
    "connections, 32 at once, /s": 1e6 / 5.25,
    "connections, 32 at once, RPS, /s": 1e6 / 5.25,
    "requests, kept, /s": 1e6 / 1.75,
    "requests, fresh, /s": 1e6 / 6,
    "opened in memory, /s": 16e6,
    "an idle connection, bytes": 84,
    "TIME-WAIT, bytes": 28,
}


def problems():
    with open(os.path.join(TREE, "bench", "limits.c"), encoding="utf-8") as source:
        measured = re.findall(r'"(\w+_(?:us|gb_s))"', source.read())
    told = [key for key, _, _ in limits.PARTS]
    if measured != told:
        yield f"bench/limits.c measures {measured}, bench/limits.py tells {told}"
    if {bound.name for bound in limits.BOUNDS} != set(WANTED):
        yield "not each bound was worked out by hand"
    for bound in limits.BOUNDS:
        limit, why = bound.found(PARTS)
        if abs(limit / WANTED[bound.name] - 1) > 1e-9 or not why:
            yield f"{bound.name}: {limit}, not {WANTED[bound.name]}"
        for key in bound.takes:
            if bound.found({**PARTS, key: None})[0] is not None:
                yield f"{bound.name}: a limit without {key}"
    if abs(limits.writing(40, 50, 13.1044) - 20) > 1e-9:
        yield "a write became faster by memory that the other core has read"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) or f"{len(WANTED)} bounds, 0 problems")
    sys.exit(1 if found else 0)
