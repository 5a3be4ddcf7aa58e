/* SPDX-License-Identifier: MIT */
/*
 * Routers: a packet leaves by the shortest way (found when the world began), if the next link takes one of its
 * size. One that is too large is cut into fragments, where IPv4 allows it (RFC 791 2.3); else it is
 * dropped, and its sender is told how much the link takes: ICMP "fragmentation needed" (RFC 1191) or ICMPv6
 * "packet too big" (RFC 4443 3.2), with as much of the packet as fits the family's smallest. A
 * silent router drops it and says nothing: a black hole, as behind a firewall that knows ICMP only
 * as an enemy (RFC 2923 2.1).
 *
 * Of a super-frame counts what one of its segments would take on the wire.
 */
#include "sim/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum {
	QUOTE4_MAX = 576 - IP4_HEADER_LEN - ICMP_HEADER_LEN,  /* RFC 1812 4.3.2.3 */
	QUOTE6_MAX = 1280 - IP6_HEADER_LEN - ICMP_HEADER_LEN, /* RFC 4443 2.4 (c) */
	MORE_FRAGMENTS = 0x2000,
};

/* The link that leads to the packet's destination, NULL: none does. */
static const struct sim_port *way_of(const struct sim_node *router, const struct sim_packet *packet)
{
	struct tee_ip ip;
	unsigned number;
	uint16_t way;

	if (!sim_packet_destination(packet, &ip))
		return NULL;
	/* Addresses are numbered as the nodes are. */
	number = (unsigned)(ip.byte[14] << 8 | ip.byte[15]);
	if (number == 0 || number > router->sim->node_count)
		return NULL;
	way = router->port_towards[number - 1];
	return way < router->port_count ? &router->ports[way] : NULL;
}

/* Bytes that the largest packet of it takes on a wire. */
static uint32_t wire_bytes(const struct sim_packet *packet, const struct ip_header *ip)
{
	struct tcp_header tcp;

	if (!packet->gso_size || ip->protocol != IP_PROTO_TCP || packet->len < ip->header_len ||
	    tcp_parse(packet->data + ip->header_len, packet->len - ip->header_len, &tcp) < 0)
		return packet->len;
	return ip->header_len + tcp.header_len + packet->gso_size;
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): no errors about errors, nor about later fragments. */
static bool may_complain(const struct sim_node *router, const struct sim_packet *packet,
			 const struct ip_header *ip)
{
	uint8_t type;

	if (router->is_silent || ip->frag_offset)
		return false;
	if (ip->protocol != IP_PROTO_ICMP && ip->protocol != IP_PROTO_ICMP6)
		return true;
	if (packet->len <= ip->header_len)
		return false;
	type = packet->data[ip->header_len];
	return ip->version == 4 ? type == ICMP4_ECHO_REQUEST || type == ICMP4_ECHO_REPLY
				: type >= 128;
}

static struct sim_packet *complaint(const struct sim_node *router, const struct sim_packet *packet,
				    const struct ip_header *offender, uint32_t mtu)
{
	bool is4 = offender->version == 4;
	uint32_t head = is4 ? IP4_HEADER_LEN : IP6_HEADER_LEN;
	uint32_t quote = packet->len, most = is4 ? QUOTE4_MAX : QUOTE6_MAX, len;
	struct icmp icmp = {.type = is4 ? ICMP4_UNREACHABLE : ICMP6_PACKET_TOO_BIG,
			    .code = is4 ? 4 : 0,
			    .rest = mtu};
	struct ip_header ip = {.src = is4 ? router->ip4 : router->ip6,
			       .dst = offender->src,
			       .version = offender->version,
			       .protocol = is4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6,
			       .ttl = 64};
	struct sim_packet *answer;
	uint64_t sum = 0;

	if (quote > most)
		quote = most;
	len = ICMP_HEADER_LEN + quote;
	answer = malloc(sizeof(*answer) + head + len);
	if (!answer)
		return NULL;
	memset(answer, 0, sizeof(*answer));
	answer->len = head + len;
	if (is4)
		ip4_write(answer->data, &ip, len);
	else
		ip6_write(answer->data, &ip, len);
	icmp_write(answer->data + head, &icmp);
	memcpy(answer->data + head + ICMP_HEADER_LEN, packet->data, quote);
	if (!is4)
		sum = checksum_pseudo(&ip.src, &ip.dst, IP_PROTO_ICMP6, len);
	store_be16(answer->data + head + 2,
		   checksum_finish(checksum_add(sum, answer->data + head, len)));
	return answer;
}

static void port_send(struct sim_node *router, const struct sim_port *port,
		      struct sim_packet *packet)
{
	router->frames_out++;
	sim_path_send(&port->link->paths[port->side], packet);
}

/* RFC 791 3.2: pieces of a multiple of eight bytes, each with the whole header before it. */
static void send_fragments(struct sim_node *router, const struct sim_port *port,
			   const struct sim_packet *packet, const struct ip_header *ip)
{
	uint32_t payload = packet->len - ip->header_len;
	uint32_t step = (port->link->config.mtu - ip->header_len) / 8 * 8;
	uint16_t flags = ip->more_fragments ? MORE_FRAGMENTS : 0;

	for (uint32_t at = 0; at < payload; at += step) {
		uint32_t len = payload - at < step ? payload - at : step;
		struct sim_packet *piece = malloc(sizeof(*piece) + ip->header_len + len);
		uint8_t *head;

		if (!piece)
			return;
		memset(piece, 0, sizeof(*piece));
		piece->len = ip->header_len + len;
		piece->hops = packet->hops;
		head = piece->data;
		memcpy(head, packet->data, ip->header_len);
		memcpy(head + ip->header_len, packet->data + ip->header_len + at, len);
		store_be16(head + 2, (uint16_t)piece->len);
		store_be16(head + 6, (uint16_t)((ip->frag_offset + at) / 8 |
						(at + len < payload ? MORE_FRAGMENTS : flags)));
		store_be16(head + 10, 0);
		store_be16(head + 10, checksum_finish(checksum_add(0, head, ip->header_len)));
		port_send(router, port, piece);
	}
}

/* The packet is larger than the link takes. */
static void too_big(struct sim_node *router, const struct sim_port *port,
		    const struct sim_packet *packet, const struct ip_header *ip)
{
	const struct sim_port *back;
	struct sim_packet *answer;

	if (ip->version == 4 && !ip->dont_fragment && !packet->gso_size &&
	    packet->checksum_state != TEE_CHECKSUM_PARTIAL) {
		send_fragments(router, port, packet, ip);
		return;
	}
	port->link->paths[port->side].stats.drops_mtu++;
	if (!may_complain(router, packet, ip))
		return;
	answer = complaint(router, packet, ip, port->link->config.mtu);
	back = answer ? way_of(router, answer) : NULL;
	if (back)
		port_send(router, back, answer);
	else
		free(answer);
}

void sim_router_forward(struct sim_node *router, struct sim_packet *packet)
{
	const struct sim_port *port = way_of(router, packet);
	struct ip_header ip;
	uint32_t pointer;

	if (!port || ++packet->hops > SIM_HOPS_MAX) {
		router->frames_no_route++;
	} else if (packet->len <= port->link->config.mtu ||
		   ip_parse(packet->data, packet->len, false, &ip, &pointer) != IP_PARSE_OK ||
		   wire_bytes(packet, &ip) <= port->link->config.mtu) {
		port_send(router, port, packet);
		return;
	} else {
		too_big(router, port, packet, &ip);
	}
	free(packet);
}
