"""The mutations: what is broken on purpose, where, and how.

Each is (name, what a user would suffer, file, text as it stands, text instead). The text must stand
in the file exactly once; when the code changes, the mutation is changed with it.
"""

MUTANTS = [
    ("no-karn", "a round trip is sampled from the ACK of a segment that was sent twice",
     "src/tcp/loss/sendmap.c",
     """	if (record->flags & SENT_EVER_RETRANS)
		return;
	if (!*first_ns)""",
     """	if (!*first_ns)"""),
    ("ack-of-unsent", "an ACK of data that was never sent is believed",
     "src/tcp/ack.c",
     "if (seg->ack > (int64_t)conn->snd.nxt) {",
     "if (seg->ack > (int64_t)conn->snd.nxt + 1000000) {"),
    ("window-stays-shut", "a window that the peer closed is never taken for open again",
     "src/tcp/ack.c",
     "	conn->snd.wnd = wnd;\n",
     "	if (conn->snd.wnd)\n		conn->snd.wnd = wnd;\n"),
    ("no-window-update", "the application reads, and the peer is not told of the room",
     "src/tcp/receive.c",
     "if (could && could >= 2 * offered)",
     "if (could && could >= 2 * offered && conn->rcv.nxt == 0)"),
    ("fin-without-number", "a FIN that came occupies no sequence number",
     "src/tcp/receive.c",
     "	conn->rcv.nxt++;\n	conn->flags |= CONN_FIN_RECEIVED;",
     "	conn->flags |= CONN_FIN_RECEIVED;"),
    ("no-back-off", "every timeout is as long as the first",
     "src/tcp/expire.c",
     "	rto_back_off(&tx->rto); /* RFC 6298 5.5 */\n",
     ""),
    ("no-slow-start", "a timeout only halves the congestion window",
     "src/tcp/recovery.c",
     "	tx->cc.cwnd_bytes = recovery_pipe(conn) + tx->cc.mss;\n	tx->recover = conn->snd.nxt;",
     "	tx->cc.cwnd_bytes = tx->cc.ssthresh_bytes;\n	tx->recover = conn->snd.nxt;"),
    ("no-nagle", "small segments never wait",
     "src/tcp/output.c",
     "	return conn->snd.small_end <= conn->snd.una;",
     "	return true;"),
    ("lazy-ack", "a delayed ACK waits half a second longer",
     "src/tcp/receive.c",
     "	delay_ns = conn->rcv.ato_ms * TEE_NS_PER_MS;",
     "	delay_ns = (conn->rcv.ato_ms + 500) * TEE_NS_PER_MS;"),
    ("any-reset", "a reset anywhere in the window ends the connection",
     "src/tcp/validate.c",
     """	if (seg->seq == (int64_t)conn->rcv.nxt)
		return true;
	if (conn->ooo""",
     """	if (seg->seq >= (int64_t)conn->rcv.nxt)
		return true;
	if (conn->ooo"""),
    ("no-paws", "a segment of an earlier wrap of the numbers is taken",
     "src/tcp/validate.c",
     "	if (!tstamp_paws_rejects(&conn->ts, seg->h.options.ts_val, conn_now(conn)))\n"
     "		return true;",
     "	if (seg->h.options.has_ts)\n		return true;"),
    ("out-of-order-dropped", "data beyond a hole is thrown away",
     "src/tcp/receive.c",
     "	if (len) {\n		if (!conn->ooo) {",
     "	if (len && config->tcp_sack && config->tcp_ooo_ranges_max == 1) {\n"
     "		if (!conn->ooo) {"),
    ("short-time-wait", "TIME-WAIT lasts one segment lifetime instead of two",
     "src/tcp/tcp.c",
     "2 * engine->config.tcp_msl_ns",
     "engine->config.tcp_msl_ns"),
    ("checksum-unread", "a corrupted segment is a segment",
     "src/tcp/input.c",
     "	if (!checksum_is_good(packet)) {",
     "	if (!checksum_is_good(packet) && packet->to_group) {"),
    ("probe-too-often", "a closed window is probed at a steady pace",
     "src/tcp/expire.c",
     "		tx->probe_backoff++;\n",
     "		tx->probe_backoff = 1;\n"),
]
