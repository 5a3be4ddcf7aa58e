/* SPDX-License-Identifier: MIT */
/*
 * TCP Fast Open (RFC 7413): data in the SYN for a client that has been here before.
 *
 * Server: a cookie is a keyed hash of the client's address, so nothing is stored. Client: cookies by
 * server address in a small cache, the oldest replaced; an address whose SYN with data was lost is
 * not tried again for a while (section 4.1.3.1).
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

struct cache_entry {
	struct tee_ip remote;
	uint16_t mss;
	uint8_t len; /* 0: no cookie yet */
	bool is_exp;
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

static bool client_wants(const struct tcp_conn *conn)
{
	return (conn->settings->s.flags & TCP_SET_FASTOPEN_CONNECT) &&
	       (conn_config(conn)->tcp_fastopen & CLIENT);
}

static bool client_needs_no_cookie(const struct tcp_conn *conn)
{
	return (conn->settings->s.flags & TCP_SET_FASTOPEN_NO_COOKIE) ||
	       (conn_config(conn)->tcp_fastopen & CLIENT_NO_COOKIE);
}

/* May data be queued before the SYN leaves, to travel in it? */
bool fastopen_may_carry(struct tcp_conn *conn)
{
	struct cache_entry *entry;

	if (!client_wants(conn))
		return false;
	if (client_needs_no_cookie(conn))
		return true;
	entry = slot_of(conn->tcp, &conn->node.key.remote_ip, false);
	return entry && entry->len && entry->blocked_until_ns <= conn_now(conn);
}

/* The option of our SYN: the cookie, or a request for one. true: data may ride, up to *ret_data_max. */
bool fastopen_syn_option(struct tcp_conn *conn, struct tcp_options *options, uint32_t *ret_data_max)
{
	struct cache_entry *entry;
	uint32_t mss;

	if (!client_wants(conn) || conn->retries)
		return false;
	entry = slot_of(conn->tcp, &conn->node.key.remote_ip, false);
	if (entry && entry->blocked_until_ns > conn_now(conn))
		return false;
	if (!client_needs_no_cookie(conn)) {
		options->has_fastopen = true;
		options->fastopen_len = 0;
		conn->flags |= CONN_SYN_FASTOPEN;
		if (!entry || !entry->len)
			return false;
		options->fastopen_exp = entry->is_exp;
		options->fastopen_len = entry->len;
		memcpy(options->fastopen_cookie, entry->cookie, entry->len);
	}
	conn->flags |= CONN_SYN_FASTOPEN;
	/* The MSS that the server announced last time; less what the SYN's own options take. */
	mss = entry && entry->mss ? entry->mss : conn->snd.peer_mss;
	mss = MIN(mss, conn->adv_mss);
	*ret_data_max = mss - MIN(mss, (uint32_t)tcp_options_len(options));
	conn->snd.mss = (uint16_t)MAX(*ret_data_max, 1u);
	return true;
}

/* What the SYN-ACK says of cookie and data. */
void fastopen_on_syn_ack(struct tcp_conn *conn, const struct segment *seg)
{
	struct tcp *tcp = conn->tcp;
	struct cache_entry *entry;
	bool data_lost = conn_has(conn, CONN_SYN_DATA) && seg->ack < (int64_t)conn->snd.nxt;

	if (!conn_has(conn, CONN_SYN_FASTOPEN))
		return;
	entry = slot_of(tcp, &conn->node.key.remote_ip, true);
	if (entry) {
		entry->mss = conn->snd.peer_mss;
		if (seg->h.options.has_fastopen && seg->h.options.fastopen_len) {
			entry->len = seg->h.options.fastopen_len;
			entry->is_exp = seg->h.options.fastopen_exp;
			memcpy(entry->cookie, seg->h.options.fastopen_cookie, entry->len);
		}
	}
	if (!conn_has(conn, CONN_SYN_DATA))
		return;
	if (seg->ack > 1) {
		struct ack_info info = {.now_ns = conn_now(conn), .reordered_from = UINT64_MAX};

		conn->flags |= CONN_SYN_DATA_ACKED;
		count(conn_engine(conn), COUNT_TCP_FASTOPEN_ACTIVE);
		sendmap_ack(&conn->tx->map, (uint64_t)seg->ack, &info);
		conn->snd.una = (uint64_t)seg->ack;
		byteq_drop_to(&conn->sndq, conn->snd.una);
		conn->tx->delivered_segs++;
	}
	if (data_lost && !sendmap_is_empty(&conn->tx->map)) {
		/* Not taken: once more, as ordinary data, and not for congestion. */
		conn->tx->rate.lost_bytes += sendmap_mark_all_lost(&conn->tx->map, false);
		timers_arm_rto(conn);
		conn_mark_due(conn);
	}
	conn_raise(conn, TEE_EV_WRITABLE);
}

/* A SYN with the option went unanswered: some middlebox may dislike it. */
void fastopen_on_syn_timeout(struct tcp_conn *conn)
{
	struct cache_entry *entry = slot_of(conn->tcp, &conn->node.key.remote_ip, true);

	if (entry && conn->retries == 0)
		entry->blocked_until_ns = conn_now(conn) + 60 * TEE_NS_PER_S;
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
