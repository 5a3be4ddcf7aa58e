#!/usr/bin/env python3
"""Which runs `make bench` takes again (bench/calm.py), by a machine whose state is written down beforehand."""

import functools
import os
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TREE, "bench")]
import calm  # noqa: E402

CALM, HALF, FAR = ([1000, 1000], 0.05), ([1000, 500], 0.05), ([1000, 1000], 0.35)
# What the looks find, one before and one after each of two runs, then before and after each that is taken again;
# the seconds there are; what they give: tries of each run, which of them counts, taken again, counted although
# disturbed.
CASES = {
    "calm": ([CALM] * 4, 100, ((1, 1), (1, 1), 0, 0)),
    "half a core gone": ([CALM, HALF, CALM, CALM, CALM, CALM], 100, ((2, 1), (2, 1), 1, 0)),
    "moved apart": ([CALM, CALM, CALM, FAR, CALM, CALM], 100, ((1, 2), (1, 2), 1, 0)),
    "apart before": ([CALM, CALM, FAR, CALM, CALM, CALM], 100, ((1, 2), (1, 2), 1, 0)),
    "waited for": ([CALM, FAR, FAR, FAR, FAR, FAR, CALM], 100, ((2, 2), (2, 2), 2, 0)),
    "again, and again": ([CALM, HALF, CALM, CALM, CALM, HALF, CALM], 100, ((3, 1), (3, 1), 2, 0)),
    "again, and in vain": ([CALM, HALF, CALM, CALM, CALM, HALF], 0.05, ((2, 1), (1, 1), 1, 1)),
    "never calm again": ([CALM] + [HALF] * 20, 0.05, ((1, 1), (1, 1), 0, 2)),
    "no seconds left": ([CALM, HALF, CALM], 0, ((1, 1), (1, 1), 0, 1)),
    "nothing tells": ([None] * 4, 100, ((1, 1), (1, 1), 0, 0)),
}


class Written(calm.Calm):
    """Looks into a list; its last state lasts."""

    def __init__(self, states, extra_s):
        super().__init__("", [0, 1])
        self.states, self.extra_s = list(states), extra_s

    def probe(self):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return state and {"steps_per_us": state[0], "line_us": state[1]}


def problems():
    for name, (states, extra_s, wanted) in CASES.items():
        quiet, tries, counts, disturbed = Written(states, extra_s), [0, 0], [0, 0], []
        for number in range(2):
            def what(number=number):
                tries[number] += 1
                return tries[number]

            counts[number], was_calm = quiet.run(what)
            if not was_calm:
                disturbed.append((what, functools.partial(counts.__setitem__, number)))
        quiet.take_again(disturbed)
        found = (tuple(tries), tuple(counts), quiet.again, quiet.disturbed)
        if found != wanted:
            yield f"{name}: {found}, not {wanted}"
    failed = Written([CALM], 0.05)
    failed.take_again([(lambda: None, list().append)])
    if failed.disturbed != 1:
        yield "what failed again took the place of what had not"


if __name__ == "__main__":
    told = list(problems())
    print("\n".join(told) or f"{len(CASES) + 1} cases, 0 problems")
    sys.exit(1 if told else 0)
