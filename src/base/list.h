/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list with a sentinel head. A node that is in no list points to itself. */
#ifndef TEE_BASE_LIST_H
#define TEE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
	head->prev = head->next = head;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

/* For a node: is it in a list? */
static inline bool list_is_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
	list_insert_between(node, head->prev, head);
}

static inline void list_push_front(struct list *head, struct list *node)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a list head is never NULL */
	list_insert_between(node, head, head->next);
}

/* Legal for a node in no list. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline struct list *list_pop_front(struct list *head)
{
	struct list *node = head->next;
	if (node == head)
		return NULL;
	list_remove(node);
	return node;
}

/* `pos` is a name that these declare: it can't stand in parentheses. */
/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define LIST_FOR_EACH(pos, head) \
 for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
/* `pos` may be removed by the body. */
#define LIST_FOR_EACH_SAFE(pos, head)                                          \
 for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head); \
      pos = pos##_next, pos##_next = pos->next)
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
