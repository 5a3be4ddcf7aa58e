#!/usr/bin/env python3
"""`teeceepee serve` with clients that we did not write: wrk and ab for a crowd, curl for the manners.

The crowd is 1,000 connections at once for ten seconds from the kernel's TCP. wrk compares each
answer's bytes with the file; ab compares lengths."""

import os
import re
import resource
import subprocess

import lab as live
import servers
from lab import check, check_equal

PORT = 8080

# Each thread counts answers that differ from the file in argument 1; done() prints the sum.
WRK_SCRIPT = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args)
    local file = io.open(args[1], "rb")
    want = file:read("*a")
    file:close()
    wrong = 0
end
function response(status, headers, body)
    if status ~= 200 or body ~= want then wrong = wrong + 1 end
end
function done(summary, latency, requests)
    local sum = 0
    for _, thread in ipairs(threads) do sum = sum + thread:get("wrong") end
    io.write(string.format("RESULT requests=%d wrong=%d connect=%d read=%d write=%d status=%d timeout=%d\\n",
        summary.requests, sum, summary.errors.connect, summary.errors.read, summary.errors.write,
        summary.errors.status, summary.errors.timeout))
end
"""


def many_files():
    """Words that let the command after them hold thousands of connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 4096:
        raise live.Skip(f"this user may open {hard} files only")
    return ["prlimit", "--nofile=4096:4096", "--"]


def start_serving(lab, wire, root, *words, families=4):
    options = wire.options(families) if families in (4, 6) else words
    server = lab.tee("serve", *options, "--port", PORT, root)
    lab.wait_answering(wire, families)
    return server


def crowd_by_wrk(lab, wire, family):
    live.need("wrk", "prlimit")
    root = lab.path("www")
    os.mkdir(root)
    live.random_file(f"{root}/page.bin", 10000)
    script = lab.path("check.lua")
    with open(script, "w", encoding="utf-8") as out:
        out.write(WRK_SCRIPT)
    server = start_serving(lab, wire, root, families=family)
    connections, seconds = (50, 2) if lab.quick else (1000, 10)
    wrk = lab.start(*many_files(), "wrk", "-t2", f"-c{connections}", f"-d{seconds}s",
                    "--timeout", "10s", "-s", script, wire.own_url(family, "/page.bin", PORT),
                    "--", f"{root}/page.bin", ns=wire.ns)
    wrk.check_exit(0, seconds + 30)
    found = re.search(rb"RESULT (.*)", wrk.output())
    check(found, f"wrk told no result: {wrk.output()!r}")
    result = {key: int(value) for key, value in
              (word.split("=") for word in found.group(1).decode().split())}
    requests = result.pop("requests")
    check(not any(result.values()), f"errors: {result} in {requests} requests; {server.errors()}")
    check(requests >= connections, f"only {requests} requests were answered")
    check(server.is_running(), f"the server ended: {server.told()}")
    return f"{requests} requests in {seconds} s over {connections} connections"


@live.case("1,000 connections of wrk for 10 s, tap, IPv4", quick=True)
def wrk_tap(lab):
    return crowd_by_wrk(lab, live.Tap(lab), 4)


@live.case("1,000 connections of wrk for 10 s, packet, IPv6")
def wrk_packet(lab):
    return crowd_by_wrk(lab, live.Packet(lab), 6)


@live.case("1,000 connections of ab, a connection each request, packet, IPv4")
def ab_packet(lab):
    live.need("ab", "prlimit")
    wire = live.Packet(lab)
    root, _ = servers.pages(lab)
    start_serving(lab, wire, root)
    # ab comes from one address: let the kernel use its ports again.
    lab.sysctl("net.ipv4.tcp_tw_reuse", 1, ns=wire.ns)
    ab = lab.start(*many_files(), "ab", "-q", "-r", "-c", 1000, "-n", 10000, "-s", 10,
                   wire.own_url(4, "/hello.txt", PORT), ns=wire.ns)
    ab.check_exit(0, 60)
    text = ab.output().decode()
    for name, want in (("Complete requests", "10000"), ("Failed requests", "0")):
        got = re.search(rf"{name}:\s+(\d+)", text)
        check(got and got.group(1) == want, f"{name}: want {want}: {text}")
    check("Non-2xx" not in text, text)
    return re.search(r"Requests per second:\s+([\d.]+)", text).group(1) + " connections/s"


def manners(lab):
    """A served tree with a secret beside it; returns a function that asks by the real curl."""
    live.need("curl")
    wire = live.Tap(lab)
    root, bodies = servers.pages(lab)
    os.mkdir(f"{root}/sub dir")
    for name, text in (("index.html", "<p>index</p>"), ("a b&c.txt", "odd name")):
        with open(f"{root}/sub dir/{name}", "w", encoding="utf-8") as out:
            out.write(text)
    with open(lab.path("secret.txt"), "w", encoding="utf-8") as out:
        out.write("SECRET")
    os.symlink(lab.path("secret.txt"), f"{root}/way-out.txt")
    os.symlink("..", f"{root}/way-up")
    start_serving(lab, wire, root)

    def ask(path, *words):
        """(status, head, body)"""
        done = subprocess.run(
            lab.inside(wire.ns) + ["curl", "-sS", "--path-as-is", "-i", "--max-time", "10", *words,
                                   wire.own_url(4, path, PORT)],
            stdin=subprocess.DEVNULL, capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.split(b" ")[1] == b"100":
            head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict((name.lower(), value) for name, value in
                      (line.split(": ", 1) for line in lines[1:]))
        return int(lines[0].split(" ")[1]), fields, body

    return ask, bodies, root


@live.case("files, types, listings, HEAD", quick=True)
def pages(lab):
    ask, bodies, _ = manners(lab)
    for number, want in enumerate(bodies):
        status, _, body = ask(f"/{number}.bin")
        check(status == 200 and body == want, f"page {number}")
    status, fields, body = ask("/hello.txt")
    check(status == 200 and body == b"hello over teeceepee\n", f"hello.txt: {status} {body!r}")
    check(fields["content-type"].startswith("text/plain"), f"type of a text: {fields}")
    status, fields, body = ask("/")
    check(status == 200 and b"hello.txt" in body and b"sub%20dir" in body, f"listing: {body!r}")
    check(fields["content-type"].startswith("text/html"), f"type of a listing: {fields}")
    status, fields, _ = ask("/sub%20dir")
    check(status in (301, 302, 307, 308) and fields["location"].endswith("/sub%20dir/"),
          f"a directory without its slash: {status} {fields}")
    status, _, body = ask("/sub%20dir/")
    check(status == 200 and b"<p>index</p>" in body, f"index.html stands for its directory: {body!r}")
    status, _, body = ask("/sub%20dir/a%20b%26c.txt")
    check(status == 200 and body == b"odd name", f"a name with odd characters: {status} {body!r}")
    status, fields, body = ask("/0.bin", "-I")
    check_equal((status, fields["content-length"], body), (200, str(len(bodies[0])), b""), "HEAD")


@live.case("ranges", quick=True)
def ranges(lab):
    ask, bodies, _ = manners(lab)
    page, size = bodies[0], len(bodies[0])
    for words, first, last in (("0-0", 0, 0), ("10-19", 10, 19), ("99000-", 99000, size - 1),
                               ("-5", size - 5, size - 1), (f"5-{size + 50}", 5, size - 1)):
        status, fields, body = ask("/0.bin", "-r", words)
        check_equal((status, fields.get("content-range"), body == page[first:last + 1]),
                    (206, f"bytes {first}-{last}/{size}", True), f"range {words}")
    status, fields, _ = ask("/0.bin", "-r", f"{size}-")
    check_equal((status, fields.get("content-range")), (416, f"bytes */{size}"), "range past the end")
    status, _, body = ask("/0.bin", "-H", "Range: lines=1-2")
    check(status == 200 and body == page, "an unknown unit is passed over (RFC 9110 14.2)")


@live.case("errors, and no way out of the directory", quick=True)
def walls(lab):
    ask, _, root = manners(lab)
    secret = os.path.relpath(lab.path("secret.txt"), root)
    for path in (f"/{secret}", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/sub%20dir/../../secret.txt",
                 "/way-out.txt", "/way-up/secret.txt", "//etc/passwd", "/....//secret.txt",
                 "/%252e%252e/secret.txt", "/..%5csecret.txt", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd"):
        status, _, body = ask(path)
        check(status in (400, 403, 404), f"{path} gave {status}")
        check(b"SECRET" not in body and b"root:" not in body, f"{path} leads outside")
    for path, words, want in (("/none.txt", [], (404,)), ("/a%00b", [], (400, 404)),
                              ("/hello.txt", ["-d", "x=1"], (405,)),
                              ("/hello.txt", ["-X", "DELETE"], (405,)),
                              ("/hello.txt/", [], (404,)), ("/" + "x" * 5000, [], (404, 414))):
        status, fields, _ = ask(path, *words)
        check(status in want, f"{path[:40]} {words}: {status}, want one of {want}")
        if status == 405:
            check("GET" in fields.get("allow", ""), f"405 tells what is allowed: {fields}")


# Several requests in one piece, a body among them, one cut into single bytes, and a bad one at the end.
PIPELINE = """
import socket, sys, time
def conversation(requests, piece):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(0, len(requests), piece):
        s.sendall(requests[at:at + piece])
    came = b""
    while True:
        more = s.recv(65536)
        if not more:
            break
        came += more
    return came
get = b"GET /hello.txt HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
post = b"POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 30\\r\\n\\r\\n" + b"GET / HTTP/1.1\\r\\n\\r\\n".ljust(30)
large = b"GET /0.bin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
last = b"GET /hello.txt HTTP/1.0\\r\\n\\r\\n"
bad = b"GET / HTTP/1.1\\r\\nHost : a\\r\\n\\r\\n"
def words(came):
    return [int(part[:3]) for part in came.split(b"HTTP/1.1 ")[1:]]
for piece in (1 << 20, 1, 7):
    for requests, want in ((get * 50 + post + get + large + last, [200] * 50 + [405, 200, 200, 200]),
                           (get + bad + get, [200, 400])):
        came = conversation(requests, piece)
        assert words(came) == want, (piece, words(came))
        if want[-1] == 200:
            assert came.endswith(b"hello over teeceepee\\n") and came.count(b"hello over") == 52, came[-200:]
"""


@live.case("requests in a row, in pieces, and with bodies nobody asked for", quick=True)
def pipelines(lab):
    wire = live.Tap(lab)
    root, _ = servers.pages(lab)
    start_serving(lab, wire, root)
    lab.start("python3", "-c", PIPELINE, wire.own4, PORT, ns=wire.ns).check_exit(0, 30)


SLOW_WRITER = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
""" + servers.ENDLESS_REQUEST


@live.case("a request that never ends", quick=True)
def never_ending(lab):
    wire = live.Tap(lab)
    root, _ = servers.pages(lab)
    lab.tee("serve", *wire.options(4), "--port", PORT, "--idle", 2, root)
    lab.wait_answering(wire, 4)
    writer = lab.start("python3", "-c", SLOW_WRITER, wire.own4, PORT, ns=wire.ns)
    writer.check_exit(0, 40)
    seconds = float(writer.output())
    check(1.9 <= seconds <= 10, f"the connection was let for {seconds:.0f} s")


# Reads a little, says so, waits for a byte, and reads on: prints how much came, and how it ended.
SLOW_READER = """
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
s.connect((sys.argv[1], int(sys.argv[2])))
s.sendall(b"GET /big.bin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
got = len(s.recv(10000))
print("began", flush=True)
sys.stdin.read(1)
end = "closed"
try:
    while True:
        more = s.recv(1 << 20)
        if not more:
            break
        got += len(more)
except ConnectionResetError:
    end = "reset"
print(got, end)
"""


def cut_short(lab, wire, size):
    """A file is cut while it is sent: that client is reset, and the server goes on."""
    root, _ = servers.pages(lab)
    live.random_file(f"{root}/big.bin", size)
    server = start_serving(lab, wire, root)
    reader = lab.start("python3", "-c", SLOW_READER, wire.own4, PORT, ns=wire.ns,
                       stdin=subprocess.PIPE)
    live.until(lambda: b"began" in reader.output(), 10, "the first bytes")
    os.truncate(f"{root}/big.bin", 1000)
    reader.stdin.write(b"x")
    reader.stdin.close()
    reader.check_exit(0, 30)
    words = reader.output().split()
    check(words[2] == b"reset" and int(words[1]) < size, f"how it ended: {words}")
    check(server.is_running(), f"the server ended: {server.told()}")
    done = subprocess.run(lab.inside(wire.ns) + ["curl", "-sS", "--max-time", "10",
                                                 wire.own_url(4, "/big.bin", PORT)],
                          stdin=subprocess.DEVNULL, capture_output=True, check=True)
    check_equal(len(done.stdout), 1000, "the file as it is now")


@live.case("a file that is cut short while it is sent, tap", quick=True)
def cut_short_tap(lab):
    cut_short(lab, live.Tap(lab), 50 << 20)


@live.case("a file that is cut short while it is sent, our checksums", quick=True)
def cut_short_checksums(lab):
    wire = live.Tap(lab)
    wire.link += ",offload=0"
    cut_short(lab, wire, 50 << 20)


def by_threads(lab, wire, family):
    told = servers.serve_by_threads(lab, wire, family)
    return f"connections of each thread: {servers.counters_named(told, 'tcp.passive_opens')}"


@live.case("two threads, tap, IPv4", quick=True)
def threads_tap4(lab):
    return by_threads(lab, live.Tap(lab, queues=2), 4)


@live.case("two threads, tap, IPv6")
def threads_tap6(lab):
    return by_threads(lab, live.Tap(lab, queues=2), 6)


@live.case("two threads, packet, IPv4")
def threads_packet4(lab):
    return by_threads(lab, live.Packet(lab), 4)


@live.case("two threads, packet, IPv6", quick=True)
def threads_packet6(lab):
    return by_threads(lab, live.Packet(lab), 6)


@live.case("threads where there are no queues")
def threads_refused(lab):
    root, _ = servers.pages(lab)
    for link, word in (("slirp", "tap:NAME"), (live.Tap(lab).link, "multi_queue")):
        process = lab.tee("serve", "--link", link, "--ip", "10.1.1.1/24", "--threads", 2, root)
        check(process.wait(10) != 0, "threads without queues were accepted")
        check(word in process.errors(), f"what it says: {process.errors()}")


@live.case("serve over slirp, through a forwarded port")
def over_slirp(lab):
    root, bodies = servers.pages(lab)
    wire = live.Slirp(lab)
    port = lab.port()
    lab.tee("serve", *wire.forwarding(port), "--port", port, root)
    lab.wait_listening(port)
    done = subprocess.run([*lab.inside(), "curl", "-sS", "--retry", "5", "--retry-all-errors", "--max-time", "15",
                           f"http://127.0.0.1:{port}/4.bin"], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)
    check(done.stdout == bodies[4], f"the page differs; curl said: {done.stderr.decode()}")


if __name__ == "__main__":
    live.main()
