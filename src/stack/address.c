/* SPDX-License-Identifier: MIT */
/*
 * Interfaces, addresses, routes and DHCP in the public API: each call finds its netif by number and
 * passes on to net/ or addrconf/, which keep the state and say what the results mean.
 *
 * And tee_stack_check(), which asks every room whether its structs are as they must be.
 */
#include <string.h>

#include "stack/stack.h"
#include "net/netif.h"

int tee_netif_add(struct tee_stack *stack, const struct tee_netif_config *config)
{
	return netif_add(stack->net, config);
}

int tee_netif_set_up(struct tee_stack *stack, int netif_number, bool up)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	if (!netif)
		return -TEE_EINVAL;
	netif_set_up(netif, up);
	return 0;
}

int tee_addr_add(struct tee_stack *stack, int netif_number, const struct tee_ip *ip,
		 unsigned prefix_bits, bool skip_probe)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	if (!netif)
		return -TEE_EINVAL;
	return netif_addr_add(netif, ip, prefix_bits, TEE_ADDR_STATIC, skip_probe, NULL);
}

int tee_addr_remove(struct tee_stack *stack, int netif_number, const struct tee_ip *ip)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	return netif ? netif_addr_remove(netif, ip) : -TEE_EINVAL;
}

int tee_addr_get(struct tee_stack *stack, int netif_number, unsigned idx,
		 struct tee_addr_info *ret_info)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	return netif ? netif_addr_get(netif, idx, ret_info) : -TEE_EINVAL;
}

int tee_route_add(struct tee_stack *stack, int netif_number, const struct tee_ip *prefix,
		  unsigned prefix_bits, const struct tee_ip *gateway, unsigned metric)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	if (!netif)
		return -TEE_EINVAL;
	return route_add(netif, prefix, prefix_bits, gateway, metric, ROUTE_STATIC);
}

int tee_route_remove(struct tee_stack *stack, int netif_number, const struct tee_ip *prefix,
		     unsigned prefix_bits)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	return netif ? route_remove(netif, prefix, prefix_bits) : -TEE_EINVAL;
}

int tee_dhcp_start(struct tee_stack *stack, int netif_number, const char *hostname)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	return netif ? addrconf_dhcp_start(stack->addrconf, netif, hostname) : -TEE_EINVAL;
}

int tee_dhcp_release(struct tee_stack *stack, int netif_number)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	return netif ? addrconf_dhcp_release(stack->addrconf, netif) : -TEE_EINVAL;
}

void tee_net_info(struct tee_stack *stack, int netif_number, struct tee_net_info *ret_info)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	memset(ret_info, 0, sizeof(*ret_info));
	if (netif)
		addrconf_net_info(stack->addrconf, netif, ret_info);
}

void tee_stack_check(const struct tee_stack *stack)
{
	timer_wheel_check(&stack->engine.wheel);
	net_check(stack->net);
	tcp_check(stack->tcp);
	sock_room_check(&stack->sockets);
}
