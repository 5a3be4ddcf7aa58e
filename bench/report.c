// SPDX-License-Identifier: MIT
/* Clocks, samples and the lines of JSON that bench/run reads. */
#include "bench.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

void bench_report_bulk(uint64_t bytes, uint64_t took_ns, uint64_t cpu_ns)
{
	printf("{\"gbit_s\": %.3f, \"cpu_s_per_gb\": %.3f, \"bytes\": %" PRIu64 "}\n",
	       (double)bytes * 8 / (double)took_ns, bytes ? (double)cpu_ns / (double)bytes : 0,
	       bytes);
}

void bench_report_rate(uint64_t count, uint64_t took_ns)
{
	printf("{\"per_s\": %.1f, \"count\": %" PRIu64 "}\n", (double)count * 1e9 / (double)took_ns,
	       count);
}
