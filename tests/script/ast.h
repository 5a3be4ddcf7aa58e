/* SPDX-License-Identifier: MIT */
/*
 * What a script in the packetdrill language says, after parsing: options, shell commands that
 * stand for knobs, and a list of events with their times. All of it lives in the script's arena.
 */
#ifndef SCRIPT_AST_H
#define SCRIPT_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that is freed in one go. */
struct arena {
	struct arena_block *blocks;
};
void *arena_alloc(struct arena *arena, size_t size); /* zeroed; never NULL */
char *arena_text(struct arena *arena, const char *from, size_t len);
void arena_free(struct arena *arena);

enum { SCRIPT_ERROR_SIZE = 320 };

/* ---- values in system calls ---- */

enum value_kind {
	VALUE_ELLIPSIS, /* "...": the runner chooses, or it doesn't matter */
	VALUE_INT,      /* a number, or constants joined by "|" */
	VALUE_STRING,
	VALUE_LIST,   /* [a, b] */
	VALUE_STRUCT, /* {name=a, b}: names[i] is NULL where none was given */
	VALUE_CALL,   /* htons(8080) */
};

struct value {
	enum value_kind kind;
	int64_t number;
	char *text; /* string, or the name of a VALUE_CALL */
	size_t text_len;
	unsigned count;
	struct value **items;
	char **names;
};

/* ---- times, in microseconds ---- */

enum time_kind { TIME_ABSOLUTE, TIME_RELATIVE, TIME_ANY, TIME_ABSOLUTE_RANGE, TIME_RELATIVE_RANGE };

struct time_spec {
	enum time_kind kind;
	int64_t us, us_end; /* us_end: of a range "a~b" */
	bool blocking;      /* "a...b": the call starts at a and returns at b */
	int64_t return_us;
};

/* ---- packets ---- */

enum packet_proto { PACKET_TCP, PACKET_UDP, PACKET_ICMP };

enum {
	SEG_FIN = 1,
	SEG_SYN = 2,
	SEG_RST = 4,
	SEG_PSH = 8,
	SEG_ACK = 16,
	SEG_URG = 32,
	SEG_ECE = 64,
	SEG_CWR = 128,
	SEG_AE = 256,
};

enum { ECN_UNSAID = -1, ECN_NONE = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3, ECN_ECT01 = 4 };

struct sack_range {
	uint32_t left, right;
};

enum option_kind {
	OPTION_EOL = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WSCALE = 3,
	OPTION_SACK_OK = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMP = 8,
	OPTION_MD5 = 19,
	OPTION_FASTOPEN = 34,
	OPTION_EXPERIMENT = 254, /* with the fast-open magic: FOEXP */
	OPTION_ACCECN0 = 172,
	OPTION_ACCECN1 = 174,
};

struct tcp_option_spec {
	uint8_t kind;
	bool is_ts_any;      /* "TS val X ecr Y" where a part is "..." */
	bool is_cookie_name; /* the script says TFO_COOKIE */
	bool is_order_any;   /* AccECN without counters, and without a name that tells the order */
	uint32_t number;     /* mss, wscale, TS val */
	uint32_t number2;    /* TS ecr */
	unsigned sack_count;
	struct sack_range sack[4];
	unsigned len; /* bytes of `data`: cookie, digest, payload of an unknown kind */
	uint8_t data[40];
};

enum options_mode { OPTIONS_NONE, OPTIONS_LISTED, OPTIONS_ANY };

enum { OPTION_SPECS_MAX = 40 };

struct packet_spec {
	enum packet_proto proto;
	bool is_inbound;
	int ecn;            /* ECN_… */
	int ttl, tos;       /* -1: not said */
	int64_t flow_label; /* -1: not said */

	/* TCP; `ports` also for UDP */
	uint16_t src_port, dst_port; /* 0: the connection's */
	unsigned flags;
	bool is_ace_set;      /* flags carried an ACE count */
	bool is_absolute_seq; /* "!": seq is what stands on the wire */
	uint32_t seq, seq_end, payload_len;
	bool has_ack, has_window;
	uint32_t ack, window, urgent;
	enum options_mode options_mode;
	unsigned option_count;
	struct tcp_option_spec *options;

	/* ICMP */
	int icmp_type, icmp_code;
	int64_t icmp_mtu; /* -1: not said */
	bool has_quoted;
	enum packet_proto quoted_proto;
};

/* ---- system calls ---- */

struct call_spec {
	char *name;
	unsigned arg_count;
	struct value **args;
	struct value *result; /* VALUE_ELLIPSIS for "?" */
	char *error_name;     /* "EAGAIN" after -1; NULL: not said */
	int error;            /* Linux' number of it */
	char *note;           /* what stood in parentheses */
};

/* ---- events ---- */

enum event_kind { EVENT_PACKET, EVENT_CALL, EVENT_COMMAND, EVENT_CODE };

struct event {
	enum event_kind kind;
	int line;
	struct time_spec time;
	struct packet_spec *packet;
	struct call_spec *call;
	char *text;   /* command or code */
	char *source; /* the script's own words, for messages */
};

struct script_option {
	char *name, *value; /* without "--"; value "" when none */
	int line;
};

struct script {
	struct arena arena;
	char *path;
	char *text;
	unsigned option_count;
	struct script_option *options;
	char *init_command; /* the backtick command at the head; NULL: none */
	int init_line;
	unsigned event_count;
	struct event *events;
	char error[SCRIPT_ERROR_SIZE]; /* "file:line: message" when reading failed */
};

/*
 * Reads a file. On failure returns NULL and leaves "file:line: message" in `error`.
 */
struct script *script_read(const char *path, char error[SCRIPT_ERROR_SIZE]);
/* The same from memory; `path` is for messages. */
struct script *script_parse(const char *path, const char *text, char error[SCRIPT_ERROR_SIZE]);
void script_free(struct script *script);

#endif
