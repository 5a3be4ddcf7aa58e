/* SPDX-License-Identifier: MIT */
/*
 * The options of a socket that are only a number to remember: one table of places and ranges.
 * What also does something at once to a connection is in conn_option.c.
 */
#include <string.h>
#include "tcp/conn.h"

enum setting_kind {
	SETTING_NONE,
	SETTING_FLAG,
	SETTING_U8,
	SETTING_U16,
	SETTING_U32,
	SETTING_MS,
	SETTING_U64
};

struct setting {
	uint8_t kind;   /* enum setting_kind */
	uint32_t place; /* offset in struct tcp_settings, or the flag */
	uint64_t min, max;
};

#define PLACE(member) offsetof(struct tcp_settings, member)

static const struct setting settings_table[TEE_OPT_COUNT] = {
	[TEE_OPT_NODELAY] = {SETTING_FLAG, TCP_SET_NODELAY, 0, 1},
	[TEE_OPT_CORK] = {SETTING_FLAG, TCP_SET_CORK, 0, 1},
	[TEE_OPT_KEEPALIVE] = {SETTING_FLAG, TCP_SET_KEEPALIVE, 0, 1}, /* MUST-24, MUST-25 */
	[TEE_OPT_KEEPIDLE_NS] = {SETTING_MS, PLACE(keepidle_ms), TEE_NS_PER_MS,
				 TEE_NEVER}, /* MUST-27 */
	[TEE_OPT_KEEPINTVL_NS] = {SETTING_MS, PLACE(keepintvl_ms), TEE_NS_PER_MS, TEE_NEVER},
	[TEE_OPT_KEEPCNT] = {SETTING_U8, PLACE(keepcnt), 1, 127},
	[TEE_OPT_USER_TIMEOUT_NS] = {SETTING_MS, PLACE(user_timeout_ms), 0, TEE_NEVER},
	[TEE_OPT_LINGER2_NS] = {SETTING_MS, PLACE(linger2_ms), 0, TEE_NEVER},
	[TEE_OPT_REUSEADDR] = {SETTING_FLAG, TCP_SET_REUSEADDR, 0, 1},
	[TEE_OPT_REUSEPORT] = {SETTING_FLAG, TCP_SET_REUSEPORT, 0, 1},
	[TEE_OPT_RCVLOWAT] = {SETTING_U32, PLACE(rcvlowat), 0, INT32_MAX},
	[TEE_OPT_MAXSEG] = {SETTING_U16, PLACE(maxseg), 0, 65495},
	[TEE_OPT_TTL] = {SETTING_U8, PLACE(ttl), 1, 255},
	[TEE_OPT_TOS] = {SETTING_U8, PLACE(tos), 0, 255},
	[TEE_OPT_V6ONLY] = {SETTING_FLAG, TCP_SET_V6ONLY, 0, 1},
	[TEE_OPT_SYNCNT] = {SETTING_U8, PLACE(syn_retries), 1, 127},
	[TEE_OPT_SYN_TIMEOUT_NS] = {SETTING_MS, PLACE(syn_timeout_ms), 0, TEE_NEVER},
	[TEE_OPT_WINDOW_CLAMP] = {SETTING_U32, PLACE(window_clamp), 0, INT32_MAX},
	[TEE_OPT_QUICKACK] = {SETTING_FLAG, TCP_SET_QUICKACK, 0, 1},
	[TEE_OPT_DEFER_ACCEPT_NS] = {SETTING_MS, PLACE(defer_accept_ms), 0, TEE_NEVER},
	[TEE_OPT_NOTSENT_LOWAT] = {SETTING_U32, PLACE(notsent_lowat), 0, UINT32_MAX},
	[TEE_OPT_OOBINLINE] = {SETTING_FLAG, TCP_SET_OOBINLINE, 0, 1},
	[TEE_OPT_BROADCAST] = {SETTING_FLAG, TCP_SET_BROADCAST, 0, 1},
	[TEE_OPT_NETIF] = {SETTING_U16, PLACE(netif), 0, TCP_NETIF_MAX - 1},
	[TEE_OPT_MTU_DISCOVER] = {SETTING_U8, PLACE(mtu_discover), 0, 2},
	[TEE_OPT_FASTOPEN] = {SETTING_U16, PLACE(fastopen_queue), 0, 65535},
	[TEE_OPT_FASTOPEN_CONNECT] = {SETTING_FLAG, TCP_SET_FASTOPEN_CONNECT, 0, 1},
	[TEE_OPT_FASTOPEN_NO_COOKIE] = {SETTING_FLAG, TCP_SET_FASTOPEN_NO_COOKIE, 0, 1},
	[TEE_OPT_NOOPT] = {SETTING_FLAG, TCP_SET_NOOPT, 0, 1},
	[TEE_OPT_PACING_RATE] = {SETTING_U64, PLACE(pacing_rate_max), 1, UINT64_MAX},
	[TEE_OPT_ECN] = {SETTING_U8, PLACE(ecn), TEE_ECN_OFF, TEE_ECN_ACCURATE_PASSIVE},
};

void tcp_settings_init(struct tcp_settings *s, const struct tcp *tcp)
{
	const struct tee_config *config = &tcp->engine->config;

	memset(s, 0, sizeof(*s));
	s->cc = cc_find(config->tcp_cc);
	if (!s->cc)
		s->cc = &cc_cubic;
	s->pacing_rate_max = UINT64_MAX;
	s->flags = TCP_SET_OOBINLINE;
	s->keepidle_ms = coarse_ms(config->tcp_keepalive_idle_ns);
	s->keepintvl_ms = coarse_ms(config->tcp_keepalive_interval_ns);
	s->keepcnt = (uint8_t)MIN(config->tcp_keepalive_probe_count, 127u);
	s->user_timeout_ms = coarse_ms(config->tcp_user_timeout_ns);
	s->syn_retries = (uint8_t)MIN(config->tcp_syn_retries, 127u);
	s->rcvlowat = 1;
	s->ttl = config->ttl;
	s->mtu_discover = 1;
	s->ecn = (uint8_t)config->tcp_ecn;
}

/* Buffers are kept as asked, within the configuration's bounds, and no longer size themselves. */
static int set_buffer(struct tcp_settings *s, enum tee_option option, uint64_t value)
{
	uint32_t bytes = (uint32_t)MIN(MAX(value, 2048u), INT32_MAX);

	if (option == TEE_OPT_RCVBUF) {
		s->rcvbuf = bytes;
		s->flags |= TCP_SET_RCVBUF_LOCKED;
	} else {
		s->sndbuf = bytes;
		s->flags |= TCP_SET_SNDBUF_LOCKED;
	}
	return 0;
}

static int set_linger(struct tcp_settings *s, uint64_t value)
{
	if (value == TEE_NEVER) {
		s->flags &= ~(uint32_t)TCP_SET_LINGER;
		return 0;
	}
	s->flags |= TCP_SET_LINGER;
	s->linger_ms = (uint32_t)MIN((value + TEE_NS_PER_MS - 1) / TEE_NS_PER_MS, UINT32_MAX - 1);
	return 0;
}

static uint32_t ms_of(uint64_t ns)
{
	if (ns == TEE_NEVER)
		return TCP_MS_NEVER;
	return (uint32_t)MIN((ns + TEE_NS_PER_MS - 1) / TEE_NS_PER_MS, TCP_MS_NEVER - 1);
}

static uint64_t ns_of(uint32_t ms)
{
	return ms == TCP_MS_NEVER ? TEE_NEVER : ms * TEE_NS_PER_MS;
}

int tcp_settings_set(struct tcp_settings *s, enum tee_option option, uint64_t value)
{
	const struct setting *setting;
	uint8_t *place;

	if (option == TEE_OPT_RCVBUF || option == TEE_OPT_SNDBUF)
		return set_buffer(s, option, value);
	if (option == TEE_OPT_LINGER_NS)
		return set_linger(s, value);
	if ((unsigned)option >= TEE_OPT_COUNT || settings_table[option].kind == SETTING_NONE)
		return -TEE_ENOPROTOOPT;
	setting = &settings_table[option];
	if (value < setting->min || value > setting->max)
		return -TEE_EINVAL;
	if (option == TEE_OPT_MAXSEG && value && value < 88)
		return -TEE_EINVAL;
	if (option == TEE_OPT_OOBINLINE && !value)
		return -TEE_EINVAL;
	place = (uint8_t *)s + setting->place;
	switch (setting->kind) {
	case SETTING_FLAG:
		if (value)
			s->flags |= setting->place;
		else
			s->flags &= ~setting->place;
		return 0;
	case SETTING_U8: *place = (uint8_t)value; return 0;
	case SETTING_U16: *(uint16_t *)(void *)place = (uint16_t)value; return 0;
	case SETTING_U32: *(uint32_t *)(void *)place = (uint32_t)value; return 0;
	case SETTING_MS: *(uint32_t *)(void *)place = ms_of(value); return 0;
	case SETTING_U64: *(uint64_t *)(void *)place = value; return 0;
	default: return -TEE_ENOPROTOOPT;
	}
}

int tcp_settings_get(const struct tcp_settings *s, enum tee_option option, uint64_t *ret_value)
{
	const struct setting *setting;
	const uint8_t *place;

	if (option == TEE_OPT_RCVBUF || option == TEE_OPT_SNDBUF) {
		*ret_value = option == TEE_OPT_RCVBUF ? s->rcvbuf : s->sndbuf;
		return 0;
	}
	if (option == TEE_OPT_LINGER_NS) {
		*ret_value = s->flags & TCP_SET_LINGER ? ns_of(s->linger_ms) : TEE_NEVER;
		return 0;
	}
	if ((unsigned)option >= TEE_OPT_COUNT || settings_table[option].kind == SETTING_NONE)
		return -TEE_ENOPROTOOPT;
	setting = &settings_table[option];
	place = (const uint8_t *)s + setting->place;
	switch (setting->kind) {
	case SETTING_FLAG: *ret_value = (s->flags & setting->place) != 0; return 0;
	case SETTING_U8: *ret_value = *place; return 0;
	case SETTING_U16: *ret_value = *(const uint16_t *)(const void *)place; return 0;
	case SETTING_U32: *ret_value = *(const uint32_t *)(const void *)place; return 0;
	case SETTING_MS: *ret_value = ns_of(*(const uint32_t *)(const void *)place); return 0;
	case SETTING_U64: *ret_value = *(const uint64_t *)(const void *)place; return 0;
	default: return -TEE_ENOPROTOOPT;
	}
}
