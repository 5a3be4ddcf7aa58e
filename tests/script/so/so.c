/* SPDX-License-Identifier: MIT */
/*
 * libteeceepee-packetdrill.so: lets the original packetdrill drive the stack.
 *
 * Each member of its interface is a few lines around posix/; results become -1 and errno. Frames
 * are IP packets. The flags name the stack's address and MTU; every other word is a field of the
 * configuration.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "packetdrill_so.h"

enum { POLLS_MAX = 128, EVENTS_MAX = 128, NO_PACKET_S = 7200 };

/* A result as the system's calls give it. */
static int64_t answer(int64_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* A call that never blocks, with the lock around it. */
#define LOCKED(so, call)      \
 ({                           \
int64_t locked_result;             \
so_pay(so);                        \
pthread_mutex_lock(&(so)->lock);   \
locked_result = (call);            \
so_settle(so);                     \
pthread_mutex_unlock(&(so)->lock); \
(int)answer(locked_result);        \
 })

/* ---- sockets ---- */

static int so_socket(void *userdata, int domain, int type, int protocol)
{
	struct so *so = userdata;

	return LOCKED(so, posix_socket(so->rig->world, domain, type, protocol));
}

static int so_bind(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct so *so = userdata;

	return LOCKED(so, posix_bind(so->rig->world, fd, addr, len));
}

static int so_listen(void *userdata, int fd, int backlog)
{
	struct so *so = userdata;

	return LOCKED(so, posix_listen(so->rig->world, fd, backlog));
}

struct address_call {
	int fd;
	void *addr;
	uint32_t *len;
	uint32_t in_len;
};

static int64_t try_accept(struct so *so, void *arg, struct posix_wait *wait)
{
	struct address_call *call = arg;

	return posix_accept(so->rig->world, call->fd, call->addr, call->len, 0, wait);
}

static int so_accept(void *userdata, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct address_call call = {.fd = fd, .addr = addr, .len = len};

	return (int)answer(so_call(userdata, try_accept, &call));
}

static int64_t try_connect(struct so *so, void *arg, struct posix_wait *wait)
{
	struct address_call *call = arg;

	return posix_connect(so->rig->world, call->fd, call->addr, call->in_len, wait);
}

static int so_connect(void *userdata, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct address_call call = {.fd = fd, .addr = (void *)(uintptr_t)addr, .in_len = len};

	return (int)answer(so_call(userdata, try_connect, &call));
}

static int64_t try_close(struct so *so, void *arg, struct posix_wait *wait)
{
	return posix_close(so->rig->world, *(int *)arg, wait);
}

static int so_close(void *userdata, int fd)
{
	return (int)answer(so_call(userdata, try_close, &fd));
}

static int so_shutdown(void *userdata, int fd, int how)
{
	struct so *so = userdata;

	return LOCKED(so, posix_shutdown(so->rig->world, fd, how));
}

static int so_fcntl(void *userdata, int fd, int command, ...)
{
	struct so *so = userdata;
	va_list args;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	return LOCKED(so, posix_fcntl(so->rig->world, fd, command, (int)arg));
}

static int so_ioctl(void *userdata, int fd, unsigned long request, ...)
{
	struct so *so = userdata;
	va_list args;
	int *arg;

	va_start(args, request);
	arg = va_arg(args, int *);
	va_end(args);
	return LOCKED(so, posix_ioctl(so->rig->world, fd, request, arg));
}

static int so_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *len)
{
	struct so *so = userdata;

	return LOCKED(so, posix_getsockopt(so->rig->world, fd, level, name, value, len));
}

static int so_setsockopt(void *userdata, int fd, int level, int name, const void *value,
			 socklen_t len)
{
	struct so *so = userdata;

	return LOCKED(so, posix_setsockopt(so->rig->world, fd, level, name, value, len));
}

/* ---- data ---- */

_Static_assert(sizeof(struct posix_iov) == sizeof(struct iovec), "vectors differ");

struct data_call {
	int fd, flags;
	struct posix_msg msg;
};

static int64_t try_send(struct so *so, void *arg, struct posix_wait *wait)
{
	struct data_call *call = arg;

	return posix_sendmsg(so->rig->world, call->fd, &call->msg, call->flags, wait);
}

static int64_t try_recv(struct so *so, void *arg, struct posix_wait *wait)
{
	struct data_call *call = arg;

	return posix_recvmsg(so->rig->world, call->fd, &call->msg, call->flags, wait);
}

static ssize_t so_readv(void *userdata, int fd, const struct iovec *iov, int count)
{
	struct data_call call = {.fd = fd};

	call.msg.iov = (struct posix_iov *)(uintptr_t)iov;
	call.msg.iov_count = (unsigned)count;
	return answer(so_call(userdata, try_recv, &call));
}

static ssize_t so_recvfrom(void *userdata, int fd, void *buf, size_t len, int flags,
			   struct sockaddr *addr, socklen_t *addr_len)
{
	struct posix_iov iov = {buf, len};
	struct data_call call = {.fd = fd, .flags = flags};
	ssize_t result;

	call.msg.iov = &iov;
	call.msg.iov_count = 1;
	call.msg.name = addr;
	call.msg.name_len = addr_len ? *addr_len : 0;
	result = answer(so_call(userdata, try_recv, &call));
	if (addr_len)
		*addr_len = call.msg.name_len;
	return result;
}

static ssize_t so_recv(void *userdata, int fd, void *buf, size_t len, int flags)
{
	return so_recvfrom(userdata, fd, buf, len, flags, NULL, NULL);
}

static ssize_t so_read(void *userdata, int fd, void *buf, size_t len)
{
	return so_recv(userdata, fd, buf, len, 0);
}

static void give_control(struct msghdr *msg, const struct posix_msg *from)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	size_t used = 0;

	for (unsigned i = 0; i < from->cmsg_count; i++) {
		const struct posix_cmsg *item = &from->cmsg[i];
		size_t len = item->len ? item->len : sizeof(item->value);

		if (!cmsg || used + CMSG_SPACE(len) > msg->msg_controllen) {
			msg->msg_flags |= MSG_CTRUNC;
			break;
		}
		cmsg->cmsg_level = item->level;
		cmsg->cmsg_type = item->type;
		cmsg->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(cmsg), item->len ? (const void *)item->data : &item->value, len);
		used += CMSG_SPACE(len);
		cmsg = CMSG_NXTHDR(msg, cmsg);
	}
	msg->msg_controllen = used;
}

static ssize_t so_recvmsg(void *userdata, int fd, struct msghdr *msg, int flags)
{
	struct data_call call = {.fd = fd, .flags = flags};
	ssize_t result;

	call.msg.iov = (struct posix_iov *)msg->msg_iov;
	call.msg.iov_count = (unsigned)msg->msg_iovlen;
	call.msg.name = msg->msg_name;
	call.msg.name_len = msg->msg_namelen;
	result = answer(so_call(userdata, try_recv, &call));
	if (result < 0)
		return result;
	msg->msg_namelen = call.msg.name_len;
	msg->msg_flags = call.msg.flags;
	give_control(msg, &call.msg);
	return result;
}

static ssize_t so_writev(void *userdata, int fd, const struct iovec *iov, int count)
{
	struct data_call call = {.fd = fd};

	call.msg.iov = (struct posix_iov *)(uintptr_t)iov;
	call.msg.iov_count = (unsigned)count;
	return answer(so_call(userdata, try_send, &call));
}

static ssize_t so_sendto(void *userdata, int fd, const void *data, size_t len, int flags,
			 const struct sockaddr *addr, socklen_t addr_len)
{
	struct posix_iov iov = {(void *)(uintptr_t)data, len};
	struct data_call call = {.fd = fd, .flags = flags};

	call.msg.iov = &iov;
	call.msg.iov_count = 1;
	call.msg.name = (void *)(uintptr_t)addr;
	call.msg.name_len = addr_len;
	return answer(so_call(userdata, try_send, &call));
}

static ssize_t so_send(void *userdata, int fd, const void *data, size_t len, int flags)
{
	return so_sendto(userdata, fd, data, len, flags, NULL, 0);
}

static ssize_t so_write(void *userdata, int fd, const void *data, size_t len)
{
	return so_send(userdata, fd, data, len, 0);
}

static ssize_t so_sendmsg(void *userdata, int fd, const struct msghdr *msg, int flags)
{
	struct data_call call = {.fd = fd, .flags = flags};
	struct msghdr copy = *msg;

	call.msg.iov = (struct posix_iov *)msg->msg_iov;
	call.msg.iov_count = (unsigned)msg->msg_iovlen;
	call.msg.name = msg->msg_name;
	call.msg.name_len = msg->msg_namelen;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&copy); cmsg; cmsg = CMSG_NXTHDR(&copy, cmsg)) {
		struct posix_cmsg *to = &call.msg.cmsg[call.msg.cmsg_count];

		if (call.msg.cmsg_count == POSIX_CMSG_MAX || cmsg->cmsg_len < CMSG_LEN(sizeof(int)))
			break;
		to->level = cmsg->cmsg_level;
		to->type = cmsg->cmsg_type;
		memcpy(&to->value, CMSG_DATA(cmsg), sizeof(int));
		call.msg.cmsg_count++;
	}
	return answer(so_call(userdata, try_send, &call));
}

/* ---- readiness ---- */

struct poll_call {
	struct posix_pollfd fds[POLLS_MAX];
	unsigned count;
	int timeout_ms;
};

static int64_t try_poll(struct so *so, void *arg, struct posix_wait *wait)
{
	struct poll_call *call = arg;

	return posix_poll(so->rig->world, call->fds, call->count, call->timeout_ms, wait);
}

static int so_poll(void *userdata, struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct poll_call call = {.count = (unsigned)count, .timeout_ms = timeout_ms};
	int result;

	if (count > POLLS_MAX) {
		errno = EINVAL;
		return -1;
	}
	for (nfds_t i = 0; i < count; i++)
		call.fds[i] = (struct posix_pollfd){.fd = fds[i].fd, .events = fds[i].events};
	result = (int)answer(so_call(userdata, try_poll, &call));
	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = call.fds[i].revents;
	return result;
}

static int so_epoll_create(void *userdata, int size)
{
	struct so *so = userdata;

	if (size <= 0) {
		errno = EINVAL;
		return -1;
	}
	return LOCKED(so, posix_epoll_create(so->rig->world));
}

static int so_epoll_ctl(void *userdata, int epfd, int op, int fd, struct epoll_event *event)
{
	struct posix_epoll_event in = {0};
	struct so *so = userdata;

	if (event)
		in = (struct posix_epoll_event){event->events, event->data.u64};
	return LOCKED(so, posix_epoll_ctl(so->rig->world, epfd, op, fd, event ? &in : NULL));
}

struct epoll_call {
	int epfd, timeout_ms;
	unsigned max;
	struct posix_epoll_event events[EVENTS_MAX];
};

static int64_t try_epoll(struct so *so, void *arg, struct posix_wait *wait)
{
	struct epoll_call *call = arg;

	return posix_epoll_wait(so->rig->world, call->epfd, call->events, call->max,
				call->timeout_ms, wait);
}

static int so_epoll_wait(void *userdata, int epfd, struct epoll_event *events, int max,
			 int timeout_ms)
{
	struct epoll_call call = {.epfd = epfd, .timeout_ms = timeout_ms};
	int result;

	call.max = max < 0 ? 0 : max > EVENTS_MAX ? EVENTS_MAX : (unsigned)max;
	result = (int)answer(so_call(userdata, try_epoll, &call));
	for (int i = 0; i < result; i++) {
		events[i].events = call.events[i].events;
		events[i].data.u64 = call.events[i].data;
	}
	return result;
}

static int so_pipe(void *userdata, int fds[2])
{
	(void)userdata;
	(void)fds;
	errno = ENOSYS;
	return -1;
}

static int so_splice(void *userdata, int fd_in, off_t *off_in, int fd_out, off_t *off_out,
		     size_t len, unsigned flags)
{
	(void)userdata, (void)fd_in, (void)off_in, (void)fd_out, (void)off_out, (void)len,
		(void)flags;
	errno = ENOSYS;
	return -1;
}

/* ---- packets and time ---- */

static int so_netdev_send(void *userdata, const void *packet, size_t len)
{
	struct so *so = userdata;
	bool ok;

	pthread_mutex_lock(&so->lock);
	ok = rig_receive(so->rig, packet, len);
	so_settle(so);
	pthread_mutex_unlock(&so->lock);
	if (!ok)
		errno = ENOBUFS;
	return ok ? 0 : -1;
}

static int give_packet(struct rig_packet *packet, void *buf, size_t *len, long long *time_us)
{
	int result = 0;

	if (*len < packet->len) {
		errno = EMSGSIZE;
		result = -1;
	} else {
		if (packet->is_partial)
			wire_finish_checksum(packet->bytes, packet->len);
		memcpy(buf, packet->bytes, packet->len);
		*len = packet->len;
		*time_us = (long long)(packet->at_ns / TEE_NS_PER_US);
	}
	free(packet);
	return result;
}

static int so_netdev_receive(void *userdata, void *buf, size_t *len, long long *time_us)
{
	struct so *so = userdata;
	struct rig_packet *packet;
	uint64_t limit_ns;
	int result = 0;

	pthread_mutex_lock(&so->lock);
	limit_ns = so->rig->now_ns + NO_PACKET_S * TEE_NS_PER_S;
	rig_flush(so->rig);
	while (!(packet = rig_take(so->rig)) && so_step(so, limit_ns))
		;
	if (packet) {
		result = give_packet(packet, buf, len, time_us);
	} else {
		*len = 0;
		*time_us = (long long)(so->rig->now_ns / TEE_NS_PER_US);
	}
	pthread_mutex_unlock(&so->lock);
	return result;
}

static int so_usleep(void *userdata, useconds_t us)
{
	struct so *so = userdata;
	uint64_t until_ns;

	pthread_mutex_lock(&so->lock);
	so_settle(so);
	until_ns = so->rig->now_ns + us * TEE_NS_PER_US;
	/* What is due just when the sleep ends comes after whatever follows the sleep. */
	while (so_step(so, until_ns - 1))
		;
	rig_set_now(so->rig, until_ns);
	so_settle(so);
	pthread_mutex_unlock(&so->lock);
	return 0;
}

static int so_gettimeofday(void *userdata, struct timeval *tv, struct timezone *tz)
{
	uint64_t now_us = so_now_us(userdata);

	(void)tz;
	tv->tv_sec = (time_t)(now_us / 1000000);
	tv->tv_usec = (suseconds_t)(now_us % 1000000);
	return 0;
}

/* ---- set-up ---- */

static void so_free(void *userdata)
{
	struct so *so = userdata;

	if (!so)
		return;
	rig_free(so->rig);
	pthread_cond_destroy(&so->settled);
	pthread_cond_destroy(&so->turn);
	pthread_mutex_destroy(&so->lock);
	free(so);
}

static bool apply_flag(struct rig_config *config, char *word)
{
	char *value = strchr(word, '=');

	if (!value)
		return !*word;
	*value++ = '\0';
	if (!strcmp(word, "local")) {
		struct tee_ip local;
		unsigned prefix_bits;
		struct tee_config stack = config->stack;
		uint32_t mtu = config->mtu;

		if (tee_ip_parse_prefix(value, &local, &prefix_bits) < 0)
			return false;
		rig_config_init(config, !tee_ip_is4(&local));
		config->stack = stack;
		config->mtu = mtu;
		config->local = local;
		return true;
	}
	if (!strcmp(word, "mtu")) {
		config->mtu = (uint32_t)strtoul(value, NULL, 0);
		return true;
	}
	if (!strcmp(word, "gso")) {
		config->has_offloads = strcmp(value, "0") != 0;
		return true;
	}
	return tee_config_set(&config->stack, word, value) >= 0;
}

static bool parse_flags(const char *flags, struct rig_config *config)
{
	char text[512], *rest, *word;

	rig_config_init(config, false);
	if (snprintf(text, sizeof(text), "%s", flags ? flags : "") >= (int)sizeof(text)) {
		fprintf(stderr, "teeceepee: flags too long\n");
		return false;
	}
	for (word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		if (!apply_flag(config, word)) {
			fprintf(stderr, "teeceepee: flag '%s' not understood\n", word);
			return false;
		}
	return true;
}

static const struct packetdrill_interface members = {
	.free = so_free,
	.socket = so_socket,
	.bind = so_bind,
	.listen = so_listen,
	.accept = so_accept,
	.connect = so_connect,
	.read = so_read,
	.readv = so_readv,
	.recv = so_recv,
	.recvfrom = so_recvfrom,
	.recvmsg = so_recvmsg,
	.write = so_write,
	.writev = so_writev,
	.send = so_send,
	.sendto = so_sendto,
	.sendmsg = so_sendmsg,
	.fcntl = so_fcntl,
	.ioctl = so_ioctl,
	.close = so_close,
	.shutdown = so_shutdown,
	.getsockopt = so_getsockopt,
	.setsockopt = so_setsockopt,
	.poll = so_poll,
	.netdev_send = so_netdev_send,
	.netdev_receive = so_netdev_receive,
	.usleep = so_usleep,
	.gettimeofday = so_gettimeofday,
	.epoll_create = so_epoll_create,
	.epoll_ctl = so_epoll_ctl,
	.epoll_wait = so_epoll_wait,
	.pipe = so_pipe,
	.splice = so_splice,
};

__attribute__((visibility("default"))) void packetdrill_interface_init(
	const char *flags, struct packetdrill_interface *interface)
{
	struct rig_config config;
	char error[WIRE_ERROR_SIZE];
	struct so *so;

	if (!parse_flags(flags, &config))
		return;
	so = calloc(1, sizeof(*so));
	if (!so)
		return;
	pthread_mutex_init(&so->lock, NULL);
	pthread_cond_init(&so->turn, NULL);
	pthread_cond_init(&so->settled, NULL);
	so->rig = rig_new(&config, error);
	if (!so->rig) {
		fprintf(stderr, "teeceepee: %s\n", error);
		so_free(so);
		return;
	}
	*interface = members;
	interface->userdata = so;
}
