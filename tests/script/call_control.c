/* SPDX-License-Identifier: MIT */
/*
 * Control messages of sendmsg() and recvmsg(): a number, or one of the two structs that come out of
 * a socket's error queue: a struct sock_extended_err, and the three stamps of SCM_TIMESTAMPING, of
 * which scripts give the first, as time since their start.
 */
#include <stdio.h>
#include <string.h>

#include "call_kind.h"
#include "names.h"

enum { STAMP_SIZE = 16, NS_PER_US = 1000 };

enum wanted_kind { WANT_NUMBER, WANT_ERROR, WANT_STAMP };

struct wanted {
	int level, type;
	enum wanted_kind kind;
	int64_t number;
	struct posix_extended_error error;
	int64_t stamp_ns;
};

/* What scripts call after no protocol is that of the socket's family. */
static void choose_family(const struct live_call *call, struct wanted *want)
{
	bool is_ip6 = call->table->rig->config.is_ip6 || call->table->is_mapped4;

	if (want->level == NAMES_CMSG_LEVEL_IP)
		want->level = is_ip6 ? LINUX_SOL_IPV6 : LINUX_SOL_IP;
	if (want->type == NAMES_CMSG_TYPE_RECVERR)
		want->type = is_ip6 ? LINUX_IPV6_RECVERR : LINUX_IP_RECVERR;
}

static uint32_t part(const struct value *value, const char *name)
{
	int64_t number = 0;

	call_number(call_field(value, name), &number);
	return (uint32_t)number;
}

static bool read_wanted(const struct live_call *call, const struct value *item, struct wanted *ret,
			char *text)
{
	const struct value *data = call_field(item, "cmsg_data");
	int64_t level, type, seconds, ns;

	memset(ret, 0, sizeof(*ret));
	if (!call_number(call_field(item, "cmsg_level"), &level) ||
	    !call_number(call_field(item, "cmsg_type"), &type))
		return CALL_FAIL("control message not understood");
	ret->level = (int)level;
	ret->type = (int)type;
	choose_family(call, ret);
	if (call_number(data, &ret->number))
		return true;
	if (call_number(call_field(data, "scm_sec"), &seconds) &&
	    call_number(call_field(data, "scm_nsec"), &ns)) {
		ret->kind = WANT_STAMP;
		ret->stamp_ns = seconds * 1000000000 + ns;
		return true;
	}
	if (!call_field(data, "ee_origin"))
		return CALL_FAIL("data of a control message not understood");
	ret->kind = WANT_ERROR;
	ret->error = (struct posix_extended_error){
		.error = part(data, "ee_errno"),
		.origin = (uint8_t)part(data, "ee_origin"),
		.type = (uint8_t)part(data, "ee_type"),
		.code = (uint8_t)part(data, "ee_code"),
		.info = part(data, "ee_info"),
		.data = part(data, "ee_data"),
	};
	return true;
}

bool call_read_control(struct live_call *call, const struct value *control, char *text)
{
	struct wanted want;

	if (!control || control->kind != VALUE_LIST)
		return true;
	if (control->count > POSIX_CMSG_MAX)
		return CALL_FAIL("too many control messages");
	for (unsigned i = 0; i < control->count; i++) {
		if (!read_wanted(call, control->items[i], &want, text))
			return false;
		call->msg.cmsg[i] = (struct posix_cmsg){
			.level = want.level, .type = want.type, .value = (int32_t)want.number};
	}
	call->msg.cmsg_count = control->count;
	return true;
}

static bool check_error(const struct posix_extended_error *want, const struct posix_cmsg *came,
			char *text)
{
	struct posix_extended_error error;

	memcpy(&error, came->data, sizeof(error));
	if (want->error == error.error && want->origin == error.origin &&
	    want->type == error.type && want->code == error.code && want->info == error.info &&
	    want->data == error.data)
		return true;
	return CALL_FAIL("from the error queue came ee_errno=%u, ee_origin=%u, ee_type=%u, "
			 "ee_code=%u, ee_info=%u, ee_data=%u",
			 error.error, error.origin, error.type, error.code, error.info, error.data);
}

static bool check_stamp(const struct live_call *call, int64_t want_ns,
			const struct posix_cmsg *came, char *text)
{
	int64_t parts[2], ns, slack = call->table->tolerance_us * NS_PER_US;

	memcpy(parts, came->data, sizeof(parts));
	ns = parts[0] * 1000000000 + parts[1] - (int64_t)call->table->zero_ns;
	if (ns >= want_ns - slack && ns <= want_ns + slack)
		return true;
	return CALL_FAIL("timestamp: expected %.6f, came %.6f", (double)want_ns / 1e9,
			 (double)ns / 1e9);
}

static bool check_one(const struct live_call *call, const struct wanted *want,
		      const struct posix_cmsg *came, char *text)
{
	bool is_error = came->len == POSIX_EXTENDED_ERROR_SIZE ||
			came->len == POSIX_EXTENDED_ERROR6_SIZE;

	if (want->level != came->level || want->type != came->type ||
	    (want->kind == WANT_NUMBER && !is_error && want->number != came->value))
		return CALL_FAIL("expected level %d type %d data %lld, came level %d type %d data "
				 "%d",
				 want->level, want->type, (long long)want->number, came->level,
				 came->type, came->value);
	if (is_error)
		return check_error(&want->error, came, text);
	if (want->kind == WANT_STAMP && came->len >= STAMP_SIZE)
		return check_stamp(call, want->stamp_ns, came, text);
	return want->kind == WANT_NUMBER || CALL_FAIL("its data is of another kind");
}

bool call_check_control(struct live_call *call, const struct value *control, char *text)
{
	if (!control || control->kind != VALUE_LIST)
		return true;
	if (control->count != call->msg.cmsg_count)
		return CALL_FAIL("expected %u control messages, came %u", control->count,
				 call->msg.cmsg_count);
	for (unsigned i = 0; i < control->count; i++) {
		struct wanted want;

		if (!read_wanted(call, control->items[i], &want, text) ||
		    !check_one(call, &want, &call->msg.cmsg[i], text))
			return false;
	}
	return true;
}
