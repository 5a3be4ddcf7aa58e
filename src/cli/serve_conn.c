// SPDX-License-Identifier: MIT
/*
 * A connection of a client: requests in, answers out, in the order in which they came.
 *
 * conn_run() is called when the socket is ready, and does all that can be done now: it takes bytes into
 * the worker's buffer, answers each request that is whole, and stops when the socket takes no more. Only what
 * must wait has memory of its own: a request that came in part, a rest of a head. While an answer waits
 * nothing is read, so that a client that only asks can't fill us.
 *
 * Small bodies go with their head in one call. Others are sent where they lie, a piece at a time, by
 * tee_send_owned(), each piece holding its file until the peer has acknowledged it.
 *
 * RFC 9112 9.6: after the last answer our end is closed first and the client's bytes are still taken for
 * a while, else a reset could take the answer from it. Connections stand in the order of their last
 * event; serve_conn_sweep(), once a second, ends those at the idle end.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/serve.h"

#define DRAIN_NS (2 * TEE_NS_PER_S)

enum {
	PIECE_BYTES = 256 << 10,
	SMALL_BODY_BYTES = 4096, /* copying costs less than a reference and a node */
};

/* ---- life ---- */

static void list_remove(struct serve_conn *conn)
{
	struct serve_worker *worker = conn->worker;

	if (conn->prev)
		conn->prev->next = conn->next;
	else
		worker->first = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	else
		worker->last = conn->prev;
}

static void list_append(struct serve_conn *conn)
{
	struct serve_worker *worker = conn->worker;

	conn->prev = worker->last;
	conn->next = NULL;
	if (worker->last)
		worker->last->next = conn;
	else
		worker->first = conn;
	worker->last = conn;
}

static void touch(struct serve_conn *conn)
{
	conn->active_at_ns = tee_host_now_ns();
	if (conn->worker->last == conn)
		return;
	list_remove(conn);
	list_append(conn);
}

static void conn_end(struct serve_conn *conn, bool aborts)
{
	struct serve_worker *worker = conn->worker;

	tee_host_watch_socket(worker->host, conn->socket, NULL, NULL);
	if (aborts)
		tee_abort(conn->socket);
	else
		tee_close(conn->socket);
	list_remove(conn);
	worker->conn_count--;
	serve_file_release(conn->file);
	free(conn->page);
	free(conn->head);
	free(conn->input);
	free(conn);
}

/* ---- sending ---- */

static bool has_output(const struct serve_conn *conn)
{
	return conn->head || conn->body_len > 0;
}

/* Sends what waits; false: the connection is over (and `conn` is no more). */
static bool conn_push(struct serve_conn *conn)
{
	while (conn->head) {
		ssize_t sent = tee_send(conn->socket, conn->head + conn->head_off,
					conn->head_len - conn->head_off,
					conn->body_len > 0 ? TEE_MSG_MORE : 0);

		if (sent == -TEE_EAGAIN)
			return true;
		if (sent < 0) {
			conn_end(conn, false);
			return false;
		}
		conn->head_off += (size_t)sent;
		if (conn->head_off == conn->head_len) {
			free(conn->head);
			conn->head = NULL;
		}
	}
	while (conn->body_len > 0) {
		size_t len = conn->body_len < PIECE_BYTES ? (size_t)conn->body_len : PIECE_BYTES;
		int result;

		if (conn->file && serve_file_is_torn(conn->file)) {
			conn_end(conn, true);
			return false;
		}
		if (conn->file) {
			result = tee_send_owned(conn->socket, conn->body, len, serve_file_release,
						serve_file_ref(conn->file));
			if (result < 0)
				serve_file_release(conn->file);
		} else {
			result = (int)tee_send(conn->socket, conn->body, len, 0);
			len = result > 0 ? (size_t)result : 0;
		}
		if (result == -TEE_EAGAIN)
			return true;
		if (result < 0) {
			conn_end(conn, false);
			return false;
		}
		conn->body += len;
		conn->body_len -= len;
	}
	free(conn->page);
	conn->page = NULL;
	return true;
}

/* Sends head and body as far as they go, keeps the rest; false: the connection is over. */
static bool conn_answer(struct serve_conn *conn, struct serve_answer *answer)
{
	size_t len = answer->head_len;
	ssize_t sent;

	serve_file_release(conn->file);
	conn->file = answer->file;
	conn->page = answer->page;
	conn->body = answer->body;
	conn->body_len = answer->body_len;
	if (conn->body_len <= SMALL_BODY_BYTES &&
	    conn->body_len <= sizeof(conn->worker->head) - len) {
		if (conn->body_len > 0)
			memcpy(answer->head + len, conn->body, (size_t)conn->body_len);
		len += (size_t)conn->body_len;
		conn->body_len = 0;
	}
	sent = tee_send(conn->socket, answer->head, len, conn->body_len > 0 ? TEE_MSG_MORE : 0);
	if (sent < 0 && sent != -TEE_EAGAIN) {
		conn_end(conn, false);
		return false;
	}
	if (sent < (ssize_t)len) {
		conn->head_off = sent > 0 ? (size_t)sent : 0;
		conn->head_len = len;
		conn->head = malloc(len);
		if (!conn->head) {
			conn_end(conn, true);
			return false;
		}
		memcpy(conn->head, answer->head, len);
	}
	return conn_push(conn);
}

/* ---- receiving ---- */

/*
 * Answers what stands at the start of the text; returns how much of it is done with, -1 when the
 * connection is over.
 */
static ssize_t conn_take(struct serve_conn *conn, char *text, size_t len)
{
	struct serve_answer answer = {0};
	struct http_request request;
	int status;
	size_t taken = serve_read(conn, text, len, &request, &status);

	if (status < 0)
		return (ssize_t)taken;
	/* Whole at last: the time that it took is over. */
	if (conn->input_len > 0)
		touch(conn);
	serve_answer(conn, &request, status, &answer);
	return conn_answer(conn, &answer) ? (ssize_t)taken : -1;
}

/* Keeps what is not done with for later; false: no memory, and the connection is over. */
static bool conn_keep(struct serve_conn *conn, const char *text, size_t len)
{
	char *kept;

	if (len == 0) {
		free(conn->input);
		conn->input = NULL;
		conn->input_len = 0;
		return true;
	}
	kept = realloc(conn->input, len);
	if (!kept) {
		conn_end(conn, true);
		return false;
	}
	memcpy(kept, text, len);
	conn->input = kept;
	conn->input_len = (uint32_t)len;
	return true;
}

/* One round of taking and answering; false: nothing more to do now, or the connection is over. */
static bool conn_round(struct serve_conn *conn)
{
	char *text = conn->worker->input;
	size_t len = conn->input_len, used = 0;

	if (len > 0)
		memcpy(text, conn->input, len);
	if (len == 0 || conn->is_partial) {
		ssize_t got = tee_recv(conn->socket, text + len, HTTP_HEAD_MAX - len, 0);

		if (got == -TEE_EAGAIN)
			return false;
		if (got <= 0) {
			conn_end(conn, false);
			return false;
		}
		len += (size_t)got;
		conn->is_partial = false;
	}
	while (used < len && !conn->closes && !has_output(conn)) {
		ssize_t taken = conn_take(conn, text + used, len - used);

		if (taken < 0)
			return false;
		if (taken == 0) {
			conn->is_partial = true;
			break;
		}
		used += (size_t)taken;
	}
	return conn_keep(conn, text + used, conn->closes ? 0 : len - used);
}

static void conn_drain(struct serve_conn *conn)
{
	ssize_t got;

	if (!conn->is_draining) {
		conn->is_draining = true;
		tee_shutdown(conn->socket, TEE_SHUT_WRITE);
	}
	do
		got = tee_recv(conn->socket, NULL, HTTP_HEAD_MAX, TEE_MSG_TRUNC);
	while (got > 0);
	if (got != -TEE_EAGAIN)
		conn_end(conn, false);
}

static void conn_run(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct serve_conn *conn = arg;

	(void)socket, (void)ready;
	/* Who sends a request byte by byte, or goes on sending after the end, is idle all the same. */
	if (!conn->is_partial && !conn->is_draining)
		touch(conn);
	do {
		if (has_output(conn) && !conn_push(conn))
			return;
		if (has_output(conn))
			return;
		if (conn->closes) {
			conn_drain(conn);
			return;
		}
	} while (conn_round(conn));
}

void serve_conn_open(struct serve_worker *worker, struct tee_socket *socket)
{
	struct serve_conn *conn = calloc(1, sizeof(*conn));

	if (!conn || tee_host_watch_socket(worker->host, socket, conn_run, conn) < 0) {
		cli_fail(&worker->serve->cli, 0, "a client was turned away: no memory");
		tee_abort(socket);
		free(conn);
		return;
	}
	/* An answer's end must not wait for the acknowledgement of what came before. */
	tee_set_option(socket, TEE_OPT_NODELAY, 1);
	conn->worker = worker;
	conn->socket = socket;
	conn->active_at_ns = tee_host_now_ns();
	list_append(conn);
	worker->conn_count++;
}

/* ---- all of them ---- */

/* What is on its way was cut off from the file, and can't be sent (again) any more. */
static bool is_stuck(const struct serve_conn *conn)
{
	uint64_t unsent = 0;

	return conn->file && conn->file->map &&
	       tee_get_option(conn->socket, TEE_OPT_OUTQ, &unsent) >= 0 && unsent > 0 &&
	       serve_file_is_torn(conn->file);
}

void serve_conn_sweep(struct serve_worker *worker)
{
	uint64_t now_ns = tee_host_now_ns();
	struct serve_conn *conn, *next;

	for (conn = worker->first; conn; conn = next) {
		uint64_t idle_ns = now_ns - conn->active_at_ns;

		next = conn->next;
		if (is_stuck(conn))
			conn_end(conn, true);
		else if (idle_ns >= worker->serve->idle_ns ||
			 (conn->is_draining && idle_ns >= DRAIN_NS))
			conn_end(conn, has_output(conn));
	}
}

void serve_conn_close_all(struct serve_worker *worker)
{
	while (worker->first)
		conn_end(worker->first, false);
}
