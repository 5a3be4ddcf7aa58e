/* SPDX-License-Identifier: MIT */
/* ARP, neighbour solicitations and the states of the cache between them. */
#include "net_kit.h"

#include "base/byteorder.h"
#include "net/neighbour.h"
#include "net/private.h"

/* A protocol that remembers what it was told. */
struct seen {
	unsigned packets, reports;
	struct icmp_report last;
};

static void on_input(void *context, struct ip_packet *packet)
{
	struct seen *seen = context;

	seen->packets++;
	tee_pkt_release(packet->pkt);
}

static void on_error(void *context, const struct icmp_report *report)
{
	struct seen *seen = context;

	seen->reports++;
	seen->last = *report;
}

static const struct net_protocol recorder = {.input = on_input, .icmp_error = on_error};
enum { PROTO_TEST = 253 };

static int send_to(struct kit *kit, const struct tee_ip *dst, const char *text)
{
	struct ip_out out = {.dst = *dst, .protocol = PROTO_TEST, .why = TEE_WHY_DATAGRAM};

	return ip_output_pkt(kit->net, kit_pkt(kit, text, strlen(text)), &out);
}

static struct neighbour *neighbour(struct kit *kit, const struct tee_ip *ip)
{
	return neigh_find(kit->netif, ip);
}

/* Proves: RFC1122-2.3.2.2 */
static void resolves_and_sends_what_waited(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, 0);
	assert_int_equal(send_to(&kit, &PEER_IP, "first message"), 0);
	assert_int_equal(send_to(&kit, &PEER_IP, "second message"), 0);
	assert_int_equal(neighbour(&kit, &PEER_IP)->state, NEIGH_INCOMPLETE);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.eth.type, ETHERTYPE_ARP);
	assert_true(mac_equal(&kit.eth.dst, &ethernet_broadcast));
	assert_int_equal(kit.arp.op, ARP_REQUEST);
	assert_true(tee_ip_equal(&kit.arp.sender_ip, &OUR_IP));
	assert_true(tee_ip_equal(&kit.arp.target_ip, &PEER_IP));
	assert_int_equal(kit.why, TEE_WHY_ARP_REQUEST);
	assert_false(kit_take(&kit));
	kit_give_arp(&kit, ARP_REPLY, &peer_mac, &PEER_IP, &OUR_IP, false);
	assert_int_equal(neighbour(&kit, &PEER_IP)->state, NEIGH_REACHABLE);
	assert_true(kit_take(&kit));
	assert_true(mac_equal(&kit.eth.dst, &peer_mac) && mac_equal(&kit.eth.src, &our_mac));
	assert_memory_equal(kit.payload, "first message", 13);
	assert_int_equal(kit.why, TEE_WHY_DATAGRAM);
	assert_true(kit_take(&kit));
	assert_memory_equal(kit.payload, "second message", 14);
	assert_false(kit_take(&kit));
	/* Known now: nothing waits. */
	send_to(&kit, &PEER_IP, "third message");
	assert_true(kit_take(&kit));
	assert_memory_equal(kit.payload, "third message", 13);
	kit_close(&kit);
}

/* Proves: RFC8504-5.4 */
static void resolves_by_neighbour_solicitation(void **state)
{
	static struct kit kit;
	struct nd_message nd, advert = {.type = ICMP6_NEIGHBOUR_ADVERT,
					.target = PEER_IP6,
					.solicited = true,
					.has_target_mac = true,
					.target_mac = peer_mac};
	struct tee_ip group = ip6_solicited_node(&PEER_IP6);

	kit_open_plain(&kit, 0);
	assert_int_equal(send_to(&kit, &PEER_IP6, "hello there"), 0);
	assert_true(kit_take(&kit));
	assert_int_equal(nd_parse(kit.payload, kit.payload_len, &nd), 0);
	assert_int_equal(nd.type, ICMP6_NEIGHBOUR_SOLICIT);
	assert_int_equal(kit.ip.ttl, 255);
	assert_true(tee_ip_equal(&kit.ip.dst, &group));
	assert_true(tee_ip_equal(&nd.target, &PEER_IP6));
	assert_true(nd.has_source_mac && mac_equal(&nd.source_mac, &our_mac));
	kit_give_nd(&kit, &advert, &PEER_IP6, &OUR_IP6);
	assert_int_equal(neighbour(&kit, &PEER_IP6)->state, NEIGH_REACHABLE);
	assert_true(kit_take(&kit));
	assert_memory_equal(kit.payload, "hello there", 11);
	kit_close(&kit);
}

/* Proves: RFC1122-2.3.2.1a */
static void a_silent_neighbour_fails_after_three_questions(void **state)
{
	static struct kit kit;
	struct seen seen = {0};

	kit_open_plain(&kit, 0);
	net_register(kit.net, PROTO_TEST, &recorder, &seen);
	send_to(&kit, &PEER_IP, "never arrives");
	kit_step(&kit, 2900 * TEE_NS_PER_MS);
	assert_int_equal(kit_take_all(&kit), 3);
	assert_int_equal(seen.reports, 0);
	kit_step(&kit, 200 * TEE_NS_PER_MS);
	assert_int_equal(kit_take_all(&kit), 0);
	assert_int_equal(seen.reports, 1);
	assert_int_equal(seen.last.error, ICMP_ERROR_HOST_UNREACHABLE);
	assert_true(tee_ip_equal(&seen.last.local, &OUR_IP));
	assert_true(tee_ip_equal(&seen.last.remote, &PEER_IP));
	assert_int_equal(seen.last.quoted_total_len, 33);
	assert_int_equal(kit_count(&kit, COUNT_NEIGH_FAILED), 1);
	assert_int_equal(kit_count(&kit, DROP_NEIGH_UNREACHABLE), 1);
	assert_int_equal(neighbour(&kit, &PEER_IP)->state, NEIGH_FAILED);
	/* Who tries again asks again. */
	send_to(&kit, &PEER_IP, "once more please");
	assert_int_equal(kit_take_all(&kit), 1);
	kit_close(&kit);
}

static void the_pending_queue_gives_up_its_oldest(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, 0);
	kit.engine.config.neighbour_pending_max = 2;
	send_to(&kit, &PEER_IP, "message 1");
	send_to(&kit, &PEER_IP, "message 2");
	send_to(&kit, &PEER_IP, "message 3");
	assert_int_equal(kit_count(&kit, DROP_NEIGH_PENDING_FULL), 1);
	assert_int_equal(kit_answer_neighbours(&kit), 1);
	assert_true(kit_take(&kit));
	assert_memory_equal(kit.payload, "message 2", 9);
	assert_true(kit_take(&kit));
	assert_memory_equal(kit.payload, "message 3", 9);
	kit_close(&kit);
}

static void make_reachable(struct kit *kit, const struct tee_ip *ip)
{
	send_to(kit, ip, "who are you?");
	assert_int_equal(kit_answer_neighbours(kit), 1);
	kit_take_all(kit);
	assert_int_equal(neighbour(kit, ip)->state, NEIGH_REACHABLE);
}

/* Proves: RFC1122-2.3.2.1 RFC8504-5.4 */
static void use_after_a_while_is_delayed_then_probed(void **state)
{
	static struct kit kit;
	struct neighbour *neigh;

	kit_open_plain(&kit, 0);
	make_reachable(&kit, &PEER_IP);
	neigh = neighbour(&kit, &PEER_IP);
	/* Longer than 1.5 times the reachable time. */
	kit_step(&kit, 46 * TEE_NS_PER_S);
	send_to(&kit, &PEER_IP, "still there?");
	assert_int_equal(neigh->state, NEIGH_DELAY);
	assert_true(kit_take(&kit));
	assert_memory_equal(kit.payload, "still there?", 12);
	kit_step(&kit, 5100 * TEE_NS_PER_MS);
	assert_int_equal(neigh->state, NEIGH_PROBE);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.arp.op, ARP_REQUEST);
	/* A unicast poll (RFC 1122 2.3.2.1). */
	assert_true(mac_equal(&kit.eth.dst, &peer_mac));
	kit_give_arp(&kit, ARP_REPLY, &peer_mac, &PEER_IP, &OUR_IP, false);
	assert_int_equal(neigh->state, NEIGH_REACHABLE);
	kit_close(&kit);
}

static void a_hint_from_above_spares_the_probe(void **state)
{
	static struct kit kit;
	struct net_path path;
	struct tee_ip src;

	kit_open_plain(&kit, 0);
	make_reachable(&kit, &PEER_IP);
	kit_step(&kit, 46 * TEE_NS_PER_S);
	send_to(&kit, &PEER_IP, "still there?");
	assert_int_equal(net_route(kit.net, &TEE_IP_ANY, &PEER_IP, 0, &path, &src), 0);
	net_path_confirm(kit.net, &path);
	assert_int_equal(path.neighbour->state, NEIGH_REACHABLE);
	kit_take_all(&kit);
	kit_step(&kit, 6 * TEE_NS_PER_S);
	assert_int_equal(kit_take_all(&kit), 0);
	/* And doubt asks at once. */
	net_path_doubt(kit.net, &path);
	assert_int_equal(path.neighbour->state, NEIGH_PROBE);
	assert_int_equal(kit_take_all(&kit), 1);
	kit_close(&kit);
}

static void replies_nobody_asked_for_make_no_entry(void **state)
{
	static struct kit kit;
	struct nd_message advert = {.type = ICMP6_NEIGHBOUR_ADVERT,
				    .target = PEER_IP6,
				    .override = true,
				    .has_target_mac = true,
				    .target_mac = peer_mac};
	static const struct tee_ip all_nodes = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

	kit_open_plain(&kit, 0);
	kit_give_arp(&kit, ARP_REPLY, &peer_mac, &PEER_IP, &OUR_IP, false);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &PEER_IP, &PEER_IP, true);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &PEER_IP, &TEE_IP4(10, 0, 0, 77), true);
	assert_null(neighbour(&kit, &PEER_IP));
	kit_give_nd(&kit, &advert, &PEER_IP6, &all_nodes);
	assert_null(neighbour(&kit, &PEER_IP6));
	kit_close(&kit);
}

static void an_announcement_updates_an_entry(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, 0);
	make_reachable(&kit, &PEER_IP);
	kit_give_arp(&kit, ARP_REQUEST, &other_mac, &PEER_IP, &PEER_IP, true);
	assert_int_equal(neighbour(&kit, &PEER_IP)->state, NEIGH_STALE);
	send_to(&kit, &PEER_IP, "to the new one");
	assert_true(kit_take(&kit));
	assert_true(mac_equal(&kit.eth.dst, &other_mac));
	kit_close(&kit);
}

/* RFC 4861 7.2.5: rows of the table there. */
static void advertisements_follow_their_flags(void **state)
{
	static const struct {
		bool solicited, override, same_mac;
		enum neigh_state expected;
		bool takes_new_mac;
	} rows[] = {
		{true, true, false, NEIGH_REACHABLE, true},
		{true, false, false, NEIGH_STALE, false},
		{false, true, false, NEIGH_STALE, true},
		{false, false, false, NEIGH_STALE, false},
		{false, true, true, NEIGH_REACHABLE, false},
		{true, false, true, NEIGH_REACHABLE, false},
	};
	static struct kit kit;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nd_message advert = {.type = ICMP6_NEIGHBOUR_ADVERT,
					    .target = PEER_IP6,
					    .solicited = rows[i].solicited,
					    .override = rows[i].override,
					    .has_target_mac = true,
					    .target_mac = rows[i].same_mac ? peer_mac : other_mac};
		struct neighbour *neigh;

		kit_open_plain(&kit, 0);
		make_reachable(&kit, &PEER_IP6);
		kit_give_nd(&kit, &advert, &PEER_IP6, &OUR_IP6);
		neigh = neighbour(&kit, &PEER_IP6);
		assert_int_equal(neigh->state, rows[i].expected);
		assert_true(mac_equal(&neigh->mac, rows[i].takes_new_mac ? &other_mac : &peer_mac));
		kit_close(&kit);
	}
}

static void a_request_to_us_is_answered_and_teaches(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, 0);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &PEER_IP, &OUR_IP, true);
	assert_int_equal(neighbour(&kit, &PEER_IP)->state, NEIGH_STALE);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.arp.op, ARP_REPLY);
	assert_true(mac_equal(&kit.eth.dst, &peer_mac) && mac_equal(&kit.arp.sender_mac, &our_mac));
	assert_true(tee_ip_equal(&kit.arp.sender_ip, &OUR_IP));
	assert_true(tee_ip_equal(&kit.arp.target_ip, &PEER_IP));
	/* Somebody probes our address: answered, not learnt. */
	kit_give_arp(&kit, ARP_REQUEST, &other_mac, &TEE_IP4(0, 0, 0, 0), &OUR_IP, true);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.arp.op, ARP_REPLY);
	assert_null(neighbour(&kit, &TEE_IP4(0, 0, 0, 0)));
	kit_close(&kit);
}

static void a_solicitation_is_answered_and_teaches(void **state)
{
	static struct kit kit;
	struct nd_message solicit = {.type = ICMP6_NEIGHBOUR_SOLICIT,
				     .target = OUR_IP6,
				     .has_source_mac = true,
				     .source_mac = peer_mac};
	struct nd_message advert;
	struct tee_ip group = ip6_solicited_node(&OUR_IP6);
	static const struct tee_ip all_nodes = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

	kit_open_plain(&kit, 0);
	kit_give_nd(&kit, &solicit, &PEER_IP6, &group);
	assert_int_equal(neighbour(&kit, &PEER_IP6)->state, NEIGH_STALE);
	assert_true(kit_take(&kit));
	assert_int_equal(nd_parse(kit.payload, kit.payload_len, &advert), 0);
	assert_int_equal(advert.type, ICMP6_NEIGHBOUR_ADVERT);
	assert_true(advert.solicited && advert.override && !advert.router);
	assert_true(mac_equal(&advert.target_mac, &our_mac));
	assert_true(tee_ip_equal(&kit.ip.dst, &PEER_IP6));
	/* Somebody checks our address for duplicates: everybody is told. */
	solicit.has_source_mac = false;
	kit_give_nd(&kit, &solicit, &TEE_IP_ANY, &group);
	assert_true(kit_take(&kit));
	assert_int_equal(nd_parse(kit.payload, kit.payload_len, &advert), 0);
	assert_false(advert.solicited);
	assert_true(tee_ip_equal(&kit.ip.dst, &all_nodes));
	kit_close(&kit);
}

/* RFC 4861 7.1: what makes ND invalid. */
static void forged_nd_is_dropped(void **state)
{
	static struct kit kit;
	struct tee_ip group = ip6_solicited_node(&OUR_IP6);
	uint8_t body[24] = {0};

	kit_open_plain(&kit, 0);
	memcpy(body, OUR_IP6.byte, 16);
	body[16] = ND_OPT_SOURCE_MAC;
	body[17] = 1;
	/* It came through a router. */
	kit_give_icmp(&kit, &PEER_IP6, &group, 254, ICMP6_NEIGHBOUR_SOLICIT, 0, 0, body, 24);
	/* A code. */
	kit_give_icmp(&kit, &PEER_IP6, &group, 255, ICMP6_NEIGHBOUR_SOLICIT, 1, 0, body, 24);
	/* Too short. */
	kit_give_icmp(&kit, &PEER_IP6, &group, 255, ICMP6_NEIGHBOUR_SOLICIT, 0, 0, body, 15);
	/* No address, but a link address; or to a unicast address. */
	kit_give_icmp(&kit, &TEE_IP_ANY, &group, 255, ICMP6_NEIGHBOUR_SOLICIT, 0, 0, body, 24);
	kit_give_icmp(&kit, &TEE_IP_ANY, &OUR_IP6, 255, ICMP6_NEIGHBOUR_SOLICIT, 0, 0, body, 16);
	/* An option of length 0. */
	body[17] = 0;
	kit_give_icmp(&kit, &PEER_IP6, &group, 255, ICMP6_NEIGHBOUR_SOLICIT, 0, 0, body, 24);
	assert_int_equal(kit_count(&kit, DROP_ND_MALFORMED), 6);
	assert_false(kit_take(&kit));
	assert_null(neighbour(&kit, &PEER_IP6));
	kit_close(&kit);
}

static void malformed_arp_is_dropped(void **state)
{
	static const struct tee_mac group_mac = {{1, 0, 0, 0, 0, 2}}, no_mac = {{0}};
	static struct kit kit;

	kit_open_plain(&kit, 0);
	kit_give_arp(&kit, ARP_REQUEST, &group_mac, &PEER_IP, &OUR_IP, true);
	kit_give_arp(&kit, ARP_REQUEST, &no_mac, &PEER_IP, &OUR_IP, true);
	kit_give_arp(&kit, 7, &peer_mac, &PEER_IP, &OUR_IP, true);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &TEE_IP4(224, 0, 0, 1), &OUR_IP, true);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &TEE_IP4(10, 0, 0, 255), &OUR_IP, true);
	assert_int_equal(kit_count(&kit, DROP_ARP_MALFORMED), 5);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

static void the_cache_is_bounded_and_keeps_what_is_used(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, 0);
	kit.engine.config.neighbour_max = 8;
	make_reachable(&kit, &PEER_IP);
	for (unsigned i = 0; i < 200; i++) {
		struct tee_ip scanner = TEE_IP4(10, 0, 0, (uint8_t)(10 + i));

		send_to(&kit, &PEER_IP, "the useful one");
		assert_true(kit_take(&kit));
		assert_true(mac_equal(&kit.eth.dst, &peer_mac));
		kit_give_arp(&kit, ARP_REQUEST, &other_mac, &scanner, &OUR_IP, true);
		kit_take_all(&kit);
		net_check(kit.net);
	}
	assert_int_equal(kit.net->neighbours.count, 8);
	assert_true(kit_count(&kit, COUNT_NEIGH_EVICTED) >= 190);
	assert_non_null(neighbour(&kit, &PEER_IP));
	kit_close(&kit);
}

static void eviction_makes_paths_stale(void **state)
{
	static struct kit kit;
	struct net_path path;
	struct tee_ip src;

	kit_open_plain(&kit, 0);
	kit.engine.config.neighbour_max = 1;
	assert_int_equal(net_route(kit.net, &TEE_IP_ANY, &PEER_IP, 0, &path, &src), 0);
	assert_int_equal(path.generation, net_generation(kit.net));
	send_to(&kit, &TEE_IP4(10, 0, 0, 3), "pushes it out");
	assert_true(path.generation != net_generation(kit.net));
	assert_int_equal(net_path_refresh(kit.net, &src, &PEER_IP, &path), 0);
	assert_int_equal(path.generation, net_generation(kit.net));
	assert_ptr_equal(path.neighbour, neighbour(&kit, &PEER_IP));
	kit_take_all(&kit);
	kit_close(&kit);
}

static void an_interface_that_goes_down_forgets(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, 0);
	make_reachable(&kit, &PEER_IP);
	send_to(&kit, &PEER_IP, "in the queue");
	netif_set_up(kit.netif, false);
	assert_null(neighbour(&kit, &PEER_IP));
	assert_false(kit_take(&kit));
	assert_int_equal(send_to(&kit, &PEER_IP, "too late now"), -TEE_ENETDOWN);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &PEER_IP, &OUR_IP, true);
	assert_int_equal(kit_count(&kit, DROP_NETIF_DOWN), 1);
	netif_set_up(kit.netif, true);
	assert_int_equal(send_to(&kit, &PEER_IP, "here again"), 0);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolves_and_sends_what_waited),
		cmocka_unit_test(resolves_by_neighbour_solicitation),
		cmocka_unit_test(a_silent_neighbour_fails_after_three_questions),
		cmocka_unit_test(the_pending_queue_gives_up_its_oldest),
		cmocka_unit_test(use_after_a_while_is_delayed_then_probed),
		cmocka_unit_test(a_hint_from_above_spares_the_probe),
		cmocka_unit_test(replies_nobody_asked_for_make_no_entry),
		cmocka_unit_test(an_announcement_updates_an_entry),
		cmocka_unit_test(advertisements_follow_their_flags),
		cmocka_unit_test(a_request_to_us_is_answered_and_teaches),
		cmocka_unit_test(a_solicitation_is_answered_and_teaches),
		cmocka_unit_test(forged_nd_is_dropped),
		cmocka_unit_test(malformed_arp_is_dropped),
		cmocka_unit_test(the_cache_is_bounded_and_keeps_what_is_used),
		cmocka_unit_test(eviction_makes_paths_stale),
		cmocka_unit_test(an_interface_that_goes_down_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
