"""Is the machine to itself? Runs that another guest of its host disturbed are taken again.

On a virtual machine the host may lend half a core to somebody else, or put our two cores far from each other, for ten
seconds and more at a time; a run then measures that, and of a table in turns some columns are hit and others not. So a
moment before and after each run `teebench calm` (bench/calm.c), which knows nothing of any stack, looks how fast both
cores are and how near, and it is compared with the best seen so far. When all turns of a case are over, those runs that
began or ended in such a time are taken again, whoever's they were and whatever they gave, as soon as the machine
is calm. That may take so many seconds a case and in all; beyond them runs count as they came.
"""

import json
import subprocess
import time

EXTRA_S, CASE_S = 360.0, 90.0
PAUSE_S = 0.03
# Of the best seen: a core at less, or a cache line's way at more, is a disturbance.
SPEED_SHARE, LINE_SHARE = 0.75, 2.5


class Calm:
    """Counts what it lets be taken again: `again` times, of `runs`, `disturbed` of which counted all the same."""

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

    def run(self, what):
        """(the result of what(), was all well before and after it?)"""
        self.runs += 1
        was_calm = self.look()
        result = what()
        return result, self.look() and was_calm

    def wait(self, until):
        """Until all is well; false: it was not, by then."""
        while not self.look():
            if time.monotonic() >= until:
                return False
            time.sleep(PAUSE_S)
        return True

    def take_again(self, runs):
        """`runs`: pairs of what is to be run, and who gets its result. A try that was disturbed as well is dropped."""
        began, waiting = time.monotonic(), list(runs)
        until = began + min(CASE_S, self.extra_s)
        while waiting and time.monotonic() < until and self.wait(until):
            what, give = waiting.pop(0)
            result = what()
            self.again += 1
            if self.look() and result:
                give(result)
            else:
                waiting.append((what, give))
        self.disturbed += len(waiting)
        self.extra_s -= time.monotonic() - began

    def told(self):
        if not self.command:
            return f"{self.runs} runs, none taken again, whatever disturbed them"
        return (f"{self.runs} runs, {self.again} taken again as the machine was disturbed, {self.disturbed} counted "
                "although it was")
