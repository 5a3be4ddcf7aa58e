"""Who is measured, over what, and doing what: the columns and cases of `make bench`.

A Column is a stack on a wire of its own, with the kernel's server (bench/kernel_server.c) at the other
end. It says which cases it takes; what this machine lacks is a Gap with its reason, and the rest goes on.
"""

import json
import os
import re
import subprocess
from functools import partial

import lab as live

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 6000
MANY = 100
OUTSTANDING = 32
BEST_SLIRP_MTU = 16384

# case -> (what the client is told, does it spin, further options)
CASES = {
    "sending": ("sink", 0, ()),
    "receiving": ("source", 0, ()),
    "sending, 100": ("sink", 0, (f"--conns={MANY}",)),
    "receiving, 100": ("source", 0, (f"--conns={MANY}",)),
    "ping-pong, sleeping": ("echo", 0, ()),
    "ping-pong, polling": ("echo", 1, ()),
    "connections, in turn": ("connect", 0, ()),
    "connections, client polling": ("connect", 1, ()),
    "connections, 32 at once": ("connect", 0, (f"--conns={OUTSTANDING}",)),
    "requests, kept": ("wrk", 0, ()),
    "requests, fresh": ("wrk", 0, ("-H", "Connection: close")),
}
BULK = ("sending", "receiving")
BULK_MANY = ("sending, 100", "receiving, 100")
ECHO = ("ping-pong, sleeping", "ping-pong, polling")
CONNECT = ("connections, in turn", "connections, 32 at once")
HTTP = ("requests, kept", "requests, fresh")


# Client and server each on a core of its own, so that no run is spent on a scheduler's changes of mind.
CORES = sorted(os.sched_getaffinity(0))


def held(core):
    """The words that hold a command to one of the machine's cores; none where there is only one."""
    return ("taskset", "--cpu-list", CORES[core]) if len(CORES) > 1 else ()


class Gap(Exception):
    """A peer that this machine cannot show; the text says why."""


def cpu_seconds(pid):
    """CPU time of a process so far, in ticks of 10 ms."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Column:
    """
    One stack; `words` makes the client's command of (what, port, seconds, spins). `is_held`: client and server are all
    there is, each held to a core; where a third process stands between them they go where they like.
    """

    def __init__(self, name, cases, lab, server, words, ns=None, is_held=True):
        self.name, self.cases, self.lab = name, cases, lab
        self.server, self.words, self.ns = server, words, ns
        self.is_held, self.is_peer = is_held, True

    def run(self, case, seconds, warm_up):
        what, spins, options = CASES[case]
        port = PORT + 1 if what == "connect" else PORT
        command = [*(held(0) if self.is_held else ()), *self.words(what, port, seconds, spins),
                   *options, f"--warm-up={warm_up}"]
        before = cpu_seconds(self.server.pid)
        process = self.lab.start(*command, ns=self.ns)
        process.check_exit(0, seconds + 30)
        result = json.loads(process.output())
        process.forget()
        if "all_bytes" in result:
            served = cpu_seconds(self.server.pid) - before
            result["cpu_s_per_gb_both"] = (
                (served + result["all_cpu_s"]) * 1e9 / result["all_bytes"])
        return result


class Web:
    """wrk against a server of 1 KB files: requests a second over 100 connections."""

    def __init__(self, name, lab, url, server):
        self.name, self.lab, self.url, self.server = name, lab, url, server
        self.cases = HTTP
        self.is_peer = True

    def run(self, case, seconds, _warm_up):
        _, _, options = CASES[case]
        before = cpu_seconds(self.server.pid)
        process = self.lab.start(*held(0), "wrk", "-t", 1, "-c", MANY, "-d", f"{max(1, round(seconds))}s",
                                 "--timeout", "5s", *options, self.url)
        process.check_exit(0, seconds + 30)
        text = process.output().decode()
        process.forget()
        found = re.search(r"Requests/sec:\s+([\d.]+)", text)
        requests = re.search(r"(\d+) requests in", text)
        if not found or not requests or "Non-2xx" in text:
            raise live.Failure(f"wrk said of {self.name}: {text}")
        used = cpu_seconds(self.server.pid) - before
        return {"per_s": float(found.group(1)),
                "cpu_us_each": used * 1e6 / max(1, int(requests.group(1)))}


class Wires:
    """Makes a Lab, a wire and a server for each column."""

    def __init__(self, program, root):
        self.program, self.root, self.labs = program, root, []

    def lab(self):
        lab = live.Lab(self.program, len(self.labs) + 1, False, self.root)
        self.labs.append(lab)
        return lab

    def serve(self, lab, ns, *options, is_held=True):
        server = lab.start(*(held(1) if is_held else ()), self.program, "kernel-server", PORT, *options, ns=ns)
        lab.wait_listening(PORT, ns)
        return server

    def close(self):
        for lab in self.labs:
            lab.close()


# The sysfs of a network namespace shows only where it was mounted from inside.
IN_SYSFS = ("unshare", "--mount", "sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "sh")


def steer_received(lab, device, ns):
    """What a device receives is spread over all cores (RPS)."""
    mask = f"{(1 << os.cpu_count()) - 1:x}"
    lab.command(*IN_SYSFS, "sh", "-c",
                f"echo {mask} >/sys/class/net/{device}/queues/rx-0/rps_cpus", ns=ns)


def join_nothing(lab, device, ns):
    """The kernel takes a device's frames one by one, as they come."""
    live.need("ethtool")
    lab.command("ethtool", "-K", device, "gro", "off", ns=ns)


def veth(wires, name, cases, cc, offloads=True, is_steered=False):
    """The kernel with itself over a veth pair."""
    lab = wires.lab()
    wire = live.Packet(lab)
    if is_steered:
        for device, ns in ((wire.device, None), (wire.peer_device, wire.ns)):
            steer_received(lab, device, ns)
    if not offloads:
        live.need("ethtool")
        for device, ns in ((wire.device, None), (wire.peer_device, wire.ns)):
            lab.command("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx",
                        "off", "rx", "off", ns=ns)
    server = wires.serve(lab, wire.ns, f"--cc={cc}")

    def words(what, port, seconds, spins):
        # The one that only opens and closes leaves it, which would cost it a call.
        controller = () if what == "connect" else (f"--cc={cc}",)
        return [wires.program, "kernel-client", what, wire.peer4, port, seconds, spins, *controller]

    return Column(name, cases, lab, server, words)


def kernel_tap(wires, name, cases, cc, offloads=True):
    """The kernel with itself over two TAPs, joined by a program (bench/join.c)."""
    lab = wires.lab()
    far = lab.namespace(f"far{lab.number}")
    near_tap, far_tap = f"near{lab.number}", f"far{lab.number}"
    join = lab.start(wires.program, "join", near_tap, far_tap, int(offloads))
    live.until(join.output, 5, f"the two TAPs; {join.errors()}")
    lab.ip("link", "set", far_tap, "netns", far)
    for device, ns, address in ((near_tap, None, "10.99.0.2/24"), (far_tap, far, "10.99.0.1/24")):
        lab.ip("addr", "add", address, "dev", device, ns=ns)
        lab.ip("link", "set", device, "up", ns=ns)
    server = wires.serve(lab, far, f"--cc={cc}", is_held=False)

    def words(what, port, seconds, spins):
        return [wires.program, "kernel-client", what, "10.99.0.1", port, seconds, spins,
                f"--cc={cc}"]

    return Column(name, cases, lab, server, words, is_held=False)


def ours(wires, name, cases, wire_of, link_options="", calls="copy", kind=None, needs_sysfs=False, prepare=None):
    """
    teeceepee. `calls`: which way to the bytes; "free" is the one without a copy. `kind`: another kind of link
    on the same wire, which not every machine has: without it, a gap. `needs_sysfs`: the link sets a switch there,
    which not everybody may. `prepare`: what is to be set of the kernel's end before.
    """
    lab = wires.lab()
    wire = wire_of(lab)
    if prepare:
        prepare(lab, wire.device, wire.ns)
    server = wires.serve(lab, wire.ns, "--cc=cubic")
    own = "-" if wire_of is live.Slirp else f"{wire.own4}/24"
    link = f"{kind}:{wire.device}" if kind else wire.link + link_options

    def words(what, port, seconds, spins):
        way = {"sink": "owned", "source": "view"}.get(what, "copy") if calls == "free" else "copy"
        return [*(IN_SYSFS if needs_sysfs else ()), wires.program, "our-client", what, link, own,
                wire.peer4, port, seconds, spins, f"--calls={way}"]

    column = Column(name, cases, lab, server, words)
    column.is_peer = bool(kind) or needs_sysfs
    return column


def mini(wires, name, cases, offload, calls):
    """bench/mini.c: what the TAP itself can carry."""
    lab = wires.lab()
    wire = live.Tap(lab)
    server = wires.serve(lab, wire.ns, "--cc=cubic")

    def words(what, port, seconds, spins):
        return [wires.program, "mini", what, wire.device, wire.own4, wire.peer4, port, seconds,
                spins, int(offload), f"--calls={calls}"]

    return Column(name, cases, lab, server, words)


def lwip(wires, name, cases, client):
    if not client:
        raise Gap("its source could not be had through apt, or not be built")
    lab = wires.lab()
    wire = live.Tap(lab)
    server = wires.serve(lab, wire.ns, "--cc=cubic")

    def words(what, port, seconds, spins):
        return [client, what, wire.device, wire.own4, wire.peer4, port, seconds, spins]

    return Column(name, cases, lab, server, words)


def behind_user_network(wires, name, cases, command_of):
    """The kernel's TCP in a namespace whose only way out is slirp4netns or pasta."""
    lab = wires.lab()
    # What pasta takes its addresses from; nobody is there.
    lab.ip("link", "add", "outside", "type", "veth", "peer", "name", "nobody")
    lab.ip("addr", "add", "10.66.0.2/24", "dev", "outside")
    lab.ip("link", "set", "nobody", "up")
    lab.ip("link", "set", "outside", "up")
    lab.ip("route", "add", "default", "via", "10.66.0.1")
    server = wires.serve(lab, None, "--cc=cubic", is_held=False)
    inner = lab.namespace(f"inner{lab.number}")
    command, host = command_of(inner)
    live.need(command[0])
    process = lab.start(*command)
    live.until(lambda: not process.is_running() or
               "default" in lab.ip("route", "show", ns=inner), 10, f"{name} to set up its network")
    if not process.is_running():
        raise Gap(process.errors().strip() or "it ended at once")

    def words(what, port, seconds, spins):
        return [wires.program, "kernel-client", what, host, port, seconds, spins, "--cc=cubic"]

    return Column(name, cases, lab, server, words, ns=inner, is_held=False)


def slirp4netns(inner):
    return (["slirp4netns", "--configure", "--mtu=65520", "--netns-type=path",
             f"/run/netns/{inner}", "tap0"], "10.0.2.2")


def pasta(inner):
    # --runas: as root it would become nobody, who may not enter the namespace.
    return (["pasta", "--foreground", "--quiet", "--config-net", "--runas", "0:0", "--mtu", "65520",
             "--ipv4-only", "--tcp-ports", "none", "--udp-ports", "none", "--netns",
             f"/run/netns/{inner}"], "10.66.0.1")


def page_dir(lab):
    """A directory with a file of 1 KB."""
    path = lab.path("pages")
    os.mkdir(path, 0o755)
    live.random_file(os.path.join(path, "page"), 1024)
    return path


def nginx(wires, name):
    live.need("wrk", "nginx")
    lab = wires.lab()
    wire = live.Packet(lab)
    config = lab.path("nginx.conf")
    with open(config, "w", encoding="utf-8") as out:
        out.write(f"""daemon off; master_process off; worker_processes 1;
pid {lab.path("nginx.pid")}; error_log /dev/null crit; {"user root;" if os.getuid() == 0 else ""}
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; tcp_nodelay on; open_file_cache max=10;
client_body_temp_path {lab.path("body")}; proxy_temp_path {lab.path("proxy")};
fastcgi_temp_path {lab.path("fastcgi")}; uwsgi_temp_path {lab.path("uwsgi")};
scgi_temp_path {lab.path("scgi")};
server {{ listen 80 backlog=4096; root {page_dir(lab)}; }} }}
""")
    server = lab.start(*held(1), "nginx", "-p", lab.dir, "-c", config, ns=wire.ns)
    lab.wait_listening(80, wire.ns)
    return Web(name, lab, f"http://{wire.peer4}/page", server)


def our_serve(wires, name, teeceepee):
    live.need("wrk")
    lab = wires.lab()
    wire = live.Tap(lab)
    server = lab.start(*held(1), teeceepee, "serve", *wire.options(), "--port", 80, page_dir(lab))
    lab.wait_answering(wire)
    column = Web(name, lab, f"http://{wire.own4}/page", server)
    column.is_peer = False
    return column


def build_lwip(directory):
    """(path of the client or None, what it is or why it is lacking)"""
    done = subprocess.run([os.path.join(HERE, "lwip", "build"), directory], check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["its build failed"])[-1]
    return os.path.join(directory, "lwip-client"), done.stdout.strip()


def columns(wires, teeceepee, lwip_client, quick):
    """(the columns that work here, name -> reason of those that don't)"""
    everything = (*BULK, *BULK_MANY, *ECHO, *CONNECT, "connections, client polling")
    plan = [
        ("kernel, veth", veth, everything, "cubic"),
        ("kernel, veth, BBR", veth, BULK, "bbr"),
        ("kernel, veth, no offloads", veth, BULK, "cubic", False),
        ("kernel, veth, RPS", veth, CONNECT, "cubic", True, True),
        ("kernel, TAP", kernel_tap, (*BULK, ECHO[0]), "cubic"),
        ("kernel, TAP, BBR", kernel_tap, BULK, "bbr"),
        ("kernel, TAP, no offloads", kernel_tap, BULK, "cubic", False),
        ("mini, TAP", mini, (*BULK, *ECHO), True, "copy"),
        ("mini, TAP, no copy", mini, BULK, True, "none"),
        ("mini, TAP, no offloads", mini, BULK, False, "copy"),
        ("lwIP, TAP", lwip, (*BULK, *ECHO, *CONNECT), lwip_client),
        ("slirp4netns", behind_user_network, (*BULK, ECHO[0]), slirp4netns),
        ("pasta", behind_user_network, (*BULK, ECHO[0]), pasta),
        ("ours, TAP", ours, everything, live.Tap),
        ("ours, TAP, no copy", ours, BULK, live.Tap, "", "free"),
        ("ours, TAP, no offloads", ours, BULK, live.Tap, ",offload=0"),
        ("ours, TAP, no offloads, kernel's thread", partial(ours, needs_sysfs=True, prepare=join_nothing), BULK,
         live.Tap, ",offload=0,napi=thread"),
        ("ours, TAP, kernel's thread", partial(ours, needs_sysfs=True), (*BULK, *CONNECT), live.Tap, ",napi=thread"),
        ("ours, TAP, RPS", partial(ours, prepare=steer_received), CONNECT, live.Tap),
        ("ours, AF_PACKET", ours, everything, live.Packet),
        ("ours, AF_XDP", ours, (*BULK, *ECHO), live.Packet, "", "copy", "xdp"),
        ("ours, slirp", ours, (*BULK, ECHO[0]), live.Slirp, f":mtu={BEST_SLIRP_MTU}"),
        ("nginx, kernel, veth", nginx),
        ("teeceepee serve, TAP", our_serve, teeceepee),
    ]
    lacking_in_quick = ("BBR", "slirp", "pasta", "kernel, TAP", "XDP")
    made, gaps = [], {}
    for name, make, *arguments in plan:
        if quick and any(word in name for word in lacking_in_quick):
            continue
        try:
            made.append(make(wires, name, *arguments))
        except (live.Skip, Gap) as reason:
            gaps[name] = str(reason)
        except live.Failure as failure:
            if name.startswith(("ours", "teeceepee", "kernel, veth")):
                raise
            gaps[name] = str(failure).splitlines()[0]
    return made, gaps
