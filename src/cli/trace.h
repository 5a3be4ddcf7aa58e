/* SPDX-License-Identifier: MIT */
/*
 * The conversation in words: a trace consumer that prints a line a segment, and a summary.
 *
 *   1. trace_printer_new(); 2. tee_trace_set(stack, trace_print, printer), or the same in the
 *   host's configuration; 3. trace_print_summary() at the end; 4. trace_printer_free().
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include <teeceepee/trace.h>

#include "cli/cli.h"

enum { TRACE_LINE_SIZE = 512 };

/* Lines go to `out`, one write each. `has_arrows`: UTF-8; `has_all`: losses, samples, windows too. */
struct trace_printer *trace_printer_new(FILE *out, const struct cli_style *style, bool has_arrows,
					bool has_all);
void trace_printer_free(struct trace_printer *printer); /* NULL is legal */
/* A tee_trace_fn. */
void trace_print(void *printer, const struct tee_trace *trace);
void trace_print_summary(struct trace_printer *printer);

/*
 * The line for one trace point, without the line's end; an empty one when this printer skips it.
 * Returns `line`.
 */
const char *trace_format(const struct trace_printer *printer, const struct tee_trace *trace,
			 char line[TRACE_LINE_SIZE]);
/* "SYN ACK", "FIN ACK" … */
const char *trace_format_flags(unsigned flags, char text[48]);

#endif
