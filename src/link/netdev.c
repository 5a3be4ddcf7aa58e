/* SPDX-License-Identifier: MIT */
/*
 * Questions about interfaces, asked by ioctl (or rtnetlink) on a throw-away socket. They are asked when a link
 * opens, and rarely after; nothing here is on a frame's way. The answers hold for the network namespace that the
 * calling thread is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include "link/netdev.h"
#include "link/spec.h"

enum {
	LOOPBACK_INDEX = 1,     /* in every network namespace */
	GSO_IPV4_MAX_SIZE = 63, /* IFLA_…, in newer headers than some that we are built with */
};

static void request_init(struct ifreq *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", name);
}

static int netdev_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

int netdev_get(const char *name, struct netdev *ret_netdev)
{
	struct netdev netdev = {0};
	struct ifreq request;
	int fd, result = 0;

	if (strlen(name) >= IFNAMSIZ)
		return -TEE_ENODEV;
	fd = netdev_socket();
	if (fd < 0)
		return link_result_of_errno(errno);
	request_init(&request, name);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		goto fail;
	netdev.ifindex = request.ifr_ifindex;
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		goto fail;
	netdev.flags = (unsigned short)request.ifr_flags;
	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		goto fail;
	netdev.mtu = (uint32_t)request.ifr_mtu;
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		goto fail;
	netdev.hardware_type = request.ifr_hwaddr.sa_family;
	memcpy(netdev.mac.byte, request.ifr_hwaddr.sa_data, sizeof(netdev.mac.byte));
	*ret_netdev = netdev;
	goto out;
fail:
	result = link_result_of_errno(errno);
out:
	close(fd);
	return result;
}

int netdev_set_up(const char *name)
{
	struct ifreq request;
	int fd = netdev_socket(), result = 0;

	if (fd < 0)
		return link_result_of_errno(errno);
	request_init(&request, name);
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
		result = link_result_of_errno(errno);
	} else if (!(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			result = link_result_of_errno(errno);
	}
	close(fd);
	return result;
}

bool netdev_exists(int ifindex)
{
	char name[IFNAMSIZ];

	return if_indextoname((unsigned)ifindex, name) != NULL;
}

bool netdev_is_up(const char *name)
{
	struct netdev netdev = {0};

	return netdev_get(name, &netdev) == 0 && (netdev.flags & IFF_UP);
}

/* One of ethtool's questions, whose answer comes in the struct at `data`. */
static bool ethtool_ask(const char *name, void *data)
{
	struct ifreq request;
	int fd = netdev_socket();
	bool answered;

	if (fd < 0)
		return false;
	request_init(&request, name);
	request.ifr_data = data;
	answered = ioctl(fd, SIOCETHTOOL, &request) == 0;
	close(fd);
	return answered;
}

bool netdev_has_feature(const char *name, uint32_t ethtool_command)
{
	struct ethtool_value value = {.cmd = ethtool_command};

	return ethtool_ask(name, &value) && value.data;
}

unsigned netdev_rx_queues(const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (!ethtool_ask(name, &channels) || channels.combined_count + channels.rx_count == 0)
		return 1;
	return channels.combined_count + channels.rx_count;
}

static bool has_driver(const char *name, const char *const *drivers)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};

	if (!ethtool_ask(name, &info))
		return false;
	for (; *drivers; drivers++)
		if (!strncmp(info.driver, *drivers, sizeof(info.driver)))
			return true;
	return false;
}

bool netdev_is_in_memory(const char *name)
{
	static const char *const drivers[] = {"veth", "tun", "virtio_net", NULL};

	return has_driver(name, drivers);
}

bool netdev_is_of_kernel(const char *name)
{
	static const char *const drivers[] = {"veth", "tun", NULL};

	return has_driver(name, drivers);
}

static bool switch_is_on(const char *path)
{
	char text = '0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &text, 1) != 1)
		text = '0';
	close(fd);
	return text != '0';
}

bool netdev_forwards(const char *name)
{
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.15s/forwarding", name);
	if (switch_is_on(path))
		return true;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.15s/forwarding", name);
	return switch_is_on(path);
}

struct tee_mac netdev_derive_mac(const struct tee_mac *mac)
{
	struct tee_mac derived = *mac;

	/* Locally administered (IEEE 802 bit 1), no group address (bit 0). */
	derived.byte[0] = (uint8_t)((derived.byte[0] | 2) & ~1);
	derived.byte[5] ^= 1;
	return derived;
}

/* Asks about the loopback by rtnetlink; returns the answer's length, or below 0. */
static ssize_t ask_about_loopback(void *answer, size_t size)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			  .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST},
		 .info = {.ifi_index = LOOPBACK_INDEX}};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t len = -1;

	if (fd < 0)
		return -1;
	if (send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask))
		len = recv(fd, answer, size, 0);
	close(fd);
	return len;
}

/* A kernel that has a bound for those that it sends itself takes them, too: both came with one change to Linux. */
bool netdev_takes_big(void)
{
	_Alignas(struct nlmsghdr) uint8_t answer[16384];
	ssize_t len = ask_about_loopback(answer, sizeof(answer));
	const struct nlmsghdr *head = (const struct nlmsghdr *)answer;
	const struct rtattr *attr;

	if (len < 0 || !NLMSG_OK(head, (size_t)len) || head->nlmsg_type != RTM_NEWLINK)
		return false;
	attr = IFLA_RTA(NLMSG_DATA(head));
	for (int rest = (int)IFLA_PAYLOAD(head); RTA_OK(attr, rest); attr = RTA_NEXT(attr, rest))
		if ((attr->rta_type & NLA_TYPE_MASK) == GSO_IPV4_MAX_SIZE)
			return true;
	return false;
}
