/* What has a name of its own (RECORD_NAMED): checkpoints in a table with columns, which a flush
 * empties; every other class in `named`, which it leaves alone. A name keeps its number for as long
 * as it is there, so that a walk by number sees each that is there all along. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

/* --- writing ------------------------------------------------------------------------------------
 */

static bool is(const struct named_change *n, bool checkpoint, bool gone) {
    return (n->record->class == NAMED_CHECKPOINT) == checkpoint &&
           ((n->record->flags & NAMED_GONE) != 0) == gone;
}

static int drop_checkpoints(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.named;
    struct array *a = ARRAYS(c, ARRAY_BYTEA);
    for (size_t i = 0; i < l->count; i++) {
        const struct named_change *n = l->items[i];
        if (is(n, true, true)) array_str(a, named_record_name(n->record));
    }
    return postgres_queue_arrays(c, SQL_DROP_CHECKPOINTS, 1, err);
}

static int set_checkpoints(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.named;
    struct array *a = ARRAYS(c, ARRAY_BYTEA, ARRAY_TEXT, ARRAY_INT8, ARRAY_INT8, ARRAY_TEXT);
    for (size_t i = 0; i < l->count; i++) {
        const struct named_change *n = l->items[i];
        struct checkpoint_value v;
        char timeline[TIMELINE_TEXT_LEN + 1];
        if (!is(n, true, false)) continue;
        struct str name = named_record_name(n->record),
                   value = named_record_value(n->record, n->len);
        assert(value.len == sizeof v);
        memcpy(&v, value.ptr, sizeof v);
        timeline_format(v.timeline, timeline);
        array_str(&a[0], name);
        array_str(&a[1], postgres_label(name, &c->w->text));
        array_u64(&a[2], v.position);
        array_u64(&a[3], v.updated);
        array_str(&a[4], str_c(timeline));
    }
    return postgres_queue_arrays(c, SQL_SET_CHECKPOINTS, 5, err);
}

static int drop_named(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.named;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA);
    for (size_t i = 0; i < l->count; i++) {
        const struct named_change *n = l->items[i];
        if (!is(n, false, true)) continue;
        array_u32(&a[0], n->record->class);
        array_str(&a[1], named_record_name(n->record));
    }
    return postgres_queue_arrays(c, SQL_DROP_NAMED, 2, err);
}

static int set_named(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.named;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA, ARRAY_TEXT, ARRAY_BYTEA, ARRAY_TEXT);
    for (size_t i = 0; i < l->count; i++) {
        const struct named_change *n = l->items[i];
        if (!is(n, false, false)) continue;
        struct str name = named_record_name(n->record),
                   value = named_record_value(n->record, n->len);
        array_u32(&a[0], n->record->class);
        array_str(&a[1], name);
        array_str(&a[2], postgres_label(name, &c->w->text));
        array_str(&a[3], value);
        array_str(&a[4], postgres_label(value, &c->w->text));
    }
    return postgres_queue_arrays(c, SQL_SET_NAMED, 5, err);
}

int postgres_write_named(struct backend_conn *c, struct err *err) {
    if (c->w->changes.named.count == 0) return 0;
    int rc = drop_checkpoints(c, err);
    if (rc == 0) rc = set_checkpoints(c, err);
    if (rc == 0) rc = drop_named(c, err);
    return rc == 0 ? set_named(c, err) : rc;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/* The value that a row has from column `at` on; checkpoint: room for it. */
static struct str value_of(const PGresult *r, int row, int at, enum named_class class,
                           struct checkpoint_value *checkpoint) {
    if (class != NAMED_CHECKPOINT) return row_str(r, row, at);
    *checkpoint = (struct checkpoint_value){.position = row_u64(r, row, at),
                                            .updated = row_u64(r, row, at + 1)};
    if (!timeline_parse(row_str(r, row, at + 2), &checkpoint->timeline)) checkpoint->timeline = 0;
    return str_of(checkpoint, sizeof *checkpoint);
}

int postgres_read_named(struct backend_conn *c, enum named_class class, struct str name,
                        struct str *value, uint64_t *applied, struct err *err) {
    struct snapshot s;
    struct checkpoint_value checkpoint;
    struct params p = {0};
    PGresult *r = NULL;
    bool is_checkpoint = class == NAMED_CHECKPOINT;
    *value = (struct str){0};
    param_str(&p, name);
    if (!is_checkpoint) param_u32(&p, class);
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0)
        rc = postgres_query_last(c, &s, is_checkpoint ? SQL_CHECKPOINT : SQL_NAMED, &p, &r, err);
    if (rc == 0) *applied = s.state.s.applied;
    if (rc == 0 && PQntuples(r) > 0) {
        struct str found = value_of(r, 0, 0, class, &checkpoint);
        char *copy = xmalloc(found.len + 1);
        if (found.len > 0) memcpy(copy, found.ptr, found.len);
        *value = str_of(copy, found.len);
    }
    postgres_snapshot_end(c);
    return rc;
}

int postgres_list_named(struct backend_conn *c, enum named_class class, uint64_t from,
                        size_t count_max, struct named_list *out, struct err *err) {
    struct snapshot s;
    struct checkpoint_value checkpoint;
    struct params p = {0};
    PGresult *r = NULL;
    bool is_checkpoint = class == NAMED_CHECKPOINT;
    size_t most = MAX(count_max, (size_t)1);
    param_u64(&p, MIN(from, (uint64_t)INT64_MAX));
    param_u64(&p, most + 1);
    if (!is_checkpoint) param_u32(&p, class);
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0)
        rc = postgres_query_last(c, &s, is_checkpoint ? SQL_CHECKPOINTS_FROM : SQL_NAMED_FROM, &p,
                                 &r, err);
    if (rc == 0) {
        size_t n = (size_t)PQntuples(r);
        out->applied = s.state.s.applied;
        out->done = n <= most;
        for (size_t i = 0; i < n; i++) {
            out->next = row_u64(r, (int)i, 0);
            if (i == most) break;
            named_list_add(out, out->next, row_str(r, (int)i, 1),
                           value_of(r, (int)i, 2, class, &checkpoint));
        }
    }
    postgres_snapshot_end(c);
    return rc;
}
