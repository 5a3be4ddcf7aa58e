/* SPDX-License-Identifier: MIT */
/*
 * Before the first event: the script's options and knobs become the configuration of a rig.
 *
 * Fast-open cookies: scripts name the server's cookie as a kernel with a certain key would make it.
 * Ours is another, so it is asked of the stack: a second rig with the same configuration answers a
 * cookie request, and the script's cookie is translated to it and back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Scripts that name no tolerance were written for kernels, whose timers are a tick or more late. */
enum { DEFAULT_PORT = 8080, DEFAULT_TOLERANCE_US = 10000, MTU_IP6_LIKE_IP4 = 1520 };

struct setting_names {
	bool has_mtu, has_version;
};

static bool set_address(struct run *run, const char *value, struct tee_ip *ret)
{
	unsigned prefix_bits;

	if (tee_ip_parse_prefix(value, ret, &prefix_bits) < 0)
		run_fail(run, RUN_UNSUPPORTED, "address '%s' not understood", value);
	return true;
}

static void set_version(struct run *run, const char *value)
{
	uint32_t mtu = run->config.mtu;
	bool is_ip6 = !strcmp(value, "ipv6");

	if (!is_ip6 && strcmp(value, "ipv4") && strcmp(value, "ipv4-mapped-ipv6") &&
	    strcmp(value, "ipv4_mapped_ipv6"))
		run_fail(run, RUN_UNSUPPORTED, "--ip_version=%s", value);
	rig_config_init(&run->config, is_ip6);
	run->config.mtu = mtu;
	run->config.has_offloads = !run->options->has_no_offloads;
	run->calls.is_mapped4 = !is_ip6 && strcmp(value, "ipv4");
}

static void apply_setting(struct run *run, const char *name, const char *value)
{
	static const char *const harmless[] = {
		"gateway_ip",         "netmask_ip",     "speed",
		"non_fatal",          "send_omit_free", "so_flags",
		"persistent_tun_dev", "verbose",        "init_scripts",
		"no_cleanup",         "define",         "D",
		"udp_encapsulation",
	};

	if (!strcmp(name, "local_ip"))
		set_address(run, value, &run->config.local);
	else if (!strcmp(name, "remote_ip"))
		set_address(run, value, &run->config.remote);
	else if (!strcmp(name, "mtu"))
		run->config.mtu = (uint32_t)strtoul(value, NULL, 0);
	else if (!strcmp(name, "bind_port"))
		run->calls.bind_port = (uint16_t)strtoul(value, NULL, 0);
	else if (!strcmp(name, "connect_port"))
		run->calls.connect_port = (uint16_t)strtoul(value, NULL, 0);
	else if (!strcmp(name, "tolerance_usecs"))
		run->tolerance_us = strtoll(value, NULL, 0);
	else if (!strcmp(name, "tcp_ts_tick_usecs"))
		run->rules.ts_tick_us = (uint32_t)strtoul(value, NULL, 0);
	else if (!strcmp(name, "strict"))
		run->rules.is_strict = true; /* ours: a script about windows compares them */
	else if (strcmp(name, "ip_version")) {
		for (unsigned i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
			if (!strcmp(name, harmless[i]))
				return;
		run_fail(run, RUN_UNSUPPORTED, "option --%s is not supported", name);
	}
}

/* The family first, because it brings addresses along. */
static void apply_settings(struct run *run)
{
	const struct script *script = run->script;
	const struct run_options *options = run->options;
	const char *version = "ipv4";
	bool has_own_version = false;

	for (unsigned i = 0; i < options->setting_count; i++)
		if (!strcmp(options->settings[i].name, "ip_version"))
			version = options->settings[i].value;
	for (unsigned i = 0; i < script->option_count; i++)
		if (!strcmp(script->options[i].name, "ip_version")) {
			version = script->options[i].value;
			has_own_version = true;
		}
	run->config.mtu = 1500;
	/* Scripts written for IPv4 expect its MSS: the MTU makes up for the longer header. */
	if (!strcmp(version, "ipv6") && !has_own_version)
		run->config.mtu = MTU_IP6_LIKE_IP4;
	set_version(run, version);
	for (unsigned i = 0; i < script->option_count; i++)
		apply_setting(run, script->options[i].name, script->options[i].value);
	for (unsigned i = 0; i < options->setting_count; i++)
		apply_setting(run, options->settings[i].name, options->settings[i].value);
}

/* ---- code blocks ask for tcp_info ---- */

static const struct {
	const char *name;
	int64_t value;
} code_constants[] = {
	{"TCP_ESTABLISHED", LINUX_TCP_ESTABLISHED},
	{"TCP_SYN_SENT", LINUX_TCP_SYN_SENT},
	{"TCP_SYN_RECV", LINUX_TCP_SYN_RECV},
	{"TCP_FIN_WAIT1", LINUX_TCP_FIN_WAIT1},
	{"TCP_FIN_WAIT2", LINUX_TCP_FIN_WAIT2},
	{"TCP_TIME_WAIT", LINUX_TCP_TIME_WAIT},
	{"TCP_CLOSE", LINUX_TCP_CLOSE},
	{"TCP_CLOSE_WAIT", LINUX_TCP_CLOSE_WAIT},
	{"TCP_LAST_ACK", LINUX_TCP_LAST_ACK},
	{"TCP_LISTEN", LINUX_TCP_LISTEN},
	{"TCP_CLOSING", LINUX_TCP_CLOSING},
	{"TCP_CA_Open", 0},
	{"TCP_CA_Disorder", 1},
	{"TCP_CA_CWR", 2},
	{"TCP_CA_Recovery", 3},
	{"TCP_CA_Loss", 4},
	{"TCPI_OPT_TIMESTAMPS", 1},
	{"TCPI_OPT_SACK", 2},
	{"TCPI_OPT_WSCALE", 4},
	{"TCPI_OPT_ECN", 8},
	{"TCPI_OPT_ECN_SEEN", 16},
	{"TCPI_OPT_SYN_DATA", 32},
	{"TCPI_ECN_MODE_DISABLED", 0},
	{"TCPI_ECN_MODE_RFC3168", 1},
	{"TCPI_ECN_MODE_ACCECN", 2},
	{"TCPI_ECN_MODE_PENDING", 3},
	{"TCP_INFINITE_SSTHRESH", 0x7fffffff},
};

#define FIELD(f)                                                                          \
 {                                                                                        \
  "tcpi_" #f, offsetof(struct linux_tcp_info, f), sizeof(((struct linux_tcp_info *)0)->f) \
 }
static const struct {
	const char *name;
	size_t offset, size;
} info_fields[] = {
	FIELD(state),
	FIELD(ca_state),
	FIELD(retransmits),
	FIELD(probes),
	FIELD(backoff),
	FIELD(options),
	FIELD(rto),
	FIELD(ato),
	FIELD(snd_mss),
	FIELD(rcv_mss),
	FIELD(unacked),
	FIELD(sacked),
	FIELD(lost),
	FIELD(retrans),
	FIELD(fackets),
	FIELD(last_data_sent),
	FIELD(last_ack_sent),
	FIELD(last_data_recv),
	FIELD(last_ack_recv),
	FIELD(pmtu),
	FIELD(rcv_ssthresh),
	FIELD(rtt),
	FIELD(rttvar),
	FIELD(snd_ssthresh),
	FIELD(snd_cwnd),
	FIELD(advmss),
	FIELD(reordering),
	FIELD(rcv_rtt),
	FIELD(rcv_space),
	FIELD(total_retrans),
	FIELD(pacing_rate),
	FIELD(max_pacing_rate),
	FIELD(bytes_acked),
	FIELD(bytes_received),
	FIELD(segs_out),
	FIELD(segs_in),
	FIELD(notsent_bytes),
	FIELD(min_rtt),
	FIELD(data_segs_in),
	FIELD(data_segs_out),
	FIELD(delivery_rate),
	FIELD(busy_time),
	FIELD(rwnd_limited),
	FIELD(sndbuf_limited),
	FIELD(delivered),
	FIELD(delivered_ce),
	FIELD(received_ce),
	FIELD(delivered_e1_bytes),
	FIELD(delivered_e0_bytes),
	FIELD(delivered_ce_bytes),
	FIELD(received_e1_bytes),
	FIELD(received_e0_bytes),
	FIELD(received_ce_bytes),
	FIELD(bytes_sent),
	FIELD(bytes_retrans),
	FIELD(dsack_dups),
	FIELD(reord_seen),
	FIELD(rcv_ooopack),
	FIELD(snd_wnd),
	FIELD(rcv_wnd),
	FIELD(rehash),
	FIELD(total_rto),
	FIELD(total_rto_recoveries),
	FIELD(total_rto_time),
};

static int64_t field_value(const struct linux_tcp_info *info, size_t offset, size_t size)
{
	const uint8_t *at = (const uint8_t *)info + offset;
	uint64_t value = 0;

	/* Little-endian machines only read the low bytes this way, so each width is read as it is. */
	if (size == 1)
		return *at;
	if (size == 2) {
		uint16_t value16;

		memcpy(&value16, at, sizeof(value16));
		return value16;
	}
	if (size == 4) {
		uint32_t value32;

		memcpy(&value32, at, sizeof(value32));
		return value32;
	}
	memcpy(&value, at, sizeof(value));
	return (int64_t)value;
}

static bool look_up(void *arg, const char *name, int64_t *ret_value)
{
	struct run *run = arg;
	struct linux_tcp_info info;
	uint32_t len = sizeof(info);
	int fd = run->flow.live_fd;

	for (unsigned i = 0; i < sizeof(code_constants) / sizeof(code_constants[0]); i++)
		if (!strcmp(code_constants[i].name, name)) {
			*ret_value = code_constants[i].value;
			return true;
		}
	if (strncmp(name, "tcpi_", 5))
		return false;
	if (fd < 0)
		fd = run->flow_fd >= 0 ? call_live_fd(&run->calls, run->flow_fd) : -1;
	if (posix_getsockopt(run->rig->world, fd, LINUX_SOL_TCP, LINUX_TCP_INFO, &info, &len) < 0)
		return false;
	if (!strcmp(name, "tcpi_ecn_mode") || !strcmp(name, "tcpi_accecn_opt_seen")) {
		*ret_value = name[5] == 'e' ? info.ecn_bits & 3 : info.ecn_bits >> 2 & 3;
		return true;
	}
	if (!strcmp(name, "tcpi_accecn_fail_mode")) {
		*ret_value = info.ecn_bits >> 4;
		return true;
	}
	if (!strcmp(name, "tcpi_snd_wscale") || !strcmp(name, "tcpi_rcv_wscale")) {
		*ret_value = name[5] == 's' ? info.wscales & 15 : info.wscales >> 4;
		return true;
	}
	if (!strcmp(name, "tcpi_delivery_rate_app_limited")) {
		*ret_value = info.rate_app_limited_and_fastopen_fail & 1;
		return true;
	}
	if (!strcmp(name, "tcpi_fastopen_client_fail")) {
		*ret_value = info.rate_app_limited_and_fastopen_fail >> 1 & 3;
		return true;
	}
	for (unsigned i = 0; i < sizeof(info_fields) / sizeof(info_fields[0]); i++)
		if (!strcmp(info_fields[i].name, name)) {
			*ret_value = field_value(&info, info_fields[i].offset, info_fields[i].size);
			return true;
		}
	return false;
}

/* ---- fast-open cookies ---- */

static const uint8_t cookie_ip4[8] = {0x30, 0x21, 0xb9, 0xd8, 0x89, 0x01, 0x7e, 0xeb};
static const uint8_t cookie_ip6[8] = {0xc1, 0xd1, 0xe9, 0x74, 0x2a, 0x47, 0xa9, 0xbc};

static void store_cookie(struct run *run, const struct wire_packet *packet)
{
	for (unsigned i = 0; i < packet->option_count; i++) {
		const struct tcp_option_spec *option = &packet->options[i];

		if (option->kind != OPTION_FASTOPEN || !option->len ||
		    option->len > sizeof(run->rules.cookie))
			continue;
		run->rules.has_cookie = true;
		run->rules.cookie_len = option->len;
		memcpy(run->rules.cookie, option->data, option->len);
	}
}

static bool ask_cookie(struct run *run, struct rig *rig)
{
	struct tee_endpoint local = {.ip = run->config.local, .port = DEFAULT_PORT};
	int domain = run->config.is_ip6 ? LINUX_AF_INET6 : LINUX_AF_INET;
	static uint8_t bytes[WIRE_PACKET_MAX];
	uint8_t addr[POSIX_SOCKADDR_SIZE];
	uint32_t addr_len = posix_write_sockaddr(&local, domain, addr, sizeof(addr));
	int fd = posix_socket(rig->world, domain, LINUX_SOCK_STREAM, 0);
	struct wire_packet syn = {
		.is_ip6 = run->config.is_ip6,
		.src = run->config.remote,
		.dst = run->config.local,
		.ttl = 64,
		.protocol = WIRE_TCP,
		.src_port = 1024,
		.dst_port = DEFAULT_PORT,
		.flags = SEG_SYN,
		.window = UINT16_MAX,
		.option_count = 2,
		.options = {{.kind = OPTION_MSS, .number = 1000}, {.kind = OPTION_FASTOPEN}},
	};
	int32_t queue_len = 1;

	if (fd < 0 || posix_bind(rig->world, fd, addr, addr_len) < 0)
		return false;
	posix_setsockopt(rig->world, fd, LINUX_SOL_TCP, LINUX_TCP_FASTOPEN, &queue_len,
			 sizeof(queue_len));
	return posix_listen(rig->world, fd, 1) >= 0 &&
	       rig_receive(rig, bytes, wire_build(&syn, bytes));
}

void run_learn_cookie(struct run *run)
{
	char error[WIRE_ERROR_SIZE];
	struct rig *rig;
	struct rig_packet *packet;

	memcpy(run->rules.script_cookie, run->config.is_ip6 ? cookie_ip6 : cookie_ip4,
	       sizeof(run->rules.script_cookie));
	if (!strstr(run->script->text, "TFO_COOKIE") &&
	    !strstr(run->script->text, "3021b9d889017eeb") &&
	    !strstr(run->script->text, "c1d1e9742a47a9bc"))
		return;
	rig = rig_new(&run->config, error);
	if (!rig)
		return;
	if (ask_cookie(run, rig))
		while ((packet = rig_take(rig))) {
			store_cookie(run, &packet->wire);
			free(packet);
		}
	rig_free(rig);
}

/* ---- */

void run_setup(struct run *run)
{
	char error[WIRE_ERROR_SIZE];

	run->tolerance_us = DEFAULT_TOLERANCE_US;
	run->calls.bind_port = run->calls.connect_port = DEFAULT_PORT;
	run->rules.is_strict = run->options->is_strict;
	apply_settings(run);
	if (run->options->tolerance_us >= 0)
		run->tolerance_us = run->options->tolerance_us;
	if (run->rules.ts_tick_us)
		run->rules.ts_tolerance_ticks =
			(uint32_t)(run->tolerance_us / run->rules.ts_tick_us) + 1;
	run->knobs.config = &run->config.stack;
	if (run->script->init_command)
		knobs_run(&run->knobs, run->script->init_command);
	knobs_presume(&run->knobs, run->script);
	run_learn_cookie(run);
	run->rig = rig_new(&run->config, error);
	if (!run->rig)
		run_fail(run, RUN_FAIL, "%s", error);
	run->knobs.config = NULL;
	run->knobs.stack = run->rig->stack;
	run->calls.rig = run->rig;
	run->code.arena = &run->code_arena;
	run->code.lookup = look_up;
	run->code.lookup_arg = run;
	run->flow_fd = -1;
	run->next_port = 40000;
	for (unsigned i = 0; i < run->script->event_count; i++)
		if (run->script->events[i].kind == EVENT_PACKET)
			run->last_packet_index = i;
}
