/* SPDX-License-Identifier: MIT */
/* poll() and epoll of scripts. */
#include <stdio.h>
#include <string.h>

#include "call_kind.h"

/* One struct or a list of them. */
static unsigned item_count(const struct value *value)
{
	return !value                          ? 0
	       : value->kind == VALUE_LIST     ? value->count
	       : value->kind == VALUE_ELLIPSIS ? 0
					       : 1;
}

static const struct value *item_at(const struct value *value, unsigned i)
{
	return value->kind == VALUE_LIST ? value->items[i] : value;
}

static bool begin_poll(struct live_call *call, char *text)
{
	const struct value *list = call_arg(call, 0);
	unsigned count = item_count(list);

	if (count > CALL_POLLS_MAX || (int64_t)count != call_int(call, 1, -1))
		return CALL_FAIL("poll(): number of descriptors");
	for (unsigned i = 0; i < count; i++) {
		int64_t fd, events;

		if (!call_number(call_field(item_at(list, i), "fd"), &fd) ||
		    !call_number(call_field(item_at(list, i), "events"), &events))
			return CALL_FAIL("poll(): descriptor %u not understood", i + 1);
		call->polls[i].fd = call_live_fd(call->table, fd);
		call->polls[i].events = (int16_t)events;
	}
	call->timeout_ms = (int)call_int(call, 2, 0);
	return true;
}

static int64_t try_poll(struct live_call *call)
{
	return posix_poll(call->table->rig->world, call->polls, item_count(call_arg(call, 0)),
			  call->timeout_ms, &call->wait);
}

static bool check_poll(struct live_call *call, char *text)
{
	const struct value *list = call_arg(call, 0);

	for (unsigned i = 0; i < item_count(list); i++) {
		int64_t want;

		if (!call_number(call_field(item_at(list, i), "revents"), &want))
			continue;
		if ((uint16_t)want != (uint16_t)call->polls[i].revents)
			return CALL_FAIL("poll(): revents expected 0x%llx, came 0x%x",
					 (unsigned long long)want,
					 (uint16_t)call->polls[i].revents);
	}
	return true;
}

static int64_t try_epoll_create(struct live_call *call)
{
	return posix_epoll_create(call->table->rig->world);
}

/* {events=…, fd=4}, or ptr=, u32=, u64= in its place: all are the word that comes back. */
static bool read_event(const struct value *value, struct posix_epoll_event *ret)
{
	static const char *const names[] = {"fd", "ptr", "u32", "u64"};
	int64_t number;

	if (!call_number(call_field(value, "events"), &number))
		return false;
	ret->events = (uint32_t)number;
	ret->data = 0;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (call_number(call_field(value, names[i]), &number))
			ret->data = (uint64_t)number;
	return true;
}

static bool begin_epoll_ctl(struct live_call *call, char *text)
{
	const struct value *value = call_arg(call, 3);

	if (value->kind == VALUE_STRUCT && !read_event(value, &call->events[0]))
		return CALL_FAIL("epoll_ctl(): event not understood");
	return true;
}

static int64_t try_epoll_ctl(struct live_call *call)
{
	bool has_event = call_arg(call, 3)->kind == VALUE_STRUCT;

	return posix_epoll_ctl(call->table->rig->world, call_fd_arg(call, 0),
			       (int)call_int(call, 1, 0), call_fd_arg(call, 2),
			       has_event ? &call->events[0] : NULL);
}

static int64_t try_epoll_wait(struct live_call *call)
{
	int64_t max = call_int(call, 2, 1);

	if (max > CALL_POLLS_MAX)
		max = CALL_POLLS_MAX;
	return posix_epoll_wait(call->table->rig->world, call_fd_arg(call, 0), call->events,
				max < 0 ? 0 : (unsigned)max, (int)call_int(call, 3, 0),
				&call->wait);
}

static bool check_epoll_wait(struct live_call *call, char *text)
{
	const struct value *list = call_arg(call, 1);

	for (unsigned i = 0; i < item_count(list) && i < (unsigned)call->result; i++) {
		const struct posix_epoll_event *came = &call->events[i];
		struct posix_epoll_event want;

		if (!read_event(item_at(list, i), &want))
			continue;
		if (want.events != came->events || want.data != came->data)
			return CALL_FAIL(
				"epoll_wait(): event %u: expected 0x%x of %llu, came 0x%x of "
				"%llu",
				i + 1, want.events, (unsigned long long)want.data, came->events,
				(unsigned long long)came->data);
	}
	return true;
}

const struct call_kind call_poll_kinds[] = {
	{"poll", 3, 3, false, false, begin_poll, try_poll, check_poll},
	{"epoll_create", 1, 1, false, true, NULL, try_epoll_create, NULL},
	{"epoll_create1", 1, 1, false, true, NULL, try_epoll_create, NULL},
	{"epoll_ctl", 4, 4, true, false, begin_epoll_ctl, try_epoll_ctl, NULL},
	{"epoll_wait", 4, 4, true, false, NULL, try_epoll_wait, check_epoll_wait},
	{"epoll_pwait", 5, 5, true, false, NULL, try_epoll_wait, check_epoll_wait},
	{NULL, 0, 0, false, false, NULL, NULL, NULL},
};
