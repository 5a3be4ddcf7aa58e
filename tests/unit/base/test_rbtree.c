/* SPDX-License-Identifier: MIT */
/* The red-black tree against a sorted order that is known: random insertions and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/list.h"
#include "base/random.h"
#include "base/rbtree.h"

struct item {
	struct rb_node node;
	uint32_t key;
	bool is_in;
};

static struct item *item_of(struct rb_node *node)
{
	return CONTAINER_OF(node, struct item, node);
}

static void insert(struct rb_tree *tree, struct item *item)
{
	struct rb_node **link = &tree->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = item->key < item_of(parent)->key ? &parent->left : &parent->right;
	}
	rb_insert(tree, &item->node, parent, link);
	item->is_in = true;
}

/* Walks both ways and compares with the items that are in; their keys ascend with their index. */
static void check_order(const struct rb_tree *tree, const struct item *items, unsigned count)
{
	struct rb_node *node = rb_first(tree);
	size_t in_count = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!items[i].is_in)
			continue;
		assert_ptr_equal(node, &items[i].node);
		node = rb_next(node);
		in_count++;
	}
	assert_null(node);
	node = rb_last(tree);
	for (unsigned i = count; i-- > 0;) {
		if (!items[i].is_in)
			continue;
		assert_ptr_equal(node, &items[i].node);
		node = rb_prev(node);
	}
	assert_null(node);
	assert_int_equal(rb_check(tree), in_count);
}

static void test_random_operations(void **state)
{
	enum { COUNT = 400 };
	static struct item items[COUNT];
	struct rb_tree tree = {NULL};
	struct random random;

	random_init(&random, 3);
	for (unsigned i = 0; i < COUNT; i++)
		items[i].key = 10 * i;
	for (unsigned step = 0; step < 40000; step++) {
		struct item *item = &items[random_below(&random, COUNT)];
		/* phases in which the tree is rather full, and rather empty */
		bool wants_in = random_below(&random, 10) < (step / 5000 % 2 ? 2u : 8u);

		if (wants_in && !item->is_in)
			insert(&tree, item);
		else if (!wants_in && item->is_in) {
			rb_remove(&tree, &item->node);
			item->is_in = false;
		}
		if (step % 50 == 0)
			check_order(&tree, items, COUNT);
	}
	check_order(&tree, items, COUNT);
}

static unsigned depth(const struct rb_node *node)
{
	unsigned left, right;

	if (!node)
		return 0;
	left = depth(node->left);
	right = depth(node->right);
	return 1 + MAX(left, right);
}

static void test_stays_flat_when_filled_in_order(void **state)
{
	enum { COUNT = 1 << 15 };
	struct item *items = calloc(COUNT, sizeof(*items));
	struct rb_tree tree = {NULL};

	for (uint32_t i = 0; i < COUNT; i++) {
		items[i].key = i;
		insert(&tree, &items[i]);
	}
	assert_int_equal(rb_check(&tree), COUNT);
	assert_true(depth(tree.root) <= 2 * 16);
	for (uint32_t i = 0; i < COUNT; i++)
		rb_remove(&tree, &items[i].node);
	assert_null(tree.root);
	free(items);
}

static void test_equal_keys_keep_their_order(void **state)
{
	static struct item items[64];
	struct rb_tree tree = {NULL};
	struct rb_node *node;

	for (unsigned i = 0; i < ARRAY_LEN(items); i++)
		insert(&tree, &items[i]);
	node = rb_first(&tree);
	for (unsigned i = 0; i < ARRAY_LEN(items); i++, node = rb_next(node))
		assert_ptr_equal(node, &items[i].node);
}

static void test_empty(void **state)
{
	struct rb_tree tree = {NULL};

	assert_null(rb_first(&tree));
	assert_null(rb_last(&tree));
	assert_int_equal(rb_check(&tree), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_stays_flat_when_filled_in_order),
		cmocka_unit_test(test_equal_keys_keep_their_order),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
