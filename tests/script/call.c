/* SPDX-License-Identifier: MIT */
/*
 * System calls: the table of those that scripts make, arguments, descriptors, results.
 *
 * "..." stands for what packetdrill would choose: the family of the run, the local address and
 * port 8080 to bind, the peer's address and port 8080 to connect, memory where data goes.
 * What the script writes is a pattern, so that the payload of the stack's packets and the bytes
 * that it hands to the script can be checked too.
 */
#include "call_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

/* ---- arguments ---- */

const struct value *call_arg(const struct live_call *call, unsigned i)
{
	return i < call->spec->arg_count ? call->spec->args[i] : NULL;
}

bool call_number(const struct value *value, int64_t *ret)
{
	if (value && value->kind == VALUE_LIST && value->count == 1)
		value = value->items[0];
	if (value && value->kind == VALUE_CALL && value->count == 1 &&
	    (!strncmp(value->text, "hton", 4)))
		value = value->items[0];
	if (!value || value->kind != VALUE_INT)
		return false;
	*ret = value->number;
	return true;
}

int64_t call_int(const struct live_call *call, unsigned i, int64_t otherwise)
{
	int64_t number;

	return call_number(call_arg(call, i), &number) ? number : otherwise;
}

const struct value *call_field(const struct value *value, const char *name)
{
	if (!value || value->kind != VALUE_STRUCT)
		return NULL;
	for (unsigned i = 0; i < value->count; i++)
		if (value->names[i] && !strcmp(value->names[i], name))
			return value->items[i];
	return NULL;
}

int call_live_fd(const struct call_table *table, int64_t script_fd)
{
	if (script_fd < 0)
		return -1;
	if (script_fd >= CALL_FDS_MAX || !table->fds[script_fd].is_open)
		return CALL_NO_FD;
	return table->fds[script_fd].live;
}

int call_fd_arg(const struct live_call *call, unsigned i)
{
	return call_live_fd(call->table, call_int(call, i, -1));
}

struct call_fd *call_fd_state(const struct live_call *call)
{
	int fd = call->fd_script;

	return fd >= 0 && fd < CALL_FDS_MAX && call->table->fds[fd].is_open ? &call->table->fds[fd]
									    : NULL;
}

/* ---- addresses ---- */

static int script_domain(const struct call_table *table)
{
	return table->rig->config.is_ip6 || table->is_mapped4 ? LINUX_AF_INET6 : LINUX_AF_INET;
}

struct tee_endpoint call_default_remote(const struct live_call *call)
{
	return (struct tee_endpoint){.ip = call->table->rig->config.remote,
				     .port = call->table->connect_port};
}

/* inet_addr("1.2.3.4"), inet_pton(AF_INET6, "…"), a string, or INADDR_ANY. */
static bool read_ip(const struct value *value, int family, struct tee_ip *ret)
{
	int64_t number;

	if (!value || value->kind == VALUE_ELLIPSIS)
		return false;
	if (value->kind == VALUE_CALL && value->count)
		return value->items[value->count - 1]->kind == VALUE_STRING
			       ? tee_ip_parse(value->items[value->count - 1]->text, ret) >= 0
			       : read_ip(value->items[value->count - 1], family, ret);
	if (value->kind == VALUE_STRING)
		return tee_ip_parse(value->text, ret) >= 0;
	if (!call_number(value, &number))
		return false;
	*ret = family == LINUX_AF_INET ? TEE_IP4((uint8_t)(number >> 24), (uint8_t)(number >> 16),
						 (uint8_t)(number >> 8), (uint8_t)number)
				       : TEE_IP_ANY;
	return true;
}

bool call_read_addr(struct live_call *call, const struct value *value,
		    const struct tee_endpoint *otherwise, char *text)
{
	struct tee_endpoint endpoint = *otherwise;
	int family = script_domain(call->table);
	const struct value *ip = NULL, *port = NULL;
	int64_t number;

	if (value && value->kind == VALUE_STRUCT) {
		if (call_number(call_field(value, "sa_family"), &number) ||
		    call_number(call_field(value, "sin_family"), &number) ||
		    call_number(call_field(value, "sin6_family"), &number))
			family = (int)number;
		port = call_field(value, family == LINUX_AF_INET ? "sin_port" : "sin6_port");
		ip = call_field(value, family == LINUX_AF_INET ? "sin_addr" : "sin6_addr");
		if (call_number(port, &number))
			endpoint.port = (uint16_t)number;
		if (ip && ip->kind != VALUE_ELLIPSIS && !read_ip(ip, family, &endpoint.ip))
			return CALL_FAIL("address not understood");
	} else if (value && value->kind != VALUE_ELLIPSIS) {
		/* NULL or another number: no address at all. */
		call->addr_len = 0;
		return true;
	}
	if (family != LINUX_AF_INET && family != LINUX_AF_INET6) {
		memset(call->addr, 0, sizeof(call->addr));
		call->addr[0] = (uint8_t)family;
		call->addr_len = 16;
		return true;
	}
	call->addr_len = posix_write_sockaddr(&endpoint, family, call->addr, sizeof(call->addr));
	return true;
}

/* ---- making, naming, connecting, closing ---- */

static int64_t try_socket(struct live_call *call)
{
	return posix_socket(call->table->rig->world,
			    (int)call_int(call, 0, script_domain(call->table)),
			    (int)call_int(call, 1, LINUX_SOCK_STREAM), (int)call_int(call, 2, 0));
}

static bool begin_bind(struct live_call *call, char *text)
{
	struct tee_endpoint local = {.ip = call->table->rig->config.local,
				     .port = call->table->bind_port};

	return call_read_addr(call, call_arg(call, 1), &local, text);
}

static int64_t try_bind(struct live_call *call)
{
	return posix_bind(call->table->rig->world, call_fd_arg(call, 0), call->addr,
			  call->addr_len);
}

static int64_t try_listen(struct live_call *call)
{
	return posix_listen(call->table->rig->world, call_fd_arg(call, 0),
			    (int)call_int(call, 1, 1));
}

static int64_t try_accept(struct live_call *call)
{
	call->addr_len = sizeof(call->addr);
	return posix_accept(call->table->rig->world, call_fd_arg(call, 0), call->addr,
			    &call->addr_len, (int)call_int(call, 3, 0), &call->wait);
}

static bool begin_connect(struct live_call *call, char *text)
{
	struct tee_endpoint remote = call_default_remote(call);

	return call_read_addr(call, call_arg(call, 1), &remote, text);
}

static int64_t try_connect(struct live_call *call)
{
	return posix_connect(call->table->rig->world, call_fd_arg(call, 0), call->addr,
			     call->addr_len, &call->wait);
}

static int64_t try_shutdown(struct live_call *call)
{
	return posix_shutdown(call->table->rig->world, call_fd_arg(call, 0),
			      (int)call_int(call, 1, 0));
}

static int64_t try_close(struct live_call *call)
{
	struct call_fd *fd = call_fd_state(call);

	if (fd && fd->kind != CALL_SOCKET)
		return 0;
	return posix_close(call->table->rig->world, call_fd_arg(call, 0), &call->wait);
}

static bool check_close(struct live_call *call, char *text)
{
	struct call_fd *fd = call_fd_state(call);

	(void)text;
	if (!fd)
		return true;
	call_pipe_close(fd);
	fd->is_open = false;
	return true;
}

static int64_t try_fcntl(struct live_call *call)
{
	return posix_fcntl(call->table->rig->world, call_fd_arg(call, 0), (int)call_int(call, 1, 0),
			   call_int(call, 2, 0));
}

static const struct call_kind own_kinds[] = {
	{"socket", 3, 3, false, true, NULL, try_socket, NULL},
	{"bind", 3, 3, true, false, begin_bind, try_bind, NULL},
	{"listen", 2, 2, true, false, NULL, try_listen, NULL},
	{"accept", 3, 3, true, true, NULL, try_accept, NULL},
	{"accept4", 4, 4, true, true, NULL, try_accept, NULL},
	{"connect", 3, 3, true, false, begin_connect, try_connect, NULL},
	{"shutdown", 2, 2, true, false, NULL, try_shutdown, NULL},
	{"close", 1, 1, true, false, NULL, try_close, check_close},
	{"fcntl", 2, 3, true, false, NULL, try_fcntl, NULL},
	{NULL, 0, 0, false, false, NULL, NULL, NULL},
};

/* ---- the life of a call ---- */

static const struct call_kind *find_kind(const char *name)
{
	const struct call_kind *const tables[] = {own_kinds, call_data_kinds, call_option_kinds,
						  call_poll_kinds, call_pipe_kinds};

	for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct call_kind *kind = tables[t]; kind->name; kind++)
			if (!strcmp(kind->name, name))
				return kind;
	return NULL;
}

bool call_begin(struct live_call *call, struct call_table *table, const struct call_spec *spec,
		char text[CALL_TEXT_SIZE])
{
	memset(call, 0, sizeof(*call));
	call->spec = spec;
	call->table = table;
	call->fd_script = -1;
	call->kind = find_kind(spec->name);
	if (!call->kind)
		return CALL_FAIL("system call %s() is not supported", spec->name);
	if (spec->arg_count < call->kind->arg_min || spec->arg_count > call->kind->arg_max)
		return CALL_FAIL("%s() with %u arguments", spec->name, spec->arg_count);
	if (call->kind->has_fd) {
		int64_t fd;

		if (!call_number(spec->args[0], &fd))
			return CALL_FAIL("%s() needs a descriptor", spec->name);
		call->fd_script = fd < 0 || fd >= CALL_FDS_MAX ? -1 : (int)fd;
	}
	return !call->kind->begin || call->kind->begin(call, text);
}

bool call_try(struct live_call *call)
{
	call->result = call->kind->try_it(call);
	return call->result != POSIX_BLOCKED;
}

static void print_result(int64_t result, char *text, size_t size)
{
	if (result < 0)
		snprintf(text, size, "-1 %s", names_error_name((int)-result));
	else
		snprintf(text, size, "%lld", (long long)result);
}

static bool check_result(struct live_call *call, char *text)
{
	const struct call_spec *spec = call->spec;
	char came[40];
	int64_t want;

	print_result(call->result, came, sizeof(came));
	if (spec->result->kind == VALUE_ELLIPSIS)
		return true;
	if (!call_number(spec->result, &want))
		return CALL_FAIL("the result of %s() is not a number in the script", spec->name);
	if (want == -1 && call->result < 0 && (!spec->error || spec->error == -call->result))
		return true;
	if (want == -1)
		return CALL_FAIL("%s(): expected -1 %s, came %s", spec->name,
				 spec->error_name ? spec->error_name : "", came);
	if (call->kind->makes_fd && call->result >= 0)
		return true; /* numbers of descriptors are the script's own */
	if (want != call->result)
		return CALL_FAIL("%s(): expected %lld, came %s", spec->name, (long long)want, came);
	return true;
}

static bool record_fd(struct live_call *call, char *text)
{
	struct call_fd *fd;
	int64_t number = -1;

	if (!call_number(call->spec->result, &number) || number < 0 || number >= CALL_FDS_MAX)
		return CALL_FAIL("descriptor %lld is out of range", (long long)number);
	fd = &call->table->fds[number];
	memset(fd, 0, sizeof(*fd));
	fd->is_open = true;
	fd->live = (int)call->result;
	return true;
}

bool call_check(struct live_call *call, char text[CALL_TEXT_SIZE])
{
	if (!check_result(call, text))
		return false;
	if (call->result < 0)
		return true;
	if (call->kind->makes_fd && !record_fd(call, text))
		return false;
	return !call->kind->check || call->kind->check(call, text);
}

void call_end(struct live_call *call)
{
	free(call->buffer);
	call->buffer = NULL;
}

void call_table_fini(struct call_table *table)
{
	for (unsigned i = 0; i < CALL_FDS_MAX; i++)
		if (table->fds[i].is_open)
			call_pipe_close(&table->fds[i]);
}
