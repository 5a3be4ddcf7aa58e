"""Ten million connections in one process: memory, and how many are opened and closed a second.

`make bench-many`, two minutes. Both ends are ours, over a wire in memory (bench/many.c); each end counts as one
connection. First with memory had beforehand (`tee_stack_reserve()`), several rounds in one process, of which
the median counts; then without, where the system's first touch of the memory is most of the time.
"""

import json
import statistics
import subprocess

import lab as live
import tables

CONNECTIONS, CONNECTIONS_QUICK = 10_000_000, 1_000_000
# Of memory, with what the benchmark itself keeps of each.
BYTES_EACH = 800
# (key, what it is, wanted with memory had beforehand, is more better)
ROWS = (
    ("bytes_per_connection", "a connection, bytes", 600, False),
    ("opened_per_s", "opened a second", 1e6, True),
    ("closed_per_s", "closed a second", 1e6, True),
    ("opened_cpu_us_each", "to open one, CPU µs", None, False),
    ("opened_system_us_each", "of that the system's", None, False),
    ("closed_cpu_us_each", "to close one, CPU µs", None, False),
)


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as info:
        for line in info:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def play(program, count, rounds, *options):
    """The lines of JSON of one process."""
    done = subprocess.run([program, "our-many", str(count), f"--rounds={rounds}", *options],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise live.Failure(f"our-many {count}: {done.stderr.strip() or 'it was ended: too little memory?'}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def met(value, wanted, is_more_better):
    if wanted is None:
        return ["", ""]
    is_met = value >= wanted if is_more_better else value <= wanted
    return [f"{'≥' if is_more_better else '≤'} {wanted:,.0f}", "yes" if is_met else "**no**"]


def run(program, quick, rounds):
    """The table's lines, and what is to be saved."""
    count = CONNECTIONS_QUICK if quick else CONNECTIONS
    most = available_bytes() // BYTES_EACH // 1000 * 1000
    gap = []
    if count > most:
        gap = [f"Of {count:,} connections only {most:,} have room in this machine's memory.", ""]
        count = most
    reserved, *warm = play(program, count, rounds or 3, "--reserve")
    bare = play(program, count, 1)[0]
    lines = [f"### {count:,} idle connections in one process, one thread", "", *gap,
             tables.row_of(["", "memory beforehand", "wanted", "met", "without"]), "|---|---:|---:|---|---:|"]
    for key, title, wanted, is_more_better in ROWS:
        value = statistics.median(one[key] for one in warm)
        lines.append(tables.row_of([title, tables.number(value), *met(value, wanted, is_more_better),
                                    tables.number(bare[key])]))
    lines += ["", f"Medians of {len(warm)} rounds. The memory was had in {reserved['reserved_s']:.1f} s before them. "
              "A thousand connections, from all parts, were asked for a byte in each round; all came within a "
              "millisecond of virtual time, or there would be no table.", ""]
    return lines, {"connections": count, "reserved": reserved, "with_memory": warm, "without": bare}
