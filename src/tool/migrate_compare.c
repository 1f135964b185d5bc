/* Reads both sides, as any reader would, and compares: all events in order, then stream by stream
 * what hangs on each, then names. */
#include "tool/migrate.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#define PAGE_EVENTS  1000
#define PAGE_STREAMS 1000
#define PAGE_NAMES   1000
#define PAGE_BYTES   (4u << 20)

static unsigned long long ull(uint64_t n) {
    return n;
}

/* --- events --------------------------------------------------------------------------------- */

struct log_cursor {
    const struct migration_side *side;
    struct page page;
    size_t i;
    uint64_t at, end;
};

static void cursor_open(struct log_cursor *c, const struct migration_side *side, uint64_t end) {
    *c = (struct log_cursor){.side = side, .end = end};
    page_init(&c->page);
}

/* The next event, the cursor's until the next call: 1; 0: there are no more. */
static int cursor_next(struct log_cursor *c, const struct event **out, struct err *err) {
    while (c->i == c->page.count) {
        if (c->at >= c->end) return 0;
        struct read_range range = {.start = c->at,
                                   .end = c->end - 1,
                                   .count_max = PAGE_EVENTS,
                                   .bytes_max = PAGE_BYTES,
                                   .examined_max = SIZE_MAX};
        page_clear(&c->page);
        page_init(&c->page);
        c->i = 0;
        int rc = c->side->b->read_events(c->side->reader, &range, &c->page, err);
        if (rc != 0) return rc;
        c->at = c->page.done ? c->end : c->page.next;
    }
    *out = c->page.events[c->i++];
    return 1;
}

static bool same_event(const struct event *a, const struct event *b) {
    size_t len = event_record_len(&a->rec);
    return event_record_len(&b->rec) == len && memcmp(&a->rec, &b->rec, len) == 0 &&
           str_eq(stream_name_str(a->name), stream_name_str(b->name));
}

static void add_to_hash(struct migration *m, const struct event *e) {
    struct str name = stream_name_str(e->name);
    uint64_t chain[3] = {m->hash, hash_checksum(name.ptr, name.len),
                         hash_checksum(&e->rec, event_record_len(&e->rec))};
    m->hash = hash_checksum(chain, sizeof chain);
    m->events++;
}

static int compare_next(struct migration *m, struct log_cursor *from, struct log_cursor *to,
                        struct err *err) {
    const struct event *a = NULL, *b = NULL;
    int left = cursor_next(from, &a, err);
    if (left < 0) return migration_of_source(m, left);
    int right = cursor_next(to, &b, err);
    if (right < 0) return right;
    if (left == 0 && right == 0) return 0;
    if (left != right || !same_event(a, b))
        return err_set(err, ERR_CORRUPT, "the target differs from the source at event %llu",
                       ull(MIN(a != NULL ? a->rec.sequence : UINT64_MAX,
                               b != NULL ? b->rec.sequence : UINT64_MAX)));
    add_to_hash(m, a);
    return 1;
}

static int compare_events(struct migration *m, struct err *err) {
    struct log_cursor from, to;
    uint64_t end = m->from.state.next_sequence;
    int rc = 1;
    cursor_open(&from, &m->from, end);
    cursor_open(&to, &m->to, end);
    m->events = m->hash = 0;
    while (rc == 1) {
        rc = compare_next(m, &from, &to, err);
        if (m->events % PAGE_EVENTS == 0)
            progress_show(&m->progress, "comparing events", MIN(from.at, end), end);
    }
    page_clear(&from.page);
    page_clear(&to.page);
    return rc;
}

/* --- what hangs on a stream ------------------------------------------------------------------- */

static void put_u64(struct buf *b, uint64_t v) {
    buf_put(b, &v, sizeof v);
}

static void put_groups(struct buf *b, const struct stream_detail *d) {
    for (size_t i = 0; i < d->group_count; i++) {
        const struct group_image *g = &d->groups[i];
        buf_put(b, g->record, sizeof *g->record + g->record->name_len);
        put_u64(b, g->consumer_count);
        for (size_t k = 0; k < g->consumer_count; k++)
            buf_put(b, g->consumers[k], sizeof *g->consumers[k] + g->consumers[k]->name_len);
        put_u64(b, g->pending_count);
        for (size_t k = 0; k < g->pending_count; k++)
            buf_put(b, &g->pending[k], sizeof g->pending[k]);
    }
}

/* All that a head says, as bytes; but idempotent ids, of which either side may forget some. */
static void put_head(struct buf *b, const struct stream_head *h) {
    const struct stream_detail *d = h->detail;
    const uint64_t fixed[] = {h->exists,   h->kind,      h->number,   h->created, h->next_version,
                              h->entry_ms, h->entry_seq, h->recorded, d != NULL};
    buf_put(b, fixed, sizeof fixed);
    if (d == NULL) return;
    const uint64_t more[] = {d->first_version,  d->deleted.ms, d->deleted.seq,
                             d->entries_added,  d->expires,    d->idempotent_seconds,
                             d->idempotent_max, d->hole_count, d->value != NULL,
                             d->value_len,      d->group_count};
    buf_put(b, more, sizeof more);
    buf_put(b, d->holes, d->hole_count * sizeof *d->holes);
    buf_put(b, d->value, d->value_len);
    put_groups(b, d);
}

static bool same_idempotent(const struct idempotent_record *a, const struct idempotent_record *b) {
    size_t len = sizeof *a + a->producer_len + a->id_len;
    return a->producer_len == b->producer_len && a->id_len == b->id_len && memcmp(a, b, len) == 0;
}

/* Whether the source has what the target has, and the target the newest of them. What is old may
 * have been forgotten meanwhile, as in a server. */
static bool same_window(const struct stream_detail *a, const struct stream_detail *b,
                        uint64_t recorded) {
    uint32_t seconds = a->idempotent_seconds != 0 ? a->idempotent_seconds : IDEMPOTENT_SECONDS;
    uint64_t max = a->idempotent_max != 0 ? a->idempotent_max : IDEMPOTENT_MAX;
    uint64_t oldest = idempotent_oldest(recorded, seconds);
    size_t left = b->idempotent_count;
    for (size_t i = a->idempotent_count; i-- > 0;) { /* the newest first */
        bool there = left > 0 && same_idempotent(a->idempotent[i], b->idempotent[left - 1]);
        left -= there;
        if (!there && a->idempotent[i]->added >= oldest && a->idempotent_count - i <= max)
            return false;
    }
    return left == 0;
}

static bool same_head(const struct stream_head *a, const struct stream_head *b, struct buf *left,
                      struct buf *right, uint64_t recorded) {
    buf_reset(left);
    buf_reset(right);
    put_head(left, a);
    put_head(right, b);
    if (!str_eq(buf_str(left), buf_str(right))) return false;
    return a->detail == NULL || same_window(a->detail, b->detail, recorded);
}

static int compare_stream(struct migration *m, const struct stream_name *name, uint64_t expires,
                          struct err *err) {
    struct stream_head a = {0}, b = {0};
    struct buf left, right;
    uint64_t applied;
    UNUSED(expires);
    buf_init(&left, 0);
    buf_init(&right, 0);
    int rc = m->from.b->read_head(m->from.reader, stream_name_str(name), &a, &applied, err);
    migration_of_source(m, rc);
    if (rc == 0) rc = m->to.b->read_head(m->to.reader, stream_name_str(name), &b, &applied, err);
    if (rc == 0 && !same_head(&a, &b, &left, &right, m->from.state.recorded))
        rc = err_set(err, ERR_CORRUPT, "the target differs from the source in stream " STR_FMT,
                     STR_ARG(stream_name_str(name)));
    stream_head_clear(&a);
    stream_head_clear(&b);
    buf_clear(&left);
    buf_clear(&right);
    return rc;
}

/* That the target has no others its count says. */
static int compare_streams(struct migration *m, struct err *err) {
    struct migration_note note = m->note; /* the walk moves it */
    struct store_state now;
    m->note.next = m->note.part = 0;
    int rc = migration_each_stream(m, "comparing streams", compare_stream, err);
    m->note = note;
    if (rc == 0) rc = m->to.b->load_state(m->to.writer, &now, err);
    if (rc != 0) return rc;
    const struct store_state *was = &m->from.state;
    if (now.stream_count == was->stream_count && now.virtual_groups == was->virtual_groups &&
        now.expiring_count == was->expiring_count && now.next_deadline == was->next_deadline)
        return 0;
    return err_set(err, ERR_CORRUPT, "the target counts other streams than the source");
}

/* --- names -------------------------------------------------------------------------------------
 */

/* Their order is the backend's. */
static int sum_names(const struct migration_side *side, enum named_class class, struct set_sum *sum,
                     struct err *err) {
    struct named_list page = {0};
    bool done = false;
    int rc = 0;
    while (rc == 0 && !done) {
        uint64_t from = page.next;
        named_list_clear(&page);
        rc = side->b->list_named(side->reader, class, from, PAGE_NAMES, &page, err);
        for (size_t i = 0; rc == 0 && i < page.count; i++) {
            struct str name = page.items[i].name, value = page.items[i].value;
            set_sum_add(sum, name.ptr, name.len, hash_checksum(value.ptr, value.len));
        }
        done = page.done;
    }
    named_list_clear(&page);
    return rc;
}

static int compare_class(struct migration *m, enum named_class class, struct err *err) {
    struct set_sum from = {0}, to = {0};
    int rc = migration_of_source(m, sum_names(&m->from, class, &from, err));
    if (rc == 0) rc = sum_names(&m->to, class, &to, err);
    if (rc != 0 || set_sum_eq(&from, &to)) return rc;
    return err_set(err, ERR_CORRUPT, "the target differs from the source in its %s",
                   class == NAMED_VIEW ? "views" : "checkpoints");
}

int migration_compare(struct migration *m, struct err *err) {
    int rc = compare_events(m, err);
    if (rc == 0) rc = compare_streams(m, err);
    if (rc == 0) rc = compare_class(m, NAMED_CHECKPOINT, err);
    return rc == 0 ? compare_class(m, NAMED_VIEW, err) : rc;
}
