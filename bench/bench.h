/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the benchmark program share. bench/run starts it in several roles and reads the
 * one line of JSON that each prints.
 *
 * The kernel's server (kernel_server.c) takes connections on one port and does what the first byte of
 * each asks for; all clients, ours, the kernel's, mini and lwIP's, speak to it in the same way, so that a
 * case differs in the client's TCP and in nothing else.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first byte of a connection: what the server does with it. */
enum bench_wish {
	WISH_SINK = 'S',   /* reads and forgets */
	WISH_SOURCE = 'Z', /* sends without end */
	WISH_ECHO = 'P',   /* sends back each read as it came */
	WISH_FLOW = 'F',   /* a timed flow: a struct bench_flow_head, then what it announces */
};
/* Connections to the next port up are closed by the server as soon as they are accepted. */

enum {
	BENCH_BUFFER_BYTES = 256 * 1024, /* of one send or receive call */
	BENCH_SAMPLES_MAX = 4 * 1000 * 1000,
	BENCH_CONNS_MAX = 1000,
};

/* What a client is asked to do, in words that all clients know. */
struct bench_job {
	const char *what; /* sink, source, echo, connect */
	uint64_t warm_up_ns, measure_ns;
	unsigned conns; /* sink, source: connections at once; connect: how many are open at once */
	bool spins;     /* echo: never sleep */
	const char *calls; /* copy; ours also: owned (sending), view (receiving); mini also: none */
	const char *cc;    /* the kernel's congestion controller; NULL: its default */
};

/*
 * Takes the options (--conns=N, --calls=WORD, --cc=NAME, --warm-up=SECONDS) out of the arguments; returns how many
 * are left.
 */
int bench_job_options(struct bench_job *job, int argc, char **argv);
void bench_job_set(struct bench_job *job, const char *what, const char *seconds, const char *spin);
/* What the server is to be asked for. */
void bench_job_wish(const struct bench_job *job, char ret_wish[2]);

/* Bytes over time, those of the warm-up apart. */
struct bench_meter {
	uint64_t start_ns, end_ns, measure_ns;
	uint64_t cpu_ns; /* when the warm-up ended */
	uint64_t bytes, warm_up_bytes;
	bool is_warm;
};

/* How a timed flow begins. */
struct bench_flow_head {
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	uint64_t bytes;    /* of the flow, this head included */
};

/* Round trips of a ping-pong run. */
struct bench_samples {
	uint32_t *ns;
	size_t count;
};

/* ---- report.c ---- */

uint64_t bench_now_ns(void);
/* A thread held to a processor; false: there is none to be had. */
bool bench_thread_on(pthread_t *thread, int cpu, void *(*run)(void *), void *arg);
/* CPU time of this process so far. */
uint64_t bench_cpu_ns(void);
/* Resident memory of this process, bytes. */
uint64_t bench_resident_bytes(void);
/* Says why on standard error and ends the program. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_samples_init(struct bench_samples *samples);
void bench_samples_add(struct bench_samples *samples, uint64_t took_ns);
/* {"p50_us": …, "p99_us": …, "p999_us": …, "count": …} */
void bench_report_samples(struct bench_samples *samples);
void bench_meter_start(struct bench_meter *meter, const struct bench_job *job);
/* Counts bytes; false: the time is over. */
bool bench_meter_add(struct bench_meter *meter, uint64_t bytes);
/* {"gbit_s": …, "cpu_s_per_gb": …, "all_bytes": …}; CPU time is of this process only. */
void bench_meter_report(const struct bench_meter *meter);
/* {"mbit_s": …, "retransmits": …, "timeouts": …, "rtt_ms": …}; the round trip is the smoothed one at the end. */
void bench_report_road(uint64_t bytes, uint64_t took_ns, uint32_t retransmits, uint32_t timeouts,
		       double rtt_ms);
/* {"per_s": …, "cpu_us_each": …} */
void bench_report_rate(uint64_t count, uint64_t took_ns, uint64_t cpu_ns);

/* The far end of a timed flow: prints its completion time in ms, a line of its own. */
void bench_serve_flow(int fd);

/* ---- the roles: arguments after the role's name; they return the exit code ---- */

/* PORT [OPTION…] */
int bench_kernel_server(int argc, char **argv);
/* The congestion controller of a socket or a listener, by name; NULL changes nothing. */
void bench_kernel_set_cc(int fd, const char *name);
/* sink|source|echo|connect HOST PORT SECONDS SPIN [OPTION…] */
int bench_kernel_client(int argc, char **argv);
/* sink|source|echo|connect LINK OWN-IP HOST PORT SECONDS SPIN [IMPAIRMENT [CC]] [OPTION…] */
int bench_our_client(int argc, char **argv);
/* sink|source|echo TAP OWN-IP HOST PORT SECONDS SPIN OFFLOAD [OPTION…] */
int bench_mini(int argc, char **argv);
int bench_our_memory(int argc, char **argv);    /* idle|talked|time-wait|syn-received COUNT */
int bench_kernel_memory(int argc, char **argv); /* COUNT */
int bench_our_core(int argc, char **argv);      /* 64k|mss|mss-offload|64 ROUNDS [WARM-UP] */
int bench_our_many(int argc, char **argv);      /* CONNECTIONS [--threads=N] [--rounds=N] */
int bench_overhead(int argc, char **argv);      /* SECONDS */
int bench_limits(int argc, char **argv);        /* SECONDS RUNS */
int bench_calm(int argc, char **argv);          /* CORE CORE */
int bench_kernel_road(int argc, char **argv);   /* see road_kernel.c */
int bench_our_road(int argc, char **argv);      /* see road_ours.c */
int bench_turnover(int argc, char **argv);      /* ours|kernel SECONDS */
int bench_bridge(int argc, char **argv);        /* TAP-A TAP-B NAMESPACE-OF-B IMPAIRMENT */
int bench_join(int argc, char **argv);          /* TAP-A TAP-B */

#endif
