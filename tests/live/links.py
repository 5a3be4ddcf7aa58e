#!/usr/bin/env python3
"""Ways to a wire beside the usual ones: a TAP of an ordinary user, a TAP passed as a descriptor, a
passt process, other MTUs, and everything without root in a user namespace."""

import os
import stat
import subprocess

import lab as live
import servers
from lab import check, check_equal, until


def page_is_fetched(lab, wire, *options, prefix=(), pass_fds=(), family=4):
    _, bodies = servers.pages(lab)
    process = lab.start(*prefix, lab.program, "curl", *options, "-sS", wire.url(family, "/6.bin"),
                        pass_fds=pass_fds)
    process.check_exit(0)
    check(process.output() == bodies[6], "the page differs from what was served")


def address_options(wire):
    return wire.options()[2:]


def open_tun_to_all():
    """In this mount namespace only: a /dev/net/tun that ordinary users may open."""
    if os.stat("/dev/net/tun").st_mode & 0o006 == 0o006:
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net"], check=True)
    os.mknod("/dev/net/tun", 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    os.chmod("/dev/net/tun", 0o666)


@live.case("a TAP that belongs to an ordinary user, opened by that user")
def owned_tap(lab):
    nobody = servers.as_nobody(lab)
    wire = live.Tap(lab, user=65534)
    servers.nginx(lab)
    open_tun_to_all()
    page_is_fetched(lab, wire, *wire.options(), prefix=nobody)
    other = live.Tap(lab, user=65533)
    process = lab.start(*nobody, lab.program, "curl", *other.options(), "-sS", other.url(4))
    process.check_exit(111)
    check(other.device in process.errors(), process.errors())


for has_header in (True, False):

    @live.case(f"a TAP passed as a descriptor, {'with' if has_header else 'without'} vnet headers",
               quick=has_header)
    def passed_tap(lab, header=has_header):
        wire = live.Tap(lab)
        servers.nginx(lab)
        page_is_fetched(lab, wire, "--link", "tap:fd=FD", *address_options(wire),
                        prefix=servers.with_tap_open(wire.device, header))


def passt_home(lab):
    """
    A place where passt feels well: it takes over the addresses of the interface with the default
    route, and shows the host's loopback in the place of the gateway.
    """
    live.need("passt")
    wire = live.Packet(lab)
    servers.nginx(lab, ns=wire.ns)
    lab.ip("addr", "add", f"{wire.prefix4}.254/24", "dev", wire.peer_device, ns=wire.ns)
    lab.ip("route", "add", "default", "via", f"{wire.prefix4}.254")
    lab.ip("addr", "add", f"{wire.prefix6}:254/64", "dev", wire.peer_device, "nodad", ns=wire.ns)
    lab.ip("-6", "route", "add", "default", "via", f"{wire.prefix6}:254")
    return wire


@live.case("passt: a page by IPv4 and IPv6 through a passt that we start", quick=True)
def passt(lab):
    wire = passt_home(lab)
    for family in (4, 6):
        page_is_fetched(lab, wire, "--link", "passt", family=family)


@live.case("passt: 40 MiB in, and nothing is lost for lack of room", quick=True)
def passt_in(lab):
    wire = passt_home(lab)
    root, _ = servers.pages(lab)
    want = live.random_file(f"{root}/big", 40 << 20)
    process = lab.tee("curl", "--link", "passt", "--stats", "-sS", wire.url(4, "/big"), stdout=subprocess.PIPE)
    came = live.StreamHash(process.stdout)
    process.check_exit(0, 60)
    came.check(want, 40 << 20, 10)
    check("out_of_order" not in process.errors(), process.errors())


@live.case("passt: a page through a passt that runs already, and 20 MiB out")
def passt_socket(lab):
    live.need("nc")
    wire = passt_home(lab)
    path = lab.path("passt.sock")
    os.chmod(lab.dir, 0o777)
    lab.start("passt", "--foreground", "--socket", path)
    until(lambda: os.path.exists(path), 5, "passt's socket")
    page_is_fetched(lab, wire, "--link", f"passt:{path}")
    want = live.random_file(lab.path("data"), 20 << 20)
    path = lab.path("passt2.sock")
    lab.start("passt", "--foreground", "--socket", path)
    until(lambda: os.path.exists(path), 5, "passt's socket")
    peer = lab.start("nc", "-N", "-l", 9000, ns=wire.ns, stdout=subprocess.PIPE)
    came = live.StreamHash(peer.stdout)
    lab.wait_listening(9000, wire.ns)
    with open(lab.path("data"), "rb") as data:
        lab.tee("nc", "--link", f"passt:{path}", wire.peer4, 9000, stdin=data).check_exit(0, 60)
    came.check(want, 20 << 20, 5)


for mtu in (576, 1280, 9000):

    @live.case(f"an MTU of {mtu}")
    def with_mtu(lab, size=mtu):
        wire = live.Packet(lab)
        servers.nginx(lab, ns=wire.ns)
        if size > 1500:
            lab.ip("link", "set", wire.device, "mtu", size)
            lab.ip("link", "set", wire.peer_device, "mtu", size, ns=wire.ns)
        page_is_fetched(lab, wire, *wire.options(), "--mtu", size)


@live.case("a path whose middle is narrower: found by ICMP (RFC 1191, 8201)", quick=True)
def path_mtu(lab):
    wire = live.Packet(lab)
    far = wire.lead_on()
    want = live.random_file(lab.path("data"), 1 << 20)
    for family, gateway, address in ((4, ["--gateway", wire.peer4], wire.FAR4),
                                     (6, ["--gateway6", wire.peer6], wire.FAR6)):
        peer = lab.start("nc", "-N", f"-{family}", "-l", 9000, ns=far, stdout=subprocess.PIPE)
        came = live.StreamHash(peer.stdout)
        lab.wait_listening(9000, far)
        with open(lab.path("data"), "rb") as data:
            lab.tee("nc", *wire.options(family), *gateway, address, 9000, stdin=data).check_exit(0)
        came.check(want, 1 << 20, 5)


for name in ("cubic", "newreno"):

    @live.case(f"10 MiB out with --cc {name} over 1% loss and 5 ms")
    def controller(lab, cc=name):
        wire = live.Tap(lab)
        want = live.random_file(lab.path("data"), 10 << 20)
        peer = lab.start("nc", "-N", "-l", 9000, stdout=subprocess.PIPE)
        came = live.StreamHash(peer.stdout)
        lab.wait_listening(9000)
        with open(lab.path("data"), "rb") as data:
            lab.tee("nc", *wire.options(), "--cc", cc, "--impair", "loss=1%,delay=5ms", "--seed",
                    5, wire.peer4, 9000, stdin=data).check_exit(0, 60)
        came.check(want, 10 << 20, 5)


@live.case("a TAP whose frames a thread of the kernel's takes up: bulk both ways, and set back", quick=True)
def napi_thread(lab):
    wire = live.Tap(lab)
    size = (8 if lab.quick else 64) << 20
    want = live.random_file(lab.path("data"), size)
    # The switch stands in sysfs, which shows the network namespace that mounted it.
    prefix = ("unshare", "-m", "sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "-")
    switch = f"/sys/class/net/{wire.device}/threaded"
    plain = wire.link
    wire.link = f"{plain},napi=thread"
    refused = lab.tee("nc", *wire.options(), "-l", 9000)
    refused.check_exit(112)
    check("sysfs of this network namespace" in refused.errors(), refused.errors())

    for number, (word, value) in enumerate((("thread", "1"), ("1", "0"))):
        wire.link = f"{plain},napi={word}"
        process = lab.start(*prefix, lab.program, "nc", *wire.options(), "-l", 9000 + number,
                            stdout=subprocess.PIPE)
        came = live.StreamHash(process.stdout)
        lab.wait_answering(wire)
        check_equal(lab.command(*prefix, "cat", switch).strip(), value, f"threaded with napi={word}")
        with open(lab.path("data"), "rb") as data:
            lab.start("nc", "-N", wire.ours(4), 9000 + number, stdin=data).check_exit(0)
        came.check(want, size, 10)
        process.check_exit(0)
        peer = lab.start("nc", "-N", "-l", 9100 + number, stdout=subprocess.PIPE)
        came = live.StreamHash(peer.stdout)
        lab.wait_listening(9100 + number)
        with open(lab.path("data"), "rb") as data:
            lab.start(*prefix, lab.program, "nc", *wire.options(), wire.at(4), 9100 + number,
                      stdin=data).check_exit(0)
        came.check(want, size, 10)


@live.case("two programs on one interface: the same address is refused to the second", quick=True)
def two_programs(lab):
    wire = live.Packet(lab)
    first = lab.tee("nc", *wire.options(), "-l", 9000)
    lab.wait_answering(wire)
    second = lab.tee("nc", *wire.options(), "-l", 9001)
    second.check_exit(113)
    check(f"has our address on {wire.link}" in second.errors(), second.errors())
    wire.own4 = f"{wire.prefix4}.3"
    third = lab.tee("nc", *wire.options(), "-l", 9000)
    lab.wait_answering(wire)
    check(first.is_running() and third.is_running(), first.told() + third.told())
    wire.own4 = f"{wire.prefix4}.2"
    first.kill()
    # The kernel takes the address back, however a program ends.
    lab.tee("nc", *wire.options(), "-l", 9001)
    lab.wait_answering(wire)


for kind in (live.Tap, live.Packet):

    @live.case(f"the interface is deleted in the middle of a transfer, {kind.name}: told once", quick=True)
    def deleted(lab, wire_kind=kind):
        wire = wire_kind(lab)
        process = lab.tee("nc", *wire.options(), "-l", 9000, stdout=subprocess.PIPE)
        lab.wait_answering(wire)
        with open("/dev/zero", "rb") as zeros:
            lab.start("nc", wire.ours(4), 9000, ns=wire.ns, stdin=zeros)
        for _ in range(16):
            check(len(process.stdout.read(1 << 20)) == 1 << 20, "the transfer ended early")
        lab.ip("link", "del", wire.device, ns=wire.ns if wire_kind is live.Tap else None)
        live.StreamHash(process.stdout)
        process.check_exit(113)
        check_equal(len(process.errors().splitlines()), 1, f"lines told: {process.errors()}")
        check("is gone" in process.errors(), process.errors())


@live.case("no root at all: slirp as an ordinary user without capabilities", quick=True)
def unprivileged(lab):
    wire = live.Slirp(lab)
    servers.nginx(lab)
    words = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
    try:
        words = servers.as_nobody(lab)
    except live.Skip:
        pass
    live.need("setpriv")
    for family in (4, 6):
        page_is_fetched(lab, wire, "--link", "slirp", prefix=words, family=family)
    check_equal(lab.start(*words, lab.program, "link").wait(10), 0, "exit code of `link`")


if __name__ == "__main__":
    live.main(jobs=2)
