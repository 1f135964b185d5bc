/* The memory backend: what has a name of its own, by name and by number. */
#include "store/memory/internal.h"

#include "base/alloc.h"

static uint64_t hash_of(enum named_class class, struct str name) {
    return hash_bytes(name.ptr, name.len) + class;
}

static struct memory_named *find(const struct memory_store *m, enum named_class class,
                                 struct str name) {
    uint64_t hash = hash_of(class, name);
    for (struct hash_node *n = hash_first(&m->named_table, hash); n != NULL;
         n = hash_next(&m->named_table, n)) {
        struct memory_named *k = CONTAINER_OF(n, struct memory_named, node);
        if (k->class == class && str_eq(k->name, name)) return k;
    }
    return NULL;
}

static void free_block(struct memory_named *n) {
    free((char *)(uintptr_t)n->name.ptr);
}

static void drop(struct memory_store *m, struct memory_named *n) {
    hash_remove(&m->named_table, &n->node);
    m->named[n->number] = NULL;
    free_block(n);
    free(n);
}

void memory_drop_named(struct memory_store *m, bool all) {
    for (size_t i = 1; i < m->named_end; i++)
        if (m->named[i] != NULL && (all || m->named[i]->class == NAMED_CHECKPOINT))
            drop(m, m->named[i]);
}

static struct memory_named *add(struct memory_store *m, enum named_class class, struct str name) {
    struct memory_named *n = xcalloc(1, sizeof *n);
    n->number = MAX(m->named_end, (size_t)1);
    n->class = class;
    m->named = memory_grow(m->named, &m->named_cap, n->number + 1, sizeof(struct memory_named *));
    m->named[n->number] = n;
    m->named_end = n->number + 1;
    hash_insert(&m->named_table, &n->node, hash_of(class, name));
    return n;
}

void memory_apply_named(struct memory_store *m, const struct named_record *r, size_t len) {
    struct str name = named_record_name(r), value = named_record_value(r, len);
    struct memory_named *n = find(m, r->class, name);
    if (r->flags & NAMED_GONE) {
        if (n != NULL) drop(m, n);
        return;
    }
    if (n == NULL)
        n = add(m, r->class, name);
    else
        free_block(n);
    const char *block = xmemdup(r->bytes, name.len + value.len);
    n->name = str_of(block, name.len);
    n->value = str_of(block + name.len, value.len);
}

int memory_read_named(struct backend_conn *c, enum named_class class, struct str name,
                      struct str *value, uint64_t *applied, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    *value = (struct str){0};
    pthread_mutex_lock(&m->mutex);
    const struct memory_named *n = find(m, class, name);
    if (n != NULL) *value = str_of(str_dup(n->value), n->value.len);
    *applied = m->state.applied;
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

int memory_list_named(struct backend_conn *c, enum named_class class, uint64_t from,
                      size_t count_max, struct named_list *out, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    out->applied = m->state.applied;
    uint64_t at = MAX(from, UINT64_C(1));
    for (; at < m->named_end && out->count < MAX(count_max, (size_t)1); at++) {
        const struct memory_named *n = m->named[at];
        if (n != NULL && n->class == class) named_list_add(out, at, n->name, n->value);
    }
    out->next = at;
    out->done = at >= m->named_end;
    pthread_mutex_unlock(&m->mutex);
    return 0;
}
