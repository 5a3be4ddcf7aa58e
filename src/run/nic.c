// SPDX-License-Identifier: MIT
/*
 * The network interfaces as the program sees them: the stack's loopback and the one that its link makes.
 *
 * Three doors lead here: ioctl() of any socket (SIOCGIFCONF and its kind, below), netlink
 * (netlink.c), and by those everything that libraries offer: getifaddrs, if_nameindex, AI_ADDRCONFIG. What the
 * program could change of the host's interfaces it may not (EPERM).
 *
 * Of our own sockets also two ioctls about their bytes: SIOCOUTQ counts what the peer has not
 * acknowledged, with what still lies in the pair; SIOCATMARK is never true.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/netif.h"
#include "run/private.h"
#include "stack/stack.h"

bool run_nic_get(struct run *run, unsigned index, struct run_nic *ret_nic)
{
	struct tee_stack *stack = tee_host_stack(run->host);
	struct netif *netif = netif_at(stack->net, index);
	struct tee_addr_info addr;

	if (!netif)
		return false;
	*ret_nic = (struct run_nic){
		.index = netif->number,
		.mtu = netif->mtu,
		.flags = netif->is_up ? IFF_UP | IFF_RUNNING : 0,
		.hardware = ARPHRD_NONE,
	};
	if (netif->kind == TEE_NETIF_LOOPBACK) {
		ret_nic->flags |= IFF_LOOPBACK;
		ret_nic->hardware = ARPHRD_LOOPBACK;
	} else if (netif->kind == TEE_NETIF_ETHERNET) {
		ret_nic->flags |= IFF_BROADCAST | IFF_MULTICAST;
		ret_nic->hardware = ARPHRD_ETHER;
		memcpy(ret_nic->mac, netif->mac.byte, sizeof(ret_nic->mac));
	}
	/* The link's own name may be that of an interface of the host's, which this isn't. */
	strcpy(ret_nic->name, netif->kind == TEE_NETIF_LOOPBACK ? "lo" : "tee0");
	if (netif->number > NETIF_LOOPBACK_NUMBER + 1)
		ret_nic->name[3] = (char)('0' + (netif->number - 2) % 10);
	for (unsigned i = 0; netif_addr_get(netif, i, &addr) == 0; i++)
		if ((addr.state == TEE_ADDR_PREFERRED || addr.state == TEE_ADDR_DEPRECATED) &&
		    ret_nic->addr_count < RUN_NIC_ADDRS_MAX)
			ret_nic->addrs[ret_nic->addr_count++] = addr;
	return true;
}

/* By name, or by number where the name is NULL. */
static bool find_nic(struct run *run, const char *name, int number, struct run_nic *ret_nic)
{
	for (unsigned i = 0; run_nic_get(run, i, ret_nic); i++)
		if (name ? strncmp(ret_nic->name, name, IFNAMSIZ) == 0 : ret_nic->index == number)
			return true;
	return false;
}

static const struct tee_addr_info *first_ip4(const struct run_nic *nic)
{
	for (unsigned i = 0; i < nic->addr_count; i++)
		if (tee_ip_is4(&nic->addrs[i].ip))
			return &nic->addrs[i];
	return NULL;
}

static void put_ip4(struct sockaddr *where, uint32_t address)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};

	memcpy(where, &name, sizeof(name));
}

uint32_t run_nic_ip4(const struct tee_ip *ip)
{
	return (uint32_t)ip->byte[12] << 24 | (uint32_t)ip->byte[13] << 16 |
	       (uint32_t)ip->byte[14] << 8 | ip->byte[15];
}

/* ---- questions by name ---- */

static int answer_address(const struct run_nic *nic, uint64_t command, struct ifreq *request)
{
	const struct tee_addr_info *addr = first_ip4(nic);
	uint32_t ip, mask;

	if (!addr)
		return -EADDRNOTAVAIL;
	ip = run_nic_ip4(&addr->ip);
	mask = addr->prefix_bits ? UINT32_MAX << (32 - addr->prefix_bits) : 0;
	if (command == SIOCGIFNETMASK)
		put_ip4(&request->ifr_netmask, mask);
	else if (command == SIOCGIFBRDADDR)
		put_ip4(&request->ifr_broadaddr, nic->flags & IFF_BROADCAST ? ip | ~mask : 0);
	else
		put_ip4(&request->ifr_addr, ip);
	return 0;
}

static int answer_request(const struct run_nic *nic, uint64_t command, struct ifreq *request)
{
	switch (command) {
	case SIOCGIFNAME: memcpy(request->ifr_name, nic->name, sizeof(nic->name)); return 0;
	case SIOCGIFINDEX: request->ifr_ifindex = nic->index; return 0;
	case SIOCGIFFLAGS: request->ifr_flags = (short)nic->flags; return 0;
	case SIOCGIFMTU: request->ifr_mtu = (int)nic->mtu; return 0;
	case SIOCGIFMETRIC: request->ifr_metric = 0; return 0;
	case SIOCGIFTXQLEN: request->ifr_qlen = NETIF_TX_PKTS_MAX; return 0;
	case SIOCGIFHWADDR:
		memset(&request->ifr_hwaddr, 0, sizeof(request->ifr_hwaddr));
		request->ifr_hwaddr.sa_family = nic->hardware;
		memcpy(request->ifr_hwaddr.sa_data, nic->mac, sizeof(nic->mac));
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK: return answer_address(nic, command, request);
	default: return -EPERM; /* those that change something */
	}
}

static int64_t ask_nic(const struct run_call *call, uint64_t command, uint64_t address)
{
	struct ifreq request;
	struct run_nic nic;
	bool is_found;
	int result;

	if (run_read(call, address, &request, sizeof(request)) < 0)
		return -EFAULT;
	request.ifr_name[IFNAMSIZ - 1] = '\0';
	is_found = find_nic(call->run, command == SIOCGIFNAME ? NULL : request.ifr_name,
			    request.ifr_ifindex, &nic);
	if (!is_found)
		return -ENODEV;
	result = answer_request(&nic, command, &request);
	if (result == 0)
		result = run_write(call, address, &request, sizeof(request));
	return result;
}

/* SIOCGIFCONF: those with an IPv4 address; without a buffer only how much room that takes. */
static int64_t list_nics(const struct run_call *call, uint64_t address)
{
	struct ifreq entry;
	struct ifconf list;
	struct run_nic nic;
	int used = 0;

	if (run_read(call, address, &list, sizeof(list)) < 0)
		return -EFAULT;
	for (unsigned i = 0; run_nic_get(call->run, i, &nic); i++) {
		if (!first_ip4(&nic))
			continue;
		memset(&entry, 0, sizeof(entry));
		memcpy(entry.ifr_name, nic.name, sizeof(nic.name));
		answer_address(&nic, SIOCGIFADDR, &entry);
		if (list.ifc_buf) {
			if (list.ifc_len - used < (int)sizeof(entry))
				break;
			if (run_write(call, (uintptr_t)list.ifc_buf + (unsigned)used, &entry,
				      sizeof(entry)) < 0)
				return -EFAULT;
		}
		used += (int)sizeof(entry);
	}
	list.ifc_len = used;
	return run_write(call, address, &list, sizeof(list));
}

/* ---- questions about bytes ---- */

static int64_t ask_bytes(const struct run_call *call, uint64_t command)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct tee_tcp_info info;
	int theirs, result = 0;
	uint32_t bytes = 0;
	struct run_sock *sock = run_find(call, (int)args[0], &theirs);

	if (!sock)
		return RUN_CONTINUE;
	if (sock->state == RUN_LISTENING || sock->state == RUN_DATAGRAM)
		result = sock->state == RUN_LISTENING || command == SIOCATMARK ? -EINVAL : 0;
	else if (command == SIOCOUTQ && sock->posix_fd >= 0 &&
		 tee_socket_info(run_socket_of(sock), &info) >= 0)
		bytes = info.sndq_bytes + (sock->bridge ? bridge_unread(sock->bridge) : 0);
	close(theirs);
	if (result < 0)
		return result;
	return run_write(call, args[2], &bytes, sizeof(bytes));
}

static bool is_socket(const struct run_call *call, int fd)
{
	int dup = run_take_fd((pid_t)call->request->pid, fd);
	struct stat status;
	bool is_one;

	if (dup < 0)
		return false;
	is_one = fstat(dup, &status) == 0 && S_ISSOCK(status.st_mode) && run_is_valid(call);
	close(dup);
	return is_one;
}

int64_t run_call_ioctl(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	uint32_t command = (uint32_t)args[1];

	if (command == SIOCOUTQ || command == SIOCATMARK)
		return ask_bytes(call, command);
	if (!is_socket(call, (int)args[0]))
		return RUN_CONTINUE;
	return command == SIOCGIFCONF ? list_nics(call, args[2]) : ask_nic(call, command, args[2]);
}
