// SPDX-License-Identifier: MIT
/*
 * The supervisor: takes the program's calls from the notification descriptor, has each answered by
 * its function, and holds those that have to wait.
 *
 * All of it runs in the host's loop, in one thread: a call is answered at once or held, never waited
 * for. A held call is tried again when its socket has news (run_wake_held()). Twenty times a second each
 * is looked at: its time may be over, its caller killed, or a signal pending. For the kernel, which
 * lets only fatal signals interrupt a call that we have taken, the answer is then ERESTARTSYS, and the
 * handler runs and the call starts again or returns EINTR, as SA_RESTART has it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "run/private.h"

#define LOOK_NS (50 * TEE_NS_PER_MS)
/* How long, and in what steps, we wait for what an ended program wrote to reach its peers. */
#define REST_NS            (30 * TEE_NS_PER_S)
#define REST_CHECK_NS      (20 * TEE_NS_PER_MS)
#define KERNEL_ERESTARTSYS 512

enum { CALLS_A_TURN = 64, RESERVED_FDS = 16 };

struct held {
	struct list node;
	struct run_call call;
	struct seccomp_notif request;
};

static const struct {
	int number;
	run_call_fn *fn;
} calls[] = {
	{SYS_socket, run_call_socket},
	{SYS_connect, run_call_connect},
	{SYS_bind, run_call_bind},
	{SYS_listen, run_call_listen},
	{SYS_accept, run_call_accept},
	{SYS_accept4, run_call_accept},
	{SYS_shutdown, run_call_shutdown},
	{SYS_getsockname, run_call_getsockname},
	{SYS_getpeername, run_call_getpeername},
	{SYS_setsockopt, run_call_setsockopt},
	{SYS_getsockopt, run_call_getsockopt},
	{SYS_sendto, run_call_sendto},
	{SYS_recvfrom, run_call_recvfrom},
	{SYS_sendmsg, run_call_sendmsg},
	{SYS_recvmsg, run_call_recvmsg},
	{SYS_sendmmsg, run_call_sendmmsg},
	{SYS_recvmmsg, run_call_recvmmsg},
	{SYS_ioctl, run_call_ioctl},
};

/* ---- answers ---- */

static void answer(struct run *run, uint64_t id, int64_t verdict)
{
	struct seccomp_notif_resp *response = run->response;

	if (verdict == RUN_DONE)
		return;
	memset(response, 0, run->response_size);
	response->id = id;
	if (verdict == RUN_CONTINUE)
		response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (verdict < 0)
		response->error = (int)verdict;
	else
		response->val = verdict;
	/* ENOENT: the caller was killed meanwhile. */
	ioctl(run->notify_fd, SECCOMP_IOCTL_NOTIF_SEND, response);
}

static int64_t serve(struct run_call *call)
{
	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == call->request->data.nr)
			return calls[i].fn(call);
	return -ENOSYS;
}

bool run_is_shortage(struct run *run, int error)
{
	char text[TEE_HOST_ERROR_SIZE];

	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return false;
	run_forget_pids();
	if (run->has_told_shortage || !run->on_trouble)
		return true;
	run->has_told_shortage = true;
	snprintf(text, sizeof(text), "new connections wait: %s%s", strerror(error),
		 error == EMFILE ? " (each takes a descriptor of ours: ulimit -n)" : "");
	run->on_trouble(run->on_trouble_arg, text);
	return true;
}

int run_check_reserve(void)
{
	struct rlimit limit;
	int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (lowest < 0)
		lowest = open("/dev/null", O_RDONLY | O_CLOEXEC); /* there is no standard error */
	if (lowest < 0)
		return -errno;
	close(lowest);
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	return (rlim_t)lowest < limit.rlim_cur - MIN(limit.rlim_cur / 4, RESERVED_FDS) ? 0
										       : -EMFILE;
}

/* ---- held calls ---- */

static void try_again(struct held *held, bool is_woken)
{
	struct run *run = held->call.run;
	int64_t verdict;

	held->call.is_held = true;
	held->call.is_woken = is_woken;
	verdict = serve(&held->call);
	if (verdict == RUN_HOLD)
		return;
	answer(run, held->request.id, verdict);
	list_remove(&held->node);
	free(held);
}

void run_wake_held(struct run *run, struct run_sock *sock)
{
	struct list ours;

	/* Trying changes the list; those that are ours wait in one of their own. */
	list_init(&ours);
	LIST_FOR_EACH_SAFE(node, &run->held)
	{
		if (CONTAINER_OF(node, struct held, node)->call.sock != sock)
			continue;
		list_remove(node);
		list_push_back(&ours, node);
	}
	while (!list_is_empty(&ours)) {
		struct list *node = list_pop_front(&ours);

		list_push_back(&run->held, node);
		try_again(CONTAINER_OF(node, struct held, node), true);
	}
}

/* A line of /proc/PID/status that holds a signal mask; other lines change nothing. */
static void read_mask(const char *line, const char *name, uint64_t *mask)
{
	if (strncmp(line, name, strlen(name)) == 0)
		*mask = strtoull(line + strlen(name), NULL, 16);
}

/* Has the thread a signal that it neither blocks nor ignores? */
static bool has_signal(pid_t tid)
{
	uint64_t own = 0, shared = 0, blocked = 0, ignored = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		read_mask(line, "SigPnd:", &own);
		read_mask(line, "ShdPnd:", &shared);
		read_mask(line, "SigBlk:", &blocked);
		read_mask(line, "SigIgn:", &ignored);
	}
	fclose(file);
	return ((own | shared) & ~blocked & ~ignored) != 0;
}

static void look_at(struct held *held, uint64_t now_ns)
{
	struct run *run = held->call.run;

	if (!run_is_valid(&held->call)) {
		list_remove(&held->node);
		free(held);
	} else if (has_signal((pid_t)held->request.pid)) {
		run_connect_leave(&held->call);
		answer(run, held->request.id, -KERNEL_ERESTARTSYS);
		list_remove(&held->node);
		free(held);
	} else {
		held->call.is_expired = now_ns >= held->call.deadline_ns;
		/* Its socket may have been closed by another thread. */
		try_again(held, false);
	}
}

static void on_look(void *arg)
{
	struct run *run = arg;
	uint64_t now_ns = tee_host_now_ns();
	struct list waiting;

	run->held_timer = 0;
	/* As above: what one of them ends in may wake, and so free, another. */
	list_init(&waiting);
	while (!list_is_empty(&run->held))
		list_push_back(&waiting, list_pop_front(&run->held));
	while (!list_is_empty(&waiting)) {
		struct list *node = list_pop_front(&waiting);

		list_push_back(&run->held, node);
		look_at(CONTAINER_OF(node, struct held, node), now_ns);
	}
	if (!list_is_empty(&run->held))
		run->held_timer = tee_host_after(run->host, LOOK_NS, on_look, run);
}

static int64_t hold(struct run *run, const struct run_call *call)
{
	struct held *held = calloc(1, sizeof(*held));
	uint64_t delay_ns = LOOK_NS, now_ns = tee_host_now_ns();

	if (!held)
		return -ENOMEM;
	held->request = *call->request;
	held->call = *call;
	held->call.request = &held->request;
	list_push_back(&run->held, &held->node);
	if (call->deadline_ns < now_ns + delay_ns)
		delay_ns = call->deadline_ns > now_ns ? call->deadline_ns - now_ns : 0;
	if (!run->held_timer || delay_ns < LOOK_NS) {
		if (run->held_timer)
			tee_host_cancel(run->host, run->held_timer);
		run->held_timer = tee_host_after(run->host, delay_ns, on_look, run);
	}
	return RUN_HOLD;
}

/* ---- arrivals ---- */

/* One call, if there is one; false: none. */
static bool take_call(struct run *run)
{
	struct run_call call = {.run = run, .request = run->request};
	int64_t verdict;

	memset(run->request, 0, run->request_size);
	if (ioctl(run->notify_fd, SECCOMP_IOCTL_NOTIF_RECV, run->request) < 0)
		return false;
	verdict = serve(&call);
	if (verdict == RUN_HOLD)
		verdict = hold(run, &call);
	if (verdict != RUN_HOLD)
		answer(run, run->request->id, verdict);
	return true;
}

static void on_notify(void *arg, int fd, short revents)
{
	struct run *run = arg;
	struct pollfd more = {.fd = fd, .events = POLLIN};

	if (revents & EPOLLIN) {
		/* The answered program often comes back at once; but the link must have its turn. */
		for (unsigned i = 0; i < CALLS_A_TURN; i++)
			if (!take_call(run) || poll(&more, 1, 0) != 1 || !(more.revents & POLLIN))
				break;
	} else if (revents & (EPOLLHUP | EPOLLERR)) {
		/* Nobody is left under the filter. */
		run->is_unused = true;
		tee_host_unwatch_fd(run->host, fd);
		if (run->on_unused)
			run->on_unused(run->on_unused_arg);
	}
}

/* ---- signals ---- */

static void reap(struct run_child *child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == child->pid) {
			child->status = status;
			child->has_ended = true;
		}
}

void run_take_signals(struct run_child *child, int signal_fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(child);
		else if (child->has_ended)
			child->is_told_to_end = true;
		/* The terminal sends to the whole group, and so to the program too. */
		else if (info.ssi_code != SI_KERNEL)
			kill(child->pid, (int)info.ssi_signo);
	}
}

static void on_signal(void *arg, int fd, short revents)
{
	struct run *run = arg;

	(void)revents;
	run_take_signals(&run->child, fd);
}

/* ---- life ---- */

static bool make_dir(struct run *run, const char *dir)
{
	const char *places[] = {dir, getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
	const size_t room = sizeof(run->dir) - sizeof("/teeceepee-XXXXXX");

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!places[i] || strlen(places[i]) > room)
			continue;
		snprintf(run->dir, sizeof(run->dir), "%s/teeceepee-XXXXXX", places[i]);
		if (mkdtemp(run->dir))
			return true;
	}
	run->dir[0] = '\0';
	return false;
}

/* Where sockets of the program are connected to us; the directory lets nobody else in. */
static int open_rendezvous(struct run *run, const char *dir)
{
	if (!make_dir(run, dir))
		return -errno;
	run_path(run, 0, &run->rendezvous);
	run->rendezvous_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (run->rendezvous_fd < 0 ||
	    bind(run->rendezvous_fd, (struct sockaddr *)&run->rendezvous, sizeof(run->rendezvous)) <
		    0 ||
	    listen(run->rendezvous_fd, 64) < 0)
		return -errno;
	return 0;
}

int run_open_signals(void)
{
	static const int signals[] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR2};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int allocate(struct run *run)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	run->request_size = sizes.seccomp_notif > sizeof(*run->request) ? sizes.seccomp_notif
									: sizeof(*run->request);
	run->response_size = sizes.seccomp_notif_resp > sizeof(*run->response)
				     ? sizes.seccomp_notif_resp
				     : sizeof(*run->response);
	run->request = calloc(1, run->request_size);
	run->response = calloc(1, run->response_size);
	run->buffer = malloc(RUN_DATAGRAM_MAX);
	run->world = posix_new(tee_host_stack(run->host), 0);
	for (unsigned i = 0; i < RUN_WEAK_COUNT; i++)
		if ((run->weak_fds[i] = epoll_create1(EPOLL_CLOEXEC)) < 0)
			return -errno;
	if (!run->request || !run->response || !run->buffer || !run->world)
		return -ENOMEM;
	return 0;
}

/* A run without a program, ready for one; NULL, and a sentence. */
static struct run *prepare(const struct run_config *config, char *ret_error)
{
	struct run *run = calloc(1, sizeof(*run));
	int result;

	if (!run) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "no memory to run a program");
		return NULL;
	}
	run->host = config->host;
	run->allows_host_loopback = config->allows_host_loopback;
	run->on_trouble = config->on_trouble;
	run->on_trouble_arg = config->on_trouble_arg;
	run->on_unused = config->on_unused;
	run->on_unused_arg = config->on_unused_arg;
	run->notify_fd = run->rendezvous_fd = run->signal_fd = -1;
	list_init(&run->socks);
	for (unsigned i = 0; i < RUN_WEAK_COUNT; i++) {
		list_init(&run->weak[i]);
		run->weak_fds[i] = -1;
	}
	list_init(&run->dead);
	list_init(&run->held);
	hash_init(&run->by_cookie);
	hash_init(&run->by_serial);
	result = allocate(run);
	if (result == 0)
		result = open_rendezvous(run, config->dir);
	if (result < 0) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't prepare to run a program: %s",
			 strerror(-result));
		run_program_end(run);
		return NULL;
	}
	run_resolv_init(run);
	if (run_publish_start(run, config, ret_error) == 0)
		return run;
	run_program_end(run);
	return NULL;
}

static int fail_watch(char *ret_error)
{
	snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't watch the program");
	return RUN_EXIT_FAILED;
}

/* Starts it; its signals are held back before, so that none of its end is missed. */
static int start(struct run *run, const struct run_config *config, char *ret_error)
{
	struct run_launched launched;
	int result;

	run->signal_fd = run_open_signals();
	if (run->signal_fd < 0)
		return fail_watch(ret_error);
	result = run_launch(config, &launched, ret_error);
	if (result)
		return result;
	run->child.pid = launched.child;
	run->notify_fd = launched.notify_fd;
	if (tee_host_watch_fd(run->host, run->notify_fd, POLLIN, on_notify, run) < 0 ||
	    tee_host_watch_fd(run->host, run->signal_fd, POLLIN, on_signal, run) < 0)
		return fail_watch(ret_error);
	return 0;
}

int run_program_start(const struct run_config *config, struct run **ret_run,
		      char ret_error[TEE_HOST_ERROR_SIZE])
{
	struct run *run = prepare(config, ret_error);
	int result = run ? start(run, config, ret_error) : RUN_EXIT_FAILED;

	if (result) {
		run_program_end(run);
		return result;
	}
	*ret_run = run;
	return 0;
}

/* May we take descriptors from it? Without that no call of its could be answered. 0 or -errno. */
static int try_to_look(pid_t program)
{
	int fd = run_take_fd(program, STDIN_FILENO);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || fd == -EBADF ? 0 : fd;
}

int run_program_adopt(const struct run_config *config, int notify_fd, pid_t program,
		      struct run **ret_run, char ret_error[TEE_HOST_ERROR_SIZE])
{
	struct run *run = prepare(config, ret_error);
	uint64_t none = 0;
	int result;

	if (!run) {
		close(notify_fd);
		return RUN_EXIT_FAILED;
	}
	run->notify_fd = notify_fd;
	run->child.pid = program;
	result = try_to_look(program);
	/* Whatever else the descriptor may be: only a listener of notifications knows that it has no such. */
	if (ioctl(notify_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &none) == 0 || errno != ENOENT) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE,
			 "what was handed over are no notifications of a filter");
	} else if (result < 0) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE,
			 "user %u, whose the daemon is, may not look into the program: %s%s",
			 (unsigned)geteuid(), strerror(-result),
			 result == -EPERM
				 ? " (it must be the same user's; and "
				   "/proc/sys/kernel/yama/ptrace_scope may forbid it: 0 and 1 "
				   "do not)"
				 : "");
	} else if (tee_host_watch_fd(run->host, notify_fd, POLLIN, on_notify, run) < 0) {
		fail_watch(ret_error);
	} else {
		*ret_run = run;
		return 0;
	}
	run_program_end(run);
	return RUN_EXIT_FAILED;
}

bool run_program_is_unused(const struct run *run)
{
	return run->is_unused;
}

bool run_program_is_over(struct run *run)
{
	if (!run->is_unused)
		return false;
	run_weak_collect(run, RUN_WEAK_LISTENERS);
	run_weak_collect(run, RUN_WEAK_DRAFTS);
	LIST_FOR_EACH(node, &run->socks)
	if (CONTAINER_OF(node, struct run_sock, node)->posix_fd >= 0)
		return false;
	return true;
}

static enum tee_family family_of(const struct run_sock *sock)
{
	uint64_t is_v6only = 0;

	if (sock->domain == AF_INET)
		return TEE_FAMILY_IPV4;
	tee_get_option(run_socket_of(sock), TEE_OPT_V6ONLY, &is_v6only);
	return is_v6only ? TEE_FAMILY_IPV6 : TEE_FAMILY_ANY;
}

void run_program_sockets(struct run *run, run_holder_fn *fn, void *arg)
{
	LIST_FOR_EACH(node, &run->socks)
	{
		const struct run_sock *sock = CONTAINER_OF(node, struct run_sock, node);

		if (sock->posix_fd >= 0 && sock->inode)
			fn(arg, run_socket_of(sock), sock->inode, family_of(sock));
	}
}

/* What a program wrote before it ended is on its way still, as it is when the kernel carries it. */
static void carry_the_rest(struct run *run)
{
	uint64_t until_ns = tee_host_now_ns() + REST_NS;

	while (!run->child.is_told_to_end && tee_host_now_ns() < until_ns) {
		bool is_over;

		tee_host_lock(run->host);
		is_over = run_program_is_over(run);
		tee_host_unlock(run->host);
		if (is_over || tee_host_run_once(run->host, REST_CHECK_NS) < 0)
			return;
	}
}

int run_program_serve(struct run *run)
{
	/* A program that daemonizes itself goes on, and we with it. */
	while ((!run->child.has_ended || !run->is_unused) && !run->child.is_told_to_end)
		if (tee_host_run_once(run->host, TEE_NEVER) < 0)
			break;
	if (run->child.has_ended)
		carry_the_rest(run);
	if (!run->child.has_ended) {
		/* The link is gone: what the program does next fails, and it ends by that or by itself. */
		close(run->notify_fd);
		tee_host_unwatch_fd(run->host, run->notify_fd);
		run->notify_fd = -1;
		while (!run->child.has_ended) {
			struct pollfd news = {.fd = run->signal_fd, .events = POLLIN};

			poll(&news, 1, -1);
			on_signal(run, run->signal_fd, news.revents);
		}
	}
	return run->child.status;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void end_sock(struct run_sock *sock)
{
	if (sock->bridge)
		bridge_end(sock->bridge, false);
	else if (sock->posix_fd >= 0 || sock->state == RUN_DATAGRAM)
		run_sock_drop(sock);
	else
		run_sock_free(sock);
}

void run_program_end(struct run *run)
{
	if (!run)
		return;
	tee_host_lock(run->host);
	run_publish_stop(run);
	if (run->notify_fd >= 0)
		tee_host_unwatch_fd(run->host, run->notify_fd);
	if (run->signal_fd >= 0)
		tee_host_unwatch_fd(run->host, run->signal_fd);
	while (!list_is_empty(&run->held)) {
		struct list *node = list_pop_front(&run->held);

		free(CONTAINER_OF(node, struct held, node));
	}
	while (!list_is_empty(&run->socks))
		end_sock(CONTAINER_OF(run->socks.next, struct run_sock, node));
	if (run->weak_timer)
		tee_host_cancel(run->host, run->weak_timer);
	if (run->held_timer)
		tee_host_cancel(run->host, run->held_timer);
	posix_free(run->world);
	tee_host_unlock(run->host);
	close_fd(run->notify_fd);
	for (unsigned i = 0; i < RUN_WEAK_COUNT; i++)
		close_fd(run->weak_fds[i]);
	close_fd(run->rendezvous_fd);
	close_fd(run->signal_fd);
	run_forget_pids();
	if (run->dir[0]) {
		unlink(run->rendezvous.sun_path);
		rmdir(run->dir);
	}
	hash_fini(&run->by_cookie);
	hash_fini(&run->by_serial);
	free(run->buffer);
	free(run->request);
	free(run->response);
	free(run);
}
