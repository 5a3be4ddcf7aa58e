// SPDX-License-Identifier: MIT
/* Files in memory: versions, references, how long a version is believed, and files that shrink. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/serve.h"
#include "cli/serve_map.h"

enum { LARGE = 300000 };

static char dir[] = "/tmp/tee-serve-XXXXXX";
static struct serve_cache cache;
static uint64_t now_ns;

static void write_file(const char *name, size_t len, char byte)
{
	char path[64], *bytes = malloc(len + 1);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	memset(bytes, byte, len);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	free(bytes);
}

static void remove_file(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static struct serve_file *get(const char *path)
{
	struct serve_file *file = NULL;
	int dir_fd;

	assert_int_equal(serve_file_get(&cache, path, now_ns, &file, &dir_fd), 0);
	return file;
}

static int set_up(void **state)
{
	memset(&cache, 0, sizeof(cache));
	cache.root_fd = open(dir, O_RDONLY | O_DIRECTORY);
	now_ns = 1000 * TEE_NS_PER_S;
	return cache.root_fd < 0;
}

static int tear_down(void **state)
{
	serve_cache_fini(&cache);
	close(cache.root_fd);
	assert_int_equal(cache.count, 0);
	assert_int_equal(cache.bytes, 0);
	return 0;
}

static void test_a_version_is_believed_for_a_moment(void **state)
{
	struct serve_file *first, *second;

	write_file("a.txt", 10, 'x');
	first = get("/a.txt");
	assert_int_equal(first->status.st_size, 10);
	assert_memory_equal(first->bytes, "xxxxxxxxxx", 10);
	assert_non_null(strstr(first->fields, "Content-Type: text/plain"));
	assert_non_null(strstr(first->fields, first->etag));
	assert_int_equal(strlen(first->fields), first->fields_len);
	write_file("a.txt", 11, 'y');
	now_ns += 9 * TEE_NS_PER_MS;
	second = get("/a.txt");
	assert_ptr_equal(first, second);
	serve_file_release(second);
	now_ns += TEE_NS_PER_MS;
	second = get("/a.txt");
	assert_ptr_not_equal(first, second);
	assert_int_equal(second->status.st_size, 11);
	assert_string_not_equal(first->etag, second->etag);
	/* The old one stays whole as long as somebody sends it. */
	assert_memory_equal(first->bytes, "xxxxxxxxxx", 10);
	serve_file_release(first);
	/* Unchanged, it is the same version again. */
	now_ns += TEE_NS_PER_S;
	first = get("/a.txt");
	assert_ptr_equal(first, second);
	serve_file_release(first);
	serve_file_release(second);
	remove_file("a.txt");
}

static void test_what_is_no_file(void **state)
{
	struct serve_file *file = NULL;
	int dir_fd = -1;

	assert_int_equal(serve_file_get(&cache, "/none", now_ns, &file, &dir_fd), -ENOENT);
	assert_int_equal(serve_file_get(&cache, "/../x", now_ns, &file, &dir_fd), -EXDEV);
	assert_int_equal(serve_file_get(&cache, "/", now_ns, &file, &dir_fd), -EISDIR);
	assert_true(dir_fd >= 0);
	close(dir_fd);
	assert_int_equal(mkfifoat(cache.root_fd, "fifo", 0600), 0);
	assert_int_equal(serve_file_get(&cache, "/fifo", now_ns, &file, &dir_fd), -EACCES);
	unlinkat(cache.root_fd, "fifo", 0);
	/* One that went is not found, though it was kept. */
	write_file("b", 0, 'x');
	file = get("/b");
	assert_int_equal(file->status.st_size, 0);
	serve_file_release(file);
	remove_file("b");
	now_ns += TEE_NS_PER_S;
	assert_int_equal(serve_file_get(&cache, "/b", now_ns, &file, &dir_fd), -ENOENT);
	assert_int_equal(cache.count, 0);
}

static void test_a_file_that_shrinks(void **state)
{
	char path[64];
	struct serve_file *file;
	unsigned sum = 0;

	/* Here, for cmocka takes the signal for itself before each test. */
	serve_map_init();
	write_file("large", LARGE, 'x');
	file = get("/large");
	assert_non_null(file->map);
	assert_false(serve_file_is_torn(file));
	assert_int_equal(file->bytes[LARGE - 1], 'x');
	snprintf(path, sizeof(path), "%s/large", dir);
	assert_int_equal(truncate(path, 100), 0);
	/* fstat() tells before anybody reads; and who reads all the same goes on, with zeros. */
	assert_true(serve_file_is_torn(file));
	assert_false(serve_map_is_torn(file->map));
	for (size_t i = 0; i < LARGE; i++)
		sum += file->bytes[i] == 'x';
	assert_int_equal(sum, 100);
	assert_true(serve_map_is_torn(file->map));
	/* Growing back does not make it whole. */
	assert_int_equal(truncate(path, LARGE), 0);
	assert_true(serve_file_is_torn(file));
	serve_file_release(file);
	now_ns += TEE_NS_PER_S;
	file = get("/large");
	assert_false(serve_file_is_torn(file));
	assert_int_equal(file->bytes[LARGE - 1], 0);
	serve_file_release(file);
	remove_file("large");
}

static void test_the_cache_is_bounded(void **state)
{
	char name[32];

	for (unsigned i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		write_file(name, 64 << 10, 'x');
		serve_file_release(get(name));
	}
	assert_true(cache.bytes <= 64 << 20);
	assert_true(cache.count < 1100 && cache.count > 900);
	for (unsigned i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		remove_file(name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_version_is_believed_for_a_moment, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_file_that_shrinks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_cache_is_bounded, set_up, tear_down),
	};
	int result;

	if (!mkdtemp(dir))
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return result;
}
