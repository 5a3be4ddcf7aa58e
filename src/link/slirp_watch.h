/* SPDX-License-Identifier: MIT */
/* The set of descriptors that libslirp waits for, as one epoll descriptor. */
#ifndef TEE_LINK_SLIRP_WATCH_H
#define TEE_LINK_SLIRP_WATCH_H

#include <poll.h>
#include <stdint.h>
#include <teeceepee/types.h>

struct slirp_watch_fd {
	uint32_t wanted;       /* EPOLL… of this round */
	uint32_t registered;   /* EPOLL… that the kernel knows; meaningful while is_registered */
	uint32_t ready;        /* EPOLL… of the last wait */
	uint32_t wanted_round; /* the round that wanted it last */
	bool is_registered;
};

struct slirp_watch {
	int epoll_fd;
	uint32_t round;
	struct slirp_watch_fd *fds; /* by descriptor */
	unsigned fds_count;
	int *registered; /* descriptors in the epoll set */
	unsigned registered_count, registered_max;
	int *ready; /* descriptors whose `ready` is set */
	unsigned ready_count;
	uint64_t failures; /* descriptors that could not be watched */
};

/* 0 or -TEE_E…, with errno. */
int slirp_watch_init(struct slirp_watch *watch);
void slirp_watch_fini(struct slirp_watch *watch);

/*
 * A round: begin, one add for each descriptor that libslirp names, commit. add() returns the index by
 * which slirp_watch_revents() answers, or -1.
 */
void slirp_watch_begin(struct slirp_watch *watch);
int slirp_watch_add(struct slirp_watch *watch, int fd, int slirp_events);
void slirp_watch_commit(struct slirp_watch *watch);

/* Looks, without waiting, which are ready; returns how many, or -1. */
int slirp_watch_wait(struct slirp_watch *watch);
/* SLIRP_POLL_… of the last look. */
int slirp_watch_revents(const struct slirp_watch *watch, int idx);
/* The descriptor is about to be closed. */
void slirp_watch_forget(struct slirp_watch *watch, int fd);

#endif
