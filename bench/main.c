// SPDX-License-Identifier: MIT
/* The benchmark program's table of roles; see bench.h. */
#include <signal.h>
#include <string.h>

#include "bench.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} roles[] = {
	{"kernel-server", bench_kernel_server},
	{"kernel-client", bench_kernel_client},
	{"kernel-memory", bench_kernel_memory},
	{"our-client", bench_our_client},
	{"our-memory", bench_our_memory},
	{"our-core", bench_our_core},
	{"our-many", bench_our_many},
	{"mini", bench_mini},
	{"kernel-road", bench_kernel_road},
	{"our-road", bench_our_road},
	{"bridge", bench_bridge},
	{"join", bench_join},
	{"turnover", bench_turnover},
	{"overhead", bench_overhead},
	{"limits", bench_limits},
	{"calm", bench_calm},
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(argv[1], roles[i].name) == 0)
			return roles[i].run(argc - 2, argv + 2);
	bench_fail("this program is started by bench/run; it plays kernel-server, kernel-client, "
		   "kernel-memory, our-client, our-memory, our-core, our-many, kernel-road, "
		   "our-road, mini, bridge, join, overhead, limits, calm");
}
