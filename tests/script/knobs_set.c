/* SPDX-License-Identifier: MIT */
/*
 * Knobs: a table from the names of Linux and FreeBSD to fields of struct tee_config. What reads
 * the commands is knobs.c; kernel/knobs_set.c stands in this file's place where the commands are
 * meant for the machine's own kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "knobs_set.h"

enum knob_form {
	KNOB_PLAIN, /* the number as it is */
	KNOB_BOOL,  /* 0 or not */
	KNOB_NOT,   /* the opposite */
	KNOB_SECONDS,
	KNOB_MS,
	KNOB_US,
	KNOB_TRIPLE, /* "min initial max" into three fields with these endings */
	KNOB_ECN,
	KNOB_TLP,  /* tcp_early_retrans: 3 and 4 have a tail loss probe */
	KNOB_RACK, /* tcp_recovery, bit 0 */
	KNOB_TEXT,
	KNOB_MSL,     /* FreeBSD counts it in milliseconds */
	KNOB_IGNORED, /* has no effect that a peer could see, or we always do it */
	KNOB_ALWAYS0, /* we are as with 0, and can't be otherwise */
	KNOB_ALWAYS1, /* the same, with another number */
};

struct knob_row {
	const char *name; /* behind net.ipv4. or net.inet.tcp. */
	const char *field;
	enum knob_form form;
};

static const struct knob_row rows[] = {
	/* Linux */
	{"tcp_timestamps", "tcp_timestamps", KNOB_BOOL},
	{"tcp_sack", "tcp_sack", KNOB_BOOL},
	{"tcp_dsack", "tcp_dsack", KNOB_BOOL},
	{"tcp_window_scaling", "tcp_window_scaling", KNOB_BOOL},
	{"tcp_ecn", "tcp_ecn", KNOB_PLAIN},
	{"tcp_ecn_option", "tcp_accecn_option", KNOB_PLAIN},
	{"tcp_ecn_option_beacon", "tcp_accecn_beacon", KNOB_PLAIN},
	{"tcp_fastopen", "tcp_fastopen", KNOB_PLAIN},
	{"tcp_syncookies", "tcp_syn_cookies", KNOB_BOOL},
	{"tcp_abort_on_overflow", "tcp_abort_on_overflow", KNOB_BOOL},
	{"tcp_max_syn_backlog", "syn_queue_max", KNOB_PLAIN},
	{"tcp_max_tw_buckets", "timewait_max", KNOB_PLAIN},
	{"tcp_syn_retries", "tcp_syn_retries", KNOB_PLAIN},
	{"tcp_synack_retries", "tcp_synack_retries", KNOB_PLAIN},
	{"tcp_syn_linear_timeouts", "tcp_syn_linear_timeouts", KNOB_PLAIN},
	{"tcp_retries1", "tcp_retries1", KNOB_PLAIN},
	{"tcp_retries2", "tcp_retries2", KNOB_PLAIN},
	{"tcp_orphan_retries", "tcp_orphan_retries", KNOB_PLAIN},
	{"tcp_fin_timeout", "tcp_fin_wait2_timeout_ns", KNOB_SECONDS},
	{"tcp_keepalive_time", "tcp_keepalive_idle_ns", KNOB_SECONDS},
	{"tcp_keepalive_intvl", "tcp_keepalive_interval_ns", KNOB_SECONDS},
	{"tcp_keepalive_probes", "tcp_keepalive_probe_count", KNOB_PLAIN},
	{"tcp_rto_min_us", "tcp_rto_min_ns", KNOB_US},
	{"tcp_rto_max_ms", "tcp_rto_max_ns", KNOB_MS},
	{"tcp_invalid_ratelimit", "oow_ack_interval_ns", KNOB_MS},
	{"tcp_challenge_ack_limit", "challenge_ack_rate_per_s", KNOB_PLAIN},
	{"tcp_congestion_control", "tcp_cc", KNOB_TEXT},
	{"tcp_slow_start_after_idle", "tcp_slow_start_after_idle", KNOB_BOOL},
	{"tcp_no_metrics_save", "tcp_metrics_save", KNOB_NOT},
	{"tcp_frto", "tcp_frto", KNOB_BOOL},
	{"tcp_early_retrans", "tcp_tlp", KNOB_TLP},
	{"tcp_recovery", "tcp_rack", KNOB_RACK},
	{"tcp_reordering", "tcp_dupack_threshold", KNOB_PLAIN},
	{"tcp_notsent_lowat", "tcp_notsent_lowat_bytes", KNOB_PLAIN},
	{"tcp_min_snd_mss", "tcp_min_snd_mss", KNOB_PLAIN},
	{"tcp_mtu_probing", "tcp_mtu_probing", KNOB_PLAIN},
	{"tcp_base_mss", "tcp_base_mss", KNOB_PLAIN},
	{"tcp_mtu_probe_floor", "tcp_mtu_probe_floor", KNOB_PLAIN},
	{"tcp_probe_threshold", "tcp_mtu_probe_threshold", KNOB_PLAIN},
	{"tcp_probe_interval", "tcp_mtu_probe_interval_ns", KNOB_SECONDS},
	{"tcp_moderate_rcvbuf", "tcp_autotuning", KNOB_BOOL},
	{"tcp_rmem", "tcp_rcvbuf", KNOB_TRIPLE},
	{"tcp_wmem", "tcp_sndbuf", KNOB_TRIPLE},
	{"ip_default_ttl", "ttl", KNOB_PLAIN},
	{"ip_no_pmtu_disc", "pmtud", KNOB_NOT},
	{"hystart", "tcp_hystart", KNOB_BOOL},
	{"hystart_detect", "tcp_hystart", KNOB_BOOL},
	{"somaxconn", "tcp_listen_backlog_max", KNOB_PLAIN},
	{"tcp_tso_win_divisor", NULL, KNOB_IGNORED},
	{"tcp_fastopen_key", NULL, KNOB_IGNORED},
	{"tcp_fastopen_blackhole_timeout_sec", NULL, KNOB_IGNORED},
	{"tcp_limit_output_bytes", NULL, KNOB_IGNORED},
	{"tcp_pacing_ss_ratio", NULL, KNOB_IGNORED},
	{"tcp_pacing_ca_ratio", NULL, KNOB_IGNORED},
	{"tcp_min_tso_segs", NULL, KNOB_IGNORED},
	{"tcp_autocorking", NULL, KNOB_IGNORED},
	{"tcp_adv_win_scale", NULL, KNOB_IGNORED},
	{"tcp_app_win", NULL, KNOB_IGNORED},
	{"tcp_low_latency", NULL, KNOB_IGNORED},
	{"tcp_fwmark_accept", NULL, KNOB_IGNORED},
	{"tcp_mem", NULL, KNOB_IGNORED},
	{"tcp_ecn_fallback", NULL, KNOB_IGNORED},
	{"tcp_comp_sack_nr", NULL, KNOB_IGNORED},
	{"tcp_comp_sack_delay_ns", NULL, KNOB_IGNORED},
	{"tcp_comp_sack_slack_ns", NULL, KNOB_IGNORED},
	{"tcp_backlog_ack_defer", NULL, KNOB_IGNORED},
	{"tcp_shrink_window", NULL, KNOB_IGNORED},
	{"default_qdisc", NULL, KNOB_IGNORED},
	{"netdev_max_backlog", NULL, KNOB_IGNORED},
	{"optmem_max", NULL, KNOB_IGNORED},
	{"rmem_max", NULL, KNOB_IGNORED},
	{"wmem_max", NULL, KNOB_IGNORED},
	{"tcp_max_reordering", NULL, KNOB_IGNORED},
	{"tcp_retrans_collapse", NULL, KNOB_IGNORED},
	{"tcp_tso_rtt_log", NULL, KNOB_IGNORED},
	{"tcp_min_rtt_wlen", NULL, KNOB_IGNORED},
	{"tcp_tw_reuse", NULL, KNOB_IGNORED},
	{"tcp_tw_reuse_delay", NULL, KNOB_IGNORED},
	{"tcp_max_orphans", NULL, KNOB_IGNORED},
	{"tcp_early_demux", NULL, KNOB_IGNORED},
	{"tcp_pingpong_thresh", NULL, KNOB_IGNORED},
	{"tcp_fack", NULL, KNOB_IGNORED},
	{"tcp_workaround_signed_windows", NULL, KNOB_IGNORED},
	{"tcp_allowed_congestion_control", NULL, KNOB_IGNORED},
	{"tcp_no_ssthresh_metrics_save", NULL, KNOB_IGNORED},
	{"tcp_rfc1337", NULL, KNOB_IGNORED}, /* a RST never ends TIME-WAIT */
	{"tcp_reflect_tos", NULL, KNOB_ALWAYS0},
	{"tcp_stdurg", NULL, KNOB_ALWAYS1},
	{"tcp_thin_linear_timeouts", NULL, KNOB_ALWAYS0},
	{"tcp_syn_linear_timeouts", NULL, KNOB_ALWAYS0},
	{"tcp_plb_enabled", NULL, KNOB_ALWAYS0},
	{"tcp_ecn_option", NULL, KNOB_IGNORED},
	{"tcp_ecn_option_beacon", NULL, KNOB_IGNORED},
	{"icmp_ratelimit", NULL, KNOB_IGNORED},
	{"icmp_ratemask", NULL, KNOB_IGNORED},
	{"icmp_msgs_per_sec", "icmp_rate_per_s", KNOB_PLAIN},
	{"icmp_msgs_burst", NULL, KNOB_IGNORED},
	{"ip_local_port_range", NULL, KNOB_IGNORED}, /* a connection's port is what the flow has */
	{"ip_nonlocal_bind", NULL, KNOB_ALWAYS0},
	{"rp_filter", NULL, KNOB_IGNORED},
	{"accept_ra", NULL, KNOB_IGNORED},
	{"accept_dad", NULL, KNOB_IGNORED},
	{"disable_ipv6", NULL, KNOB_IGNORED},
	{"auto_flowlabels", NULL, KNOB_IGNORED},
	{"rmem_default", NULL, KNOB_IGNORED},
	{"wmem_default", NULL, KNOB_IGNORED},
	{"txrehash", NULL, KNOB_IGNORED},
	{"busy_poll", NULL, KNOB_IGNORED},
	{"busy_read", NULL, KNOB_IGNORED},
	{"high_order_alloc_disable", NULL, KNOB_IGNORED},
	{"skb_defer_max", NULL, KNOB_IGNORED},
	{"max_skb_frags", NULL, KNOB_IGNORED},
	{"gro_normal_batch", NULL, KNOB_IGNORED},
	/* FreeBSD */
	{"rfc1323", "tcp_timestamps", KNOB_BOOL},
	{"sack.enable", "tcp_sack", KNOB_BOOL},
	{"ecn.enable", "tcp_ecn", KNOB_ECN},
	{"rfc3042", "tcp_limited_transmit", KNOB_BOOL},
	{"mssdflt", NULL, KNOB_IGNORED},
	{"hostcache.purgenow", NULL, KNOB_IGNORED},
	{"syncookies", "tcp_syn_cookies", KNOB_BOOL},
	{"msl", "tcp_msl_ns", KNOB_MSL},
	{"finwait2_timeout", "tcp_fin_wait2_timeout_ns", KNOB_MS},
	{"keepidle", "tcp_keepalive_idle_ns", KNOB_MS},
	{"keepintvl", "tcp_keepalive_interval_ns", KNOB_MS},
	{"keepcnt", "tcp_keepalive_probe_count", KNOB_PLAIN},
	{"rexmit_min", "tcp_rto_min_ns", KNOB_MS},
	{"rexmit_initial", "tcp_rto_initial_ns", KNOB_MS},
	{"cc.algorithm", "tcp_cc", KNOB_TEXT},
	{"initcwnd_segments", "tcp_initial_cwnd_segs", KNOB_PLAIN},
	{"delacktime", "tcp_delack_min_ns", KNOB_MS},
	{"do_prr", "tcp_prr", KNOB_BOOL},
	{"minmss", "tcp_min_snd_mss", KNOB_PLAIN},
	{"recvspace", "tcp_rcvbuf_initial", KNOB_PLAIN},
	{"sendspace", "tcp_sndbuf_initial", KNOB_PLAIN},
	{"recvbuf_auto", "tcp_autotuning", KNOB_BOOL},
	{"recvbuf_max", "tcp_rcvbuf_max", KNOB_PLAIN},
	{"sendbuf_max", "tcp_sndbuf_max", KNOB_PLAIN},
	{"maxtcptw", "timewait_max", KNOB_PLAIN},
	{"syncache.rexmtlimit", "tcp_synack_retries", KNOB_PLAIN},
	{"path_mtu_discovery", "pmtud", KNOB_BOOL},
	{"rexmit_max", "tcp_rto_max_ns", KNOB_MS},
	{"ack_war_timewindow", "oow_ack_interval_ns", KNOB_MS},
	{"ack_war_cnt", NULL, KNOB_IGNORED},
	{"soacceptqueue", "tcp_listen_backlog_max", KNOB_PLAIN},
	{"icmp_may_rst", NULL, KNOB_ALWAYS1},
	{"rexmit_drop_options", NULL, KNOB_ALWAYS0},
	{"drop_synfin", NULL, KNOB_ALWAYS0},
	{"insecure_rst", NULL, KNOB_ALWAYS0},
	{"insecure_syn", NULL, KNOB_ALWAYS0},
	{"insecure_ack", NULL, KNOB_ALWAYS0},
	{"blackhole", NULL, KNOB_ALWAYS0},
	{"tolerate_missing_ts", NULL, KNOB_ALWAYS1},
	{"syncookies_only", NULL, KNOB_ALWAYS0},
	{"pmtud_blackhole_detection", NULL, KNOB_ALWAYS0},
	{"delayed_ack", NULL, KNOB_ALWAYS1},
	{"always_keepalive", NULL, KNOB_IGNORED},
	{"keepinit", NULL, KNOB_IGNORED},
	{"rexmit_slop", NULL, KNOB_IGNORED},
	{"persmin", NULL, KNOB_IGNORED},
	{"persmax", NULL, KNOB_IGNORED},
	{"v6mssdflt", NULL, KNOB_IGNORED},
	{"rfc3390", NULL, KNOB_IGNORED},
	{"rfc3465", NULL, KNOB_IGNORED},
	{"rfc6675_pipe", NULL, KNOB_IGNORED},
	{"abc_l_var", NULL, KNOB_IGNORED},
	{"newcwv", NULL, KNOB_IGNORED},
	{"newreno_ecn", NULL, KNOB_IGNORED},
	{"tso", NULL, KNOB_IGNORED},
	{"sack.maxholes", NULL, KNOB_IGNORED},
	{"sack.globalmaxholes", NULL, KNOB_IGNORED},
	{"sack.tso", NULL, KNOB_IGNORED},
	{"sack.lrd", NULL, KNOB_IGNORED},
	{"sack.revised", NULL, KNOB_IGNORED},
	{"ecn.maxretries", NULL, KNOB_IGNORED},
	{"sendbuf_auto", NULL, KNOB_IGNORED},
	{"sendbuf_inc", NULL, KNOB_IGNORED},
	{"sendbuf_auto_lowat", NULL, KNOB_IGNORED},
	{"fast_finwait2_recycle", NULL, KNOB_IGNORED},
	{"nolocaltimewait", NULL, KNOB_IGNORED},
	{"functions_default", NULL, KNOB_IGNORED},
	{"functions_inherit_listen_socket_stack", NULL, KNOB_IGNORED},
	{"ts_offset_per_conn", NULL, KNOB_IGNORED},
	{"isn_reseed_interval", NULL, KNOB_IGNORED},
	{"log_in_vain", NULL, KNOB_IGNORED},
	{"log_debug", NULL, KNOB_IGNORED},
	{"per_cpu_timers", NULL, KNOB_IGNORED},
	{"do_tcpdrain", NULL, KNOB_IGNORED},
	{"require_unique_port", NULL, KNOB_IGNORED},
	{"hostcache.enable", "tcp_metrics_save", KNOB_BOOL},
	{"hostcache.purge", NULL, KNOB_IGNORED},
	{"hostcache.expire", NULL, KNOB_IGNORED},
	{"hostcache.prune", NULL, KNOB_IGNORED},
	{"maxsockbuf", NULL, KNOB_IGNORED}, /* the scale that it gives is our own */
	{"icmplim", NULL, KNOB_IGNORED},
};

void knobs_note(struct knobs *knobs, const char *name)
{
	size_t used = strlen(knobs->notes);

	if (strstr(knobs->notes, name))
		return;
	snprintf(knobs->notes + used, sizeof(knobs->notes) - used, "%s%s", used ? ", " : "", name);
}

bool knobs_set_field(struct knobs *knobs, const char *field, const char *value)
{
	int error = knobs->config ? tee_config_set(knobs->config, field, value)
				  : tee_stack_set(knobs->stack, field, value);

	return error >= 0;
}

static bool set_number(struct knobs *knobs, const char *field, unsigned long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", number);
	return knobs_set_field(knobs, field, text);
}

static bool set_time(struct knobs *knobs, const char *field, const char *value, const char *unit)
{
	char text[48];

	snprintf(text, sizeof(text), "%llu%s", strtoull(value, NULL, 0), unit);
	return knobs_set_field(knobs, field, text);
}

static bool set_triple(struct knobs *knobs, const char *field, const char *value)
{
	static const char *const endings[] = {"_min", "_initial", "_max"};
	char *at = (char *)(uintptr_t)value;
	bool ok = true;

	for (unsigned i = 0; i < 3; i++) {
		char name[48];
		unsigned long long number = strtoull(at, &at, 0);

		snprintf(name, sizeof(name), "%s%s", field, endings[i]);
		ok &= set_number(knobs, name, number);
	}
	return ok;
}

/* FreeBSD's numbers; Linux' are the field's own. */
static bool set_ecn(struct knobs *knobs, unsigned long long number)
{
	static const int modes[] = {TEE_ECN_OFF, TEE_ECN_ON, TEE_ECN_PASSIVE, TEE_ECN_ACCURATE,
				    TEE_ECN_ACCURATE_PASSIVE};

	return number < sizeof(modes) / sizeof(modes[0]) &&
	       set_number(knobs, "tcp_ecn", (unsigned)modes[number]);
}

static bool apply_row(struct knobs *knobs, const struct knob_row *row, const char *value)
{
	unsigned long long number = strtoull(value, NULL, 0);

	switch (row->form) {
	case KNOB_PLAIN: return set_number(knobs, row->field, number);
	case KNOB_BOOL: return set_number(knobs, row->field, number != 0);
	case KNOB_NOT: return set_number(knobs, row->field, number == 0);
	case KNOB_SECONDS: return set_time(knobs, row->field, value, "s");
	case KNOB_MS:
	case KNOB_MSL: return set_time(knobs, row->field, value, "ms");
	case KNOB_US: return set_time(knobs, row->field, value, "us");
	case KNOB_TRIPLE: return set_triple(knobs, row->field, value);
	case KNOB_ECN: return set_ecn(knobs, number);
	case KNOB_TLP: return set_number(knobs, row->field, number >= 3);
	case KNOB_RACK: return set_number(knobs, row->field, number & 1);
	case KNOB_TEXT: return knobs_set_field(knobs, row->field, value);
	case KNOB_IGNORED: knobs_note(knobs, row->name); return true;
	case KNOB_ALWAYS0: return number == 0;
	case KNOB_ALWAYS1: return number != 0;
	}
	return false;
}

/* "/proc/sys/net/ipv4/tcp_sack" and "net.ipv4.tcp_sack" end in the same word. */
static const char *short_name(const char *name)
{
	static const char *const prefixes[] = {"net.ipv4.",     "net.ipv6.",      "net.core.",
					       "net.inet.tcp.", "net.inet.icmp.", "kern.ipc."};
	const char *slash = strrchr(name, '/');

	if (slash)
		return slash + 1;
	/* net.ipv4.conf.all.rp_filter: of an interface, whichever */
	if (strstr(name, ".conf."))
		return strrchr(name, '.') + 1;
	for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return name + strlen(prefixes[i]);
	return name;
}

void knobs_set(struct knobs *knobs, const char *name, const char *value)
{
	const char *word = short_name(name);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, word)) {
			if (!apply_row(knobs, &rows[i], value)) {
				knobs->is_unsupported = true;
				knobs_note(knobs, word);
			}
			return;
		}
	knobs->is_unsupported = true;
	knobs_note(knobs, word);
}

/* What Google's defaults.sh sets, as far as it differs from our own defaults. */
void knobs_set_defaults(struct knobs *knobs)
{
	static const char *const settings[][2] = {
		{"tcp_timestamps", "1"},
		{"tcp_sack", "1"},
		{"tcp_window_scaling", "1"},
		{"tcp_ecn", "0"},
		{"tcp_cc", "cubic"},
		{"tcp_fastopen", "0x403"},
		{"tcp_rack", "1"},
		{"tcp_tlp", "1"},
		{"tcp_dupack_threshold", "3"},
		{"tcp_notsent_lowat_bytes", "4294967295"},
	};

	knobs->has_defaults_file = true;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!knobs_set_field(knobs, settings[i][0], settings[i][1]))
			knobs_note(knobs, settings[i][0]);
}

/* A number behind a word of the command, with a unit of time or without. */
static bool route_number(const char *command, const char *word, unsigned long long *ret)
{
	const char *at = strstr(command, word);
	char *end;

	if (!at)
		return false;
	*ret = strtoull(at + strlen(word), &end, 10);
	return end != at + strlen(word);
}

/* What a route says of the connections over it, as far as all of ours can be told it. */
void knobs_set_route(struct knobs *knobs, const char *command)
{
	static const struct {
		const char *word, *field, *unit;
	} attributes[] = {
		{"advmss ", "tcp_mss_max", ""},
		{"initcwnd ", "tcp_initial_cwnd_segs", ""},
		{"rto_min ", "tcp_rto_min_ns", "ms"},
	};
	unsigned long long number;
	char text[32];
	bool is_known = strstr(command, "ip route flush") || strstr(command, "ip route show");

	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		if (!route_number(command, attributes[i].word, &number))
			continue;
		snprintf(text, sizeof(text), "%llu%s", number, attributes[i].unit);
		is_known |= knobs_set_field(knobs, attributes[i].field, text);
	}
	if (!is_known) {
		knobs->is_unsupported = true;
		knobs_note(knobs, "ip route");
	}
}
