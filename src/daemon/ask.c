// SPDX-License-Identifier: MIT
/*
 * Messages with descriptors beside them (SCM_RIGHTS), and a client's question to a daemon.
 *
 * A client waits for an answer for a while only: a daemon that is stopped shall not stop others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "build_config.h"
#include "daemon/ask.h"

/* A daemon that is still getting its address (15 s of DHCP) answers when it has it. */
enum { ANSWER_SECONDS = 20, FDS_MAX = 4 };

void daemon_request_init(struct daemon_request *request, enum daemon_kind kind)
{
	memset(request, 0, sizeof(*request));
	snprintf(request->version, sizeof(request->version), "%s", TEE_BUILD_VERSION);
	request->kind = kind;
}

int daemon_send(int fd, const void *message, size_t size, int passed_fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec piece = {(void *)(uintptr_t)message, size};
	struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};

	if (passed_fd >= 0) {
		struct cmsghdr *rights;

		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &passed_fd, sizeof(int));
	}
	return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The first of the descriptors that came; others are closed. */
static int take_rights(struct msghdr *header)
{
	int taken = -1;

	for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each; each = CMSG_NXTHDR(header, each)) {
		size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(each) + i * sizeof(int), sizeof(int));
			if (taken < 0)
				taken = fd;
			else
				close(fd);
		}
	}
	return taken;
}

ssize_t daemon_receive(int fd, void *message, size_t size, int flags, int *ret_fd)
{
	char control[CMSG_SPACE(FDS_MAX * sizeof(int))] __attribute__((aligned(8)));
	struct iovec piece = {message, size};
	struct msghdr header = {.msg_iov = &piece,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	ssize_t len;

	do
		len = recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	*ret_fd = -1;
	if (len < 0)
		return -errno;
	*ret_fd = take_rights(&header);
	/* Cut off: as wrong as any other size. */
	return header.msg_flags & MSG_TRUNC ? (ssize_t)size + 1 : len;
}

int daemon_ask(int fd, const struct daemon_request *request, int passed_fd,
	       struct daemon_reply *ret_reply, int *ret_fd, char *ret_error)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	ssize_t len = daemon_send(fd, request, sizeof(*request), passed_fd);
	int came = -1;

	memset(ret_reply, 0, sizeof(*ret_reply));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* One that refuses us as a user may have answered and gone before we asked. */
	if (len == 0 || len == -EPIPE)
		len = daemon_receive(fd, ret_reply, sizeof(*ret_reply), 0, &came);
	if (ret_fd)
		*ret_fd = came;
	else if (came >= 0)
		close(came);
	if (len == sizeof(*ret_reply)) {
		ret_reply->text[sizeof(ret_reply->text) - 1] = '\0';
		ret_reply->link[sizeof(ret_reply->link) - 1] = '\0';
		if (ret_reply->address_count > DAEMON_ADDRESSES_MAX)
			ret_reply->address_count = 0;
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "%s", ret_reply->text);
		return ret_reply->code > 0 ? -ret_reply->code : 0;
	}
	if (len == -EAGAIN)
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "the daemon has not answered for %d s",
			 ANSWER_SECONDS);
	else if (len > 0)
		snprintf(ret_error, TEE_HOST_ERROR_SIZE,
			 "the daemon is of another version than this program: 'teeceepee down' and "
			 "'teeceepee up' start it anew");
	else
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "the daemon ended before it answered%s%s",
			 len < 0 ? ": " : "", len < 0 ? strerror((int)-len) : "");
	return len < 0 ? (int)len : -EIO;
}
