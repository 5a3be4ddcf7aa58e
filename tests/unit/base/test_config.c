/* SPDX-License-Identifier: MIT */
/* Setting configuration fields by name: every kind of value, every unit, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <stdio.h>
#include <teeceepee/config.h>
#include "base/check.h"

static void test_values(void **state)
{
	static const struct {
		const char *name, *value;
		size_t off;
		size_t size;
		uint64_t expected;
	} cases[] = {
#define ROW(field, name, value, expected)                                                   \
 {name, value, offsetof(struct tee_config, field), sizeof(((struct tee_config *)0)->field), \
  expected}
		ROW(seed, "seed", "18446744073709551615", UINT64_MAX),
		ROW(seed, "seed", "0x10", 16),
		ROW(memory_bytes_max, "memory_bytes_max", "64M", 64 << 20),
		ROW(memory_bytes_max, "memory_max", "2G", UINT64_C(2) << 30),
		ROW(memory_bytes_max, "memory_max", "1.5M", 3 << 19),
		ROW(conn_max, "conn_max", "10000000", 10000000),
		ROW(conn_reserve, "conn_reserve", "10000000", 10000000),
		ROW(tcp_rto_min_ns, "tcp_rto_min_ns", "5", 5),
		ROW(tcp_rto_min_ns, "tcp_rto_min", "200ms", 200 * TEE_NS_PER_MS),
		ROW(tcp_rto_min_ns, "tcp_rto_min", "5us", 5000),
		ROW(tcp_rto_min_ns, "tcp_rto_min", "7ns", 7),
		ROW(tcp_rto_min_ns, "tcp_rto_min", "1.000000001s", TEE_NS_PER_S + 1),
		ROW(tcp_rto_min_ns, "tcp_rto_min", "0.250s", TEE_NS_PER_S / 4),
		ROW(tcp_keepalive_idle_ns, "tcp_keepalive_idle", "2h", 7200 * TEE_NS_PER_S),
		ROW(tcp_msl_ns, "tcp_msl", "2min", 120 * TEE_NS_PER_S),
		ROW(icmp_rate_per_s, "icmp_rate", "50", 50),
		ROW(icmp_rate_per_s, "icmp_rate_per_s", "0", 0),
		ROW(tcp_initial_cwnd_segs, "tcp_initial_cwnd", "4", 4),
		ROW(tcp_notsent_lowat_bytes, "tcp_notsent_lowat", "16K", 16384),
		ROW(tcp_rcvbuf_max, "tcp_rcvbuf_max", "64M", 64 << 20),
		ROW(tcp_keepalive_probe_count, "tcp_keepalive_probe", "3", 3),
		ROW(ttl, "ttl", "255", 255),
		ROW(port_min, "port_min", "1024", 1024),
		ROW(tcp_sack, "tcp_sack", "off", 0),
		ROW(tcp_sack, "tcp_sack", "on", 1),
		ROW(tcp_sack, "tcp_sack", "no", 0),
		ROW(tcp_sack, "tcp_sack", "yes", 1),
		ROW(tcp_sack, "tcp_sack", "0", 0),
		ROW(tcp_sack, "tcp_sack", "1", 1),
		ROW(tcp_ecn, "tcp_ecn", "accurate", TEE_ECN_ACCURATE),
		ROW(tcp_ecn, "tcp_ecn", "off", TEE_ECN_OFF),
		ROW(tcp_ecn, "tcp_ecn", "1", TEE_ECN_ON),
		ROW(tcp_ecn, "tcp_ecn", "accurate-classic", TEE_ECN_ACCURATE_CLASSIC),
		ROW(tcp_ecn, "tcp_ecn", "5", TEE_ECN_ACCURATE_PASSIVE),
#undef ROW
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_config config;
		uint64_t value = 0;

		tee_config_init(&config);
		assert_int_equal(tee_config_set(&config, cases[i].name, cases[i].value), 0);
		/* little-endian: a narrow field is the low bytes */
		memcpy(&value, (char *)&config + cases[i].off, cases[i].size);
		assert_int_equal(value, cases[i].expected);
	}
}

static void test_refusals_change_nothing(void **state)
{
	static const struct {
		const char *name, *value;
		int expected;
	} cases[] = {
		{"no_such_field", "1", -TEE_ENOENT},
		{"", "1", -TEE_ENOENT},
		{"tcp_rto", "1", -TEE_ENOENT},
		{"_ns", "1", -TEE_ENOENT},
		{"tcp_rto_min_n", "1", -TEE_ENOENT},
		{"tcp_rto_min_nss", "1", -TEE_ENOENT},
		{"conn_max", "", -TEE_EINVAL},
		{"conn_max", "-1", -TEE_EINVAL},
		{"conn_max", "+1", -TEE_EINVAL},
		{"conn_max", "1x", -TEE_EINVAL},
		{"conn_max", " 1", -TEE_EINVAL},
		{"conn_max", "0", -TEE_EINVAL},
		{"conn_max", "4294967296", -TEE_EINVAL},
		{"conn_max", "5ms", -TEE_EINVAL},
		{"conn_max", "5K", -TEE_EINVAL},
		{"conn_max", "1.5", -TEE_EINVAL},
		{"seed", "18446744073709551616", -TEE_EINVAL},
		{"seed", "0x", -TEE_EINVAL},
		{"ttl", "0", -TEE_EINVAL},
		{"ttl", "256", -TEE_EINVAL},
		{"memory_max", "99999999999G", -TEE_EINVAL},
		{"memory_max", "5s", -TEE_EINVAL},
		{"tcp_sndbuf_max", "0.3K", -TEE_EINVAL},
		{"tcp_rto_min", "1.5ns", -TEE_EINVAL},
		{"tcp_rto_min", "1.0000000001s", -TEE_EINVAL},
		{"tcp_rto_min", "1 s", -TEE_EINVAL},
		{"tcp_rto_min", "99999999999h", -TEE_EINVAL},
		{"tcp_delack_max", "500ms", -TEE_EINVAL}, /* MUST-40 */
		{"tcp_sack", "2", -TEE_EINVAL},
		{"tcp_sack", "", -TEE_EINVAL},
		{"tcp_ecn", "maybe", -TEE_EINVAL},
		{"tcp_ecn", "6", -TEE_EINVAL},
		{"tcp_accecn_option", "3", -TEE_EINVAL},
		{"tcp_cc", "", -TEE_EINVAL},
		{"tcp_cc", "0123456789abcdef", -TEE_EINVAL},
		{"secret", "00", -TEE_EINVAL},
		{"secret", "g0000000000000000000000000000000", -TEE_EINVAL},
	};
	struct tee_config config, before;

	tee_config_init(&config);
	before = config;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(tee_config_set(&config, cases[i].name, cases[i].value),
				 cases[i].expected);
		assert_memory_equal(&config, &before, sizeof(config));
	}
}

static void test_secret_and_controller(void **state)
{
	static const uint8_t secret[16] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					   0x08, 0x09, 0x0a, 0x0b, 0x0c, 0xfd, 0xFE, 0xff};
	struct tee_config config;

	tee_config_init(&config);
	assert_string_equal(config.tcp_cc, "cubic");
	assert_int_equal(tee_config_set(&config, "secret", "000102030405060708090A0b0c0d0e0f"), 0);
	assert_int_equal(config.secret[10], 0x0a);
	assert_int_equal(tee_config_set(&config, "secret", "000102030405060708090a0b0cfdFEff"), 0);
	assert_memory_equal(config.secret, secret, sizeof(secret));
	assert_int_equal(tee_config_set(&config, "tcp_cc", "bbr"), 0);
	assert_string_equal(config.tcp_cc, "bbr");
}

/* Every field can be set by the name that the list gives, and is a field that exists once. */
static void test_names(void **state)
{
	unsigned count = 0;

	for (const char *name; (name = tee_config_field_name(count)); count++) {
		struct tee_config config;

		tee_config_init(&config);
		assert_int_not_equal(tee_config_set(&config, name, "nonsense!!!"), -TEE_ENOENT);
		for (unsigned i = 0; i < count; i++)
			assert_string_not_equal(name, tee_config_field_name(i));
	}
	assert_true(count > 70);
	assert_null(tee_config_field_name(count + 1));
}

/*
 * No field of the struct is missing in the table: set each to something that differs, and no byte of a
 * struct full of 0xff, but those of padding, keeps its value.
 */
static void test_table_covers_the_struct(void **state)
{
	struct tee_config config;
	const uint8_t *bytes = (const uint8_t *)&config;
	unsigned untouched = 0;

	memset(&config, 0xff, sizeof(config));
	config.memory = (struct tee_memory){0}; /* functions have no text */
	for (unsigned i = 0; tee_config_field_name(i); i++) {
		static const char *const values[] = {"1", "70000", "cubic",
						     "00000000000000000000000000000000"};
		int result = -TEE_EINVAL;

		for (unsigned v = 0; result < 0 && v < ARRAY_LEN(values); v++)
			result = tee_config_set(&config, tee_config_field_name(i), values[v]);
		assert_int_equal(result, 0);
	}
	for (size_t i = 0; i < sizeof(config); i++)
		untouched += bytes[i] == 0xff;
	/* 21 bytes are padding on 64-bit hosts; a field that the table lacks adds its own */
	assert_in_range(untouched, 0, 21);
}

static void test_defaults_are_consistent(void **state)
{
	struct tee_config config;

	tee_config_init(&config);
	assert_true(config.port_min < config.port_max);
	assert_true(config.tcp_rto_min_ns <= config.tcp_rto_initial_ns);
	assert_true(config.tcp_rto_initial_ns <= config.tcp_rto_max_ns);
	assert_true(config.tcp_delack_min_ns <= config.tcp_delack_max_ns);
	assert_true(config.tcp_delack_max_ns < 500 * TEE_NS_PER_MS);
	assert_true(config.tcp_sndbuf_min <= config.tcp_sndbuf_initial);
	assert_true(config.tcp_sndbuf_initial <= config.tcp_sndbuf_max);
	assert_true(config.tcp_rcvbuf_min <= config.tcp_rcvbuf_initial);
	assert_true(config.tcp_rcvbuf_initial <= config.tcp_rcvbuf_max);
	assert_true(config.tcp_retries1 < config.tcp_retries2);
	assert_int_equal(config.seed, 1);
	assert_int_equal(config.tcp_ecn, TEE_ECN_PASSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_refusals_change_nothing),
		cmocka_unit_test(test_secret_and_controller),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_table_covers_the_struct),
		cmocka_unit_test(test_defaults_are_consistent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
