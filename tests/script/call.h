/* SPDX-License-Identifier: MIT */
/*
 * System calls of a script, on the descriptors of a rig. A call is begun once, tried until it does
 * not block, and then its result and what it stored are compared with the script.
 */
#ifndef SCRIPT_CALL_H
#define SCRIPT_CALL_H

#include "rig.h"

enum { CALL_TEXT_SIZE = 240, CALL_FDS_MAX = 256, CALL_IOVS_MAX = 64, CALL_POLLS_MAX = 32 };

/* What `live` is where there is nothing behind a descriptor that the rig knows. */
enum { CALL_NO_FD = 1 << 20 };

enum call_fd_kind { CALL_SOCKET, CALL_PIPE_OUT, CALL_PIPE_IN, CALL_FILE };

/* The script's descriptors, and what of streams went through them. */
struct call_fd {
	bool is_open;
	enum call_fd_kind kind;
	struct call_pipe *pipe; /* of both ends, for as long as one is open */
	int live;
	uint32_t sent_bytes, received_bytes; /* places in the pattern */
	bool has_own_data;                   /* the script gave bytes itself: no pattern to check */
};

struct call_table {
	struct rig *rig;
	bool is_mapped4; /* IPv6 sockets that speak IPv4 */
	uint16_t bind_port, connect_port;
	uint64_t zero_ns; /* the rig's clock at the script's time 0 */
	int64_t tolerance_us;
	bool has_urgent; /* the peer has sent urgent data */
	struct call_fd fds[CALL_FDS_MAX];
};

struct call_kind;

/* A call under way. */
struct live_call {
	const struct call_spec *spec;
	const struct call_kind *kind;
	struct call_table *table;
	struct posix_wait wait;
	int64_t result; /* once it is done */
	int fd_script;  /* its descriptor, -1 when it has none */
	bool is_peek;

	uint8_t *buffer; /* one block behind all pieces */
	size_t buffer_len;
	struct posix_iov iovs[CALL_IOVS_MAX];
	unsigned iov_count;
	struct posix_msg msg;
	int flags;
	uint8_t addr[POSIX_SOCKADDR_SIZE];
	uint32_t addr_len;
	struct posix_pollfd polls[CALL_POLLS_MAX];
	struct posix_epoll_event events[CALL_POLLS_MAX];
	int timeout_ms;
};

/* False with a message when the script's call can't be made (unknown, wrong arguments). */
bool call_begin(struct live_call *call, struct call_table *table, const struct call_spec *spec,
		char text[CALL_TEXT_SIZE]);
/* Makes the call; false: it blocks, try again later, at call->wait.deadline_ns at the latest. */
bool call_try(struct live_call *call);
/* Compares; false with the difference. Records new descriptors. */
bool call_check(struct live_call *call, char text[CALL_TEXT_SIZE]);
void call_end(struct live_call *call);
/* What pipes that the script left open hold. */
void call_table_fini(struct call_table *table);

/* The live descriptor behind the script's; one that is surely not open when there is none. */
int call_live_fd(const struct call_table *table, int64_t script_fd);

/* What a packet of the stack carries has to be the pattern from `offset` on; for data sent by us. */
bool call_payload_is_pattern(const uint8_t *payload, uint32_t len, uint32_t offset);

#endif
