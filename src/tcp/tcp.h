/* SPDX-License-Identifier: MIT */
/*
 * TCP as the rooms above see it: connections, listeners, ports. sock/ turns these calls into the
 * public socket API, stack/ pulls segments out of it.
 *
 * Ownership: a connection belongs to TCP from the first to the last; a socket holds it from tcp_connect() or
 * tcp_listener_accept() until tcp_conn_close() or tcp_conn_abort(), after which the pointer is dead
 * for the socket, while the connection may live on to end in order.
 */
#ifndef TEE_TCP_TCP_H
#define TEE_TCP_TCP_H

#include <teeceepee/socket.h>
#include "net/net.h"
#include "tcp/srcroute.h"

struct tcp;
struct tcp_conn;
struct tcp_listener;
struct port_bind;

struct tcp *tcp_new(struct net *net); /* registers itself; NULL: no memory */
void tcp_free(struct tcp *tcp);       /* frees all connections; sends nothing */

/*
 * Room for so many connections in all: the table gets it now, what they need of the arena comes out as pages.
 * 0, -TEE_ENOMEM.
 */
int tcp_reserve(struct tcp *tcp, uint32_t connections, size_t *ret_pages);

/* Pulls up to `n` segments that are ready to leave by `netif`. */
unsigned tcp_output(struct tcp *tcp, struct netif *netif, struct tee_frame *frames, unsigned n);
bool tcp_has_output(const struct tcp *tcp, const struct netif *netif);

/* ---- settings: the options of a socket, before and after it has a connection ---- */

enum {
	TCP_SET_NODELAY = 1,
	TCP_SET_CORK = 2,
	TCP_SET_KEEPALIVE = 4,
	TCP_SET_REUSEADDR = 8,
	TCP_SET_REUSEPORT = 16,
	TCP_SET_V6ONLY = 32,
	TCP_SET_QUICKACK = 64,
	TCP_SET_RCVBUF_LOCKED = 128,
	TCP_SET_SNDBUF_LOCKED = 256,
	TCP_SET_NOOPT = 512,
	TCP_SET_FASTOPEN_CONNECT = 1024,
	TCP_SET_FASTOPEN_NO_COOKIE = 2048,
	TCP_SET_OOBINLINE = 4096,
	TCP_SET_BROADCAST = 8192,
	TCP_SET_LINGER = 16384,
};
#define TCP_MS_NONE  0
#define TCP_MS_NEVER UINT32_MAX

struct tcp_settings {
	struct srcroute source_route; /* count 0: none */
	const struct cc_ops *cc;
	uint64_t pacing_rate_max; /* bytes a second; UINT64_MAX: none */
	uint32_t flags;           /* TCP_SET_… */
	uint32_t keepidle_ms, keepintvl_ms, user_timeout_ms, linger_ms, linger2_ms, syn_timeout_ms,
		defer_accept_ms;
	uint32_t rcvbuf, sndbuf, rcvlowat, notsent_lowat, window_clamp;
	uint16_t maxseg, netif, fastopen_queue;
	uint8_t ttl, tos, keepcnt, syn_retries, mtu_discover, ecn;
};

/* The configuration's defaults. */
void tcp_settings_init(struct tcp_settings *settings, const struct tcp *tcp);
/* Results as tee_set_option() and tee_get_option(); only what needs no connection. */
int tcp_settings_set(struct tcp_settings *settings, enum tee_option option, uint64_t value);
int tcp_settings_get(const struct tcp_settings *settings, enum tee_option option,
		     uint64_t *ret_value);

/* ---- ports ---- */

/*
 * Takes a local address and port (port 0: a free one is chosen and stored in *local). Rules of
 * SO_REUSEADDR and SO_REUSEPORT as on Linux. 0, -TEE_EADDRINUSE, -TEE_EADDRNOTAVAIL, -TEE_ENOMEM.
 */
/* `settings` stay the caller's; they must live as long as the bind isn't moved or given back. */
int ports_bind(struct tcp *tcp, struct tee_endpoint *local, const struct tcp_settings *settings,
	       struct port_bind **ret_bind);
void ports_unbind(struct tcp *tcp, struct port_bind *bind); /* NULL is legal */
/* Writes up to `n` of the ports that are bound; returns how many there are. */
unsigned ports_list(const struct tcp *tcp, uint16_t *ret_ports, unsigned n);

/* ---- opening ---- */

/*
 * Active OPEN. `bind` (may be NULL) moves into the connection on success. `local` as bound, ip any
 * or port 0 where not. Returns 0 (SYN is due; progress shows as events on `source`) or -TEE_E….
 */
int tcp_connect(struct tcp *tcp, const struct tcp_settings *settings, struct port_bind *bind,
		const struct tee_endpoint *local, const struct tee_endpoint *remote,
		struct event_source *source, struct tcp_conn **ret_conn);
/*
 * Would a connection to `remote` carry data in its SYN (RFC 7413)? Then it pays to open only when there is some.
 */
bool tcp_fastopen_ready(struct tcp *tcp, const struct tcp_settings *settings,
			const struct tee_ip *remote);

/* Forgets what other hosts taught: fast-open cookies, saved metrics. */
void tcp_forget_hosts(struct tcp *tcp);

/* Passive OPEN. `bind` moves in on success. 0, -TEE_EADDRINUSE, -TEE_ENOMEM. */
int tcp_listen(struct tcp *tcp, const struct tcp_settings *settings, struct port_bind *bind,
	       const struct tee_endpoint *local, unsigned backlog, struct event_source *source,
	       struct tcp_listener **ret_listener);
void tcp_listener_set_backlog(struct tcp_listener *listener, unsigned backlog);
struct tcp_settings *tcp_listener_settings(struct tcp_listener *listener);
const struct tee_endpoint *tcp_listener_local(const struct tcp_listener *listener);
unsigned tcp_listener_queue(const struct tcp_listener *listener, unsigned *ret_backlog);
/* The next established connection, NULL: none. */
struct tcp_conn *tcp_listener_accept(struct tcp_listener *listener);
/* Resets what waits to be accepted, forgets half-open ones, frees the listener. */
void tcp_listener_close(struct tcp_listener *listener);

/* ---- a connection, for its socket ---- */

void tcp_conn_attach(struct tcp_conn *conn, struct event_source *source);
const struct tcp_settings *tcp_conn_settings(const struct tcp_conn *conn);
void tcp_conn_names(const struct tcp_conn *conn, struct tee_endpoint *ret_local,
		    struct tee_endpoint *ret_remote);
enum tee_tcp_state tcp_conn_state(const struct tcp_conn *conn);
unsigned tcp_conn_readiness(const struct tcp_conn *conn);
/* Pending error, positive, forgotten by the call; 0: none. */
int tcp_conn_take_error(struct tcp_conn *conn);
/* The error that the next call tells; 0: none. */
void tcp_conn_set_error(struct tcp_conn *conn, int error);

/* These return as tee_send() and its relatives do. */
ssize_t tcp_conn_send(struct tcp_conn *conn, const void *data, size_t len, unsigned flags);
int tcp_conn_reserve(struct tcp_conn *conn, size_t want, void **ret_ptr, size_t *ret_len);
int tcp_conn_commit(struct tcp_conn *conn, size_t len);
int tcp_conn_send_owned(struct tcp_conn *conn, const void *data, size_t len,
			void (*release)(void *arg), void *arg);
ssize_t tcp_conn_recv(struct tcp_conn *conn, void *buf, size_t len, unsigned flags);
int tcp_conn_view(struct tcp_conn *conn, struct tee_slice *slices, unsigned n);
int tcp_conn_consume(struct tcp_conn *conn, size_t len);
int tcp_conn_shutdown(struct tcp_conn *conn, enum tee_shutdown how);
void tcp_conn_close(struct tcp_conn *conn);
void tcp_conn_abort(struct tcp_conn *conn);

int tcp_conn_set(struct tcp_conn *conn, enum tee_option option, uint64_t value);
int tcp_conn_get(const struct tcp_conn *conn, enum tee_option option, uint64_t *ret_value);
/* A source route from now on, or (count 0) none; -TEE_EAFNOSUPPORT over IPv6, -TEE_ENOMEM. */
int tcp_conn_set_source_route(struct tcp_conn *conn, const struct srcroute *route);
int tcp_conn_set_cc(struct tcp_conn *conn, const struct cc_ops *ops);
void tcp_conn_info(const struct tcp_conn *conn, struct tee_tcp_info *ret_info);

/* ---- ss ---- */

struct tcp_walk_entry {
	struct tcp_conn *conn;         /* or NULL … */
	struct tcp_listener *listener; /* … or NULL: a request or a TIME-WAIT */
	struct tee_endpoint local, remote;
	enum tee_tcp_state state;
	const char *timer_name;
	uint64_t timer_left_ns;
	uint32_t recvq, sendq;
};
bool tcp_walk(struct tcp *tcp, uint64_t *cursor, struct tcp_walk_entry *ret_entry);
/* The event source that a connection or listener was attached to; NULL: none. */
struct event_source *tcp_walk_source(const struct tcp_walk_entry *entry);

void tcp_check(const struct tcp *tcp);

#endif
