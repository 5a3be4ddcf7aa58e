/* SPDX-License-Identifier: MIT */
/*
 * The one-line print, which walks every parser of the room. The first byte says whether it is Ethernet and
 * how much room there is for the text.
 */
#include "base/check.h"
#include "wire/print.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	size_t text_size, len;

	if (size == 0)
		return 0;
	text_size = data[0] & 0x7e ? 4u * (data[0] >> 1) : 1024;
	text = malloc(text_size); /* of its own, so that a sanitizer sees its end */
	CHECK(text);
	CHECK(print_frame(data + 1, size - 1, data[0] & 1, text, text_size) == text);
	len = strnlen(text, text_size);
	CHECK(len < text_size);
	for (size_t i = 0; i < len; i++)
		CHECK(text[i] >= ' ' && text[i] < 0x7f);
	free(text);
	return 0;
}
