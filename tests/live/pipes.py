#!/usr/bin/env python3
"""`teeceepee nc` with the kernel on the other end: TCP both ways, half-closes both ways, UDP both
ways, datagrams in fragments, and the two ends of a conversation that is refused or reset."""

import hashlib
import os
import signal
import subprocess
import sys

import lab as live
from lab import check, check_equal, until

# The kernel's end: reads to the end of the stream, and only then sends a file and closes.
READ_THEN_SEND = """
import socket, sys, hashlib, time
how, address, port, path = sys.argv[1:]
if how == "listen":
    s = socket.create_server((address, int(port)), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    print("listening", flush=True)
    s = s.accept()[0]
else:
    for _ in range(100):
        try:
            s = socket.create_connection((address, int(port)), 5)
            break
        except OSError:
            time.sleep(0.1)
digest = hashlib.sha256()
while piece := s.recv(65536):
    digest.update(piece)
with open(path, "rb") as file:
    s.sendfile(file)
s.shutdown(socket.SHUT_WR)
print(digest.hexdigest(), flush=True)
"""

# The other way: sends a file and its FIN first, then reads to the end of the stream.
SEND_THEN_READ = """
import socket, sys, hashlib, time
address, port, path = sys.argv[1:]
for _ in range(100):
    try:
        s = socket.create_connection((address, int(port)), 5)
        break
    except OSError:
        time.sleep(0.1)
with open(path, "rb") as file:
    s.sendfile(file)
s.shutdown(socket.SHUT_WR)
digest = hashlib.sha256()
s.settimeout(20)
while piece := s.recv(65536):
    digest.update(piece)
print(digest.hexdigest(), flush=True)
"""

UDP_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
while True:
    data, who = s.recvfrom(65536)
    s.sendto(data, who)
"""

RESET = """
import socket, struct, sys, time
s = socket.create_server(("", int(sys.argv[1])))
c = s.accept()[0]
c.recv(10)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.close()
"""

SIZE = 3 << 20


def both_files(lab):
    """Two files to exchange: (path, SHA-256) of ours and of the kernel's side."""
    return [(lab.path(name), live.random_file(lab.path(name), SIZE + extra))
            for name, extra in (("ours", 1), ("theirs", 2))]


def kernels(wire, family):
    """Where the kernel's side listens so that we reach it at wire.at()."""
    if wire.name == "slirp":
        return {4: "127.0.0.1", 6: "::1"}[family]
    return wire.at(family)


def file_digest(data):
    return hashlib.sha256(data).hexdigest()


for kind in (live.Slirp, live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"our FIN first, then their data, {kind.name}, IPv{address_family}",
                   quick=kind is live.Tap)
        def our_half_close(lab, make=kind, family=address_family):
            wire = make(lab)
            (ours, our_digest), (theirs, their_digest) = both_files(lab)
            peer = lab.start(sys.executable, "-c", READ_THEN_SEND, "listen",
                             kernels(wire, family), 9000, theirs, ns=wire.ns)
            until(peer.output, 10, "the kernel's side to listen")
            with open(ours, "rb") as data:
                process = lab.tee("nc", *wire.options(family), wire.at(family), 9000, stdin=data)
                process.check_exit(0, 30)
            peer.check_exit(0)
            check_equal(peer.output().split()[-1].decode(), our_digest, "what we sent")
            check_equal(file_digest(process.output()), their_digest, "what came after our FIN")


for kind in (live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"their FIN first, then our data, {kind.name}, IPv{address_family}",
                   quick=kind is live.Tap)
        def their_half_close(lab, make=kind, family=address_family):
            wire = make(lab)
            (ours, our_digest), (theirs, their_digest) = both_files(lab)
            process = lab.tee("nc", *wire.options(family), "-l", 9000, stdin=subprocess.PIPE)
            lab.wait_answering(wire, family)
            peer = lab.start(sys.executable, "-c", SEND_THEN_READ, wire.ours(family), 9000, theirs,
                             ns=wire.ns)
            until(lambda: len(process.output()) == SIZE + 2, 20, "their data")
            until(lambda: "FIN-WAIT-2" in lab.command("ss", "-Htan", "dport = :9000", ns=wire.ns), 5,
                  "our acknowledgement of their FIN")
            with open(ours, "rb") as data:
                process.stdin.write(data.read())
            process.stdin.close()
            process.check_exit(0)
            peer.check_exit(0)
            check_equal(file_digest(process.output()), their_digest, "what came")
            check_equal(peer.output().split()[-1].decode(), our_digest, "what we sent after their FIN")


def udp_client(lab, wire, family, address):
    lab.start(sys.executable, "-c", UDP_ECHO, address, 9000, ns=wire.ns)
    lab.wait_listening(9000, wire.ns, "udp")
    process = lab.tee("nc", *wire.options(family), "-u", wire.at(family), 9000,
                      stdin=subprocess.PIPE)
    total = b""
    sizes = [1, 2, 1471, 1472] if wire.name == "slirp" else [1, 1472, 1473, 9000, 40000]
    for size in sizes:
        data = os.urandom(size)
        total += data
        process.stdin.write(data)
        process.stdin.flush()
        until(lambda want=total: process.output() == want, 5, f"a datagram of {size} bytes back")
    process.signal(signal.SIGINT)
    process.check_exit(128 + signal.SIGINT, 5)
    return f"datagrams of {', '.join(map(str, sizes))} bytes"


for kind in (live.Slirp, live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"UDP datagrams out and back, {kind.name}, IPv{address_family}",
                   quick=kind is live.Tap)
        def udp_out(lab, make=kind, family=address_family):
            wire = make(lab)
            return udp_client(lab, wire, family, kernels(wire, family))


@live.case("UDP from the kernel's nc into nc -u -l, and an answer", quick=True)
def udp_in(lab):
    live.need("nc")
    wire = live.Packet(lab)
    process = lab.tee("nc", *wire.options(), "-u", "-l", 9000, stdin=subprocess.PIPE)
    lab.wait_answering(wire)
    peer = lab.start("nc", "-u", wire.own4, 9000, ns=wire.ns, stdin=subprocess.PIPE)
    peer.stdin.write(b"question\n")
    peer.stdin.flush()
    until(lambda: process.output() == b"question\n", 5, "the question")
    process.stdin.write(b"answer\n")
    process.stdin.flush()
    until(lambda: peer.output() == b"answer\n", 5, "the answer")


@live.case("the kernel's ping: small, large, in fragments, by both families", quick=True)
def pinged(lab):
    wire = live.Packet(lab)
    lab.tee("nc", "--link", wire.link, "--ip", f"{wire.own4}/24", "--ip6", f"{wire.own6}/64",
            "--set", "acd=off", "--set", "dad_transmits=0", "-l", "-k", 9000)
    for family in (4, 6):
        lab.wait_answering(wire, family)
        for size in (56, 1400, 8000, 60000):
            told = lab.command("ping", "-q", "-c3", "-i0.1", "-W2", "-s", size, wire.ours(family),
                               ns=wire.ns)
            check(" 0% packet loss" in told, told)


for kind in (live.Slirp, live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"our ping, {kind.name}, IPv{address_family}", quick=kind is live.Tap)
        def ping(lab, make=kind, family=address_family):
            wire = make(lab)
            process = lab.tee("ping", *wire.options(family), "-c3", "-i0.1", wire.at(family))
            process.check_exit(0)
            check(b"3 received" in process.output(), process.output().decode())


@live.case("a port where nobody listens: exit code 7", quick=True)
def refused(lab):
    for wire in (live.Slirp(lab), live.Tap(lab), live.Packet(lab)):
        process = lab.tee("nc", *wire.options(), wire.at(4), 9999)
        process.check_exit(7, 10)
        check_equal(len(process.errors().splitlines()), 1, f"lines of {process.errors()!r}")


@live.case("the peer resets: exit code 56", quick=True)
def reset(lab):
    wire = live.Packet(lab)
    lab.start(sys.executable, "-c", RESET, 9000, ns=wire.ns)
    lab.wait_listening(9000, wire.ns)
    process = lab.tee("nc", *wire.options(), wire.peer4, 9000, stdin=subprocess.PIPE)
    process.stdin.write(b"anything\n")
    process.stdin.flush()
    process.check_exit(56, 10)


if __name__ == "__main__":
    live.main(jobs=2)
