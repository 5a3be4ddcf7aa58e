"""The cache lines that each part of bench/core.c touches, counted in a trace of all its accesses.

valgrind's lackey writes a line for each instruction and each access to data; the program stores a byte where a
part begins and ends, and says where those bytes and the payload are, in lines between the trace's
("=marks ADDRESS BYTES", "=payload …"). Counted are distinct lines of 64 bytes, for each part by itself:

    code     of instructions
    payload  of data, where the access began in the application's buffer or in the payload of a frame
    stack    of data on the call stack
    state    of all other data: connection, tables, packets with their headers, frames

A line that holds payload and something else may count as both.
"""

import bisect
import json
import os
import shutil
import subprocess

PARTS = ("core_send", "core_receive", "core_ack")
KINDS = ("state", "stack", "payload", "code")
LINE_BITS = 6


class Ranges:
    """Addresses, in pieces that don't overlap."""

    def __init__(self, pieces=()):
        self.pieces = sorted(pieces)
        self.starts = [start for start, _ in self.pieces]

    def __contains__(self, address):
        at = bisect.bisect_right(self.starts, address) - 1
        return at >= 0 and address < self.pieces[at][1]


def lines_of(accesses, payload, stack):
    """Distinct lines by kind. An access is a line of the trace: b" L 1ffeffe7e8,8", b"I  00109470,4"."""
    touched = {kind: set() for kind in KINDS}
    for access in accesses:
        address, size = access[3:].split(b",")
        address, size = int(address, 16), int(size)
        if access.startswith(b"I"):
            kind = "code"
        elif address in payload:
            kind = "payload"
        else:
            kind = "stack" if address in stack else "state"
        touched[kind].update(range(address >> LINE_BITS, (address + size - 1 >> LINE_BITS) + 1))
    return {kind: len(lines) for kind, lines in touched.items()}


class Reader:
    """Takes the trace line by line; a round ends with its third part."""

    def __init__(self):
        self.marks = {}  # what stands in the trace for a store to it -> index of the part, None: its end
        self.buffer, self.stack = [], Ranges()
        self.payload = []  # of this round
        self.parts = []  # of this round: the accesses of each part that is over
        self.part = None  # the accesses of the part under way
        self.rounds = []  # lines of each round: part -> kind -> lines

    def tell(self, line):
        """What the program says."""
        what, start, length = line[1:].split()
        start, length = int(start, 16), int(length)
        if what == b"payload":
            self.payload.append((start, start + length))
        elif what == b"buffer":
            self.buffer.append((start, start + length))
        elif what == b"stack":
            self.stack = Ranges([(start, start + length)])
        elif what == b"marks":
            if length != len(PARTS) + 1:
                raise ValueError("as many marks as parts, and one for an end")
            self.marks = {b" S %08x,1" % (start + idx): idx for idx in range(length)}

    def end_part(self):
        self.parts.append(self.part)
        self.part = None
        if len(self.parts) < len(PARTS):
            return
        payload = Ranges(self.buffer + self.payload)
        self.rounds.append({name: lines_of(part, payload, self.stack)
                            for name, part in zip(PARTS, self.parts)})
        self.parts, self.payload = [], []

    def mark(self, idx):
        is_end = idx == len(PARTS)
        if is_end != (self.part is not None) or (not is_end and idx != len(self.parts)):
            raise ValueError(f"mark {idx} where part {len(self.parts)} was due")
        if is_end:
            self.end_part()
        else:
            self.part = set()

    def read(self, trace):
        """All lines of a trace, as bytes."""
        for line in trace:
            if line.startswith(b"="):
                if not line.startswith(b"=="):
                    self.tell(line)
            elif self.marks:
                line = line.rstrip()
                idx = self.marks.get(line)
                if idx is not None:
                    self.mark(idx)
                elif self.part is not None and line[:3] in (b"I  ", b" L ", b" S ", b" M "):
                    self.part.add(line)

    def mean(self, divisor=1):
        """part -> kind -> lines a round, shared out over `divisor` frames"""
        return {part: {kind: sum(one[part][kind] for one in self.rounds) / len(self.rounds) / divisor
                       for kind in KINDS}
                for part in PARTS}


def lines(program, case, rounds, warm_up):
    """part -> kind -> lines a frame, and under "frames" how many there are in a round; {} without valgrind."""
    if not shutil.which("valgrind"):
        return {}
    command = ["valgrind", "--tool=lackey", "--trace-mem=yes", program, "our-core", case, str(rounds),
               str(warm_up), "marks"]
    # Else a long copy is "rep movsb", which the trace shows byte by byte.
    environment = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000"}
    reader = Reader()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment) as traced:
        reader.read(traced.stderr)
        told = traced.stdout.read()
    if traced.returncode != 0 or len(reader.rounds) != rounds:
        return {}
    frames = json.loads(told)["frames"] / rounds
    return {"frames": frames, **reader.mean(frames)}
