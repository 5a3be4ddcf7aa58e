/* SPDX-License-Identifier: MIT */
/*
 * Cutting a packet that is longer than its path takes (RFC 791 3.2, RFC 8200 4.5). TCP never comes here;
 * UDP and echo do, when the caller did not forbid it.
 *
 * The pieces are made first and sent only when all are there, so that a lack of memory does not put
 * half a datagram on the wire. All but the last carry a multiple of eight bytes.
 */
#include "net/private.h"

#include <string.h>
#include "base/check.h"
#include "pkt/frame.h"
#include "wire/checksum.h"

/* One fragment as a packet at its IP header; NULL: no memory. */
static struct tee_pkt *make_piece(struct net *net, const struct net_path *path,
				  const struct ip_out *out, const struct tee_pkt *pkt, uint32_t id,
				  uint32_t off, uint32_t len)
{
	struct tee_pkt *piece = tee_pkt_new(net->engine->pool, len);
	struct ip_header ip;

	if (!piece)
		return NULL;
	memcpy(tee_pkt_bytes(piece), tee_pkt_bytes(pkt) + off, len);
	piece->len = len;
	ip_out_header(net, path->netif, out, &ip);
	ip.id = id;
	ip.frag_offset = off;
	ip.more_fragments = off + len < pkt->len;
	if (tee_ip_is4(&out->dst)) {
		struct ip_out plain = *out;

		/* RFC 791 3.1: these options of ours need not be copied, save into the first. */
		if (off > 0)
			plain.options = NULL;
		ip_out_write(pkt_push(piece, ip_out_header_len(&plain)), &ip, &plain, len);
	} else {
		ip6_fragment_write(pkt_push(piece, IP6_FRAGMENT_LEN), &ip);
		ip.protocol = IP_PROTO_IP6_FRAGMENT;
		ip6_write(pkt_push(piece, IP6_HEADER_LEN), &ip, len + IP6_FRAGMENT_LEN);
	}
	return piece;
}

int ip_output_fragments(struct net *net, const struct net_path *path, struct tee_pkt *pkt,
			const struct ip_out *out)
{
	uint32_t headers = ip_out_header_len(out) + (tee_ip_is4(&out->dst) ? 0 : IP6_FRAGMENT_LEN);
	uint32_t room = (path->mtu - headers) & ~7u;
	uint32_t id = ip_next_id(net, out);
	struct tee_pkt *piece;
	struct pktq pieces;
	int result = 0;

	CHECK(path->mtu >= headers + 8);
	pktq_init(&pieces);
	for (uint32_t off = 0; off < pkt->len; off += room) {
		piece = make_piece(net, path, out, pkt, id, off, MIN(room, pkt->len - off));
		if (!piece) {
			pktq_clear(&pieces);
			drop_pkt(net->engine, DROP_NO_MEMORY, pkt);
			return -TEE_ENOMEM;
		}
		pktq_push(&pieces, piece);
	}
	tee_pkt_release(pkt);
	while ((piece = pktq_pop(&pieces))) {
		int sent;

		count(net->engine, COUNT_IP_FRAGS_OUT);
		if (trace_on(net->engine))
			net_trace_packet(net, TEE_TRACE_PACKET_OUT, path->netif, piece, false,
					 out->why);
		sent = ip_output_path(net, path, piece, &out->dst, out->why);
		if (sent < 0)
			result = sent;
	}
	return result;
}
