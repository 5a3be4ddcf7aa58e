"""Bugs planted for the random worlds to find: where they are, and what is wrong.

Each is (name, what is wrong, file, text as it stands, text instead). The text must stand in the file
exactly once; when the code changes, the bug is changed with it. They are of the kind that a clean
wire never shows.
"""

PLANTED = [
    ("split-off-by-one", "a record of the send map is split one byte too far to the right",
     "src/tcp/loss/sendmap.c",
     "	CHECK(at > record->start && at < record->end);\n	right = malloc(sizeof(*right));",
     "	at += at + 1 < record->end;\n	right = malloc(sizeof(*right));"),
    ("split-leaves-a-hole", "the left part of a split record ends one byte early",
     "src/tcp/loss/sendmap.c",
     "	record->end = at;\n	record->segs = segs_of(record_len(record), record->mss);\n"
     "	record->flags &=",
     "	record->end = at - 1;\n	record->segs = segs_of(record_len(record), record->mss);\n"
     "	record->flags &="),
    ("undo-forgets-ssthresh", "a reduction is taken back, but for the slow-start threshold",
     "src/tcp/cc/cc.c",
     "	cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, cc->prior_ssthresh_bytes);\n",
     ""),
    ("hole-merged", "out-of-order ranges are joined across the hole between them",
     "src/tcp/reassembly.c",
     "		if (!next || next->bytes.start != at)\n			break;\n",
     "		if (!next || next->bytes.start > at + 1500)\n			break;\n"),
    ("rack-too-early", "RACK takes for lost what left at one instant with the newest one delivered",
     "src/tcp/loss/rack.c",
     "	return at1_ns > at2_ns || (at1_ns == at2_ns && end1 > end2);",
     "	return at1_ns > at2_ns || (at1_ns == at2_ns && end1 != end2);"),
    ("fin-counted-twice", "a FIN occupies two sequence numbers",
     "src/tcp/receive.c",
     "	conn->rcv.nxt++;\n	conn->flags |= CONN_FIN_RECEIVED;",
     "	conn->rcv.nxt += 2;\n	conn->flags |= CONN_FIN_RECEIVED;"),
    ("window-update-lost", "the application reads, and the peer is not told of the room",
     "src/tcp/receive.c",
     "if (could && could >= 2 * offered)",
     "if (could && could >= 2 * offered && conn->rcv.nxt == 0)"),
    ("timer-not-rearmed", "an ACK of a part stops the retransmission timer for good",
     "src/tcp/timers.c",
     "		tx->first_timeout_at_ns = 0;\n		timers_arm_rto(conn);\n",
     "		tx->first_timeout_at_ns = 0;\n		timers_clear(conn, CONN_RTO);\n"),
    ("no-window-probe", "a window that stays shut is never asked about",
     "src/tcp/timers.c",
     "	timers_set(conn, CONN_PERSIST, deadline);\n",
     "	if (wait == 0)\n		timers_set(conn, CONN_PERSIST, deadline);\n"),
    ("prr-overshoots", "rate reduction fills the pipe beyond the threshold",
     "src/tcp/loss/prr.c",
     "		send_bytes = MIN(send_bytes, ssthresh_bytes - pipe_bytes);\n",
     "		send_bytes = MAX(send_bytes, 2 * ssthresh_bytes - pipe_bytes);\n"),
    ("old-window-stays", "a recovery that begins with an ACK of nothing new sends the old window once more",
     "src/tcp/recovery.c",
     "		if (newly_delivered || begins) {",
     "		if (newly_delivered) {"),
    ("overlap-kept", "what comes in order and overlaps what came before is not cut",
     "src/tcp/receive.c",
     "		text->off += (uint32_t)old;\n		text->start += old;\n",
     "		text->start += old;\n"),
    ("resent-from-elsewhere", "a retransmission carries the bytes behind its own",
     "src/tcp/output.c",
     "	out.len = put_payload(conn, frame, start, bytes, mss);\n	if (out.len < bytes)\n"
     "		end = start + out.len;",
     "	out.len = put_payload(conn, frame, start + (bytes > 1 && start + bytes < "
     "conn->sndq.end), bytes, mss);\n	if (out.len < bytes)\n		end = start + out.len;"),
    ("records-leaked", "what was in flight when a connection ended is never freed",
     "src/tcp/loss/sendmap.c",
     "	while ((node = rb_first(&map->tree)))\n		record_free(map, record_of(node));\n"
     "	sendmap_init(map, map->nxt);",
     "	node = NULL;\n	sendmap_init(map, map->nxt);"),
]
