/* SPDX-License-Identifier: MIT */
/*
 * The way a connection's packets take (RFC 9293 3.9.2.1). Mostly that is the route to the peer; where
 * a source route was named by the application (MUST-51) or came in with the peer's segments (MUST-53), packets
 * go to its first hop and carry the rest as an IP option. What the application named stays
 * (MUST-52); of those that come in, the latest counts (SHLD-24).
 */
#include "tcp/conn.h"

static const struct srcroute *route_of(const struct tcp_conn *conn)
{
	if (!conn_has(conn, CONN_SOURCE_ROUTED))
		return NULL;
	return srcroutes_find(&conn->tcp->srcroutes, &conn->node.stub);
}

static struct tee_ip hop_ip(const struct srcroute *route)
{
	const uint8_t *hop = route->hops[0];

	return TEE_IP4(hop[0], hop[1], hop[2], hop[3]);
}

/* Brings conn->path up to date; results as net_path_refresh(). */
int conn_find_path(struct tcp_conn *conn)
{
	const struct srcroute *route = route_of(conn);
	struct tee_ip next = route ? hop_ip(route) : conn->node.key.remote_ip;

	return net_path_refresh(conn->tcp->net, &conn->node.key.local_ip, &next, &conn->path);
}

unsigned conn_route_len(const struct tcp_conn *conn)
{
	const struct srcroute *route = route_of(conn);

	return route ? (3u + 4u * route->count + 3u) & ~3u : 0;
}

/* Packets take this route from now on. 0, -TEE_ENOMEM. */
int conn_follow_route(struct tcp_conn *conn, const struct srcroute *route)
{
	struct tcp *tcp = conn->tcp;
	int result = srcroutes_set(&tcp->srcroutes, &conn->node.stub, route);

	if (result < 0)
		return result;
	conn->flags |= CONN_SOURCE_ROUTED;
	conn->path.generation = net_generation(tcp->net) - 1; /* stale: the next hop is another */
	if (conn_is_synchronized(conn)) {
		conn->snd.mtu_seen = 0;
		(void)conn_find_path(conn);
		conn_update_mss(conn);
	}
	return 0;
}

int tcp_conn_set_source_route(struct tcp_conn *conn, const struct srcroute *route)
{
	struct srcroute own = *route;

	if (!conn_is4(conn))
		return -TEE_EAFNOSUPPORT;
	own.by_application = true;
	if (own.count)
		return conn_follow_route(conn, &own);
	srcroutes_forget(&conn->tcp->srcroutes, &conn->node.stub);
	conn->flags &= ~(uint32_t)CONN_SOURCE_ROUTED;
	conn->path.generation = net_generation(conn->tcp->net) - 1;
	return 0;
}

/* Sends `out` along the stub's source route, if it has one; `option` must live as long as `out`. */
void route_apply(const struct tcp *tcp, const struct tcp_stub *stub, struct ip_out *out,
		 uint8_t option[SRCROUTE_OPTION_MAX])
{
	const struct srcroute *route = srcroutes_find(&tcp->srcroutes, stub);
	const struct tcp_key key = stub_key(stub);

	if (!route)
		return;
	out->options_len = srcroute_option(route, &key.remote_ip, option, &out->dst);
	out->options = option;
}

/* A packet of this connection (or, `conn` NULL, request) came with IP options. */
void route_learn(struct tcp *tcp, const struct ip_packet *packet, const struct tcp_stub *stub,
		 struct tcp_conn *conn)
{
	const uint8_t *header = tee_pkt_bytes(packet->pkt) - packet->ip.header_len;
	struct srcroute route;

	if (!tcp->engine->config.ip_source_route ||
	    !srcroute_reverse(header + packet->ip.options_off, packet->ip.options_len, &route))
		return;
	if (conn)
		(void)conn_follow_route(conn, &route);
	else
		(void)srcroutes_set(&tcp->srcroutes, stub, &route);
}
