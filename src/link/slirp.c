/* SPDX-License-Identifier: MIT */
/*
 * libslirp in this process: a network for a program without any privilege. libslirp is a small TCP/IP
 * stack that ends our connections and carries their bytes over ordinary sockets of the host. The
 * default link: it works for every user on every Linux.
 *
 * Our side of it: 10.0.2.15/24 and fd00::15/64. The gateway 10.0.2.2 (fd00::2) is the host's own
 * loopback, 10.0.2.3 (fd00::3) forwards DNS to the host's resolver. Inbound connections come through
 * `tcp=HOSTPORT-PORT` and `udp=HOSTPORT-PORT`, which listen on the host's 127.0.0.1.
 *
 * struct slirp_link holds the instance, the frames that wait for recv(), and slirp_watch.c's set of
 * descriptors. Data enters libslirp by slirp_send() (slirp_input) and by the cycle (descriptors that are
 * ready); it leaves by on_send_packet(), which copies each frame once into a packet of the stack's
 * pool. A cycle runs in recv() when no frame waits: ask libslirp what it waits for, look
 * without waiting, let it act. To sleep, poll_fds() gives the one epoll descriptor that stands for
 * all of libslirp's sockets, which may be thousands.
 *
 * Timers: libslirp's own (a router advertisement now and then) in struct slirp_timer, and the time-out
 * that its fill call asks for. Both come out of deadline(). Its clock is the caller's now_ns.
 *
 * The MTU needs no 1,500 here, for no wire is behind it: 16 KiB segments are three times as fast
 * (docs tell the figures), and four of them still fit libslirp's window of 64 KiB, so that ACK clocking
 * works. UDP and ICMP are as large as the host's sockets take.
 *
 * libslirp writes to its sockets without MSG_NOSIGNAL, so a connection that the host's peer has closed
 * would end this process by SIGPIPE. Unless the program ignores that signal it is held back
 * around each call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <slirp/libslirp.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/counter_table.h"
#include "link/sigpipe.h"
#include "link/slirp_debt.h"
#include "link/slirp_watch.h"
#include "link/spec.h"
#include "wire/ethernet.h"
#include "wire/ip.h"

enum {
	SLIRP_MTU_DEFAULT = 16384,
	SLIRP_MTU_MIN = 1280, /* RFC 8200 section 5: IPv6 needs it */
	SLIRP_MTU_MAX = 65521,
	SLIRP_QUEUE_BYTES = 32 << 20,
	SLIRP_INPUT_BYTES = TEE_FRAME_LEN_MAX,
};

/* How long close() waits for the host's sockets to take what is left. */
#define SLIRP_LINGER_NS (2 * TEE_NS_PER_S)
#define SLIRP_CLOCK_NS  (10 * TEE_NS_PER_S)

/* RFC 4193 unique local addresses; the last byte is the IPv4 address's. */
static const struct tee_ip SLIRP_PREFIX6 = {{0xfd}};

struct slirp_timer {
	struct slirp_timer *next;
	struct slirp_link *owner;
	SlirpTimerCb callback;
	void *callback_opaque;
	uint64_t expire_ns; /* TEE_NEVER: not set */
};

struct slirp_link {
	struct tee_link link;
	Slirp *slirp;
	struct slirp_watch watch;
	struct slirp_timer *timers;
	uint64_t now_ns;     /* of the call that is running */
	uint64_t wake_at_ns; /* by the last fill */
	/*
	 * Until then libslirp's own clock, which only a cycle sets, is good enough. A UDP socket that is
	 * made by an older one (or by none: the first) seems past its four minutes at once.
	 */
	uint64_t clock_until_ns;
	bool is_filled;   /* watch and wake_at_ns say what libslirp wants now */
	bool wants_cycle; /* something was put in that only a cycle carries on */
	bool is_quiet;    /* whoever slept has just seen that no descriptor is ready */
	bool guards_sigpipe;
	struct tee_pool *pool;       /* of the last recv(); NULL before the first */
	struct tee_pool *early_pool; /* for what libslirp answers before that */
	struct tee_pkt *head, *tail;
	size_t queue_bytes;
	uint64_t rx_frames, tx_frames, rx_overflows, rx_no_memory, guest_errors, tx_oversize;
	uint8_t input[SLIRP_INPUT_BYTES]; /* libslirp takes frames in one piece */
};

/* A list of instances inside libslirp is shared by all threads. */
static pthread_mutex_t instances_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- what libslirp calls ---- */

static ssize_t on_send_packet(const void *buf, size_t len, void *opaque)
{
	struct slirp_link *self = opaque;
	struct tee_pkt *pkt;

	if (self->queue_bytes + len > SLIRP_QUEUE_BYTES) {
		self->rx_overflows++;
		return (ssize_t)len;
	}
	pkt = tee_pkt_new(self->pool ? self->pool : self->early_pool, len);
	if (!pkt) {
		self->rx_no_memory++;
		return (ssize_t)len;
	}
	memcpy(tee_pkt_bytes(pkt), buf, len);
	pkt->len = (uint32_t)len;
	pkt->next = NULL;
	pkt->at_ns = self->now_ns;
	/* It came through memory only; libslirp made the checksum a moment ago. */
	pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
	if (self->tail)
		self->tail->next = pkt;
	else
		self->head = pkt;
	self->tail = pkt;
	self->queue_bytes += len;
	return (ssize_t)len;
}

static void on_guest_error(const char *message, void *opaque)
{
	struct slirp_link *self = opaque;

	(void)message;
	self->guest_errors++;
}

static int64_t on_clock_get_ns(void *opaque)
{
	const struct slirp_link *self = opaque;

	return (int64_t)self->now_ns;
}

static void *on_timer_new(SlirpTimerCb callback, void *callback_opaque, void *opaque)
{
	struct slirp_link *self = opaque;
	struct slirp_timer *timer = calloc(1, sizeof(*timer));

	/* libslirp has no way to hear of it, and aborts itself when memory ends. */
	if (!timer)
		abort();
	*timer = (struct slirp_timer){self->timers, self, callback, callback_opaque, TEE_NEVER};
	self->timers = timer;
	return timer;
}

static void on_timer_free(void *opaque_timer, void *opaque)
{
	struct slirp_link *self = opaque;
	struct slirp_timer **at = &self->timers;

	while (*at && *at != opaque_timer)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
	free(opaque_timer);
}

static void on_timer_mod(void *opaque_timer, int64_t expire_ms, void *opaque)
{
	struct slirp_timer *timer = opaque_timer;

	(void)opaque;
	timer->expire_ns = expire_ms < 0 ? 0 : (uint64_t)expire_ms * TEE_NS_PER_MS;
}

static void on_register_fd(int fd, void *opaque)
{
	(void)fd, (void)opaque;
}

static void on_unregister_fd(int fd, void *opaque)
{
	struct slirp_link *self = opaque;

	slirp_watch_forget(&self->watch, fd);
}

static void on_notify(void *opaque)
{
	struct slirp_link *self = opaque;

	self->wants_cycle = true;
}

static int on_add_poll(int fd, int events, void *opaque)
{
	struct slirp_link *self = opaque;

	return slirp_watch_add(&self->watch, fd, events);
}

static int on_get_revents(int idx, void *opaque)
{
	struct slirp_link *self = opaque;

	return slirp_watch_revents(&self->watch, idx);
}

static const SlirpCb callbacks = {
	.send_packet = on_send_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock_get_ns,
	.timer_new = on_timer_new,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = on_register_fd,
	.unregister_poll_fd = on_unregister_fd,
	.notify = on_notify,
};

/* ---- the cycle ---- */

/* Asks libslirp which descriptors it waits for and how long. */
static void slirp_refill(struct slirp_link *self)
{
	uint32_t timeout_ms = UINT32_MAX;

	if (self->is_filled)
		return;
	slirp_watch_begin(&self->watch);
	slirp_pollfds_fill(self->slirp, &timeout_ms, on_add_poll, self);
	slirp_watch_commit(&self->watch);
	self->wake_at_ns = timeout_ms == UINT32_MAX ? TEE_NEVER
						    : self->now_ns + timeout_ms * TEE_NS_PER_MS;
	self->is_filled = true;
}

static void slirp_run_timers(struct slirp_link *self)
{
	for (struct slirp_timer *timer = self->timers; timer;) {
		if (timer->expire_ns > self->now_ns) {
			timer = timer->next;
			continue;
		}
		timer->expire_ns = TEE_NEVER;
		timer->callback(timer->callback_opaque);
		timer = self->timers; /* the list may have changed */
	}
}

/* Lets libslirp do what can be done now, without waiting. */
static void slirp_cycle(struct slirp_link *self)
{
	int ready;

	slirp_run_timers(self);
	slirp_refill(self);
	if (self->is_quiet && !self->wants_cycle && self->now_ns < self->wake_at_ns) {
		self->is_quiet = false;
		return;
	}
	self->is_quiet = false;
	ready = slirp_watch_wait(&self->watch);
	if (ready == 0 && !self->wants_cycle && self->now_ns < self->wake_at_ns)
		return;
	self->wants_cycle = false;
	self->clock_until_ns = self->now_ns + SLIRP_CLOCK_NS;
	slirp_pollfds_poll(self->slirp, ready < 0, on_get_revents, self);
	self->is_filled = false;
}

/* ---- the link's operations ---- */

static int slirp_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		      unsigned n, uint64_t now_ns)
{
	struct slirp_link *self = (struct slirp_link *)link;
	unsigned count = 0;

	self->pool = pool;
	self->now_ns = now_ns;
	if (!self->head) {
		struct sigpipe_guard guard;

		sigpipe_enter(&guard, self->guards_sigpipe);
		slirp_cycle(self);
		sigpipe_leave(&guard);
	}
	while (count < n && self->head) {
		struct tee_pkt *pkt = self->head;

		self->head = pkt->next;
		pkt->next = NULL;
		self->queue_bytes -= pkt->len;
		ret_pkts[count++] = pkt;
	}
	if (!self->head)
		self->tail = NULL;
	self->rx_frames += count;
	return (int)count;
}

/*
 * ARP and ND answers only unlock what libslirp has queued; it goes out in the next cycle, which no
 * descriptor would start.
 */
static bool unlocks_queue(const uint8_t *frame, size_t len)
{
	uint16_t type = load_be16(frame + 12);

	if (type == ETHERTYPE_IP6)
		return len > ETHERNET_HEADER_LEN + 6 &&
		       frame[ETHERNET_HEADER_LEN + 6] == IP_PROTO_ICMP6;
	return type == ETHERTYPE_ARP;
}

static int slirp_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct slirp_link *self = (struct slirp_link *)link;
	struct sigpipe_guard guard;

	self->now_ns = now_ns;
	sigpipe_enter(&guard, self->guards_sigpipe);
	if (n > 0 && now_ns >= self->clock_until_ns) {
		self->wants_cycle = true;
		slirp_cycle(self);
	}
	for (unsigned i = 0; i < n; i++) {
		if (frames[i].len > sizeof(self->input) || frames[i].len < ETHERNET_HEADER_LEN) {
			self->tx_oversize++;
			continue;
		}
		tee_frame_copy(&frames[i], self->input);
		slirp_input(self->slirp, self->input, (int)frames[i].len);
		self->wants_cycle |= unlocks_queue(self->input, frames[i].len);
	}
	sigpipe_leave(&guard);
	self->is_filled = false;
	self->tx_frames += n;
	return (int)n;
}

static int slirp_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct slirp_link *self = (struct slirp_link *)link;

	if (n == 0)
		return 0;
	slirp_refill(self);
	fds[0] = (struct tee_link_poll){.fd = self->watch.epoll_fd, .events = POLLIN};
	return 1;
}

static void slirp_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			    uint64_t now_ns)
{
	struct slirp_link *self = (struct slirp_link *)link;

	(void)now_ns;
	self->is_quiet = n > 0 && fds[0].revents == 0;
}

static uint64_t slirp_deadline(struct tee_link *link)
{
	struct slirp_link *self = (struct slirp_link *)link;
	uint64_t earliest_ns;

	if (self->head || self->wants_cycle)
		return 0;
	slirp_refill(self);
	earliest_ns = self->wake_at_ns;
	for (const struct slirp_timer *timer = self->timers; timer; timer = timer->next)
		if (timer->expire_ns < earliest_ns)
			earliest_ns = timer->expire_ns;
	return earliest_ns;
}

static bool slirp_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			  uint64_t *ret_value)
{
	const struct slirp_link *self = (const struct slirp_link *)link;
	const struct link_counter counters[] = {
		{"slirp.rx_frames", self->rx_frames},
		{"slirp.tx_frames", self->tx_frames},
		{"slirp.rx_overflows", self->rx_overflows},
		{"slirp.rx_no_memory", self->rx_no_memory},
		{"slirp.tx_oversize", self->tx_oversize},
		{"slirp.guest_errors", self->guest_errors},
		{"slirp.watch_failures", self->watch.failures},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), NULL, idx, ret_name, ret_value);
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TEE_NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * What we sent is acknowledged by libslirp, not by the far host: it may still stand in libslirp's
 * buffer when our connection is over. Ending now would cut its tail off.
 */
static void slirp_linger(struct slirp_link *self)
{
	const uint64_t start_ns = clock_ns(), began_at_ns = self->now_ns;

	/* The stack may be gone; nobody will take frames any more. */
	self->pool = NULL;
	while (slirp_debt_exists(self->slirp) && clock_ns() - start_ns < SLIRP_LINGER_NS) {
		struct pollfd pollfd = {.fd = self->watch.epoll_fd, .events = POLLIN};

		slirp_refill(self);
		poll(&pollfd, 1, 10);
		self->now_ns = began_at_ns + (clock_ns() - start_ns);
		slirp_cycle(self);
	}
}

static void slirp_close(struct tee_link *link)
{
	struct slirp_link *self = (struct slirp_link *)link;

	if (self->slirp) {
		struct sigpipe_guard guard;

		sigpipe_enter(&guard, self->guards_sigpipe);
		slirp_linger(self);
		pthread_mutex_lock(&instances_lock);
		slirp_cleanup(self->slirp);
		pthread_mutex_unlock(&instances_lock);
		sigpipe_leave(&guard);
	}
	while (self->head) {
		struct tee_pkt *pkt = self->head;

		self->head = pkt->next;
		tee_pkt_release(pkt);
	}
	while (self->timers)
		on_timer_free(self->timers, self);
	slirp_watch_fini(&self->watch);
	tee_pool_free(self->early_pool);
	free(self);
}

static const struct tee_link_ops slirp_ops = {
	.recv = slirp_recv,
	.send = slirp_send,
	.poll_fds = slirp_poll_fds,
	.poll_done = slirp_poll_done,
	.deadline = slirp_deadline,
	.counter = slirp_counter,
	.close = slirp_close,
};

/* ---- opening ---- */

static void slirp_fill_info(struct tee_link_info *info, uint32_t mtu, bool has_ip6)
{
	info->kind = TEE_NETIF_ETHERNET;
	snprintf(info->name, sizeof(info->name), "slirp");
	info->mtu = mtu;
	info->offloads = TEE_OFFLOAD_RX_TRUSTED;
	info->gso_bytes_max = mtu;
	info->has_ip4 = true;
	info->ip4 = TEE_IP4(10, 0, 2, 15);
	info->gateway4 = TEE_IP4(10, 0, 2, 2);
	info->dns4 = TEE_IP4(10, 0, 2, 3);
	info->prefix4_bits = 24;
	info->has_ip6 = has_ip6;
	info->ip6 = info->gateway6 = info->dns6 = SLIRP_PREFIX6;
	info->ip6.byte[15] = 0x15;
	info->gateway6.byte[15] = 2;
	info->dns6.byte[15] = 3;
	info->prefix6_bits = 64;
}

static struct in_addr in4(const struct tee_ip *ip)
{
	struct in_addr in;

	memcpy(&in, ip->byte + 12, sizeof(in));
	return in;
}

static struct in6_addr in6(const struct tee_ip *ip)
{
	struct in6_addr in;

	memcpy(&in, ip->byte, sizeof(in));
	return in;
}

static Slirp *slirp_start(struct slirp_link *self)
{
	const struct tee_link_info *info = &self->link.info;
	SlirpConfig config = {
		.version = SLIRP_CONFIG_VERSION_MAX < 4 ? SLIRP_CONFIG_VERSION_MAX : 4,
		.in_enabled = true,
		.vnetwork = {htonl(0x0a000200)},
		.vnetmask = {htonl(0xffffff00)},
		.vhost = in4(&info->gateway4),
		.vdhcp_start = in4(&info->ip4),
		.vnameserver = in4(&info->dns4),
		.in6_enabled = info->has_ip6,
		.vprefix_addr6 = in6(&SLIRP_PREFIX6),
		.vprefix_len = (uint8_t)info->prefix6_bits,
		.vhost6 = in6(&info->gateway6),
		.vnameserver6 = in6(&info->dns6),
		.if_mtu = info->mtu,
		.if_mru = info->mtu,
	};
	Slirp *slirp;

	pthread_mutex_lock(&instances_lock);
	slirp = slirp_new(&config, &callbacks, self);
	pthread_mutex_unlock(&instances_lock);
	return slirp;
}

/* A port from 1 to 65535; returns where it ends, or NULL. */
static const char *read_port(const char *text, unsigned *ret_port)
{
	unsigned long port;
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	port = strtoul(text, &end, 10);
	if (port == 0 || port > 65535)
		return NULL;
	*ret_port = (unsigned)port;
	return end;
}

/* "8080-80": the host's 127.0.0.1:8080 is our port 80. */
static int slirp_forward(struct slirp_link *self, const struct link_option *option,
			 char ret_error[TEE_LINK_ERROR_SIZE])
{
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
	bool is_udp = !strcmp(option->key, "udp");
	unsigned host_port = 0, port = 0;
	const char *at = read_port(option->value, &host_port);

	if (at)
		at = *at == '-' ? read_port(at + 1, &port) : NULL;
	if (!at || *at)
		return link_fail(ret_error, -TEE_EINVAL,
				 "slirp: '%s=%.32s' must be HOSTPORT-PORT such as 8080-80",
				 option->key, option->value);
	if (slirp_add_hostfwd(self->slirp, is_udp, loopback, (int)host_port,
			      in4(&self->link.info.ip4), (int)port) < 0)
		return link_fail(ret_error, link_result_of_errno(errno),
				 "slirp can't listen on the host's 127.0.0.1 port %u (%s): choose "
				 "a port that is free%s",
				 host_port, strerror(errno),
				 host_port < 1024 ? ", at or above 1024 for ordinary users" : "");
	return 0;
}

static int slirp_open_parts(struct slirp_link *self, const struct link_spec *spec,
			    char ret_error[TEE_LINK_ERROR_SIZE])
{
	uint32_t mtu = SLIRP_MTU_DEFAULT, ip6 = 1;
	int result;

	self->link.info.mac = (struct tee_mac){{0x52, 0x54, 0x00, 'T', 'E', 'E'}};
	if ((result = link_spec_u32(spec, "mtu", SLIRP_MTU_MIN, SLIRP_MTU_MAX, &mtu, ret_error)) <
		    0 ||
	    (result = link_spec_u32(spec, "ip6", 0, 1, &ip6, ret_error)) < 0 ||
	    (result = link_spec_mac(spec, &self->link.info.mac, ret_error)) < 0)
		return result;
	slirp_fill_info(&self->link.info, mtu, ip6);
	self->early_pool = tee_pool_new(0);
	if (!self->early_pool)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the slirp link");
	result = slirp_watch_init(&self->watch);
	if (result < 0)
		return link_fail(ret_error, result, "slirp can't make an epoll descriptor: %s",
				 strerror(errno));
	self->guards_sigpipe = !sigpipe_is_ignored();
	self->slirp = slirp_start(self);
	if (!self->slirp)
		return link_fail(ret_error, -TEE_EIO, "libslirp %s doesn't start",
				 slirp_version_string());
	for (unsigned i = 0; i < spec->option_count; i++) {
		const char *key = spec->options[i].key;

		if (strcmp(key, "tcp") != 0 && strcmp(key, "udp") != 0)
			continue;
		result = slirp_forward(self, &spec->options[i], ret_error);
		if (result < 0)
			return result;
	}
	return 0;
}

static int slirp_open(const struct link_spec *spec, struct tee_link **ret_link,
		      char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct slirp_link *self = calloc(1, sizeof(*self));
	int result;

	if (!self)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the slirp link");
	self->link.ops = &slirp_ops;
	self->watch.epoll_fd = -1;
	result = slirp_open_parts(self, spec, ret_error);
	if (result < 0) {
		slirp_close(&self->link);
		return result;
	}
	*ret_link = &self->link;
	return 0;
}

static int slirp_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	struct link_spec spec = {.kind = "slirp", .name = ""};
	struct tee_link *link = NULL;
	int result = slirp_open(&spec, &link, ret_reason);

	if (result < 0)
		return result;
	tee_link_close(link);
	ret_reason[0] = '\0';
	return 0;
}

const struct link_kind link_kind_slirp = {
	.about = {.name = "slirp",
		  .syntax = "slirp[:mtu=N,tcp=HOSTPORT-PORT,udp=HOSTPORT-PORT,ip6=0,mac=MAC]",
		  .summary = "the host's sockets through libslirp, without root"},
	.keys = "mtu tcp udp ip6 mac",
	.open = slirp_open,
	.probe = slirp_probe,
};
