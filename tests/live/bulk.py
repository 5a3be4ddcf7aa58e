#!/usr/bin/env python3
"""A gigabyte each way, equal to the last bit.

Down: `teeceepee curl` from nginx. Up into us: the kernel's side sends with OpenBSD's nc into
`teeceepee nc -l`. Up from us: `teeceepee nc` sends into nc -l on the kernel's side. All are random
bytes, compared by SHA-256. 1 GiB on tap and packet; 100 MiB on slirp, whose TCP has a window of
64 KiB, and through a link that loses, doubles, reorders and corrupts on purpose.
"""

import os
import signal
import subprocess
import time

import lab as live
import servers
from lab import check, until

MIB = 1 << 20
BAD_ROAD = "loss=2%,duplicate=1%,reorder=5%,corrupt=0.1%,delay=10ms"


def rate(size, seconds):
    return f"{size / MIB:.0f} MiB at {size * 8 / seconds / 1e9:.2f} Gbit/s"


_made = {}


def make_data(lab, size):
    """(directory, file in it, SHA-256) of random bytes, made once for all cases."""
    if size not in _made:
        root = os.path.join(lab.root, f"data{size}")
        os.mkdir(root)
        path = os.path.join(root, "big.bin")
        _made[size] = (root, path, live.random_file(path, size))
    return _made[size]


def download(lab, wire, family, size, extra=(), timeout_s=90):
    root, _, want = make_data(lab, size)
    servers.nginx(lab, ns=wire.ns, root=root)
    process = lab.tee("curl", *wire.options(family), *extra, "-sS", "-f",
                      wire.url(family, "/big.bin"), stdout=subprocess.PIPE)
    came = live.StreamHash(process.stdout)
    process.check_exit(0, timeout_s)
    seconds = time.monotonic() - process.started_s
    came.check(want, size, 10)
    return rate(size, seconds)


def send_by_kernel(lab, wire, family, port, path, timeout_s):
    """The kernel's nc sends a file to us, trying until we listen."""
    end = time.monotonic() + timeout_s
    while True:
        started = time.monotonic()
        with open(path, "rb") as data:
            sender = lab.start("nc", "-N", "-w", "20", wire.ours(family), port, ns=wire.ns,
                               stdin=data)
            code = sender.wait(timeout_s)
        if code == 0:
            return time.monotonic() - started
        check(time.monotonic() < end, f"nc could not send: {sender.told()}")
        time.sleep(0.1)


def upload_into_us(lab, wire, family, size, extra=(), timeout_s=90):
    live.need("nc")
    _, path, want = make_data(lab, size)
    port = lab.port()
    options = wire.forwarding(port) if wire.name == "slirp" else wire.options(family)
    process = lab.tee("nc", *options, *extra, "-l", port, stdout=subprocess.PIPE)
    came = live.StreamHash(process.stdout)
    if wire.name == "slirp":
        # libslirp itself takes the connection, also before we listen.
        lab.wait_listening(port)
        process.signal(signal.SIGUSR1)
        until(lambda: f":{port}" in process.errors() or process.signal(signal.SIGUSR1), 5, "us to listen")
    else:
        lab.wait_answering(wire, family)
    seconds = send_by_kernel(lab, wire, family, port, path, timeout_s)
    process.check_exit(0, 10)
    came.check(want, size, 10)
    return rate(size, seconds)


def upload_from_us(lab, wire, family, size, extra=(), timeout_s=90):
    live.need("nc")
    _, path, want = make_data(lab, size)
    port = lab.port()
    server = lab.start("nc", "-N", "-4" if family == 4 else "-6", "-l", port, ns=wire.ns,
                       stdout=subprocess.PIPE)
    came = live.StreamHash(server.stdout)
    lab.wait_listening(port, ns=wire.ns)
    with open(path, "rb") as data:
        process = lab.tee("nc", *wire.options(family), *extra, wire.at(family), port, stdin=data)
        process.check_exit(0, timeout_s)
    seconds = time.monotonic() - process.started_s
    came.check(want, size, 10)
    return rate(size, seconds)


def register(kind, family, way, function, size):
    text = "1 GiB" if size == 1024 * MIB else f"{size // MIB} MiB"

    @live.case(f"{text} {way}, {kind.name}, IPv{family}", quick=family == 4)
    def transfer(lab):
        return function(lab, kind(lab), family, 8 * MIB if lab.quick else size)


for wire_kind, family_of_wire, bytes_of_wire in (
        (live.Tap, 4, 1024 * MIB), (live.Packet, 4, 1024 * MIB), (live.Slirp, 4, 100 * MIB),
        (live.Tap, 6, 100 * MIB), (live.Packet, 6, 100 * MIB), (live.Slirp, 6, 100 * MIB)):
    register(wire_kind, family_of_wire, "by curl", download, bytes_of_wire)
    if (wire_kind, family_of_wire) != (live.Slirp, 6):  # libslirp forwards IPv4 ports only
        register(wire_kind, family_of_wire, "into nc -l", upload_into_us, bytes_of_wire)
    register(wire_kind, family_of_wire, "out of nc", upload_from_us, bytes_of_wire)


def without_offloads(lab, kind, function):
    """Segments of the wire's size one by one, as without any offload: our side joins them."""
    wire = kind(lab)
    wire.link += ",offload=0"
    if kind is live.Packet:
        live.need("ethtool")
        for device, ns in ((wire.device, None), (wire.peer_device, wire.ns)):
            lab.command("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off",
                        "rx", "off", ns=ns)
    return function(lab, wire, 4, 8 * MIB if lab.quick else 200 * MIB)


for way, carry in (("by curl", download), ("out of nc", upload_from_us)):

    @live.case(f"200 MiB {way}, packet without offloads, the peer with them", quick=True)
    def packet_one_sided(lab, function=carry):
        """What the peer's kernel sends are super-frames without checksums, for a veth carries them."""
        wire = live.Packet(lab)
        wire.link += ",offload=0"
        return function(lab, wire, 4, 8 * MIB if lab.quick else 200 * MIB)


@live.case("200 MiB by curl, tap without offloads", quick=True)
def tap_segments_in(lab):
    return without_offloads(lab, live.Tap, download)


@live.case("200 MiB out of nc, tap without offloads")
def tap_segments_out(lab):
    return without_offloads(lab, live.Tap, upload_from_us)


@live.case("200 MiB into nc -l, packet without offloads", quick=True)
def packet_segments_in(lab):
    return without_offloads(lab, live.Packet, upload_into_us)


def impaired(lab, function, family):
    size = 2 * MIB if lab.quick else 100 * MIB
    return function(lab, live.Tap(lab), family, size, ["--impair", BAD_ROAD, "--seed", "20"], 180)


@live.case("100 MiB by curl over a bad road, tap, IPv4", quick=True)
def bad_road_in(lab):
    return impaired(lab, download, 4)


@live.case("10 MiB out of nc over a bad road, tap, IPv6")
def bad_road_out(lab):
    return upload_from_us(lab, live.Tap(lab), 6, 10 * MIB,
                          ["--impair", BAD_ROAD, "--seed", "21"], 180)


if __name__ == "__main__":
    live.main()
