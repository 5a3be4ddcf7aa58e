// SPDX-License-Identifier: MIT
/*
 * Opening a file that can't be outside of a directory.
 *
 * openat2(2) with RESOLVE_BENEATH leaves that to the kernel: neither "..", nor an absolute or
 * upward symbolic link, nor a race between check and use gets out. Where a sandbox or an old kernel
 * refuses openat2, the path is walked a component at a time and no symbolic link is followed at all.
 */
#define _GNU_SOURCE /* O_PATH */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/serve.h"

/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* Fallback: each component by itself, no "..", no links. */
static int walk(int root_fd, const char *path)
{
	int dir_fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	while (dir_fd >= 0) {
		char name[256];
		size_t len;
		bool is_last;
		int fd, error;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		is_last = path[len + strspn(path + len, "/")] == '\0';
		if (len >= sizeof(name)) {
			close(dir_fd);
			return -ENAMETOOLONG;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		if (strcmp(name, "..") == 0) {
			close(dir_fd);
			return -EXDEV;
		}
		fd = openat(dir_fd, len ? name : ".",
			    is_last ? OPEN_FLAGS | O_NOFOLLOW
				    : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		error = errno;
		close(dir_fd);
		if (fd < 0)
			return error == ELOOP ? -EXDEV : -error;
		if (is_last)
			return fd;
		dir_fd = fd;
		path += len;
	}
	return -errno;
}

int serve_open_beneath(int root_fd, const char *path)
{
	struct open_how how = {
		.flags = OPEN_FLAGS,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	path += strspn(path, "/");
	fd = (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof(how));
	if (fd >= 0)
		return fd;
	if (errno == ENOSYS || errno == EPERM)
		return walk(root_fd, path);
	/* RESOLVE_NO_MAGICLINKS says ELOOP, RESOLVE_BENEATH EXDEV: it led outside. */
	return errno == ELOOP ? -EXDEV : -errno;
}
