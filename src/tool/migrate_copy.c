/* Copying: streams, then the log, then what streams have beside their events, then names. Numbers,
 * sequences, versions and ids stay as they are. */
#include "tool/migrate.h"

#include "base/alloc.h"

#define PAGE_STREAMS 1000
#define PAGE_EVENTS  1000
#define PAGE_NAMES   1000
#define PAGE_BYTES   (4u << 20)

static int end_phase(struct migration *m, enum migration_phase next, struct err *err) {
    m->note.phase = next;
    m->note.next = 0;
    m->note.part = 0;
    return migration_flush(m, err);
}

/* --- streams -------------------------------------------------------------------------------- */

int migration_each_stream(struct migration *m, const char *step, migration_stream_fn *fn,
                          struct err *err) {
    const struct migration_side *from = &m->from;
    bool done = false;
    int rc = 0;
    while (rc == 0 && !done) {
        struct stream_list page;
        stream_list_init(&page);
        page.bytes_max = PAGE_BYTES;
        rc = from->b->list_streams(from->reader, m->note.next, STR(""), STR(""), PAGE_STREAMS,
                                   PAGE_STREAMS, &page, err);
        migration_of_source(m, rc);
        for (size_t i = 0; rc == 0 && i < page.count; i++) {
            uint64_t number = page.names[i]->rec.number;
            if (number != m->note.next) m->note.part = 0;
            m->note.next = number;
            rc = fn(m, page.names[i], page.expires[i], err);
            m->note.next = number + 1;
            m->note.part = 0;
            if (rc == 0) rc = migration_flush_some(m, err);
        }
        progress_show(&m->progress, step, m->note.next, from->state.next_stream);
        done = page.done;
        if (rc == 0) m->note.next = MAX(m->note.next, page.next);
        stream_list_clear(&page);
    }
    return rc;
}

static int copy_stream(struct migration *m, const struct stream_name *name, uint64_t expires,
                       struct err *err) {
    UNUSED(expires);
    UNUSED(err);
    size_t len = sizeof name->rec + name->rec.name_len;
    memcpy(migration_put(m, RECORD_STREAM, len), &name->rec, len);
    return 0;
}

/* --- events --------------------------------------------------------------------------------- */

static int copy_page(struct migration *m, uint64_t end, struct err *err) {
    const struct migration_side *from = &m->from;
    struct page page;
    struct read_range range = {.start = m->note.next,
                               .end = end - 1,
                               .count_max = PAGE_EVENTS,
                               .bytes_max = PAGE_BYTES,
                               .examined_max = SIZE_MAX};
    page_init(&page);
    int rc = migration_of_source(m, from->b->read_events(from->reader, &range, &page, err));
    for (size_t i = 0; rc == 0 && i < page.count; i++) {
        const struct event *e = page.events[i];
        size_t len = event_record_len(&e->rec);
        memcpy(migration_put(m, RECORD_EVENT, len), &e->rec, len);
        batch_note_category(m->batch, e->name->category);
    }
    if (rc == 0) m->note.next = page.done ? end : page.next;
    page_clear(&page);
    return rc == 0 ? migration_flush_some(m, err) : rc;
}

static int copy_events(struct migration *m, struct err *err) {
    uint64_t end = m->from.state.next_sequence;
    int rc = 0;
    while (rc == 0 && m->note.next < end) {
        rc = copy_page(m, end, err);
        progress_show(&m->progress, "copying events", m->note.next, end);
    }
    return rc;
}

/* --- names ---------------------------------------------------------------------------------- */

static int copy_class(struct migration *m, enum named_class class, struct err *err) {
    const struct migration_side *from = &m->from;
    struct named_list page = {0};
    bool done = false;
    int rc = 0;
    while (rc == 0 && !done) {
        rc = from->b->list_named(from->reader, class, m->note.next, PAGE_NAMES, &page, err);
        migration_of_source(m, rc);
        for (size_t i = 0; rc == 0 && i < page.count; i++) {
            const struct named_item *n = &page.items[i];
            struct named_record *r =
                migration_put(m, RECORD_NAMED, sizeof *r + n->name.len + n->value.len);
            r->class = (uint16_t) class;
            r->name_len = (uint16_t)n->name.len;
            memcpy(r->bytes, n->name.ptr, n->name.len);
            if (n->value.len > 0) memcpy(r->bytes + n->name.len, n->value.ptr, n->value.len);
            m->note.next = n->number + 1;
            rc = migration_flush_some(m, err);
        }
        done = page.done;
        named_list_clear(&page);
        progress_show(&m->progress, "copying names", 0, 0);
    }
    return rc;
}

/* --- all of it ------------------------------------------------------------------------------ */

int migration_copy(struct migration *m, struct err *err) {
    int rc = 0;
    while (rc == 0 && m->note.phase != MIGRATE_COPIED) {
        switch ((enum migration_phase)m->note.phase) {
        case MIGRATE_STREAMS:
            rc = migration_each_stream(m, "copying streams", copy_stream, err);
            break;
        case MIGRATE_EVENTS:
            rc = copy_events(m, err);
            break;
        case MIGRATE_DETAILS:
            rc = migration_copy_details(m, err);
            break;
        case MIGRATE_CHECKPOINTS:
            rc = copy_class(m, NAMED_CHECKPOINT, err);
            break;
        case MIGRATE_VIEWS:
            rc = copy_class(m, NAMED_VIEW, err);
            break;
        default:
            return err_set(err, ERR_CORRUPT, "the target's note of the migration makes no sense");
        }
        if (rc == 0) rc = end_phase(m, m->note.phase + 1, err);
    }
    return rc;
}
