/* SPDX-License-Identifier: MIT */
/*
 * Reassembly of both families (RFC 791 3.2, RFC 8200 4.5), with one rule for both: pieces tile the
 * datagram or it is not delivered.
 *
 *   - A piece that overlaps another ends the datagram (RFC 5722, and IPv4 gains as much from it); what comes
 *     of it later is dropped too, until its time is over. An exact repetition is no overlap: the
 *     network duplicates packets (RFC 8200 4.5).
 *   - Pieces that disagree about where the datagram ends also end it.
 *   - Memory is bounded in bytes held, in datagrams, and in pieces of a datagram; the oldest datagram
 *     makes room. A short piece in a large buffer is copied out of it, so that what is charged
 *     is what was sent.
 *   - Time is bounded: from the first piece to the last reassembly_timeout_ns may pass. Then, if the first
 *     piece is there to be quoted, its sender is told (ICMP time exceeded, code 1).
 *
 * A datagram is keyed by source, destination, identification and, for IPv4, protocol. Pieces are the
 * packets themselves, in a list by offset: scratch[0] is the offset, scratch[1] the length
 * behind the headers, scratch[2] the length of these.
 */
#include "net/defrag.h"

#include <stdlib.h>
#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "base/siphash.h"
#include "net/private.h"
#include "wire/checksum.h"

enum { DATAGRAM_LEN_MAX = 65535 };

struct defrag_key {
	struct tee_ip src, dst;
	uint32_t id;
	uint32_t protocol;
};

struct datagram {
	struct list node; /* in defrag->datagrams */
	struct net *net;
	struct defrag_key key;
	uint32_t hash;
	struct timer timer;
	struct tee_pkt *pieces; /* by offset, linked by pkt->next */
	unsigned piece_count;
	uint32_t have; /* bytes of payload */
	uint32_t end;  /* of the payload; 0: the last piece isn't here yet */
	uint64_t bytes;
	bool is_poisoned; /* pieces overlapped: the rest is swallowed */
	bool all_verified;
	struct ip_header first; /* header of the piece at offset 0 … */
	struct netif *netif;    /* … and where that came in */
};

static uint32_t piece_off(const struct tee_pkt *piece)
{
	return (uint32_t)piece->scratch[0];
}

static uint32_t piece_len(const struct tee_pkt *piece)
{
	return (uint32_t)piece->scratch[1];
}

static uint32_t piece_headers(const struct tee_pkt *piece)
{
	return (uint32_t)piece->scratch[2];
}

static struct datagram *datagram_of(struct list *node)
{
	return CONTAINER_OF(node, struct datagram, node);
}

static bool key_equal(const void *item, const void *key)
{
	return memcmp(&((const struct datagram *)item)->key, key, sizeof(struct defrag_key)) == 0;
}

/* ---- life of a datagram ---- */

static void release_pieces(struct datagram *datagram)
{
	while (datagram->pieces) {
		struct tee_pkt *piece = datagram->pieces;

		datagram->pieces = piece->next;
		tee_pkt_release(piece);
	}
	datagram->net->defrag.bytes -= datagram->bytes;
	datagram->bytes = 0;
	datagram->piece_count = 0;
	datagram->have = 0;
}

static void datagram_free(struct datagram *datagram)
{
	struct net *net = datagram->net;

	release_pieces(datagram);
	engine_disarm(net->engine, &datagram->timer);
	CHECK(hash_remove(&net->defrag.table, datagram->hash, datagram));
	list_remove(&datagram->node);
	net->defrag.datagram_count--;
	free(datagram);
}

static void datagram_poison(struct datagram *datagram, enum counter reason)
{
	drop(datagram->net->engine, reason);
	release_pieces(datagram);
	datagram->is_poisoned = true;
}

static void drop_oldest(struct net *net)
{
	struct list *node = list_pop_front(&net->defrag.datagrams);

	CHECK(node);
	drop(net->engine, DROP_FRAG_LIMIT);
	datagram_free(datagram_of(node));
}

static void datagram_timer(void *context, struct timer *timer)
{
	struct datagram *datagram = CONTAINER_OF(timer, struct datagram, timer);
	struct net *net = context;
	struct tee_pkt *piece = datagram->pieces;

	if (!datagram->is_poisoned)
		drop(net->engine, DROP_FRAG_TIMEOUT);
	/* RFC 1122 3.3.2, RFC 8200 4.5: only when the first piece can be quoted. */
	if (piece && piece_off(piece) == 0) {
		struct ip_packet packet = {
			.pkt = piece, .ip = datagram->first, .netif = datagram->netif};
		bool is4 = packet.ip.version == 4;

		piece->off += packet.ip.header_len;
		piece->len -= packet.ip.header_len;
		packet.to_group = !netif_addr_find(packet.netif, &packet.ip.dst);
		icmp_send_error(net, &packet, is4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, 1,
				0);
	}
	datagram_free(datagram);
}

void defrag_init(struct net *net)
{
	hash_init(&net->defrag.table);
	list_init(&net->defrag.datagrams);
	engine_register_timer(net->engine, TIMER_REASSEMBLY, datagram_timer, net);
}

void defrag_fini(struct net *net)
{
	struct list *node;

	while ((node = list_pop_front(&net->defrag.datagrams)))
		datagram_free(datagram_of(node));
	CHECK(net->defrag.datagram_count == 0);
	hash_fini(&net->defrag.table);
}

static struct datagram *datagram_get(struct net *net, const struct ip_packet *packet)
{
	const struct tee_config *config = &net->engine->config;
	const struct ip_header *ip = &packet->ip;
	struct defrag_key key = {
		.src = ip->src,
		.dst = ip->dst,
		.id = ip->id,
		.protocol = ip->version == 4 ? ip->protocol : UINT32_MAX,
	};
	uint32_t hash = (uint32_t)siphash(&net->engine->secret, &key, sizeof(key));
	struct datagram *datagram = hash_find(&net->defrag.table, hash, &key, key_equal);

	if (datagram)
		return datagram;
	if (config->reassembly_datagrams_max == 0)
		return NULL;
	while (net->defrag.datagram_count >= config->reassembly_datagrams_max)
		drop_oldest(net);
	datagram = calloc(1, sizeof(*datagram));
	if (!datagram)
		return NULL;
	datagram->net = net;
	datagram->key = key;
	datagram->hash = hash;
	datagram->all_verified = true;
	timer_init(&datagram->timer, TIMER_REASSEMBLY);
	if (hash_insert(&net->defrag.table, hash, datagram) < 0) {
		free(datagram);
		return NULL;
	}
	list_push_back(&net->defrag.datagrams, &datagram->node);
	net->defrag.datagram_count++;
	engine_arm(net->engine, &datagram->timer,
		   net->engine->now_ns + config->reassembly_timeout_ns);
	return datagram;
}

/* ---- pieces ---- */

/* A small packet in a large buffer is moved to one that fits; on failure it stays. */
static struct tee_pkt *shrink(struct net *net, struct tee_pkt *pkt)
{
	struct tee_pkt *copy;

	if (pkt->ref_count == 1 && pkt->capacity < 2 * (pkt->len + TEE_PKT_HEADROOM))
		return pkt;
	copy = tee_pkt_new(net->engine->pool, pkt->len);
	if (!copy)
		return pkt;
	memcpy(tee_pkt_bytes(copy), tee_pkt_bytes(pkt), pkt->len);
	copy->len = pkt->len;
	copy->checksum_state = pkt->checksum_state;
	copy->netif = pkt->netif;
	tee_pkt_release(pkt);
	return copy;
}

/* What a new piece makes of the datagram. */
enum verdict { PIECE_FITS, PIECE_REPEATED, PIECE_OVERLAPS, PIECE_LIES };

/* Finds the piece's place: the link that shall point to it. */
static enum verdict find_place(struct datagram *datagram, uint32_t off, uint32_t len, bool is_last,
			       struct tee_pkt ***ret_link)
{
	struct tee_pkt **link = &datagram->pieces;
	uint32_t reached = 0; /* end of the piece before */

	while (*link && piece_off(*link) < off) {
		reached = piece_off(*link) + piece_len(*link);
		link = &(*link)->next;
	}
	*ret_link = link;
	if (*link && piece_off(*link) == off && piece_len(*link) == len)
		return PIECE_REPEATED;
	if (reached > off || (*link && off + len > piece_off(*link)))
		return PIECE_OVERLAPS;
	/* Nothing may lie behind the end, and there is but one end. */
	if (datagram->end && (is_last ? off + len != datagram->end : off + len > datagram->end))
		return PIECE_LIES;
	if (is_last && *link)
		return PIECE_LIES;
	return PIECE_FITS;
}

/* Puts the pieces together behind the headers of the first. NULL: no memory. */
static struct tee_pkt *assemble(struct datagram *datagram)
{
	const struct tee_pkt *first = datagram->pieces;
	const struct ip_header *ip = &datagram->first;
	uint32_t headers_len = ip->unfrag_len;
	struct tee_pkt *whole =
		tee_pkt_new(datagram->net->engine->pool, headers_len + datagram->end);
	uint8_t *at;

	if (!whole)
		return NULL;
	at = tee_pkt_bytes(whole);
	memcpy(at, tee_pkt_bytes(first), headers_len);
	whole->len = headers_len + datagram->end;
	for (const struct tee_pkt *piece = first; piece; piece = piece->next)
		memcpy(at + headers_len + piece_off(piece),
		       tee_pkt_bytes(piece) + piece_headers(piece), piece_len(piece));
	if (ip->version == 4) {
		store_be16(at + 2, (uint16_t)whole->len);
		store_be16(at + 6, 0);
		store_be16(at + 10, 0);
		store_be16(at + 10, checksum_finish(checksum_add(0, at, headers_len)));
	} else {
		/* RFC 8200 4.5: the fragment header goes, and who named it names what it named. */
		store_be16(at + 4, (uint16_t)(whole->len - IP6_HEADER_LEN));
		at[ip->nexthdr_off] = ip->protocol;
	}
	whole->netif = first->netif;
	whole->at_ns = first->at_ns;
	whole->checksum_state = datagram->all_verified ? TEE_CHECKSUM_VERIFIED
						       : TEE_CHECKSUM_UNKNOWN;
	return whole;
}

/* Longest datagram that its length field can tell. */
static uint32_t payload_max(const struct ip_header *ip)
{
	return DATAGRAM_LEN_MAX -
	       (ip->version == 4 ? ip->header_len : ip->unfrag_len - IP6_HEADER_LEN);
}

static void insert(struct net *net, struct datagram *datagram, struct ip_packet *packet,
		   struct tee_pkt **link, uint32_t len)
{
	struct tee_pkt *pkt = shrink(net, packet->pkt);

	pkt->scratch[0] = packet->ip.frag_offset;
	pkt->scratch[1] = len;
	pkt->scratch[2] = packet->ip.header_len;
	pkt->next = *link;
	*link = pkt;
	datagram->piece_count++;
	datagram->have += len;
	datagram->bytes += pkt->capacity;
	net->defrag.bytes += pkt->capacity;
	if (packet->ip.frag_offset == 0) {
		datagram->first = packet->ip;
		datagram->netif = packet->netif;
	}
	if (!packet->ip.more_fragments)
		datagram->end = packet->ip.frag_offset + len;
	if (pkt->checksum_state != TEE_CHECKSUM_VERIFIED)
		datagram->all_verified = false;
}

struct tee_pkt *defrag_input(struct net *net, struct ip_packet *packet)
{
	const struct ip_header *ip = &packet->ip;
	uint32_t len = packet->pkt->len - ip->header_len;
	struct datagram *datagram = datagram_get(net, packet);
	struct tee_pkt **link, *whole = NULL;

	if (!datagram) {
		drop_pkt(net->engine, DROP_FRAG_LIMIT, packet->pkt);
		return NULL;
	}
	if (datagram->is_poisoned) {
		tee_pkt_release(packet->pkt);
		return NULL;
	}
	if (len == 0 || ip->frag_offset + len > payload_max(ip)) {
		datagram_poison(datagram, DROP_FRAG_MALFORMED);
		tee_pkt_release(packet->pkt);
		return NULL;
	}
	switch (find_place(datagram, ip->frag_offset, len, !ip->more_fragments, &link)) {
	case PIECE_FITS: break;
	case PIECE_REPEATED: tee_pkt_release(packet->pkt); return NULL;
	case PIECE_OVERLAPS:
		datagram_poison(datagram, DROP_FRAG_OVERLAP);
		tee_pkt_release(packet->pkt);
		return NULL;
	case PIECE_LIES:
		datagram_poison(datagram, DROP_FRAG_MALFORMED);
		tee_pkt_release(packet->pkt);
		return NULL;
	}
	if (datagram->piece_count == DEFRAG_FRAGMENTS_MAX) {
		datagram_poison(datagram, DROP_FRAG_LIMIT);
		tee_pkt_release(packet->pkt);
		return NULL;
	}
	insert(net, datagram, packet, link, len);
	if (datagram->end && datagram->have == datagram->end) {
		whole = assemble(datagram);
		if (!whole)
			drop(net->engine, DROP_NO_MEMORY);
		datagram_free(datagram);
	}
	/* Afterwards, so that the piece that completes a datagram always may. */
	while (net->defrag.bytes > net->engine->config.reassembly_bytes_max)
		drop_oldest(net);
	return whole;
}

/* ---- checks ---- */

void defrag_check(const struct net *net)
{
	const struct defrag *defrag = &net->defrag;
	uint64_t bytes = 0;
	uint32_t datagrams = 0;

	LIST_FOR_EACH(node, (struct list *)&defrag->datagrams)
	{
		const struct datagram *datagram = datagram_of(node);
		uint32_t reached = 0, have = 0;

		for (const struct tee_pkt *piece = datagram->pieces; piece; piece = piece->next) {
			CHECK(piece_off(piece) >= reached);
			reached = piece_off(piece) + piece_len(piece);
			have += piece_len(piece);
		}
		CHECK(have == datagram->have && (!datagram->end || have < datagram->end));
		CHECK(timer_is_armed(&datagram->timer));
		bytes += datagram->bytes;
		datagrams++;
	}
	CHECK(bytes == defrag->bytes && datagrams == defrag->datagram_count);
	CHECK(bytes <= net->engine->config.reassembly_bytes_max);
}
