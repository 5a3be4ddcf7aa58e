// SPDX-License-Identifier: MIT
/*
 * A directory as a page: names, sizes, dates; directories first, both sorted by name. Every name is
 * escaped twice in its own way: as HTML where it is shown, as a URL where it is linked.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/serve.h"

struct item {
	char *name;
	bool is_dir;
	off_t size;
	time_t changed;
};

struct items {
	struct item *item;
	size_t count, size;
};

char *serve_escape_html(const char *text)
{
	char *escaped = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&escaped, &len);

	if (!out)
		return NULL;
	for (; *text; text++)
		switch (*text) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		case '\'': fputs("&#39;", out); break;
		default: fputc(*text, out); break;
		}
	return fclose(out) == 0 ? escaped : NULL;
}

char *serve_escape_url(const char *text)
{
	static const char unreserved[] = "-._~";
	char *escaped = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&escaped, &len);

	if (!out)
		return NULL;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr(unreserved, c))
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
	return fclose(out) == 0 ? escaped : NULL;
}

static int compare(const void *a, const void *b)
{
	const struct item *left = a, *right = b;

	if (left->is_dir != right->is_dir)
		return left->is_dir ? -1 : 1;
	return strcmp(left->name, right->name);
}

static bool add_item(struct items *items, int dir_fd, const char *name)
{
	struct item *item;
	struct stat status;

	/* What a link leads to is looked at when it is asked for; here it is only a name. */
	if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	if (items->count == items->size) {
		size_t size = items->size ? 2 * items->size : 64;
		struct item *grown = realloc(items->item, size * sizeof(*grown));

		if (!grown)
			return false;
		items->item = grown;
		items->size = size;
	}
	item = &items->item[items->count];
	*item = (struct item){.name = strdup(name),
			      .is_dir = S_ISDIR(status.st_mode),
			      .size = status.st_size,
			      .changed = status.st_mtime};
	if (!item->name)
		return false;
	items->count++;
	return true;
}

static bool read_items(struct items *items, int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool is_good = true;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (is_good && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			is_good = add_item(items, dir_fd, entry->d_name);
	closedir(dir);
	if (items->count > 1)
		qsort(items->item, items->count, sizeof(*items->item), compare);
	return is_good;
}

static void print_item(FILE *out, const struct item *item)
{
	char *html = serve_escape_html(item->name), *url = serve_escape_url(item->name);
	const char *slash = item->is_dir ? "/" : "";
	char date[32] = "";
	struct tm tm;

	gmtime_r(&item->changed, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
	if (html && url) {
		fprintf(out, "<tr><td><a href=\"%s%s\">%s%s</a><td class=n>", url, slash, html,
			slash);
		if (!item->is_dir)
			fprintf(out, "%lld", (long long)item->size);
		fprintf(out, "<td>%s\n", date);
	}
	free(html);
	free(url);
}

static void print_page(FILE *out, const char *title, const struct items *items, bool is_root)
{
	fprintf(out,
		"<!doctype html>\n<meta charset=utf-8>\n<title>%s</title>\n"
		"<meta name=viewport content=\"width=device-width\">\n"
		"<style>body{font:16px sans-serif;margin:2em}td{padding:.1em 1.5em .1em 0}"
		".n{text-align:right}</style>\n<h1>%s</h1>\n<table>\n",
		title, title);
	if (!is_root)
		fputs("<tr><td><a href=\"../\">../</a><td><td>\n", out);
	for (size_t i = 0; i < items->count; i++)
		print_item(out, &items->item[i]);
	fputs("</table>\n", out);
}

char *serve_list(int dir_fd, const char *url, size_t *ret_len)
{
	struct items items = {0};
	char *page = NULL, *title = serve_escape_html(url);
	FILE *out = title ? open_memstream(&page, ret_len) : NULL;
	bool is_good = read_items(&items, dir_fd);

	if (out) {
		if (is_good)
			print_page(out, title, &items, strcmp(url, "/") == 0);
		if (fclose(out) != 0 || !is_good) {
			free(page);
			page = NULL;
		}
	}
	for (size_t i = 0; i < items.count; i++)
		free(items.item[i].name);
	free(items.item);
	free(title);
	return page;
}
