/* SPDX-License-Identifier: MIT */
/*
 * The pcapng file format (draft-ietf-opsawg-pcapng): blocks of type, length, body, options, length again; all in
 * this machine's byte order, which the section header's magic number tells the reader.
 *
 * We write one section header, one interface description with nanosecond stamps (if_tsresol 9), and an
 * enhanced packet block for each packet, with its direction (epb_flags) and, for what we sent, the
 * reason as a comment (opt_comment), which Wireshark shows on the packet and tshark as frame.comment.
 *
 * Blocks gather in a buffer and leave in whole: when a write fails half-way, the file is cut back to the
 * last whole block, so that a recording that met a full disk stays readable. After that nothing more is
 * written; the error is kept for whoever tells the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/check.h"
#include "link/pcapng_file.h"
#include "link/sigpipe.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_ENHANCED_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_ETHERNET = 1,
	LINKTYPE_RAW = 101,
	OPT_END = 0,
	OPT_COMMENT = 1,
	OPT_SHB_USERAPPL = 4,
	OPT_IF_NAME = 2,
	OPT_IF_TSRESOL = 9,
	OPT_EPB_FLAGS = 2,
	TSRESOL_NS = 9, /* ten to the minus ninth */
};

/* The longest block: headers, the largest frame, its options. */
enum { BLOCK_BYTES_MAX = 65536 + 1024, COMMENT_BYTES_MAX = 256 };
_Static_assert((int)BLOCK_BYTES_MAX <= (int)PCAPNG_BUFFER_BYTES, "a block fits the buffer");

static void put(struct pcapng_file *file, const void *data, uint32_t len)
{
	CHECK(len <= sizeof(file->buffer) - file->used);
	if (len == 0)
		return;
	memcpy(file->buffer + file->used, data, len);
	file->used += len;
}

static void put_u32(struct pcapng_file *file, uint32_t value)
{
	put(file, &value, sizeof(value));
}

static void put_u16(struct pcapng_file *file, uint16_t value)
{
	put(file, &value, sizeof(value));
}

/* Everything in a block starts at a multiple of four. */
static void put_padded(struct pcapng_file *file, const void *data, uint32_t len)
{
	static const uint8_t zeros[3];

	put(file, data, len);
	put(file, zeros, -len & 3);
}

static void put_option(struct pcapng_file *file, uint16_t code, const void *data, uint16_t len)
{
	put_u16(file, code);
	put_u16(file, len);
	put_padded(file, data, len);
}

/* Begins a block and returns where; end_block() writes its length at both ends. */
static uint32_t begin_block(struct pcapng_file *file, uint32_t type)
{
	uint32_t start = file->used;

	put_u32(file, type);
	put_u32(file, 0);
	return start;
}

static void end_block(struct pcapng_file *file, uint32_t start)
{
	uint32_t len = file->used + 4 - start;

	memcpy(file->buffer + start + 4, &len, sizeof(len));
	put_u32(file, len);
}

static void put_file_header(struct pcapng_file *file, enum tee_netif_kind kind,
			    const char *interface_name)
{
	static const char application[] = "teeceepee";
	const uint8_t tsresol = TSRESOL_NS;
	uint32_t start = begin_block(file, BLOCK_SECTION);

	put_u32(file, BYTE_ORDER_MAGIC);
	put_u16(file, 1); /* version 1.0 */
	put_u16(file, 0);
	put_u32(file, UINT32_MAX); /* the section's length: not said */
	put_u32(file, UINT32_MAX);
	put_option(file, OPT_SHB_USERAPPL, application, sizeof(application) - 1);
	put_option(file, OPT_END, NULL, 0);
	end_block(file, start);

	start = begin_block(file, BLOCK_INTERFACE);
	put_u16(file, kind == TEE_NETIF_ETHERNET ? LINKTYPE_ETHERNET : LINKTYPE_RAW);
	put_u16(file, 0);
	put_u32(file, 0); /* packets are not cut */
	put_option(file, OPT_IF_NAME, interface_name, (uint16_t)strlen(interface_name));
	put_option(file, OPT_IF_TSRESOL, &tsresol, sizeof(tsresol));
	put_option(file, OPT_END, NULL, 0);
	end_block(file, start);
}

int pcapng_file_open(struct pcapng_file *file, const char *path, enum tee_netif_kind kind,
		     const char *interface_name)
{
	file->error = 0;
	file->whole_bytes = 0;
	file->packets = 0;
	file->used = 0;
	file->guards_sigpipe = !sigpipe_is_ignored();
	file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (file->fd < 0)
		return errno;
	put_file_header(file, kind, interface_name);
	pcapng_file_flush(file);
	if (file->error) {
		close(file->fd);
		file->fd = -1;
	}
	return file->error;
}

void pcapng_file_add(struct pcapng_file *file, uint64_t wall_ns, enum pcapng_direction direction,
		     const char *comment, const uint8_t *bytes, uint32_t len)
{
	const uint32_t flags = direction;
	uint32_t start;

	CHECK(len <= TEE_FRAME_LEN_MAX);
	if (sizeof(file->buffer) - file->used < BLOCK_BYTES_MAX)
		pcapng_file_flush(file);
	if (file->error)
		return;
	start = begin_block(file, BLOCK_ENHANCED_PACKET);
	put_u32(file, 0); /* the interface's number */
	put_u32(file, (uint32_t)(wall_ns >> 32));
	put_u32(file, (uint32_t)wall_ns);
	put_u32(file, len); /* as captured, and as it was */
	put_u32(file, len);
	put_padded(file, bytes, len);
	if (direction != PCAPNG_UNKNOWN)
		put_option(file, OPT_EPB_FLAGS, &flags, sizeof(flags));
	if (comment)
		put_option(file, OPT_COMMENT, comment,
			   (uint16_t)strnlen(comment, COMMENT_BYTES_MAX));
	put_option(file, OPT_END, NULL, 0);
	end_block(file, start);
	file->packets++;
}

static void write_all(struct pcapng_file *file)
{
	uint32_t done = 0;

	while (done < file->used) {
		ssize_t written = write(file->fd, file->buffer + done, file->used - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			file->error = written < 0 ? errno : ENOSPC;
			/* Not every file can be cut (a pipe); then it ends as it ends. */
			if (ftruncate(file->fd, (off_t)file->whole_bytes) < 0)
				return;
			return;
		}
		done += (uint32_t)written;
	}
	file->whole_bytes += done;
}

void pcapng_file_flush(struct pcapng_file *file)
{
	struct sigpipe_guard guard;

	if (file->error || file->used == 0) {
		file->used = 0;
		return;
	}
	sigpipe_enter(&guard, file->guards_sigpipe);
	write_all(file);
	sigpipe_leave(&guard);
	file->used = 0;
}

void pcapng_file_close(struct pcapng_file *file)
{
	if (file->fd < 0)
		return;
	pcapng_file_flush(file);
	/* Some file systems tell of a full disk only now. */
	if (close(file->fd) < 0 && !file->error)
		file->error = errno;
	file->fd = -1;
}
