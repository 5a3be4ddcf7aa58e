/* SPDX-License-Identifier: MIT */
/*
 * The segment size of a connection: what peer, interface and path admit, and the search for what the path
 * really takes (packetization-layer path MTU discovery, RFC 4821; RFC 8899 for how often a size is tried). Which
 * size comes next is mtu_probe.c's; here is when, and what an ACK or a loss says of it.
 *
 * A probe is one segment of new text, larger than the others, plain and with DF. It leaves when the flight is
 * large enough that its loss is told by SACK, and when enough follows it; losses among the others are then told
 * apart from its own. Lost alone it is no sign of congestion (RFC 4821 7.6.2): nothing is told to the controller, and its
 * text is sent again at the old size. Lost beside others it proves nothing, and the others count as always.
 *
 * The search runs with config.tcp_mtu_probing: 2 from the first segment, 1 once timeouts in a row made a black hole
 * likely (expire.c).
 */
#include <stdlib.h>

#include "tcp/conn.h"

/* RFC 4821 7.4: a flight that a lost probe does not leave without ACKs. */
enum { PROBE_CWND_SEGS = 11 };

/* ---- the size in use ---- */

/* Effective send MSS (MUST-16, RFC 9293 3.7.1): the peer's, the path's, less every-segment options. */
static uint32_t mss_admitted(const struct tcp_conn *conn, uint32_t *ret_path_mss)
{
	uint32_t headers = (conn_is4(conn) ? IP4_HEADER_LEN : IP6_HEADER_LEN) + TCP_HEADER_LEN +
			   conn_route_len(conn);
	uint32_t path_mss = conn->path.mtu > headers ? conn->path.mtu - headers : 1;
	uint32_t mss = MIN(conn->snd.peer_mss, path_mss);

	if (conn->settings->s.maxseg)
		mss = MIN(mss, conn->settings->s.maxseg);
	if (conn_has(conn, CONN_HAS_TS))
		mss -= MIN(mss, 12u);
	*ret_path_mss = path_mss;
	return MIN(mss, 65535u);
}

/* What the search, or the suspicion of a black hole, leaves of it; 0: all. */
static uint32_t mss_believed(const struct tcp_conn *conn)
{
	if (conn->tx)
		return conn->tx->mtu ? conn->tx->mtu->low : 0;
	return conn_config(conn)->tcp_mtu_probing == 2 ? conn_config(conn)->tcp_base_mss : 0;
}

void conn_update_mss(struct tcp_conn *conn)
{
	uint32_t path_mss, mss = mss_admitted(conn, &path_mss), believed = mss_believed(conn);

	if (believed)
		mss = MIN(mss, believed);
	mss = MAX(MAX(mss, MIN(conn_config(conn)->tcp_min_snd_mss, path_mss)), 1u);
	conn->snd.mtu_seen = (uint16_t)MIN(conn->path.mtu, 65535u);
	if (mss == conn->snd.mss)
		return;
	conn->snd.mss = (uint16_t)MIN(mss, 65535u);
	if (conn->tx)
		cc_set_mss(&conn->tx->cc, conn->snd.mss);
}

bool mtu_search_start(struct tcp_tx *tx, uint32_t low)
{
	if (!tx->mtu)
		tx->mtu = malloc(sizeof(*tx->mtu));
	if (tx->mtu)
		mtu_probe_start(tx->mtu, low);
	return tx->mtu != NULL;
}

void mtu_search_suspect(struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	const struct send_record *first = sendmap_first(&conn->tx->map);
	bool probing = config->tcp_mtu_probing != 0;
	uint32_t base = probing ? config->tcp_base_mss : config->tcp_black_hole_mss;
	uint32_t floor = config->tcp_min_snd_mss, most = base;

	if (!base)
		return;
	if (probing)
		floor = MAX(floor, config->tcp_mtu_probe_floor);
	/* Nothing larger is in use than what the search has found: the half of that. */
	if (conn->tx->mtu)
		most = MAX(MIN(base, conn->tx->mtu->low / 2), floor);
	if (conn->snd.mss <= most || first->end - first->start <= most ||
	    !mtu_search_start(conn->tx, most))
		return;
	count(conn_engine(conn), COUNT_TCP_BLACK_HOLES);
	conn_update_mss(conn);
}

/* ---- sending a probe ---- */

/* The path is calm, and what a loss would tell can be heard. */
static bool is_calm(const struct tcp_conn *conn)
{
	const struct tcp_tx *tx = conn->tx;

	return tx->recovery == TEE_RECOVERY_OPEN && !tx->map.sacked_bytes && !tx->map.lost_bytes &&
	       !tx->rack.tlp_end && conn_has(conn, CONN_HAS_SACK) &&
	       conn->ecn->mode != ECN_MODE_ACCURATE && !segment_has_sack_news(conn) &&
	       segment_has_df(conn);
}

uint32_t mtu_search_size(struct tcp_conn *conn, uint64_t unsent)
{
	const struct tee_config *config = conn_config(conn);
	struct tcp_tx *tx = conn->tx;
	uint32_t path_mss, mss = conn->snd.mss, size;
	uint64_t behind = (uint64_t)(tx->reordering_segs + 1) * mss;
	uint64_t edge = conn->snd.una + conn->snd.wnd, room;
	struct mtu_probe_limits limits;

	if (!config->tcp_mtu_probing || tx->mtu->end ||
	    tx->cc.cwnd_bytes < (uint64_t)PROBE_CWND_SEGS * mss || !is_calm(conn))
		return 0;
	/* The probe, and as many segments behind it as it takes to tell its loss. */
	room = MIN(MIN(unsent, tx->cc.cwnd_bytes), edge > conn->snd.nxt ? edge - conn->snd.nxt : 0);
	if (room <= behind)
		return 0;
	limits = (struct mtu_probe_limits){
		.most = mss_admitted(conn, &path_mss),
		.room = (uint32_t)MIN(room - behind, UINT32_MAX),
		.threshold = config->tcp_mtu_probe_threshold,
		.interval_ns = config->tcp_mtu_probe_interval_ns,
		.now_ns = conn_now(conn),
	};
	size = mtu_probe_next(tx->mtu, &limits);
	return size > mss && byteq_next_eor(&conn->sndq, conn->snd.nxt, size) - conn->snd.nxt ==
				       size
		       ? size
		       : 0;
}

void mtu_search_on_sent(struct tcp_conn *conn, uint64_t start)
{
	/* Cut where a frame has no place for more pieces: a probe all the same, if it is still the larger one. */
	if (conn->snd.nxt - start <= conn->snd.mss)
		return;
	mtu_probe_sent(conn->tx->mtu, start, conn->snd.nxt);
	count(conn_engine(conn), COUNT_TCP_MTU_PROBES);
}

/* ---- what becomes of it ---- */

void mtu_search_on_ack(struct tcp_conn *conn)
{
	struct mtu_probe *probe = conn->tx->mtu;

	if (conn->snd.una < probe->end)
		return;
	if (!probe->size) {
		mtu_probe_mended(probe);
		return;
	}
	mtu_probe_passed(probe);
	count(conn_engine(conn), COUNT_TCP_MTU_PROBES_PASSED);
	conn_update_mss(conn);
	trace_cc(conn, "path MTU probe passed");
}

/* Bytes of the probe's range that were lost once and not a second time. */
static uint64_t lost_of_probe(const struct tcp_conn *conn)
{
	const struct mtu_probe *probe = conn->tx->mtu;
	const struct send_record *record;
	uint64_t bytes = 0;

	if (!probe || !probe->end || !conn->tx->map.lost_bytes)
		return 0;
	record = sendmap_find(&conn->tx->map, MAX(probe->start, conn->snd.una));
	for (; record && record->start < probe->end; record = sendmap_next(record))
		if ((record->flags & SENT_LOST) &&
		    (record->xmit_count == 1 || (record->flags & SENT_RETRANS)))
			bytes += record->end - record->start;
	return bytes;
}

uint64_t mtu_search_congestion_bytes(const struct tcp_conn *conn)
{
	return conn->tx->map.lost_bytes - lost_of_probe(conn);
}

/* It goes again as segments of the size in use. Without memory the whole is cut as it leaves. */
static void cut(struct tcp_conn *conn)
{
	struct sendmap *map = &conn->tx->map;
	struct send_record *record = sendmap_find(map, MAX(conn->tx->mtu->start, conn->snd.una));
	uint32_t mss = conn->snd.mss;

	while (record && record->start < conn->tx->mtu->end) {
		if (record->end - record->start > mss)
			record = sendmap_split(map, record, record->start + mss);
		else
			record = sendmap_next(record);
	}
}

static void fail(struct tcp_conn *conn)
{
	mtu_probe_failed(conn->tx->mtu);
	count(conn_engine(conn), COUNT_TCP_MTU_PROBES_LOST);
	trace_cc(conn, "path MTU probe lost");
	cut(conn);
	conn_mark_due(conn);
}

bool mtu_search_on_losses(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t lost;

	if (!tx->mtu || !tx->mtu->size)
		return false;
	lost = lost_of_probe(conn);
	if (!lost)
		return false;
	if (tx->recovery <= TEE_RECOVERY_DISORDER && tx->map.lost_bytes == lost) {
		fail(conn);
		return true;
	}
	mtu_probe_unknown(tx->mtu);
	return false;
}

void mtu_search_on_mtu(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	struct send_record *record;
	uint32_t path_mss;

	if (!tx->mtu || !tx->mtu->size || tx->mtu->size <= mss_admitted(conn, &path_mss))
		return;
	record = sendmap_find(&tx->map, MAX(tx->mtu->start, conn->snd.una));
	for (; record && record->start < tx->mtu->end; record = sendmap_next(record))
		if (!(record->flags & SENT_SACKED))
			(void)sendmap_mark_lost(&tx->map, record);
	fail(conn);
}

void mtu_search_on_retransmit(struct tcp_conn *conn, const struct send_record *record)
{
	struct mtu_probe *probe = conn->tx->mtu;

	if (probe && probe->size && record->start < probe->end && record->end > probe->start)
		mtu_probe_unknown(probe);
}
