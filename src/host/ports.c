// SPDX-License-Identifier: MIT
/*
 * Ports on an address that we share with the host's kernel: a link that steers by port has to know those
 * that our sockets listen on. Ports to connect from come out of a range that the link has already
 * (open.c puts it into the configuration).
 *
 * The stack counts binds; when the count has changed, all that are bound are claimed. What is claimed
 * already costs the link nothing, and it keeps a port for as long as it is open, so a connection of a listener
 * that has closed goes on. A port that the host itself uses ends our work with a sentence, as
 * an address in use does: silence would look like a server that nobody can reach.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "host/host.h"

static int claim_all(struct tee_host *host, uint8_t protocol, uint16_t *ret_port)
{
	struct tee_link *link = host->link;
	unsigned count = tee_ports_bound(host->stack, protocol, NULL, 0);
	uint16_t *ports;
	int result = 0;

	if (count == 0)
		return 0;
	ports = malloc(count * sizeof(*ports));
	if (!ports)
		return -TEE_ENOMEM;
	tee_ports_bound(host->stack, protocol, ports, count);
	for (unsigned i = 0; i < count && result == 0; i++) {
		*ret_port = ports[i];
		result = link->ops->claim_port(link, protocol, ports[i]);
	}
	free(ports);
	return result;
}

void host_ports_check(struct tee_host *host)
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} kinds[] = {{IPPROTO_TCP, "TCP"}, {IPPROTO_UDP, "UDP"}, {IPPROTO_ICMP, "echo"}};
	const struct tee_link *link = host->link;
	uint64_t generation;

	if (!link->info.shares_address || !link->ops->claim_port)
		return;
	generation = tee_ports_generation(host->stack);
	if (generation == host->ports_told)
		return;
	host->ports_told = generation;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint16_t port = 0;
		int result = claim_all(host, kinds[i].protocol, &port);

		if (result == -TEE_EADDRINUSE)
			host_fail(host, result,
				  "the host itself uses %s port %u, and %s shares its address: "
				  "choose another port",
				  kinds[i].name, port, link->info.name);
		else if (result < 0)
			host_fail(host, result, "can't take %s port %u on %s: %s", kinds[i].name,
				  port, link->info.name, tee_strerror(result));
	}
}
