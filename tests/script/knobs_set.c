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
	{"tcp_ecn", "tcp_ecn", KNOB_ECN},
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

static bool set_ecn(struct knobs *knobs, unsigned long long number)
{
	static const int modes[] = {TEE_ECN_OFF, TEE_ECN_ON, TEE_ECN_PASSIVE, TEE_ECN_ACCURATE,
				    TEE_ECN_ACCURATE};

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
	}
	return false;
}

/* "/proc/sys/net/ipv4/tcp_sack" and "net.ipv4.tcp_sack" end in the same word. */
static const char *short_name(const char *name)
{
	static const char *const prefixes[] = {"net.ipv4.", "net.core.", "net.inet.tcp."};
	const char *slash = strrchr(name, '/');

	if (slash)
		return slash + 1;
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

void knobs_set_route(struct knobs *knobs, const char *command)
{
	const char *advmss = strstr(command, "advmss ");

	if (!advmss || !set_number(knobs, "tcp_mss_max", strtoull(advmss + 7, NULL, 10))) {
		knobs->is_unsupported = true;
		knobs_note(knobs, "ip route");
	}
}
