// SPDX-License-Identifier: MIT
/*
 * Names in the file system.
 *
 * The directory is $XDG_RUNTIME_DIR/teeceepee, for root /run/teeceepee, else /run/user/UID/teeceepee or
 * /tmp/teeceepee-UID. It is ours and its mode is 0700, or it is not used: somebody else who could make
 * sockets in it could pass for our daemon. Sockets are SOCK_SEQPACKET, one message a request.
 *
 * A socket whose daemon was killed refuses connections; that is how it is known to be stale. Looking, removing and
 * binding are one step under a lock of the directory (flock), so that of two who claim a name at once
 * one gets it and the other is told.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <teeceepee/host.h>
#include <unistd.h>

#include "daemon/place.h"

enum { BACKLOG = 64 };

static const char suffix[] = ".sock";

static int fail(char *ret_error, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *ret_error, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret_error, TEE_HOST_ERROR_SIZE, format, args);
	va_end(args);
	return result;
}

/* ---- where ---- */

static bool is_ours(const char *dir)
{
	struct stat status;

	return dir && *dir == '/' && stat(dir, &status) == 0 && S_ISDIR(status.st_mode) &&
	       status.st_uid == geteuid();
}

static void choose_dir(char dir[DAEMON_DIR_SIZE])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char user[DAEMON_DIR_SIZE];

	snprintf(user, sizeof(user), "/run/user/%u", (unsigned)geteuid());
	if (is_ours(runtime) && strlen(runtime) + sizeof("/teeceepee") <= DAEMON_DIR_SIZE)
		snprintf(dir, DAEMON_DIR_SIZE, "%.*s/teeceepee", DAEMON_DIR_SIZE - 11, runtime);
	else if (geteuid() == 0)
		snprintf(dir, DAEMON_DIR_SIZE, "/run/teeceepee");
	else if (is_ours(user))
		snprintf(dir, DAEMON_DIR_SIZE, "%.*s/teeceepee", DAEMON_DIR_SIZE - 11, user);
	else
		snprintf(dir, DAEMON_DIR_SIZE, "/tmp/teeceepee-%u", (unsigned)geteuid());
}

static bool is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-");

	return len > 0 && len < DAEMON_NAME_SIZE && !name[len] && name[0] != '.' && name[0] != '-';
}

int daemon_place_find(const char *name, struct daemon_place *ret_place, char *ret_error)
{
	struct daemon_place *place = ret_place;
	char dir[DAEMON_DIR_SIZE];

	*place = (struct daemon_place){.address.sun_family = AF_UNIX};
	if (strchr(name, '/')) {
		if (strlen(name) >= sizeof(place->address.sun_path))
			return fail(ret_error, -ENAMETOOLONG,
				    "the path %s is too long for a socket", name);
		strcpy(place->address.sun_path, name);
		strcpy(place->name, name);
		return 0;
	}
	if (!is_name(name))
		return fail(ret_error, -EINVAL,
			    "'%s' is no name for a daemon: it takes up to %d letters, digits, '.', "
			    "'-' and '_'",
			    name, DAEMON_NAME_SIZE - 1);
	choose_dir(dir);
	snprintf(place->name, sizeof(place->name), "%.32s", name);
	snprintf(place->dir, sizeof(place->dir), "%s", dir);
	snprintf(place->log, sizeof(place->log), "%s/%.32s.log", dir, name);
	snprintf(place->work, sizeof(place->work), "%s/%.32s.d", dir, name);
	snprintf(place->address.sun_path, sizeof(place->address.sun_path), "%s/%.32s%s", dir, name,
		 suffix);
	return 0;
}

/* Nobody else may be able to put a socket into it. */
static int check_dir(const char *dir, char *ret_error)
{
	struct stat status;

	if (lstat(dir, &status) < 0)
		return errno == ENOENT ? -ENOENT
				       : fail(ret_error, -errno, "can't look at %s: %s", dir,
					      strerror(errno));
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || status.st_mode & 077)
		return fail(
			ret_error, -EPERM,
			"%s is not a directory that only you can use (owner %u, mode %o): remove "
			"it, or point XDG_RUNTIME_DIR elsewhere",
			dir, (unsigned)status.st_uid, (unsigned)status.st_mode & 07777);
	return 0;
}

/* ---- a daemon's side ---- */

/* The directory, open and locked; -errno. */
static int lock_dir(const struct daemon_place *place, char *ret_error)
{
	for (;;) {
		struct stat status;
		int fd, result;

		if (mkdir(place->dir, 0700) < 0 && errno != EEXIST)
			return fail(ret_error, -errno, "can't make %s: %s", place->dir,
				    strerror(errno));
		result = check_dir(place->dir, ret_error);
		if (result == -ENOENT)
			continue;
		if (result < 0)
			return result;
		fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return fail(ret_error, -errno, "can't open %s: %s", place->dir,
				    strerror(errno));
		while ((result = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
			continue;
		if (result < 0) {
			result = fail(ret_error, -errno, "can't lock %s: %s", place->dir,
				      strerror(errno));
			close(fd);
			return result;
		}
		if (fstat(fd, &status) == 0 && status.st_nlink > 0)
			return fd;
		/* The last daemon in it ended meanwhile, and removed it. */
		close(fd);
	}
}

/* A directory of directories of sockets. */
static void remove_tree(const char *path, unsigned depth)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL) {
		char inner[2 * DAEMON_PATH_SIZE];
		int len = snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    len >= (int)sizeof(inner))
			continue;
		if (entry->d_type == DT_DIR && depth > 0)
			remove_tree(inner, depth - 1);
		else
			unlink(inner);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void remove_files(const struct daemon_place *place)
{
	unlink(place->address.sun_path);
	unlink(place->log);
	remove_tree(place->work, 1);
}

static int connect_to(const struct daemon_place *place)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&place->address, sizeof(place->address)) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

/* Lock held: who has the name? 0: nobody. */
static int check_free(const struct daemon_place *place, char *ret_error)
{
	int fd = connect_to(place);
	struct ucred who = {0};
	socklen_t len = sizeof(who);

	if (fd == -ENOENT)
		return 0;
	if (fd == -ECONNREFUSED) {
		remove_files(place);
		return 0;
	}
	if (fd >= 0) {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
		close(fd);
	} else if (fd != -EAGAIN) {
		return fail(ret_error, fd, "can't use %s: %s", place->address.sun_path,
			    strerror(-fd));
	}
	return fail(ret_error, -EADDRINUSE,
		    "a daemon '%s' is up already (pid %d): 'teeceepee ss %s' shows its sockets, "
		    "'teeceepee down %s' ends it, 'teeceepee up OTHER' starts another",
		    place->name, (int)who.pid, place->name, place->name);
}

static int listen_at(const struct daemon_place *place, char *ret_error)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 &&
	    bind(fd, (const struct sockaddr *)&place->address, sizeof(place->address)) == 0 &&
	    chmod(place->address.sun_path, 0600) == 0 && mkdir(place->work, 0700) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	fail(ret_error, 0, "can't listen at %s: %s", place->address.sun_path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -EIO;
}

int daemon_place_claim(const struct daemon_place *place, char *ret_error)
{
	int dir = lock_dir(place, ret_error), fd;

	if (dir < 0)
		return dir;
	fd = check_free(place, ret_error);
	if (fd == 0)
		fd = listen_at(place, ret_error);
	close(dir);
	return fd;
}

void daemon_place_leave(const struct daemon_place *place, int listen_fd)
{
	char error[TEE_HOST_ERROR_SIZE];
	int dir = lock_dir(place, error);

	remove_files(place);
	/* Other daemons may be in it. */
	rmdir(place->dir);
	close(listen_fd);
	if (dir >= 0)
		close(dir);
}

/* ---- a client's side ---- */

unsigned daemon_place_list(char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE])
{
	char dir_name[DAEMON_DIR_SIZE], error[TEE_HOST_ERROR_SIZE];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	choose_dir(dir_name);
	if (check_dir(dir_name, error) < 0)
		return 0;
	dir = opendir(dir_name);
	while (dir && count < DAEMON_NAMES_MAX && (entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name), tail = strlen(suffix);
		struct daemon_place place;
		int fd;

		if (len <= tail || len - tail >= DAEMON_NAME_SIZE ||
		    strcmp(entry->d_name + len - tail, suffix) != 0)
			continue;
		snprintf(names[count], DAEMON_NAME_SIZE, "%.*s", (int)(len - tail), entry->d_name);
		if (daemon_place_find(names[count], &place, error) < 0)
			continue;
		fd = connect_to(&place);
		if (fd < 0)
			continue;
		close(fd);
		count++;
	}
	if (dir)
		closedir(dir);
	return count;
}

static int fail_absent(const struct daemon_place *place, char *ret_error)
{
	char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE];
	unsigned count = place->dir[0] ? daemon_place_list(names) : 0;
	size_t at;

	if (!place->dir[0])
		return fail(ret_error, -ENOENT, "there is no socket %s", place->name);
	fail(ret_error, 0, "no daemon '%s' is up; 'teeceepee up %s' starts one", place->name,
	     place->name);
	for (unsigned i = 0; i < count; i++) {
		at = strlen(ret_error);
		snprintf(ret_error + at, TEE_HOST_ERROR_SIZE - at, "%s%s",
			 i ? ", " : " (these are up: ", names[i]);
	}
	at = strlen(ret_error);
	if (count > 0)
		snprintf(ret_error + at, TEE_HOST_ERROR_SIZE - at, ")");
	return -ENOENT;
}

int daemon_place_connect(const struct daemon_place *place, char *ret_error)
{
	int fd = place->dir[0] ? check_dir(place->dir, ret_error) : 0;

	if (fd == 0)
		fd = connect_to(place);
	else if (fd != -ENOENT)
		return fd;
	if (fd >= 0)
		return fd;
	if (fd == -ENOENT)
		return fail_absent(place, ret_error);
	if (fd == -ECONNREFUSED && place->dir[0])
		return fail(
			ret_error, fd,
			"the daemon '%s' was killed, and only its socket is left; 'teeceepee up %s' "
			"starts it anew (%s may say what it said last)",
			place->name, place->name, place->log);
	if (fd == -EACCES || fd == -EPERM)
		return fail(ret_error, fd,
			    "%s belongs to another user: a daemon serves its own user and root",
			    place->address.sun_path);
	return fail(ret_error, fd, "can't reach the daemon at %s: %s", place->address.sun_path,
		    strerror(-fd));
}
