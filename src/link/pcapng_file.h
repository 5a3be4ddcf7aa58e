/* SPDX-License-Identifier: MIT */
/* Writing a pcapng file of one interface. */
#ifndef TEE_LINK_PCAPNG_FILE_H
#define TEE_LINK_PCAPNG_FILE_H

#include <teeceepee/stack.h>

enum { PCAPNG_BUFFER_BYTES = 256 << 10 };

enum pcapng_direction { PCAPNG_UNKNOWN, PCAPNG_INBOUND, PCAPNG_OUTBOUND };

struct pcapng_file {
	int fd;
	int error;            /* errno of the write that failed; nothing is written after it */
	bool guards_sigpipe;  /* the file may be a pipe whose reader leaves */
	uint64_t whole_bytes; /* of the file up to which it consists of whole blocks */
	uint32_t used;        /* bytes in `buffer` */
	uint64_t packets;
	uint8_t buffer[PCAPNG_BUFFER_BYTES];
};

/* Creates (or empties) the file and writes its header. 0 or an errno value. */
int pcapng_file_open(struct pcapng_file *file, const char *path, enum tee_netif_kind kind,
		     const char *interface_name);
/* One packet; `comment` may be NULL. Never fails at once: an error is kept in file->error. */
void pcapng_file_add(struct pcapng_file *file, uint64_t wall_ns, enum pcapng_direction direction,
		     const char *comment, const uint8_t *bytes, uint32_t len);
/* Hands what is buffered to the kernel. */
void pcapng_file_flush(struct pcapng_file *file);
/* Flushes and closes. */
void pcapng_file_close(struct pcapng_file *file);

#endif
