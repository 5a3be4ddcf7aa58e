/* SPDX-License-Identifier: MIT */
/*
 * Counters of a link are told one by one, by index: that needs no memory and no list of them that somebody
 * else keeps. Each link makes a table of them when it is asked, and this picks the row.
 */
#include "link/counter_table.h"

bool link_counter_tell(const struct link_counter *own, unsigned count, struct tee_link *inner,
		       unsigned idx, const char **ret_name, uint64_t *ret_value)
{
	if (idx >= count)
		return inner && inner->ops->counter &&
		       inner->ops->counter(inner, idx - count, ret_name, ret_value);
	*ret_name = own[idx].name;
	*ret_value = own[idx].value;
	return true;
}
