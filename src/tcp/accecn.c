/* SPDX-License-Identifier: MIT */
/*
 * Accurate ECN feedback (RFC 9768), once the handshake has agreed on it (ecn.c).
 *
 * As receiver we count the packets that came with CE (r.cep) and the octets of text by codepoint. The three low bits
 * of r.cep go into the ACE field of every segment (3.2.2), the octets into an option (3.2.3): on every segment that
 * has room, or, by `tcp_accecn_option`, only after the codepoint changed and a few times a round trip. The option is
 * sent in order 1. A change of the codepoint, and every second mark, is acknowledged at once (3.2.2.5.1); bare
 * ACKs that are marked, every third.
 *
 * As sender we follow the peer's counters. Three bits wrap: when an ACK delivers more than seven segments, the octets
 * tell how often; without them as many marks are presumed as there may have been (3.2.2.5.2, A.2), unless such ACKs are
 * the rule here, as with a receiver that merges what it gets.
 *
 * What can't be believed is given up for good: `fails` and `is_deaf` (3.2.2.3, 3.2.2.4, 3.2.3.2.4, 3.2.3.2.5). What
 * arrives is told to the peer in any case.
 *
 * The one departure from the letter: a zero in the first counter after the handshake is held for zeroed only when
 * fewer than three segments were delivered with it, since three marks make it a zero too (3.2.2.4 is a MAY).
 */
#include "tcp/accecn.h"

#include <teeceepee/config.h>
#include "base/check.h"

enum {
	CEP_START = 5, /* RFC 9768 3.2.1 */
	ACE_MASK = 7,
	CE_ACK_EVERY = 2,      /* 3.2.2.5.1: an ACK for every second CE mark */
	CE_ACK_EVERY_BARE = 3, /* and for every third on bare ACKs */
	COUNTER_MASK = 0xffffff,
	OPTION_BYTES_MAX = 1 << 22, /* 3.2.3.3: a counter is told before it has grown by so much */
	OPTION_REPEATS = 2,
	SEGS_PER_ACK_POINT = 6, /* bits behind the point, and the weight of the past */
	SEGS_PER_ACK_MERGED = 4,
};

/* What the counters on the wire begin with: not zero, so that a zeroed option shows. */
static const uint32_t bytes_start[4] = {[ECN_ECT1] = 1, [ECN_ECT0] = 1};
/* 3.2.3, table 5. */
static const uint8_t codepoint_of_field[2][3] = {
	{ECN_ECT0, ECN_CE, ECN_ECT1},
	{ECN_ECT1, ECN_CE, ECN_ECT0},
};

uint8_t accecn_handshake_ace(uint8_t ip_ecn)
{
	static const uint8_t ace[4] = {
		[ECN_NOT_ECT] = 2,
		[ECN_ECT1] = 3,
		[ECN_ECT0] = 4,
		[ECN_CE] = 6,
	};

	return ace[ip_ecn & ECN_MASK];
}

void accecn_start(struct ecn *ecn, uint8_t ip_ecn)
{
	ecn->ce_packets_in = ecn->ce_packets_acked = CEP_START;
	ecn->last_ip_ecn = ip_ecn & ECN_MASK;
	/* 3.2.3.2.1: the first ACK and the first data test whether options get through. */
	ecn->options_due = OPTION_REPEATS;
}

/* ---- as receiver ---- */

void ecn_on_syn_ack_again(struct ecn *ecn, uint16_t syn_ack_flags, uint8_t ip_ecn)
{
	unsigned ace = ace_of_flags(syn_ack_flags);

	/* 3.2.2.1: the handshake's encoding again, for one that agrees to AccECN. */
	if (ecn->mode != ECN_MODE_ACCURATE || ace <= 1 || ace == 7)
		return;
	ip_ecn &= ECN_MASK;
	ecn->handshake_ace = accecn_handshake_ace(ip_ecn);
	if (ip_ecn == ECN_CE && ecn->ce_packets_in == CEP_START)
		ecn->ce_packets_in++;
}

static void count_bytes(struct ecn *ecn, uint8_t ip_ecn, uint32_t len)
{
	uint32_t before = ecn->bytes_in[ip_ecn];

	if (!len || ip_ecn == ECN_NOT_ECT)
		return;
	ecn->bytes_in[ip_ecn] += len;
	for (uint8_t i = 0; i < 3; i++)
		if (codepoint_of_field[1][i] == ip_ecn)
			ecn->fields_changed = MAX(ecn->fields_changed, (uint8_t)(i + 1));
	if ((ecn->bytes_in[ip_ecn] ^ before) & ~(uint32_t)(OPTION_BYTES_MAX - 1))
		ecn->options_due = MAX(ecn->options_due, (uint8_t)1);
}

bool ecn_count(struct ecn *ecn, uint8_t ip_ecn, uint32_t len, uint32_t segs)
{
	bool is_edge;

	if (ecn->mode != ECN_MODE_ACCURATE)
		return false;
	ip_ecn &= ECN_MASK;
	is_edge = ip_ecn != ecn->last_ip_ecn;
	ecn->last_ip_ecn = ip_ecn;
	ecn->seen_ect |= ip_ecn != ECN_NOT_ECT;
	count_bytes(ecn, ip_ecn, len);
	if (ip_ecn == ECN_CE) {
		ecn->ce_packets_in += segs;
		ecn->ce_unacked = (uint8_t)MIN(ecn->ce_unacked + segs, UINT8_MAX);
	}
	/* 3.2.3.3: a change is told twice, so that the second tells which counter goes on growing. */
	if (is_edge || ip_ecn == ECN_CE)
		ecn->options_due = OPTION_REPEATS;
	if (!len)
		return ip_ecn == ECN_CE && ecn->ce_unacked >= CE_ACK_EVERY_BARE;
	return is_edge || ecn->ce_unacked >= CE_ACK_EVERY;
}

uint32_t ecn_received_ce(const struct ecn *ecn)
{
	return ecn->mode == ECN_MODE_ACCURATE ? ecn->ce_packets_in - CEP_START : 0;
}

uint16_t accecn_out_flags(struct ecn *ecn)
{
	unsigned ace = ecn->handshake_ace ? ecn->handshake_ace : ecn->ce_packets_in & ACE_MASK;

	ecn->handshake_ace = 0;
	ecn->ce_unacked = 0;
	return flags_of_ace(ace);
}

bool ecn_wants_option(const struct ecn *ecn, int policy, uint64_t now_ns, uint64_t beacon_ns)
{
	if (policy == TEE_ACCECN_OPTION_NEVER)
		return false;
	return policy == TEE_ACCECN_OPTION_ALWAYS || ecn->options_due ||
	       (beacon_ns && now_ns - ecn->option_sent_ns >= beacon_ns);
}

void ecn_fill_option(const struct ecn *ecn, struct tcp_options *options)
{
	options->has_accecn = true;
	options->accecn_order = 1;
	options->accecn_count = 3;
	options->accecn_min = ecn->fields_changed;
	for (unsigned i = 0; i < 3; i++) {
		unsigned codepoint = codepoint_of_field[1][i];

		options->accecn[i] = (ecn->bytes_in[codepoint] + bytes_start[codepoint]) &
				     COUNTER_MASK;
	}
}

void ecn_fill_syn_ack_option(struct tcp_options *options)
{
	const struct ecn fresh = {0};

	ecn_fill_option(&fresh, options);
}

void ecn_on_option_sent(struct ecn *ecn, uint64_t now_ns)
{
	ecn->fields_changed = 0;
	ecn->option_sent_ns = now_ns;
	if (ecn->options_due)
		ecn->options_due--;
}

/* ---- as sender ---- */

/* 3.2.3.2.4: the first option. A counter of ECT octets that is zero was zeroed on the way. */
static uint8_t judge_first_option(const struct tcp_options *options)
{
	if (!options->accecn_count)
		return ECN_OPTION_EMPTY;
	if (!options->accecn[0] || (options->accecn_count == 3 && !options->accecn[2]))
		return ECN_OPTION_ZEROED;
	return ECN_OPTION_COUNTERS;
}

/* Follows the peer's counters; false: one of them went back. */
static bool follow_counters(struct ecn *ecn, const struct tcp_options *options)
{
	unsigned changed = 0;
	bool went_back = false;

	for (unsigned i = 0; i < options->accecn_count; i++) {
		unsigned codepoint = codepoint_of_field[options->accecn_order & 1][i];
		uint32_t step = (options->accecn[i] - bytes_start[codepoint] -
				 ecn->bytes_acked[codepoint]) &
				COUNTER_MASK;

		if (!step)
			continue;
		/* A step of half the range is one backwards. */
		if (step > COUNTER_MASK / 2) {
			step -= COUNTER_MASK + 1;
			went_back = true;
		}
		ecn->bytes_acked[codepoint] += step;
		ecn->growing = (uint8_t)codepoint;
		changed++;
	}
	if (changed > 1 || went_back)
		ecn->growing = 0;
	return !went_back;
}

/*
 * The option, or what is to be presumed without it: that the counter which alone grew before goes on
 * growing. Returns whether the octets by codepoint can be relied on.
 */
static bool take_option(struct ecn *ecn, const struct ecn_ack *ack)
{
	if (ecn->fails & ECN_FAIL_OPTION_RECV)
		return false;
	if (!ack->options->has_accecn) {
		if (!ecn->growing)
			return false;
		ecn->bytes_acked[ecn->growing] += ack->bytes;
		return true;
	}
	if (ecn->option_seen < ECN_OPTION_COUNTERS) {
		ecn->option_seen = judge_first_option(ack->options);
		if (ecn->option_seen == ECN_OPTION_ZEROED) {
			ecn->fails |= ECN_FAIL_OPTION_RECV;
			return false;
		}
	}
	return follow_counters(ecn, ack->options);
}

void accecn_on_syn_ack(struct ecn *ecn, unsigned ace, uint8_t ip_ecn,
		       const struct tcp_options *options)
{
	const struct ecn_ack ack = {.options = options};

	ecn->handshake_ace = accecn_handshake_ace(ip_ecn);
	/* 3.2.2.2: the only packet of a handshake that r.cep counts. */
	if (ip_ecn == ECN_CE)
		ecn->ce_packets_in++;
	/* 3.2.2.3: our SYNs are Not-ECT, and it came as something else. 5 is reserved, and passes. */
	if (ace != accecn_handshake_ace(ECN_NOT_ECT) && ace != 5)
		ecn->fails |= ECN_FAIL_ACE_RECV;
	(void)take_option(ecn, &ack);
}

/* How many segments the peer acknowledges at once, as a rule. */
static void note_segs_per_ack(struct ecn *ecn, uint32_t segs)
{
	uint32_t sample = MIN(segs, 1000u) << SEGS_PER_ACK_POINT;

	if (!segs)
		return;
	if (!ecn->segs_per_ack)
		ecn->segs_per_ack = sample;
	else
		ecn->segs_per_ack += sample / (1 << SEGS_PER_ACK_POINT) -
				     ecn->segs_per_ack / (1 << SEGS_PER_ACK_POINT);
}

/* A.2: `step` marks or 8, 16 … more; `ce_bytes` of what was delivered were marked, if that `is_known`. */
static uint32_t marks_of_step(const struct ecn *ecn, const struct ecn_ack *ack, uint32_t step,
			      bool is_known, uint32_t ce_bytes)
{
	uint32_t safe, share;

	if (ack->segs <= ACE_MASK)
		return step;
	safe = ack->segs - ((ack->segs - step) & ACE_MASK);
	if (!is_known)
		return ecn->segs_per_ack > SEGS_PER_ACK_MERGED << SEGS_PER_ACK_POINT ? step : safe;
	if (!ce_bytes)
		return step;
	if (ack->segs >= 2 * (ACE_MASK + 1)) {
		if (ce_bytes >= ack->bytes)
			return safe;
		share = (uint32_t)(((uint64_t)ce_bytes * ack->segs + ack->bytes - 1) / ack->bytes);
		return MIN(safe, step + (share & ~(uint32_t)ACE_MASK));
	}
	if (ce_bytes > step * ack->mss)
		return safe;
	return ce_bytes < safe * ack->mss / 2 ? step : safe;
}

/* 3.2.2.1, table 4: the ACK that ends the handshake says in which state our SYN-ACK arrived. */
static uint32_t take_handshake(struct ecn *ecn, unsigned ace)
{
	if (ace == 0) {
		/* Note 1: the peer isn't in AccECN mode, or the path clears the bits. */
		ecn->fails |= ECN_FAIL_ACE_RECV;
		ecn->is_deaf = true;
		return 0;
	}
	/* 3.2.2.3: our SYN-ACKs are Not-ECT, and it came as something else. */
	if (ace == accecn_handshake_ace(ECN_ECT0) || ace == accecn_handshake_ace(ECN_ECT1) ||
	    ace == accecn_handshake_ace(ECN_CE))
		ecn->fails |= ECN_FAIL_ACE_RECV;
	if (ace != accecn_handshake_ace(ECN_CE))
		return 0;
	ecn->ce_packets_acked++;
	return 1;
}

/* 3.2.2.4 and 3.2.3.2.5: does the field look as if something on the path had written it? */
static void look_for_mangling(struct ecn *ecn, unsigned ace, const struct ecn_ack *ack,
			      uint32_t ce_bytes)
{
	if (!ecn->had_feedback && ack->segs) {
		ecn->had_feedback = true;
		if (ace == 0 && ack->segs < 8 - CEP_START) {
			ecn->fails |= ECN_FAIL_ACE_RECV;
			ecn->is_deaf = true;
		}
	}
	if (ack->options->has_accecn && ecn->option_seen == ECN_OPTION_COUNTERS) {
		if (ce_bytes && !ecn->marks_since_option && ack->segs <= ACE_MASK)
			ecn->fails |= ECN_FAIL_ACE_RECV;
		ecn->marks_since_option = 0;
	}
}

uint32_t accecn_on_ack(struct ecn *ecn, const struct ecn_ack *ack, uint32_t *ret_bytes)
{
	unsigned ace = ace_of_flags(ack->flags);
	uint32_t marks, ce_bytes, ce_before = ecn->bytes_acked[ECN_CE];
	bool is_known;

	if (ecn->awaits_handshake) {
		ecn->awaits_handshake = false;
		if (ack->is_pure) {
			(void)take_option(ecn, ack);
			marks = take_handshake(ecn, ace);
			*ret_bytes = marks * ack->mss;
			return marks;
		}
	} else if (!ack->is_news || ecn->is_deaf) {
		/* It may be an old ACK with an old counter; a newer one will tell. */
		return 0;
	}
	is_known = take_option(ecn, ack);
	ce_bytes = is_known ? ecn->bytes_acked[ECN_CE] - ce_before : 0;
	marks = marks_of_step(ecn, ack, (ace - ecn->ce_packets_acked) & ACE_MASK, is_known,
			      ce_bytes);
	note_segs_per_ack(ecn, ack->segs);
	ecn->ce_packets_acked += marks;
	ecn->marks_since_option += marks;
	look_for_mangling(ecn, ace, ack, ce_bytes);
	if (ecn->is_deaf)
		return 0;
	*ret_bytes = ce_bytes ? ce_bytes : marks * ack->mss;
	return marks;
}
