/* SPDX-License-Identifier: MIT */
/*
 * The host side: the one place that knows clocks, descriptors, threads, and both links and stacks.
 *
 * A `struct tee_host` drives one stack over one or more links, either from the caller's own loop
 * (tee_host_run_once(), tee_host_poll_fds()) or in a thread of its own (tee_host_start()).
 *
 * With a thread, calls on the stack and its sockets are made between tee_host_lock() and
 * tee_host_unlock(); the blocking calls below do that by themselves.
 */
#ifndef TEECEEPEE_HOST_H
#define TEECEEPEE_HOST_H

#include <teeceepee/link.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>
#include <teeceepee/trace.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tee_host;

/*
 * How a host is set up; tee_host_config_init() it, then set what matters. The strings are copied.
 * An address may be "none": that family is then not used.
 */
struct tee_host_config {
	struct tee_config stack;
	const char *link; /* a link string; NULL: "slirp" */
	const char *ip;   /* "10.0.4.4/24", or NULL: as the link says, else DHCP */
	const char *ip6;  /* or NULL: as the link says, else SLAAC */
	const char *gateway, *gateway6, *dns;
	uint32_t mtu;                /* 0: the link's */
	const char *impair;          /* "loss=2%,delay=20ms" or NULL */
	const char *pcap_path;       /* record into this file, or NULL */
	uint64_t address_timeout_ns; /* how long to wait for an address; 0: 15 s */
	/* Poll up to so long before sleeping, less when nothing came in that time; 0: sleep at once. */
	uint64_t spin_ns;
	const char *hostname; /* told to the DHCP server; NULL: none */
	int cancel_fd;        /* a descriptor that becomes readable when the program wants to end:
				   blocking calls then return -TEE_ECANCELED; -1: none */
	tee_trace_fn *trace;  /* a trace consumer from the first frame on, or NULL */
	void *trace_arg;
};

enum { TEE_HOST_ERROR_SIZE = 512 };

/* Defaults, tee_host_memory(), and a seed from the system's generator. */
TEE_API void tee_host_config_init(struct tee_host_config *config);

/*
 * Opens the link, makes the stack, gives it its address. Blocks until a usable address is there
 * (or the timeout). On failure: -TEE_E… and a sentence that names it and what to do.
 */
TEE_API int tee_host_open(const struct tee_host_config *config, struct tee_host **ret_host,
			  char ret_error[TEE_HOST_ERROR_SIZE]);
/*
 * Ends in order: closes what is open, waits up to `grace_ns` for FINs to be acknowledged, releases
 * the DHCP lease, closes the link, frees all. NULL is legal.
 */
TEE_API void tee_host_close(struct tee_host *host, uint64_t grace_ns);

/*
 * Memory for tee_config.memory, in huge pages where the kernel allows them. A stack uses it once it holds more
 * than 16 MiB of connections, so that a small program's resident memory does not grow by it; a large one's is
 * rounded up to units of 2 MiB. May be shared by stacks of several threads.
 */
TEE_API void tee_host_memory(struct tee_memory *ret_memory);

TEE_API struct tee_stack *tee_host_stack(struct tee_host *host);
TEE_API int tee_host_netif(struct tee_host *host);
TEE_API uint64_t tee_host_now_ns(void); /* CLOCK_MONOTONIC */

/*
 * One turn: receives, advances, flushes, waits at most `timeout_ns` for something to happen when
 * nothing did. Returns 0, or -TEE_ENODEV when the link is gone (tee_host_error() says which).
 */
TEE_API int tee_host_run_once(struct tee_host *host, uint64_t timeout_ns);
TEE_API const char *tee_host_error(struct tee_host *host);

/* Wait also for a descriptor of the caller's own; the callback runs in the loop, lock held. */
typedef void tee_host_fd_fn(void *arg, int fd, short revents);
TEE_API int tee_host_watch_fd(struct tee_host *host, int fd, short events, tee_host_fd_fn *fn,
			      void *arg);
TEE_API void tee_host_unwatch_fd(struct tee_host *host, int fd);
/*
 * Events of a socket go to a callback, run in the loop with the lock held; NULL ends that. It is called
 * when readiness gained a bit (and once at first when there is some): drain until -TEE_EAGAIN. The
 * host keeps its note in the socket's user pointer. End the watch before you close the socket.
 */
typedef void tee_host_event_fn(void *arg, struct tee_socket *socket, unsigned ready);
TEE_API int tee_host_watch_socket(struct tee_host *host, struct tee_socket *socket,
				  tee_host_event_fn *fn, void *arg);
/* Call from within the loop at a time (once); returns an id above 0 for tee_host_cancel(). */
typedef void tee_host_timer_fn(void *arg);
TEE_API int tee_host_after(struct tee_host *host, uint64_t delay_ns, tee_host_timer_fn *fn,
			   void *arg);
TEE_API void tee_host_cancel(struct tee_host *host, int id);

/* Runs the loop in a thread of its own until tee_host_stop(). */
TEE_API int tee_host_start(struct tee_host *host);
TEE_API void tee_host_stop(struct tee_host *host);
TEE_API void tee_host_lock(struct tee_host *host);
TEE_API void tee_host_unlock(struct tee_host *host); /* wakes the loop when something is due */

/* ---- blocking calls: work with a thread, and without one (they run the loop themselves) ---- */

/* Connects to HOST (name or address) and PORT, trying addresses as RFC 8305 says. */
TEE_API int tee_dial(struct tee_host *host, const char *name, uint16_t port, uint64_t timeout_ns,
		     struct tee_socket **ret_socket, char ret_error[TEE_HOST_ERROR_SIZE]);
TEE_API ssize_t tee_send_all(struct tee_host *host, struct tee_socket *socket, const void *data,
			     size_t len);
/*
 * Up to `len` bytes, at least one; 0 when the stream has ended. Without a loop thread that end is acknowledged when
 * the next call runs the loop, together with the close that most programs make of it.
 */
TEE_API ssize_t tee_recv_some(struct tee_host *host, struct tee_socket *socket, void *buf,
			      size_t len);
TEE_API int tee_accept_wait(struct tee_host *host, struct tee_socket *listener,
			    struct tee_socket **ret_socket, struct tee_endpoint *ret_remote);
/* Waits until one of the `want` bits holds; 0: timeout. */
TEE_API int tee_wait(struct tee_host *host, struct tee_socket *socket, unsigned want,
		     uint64_t timeout_ns);

/* ---- names: c-ares over our own UDP and TCP sockets ---- */

/* Up to `n` addresses of a name, literal addresses included; returns how many or -TEE_ENOENT …. */
TEE_API int tee_resolve(struct tee_host *host, const char *name, enum tee_family family,
			struct tee_ip *ret_ips, unsigned n, char ret_error[TEE_HOST_ERROR_SIZE]);

/* ---- bridge: a stack socket as a real descriptor ---- */

/*
 * Joins a connected (or connecting) TCP socket to one end of an AF_UNIX stream pair and returns the
 * other end, which the caller owns. Bytes, half-closes and resets pass both ways; the socket belongs to
 * the bridge from now on. -TEE_E… on failure (the socket still the caller's).
 */
TEE_API int tee_bridge(struct tee_host *host, struct tee_socket *socket, int *ret_fd);

#ifdef __cplusplus
}
#endif
#endif
