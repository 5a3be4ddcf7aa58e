"""More sequences for semantics.py: SO_TIMESTAMPING of datagrams."""

import select
import socket
import struct
import time

from __main__ import IN, SETTLE_S, sequence

SO_TIMESTAMPING, ERR = 37, select.POLLERR
TX_SOFTWARE, RX_SOFTWARE, SOFTWARE, OPT_ID, TX_SCHED, TX_ACK, OPT_CMSG, TSONLY = 2, 8, 16, 128, 256, 512, 1024, 2048


def stamped(w, flags):
    s = w.udp()
    s.bind((w.loopback, 0))
    w.did(s.setsockopt, socket.SOL_SOCKET, SO_TIMESTAMPING, flags)
    return s


def note_message(w, s, size=0, room=200, flags=0):
    """One message and its control messages: of stamps, whether they tell the time."""
    try:
        data, control, told, name = s.recvmsg(size, room, flags)
    except OSError as error:
        w.note(error.strerror)
        return
    w.note(f"{len(data)}B flags {told:#x} {'name' if name else 'no name'}")
    for level, kind, value in control:
        if (level, kind) == (1, SO_TIMESTAMPING):
            parts = struct.unpack("=6q", value)
            now = time.time()
            w.note(["now" if abs(parts[i] + parts[i + 1] / 1e9 - now) < 5 else f"{parts[i]}.{parts[i + 1]}"
                    for i in (0, 2, 4)])
        elif len(value) in (32, 44):
            w.note(f"{level}/{kind} {struct.unpack('=IBBBBII', value[:16])} {value[16:].hex().strip('0')}")
        else:
            w.note(f"{level}/{kind} {len(value)}")


@sequence("stamps: the option")
def _(w):
    s = w.udp()
    w.did(s.getsockopt, 1, SO_TIMESTAMPING)
    for flags in (RX_SOFTWARE | SOFTWARE, 0, 1 << 30, -1, OPT_ID, TX_SCHED | TSONLY):
        w.did(s.setsockopt, 1, SO_TIMESTAMPING, flags)
        w.did(s.getsockopt, 1, SO_TIMESTAMPING)
    w.did(s.setsockopt, 1, SO_TIMESTAMPING, b"\0")


@sequence("stamps: received")
def _(w):
    other = w.udp()
    for flags in (RX_SOFTWARE | SOFTWARE, RX_SOFTWARE, 0):
        s = stamped(w, flags)
        # Linux begins to stamp what comes a while after the first socket has asked for it.
        time.sleep(5 * SETTLE_S)
        w.did(other.sendto, b"x", s.getsockname())
        w.poll(s, IN)
        note_message(w, s, 10)


@sequence("stamps: received, beside SO_TIMESTAMPNS")
def _(w):
    other = w.udp()
    s = stamped(w, RX_SOFTWARE | SOFTWARE)
    s.setsockopt(1, 35, 1)
    w.did(s.getsockopt, 1, 35)
    w.did(s.getsockopt, 1, SO_TIMESTAMPING)
    w.did(other.sendto, b"x", s.getsockname())
    w.poll(s, IN)
    note_message(w, s, 10)


@sequence("stamps: sent")
def _(w):
    other = w.udp()
    other.bind((w.loopback, 0))
    for flags in (TX_SOFTWARE | SOFTWARE | TSONLY, TX_SCHED | SOFTWARE | TSONLY, TX_SOFTWARE | TSONLY,
                  TX_SCHED | TX_SOFTWARE | SOFTWARE | OPT_ID | TSONLY, TX_ACK | SOFTWARE | TSONLY):
        s = stamped(w, flags)
        for _ in range(2):
            w.did(s.sendto, b"question", other.getsockname())
            time.sleep(SETTLE_S)
        for _ in range(5):
            note_message(w, s, 0, 200, socket.MSG_ERRQUEUE)
        w.poll(s)


@sequence("stamps: sent, and POLLERR")
def _(w):
    other = w.udp()
    other.bind((w.loopback, 0))
    s = stamped(w, TX_SOFTWARE | SOFTWARE | TSONLY | OPT_ID)
    w.did(s.sendto, b"question", other.getsockname())
    w.poll(s, ERR)
    w.error(s)
    w.did(s.recvfrom, 10)
    note_message(w, s, 0, 200, socket.MSG_ERRQUEUE)
    w.poll(s)


@sequence("stamps: asked for by one message")
def _(w):
    other = w.udp()
    other.bind((w.loopback, 0))
    s = stamped(w, SOFTWARE | TSONLY | OPT_ID)

    def send(flags):
        control = [(1, SO_TIMESTAMPING, struct.pack("=I", flags))]
        w.did(s.sendmsg, [b"question"], control, 0, other.getsockname())

    send(TX_SOFTWARE)
    w.did(s.sendto, b"question", other.getsockname())
    send(TX_SCHED)
    send(SOFTWARE)
    send(0)
    time.sleep(SETTLE_S)
    for _ in range(3):
        note_message(w, s, 0, 200, socket.MSG_ERRQUEUE)


@sequence("stamps: OPT_ID counts from where it was set")
def _(w):
    other = w.udp()
    other.bind((w.loopback, 0))
    s = stamped(w, TX_SOFTWARE | SOFTWARE | TSONLY)
    for flags in (0, OPT_ID, OPT_ID, 0, OPT_ID):
        w.did(s.setsockopt, 1, SO_TIMESTAMPING, TX_SOFTWARE | SOFTWARE | TSONLY | flags)
        w.did(s.sendto, b"question", other.getsockname())
        time.sleep(SETTLE_S)
        note_message(w, s, 0, 200, socket.MSG_ERRQUEUE)
