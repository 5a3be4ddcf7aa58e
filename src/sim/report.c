/* SPDX-License-Identifier: MIT */
/*
 * Summaries of a run, as a table, as JSON and as CSV. Goodput counts the bytes that the receiving
 * application read, nothing else; a flow's time goes from its open to the moment when the receiver
 * saw the end of the stream. Quantiles are of all flows of a kind that came to their end. In a world that
 * has time to settle, bytes, segments and links count from then on.
 */
#include "sim/report.h"

#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double report_quantile(const double *sorted, size_t count, double q)
{
	double at = q * (double)(count - 1);
	size_t low = (size_t)at;

	if (count == 0)
		return 0;
	if (low + 1 >= count)
		return sorted[count - 1];
	return sorted[low] + (at - (double)low) * (sorted[low + 1] - sorted[low]);
}

static double flow_seconds(const struct run *run, const struct flow *flow)
{
	uint64_t end = flow->end_ns == TEE_NEVER ? run->sim->now_ns : flow->end_ns;

	return (double)(end - flow->start_ns) / 1e9;
}

/* Bits a second, from when the world had settled or the flow opened, whichever came later. */
static double flow_goodput(const struct run *run, const struct flow *flow)
{
	uint64_t start = flow->start_ns, settled = run->scenario->settle_ns;
	uint64_t end = flow->end_ns == TEE_NEVER ? run->sim->now_ns : flow->end_ns;

	if (start < settled)
		start = settled;
	return end > start ? (double)(flow_bytes(flow) - flow->settled_bytes) * 8e9 /
				     (double)(end - start)
			   : 0;
}

void report_summarise(const struct run *run, unsigned spec_idx, struct flow_summary *ret_summary)
{
	struct flow_summary sum = {0};
	double *times = calloc(run->flow_count + 1, sizeof(*times));
	double rate_sum = 0, rate_squares = 0;
	uint64_t first = TEE_NEVER, last = 0, srtt_sum = 0, srtt_count = 0;

	for (size_t i = 0; i < run->flow_count; i++) {
		const struct flow *flow = &run->flows[i];
		uint64_t end = flow->end_ns == TEE_NEVER ? run->sim->now_ns : flow->end_ns;
		double rate;

		if (flow->spec_idx != spec_idx || flow->start_ns == TEE_NEVER)
			continue;
		rate = flow_goodput(run, flow);
		sum.count++;
		sum.failed += flow->error != 0;
		if (flow->end_ns != TEE_NEVER && !flow->error && times)
			times[sum.done++] = flow_seconds(run, flow);
		sum.bytes += flow_bytes(flow) - flow->settled_bytes;
		sum.retrans_segs += flow->info.total_retrans_segs - flow->settled_retrans_segs;
		sum.segs += flow->info.data_segs_out - flow->settled_segs;
		sum.timeouts += flow->info.total_rto - flow->settled_timeouts;
		if (flow->info.min_rtt_ns &&
		    (!sum.rtt_min_ns || flow->info.min_rtt_ns < sum.rtt_min_ns))
			sum.rtt_min_ns = flow->info.min_rtt_ns;
		srtt_sum += flow->info.rtt_ns;
		srtt_count += flow->info.rtt_ns != 0;
		rate_sum += rate;
		rate_squares += rate * rate;
		first = flow->start_ns < first ? flow->start_ns : first;
		last = end > last ? end : last;
	}
	if (sum.done > 0)
		qsort(times, sum.done, sizeof(*times), compare_doubles);
	sum.time_median_s = report_quantile(times, sum.done, 0.5);
	sum.time_p99_s = report_quantile(times, sum.done, 0.99);
	if (first < run->scenario->settle_ns)
		first = run->scenario->settle_ns;
	if (last > first)
		sum.goodput_bits_per_s = (double)sum.bytes * 8e9 / (double)(last - first);
	if (srtt_count)
		sum.srtt_ns = srtt_sum / srtt_count;
	if (sum.count > 1 && rate_squares > 0)
		sum.jain = rate_sum * rate_sum / (sum.count * rate_squares);
	free(times);
	*ret_summary = sum;
}

/* Jain's index over all flows that carried something: does everyone get the same? */
static double run_fairness(const struct run *run)
{
	double sum = 0, squares = 0;
	unsigned count = 0;

	for (size_t i = 0; i < run->flow_count; i++) {
		double rate =
			run->flows[i].start_ns == TEE_NEVER ? 0 : flow_goodput(run, &run->flows[i]);

		if (rate <= 0)
			continue;
		sum += rate;
		squares += rate * rate;
		count++;
	}
	return count > 1 ? sum * sum / (count * squares) : 0;
}

static const char *flow_cc(const struct run *run, unsigned spec_idx)
{
	for (size_t i = 0; i < run->flow_count; i++) {
		if (run->flows[i].spec_idx == spec_idx && run->flows[i].info.cc[0])
			return run->flows[i].info.cc;
	}
	return run->scenario->flows[spec_idx].cc;
}

/* ---- the table ---- */

static void table_time(FILE *out, double seconds, bool is_known)
{
	if (!is_known)
		fprintf(out, "  %9s", "-");
	else if (seconds < 10)
		fprintf(out, "  %6.1f ms", seconds * 1e3);
	else
		fprintf(out, "  %7.2f s", seconds);
}

static void table_flows(const struct run *run, FILE *out)
{
	fprintf(out, "%-20s %-8s %9s %10s  %9s  %9s  %9s  %8s %8s %7s %5s\n", "flow", "cc", "done",
		"Mbit/s", "time p50", "time p99", "MB", "rtt min", "srtt", "resent", "RTOs");
	for (unsigned i = 0; i < run->scenario->flow_count; i++) {
		const struct scenario_flow *spec = &run->scenario->flows[i];
		struct flow_summary sum;
		char name[40], done[24];

		report_summarise(run, i, &sum);
		snprintf(name, sizeof(name), spec->count > 1 ? "%s x%u" : "%s", spec->name,
			 spec->count);
		snprintf(done, sizeof(done), "%u/%u", sum.done, sum.count);
		fprintf(out, "%-20s %-8s %9s %10.3f", name, flow_cc(run, i), done,
			sum.goodput_bits_per_s / 1e6);
		table_time(out, sum.time_median_s, sum.done > 0);
		table_time(out, sum.time_p99_s, sum.done > 0);
		fprintf(out, "  %9.3f  %5.1f ms %5.1f ms %6.2f%% %5llu", (double)sum.bytes / 1e6,
			(double)sum.rtt_min_ns / 1e6, (double)sum.srtt_ns / 1e6,
			sum.segs ? 100.0 * (double)sum.retrans_segs / (double)sum.segs : 0.0,
			(unsigned long long)sum.timeouts);
		if (sum.failed)
			fprintf(out, "  %u failed", sum.failed);
		fprintf(out, "\n");
	}
}

static void table_links(const struct run *run, FILE *out)
{
	double seconds = (double)run->sim->now_ns / 1e9 - (double)run->scenario->settle_ns / 1e9;

	fprintf(out, "\n%-20s %10s %6s %9s %8s %8s %8s %8s %10s %10s %10s\n", "link", "MB", "used",
		"packets", "overflow", "aqm", "lost", "marked", "queue mean", "queue max",
		"queue max");
	for (unsigned i = 0; i < run->sim->link_count * 2; i++) {
		const struct sim_link *link = run->sim->links[i / 2];
		const struct sim_path *path = &link->paths[i % 2];
		const struct sim_path_stats *stats = &path->stats;
		char name[64], used[16] = "-";

		snprintf(name, sizeof(name), "%s > %s", link->ends[i % 2]->name,
			 link->ends[!(i % 2)]->name);
		if (path->config.rate_bits_per_s && seconds > 0)
			snprintf(used, sizeof(used), "%.1f%%",
				 (double)stats->busy_ns / 1e7 / seconds);
		fprintf(out,
			"%-20s %10.3f %6s %9llu %8llu %8llu %8llu %8llu %7.2f ms %7.2f ms %8.1f K\n",
			name, (double)stats->bytes_out / 1e6, used,
			(unsigned long long)stats->packets_out,
			(unsigned long long)stats->drops_queue,
			(unsigned long long)stats->drops_aqm,
			(unsigned long long)(stats->drops_loss + stats->drops_down +
					     stats->drops_mtu),
			(unsigned long long)stats->marked,
			stats->queue_delay_count ? (double)stats->queue_delay_sum_ns /
							   (double)stats->queue_delay_count / 1e6
						 : 0,
			(double)stats->queue_delay_max_ns / 1e6,
			(double)stats->queue_bytes_max / 1024);
	}
}

static double *rounds_sorted(const struct run *run)
{
	double *ms = malloc((run->rounds.count + 1) * sizeof(*ms));

	for (size_t i = 0; i < run->rounds.count && ms; i++)
		ms[i] = (double)run->rounds.ns[i] / 1e6;
	if (ms)
		qsort(ms, run->rounds.count, sizeof(*ms), compare_doubles);
	return ms;
}

void report_table(const struct run *run, FILE *out)
{
	double fairness = run_fairness(run);
	double *rounds = rounds_sorted(run);

	table_flows(run, out);
	table_links(run, out);
	fprintf(out, "\n%.3f s of the world's time, %llu steps, seed %llu",
		(double)run->sim->now_ns / 1e9, (unsigned long long)run->sim->steps,
		(unsigned long long)run->scenario->seed);
	if (fairness > 0)
		fprintf(out, "; fairness (Jain's index) %.3f", fairness);
	fprintf(out, "\n");
	if (rounds && run->rounds.count)
		fprintf(out, "%zu requests: p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms\n",
			run->rounds.count, report_quantile(rounds, run->rounds.count, 0.5),
			report_quantile(rounds, run->rounds.count, 0.99),
			report_quantile(rounds, run->rounds.count, 0.999));
	free(rounds);
}

/* ---- JSON ---- */

static void json_series(const struct series *series, bool is_link, FILE *out)
{
	fputs("[", out);
	for (size_t i = 0; i < series->count; i++) {
		const struct sample *sample = &series->samples[i];

		fprintf(out, "%s{\"t\": %.6f, \"bits_per_s\": %.0f", i ? ", " : "",
			(double)sample->at_ns / 1e9, sample->goodput_bits_per_s);
		if (is_link)
			fprintf(out, ", \"queue_bytes\": %llu}",
				(unsigned long long)sample->queue_bytes);
		else
			fprintf(out, ", \"cwnd_bytes\": %llu, \"srtt_ms\": %.3f}",
				(unsigned long long)sample->cwnd_bytes,
				(double)sample->srtt_ns / 1e6);
	}
	fputs("]", out);
}

static void json_flow_kinds(const struct run *run, FILE *out)
{
	fputs("  \"flows\": [\n", out);
	for (unsigned i = 0; i < run->scenario->flow_count; i++) {
		struct flow_summary sum;

		report_summarise(run, i, &sum);
		fprintf(out,
			"    {\"name\": \"%s\", \"cc\": \"%s\", \"count\": %u, \"done\": %u, "
			"\"failed\": %u, \"bytes\": %llu, \"goodput_bits_per_s\": %.0f, "
			"\"time_p50_s\": %.6f, \"time_p99_s\": %.6f, \"rtt_min_ms\": %.3f, "
			"\"srtt_ms\": %.3f, \"segs\": %llu, \"retrans_segs\": %llu, "
			"\"timeouts\": %llu, \"jain\": %.4f}%s\n",
			run->scenario->flows[i].name, flow_cc(run, i), sum.count, sum.done,
			sum.failed, (unsigned long long)sum.bytes, sum.goodput_bits_per_s,
			sum.time_median_s, sum.time_p99_s, (double)sum.rtt_min_ns / 1e6,
			(double)sum.srtt_ns / 1e6, (unsigned long long)sum.segs,
			(unsigned long long)sum.retrans_segs, (unsigned long long)sum.timeouts,
			sum.jain, i + 1 < run->scenario->flow_count ? "," : "");
	}
	fputs("  ],\n", out);
}

static void json_links(const struct run *run, FILE *out)
{
	unsigned count = run->sim->link_count * 2;

	fputs("  \"links\": [\n", out);
	for (unsigned i = 0; i < count; i++) {
		const struct sim_link *link = run->sim->links[i / 2];
		const struct sim_path_stats *stats = &link->paths[i % 2].stats;

		fprintf(out,
			"    {\"from\": \"%s\", \"to\": \"%s\", \"packets\": %llu, \"bytes\": %llu, "
			"\"busy_s\": %.6f, \"drops_queue\": %llu, \"drops_aqm\": %llu, "
			"\"drops_loss\": %llu, \"drops_down\": %llu, \"drops_mtu\": %llu, "
			"\"marked\": %llu, "
			"\"reordered\": %llu, \"duplicated\": %llu, \"corrupted\": %llu, "
			"\"queue_delay_mean_ms\": %.4f, \"queue_delay_max_ms\": %.4f, "
			"\"samples\": ",
			link->ends[i % 2]->name, link->ends[!(i % 2)]->name,
			(unsigned long long)stats->packets_out,
			(unsigned long long)stats->bytes_out, (double)stats->busy_ns / 1e9,
			(unsigned long long)stats->drops_queue,
			(unsigned long long)stats->drops_aqm, (unsigned long long)stats->drops_loss,
			(unsigned long long)stats->drops_down, (unsigned long long)stats->drops_mtu,
			(unsigned long long)stats->marked, (unsigned long long)stats->reordered,
			(unsigned long long)stats->duplicated, (unsigned long long)stats->corrupted,
			stats->queue_delay_count ? (double)stats->queue_delay_sum_ns /
							   (double)stats->queue_delay_count / 1e6
						 : 0,
			(double)stats->queue_delay_max_ns / 1e6);
		json_series(&run->link_series[i], true, out);
		fprintf(out, "}%s\n", i + 1 < count ? "," : "");
	}
	fputs("  ],\n", out);
}

void report_json(const struct run *run, FILE *out)
{
	double *rounds = rounds_sorted(run);
	bool is_first = true;

	fprintf(out,
		"{\n  \"seed\": %llu,\n  \"seconds\": %.6f,\n  \"steps\": %llu,\n"
		"  \"fairness\": %.4f,\n",
		(unsigned long long)run->scenario->seed, (double)run->sim->now_ns / 1e9,
		(unsigned long long)run->sim->steps, run_fairness(run));
	if (rounds && run->rounds.count)
		fprintf(out,
			"  \"requests\": {\"count\": %zu, \"p50_ms\": %.4f, \"p99_ms\": %.4f},\n",
			run->rounds.count, report_quantile(rounds, run->rounds.count, 0.5),
			report_quantile(rounds, run->rounds.count, 0.99));
	free(rounds);
	json_flow_kinds(run, out);
	json_links(run, out);
	fputs("  \"series\": [\n", out);
	for (size_t i = 0; i < run->flow_count && i < RUN_SERIES_MAX; i++) {
		const struct flow *flow = &run->flows[i];

		if (!flow->series.count)
			continue;
		fprintf(out, "%s    {\"flow\": \"%s\", \"idx\": %u, \"samples\": ",
			is_first ? "" : ",\n", flow->spec->name, flow->idx);
		is_first = false;
		json_series(&flow->series, false, out);
		fputs("}", out);
	}
	fputs("\n  ]\n}\n", out);
}

/* ---- CSV ---- */

void report_csv(const struct run *run, FILE *out)
{
	fputs("time_s,what,name,goodput_bits_per_s,cwnd_bytes,srtt_ms,queue_bytes\n", out);
	for (size_t i = 0; i < run->flow_count && i < RUN_SERIES_MAX; i++) {
		const struct flow *flow = &run->flows[i];

		for (size_t k = 0; k < flow->series.count; k++) {
			const struct sample *sample = &flow->series.samples[k];

			fprintf(out, "%.6f,flow,%s.%u,%.0f,%llu,%.3f,\n",
				(double)sample->at_ns / 1e9, flow->spec->name, flow->idx,
				sample->goodput_bits_per_s, (unsigned long long)sample->cwnd_bytes,
				(double)sample->srtt_ns / 1e6);
		}
	}
	for (unsigned i = 0; i < run->sim->link_count * 2; i++) {
		const struct sim_link *link = run->sim->links[i / 2];

		for (size_t k = 0; k < run->link_series[i].count; k++) {
			const struct sample *sample = &run->link_series[i].samples[k];

			fprintf(out, "%.6f,link,%s>%s,%.0f,,,%llu\n", (double)sample->at_ns / 1e9,
				link->ends[i % 2]->name, link->ends[!(i % 2)]->name,
				sample->goodput_bits_per_s,
				(unsigned long long)sample->queue_bytes);
		}
	}
}
