#!/usr/bin/env python3
"""The count of cache lines in a trace (bench/lines.py), asked for traces that were counted by hand. Prints TAP."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import lines  # noqa: E402

SEND, RECEIVE, ACK, END = (f" S {0x1000 + idx:08x},1" for idx in range(4))
OPENING = ["==42== Lackey, an example Valgrind tool", " L 00005000,8", f"{END}", "=buffer 0x2000 4096",
           "=stack 0x8000 4096", "=marks 0x1000 4"]
OTHERS = [RECEIVE, END, ACK, END]


def counted(*trace):
    """The mean of all rounds."""
    reader = lines.Reader()
    reader.read(f"{line}\n".encode() for line in trace)
    return reader.mean()


def refused(*trace):
    try:
        counted(*trace)
    except ValueError:
        return True
    return False


def of(state=0, stack=0, payload=0, code=0):
    return {"state": state, "stack": stack, "payload": payload, "code": code}


NOTHING = {"core_receive": of(), "core_ack": of()}

# name -> (found, wanted)
CASES = {
    "one line however often it is touched": (
        counted(*OPENING, SEND, " L 00005000,8", " S 00005008,4", " M 0000503c,4", END, *OTHERS),
        {"core_send": of(state=1), **NOTHING}),
    "an access across an edge touches two": (
        counted(*OPENING, SEND, " L 0000503c,8", "I  0000603f,3", END, *OTHERS),
        {"core_send": of(state=2, code=2), **NOTHING}),
    "what lies between the parts is not counted": (
        counted(*OPENING, "I  00006000,1", SEND, END, " S 00005000,8", *OTHERS, " L 00005000,8"),
        {"core_send": of(), **NOTHING}),
    "code, data and stack apart": (
        counted(*OPENING, SEND, "I  00005000,4", " L 00005000,8", " S 00008ff8,8", " S 00009000,8", END, *OTHERS),
        {"core_send": of(state=2, stack=1, code=1), **NOTHING}),
    "payload: the buffer's, and what was told after the part or before it": (
        counted(*OPENING, SEND, " L 00002fff,1", " S 00005010,16", " S 00005000,16", END,
                "=payload 0x5010 100", "=payload 0x7000 64", RECEIVE, " L 00007000,32", " L 00006fff,1", END, ACK, END),
        {"core_send": of(state=1, payload=2), "core_receive": of(state=1, payload=1), "core_ack": of()}),
    "payload of a round is another matter in the next": (
        counted(*OPENING, SEND, END, "=payload 0x5000 64", *OTHERS, SEND, " L 00005000,8", END, *OTHERS),
        {"core_send": of(state=0.5), **NOTHING}),
    "each part by itself": (
        counted(*OPENING, SEND, " L 00005000,8", END, RECEIVE, " L 00005000,8", END, ACK, " L 00005000,8",
                " L 00005040,8", END),
        {"core_send": of(state=1), "core_receive": of(state=1), "core_ack": of(state=2)}),
    "parts out of turn are refused": (refused(*OPENING, RECEIVE, END), True),
    "a part within a part is refused": (refused(*OPENING, SEND, RECEIVE), True),
    "an end of nothing is refused": (refused(*OPENING, END), True),
}


def main():
    print(f"1..{len(CASES)}")
    failures = 0
    for idx, (name, (found, wanted)) in enumerate(CASES.items(), 1):
        print(f"{'ok' if found == wanted else 'not ok'} {idx} - {name}")
        if found != wanted:
            failures += 1
            print(f"# found {found}\n# wanted {wanted}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
