"""What `teeceepee run` costs: one program, which knows nothing of us, in every place at once.

`make bench-run`. The server is always the kernel's, on a loopback; the client, plain blocking sockets, runs
on that loopback itself, under `run` over each link that needs no privileges and over a TAP, and in a network
namespace behind slirp4netns and behind pasta, which do the like for namespaces. The places take turns, and
the figure is the median. Then both ends in one world: the kernel's loopback, and the stack's own under `run`.
"""

import json
import os
import statistics
import sys

import lab as live

PORT = 6000

# (row, case of teebench's client, key of its result, unit, more is better)
ROWS = (
    ("bulk, sending", "sink", "gbit_s", "Gbit/s", True),
    ("bulk, receiving", "source", "gbit_s", "Gbit/s", True),
    ("ping-pong of one byte, p50", "echo", "p50_us", "µs", False),
    ("connections, one after the other", "connect", "per_s", "/s", True),
)
# The same of `teebench overhead`, whose two ends are under one roof.
WITHIN = (
    ("socket and close", "socket_us", "µs", False),
    ("setsockopt", "setsockopt_us", "µs", False),
    ("getsockname", "getsockname_us", "µs", False),
    ("sendmsg of a socket of another family", "foreign_us", "µs", False),
    ("ping-pong of one byte, two processes", "ping_pong_us", "µs", False),
    ("bulk", "bulk_gbit_s", "Gbit/s", True),
    ("connections with a byte there and back", "connects_per_s", "/s", True),
)
# Who is held against whom: they speak through the same kind of thing.
RIVALS = (("run, slirp", "slirp4netns"), ("run, passt", "pasta"))


class Place:
    """Where the client runs: the words before its own, and where it finds the server."""

    def __init__(self, name, lab, host, words=(), ns=None):
        self.name, self.lab, self.host = name, lab, host
        self.words, self.ns = list(words), ns

    def play(self, *command, timeout_s):
        process = self.lab.start(*self.words, *command, ns=self.ns)
        process.check_exit(0, timeout_s)
        result = json.loads(process.output())
        process.forget()
        return result


class Maker:
    """Makes the places. Each has a namespace of its own in which the server runs."""

    def __init__(self, bench, tee, root):
        self.bench, self.tee, self.root = bench, tee, root
        self.places = []

    def lab(self):
        return live.Lab(self.tee, 40 + len(self.places), False, self.root)

    def serve(self, lab, ns=None):
        lab.start(self.bench, "kernel-server", PORT, ns=ns)
        lab.wait_listening(PORT, ns)
        return lab

    def add(self, name, lab, host, words=(), ns=None):
        self.places.append(Place(name, lab, host, words, ns))

    def run(self, name, lab, wire):
        self.add(name, lab, wire.at(4), [self.tee, "run", *wire.options(), "--"])

    def kernel(self):
        self.add("kernel", self.serve(self.lab()), "127.0.0.1")

    def slirp(self):
        lab = self.lab()
        self.run("run, slirp", self.serve(lab), live.Slirp(lab))

    def passt(self):
        live.need("passt")
        lab = self.lab()
        gateway = uplink(lab)
        self.add("run, passt", self.serve(lab), gateway, [self.tee, "run", "--link", "passt", "--"])

    def tap(self):
        lab = self.lab()
        wire = live.Tap(lab)
        self.run("run, tap", self.serve(lab, wire.ns), wire)

    def slirp4netns(self):
        live.need("slirp4netns")
        lab = self.lab()
        guest = lab.namespace(f"guest{lab.number}")
        lab.start("slirp4netns", "--configure", "--mtu=65520", "--disable-dns", "--netns-type=path",
                  f"/run/netns/{guest}", "tap0")
        self.add("slirp4netns", self.serve(lab), "10.0.2.2", ns=guest)
        wait_for_way_out(lab, guest, "slirp4netns")

    def pasta(self):
        live.need("pasta")
        lab = self.lab()
        gateway = uplink(lab)
        guest = lab.namespace(f"guest{lab.number}")
        user = ["--runas", "0"] if os.getuid() == 0 else []
        lab.start("pasta", "--foreground", "--config-net", *user, "-t", "none", "-u", "none", "-T", "none",
                  "-U", "none", "--netns", f"/run/netns/{guest}")
        self.add("pasta", self.serve(lab), gateway, ns=guest)
        wait_for_way_out(lab, guest, "pasta")


def uplink(lab):
    """An interface with a default route, whose addresses passt takes over; who asks its gateway gets the host."""
    lab.ip("link", "add", "uplink", "type", "veth", "peer", "name", "nowhere")
    lab.ip("addr", "add", "10.79.0.2/24", "dev", "uplink")
    for device in ("uplink", "nowhere"):
        lab.ip("link", "set", device, "up")
    lab.ip("route", "add", "default", "via", "10.79.0.1")
    return "10.79.0.1"


def wait_for_way_out(lab, ns, name):
    live.until(lambda: "default" in lab.ip("route", "show", ns=ns), 10, f"{name} to lay its route")


def make_places(bench, tee, root):
    maker = Maker(bench, tee, root)
    for make in (maker.kernel, maker.slirp, maker.passt, maker.tap, maker.slirp4netns, maker.pasta):
        try:
            make()
        except live.Skip as lacking:
            print(f"left out: {lacking}", file=sys.stderr)
    return maker.places


def measure(places, bench, rounds, seconds):
    """case -> name of the place -> list of results, the places taking turns."""
    results = {}
    for case in [row[1] for row in ROWS]:
        of_case = results[case] = {place.name: [] for place in places}
        port = PORT + 1 if case == "connect" else PORT
        for _ in range(rounds):
            for place in places:
                of_case[place.name].append(place.play(bench, "kernel-client", case, place.host, port, seconds, 0,
                                                      timeout_s=seconds + 30))
    return results


def measure_within(places, bench, rounds, seconds):
    """name of the place -> list of results."""
    at_home = [place for place in places if place.name in ("kernel", "run, slirp")]
    results = {place.name: [] for place in at_home}
    for _ in range(rounds):
        for place in at_home:
            results[place.name].append(place.play(bench, "overhead", seconds, timeout_s=60))
    return results


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def table(places, results):
    """The lines of a Markdown table."""
    names = [place.name for place in places]
    rivals = [pair for pair in RIVALS if set(pair) <= set(names)]
    lines = ["| case | " + " | ".join(names) + " | " +
             " | ".join(f"{ours} ÷ {theirs}" for ours, theirs in rivals) + " |",
             "|---|" + "---:|" * (len(names) + len(rivals))]
    for title, case, key, unit, more_is_better in ROWS:
        medians = {name: statistics.median(result[key] for result in results[case][name]) for name in names}
        ratios = [medians[ours] / medians[theirs] if more_is_better else medians[theirs] / medians[ours]
                  for ours, theirs in rivals]
        lines.append(f"| {title}, {unit} | " + " | ".join(number(medians[name]) for name in names) + " | " +
                     " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return lines


def table_within(results):
    lines = ["| both ends in one place | kernel | run | times as good |", "|---|---:|---:|---:|"]
    for title, key, unit, more_is_better in WITHIN:
        kernel, ours = (statistics.median(result[key] for result in results[name])
                        for name in ("kernel", "run, slirp"))
        ratio = ours / kernel if more_is_better else kernel / ours
        lines.append(f"| {title}, {unit} | {number(kernel)} | {number(ours)} | {ratio:.2f} |")
    return lines


def run(bench, tee, root, quick):
    """The tables, and what is to be saved of them."""
    rounds, seconds = (3, 0.4) if quick else (5, 1.0)
    places = make_places(bench, tee, root)
    results = measure(places, bench, rounds, seconds)
    within = measure_within(places, bench, rounds, seconds)
    for place in places:
        place.lab.close()
    return [table(places, results), table_within(within)], {
        "rounds": rounds, "seconds": seconds, "results": results, "within": within}
