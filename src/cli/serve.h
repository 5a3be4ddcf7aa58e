/* SPDX-License-Identifier: MIT */
/*
 * The pieces of `teeceepee serve`: options and threads (cmd_serve.c), a thread's stack and listener
 * (serve_worker.c), connections (serve_conn.c), both of a daemon's stack (serve_attached.c), heads of requests (serve_http.c), answers
 * (serve_request.c), files in memory (serve_file.c, serve_map.c), files that can't be outside of the
 * directory (serve_open.c), listings (serve_list.c), ranges and dates (serve_range.c), types (serve_mime.c).
 */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/serve_http.h"

/* ---- serve_open.c ---- */

/*
 * Opens `path` (relative, "" the directory itself) for reading, never outside of `root_fd`, whatever
 * symbolic links say. A descriptor or -errno; -EXDEV: it leads outside.
 */
int serve_open_beneath(int root_fd, const char *path);

/* ---- serve_mime.c ---- */

const char *serve_mime_type(const char *path);

/* ---- serve_range.c ---- */

enum serve_range { SERVE_RANGE_NONE, SERVE_RANGE_PART, SERVE_RANGE_BAD };
/*
 * Reads a Range header for a file of `size` bytes (RFC 9110 section 14.2). NONE: the whole file, as
 * for several ranges and what can't be read; PART: `ret_first` and `ret_len`; BAD: status 416.
 */
enum serve_range serve_parse_range(const char *header, uint64_t size, uint64_t *ret_first,
				   uint64_t *ret_len);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). */
const char *serve_format_date(time_t when, char text[32]);

/* ---- serve_list.c ---- */

/* An HTML page that lists `dir_fd`, to be freed; `url` is its decoded path. NULL: no memory. */
char *serve_list(int dir_fd, const char *url, size_t *ret_len);
/* The same text with HTML's or a URL's own characters escaped, to be freed; NULL: no memory. */
char *serve_escape_html(const char *text);
char *serve_escape_url(const char *text);

/* ---- serve_file.c ---- */

struct serve_map;

/* A version of a file. Everything but `ref_count` and the cache's own links stays as it is. */
struct serve_file {
	struct serve_file *next;                /* in its slot of the table */
	struct serve_file *lru_prev, *lru_next; /* longest unused first */
	char *path;
	uint64_t looked_at_ns; /* when it was last found unchanged */
	unsigned ref_count;    /* the cache's own and those of bytes on their way */
	int fd;                /* of a mapped file, else -1 */
	struct serve_map *map;
	uint8_t *copy;        /* of a small file */
	const uint8_t *bytes; /* in one of both */
	struct stat status;
	char etag[56], changed[32];
	/* "Content-Type: …" to "ETag: …", the fields that are the same in every answer. */
	char fields[320];
	size_t fields_len;
};

enum { SERVE_FILE_SLOTS = 1024 };

/* A worker's own, so that nothing is shared between threads. */
struct serve_cache {
	int root_fd;
	struct serve_file *slots[SERVE_FILE_SLOTS];
	struct serve_file *lru_first, *lru_last;
	size_t bytes, count;
};

/*
 * The regular file at a path (as for serve_open_beneath), at most a hundredth of a second old: 0 and a
 * reference to be given back. -errno; -EISDIR: it is a directory, which `ret_dir_fd` holds, to be closed.
 */
int serve_file_get(struct serve_cache *cache, const char *path, uint64_t now_ns,
		   struct serve_file **ret_file, int *ret_dir_fd);
struct serve_file *serve_file_ref(struct serve_file *file);
/* Takes a struct serve_file, so that it serves tee_send_owned() too. */
void serve_file_release(void *file);
/* Has the file become shorter than what it was mapped as, or was its end missed already? */
bool serve_file_is_torn(const struct serve_file *file);
void serve_cache_fini(struct serve_cache *cache);

/* ---- serve_conn.c ---- */

struct serve_worker;

/* What an answer is made of. The body is bytes of a file, or a page of its own, or nothing. */
struct serve_answer {
	char *head; /* room of SERVE_HEAD_SIZE */
	size_t head_len;
	struct serve_file *file; /* a reference */
	char *page;              /* to be freed */
	const uint8_t *body;
	uint64_t body_len;
};

enum { SERVE_HEAD_SIZE = 8192 };

struct serve_conn {
	struct serve_worker *worker;
	struct tee_socket *socket;
	struct tee_ip client;           /* when attached: there is no `socket` then */
	struct serve_conn *prev, *next; /* longest idle first */
	uint64_t active_at_ns;
	char *input; /* what came and could not be answered yet; NULL while there is none */
	uint32_t input_len;
	bool is_partial;     /* `input` was looked at, and more is needed */
	bool closes;         /* after this answer */
	bool is_draining;    /* our end is closed; what still comes is thrown away */
	uint64_t skip_bytes; /* of a request's body */
	/* What the socket has not taken yet: a rest of the head, then of the body. */
	char *head;
	size_t head_off, head_len;
	const uint8_t *body;
	uint64_t body_len;
	struct serve_file *file; /* whose bytes were sent last */
	char *page;
};

void serve_conn_open(struct serve_worker *worker, struct tee_socket *socket);
/* Ends those that were idle for too long, and those whose file was cut short. */
void serve_conn_sweep(struct serve_worker *worker);
void serve_conn_close_all(struct serve_worker *worker);

/* ---- serve_request.c ---- */

/*
 * What stands at the start of the text: how much of that is done with, 0: more is needed. `*ret_status` is -1 when
 * there is nothing to answer (a piece of a body, or too little of a head), 0 for a request, else the status that a
 * bad one is answered with. `conn->closes` says whether this answer is the last.
 */
size_t serve_read(struct serve_conn *conn, char *text, size_t len, struct http_request *ret_request,
		  int *ret_status);
/* The answer to what serve_read() told. */
void serve_answer(struct serve_conn *conn, const struct http_request *request, int status,
		  struct serve_answer *answer);

/* ---- serve_worker.c ---- */

struct serve;

/* One thread: a stack, its listener, its connections and its files. */
struct serve_worker {
	struct serve *serve;
	struct tee_host *host;
	struct tee_socket *listener;
	pthread_t thread;
	bool has_thread;
	int code; /* the exit code that it asks for */
	struct serve_cache cache;
	struct serve_conn *first, *last; /* longest idle first */
	unsigned conn_count;
	time_t date_s;
	char date[32];
	char input[HTTP_HEAD_MAX];
	char head[SERVE_HEAD_SIZE + 4096]; /* and a small body behind it */
};

enum { SERVE_THREADS_MAX = 64 };

struct serve {
	struct cli cli;
	const char *dir_name;
	uint16_t port;
	bool is_verbose;
	uint64_t idle_ns; /* after which a connection is closed */
	unsigned threads;
	int root_fd;
	atomic_bool stops;
	struct serve_worker *workers[SERVE_THREADS_MAX]; /* the first uses cli.host */
};

/* ---- cmd_serve.c ---- */

/* Tells where the directory is to be found. */
void serve_print_urls(const struct serve *serve, const struct tee_ip *ips, unsigned count,
		      const char *link);

/* ---- serve_attached.c ---- */

/* Serves over the system's sockets, which are a daemon's; the argument is the struct serve. */
int serve_run_attached(void *arg);

/* ---- serve_worker.c, again ---- */

/* On the command's own host, or, NULL, on one of its own beside that of the first. 0 or an exit code. */
int serve_worker_open(struct serve *serve, struct tee_host *host, struct serve_worker **ret_worker);
/* Ends every worker's run, from any thread, while their hosts stand. */
void serve_stop(struct serve *serve);
/* Serves until a signal, a link's end or serve_stop() ends it; all others then end too. */
void serve_worker_run(struct serve_worker *worker);
/* Closes the connections; the host, when it is the worker's own, too. */
void serve_worker_close(struct serve_worker *worker);
/* After the hosts are gone: nothing refers to the files any more. */
void serve_worker_free(struct serve_worker *worker);

#endif
