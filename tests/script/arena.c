/* SPDX-License-Identifier: MIT */
/*
 * The arena: everything that belongs to one script is taken from a chain of blocks and freed with
 * the script. A test tool has nothing sensible to do without memory, so it ends the program then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ast.h"

enum { BLOCK_SIZE = 16 << 10 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) unsigned char data[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	void *at;

	size = (size + 15) & ~(size_t)15;
	if (!block || block->size - block->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		block = calloc(1, sizeof(*block) + room);
		if (!block) {
			fputs("teeceepee-script: out of memory\n", stderr);
			exit(2);
		}
		block->size = room;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	at = block->data + block->used;
	block->used += size;
	return at;
}

char *arena_text(struct arena *arena, const char *from, size_t len)
{
	char *text = arena_alloc(arena, len + 1);

	memcpy(text, from, len);
	return text;
}

void arena_free(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	while (block) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
	arena->blocks = NULL;
}
