#!/usr/bin/env python3
"""AF_XDP over a veth with the kernel as the peer: an address of our own beside the host's, and the
host's own address shared with its kernel, whose TCP goes on meanwhile. In the driver (native) and
before the stack (generic); zero-copy no veth can."""

import json
import os
import signal
import socket
import subprocess

import lab as live
import servers
from lab import check, check_equal, until

MIB = 1 << 20
MODES = ("native", "generic")

# Counts RST segments that a host sends, as they pass a device; one line each.
WATCH_RESETS = """
import socket, sys
device, address = sys.argv[1], socket.inet_aton(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.bind((device, 0x0800))
print("ready", flush=True)
while True:
    f = s.recv(65600)
    tcp = 14 + (f[14] & 15) * 4
    if f[23] == 6 and f[26:30] == address and f[tcp + 13] & 4:
        print(int.from_bytes(f[tcp:tcp + 2], "big"), int.from_bytes(f[tcp + 2:tcp + 4], "big"), flush=True)
"""

# Tries what else could get a port: bind() with and without SO_REUSEADDR, TCP and UDP, either family.
TRY_PORT = """
import errno, socket, sys
port, taken = int(sys.argv[1]), 0
for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for reuse in (0, 1):
            s = socket.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            try:
                s.bind((any_address, port))
            except OSError as error:
                assert error.errno == errno.EADDRINUSE, error
                taken += 1
            s.close()
print(taken)
"""

# Which ports the kernel chooses: by bind() to port 0, and by connect().
CHOOSE_PORTS = """
import socket, sys
address, port, count, held = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), []
for i in range(count):
    s = socket.socket()
    try:
        if i % 2:
            s.bind(("", 0))
        else:
            s.connect((address, port))
    except OSError:
        break
    held.append(s)
print(*(s.getsockname()[1] for s in held))
"""


class Xdp(live.Packet):
    """A veth pair as live.Packet makes it, our end by AF_XDP with an address of our own."""

    name = "xdp"

    def __init__(self, lab, *words, queues=1):
        told = json.loads(lab.command(lab.program, "link", "--json"))
        [kind] = [entry for entry in told if entry["name"] == "xdp"]
        # Before there is a device it may miss one; whatever else it says is this machine's doing.
        if not kind["works"] and "no Ethernet interface" not in kind["reason"]:
            raise live.Skip(kind["reason"])
        super().__init__(lab, queues)
        self.link = ",".join([f"xdp:{self.device}", *words])

    def is_attached(self):
        return "xdp" in self.lab.ip("link", "show", "dev", self.device)

    def mode(self):
        """What `ip` calls the hook that the program hangs on."""
        words = self.lab.ip("link", "show", "dev", self.device).split()
        return "generic" if "xdpgeneric" in words else "native" if "xdp" in words else None


class Shared(Xdp):
    """The same, on the host's address."""

    name = "xdp,share=host"

    def __init__(self, lab, *words, queues=1):
        super().__init__(lab, "share=host", *words, queues=queues)
        self.own4, self.own6 = self.host4, self.host6

    def static(self, family=4):
        return ["--link", self.link, *(["--ip6", "none"] if family == 4 else ["--ip", "none"])]

    options = static


def page_comes(lab, wire, family, number=3):
    _, bodies = servers.pages(lab)
    process = lab.tee("curl", *wire.options(family), "-sS", "-f", wire.url(family, f"/{number}.bin"))
    process.check_exit(0)
    check(process.output() == bodies[number], "the page differs from what was served")


def kernel_fetches(lab, url, body, ns=None):
    done = lab.start("curl", "-sS", "-f", "--max-time", "10", url, ns=ns).check_exit(0)
    check(done.output() == body, f"{url} differs from what was served")


def send_in(lab, wire, family, size):
    """The kernel's nc sends a file into ours."""
    want = live.random_file(lab.path("in"), size)
    port = lab.port()
    process = lab.tee("nc", *wire.options(family), "-l", port, stdout=subprocess.PIPE)
    came = live.StreamHash(process.stdout)

    def sent():
        with open(lab.path("in"), "rb") as data:
            return lab.start("nc", "-N", "-w", "20", wire.ours(family), port, ns=wire.ns,
                             stdin=data).wait(60) == 0

    until(sent, 20, "nc to be let in", 0.1)
    process.check_exit(0, 10)
    came.check(want, size, 10)


def send_out(lab, wire, family, size, extra=()):
    want = live.random_file(lab.path("out"), size)
    port = lab.port()
    server = lab.start("nc", "-N", f"-{family}", "-l", port, ns=wire.ns, stdout=subprocess.PIPE)
    came = live.StreamHash(server.stdout)
    lab.wait_listening(port, ns=wire.ns)
    with open(lab.path("out"), "rb") as data:
        lab.tee("nc", *wire.options(family), *extra, wire.at(family), port,
                stdin=data).check_exit(0, 60)
    came.check(want, size, 10)


def serve(lab, wire, *words, port=8080):
    """Our server, and nobody pings to see that it is there: on a shared address the kernel answers."""
    root, bodies = servers.pages(lab)
    server = lab.tee("serve", *wire.options(), *words, "--port", port, root)
    until(lambda: wire.is_attached() or not server.is_running(), 10, "the program to be attached")
    check(server.is_running(), server.told())

    def answers():
        return lab.start("curl", "-sS", "-f", "--max-time", "2", wire.own_url(4, "/1.bin", port),
                         ns=wire.ns).wait(10) == 0

    until(answers, 10, f"port {port} to answer", 0.1)
    return server, bodies


# ---- an address of our own

for hook, way in (("native", "xdp"), ("generic", "xdp"), ("native", "packet")):

    @live.case(f"own address, {hook}, sent by {way}: pages and bulk both ways, IPv4 and IPv6",
               quick=True)
    def own_address(lab, mode=hook, send=way):
        wire = Xdp(lab, f"mode={mode}", f"send={send}")
        servers.nginx(lab, ns=wire.ns)
        size = (4 if lab.quick else 64) * MIB
        for family in (4, 6):
            page_comes(lab, wire, family)
            send_in(lab, wire, family, size)
            send_out(lab, wire, family, size)
        check(not wire.is_attached(), "the program is still attached")


for hook in MODES:

    @live.case(f"own address, {hook}: DHCP, and the host's kernel as before", quick=True)
    def own_by_dhcp(lab, mode=hook):
        wire = Xdp(lab, f"mode={mode}")
        servers.dnsmasq(lab, "--port=0", f"--interface={wire.peer_device}", "--no-ping",
                        f"--dhcp-range={wire.prefix4}.50,{wire.prefix4}.50,2m", ns=wire.ns,
                        wait=("udp", 67))
        root, bodies = servers.pages(lab)
        servers.nginx(lab)
        lab.tee("serve", "--link", wire.link, "--port", 8080, root)
        wire.own4 = f"{wire.prefix4}.50"
        lab.wait_answering(wire)
        check_equal(wire.mode(), mode, "where the program hangs")
        kernel_fetches(lab, wire.own_url(4, "/2.bin", 8080), bodies[2], ns=wire.ns)
        kernel_fetches(lab, f"http://{wire.host4}/4.bin", bodies[4], ns=wire.ns)
        kernel_fetches(lab, f"http://[{wire.host6}]/4.bin", bodies[4], ns=wire.ns)


@live.case("own address: jumbo frames of 9000 bytes, several chunks each", quick=True)
def jumbo(lab):
    wire = Xdp(lab, "send=xdp")
    servers.nginx(lab, ns=wire.ns)
    lab.ip("link", "set", wire.device, "mtu", 9000)
    lab.ip("link", "set", wire.peer_device, "mtu", 9000, ns=wire.ns)
    page_comes(lab, wire, 4)
    send_out(lab, wire, 4, 8 * MIB)
    send_in(lab, wire, 4, 8 * MIB)


# Lets a megabyte lie in the kernel before it reads; then tells what came.
READ_LATE = """
import fcntl, hashlib, select, socket, struct, sys, termios
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
listener.bind(("", int(sys.argv[1])))
listener.listen()
peer, _ = listener.accept()
waiting = 0
while waiting < 1 << 20:
    select.select([], [], [], 0.01)
    waiting, = struct.unpack("i", fcntl.ioctl(peer, termios.FIONREAD, bytes(4)))
digest = hashlib.sha256()
while data := peer.recv(65536):
    digest.update(data)
print(digest.hexdigest())
"""


for hook in MODES:

    @live.case(f"own address, {hook}, sent by xdp: few pages, used anew while the peer has yet to read", quick=True)
    def late_reader(lab, mode=hook):
        """What is sent leaves our memory before the kernel gives the page back: 64 of them here, 4 MiB to send."""
        wire = Xdp(lab, f"mode={mode}", "send=xdp", "ring=64")
        want = live.random_file(lab.path("out"), 4 * MIB)
        port = lab.port()
        reader = lab.start("python3", "-c", READ_LATE, port, ns=wire.ns)
        lab.wait_listening(port, ns=wire.ns)
        with open(lab.path("out"), "rb") as data:
            lab.tee("nc", *wire.options(), wire.at(4), port, stdin=data).check_exit(0, 30)
        reader.check_exit(0, 10)
        check_equal(reader.output().decode().strip(), want, "the digest of what came")


@live.case("own address: what can't be is refused with a sentence", quick=True)
def refusals(lab):
    wire = Xdp(lab)
    mac = lab.ip("link", "show", "dev", wire.device).split("link/ether ")[1].split()[0]
    for words, want, code in (
            (f"xdp:{wire.device},mode=zerocopy", "no zero-copy", 112),
            (f"xdp:{wire.device},mode=fast", "must be one of: auto, zerocopy, native", 2),
            (f"xdp:{wire.device},mac={mac}", "share=host", 2),
            (f"xdp:{wire.device},ring=100", "power of two", 2),
            (f"xdp:{wire.device},send=post", "must be one of: auto, xdp, packet", 2),
            (f"xdp:{wire.device},queue=99", "queue", 2),
            (f"xdp:{wire.device},ports=1-2", "share=host", 2),
            (f"xdp:{wire.device},share=host,ports=9-2", "range", 2),
            ("xdp:nowhere", "there is no interface", 112), ("xdp", "name the interface", 2)):
        process = lab.tee("curl", "--link", words, "--ip", f"{wire.own4}/24", "-sS", wire.url(4))
        process.wait()
        check(want in process.errors(), f"{words}: '{want}' is not in: {process.errors()}")
        check_equal(process.popen.returncode, code, f"exit code of {words}")
    check(not wire.is_attached(), "something was left attached")
    # One at a time, and the second is told why.
    first = lab.tee("nc", *wire.options(), "-l", 9000)
    until(wire.is_attached, 10, "the program to be attached")
    second = lab.tee("nc", *wire.options(), "-l", 9001)
    second.check_exit(112)
    check("another XDP program" in second.errors(), second.errors())
    check(first.is_running(), first.told())


for number in (signal.SIGTERM, signal.SIGKILL):

    @live.case(f"{number.name}: nothing stays on the interface, nor any port", quick=True)
    def ends(lab, signal_number=number):
        wire = Shared(lab, "ports=61000-61063")
        server, _ = serve(lab, wire)
        check_equal(lab.command("python3", "-c", TRY_PORT, 61063).split(), ["8"], "binds refused")
        check_equal(lab.command("python3", "-c", TRY_PORT, 61064).split(), ["0"], "binds refused")
        server.signal(signal_number)
        server.wait(10)
        until(lambda: not wire.is_attached(), 5, "the program to be gone")
        for port in (61000, 61063, 8080):
            until(lambda at=port: lab.command("python3", "-c", TRY_PORT, at).split() == ["0"], 5,
                  f"port {port} to be free")


# ---- the host's address

for hook in MODES:

    @live.case(f"shared address, {hook}: our server, our client and the kernel's at once, no RST",
               quick=True)
    def shared(lab, mode=hook):
        wire = Shared(lab, f"mode={mode}")
        servers.nginx(lab)
        servers.nginx(lab, ns=wire.ns)
        # Until the server listens its port is refused, as anybody's is; so the count begins then.
        server, bodies = serve(lab, wire)
        before = lab.counter("TcpOutRsts")
        watch = lab.start("python3", "-c", WATCH_RESETS, wire.peer_device, wire.host4, ns=wire.ns)
        until(lambda: b"ready" in watch.output(), 10, "the watcher")
        check_equal(wire.mode(), mode, "where the program hangs")
        # Ours and the kernel's server on one address, and the kernel's client from it.
        kernel_fetches(lab, wire.own_url(4, "/5.bin", 8080), bodies[5], ns=wire.ns)
        kernel_fetches(lab, wire.own_url(4, "/6.bin", 80), bodies[6], ns=wire.ns)
        kernel_fetches(lab, wire.url(4, "/7.bin"), bodies[7])
        lab.command("ping", "-nqc2", "-i0.2", wire.host4, ns=wire.ns)
        server.signal(signal.SIGTERM)
        server.wait(10)
        for family in (4, 6):
            page_comes(lab, wire, family)
        # A RST of the kernel's would stand in its counter, too.
        check_equal(watch.output(), b"ready\n", "resets that left the host")
        check_equal(lab.counter("TcpOutRsts"), before, "resets by the host's kernel")

    @live.case(f"shared address, {hook}: bulk both ways, IPv4 and IPv6", quick=hook == "native")
    def shared_bulk(lab, mode=hook):
        wire = Shared(lab, f"mode={mode}", f"send={'xdp' if mode == 'native' else 'auto'}")
        size = (4 if lab.quick else 64) * MIB
        for family in (4, 6):
            send_in(lab, wire, family, size)
            send_out(lab, wire, family, size)


@live.case("shared address: by IPv6, beside the kernel's server", quick=True)
def shared6(lab):
    wire = Shared(lab)
    servers.nginx(lab)
    root, bodies = servers.pages(lab)
    lab.tee("serve", "--link", wire.link, "--port", 8080, root)
    until(wire.is_attached, 10, "the program to be attached")
    until(lambda: lab.start("curl", "-sS", "--max-time", "2", wire.own_url(6, "/1.bin", 8080),
                            ns=wire.ns).wait() == 0, 10, "the server", 0.1)
    kernel_fetches(lab, wire.own_url(6, "/5.bin", 8080), bodies[5], ns=wire.ns)
    kernel_fetches(lab, wire.own_url(6, "/6.bin", 80), bodies[6], ns=wire.ns)
    lab.command("ping", "-nqc1", wire.host6, ns=wire.ns)


@live.case("shared address: ports of ours are refused to others, and never chosen", quick=True)
def ports_are_kept(lab):
    wire = Shared(lab, "ports=61000-61031")
    servers.nginx(lab, ns=wire.ns)
    serve(lab, wire)
    for port in (61000, 61031):
        check_equal(lab.command("python3", "-c", TRY_PORT, port).split(), ["8"], "binds refused")
    # The server's is kept in TCP only, of which half of the tries are.
    check_equal(lab.command("python3", "-c", TRY_PORT, 8080).split(), ["4"], "binds refused")
    # The kernel is given our range and eight ports more to choose from.
    lab.command("sh", "-c", "echo 61000 61039 >/proc/sys/net/ipv4/ip_local_port_range")
    chosen = lab.command("python3", "-c", CHOOSE_PORTS, wire.peer4, 80, 16).split()
    check(len(chosen) >= 4, f"the kernel found only {chosen}")
    check(all(61032 <= int(port) <= 61039 for port in chosen), f"the kernel chose {chosen}")


@live.case("shared address: the range moves on when the host has a port of it", quick=True)
def range_moves(lab):
    wire = Shared(lab)
    servers.nginx(lab, ns=wire.ns)
    _, bodies = servers.pages(lab)
    lab.start("nc", "-l", 61100)
    lab.wait_listening(61100)
    process = lab.tee("curl", *wire.options(), "-sS", "--trace", wire.url(4, "/1.bin"))
    process.check_exit(0)
    check(process.output() == bodies[1], "the page differs")
    first = [row for row in process.errors().splitlines() if "SYN " in row][0]
    port = int(first.split("us:")[1].split()[0])
    check(61512 <= port <= 62023, f"it connected from port {port}: {first}")


@live.case("shared address: a port that the host uses is refused with its number", quick=True)
def port_in_use(lab):
    wire = Shared(lab)
    root, _ = servers.pages(lab)
    servers.nginx(lab, port=8080)
    process = lab.tee("serve", *wire.options(), "--port", 8080, root)
    check(process.wait(10) != 0, "it went on")
    check("TCP port 8080" in process.errors(), process.errors())
    check("serving" not in process.errors() + process.output().decode(), "it said that it serves")
    check(not wire.is_attached(), "the program is still attached")
    process = lab.tee("curl", "--link", wire.link, "--ip", f"{wire.prefix4}.77/24", "-sS",
                      wire.url(4))
    check(process.wait(10) != 0, "an address that the host doesn't have was taken")
    check("share=host" in process.errors(), process.errors())


@live.case("shared address: `teeceepee link` tells what was taken over; --ip names another one",
           quick=True)
def told(lab):
    wire = Shared(lab, "mode=generic", "ports=62000-62009")
    lab.ip("route", "add", "default", "via", wire.peer4)
    info = json.loads(lab.command(lab.program, "link", "--json", f"xdp:{wire.device}"))
    check_equal((info["shares_address"], info["shares_mac"], info["counters"]["xdp.queues"]),
                (False, False, 1), "what the link offers")
    info = json.loads(lab.command(lab.program, "link", "--json", f"xdp:{wire.device},mode=native"))
    check_equal(info["counters"]["xdp.native"], 1, info["how"])
    info = json.loads(lab.command(lab.program, "link", "--json", wire.link))
    check_equal([info[name] for name in ("ip4", "ip6", "port_min", "port_max", "shares_address")],
                [wire.host4, wire.host6, 62000, 62009, True], "what the link offers")
    check(info["how"].startswith("generic, copying"), info["how"])
    text = lab.command(lab.program, "link", wire.link)
    check(f"{wire.host4}/24 by {wire.peer4}" in text and "62000-62009" in text, text)
    servers.nginx(lab, ns=wire.ns)
    _, bodies = servers.pages(lab)
    second = f"{wire.prefix4}.19"
    lab.ip("addr", "add", f"{second}/24", "dev", wire.device)
    process = lab.tee("curl", "--link", wire.link, "--ip", second, "-sS", "--trace",
                      wire.url(4, "/1.bin"))
    process.check_exit(0)
    check(process.output() == bodies[1], "the page differs")
    check(f"{second}/24 on xdp" in process.errors(), process.errors())


@live.case("shared address: UDP and ping, answers only to who asked", quick=True)
def datagrams(lab):
    wire = Shared(lab)
    for family in (4, 6):
        ping = lab.tee("ping", *wire.options(family), "-c", 2, "-i", "0.2", wire.at(family))
        ping.check_exit(0)
        lab.command("ping", "-nqc2", "-i0.2", wire.at(family))
        with socket_in(wire.ns, family) as peer:
            peer.bind(("", 7000))
            peer.settimeout(10)
            ours = lab.tee("nc", *wire.options(family), "-u", "-p", 7001, wire.at(family), 7000,
                           stdin=subprocess.PIPE)
            ours.stdin.write(b"question")
            ours.stdin.flush()
            text, sender = peer.recvfrom(100)
            check_equal((text, sender[1]), (b"question", 7001), "the datagram")
            peer.sendto(b"answer", sender)
            until(lambda at=ours: at.output() == b"answer", 5, "the answer")
            ours.signal(signal.SIGTERM)
            ours.wait(10)


def socket_in(ns, family):
    """A UDP socket in another network namespace."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{ns}", os.O_RDONLY)
    try:
        set_namespace(there)
        return socket.socket(kind, socket.SOCK_DGRAM)
    finally:
        set_namespace(home)
        os.close(home)
        os.close(there)


def set_namespace(descriptor):
    import ctypes  # pylint: disable=import-outside-toplevel
    libc = ctypes.CDLL(None, use_errno=True)
    check_equal(libc.setns(descriptor, 0x40000000), 0, "setns()")


@live.case("shared address: a narrower path, told by ICMP about our packets (RFC 1191, 8201)",
           quick=True)
def path_mtu(lab):
    wire = Shared(lab)
    far = wire.lead_on()
    # The gateways are the host's own, taken over from its table of routes.
    lab.ip("route", "add", "default", "via", wire.peer4)
    lab.ip("-6", "route", "add", "default", "via", wire.peer6)
    far_wire = [(wire.FAR4, 4), (wire.FAR6, 6)]
    want = live.random_file(lab.path("data"), MIB)
    for address, family in far_wire:
        peer = lab.start("nc", "-N", f"-{family}", "-l", 9000, ns=far, stdout=subprocess.PIPE)
        came = live.StreamHash(peer.stdout)
        lab.wait_listening(9000, far)
        with open(lab.path("data"), "rb") as data:
            lab.tee("nc", *wire.options(family), address, 9000, stdin=data).check_exit(0)
        came.check(want, MIB, 5)


@live.case("shared address: recorded and on a bad road, ports are claimed all the same", quick=True)
def wrapped(lab):
    wire = Shared(lab)
    _, bodies = serve(lab, wire, "--pcap", lab.path("a.pcapng"), "--impair", "loss=1%,delay=1ms")
    kernel_fetches(lab, wire.own_url(4, "/8.bin", 8080), bodies[8], ns=wire.ns)
    check(os.path.getsize(lab.path("a.pcapng")) > len(bodies[8]), "the recording is too short")


for way in ("xdp", "packet"):

    @live.case(f"the interface goes down and up again, sent by {way}")
    def bounce(lab, send=way):
        wire = Xdp(lab, f"send={send}")
        process = lab.tee("nc", *wire.options(), "-l", 9000)
        lab.wait_answering(wire)
        lab.ip("link", "set", wire.device, "down")
        check(subprocess.run(lab.inside(wire.ns) + ["ping", "-nqc1", "-W1", wire.own4],
                             capture_output=True, check=False).returncode != 0,
              "an answer came by an interface that is down")
        lab.ip("link", "set", wire.device, "up")
        lab.wait_answering(wire)
        check(process.is_running(), process.told())


@live.case("shared address: an unmodified program serves and fetches under `teeceepee run`", quick=True)
def unmodified(lab):
    wire = Shared(lab)
    servers.nginx(lab, ns=wire.ns)
    servers.nginx(lab)
    root, bodies = servers.pages(lab)
    lab.tee("run", "--link", wire.link, "--", "python3", "-m", "http.server", "8080", "--directory",
            root)
    until(lambda: lab.start("curl", "-sS", "-f", "--max-time", "2", wire.own_url(4, "/1.bin", 8080),
                            ns=wire.ns).wait() == 0, 20, "the program to serve", 0.1)
    kernel_fetches(lab, wire.own_url(4, "/5.bin", 8080), bodies[5], ns=wire.ns)
    kernel_fetches(lab, wire.own_url(4, "/6.bin", 80), bodies[6], ns=wire.ns)


# ---- a stack for each queue

for hook in MODES:

    @live.case(f"two threads, {hook}: each connection stays with its stack", quick=hook == "native")
    def threads(lab, mode=hook):
        wire = Xdp(lab, f"mode={mode}", queues=2)
        return tell_of_queues(servers.serve_by_threads(lab, wire, 4), mode)

    @live.case(f"two threads on the host's address, {hook}", quick=hook == "generic")
    def threads_shared(lab, mode=hook):
        wire = Shared(lab, f"mode={mode}", queues=2)
        servers.nginx(lab)

        def answers():
            return lab.start("curl", "-sS", "-f", "--max-time", "2", wire.own_url(4, "/1.bin", 8080),
                             ns=wire.ns).wait(10) == 0

        before = lab.counter("TcpOutRsts")
        told = servers.serve_by_threads(lab, wire, 4, answers)
        # The kernel's own server went on beside them.
        kernel_fetches(lab, wire.own_url(4, "/6.bin", 80), servers.pages(lab)[1][6], ns=wire.ns)
        check(lab.counter("TcpOutRsts") - before < 10, "the host's kernel reset connections of ours")
        return tell_of_queues(told, mode)


def tell_of_queues(told, mode):
    came, passed = (servers.counters_named(told, name) for name in ("xdp.rx_frames",
                                                                    "steer.passed_on"))
    check(sum(came) > 100, f"frames that came by AF_XDP: {came}")
    # Before the stack (generic) a veth's frames have no queue but the first.
    check(len(came) == (2 if mode == "native" else 1), f"frames of each queue: {came}")
    check(sum(passed) > 50, f"frames that came to another's queue: {passed}")
    return f"frames of each queue: {came}, of which passed on: {passed}"


@live.case("two threads by IPv6, three queues: one stack has two of them")
def threads_uneven(lab):
    wire = Xdp(lab, "mode=native", queues=3)
    return tell_of_queues(servers.serve_by_threads(lab, wire, 6), "native")


@live.case("threads: more than there are queues, and one queue chosen, are refused", quick=True)
def threads_refused(lab):
    root, _ = servers.pages(lab)
    wire = Xdp(lab)
    for link, word in ((wire.link, "too few"), (f"{wire.link},queue=0", "leave one")):
        process = lab.tee("serve", "--link", link, "--ip", f"{wire.own4}/24", "--threads", 2, root)
        check(process.wait(10) != 0, "threads without queues were accepted")
        check(word in process.errors(), f"what it says: {process.errors()}")
    check(not wire.is_attached(), "something was left attached")


@live.case("the interface goes away: told, and the program ends")
def gone(lab):
    wire = Xdp(lab)
    process = lab.tee("nc", *wire.options(), "-l", 9000)
    lab.wait_answering(wire)
    lab.ip("link", "del", wire.device)
    check(process.wait(10) != 0, "exit code of a program whose interface is gone")
    check("gone" in process.errors(), process.errors())
    check_equal(len(process.errors().splitlines()), 1, "lines told")


if __name__ == "__main__":
    live.main(jobs=2)
