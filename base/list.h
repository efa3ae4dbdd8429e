/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An intrusive doubly linked list with a head; an unlinked node points at itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define list_for_each(head, node)      for (node = (head)->next; node != (head); node = node->next)
#define list_for_each_safe(head, node, next_)                                                      \
	for (node = (head)->next, next_ = node->next; node != (head);                              \
	     node = next_, next_ = node->next)

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Put @node before @pos; before the head means at the end. */
static inline void list_insert(struct list *pos, struct list *node)
{
	node->prev = pos->prev;
	node->next = pos;
	pos->prev->next = node;
	pos->prev = node;
}

static inline void list_append(struct list *head, struct list *node)
{
	list_insert(head, node);
}

/* Safe on an unlinked node. */
static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#endif
