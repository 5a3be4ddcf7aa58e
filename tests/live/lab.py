"""What the live tests share: namespaces, wires, processes, TAP output.

A test program holds cases and ends with `lab.main()`:

    @lab.case("a page comes in")
    def page(lab): ...

main() starts the program anew inside network, mount and process-id namespaces of its own (as
root, or in a user namespace), so nothing that a case sets up can be seen outside, and everything
ends with the program, however it ends: the first process of a process-id namespace takes the
others with it. Where the machine forbids namespaces, the program skips (exit code 77).

Each case gets a Lab: a network namespace of its own, so that cases that mostly wait can run at once
(`main(jobs=4)`). A Lab makes wires: Tap, Packet and Slirp tell the options that put teeceepee on
them, and the addresses by which the two sides know each other. It starts processes, and ends them
when the case ends.

    tests/live/fetch.py build/src/teeceepee [--quick] [CASE…]
"""

import argparse
import concurrent.futures
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SKIP_EXIT = 77
INSIDE = "TEE_LIVE_INSIDE"
_cases = []
_print_lock = threading.Lock()


class Skip(Exception):
    """A case that this machine cannot run; the text says why."""


class Failure(AssertionError):
    """A check that did not hold; the text is all that need be told."""


def case(name, quick=False):
    """Registers a case. `quick` ones also run under the sanitizers, with smaller numbers."""

    def register(function):
        _cases.append((name, quick, function))
        return function

    return register


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {got!r}, want {want!r}")


def need(*programs):
    """Skips the case unless all these are installed."""
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def until(condition, timeout_s, what, pause_s=0.02):
    """Waits for a condition; returns its first true value."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {timeout_s} s in vain for {what}")
        time.sleep(pause_s)


class Process:
    """A running program; its standard error goes to a file."""

    def __init__(self, lab, command, ns=None, stdin=None, stdout=None, env=None, pass_fds=()):
        self.command = [str(word) for word in command]
        self.lab = lab
        self._errors = tempfile.TemporaryFile(dir=lab.dir)
        self._output = tempfile.TemporaryFile(dir=lab.dir) if stdout is None else None
        self.started_s = time.monotonic()
        self.popen = subprocess.Popen(
            lab.inside(ns) + self.command, stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=self._output if stdout is None else stdout, stderr=self._errors, env=env,
            pass_fds=pass_fds, start_new_session=True, cwd=lab.dir)
        lab.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def stdin(self):
        return self.popen.stdin

    @property
    def stdout(self):
        return self.popen.stdout

    def output(self):
        return self._read(self._output)

    def errors(self):
        return self._read(self._errors).decode(errors="replace")

    @staticmethod
    def _read(file):
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            os.kill(self.popen.pid, number)

    def wait(self, timeout_s=20):
        """The exit code, negative for a signal; a Failure (after killing it) when time runs out."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"still running after {timeout_s} s: {self.told()}") from None

    def kill(self):
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()

    def forget(self):
        """Gives back what an ended program holds, in a case with very many."""
        self.lab.processes.remove(self)
        self._errors.close()
        if self._output:
            self._output.close()

    def told(self):
        """What a failure's message says of this program."""
        return f"{' '.join(self.command)[:600]}\n{self.errors()[-4000:]}"

    def check_exit(self, code=0, timeout_s=20):
        got = self.wait(timeout_s)
        if got != code:
            raise Failure(f"exit code {got}, want {code}: {self.told()}")
        return self


class Wire:
    """What the three kinds of wire have in common. `ns` is where the kernel's side lives."""

    ns = None

    def at(self, family):
        """The kernel's address as teeceepee sees it."""
        return self.peer4 if family == 4 else self.peer6

    def ours(self, family):
        """teeceepee's address as the kernel sees it."""
        return self.own4 if family == 4 else self.own6

    def url(self, family, path="/", scheme="http", port=80):
        host = self.at(family)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"

    def own_url(self, family, path="/", port=80):
        host = self.ours(family)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


class Ethernet(Wire):
    """An Ethernet with the kernel on one end: own4 and own6 are free for teeceepee."""

    FAR4, FAR6 = "198.51.100.2", "fd00:99::2"

    def __init__(self, lab, net):
        self.lab = lab
        self.prefix4 = f"10.{net}.{lab.number}"
        self.prefix6 = f"fd00:{net}:{lab.number}:"
        self.peer4, self.own4 = f"{self.prefix4}.1", f"{self.prefix4}.2"
        self.peer6, self.own6 = f"{self.prefix6}:1", f"{self.prefix6}:2"

    def give_addresses(self, device, ns):
        self.lab.ip("addr", "add", f"{self.peer4}/24", "dev", device, ns=ns)
        self.lab.ip("addr", "add", f"{self.peer6}/64", "dev", device, "nodad", ns=ns)
        self.lab.ip("link", "set", device, "up", ns=ns)

    def static(self, family=4):
        if family == 4:
            return ["--link", self.link, "--ip", f"{self.own4}/24", "--ip6", "none"]
        return ["--link", self.link, "--ip", "none", "--ip6", f"{self.own6}/64"]

    def lead_on(self):
        """A narrow path (1,400 bytes) behind the peer; the namespace at its end, with FAR4 and FAR6."""
        lab = self.lab
        far = lab.namespace(f"far{lab.number}")
        lab.ip("link", "add", "out", "mtu", 1400, "type", "veth", "peer", "name", "in", "netns", far,
               ns=self.ns)
        lab.ip("addr", "add", "198.51.100.1/24", "dev", "out", ns=self.ns)
        lab.ip("addr", "add", "fd00:99::1/64", "dev", "out", "nodad", ns=self.ns)
        lab.ip("link", "set", "out", "up", ns=self.ns)
        lab.ip("addr", "add", f"{self.FAR4}/24", "dev", "in", ns=far)
        lab.ip("addr", "add", f"{self.FAR6}/64", "dev", "in", "nodad", ns=far)
        lab.ip("link", "set", "in", "mtu", 1500, "up", ns=far)
        lab.ip("route", "add", "default", "via", "198.51.100.1", ns=far)
        lab.ip("-6", "route", "add", "default", "via", "fd00:99::1", ns=far)
        lab.sysctl("net.ipv4.ip_forward", 1, ns=self.ns)
        lab.sysctl("net.ipv6.conf.all.forwarding", 1, ns=self.ns)
        return far

    def options(self, family=4):
        """static(), without the seconds of asking whether somebody has the address already."""
        return self.static(family) + ["--set", "acd=off", "--set", "dad_transmits=0"]


class Tap(Ethernet):
    """A TAP device; the kernel's side is its own TCP on the device."""

    name = "tap"

    def __init__(self, lab, user=None, ns=None, queues=1):
        super().__init__(lab, 77)
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise Skip("there is no /dev/net/tun here that this user may open")
        self.device = f"tee{lab.number}x{lab.count()}"
        self.link = f"tap:{self.device}"
        self.ns = ns
        lab.ip("tuntap", "add", "dev", self.device, "mode", "tap",
               *(["multi_queue"] if queues > 1 else []), *(["user", user] if user else []), ns=ns)
        self.give_addresses(self.device, ns)


class Packet(Ethernet):
    """A veth pair: our end beside the kernel in the case's namespace, the peer in one of its own."""

    name = "packet"

    def __init__(self, lab, queues=1):
        super().__init__(lab, 78)
        number = f"{lab.number}x{lab.count()}"
        self.device, self.peer_device = f"host{number}", f"peer{number}"
        self.link = f"packet:{self.device}"
        self.ns = lab.namespace(f"peer{number}")
        self.host4, self.host6 = f"{self.prefix4}.9", f"{self.prefix6}:9"
        many = ["numrxqueues", queues, "numtxqueues", queues] if queues > 1 else []
        lab.ip("link", "add", self.device, *many, "type", "veth", "peer", "name", self.peer_device,
               *many, "netns", self.ns)
        lab.ip("addr", "add", f"{self.host4}/24", "dev", self.device)
        lab.ip("addr", "add", f"{self.host6}/64", "dev", self.device, "nodad")
        lab.ip("link", "set", self.device, "up")
        self.give_addresses(self.peer_device, self.ns)
        # The kernel notices a carrier up to a second late; before that its IPv6 is deaf.
        for device, ns in ((self.device, None), (self.peer_device, self.ns)):
            until(lambda: "fe80:" in lab.ip("-6", "addr", "show", "dev", device, ns=ns), 5,
                  f"the link-local address of {device}")


class Slirp(Wire):
    """libslirp: the kernel's side is the loopback of the case's namespace."""

    name = "slirp"
    peer4, peer6 = "10.0.2.2", "fd00::2"
    own4 = own6 = "127.0.0.1"

    def __init__(self, lab):
        self.lab = lab
        self.link = "slirp"

    def static(self, family=4):
        return ["--link", self.link]

    options = static

    @staticmethod
    def forwarding(port, protocol="tcp"):
        """Options under which a port of the loopback leads to the same port of ours."""
        return ["--link", f"slirp:{protocol}={port}-{port}"]


class Lab:
    """What one case has: its wires, its processes, its directory."""

    _next_port = 20000

    def __init__(self, program, number, quick, root):
        self.program = program
        self.number = number
        self.quick = quick
        self.root = root
        self.dir = os.path.join(root, f"case{number}")
        self.processes = []
        self.namespaces = []
        self._count = 0
        os.mkdir(self.dir)
        self.home = f"home{number}"
        subprocess.run(["ip", "netns", "add", self.home], check=True)
        self._prepare(self.home)

    def count(self):
        self._count += 1
        return self._count

    def port(self):
        with _print_lock:
            Lab._next_port += 1
            return Lab._next_port

    def path(self, name):
        return os.path.join(self.dir, name)

    # ---- namespaces and devices

    def namespace(self, name):
        self.ip("netns", "add", name)
        self._prepare(name)
        self.namespaces.append(name)
        return name

    def _prepare(self, ns):
        self.ip("link", "set", "lo", "up", ns=ns)
        # The kernel answers from the first moment; else it is silent until its link-local address
        # has been probed, which takes up to two seconds.
        self.sysctl("net.ipv6.conf.default.dad_transmits", 0, ns=ns)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0, ns=ns)

    def remove_namespaces(self):
        """For a program with very many cases; else they end with the program."""
        for name in [*self.namespaces, self.home]:
            subprocess.run(["ip", "netns", "del", name], check=True)

    def inside(self, ns=None):
        """Words that put the command after them into a namespace; without one, the case's own."""
        return ["nsenter", f"--net=/run/netns/{ns or self.home}", "--"]

    def ip(self, *words, ns=None):
        return self.command("ip", *words, ns=ns)

    def command(self, *words, ns=None, timeout_s=20):
        """Runs a tool of the system; its standard output as text. It must succeed."""
        done = subprocess.run(self.inside(ns) + [str(word) for word in words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=timeout_s, cwd=self.dir)
        if done.returncode != 0:
            raise Failure(f"{' '.join(str(word) for word in words)}: exit code {done.returncode}: "
                          f"{done.stderr.strip()}")
        return done.stdout

    def sysctl(self, name, value, ns=None):
        self.command("sh", "-c", f"echo {value} >/proc/sys/{name.replace('.', '/')}", ns=ns)

    # ---- programs

    def start(self, *command, **keywords):
        return Process(self, command, **keywords)

    def tee(self, command, *words, **keywords):
        """Starts `teeceepee COMMAND WORDS…`; the options of a wire come among the words."""
        return Process(self, [self.program, command, *words], **keywords)

    def close(self):
        for process in reversed(self.processes):
            if process.is_running():
                process.signal(signal.SIGTERM)
        end = time.monotonic() + 3
        for process in reversed(self.processes):
            try:
                process.popen.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            process.kill()

    def wait_listening(self, port, ns=None, protocol="tcp", timeout_s=15):
        """Waits until some program of the kernel's side listens on a port."""
        until(lambda: self.command("ss", "-Hln", "--" + protocol, f"sport = :{port}", ns=ns).strip(),
              timeout_s, f"a server on {protocol} port {port}", 0.05)

    def wait_answering(self, wire, family=4, timeout_s=20):
        """Waits until teeceepee's address answers an echo request of the kernel's."""
        address = wire.ours(family)

        def answers():
            return subprocess.run(
                self.inside(wire.ns) + ["ping", "-nq", "-c1", "-W1", address],
                stdin=subprocess.DEVNULL, capture_output=True).returncode == 0

        until(answers, timeout_s, f"{address} to answer a ping", 0.1)

    def counter(self, name, ns=None):
        """One of the kernel's SNMP counters in a namespace, such as "TcpOutRsts"."""
        for line in self.command("nstat", "-asz", name, ns=ns).splitlines():
            words = line.split()
            if words and words[0] == name:
                return int(words[1])
        raise Failure(f"the kernel has no counter {name}")


def random_file(path, size):
    """A file of `size` bytes that no compression or repetition hides; returns its SHA-256."""
    generator = subprocess.Popen(
        ["openssl", "enc", "-aes-128-ctr", "-nosalt", "-K", f"{size:032x}", "-iv", "0" * 32,
         "-in", "/dev/zero"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    digest = hashlib.sha256()
    left = size
    with open(path, "wb") as out:
        while left > 0:
            piece = generator.stdout.read(min(left, 1 << 20))
            check(piece, "openssl made too few bytes")
            out.write(piece)
            digest.update(piece)
            left -= len(piece)
    generator.kill()
    generator.stdout.close()
    generator.wait()
    return digest.hexdigest()


class StreamHash:
    """Reads a pipe to its end in a thread of its own: SHA-256 and number of bytes."""

    def __init__(self, stream):
        self._stream = stream
        self._digest = hashlib.sha256()
        self._size = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            piece = self._stream.read1(1 << 20)
            if not piece:
                break
            self._digest.update(piece)
            self._size += len(piece)

    def check(self, want_digest, want_size, timeout_s):
        """Waits for the end; the stream must be what was sent."""
        self._reader.join(timeout_s)
        check(not self._reader.is_alive(),
              f"the stream did not end within {timeout_s} s; {self._size} bytes came")
        check_equal(self._size, want_size, "bytes that came in")
        check_equal(self._digest.hexdigest(), want_digest, "SHA-256 of what came in")


# ---- the program


def _unshare():
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return words if os.getuid() == 0 else words + ["--user", "--map-root-user"]


def enter(variable=INSIDE):
    """
    Starts this program again inside namespaces of its own, and then never returns. Inside, it returns
    None; where the machine forbids namespaces, the reason.
    """
    if os.environ.pop(variable, None):
        return None
    if not shutil.which("unshare") or not shutil.which("ip"):
        return "unshare and ip are not installed"
    command = _unshare()
    tried = subprocess.run(command + ["ip", "link", "set", "lo", "up"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return tried.stderr.strip()
    os.environ[variable] = "1"
    sys.stdout.flush()
    os.execvp(command[0], command + [sys.executable, "-B", *sys.argv])


def furnish():
    """The inside of the namespaces: loopback, private /run and /tmp; returns the directory to use."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    os.mkdir("/run/netns")
    root = "/run/live"
    os.mkdir(root, 0o755)
    os.environ["TMPDIR"] = root
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY",
                 "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        os.environ.pop(name, None)
    os.environ["HOME"] = root
    os.environ["LC_ALL"] = "C.UTF-8"
    return root


def _run_case(number, entry, arguments, root):
    name, _, function = entry
    lab = Lab(arguments.program, number, arguments.quick, root)
    started = time.monotonic()
    try:
        note = function(lab)
        line = f"ok {number} - {name}"
    except Skip as reason:
        note, line = None, f"ok {number} - {name} # SKIP {reason}"
    except Exception as error:  # any fault of a case is a failure of that case only
        text = str(error) if isinstance(error, Failure) else traceback.format_exc()
        note, line = None, f"not ok {number} - {name}\n" + "\n".join(
            f"#   {row}" for row in text.splitlines())
    finally:
        lab.close()
    with _print_lock:
        print(f"# {name}: {f'{note}, ' if note else ''}{time.monotonic() - started:.1f} s")
        print(line, flush=True)
    return not line.startswith("not ok")


def main(jobs=1):
    parser = argparse.ArgumentParser(description="A live test; see tests/live/lab.py.")
    parser.add_argument("program", help="the teeceepee to test")
    parser.add_argument("cases", nargs="*", help="only cases whose name holds one of these")
    parser.add_argument("--quick", action="store_true", help="the quick cases, with small numbers")
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.program)
    if not os.access(arguments.program, os.X_OK):
        parser.error(f"there is no program {arguments.program}")
    reason = enter()
    if reason:
        print(f"1..0 # SKIP no network namespaces here: {reason}")
        sys.exit(SKIP_EXIT)
    root = furnish()
    chosen = [entry for entry in _cases
              if (entry[1] or not arguments.quick)
              and (not arguments.cases or any(word in entry[0] for word in arguments.cases))]
    print(f"1..{len(chosen)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda pair: _run_case(*pair, arguments, root),
                                enumerate(chosen, 1)))
    sys.exit(0 if all(results) else 1)
