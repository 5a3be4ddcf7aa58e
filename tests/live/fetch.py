#!/usr/bin/env python3
"""1,000 pages of 100 KB in a row, on each kind of wire and by each family, without one failure.

The server is nginx on the kernel's TCP. In the main cases one `teeceepee curl` process gets 1,000
URLs; nginx closes after each answer, so each page is a connection of its own from SYN to FIN.
Further cases start a process for each page, one after the other. On an Ethernet the address is used
without asking for five seconds first whether it is free (conflict.py does that).

The ten pages differ, and what comes in is compared byte for byte through one SHA-256.
"""

import hashlib
import subprocess

import lab as live
import servers
from lab import check


def fetch_many(lab, wire, family, count):
    root, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns, root=root)
    want = hashlib.sha256()
    urls = []
    for number in range(count):
        page = number % len(bodies)
        want.update(bodies[page])
        urls.append(wire.url(family, f"/fresh/{page}.bin"))
    opens_before = lab.counter("TcpPassiveOpens", wire.ns)
    process = lab.tee("curl", *wire.options(family), "-sS", "-f", *urls, stdout=subprocess.PIPE)
    came = live.StreamHash(process.stdout)
    process.check_exit(0, 120)
    came.check(want.hexdigest(), sum(len(bodies[n % len(bodies)]) for n in range(count)), 5)
    if wire.name != "slirp":
        opens = lab.counter("TcpPassiveOpens", wire.ns) - opens_before
        check(opens >= count, f"the server saw only {opens} connections")
    return f"{count} pages"


for kind in (live.Slirp, live.Tap, live.Packet):
    for address_family in (4, 6):

        @live.case(f"1000 pages of 100 KB, {kind.name}, IPv{address_family}", quick=True)
        def fetch(lab, make=kind, family=address_family):
            return fetch_many(lab, make(lab), family, 50 if lab.quick else 1000)


def processes(lab, wire, count):
    root, bodies = servers.pages(lab)
    servers.nginx(lab, ns=wire.ns, root=root)
    path = lab.path("page")
    for number in range(count):
        page = number % len(bodies)
        process = lab.tee("curl", *wire.options(), "-sS", "-o", path,
                          wire.url(4, f"/{page}.bin"))
        process.check_exit(0)
        process.forget()
        with open(path, "rb") as came:
            check(came.read() == bodies[page], f"page {number} differs from what was served")
    return f"{count} processes"


for kind, process_count in ((live.Slirp, 300), (live.Tap, 100), (live.Packet, 100)):

    @live.case(f"{process_count} processes in a row fetch a page each, {kind.name}")
    def fetch_each(lab, make=kind, count=process_count):
        return processes(lab, make(lab), count)


if __name__ == "__main__":
    live.main()
