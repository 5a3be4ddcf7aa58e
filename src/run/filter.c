// SPDX-License-Identifier: MIT
/*
 * The seccomp filter: which calls come to us.
 *
 * Everything that a socket does once it is connected, read and write and poll and epoll, is the kernel's
 * own and costs nothing. To us come: making an Internet socket, naming and connecting, options,
 * and the calls that carry addresses. Those that name a descriptor come for every kind of
 * socket, as the filter can't tell which is ours; the others go on after one look.
 *
 * Answered inside the filter, without a word to us: TCP_CORK (nginx sets it around each reply; the
 * carrier cuts its own segments), PR_SET_DUMPABLE 0 (it would close the program's memory to us), and
 * io_uring_setup, whose socket operations no filter sees.
 *
 * libseccomp writes the program; loading it is ours, because the flag WAIT_KILLABLE_RECV (Linux 5.19)
 * is younger than the library: without it a signal could undo a call that was already answered.
 * Programs of other architectures (32-bit ones) find no system calls at all: ENOSYS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/private.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
# define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static const int always[] = {
	SCMP_SYS(connect),     SCMP_SYS(bind),     SCMP_SYS(listen),   SCMP_SYS(accept),
	SCMP_SYS(accept4),     SCMP_SYS(shutdown), SCMP_SYS(sendmsg),  SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(recvmsg),  SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg),
};

/* Options of SOL_SOCKET that stay the kernel's: they tell of the descriptor, not the connection. */
static bool is_native_option(int name)
{
	switch (name) {
	case SO_RCVTIMEO_OLD:
	case SO_SNDTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_NEW:
	case SO_PASSCRED:
	case SO_PEERCRED:
	case SO_PEERSEC:
	case SO_PASSSEC:
	case SO_PEERGROUPS:
	case SO_COOKIE: return true;
	default: return false;
	}
}

static int add_options(scmp_filter_ctx filter, int call)
{
	static const int levels[] = {IPPROTO_IP, IPPROTO_UDP, IPPROTO_IPV6, SOL_NETLINK};
	enum { LAST_OPTION = 82 };
	int result = 0;

	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		result |= seccomp_rule_add(
			filter, SCMP_ACT_NOTIFY, call, 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, (unsigned)levels[i]));
	for (int name = 1; name <= LAST_OPTION; name++)
		if (!is_native_option(name))
			result |= seccomp_rule_add(
				filter, SCMP_ACT_NOTIFY, call, 2,
				SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, SOL_SOCKET),
				SCMP_A2(SCMP_CMP_MASKED_EQ, 0xffffffff, (unsigned)name));
	return result;
}

/* What asks for interfaces or would change them, and for bytes of a socket (nic.c). */
static int add_ioctls(scmp_filter_ctx filter)
{
	static const unsigned commands[] = {
		SIOCOUTQ,       SIOCATMARK,     SIOCGIFNAME,    SIOCGIFCONF,    SIOCGIFFLAGS,
		SIOCSIFFLAGS,   SIOCGIFADDR,    SIOCSIFADDR,    SIOCGIFDSTADDR, SIOCSIFDSTADDR,
		SIOCGIFBRDADDR, SIOCSIFBRDADDR, SIOCGIFNETMASK, SIOCSIFNETMASK, SIOCGIFMETRIC,
		SIOCSIFMETRIC,  SIOCGIFMTU,     SIOCSIFMTU,     SIOCSIFNAME,    SIOCGIFHWADDR,
		SIOCSIFHWADDR,  SIOCGIFINDEX,   SIOCGIFTXQLEN,  SIOCSIFTXQLEN,
	};
	int result = 0;

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(ioctl), 1,
					   SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, commands[i]));
	return result;
}

static int add_rules(scmp_filter_ctx filter)
{
	int result = add_ioctls(filter);

	for (unsigned i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, always[i], 0);
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(socket), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_INET));
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(socket), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_INET6));
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(socket), 2,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_NETLINK),
				   SCMP_A2(SCMP_CMP_MASKED_EQ, 0xffffffff, NETLINK_ROUTE));
	/* Without an address there is nothing that the kernel wouldn't do as well. */
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(sendto), 1,
				   SCMP_A4(SCMP_CMP_NE, 0, 0));
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(recvfrom), 1,
				   SCMP_A4(SCMP_CMP_NE, 0, 0));
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(recvfrom), 1,
				   SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_ERRQUEUE, MSG_ERRQUEUE));
	result |= add_options(filter, SCMP_SYS(setsockopt));
	result |= add_options(filter, SCMP_SYS(getsockopt));
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(getsockopt), 1,
				   SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP, 0));
	result |= seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(setsockopt), 2,
				   SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP, 0),
				   SCMP_A2(SCMP_CMP_NE, TCP_CORK, 0));
	result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(setsockopt), 2,
				   SCMP_A1(SCMP_CMP_EQ, IPPROTO_TCP, 0),
				   SCMP_A2(SCMP_CMP_EQ, TCP_CORK, 0));
	result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(prctl), 2,
				   SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE, 0),
				   SCMP_A1(SCMP_CMP_EQ, 0, 0));
	result |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
	return result;
}

/* The library's program as the kernel wants it; to be freed. */
static struct sock_filter *build(unsigned short *ret_len)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	struct sock_filter *code = NULL;
	struct stat status;
	int fd = memfd_create("filter", MFD_CLOEXEC);

	if (!filter || fd < 0)
		goto out;
	if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) < 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0 || add_rules(filter) != 0 ||
	    seccomp_export_bpf(filter, fd) < 0 || fstat(fd, &status) < 0)
		goto out;
	code = malloc((size_t)status.st_size);
	if (code && pread(fd, code, (size_t)status.st_size, 0) != status.st_size) {
		free(code);
		code = NULL;
	}
	*ret_len = (unsigned short)((size_t)status.st_size / sizeof(*code));
out:
	if (fd >= 0)
		close(fd);
	seccomp_release(filter);
	return code;
}

int run_filter_install(void)
{
	struct sock_fprog program = {0};
	long fd;

	program.filter = build(&program.len);
	if (!program.filter)
		return -ENOMEM;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		free(program.filter);
		return -errno;
	}
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		     &program);
	free(program.filter);
	return fd < 0 ? -errno : (int)fd;
}
