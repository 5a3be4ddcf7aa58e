/* SPDX-License-Identifier: MIT */
/*
 * ACKs of a burst. Output is pulled once for all that came in one turn, so an ACK that is due would be the
 * only one of the turn, and say only how things stand at its end. Where segments come as single packets that
 * is too little: when this one ACK is lost the sender hears of nothing, a sender that counts ACKs hardly
 * opens its window (RFC 3465), and of what came out of order no more than three ranges are told.
 *
 * So an ACK that is due already when the next segment comes is noted, as it would have been sent
 * if it had been pulled in between: acknowledgment number, TS.Recent, SACK and DSACK blocks, ECN's
 * feedback. tcp_output() sends the notes first, and then the ACK (or the data) that is due at the end.
 * To TS.Recent (RFC 7323 4.3) and to what is owed, a note is an ACK that was sent.
 *
 *   ack_note_before  a segment with text has come, and nothing of it is done yet
 *   ack_note_each    what has come is a super-frame, each of whose segments has an ACK of its own
 *   ack_note_frame   the oldest note leaves
 *
 * Noted is what RFC 5681 section 4.2 and RFC 2018 section 4 want a sender to hear singly:
 *	in order		every second full-sized segment (SHLD-19); a super-frame is one packet
 *				of the link's and gets one ACK at most
 *	with a hole		each ACK that moves on, some duplicates (with the turn's last at least the
 *				three that RFC 5681 3.2 waits for), each further range
 *	twice			each DSACK (RFC 2883: one a segment)
 * A super-frame's segments count singly where the ACKs of each are a sender's clock: in order with a hole beyond on a
 * path that isn't short (receive.c), and as duplicates to a sender without SACK, which counts them.
 *
 * Notes are bounded in number; what finds no room is told by the last ACK. A connection has memory for
 * them only until they have left, which is to the end of the turn, or until it ends itself.
 */
#include <stdlib.h>
#include "tcp/conn.h"

enum {
	NOTES_MAX = 64,
	EACH_MAX = 32, /* the rest is for what only a note can tell: ranges, DSACKs */
	DUPACKS_MAX = 3,
};

struct ack_notes {
	unsigned first, end; /* in notes[]; they begin at 0 again when all have left */
	struct ack_note notes[NOTES_MAX];
};

/* Have enough notes said the same, but for SACK blocks that only grew? */
static bool are_enough_alike(const struct tcp_conn *conn)
{
	const struct ack_notes *notes = conn->rx->notes;

	return notes && notes->end - notes->first >= DUPACKS_MAX &&
	       notes->notes[notes->end - DUPACKS_MAX].nxt == conn->rcv.nxt;
}

static bool continues_latest_range(const struct reassembly *ooo, int64_t seq)
{
	const struct ooo_range *latest;

	if (list_is_empty(&ooo->recent))
		return false;
	latest = CONTAINER_OF(ooo->recent.next, struct ooo_range, recent);
	return seq == (int64_t)latest->bytes.end;
}

/* Mostly one connection at a time has notes, so what they lie in goes from hand to hand. */
static struct ack_notes *notes_new(struct tcp *tcp)
{
	struct ack_notes *notes = tcp->spare_notes;

	if (!notes)
		notes = malloc(sizeof(*notes));
	if (!notes)
		return NULL;
	tcp->spare_notes = NULL;
	notes->first = notes->end = 0;
	return notes;
}

void ack_notes_free(struct tcp_conn *conn)
{
	struct ack_notes **spare = &conn->tcp->spare_notes;

	if (!conn->rx || !conn->rx->notes)
		return;
	if (*spare)
		free(conn->rx->notes);
	else
		*spare = conn->rx->notes;
	conn->rx->notes = NULL;
}

/* How things stand now; NULL: no room. */
static inline struct ack_note *note_new(struct tcp_conn *conn)
{
	struct ack_notes *notes = conn->rx->notes;
	struct ack_note *note;

	if (!notes)
		notes = conn->rx->notes = notes_new(conn->tcp);
	if (!notes || notes->end == NOTES_MAX)
		return NULL;
	note = &notes->notes[notes->end++];
	note->nxt = conn->rcv.nxt;
	note->ts_ecr = conn->ts.recent;
	note->why = conn->ack_why;
	segment_note_ecn(conn, note);
	note->sack_count = 0;
	return note;
}

/* Another is due in any case: the last of the turn takes an odd segment along, which need not wait for more. */
void ack_note_second(struct tcp_conn *conn)
{
	if (!note_new(conn))
		return;
	conn->rcv.acked = conn->rcv.nxt;
	conn->rcv.unacked_bytes = 0;
	conn->rcv.unacked_segs = 0;
	receive_count_ack(conn);
}

static void note_with_sack(struct tcp_conn *conn)
{
	struct ack_note *note = note_new(conn);

	if (!note)
		return;
	note->sack_count = (uint8_t)segment_sack_blocks(conn, note->sack);
	segment_on_dsack_told(conn);
	receive_on_ack_sent(conn);
}

/* With something out of order, or twice: would the sender miss this ACK? */
static bool is_worth_note(const struct tcp_conn *conn, int64_t seq)
{
	const struct reassembly *ooo = conn_ooo(conn);

	if (conn_has(conn, CONN_DSACK_DUE) || conn->rcv.nxt != conn->rcv.acked ||
	    !conn_has(conn, CONN_HAS_SACK))
		return true;
	return ooo && ooo->range_count &&
	       (!are_enough_alike(conn) || !continues_latest_range(ooo, seq));
}

void ack_note_before(struct tcp_conn *conn, int64_t seq)
{
	if (!conn->ack_why || !conn->rx)
		return;
	if (seq == (int64_t)conn->rcv.nxt && !segment_has_sack_news(conn)) {
		if (ack_note_is_second(conn))
			ack_note_second(conn);
	} else if (is_worth_note(conn, seq)) {
		note_with_sack(conn);
	}
}

/*
 * A super-frame of `count` segments has come, which will move rcv.nxt on by `step` a segment (0: it is out of order): an
 * ACK for each but the last, whose ACK the caller asks for when all is taken.
 */
void ack_note_each(struct tcp_conn *conn, uint32_t count, uint32_t step)
{
	const struct ack_notes *notes = conn->rx->notes;
	unsigned used = notes ? notes->end - notes->first : 0;
	const uint64_t nxt = conn->rcv.nxt;

	for (; count > 1 && used < EACH_MAX; count--, used++) {
		conn->rcv.nxt += step;
		conn_ack_now(conn, TEE_WHY_ACK_OUT_OF_ORDER);
		note_with_sack(conn);
	}
	conn->rcv.nxt = nxt;
}

bool ack_note_frame(struct tcp_conn *conn, struct tee_frame *frame)
{
	struct ack_notes *notes = conn->rx ? conn->rx->notes : NULL;
	struct ack_note note;

	if (!notes)
		return false;
	note = notes->notes[notes->first++];
	if (notes->first == notes->end) {
		ack_notes_free(conn);
		if (!conn->ack_why && conn->rcv.nxt != conn->rcv.acked)
			conn->ack_why = note.why;
	}
	frame_init(frame);
	segment_out_note(conn, &note, frame);
	return true;
}
