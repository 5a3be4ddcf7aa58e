"""More sequences for semantics.py: control messages, errors of failed connects, epoll in all its modes, descriptors
shared and passed, full backlogs, and the defaults of every option."""

import ctypes
import errno
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import threading
import time

from __main__ import BLACK_HOLE, HUP, IN, OUT, RDHUP, SETTLE_S, V4, V6, sequence

ET = select.EPOLLET
LINGER_0 = struct.pack("ii", 1, 0)


def linger_0(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)


def bound(w, **keywords):
    s = w.udp(**keywords)
    s.bind((w.loopback, 0))
    return s


# ---- recvmsg, sendmsg and their flags


@sequence("recvmsg: MSG_TRUNC and MSG_PEEK of a stream")
def _(w):
    a, b = w.pair()
    a.send(b"0123456789")
    w.poll(b, IN)
    data, _, flags, _ = b.recvmsg(4, 0, socket.MSG_PEEK)
    w.note(data)
    w.note(flags)
    w.did(b.recv, 4, socket.MSG_WAITALL)
    data, _, flags, _ = b.recvmsg(100)
    w.note(data)
    w.note(flags)


@sequence("recvmsg: several pieces")
def _(w):
    a, b = w.pair()
    a.send(b"abcdefgh")
    w.poll(b, IN)
    pieces = [bytearray(3), bytearray(0), bytearray(3)]
    w.note(b.recvmsg_into(pieces)[0])
    w.note(pieces[0])
    w.note(pieces[2])
    w.did(b.recv, 9)


@sequence("recvmsg: MSG_DONTWAIT of nothing, stream and datagram")
def _(w):
    for s in (w.pair()[0], bound(w, blocking=True)):
        w.did(s.recvmsg, 10, 0, socket.MSG_DONTWAIT)
        w.did(s.recvmsg, 10, 0, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)


@sequence("sendmsg: nothing at all")
def _(w):
    a, b = w.pair()
    w.did(a.sendmsg, [])
    w.did(a.sendmsg, [b""])
    w.poll(b)


@sequence("sendmsg: MSG_MORE, then the rest")
def _(w):
    a, b = w.pair()
    w.did(a.send, b"one ", socket.MSG_MORE)
    w.did(a.send, b"two")
    got = b""
    while len(got) < 7:
        got += b.recv(100)
    w.note(got)


@sequence("udp: sendmsg without a name")
def _(w):
    w.did(w.udp().sendmsg, [b"x"])


@sequence("udp: MSG_TRUNC tells the length")
def _(w):
    b = bound(w)
    w.udp().sendto(b"0123456789", b.getsockname())
    w.poll(b, IN)
    buffer = bytearray(2)
    w.note(b.recvmsg_into([buffer], 0, socket.MSG_PEEK | socket.MSG_TRUNC)[0])
    w.note(b.recvmsg_into([buffer], 0, socket.MSG_PEEK)[2])
    w.note(b.recv_into(buffer, 2, socket.MSG_TRUNC))


@sequence("udp: many at once")
def _(w):
    b, a = bound(w), w.udp()
    for number in range(50):
        a.sendto(b"%d" % number, b.getsockname())
    w.poll(b, IN)
    got = []
    for _ in range(50):
        got.append(b.recv(10))
    w.note(got == [b"%d" % number for number in range(50)])
    w.did(b.recv, 10)


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = [("name", ctypes.c_void_p), ("name_len", ctypes.c_uint), ("pieces", ctypes.POINTER(Piece)),
                ("piece_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_len", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = [("header", Header), ("len", ctypes.c_uint)]


def messages(*texts):
    headers = [Header(pieces=ctypes.pointer(Piece(ctypes.cast(text, ctypes.c_void_p), len(text))), piece_count=1)
               for text in texts]
    return (Message * len(texts))(*map(Message, headers))


@sequence("sendmsg and recvmsg: lengths that add up to nothing, and less than nothing")
def _(w):
    libc = ctypes.CDLL(None, use_errno=True)
    a, b = w.udp(), bound(w)
    a.connect(b.getsockname())
    text = ctypes.create_string_buffer(1 << 20)
    third = 0x5555555555555556
    for lengths in ([third] * 3, [16, (1 << 64) - 16], [70000]):
        pieces = (Piece * len(lengths))(*(Piece(ctypes.addressof(text), length) for length in lengths))
        header = Header(pieces=pieces, piece_count=len(lengths))
        result = libc.sendmsg(a.fileno(), ctypes.byref(header), 0)
        # No such length can be had; Linux looks at each first, and finds that it leads out of all memory.
        reason = ctypes.get_errno()
        w.note((result, errno.errorcode.get(errno.EMSGSIZE if reason == errno.EFAULT else reason)))
    a.send(b"still there")
    w.poll(b, IN)
    w.did(b.recv, 100)


@sequence("getsockopt: a length below zero")
def _(w):
    libc = ctypes.CDLL(None, use_errno=True)
    for level, name in ((1, 4), (1, 2), (6, 1)):
        room, length = ctypes.create_string_buffer(64), ctypes.c_int(-1)
        result = libc.getsockopt(w.socket().fileno(), level, name, room, ctypes.byref(length))
        w.note((result, errno.errorcode.get(ctypes.get_errno())))


@sequence("sendto: a connection that takes no more is waited for")
def _(w):
    a, b = w.pair()
    size = 8 << 20
    got = []

    def read():
        while len(piece := b.recv(1 << 16)) > 0:
            got.append(len(piece))

    reader = threading.Timer(0.1, read)
    reader.start()
    left = size
    while left > 0:
        left -= a.sendto(bytes(min(left, 1 << 20)), b.getsockname())
    a.close()
    reader.join()
    w.note(sum(got) == size)


@sequence("recvmsg: when a datagram came")
def _(w):
    a, b = bound(w), bound(w, blocking=True)
    names = {29: "SO_TIMESTAMP", 35: "SO_TIMESTAMPNS"}
    for name, value in ((29, 1), (35, 1), (29, 1), (35, 0)):
        w.did(b.setsockopt, 1, name, value)
        w.note([b.getsockopt(1, each) for each in names])
        a.sendto(b"now", b.getsockname())
        data, control, _, _ = b.recvmsg(10, 200)
        w.note(data)
        for level, kind, text in control:
            seconds, part = struct.unpack("ll", text)
            came = seconds + part / (1e6 if kind == 29 else 1e9)
            w.note((level, names[kind], len(text), abs(came - time.time()) < 5))


@sequence("sendmmsg and recvmmsg")
def _(w):
    libc = ctypes.CDLL(None, use_errno=True)
    a, b = w.udp(), bound(w)
    a.connect(b.getsockname())
    w.note(libc.sendmmsg(a.fileno(), messages(b"one", b"three", b""), 3, 0))
    w.poll(b, IN)
    room = messages(b"....", b"....", b"....", b"....")
    w.note(libc.recvmmsg(b.fileno(), room, 4, 0, None))
    w.note([(each.len, each.header.flags) for each in room[:3]])
    w.note((libc.recvmmsg(b.fileno(), room, 4, 0, None), ctypes.get_errno() == errno.EAGAIN))
    b.setblocking(True)
    a.send(b"4")
    w.note(libc.recvmmsg(b.fileno(), room, 4, 0x10000, None))
    lonely = w.udp()
    w.note((libc.sendmmsg(lonely.fileno(), messages(b"x"), 1, 0), ctypes.get_errno() == errno.EDESTADDRREQ))
    a, b = w.pair()
    w.note(libc.sendmmsg(a.fileno(), messages(b"one", b"two"), 2, 0))
    w.did(b.recv, 6, socket.MSG_WAITALL)


CONTROL = {
    "v4": (0, ((8, "IP_PKTINFO"), (12, "IP_RECVTTL"), (13, "IP_RECVTOS"))),
    "v6": (41, ((49, "IPV6_RECVPKTINFO"), (51, "IPV6_RECVHOPLIMIT"), (66, "IPV6_RECVTCLASS"))),
}
for family in (V4, V6):
    for number, option in CONTROL[family[0]][1]:
        @sequence(f"control: {option}", (family,))
        def _(w, number=number):
            level = CONTROL[w.name][0]
            b, a = bound(w), w.udp()
            w.did(b.getsockopt, level, number)
            w.did(b.setsockopt, level, number, 1)
            w.did(b.getsockopt, level, number)
            a.sendto(b"x", b.getsockname())
            w.poll(b, IN)
            data, control, flags, _ = b.recvmsg(10, 100)
            w.note([(kind, what, value.hex()) for kind, what, value in control])
            w.note(flags)
            w.did(b.setsockopt, level, number, 0)
            a.sendto(b"x", b.getsockname())
            w.poll(b, IN)
            w.note(b.recvmsg(10, 100)[1])


@sequence("control: too little room")
def _(w):
    level, options = CONTROL[w.name]
    b, a = bound(w), w.udp()
    for number, _ in options:
        b.setsockopt(level, number, 1)
    for room in (0, 10, 16, 20, 30, 40, 60, 200):
        a.sendto(b"x", b.getsockname())
        w.poll(b, IN)
        _, control, flags, _ = b.recvmsg(10, room)
        w.note([(what, len(value)) for _, what, value in control])
        w.note(flags)


@sequence("control: TTL and TOS of one datagram")
def _(w):
    level, options = CONTROL[w.name]
    b, a = bound(w), w.udp()
    for number, _ in options[1:]:
        b.setsockopt(level, number, 1)
    hops, tos = (2, 1) if w.name == "v4" else (52, 67)
    number = struct.pack("i", 9)
    w.did(a.sendmsg, [b"x"], [(level, hops, number), (level, tos, number)], 0, b.getsockname())
    w.poll(b, IN)
    w.note([value.hex() for _, _, value in b.recvmsg(10, 100)[1]])
    for bad in (-2, 256):
        w.did(a.sendmsg, [b"x"], [(level, hops, struct.pack("i", bad))], 0, b.getsockname())
    w.did(a.sendmsg, [b"x"], [(level, 99, number)], 0, b.getsockname())
    w.did(a.sendmsg, [b"x"], [(level, hops, b"\1")], 0, b.getsockname())


@sequence("control: the source of one datagram", (V4,))
def _(w):
    b, a = bound(w), w.udp()

    def said(address):
        return [(0, 8, struct.pack("i4s4s", 0, socket.inet_aton(address), bytes(4)))]

    w.did(a.sendmsg, [b"x"], said("127.0.0.7"), 0, b.getsockname())
    w.poll(b, IN)
    w.note(b.recvfrom(10)[1][0])
    w.did(a.sendmsg, [b"x"], said("203.0.113.9"), 0, b.getsockname())
    a.connect(b.getsockname())
    w.did(a.sendmsg, [b"y"], said("0.0.0.0"))
    w.poll(b, IN)
    w.did(b.recv, 10)


@sequence("control: IPv4 to a dual-stack socket", (V6,))
def _(w):
    b = w.udp()
    b.bind(("::", 0))
    for number, _ in CONTROL["v6"][1]:
        b.setsockopt(41, number, 1)
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    a.sendto(b"x", ("127.0.0.1", b.getsockname()[1]))
    w.poll(b, IN)
    _, control, _, name = b.recvmsg(10, 100)
    w.note([(what, value.hex()) for _, what, value in control])
    w.note(name[0])
    a.close()


# ---- UDP errors and connections


@sequence("udp: connect, and disconnect by AF_UNSPEC")
def _(w):
    a, b = w.udp(), bound(w)
    a.connect(b.getsockname())
    w.did(a.getpeername)
    w.note(unconnect(a))
    w.did(a.getpeername)
    w.did(a.send, b"x")
    w.did(a.sendto, b"x", b.getsockname())


@sequence("udp: shutdown")
def _(w):
    a, b = w.udp(), bound(w)
    w.did(a.shutdown, socket.SHUT_WR)
    a.connect(b.getsockname())
    w.did(a.shutdown, socket.SHUT_WR)
    w.did(a.sendto, b"x", b.getsockname())


@sequence("udp: connect twice, to another")
def _(w):
    a, b, c = w.udp(), bound(w), bound(w)
    w.did(a.connect, b.getsockname())
    w.did(a.connect, c.getsockname())
    w.did(a.send, b"to c")
    w.poll(c, IN)
    w.did(c.recv, 10)
    w.poll(b)


@sequence("udp: bad addresses")
def _(w):
    s = w.udp()
    w.did(s.sendto, b"x", (w.loopback, 0))
    other = "::1" if w.name == "v4" else "127.0.0.1"
    raw = socket.socket(socket.AF_INET if w.name == "v6" else socket.AF_INET6, socket.SOCK_DGRAM)
    raw.bind((other, 0))
    w.did(os.close, raw.detach())
    w.did(s.connect, (w.loopback, 0))


# ---- connecting that fails, again and again


def unconnect(s):
    """connect() to AF_UNSPEC; the errno, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = bytes(16)
    return ctypes.get_errno() if libc.connect(s.fileno(), name, 16) else 0


@sequence("connect: disconnected by AF_UNSPEC")
def _(w):
    a, b = w.pair()
    w.note(unconnect(a))
    w.poll(a, HUP)
    w.did(a.getpeername)
    w.did(a.send, b"x")
    w.poll(b, HUP)
    w.did(b.recv, 10)


@sequence("connect: disconnected by AF_UNSPEC, then connected anew")
def _(w):
    a, _ = w.pair()
    listener = w.listener()
    w.note(unconnect(a))
    w.did(a.connect, listener.getsockname())
    listener.settimeout(1)
    server = listener.accept()[0]
    w.did(a.send, b"again")
    w.did(server.recv, 10)
    server.close()


@sequence("connect: AF_UNSPEC on a fresh socket")
def _(w):
    s = w.socket()
    w.note(unconnect(s))
    w.poll(s)


@sequence("connect: twice while established")
def _(w):
    a, b = w.pair()
    w.did(a.connect, b.getsockname())
    w.did(b.connect, a.getsockname())
    w.did(a.listen, 1)
    w.did(a.bind, (w.loopback, 0))
    w.did(a.accept)


@sequence("connect: not blocking, to nobody, twice")
def _(w):
    # One whose queue is full answers no more.
    listener = w.listener(backlog=0)
    for _ in range(12):
        try:
            w.socket(blocking=False).connect(listener.getsockname())
        except BlockingIOError:
            time.sleep(SETTLE_S / 4)
    s = w.socket(blocking=False)
    w.did(s.connect, listener.getsockname())
    w.did(s.connect, listener.getsockname())
    w.did(s.getpeername)
    w.did(s.send, b"x")
    w.did(s.recv, 1)
    w.did(s.shutdown, socket.SHUT_WR)


@sequence("connect: refused, SO_ERROR twice")
def _(w):
    s = w.socket(blocking=False)
    w.did(s.connect, w.closed_port())
    time.sleep(SETTLE_S)
    w.error(s)
    w.error(s)
    w.did(s.recv, 1)


@sequence("connect: refused, epoll")
def _(w):
    s = w.socket(blocking=False)
    e = select.epoll()
    e.register(s, IN | OUT | RDHUP | ET)
    w.note([bits for _, bits in e.poll(0)])
    w.did(s.connect, w.closed_port())
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    w.error(s)
    e.close()


@sequence("connect: refused three times, then not")
def _(w):
    s = w.socket()
    port = w.closed_port()
    for _ in range(3):
        w.did(s.connect, port)
    listener = w.listener()
    w.did(s.connect, listener.getsockname())
    w.did(s.send, b"x")


@sequence("connect: options outlive a refusal")
def _(w):
    s = w.socket()
    s.setsockopt(6, 1, 1)
    s.setsockopt(1, 9, 1)
    s.setsockopt(6, 4, 77)
    s.setsockopt(1, 20, struct.pack("ll", 1, 500000))
    w.did(s.connect, w.closed_port())
    listener = w.listener()
    w.did(s.connect, listener.getsockname())
    w.did(s.getsockopt, 6, 1)
    w.did(s.getsockopt, 1, 9)
    w.did(s.getsockopt, 6, 4)
    w.note(struct.unpack("ll", s.getsockopt(1, 20, 16)))


@sequence("connect: a duplicate sees the connection")
def _(w):
    listener = w.listener()
    s = w.socket(blocking=False)
    d = s.dup()
    w.did(s.connect, listener.getsockname())
    w.poll(d, OUT)
    w.did(d.getpeername)
    s.close()
    w.did(d.send, b"x")
    d.close()


@sequence("connect: in a child, used by the parent")
def _(w):
    listener = w.listener()
    s = w.socket()
    pid = os.fork()
    if pid == 0:
        s.connect(listener.getsockname())
        os._exit(0)
    os.waitpid(pid, 0)
    w.did(s.getpeername)
    w.did(s.send, b"x")
    w.did(listener.accept()[0].recv, 10)


# ---- epoll and poll, all bits


@sequence("epoll: edges at half-close")
def _(w):
    a, b = w.pair()
    e = select.epoll()
    e.register(b, IN | OUT | RDHUP | ET)
    w.note([bits for _, bits in e.poll(1)])
    a.shutdown(socket.SHUT_WR)
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    w.note([bits for _, bits in e.poll(0)])
    b.shutdown(socket.SHUT_WR)
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    e.close()


@sequence("epoll: edges at a reset")
def _(w):
    a, b = w.pair()
    e = select.epoll()
    e.register(b, IN | OUT | RDHUP | ET)
    e.poll(1)
    linger_0(a)
    a.close()
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    w.note([bits for _, bits in e.poll(0)])
    w.did(b.recv, 10)
    e.close()


@sequence("epoll: one shot")
def _(w):
    a, b = w.pair()
    e = select.epoll()
    e.register(b, IN | select.EPOLLONESHOT)
    a.send(b"x")
    w.note([bits for _, bits in e.poll(1)])
    a.send(b"y")
    time.sleep(SETTLE_S)
    w.note(len(e.poll(0)))
    e.modify(b, IN | select.EPOLLONESHOT)
    w.note([bits for _, bits in e.poll(1)])
    e.close()


@sequence("epoll: registered twice, and by a duplicate")
def _(w):
    a, b = w.pair()
    e = select.epoll()
    d = b.dup()
    e.register(b, IN)
    w.did(e.register, b, IN)
    e.register(d, IN)
    a.send(b"x")
    time.sleep(SETTLE_S)
    w.note(len(e.poll(1)))
    b.close()
    w.note(len(e.poll(1)))
    d.close()
    w.note(len(e.poll(0)))
    e.close()


@sequence("epoll: a socket after shutdown both ways")
def _(w):
    a, _ = w.pair()
    e = select.epoll()
    e.register(a, IN | OUT | RDHUP)
    a.shutdown(socket.SHUT_RDWR)
    time.sleep(SETTLE_S)
    w.note([bits for _, bits in e.poll(1)])
    w.did(a.recv, 10)
    w.did(a.send, b"x", socket.MSG_NOSIGNAL)
    e.close()


@sequence("poll: a listener, with and without somebody")
def _(w):
    listener = w.listener(blocking=False)
    w.poll(listener)
    c = w.socket()
    c.connect(listener.getsockname())
    w.poll(listener, IN)
    listener.accept()[0].close()
    w.poll(listener)


@sequence("poll: closed at once by the peer, nothing read")
def _(w):
    listener = w.listener()
    c = w.socket()
    c.connect(listener.getsockname())
    listener.accept()[0].close()
    w.poll(c, RDHUP)
    w.did(c.send, b"x")
    w.poll(c, HUP)
    w.did(c.recv, 1)


@sequence("select: three sets")
def _(w):
    a, b = w.pair()
    w.note([len(found) for found in select.select([b], [b], [b], 0)])
    a.send(b"x")
    w.poll(b, IN)
    w.note([len(found) for found in select.select([b], [b], [b], 0)])


# ---- accepting


@sequence("accept: the client closed before")
def _(w):
    listener = w.listener()
    c = w.socket()
    c.connect(listener.getsockname())
    name = c.getsockname()
    c.send(b"bye")
    c.close()
    time.sleep(SETTLE_S)
    s, who = listener.accept()
    w.note(who == name)
    w.did(s.recv, 10)
    w.did(s.recv, 10)
    s.close()


@sequence("accept: the client reset before")
def _(w):
    listener = w.listener()
    c = w.socket()
    c.connect(listener.getsockname())
    linger_0(c)
    c.close()
    time.sleep(SETTLE_S)
    s = listener.accept()[0]
    w.did(s.recv, 10)
    s.close()


class FullTable:
    """No descriptor is free meanwhile."""

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, self.before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_NOFILE, self.before)


def numbered_clients(w, listener, count):
    clients = [w.socket() for _ in range(count)]
    for i, c in enumerate(clients):
        c.connect(listener.getsockname())
        c.send(b"%d" % i)
    return clients


def accept_number(w, listener):
    try:
        s, who = listener.accept()
    except OSError as error:
        w.note(errno.errorcode[error.errno])
        return
    w.did(s.recv, 10)
    w.note(s.getpeername() == who)
    s.close()


for how_many in (1, 2, 3):
    @sequence(f"accept: no descriptor is free for {how_many}")
    def _(w, how_many=how_many):
        listener = w.listener()
        clients = numbered_clients(w, listener, how_many)
        w.poll(listener, IN)
        listener.setblocking(False)
        for _ in range(2):
            with FullTable():
                w.did(listener.accept)
                w.poll(listener, IN)
                w.did(listener.accept)
            accept_number(w, listener)
        clients += numbered_clients(w, listener, 2)
        w.poll(listener, IN)
        for _ in range(how_many + 2):
            accept_number(w, listener)
        w.poll(listener)


@sequence("accept: no descriptor is free, and then the listener closes")
def _(w):
    listener = w.listener()
    clients = numbered_clients(w, listener, 2)
    w.poll(listener, IN)
    with FullTable():
        w.did(listener.accept)
    listener.close()
    for c in clients:
        c.settimeout(2)
        w.did(c.recv, 10)


@sequence("accept: no descriptor is free, a child has one")
def _(w):
    listener = w.listener()
    clients = numbered_clients(w, listener, 2)
    with FullTable():
        w.did(listener.accept)
        pid = os.fork()
        if pid == 0:
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            os._exit(int(listener.accept()[0].recv(10)))
        w.note(os.waitpid(pid, 0)[1])
        w.did(listener.accept)
    accept_number(w, listener)
    del clients


@sequence("accept: nobody waits, and no descriptor is free")
def _(w):
    for blocking in (False, True):
        listener = w.listener(blocking=blocking)
        with FullTable():
            w.did(listener.accept)


@sequence("accept: backlog overflow, not blocking")
def _(w):
    listener = w.listener(backlog=1)
    clients = [w.socket(blocking=False) for _ in range(2)]
    for c in clients:
        w.did(c.connect, listener.getsockname())
        w.poll(c, OUT)
    for _ in clients:
        listener.accept()[0].close()
    listener.setblocking(False)
    w.did(listener.accept)


@sequence("accept: listener shared by dup and by a child")
def _(w):
    listener = w.listener()
    d = listener.dup()
    listener_name = listener.getsockname()
    listener.close()
    pid = os.fork()
    if pid == 0:
        s = d.accept()[0]
        s.send(b"child")
        os._exit(0)
    c = w.socket()
    w.did(c.connect, listener_name)
    w.did(c.recv, 10)
    os.waitpid(pid, 0)
    d.close()
    w.did(w.socket().connect, listener_name)


@sequence("accept: listener passed over AF_UNIX")
def _(w):
    listener = w.listener()
    name = listener.getsockname()
    left, right = socket.socketpair()
    socket.send_fds(left, [b"."], [listener.fileno()])
    listener.close()
    passed = socket.socket(fileno=socket.recv_fds(right, 10, 1)[1][0])
    w.note(passed.getsockname() == name)
    c = w.socket()
    w.did(c.connect, name)
    s, who = passed.accept()
    w.note(who == c.getsockname())
    s.send(b"passed")
    w.did(c.recv, 10)
    for each in (s, passed, left, right):
        each.close()


@sequence("accept: shutdown of the listener")
def _(w):
    listener = w.listener()
    name = listener.getsockname()
    w.did(listener.shutdown, socket.SHUT_RD)
    listener.settimeout(0.2)
    w.did(listener.accept)
    w.did(w.socket().connect, name)


@sequence("accept: listen again changes the backlog")
def _(w):
    listener = w.listener()
    w.did(listener.listen, 3)
    w.did(listener.listen, -1)
    c = w.socket()
    w.did(c.connect, listener.getsockname())
    w.did(listener.accept()[0].close)


@sequence("accept: two sockets, one port, SO_REUSEPORT")
def _(w):
    first, second, third = w.socket(), w.socket(), w.socket()
    for s in (first, second):
        s.setsockopt(1, 15, 1)
    first.bind((w.loopback, 0))
    name = first.getsockname()
    w.did(second.bind, name)
    w.did(third.bind, name)
    w.did(first.listen, 30)
    w.did(second.listen, 30)
    for s in (first, second):
        s.setblocking(False)
    count = 20
    for _ in range(count):
        w.socket().connect(name)
    time.sleep(SETTLE_S)
    got = 0
    for s in (first, second):
        while True:
            try:
                s.accept()[0].close()
                got += 1
            except BlockingIOError:
                break
    w.note(got == count)


# ---- binding


@sequence("bind: errors")
def _(w):
    s = w.socket()
    w.did(s.bind, (BLACK_HOLE[w.name], 0))
    w.did(s.bind, (w.loopback, 0))
    w.did(s.bind, (w.loopback, 0))
    other = w.socket()
    w.did(other.bind, s.getsockname())
    w.did(other.listen, 1)
    w.note(other.getsockname()[1] != 0)


@sequence("bind: wildcard against one address")
def _(w):
    s, t = w.socket(), w.socket()
    s.bind((w.any, 0))
    w.did(t.bind, (w.loopback, s.getsockname()[1]))
    u, v = w.socket(), w.socket()
    for each in (u, v):
        each.setsockopt(1, 2, 1)
    u.bind((w.any, 0))
    w.did(v.bind, (w.loopback, u.getsockname()[1]))
    w.did(u.listen, 1)
    w.did(v.listen, 1)


@sequence("bind: TCP and UDP don't meet")
def _(w):
    s = w.socket()
    s.bind((w.loopback, 0))
    w.did(w.udp().bind, s.getsockname())


@sequence("bind: UDP, SO_REUSEADDR and SO_REUSEPORT")
def _(w):
    for option in (2, 15):
        a, b, c = w.udp(), w.udp(), w.udp()
        for s in (a, b):
            s.setsockopt(1, option, 1)
        a.bind((w.loopback, 0))
        w.did(b.bind, a.getsockname())
        w.did(c.bind, a.getsockname())


# ---- descriptors


@sequence("descriptor: O_NONBLOCK by fcntl and ioctl, shared by dup")
def _(w):
    a, _ = w.pair()
    d = socket.socket(fileno=os.dup(a.fileno()))
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK)
    w.did(d.recv, 1)
    w.note(fcntl.fcntl(d, fcntl.F_GETFL) & os.O_NONBLOCK != 0)
    fcntl.ioctl(a, 0x5421, struct.pack("i", 0))
    w.note(fcntl.fcntl(d, fcntl.F_GETFL) & os.O_NONBLOCK != 0)
    d.close()


@sequence("descriptor: a child closes, the parent goes on")
def _(w):
    a, b = w.pair()
    pid = os.fork()
    if pid == 0:
        a.close()
        b.close()
        os._exit(0)
    os.waitpid(pid, 0)
    w.did(a.send, b"x")
    w.did(b.recv, 10)
    w.poll(a)


@sequence("descriptor: shutdown in a child ends it for all")
def _(w):
    a, b = w.pair()
    pid = os.fork()
    if pid == 0:
        a.shutdown(socket.SHUT_WR)
        os._exit(0)
    os.waitpid(pid, 0)
    w.did(a.send, b"x", socket.MSG_NOSIGNAL)
    w.did(b.recv, 10)


@sequence("descriptor: SIOCOUTQ, SIOCATMARK")
def _(w):
    a, b = w.pair()
    w.note(fcntl.ioctl(a, 0x5411, bytes(4)).hex())
    a.send(b"12345")
    w.poll(b, IN)
    b.recv(10)
    time.sleep(0.06)
    w.note(fcntl.ioctl(a, 0x5411, bytes(4)).hex())
    w.note(fcntl.ioctl(a, 0x8905, bytes(4)).hex())
    w.did(fcntl.ioctl, w.listener(), 0x5411, bytes(4))


@sequence("descriptor: interrupted recv, and with SA_RESTART")
def _(w):
    a, b = w.pair()
    for restarts in (False, True):
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        signal.siginterrupt(signal.SIGALRM, not restarts)
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        pid = os.fork()
        if pid == 0:
            time.sleep(0.1)
            a.send(b"late")
            os._exit(0)
        w.did(b.recv, 10)
        os.waitpid(pid, 0)
        signal.signal(signal.SIGALRM, before)


# ---- what every option says at first

DEFAULTS = [(1, n) for n in (2, 3, 4, 5, 6, 9, 12, 15, 18, 30, 36, 38, 39)]
DEFAULTS += [(6, n) for n in (1, 3, 4, 5, 6, 8, 9, 18, 23, 25, 30)]
DEFAULTS_IP = {"v4": [(0, n) for n in (1, 2, 8, 10, 12, 13)],
               "v6": [(41, n) for n in (16, 26, 49, 51, 66, 67)]}


@sequence("defaults: a fresh stream socket")
def _(w):
    s = w.socket()
    for level, number in DEFAULTS + DEFAULTS_IP[w.name]:
        w.did(s.getsockopt, level, number)


@sequence("defaults: a listener and what it accepts")
def _(w):
    listener = w.listener()
    c = w.socket()
    c.connect(listener.getsockname())
    s = listener.accept()[0]
    for level, number in DEFAULTS + DEFAULTS_IP[w.name]:
        w.did(listener.getsockopt, level, number)
        w.did(s.getsockopt, level, number)
    s.close()


@sequence("defaults: a datagram socket")
def _(w):
    s = w.udp()
    for level, number in DEFAULTS[:13] + DEFAULTS_IP[w.name]:
        w.did(s.getsockopt, level, number)
