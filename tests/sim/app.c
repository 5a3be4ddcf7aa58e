/* SPDX-License-Identifier: MIT */
/*
 * The applications of a random world, seen from above: who opens what when, which accepted socket
 * belongs to which plan, what may be said of a connection when all is over.
 *
 * The judgement:
 *   - A clean end read exactly what the other end sent, and that was everything it had planned.
 *   - In a world without hard faults, a connection that nobody broke on purpose is clean at both ends.
 *   - Whatever happened, no end is left waiting: each is clean, broke it itself, or was told.
 */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/cc/cc.h"

void app_fail(struct app_world *world, const char *format, ...)
{
	va_list list;

	if (!world->result->is_ok)
		return;
	world->result->is_ok = false;
	va_start(list, format);
	vsnprintf(world->result->message, PLAY_MESSAGE_SIZE, format, list);
	va_end(list);
	app_say(world, "FAILED: %s", world->result->message);
}

void app_say(struct app_world *world, const char *format, ...)
{
	va_list list;

	if (!world->is_loud)
		return;
	printf("%12.6f  ", (double)world->sim->now_ns / 1e9);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
}

/* ---- opening ---- */

static void end_prepare(struct app_end *end)
{
	if (end->plan->nodelay)
		tee_set_option(end->socket, TEE_OPT_NODELAY, 1);
	if (end->plan->rcvbuf)
		tee_set_option(end->socket, TEE_OPT_RCVBUF, end->plan->rcvbuf);
	if (end->plan->sndbuf)
		tee_set_option(end->socket, TEE_OPT_SNDBUF, end->plan->sndbuf);
}

static struct tee_endpoint conn_destination(const struct app_world *world,
					    const struct plan_conn *plan, unsigned host)
{
	struct tee_endpoint to = {.port = APP_PORT};

	if (plan->is_loopback && plan->start_ns == 0) {
		to.ip = TEE_IP4(127, 0, 0, 1);
		if (plan->is_ip6) {
			to.ip = TEE_IP_ANY;
			to.ip.byte[15] = 1;
		}
	} else {
		to.ip = plan->is_ip6 ? world->hosts[host]->ip6 : world->hosts[host]->ip4;
	}
	return to;
}

static void conn_open(void *owner, void *arg)
{
	struct app_conn *conn = owner;
	struct app_end *end = &conn->end[0];
	struct app_world *world = end->world;
	struct tee_endpoint to = conn_destination(world, conn->plan, conn->end[1].host);
	struct tee_endpoint local = {.port = (uint16_t)(APP_OPENER_PORT + conn->idx)};
	enum tee_family family = conn->plan->is_ip6 ? TEE_FAMILY_IPV6 : TEE_FAMILY_IPV4;
	int result;

	(void)arg;
	end->outcome = APP_FAILED;
	sim_touch(world->hosts[end->host]);
	end->error = -tee_socket_open(world->hosts[end->host]->stack, TEE_SOCKET_TCP,
				      conn->idx % 2 ? family : TEE_FAMILY_ANY, &end->socket);
	if (end->error) {
		end->socket = NULL;
		return;
	}
	tee_socket_set_user(end->socket, end);
	end_prepare(end);
	if (cc_name(conn->plan->cc))
		tee_set_congestion(end->socket, cc_name(conn->plan->cc));
	result = conn->plan->binds_port ? tee_bind(end->socket, &local) : 0;
	if (result == 0)
		result = tee_connect(end->socket, &to);
	if (result != -TEE_EINPROGRESS) {
		app_end_failed(end, result);
		return;
	}
	end->outcome = APP_RUNNING;
	tee_local_name(end->socket, &local);
	conn->from = local;
	app_say(world, "conn%u opens: host %u to %u, port %u", conn->idx, end->host,
		conn->end[1].host, conn->from.port);
	app_run_end(end);
}

static struct app_conn *conn_of_accepted(struct app_world *world, unsigned host,
					 const struct tee_endpoint *remote)
{
	for (unsigned i = 0; i < world->plan->conn_count; i++) {
		struct app_conn *conn = &world->conns[i];

		if (conn->from.port == remote->port && tee_ip_equal(&conn->from.ip, &remote->ip) &&
		    conn->end[1].host == host && conn->end[1].outcome == APP_NONE)
			return conn;
	}
	return NULL;
}

static void world_accept(struct app_world *world, unsigned host)
{
	struct tee_endpoint remote;
	struct tee_socket *socket;
	struct app_conn *conn;
	struct app_end *end;
	int result;

	while ((result = tee_accept(world->listener[host], &socket, &remote)) == 0) {
		conn = conn_of_accepted(world, host, &remote);
		if (!conn) {
			/* A SYN cookie believes an old duplicate of the ACK that it came back in. */
			if (!world->plan->has_tiny_backlog)
				app_fail(world,
					 "host %u accepted a connection from port %u nobody opened",
					 host, remote.port);
			tee_abort(socket);
			continue;
		}
		end = &conn->end[1];
		end->socket = socket;
		end->outcome = APP_RUNNING;
		tee_socket_set_user(socket, end);
		end_prepare(end);
		app_say(world, "conn%u accepted", conn->idx);
		app_run_end(end);
	}
	if (result != -TEE_EAGAIN && result != -TEE_ENOMEM)
		app_fail(world, "accept: %s", tee_strerror(result));
}

/* ---- datagrams ---- */

/* Their length says what they must contain; anything may be lost, nothing may be false. */
static void datagram_send(void *owner, void *arg)
{
	struct app_world *world = owner;
	uintptr_t number = (uintptr_t)arg;
	unsigned host = number % PLAN_HOSTS;
	size_t len = 1 + (number * 7919) % 4000;
	struct tee_endpoint to = {.ip = world->hosts[!host]->ip4, .port = APP_DATAGRAM_PORT};
	ssize_t sent;

	if (number % 3 == 0)
		to.ip = world->hosts[!host]->ip6;
	if (!world->datagrams.socket[host])
		return;
	sent = tee_sendto(world->datagrams.socket[host], app_pattern(&world->conns[0], 1, len), len,
			  0, &to);
	if (sent == (ssize_t)len)
		world->datagrams.sent++;
	else if (sent >= 0)
		app_fail(world, "a datagram of %zu was sent as %zd", len, sent);
	sim_touch(world->hosts[host]);
}

static void datagrams_receive(struct app_world *world, unsigned host)
{
	static uint8_t buf[65536];
	struct tee_endpoint from;
	ssize_t got;

	while ((got = tee_recvfrom(world->datagrams.socket[host], buf, sizeof(buf), 0, &from)) >
	       0) {
		world->datagrams.received++;
		if (memcmp(buf, app_pattern(&world->conns[0], 1, (uint64_t)got), (size_t)got) != 0)
			app_fail(world, "a datagram of %zd bytes is not as it was sent", got);
	}
}

static void datagrams_start(struct app_world *world)
{
	struct tee_endpoint local = {.port = APP_DATAGRAM_PORT};

	for (unsigned i = 0; i < PLAN_HOSTS; i++) {
		if (tee_socket_open(world->hosts[i]->stack, TEE_SOCKET_UDP, TEE_FAMILY_ANY,
				    &world->datagrams.socket[i]) < 0 ||
		    tee_bind(world->datagrams.socket[i], &local) < 0)
			app_fail(world, "no datagram socket");
	}
	for (uintptr_t i = 0; i < world->plan->datagram_count; i++)
		sim_at(world->sim, i * 200 * TEE_NS_PER_MS, datagram_send, world, (void *)i);
}

/* ---- the whole ---- */

void app_start(struct app_world *world)
{
	struct tee_endpoint local = {.port = APP_PORT};

	for (unsigned i = 0; i < PLAN_HOSTS; i++) {
		if (tee_socket_open(world->hosts[i]->stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY,
				    &world->listener[i]) < 0 ||
		    tee_bind(world->listener[i], &local) < 0 ||
		    tee_listen(world->listener[i], PLAN_CONNS_MAX) < 0) {
			app_fail(world, "host %u can't listen", i);
			return;
		}
		world->hosts[i]->on_event = app_on_event;
		world->hosts[i]->event_arg = world;
	}
	for (unsigned i = 0; i < world->plan->conn_count; i++) {
		struct app_conn *conn = &world->conns[i];

		conn->plan = &world->plan->conns[i];
		conn->idx = i;
		for (unsigned who = 0; who < 2; who++) {
			struct app_end *end = &conn->end[who];

			end->world = world;
			end->conn = conn;
			end->plan = &conn->plan->end[who];
			end->who = who;
			end->host = who == 0 || conn->plan->is_loopback ? conn->plan->opener
									: !conn->plan->opener;
		}
		if (!conn->plan->is_left_out)
			sim_at(world->sim, conn->plan->start_ns, conn_open, conn, NULL);
	}
	if (world->plan->datagram_count)
		datagrams_start(world);
}

void app_on_event(void *arg, struct sim_node *node, const struct tee_event *event)
{
	struct app_world *world = arg;
	unsigned host = node == world->hosts[0] ? 0 : 1;

	if (event->socket == world->listener[host])
		world_accept(world, host);
	else if (event->socket == world->datagrams.socket[host])
		datagrams_receive(world, host);
	else if (event->user)
		app_run_end(event->user);
}

bool app_is_done(const struct app_world *world)
{
	for (unsigned i = 0; i < world->plan->conn_count; i++) {
		const struct app_conn *conn = &world->conns[i];

		if (conn->plan->is_left_out)
			continue;
		if (conn->end[0].outcome <= APP_RUNNING || conn->end[1].outcome == APP_RUNNING)
			return false;
	}
	return true;
}

void app_finish(struct app_world *world)
{
	for (unsigned i = 0; i < PLAN_HOSTS; i++) {
		tee_close(world->listener[i]);
		if (world->datagrams.socket[i])
			tee_close(world->datagrams.socket[i]);
		world->datagrams.socket[i] = NULL;
		sim_touch(world->hosts[i]);
	}
}

/* ---- the judgement ---- */

static void judge_clean(struct app_world *world, const struct app_end *end,
			const struct app_end *peer)
{
	if (end->outcome != APP_CLEAN)
		return;
	if (end->sent != end->plan->bytes)
		app_fail(world, "conn%u end%u: clean, but sent %llu of %llu", end->conn->idx,
			 end->who, (unsigned long long)end->sent,
			 (unsigned long long)end->plan->bytes);
	/* The end of the stream is where the peer put it; one that closed early put it there too. */
	if (end->received != peer->sent)
		app_fail(world, "conn%u end%u: clean, but received %llu of %llu", end->conn->idx,
			 end->who, (unsigned long long)end->received,
			 (unsigned long long)peer->sent);
}

/*
 * A stack whose application has closed asks a shut window so many times and no more (tcp_orphan_retries, 51 s at
 * least): a reader that sleeps longer, and whose window update is lost, finds the connection gone.
 */
static bool was_given_up(const struct app_conn *conn, unsigned who)
{
	const struct app_end *end = &conn->end[who];

	return end->has_stalled && end->plan->stall_ns > 40 * TEE_NS_PER_S &&
	       conn->end[!who].outcome == APP_CLEAN && end->error == TEE_ECONNRESET;
}

static void judge_conn(struct app_world *world, const struct app_conn *conn, bool is_hard)
{
	const struct app_end *a = &conn->end[0], *b = &conn->end[1];
	bool is_broken = conn->plan->end[0].ending >= END_CLOSE_EARLY ||
			 conn->plan->end[1].ending >= END_CLOSE_EARLY;

	for (unsigned who = 0; who < 2; who++) {
		if (conn->end[who].outcome == APP_RUNNING)
			app_fail(world,
				 "conn%u end%u: still waiting; sent %llu of %llu, received %llu of "
				 "%llu sent",
				 conn->idx, who, (unsigned long long)conn->end[who].sent,
				 (unsigned long long)conn->end[who].plan->bytes,
				 (unsigned long long)conn->end[who].received,
				 (unsigned long long)conn->end[!who].sent);
		if (conn->end[who].owned_count != 0)
			app_fail(world, "conn%u end%u: %u pieces of owned memory never released",
				 conn->idx, who, conn->end[who].owned_count);
		judge_clean(world, &conn->end[who], &conn->end[!who]);
	}
	if (a->outcome == APP_NONE)
		app_fail(world, "conn%u was never opened", conn->idx);
	if (a->outcome == APP_CLEAN && b->outcome == APP_NONE)
		app_fail(world, "conn%u: clean, but nobody accepted it", conn->idx);
	if (a->outcome == APP_CLEAN && b->outcome == APP_CLEAN)
		world->result->clean_count++;
	else
		world->result->failed_count++;
	if (is_hard || is_broken)
		return;
	/* On a congested Ethernet the three questions for the neighbour may all be lost. */
	if (world->plan->link.is_ethernet && a->error == TEE_EHOSTUNREACH && b->outcome == APP_NONE)
		return;
	for (unsigned who = 0; who < 2; who++) {
		if (conn->end[who].outcome != APP_CLEAN && !was_given_up(conn, who))
			app_fail(world, "conn%u end%u: failed without a cause: %s", conn->idx, who,
				 tee_strerror(conn->end[who].error));
	}
}

/* A path that lost so much that even seven SYNs in a row may have been among it. */
static bool was_overloaded(const struct app_world *world)
{
	for (unsigned i = 0; i < world->sim->link_count * 2; i++) {
		const struct sim_path_stats *stats = &world->sim->links[i / 2]->paths[i % 2].stats;
		uint64_t lost = stats->drops_queue + stats->drops_aqm + stats->drops_loss;

		if (lost * 10 > stats->packets_in)
			return true;
	}
	return false;
}

void app_judge(struct app_world *world)
{
	bool is_hard = plan_is_hard(world->plan) || was_overloaded(world);

	for (unsigned i = 0; i < world->plan->conn_count; i++) {
		if (!world->conns[i].plan->is_left_out)
			judge_conn(world, &world->conns[i], is_hard);
	}
}
