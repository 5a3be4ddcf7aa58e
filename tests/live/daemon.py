#!/usr/bin/env python3
"""The stack as a daemon: `up`, `--attach`, `ss`, `down`.

What `teeceepee ss` says is held against what the kernel on the other side says of the same connections, and
against /proc. What `down` and a SIGKILL leave behind is looked for by name.
"""

import array
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys

import lab as live
import servers
from lab import Skip, check, check_equal, need, until

HERE = os.path.dirname(os.path.abspath(__file__))
SEMANTICS = os.path.join(HERE, "..", "run", "semantics.py")

HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("connected", flush=True)
s.settimeout(20)
try: print("FIN" if s.recv(10) == b"" else "data")
except ConnectionResetError: print("RST")
"""

FLOOD = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.sendall(b"x" * int(sys.argv[3]))
"""


def ethernet(lab):
    """A TAP, or for a user who has none a veth pair: its kernel's side is in wire.ns."""
    try:
        return live.Tap(lab)
    except Skip:
        return live.Packet(lab)


class Daemon:
    """`teeceepee up` in a case, and commands that attach to it."""

    def __init__(self, lab, wire, *words, name="default", home=None):
        self.lab, self.wire, self.name = lab, wire, name
        self.runtime = home or lab.path("runtime")
        os.makedirs(self.runtime, 0o700, exist_ok=True)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": self.runtime}
        self.dir = os.path.join(self.runtime, "teeceepee")
        self.socket = os.path.join(self.dir, name + ".sock")
        self.pid = None
        self.words = words

    def up(self, code=0):
        process = self.tee("up", self.name, *self.wire.options(), *self.words).check_exit(code)
        if code == 0:
            found = re.search(rb"pid (\d+)", process.output())
            check(found, f"`up` said {process.output()!r}")
            self.pid = int(found.group(1))
        return process

    def tee(self, command, *words, **keywords):
        return self.lab.tee(command, *words, env=self.env, **keywords)

    def attached(self, command, *words, **keywords):
        return self.tee(command, "--attach", self.name, *words, **keywords)

    def ss(self, *options):
        text = self.tee("ss", *options, "--json", self.name).check_exit(0).output()
        return json.loads(text)["sockets"]

    def down(self):
        return self.tee("down", self.name).check_exit(0)

    def is_running(self):
        return is_alive(self.pid)

    def check_gone(self):
        check(not self.is_running(), f"process {self.pid} is still there")
        check(not os.path.exists(self.dir), f"left behind: {os.listdir(self.runtime)}")


def is_alive(pid):
    """Ended processes that nobody has waited for are none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def devices(lab):
    return [line.split(":")[1] for line in lab.command("ip", "-o", "link", "show").splitlines()]


def of_state(sockets, state):
    return [row for row in sockets if row["state"] == state]


def kernel_pairs(lab, wire, state="established"):
    """{(teeceepee's endpoint, the kernel's)} as the kernel sees it."""
    pairs = set()
    for line in lab.command("ss", "-Htn", "state", state, ns=wire.ns).splitlines():
        words = line.split()
        if words[3].startswith(wire.own4 + ":"):
            pairs.add((words[3], words[2]))
    return pairs


def check_truth(lab, wire, daemon, programs, what):
    """Our list of connections is the kernel's, and each belongs to the program that has it."""
    rows = {}

    def agree():
        rows.clear()
        rows.update({(row["local"], row["remote"]): row
                     for row in of_state(daemon.ss("-tip"), "ESTAB")})
        return set(rows) == kernel_pairs(lab, wire)

    until(agree, 5, f"ss and the kernel's ss to agree {what}")
    holders = set()
    for row in rows.values():
        check(row["rtt_ns"] > 0 and row["cwnd_bytes"] > 0, f"no path in {row}")
        for user in row["users"]:
            with open(f"/proc/{user['pid']}/comm", encoding="utf-8") as comm:
                check_equal(user["name"], comm.read().strip(), f"the name of {user['pid']} {what}")
            link = os.readlink(f"/proc/{user['pid']}/fd/{user['fd']}")
            check(link.startswith("socket:"), f"{user} holds {link}")
            holders.add(user["name"])
    check_equal(holders, programs, f"who holds connections {what}")
    return rows


@live.case("three programs on one address, one killed in mid-transfer; ss is right; down leaves nothing",
           quick=True)
def three(lab):
    need("curl", "nc")
    wire = ethernet(lab)
    servers.pages(lab)
    live.random_file(lab.path("www/big.bin"), 4 << 20)
    servers.nginx(lab, ns=wire.ns)
    before = devices(lab)
    daemon = Daemon(lab, wire)
    daemon.up()
    check_equal(daemon.ss("-tuap"), [], "sockets of a fresh daemon")
    lab.wait_answering(wire)

    # The first: a server, with whom the kernel holds a connection.
    server = daemon.attached("run", sys.executable, "-m", "http.server", "-d", lab.path("www"), "8000")
    until(lambda: of_state(daemon.ss("-tl"), "LISTEN"), 10, "the server to listen")
    listener, = daemon.ss("-tlp")
    check_equal((listener["local"], listener["users"][0]["name"]), ("0.0.0.0:8000", "python3"), "the listener")
    check_equal(os.path.basename(os.readlink(f"/proc/{listener['users'][0]['pid']}/exe"))[:6], "python",
                "the listener's program")
    hold = lab.start(sys.executable, "-c", HOLD, wire.own4, 8000, ns=wire.ns)
    until(lambda: b"connected" in hold.output(), 10, "the kernel's client")
    check_truth(lab, wire, daemon, {"python3"}, "with one program")

    # The second: a slow download. The third: a pipe to the kernel's nc.
    fetch = daemon.attached("curl", "-sS", "-o", lab.path("got"), wire.url(4, "/slow/big.bin"))
    sink = lab.start("nc", "-l", 9100, ns=wire.ns)
    lab.wait_listening(9100, wire.ns)
    pipe = daemon.attached("nc", wire.peer4, 9100, stdin=subprocess.PIPE)
    pipe.stdin.write(b"first words\n")
    pipe.stdin.flush()
    until(lambda: b"first words" in sink.output(), 10, "words to arrive")
    until(lambda: os.path.exists(lab.path("got")) and os.path.getsize(lab.path("got")) > 0, 10,
          "the download to begin")
    rows = check_truth(lab, wire, daemon, {"python3", "teeceepee"}, "with three programs")
    check_equal(len(rows), 3, "connections")
    download, = [row for row in rows.values() if row["remote"] == f"{wire.peer4}:80"]
    check(download["bytes_received"] > 0, f"nothing came in: {download}")
    text = daemon.tee("ss", "-tip").check_exit(0).output().decode()
    line = next(each for each in text.splitlines() if download["local"] in each)
    user = download["users"][0]
    check(f"users:((\"teeceepee\",pid={user['pid']},fd={user['fd']}))" in line and line.startswith("ESTAB"),
          f"ss -tip said {line!r}")
    check(" cwnd:" in text.splitlines()[text.splitlines().index(line) + 1], text)

    # The second is killed: its connection ends, the others go on.
    os.kill(user["pid"], signal.SIGKILL)
    fetch.check_exit(-signal.SIGKILL)
    until(lambda: (download["local"], download["remote"]) not in kernel_pairs(lab, wire), 5,
          "the peer to see the end")
    rows = check_truth(lab, wire, daemon, {"python3", "teeceepee"}, "after the kill")
    check_equal(len(rows), 2, "connections after the kill")
    pipe.stdin.write(b"last words\n")
    pipe.stdin.close()
    until(lambda: b"last words" in sink.output(), 10, "the pipe to go on")
    sink.check_exit(0)
    pipe.check_exit(0)
    check(daemon.is_running(), "the daemon is gone")
    page = lab.command("curl", "-sS", wire.own_url(4, "/hello.txt", 8000), ns=wire.ns)
    with open(lab.path("www/hello.txt"), encoding="utf-8") as file:
        check_equal(page, file.read(), "the page of the first program")
    # What the third closed first waits where its program has gone.
    waiting = of_state(daemon.ss("-tap"), "TIME-WAIT")
    check(any(row["remote"] == f"{wire.peer4}:9100" and not row["users"] for row in waiting),
          f"no TIME-WAIT of the third: {daemon.ss('-tap')}")

    # The end, in order.
    daemon.down()
    daemon.check_gone()
    hold.check_exit(0)
    check(hold.output().split()[-1] in (b"FIN", b"RST"), f"the kernel's client saw {hold.output()!r}")
    server.wait()
    check(not is_alive(listener["users"][0]["pid"]), "the server is still there")
    check_equal(kernel_pairs(lab, wire), set(), "connections of the kernel's side")
    check_equal(devices(lab), before, "network devices")


@live.case("a second up of a name, names that nobody has, options that aren't the client's", quick=True)
def names(lab):
    wire = live.Slirp(lab)
    daemon = Daemon(lab, wire, name="lab.1")
    process = daemon.attached("curl", "http://10.0.2.2/").check_exit(118)
    check("no daemon 'lab.1' is up; 'teeceepee up lab.1' starts one" in process.errors(), process.errors())
    daemon.up()
    process = daemon.up(118)
    check(f"a daemon 'lab.1' is up already (pid {daemon.pid})" in process.errors(), process.errors())
    check(daemon.is_running() and daemon.ss("-a") == [], "the first daemon suffered")
    for command, code in (("run", 125), ("curl", 118), ("nc", 118), ("serve", 118)):
        words = {"run": ["true"], "curl": ["http://x/"], "nc": ["x", 1], "serve": [lab.dir]}[command]
        process = daemon.tee(command, "--attach", "other", *words).check_exit(code)
        check("no daemon 'other' is up" in process.errors() and "(these are up: lab.1)" in process.errors(),
              process.errors())
    process = daemon.attached("curl", "--impair", "loss=1%", "http://x/").check_exit(2)
    check("--impair is a matter of the daemon's stack" in process.errors(), process.errors())
    process = daemon.attached("serve", "--threads", "2", lab.dir).check_exit(2)
    check("the one stack is the daemon's" in process.errors() and "leave --threads out" in process.errors(),
          process.errors())
    daemon.attached("ping", "10.0.2.2").check_exit(2)
    daemon.tee("up", "../x").check_exit(2)
    daemon.tee("up", "-x").check_exit(2)
    daemon.tee("up", "two words").check_exit(2)
    other = Daemon(lab, wire, name="other")
    other.up()
    process = daemon.tee("ss").check_exit(118)
    check("several daemons are up" in process.errors(), process.errors())
    other.down()
    check(os.path.exists(daemon.socket) and not os.path.exists(other.socket), "down took the wrong one")
    daemon.tee("down").check_exit(0)
    daemon.check_gone()
    process = daemon.tee("down").check_exit(118)
    check("no daemon 'default' is up" in process.errors(), process.errors())


@live.case("an up that fails says why at once and leaves nothing", quick=True)
def failing(lab):
    daemon = Daemon(lab, live.Slirp(lab))
    process = daemon.tee("up", "--link", "carrier-pigeon").check_exit(110)
    check("carrier-pigeon" in process.errors(), process.errors())
    process = daemon.tee("up", "--ip", "nonsense").check_exit(2)
    check("nonsense" in process.errors(), process.errors())
    daemon.tee("up", "--trace").check_exit(2)
    check(not os.path.exists(daemon.socket), "a socket is left")
    os.mkdir(daemon.dir, 0o755) if not os.path.exists(daemon.dir) else os.chmod(daemon.dir, 0o755)
    process = daemon.tee("up").check_exit(118)
    check("not a directory that only you can use" in process.errors(), process.errors())
    process = daemon.tee("ss", "default").check_exit(118)
    check("not a directory that only you can use" in process.errors(), process.errors())


@live.case("in the foreground: ready is told, Ctrl-C ends it in order", quick=True)
def foreground(lab):
    daemon = Daemon(lab, live.Slirp(lab))
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(lab.path("notify"))
    manager.settimeout(10)
    daemon.env["NOTIFY_SOCKET"] = lab.path("notify")
    process = daemon.tee("up", "--foreground", "--stats")
    check_equal(manager.recv(100), b"READY=1", "what the service manager is told")
    daemon.pid = process.pid
    check_equal(daemon.ss("-a"), [], "sockets")
    process.signal(signal.SIGINT)
    process.check_exit(128 + signal.SIGINT, 8)
    daemon.check_gone()


@live.case("a lease is kept while programs come and go, and given back by down", quick=True)
def lease(lab):
    need("dnsmasq", "nc")
    wire = live.Packet(lab)
    server = servers.dnsmasq(lab, "--port=0", f"--interface={wire.peer_device}",
                             f"--dhcp-range={wire.prefix4}.50,{wire.prefix4}.60,2m",
                             ns=wire.ns, wait=("udp", 67))
    daemon = Daemon(lab, wire)
    process = daemon.tee("up", "--link", wire.link, "--ip6", "none", "--set", "acd=off").check_exit(0)
    daemon.pid = int(re.search(rb"pid (\d+)", process.output()).group(1))
    address = re.search(rb"up: ([\d.]+) on", process.output()).group(1).decode()
    sinks = [lab.start("nc", "-v", "-n", "-l", 9500 + number, ns=wire.ns) for number in range(2)]
    for number, sink in enumerate(sinks):
        lab.wait_listening(9500 + number, wire.ns)
        daemon.attached("nc", wire.peer4, 9500 + number).check_exit(0)
        check(address in sink.check_exit(0).errors(), f"the peer saw {sink.errors()!r}")
    said = re.findall(r"\b(DHCP[A-Z]+)\(", server.errors())
    check_equal(said, ["DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK"], "messages before the end")
    daemon.down()
    until(lambda: "DHCPRELEASE" in server.errors(), 5, f"DHCPRELEASE: {server.errors()}")
    daemon.check_gone()


@live.case("run --attach: as run, in exit status, signals, sockets and published ports", quick=True)
def programs(lab):
    wire = live.Slirp(lab)
    daemon = Daemon(lab, wire)
    daemon.up()
    daemon.attached("run", "sh", "-c", "exit 7").check_exit(7)
    daemon.attached("run", "sh", "-c", "kill -KILL $$").check_exit(-signal.SIGKILL)
    daemon.attached("run", lab.path("no-such")).check_exit(127)
    ready = lab.path("ready")
    process = daemon.attached("run", "sh", "-c",
                              f"trap 'exit 5' TERM; touch {ready}; while :; do sleep 0.05; done")
    until(lambda: os.path.exists(ready), 10, "the program to start")
    process.signal(signal.SIGTERM)
    process.check_exit(5)
    port = lab.port()
    server = daemon.attached("run", "--publish", f"{port}:8001", sys.executable, "-m", "http.server", "8001")
    lab.wait_listening(port)
    until(lambda: daemon.ss("-tl"), 10, "the server")
    lab.command("curl", "-sSf", f"http://127.0.0.1:{port}/")
    # Killed like this it can't tell its program; that ends all the same.
    pid = daemon.ss("-tlp")[0]["users"][0]["pid"]
    server.signal(signal.SIGKILL)
    until(lambda: not is_alive(pid), 5, "the program of a killed client to end")
    until(lambda: not daemon.ss("-tl"), 5, "its listener to go")
    plain = lab.tee("run", *wire.options(), sys.executable, SEMANTICS).check_exit(0, 60)
    ours = daemon.attached("run", sys.executable, SEMANTICS).check_exit(0, 60)
    check_equal(ours.output(), plain.output(), "what sequences of calls end in")
    daemon.down()
    daemon.check_gone()


# On one connection: a page for each byte of the input; then a request that comes a byte at a time and never ends.
KEPT = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while sys.stdin.buffer.read(1):
    s.sendall(b"GET /page.txt HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    came = b""
    while b"\\r\\n\\r\\n" not in came or len(came.split(b"\\r\\n\\r\\n", 1)[1]) < 5:
        came += s.recv(4096)
    print(came.split(b"\\r\\n\\r\\n", 1)[1].decode(), flush=True)
""" + servers.ENDLESS_REQUEST


@live.case("serve on a daemon: a file that changes is seen on a kept connection; an endless request ends", quick=True)
def kept(lab):
    wire = ethernet(lab)
    daemon = Daemon(lab, wire)
    daemon.up()
    page = lab.path("page.txt")
    with open(page, "w", encoding="ascii") as file:
        file.write("first")
    daemon.attached("serve", "--port", 8080, "--idle", 1, lab.dir)
    until(lambda: of_state(daemon.ss("-tl"), "LISTEN"), 10, "the server to listen")
    client = lab.start(sys.executable, "-c", KEPT, wire.own4, 8080, ns=wire.ns, stdin=subprocess.PIPE)

    def ask():
        known = len(client.output().split())
        client.stdin.write(b".")
        client.stdin.flush()
        return until(lambda: client.output().split()[known:], 5, "a page")[0]

    check_equal(ask(), b"first", "page")
    with open(page, "w", encoding="ascii") as file:
        file.write("other")
    until(lambda: ask() == b"other", 0.9, "the page as it is now")
    client.stdin.close()
    client.check_exit(0, 25)
    seconds = float(client.output().split()[-1])
    check(seconds < 10, f"the connection was let for {seconds:.0f} s")


@live.case("serve, curl and nc on one daemon: pages, streams both ways, datagrams, exit codes", quick=True)
def commands(lab):
    need("curl", "nc")
    wire = ethernet(lab)
    daemon = Daemon(lab, wire)
    daemon.up()
    os.mkdir(lab.path("www"))
    size = 3 << 20
    digest = live.random_file(lab.path("www/big.bin"), size)
    server = daemon.attached("serve", "-v", "--port", 8080, lab.path("www"))
    until(lambda: wire.own4.encode() in server.output(), 10, "the server to say where it is")
    url = wire.own_url(4, "/big.bin", 8080)
    for words in ([], ["-0"], ["-H", "Connection: close"]):
        with open(lab.path("got"), "wb") as got:
            lab.start("curl", "-sSf", *words, url, url, stdout=got, ns=wire.ns).check_exit(0)
        with open(lab.path("got"), "rb") as got:
            data = got.read()
        check_equal(hashlib.sha256(data[:size]).hexdigest(), digest, f"the page, {words}")
        check_equal(data[:size] == data[size:], True, "the page once more")
    check("big.bin" in lab.command("curl", "-sSf", wire.own_url(4, "/", 8080), ns=wire.ns), "no listing")
    check_equal(lab.command("curl", "-s", "-o", lab.path("none"), "-w", "%{http_code}",
                            wire.own_url(4, "/no", 8080), ns=wire.ns), "404", "the status of what isn't there")
    check_equal(lab.command("curl", "-sSf", "-r", "0-9", "-o", lab.path("part"), "-w", "%{http_code}",
                            url, ns=wire.ns), "206", "the status of a part")
    check(f"{wire.peer4}  GET /big.bin" in server.errors(), f"-v said {server.errors()[-300:]}")
    daemon.attached("serve", "--port", 8080, lab.path("www")).check_exit(117)
    # Its own neighbours reach it over the same stack.
    daemon.attached("curl", "-sSf", "-o", lab.path("own"), url).check_exit(0)
    check_equal(os.path.getsize(lab.path("own")), size, "bytes over the stack's own loopback")
    daemon.attached("curl", "-sS", wire.url(4, "/", port=81)).check_exit(7)

    # Both ends of nc in turn.
    listener = daemon.attached("nc", "-v", "-l", 9400, stdout=subprocess.PIPE)
    came = live.StreamHash(listener.stdout)
    until(lambda: any(row["local"] == "*:9400" for row in daemon.ss("-tl")), 10, "nc to listen")
    with open(lab.path("www/big.bin"), "rb") as data:
        lab.start("nc", "-N", wire.own4, 9400, stdin=data, ns=wire.ns)
    came.check(digest, size, 20)
    listener.check_exit(0)
    check(f"connection from {wire.peer4}:" in listener.errors(), listener.errors())
    sink = lab.start("nc", "-l", 9401, stdout=subprocess.PIPE, ns=wire.ns)
    came = live.StreamHash(sink.stdout)
    lab.wait_listening(9401, wire.ns)
    with open(lab.path("www/big.bin"), "rb") as data:
        daemon.attached("nc", wire.peer4, 9401, stdin=data).check_exit(0)
    came.check(digest, size, 20)
    daemon.attached("nc", "-z", wire.peer4, 9402).check_exit(7)
    daemon.attached("nc", "-w", 0.3, wire.own4, 8080, stdin=subprocess.PIPE).check_exit(28)
    echo = ("import socket, sys; s = socket.socket(2, 2); s.bind((sys.argv[1], 9403)); print('ready', flush=True)\n"
            "d, who = s.recvfrom(2000); s.sendto(d[::-1], who)")
    peer = lab.start(sys.executable, "-c", echo, wire.peer4, ns=wire.ns)
    until(lambda: b"ready" in peer.output(), 10, "the peer")
    words = daemon.attached("nc", "-u", "-w", 1, wire.peer4, 9403, stdin=subprocess.PIPE)
    words.stdin.write(b"drawer")
    words.stdin.close()
    until(lambda: words.output() == b"reward", 10, f"an answer: {words.output()!r}")
    words.check_exit(0)
    # Ctrl-C of one of them is the daemon's business no further.
    server.signal(signal.SIGINT)
    server.check_exit(128 + signal.SIGINT, 5)
    until(lambda: not daemon.ss("-tl"), 5, "its listener to go")
    daemon.down()
    daemon.check_gone()


@live.case("all that a program wrote arrives, however it ends", quick=True)
def last_words(lab):
    need("nc")
    wire = ethernet(lab)
    daemon = Daemon(lab, wire, "--impair", "rate=50mbit")
    daemon.up()
    size = 3 << 20
    for number in range(3):
        sink = lab.start("nc", "-l", 9200 + number, stdout=subprocess.PIPE, ns=wire.ns)
        came = live.StreamHash(sink.stdout)
        lab.wait_listening(9200 + number, wire.ns)
        daemon.attached("run", sys.executable, "-c", FLOOD, wire.peer4, 9200 + number, size).check_exit(0)
        digest = hashlib.sha256(b"x" * size).hexdigest()
        came.check(digest, size, 20)
    daemon.down()
    daemon.check_gone()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@live.case("programs come and go, and leave no descriptor, file or memory", quick=True)
def leaks(lab):
    daemon = Daemon(lab, live.Slirp(lab))
    daemon.up()
    count = 20 if lab.quick else 40
    words = ("import socket; l = socket.create_server(('127.0.0.1', 7)); c = socket.create_connection("
             "('127.0.0.1', 7)); u = socket.socket(2, 2); u.bind(('', 53))")
    daemon.attached("run", sys.executable, "-c", words).check_exit(0)
    until(lambda: not daemon.ss(), 5, "the first to go")
    before = descriptors(daemon.pid)
    for _ in range(count):
        daemon.attached("run", sys.executable, "-c", words).check_exit(0)
    until(lambda: descriptors(daemon.pid) <= before, 5, f"descriptors to come down to {before}")
    check_equal(os.listdir(os.path.join(daemon.dir, "default.d")), [], "directories of programs")
    check_equal([row for row in daemon.ss("-a") if row["state"] != "TIME-WAIT"], [], "sockets")
    daemon.down()
    daemon.check_gone()
    return f"{count} programs, {before} descriptors"


@live.case("a daemon killed by SIGKILL: clients end, the stale socket is known as such", quick=True)
def killed(lab):
    need("nc")
    wire = ethernet(lab)
    daemon = Daemon(lab, wire)
    daemon.up()
    sink = lab.start("nc", "-l", 9300, ns=wire.ns)
    lab.wait_listening(9300, wire.ns)
    pipe = daemon.attached("nc", wire.peer4, 9300, stdin=subprocess.PIPE)
    server = daemon.attached("serve", lab.dir)
    program = daemon.attached("run", sys.executable, "-m", "http.server", "8000")
    until(lambda: len(daemon.ss("-tl")) == 2 and of_state(daemon.ss("-t"), "ESTAB"), 10, "three clients")
    os.kill(daemon.pid, signal.SIGKILL)
    for process in (pipe, server, program):
        process.wait(5)
        check("the daemon 'default' has ended" in process.errors(), process.told())
    check(sink.is_running(), "nobody could tell the peer, and yet it knows")
    for command in (["ss", "default"], ["curl", "--attach", "default", "http://x/"], ["down", "default"]):
        process = daemon.tee(*command).check_exit(118)
        check("was killed, and only its socket is left; 'teeceepee up default'" in process.errors(),
              process.errors())
    check(os.path.exists(daemon.socket), "the stale socket is gone already")
    daemon.up()
    check_equal(daemon.ss("-a"), [], "sockets of the new daemon")
    check_equal(os.listdir(os.path.join(daemon.dir, "default.d")), [], "what the killed one left")
    daemon.down()
    daemon.check_gone()


def capture_request(lab, daemon):
    """A request as a client of this build makes it."""
    path = lab.path("fake.sock")
    fake = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fake.bind(path)
    fake.listen(1)
    fake.settimeout(10)
    client = daemon.tee("ss", path)
    connection, _ = fake.accept()
    request = connection.recv(65536)
    connection.close()
    client.check_exit(118)
    return request


def ask(daemon, request, fds=()):
    """(errno of the answer, its sentence), or None when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(5)
        client.connect(daemon.socket)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        client.sendmsg([request], rights)
        answer = client.recv(65536)
        if not answer:
            return None
        check_equal(client.recv(65536), b"", "the end of the connection")
        return int.from_bytes(answer[:4], sys.byteorder), answer[8:520].split(b"\0")[0].decode()


@live.case("clients that misbehave are refused, and hold up nobody")
def misbehaving(lab):
    daemon = Daemon(lab, live.Slirp(lab))
    daemon.up()
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    silent.connect(daemon.socket)
    request = capture_request(lab, daemon)
    before = descriptors(daemon.pid)
    null, kind_at = os.open("/dev/null", os.O_RDWR), 24

    def of_kind(kind):
        return request[:kind_at] + kind.to_bytes(4, sys.byteorder) + request[kind_at + 4:]

    for words, fds, part in ((b"x", (), "another version"), (request + b"x", (), "another version"),
                             (request[:-1], (), "another version"), (b"y" + request[1:], (), "another version"),
                             (of_kind(99), (null,), "makes no sense"), (of_kind(0), (), "makes no sense"),
                             (of_kind(0), (null, null, null), "no notifications"),
                             (of_kind(0), (silent.fileno(),), "no notifications"),
                             (of_kind(0)[:36].ljust(len(request), b"\xff"), (null,), "makes no sense")):
        answer = ask(daemon, words, fds)
        check(answer and answer[0] > 0 and part in answer[1], f"{part!r} was expected: {answer}")
    os.close(null)
    # Those who hang up at once, and a crowd that says nothing.
    for _ in range(50):
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(daemon.socket)
    crowd = []
    for _ in range(1100):
        crowd.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        crowd[-1].connect(daemon.socket)
    crowd[-1].settimeout(5)
    check(b"too many clients" in crowd[-1].recv(65536), "the last of the crowd was not refused")
    for each in crowd:
        each.close()
    check_equal(until(lambda: daemon.tee("ss", "--json").check_exit(0), 5, "an answer").output(),
                b'{"sockets":[]}\n', "sockets")
    # A client that stops reading has its answer or not, and the others have theirs.
    silent.settimeout(15)
    check_equal(silent.recv(100), b"", "the silent client's end")
    until(lambda: descriptors(daemon.pid) <= before, 5, f"descriptors to come down to {before}")
    with open(os.path.join(daemon.dir, "default.log"), encoding="utf-8") as log:
        check("is refused: " in log.read(), "the log says nothing of them")
    daemon.down()
    daemon.check_gone()


@live.case("another user's daemon refuses, and its socket can't be reached", quick=True)
def strangers(lab):
    nobody = servers.as_nobody(lab)
    daemon = Daemon(lab, live.Slirp(lab))
    daemon.up()
    os.chmod(daemon.runtime, 0o755)

    def attach():
        return lab.start(*nobody, lab.program, "curl", "--attach", daemon.socket, "http://x/").check_exit(118)

    process = attach()
    check("belongs to another user" in process.errors(), process.errors())
    # Even when somebody opens the way.
    os.chmod(daemon.dir, 0o755)
    os.chmod(daemon.socket, 0o777)
    process = attach()
    check("this daemon belongs to another user (uid 0)" in process.errors(), process.errors())
    os.chmod(daemon.dir, 0o700)
    daemon.down()
    daemon.check_gone()


@live.case("root sees and ends a user's daemon, which can't serve root's programs", quick=True)
def root(lab):
    nobody = servers.as_nobody(lab)
    runtime = lab.path("theirs")
    os.mkdir(runtime, 0o700)
    os.chown(runtime, 65534, 65534)
    env = {**os.environ, "XDG_RUNTIME_DIR": runtime}
    process = lab.start(*nobody, lab.program, "up", env=env).check_exit(0)
    pid = int(re.search(rb"pid (\d+)", process.output()).group(1))
    path = os.path.join(runtime, "teeceepee", "default.sock")
    lab.start(*nobody, lab.program, "run", "--attach", "default", "true", env=env).check_exit(0)
    lab.tee("ss", path).check_exit(0)
    process = lab.tee("run", "--attach", path, "true").check_exit(125)
    check("user 65534, whose the daemon is, may not look into the program" in process.errors(),
          process.errors())
    process = lab.tee("curl", "--attach", path, "http://10.0.2.2/").check_exit(118)
    check("may not look into" in process.errors(), process.errors())
    lab.tee("down", path).check_exit(0)
    check(not is_alive(pid) and os.listdir(runtime) == [], f"left behind: {os.listdir(runtime)}")


@live.case("the link goes away: programs are told, nothing is left", quick=True)
def linkless(lab):
    wire = ethernet(lab)
    daemon = Daemon(lab, wire)
    daemon.up()
    pipe = daemon.attached("nc", "-l", 9600, stdin=subprocess.PIPE)
    until(lambda: daemon.ss("-tl"), 10, "nc to listen")
    lab.ip("link", "del", wire.device)
    pipe.wait(5)
    check("the daemon 'default' has ended" in pipe.errors(), pipe.told())
    until(lambda: not daemon.is_running(), 5, "the daemon to end")
    daemon.check_gone()


@live.case("ss --watch looks again and again, until the daemon ends", quick=True)
def watching(lab):
    daemon = Daemon(lab, live.Slirp(lab))
    daemon.up()
    watch = daemon.tee("ss", "-tuan", "--watch=0.05")
    until(lambda: watch.output().count(b"Netid") >= 3, 10, "three looks")
    program = daemon.attached("run", sys.executable, "-c",
                              "import socket, time; s = socket.socket(2, 2); s.bind(('', 5353)); time.sleep(20)")
    until(lambda: b"UNCONN" in watch.output() and b":5353" in watch.output(), 10, "a new socket to appear")
    six = daemon.attached("run", sys.executable, "-c",
                          "import socket, time; s = socket.socket(10, 1); s.setsockopt(41, 26, 1);"
                          "s.bind(('::', 53)); s.listen(); time.sleep(20)")
    until(lambda: daemon.ss("-tl"), 10, "a listener")
    check_equal(daemon.ss("-tl")[0]["local"], "[::]:53", "a listener of IPv6 only")
    six.signal(signal.SIGTERM)
    row, = daemon.ss("-ulp")
    check_equal((row["netid"], row["local"]), ("udp", "0.0.0.0:5353"), "the datagram socket")
    program.signal(signal.SIGTERM)
    program.check_exit(-signal.SIGTERM)
    daemon.down()
    watch.check_exit(118, 5)


if __name__ == "__main__":
    live.main(jobs=3)
