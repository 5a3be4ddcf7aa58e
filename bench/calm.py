"""Is the machine to itself? Runs that another guest of its host disturbed are taken again.

On a virtual machine the host may lend half a core to somebody else, or put our two cores far from each other, for
seconds at a time; a run then measures that, and of a table in turns some columns are hit and others not. So a moment
before and after each run `teebench calm` (bench/calm.c), which knows nothing of any stack, looks how fast both
cores are and how near, and it is compared with the best seen so far. A run begins when the machine is calm, and one after
which it no longer is is taken again, whoever's it was and whatever it gave. That may take so many seconds in all;
beyond them runs count as they come.
"""

import json
import subprocess
import time

PATIENCE_S = 2.0
EXTRA_S = 240.0
TRIES = 3
# Of the best seen: a core at less, or a cache line's way at more, is a disturbance.
SPEED_SHARE, LINE_SHARE = 0.75, 2.5


class Calm:
    """Counts what it lets be taken again: `again` of `runs`, `disturbed` of which counted all the same."""

    def __init__(self, program, cores):
        self.command = [program, "calm", *map(str, cores[:2])] if len(cores) > 1 else None
        self.speeds, self.line_us = [0.0, 0.0], float("inf")
        self.extra_s = EXTRA_S
        self.runs = self.again = self.disturbed = 0

    def probe(self):
        """What `teebench calm` tells, or None: nobody can tell without a second core."""
        if not self.command:
            return None
        done = subprocess.run(self.command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def look(self):
        """Is all well just now?"""
        told = self.probe()
        if not told:
            return True
        self.speeds = [max(pair) for pair in zip(self.speeds, told["steps_per_us"])]
        self.line_us = min(self.line_us, told["line_us"])
        return (all(now >= SPEED_SHARE * best for now, best in zip(told["steps_per_us"], self.speeds)) and
                told["line_us"] <= LINE_SHARE * self.line_us)

    def wait(self):
        """Until all is well, or patience is at its end."""
        began = time.monotonic()
        while not self.look() and time.monotonic() - began < min(PATIENCE_S, self.extra_s):
            time.sleep(0.03)
        self.extra_s -= time.monotonic() - began

    def run(self, what):
        """The result of what(), in calm if that can be had; None is not asked for again."""
        self.runs += 1
        for number in range(TRIES):
            self.wait()
            began = time.monotonic()
            result = what()
            if result is None or self.look():
                return result
            if number == TRIES - 1 or self.extra_s <= 0:
                break
            self.extra_s -= time.monotonic() - began
            self.again += 1
        self.disturbed += 1
        return result

    def told(self):
        if not self.command:
            return f"{self.runs} runs, none taken again, whatever disturbed them"
        return (f"{self.runs} runs, {self.again} taken again as the machine was disturbed, {self.disturbed} counted "
                "although it was")
