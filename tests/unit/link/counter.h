/* SPDX-License-Identifier: MIT */
/* What a link counts, by name. To be included after cmocka.h. */
#ifndef TEST_LINK_COUNTER_H
#define TEST_LINK_COUNTER_H

#include <string.h>
#include <teeceepee/link.h>

/* A name that the link does not know fails the test. */
__attribute__((unused)) static uint64_t link_counter(struct tee_link *link, const char *wanted)
{
	const char *name;
	uint64_t value;

	for (unsigned i = 0; link->ops->counter(link, i, &name, &value); i++)
		if (!strcmp(name, wanted))
			return value;
	fail_msg("no counter %s", wanted);
	return 0;
}

#endif
