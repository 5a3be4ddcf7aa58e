/* SPDX-License-Identifier: MIT */
/* The string that chooses a link, the registry, and the sentences about what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "link/spec.h"

static const struct {
	const char *text, *kind, *name;
	unsigned options;
	const char *key, *value; /* of the last option */
} good[] = {
	{"slirp", "slirp", "", 0, NULL, NULL},
	{"slirp:", NULL, NULL, 0, NULL, NULL}, /* an empty word */
	{"slirp:mtu=1500", "slirp", "", 1, "mtu", "1500"},
	{"tap:tee0", "tap", "tee0", 0, NULL, NULL},
	{"tap:fd=5", "tap", "", 1, "fd", "5"},
	{"packet:eth0,mac=02:00:00:00:00:07", "packet", "eth0", 1, "mac", "02:00:00:00:00:07"},
	{"packet:mac=02:00:00:00:00:07,eth0,mtu=9000", "packet", "eth0", 2, "mtu", "9000"},
	{"passt:/run/passt_1.socket", "passt", "/run/passt_1.socket", 0, NULL, NULL},
	{"slirp:tcp=8080-80,tcp=8443-443", "slirp", "", 2, "tcp", "8443-443"},
	{"a:b=c=d", "a", "", 1, "b", "c=d"},
	{"a:=x", "a", "", 1, "", "x"},
	{"a:x=", "a", "", 1, "x", ""},
	{"", NULL, NULL, 0, NULL, NULL},
	{"tap:a,b", NULL, NULL, 0, NULL, NULL},
	{"tap:a,,b=1", NULL, NULL, 0, NULL, NULL},
	{"tap:a,", NULL, NULL, 0, NULL, NULL},
};

static void words_are_cut(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct link_spec spec;
		char error[TEE_LINK_ERROR_SIZE] = "";
		int result = link_spec_parse(good[i].text, &spec, error);

		if (!good[i].kind) {
			assert_int_equal(result, -TEE_EINVAL);
			assert_true(strlen(error) > 10);
			continue;
		}
		assert_int_equal(result, 0);
		assert_string_equal(spec.kind, good[i].kind);
		assert_string_equal(spec.name, good[i].name);
		assert_int_equal(spec.option_count, good[i].options);
		if (good[i].key) {
			assert_string_equal(spec.options[spec.option_count - 1].key, good[i].key);
			assert_string_equal(link_spec_get(&spec, good[i].key), good[i].value);
		}
	}
}

static void limits_hold(void **state)
{
	char error[TEE_LINK_ERROR_SIZE], text[2 * LINK_SPEC_SIZE];
	struct link_spec spec;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(link_spec_parse(text, &spec, error), -TEE_EINVAL);
	text[LINK_SPEC_SIZE] = '\0';
	assert_int_equal(link_spec_parse(text, &spec, error), -TEE_EINVAL);
	text[LINK_SPEC_SIZE - 1] = '\0';
	assert_int_equal(link_spec_parse(text, &spec, error), 0);
	assert_int_equal(strlen(spec.kind), LINK_SPEC_SIZE - 1);

	strcpy(text, "a:");
	for (int i = 0; i < LINK_SPEC_OPTIONS_MAX; i++)
		strcat(text, i ? ",k=v" : "k=v");
	assert_int_equal(link_spec_parse(text, &spec, error), 0);
	assert_int_equal(spec.option_count, LINK_SPEC_OPTIONS_MAX);
	strcat(text, ",k=v");
	assert_int_equal(link_spec_parse(text, &spec, error), -TEE_EINVAL);
}

static void numbers_are_read_to_the_last_letter(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t value;
	} cases[] = {
		{"a:n=1", 0, 1},
		{"a:n=100", 0, 100},
		{"a:n=0", -TEE_EINVAL, 0},
		{"a:n=101", -TEE_EINVAL, 0},
		{"a:n=", -TEE_EINVAL, 0},
		{"a:n=-1", -TEE_EINVAL, 0},
		{"a:n=+1", -TEE_EINVAL, 0},
		{"a:n= 1", -TEE_EINVAL, 0},
		{"a:n=1k", -TEE_EINVAL, 0},
		{"a:n=0x10", -TEE_EINVAL, 0},
		{"a", 0, 77},
		{"a:n=99999999999999999999999", -TEE_EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link_spec spec;
		char error[TEE_LINK_ERROR_SIZE] = "";
		uint32_t value = 77;

		assert_int_equal(link_spec_parse(cases[i].text, &spec, error), 0);
		assert_int_equal(link_spec_u32(&spec, "n", 1, 100, &value, error), cases[i].result);
		assert_int_equal(value, cases[i].result ? 77 : cases[i].value);
		assert_int_equal(*error != '\0', cases[i].result != 0);
	}
}

static void words_are_chosen(void **state)
{
	static const char *const words[] = {"0", "1", "thread", NULL};
	static const struct {
		const char *text;
		int result;
		unsigned idx;
	} cases[] = {
		{"a:w=0", 0, 0},
		{"a:w=thread", 0, 2},
		{"a", 0, 77},
		{"a:w=thread,w=1", 0, 1},
		{"a:w=threads", -TEE_EINVAL, 77},
		{"a:w=", -TEE_EINVAL, 77},
		{"a:w=01", -TEE_EINVAL, 77},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link_spec spec;
		char error[TEE_LINK_ERROR_SIZE] = "";
		unsigned idx = 77;

		assert_int_equal(link_spec_parse(cases[i].text, &spec, error), 0);
		assert_int_equal(link_spec_word(&spec, "w", words, &idx, error), cases[i].result);
		assert_int_equal(idx, cases[i].idx);
		assert_int_equal(strstr(error, "0, 1, thread") != NULL, cases[i].result != 0);
	}
}

static void macs_are_six_bytes_and_no_group(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{"a:mac=02:00:00:00:00:07", 1},
		{"a:mac=aA:bB:Cc:0d:0E:0f", 1},
		{"a", 0},
		{"a:mac=01:00:00:00:00:07", -TEE_EINVAL},
		{"a:mac=00:00:00:00:00:00", -TEE_EINVAL},
		{"a:mac=02:00:00:00:00", -TEE_EINVAL},
		{"a:mac=02-00-00-00-00-07", -TEE_EINVAL},
		{"a:mac=02:00:00:00:00:0", -TEE_EINVAL},
		{"a:mac=02:00:00:00:00:0g", -TEE_EINVAL},
		{"a:mac=02:00:00:00:00:07:", -TEE_EINVAL},
		{"a:mac=", -TEE_EINVAL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link_spec spec;
		char error[TEE_LINK_ERROR_SIZE];
		struct tee_mac mac = {{1, 2, 3, 4, 5, 6}};

		assert_int_equal(link_spec_parse(cases[i].text, &spec, error), 0);
		assert_int_equal(link_spec_mac(&spec, &mac, error), cases[i].result);
		assert_int_equal(mac.byte[5] == 6, cases[i].result <= 0);
	}
}

/* Every string that opens nothing, and a word that its sentence must contain. */
static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *word;
	} cases[] = {
		{"", -TEE_EINVAL, "empty"},
		{"carrier-pigeon", -TEE_EINVAL, "slirp, passt, tap, packet"},
		{"slirp:eth0", -TEE_EINVAL, "takes no name"},
		{"slirp:mtu=12", -TEE_EINVAL, "1280"},
		{"slirp:speed=9", -TEE_EINVAL, "'speed'"},
		{"slirp:tcp=80", -TEE_EINVAL, "8080-80"},
		{"slirp:tcp=0-80", -TEE_EINVAL, "8080-80"},
		{"slirp:udp=8080-66000", -TEE_EINVAL, "8080-80"},
		{"slirp:ip6=2", -TEE_EINVAL, "ip6"},
		{"tap", -TEE_EINVAL, "tap:NAME"},
		{"tap:tee0,fd=4", -TEE_EINVAL, "tap:NAME"},
		{"tap:fd=9999", -TEE_EINVAL, "not open"},
		{"tap:fd=0,mtu=5", -TEE_EINVAL, "tap"},
		{"tap:fd=0,queues=2", -TEE_EINVAL, "queues="},
		{"tap:fd=0,napi=1", -TEE_EINVAL, "napi="},
		{"tap:a-name-that-is-too-long", -TEE_EINVAL, "15"},
		{"tap:a/b", -TEE_EINVAL, "name"},
		{"packet", -TEE_EINVAL, "packet:eth0"},
		{"passt:/nonexistent/socket", -TEE_ENOENT, "passt -s /nonexistent/socket"},
		{"passt:/nonexistent/socket,tcp=80", -TEE_EINVAL, "tcp="},
		{"wire", -TEE_EINVAL, "tee_link_wire_pair"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[TEE_LINK_ERROR_SIZE] = "";
		struct tee_link *link = (struct tee_link *)&link;
		int result = tee_link_open(cases[i].text, &link, error);

		if (result != cases[i].result || !strstr(error, cases[i].word))
			fail_msg("'%s': %d, '%s'", cases[i].text, result, error);
		assert_ptr_equal(link, &link);
	}
}

static void kinds_are_listed_and_probed(void **state)
{
	struct tee_link_kind kind;
	char reason[TEE_LINK_ERROR_SIZE];
	unsigned count = 0;
	bool has_slirp = false;

	for (; tee_link_kind(count, &kind); count++) {
		assert_non_null(kind.name);
		assert_true(strlen(kind.syntax) > 0 && strlen(kind.summary) > 0);
		has_slirp |= !strcmp(kind.name, "slirp");
		memset(reason, 'x', sizeof(reason));
		/* A failure gives a sentence, success an empty one. */
		if (tee_link_probe(kind.name, reason) < 0)
			assert_true(memchr(reason, '\0', sizeof(reason)) > (void *)(reason + 10));
		else
			assert_string_equal(reason, "");
	}
	assert_true(count >= 5 && has_slirp);
	assert_int_equal(tee_link_probe("carrier-pigeon", reason), -TEE_EINVAL);
	tee_link_close(NULL);
}

static void errno_values_become_results(void **state)
{
	assert_int_equal(link_result_of_errno(EPERM), -TEE_EPERM);
	assert_int_equal(link_result_of_errno(EACCES), -TEE_EPERM);
	assert_int_equal(link_result_of_errno(ENODEV), -TEE_ENODEV);
	assert_int_equal(link_result_of_errno(ENOSPC), -TEE_EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_cut),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(numbers_are_read_to_the_last_letter),
		cmocka_unit_test(words_are_chosen),
		cmocka_unit_test(macs_are_six_bytes_and_no_group),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(kinds_are_listed_and_probed),
		cmocka_unit_test(errno_values_become_results),
	};
	return cmocka_run_group_tests_name("link/spec", tests, NULL, NULL);
}
