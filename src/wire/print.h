/* SPDX-License-Identifier: MIT */
/* One line of text for a packet, for traces and failing tests. */
#ifndef TEE_WIRE_PRINT_H
#define TEE_WIRE_PRINT_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/*
 * Describes a frame ("ARP who has 10.0.2.2 tell 10.0.2.15", "IP 10.0.2.15.49152 > 10.0.2.2.80: S
 * 1:1(0) win 65535 <mss 1460,…>"); always NUL-terminated; returns `text`.
 */
const char *print_frame(const uint8_t *frame, size_t len, bool is_ethernet, char *text,
			size_t text_size);

#endif
