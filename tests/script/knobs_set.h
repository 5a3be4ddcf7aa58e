/* SPDX-License-Identifier: MIT */
/* What setting a knob means: for the stack in knobs_set.c, for a kernel in kernel/knobs_set.c. */
#ifndef SCRIPT_KNOBS_SET_H
#define SCRIPT_KNOBS_SET_H

#include "knobs.h"

/* `name` as commands have it: net.ipv4.tcp_sack, or a path that ends in tcp_sack. */
void knobs_set(struct knobs *knobs, const char *name, const char *value);
/* A field of struct tee_config; false when it can't be set. */
bool knobs_set_field(struct knobs *knobs, const char *field, const char *value);
/* What Google's defaults.sh sets. */
void knobs_set_defaults(struct knobs *knobs);
/* "ip route …", of which scripts use only advmss. */
void knobs_set_route(struct knobs *knobs, const char *command);
/* Notes a knob without effect. */
void knobs_note(struct knobs *knobs, const char *name);

#endif
