/* SPDX-License-Identifier: MIT */
/*
 * A run as a picture: four panels over one time axis (goodput, congestion window, RTT, queues), a line
 * a flow or link direction. SVG, drawn by hand, that needs nothing from elsewhere; every line names
 * itself under the pointer. In a page, the table stands below.
 *
 * A panel's samples come through a function that picks one number out of struct sample, so that the
 * four are drawn by one routine.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/report.h"

enum {
	PLOT_WIDTH = 960,
	PLOT_LEFT = 80,
	PLOT_RIGHT = 190, /* for the legend */
	PLOT_TOP = 30,
	PANEL_HEIGHT = 150,
	PANEL_GAP = 46,
	PANEL_COUNT = 4,
	PLOT_LINES_MAX = 16, /* a panel */
};

typedef double pick_fn(const struct sample *sample);

struct line {
	const struct series *series;
	char name[64];
};

struct panel {
	const char *title;
	pick_fn *pick;
	bool of_links;
};

static double pick_goodput(const struct sample *sample)
{
	return sample->goodput_bits_per_s / 1e6;
}

static double pick_cwnd(const struct sample *sample)
{
	return (double)sample->cwnd_bytes / 1024;
}

static double pick_srtt(const struct sample *sample)
{
	return (double)sample->srtt_ns / 1e6;
}

static double pick_queue(const struct sample *sample)
{
	return (double)sample->queue_bytes / 1024;
}

static const struct panel panels[PANEL_COUNT] = {
	{"goodput, Mbit/s", pick_goodput, false},
	{"congestion window, KiB", pick_cwnd, false},
	{"smoothed RTT, ms", pick_srtt, false},
	{"queue, KiB", pick_queue, true},
};

/* Told apart also by those who see red and green alike (after Okabe and Ito). */
static const char *const colours[] = {"#0072b2", "#e69f00", "#009e73", "#d55e00",
				      "#cc79a7", "#56b4e9", "#000000", "#999933"};
enum { COLOUR_COUNT = sizeof(colours) / sizeof(colours[0]) };

static unsigned panel_lines(const struct run *run, const struct panel *panel, struct line *lines)
{
	unsigned count = 0;

	if (panel->of_links) {
		for (unsigned i = 0; i < run->sim->link_count * 2 && count < PLOT_LINES_MAX; i++) {
			const struct sim_link *link = run->sim->links[i / 2];

			/* A queue that never held anything is a line along the bottom. */
			if (link->paths[i % 2].stats.queue_bytes_max == 0)
				continue;
			lines[count].series = &run->link_series[i];
			snprintf(lines[count++].name, sizeof(lines[0].name), "%s &gt; %s",
				 link->ends[i % 2]->name, link->ends[!(i % 2)]->name);
		}
		return count;
	}
	for (size_t i = 0; i < run->flow_count && count < PLOT_LINES_MAX; i++) {
		const struct flow *flow = &run->flows[i];

		if (!flow->series.count)
			continue;
		lines[count].series = &flow->series;
		snprintf(lines[count++].name, sizeof(lines[0].name),
			 flow->spec->count > 1 ? "%s.%u" : "%s", flow->spec->name, flow->idx);
	}
	return count;
}

/* The next of 1, 2, 5 times a power of ten. */
static double round_up(double value)
{
	double power = pow(10, floor(log10(value)));
	double digit = value / power;

	return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

/* The same in finer steps, which four grid lines still divide. */
static double round_up_axis(double value)
{
	static const double digits[] = {1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8};
	double power = pow(10, floor(log10(value)));

	for (unsigned i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
		if (value <= digits[i] * power)
			return digits[i] * power;
	}
	return 10 * power;
}

static double panel_top(const struct panel *panel, const struct line *lines, unsigned count)
{
	double top = 0;

	for (unsigned i = 0; i < count; i++) {
		for (size_t k = 0; k < lines[i].series->count; k++)
			top = fmax(top, panel->pick(&lines[i].series->samples[k]));
	}
	return top > 0 ? round_up_axis(top) : 1;
}

static void draw_grid(FILE *out, const struct panel *panel, double y, double top, double seconds)
{
	const double width = PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT;
	double step = round_up(seconds / 10);

	fprintf(out, "<text x=\"%d\" y=\"%.0f\" class=\"title\">%s</text>\n", PLOT_LEFT, y - 8,
		panel->title);
	for (unsigned i = 0; i <= 4; i++) {
		double at = y + PANEL_HEIGHT - PANEL_HEIGHT * i / 4.0;

		fprintf(out,
			"<path d=\"M%d %.1fh%.0f\" class=\"grid\"/>"
			"<text x=\"%d\" y=\"%.1f\" class=\"left\">%g</text>\n",
			PLOT_LEFT, at, width, PLOT_LEFT - 6, at + 4, top * i / 4);
	}
	for (unsigned i = 0; i * step <= seconds * 1.0001; i++) {
		double t = i * step;
		double at = PLOT_LEFT + width * t / seconds;

		fprintf(out, "<path d=\"M%.1f %.1fv%d\" class=\"grid\"/>\n", at, y, PANEL_HEIGHT);
		fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"below\">%g s</text>\n", at,
			y + PANEL_HEIGHT + 16, t);
	}
}

static void draw_line(FILE *out, const struct panel *panel, const struct line *line, unsigned idx,
		      double y, double top, double seconds)
{
	const double width = PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT;
	const char *colour = colours[idx % COLOUR_COUNT];
	/* More lines than colours: the second round is dashed. */
	const char *dash = idx >= COLOUR_COUNT ? " stroke-dasharray=\"4 2\"" : "";

	fprintf(out, "<polyline stroke=\"%s\"%s points=\"", colour, dash);
	for (size_t k = 0; k < line->series->count; k++) {
		const struct sample *sample = &line->series->samples[k];

		if (panel->pick == pick_srtt && !sample->srtt_ns)
			continue; /* no round trip yet */
		fprintf(out, "%.1f,%.1f ",
			PLOT_LEFT + width * ((double)sample->at_ns / 1e9) / seconds,
			y + PANEL_HEIGHT * (1 - panel->pick(sample) / top));
	}
	fprintf(out, "\"><title>%s</title></polyline>\n", line->name);
	if (idx < PANEL_HEIGHT / 14)
		fprintf(out,
			"<path d=\"M%d %.0fh18\" stroke=\"%s\"%s stroke-width=\"2\"/>"
			"<text x=\"%d\" y=\"%.0f\">%s</text>\n",
			PLOT_WIDTH - PLOT_RIGHT + 10, y + 8 + idx * 14.0, colour, dash,
			PLOT_WIDTH - PLOT_RIGHT + 34, y + 12 + idx * 14.0, line->name);
}

static void draw_svg(const struct run *run, FILE *out)
{
	const int height = PLOT_TOP + PANEL_COUNT * (PANEL_HEIGHT + PANEL_GAP);
	double seconds = (double)run->sim->now_ns / 1e9;
	struct line lines[PLOT_LINES_MAX];

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\">\n"
		"<style>text{font:11px sans-serif;fill:#333}.title{font-weight:bold}"
		".left{text-anchor:end}.below{text-anchor:middle}"
		".grid{stroke:#ddd;fill:none}polyline{fill:none;stroke-width:1.3}"
		"polyline:hover{stroke-width:3}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		PLOT_WIDTH, height, PLOT_WIDTH, height);
	for (unsigned i = 0; i < PANEL_COUNT && seconds > 0; i++) {
		double y = PLOT_TOP + i * (double)(PANEL_HEIGHT + PANEL_GAP);
		unsigned count = panel_lines(run, &panels[i], lines);
		double top = panel_top(&panels[i], lines, count);

		draw_grid(out, &panels[i], y, top, seconds);
		for (unsigned k = 0; k < count; k++)
			draw_line(out, &panels[i], &lines[k], k, y, top, seconds);
	}
	fputs("</svg>\n", out);
}

void report_plot(const struct run *run, FILE *out, bool is_html)
{
	if (!is_html) {
		draw_svg(run, out);
		return;
	}
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<title>teeceepee sim</title></head>\n<body>\n",
	      out);
	draw_svg(run, out);
	fputs("<pre>\n", out);
	report_table(run, out);
	fputs("</pre>\n</body></html>\n", out);
}
