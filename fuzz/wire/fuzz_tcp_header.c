/* SPDX-License-Identifier: MIT */
/*
 * TCP headers. What was read and written again has the same fixed fields, no longer options, and is from
 * then on a fixed point: reading and writing change nothing more.
 */
#include "base/check.h"
#include "wire/tcp.h"

#include <string.h>

static void check_options(const struct tcp_options *options)
{
	CHECK(options->sack_count <= TCP_SACK_MAX);
	CHECK(options->fastopen_len <= TCP_FASTOPEN_COOKIE_MAX);
	CHECK(options->accecn_count <= 3 && options->accecn_order <= 1);
	for (unsigned i = 0; i < options->accecn_count; i++)
		CHECK(options->accecn[i] <= 0xffffff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_header tcp, again;
	uint8_t out[TCP_HEADER_MAX], out_again[TCP_HEADER_MAX];
	size_t len;

	if (size <= TCP_OPTIONS_MAX) {
		tcp_parse_options(data, size, &tcp.options);
		check_options(&tcp.options);
	}
	if (tcp_parse(data, size, &tcp) < 0)
		return 0;
	CHECK(tcp.header_len >= TCP_HEADER_LEN && tcp.header_len <= size);
	CHECK(tcp.header_len <= TCP_HEADER_MAX && tcp.flags <= 0x1ff && tcp.reserved <= 7);
	check_options(&tcp.options);

	len = tcp_write(out, &tcp);
	CHECK(len <= TCP_HEADER_MAX && len == TCP_HEADER_LEN + tcp_options_len(&tcp.options));
	CHECK(memcmp(out, data, 12) == 0);
	CHECK(((out[12] ^ data[12]) & 0x0f) == 0 && out[13] == data[13]);
	CHECK(memcmp(out + 14, data + 14, 2) == 0 && memcmp(out + 18, data + 18, 2) == 0);
	CHECK(tcp_parse(out, len, &again) == 0 && again.header_len == len);
	CHECK(!again.options.was_malformed);
	CHECK(tcp_write(out_again, &again) == len && memcmp(out, out_again, len) == 0);
	return 0;
}
