/* SPDX-License-Identifier: MIT */
/* The applications of a random world: both ends of its connections. */
#ifndef TESTS_SIM_APP_H
#define TESTS_SIM_APP_H

#include <stdarg.h>

#include "play.h"

/* How it ended for one end. */
enum app_outcome {
	APP_NONE, /* never came to be (the accepting side of a connection that failed) */
	APP_RUNNING,
	APP_CLEAN,   /* sent everything, read to the end of the stream, closed */
	APP_FAILED,  /* was told of a failure: `error` */
	APP_OWN_END, /* ended the connection before its time, as planned */
};

struct app_end {
	struct app_world *world;
	struct app_conn *conn;
	const struct plan_end *plan;
	unsigned who; /* 0: opened, 1: accepted */
	unsigned host;
	struct tee_socket *socket; /* NULL: not yet, or not any more */
	enum app_outcome outcome;
	int error;
	uint64_t sent, received;
	uint64_t burst_left;
	bool is_shut, saw_end, has_stalled, is_corked, has_keepalive;
	bool has_read;                          /* something, in this step */
	uint64_t write_after_ns, read_after_ns; /* in world time */
	uint64_t retry_at_ns;                   /* what was refused is tried again */
	uint8_t *owned;                         /* memory given to tee_send_owned() */
	unsigned owned_count;                   /* pieces not yet released */
};

struct app_conn {
	const struct plan_conn *plan;
	unsigned idx;
	struct tee_endpoint from; /* the opener's end */
	struct app_end end[2];
};

struct app_datagrams {
	struct tee_socket *socket[PLAN_HOSTS];
	unsigned sent, received;
};

struct app_world {
	const struct plan *plan;
	struct sim *sim;
	struct sim_node *hosts[PLAN_HOSTS];
	struct tee_socket *listener[PLAN_HOSTS];
	struct app_conn *conns;
	struct app_datagrams datagrams;
	bool is_loud;
	struct play_result *result;
};

enum { APP_PORT = 80, APP_DATAGRAM_PORT = 7777, APP_OPENER_PORT = 20000 };

/* Listeners, datagram sockets, and the plans' openings. */
void app_start(struct app_world *world);
/* The hosts' event callback; `arg` is the world. */
void app_on_event(void *arg, struct sim_node *node, const struct tee_event *event);
/* Are all ends at their end? */
bool app_is_done(const struct app_world *world);
/* Closes listeners and what else is open. */
void app_finish(struct app_world *world);
/* Judges all connections. */
void app_judge(struct app_world *world);
/* Notes the first failure. */
void app_fail(struct app_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void app_say(struct app_world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- end.c ---- */

/* Writes and reads as planned until the socket or the plan says to wait. */
void app_run_end(struct app_end *end);
/* It is told of a failure. */
void app_end_failed(struct app_end *end, int error);
/* The byte at an offset of a direction of a connection. */
const uint8_t *app_pattern(const struct app_conn *conn, unsigned from, uint64_t offset);
enum { APP_PATTERN_RUN = 65536 }; /* bytes that may be read at such a pointer */

#endif
