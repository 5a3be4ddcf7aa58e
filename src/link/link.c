/* SPDX-License-Identifier: MIT */
/*
 * The registry of links: one row a kind, and what is done with a row.
 *
 * tee_link_open() reads the string (spec.c), finds the row, checks the words against what the kind
 * understands, and lets the kind open itself. A link brings its own operations; nothing here is
 * called while frames move. Decorators (gso_link.c, impair.c, pcapng.c) are no kinds: they wrap what came out
 * of here (wrap.c) and are closed by closing the outermost.
 *
 * Adding a link is one file with a `struct link_kind` in it, and one row here.
 *
 * tee_link_probe() answers whether a kind would work here, now, for this user. Probes try the real
 * thing where that leaves no trace (an AF_PACKET socket, an unnamed TAP that ends with its
 * descriptor), and never guess from the user's name: capabilities, device modes and namespaces
 * decide, and only the kernel knows all three.
 */
#include <string.h>
#include "link/spec.h"

static const struct link_kind *const kinds[] = {
	&link_kind_slirp,  &link_kind_passt, &link_kind_tap,
	&link_kind_packet, &link_kind_xdp,   &link_kind_wire,
};

enum { KINDS_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

static const struct link_kind *kind_find(const char *name)
{
	for (unsigned i = 0; i < KINDS_COUNT; i++)
		if (!strcmp(kinds[i]->about.name, name))
			return kinds[i];
	return NULL;
}

static int fail_unknown_kind(const char *name, char ret_error[TEE_LINK_ERROR_SIZE])
{
	char list[128] = "";
	size_t len = 0;

	for (unsigned i = 0; i < KINDS_COUNT; i++) {
		const char *word = kinds[i]->about.name;
		size_t word_len = strlen(word);

		if (len + word_len + 3 > sizeof(list))
			break;
		if (len > 0) {
			memcpy(list + len, ", ", 2);
			len += 2;
		}
		memcpy(list + len, word, word_len + 1);
		len += word_len;
	}
	return link_fail(ret_error, -TEE_EINVAL, "there is no link '%.40s'; there are: %s", name,
			 list);
}

int link_open(const char *text, bool is_spun, struct tee_link **ret_link,
	      char ret_error[TEE_LINK_ERROR_SIZE])
{
	const struct link_kind *kind;
	struct link_spec spec;
	int result = link_spec_parse(text, &spec, ret_error);

	if (result < 0)
		return result;
	kind = kind_find(spec.kind);
	if (!kind)
		return fail_unknown_kind(spec.kind, ret_error);
	result = link_spec_check(&spec, kind, ret_error);
	if (result < 0)
		return result;
	spec.is_spun = is_spun;
	return kind->open(&spec, ret_link, ret_error);
}

int tee_link_open(const char *text, struct tee_link **ret_link, char ret_error[TEE_LINK_ERROR_SIZE])
{
	return link_open(text, false, ret_link, ret_error);
}

void tee_link_close(struct tee_link *link)
{
	if (link)
		link->ops->close(link);
}

bool tee_link_kind(unsigned idx, struct tee_link_kind *ret_kind)
{
	if (idx >= KINDS_COUNT)
		return false;
	*ret_kind = kinds[idx]->about;
	return true;
}

int tee_link_probe(const char *name, char ret_reason[TEE_LINK_ERROR_SIZE])
{
	const struct link_kind *kind = kind_find(name);

	if (!kind)
		return fail_unknown_kind(name, ret_reason);
	return kind->probe(ret_reason);
}

const char *tee_link_notice(struct tee_link *link)
{
	return link->ops->notice ? link->ops->notice(link) : NULL;
}
