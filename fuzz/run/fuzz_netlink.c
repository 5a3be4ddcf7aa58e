// SPDX-License-Identifier: MIT
/*
 * What a program may write into a netlink socket: any bytes, read as requests. The answers are read as a program
 * reads them: messages and attributes tile what is sent; who asks gets an answer with its number, in order: one
 * message to a request for one thing, and to one for all of a kind a list with an end; who asks for nothing gets none.
 *
 * The host has three interfaces, and one of them addresses enough for several pieces.
 */
#include <sys/types.h>
#include <sys/socket.h>

static ssize_t take_piece(int fd, const void *data, size_t len, int flags);

#define send take_piece
#include "run/netlink.c"
#undef send

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PROGRAM_PID = 4711, ANSWERS_MAX = 1 << 16, NIC_COUNT = 3, ADDR_COUNT = 60 };

static struct {
	uint32_t seq;
	uint16_t type;
	bool is_part;
} answers[ANSWERS_MAX];
static size_t answer_count;
static bool was_woken;

static void need(bool is_so)
{
	if (!is_so)
		abort();
}

/* ---- the supervisor around it ---- */

bool run_nic_get(struct run *run, unsigned index, struct run_nic *ret_nic)
{
	(void)run;
	if (index >= NIC_COUNT)
		return false;
	*ret_nic = (struct run_nic){.index = (int)index + 1, .mtu = 1500};
	strcpy(ret_nic->name, index == 0 ? "lo" : "tee0");
	if (index == 0) {
		ret_nic->flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
	} else {
		ret_nic->flags = IFF_BROADCAST;
		ret_nic->name[3] += (char)index - 1;
		ret_nic->addr_count = index == 1 ? ADDR_COUNT : 0;
	}
	for (unsigned i = 0; i < ret_nic->addr_count; i++) {
		struct tee_addr_info *addr = &ret_nic->addrs[i];

		addr->ip = TEE_IP4(10, 0, 0, (uint8_t)i);
		addr->prefix_bits = i % 33;
		addr->state = i % 5 ? TEE_ADDR_PREFERRED : TEE_ADDR_DEPRECATED;
		addr->origin = (enum tee_addr_origin)(i % 4);
		if (i % 2) {
			addr->ip.byte[0] = 0xfe;
			addr->ip.byte[1] = 0x80;
			addr->prefix_bits = i * 2;
		}
	}
	return true;
}

uint32_t run_nic_ip4(const struct tee_ip *ip)
{
	return (uint32_t)ip->byte[12] << 24 | ip->byte[15];
}

struct tee_stack *tee_host_stack(struct tee_host *host)
{
	(void)host;
	return NULL;
}

void tee_net_info(struct tee_stack *stack, int netif, struct tee_net_info *ret_info)
{
	(void)stack;
	*ret_info = (struct tee_net_info){.has_router4 = true, .has_router6 = netif == 2};
	ret_info->router4 = TEE_IP4(10, 0, 0, 254);
	ret_info->router6.byte[0] = 0xfe;
}

void run_wake_held(struct run *run, struct run_sock *sock)
{
	(void)run;
	(void)sock;
	was_woken = true;
}

int run_read(const struct run_call *call, uint64_t at, void *buf, size_t len)
{
	(void)call;
	(void)at;
	(void)buf;
	(void)len;
	abort(); /* only names are read from the program's memory */
}

/* ---- the program that reads ---- */

static size_t body_bytes(unsigned type)
{
	switch (type) {
	case RTM_NEWLINK: return sizeof(struct ifinfomsg);
	case RTM_NEWADDR: return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE: return sizeof(struct rtmsg);
	case NLMSG_ERROR: return sizeof(struct nlmsgerr);
	case NLMSG_DONE: return sizeof(int);
	default: abort();
	}
}

static void read_attributes(const uint8_t *data, size_t len)
{
	struct rtattr attribute;

	while (len > 0) {
		need(len >= sizeof(attribute));
		memcpy(&attribute, data, sizeof(attribute));
		need(attribute.rta_len >= sizeof(attribute) && RTA_ALIGN(attribute.rta_len) <= len);
		if (attribute.rta_type == IFLA_IFNAME || attribute.rta_type == IFA_LABEL)
			need(data[attribute.rta_len - 1] == 0);
		data += RTA_ALIGN(attribute.rta_len);
		len -= RTA_ALIGN(attribute.rta_len);
	}
}

static ssize_t take_piece(int fd, const void *data, size_t len, int flags)
{
	const uint8_t *at = data;
	struct nlmsghdr header;

	need(fd == 7 && flags & MSG_DONTWAIT && len > 0 && len <= PIECE_BYTES);
	for (size_t left = len; left > 0; left -= header.nlmsg_len) {
		size_t body;

		need(left >= sizeof(header));
		memcpy(&header, at, sizeof(header));
		body = NLMSG_HDRLEN + NLMSG_ALIGN(body_bytes(header.nlmsg_type));
		need(header.nlmsg_len % NLMSG_ALIGNTO == 0);
		need(header.nlmsg_len >= body && header.nlmsg_len <= left);
		need(header.nlmsg_pid == PROGRAM_PID);
		read_attributes(at + body, header.nlmsg_len - body);
		need(answer_count < ANSWERS_MAX);
		answers[answer_count].seq = header.nlmsg_seq;
		answers[answer_count].type = header.nlmsg_type;
		answers[answer_count++].is_part = header.nlmsg_flags & NLM_F_MULTI;
		at += header.nlmsg_len;
	}
	return (ssize_t)len;
}

/* What answers one request, from the answer at `at` on; returns where it ends. */
static size_t read_answer(const struct nlmsghdr *request, size_t at)
{
	bool is_changing = request->nlmsg_type % 4 != RTM_GETLINK % 4;
	bool is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && !is_changing;

	if (request->nlmsg_type < RTM_BASE || !(request->nlmsg_flags & NLM_F_REQUEST))
		return at;
	if (!is_dump) {
		need(at < answer_count && answers[at].seq == request->nlmsg_seq);
		need(!answers[at].is_part && answers[at].type != NLMSG_DONE);
		need(!is_changing || answers[at].type == NLMSG_ERROR);
		return at + 1;
	}
	for (;; at++) {
		need(at < answer_count && answers[at].seq == request->nlmsg_seq);
		need(answers[at].is_part && answers[at].type != NLMSG_ERROR);
		if (answers[at].type == NLMSG_DONE)
			return at + 1;
		need(answers[at].type + 2 == request->nlmsg_type);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {0};
	struct run_sock sock = {.run = &run, .our_fd = 7, .netlink_pid = PROGRAM_PID};
	size_t at = 0, aligned;
	struct nlmsghdr request;

	if (size > 8192) /* a program's every request may be answered a thousandfold */
		size = 8192;
	answer_count = 0;
	was_woken = false;
	run_netlink_input(&sock, data, size);
	for (; size >= sizeof(request); data += aligned, size -= aligned) {
		memcpy(&request, data, sizeof(request));
		if (request.nlmsg_len < sizeof(request) || request.nlmsg_len > size)
			break;
		at = read_answer(&request, at);
		aligned = NLMSG_ALIGN(request.nlmsg_len);
		aligned = aligned < size ? aligned : size;
	}
	need(at == answer_count && was_woken);
	return 0;
}
