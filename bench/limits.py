"""What the machine allows at best, beside what was measured: the bounds of `make bench`, and their arithmetic.

`teebench limits` (bench/limits.c) measures what a copy, a wake-up, a call and a page take without any stack. Each
Bound says which of those it takes and how: what no stack can do without, and nothing that a better one could.
It is below what can be reached, for the kernel's TCP, which every conversation here has at one end, is not in it.

They are measured between the cases of the run, so that they know the same hours as the figures.
"""

import statistics

import core

# Of an Ethernet's frame, with timestamps; of the largest frame that a TAP gets, and that it gives.
TEXT_BYTES = 1448
SUPER_WRITE_BYTES = 181 * TEXT_BYTES
SUPER_READ_BYTES = 45 * TEXT_BYTES
# What the RFCs give a connection to remember, four bytes each: the addresses and the ports of both ends are three.
# RFC 9293 3.3.1 has eleven variables, 6298 three, 5681 two, 7323 two.
IDLE_BYTES = 4 * (3 + 11 + 3 + 2 + 2)
# In TIME-WAIT snd.nxt, rcv.nxt, the last timestamp (RFC 6191), and when it ends.
TIME_WAIT_BYTES = 4 * (3 + 4)

# (key, what it is, unit)
PARTS = (
    ("copy_local_gb_s", "copying 256 KiB, within one core", "GB/s"),
    ("copy_read_long_ago_gb_s", "into memory that the other core read long ago (8 MiB)", "GB/s"),
    ("copy_just_read_gb_s", "into memory that the other core has just read", "GB/s"),
    ("copy_just_written_gb_s", "out of memory that the other core has just written", "GB/s"),
    ("wake_p50_us", "waking the other core and being woken, p50", "µs"),
    ("wake_p99_us", "the same, p99", "µs"),
    ("line_p50_us", "a cache line to the other core and back, p50", "µs"),
    ("poll_p50_us", "the same with calls, polling, p50", "µs"),
    ("call_us", "a system call that does nothing", "µs"),
    ("tap_write_us", "writing a frame of 66 bytes to a TAP, which the kernel drops", "µs"),
    ("tap_read_us", "reading one", "µs"),
    ("tap_write_full_us", "writing a frame of 1,514 bytes", "µs"),
    ("tap_read_full_us", "reading one", "µs"),
    ("tap_write_super_us", "writing a frame of 262,154 bytes", "µs"),
    ("tap_read_super_us", "reading one of 65,226", "µs"),
    ("touch_gb_s", "touching fresh memory, pages of 4 KiB", "GB/s"),
    ("touch_huge_gb_s", "of 2 MiB", "GB/s"),
)


def one_after_the_other(*rates):
    """The rate of what is done to each byte in turn."""
    return 1 / sum(1 / rate for rate in rates)


def bulk(here, there):
    """Two cores at work on the same bytes: the slower decides. Each is (GB/s, what it does)."""
    rate, why = min(here, there)
    return 8 * rate, why


def writing(local, old, write_super):
    """GB/s of writes whose copy goes not into what this core has just freed, but into what the other read long ago."""
    return 1 / (write_super * 1e3 / SUPER_WRITE_BYTES + max(0, 1 / old - 1 / local))


def sending_copied(local, old, out, write_super):
    return bulk((one_after_the_other(local, writing(local, old, write_super)), "our copy, a write for 256 KiB"),
                (out, "the receiver's copy of what we have just written"))


def sending(local, old, out, write_super):
    return bulk((writing(local, old, write_super), "a write for 256 KiB"),
                (out, "the receiver's copy of what we have just written"))


def receiving_copied(local, old, read_super):
    return bulk((one_after_the_other(SUPER_READ_BYTES / read_super / 1e3, local), "a read for 64 KiB, our copy"),
                (old, "the sender's copy into what we read long ago"))


def receiving(old, read_super):
    return bulk((SUPER_READ_BYTES / read_super / 1e3, "a read for 64 KiB"),
                (old, "the sender's copy into what we read long ago"))


def of_frames(us):
    """Gbit/s at a frame of an Ethernet in so many µs."""
    return TEXT_BYTES * 8 / us / 1e3


def round_trip(turns, write, read, call):
    """Each turn has a write and a read of its own, which a frame's are in place of."""
    return turns + max(0, write - call) + max(0, read - call)


def connections_in_turn(wake, write, read, call):
    return 1e6 / (round_trip(wake, write, read, call) + 2 * write + 2 * read)


def exchanges(writes, reads):
    return lambda write, read: 1e6 / (writes * write + reads * read)


def opening(small, huge, bytes_each):
    return max(small, huge) * 1e9 / bytes_each


LOCAL, OLD, OUT = "copy_local_gb_s", "copy_read_long_ago_gb_s", "copy_just_written_gb_s"
WRITE, READ = "tap_write_super_us", "tap_read_super_us"
FRAME = ("tap_write_us", "tap_read_us")


class Bound:
    """
    A figure of the report and what bounds it: `of` the parts that it `takes`. `where` the figure is: column, case and
    key, or the key of one measured without a link. `why`: None where `of` says it.
    """

    def __init__(self, name, where, takes, of, why=None):
        self.name, self.where, self.takes, self.of, self.why = name, where, takes, of, why

    def found(self, parts):
        """(the limit, what sets it); the limit is None where this machine lacks a part."""
        values = [parts[key] for key in self.takes]
        if None in values:
            return None, self.why or ""
        return (self.of(*values), self.why) if self.why else self.of(*values)


BOUNDS = (
    Bound("sending, Gbit/s", ("ours, TAP", "sending", "gbit_s"), (LOCAL, OLD, OUT, WRITE), sending_copied),
    Bound("sending, no copy, Gbit/s", ("ours, TAP, no copy", "sending", "gbit_s"), (LOCAL, OLD, OUT, WRITE), sending),
    Bound("receiving, Gbit/s", ("ours, TAP", "receiving", "gbit_s"), (LOCAL, OLD, READ), receiving_copied),
    Bound("receiving, no copy, Gbit/s", ("ours, TAP, no copy", "receiving", "gbit_s"), (OLD, READ), receiving),
    Bound("sending, no offloads, Gbit/s", ("ours, TAP, no offloads", "sending", "gbit_s"), ("tap_write_full_us",),
          of_frames, "a write a frame"),
    Bound("receiving, no offloads, Gbit/s", ("ours, TAP, no offloads", "receiving", "gbit_s"), ("tap_read_full_us",),
          of_frames, "a read a frame"),
    Bound("sending, no offloads, kernel's thread, Gbit/s",
          ("ours, TAP, no offloads, kernel's thread", "sending", "gbit_s"), ("tap_write_full_us",), of_frames,
          "a write a frame"),
    Bound("receiving, no offloads, kernel's thread, Gbit/s",
          ("ours, TAP, no offloads, kernel's thread", "receiving", "gbit_s"), ("tap_read_full_us",), of_frames,
          "a read a frame"),
    Bound("ping-pong, sleeping, p50, µs", ("ours, TAP", "ping-pong, sleeping", "p50_us"),
          ("wake_p50_us", *FRAME, "call_us"), round_trip, "both cores woken, a frame each way"),
    Bound("ping-pong, sleeping, p99, µs", ("ours, TAP", "ping-pong, sleeping", "p99_us"),
          ("wake_p99_us", *FRAME, "call_us"), round_trip, "the same"),
    Bound("ping-pong, polling, p50, µs", ("ours, TAP", "ping-pong, polling", "p50_us"),
          ("poll_p50_us", *FRAME, "call_us"), round_trip, "to the other core and back by calls, a frame each way"),
    Bound("connections, in turn, /s", ("ours, TAP", "connections, in turn", "per_s"),
          ("wake_p50_us", *FRAME, "call_us"), connections_in_turn, "three writes, three reads, both cores woken"),
    Bound("connections, 32 at once, /s", ("ours, TAP", "connections, 32 at once", "per_s"), FRAME, exchanges(3, 3),
          "three writes, three reads"),
    Bound("connections, 32 at once, RPS, /s", ("ours, TAP, RPS", "connections, 32 at once", "per_s"), FRAME,
          exchanges(3, 3), "the same"),
    Bound("requests, kept, /s", ("teeceepee serve, TAP", "requests, kept", "per_s"), FRAME, exchanges(1, 1),
          "a write, a read"),
    Bound("requests, fresh, /s", ("teeceepee serve, TAP", "requests, fresh", "per_s"), FRAME, exchanges(3, 4),
          "three writes, four reads"),
    Bound("opened in memory, /s", "opened_per_s", ("touch_gb_s", "touch_huge_gb_s", "bytes_each"), opening,
          "their memory touched for the first time"),
    Bound("an idle connection, bytes", "idle", (), lambda: IDLE_BYTES, "what RFCs have it remember"),
    Bound("TIME-WAIT, bytes", "time-wait", (), lambda: TIME_WAIT_BYTES, "the same"),
)


class Machine:
    """What it does without a stack, measured again and again."""

    def __init__(self, program, quick):
        self.program, self.seconds = program, 0.01 if quick else 0.04
        self.opened = core.ask(program, "our-many", 100_000 if quick else 500_000)
        self.probes = []

    def probe(self):
        self.probes.append(core.ask(self.program, "limits", self.seconds, 1))

    def figures(self):
        """The medians of all probes, and how many connections are opened a second without memory had beforehand."""
        parts = {"bytes_each": self.opened["bytes_per_connection"]}
        for key, _, _ in PARTS:
            values = [probe[key] for probe in self.probes]
            parts[key] = None if None in values else statistics.median(values)
        return {"parts": parts, "opened_per_s": self.opened["opened_per_s"], "probes": self.probes}
