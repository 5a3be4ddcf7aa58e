/* SPDX-License-Identifier: MIT */
/*
 * One direction of a link: a queue with a discipline, a transmitter with a rate, and a wire that
 * delays, loses, reorders, duplicates and corrupts.
 */
#ifndef SIM_PATH_H
#define SIM_PATH_H

#include "base/random.h"
#include "sim/heap.h"
#include "sim/packet.h"

enum { SIM_LOSE_MAX = 4 };
enum sim_qdisc { SIM_DROPTAIL, SIM_CODEL, SIM_RED };

/* All zero is a perfect wire. Probabilities are 0.0 to 1.0, a packet. May be changed at any time. */
struct sim_path_config {
	uint64_t rate_bits_per_s; /* 0: no limit, and then no queue */
	uint64_t delay_ns;
	uint64_t jitter_ns; /* up to this much more, order kept */
	enum sim_qdisc qdisc;
	uint32_t queue_bytes; /* 0: 100 ms at the rate, at least 64 KiB */
	bool ecn;             /* CoDel and RED mark packets that allow it instead of dropping */
	uint64_t codel_target_ns, codel_interval_ns; /* 0: 5 ms, 100 ms (RFC 8289) */
	uint32_t red_min_bytes, red_max_bytes;       /* 0: a quarter and a half of the queue */
	double red_probability;                      /* at red_max; 0: 0.1 */
	double loss;
	double burst_enter, burst_leave, burst_loss; /* Gilbert-Elliott: good->bad, bad->good, loss
							while bad */
	double reorder;                              /* share that is held back … */
	uint64_t reorder_gap_ns;                     /* … this long; 0: 1 ms */
	double duplicate, corrupt;
	double cut; /* share of TCP segments that arrive as two, which overlap a little */
	struct sim_path_lose {
		uint64_t from, to;
	} lose[SIM_LOSE_MAX]; /* the so many-th packets to enter, from 1; from 0: none */
	bool is_down;         /* blackout: what enters is lost, what is under way arrives */
};

struct sim_path_stats {
	uint64_t packets_in, packets_out, bytes_out;
	uint64_t drops_queue, drops_aqm, drops_loss, drops_down, drops_memory;
	uint64_t drops_mtu; /* too big for the link, before it got here */
	uint64_t marked, duplicated, reordered, corrupted, cut;
	uint64_t busy_ns; /* transmitting */
	uint64_t queue_delay_sum_ns, queue_delay_max_ns, queue_delay_count;
	uint64_t queue_bytes_max;
};

/* State of CoDel, in the words of RFC 8289 section 5. */
struct sim_codel {
	uint64_t first_above_at_ns; /* 0: the sojourn time is below target */
	uint64_t drop_next_ns;
	uint32_t count, last_count;
	uint32_t packet_bytes_max; /* the largest seen */
	bool is_dropping;
};

struct sim_red {
	double average_bytes;
	uint64_t idle_since_ns; /* 0: not idle */
	int64_t since_mark;     /* packets since the last one marked; -1: below the minimum */
};

struct sim_path {
	struct sim_path_config config;
	struct sim_path_stats stats; /* may be set to zero at any time */
	uint64_t bytes_sent;         /* in all */
	uint64_t entered;            /* packets */
	struct sim_packet *head, *tail;
	uint64_t queue_bytes;
	bool is_busy; /* the transmitter holds a packet */
	bool is_bad;  /* Gilbert-Elliott's state */
	uint64_t last_arrival_ns;
	struct sim_codel codel;
	struct sim_red red;
	struct random random;
	struct sim_heap *heap;
	const uint64_t *now_ns;
	sim_fn *arrive; /* (owner, packet): it is out at the other end */
	void *owner;
};

void sim_path_init(struct sim_path *path, const struct sim_path_config *config, uint64_t seed,
		   struct sim_heap *heap, const uint64_t *now_ns, sim_fn *arrive, void *owner);
void sim_path_fini(struct sim_path *path); /* frees what waits; what is under way is the heap's */
/* A packet enters; ownership moves in. */
void sim_path_send(struct sim_path *path, struct sim_packet *packet);
uint32_t sim_path_queue_limit(const struct sim_path *path);

/* ---- queue.c ---- */

enum sim_verdict { SIM_PASS, SIM_DROP, SIM_DROP_EARLY };
/* Before a packet joins the queue; marks it where the discipline says so. */
enum sim_verdict sim_queue_enter(struct sim_path *path, struct sim_packet *packet);
/* Takes the next packet to transmit, dropping as CoDel says; NULL: none. */
struct sim_packet *sim_queue_leave(struct sim_path *path);

#endif
