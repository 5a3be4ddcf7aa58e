#!/usr/bin/env python3
"""Which runs `make bench` takes again (bench/calm.py), by a machine whose state is written down beforehand."""

import os
import sys

sys.dont_write_bytecode = True
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TREE, "bench")]
import calm  # noqa: E402

CALM, HALF, FAR = ([1000, 1000], 0.05), ([1000, 500], 0.05), ([1000, 1000], 0.35)
# What the looks find, one before and one after each try at least; the seconds there are;
# what the run gives: tries, taken again, counted although disturbed.
CASES = {
    "calm": ([CALM, CALM], 100, (1, 0, 0)),
    "half a core gone at the end": ([CALM, HALF, CALM, CALM], 100, (2, 1, 0)),
    "moved apart at the end": ([CALM, FAR, CALM, CALM], 100, (2, 1, 0)),
    "waited for": ([CALM, CALM, HALF, FAR, CALM, CALM], 100, (2, 0, 0)),
    "never calm again": ([CALM] + [HALF] * 20, 100, (3, 2, 1)),
    "no seconds left": ([CALM, HALF, CALM, CALM], 0, (1, 0, 1)),
    "nothing tells": ([None] * 4, 100, (1, 0, 0)),
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
    calm.PATIENCE_S = 0.05
    for name, (states, extra_s, wanted) in CASES.items():
        quiet, tries = Written(states, extra_s), []
        # A run of its own first, where the case waits between two.
        for _ in range(2 if name == "waited for" else 1):
            if quiet.run(lambda seen=tries: seen.append(0) or len(seen)) != len(tries):
                yield f"{name}: not the last try's result"
        found = (len(tries), quiet.again, quiet.disturbed)
        if found != wanted:
            yield f"{name}: tries, again, disturbed {found}, not {wanted}"
    failed = Written([CALM, HALF], 100)
    if failed.run(lambda: None) is not None or failed.again:
        yield "what failed was taken again"


if __name__ == "__main__":
    told = list(problems())
    print("\n".join(told) or f"{len(CASES) + 1} cases, 0 problems")
    sys.exit(1 if told else 0)
