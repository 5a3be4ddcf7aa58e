// SPDX-License-Identifier: MIT
/*
 * c-ares on sockets of the stack.
 *
 * c-ares asks us to open, connect, send, receive and close through a table of functions, and names a
 * socket by an int. Those ints are not descriptors: they start at HANDLE_BASE, where no descriptor
 * is, and count slots of a table. What c-ares wants to know of a socket (readable, writable) it tells
 * through the socket-state callback; when our event comes, ares_process_fd() gets it.
 *
 * Events are edges and c-ares may read only part of what is there, so a socket that is still readable
 * afterwards is kicked for another round.
 */
#include "host/resolve_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "host/resolve.h"

enum {
	HANDLE_BASE = 1 << 28,
	SLOT_MAX = 64, /* sockets that c-ares has open at a time */
	DATAGRAM_MAX = 65535,
	QUERY_TIMEOUT_MS = 1000, /* of the first try; each further one doubles it */
	QUERY_TRIES = 4,
};

struct resolver_slot {
	struct tee_socket *socket; /* NULL: free */
	bool is_udp, wants_read, wants_write;
	struct host_watch watch;
	struct resolver *resolver;
};

struct resolver {
	struct tee_host *host;
	ares_channel channel;
	int timer;
	struct tee_endpoint servers[HOST_DNS_MAX];
	unsigned server_count;
	struct resolver_slot slots[SLOT_MAX];
};

static struct resolver_slot *slot_of(struct resolver *resolver, ares_socket_t handle)
{
	int idx = (int)handle - HANDLE_BASE;

	if (idx < 0 || idx >= SLOT_MAX || !resolver->slots[idx].socket) {
		errno = EBADF;
		return NULL;
	}
	return &resolver->slots[idx];
}

static ares_socket_t handle_of(const struct resolver_slot *slot)
{
	return HANDLE_BASE + (int)(slot - slot->resolver->slots);
}

/* ---- events ---- */

static void on_event(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct resolver_slot *slot = arg;
	struct resolver *resolver = slot->resolver;
	ares_socket_t handle = handle_of(slot);
	const unsigned failed = TEE_EV_ERROR | TEE_EV_HUP;
	bool reads = slot->wants_read && (ready & (TEE_EV_READABLE | TEE_EV_RDHUP | failed));
	bool writes = slot->wants_write && (ready & (TEE_EV_WRITABLE | failed));

	if (!reads && !writes)
		return;
	ares_process_fd(resolver->channel, reads ? handle : ARES_SOCKET_BAD,
			writes ? handle : ARES_SOCKET_BAD);
	if (slot->socket == socket && slot->wants_read && (tee_readiness(socket) & TEE_EV_READABLE))
		host_watch_kick(&slot->watch);
	resolver_rearm(resolver->host);
}

static void on_timer(void *arg)
{
	struct resolver *resolver = arg;

	resolver->timer = 0;
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	resolver_rearm(resolver->host);
}

void resolver_rearm(struct tee_host *host)
{
	struct resolver *resolver = host->resolver;
	struct timeval wait, *found;

	if (resolver->timer > 0)
		timers_cancel(&host->timers, resolver->timer);
	resolver->timer = 0;
	found = ares_timeout(resolver->channel, NULL, &wait);
	if (found)
		/* A little late rather than early: c-ares counts in microseconds. */
		resolver->timer =
			timers_add(&host->timers,
				   tee_host_now_ns() + (uint64_t)found->tv_sec * TEE_NS_PER_S +
					   (uint64_t)found->tv_usec * TEE_NS_PER_US + TEE_NS_PER_MS,
				   on_timer, resolver);
	host_announce(host);
}

static void on_wants(void *arg, ares_socket_t handle, int readable, int writable)
{
	struct resolver_slot *slot = slot_of(arg, handle);

	if (!slot)
		return;
	slot->wants_read = readable != 0;
	slot->wants_write = writable != 0;
	if (slot->wants_write && (tee_readiness(slot->socket) & TEE_EV_WRITABLE))
		host_watch_kick(&slot->watch);
}

/* ---- the table of functions ---- */

static ares_socket_t io_socket(int family, int type, int protocol, void *arg)
{
	struct resolver *resolver = arg;
	struct resolver_slot *slot = resolver->slots;
	int result;

	(void)protocol;
	while (slot < resolver->slots + SLOT_MAX && slot->socket)
		slot++;
	if (slot == resolver->slots + SLOT_MAX) {
		errno = EMFILE;
		return ARES_SOCKET_BAD;
	}
	*slot = (struct resolver_slot){.resolver = resolver, .is_udp = type == SOCK_DGRAM};
	result = tee_socket_open(
		resolver->host->stack, slot->is_udp ? TEE_SOCKET_UDP : TEE_SOCKET_TCP,
		family == AF_INET6 ? TEE_FAMILY_IPV6 : TEE_FAMILY_IPV4, &slot->socket);
	if (result < 0) {
		slot->socket = NULL;
		errno = host_errno_of_error(-result);
		return ARES_SOCKET_BAD;
	}
	host_watch_attach(&slot->watch, resolver->host, slot->socket, on_event, slot);
	return handle_of(slot);
}

static int io_close(ares_socket_t handle, void *arg)
{
	struct resolver_slot *slot = slot_of(arg, handle);
	struct tee_socket *socket;

	if (!slot)
		return -1;
	socket = slot->socket;
	host_watch_detach(&slot->watch);
	slot->socket = NULL;
	tee_close(socket);
	return 0;
}

static bool endpoint_of_sockaddr(const struct sockaddr *address, struct tee_endpoint *ret_endpoint)
{
	*ret_endpoint = (struct tee_endpoint){.port = 0};
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

		memcpy(ret_endpoint->ip.byte, &in6->sin6_addr, 16);
		ret_endpoint->port = ntohs(in6->sin6_port);
		return true;
	}
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		ret_endpoint->ip = TEE_IP4(0, 0, 0, 0);
		memcpy(ret_endpoint->ip.byte + 12, &in->sin_addr, 4);
		ret_endpoint->port = ntohs(in->sin_port);
		return true;
	}
	return false;
}

static void sockaddr_of_endpoint(const struct tee_endpoint *endpoint, struct sockaddr *address,
				 ares_socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

	if (tee_ip_is4(&endpoint->ip) && *len >= (ares_socklen_t)sizeof(in)) {
		memcpy(&in.sin_addr, endpoint->ip.byte + 12, 4);
		memcpy(address, &in, sizeof(in));
		*len = sizeof(in);
	} else if (*len >= (ares_socklen_t)sizeof(in6)) {
		memcpy(&in6.sin6_addr, endpoint->ip.byte, 16);
		memcpy(address, &in6, sizeof(in6));
		*len = sizeof(in6);
	}
}

static ssize_t fail_with(ssize_t result)
{
	errno = host_errno_of_error((int)-result);
	return -1;
}

static int io_connect(ares_socket_t handle, const struct sockaddr *address, ares_socklen_t len,
		      void *arg)
{
	struct resolver_slot *slot = slot_of(arg, handle);
	struct tee_endpoint remote;
	int result;

	(void)len;
	if (!slot)
		return -1;
	if (!endpoint_of_sockaddr(address, &remote))
		return (int)fail_with(-TEE_EAFNOSUPPORT);
	result = tee_connect(slot->socket, &remote);
	return result < 0 ? (int)fail_with(result) : 0;
}

static ares_ssize_t io_receive(ares_socket_t handle, void *buf, size_t size, int flags,
			       struct sockaddr *from, ares_socklen_t *from_len, void *arg)
{
	struct resolver_slot *slot = slot_of(arg, handle);
	struct tee_endpoint remote;
	ssize_t result;

	(void)flags;
	if (!slot)
		return -1;
	if (!slot->is_udp)
		result = tee_recv(slot->socket, buf, size, 0);
	else
		result = tee_recvfrom(slot->socket, buf, size, 0, &remote);
	if (result < 0)
		return fail_with(result);
	if (slot->is_udp && from && from_len)
		sockaddr_of_endpoint(&remote, from, from_len);
	return result;
}

static ares_ssize_t send_datagram(struct resolver_slot *slot, const struct iovec *pieces, int count)
{
	static _Thread_local uint8_t datagram[DATAGRAM_MAX];
	size_t len = 0;
	ssize_t result;

	for (int i = 0; i < count; i++) {
		if (pieces[i].iov_len > sizeof(datagram) - len)
			return fail_with(-TEE_EMSGSIZE);
		memcpy(datagram + len, pieces[i].iov_base, pieces[i].iov_len);
		len += pieces[i].iov_len;
	}
	result = tee_send(slot->socket, datagram, len, 0);
	return result < 0 ? fail_with(result) : result;
}

static ares_ssize_t io_send(ares_socket_t handle, const struct iovec *pieces, int count, void *arg)
{
	struct resolver_slot *slot = slot_of(arg, handle);
	ares_ssize_t total = 0;

	if (!slot)
		return -1;
	if (slot->is_udp)
		return send_datagram(slot, pieces, count);
	for (int i = 0; i < count; i++) {
		ssize_t sent = tee_send(slot->socket, pieces[i].iov_base, pieces[i].iov_len,
					i + 1 < count ? TEE_MSG_MORE : 0);

		if (sent < 0)
			return total > 0 ? total : fail_with(sent);
		total += sent;
		if ((size_t)sent < pieces[i].iov_len)
			break;
	}
	return total;
}

static const struct ares_socket_functions io_functions = {
	.asocket = io_socket,
	.aclose = io_close,
	.aconnect = io_connect,
	.arecvfrom = io_receive,
	.asendv = io_send,
};

/* ---- the channel ---- */

static int start_channel(struct tee_host *host, struct resolver *resolver)
{
	char nowhere[] = "/dev/null", dns_only[] = "b";
	struct tee_net_info net;
	char *domains[1];
	struct ares_options options = {
		/* HOSTALIASES in the environment is the machine's configuration too. */
		.flags = ARES_FLAG_NOALIASES, .timeout = QUERY_TIMEOUT_MS,
		.tries = QUERY_TRIES,         .ndots = 1,
		.lookups = dns_only,          .resolvconf_path = nowhere,
		.sock_state_cb = on_wants,    .sock_state_cb_data = resolver,
		.domains = domains,
	};

	tee_net_info(host->stack, host->netif, &net);
	domains[0] = net.domain;
	options.ndomains = net.domain[0] != '\0';
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return -TEE_ENOMEM;
	if (ares_init_options(&resolver->channel, &options,
			      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				      ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF |
				      ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS) != ARES_SUCCESS) {
		ares_library_cleanup();
		return -TEE_ENOMEM;
	}
	ares_set_socket_functions(resolver->channel, &io_functions, resolver);
	return 0;
}

static int set_servers(struct resolver *resolver)
{
	struct ares_addr_port_node nodes[HOST_DNS_MAX];

	memset(nodes, 0, sizeof(nodes));
	for (unsigned i = 0; i < resolver->server_count; i++) {
		const struct tee_endpoint *server = &resolver->servers[i];

		nodes[i].next = i + 1 < resolver->server_count ? &nodes[i + 1] : NULL;
		nodes[i].tcp_port = nodes[i].udp_port = server->port;
		nodes[i].family = tee_ip_is4(&server->ip) ? AF_INET : AF_INET6;
		if (nodes[i].family == AF_INET)
			memcpy(&nodes[i].addr.addr4, server->ip.byte + 12, 4);
		else
			memcpy(&nodes[i].addr.addr6, server->ip.byte, 16);
	}
	return ares_set_servers_ports(resolver->channel, nodes) == ARES_SUCCESS ? 0 : -TEE_EAGAIN;
}

int resolver_channel(struct tee_host *host, ares_channel *ret_channel, char *ret_error)
{
	struct tee_endpoint servers[HOST_DNS_MAX];
	struct resolver *resolver = host->resolver;
	unsigned count;

	memset(servers, 0, sizeof(servers));
	count = host_name_servers(host, servers);
	if (count == 0)
		return host_error(ret_error, -TEE_ENOENT,
				  "no name server is known here: give one with --dns ADDRESS");
	if (!resolver) {
		resolver = calloc(1, sizeof(*resolver));
		if (!resolver)
			return host_error(ret_error, -TEE_ENOMEM, "no memory for look-ups");
		resolver->host = host;
		if (start_channel(host, resolver) < 0) {
			free(resolver);
			return host_error(ret_error, -TEE_ENOMEM, "no memory for look-ups");
		}
		host->resolver = resolver;
	}
	if (count != resolver->server_count ||
	    memcmp(servers, resolver->servers, sizeof(servers)) != 0) {
		memcpy(resolver->servers, servers, sizeof(servers));
		resolver->server_count = count;
		/* Refused while queries are in flight: then the next look-up tries again. */
		if (set_servers(resolver) < 0)
			resolver->server_count = 0;
	}
	*ret_channel = resolver->channel;
	return 0;
}

void resolver_free(struct tee_host *host)
{
	struct resolver *resolver = host->resolver;

	if (!resolver)
		return;
	if (resolver->timer > 0)
		timers_cancel(&host->timers, resolver->timer);
	/* Ends look-ups in flight: their callbacks come from within. */
	ares_destroy(resolver->channel);
	ares_library_cleanup();
	free(resolver);
	host->resolver = NULL;
}
