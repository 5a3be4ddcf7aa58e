// SPDX-License-Identifier: MIT
/*
 * lwIP as a client of the kernel's server, over a TAP with frames as on an Ethernet: lwIP knows no
 * offloads. Its raw interface of callbacks is used, its fastest, in one thread. bench/lwip/build makes this
 * program, with lwIP's own source and the settings of lwipopts.h.
 *
 * Frames are read straight into lwIP's buffers and written from them, one system call each.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#include "../bench.h"

enum { FRAME_BYTES = 1514, PIECES_MAX = 16, BUDGET = 64, WRITE_BYTES = 0xffff };

struct client {
	const struct bench_job *job;
	int fd;
	struct netif netif;
	ip_addr_t there;
	u16_t port;
	bool is_open;
	uint64_t bytes, ended_count, reset_count;
};

static struct client client;
static uint8_t buffer[WRITE_BYTES];

u32_t sys_now(void)
{
	return (u32_t)(bench_now_ns() / 1000000);
}

static void must(err_t result, const char *what)
{
	if (result != ERR_OK)
		bench_fail("lwIP: %s: error %d", what, result);
}

/* ---- the TAP ---- */

static int open_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		bench_fail("TAP %s: %s", name, strerror(errno));
	return fd;
}

static int gather(struct iovec *iov, struct pbuf *pbuf)
{
	int count = 0;

	for (; pbuf && count < PIECES_MAX; pbuf = pbuf->next)
		iov[count++] = (struct iovec){pbuf->payload, pbuf->len};
	return count;
}

static err_t write_frame(struct netif *netif, struct pbuf *pbuf)
{
	struct iovec iov[PIECES_MAX];

	(void)netif;
	if (writev(client.fd, iov, gather(iov, pbuf)) >= 0)
		return ERR_OK;
	return errno == EAGAIN || errno == ENOBUFS ? ERR_MEM : ERR_IF;
}

static bool read_frames(void)
{
	static struct pbuf *pbuf;
	struct iovec iov[PIECES_MAX];
	unsigned count = 0;
	ssize_t len;

	for (; count < BUDGET; count++) {
		if (!pbuf)
			pbuf = pbuf_alloc(PBUF_RAW, FRAME_BYTES, PBUF_POOL);
		if (!pbuf)
			bench_fail("lwIP has no memory");
		len = readv(client.fd, iov, gather(iov, pbuf));
		if (len <= 0)
			break;
		pbuf_realloc(pbuf, (u16_t)len);
		if (client.netif.input(pbuf, &client.netif) != ERR_OK)
			pbuf_free(pbuf);
		pbuf = NULL;
	}
	return count > 0;
}

static err_t fill_netif(struct netif *netif)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 10};

	memcpy(netif->hwaddr, mac, sizeof(mac));
	netif->hwaddr_len = sizeof(mac);
	netif->mtu = 1500;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_LINK_UP;
	netif->output = etharp_output;
	netif->linkoutput = write_frame;
	return ERR_OK;
}

/* One turn of the loop: sleeps until something comes, unless something just did or `spins`. */
static void turn(bool spins)
{
	struct pollfd fd = {.fd = client.fd, .events = POLLIN};

	if (!read_frames() && !spins) {
		poll(&fd, 1, 100);
		read_frames();
	}
	sys_check_timeouts();
}

/* ---- connections ---- */

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t result)
{
	(void)arg, (void)pcb;
	must(result, "connecting");
	client.is_open = true;
	return ERR_OK;
}

static void on_error(void *arg, err_t result)
{
	(void)arg;
	must(result, "the connection");
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t result)
{
	(void)arg;
	must(result, "receiving");
	if (!pbuf)
		bench_fail("the connection ended");
	if (client.job->what[0] == 's') {
		u16_t done = 0;

		/* The application's copy. */
		while (done < pbuf->tot_len)
			done = (u16_t)(done + pbuf_copy_partial(pbuf, buffer, pbuf->tot_len, done));
	}
	client.bytes += pbuf->tot_len;
	tcp_recved(pcb, pbuf->tot_len);
	pbuf_free(pbuf);
	return ERR_OK;
}

static struct tcp_pcb *start(tcp_recv_fn received)
{
	struct tcp_pcb *pcb = tcp_new();

	if (!pcb)
		bench_fail("lwIP has no memory");
	tcp_err(pcb, on_error);
	tcp_recv(pcb, received);
	must(tcp_connect(pcb, &client.there, client.port, on_connected), "connecting");
	return pcb;
}

static struct tcp_pcb *dial(void)
{
	struct tcp_pcb *pcb = start(on_received);
	char wish[2];

	while (!client.is_open)
		turn(false);
	bench_job_wish(client.job, wish);
	must(tcp_write(pcb, wish, sizeof(wish), TCP_WRITE_FLAG_COPY), "writing");
	must(tcp_output(pcb), "writing");
	return pcb;
}

static void end(struct tcp_pcb *pcb)
{
	tcp_err(pcb, NULL);
	tcp_abort(pcb);
}

/* ---- the conversations ---- */

static void run_sink(void)
{
	struct tcp_pcb *pcb = dial();
	struct bench_meter meter;
	uint64_t taken;

	bench_meter_start(&meter, client.job);
	do {
		taken = 0;
		while (tcp_sndbuf(pcb) > 0) {
			u16_t len = (u16_t)LWIP_MIN(tcp_sndbuf(pcb), sizeof(buffer));

			if (tcp_write(pcb, buffer, len, TCP_WRITE_FLAG_COPY) != ERR_OK)
				break;
			taken += len;
		}
		tcp_output(pcb);
		turn(false);
	} while (bench_meter_add(&meter, taken));
	bench_meter_report(&meter);
	end(pcb);
}

static void run_source(void)
{
	struct tcp_pcb *pcb = dial();
	struct bench_meter meter;
	uint64_t before;

	bench_meter_start(&meter, client.job);
	do {
		before = client.bytes;
		turn(false);
	} while (bench_meter_add(&meter, client.bytes - before));
	bench_meter_report(&meter);
	end(pcb);
}

static void run_echo(void)
{
	uint64_t start_ns = bench_now_ns() + client.job->warm_up_ns, before_ns, after_ns;
	struct tcp_pcb *pcb = dial();
	struct bench_samples samples;

	bench_samples_init(&samples);
	tcp_nagle_disable(pcb);
	do {
		uint64_t before = client.bytes;

		before_ns = bench_now_ns();
		must(tcp_write(pcb, "x", 1, TCP_WRITE_FLAG_COPY), "writing");
		must(tcp_output(pcb), "writing");
		while (client.bytes == before)
			turn(client.job->spins);
		after_ns = bench_now_ns();
		if (before_ns >= start_ns)
			bench_samples_add(&samples, after_ns - before_ns);
	} while (after_ns < start_ns + client.job->measure_ns);
	bench_report_samples(&samples);
	end(pcb);
}

/*
 * A connection that was reset does not count; another takes its place. That happens to some when ports come round
 * again within seconds: lwIP's sequence numbers start where they did for the program before, and the kernel's
 * TIME-WAITs know them for old.
 */
static void on_reset(void *arg, err_t result);
static err_t on_ended(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t result);

static void start_one(void)
{
	tcp_err(start(on_ended), on_reset);
}

static void on_reset(void *arg, err_t result)
{
	(void)arg;
	if (result != ERR_RST || ++client.reset_count > 100 + client.ended_count / 100)
		must(result, "the connection");
	start_one();
}

static err_t on_ended(void *arg, struct tcp_pcb *pcb, struct pbuf *pbuf, err_t result)
{
	(void)arg;
	must(result, "receiving");
	if (pbuf)
		bench_fail("the server sent something");
	/* It was read to its end: how the rest of it goes concerns nobody. */
	tcp_err(pcb, NULL);
	must(tcp_close(pcb), "closing");
	client.ended_count++;
	start_one();
	return ERR_OK;
}

static void run_connect(void)
{
	uint64_t start_ns, cpu_ns, now_ns;

	/* The first doesn't count: a TAP that was just opened may be deaf for a second. */
	start_one();
	while (client.ended_count == 0)
		turn(false);
	for (unsigned i = 1; i < client.job->conns; i++)
		start_one();
	client.ended_count = 0;
	start_ns = bench_now_ns();
	cpu_ns = bench_cpu_ns();
	do {
		turn(false);
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + client.job->measure_ns);
	bench_report_rate(client.ended_count, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

int main(int argc, char **argv)
{
	struct bench_job job;
	ip4_addr_t own, mask;

	argc = bench_job_options(&job, argc - 1, argv + 1);
	argv++;
	if (argc != 7)
		bench_fail(
			"lwip-client sink|source|echo|connect TAP OWN-IP HOST PORT SECONDS SPIN");
	bench_job_set(&job, argv[0], argv[5], argv[6]);
	client.job = &job;
	client.fd = open_tap(argv[1]);
	client.port = (u16_t)atoi(argv[4]);
	srand((unsigned)bench_now_ns());
	lwip_init();
	IP4_ADDR(&mask, 255, 255, 255, 0);
	if (!ip4addr_aton(argv[2], &own) || !ipaddr_aton(argv[3], &client.there))
		bench_fail("that is no address");
	if (!netif_add(&client.netif, &own, &mask, IP4_ADDR_ANY4, NULL, fill_netif, ethernet_input))
		bench_fail("lwIP takes no interface");
	netif_set_default(&client.netif);
	netif_set_up(&client.netif);
	if (strcmp(job.what, "sink") == 0)
		run_sink();
	else if (strcmp(job.what, "source") == 0)
		run_source();
	else if (strcmp(job.what, "echo") == 0)
		run_echo();
	else
		run_connect();
	return 0;
}
