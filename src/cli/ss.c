// SPDX-License-Identifier: MIT
/*
 * The stack's sockets in the manner of ss(8): one row a socket, TCP connections with a second line of
 * what the connection knows of its path.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

static const char *type_name(int type)
{
	return type == TEE_SOCKET_TCP ? "tcp" : type == TEE_SOCKET_UDP ? "udp" : "icmp";
}

/* ss writes states with dashes: SYN-SENT, TIME-WAIT. */
static const char *state_name(const struct tee_socket_entry *entry)
{
	return entry->type == TEE_SOCKET_TCP ? tee_tcp_state_name(entry->tcp.state) : "UNCONN";
}

static const char *endpoint_text(const struct tee_endpoint *endpoint,
				 char text[TEE_ENDPOINT_TEXT_SIZE])
{
	char ip[TEE_IP_TEXT_SIZE];

	if (endpoint->port && !tee_ip_is_any(&endpoint->ip))
		return tee_endpoint_format(endpoint, text);
	tee_ip_format(&endpoint->ip, ip);
	if (endpoint->port)
		snprintf(text, TEE_ENDPOINT_TEXT_SIZE, "%s:%u",
			 tee_ip_is_any(&endpoint->ip) ? "*" : ip, endpoint->port);
	else
		snprintf(text, TEE_ENDPOINT_TEXT_SIZE, "%s:*",
			 tee_ip_is_any(&endpoint->ip) ? "*" : ip);
	return text;
}

static bool has_path(const struct tee_socket_entry *entry)
{
	return entry->type == TEE_SOCKET_TCP && entry->tcp.state != TEE_TCP_LISTEN &&
	       entry->tcp.state != TEE_TCP_TIME_WAIT && entry->tcp.state != TEE_TCP_CLOSED;
}

static double ms(uint64_t ns)
{
	return (double)ns / (double)TEE_NS_PER_MS;
}

static void print_path(FILE *out, const struct tee_tcp_info *tcp)
{
	fprintf(out, "      %s", tcp->cc);
	if (tcp->options & TEE_TCP_HAS_TIMESTAMPS)
		fputs(" ts", out);
	if (tcp->options & TEE_TCP_HAS_SACK)
		fputs(" sack", out);
	if (tcp->options & TEE_TCP_HAS_ECN)
		fputs(" ecn", out);
	if (tcp->options & TEE_TCP_HAS_WSCALE)
		fprintf(out, " wscale:%u,%u", tcp->snd_wscale, tcp->rcv_wscale);
	fprintf(out, " rto:%.3f rtt:%.3f/%.3f mss:%u pmtu:%u cwnd:%u", ms(tcp->rto_ns),
		ms(tcp->rtt_ns), ms(tcp->rttvar_ns), tcp->snd_mss, tcp->pmtu, tcp->snd_cwnd_segs);
	if (tcp->snd_ssthresh_segs < 0x7fffffff)
		fprintf(out, " ssthresh:%u", tcp->snd_ssthresh_segs);
	fprintf(out, " bytes_sent:%" PRIu64, tcp->bytes_sent);
	if (tcp->bytes_retrans)
		fprintf(out, " bytes_retrans:%" PRIu64, tcp->bytes_retrans);
	fprintf(out, " bytes_acked:%" PRIu64 " bytes_received:%" PRIu64 " segs_out:%u segs_in:%u",
		tcp->bytes_acked, tcp->bytes_received, tcp->segs_out, tcp->segs_in);
	if (tcp->delivery_rate)
		fprintf(out, " delivery_rate:%.1fMbit/s", (double)tcp->delivery_rate * 8 / 1e6);
	if (tcp->total_retrans_segs)
		fprintf(out, " retrans:%u/%u", tcp->retrans_out_segs, tcp->total_retrans_segs);
	if (tcp->rcv_ooopack)
		fprintf(out, " rcv_ooopack:%u", tcp->rcv_ooopack);
	fprintf(out, " rcv_wnd:%u snd_wnd:%u\n", tcp->rcv_wnd, tcp->snd_wnd);
}

static void print_row(FILE *out, const struct tee_socket_entry *entry)
{
	char local[TEE_ENDPOINT_TEXT_SIZE], remote[TEE_ENDPOINT_TEXT_SIZE];

	fprintf(out, "%-5s %-11s %-7u %-7u %-27s %-27s", type_name(entry->type), state_name(entry),
		entry->recvq, entry->sendq, endpoint_text(&entry->local, local),
		endpoint_text(&entry->remote, remote));
	if (entry->timer_name && entry->timer_name[0])
		fprintf(out, " timer:(%s,%.0fms)", entry->timer_name, ms(entry->timer_left_ns));
	fputs("\n", out);
	if (has_path(entry))
		print_path(out, &entry->tcp);
}

static void print_json_row(FILE *out, const struct tee_socket_entry *entry)
{
	char local[TEE_ENDPOINT_TEXT_SIZE], remote[TEE_ENDPOINT_TEXT_SIZE];
	const struct tee_tcp_info *tcp = &entry->tcp;

	fprintf(out,
		"{\"netid\":\"%s\",\"state\":\"%s\",\"recvq\":%u,\"sendq\":%u,\"local\":\"%s\","
		"\"remote\":\"%s\"",
		type_name(entry->type), state_name(entry), entry->recvq, entry->sendq,
		endpoint_text(&entry->local, local), endpoint_text(&entry->remote, remote));
	if (entry->timer_name && entry->timer_name[0])
		fprintf(out, ",\"timer\":\"%s\",\"timer_left_ns\":%" PRIu64, entry->timer_name,
			entry->timer_left_ns);
	if (has_path(entry)) {
		fputs(",\"cc\":", out);
		cli_json_string(out, tcp->cc);
		fprintf(out,
			",\"rtt_ns\":%" PRIu64 ",\"rttvar_ns\":%" PRIu64 ",\"rto_ns\":%" PRIu64
			",\"mss\":%u,\"pmtu\":%u,\"cwnd_bytes\":%" PRIu64 ",\"bytes_sent\":%" PRIu64
			",\"bytes_retrans\":%" PRIu64 ",\"bytes_acked\":%" PRIu64
			",\"bytes_received\":%" PRIu64
			",\"segs_out\":%u,\"segs_in\":%u,\"delivery_rate\":%" PRIu64,
			tcp->rtt_ns, tcp->rttvar_ns, tcp->rto_ns, tcp->snd_mss, tcp->pmtu,
			tcp->cwnd_bytes, tcp->bytes_sent, tcp->bytes_retrans, tcp->bytes_acked,
			tcp->bytes_received, tcp->segs_out, tcp->segs_in, tcp->delivery_rate);
	}
	fputs("}", out);
}

void cli_print_sockets(FILE *out, struct tee_stack *stack, bool as_json)
{
	struct tee_socket_entry entry;
	bool is_first = true;

	if (as_json)
		fputs("{\"sockets\":[", out);
	else
		fprintf(out, "%-5s %-11s %-7s %-7s %-27s %-27s\n", "Netid", "State", "Recv-Q",
			"Send-Q", "Local", "Peer");
	for (uint64_t cursor = 0; tee_socket_list(stack, &cursor, &entry); is_first = false) {
		if (as_json && !is_first)
			fputs(",", out);
		if (as_json)
			print_json_row(out, &entry);
		else
			print_row(out, &entry);
	}
	if (as_json)
		fputs("]}\n", out);
}

void cli_print_counters(FILE *out, struct tee_stack *stack, bool as_json)
{
	const char *name;
	uint64_t value;
	bool is_first = true;

	if (as_json)
		fputs("{\"counters\":{", out);
	for (unsigned i = 0; tee_counter(stack, i, &name, &value); i++) {
		if (as_json)
			fprintf(out, "%s\"%s\":%" PRIu64, is_first ? "" : ",", name, value);
		else if (value)
			fprintf(out, "%12" PRIu64 "  %s\n", value, name);
		is_first = false;
	}
	if (as_json)
		fputs("}}\n", out);
}
