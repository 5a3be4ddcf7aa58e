/* SPDX-License-Identifier: MIT */
/*
 * TCP Fast Open (RFC 7413): data in the SYN for a client that has been here before.
 *
 * Server: a cookie is a keyed hash of the client's address, so nothing is stored. Client: cookies by
 * server address in a small cache, together with the server's MSS, which limits what a SYN can carry; an
 * address whose SYN with data was lost is not tried again for a while (section 4.1.3.1).
 */
#include <stdlib.h>
#include <string.h>
#include "tcp/conn.h"

enum {
	CACHE_SLOTS = 256,
	COOKIE_LEN = 8,
	CLIENT = 1,
	SERVER = 2,
	CLIENT_NO_COOKIE = 4,
	SERVER_NO_COOKIE = 0x200,
	SERVER_ALL = 0x400
};
enum { BLOCKED_S = 60, LOSSES_MAX = 2 };

/* Which kind of option to ask for a cookie with. */
enum form {
	FORM_STANDARD,
	FORM_EXPERIMENTAL, /* the standard one got no answer: once with the one from before the RFC */
	FORM_SETTLED,      /* that got none either */
};

struct cache_entry {
	struct tee_ip remote;
	uint16_t mss;
	uint8_t len; /* 0: no cookie yet */
	bool is_exp;
	uint8_t form;   /* enum form */
	uint8_t losses; /* SYNs with data in a row that only a plain SYN made good */
	uint8_t cookie[TCP_FASTOPEN_COOKIE_MAX];
	uint64_t blocked_until_ns;
};

struct fastopen_cache {
	struct cache_entry entries[CACHE_SLOTS];
};

void fastopen_free(struct fastopen_cache *cache)
{
	free(cache);
}

void tcp_forget_hosts(struct tcp *tcp)
{
	free(tcp->fastopen);
	tcp->fastopen = NULL;
	metrics_clear(&tcp->metrics);
}

static struct cache_entry *slot_of(struct tcp *tcp, const struct tee_ip *remote, bool create)
{
	struct cache_entry *entry;

	if (!tcp->fastopen) {
		if (!create)
			return NULL;
		tcp->fastopen = calloc(1, sizeof(*tcp->fastopen));
		if (!tcp->fastopen)
			return NULL;
	}
	entry = &tcp->fastopen->entries[siphash(&tcp->isn_secret, remote, sizeof(*remote)) %
					CACHE_SLOTS];
	if (tee_ip_equal(&entry->remote, remote))
		return entry;
	if (!create)
		return NULL;
	*entry = (struct cache_entry){.remote = *remote};
	return entry;
}

/* ---- client ---- */

static bool client_wants(const struct tcp *tcp, const struct tcp_settings *settings)
{
	return (settings->flags & TCP_SET_FASTOPEN_CONNECT) &&
	       (tcp->engine->config.tcp_fastopen & CLIENT);
}

static bool client_needs_no_cookie(const struct tcp *tcp, const struct tcp_settings *settings)
{
	return (settings->flags & TCP_SET_FASTOPEN_NO_COOKIE) ||
	       (tcp->engine->config.tcp_fastopen & CLIENT_NO_COOKIE);
}

static bool is_blocked(const struct tcp *tcp, const struct cache_entry *entry)
{
	return entry && entry->blocked_until_ns > tcp->engine->now_ns;
}

/* Could data ride in a SYN to `remote` now? */
bool tcp_fastopen_ready(struct tcp *tcp, const struct tcp_settings *settings,
			const struct tee_ip *remote)
{
	struct cache_entry *entry = slot_of(tcp, remote, false);

	if (!client_wants(tcp, settings) || is_blocked(tcp, entry))
		return false;
	return client_needs_no_cookie(tcp, settings) || (entry && entry->len);
}

/*
 * Bytes that a SYN can carry: the MSS that the server announced last time (RFC 7413 4.1.3), or as much as we
 * take ourselves, less the most that options can take: what options the SYN will have is not known yet.
 */
static uint32_t syn_data_max(const struct tcp_conn *conn, const struct cache_entry *entry)
{
	uint32_t mss = entry && entry->mss ? MIN(entry->mss, conn->adv_mss) : conn->adv_mss;

	return mss - MIN(mss, TCP_OPTIONS_MAX);
}

/* How many more bytes may be queued before the SYN leaves, to travel in it. */
uint32_t fastopen_room(struct tcp_conn *conn)
{
	const struct tee_ip *remote = &conn->node.key.remote_ip;
	uint64_t queued = byteq_len(&conn->sndq);
	uint32_t most;

	if (!tcp_fastopen_ready(conn->tcp, &conn->settings->s, remote))
		return 0;
	most = syn_data_max(conn, slot_of(conn->tcp, remote, false));
	return queued < most ? most - (uint32_t)queued : 0;
}

/* The option of our SYN: the cookie, or a request for one. true: data may ride, up to *ret_data_max. */
bool fastopen_syn_option(struct tcp_conn *conn, struct tcp_options *options, uint32_t *ret_data_max)
{
	struct tcp *tcp = conn->tcp;
	struct cache_entry *entry = slot_of(tcp, &conn->node.key.remote_ip, false);

	/* RFC 7413 4.1.3.1 (and 4.2.1): the SYN that follows a lost one is an ordinary one. */
	if (!client_wants(tcp, &conn->settings->s) || conn->syn_retries || is_blocked(tcp, entry))
		return false;
	*ret_data_max = syn_data_max(conn, entry);
	if (client_needs_no_cookie(tcp, &conn->settings->s))
		return true;
	conn->flags |= CONN_SYN_FASTOPEN;
	options->has_fastopen = true;
	options->fastopen_len = 0;
	if (!entry || !entry->len) {
		options->fastopen_exp = entry && entry->form == FORM_EXPERIMENTAL;
		return false;
	}
	options->fastopen_exp = entry->is_exp;
	options->fastopen_len = entry->len;
	memcpy(options->fastopen_cookie, entry->cookie, entry->len);
	return true;
}

/* What a SYN-ACK teaches about this server, for the next time. */
static void learn(struct tcp_conn *conn, const struct segment *seg, bool data_refused)
{
	const struct tcp_options *options = &seg->h.options;
	struct cache_entry *entry = slot_of(conn->tcp, &conn->node.key.remote_ip, true);
	bool asked = conn_has(conn, CONN_SYN_FASTOPEN);
	bool has_cookie = asked && options->has_fastopen && options->fastopen_len;

	if (!entry)
		return;
	entry->mss = conn->snd.peer_mss;
	if (has_cookie) { /* one that nobody asked for is not kept */
		entry->len = options->fastopen_len;
		entry->is_exp = options->fastopen_exp;
		memcpy(entry->cookie, options->fastopen_cookie, entry->len);
		return;
	}
	/*
	 * RFC 7413 4.1.3.1: the SYN with data timed out and a plain one went through, and not by chance; or
	 * the server's cookie is none, and it did not take our data either. Not again for a while.
	 */
	if (!data_refused)
		entry->losses = 0;
	else if (conn->syn_retries && entry->losses < UINT8_MAX)
		entry->losses++;
	if (entry->losses >= LOSSES_MAX ||
	    (asked && options->fastopen_malformed && !conn_has(conn, CONN_SYN_DATA_ACKED))) {
		entry->blocked_until_ns = conn_now(conn) + BLOCKED_S * TEE_NS_PER_S;
		return;
	}
	/* Servers of before the RFC know the experimental kind only: it is tried, once. */
	if (asked && !conn->syn_retries && !conn_has(conn, CONN_SYN_DATA))
		entry->form = entry->form == FORM_STANDARD ? FORM_EXPERIMENTAL : FORM_SETTLED;
}

/* What the SYN-ACK says of cookie and data. */
void fastopen_on_syn_ack(struct tcp_conn *conn, const struct segment *seg)
{
	bool had_data = conn_has(conn, CONN_SYN_DATA);
	struct send_record *rest;

	if (had_data && seg->ack > 1) {
		struct ack_info info = {.now_ns = conn_now(conn), .reordered_from = UINT64_MAX};

		conn->flags |= CONN_SYN_DATA_ACKED;
		count(conn_engine(conn), COUNT_TCP_FASTOPEN_ACTIVE);
		sendmap_ack(&conn->tx->map, (uint64_t)seg->ack, &info);
		conn->snd.una = (uint64_t)seg->ack;
		byteq_drop_to(&conn->sndq, conn->snd.una);
	}
	if (had_data || conn_has(conn, CONN_SYN_FASTOPEN))
		learn(conn, seg, had_data && seg->ack <= 1);
	/* What was not taken goes again, as data that was never sent: it says nothing of congestion. */
	rest = had_data ? sendmap_first(&conn->tx->map) : NULL;
	if (rest) {
		conn->snd.nxt = rest->start;
		sendmap_unsend(&conn->tx->map, rest);
		conn_mark_due(conn);
	}
}

/* ---- server ---- */

void fastopen_cookie(struct tcp *tcp, const struct tcp_key *key, struct tcp_options *options)
{
	struct siphash_key secret = {tcp->isn_secret.k0 ^ UINT64_C(0x7466), tcp->isn_secret.k1};
	struct tee_ip pair[2] = {key->remote_ip, key->local_ip};
	uint64_t hash = siphash(&secret, pair, sizeof(pair));

	options->has_fastopen = true;
	options->fastopen_len = COOKIE_LEN;
	memcpy(options->fastopen_cookie, &hash, sizeof(hash));
}

/*
 * Does this SYN open at once? *ret_give_cookie: it asked for a cookie, or brought a wrong one, and
 * gets one in the SYN-ACK.
 */
bool fastopen_accepts(struct tcp_listener *listener, const struct segment *seg,
		      const struct tcp_key *key, bool *ret_give_cookie)
{
	struct tcp *tcp = listener->tcp;
	uint32_t mode = tcp->engine->config.tcp_fastopen;
	uint32_t queue = listener->settings->s.fastopen_queue;
	struct tcp_options right = {0};

	*ret_give_cookie = false;
	if (!(mode & SERVER))
		return false;
	if (!queue && (mode & SERVER_ALL))
		queue = MAX(listener->backlog, 1u);
	if (!queue)
		return false;
	if ((mode & SERVER_NO_COOKIE) && (seg->len || seg->h.options.has_fastopen))
		return listener->ready_count < queue;
	if (!seg->h.options.has_fastopen)
		return false;
	if (listener->ready_count >= queue)
		return false;
	fastopen_cookie(tcp, key, &right);
	if (seg->h.options.fastopen_len == right.fastopen_len &&
	    !memcmp(seg->h.options.fastopen_cookie, right.fastopen_cookie, right.fastopen_len))
		return true;
	*ret_give_cookie = true;
	return false;
}
