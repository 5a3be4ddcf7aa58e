// SPDX-License-Identifier: MIT
/*
 * What a connection costs the kernel. An idle one: pairs over the loopback, counted as growth of the
 * kernel's slabs (/proc/meminfo), which is where sockets, files and inodes live; the machine's other doings
 * are in that figure too. One in TIME-WAIT or SYN-RECEIVED: the size of such an object in its slab.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

static uint64_t slab_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kilobytes = 0;
	char line[128];
	bool is_found = false;

	while (file && fgets(line, sizeof(line), file))
		is_found |= sscanf(line, "Slab: %lu", &kilobytes) == 1;
	if (!is_found)
		bench_fail("/proc/meminfo tells nothing of slabs");
	fclose(file);
	return (uint64_t)kilobytes * 1024;
}

/* What one object of a slab takes, its share of the slab's rest included; 0: not told to this user. */
static double object_bytes(const char *slab)
{
	unsigned per_slab = 0, pages = 0;
	FILE *file = fopen("/proc/slabinfo", "r");
	char line[512], name[64];
	double bytes = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %*u %*u %*u %u %u", name, &per_slab, &pages) == 3 &&
		    strcmp(name, slab) == 0 && per_slab > 0)
			bytes = (double)pages * (double)sysconf(_SC_PAGESIZE) / per_slab;
	if (file)
		fclose(file);
	return bytes;
}

static void kernel_pair(int listener, const struct sockaddr_in *there)
{
	int client = socket(AF_INET, SOCK_STREAM, 0), server;
	char byte = 'x';

	if (client < 0 || connect(client, (const struct sockaddr *)there, sizeof(*there)) < 0)
		bench_fail("can't connect: %s", strerror(errno));
	server = accept(listener, NULL, NULL);
	if (server < 0 || send(client, &byte, 1, 0) != 1 || recv(server, &byte, 1, 0) != 1 ||
	    send(server, &byte, 1, 0) != 1 || recv(client, &byte, 1, 0) != 1)
		bench_fail("no byte each way: %s", strerror(errno));
}

int bench_kernel_memory(int argc, char **argv)
{
	unsigned long count = argc == 1 ? strtoul(argv[0], NULL, 10) : 0;
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(5999)};
	struct rlimit files;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t before, pair_bytes;

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (count == 0 || count > 25000)
		bench_fail("kernel-memory COUNT, up to 25000");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	/* As many as this user may have: two files each, and some for the warm-up. */
	if (files.rlim_cur < 2 * count + 300)
		count = files.rlim_cur > 2300 ? (files.rlim_cur - 300) / 2 : 1000;
	if (bind(listener, (struct sockaddr *)&there, sizeof(there)) < 0 ||
	    listen(listener, 100) < 0)
		bench_fail("can't listen: %s", strerror(errno));
	for (unsigned i = 0; i < 100; i++)
		kernel_pair(listener, &there);
	before = slab_bytes();
	for (unsigned long i = 0; i < count; i++)
		kernel_pair(listener, &there);
	pair_bytes = (slab_bytes() - before) / count;
	printf("{\"idle\": %.0f, \"time_wait\": %.0f, \"syn_received\": %.0f, \"connections\": %lu}\n",
	       (double)pair_bytes / 2, object_bytes("tw_sock_TCP"),
	       object_bytes("request_sock_TCP"), count);
	return 0;
}
