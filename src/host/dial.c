// SPDX-License-Identifier: MIT
/*
 * Connecting to a name: RFC 8305, "happy eyeballs".
 *
 * Both families are looked up at once (section 3), each only when we have an address of it. The
 * first attempt starts when AAAA has answered, or RESOLUTION_DELAY after A did. Addresses
 * alternate between the families, IPv6 first (section 4). When an attempt has not succeeded after
 * ATTEMPT_DELAY, or has failed, the next one starts beside it (section 5). The first that is
 * established wins; the others are aborted.
 *
 * Timers: `next_timer` (the next attempt, or the resolution delay) and `end_timer` (the caller's).
 */
#include "host/dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/resolve.h"

enum { FAMILY_4, FAMILY_6, FAMILY_COUNT };
enum { ATTEMPT_MAX = 2 * LOOKUP_IPS_MAX };

#define RESOLUTION_DELAY_NS (50 * TEE_NS_PER_MS)
#define ATTEMPT_DELAY_NS    (250 * TEE_NS_PER_MS)
#define ROUTER_PATIENCE_NS  (3 * TEE_NS_PER_S)
#define ROUTER_POLL_NS      (20 * TEE_NS_PER_MS)

struct attempt {
	struct dial *dial;
	struct tee_socket *socket; /* NULL: over */
	struct tee_ip ip;
	int error;
	struct host_watch watch;
};

struct dial {
	struct tee_host *host;
	dial_fn *fn;
	void *arg;
	char name[256];
	uint16_t port;
	bool is_starting, is_done; /* inside dial_start(); the callback has come */
	bool may_attempt;          /* the resolution delay is over */
	struct lookup *lookups[FAMILY_COUNT];
	bool is_pending[FAMILY_COUNT];
	struct tee_ip ips[FAMILY_COUNT][LOOKUP_IPS_MAX];
	unsigned ip_count[FAMILY_COUNT], ip_next[FAMILY_COUNT];
	unsigned turn; /* the family whose address comes next */
	int next_timer, end_timer;
	unsigned attempt_count, alive_count;
	char lookup_error[TEE_HOST_ERROR_SIZE];
	struct attempt attempts[ATTEMPT_MAX];
};

static void attempt_next(struct dial *dial);

static void stop_timer(struct dial *dial, int *timer)
{
	if (*timer > 0)
		timers_cancel(&dial->host->timers, *timer);
	*timer = 0;
}

static void end_attempt(struct attempt *attempt)
{
	struct tee_socket *socket = attempt->socket;

	if (!socket)
		return;
	host_watch_detach(&attempt->watch);
	attempt->socket = NULL;
	attempt->dial->alive_count--;
	tee_abort(socket);
}

static void release(struct dial *dial)
{
	stop_timer(dial, &dial->next_timer);
	stop_timer(dial, &dial->end_timer);
	for (unsigned i = 0; i < FAMILY_COUNT; i++)
		if (dial->is_pending[i])
			lookup_abandon(dial->lookups[i]);
	for (unsigned i = 0; i < dial->attempt_count; i++)
		end_attempt(&dial->attempts[i]);
	dial->is_done = true;
	if (!dial->is_starting)
		free(dial);
}

static void finish(struct dial *dial, struct tee_socket *socket, int result, const char *error)
{
	dial_fn *fn = dial->fn;
	void *arg = dial->arg;
	struct tee_host *host = dial->host;

	release(dial);
	fn(arg, socket, result, error);
	host_announce(host);
}

/* ---- failing ---- */

/* Did the attempt at least reach somebody? Then its error says more than "no route". */
static bool is_telling(int error)
{
	return error != -TEE_ENETUNREACH && error != -TEE_EADDRNOTAVAIL &&
	       error != -TEE_EHOSTUNREACH && error != -TEE_EAFNOSUPPORT;
}

static void fail_all(struct dial *dial)
{
	char error[TEE_HOST_ERROR_SIZE], ip[TEE_IP_TEXT_SIZE];
	const struct attempt *best = NULL;
	int len;

	if (dial->attempt_count == 0) {
		host_error(error, 0, "%s", dial->lookup_error);
		finish(dial, NULL, -TEE_ENOENT, error);
		return;
	}
	for (unsigned i = 0; i < dial->attempt_count; i++) {
		const struct attempt *attempt = &dial->attempts[i];

		if (!best || (is_telling(attempt->error) && !is_telling(best->error)))
			best = attempt;
	}
	tee_ip_format(&best->ip, ip);
	len = snprintf(error, sizeof(error), "can't connect to %s port %u", dial->name, dial->port);
	if (strcmp(ip, dial->name) != 0)
		len += snprintf(error + len, sizeof(error) - (size_t)len, " (%s)", ip);
	len += snprintf(error + len, sizeof(error) - (size_t)len, ": %s",
			tee_strerror(best->error));
	if (dial->attempt_count > 1)
		snprintf(error + len, sizeof(error) - (size_t)len, " (%u addresses tried)",
			 dial->attempt_count);
	finish(dial, NULL, best->error, error);
}

static void on_end(void *arg)
{
	struct dial *dial = arg;
	char error[TEE_HOST_ERROR_SIZE];

	dial->end_timer = 0;
	host_error(error, 0, "%s port %u did not answer in time", dial->name, dial->port);
	finish(dial, NULL, -TEE_ETIMEDOUT, error);
}

/* ---- attempts ---- */

static void succeed(struct attempt *attempt)
{
	struct tee_socket *socket = attempt->socket;
	struct dial *dial = attempt->dial;

	host_watch_detach(&attempt->watch);
	attempt->socket = NULL;
	dial->alive_count--;
	finish(dial, socket, 0, "");
}

static void on_attempt(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct attempt *attempt = arg;
	struct dial *dial = attempt->dial;

	if (ready & (TEE_EV_ERROR | TEE_EV_HUP)) {
		int error = tee_take_error(socket);

		attempt->error = error ? -error : -TEE_ECONNRESET;
		end_attempt(attempt);
		/* RFC 8305 section 5: a failure starts the next attempt at once. */
		attempt_next(dial);
	} else if (ready & TEE_EV_WRITABLE) {
		succeed(attempt);
	}
}

static void on_next(void *arg)
{
	struct dial *dial = arg;

	dial->next_timer = 0;
	dial->may_attempt = true;
	attempt_next(dial);
}

static bool take_ip(struct dial *dial, struct tee_ip *ret_ip)
{
	unsigned family = dial->turn;

	if (dial->ip_next[family] >= dial->ip_count[family])
		family = !family;
	if (dial->ip_next[family] >= dial->ip_count[family])
		return false;
	*ret_ip = dial->ips[family][dial->ip_next[family]++];
	dial->turn = !family;
	return true;
}

/* True when the attempt is under way. */
static bool start_attempt(struct dial *dial, const struct tee_ip *ip)
{
	struct attempt *attempt = &dial->attempts[dial->attempt_count++];
	const struct tee_endpoint remote = {.ip = *ip, .port = dial->port};
	int result;

	*attempt = (struct attempt){.dial = dial, .ip = *ip};
	result = tee_socket_open(dial->host->stack, TEE_SOCKET_TCP,
				 tee_ip_is4(ip) ? TEE_FAMILY_IPV4 : TEE_FAMILY_IPV6,
				 &attempt->socket);
	if (result < 0) {
		attempt->socket = NULL;
		attempt->error = result;
		return false;
	}
	dial->alive_count++;
	result = tee_connect(attempt->socket, &remote);
	if (result < 0 && result != -TEE_EINPROGRESS) {
		attempt->error = result;
		attempt->watch.host = dial->host;
		end_attempt(attempt);
		return false;
	}
	attempt->error = -TEE_ETIMEDOUT;
	host_watch_attach(&attempt->watch, dial->host, attempt->socket, on_attempt, attempt);
	return true;
}

static void attempt_next(struct dial *dial)
{
	struct tee_ip ip;

	stop_timer(dial, &dial->next_timer);
	while (dial->attempt_count < ATTEMPT_MAX && take_ip(dial, &ip)) {
		if (!start_attempt(dial, &ip))
			continue;
		dial->next_timer = timers_add(&dial->host->timers,
					      tee_host_now_ns() + ATTEMPT_DELAY_NS, on_next, dial);
		return;
	}
	if (dial->alive_count == 0 && !dial->is_pending[FAMILY_4] && !dial->is_pending[FAMILY_6])
		fail_all(dial);
}

/* ---- answers ---- */

static void on_ips(struct dial *dial, unsigned family, const struct tee_ip *ips, int count,
		   const char *error)
{
	dial->is_pending[family] = false;
	if (count > 0) {
		dial->ip_count[family] = (unsigned)count;
		memcpy(dial->ips[family], ips, (unsigned)count * sizeof(*ips));
	} else if (!dial->lookup_error[0] || family == FAMILY_4) {
		host_error(dial->lookup_error, 0, "%s", error);
	}
	/* RFC 8305 section 3: AAAA starts at once; A alone gives AAAA a moment more. */
	if (dial->is_pending[FAMILY_6] && !dial->may_attempt) {
		if (count > 0)
			dial->next_timer = timers_add(&dial->host->timers,
						      tee_host_now_ns() + RESOLUTION_DELAY_NS,
						      on_next, dial);
		return;
	}
	dial->may_attempt = true;
	/* With an attempt under way, the timer will come to the new addresses. */
	if (dial->alive_count == 0 || dial->next_timer == 0)
		attempt_next(dial);
}

static void on_ips4(void *arg, const struct tee_ip *ips, int count, const char *error)
{
	on_ips(arg, FAMILY_4, ips, count, error);
}

static void on_ips6(void *arg, const struct tee_ip *ips, int count, const char *error)
{
	on_ips(arg, FAMILY_6, ips, count, error);
}

static void look_up(struct dial *dial);

static void on_look_up(void *arg)
{
	struct dial *dial = arg;

	dial->next_timer = 0;
	look_up(dial);
}

/*
 * A host is open as soon as it has IPv4; an IPv6 address from a router comes a little later. Who asks for
 * an IPv6 address by its number waits for that.
 */
static bool has_to_wait(struct dial *dial, const struct tee_ip *ip)
{
	struct tee_host *host = dial->host;
	uint64_t now_ns = tee_host_now_ns();

	/* IPv4-mapped, our own loopback, link-local: these need no router. */
	if (ip->byte[0] == 0xfe || ip->byte[0] == 0)
		return false;
	if (resolve_has_family(host, TEE_FAMILY_IPV6) ||
	    !tee_stack_config(host->stack)->ipv6_slaac ||
	    now_ns > host->opened_at_ns + ROUTER_PATIENCE_NS)
		return false;
	dial->next_timer = timers_add(&host->timers, now_ns + ROUTER_POLL_NS, on_look_up, dial);
	return dial->next_timer > 0;
}

static void look_up(struct dial *dial)
{
	bool has6 = resolve_has_family(dial->host, TEE_FAMILY_IPV6);
	bool has4 = resolve_has_family(dial->host, TEE_FAMILY_IPV4);
	struct tee_ip literal[2];
	int count = resolve_literal(dial->name, TEE_FAMILY_ANY, literal);

	if (count > 0) {
		if (has_to_wait(dial, &literal[0]))
			return;
		for (int i = 0; i < count; i++) {
			unsigned family = tee_ip_is4(&literal[i]) ? FAMILY_4 : FAMILY_6;

			dial->ips[family][dial->ip_count[family]++] = literal[i];
		}
		dial->may_attempt = true;
		attempt_next(dial);
		return;
	}
	dial->is_pending[FAMILY_6] = has6;
	dial->is_pending[FAMILY_4] = has4 || !has6;
	if (dial->is_pending[FAMILY_6])
		dial->lookups[FAMILY_6] =
			lookup_start(dial->host, dial->name, TEE_FAMILY_IPV6, on_ips6, dial);
	if (!dial->is_done && dial->is_pending[FAMILY_4])
		dial->lookups[FAMILY_4] =
			lookup_start(dial->host, dial->name, TEE_FAMILY_IPV4, on_ips4, dial);
}

struct dial *dial_start(struct tee_host *host, const char *name, uint16_t port, uint64_t timeout_ns,
			dial_fn *fn, void *arg)
{
	struct dial *dial = calloc(1, sizeof(*dial));

	if (!dial || strlen(name) >= sizeof(dial->name)) {
		fn(arg, NULL, dial ? -TEE_ENOENT : -TEE_ENOMEM,
		   dial ? "the host name is too long" : "no memory to connect");
		free(dial);
		return NULL;
	}
	dial->host = host;
	dial->fn = fn;
	dial->arg = arg;
	dial->port = port;
	dial->turn = FAMILY_6;
	dial->is_starting = true;
	snprintf(dial->name, sizeof(dial->name), "%s", name);
	if (timeout_ns != TEE_NEVER)
		dial->end_timer =
			timers_add(&host->timers, tee_host_now_ns() + timeout_ns, on_end, dial);
	look_up(dial);
	dial->is_starting = false;
	if (dial->is_done) {
		free(dial);
		return NULL;
	}
	return dial;
}

void dial_cancel(struct dial *dial)
{
	if (dial)
		release(dial);
}

/* ---- blocking ---- */

struct dial_wait {
	struct tee_socket *socket;
	int result;
	bool is_done;
	char *error;
};

static void on_dialled(void *arg, struct tee_socket *socket, int result, const char *error)
{
	struct dial_wait *wait = arg;

	wait->socket = socket;
	wait->result = result;
	wait->is_done = true;
	host_error(wait->error, 0, "%s", error);
}

static bool is_dialled(void *arg)
{
	return ((struct dial_wait *)arg)->is_done;
}

int tee_dial(struct tee_host *host, const char *name, uint16_t port, uint64_t timeout_ns,
	     struct tee_socket **ret_socket, char ret_error[TEE_HOST_ERROR_SIZE])
{
	struct dial_wait wait = {.error = ret_error};
	struct dial *dial;
	int result;

	ret_error[0] = '\0';
	tee_host_lock(host);
	dial = dial_start(host, name, port, timeout_ns, on_dialled, &wait);
	result = host_wait(host, TEE_NEVER, is_dialled, &wait);
	if (result < 0) {
		dial_cancel(wait.is_done ? NULL : dial);
		host_error(ret_error, 0, "%s",
			   host->error_code ? host->error : tee_strerror(result));
	} else {
		result = wait.result;
		if (result == 0)
			*ret_socket = wait.socket;
	}
	tee_host_unlock(host);
	return result;
}
