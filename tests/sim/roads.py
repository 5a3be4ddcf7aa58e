"""The sender's half of the grid (bench/grid.py) in virtual time: what one flow carries over a bad road.

    tests/sim/roads.py TEECEEPEE

A world with a seed plays the same on every machine, so each cell has a floor close below what it
carries: a change that costs goodput shows here, without a kernel beside it and without noise.
"""

import json
import os
import subprocess
import sys
import tempfile

# (loss %, round trip ms, reordering %, Mbit/s or 0, controller, seconds): at least so many Mbit/s
FLOORS = {
    (0, 20, 0, 10, "cubic", 10): 9.5,
    (0, 20, 0, 100, "cubic", 10): 94,
    (0, 100, 0, 100, "cubic", 10): 87,
    (0, 100, 3, 10, "cubic", 10): 8.7,
    (0.1, 20, 0, 100, "cubic", 10): 25,
    (1, 20, 0, 100, "cubic", 10): 7,
    (1, 100, 0, 10, "cubic", 10): 1.5,
    (3, 20, 0, 100, "cubic", 10): 3.8,
    (3, 20, 3, 100, "cubic", 10): 3.6,
    (1, 20, 0, 100, "newreno", 10): 5.8,
    (3, 20, 0, 100, "newreno", 10): 3.1,
    (0, 20, 0, 100, "bbr", 10): 92.5,
    # Startup overshoots by a window: with too small a send buffer it would starve until all is mended.
    (0, 100, 0, 100, "bbr", 5): 77,
    (0, 100, 3, 10, "bbr", 10): 8.6,
    # A loss while a queue is emptied doesn't make that slow pace the rate until the next probe.
    (0.1, 20, 0, 100, "bbr", 10): 95,
    (0.1, 100, 0, 10, "bbr", 10): 9,
    # What is lost on the way to the line is sent besides.
    (1, 20, 0, 10, "bbr", 10): 9.5,
    (1, 20, 0, 100, "bbr", 10): 94.5,
    (1, 100, 0, 100, "bbr", 10): 84,
    # What is lost without a queue doesn't hold the flight down.
    (1, 100, 0, 10, "bbr", 10): 8.8,
    (3, 20, 0, 10, "bbr", 10): 9.45,
    (3, 20, 0, 100, "bbr", 10): 92.5,
    (3, 100, 0, 10, "bbr", 10): 8.6,
    (3, 100, 0, 100, "bbr", 10): 83,
    # Without a rate no queue ever shows, and what is lost still isn't congestion.
    (3, 1, 0, 0, "bbr", 0.3): 1500,
    (3, 20, 0, 0, "bbr", 1): 500,
    (3, 100, 0, 0, "bbr", 5): 110,
    # The shortest round trip shows in Cruise: no ProbeRTT.
    (0, 100, 0, 10, "bbr", 10): 9.15,
}


def world_of(cell):
    loss, rtt_ms, reorder, rate, controller, seconds = cell
    queue = max(45000, rate * 1000 * rtt_ms // 8)
    # As in the grid: what is lost never came to the line, and takes none of its time.
    lines = ["[world]", f"duration = {seconds}s", "[host a]", "[host b]", "[router r]",
             "[link a r]", f"loss = {loss}%", "[link r b]",
             *([f"rate = {rate}Mbit", f"queue = {queue}"] if rate else []),
             f"delay = {rtt_ms * 500}us", f"reorder = {reorder}%",
             f"reorder_gap = {rtt_ms * 250}us", "[flow f]", "from = a", "to = b", f"cc = {controller}", ""]
    return "\n".join(lines)


def goodput(program, cell, directory):
    path = os.path.join(directory, "road.sim")
    with open(path, "w", encoding="utf-8") as out:
        out.write(world_of(cell))
    done = subprocess.run([program, "sim", "--json", path], capture_output=True, text=True,
                          timeout=60, check=True)
    flow = json.loads(done.stdout)["flows"][0]
    return flow["goodput_bits_per_s"] / 1e6, flow["timeouts"]


def main():
    program = os.path.abspath(sys.argv[1])
    faults = 0
    print(f"1..{len(FLOORS)}")
    with tempfile.TemporaryDirectory() as directory:
        for number, (cell, floor) in enumerate(FLOORS.items(), 1):
            loss, rtt_ms, reorder, rate, controller, _ = cell
            found, timeouts = goodput(program, cell, directory)
            is_good = found >= floor and (timeouts == 0 or loss >= 1)
            faults += not is_good
            print(f"{'ok' if is_good else 'not ok'} {number} - {controller}, {loss}% lost, {rtt_ms} ms, "
                  f"{reorder}% reordered, {f'{rate} Mbit/s' if rate else 'no rate'}: {found:.2f}, at least {floor:.2f}; "
                  f"{timeouts} timeouts")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
