/* SPDX-License-Identifier: MIT */
/* DHCPv4 messages (RFC 2131, 2132), client's side; option overload honoured. */
#ifndef TEE_WIRE_DHCP_H
#define TEE_WIRE_DHCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <teeceepee/types.h>

enum { DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68, DHCP_MESSAGE_MAX = 576, DHCP_DNS_MAX = 4 };
enum dhcp_type {
	DHCP_NONE,
	DHCP_DISCOVER,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM
};

struct dhcp {
	bool is_reply;
	enum dhcp_type type;
	uint32_t xid;
	uint16_t secs;
	bool broadcast;
	struct tee_ip ciaddr, yiaddr, siaddr, giaddr; /* v4-mapped; 0.0.0.0 when none */
	struct tee_mac chaddr;
	bool has_opaque_id; /* client: identify ourselves by other than the MAC, which somebody else
			       uses too (RFC 2132 9.14) */
	/* options; an address is all-zero (TEE_IP_ANY) when the option is absent */
	struct tee_ip requested_ip, server_id, router;
	unsigned subnet_bits; /* 0: absent */
	unsigned dns_count;
	struct tee_ip dns[DHCP_DNS_MAX];
	uint32_t lease_s, renewal_s, rebinding_s; /* 0: absent; 0xffffffff: for ever */
	uint16_t mtu;                             /* 0: absent */
	uint16_t max_message;                     /* client's, 0: absent */
	char hostname[64], domain[128];
};

int dhcp_parse(const uint8_t *data, size_t len, struct dhcp *ret_dhcp);
/* Returns the length written into `out`, or -TEE_EINVAL. Padded to the 300 bytes that old relays want. */
int dhcp_write(uint8_t out[DHCP_MESSAGE_MAX], const struct dhcp *dhcp);

#endif
