// SPDX-License-Identifier: MIT
/*
 * The program from outside: its memory, its descriptors.
 *
 * What the caller points to is read once and then judged: other threads of the program may change it at any
 * time. A caller that was killed meanwhile may have left its id to a stranger; so run_is_valid() is
 * asked after a descriptor or memory was had by that id, and before anything is done with it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "run/private.h"

#ifndef PIDFD_THREAD
# define PIDFD_THREAD O_EXCL
#endif

enum { DESCRIPTORS_LOOKED_AT = 1000 };

bool run_is_valid(const struct run_call *call)
{
	uint64_t id = call->request->id;

	return ioctl(call->run->notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* ---- memory ---- */

int run_read(const struct run_call *call, uint64_t address, void *buf, size_t len)
{
	struct iovec ours = {buf, len}, theirs = {(void *)(uintptr_t)address, len};

	if (len == 0)
		return 0;
	if (process_vm_readv((pid_t)call->request->pid, &ours, 1, &theirs, 1, 0) != (ssize_t)len)
		return -EFAULT;
	return run_is_valid(call) ? 0 : -EFAULT;
}

int run_write(const struct run_call *call, uint64_t address, const void *buf, size_t len)
{
	struct iovec ours = {(void *)(uintptr_t)buf, len};
	struct iovec theirs = {(void *)(uintptr_t)address, len};

	if (len == 0)
		return 0;
	if (!run_is_valid(call))
		return -EFAULT;
	return process_vm_writev((pid_t)call->request->pid, &ours, 1, &theirs, 1, 0) == (ssize_t)len
		       ? 0
		       : -EFAULT;
}

/* ---- descriptors ---- */

/* The process that a thread belongs to; 0 when it is gone. */
static pid_t leader_of(pid_t tid)
{
	char path[64], line[256];
	int leader = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "Tgid:", 5) == 0) {
			leader = (int)strtol(line + 5, NULL, 10);
			break;
		}
	fclose(file);
	return leader;
}

static int open_pidfd(pid_t tid)
{
	static bool knows_threads = true;
	long fd = -1;
	pid_t leader;

	if (knows_threads) {
		fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
		if (fd >= 0 || errno != EINVAL)
			return fd < 0 ? -errno : (int)fd;
		knows_threads = false; /* before Linux 6.9 */
	}
	leader = leader_of(tid);
	if (leader <= 0)
		return -ESRCH;
	fd = syscall(SYS_pidfd_open, leader, 0);
	return fd < 0 ? -errno : (int)fd;
}

/*
 * A pidfd costs more than all the rest of taking a descriptor, so those of the callers seen last are kept.
 * One goes on meaning the thread that it was opened for; when that has ended, and its id belongs to
 * another, it is opened anew.
 */
static struct {
	pid_t tid;
	int pidfd; /* valid when tid isn't 0 */
} kept_pids[64];

static void forget_pid(unsigned index)
{
	if (kept_pids[index].tid)
		close(kept_pids[index].pidfd);
	kept_pids[index].tid = 0;
}

void run_forget_pids(void)
{
	for (unsigned i = 0; i < sizeof(kept_pids) / sizeof(kept_pids[0]); i++)
		forget_pid(i);
}

int run_take_fd(pid_t pid, int fd)
{
	unsigned index = (unsigned)pid % (sizeof(kept_pids) / sizeof(kept_pids[0]));
	long taken;
	int pidfd;

	if (kept_pids[index].tid == pid) {
		taken = syscall(SYS_pidfd_getfd, kept_pids[index].pidfd, fd, 0);
		if (taken >= 0)
			return (int)taken;
	}
	/* An ended thread has no descriptors either: ESRCH, or of older kernels EBADF. */
	forget_pid(index);
	pidfd = open_pidfd(pid);
	if (pidfd == -EMFILE) {
		run_forget_pids();
		pidfd = open_pidfd(pid);
	}
	if (pidfd < 0)
		return pidfd;
	kept_pids[index].tid = pid;
	kept_pids[index].pidfd = pidfd;
	taken = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return taken < 0 ? -errno : (int)taken;
}

int64_t run_give_fd(const struct run_call *call, struct run_sock *sock, int fd, bool is_cloexec)
{
	int given;
	struct seccomp_notif_addfd add = {
		.id = call->request->id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)fd,
		.newfd_flags = is_cloexec ? O_CLOEXEC : 0,
	};

	given = ioctl(call->run->notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (given < 0)
		return -errno;
	if (sock) {
		sock->seen_pid = (pid_t)call->request->pid;
		sock->seen_fd = given;
	}
	return RUN_DONE;
}

/* What the kernel tells of a thread's descriptor; NULL: it isn't there any more, or is nothing of ours to see. */
static FILE *open_fdinfo(pid_t tid, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)tid, fd);
	return fopen(path, "re");
}

/* O_CLOEXEC belongs to the descriptor, of which we have but duplicates. */
static bool is_cloexec(pid_t tid, int fd)
{
	FILE *file = open_fdinfo(tid, fd);
	bool result = false;
	char line[256];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "flags:", 6) == 0)
			result = strtoul(line + 6, NULL, 8) & O_CLOEXEC;
	fclose(file);
	return result;
}

int run_replace_fd(const struct run_call *call, int fd, int target)
{
	struct seccomp_notif_addfd add = {
		.id = call->request->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = (uint32_t)target,
		.newfd_flags = is_cloexec((pid_t)call->request->pid, target) ? O_CLOEXEC : 0,
	};

	return ioctl(call->run->notify_fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add) < 0 ? -errno : 0;
}

/* An epoll's entry for a file: "tfd: 5 events: 19 data: 5 pos:0 ino:1a2b sdev:8" */
static bool epoll_has(pid_t tid, int fd, uint64_t inode)
{
	FILE *file = open_fdinfo(tid, fd);
	bool result = false;
	const char *at;
	char line[256];

	if (!file)
		return false;
	while (!result && fgets(line, sizeof(line), file))
		result = strncmp(line, "tfd:", 4) == 0 && (at = strstr(line, " ino:")) &&
			 strtoull(at + 5, NULL, 16) == inode;
	fclose(file);
	return result;
}

bool run_is_in_epoll(const struct run_call *call, uint64_t inode)
{
	pid_t tid = (pid_t)call->request->pid;
	const struct dirent *entry;
	unsigned left = DESCRIPTORS_LOOKED_AT;
	bool result = false;
	char text[64];
	DIR *dir;

	snprintf(text, sizeof(text), "/proc/%d/fd", (int)tid);
	dir = opendir(text);
	if (!dir)
		return true;
	while (!result && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, text, sizeof(text) - 1);

		result = left-- == 0;
		if (len <= 0)
			continue;
		text[len] = '\0';
		if (strcmp(text, "anon_inode:[eventpoll]") == 0)
			result |= epoll_has(tid, (int)strtol(entry->d_name, NULL, 10), inode);
	}
	closedir(dir);
	return result;
}

bool run_is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_NONBLOCK;
}

/* How many of the descriptors below `limit` a thread has; SIZE_MAX: nobody can tell. */
static size_t count_below(pid_t tid, rlim_t limit)
{
	const struct dirent *entry;
	size_t count = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)tid);
	dir = opendir(path);
	if (!dir)
		return SIZE_MAX;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.' && strtoull(entry->d_name, NULL, 10) < limit;
	closedir(dir);
	return count;
}

bool run_is_table_full(const struct run_call *call)
{
	pid_t tid = (pid_t)call->request->pid;
	struct rlimit limit;
	size_t count;
	int last;

	if (prlimit(tid, RLIMIT_NOFILE, NULL, &limit) < 0 || limit.rlim_cur > INT_MAX)
		return false;
	/* The lowest number is taken first: mostly the last one says that there is room. */
	last = limit.rlim_cur ? run_take_fd(tid, (int)limit.rlim_cur - 1) : 0;
	if (last < 0)
		return false;
	if (limit.rlim_cur)
		close(last);
	count = count_below(tid, limit.rlim_cur);
	return count != SIZE_MAX && count >= limit.rlim_cur;
}

uint64_t run_timeout_ns(int fd, int option)
{
	struct timeval value = {0};
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0)
		return 0;
	return (uint64_t)value.tv_sec * TEE_NS_PER_S + (uint64_t)value.tv_usec * TEE_NS_PER_US;
}

/* ---- addresses ---- */

int run_read_sockaddr(const struct run_call *call, uint64_t address, uint64_t len, int *ret_family,
		      struct tee_endpoint *ret)
{
	uint8_t bytes[sizeof(struct sockaddr_storage)] = {0};
	uint16_t family;

	if ((int)len < 0 || (uint32_t)len > sizeof(bytes) || (uint32_t)len < sizeof(family))
		return -EINVAL;
	if (run_read(call, address, bytes, (uint32_t)len) < 0)
		return -EFAULT;
	memcpy(&family, bytes, sizeof(family));
	*ret_family = family;
	if (family == AF_UNSPEC)
		return 0;
	return posix_read_sockaddr(bytes, (uint32_t)len, ret);
}

int run_write_name(const struct run_call *call, const void *name, uint32_t len, uint64_t address,
		   uint64_t len_address)
{
	uint32_t room;

	if (run_read(call, len_address, &room, sizeof(room)) < 0)
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	if (run_write(call, address, name, room < len ? room : len) < 0 ||
	    run_write(call, len_address, &len, sizeof(len)) < 0)
		return -EFAULT;
	return 0;
}

uint32_t run_put_name(const struct run_sock *sock, const struct tee_endpoint *endpoint,
		      void *ret_name)
{
	if (sock->domain == AF_NETLINK)
		return run_netlink_name(0, ret_name);
	return posix_write_sockaddr(endpoint, sock->domain, ret_name, POSIX_SOCKADDR_SIZE);
}

int run_write_sockaddr(const struct run_call *call, const struct run_sock *sock,
		       const struct tee_endpoint *endpoint, uint64_t address, uint64_t len_address)
{
	uint8_t bytes[POSIX_SOCKADDR_SIZE];
	uint32_t len = run_put_name(sock, endpoint, bytes);

	return run_write_name(call, bytes, len, address, len_address);
}

/* ---- waiting ---- */

int64_t run_hold(struct run_call *call, struct run_sock *sock, uint64_t timeout_ns, int64_t verdict)
{
	if (call->is_expired)
		return verdict;
	call->sock = sock;
	if (!call->is_timed) {
		call->is_timed = true;
		call->deadline_ns = timeout_ns ? tee_host_now_ns() + timeout_ns : TEE_NEVER;
	}
	return RUN_HOLD;
}
