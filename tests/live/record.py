#!/usr/bin/env python3
"""Recordings (--pcap) under tshark's eyes: no malformed packet, no bad checksum, and the page that
was fetched can be taken out of the recording again. Every checksum is looked at, so the pages also
cross links where the kernel leaves checksums and segmentation to others."""

import os
import subprocess

import lab as live
import servers
from lab import check, check_equal

CHECKED = ("ip.check_checksum", "tcp.check_checksum", "udp.check_checksum")
BAD = ("_ws.malformed or _ws.short or ip.checksum.status == 0 or tcp.checksum.status == 0 or "
       "udp.checksum.status == 0 or icmp.checksum.status == 0 or icmpv6.checksum.status == 0 or "
       "arp.duplicate-address-detected")


def tshark(lab, path, *words):
    options = [word for name in CHECKED for word in ("-o", f"{name}:TRUE")]
    done = subprocess.run(["tshark", "-n", "-r", path, *options, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", check=False,
                          cwd=lab.dir, timeout=60)
    complaints = [line for line in done.stderr.splitlines()
                  if "Running as user" not in line and line.strip()]
    check(done.returncode == 0 and not complaints, f"tshark complains: {done.stderr}")
    return done.stdout.splitlines()


def count(lab, path, display_filter):
    return len(tshark(lab, path, "-Y", display_filter))


def check_recording(lab, path):
    live.need("tshark", "capinfos")
    bad = tshark(lab, path, "-Y", BAD)
    check(not bad, "tshark finds bad packets:\n" + "\n".join(bad[:20]))
    told = lab.command("capinfos", path)
    check("nanoseconds (9)" in told, f"stamps are not in nanoseconds: {told}")
    return len(tshark(lab, path))


for kind in (live.Slirp, live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"a page in a recording, {kind.name}, IPv{address_family}",
                   quick=(kind, address_family) == (live.Tap, 4))
        def page(lab, make=kind, family=address_family):
            live.need("tshark")
            wire = make(lab)
            _, bodies = servers.pages(lab)
            servers.nginx(lab, ns=wire.ns)
            path = lab.path("page.pcapng")
            lab.tee("curl", *wire.options(family), "--pcap", path, "-sS", "-o", "/dev/null",
                    wire.url(family, "/7.bin")).check_exit(0)
            packets = check_recording(lab, path)
            for what in ("tcp.flags.syn == 1 and tcp.flags.ack == 0", "tcp.flags.fin == 1",
                         "http.request", "http.response.code == 200"):
                check(count(lab, path, what) > 0, f"the recording has no packet of {what}")
            tshark(lab, path, "-q", "--export-objects", f"http,{lab.path('objects')}")
            with open(lab.path("objects/7.bin"), "rb") as came:
                check(came.read() == bodies[7], "the page taken out of the recording differs")
            return f"{packets} packets"


@live.case("sending 5 MiB, recorded: no bad checksum in super-frames")
def sending(lab):
    wire = live.Packet(lab)
    live.random_file(lab.path("data"), 5 << 20)
    lab.start("nc", "-N", "-l", 9000, ns=wire.ns)
    lab.wait_listening(9000, wire.ns)
    path = lab.path("send.pcapng")
    with open(lab.path("data"), "rb") as data:
        lab.tee("nc", *wire.options(), "--pcap", path, wire.peer4, 9000, stdin=data).check_exit(0)
    packets = check_recording(lab, path)
    rows = tshark(lab, path, "-Y", f"ip.src == {wire.own4} and tcp.len > 0", "-T", "fields",
                  "-e", "tcp.seq", "-e", "tcp.len")
    # A busy machine may make the stack probe for a tail that is only late: what came twice counts once.
    end = sent = largest = 0
    for start, length in sorted(tuple(map(int, row.split())) for row in rows if row):
        check(start <= max(end, 1), f"the recording lacks what comes before {start}")
        sent += max(0, start + length - max(end, start))
        end = max(end, start + length)
        largest = max(largest, length)
    check_equal(sent, 5 << 20, "bytes of payload in the recording")
    return f"{packets} packets, the largest with {largest} bytes"


@live.case("UDP in fragments, ping, DHCP and ARP, recorded")
def other_protocols(lab):
    wire = live.Packet(lab)
    servers.dnsmasq(lab, "--port=0", f"--interface={wire.peer_device}", "--no-ping",
                    f"--dhcp-range={wire.prefix4}.50,{wire.prefix4}.60,2m", ns=wire.ns,
                    wait=("udp", 67))
    path = lab.path("mixed.pcapng")
    lab.tee("ping", "--link", wire.link, "--pcap", path, "-c", 2, "-i", 0.2, "-s", 4000,
            wire.peer4).check_exit(0, 25)
    check_recording(lab, path)
    for what in ("arp", "dhcp.option.dhcp == 1", "dhcp.option.dhcp == 7", "icmp.type == 8",
                 "icmp.type == 0", "ip.flags.mf == 1"):
        check(count(lab, path, what) > 0, f"the recording has no packet of {what}")


@live.case("a bad road, recorded as the stack saw it")
def bad_road(lab):
    wire = live.Tap(lab)
    servers.nginx(lab)
    path = lab.path("bad.pcapng")
    lab.tee("curl", *wire.options(), "--pcap", path, "--impair", "loss=5%,delay=2ms", "--seed", 3,
            "-sS", "-o", "/dev/null", *[wire.url(4, f"/{n}.bin") for n in range(10)]).check_exit(0)
    check_recording(lab, path)
    check(count(lab, path, "tcp.analysis.retransmission") > 0, "no loss shows in the recording")


@live.case("a recording that fills the disk is told, the page comes all the same")
def disk_full(lab):
    small = lab.path("small")
    os.mkdir(small)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small],
                             capture_output=True, check=False)
    if mounted.returncode != 0:
        raise live.Skip("no small file system can be mounted here")
    wire = live.Tap(lab)
    _, bodies = servers.pages(lab)
    servers.nginx(lab)
    process = lab.tee("curl", *wire.options(), "--pcap", f"{small}/x.pcapng", "-sS",
                      wire.url(4, "/1.bin"))
    process.check_exit(0)
    check(process.output() == bodies[1], "the page differs")
    check("x.pcapng" in process.errors(), f"nothing is said of the recording: {process.errors()!r}")


if __name__ == "__main__":
    live.main(jobs=3)
