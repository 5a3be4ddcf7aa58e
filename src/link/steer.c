/* SPDX-License-Identifier: MIT */
/*
 * Several queues of one interface (a TAP's, a card's by AF_XDP, or packet sockets in a fan-out), a stack and a
 * thread behind each, all with one address.
 *
 * The kernel spreads frames over queues by a hash of its own: a TAP by one that also follows the queue we
 * last answered from, packet sockets by the program that steer_program() gives. Almost always that is the
 * right queue; a card's own hash, with AF_XDP, is another. steer_owner() says which is, from the frame
 * alone; what came to another is carried over, as is what all stacks must hear (an ARP reply). So a
 * segment never meets a stack that knows nothing of its connection and would reset it.
 *
 * Carrying over is a copy into the other queue's mailbox, under the group's mutex, and a write to its eventfd
 * when the box was empty; the owner takes it in its next recv, before what its own queue has. Nothing
 * else is shared between the threads, and where every frame comes to the right queue nothing is. A box that is
 * full drops, and counts.
 *
 * Groups are found by name in a list that the process has one of, as queues are opened by independent calls.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/check.h"
#include "link/counter_table.h"
#include "link/spec.h"
#include "link/steer.h"
#include "link/steer_flow.h"
#include "link/wrap.h"

enum { MAILBOX_BYTES = 8 << 20 };

struct steer_mail {
	struct steer_mail *next;
	uint32_t len;
	uint16_t gso_size;
	uint8_t gso_type, checksum_state;
	uint64_t at_ns;
	uint8_t bytes[];
};

struct steer_link {
	struct link_wrap wrap; /* around the queue */
	struct steer_group *group;
	unsigned idx;
	int wake_fd;
	struct steer_flow flow;
	uint64_t passed_on, copied, dropped, taken_in;
	/* The mailbox; all but `has_mail` under the group's mutex. */
	atomic_bool has_mail;
	struct steer_mail *head, *tail;
	size_t mail_bytes;
};

struct steer_group {
	struct steer_group *next;
	char name[64];
	unsigned count, open_count;
	uint32_t shared;
	pthread_mutex_t mutex;
	struct steer_link *members[STEER_QUEUES_MAX];
};

static pthread_mutex_t groups_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct steer_group *groups;

/* ---- mail ---- */

/* Group locked. False: dropped. */
static bool put_mail(struct steer_link *to, const struct tee_pkt *pkt)
{
	const uint64_t one = 1;
	struct steer_mail *mail;

	if (!to || to->mail_bytes + pkt->len > MAILBOX_BYTES ||
	    !(mail = malloc(sizeof(*mail) + pkt->len)))
		return false;
	*mail = (struct steer_mail){
		.len = pkt->len,
		.gso_size = pkt->gso_size,
		.gso_type = pkt->gso_type,
		.checksum_state = pkt->checksum_state,
		.at_ns = pkt->at_ns,
	};
	memcpy(mail->bytes, tee_pkt_bytes(pkt), pkt->len);
	if (to->tail)
		to->tail->next = mail;
	else
		to->head = mail;
	to->tail = mail;
	to->mail_bytes += pkt->len;
	if (!atomic_exchange(&to->has_mail, true))
		(void)!write(to->wake_fd, &one, sizeof(one));
	return true;
}

/* Empties the box as far as there is room for it. */
static unsigned take_mail(struct steer_link *self, struct tee_pool *pool, struct tee_pkt **ret_pkts,
			  unsigned n)
{
	unsigned count = 0;
	uint64_t ignored;

	if (!atomic_load(&self->has_mail))
		return 0;
	pthread_mutex_lock(&self->group->mutex);
	while (count < n && self->head) {
		struct steer_mail *mail = self->head;
		struct tee_pkt *pkt = tee_pkt_new(pool, mail->len);

		self->head = mail->next;
		self->mail_bytes -= mail->len;
		if (pkt) {
			memcpy(tee_pkt_bytes(pkt), mail->bytes, mail->len);
			pkt->len = mail->len;
			pkt->gso_size = mail->gso_size;
			pkt->gso_type = mail->gso_type;
			pkt->checksum_state = mail->checksum_state;
			pkt->at_ns = mail->at_ns;
			ret_pkts[count++] = pkt;
		} else {
			self->dropped++;
		}
		free(mail);
	}
	if (!self->head) {
		self->tail = NULL;
		/* First the descriptor: whoever writes next finds the flag down, and writes again. */
		(void)!read(self->wake_fd, &ignored, sizeof(ignored));
		atomic_store(&self->has_mail, false);
	}
	pthread_mutex_unlock(&self->group->mutex);
	self->taken_in += count;
	return count;
}

/* ---- receiving ---- */

static void tell_others(struct steer_link *self, const struct tee_pkt *pkt)
{
	struct steer_group *group = self->group;

	pthread_mutex_lock(&group->mutex);
	for (unsigned i = 0; i < group->count; i++)
		if (i != self->idx && group->members[i] && put_mail(group->members[i], pkt))
			self->copied++;
	pthread_mutex_unlock(&group->mutex);
}

static void pass_on(struct steer_link *self, unsigned owner, struct tee_pkt *pkt)
{
	struct steer_group *group = self->group;

	pthread_mutex_lock(&group->mutex);
	if (put_mail(group->members[owner], pkt))
		self->passed_on++;
	else
		self->dropped++;
	pthread_mutex_unlock(&group->mutex);
	tee_pkt_release(pkt);
}

static int steer_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		      unsigned n, uint64_t now_ns)
{
	struct steer_link *self = (struct steer_link *)link;
	unsigned count = take_mail(self, pool, ret_pkts, n), kept = count;
	int got;

	if (count == n)
		return (int)count;
	got = link_wrap_recv(link, pool, ret_pkts + count, n - count, now_ns);
	if (got < 0)
		return count > 0 ? (int)count : got;
	for (unsigned i = count; i < count + (unsigned)got; i++) {
		struct tee_pkt *pkt = ret_pkts[i];
		int owner = steer_owner(&self->flow, tee_pkt_bytes(pkt), pkt->len, link->info.kind,
					self->group->count);

		if (owner == STEER_NOBODY) {
			self->dropped++;
			tee_pkt_release(pkt);
			continue;
		}
		if (owner >= 0 && (unsigned)owner != self->idx) {
			pass_on(self, (unsigned)owner, pkt);
			continue;
		}
		if (owner == STEER_ALL)
			tell_others(self, pkt);
		ret_pkts[kept++] = pkt;
	}
	return (int)kept;
}

/* ---- waiting, telling ---- */

static int steer_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct steer_link *self = (struct steer_link *)link;
	int count;

	if (n == 0)
		return 0;
	fds[0] = (struct tee_link_poll){.fd = self->wake_fd, .events = POLLIN};
	count = link_wrap_poll_fds(link, fds + 1, n - 1);
	return count < 0 ? 1 : count + 1;
}

static void steer_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			    uint64_t now_ns)
{
	if (n > 0)
		link_wrap_poll_done(link, fds + 1, n - 1, now_ns);
}

static bool steer_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			  uint64_t *ret_value)
{
	struct steer_link *self = (struct steer_link *)link;
	const struct link_counter counters[] = {
		{"steer.passed_on", self->passed_on},
		{"steer.taken_in", self->taken_in},
		{"steer.copied", self->copied},
		{"steer.dropped", self->dropped},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), self->wrap.inner, idx, ret_name,
				 ret_value);
}

/* ---- groups ---- */

/* Groups locked. */
static struct steer_group *find_or_make_group(const char *name, unsigned count)
{
	struct steer_group *group = groups;

	while (group && strcmp(group->name, name) != 0)
		group = group->next;
	if (group || !(group = calloc(1, sizeof(*group))))
		return group;
	memcpy(group->name, name, strnlen(name, sizeof(group->name) - 1));
	group->count = count;
	pthread_mutex_init(&group->mutex, NULL);
	group->next = groups;
	groups = group;
	return group;
}

/* Groups locked. */
static void drop_group_if_empty(struct steer_group *group)
{
	struct steer_group **at = &groups;

	if (group->open_count > 0)
		return;
	while (*at && *at != group)
		at = &(*at)->next;
	if (*at)
		*at = group->next;
	pthread_mutex_destroy(&group->mutex);
	free(group);
}

static int join_group(struct steer_link *self, unsigned count, steer_join_fn *join)
{
	struct steer_group *group = find_or_make_group(self->wrap.inner->info.name, count);
	unsigned idx = 0;
	int result;

	if (!group)
		return -TEE_ENOMEM;
	while (idx < group->count && group->members[idx])
		idx++;
	if (idx == group->count || group->count != count) {
		drop_group_if_empty(group);
		return -TEE_EADDRINUSE;
	}
	pthread_mutex_lock(&group->mutex);
	result = join ? join(self->wrap.inner, idx, &group->shared) : 0;
	if (result >= 0) {
		self->group = group;
		self->idx = idx;
		group->members[idx] = self;
		group->open_count++;
	}
	pthread_mutex_unlock(&group->mutex);
	drop_group_if_empty(group);
	return result;
}

static void leave_group(struct steer_link *self)
{
	struct steer_group *group = self->group;

	pthread_mutex_lock(&group->mutex);
	group->members[self->idx] = NULL;
	group->open_count--;
	pthread_mutex_unlock(&group->mutex);
	drop_group_if_empty(group);
}

static void steer_close(struct tee_link *link)
{
	struct steer_link *self = (struct steer_link *)link;

	pthread_mutex_lock(&groups_mutex);
	leave_group(self);
	pthread_mutex_unlock(&groups_mutex);
	tee_link_close(self->wrap.inner);
	while (self->head) {
		struct steer_mail *mail = self->head;

		self->head = mail->next;
		free(mail);
	}
	close(self->wake_fd);
	free(self);
}

int steer_open(struct tee_link *queue, unsigned count, steer_join_fn *join,
	       struct tee_link **ret_link)
{
	const struct tee_link_ops ops = {
		.recv = steer_recv,
		.poll_fds = steer_poll_fds,
		.poll_done = queue->ops->poll_done ? steer_poll_done : NULL,
		.counter = steer_counter,
		.close = steer_close,
	};
	struct steer_link *self = calloc(1, sizeof(*self));
	int result;

	if (!self)
		return -TEE_ENOMEM;
	link_wrap_init(&self->wrap, queue, &ops);
	self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (self->wake_fd < 0) {
		result = link_result_of_errno(errno);
		free(self);
		return result;
	}
	pthread_mutex_lock(&groups_mutex);
	result = join_group(self, count, join);
	pthread_mutex_unlock(&groups_mutex);
	if (result < 0) {
		close(self->wake_fd);
		free(self);
		return result;
	}
	*ret_link = &self->wrap.link;
	return 0;
}
