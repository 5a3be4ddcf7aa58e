/* SPDX-License-Identifier: MIT */
/* Words for the enums that people meet in traces and tables. */
#include <teeceepee/info.h>
#include <teeceepee/trace.h>

#include "base/check.h"

/* clang-format off */
static const char *const why_names[] = {
	[TEE_WHY_NONE] = "no reason given",
	[TEE_WHY_SYN] = "active open",
	[TEE_WHY_SYN_ACK] = "answer to SYN",
	[TEE_WHY_SYN_RETRANSMIT] = "handshake repeated",
	[TEE_WHY_NEW_DATA] = "new data",
	[TEE_WHY_FIN] = "end of our data",
	[TEE_WHY_FAST_RETRANSMIT] = "fast retransmit",
	[TEE_WHY_RTO] = "retransmission timeout",
	[TEE_WHY_TLP] = "tail loss probe",
	[TEE_WHY_LIMITED_TRANSMIT] = "limited transmit",
	[TEE_WHY_ACK_EVERY_SECOND] = "every second segment",
	[TEE_WHY_ACK_DELAYED] = "delayed ACK",
	[TEE_WHY_ACK_OUT_OF_ORDER] = "out of order",
	[TEE_WHY_ACK_FILLED_HOLE] = "hole filled",
	[TEE_WHY_ACK_FIN] = "peer's end of data",
	[TEE_WHY_ACK_HANDSHAKE] = "handshake complete",
	[TEE_WHY_ACK_QUICK] = "quick ACK",
	[TEE_WHY_WINDOW_UPDATE] = "window update",
	[TEE_WHY_MTU_PROBE] = "path MTU probe",
	[TEE_WHY_WINDOW_PROBE] = "zero-window probe",
	[TEE_WHY_ANSWER_PROBE] = "answer to what lay outside the window",
	[TEE_WHY_KEEPALIVE] = "keep-alive",
	[TEE_WHY_CHALLENGE_ACK] = "challenge ACK",
	[TEE_WHY_DUPLICATE] = "duplicate data",
	[TEE_WHY_ECN] = "congestion news",
	[TEE_WHY_RST_NO_CONN] = "no such connection",
	[TEE_WHY_RST_ABORT] = "abort",
	[TEE_WHY_RST_BAD_ACK] = "ACK of what was never sent",
	[TEE_WHY_RST_TIMEOUT] = "gave up after timeouts",
	[TEE_WHY_TIME_WAIT_ACK] = "answer in TIME-WAIT",
	[TEE_WHY_SYN_COOKIE] = "SYN cookie",
	[TEE_WHY_ARP_REQUEST] = "ARP request",
	[TEE_WHY_ARP_REPLY] = "ARP reply",
	[TEE_WHY_ARP_PROBE] = "ARP probe",
	[TEE_WHY_ARP_ANNOUNCE] = "ARP announcement",
	[TEE_WHY_ND_SOLICIT] = "neighbour solicitation",
	[TEE_WHY_ND_ADVERT] = "neighbour advertisement",
	[TEE_WHY_ND_DAD] = "duplicate address detection",
	[TEE_WHY_ROUTER_SOLICIT] = "router solicitation",
	[TEE_WHY_MLD] = "multicast listener report",
	[TEE_WHY_ECHO_REQUEST] = "echo request",
	[TEE_WHY_ECHO_REPLY] = "echo reply",
	[TEE_WHY_ICMP_ERROR] = "ICMP error",
	[TEE_WHY_DATAGRAM] = "datagram",
	[TEE_WHY_DHCP] = "DHCP",
};

static const char *const state_names[] = {
	[TEE_TCP_CLOSED] = "CLOSED",
	[TEE_TCP_LISTEN] = "LISTEN",
	[TEE_TCP_SYN_SENT] = "SYN-SENT",
	[TEE_TCP_SYN_RECEIVED] = "SYN-RECEIVED",
	[TEE_TCP_ESTABLISHED] = "ESTABLISHED",
	[TEE_TCP_FIN_WAIT_1] = "FIN-WAIT-1",
	[TEE_TCP_FIN_WAIT_2] = "FIN-WAIT-2",
	[TEE_TCP_CLOSE_WAIT] = "CLOSE-WAIT",
	[TEE_TCP_CLOSING] = "CLOSING",
	[TEE_TCP_LAST_ACK] = "LAST-ACK",
	[TEE_TCP_TIME_WAIT] = "TIME-WAIT",
};
/* clang-format on */

_Static_assert(ARRAY_LEN(why_names) == TEE_WHY_COUNT, "every reason has a name");
_Static_assert(ARRAY_LEN(state_names) == TEE_TCP_STATE_COUNT, "every state has a name");

const char *tee_why_name(enum tee_why why)
{
	return (unsigned)why < ARRAY_LEN(why_names) ? why_names[why] : "unknown reason";
}

const char *tee_tcp_state_name(enum tee_tcp_state state)
{
	return (unsigned)state < ARRAY_LEN(state_names) ? state_names[state] : "unknown state";
}
