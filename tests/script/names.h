/* SPDX-License-Identifier: MIT */
/*
 * The constants that scripts name, with the numbers that Linux gives them on x86-64. A script is
 * the same test on every machine, so the host's own headers are not asked.
 */
#ifndef SCRIPT_NAMES_H
#define SCRIPT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* Constants that are one thing for IPv4 and another for IPv6. */
enum { NAMES_CMSG_LEVEL_IP = -101, NAMES_CMSG_TYPE_RECVERR = -102 };

/* Finds a constant of system calls ("SOL_SOCKET", "EAGAIN"); false when the name isn't known. */
bool names_find(const char *name, int64_t *ret_value);
/* Finds an error by name; 0 when it isn't known. */
int names_error(const char *name);
/* The name of a Linux error number, "E?" when it has none. */
const char *names_error_name(int error);
/* Finds an ICMP type, or a code of a type. */
bool names_icmp_type(bool is_ip6, const char *name, int *ret_type);
bool names_icmp_code(bool is_ip6, int type, const char *name, int *ret_code);

#endif
