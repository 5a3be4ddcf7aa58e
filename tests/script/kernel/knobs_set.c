/* SPDX-License-Identifier: MIT */
/*
 * Knobs of the machine's own kernel, in the run's network namespace: a sysctl is written to its
 * file below /proc/sys/net. No command is ever executed as it stands in a script.
 */
#include "knobs_set.h"

#include <stdio.h>
#include <string.h>

#include "netns.h"

void knobs_note(struct knobs *knobs, const char *name)
{
	size_t used = strlen(knobs->notes);

	snprintf(knobs->notes + used, sizeof(knobs->notes) - used, "%s%s", used ? ", " : "", name);
}

static void refuse(struct knobs *knobs, const char *name)
{
	knobs->is_unsupported = true;
	knobs_note(knobs, name);
}

void knobs_set(struct knobs *knobs, const char *name, const char *value)
{
	if (strstr(name, "tcp_congestion_control"))
		netns_set_congestion(value);
	else if (!netns_set(name, value))
		refuse(knobs, name);
}

bool knobs_set_field(struct knobs *knobs, const char *field, const char *value)
{
	(void)knobs;
	(void)field;
	(void)value;
	return false;
}

void knobs_set_route(struct knobs *knobs, const char *command)
{
	(void)command;
	refuse(knobs, "ip route");
}

void knobs_set_defaults(struct knobs *knobs)
{
	static const char *const settings[][2] = {
		{"net.ipv4.tcp_timestamps", "1"},
		{"net.ipv4.tcp_sack", "1"},
		{"net.ipv4.tcp_window_scaling", "1"},
		{"net.ipv4.tcp_ecn", "0"},
		{"net.ipv4.tcp_fastopen", "0x70403"},
		{"net.ipv4.tcp_fastopen_blackhole_timeout_sec", "0"},
		{"net.ipv4.tcp_recovery", "1"},
		{"net.ipv4.tcp_early_retrans", "3"},
		{"net.ipv4.tcp_reordering", "3"},
		{"net.ipv4.tcp_no_metrics_save", "1"},
		{"net.ipv4.tcp_syncookies", "1"},
		{"net.ipv4.tcp_rmem", "4096 540000 18000000"},
		{"net.ipv4.tcp_wmem", "4096 20000 1000000"},
		{"net.ipv4.tcp_notsent_lowat", "4294967295"},
	};

	knobs->has_defaults_file = true;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!netns_set(settings[i][0], settings[i][1]))
			refuse(knobs, settings[i][0]);
}
