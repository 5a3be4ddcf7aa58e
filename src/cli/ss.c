// SPDX-License-Identifier: MIT
/*
 * The stack's sockets in the manner of ss(8): one row a socket, TCP connections with a second line of
 * what the connection knows of its path.
 *
 * Who holds a socket is found as ss(8) finds it, in /proc/PID/fd: a program's socket is a descriptor of its
 * own (src/run), whose inode the daemon tells. So every process that shares it is named, and none that
 * has closed it.
 */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "daemon/ask.h"
#include "host/host.h"

/* A descriptor of a process, and the socket behind it. */
struct user {
	uint64_t inode;
	int pid, fd;
	char name[16];
};

struct users {
	struct user *items;
	size_t count, size;
};

static const char *type_name(int type)
{
	return type == TEE_SOCKET_TCP ? "tcp" : type == TEE_SOCKET_UDP ? "udp" : "icmp";
}

/* What a row tells. `any` is how a socket of its kind writes that it has no address yet. */
struct row {
	const struct tee_socket_entry *entry;
	const char *any;
	const struct user *users;
	size_t user_count;
};

static bool has_peer(const struct tee_socket_entry *entry)
{
	return entry->remote.port || !tee_ip_is_any(&entry->remote.ip);
}

/* As ss(8) calls them. */
static const char *state_name(const struct tee_socket_entry *entry)
{
	if (entry->type != TEE_SOCKET_TCP)
		return has_peer(entry) ? "ESTAB" : "UNCONN";
	switch (entry->tcp.state) {
	case TEE_TCP_ESTABLISHED: return "ESTAB";
	case TEE_TCP_SYN_RECEIVED: return "SYN-RECV";
	case TEE_TCP_CLOSED: return "UNCONN";
	default: return tee_tcp_state_name(entry->tcp.state);
	}
}

static const char *endpoint_text(const struct tee_endpoint *endpoint, const char *any,
				 char text[TEE_ENDPOINT_TEXT_SIZE])
{
	char ip[TEE_IP_TEXT_SIZE];

	if (endpoint->port && !tee_ip_is_any(&endpoint->ip))
		return tee_endpoint_format(endpoint, text);
	tee_ip_format(&endpoint->ip, ip);
	if (endpoint->port)
		snprintf(text, TEE_ENDPOINT_TEXT_SIZE, "%s:%u",
			 tee_ip_is_any(&endpoint->ip) ? any : ip, endpoint->port);
	else
		snprintf(text, TEE_ENDPOINT_TEXT_SIZE, "%s:*",
			 tee_ip_is_any(&endpoint->ip) ? any : ip);
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

static void print_header(FILE *out, bool has_type, bool has_users)
{
	if (has_type)
		fprintf(out, "%-5s ", "Netid");
	fprintf(out, "%-11s %-7s %-7s %-27s %-27s%s\n", "State", "Recv-Q", "Send-Q",
		"Local Address:Port", "Peer Address:Port", has_users ? " Process" : "");
}

static void print_users(FILE *out, const struct user *users, size_t count)
{
	if (count > 0)
		fputs(" users:(", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s(\"%s\",pid=%d,fd=%d)", i ? "," : "", users[i].name, users[i].pid,
			users[i].fd);
	if (count > 0)
		fputs(")", out);
}

static void print_row(FILE *out, const struct ss_view *view, const struct row *row)
{
	const struct tee_socket_entry *entry = row->entry;
	char local[TEE_ENDPOINT_TEXT_SIZE], remote[TEE_ENDPOINT_TEXT_SIZE];

	if (!view->hides_tcp && !view->hides_udp)
		fprintf(out, "%-5s ", type_name(entry->type));
	fprintf(out, "%-11s %-7u %-7u %-27s %-27s", state_name(entry), entry->recvq, entry->sendq,
		endpoint_text(&entry->local, row->any, local),
		endpoint_text(&entry->remote, row->any, remote));
	if (entry->timer_name && entry->timer_name[0])
		fprintf(out, " timer:(%s,%.0fms)", entry->timer_name, ms(entry->timer_left_ns));
	print_users(out, row->users, row->user_count);
	fputs("\n", out);
	if (view->wants_info && has_path(entry))
		print_path(out, &entry->tcp);
}

static void print_json_users(FILE *out, const struct user *users, size_t count)
{
	fputs(",\"users\":[", out);
	for (size_t i = 0; i < count; i++) {
		fputs(i ? ",{\"name\":" : "{\"name\":", out);
		cli_json_string(out, users[i].name);
		fprintf(out, ",\"pid\":%d,\"fd\":%d}", users[i].pid, users[i].fd);
	}
	fputs("]", out);
}

static void print_json_row(FILE *out, const struct ss_view *view, const struct row *row)
{
	const struct tee_socket_entry *entry = row->entry;
	char local[TEE_ENDPOINT_TEXT_SIZE], remote[TEE_ENDPOINT_TEXT_SIZE];
	const struct tee_tcp_info *tcp = &entry->tcp;

	fprintf(out,
		"{\"netid\":\"%s\",\"state\":\"%s\",\"recvq\":%u,\"sendq\":%u,\"local\":\"%s\","
		"\"remote\":\"%s\"",
		type_name(entry->type), state_name(entry), entry->recvq, entry->sendq,
		endpoint_text(&entry->local, row->any, local),
		endpoint_text(&entry->remote, row->any, remote));
	if (entry->timer_name && entry->timer_name[0])
		fprintf(out, ",\"timer\":\"%s\",\"timer_left_ns\":%" PRIu64, entry->timer_name,
			entry->timer_left_ns);
	if (view->wants_processes)
		print_json_users(out, row->users, row->user_count);
	if (view->wants_info && has_path(entry)) {
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

/* ---- who holds what ---- */

static void add_user(struct users *users, const struct user *user)
{
	if (users->count == users->size) {
		size_t size = users->size ? 2 * users->size : 256;
		struct user *grown = realloc(users->items, size * sizeof(*grown));

		if (!grown)
			return;
		users->items = grown;
		users->size = size;
	}
	users->items[users->count++] = *user;
}

static void read_name(struct user *user)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", user->pid);
	file = fopen(path, "re");
	if (!file || !fgets(user->name, sizeof(user->name), file))
		snprintf(user->name, sizeof(user->name), "?");
	user->name[strcspn(user->name, "\n")] = '\0';
	if (file)
		fclose(file);
}

static void add_process(struct users *users, int pid)
{
	struct user user = {.pid = pid};
	struct dirent *entry;
	char path[64], link[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		if (strncmp(link, "socket:[", 8) != 0)
			continue;
		user.inode = strtoull(link + 8, NULL, 10);
		user.fd = (int)strtol(entry->d_name, NULL, 10);
		if (!user.name[0])
			read_name(&user);
		add_user(users, &user);
	}
	if (dir)
		closedir(dir);
}

static int compare_users(const void *a, const void *b)
{
	const struct user *left = a, *right = b;

	if (left->inode != right->inode)
		return left->inode < right->inode ? -1 : 1;
	return left->pid != right->pid ? left->pid - right->pid : left->fd - right->fd;
}

/* All sockets of all processes that we may look into, those of one socket side by side. */
static void find_users(struct users *users)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			add_process(users, (int)strtol(entry->d_name, NULL, 10));
	if (dir)
		closedir(dir);
	if (users->count > 0)
		qsort(users->items, users->count, sizeof(*users->items), compare_users);
}

/* Those of one socket; NULL: nobody. */
static const struct user *users_of(const struct users *users, uint64_t inode, size_t *ret_count)
{
	size_t low = 0, high = users->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (users->items[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; inode && end < users->count && users->items[end].inode == inode;)
		end++;
	*ret_count = end - low;
	return end > low ? &users->items[low] : NULL;
}

/* ---- which, and how ---- */

/* As ss(8) has it: without -l and -a neither listeners nor what is no socket any more, or not yet. */
static bool is_shown(const struct ss_view *view, const struct tee_socket_entry *entry)
{
	bool is_tcp = entry->type == TEE_SOCKET_TCP;
	bool listens = is_tcp ? entry->tcp.state == TEE_TCP_LISTEN : !has_peer(entry);

	if (is_tcp ? view->hides_tcp : view->hides_udp)
		return false;
	if (view->wants_all)
		return true;
	if (view->wants_listening)
		return listens;
	return !listens && (!is_tcp || (entry->tcp.state != TEE_TCP_TIME_WAIT &&
					entry->tcp.state != TEE_TCP_SYN_RECEIVED &&
					entry->tcp.state != TEE_TCP_CLOSED));
}

/* As ss(8): a star takes both families. */
static const char *any_of(const struct daemon_socket *socket)
{
	return socket->family == TEE_FAMILY_IPV4   ? "0.0.0.0"
	       : socket->family == TEE_FAMILY_IPV6 ? "[::]"
						   : "*";
}

void ss_print(FILE *out, const struct ss_view *view, const struct daemon_socket *sockets,
	      size_t count)
{
	struct users users = {0};
	bool is_first = true;

	if (view->wants_processes)
		find_users(&users);
	if (view->wants_json)
		fputs("{\"sockets\":[", out);
	else if (!view->has_no_header)
		print_header(out, !view->hides_tcp && !view->hides_udp, view->wants_processes);
	for (size_t i = 0; i < count; i++) {
		struct tee_socket_entry entry = sockets[i].entry;
		struct row row = {.entry = &entry, .any = any_of(&sockets[i])};

		entry.timer_name = sockets[i].timer;
		if (!is_shown(view, &entry))
			continue;
		row.users = users_of(&users, sockets[i].inode, &row.user_count);
		if (view->wants_json && !is_first)
			fputs(",", out);
		is_first = false;
		if (view->wants_json)
			print_json_row(out, view, &row);
		else
			print_row(out, view, &row);
	}
	if (view->wants_json)
		fputs("]}\n", out);
	free(users.items);
}

void cli_print_sockets(FILE *out, struct tee_stack *stack, bool as_json)
{
	const struct ss_view view = {.wants_all = true, .wants_info = true};
	struct tee_socket_entry entry;
	const struct row row = {.entry = &entry, .any = "*"};
	bool is_first = true;

	if (as_json)
		fputs("{\"sockets\":[", out);
	else
		print_header(out, true, false);
	for (uint64_t cursor = 0; tee_socket_list(stack, &cursor, &entry); is_first = false) {
		if (as_json && !is_first)
			fputs(",", out);
		if (as_json)
			print_json_row(out, &view, &row);
		else
			print_row(out, &view, &row);
	}
	if (as_json)
		fputs("]}\n", out);
}

static void print_counter(FILE *out, const char *name, uint64_t value, bool as_json, bool *is_first)
{
	if (as_json)
		fprintf(out, "%s\"%s\":%" PRIu64, *is_first ? "" : ",", name, value);
	else if (value)
		fprintf(out, "%12" PRIu64 "  %s\n", value, name);
	*is_first = false;
}

void cli_print_counters(FILE *out, struct tee_host *host, bool as_json)
{
	struct tee_link *link = host->link;
	const char *name;
	uint64_t value;
	bool is_first = true;

	if (as_json)
		fputs("{\"counters\":{", out);
	for (unsigned i = 0; tee_counter(host->stack, i, &name, &value); i++)
		print_counter(out, name, value, as_json, &is_first);
	for (unsigned i = 0; link->ops->counter && link->ops->counter(link, i, &name, &value); i++)
		print_counter(out, name, value, as_json, &is_first);
	if (as_json)
		fputs("}}\n", out);
}
