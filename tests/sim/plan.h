/* SPDX-License-Identifier: MIT */
/*
 * What a random world is: everything drawn from one seed, before anything happens, into a plan.
 * A plan can be made simpler (to shrink a failure) without changing what else was drawn.
 */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <teeceepee/config.h>

#include "sim/world.h"

/* What can be left out of a world; names for the command line are in plan.c. */
enum plan_feature {
	PLAN_LOSS,
	PLAN_BURST,
	PLAN_REORDER,
	PLAN_DUPLICATE,
	PLAN_CORRUPT,
	PLAN_CUT,
	PLAN_JITTER,
	PLAN_RATE,
	PLAN_DELAY,
	PLAN_AQM,
	PLAN_ETHERNET,
	PLAN_OFFLOAD,
	PLAN_ROUTER,
	PLAN_SMALL_MTU,
	PLAN_POOL,
	PLAN_LINK_DOWN,
	PLAN_BLACKOUT,
	PLAN_CLOCK,
	PLAN_FREEZE,
	PLAN_PATH_CHANGE,
	PLAN_TINY_BUFFERS,
	PLAN_OPTIONS,
	PLAN_CC,
	PLAN_SHORT_WRITES,
	PLAN_STALLS,
	PLAN_RESETS,
	PLAN_EARLY_CLOSE,
	PLAN_LOOPBACK,
	PLAN_ZERO_COPY,
	PLAN_DATAGRAMS,
	PLAN_BULK,
	PLAN_MEMORY,
	PLAN_PMTU,
	PLAN_FEATURE_COUNT
};

enum {
	PLAN_CONNS_MAX = 32,
	PLAN_HOSTS = 2,
	PLAN_MEMORY_BYTES_MAX = 64 << 20, /* of a host that is not short of packet buffers */
};

/* How an end of a connection behaves. */
enum plan_ending {
	END_ORDERLY,     /* half-closes after its last byte, closes at the peer's end of stream */
	END_LATE_WRITER, /* the same, but writes only after it has read everything */
	END_CLOSE_EARLY, /* closes after its last byte, without reading on */
	END_ABORT,       /* resets after so many bytes moved */
};

struct plan_end {
	enum plan_ending ending;
	uint64_t bytes;     /* to send */
	uint32_t write_max; /* bytes a call */
	uint32_t read_max;
	uint64_t write_pause_ns; /* between bursts; 0: none */
	uint32_t write_burst;    /* bytes between pauses */
	uint64_t stall_ns;       /* the reader stops this long … */
	uint64_t stall_at_bytes; /* … after so many bytes */
	uint64_t abort_at_bytes; /* sent and received together */
	uint8_t copy_mode; /* 0: send and recv; 1: reserve and view; 2: owned memory, and recv */
	bool nodelay, cork_at_times, peeks;
	uint32_t rcvbuf, sndbuf; /* 0: automatic */
};

struct plan_conn {
	bool is_left_out;
	unsigned opener; /* host */
	bool is_loopback, is_ip6, binds_port;
	uint64_t start_ns;
	unsigned cc; /* index for cc names */
	struct plan_end end[2];
};

struct plan_faults {
	uint64_t pool_at_ns, pool_for_ns;   /* all buffers are taken; 0: never */
	uint64_t down_at_ns, down_for_ns;   /* the link's carrier */
	uint64_t black_at_ns, black_for_ns; /* packets vanish, nobody is told */
	uint64_t clock_at_ns, clock_by_ns;  /* the clock jumps */
	uint64_t freeze_at_ns, freeze_for_ns;
	uint64_t change_at_ns;                /* another path */
	uint64_t memory_at_ns, memory_for_ns; /* allocations fail, one in `memory_one_in` */
	uint64_t memory_one_in;
	uint64_t pmtu_at_ns, pmtu_for_ns; /* between two routers only less goes through … */
	uint32_t pmtu;                    /* … than this; 0: never */
	bool pmtu_is_silent;              /* … and nobody is told */
	unsigned pool_host, clock_host, freeze_host;
	uint64_t change_delay_ns, change_rate;
};

struct plan {
	uint64_t seed;
	struct tee_config config[PLAN_HOSTS];
	struct sim_link_config link;
	bool has_router;
	struct plan_faults faults;
	unsigned conn_count;
	struct plan_conn conns[PLAN_CONNS_MAX];
	unsigned datagram_count;
	bool has_tiny_backlog;
};

/* What is left out: features and connections, as bits. */
struct plan_without {
	uint64_t features, conns;
};

void plan_draw(struct plan *plan, uint64_t seed, const struct plan_without *without);
const char *plan_feature_name(unsigned idx);
/* "loss,reorder,conn3"; false: an unknown name. */
bool plan_without_parse(const char *text, struct plan_without *ret_without);
void plan_without_print(const struct plan_without *without, char *text, size_t size);
/* Is there anything in it that may make an honest connection fail? */
bool plan_is_hard(const struct plan *plan);

#endif
