/* SPDX-License-Identifier: MIT */
/*
 * Replays a corpus through a fuzz target without libFuzzer, so that every build and every compiler
 * runs it as an ordinary test:
 *
 *   replay-NAME DIRECTORY|FILE...
 *
 * Each file is fed as it is, then cut short at every length up to 128 bytes, then with single bytes
 * changed, by a generator with a fixed seed: a run is the same everywhere. The input lies in a
 * buffer of exactly its size, at the end of a page whose successor is not mapped, so that a read
 * one byte past the end faults even without a sanitizer. A corpus without a single file fails.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES (1u << 20)
#define CUTS_MAX_COUNT  128u
#define MUTATIONS_COUNT 256u
#define GENERATOR_SEED  UINT64_C(0x7465656365657065)

static uint8_t *guard; /* the first byte that must not be touched */
static uint64_t generator_state = GENERATOR_SEED;
static unsigned long runs_count;

/* splitmix64: short, and the same on every machine. */
static uint64_t next_random(void)
{
	uint64_t z = generator_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void map_input_area(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *area = mmap(NULL, INPUT_MAX_BYTES + page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED || mprotect(area + INPUT_MAX_BYTES, page, PROT_NONE) != 0) {
		perror("replay: cannot map the input area");
		exit(2);
	}
	guard = area + INPUT_MAX_BYTES;
}

static void feed(const uint8_t *bytes, size_t size)
{
	uint8_t *start = guard - size;

	if (size > 0)
		memcpy(start, bytes, size);
	LLVMFuzzerTestOneInput(start, size);
	runs_count++;
}

static void feed_with_variations(uint8_t *bytes, size_t size)
{
	feed(bytes, size);
	for (size_t cut = 0; cut < size && cut < CUTS_MAX_COUNT; cut++)
		feed(bytes, cut);
	for (unsigned i = 0; size > 0 && i < MUTATIONS_COUNT; i++) {
		size_t at = next_random() % size;
		uint8_t before = bytes[at];

		bytes[at] = (uint8_t)next_random();
		feed(bytes, size);
		bytes[at] = before;
	}
}

static int replay_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX_BYTES];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return -1;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	feed_with_variations(bytes, size);
	return 1;
}

/* The count of files replayed, or -1. */
static int replay_directory(const char *path)
{
	struct dirent **entries = NULL;
	int entries_count = scandir(path, &entries, NULL, alphasort);
	int files_count = 0;

	if (entries_count < 0) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < entries_count; i++) {
		char name[4096];

		if (entries[i]->d_name[0] != '.' && files_count >= 0) {
			snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
			files_count = replay_file(name) < 0 ? -1 : files_count + 1;
		}
		free(entries[i]);
	}
	free(entries);
	return files_count;
}

int main(int argc, char **argv)
{
	int files_count = 0;

	map_input_area();
	for (int i = 1; i < argc; i++) {
		struct stat status;
		int count;

		if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
			count = replay_directory(argv[i]);
		else
			count = replay_file(argv[i]);
		if (count < 0)
			return 1;
		files_count += count;
	}
	printf("replayed %d files in %lu runs\n", files_count, runs_count);
	if (files_count == 0) {
		fprintf(stderr, "replay: the corpus is empty\n");
		return 1;
	}
	return 0;
}
