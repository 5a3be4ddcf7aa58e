/* SPDX-License-Identifier: MIT */
/*
 * One end of a connection: it writes its planned bytes in the planned manner, reads and compares
 * what comes with what the other end must have written, stalls, half-closes, aborts.
 *
 * The bytes of a direction are a window that slides over one random table, begun at an offset of
 * the connection's own; a byte in the wrong place, a repeated or a missing one shows as a
 * difference at once.
 */
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/random.h"

enum { PATTERN_PERIOD = 65521 };

const uint8_t *app_pattern(const struct app_conn *conn, unsigned from, uint64_t offset)
{
	static uint8_t table[PATTERN_PERIOD + APP_PATTERN_RUN];
	static bool is_filled;

	if (!is_filled) {
		struct random random;

		random_init(&random, 42);
		for (unsigned i = 0; i < PATTERN_PERIOD; i++)
			table[i] = (uint8_t)random_u64(&random);
		for (unsigned i = PATTERN_PERIOD; i < sizeof(table); i++)
			table[i] = table[i - PATTERN_PERIOD];
		is_filled = true;
	}
	return table + (offset + conn->idx * 1009 + from * 31) % PATTERN_PERIOD;
}

static struct app_end *end_peer(struct app_end *end)
{
	return &end->conn->end[!end->who];
}

static uint64_t world_now(const struct app_end *end)
{
	return end->world->sim->now_ns;
}

/* ---- ending ---- */

static void end_outcome(struct app_end *end, enum app_outcome outcome, bool by_reset)
{
	static const char *const names[] = {"none", "running", "clean", "failed", "own end"};

	end->outcome = outcome;
	app_say(end->world, "conn%u end%u: %s (%s), sent %llu received %llu", end->conn->idx,
		end->who, names[outcome], end->error ? tee_strerror(end->error) : "ok",
		(unsigned long long)end->sent, (unsigned long long)end->received);
	tee_socket_set_user(end->socket, NULL);
	if (by_reset)
		tee_abort(end->socket);
	else
		tee_close(end->socket);
	end->socket = NULL;
	sim_touch(end->world->hosts[end->host]);
}

void app_end_failed(struct app_end *end, int error)
{
	end->error = error < 0 ? -error : error;
	end_outcome(end, APP_FAILED, false);
}

/* Not a failure: try again later. Memory may be short in a world that takes it away. */
static bool is_for_later(ssize_t result)
{
	return result == -TEE_EAGAIN || result == -TEE_ENOMEM || result == -TEE_ENOBUFS ||
	       result == -TEE_EINPROGRESS;
}

static void end_wake(void *owner, void *arg)
{
	struct app_end *end = owner;

	(void)arg;
	if (end->socket)
		app_run_end(end);
	sim_touch(end->world->hosts[end->host]);
}

static void end_wake_at(struct app_end *end, uint64_t at_ns)
{
	sim_at(end->world->sim, at_ns, end_wake, end, NULL);
}

/* Memory is short: once more a little later, however many calls were refused in this instant. */
static void end_retry(struct app_end *end)
{
	if (end->retry_at_ns > world_now(end))
		return;
	end->retry_at_ns = world_now(end) + 100 * TEE_NS_PER_MS;
	end_wake_at(end, end->retry_at_ns);
}

/* ---- writing ---- */

static void owned_released(void *arg)
{
	struct app_end *end = arg;

	end->owned_count--;
}

static ssize_t write_some(struct app_end *end, size_t len)
{
	const uint8_t *data = app_pattern(end->conn, end->who, end->sent);
	size_t room;
	void *ptr;
	int result;

	if (end->plan->copy_mode == 1) {
		result = tee_send_reserve(end->socket, len, &ptr, &room);
		if (result < 0)
			return result;
		if (room > len)
			room = len;
		memcpy(ptr, data, room);
		result = tee_send_commit(end->socket, room);
		return result < 0 ? result : (ssize_t)room;
	}
	if (end->plan->copy_mode == 2 && len > 64) {
		if (len > 16384)
			len = 16384;
		result = tee_send_owned(end->socket, data, len, owned_released, end);
		if (result == 0)
			end->owned_count++;
		if (result != -TEE_EAGAIN)
			return result < 0 ? result : (ssize_t)len;
		/* All or nothing: a buffer that is smaller takes copies. */
	}
	return tee_send(end->socket, data, len, 0);
}

static void end_shut(struct app_end *end)
{
	int result;

	if (end->plan->ending == END_CLOSE_EARLY) {
		end_outcome(end, APP_OWN_END, false);
		return;
	}
	result = tee_shutdown(end->socket, TEE_SHUT_WRITE);
	if (result == -TEE_ENOTCONN && !(tee_readiness(end->socket) & TEE_EV_WRITABLE)) {
		end_wake_at(end, world_now(end) + 50 * TEE_NS_PER_MS); /* still opening */
		return;
	}
	if (result < 0) {
		app_end_failed(end, result);
		return;
	}
	end->is_shut = true;
	app_say(end->world, "conn%u end%u: shut after %llu", end->conn->idx, end->who,
		(unsigned long long)end->sent);
}

/* Returns whether anything moved. */
static bool end_write(struct app_end *end)
{
	const struct plan_end *plan = end->plan;
	uint64_t left = plan->bytes - end->sent;
	ssize_t sent;

	if (end->is_shut || world_now(end) < end->write_after_ns)
		return false;
	if (plan->ending == END_LATE_WRITER && !end->saw_end)
		return false;
	if (left == 0) {
		end_shut(end);
		return end->is_shut;
	}
	if (plan->write_pause_ns && end->burst_left == 0) {
		end->burst_left = plan->write_burst;
		end->write_after_ns = world_now(end) + plan->write_pause_ns;
		if (plan->cork_at_times) {
			end->is_corked = !end->is_corked;
			tee_set_option(end->socket, TEE_OPT_CORK, end->is_corked);
		}
		end_wake_at(end, end->write_after_ns);
		return false;
	}
	if (left > plan->write_max)
		left = plan->write_max;
	if (plan->write_pause_ns && left > end->burst_left)
		left = end->burst_left;
	if (left > APP_PATTERN_RUN)
		left = APP_PATTERN_RUN;
	sent = write_some(end, (size_t)left);
	if (sent < 0) {
		app_say(end->world, "conn%u end%u: can't send at %llu: %s", end->conn->idx,
			end->who, (unsigned long long)end->sent, tee_strerror((int)sent));
		if (!is_for_later(sent))
			app_end_failed(end, (int)sent);
		else if (sent != -TEE_EAGAIN)
			end_retry(end);
		return false;
	}
	if (sent == 0 || (uint64_t)sent > left)
		app_fail(end->world, "conn%u end%u: send of %llu returned %lld", end->conn->idx,
			 end->who, (unsigned long long)left, (long long)sent);
	end->sent += (uint64_t)sent;
	if (plan->write_pause_ns)
		end->burst_left -= (uint64_t)sent;
	return true;
}

/* ---- reading ---- */

static void end_compare(struct app_end *end, const uint8_t *data, size_t len)
{
	struct app_end *peer = end_peer(end);
	uint64_t offset = end->received;

	if (offset + len > peer->sent) {
		app_fail(end->world, "conn%u end%u: received %llu bytes, only %llu were sent",
			 end->conn->idx, end->who, (unsigned long long)(offset + len),
			 (unsigned long long)peer->sent);
		return;
	}
	while (len > 0) {
		size_t run = len < APP_PATTERN_RUN ? len : APP_PATTERN_RUN;

		if (memcmp(data, app_pattern(end->conn, peer->who, offset), run) != 0) {
			app_fail(end->world,
				 "conn%u end%u: wrong byte in the %zu received at offset %llu",
				 end->conn->idx, end->who, run, (unsigned long long)offset);
			return;
		}
		data += run;
		offset += run;
		len -= run;
	}
}

static ssize_t read_by_view(struct app_end *end)
{
	struct tee_slice slices[8];
	size_t taken = 0;
	int n = tee_recv_view(end->socket, slices, 8), result;

	if (n <= 0)
		return n;
	for (int i = 0; i < n; i++) {
		size_t len = slices[i].len;

		if (len > end->plan->read_max - taken)
			len = end->plan->read_max - taken;
		end_compare(end, slices[i].ptr, len);
		end->received += len;
		taken += len;
	}
	result = tee_recv_consume(end->socket, taken);
	return result < 0 ? result : (ssize_t)taken;
}

static ssize_t read_some(struct app_end *end)
{
	static uint8_t buf[65536], peeked[65536];
	size_t max = end->plan->read_max;
	ssize_t ahead = 0, got;

	if (end->plan->copy_mode == 1)
		return read_by_view(end);
	if (end->plan->peeks)
		ahead = tee_recv(end->socket, peeked, max, TEE_MSG_PEEK);
	got = tee_recv(end->socket, buf, max, 0);
	if (end->plan->peeks && ahead > 0 &&
	    (got != ahead || memcmp(buf, peeked, (size_t)got) != 0))
		app_fail(end->world, "conn%u end%u: peeked %lld bytes, then received %lld",
			 end->conn->idx, end->who, (long long)ahead, (long long)got);
	if (got > 0) {
		end_compare(end, buf, (size_t)got);
		end->received += (uint64_t)got;
	}
	return got;
}

static bool end_read(struct app_end *end)
{
	const struct plan_end *plan = end->plan;
	ssize_t got;

	if (end->saw_end || world_now(end) < end->read_after_ns)
		return false;
	if (plan->stall_ns && !end->has_stalled && end->received >= plan->stall_at_bytes) {
		end->has_stalled = true;
		end->read_after_ns = world_now(end) + plan->stall_ns;
		end_wake_at(end, end->read_after_ns);
		return false;
	}
	got = read_some(end);
	end->has_read |= got > 0;
	if (got < 0) {
		if (!is_for_later(got) && got != -TEE_ENOTCONN)
			app_end_failed(end, (int)got);
		else if (got == -TEE_ENOMEM)
			end_retry(end);
		return false;
	}
	end->world->result->bytes += (uint64_t)got;
	if (got == 0) {
		end->saw_end = true;
		app_say(end->world, "conn%u end%u: end of stream after %llu", end->conn->idx,
			end->who, (unsigned long long)end->received);
	}
	return true;
}

/*
 * So that an end that only waits learns that the other is gone. Where memory is refused, an option
 * may be, too: then it is asked for again, and soon, since no event may ever come.
 */
static void end_keep_alive(struct app_end *end)
{
	static const struct {
		enum tee_option option;
		uint64_t value;
	} wanted[] = {
		{TEE_OPT_KEEPIDLE_NS, 60 * TEE_NS_PER_S},
		{TEE_OPT_KEEPINTVL_NS, 15 * TEE_NS_PER_S},
		{TEE_OPT_KEEPCNT, 8},
		{TEE_OPT_KEEPALIVE, 1},
	};

	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (tee_set_option(end->socket, wanted[i].option, wanted[i].value) < 0) {
			end_retry(end);
			return;
		}
	end->has_keepalive = true;
}

void app_run_end(struct app_end *end)
{
	int error = tee_take_error(end->socket);
	bool moved = true;

	if (error) {
		app_end_failed(end, error);
		return;
	}
	if (!end->has_keepalive)
		end_keep_alive(end);
	while (moved && end->socket) {
		moved = end_write(end);
		if (!end->socket)
			return;
		moved |= end_read(end);
		if (!end->socket)
			return;
		if (end->plan->ending == END_ABORT &&
		    end->sent + end->received >= end->plan->abort_at_bytes) {
			end_outcome(end, APP_OWN_END, true);
			return;
		}
	}
	if (end->socket && end->is_shut && end->saw_end)
		end_outcome(end, end->plan->ending == END_ABORT ? APP_OWN_END : APP_CLEAN, false);
}
