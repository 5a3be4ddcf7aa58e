/* SPDX-License-Identifier: MIT */
/*
 * Red-black tree, after Cormen, Leiserson, Rivest and Stein, chapter 13, without a sentinel: a missing
 * child is NULL and counts as black. The colour lives in bit 0 of the parent pointer (nodes are aligned
 * to more than that), so that a node is three words.
 *
 * The rules that rb_check() holds: the root is black; a red node has black children; every way from a
 * node down to a missing child passes the same number of black nodes. Thus no way is more than twice
 * as long as another.
 */
#include "base/rbtree.h"
#include "base/check.h"

enum { RED = 0, BLACK = 1 };

static struct rb_node *parent_of(const struct rb_node *node)
{
	return (struct rb_node *)(node->parent_color & ~(uintptr_t)1);
}

static bool is_red(const struct rb_node *node)
{
	return node && !(node->parent_color & BLACK);
}

static void set_parent(struct rb_node *node, struct rb_node *parent)
{
	node->parent_color = (uintptr_t)parent | (node->parent_color & 1);
}

static void set_color(struct rb_node *node, unsigned color)
{
	node->parent_color = (node->parent_color & ~(uintptr_t)1) | color;
}

/* Puts `to` into the place that `from` has below `parent`. */
static void replace_child(struct rb_tree *tree, struct rb_node *parent, const struct rb_node *from,
			  struct rb_node *to)
{
	if (!parent)
		tree->root = to;
	else if (parent->left == from)
		parent->left = to;
	else
		parent->right = to;
}

/* Turns the edge between `node` and one of its children; the child comes out on top. */
static void rotate(struct rb_tree *tree, struct rb_node *node, bool to_left)
{
	struct rb_node *child = to_left ? node->right : node->left;
	struct rb_node *inner = to_left ? child->left : child->right;
	struct rb_node *parent = parent_of(node);

	if (to_left) {
		node->right = inner;
		child->left = node;
	} else {
		node->left = inner;
		child->right = node;
	}
	if (inner)
		set_parent(inner, node);
	replace_child(tree, parent, node, child);
	set_parent(child, parent);
	set_parent(node, child);
}

void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent,
	       struct rb_node **link)
{
	node->left = node->right = NULL;
	node->parent_color = (uintptr_t)parent | RED;
	*link = node;

	while (is_red(parent)) {
		struct rb_node *grandparent =
			parent_of(parent); /* there, since the root is black */
		bool is_left = grandparent->left == parent;
		struct rb_node *uncle = is_left ? grandparent->right : grandparent->left;

		if (is_red(uncle)) {
			set_color(parent, BLACK);
			set_color(uncle, BLACK);
			set_color(grandparent, RED);
			node = grandparent;
			parent = parent_of(node);
			continue;
		}
		if (node == (is_left ? parent->right : parent->left)) {
			/* an inner grandchild: make it an outer one */
			rotate(tree, parent, is_left);
			parent = node;
		}
		set_color(parent, BLACK);
		set_color(grandparent, RED);
		rotate(tree, grandparent, !is_left);
		break;
	}
	set_color(tree->root, BLACK);
}

/* Ways through `node`, a child of `parent` and maybe NULL, are one black short: mends it. */
static void rebalance_after_remove(struct rb_tree *tree, struct rb_node *node,
				   struct rb_node *parent)
{
	while (parent && !is_red(node)) {
		bool is_left = parent->left == node;
		struct rb_node *sibling = is_left ? parent->right : parent->left;
		struct rb_node *outer, *inner;

		if (is_red(sibling)) {
			set_color(sibling, BLACK);
			set_color(parent, RED);
			rotate(tree, parent, is_left);
			sibling = is_left ? parent->right : parent->left;
		}
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a doubly black node has a sibling */
		outer = is_left ? sibling->right : sibling->left;
		inner = is_left ? sibling->left : sibling->right;
		if (!is_red(outer) && !is_red(inner)) {
			set_color(sibling, RED);
			node = parent;
			parent = parent_of(node);
			continue;
		}
		if (!is_red(outer)) {
			set_color(inner, BLACK);
			set_color(sibling, RED);
			rotate(tree, sibling, !is_left);
			outer = sibling;
			sibling = inner;
		}
		set_color(sibling, is_red(parent) ? RED : BLACK);
		set_color(parent, BLACK);
		set_color(outer, BLACK);
		rotate(tree, parent, is_left);
		return;
	}
	if (node)
		set_color(node, BLACK);
}

void rb_remove(struct rb_tree *tree, struct rb_node *node)
{
	struct rb_node *parent = parent_of(node);
	struct rb_node *child;
	bool was_red = is_red(node);

	if (!node->left || !node->right) {
		child = node->left ? node->left : node->right;
		replace_child(tree, parent, node, child);
		if (child)
			set_parent(child, parent);
	} else {
		/* The next node in order has no left child; it takes the place and the colour. */
		struct rb_node *next = node->right;
		struct rb_node *next_parent;

		while (next->left)
			next = next->left;
		was_red = is_red(next);
		child = next->right;
		next_parent = parent_of(next);
		if (next_parent == node) {
			next_parent = next;
		} else {
			next_parent->left = child;
			if (child)
				set_parent(child, next_parent);
			next->right = node->right;
			set_parent(next->right, next);
		}
		next->left = node->left;
		set_parent(next->left, next);
		next->parent_color = node->parent_color;
		replace_child(tree, parent, node, next);
		parent = next_parent;
	}
	if (!was_red)
		rebalance_after_remove(tree, child, parent);
	*node = (struct rb_node){0};
}

static struct rb_node *outermost(struct rb_node *node, bool on_left)
{
	struct rb_node *below = node;

	while (below) {
		node = below;
		below = on_left ? node->left : node->right;
	}
	return node;
}

struct rb_node *rb_first(const struct rb_tree *tree)
{
	return outermost(tree->root, true);
}

struct rb_node *rb_last(const struct rb_tree *tree)
{
	return outermost(tree->root, false);
}

static struct rb_node *neighbour(const struct rb_node *node, bool on_left)
{
	struct rb_node *below = on_left ? node->left : node->right;
	struct rb_node *parent = parent_of(node);

	if (below)
		return outermost(below, !on_left);
	while (parent && node == (on_left ? parent->left : parent->right)) {
		node = parent;
		parent = parent_of(node);
	}
	return parent;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	return neighbour(node, false);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	return neighbour(node, true);
}

static unsigned black_count_to_root(const struct rb_node *node)
{
	unsigned count = 0;

	for (; node; node = parent_of(node))
		count += !is_red(node);
	return count;
}

size_t rb_check(const struct rb_tree *tree)
{
	size_t count = 0;
	unsigned black_count = 0;

	CHECK(!is_red(tree->root));
	CHECK(!tree->root || !parent_of(tree->root));
	for (const struct rb_node *node = rb_first(tree); node; node = rb_next(node)) {
		CHECK(!node->left || parent_of(node->left) == node);
		CHECK(!node->right || parent_of(node->right) == node);
		CHECK(!is_red(node) || (!is_red(node->left) && !is_red(node->right)));
		if (!node->left || !node->right) {
			unsigned blacks = black_count_to_root(node);

			CHECK(black_count == 0 || black_count == blacks);
			black_count = blacks;
		}
		count++;
	}
	return count;
}
