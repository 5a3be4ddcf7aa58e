// SPDX-License-Identifier: MIT
/*
 * mini: as little TCP as will move bytes between a TAP and the kernel's TCP, to show what the TAP itself
 * can carry. It is the bound that a complete stack is held against, and no stack: one connection over IPv4,
 * no congestion control (a fixed window in flight), no options but the MSS and the window scale, every loss
 * answered by going back to the last byte acknowledged, no received checksum verified, no buffer but the
 * frame at hand.
 *
 * With OFFLOAD 1 frames carry virtio-net headers: checksums left out, up to 64 KiB a frame. With 0 they are
 * an Ethernet's, and sent ones are summed. --calls=copy copies what is sent and received once, as an
 * application's call would; --calls=none moves the same bytes again and again and leaves received ones
 * where they are.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench.h"

enum {
	MSS = 1460,
	SUPER_SEGMENTS = 44, /* of a super-frame: 64,240 bytes */
	VNET_BYTES = 12,
	WINDOW_SHIFT = 10,
	WINDOW_BYTES =
		512 << 10, /* in flight, and announced: twice that overflows the TAP's queue */
	WINDOW_SUPER_BYTES = 2 << 20,
	BURST = 8,   /* frames sent between two looks at what came */
	BUDGET = 64, /* frames taken at once */
	BUDGET_SUPER = 16,
	SYN_BYTES = 8,                   /* of the SYN's options */
	PATIENCE_NS = 100 * 1000 * 1000, /* without an ACK, until all is sent again */
};

static const uint8_t own_mac[ETH_ALEN] = {2, 0, 0, 0, 0, 9};

/* What stands in front of the payload. */
struct mini_head {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t options[SYN_BYTES];
} __attribute__((packed, aligned(2)));

struct mini {
	const struct bench_job *job;
	int fd;
	bool offload, copies;
	uint8_t peer_mac[ETH_ALEN];
	uint32_t own_ip, peer_ip; /* as on the wire */
	uint16_t own_port, peer_port;
	uint32_t una, next, most; /* sent and not acknowledged; `most`: the highest ever sent */
	uint32_t expected;        /* of the peer */
	uint32_t window_bytes, in_flight_max;
	unsigned peer_shift, dup_acks;
	bool is_resolved, is_open, owes_ack;
	uint64_t received_bytes, acked_bytes;
};

static uint8_t source[4 << 20], sink[4 << 20];

/* ---- sums ---- */

static uint64_t sum_words(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t sum = 0;
	uint32_t word;

	for (; len >= 4; len -= 4, bytes += 4) {
		memcpy(&word, bytes, 4);
		sum += word;
	}
	word = 0;
	memcpy(&word, bytes, len);
	return sum + word;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* ---- frames out ---- */

static bool write_frame(struct mini *mini, const struct virtio_net_hdr *vnet, const void *head,
			size_t head_len, const void *data, size_t len)
{
	uint8_t vnet_bytes[VNET_BYTES] = {0};
	struct iovec iov[3] = {{vnet_bytes, mini->offload ? VNET_BYTES : 0},
			       {(void *)head, head_len},
			       {(void *)data, len}};
	int skip = !mini->offload;

	memcpy(vnet_bytes, vnet, sizeof(*vnet));
	if (writev(mini->fd, iov + skip, 2 - skip + (len > 0)) >= 0)
		return true;
	if (errno != EAGAIN && errno != ENOBUFS)
		bench_fail("can't write to the TAP: %s", strerror(errno));
	return false;
}

static bool send_segment(struct mini *mini, uint32_t seq, unsigned flags, const void *data,
			 size_t len)
{
	const bool is_syn = (flags & TH_SYN) != 0;
	const size_t tcp_len = sizeof(struct tcphdr) + (is_syn ? SYN_BYTES : 0);
	struct virtio_net_hdr vnet = {0};
	struct mini_head head = {.options = {2, 4, MSS >> 8, MSS & 255, 1, 3, 3, WINDOW_SHIFT}};
	uint64_t sum = (uint64_t)htons(IPPROTO_TCP) + htons((uint16_t)(tcp_len + len));

	memcpy(head.ether.ether_dhost, mini->peer_mac, ETH_ALEN);
	memcpy(head.ether.ether_shost, own_mac, ETH_ALEN);
	head.ether.ether_type = htons(ETHERTYPE_IP);
	head.ip = (struct iphdr){.version = 4,
				 .ihl = 5,
				 .tot_len = htons((uint16_t)(sizeof(head.ip) + tcp_len + len)),
				 .frag_off = htons(IP_DF),
				 .ttl = 64,
				 .protocol = IPPROTO_TCP,
				 .saddr = mini->own_ip,
				 .daddr = mini->peer_ip};
	head.ip.check = (uint16_t)~fold(sum_words(&head.ip, sizeof(head.ip)));
	head.tcp = (struct tcphdr){.th_sport = mini->own_port,
				   .th_dport = mini->peer_port,
				   .th_seq = htonl(seq),
				   .th_ack = htonl(mini->expected),
				   .th_off = (uint8_t)(tcp_len / 4) & 15,
				   .th_flags = (uint8_t)flags};
	head.tcp.th_win = is_syn ? 65535 : htons((uint16_t)(mini->window_bytes >> WINDOW_SHIFT));
	sum += sum_words(&head.ip.saddr, 8);
	if (mini->offload) {
		head.tcp.th_sum = fold(sum);
		vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet.csum_start = sizeof(head.ether) + sizeof(head.ip);
		vnet.csum_offset = offsetof(struct tcphdr, th_sum);
		if (len > MSS) {
			vnet.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
			vnet.gso_size = MSS;
			vnet.hdr_len = (uint16_t)(sizeof(head) - SYN_BYTES);
		}
	} else {
		sum += sum_words(&head.tcp, tcp_len) + sum_words(data, len);
		head.tcp.th_sum = (uint16_t)~fold(sum);
	}
	mini->owes_ack = false;
	return write_frame(mini, &vnet, &head, sizeof(head.ether) + sizeof(head.ip) + tcp_len, data,
			   len);
}

static void send_arp(struct mini *mini, uint16_t operation, const uint8_t *to_mac, uint32_t to_ip)
{
	static const uint8_t everybody[ETH_ALEN] = {255, 255, 255, 255, 255, 255};
	const struct virtio_net_hdr vnet = {0};
	struct {
		struct ether_header ether;
		struct ether_arp arp;
	} __attribute__((packed)) frame = {0};

	memcpy(frame.ether.ether_dhost, to_mac ? to_mac : everybody, ETH_ALEN);
	memcpy(frame.ether.ether_shost, own_mac, ETH_ALEN);
	frame.ether.ether_type = htons(ETHERTYPE_ARP);
	frame.arp.arp_hrd = htons(ARPHRD_ETHER);
	frame.arp.arp_pro = htons(ETHERTYPE_IP);
	frame.arp.arp_hln = ETH_ALEN;
	frame.arp.arp_pln = 4;
	frame.arp.arp_op = htons(operation);
	memcpy(frame.arp.arp_sha, own_mac, ETH_ALEN);
	memcpy(frame.arp.arp_spa, &mini->own_ip, 4);
	if (to_mac)
		memcpy(frame.arp.arp_tha, to_mac, ETH_ALEN);
	memcpy(frame.arp.arp_tpa, &to_ip, 4);
	write_frame(mini, &vnet, &frame, sizeof(frame), NULL, 0);
}

/* ---- frames in ---- */

static void take_arp(struct mini *mini, const struct ether_arp *arp)
{
	uint32_t from, asked;

	memcpy(&from, arp->arp_spa, 4);
	memcpy(&asked, arp->arp_tpa, 4);
	if (from != mini->peer_ip)
		return;
	memcpy(mini->peer_mac, arp->arp_sha, ETH_ALEN);
	mini->is_resolved = true;
	if (ntohs(arp->arp_op) == ARPOP_REQUEST && asked == mini->own_ip)
		send_arp(mini, ARPOP_REPLY, arp->arp_sha, from);
}

static void take_syn_ack(struct mini *mini, const struct tcphdr *tcp)
{
	const uint8_t *option = (const uint8_t *)(tcp + 1);
	const uint8_t *end = (const uint8_t *)tcp + tcp->th_off * 4;

	if (tcp->th_flags != (TH_SYN | TH_ACK) || ntohl(tcp->th_ack) != mini->next)
		return;
	while (option < end && *option != 0) {
		if (*option == 3)
			mini->peer_shift = option[2];
		option += *option == 1 || option[1] < 2 ? 1 : option[1];
	}
	mini->una = mini->next;
	mini->expected = ntohl(tcp->th_seq) + 1;
	mini->in_flight_max = 65535;
	mini->is_open = mini->owes_ack = true;
}

static void take_ack(struct mini *mini, uint32_t ack, bool is_bare)
{
	int32_t news = (int32_t)(ack - mini->una);

	if (news > 0 && (int32_t)(mini->most - ack) >= 0) {
		mini->acked_bytes += (uint32_t)news;
		mini->una = ack;
		/* We had gone back, and it was there after all. */
		if ((int32_t)(ack - mini->next) > 0)
			mini->next = ack;
		mini->dup_acks = 0;
	} else if (news == 0 && is_bare && mini->next != mini->una && ++mini->dup_acks == 3) {
		mini->next = mini->una;
	}
}

static void take_text(struct mini *mini, uint32_t seq, const uint8_t *data, size_t len)
{
	const uint32_t known = mini->expected - seq;
	static size_t at;

	mini->owes_ack = true;
	if (known >= len)
		return;
	data += known;
	len -= known;
	if (mini->copies) {
		if (at + len > 1 << 20)
			at = 0;
		memcpy(sink + at, data, len);
		at += len;
	}
	mini->expected += (uint32_t)len;
	mini->received_bytes += len;
}

static void take_frame(struct mini *mini, const uint8_t *frame, size_t len)
{
	const struct mini_head *head = (const struct mini_head *)frame;
	size_t skip, tcp_end;

	if (len < sizeof(struct ether_header) + sizeof(struct ether_arp))
		return;
	if (head->ether.ether_type == htons(ETHERTYPE_ARP)) {
		take_arp(mini, (const struct ether_arp *)(frame + sizeof(head->ether)));
		return;
	}
	tcp_end = sizeof(head->ether) + ntohs(head->ip.tot_len);
	if (head->ether.ether_type != htons(ETHERTYPE_IP) || head->ip.protocol != IPPROTO_TCP ||
	    tcp_end > len || head->tcp.th_dport != mini->own_port)
		return;
	if (head->tcp.th_flags & TH_RST)
		bench_fail("the connection was reset");
	if (!mini->is_open) {
		take_syn_ack(mini, (const void *)(frame + offsetof(struct mini_head, tcp)));
		return;
	}
	skip = sizeof(head->ether) + sizeof(head->ip) + head->tcp.th_off * 4u;
	mini->in_flight_max = (uint32_t)ntohs(head->tcp.th_win) << mini->peer_shift;
	take_ack(mini, ntohl(head->tcp.th_ack), skip == tcp_end);
	if (skip < tcp_end)
		take_text(mini, ntohl(head->tcp.th_seq), frame + skip, tcp_end - skip);
}

/* Takes what has come; the answer is left to the next frame that is sent. */
static bool read_frames(struct mini *mini)
{
	static uint8_t frame[VNET_BYTES + sizeof(struct ether_header) + 65536];
	const size_t skip = mini->offload ? VNET_BYTES : 0;
	const unsigned budget = mini->offload ? BUDGET_SUPER : BUDGET;
	unsigned count = 0;
	ssize_t len;

	while (count < budget && (len = read(mini->fd, frame, sizeof(frame))) > (ssize_t)skip) {
		take_frame(mini, frame + skip, (size_t)len - skip);
		count++;
	}
	return count > 0;
}

/* The same, and answers it once. */
static bool take_frames(struct mini *mini)
{
	bool has_taken = read_frames(mini);

	if (mini->owes_ack && mini->is_open)
		send_segment(mini, mini->next, TH_ACK, NULL, 0);
	return has_taken;
}

static void sleep_for(struct mini *mini, int milliseconds)
{
	struct pollfd fd = {.fd = mini->fd, .events = POLLIN};

	poll(&fd, 1, milliseconds);
}

/* ---- the conversations ---- */

static void send_text(struct mini *mini, const void *data, size_t len)
{
	if (!send_segment(mini, mini->next, TH_ACK | TH_PUSH, data, len))
		return;
	mini->next += (uint32_t)len;
	if ((int32_t)(mini->next - mini->most) > 0)
		mini->most = mini->next;
}

static void open_connection(struct mini *mini)
{
	char wish[2];

	for (unsigned i = 0; i < 100 && !mini->is_resolved; i++) {
		send_arp(mini, ARPOP_REQUEST, NULL, mini->peer_ip);
		sleep_for(mini, 20);
		take_frames(mini);
	}
	mini->una = (uint32_t)bench_now_ns();
	mini->next = mini->most = mini->una + 1;
	for (unsigned i = 0; i < 100 && !mini->is_open; i++) {
		send_segment(mini, mini->una, TH_SYN, NULL, 0);
		sleep_for(mini, 20);
		take_frames(mini);
	}
	if (!mini->is_open)
		bench_fail("the kernel does not answer");
	bench_job_wish(mini->job, wish);
	send_text(mini, wish, sizeof(wish));
}

/* How much may be sent now: whole frames, and nothing while there is room for half a window only. */
static size_t sendable_bytes(const struct mini *mini)
{
	const size_t most = mini->offload ? (size_t)MSS * SUPER_SEGMENTS : MSS;
	uint32_t limit = mini->window_bytes < mini->in_flight_max ? mini->window_bytes
								  : mini->in_flight_max;
	uint32_t used = mini->next - mini->una;

	if (used + most <= limit)
		return most;
	return used == 0 && limit >= MSS ? limit / MSS * MSS : 0;
}

static bool send_burst(struct mini *mini)
{
	static size_t at;
	unsigned count = 0;
	size_t len;

	for (; count < BURST && (len = sendable_bytes(mini)) > 0; count++) {
		const uint8_t *data = source + at;

		if (mini->copies) {
			memcpy(sink + at, data, len);
			data = sink + at;
		}
		send_text(mini, data, len);
		at = at + len > 1 << 20 ? 0 : at + len;
	}
	return count > 0;
}

static void run_sink(struct mini *mini)
{
	uint64_t progress_ns = bench_now_ns(), before;
	struct bench_meter meter;

	bench_meter_start(&meter, mini->job);
	do {
		bool has_sent = send_burst(mini), has_taken;
		uint64_t now_ns = bench_now_ns();

		before = mini->acked_bytes;
		has_taken = take_frames(mini);
		if (mini->acked_bytes > before) {
			progress_ns = now_ns;
		} else if (now_ns - progress_ns > PATIENCE_NS) {
			mini->next = mini->una;
			progress_ns = now_ns;
		}
		if (!has_sent && !has_taken)
			sleep_for(mini, 1);
	} while (bench_meter_add(&meter, mini->acked_bytes - before));
	bench_meter_report(&meter);
}

static void run_source(struct mini *mini)
{
	struct bench_meter meter;
	uint64_t before;

	bench_meter_start(&meter, mini->job);
	do {
		before = mini->received_bytes;
		if (!take_frames(mini))
			sleep_for(mini, 2);
	} while (bench_meter_add(&meter, mini->received_bytes - before));
	bench_meter_report(&meter);
}

static void run_echo(struct mini *mini)
{
	uint64_t start_ns = bench_now_ns() + mini->job->warm_up_ns, before_ns, after_ns;
	struct bench_samples samples;
	char byte = 'x';

	bench_samples_init(&samples);
	do {
		uint64_t before = mini->received_bytes;

		before_ns = bench_now_ns();
		send_text(mini, &byte, 1);
		while (mini->received_bytes == before) {
			if (!mini->job->spins)
				sleep_for(mini, 1000);
			read_frames(mini);
		}
		after_ns = bench_now_ns();
		if (before_ns >= start_ns)
			bench_samples_add(&samples, after_ns - before_ns);
	} while (after_ns < start_ns + mini->job->measure_ns);
	bench_report_samples(&samples);
}

static int open_tap(const char *name, bool offload)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), len = VNET_BYTES;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (offload)
		request.ifr_flags |= IFF_VNET_HDR;
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		bench_fail("TAP %s: %s", name, strerror(errno));
	/* Without: set all the same, for the interface remembers what an earlier program took. */
	if ((offload && ioctl(fd, TUNSETVNETHDRSZ, &len) < 0) ||
	    ioctl(fd, TUNSETOFFLOAD, offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0) < 0)
		bench_fail("TAP %s has no offloads: %s", name, strerror(errno));
	return fd;
}

int bench_mini(int argc, char **argv)
{
	struct bench_job job;
	struct mini mini = {.job = &job};

	if (bench_job_options(&job, argc, argv) != 8)
		bench_fail("mini sink|source|echo TAP OWN-IP HOST PORT SECONDS SPIN OFFLOAD");
	bench_job_set(&job, argv[0], argv[5], argv[6]);
	mini.offload = strcmp(argv[7], "0") != 0;
	mini.copies = strcmp(job.calls, "copy") == 0;
	mini.window_bytes = mini.offload ? WINDOW_SUPER_BYTES : WINDOW_BYTES;
	mini.peer_port = htons((uint16_t)atoi(argv[4]));
	mini.own_port = htons((uint16_t)(20000 + getpid() % 40000));
	if (inet_pton(AF_INET, argv[2], &mini.own_ip) != 1 ||
	    inet_pton(AF_INET, argv[3], &mini.peer_ip) != 1)
		bench_fail("mini knows IPv4 addresses only");
	mini.fd = open_tap(argv[1], mini.offload);
	memset(source, 'x', sizeof(source));
	memset(sink, 0, sizeof(sink));
	open_connection(&mini);
	if (strcmp(job.what, "sink") == 0)
		run_sink(&mini);
	else if (strcmp(job.what, "source") == 0)
		run_source(&mini);
	else
		run_echo(&mini);
	send_segment(&mini, mini.next, TH_RST | TH_ACK, NULL, 0);
	return 0;
}
