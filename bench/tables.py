"""The figures of `make bench` as Markdown: a table for each matter, and one of the goals."""

import statistics

import limits

BASE = "kernel, veth"

# title -> (what is compared, [(heading, case, key, does it get a ratio)])
SECTIONS = (
    ("Bulk data, one connection", BASE, (
        ("sending, Gbit/s", "sending", "gbit_s", True),
        ("receiving, Gbit/s", "receiving", "gbit_s", True),
        ("sending, CPU s/GB", "sending", "cpu_s_per_gb", False),
        ("both ends", "sending", "cpu_s_per_gb_both", False),
        ("receiving, CPU s/GB", "receiving", "cpu_s_per_gb", False),
        ("both ends", "receiving", "cpu_s_per_gb_both", False))),
    ("Bulk data, 100 connections", BASE, (
        ("sending, Gbit/s", "sending, 100", "gbit_s", True),
        ("receiving, Gbit/s", "receiving, 100", "gbit_s", True),
        ("sending, CPU s/GB", "sending, 100", "cpu_s_per_gb", False),
        ("receiving, CPU s/GB", "receiving, 100", "cpu_s_per_gb", False))),
    ("Ping-pong of one byte, sleeping, µs", BASE, (
        ("p50", "ping-pong, sleeping", "p50_us", True),
        ("p99", "ping-pong, sleeping", "p99_us", True),
        ("p99.9", "ping-pong, sleeping", "p999_us", True))),
    ("Ping-pong of one byte, both sides polling, µs", BASE, (
        ("p50", "ping-pong, polling", "p50_us", True),
        ("p99", "ping-pong, polling", "p99_us", True),
        ("p99.9", "ping-pong, polling", "p999_us", True))),
    ("Connections opened and closed by one thread", BASE, (
        ("one after the other, /s", "connections, in turn", "per_s", True),
        ("the client polling, /s", "connections, client polling", "per_s", True),
        ("32 at once, /s", "connections, 32 at once", "per_s", True),
        ("CPU of the client, 32 at once, µs each", "connections, 32 at once", "cpu_us_each",
         False))),
    ("Requests for 1 KB, 100 at once, by wrk", "nginx, kernel, veth", (
        ("kept connections, /s", "requests, kept", "per_s", True),
        ("fresh connections, /s", "requests, fresh", "per_s", True),
        ("CPU of the server, kept, µs each", "requests, kept", "cpu_us_each", False),
        ("fresh, µs each", "requests, fresh", "cpu_us_each", False))),
)

# (goal, ours: (column, case, key), the other or None for a plain figure, wanted, is more better)
GOALS = (
    ("TAP ÷ kernel, sending", ("ours, TAP", "sending", "gbit_s"), BASE, 1.0, True),
    ("TAP ÷ kernel, receiving", ("ours, TAP", "receiving", "gbit_s"), BASE, 1.0, True),
    ("TAP ÷ mini, sending", ("ours, TAP", "sending", "gbit_s"), "mini, TAP", 0.85, True),
    ("TAP ÷ mini, receiving", ("ours, TAP", "receiving", "gbit_s"), "mini, TAP", 0.85, True),
    ("TAP, no copy ÷ kernel, sending", ("ours, TAP, no copy", "sending", "gbit_s"), BASE, 1.3, True),
    ("AF_PACKET ÷ kernel, sending", ("ours, AF_PACKET", "sending", "gbit_s"), BASE, 0.7, True),
    ("AF_PACKET ÷ kernel, receiving", ("ours, AF_PACKET", "receiving", "gbit_s"), BASE, 0.7, True),
    ("no offloads: TAP ÷ kernel, receiving", ("ours, TAP, no offloads", "receiving", "gbit_s"),
     "kernel, veth, no offloads", 1.0, True),
    ("the same, kernel's thread", ("ours, TAP, no offloads, kernel's thread", "receiving", "gbit_s"),
     "kernel, veth, no offloads", 1.0, True),
    ("no offloads: TAP ÷ mini, sending", ("ours, TAP, no offloads", "sending", "gbit_s"),
     "mini, TAP, no offloads", 0.9, True),
    ("TAP ÷ lwIP, sending", ("ours, TAP", "sending", "gbit_s"), "lwIP, TAP", 10, True),
    ("TAP ÷ lwIP, receiving", ("ours, TAP", "receiving", "gbit_s"), "lwIP, TAP", 10, True),
    ("no offloads: TAP ÷ lwIP, sending", ("ours, TAP, no offloads", "sending", "gbit_s"),
     "lwIP, TAP", 1.2, True),
    ("the same, kernel's thread", ("ours, TAP, no offloads, kernel's thread", "sending", "gbit_s"),
     "lwIP, TAP", 1.2, True),
    ("no offloads: TAP ÷ lwIP, receiving", ("ours, TAP, no offloads", "receiving", "gbit_s"),
     "lwIP, TAP", 1.2, True),
    ("slirp ÷ slirp4netns, sending", ("ours, slirp", "sending", "gbit_s"), "slirp4netns", 1.0, True),
    ("slirp ÷ slirp4netns, receiving", ("ours, slirp", "receiving", "gbit_s"), "slirp4netns", 1.0,
     True),
    ("ping-pong ÷ kernel, polling, p50", ("ours, TAP", "ping-pong, polling", "p50_us"), BASE, 1.0,
     False),
    ("ping-pong ÷ kernel, polling, p99", ("ours, TAP", "ping-pong, polling", "p99_us"), BASE, 1.0,
     False),
    ("ping-pong ÷ kernel, sleeping, p50", ("ours, TAP", "ping-pong, sleeping", "p50_us"), BASE, 1.0,
     False),
    ("ping-pong ÷ kernel, sleeping, p99", ("ours, TAP", "ping-pong, sleeping", "p99_us"), BASE, 1.0,
     False),
    ("connections ÷ kernel, in turn", ("ours, TAP", "connections, in turn", "per_s"), BASE, 2.0,
     True),
    ("connections ÷ kernel, 32 at once", ("ours, TAP", "connections, 32 at once", "per_s"), BASE, 2.0,
     True),
    ("connections ÷ kernel, 32 at once, both with RPS",
     ("ours, TAP, RPS", "connections, 32 at once", "per_s"), "kernel, veth, RPS", 2.0, True),
    ("serve ÷ nginx, kept connections", ("teeceepee serve, TAP", "requests, kept", "per_s"),
     "nginx, kernel, veth", 1.0, True),
)


def number(value):
    """Three figures, and thousands told apart."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def median(results, column, case, key):
    """None when the column did not take the case."""
    values = [one[key] for one in results.get(case, {}).get(column, ()) if key in one]
    return statistics.median(values) if values else None


def row_of(cells):
    return "| " + " | ".join(cells) + " |"


def section(results, names, title, base, specs):
    heads, lines = ["stack"], []
    for heading, _, _, has_ratio in specs:
        heads += [heading] + (["÷ kernel" if base == BASE else "÷ nginx"] if has_ratio else [])
    for name in names:
        cells, has_any = [name], False
        for _, case, key, has_ratio in specs:
            value, other = (median(results, column, case, key) for column in (name, base))
            has_any |= value is not None
            cells.append("" if value is None else number(value))
            if has_ratio:
                cells.append(f"{value / other:.2f}" if value is not None and other else "")
        if has_any:
            lines.append(row_of(cells))
    return [f"### {title}", "", row_of(heads), "|---|" + "---:|" * (len(heads) - 1), *lines, ""]


def goal_row(name, value, wanted, is_more_better):
    is_met = value >= wanted if is_more_better else value <= wanted
    return row_of([name, number(value), f"{'≥' if is_more_better else '≤'} {wanted:,g}",
                   "yes" if is_met else "**no**"])


def goals(results, alone):
    """What issue 5 calls shown, each with what was measured in this run."""
    lines = ["### Goals", "", row_of(["goal", "measured", "wanted", "met"]), "|---|---:|---:|---|"]
    for name, (column, case, key), base, wanted, is_more_better in GOALS:
        value, other = median(results, column, case, key), median(results, base, case, key)
        if value is not None and other:
            lines.append(goal_row(name, value / other, wanted, is_more_better))
        else:
            lines.append(row_of([name, "not measured", "", ""]))
    turnover, memory = alone["turnover"], alone["memory"]
    lines.append(goal_row("connections ÷ kernel, both ends in one thread, no link",
                          turnover["ours"] / turnover["kernel"], 2.0, True))
    for name, case, wanted in (("an idle connection, bytes", "idle", 600),
                               ("TIME-WAIT, bytes", "time-wait", 64),
                               ("SYN-RECEIVED, bytes", "syn-received", 128)):
        lines.append(goal_row(name, memory["ours"][case], wanted, False))
    counted = alone["core"]["mss-offload"]["instructions"].get("core_receive")
    if counted:
        lines.append(goal_row("a received segment, to the application, instructions", counted, 1000,
                              False))
    return [*lines, ""]


def turnover_table(turnover):
    ours, kernel = turnover["ours"], turnover["kernel"]
    return ["### Connections opened and closed, both ends by one thread, without a link", "",
            row_of(["", "ours, wire", "kernel, loopback", "÷ kernel"]), "|---|---:|---:|---:|",
            row_of(["32 at once, /s", number(ours), number(kernel), f"{ours / kernel:.2f}"]), ""]


def memory_table(memory):
    ours, kernel = memory["ours"], memory["kernel"]
    rows = (("idle", ours["idle"], None), ("idle, after a byte each way", ours["talked"], kernel["idle"]),
            ("TIME-WAIT", ours["time-wait"], kernel["time_wait"]),
            ("SYN-RECEIVED", ours["syn-received"], kernel["syn_received"]))
    lines = [f"### Memory of a connection, bytes ({memory['connections']:,} of ours, "
             f"{kernel['connections']:,} of the kernel's)", "",
             row_of(["state", "ours", "kernel", "÷ kernel"]), "|---|---:|---:|---:|"]
    for name, own, other in rows:
        ratio = [number(other), f"{own / other:.2f}"] if other else ["", ""]
        lines.append(row_of([name, number(own), *ratio]))
    return [*lines, ""]


CORE_TITLES = {"64k": "64 KiB super-frame", "mss": "1,448 bytes, checksums made and verified",
               "mss-offload": "1,448 bytes, checksums left to the link",
               "mss-alone": "one of 1,448 bytes at a time", "64": "ten writes of 64 bytes"}


def core_table(costs):
    heads = ["a frame of", "send, ns", "receive, ns", "ACK, ns", "send, instructions",
             "receive, instructions", "ACK, instructions"]
    lines = ["### In memory, without a link: what a frame costs", "", row_of(heads),
             "|---|" + "---:|" * 6]
    for case, cost in costs.items():
        counted = [cost["instructions"].get(part) for part in ("core_send", "core_receive", "core_ack")]
        lines.append(row_of([CORE_TITLES[case], *(number(cost[key]) for key in
                                             ("send_ns", "receive_ns", "ack_ns")),
                             *("" if one is None else number(one) for one in counted)]))
    return [*lines, "", "An ACK is shared out over the frames that it acknowledges. Segments of 1,448 bytes go ten "
            "at a time where nothing else is said.", ""]


def lines_table(costs):
    """Cache lines, a row for each part; nothing where they could not be counted."""
    lines = []
    for case, cost in costs.items():
        for part, name in (("core_send", "send"), ("core_receive", "receive"), ("core_ack", "ACK")):
            counted = cost["lines"].get(part)
            if counted:
                lines.append(row_of([CORE_TITLES[case] if part == "core_send" else "", name,
                                     *(number(counted[kind]) for kind in
                                       ("state", "stack", "payload", "code"))]))
    if not lines:
        return []
    heads = ["a frame of", "part", "state and headers", "stack", "payload", "code"]
    return ["### In memory, without a link: cache lines that a frame touches", "", row_of(heads),
            "|---|---|" + "---:|" * 4, *lines, "",
            "Distinct lines of 64 bytes in each part. What ten segments touch that go together is shared out.", ""]


def parts_table(parts):
    lines = [row_of(["what the machine does without a stack", "", ""]), "|---|---:|---|"]
    for key, title, unit in limits.PARTS:
        lines.append(row_of([title, "" if parts[key] is None else number(parts[key]), unit]))
    return [*lines, ""]


def limits_table(results, alone):
    """Our figures beside what bounds them."""
    measured = alone["limits"]
    own = {**alone["memory"]["ours"], "opened_per_s": measured["opened_per_s"]}
    lines = ["### What the machine allows", "", *parts_table(measured["parts"]),
             row_of(["ours", "measured", "limit", "÷ limit", "set by"]), "|---|---:|---:|---:|---|"]
    for bound in limits.BOUNDS:
        value = own.get(bound.where) if isinstance(bound.where, str) else median(results, *bound.where)
        limit, why = bound.found(measured["parts"])
        lines.append(row_of([bound.name, number(value) if value else "", number(limit) if limit else "",
                             f"{value / limit:.2f}" if value and limit else "", why]))
    return [*lines, ""]


def report(names, results, alone, gaps):
    """All lines. `alone`: what was measured without a link."""
    lines = []
    for title, base, specs in SECTIONS:
        lines += section(results, names, title, base, specs)
    lines += (turnover_table(alone["turnover"]) + memory_table(alone["memory"]) +
              core_table(alone["core"]) + lines_table(alone["core"]) + limits_table(results, alone))
    if gaps:
        lines += ["### Not measured", "", *(f"- {name}: {reason}" for name, reason in gaps.items()), ""]
    return lines + goals(results, alone)


def aligned(lines):
    """The same for a terminal: the columns of each table made straight."""
    out, block = [], []
    for line in [*lines, ""]:
        if line.startswith("|"):
            block.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if block:
            block.pop(1)
            widths = [max(len(row[column]) for row in block) for column in range(len(block[0]))]
            out += ["  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                              for column, (cell, width) in enumerate(zip(row, widths)))
                    for row in block]
            block = []
        out.append(line)
    return out
