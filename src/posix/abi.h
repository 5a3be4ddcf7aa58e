/* SPDX-License-Identifier: MIT */
/*
 * Numbers and layouts of Linux' socket calls on 64-bit machines, as this room speaks them. They are
 * written out here so that the core needs no system header, and a caller on another system (or one
 * that speaks for a traced program) uses the same ones.
 */
#ifndef POSIX_ABI_H
#define POSIX_ABI_H

#include <stdint.h>

enum {
	LINUX_EPERM = 1,
	LINUX_ENOENT = 2,
	LINUX_EIO = 5,
	LINUX_EBADF = 9,
	LINUX_EAGAIN = 11,
	LINUX_ENOMEM = 12,
	LINUX_EACCES = 13,
	LINUX_EFAULT = 14,
	LINUX_EEXIST = 17,
	LINUX_ENODEV = 19,
	LINUX_EINVAL = 22,
	LINUX_EMFILE = 24,
	LINUX_ENOTTY = 25,
	LINUX_EPIPE = 32,
	LINUX_EDOM = 33,
	LINUX_ENONET = 64,
	LINUX_EPROTO = 71,
	LINUX_ENOTSOCK = 88,
	LINUX_EDESTADDRREQ = 89,
	LINUX_EMSGSIZE = 90,
	LINUX_ENOPROTOOPT = 92,
	LINUX_EPROTONOSUPPORT = 93,
	LINUX_ESOCKTNOSUPPORT = 94,
	LINUX_EOPNOTSUPP = 95,
	LINUX_EAFNOSUPPORT = 97,
	LINUX_EADDRINUSE = 98,
	LINUX_EADDRNOTAVAIL = 99,
	LINUX_ENETDOWN = 100,
	LINUX_ENETUNREACH = 101,
	LINUX_ECONNABORTED = 103,
	LINUX_ECONNRESET = 104,
	LINUX_ENOBUFS = 105,
	LINUX_EISCONN = 106,
	LINUX_ENOTCONN = 107,
	LINUX_ETIMEDOUT = 110,
	LINUX_ECONNREFUSED = 111,
	LINUX_EHOSTDOWN = 112,
	LINUX_EHOSTUNREACH = 113,
	LINUX_EALREADY = 114,
	LINUX_EINPROGRESS = 115,
	LINUX_ECANCELED = 125,
};

enum {
	LINUX_AF_UNSPEC = 0,
	LINUX_AF_INET = 2,
	LINUX_AF_INET6 = 10,
	LINUX_SOCK_STREAM = 1,
	LINUX_SOCK_DGRAM = 2,
	LINUX_SOCK_TYPE_MASK = 0xf,
	LINUX_SOCK_TYPE_END = 11,
	LINUX_SOCK_NONBLOCK = 04000,
	LINUX_SOCK_CLOEXEC = 02000000,
	LINUX_IPPROTO_IP = 0,
	LINUX_IPPROTO_ICMP = 1,
	LINUX_IPPROTO_TCP = 6,
	LINUX_IPPROTO_UDP = 17,
	LINUX_IPPROTO_IPV6 = 41,
	LINUX_IPPROTO_ICMPV6 = 58,
	LINUX_IPPROTO_END = 263,
};

enum {
	LINUX_O_RDWR = 2,
	LINUX_O_APPEND = 02000,
	LINUX_O_NONBLOCK = 04000,
	LINUX_F_GETFD = 1,
	LINUX_F_SETFD = 2,
	LINUX_F_GETFL = 3,
	LINUX_F_SETFL = 4,
	LINUX_SHUT_RD = 0,
	LINUX_SHUT_WR = 1,
	LINUX_SHUT_RDWR = 2,
	LINUX_FIONREAD = 0x541B,
	LINUX_FIONBIO = 0x5421,
	LINUX_SIOCOUTQ = 0x5411,
	LINUX_SIOCOUTQNSD = 0x894B,
	LINUX_SIOCATMARK = 0x8905,
};

enum {
	LINUX_MSG_OOB = 1,
	LINUX_MSG_PEEK = 2,
	LINUX_MSG_CTRUNC = 8,
	LINUX_MSG_TRUNC = 0x20,
	LINUX_MSG_DONTWAIT = 0x40,
	LINUX_MSG_EOR = 0x80,
	LINUX_MSG_WAITALL = 0x100,
	LINUX_MSG_ERRQUEUE = 0x2000,
	LINUX_MSG_NOSIGNAL = 0x4000,
	LINUX_MSG_MORE = 0x8000,
	LINUX_MSG_ZEROCOPY = 0x4000000,
	LINUX_MSG_FASTOPEN = 0x20000000,
};

enum {
	LINUX_SOL_IP = 0,
	LINUX_SOL_SOCKET = 1,
	LINUX_SOL_TCP = 6,
	LINUX_SOL_IPV6 = 41,
	LINUX_SO_DEBUG = 1,
	LINUX_SO_REUSEADDR = 2,
	LINUX_SO_TYPE = 3,
	LINUX_SO_ERROR = 4,
	LINUX_SO_DONTROUTE = 5,
	LINUX_SO_BROADCAST = 6,
	LINUX_SO_SNDBUF = 7,
	LINUX_SO_RCVBUF = 8,
	LINUX_SO_KEEPALIVE = 9,
	LINUX_SO_OOBINLINE = 10,
	LINUX_SO_PRIORITY = 12,
	LINUX_SO_LINGER = 13,
	LINUX_SO_REUSEPORT = 15,
	LINUX_SO_RCVLOWAT = 18,
	LINUX_SO_SNDLOWAT = 19,
	LINUX_SO_RCVTIMEO = 20,
	LINUX_SO_SNDTIMEO = 21,
	LINUX_SO_ACCEPTCONN = 30,
	LINUX_SO_SNDBUFFORCE = 32,
	LINUX_SO_RCVBUFFORCE = 33,
	LINUX_SO_MARK = 36,
	LINUX_SO_PROTOCOL = 38,
	LINUX_SO_DOMAIN = 39,
	LINUX_SO_TIMESTAMPING = 37,
	LINUX_SO_BUSY_POLL = 46,
	LINUX_SO_MAX_PACING_RATE = 47,
	LINUX_SO_ZEROCOPY = 60,
	LINUX_SO_TXREHASH = 74,
};

/* SO_TIMESTAMPING's flags, and what comes out of the error queue. */
enum {
	LINUX_STAMP_TX_SOFTWARE = 2,
	LINUX_STAMP_SOFTWARE = 16,
	LINUX_STAMP_OPT_ID = 128,
	LINUX_STAMP_TX_SCHED = 256,
	LINUX_STAMP_TX_ACK = 512,
	LINUX_STAMP_OPT_TSONLY = 2048,
	LINUX_STAMP_ALL = (1 << 18) - 1,
	LINUX_ENOMSG = 42,
	LINUX_ORIGIN_LOCAL = 1,
	LINUX_ORIGIN_ICMP = 2,
	LINUX_ORIGIN_ICMP6 = 3,
	LINUX_ORIGIN_TIMESTAMPING = 4,
	LINUX_ORIGIN_ZEROCOPY = 5,
	LINUX_CODE_ZEROCOPY_COPIED = 1,
	LINUX_TSTAMP_SND = 0,
	LINUX_TSTAMP_SCHED = 1,
	LINUX_TSTAMP_ACK = 2,
};

enum {
	LINUX_TCP_NODELAY = 1,
	LINUX_TCP_MAXSEG = 2,
	LINUX_TCP_CORK = 3,
	LINUX_TCP_KEEPIDLE = 4,
	LINUX_TCP_KEEPINTVL = 5,
	LINUX_TCP_KEEPCNT = 6,
	LINUX_TCP_SYNCNT = 7,
	LINUX_TCP_LINGER2 = 8,
	LINUX_TCP_DEFER_ACCEPT = 9,
	LINUX_TCP_WINDOW_CLAMP = 10,
	LINUX_TCP_INFO = 11,
	LINUX_TCP_QUICKACK = 12,
	LINUX_TCP_CONGESTION = 13,
	LINUX_TCP_THIN_LINEAR_TIMEOUTS = 16,
	LINUX_TCP_THIN_DUPACK = 17,
	LINUX_TCP_USER_TIMEOUT = 18,
	LINUX_TCP_FASTOPEN = 23,
	LINUX_TCP_NOTSENT_LOWAT = 25,
	LINUX_TCP_FASTOPEN_CONNECT = 30,
	LINUX_TCP_FASTOPEN_NO_COOKIE = 34,
	LINUX_TCP_INQ = 36,
	/* BSD's, which have no number in Linux */
	BSD_TCP_NOOPT = 0x10008,
	BSD_TCP_KEEPINIT = 0x10080,
};

enum {
	LINUX_IP_TOS = 1,
	LINUX_IP_TTL = 2,
	LINUX_IP_MTU_DISCOVER = 10,
	LINUX_IP_RECVERR = 11,
	LINUX_IP_RECVTTL = 12,
	LINUX_IP_RECVTOS = 13,
	LINUX_IP_MTU = 14,
	LINUX_IP_FREEBIND = 15,
	LINUX_IP_BIND_ADDRESS_NO_PORT = 24,
	LINUX_IPV6_UNICAST_HOPS = 16,
	LINUX_IPV6_MTU_DISCOVER = 23,
	LINUX_IPV6_MTU = 24,
	LINUX_IPV6_RECVERR = 25,
	LINUX_IPV6_V6ONLY = 26,
	LINUX_IPV6_RECVHOPLIMIT = 51,
	LINUX_IPV6_HOPLIMIT = 52,
	LINUX_IPV6_RECVTCLASS = 66,
	LINUX_IPV6_TCLASS = 67,
};

enum {
	LINUX_POLLIN = 1,
	LINUX_POLLPRI = 2,
	LINUX_POLLOUT = 4,
	LINUX_POLLERR = 8,
	LINUX_POLLHUP = 0x10,
	LINUX_POLLNVAL = 0x20,
	LINUX_POLLRDNORM = 0x40,
	LINUX_POLLWRNORM = 0x100,
	LINUX_POLLRDHUP = 0x2000,
	LINUX_EPOLL_CTL_ADD = 1,
	LINUX_EPOLL_CTL_DEL = 2,
	LINUX_EPOLL_CTL_MOD = 3,
};
#define LINUX_EPOLLONESHOT (UINT32_C(1) << 30)
#define LINUX_EPOLLET      (UINT32_C(1) << 31)

/* Linux numbers TCP states from 1 (ESTABLISHED); `tcpi_state` and ss use them. */
enum linux_tcp_state {
	LINUX_TCP_ESTABLISHED = 1,
	LINUX_TCP_SYN_SENT,
	LINUX_TCP_SYN_RECV,
	LINUX_TCP_FIN_WAIT1,
	LINUX_TCP_FIN_WAIT2,
	LINUX_TCP_TIME_WAIT,
	LINUX_TCP_CLOSE,
	LINUX_TCP_CLOSE_WAIT,
	LINUX_TCP_LAST_ACK,
	LINUX_TCP_LISTEN,
	LINUX_TCP_CLOSING,
};

/* What getsockopt(TCP_INFO) returns. Times in microseconds, those of "last" in milliseconds. */
struct linux_tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff, options;
	uint8_t wscales; /* low four bits: of what the peer sends; high: of what we announce */
	uint8_t rate_app_limited_and_fastopen_fail; /* bit 0; bits 1 and 2 */
	uint32_t rto, ato, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	uint32_t rcv_rtt, rcv_space, total_retrans;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time;
	uint32_t received_ce, delivered_e1_bytes, delivered_e0_bytes, delivered_ce_bytes;
	uint32_t received_e1_bytes, received_e0_bytes, received_ce_bytes;
	uint8_t ecn_bits; /* from the lowest: mode (2 bits), accecn_opt_seen (2), accecn_fail_mode (4) */
	uint8_t options2[3];
};

#endif
