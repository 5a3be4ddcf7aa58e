/* SPDX-License-Identifier: MIT */
/*
 * Socket options by Linux' level and number.
 *
 * Most are a row of a table: which option of the stack, and how its value is written (a flag, a
 * count, seconds, milliseconds …). Those with a struct, or that belong to the descriptor rather
 * than to the connection, have code of their own. A few change nothing here (SO_PRIORITY, SO_MARK,
 * busy polling): they are remembered and told back, because programs check what they set.
 *
 * As Linux does, SO_SNDBUF and SO_RCVBUF double what is asked, and tell the doubled value.
 */
#include <string.h>

#include "base/check.h"
#include "posix/file.h"

enum {
	MAXSEG_MAX = 32767,
	MAXSEG_UNKNOWN = 536, /* before there is a connection (RFC 9293 3.7.1) */
	SNDBUF_MIN = 4608,
	RCVBUF_MIN = 2304,
	FIN_TIMEOUT_MAX_S = 120,
	DEFERRAL_TIMEOUT_MAX = 120,
};

enum scale {
	AS_IS,
	AS_FLAG,
	AS_SECONDS,
	AS_MILLISECONDS,
	AS_DOUBLED,
	AS_LINGER2,
	AS_KEEPALIVE,      /* seconds, 1 to 32767 */
	AS_DEFERRAL,       /* seconds, which become a number of timeouts of a SYN-ACK */
	AS_TOS,            /* a byte; on a stream the two bits of ECN are not the caller's */
	AS_SIGNED_DEFAULT, /* -1 stands for the stack's default */
};

struct option_row {
	int level, name;
	enum tee_option option;
	enum scale scale;
	bool is_get_only;
};

static const struct option_row rows[] = {
	{LINUX_SOL_SOCKET, LINUX_SO_REUSEADDR, TEE_OPT_REUSEADDR, AS_FLAG, false},
	{LINUX_SOL_SOCKET, LINUX_SO_REUSEPORT, TEE_OPT_REUSEPORT, AS_FLAG, false},
	{LINUX_SOL_SOCKET, LINUX_SO_BROADCAST, TEE_OPT_BROADCAST, AS_FLAG, false},
	{LINUX_SOL_SOCKET, LINUX_SO_KEEPALIVE, TEE_OPT_KEEPALIVE, AS_FLAG, false},
	{LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, TEE_OPT_SNDBUF, AS_DOUBLED, false},
	{LINUX_SOL_SOCKET, LINUX_SO_RCVBUF, TEE_OPT_RCVBUF, AS_DOUBLED, false},
	{LINUX_SOL_SOCKET, LINUX_SO_SNDBUFFORCE, TEE_OPT_SNDBUF, AS_DOUBLED, false},
	{LINUX_SOL_SOCKET, LINUX_SO_RCVBUFFORCE, TEE_OPT_RCVBUF, AS_DOUBLED, false},
	{LINUX_SOL_SOCKET, LINUX_SO_RCVLOWAT, TEE_OPT_RCVLOWAT, AS_IS, false},
	{LINUX_SOL_SOCKET, LINUX_SO_ACCEPTCONN, TEE_OPT_ACCEPTING, AS_FLAG, true},
	{LINUX_SOL_TCP, LINUX_TCP_NODELAY, TEE_OPT_NODELAY, AS_FLAG, false},
	{LINUX_SOL_TCP, LINUX_TCP_MAXSEG, TEE_OPT_MAXSEG, AS_IS, false},
	{LINUX_SOL_TCP, LINUX_TCP_CORK, TEE_OPT_CORK, AS_FLAG, false},
	{LINUX_SOL_TCP, LINUX_TCP_KEEPIDLE, TEE_OPT_KEEPIDLE_NS, AS_KEEPALIVE, false},
	{LINUX_SOL_TCP, LINUX_TCP_KEEPINTVL, TEE_OPT_KEEPINTVL_NS, AS_KEEPALIVE, false},
	{LINUX_SOL_TCP, LINUX_TCP_KEEPCNT, TEE_OPT_KEEPCNT, AS_IS, false},
	{LINUX_SOL_TCP, LINUX_TCP_SYNCNT, TEE_OPT_SYNCNT, AS_IS, false},
	{LINUX_SOL_TCP, LINUX_TCP_LINGER2, TEE_OPT_LINGER2_NS, AS_LINGER2, false},
	{LINUX_SOL_TCP, LINUX_TCP_DEFER_ACCEPT, TEE_OPT_DEFER_ACCEPT_NS, AS_DEFERRAL, false},
	{LINUX_SOL_TCP, LINUX_TCP_WINDOW_CLAMP, TEE_OPT_WINDOW_CLAMP, AS_IS, false},
	{LINUX_SOL_TCP, LINUX_TCP_QUICKACK, TEE_OPT_QUICKACK, AS_FLAG, false},
	{LINUX_SOL_TCP, LINUX_TCP_USER_TIMEOUT, TEE_OPT_USER_TIMEOUT_NS, AS_MILLISECONDS, false},
	{LINUX_SOL_TCP, LINUX_TCP_NOTSENT_LOWAT, TEE_OPT_NOTSENT_LOWAT, AS_IS, false},
	{LINUX_SOL_TCP, LINUX_TCP_FASTOPEN_CONNECT, TEE_OPT_FASTOPEN_CONNECT, AS_FLAG, false},
	{LINUX_SOL_TCP, LINUX_TCP_FASTOPEN_NO_COOKIE, TEE_OPT_FASTOPEN_NO_COOKIE, AS_FLAG, false},
	{LINUX_SOL_TCP, BSD_TCP_NOOPT, TEE_OPT_NOOPT, AS_FLAG, false},
	{LINUX_SOL_TCP, BSD_TCP_KEEPINIT, TEE_OPT_SYN_TIMEOUT_NS, AS_SECONDS, false},
	{LINUX_SOL_IP, LINUX_IP_TOS, TEE_OPT_TOS, AS_TOS, false},
	{LINUX_SOL_IP, LINUX_IP_TTL, TEE_OPT_TTL, AS_SIGNED_DEFAULT, false},
	{LINUX_SOL_IP, LINUX_IP_MTU, TEE_OPT_MTU, AS_IS, true},
	{LINUX_SOL_IP, LINUX_IP_MTU_DISCOVER, TEE_OPT_MTU_DISCOVER, AS_IS, false},
	{LINUX_SOL_IPV6, LINUX_IPV6_TCLASS, TEE_OPT_TOS, AS_SIGNED_DEFAULT, false},
	{LINUX_SOL_IPV6, LINUX_IPV6_UNICAST_HOPS, TEE_OPT_TTL, AS_SIGNED_DEFAULT, false},
	{LINUX_SOL_IPV6, LINUX_IPV6_MTU, TEE_OPT_MTU, AS_IS, true},
	{LINUX_SOL_IPV6, LINUX_IPV6_MTU_DISCOVER, TEE_OPT_MTU_DISCOVER, AS_IS, false},
	{LINUX_SOL_IPV6, LINUX_IPV6_V6ONLY, TEE_OPT_V6ONLY, AS_FLAG, false},
};

static const struct {
	int level, name;
} inert[] = {
	{LINUX_SOL_SOCKET, LINUX_SO_DEBUG},
	{LINUX_SOL_SOCKET, LINUX_SO_DONTROUTE},
	{LINUX_SOL_SOCKET, LINUX_SO_PRIORITY},
	{LINUX_SOL_SOCKET, LINUX_SO_MARK},
	{LINUX_SOL_SOCKET, LINUX_SO_BUSY_POLL},
	{LINUX_SOL_SOCKET, LINUX_SO_TXREHASH},
	{LINUX_SOL_TCP, LINUX_TCP_THIN_LINEAR_TIMEOUTS},
	{LINUX_SOL_TCP, LINUX_TCP_THIN_DUPACK},
	{LINUX_SOL_IP, LINUX_IP_FREEBIND},
	{LINUX_SOL_IP, LINUX_IP_BIND_ADDRESS_NO_PORT},
};

static const struct option_row *find_row(const struct posix_file *file, int level, int name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].level == level && rows[i].name == name) {
			if (level == LINUX_SOL_TCP && !posix_is_tcp(file))
				return NULL;
			return &rows[i];
		}
	return NULL;
}

static bool is_inert(int level, int name)
{
	for (size_t i = 0; i < sizeof(inert) / sizeof(inert[0]); i++)
		if (inert[i].level == level && inert[i].name == name)
			return true;
	return false;
}

/* ---- setting ---- */

static int read_int(const void *value, uint32_t len, int *ret)
{
	int32_t number;

	if (!value)
		return -LINUX_EFAULT;
	if (len < sizeof(number)) {
		/* The options of IP take a single byte too. */
		if (len < 1)
			return -LINUX_EINVAL;
		*ret = *(const uint8_t *)value;
		return 1;
	}
	memcpy(&number, value, sizeof(number));
	*ret = number;
	return 0;
}

/* SYN-ACKs leave again after 1, 3, 7 … seconds: the first of these that is long enough. */
static uint64_t deferral_ns(int seconds)
{
	uint64_t timeout = 1, period = 1;

	if (seconds <= 0)
		return 0;
	while (period < (unsigned)seconds) {
		timeout = timeout >= DEFERRAL_TIMEOUT_MAX ? timeout : 2 * timeout;
		period += timeout < DEFERRAL_TIMEOUT_MAX ? timeout : DEFERRAL_TIMEOUT_MAX;
	}
	return period * TEE_NS_PER_S;
}

static int scale_in(enum scale scale, int number, uint64_t *ret)
{
	switch (scale) {
	case AS_DEFERRAL: *ret = deferral_ns(number); return 0;
	case AS_TOS: *ret = (uint8_t)number; return 0;
	case AS_FLAG: *ret = number != 0; return 0;
	case AS_IS: *ret = (uint32_t)number; return 0;
	case AS_DOUBLED: *ret = number < 0 ? 0 : 2 * (uint64_t)number; return 0;
	case AS_SIGNED_DEFAULT:
		*ret = number == -1 ? UINT64_MAX : (uint64_t)(unsigned)number;
		return 0;
	case AS_LINGER2:
		*ret = number < 0 ? TEE_NEVER
				  : (uint64_t)MIN(number, FIN_TIMEOUT_MAX_S) * TEE_NS_PER_S;
		return 0;
	case AS_KEEPALIVE:
		if (number < 1 || number > 32767)
			return -LINUX_EINVAL;
		*ret = (uint64_t)number * TEE_NS_PER_S;
		return 0;
	case AS_SECONDS:
	case AS_MILLISECONDS:
		if (number < 0)
			return -LINUX_EINVAL;
		*ret = (uint64_t)number * (scale == AS_SECONDS ? TEE_NS_PER_S : TEE_NS_PER_MS);
		return 0;
	}
	return -LINUX_EINVAL;
}

/* Bounds that Linux has and the stack has not; below 0: the number is refused. */
static int bound(const struct posix_file *file, const struct option_row *row, int number,
		 uint64_t *scaled)
{
	bool is_fresh = !file->was_connected && posix_tcp_state(file) == TEE_TCP_CLOSED;

	switch (row->option) {
	case TEE_OPT_MAXSEG: return number > MAXSEG_MAX ? -LINUX_EINVAL : 0;
	case TEE_OPT_SNDBUF: *scaled = MAX(*scaled, (uint64_t)SNDBUF_MIN); return 0;
	case TEE_OPT_RCVBUF: *scaled = MAX(*scaled, (uint64_t)RCVBUF_MIN); return 0;
	case TEE_OPT_RCVLOWAT: *scaled = number < 0 ? INT32_MAX : MAX(number, 1); return 0;
	case TEE_OPT_WINDOW_CLAMP:
		if (!number)
			return is_fresh ? 0 : -LINUX_EINVAL;
		*scaled = MAX(*scaled, (uint64_t)(RCVBUF_MIN / 2));
		return 0;
	case TEE_OPT_TOS:
		if (posix_is_tcp(file) && *scaled != UINT64_MAX)
			*scaled &= ~(uint64_t)3;
		return 0;
	default: return 0;
	}
}

/* "-1: your default" of the TTL and the traffic class. */
static uint64_t default_of(const struct posix_world *world, enum tee_option option)
{
	return option == TEE_OPT_TTL ? tee_stack_config(world->stack)->ttl : 0;
}

static int set_by_row(struct posix_world *world, struct posix_file *file,
		      const struct option_row *row, int number)
{
	uint64_t scaled;
	int error;

	if (row->is_get_only)
		return -LINUX_ENOPROTOOPT;
	error = scale_in(row->scale, number, &scaled);
	if (error < 0)
		return error;
	error = bound(file, row, number, &scaled);
	if (error < 0)
		return error;
	if (row->name == LINUX_IP_TTL && row->level == LINUX_SOL_IP && number == 0)
		return -LINUX_EINVAL;
	if (row->option == TEE_OPT_FASTOPEN_CONNECT &&
	    !(tee_stack_config(world->stack)->tcp_fastopen & 1))
		return -LINUX_EOPNOTSUPP;
	if (row->scale == AS_SIGNED_DEFAULT && scaled == UINT64_MAX)
		scaled = default_of(world, row->option);
	/* "probe" of Linux: DF always, as we understand it. */
	if (row->option == TEE_OPT_MTU_DISCOVER && scaled > 2)
		scaled = 2;
	return -posix_errno(tee_set_option(file->socket, row->option, scaled));
}

static int remember(struct posix_file *file, int level, int name, int value)
{
	unsigned i = 0;

	while (i < file->remembered_count &&
	       (file->remembered[i].level != level || file->remembered[i].name != name))
		i++;
	if (i == POSIX_REMEMBERED_MAX)
		return -LINUX_ENOBUFS;
	if (i == file->remembered_count)
		file->remembered_count++;
	file->remembered[i] = (struct posix_remembered){level, name, value};
	return 0;
}

static int recall(const struct posix_file *file, int level, int name)
{
	for (unsigned i = 0; i < file->remembered_count; i++)
		if (file->remembered[i].level == level && file->remembered[i].name == name)
			return file->remembered[i].value;
	return 0;
}

/* struct timeval of 64-bit machines: seconds and microseconds. */
static int set_timeout(const void *value, uint32_t len, uint64_t *ret_ns)
{
	int64_t parts[2];

	if (len < sizeof(parts))
		return -LINUX_EINVAL;
	memcpy(parts, value, sizeof(parts));
	if (parts[1] < 0 || parts[1] >= 1000000)
		return -LINUX_EDOM;
	if (parts[0] < 0 || parts[0] > INT32_MAX)
		*ret_ns = 0;
	else
		*ret_ns = (uint64_t)parts[0] * TEE_NS_PER_S + (uint64_t)parts[1] * TEE_NS_PER_US;
	return 0;
}

static int set_linger(struct posix_file *file, const void *value, uint32_t len)
{
	int32_t parts[2];
	int error;

	if (len < sizeof(parts))
		return -LINUX_EINVAL;
	memcpy(parts, value, sizeof(parts));
	file->linger_ns = parts[0] ? (uint64_t)(uint32_t)parts[1] * TEE_NS_PER_S : TEE_NEVER;
	error = tee_set_option(file->socket, TEE_OPT_LINGER_NS, file->linger_ns);
	return error == -TEE_ENOPROTOOPT ? 0 : -posix_errno(error);
}

static int set_congestion(struct posix_file *file, const void *value, uint32_t len)
{
	char name[TEE_CC_NAME_SIZE] = {0};

	if (!len)
		return -LINUX_EINVAL;
	memcpy(name, value, len < sizeof(name) ? len : sizeof(name) - 1);
	return -posix_errno(tee_set_congestion(file->socket, name));
}

/* Those that are more than a number; 1: not among them. */
static int set_special(struct posix_file *file, int level, int name, const void *value,
		       uint32_t len)
{
	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_LINGER)
		return set_linger(file, value, len);
	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_RCVTIMEO)
		return set_timeout(value, len, &file->receive_timeout_ns);
	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_SNDTIMEO)
		return set_timeout(value, len, &file->send_timeout_ns);
	if (level == LINUX_SOL_TCP && name == LINUX_TCP_CONGESTION && posix_is_tcp(file))
		return set_congestion(file, value, len);
	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_MAX_PACING_RATE) {
		uint64_t rate = 0;

		if (len < 4)
			return -LINUX_EINVAL;
		memcpy(&rate, value, len < 8 ? 4 : 8);
		if (len < 8 && rate == UINT32_MAX)
			rate = UINT64_MAX;
		return -posix_errno(tee_set_option(file->socket, TEE_OPT_PACING_RATE, rate));
	}
	return 1;
}

/* IP_RECVERR and IPV6_RECVERR, two bits of one option of the stack; 0: neither of them. */
static unsigned recverr_bit(const struct posix_file *file, int level, int name)
{
	if (level == LINUX_SOL_IP && name == LINUX_IP_RECVERR)
		return TEE_RECVERR_IPV4;
	if (level == LINUX_SOL_IPV6 && name == LINUX_IPV6_RECVERR && file->domain == LINUX_AF_INET6)
		return TEE_RECVERR_IPV6;
	return 0;
}

static uint64_t recverr_of(const struct posix_file *file)
{
	uint64_t bits = 0;

	tee_get_option(file->socket, TEE_OPT_RECVERR, &bits);
	return bits;
}

static int set_recverr(struct posix_file *file, int level, int name, int number)
{
	unsigned bit = recverr_bit(file, level, name);
	uint64_t bits = recverr_of(file);

	if (!bit)
		return 1;
	return -posix_errno(tee_set_option(file->socket, TEE_OPT_RECVERR,
					   number ? bits | bit : bits & ~(uint64_t)bit));
}

/* Numbers that belong to the descriptor; 1: not among them. */
static int set_own(struct posix_file *file, int level, int name, int number)
{
	if (level == LINUX_SOL_TCP && name == LINUX_TCP_INQ) {
		if (number < 0 || number > 1)
			return -LINUX_EINVAL;
		file->wants_inq = number;
	} else if (level == LINUX_SOL_TCP && name == LINUX_TCP_FASTOPEN) {
		enum tee_tcp_state state = posix_tcp_state(file);
		int error;

		if (file->was_connected || (state != TEE_TCP_CLOSED && state != TEE_TCP_LISTEN))
			return -LINUX_EINVAL;
		error = tee_set_option(file->socket, TEE_OPT_FASTOPEN, (uint32_t)number);
		file->is_fastopen = number > 0;
		return -posix_errno(error);
	} else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_OOBINLINE) {
		file->has_oob_inline = number;
	} else if ((level == LINUX_SOL_IP && name == LINUX_IP_RECVTOS) ||
		   (level == LINUX_SOL_IPV6 && name == LINUX_IPV6_RECVTCLASS)) {
		file->wants_tos = number;
	} else if ((level == LINUX_SOL_IP && name == LINUX_IP_RECVTTL) ||
		   (level == LINUX_SOL_IPV6 && name == LINUX_IPV6_RECVHOPLIMIT)) {
		file->wants_ttl = number;
	} else {
		return set_recverr(file, level, name, number);
	}
	return 0;
}

int posix_setsockopt(struct posix_world *world, int fd, int level, int name, const void *value,
		     uint32_t len)
{
	int error = 0, number = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);
	const struct option_row *row;

	if (!file)
		return error;
	if (!value && len)
		return -LINUX_EFAULT;
	error = set_special(file, level, name, value, len);
	if (error != 1)
		return error;
	error = read_int(value, len, &number);
	if (error < 0 || (error == 1 && level != LINUX_SOL_IP))
		return error < 0 ? error : -LINUX_EINVAL;
	error = set_own(file, level, name, number);
	if (error == 1)
		error = posix_errqueue_set(file, level, name, number);
	if (error != 1)
		return error;
	row = find_row(file, level, name);
	if (row)
		return set_by_row(world, file, row, number);
	return is_inert(level, name) ? remember(file, level, name, number) : -LINUX_ENOPROTOOPT;
}

/* ---- getting ---- */

static int scale_out(enum scale scale, uint64_t value)
{
	switch (scale) {
	case AS_KEEPALIVE:
	case AS_DEFERRAL:
	case AS_SECONDS: return (int)(value / TEE_NS_PER_S);
	case AS_MILLISECONDS: return (int)(value / TEE_NS_PER_MS);
	case AS_LINGER2: return value == TEE_NEVER ? -1 : (int)(value / TEE_NS_PER_S);
	default: return (int)(uint32_t)value;
	}
}

static int store(void *value, uint32_t *len, const void *from, uint32_t from_len)
{
	if (!value || !len)
		return -LINUX_EFAULT;
	if (*len > from_len)
		*len = from_len;
	memcpy(value, from, *len);
	return 0;
}

static int store_int(void *value, uint32_t *len, int number)
{
	int32_t number32 = number;

	return store(value, len, &number32, sizeof(number32));
}

static int get_timeout(uint64_t ns, void *value, uint32_t *len)
{
	int64_t parts[2] = {(int64_t)(ns / TEE_NS_PER_S),
			    (int64_t)(ns % TEE_NS_PER_S / TEE_NS_PER_US)};

	return store(value, len, parts, sizeof(parts));
}

static int get_linger(const struct posix_file *file, void *value, uint32_t *len)
{
	bool is_on = file->linger_ns != TEE_NEVER;
	int32_t parts[2] = {is_on, is_on ? (int32_t)(file->linger_ns / TEE_NS_PER_S) : 0};

	return store(value, len, parts, sizeof(parts));
}

static int get_tcp(struct posix_file *file, int name, void *value, uint32_t *len)
{
	if (name == LINUX_TCP_INFO) {
		struct linux_tcp_info info;
		struct tee_tcp_info from;
		int error = tee_socket_info(file->socket, &from);

		if (error < 0)
			return -posix_errno(error);
		posix_fill_tcp_info(&from, &info);
		/* In Linux TIME-WAIT is nobody's socket: this one counts as closed. */
		if (from.state == TEE_TCP_TIME_WAIT)
			info.state = LINUX_TCP_CLOSE;
		return store(value, len, &info, sizeof(info));
	}
	if (name == LINUX_TCP_CONGESTION) {
		const char *cc = tee_get_congestion(file->socket);
		char text[TEE_CC_NAME_SIZE] = {0};
		size_t cc_len = strlen(cc);

		memcpy(text, cc, cc_len < sizeof(text) ? cc_len : sizeof(text) - 1);
		return store(value, len, text, sizeof(text));
	}
	if (name == LINUX_TCP_INQ)
		return store_int(value, len, file->wants_inq);
	if (name == LINUX_TCP_FASTOPEN) {
		uint64_t number = 0;
		int error = tee_get_option(file->socket, TEE_OPT_FASTOPEN, &number);

		return error < 0 ? -posix_errno(error) : store_int(value, len, (int)number);
	}
	return 1;
}

static int get_socket_level(struct posix_file *file, int name, void *value, uint32_t *len)
{
	switch (name) {
	case LINUX_SO_ERROR:
		return store_int(value, len, posix_errno(tee_take_error(file->socket)));
	case LINUX_SO_TYPE: return store_int(value, len, file->type);
	case LINUX_SO_DOMAIN: return store_int(value, len, file->domain);
	case LINUX_SO_PROTOCOL: return store_int(value, len, file->protocol);
	case LINUX_SO_ZEROCOPY:
	case LINUX_SO_TIMESTAMPING:
		return store_int(value, len, posix_errqueue_get(file, LINUX_SOL_SOCKET, name));
	case LINUX_SO_SNDLOWAT: return store_int(value, len, 1);
	case LINUX_SO_OOBINLINE: return store_int(value, len, file->has_oob_inline);
	case LINUX_SO_LINGER: return get_linger(file, value, len);
	case LINUX_SO_RCVTIMEO: return get_timeout(file->receive_timeout_ns, value, len);
	case LINUX_SO_SNDTIMEO: return get_timeout(file->send_timeout_ns, value, len);
	case LINUX_SO_MAX_PACING_RATE: {
		uint64_t rate = 0;
		int error = tee_get_option(file->socket, TEE_OPT_PACING_RATE, &rate);
		int32_t rate32 = rate > UINT32_MAX ? -1 : (int32_t)(uint32_t)rate;

		if (error < 0)
			return -posix_errno(error);
		return *len < 8 ? store_int(value, len, rate32) : store(value, len, &rate, 8);
	}
	default: return 1;
	}
}

static int get_ip_flag(const struct posix_file *file, int level, int name, void *value,
		       uint32_t *len)
{
	if ((level == LINUX_SOL_IP && name == LINUX_IP_RECVTOS) ||
	    (level == LINUX_SOL_IPV6 && name == LINUX_IPV6_RECVTCLASS))
		return store_int(value, len, file->wants_tos);
	if ((level == LINUX_SOL_IP && name == LINUX_IP_RECVTTL) ||
	    (level == LINUX_SOL_IPV6 && name == LINUX_IPV6_RECVHOPLIMIT))
		return store_int(value, len, file->wants_ttl);
	if (recverr_bit(file, level, name))
		return store_int(value, len,
				 (recverr_of(file) & recverr_bit(file, level, name)) != 0);
	return 1;
}

/* What Linux tells where nothing was set. */
static uint64_t told_default(const struct posix_world *world, const struct posix_file *file,
			     enum tee_option option)
{
	const struct tee_config *config = tee_stack_config(world->stack);

	switch (option) {
	case TEE_OPT_LINGER2_NS: return config->tcp_fin_wait2_timeout_ns;
	case TEE_OPT_SNDBUF: return posix_is_tcp(file) ? config->tcp_sndbuf_initial : 0;
	case TEE_OPT_RCVBUF: return posix_is_tcp(file) ? config->tcp_rcvbuf_initial : 0;
	case TEE_OPT_MAXSEG: return MAXSEG_UNKNOWN;
	default: return 0;
	}
}

int posix_getsockopt(struct posix_world *world, int fd, int level, int name, void *value,
		     uint32_t *len)
{
	int error = 0, verdict = 1;
	struct posix_file *file = posix_find_socket(world, fd, &error);
	const struct option_row *row;
	uint64_t number;

	if (!file)
		return error;
	if (!value || !len)
		return -LINUX_EFAULT;
	if ((int32_t)*len < 0)
		return -LINUX_EINVAL;
	/* Linux' two families disagree about levels that they don't know. */
	if (level == LINUX_SOL_TCP && !posix_is_tcp(file))
		return file->domain == LINUX_AF_INET ? -LINUX_EOPNOTSUPP : -LINUX_ENOPROTOOPT;
	if (level == LINUX_SOL_SOCKET)
		verdict = get_socket_level(file, name, value, len);
	else if (level == LINUX_SOL_TCP && posix_is_tcp(file))
		verdict = get_tcp(file, name, value, len);
	else
		verdict = get_ip_flag(file, level, name, value, len);
	if (verdict != 1)
		return verdict;
	row = find_row(file, level, name);
	if (row) {
		error = tee_get_option(file->socket, row->option, &number);
		if (error >= 0 && number == 0)
			number = told_default(world, file, row->option);
		return error < 0 ? -posix_errno(error)
				 : store_int(value, len, scale_out(row->scale, number));
	}
	return is_inert(level, name) ? store_int(value, len, recall(file, level, name))
				     : -LINUX_ENOPROTOOPT;
}
