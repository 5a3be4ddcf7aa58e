/* SPDX-License-Identifier: MIT */
/*
 * Where a script meets the kernel: a user and a network namespace that this process alone lives
 * in. They end with it, and with them every setting, so that nothing of the machine is changed.
 *
 * The device is a TUN with virtio headers, which takes super-frames and unfinished checksums; the
 * addresses, the default route and the MTU are those that the script presumes.
 */
#define _GNU_SOURCE
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <linux/ipv6_route.h>
#include <linux/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "tun0"

static bool is_entered;
static char congestion[16] = "cubic";

static bool fail(char *error, const char *what)
{
	snprintf(error, WIRE_ERROR_SIZE, "%s: %s", what, strerror(errno));
	return false;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

bool netns_enter(char error[WIRE_ERROR_SIZE])
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();

	if (is_entered)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return fail(error, "no namespaces of its own");
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1\n", uid);
	if (!write_file("/proc/self/uid_map", map))
		return fail(error, "uid_map");
	snprintf(map, sizeof(map), "0 %u 1\n", gid);
	if (!write_file("/proc/self/gid_map", map))
		return fail(error, "gid_map");
	is_entered = true;
	return true;
}

bool netns_set(const char *name, const char *value)
{
	char path[160] = "/proc/sys/", error[WIRE_ERROR_SIZE];

	if (!netns_enter(error))
		return false;
	if (!strncmp(name, "/proc/sys/net/", 14)) {
		snprintf(path, sizeof(path), "%s", name);
	} else if (!strncmp(name, "net.", 4)) {
		snprintf(path + 10, sizeof(path) - 10, "%s", name);
		for (char *at = path + 10; *at; at++)
			if (*at == '.')
				*at = '/';
	} else {
		return false; /* modules' parameters are the whole machine's */
	}
	return !strstr(path, "..") && write_file(path, value);
}

void netns_set_congestion(const char *name)
{
	snprintf(congestion, sizeof(congestion), "%s", name);
}

void netns_use_congestion(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion));
}

void netns_forget_hosts(void)
{
	static char *const argv[] = {"ip", "tcp_metrics", "flush", "all", NULL};
	static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	pid_t pid;

	if (!posix_spawnp(&pid, "ip", NULL, NULL, argv, environment))
		waitpid(pid, NULL, 0);
}

/* ---- the device ---- */

static struct ifreq request(void)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, DEVICE, sizeof(DEVICE));
	return request;
}

static struct sockaddr ip4_addr(uint32_t addr)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = addr};
	struct sockaddr ret;

	memcpy(&ret, &in, sizeof(ret));
	return ret;
}

static bool set_ip4(int control, const struct rig_config *config)
{
	struct ifreq address = request();
	struct rtentry route = {.rt_flags = RTF_UP, .rt_dev = DEVICE};
	uint32_t addr;

	memcpy(&addr, config->local.byte + 12, sizeof(addr));
	address.ifr_addr = ip4_addr(addr);
	if (ioctl(control, SIOCSIFADDR, &address) < 0)
		return false;
	address.ifr_addr = ip4_addr(htonl(~(uint32_t)0 << (32 - config->prefix_bits)));
	if (ioctl(control, SIOCSIFNETMASK, &address) < 0)
		return false;
	route.rt_dst = route.rt_genmask = route.rt_gateway = ip4_addr(0);
	return ioctl(control, SIOCADDRT, &route) >= 0;
}

static bool set_ip6(int control, const struct rig_config *config)
{
	struct ifreq index = request();
	struct in6_ifreq address = {.ifr6_prefixlen = config->prefix_bits};
	struct in6_rtmsg route = {.rtmsg_flags = RTF_UP, .rtmsg_metric = 1};

	if (ioctl(control, SIOCGIFINDEX, &index) < 0)
		return false;
	address.ifr6_ifindex = route.rtmsg_ifindex = index.ifr_ifindex;
	memcpy(&address.ifr6_addr, config->local.byte, sizeof(address.ifr6_addr));
	return ioctl(control, SIOCSIFADDR, &address) >= 0 && ioctl(control, SIOCADDRT, &route) >= 0;
}

static bool raise_device(int control)
{
	struct ifreq flags = request();

	flags.ifr_flags = IFF_UP | IFF_RUNNING | IFF_NOARP;
	return ioctl(control, SIOCSIFFLAGS, &flags) >= 0;
}

static bool configure(const struct rig_config *config, char *error)
{
	int control = socket(config->is_ip6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq mtu = request();
	bool ok;

	mtu.ifr_mtu = (int)config->mtu;
	netns_set("net.ipv6.conf.all.disable_ipv6", config->is_ip6 ? "0" : "1");
	netns_set("net.ipv6.conf.default.accept_dad", "0");
	netns_set("net.ipv6.conf." DEVICE ".accept_dad", "0");
	ok = control >= 0 && ioctl(control, SIOCSIFMTU, &mtu) >= 0 && raise_device(control) &&
	     (config->is_ip6 ? set_ip6(control, config) : set_ip4(control, config));
	if (!ok)
		fail(error, "cannot set " DEVICE " up");
	if (control >= 0)
		close(control);
	return ok;
}

int netns_open_tun(const struct rig_config *config, char error[WIRE_ERROR_SIZE])
{
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	struct ifreq device = request();
	int fd;

	if (!netns_enter(error))
		return -1;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		fail(error, "/dev/net/tun");
		return -1;
	}
	device.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &device) < 0 ||
	    (config->has_offloads && ioctl(fd, TUNSETOFFLOAD, offloads) < 0)) {
		fail(error, "TUN device");
		close(fd);
		return -1;
	}
	if (!configure(config, error)) {
		close(fd);
		return -1;
	}
	return fd;
}
