/* SPDX-License-Identifier: MIT */
/* A network of this process alone: namespaces of its own, and a TUN device in them. */
#ifndef SCRIPT_KERNEL_NETNS_H
#define SCRIPT_KERNEL_NETNS_H

#include "rig.h"

/* Enters namespaces of its own, once. False with the reason: nothing of the machine was touched. */
bool netns_enter(char error[WIRE_ERROR_SIZE]);
/* Writes a sysctl below /proc/sys/net, named "net.ipv4.x" or by its path. False: it can't be. */
bool netns_set(const char *name, const char *value);
/*
 * The congestion controller that sockets shall have. It is said to each, because only the machine
 * itself may make one of its own choice the default.
 */
void netns_set_congestion(const char *name);
void netns_use_congestion(int fd);
/* Makes tun0 with the run's addresses and routes; its descriptor, or -1 with a message. */
int netns_open_tun(const struct rig_config *config, char error[WIRE_ERROR_SIZE]);
/* Forgets what the kernel keeps of other hosts. */
void netns_forget_hosts(void);

#endif
