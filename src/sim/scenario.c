/* SPDX-License-Identifier: MIT */
/*
 * Reading a scenario: sections in brackets, lines of `key = value`, comments after `#`.
 *
 *     [world]  [defaults]  [host NAME]  [router NAME]  [link A B]  [flow NAME]
 *
 * A section's keys go to the function that knows them. In [defaults] and [host] they are fields of
 * struct tee_config, read by tee_config_set(); [defaults] holds for the hosts that follow it. In
 * [link], a key counts for both directions, with "forth." or "back." before it for one, and with
 * "at TIME " before all that it is a change that happens then.
 *
 * docs/sim.md tells all keys.
 */
#include "sim/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/cc/cc.h"

enum section {
	SECTION_NONE,
	SECTION_WORLD,
	SECTION_DEFAULTS,
	SECTION_HOST,
	SECTION_ROUTER,
	SECTION_LINK,
	SECTION_FLOW
};

struct parser {
	struct scenario *scenario;
	enum section section;
	unsigned line;
	char *error;
};

__attribute__((format(printf, 2, 3))) static bool parse_fail(struct parser *parser,
							     const char *format, ...)
{
	va_list list;
	int at = snprintf(parser->error, SCENARIO_ERROR_SIZE, "line %u: ", parser->line);

	va_start(list, format);
	vsnprintf(parser->error + at, (size_t)(SCENARIO_ERROR_SIZE - at), format, list);
	va_end(list);
	return false;
}

/* Neither a key nor a value may be guessed: says which of the two is wrong. */
static bool parse_fail_key(struct parser *parser, const char *what, const char *const *keys,
			   const char *key, const char *value)
{
	char list[160] = "";
	size_t at = 0;

	for (; *keys; keys++) {
		if (strcmp(*keys, key) == 0)
			return parse_fail(parser, "\"%s\" is no value for %s", value, key);
		if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? " " : "",
					       *keys);
	}
	return parse_fail(parser, "%s has no \"%s\"; it has %s", what, key, list);
}

static bool copy_text(char *to, size_t size, const char *text)
{
	if (strlen(text) >= size)
		return false;
	strcpy(to, text);
	return true;
}

static bool has_node(const struct scenario *scenario, const char *name, bool must_be_host)
{
	for (unsigned i = 0; i < scenario->node_count; i++) {
		if (strcmp(scenario->nodes[i].name, name) == 0)
			return !must_be_host || !scenario->nodes[i].is_router;
	}
	return false;
}

/* ---- links ---- */

/* value_size() and its kin into narrower fields. */
static bool size32(const char *text, uint32_t *ret_bytes)
{
	uint64_t bytes;

	if (!value_size(text, &bytes) || bytes > UINT32_MAX)
		return false;
	*ret_bytes = (uint32_t)bytes;
	return true;
}

static bool path_set_qdisc(struct sim_path_config *path, const char *value)
{
	static const char *const names[] = {"droptail", "codel", "red"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) == 0) {
			path->qdisc = (enum sim_qdisc)i;
			return true;
		}
	}
	return false;
}

/* "ENTER LEAVE LOSS", three shares: Gilbert-Elliott. */
static bool path_set_burst(struct sim_path_config *path, const char *value)
{
	char word[3][16];
	double share[3];

	if (sscanf(value, "%15s %15s %15s", word[0], word[1], word[2]) != 3)
		return false;
	for (unsigned i = 0; i < 3; i++) {
		if (!value_share(word[i], &share[i]))
			return false;
	}
	path->burst_enter = share[0];
	path->burst_leave = share[1];
	path->burst_loss = share[2];
	return true;
}

/* A decimal number at *text, which moves behind it; 0: none stands there. */
static uint64_t take_number(const char **text)
{
	char *end;
	uint64_t number = **text >= '0' && **text <= '9' ? strtoull(*text, &end, 10) : 0;

	if (number)
		*text = end;
	return number;
}

/* "12, 20-25": packets by their number. */
static bool path_set_lose(struct sim_path_config *path, const char *value)
{
	struct sim_path_lose lose[SIM_LOSE_MAX] = {{0, 0}};
	unsigned count = 0;

	while (*value) {
		uint64_t from = take_number(&value), to = from;

		if (*value == '-') {
			value++;
			to = take_number(&value);
		}
		if (count == SIM_LOSE_MAX || from == 0 || to < from)
			return false;
		lose[count++] = (struct sim_path_lose){from, to};
		value += strspn(value, ", ");
	}
	memcpy(path->lose, lose, sizeof(lose));
	return true;
}

static bool path_set(struct sim_path_config *path, const char *key, const char *value)
{
	bool is_up;

	if (strcmp(key, "rate") == 0)
		return value_rate(value, &path->rate_bits_per_s);
	if (strcmp(key, "delay") == 0)
		return value_time(value, &path->delay_ns);
	if (strcmp(key, "jitter") == 0)
		return value_time(value, &path->jitter_ns);
	if (strcmp(key, "qdisc") == 0)
		return path_set_qdisc(path, value);
	if (strcmp(key, "queue") == 0)
		return size32(value, &path->queue_bytes);
	if (strcmp(key, "ecn") == 0)
		return value_bool(value, &path->ecn);
	if (strcmp(key, "codel_target") == 0)
		return value_time(value, &path->codel_target_ns);
	if (strcmp(key, "codel_interval") == 0)
		return value_time(value, &path->codel_interval_ns);
	if (strcmp(key, "red_min") == 0)
		return size32(value, &path->red_min_bytes);
	if (strcmp(key, "red_max") == 0)
		return size32(value, &path->red_max_bytes);
	if (strcmp(key, "red_probability") == 0)
		return value_share(value, &path->red_probability);
	if (strcmp(key, "loss") == 0)
		return value_share(value, &path->loss);
	if (strcmp(key, "burst") == 0)
		return path_set_burst(path, value);
	if (strcmp(key, "lose") == 0)
		return path_set_lose(path, value);
	if (strcmp(key, "reorder") == 0)
		return value_share(value, &path->reorder);
	if (strcmp(key, "reorder_gap") == 0)
		return value_time(value, &path->reorder_gap_ns);
	if (strcmp(key, "duplicate") == 0)
		return value_share(value, &path->duplicate);
	if (strcmp(key, "corrupt") == 0)
		return value_share(value, &path->corrupt);
	if (strcmp(key, "cut") == 0)
		return value_share(value, &path->cut);
	if (strcmp(key, "up") == 0 && value_bool(value, &is_up)) {
		path->is_down = !is_up;
		return true;
	}
	return false;
}

bool scenario_link_set(struct sim_link_config *link, const char *key, const char *value)
{
	bool on;

	if (strcmp(key, "mtu") == 0)
		return size32(value, &link->mtu) && link->mtu >= 576 && link->mtu <= 65535;
	if (strcmp(key, "ethernet") == 0)
		return value_bool(value, &link->is_ethernet);
	if (strcmp(key, "offload") == 0) {
		link->is_whole = strcmp(value, "whole") == 0;
		on = link->is_whole;
		if (!on && !value_bool(value, &on))
			return false;
		link->offloads = on ? TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6
				    : 0;
		return true;
	}
	if (strncmp(key, "forth.", 6) == 0)
		return path_set(&link->path[0], key + 6, value);
	if (strncmp(key, "back.", 5) == 0)
		return path_set(&link->path[1], key + 5, value);
	return path_set(&link->path[0], key, value) && path_set(&link->path[1], key, value);
}

static const char *const link_keys[] = {
	"rate",
	"delay",
	"jitter",
	"queue",
	"qdisc",
	"ecn",
	"loss",
	"lose",
	"burst",
	"reorder",
	"reorder_gap",
	"duplicate",
	"corrupt",
	"cut",
	"up",
	"mtu",
	"offload",
	"ethernet",
	"codel_target",
	"codel_interval",
	"red_min",
	"red_max",
	"red_probability",
	NULL,
};

static bool parse_link_key(struct parser *parser, const char *key, const char *value)
{
	struct scenario *scenario = parser->scenario;
	struct scenario_link *link = &scenario->links[scenario->link_count - 1];
	struct scenario_change *change;
	struct sim_link_config trial = link->config;
	char when[16], rest[SCENARIO_TEXT_SIZE];

	if (strncmp(key, "at ", 3) != 0) {
		if (!scenario_link_set(&link->config, key, value))
			return parse_fail_key(parser, "a link", link_keys,
					      strncmp(key, "forth.", 6) == 0  ? key + 6
					      : strncmp(key, "back.", 5) == 0 ? key + 5
									      : key,
					      value);
		return true;
	}
	if (scenario->change_count == SCENARIO_CHANGES_MAX)
		return parse_fail(parser, "too many changes");
	change = &scenario->changes[scenario->change_count];
	if (sscanf(key + 3, "%15s %63s", when, rest) != 2 || !value_time(when, &change->at_ns) ||
	    !copy_text(change->key, sizeof(change->key), rest) ||
	    !copy_text(change->value, sizeof(change->value), value) ||
	    (strcmp(rest, "mtu") == 0 &&
	     (has_node(scenario, link->end[0], true) || has_node(scenario, link->end[1], true))) ||
	    strcmp(rest, "ethernet") == 0 || strcmp(rest, "offload") == 0 ||
	    !scenario_link_set(&trial, rest, value))
		return parse_fail(parser, "a change is \"at TIME KEY = VALUE\", not \"%s = %s\"",
				  key, value);
	change->link = scenario->link_count - 1;
	scenario->change_count++;
	return true;
}

/* ---- flows ---- */

static bool flow_set_number(struct scenario_flow *flow, const char *key, const char *value)
{
	uint64_t number;

	if (strcmp(key, "count") == 0 && value_count(value, &number) && number >= 1 &&
	    number <= 1000000) {
		flow->count = (unsigned)number;
		return true;
	}
	if (strcmp(key, "rounds") == 0 && value_count(value, &number) && number <= UINT32_MAX) {
		flow->rounds = (uint32_t)number;
		return true;
	}
	if (strcmp(key, "arrivals") == 0) {
		flow->is_poisson = strcmp(value, "poisson") == 0;
		return flow->is_poisson || strcmp(value, "regular") == 0;
	}
	return false;
}

static const char *const flow_keys[] = {
	"from",   "to",       "start",   "stop",       "size",      "cc",      "count",
	"every",  "arrivals", "write",   "write_rate", "read_rate", "request", "reply",
	"rounds", "think",    "nodelay", "ip6",        NULL,
};

static bool flow_set(struct scenario_flow *flow, const char *key, const char *value)
{
	if (strcmp(key, "from") == 0)
		return copy_text(flow->from, sizeof(flow->from), value);
	if (strcmp(key, "to") == 0)
		return copy_text(flow->to, sizeof(flow->to), value);
	if (strcmp(key, "cc") == 0)
		return cc_find(value) && copy_text(flow->cc, sizeof(flow->cc), value);
	if (strcmp(key, "start") == 0)
		return value_time(value, &flow->start_ns);
	if (strcmp(key, "stop") == 0)
		return value_time(value, &flow->stop_ns);
	if (strcmp(key, "size") == 0)
		return value_size(value, &flow->size_bytes);
	if (strcmp(key, "every") == 0)
		return value_time(value, &flow->every_ns);
	if (strcmp(key, "write") == 0)
		return size32(value, &flow->write_bytes) && flow->write_bytes > 0;
	if (strcmp(key, "write_rate") == 0)
		return value_rate(value, &flow->write_rate);
	if (strcmp(key, "read_rate") == 0)
		return value_rate(value, &flow->read_rate);
	if (strcmp(key, "nodelay") == 0)
		return value_bool(value, &flow->nodelay);
	if (strcmp(key, "ip6") == 0)
		return value_bool(value, &flow->is_ip6);
	if (strcmp(key, "request") == 0)
		return size32(value, &flow->request_bytes);
	if (strcmp(key, "reply") == 0)
		return size32(value, &flow->reply_bytes);
	if (strcmp(key, "think") == 0)
		return value_time(value, &flow->think_ns);
	return flow_set_number(flow, key, value);
}

/* ---- lines ---- */

static const char *const world_keys[] = {"seed", "duration", "sample", "settle", NULL};
static const char *const router_keys[] = {"icmp", NULL};

static bool parse_key(struct parser *parser, const char *key, const char *value)
{
	struct scenario *scenario = parser->scenario;
	struct tee_config *config = &scenario->defaults;
	bool speaks;
	int result;

	switch (parser->section) {
	case SECTION_WORLD:
		if (strcmp(key, "seed") == 0 && value_count(value, &scenario->seed))
			return true;
		if (strcmp(key, "duration") == 0 && value_time(value, &scenario->duration_ns))
			return true;
		if (strcmp(key, "sample") == 0 && value_time(value, &scenario->sample_ns) &&
		    scenario->sample_ns > 0)
			return true;
		if (strcmp(key, "settle") == 0 && value_time(value, &scenario->settle_ns))
			return true;
		return parse_fail_key(parser, "a world", world_keys, key, value);
	case SECTION_HOST:
		config = &scenario->nodes[scenario->node_count - 1].config;
		__attribute__((fallthrough));
	case SECTION_DEFAULTS:
		result = tee_config_set(config, key, value);
		if (result == -TEE_ENOENT)
			return parse_fail(parser, "a host has no field \"%s\"", key);
		if (result < 0)
			return parse_fail(parser, "\"%s\" is no value for %s", value, key);
		return true;
	case SECTION_LINK: return parse_link_key(parser, key, value);
	case SECTION_FLOW:
		if (!flow_set(&scenario->flows[scenario->flow_count - 1], key, value))
			return parse_fail_key(parser, "a flow", flow_keys, key, value);
		return true;
	case SECTION_ROUTER:
		if (strcmp(key, "icmp") != 0 || !value_bool(value, &speaks))
			return parse_fail_key(parser, "a router", router_keys, key, value);
		scenario->nodes[scenario->node_count - 1].is_silent = !speaks;
		return true;
	case SECTION_NONE: break;
	}
	return parse_fail(parser, "\"%s\" stands before the first section", key);
}

static bool begin_node(struct parser *parser, const char *name, bool is_router)
{
	struct scenario *scenario = parser->scenario;
	struct scenario_node *node = &scenario->nodes[scenario->node_count];

	if (scenario->node_count == SCENARIO_NODES_MAX)
		return parse_fail(parser, "too many hosts");
	if (has_node(scenario, name, false))
		return parse_fail(parser, "there is a \"%s\" already", name);
	if (!*name || !copy_text(node->name, sizeof(node->name), name))
		return parse_fail(parser, "a name has 1 to %d bytes", SCENARIO_NAME_SIZE - 1);
	node->is_router = is_router;
	node->config = scenario->defaults;
	scenario->node_count++;
	parser->section = is_router ? SECTION_ROUTER : SECTION_HOST;
	return true;
}

static bool begin_link(struct parser *parser, const char *a, const char *b)
{
	struct scenario *scenario = parser->scenario;
	struct scenario_link *link = &scenario->links[scenario->link_count];

	if (scenario->link_count == SCENARIO_LINKS_MAX)
		return parse_fail(parser, "too many links");
	if (!has_node(scenario, a, false) || !has_node(scenario, b, false) || strcmp(a, b) == 0)
		return parse_fail(parser, "a link joins two hosts or routers that stand before it");
	strcpy(link->end[0], a);
	strcpy(link->end[1], b);
	scenario->link_count++;
	parser->section = SECTION_LINK;
	return true;
}

static bool begin_flow(struct parser *parser, const char *name)
{
	struct scenario *scenario = parser->scenario;
	struct scenario_flow *flow = &scenario->flows[scenario->flow_count];

	if (scenario->flow_count == SCENARIO_FLOWS_MAX)
		return parse_fail(parser, "too many flows; \"count\" makes many of one kind");
	if (!*name || !copy_text(flow->name, sizeof(flow->name), name))
		return parse_fail(parser, "a name has 1 to %d bytes", SCENARIO_NAME_SIZE - 1);
	flow->count = 1;
	flow->write_bytes = 65536;
	flow->line = parser->line;
	scenario->flow_count++;
	parser->section = SECTION_FLOW;
	return true;
}

static bool parse_section(struct parser *parser, const char *text)
{
	char kind[24] = "", a[SCENARIO_NAME_SIZE] = "", b[SCENARIO_NAME_SIZE] = "", more[2];
	int words = sscanf(text, "%23s %23s %23s %1s", kind, a, b, more);

	if (strcmp(kind, "world") == 0 && words == 1)
		parser->section = SECTION_WORLD;
	else if (strcmp(kind, "defaults") == 0 && words == 1)
		parser->section = SECTION_DEFAULTS;
	else if (strcmp(kind, "host") == 0 && words == 2)
		return begin_node(parser, a, false);
	else if (strcmp(kind, "router") == 0 && words == 2)
		return begin_node(parser, a, true);
	else if (strcmp(kind, "link") == 0 && words == 3)
		return begin_link(parser, a, b);
	else if (strcmp(kind, "flow") == 0 && words == 2)
		return begin_flow(parser, a);
	else
		return parse_fail(parser, "unknown section [%s]", text);
	return true;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		text[--len] = 0;
	return text;
}

static bool parse_line(struct parser *parser, char *line)
{
	char *equals;
	size_t len;

	line[strcspn(line, "#")] = 0;
	line = trim(line);
	len = strlen(line);
	if (len == 0)
		return true;
	if (line[0] == '[') {
		if (line[len - 1] != ']')
			return parse_fail(parser, "a section's name ends with ]");
		line[len - 1] = 0;
		return parse_section(parser, trim(line + 1));
	}
	equals = strchr(line, '=');
	if (!equals)
		return parse_fail(parser, "\"%s\" is neither a section nor KEY = VALUE", line);
	*equals = 0;
	return parse_key(parser, trim(line), trim(equals + 1));
}

static bool check_whole(struct parser *parser)
{
	struct scenario *scenario = parser->scenario;

	if (scenario->flow_count == 0)
		return parse_fail(parser, "there is no [flow NAME]");
	for (unsigned i = 0; i < scenario->flow_count; i++) {
		struct scenario_flow *flow = &scenario->flows[i];

		parser->line = flow->line;
		if (!has_node(scenario, flow->from, true) || !has_node(scenario, flow->to, true))
			return parse_fail(parser, "flow %s needs \"from\" and \"to\", both hosts",
					  flow->name);
		if (flow->rounds && (!flow->request_bytes || !flow->reply_bytes))
			return parse_fail(parser, "flow %s with rounds needs request and reply",
					  flow->name);
	}
	return true;
}

struct scenario *scenario_parse(const char *text, char ret_error[SCENARIO_ERROR_SIZE])
{
	struct parser parser = {.error = ret_error};
	char *copy = strdup(text), *at = copy;
	bool is_ok = true;

	parser.scenario = calloc(1, sizeof(*parser.scenario));
	if (!copy || !parser.scenario) {
		snprintf(ret_error, SCENARIO_ERROR_SIZE, "no memory");
		is_ok = false;
	} else {
		parser.scenario->seed = 1;
		parser.scenario->duration_ns = 30 * TEE_NS_PER_S;
		parser.scenario->sample_ns = 100 * TEE_NS_PER_MS;
		tee_config_init(&parser.scenario->defaults);
	}
	while (is_ok && at) {
		char *line = at;

		at = strchr(at, '\n');
		if (at)
			*at++ = 0;
		parser.line++;
		is_ok = parse_line(&parser, line);
	}
	is_ok = is_ok && check_whole(&parser);
	free(copy);
	if (!is_ok) {
		free(parser.scenario);
		return NULL;
	}
	return parser.scenario;
}
