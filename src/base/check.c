/* SPDX-License-Identifier: MIT */
/*
 * What happens when an invariant of ours is broken: the C library's assertion report, then abort.
 * The report goes through __assert_fail() because the core itself has no way to print; NDEBUG has no
 * say in it.
 */
#undef NDEBUG
#include "base/check.h"

void check_failed(const char *condition, const char *file, int line)
{
	__assert_fail(condition, file, (unsigned)line, "CHECK");
}
