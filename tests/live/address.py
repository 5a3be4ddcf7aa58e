#!/usr/bin/env python3
"""How teeceepee comes to its address, and keeps it: DHCP from dnsmasq, router advertisements from
radvd, conflicts by ARP and neighbour discovery with the kernel as the other owner."""

import os
import re
import signal

import lab as live
import servers
from lab import check, check_equal, until

# Claims an IPv4 address by an ARP announcement (RFC 5227 2.3) from a MAC of its own.
CLAIM = """
import socket, sys
device, address = sys.argv[1:]
mac, ip = bytes.fromhex("02deadbeef07"), socket.inet_aton(address)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((device, 0))
s.send(b"\\xff" * 6 + mac + bytes.fromhex("0806" "0001080006040001") + mac + ip + bytes(6) + ip)
"""

# Prints a line for each ARP announcement of an address, the sender's MAC, and for each answer who has it.
WATCH = """
import socket, sys
device, address = sys.argv[1:]
ip = socket.inet_aton(address)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind((device, 0x0806))
print("ready", flush=True)
while True:
    frame = s.recv(2048)
    if frame[28:32] == ip and frame[38:42] == ip:
        print(frame[22:28].hex(":"), flush=True)
    elif frame[28:32] == ip and frame[20:22] == b"\\0\\2":
        print("answer", flush=True)
"""


def dhcp_server(lab, wire, *options):
    return servers.dnsmasq(
        lab, "--port=0", f"--interface={wire.peer_device}", "--no-ping",
        f"--dhcp-range={wire.prefix4}.50,{wire.prefix4}.60,2m",
        f"--dhcp-option=option:router,{wire.peer4}", *options, ns=wire.ns, wait=("udp", 67))


def messages(server):
    """The DHCP messages that dnsmasq logged, in order."""
    return re.findall(r"\b(DHCP[A-Z]+)\(", server.errors())


def leases(server):
    if not os.path.exists(server.leases):
        return ""
    with open(server.leases, encoding="utf-8") as file:
        return file.read()


@live.case("DHCP: a lease, a page by it, and its release at the end", quick=True)
def lease(lab):
    wire = live.Packet(lab)
    servers.nginx(lab, ns=wire.ns)
    server = dhcp_server(lab, wire)
    process = lab.tee("curl", "--link", wire.link, "--ip6", "none", "-sS", wire.url(4, "/who"))
    process.check_exit(0, 25)
    came = process.output().decode()
    check(re.fullmatch(rf"{re.escape(wire.prefix4)}\.(5\d|60)", came), f"our address was {came!r}")
    until(lambda: "DHCPRELEASE" in messages(server), 5, f"DHCPRELEASE: {server.errors()}")
    said = messages(server)
    check_equal(said[:4], ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"], "first messages")
    check(came not in leases(server), f"the lease stayed: {leases(server)}")
    return came


@live.case("DHCP: a lease is renewed while in use, and released on Ctrl-C")
def renewal(lab):
    wire = live.Packet(lab)
    server = dhcp_server(lab, wire, "--dhcp-option=58,4", "--dhcp-option=59,20")
    process = lab.tee("nc", "--link", wire.link, "--ip6", "none", "-l", "-k", 9000)
    until(lambda: messages(server).count("DHCPACK") >= 3, 90,
          f"two renewals: {server.errors()[-3000:]}", 0.2)
    check_equal(messages(server).count("DHCPDISCOVER"), 1, "renewals need no new discovery")
    process.signal(signal.SIGINT)
    process.check_exit(128 + signal.SIGINT, 5)
    until(lambda: "DHCPRELEASE" in messages(server), 5, f"DHCPRELEASE: {server.errors()}")


@live.case("DHCP: an offered address that somebody has is declined, another is taken")
def declined(lab):
    wire = live.Packet(lab)
    servers.nginx(lab, ns=wire.ns)
    # The first address to be offered is one that the kernel on the other side has as well.
    lab.ip("addr", "add", f"{wire.prefix4}.50/32", "dev", "lo", ns=wire.ns)
    server = servers.dnsmasq(
        lab, "--port=0", f"--interface={wire.peer_device}", "--no-ping", "--dhcp-sequential-ip",
        f"--dhcp-range={wire.prefix4}.50,{wire.prefix4}.51,2m", ns=wire.ns, wait=("udp", 67))
    process = lab.tee("curl", "--link", wire.link, "--ip6", "none", "-sS", wire.url(4, "/who"))
    # RFC 2131 3.1 step 5 asks for ten seconds between declining and starting again.
    process.check_exit(0, 40)
    check_equal(process.output().decode(), f"{wire.prefix4}.51", "our address")
    check("DHCPDECLINE" in messages(server), f"no DHCPDECLINE: {server.errors()}")


@live.case("DHCP: no server is told as exit code 115")
def no_server(lab):
    wire = live.Packet(lab)
    process = lab.tee("curl", "--link", wire.link, "--ip6", "none", "-sS", wire.url(4))
    process.check_exit(115, 25)
    check("DHCP" in process.errors() and wire.link in process.errors(), process.errors())


@live.case("router advertisements of radvd: an address by SLAAC, a page by it", quick=True)
def advertised(lab):
    wire = live.Packet(lab)
    servers.nginx(lab, ns=wire.ns)
    prefix = f"fd00:88:{lab.number}:"
    lab.ip("route", "add", f"{prefix}:/64", "dev", wire.peer_device, ns=wire.ns)
    servers.radvd(lab, wire.peer_device, f"{prefix}:/64", ns=wire.ns)
    # The server's own address lies in another prefix: the way there is the advertised router.
    process = lab.tee("curl", "--link", wire.link, "--ip", "none", "-sS", wire.url(6, "/who"))
    process.check_exit(0, 25)
    came = process.output().decode()
    check(came.startswith(prefix), f"our address was {came!r}, not in {prefix}:/64")
    return came


@live.case("router advertisements of dnsmasq, with its name server")
def advertised_names(lab):
    wire = live.Packet(lab)
    servers.nginx(lab, ns=wire.ns)
    servers.dnsmasq(lab, f"--interface={wire.peer_device}", "--enable-ra",
                    f"--dhcp-range={wire.prefix6}:,ra-only,64,10m",
                    f"--host-record=six.test,{wire.peer6}", ns=wire.ns)
    process = lab.tee("curl", "--link", wire.link, "--ip", "none", "-sS", "http://six.test/who")
    process.check_exit(0, 25)
    check(process.output().decode().startswith(wire.prefix6), f"address {process.output()!r}")


@live.case("an address that the kernel on the other side has: exit code 114, its MAC named",
           quick=True)
def taken(lab):
    wire = live.Packet(lab)
    mac = lab.ip("-br", "link", "show", wire.peer_device, ns=wire.ns).split()[2]
    process = lab.tee("ping", "--link", wire.link, "--ip", f"{wire.peer4}/24", "--ip6", "none",
                      "-c1", f"{wire.prefix4}.77")
    process.check_exit(114, 15)
    check(mac in process.errors() and wire.peer4 in process.errors(),
          f"want {mac} and {wire.peer4} in: {process.errors()}")
    check_equal(len(process.errors().splitlines()), 1, f"lines of {process.errors()!r}")


@live.case("an IPv6 address that the kernel on the other side has: exit code 114")
def taken6(lab):
    wire = live.Packet(lab)
    process = lab.tee("ping", "--link", wire.link, "--ip", "none", "--ip6", f"{wire.peer6}/64",
                      "-c1", f"{wire.prefix6}:77")
    process.check_exit(114, 15)
    check(wire.peer6 in process.errors(), process.errors())


@live.case("an address is announced, and defended once in ten seconds (RFC 5227 2.4 (c))")
def defended(lab):
    wire = live.Packet(lab)
    watch = lab.start("python3", "-c", WATCH, wire.peer_device, wire.own4, ns=wire.ns)
    until(lambda: watch.output(), 5, "the watcher")
    process = lab.tee("nc", *wire.static(4), "-l", "-k", 9000)
    lab.wait_answering(wire, timeout_s=12)
    ours = lab.command("ip", "neigh", "show", wire.own4, ns=wire.ns).split()[4]

    def seen():
        return watch.output().decode().split()

    def claim():
        lab.command("python3", "-c", CLAIM, wire.peer_device, wire.own4, ns=wire.ns)

    until(lambda: seen().count(ours) == 2, 8, "the two announcements of our address")
    claim()
    until(lambda: seen().count(ours) == 3, 3, "the defence of our address")
    for _ in range(3):
        claim()
    # Whatever it says to these claims it says before it answers what comes after them.
    answers = seen().count("answer")
    lab.ip("neigh", "flush", "dev", wire.peer_device, ns=wire.ns)
    lab.wait_answering(wire)
    until(lambda: seen().count("answer") > answers, 3, "the answer who has the address")
    check_equal(seen().count(ours), 3, "no war of announcements: with the defence within ten seconds")
    # An address that somebody chose is kept.
    check(process.is_running(), f"conflicts must not end us: {process.told()}")


@live.case("the host's kernel never answers for us, nor sees our segments", quick=True)
def no_answer_of_the_host(lab):
    wire = live.Packet(lab)
    names = ("TcpInSegs", "TcpOutRsts", "IcmpOutMsgs", "UdpNoPorts", "Icmp6OutMsgs")
    servers.nginx(lab, ns=wire.ns)
    _, bodies = servers.pages(lab)
    before = {name: lab.counter(name) for name in names}
    process = lab.tee("curl", *wire.options(), "-sS", wire.url(4, "/0.bin"))
    process.check_exit(0)
    check(process.output() == bodies[0], "the page differs")
    process = lab.tee("nc", *wire.options(), "-l", "-k", 9000)
    lab.wait_answering(wire)
    for _ in range(3):
        refused = lab.start("nc", "-w", "2", wire.own4, 9001, ns=wire.ns)
        refused.check_exit(1, 5)
    after = {name: lab.counter(name) for name in names}
    # The kernel may talk of its own affairs by ICMPv6 (neighbours, routers), and only by that.
    for name in names[:4]:
        check_equal(after[name] - before[name], 0, f"{name} of the host's kernel")


if __name__ == "__main__":
    live.main(jobs=6)
