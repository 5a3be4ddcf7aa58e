/* SPDX-License-Identifier: MIT */
/*
 * Tables of names. Numbers of calls are Linux' (src/posix/abi.h uses the same); ICMP names follow
 * the types and codes of RFC 792, 1812, 4443, with the spellings that scripts use.
 */
#include "names.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct name_row {
	const char *name;
	int64_t value;
};

static const struct name_row error_names[] = {
	{"EPERM", 1},
	{"ENOENT", 2},
	{"EINTR", 4},
	{"EIO", 5},
	{"EBADF", 9},
	{"EAGAIN", 11},
	{"EWOULDBLOCK", 11},
	{"ENOMEM", 12},
	{"EACCES", 13},
	{"EFAULT", 14},
	{"EBUSY", 16},
	{"EEXIST", 17},
	{"ENODEV", 19},
	{"EINVAL", 22},
	{"ENFILE", 23},
	{"EMFILE", 24},
	{"ENOTTY", 25},
	{"ENOSPC", 28},
	{"ESPIPE", 29},
	{"EPIPE", 32},
	{"EDOM", 33},
	{"ERANGE", 34},
	{"ENOSYS", 38},
	{"ENOMSG", 42},
	{"ENODATA", 61},
	{"EPROTO", 71},
	{"EOVERFLOW", 75},
	{"ENOTSOCK", 88},
	{"EDESTADDRREQ", 89},
	{"EMSGSIZE", 90},
	{"EPROTOTYPE", 91},
	{"ENOPROTOOPT", 92},
	{"EPROTONOSUPPORT", 93},
	{"ESOCKTNOSUPPORT", 94},
	{"EOPNOTSUPP", 95},
	{"ENOTSUP", 95},
	{"EPFNOSUPPORT", 96},
	{"EAFNOSUPPORT", 97},
	{"EADDRINUSE", 98},
	{"EADDRNOTAVAIL", 99},
	{"ENETDOWN", 100},
	{"ENETUNREACH", 101},
	{"ENETRESET", 102},
	{"ECONNABORTED", 103},
	{"ECONNRESET", 104},
	{"ENOBUFS", 105},
	{"EISCONN", 106},
	{"ENOTCONN", 107},
	{"ESHUTDOWN", 108},
	{"ETIMEDOUT", 110},
	{"ECONNREFUSED", 111},
	{"EHOSTDOWN", 112},
	{"EHOSTUNREACH", 113},
	{"EALREADY", 114},
	{"EINPROGRESS", 115},
	{"ECANCELED", 125},
};

static const struct name_row call_names[] = {
	/* address families, types, protocols */
	{"AF_UNSPEC", 0},
	{"AF_UNIX", 1},
	{"AF_INET", 2},
	{"AF_INET6", 10},
	{"PF_INET", 2},
	{"PF_INET6", 10},
	{"SOCK_STREAM", 1},
	{"SOCK_DGRAM", 2},
	{"SOCK_RAW", 3},
	{"SOCK_SEQPACKET", 5},
	{"SOCK_NONBLOCK", 04000},
	{"SOCK_CLOEXEC", 02000000},
	{"IPPROTO_IP", 0},
	{"IPPROTO_ICMP", 1},
	{"IPPROTO_TCP", 6},
	{"IPPROTO_UDP", 17},
	{"IPPROTO_IPV6", 41},
	{"IPPROTO_ICMPV6", 58},
	{"IPPROTO_SCTP", 132},
	{"IPPROTO_UDPLITE", 136},
	{"IPPROTO_RAW", 255},
	{"IPPROTO_MPTCP", 262},
	{"INADDR_ANY", 0},
	{"INADDR_LOOPBACK", 0x7f000001},
	/* levels */
	{"SOL_IP", 0},
	{"SOL_SOCKET", 1},
	{"SOL_TCP", 6},
	{"SOL_UDP", 17},
	{"SOL_IPV6", 41},
	/* SOL_SOCKET */
	{"SO_DEBUG", 1},
	{"SO_REUSEADDR", 2},
	{"SO_TYPE", 3},
	{"SO_ERROR", 4},
	{"SO_DONTROUTE", 5},
	{"SO_BROADCAST", 6},
	{"SO_SNDBUF", 7},
	{"SO_RCVBUF", 8},
	{"SO_KEEPALIVE", 9},
	{"SO_OOBINLINE", 10},
	{"SO_PRIORITY", 12},
	{"SO_LINGER", 13},
	{"SO_REUSEPORT", 15},
	{"SO_RCVLOWAT", 18},
	{"SO_SNDLOWAT", 19},
	{"SO_RCVTIMEO", 20},
	{"SO_SNDTIMEO", 21},
	{"SO_BINDTODEVICE", 25},
	{"SO_TIMESTAMP", 29},
	{"SO_ACCEPTCONN", 30},
	{"SO_SNDBUFFORCE", 32},
	{"SO_RCVBUFFORCE", 33},
	{"SO_MARK", 36},
	{"SO_TIMESTAMPNS", 35},
	{"SO_TIMESTAMPING", 37},
	{"SO_PROTOCOL", 38},
	{"SO_DOMAIN", 39},
	{"SO_RXQ_OVFL", 40},
	{"SO_PEEK_OFF", 42},
	{"SO_NOFCS", 43},
	{"SO_LOCK_FILTER", 44},
	{"SO_SELECT_ERR_QUEUE", 45},
	{"SO_BUSY_POLL", 46},
	{"SO_MAX_PACING_RATE", 47},
	{"SO_INCOMING_CPU", 49},
	{"SO_ATTACH_REUSEPORT_CBPF", 51},
	{"SO_ATTACH_REUSEPORT_EBPF", 52},
	{"SO_INCOMING_NAPI_ID", 56},
	{"SO_COOKIE", 57},
	{"SO_ZEROCOPY", 60},
	{"SO_TXTIME", 61},
	{"SO_PREFER_BUSY_POLL", 69},
	{"SO_BUSY_POLL_BUDGET", 70},
	{"SO_BUF_LOCK", 72},
	{"SO_RESERVE_MEM", 73},
	{"SO_TXREHASH", 74},
	{"SO_RCVMARK", 75},
	{"SO_PASSCRED", 16},
	{"SO_PEERCRED", 17},
	{"SO_PEERNAME", 28},
	{"SO_ATTACH_FILTER", 26},
	{"SO_DETACH_FILTER", 27},
	{"SO_USELOOPBACK", 0x10040},
	{"SO_NOSIGPIPE", 0x10800},
	{"SO_REUSEPORT_LB", 0x30000},
	/* SOL_TCP; the BSD names that Linux lacks stand behind its last number */
	{"TCP_NODELAY", 1},
	{"TCP_MAXSEG", 2},
	{"TCP_CORK", 3},
	{"TCP_NOPUSH", 3},
	{"TCP_KEEPIDLE", 4},
	{"TCP_KEEPINTVL", 5},
	{"TCP_KEEPCNT", 6},
	{"TCP_SYNCNT", 7},
	{"TCP_LINGER2", 8},
	{"TCP_DEFER_ACCEPT", 9},
	{"TCP_WINDOW_CLAMP", 10},
	{"TCP_INFO", 11},
	{"TCP_QUICKACK", 12},
	{"TCP_CONGESTION", 13},
	{"TCP_MD5SIG", 14},
	{"TCP_THIN_LINEAR_TIMEOUTS", 16},
	{"TCP_THIN_DUPACK", 17},
	{"TCP_USER_TIMEOUT", 18},
	{"TCP_REPAIR", 19},
	{"TCP_REPAIR_QUEUE", 20},
	{"TCP_QUEUE_SEQ", 21},
	{"TCP_REPAIR_OPTIONS", 22},
	{"TCP_FASTOPEN", 23},
	{"TCP_TIMESTAMP", 24},
	{"TCP_NOTSENT_LOWAT", 25},
	{"TCP_CC_INFO", 26},
	{"TCP_SAVE_SYN", 27},
	{"TCP_SAVED_SYN", 28},
	{"TCP_REPAIR_WINDOW", 29},
	{"TCP_FASTOPEN_CONNECT", 30},
	{"TCP_ULP", 31},
	{"TCP_MD5SIG_EXT", 32},
	{"TCP_FASTOPEN_KEY", 33},
	{"TCP_FASTOPEN_NO_COOKIE", 34},
	{"TCP_ZEROCOPY_RECEIVE", 35},
	{"TCP_INQ", 36},
	{"TCP_CM_INQ", 36},
	{"TCP_TX_DELAY", 37},
	{"TCP_AO_ADD_KEY", 38},
	{"TCP_AO_DEL_KEY", 39},
	{"TCP_AO_INFO", 40},
	{"TCP_AO_GET_KEYS", 41},
	{"TCP_AO_REPAIR", 42},
	{"TCP_IS_MPTCP", 43},
	{"TCP_RTO_MAX_MS", 44},
	{"TCP_RTO_MIN_US", 45},
	{"TCP_DELACK_MAX_US", 46},
	{"TCP_NOOPT", 0x10008},
	{"TCP_KEEPINIT", 0x10080},
	{"TCP_CCALGOOPT", 0x10041},
	{"TCP_MAXUNACKTIME", 0x10044},
	{"TCP_FUNCTION_BLK", 0x12000},
	{"TCP_REMOTE_UDP_ENCAPS_PORT", 0x10047},
	{"TCP_PERF_INFO", 0x1004e},
	/* IP and IPv6 */
	{"IP_TOS", 1},
	{"IP_HDRINCL", 3},
	{"IP_OPTIONS", 4},
	{"IP_RECVOPTS", 6},
	{"IP_PKTINFO", 8},
	{"IP_MINTTL", 21},
	{"IP_NODEFRAG", 22},
	{"IP_UNICAST_IF", 50},
	{"IP_LOCAL_PORT_RANGE", 51},
	{"IP_TTL", 2},
	{"IP_MTU_DISCOVER", 10},
	{"IP_RECVERR", 11},
	{"IP_RECVTTL", 12},
	{"IP_RECVTOS", 13},
	{"IP_MTU", 14},
	{"IP_FREEBIND", 15},
	{"IP_TRANSPARENT", 19},
	{"IP_BIND_ADDRESS_NO_PORT", 24},
	{"IP_PMTUDISC_DONT", 0},
	{"IP_PMTUDISC_WANT", 1},
	{"IP_PMTUDISC_DO", 2},
	{"IP_PMTUDISC_PROBE", 3},
	{"IPV6_UNICAST_HOPS", 16},
	{"IPV6_MTU_DISCOVER", 23},
	{"IPV6_MTU", 24},
	{"IPV6_RECVERR", 25},
	{"IPV6_V6ONLY", 26},
	{"IPV6_FLOWINFO", 11},
	{"IPV6_RECVPKTINFO", 49},
	{"IPV6_PKTINFO", 50},
	{"IPV6_ADDR_PREFERENCES", 72},
	{"IPV6_MINHOPCOUNT", 73},
	{"IPV6_FREEBIND", 78},
	{"IPV6_RECVHOPLIMIT", 51},
	{"IPV6_HOPLIMIT", 52},
	{"IPV6_RECVTCLASS", 66},
	{"IPV6_TCLASS", 67},
	{"IPV6_AUTOFLOWLABEL", 70},
	{"IPV6_DONTFRAG", 62},
	{"IPV6_FLOWINFO_SEND", 33},
	{"IPV6_FLOWLABEL_MGR", 32},
	{"IPTOS_LOWDELAY", 0x10},
	{"IPTOS_THROUGHPUT", 8},
	{"IPTOS_RELIABILITY", 4},
	{"IPTOS_MINCOST", 2},
	{"IPTOS_ECN_NOT_ECT", 0},
	{"IPTOS_ECN_ECT1", 1},
	{"IPTOS_ECN_ECT0", 2},
	{"IPTOS_ECN_CE", 3},
	{"IPTOS_DSCP_CS0", 0},
	{"IPTOS_DSCP_CS1", 0x20},
	{"IPTOS_DSCP_CS2", 0x40},
	{"IPTOS_DSCP_CS3", 0x60},
	{"IPTOS_DSCP_CS4", 0x80},
	{"IPTOS_DSCP_CS5", 0xa0},
	{"IPTOS_DSCP_CS6", 0xc0},
	{"IPTOS_DSCP_CS7", 0xe0},
	{"IPTOS_DSCP_AF11", 0x28},
	{"IPTOS_DSCP_AF12", 0x30},
	{"IPTOS_DSCP_AF13", 0x38},
	{"IPTOS_DSCP_AF21", 0x48},
	{"IPTOS_DSCP_AF22", 0x50},
	{"IPTOS_DSCP_AF23", 0x58},
	{"IPTOS_DSCP_AF31", 0x68},
	{"IPTOS_DSCP_AF32", 0x70},
	{"IPTOS_DSCP_AF33", 0x78},
	{"IPTOS_DSCP_AF41", 0x88},
	{"IPTOS_DSCP_AF42", 0x90},
	{"IPTOS_DSCP_AF43", 0x98},
	{"IPTOS_DSCP_EF", 0xb8},
	{"IPTOS_DSCP_VA", 0xb0},
	/* flags of messages, files, shutdown */
	{"MSG_OOB", 1},
	{"MSG_PEEK", 2},
	{"MSG_DONTROUTE", 4},
	{"MSG_CTRUNC", 8},
	{"MSG_TRUNC", 0x20},
	{"MSG_DONTWAIT", 0x40},
	{"MSG_EOR", 0x80},
	{"MSG_WAITALL", 0x100},
	{"MSG_CONFIRM", 0x800},
	{"MSG_ERRQUEUE", 0x2000},
	{"MSG_NOSIGNAL", 0x4000},
	{"MSG_MORE", 0x8000},
	{"MSG_WAITFORONE", 0x10000},
	{"MSG_CMSG_CLOEXEC", 0x40000000},
	{"MSG_ZEROCOPY", 0x4000000},
	{"MSG_FASTOPEN", 0x20000000},
	{"O_RDONLY", 0},
	{"O_WRONLY", 1},
	{"O_RDWR", 2},
	{"O_CREAT", 0100},
	{"O_EXCL", 0200},
	{"O_TRUNC", 01000},
	{"O_APPEND", 02000},
	{"O_NONBLOCK", 04000},
	{"O_CLOEXEC", 02000000},
	{"FD_CLOEXEC", 1},
	{"F_DUPFD", 0},
	{"F_GETFD", 1},
	{"F_SETFD", 2},
	{"F_GETFL", 3},
	{"F_SETFL", 4},
	{"SHUT_RD", 0},
	{"SHUT_WR", 1},
	{"SHUT_RDWR", 2},
	{"FIONREAD", 0x541B},
	{"SIOCINQ", 0x541B},
	{"FIONBIO", 0x5421},
	{"TIOCOUTQ", 0x5411},
	{"SIOCOUTQ", 0x5411},
	{"SIOCOUTQNSD", 0x894B},
	{"SIOCATMARK", 0x8905},
	{"FIOASYNC", 0x5452},
	/* poll and epoll */
	{"POLLIN", 1},
	{"POLLPRI", 2},
	{"POLLOUT", 4},
	{"POLLERR", 8},
	{"POLLHUP", 0x10},
	{"POLLNVAL", 0x20},
	{"POLLRDNORM", 0x40},
	{"POLLRDBAND", 0x80},
	{"POLLWRNORM", 0x100},
	{"POLLWRBAND", 0x200},
	{"POLLRDHUP", 0x2000},
	{"EPOLLIN", 1},
	{"EPOLLPRI", 2},
	{"EPOLLOUT", 4},
	{"EPOLLERR", 8},
	{"EPOLLHUP", 0x10},
	{"EPOLLRDNORM", 0x40},
	{"EPOLLRDBAND", 0x80},
	{"EPOLLWRNORM", 0x100},
	{"EPOLLWRBAND", 0x200},
	{"EPOLLMSG", 0x400},
	{"EPOLLRDHUP", 0x2000},
	{"EPOLLEXCLUSIVE", 1 << 28},
	{"EPOLLWAKEUP", 1 << 29},
	{"EPOLLONESHOT", 1 << 30},
	{"EPOLLET", INT64_C(1) << 31},
	{"EPOLL_CTL_ADD", 1},
	{"EPOLL_CTL_DEL", 2},
	{"EPOLL_CTL_MOD", 3},
	{"EPOLL_CLOEXEC", 02000000},
	/* ancillary data */
	{"SCM_TIMESTAMPING", 37},
	{"CMSG_LEVEL_IP", NAMES_CMSG_LEVEL_IP},
	{"CMSG_TYPE_RECVERR", NAMES_CMSG_TYPE_RECVERR},
	{"SO_EE_ORIGIN_NONE", 0},
	{"SO_EE_ORIGIN_LOCAL", 1},
	{"SO_EE_ORIGIN_ICMP", 2},
	{"SO_EE_ORIGIN_ICMP6", 3},
	{"SO_EE_ORIGIN_TIMESTAMPING", 4},
	{"SO_EE_ORIGIN_ZEROCOPY", 5},
	{"SO_EE_CODE_ZEROCOPY_COPIED", 1},
	{"SCM_TSTAMP_SND", 0},
	{"SCM_TSTAMP_SCHED", 1},
	{"SCM_TSTAMP_ACK", 2},
	{"SOF_TIMESTAMPING_TX_HARDWARE", 1},
	{"SOF_TIMESTAMPING_TX_SOFTWARE", 2},
	{"SOF_TIMESTAMPING_RX_HARDWARE", 4},
	{"SOF_TIMESTAMPING_RX_SOFTWARE", 8},
	{"SOF_TIMESTAMPING_SOFTWARE", 16},
	{"SOF_TIMESTAMPING_OPT_ID", 128},
	{"SOF_TIMESTAMPING_TX_SCHED", 256},
	{"SOF_TIMESTAMPING_TX_ACK", 512},
	{"SOF_TIMESTAMPING_OPT_CMSG", 1024},
	{"SOF_TIMESTAMPING_OPT_TSONLY", 2048},
	{"NULL", 0},
	{"SPLICE_F_MOVE", 1},
	{"SPLICE_F_NONBLOCK", 2},
	{"SPLICE_F_MORE", 4},
};

static bool find_row(const struct name_row *rows, size_t count, const char *name, int64_t *ret)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(rows[i].name, name)) {
			*ret = rows[i].value;
			return true;
		}
	return false;
}

bool names_find(const char *name, int64_t *ret_value)
{
	return find_row(call_names, COUNT(call_names), name, ret_value) ||
	       find_row(error_names, COUNT(error_names), name, ret_value);
}

int names_error(const char *name)
{
	int64_t value;

	return find_row(error_names, COUNT(error_names), name, &value) ? (int)value : 0;
}

const char *names_error_name(int error)
{
	for (size_t i = 0; i < COUNT(error_names); i++)
		if (error_names[i].value == error)
			return error_names[i].name;
	return "E?";
}

/* ---- ICMP ---- */

static const struct name_row icmp4_types[] = {
	{"echo_reply", 0},           {"unreachable", 3},
	{"source_quench", 4},        {"redirect", 5},
	{"echo_request", 8},         {"router_advertisement", 9},
	{"router_solicitation", 10}, {"time_exceeded", 11},
	{"parameter_problem", 12},   {"timestamp_request", 13},
	{"timestamp_reply", 14},     {"information_request", 15},
	{"information_reply", 16},   {"address_mask_request", 17},
	{"address_mask_reply", 18},
};

static const struct name_row icmp4_unreachable_codes[] = {
	{"net_unreachable", 0},
	{"host_unreachable", 1},
	{"protocol_unreachable", 2},
	{"port_unreachable", 3},
	{"frag_needed", 4},
	{"source_route_failed", 5},
	{"net_unknown", 6},
	{"host_unknown", 7},
	{"source_host_isolated", 8},
	{"net_prohibited", 9},
	{"host_prohibited", 10},
	{"net_unreachable_for_tos", 11},
	{"host_unreachable_for_tos", 12},
	{"packet_filtered", 13},
	{"precedence_violation", 14},
	{"precedence_cutoff", 15},
	{"net_unreachable_for_tos_dup", 11},
};

static const struct name_row icmp4_time_codes[] = {
	{"ttl_exceeded", 0},
	{"ttl_exceeded_in_transit", 0},
	{"frag_exceeded", 1},
	{"fragment_reassembly_time_exceeded", 1},
};

static const struct name_row icmp6_types[] = {
	{"unreachable", 1},       {"packet_too_big", 2}, {"time_exceeded", 3},
	{"parameter_problem", 4}, {"echo_request", 128}, {"echo_reply", 129},
};

static const struct name_row icmp6_unreachable_codes[] = {
	{"no_route", 0},
	{"admin_prohibited", 1},
	{"beyond_scope", 2},
	{"not_neighbour", 2},
	{"not_neighbor", 2},
	{"addr_unreachable", 3},
	{"address_unreachable", 3},
	{"port_unreachable", 4},
	{"source_policy", 5},
	{"policy_fail", 5},
	{"reject_route", 6},
};

static const struct name_row icmp6_time_codes[] = {
	{"exceeded_hop_limit", 0},
	{"hop_limit_exceeded", 0},
	{"exceeded_frag_time", 1},
	{"frag_time_exceeded", 1},
};

static const struct name_row icmp6_parameter_codes[] = {
	{"header_field", 0},    {"erroneous_header_field", 0},
	{"unknown_nexthdr", 1}, {"unknown_next_header", 1},
	{"unk_nexthdr", 1},     {"unknown_option", 2},
	{"unk_option", 2},
};

/* "type_7" or "code_7". */
static bool numbered(const char *name, const char *prefix, int *ret)
{
	size_t len = strlen(prefix);
	int value = 0;

	if (strncmp(name, prefix, len) || !name[len])
		return false;
	for (const char *c = name + len; *c; c++) {
		if (*c < '0' || *c > '9' || value > 255)
			return false;
		value = value * 10 + (*c - '0');
	}
	*ret = value;
	return value <= 255;
}

bool names_icmp_type(bool is_ip6, const char *name, int *ret_type)
{
	int64_t value;

	if (numbered(name, "type_", ret_type))
		return true;
	if (is_ip6 ? !find_row(icmp6_types, COUNT(icmp6_types), name, &value)
		   : !find_row(icmp4_types, COUNT(icmp4_types), name, &value))
		return false;
	*ret_type = (int)value;
	return true;
}

bool names_icmp_code(bool is_ip6, int type, const char *name, int *ret_code)
{
	const struct name_row *rows = NULL;
	size_t count = 0;
	int64_t value;

	if (numbered(name, "code_", ret_code))
		return true;
	if (!is_ip6 && type == 3) {
		rows = icmp4_unreachable_codes;
		count = COUNT(icmp4_unreachable_codes);
	} else if (!is_ip6 && type == 11) {
		rows = icmp4_time_codes;
		count = COUNT(icmp4_time_codes);
	} else if (is_ip6 && type == 1) {
		rows = icmp6_unreachable_codes;
		count = COUNT(icmp6_unreachable_codes);
	} else if (is_ip6 && type == 3) {
		rows = icmp6_time_codes;
		count = COUNT(icmp6_time_codes);
	} else if (is_ip6 && type == 4) {
		rows = icmp6_parameter_codes;
		count = COUNT(icmp6_parameter_codes);
	}
	if (!find_row(rows, count, name, &value))
		return false;
	*ret_code = (int)value;
	return true;
}
