/* SPDX-License-Identifier: MIT */
/* An impaired wire: every fault at the rate that was asked for, the same for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <teeceepee/link.h>
#include "counter.h"
#include "frames.h"

enum { COUNT = 20000, PAYLOAD = 100, FRAME_LEN = 14 + 20 + 8 + PAYLOAD };

struct arrival {
	uint32_t number;
	uint64_t at_ns;
	bool is_good;
};

/* What came out of one run. */
struct run {
	unsigned count;
	struct arrival *arrivals;
	struct tee_link *near, *far; /* near is impaired */
	struct tee_pool *pool;
};

static uint8_t bytes[FRAME_MAX];

static void number_frame(uint8_t *frame, uint32_t number)
{
	const struct frame_spec spec = {.version = 4, .is_udp = 1, .payload = PAYLOAD};

	make_frame(frame, &spec);
	put32(frame + 42, number);
	put16(frame + 40, 0);
	put16(frame + 40,
	      ~sum16(pseudo16(frame + 14, 17, 8 + PAYLOAD), frame + 34, 8 + PAYLOAD) & 0xffff);
}

static void run_begin(struct run *run, const char *text, unsigned offloads)
{
	struct tee_impairment impairment;
	struct tee_link *ends[2];
	char error[TEE_LINK_ERROR_SIZE];

	memset(run, 0, sizeof(*run));
	run->arrivals = calloc(3 * COUNT, sizeof(*run->arrivals));
	run->pool = tee_pool_new(0);
	assert_int_equal(tee_impairment_parse(text, &impairment, error), 0);
	assert_int_equal(tee_link_wire_pair(1500, offloads, ends), 0);
	ends[0]->info.far_gso_bytes_max = 100000;
	assert_int_equal(tee_link_impair(ends[0], &impairment, &run->near), 0);
	/* Longer than what it can cut. */
	assert_int_equal(run->near->info.far_gso_bytes_max, 0);
	run->far = ends[1];
}

static void run_end(struct run *run)
{
	tee_link_close(run->near);
	tee_link_close(run->far);
	tee_pool_free(run->pool);
	free(run->arrivals);
}

/* Takes everything that has arrived at `to` by now_ns. */
static void collect(struct run *run, struct tee_link *to, uint64_t now_ns)
{
	struct tee_pkt *pkts[64];
	int n;

	while ((n = to->ops->recv(to, run->pool, pkts, 64, now_ns)) > 0)
		for (int i = 0; i < n; i++) {
			const uint8_t *frame = tee_pkt_bytes(pkts[i]);

			assert_true(run->count < 3 * COUNT);
			run->arrivals[run->count++] =
				(struct arrival){get32(frame + 42), now_ns,
						 pkts[i]->len == FRAME_LEN &&
							 checksums_are_good(frame, pkts[i]->len)};
			tee_pkt_release(pkts[i]);
		}
	assert_int_equal(n, 0);
}

/* Lets time pass until nothing more is on its way. */
static void drain(struct run *run, struct tee_link *to)
{
	uint64_t due_ns;

	while ((due_ns = run->near->ops->deadline(run->near)) != TEE_NEVER) {
		run->near->ops->send(run->near, NULL, 0, due_ns);
		collect(run, to, due_ns);
	}
	collect(run, to, 1);
}

/* Sends COUNT numbered frames, one each `gap_ns`, out of the impaired end, or towards it. */
static void send_numbers(struct run *run, bool towards, uint64_t gap_ns)
{
	struct tee_link *from = towards ? run->far : run->near;
	struct tee_link *to = towards ? run->near : run->far;
	struct tee_frame frame;

	for (uint32_t i = 0; i < COUNT; i++) {
		uint64_t now_ns = i * gap_ns;

		number_frame(bytes, i);
		frame_of_bytes(&frame, bytes, FRAME_LEN);
		assert_int_equal(from->ops->send(from, &frame, 1, now_ns), 1);
		collect(run, to, now_ns);
	}
	drain(run, to);
}

/* Five standard deviations of a count with that probability; the seed is fixed, so it holds or it doesn't. */
static void assert_share(uint64_t count, double probability)
{
	double expected = COUNT * probability, variance = expected * (1 - probability);
	double difference = (double)count - expected;

	if (difference * difference > 25 * variance + 1)
		fail_msg("%llu of %d, expected about %.0f", (unsigned long long)count, COUNT,
			 expected);
}

static void faults_come_at_their_rate(void **state)
{
	for (int towards = 0; towards < 2; towards++) {
		const char *way = towards ? "rx" : "tx";
		char name[64];
		struct run run;
		uint64_t lost, duplicated, corrupted, good = 0;

		run_begin(&run, "loss=10%,duplicate=5%,corrupt=2%,seed=3", 0);
		send_numbers(&run, towards, 1000);
		snprintf(name, sizeof(name), "impair.%s_lost", way);
		lost = link_counter(run.near, name);
		snprintf(name, sizeof(name), "impair.%s_duplicated", way);
		duplicated = link_counter(run.near, name);
		snprintf(name, sizeof(name), "impair.%s_corrupted", way);
		corrupted = link_counter(run.near, name);
		assert_share(lost, 0.10);
		assert_share(duplicated, 0.90 * 0.05);
		assert_share(corrupted, 0.90 * 1.05 * 0.02);
		assert_int_equal(run.count, COUNT - lost + duplicated);
		for (unsigned i = 0; i < run.count; i++)
			good += run.arrivals[i].is_good;
		/* Every single corruption shows. */
		assert_int_equal(run.count - good, corrupted);
		run_end(&run);
	}
}

static void nothing_asked_for_changes_nothing(void **state)
{
	struct run run;

	run_begin(&run, "", 0);
	send_numbers(&run, false, 10);
	assert_int_equal(run.count, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(run.arrivals[i].number, i);
		assert_int_equal(run.arrivals[i].at_ns, i * 10);
		assert_true(run.arrivals[i].is_good);
	}
	run_end(&run);
}

static void directions_are_separate(void **state)
{
	struct run run;

	run_begin(&run, "loss=100%,direction=rx", 0);
	send_numbers(&run, false, 10);
	assert_int_equal(run.count, COUNT);
	run.count = 0;
	send_numbers(&run, true, 10);
	assert_int_equal(run.count, 0);
	run_end(&run);

	run_begin(&run, "loss=100%,direction=tx", 0);
	send_numbers(&run, true, 10);
	assert_int_equal(run.count, COUNT);
	run.count = 0;
	send_numbers(&run, false, 10);
	assert_int_equal(run.count, 0);
	run_end(&run);
}

/* Gilbert-Elliott: the share of time in the bad state is enter / (enter + leave), bursts last 1 / leave. */
static void bursts_are_long(void **state)
{
	struct run run;
	unsigned bursts = 0, lost = 0;
	uint32_t next = 0;
	double share = 0.01 / (0.01 + 0.25);

	run_begin(&run, "burst=1%/25%,seed=11", 0);
	send_numbers(&run, false, 10);
	for (unsigned i = 0; i < run.count; i++) {
		uint32_t gap = run.arrivals[i].number - next;

		bursts += gap > 0;
		lost += gap;
		next = run.arrivals[i].number + 1;
	}
	/* Losses come together, so the count strays more than independent ones would: seven times the variance. */
	assert_true(lost > COUNT * share * 0.75 && lost < COUNT * share * 1.25);
	assert_true(bursts > 100);
	assert_true((double)lost / bursts > 3.2 && (double)lost / bursts < 4.8);
	assert_true(link_counter(run.near, "impair.tx_burst_lost") >= lost);
	run_end(&run);
}

static void the_same_seed_gives_the_same_run(void **state)
{
	static const char *const texts[] = {
		"loss=5%,burst=1%/30%,delay=3ms,jitter=1ms,reorder=5%,duplicate=2%,corrupt=1%,rate=900mbit,seed=9",
		"loss=5%,burst=1%/30%,delay=3ms,jitter=1ms,reorder=5%,duplicate=2%,corrupt=1%,rate=900mbit,seed=9",
		"loss=5%,burst=1%/30%,delay=3ms,jitter=1ms,reorder=5%,duplicate=2%,corrupt=1%,rate=900mbit,seed=10",
	};
	struct run runs[3];

	for (unsigned i = 0; i < 3; i++) {
		run_begin(&runs[i], texts[i], 0);
		send_numbers(&runs[i], false, 1500);
	}
	assert_int_equal(runs[0].count, runs[1].count);
	assert_memory_equal(runs[0].arrivals, runs[1].arrivals,
			    runs[0].count * sizeof(struct arrival));
	assert_memory_not_equal(runs[0].arrivals, runs[2].arrivals, 1000 * sizeof(struct arrival));
	for (unsigned i = 0; i < 3; i++)
		run_end(&runs[i]);
}

static void delay_and_jitter_keep_the_order(void **state)
{
	struct run run;
	uint64_t min_ns = TEE_NEVER, max_ns = 0;

	/* All at once: each leaves when its own time, or its predecessor's, has come. */
	run_begin(&run, "delay=20ms,jitter=5ms", 0);
	send_numbers(&run, false, 0);
	assert_int_equal(run.count, COUNT);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(run.arrivals[i].number, i);
		min_ns = run.arrivals[i].at_ns < min_ns ? run.arrivals[i].at_ns : min_ns;
		max_ns = run.arrivals[i].at_ns > max_ns ? run.arrivals[i].at_ns : max_ns;
	}
	assert_true(min_ns >= 15 * TEE_NS_PER_MS && max_ns <= 25 * TEE_NS_PER_MS);
	assert_true(max_ns > 24 * TEE_NS_PER_MS);
	run_end(&run);
}

static void reordered_packets_overtake(void **state)
{
	static const char *const texts[] = {"delay=10ms,reorder=5%", "reorder=5%"};

	for (unsigned t = 0; t < 2; t++) {
		struct run run;
		unsigned late = 0;
		uint32_t highest = 0;

		run_begin(&run, texts[t], 0);
		send_numbers(&run, false, 100 * TEE_NS_PER_US);
		assert_int_equal(run.count, COUNT);
		for (unsigned i = 0; i < COUNT; i++) {
			late += run.arrivals[i].number < highest;
			if (run.arrivals[i].number > highest)
				highest = run.arrivals[i].number;
		}
		assert_share(link_counter(run.near, "impair.tx_reordered"), 0.05);
		/* With a delay of 100 packets each one that skips it makes many late; held ones are few. */
		assert_true(t == 0 ? late > COUNT / 2 : late > COUNT / 25);
		run_end(&run);
	}
}

static void the_line_has_its_rate_and_its_queue(void **state)
{
	struct run run;
	/* 8 Mbit/s is a byte each microsecond: a frame takes FRAME_LEN µs. */
	const uint64_t frame_ns = FRAME_LEN * TEE_NS_PER_US;

	run_begin(&run, "rate=8mbit,queue=64k", 0);
	send_numbers(&run, false, 0);
	/* All at once: what fits the queue passes, in line; the rest is gone. */
	assert_int_equal(run.count, 65536 / FRAME_LEN);
	assert_int_equal(link_counter(run.near, "impair.tx_queue_dropped"), COUNT - run.count);
	for (unsigned i = 0; i < run.count; i++) {
		assert_int_equal(run.arrivals[i].number, i);
		assert_int_equal(run.arrivals[i].at_ns, (i + 1) * frame_ns);
	}
	run_end(&run);

	run_begin(&run, "rate=8mbit", 0);
	send_numbers(&run, false, frame_ns);
	assert_int_equal(run.count, COUNT);
	run_end(&run);
}

/* How many of a number came, and how many of these before the delay was over. */
struct fate {
	uint8_t count, early_count;
};

/* The delay is longer than anybody waits for the line. */
static void fates_of(struct fate *fates, const char *line, uint64_t gap_ns, bool is_full)
{
	char text[160];
	struct run run;

	snprintf(
		text, sizeof(text),
		"loss=3%%,burst=1%%/30%%,delay=400ms,jitter=20ms,reorder=10%%,duplicate=5%%,seed=4%s",
		line);
	memset(fates, 0, COUNT * sizeof(*fates));
	run_begin(&run, text, 0);
	send_numbers(&run, false, gap_ns);
	for (unsigned i = 0; i < run.count; i++) {
		const struct arrival *arrival = &run.arrivals[i];
		uint64_t sent_ns = arrival->number * gap_ns;

		fates[arrival->number].count++;
		fates[arrival->number].early_count += arrival->at_ns <
						      sent_ns + 200 * TEE_NS_PER_MS;
	}
	assert_int_equal(link_counter(run.near, "impair.tx_queue_dropped") > COUNT / 10, is_full);
	run_end(&run);
}

/* Two runs over one road that keep its queue full in another way: who gets through both meets the same. */
static void a_full_queue_changes_nobodys_luck(void **state)
{
	static struct fate free_fates[COUNT], fates[COUNT];
	static const struct {
		const char *line;
		uint64_t gap_ns;
	} cases[] = {
		{",rate=8mbit,queue=64k", 100 * TEE_NS_PER_US},
		{",rate=12mbit,queue=9k", 50 * TEE_NS_PER_US},
	};

	fates_of(free_fates, "", 100 * TEE_NS_PER_US, false);
	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		unsigned seen = 0;

		fates_of(fates, cases[c].line, cases[c].gap_ns, true);
		for (unsigned i = 0; i < COUNT; i++) {
			/* Of two copies the queue may have taken one only. */
			assert_true(fates[i].count <= free_fates[i].count);
			if (fates[i].count != free_fates[i].count || !fates[i].count)
				continue;
			assert_int_equal(fates[i].early_count, free_fates[i].early_count);
			seen++;
		}
		assert_true(seen > COUNT / 4 && seen < COUNT * 9 / 10);
	}
}

static void super_frames_meet_their_fate_as_segments(void **state)
{
	const struct frame_spec spec = {
		.version = 4, .flags = 16, .seq = 0xfffff000, .payload = 60000, .partial = 1};
	size_t len = make_frame(bytes, &spec);

	for (int towards = 0; towards < 2; towards++) {
		struct run run;
		struct tee_frame frame;
		struct tee_link *from, *to;
		struct tee_pkt *pkts[64];
		unsigned count = 0, got[42] = {0};
		int n;

		run_begin(&run, "loss=20%,seed=5", TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TX_CHECKSUM);
		from = towards ? run.far : run.near;
		to = towards ? run.near : run.far;
		frame_as_stack(&frame, bytes, len, 54);
		frame.gso_type = TEE_GSO_TCP4;
		frame.gso_size = 1460;
		frame_leave_checksum(&frame, 34);
		assert_int_equal(from->ops->send(from, &frame, 1, 0), 1);
		while ((n = to->ops->recv(to, run.pool, pkts, 64, 0)) > 0)
			for (int i = 0; i < n; i++) {
				const uint8_t *p = tee_pkt_bytes(pkts[i]);

				assert_int_equal(pkts[i]->gso_size, 0);
				assert_true(checksums_are_good(p, pkts[i]->len));
				got[(get32(p + 38) - 0xfffff000) / 1460]++;
				tee_pkt_release(pkts[i]);
				count++;
			}
		assert_true(count > 25 && count < 42);
		for (unsigned i = 0; i < 42; i++)
			assert_true(got[i] <= 1);
		run_end(&run);
	}
}

/* A partial checksum could not tell of damage: it is completed before, and nobody vouches any more. */
static void corruption_never_passes_for_good(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (int is_udp = 0; is_udp < 2; is_udp++) {
			const struct frame_spec spec = {.version = version,
							.is_udp = is_udp,
							.flags = 16,
							.payload = 60,
							.partial = 1};
			size_t len = make_frame(bytes, &spec);
			struct run run;

			run_begin(&run, "corrupt=100%,direction=rx", TEE_OFFLOAD_RX_TRUSTED);
			assert_int_equal(run.near->info.offloads, 0);
			for (unsigned i = 0; i < 2000; i++) {
				struct tee_frame frame;
				struct tee_pkt *pkt;
				const uint8_t *p;

				frame_of_bytes(&frame, bytes, len);
				frame.checksum_partial = true;
				assert_int_equal(run.far->ops->send(run.far, &frame, 1, 0), 1);
				assert_int_equal(
					run.near->ops->recv(run.near, run.pool, &pkt, 1, 0), 1);
				p = tee_pkt_bytes(pkt);
				assert_int_equal(pkt->checksum_state, TEE_CHECKSUM_UNKNOWN);
				assert_memory_equal(p, bytes, 14);
				/* Lengths may lie now; the sums are looked at over what was sent. */
				if (version == 4 && sum16(0, p + 14, 20) == 0xffff)
					assert_false(checksums_are_good(p, len));
				if (version == 6) {
					assert_memory_equal(p + 14, bytes + 14, 8);
					assert_false(checksums_are_good(p, len));
				}
				tee_pkt_release(pkt);
			}
			run_end(&run);
		}
}

static void what_has_no_checksum_is_dropped_instead(void **state)
{
	const struct frame_spec spec = {.version = 4, .is_udp = 1, .payload = 10};
	struct run run;

	run_begin(&run, "corrupt=100%", 0);
	for (unsigned i = 0; i < 2; i++) {
		struct tee_frame frame;
		struct tee_pkt *pkt;
		size_t len = i ? make_frame(bytes, &spec)
			       : make_arp(bytes, 1, mac_a, 0x0a000001, NULL, 0x0a000002);

		if (i)
			put16(bytes + 40, 0); /* UDP without a checksum */
		frame_of_bytes(&frame, bytes, len);
		assert_int_equal(run.near->ops->send(run.near, &frame, 1, 0), 1);
		assert_int_equal(run.far->ops->recv(run.far, run.pool, &pkt, 1, 0), 0);
	}
	assert_int_equal(link_counter(run.near, "impair.tx_corrupt_dropped"), 2);
	run_end(&run);
}

/* What an inner link refuses keeps its place and goes later. */
static void a_link_that_refuses_is_asked_again(void **state)
{
	struct run run;
	struct tee_frame frame;
	unsigned sent = 0;

	run_begin(&run, "", 0);
	frame_of_bytes(&frame, bytes, 60000);
	/* The wire holds 16 MiB; we go on sending past that. */
	for (; sent < 600; sent++)
		assert_int_equal(run.near->ops->send(run.near, &frame, 1, 0), 1);
	assert_true(link_counter(run.near, "impair.tx_passed") < sent);
	for (uint64_t now_ns = 0; run.near->ops->deadline(run.near) != TEE_NEVER;) {
		struct tee_pkt *pkt;

		now_ns = run.near->ops->deadline(run.near);
		run.near->ops->send(run.near, NULL, 0, now_ns);
		while (run.far->ops->recv(run.far, run.pool, &pkt, 1, now_ns) == 1) {
			tee_pkt_release(pkt);
			sent--;
		}
	}
	assert_int_equal(sent, 0);
	run_end(&run);
}

static void words_are_understood(void **state)
{
	struct tee_impairment got;
	char error[TEE_LINK_ERROR_SIZE] = "";

	assert_int_equal(
		tee_impairment_parse("loss=2%,delay=20ms,jitter=5ms,reorder=5%,duplicate=1%,"
				     "corrupt=0.1%,rate=10mbit,queue=64k,burst=1%/25%,seed=7,"
				     "direction=rx,reorder_gap=250us",
				     &got, error),
		0);
	assert_true(got.loss > 0.0199 && got.loss < 0.0201);
	assert_int_equal(got.delay_ns, 20 * TEE_NS_PER_MS);
	assert_int_equal(got.jitter_ns, 5 * TEE_NS_PER_MS);
	assert_true(got.corrupt > 0.00099 && got.corrupt < 0.00101);
	assert_int_equal(got.rate_bytes_per_s, 1250000);
	assert_int_equal(got.queue_bytes, 65536);
	assert_true(got.burst_enter > 0.0099 && got.burst_leave > 0.249 && got.burst_loss == 1);
	assert_int_equal(got.seed, 7);
	assert_int_equal(got.reorder_gap_ns, 250000);
	assert_true(got.rx && !got.tx);
	assert_int_equal(
		tee_impairment_parse("burst=0.01/0.25/50%,delay=1s,rate=1gbit", &got, error), 0);
	assert_true(got.burst_loss == 0.5 && got.delay_ns == TEE_NS_PER_S);
	assert_int_equal(got.rate_bytes_per_s, 125000000);
	assert_int_equal(tee_impairment_parse("delay=3", &got, error), 0);
	assert_int_equal(got.delay_ns, 3 * TEE_NS_PER_MS);
}

static void bad_words_are_named(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"loss", "'loss'"},
		{"loss=", "loss=2%"},
		{"loss=101%", "loss=101%"},
		{"loss=-1%", "loss=-1%"},
		{"loss=2%%", "loss"},
		{"loss=nan", "nan"},
		{"loss=1e1", "1e1"},
		{"delay=20m", "20m"},
		{"delay=20 ms", "20 ms"},
		{"delay=2d", "2d"},
		{"rate=10", "10mbit"},
		{"rate=0mbit", "0mbit"},
		{"queue=64kb", "64kb"},
		{"burst=1%", "1%/25%"},
		{"burst=1%/", "1%/"},
		{"burst=1%/2%/3%/4%", "/4%"},
		{"seed=x", "seed=7"},
		{"seed=", "seed"},
		{"direction=up", "rx, tx"},
		{"los=2%", "there is no 'los'"},
		{"loss=2%,", "''"},
		{",", "''"},
		{"delay=99999999999999999999s", "delay"},
		{"loss=1..5%", "1..5%"},
		{"loss=.", "loss=."},
		{"=2", "there is no ''"},
	};
	static char long_text[1000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_impairment got = {.seed = 77};
		char error[TEE_LINK_ERROR_SIZE] = "";

		if (tee_impairment_parse(cases[i].text, &got, error) != -TEE_EINVAL ||
		    !strstr(error, cases[i].word) || got.seed != 77)
			fail_msg("'%s': '%s'", cases[i].text, error);
	}
	memset(long_text, 'x', sizeof(long_text) - 1);
	{
		struct tee_impairment got;
		char error[TEE_LINK_ERROR_SIZE] = "";

		assert_int_equal(tee_impairment_parse(long_text, &got, error), -TEE_EINVAL);
	}
}

static void impossible_probabilities_are_refused(void **state)
{
	struct tee_link *ends[2], *link;
	const struct tee_impairment bad[] = {
		{.loss = 1.1}, {.corrupt = -0.1}, {.duplicate = 0.0 / 0.0}, {.burst_leave = 2}};

	assert_int_equal(tee_link_wire_pair(1500, 0, ends), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(tee_link_impair(ends[0], &bad[i], &link), -TEE_EINVAL);
	tee_link_close(ends[0]);
	tee_link_close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_come_at_their_rate),
		cmocka_unit_test(nothing_asked_for_changes_nothing),
		cmocka_unit_test(directions_are_separate),
		cmocka_unit_test(bursts_are_long),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(delay_and_jitter_keep_the_order),
		cmocka_unit_test(reordered_packets_overtake),
		cmocka_unit_test(the_line_has_its_rate_and_its_queue),
		cmocka_unit_test(a_full_queue_changes_nobodys_luck),
		cmocka_unit_test(super_frames_meet_their_fate_as_segments),
		cmocka_unit_test(corruption_never_passes_for_good),
		cmocka_unit_test(what_has_no_checksum_is_dropped_instead),
		cmocka_unit_test(a_link_that_refuses_is_asked_again),
		cmocka_unit_test(words_are_understood),
		cmocka_unit_test(bad_words_are_named),
		cmocka_unit_test(impossible_probabilities_are_refused),
	};
	return cmocka_run_group_tests_name("link/impair", tests, NULL, NULL);
}
