/* SPDX-License-Identifier: MIT */
/* A user and network namespace for a test that makes interfaces. _GNU_SOURCE must be defined. */
#ifndef TEST_LINK_NAMESPACE_H
#define TEST_LINK_NAMESPACE_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

/* From now on this program is root where there is only a loopback; false: that isn't allowed here. */
static bool enter_namespace(void)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	return system("ip link set lo up") == 0;
}

#endif
