#!/usr/bin/env python3
"""What curl's users expect of `teeceepee curl`, against nginx: https with its certificate checked,
HTTP/2, redirects, methods, headers, files, resumption, and curl's exit codes."""

import hashlib
import os
import subprocess

import lab as live
import servers
from lab import check, check_equal

PEERS = ("10.0.2.2", "fd00::2")


def secure_server(lab, wire):
    """nginx with a certificate of a new authority; returns the path of the authority's."""
    authority = servers.certificate_authority(lab)
    names = sorted({wire.peer4, wire.peer6, *PEERS})
    servers.nginx(lab, ns=wire.ns, tls=servers.certificate(lab, authority, ["www.test"], names))
    return authority[0]


def fetch(lab, wire, family, *words, code=0, timeout_s=20):
    process = lab.tee("curl", *wire.options(family), "-sS", *words)
    process.check_exit(code, timeout_s)
    return process


for kind in (live.Slirp, live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"https and HTTP/2, certificate checked, {kind.name}, IPv{address_family}",
                   quick=True)
        def https(lab, make=kind, family=address_family):
            wire = make(lab)
            authority = secure_server(lab, wire)
            url = wire.url(family, "/proto", "https", 443)
            got = fetch(lab, wire, family, "--cacert", authority, url).output()
            check_equal(got, b"HTTP/2.0", "the protocol that nginx saw")


@live.case("a certificate of an authority that is not trusted: exit code 60", quick=True)
def wrong_authority(lab):
    wire = live.Tap(lab)
    secure_server(lab, wire)
    stranger, _ = servers.certificate_authority(lab, "stranger")
    url = wire.url(4, "/hello.txt", "https", 443)
    for words in (["--cacert", stranger], []):
        refused = fetch(lab, wire, 4, *words, url, code=60)
        check_equal(refused.output(), b"", "what was printed of a page that can't be trusted")
        check("certificate" in refused.errors(), f"no word of the certificate: {refused.errors()}")
    got = fetch(lab, wire, 4, "-k", url).output()
    check_equal(got, b"hello over teeceepee\n", "the page with -k")


@live.case("a certificate of another name: exit code 60")
def wrong_name(lab):
    wire = live.Tap(lab)
    authority = servers.certificate_authority(lab)
    servers.nginx(lab, ns=wire.ns, tls=servers.certificate(lab, authority, ["else.test"], []))
    fetch(lab, wire, 4, "--cacert", authority[0], wire.url(4, "/hello.txt", "https", 443), code=60)


@live.case("100 MiB by HTTP/2 over TLS, equal SHA-256")
def big_https(lab):
    wire = live.Packet(lab)
    authority = secure_server(lab, wire)
    want = live.random_file(os.path.join(lab.path("www"), "big.bin"), 100 << 20)
    process = lab.tee("curl", *wire.options(6), "-sS", "--cacert", authority,
                      wire.url(6, "/big.bin", "https", 443), stdout=subprocess.PIPE)
    came = live.StreamHash(process.stdout)
    process.check_exit(0, 60)
    came.check(want, 100 << 20, 5)


@live.case("redirects, -L, -I, -H, -A, -X, -d, -f", quick=True)
def methods(lab):
    wire = live.Tap(lab)
    servers.nginx(lab, ns=wire.ns)

    def body(*words, **keywords):
        return fetch(lab, wire, 4, *words, **keywords).output().decode()

    check("302" in body(wire.url(4, "/moved")), "without -L the redirect itself is the page")
    check_equal(body("-L", wire.url(4, "/moved")), "hello over teeceepee\n", "page with -L")
    head = body("-I", wire.url(4, "/0.bin"))
    check(head.startswith("HTTP/1.1 200"), f"-I prints the head: {head!r}")
    check(f"content-length: {servers.PAGE_BYTES}" in head.lower(), f"length in {head!r}")
    agent = wire.url(4, "/agent")
    check(body("-H", "X-Test: seven", agent).endswith("|seven|GET"), "-H reaches the server")
    check(body("-X", "OPTIONS", agent).endswith("|OPTIONS"), "-X reaches the server")
    check(body("-d", "a=1", agent).endswith("|POST"), "-d posts")
    check_equal(body(wire.url(4, "/gone")), "gone", "page of a 404")
    check_equal(body("-f", wire.url(4, "/gone"), code=22), "", "page of a 404 with -f")
    check_equal(body(wire.url(4, "/who")), wire.own4, "who the server thinks we are")


@live.case("-o, -O and resumption", quick=True)
def files(lab):
    wire = live.Tap(lab)
    _, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns)
    url = wire.url(4, "/3.bin")
    want = hashlib.sha256(bodies[3]).hexdigest()

    def digest(path):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    fetch(lab, wire, 4, "-o", lab.path("out"), url)
    check_equal(digest(lab.path("out")), want, "file by -o")
    fetch(lab, wire, 4, "-O", url)
    check_equal(digest(lab.path("3.bin")), want, "file by -O")
    with open(lab.path("out"), "r+b") as file:
        file.truncate(40000)
    fetch(lab, wire, 4, "-C", "-", "-o", lab.path("out"), url)
    check_equal(digest(lab.path("out")), want, "resumed file")


@live.case("--max-time ends a slow page with exit code 28")
def slow(lab):
    wire = live.Tap(lab)
    root, _ = servers.pages(lab)
    live.random_file(os.path.join(root, "1.bin"), 1 << 20)  # five seconds long
    servers.nginx(lab, ns=wire.ns, root=root)
    process = lab.tee("curl", *wire.options(), "-sS", "--max-time", "1", "-o", "/dev/null",
                      wire.url(4, "/slow/1.bin"))
    process.check_exit(28, 10)


if __name__ == "__main__":
    live.main(jobs=2)
