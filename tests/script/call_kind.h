/* SPDX-License-Identifier: MIT */
/* What the files that make system calls share. */
#ifndef SCRIPT_CALL_KIND_H
#define SCRIPT_CALL_KIND_H

#include "call.h"

struct call_kind {
	const char *name;
	unsigned arg_min, arg_max;
	bool has_fd;   /* the first argument is a descriptor */
	bool makes_fd; /* the result is one */
	/* Reads arguments into `call`; false with a message. May be NULL. */
	bool (*begin)(struct live_call *call, char *text);
	int64_t (*try_it)(struct live_call *call);
	/* Compares what the call stored, after success; may be NULL. */
	bool (*check)(struct live_call *call, char *text);
};

extern const struct call_kind call_data_kinds[]; /* read, write and their kin; ends with no name */
extern const struct call_kind call_option_kinds[];
extern const struct call_kind call_poll_kinds[];
extern const struct call_kind call_pipe_kinds[];

/* One end of a pipe is closed. Nothing for other descriptors. */
void call_pipe_close(struct call_fd *fd);

#define CALL_FAIL(...) (snprintf(text, CALL_TEXT_SIZE, __VA_ARGS__), false)

/* The i-th argument as a number; `otherwise` for "..." and for one that isn't there. */
int64_t call_int(const struct live_call *call, unsigned i, int64_t otherwise);
const struct value *call_arg(const struct live_call *call, unsigned i);
int call_fd_arg(const struct live_call *call, unsigned i);
/* The number in [n], n or a constant; false when it's none. */
bool call_number(const struct value *value, int64_t *ret);
/* A field of a struct; NULL when it isn't given. */
const struct value *call_field(const struct value *value, const char *name);
/* Reads a sockaddr argument; "..." gives `otherwise`. */
bool call_read_addr(struct live_call *call, const struct value *value,
		    const struct tee_endpoint *otherwise, char *text);
/* The peer's address and port that "..." stands for. */
struct tee_endpoint call_default_remote(const struct live_call *call);
/* Control messages: those to be sent, and a comparison of those that came. */
bool call_read_control(struct live_call *call, const struct value *control, char *text);
bool call_check_control(struct live_call *call, const struct value *control, char *text);
struct call_fd *call_fd_state(const struct live_call *call);

#endif
