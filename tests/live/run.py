#!/usr/bin/env python3
"""`teeceepee run`: programs that know nothing of us, on our stack.

Semantics first: tests/run/semantics.py tells what a few hundred sequences of socket calls end in; what it
says under `run` may differ from what it says on the kernel's loopback only where
tests/run/semantics.differs says so, and must differ there. Then what is around a program: its exit status,
signals, name look-ups, published ports, and that nothing leaks.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import lab as live
import servers
from lab import check, check_equal, need, until

HERE = os.path.dirname(os.path.abspath(__file__))
SEMANTICS = os.path.join(HERE, "..", "run", "semantics.py")

ECHO = """
import socket, sys, threading
s = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=64)
print("ready", flush=True)
def serve(c):
    with c:
        while piece := c.recv(65536):
            c.sendall(piece)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""

NAME_SERVER = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
while True:
    query, who = s.recvfrom(512)
    at = 12
    while query[at]:
        at += query[at] + 1
    kind = struct.unpack(">H", query[at + 1:at + 3])[0]
    answer = b"\\xc0\\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(sys.argv[1])
    if kind != 1:
        answer = b""
    s.sendto(query[:2] + b"\\x81\\x80" + struct.pack(">HHHH", 1, bool(answer), 0, 0)
             + query[12:at + 5] + answer, who)
"""


FAST_OPEN = """
import select, socket
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    l = socket.socket(family)
    l.bind((address, 0))
    l.setsockopt(6, 23, 8)
    l.listen(8)
    for way, size in (("first", 8), ("again", 8), ("nonblocking", 8), ("long", 60000)):
        s = socket.socket(family)
        s.setblocking(way != "nonblocking")
        sent = s.sendto(bytes(size), 0x20000000, l.getsockname())
        c = l.accept()[0]
        got = len(c.recv(size, socket.MSG_WAITALL))
        c.send(b"x")
        select.select([s], [], [], 5)
        print(way, sent, got, "in" if s.getsockopt(6, 11, 200)[5] & 32 else "behind", "the SYN")
        s.close()
        c.close()
    l.close()
"""


def run(lab, wire, *words, **keywords):
    return lab.tee("run", *wire.options(), *words, **keywords)


def split_line(line):
    """The name of a sequence ends with its family."""
    for family in (" v4: ", " v6: "):
        if family in line:
            name, result = line.split(family, 1)
            return name, family.strip(" :"), result
    return line, "", ""


def read_differs():
    listed = set()
    with open(SEMANTICS.replace(".py", ".differs"), encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                listed.add(line.rstrip("\n"))
    return listed


@live.case("semantics: as Linux, but for the written list")
def semantics(lab):
    wire = live.Slirp(lab)
    native = lab.start(sys.executable, SEMANTICS)
    ours = run(lab, wire, sys.executable, SEMANTICS)
    native.check_exit(0, 60)
    ours.check_exit(0, 60)
    lines = [[split_line(line) for line in process.output().decode(errors="replace").splitlines()]
             for process in (native, ours)]
    check_equal(len(lines[1]), len(lines[0]), "sequences that were played")
    listed = read_differs()
    used, wrong = set(), []
    for linux, tee in zip(*lines):
        entry = next((row for row in listed if row.startswith(linux[0] + ": ")), None)
        if linux == tee:
            continue
        if entry:
            used.add(entry)
        else:
            wrong.append(f"{linux[0]} {linux[1]}: Linux: {linux[2]}\n    run: {tee[2]}")
    wrong += [f"listed, but no longer different: {row}" for row in sorted(listed - used)]
    check(not wrong, "\n".join(wrong))
    return f"{len(lines[0])} sequences, {len(used)} of the list differ"


for kind in (live.Slirp, live.Tap):
    for family in (4, 6):
        @live.case(f"curl, wget and Python fetch pages, {kind.name}, IPv{family}", quick=kind is live.Tap)
        def fetch(lab, make=kind, version=family):
            need("curl", "wget")
            wire = make(lab)
            _, bodies = servers.pages(lab)
            servers.nginx(lab, ns=wire.ns)
            url = wire.url(version, "/1.bin")
            read = f"import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen('{url}').read())"
            for words in (["curl", "-sSf", url], ["wget", "-qO-", url], [sys.executable, "-c", read]):
                process = lab.tee("run", *wire.options(version), *words)
                process.check_exit(0)
                check(process.output() == bodies[1], f"{words[0]} got something else")


@live.case("exit status, signals, and what can't be run", quick=True)
def endings(lab):
    wire = live.Slirp(lab)
    run(lab, wire, "sh", "-c", "exit 7").check_exit(7)
    run(lab, wire, "sh", "-c", "kill -KILL $$").check_exit(-signal.SIGKILL)
    run(lab, wire, lab.path("no-such")).check_exit(127)
    run(lab, wire, lab.dir).check_exit(126)
    lab.tee("run").check_exit(2)
    ready = lab.path("ready")
    process = run(lab, wire, "sh", "-c", f"trap 'exit 5' TERM; touch {ready}; while :; do sleep 0.05; done")
    until(lambda: os.path.exists(ready), 10, "the program to start")
    process.signal(signal.SIGTERM)
    process.check_exit(5)
    words = "import signal; print(signal.getsignal(signal.SIGPIPE), open('/proc/self/status').read())"
    process = run(lab, wire, sys.executable, "-c", words).check_exit(0)
    check(b"SigBlk:\t0000000000000000" in process.output(), "signals are blocked in the program")


@live.case("names are looked up over the stack", quick=True)
def names(lab):
    need("getent")
    wire = live.Tap(lab)
    lab.start(sys.executable, "-c", NAME_SERVER, wire.peer4, ns=wire.ns)
    lab.wait_listening(53, wire.ns, "udp")
    resolv = lab.path("resolv.conf")
    with open(resolv, "w", encoding="utf-8") as file:
        file.write("nameserver 192.0.2.53\n")
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolv]
    process = lab.start(*inside, lab.program, "run", *wire.options(), "--dns", wire.peer4,
                        "getent", "ahostsv4", "some.name.test").check_exit(0)
    check(wire.peer4.encode() in process.output(), f"getent said {process.output()!r}")


INTERFACES = """
import ctypes, fcntl, socket, struct
print(socket.if_nameindex(), socket.if_nametoindex("tee0"), socket.if_indextoname(1))
s = socket.socket()
def ask(command, name=b"tee0"):
    try:
        return fcntl.ioctl(s, command, struct.pack("40s", name))[16:]
    except OSError as error:
        return error.errno
text = lambda answer: socket.inet_ntoa(answer[4:8])
buffer = bytearray(400)
pieces = (ctypes.c_char * 400).from_buffer(buffer)
size = fcntl.ioctl(s, 0x8912, struct.pack("iP", 400, ctypes.addressof(pieces)))
size = struct.unpack("i", size[:4])[0]
print([(buffer[i:i + 16].split(b"\\0")[0].decode(), socket.inet_ntoa(bytes(buffer[i + 20:i + 24])))
       for i in range(0, size, 40)])
print(text(ask(0x8915)), text(ask(0x891b)), text(ask(0x8919)), struct.unpack("i", ask(0x8921)[:4])[0],
      ask(0x8927)[2:8].hex(":"), hex(struct.unpack("H", ask(0x8913)[:2])[0]))
print(ask(0x8915, b"eth9"), ask(0x8914), ask(0x8922))
"""


@live.case("the program sees the stack's interfaces, by ioctl and netlink", quick=True)
def interfaces(lab):
    need("ip")
    wire = live.Slirp(lab)
    said = run(lab, wire, sys.executable, "-c", INTERFACES).check_exit(0).output().decode().splitlines()
    check_equal(said[0], "[(1, 'lo'), (2, 'tee0')] 2 lo", "names and numbers")
    check_equal(said[1], "[('lo', '127.0.0.1'), ('tee0', '10.0.2.15')]", "SIOCGIFCONF")
    check_equal(said[2], "10.0.2.15 255.255.255.0 10.0.2.255 16384 52:54:00:54:45:45 0x1043",
                "address, mask, broadcast address, MTU, MAC and flags")
    check_equal(said[3], f"{errno.ENODEV} {errno.EPERM} {errno.EPERM}", "no such interface; changes")
    links = json.loads(run(lab, wire, "ip", "-j", "addr").check_exit(0).output())
    check_equal([(link["ifname"], [address["local"] for address in link["addr_info"]]) for link in links],
                [("lo", ["127.0.0.1", "::1"]), ("tee0", ["10.0.2.15", "fd00::15"])], "ip addr")
    routes = json.loads(run(lab, wire, "ip", "-j", "route").check_exit(0).output())
    check_equal([(route["dst"], route.get("gateway")) for route in routes],
                [("default", "10.0.2.2"), ("10.0.2.0/24", None)], "ip route")
    run(lab, wire, "ip", "link", "set", "tee0", "down").check_exit(2)


ASK_NAME = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect((sys.argv[1], 53))
for attempt in range(10):
    try:
        s.send(b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\1x\\4test\\0\\0\\1\\0\\1")
        print(socket.inet_ntoa(s.recv(512)[-4:]))
        break
    except (TimeoutError, ConnectionRefusedError):
        continue
"""


@live.case("dnsmasq finds its interfaces, and answers from the address that was asked")
def dnsmasq(lab):
    need("dnsmasq")
    wire = live.Tap(lab)
    for number, more in enumerate(([], ["--bind-interfaces"], ["--bind-dynamic"])):
        server = run(lab, wire, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                     "--user=root", f"--address=/x.test/192.0.2.{number}", *more)
        told = lab.start(sys.executable, "-c", ASK_NAME, wire.own4, ns=wire.ns).check_exit(0).output()
        check_equal(told, f"192.0.2.{number}\n".encode(), f"what dnsmasq {more} said: {server.told()}")
        server.signal(signal.SIGTERM)
        server.check_exit(0)


@live.case("a published port leads to the program", quick=True)
def published(lab):
    wire = live.Slirp(lab)
    port = lab.port()
    process = run(lab, wire, "--publish", f"{port}:7", sys.executable, "-c", ECHO, "7")
    until(lambda: b"ready" in process.output(), 15, "the server")
    client = ("import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
              "s.sendall(b'there'); s.shutdown(socket.SHUT_WR); d = b''\n"
              "while p := s.recv(100): d += p\nprint(d)")
    check_equal(lab.command(sys.executable, "-c", client, port), "b'there'\n", "what came back")
    process.signal(signal.SIGTERM)
    process.check_exit(-signal.SIGTERM)


SHORT_OF = 40
CROWD = """
import socket, sys
def ask(s):
    s.settimeout(20)
    s.sendall(b"there")
    return s.recv(100) == b"there"
held = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) for _ in range(int(sys.argv[3]))]
print("connected", flush=True)
sys.stdin.readline()
done = 0
while held:
    done += ask(held[0])
    held.pop(0).close()
print(done)
"""


def processor_s(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def crowd(lab, wire, own, address, port):
    """More clients than a supervisor has descriptors: who is too many waits until others leave."""
    words = [lab.program, "run", *wire.options(), *own, sys.executable, "-c", ECHO, 7]
    process = lab.start("sh", "-c", f'ulimit -n {SHORT_OF}; exec "$0" "$@"', *words)
    until(lambda: b"ready" in process.output(), 15, "the server")
    clients = lab.start(sys.executable, "-c", CROWD, address, port, 2 * SHORT_OF, ns=wire.ns,
                        stdin=subprocess.PIPE)
    until(lambda: b"connected" in clients.output(), 20, "the clients")
    until(process.errors, 5, "the supervisor to tell of it")
    before_s, since_s = processor_s(process), time.monotonic()
    time.sleep(0.5)
    share = (processor_s(process) - before_s) / (time.monotonic() - since_s)
    check(share < 0.3, f"the supervisor takes {share:.0%} of a processor to wait")
    clients.stdin.write(b"go\n")
    clients.stdin.flush()
    clients.check_exit(0, 60)
    check_equal(clients.output().split()[-1], b"%d" % (2 * SHORT_OF), "clients that were answered")
    check_equal(process.errors().count("\n"), 1, f"lines of {process.errors()!r}")
    check("new connections wait: Too many open files" in process.errors(), process.errors())
    process.signal(signal.SIGTERM)
    process.check_exit(-signal.SIGTERM)
    return f"waiting takes {share:.0%} of a processor"


@live.case("no descriptors left in the supervisor: clients of a published port wait")
def short_published(lab):
    wire, port = live.Slirp(lab), lab.port()
    return crowd(lab, wire, ("--publish", f"{port}:7"), "127.0.0.1", port)


@live.case("no descriptors left in the supervisor: connections from the link wait")
def short_link(lab):
    wire = live.Tap(lab)
    return crowd(lab, wire, (), wire.own4, 7)


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


@live.case("nothing leaks over many connections", quick=True)
def leaks(lab):
    wire = live.Tap(lab)
    count = 200 if lab.quick else 2000
    process = run(lab, wire, sys.executable, "-c", ECHO, "7")
    until(lambda: b"ready" in process.output(), 15, "the server")
    client = ("import socket, sys\n"
              "for i in range(int(sys.argv[2])):\n"
              "    with socket.create_connection((sys.argv[1], 7), 5) as s:\n"
              "        s.sendall(b'x' * 100); assert s.recv(100)\n"
              "print('done')")

    def connect(number):
        check_equal(lab.command(sys.executable, "-c", client, wire.own4, number, ns=wire.ns,
                                timeout_s=60), "done\n", "the client")

    connect(20)
    before = until(lambda: descriptors(process), 5, "the supervisor")
    connect(count)
    until(lambda: descriptors(process) <= before + 8, 5, f"descriptors to come down to {before}")
    process.signal(signal.SIGTERM)
    process.check_exit(-signal.SIGTERM)
    return f"{count} connections, {before} descriptors"


@live.case("what a program wrote arrives after its end", quick=True)
def rest(lab):
    wire = live.Slirp(lab)
    # More than the buffers on the way hold, at a rate that takes the link a second.
    count = 300000
    sink = ("import socket\n"
            "l = socket.create_server(('127.0.0.1', 0))\n"
            "print(l.getsockname()[1], flush=True)\n"
            "c, got = l.accept()[0], 0\n"
            "while piece := c.recv(65536): got += len(piece)\n"
            "print(got, flush=True)")
    far = lab.start(sys.executable, "-c", sink)
    port = int(until(far.output, 10, "the sink"))
    words = ("import socket, sys\n"
             "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
             "s.sendall(bytes(int(sys.argv[3])))")
    run(lab, wire, "--impair", "rate=2mbit", sys.executable, "-c", words, wire.at(4), port,
        count).check_exit(0)
    far.check_exit(0)
    check_equal(int(far.output().split()[1]), count, "what came of it")


@live.case("a killed program's connections end", quick=True)
def killed(lab):
    wire = live.Tap(lab)
    port = lab.port()
    holder = ("import socket, sys, os, time; s = socket.create_connection((sys.argv[1], int(sys.argv[2])));"
              "s.sendall(str(os.getpid()).encode()); time.sleep(60)")
    peer = ("import socket, sys, os, signal; l = socket.create_server((sys.argv[1], int(sys.argv[2])));"
            "print('ready', flush=True); s = l.accept()[0]; os.kill(int(s.recv(20)), signal.SIGKILL);"
            "s.settimeout(5)\n"
            "try: print(s.recv(10))\n"
            "except ConnectionResetError: print('reset')")
    listener = lab.start(sys.executable, "-c", peer, wire.peer4, port, ns=wire.ns)
    until(lambda: b"ready" in listener.output(), 10, "the peer")
    process = run(lab, wire, sys.executable, "-c", holder, wire.peer4, port)
    listener.check_exit(0)
    check(listener.output().split()[1] in (b"b''", b"reset"), f"the peer saw {listener.output()!r}")
    process.check_exit(-signal.SIGKILL)


@live.case("the supervisor is killed: the program's calls fail, and it is told to end", quick=True)
def orphaned(lab):
    wire = live.Slirp(lab)
    port = lab.port()
    lab.start(sys.executable, "-c", ECHO, port)
    lab.wait_listening(port)
    words = ("import os, signal, socket, sys, time\n"
             "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
             "l = socket.create_server(('0.0.0.0', 7000))\n"
             "told = []\n"
             "signal.signal(signal.SIGTERM, lambda *_: told.append('SIGTERM'))\n"
             "out = open(sys.argv[3], 'w')\n"
             "print(os.getpid(), file=out, flush=True)\n"
             "def did(name, call):\n"
             "    try: print(name, call(), file=out)\n"
             "    except OSError as error: print(name, error.errno, file=out)\n"
             "did('accept', l.accept)\n"
             "did('recv', lambda: s.recv(10))\n"
             "did('socket', socket.socket)\n"
             "end = time.monotonic() + 10\n"
             "while not told and time.monotonic() < end: time.sleep(0.01)\n"
             "print(*told, 'end', file=out, flush=True)\n")
    path = lab.path("told")
    process = run(lab, wire, sys.executable, "-c", words, wire.at(4), port, path)
    until(lambda: os.path.exists(path) and os.path.getsize(path), 10, "the program")
    process.signal(signal.SIGKILL)
    process.check_exit(-signal.SIGKILL)

    def read_told():
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()

    until(lambda: "end" in read_told()[-1], 15, "the program to hear of it")
    said = read_told()
    check_equal(said[1], f"accept {errno.ENOSYS}", "accept() that waited")
    check(said[2] in ("recv b''", f"recv {errno.ECONNRESET}"), f"recv() of a connection: {said[2]}")
    check_equal(said[3:], [f"socket {errno.ENOSYS}", "SIGTERM end"], "a new socket, and the signal")


@live.case("MSG_FASTOPEN: with the server's cookie the data travel in the SYN", quick=True)
def fast_open(lab):
    process = run(lab, live.Slirp(lab), "--set", "tcp_fastopen=3", sys.executable, "-c", FAST_OPEN)
    process.check_exit(0, 20)
    check_equal(process.output().decode().splitlines(),
                2 * ["first 8 8 behind the SYN", "again 8 8 in the SYN", "nonblocking 8 8 in the SYN",
                     "long 60000 60000 in the SYN"], "what was sent, came, and how")


for number in (4, 6):
    @live.case(f"tracepath and traceroute find the routers and the path's MTU, IPv{number}")
    def routers(lab, family=number):
        need("tracepath", "traceroute")
        wire = live.Packet(lab)
        wire.lead_on()
        gateway = ["--gateway", wire.peer4] if family == 4 else ["--gateway6", wire.peer6]
        far = wire.FAR4 if family == 4 else wire.FAR6

        def lines_of(*words):
            process = lab.tee("run", *wire.options(family), *gateway, *words)
            process.check_exit(0, 30)
            return process.output().decode(errors="replace").splitlines()

        lines = lines_of("tracepath", f"-{family}", "-n", "-m", 5, far)
        hops = [line.split()[1] for line in lines if line.split()[0].rstrip("?:").isdigit()]
        check(wire.at(family) in hops and far in hops, f"tracepath: {lines}")
        check("pmtu 1400" in "\n".join(lines), f"tracepath: {lines}")
        check("Resume: pmtu 1400 hops 2" in "\n".join(lines), f"tracepath: {lines}")
        lines = lines_of("traceroute", f"-{family}", "-n", "-q", 1, "-m", 5, "-w", 2, far)
        check_equal([line.split()[1] for line in lines[1:]], [wire.at(family), far], "traceroute")


if __name__ == "__main__":
    live.main(jobs=2)
