// SPDX-License-Identifier: MIT
/*
 * Files in memory, so that a request for one that is asked for often costs no system call.
 *
 * A struct serve_file is one version of a file: what stat said, the header fields that follow from it, and
 * its bytes. Small files are copied; large ones are mapped, and sent from there without a copy of ours. Who
 * sends holds a reference until the bytes are acknowledged, so a version may outlive its place in the
 * cache and live beside its successor.
 *
 * A version is believed for FRESH_NS; then the path is opened and looked at again (a few microseconds, a
 * hundred times a second, however many ask). Opening anew also finds that a symbolic link leads elsewhere
 * now. What is kept is bounded, by number and by bytes; the longest unused goes first.
 *
 * Reading a small file isn't one step, nor is it where others read while somebody writes; the next look sees that
 * it changed. A mapped file that is cut short is told apart by serve_file_is_torn().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/serve.h"
#include "cli/serve_map.h"

#define FRESH_NS (10 * TEE_NS_PER_MS)

enum {
	COPY_BYTES_MAX = 64 << 10,
	CACHE_BYTES_MAX = 64 << 20, /* of copies; mappings are the kernel's cache anyway */
	CACHE_COUNT_MAX = 4096,
};

/* ---- references ---- */

static size_t cost_of(const struct serve_file *file)
{
	return sizeof(*file) + (file->copy ? (size_t)file->status.st_size : 0);
}

struct serve_file *serve_file_ref(struct serve_file *file)
{
	file->ref_count++;
	return file;
}

void serve_file_release(void *arg)
{
	struct serve_file *file = arg;

	if (!file || --file->ref_count > 0)
		return;
	serve_map_free(file->map);
	if (file->fd >= 0)
		close(file->fd);
	free(file->copy);
	free(file->path);
	free(file);
}

bool serve_file_is_torn(const struct serve_file *file)
{
	struct stat status;

	if (!file->map)
		return false;
	return serve_map_is_torn(file->map) || fstat(file->fd, &status) < 0 ||
	       status.st_size < file->status.st_size;
}

/* ---- the table ---- */

static struct serve_file **slot_of(struct serve_cache *cache, const char *path)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 16777619u;
	return &cache->slots[(hash ^ hash >> 16) % SERVE_FILE_SLOTS];
}

static void lru_remove(struct serve_cache *cache, struct serve_file *file)
{
	if (file->lru_prev)
		file->lru_prev->lru_next = file->lru_next;
	else
		cache->lru_first = file->lru_next;
	if (file->lru_next)
		file->lru_next->lru_prev = file->lru_prev;
	else
		cache->lru_last = file->lru_prev;
}

static void lru_append(struct serve_cache *cache, struct serve_file *file)
{
	file->lru_prev = cache->lru_last;
	file->lru_next = NULL;
	if (cache->lru_last)
		cache->lru_last->lru_next = file;
	else
		cache->lru_first = file;
	cache->lru_last = file;
}

static struct serve_file *find(struct serve_cache *cache, const char *path)
{
	struct serve_file *file = *slot_of(cache, path);

	while (file && strcmp(file->path, path) != 0)
		file = file->next;
	if (file && file != cache->lru_last) {
		lru_remove(cache, file);
		lru_append(cache, file);
	}
	return file;
}

static void forget(struct serve_cache *cache, struct serve_file *file)
{
	struct serve_file **at = slot_of(cache, file->path);

	while (*at && *at != file)
		at = &(*at)->next;
	if (*at)
		*at = file->next;
	lru_remove(cache, file);
	cache->bytes -= cost_of(file);
	cache->count--;
	serve_file_release(file);
}

/* Takes the reference over. */
static void keep(struct serve_cache *cache, struct serve_file *file)
{
	struct serve_file **slot;

	while (cache->lru_first &&
	       (cache->count >= CACHE_COUNT_MAX || cache->bytes + cost_of(file) > CACHE_BYTES_MAX))
		forget(cache, cache->lru_first);
	slot = slot_of(cache, file->path);
	file->next = *slot;
	*slot = file;
	lru_append(cache, file);
	cache->bytes += cost_of(file);
	cache->count++;
}

void serve_cache_fini(struct serve_cache *cache)
{
	while (cache->lru_first)
		forget(cache, cache->lru_first);
}

/* ---- versions ---- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void describe(struct serve_file *file)
{
	const struct stat *status = &file->status;

	snprintf(file->etag, sizeof(file->etag), "\"%llx-%llx-%lx\"",
		 (unsigned long long)status->st_size, (unsigned long long)status->st_mtim.tv_sec,
		 (unsigned long)status->st_mtim.tv_nsec);
	serve_format_date(status->st_mtim.tv_sec, file->changed);
	file->fields_len = (size_t)snprintf(
		file->fields, sizeof(file->fields),
		"Content-Type: %.128s\r\nAccept-Ranges: bytes\r\nLast-Modified: %s\r\nETag: %s\r\n",
		serve_mime_type(file->path), file->changed, file->etag);
}

/* Reads a small file whole; one that shrinks meanwhile is as long as what came. */
static int copy_bytes(struct serve_file *file, int fd)
{
	size_t size = (size_t)file->status.st_size, done = 0;

	file->copy = malloc(size ? size : 1);
	if (!file->copy)
		return -ENOMEM;
	while (done < size) {
		ssize_t len = pread(fd, file->copy + done, size - done, (off_t)done);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0)
			break;
		done += (size_t)len;
	}
	file->status.st_size = (off_t)done;
	file->bytes = file->copy;
	return 0;
}

/* Owns the descriptor. */
static int load(const char *path, int fd, const struct stat *status, struct serve_file **ret_file)
{
	struct serve_file *file = calloc(1, sizeof(*file));
	int result = 0;

	if (!file || !(file->path = strdup(path))) {
		free(file);
		close(fd);
		return -ENOMEM;
	}
	file->ref_count = 1;
	file->fd = fd;
	file->status = *status;
	if (status->st_size <= COPY_BYTES_MAX) {
		result = copy_bytes(file, fd);
		close(fd);
		file->fd = -1;
	} else if ((file->map = serve_map_new(fd, (size_t)status->st_size)) != NULL) {
		file->bytes = serve_map_bytes(file->map);
	} else {
		result = -errno;
	}
	if (result < 0) {
		serve_file_release(file);
		return result;
	}
	describe(file);
	*ret_file = file;
	return 0;
}

int serve_file_get(struct serve_cache *cache, const char *path, uint64_t now_ns,
		   struct serve_file **ret_file, int *ret_dir_fd)
{
	struct serve_file *file = find(cache, path);
	struct stat status;
	int fd, result;

	if (file && now_ns - file->looked_at_ns < FRESH_NS) {
		*ret_file = serve_file_ref(file);
		return 0;
	}
	fd = serve_open_beneath(cache->root_fd, path);
	if (fd >= 0 && fstat(fd, &status) == 0 && file && is_same(&status, &file->status)) {
		close(fd);
		file->looked_at_ns = now_ns;
		*ret_file = serve_file_ref(file);
		return 0;
	}
	if (file)
		forget(cache, file);
	if (fd < 0)
		return fd;
	if (S_ISDIR(status.st_mode)) {
		*ret_dir_fd = fd;
		return -EISDIR;
	}
	if (!S_ISREG(status.st_mode)) {
		close(fd);
		return -EACCES;
	}
	result = load(path, fd, &status, &file);
	if (result < 0)
		return result;
	file->looked_at_ns = now_ns;
	keep(cache, file);
	*ret_file = serve_file_ref(file);
	return 0;
}
