/* SPDX-License-Identifier: MIT */
/*
 * teeceepee-script: runs scripts in the packetdrill language against the stack, in virtual time.
 *
 * Arguments are files and directories (searched for *.pkt); options that packetdrill has may be
 * given too and win over those in scripts. The exit status is 0 when every script passed.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index.h"
#include "report.h"
#include "rig.h"

/* What test runners take for "cannot be run here". */
enum { EXIT_SKIP = 77 };

struct list {
	char **paths;
	unsigned count, room;
};

static void out_of_memory(void)
{
	fputs("teeceepee-script: out of memory\n", stderr);
	exit(2);
}

static void add_path(struct list *list, const char *path)
{
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->paths = realloc(list->paths, list->room * sizeof(*list->paths));
		if (!list->paths)
			out_of_memory();
	}
	list->paths[list->count] = strdup(path);
	if (!list->paths[list->count++])
		out_of_memory();
}

static int order_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_script_name(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && !strcmp(name + len - 4, ".pkt");
}

static void add_tree(struct list *list, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	while ((entry = readdir(dir))) {
		char below[4096];
		struct stat status;

		if (*entry->d_name == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(below))
			continue;
		if (stat(below, &status) < 0)
			continue;
		if (S_ISDIR(status.st_mode))
			add_tree(list, below);
		else if (is_script_name(entry->d_name))
			add_path(list, below);
	}
	closedir(dir);
}

static void add_argument(struct list *list, const char *path)
{
	unsigned from = list->count;
	struct stat status;

	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode)) {
		add_path(list, path);
		return;
	}
	add_tree(list, path);
	qsort(list->paths + from, list->count - from, sizeof(*list->paths), order_paths);
}

static void usage(FILE *file)
{
	fputs("Usage: teeceepee-script [OPTION]… FILE|DIRECTORY…\n"
	      "Runs scripts in the packetdrill language against the stack, in virtual time.\n"
	      "\n"
	      "  -j, --jobs=N       scripts at once (default: the number of processors)\n"
	      "  -q, --quiet        print failures and counts only\n"
	      "  -v, --verbose      print the packets of each script\n"
	      "      --strict       compare order of options, wscale, exact windows and PSH too\n"
	      "      --no-offload   the interface takes no super-frames and no unfinished checksums\n"
	      "      --record       print what comes back instead of comparing it\n"
	      "      --index=FILE   CSV of script, feature, portability, note: counts by feature\n"
	      "      --expected=FILE  CSV of script and reason: those that it is right to fail\n"
	      "      --tier=NAME    with --index: portable, linux-flavoured, bsd-flavoured, or\n"
	      "                     first (portable, and passed by Linux)\n"
	      "      --tap          print TAP\n"
	      "      --json         print counts by feature and failures as JSON\n"
	      "      --junit=FILE   write JUnit XML\n"
	      "  -h, --help         print this\n"
	      "\n"
	      "Options of packetdrill, which win over those in scripts: --tolerance_usecs,\n"
	      "--ip_version, --mtu, --local_ip, --remote_ip, --bind_port, --connect_port,\n"
	      "--tcp_ts_tick_usecs.\n",
	      file);
}

struct arguments {
	struct run_options run;
	struct report report;
	unsigned jobs;
	const char *index_path, *expected_path, *tier, *junit_path;
};

enum {
	OPT_STRICT = 256,
	OPT_NO_OFFLOAD,
	OPT_RECORD,
	OPT_INDEX,
	OPT_EXPECTED,
	OPT_TIER,
	OPT_TAP,
	OPT_JSON,
	OPT_JUNIT,
	OPT_SETTING
};

static const struct option long_options[] = {
	{"jobs", required_argument, NULL, 'j'},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"strict", no_argument, NULL, OPT_STRICT},
	{"no-offload", no_argument, NULL, OPT_NO_OFFLOAD},
	{"record", no_argument, NULL, OPT_RECORD},
	{"index", required_argument, NULL, OPT_INDEX},
	{"expected", required_argument, NULL, OPT_EXPECTED},
	{"tier", required_argument, NULL, OPT_TIER},
	{"tap", no_argument, NULL, OPT_TAP},
	{"json", no_argument, NULL, OPT_JSON},
	{"junit", required_argument, NULL, OPT_JUNIT},
	{"tolerance_usecs", required_argument, NULL, OPT_SETTING},
	{"ip_version", required_argument, NULL, OPT_SETTING},
	{"mtu", required_argument, NULL, OPT_SETTING},
	{"local_ip", required_argument, NULL, OPT_SETTING},
	{"remote_ip", required_argument, NULL, OPT_SETTING},
	{"bind_port", required_argument, NULL, OPT_SETTING},
	{"connect_port", required_argument, NULL, OPT_SETTING},
	{"tcp_ts_tick_usecs", required_argument, NULL, OPT_SETTING},
	{NULL, 0, NULL, 0},
};

static void add_setting(struct arguments *args, const char *name, const char *value)
{
	unsigned count = args->run.setting_count;

	if (count == RUN_SETTINGS_MAX) {
		fputs("teeceepee-script: too many options\n", stderr);
		exit(2);
	}
	args->run.settings[count].name = name;
	args->run.settings[count].value = value;
	args->run.setting_count++;
}

static void parse_arguments(int argc, char **argv, struct arguments *args)
{
	int option, index = 0;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	args->jobs = processors > 0 ? (unsigned)processors : 1;
	args->run.tolerance_us = -1;
	while ((option = getopt_long(argc, argv, "j:qvh", long_options, &index)) != -1) {
		switch (option) {
		case 'j': args->jobs = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'q': args->report.is_quiet = true; break;
		case 'v': args->run.is_verbose = true; break;
		case 'h': usage(stdout); exit(0);
		case OPT_STRICT: args->run.is_strict = true; break;
		case OPT_NO_OFFLOAD: args->run.has_no_offloads = true; break;
		case OPT_RECORD: args->run.is_recording = true; break;
		case OPT_INDEX: args->index_path = optarg; break;
		case OPT_EXPECTED: args->expected_path = optarg; break;
		case OPT_TIER: args->tier = optarg; break;
		case OPT_TAP: args->report.form = REPORT_TAP; break;
		case OPT_JSON: args->report.form = REPORT_JSON; break;
		case OPT_JUNIT: args->junit_path = optarg; break;
		case OPT_SETTING: add_setting(args, long_options[index].name, optarg); break;
		default: usage(stderr); exit(2);
		}
	}
	if (!args->jobs)
		args->jobs = 1;
	if (args->tier && !args->index_path) {
		fputs("teeceepee-script: --tier needs --index\n", stderr);
		exit(2);
	}
	if (optind == argc) {
		usage(stderr);
		exit(2);
	}
}

static void tell(void *arg, const struct job *job)
{
	report_job(arg, job);
}

/* Jobs from paths; those outside the tier are left out. */
static unsigned make_jobs(const struct list *list, const struct index *index,
			  const struct index *expected, const char *tier, struct job *jobs)
{
	unsigned count = 0;

	for (unsigned i = 0; i < list->count; i++) {
		const char *path = list->paths[i];
		const struct index_row *row = index ? index_find(index, path) : NULL;
		const struct index_row *excuse = expected ? index_find(expected, path) : NULL;

		if (tier && (!row || !index_is_in_tier(row, tier)))
			continue;
		jobs[count++] = (struct job){
			.path = path,
			.feature = row ? row->feature : "",
			.portability = row ? row->portability : "",
			.note = row ? row->note : "",
			.differs = excuse ? excuse->feature : "",
		};
	}
	return count;
}

int main(int argc, char **argv)
{
	struct arguments args = {0};
	struct list list = {0};
	struct index *index = NULL, *expected = NULL;
	struct job *jobs;
	unsigned count;
	bool all_passed;
	char error[WIRE_ERROR_SIZE];

	parse_arguments(argc, argv, &args);
	if (!rig_can_run(error)) {
		fprintf(stderr, "%s\n", error);
		return EXIT_SKIP;
	}
	for (int i = optind; i < argc; i++)
		add_argument(&list, argv[i]);
	if (args.index_path && !(index = index_read(args.index_path)))
		return 2;
	if (args.expected_path && !(expected = index_read(args.expected_path)))
		return 2;
	jobs = calloc(list.count + 1, sizeof(*jobs));
	if (!jobs)
		out_of_memory();
	count = make_jobs(&list, index, expected, args.tier, jobs);
	if (args.report.form == REPORT_TAP)
		puts("TAP version 13");
	pool_run(jobs, count, &args.run,
		 args.run.is_verbose || args.run.is_recording ? 1 : args.jobs, tell, &args.report);
	all_passed = report_end(&args.report, jobs, count) && count;
	if (args.junit_path && !report_junit(args.junit_path, jobs, count)) {
		fprintf(stderr, "%s: %s\n", args.junit_path, strerror(errno));
		all_passed = false;
	}
	free(jobs);
	index_free(index);
	index_free(expected);
	for (unsigned i = 0; i < list.count; i++)
		free(list.paths[i]);
	free(list.paths);
	return all_passed ? 0 : 1;
}
