/* The change set of an apply becomes statements: events, streams and what is of a stream, removals,
 * erasure. (Groups: groups.c, what has a name of its own: named.c, idempotent ids: idempotent.c.)
 *
 * Names are unique, and in one apply they may move in a circle or be taken by a new stream as soon
 * as they are free. So the order is: streams that go, names that are given up, names that are
 * taken. */
#include "store/postgres/internal.h"

#include "record/fields.h"

#define CHUNK_BYTES (16u << 20) /* of payloads in one statement; an array holds less than 1 GB */
#define CHUNK_ROWS  20000

/* --- events ------------------------------------------------------------------------------------
 */

static void add_str_or_null(struct array *a, struct str s) {
    if (s.len == 0)
        field_null(a, ARRAY_BYTEA);
    else
        field_str(a, s);
}

/* Of an entry of XADD it is a JSON object of its fields, in w->text. */
static struct str payload_of(struct postgres_writer *w, const struct event_row *row,
                             const struct event_view *v) {
    if (row->erased) return STR("");
    if ((row->event->flags & EVENT_FIELDS) == 0 || v->payload.len == 0) return v->payload;
    buf_reset(&w->text);
    fields_to_json(v->payload, &w->text);
    return buf_str(&w->text);
}

static uint16_t shown_of(const struct event_view *v, struct str payload, struct str metadata) {
    bool text = postgres_is_text(payload);
    return (uint16_t)((text ? SHOWN_TEXT : 0) |
                      (text && postgres_is_jsonb(payload) ? SHOWN_JSON : 0) |
                      (postgres_is_text(metadata) ? SHOWN_METADATA : 0) |
                      (postgres_is_text(v->aggregate) ? SHOWN_AGGREGATE : 0));
}

/* In the order of the type event_row. */
static void add_row(struct postgres_writer *w, const struct event_row *row) {
    struct array *a = w->arrays;
    const struct event_record *e = row->event;
    struct event_view v;
    event_view(e, &v);
    bool fields = (e->flags & EVENT_FIELDS) != 0;
    bool erased = row->erased || (e->flags & EVENT_ERASED) != 0;
    struct str payload = payload_of(w, row, &v), metadata = erased ? STR("") : v.metadata;
    array_row(a, 20);
    field_u64(a, e->sequence);
    field_u64(a, e->version);
    field_u64(a, e->timestamp);
    field_u64(a, e->recorded);
    field_u64(a, e->entry_ms);
    field_u64(a, e->entry_seq);
    field_u32(a, (uint32_t)e->stream);
    field_u32(a, row->type->number);
    if (fields)
        field_u32(a, erased ? 0 : (uint32_t)fields_count(v.payload));
    else
        field_null(a, ARRAY_INT4);
    field_u16(a, shown_of(&v, payload, metadata));
    if (erased)
        field_bool(a, true);
    else
        field_null(a, ARRAY_BOOL);
    field_uuid(a, &e->event_id);
    field_uuid(a, v.content_hash);
    field_uuid(a, v.partition_key);
    field_uuid(a, v.transaction);
    field_uuid(a, v.correlation);
    field_uuid(a, v.causation);
    add_str_or_null(a, v.aggregate);
    add_str_or_null(a, metadata);
    field_str(a, payload);
}

int postgres_write_events(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < w->row_count;) {
        array_begin_rows(w->arrays, w->row_type);
        do {
            add_row(w, &w->rows[i++]);
        } while (i < w->row_count && w->arrays[0].count < CHUNK_ROWS &&
                 w->arrays[0].bytes.len < CHUNK_BYTES);
        rc = postgres_queue_arrays(c, SQL_ADD_EVENTS, 1, err);
    }
    return rc;
}

/* --- streams ------------------------------------------------------------------------------------
 */

/* A string's value goes with it; of a stream there may be much: maintain() takes it away. */
static int drop_streams(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a = ARRAYS(c, ARRAY_INT4);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (s->deleted && !s->made) array_u32(a, (uint32_t)s->number);
    }
    if (a->count == 0) return 0;
    c->w->purge_wanted = true;
    int rc = postgres_queue_arrays(c, SQL_DROP_STREAMS, 1, err);
    return rc == 0 ? postgres_queue_arrays(c, SQL_DROP_VALUES, 1, err) : rc;
}

static bool is_renamed(const struct stream_change *s) {
    return !s->deleted && !s->made && s->name != NULL;
}

static int free_names(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a = ARRAYS(c, ARRAY_INT4);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (is_renamed(s)) array_u32(a, (uint32_t)s->number);
    }
    return postgres_queue_arrays(c, SQL_FREE_NAMES, 1, err);
}

static void add_name(struct postgres_writer *w, const struct stream_change *s) {
    struct array *a = w->arrays;
    struct str name = str_of(s->name->name, s->name->name_len);
    struct uuid key;
    partition_key_of(name, &key);
    array_u32(&a[0], (uint32_t)s->number);
    array_str(&a[1], name);
    array_str(&a[2], postgres_label(name, &w->text));
    array_uuid(&a[3], &key);
}

static int rename_streams(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA, ARRAY_TEXT, ARRAY_UUID);
    for (size_t i = 0; i < l->count; i++)
        if (is_renamed(l->items[i])) add_name(c->w, l->items[i]);
    return postgres_queue_arrays(c, SQL_RENAME_STREAMS, 4, err);
}

static int add_streams(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a =
        ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA, ARRAY_TEXT, ARRAY_UUID, ARRAY_INT8, ARRAY_INT2);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (s->deleted || !s->made) continue;
        add_name(c->w, s);
        array_u64(&a[4], s->name->created);
        array_u16(&a[5], s->name->kind);
    }
    return postgres_queue_arrays(c, SQL_ADD_STREAMS, 6, err);
}

/* The events of a stream that was renamed stand under its category of before: maintain() notes them
 * anew. */
static int add_moved(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a = ARRAYS(c, ARRAY_INT4);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (s->deleted || !s->renamed || s->name->kind != KIND_STREAM) continue;
        struct str name = str_of(s->name->name, s->name->name_len);
        if (category_number(name) != CATEGORY_NONE) array_u32(a, (uint32_t)s->number);
    }
    if (a->count > 0) c->w->moved_wanted = true;
    return postgres_queue_arrays(c, SQL_ADD_MOVED, 1, err);
}

static int set_streams(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a =
        ARRAYS(c, ARRAY_INT4, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8,
               ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8, ARRAY_INT8);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *change = l->items[i];
        const struct stream_state_record *s = change->state;
        if (s == NULL || change->deleted) continue;
        array_u32(&a[0], (uint32_t)s->stream);
        array_u64(&a[1], s->first_version);
        array_u64(&a[2], s->next_version);
        array_u64(&a[3], s->entries_added);
        array_u64(&a[4], s->last.ms);
        array_u64(&a[5], s->last.seq);
        array_u64(&a[6], s->deleted.ms);
        array_u64(&a[7], s->deleted.seq);
        if (s->expires != 0)
            array_u64(&a[8], s->expires);
        else
            array_null(&a[8]);
        array_u64(&a[9], s->idempotent_seconds);
        array_u64(&a[10], s->idempotent_max);
        if (s->first_version > 0) c->w->purge_wanted = true;
    }
    return postgres_queue_arrays(c, SQL_SET_STREAMS, 11, err);
}

/* Holes below first_version tell nothing any more. */
static int trim_holes(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_INT8);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (s->state == NULL || s->deleted || s->made || s->state->first_version == 0) continue;
        array_u32(&a[0], (uint32_t)s->number);
        array_u64(&a[1], s->state->first_version);
    }
    return postgres_queue_arrays(c, SQL_TRIM_HOLES, 2, err);
}

static int set_values(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (s->value == NULL || s->deleted) continue;
        array_u32(&a[0], (uint32_t)s->number);
        array_str(&a[1], str_of(s->value->bytes, s->value_len));
        if (a[1].bytes.len < CHUNK_BYTES) continue;
        rc = postgres_queue_arrays(c, SQL_SET_VALUES, 2, err);
        ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA);
    }
    return rc == 0 ? postgres_queue_arrays(c, SQL_SET_VALUES, 2, err) : rc;
}

static int clear_idempotent(struct backend_conn *c, struct err *err) {
    const struct change_list *l = &c->w->changes.streams;
    struct array *a = ARRAYS(c, ARRAY_INT4);
    for (size_t i = 0; i < l->count; i++) {
        const struct stream_change *s = l->items[i];
        if (s->forgotten != 0 && !s->deleted) array_u32(a, (uint32_t)s->number);
    }
    return postgres_queue_arrays(c, SQL_CLEAR_IDEMPOTENT, 1, err);
}

/* --- events that go
 * ------------------------------------------------------------------------------- */

static int row_cmp(const void *a, const void *b) {
    const struct removed_row *x = a, *y = b;
    if (x->stream != y->stream) return x->stream < y->stream ? -1 : 1;
    return x->version < y->version ? -1 : x->version > y->version;
}

/* Rows that were in the same apply have not been written: `base` is their first sequence. */
static int drop_events(struct backend_conn *c, uint64_t base, struct err *err) {
    const struct changes *changes = &c->w->changes;
    struct array *a = ARRAYS(c, ARRAY_INT8);
    for (size_t i = 0; i < changes->removed_count; i++) {
        const struct removed_row *r = &changes->removed[i];
        if (r->sequence < base && !changes_hide(changes, r->stream, r->version))
            array_u64(a, r->sequence);
    }
    return postgres_queue_arrays(c, SQL_DROP_EVENTS, 1, err);
}

static int add_holes(struct backend_conn *c, struct err *err) {
    const struct changes *changes = &c->w->changes;
    struct removed_row *rows = changes->removed;
    size_t n = changes->removed_count;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_INT8, ARRAY_INT8);
    if (n > 1) qsort(rows, n, sizeof *rows, row_cmp);
    for (size_t i = 0, next; i < n; i = next) {
        uint64_t stream = rows[i].stream, last = rows[i].version;
        next = i + 1;
        if (changes_hide(changes, stream, rows[i].version)) continue; /* gone with the stream */
        for (; next < n && rows[next].stream == stream && rows[next].version <= last + 1; next++)
            last = rows[next].version;
        array_u32(&a[0], (uint32_t)stream);
        array_u64(&a[1], rows[i].version);
        array_u64(&a[2], last);
    }
    return postgres_queue_arrays(c, SQL_ADD_HOLES, 3, err);
}

/* What they held stays in the table's file until it is vacuumed. */
static int erase_events(struct backend_conn *c, uint64_t base, struct err *err) {
    const struct changes *changes = &c->w->changes;
    struct array *a = ARRAYS(c, ARRAY_INT8);
    for (size_t i = 0; i < changes->erased_count; i++)
        if (changes->erased[i] < base) array_u64(a, changes->erased[i]);
    if (a->count == 0) return 0;
    struct params p = {0};
    param_u64(&p, postgres_frame(c->w));
    param_u64(&p, a->count);
    c->w->erases = true;
    int rc = postgres_queue_arrays(c, SQL_ERASE_EVENTS, 1, err);
    return rc == 0 ? postgres_queue(c, SQL_ADD_ERASURE, &p, err) : rc;
}

int postgres_write_changes(struct backend_conn *c, uint64_t base, struct err *err) {
    static int (*const of_streams[])(struct backend_conn *, struct err *) = {
        drop_streams, free_names, rename_streams, add_streams,     add_moved,
        set_streams,  trim_holes, set_values,     clear_idempotent};
    int rc = 0;
    for (size_t i = 0; rc == 0 && c->w->changes.streams.count > 0 && i < ARRAY_LEN(of_streams); i++)
        rc = of_streams[i](c, err);
    if (rc == 0 && c->w->changes.removed_count > 0) {
        rc = drop_events(c, base, err);
        if (rc == 0) rc = add_holes(c, err);
    }
    if (rc == 0 && c->w->changes.erased_count > 0) rc = erase_events(c, base, err);
    if (rc == 0) rc = postgres_write_groups(c, err);
    if (rc == 0) rc = postgres_write_named(c, err);
    return rc == 0 ? postgres_write_idempotent(c, err) : rc;
}
