// SPDX-License-Identifier: MIT
/*
 * The daemon's clients.
 *
 * Whoever connects is asked by the kernel who he is (SO_PEERCRED): only the daemon's own user and root are
 * served. He has ten seconds for his request, which is one message. It is answered at once; an answer that
 * finds no room is his loss. What he asks is checked, and what is wrong with it is told to him and
 * written to our log, and ends his connection.
 *
 * A program that is attached (DAEMON_RUN) is a `struct run` of its own over the one stack. It ends when
 * no process is left under its filter and its bridges have carried what it had written: nothing is cut off
 * because a program exits quickly, or is killed. The connection to the client that started it may
 * end before; then the program's descendants go on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "build_config.h"
#include "daemon/ask.h"
#include "daemon/daemon.h"

#define PATIENCE_NS (10 * TEE_NS_PER_S)
#define CHECK_NS    (50 * TEE_NS_PER_MS)
#define PAUSE_NS    (100 * TEE_NS_PER_MS)

enum { CLIENTS_MAX = 1024, RECORDS_AT_ONCE = 32 };

struct client {
	struct list node;
	struct daemon *daemon;
	int fd; /* -1: he has gone, his program goes on */
	struct run *run;
	bool is_served;     /* his program is over; he hangs up when he has noticed */
	int patience_timer; /* id, or 0 */
};

struct daemon {
	struct tee_host *host;
	int listen_fd;
	const char *work_dir;
	char link[DAEMON_LINK_SIZE];
	struct list clients;
	unsigned client_count;
	int check_timer; /* id, or 0 */
	int pause_timer; /* while nobody is let in, as there is no descriptor for him; or 0 */
	bool has_told_shortage;
	bool is_ending;
};

/* Whom a socket of the stack belongs to, and what is known of it by that. */
struct holder {
	const struct tee_socket *socket;
	uint64_t inode;
	enum tee_family family;
};

struct holders {
	struct holder *items;
	size_t count, size;
};

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("teeceepee up: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\n", stderr);
	va_end(args);
}

/* ---- clients come and go ---- */

static void hang_up(struct client *client)
{
	struct tee_host *host = client->daemon->host;

	if (client->patience_timer > 0)
		tee_host_cancel(host, client->patience_timer);
	client->patience_timer = 0;
	if (client->fd < 0)
		return;
	tee_host_unwatch_fd(host, client->fd);
	close(client->fd);
	client->fd = -1;
}

static void end_client(struct client *client)
{
	hang_up(client);
	run_program_end(client->run);
	list_remove(&client->node);
	client->daemon->client_count--;
	free(client);
}

static void on_impatience(void *arg)
{
	struct client *client = arg;

	client->patience_timer = 0;
	complain("a client said nothing for %d s, and is cut off",
		 (int)(PATIENCE_NS / TEE_NS_PER_S));
	end_client(client);
}

/* ---- answers ---- */

static void describe(const struct daemon *daemon, struct daemon_reply *reply)
{
	struct tee_addr_info info;

	memset(reply, 0, sizeof(*reply));
	reply->pid = getpid();
	memcpy(reply->link, daemon->link, sizeof(reply->link));
	for (unsigned i = 0; reply->address_count < DAEMON_ADDRESSES_MAX &&
			     tee_addr_get(tee_host_stack(daemon->host),
					  tee_host_netif(daemon->host), i, &info) == 0;
	     i++)
		if (info.state == TEE_ADDR_PREFERRED && info.origin != TEE_ADDR_LINK_LOCAL)
			reply->addresses[reply->address_count++] = info.ip;
}

/* 0, or -errno when it couldn't be sent. */
static int answer(struct client *client, int passed_fd)
{
	struct daemon_reply reply;

	describe(client->daemon, &reply);
	return daemon_send(client->fd, &reply, sizeof(reply), passed_fd);
}

static void refuse(const struct daemon *daemon, int fd, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void refuse(const struct daemon *daemon, int fd, int code, const char *format, ...)
{
	struct daemon_reply reply;
	va_list args;

	describe(daemon, &reply);
	reply.code = code;
	va_start(args, format);
	vsnprintf(reply.text, sizeof(reply.text), format, args);
	va_end(args);
	complain("a client is refused: %s", reply.text);
	daemon_send(fd, &reply, sizeof(reply), -1);
}

/* ---- programs ---- */

/* Hanging up on its client would say that the daemon is going. */
static void end_program(struct client *client)
{
	run_program_end(client->run);
	client->run = NULL;
	client->is_served = true;
	if (client->fd < 0)
		end_client(client);
}

static void on_check(void *arg)
{
	struct daemon *daemon = arg;
	bool has_fading = false;

	daemon->check_timer = 0;
	LIST_FOR_EACH_SAFE(node, &daemon->clients)
	{
		struct client *client = CONTAINER_OF(node, struct client, node);

		if (!client->run)
			continue;
		if (run_program_is_over(client->run))
			end_program(client);
		else
			has_fading |= run_program_is_unused(client->run);
	}
	if (has_fading)
		daemon->check_timer = tee_host_after(daemon->host, CHECK_NS, on_check, daemon);
}

static void on_unused(void *arg)
{
	struct client *client = arg;
	struct daemon *daemon = client->daemon;

	if (client->fd >= 0)
		answer(client, -1);
	if (daemon->check_timer <= 0)
		daemon->check_timer = tee_host_after(daemon->host, 0, on_check, daemon);
}

static void on_trouble(void *arg, const char *sentence)
{
	(void)arg;
	complain("%s", sentence);
}

static bool attach(struct client *client, const struct daemon_request *request, int notify_fd)
{
	struct daemon *daemon = client->daemon;
	struct run_config config = {
		.host = daemon->host,
		.publish_count = request->publish_count,
		.allows_host_loopback = request->allows_host_loopback,
		.dir = daemon->work_dir,
		.on_trouble = on_trouble,
		.on_unused = on_unused,
		.on_unused_arg = client,
	};
	char error[TEE_HOST_ERROR_SIZE] = "no memory for another program";

	if (notify_fd < 0 || request->publish_count > RUN_PUBLISH_MAX) {
		refuse(daemon, client->fd, EINVAL, "a request that makes no sense");
		if (notify_fd >= 0)
			close(notify_fd);
		return false;
	}
	memcpy(config.publish, request->publish, sizeof(config.publish));
	if (run_program_adopt(&config, notify_fd, request->program, &client->run, error) != 0) {
		client->run = NULL;
		refuse(daemon, client->fd, ENOSYS, "%s", error);
		return false;
	}
	return answer(client, -1) == 0;
}

/* ---- ss ---- */

static void add_holder(void *arg, const struct tee_socket *socket, uint64_t inode,
		       enum tee_family family)
{
	struct holders *holders = arg;

	if (holders->count == holders->size) {
		size_t size = holders->size ? 2 * holders->size : 64;
		struct holder *grown = realloc(holders->items, size * sizeof(*grown));

		if (!grown)
			return;
		holders->items = grown;
		holders->size = size;
	}
	holders->items[holders->count++] = (struct holder){socket, inode, family};
}

static int compare_holders(const void *a, const void *b)
{
	uintptr_t left = (uintptr_t)((const struct holder *)a)->socket;
	uintptr_t right = (uintptr_t)((const struct holder *)b)->socket;

	return left < right ? -1 : left > right;
}

static void fill_record(struct daemon_socket *record, const struct tee_socket_entry *entry,
			const struct holders *holders)
{
	const struct holder key = {.socket = entry->socket}, *found = NULL;

	memset(record, 0, sizeof(*record));
	record->entry = *entry;
	if (entry->timer_name)
		snprintf(record->timer, sizeof(record->timer), "%s", entry->timer_name);
	record->entry.timer_name = NULL;
	record->entry.socket = NULL;
	if (entry->socket && holders->count > 0)
		found = bsearch(&key, holders->items, holders->count, sizeof(key), compare_holders);
	record->inode = found ? found->inode : 0;
	record->family = found ? found->family : TEE_FAMILY_ANY;
}

static bool write_records(int fd, const struct daemon_socket *records, unsigned count)
{
	size_t size = count * sizeof(*records);

	return write(fd, records, size) == (ssize_t)size;
}

/* A file of all sockets, or -errno. */
static int write_sockets(const struct daemon *daemon, const struct holders *holders)
{
	struct daemon_socket records[RECORDS_AT_ONCE];
	struct tee_socket_entry entry;
	unsigned count = 0;
	int fd = memfd_create("sockets", MFD_CLOEXEC);
	bool is_well = fd >= 0;

	for (uint64_t cursor = 0;
	     is_well && tee_socket_list(tee_host_stack(daemon->host), &cursor, &entry);) {
		fill_record(&records[count++], &entry, holders);
		if (count < RECORDS_AT_ONCE)
			continue;
		is_well = write_records(fd, records, count);
		count = 0;
	}
	if (is_well && write_records(fd, records, count) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -ENOMEM;
}

static void tell_sockets(struct client *client)
{
	struct daemon *daemon = client->daemon;
	struct holders holders = {0};
	int fd;

	LIST_FOR_EACH(node, &daemon->clients)
	{
		struct client *each = CONTAINER_OF(node, struct client, node);

		if (each->run)
			run_program_sockets(each->run, add_holder, &holders);
	}
	if (holders.count > 0)
		qsort(holders.items, holders.count, sizeof(*holders.items), compare_holders);
	fd = write_sockets(daemon, &holders);
	free(holders.items);
	if (fd < 0) {
		refuse(daemon, client->fd, -fd, "no memory to list the sockets");
		return;
	}
	answer(client, fd);
	close(fd);
}

/* ---- requests ---- */

/* false: the client is done with. */
static bool serve(struct client *client, const struct daemon_request *request, int fd)
{
	if (request->kind == DAEMON_RUN && !client->daemon->is_ending)
		return attach(client, request, fd);
	if (fd >= 0)
		close(fd);
	if (request->kind == DAEMON_SOCKETS) {
		tell_sockets(client);
	} else if (request->kind == DAEMON_DOWN) {
		answer(client, -1);
		client->daemon->is_ending = true;
	} else if (request->kind == DAEMON_RUN) {
		refuse(client->daemon, client->fd, ESHUTDOWN, "the daemon is ending");
	} else {
		refuse(client->daemon, client->fd, EINVAL, "a request that makes no sense");
	}
	return false;
}

static bool is_of_our_version(const struct daemon_request *request, ssize_t len)
{
	return len == sizeof(*request) &&
	       strncmp(request->version, TEE_BUILD_VERSION, sizeof(request->version)) == 0;
}

static void on_client(void *arg, int fd, short revents)
{
	struct client *client = arg;
	struct daemon_request request = {0};
	int came;
	ssize_t len = daemon_receive(fd, &request, sizeof(request), MSG_DONTWAIT, &came);

	(void)revents;
	if (len == -EAGAIN)
		return;
	if (client->run || client->is_served) {
		/* The end; or words after the request, which nobody has a right to. */
		if (len > 0)
			complain("the client of a program talks on, and is cut off");
		if (came >= 0)
			close(came);
		hang_up(client);
		if (client->is_served)
			end_client(client);
		return;
	}
	if (len > 0 && is_of_our_version(&request, len)) {
		if (client->patience_timer > 0)
			tee_host_cancel(client->daemon->host, client->patience_timer);
		client->patience_timer = 0;
		if (!serve(client, &request, came))
			end_client(client);
		return;
	}
	if (came >= 0)
		close(came);
	if (len > 0)
		refuse(client->daemon, fd, EPROTO,
		       "this daemon is of another version (%s) than what attaches to it: 'teeceepee "
		       "down' and 'teeceepee up' start it anew",
		       TEE_BUILD_VERSION);
	end_client(client);
}

static void take_client(struct daemon *daemon, int fd)
{
	struct client *client;
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 ||
	    (who.uid != geteuid() && who.uid != 0)) {
		refuse(daemon, fd, EPERM,
		       "this daemon belongs to another user (uid %u): it serves its own user and root",
		       (unsigned)geteuid());
		close(fd);
		return;
	}
	client = daemon->client_count < CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (!client || tee_host_watch_fd(daemon->host, fd, POLLIN, on_client, client) < 0) {
		refuse(daemon, fd, EBUSY, "too many clients: %u are here", daemon->client_count);
		free(client);
		close(fd);
		return;
	}
	client->daemon = daemon;
	client->fd = fd;
	client->patience_timer = tee_host_after(daemon->host, PATIENCE_NS, on_impatience, client);
	list_push_back(&daemon->clients, &client->node);
	daemon->client_count++;
}

static void on_listen(void *arg, int fd, short revents);

static void on_pause_over(void *arg)
{
	struct daemon *daemon = arg;

	daemon->pause_timer = 0;
	tee_host_watch_fd(daemon->host, daemon->listen_fd, POLLIN, on_listen, daemon);
}

static void on_listen(void *arg, int fd, short revents)
{
	struct daemon *daemon = arg;
	int client;

	(void)revents;
	while ((client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		take_client(daemon, client);
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	/* The client stays in the queue, and the queue readable, until there is a descriptor for him. */
	if (!daemon->has_told_shortage)
		complain("new clients wait: %s", strerror(errno));
	daemon->has_told_shortage = true;
	daemon->pause_timer = tee_host_after(daemon->host, PAUSE_NS, on_pause_over, daemon);
	if (daemon->pause_timer > 0)
		tee_host_watch_fd(daemon->host, fd, 0, on_listen, daemon);
}

/* ---- life ---- */

struct daemon *daemon_new(struct tee_host *host, int listen_fd, const char *work_dir,
			  const char *link)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));

	if (!daemon)
		return NULL;
	daemon->host = host;
	daemon->listen_fd = listen_fd;
	daemon->work_dir = work_dir;
	snprintf(daemon->link, sizeof(daemon->link), "%s", link);
	list_init(&daemon->clients);
	if (tee_host_watch_fd(host, listen_fd, POLLIN, on_listen, daemon) < 0) {
		free(daemon);
		return NULL;
	}
	return daemon;
}

bool daemon_is_ending(const struct daemon *daemon)
{
	return daemon->is_ending;
}

static bool has_programs(const struct daemon *daemon)
{
	LIST_FOR_EACH(node, &daemon->clients)
	if (CONTAINER_OF(node, struct client, node)->run)
		return true;
	return false;
}

void daemon_end(struct daemon *daemon, uint64_t grace_ns)
{
	uint64_t until_ns = tee_host_now_ns() + grace_ns, now_ns;

	daemon->is_ending = true;
	/* Who started a program reads the end, and asks it to end. */
	LIST_FOR_EACH(node, &daemon->clients)
	if (CONTAINER_OF(node, struct client, node)->fd >= 0)
		shutdown(CONTAINER_OF(node, struct client, node)->fd, SHUT_WR);
	while (has_programs(daemon) && (now_ns = tee_host_now_ns()) < until_ns)
		if (tee_host_run_once(daemon->host, until_ns - now_ns) < 0)
			break;
	tee_host_lock(daemon->host);
	while (!list_is_empty(&daemon->clients))
		end_client(CONTAINER_OF(daemon->clients.next, struct client, node));
	if (daemon->check_timer > 0)
		tee_host_cancel(daemon->host, daemon->check_timer);
	if (daemon->pause_timer > 0)
		tee_host_cancel(daemon->host, daemon->pause_timer);
	tee_host_unwatch_fd(daemon->host, daemon->listen_fd);
	tee_host_unlock(daemon->host);
}

void daemon_free(struct daemon *daemon)
{
	free(daemon);
}
