/* SPDX-License-Identifier: MIT */
/* What lwIP wants to be told of the machine: nothing special, it is a Linux. */
#ifndef BENCH_LWIP_CC_H
#define BENCH_LWIP_CC_H

#include <stdlib.h>
#include <sys/time.h>

#define LWIP_TIMEVAL_PRIVATE  0
#define LWIP_ERRNO_STDINCLUDE 1
#define LWIP_RAND()           ((u32_t)rand())
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)
#define lwip_ntohs(x) __builtin_bswap16(x)
#define lwip_ntohl(x) __builtin_bswap32(x)

#endif
