/* SPDX-License-Identifier: MIT */
/*
 * IP reassembly beside a flat model: a cell for each byte of four datagrams (two numbers, two families),
 * which holds the value that came first, and the list of pieces that were taken. The input is a program of
 * pieces (datagram, offset, length, last or not) and of time-outs. A datagram comes out when its cells are
 * full up to its end and nothing of it overlapped or lied, and what comes out is what the
 * cells hold; at no other time does anything come out.
 */
#include <string.h>
#include "base/check.h"
#include "engine/engine.h"
#include "net/netif.h"
#include "wire/ip.h"

enum { PROTO_TEST = 253, UNITS = 24, CELLS = UNITS * 8 + 64, PIECES_MAX = 64, DATAGRAMS = 4 };

static const struct tee_ip ours[2] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}},
	{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
};
static const struct tee_ip peer[2] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}},
	{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
};

struct datagram_model {
	int16_t cell[CELLS]; /* -1: not here */
	struct {
		uint32_t off, len;
	} pieces[PIECES_MAX];
	unsigned piece_count;
	uint32_t end; /* 0: not known */
	bool is_poisoned;
};

struct world {
	struct engine engine;
	struct net *net;
	struct netif *netif;
	struct datagram_model models[DATAGRAMS];
	uint8_t serial;
	/* what came out last */
	bool came_out;
	uint32_t out_len;
	uint8_t out[CELLS];
};

static void on_input(void *context, struct ip_packet *packet)
{
	struct world *w = context;

	CHECK(!w->came_out && packet->pkt->len <= CELLS);
	w->came_out = true;
	w->out_len = packet->pkt->len;
	memcpy(w->out, tee_pkt_bytes(packet->pkt), packet->pkt->len);
	CHECK(!packet->ip.is_fragment);
	tee_pkt_release(packet->pkt);
}

static void on_error(void *context, const struct icmp_report *report)
{
	(void)context;
	(void)report;
}

static const struct net_protocol recorder = {.input = on_input, .icmp_error = on_error};

static void model_reset(struct datagram_model *model)
{
	memset(model, 0, sizeof(*model));
	for (unsigned i = 0; i < CELLS; i++)
		model->cell[i] = -1;
}

static void world_open(struct world *w)
{
	struct tee_netif_config netif = {.kind = TEE_NETIF_RAW_IP, .name = "fuzz", .mtu = 1500};
	struct tee_config config;

	memset(w, 0, sizeof(*w));
	tee_config_init(&config);
	CHECK(engine_init(&w->engine, &config, 1) == 0);
	w->net = net_new(&w->engine);
	CHECK(w->net);
	w->netif = net_netif(w->net, netif_add(w->net, &netif));
	netif_set_up(w->netif, true);
	CHECK(netif_addr_add(w->netif, &ours[0], 24, TEE_ADDR_STATIC, true, NULL) == 0);
	CHECK(netif_addr_add(w->netif, &ours[1], 64, TEE_ADDR_STATIC, true, NULL) == 0);
	net_register(w->net, PROTO_TEST, &recorder, w);
	for (unsigned i = 0; i < DATAGRAMS; i++)
		model_reset(&w->models[i]);
}

static void drain(struct world *w)
{
	struct tee_frame frame;

	while (net_output(w->net, w->netif, &frame, 1) == 1)
		tee_frame_release(&frame);
}

static void world_close(struct world *w)
{
	drain(w);
	net_free(w->net);
	CHECK(tee_pool_bytes_used(w->engine.pool) == 0 && w->engine.wheel.count == 0);
	engine_fini(&w->engine);
}

static void time_out(struct world *w)
{
	engine_set_now(&w->engine, w->engine.now_ns + 31 * TEE_NS_PER_S);
	engine_run_timers(&w->engine);
	drain(w);
	CHECK(w->engine.wheel.count == 0);
	for (unsigned i = 0; i < DATAGRAMS; i++)
		model_reset(&w->models[i]);
}

/* What must come of a piece: true: the datagram is complete. */
static bool model_take(struct datagram_model *model, uint32_t off, uint32_t len, bool is_last,
		       uint8_t serial)
{
	bool overlaps = false;

	if (model->is_poisoned)
		return false;
	for (unsigned i = 0; i < model->piece_count; i++) {
		if (model->pieces[i].off == off && model->pieces[i].len == len)
			return false;
	}
	for (uint32_t i = off; i < off + len; i++)
		overlaps |= model->cell[i] >= 0;
	if (model->end && (is_last ? off + len != model->end : off + len > model->end))
		overlaps = true;
	for (uint32_t i = off + len; is_last && i < CELLS; i++)
		overlaps |= model->cell[i] >= 0;
	if (overlaps) {
		model->is_poisoned = true;
		return false;
	}
	for (uint32_t i = off; i < off + len; i++)
		model->cell[i] = (uint8_t)(serial + i);
	CHECK(model->piece_count < PIECES_MAX);
	model->pieces[model->piece_count].off = off;
	model->pieces[model->piece_count++].len = len;
	if (is_last)
		model->end = off + len;
	if (!model->end)
		return false;
	for (uint32_t i = 0; i < model->end; i++) {
		if (model->cell[i] < 0)
			return false;
	}
	return true;
}

static void give_piece(struct world *w, unsigned which, uint32_t off, uint32_t len, bool is_last)
{
	bool is6 = which & 1;
	struct ip_header ip = {
		.src = peer[is6],
		.dst = ours[is6],
		.protocol = is6 ? IP_PROTO_IP6_FRAGMENT : PROTO_TEST,
		.ttl = 64,
		.id = which >> 1,
		.frag_offset = off,
		.more_fragments = !is_last,
	};
	struct tee_pkt *pkt = tee_pkt_new(w->engine.pool, IP6_HEADER_LEN + IP6_FRAGMENT_LEN + len);
	uint8_t *at;

	CHECK(pkt);
	at = tee_pkt_bytes(pkt);
	if (is6) {
		ip6_write(at, &ip, IP6_FRAGMENT_LEN + len);
		ip.protocol = PROTO_TEST;
		ip6_fragment_write(at + IP6_HEADER_LEN, &ip);
		pkt->len = IP6_HEADER_LEN + IP6_FRAGMENT_LEN + len;
	} else {
		ip4_write(at, &ip, len);
		pkt->len = IP4_HEADER_LEN + len;
	}
	for (uint32_t i = 0; i < len; i++)
		at[pkt->len - len + i] = (uint8_t)(w->serial + off + i);
	net_input(w->net, w->netif, pkt);
}

static void step(struct world *w, const uint8_t op[4])
{
	unsigned which = op[0] % DATAGRAMS;
	struct datagram_model *model = &w->models[which];
	uint32_t off = (op[1] % UNITS) * 8u;
	bool is_last = op[0] & 0x40, complete;
	uint32_t len = is_last ? 1u + op[2] % 64u : 8u * (1u + op[2] % 8u);
	bool is_whole = is_last && off == 0;

	w->serial += op[3] | 1;
	w->came_out = false;
	give_piece(w, which, off, len, is_last);
	/* Offset 0 and nothing to follow: not a fragment, or an atomic one (RFC 6946). */
	if (is_whole) {
		CHECK(w->came_out && w->out_len == len);
		return;
	}
	complete = model_take(model, off, len, is_last, w->serial);
	CHECK(w->came_out == complete);
	if (!complete)
		return;
	CHECK(w->out_len == model->end);
	for (uint32_t i = 0; i < model->end; i++)
		CHECK(w->out[i] == model->cell[i]);
	model_reset(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	unsigned pieces = 0;

	world_open(&w);
	for (size_t at = 0; at + 4 <= size && at < 4 * 1000; at += 4) {
		/* Within a model's room for pieces, which time gives back. */
		if ((data[at] & 0xb0) == 0xb0 || ++pieces == PIECES_MAX) {
			time_out(&w);
			pieces = 0;
		}
		step(&w, data + at);
		net_check(w.net);
	}
	world_close(&w);
	return 0;
}
