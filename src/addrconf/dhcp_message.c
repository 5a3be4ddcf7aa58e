/* SPDX-License-Identifier: MIT */
/*
 * The DHCP client's messages: filling them in from the client's state (RFC 2131 table 5), sending them the
 * way the state wants (broadcast from 0.0.0.0, broadcast from the address, unicast), and judging answers.
 */
#include "addrconf/private.h"

#include <string.h>
#include "base/check.h"
#include "wire/checksum.h"
#include "wire/udp.h"

enum { LIFETIME_INFINITE = 0xffffffff };

/* RFC 2131 table 5, column by column. */
static void fill(const struct ac_netif *ac, enum dhcp_type type, struct dhcp *message)
{
	const struct dhcp_client *client = &ac->dhcp;
	uint64_t secs = (ac->addrconf->engine->now_ns - client->started_at_ns) / TEE_NS_PER_S;
	bool uses_address = client->state == DHCP_STATE_RENEWING ||
			    client->state == DHCP_STATE_REBINDING;

	*message = (struct dhcp){
		.type = type,
		.xid = client->xid,
		.secs = (uint16_t)MIN(secs, 65535u),
		.chaddr = ac->netif->mac,
		.has_opaque_id = ac->netif->shares_mac,
		.ciaddr = TEE_IP4(0, 0, 0, 0),
		.yiaddr = TEE_IP4(0, 0, 0, 0),
		.siaddr = TEE_IP4(0, 0, 0, 0),
		.giaddr = TEE_IP4(0, 0, 0, 0),
	};
	if (type == DHCP_RELEASE) {
		message->ciaddr = client->lease.ip;
		message->server_id = client->lease.server;
		return;
	}
	if (type == DHCP_DECLINE) {
		message->requested_ip = client->lease.ip;
		message->server_id = client->lease.server;
		return;
	}
	message->max_message = DHCP_MESSAGE_MAX;
	memcpy(message->hostname, client->hostname, sizeof(message->hostname));
	if (type == DHCP_DISCOVER)
		return;
	if (uses_address) {
		message->ciaddr = client->lease.ip;
		return;
	}
	message->requested_ip = client->offered;
	if (client->state == DHCP_STATE_REQUESTING)
		message->server_id = client->server;
}

/* From 0.0.0.0 to all: no address is ours yet. */
static void broadcast_without_address(struct ac_netif *ac, const uint8_t *message, size_t len)
{
	struct engine *engine = ac->addrconf->engine;
	struct ip_out out = {
		.src = TEE_IP4(0, 0, 0, 0),
		.dst = TEE_IP4(255, 255, 255, 255),
		.protocol = IP_PROTO_UDP,
		.netif_number = ac->netif->number,
		.src_unspecified = true,
		.why = TEE_WHY_DHCP,
	};
	struct udp_header udp = {
		.src_port = DHCP_CLIENT_PORT,
		.dst_port = DHCP_SERVER_PORT,
		.len = (uint16_t)(UDP_HEADER_LEN + len),
	};
	struct tee_pkt *pkt = tee_pkt_new(engine->pool, udp.len);
	uint64_t sum;
	uint8_t *at;

	if (!pkt) {
		drop(engine, DROP_NO_MEMORY);
		return;
	}
	at = tee_pkt_bytes(pkt);
	pkt->len = udp.len;
	udp_write(at, &udp);
	memcpy(at + UDP_HEADER_LEN, message, len);
	sum = checksum_pseudo(&out.src, &out.dst, IP_PROTO_UDP, udp.len);
	udp.checksum = checksum_finish(checksum_add(sum, at, udp.len));
	if (udp.checksum == 0)
		udp.checksum = 0xffff;
	udp_write(at, &udp);
	count(engine, COUNT_UDP_OUT);
	ip_output_pkt(ac->addrconf->net, pkt, &out);
}

void dhcp_send(struct ac_netif *ac, enum dhcp_type type)
{
	const struct dhcp_client *client = &ac->dhcp;
	struct tee_dgram_info info = {.tos = -1};
	uint8_t bytes[DHCP_MESSAGE_MAX];
	struct dhcp message;
	int len;

	fill(ac, type, &message);
	len = dhcp_write(bytes, &message);
	/* The name is the one field that could be too long, and it has been cut to fit. */
	CHECK(len > 0);
	/* RFC 2131 4.4.4: by unicast only to the server that gave the lease. */
	if (type == DHCP_RELEASE || client->state == DHCP_STATE_RENEWING)
		info.remote.ip = client->lease.server;
	else if (client->state == DHCP_STATE_REBINDING)
		info.remote.ip = TEE_IP4(255, 255, 255, 255);
	if (tee_ip_is_any(&info.remote.ip)) {
		broadcast_without_address(ac, bytes, (size_t)len);
		return;
	}
	info.local.ip = client->lease.ip;
	info.remote.port = DHCP_SERVER_PORT;
	/* A message that can't leave is as good as one that was lost: it is repeated. */
	(void)udp_endpoint_send(client->endpoint, bytes, (size_t)len, &info);
}

bool dhcp_is_for_us(const struct ac_netif *ac, const struct dhcp *message)
{
	return message->is_reply && message->xid == ac->dhcp.xid &&
	       memcmp(message->chaddr.byte, ac->netif->mac.byte, sizeof(message->chaddr.byte)) == 0;
}

/* Without a mask option: that of the address's class (RFC 950). */
static unsigned class_bits(const struct tee_ip *ip)
{
	if (ip->byte[12] < 128)
		return 8;
	return ip->byte[12] < 192 ? 16 : 24;
}

bool dhcp_lease_from(const struct ac_netif *ac, const struct dhcp *message,
		     struct dhcp_lease *ret_lease)
{
	const struct dhcp_client *client = &ac->dhcp;
	struct dhcp_lease lease = {
		.ip = message->yiaddr,
		.server = message->server_id,
		.router = message->router,
		.prefix_bits = message->subnet_bits,
		.mtu = message->mtu,
		.dns_count = message->dns_count,
		.start_ns = client->sent_at_ns,
		.t1_ns = TEE_NEVER,
		.t2_ns = TEE_NEVER,
		.end_ns = TEE_NEVER,
	};
	uint64_t lease_ns = message->lease_s * TEE_NS_PER_S, t1_ns, t2_ns;

	if (message->lease_s == 0 || tee_ip_is_any(&lease.ip) || !ip_is_valid_source(&lease.ip) ||
	    ip_is_loopback(&lease.ip))
		return false;
	/* A renewal may leave the server's name out: it is the one that was asked. */
	if (tee_ip_is_any(&lease.server))
		lease.server = client->has_lease ? client->lease.server : client->server;
	if (lease.prefix_bits == 0)
		lease.prefix_bits = class_bits(&lease.ip);
	memcpy(lease.dns, message->dns, sizeof(lease.dns));
	memcpy(lease.domain, message->domain, sizeof(lease.domain));
	if (message->lease_s != LIFETIME_INFINITE) {
		/* RFC 2131 4.4.5: half and seven eighths, when the server says nothing (or nonsense). */
		t1_ns = message->renewal_s * TEE_NS_PER_S;
		t2_ns = message->rebinding_s * TEE_NS_PER_S;
		if (t2_ns == 0 || t2_ns >= lease_ns)
			t2_ns = lease_ns / 8 * 7;
		if (t1_ns == 0 || t1_ns >= t2_ns)
			t1_ns = lease_ns / 2 < t2_ns ? lease_ns / 2 : t2_ns / 2;
		lease.t1_ns = lease.start_ns + t1_ns;
		lease.t2_ns = lease.start_ns + t2_ns;
		lease.end_ns = lease.start_ns + lease_ns;
	}
	*ret_lease = lease;
	return true;
}
