/* SPDX-License-Identifier: MIT */
/*
 * lwIP tuned for bulk data on a fast Ethernet: windows and buffers far above its defaults, window scaling,
 * SACK, checksums made while copying, memory from malloc, no threads, no checks. Where a larger number
 * made it slower, the best one found stands here (it walks its list of unacknowledged segments).
 */
#ifndef BENCH_LWIPOPTS_H
#define BENCH_LWIPOPTS_H

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET          0
#define LWIP_NETCONN         0
#define LWIP_NOASSERT        1
#define LWIP_STATS           0

#define MEM_ALIGNMENT     8
#define MEM_LIBC_MALLOC   1
#define MEMP_MEM_MALLOC   1
#define PBUF_POOL_BUFSIZE 1600

#define LWIP_IPV6                 0
#define LWIP_UDP                  0
#define LWIP_DNS                  0
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_CHECKSUM_ON_COPY     1
#define LWIP_CHKSUM_ALGORITHM     3

#define TCP_MSS           1460
#define LWIP_WND_SCALE    1
#define TCP_RCV_SCALE     5
#define TCP_WND           (1024 * 1024)
#define TCP_SND_BUF       (256 * 1024)
#define TCP_SND_QUEUELEN  (4 * TCP_SND_BUF / TCP_MSS)
#define TCP_SNDLOWAT      (8 * TCP_MSS)
#define TCP_OVERSIZE      TCP_MSS
#define TCP_QUEUE_OOSEQ   1
#define LWIP_TCP_SACK_OUT 1

#endif
