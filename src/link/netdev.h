/* SPDX-License-Identifier: MIT */
/* What the kernel knows of one of its network interfaces, by name, in this network namespace. */
#ifndef TEE_LINK_NETDEV_H
#define TEE_LINK_NETDEV_H

#include <teeceepee/types.h>

struct netdev {
	int ifindex;
	unsigned flags; /* IFF_… */
	uint32_t mtu;
	int hardware_type; /* ARPHRD_… */
	struct tee_mac mac;
};

/* 0, or -TEE_ENODEV when there is no such interface, or another -TEE_E…. */
int netdev_get(const char *name, struct netdev *ret_netdev);
/* Brings it up; 0 or -TEE_E…. */
int netdev_set_up(const char *name);
bool netdev_exists(int ifindex);
bool netdev_is_up(const char *name);
/* A yes-or-no of ETHTOOL_G…; false when the driver doesn't know. */
bool netdev_has_feature(const char *name, uint32_t ethtool_command);
/* How many queues it receives by; 1 when the driver doesn't say. */
unsigned netdev_rx_queues(const char *name);
/* Do its frames come out of this machine's memory, perhaps with checksums unmade (veth, virtio, tun)? */
bool netdev_is_in_memory(const char *name);
/* Is there no card at all, just the kernel on its other side (veth, tun)? */
bool netdev_is_of_kernel(const char *name);
/* Does the kernel forward packets that arrive there, of either family? */
bool netdev_forwards(const char *name);
/* Does this kernel take super-frames of more than 65,535 bytes from a device (IPv4: Linux 6.3, IPv6: before)? */
bool netdev_takes_big(void);
/* An address near the interface's own, locally administered and different from it. */
struct tee_mac netdev_derive_mac(const struct tee_mac *mac);

#endif
