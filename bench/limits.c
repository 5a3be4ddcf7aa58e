// SPDX-License-Identifier: MIT
/*
 * What this machine allows at best, whatever stack runs on it: what a copy, a wake-up, a system call, a frame
 * through a TAP and a fresh page take, without a stack. bench/limits.py makes bounds of them for what
 * bench/run measures.
 *
 * Each experiment is a short run; all take turns, and a figure is the median of its runs (bench/run asks for one
 * run between any two of its cases, and takes the median of those):
 *
 *	copy	256 KiB again and again within one core; then two threads, each held to a core of its own: one copies
 *		into a ring, the other out of it, the clock read around the copies alone. One place in the ring:
 *		into memory that the other has just read. 32 places, 8 MiB: into memory that it read long ago.
 *		The other's copies are out of memory that was written just now by another core.
 *	turns	the two threads take turns, by a cache line in memory; by two eventfds, sleeping (each wakes the other
 *		and sleeps until it is woken) and polling (each call that finds nothing is made again)
 *	call	a system call that does nothing
 *	TAP	frames that the kernel drops as soon as it has looked at them, since nobody takes their kind, are
 *		written; frames that a socket sent into the TAP are read, sent from the other core where
 *		there is one, as received ones are; those of an Ethernet's size are cut by the kernel out of
 *		super-frames, as TCP's are, and so lie in pages that they share
 *	touch	each page of fresh memory is written to for the first time, small pages and huge ones
 *
 * What can't be had is null: with one core what takes two, without the permission what takes a TAP.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <math.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

enum {
	RUNS_MAX = 15,
	SAMPLES_MAX = 1 << 16,
	RING_PLACES = 32, /* of BENCH_BUFFER_BYTES: 8 MiB */
	TURNS_AT_ONCE =
		32, /* between two looks at the clock, where a turn takes less than a look */
	CALLS_AT_ONCE = 50,
	VNET_BYTES = 12,
	FRAME_BYTES_MAX = 66 + 181 * 1448, /* the largest super-frame that a TAP gets */
	SUPER_SEGMENTS = 45,               /* of the largest that it gives */
	MTU_BYTES = 65300,                 /* of the TAP, for what a socket may send into it */
	ETHER_TYPE = 0x88b5,               /* for experiments; nobody takes it */
	TOUCH_BYTES = 32 << 20,
	PAGE_BYTES = 4096,
	HUGE_BYTES = 2 << 20,
};

/* What is measured, as it is called in the line of JSON. */
enum metric {
	COPY_LOCAL,
	COPY_OLD,
	COPY_FRESH,
	COPY_OUT,
	WAKE_P50,
	WAKE_P99,
	LINE_P50,
	POLL_P50,
	CALL,
	TAP_WRITE,
	TAP_READ,
	TAP_WRITE_FULL,
	TAP_READ_FULL,
	TAP_WRITE_SUPER,
	TAP_READ_SUPER,
	TOUCH_SMALL,
	TOUCH_HUGE,
	METRICS,
};

static const char *const names[] = {
	"copy_local_gb_s",
	"copy_read_long_ago_gb_s",
	"copy_just_read_gb_s",
	"copy_just_written_gb_s",
	"wake_p50_us",
	"wake_p99_us",
	"line_p50_us",
	"poll_p50_us",
	"call_us",
	"tap_write_us",
	"tap_read_us",
	"tap_write_full_us",
	"tap_read_full_us",
	"tap_write_super_us",
	"tap_read_super_us",
	"touch_gb_s",
	"touch_huge_gb_s",
};
_Static_assert(sizeof(names) / sizeof(names[0]) == METRICS, "a name for each");

/* A frame that is written to the TAP or read from it. */
struct kind {
	size_t bytes;
	unsigned waiting; /* how many wait to be read: what a queue holds with ease, and a cache */
	enum metric metric;
	bool is_cut; /* out of super-frames of SUPER_SEGMENTS */
};

static const struct kind written[] = {
	/* a TCP segment without text, with timestamps; one of an Ethernet; the largest super-frame that a TAP gets */
	{66, 0, TAP_WRITE, false},
	{1514, 0, TAP_WRITE_FULL, false},
	{FRAME_BYTES_MAX, 0, TAP_WRITE_SUPER, false},
};
static const struct kind received[] = {
	{66, 500, TAP_READ, false},
	{1514, 11 * SUPER_SEGMENTS, TAP_READ_FULL, true},
	/* the largest that it gives */
	{66 + SUPER_SEGMENTS * 1448, 10, TAP_READ_SUPER, false},
};

/* How two threads take turns. */
enum way {
	WAY_LINE,
	WAY_POLL,
	WAY_SLEEP,
};

/* What each of many times the same took: the median is not moved by what interrupts some of them. */
struct samples {
	uint32_t ns[SAMPLES_MAX];
	size_t count;
};

struct limits {
	uint64_t run_ns;
	unsigned cpus; /* 1, or 2 that are held */
	int cpu[2];
	int tap, sender, super_sender, ifindex; /* -1: there is none */
	unsigned run;
	double values[METRICS][RUNS_MAX]; /* NAN: can't be had */
};

/* Two threads that take turns; 0 is the measuring one. */
struct pair {
	_Alignas(128) _Atomic unsigned turn; /* whose it is, WAY_LINE */
	_Alignas(128) _Atomic bool is_over;
	enum way way;
	int fds[2]; /* of each, where it is told; the other ways */
	int cpu;    /* of thread 1 */
	/* What thread 1 does in its turn, NULL for nothing. */
	const uint8_t *from;
	uint8_t *to;
	pthread_t thread;
};

static uint8_t source[BENCH_BUFFER_BYTES], sink[2][BENCH_BUFFER_BYTES];
static struct samples own, partners;

static void note(struct limits *limits, enum metric metric, double value)
{
	limits->values[metric][limits->run] = value;
}

static bool is_over(const struct limits *limits, uint64_t start_ns)
{
	return bench_now_ns() - start_ns >= limits->run_ns || own.count == SAMPLES_MAX;
}

static void take(struct samples *samples, uint64_t took_ns)
{
	if (samples->count < SAMPLES_MAX)
		samples->ns[samples->count++] = (uint32_t)took_ns;
}

static int compare(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return (first > second) - (first < second);
}

/* What `share` of 100 of the samples did not exceed; NAN: there are none. */
static double quantile_ns(struct samples *samples, size_t share)
{
	size_t at = samples->count ? (samples->count - 1) * share / 100 : 0;

	qsort(samples->ns, samples->count, sizeof(samples->ns[0]), compare);
	return samples->count ? samples->ns[at] : NAN;
}

/* A copy that no compiler takes out of the loop, and its time. */
static uint64_t timed_copy(uint8_t *to, const uint8_t *from)
{
	uint64_t start_ns = bench_now_ns();

	memcpy(to, from, BENCH_BUFFER_BYTES);
	__asm__ volatile("" ::"r"(to) : "memory");
	return bench_now_ns() - start_ns;
}

/* ---- two threads ---- */

static void pass(struct pair *pair, unsigned to)
{
	const uint64_t one = 1;

	if (pair->way == WAY_LINE)
		atomic_store_explicit(&pair->turn, to, memory_order_release);
	else if (write(pair->fds[to], &one, sizeof(one)) != sizeof(one))
		bench_fail("can't write to an eventfd: %s", strerror(errno));
}

static void await(struct pair *pair, unsigned self)
{
	uint64_t told;

	if (pair->way == WAY_LINE) {
		while (atomic_load_explicit(&pair->turn, memory_order_acquire) != self)
			continue;
		return;
	}
	while (read(pair->fds[self], &told, sizeof(told)) < 0)
		if (errno != EAGAIN && errno != EINTR)
			bench_fail("can't read an eventfd: %s", strerror(errno));
}

static void *run_partner(void *arg)
{
	struct pair *pair = arg;

	for (;;) {
		await(pair, 1);
		if (atomic_load(&pair->is_over))
			return NULL;
		if (pair->from) {
			take(&partners, timed_copy(pair->to, pair->from));
		}
		pass(pair, 0);
	}
}

static bool pair_init(struct pair *pair, const struct limits *limits, enum way way)
{
	memset(pair, 0, sizeof(*pair));
	pair->way = way;
	pair->fds[0] = pair->fds[1] = -1;
	if (limits->cpus < 2)
		return false;
	for (unsigned i = 0; i < 2 && way != WAY_LINE; i++) {
		pair->fds[i] = eventfd(0, EFD_CLOEXEC | (way == WAY_POLL ? EFD_NONBLOCK : 0));
		if (pair->fds[i] < 0)
			bench_fail("no eventfd: %s", strerror(errno));
	}
	return bench_thread_on(&pair->thread, limits->cpu[1], run_partner, pair);
}

static void pair_fini(struct pair *pair)
{
	atomic_store(&pair->is_over, true);
	pass(pair, 1);
	pthread_join(pair->thread, NULL);
	for (unsigned i = 0; i < 2; i++)
		if (pair->fds[i] >= 0)
			close(pair->fds[i]);
}

/* Round trips; `p99` METRICS: not wanted. */
static void measure_turns(struct limits *limits, enum way way, enum metric p50, enum metric p99)
{
	unsigned at_once = way == WAY_SLEEP ? 1 : TURNS_AT_ONCE;
	struct pair pair;
	uint64_t start_ns, before_ns, now_ns;

	if (!pair_init(&pair, limits, way))
		return;
	own.count = 0;
	before_ns = start_ns = bench_now_ns();
	do {
		for (unsigned i = 0; i < at_once; i++) {
			pass(&pair, 1);
			await(&pair, 0);
		}
		now_ns = bench_now_ns();
		take(&own, now_ns - before_ns);
		before_ns = now_ns;
	} while (!is_over(limits, start_ns));
	pair_fini(&pair);
	note(limits, p50, quantile_ns(&own, 50) / 1e3 / at_once);
	if (p99 < METRICS)
		note(limits, p99, quantile_ns(&own, 99) / 1e3 / at_once);
}

/* ---- copying ---- */

static void measure_copy(struct limits *limits)
{
	uint64_t start_ns = bench_now_ns();

	timed_copy(sink[0], source);
	own.count = 0;
	do
		take(&own, timed_copy(sink[0], source));
	while (!is_over(limits, start_ns));
	note(limits, COPY_LOCAL, BENCH_BUFFER_BYTES / quantile_ns(&own, 50));
}

/* Through a ring to the other core. The first time round is not counted: nobody has read there yet. */
static void measure_copy_across(struct limits *limits, unsigned places, enum metric into,
				enum metric out)
{
	static _Alignas(PAGE_BYTES) uint8_t ring[RING_PLACES][BENCH_BUFFER_BYTES];
	uint64_t start_ns;
	struct pair pair;

	partners.count = 0;
	if (!pair_init(&pair, limits, WAY_LINE))
		return;
	start_ns = bench_now_ns();
	own.count = 0;
	pair.to = sink[1];
	for (unsigned i = 0; i <= places || !is_over(limits, start_ns); i++) {
		uint64_t copy_ns = timed_copy(ring[i % places], source);

		if (i >= places)
			take(&own, copy_ns);
		pair.from = ring[i % places];
		pass(&pair, 1);
		await(&pair, 0);
	}
	pair_fini(&pair);
	note(limits, into, BENCH_BUFFER_BYTES / quantile_ns(&own, 50));
	if (out < METRICS)
		note(limits, out, BENCH_BUFFER_BYTES / quantile_ns(&partners, 50));
}

/* ---- system calls ---- */

static void measure_call(struct limits *limits)
{
	uint64_t start_ns = bench_now_ns(), before_ns;

	own.count = 0;
	do {
		before_ns = bench_now_ns();
		for (unsigned i = 0; i < CALLS_AT_ONCE; i++)
			syscall(SYS_getppid);
		take(&own, bench_now_ns() - before_ns);
	} while (!is_over(limits, start_ns));
	note(limits, CALL, quantile_ns(&own, 50) / 1e3 / CALLS_AT_ONCE);
}

/* ---- a TAP with nobody behind it ---- */

static bool bring_up(struct limits *limits, struct ifreq *request)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_up;

	if (fd < 0)
		return false;
	request->ifr_flags = IFF_UP;
	is_up = !ioctl(fd, SIOCSIFFLAGS, request);
	request->ifr_mtu = MTU_BYTES;
	is_up = is_up && !ioctl(fd, SIOCSIFMTU, request) && !ioctl(fd, SIOCGIFINDEX, request);
	close(fd);
	limits->ifindex = request->ifr_ifindex;
	return is_up;
}

static void open_tap(struct limits *limits)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
				.ifr_name = "teelimits%d"};
	int header_bytes = VNET_BYTES, on = 1;

	limits->sender = limits->super_sender = -1;
	limits->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (limits->tap < 0)
		return;
	if (ioctl(limits->tap, TUNSETIFF, &request) < 0 ||
	    ioctl(limits->tap, TUNSETVNETHDRSZ, &header_bytes) < 0 || !bring_up(limits, &request)) {
		close(limits->tap);
		limits->tap = -1;
		return;
	}
	/* Protocol 0: it receives nothing. */
	limits->sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	limits->super_sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	setsockopt(limits->super_sender, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on));
}

/* A broadcast that nobody takes, behind a virtio-net header. */
static uint8_t frame[VNET_BYTES + FRAME_BYTES_MAX];

static void make_frame(void)
{
	const struct ether_header ether = {.ether_dhost = {255, 255, 255, 255, 255, 255},
					   .ether_shost = {2, 0, 0, 0, 0, 9},
					   .ether_type = htons(ETHER_TYPE)};

	memset(frame, 0, sizeof(frame));
	memcpy(frame + VNET_BYTES, &ether, sizeof(ether));
}

static void measure_tap_write(struct limits *limits, const struct kind *kind)
{
	uint64_t start_ns = bench_now_ns(), before_ns;

	if (limits->tap < 0)
		return;
	own.count = 0;
	do {
		before_ns = bench_now_ns();
		for (unsigned i = 0; i < CALLS_AT_ONCE; i++)
			if (write(limits->tap, frame, VNET_BYTES + kind->bytes) < 0)
				return;
		take(&own, bench_now_ns() - before_ns);
	} while (!is_over(limits, start_ns));
	note(limits, kind->metric, quantile_ns(&own, 50) / 1e3 / CALLS_AT_ONCE);
}

struct filling {
	const struct limits *limits;
	const struct kind *kind;
};

/* A super-frame of TCP behind its virtio-net header, to nobody. */
static struct {
	struct virtio_net_hdr vnet;
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t timestamps[12], text[SUPER_SEGMENTS * 1448];
} __attribute__((packed)) super;

static void make_super(void)
{
	super.vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					     .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					     .hdr_len = 66,
					     .gso_size = 1448,
					     .csum_start = 34,
					     .csum_offset = 16};
	memcpy(&super.ether, frame + VNET_BYTES, sizeof(super.ether));
	super.ether.ether_type = htons(ETHERTYPE_IP);
	super.ip = (struct iphdr){.version = 4,
				  .ihl = 5,
				  .tot_len = htons(52 + sizeof(super.text)),
				  .ttl = 64,
				  .protocol = IPPROTO_TCP,
				  .saddr = htonl(0x0a630001),
				  .daddr = htonl(0x0a630002)};
	super.tcp = (struct tcphdr){.doff = 8, .ack = 1};
	memcpy(super.timestamps, (const uint8_t[]){1, 1, 8, 10}, 4);
}

/* Puts frames into the TAP's queue; what does not fit is lost. */
static void *fill_tap(void *arg)
{
	const struct filling *filling = arg;
	const struct kind *kind = filling->kind;
	struct sockaddr_ll name = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(kind->is_cut ? ETHERTYPE_IP : ETHER_TYPE),
				   .sll_ifindex = filling->limits->ifindex,
				   .sll_halen = ETH_ALEN};

	for (unsigned i = 0; i < kind->waiting / (kind->is_cut ? SUPER_SEGMENTS : 1); i++) {
		if (kind->is_cut)
			sendto(filling->limits->super_sender, &super, sizeof(super), 0,
			       (const struct sockaddr *)&name, sizeof(name));
		else
			sendto(filling->limits->sender, frame + VNET_BYTES, kind->bytes, 0,
			       (const struct sockaddr *)&name, sizeof(name));
	}
	return NULL;
}

/* Takes what waits; the time counts if that is all that was put there, and the kernel had nothing to say itself. */
static void empty_tap(const struct limits *limits, unsigned waiting)
{
	static uint8_t got[sizeof(frame)];
	uint64_t start_ns = bench_now_ns(), end_ns = start_ns;
	unsigned count = 0;

	while (read(limits->tap, got, sizeof(got)) > 0) {
		count++;
		end_ns = bench_now_ns();
	}
	if (count == waiting)
		take(&own, end_ns - start_ns);
}

static void measure_tap_read(struct limits *limits, const struct kind *kind)
{
	struct filling filling = {limits, kind};
	uint64_t start_ns = bench_now_ns();
	pthread_t thread;

	if (limits->tap < 0 || limits->sender < 0)
		return;
	own.count = 0;
	do {
		if (limits->cpus < 2)
			fill_tap(&filling);
		else if (bench_thread_on(&thread, limits->cpu[1], fill_tap, &filling))
			pthread_join(thread, NULL);
		empty_tap(limits, kind->waiting);
	} while (!is_over(limits, start_ns));
	note(limits, kind->metric, quantile_ns(&own, 50) / 1e3 / kind->waiting);
}

/* ---- fresh memory ---- */

/* The first write to each page of a whole that begins at a huge page's. */
static void touch(uint8_t *start)
{
	for (size_t at = 0; at < TOUCH_BYTES; at += HUGE_BYTES) {
		uint64_t before_ns = bench_now_ns();

		for (size_t page = 0; page < HUGE_BYTES; page += PAGE_BYTES)
			*(volatile uint8_t *)(start + at + page) = 1;
		take(&own, bench_now_ns() - before_ns);
	}
}

static void measure_touch(struct limits *limits, int advice, enum metric metric)
{
	uint64_t start_ns = bench_now_ns();

	own.count = 0;
	do {
		uint8_t *all = mmap(NULL, TOUCH_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (all == MAP_FAILED)
			return;
		if (madvise(all, TOUCH_BYTES + HUGE_BYTES, advice) == 0)
			touch(all + (HUGE_BYTES - (uintptr_t)all % HUGE_BYTES));
		munmap(all, TOUCH_BYTES + HUGE_BYTES);
	} while (!is_over(limits, start_ns));
	note(limits, metric, HUGE_BYTES / quantile_ns(&own, 50));
}

/* ---- all of it ---- */

/* This thread is held to the first processor that it may use; the second is for the other. */
static void find_cpus(struct limits *limits)
{
	cpu_set_t allowed, one;

	limits->cpus = 0;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
	for (int i = 0; i < CPU_SETSIZE && limits->cpus < 2; i++)
		if (CPU_ISSET((size_t)i, &allowed))
			limits->cpu[limits->cpus++] = i;
	CPU_ZERO(&one);
	CPU_SET((size_t)limits->cpu[0], &one);
	if (limits->cpus == 0 || sched_setaffinity(0, sizeof(one), &one) < 0)
		limits->cpus = 1;
}

static void run_all(struct limits *limits)
{
	measure_copy(limits);
	measure_copy_across(limits, RING_PLACES, COPY_OLD, COPY_OUT);
	measure_copy_across(limits, 1, COPY_FRESH, METRICS);
	measure_turns(limits, WAY_SLEEP, WAKE_P50, WAKE_P99);
	measure_turns(limits, WAY_LINE, LINE_P50, METRICS);
	measure_turns(limits, WAY_POLL, POLL_P50, METRICS);
	measure_call(limits);
	for (unsigned i = 0; i < sizeof(written) / sizeof(written[0]); i++)
		measure_tap_write(limits, &written[i]);
	for (unsigned i = 0; i < sizeof(received) / sizeof(received[0]); i++)
		measure_tap_read(limits, &received[i]);
	measure_touch(limits, MADV_NOHUGEPAGE, TOUCH_SMALL);
	measure_touch(limits, MADV_HUGEPAGE, TOUCH_HUGE);
}

static int compare_doubles(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

/* The median of a metric's runs as JSON has it. */
static void print_median(struct limits *limits, enum metric metric, unsigned runs)
{
	double *values = limits->values[metric];

	for (unsigned i = 0; i < runs; i++)
		if (isnan(values[i])) {
			printf(", \"%s\": null", names[metric]);
			return;
		}
	qsort(values, runs, sizeof(values[0]), compare_doubles);
	printf(", \"%s\": %.3f", names[metric], values[runs / 2]);
}

int bench_limits(int argc, char **argv)
{
	static struct limits limits;
	unsigned runs = argc == 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;

	if (runs < 1 || runs > RUNS_MAX)
		bench_fail("limits SECONDS RUNS: of each run, and of each experiment, at most %d",
			   RUNS_MAX);
	limits.run_ns = (uint64_t)(strtod(argv[0], NULL) * 1e9);
	for (unsigned metric = 0; metric < METRICS; metric++)
		for (unsigned i = 0; i < runs; i++)
			limits.values[metric][i] = NAN;
	memset(source, 1, sizeof(source));
	memset(sink, 1, sizeof(sink));
	make_frame();
	make_super();
	find_cpus(&limits);
	open_tap(&limits);
	for (limits.run = 0; limits.run < runs; limits.run++)
		run_all(&limits);
	printf("{\"runs\": %u, \"cores\": %u", runs, limits.cpus);
	for (unsigned metric = 0; metric < METRICS; metric++)
		print_median(&limits, metric, runs);
	puts("}");
	return 0;
}
