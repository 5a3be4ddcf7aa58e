/* SPDX-License-Identifier: MIT */
/* Between the files of loss recovery: recovery.c (when losses count) and undo.c (when they did not). */
#ifndef TEE_TCP_RECOVERY_H
#define TEE_TCP_RECOVERY_H

#include "tcp/conn.h"

/* What DSACKs and timestamps of this ACK say of earlier retransmissions. */
void undo_note_ack(struct tcp_conn *conn, const struct ack_info *info, const struct segment *seg);
/* These return true when the reduction was undone and the state is OPEN (or stays, waiting). */
bool undo_on_recovery_end(struct tcp_conn *conn);
bool undo_on_partial_ack(struct tcp_conn *conn, const struct ack_info *info);
bool undo_on_dsack(struct tcp_conn *conn);
bool undo_loss(struct tcp_conn *conn, bool by_frto);
/* Forgets a tail loss probe: something stronger is under way. */
void rack_on_tlp_over(struct tcp_conn *conn);

#endif
