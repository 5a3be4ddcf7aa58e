/* SPDX-License-Identifier: MIT */
/*
 * Reports. Lines: a verdict and a path, the failure's text below it. TAP: version 13. JSON: counts
 * by feature and portability, and the names of what failed. JUnit: what CI systems read.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

static const char *verdict_name(enum run_verdict verdict)
{
	switch (verdict) {
	case RUN_PASS: return "pass";
	case RUN_FAIL: return "FAIL";
	case RUN_UNREADABLE: return "UNREADABLE";
	case RUN_UNSUPPORTED: return "UNSUPPORTED";
	}
	return "?";
}

static void print_indented(const char *text, const char *indent)
{
	const char *at = text;

	while (*at) {
		size_t len = strcspn(at, "\n");

		printf("%s%.*s\n", indent, (int)len, at);
		at += len;
		if (*at)
			at++;
	}
}

/* Not passed, and that is right: a choice that isn't ours (expected.csv). */
static bool is_excused(const struct job *job)
{
	return job->outcome.verdict == RUN_FAIL && *job->differs;
}

static void tell_line(const struct report *report, const struct job *job)
{
	bool is_pass = job->outcome.verdict == RUN_PASS;

	if (report->is_quiet && (is_pass || is_excused(job)))
		return;
	if (is_excused(job)) {
		printf("%-11s %s\n", "differs", job->path);
		print_indented(job->differs, "    ");
		return;
	}
	printf("%-11s %s\n", verdict_name(job->outcome.verdict), job->path);
	if (*job->outcome.text && !is_pass)
		print_indented(job->outcome.text, "    ");
}

void report_job(struct report *report, const struct job *job)
{
	bool is_pass = job->outcome.verdict == RUN_PASS;

	report->told++;
	switch (report->form) {
	case REPORT_LINES: tell_line(report, job); break;
	case REPORT_TAP:
		printf("%s %u - %s%s\n", is_pass ? "ok" : "not ok", report->told, job->path,
		       is_excused(job) ? " # TODO differs on purpose" : "");
		if (!is_pass)
			print_indented(job->outcome.text, "# ");
		break;
	case REPORT_JSON: break;
	}
	fflush(stdout);
}

/* ---- by feature ---- */

struct feature_row {
	const char *feature, *portability;
	unsigned passed, excused, total;
};

static int order_rows(const void *a, const void *b)
{
	const struct feature_row *x = a, *y = b;
	int order = strcmp(y->portability, x->portability);

	/* "portable" before "linux-flavoured" before "bsd-flavoured" is the order backwards. */
	return order ? order : strcmp(x->feature, y->feature);
}

static struct feature_row *count_features(const struct job *jobs, unsigned count, unsigned *ret)
{
	struct feature_row *rows = calloc(count + 1, sizeof(*rows));
	unsigned row_count = 0;

	if (!rows) {
		fputs("teeceepee-script: out of memory\n", stderr);
		exit(2);
	}
	for (unsigned i = 0; i < count; i++) {
		unsigned r = 0;

		while (r < row_count && (strcmp(rows[r].feature, jobs[i].feature) ||
					 strcmp(rows[r].portability, jobs[i].portability)))
			r++;
		if (r == row_count) {
			rows[r].feature = jobs[i].feature;
			rows[r].portability = jobs[i].portability;
			row_count++;
		}
		rows[r].total++;
		rows[r].passed += jobs[i].outcome.verdict == RUN_PASS;
		rows[r].excused += is_excused(&jobs[i]);
	}
	qsort(rows, row_count, sizeof(*rows), order_rows);
	*ret = row_count;
	return rows;
}

static void print_row(const struct feature_row *row)
{
	printf("%-16s %-26s %4u of %4u", row->portability, row->feature, row->passed, row->total);
	if (row->excused)
		printf(", %u on purpose not", row->excused);
	putchar('\n');
}

static void print_features(const struct job *jobs, unsigned count)
{
	struct feature_row all = {.feature = "(all)"};
	unsigned row_count;
	struct feature_row *rows = count_features(jobs, count, &row_count);

	for (unsigned i = 0; i < row_count; i++) {
		if (!*rows[i].feature)
			continue;
		print_row(&rows[i]);
		all.portability = rows[i].portability;
		all.passed += rows[i].passed;
		all.excused += rows[i].excused;
		all.total += rows[i].total;
		if (i + 1 == row_count || strcmp(rows[i].portability, rows[i + 1].portability)) {
			print_row(&all);
			all = (struct feature_row){.feature = "(all)"};
		}
	}
	free(rows);
}

static unsigned count_verdict(const struct job *jobs, unsigned count, enum run_verdict verdict)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += jobs[i].outcome.verdict == verdict;
	return n;
}

/* ---- JSON ---- */

static void print_json_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_json_failures(const struct job *jobs, unsigned count)
{
	bool is_first = true;

	printf("  \"failed\": [");
	for (unsigned i = 0; i < count; i++) {
		if (jobs[i].outcome.verdict == RUN_PASS)
			continue;
		printf("%s\n    {\"script\": ", is_first ? "" : ",");
		print_json_text(jobs[i].path);
		printf(", \"verdict\": ");
		print_json_text(verdict_name(jobs[i].outcome.verdict));
		printf(", \"line\": %d, \"text\": ", jobs[i].outcome.line);
		print_json_text(jobs[i].outcome.text);
		printf("}");
		is_first = false;
	}
	printf("\n  ]\n}\n");
}

static void print_json(const struct job *jobs, unsigned count)
{
	unsigned row_count;
	struct feature_row *rows = count_features(jobs, count, &row_count);

	printf("{\n  \"scripts\": %u,\n  \"passed\": %u,\n  \"features\": [", count,
	       count_verdict(jobs, count, RUN_PASS));
	for (unsigned i = 0; i < row_count; i++) {
		printf("%s\n    {\"feature\": ", i ? "," : "");
		print_json_text(rows[i].feature);
		printf(", \"portability\": ");
		print_json_text(rows[i].portability);
		printf(", \"passed\": %u, \"total\": %u}", rows[i].passed, rows[i].total);
	}
	printf("\n  ],\n");
	free(rows);
	print_json_failures(jobs, count);
}

bool report_end(struct report *report, const struct job *jobs, unsigned count)
{
	unsigned passed = count_verdict(jobs, count, RUN_PASS), excused = 0;

	for (unsigned i = 0; i < count; i++)
		excused += is_excused(&jobs[i]);
	switch (report->form) {
	case REPORT_TAP: printf("1..%u\n", count); break;
	case REPORT_JSON: print_json(jobs, count); break;
	case REPORT_LINES:
		print_features(jobs, count);
		if (excused)
			printf("%u differ on purpose\n", excused);
		printf("%u scripts: %u passed, %u failed, %u unsupported, %u unreadable\n", count,
		       passed, count_verdict(jobs, count, RUN_FAIL) - excused,
		       count_verdict(jobs, count, RUN_UNSUPPORTED),
		       count_verdict(jobs, count, RUN_UNREADABLE));
		break;
	}
	return passed + excused == count;
}

/* ---- JUnit ---- */

static void print_xml_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<': fputs("&lt;", file); break;
		case '>': fputs("&gt;", file); break;
		case '&': fputs("&amp;", file); break;
		case '"': fputs("&quot;", file); break;
		default:
			if ((unsigned char)*text >= ' ' || *text == '\n' || *text == '\t')
				putc(*text, file);
		}
	}
}

bool report_junit(const char *path, const struct job *jobs, unsigned count)
{
	unsigned passed = count_verdict(jobs, count, RUN_PASS);
	FILE *file = fopen(path, "w");
	bool ok;

	if (!file)
		return false;
	fprintf(file, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	fprintf(file, "<testsuite name=\"scripts\" tests=\"%u\" failures=\"%u\">\n", count,
		count - passed);
	for (unsigned i = 0; i < count; i++) {
		fprintf(file, "  <testcase classname=\"");
		print_xml_text(file, *jobs[i].feature ? jobs[i].feature : "script");
		fprintf(file, "\" name=\"");
		print_xml_text(file, jobs[i].path);
		fprintf(file, "\" time=\"%.3f\">", jobs[i].seconds);
		if (jobs[i].outcome.verdict != RUN_PASS) {
			fprintf(file, "\n    <failure type=\"%s\">",
				verdict_name(jobs[i].outcome.verdict));
			print_xml_text(file, jobs[i].outcome.text);
			fprintf(file, "</failure>\n  ");
		}
		fprintf(file, "</testcase>\n");
	}
	fprintf(file, "</testsuite>\n");
	ok = !ferror(file);
	return fclose(file) == 0 && ok;
}
