/* SPDX-License-Identifier: MIT */
/* The parts of the parser; parse.c joins them. */
#ifndef SCRIPT_PARSE_H
#define SCRIPT_PARSE_H

#include "scan.h"

/* After "<" or ">": the rest of a packet. `is_ip6`: the script's family, for names of ICMP. */
struct packet_spec *parse_packet(struct scanner *s, bool is_inbound, bool is_ip6);
/* A system call from its name on, with its result. */
struct call_spec *parse_call(struct scanner *s, char *name);

#endif
