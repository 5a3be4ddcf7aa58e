/* SPDX-License-Identifier: MIT */
/* Between the files of a world. */
#ifndef SIM_STEP_H
#define SIM_STEP_H

/* sim_fn: a packet (arg) comes out at an end of a link (owner, struct sim_wire_end). */
void sim_arrive(void *owner, void *arg);

#endif
