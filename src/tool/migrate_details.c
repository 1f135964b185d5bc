/* What streams have beside their events. A stream may have much of it, more than one transaction
 * should hold: first what can be told only once (groups), then the rest in portions, which may come
 * twice, since all records are absolute.
 *
 * Nothing here goes together with events, so that what is removed is older than all of its apply
 * (store/changes: the place that a hole's event had in the log is not known any more). */
#include "tool/migrate.h"

#include "base/alloc.h"

#define ITEMS_A_RECORD 1000
#define NO_SEQUENCE    UINT64_MAX

/* --- told once ------------------------------------------------------------------------------ */

static void put_state(struct migration *m, const struct stream_head *h) {
    const struct stream_detail *d = h->detail;
    struct stream_state_record *r = migration_put(m, RECORD_STREAM_STATE, sizeof *r);
    *r = (struct stream_state_record){
        .stream = h->number,
        .next_version = h->next_version,
        .first_version = d->first_version,
        .last = {h->entry_ms, h->entry_seq},
        .deleted = d->deleted,
        .entries_added = d->entries_added,
        .expires = d->expires,
        .idempotent_seconds = d->idempotent_seconds,
        .idempotent_max = d->idempotent_max,
    };
}

static void put_value(struct migration *m, const struct stream_head *h) {
    const struct stream_detail *d = h->detail;
    struct value_record *r = migration_put(m, RECORD_VALUE, sizeof *r + d->value_len);
    r->stream = h->number;
    if (d->value_len > 0) memcpy(r->bytes, d->value, d->value_len);
}

static void put_group(struct migration *m, const struct group_image *g) {
    size_t len = sizeof *g->record + g->record->name_len;
    memcpy(migration_put(m, RECORD_GROUP, len), g->record, len);
    for (size_t i = 0; i < g->consumer_count; i++) {
        const struct consumer_record *c = g->consumers[i];
        len = sizeof *c + c->name_len;
        memcpy(migration_put(m, RECORD_CONSUMER, len), c, len);
    }
}

/* --- in portions ------------------------------------------------------------------------------ */

static int put_hole(struct migration *m, uint64_t stream, const struct version_range *hole,
                    struct err *err) {
    uint64_t version = hole->first, end = (uint64_t)hole->last + 1;
    int rc = 0;
    while (rc == 0 && version < end) {
        size_t n = MIN(end - version, (uint64_t)ITEMS_A_RECORD);
        struct remove_record *r =
            migration_put(m, RECORD_REMOVE, sizeof *r + n * sizeof r->events[0]);
        r->stream = stream;
        for (size_t i = 0; i < n; i++)
            r->events[i] = (struct removed_event){version++, NO_SEQUENCE};
        rc = migration_flush_some(m, err);
    }
    return rc;
}

static int put_pending(struct migration *m, const struct group_image *g, struct err *err) {
    int rc = 0;
    for (size_t at = 0, n; rc == 0 && at < g->pending_count; at += n) {
        n = MIN(g->pending_count - at, (size_t)ITEMS_A_RECORD);
        struct pending_record *r =
            migration_put(m, RECORD_PENDING, sizeof *r + n * sizeof r->items[0]);
        r->group = g->record->number;
        memcpy(r->items, g->pending + at, n * sizeof r->items[0]);
        rc = migration_flush_some(m, err);
    }
    return rc;
}

static int put_idempotent(struct migration *m, const struct idempotent_record *from,
                          struct err *err) {
    size_t len = sizeof *from + from->producer_len + from->id_len;
    memcpy(migration_put(m, RECORD_IDEMPOTENT, len), from, len);
    return migration_flush_some(m, err);
}

static int put_portions(struct migration *m, const struct stream_head *h, struct err *err) {
    const struct stream_detail *d = h->detail;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->hole_count; i++)
        rc = put_hole(m, h->number, &d->holes[i], err);
    for (size_t i = 0; rc == 0 && i < d->group_count; i++) rc = put_pending(m, &d->groups[i], err);
    for (size_t i = 0; rc == 0 && i < d->idempotent_count; i++)
        rc = put_idempotent(m, d->idempotent[i], err);
    return rc;
}

/* --- a stream ----------------------------------------------------------------------------------
 */

static int put_detail(struct migration *m, const struct stream_head *h, struct err *err) {
    const struct stream_detail *d = h->detail;
    if (m->note.part == 0) {
        if (h->kind != KIND_VIRTUAL) put_state(m, h);
        if (d->value != NULL) put_value(m, h);
        for (size_t i = 0; i < d->group_count; i++) put_group(m, &d->groups[i]);
        m->note.part = 1;
        int rc = migration_flush_some(m, err);
        if (rc != 0) return rc;
    }
    return put_portions(m, h, err);
}

static int copy_detail(struct migration *m, const struct stream_name *name, uint64_t expires,
                       struct err *err) {
    struct stream_head h;
    uint64_t applied;
    UNUSED(expires);
    int rc = m->from.b->read_head(m->from.reader, stream_name_str(name), &h, &applied, err);
    migration_of_source(m, rc);
    if (rc == 0 && h.exists && h.detail != NULL) rc = put_detail(m, &h, err);
    stream_head_clear(&h);
    return rc;
}

int migration_copy_details(struct migration *m, struct err *err) {
    return migration_each_stream(m, "copying groups", copy_detail, err);
}
