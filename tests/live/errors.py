#!/usr/bin/env python3
"""Bad input and bad luck: each ends with its own exit code and one line that names what is wrong."""

import os
import subprocess
import sys

import lab as live
import servers
from lab import check, check_equal, until

# Takes one connection and does something unkind with it.
UNKIND = """
import socket, struct, sys, time
how, port = sys.argv[1], int(sys.argv[2])
s = socket.create_server(("", port))
while True:
    c = s.accept()[0]
    c.recv(4096)
    if how != "empty":
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\nbegins")
    if how == "reset":
        time.sleep(0.2)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how == "silent":
        time.sleep(30)
    c.close()
"""


def told(lab, words, code, *wanted, timeout_s=15, prefix=()):
    """Runs teeceepee; it must end with `code` and one line that holds all of `wanted`."""
    process = lab.start(*prefix, lab.program, *words)
    process.check_exit(code, timeout_s)
    lines = process.errors().splitlines()
    check_equal(len(lines), 1, f"lines on standard error: {process.errors()!r}")
    check(lines[0].startswith("teeceepee"), f"the line does not say who speaks: {lines[0]}")
    for text in wanted:
        check(text in lines[0], f"{text!r} is not named in: {lines[0]}")
    return process


@live.case("wrong options: exit code 2")
def options(lab):
    for words in (["curl"], ["curl", "--no-such-option", "http://x/"], ["nc", "10.0.2.2"],
                  ["nc", "10.0.2.2", "70000"], ["nc", "-l", "-p", "80"], ["nc", "-l", "-z", "80"],
                  ["serve"], ["ping"], ["ping", "-4", "-6", "10.0.2.2"], ["no-such-command"],
                  ["curl", "--mtu", "12", "http://x/"], ["curl", "--set", "nothing=1", "http://x/"]):
        process = lab.tee(words[0], *words[1:])
        process.check_exit(2, 5)
        check("teeceepee" in process.errors(), f"{words}: {process.errors()}")
    for words in (["--ip", "300.1.1.1/24"], ["--impair", "loss=much"], ["--dns", "nobody"],
                  ["--impair", "loss=200%"]):
        told(lab, ["curl", *words, "http://10.0.2.2/"], 2, words[1].split("=")[-1])
    told(lab, ["curl", "--ip", "none", "--ip6", "none", "http://10.0.2.2/"], 2, "leave one out")
    told(lab, ["curl", "--ip6", "none", "--gateway6", "fe80::2", "http://10.0.2.2/"], 2, "--gateway6 fe80::2", "--ip6")
    # A queue without a stack would swallow its share of the connections.
    for command, link in ((["curl", "http://x/"], "tap:t,queues=2"), (["nc", "10.0.2.2", "80"], "packet:lo,queues=2"),
                          (["serve", "/"], "xdp:lo,mode=native,queues=2"),
                          (["serve", "--threads=2", "/"], "tap:t,queues=4"),
                          (["serve", "--threads=2", "/"], "tap:t,queues=1")):
        told(lab, [command[0], "--link", link, *command[1:]], 2, link, link[-8:], "--threads")
    told(lab, ["ping", "-6", "10.0.2.2"], 6, "10.0.2.2 is no IPv6 address")
    told(lab, ["ping", "-4", "fd00::2"], 6, "fd00::2 is no IPv4 address")
    for words in (["-6", "http://10.0.2.2:1/"], ["-4", "http://[fd00::2]:1/"]):
        told(lab, ["curl", *words], 7, "connection refused")


@live.case("a wrong URL: exit code 3; an unknown protocol: 1", quick=True)
def urls(lab):
    told(lab, ["curl", "-sS", "http://a b/"], 3, "http://a b/")
    told(lab, ["curl", "-sS", "gophers9://10.0.2.2/"], 1, "gophers9")


@live.case("an unknown link: 110; one that cannot be opened: 112", quick=True)
def links(lab):
    told(lab, ["curl", "--link", "carrier-pigeon", "http://10.0.2.2/"], 110, "carrier-pigeon", "tap")
    told(lab, ["curl", "--link", "packet:nothere0", "http://10.0.2.2/"], 112, "nothere0")
    told(lab, ["curl", "--link", "passt:/no/such/socket", "http://10.0.2.2/"], 112, "/no/such/socket")
    told(lab, ["curl", "--link", "tap:fd=99", "--ip", "10.0.0.2/24", "http://10.0.0.1/"], 2, "99")


@live.case("no permission: exit code 111, and what to do")
def permission(lab):
    nobody = servers.as_nobody(lab)
    wire = live.Packet(lab)
    told(lab, ["curl", *wire.options(), wire.url(4)], 111, "cap_net_raw", prefix=nobody)


@live.case("nobody at the address, and no way to it: exit code 116, curl's 7", quick=True)
def unreachable(lab):
    wire = live.Tap(lab)
    for command, words, address, code in (
            ("nc", [f"{wire.prefix4}.99", "80"], f"{wire.prefix4}.99", 116),
            ("nc", ["192.0.2.1", "80"], "192.0.2.1", 116),
            ("curl", ["-sS", f"http://{wire.prefix4}.99/"], f"{wire.prefix4}.99", 7),
            ("curl", ["-sS", "http://192.0.2.1/"], "192.0.2.1", 7)):
        told(lab, [command, *wire.options(), *words], code, address, "unreachable")


@live.case("connection refused: exit code 7", quick=True)
def refused(lab):
    for wire, family in ((live.Slirp(lab), 4), (live.Tap(lab), 4), (live.Packet(lab), 6)):
        told(lab, ["curl", *wire.options(family), "-sS", wire.url(family, port=9)], 7, "9")


@live.case("no answer to a SYN: exit code 28 after --connect-timeout", quick=True)
def timed_out(lab):
    wire = live.Tap(lab)
    # The peer has the address, and the way to it, but takes what comes and says nothing.
    lab.ip("route", "add", "blackhole", "198.51.100.1/32")
    lab.sysctl("net.ipv4.ip_forward", 1)
    told(lab, ["curl", *wire.options(), "--gateway", wire.peer4, "--connect-timeout", "2", "-sS",
               "http://198.51.100.1/"], 28, "198.51.100.1")


@live.case("reset, cut short, empty, silent: exit codes 56, 18, 52, 28", quick=True)
def unkind(lab):
    wire = live.Packet(lab)
    for how, code in (("reset", 56), ("short", 18), ("empty", 52), ("silent", 28)):
        port = lab.port()
        lab.start(sys.executable, "-c", UNKIND, how, port, ns=wire.ns)
        lab.wait_listening(port, wire.ns)
        process = lab.tee("curl", *wire.options(), "-sS", "-o", "/dev/null", "--max-time", "3",
                          wire.url(4, port=port))
        process.check_exit(code, 10)
        check_equal(len(process.errors().splitlines()), 1, f"{how}: {process.errors()!r}")


@live.case("the disk is full: exit code 23", quick=True)
def disk_full(lab):
    wire = live.Tap(lab)
    servers.nginx(lab)
    if not os.path.exists("/dev/full"):
        raise live.Skip("there is no /dev/full here")
    told(lab, ["curl", *wire.options(), "-sS", "-o", "/dev/full", wire.url(4, "/0.bin")], 23,
         "/dev/full")
    with open("/dev/full", "wb") as full:
        process = lab.tee("curl", *wire.options(), "-sS", wire.url(4, "/0.bin"), stdout=full)
        process.check_exit(23, 10)
    told(lab, ["curl", *wire.options(), "-sS", "-o", "/no/such/directory/x", wire.url(4, "/0.bin")],
         23, "/no/such/directory/x")


@live.case("what is told can't be written: exit code 23, and nobody goes on telling", quick=True)
def untold(lab):
    ping = ["ping", "-i", "0.01", "127.0.0.1"]
    for words in (["--help"], ["help"], ["version"], ["curl", "--help"], ["curl", "--set", "list"], ["link"], ping):
        with open("/dev/full", "wb") as full:
            process = lab.tee(words[0], *words[1:], stdout=full)
            process.check_exit(23, 10)
        check("standard output" in process.errors(), f"{words}: {process.errors()!r}")
    process = lab.tee(*ping, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    process.check_exit(23, 10)


@live.case("a directory that is not there, and one that may not be read: exit code 26")
def no_directory(lab):
    told(lab, ["serve", "/no/such/directory"], 26, "/no/such/directory")


for kind in (live.Tap, live.Packet):

    @live.case(f"the interface goes away while running, {kind.name}: exit code 113",
               quick=kind is live.Packet)
    def gone(lab, make=kind):
        wire = make(lab)
        servers.pages(lab)
        live.random_file(lab.path("www/big.bin"), 8 << 20)
        servers.nginx(lab, ns=wire.ns)
        process = lab.tee("curl", *wire.options(), "-sS", "-o", lab.path("out"),
                          wire.url(4, "/slow/big.bin"))
        until(lambda: os.path.exists(lab.path("out")) and os.path.getsize(lab.path("out")) > 50000,
              10, "a part of the page")
        lab.ip("link", "del", wire.device)
        process.check_exit(113, 10)
        check(wire.device in process.errors(), process.errors())
        check_equal(len(process.errors().splitlines()), 1, f"lines of {process.errors()!r}")


@live.case("frames that are nonsense are counted, named drops", quick=True)
def nonsense(lab):
    wire = live.Packet(lab)
    process = lab.tee("nc", *wire.options(), "--stats", "-l", "-k", 9000)
    lab.wait_answering(wire)
    mac = lab.command("ip", "neigh", "show", wire.own4, ns=wire.ns).split()[4]
    script = """
import os, random, socket, sys
device, mac = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((device, 0))
chance = random.Random(7)
for number in range(2000):
    kind = chance.choice([b"\\x08\\x00", b"\\x08\\x06", b"\\x86\\xdd", b"\\x12\\x34"])
    body = bytearray(chance.randbytes(chance.randrange(0, 200)))
    if body and kind == b"\\x08\\x00": body[0] = 0x45
    if body and kind == b"\\x86\\xdd": body[0] = 0x60
    s.send(mac + b"\\x02\\0\\0\\0\\0\\x09" + kind + bytes(body))
"""
    lab.command(sys.executable, "-c", script, wire.peer_device, mac, ns=wire.ns)
    lab.wait_answering(wire)
    process.signal(live.signal.SIGINT)
    process.check_exit(130, 6)
    check("drop" in process.errors().lower() or "bad" in process.errors().lower(),
          f"the counters name no drop: {process.errors()}")


@live.case("SIGUSR1 and --stats print the sockets; --trace tells the conversation", quick=True)
def looking_on(lab):
    wire = live.Tap(lab)
    servers.nginx(lab)
    process = lab.tee("nc", *wire.options(), "-l", "-k", 9000)
    lab.wait_answering(wire)
    process.signal(live.signal.SIGUSR1)
    until(lambda: "9000" in process.errors(), 3, "the listening socket in the table")
    check(process.is_running(), "SIGUSR1 must not end us")
    process.signal(live.signal.SIGINT)
    process.check_exit(130, 5)
    process = lab.tee("curl", *wire.options(), "--stats", "--trace", "-sS", "-o", "/dev/null",
                      wire.url(4, "/0.bin"))
    process.check_exit(0)
    text = process.errors()
    for word in ("SYN", "FIN", "us:", "ack"):
        check(word in text, f"the conversation lacks {word!r}: {text[:2000]}")
    check("segs" in text or "segments" in text, f"--stats prints no counters: {text[-2000:]}")


@live.case("--help of every command, and version", quick=True)
def helps(lab):
    for command in ("curl", "serve", "nc", "ping", "link"):
        done = subprocess.run([lab.program, command, "--help"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=10)
        check(done.returncode == 0 and "Usage: teeceepee" in done.stdout, f"{command}: {done}")
    done = subprocess.run([lab.program, "link"], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=10)
    for name in ("slirp", "passt", "tap", "packet"):
        check(name in done.stdout, f"{name} is not in: {done.stdout}")


if __name__ == "__main__":
    live.main(jobs=4)
