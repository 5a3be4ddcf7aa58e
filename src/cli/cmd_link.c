// SPDX-License-Identifier: MIT
/*
 * `teeceepee link`: every kind of link, and whether it works here and now for this user, with the
 * reason and the remedy when it doesn't. `teeceepee link LINK` opens that one, and tells what it offers and
 * which of its ways it took (its counters say so), without a stack and without a frame sent.
 */
#include <inttypes.h>

#include "cli/cli.h"

static void print_json(FILE *out, const struct tee_link_kind *kind, int result, const char *reason,
		       bool is_first)
{
	fputs(is_first ? "{\"name\":" : ",{\"name\":", out);
	cli_json_string(out, kind->name);
	fputs(",\"syntax\":", out);
	cli_json_string(out, kind->syntax);
	fputs(",\"summary\":", out);
	cli_json_string(out, kind->summary);
	fprintf(out, ",\"works\":%s", result >= 0 ? "true" : "false");
	if (result < 0) {
		fputs(",\"reason\":", out);
		cli_json_string(out, reason);
	}
	fputs("}", out);
}

static void print_text(FILE *out, const struct cli_style *style, const struct tee_link_kind *kind,
		       int result, const char *reason)
{
	fprintf(out, "%s%-8s%s %s%s%s  %s\n", style->bold, kind->name, style->reset,
		result >= 0 ? style->green : style->yellow, result >= 0 ? "works" : "no   ",
		style->reset, kind->summary);
	fprintf(out, "         --link %s\n", kind->syntax);
	if (result < 0)
		fprintf(out, "         %s\n", reason);
}

/* ---- one link ---- */

static void print_mac(FILE *out, const struct tee_mac *mac)
{
	for (unsigned i = 0; i < 6; i++)
		fprintf(out, "%s%02x", i > 0 ? ":" : "", mac->byte[i]);
}

static void print_address(FILE *out, const struct tee_ip *ip, unsigned prefix_bits,
			  const struct tee_ip *gateway)
{
	char text[TEE_IP_TEXT_SIZE];

	fprintf(out, "  address   %s/%u", tee_ip_format(ip, text), prefix_bits);
	if (!tee_ip_is_any(gateway))
		fprintf(out, " by %s", tee_ip_format(gateway, text));
	fputs("\n", out);
}

static void print_offloads(FILE *out, unsigned offloads)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{TEE_OFFLOAD_TX_CHECKSUM, "checksums"},
		{TEE_OFFLOAD_TSO4, "super-frames of IPv4"},
		{TEE_OFFLOAD_TSO6, "super-frames of IPv6"},
		{TEE_OFFLOAD_RX_TRUSTED, "what comes in is believed"},
	};
	const char *between = "  offloads  ";

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (offloads & names[i].bit) {
			fprintf(out, "%s%s", between, names[i].name);
			between = ", ";
		}
	fputs(offloads ? "\n" : "  offloads  none\n", out);
}

static void print_link_text(FILE *out, const struct cli_style *style, struct tee_link *link)
{
	const struct tee_link_info *info = &link->info;
	const char *name;
	uint64_t value;

	fprintf(out, "%s%s%s\n", style->bold, info->name, style->reset);
	if (info->kind == TEE_NETIF_ETHERNET) {
		fputs("  MAC       ", out);
		print_mac(out, &info->mac);
		fputs(info->shares_mac ? " (the host's too)\n" : "\n", out);
	}
	fprintf(out, "  MTU       %u\n", info->mtu);
	print_offloads(out, info->offloads);
	if (info->how[0])
		fprintf(out, "  way       %s\n", info->how);
	if (info->has_ip4)
		print_address(out, &info->ip4, info->prefix4_bits, &info->gateway4);
	if (info->has_ip6)
		print_address(out, &info->ip6, info->prefix6_bits, &info->gateway6);
	if (info->shares_address)
		fprintf(out, "  ports     %u-%u, and those that are listened on\n", info->port_min,
			info->port_max);
	for (unsigned i = 0; link->ops->counter && link->ops->counter(link, i, &name, &value); i++)
		if (value)
			fprintf(out, "  %-9s %" PRIu64 "\n", name, value);
}

static void print_link_json(FILE *out, struct tee_link *link)
{
	const struct tee_link_info *info = &link->info;
	char ip4[TEE_IP_TEXT_SIZE] = "", ip6[TEE_IP_TEXT_SIZE] = "";
	const char *name;
	uint64_t value;

	if (info->has_ip4)
		tee_ip_format(&info->ip4, ip4);
	if (info->has_ip6)
		tee_ip_format(&info->ip6, ip6);
	fputs("{\"name\":", out);
	cli_json_string(out, info->name);
	fputs(",\"how\":", out);
	cli_json_string(out, info->how);
	fputs(",\"mac\":\"", out);
	print_mac(out, &info->mac);
	fprintf(out,
		"\",\"shares_mac\":%s,\"mtu\":%u,\"offloads\":%u,\"ip4\":\"%s\",\"ip6\":\"%s\","
		"\"shares_address\":%s,\"port_min\":%u,\"port_max\":%u,\"counters\":{",
		info->shares_mac ? "true" : "false", info->mtu, info->offloads, ip4, ip6,
		info->shares_address ? "true" : "false", info->port_min, info->port_max);
	for (unsigned i = 0; link->ops->counter && link->ops->counter(link, i, &name, &value); i++)
		fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", name, value);
	fputs("}}\n", out);
}

static int open_one(const struct cli *cli)
{
	char error[TEE_LINK_ERROR_SIZE];
	struct tee_link *link;
	const char *notice;
	int result = tee_link_open(cli->config.link, &link, error);

	if (result < 0)
		return cli_fail(cli, cli_exit_of_open(result, cli->config.link), "%s", error);
	if (cli->wants_json)
		print_link_json(stdout, link);
	else
		print_link_text(stdout, cli_style(cli->color, stdout), link);
	while ((notice = tee_link_notice(link)) != NULL)
		cli_fail(cli, 0, "%s", notice);
	tee_link_close(link);
	return CLI_EXIT_OK;
}

/* ---- all kinds ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case 'j': cli->wants_json = true; return 0;
	case ARGP_KEY_ARG:
		if (cli->config.link)
			argp_error(state, "'%s': one link at a time", arg);
		cli->config.link = arg;
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

int cmd_link(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"json", 'j', NULL, 0, "Print JSON", 0},
		{0},
	};
	static const struct argp argp = {
		options,
		parse,
		"[LINK]",
		"List the kinds of link, and which of them work on this machine for this user. Or open "
		"LINK, such as xdp:eth0, and tell what it offers.",
		NULL,
		NULL,
		NULL,
	};
	char reason[TEE_LINK_ERROR_SIZE];
	struct tee_link_kind kind;
	struct cli cli;

	cli_init(&cli, argv[0]);
	cli_parse(&argp, argc, argv, &cli);
	if (cli.config.link)
		return open_one(&cli);
	if (cli.wants_json)
		fputs("[", stdout);
	for (unsigned i = 0; tee_link_kind(i, &kind); i++) {
		int result;

		reason[0] = '\0';
		result = tee_link_probe(kind.name, reason);
		if (cli.wants_json)
			print_json(stdout, &kind, result, reason, i == 0);
		else
			print_text(stdout, cli_style(cli.color, stdout), &kind, result, reason);
	}
	if (cli.wants_json)
		fputs("]\n", stdout);
	return CLI_EXIT_OK;
}
