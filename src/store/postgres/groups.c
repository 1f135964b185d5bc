/* Consumer groups: the change set's become statements, and rows become images. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

/* --- writing ------------------------------------------------------------------------------------
 */

static void add_entries_read(struct array *a, int64_t n) {
    if (n < 0)
        array_null(a);
    else
        array_u64(a, (uint64_t)n);
}

static int drop_groups(struct backend_conn *c, struct err *err) {
    const struct change_list *groups = &c->w->changes.groups;
    struct array *a = ARRAYS(c, ARRAY_INT8);
    for (size_t i = 0; i < groups->count; i++) {
        const struct group_change *g = groups->items[i];
        if (g->dropped && g->made == NULL) array_u64(a, g->number);
    }
    if (a->count > 0) c->w->purge_wanted = true;
    return postgres_queue_arrays(c, SQL_DROP_GROUPS, 1, err);
}

static int add_groups(struct backend_conn *c, struct err *err) {
    const struct change_list *groups = &c->w->changes.groups;
    struct array *a = ARRAYS(c, ARRAY_INT8, ARRAY_INT4, ARRAY_BYTEA, ARRAY_TEXT, ARRAY_INT8,
                             ARRAY_INT8, ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < groups->count; i++) {
        const struct group_change *g = groups->items[i];
        const struct group_record *r = g->made;
        if (g->dropped || r == NULL) continue;
        struct str name = str_of(r->name, r->name_len);
        struct entry_id last = g->position != NULL ? g->position->last : r->last;
        array_u64(&a[0], r->number);
        array_u32(&a[1], (uint32_t)r->stream);
        array_str(&a[2], name);
        array_str(&a[3], postgres_label(name, &c->w->text));
        array_u64(&a[4], r->created);
        array_u64(&a[5], last.ms);
        array_u64(&a[6], last.seq);
        add_entries_read(&a[7], g->position != NULL ? g->position->entries_read : r->entries_read);
    }
    return postgres_queue_arrays(c, SQL_ADD_GROUPS, 8, err);
}

static int set_positions(struct backend_conn *c, struct err *err) {
    const struct change_list *groups = &c->w->changes.groups;
    struct array *a = ARRAYS(c, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < groups->count; i++) {
        const struct group_change *g = groups->items[i];
        if (g->dropped || g->made != NULL || g->position == NULL) continue;
        array_u64(&a[0], g->number);
        array_u64(&a[1], postgres_frame(c->w));
        array_u64(&a[2], g->position->last.ms);
        array_u64(&a[3], g->position->last.seq);
        add_entries_read(&a[4], g->position->entries_read);
    }
    return postgres_queue_arrays(c, SQL_SET_POSITIONS, 5, err);
}

/* pending: only of those that had something pending then. */
static int drop_consumers(struct backend_conn *c, bool pending, struct err *err) {
    const struct change_list *consumers = &c->w->changes.consumers;
    struct array *a = ARRAYS(c, ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < consumers->count; i++) {
        const struct consumer_change *k = consumers->items[i];
        if (k->group->dropped || k->group->made != NULL || k->dropped == 0) continue;
        if (pending && !k->had_pending) continue;
        array_u64(&a[0], k->group->number);
        array_u64(&a[1], k->number);
    }
    return postgres_queue_arrays(c, pending ? SQL_DROP_CONSUMER_PENDING : SQL_DROP_CONSUMERS, 2,
                                 err);
}

static int set_consumers(struct backend_conn *c, struct err *err) {
    const struct change_list *consumers = &c->w->changes.consumers;
    struct array *a = ARRAYS(c, ARRAY_INT8, ARRAY_INT8, ARRAY_BYTEA, ARRAY_TEXT, ARRAY_INT8,
                             ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < consumers->count; i++) {
        const struct consumer_change *k = consumers->items[i];
        const struct consumer_record *r = k->record;
        if (k->group->dropped || r == NULL) continue;
        struct str name = str_of(r->name, r->name_len);
        array_u64(&a[0], r->group);
        array_u64(&a[1], r->number);
        array_str(&a[2], name);
        array_str(&a[3], postgres_label(name, &c->w->text));
        array_u64(&a[4], r->seen);
        if (r->active != CONSUMER_NEVER_ACTIVE)
            array_u64(&a[5], r->active);
        else
            array_null(&a[5]);
        array_u64(&a[6], postgres_frame(c->w));
    }
    return postgres_queue_arrays(c, SQL_SET_CONSUMERS, 7, err);
}

static int drop_pending(struct backend_conn *c, struct err *err) {
    const struct change_list *pending = &c->w->changes.pending;
    struct array *a = ARRAYS(c, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < pending->count; i++) {
        const struct pending_change *p = pending->items[i];
        if (p->group->dropped || !p->has_row) continue;
        if (changes_pending(&c->w->changes, p) != NULL) continue;
        array_u64(&a[0], p->group->number);
        array_u64(&a[1], p->id.ms);
        array_u64(&a[2], p->id.seq);
    }
    return postgres_queue_arrays(c, SQL_DROP_PENDING, 3, err);
}

static int set_pending(struct backend_conn *c, struct err *err) {
    const struct change_list *pending = &c->w->changes.pending;
    struct array *a = ARRAYS(c, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8,
                             ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < pending->count; i++) {
        const struct pending_change *p = pending->items[i];
        const struct pending_item *item = changes_pending(&c->w->changes, p);
        if (item == NULL) continue;
        array_u64(&a[0], p->group->number);
        array_u64(&a[1], p->id.ms);
        array_u64(&a[2], p->id.seq);
        array_u64(&a[3], item->version);
        array_u64(&a[4], item->consumer);
        array_u64(&a[5], item->delivered);
        array_u64(&a[6], item->deliveries);
    }
    return postgres_queue_arrays(c, SQL_SET_PENDING, 7, err);
}

/* Those that go come first: what they held may be held by others in the same apply. */
int postgres_write_groups(struct backend_conn *c, struct err *err) {
    struct changes *changes = &c->w->changes;
    int rc = 0;
    changes_settle(changes);
    if (changes->groups.count > 0) {
        rc = drop_groups(c, err);
        if (rc == 0) rc = add_groups(c, err);
        if (rc == 0) rc = set_positions(c, err);
    }
    if (rc == 0 && changes->consumers.count > 0) {
        rc = drop_consumers(c, true, err);
        if (rc == 0) rc = drop_consumers(c, false, err);
        if (rc == 0) rc = set_consumers(c, err);
    }
    if (rc == 0 && changes->pending.count > 0) {
        rc = drop_pending(c, err);
        if (rc == 0) rc = set_pending(c, err);
    }
    return rc;
}
