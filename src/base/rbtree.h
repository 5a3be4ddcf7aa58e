/* SPDX-License-Identifier: MIT */
/*
 * Intrusive red-black tree. The user walks down by its own key and links the new node in:
 *
 *	struct rb_node **link = &tree->root, *parent = NULL;
 *	while (*link) { parent = *link; link = key < KEY(parent) ? &parent->left : &parent->right; }
 *	rb_insert(tree, node, parent, link);
 */
#ifndef TEE_BASE_RBTREE_H
#define TEE_BASE_RBTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rb_node {
	struct rb_node *left, *right;
	uintptr_t parent_color; /* parent pointer; bit 0: black */
};

struct rb_tree {
	struct rb_node *root;
};

/* Links `node` at `*link`, a child slot of `parent` (NULL: the root), and rebalances. */
void rb_insert(struct rb_tree *tree, struct rb_node *node, struct rb_node *parent,
	       struct rb_node **link);
void rb_remove(struct rb_tree *tree, struct rb_node *node);
struct rb_node *rb_first(const struct rb_tree *tree);
struct rb_node *rb_last(const struct rb_tree *tree);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);
/* Aborts when a rule of colour or linkage is broken; returns the number of nodes. */
size_t rb_check(const struct rb_tree *tree);

#endif
