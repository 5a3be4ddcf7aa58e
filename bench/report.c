// SPDX-License-Identifier: MIT
/* Clocks, samples and the lines of JSON that bench/run reads. */
#define _GNU_SOURCE /* pthread_attr_setaffinity_np */
#include "bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_resident_bytes(void)
{
	unsigned long size_pages = 0, resident_pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%lu %lu", &size_pages, &resident_pages) != 2)
		bench_fail("can't read /proc/self/statm");
	fclose(file);
	return resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void bench_fail(const char *format, ...)
{
	va_list args;

	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\n", stderr);
	exit(1);
}

void bench_samples_init(struct bench_samples *samples)
{
	samples->count = 0;
	samples->ns = malloc(BENCH_SAMPLES_MAX * sizeof(*samples->ns));
	if (!samples->ns)
		bench_fail("no memory for samples");
}

void bench_samples_add(struct bench_samples *samples, uint64_t took_ns)
{
	if (samples->count < BENCH_SAMPLES_MAX)
		samples->ns[samples->count++] = took_ns < UINT32_MAX ? (uint32_t)took_ns
								     : UINT32_MAX;
}

static int compare_samples(const void *a, const void *b)
{
	uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

	return (first > second) - (first < second);
}

static double quantile_us(const struct bench_samples *samples, double share)
{
	return samples->ns[(size_t)(share * (double)(samples->count - 1))] / 1e3;
}

void bench_report_samples(struct bench_samples *samples)
{
	if (samples->count == 0)
		bench_fail("not one round trip in the time given");
	qsort(samples->ns, samples->count, sizeof(*samples->ns), compare_samples);
	printf("{\"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"count\": %zu}\n",
	       quantile_us(samples, 0.5), quantile_us(samples, 0.99), quantile_us(samples, 0.999),
	       samples->count);
	free(samples->ns);
}

void bench_meter_start(struct bench_meter *meter, const struct bench_job *job)
{
	memset(meter, 0, sizeof(*meter));
	meter->start_ns = bench_now_ns() + job->warm_up_ns;
	meter->measure_ns = job->measure_ns;
}

bool bench_meter_add(struct bench_meter *meter, uint64_t bytes)
{
	uint64_t now_ns = bench_now_ns();

	if (!meter->is_warm && now_ns >= meter->start_ns) {
		meter->is_warm = true;
		meter->start_ns = now_ns;
		meter->cpu_ns = bench_cpu_ns();
		meter->warm_up_bytes += bytes;
		return true;
	}
	if (!meter->is_warm) {
		meter->warm_up_bytes += bytes;
		return true;
	}
	meter->bytes += bytes;
	meter->end_ns = now_ns;
	return now_ns < meter->start_ns + meter->measure_ns;
}

void bench_meter_report(const struct bench_meter *meter)
{
	uint64_t took_ns = meter->end_ns - meter->start_ns, cpu_ns = bench_cpu_ns();
	uint64_t all_bytes = meter->bytes + meter->warm_up_bytes;

	if (meter->bytes == 0)
		bench_fail("no bytes in the time given");
	printf("{\"gbit_s\": %.3f, \"cpu_s_per_gb\": %.3f, \"all_bytes\": %" PRIu64
	       ", \"all_cpu_s\": %.3f}\n",
	       (double)meter->bytes * 8 / (double)took_ns,
	       (double)(cpu_ns - meter->cpu_ns) / (double)meter->bytes, all_bytes,
	       (double)cpu_ns / 1e9);
}

void bench_report_road(uint64_t bytes, uint64_t took_ns, uint32_t retransmits, uint32_t timeouts,
		       double rtt_ms)
{
	printf("{\"mbit_s\": %.4f, \"retransmits\": %u, \"timeouts\": %u, \"rtt_ms\": %.3f}\n",
	       (double)bytes * 8e3 / (double)took_ns, retransmits, timeouts, rtt_ms);
}

void bench_report_rate(uint64_t count, uint64_t took_ns, uint64_t cpu_ns)
{
	printf("{\"per_s\": %.1f, \"count\": %" PRIu64 ", \"cpu_us_each\": %.2f}\n",
	       (double)count * 1e9 / (double)took_ns, count, (double)cpu_ns / 1e3 / (double)count);
}

/* ---- what a client is asked for ---- */

static bool take_option(struct bench_job *job, const char *option)
{
	const char *value = strchr(option, '=');

	if (strncmp(option, "--", 2) != 0 || !value)
		return false;
	value++;
	if (strncmp(option, "--conns=", 8) == 0)
		job->conns = (unsigned)atoi(value);
	else if (strncmp(option, "--calls=", 8) == 0)
		job->calls = value;
	else if (strncmp(option, "--cc=", 5) == 0)
		job->cc = value;
	else if (strncmp(option, "--warm-up=", 10) == 0)
		job->warm_up_ns = (uint64_t)(atof(value) * 1e9);
	else
		bench_fail("'%s' is no option", option);
	return true;
}

int bench_job_options(struct bench_job *job, int argc, char **argv)
{
	int left = 0;

	*job = (struct bench_job){.warm_up_ns = 300 * 1000 * 1000, .conns = 1, .calls = "copy"};
	for (int i = 0; i < argc; i++)
		if (!take_option(job, argv[i]))
			argv[left++] = argv[i];
	if (job->conns == 0 || job->conns > BENCH_CONNS_MAX)
		bench_fail("--conns: 1 to %d", BENCH_CONNS_MAX);
	return left;
}

void bench_job_set(struct bench_job *job, const char *what, const char *seconds, const char *spin)
{
	job->what = what;
	job->measure_ns = (uint64_t)(atof(seconds) * 1e9);
	job->spins = strcmp(spin, "0") != 0;
}

void bench_job_wish(const struct bench_job *job, char ret_wish[2])
{
	ret_wish[0] = WISH_SOURCE;
	if (strcmp(job->what, "sink") == 0)
		ret_wish[0] = WISH_SINK;
	else if (strcmp(job->what, "echo") == 0)
		ret_wish[0] = WISH_ECHO;
	ret_wish[1] = job->spins ? '1' : '0';
}

bool bench_thread_on(pthread_t *thread, int cpu, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	cpu_set_t set;
	bool is_started;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (pthread_attr_init(&attr))
		return false;
	is_started = !pthread_attr_setaffinity_np(&attr, sizeof(set), &set) &&
		     !pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return is_started;
}
