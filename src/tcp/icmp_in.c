/* SPDX-License-Identifier: MIT */
/*
 * ICMP errors about segments of ours (RFC 9293 3.9.2.2, RFC 1122 4.2.3.9, RFC 5927).
 *
 * MUST-54. Anybody can send ICMP, so a message counts only when the sequence number that it quotes is in
 * flight. Soft errors (network, host unreachable, source route failed, time exceeded, parameter
 * problem) are remembered and told if the connection later times out (MUST-56, SHLD-25); hard ones
 * (protocol, port unreachable) end a connection that is being opened (SHLD-26), but, since RFC 5461
 * and 5927, not one that stands. "Too big" lowers the path MTU, never raises it.
 */
#include "tcp/conn.h"

/* RFC 5927 4.1: only what is in flight can have caused an error. */
static bool is_in_flight(const struct tcp_conn *conn, struct seq32 seq)
{
	int64_t off = seq_widen(seq, conn->snd.iss, (int64_t)conn->snd.una);

	return off >= (int64_t)conn->snd.una && off < (int64_t)conn->snd.nxt;
}

static void path_shrank(struct tcp_conn *conn, const struct icmp_report *report)
{
	struct tcp *tcp = conn->tcp;
	uint32_t mtu;

	if (!conn->settings->s.mtu_discover || !conn_config(conn)->pmtud)
		return;
	/* A router can't claim that a packet no larger than its limit was too big for it. */
	if (report->mtu && report->quoted_total_len && report->mtu >= report->quoted_total_len)
		return;
	mtu = net_pmtu_update(tcp->net, &conn->node.key.remote_ip, report->mtu,
			      report->quoted_total_len ? report->quoted_total_len : conn->path.mtu);
	if (mtu >= conn->path.mtu)
		return;
	conn->path.mtu = mtu;
	if (conn_find_path(conn) < 0)
		return;
	conn_update_mss(conn);
	recovery_on_mtu(conn);
	/* It was the data that made our SYN too large: at once a plain one (RFC 7413 4.1.3.1). */
	if (conn->state == TEE_TCP_SYN_SENT && conn_has(conn, CONN_SYN_DATA) &&
	    !conn->syn_retries) {
		conn->syn_retries++;
		conn->flags |= CONN_SYN_DUE;
		conn_mark_due(conn);
	}
}

/*
 * The application asked to hear of each error (TEE_OPT_RECVERR): an attempt to open ends with it, and a connection
 * that stands goes on, while the next call tells it (RFC 1122 4.2.4.1).
 */
static void tell_at_once(struct tcp_conn *conn, const struct icmp_report *report, int error)
{
	if (!conn_is_synchronized(conn)) {
		net_keep_error(conn->tcp->net, conn->source, report, 0);
		conn_end(conn, error);
		return;
	}
	conn->error = (uint8_t)error;
	conn_raise(conn, TEE_EV_ERROR | TEE_EV_READABLE | TEE_EV_WRITABLE);
}

static void conn_icmp(struct tcp_conn *conn, const struct icmp_report *report, struct seq32 seq)
{
	bool is_opening = !conn_is_synchronized(conn);
	int error = icmp_error_number(report->version, report->error);

	if (!is_in_flight(conn, seq)) {
		drop(conn_engine(conn), DROP_ICMP_UNBELIEVABLE);
		return;
	}
	if (report->error != ICMP_ERROR_NONE && report->error != ICMP_ERROR_TOO_BIG &&
	    net_wants_error(conn->tcp->net, conn->source, report)) {
		tell_at_once(conn, report, error);
		return;
	}
	switch (report->error) {
	case ICMP_ERROR_NONE: return; /* MUST-55 among them: source quench */
	case ICMP_ERROR_TOO_BIG: path_shrank(conn, report); return;
	case ICMP_ERROR_PROTOCOL_UNREACHABLE:
	case ICMP_ERROR_PORT_UNREACHABLE:
	case ICMP_ERROR_NET_PROHIBITED:
	case ICMP_ERROR_PROHIBITED:
		if (is_opening) {
			conn_end(conn, error);
			return;
		}
		/* fallthrough */
	default:
		conn->soft_error =
			(uint8_t)error; /* MUST-47; nobody is disturbed by it (SHLD-20) */
		/* Our own neighbour discovery says so: an open need not wait for minutes. */
		if (is_opening && tee_ip_is_any(&report->reporter))
			conn_end(conn, error);
		return;
	}
}

void tcp_icmp_error(void *context, const struct icmp_report *report)
{
	struct tcp *tcp = context;
	struct tcp_key key = {.local_ip = report->local, .remote_ip = report->remote};
	struct tcp_stub *node, *own;
	struct seq32 seq;

	if (report->quoted_len < 8) {
		drop(tcp->engine, DROP_ICMP_MALFORMED);
		return;
	}
	key.local_port = load_be16(report->quoted);
	key.remote_port = load_be16(report->quoted + 2);
	seq = seq32(load_be32(report->quoted + 4));
	node = demux_find(&tcp->demux, &key);
	/* It may have come by another way; but of two, the one of this interface is meant. */
	own = demux_find_on(&tcp->demux, &key, (uint16_t)netif_number(report->netif));
	node = own ? own : node;
	if (!node) {
		drop(tcp->engine, DROP_ICMP_UNBELIEVABLE);
		return;
	}
	if (node->kind == TCP_NODE_CONN) {
		conn_icmp(CONTAINER_OF(node, struct tcp_conn, node.stub), report, seq);
		tcp_reap(tcp);
	} else if (node->kind == TCP_NODE_REQUEST) {
		struct tcp_request *request = CONTAINER_OF(node, struct tcp_request, stub);

		if (seq_eq(seq, request->iss))
			request_icmp(request, report);
		else
			drop(tcp->engine, DROP_ICMP_UNBELIEVABLE);
	}
}
