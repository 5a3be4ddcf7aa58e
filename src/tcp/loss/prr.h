/* SPDX-License-Identifier: MIT */
/* Proportional Rate Reduction (RFC 9937): how much may be sent on each ACK during fast recovery. */
#ifndef TEE_TCP_LOSS_PRR_H
#define TEE_TCP_LOSS_PRR_H

#include <stdbool.h>
#include <stdint.h>

struct prr {
	uint64_t delivered_bytes;  /* prr_delivered */
	uint64_t out_bytes;        /* prr_out */
	uint64_t recover_fs_bytes; /* RecoverFS: in flight when recovery began */
	uint64_t admitted_bytes;   /* of these not sent yet: see prr_start() */
};

/*
 * `flight_bytes` were in flight, and `admitted_bytes` more would have been: the window admitted them before the loss was
 * known, but the ACKs came in one burst, and nothing is sent in between.
 */
void prr_start(struct prr *prr, uint64_t flight_bytes, uint64_t admitted_bytes);
/*
 * One ACK: returns the congestion window to use until the next. `safe_ack`: snd.una advanced and no
 * further loss was marked.
 */
uint64_t prr_on_ack(struct prr *prr, uint64_t delivered_bytes, uint64_t pipe_bytes,
		    uint64_t ssthresh_bytes, bool safe_ack, uint32_t mss);
void prr_on_sent(struct prr *prr, uint64_t bytes);

#endif
