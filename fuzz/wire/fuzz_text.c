/* SPDX-License-Identifier: MIT */
/* Addresses, prefixes, endpoints and configuration values from text that anybody may have typed. */
#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/config.h>

static void check_ip(const char *text)
{
	struct tee_ip ip, again;
	char formatted[TEE_IP_TEXT_SIZE];
	unsigned bits;

	if (tee_ip_parse_prefix(text, &ip, &bits) == 0)
		CHECK(bits <= (tee_ip_is4(&ip) ? 32u : 128u));
	if (tee_ip_parse(text, &ip) < 0)
		return;
	CHECK(strlen(tee_ip_format(&ip, formatted)) < sizeof(formatted));
	CHECK(tee_ip_parse(formatted, &again) == 0 && tee_ip_equal(&ip, &again));
}

static void check_endpoint(const char *text)
{
	struct tee_endpoint endpoint, again;
	char formatted[TEE_ENDPOINT_TEXT_SIZE];

	if (tee_endpoint_parse(text, &endpoint) < 0)
		return;
	CHECK(strlen(tee_endpoint_format(&endpoint, formatted)) < sizeof(formatted));
	CHECK(tee_endpoint_parse(formatted, &again) == 0);
	CHECK(tee_ip_equal(&endpoint.ip, &again.ip) && endpoint.port == again.port);
}

/* "name=value" */
static void check_config(char *text)
{
	char *equals = strchr(text, '=');
	struct tee_config config, before;
	int result;

	if (!equals)
		return;
	*equals = '\0';
	tee_config_init(&config);
	before = config;
	result = tee_config_set(&config, text, equals + 1);
	CHECK(result == 0 || result == -TEE_ENOENT || result == -TEE_EINVAL);
	CHECK(result == 0 || memcmp(&config, &before, sizeof(config)) == 0);
	CHECK(memchr(config.tcp_cc, '\0', sizeof(config.tcp_cc)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_ip(text);
	check_endpoint(text);
	check_config(text);
	free(text);
	return 0;
}
