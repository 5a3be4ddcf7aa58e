/* SPDX-License-Identifier: MIT */
/* The words of an impairment: whatever is read is within bounds, or refused with a sentence. */
#include <stdlib.h>
#include <string.h>
#include <teeceepee/link.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_probability(double p)
{
	return p >= 0 && p <= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tee_impairment got;
	char error[TEE_LINK_ERROR_SIZE];
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	memset(error, 'x', sizeof(error));
	if (tee_impairment_parse(text, &got, error) < 0) {
		if (!memchr(error, '\0', sizeof(error)))
			abort();
	} else if (!is_probability(got.loss) || !is_probability(got.burst_enter) ||
		   !is_probability(got.burst_leave) || !is_probability(got.burst_loss) ||
		   !is_probability(got.reorder) || !is_probability(got.duplicate) ||
		   !is_probability(got.corrupt) || got.delay_ns > 86400 * TEE_NS_PER_S) {
		abort();
	}
	free(text);
	return 0;
}
