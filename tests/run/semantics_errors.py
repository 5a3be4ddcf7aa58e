"""More sequences for semantics.py: the queue of errors (IP_RECVERR and MSG_ERRQUEUE)."""

import errno
import select
import socket
import struct
import time

from __main__ import IN, OUT, SETTLE_S, V4, V6, sequence

ERR = select.POLLERR
IP_RECVERR, IPV6_RECVERR, IP_RECVTTL = 11, 25, 12
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, DO = 10, 23, 2
MSG_ERRQUEUE = socket.MSG_ERRQUEUE
NAMES = errno.errorcode


def recverr(w, s, on=1):
    """Asks for errors, in the way of the socket's family."""
    if w.name == "v4":
        s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, on)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, on)


def errors_of(w, wanted=True):
    s = w.udp()
    if wanted:
        recverr(w, s)
    return s


def refused_port(w):
    s = w.udp()
    s.bind((w.loopback, 0))
    port = s.getsockname()[1]
    s.close()
    time.sleep(SETTLE_S)
    return (w.loopback, port)


def note_error(w, s, size=100, room=200, flags=0, port=None):
    """Reads one error and notes all that it says, addresses by what they are."""
    try:
        data, control, flags, name = s.recvmsg(size, room, MSG_ERRQUEUE | flags)
    except OSError as error:
        w.note(NAMES[error.errno])
        return
    w.note(data)
    w.note(f"flags {flags:#x}")
    if name:
        w.note(f"name {name[0]} {'its' if name[1] == port else name[1]}")
    for level, kind, value in control:
        if (level, kind) not in ((0, IP_RECVERR), (41, IPV6_RECVERR)) or len(value) < 16:
            w.note(f"{level}/{kind} {len(value)}")
            continue
        number, origin, icmp, code, pad, info, more = struct.unpack("=IBBBBII", value[:16])
        if origin == 1 and info >= 65535:
            info = "the loopback's MTU"
        w.note(f"{level}/{kind} {NAMES.get(number, number)} origin {origin} {icmp}/{code}/{pad} {info} {more}")
        offender = value[16:]
        family = struct.unpack("=H", offender[:2])[0] if len(offender) >= 2 else None
        w.note(f"offender {len(offender)} {family} {offender[2:].hex()}")


@sequence("errors: option, set and told")
def _(w):
    for s in (w.udp(), w.socket()):
        for level, name in ((0, IP_RECVERR), (41, IPV6_RECVERR)):
            if w.name == "v4" and level == 41:
                continue
            w.did(s.getsockopt, level, name)
            w.did(s.setsockopt, level, name, 1)
            w.did(s.getsockopt, level, name)
            w.did(s.setsockopt, level, name, 7)
            w.did(s.getsockopt, level, name)
            w.did(s.setsockopt, level, name, 0)
            w.did(s.getsockopt, level, name)
            w.did(s.setsockopt, level, name, b"\1")
            w.did(s.getsockopt, level, name)


@sequence("errors: none there")
def _(w):
    s = errors_of(w)
    w.poll(s)
    note_error(w, s)
    w.did(s.recvmsg_into, [bytearray(4)], 0, MSG_ERRQUEUE)
    s.setblocking(True)
    note_error(w, s)


@sequence("errors: port unreachable, connected")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    s.connect(peer)
    w.did(s.send, b"question")
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])
    w.poll(s)
    w.error(s)
    note_error(w, s)
    w.did(s.recv, 10)


@sequence("errors: port unreachable, not connected")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    w.did(s.sendto, b"question", peer)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])
    w.poll(s)
    w.error(s)
    note_error(w, s)


@sequence("errors: not asked for, not connected")
def _(w):
    s = errors_of(w, wanted=False)
    w.did(s.sendto, b"question", refused_port(w))
    w.poll(s)
    note_error(w, s)
    w.error(s)


@sequence("errors: not asked for, connected")
def _(w):
    s = errors_of(w, wanted=False)
    s.connect(refused_port(w))
    w.did(s.send, b"question")
    w.poll(s, ERR)
    note_error(w, s)
    w.error(s)
    w.poll(s)


@sequence("errors: SO_ERROR before the queue")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    w.did(s.sendto, b"one", peer)
    w.poll(s, ERR)
    w.error(s)
    w.error(s)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])
    w.poll(s)
    w.error(s)


@sequence("errors: recvfrom() tells it once, the queue keeps it")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    w.did(s.sendto, b"one", peer)
    w.poll(s, ERR)
    w.did(s.recvfrom, 10)
    w.did(s.recvfrom, 10)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])
    w.did(s.recvfrom, 10)
    w.poll(s)


@sequence("errors: sendto() tells it once, and sends nothing")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    other = w.udp()
    other.bind((w.loopback, 0))
    w.did(s.sendto, b"one", peer)
    w.poll(s, ERR)
    w.did(s.sendto, b"two", other.getsockname())
    w.did(s.sendto, b"three", other.getsockname())
    w.poll(other, IN)
    w.did(other.recv, 10)
    note_error(w, s, port=peer[1])
    w.poll(s)


@sequence("errors: two, read one after the other")
def _(w):
    s = errors_of(w)
    peers = refused_port(w), refused_port(w)
    w.did(s.sendto, b"one", peers[0])
    w.poll(s, ERR)
    w.error(s)
    w.did(s.sendto, b"two", peers[1])
    w.poll(s, ERR)
    w.error(s)
    note_error(w, s, port=peers[0][1])
    w.poll(s, ERR)
    w.error(s)
    note_error(w, s, port=peers[1][1])
    w.poll(s)
    w.error(s)


@sequence("errors: the option off empties the queue")
def _(w):
    s = errors_of(w)
    w.did(s.sendto, b"one", refused_port(w))
    w.poll(s, ERR)
    recverr(w, s, 0)
    note_error(w, s)
    w.error(s)
    w.poll(s)


@sequence("errors: short buffers")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    for size, room in ((3, 200), (0, 200), (100, 0), (100, 20), (100, 40)):
        w.did(s.sendto, b"question", peer)
        w.poll(s, ERR)
        note_error(w, s, size, room, port=peer[1])
    w.poll(s)


@sequence("errors: a peek takes it all the same")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    w.did(s.sendto, b"question", peer)
    w.poll(s, ERR)
    note_error(w, s, flags=socket.MSG_PEEK, port=peer[1])
    note_error(w, s)


@sequence("errors: an empty datagram")
def _(w):
    s = errors_of(w)
    peer = refused_port(w)
    w.did(s.sendto, b"", peer)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])


@sequence("errors: data beside them")
def _(w):
    s = errors_of(w)
    s.bind((w.loopback, 0))
    other = w.udp()
    peer = refused_port(w)
    w.did(s.sendto, b"one", peer)
    w.poll(s, ERR)
    w.did(other.sendto, b"data", s.getsockname())
    w.poll(s, ERR | IN)
    w.error(s)
    w.did(s.recv, 10)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])
    w.poll(s)


@sequence("errors: TTL and TOS of the message")
def _(w):
    s = errors_of(w)
    if w.name == "v4":
        s.setsockopt(0, IP_RECVTTL, 1)
        s.setsockopt(0, socket.IP_RECVTOS, 1)
    else:
        s.setsockopt(41, socket.IPV6_RECVHOPLIMIT, 1)
        s.setsockopt(41, socket.IPV6_RECVTCLASS, 1)
    peer = refused_port(w)
    w.did(s.sendto, b"question", peer)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])


@sequence("errors: epoll")
def _(w):
    s = errors_of(w)
    ep = select.epoll()
    ep.register(s, IN | select.EPOLLET)
    peer = refused_port(w)
    w.did(s.sendto, b"one", peer)
    w.note([bits for _, bits in ep.poll(1)])
    # Whether the edge is told once more is nobody's promise.
    ep.poll(0)
    w.error(s)
    ep.modify(s, IN)
    w.note([bits for _, bits in ep.poll(1)])
    note_error(w, s, port=peer[1])
    w.note([bits for _, bits in ep.poll(0)])
    ep.close()


@sequence("errors: epoll before the option")
def _(w):
    s = w.udp()
    ep = select.epoll()
    ep.register(s, IN)
    recverr(w, s)
    peer = refused_port(w)
    w.did(s.sendto, b"one", peer)
    w.note([bits for _, bits in ep.poll(1)])
    note_error(w, s, port=peer[1])
    ep.close()


@sequence("errors: connected before the option")
def _(w):
    s = w.udp()
    peer = refused_port(w)
    s.connect(peer)
    recverr(w, s)
    w.did(s.send, b"one")
    w.poll(s, ERR)
    w.did(s.recv, 10)
    w.poll(s, ERR)
    note_error(w, s, port=peer[1])
    w.poll(s)


@sequence("errors: too long for any path")
def _(w):
    s = errors_of(w)
    other = w.udp()
    other.bind((w.loopback, 0))
    w.did(s.sendto, bytes(65536), other.getsockname())
    note_error(w, s, port=other.getsockname()[1])
    w.did(s.setsockopt, 0 if w.name == "v4" else 41,
          IP_MTU_DISCOVER if w.name == "v4" else IPV6_MTU_DISCOVER, DO)
    w.did(s.sendto, bytes(65000), other.getsockname())
    w.poll(s)


@sequence("errors: too long, told without a pending error", (V4,))
def _(w):
    s = errors_of(w)
    other = w.udp()
    other.bind((w.loopback, 0))
    w.did(s.sendto, bytes(65515), other.getsockname())
    w.poll(s, ERR)
    w.error(s)
    note_error(w, s)
    w.poll(s)


@sequence("errors: MSG_ERRQUEUE of a stream", (V4, V6))
def _(w):
    a, b = w.pair()
    recverr(w, a)
    note_error(w, a)
    w.did(b.send, b"data")
    w.poll(a, IN)
    note_error(w, a)
    w.did(a.recv, 10)


@sequence("errors: a listener's child has the option", (V4, V6))
def _(w):
    listener = w.listener()
    recverr(w, listener)
    client = w.socket()
    client.connect(listener.getsockname())
    server = listener.accept()[0]
    w.open.append(server)
    if w.name == "v4":
        w.did(server.getsockopt, 0, IP_RECVERR)
    else:
        w.did(server.getsockopt, 41, IPV6_RECVERR)
    w.poll(server, OUT)


# ---- MSG_FASTOPEN: connect and send in one

FASTOPEN = 0x20000000
TCP_FASTOPEN_CONNECT = 30


@sequence("fast open: sendto() of a fresh socket")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.sendto, b"question", FASTOPEN, listener.getsockname())
    server = listener.accept()[0]
    w.open.append(server)
    w.did(server.recv, 100)
    w.did(s.getpeername)
    w.did(s.send, b"more")
    w.did(server.recv, 100)
    w.did(server.send, b"answer")
    w.did(s.recv, 100)
    w.did(s.connect, listener.getsockname())
    w.did(s.sendto, b"again", FASTOPEN, listener.getsockname())
    w.poll(s)


@sequence("fast open: sendmsg() of a fresh socket, in pieces")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.sendmsg, [b"ques", b"", b"tion"], [], FASTOPEN, listener.getsockname())
    server = listener.accept()[0]
    w.open.append(server)
    w.did(server.recv, 100)
    w.did(s.sendmsg, [b"again"], [], FASTOPEN, listener.getsockname())


@sequence("fast open: more than the SYN has room for")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.sendto, bytes(20000), FASTOPEN, listener.getsockname())
    server = listener.accept()[0]
    w.open.append(server)
    w.did(lambda: len(server.recv(20000, socket.MSG_WAITALL)))


@sequence("fast open: without data")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.sendto, b"", FASTOPEN, listener.getsockname())
    w.poll(s, OUT)


@sequence("fast open: not blocking")
def _(w):
    listener = w.listener()
    s = w.socket(blocking=False)
    w.did(s.sendto, b"question", FASTOPEN, listener.getsockname())
    w.poll(s, OUT)
    w.error(s)
    w.did(s.send, b"data")
    server = listener.accept()[0]
    w.open.append(server)
    w.did(server.recv, 100)


@sequence("fast open: MSG_DONTWAIT")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.sendto, b"question", FASTOPEN | socket.MSG_DONTWAIT, listener.getsockname())
    w.poll(s, OUT)
    w.did(s.send, b"data")


@sequence("fast open: nobody listens")
def _(w):
    s = w.socket()
    w.did(s.sendto, b"question", FASTOPEN, w.closed_port())
    w.error(s)
    listener = w.listener()
    w.did(s.sendto, b"question", FASTOPEN, listener.getsockname())
    server = listener.accept()[0]
    w.open.append(server)
    w.did(server.recv, 100)


@sequence("fast open: nobody listens, not blocking")
def _(w):
    s = w.socket(blocking=False)
    w.did(s.sendto, b"question", FASTOPEN, w.closed_port())
    w.poll(s, ERR)
    w.error(s)


@sequence("fast open: a socket that listens, or is connected")
def _(w):
    listener = w.listener()
    a, b = w.pair()
    w.did(a.sendto, b"x", FASTOPEN, listener.getsockname())
    w.did(b.sendto, b"x", FASTOPEN, listener.getsockname())
    w.did(listener.sendto, b"x", FASTOPEN, listener.getsockname())


@sequence("fast open: bound before")
def _(w):
    listener = w.listener()
    s = w.socket()
    s.bind((w.loopback, 0))
    port = s.getsockname()[1]
    w.did(s.sendto, b"x", FASTOPEN, listener.getsockname())
    w.note(s.getsockname()[1] == port)
    server, name = listener.accept()
    w.open.append(server)
    w.note(name[1] == port)


@sequence("fast open: TCP_FASTOPEN_CONNECT")
def _(w):
    listener = w.listener()
    s = w.socket()
    w.did(s.setsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    w.did(s.getsockopt, socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT)
    w.did(s.connect, listener.getsockname())
    w.did(s.send, b"question")
    server = listener.accept()[0]
    w.open.append(server)
    w.did(server.recv, 100)
    w.did(server.send, b"answer")
    w.did(s.recv, 100)
