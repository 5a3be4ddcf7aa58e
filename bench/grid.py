"""Goodput over bad roads, ours beside Linux's: loss × round trip × reordering × rate, both ways, with
CUBIC on both sides and with BBR on both sides; and how long short flows take where one packet in a
hundred is lost.

In each cell the kernel's TCP is the peer, in a network namespace of its own behind a bridge that impairs
both directions at one place (bench/bridge.c). On the near TAP of that bridge sit both stacks: the kernel's
as on any interface, ours on a packet socket beside it, with a MAC and an address of its own. The bridge is
started anew for each run, and with the same seed for both: the nth packet of either meets the same fate
(ARP requests go around the impairment, the far end has one answer to give to either, and there is no IPv6). No
TAP takes super-frames, and each has a queue so long that nothing is lost but what the impairment takes. What a run
counts is said in bench/road_kernel.c.

A cell's runs take turns: ours, Linux's, ours … Cells that a rate keeps slow cost little, so several of
them run at once, and those that may use a whole core run alone. CUBIC among losses over a long way and BBR
among overtakers there cost next to nothing, and chance weighs most in them: of these many run at once,
and three times as often. How busy the machine was with each kind is told: runs disturb one another from
about half of it.
"""

import concurrent.futures
import contextlib
import itertools
import json
import math
import statistics
import sys
import time
import zlib

import lab as live

LOSS = (0, 0.1, 1, 3)
RTT_MS = (1, 20, 100)
REORDER = (0, 3)
RATE_MBIT = (10, 100, 0)
PORTS = {"cubic": 6000, "bbr": 6010}
CONTROLLERS = tuple(PORTS)
WAYS = (("sending", "sink"), ("receiving", "source"))
STACKS = ("ours", "linux")
FLOW_BYTES = (10_000, 100_000, 1_000_000)
FLOW_CELL = (1, 50, 0, 0)
FLOWS, FLOWS_AT_ONCE = 400, 20
TAP_QUEUE_PACKETS = 20000
PARTS = ("limited", "unlimited", "flows")


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


def seed_of(*what):
    """
    The same at each time, and another for each run: else one draw would be in all cells alike. Not
    another for each stack: the nth packet of either meets the same fate.
    """
    return zlib.crc32(repr(what).encode())


# kind of work -> (how many at once, how many times the rounds)
KINDS = {"starved": (20, 3), "limited": (12, 1), "halting": (4, 3), "heavy": (1, 1)}


def kind_of(cell, controller):
    """Can it run beside others without either feeling it?"""
    loss, rtt_ms, reorder, rate = cell
    if rtt_ms >= 20 and (loss if controller == "cubic" else reorder):
        return "starved"
    if rate:
        return "limited"
    # What a single timeout costs, and a loss in a hundred makes some, is a tenth of such a run.
    return "halting" if controller == "cubic" and rtt_ms < 20 and loss >= 1 else "heavy"


def seconds_of(cell, controller, plan):
    """Long enough that slow start is a small part; on a core of its own less will do."""
    if cell[1] == 100:
        return plan["seconds"] * (1 if kind_of(cell, controller) == "heavy" else 2)
    return plan["seconds"] * (0.6 if kind_of(cell, controller) == "heavy" else 1)


class Road:
    """A cell's road, with the kernel's servers at its far end; run() sends over it."""

    OURS, KERNELS, FAR = "10.99.0.3", "10.99.0.2", "10.99.0.1"
    OUR_MAC = "02:00:00:00:00:03"

    def __init__(self, program, root, number, cell):
        self.lab = live.Lab(program, number, False, root)
        self.cell, self.servers = cell, {}
        self.far = self.lab.namespace(f"far{number}")
        for device, ns, address in (("near", None, self.KERNELS), ("far", self.far, self.FAR)):
            self.lab.sysctl("net.ipv6.conf.default.disable_ipv6", 1, ns=ns)
            self.lab.ip("tuntap", "add", "dev", device, "mode", "tap", ns=ns)
            self.lab.ip("link", "set", device, "txqueuelen", TAP_QUEUE_PACKETS, ns=ns)
            self.lab.ip("addr", "add", f"{address}/24", "dev", device, ns=ns)
            self.lab.ip("link", "set", device, "up", ns=ns)
            # Each run must find out for itself.
            self.lab.sysctl("net.ipv4.tcp_no_metrics_save", 1, ns=ns)
        for controller, port in PORTS.items():
            self.servers[controller] = self.lab.start(
                program, "kernel-server", port, f"--cc={controller}", ns=self.far)
            self.lab.wait_listening(port, self.far)

    def close(self):
        self.lab.close()
        self.lab.remove_namespaces()

    def words_of_client(self, stack, what, controller):
        if stack == "linux":
            return ["kernel-road", what, controller, self.FAR, PORTS[controller]]
        return ["our-road", what, f"packet:near,offload=0,mac={self.OUR_MAC}", f"{self.OURS}/24",
                controller, self.FAR, PORTS[controller]]

    def run(self, stack, what, controller, seed, words, timeout_s):
        bridge = self.lab.start(self.lab.program, "bridge", "near", "far",
                                f"/run/netns/{self.far}", words_of(self.cell, seed))
        live.until(bridge.output, 5, f"the bridge; {bridge.errors()}", 0.005)
        client = self.lab.start(self.lab.program, *self.words_of_client(stack, what, controller),
                                *words)
        client.check_exit(0, timeout_s)
        result = json.loads(client.output())
        # The end of the connection has to cross, behind a queue of a round trip, or the peer would go on with it.
        time.sleep(0.1 + 2 * self.cell[1] / 1000)
        bridge.kill()
        for process in (client, bridge):
            process.forget()
        return result


class Numbers:
    """Numbers for Labs, and a line of progress."""

    def __init__(self, total):
        self.next_number = itertools.count(1)
        self.done, self.total = 0, total

    def tick(self, text):
        self.done += 1
        if sys.stderr.isatty():
            print(f"\r{self.done}/{self.total} {text:<60}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def road_of(program, root, numbers, cell):
    road = Road(program, root, next(numbers.next_number), cell)
    try:
        yield road
    finally:
        road.close()


def run_cell(program, root, numbers, job, plan):
    """(cell, controller), (way, stack) -> list of results."""
    cell, controller = job
    found = {}
    seconds = seconds_of(cell, controller, plan)
    rounds = plan["rounds"] * KINDS[kind_of(cell, controller)][1]
    with road_of(program, root, numbers, cell) as road:
        for (way, what), number in itertools.product(plan["ways"], range(rounds)):
            seed = seed_of(job, way, number)
            for stack in STACKS:
                result = road.run(stack, what, controller, seed, [seconds], seconds + 60)
                found.setdefault((way, stack), []).append(result)
                numbers.tick(f"{stack}, {controller}, {way}, {words_of(cell, seed)}")
    return job, found


def cell_name(cell):
    loss, rtt_ms, reorder, rate = cell
    return f"{loss}% | {rtt_ms} ms | {reorder}% | {f'{rate} Mbit/s' if rate else 'none'}"


def number_of(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def is_surely_below(ours, linux):
    """Are ours lower than chance explains? One-sided rank test (Mann and Whitney) at 5%; of three runs, all."""
    wins = sum((a > b) + (a == b) / 2 for a in ours for b in linux)
    pairs = len(ours) * len(linux)
    return wins < pairs / 2 - 1.645 * math.sqrt(pairs * (len(ours) + len(linux) + 1) / 12)


class Ratio:
    """Ours to Linux's in one cell, by the medians of their runs."""

    def __init__(self, found, way):
        ours, linux = ([result["mbit_s"] for result in found[(way, stack)]] for stack in STACKS)
        self.ours, self.linux = statistics.median(ours), statistics.median(linux)
        self.value = self.ours / self.linux if self.linux else 1.0
        # As it is printed: a thousandth less is no difference.
        self.is_good = round(self.value, 2) >= 1.0
        self.is_surely_below = not self.is_good and is_surely_below(ours, linux)

    def __str__(self):
        mark = " ↓" if self.is_surely_below else ""
        return f"{number_of(self.ours)} | {number_of(self.linux)} | {self.value:.2f}{mark}"


def summary_of(controller, ratios):
    values = [ratio.value for ratio in ratios]
    return (f"{controller} against {controller}, Mbit/s: {sum(r.is_good for r in ratios)} of {len(ratios)} "
            f"ratios at 1.00 or above, {sum(value < 0.8 for value in values)} below 0.80, the lowest "
            f"{min(values):.2f}; {sum(r.is_surely_below for r in ratios)} are lower than chance explains (↓)")


def grid_table(controller, ways, cells, results):
    """The lines of one controller's table, and its ratios."""
    titles = [title for way in ways for title in (f"ours, {way}", "Linux", "ratio")]
    lines = [f"| {' | '.join(['loss', 'round trip', 'reordering', 'rate', *titles])} |",
             "|---:" * (4 + len(titles)) + "|"]
    ratios = []
    for cell in cells:
        row = f"| {cell_name(cell)} |"
        for way in ways:
            ratios.append(Ratio(results[(cell, controller)], way))
            row += f" {ratios[-1]} |"
        lines.append(row)
    return lines, ratios


def processor_times():
    """(busy, all) of all cores since the machine began, in ticks."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def run_grid(program, root, jobs, plan):
    numbers = Numbers(sum(len(plan["ways"]) * plan["rounds"] * KINDS[kind_of(*job)][1] * len(STACKS)
                          for job in jobs))
    results, lines = {}, []
    for kind, (at_once, _) in KINDS.items():
        # The longest first, so that none is left alone at the end.
        part = sorted((job for job in jobs if kind_of(*job) == kind),
                      key=lambda job: -seconds_of(*job, plan))
        if not part:
            continue
        before = processor_times()
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            results.update(pool.map(
                lambda job: run_cell(program, root, numbers, job, plan), part))
        busy, ticks = (after - then for after, then in zip(processor_times(), before))
        lines += [f"{len(part)} {kind} cells, {min(at_once, len(part))} at once: the processor was "
                  f"{100 * busy / max(ticks, 1):.0f}% busy", ""]
    for controller in plan["controllers"]:
        cells = [cell for cell, other in jobs if other == controller]
        if not cells:
            continue
        table, ratios = grid_table(controller, [way for way, _ in plan["ways"]], cells, results)
        lines += [summary_of(controller, ratios), "", *table, ""]
    figures = [{"cell": cell, "controller": controller, "way": way, "stack": stack, "runs": runs}
               for (cell, controller), found in results.items()
               for (way, stack), runs in found.items()]
    return lines, figures


def run_flows(program, root, count):
    """Completion times of short flows that we, and that Linux, send."""
    lines = ["| flow | ours, median | Linux | ours, 99th percentile | Linux | ours, timeouts | "
             "Linux |", "|---:" * 7 + "|"]
    figures = []
    with road_of(program, root, Numbers(0), FLOW_CELL) as road:
        for size in FLOW_BYTES:
            row = {}
            for stack in STACKS:
                # Both speak to a kernel's server, which prints a line for each flow.
                words = [size, f"{count}/{FLOWS_AT_ONCE}"] if stack == "ours" else \
                    [size, count, FLOWS_AT_ONCE]
                server = road.servers["cubic"]
                seen = len(server.output().split())
                result = road.run(stack, "flows", "cubic", 77, words, 300)
                times = sorted(float(word) for word in server.output().split()[seen:])
                live.check_equal(len(times), count, f"flows of {size} bytes that arrived")
                row[stack] = (statistics.median(times), times[int(0.99 * (count - 1))],
                              result["timeouts"])
                figures.append({"bytes": size, "stack": stack, "ms": times, **result})
            pairs = [f"{row['ours'][i]:.0f} | {row['linux'][i]:.0f}" for i in range(3)]
            lines.append(f"| {size // 1000} KB | {' | '.join(pairs)} |")
    return [f"{count} flows each, CUBIC, 1% loss, 50 ms; times in ms", "", *lines, ""], figures


def wanted(part, quick, pattern, controllers):
    """(cell, controller) for all that is to be measured."""
    cells = itertools.product(LOSS, RTT_MS, REORDER, RATE_MBIT)
    if quick:
        cells = [cell for cell in cells if cell[1] == 20 and cell[3] == 10 and cell[0] != 0.1]
    if pattern:
        allowed = [None if word == "*" else {float(number) for number in word.split("+")}
                   for word in pattern.split(",")]
        cells = [cell for cell in cells
                 if all(numbers is None or value in numbers
                        for value, numbers in zip(cell, allowed))]
    jobs = itertools.product(cells, controllers)
    return [job for job in jobs
            if not part or (part == "unlimited") == (kind_of(*job) in ("halting", "heavy"))]


def add_options(parser):
    """Those of bench/run that are for the grid only."""
    group = parser.add_argument_group("with --grid")
    group.add_argument("--part", choices=PARTS,
                       help="cells that run beside others, cells that need the machine for "
                            "themselves, or short flows; all by default")
    group.add_argument("--cells", metavar="LOSS,RTT,REORDERING,RATE",
                       help="only these: 1+3,20,*,0 (loss and reordering in %%, RTT in ms, rate in "
                            "Mbit/s)")
    group.add_argument("--cc", choices=CONTROLLERS, help="only this controller")
    group.add_argument("--way", choices=[way for way, _ in WAYS], help="only this way")
    group.add_argument("--seconds", type=float, help="of one run; 5 by default")


def run(program, root, options):
    """(lines of Markdown, all figures); options: quick, part, cells, cc, way, rounds, seconds."""
    controllers = [name for name in CONTROLLERS if options.cc in (None, name)]
    plan = {"rounds": options.rounds or (1 if options.quick else 3),
            "seconds": options.seconds or (3 if options.quick else 5),
            "controllers": controllers,
            "ways": [way for way in WAYS if options.way in (None, way[0])]}
    lines, data = [], {**plan, "unit": "Mbit/s"}
    jobs = wanted(options.part, options.quick, options.cells, controllers)
    if jobs and options.part != "flows":
        more, data["grid"] = run_grid(program, root, jobs, plan)
        lines += more
    if options.part in (None, "flows") and not options.cells:
        more, data["flows"] = run_flows(program, root, 100 if options.quick else FLOWS)
        lines += more
    return lines, data
