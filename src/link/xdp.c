/* SPDX-License-Identifier: MIT */
/*
 * AF_XDP: a real interface, whose frames come to us before the kernel's stack sees them. Two ways to live
 * beside it:
 *
 * An address of our own (`xdp:eth0`), on a MAC of our own near the interface's: the program takes
 * what is sent to that MAC. Group addresses must reach the kernel as well, and a frame goes one way
 * only; so a packet link stands beside (packet.c) and hears broadcast and multicast: ARP, neighbour
 * discovery, DHCP. It also catches what comes in by a queue that has no socket of ours.
 *
 * The host's address (`xdp:eth0,share=host`): the program takes only the ports that are ours, and
 * the kernel neither sees those segments nor resets them. All else stays with the kernel: it answers ARP,
 * neighbour discovery and ping, and keeps the lease. We take over its address, prefix, gateway and
 * name servers (host_facts.c). Link addresses are found by our own questions; the answers pass to the
 * kernel, and the packet link beside shows them to us: ARP replies and neighbour advertisements,
 * nothing else, so that we never answer for an address that is not ours alone. Our ports are
 * kept from the kernel's hands (port_keeper.c): a range to connect from, and single ones that
 * xdp_claim_port() is told when somebody listens.
 *
 * Every receive queue of the interface has a socket (xdp_queue.c), or only `queue=N`. With `queues=N` N links
 * opened by this process divide them, with a stack behind each and one address for all (xdp_group.c, steer.c).
 *
 * Sending goes by the first of them in zero-copy mode. Where the kernel copies anyway, the packet link
 * sends instead (`send=` says otherwise): AF_XDP has no segmentation offload, and there the kernel makes a
 * buffer of each frame as it does of a super-frame.
 *
 * One timer: what the kernel did not take to send is offered again after a moment.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/filter.h>
#include <unistd.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/counter_table.h"
#include "link/host_facts.h"
#include "link/spec.h"
#include "link/steer.h"
#include "link/xdp_group.h"
#include "link/xdp_queue.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"

enum {
	XDP_QUEUES_MAX = TEE_LINK_POLL_MAX - 2,
	XDP_RING_DEFAULT = 2048,
};
#define XDP_RETRY_NS (50 * TEE_NS_PER_US)
#define XDP_LOOK_NS  (20 * TEE_NS_PER_MS)

struct xdp_link {
	struct tee_link link;
	struct tee_link *beside; /* a packet link: groups, or the answers of neighbours */
	bool has_news_beside;
	bool shares;             /* the host's address */
	bool sends_beside;       /* by the packet link, with its offloads */
	bool is_down;            /* the interface is: what is sent counts as lost */
	bool told_merging;       /* notice() has warned */
	struct xdp_group *group; /* the program and the ports, with `queues=N` of N links */
	unsigned idx;            /* in the group */
	uint32_t sharers;        /* of the interface's queues, this one included */
	struct xdp_queue *queues;
	unsigned queue_count, turn;
	uint64_t retry_at_ns;
	char name[IFNAMSIZ];
	char warning[TEE_LINK_ERROR_SIZE];
	uint64_t rx_beside, tx_down;
};

/* ---- receiving ---- */

/* Is it an answer to a question of ours for a link address, on an address that we share? */
static bool is_neighbour_answer(const struct xdp_link *self, const struct tee_pkt *pkt)
{
	const uint8_t *bytes = tee_pkt_bytes(pkt);
	struct arp arp;

	if (pkt->len < ETHERNET_HEADER_LEN + ARP_LEN)
		return false;
	if (load_be16(bytes + 12) == ETHERTYPE_ARP) {
		if (arp_parse(bytes + ETHERNET_HEADER_LEN, pkt->len - ETHERNET_HEADER_LEN, &arp) <
			    0 ||
		    arp.op != ARP_REPLY)
			return false;
		/* Who claims the address is the kernel's business. */
		return !xdp_group_has_address(self->group, &arp.sender_ip);
	}
	return load_be16(bytes + 12) == ETHERTYPE_IP6 &&
	       pkt->len >= ETHERNET_HEADER_LEN + IP6_HEADER_LEN + ICMP_HEADER_LEN &&
	       bytes[ETHERNET_HEADER_LEN + 6] == IP_PROTO_ICMP6 &&
	       bytes[ETHERNET_HEADER_LEN + IP6_HEADER_LEN] == ICMP6_NEIGHBOUR_ADVERT;
}

/* What the packet link heard. How many, or -TEE_ENODEV. */
static int recv_beside(struct xdp_link *self, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		       unsigned n, uint64_t now_ns)
{
	int got = self->beside->ops->recv(self->beside, pool, ret_pkts, n, now_ns), count = 0;

	if (got < 0)
		return got;
	if ((unsigned)got < n)
		self->has_news_beside = false;
	for (int i = 0; i < got; i++) {
		if (self->shares && !is_neighbour_answer(self, ret_pkts[i]))
			tee_pkt_release(ret_pkts[i]);
		else
			ret_pkts[count++] = ret_pkts[i];
	}
	self->rx_beside += (unsigned)count;
	return count;
}

static void kick(struct xdp_link *self, uint64_t now_ns)
{
	struct xdp_queue *queue = &self->queues[0];

	self->is_down = !xdp_queue_kick(queue);
	if (self->is_down)
		self->retry_at_ns = now_ns + XDP_LOOK_NS;
	else
		self->retry_at_ns = queue->is_waiting ? now_ns + XDP_RETRY_NS : TEE_NEVER;
}

static int xdp_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		    unsigned n, uint64_t now_ns)
{
	struct xdp_link *self = (struct xdp_link *)link;
	unsigned count = 0;

	if (now_ns >= self->retry_at_ns)
		kick(self, now_ns);
	/* Each queue is the first in its turn, so that a busy one can't starve the others. */
	self->turn++;
	for (unsigned i = 0; i < self->queue_count && count < n; i++) {
		unsigned idx = (self->turn + i) % self->queue_count;

		count += xdp_queue_recv(&self->queues[idx], pool, ret_pkts + count, n - count);
	}
	if (count < n &&
	    (self->has_news_beside || self->beside->ops->deadline(self->beside) <= now_ns)) {
		int got = recv_beside(self, pool, ret_pkts + count, n - count, now_ns);

		if (got < 0 && count == 0)
			return got;
		count += got > 0 ? (unsigned)got : 0;
	}
	for (unsigned i = 0; i < count; i++)
		ret_pkts[i]->at_ns = now_ns;
	return (int)count;
}

/* ---- sending, waiting ---- */

static int xdp_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct xdp_link *self = (struct xdp_link *)link;
	unsigned count;

	if (self->sends_beside)
		return self->beside->ops->send(self->beside, frames, n, now_ns);
	if (self->is_down) {
		self->tx_down += n;
		return (int)n;
	}
	count = xdp_queue_send(&self->queues[0], frames, n);
	kick(self, now_ns);
	if (count < n && self->retry_at_ns == TEE_NEVER)
		self->retry_at_ns = now_ns + XDP_RETRY_NS;
	return (int)count;
}

static int xdp_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct xdp_link *self = (struct xdp_link *)link;
	unsigned count = 0;
	int more;

	for (; count < self->queue_count && count < n; count++)
		fds[count] = (struct tee_link_poll){.fd = self->queues[count].fd, .events = POLLIN};
	more = self->beside->ops->poll_fds(self->beside, fds + count, n - count);
	return (int)count + MAX(more, 0);
}

static void xdp_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			  uint64_t now_ns)
{
	struct xdp_link *self = (struct xdp_link *)link;

	(void)now_ns;
	for (unsigned i = self->queue_count; i < n; i++)
		self->has_news_beside |= fds[i].revents != 0;
}

static uint64_t xdp_deadline(struct tee_link *link)
{
	struct xdp_link *self = (struct xdp_link *)link;

	return MIN(self->retry_at_ns, self->beside->ops->deadline(self->beside));
}

/* ---- what is ours ---- */

static int xdp_set_addresses(struct tee_link *link, const struct tee_ip *ips, unsigned n)
{
	struct xdp_link *self = (struct xdp_link *)link;

	if (!self->shares)
		return self->idx > 0 ? 0 : self->beside->ops->set_addresses(self->beside, ips, n);
	for (unsigned i = 0; i < n; i++)
		if (!host_facts_has_address(self->name, &ips[i]))
			return -TEE_EADDRNOTAVAIL;
	return xdp_group_set_addresses(self->group, self->idx, ips, n);
}

static int xdp_claim_port(struct tee_link *link, uint8_t protocol, uint16_t port)
{
	struct xdp_link *self = (struct xdp_link *)link;
	enum xdp_port_set set = protocol == IP_PROTO_TCP   ? XDP_PORTS_TCP
				: protocol == IP_PROTO_UDP ? XDP_PORTS_UDP
							   : XDP_PORTS_ICMP;

	return self->shares ? xdp_group_claim_port(self->group, set, port) : 0;
}

/* ---- telling ---- */

static bool xdp_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			uint64_t *ret_value)
{
	struct xdp_link *self = (struct xdp_link *)link;
	uint64_t rx_frames = 0, tx_frames = 0, rx_no_memory = 0, rx_too_long = 0, tx_refused = 0,
		 rx_full = 0, rx_joined = 0, rx_partial = 0;

	for (unsigned i = 0; i < self->queue_count; i++) {
		const struct xdp_queue *queue = &self->queues[i];
		uint64_t rx, tx;

		xdp_queue_drops(queue, &rx, &tx);
		rx_full += rx;
		tx_refused += tx + queue->tx_refused;
		rx_frames += queue->rx_frames;
		tx_frames += queue->tx_frames;
		rx_no_memory += queue->rx_no_memory;
		rx_too_long += queue->rx_too_long;
		rx_partial += queue->rx_partial;
		rx_joined += queue->gro.joined;
	}
	{
		const struct link_counter counters[] = {
			{"xdp.queues", self->queue_count},
			{"xdp.native", self->group->steer.is_native},
			{"xdp.zero_copy", self->queues[0].is_zerocopy},
			{"xdp.multi_buffer", self->queues[0].has_multi},
			{"xdp.rx_frames", rx_frames},
			{"xdp.tx_frames", tx_frames},
			{"xdp.rx_beside", self->rx_beside},
			{"xdp.rx_joined", rx_joined},
			{"xdp.rx_partial_checksum", rx_partial},
			{"xdp.rx_ring_full", rx_full},
			{"xdp.rx_no_memory", rx_no_memory},
			{"xdp.rx_too_long", rx_too_long},
			{"xdp.tx_interface_down", self->tx_down},
			{"xdp.tx_refused", tx_refused},
		};

		return link_counter_tell(counters, ARRAY_LEN(counters), self->beside, idx, ret_name,
					 ret_value);
	}
}

static const char *xdp_notice(struct tee_link *link)
{
	struct xdp_link *self = (struct xdp_link *)link;

	if (self->told_merging || self->group->steer.is_native || self->queues[0].has_multi)
		return NULL;
	self->told_merging = true;
	snprintf(self->warning, sizeof(self->warning),
		 "this kernel's AF_XDP can't carry frames that it merged on receipt: 'ethtool -K "
		 "%s gro off', or they are lost",
		 self->name);
	return self->warning;
}

static void xdp_close(struct tee_link *link)
{
	struct xdp_link *self = (struct xdp_link *)link;

	/* First the program, that the kernel gets its frames again. */
	xdp_group_leave(self->group, self->idx);
	for (unsigned i = 0; i < self->queue_count; i++)
		xdp_queue_close(&self->queues[i]);
	tee_link_close(self->beside);
	free(self->queues);
	free(self);
}

static const struct tee_link_ops xdp_ops = {
	.recv = xdp_recv,
	.send = xdp_send,
	.poll_fds = xdp_poll_fds,
	.poll_done = xdp_poll_done,
	.deadline = xdp_deadline,
	.set_addresses = xdp_set_addresses,
	.claim_port = xdp_claim_port,
	.counter = xdp_counter,
	.close = xdp_close,
	.notice = xdp_notice,
};

/* ---- opening ---- */

/* The packet link, which also finds whatever is wrong with the interface. */
static int open_beside(struct xdp_link *self, const struct tee_mac *mac,
		       char ret_error[TEE_LINK_ERROR_SIZE])
{
	char text[LINK_SPEC_SIZE];

	snprintf(text, sizeof(text), "packet:%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", self->name,
		 mac->byte[0], mac->byte[1], mac->byte[2], mac->byte[3], mac->byte[4],
		 mac->byte[5]);
	return tee_link_open(text, &self->beside, ret_error);
}

/*
 * Of several links on one interface the first alone hears what comes beside, and steer.c tells the others what
 * concerns them. Theirs only send: their sockets let nothing in.
 */
static int deafen_beside(struct xdp_link *self, char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct sock_filter nothing = {.code = BPF_RET | BPF_K};
	const struct sock_fprog program = {1, &nothing};
	struct tee_link_poll polled;

	if (self->idx == 0)
		return 0;
	if (self->beside->ops->poll_fds(self->beside, &polled, 1) == 1 &&
	    setsockopt(polled.fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
		return 0;
	return link_fail(ret_error, link_result_of_errno(errno), "packet socket on %s: %s",
			 self->name, strerror(errno));
}

/* Takes over the host's address and some of its ports. */
static int share(struct xdp_link *self, const struct link_spec *spec,
		 char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;

	if (!host_facts_fill(self->name, info))
		return link_fail(
			ret_error, -TEE_EADDRNOTAVAIL,
			"the host has no address on %s to share: give it one, or leave out "
			"share=host",
			self->name);
	info->shares_address = true;
	return xdp_group_take_range(self->group, self->idx, link_spec_get(spec, "ports"),
				    &info->port_min, &info->port_max, ret_error);
}

/* With which MAC we are on the wire. */
static int open_mac(struct xdp_link *self, const struct link_spec *spec,
		    const struct netdev *netdev, char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;
	int result;

	info->mac = self->shares ? netdev->mac : netdev_derive_mac(&netdev->mac);
	info->shares_mac = self->shares;
	result = link_spec_mac(spec, &info->mac, ret_error);
	if (result > 0 && self->shares)
		return link_fail(
			ret_error, -TEE_EINVAL,
			"link 'xdp': with share=host the MAC is the interface's: leave out "
			"mac=");
	if (result > 0 && mac_equal(&info->mac, &netdev->mac))
		return link_fail(ret_error, -TEE_EINVAL,
				 "link 'xdp': that MAC is %s's own: give another one, or share the "
				 "host's address with share=host, or use packet:%s",
				 self->name, self->name);
	return result;
}

static int open_info(struct xdp_link *self, const struct link_spec *spec,
		     const struct netdev *netdev, char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;
	int result;

	info->kind = TEE_NETIF_ETHERNET;
	snprintf(info->name, sizeof(info->name), "xdp:%.15s", self->name);
	info->mtu = netdev->mtu;
	result = link_spec_u32(spec, "mtu", 68, netdev->mtu, &info->mtu, ret_error);
	if (result < 0)
		return result;
	if (self->shares)
		return share(self, spec, ret_error);
	if (link_spec_get(spec, "ports"))
		return link_fail(ret_error, -TEE_EINVAL,
				 "link 'xdp': ports= is for share=host; an address of our own has "
				 "them all");
	info->wants_dhcp = true;
	info->acd_second_ns = 200 * TEE_NS_PER_MS; /* as packet.c has it */
	return 0;
}

/* Entries of each ring: fewer where there are many queues, for all that memory stays locked. */
static uint32_t default_ring(unsigned queue_count)
{
	uint32_t ring = XDP_RING_DEFAULT;

	for (unsigned n = queue_count; n > 1 && ring > 256; n /= 2)
		ring /= 2;
	return ring;
}

static int open_queues(struct xdp_link *self, const struct link_spec *spec,
		       const struct netdev *netdev, enum xdp_mode mode,
		       char ret_error[TEE_LINK_ERROR_SIZE])
{
	bool chosen = link_spec_get(spec, "queue") != NULL;
	unsigned total = netdev_rx_queues(self->name), step = self->sharers;
	unsigned count = chosen ? 1 : (total + step - 1 - self->idx) / step;
	uint32_t first = self->idx, ring = default_ring(chosen ? 1 : total);
	int result;

	if (total < self->sharers)
		return link_fail(ret_error, -TEE_EINVAL,
				 "link 'xdp': %s has %u receive queue%s, too few for queues=%u: "
				 "'ethtool -L' makes more",
				 self->name, total, total == 1 ? "" : "s", self->sharers);
	if ((result = link_spec_u32(spec, "queue", 0, total - 1, &first, ret_error)) < 0 ||
	    (result = link_spec_u32(spec, "ring", XDP_RING_MIN, XDP_RING_MAX, &ring, ret_error)) <
		    0)
		return result;
	if (ring & (ring - 1))
		return link_fail(ret_error, -TEE_EINVAL,
				 "link 'xdp': ring=%u must be a power of two", ring);
	if (count > XDP_QUEUES_MAX)
		return link_fail(ret_error, -TEE_EOPNOTSUPP,
				 "%s has %u receive queues, of which %d at most can have a socket: "
				 "'ethtool -L %s combined %d', or choose one with queue=N",
				 self->name, count, XDP_QUEUES_MAX, self->name, XDP_QUEUES_MAX);
	/*
	 * Where there is no card, super-frames arrive, which the driver would have to cut for a program of its
	 * own; before the stack they come as they are.
	 */
	if (mode == XDP_MODE_AUTO && netdev_is_of_kernel(self->name) && xdp_queue_knows_multi())
		mode = XDP_MODE_GENERIC;
	result = xdp_group_attach(self->group, netdev, total, mode,
				  self->shares ? NULL : &self->link.info.mac, ret_error);
	if (result < 0)
		return result;
	self->queues = calloc(count, sizeof(*self->queues));
	if (!self->queues)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the xdp link");
	for (unsigned i = 0; i < count; i++) {
		struct xdp_queue_config config = {
			.name = self->name,
			.queue = first + i * step,
			.ring = ring,
			.mtu = netdev->mtu,
			.mode = mode,
			.is_native = self->group->steer.is_native,
			.has_frags = self->group->steer.has_frags,
			.is_in_memory = netdev_is_in_memory(self->name),
		};

		self->queue_count++;
		result = xdp_queue_open(&self->queues[i], &config, ret_error);
		if (result < 0)
			return result;
		result =
			xdp_steer_add_socket(&self->group->steer, config.queue, self->queues[i].fd);
		if (result < 0)
			return link_fail(ret_error, result, "queue %u of %s: %s", config.queue,
					 self->name, tee_strerror(result));
	}
	return 0;
}

/* The range on the shared address is ours from the first frame on. */
static int steer_range(struct xdp_link *self, char ret_error[TEE_LINK_ERROR_SIZE])
{
	const struct tee_link_info *info = &self->link.info;
	struct tee_ip ips[2];
	unsigned count = 0;
	int result;

	if (!self->shares)
		return 0;
	if (info->has_ip4)
		ips[count++] = info->ip4;
	if (info->has_ip6)
		ips[count++] = info->ip6;
	result = xdp_group_set_addresses(self->group, self->idx, ips, count);
	if (result < 0)
		return link_fail(ret_error, result, "can't steer the address of %s: %s", self->name,
				 tee_strerror(result));
	xdp_group_steer_range(self->group);
	return 0;
}

enum xdp_send { XDP_SEND_AUTO, XDP_SEND_XDP, XDP_SEND_PACKET };

static void choose_way_out(struct xdp_link *self, enum xdp_send send)
{
	self->sends_beside = send == XDP_SEND_PACKET ||
			     (send == XDP_SEND_AUTO && !self->queues[0].is_zerocopy);
	if (self->sends_beside) {
		self->link.info.offloads = self->beside->info.offloads;
		self->link.info.gso_bytes_max = self->beside->info.gso_bytes_max;
	}
}

static int join_group(struct xdp_link *self, const struct link_spec *spec,
		      char ret_error[TEE_LINK_ERROR_SIZE])
{
	int result;

	self->sharers = 1;
	result = link_spec_u32(spec, "queues", 1, STEER_QUEUES_MAX, &self->sharers, ret_error);
	if (result < 0)
		return result;
	if (link_spec_get(spec, "queue") && self->sharers > 1)
		return link_fail(
			ret_error, -TEE_EINVAL,
			"link 'xdp': queue= is one queue, queues=%u divides all: leave one "
			"of them out",
			self->sharers);
	result = xdp_group_join(self->name, self->sharers, &self->group, &self->idx);
	if (result < 0)
		return link_fail(ret_error, result, "xdp:%s: %s", self->name,
				 result == -TEE_ENOMEM ? "no memory"
						       : "all its queues are open, or not as many");
	return 0;
}

static int xdp_open_parts(struct xdp_link *self, const struct link_spec *spec,
			  char ret_error[TEE_LINK_ERROR_SIZE])
{
	static const char *const modes[] = {"auto", "zerocopy", "native", "generic", NULL};
	static const char *const shares[] = {"none", "host", NULL};
	static const char *const ways[] = {"auto", "xdp", "packet", NULL};
	unsigned mode = XDP_MODE_AUTO, shared = 0, send = XDP_SEND_AUTO;
	struct netdev netdev;
	int result;

	if ((result = link_spec_word(spec, "mode", modes, &mode, ret_error)) < 0 ||
	    (result = link_spec_word(spec, "share", shares, &shared, ret_error)) < 0 ||
	    (result = link_spec_word(spec, "send", ways, &send, ret_error)) < 0 ||
	    (result = join_group(self, spec, ret_error)) < 0)
		return result;
	self->shares = shared > 0;
	result = netdev_get(self->name, &netdev);
	/* What is wrong with it the packet link tells better. */
	if (result < 0)
		return open_beside(self, &(const struct tee_mac){{2}}, ret_error) < 0 ? result
										      : -TEE_ENODEV;
	if ((result = open_mac(self, spec, &netdev, ret_error)) < 0 ||
	    (result = open_beside(self, &self->link.info.mac, ret_error)) < 0 ||
	    (result = deafen_beside(self, ret_error)) < 0 ||
	    (result = open_info(self, spec, &netdev, ret_error)) < 0)
		return result;
	result = open_queues(self, spec, &netdev, (enum xdp_mode)mode, ret_error);
	if (result < 0)
		return result;
	choose_way_out(self, (enum xdp_send)send);
	snprintf(self->link.info.how, sizeof(self->link.info.how), "%s, %s, %u queue%s, %s%s",
		 self->group->steer.is_native ? "native" : "generic",
		 self->queues[0].is_zerocopy ? "zero-copy" : "copying", self->queue_count,
		 self->queue_count == 1 ? "" : "s",
		 self->queues[0].has_multi ? "frames of any size" : "frames of one page",
		 self->sends_beside ? ", sent as packet:" : "");
	return steer_range(self, ret_error);
}

static int xdp_open(const struct link_spec *spec, struct tee_link **ret_link,
		    char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct xdp_link *self;
	int result;

	if (!*spec->name || strlen(spec->name) >= IFNAMSIZ)
		return link_fail(ret_error, -TEE_EINVAL,
				 "xdp: name the interface, such as xdp:eth0");
	self = calloc(1, sizeof(*self));
	if (!self)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the xdp link");
	self->link.ops = &xdp_ops;
	self->retry_at_ns = TEE_NEVER;
	snprintf(self->name, sizeof(self->name), "%s", spec->name);
	result = xdp_open_parts(self, spec, ret_error);
	*ret_link = &self->link;
	if (result == 0 && self->sharers > 1) {
		result = steer_open(&self->link, self->sharers, NULL, ret_link);
		if (result < 0)
			link_fail(ret_error, result, "%s: %s", self->link.info.name,
				  tee_strerror(result));
	}
	if (result < 0)
		xdp_close(&self->link);
	return result;
}

static int xdp_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), result;

	if (fd < 0 && errno == EAFNOSUPPORT)
		return link_fail(ret_reason, -TEE_EOPNOTSUPP,
				 "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use packet:");
	if (fd >= 0)
		close(fd);
	result = xdp_steer_probe(ret_reason);
	/* And an Ethernet that is up, as packet needs it. */
	return result < 0 ? result : tee_link_probe("packet", ret_reason);
}

const struct link_kind link_kind_xdp = {
	.about = {.name = "xdp",
		  .syntax = "xdp:INTERFACE[,share=host,ports=FIRST-LAST,mode=MODE,send=WAY,queue=N,"
			    "queues=N,ring=N,mac=MAC,mtu=N]",
		  .summary = LINK_XDP_SUMMARY},
	.keys = LINK_XDP_KEYS,
	.takes_name = true,
	.open = xdp_open,
	.probe = xdp_probe,
};
