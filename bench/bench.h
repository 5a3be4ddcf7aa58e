/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the benchmark program share. bench/run starts it in several roles and reads the
 * one line of JSON that each prints.
 *
 * The kernel's server (kernel_server.c) takes connections on one port and does what the first byte of
 * each asks for; both clients, ours and the kernel's, speak to it in the same way, so that a case
 * differs in the client's TCP and in nothing else.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first byte of a connection: what the server does with it. */
enum bench_wish {
	WISH_SINK = 'S',   /* reads and forgets */
	WISH_SOURCE = 'Z', /* sends without end */
	WISH_ECHO = 'P',   /* sends back each read as it came */
};
/* Connections to the next port up are closed by the server as soon as they are accepted. */

enum {
	BENCH_BUFFER_BYTES = 256 * 1024, /* of one send or receive call */
	BENCH_SAMPLES_MAX = 4 * 1000 * 1000,
};

/* What a run measures: a warm-up, then the time that counts. */
struct bench_time {
	uint64_t warm_up_ns, measure_ns;
};

/* Round trips of a ping-pong run. */
struct bench_samples {
	uint32_t *ns;
	size_t count;
};

/* ---- report.c ---- */

uint64_t bench_now_ns(void);
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
/* {"gbit_s": …, "cpu_s_per_gb": …}; CPU time is of this process only. */
void bench_report_bulk(uint64_t bytes, uint64_t took_ns, uint64_t cpu_ns);
/* {"per_s": …} */
void bench_report_rate(uint64_t count, uint64_t took_ns);

/* ---- the roles: arguments after the role's name; they return the exit code ---- */

int bench_kernel_server(int argc, char **argv); /* PORT */
/* sink|source|echo|connect HOST PORT SECONDS SPIN */
int bench_kernel_client(int argc, char **argv);
/* sink|source|echo|connect LINK OWN-IP HOST PORT SECONDS SPIN [IMPAIRMENT [CC]] */
int bench_our_client(int argc, char **argv);
int bench_our_memory(int argc, char **argv);    /* COUNT */
int bench_kernel_memory(int argc, char **argv); /* COUNT */
int bench_our_core(int argc, char **argv);      /* 64k|mss|mss-offload|64 ROUNDS */
int bench_our_many(int argc, char **argv);
int bench_overhead(int argc, char **argv); /* SECONDS */
int bench_bridge(int argc, char **argv);   /* TAP-A TAP-B IMPAIRMENT */

#endif
