/* Intrusive doubly linked list. A node that is on no list points to itself (or
 * is zeroed), so "is it on a list" is a question that it can answer. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l) {
    l->prev = l->next = l;
}
static inline bool list_empty(const struct list *l) {
    return l->next == l || l->next == NULL;
}
/* For nodes: whether the node is on a list. */
static inline bool list_linked(const struct list *n) {
    return !list_empty(n);
}
static inline void list_insert_between(struct list *n, struct list *prev, struct list *next) {
    n->prev = prev;
    n->next = next;
    prev->next = n;
    next->prev = n;
}
static inline void list_append(struct list *l, struct list *n) {
    assert(!list_linked(n));
    list_insert_between(n, l->prev, l);
}
static inline void list_prepend(struct list *l, struct list *n) {
    assert(!list_linked(n));
    list_insert_between(n, l, l->next);
}
/* Unlinks n if it is linked. */
static inline void list_remove(struct list *n) {
    if (n->next == NULL) return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}
/* Moves all of from to the end of to; from becomes empty. */
static inline void list_splice(struct list *to, struct list *from) {
    if (list_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_FOR_EACH(it, l)           for (struct list *it = (l)->next; it != (l); it = it->next)
/* The current node may be removed while walking. */
#define LIST_FOR_EACH_SAFE(it, l)                                                                  \
    for (struct list *it = (l)->next, *it##_next = it->next; it != (l);                            \
         it = it##_next, it##_next = it->next)

#endif
