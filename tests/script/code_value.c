/* SPDX-License-Identifier: MIT */
/*
 * Values of code blocks. As in Python, "/" of integers is a fraction, "//" and "%" round down, and
 * bits are for integers only. A text with an operator is a message in the making: it stays a text.
 */
#include "code_value.h"

#include <math.h>
#include <string.h>

struct code_value *code_new(struct arena *arena, enum code_kind kind)
{
	struct code_value *value = arena_alloc(arena, sizeof(*value));

	value->kind = kind;
	return value;
}

struct code_value *code_new_int(struct arena *arena, int64_t number)
{
	struct code_value *value = code_new(arena, CODE_INT);

	value->number = number;
	value->real = (double)number;
	return value;
}

struct code_value *code_new_real(struct arena *arena, double real)
{
	struct code_value *value = code_new(arena, CODE_FLOAT);

	value->real = real;
	value->number = (int64_t)real;
	return value;
}

bool code_is_true(const struct code_value *value)
{
	switch (value->kind) {
	case CODE_INT: return value->number != 0;
	case CODE_FLOAT: return value->real != 0;
	case CODE_TEXT: return *value->text != '\0';
	case CODE_TUPLE: return value->count != 0;
	}
	return false;
}

static double apply_real(enum code_operation op, double a, double b, const char **ret_error)
{
	switch (op) {
	case OP_MUL: return a * b;
	case OP_DIV: return a / b;
	case OP_FLOOR: return floor(a / b);
	case OP_MOD: return a - floor(a / b) * b;
	case OP_ADD: return a + b;
	case OP_SUB: return a - b;
	default: *ret_error = "bits of a fraction"; return 0;
	}
}

/* Python rounds quotients down, and the remainder has the divisor's sign. */
static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t apply_int(enum code_operation op, int64_t a, int64_t b)
{
	switch (op) {
	case OP_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
	case OP_FLOOR: return floor_divide(a, b);
	case OP_MOD: return a - floor_divide(a, b) * b;
	case OP_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
	case OP_SUB: return (int64_t)((uint64_t)a - (uint64_t)b);
	case OP_SHL: return (int64_t)((uint64_t)a << (b & 63));
	case OP_SHR: return a >> (b & 63);
	case OP_AND: return a & b;
	case OP_XOR: return a ^ b;
	case OP_OR: return a | b;
	case OP_DIV: break;
	}
	return 0;
}

struct code_value *code_apply(struct arena *arena, enum code_operation op, struct code_value *a,
			      struct code_value *b, const char **ret_error)
{
	if (a->kind == CODE_TEXT && (op == OP_MOD || op == OP_ADD))
		return a;
	if (a->kind >= CODE_TEXT || b->kind >= CODE_TEXT) {
		*ret_error = "arithmetic with what is no number";
		return a;
	}
	if ((op == OP_DIV || op == OP_FLOOR || op == OP_MOD) && b->real == 0) {
		*ret_error = "division by zero";
		return a;
	}
	if (a->kind == CODE_FLOAT || b->kind == CODE_FLOAT || op == OP_DIV)
		return code_new_real(arena, apply_real(op, a->real, b->real, ret_error));
	return code_new_int(arena, apply_int(op, a->number, b->number));
}

bool code_are_equal(const struct code_value *a, const struct code_value *b)
{
	if (a->kind == CODE_TEXT || b->kind == CODE_TEXT)
		return a->kind == b->kind && !strcmp(a->text, b->text);
	if (a->kind == CODE_TUPLE || b->kind == CODE_TUPLE) {
		if (a->kind != b->kind || a->count != b->count)
			return false;
		for (unsigned i = 0; i < a->count; i++)
			if (!code_are_equal(a->items[i], b->items[i]))
				return false;
		return true;
	}
	if (a->kind == CODE_FLOAT || b->kind == CODE_FLOAT)
		return a->real == b->real;
	return a->number == b->number;
}

int code_order(const struct code_value *a, const struct code_value *b, const char **ret_error)
{
	if (a->kind >= CODE_TEXT || b->kind >= CODE_TEXT) {
		*ret_error = "order of what are no numbers";
		return 0;
	}
	if (a->kind == CODE_FLOAT || b->kind == CODE_FLOAT)
		return (a->real > b->real) - (a->real < b->real);
	return (a->number > b->number) - (a->number < b->number);
}

bool code_contains(const struct code_value *set, const struct code_value *value,
		   const char **ret_error)
{
	if (set->kind != CODE_TUPLE) {
		*ret_error = "'in' needs a tuple or a list";
		return false;
	}
	for (unsigned i = 0; i < set->count; i++)
		if (code_are_equal(set->items[i], value))
			return true;
	return false;
}
