// SPDX-License-Identifier: MIT
/*
 * NETLINK_ROUTE: what libraries ask when they want to know interfaces, addresses and routes (getifaddrs,
 * getaddrinfo with AI_ADDRCONFIG, Go's net.Interfaces, ip addr). The kernel would tell the host's; we tell the
 * stack's. Other netlink families stay the kernel's.
 *
 * The program holds one end of a SEQPACKET pair, as of a datagram socket (datagram.c); what it sends, however
 * it does, comes to run_netlink_input(), and the answers go into the pair. Dumps are answered at
 * once and whole, in pieces that fit the smallest buffer that anybody reads with (glibc: a page). Requests
 * that would change something get EPERM. Groups may be joined, and hear nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "run/private.h"

enum { PIECE_BYTES = 3072, MESSAGE_MAX = 512, OPERSTATE_UP = 6, OPERSTATE_UNKNOWN = 0 };

/* Answers to one request, on their way into the pair. */
struct answer {
	struct run_sock *sock;
	struct nlmsghdr request;
	unsigned family;
	bool is_dump;
	bool is_any; /* something was answered */
	_Alignas(struct nlmsghdr) uint8_t bytes[PIECE_BYTES];
	size_t len, message_at;
};

/* ---- writing messages ---- */

static void send_piece(struct answer *answer)
{
	if (answer->len > 0)
		send(answer->sock->our_fd, answer->bytes, answer->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	answer->len = 0;
}

static void *put(struct answer *answer, const void *data, size_t len)
{
	void *at = answer->bytes + answer->len;

	memset(at, 0, NLMSG_ALIGN(len));
	memcpy(at, data, len);
	answer->len += NLMSG_ALIGN(len);
	return at;
}

static void begin_message(struct answer *answer, unsigned type, const void *body, size_t len)
{
	struct nlmsghdr header = {
		.nlmsg_type = (uint16_t)type,
		.nlmsg_flags = answer->is_dump ? NLM_F_MULTI : 0,
		.nlmsg_seq = answer->request.nlmsg_seq,
		.nlmsg_pid = answer->sock->netlink_pid,
	};

	if (answer->len + MESSAGE_MAX > sizeof(answer->bytes))
		send_piece(answer);
	answer->message_at = answer->len;
	answer->is_any = true;
	put(answer, &header, sizeof(header));
	put(answer, body, len);
}

static void put_attribute(struct answer *answer, unsigned type, const void *data, size_t len)
{
	struct rtattr attribute = {(uint16_t)RTA_LENGTH(len), (uint16_t)type};

	put(answer, &attribute, sizeof(attribute));
	put(answer, data, len);
}

static void put_u32(struct answer *answer, unsigned type, uint32_t value)
{
	put_attribute(answer, type, &value, sizeof(value));
}

static void put_ip(struct answer *answer, unsigned type, const struct tee_ip *ip)
{
	bool is4 = tee_ip_is4(ip);

	put_attribute(answer, type, ip->byte + (is4 ? 12 : 0), is4 ? 4 : 16);
}

static void end_message(struct answer *answer)
{
	uint32_t len = (uint32_t)(answer->len - answer->message_at);

	memcpy(answer->bytes + answer->message_at + offsetof(struct nlmsghdr, nlmsg_len), &len,
	       sizeof(len));
}

static void answer_error(struct answer *answer, int error)
{
	struct nlmsgerr body = {.error = error, .msg = answer->request};

	answer->is_dump = false;
	begin_message(answer, NLMSG_ERROR, &body, sizeof(body));
	end_message(answer);
}

static void answer_done(struct answer *answer)
{
	int zero = 0;

	/* In a datagram of its own, as the kernel has it. */
	send_piece(answer);
	begin_message(answer, NLMSG_DONE, &zero, sizeof(zero));
	end_message(answer);
}

/* ---- interfaces ---- */

static void answer_link(struct answer *answer, const struct run_nic *nic)
{
	static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	bool is_loopback = nic->flags & IFF_LOOPBACK;
	uint8_t state = is_loopback ? OPERSTATE_UNKNOWN : OPERSTATE_UP;
	struct ifinfomsg body = {
		.ifi_type = nic->hardware,
		.ifi_index = nic->index,
		.ifi_flags = nic->flags | (nic->flags & IFF_RUNNING ? 1U << 16 /* LOWER_UP */ : 0),
	};

	begin_message(answer, RTM_NEWLINK, &body, sizeof(body));
	put_attribute(answer, IFLA_IFNAME, nic->name, strlen(nic->name) + 1);
	put_u32(answer, IFLA_TXQLEN, 1000);
	put_attribute(answer, IFLA_OPERSTATE, &state, sizeof(state));
	put_u32(answer, IFLA_MTU, nic->mtu);
	put_u32(answer, IFLA_GROUP, 0);
	put_attribute(answer, IFLA_QDISC, "noqueue", sizeof("noqueue"));
	put_attribute(answer, IFLA_ADDRESS, nic->mac, sizeof(nic->mac));
	put_attribute(answer, IFLA_BROADCAST, is_loopback ? nic->mac : everybody,
		      sizeof(everybody));
	end_message(answer);
}

/* `text`: with a zero at its end or none, as who asks likes. */
static bool is_name(const uint8_t *text, size_t size, const char *name)
{
	size_t len = strlen(name);

	return strnlen((const char *)text, size) == len && memcmp(text, name, len) == 0;
}

/* The interface that a request for one names, by its number or by an attribute. */
static bool is_asked_for(const uint8_t *body, size_t len, const struct run_nic *nic)
{
	struct ifinfomsg asked;
	struct rtattr attribute;

	if (len < sizeof(asked))
		return false;
	memcpy(&asked, body, sizeof(asked));
	if (asked.ifi_index)
		return asked.ifi_index == nic->index;
	for (size_t at = NLMSG_ALIGN(sizeof(asked)); at + sizeof(attribute) <= len;
	     at += RTA_ALIGN(attribute.rta_len)) {
		memcpy(&attribute, body + at, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > len - at)
			return false;
		if (attribute.rta_type == IFLA_IFNAME)
			return is_name(body + at + sizeof(attribute),
				       attribute.rta_len - sizeof(attribute), nic->name);
	}
	return false;
}

static void answer_links(struct answer *answer, const uint8_t *body, size_t len)
{
	struct run_nic nic;

	for (unsigned i = 0; run_nic_get(answer->sock->run, i, &nic); i++)
		if (answer->is_dump || is_asked_for(body, len, &nic))
			answer_link(answer, &nic);
	if (!answer->is_any && !answer->is_dump)
		answer_error(answer, -ENODEV);
}

/* ---- addresses ---- */

static unsigned family_of(const struct tee_ip *ip)
{
	return tee_ip_is4(ip) ? AF_INET : AF_INET6;
}

static bool is_family_wanted(const struct answer *answer, const struct tee_ip *ip)
{
	return answer->family == AF_UNSPEC || answer->family == family_of(ip);
}

static unsigned scope_of(const struct run_nic *nic, const struct tee_ip *ip)
{
	if (nic->flags & IFF_LOOPBACK)
		return RT_SCOPE_HOST;
	return !tee_ip_is4(ip) && ip->byte[0] == 0xfe && (ip->byte[1] & 0xc0) == 0x80
		       ? RT_SCOPE_LINK
		       : RT_SCOPE_UNIVERSE;
}

static void answer_address(struct answer *answer, const struct run_nic *nic,
			   const struct tee_addr_info *addr)
{
	unsigned flags = addr->state == TEE_ADDR_DEPRECATED ? IFA_F_DEPRECATED : 0;
	bool is4 = tee_ip_is4(&addr->ip);
	struct ifaddrmsg body = {
		.ifa_family = (uint8_t)family_of(&addr->ip),
		.ifa_prefixlen = (uint8_t)addr->prefix_bits,
		.ifa_scope = (uint8_t)scope_of(nic, &addr->ip),
		.ifa_index = (uint32_t)nic->index,
	};
	struct ifa_cacheinfo forever = {UINT32_MAX, UINT32_MAX, 0, 0};

	if (addr->origin == TEE_ADDR_STATIC || addr->origin == TEE_ADDR_LINK_LOCAL)
		flags |= IFA_F_PERMANENT;
	body.ifa_flags = (uint8_t)flags;
	begin_message(answer, RTM_NEWADDR, &body, sizeof(body));
	put_ip(answer, IFA_ADDRESS, &addr->ip);
	if (is4) {
		put_ip(answer, IFA_LOCAL, &addr->ip);
		if (nic->flags & IFF_BROADCAST)
			put_u32(answer, IFA_BROADCAST,
				htonl(run_nic_ip4(&addr->ip) |
				      (addr->prefix_bits ? ~(UINT32_MAX << (32 - addr->prefix_bits))
							 : UINT32_MAX)));
		put_attribute(answer, IFA_LABEL, nic->name, strlen(nic->name) + 1);
	}
	put_u32(answer, IFA_FLAGS, flags);
	put_attribute(answer, IFA_CACHEINFO, &forever, sizeof(forever));
	end_message(answer);
}

static void answer_addresses(struct answer *answer)
{
	struct run_nic nic;

	for (unsigned i = 0; run_nic_get(answer->sock->run, i, &nic); i++)
		for (unsigned j = 0; j < nic.addr_count; j++)
			if (is_family_wanted(answer, &nic.addrs[j].ip))
				answer_address(answer, &nic, &nic.addrs[j]);
}

/* ---- routes ---- */

static void answer_route(struct answer *answer, const struct run_nic *nic,
			 const struct tee_addr_info *from, const struct tee_ip *to, unsigned bits,
			 const struct tee_ip *gateway)
{
	struct rtmsg body = {
		.rtm_family = (uint8_t)family_of(to),
		.rtm_dst_len = (uint8_t)bits,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = gateway ? RTPROT_STATIC : RTPROT_KERNEL,
		.rtm_scope = gateway || !tee_ip_is4(to) ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};

	begin_message(answer, RTM_NEWROUTE, &body, sizeof(body));
	put_u32(answer, RTA_TABLE, RT_TABLE_MAIN);
	if (bits)
		put_ip(answer, RTA_DST, to);
	if (gateway)
		put_ip(answer, RTA_GATEWAY, gateway);
	else if (from)
		put_ip(answer, RTA_PREFSRC, &from->ip);
	put_u32(answer, RTA_OIF, (uint32_t)nic->index);
	end_message(answer);
}

static void answer_default_routes(struct answer *answer, const struct run_nic *nic)
{
	struct tee_net_info net;

	tee_net_info(tee_host_stack(answer->sock->run->host), nic->index, &net);
	if (net.has_router4 && is_family_wanted(answer, &net.router4)) {
		struct tee_ip any4 = net.router4;

		memset(any4.byte + 12, 0, 4);
		answer_route(answer, nic, NULL, &any4, 0, &net.router4);
	}
	if (net.has_router6 && is_family_wanted(answer, &net.router6)) {
		static const struct tee_ip any6;

		answer_route(answer, nic, NULL, &any6, 0, &net.router6);
	}
}

static struct tee_ip prefix_of(const struct tee_addr_info *addr)
{
	unsigned bits = addr->prefix_bits + (tee_ip_is4(&addr->ip) ? 96 : 0);
	struct tee_ip prefix = addr->ip;

	for (unsigned i = bits; i < 128; i++)
		prefix.byte[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return prefix;
}

static void answer_routes(struct answer *answer)
{
	struct run_nic nic;

	for (unsigned i = 0; run_nic_get(answer->sock->run, i, &nic); i++) {
		if (nic.flags & IFF_LOOPBACK)
			continue;
		answer_default_routes(answer, &nic);
		for (unsigned j = 0; j < nic.addr_count; j++) {
			struct tee_ip prefix = prefix_of(&nic.addrs[j]);

			if (is_family_wanted(answer, &prefix))
				answer_route(answer, &nic, &nic.addrs[j], &prefix,
					     nic.addrs[j].prefix_bits, NULL);
		}
	}
}

/* ---- requests ---- */

static void answer_request(struct answer *answer, const uint8_t *body, size_t len)
{
	unsigned type = answer->request.nlmsg_type;

	answer->family = len > 0 ? body[0] : AF_UNSPEC;
	answer->is_dump = (answer->request.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	if (type < RTM_BASE || !(answer->request.nlmsg_flags & NLM_F_REQUEST))
		return; /* what asks for nothing */
	/* Of each kind there are new, delete, get and set. */
	if ((type - RTM_BASE) % 4 != 2) {
		answer_error(answer, -EPERM);
		return;
	}
	if (type == RTM_GETLINK)
		answer_links(answer, body, len);
	else if (!answer->is_dump)
		answer_error(answer, -EOPNOTSUPP);
	else if (type == RTM_GETADDR)
		answer_addresses(answer);
	else if (type == RTM_GETROUTE)
		answer_routes(answer);
	if (answer->is_dump)
		answer_done(answer);
}

void run_netlink_input(struct run_sock *sock, const uint8_t *data, size_t len)
{
	struct answer answer = {.sock = sock};

	while (len >= sizeof(answer.request)) {
		size_t size;

		memcpy(&answer.request, data, sizeof(answer.request));
		size = answer.request.nlmsg_len;
		if (size < sizeof(answer.request) || size > len)
			break;
		answer.is_any = false;
		answer_request(&answer, data + NLMSG_HDRLEN, size - NLMSG_HDRLEN);
		send_piece(&answer);
		size = NLMSG_ALIGN(size) < len ? NLMSG_ALIGN(size) : len;
		data += size;
		len -= size;
	}
	run_wake_held(sock->run, sock);
}

int64_t run_netlink_bind(const struct run_call *call, struct run_sock *sock)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct sockaddr_nl name = {0};

	if (args[2] < sizeof(name))
		return -EINVAL;
	if (run_read(call, args[1], &name, sizeof(name)) < 0)
		return -EFAULT;
	if (name.nl_family != AF_NETLINK)
		return -EINVAL;
	if (name.nl_pid)
		sock->netlink_pid = name.nl_pid;
	return 0;
}

uint32_t run_netlink_name(uint32_t pid, void *ret_name)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = pid};

	memcpy(ret_name, &name, sizeof(name));
	return sizeof(name);
}
