/* SPDX-License-Identifier: MIT */
/* Values of code blocks: numbers, texts, tuples, and what operators make of them. */
#ifndef SCRIPT_CODE_VALUE_H
#define SCRIPT_CODE_VALUE_H

#include "code.h"

enum code_kind { CODE_INT, CODE_FLOAT, CODE_TEXT, CODE_TUPLE };

struct code_value {
	enum code_kind kind;
	int64_t number;
	double real;
	const char *text;
	unsigned count;
	struct code_value **items;
};

enum code_operation {
	OP_MUL,
	OP_DIV,
	OP_FLOOR,
	OP_MOD,
	OP_ADD,
	OP_SUB,
	OP_SHL,
	OP_SHR,
	OP_AND,
	OP_XOR,
	OP_OR,
};

struct code_value *code_new(struct arena *arena, enum code_kind kind);
struct code_value *code_new_int(struct arena *arena, int64_t number);
struct code_value *code_new_real(struct arena *arena, double real);
bool code_is_true(const struct code_value *value);
bool code_are_equal(const struct code_value *a, const struct code_value *b);

/* These tell in *ret_error why they can't, and leave it alone when they can. */
struct code_value *code_apply(struct arena *arena, enum code_operation op, struct code_value *a,
			      struct code_value *b, const char **ret_error);
int code_order(const struct code_value *a, const struct code_value *b, const char **ret_error);
bool code_contains(const struct code_value *set, const struct code_value *value,
		   const char **ret_error);

#endif
