// SPDX-License-Identifier: MIT
/*
 * Opening a host: link string → link → decorators → stack → netif → addresses.
 *
 * The recorder stands outside of the impairment, so a recording shows what the stack saw: frames as it
 * sent them, before they were lost, and as they came in.
 *
 * Everything a failure leaves behind goes by the same door as an orderly end (host_free()).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/open.h"
#include "link/spec.h"

void tee_host_config_init(struct tee_host_config *config)
{
	memset(config, 0, sizeof(*config));
	tee_config_init(&config->stack);
	tee_host_memory(&config->stack.memory);
	config->cancel_fd = -1;
	/* Sequence numbers and ports must not be guessable; a failure leaves the wall clock. */
	if (getrandom(&config->stack.seed, sizeof(config->stack.seed), 0) !=
	    (ssize_t)sizeof(config->stack.seed))
		config->stack.seed = tee_host_now_ns() ^ clock_wall_offset_ns();
}

/* ---- the link and what wraps it ---- */

static int open_link(struct tee_host *host, const struct tee_host_config *config, char *ret_error)
{
	struct tee_impairment impairment;
	char reason[TEE_LINK_ERROR_SIZE] = "";
	struct tee_link *wrapped;
	int result = link_open(config->link ? config->link : "slirp", config->spin_ns > 0,
			       &host->link, reason);

	if (result < 0) {
		host->link = NULL;
		host_error(ret_error, result, "%s", reason);
		return result;
	}
	result = tee_link_gso(host->link, &wrapped);
	if (result < 0)
		return host_error(ret_error, result, "no memory for the link");
	host->link = wrapped;
	if (config->impair) {
		result = tee_impairment_parse(config->impair, &impairment, reason);
		if (result < 0)
			return host_error(ret_error, result, "%s", reason);
		if (impairment.seed == 0)
			impairment.seed = config->stack.seed;
		result = tee_link_impair(host->link, &impairment, &wrapped);
		if (result < 0)
			return host_error(ret_error, result, "can't impair the link: %s",
					  tee_strerror(result));
		host->link = wrapped;
	}
	if (config->pcap_path) {
		result = tee_link_pcapng(host->link, config->pcap_path, clock_wall_offset_ns(),
					 &wrapped, reason);
		if (result < 0)
			return host_error(ret_error, result, "%s", reason);
		host->link = wrapped;
	}
	return 0;
}

static int add_netif(struct tee_host *host, const struct tee_host_config *config, char *ret_error)
{
	const struct tee_link_info *info = &host->link->info;
	struct tee_netif_config netif = {
		.kind = info->kind,
		.mac = info->mac,
		.shares_mac = info->shares_mac,
		.shares_address = info->shares_address,
		.mtu = info->mtu,
		.offloads = info->offloads,
		.gso_bytes_max = info->gso_bytes_max,
		.far_gso_bytes_max = info->far_gso_bytes_max,
		.far_mac = info->far_mac,
	};
	int result;

	if (config->mtu > info->mtu)
		return host_error(ret_error, -TEE_EINVAL,
				  "the MTU %u is more than the link %s carries: at most %u",
				  config->mtu, info->name, info->mtu);
	if (config->mtu)
		netif.mtu = config->mtu;
	snprintf(netif.name, sizeof(netif.name), "%.15s", info->name);
	result = tee_netif_add(host->stack, &netif);
	if (result < 0)
		return host_error(ret_error, result, "the stack refuses the link %s (MTU %u): %s",
				  info->name, netif.mtu, tee_strerror(result));
	host->netif = result;
	result = tee_netif_set_up(host->stack, host->netif, true);
	if (result < 0)
		return host_error(ret_error, result, "can't bring the interface up: %s",
				  tee_strerror(result));
	return 0;
}

/* A window beyond what the link can hold would only be lost there; who set one himself knows better. */
static void limit_window(struct tee_config *stack, uint32_t room_bytes)
{
	struct tee_config defaults;

	tee_config_init(&defaults);
	if (room_bytes && stack->tcp_rcvbuf_max == defaults.tcp_rcvbuf_max &&
	    stack->tcp_rcvbuf_max > room_bytes)
		stack->tcp_rcvbuf_max = room_bytes;
}

static int make_stack(struct tee_host *host, const struct tee_host_config *config, char *ret_error)
{
	const struct tee_link_info *info = &host->link->info;
	struct tee_config stack = config->stack;

	/* Who is told its IPv6 address, or wants none, has nothing to ask routers for. */
	if (config->ip6 ? strcasecmp(config->ip6, "none") == 0 || config->gateway6
			: info->has_ip6 && !info->wants_dhcp)
		stack.ipv6_slaac = false;
	/* An address that is the host's too is the host's to probe and defend; some ports are ours. */
	if (info->shares_address) {
		stack.ipv6_slaac = stack.acd = false;
		stack.dad_transmits = 0;
		stack.port_min = info->port_min;
		stack.port_max = info->port_max;
	}
	if (!stack.acd_second_ns)
		stack.acd_second_ns = info->acd_second_ns;
	limit_window(&stack, info->room_bytes);
	host->stack = tee_stack_new(&stack, tee_host_now_ns());
	if (!host->stack)
		return host_error(ret_error, -TEE_ENOMEM, "no memory for a stack");
	if (config->trace)
		tee_trace_set(host->stack, config->trace, config->trace_arg);
	return add_netif(host, config, ret_error);
}

/* ---- the loop's descriptors ---- */

static void on_wake(void *arg, int fd, short revents)
{
	uint64_t count;
	ssize_t result = read(fd, &count, sizeof(count));

	(void)arg, (void)revents, (void)result;
}

static void on_cancel(void *arg, int fd, short revents)
{
	struct tee_host *host = arg;

	(void)revents;
	host->is_cancelled = true;
	tee_host_unwatch_fd(host, fd); /* it stays readable: once is enough */
	host_announce(host);
}

static int make_loop(struct tee_host *host, const struct tee_host_config *config, char *ret_error)
{
	int result = 0;

	host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	host->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (host->epoll_fd < 0 || host->wake_fd < 0)
		return host_error(ret_error, -host_error_of_errno(errno),
				  "can't make the event loop: %s", strerror(errno));
	result = host_watch_epoll(host, host->wake_fd, EPOLLIN, on_wake, host);
	if (result >= 0 && config->cancel_fd >= 0)
		result = host_watch_epoll(host, config->cancel_fd, EPOLLIN, on_cancel, host);
	if (result < 0)
		return host_error(ret_error, result, "can't watch descriptors: %s",
				  tee_strerror(result));
	return 0;
}

static struct tee_host *host_new(const struct tee_host_config *config)
{
	struct tee_host *host = calloc(1, sizeof(*host));
	pthread_condattr_t attr;

	if (!host)
		return NULL;
	host->epoll_fd = host->wake_fd = -1;
	host->spin_ns = host->spin_now_ns = config->spin_ns;
	host->frames = calloc(HOST_SEND_BATCH, sizeof(*host->frames));
	host->dns = config->dns ? strdup(config->dns) : NULL;
	if (!host->frames || (config->dns && !host->dns)) {
		free(host->frames);
		free(host->dns);
		free(host);
		return NULL;
	}
	timers_init(&host->timers);
	pthread_mutex_init(&host->mutex, NULL);
	pthread_mutex_init(&host->turnstile, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&host->cond, &attr);
	pthread_condattr_destroy(&attr);
	return host;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void host_free(struct tee_host *host)
{
	if (host->stack)
		host_drop_frames(host);
	host_watch_fini(host);
	tee_stack_free(host->stack);
	tee_link_close(host->link);
	timers_fini(&host->timers);
	close_fd(host->epoll_fd);
	close_fd(host->wake_fd);
	pthread_cond_destroy(&host->cond);
	pthread_mutex_destroy(&host->turnstile);
	pthread_mutex_destroy(&host->mutex);
	free(host->held);
	free(host->frames);
	free(host->dns);
	free(host);
}

int tee_host_open(const struct tee_host_config *config, struct tee_host **ret_host,
		  char ret_error[TEE_HOST_ERROR_SIZE])
{
	struct tee_endpoint servers[HOST_DNS_MAX];
	struct tee_host *host;
	int result;

	ret_error[0] = '\0';
	if (config->dns && host_parse_name_servers(config->dns, servers) < 0)
		return host_error(ret_error, -TEE_EINVAL,
				  "'%s' is no list of name servers: --dns takes addresses such as "
				  "9.9.9.9,[2620:fe::fe]:53",
				  config->dns);
	host = host_new(config);
	if (!host)
		return host_error(ret_error, -TEE_ENOMEM, "no memory for a host");
	tee_host_lock(host);
	result = make_loop(host, config, ret_error);
	if (result >= 0)
		result = open_link(host, config, ret_error);
	if (result >= 0)
		result = make_stack(host, config, ret_error);
	if (result >= 0)
		result = host_address_start(host, config, ret_error);
	if (result >= 0)
		result = host_address_wait(host, config, ret_error);
	host->is_open = true;
	host->opened_at_ns = tee_host_now_ns();
	tee_host_unlock(host);
	if (result < 0) {
		/* A lease that came too late goes back all the same. */
		if (host->uses_dhcp)
			tee_host_close(host, 0);
		else
			host_free(host);
		return result;
	}
	*ret_host = host;
	return 0;
}

struct tee_stack *tee_host_stack(struct tee_host *host)
{
	return host->stack;
}

int tee_host_netif(struct tee_host *host)
{
	return host->netif;
}

const char *tee_host_error(struct tee_host *host)
{
	return host->error;
}
