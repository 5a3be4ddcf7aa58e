// SPDX-License-Identifier: MIT
/*
 * What travels beside a datagram: control messages of sendmsg() and recvmsg().
 *
 * Servers that answer from the address they were asked at need the destination (IP_PKTINFO, IPV6_PKTINFO);
 * QUIC and traceroute need TTL and TOS; ping and clocks want to know when it came (SO_TIMESTAMP). The options
 * that switch them on are kept here, as a bit each in `sock->wanted`; what a datagram brought along waits with its
 * sender's address (datagram.c).
 *
 * As with Linux, an IPv6 socket that gets an IPv4 datagram tells its addresses mapped, and TTL and TOS only
 * if the IPv4 options were set. What doesn't fit sets MSG_CTRUNC.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "run/private.h"

static const struct {
	int level, name;
} options[] = {
	{IPPROTO_IP, IP_PKTINFO},          {IPPROTO_IP, IP_RECVTTL},
	{IPPROTO_IP, IP_RECVTOS},          {IPPROTO_IPV6, IPV6_RECVPKTINFO},
	{IPPROTO_IPV6, IPV6_RECVHOPLIMIT}, {IPPROTO_IPV6, IPV6_RECVTCLASS},
	{SOL_SOCKET, SO_TIMESTAMP},        {SOL_SOCKET, SO_TIMESTAMPNS},
	{IPPROTO_IP, IP_RETOPTS},          {IPPROTO_IP, IP_RECVERR},
	{IPPROTO_IPV6, IPV6_RECVERR},      {IPPROTO_IPV6, IPV6_2292HOPLIMIT},
};

enum {
	WANTS_PKTINFO4 = 1,
	WANTS_TTL4 = 2,
	WANTS_TOS4 = 4,
	WANTS_PKTINFO6 = 8,
	WANTS_TTL6 = 16,
	WANTS_TOS6 = 32,
	WANTS_TIME = 64,
	WANTS_TIME_NS = 128,
	/* … and IP_RETOPTS, which is told of datagrams with IP options: the stack takes these off. Of a stream also
	   IP_RECVERR and IPV6_RECVERR, which change nothing: an error that passes would end its bridge. */
	WANTS_STAMP = LINUX_STAMP_RX_SOFTWARE | LINUX_STAMP_SOFTWARE, /* of SO_TIMESTAMPING */
	WANTS_OLD_TTL6 = 2048, /* RFC 2292's, under its own number */
};

static bool is_for(const struct run_sock *sock, int level, int name)
{
	bool is_datagram = sock->state == RUN_DATAGRAM;

	if (level == SOL_SOCKET)
		return is_datagram;
	if (level == IPPROTO_IPV6 && sock->domain != AF_INET6)
		return false;
	return !is_datagram || name != (level == IPPROTO_IP ? IP_RECVERR : IPV6_RECVERR);
}

/* The bit of an option; 0: none of these. */
static unsigned bit_of(const struct run_sock *sock, int level, int name)
{
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].level == level && options[i].name == name &&
		    is_for(sock, level, name))
			return 1U << i;
	return 0;
}

int run_control_set(struct run_sock *sock, int level, int name, const void *value, uint32_t len)
{
	unsigned bit = bit_of(sock, level, name);
	int number = 0;

	if (!bit)
		return 1;
	if (len < (level == IPPROTO_IP ? 1 : sizeof(number)))
		return -EINVAL;
	memcpy(&number, value, len < sizeof(number) ? 1 : sizeof(number));
	/* One of both units, or neither. */
	if (level == SOL_SOCKET)
		sock->wanted &= ~(unsigned)(WANTS_TIME | WANTS_TIME_NS);
	sock->wanted = number ? sock->wanted | bit : sock->wanted & ~bit;
	return 0;
}

int run_control_get(const struct run_sock *sock, int level, int name)
{
	unsigned bit = bit_of(sock, level, name);

	return bit ? (sock->wanted & bit) != 0 : -1;
}

/* ---- received ---- */

/* Where control messages are gathered. */
struct control {
	uint8_t *bytes;
	size_t len, room;
	bool is_cut;
};

static void add(struct control *control, int level, int type, const void *data, size_t len)
{
	struct cmsghdr header = {CMSG_LEN(len), level, type};
	size_t left = control->room - control->len, space = CMSG_SPACE(len);

	if (left < header.cmsg_len)
		control->is_cut = true;
	if (left < sizeof(header))
		return;
	/* The first that doesn't fit is cut short, as the kernel does it. */
	if (left < header.cmsg_len) {
		header.cmsg_len = left;
		len = left - CMSG_LEN(0);
	}
	memcpy(control->bytes + control->len, &header, sizeof(header));
	memcpy(control->bytes + control->len + CMSG_LEN(0), data, len);
	control->len += left < space ? left : space;
}

/* The number of the interface that has the address. */
static int interface_of(struct run *run, const struct tee_ip *ip)
{
	struct run_nic nic;
	int last = 0;

	for (unsigned i = 0; run_nic_get(run, i, &nic); i++) {
		if (tee_ip_is4(ip) && ip->byte[12] == 127 && nic.flags & IFF_LOOPBACK)
			return nic.index;
		for (unsigned j = 0; j < nic.addr_count; j++)
			if (tee_ip_equal(&nic.addrs[j].ip, ip))
				return nic.index;
		last = nic.index;
	}
	return last; /* broadcast, multicast */
}

/* Software's stamp; the two of hardware that follow are zero. */
static void add_stamp(struct control *control, const struct timespec *at)
{
	struct timespec stamps[3] = {*at};

	add(control, SOL_SOCKET, SO_TIMESTAMPING, stamps, sizeof(stamps));
}

static void add_time(struct control *control, const struct run_sock *sock,
		     const struct run_source *source)
{
	struct timeval at = {source->at.tv_sec, source->at.tv_nsec / 1000};

	if (sock->wanted & WANTS_TIME)
		add(control, SOL_SOCKET, SO_TIMESTAMP, &at, sizeof(at));
	else if (sock->wanted & WANTS_TIME_NS)
		add(control, SOL_SOCKET, SO_TIMESTAMPNS, &source->at, sizeof(source->at));
	if ((sock->stamps & WANTS_STAMP) == WANTS_STAMP)
		add_stamp(control, &source->at);
}

static void add_ip4(struct control *control, const struct run_sock *sock,
		    const struct run_source *source, int interface)
{
	uint8_t tos = (uint8_t)source->tos;
	struct in_pktinfo info = {.ipi_ifindex = interface};

	memcpy(&info.ipi_addr, source->to.byte + 12, 4);
	info.ipi_spec_dst = info.ipi_addr;
	if (sock->wanted & WANTS_PKTINFO4)
		add(control, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	if (sock->wanted & WANTS_TTL4)
		add(control, IPPROTO_IP, IP_TTL, &source->ttl, sizeof(source->ttl));
	if (sock->wanted & WANTS_TOS4)
		add(control, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

size_t run_control_write(const struct run_sock *sock, const struct run_source *source,
			 uint8_t *bytes, size_t room, bool *ret_is_cut)
{
	struct control control = {.bytes = bytes, .room = room};
	bool is4 = tee_ip_is4(&source->to);
	int interface;

	*ret_is_cut = false;
	if ((!sock->wanted && !sock->stamps) || !source->is_known)
		return 0;
	interface = interface_of(sock->run, &source->to);
	add_time(&control, sock, source);
	if (sock->wanted & WANTS_PKTINFO6) {
		struct in6_pktinfo info = {.ipi6_ifindex = (unsigned)interface};

		memcpy(&info.ipi6_addr, source->to.byte, 16);
		add(&control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
	if (is4)
		add_ip4(&control, sock, source, interface);
	if (!is4 && sock->wanted & WANTS_TTL6)
		add(&control, IPPROTO_IPV6, IPV6_HOPLIMIT, &source->ttl, sizeof(source->ttl));
	if (!is4 && sock->wanted & WANTS_TOS6)
		add(&control, IPPROTO_IPV6, IPV6_TCLASS, &source->tos, sizeof(source->tos));
	if (!is4 && sock->wanted & WANTS_OLD_TTL6)
		add(&control, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &source->ttl, sizeof(source->ttl));
	*ret_is_cut = control.is_cut;
	return control.len;
}

size_t run_control_write_error(const struct run_sock *sock, const struct run_error *error,
			       uint8_t *bytes, size_t room, bool *ret_is_cut)
{
	bool is_cut;
	struct control control = {.bytes = bytes, .room = room};

	control.len = run_control_write(sock, &error->source, bytes, room, &is_cut);
	control.is_cut = is_cut;
	if (error->is_stamped)
		add_stamp(&control, &error->at);
	add(&control, error->cmsg.level, error->cmsg.type, error->cmsg.data, error->cmsg.len);
	*ret_is_cut = control.is_cut;
	return control.len;
}

/* ---- to be sent ---- */

static int number_of(const uint8_t *data, size_t len, int min, int *ret)
{
	int number = 0;

	if (len != sizeof(number))
		return -EINVAL;
	memcpy(&number, data, sizeof(number));
	if (number < min || number > 255)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int read_one4(int type, const uint8_t *data, size_t len, struct tee_dgram_info *info)
{
	struct in_pktinfo pktinfo;

	switch (type) {
	case IP_TTL: return number_of(data, len, 1, &info->ttl);
	case IP_TOS:
		if (len != 1)
			return number_of(data, len, 0, &info->tos);
		info->tos = data[0];
		return 0;
	case IP_PKTINFO:
		if (len != sizeof(pktinfo))
			return -EINVAL;
		memcpy(&pktinfo, data, sizeof(pktinfo));
		if (pktinfo.ipi_spec_dst.s_addr) {
			info->local.ip = (struct tee_ip){{[10] = 0xff, [11] = 0xff}};
			memcpy(info->local.ip.byte + 12, &pktinfo.ipi_spec_dst, 4);
		}
		return 0;
	default: return -EINVAL;
	}
}

static int read_one6(int type, const uint8_t *data, size_t len, struct tee_dgram_info *info)
{
	int error;

	switch (type) {
	case IPV6_TCLASS: return number_of(data, len, -1, &info->tos);
	case IPV6_HOPLIMIT:
		error = number_of(data, len, -1, &info->ttl);
		if (info->ttl < 0)
			info->ttl = 0; /* the socket's own */
		return error;
	case IPV6_PKTINFO:
		if (len < sizeof(struct in6_pktinfo))
			return -EINVAL;
		memcpy(info->local.ip.byte, data, 16);
		return 0;
	default: return -EINVAL;
	}
}

/* Only an address of ours may be a source. */
static bool is_ours(struct run *run, const struct tee_ip *ip)
{
	struct run_nic nic;

	if (tee_ip_is4(ip) && ip->byte[12] == 127)
		return true;
	for (unsigned i = 0; run_nic_get(run, i, &nic); i++)
		for (unsigned j = 0; j < nic.addr_count; j++)
			if (tee_ip_equal(&nic.addrs[j].ip, ip))
				return true;
	return false;
}

/* SO_TIMESTAMPING of one message: what of it is to be stamped. */
static int read_stamps(struct run_sock *sock, const uint8_t *data, size_t len)
{
	uint32_t stamps;

	if (len != sizeof(stamps))
		return -EINVAL;
	memcpy(&stamps, data, sizeof(stamps));
	if (stamps & ~(uint32_t)LINUX_STAMP_TX_RECORDS)
		return -EINVAL;
	sock->stamps_once = stamps;
	return 0;
}

int run_control_read(struct run_sock *sock, const uint8_t *bytes, size_t len,
		     struct tee_dgram_info *info)
{
	struct cmsghdr header;
	int error = 0;

	while (error == 0 && len >= sizeof(header)) {
		const uint8_t *data = bytes + CMSG_LEN(0);
		size_t size, data_len;

		memcpy(&header, bytes, sizeof(header));
		if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > len)
			return -EINVAL;
		data_len = header.cmsg_len - CMSG_LEN(0);
		if (header.cmsg_level == IPPROTO_IP)
			error = read_one4(header.cmsg_type, data, data_len, info);
		else if (header.cmsg_level == IPPROTO_IPV6)
			error = read_one6(header.cmsg_type, data, data_len, info);
		else if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SO_TIMESTAMPING)
			error = read_stamps(sock, data, data_len);
		else if (header.cmsg_level == IPPROTO_UDP)
			error = -EINVAL;
		/* Other levels are other protocols' matter. */
		size = CMSG_SPACE(data_len);
		size = size < len ? size : len;
		bytes += size;
		len -= size;
	}
	if (error == 0 && !tee_ip_is_any(&info->local.ip) && !is_ours(sock->run, &info->local.ip))
		error = tee_ip_is4(&info->local.ip) ? -ENETUNREACH : -EINVAL;
	return error;
}
