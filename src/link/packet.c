/* SPDX-License-Identifier: MIT */
/*
 * AF_PACKET: a real interface, shared with the kernel. We send and receive Ethernet frames beside it,
 * with an IP address of our own on the same wire.
 *
 * The interface's own MAC is used unless `mac=` gives another (a switch or an access point may know
 * only the one). Then IP addresses tell the two stacks apart, and the kernel must stay silent on ours:
 *   - IPv4: a packet to an address that isn't the host's is dropped by the kernel without an answer,
 *     as long as it doesn't forward. Nobody answers ARP for it but us.
 *   - IPv6: the same; neighbour solicitations for it are not the kernel's.
 *   - Where the kernel does forward on this interface it would send our packets on, or answer
 *     "unreachable" for us. Then a MAC of our own is used without being asked: what is sent to
 *     it is another host's frame (PACKET_OTHERHOST) for the kernel's IP, which drops it at once.
 *   - Our address must not be one of the host's. Probing can't find that out, for the host's kernel doesn't
 *     hear what its own card sends; so set_addresses() leaves such an address to the host: it is not
 *     let in, and the result is -TEE_EADDRINUSE. So it does with one that another program of ours has there (address_keeper.c).
 * The host itself can't reach us by this interface: what it sends goes to the wire, not to us.
 *
 * A socket filter (packet_filter.c) lets only our frames in; set_addresses() replaces it in one step.
 * Multicast for IPv6 (RFC 4861 7.2: solicited-node groups) is joined at the card by memberships of
 * the socket, which end with it: all multicast until addresses are known, then just their groups.
 *
 * `queues=N`: N links opened by this process stand for one address, a stack each; the kernel fans what
 * comes in out to them (steer.c).
 *
 * Frames carry virtio-net headers (vnet.c), so that super-frames pass both ways. With `offload=0` we send frames
 * as on the wire, and join here what comes in a row (gro.c); super-frames and unfinished checksums
 * of the kernel's come in all the same, and are understood. Receiving is
 * recvmmsg() into large packets (rx.c), sending sendmmsg(). PACKET_QDISC_BYPASS spares the queueing
 * discipline where the card segments by itself; elsewhere the kernel must cut super-frames, which it does
 * only on the ordinary path. A card's full ring shows as ENOBUFS without any descriptor to wait for,
 * hence the one timer: try again after a moment. A second one looks whether an interface that went
 * down is still there.
 *
 * A packet holds 64 KiB. Where the kernel has been told to make larger super-frames (BIG TCP: gso_max_size of a veth's
 * other end, gro_max_size of the interface itself) those are dropped, for the half of one is none, and counted as
 * packet.rx_above_64k: a number there is the sign to set both back to 65536.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include "base/check.h"
#include "link/address_keeper.h"
#include "link/counter_table.h"
#include "link/gro.h"
#include "link/netdev.h"
#include "link/packet_filter.h"
#include "link/packet_groups.h"
#include "link/rx.h"
#include "link/spec.h"
#include "link/steer.h"
#include "link/steer_flow.h"
#include "link/vnet.h"

enum {
	PACKET_VNET_LEN = 10,
	PACKET_RX_BATCH = 16,
	PACKET_RX_FRAMES = 192, /* read by one recv, at most: 256 KiB of an ordinary Ethernet */
	PACKET_TX_BATCH = 32,
	PACKET_BUFFER_BYTES = 16 << 20,
};
#define PACKET_RETRY_NS (200 * TEE_NS_PER_US)
#define PACKET_LOOK_NS  (100 * TEE_NS_PER_MS)

struct packet_link {
	struct tee_link link;
	int fd, ifindex;
	uint32_t queues; /* above 1: so many sockets share what comes in */
	size_t vnet_len;
	bool waits_for_room;              /* the socket's buffer is full: POLLOUT */
	bool is_down;                     /* the interface went down; it may be gone */
	uint64_t retry_at_ns, look_at_ns; /* TEE_NEVER when not set */
	struct packet_groups groups;
	struct address_keeper keeper;
	bool joins; /* without offloads: gro makes super-frames of segments in a row */
	struct gro gro;
	struct rx_buffer rx[PACKET_RX_BATCH];
	uint64_t rx_frames, tx_frames, rx_super, tx_super, rx_no_memory, rx_malformed, rx_above_64k,
		rx_dropped, tx_down, tx_refused, tx_full;
};

/* ---- receiving ---- */

/* An error of the socket: 0 when the interface still stands, else -TEE_ENODEV. */
static int packet_look(struct packet_link *self, uint64_t now_ns)
{
	char name[IFNAMSIZ];

	if (!if_indextoname((unsigned)self->ifindex, name))
		return -TEE_ENODEV;
	self->is_down = !netdev_is_up(name);
	self->look_at_ns = self->is_down ? now_ns + PACKET_LOOK_NS : TEE_NEVER;
	return 0;
}

/* Takes one frame from the kernel although there is no memory for it. */
static int packet_discard(struct packet_link *self)
{
	uint8_t start[64];

	if (recv(self->fd, start, sizeof(start), MSG_DONTWAIT) >= 0)
		self->rx_no_memory++;
	return 0;
}

struct packet_rx_batch {
	struct mmsghdr messages[PACKET_RX_BATCH];
	struct iovec iov[PACKET_RX_BATCH][2];
	struct virtio_net_hdr_v1 vnet[PACKET_RX_BATCH];
};

static unsigned packet_prepare_rx(struct packet_link *self, struct tee_pool *pool,
				  struct packet_rx_batch *batch, unsigned n)
{
	unsigned skip = self->vnet_len == 0, count;

	for (count = 0; count < n; count++) {
		struct tee_pkt *pkt = rx_buffer_get(&self->rx[count], pool);

		if (!pkt)
			break;
		memset(&batch->vnet[count], 0, sizeof(batch->vnet[count]));
		batch->iov[count][0] = (struct iovec){&batch->vnet[count], self->vnet_len};
		batch->iov[count][1] = (struct iovec){tee_pkt_bytes(pkt), RX_BUFFER_BYTES};
		batch->messages[count] = (struct mmsghdr){
			.msg_hdr = {.msg_iov = batch->iov[count] + skip, .msg_iovlen = 2 - skip}};
	}
	return count;
}

/* Makes packets of what was read, behind the `count` that stand in the array; returns how many stand then. */
static unsigned packet_take_rx(struct packet_link *self, struct tee_pool *pool,
			       const struct packet_rx_batch *batch, unsigned n,
			       struct tee_pkt **pkts, unsigned count)
{
	for (unsigned i = 0; i < n; i++) {
		const struct mmsghdr *message = &batch->messages[i];
		struct tee_pkt *pkt;
		uint32_t len;

		if (message->msg_hdr.msg_flags & MSG_TRUNC) {
			self->rx_above_64k++;
			continue;
		}
		if (message->msg_len <= self->vnet_len) {
			self->rx_malformed++;
			continue;
		}
		len = message->msg_len - (uint32_t)self->vnet_len;
		self->rx_frames++;
		if (self->joins && gro_join(&self->gro, tee_pkt_bytes(self->rx[i].pkt), len,
					    vnet_checksum_state(&batch->vnet[i])))
			continue;
		pkt = rx_buffer_take(&self->rx[i], pool, len);
		if (!vnet_to_pkt(&batch->vnet[i], pkt)) {
			self->rx_malformed++;
			tee_pkt_release(pkt);
			continue;
		}
		pkts[count] = pkt;
		if (self->joins)
			gro_hold(&self->gro, count);
		count++;
	}
	return count;
}

/*
 * One recvmmsg(): up to `n` packets behind the *count in the array. The result is how many frames the kernel
 * gave, 0 when there are no more, or -TEE_ENODEV.
 */
static int packet_read(struct packet_link *self, struct tee_pool *pool, struct tee_pkt **pkts,
		       unsigned n, unsigned *count, uint64_t now_ns)
{
	struct packet_rx_batch batch;
	unsigned room = packet_prepare_rx(self, pool, &batch, MIN(n, (unsigned)PACKET_RX_BATCH));
	int got;

	if (room == 0)
		return packet_discard(self);
	got = recvmmsg(self->fd, batch.messages, room, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : packet_look(self, now_ns);
	*count = packet_take_rx(self, pool, &batch, (unsigned)got, pkts, *count);
	return got < (int)room ? 0 : got;
}

static int packet_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		       unsigned n, uint64_t now_ns)
{
	struct packet_link *self = (struct packet_link *)link;
	unsigned count = 0, frames = 0;
	int more = 1;

	if (self->is_down && now_ns >= self->look_at_ns && packet_look(self, now_ns) < 0)
		return -TEE_ENODEV;
	if (self->joins)
		gro_begin(&self->gro, TEE_NETIF_ETHERNET, pool, ret_pkts);
	while (more > 0 && count < n && frames < PACKET_RX_FRAMES) {
		more = packet_read(self, pool, ret_pkts, n - count, &count, now_ns);
		frames += more > 0 ? (unsigned)more : 0;
	}
	for (unsigned i = 0; i < count; i++) {
		ret_pkts[i]->at_ns = now_ns;
		self->rx_super += ret_pkts[i]->gso_size > 0;
	}
	return more < 0 && count == 0 ? more : (int)count;
}

/* ---- sending ---- */

/* What a refusal means for the first frame of a batch: 1 it is lost, 0 it waits, -TEE_ENODEV. */
static int packet_send_failed(struct packet_link *self, int error, uint64_t now_ns)
{
	switch (error) {
	case EAGAIN: self->waits_for_room = true; return 0;
	case EINTR: return 0;
	case ENOBUFS:
	case ENOMEM:
		self->tx_full++;
		self->retry_at_ns = now_ns + PACKET_RETRY_NS;
		return 0;
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		if (packet_look(self, now_ns) < 0)
			return -TEE_ENODEV;
		/* Up again: that was the socket's memory of having been down. Once more, at once. */
		if (!self->is_down) {
			self->retry_at_ns = now_ns;
			return 0;
		}
		self->tx_down++;
		return 1;
	default: self->tx_refused++; return 1;
	}
}

static int packet_write(struct packet_link *self, struct tee_frame *frames, unsigned n)
{
	struct mmsghdr messages[PACKET_TX_BATCH];
	struct virtio_net_hdr_v1 vnet[PACKET_TX_BATCH];
	struct iovec iov[PACKET_TX_BATCH][VNET_IOV_MAX];

	for (unsigned i = 0; i < n; i++) {
		unsigned pieces = vnet_gather(iov[i], &vnet[i], self->vnet_len, &frames[i]);

		messages[i] =
			(struct mmsghdr){.msg_hdr = {.msg_iov = iov[i], .msg_iovlen = pieces}};
	}
	return sendmmsg(self->fd, messages, n, MSG_DONTWAIT);
}

static int packet_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct packet_link *self = (struct packet_link *)link;
	unsigned count = 0;

	self->waits_for_room = false;
	self->retry_at_ns = TEE_NEVER;
	while (count < n) {
		int sent = packet_write(self, frames + count,
					MIN(n - count, (unsigned)PACKET_TX_BATCH));

		if (sent < 0) {
			int result = packet_send_failed(self, errno, now_ns);

			if (result < 0)
				return count > 0 ? (int)count : result;
			if (result == 0)
				break;
			count++;
			continue;
		}
		for (int i = 0; i < sent; i++)
			self->tx_super += frames[count + (unsigned)i].gso_size > 0;
		count += (unsigned)sent;
		self->tx_frames += (unsigned)sent;
	}
	return (int)count;
}

static int packet_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct packet_link *self = (struct packet_link *)link;

	if (n == 0)
		return 0;
	fds[0] = (struct tee_link_poll){.fd = self->fd, .events = POLLIN};
	if (self->waits_for_room)
		fds[0].events |= POLLOUT;
	return 1;
}

static uint64_t packet_deadline(struct tee_link *link)
{
	const struct packet_link *self = (const struct packet_link *)link;

	return MIN(self->retry_at_ns, self->look_at_ns);
}

/* What the kernel dropped as the socket was full. */
static uint64_t packet_dropped(struct packet_link *self)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* Its count starts anew each time it is read. */
	if (getsockopt(self->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		self->rx_dropped += stats.tp_drops;
	return self->rx_dropped;
}

static bool packet_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			   uint64_t *ret_value)
{
	struct packet_link *self = (struct packet_link *)link;
	const struct link_counter counters[] = {
		{"packet.rx_frames", self->rx_frames},
		{"packet.tx_frames", self->tx_frames},
		{"packet.rx_super_frames", self->rx_super},
		{"packet.tx_super_frames", self->tx_super},
		{"packet.rx_socket_full", packet_dropped(self)},
		{"packet.rx_no_memory", self->rx_no_memory},
		{"packet.rx_malformed", self->rx_malformed},
		{"packet.rx_above_64k", self->rx_above_64k},
		{"packet.tx_interface_down", self->tx_down},
		{"packet.tx_refused", self->tx_refused},
		{"packet.tx_card_full", self->tx_full},
		{"packet.rx_joined", self->gro.joined},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), NULL, idx, ret_name, ret_value);
}

/* ---- addresses ---- */

static int packet_set_filter(struct packet_link *self, const struct tee_ip *ips, unsigned n)
{
	struct packet_filter filter;
	struct sock_fprog program;
	int result = packet_filter_build(&filter, &self->link.info.mac, ips, n);

	if (result < 0)
		return result;
	program = (struct sock_fprog){(unsigned short)filter.len, filter.code};
	if (setsockopt(self->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return link_result_of_errno(errno);
	return 0;
}

static int packet_set_addresses(struct tee_link *link, const struct tee_ip *ips, unsigned n)
{
	struct packet_link *self = (struct packet_link *)link;
	struct tee_ip ours[PACKET_FILTER_ADDRESSES_MAX];
	unsigned count = 0;
	int result;

	for (unsigned i = 0; i < n; i++) {
		if (packet_host_has_address(&ips[i]))
			continue;
		if (count == PACKET_FILTER_ADDRESSES_MAX)
			return -TEE_ENOBUFS;
		ours[count++] = ips[i];
	}
	count = address_keeper_set(&self->keeper, self->ifindex, ours, count);
	result = packet_set_filter(self, ours, count);
	if (result == 0)
		result = packet_groups_set(&self->groups, self->fd, ours, count);
	return result == 0 && count < n ? -TEE_EADDRINUSE : result;
}

static void packet_close(struct tee_link *link)
{
	struct packet_link *self = (struct packet_link *)link;

	if (self->fd >= 0)
		close(self->fd);
	for (unsigned i = 0; i < PACKET_RX_BATCH; i++)
		rx_buffer_fini(&self->rx[i]);
	address_keeper_fini(&self->keeper);
	free(self);
}

static const struct tee_link_ops packet_ops = {
	.recv = packet_recv,
	.send = packet_send,
	.poll_fds = packet_poll_fds,
	.deadline = packet_deadline,
	.set_addresses = packet_set_addresses,
	.counter = packet_counter,
	.close = packet_close,
};

/* ---- opening ---- */

static int packet_socket(char ret_error[TEE_LINK_ERROR_SIZE])
{
	/* Protocol 0: nothing comes in before filter and interface are set. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0)
		return fd;
	if (errno == EPERM || errno == EACCES)
		return link_fail(
			ret_error, -TEE_EPERM,
			"no permission for packet sockets: run as root, 'setcap cap_net_raw+ep' "
			"the program, or use slirp, which needs none");
	return link_fail(ret_error, link_result_of_errno(errno), "no packet socket: %s",
			 strerror(errno));
}

static int packet_check_netdev(const char *name, struct netdev *ret_netdev,
			       char ret_error[TEE_LINK_ERROR_SIZE])
{
	int result = netdev_get(name, ret_netdev);

	if (result == -TEE_ENODEV)
		return link_fail(ret_error, result,
				 "there is no interface '%.32s': 'ip link' lists them", name);
	if (result < 0)
		return link_fail(ret_error, result, "interface %.32s: %s", name,
				 tee_strerror(result));
	if (ret_netdev->hardware_type != ARPHRD_ETHER)
		return link_fail(
			ret_error, -TEE_EOPNOTSUPP,
			"interface %.15s is no Ethernet: choose one that 'ip link' shows as "
			"link/ether",
			name);
	if (!(ret_netdev->flags & IFF_UP))
		return link_fail(ret_error, -TEE_ENETDOWN,
				 "interface %.15s is down: 'ip link set %.15s up' as root", name,
				 name);
	return 0;
}

static void packet_set_buffers(int fd)
{
	int bytes = PACKET_BUFFER_BYTES;

	/* FORCE needs CAP_NET_ADMIN; the other goes as far as the host's limit. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void packet_set_offloads(struct packet_link *self, const char *name, bool wanted)
{
	int on = 1;

	/*
	 * Also when none are wanted: what comes in may be a super-frame, or its checksum never made (from the other
	 * end of a veth, say), and only the header tells.
	 */
	if (setsockopt(self->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0)
		self->vnet_len = PACKET_VNET_LEN;
	if (wanted && self->vnet_len > 0)
		self->link.info.offloads = TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 |
					   TEE_OFFLOAD_TSO6;
	self->joins = self->link.info.offloads == 0;
	/* Bypassing, the kernel drops what it would have to cut. */
	if (self->joins ||
	    (netdev_has_feature(name, ETHTOOL_GTSO) && netdev_has_feature(name, ETHTOOL_GSG)))
		setsockopt(self->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	/* Before Linux 4.20 the filter alone keeps out what this host sends. */
	setsockopt(self->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
}

static int packet_start(struct packet_link *self, const struct netdev *netdev,
			char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = netdev->ifindex,
	};
	int result;

	packet_set_buffers(self->fd);
	result = packet_set_filter(self, NULL, 0);
	if (result == 0)
		result = packet_groups_init(&self->groups, self->fd, netdev->ifindex,
					    info->shares_mac ? NULL : &info->mac);
	if (result < 0)
		return link_fail(ret_error, result, "interface %s: no filter or membership: %s",
				 info->name, strerror(errno));
	if (bind(self->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return link_fail(ret_error, link_result_of_errno(errno), "interface %s: %s",
				 info->name, strerror(errno));
	return 0;
}

static int packet_open_parts(struct packet_link *self, const struct link_spec *spec,
			     char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;
	uint32_t mtu, offload = 1;
	struct netdev netdev;
	int result;

	self->fd = packet_socket(ret_error);
	if (self->fd < 0)
		return self->fd;
	result = packet_check_netdev(spec->name, &netdev, ret_error);
	if (result < 0)
		return result;
	mtu = netdev.mtu;
	if ((result = link_spec_u32(spec, "mtu", 68, netdev.mtu, &mtu, ret_error)) < 0 ||
	    (result = link_spec_u32(spec, "offload", 0, 1, &offload, ret_error)) < 0 ||
	    (result = link_spec_u32(spec, "queues", 0, STEER_QUEUES_MAX, &self->queues,
				    ret_error)) < 0)
		return result;
	info->mac = netdev_forwards(spec->name) ? netdev_derive_mac(&netdev.mac) : netdev.mac;
	result = link_spec_mac(spec, &info->mac, ret_error);
	if (result < 0)
		return result;
	info->kind = TEE_NETIF_ETHERNET;
	snprintf(info->name, sizeof(info->name), "packet:%.15s", spec->name);
	info->mtu = mtu;
	info->gso_bytes_max = 65535;
	info->wants_dhcp = true;
	/* Wired hosts answer ARP within milliseconds; a fifth of a second is patience enough. */
	info->acd_second_ns = 200 * TEE_NS_PER_MS;
	info->shares_mac = !memcmp(info->mac.byte, netdev.mac.byte, sizeof(info->mac.byte));
	self->ifindex = netdev.ifindex;
	packet_set_offloads(self, spec->name, offload);
	return packet_start(self, &netdev, ret_error);
}

/*
 * A fan-out by our own program, which chooses the queue that steer_owner() will name. Its number is the
 * kernel's choice when the first socket makes it.
 */
static int packet_join(struct tee_link *link, unsigned idx, uint32_t *shared)
{
	const struct packet_link *self = (const struct packet_link *)link;
	const uint32_t type = PACKET_FANOUT_CBPF << 16;
	struct sock_filter code[STEER_PROGRAM_MAX];
	struct sock_fprog program = {.filter = code};
	uint32_t word;
	socklen_t len = sizeof(word);

	word = *shared ? (*shared & 0xffff) | type : (PACKET_FANOUT_FLAG_UNIQUEID << 16) | type;
	if (setsockopt(self->fd, SOL_PACKET, PACKET_FANOUT, &word, sizeof(word)) < 0)
		return link_result_of_errno(errno);
	if (idx > 0)
		return 0;
	program.len = (unsigned short)steer_program(code, self->queues);
	if (setsockopt(self->fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program)) < 0 ||
	    getsockopt(self->fd, SOL_PACKET, PACKET_FANOUT, &word, &len) < 0)
		return link_result_of_errno(errno);
	*shared = (word & 0xffff) | 1u << 31; /* never 0 */
	return 0;
}

static int packet_open(const struct link_spec *spec, struct tee_link **ret_link,
		       char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct packet_link *self;
	int result;

	if (!*spec->name)
		return link_fail(ret_error, -TEE_EINVAL,
				 "packet: name the interface, such as packet:eth0");
	self = calloc(1, sizeof(*self));
	if (!self)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the packet link");
	self->link.ops = &packet_ops;
	self->retry_at_ns = self->look_at_ns = TEE_NEVER;
	result = packet_open_parts(self, spec, ret_error);
	if (result == 0) {
		*ret_link = &self->link;
		if (self->queues <= 1)
			return 0;
		result = steer_open(&self->link, self->queues, packet_join, ret_link);
		if (result == 0)
			return 0;
		link_fail(ret_error, result, "%s: no fan-out to %u queues: %s",
			  self->link.info.name, self->queues, tee_strerror(result));
	}
	packet_close(&self->link);
	return result;
}

static int packet_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	struct if_nameindex *list;
	int fd = packet_socket(ret_reason);
	bool found = false;

	if (fd < 0)
		return fd;
	close(fd);
	list = if_nameindex();
	for (struct if_nameindex *at = list; at && at->if_index && !found; at++) {
		struct netdev netdev;

		found = packet_check_netdev(at->if_name, &netdev, ret_reason) == 0;
	}
	if (list)
		if_freenameindex(list);
	if (!found)
		return link_fail(ret_reason, -TEE_ENODEV,
				 "no Ethernet interface is up here: 'ip link' lists them");
	ret_reason[0] = '\0';
	return 0;
}

const struct link_kind link_kind_packet = {
	.about = {.name = "packet",
		  .syntax = "packet:INTERFACE[,mac=MAC,mtu=N,offload=0,queues=N]",
		  .summary = "a real interface beside the kernel, with an address of our own"},
	.keys = "mac mtu offload queues",
	.takes_name = true,
	.open = packet_open,
	.probe = packet_probe,
};
