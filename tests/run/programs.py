#!/usr/bin/env python3
"""Twelve programs that know nothing of us, on our stack: each as a client and as a server, over slirp and
over a TAP. The other side is the same program, or its like, on the kernel's own TCP.

    programs.py build/src/teeceepee [CASE…]

A program that isn't installed is skipped, and counted as such. A server under `run` is reached by its
own address over a TAP, and by a published port over slirp.
"""

import getpass
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "live"))

import lab as live  # noqa: E402
import servers  # noqa: E402
from lab import Skip, check, check_equal, need, until  # noqa: E402



def tap(lab):
    """One that an ordinary user may open, as PostgreSQL insists on being."""
    return live.Tap(lab, user="nobody")


WIRES = (("slirp", live.Slirp), ("tap", tap))


def run(lab, wire, *words, options=()):
    return lab.tee("run", *wire.options(), *options, *words)


class Server:
    """A program that serves PORT under `run`; `at` is where the kernel's side finds it."""

    def __init__(self, lab, wire, port, *words):
        self.lab, self.wire = lab, wire
        self.port = lab.port() if wire.name == "slirp" else port
        options = ("--publish", f"{self.port}:{port}") if wire.name == "slirp" else ()
        self.process = run(lab, wire, *words, options=options)
        self.host = wire.ours(4)
        self.at = f"{self.host}:{self.port}"
        until(self.answers, 20, f"an answer of {words[0]}", 0.1)

    def answers(self):
        check(self.process.is_running(), f"the server ended: {self.process.told()}")
        return subprocess.run(
            self.lab.inside(self.wire.ns) + [sys.executable, "-c", "import socket, sys; s = socket."
             "create_connection((sys.argv[1], int(sys.argv[2])), 1); s.settimeout(0.2)\n"
             "try: sys.exit(s.recv(1) == b'')\nexcept TimeoutError: pass", self.host, str(self.port)],
            stderr=subprocess.DEVNULL, check=False).returncode == 0

    def ask(self, *words, timeout_s=40):
        """A command of the kernel's side."""
        return self.lab.command(*words, ns=self.wire.ns, timeout_s=timeout_s)


def program(name, *needs):
    """Registers a case for each wire."""
    def register(function):
        for kind, make_wire in WIRES:
            @live.case(f"{name}, {kind}")
            def played(lab, make=make_wire):
                need(*needs)
                return function(lab, make(lab))
        return function
    return register


def output(lab, wire, *words, options=(), timeout_s=60):
    return run(lab, wire, *words, options=options).check_exit(0, timeout_s).output()


# ---- 1 and 2: curl, wget


@program("curl: https and HTTP/2, a thousand pages", "curl", "nginx", "openssl")
def curl(lab, wire):
    authority = servers.certificate_authority(lab)
    _, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns, tls=servers.certificate(lab, authority, [], [wire.at(4)]))
    secure = ["curl", "-sSf", "--cacert", authority[0]]
    for version in ("--http1.1", "--http2"):
        check(output(lab, wire, *secure, version, wire.url(4, "/4.bin", "https", 443)) == bodies[4],
              f"the page by {version} differs")
    many = output(lab, wire, "curl", "-sSf", wire.url(4, "/fresh/3.bin?[1-1000]"))
    check(many == bodies[3] * 1000, "a thousand pages differ")


@program("wget: a directory, recursively", "wget", "nginx")
def wget(lab, wire):
    _, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns)
    output(lab, wire, "wget", "-q", "-r", "-np", "-nH", "-P", lab.path("got"), wire.url(4, "/"))
    for number, body in enumerate(bodies):
        with open(lab.path(f"got/{number}.bin"), "rb") as file:
            check(file.read() == body, f"page {number} differs")


# ---- 3: nginx


@program("nginx: four workers under wrk", "nginx", "wrk", "curl")
def nginx(lab, wire):
    _, bodies = servers.pages(lab)
    server = Server(lab, wire, 8080, *servers.nginx_of_workers(lab, 4))
    told = server.ask("wrk", "-t2", "-c64", "-d3", f"http://{server.at}/hello.txt")
    check("Socket errors" not in told and "Non-2xx" not in told, told)
    page = subprocess.run(lab.inside(wire.ns) + ["curl", "-sS", f"http://{server.at}/9.bin"],
                          capture_output=True, check=True).stdout
    check(page == bodies[9], "a page differs")
    return re.search(r"Requests/sec:\s*(\S+)", told).group(1) + " requests/s"


# ---- 4: redis


@program("redis: server and benchmark", "redis-server", "redis-benchmark")
def redis(lab, wire):
    words = ["redis-server", "--save", "", "--protected-mode", "no", "--bind", "0.0.0.0", "--port"]
    bench = ["redis-benchmark", "-n", "20000", "-q", "-c", "50", "-t", "set,get", "-h"]
    port = lab.port()
    lab.start(*words, port, ns=wire.ns)
    lab.wait_listening(port, wire.ns)
    ours = output(lab, wire, *bench, wire.at(4), "-p", port).decode().replace("\r", "\n")
    server = Server(lab, wire, 6379, *words, "6379")
    told = server.ask(*bench, server.host, "-p", server.port).replace("\r", "\n")
    rates = [re.search(r"GET: (\d+)\S* requests per second", text) for text in (told, ours)]
    check(all(rates), told + ours)
    return " and ".join(rate.group(1) for rate in rates) + " GET/s as server and as client"


# ---- 5: iperf3


@program("iperf3: both ways, TCP and UDP", "iperf3")
def iperf3(lab, wire):
    notes = []
    for words in ([], ["-R"], ["-u", "-b", "50M"]):
        port = lab.port()
        lab.start("iperf3", "-s", "-1", "-p", port, ns=wire.ns)
        lab.wait_listening(port, wire.ns)
        told = output(lab, wire, "iperf3", "-c", wire.at(4), "-p", port, "-t", "1", *words).decode()
        rates = re.findall(r"([\d.]+ [MG]bits/sec).*(?:receiver|sender)", told)
        check(rates, told)
        notes.append(rates[-1])
    server = Server(lab, wire, 5201, "iperf3", "-s", "-B", "0.0.0.0")
    for words in ([], ["-R"]):
        told = server.ask("iperf3", "-c", server.host, "-p", server.port, "-t", "1", *words)
        rates = re.findall(r"([\d.]+ [MG]bits/sec).*receiver", told)
        check(rates, told)
        notes.append(rates[-1] + " of its server")
    return ", ".join(notes)


# ---- 6: python

ASYNCIO = """
import asyncio, sys
async def one(host, port):
    r, w = await asyncio.open_connection(host, port)
    w.write(b"GET /hello.txt HTTP/1.0\\r\\n\\r\\n"); await w.drain()
    text = await r.read(); w.close(); await w.wait_closed()
    return text.endswith(b"hello over teeceepee\\n")
async def main():
    got = await asyncio.gather(*(one(sys.argv[1], int(sys.argv[2])) for _ in range(200)))
    print(sum(got))
asyncio.run(main())
"""


@program("python: asyncio client, http.server", "nginx", "curl")
def python(lab, wire):
    root, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns)
    check_equal(output(lab, wire, sys.executable, "-c", ASYNCIO, wire.at(4), "80"), b"200\n",
                "pages that asyncio got")
    server = Server(lab, wire, 8000, sys.executable, "-m", "http.server", "-d", root, "8000")
    for number in range(20):
        got = subprocess.run(lab.inside(wire.ns) + ["curl", "-sS", f"http://{server.at}/{number % 10}.bin"],
                             capture_output=True, check=True).stdout
        check(got == bodies[number % 10], f"page {number} differs")


# ---- 7: node

NODE_CLIENT = """
(async () => { let n = 0;
for (let i = 0; i < 50; i++) { const r = await fetch(process.argv[1]); n += (await r.arrayBuffer()).byteLength; }
console.log(n); process.exit(0); })();
"""
NODE_SERVER = "require('http').createServer((q, a) => a.end('node ' + q.url)).listen(8000, '0.0.0.0')"


@program("node: fetch, http server", "node", "nginx", "wrk", "curl")
def node(lab, wire):
    _, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns)
    got = output(lab, wire, "node", "-e", NODE_CLIENT, wire.url(4, "/1.bin"))
    check_equal(int(got), 50 * len(bodies[1]), "bytes that fetch() got")
    server = Server(lab, wire, 8000, "node", "-e", NODE_SERVER)
    check_equal(server.ask("curl", "-sS", f"http://{server.at}/x"), "node /x", "page")
    told = server.ask("wrk", "-t1", "-c32", "-d2", f"http://{server.at}/")
    check("Socket errors" not in told, told)
    return re.search(r"Requests/sec:\s*(\S+)", told).group(1) + " requests/s"


# ---- 8: git


@program("git: clone over http, and from git's own server", "git", "nginx")
def git(lab, wire):
    root, _ = servers.pages(lab)
    work = lab.path("work")
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    lab.command("git", *author, "init", "-q", work)
    for number in range(3):
        live.random_file(f"{work}/{number}", 300000)
        lab.command("git", "-C", work, "add", ".")
        lab.command("git", "-C", work, *author, "commit", "-q", "-m", f"commit {number}")
    lab.command("git", "clone", "-q", "--bare", work, f"{root}/r.git")
    lab.command("git", "-C", f"{root}/r.git", "update-server-info")
    servers.nginx(lab, ns=wire.ns)
    output(lab, wire, "git", "clone", "-q", wire.url(4, "/r.git"), lab.path("clone"))
    lab.command("diff", "-r", "-x", ".git", work, lab.path("clone"))
    server = Server(lab, wire, 9418, "git", "daemon", "--export-all", f"--base-path={root}", "--reuseaddr")
    server.ask("git", "clone", "-q", f"git://{server.at}/r.git", lab.path("clone2"))
    lab.command("diff", "-r", "-x", ".git", work, lab.path("clone2"))


# ---- 9: ssh


@program("ssh and scp, and sshd", "ssh", "scp", "ssh-keygen", "/usr/sbin/sshd")
def ssh(lab, wire):
    home, port = lab.path("ssh"), lab.port()
    os.mkdir(home, 0o700)
    os.makedirs("/run/sshd", exist_ok=True)
    for key in ("host", "user"):
        lab.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{home}/{key}")
    with open(f"{home}/conf", "w", encoding="utf-8") as file:
        file.write(f"HostKey {home}/host\nAuthorizedKeysFile {home}/user.pub\nStrictModes no\nUsePAM no\n"
                   f"PidFile none\nSubsystem sftp internal-sftp\n")
    daemon = ["/usr/sbin/sshd", "-D", "-e", "-f", f"{home}/conf"]
    common = ["-i", f"{home}/user", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
              "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    who = getpass.getuser()
    digest = live.random_file(lab.path("big"), 20 << 20)
    lab.start(*daemon, "-p", port, ns=wire.ns)
    lab.wait_listening(port, wire.ns)
    got = output(lab, wire, "ssh", *common, "-p", port, f"{who}@{wire.at(4)}", "echo over ssh")
    check_equal(got, b"over ssh\n", "what ssh said")
    output(lab, wire, "scp", "-q", *common, "-P", port, f"{who}@{wire.at(4)}:{lab.path('big')}",
           lab.path("down"))
    output(lab, wire, "scp", "-q", *common, "-P", port, lab.path("down"),
           f"{who}@{wire.at(4)}:{lab.path('up')}")
    check(lab.command("sha256sum", lab.path("up")).startswith(digest), "the file that scp took differs")
    server = Server(lab, wire, 2222, *daemon, "-p", "2222")
    got = server.ask("ssh", *common, "-p", server.port, f"{who}@{server.host}", "echo from sshd")
    check_equal(got, "from sshd\n", "what sshd's shell said")


# ---- 10: psql


def postgres_programs():
    for place in [shutil.which("initdb") and os.path.dirname(shutil.which("initdb")),
                  *(f"/usr/lib/postgresql/{version}/bin" for version in range(30, 9, -1))]:
        if place and os.path.exists(f"{place}/initdb"):
            return place
    raise Skip("PostgreSQL is not installed")


@program("psql, and a PostgreSQL server", "psql", "setpriv")
def psql(lab, wire):
    place = postgres_programs()
    # (PostgreSQL refuses to run as root)
    user = servers.as_nobody(lab) if os.getuid() == 0 else []
    data = lab.path("data")
    lab.command(*user, f"{place}/initdb", "-D", data, "-U", "me", "-A", "trust", timeout_s=60)
    with open(f"{data}/pg_hba.conf", "a", encoding="utf-8") as file:
        file.write("host all all 0.0.0.0/0 trust\n")
    query = ["-U", "me", "-d", "postgres", "-At", "-c",
             "select count(*), sum(length(repeat('x', i))) from generate_series(1, 2000) i"]
    want = "2000|2001000\n"
    port = lab.port()
    serve = [f"{place}/postgres", "-D", data, "-k", lab.dir, "-h", "0.0.0.0", "-p"]
    native = lab.start(*user, *serve, port, ns=wire.ns)
    lab.wait_listening(port, wire.ns)
    until(lambda: "ready to accept" in native.errors(), 20, "PostgreSQL")
    got = output(lab, wire, "psql", "-h", wire.at(4), "-p", port, *query).decode()
    check_equal(got, want, "what psql said")
    native.signal(2)
    native.wait()
    if wire.name == "slirp":
        public, opener = lab.port(), []
        options = [*wire.options(), "--publish", f"{public}:5432"]
    else:
        # Often only root may open /dev/net/tun, and PostgreSQL won't be root.
        public, opener = 5432, servers.with_tap_open(wire.device)
        options = ["--link", "tap:fd=FD", *wire.options()[2:]]
    server = lab.start(*opener, *user, lab.program, "run", *options, *serve, "5432")

    def is_ready():
        check(server.is_running(), f"the server ended: {server.told()}")
        return "ready to accept" in server.errors()

    until(is_ready, 20, "PostgreSQL")
    got = lab.command("psql", "-h", wire.ours(4), "-p", public, *query, ns=wire.ns)
    check_equal(got, want, "what psql said to our server")


# ---- 11: Go, 12: musl

GO = """package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
	if os.Args[1] == "serve" {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "go") })
		fmt.Println(http.ListenAndServe(os.Args[2], nil))
		os.Exit(1)
	}
	n := 0
	for i := 0; i < 50; i++ {
		r, err := http.Get(os.Args[1])
		if err != nil { fmt.Println(err); os.Exit(1) }
		b, _ := io.ReadAll(r.Body)
		n += len(b)
	}
	fmt.Print(n)
}
"""

MUSL = """
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found;
	char bytes[4096];
	long count, total = 0;
	int s, one = 1;
	hints.ai_flags = argc == 3 ? 0 : AI_PASSIVE;
	if (argc < 3 || getaddrinfo(argc == 3 ? argv[1] : NULL, argv[2], &hints, &found))
		return 2;
	s = socket(found->ai_family, SOCK_STREAM, 0);
	if (argc == 3) {
		if (connect(s, found->ai_addr, found->ai_addrlen))
			return 3;
		dprintf(s, "GET /1.bin HTTP/1.0\\r\\n\\r\\n");
		while ((count = read(s, bytes, sizeof(bytes))) > 0)
			total += count;
		printf("%ld", total);
		return count < 0;
	}
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, found->ai_addr, found->ai_addrlen) || listen(s, 16))
		return 4;
	for (;;) {
		int c = accept(s, NULL, NULL);
		while ((count = read(c, bytes, sizeof(bytes))) > 0)
			if (write(c, bytes, count) != count)
				break;
		close(c);
	}
}
"""


@program("Go: a static client and server", "go", "nginx", "curl")
def go(lab, wire):
    _, bodies = servers.pages(lab)
    binary = os.path.join(lab.root, "go-program")
    if not os.path.exists(binary):
        with open(lab.path("main.go"), "w", encoding="utf-8") as file:
            file.write(GO)
        lab.command("env", "CGO_ENABLED=0", "GO111MODULE=off", f"GOCACHE={lab.root}/gocache", "go", "build",
                    "-o", binary, lab.path("main.go"), timeout_s=300)
    servers.nginx(lab, ns=wire.ns)
    got = output(lab, wire, binary, wire.url(4, "/2.bin"))
    check_equal(int(got), 50 * len(bodies[2]), "bytes that Go got")
    server = Server(lab, wire, 8000, binary, "serve", "0.0.0.0:8000")
    check_equal(server.ask("curl", "-sS", f"http://{server.at}/"), "go", "page")


@program("musl: a static client and server", "musl-gcc", "nginx")
def musl(lab, wire):
    _, bodies = servers.pages(lab)
    with open(lab.path("m.c"), "w", encoding="utf-8") as file:
        file.write(MUSL)
    lab.command("musl-gcc", "-static", "-o", lab.path("m"), lab.path("m.c"))
    servers.nginx(lab, ns=wire.ns)
    got = int(output(lab, wire, lab.path("m"), wire.at(4), "80"))
    check(got > len(bodies[1]), f"{got} bytes came")
    server = Server(lab, wire, 7000, lab.path("m"), "serve", "7000", "x")
    client = ("import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])));"
              "s.sendall(b'echo'); s.shutdown(1); print(s.recv(10))")
    check_equal(server.ask(sys.executable, "-c", client, server.host, server.port), "b'echo'\n", "echo")


if __name__ == "__main__":
    live.main(jobs=1)
