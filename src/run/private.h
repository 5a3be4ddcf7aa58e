/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share: the supervisor, its sockets, and a call that is being answered.
 *
 * A struct run_sock stands for one socket of the program's, however many descriptors lead to it. It is
 * found by the kernel's cookie of the AF_UNIX socket that the program holds (dup, fork and
 * SCM_RIGHTS keep it), or, for one that the program accepts, by the name to which our end is bound.
 *
 * What the program holds, and what we hold:
 *
 *   DRAFT       an AF_UNIX stream socket, not connected | nothing but a weak reference (table.c)
 *   LISTENING   the same, listening                      | the same; we connect to it
 *   CONNECTING  the same, connected to us and full       | our end
 *   CONNECTED   the same                                 | a bridge (host/bridge.h) has our end
 *   FAILED, RETRYABLE, ENDED: our end is closed          | nothing
 *   DATAGRAM    one end of a SEQPACKET pair              | the other end
 *               (UDP, connected: of two UDP sockets, see refusal.c)
 */
#ifndef RUN_PRIVATE_H
#define RUN_PRIVATE_H

#include <linux/seccomp.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>

#include "base/hash.h"
#include "base/list.h"
#include "host/bridge.h"
#include "posix/posix.h"
#include "run/run.h"

/* Verdicts beside a result (0 and above) and -errno. */
#define RUN_CONTINUE (INT64_MIN)     /* the kernel shall do it: none of our sockets */
#define RUN_HOLD     (INT64_MIN + 1) /* not yet; the call is tried again when its socket has news */
#define RUN_DONE     (INT64_MIN + 2) /* answered already */

enum {
	RUN_DEAD_MAX = 4096,      /* ended sockets that are still remembered */
	RUN_SOURCES_MAX = 256,    /* datagrams in the pair whose sender is remembered */
	RUN_DATAGRAM_MAX = 65536, /* bytes */
	RUN_IOV_MAX = 1024,
	RUN_SERVERS_MAX = 8,
	RUN_NIC_ADDRS_MAX = 64,
	RUN_CONTROL_MAX = 512, /* bytes of control messages */
};

/* Two sets of weak references: that of the listeners is small, and looked at more often. */
enum run_weak { RUN_WEAK_DRAFTS, RUN_WEAK_LISTENERS, RUN_WEAK_COUNT };

enum run_state {
	RUN_DRAFT,
	RUN_LISTENING,
	RUN_CONNECTING,
	RUN_CONNECTED,
	RUN_FAILED,    /* connecting failed, and the program doesn't know yet */
	RUN_RETRYABLE, /* it knows: the next connect() starts anew */
	RUN_ENDED,     /* was connected */
	RUN_DATAGRAM,
};

/* A datagram that lies in the pair: whose it is, and by what it is known again. */
struct run_source {
	struct tee_endpoint from;
	struct tee_ip to;
	int ttl, tos;
	struct timespec at; /* when it came, by the clock on the wall */
	bool is_known;      /* all of these; else only `from`, by guess */
	uint64_t mark;
};

/* What MSG_ERRQUEUE tells. */
struct run_error {
	uint8_t name[POSIX_SOCKADDR_SIZE];
	uint32_t name_len;
	int flags;              /* MSG_ERRQUEUE, MSG_TRUNC */
	struct posix_cmsg cmsg; /* a struct sock_extended_err, and the offender's address */
	bool is_stamped;        /* a stamp, of what was sent at `at` */
	struct timespec at;
	struct run_source source; /* of the ICMP message; unknown when there was none */
};

struct run_sock {
	struct run *run;
	uint64_t cookie, serial;
	uint64_t inode; /* of the program's AF_UNIX socket; 0: nobody has taken it yet */
	enum run_state state;
	int posix_fd; /* in run->world; -1: the stack has no socket of it any more */
	int domain, type, protocol;
	struct bridge *bridge;
	int our_fd; /* CONNECTING, DATAGRAM; else -1 */
	/* Where the program's descriptor was seen last. */
	pid_t seen_pid;
	int seen_fd;
	int error;         /* errno that the program has not heard yet, or 0 */
	size_t early_sent; /* bytes that went along with the opening, and whoever sent them waits */
	int native_sndbuf;
	bool is_told;   /* the program knows that it is connected */
	bool is_waited; /* a blocking connect() waits, or did until a signal came */
	bool is_filled; /* CONNECTING: the program's end has no room left */
	bool has_remote;
	struct tee_endpoint local, remote; /* as last known */
	/* A name server that the stack can't reach, and who answers in its place (resolv.c). */
	struct tee_endpoint shown, real;
	bool is_redirected;
	struct list node;          /* run->socks */
	struct list role_node;     /* run->weak[] (DRAFT, LISTENING) or run->dead */
	bool is_alive;             /* seen by the walk over the weak references */
	struct run_memory *memory; /* what a fresh socket is to be told again (renew.c), or NULL */
	/* LISTENING */
	struct tee_socket *pending; /* accepted from the stack, while the program's queue is full */
	int retry_timer;
	int parked_fd; /* taken from the program's queue, and given to nobody yet (accept.c); else -1 */
	bool has_token; /* … and what lets the queue look ready is in it */
	/* DATAGRAM */
	struct run_source *sources;
	unsigned source_first, source_count;
	uint32_t stamps;      /* SO_TIMESTAMPING */
	int64_t stamps_once;  /* … of the message that is being sent, or POSIX_STAMPS_AS_SET */
	unsigned wanted;      /* control messages that recvmsg() is to tell (control.c) */
	bool is_inet;         /* both ends are UDP sockets of the kernel's (refusal.c) */
	bool has_native;      /* … and the program's may hold an error that we put there */
	bool shows_errors;    /* … and its queue of errors holds one (errqueue.c) */
	uint32_t netlink_pid; /* AF_NETLINK: its name */
};

/* A network interface as the program sees it. */
struct run_nic {
	int index;
	char name[16];
	unsigned flags;    /* IFF_… */
	uint16_t hardware; /* ARPHRD_… */
	uint8_t mac[6];
	uint32_t mtu;
	unsigned addr_count;
	struct tee_addr_info addrs[RUN_NIC_ADDRS_MAX];
};

/* The program itself, as the process that started it knows it. */
struct run_child {
	pid_t pid;
	int status; /* when it has ended */
	bool has_ended;
	bool is_told_to_end; /* a signal came after that: whoever waits for its descendants goes */
};

struct run {
	struct tee_host *host;
	struct posix_world *world;
	int notify_fd, rendezvous_fd, signal_fd;
	int weak_fds[RUN_WEAK_COUNT]; /* epoll sets */
	bool allows_host_loopback;
	struct seccomp_notif *request;
	struct seccomp_notif_resp *response;
	size_t request_size, response_size;
	char dir[80];
	struct sockaddr_un rendezvous;
	struct hash_table by_cookie, by_serial;
	struct list socks, dead, held;
	struct list weak[RUN_WEAK_COUNT];
	unsigned dead_count;
	int weak_timer, held_timer; /* ids, or 0 */
	unsigned weak_round;
	struct run_child child;
	bool is_unused;
	void (*on_unused)(void *arg); /* or NULL */
	void *on_unused_arg;
	struct tee_ip name_servers[RUN_SERVERS_MAX]; /* those of the host's resolv.conf */
	unsigned name_server_count;
	struct run_publisher *publishers;
	void (*on_trouble)(void *arg, const char *sentence); /* or NULL */
	void *on_trouble_arg;
	bool has_told_shortage;
	uint8_t *buffer; /* RUN_DATAGRAM_MAX bytes */
};

/* One call of the program's, from its arrival to its answer. */
struct run_call {
	struct run *run;
	const struct seccomp_notif *request;
	bool is_held;          /* it has been here before */
	bool is_woken;         /* … and comes because `sock` has news */
	bool is_timed;         /* `deadline_ns` has been set */
	bool is_expired;       /* and has come */
	uint64_t deadline_ns;  /* when a held call gives up */
	struct run_sock *sock; /* whom it waits for */
};

typedef int64_t run_call_fn(struct run_call *call);

/* ---- filter.c ---- */

/* Puts this thread under the filter; returns the descriptor of the notifications, or -errno. */
int run_filter_install(void);

/* ---- launch.c ---- */

struct run_launched {
	pid_t child;
	int notify_fd;
};

/* Starts the program under the filter. 0 or RUN_EXIT_…, as run_program_start(). */
int run_launch(const struct run_config *config, struct run_launched *ret_launched, char *ret_error);

/* ---- supervisor.c ---- */

/* A descriptor from which the signals come that concern a program, or -errno. */
int run_open_signals(void);
/* Takes what came there: the end of a child is noted, what others sent is passed on to the program. */
void run_take_signals(struct run_child *child, int signal_fd);
/*
 * Is this errno one that passes: we lack descriptors, or memory, of which others will be given back? That
 * is said once in the life of a run.
 */
bool run_is_shortage(struct run *run, int error);
/*
 * 0: there are descriptors for another connection; else -errno. It may not take the last ones: without them no
 * call of the program's could be answered, as we have to look at the descriptor that it names.
 */
int run_check_reserve(void);
/* Tries again the calls that wait for this socket. */
void run_wake_held(struct run *run, struct run_sock *sock);

/* ---- process.c: the program's memory and descriptors ---- */

/* All or nothing: 0 or -EFAULT. */
int run_read(const struct run_call *call, uint64_t address, void *buf, size_t len);
int run_write(const struct run_call *call, uint64_t address, const void *buf, size_t len);
/* Does the caller still wait? Else what its id leads to may be another process. */
bool run_is_valid(const struct run_call *call);
/* A duplicate of descriptor `fd` of a process; -errno. */
int run_take_fd(pid_t pid, int fd);
/* Closes what run_take_fd() keeps open from call to call. */
void run_forget_pids(void);
/*
 * Puts `fd`, of `sock` (or NULL), into the program and answers its call with the new number, at once:
 * RUN_DONE or -errno.
 */
int64_t run_give_fd(const struct run_call *call, struct run_sock *sock, int fd, bool is_cloexec);
/* Puts `fd` in the place of the program's descriptor `target`, closed on exec as that is; 0 or -errno. */
int run_replace_fd(const struct run_call *call, int fd, int target);
/* Does an epoll set of the caller's watch the file with this inode? Also when nobody can tell. */
bool run_is_in_epoll(const struct run_call *call, uint64_t inode);
/* An address that the program named; 0 or -errno. */
int run_read_sockaddr(const struct run_call *call, uint64_t address, uint64_t len, int *ret_family,
		      struct tee_endpoint *ret);
/* Stores an address as Linux does: cut to the room that *len_address tells, the full length back. */
int run_write_sockaddr(const struct run_call *call, const struct run_sock *sock,
		       const struct tee_endpoint *endpoint, uint64_t address, uint64_t len_address);
/* The same of a name that is made already. */
int run_write_name(const struct run_call *call, const void *name, uint32_t len, uint64_t address,
		   uint64_t len_address);
/* An address as sockets of this kind tell it; its length, at most POSIX_SOCKADDR_SIZE. */
uint32_t run_put_name(const struct run_sock *sock, const struct tee_endpoint *endpoint,
		      void *ret_name);
bool run_is_nonblocking(int fd);
/* Would the caller's next descriptor be one too many? */
bool run_is_table_full(const struct run_call *call);
/* SO_RCVTIMEO or SO_SNDTIMEO of a descriptor, in ns; 0: none. */
uint64_t run_timeout_ns(int fd, int option);
/* Holds the call, at most for that time (0: for ever); `verdict` once it is over. */
int64_t run_hold(struct run_call *call, struct run_sock *sock, uint64_t timeout_ns,
		 int64_t verdict);

/* ---- table.c ---- */

/* A record for the AF_UNIX socket `fd`; NULL without memory. */
struct run_sock *run_sock_new(struct run *run, int fd);
void run_sock_free(struct run_sock *sock);
/*
 * The socket behind descriptor `fd` of the caller, and a duplicate of that which the caller closes;
 * NULL when it is none of ours.
 */
struct run_sock *run_find(const struct run_call *call, int fd, int *ret_dup);
/* A socket that the program got by accept(): by the name of the other end. */
struct run_sock *run_find_accepted(struct run *run, int fd);
/* One that is known already: by its cookie. */
struct run_sock *run_find_cookie(const struct run *run, int fd);
/* Gives the record a new cookie: that of `fd`. 0 or -ENOMEM. */
int run_sock_rename(struct run_sock *sock, int fd);
/* The program's descriptor, when it is still where it was seen last; -1. */
int run_dup_far_end(void *sock);
/* Remembers `fd` without holding it. */
void run_weak_add(struct run_sock *sock, int fd);
void run_weak_remove(struct run_sock *sock);
/* Ends the sockets of one kind whose last descriptor the program has closed. */
void run_weak_collect(struct run *run, enum run_weak kind);
/* The stack has no socket of it any more; it is remembered for a while. */
void run_sock_bury(struct run_sock *sock, enum run_state state);
/* A path in our private directory, for a socket to be bound to. */
void run_path(const struct run *run, uint64_t serial, struct sockaddr_un *ret);

/* ---- stream.c, listen.c, accept.c, datagram.c, message.c, option.c, names.c, nic.c ---- */

run_call_fn run_call_socket, run_call_connect, run_call_shutdown;
run_call_fn run_call_bind, run_call_listen, run_call_accept;
run_call_fn run_call_getsockname, run_call_getpeername;
run_call_fn run_call_setsockopt, run_call_getsockopt;
run_call_fn run_call_sendto, run_call_recvfrom, run_call_sendmsg, run_call_recvmsg,
	run_call_sendmmsg, run_call_recvmmsg;
run_call_fn run_call_ioctl;

/* The stack's socket of a record that has one. */
struct tee_socket *run_socket_of(const struct run_sock *sock);
/* A connect() that waited returns before its time, and the program may poll the socket next. */
void run_connect_leave(const struct run_call *call);
/* Data that goes along with the opening of a connection (fastopen.c). */
struct run_early {
	const void *data;
	size_t len, sent;
	bool waits; /* what the SYN has no room for may be queued behind it */
};
/*
 * connect() of a draft, or with data: -EINPROGRESS, 0 when fast open puts it off, RUN_HOLD for a caller that `waits`, or
 * an error. *theirs may be replaced.
 */
int64_t run_connect_draft(struct run_call *call, struct run_sock *sock, int *theirs,
			  const struct tee_endpoint *remote, bool waits, struct run_early *early);
/* What has become of an attempt that is, or was, under way. */
int64_t run_connect_finish(struct run_call *call, struct run_sock *sock, int theirs);
/* Joins our end with the stack's socket; 0 or -errno. The record is CONNECTED. */
int run_stream_join(struct run_sock *sock, int our_fd);
/* The stack's socket for the arguments of socket(): a number in the world, or -errno. */
int run_make_posix(struct run *run, const uint64_t *args);
/* Leaves the attempt to connect: the program's end, if there still is one, sees an error. */
void run_give_up(struct run_sock *sock, int error);
/* A listener takes no more connections (shutdown()); the record is ENDED. */
void run_stop_listening(struct run_sock *sock);
/* What belongs to a listener, save the stack's socket. */
void run_leave_listeners(struct run_sock *sock);
/* Our end of a connection to the program's listener, bound to the name that tells `serial` (0: none); -errno. */
int run_reach(struct run_sock *listener, uint64_t serial);
/* Tries in a moment what the listener can't take now. */
void run_retry_later(struct run_sock *listener);
/* Lets the listener look ready while a connection is parked, if it has to; and the end of that (accept.c). */
void run_parked_show(struct run_sock *listener);
void run_parked_end(struct run_sock *listener);
/* Takes the record, a listener or draft whose descriptors are all closed, out of the world. */
void run_sock_drop(struct run_sock *sock);

/* Watches both ends of a datagram socket. 0 or -errno. */
int run_datagram_start(struct run_sock *sock, int our_fd);
/* Watches an end of ours; -TEE_E…. */
int run_datagram_watch(struct run_sock *sock, int our_fd);
void run_datagram_stop(struct run_sock *sock);
/* What the program wrote with plain write() is sent before what comes now. */
void run_datagram_drain(struct run_sock *sock);
int64_t run_datagram_connect(struct run_sock *sock, const struct tee_endpoint *remote);
/* `to` NULL: the connected peer. `info` says what else is wished (its `remote` counts for nothing), or is NULL. */
int64_t run_datagram_send(struct run_sock *sock, const void *data, size_t len,
			  const struct tee_endpoint *to, const struct tee_dgram_info *info);
/* Remembers where the datagram that has just gone into the pair came from. */
void run_datagram_note(struct run_sock *sock, const struct tee_dgram_info *info, const void *data,
		       size_t len);
/* Has the program hear of an error that the stack's socket has. Was there one? */
bool run_datagram_hear(struct run_sock *sock);
/* Where the datagram of these bytes came from, which was taken from the pair or (peeks) only looked at. */
struct run_source run_datagram_source(struct run_sock *sock, const void *data, size_t len,
				      bool peeks);

/* ---- refusal.c ---- */

/*
 * The program connects a UDP socket: if possible it gets a descriptor that can tell a refusal by plain recv(); *theirs is
 * then a duplicate of that.
 */
void run_refusal_prepare(struct run_call *call, struct run_sock *sock, int *theirs);
/* Has the program's descriptor tell ECONNREFUSED to the next call; false: it can't. */
bool run_refusal_tell(struct run_sock *sock);
/* The error that a call has to tell (errno or 0), which is told once. */
int run_datagram_take_error(struct run_sock *sock);

/* ---- fastopen.c ---- */

/* Opens with data; -TEE_EINPROGRESS, or another error when it does not open. */
int run_fastopen_send(struct tee_socket *socket, const struct tee_endpoint *remote,
		      struct run_early *early);
/* A send with MSG_FASTOPEN on a TCP socket; the name is in the program's memory. */
int64_t run_fastopen(struct run_call *call, struct run_sock *sock, int *theirs,
		     struct run_early *early, int flags, uint64_t name, uint32_t name_len);

/* ---- errqueue.c ---- */

/* A datagram was sent: what stamps of it were asked for. */
void run_errqueue_stamp(struct run_sock *sock);
/* Lets poll() see POLLERR as long as errors wait for MSG_ERRQUEUE, if the program's descriptor can. */
void run_errqueue_show(struct run_sock *sock);
/*
 * Takes the oldest error: into run->buffer what it quotes, at most `room` bytes. Its length or -EAGAIN. `ret` gets the
 * name, the flags and one control message; `ret_source` what else may be told of the ICMP message.
 */
int64_t run_errqueue_take(struct run_sock *sock, size_t room, struct run_error *ret);

/* ---- renew.c ---- */

/*
 * Puts a fresh socket in the place of *theirs, the dead one that the call names, and into *theirs a
 * duplicate of it: the record, FAILED, RETRYABLE or ENDED, is a DRAFT again. 0 or -errno.
 */
int64_t run_renew(struct run_call *call, struct run_sock *sock, int *theirs);
/* connect() to AF_UNSPEC. */
int64_t run_disconnect(struct run_call *call, struct run_sock *sock, int *theirs);
/* What the program set, for run_renew(). */
void run_remember_option(struct run_sock *sock, int level, int name, const void *value,
			 uint32_t len);
void run_remember_address(struct run_sock *sock, const void *address, uint32_t len);

/* ---- control.c ---- */

/* An option that asks for control messages; 1: it is none. */
int run_control_set(struct run_sock *sock, int level, int name, const void *value, uint32_t len);
/* Its value; -1: it is none. */
int run_control_get(const struct run_sock *sock, int level, int name);
/* Fills in what the socket asked for of a datagram; the bytes used. */
size_t run_control_write(const struct run_sock *sock, const struct run_source *source,
			 uint8_t *bytes, size_t room, bool *ret_is_cut);
/* The same of an error, which is told last. */
size_t run_control_write_error(const struct run_sock *sock, const struct run_error *error,
			       uint8_t *bytes, size_t room, bool *ret_is_cut);
/* What a sender wishes; 0 or -EINVAL. Changes `info` where something is said. */
int run_control_read(struct run_sock *sock, const uint8_t *bytes, size_t len,
		     struct tee_dgram_info *info);

/* The interface at a position, 0 up; false past the end. */
bool run_nic_get(struct run *run, unsigned index, struct run_nic *ret_nic);
/* The 32 bits of an IPv4 address. */
uint32_t run_nic_ip4(const struct tee_ip *ip);

/* ---- netlink.c: sockets of AF_NETLINK, in state DATAGRAM, without a socket of the stack's ---- */

/* Answers the requests that the program sent. */
void run_netlink_input(struct run_sock *sock, const uint8_t *data, size_t len);
int64_t run_netlink_bind(const struct run_call *call, struct run_sock *sock);
/* A struct sockaddr_nl; `pid` 0: the kernel, which we play. Returns its length. */
uint32_t run_netlink_name(uint32_t pid, void *ret_name);

/* ---- resolv.c ---- */

void run_resolv_init(struct run *run);
/* Is this a name server of the host's that the stack should ask its own for? Changes `endpoint`. */
bool run_resolv_redirect(struct run *run, struct tee_endpoint *endpoint);

/* ---- publish.c ---- */

int run_publish_start(struct run *run, const struct run_config *config, char *ret_error);
void run_publish_stop(struct run *run);

#endif
