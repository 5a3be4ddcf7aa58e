// SPDX-License-Identifier: MIT
/*
 * The conversation in words. A line of it:
 *
 *     12.345  us:49152 → 10.0.2.2:8000  PSH ACK  seq 1..78 (77)  ack 1  win 64240   new data
 *
 * milliseconds since the first line; who to whom, always with us on the left; flags; sequence
 * numbers relative to the two initial ones, as the range of bytes and their number; what is
 * acknowledged; the window in bytes; options of a SYN, SACK ranges; and for what we sent, why.
 *
 * The printer also keeps sums for a summary: how much went each way, how often for which reason, and
 * what was dropped.
 */
#include "cli/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct trace_printer {
	FILE *out;
	const struct cli_style *style;
	bool has_arrows, has_all;
	bool has_first;
	uint64_t first_ns, last_ns;
	uint64_t out_segs, in_segs, out_bytes, in_bytes, dropped, opened;
	uint64_t why_count[TEE_WHY_COUNT];
	uint64_t srtt_ns;
};

struct trace_printer *trace_printer_new(FILE *out, const struct cli_style *style, bool has_arrows,
					bool has_all)
{
	struct trace_printer *printer = calloc(1, sizeof(*printer));

	if (!printer)
		return NULL;
	printer->out = out;
	printer->style = style;
	printer->has_arrows = has_arrows;
	printer->has_all = has_all;
	return printer;
}

void trace_printer_free(struct trace_printer *printer)
{
	free(printer);
}

/* ---- pieces of a line ---- */

struct line {
	char *text;
	size_t len, size;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
	size_t left = line->size - line->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->text + line->len, left, format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len < left ? (size_t)len : left - 1;
}

const char *trace_format_flags(unsigned flags, char text[48])
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{TEE_TCP_SYN, "SYN"}, {TEE_TCP_FIN, "FIN"}, {TEE_TCP_RST, "RST"},
		{TEE_TCP_PSH, "PSH"}, {TEE_TCP_URG, "URG"}, {TEE_TCP_ACK, "ACK"},
		{TEE_TCP_ECE, "ECE"}, {TEE_TCP_CWR, "CWR"}, {TEE_TCP_AE, "AE"},
	};
	struct line line = {.text = text, .size = 48};

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].bit)
			add(&line, "%s%s", line.len ? " " : "", names[i].name);
	return text;
}

static void add_time(struct line *line, const struct trace_printer *printer, uint64_t at_ns)
{
	uint64_t since_ns = printer->has_first ? at_ns - printer->first_ns : 0;

	add(line, "%s%6" PRIu64 ".%03" PRIu64 "%s  ", printer->style->dim, since_ns / TEE_NS_PER_MS,
	    since_ns / TEE_NS_PER_US % 1000, printer->style->reset);
}

static const char *arrow(const struct trace_printer *printer, bool is_out)
{
	if (printer->has_arrows)
		return is_out ? "→" : "←";
	return is_out ? "->" : "<-";
}

static bool is_retransmission(enum tee_why why)
{
	return why == TEE_WHY_SYN_RETRANSMIT || why == TEE_WHY_FAST_RETRANSMIT ||
	       why == TEE_WHY_RTO || why == TEE_WHY_TLP;
}

static void add_who(struct line *line, const struct trace_printer *printer,
		    const struct tee_trace *trace, bool is_out)
{
	const struct cli_style *style = printer->style;
	char remote[TEE_ENDPOINT_TEXT_SIZE];

	add(line, "%sus:%-5u %s %s%s  ",
	    trace->seg.flags & TEE_TCP_RST            ? style->red
	    : is_out && is_retransmission(trace->why) ? style->yellow
	    : is_out                                  ? style->cyan
						      : style->green,
	    trace->local.port, arrow(printer, is_out), tee_endpoint_format(&trace->remote, remote),
	    style->reset);
}

static void add_options(struct line *line, const struct tee_trace_seg *seg)
{
	if (seg->flags & TEE_TCP_SYN) {
		if (seg->mss)
			add(line, "  mss %u", seg->mss);
		if (seg->wscale >= 0)
			add(line, "  wscale %d", seg->wscale);
		if (seg->sack_permitted)
			add(line, "  sack ok");
		if (seg->has_ts)
			add(line, "  timestamps");
	}
	for (unsigned i = 0; i < seg->sack_count && i < 4; i++)
		add(line, "%s%u..%u", i == 0 ? "  sack " : ",", seg->sack[i][0], seg->sack[i][1]);
}

/*
 * Where there is no connection any more, as in TIME-WAIT, the initial numbers aren't known, and
 * both relative ones are 0, as they never are after a handshake: then those of the wire are told.
 */
static void add_numbers(struct line *line, const struct tee_trace_seg *seg)
{
	bool is_relative = seg->flags & TEE_TCP_SYN || seg->rel_seq != 0 || seg->rel_ack != 0;
	uint32_t seq = is_relative ? seg->rel_seq : seg->seq;

	if (seg->len > 0)
		add(line, "  seq %u..%u (%u)", seq, seq + seg->len, seg->len);
	else
		add(line, "  seq %u", seq);
	if (seg->flags & TEE_TCP_ACK)
		add(line, "  ack %u", is_relative ? seg->rel_ack : seg->ack);
	if (!is_relative)
		add(line, " (absolute)");
}

static void format_segment(struct line *line, const struct trace_printer *printer,
			   const struct tee_trace *trace)
{
	const struct tee_trace_seg *seg = &trace->seg;
	bool is_out = trace->kind == TEE_TRACE_TCP_OUT;
	char flags[48];

	add_who(line, printer, trace, is_out);
	add(line, "%-7s", trace_format_flags(seg->flags, flags));
	add_numbers(line, seg);
	add(line, "  win %u", seg->window);
	add_options(line, seg);
	if (is_out && trace->why != TEE_WHY_NONE)
		add(line, "   %s%s%s", printer->style->bold, tee_why_name(trace->why),
		    printer->style->reset);
}

static double ms(uint64_t ns)
{
	return (double)ns / (double)TEE_NS_PER_MS;
}

/* The lines that --trace=all adds. */
static void format_inner(struct line *line, const struct trace_printer *printer,
			 const struct tee_trace *trace)
{
	const char *text = trace->text ? trace->text : "";

	add(line, "%sus:%-5u   ", printer->style->dim, trace->local.port);
	switch (trace->kind) {
	case TEE_TRACE_TCP_STATE:
		add(line, "%s %s %s", tee_tcp_state_name(trace->state_from), arrow(printer, true),
		    tee_tcp_state_name(trace->state_to));
		break;
	case TEE_TRACE_TCP_CC:
		add(line, "cwnd %" PRIu64 "  ssthresh %" PRIu64 "  in flight %" PRIu64 "  %s",
		    trace->cwnd_bytes, trace->ssthresh_bytes, trace->in_flight_bytes, text);
		break;
	case TEE_TRACE_TCP_RTT:
		add(line, "rtt %.3f ms  smoothed %.3f  rto %.3f", ms(trace->value_ns),
		    ms(trace->srtt_ns), ms(trace->rto_ns));
		break;
	default:
		add(line, "lost %u..%u  %s", trace->seg.rel_seq,
		    trace->seg.rel_seq + trace->seg.len, text);
		break;
	}
	add(line, "%s", printer->style->reset);
}

static void format_packet(struct line *line, const struct trace_printer *printer,
			  const struct tee_trace *trace)
{
	const struct cli_style *style = printer->style;
	bool is_out = trace->kind == TEE_TRACE_PACKET_OUT;

	add(line, "%sus       %s%s %s", is_out ? style->cyan : style->green, arrow(printer, is_out),
	    style->reset, trace->text ? trace->text : "");
	if (is_out && trace->why != TEE_WHY_NONE)
		add(line, "   %s%s%s", style->bold, tee_why_name(trace->why), style->reset);
}

const char *trace_format(const struct trace_printer *printer, const struct tee_trace *trace,
			 char text[TRACE_LINE_SIZE])
{
	struct line line = {.text = text, .size = TRACE_LINE_SIZE};

	text[0] = '\0';
	add_time(&line, printer, trace->at_ns);
	switch (trace->kind) {
	case TEE_TRACE_TCP_OUT:
	case TEE_TRACE_TCP_IN: format_segment(&line, printer, trace); break;
	case TEE_TRACE_PACKET_OUT:
	case TEE_TRACE_PACKET_IN: format_packet(&line, printer, trace); break;
	case TEE_TRACE_DROP:
		add(&line, "%sdropped: %s%s", printer->style->red, trace->text ? trace->text : "?",
		    printer->style->reset);
		break;
	case TEE_TRACE_ADDR: add(&line, "%s", trace->text ? trace->text : ""); break;
	case TEE_TRACE_TCP_STATE:
	case TEE_TRACE_TCP_CC:
	case TEE_TRACE_TCP_RTT:
	case TEE_TRACE_TCP_LOST:
		if (printer->has_all)
			format_inner(&line, printer, trace);
		else
			text[0] = '\0';
		break;
	}
	return text;
}

/* ---- the consumer ---- */

static void note(struct trace_printer *printer, const struct tee_trace *trace)
{
	if (!printer->has_first) {
		printer->has_first = true;
		printer->first_ns = trace->at_ns;
	}
	printer->last_ns = trace->at_ns;
	switch (trace->kind) {
	case TEE_TRACE_TCP_OUT:
		printer->out_segs++;
		printer->out_bytes += trace->seg.len;
		if ((unsigned)trace->why < TEE_WHY_COUNT)
			printer->why_count[trace->why]++;
		break;
	case TEE_TRACE_TCP_IN:
		printer->in_segs++;
		printer->in_bytes += trace->seg.len;
		break;
	case TEE_TRACE_TCP_STATE: printer->opened += trace->state_to == TEE_TCP_ESTABLISHED; break;
	case TEE_TRACE_TCP_RTT: printer->srtt_ns = trace->srtt_ns; break;
	case TEE_TRACE_DROP: printer->dropped++; break;
	default: break;
	}
}

void trace_print(void *arg, const struct tee_trace *trace)
{
	struct trace_printer *printer = arg;
	char line[TRACE_LINE_SIZE + 1];
	size_t len;

	note(printer, trace);
	trace_format(printer, trace, line);
	len = strlen(line);
	if (len == 0)
		return;
	line[len++] = '\n';
	fwrite(line, 1, len, printer->out);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

void trace_print_summary(struct trace_printer *printer)
{
	FILE *out = printer->out;
	bool has_reason = false;

	fprintf(out,
		"%" PRIu64 " connection%s in %.1f ms: sent %" PRIu64 " segment%s with %" PRIu64
		" bytes, received %" PRIu64 " with %" PRIu64 " bytes",
		printer->opened, plural(printer->opened), ms(printer->last_ns - printer->first_ns),
		printer->out_segs, plural(printer->out_segs), printer->out_bytes, printer->in_segs,
		printer->in_bytes);
	if (printer->srtt_ns)
		fprintf(out, ", round trip %.3f ms", ms(printer->srtt_ns));
	if (printer->dropped)
		fprintf(out, ", dropped %" PRIu64, printer->dropped);
	fputs("\n", out);
	for (unsigned why = 0; why < TEE_WHY_COUNT; why++) {
		if (!printer->why_count[why] || why == TEE_WHY_NONE)
			continue;
		fprintf(out, "%s%" PRIu64 " %s",
			has_reason ? ", " : "why: ", printer->why_count[why],
			tee_why_name((enum tee_why)why));
		has_reason = true;
	}
	if (has_reason)
		fputs("\n", out);
	fflush(out);
}
