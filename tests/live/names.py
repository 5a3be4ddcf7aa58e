#!/usr/bin/env python3
"""Names, looked up over our own sockets: dnsmasq is the resolver, and nothing reaches the host's."""

import lab as live
import servers
from lab import check, check_equal


def resolver(lab, wire, *records):
    servers.nginx(lab, ns=wire.ns)
    return servers.dnsmasq(lab, *[f"--host-record={record}" for record in records],
                           "--local=/test/", ns=wire.ns)


def fetch(lab, wire, url, *words, family=4, code=0):
    process = lab.tee("curl", *wire.options(family), "--dns", wire.at(family), "-sS", *words, url)
    process.check_exit(code, 30)
    return process


@live.case("a name by IPv4 and by IPv6, the resolver on each", quick=True)
def plain(lab):
    wire = live.Packet(lab)
    server = resolver(lab, wire, f"four.test,{wire.peer4}", f"six.test,{wire.peer6}")
    before = lab.counter("UdpOutDatagrams"), lab.counter("Udp6OutDatagrams")
    check_equal(fetch(lab, wire, "http://four.test/who").output().decode(), wire.own4, "we, IPv4")
    check_equal(fetch(lab, wire, "http://six.test/who", family=6).output().decode(), wire.own6,
                "we, IPv6")
    after = lab.counter("UdpOutDatagrams"), lab.counter("Udp6OutDatagrams")
    check_equal(after, before, "datagrams that the host's kernel sent")
    check(f"from {wire.own4}" in server.errors() and f"from {wire.own6}" in server.errors(),
          f"the resolver was asked by us: {server.errors()}")


@live.case("an answer too long for UDP comes over TCP", quick=True)
def truncated(lab):
    wire = live.Packet(lab)
    addresses = [f"{wire.prefix4}.{number}" for number in range(130, 250)]
    # All of them lead to the peer itself.
    lab.ip("route", "add", "local", f"{wire.prefix4}.128/25", "dev", "lo", ns=wire.ns)
    servers.nginx(lab, ns=wire.ns)
    server = servers.dnsmasq(lab, "--edns-packet-max=512", "--local=/test/",
                             *[f"--host-record=many.test,{address}" for address in addresses],
                             ns=wire.ns)
    opens = lab.counter("TcpPassiveOpens", wire.ns)
    fetch(lab, wire, "http://many.test/hello.txt")
    opened = lab.counter("TcpPassiveOpens", wire.ns) - opens
    check(opened >= 2, f"the peer saw {opened} connections: one for the page, none for the name; "
                       f"{server.errors()[-1000:]}")


@live.case("a name that does not exist: exit code 6, and the name told", quick=True)
def not_found(lab):
    wire = live.Packet(lab)
    resolver(lab, wire)
    process = fetch(lab, wire, "http://nowhere.test/", code=6)
    check("nowhere.test" in process.errors(), process.errors())


@live.case("a resolver that does not answer: exit code 6 or 28 within a minute")
def silent(lab):
    wire = live.Packet(lab)
    lab.start("nc", "-u", "-l", "-k", 53, ns=wire.ns)
    lab.wait_listening(53, wire.ns, "udp")
    process = lab.tee("curl", *wire.options(), "--dns", wire.peer4, "-sS", "http://www.test/")
    code = process.wait(60)
    check(code in (6, 28), f"exit code {code}: {process.told()}")
    check("www.test" in process.errors(), process.errors())


@live.case("the name server that DHCP tells is asked")
def told_by_dhcp(lab):
    wire = live.Packet(lab)
    servers.nginx(lab, ns=wire.ns)
    servers.dnsmasq(lab, f"--interface={wire.peer_device}", "--no-ping",
                    f"--dhcp-range={wire.prefix4}.50,{wire.prefix4}.60,2m",
                    f"--dhcp-option=option:dns-server,{wire.peer4}",
                    f"--host-record=www.test,{wire.peer4}", ns=wire.ns)
    process = lab.tee("curl", "--link", wire.link, "--ip6", "none", "-sS", "http://www.test/who")
    process.check_exit(0, 25)
    check(process.output().decode().startswith(wire.prefix4), f"{process.output()!r}")


@live.case("slirp: names by the host's resolver, which libslirp asks")
def by_slirp(lab):
    wire = live.Slirp(lab)
    servers.nginx(lab)
    servers.dnsmasq(lab, "--host-record=www.test,10.0.2.2", "--local=/test/")
    servers.resolver_of_the_host(lab, "nameserver 127.0.0.1\n")
    process = lab.tee("curl", *wire.options(), "-sS", "http://www.test/hello.txt")
    process.check_exit(0)
    check_equal(process.output(), b"hello over teeceepee\n", "the page")


if __name__ == "__main__":
    live.main(jobs=6)
