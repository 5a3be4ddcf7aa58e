#!/usr/bin/env python3
"""Ending well: Ctrl-C, TERM, a closed terminal or a broken pipe end the connections as RFC 9293
says, and leave no address, route, device setting or process behind."""

import difflib
import os
import re
import signal
import subprocess
import sys

import lab as live
import servers
from lab import check, check_equal, until

# One connection of the kernel's that tells how it ended.
HANG_ON = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
s.settimeout(20)
s.sendall(b"x")
print("connected", flush=True)
try:
    print("FIN" if s.recv(1) == b"" else "data", flush=True)
except ConnectionResetError:
    print("RST", flush=True)
"""


def surroundings(lab):
    """
    All that a program could have changed in the case's namespace; without what the kernel does by
    itself when a device has a carrier: its link-local address with its routes and groups.
    """
    words = [("-br", "link"), ("addr",), ("-4", "route", "show", "table", "all"),
             ("-6", "route", "show", "table", "all"), ("rule",), ("maddr",)]
    text = "\n".join(lab.ip(*query) for query in words)
    text = re.sub(r"(valid_lft|preferred_lft) \S+|qlen \d+|NO-CARRIER,?|LOWER_UP,?|state \S+|"
                  r"\b(UP|DOWN|UNKNOWN|LOWERLAYERDOWN)\b|linkdown", "", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines
            if line and not re.search(r"fe80:|ff00::/8|33:33:ff:|ff02::1:ff", line)]


def processes_of(session):
    """Processes of a session that are not zombies."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX" and int(fields[3]) == session:
            found.append(int(name))
    return found


def check_clean(lab, process, before):
    check_equal(processes_of(process.pid), [], "processes left")
    after = surroundings(lab)
    check(after == before, "something is left behind:\n" + "\n".join(
        difflib.unified_diff(before, after, "before", "after", n=0)))


for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    for kind in (live.Packet, live.Tap):

        @live.case(f"{signal_number.name} while listening, {kind.name}: the peer sees FIN",
                   quick=(signal_number, kind) == (signal.SIGINT, live.Packet))
        def listening(lab, number=signal_number, make=kind):
            wire = make(lab)
            before = surroundings(lab)
            process = lab.tee("nc", *wire.options(), "-l", 9000, stdin=subprocess.PIPE)
            lab.wait_answering(wire)
            peer = lab.start(sys.executable, "-c", HANG_ON, wire.own4, 9000, ns=wire.ns)
            until(lambda: b"connected" in peer.output() and process.output() == b"x", 10,
                  "a connection")
            process.signal(number)
            process.check_exit(128 + number, 6)
            peer.check_exit(0, 6)
            check_equal(peer.output().split()[-1], b"FIN", "what the peer saw")
            check_clean(lab, process, before)


@live.case("Ctrl-C during a download: exit code 130, no connection left at the server", quick=True)
def download(lab):
    wire = live.Packet(lab)
    servers.pages(lab)
    live.random_file(lab.path("www/big.bin"), 8 << 20)
    servers.nginx(lab, ns=wire.ns)
    before = surroundings(lab)
    process = lab.tee("curl", *wire.options(), "-sS", "-o", lab.path("out"),
                      wire.url(4, "/slow/big.bin"))

    def connections():
        return [line for line in lab.command("ss", "-Htn", "state", "all", ns=wire.ns).splitlines()
                if wire.own4 in line and "TIME-WAIT" not in line]

    until(lambda: os.path.exists(lab.path("out")) and os.path.getsize(lab.path("out")) > 50000, 10,
          "a part of the page")
    check_equal(len(connections()), 1, "connections during the download")
    process.signal(signal.SIGINT)
    process.check_exit(130, 6)
    until(lambda: not connections(), 3, f"the server's connection to end: {connections()}")
    check_clean(lab, process, before)


@live.case("Ctrl-C ends a server with twenty clients; each sees FIN")
def serving(lab):
    wire = live.Tap(lab)
    root, _ = servers.pages(lab)
    before = surroundings(lab)
    server = lab.tee("serve", *wire.options(), "--port", 8080, root)
    lab.wait_answering(wire)
    clients = [lab.start(sys.executable, "-c", HANG_ON, wire.own4, 8080) for _ in range(20)]
    until(lambda: all(b"connected" in client.output() for client in clients), 20, "the clients")
    server.signal(signal.SIGINT)
    server.check_exit(130, 8)
    for client in clients:
        client.check_exit(0, 6)
        check_equal(client.output().split()[-1], b"FIN", "what a client saw")
    check_clean(lab, server, before)


@live.case("Ctrl-C while asking whether the address is free, and while asking by DHCP")
def early(lab):
    wire = live.Packet(lab)
    before = surroundings(lab)
    for words, doing in ((wire.static(4), "ARP probe"), (["--link", wire.link], "DHCP discover")):
        process = lab.tee("curl", *words, "--trace", "-sS", wire.url(4))
        until(lambda: doing in process.errors(), 5, doing)
        process.signal(signal.SIGINT)
        process.check_exit(130, 4)
        check_clean(lab, process, before)


@live.case("Ctrl-C while connecting to nobody")
def connecting(lab):
    wire = live.Tap(lab)
    process = lab.tee("curl", *wire.options(), "--trace", "-sS", f"http://{wire.prefix4}.99/")
    until(lambda: f"ARP who has {wire.prefix4}.99" in process.errors(), 5, "the question who that is")
    process.signal(signal.SIGINT)
    process.check_exit(130, 4)


@live.case("a reader that goes away (head -c) ends a download with exit code 23", quick=True)
def broken_pipe(lab):
    wire = live.Tap(lab)
    servers.pages(lab)
    live.random_file(lab.path("www/big.bin"), 8 << 20)
    servers.nginx(lab)
    process = lab.tee("curl", *wire.options(), "-sS", wire.url(4, "/big.bin"),
                      stdout=subprocess.PIPE)
    check(process.stdout.read(1000), "the page begins")
    process.stdout.close()
    process.check_exit(23, 10)


@live.case("the last bytes before an end all arrive", quick=True)
def last_bytes(lab):
    wire = live.Tap(lab)
    want = live.random_file(lab.path("data"), 1 << 20)
    for number in range(3 if lab.quick else 20):
        peer = lab.start("nc", "-l", 9100 + number, stdout=subprocess.PIPE)
        came = live.StreamHash(peer.stdout)
        lab.wait_listening(9100 + number)
        with open(lab.path("data"), "rb") as data:
            lab.tee("nc", *wire.options(), wire.peer4, 9100 + number, stdin=data).check_exit(0)
        came.check(want, 1 << 20, 5)


@live.case("passt, started by us, ends with us")
def passt_ends(lab):
    live.need("passt")
    wire = live.Packet(lab)
    # passt takes over the addresses of the interface with the default route.
    lab.ip("route", "add", "default", "via", wire.peer4)
    process = lab.tee("nc", "--link", "passt", "--trace", "-l", 9000)
    until(lambda: "is usable" in process.errors() or not process.is_running(), 10, "the address")
    if not process.is_running():
        raise live.Failure(process.told())
    passt = [pid for pid in processes_of(process.pid) if pid != process.pid]
    process.signal(signal.SIGINT)
    process.check_exit(130, 6)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in passt), 3, "passt to end")


if __name__ == "__main__":
    # Who runs the tests under nohup would hand that down, and rightly no program of ours would end by it.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    live.main(jobs=4)
