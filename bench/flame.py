"""Where the time goes: flame graphs of our client in bulk over a TAP, by perf.

`bench/run --build DIR --flame` writes an SVG for each way below DIR/bench/results. A box is a function, as wide
as its share of the samples, standing on its caller. What runs in the kernel on our account is told apart by
colour: over a TAP that includes the receiver's half of the kernel's TCP, which runs inside our writes.
"""

import collections
import os
import re

import lab as live
import suite

WIDTH, ROW, FONT = 1200, 16, 11
SMALLEST = 0.15 / 100  # narrower boxes can't be read
COLOURS = {"kernel": "#e8a87c", "ours": "#85b8cb", "library": "#c9d8a4"}
# What stands under every stack and tells nothing.
ROOTS = ("_start", "__libc_start_main", "__libc_start_call_main", "main")


def fold(text):
    """Stacks, outermost first, of (function, colour's name) -> samples; from what `perf script` prints."""
    stacks = collections.Counter()
    for block in text.split("\n\n"):
        frames = []
        for line in block.splitlines()[1:]:
            found = re.match(r"\s*[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.*)\)$", line)
            if not found:
                continue
            name, place = found.groups()
            kind = "ours" if "teebench" in place else "kernel" if "kernel" in place else "library"
            if not name.startswith(ROOTS):
                frames.append((name.split(".")[0], None if place == "inlined" else kind))
        if frames:
            stacks[with_kinds(reversed(frames))] += 1
    return stacks


def with_kinds(frames):
    """What was inlined belongs to the function that it stands in; libc's own names are told by their look."""
    known, before = [], "ours"
    for name, kind in frames:
        before = kind or ("library" if name.startswith("__") and before == "ours" else before)
        known.append((name, before))
    return tuple(known)


def boxes(stacks):
    """(depth, first, width, frame) of every function, in shares of all samples."""
    total = sum(stacks.values())
    found = []

    def place(group, depth, first):
        at = first
        children = collections.defaultdict(collections.Counter)
        for stack, count in group.items():
            if len(stack) > depth:
                children[stack[depth]][stack] += count
        for frame in sorted(children):
            width = sum(children[frame].values()) / total
            if width >= SMALLEST:
                found.append((depth, at, width, frame))
                place(children[frame], depth + 1, at)
            at += width

    place(stacks, 0, 0.0)
    return found


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def draw(stacks, title):
    """The SVG, as text."""
    found = boxes(stacks)
    height = (max(depth for depth, *_ in found) + 3) * ROW
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             f'font-family="sans-serif" font-size="{FONT}">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
             f'<text x="4" y="{ROW - 4}">{escape(title)}</text>']
    at = 640
    for kind, colour in COLOURS.items():
        lines.append(f'<rect x="{at}" y="3" width="10" height="10" fill="{colour}"/>'
                     f'<text x="{at + 14}" y="{ROW - 4}">{kind}</text>')
        at += 80
    for depth, first, width, (name, kind) in found:
        x, y, wide = first * WIDTH, height - (depth + 1) * ROW, width * WIDTH
        letters = int((wide - 4) / (FONT * 0.56))
        text = name if len(name) <= letters else name[:letters - 1] + "…" if letters > 3 else ""
        lines.append(f'<g><title>{escape(name)}, {width * 100:.1f}%</title><rect x="{x:.1f}" y="{y}" '
                     f'width="{max(wide - 0.5, 0.3):.1f}" height="{ROW - 1}" fill="{COLOURS[kind]}"/>'
                     f'<text x="{x + 3:.1f}" y="{y + ROW - 5}">{escape(text)}</text></g>')
    return "\n".join([*lines, "</svg>", ""])


def shares(stacks):
    """Lines: how the samples fall on us, libraries and the kernel, by the function that was running."""
    total = sum(stacks.values())
    kinds, leaves = collections.Counter(), collections.Counter()
    for stack, count in stacks.items():
        kinds[stack[-1][1]] += count
        leaves[stack[-1][0]] += count
    lines = ["  " + ", ".join(f"{kind} {count / total:.0%}" for kind, count in kinds.most_common())]
    return lines + [f"  {count / total:6.1%}  {name}" for name, count in leaves.most_common(12)]


def run(program, root, directory):
    """Writes the graphs; returns the lines to print."""
    live.need("perf")
    wires = suite.Wires(program, root)
    column = suite.ours(wires, "ours, TAP", suite.BULK, live.Tap)
    os.makedirs(directory, exist_ok=True)
    lines = []
    for case in suite.BULK:
        what, spins, _ = suite.CASES[case]
        data = column.lab.path(f"{case}.perf")
        # A virtual machine has no cycle counter to take samples by.
        recorded = column.lab.start(
            "perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "--call-graph", "dwarf,16384",
            "-o", data, *column.words(what, suite.PORT, 2, spins))
        recorded.check_exit(0, 120)
        told = column.lab.command("perf", "script", "-i", data, "-F", "comm,ip,sym,symoff,dso",
                                  timeout_s=300)
        stacks = fold(told)
        path = os.path.join(directory, f"flame-{case}.svg")
        with open(path, "w", encoding="utf-8") as out:
            out.write(draw(stacks, f"teeceepee, TAP, bulk {case}: CPU time of the client"))
        lines += [f"{case}: {sum(stacks.values())} samples, {path}", *shares(stacks), ""]
    wires.close()
    return lines
