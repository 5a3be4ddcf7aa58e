/* SPDX-License-Identifier: MIT */
/* A scenario: hosts, links, flows and changes, read from a text file (docs/sim.md has the format). */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "sim/world.h"

enum {
	SCENARIO_NAME_SIZE = 24,
	SCENARIO_TEXT_SIZE = 64,
	SCENARIO_ERROR_SIZE = 200,
	SCENARIO_FLOWS_MAX = 256,
	SCENARIO_LINKS_MAX = 256,
	SCENARIO_CHANGES_MAX = 256,
	SCENARIO_NODES_MAX = 256,
};

struct scenario_node {
	char name[SCENARIO_NAME_SIZE];
	bool is_router;
	bool is_silent; /* a router without ICMP */
	struct tee_config config;
};

struct scenario_link {
	char end[2][SCENARIO_NAME_SIZE];
	struct sim_link_config config;
};

/* A key of a link gets another value while the world runs. */
struct scenario_change {
	uint64_t at_ns;
	unsigned link;
	char key[SCENARIO_TEXT_SIZE], value[SCENARIO_TEXT_SIZE];
};

struct scenario_flow {
	char name[SCENARIO_NAME_SIZE];
	unsigned line; /* where it begins in the text */
	char from[SCENARIO_NAME_SIZE], to[SCENARIO_NAME_SIZE];
	char cc[TEE_CC_NAME_SIZE];      /* empty: the host's */
	uint64_t start_ns, stop_ns;     /* stop 0: the end of the world */
	uint64_t size_bytes;            /* 0: until it stops */
	unsigned count;                 /* how many of them … */
	uint64_t every_ns;              /* … one after so long … */
	bool is_poisson;                /* … on average, with exponential gaps */
	uint32_t write_bytes;           /* the application's writes */
	uint64_t write_rate, read_rate; /* bits a second that it makes or takes; 0: no limit */
	bool nodelay, is_ip6;
	/* request and reply, `rounds` times; 0: one way only */
	uint32_t request_bytes, reply_bytes, rounds;
	uint64_t think_ns;
};

struct scenario {
	uint64_t seed, duration_ns, sample_ns;
	uint64_t settle_ns; /* what happens before is not reported */
	struct tee_config defaults;
	struct scenario_node nodes[SCENARIO_NODES_MAX];
	struct scenario_link links[SCENARIO_LINKS_MAX];
	struct scenario_change changes[SCENARIO_CHANGES_MAX];
	struct scenario_flow flows[SCENARIO_FLOWS_MAX];
	unsigned node_count, link_count, change_count, flow_count;
};

/*
 * Reads a scenario. NULL with a sentence, and the line it is about, in ret_error. The caller frees it
 * with free().
 */
struct scenario *scenario_parse(const char *text, char ret_error[SCENARIO_ERROR_SIZE]);
/* Sets one key of a link, as a scenario's line does; false: no such key or bad value. */
bool scenario_link_set(struct sim_link_config *link, const char *key, const char *value);

/* ---- values.c ---- */

bool value_time(const char *text, uint64_t *ret_ns);    /* "10ms", "1.5s", "2m" */
bool value_rate(const char *text, uint64_t *ret_bits);  /* "10Mbit", "64k": bits a second */
bool value_size(const char *text, uint64_t *ret_bytes); /* "64K", "1M", "1.5G": 1024s */
bool value_share(const char *text, double *ret_share);  /* "3%", "0.03" */
bool value_bool(const char *text, bool *ret_bool);
bool value_count(const char *text, uint64_t *ret_count);

#endif
