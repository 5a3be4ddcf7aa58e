/* SPDX-License-Identifier: MIT */
/* What a scenario's run showed: a table for people, JSON, time series, a drawing. */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <stdio.h>

#include "sim/run.h"

/* Flows of one kind, taken together. */
struct flow_summary {
	unsigned count, done, failed;
	uint64_t bytes;                   /* application bytes received */
	double goodput_bits_per_s;        /* of all, while any of them ran */
	double time_median_s, time_p99_s; /* from open to the end of the stream, of those done */
	uint64_t rtt_min_ns, srtt_ns;     /* least; mean of the last */
	uint64_t retrans_segs, segs, timeouts;
	double jain; /* fairness among them, 1: equal (Jain's index); 0: one flow */
};

void report_summarise(const struct run *run, unsigned spec_idx, struct flow_summary *ret_summary);
/* The q-quantile (0 to 1) of sorted values. */
double report_quantile(const double *sorted, size_t count, double q);

void report_table(const struct run *run, FILE *out);
void report_json(const struct run *run, FILE *out);
/* time_s,what,name,goodput_bits_per_s,cwnd_bytes,srtt_ms,queue_bytes */
void report_csv(const struct run *run, FILE *out);
/* One self-contained picture; with `is_html`, in a page with the table below it. */
void report_plot(const struct run *run, FILE *out, bool is_html);

#endif
