/* SPDX-License-Identifier: MIT */
/* A link around another: what the wrapper does not do itself passes through. */
#ifndef TEE_LINK_WRAP_H
#define TEE_LINK_WRAP_H

#include <teeceepee/link.h>

/* Wrappers embed it first. */
struct link_wrap {
	struct tee_link link; /* first: what the world sees */
	struct tee_link *inner;
	struct tee_link_ops ops;
};

/*
 * Makes the link of `inner`'s info and the wrapper's `own` operations, of which it needs close(). Those that are
 * NULL pass through where the inner link has them. Else they stay absent, as to have one means something: with a
 * poll_done() a link wants to hear of every poll(), with a deadline() it wants to be called.
 */
void link_wrap_init(struct link_wrap *wrap, struct tee_link *inner, const struct tee_link_ops *own);
/*
 * What passes through, for operations that do something of their own beside. `link` is the wrapper. An inner link
 * without deadline() has TEE_NEVER, one without poll_done() hears nothing.
 */
int link_wrap_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		   unsigned n, uint64_t now_ns);
int link_wrap_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns);
int link_wrap_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n);
void link_wrap_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			 uint64_t now_ns);
uint64_t link_wrap_deadline(struct tee_link *link);

#endif
