"""Goodput over bad roads, ours beside Linux's: loss × round trip × reordering × rate, both directions.

In each cell the kernel's TCP is the peer. Ours runs behind its own impaired TAP; Linux's crosses
between two TAPs by a bridge that impairs with the same code and the same words (bench/bridge.c), in
both directions at one place. Both sides use CUBIC. Cells with a rate limit cost little, so several
run at once; those without run alone.
"""

import concurrent.futures
import itertools
import json
import statistics
import sys

import lab as live

PORT = 6000
LOSS = (0, 0.1, 1, 3)
RTT_MS = (1, 20, 100)
REORDER = (0, 3)
RATE_MBIT = (10, 100, 0)
WAYS = (("sending", "sink"), ("receiving", "source"))
STACKS = ("ours", "linux")


def words_of(cell, seed):
    """The impairment of a cell; the round trip is divided over both directions."""
    loss, rtt_ms, reorder, rate = cell
    words = [f"delay={rtt_ms * 500}us", f"seed={seed}"]
    if loss:
        words.append(f"loss={loss}%")
    if reorder:
        words.append(f"reorder={reorder}%")
    if rate:
        # A bottleneck's queue of one round trip, at least 30 packets.
        words.append(f"rate={rate}mbit")
        words.append(f"queue={max(45000, rate * 1000 * rtt_ms // 8)}")
    return ",".join(words)


def cubic(lab, ns=None):
    lab.sysctl("net.ipv4.tcp_congestion_control", "cubic", ns=ns)
    # Each run must find out for itself.
    lab.sysctl("net.ipv4.tcp_no_metrics_save", 1, ns=ns)


def run_ours(lab, impairment, what, seconds):
    wire = live.Tap(lab)
    cubic(lab)
    lab.start(lab.program, "kernel-server", PORT)
    lab.wait_listening(PORT)
    return lab.start(lab.program, "our-client", what, f"{wire.link},offload=0", f"{wire.own4}/24",
                     wire.peer4, PORT, seconds, 0, impairment, "cubic")


def run_linux(lab, impairment, what, seconds):
    far = lab.namespace(f"far{lab.number}")
    near_tap, far_tap = f"near{lab.number}", f"far{lab.number}"
    bridge = lab.start(lab.program, "bridge", near_tap, far_tap, impairment)
    live.until(bridge.output, 5, f"the bridge; {bridge.errors()}")
    lab.ip("link", "set", far_tap, "netns", far)
    for device, ns, address in ((near_tap, None, "10.99.0.2/24"), (far_tap, far, "10.99.0.1/24")):
        cubic(lab, ns)
        lab.ip("addr", "add", address, "dev", device, ns=ns)
        lab.ip("link", "set", device, "up", ns=ns)
    lab.start(lab.program, "kernel-server", PORT, ns=far)
    lab.wait_listening(PORT, far)
    return lab.start(lab.program, "kernel-client", what, "10.99.0.1", PORT, seconds, 0)


class Counter:
    """Numbers for Labs, and a line of progress."""

    def __init__(self, total):
        self.next_number = itertools.count(1)
        self.done, self.total = 0, total

    def tick(self, text):
        self.done += 1
        if sys.stderr.isatty():
            print(f"\r{self.done}/{self.total} {text:<60}", end="", file=sys.stderr, flush=True)


def one_run(program, root, counter, job, seconds):
    cell, (way, what), stack, round_number = job
    lab = live.Lab(program, next(counter.next_number), False, root)
    try:
        impairment = words_of(cell, 1000 + round_number)
        start = run_ours if stack == "ours" else run_linux
        process = start(lab, impairment, what, seconds)
        process.check_exit(0, seconds + 40)
        goodput = json.loads(process.output())["gbit_s"] * 1000
    finally:
        lab.close()
        lab.remove_namespaces()
    counter.tick(f"{stack}, {way}, {impairment}")
    return job, goodput


def cell_name(cell):
    loss, rtt_ms, reorder, rate = cell
    return f"{loss}% | {rtt_ms} ms | {reorder}% | {f'{rate} Mbit/s' if rate else 'none'}"


def run(program, root, quick):
    """(lines of a Markdown table, all figures)"""
    cells = list(itertools.product(LOSS, RTT_MS, REORDER, RATE_MBIT))
    if quick:
        cells = [cell for cell in cells if cell[1] == 20 and cell[3]]
    rounds, seconds = (1, 3) if quick else (3, 5)
    jobs = [(cell, way, stack, number) for cell in cells for way in WAYS for number in range(rounds)
            for stack in STACKS]
    counter = Counter(len(jobs))
    figures = {}
    for at_once, part in ((6, [job for job in jobs if job[0][3]]),
                          (1, [job for job in jobs if not job[0][3]])):
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for (cell, way, stack, _), goodput in pool.map(
                    lambda job: one_run(program, root, counter, job, seconds), part):
                figures.setdefault((cell, way[0], stack), []).append(goodput)
    lines = ["| loss | round trip | reordering | rate | ours, sending | Linux | ratio | "
             "ours, receiving | Linux | ratio |", "|---:" * 10 + "|"]
    ratios = []
    for cell in cells:
        row = f"| {cell_name(cell)} |"
        for way, _ in WAYS:
            ours, linux = (statistics.median(figures[(cell, way, stack)]) for stack in STACKS)
            ratios.append(ours / linux if linux else 1.0)
            row += f" {ours:.2f} | {linux:.2f} | {ratios[-1]:.2f} |"
        lines.append(row)
    good = sum(ratio >= 1.0 for ratio in ratios)
    print(f"{good} of {len(ratios)} ratios at 1.0 or above; the lowest is {min(ratios):.2f}")
    data = {"rounds": rounds, "seconds": seconds, "unit": "Mbit/s",
            "figures": [{"cell": cell, "way": way, "stack": stack, "mbit_s": values}
                        for (cell, way, stack), values in figures.items()]}
    return lines, data
