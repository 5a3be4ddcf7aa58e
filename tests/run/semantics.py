#!/usr/bin/env python3
"""A few hundred sequences of socket calls, and what came of each, one line a sequence.

    semantics.py            prints "NAME: RESULT RESULT …"
    semantics.py NAME…      only the sequences whose name holds one of these

Run once on the kernel's own TCP and once under `teeceepee run`, the two outputs must differ in nothing
but what tests/run/semantics.differs lists with a reason (tests/live/run.py compares). Everything
happens on the loopback; a result is a value, or the name of the errno. Readiness is read once it
has come to rest: after the bits that the sequence waits for, and a moment more.
"""

import array
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import termios
import time

SEQUENCES = []
SETTLE_S = 0.012
V4, V6 = ("v4", socket.AF_INET, "127.0.0.1", "0.0.0.0"), ("v6", socket.AF_INET6, "::1", "::")
BITS = ((select.POLLIN, "in"), (select.POLLOUT, "out"), (select.POLLERR, "err"),
        (select.POLLHUP, "hup"), (select.POLLRDHUP, "rdhup"), (select.POLLPRI, "pri"))
ANY_BITS = select.POLLIN | select.POLLOUT | select.POLLRDHUP | select.POLLPRI
BLACK_HOLE = {"v4": "192.0.2.1", "v6": "2001:db8::1"}


def sequence(name, families=(V4, V6)):
    def register(function):
        for family in families:
            SEQUENCES.append((f"{name} {family[0]}", lambda out, f=family: play(function, World(f, out))))
        return function
    return register


def play(function, world):
    try:
        function(world)
    finally:
        world.close()


class World:
    """What a sequence works with: its family, and the list of its results."""

    def __init__(self, family, out):
        self.name, self.family, self.loopback, self.any = family
        self.out = out
        self.open = []

    def did(self, function, *args):
        """Calls; notes the result or the errno; gives back the result, None after an error."""
        try:
            value = function(*args)
        except socket.timeout:
            self.note("timeout")
            return None
        except OSError as error:
            self.note(errno.errorcode.get(error.errno, str(error.errno)))
            return None
        self.note(value)
        return value

    def note(self, value):
        if isinstance(value, socket.socket):
            value = "socket"
        elif isinstance(value, (bytes, bytearray)):
            value = f"{len(value)}B:{bytes(value[:8]).decode('latin1')}"
        elif isinstance(value, tuple) and value and isinstance(value[0], str) and len(value) >= 2:
            value = f"{value[0]}:{'port' if value[1] else 0}"
        self.out.append(str(value))

    def socket(self, kind=socket.SOCK_STREAM, blocking=True):
        s = socket.socket(self.family, kind)
        s.setblocking(blocking)
        self.open.append(s)
        return s

    def udp(self, blocking=False):
        return self.socket(socket.SOCK_DGRAM, blocking)

    def listener(self, backlog=8, blocking=True):
        s = self.socket()
        s.bind((self.loopback, 0))
        s.listen(backlog)
        s.setblocking(blocking)
        return s

    def closed_port(self):
        s = self.listener()
        port = s.getsockname()[1]
        s.close()
        return (self.loopback, port)

    def pair(self):
        listener = self.listener()
        client = self.socket()
        client.connect(listener.getsockname())
        server = listener.accept()[0]
        listener.close()
        self.open.append(server)
        for s in (client, server):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 2, 0))
        return client, server

    def poll(self, s, wanted=0):
        """Waits for the bits, lets things come to rest, notes what holds."""
        poller = select.poll()
        end = time.monotonic() + 2
        bits = 0
        if wanted:
            poller.register(s, wanted)
            while time.monotonic() < end:
                bits = dict(poller.poll(50)).get(s.fileno(), 0)
                if bits & wanted == wanted:
                    break
        time.sleep(SETTLE_S)
        poller.register(s, ANY_BITS)
        bits = dict(poller.poll(0)).get(s.fileno(), 0)
        self.note("+".join(name for bit, name in BITS if bits & bit) or "nothing")

    def error(self, s):
        code = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.note(errno.errorcode.get(code, code))

    def close(self):
        for s in self.open:
            s.close()


IN, OUT, HUP, RDHUP = select.POLLIN, select.POLLOUT, select.POLLHUP, select.POLLRDHUP

# ---- a fresh socket


@sequence("fresh: poll")
def _(w):
    w.poll(w.socket())


@sequence("fresh: names")
def _(w):
    s = w.socket()
    w.did(s.getsockname)
    w.did(s.getpeername)


@sequence("fresh: recv")
def _(w):
    w.did(w.socket().recv, 10)


@sequence("fresh: send")
def _(w):
    w.did(w.socket().send, b"x")


@sequence("fresh: accept")
def _(w):
    w.did(w.socket().accept)


@sequence("fresh: SO_ERROR")
def _(w):
    w.error(w.socket())


for how, how_name in ((0, "RD"), (1, "WR"), (2, "RDWR"), (3, "3"), (-1, "-1")):
    @sequence(f"fresh: shutdown {how_name}")
    def _(w, how=how):
        w.did(w.socket().shutdown, how)

    @sequence(f"connected: shutdown {how_name}")
    def _(w, how=how):
        a, b = w.pair()
        w.did(a.shutdown, how)
        w.poll(a)
        w.poll(b)
        w.did(a.shutdown, how)

    @sequence(f"listening: shutdown {how_name}")
    def _(w, how=how):
        s = w.listener(blocking=False)
        w.did(s.shutdown, how)
        if how == 1:
            w.did(s.accept)


@sequence("fresh: listen binds a port")
def _(w):
    s = w.socket()
    w.did(s.listen, 3)
    w.did(s.getsockname)
    w.did(s.listen, 5)
    w.poll(s)


for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for protocol in (0, 6, 17, 99):
        @sequence(f"socket type {kind} protocol {protocol}")
        def _(w, kind=kind, protocol=protocol):
            s = w.did(socket.socket, w.family, kind, protocol)
            if s:
                for name in (socket.SO_TYPE, socket.SO_DOMAIN, socket.SO_PROTOCOL):
                    w.did(s.getsockopt, socket.SOL_SOCKET, name)
                s.close()


@sequence("socket: flags")
def _(w):
    for flag in (0, socket.SOCK_NONBLOCK, socket.SOCK_CLOEXEC):
        s = socket.socket(w.family, socket.SOCK_STREAM | flag)
        w.note(bool(fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK))
        s.close()


@sequence("socket: fstat says socket")
def _(w):
    w.note(oct(os.fstat(w.socket().fileno()).st_mode >> 12))


# ---- connect


@sequence("connect: refused, blocking")
def _(w):
    s = w.socket()
    w.did(s.connect, w.closed_port())
    w.error(s)
    w.did(s.getpeername)


@sequence("connect: refused, poll after it")
def _(w):
    s = w.socket()
    w.did(s.connect, w.closed_port())
    w.poll(s)


@sequence("connect: refused, not blocking")
def _(w):
    s = w.socket(blocking=False)
    w.did(s.connect, w.closed_port())
    w.poll(s, OUT | HUP)
    w.error(s)
    w.error(s)


@sequence("connect: refused, not blocking, connect tells")
def _(w):
    s = w.socket(blocking=False)
    port = w.closed_port()
    w.did(s.connect, port)
    w.poll(s, OUT | HUP)
    w.did(s.connect, port)
    w.error(s)


@sequence("connect: refused, then to one who listens")
def _(w):
    s = w.socket()
    w.did(s.connect, w.closed_port())
    listener = w.listener()
    w.did(s.connect, listener.getsockname())
    w.did(s.getpeername)
    c = listener.accept()[0]
    w.did(s.send, b"again")
    w.did(c.recv, 10)
    c.close()


@sequence("connect: blocking")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.connect, listener.getsockname())
    w.note(s.getpeername() == listener.getsockname())
    w.poll(s, OUT)
    w.poll(listener, IN)
    w.did(s.connect, listener.getsockname())
    w.error(s)


@sequence("connect: not blocking")
def _(w):
    listener = w.listener()
    s = w.socket(blocking=False)
    w.did(s.connect, listener.getsockname())
    w.poll(s, OUT)
    w.error(s)
    w.did(s.connect, listener.getsockname())
    w.did(s.connect, listener.getsockname())


@sequence("connect: names agree")
def _(w):
    a, b = w.pair()
    w.note(a.getsockname() == b.getpeername())
    w.note(b.getsockname() == a.getpeername())
    w.did(a.getsockname)


@sequence("connect: nobody answers, not writable")
def _(w):
    s = w.socket(blocking=False)
    try:
        s.connect((BLACK_HOLE[w.name], 9))
        w.note("connected")
    except OSError as error:
        # Without a route it fails at once; a route or none is the machine's matter.
        w.note("pending" if error.errno in (errno.EINPROGRESS, errno.ENETUNREACH) else error.errno)


@sequence("connect: bad arguments")
def _(w):
    s = w.socket()
    other = socket.AF_INET6 if w.family == socket.AF_INET else socket.AF_INET
    t = socket.socket(other)
    w.did(w.socket().connect, (w.loopback, 0))
    t.close()


@sequence("connect: listening socket")
def _(w):
    w.did(w.listener().connect, w.listener().getsockname())


@sequence("connect: bound before")
def _(w):
    listener = w.listener()
    s = w.socket()
    s.bind((w.loopback, 0))
    name = s.getsockname()
    w.did(s.connect, listener.getsockname())
    w.note(s.getsockname() == name)
    w.did(s.bind, (w.loopback, 0))


@sequence("connect: interrupted by a signal")
def _(w):
    hits = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    listener = w.listener()
    listener.settimeout(None)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    libc_accept(w, listener)
    w.note(len(hits))
    signal.signal(signal.SIGALRM, before)


def libc_accept(w, listener):
    """accept() without Python's own repetition after EINTR."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    signal.siginterrupt(signal.SIGALRM, True)
    result = libc.accept(listener.fileno(), None, None)
    w.note(result if result < 0 else "descriptor")
    w.note(errno.errorcode.get(ctypes.get_errno(), "0"))


# ---- accept


@sequence("accept: not blocking, nobody")
def _(w):
    w.did(w.listener(blocking=False).accept)


@sequence("accept: SO_RCVTIMEO")
def _(w):
    s = w.listener()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100000))
    w.did(s.accept)


@sequence("accept: order and names")
def _(w):
    listener = w.listener()
    clients = [w.socket() for _ in range(4)]
    for c in clients:
        c.connect(listener.getsockname())
    for c in clients:
        s, name = listener.accept()
        w.note(name == c.getsockname())
        w.note(s.getpeername() == c.getsockname())
        s.close()
    listener.setblocking(False)
    w.did(listener.accept)


@sequence("accept: the child does not inherit O_NONBLOCK")
def _(w):
    listener = w.listener(blocking=False)
    c = w.socket()
    c.connect(listener.getsockname())
    w.poll(listener, IN)
    fd, _ = listener._accept()
    w.note(bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK))
    os.close(fd)


@sequence("accept: the child inherits options")
def _(w):
    listener = w.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    listener.bind((w.loopback, 0))
    listener.listen()
    c = w.socket()
    c.connect(listener.getsockname())
    s = listener.accept()[0]
    w.did(s.getsockopt, socket.IPPROTO_TCP, socket.TCP_NODELAY)
    w.did(s.getsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    w.did(s.getsockopt, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    w.did(s.getsockopt, socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    w.did(listener.getsockopt, socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    s.close()


@sequence("accept: data sent before")
def _(w):
    listener = w.listener()
    c = w.socket()
    c.connect(listener.getsockname())
    c.send(b"early")
    c.close()
    s = listener.accept()[0]
    w.did(s.recv, 10)
    w.did(s.recv, 10)
    s.close()


@sequence("accept: the listener closes, clients are reset")
def _(w):
    listener = w.listener()
    c = w.socket()
    c.connect(listener.getsockname())
    c.settimeout(2)
    time.sleep(SETTLE_S)
    listener.close()
    w.did(c.recv, 10)


@sequence("accept: in a forked child")
def _(w):
    listener = w.listener()
    pid = os.fork()
    if pid == 0:
        s = listener.accept()[0]
        s.sendall(b"child")
        os._exit(0)
    c = w.socket()
    c.connect(listener.getsockname())
    w.did(c.recv, 10)
    w.did(c.recv, 10)
    os.waitpid(pid, 0)


# ---- bind


@sequence("bind: taken")
def _(w):
    w.did(w.socket().bind, w.listener().getsockname())


@sequence("bind: taken by a socket that does not listen")
def _(w):
    a = w.socket()
    a.bind((w.loopback, 0))
    w.did(w.socket().bind, a.getsockname())


for first in (0, 1):
    for second in (0, 1):
        for option, option_name in ((socket.SO_REUSEADDR, "REUSEADDR"), (socket.SO_REUSEPORT, "REUSEPORT")):
            @sequence(f"bind: twice, {option_name} {first} {second}")
            def _(w, first=first, second=second, option=option):
                a, b = w.socket(), w.socket()
                a.setsockopt(socket.SOL_SOCKET, option, first)
                b.setsockopt(socket.SOL_SOCKET, option, second)
                a.bind((w.loopback, 0))
                w.did(b.bind, a.getsockname())
                w.did(a.listen)
                w.did(b.listen)

            @sequence(f"bind: any and one, {option_name} {first} {second}")
            def _(w, first=first, second=second, option=option):
                a, b = w.socket(), w.socket()
                a.setsockopt(socket.SOL_SOCKET, option, first)
                b.setsockopt(socket.SOL_SOCKET, option, second)
                a.bind((w.any, 0))
                a.listen()
                w.did(b.bind, (w.loopback, a.getsockname()[1]))


@sequence("bind: no address of ours")
def _(w):
    w.did(w.socket().bind, (BLACK_HOLE[w.name], 0))


@sequence("bind: twice the same socket")
def _(w):
    s = w.socket()
    w.did(s.bind, (w.loopback, 0))
    w.did(s.bind, (w.loopback, 0))


@sequence("bind: again after close")
def _(w):
    s = w.socket()
    s.bind((w.loopback, 0))
    name = s.getsockname()
    s.close()
    w.did(w.socket().bind, name)


@sequence("bind: again after listening")
def _(w):
    s = w.listener()
    name = s.getsockname()
    s.close()
    t = w.socket()
    w.did(t.bind, name)
    w.did(t.listen)


for reuse in (0, 1):
    @sequence(f"bind: over TIME-WAIT, SO_REUSEADDR {reuse}")
    def _(w, reuse=reuse):
        listener = w.listener()
        name = listener.getsockname()
        c = w.socket()
        c.connect(name)
        s = listener.accept()[0]
        listener.close()
        s.close()
        c.recv(1)
        c.close()
        time.sleep(SETTLE_S)
        t = w.socket()
        t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        w.did(t.bind, name)


@sequence("bind: the other family's port", (V6,))
def _(w):
    for only in (0, 1):
        six = socket.socket(socket.AF_INET6)
        six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        six.bind(("::", 0))
        six.listen()
        four = socket.socket(socket.AF_INET)
        w.did(four.bind, ("0.0.0.0", six.getsockname()[1]))
        six.close()
        four.close()


@sequence("dual stack: IPv4 comes to an IPv6 listener", (V6,))
def _(w):
    listener = socket.socket(socket.AF_INET6)
    listener.bind(("::", 0))
    listener.listen()
    c = socket.socket(socket.AF_INET)
    w.did(c.connect, ("127.0.0.1", listener.getsockname()[1]))
    s, name = listener.accept()
    w.note(name[0])
    w.note(s.getsockname()[0])
    for t in (s, c, listener):
        t.close()


@sequence("dual stack: IPv6 socket to a mapped address", (V6,))
def _(w):
    listener = socket.socket(socket.AF_INET)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    c = socket.socket(socket.AF_INET6)
    w.did(c.connect, ("::ffff:127.0.0.1", listener.getsockname()[1]))
    w.note(c.getpeername()[0])
    only = socket.socket(socket.AF_INET6)
    only.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    w.did(only.connect, ("::ffff:127.0.0.1", listener.getsockname()[1]))
    for t in (c, listener, only):
        t.close()


# ---- data


@sequence("data: there and back")
def _(w):
    a, b = w.pair()
    w.did(a.send, b"hello")
    w.did(b.recv, 100)
    w.did(b.send, b"you")
    w.did(a.recv, 2)
    w.did(a.recv, 2)


@sequence("data: MSG_PEEK")
def _(w):
    a, b = w.pair()
    a.send(b"hello")
    w.poll(b, IN)
    w.did(b.recv, 3, socket.MSG_PEEK)
    w.did(b.recv, 10, socket.MSG_PEEK)
    w.did(b.recv, 10)


@sequence("data: MSG_DONTWAIT")
def _(w):
    a, b = w.pair()
    w.did(b.recv, 3, socket.MSG_DONTWAIT)
    a.send(b"x")
    w.poll(b, IN)
    w.did(b.recv, 3, socket.MSG_DONTWAIT)


@sequence("data: MSG_WAITALL")
def _(w):
    a, b = w.pair()
    pid = os.fork()
    if pid == 0:
        for piece in (b"one", b"two", b"three"):
            a.send(piece)
            time.sleep(0.01)
        os._exit(0)
    w.did(b.recv, 11, socket.MSG_WAITALL)
    os.waitpid(pid, 0)


@sequence("data: SO_RCVTIMEO")
def _(w):
    a, b = w.pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 50000))
    w.did(b.recv, 3)


@sequence("data: FIONREAD")
def _(w):
    a, b = w.pair()
    a.send(b"12345")
    w.poll(b, IN)
    size = array.array("i", [0])
    fcntl.ioctl(b, termios.FIONREAD, size)
    w.note(size[0])


@sequence("data: recv of nothing, send of nothing")
def _(w):
    a, b = w.pair()
    w.did(a.send, b"")
    w.did(b.recv, 0)
    w.poll(b)


@sequence("data: recvfrom tells no address")
def _(w):
    a, b = w.pair()
    a.send(b"x")
    data, name = b.recvfrom(10)
    w.note(data)


@sequence("data: recvmsg, sendmsg")
def _(w):
    a, b = w.pair()
    w.did(a.sendmsg, [b"ab", b"cd"])
    w.poll(b, IN)
    data, control, flags, name = b.recvmsg(10, 100)
    w.note(data)
    w.note(len(control))


@sequence("data: sendto with an address on a connection")
def _(w):
    a, b = w.pair()
    w.did(a.sendto, b"abc", b.getsockname())
    w.did(b.recv, 10)


@sequence("data: read and write")
def _(w):
    a, b = w.pair()
    w.did(os.write, a.fileno(), b"by write")
    w.did(os.read, b.fileno(), 100)
    w.did(os.writev, a.fileno(), [b"a", b"b"])
    w.did(os.read, b.fileno(), 100)


@sequence("data: lseek, pread")
def _(w):
    a, b = w.pair()
    w.did(os.lseek, a.fileno(), 0, 0)
    w.did(os.pread, a.fileno(), 1, 0)


@sequence("data: sendfile")
def _(w):
    a, b = w.pair()
    with open(__file__, "rb") as f:
        w.note(os.sendfile(a.fileno(), f.fileno(), 0, 1000))
    got = b""
    while len(got) < 1000:
        got += b.recv(1000 - len(got))
    w.note(len(got))


@sequence("data: a full pipe blocks, and opens again")
def _(w):
    a, b = w.pair()
    a.setblocking(False)
    sent, before = 0, -1
    while sent != before:
        before = sent
        try:
            while True:
                sent += a.send(b"z" * 65536)
        except BlockingIOError:
            time.sleep(0.05)
    w.poll(a)
    got = 0
    b.setblocking(True)
    while got < sent:
        got += len(b.recv(1 << 20))
    w.note(got == sent)
    w.poll(a, OUT)


for size in (1, 1000, 100000, 3000000):
    @sequence(f"data: {size} bytes arrive whole")
    def _(w, size=size):
        a, b = w.pair()
        data = os.urandom(size)
        pid = os.fork()
        if pid == 0:
            a.sendall(data)
            os._exit(0)
        a.close()
        got = bytearray()
        while piece := b.recv(1 << 16):
            got += piece
        w.note(bytes(got) == data)
        os.waitpid(pid, 0)


@sequence("data: dup and close one")
def _(w):
    a, b = w.pair()
    d = a.dup()
    a.close()
    d.send(b"dup")
    w.did(b.recv, 10)
    w.did(d.getpeername)
    d.close()
    w.did(b.recv, 10)


@sequence("data: passed over AF_UNIX")
def _(w):
    a, b = w.pair()
    left, right = socket.socketpair()
    socket.send_fds(left, [b"."], [a.fileno()])
    a.close()
    fd = socket.recv_fds(right, 10, 1)[1][0]
    passed = socket.socket(fileno=fd)
    w.did(passed.getpeername)
    w.did(passed.send, b"passed")
    w.did(b.recv, 10)
    for s in (passed, left, right):
        s.close()


# ---- ends


@sequence("end: half-close, the other way goes on")
def _(w):
    a, b = w.pair()
    w.did(a.shutdown, socket.SHUT_WR)
    w.poll(b, IN | RDHUP)
    w.did(b.recv, 10)
    w.did(b.send, b"late")
    w.did(a.recv, 10)
    w.poll(a)
    w.did(a.send, b"x")


@sequence("end: both half-closed")
def _(w):
    a, b = w.pair()
    a.shutdown(socket.SHUT_WR)
    w.poll(b, RDHUP)
    b.shutdown(socket.SHUT_WR)
    w.poll(a, HUP)
    w.poll(b, HUP)
    w.did(a.recv, 10)
    w.did(b.recv, 10)
    w.error(a)


@sequence("end: data before FIN are read")
def _(w):
    a, b = w.pair()
    a.send(b"last")
    a.close()
    w.poll(b, IN | RDHUP)
    w.did(b.recv, 10)
    w.did(b.recv, 10)
    w.did(b.recv, 10)


@sequence("end: send after the peer has closed")
def _(w):
    a, b = w.pair()
    a.close()
    w.poll(b, RDHUP)
    w.did(b.send, b"x")
    w.poll(b)
    w.did(b.send, b"x")


@sequence("end: closed with data unread resets")
def _(w):
    a, b = w.pair()
    b.send(b"unread")
    w.poll(a, IN)
    a.close()
    w.poll(b, HUP)
    w.did(b.recv, 10)
    w.did(b.recv, 10)


@sequence("end: reset, SO_ERROR")
def _(w):
    a, b = w.pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    w.poll(b, HUP)
    w.error(b)
    w.error(b)
    w.did(b.recv, 10)


@sequence("end: reset, recv")
def _(w):
    a, b = w.pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    w.poll(b, HUP)
    w.did(b.recv, 10)
    w.error(b)
    w.did(b.recv, 10)


@sequence("end: reset, send")
def _(w):
    a, b = w.pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    w.poll(b, HUP)
    w.did(b.send, b"x")
    w.did(b.send, b"x")


@sequence("end: reset, names")
def _(w):
    a, b = w.pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a.close()
    w.poll(b, HUP)
    w.did(b.getpeername)
    w.did(b.getsockname)


@sequence("end: SIGPIPE")
def _(w):
    a, b = w.pair()
    a.shutdown(socket.SHUT_WR)
    before = signal.signal(signal.SIGPIPE, lambda *_: w.note("SIGPIPE"))
    w.did(a.send, b"x")
    w.did(a.send, b"x", socket.MSG_NOSIGNAL)
    signal.signal(signal.SIGPIPE, before)


@sequence("end: shutdown RD, then data come")
def _(w):
    a, b = w.pair()
    a.shutdown(socket.SHUT_RD)
    w.did(a.recv, 10)
    w.did(b.send, b"x")
    time.sleep(SETTLE_S)
    w.did(a.send, b"y")
    w.did(b.recv, 10)


@sequence("end: a child is killed")
def _(w):
    a, b = w.pair()
    pid = os.fork()
    if pid == 0:
        signal.pause()
    a.close()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    w.poll(b, RDHUP)
    w.did(b.recv, 10)


# ---- epoll


@sequence("epoll: edges of a connect")
def _(w):
    listener = w.listener()
    s = w.socket(blocking=False)
    e = select.epoll()
    w.did(s.connect, listener.getsockname())
    e.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
    seen = 0
    end = time.monotonic() + 1
    while time.monotonic() < end and not seen & OUT:
        for _, bits in e.poll(0.05):
            seen |= bits
    w.note(seen)
    e.close()


@sequence("epoll: edges of data")
def _(w):
    a, b = w.pair()
    e = select.epoll()
    e.register(b, select.EPOLLIN | select.EPOLLET)
    w.note(len(e.poll(0.02)))
    for _ in range(3):
        a.send(b"x")
        w.note(len(e.poll(1)))
    w.note(len(e.poll(0.02)))
    e.close()


@sequence("epoll: edges of a listener")
def _(w):
    listener = w.listener(blocking=False)
    e = select.epoll()
    e.register(listener, select.EPOLLIN | select.EPOLLET)
    for _ in range(3):
        w.socket().connect(listener.getsockname())
        w.note(len(e.poll(1)))
    w.note(len(e.poll(0.02)))
    e.close()


@sequence("epoll: hang-up of the peer")
def _(w):
    a, b = w.pair()
    e = select.epoll()
    e.register(b, select.EPOLLIN | select.EPOLLRDHUP)
    a.close()
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    e.close()


@sequence("epoll: registered before connect")
def _(w):
    listener = w.listener()
    s = w.socket(blocking=False)
    e = select.epoll()
    e.register(s, select.EPOLLOUT)
    w.note([bits for _, bits in e.poll(0)])
    w.did(s.connect, listener.getsockname())
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    e.close()


# ---- options

OPTIONS = [
    ("SO_REUSEADDR", 1, 2, (0, 1, 5)), ("SO_KEEPALIVE", 1, 9, (0, 1, 5)),
    ("SO_OOBINLINE", 1, 10, (1,)), ("SO_REUSEPORT", 1, 15, (0, 1)),
    ("SO_RCVLOWAT", 1, 18, (1, 100)), ("SO_BROADCAST", 1, 6, (1,)),
    ("SO_PRIORITY", 1, 12, (3,)), ("SO_TYPE", 1, 3, (1,)), ("SO_ACCEPTCONN", 1, 30, (1,)),
    ("TCP_NODELAY", 6, 1, (0, 1, 7)), ("TCP_CORK", 6, 3, (0,)),
    ("TCP_KEEPIDLE", 6, 4, (10, 0, -1, 32767, 32768)),
    ("TCP_KEEPINTVL", 6, 5, (10, 0, 32768)), ("TCP_KEEPCNT", 6, 6, (3, 0, 127, 128)),
    ("TCP_SYNCNT", 6, 7, (3, 0, 127, 128)), ("TCP_LINGER2", 6, 8, (10, -1)),
    ("TCP_DEFER_ACCEPT", 6, 9, (0,)), ("TCP_USER_TIMEOUT", 6, 18, (5000, 0, -1)),
    ("TCP_NOTSENT_LOWAT", 6, 25, (16384,)), ("TCP 9999", 6, 9999, (1,)),
    ("SOL_SOCKET 9999", 1, 9999, (1,)),
]
for option_name, level, number, values in OPTIONS:
    @sequence(f"option: {option_name}")
    def _(w, level=level, number=number, values=values):
        s = w.socket()
        w.did(s.getsockopt, level, number)
        for value in values:
            w.did(s.setsockopt, level, number, value)
            w.did(s.getsockopt, level, number)

    @sequence(f"option: {option_name}, connected", (V4,))
    def _(w, level=level, number=number, values=values):
        s, _ = w.pair()
        for value in values:
            w.did(s.setsockopt, level, number, value)
            w.did(s.getsockopt, level, number)

IP_OPTIONS = {
    "v4": [("IP_TOS", 0, 1, (8, 0)), ("IP_TTL", 0, 2, (5, 0, 256, -1)), ("IP 9999", 0, 9999, (1,)),
           ("IP_MTU_DISCOVER", 0, 10, (2, 0))],
    "v6": [("IPV6_V6ONLY", 41, 26, (1, 0)), ("IPV6_UNICAST_HOPS", 41, 16, (5, -1, 256)),
           ("IPV6_TCLASS", 41, 67, (8,))],
}
for option_family in (V4, V6):
    for option_name, level, number, values in IP_OPTIONS[option_family[0]]:
        @sequence(f"option: {option_name}", (option_family,))
        def _(w, level=level, number=number, values=values):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = w.socket(kind)
                w.did(s.getsockopt, level, number)
                for value in values:
                    w.did(s.setsockopt, level, number, value)
                    w.did(s.getsockopt, level, number)


@sequence("option: SO_LINGER")
def _(w):
    s = w.socket()
    w.did(s.getsockopt, 1, 13, 8)
    w.did(s.setsockopt, 1, 13, struct.pack("ii", 1, 5))
    w.did(s.getsockopt, 1, 13, 8)
    w.did(s.setsockopt, 1, 13, b"x")


@sequence("option: SO_RCVTIMEO")
def _(w):
    s = w.socket()
    w.did(s.setsockopt, 1, 20, struct.pack("ll", 3, 500000))
    w.note(struct.unpack("ll", s.getsockopt(1, 20, 16)))
    w.did(s.setsockopt, 1, 20, struct.pack("ll", 3, 2000000))


@sequence("option: buffers are doubled")
def _(w):
    for name in (7, 8):
        s = w.socket()
        s.setsockopt(1, name, 20000)
        w.did(s.getsockopt, 1, name)


@sequence("option: TCP_CONGESTION")
def _(w):
    s = w.socket()
    w.did(s.setsockopt, 6, 13, b"no-such")
    w.did(s.setsockopt, 6, 13, b"reno")
    w.note(s.getsockopt(6, 13, 16).rstrip(b"\0"))


@sequence("option: TCP_INFO's state")
def _(w):
    s = w.socket()
    w.note(s.getsockopt(6, 11, 8)[0])
    w.note(w.listener().getsockopt(6, 11, 8)[0])
    a, b = w.pair()
    w.note(a.getsockopt(6, 11, 8)[0])
    a.shutdown(socket.SHUT_WR)
    w.poll(b, RDHUP)
    w.note(a.getsockopt(6, 11, 8)[0])
    w.note(b.getsockopt(6, 11, 8)[0])


@sequence("option: TCP_INFO counts bytes")
def _(w):
    a, b = w.pair()
    a.send(b"x" * 5000)
    got = 0
    while got < 5000:
        got += len(b.recv(5000))
    time.sleep(SETTLE_S)
    info = b.getsockopt(6, 11, 200)
    w.note(struct.unpack_from("Q", info, 128)[0])


@sequence("option: short and long values")
def _(w):
    s = w.socket()
    w.did(s.setsockopt, 6, 1, b"\1")
    w.did(s.setsockopt, 6, 1, struct.pack("q", 1))
    w.did(s.getsockopt, 6, 1, 1)
    w.did(s.getsockopt, 6, 1, 0)


# ---- UDP


@sequence("udp: fresh")
def _(w):
    s = w.udp()
    w.poll(s)
    w.did(s.getsockname)
    w.did(s.getpeername)
    w.did(s.recv, 10)
    w.did(s.recvfrom, 10)
    w.did(s.listen, 1)
    w.did(s.accept)


@sequence("udp: send without an address")
def _(w):
    w.did(w.udp().send, b"x")


@sequence("udp: there and back")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    w.did(a.sendto, b"ping", b.getsockname())
    w.poll(b, IN)
    data, name = b.recvfrom(100)
    w.note(data)
    w.note(name[1] == a.getsockname()[1])
    w.did(b.sendto, b"pong", name)
    w.poll(a, IN)
    w.note(a.recvfrom(100)[1] == b.getsockname())


@sequence("udp: bound ports")
def _(w):
    a = w.udp()
    w.did(a.bind, (w.loopback, 0))
    w.did(w.udp().bind, a.getsockname())
    w.did(a.bind, (w.loopback, 0))
    w.did(w.udp().bind, (BLACK_HOLE[w.name], 0))


@sequence("udp: connected")
def _(w):
    a, b, c = w.udp(), w.udp(), w.udp()
    for s in (b, c):
        s.bind((w.loopback, 0))
    w.did(a.connect, b.getsockname())
    w.note(a.getpeername() == b.getsockname())
    w.did(a.send, b"to b")
    w.poll(b, IN)
    name = b.recvfrom(10)[1]
    c.sendto(b"from c", name)
    b.sendto(b"from b", name)
    w.poll(a, IN)
    w.did(a.recv, 10)
    w.did(a.recv, 10)
    w.did(a.sendto, b"to c", c.getsockname())
    w.poll(c, IN)
    w.did(c.recv, 10)


@sequence("udp: refused")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    a.connect(b.getsockname())
    b.close()
    time.sleep(SETTLE_S)
    a.send(b"x")
    time.sleep(SETTLE_S)
    w.error(a)


def refused(w, **keywords):
    """A connected socket whose first datagram was refused."""
    a, b = w.udp(**keywords), w.udp()
    b.bind((w.loopback, 0))
    name = b.getsockname()
    a.connect(name)
    b.close()
    time.sleep(SETTLE_S)
    a.send(b"x")
    return a, name


REFUSED = {
    "recv": lambda a, _: a.recv(10),
    "recv blocking": lambda a, _: (a.setblocking(True), a.recv(10)),
    "recvfrom": lambda a, _: a.recvfrom(10),
    "recvmsg": lambda a, _: a.recvmsg(10)[0],
    "read": lambda a, _: os.read(a.fileno(), 10),
    "send": lambda a, _: a.send(b"y"),
    "write": lambda a, _: os.write(a.fileno(), b"y"),
    "sendto": lambda a, name: a.sendto(b"y", name),
    "sendmsg": lambda a, _: a.sendmsg([b"y"]),
    "SO_ERROR": lambda a, _: a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
}
for call_name, call in REFUSED.items():
    @sequence(f"udp: refused, heard by {call_name}")
    def _(w, call=call):
        a, name = refused(w)
        w.poll(a, select.POLLERR)
        w.did(call, a, name)
        w.poll(a)
        a.setblocking(False)
        w.did(a.recv, 10)
        w.did(a.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)


@sequence("udp: refused again and again")
def _(w):
    a, _ = refused(w)
    for _ in range(5):
        w.poll(a, select.POLLERR)
        w.did(a.recv, 10)
        w.did(a.send, b"again")


@sequence("udp: refused, and then somebody is there")
def _(w):
    a, name = refused(w)
    w.poll(a, select.POLLERR)
    b = w.udp()
    b.bind(name)
    w.error(a)
    w.did(a.send, b"hello")
    w.poll(b, IN)
    data, who = b.recvfrom(10)
    w.note(data)
    w.note(who == a.getsockname())
    b.sendto(b"yes", who)
    w.poll(a, IN)
    w.did(a.recv, 10)
    w.did(a.recv, 10)


@sequence("udp: refused, a receiver waits")
def _(w):
    a, b = w.udp(blocking=True), w.udp()
    b.bind((w.loopback, 0))
    a.connect(b.getsockname())
    b.close()
    time.sleep(SETTLE_S)
    pid = os.fork()
    if pid == 0:
        try:
            a.recv(10)
        except ConnectionRefusedError:
            os._exit(7)
        os._exit(0)
    time.sleep(SETTLE_S)
    a.send(b"x")
    w.note(os.waitpid(pid, 0)[1] >> 8)


@sequence("udp: refused, watched by epoll since before connect")
def _(w):
    a, b = w.udp(), w.udp()
    epoll = select.epoll()
    epoll.register(a, IN)
    b.bind((w.loopback, 0))
    a.connect(b.getsockname())
    a.send(b"x")
    w.poll(b, IN)
    b.sendto(b"y", b.recvfrom(10)[1])
    w.note([bits for _, bits in epoll.poll(2)] == [IN])
    w.did(a.recv, 10)
    epoll.close()


@sequence("udp: what came before connect is read after it")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    a.bind((w.loopback, 0))
    for i in range(3):
        b.sendto(b"%d" % i, a.getsockname())
    w.poll(a, IN)
    a.connect(b.getsockname())
    for _ in range(3):
        data, who = a.recvfrom(10)
        w.note(data)
        w.note(who == b.getsockname())
    w.did(a.recv, 10)


@sequence("udp: a connected socket's flags and options")
def _(w):
    for cloexec in (False, True):
        a, b = w.udp(), w.udp()
        b.bind((w.loopback, 0))
        a.set_inheritable(not cloexec)
        a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 3, 0))
        a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 5000)
        a.connect(b.getsockname())
        w.note(a.get_inheritable())
        w.did(a.getsockopt, socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)
        w.did(a.getsockopt, socket.SOL_SOCKET, socket.SO_RCVBUF)
        w.note(bool(fcntl.fcntl(a.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK))
        w.did(a.getpeername)
        w.note(os.fstat(a.fileno()).st_mode >> 12)


@sequence("udp: a connected socket's port is free once it is closed")
def _(w):
    for _ in range(3):
        a, b = w.udp(), w.udp()
        b.bind((w.loopback, 0))
        a.bind((w.loopback, 0))
        name = a.getsockname()
        a.connect(b.getsockname())
        a.send(b"x")
        a.close()
        c = w.udp()
        w.did(c.bind, name)


@sequence("udp: MSG_PEEK and MSG_TRUNC")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    a.sendto(b"0123456789", b.getsockname())
    w.poll(b, IN)
    w.did(b.recv, 3, socket.MSG_PEEK)
    buffer = bytearray(4)
    w.did(b.recv_into, buffer, 4, socket.MSG_PEEK | socket.MSG_TRUNC)
    w.note(b.recvfrom(3)[0])
    w.did(b.recv, 10)


@sequence("udp: an empty datagram")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    w.did(a.sendto, b"", b.getsockname())
    w.poll(b, IN)
    w.note(b.recvfrom(10)[0])
    w.did(b.recv, 10)


for size in (1, 1472, 1473, 9000, 65507, 65508):
    @sequence(f"udp: {size} bytes", (V4,))
    def _(w, size=size):
        a, b = w.udp(), w.udp()
        b.bind((w.loopback, 0))
        w.did(a.sendto, b"u" * size, b.getsockname())
        if size <= 65507:
            w.poll(b, IN)
            w.did(b.recv, 70000)


@sequence("udp: recvmsg and sendmsg")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    w.did(a.sendmsg, [b"ab", b"c"], [], 0, b.getsockname())
    w.poll(b, IN)
    data, _, flags, name = b.recvmsg(2)
    w.note(data)
    w.note(flags)
    w.note(name[1] == a.getsockname()[1])


@sequence("udp: FIONREAD")
def _(w):
    a, b = w.udp(), w.udp()
    b.bind((w.loopback, 0))
    a.sendto(b"12345", b.getsockname())
    a.sendto(b"678", b.getsockname())
    w.poll(b, IN)
    size = array.array("i", [0])
    fcntl.ioctl(b, termios.FIONREAD, size)
    w.note(size[0])


@sequence("udp: SO_RCVTIMEO")
def _(w):
    s = w.udp(blocking=True)
    s.bind((w.loopback, 0))
    s.setsockopt(1, 20, struct.pack("ll", 0, 60000))
    w.did(s.recv, 10)
    w.did(s.recvfrom, 10)


@sequence("udp: options")
def _(w):
    s = w.udp()
    for level, name in ((1, 2), (1, 3), (1, 6), (6, 1), (1, 39)):
        w.did(s.getsockopt, level, name)
    s.setsockopt(1, 8, 30000)
    w.did(s.getsockopt, 1, 8)


# ---- other kinds


@sequence("raw sockets")
def _(w):
    # root has them on the kernel's TCP; what matters is that a stranger to them gets EPERM
    try:
        socket.socket(w.family, socket.SOCK_RAW, 255).close()
        w.note("EPERM")
    except OSError as error:
        w.note(errno.errorcode[error.errno])


@sequence("no sockets at all", (V4,))
def _(w):
    r, wr = os.pipe()
    s = socket.socket(fileno=os.dup(w.socket().fileno()))
    os.dup2(r, s.fileno())
    w.did(s.connect, ("127.0.0.1", 1))
    w.did(s.getsockname)
    w.did(s.listen, 1)
    w.did(s.setsockopt, 1, 2, 1)
    s.close()
    os.close(r)
    os.close(wr)


@sequence("AF_UNIX stays the kernel's", (V4,))
def _(w):
    a, b = socket.socketpair()
    w.did(a.getsockopt, 1, socket.SO_TYPE)
    w.did(a.getsockopt, 1, socket.SO_DOMAIN)
    w.did(a.send, b"unix")
    w.did(b.recvmsg, 10)
    w.did(a.shutdown, socket.SHUT_WR)
    w.did(a.setsockopt, 6, 1, 1)
    a.close()
    b.close()


def main():
    import semantics_deep  # noqa: F401 (these register sequences of their own)
    import semantics_errors  # noqa: F401
    import semantics_stamps  # noqa: F401
    for name, run in SEQUENCES:
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        out = []
        signal.alarm(10)
        try:
            run(out)
        except Exception as fault:  # a fault is a result too
            out.append(f"{type(fault).__name__}: {fault}")
        signal.alarm(0)
        print(f"{name}: {' '.join(out)}", flush=True)


if __name__ == "__main__":
    main()
