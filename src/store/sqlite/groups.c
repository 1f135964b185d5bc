/* Consumer groups: the change set's become rows, and rows become images. Rows of pending entries
 * are written in the order of their table's key. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

/* --- writing ---------------------------------------------------------------------- */

static void bind_entries_read(sqlite3_stmt *stmt, int at, int64_t n) {
    if (n < 0)
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_int64(stmt, at, n);
}

static int drop_group(struct backend_conn *c, uint64_t number, struct err *err) {
    static const enum sql statements[] = {SQL_DROP_GROUP, SQL_ADD_DROPPED};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(statements); i++) {
        sqlite3_stmt *stmt = c->stmts[statements[i]];
        sqlite_bind_u64(stmt, 1, number);
        rc = sqlite_step(c, stmt, err);
    }
    c->w->purge_wanted = true;
    return rc;
}

static int add_group(struct backend_conn *c, const struct group_change *g, struct err *err) {
    const struct group_record *r = g->made;
    struct entry_id last = g->position != NULL ? g->position->last : r->last;
    sqlite3_stmt *stmt = c->stmts[SQL_ADD_GROUP];
    sqlite_bind_u64(stmt, 1, r->number);
    sqlite_bind_u64(stmt, 2, r->stream);
    sqlite3_bind_text(stmt, 3, r->name, r->name_len, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 4, r->created);
    sqlite_bind_entry(stmt, 5, last.ms);
    sqlite_bind_entry(stmt, 6, last.seq);
    bind_entries_read(stmt, 7, g->position != NULL ? g->position->entries_read : r->entries_read);
    return sqlite_step(c, stmt, err);
}

static int set_position(struct backend_conn *c, const struct position_record *r, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_SET_POSITION];
    sqlite_bind_u64(stmt, 1, r->group);
    sqlite_bind_entry(stmt, 2, r->last.ms);
    sqlite_bind_entry(stmt, 3, r->last.seq);
    bind_entries_read(stmt, 4, r->entries_read);
    return sqlite_step(c, stmt, err);
}

/* A group's name may be taken anew in the apply that drops it: those that go come first. */
static int write_group_rows(struct backend_conn *c, struct err *err) {
    const struct change_list *groups = &c->w->changes.groups;
    int rc = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; rc == 0 && i < groups->count; i++) {
            const struct group_change *g = groups->items[i];
            if (g->dropped != (turn == 0)) continue;
            if (g->dropped)
                rc = g->made == NULL ? drop_group(c, g->number, err) : 0;
            else if (g->made != NULL)
                rc = add_group(c, g, err);
            else if (g->position != NULL)
                rc = set_position(c, g->position, err);
        }
    }
    return rc;
}

static int set_consumer(struct backend_conn *c, const struct consumer_record *r, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_SET_CONSUMER];
    sqlite_bind_u64(stmt, 1, r->group);
    sqlite3_bind_int64(stmt, 2, r->number);
    sqlite3_bind_text(stmt, 3, r->name, r->name_len, SQLITE_STATIC);
    sqlite_bind_u64(stmt, 4, r->seen);
    if (r->active != CONSUMER_NEVER_ACTIVE)
        sqlite_bind_u64(stmt, 5, r->active);
    else
        sqlite3_bind_null(stmt, 5);
    return sqlite_step(c, stmt, err);
}

static int write_consumers(struct backend_conn *c, struct err *err) {
    /* The first looks at all that the group has pending. */
    static const enum sql drops[] = {SQL_DROP_CONSUMER_PENDING, SQL_DROP_CONSUMER};
    const struct change_list *consumers = &c->w->changes.consumers;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < consumers->count; i++) {
        const struct consumer_change *k = consumers->items[i];
        if (k->group->dropped) continue;
        for (size_t d = k->had_pending ? 0 : 1; rc == 0 && d < ARRAY_LEN(drops); d++) {
            if (k->dropped == 0 || k->group->made != NULL) break;
            sqlite3_stmt *stmt = c->stmts[drops[d]];
            sqlite_bind_u64(stmt, 1, k->group->number);
            sqlite3_bind_int64(stmt, 2, k->number);
            rc = sqlite_step(c, stmt, err);
        }
        if (rc == 0 && k->record != NULL) rc = set_consumer(c, k->record, err);
    }
    return rc;
}

static int pending_cmp(const void *a, const void *b) {
    const struct pending_change *x = *(const struct pending_change *const *)a,
                                *y = *(const struct pending_change *const *)b;
    if (x->group != y->group) return x->group->number < y->group->number ? -1 : 1;
    return entry_id_cmp(x->id, y->id);
}

static int write_pending_row(struct backend_conn *c, const struct pending_change *p,
                             const struct pending_item *item, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[item != NULL ? SQL_SET_PENDING : SQL_DROP_PENDING];
    sqlite_bind_u64(stmt, 1, p->group->number);
    sqlite_bind_entry(stmt, 2, p->id.ms);
    sqlite_bind_entry(stmt, 3, p->id.seq);
    if (item != NULL) {
        sqlite3_bind_int64(stmt, 4, item->version);
        sqlite3_bind_int64(stmt, 5, item->consumer);
        sqlite_bind_u64(stmt, 6, item->delivered);
        sqlite3_bind_int64(stmt, 7, item->deliveries);
    }
    return sqlite_step(c, stmt, err);
}

static int write_pending(struct backend_conn *c, struct err *err) {
    struct changes *changes = &c->w->changes;
    struct pending_change **all = (struct pending_change **)changes->pending.items;
    size_t left = 0;
    for (size_t i = 0; i < changes->pending.count; i++) {
        struct pending_change *p = all[i];
        p->item = changes_pending(changes, p);
        if (!p->group->dropped && (p->item != NULL || p->has_row)) all[left++] = p;
    }
    changes->pending.count = left;
    if (left > 1) qsort(all, left, sizeof(struct pending_change *), pending_cmp);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < left; i++)
        rc = write_pending_row(c, all[i], all[i]->item, err);
    return rc;
}

int sqlite_write_groups(struct backend_conn *c, struct err *err) {
    changes_settle(&c->w->changes);
    int rc = write_group_rows(c, err);
    if (rc == 0) rc = write_consumers(c, err);
    return rc == 0 ? write_pending(c, err) : rc;
}

/* --- reading ---------------------------------------------------------------------- */

static struct str column_str(sqlite3_stmt *row, int at) {
    const void *p = sqlite3_column_blob(row, at);
    return p == NULL ? STR("") : str_of(p, (size_t)sqlite3_column_bytes(row, at));
}

static int bad_row(struct backend_conn *c, const char *table, uint64_t number, struct err *err) {
    return err_set(err, ERR_CORRUPT, "%s: %s: a row of %llu makes no sense", c->path, table,
                   (unsigned long long)number);
}

static int read_consumers(struct backend_conn *c, struct group_image *g, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_CONSUMERS];
    size_t cap = 0;
    int rc;
    sqlite_bind_u64(stmt, 1, g->record->number);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        struct str name = column_str(stmt, 1);
        int64_t number = sqlite3_column_int64(stmt, 0);
        if (name.len > UINT16_MAX || number <= 0 || number > UINT32_MAX) {
            sqlite3_reset(stmt);
            return bad_row(c, "consumers", g->record->number, err);
        }
        struct consumer_record *r = xcalloc(1, sizeof *r + name.len);
        r->group = g->record->number;
        r->number = (uint32_t)number;
        r->seen = (uint64_t)sqlite3_column_int64(stmt, 2);
        r->active = sqlite3_column_type(stmt, 3) == SQLITE_NULL
                        ? CONSUMER_NEVER_ACTIVE
                        : (uint64_t)sqlite3_column_int64(stmt, 3);
        r->name_len = (uint16_t)name.len;
        if (name.len > 0) memcpy(r->name, name.ptr, name.len);
        if (g->consumer_count == cap) {
            cap = cap * 2 + 4;
            g->consumers = xrealloc(g->consumers, cap * sizeof(struct consumer_record *));
        }
        g->consumers[g->consumer_count++] = r;
    }
    return rc;
}

static int read_pending(struct backend_conn *c, struct group_image *g, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_PENDING];
    size_t cap = 0;
    int rc;
    sqlite_bind_u64(stmt, 1, g->record->number);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        if (g->pending_count == cap) {
            cap = cap * 2 + 16;
            g->pending = xrealloc(g->pending, cap * sizeof *g->pending);
        }
        g->pending[g->pending_count++] = (struct pending_item){
            .id = {sqlite_column_entry(stmt, 0), sqlite_column_entry(stmt, 1)},
            .version = (uint32_t)sqlite3_column_int64(stmt, 2),
            .consumer = (uint32_t)sqlite3_column_int64(stmt, 3),
            .delivered = (uint64_t)sqlite3_column_int64(stmt, 4),
            .deliveries = (uint32_t)sqlite3_column_int64(stmt, 5),
        };
    }
    return rc;
}

/* The groups' own rows; each is added to the detail as soon as it is read. */
static int read_groups(struct backend_conn *c, uint64_t stream, struct stream_detail *d,
                       struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_GROUPS];
    size_t cap = 0;
    int rc;
    sqlite_bind_u64(stmt, 1, stream);
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        struct str name = column_str(stmt, 1);
        if (name.len > UINT16_MAX) {
            sqlite3_reset(stmt);
            return bad_row(c, "groups", stream, err);
        }
        if (d->group_count == cap) {
            cap = cap * 2 + 4;
            d->groups = xrealloc(d->groups, cap * sizeof *d->groups);
        }
        struct group_record *r = xcalloc(1, sizeof *r + name.len);
        d->groups[d->group_count++] = (struct group_image){.record = r};
        r->number = (uint64_t)sqlite3_column_int64(stmt, 0);
        r->stream = stream;
        r->created = (uint64_t)sqlite3_column_int64(stmt, 2);
        r->last.ms = sqlite_column_entry(stmt, 3);
        r->last.seq = sqlite_column_entry(stmt, 4);
        r->entries_read =
            sqlite3_column_type(stmt, 5) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, 5);
        r->name_len = (uint16_t)name.len;
        if (name.len > 0) memcpy(r->name, name.ptr, name.len);
    }
    return rc;
}

int sqlite_read_groups(struct backend_conn *c, uint64_t stream, struct stream_detail *d,
                       struct err *err) {
    int rc = read_groups(c, stream, d, err);
    for (size_t i = 0; rc == 0 && i < d->group_count; i++) {
        rc = read_consumers(c, &d->groups[i], err);
        if (rc == 0) rc = read_pending(c, &d->groups[i], err);
    }
    return rc;
}
