/* SPDX-License-Identifier: MIT */
/*
 * What stands for the AF_XDP link (xdp.c) in a build without libxdp and libbpf: the name and the way to
 * get it, instead of "there is no such link".
 */
#include "link/spec.h"

static int none_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	return link_fail(
		ret_reason, -TEE_EOPNOTSUPP,
		"this build is without AF_XDP: install libxdp-dev and libbpf-dev and build "
		"again, or use packet:");
}

static int none_open(const struct link_spec *spec, struct tee_link **ret_link,
		     char ret_error[TEE_LINK_ERROR_SIZE])
{
	(void)spec;
	(void)ret_link;
	return none_probe(ret_error);
}

const struct link_kind link_kind_xdp = {
	.about = {.name = "xdp",
		  .syntax = "xdp:INTERFACE (not in this build)",
		  .summary = LINK_XDP_SUMMARY},
	.keys = LINK_XDP_KEYS,
	.takes_name = true,
	.open = none_open,
	.probe = none_probe,
};
