/* SPDX-License-Identifier: MIT */
/*
 * Where a daemon of a name lives: its socket, its log, its work directory, all in one directory that
 * belongs to the user and lets nobody else in.
 */
#ifndef DAEMON_PLACE_H
#define DAEMON_PLACE_H

#include <stdbool.h>
#include <sys/un.h>

enum {
	DAEMON_NAME_SIZE = 33,
	DAEMON_DIR_SIZE = 48, /* so that what stands below it fits into a socket's address */
	DAEMON_PATH_SIZE = 108,
	DAEMON_NAMES_MAX = 32,
};

#define DAEMON_NAME_DEFAULT "default"

struct daemon_place {
	char name[DAEMON_PATH_SIZE]; /* as the user says it: a name, or a socket's path */
	char dir[DAEMON_PATH_SIZE];
	char log[DAEMON_PATH_SIZE];  /* what a daemon in the background has to say */
	char work[DAEMON_PATH_SIZE]; /* a directory, of the sockets of programs (src/run) */
	struct sockaddr_un address;
};

/*
 * Finds the place of a name: letters, digits, '.', '-' and '_'. A path (with a '/') is a socket's own, for
 * clients. 0 or -errno, and a sentence.
 */
int daemon_place_find(const char *name, struct daemon_place *ret_place, char *ret_error);

/*
 * Takes the name: a listening socket, or -errno and a sentence. What a daemon that was killed left behind
 * is removed. -EADDRINUSE: one is up.
 */
int daemon_place_claim(const struct daemon_place *place, char *ret_error);
/* Gives it back: nothing is left in the file system. */
void daemon_place_leave(const struct daemon_place *place, int listen_fd);

/* A connection to the daemon, or -errno and a sentence that says what to do. */
int daemon_place_connect(const struct daemon_place *place, char *ret_error);
/* The names of the daemons that are up in the user's directory; how many. */
unsigned daemon_place_list(char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE]);

#endif
