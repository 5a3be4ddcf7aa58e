/* SPDX-License-Identifier: MIT */
/*
 * The inside of a host: what loop, open, resolve, dial and bridge share.
 *
 * One mutex guards the host, its stack and all sockets. The loop holds it during a turn and gives
 * it away while it sleeps; a caller in another thread takes it with tee_host_lock(). Callbacks run
 * in the loop with it held, and may call everything but the calls that block.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <teeceepee/host.h>

#include "host/timers.h"

struct resolver;
struct bridge;

enum {
	HOST_RECV_BATCH = 32,         /* frames taken from the link at once */
	HOST_RECV_BATCH_SUPER = 4,    /* of super-frames */
	HOST_RECV_ROUNDS = 4,         /* such batches before timers and events get their turn … */
	HOST_RECV_BYTES = 256 << 10,  /* … or so much: what is read soon is still in the cache */
	HOST_EVENTS = 4096,           /* of sockets, told before the link gets its turn … */
	HOST_WRITE_BYTES = 128 << 10, /* … or so much that their callbacks wrote */
	HOST_SPIN_LOOKS = 32,         /* at the link, before one at the other descriptors */
	HOST_SEND_BATCH = 32,         /* frames given to the link at once */
	HOST_FD_BATCH = 64,           /* ready descriptors handled a turn */
	HOST_ADDRESS_MAX = 32,        /* addresses told to a link that filters */
};

/* A shorter time than this is none: one look takes as long. */
#define HOST_SPIN_MIN_NS 1000

/* A descriptor in the loop's epoll set. Lives until the end of the turn that unwatched it. */
struct host_fd {
	int fd;
	bool is_dead;
	tee_host_fd_fn *fn;
	void *arg;
	struct host_fd *next_dead;
};

/*
 * Who hears the events of a socket; the socket's user pointer leads here. `is_kicked`: it is called
 * in the next turn whatever the event queue says, because readiness may have come before the watch.
 */
struct host_watch {
	struct tee_host *host;
	struct tee_socket *socket;
	tee_host_event_fn *fn;
	void *arg;
	bool is_kicked;
	struct host_watch *prev, *next; /* all watches that the host allocated */
	struct host_watch *kick_prev, *kick_next;
};

/* A frame that pacing keeps back. */
struct host_held {
	uint64_t order; /* equal instants leave in the order of tee_output() */
	struct tee_frame frame;
};

struct tee_host {
	pthread_mutex_t mutex;
	pthread_mutex_t turnstile; /* passed before `mutex`, so that the loop can't starve others */
	unsigned in_turnstile; /* threads that wait, atomic: while there are none it is passed by */
	pthread_cond_t cond;   /* something happened: blocking calls look again */
	pthread_t owner;       /* who holds `mutex`, when depth > 0 */
	unsigned depth;
	unsigned waiter_count; /* threads in blocking calls */
	/* What a blocking call without a loop thread waits to read; NULL: there is none. Once its stream has
	   ended, the turn leaves what is due to the next one. */
	struct tee_socket *reader;
	bool has_thread, stop_wanted;
	bool is_sleeping; /* the loop waits; an unlock that makes work wakes it */
	bool is_open;     /* opening is done */
	bool in_turn;     /* callbacks run: no blocking call may start */
	uint64_t sleep_until_ns;
	uint64_t opened_at_ns;
	pthread_t thread;

	struct tee_stack *stack;
	struct tee_link *link;
	int netif;
	bool has_super;   /* what came last were super-frames */
	bool comes_alone; /* the last wait ended with a single frame: likely the next one does */
	int error_code;   /* the link's end: -TEE_E… */
	char error[TEE_HOST_ERROR_SIZE];
	uint64_t spin_ns, spin_now_ns; /* poll before sleeping: at most, and the next time */

	int epoll_fd, wake_fd, cancel_fd;
	bool is_cancelled;
	struct host_fd **fds; /* by descriptor number */
	unsigned fds_size;
	struct host_fd *dead_fds;
	struct host_watch *watches, *kicked;
	struct timers timers;

	/* Frames that the link did not take yet: frames[out_first .. out_count). */
	struct tee_frame *frames;
	unsigned out_first, out_count;
	struct host_held **held; /* heap by depart_at_ns */
	unsigned held_count, held_size;
	uint64_t held_order;

	/* The configuration's addresses, and what was last told to the link. */
	char *dns;
	bool has_static4, has_static6, uses_dhcp;
	struct tee_ip static4, static6;
	struct tee_ip told[HOST_ADDRESS_MAX];
	unsigned told_count;
	uint64_t address_check_at_ns;
	uint64_t ports_told; /* generation of the ports that the link knows */

	struct resolver *resolver; /* made by the first look-up */
	struct bridge *bridges;
	unsigned bridge_count;
	struct bridge *bridge_queue_head, *bridge_queue_tail; /* those with more to carry now */
};

/* ---- error.c ---- */

/* Notes the end of the host's work; the first reason stays. Returns `code`. */
int host_fail(struct tee_host *host, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Writes a sentence into a caller's buffer; returns `code`. */
int host_error(char *ret_error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The tee_error that says the same as an errno; TEE_EIO when none does. */
int host_error_of_errno(int error_number);
/* The errno that says the same as a tee_error (positive). */
int host_errno_of_error(int error);

/* ---- thread.c ---- */

/* Gives the lock away without waking the loop. */
void host_release(struct tee_host *host);
/* Wakes a sleeping loop when what was done under the lock makes work for it. */
void host_wake_if_due(struct tee_host *host);

/* ---- loop.c ---- */

/* One turn with the lock held. */
int host_turn(struct tee_host *host, uint64_t timeout_ns);
/* Wakes blocking calls, that they look again. */
void host_announce(struct tee_host *host);
/*
 * How long to poll the next time, after a wait in which polling for `spin_now_ns` found nothing. News that came
 * within `spin_ns` all the same would have been found by the whole of it; after a longer wait it is half, and
 * soon nothing. So a host that is spoken to often doesn't sleep, and one that is idle doesn't poll.
 */
uint64_t host_spin_next(uint64_t spin_ns, uint64_t spin_now_ns, uint64_t waited_ns);
/* Sends what is due without waiting. */
int host_flush(struct tee_host *host, uint64_t now_ns);
/* Drops frames that were not sent. */
void host_drop_frames(struct tee_host *host);

/* ---- watch.c ---- */

/* As tee_host_watch_fd(), with epoll's bits (EPOLLET …). */
int host_watch_epoll(struct tee_host *host, int fd, uint32_t events, tee_host_fd_fn *fn, void *arg);
/* Handles descriptors that are ready; returns whether there were any. */
bool host_dispatch_fds(struct tee_host *host);
/* Calls the watchers of sockets with news, up to a bound; returns whether there were any. */
bool host_dispatch_events(struct tee_host *host);
void host_watch_attach(struct host_watch *watch, struct tee_host *host, struct tee_socket *socket,
		       tee_host_event_fn *fn, void *arg);
void host_watch_detach(struct host_watch *watch);
void host_watch_kick(struct host_watch *watch);
void host_watch_fini(struct tee_host *host);

/* ---- block.c ---- */

/* Is it time to give up? A blocking call asks after every wait. */
typedef bool host_done_fn(void *arg);
/*
 * Waits, lock held, until `done(arg)`; drives the loop when no thread does. 0, -TEE_ETIMEDOUT,
 * -TEE_ECANCELED, -TEE_EALREADY (called from a callback), or the link's end.
 */
int host_wait(struct tee_host *host, uint64_t deadline_ns, host_done_fn *done, void *arg);

/* ---- address.c ---- */

int host_address_start(struct tee_host *host, const struct tee_host_config *config,
		       char *ret_error);
/* Blocks until there is an address to work with. */
int host_address_wait(struct tee_host *host, const struct tee_host_config *config, char *ret_error);
/* Tells a filtering link of changes, and notices that an address was lost. */
void host_address_check(struct tee_host *host, uint64_t now_ns);
/* On a shared address: claims the ports that sockets have bound. */
void host_ports_check(struct tee_host *host);
enum { HOST_DNS_MAX = 8 };
/* "1.1.1.1,[fd00::1]:5353"; returns how many, or -TEE_EINVAL. */
int host_parse_name_servers(const char *text, struct tee_endpoint servers[HOST_DNS_MAX]);
/* The name servers in force: the caller's, else the link's and the network's. Returns how many. */
unsigned host_name_servers(struct tee_host *host, struct tee_endpoint servers[HOST_DNS_MAX]);

/* ---- close.c ---- */

/*
 * Closes every connection and waits, at most `grace_ns`, until the peers have acknowledged that;
 * what is then still open is reset. Sockets are dead afterwards. Lock not held, thread stopped.
 */
void host_settle(struct tee_host *host, uint64_t grace_ns);

#endif
