/* SPDX-License-Identifier: MIT */
/* The string that chooses a link; only its reader, for opening would touch the machine. */
#include <stdlib.h>
#include <string.h>
#include "link/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_spec spec;
	struct tee_mac mac;
	char error[TEE_LINK_ERROR_SIZE];
	char *text = malloc(size + 1);
	uint32_t number = 7;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (link_spec_parse(text, &spec, error) == 0) {
		link_spec_check(&spec, &link_kind_tap, error);
		link_spec_check(&spec, &link_kind_slirp, error);
		link_spec_mac(&spec, &mac, error);
		if (link_spec_u32(&spec, "mtu", 68, 9000, &number, error) == 0 && number != 7 &&
		    (number < 68 || number > 9000))
			abort();
		for (unsigned i = 0; i < spec.option_count; i++)
			if (!link_spec_get(&spec, spec.options[i].key))
				abort();
	}
	free(text);
	return 0;
}
