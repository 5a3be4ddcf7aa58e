/* SPDX-License-Identifier: MIT */
/*
 * The string that chooses a link: KIND[:WORD,…], each word either `key=value` or, once, a bare name
 * ("tap:tee0", "packet:eth0,mac=02:00:00:00:00:07", "slirp:mtu=1500"). And the sentences with which a
 * link says what is wrong.
 */
#ifndef TEE_LINK_SPEC_H
#define TEE_LINK_SPEC_H

#include <teeceepee/link.h>

enum { LINK_SPEC_SIZE = 512, LINK_SPEC_OPTIONS_MAX = 16 };

struct link_option {
	const char *key, *value; /* point into the spec's text */
};

struct link_spec {
	char text[LINK_SPEC_SIZE]; /* cut into words */
	const char *kind;
	const char *name; /* the bare word, "" when there is none */
	unsigned option_count;
	struct link_option options[LINK_SPEC_OPTIONS_MAX];
	bool is_spun; /* who opens it spins: where a link has the choice, even round trips before cheap ones */
};

/* A link kind: one file defines one, link.c has a row for each. */
struct link_kind {
	struct tee_link_kind about;
	/* Words that the kind understands, space-separated: "mtu mac". */
	const char *keys;
	bool takes_name;
	int (*open)(const struct link_spec *spec, struct tee_link **ret_link,
		    char ret_error[TEE_LINK_ERROR_SIZE]);
	int (*probe)(char ret_reason[TEE_LINK_ERROR_SIZE]);
};

extern const struct link_kind link_kind_slirp, link_kind_passt, link_kind_tap, link_kind_packet,
	link_kind_xdp, link_kind_wire;

/* The same of xdp.c and of xdp_none.c, which stands for it in a build without. */
#define LINK_XDP_SUMMARY "a real interface past the kernel's stack, beside or on the host's address"
#define LINK_XDP_KEYS    "share ports mode send queue queues ring mac mtu"

/* tee_link_open() for a caller who spins, or doesn't. */
int link_open(const char *text, bool is_spun, struct tee_link **ret_link,
	      char ret_error[TEE_LINK_ERROR_SIZE]);

/* Cuts the text into words. 0, or -TEE_EINVAL with a sentence. */
int link_spec_parse(const char *text, struct link_spec *ret_spec,
		    char ret_error[TEE_LINK_ERROR_SIZE]);
/* Is every word one that the kind knows? 0, or -TEE_EINVAL with a sentence that names it. */
int link_spec_check(const struct link_spec *spec, const struct link_kind *kind,
		    char ret_error[TEE_LINK_ERROR_SIZE]);
/* The value of the option, the last one when it is given twice; NULL when it isn't there. */
const char *link_spec_get(const struct link_spec *spec, const char *key);
/* A number within bounds; untouched when the option isn't there. 0, or -TEE_EINVAL with a sentence. */
int link_spec_u32(const struct link_spec *spec, const char *key, uint32_t min, uint32_t max,
		  uint32_t *ret_value, char ret_error[TEE_LINK_ERROR_SIZE]);
/* Which of `words`, which NULL ends; untouched when the option isn't there. 0, or -TEE_EINVAL with a sentence. */
int link_spec_word(const struct link_spec *spec, const char *key, const char *const *words,
		   unsigned *ret_idx, char ret_error[TEE_LINK_ERROR_SIZE]);
/* `mac=`: six bytes in hex, not a group address, not zero. 1: it was there, 0: it was not. */
int link_spec_mac(const struct link_spec *spec, struct tee_mac *ret_mac,
		  char ret_error[TEE_LINK_ERROR_SIZE]);

/* Writes the sentence and returns `result`, so that a failure is one line. */
__attribute__((format(printf, 3, 4))) int link_fail(char ret_error[TEE_LINK_ERROR_SIZE], int result,
						    const char *format, ...);
/* The result that stands for an errno value: -TEE_EPERM, -TEE_ENODEV …; -TEE_EIO for the rest. */
int link_result_of_errno(int error);

#endif
