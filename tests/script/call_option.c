/* SPDX-License-Identifier: MIT */
/* setsockopt, getsockopt, ioctl, and the names of both ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_kind.h"

enum { OPTION_VALUE_MAX = 512 };

static void put(uint8_t *bytes, size_t at, const void *from, size_t len)
{
	memcpy(bytes + at, from, len);
}

/* The structs that options take, by their fields' names in scripts. */
static bool encode_struct(const struct value *value, uint8_t *bytes, uint32_t *ret_len)
{
	int64_t a, b;

	if ((call_number(call_field(value, "onoff"), &a) &&
	     call_number(call_field(value, "linger"), &b)) ||
	    (call_number(call_field(value, "l_onoff"), &a) &&
	     call_number(call_field(value, "l_linger"), &b))) {
		int32_t parts[2] = {(int32_t)a, (int32_t)b};

		put(bytes, 0, parts, sizeof(parts));
		*ret_len = sizeof(parts);
		return true;
	}
	if (call_number(call_field(value, "tv_sec"), &a) &&
	    call_number(call_field(value, "tv_usec"), &b)) {
		int64_t parts[2] = {a, b};

		put(bytes, 0, parts, sizeof(parts));
		*ret_len = sizeof(parts);
		return true;
	}
	return false;
}

/* An option's value as bytes; false when its form isn't known. */
static bool encode(const struct value *value, uint8_t bytes[OPTION_VALUE_MAX], uint32_t *ret_len)
{
	int64_t number;

	if (value->kind == VALUE_LIST && value->count == 1 && value->items[0]->kind != VALUE_INT)
		value = value->items[0];
	if (value->kind == VALUE_STRUCT)
		return encode_struct(value, bytes, ret_len);
	if (value->kind == VALUE_STRING) {
		if (value->text_len > OPTION_VALUE_MAX)
			return false;
		put(bytes, 0, value->text, value->text_len);
		*ret_len = (uint32_t)value->text_len;
		return true;
	}
	if (call_number(value, &number)) {
		int32_t number32 = (int32_t)number;

		/* A rate may need all 64 bits. */
		put(bytes, 0, &number32, sizeof(number32));
		*ret_len = sizeof(number32);
		if (number != number32 && number > UINT32_MAX) {
			put(bytes, 0, &number, sizeof(number));
			*ret_len = sizeof(number);
		}
		return true;
	}
	return false;
}

static bool begin_setsockopt(struct live_call *call, char *text)
{
	const struct value *value = call_arg(call, 3);
	uint32_t len;

	call->buffer = calloc(1, OPTION_VALUE_MAX);
	if (!call->buffer)
		return CALL_FAIL("out of memory");
	if (value->kind != VALUE_ELLIPSIS && !encode(value, call->buffer, &len))
		return CALL_FAIL("value of the option not understood");
	call->buffer_len = (size_t)call_int(call, 4, 4);
	return call->buffer_len <= OPTION_VALUE_MAX || CALL_FAIL("length of the option's value");
}

static int64_t try_setsockopt(struct live_call *call)
{
	return posix_setsockopt(call->table->rig->world, call_fd_arg(call, 0),
				(int)call_int(call, 1, 0), (int)call_int(call, 2, 0), call->buffer,
				(uint32_t)call->buffer_len);
}

static bool begin_getsockopt(struct live_call *call, char *text)
{
	call->buffer = calloc(1, OPTION_VALUE_MAX);
	return call->buffer || CALL_FAIL("out of memory");
}

static int64_t try_getsockopt(struct live_call *call)
{
	int64_t room = call_int(call, 4, OPTION_VALUE_MAX);
	uint32_t len = room > OPTION_VALUE_MAX ? OPTION_VALUE_MAX : (uint32_t)room;
	int result = posix_getsockopt(call->table->rig->world, call_fd_arg(call, 0),
				      (int)call_int(call, 1, 0), (int)call_int(call, 2, 0),
				      call->buffer, &len);

	call->buffer_len = len;
	return result;
}

static bool check_getsockopt(struct live_call *call, char *text)
{
	const struct value *value = call_arg(call, 3);
	uint8_t want[OPTION_VALUE_MAX] = {0};
	uint32_t len = 0, compared;
	int64_t want_len;

	if (call_number(call_arg(call, 4), &want_len) && want_len != (int64_t)call->buffer_len &&
	    value->kind != VALUE_STRING)
		return CALL_FAIL("getsockopt(): expected %lld bytes, came %zu", (long long)want_len,
				 call->buffer_len);
	if (value->kind == VALUE_ELLIPSIS)
		return true;
	if (!encode(value, want, &len))
		return CALL_FAIL("value of the option not understood");
	compared = len < call->buffer_len ? len : (uint32_t)call->buffer_len;
	if (memcmp(want, call->buffer, compared)) {
		int32_t a = 0, b = 0;

		memcpy(&a, want, compared < 4 ? compared : 4);
		memcpy(&b, call->buffer, compared < 4 ? compared : 4);
		return CALL_FAIL("getsockopt(): expected %d, came %d", a, b);
	}
	return true;
}

/* ---- ioctl ---- */

static int64_t try_ioctl(struct live_call *call)
{
	call->timeout_ms = (int)call_int(call, 2, 0);
	return posix_ioctl(call->table->rig->world, call_fd_arg(call, 0),
			   (uint64_t)call_int(call, 1, 0), &call->timeout_ms);
}

static bool check_ioctl(struct live_call *call, char *text)
{
	int64_t want;

	if (!call_number(call_arg(call, 2), &want) || want == call->timeout_ms)
		return true;
	return CALL_FAIL("ioctl(): expected %lld, came %d", (long long)want, call->timeout_ms);
}

/* ---- names ---- */

static int64_t try_getsockname(struct live_call *call)
{
	call->addr_len = sizeof(call->addr);
	return posix_getsockname(call->table->rig->world, call_fd_arg(call, 0), call->addr,
				 &call->addr_len);
}

static int64_t try_getpeername(struct live_call *call)
{
	call->addr_len = sizeof(call->addr);
	return posix_getpeername(call->table->rig->world, call_fd_arg(call, 0), call->addr,
				 &call->addr_len);
}

const struct call_kind call_option_kinds[] = {
	{"setsockopt", 5, 5, true, false, begin_setsockopt, try_setsockopt, NULL},
	{"getsockopt", 5, 5, true, false, begin_getsockopt, try_getsockopt, check_getsockopt},
	{"ioctl", 3, 3, true, false, NULL, try_ioctl, check_ioctl},
	{"getsockname", 3, 3, true, false, NULL, try_getsockname, NULL},
	{"getpeername", 3, 3, true, false, NULL, try_getpeername, NULL},
	{NULL, 0, 0, false, false, NULL, NULL, NULL},
};
