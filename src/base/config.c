/* SPDX-License-Identifier: MIT */
/*
 * The configuration's defaults, and a table that says for every field its name, kind, unit and
 * range, from which tee_config_set() works. The table has the last word on names: a field that is not
 * in it can't be set from a command line or a script (a unit test compares it with the struct).
 *
 * A name may be given with its unit or without: "tcp_rto_min_ns" or "tcp_rto_min",
 * "memory_bytes_max" or "memory_max".
 */
#include <teeceepee/config.h>

#include <stddef.h>
#include <string.h>
#include "base/check.h"
#include "base/slab.h"

enum field_kind {
	FIELD_BOOL,
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_SIZE, /* size_t */
	FIELD_ECN,
	FIELD_SECRET,
	FIELD_CC,
};

enum field_unit { UNIT_NONE, UNIT_NS, UNIT_BYTES, UNIT_SEGS, UNIT_PER_S, UNIT_COUNT };

static const char *const unit_suffixes[] = {
	[UNIT_NONE] = "",      [UNIT_NS] = "_ns",       [UNIT_BYTES] = "_bytes",
	[UNIT_SEGS] = "_segs", [UNIT_PER_S] = "_per_s", [UNIT_COUNT] = "_count",
};

struct field {
	const char *name;
	size_t off;
	enum field_kind kind;
	enum field_unit unit;
	uint64_t min, max;
};

/* Longest span that a timer may be set to: 2^53 ns, over a hundred days. */
#define SPAN_MAX_NS (UINT64_C(1) << 53)

/* clang-format off */
#define FIELD(name, kind, unit, min, max)                                                          \
	{#name, offsetof(struct tee_config, name), FIELD_##kind, UNIT_##unit, min, max}
#define BOOL(name)		 FIELD(name, BOOL, NONE, 0, 1)
#define COUNT(name, min)	 FIELD(name, U32, NONE, min, UINT32_MAX)
#define SPAN(name, min)		 FIELD(name, U64, NS, min, SPAN_MAX_NS)
#define BYTES(name, min, max)	 FIELD(name, U32, BYTES, min, max)

static const struct field fields[] = {
	FIELD(seed, U64, NONE, 0, UINT64_MAX),
	FIELD(secret, SECRET, NONE, 0, 0),

	FIELD(memory_bytes_max, SIZE, BYTES, 1 << 16, SIZE_MAX),
	BOOL(slabs),
	COUNT(conn_max, 1),
	COUNT(conn_reserve, 0),
	COUNT(timewait_max, 0),
	COUNT(syn_queue_max, 0),
	COUNT(neighbour_max, 1),
	COUNT(neighbour_pending_max, 1),
	COUNT(route_max, 1),
	BYTES(reassembly_bytes_max, 0, UINT32_MAX),
	COUNT(reassembly_datagrams_max, 0),
	SPAN(reassembly_timeout_ns, 1),
	FIELD(icmp_rate_per_s, U32, PER_S, 0, UINT32_MAX),
	FIELD(challenge_ack_rate_per_s, U32, PER_S, 0, UINT32_MAX),
	SPAN(oow_ack_interval_ns, 0),
	BYTES(udp_queue_bytes_max, 1, UINT32_MAX),
	BYTES(error_queue_bytes_max, 0, UINT32_MAX),

	FIELD(ttl, U8, NONE, 1, 255),
	BOOL(forward_icmp_echo),
	BOOL(ip_source_route),
	BOOL(pmtud),
	FIELD(port_min, U16, NONE, 1, 65535),
	FIELD(port_max, U16, NONE, 1, 65535),
	BOOL(ipv6_slaac),
	FIELD(dad_transmits, U32, NONE, 0, 255),
	BOOL(acd),
	SPAN(acd_second_ns, 0),

	BOOL(tcp_sack),
	BOOL(tcp_dsack),
	BOOL(tcp_timestamps),
	BOOL(tcp_window_scaling),
	FIELD(tcp_ecn, ECN, NONE, 0, 0),
	FIELD(tcp_accecn_option, U32, NONE, TEE_ACCECN_OPTION_NEVER, TEE_ACCECN_OPTION_ALWAYS),
	FIELD(tcp_accecn_beacon, U32, NONE, 0, 63),
	FIELD(tcp_mss_max, U32, NONE, 0, 65535),
	FIELD(tcp_min_snd_mss, U32, NONE, 1, 65535),
	BOOL(tcp_syn_cookies),
	BOOL(tcp_abort_on_overflow),
	FIELD(tcp_fastopen, U32, NONE, 0, UINT32_MAX),
	COUNT(tcp_listen_backlog_max, 1),

	SPAN(tcp_rto_initial_ns, 1),
	SPAN(tcp_rto_min_ns, 1),
	SPAN(tcp_rto_max_ns, 1),
	SPAN(tcp_delack_min_ns, 0),
	/* RFC 9293 MUST-40: an ACK must not wait half a second or longer. */
	FIELD(tcp_delack_max_ns, U64, NS, 0, 500 * TEE_NS_PER_MS - 1),
	SPAN(tcp_msl_ns, 0),
	SPAN(tcp_fin_wait2_timeout_ns, 0),
	SPAN(tcp_keepalive_idle_ns, 1),
	SPAN(tcp_keepalive_interval_ns, 1),
	FIELD(tcp_keepalive_probe_count, U32, COUNT, 0, 255),
	FIELD(tcp_syn_retries, U32, NONE, 0, 255),
	FIELD(tcp_synack_retries, U32, NONE, 0, 255),
	FIELD(tcp_syn_linear_timeouts, U32, NONE, 0, 100),
	FIELD(tcp_retries1, U32, NONE, 0, 255),
	FIELD(tcp_retries2, U32, NONE, 0, 255),
	FIELD(tcp_black_hole_mss, U32, NONE, 0, 65535),
	FIELD(tcp_mtu_probing, U32, NONE, 0, 2),
	FIELD(tcp_base_mss, U32, NONE, 1, 65535),
	FIELD(tcp_mtu_probe_floor, U32, NONE, 1, 65535),
	FIELD(tcp_mtu_probe_threshold, U32, NONE, 1, 65535),
	SPAN(tcp_mtu_probe_interval_ns, 0),
	FIELD(tcp_orphan_retries, U32, NONE, 0, 255),
	SPAN(tcp_user_timeout_ns, 0),

	FIELD(tcp_cc, CC, NONE, 0, 0),
	FIELD(tcp_initial_cwnd_segs, U32, SEGS, 1, 65535),
	FIELD(tcp_dupack_threshold, U32, NONE, 1, 255),
	BOOL(tcp_limited_transmit),
	BOOL(tcp_rack),
	BOOL(tcp_tlp),
	BOOL(tcp_frto),
	BOOL(tcp_undo),
	BOOL(tcp_prr),
	BOOL(tcp_hystart),
	FIELD(tcp_bbr_random_loss_percent, U8, NONE, 0, 50),
	BOOL(tcp_pacing),
	BOOL(tcp_slow_start_after_idle),
	BOOL(tcp_cwnd_validation),
	BOOL(tcp_metrics_save),
	COUNT(tcp_metrics_max, 0),
	SPAN(tcp_metrics_age_ns, 0),
	BYTES(tcp_notsent_lowat_bytes, 0, UINT32_MAX),
	BYTES(tcp_tso_bytes_max, 0, 65535),

	/* A window of 2^30 is the most that scaling can say (RFC 7323 2.3). */
	BYTES(tcp_sndbuf_min, 1, 1 << 30),
	BYTES(tcp_sndbuf_initial, 1, 1 << 30),
	BYTES(tcp_sndbuf_max, 1, 1 << 30),
	BYTES(tcp_rcvbuf_min, 1, 1 << 30),
	BYTES(tcp_rcvbuf_initial, 1, 1 << 30),
	BYTES(tcp_rcvbuf_max, 1, 1 << 30),
	BOOL(tcp_autotuning),
	BYTES(tcp_ooo_bytes_max, 0, UINT32_MAX),
	COUNT(tcp_ooo_ranges_max, 1),
	BOOL(tcp_fast_path),
};
/* clang-format on */

static void init_tcp_timers(struct tee_config *config)
{
	config->tcp_rto_initial_ns = 1 * TEE_NS_PER_S; /* RFC 6298 2.1 */
	config->tcp_rto_min_ns = 200 * TEE_NS_PER_MS;
	config->tcp_rto_max_ns = 120 * TEE_NS_PER_S;
	config->tcp_delack_min_ns = 40 * TEE_NS_PER_MS;
	config->tcp_delack_max_ns = 200 * TEE_NS_PER_MS;
	config->tcp_msl_ns = 30 * TEE_NS_PER_S;
	config->tcp_fin_wait2_timeout_ns = 60 * TEE_NS_PER_S;
	config->tcp_keepalive_idle_ns = 7200 * TEE_NS_PER_S; /* MUST-28 */
	config->tcp_keepalive_interval_ns = 75 * TEE_NS_PER_S;
	config->tcp_keepalive_probe_count = 9;
	config->tcp_syn_retries = 7; /* 255 s: at least three minutes (MUST-23) */
	config->tcp_synack_retries = 5;
	config->tcp_retries1 = 3;    /* SHLD-10 */
	config->tcp_retries2 = 15;   /* about a quarter of an hour (SHLD-11) */
	config->tcp_base_mss = 1024; /* RFC 4821 7.2 */
	config->tcp_mtu_probe_floor = 48;
	config->tcp_mtu_probe_threshold = 8;
	config->tcp_mtu_probe_interval_ns = 600 * TEE_NS_PER_S; /* RFC 8899 5.1.1 */
}

static void init_tcp_sending(struct tee_config *config)
{
	memcpy(config->tcp_cc, "cubic", sizeof("cubic"));
	config->tcp_initial_cwnd_segs = 10; /* RFC 6928 */
	config->tcp_dupack_threshold = 3;
	config->tcp_limited_transmit = true;
	config->tcp_rack = true;
	config->tcp_tlp = true;
	config->tcp_frto = true;
	config->tcp_undo = true;
	config->tcp_prr = true;
	config->tcp_hystart = true;
	config->tcp_bbr_random_loss_percent = 10;
	config->tcp_slow_start_after_idle = true;
	config->tcp_metrics_max = 4096;
	config->tcp_metrics_age_ns = 3600 * TEE_NS_PER_S;
	config->tcp_cwnd_validation = true;
	config->tcp_notsent_lowat_bytes = UINT32_MAX;
	config->tcp_sndbuf_min = 4 << 10;
	config->tcp_sndbuf_initial = 87040;
	config->tcp_sndbuf_max = 8 << 20;
	config->tcp_rcvbuf_min = 4 << 10;
	config->tcp_rcvbuf_initial = 128 << 10;
	config->tcp_rcvbuf_max = 8 << 20;
	config->tcp_autotuning = true;
	config->tcp_ooo_ranges_max = 4096;
	config->tcp_fast_path = true;
}

static void init_limits(struct tee_config *config)
{
	config->memory_bytes_max = (size_t)1 << 30;
	config->conn_max = 16 << 20;
	config->slabs = !slab_is_watched;
	config->timewait_max = 262144;
	config->syn_queue_max = 4096;
	config->neighbour_max = 1024;
	config->neighbour_pending_max = 64;
	config->route_max = 1024;
	config->reassembly_bytes_max = 4 << 20;
	config->reassembly_datagrams_max = 1024;
	config->reassembly_timeout_ns = 30 * TEE_NS_PER_S;
	config->icmp_rate_per_s = 1000;
	config->challenge_ack_rate_per_s = 0;
	config->oow_ack_interval_ns = 500 * TEE_NS_PER_MS;
	config->udp_queue_bytes_max = 4 * 212992;
	config->error_queue_bytes_max = 64 << 10;
}

void tee_config_init(struct tee_config *config)
{
	memset(config, 0, sizeof(*config));
	config->seed = 1;
	init_limits(config);
	config->ttl = 64;
	config->forward_icmp_echo = true;
	config->pmtud = true;
	config->port_min = 32768;
	config->port_max = 60999;
	config->ipv6_slaac = true;
	config->dad_transmits = 1;
	config->acd = true;
	config->tcp_sack = true;
	config->tcp_dsack = true;
	config->tcp_timestamps = true;
	config->tcp_window_scaling = true;
	config->tcp_ecn = TEE_ECN_PASSIVE;
	config->tcp_accecn_option = TEE_ACCECN_OPTION_ALWAYS;
	config->tcp_accecn_beacon = 3;
	config->tcp_min_snd_mss = 48;
	config->tcp_syn_cookies = true;
	config->tcp_fastopen = 1;
	config->tcp_listen_backlog_max = 65536;
	init_tcp_timers(config);
	init_tcp_sending(config);
}

/* ---- reading values ---- */

static bool text_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* An hour in nanoseconds: the largest of all scales. */
#define SCALE_MAX (3600 * TEE_NS_PER_S)

/* What a unit's name in a value multiplies by; 0: not a unit of that kind. */
static uint64_t scale_of(const char *text, enum field_unit unit)
{
	static const struct {
		const char *text;
		enum field_unit unit;
		uint64_t factor;
	} scales[] = {
		{"ns", UNIT_NS, 1},
		{"us", UNIT_NS, TEE_NS_PER_US},
		{"ms", UNIT_NS, TEE_NS_PER_MS},
		{"s", UNIT_NS, TEE_NS_PER_S},
		{"min", UNIT_NS, 60 * TEE_NS_PER_S},
		{"h", UNIT_NS, 3600 * TEE_NS_PER_S},
		{"K", UNIT_BYTES, 1 << 10},
		{"M", UNIT_BYTES, 1 << 20},
		{"G", UNIT_BYTES, 1 << 30},
	};

	if (*text == '\0')
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(scales); i++)
		if (scales[i].unit == unit && text_equal(scales[i].text, text))
			return scales[i].factor;
	return 0;
}

static int digit_value(char c, unsigned base)
{
	int value = -1;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		value = c - 'A' + 10;
	return value < (int)base ? value : -1;
}

/*
 * Digits after a decimal point, at most nine, as a part of `scale`. The part must be whole: "1.5s"
 * and "0.5K" are, "0.1K" is not. Trailing zeros make no difference.
 */
static int read_fraction(const char **text, uint64_t *ret_numerator, uint64_t *ret_denominator)
{
	uint64_t numerator = 0, denominator = 1, product;
	int digit;

	for (; (digit = digit_value(**text, 10)) >= 0; (*text)++) {
		if (denominator == 1000 * 1000 * 1000)
			return -TEE_EINVAL;
		numerator = numerator * 10 + (unsigned)digit;
		denominator *= 10;
	}
	for (; numerator > 0 && numerator % 10 == 0; denominator /= 10)
		numerator /= 10;
	if (__builtin_mul_overflow(numerator, SCALE_MAX, &product))
		return -TEE_EINVAL;
	*ret_numerator = numerator;
	*ret_denominator = denominator;
	return 0;
}

/* A number in decimal, or in hexadecimal after 0x, with an optional scale. */
static int read_number(const char *text, enum field_unit unit, uint64_t *ret_value)
{
	unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	const char *start = base == 16 ? text + 2 : text;
	const char *ptr = start;
	uint64_t value = 0, numerator = 0, denominator = 1, scale;
	int digit;

	for (; (digit = digit_value(*ptr, base)) >= 0; ptr++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return -TEE_EINVAL;
	if (ptr == start)
		return -TEE_EINVAL;
	if (*ptr == '.') {
		int result;

		ptr++;
		result = read_fraction(&ptr, &numerator, &denominator);
		if (result < 0)
			return result;
	}
	scale = scale_of(ptr, unit);
	if (scale == 0 || numerator * scale % denominator != 0)
		return -TEE_EINVAL;
	if (__builtin_mul_overflow(value, scale, &value) ||
	    __builtin_add_overflow(value, numerator * scale / denominator, &value))
		return -TEE_EINVAL;
	*ret_value = value;
	return 0;
}

/* A value that is one of a few words; -TEE_EINVAL when it is none of them. */
static int read_word(const char *text, const char *const *words, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (text_equal(text, words[i]))
			return (int)i;
	return -TEE_EINVAL;
}

static int read_bool(const char *text)
{
	static const char *const words[] = {"0", "1", "off", "on", "no", "yes", "false", "true"};
	int idx = read_word(text, words, ARRAY_LEN(words));

	return idx < 0 ? idx : idx % 2;
}

static int read_ecn(const char *text)
{
	static const char *const words[] = {
		"off",
		"on",
		"passive",
		"accurate",
		"accurate-classic",
		"accurate-passive",
		"0",
		"1",
		"2",
		"3",
		"4",
		"5",
	};
	int idx = read_word(text, words, ARRAY_LEN(words));

	_Static_assert(TEE_ECN_OFF == 0 && TEE_ECN_ON == 1 && TEE_ECN_PASSIVE == 2 &&
			       TEE_ECN_ACCURATE == 3 && TEE_ECN_ACCURATE_CLASSIC == 4 &&
			       TEE_ECN_ACCURATE_PASSIVE == 5,
		       "the words stand in the enum's order");
	return idx < 0 ? idx : idx % 6;
}

static int set_secret(uint8_t *secret, const char *text)
{
	uint8_t bytes[sizeof(((struct tee_config *)0)->secret)];

	if (strlen(text) != 2 * sizeof(bytes))
		return -TEE_EINVAL;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		int high = digit_value(text[2 * i], 16), low = digit_value(text[2 * i + 1], 16);

		if (high < 0 || low < 0)
			return -TEE_EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(secret, bytes, sizeof(bytes));
	return 0;
}

/* Whether a controller of that name exists is known only where controllers are. */
static int set_cc(char *name, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= TEE_CC_NAME_SIZE)
		return -TEE_EINVAL;
	memset(name, 0, TEE_CC_NAME_SIZE);
	memcpy(name, text, len);
	return 0;
}

static int set_number(void *at, const struct field *field, const char *text)
{
	uint64_t value;
	int result = read_number(text, field->unit, &value);

	if (result < 0)
		return result;
	if (value < field->min || value > field->max)
		return -TEE_EINVAL;
	switch (field->kind) {
	case FIELD_U8: *(uint8_t *)at = (uint8_t)value; break;
	case FIELD_U16: *(uint16_t *)at = (uint16_t)value; break;
	case FIELD_U32: *(uint32_t *)at = (uint32_t)value; break;
	case FIELD_U64: *(uint64_t *)at = value; break;
	default: *(size_t *)at = (size_t)value; break;
	}
	return 0;
}

/* Does `name` mean the field, with its unit or with the unit left out? */
static bool field_has_name(const struct field *field, const char *name)
{
	const char *suffix = unit_suffixes[field->unit];
	size_t suffix_len = strlen(suffix);
	const char *unit = field->name;
	size_t before;

	if (text_equal(field->name, name))
		return true;
	if (suffix_len == 0)
		return false;
	while (*unit && strncmp(unit, suffix, suffix_len) != 0)
		unit++;
	before = (size_t)(unit - field->name);
	return *unit && strncmp(field->name, name, before) == 0 &&
	       text_equal(unit + suffix_len, name + before);
}

int tee_config_set(struct tee_config *config, const char *name, const char *value)
{
	const struct field *field = fields;
	void *at;
	int result;

	while (field < fields + ARRAY_LEN(fields) && !field_has_name(field, name))
		field++;
	if (field == fields + ARRAY_LEN(fields))
		return -TEE_ENOENT;
	at = (char *)config + field->off;
	switch (field->kind) {
	case FIELD_BOOL:
		result = read_bool(value);
		if (result >= 0)
			*(bool *)at = result;
		return MIN(result, 0);
	case FIELD_ECN:
		result = read_ecn(value);
		if (result >= 0)
			*(enum tee_ecn_mode *)at = (enum tee_ecn_mode)result;
		return MIN(result, 0);
	case FIELD_SECRET: return set_secret(at, value);
	case FIELD_CC: return set_cc(at, value);
	default: return set_number(at, field, value);
	}
}

const char *tee_config_field_name(unsigned idx)
{
	return idx < ARRAY_LEN(fields) ? fields[idx].name : NULL;
}
