/* SPDX-License-Identifier: MIT */
/*
 * Recording: a script is used for what it does (calls, packets towards the stack) and not for what
 * it expects. What came back is printed, line by line, each with its time and the number of the
 * script's line that it answers to. Two recordings of one script, of our stack and of a kernel, tell
 * where the two differ.
 *
 * Timestamps are told as if the first that the stack sent had been STAMP_FIRST, and a script that
 * echoes one counts the same way.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "state.h"

enum { STAMP_FIRST = 100 };

static void print_at(const struct run *run, int64_t at_us, int line)
{
	(void)run;
	printf("%9.6f %3d ", (double)at_us / 1e6, line);
}

void run_record(const struct run *run, const char *format, ...)
{
	va_list args;

	print_at(run, run_now_us(run), run->event ? run->event->line : 0);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void tell_stamp(struct flow *flow, struct wire_packet *packet)
{
	for (unsigned i = 0; i < packet->option_count; i++) {
		struct tcp_option_spec *option = &packet->options[i];

		if (option->kind != OPTION_TIMESTAMP)
			continue;
		if (!flow->has_first_stamp) {
			flow->has_first_stamp = flow->has_linear_stamps = true;
			flow->first_script_stamp = STAMP_FIRST;
			flow->first_live_stamp = option->number;
		}
		option->number += flow->first_script_stamp - flow->first_live_stamp;
	}
}

void run_record_packets(struct run *run, struct flow *flow)
{
	struct rig_packet *packet;
	char text[FLOW_TEXT_SIZE];

	while ((packet = rig_take(run->rig))) {
		bool is_icmp = packet->wire.protocol == WIRE_ICMP4 ||
			       packet->wire.protocol == WIRE_ICMP6;

		if (*packet->error) {
			run_record(run, "> unreadable: %s", packet->error);
		} else if (is_icmp || flow_owns(flow, &packet->wire)) {
			if (!is_icmp)
				flow_note_outbound(flow, &packet->wire, NULL);
			tell_stamp(flow, &packet->wire);
			flow_print(flow, &packet->wire, false, text);
			print_at(run, (int64_t)(packet->at_ns - run->zero_ns) / 1000,
				 packet->tag >= 0 &&
						 (unsigned)packet->tag < run->script->event_count
					 ? run->script->events[packet->tag].line
					 : 0);
			puts(text);
		}
		free(packet);
	}
}
