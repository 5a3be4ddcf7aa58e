/* SPDX-License-Identifier: MIT */
/*
 * Random worlds as a test: two stacks, a bad network, applications that misbehave, faults; every
 * invariant after every step, every byte in order exactly once, all memory back.
 *
 *     worlds [--seeds N | --seeds A-B | --seed N] [--without LIST | --only LIST] [--jobs N] [--loud]
 *
 * Worlds are played in child processes, so that a broken invariant (which aborts) or an endless loop
 * ends only the child. The seed of a world that fails is printed, then the world is shrunk: one
 * feature or connection after the other is left out for as long as it still fails. What remains
 * is printed as a command that plays exactly that world again. Every 16th world is played
 * twice and must be the same, frame for frame.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "play.h"

enum { JOBS_MAX = 64, WORLD_SECONDS_MAX = 60, SHRINK_SECONDS_MAX = 10, TWICE_EVERY = 16 };

/* One child's words to its parent; in shared memory. */
struct report {
	uint64_t seed; /* the world being played */
	bool has_failed;
	char message[PLAY_MESSAGE_SIZE];
	struct play_result played; /* of the world being played, as it goes */
	uint64_t worlds, frames, steps, bytes, refused, virtual_s, clean, failed;
};

struct options {
	uint64_t first, last;
	struct plan_without without;
	unsigned jobs;
	bool is_loud;
	unsigned seconds_max;
	const char *program;
};

static double wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- in the child ---- */

static bool play_once(uint64_t seed, const struct options *options, struct report *report)
{
	static struct plan plan;
	struct play_result *result = &report->played, again;

	report->seed = seed;
	alarm(options->seconds_max);
	plan_draw(&plan, seed, &options->without);
	play_world(&plan, options->is_loud, result);
	if (result->is_ok && seed % TWICE_EVERY == 0) {
		play_world(&plan, false, &again);
		if (again.digest != result->digest) {
			result->is_ok = false;
			snprintf(result->message, sizeof(result->message),
				 "played twice it was not the same: %llu frames, then %llu",
				 (unsigned long long)result->frames,
				 (unsigned long long)again.frames);
		}
	}
	alarm(0);
	if (!result->is_ok) {
		report->has_failed = true;
		memcpy(report->message, result->message, sizeof(report->message));
		return false;
	}
	report->worlds++;
	report->frames += result->frames;
	report->steps += result->steps;
	report->bytes += result->bytes;
	report->refused += result->refused;
	report->virtual_s += result->virtual_ns / TEE_NS_PER_S;
	report->clean += result->clean_count;
	report->failed += result->failed_count;
	if (options->is_loud)
		printf("seed %llu: ok, %llu frames, %llu steps, %.3f s of its time, digest %016llx\n",
		       (unsigned long long)seed, (unsigned long long)result->frames,
		       (unsigned long long)result->steps, (double)result->virtual_ns / 1e9,
		       (unsigned long long)result->digest);
	return true;
}

static void play_range(const struct options *options, unsigned idx, struct report *report)
{
	for (uint64_t seed = options->first + idx; seed <= options->last; seed += options->jobs) {
		if (!play_once(seed, options, report)) {
			fflush(stdout);
			_exit(1);
		}
	}
	fflush(stdout);
	/* Through exit(), so that a leak is found. */
	exit(0);
}

/* ---- in the parent ---- */

/* `errors`: a file that takes its standard error. */
static pid_t start_child(const struct options *options, unsigned idx, struct report *report,
			 int errors)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	if (dup2(errors, STDERR_FILENO) < 0)
		_exit(2);
	play_range(options, idx, report);
	_exit(2);
}

/* The first lines of what a child wrote to its standard error: the assertion, the sanitizer. */
static void read_errors(int errors, char *text, size_t size)
{
	ssize_t len = pread(errors, text, size - 1, 0);

	text[len > 0 ? len : 0] = 0;
}

/* What a child's end says; false: all was well. */
static bool child_failed(int status, struct report *report, int errors)
{
	char text[PLAY_MESSAGE_SIZE - 64];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	if (report->has_failed)
		return true;
	report->has_failed = true;
	read_errors(errors, text, sizeof(text));
	if (WIFSIGNALED(status))
		snprintf(report->message, sizeof(report->message), "%s. %s",
			 WTERMSIG(status) == SIGALRM ? "It takes for ever"
						     : strsignal(WTERMSIG(status)),
			 text);
	else
		snprintf(report->message, sizeof(report->message), "The program ended with %d. %s",
			 WEXITSTATUS(status), text);
	return true;
}

/* Does this one world fail with these things left out? */
static bool still_fails(const struct options *options, uint64_t seed,
			const struct plan_without *without, struct report *report)
{
	struct options one = *options;
	int status = 0, errors = memfd_create("errors", MFD_CLOEXEC);
	bool has_failed;
	pid_t pid;

	one.first = one.last = seed;
	one.jobs = 1;
	one.without = *without;
	one.is_loud = false;
	one.seconds_max = SHRINK_SECONDS_MAX;
	memset(report, 0, sizeof(*report));
	pid = start_child(&one, 0, report, errors);
	has_failed = pid > 0 && waitpid(pid, &status, 0) == pid &&
		     child_failed(status, report, errors);
	close(errors);
	return has_failed;
}

/* How far a world came before it failed: the same frames at the same times give the same digest. */
static void print_played(const struct play_result *played)
{
	printf("  after %llu frames and %.6f s of its time; digest %016llx\n",
	       (unsigned long long)played->frames, (double)played->virtual_ns / 1e9,
	       (unsigned long long)played->digest);
}

static void print_shrunk(const struct options *options, const struct plan *plan, uint64_t seed,
			 const struct plan_without *least, const struct report *last)
{
	struct plan_without rest = {~least->features, ~least->conns};
	char needs[512];
	unsigned conns = 0;

	for (unsigned i = 0; i < plan->conn_count; i++)
		conns += !(least->conns >> i & 1);
	rest.conns &= (UINT64_C(1) << plan->conn_count) - 1;
	plan_without_print(&rest, needs, sizeof(needs));
	printf("the smallest world that still fails: %s\n", last->message);
	print_played(&last->played);
	printf("  %u of %u connections, %u of %u features\nplay it again: %s --seed %llu --only %s "
	       "--loud\n",
	       conns, plan->conn_count,
	       PLAN_FEATURE_COUNT - (unsigned)__builtin_popcountll(least->features),
	       (unsigned)PLAN_FEATURE_COUNT, options->program, (unsigned long long)seed,
	       needs[0] ? needs : "nothing");
}

static void shrink(const struct options *options, uint64_t seed, struct report *scratch)
{
	struct plan_without least = options->without;
	bool has_shrunk = true;
	static struct report last;
	static struct plan plan;

	if (!still_fails(options, seed, &least, scratch)) {
		printf("seed %llu by itself does not fail again: memory of earlier worlds matters\n",
		       (unsigned long long)seed);
		return;
	}
	last = *scratch;
	plan_draw(&plan, seed, &least);
	while (has_shrunk) {
		has_shrunk = false;
		for (unsigned i = 0; i < plan.conn_count + PLAN_FEATURE_COUNT; i++) {
			struct plan_without candidate = least;

			if (i < plan.conn_count)
				candidate.conns |= UINT64_C(1) << i;
			else
				candidate.features |= UINT64_C(1) << (i - plan.conn_count);
			if ((candidate.conns == least.conns &&
			     candidate.features == least.features) ||
			    !still_fails(options, seed, &candidate, scratch))
				continue;
			least = candidate;
			has_shrunk = true;
			last = *scratch;
		}
	}
	print_shrunk(options, &plan, seed, &least, &last);
}

static int play_all(const struct options *options)
{
	struct report *reports = mmap(NULL, (JOBS_MAX + 1) * sizeof(*reports),
				      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct report sum = {0};
	double started = wall_s(), took;
	pid_t pids[JOBS_MAX];
	int errors[JOBS_MAX];
	unsigned failures = 0;

	if (reports == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (unsigned i = 0; i < options->jobs; i++) {
		errors[i] = memfd_create("errors", MFD_CLOEXEC);
		pids[i] = start_child(options, i, &reports[i], errors[i]);
	}
	for (unsigned i = 0; i < options->jobs; i++) {
		int status = 0;

		if (pids[i] < 0 || waitpid(pids[i], &status, 0) < 0) {
			perror("a child");
			return 2;
		}
		sum.worlds += reports[i].worlds;
		sum.frames += reports[i].frames;
		sum.steps += reports[i].steps;
		sum.bytes += reports[i].bytes;
		sum.refused += reports[i].refused;
		sum.virtual_s += reports[i].virtual_s;
		sum.clean += reports[i].clean;
		sum.failed += reports[i].failed;
		if (!child_failed(status, &reports[i], errors[i])) {
			close(errors[i]);
			continue;
		}
		close(errors[i]);
		failures++;
		printf("seed %llu fails: %s\n", (unsigned long long)reports[i].seed,
		       reports[i].message);
		print_played(&reports[i].played);
		fflush(stdout);
		if (!options->is_loud)
			shrink(options, reports[i].seed, &reports[JOBS_MAX]);
	}
	took = wall_s() - started;
	printf("%llu worlds passed, %u failed; %.0f a second; %.1f days of their time; %llu frames, "
	       "%llu steps, %llu bytes read, %llu allocations refused; %llu connections clean, %llu broken "
	       "as planned\n",
	       (unsigned long long)sum.worlds, failures, (double)sum.worlds / took,
	       (double)sum.virtual_s / 86400, (unsigned long long)sum.frames,
	       (unsigned long long)sum.steps, (unsigned long long)sum.bytes,
	       (unsigned long long)sum.refused, (unsigned long long)sum.clean,
	       (unsigned long long)sum.failed);
	munmap(reports, (JOBS_MAX + 1) * sizeof(*reports));
	return failures || sum.worlds == 0 ? 1 : 0;
}

static int usage(const char *program)
{
	fprintf(stderr,
		"usage: %s [--seeds N|A-B] [--seed N] [--without LIST | --only LIST] [--jobs N] "
		"[--loud]\nLIST:",
		program);
	for (unsigned i = 0; i < PLAN_FEATURE_COUNT; i++)
		fprintf(stderr, "%s%s", i ? "," : " ", plan_feature_name(i));
	fprintf(stderr, ",conn0,…\n");
	return 2;
}

static bool parse_seeds(const char *text, struct options *options)
{
	char *end;

	errno = 0;
	options->first = 1;
	options->last = strtoull(text, &end, 10);
	if (*end == '-') {
		options->first = options->last;
		options->last = strtoull(end + 1, &end, 10);
	}
	return errno == 0 && *text && *end == 0 && options->first <= options->last;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct options options = {
		.first = 1, .last = 300, .seconds_max = WORLD_SECONDS_MAX, .program = argv[0]};

	options.jobs = cpus < 1 ? 1 : cpus > JOBS_MAX ? JOBS_MAX : (unsigned)cpus;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		bool is_ok = true;

		if (strcmp(argv[i], "--loud") == 0) {
			options.is_loud = true;
			setvbuf(stdout, NULL, _IOLBF, 0); /* the last line before an abort, too */
			continue;
		}
		if (strcmp(argv[i], "--seeds") == 0) {
			is_ok = parse_seeds(value, &options);
		} else if (strcmp(argv[i], "--seed") == 0) {
			is_ok = parse_seeds(value, &options);
			options.first = options.last;
			options.jobs = 1;
		} else if (strcmp(argv[i], "--jobs") == 0) {
			options.jobs = (unsigned)strtoul(value, NULL, 10);
			is_ok = options.jobs >= 1 && options.jobs <= JOBS_MAX;
		} else if (strcmp(argv[i], "--without") == 0) {
			is_ok = plan_without_parse(value, &options.without);
		} else if (strcmp(argv[i], "--only") == 0) {
			is_ok = plan_without_parse(strcmp(value, "nothing") ? value : "",
						   &options.without);
			options.without.features ^= (UINT64_C(1) << PLAN_FEATURE_COUNT) - 1;
			options.without.conns = ~options.without.conns;
		} else {
			is_ok = false;
		}
		if (!is_ok)
			return usage(argv[0]);
		i++;
	}
	return play_all(&options);
}
