/* SPDX-License-Identifier: MIT */
/* A recording is read again, block by block and by tshark, and a full disk hurts nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <teeceepee/link.h>
#include <teeceepee/trace.h>
#include "frames.h"

/* In the middle of a leap-second-free afternoon of 2026, to see stamps of 64 bits. */
#define WALL_NS UINT64_C(1795269600123456789)

static char path[64];
static uint8_t bytes[FRAME_MAX], file[1 << 20];
static size_t file_len;

static int set_up(void **state)
{
	int fd;

	strcpy(path, "/tmp/test-pcapng-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	return unlink(path);
}

static void read_file(void)
{
	FILE *in = fopen(path, "rb");

	assert_non_null(in);
	file_len = fread(file, 1, sizeof(file), in);
	fclose(in);
	assert_true(file_len < sizeof(file));
}

static uint32_t le32(size_t at)
{
	uint32_t v;

	assert_true(at + 4 <= file_len);
	memcpy(&v, file + at, 4);
	return v;
}

static uint16_t le16(size_t at)
{
	uint16_t v;

	assert_true(at + 2 <= file_len);
	memcpy(&v, file + at, 2);
	return v;
}

/* The value of an option between `at` and `end`; NULL when it isn't there. */
static const uint8_t *find_option(size_t at, size_t end, unsigned code, unsigned *ret_len)
{
	while (at + 4 <= end) {
		unsigned len = le16(at + 2);

		if (le16(at) == 0) {
			assert_int_equal(len, 0);
			assert_int_equal(at + 4, end);
			return NULL;
		}
		if (le16(at) == code) {
			*ret_len = len;
			return file + at + 4;
		}
		at += 4 + ((len + 3) & ~3u);
	}
	fail_msg("options without an end");
	return NULL;
}

/* One packet of the file, found by walking all blocks before it; false past the end. */
struct found {
	uint64_t at_ns;
	uint32_t len;
	const uint8_t *bytes;
	unsigned direction;
	char comment[64];
};

static bool find_packet(unsigned wanted, struct found *ret)
{
	size_t at = 0;
	unsigned block = 0, count = 0;

	for (; at < file_len; block++) {
		uint32_t type = le32(at), len = le32(at + 4), caplen;
		unsigned option_len;
		const uint8_t *option;

		assert_int_equal(len % 4, 0);
		assert_int_equal(le32(at + len - 4), len);
		if (block == 0) {
			assert_int_equal(type, 0x0a0d0d0a);
			assert_int_equal(le32(at + 8), 0x1a2b3c4d);
			assert_int_equal(le16(at + 12), 1);
			assert_int_equal(le32(at + 16), 0xffffffff);
		} else if (block == 1) {
			assert_int_equal(type, 1);
			assert_int_equal(le16(at + 8), 1); /* Ethernet */
			option = find_option(at + 16, at + len - 4, 9, &option_len);
			assert_non_null(option);
			assert_int_equal(option_len, 1);
			assert_int_equal(*option, 9);
			option = find_option(at + 16, at + len - 4, 2, &option_len);
			assert_int_equal(option_len, 6);
			assert_memory_equal(option, "wire:0", 6);
		} else {
			assert_int_equal(type, 6);
			assert_int_equal(le32(at + 8), 0);
			if (count++ == wanted) {
				caplen = le32(at + 20);
				assert_int_equal(le32(at + 24), caplen);
				memset(ret, 0, sizeof(*ret));
				ret->at_ns = (uint64_t)le32(at + 12) << 32 | le32(at + 16);
				ret->len = caplen;
				ret->bytes = file + at + 28;
				at += 28 + ((caplen + 3) & ~3u);
				len -= 28 + ((caplen + 3) & ~3u);
				option = find_option(at, at + len - 4, 2, &option_len);
				assert_non_null(option);
				memcpy(&ret->direction, option, 4);
				option = find_option(at, at + len - 4, 1, &option_len);
				if (option)
					memcpy(ret->comment, option, option_len);
				return true;
			}
		}
		at += len;
	}
	assert_int_equal(at, file_len);
	return false;
}

struct recorded {
	struct tee_link *near, *far; /* near is recorded */
	struct tee_pool *pool;
};

static void record_begin(struct recorded *r)
{
	struct tee_link *ends[2];
	char error[TEE_LINK_ERROR_SIZE];

	r->pool = tee_pool_new(0);
	assert_int_equal(tee_link_wire_pair(1500, TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TX_CHECKSUM, ends),
			 0);
	ends[0]->info.far_gso_bytes_max = 100000;
	assert_int_equal(tee_link_pcapng(ends[0], path, WALL_NS, &r->near, error), 0);
	assert_int_equal(r->near->info.offloads, ends[1]->info.offloads);
	/* Longer than what is recorded. */
	assert_int_equal(r->near->info.far_gso_bytes_max, 0);
	r->far = ends[1];
}

static void record_end(struct recorded *r)
{
	tee_link_close(r->near);
	tee_link_close(r->far);
	tee_pool_free(r->pool);
}

static void pass(struct recorded *r, struct tee_link *from, struct tee_frame *frame,
		 uint64_t now_ns)
{
	struct tee_link *to = from == r->near ? r->far : r->near;
	struct tee_pkt *pkt;

	assert_int_equal(from->ops->send(from, frame, 1, now_ns), 1);
	assert_int_equal(to->ops->recv(to, r->pool, &pkt, 1, now_ns), 1);
	tee_pkt_release(pkt);
}

/* A super-frame with a partial checksum each way, an ARP request, a small partial frame each way. */
static void make_recording(void)
{
	const struct frame_spec big = {
		.version = 4, .flags = 24, .seq = 0xfffffff0, .payload = 4000, .partial = 1};
	const struct frame_spec small = {.version = 6, .flags = 16, .payload = 11, .partial = 1};
	struct recorded r;
	struct tee_frame frame;
	size_t len;

	record_begin(&r);
	for (int inbound = 0; inbound < 2; inbound++) {
		struct tee_link *from = inbound ? r.far : r.near;

		len = make_frame(bytes, &big);
		frame_as_stack(&frame, bytes, len, 54);
		frame.gso_type = TEE_GSO_TCP4;
		frame.gso_size = 1460;
		frame_leave_checksum(&frame, 34);
		frame.why = TEE_WHY_NEW_DATA;
		pass(&r, from, &frame, 1000 + (unsigned)inbound);

		len = make_frame(bytes, &small);
		frame_as_stack(&frame, bytes, len, 74);
		frame_leave_checksum(&frame, 54);
		frame.why = TEE_WHY_TLP;
		pass(&r, from, &frame, 2000 + (unsigned)inbound);
	}
	len = make_arp(bytes, 1, mac_a, 0x0a000001, NULL, 0x0a000002);
	frame_of_bytes(&frame, bytes, len);
	pass(&r, r.near, &frame, 3000);
	record_end(&r);
}

static void what_passed_is_in_the_file(void **state)
{
	struct found found;

	make_recording();
	read_file();
	for (unsigned i = 0; i < 8; i++) {
		bool inbound = i >= 4, is_small = i % 4 == 3;

		assert_true(find_packet(i, &found));
		assert_int_equal(found.at_ns, WALL_NS + (is_small ? 2000 : 1000) + inbound);
		assert_int_equal(found.direction, inbound ? 1 : 2);
		assert_string_equal(
			found.comment,
			inbound ? "" : tee_why_name(is_small ? TEE_WHY_TLP : TEE_WHY_NEW_DATA));
		assert_true(checksums_are_good(found.bytes, found.len));
		if (is_small)
			assert_int_equal(found.len, 85);
		else
			assert_int_equal(get32(found.bytes + 38), 0xfffffff0 + 1460 * (i % 4));
	}
	assert_true(find_packet(8, &found));
	assert_int_equal(found.len, 42);
	assert_int_equal(found.direction, 2);
	assert_string_equal(found.comment, "");
	assert_false(find_packet(9, &found));
}

/* tshark is somebody else's reader: no complaint, no bad checksum, the comments in place. */
static void tshark_agrees(void **state)
{
	char command[512], line[256];
	unsigned lines = 0, comments = 0;
	FILE *out;

	if (access("/usr/bin/tshark", X_OK) != 0)
		skip();
	make_recording();
	snprintf(
		command, sizeof(command),
		"tshark -r %s -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields "
		"-E separator='|' -e frame.time_epoch -e tcp.checksum.status -e ip.checksum.status "
		"-e _ws.malformed -e frame.comment -e frame.packet_flags_direction 2>&1 | grep -v '^Running as'",
		path);
	out = popen(command, "r");
	assert_non_null(out);
	while (fgets(line, sizeof(line), out)) {
		char *tcp = strchr(line, '|');

		assert_non_null(tcp);
		assert_true(!strncmp(line, "1795269600.1234", 15));
		/* 1 is "good", 0 "bad"; ARP has neither. */
		if (lines < 8)
			assert_int_equal(tcp[1], '1');
		if (lines % 4 != 3 && lines < 8)
			assert_int_equal(tcp[3], '1');
		assert_null(strstr(line, "alformed"));
		comments += strstr(line, tee_why_name(TEE_WHY_TLP)) != NULL;
		lines++;
	}
	assert_int_equal(pclose(out), 0);
	assert_int_equal(lines, 9);
	assert_int_equal(comments, 1);
}

/* A reader who follows the file sees a packet at most 200 ms after it passed. */
static void the_buffer_is_flushed_in_time(void **state)
{
	struct recorded r;
	struct tee_frame frame;
	struct tee_pkt *pkt;
	struct found found;
	size_t len = make_arp(bytes, 1, mac_a, 0x0a000001, NULL, 0x0a000002);

	record_begin(&r);
	assert_int_equal(r.near->ops->deadline(r.near), TEE_NEVER);
	frame_of_bytes(&frame, bytes, len);
	pass(&r, r.near, &frame, 5);
	assert_int_equal(r.near->ops->deadline(r.near), 5 + 200 * TEE_NS_PER_MS);
	read_file();
	assert_false(find_packet(0, &found));
	assert_int_equal(r.near->ops->recv(r.near, r.pool, &pkt, 1, 5 + 200 * TEE_NS_PER_MS), 0);
	read_file();
	assert_true(find_packet(0, &found));
	assert_int_equal(r.near->ops->deadline(r.near), TEE_NEVER);
	record_end(&r);
}

static void only_what_was_taken_is_recorded(void **state)
{
	struct recorded r;
	struct tee_frame frame;
	struct stat status;
	unsigned sent = 0;

	record_begin(&r);
	memset(bytes, 0, 60000);
	frame_of_bytes(&frame, bytes, 60000);
	while (r.near->ops->send(r.near, &frame, 1, 0) == 1)
		sent++;
	/* The wire is full: this one is not taken. */
	frame_of_bytes(&frame, bytes, 77);
	assert_int_equal(r.near->ops->send(r.near, &frame, 1, 0), 0);
	record_end(&r);
	assert_true(sent > 200);
	assert_int_equal(stat(path, &status), 0);
	/* A block is 28 bytes, the packet, 12 of options and 4; in front is a header of less than one. */
	assert_int_equal((size_t)status.st_size / (28 + 60000 + 12 + 4), sent);
}

/* The disk fills up: told once, the file stays whole, and the link goes on. */
static void a_full_disk_ends_the_recording_only(void **state)
{
	struct rlimit before, limit;
	struct recorded r;
	struct tee_frame frame;
	struct found found;
	const char *notice;
	unsigned count = 0;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

	record_begin(&r);
	assert_null(tee_link_notice(r.near));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 300000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	memset(bytes, 7, 1514);
	frame_of_bytes(&frame, bytes, 1514);
	for (unsigned i = 0; i < 1000; i++)
		pass(&r, i & 1 ? r.far : r.near, &frame, i);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, handler);
	notice = tee_link_notice(r.near);
	assert_non_null(notice);
	assert_non_null(strstr(notice, path));
	assert_non_null(strstr(notice, "File too large"));
	assert_null(tee_link_notice(r.near));
	pass(&r, r.near, &frame, 9999);
	record_end(&r);

	read_file();
	while (find_packet(count, &found)) {
		assert_int_equal(found.len, 1514);
		count++;
	}
	assert_true(count > 100 && count < 200);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
	static const char *const places[] = {"/nonexistent/file.pcapng", "/dev/full", "/tmp"};
	struct tee_link *ends[2], *link = NULL;
	char error[TEE_LINK_ERROR_SIZE];

	assert_int_equal(tee_link_wire_pair(1500, 0, ends), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(tee_link_pcapng(ends[0], places[i], 0, &link, error) < 0);
		assert_non_null(strstr(error, places[i]));
		assert_null(link);
	}
	/* The inner link is still the caller's. */
	tee_link_close(ends[0]);
	tee_link_close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_passed_is_in_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tshark_agrees, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_buffer_is_flushed_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_what_was_taken_is_recorded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_ends_the_recording_only, set_up,
						tear_down),
		cmocka_unit_test(a_place_that_cannot_be_written_is_named),
	};
	return cmocka_run_group_tests_name("link/pcapng", tests, NULL, NULL);
}
