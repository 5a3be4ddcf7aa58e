// SPDX-License-Identifier: MIT
/*
 * Name servers. The program reads the host's /etc/resolv.conf, and asks whom that names: an address in
 * the host's network, often 127.0.0.53, which from the stack's place in the world may be nobody. So
 * what goes to port 53 of such a server goes to the stack's own name server (--dns, or what the
 * link or DHCP told), and its answers come back under the address that the program asked: every libc and
 * runtime then looks names up over the stack, without knowing.
 *
 * A server that the host's file doesn't name is left alone (`dig @9.9.9.9`).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/private.h"

enum { DNS_PORT = 53 };

static void add_server(struct run *run, const char *text)
{
	struct tee_ip ip;

	if (run->name_server_count < RUN_SERVERS_MAX && tee_ip_parse(text, &ip) == 0)
		run->name_servers[run->name_server_count++] = ip;
}

void run_resolv_init(struct run *run)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	char line[512], address[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " nameserver %127s", address) == 1) {
			address[strcspn(address, "%")] = '\0'; /* a zone of the host's */
			add_server(run, address);
		}
	}
	if (file)
		fclose(file);
	/* resolv.conf(5): without any, the server on this machine. */
	if (run->name_server_count == 0) {
		add_server(run, "127.0.0.1");
		add_server(run, "::1");
	}
}

bool run_resolv_redirect(struct run *run, struct tee_endpoint *endpoint)
{
	struct tee_endpoint servers[HOST_DNS_MAX];
	unsigned count, i = 0;

	if (endpoint->port != DNS_PORT)
		return false;
	while (i < run->name_server_count && !tee_ip_equal(&run->name_servers[i], &endpoint->ip))
		i++;
	if (i == run->name_server_count)
		return false;
	count = host_name_servers(run->host, servers);
	for (unsigned j = 0; j < count; j++)
		if (tee_ip_equal(&servers[j].ip, &endpoint->ip))
			return false;
	/* An IPv4 server can stand in for one of IPv6, over a mapped address; not the other way round. */
	for (unsigned j = 0; j < count; j++) {
		/* The second that the host names becomes our second, if there is one. */
		const struct tee_endpoint *server = &servers[(i + j) % count];

		if (tee_ip_is4(&server->ip) || !tee_ip_is4(&endpoint->ip)) {
			*endpoint = *server;
			return true;
		}
	}
	return false;
}
