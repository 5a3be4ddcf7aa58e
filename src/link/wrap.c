/* SPDX-License-Identifier: MIT */
/*
 * What all links around a link have in common: calls that concern them not go on to the link inside.
 *
 * Wrappers are gso_link.c, impair.c, pcapng.c and steer.c. Each embeds struct link_wrap, gives a table with the
 * operations that it does itself, and link_wrap_init() fills the gaps. So an operation that is added to links
 * has one more function here, and the wrappers that don't care needn't know.
 */
#include "link/wrap.h"

static struct tee_link *inner_of(struct tee_link *link)
{
	return ((struct link_wrap *)link)->inner;
}

int link_wrap_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		   unsigned n, uint64_t now_ns)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->recv(inner, pool, ret_pkts, n, now_ns);
}

int link_wrap_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->send(inner, frames, n, now_ns);
}

int link_wrap_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->poll_fds(inner, fds, n);
}

void link_wrap_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			 uint64_t now_ns)
{
	struct tee_link *inner = inner_of(link);

	if (inner->ops->poll_done)
		inner->ops->poll_done(inner, fds, n, now_ns);
}

uint64_t link_wrap_deadline(struct tee_link *link)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->deadline ? inner->ops->deadline(inner) : TEE_NEVER;
}

static int pass_set_addresses(struct tee_link *link, const struct tee_ip *ips, unsigned n)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->set_addresses(inner, ips, n);
}

static int pass_claim_port(struct tee_link *link, uint8_t protocol, uint16_t port)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->claim_port(inner, protocol, port);
}

static bool pass_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			 uint64_t *ret_value)
{
	struct tee_link *inner = inner_of(link);

	return inner->ops->counter(inner, idx, ret_name, ret_value);
}

static const char *pass_notice(struct tee_link *link)
{
	return tee_link_notice(inner_of(link));
}

void link_wrap_init(struct link_wrap *wrap, struct tee_link *inner, const struct tee_link_ops *own)
{
	const struct tee_link_ops *theirs = inner->ops;
	struct tee_link_ops *ops = &wrap->ops;

	*ops = *own;
	if (!ops->recv && theirs->recv)
		ops->recv = link_wrap_recv;
	if (!ops->send && theirs->send)
		ops->send = link_wrap_send;
	if (!ops->poll_fds && theirs->poll_fds)
		ops->poll_fds = link_wrap_poll_fds;
	if (!ops->poll_done && theirs->poll_done)
		ops->poll_done = link_wrap_poll_done;
	if (!ops->deadline && theirs->deadline)
		ops->deadline = link_wrap_deadline;
	if (!ops->set_addresses && theirs->set_addresses)
		ops->set_addresses = pass_set_addresses;
	if (!ops->claim_port && theirs->claim_port)
		ops->claim_port = pass_claim_port;
	if (!ops->counter && theirs->counter)
		ops->counter = pass_counter;
	if (!ops->notice && theirs->notice)
		ops->notice = pass_notice;
	wrap->link.ops = ops;
	wrap->link.info = inner->info;
	/* Who looks into frames has room for what an IP header can tell. */
	if (ops->send != link_wrap_send)
		wrap->link.info.far_gso_bytes_max = 0;
	wrap->inner = inner;
}
