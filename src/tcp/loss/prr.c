/* SPDX-License-Identifier: MIT */
/*
 * Proportional Rate Reduction (RFC 9937): the window during fast recovery and after an ECN mark.
 *
 * While more is in flight than ssthresh, each delivered byte lets ssthresh / RecoverFS bytes leave, so that
 * the reduction is spread over one round trip. Once losses have taken the flight below ssthresh, it
 * is rebuilt: as fast as data is delivered (the conservative bound), and, while snd.una advances and no
 * further loss shows, one segment faster (the slow-start bound).
 *
 * The RFC's quota is in bytes, but segments leave whole. We round the quota up to whole segments, as its
 * "rounding up" does for a stack that counts segments: a fraction of one lets that segment go now
 * and is debited to the next ACK through prr_out. So the total is off by less than one segment.
 *
 * Where the ACKs of a whole flight come at once, those before the first that tells of a loss admit as much as they
 * delivered, or twice that in slow start, and PRR would take it all for given up: the flight would have to be rebuilt
 * from next to nothing. So what was admitted counts as in flight (RecoverFS) and leaves besides.
 */
#include "tcp/loss/prr.h"

#include "base/check.h"
#include "tcp/muldiv.h"

void prr_start(struct prr *prr, uint64_t flight_bytes, uint64_t admitted_bytes)
{
	prr->delivered_bytes = 0;
	prr->out_bytes = 0;
	prr->admitted_bytes = admitted_bytes;
	prr->recover_fs_bytes = MAX(flight_bytes + admitted_bytes, 1);
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t prr_on_ack(struct prr *prr, uint64_t delivered_bytes, uint64_t pipe_bytes,
		    uint64_t ssthresh_bytes, bool safe_ack, uint32_t mss)
{
	uint64_t send_bytes;

	prr->delivered_bytes += delivered_bytes;
	pipe_bytes += prr->admitted_bytes;
	if (pipe_bytes > ssthresh_bytes) {
		/*
		 * Proportional part. A flight that began below ssthresh had nothing to give up; that is no
		 * reason to send more than is delivered.
		 */
		uint64_t share = MIN(ssthresh_bytes, prr->recover_fs_bytes);
		uint64_t quota = muldiv_up(prr->delivered_bytes, share, prr->recover_fs_bytes);

		quota += mss - 1;
		send_bytes = minus(quota - quota % mss, prr->out_bytes);
	} else {
		/* PRR-CRB, and PRR-SSRB when recovery makes good progress. */
		send_bytes = MAX(minus(prr->delivered_bytes, prr->out_bytes), delivered_bytes);
		if (safe_ack)
			send_bytes += mss;
		send_bytes = MIN(send_bytes, ssthresh_bytes - pipe_bytes);
	}
	/* The fast retransmit itself leaves in any case. */
	if (prr->out_bytes == 0 && send_bytes < mss)
		send_bytes = mss;
	return pipe_bytes + send_bytes;
}

void prr_on_sent(struct prr *prr, uint64_t bytes)
{
	/* First comes the fast retransmit. */
	uint64_t admitted_bytes = prr->out_bytes ? MIN(bytes, prr->admitted_bytes) : 0;

	prr->admitted_bytes -= admitted_bytes;
	prr->out_bytes += bytes - admitted_bytes;
}
