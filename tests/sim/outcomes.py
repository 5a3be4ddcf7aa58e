#!/usr/bin/env python3
"""What becomes of scenarios: who gets how much, how long transfers take, what a lost tail costs.

    outcomes.py PROGRAM [--tables | --test NAME]...

PROGRAM is the built `teeceepee`. Without options the outcomes that must hold are tested, as TAP;
--tables prints the figures of docs/sim.md instead. Scenarios are beside this file; what varies is
set in their text. Everything is virtual time and one seed, so every machine prints the same.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenarios")
CONTROLLERS = ("newreno", "cubic", "bbr")


class Scenario:
    """The text of a scenario, whose keys can be given other values."""

    def __init__(self, name):
        with open(os.path.join(SCENARIOS, name), encoding="utf-8") as source:
            self.text = source.read()

    def put(self, section, key, value):
        head, found, rest = self.text.partition(f"[{section}]\n")
        if not found:
            raise SystemExit(f"no [{section}]")
        body, bracket, tail = rest.partition("\n[")
        line = re.compile(rf"^{re.escape(key)} = .*$", re.M)
        if line.search(body):
            body = line.sub(f"{key} = {value}", body)
        else:
            body = f"{key} = {value}\n{body}"
        self.text = head + found + body + bracket + tail
        return self


def play(program, scenario):
    done = subprocess.run([program, "sim", "-", "--json"], input=scenario.text, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return json.loads(done.stdout)


def play_all(program, scenarios):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        return list(pool.map(lambda scenario: play(program, scenario), scenarios))


# ---- two flows ----


def sharing(one, two, start=0, rate="10Mbit", delay="20ms", queue="50K"):
    scenario = Scenario("share.sim").put("flow one", "cc", one).put("flow two", "cc", two)
    scenario.put("flow two", "start", f"{start}s").put("link r s", "queue", queue)
    return scenario.put("link r s", "rate", rate).put("link r s", "delay", delay)


def shares(result):
    """What each flow got, as a part of an equal share."""
    rates = [flow["goodput_bits_per_s"] for flow in result["flows"]]
    return [rate * len(rates) / sum(rates) for rate in rates]


def bottleneck(result):
    return next(link for link in result["links"] if (link["from"], link["to"]) == ("r", "s"))


def mbit(result):
    return [flow["goodput_bits_per_s"] / 1e6 for flow in result["flows"]]


def test_equal(program):
    cases = [(cc, start) for cc in CONTROLLERS for start in (0, 10)]
    results = play_all(program, [sharing(cc, cc, start) for cc, start in cases])
    for (cc, start), result in zip(cases, results):
        parts = shares(result)
        yield (max(abs(part - 1) for part in parts) <= 0.10,
               f"two flows of {cc}, the second {start} s later, share within 10%",
               " and ".join(f"{rate:.2f}" for rate in mbit(result)) + " Mbit/s")


def test_beside_reno(program):
    """RFC 9438 4.3: where Reno does well CUBIC is like it; 5.1: where it doesn't CUBIC takes more."""
    cases = [("a small path", sharing("cubic", "newreno", delay="5ms", queue="25K"), 0.7, 1.7),
             ("a large path", sharing("cubic", "newreno", rate="100Mbit", delay="50ms",
                                      queue="1200K").put("world", "duration", "90s"), 1.3, 20)]
    results = play_all(program, [case[1] for case in cases])
    for (what, _, low, high), result in zip(cases, results):
        cubic, reno = mbit(result)
        yield (low <= cubic / reno <= high,
               f"CUBIC beside Reno over {what} gets {low} to {high} times as much",
               f"{cubic:.2f} and {reno:.2f} Mbit/s")


def test_beside_bbr(program):
    cases = [("25K", "half"), ("200K", "four times")]
    results = play_all(program, [sharing("bbr", "cubic", queue=queue) for queue, _ in cases])
    for (_, what), result in zip(cases, results):
        parts = shares(result)
        yield (min(parts) >= 0.2, f"BBR and CUBIC, a queue of {what} the path: neither starves",
               " and ".join(f"{rate:.2f}" for rate in mbit(result)) + " Mbit/s")


def crowd(count, others, queue):
    """So many flows of BBR, and perhaps of CUBIC, over a queue that is a small part of the path."""
    scenario = sharing("bbr", "cubic" if others else "bbr", rate="100Mbit", queue=queue)
    scenario.put("world", "settle", "10s").put("world", "duration", "60s")
    scenario.put("flow one", "count", count - (not others)).put("flow one", "every", "100ms")
    return scenario.put("flow two", "count", max(others, 1))


def test_shallow(program):
    """Losses of a queue that is too short to show in the round trip aren't taken for the path's own."""
    # A detail of any kind, such as when the receiver acknowledges, moves what eight and more lose by half.
    cases = [(2, 0, "10K", 1.0), (2, 0, "50K", 1.0), (4, 0, "10K", 1.5), (8, 0, "10K", 2.5),
             (8, 0, "25K", 2.5), (4, 1, "25K", 1.0), (8, 0, "31K", 4.0),
             (8, 0, "60K", 4.0), (32, 0, "31K", 9.0),
             (16, 0, "125K", 4.0)]
    results = play_all(program, [crowd(count, others, queue) for count, others, queue, _ in cases])
    for (count, others, queue, most), result in zip(cases, results):
        link = bottleneck(result)
        lost = 100 * link["drops_queue"] / link["packets"]
        yield (lost <= most,
               f"{count} flows of BBR and {others} of CUBIC, a queue of {queue} where the path holds 500K: "
               f"at most {most}% are dropped", f"{lost:.2f}%")


# ---- a lost tail ----


def transfer(size, lose, cc):
    scenario = Scenario("tail.sim").put("flow transfer", "size", size)
    return scenario.put("flow transfer", "cc", cc).put("link server client", "forth.lose", lose)


def tail_cases(program, sizes, controllers):
    """(size, controller, packets lost at the end, result, result without loss)"""
    wholes = [(size, cc) for size in sizes for cc in controllers]
    before = play_all(program, [transfer(size, "1000000", cc) for size, cc in wholes])
    cases = []
    for (size, cc), whole in zip(wholes, before):
        # The first packet is the SYN; the data follow it, and the last of them carries the FIN.
        segs = whole["flows"][0]["segs"]
        for count in [count for count in (1, 2, 3, 5, 8, 12) if count < segs - 1]:
            for last in (segs + 1, segs):
                lose = f"{last - count + 1}-{last}"
                what = f"{count} before the last" if last == segs else f"the last {count}"
                cases.append((size, cc, what, transfer(size, lose, cc), whole))
    results = play_all(program, [case[3] for case in cases])
    return [(*case[:3], result, case[4]) for case, result in zip(cases, results)]


def test_tail(program):
    """RFC 8985 7: a probe shows what was lost at the end, and no timeout is needed."""
    for size, cc, what, result, whole in tail_cases(program, ("10K", "100K"), ("cubic", "bbr")):
        flow = result["flows"][0]
        late = flow["time_p50_s"] - whole["flows"][0]["time_p50_s"]
        yield (flow["done"] == 1 and flow["timeouts"] == 0,
               f"{size} by {cc}, lost are {what}: no timeout",
               f"{flow['timeouts']} timeouts, {late * 1e3:.0f} ms later than without loss")


# ---- a black hole ----


def black_hole(mode, hop, ends=1500, ip6=False, cc="cubic"):
    scenario = Scenario("black-hole.sim").put("defaults", "tcp_mtu_probing", mode)
    scenario.put("link r s", "mtu", hop).put("flow transfer", "cc", cc)
    scenario.put("link server r", "mtu", ends).put("link s client", "mtu", ends)
    return scenario.put("flow transfer", "ip6", "yes" if ip6 else "no")


def test_black_hole(program):
    """RFC 4821: what the path takes is found without a word from it, and without a timeout."""
    # mode, hop's MTU, ends' MTU, IPv6, cc, done, timeouts, bytes a segment must reach on average
    cases = [(0, 1300, 1500, False, "cubic", 0, None, 0),
             (1, 1300, 1500, False, "cubic", 1, range(3, 5), 1150),
             (2, 1300, 1500, False, "cubic", 1, range(1), 1200),
             (2, 1300, 1500, False, "bbr", 1, range(1), 1200),
             (2, 1300, 1500, True, "cubic", 1, range(1), 1180),
             (2, 1500, 1500, False, "cubic", 1, range(1), 1430),
             (2, 9000, 9000, False, "cubic", 1, range(1), 8000),
             (2, 4000, 9000, False, "cubic", 1, range(1), 2400)]
    results = play_all(program, [black_hole(mode, hop, ends, ip6, cc)
                                 for mode, hop, ends, ip6, cc, *_ in cases])
    for (mode, hop, ends, ip6, cc, done, timeouts, least), result in zip(cases, results):
        flow = result["flows"][0]
        drops = bottleneck(result)["drops_mtu"]
        each = flow["bytes"] / max(flow["segs"] - flow["retrans_segs"], 1)
        yield (flow["done"] == done and each >= least
               and (timeouts is None or flow["timeouts"] in timeouts)
               and (hop < ends or drops == 0) and (mode == 0 or drops <= 40),
               f"tcp_mtu_probing={mode}, a silent hop of {hop} behind {ends}, "
               f"IPv{6 if ip6 else 4}, {cc}: {'comes through' if done else 'never ends'}",
               f"done {flow['done']}, {each:.0f} bytes a segment, {flow['timeouts']} timeouts, "
               f"{drops} dropped for their size")


# ---- tables ----


def short_transfers(size, cc):
    scenario = Scenario("short.sim").put("flow transfer", "size", size)
    return scenario.put("flow transfer", "cc", cc)


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def sharing_row(name, result):
    link = bottleneck(result)
    one, two = mbit(result)
    return (*name, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}",
            f"{link['queue_delay_mean_ms']:.1f} ms", f"{link['queue_delay_max_ms']:.1f} ms")


def print_tables(program):
    head = ("Mbit/s", "Mbit/s", "ratio", "queue mean", "queue max")
    cases = [(cc, f"{start} s later") for cc in CONTROLLERS for start in (0, 10)]
    results = play_all(program, [sharing(cc, cc, int(start.split()[0])) for cc, start in cases])
    print_table(("both", "the second", *head),
                [sharing_row(case, result) for case, result in zip(cases, results)])
    cases = [("cubic", "newreno", rate, delay, queue)
             for rate, delay, queue in (("10Mbit", "5ms", "25K"), ("10Mbit", "20ms", "50K"),
                                        ("50Mbit", "20ms", "250K"), ("100Mbit", "50ms", "1200K"))]
    cases += [("bbr", "cubic", "10Mbit", "20ms", queue)
              for queue in ("12K", "25K", "50K", "100K", "200K", "400K", "800K")]
    results = play_all(program, [sharing(one, two, 0, rate, delay, queue)
                                 for one, two, rate, delay, queue in cases])
    print_table(("one", "two", "rate", "one way", "queue", *head),
                [sharing_row(case, result) for case, result in zip(cases, results)])
    cases = [(cc, cc, "10Mbit", "20ms", queue)
             for cc in CONTROLLERS for queue in ("50K", "200K", "800K")]
    results = play_all(program, [sharing(cc, cc, queue=queue) for cc, _, _, _, queue in cases])
    print_table(("both", "queue", *head),
                [sharing_row((case[0], case[4]), result) for case, result in zip(cases, results)])
    cases = [(size, cc) for size in ("10K", "100K", "1M") for cc in CONTROLLERS]
    results = play_all(program, [short_transfers(size, cc) for size, cc in cases])
    print_table(("size", "cc", "done", "median", "99th percentile", "timeouts", "resent"),
                [(size, cc, flow["done"], f"{flow['time_p50_s'] * 1e3:.0f} ms",
                  f"{flow['time_p99_s'] * 1e3:.0f} ms", flow["timeouts"],
                  f"{100 * flow['retrans_segs'] / flow['segs']:.2f}%")
                 for (size, cc), result in zip(cases, results)
                 for flow in result["flows"]])
    print_table(("size", "cc", "lost", "timeouts", "later by"),
                [(size, cc, what, result["flows"][0]["timeouts"],
                  f"{(result['flows'][0]['time_p50_s'] - whole['flows'][0]['time_p50_s']) * 1e3:.0f}"
                  " ms")
                 for size, cc, what, result, whole in tail_cases(program, ("10K", "100K"),
                                                                 ("cubic",))])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--tables", action="store_true", help="print the figures")
    arguments = parser.parse_args()
    if arguments.tables:
        print_tables(arguments.program)
        return 0
    number = failed = 0
    for test in (test_equal, test_beside_reno, test_beside_bbr, test_shallow, test_tail,
                 test_black_hole):
        for is_ok, what, figures in test(arguments.program):
            number += 1
            failed += not is_ok
            print(f"{'ok' if is_ok else 'not ok'} {number} - {what}\n# {figures}", flush=True)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
