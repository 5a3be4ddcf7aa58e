/* SPDX-License-Identifier: MIT */
/*
 * Every counter of the stack, in one list: name, what it counts. A drop reason is a counter whose name
 * begins with "drop."; DROP_… and COUNT_… are the same enum.
 */
#ifndef TEE_BASE_COUNTERS_H
#define TEE_BASE_COUNTERS_H

#include <stdint.h>

/* X(enum name, "public.name") */
#define TEE_COUNTERS(X)                                          \
 X(COUNT_FRAMES_IN, "link.frames_in")                            \
 X(COUNT_FRAMES_OUT, "link.frames_out")                          \
 X(COUNT_BYTES_IN, "link.bytes_in")                              \
 X(COUNT_BYTES_OUT, "link.bytes_out")                            \
 X(COUNT_IP_IN, "ip.packets_in")                                 \
 X(COUNT_IP_OUT, "ip.packets_out")                               \
 X(COUNT_IP_FRAGS_IN, "ip.fragments_in")                         \
 X(COUNT_IP_FRAGS_OUT, "ip.fragments_out")                       \
 X(COUNT_IP_REASSEMBLED, "ip.reassembled")                       \
 X(COUNT_IP_NO_ROUTE, "ip.no_route")                             \
 X(COUNT_PMTU_CHANGED, "ip.path_mtu_changed")                    \
 X(COUNT_ARP_IN, "arp.in")                                       \
 X(COUNT_ARP_OUT, "arp.out")                                     \
 X(COUNT_ARP_CONFLICT, "arp.conflicts_seen")                     \
 X(COUNT_ND_IN, "nd.in")                                         \
 X(COUNT_ND_OUT, "nd.out")                                       \
 X(COUNT_NEIGH_FAILED, "neighbour.failed")                       \
 X(COUNT_NEIGH_EVICTED, "neighbour.evicted")                     \
 X(COUNT_ICMP_IN, "icmp.in")                                     \
 X(COUNT_ICMP_OUT, "icmp.out")                                   \
 X(COUNT_ICMP_ERRORS_IN, "icmp.errors_in")                       \
 X(COUNT_ICMP_RATE_LIMITED, "icmp.rate_limited")                 \
 X(COUNT_UDP_IN, "udp.datagrams_in")                             \
 X(COUNT_UDP_OUT, "udp.datagrams_out")                           \
 X(COUNT_UDP_NO_PORT, "udp.no_port")                             \
 X(COUNT_TCP_SEGS_IN, "tcp.segs_in")                             \
 X(COUNT_TCP_SEGS_OUT, "tcp.segs_out")                           \
 X(COUNT_TCP_SUPER_IN, "tcp.super_frames_in")                    \
 X(COUNT_TCP_FAST_IN, "tcp.fast_path_in")                        \
 X(COUNT_TCP_SUPER_OUT, "tcp.super_frames_out")                  \
 X(COUNT_TCP_ACTIVE_OPENS, "tcp.active_opens")                   \
 X(COUNT_TCP_PASSIVE_OPENS, "tcp.passive_opens")                 \
 X(COUNT_TCP_ESTABLISHED, "tcp.established")                     \
 X(COUNT_TCP_FAST_PATH, "tcp.fast_path")                         \
 X(COUNT_TCP_RETRANS_SEGS, "tcp.retrans_segs")                   \
 X(COUNT_TCP_FAST_RETRANS, "tcp.fast_retransmits")               \
 X(COUNT_TCP_RTO, "tcp.timeouts")                                \
 X(COUNT_TCP_TLP, "tcp.loss_probes")                             \
 X(COUNT_TCP_TLP_RECOVERY, "tcp.loss_probe_recoveries")          \
 X(COUNT_TCP_SACK_RECOVERY, "tcp.sack_recoveries")               \
 X(COUNT_TCP_RENO_RECOVERY, "tcp.reno_recoveries")               \
 X(COUNT_TCP_SACK_RENEGING, "tcp.sack_reneging")                 \
 X(COUNT_TCP_UNDO_TS, "tcp.undo_timestamps")                     \
 X(COUNT_TCP_UNDO_DSACK, "tcp.undo_dsack")                       \
 X(COUNT_TCP_UNDO_UNSENT, "tcp.undo_before_retransmitting")      \
 X(COUNT_TCP_SPURIOUS_RTO, "tcp.spurious_timeouts")              \
 X(COUNT_TCP_DSACK_IN, "tcp.dsack_in")                           \
 X(COUNT_TCP_DSACK_OUT, "tcp.dsack_out")                         \
 X(COUNT_TCP_OOO_QUEUED, "tcp.out_of_order_queued")              \
 X(COUNT_TCP_OOO_PRUNED, "tcp.out_of_order_pruned")              \
 X(COUNT_TCP_DELAYED_ACKS, "tcp.delayed_acks")                   \
 X(COUNT_TCP_KEEPALIVES, "tcp.keepalive_probes")                 \
 X(COUNT_TCP_WINDOW_PROBES, "tcp.window_probes")                 \
 X(COUNT_TCP_MTU_PROBES, "tcp.mtu_probes")                       \
 X(COUNT_TCP_MTU_PROBES_PASSED, "tcp.mtu_probes_passed")         \
 X(COUNT_TCP_MTU_PROBES_LOST, "tcp.mtu_probes_lost")             \
 X(COUNT_TCP_BLACK_HOLES, "tcp.black_holes_suspected")           \
 X(COUNT_TCP_RSTS_IN, "tcp.resets_in")                           \
 X(COUNT_TCP_RSTS_OUT, "tcp.resets_out")                         \
 X(COUNT_TCP_CHALLENGE_ACKS, "tcp.challenge_acks")               \
 X(COUNT_TCP_CHALLENGE_LIMITED, "tcp.challenge_acks_suppressed") \
 X(COUNT_TCP_SYN_COOKIES_OUT, "tcp.syn_cookies_sent")            \
 X(COUNT_TCP_SYN_COOKIES_OK, "tcp.syn_cookies_accepted")         \
 X(COUNT_TCP_SYN_COOKIES_BAD, "tcp.syn_cookies_bad")             \
 X(COUNT_TCP_LISTEN_OVERFLOW, "tcp.accept_queue_overflows")      \
 X(COUNT_TCP_TIMEWAIT, "tcp.timewait_entered")                   \
 X(COUNT_TCP_TIMEWAIT_EVICTED, "tcp.timewait_evicted")           \
 X(COUNT_TCP_TIMEWAIT_REUSED, "tcp.timewait_reused")             \
 X(COUNT_TCP_ABORT_ON_DATA, "tcp.aborts_with_unread_data")       \
 X(COUNT_TCP_ABORT_TIMEOUT, "tcp.aborts_by_timeout")             \
 X(COUNT_TCP_ECN_NEGOTIATED, "tcp.ecn_negotiated")               \
 X(COUNT_TCP_ECN_CE_IN, "tcp.ecn_ce_received")                   \
 X(COUNT_TCP_PURE_ACKS_IN, "tcp.pure_acks_in")                   \
 X(COUNT_TCP_FASTOPEN_ACTIVE, "tcp.fastopen_active")             \
 X(COUNT_TCP_FASTOPEN_PASSIVE, "tcp.fastopen_passive")           \
 X(COUNT_DHCP_BOUND, "dhcp.bound")                               \
 X(COUNT_DHCP_RENEWED, "dhcp.renewed")                           \
 X(COUNT_DHCP_LOST, "dhcp.lease_lost")                           \
 /* drops: a packet, or a part of one, that went no further */   \
 X(DROP_NETIF_DOWN, "drop.netif_down")                           \
 X(DROP_ETH_SHORT, "drop.ethernet_too_short")                    \
 X(DROP_ETH_NOT_OURS, "drop.ethernet_not_for_us")                \
 X(DROP_ETH_UNKNOWN_TYPE, "drop.ethernet_unknown_type")          \
 X(DROP_ARP_MALFORMED, "drop.arp_malformed")                     \
 X(DROP_IP_MALFORMED, "drop.ip_malformed")                       \
 X(DROP_IP_BAD_CHECKSUM, "drop.ip_bad_checksum")                 \
 X(DROP_IP_BAD_SOURCE, "drop.ip_bad_source")                     \
 X(DROP_IP_NOT_OURS, "drop.ip_not_for_us")                       \
 X(DROP_IP_BAD_OPTION, "drop.ip_bad_option")                     \
 X(DROP_IP_UNKNOWN_PROTOCOL, "drop.ip_unknown_protocol")         \
 X(DROP_FRAG_OVERLAP, "drop.fragment_overlap")                   \
 X(DROP_FRAG_MALFORMED, "drop.fragment_malformed")               \
 X(DROP_FRAG_LIMIT, "drop.fragment_limit")                       \
 X(DROP_FRAG_TIMEOUT, "drop.fragment_timeout")                   \
 X(DROP_ICMP_MALFORMED, "drop.icmp_malformed")                   \
 X(DROP_ICMP_BAD_CHECKSUM, "drop.icmp_bad_checksum")             \
 X(DROP_ICMP_UNBELIEVABLE, "drop.icmp_blind")                    \
 X(DROP_ICMP_IGNORED, "drop.icmp_ignored")                       \
 X(DROP_ICMP_REDIRECT, "drop.icmp_redirect_ignored")             \
 X(DROP_ND_MALFORMED, "drop.nd_malformed")                       \
 X(DROP_NEIGH_PENDING_FULL, "drop.neighbour_pending_full")       \
 X(DROP_NEIGH_UNREACHABLE, "drop.neighbour_unreachable")         \
 X(DROP_TX_QUEUE_FULL, "drop.tx_queue_full")                     \
 X(DROP_TOO_BIG, "drop.too_big")                                 \
 X(DROP_UDP_MALFORMED, "drop.udp_malformed")                     \
 X(DROP_UDP_BAD_CHECKSUM, "drop.udp_bad_checksum")               \
 X(DROP_UDP_QUEUE_FULL, "drop.udp_queue_full")                   \
 X(DROP_ERROR_QUEUE_FULL, "drop.error_queue_full")               \
 X(DROP_TCP_MALFORMED, "drop.tcp_malformed")                     \
 X(DROP_TCP_BAD_CHECKSUM, "drop.tcp_bad_checksum")               \
 X(DROP_TCP_SIGNED, "drop.tcp_unexpected_signature")             \
 X(DROP_TCP_NO_CONN, "drop.tcp_no_connection")                   \
 X(DROP_TCP_BROADCAST, "drop.tcp_broadcast")                     \
 X(DROP_TCP_OUT_OF_WINDOW, "drop.tcp_out_of_window")             \
 X(DROP_TCP_PAWS, "drop.tcp_paws")                               \
 X(DROP_TCP_OLD_DATA, "drop.tcp_old_data")                       \
 X(DROP_TCP_NO_ACK, "drop.tcp_no_ack_flag")                      \
 X(DROP_TCP_BAD_ACK, "drop.tcp_bad_ack")                         \
 X(DROP_TCP_BAD_RST, "drop.tcp_bad_rst")                         \
 X(DROP_TCP_BAD_SYN, "drop.tcp_bad_syn")                         \
 X(DROP_TCP_SYN_QUEUE_FULL, "drop.tcp_syn_queue_full")           \
 X(DROP_TCP_ACCEPT_QUEUE_FULL, "drop.tcp_accept_queue_full")     \
 X(DROP_TCP_AFTER_CLOSE, "drop.tcp_after_close")                 \
 X(DROP_TCP_RCVBUF_FULL, "drop.tcp_receive_buffer_full")         \
 X(DROP_TCP_CONN_LIMIT, "drop.tcp_connection_limit")             \
 X(DROP_TCP_DEFERRED, "drop.tcp_deferred_accept")                \
 X(DROP_DHCP_MALFORMED, "drop.dhcp_malformed")                   \
 X(DROP_NO_MEMORY, "drop.no_memory")

enum counter {
#define X(name, text) name,
	TEE_COUNTERS(X)
#undef X
		COUNTER_COUNT
};

struct counters {
	uint64_t value[COUNTER_COUNT];
};

/* "tcp.segs_in"; NULL past the end. */
const char *counter_name(unsigned idx);

#endif
