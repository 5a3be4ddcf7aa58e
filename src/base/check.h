/* SPDX-License-Identifier: MIT */
/* Assertions on our own state. They stay on in release builds; a bad packet never reaches one. */
#ifndef TEE_BASE_CHECK_H
#define TEE_BASE_CHECK_H

#include <assert.h>
#include <stdlib.h>

/* Unlike assert() it can't be switched off by NDEBUG: a broken invariant must not carry on. */
#define CHECK(condition)                         \
 do {                                            \
  if (__builtin_expect(!(condition), 0))         \
   check_failed(#condition, __FILE__, __LINE__); \
 } while (0)

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#endif
