/* SPDX-License-Identifier: MIT */
/*
 * The applications of a scenario. A flow is one connection from one host to another. It sends `size`
 * bytes (or for as long as it lasts) as fast as the stack takes them or at the rate of an application
 * that makes them, to a reader that takes them at once or slowly; or it exchanges requests and
 * replies in rounds, with time to think between them.
 *
 * Both ends are found by the socket's user pointer: the sender's is the flow, the receiver's too; which
 * end it is, the socket itself tells. An accepted connection is matched to its flow by the
 * opener's host and port.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/run.h"

enum { FLOW_PORT = 80, FLOW_CHUNK = 65536 };

static const uint8_t zeros[FLOW_CHUNK];

static uint64_t flow_now(const struct flow *flow)
{
	return flow->run->sim->now_ns;
}

/* ---- endings ---- */

void flow_look(struct flow *flow)
{
	if (flow->sender)
		tee_socket_info(flow->sender, &flow->info);
}

uint64_t flow_bytes(const struct flow *flow)
{
	return flow->received + flow->replied;
}

static void flow_close(struct flow *flow, struct tee_socket **socket)
{
	if (!*socket)
		return;
	flow_look(flow);
	tee_socket_set_user(*socket, NULL);
	tee_close(*socket);
	*socket = NULL;
	sim_touch(flow->from);
	sim_touch(flow->to);
}

static void flow_done(struct flow *flow)
{
	if (flow->end_ns != TEE_NEVER)
		return;
	flow->end_ns = flow_now(flow);
	flow->run->done_count++;
}

static void flow_failed(struct flow *flow, int error)
{
	if (!flow->error)
		flow->error = error < 0 ? -error : error;
	flow_done(flow);
	flow_close(flow, &flow->sender);
	flow_close(flow, &flow->receiver);
}

static void flow_run_sender(struct flow *flow);
static void flow_run_receiver(struct flow *flow);

static void wake_sender(void *owner, void *arg)
{
	struct flow *flow = owner;

	(void)arg;
	flow->is_waking[0] = false;
	if (flow->sender)
		flow_run_sender(flow);
	sim_touch(flow->from);
}

static void wake_receiver(void *owner, void *arg)
{
	struct flow *flow = owner;

	(void)arg;
	flow->is_waking[1] = false;
	if (flow->receiver)
		flow_run_receiver(flow);
	sim_touch(flow->to);
}

static void flow_wake_at(struct flow *flow, unsigned end, uint64_t at_ns)
{
	if (flow->is_waking[end])
		return;
	flow->is_waking[end] = true;
	sim_at(flow->run->sim, at_ns, end ? wake_receiver : wake_sender, flow, NULL);
}

/*
 * How many bytes an application that makes or takes `rate` bits a second may move now, after `moved`
 * since `since_ns`; at 0 the flow is woken when it is a packet's worth again.
 */
static uint64_t flow_allowance(struct flow *flow, unsigned end, uint64_t rate, uint64_t since_ns,
			       uint64_t moved)
{
	double due;

	if (rate == 0)
		return FLOW_CHUNK;
	due = (double)(flow_now(flow) - since_ns) * (double)rate / 8e9 - (double)moved;
	if (due >= 1)
		return due > FLOW_CHUNK ? FLOW_CHUNK : (uint64_t)due;
	flow_wake_at(flow, end,
		     flow_now(flow) + (uint64_t)((1448.0 - due) * 8e9 / (double)rate) + 1);
	return 0;
}

/* ---- the sending end ---- */

static void flow_shut(struct flow *flow)
{
	if (flow->is_shut || !flow->sender)
		return;
	if (tee_shutdown(flow->sender, TEE_SHUT_WRITE) == 0)
		flow->is_shut = true;
}

/* Bytes that the sender still wants to write. */
static uint64_t flow_left(const struct flow *flow)
{
	const struct scenario_flow *spec = flow->spec;

	if (spec->rounds)
		return (uint64_t)spec->request_bytes * (flow->requested + 1) > flow->sent
			       ? (uint64_t)spec->request_bytes * (flow->requested + 1) - flow->sent
			       : 0;
	return spec->size_bytes ? spec->size_bytes - flow->sent : FLOW_CHUNK;
}

static void flow_write(struct flow *flow)
{
	const struct scenario_flow *spec = flow->spec;

	while (!flow->is_shut) {
		uint64_t left = flow_left(flow), may;
		ssize_t sent;

		if (left == 0 && spec->rounds)
			return; /* the reply is awaited */
		if (left == 0) {
			flow_shut(flow);
			return;
		}
		may = flow_allowance(flow, 0, spec->write_rate, flow->established_ns, flow->sent);
		if (may == 0)
			return;
		if (may > left)
			may = left;
		if (may > spec->write_bytes)
			may = spec->write_bytes;
		sent = tee_send(flow->sender, zeros, may > FLOW_CHUNK ? FLOW_CHUNK : may, 0);
		if (sent == -TEE_EAGAIN)
			return;
		if (sent == -TEE_ENOMEM || sent == -TEE_ENOBUFS) {
			flow_wake_at(flow, 0, flow_now(flow) + 10 * TEE_NS_PER_MS);
			return;
		}
		if (sent < 0) {
			flow_failed(flow, (int)sent);
			return;
		}
		flow->sent += (uint64_t)sent;
	}
}

static void run_note_round(struct run *run, uint64_t ns)
{
	if (run->rounds.count == run->rounds.size) {
		size_t size = run->rounds.size ? run->rounds.size * 2 : 1024;
		uint64_t *more = realloc(run->rounds.ns, size * sizeof(*more));

		if (!more)
			return;
		run->rounds.ns = more;
		run->rounds.size = size;
	}
	run->rounds.ns[run->rounds.count++] = ns;
}

/* The next request may go: now, or after thinking. */
static void round_begins(void *owner, void *arg)
{
	struct flow *flow = owner;

	(void)arg;
	flow->requested++;
	flow->round_start_ns = flow_now(flow);
	if (flow->sender)
		flow_run_sender(flow);
	sim_touch(flow->from);
}

static void flow_got_reply(struct flow *flow)
{
	const struct scenario_flow *spec = flow->spec;

	while (flow->rounds_done < spec->rounds &&
	       flow->replied >= (uint64_t)spec->reply_bytes * (flow->rounds_done + 1)) {
		run_note_round(flow->run, flow_now(flow) - flow->round_start_ns);
		flow->rounds_done++;
		if (flow->rounds_done == spec->rounds)
			flow_shut(flow);
		else
			sim_at(flow->run->sim, flow_now(flow) + spec->think_ns, round_begins, flow,
			       NULL);
	}
}

static void flow_run_sender(struct flow *flow)
{
	static uint8_t buf[FLOW_CHUNK];
	int error = tee_take_error(flow->sender);
	ssize_t got;

	if (error) {
		flow_failed(flow, error);
		return;
	}
	if (flow->established_ns == TEE_NEVER) {
		if (!(tee_readiness(flow->sender) & TEE_EV_WRITABLE))
			return;
		flow->established_ns = flow->round_start_ns = flow_now(flow);
	}
	flow_write(flow);
	while (flow->sender && (got = tee_recv(flow->sender, buf, sizeof(buf), 0)) != -TEE_EAGAIN) {
		if (got == 0) {
			flow_close(flow, &flow->sender);
		} else if (got < 0) {
			flow_failed(flow, (int)got);
		} else {
			flow->replied += (uint64_t)got;
			flow_got_reply(flow);
		}
	}
}

void flow_stop(void *owner, void *arg)
{
	struct flow *flow = owner;

	(void)arg;
	flow_shut(flow);
	sim_touch(flow->from);
}

void flow_open(void *owner, void *arg)
{
	struct flow *flow = owner;
	const struct scenario_flow *spec = flow->spec;
	struct tee_endpoint to = {.port = FLOW_PORT}, local;
	int result;

	(void)arg;
	flow->start_ns = flow_now(flow);
	flow->run->open_count++;
	to.ip = spec->is_ip6 ? flow->to->ip6 : flow->to->ip4;
	sim_touch(flow->from);
	result = tee_socket_open(flow->from->stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &flow->sender);
	if (result < 0) {
		flow->sender = NULL;
		flow_failed(flow, result);
		return;
	}
	tee_socket_set_user(flow->sender, flow);
	if (spec->cc[0])
		result = tee_set_congestion(flow->sender, spec->cc);
	if (spec->nodelay)
		tee_set_option(flow->sender, TEE_OPT_NODELAY, 1);
	if (result == 0)
		result = tee_connect(flow->sender, &to);
	if (result != -TEE_EINPROGRESS) {
		flow_failed(flow, result);
		return;
	}
	tee_local_name(flow->sender, &local);
	flow->run->by_port[flow->from->idx * 65536 + local.port] = flow;
}

/* ---- the receiving end ---- */

static void flow_answer(struct flow *flow)
{
	while (flow->due_back > 0) {
		size_t len = flow->due_back < FLOW_CHUNK ? flow->due_back : FLOW_CHUNK;
		ssize_t sent = tee_send(flow->receiver, zeros, len, 0);

		if (sent == -TEE_ENOMEM || sent == -TEE_ENOBUFS)
			flow_wake_at(flow, 1, flow_now(flow) + 10 * TEE_NS_PER_MS);
		if (sent <= 0)
			return;
		flow->due_back -= (uint64_t)sent;
	}
}

static void flow_received(struct flow *flow, uint64_t len)
{
	const struct scenario_flow *spec = flow->spec;
	uint64_t before = flow->received;

	if (flow->received == 0)
		flow->first_byte_ns = flow_now(flow);
	flow->received += len;
	if (spec->rounds)
		flow->due_back +=
			(flow->received / spec->request_bytes - before / spec->request_bytes) *
			spec->reply_bytes;
}

static void flow_run_receiver(struct flow *flow)
{
	static uint8_t buf[FLOW_CHUNK];
	int error = tee_take_error(flow->receiver);

	if (error) {
		flow_failed(flow, error);
		return;
	}
	while (flow->receiver) {
		uint64_t may = flow_allowance(flow, 1, flow->spec->read_rate, flow->start_ns,
					      flow->received);
		ssize_t got = may ? tee_recv(flow->receiver, buf, may, 0) : -TEE_EAGAIN;

		if (got == -TEE_EAGAIN)
			break;
		if (got < 0) {
			flow_failed(flow, (int)got);
			return;
		}
		if (got == 0) {
			flow_done(flow);
			flow_close(flow, &flow->receiver);
			return;
		}
		flow_received(flow, (uint64_t)got);
	}
	flow_answer(flow);
}

/* Which of the world's hosts has this address; addresses are numbered as the nodes are. */
static struct flow *flow_of_peer(struct run *run, const struct tee_endpoint *remote)
{
	unsigned number = (unsigned)(remote->ip.byte[14] << 8 | remote->ip.byte[15]);

	if (number == 0 || number > run->sim->node_count)
		return NULL;
	return run->by_port[(size_t)(number - 1) * 65536 + remote->port];
}

static void host_accept(struct run *run, struct tee_socket *listener)
{
	struct tee_endpoint remote;
	struct tee_socket *socket;

	while (tee_accept(listener, &socket, &remote) == 0) {
		struct flow *flow = flow_of_peer(run, &remote);

		if (!flow || flow->receiver || flow->end_ns != TEE_NEVER) {
			tee_abort(socket);
			continue;
		}
		flow->receiver = socket;
		tee_socket_set_user(socket, flow);
		flow_run_receiver(flow);
	}
}

void flow_on_event(void *arg, struct sim_node *node, const struct tee_event *event)
{
	struct run *run = arg;
	struct flow *flow = event->user;

	if (event->socket == run->listeners[node->idx])
		host_accept(run, event->socket);
	else if (flow && event->socket == flow->sender)
		flow_run_sender(flow);
	else if (flow && event->socket == flow->receiver)
		flow_run_receiver(flow);
}
