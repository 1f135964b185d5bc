/* For the tests of backends: a small store with its naive copy. Every event that is applied is
 * also kept in an array, so that whatever a backend answers can be compared with a walk
 * over that array. */
#ifndef TESTS_UNIT_BACKEND_WORLD_H
#define TESTS_UNIT_BACKEND_WORLD_H

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "store/backend.h"
#include "store/postgres/testing.h"
#include "store/sqlite/internal.h"
#include "postgres_path.h"
#include "unit.h"

struct world {
    const struct backend *b;
    const char *path;
    struct backend_conn *w, *r;
    uint64_t slice_rows;      /* of SQLite's maintenance; 0: slices of time */
    struct store_state state; /* as load_state said at open, then as the test moves it */
    struct event **events;    /* the naive copy, by sequence */
    size_t event_count, event_cap;
    struct stream_name *streams[4096]; /* by number */
    uint64_t versions[4096];
    bool deleted[4096];
    uint64_t stream_count;
    uint64_t clock_ms;
    struct batch *open; /* the batch being built */
    struct batch *batches[64];
    size_t batch_count;
    uint64_t next_frame;
    bool says_categories; /* of every event: what does not say it may have to be asked for */
};

static inline void world_fail(struct world *x, int rc, const char *what, const struct err *err) {
    fprintf(stderr, "  %s: %s: %d: %s\n", x->b->scheme, what, rc, err->text);
    exit(1);
}
#define WORLD_OK(x, call)                                                                          \
    do {                                                                                           \
        struct err err;                                                                            \
        int world_rc = (call);                                                                     \
        if (world_rc != 0) world_fail(x, world_rc, #call, &err);                                   \
    } while (0)

/* From now on, and after a reconnect: what a slice of maintenance does is so many rows. */
static inline void world_slices(struct world *x, uint64_t rows) {
    x->slice_rows = rows;
    if (x->b == &backend_sqlite) x->w->w->slice_rows = rows;
#ifndef WITHOUT_POSTGRES
    if (x->b == &backend_postgres) postgres_set_slices(x->w, rows);
#endif
}

static inline void world_connect(struct world *x) {
    WORLD_OK(x, x->b->open_writer(&x->w, x->path, &err));
    world_slices(x, x->slice_rows);
    WORLD_OK(x, x->b->open_reader(&x->r, x->w, &err));
    WORLD_OK(x, x->b->load_state(x->w, &x->state, &err));
}

static inline void world_disconnect(struct world *x) {
    x->b->close(x->r);
    x->b->close(x->w);
}

static inline void world_open(struct world *x, const struct backend *b, const char *path) {
    memset(x, 0, sizeof *x);
    x->b = b;
    x->path = path;
    x->clock_ms = 1000000;
    world_connect(x);
    x->next_frame = x->state.applied + 1;
    x->open = batch_create(x->next_frame);
}

static inline void world_forget(struct world *x) { /* the naive copy */
    for (size_t i = 0; i < x->event_count; i++) event_unref(x->events[i]);
    for (uint64_t i = 1; i <= x->stream_count; i++) stream_name_unref(x->streams[i]);
    x->event_count = 0;
    x->stream_count = 0;
    memset(x->versions, 0, sizeof x->versions);
    memset(x->deleted, 0, sizeof x->deleted);
}

static inline void world_close(struct world *x) {
    world_disconnect(x);
    batch_destroy(x->open);
    world_forget(x);
    free(x->events);
}

/* The stream of that name, made in its own record if it is new. */
static inline uint64_t world_stream(struct world *x, const char *name) {
    struct str s = str_c(name);
    for (uint64_t i = 1; i <= x->stream_count; i++)
        if (!x->deleted[i] && str_eq(stream_name_str(x->streams[i]), s)) return i;
    uint64_t number = ++x->stream_count;
    x->streams[number] = stream_name_create(number, x->clock_ms, s);
    const struct stream_record *rec = &x->streams[number]->rec;
    batch_add(x->open, RECORD_STREAM, rec, sizeof *rec + rec->name_len);
    return number;
}

/* Adds one event to the frame; sequence, version, clock and entry id are filled in, and an
 * id is made unless there is a content hash. */
static inline struct event *world_add(struct world *x, const char *stream, struct event_fields f) {
    uint64_t number = world_stream(x, stream);
    f.sequence = x->event_count;
    f.version = x->versions[number]++;
    f.recorded = x->clock_ms;
    if (f.timestamp == 0) f.timestamp = x->clock_ms;
    if (f.entry_ms == 0) {
        f.entry_ms = x->clock_ms;
        f.entry_seq = f.sequence;
    }
    if (f.content_hash == NULL)
        event_id_make(x->clock_ms, partition_hash(&x->streams[number]->partition_key), f.sequence,
                      x->state.id_key, &f.event_id);
    struct event *e = event_create(&f, x->streams[number]);
    if (x->event_count == x->event_cap) {
        x->event_cap = x->event_cap * 2 + 1024;
        x->events = xrealloc(x->events, x->event_cap * sizeof(struct event *));
    }
    x->events[x->event_count++] = e;
    batch_add(x->open, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
    /* What comes from a journal does not say it. */
    if (x->says_categories || draw(2)) batch_note_category(x->open, x->streams[number]->category);
    return e;
}

static inline void world_frame(struct world *x) {
    batch_end_frame(x->open);
}

/* A record of the open frame whose body is zeros, to be filled in. */
static inline void *world_record(struct world *x, enum record_kind kind, size_t len) {
    void *body = batch_alloc(x->open, len);
    memset(body, 0, len);
    batch_add(x->open, kind, body, len);
    return body;
}

static inline void world_number(struct world *x, enum record_kind kind, uint64_t number) {
    struct number_record *r = world_record(x, kind, sizeof *r);
    r->number = number;
}

/* The state of a stream as it is; the caller changes what changes, before the apply. */
static inline struct stream_state_record *world_state(struct world *x, uint64_t stream) {
    struct stream_state_record *r = world_record(x, RECORD_STREAM_STATE, sizeof *r);
    r->stream = stream;
    r->next_version = r->entries_added = x->versions[stream];
    for (size_t i = 0; i < x->event_count; i++)
        if (x->events[i]->rec.stream == stream)
            r->last = (struct entry_id){x->events[i]->rec.entry_ms, x->events[i]->rec.entry_seq};
    return r;
}

static inline struct event *world_event(struct world *x, uint64_t stream, uint64_t version) {
    for (size_t i = 0; i < x->event_count; i++)
        if (x->events[i]->rec.stream == stream && x->events[i]->rec.version == version)
            return x->events[i];
    return NULL;
}

/* Removes versions first..last with one record. */
static inline void world_remove(struct world *x, uint64_t stream, uint64_t first, uint64_t last) {
    size_t n = (size_t)(last - first + 1);
    struct remove_record *r = world_record(x, RECORD_REMOVE, sizeof *r + n * sizeof r->events[0]);
    r->stream = stream;
    for (size_t i = 0; i < n; i++) {
        struct event *e = world_event(x, stream, first + i);
        e->removed = 1;
        r->events[i] = (struct removed_event){first + i, e->rec.sequence};
    }
}

static inline void world_trim(struct world *x, uint64_t stream, uint64_t first_version) {
    world_state(x, stream)->first_version = first_version;
    for (size_t i = 0; i < x->event_count; i++) {
        struct event *e = x->events[i];
        if (e->rec.stream == stream && e->rec.version < first_version) e->removed = 1;
    }
}

static inline void world_delete(struct world *x, uint64_t stream) {
    world_number(x, RECORD_DELETE, stream);
    x->deleted[stream] = true;
    for (size_t i = 0; i < x->event_count; i++)
        if (x->events[i]->rec.stream == stream) x->events[i]->removed = 1;
}

/* Puts the batch aside for the next apply and begins another. */
static inline void world_batch(struct world *x) {
    if (x->open->frame_count == 0) return;
    x->next_frame = batch_last_frame(x->open) + 1;
    x->batches[x->batch_count++] = x->open;
    x->open = batch_create(x->next_frame);
}

static inline int world_try_apply(struct world *x, struct err *err) {
    world_batch(x);
    return x->b->apply(x->w, x->batches, x->batch_count, err);
}

static inline void world_applied(struct world *x) {
    for (size_t i = 0; i < x->batch_count; i++) batch_destroy(x->batches[i]);
    x->batch_count = 0;
}

static inline void world_apply(struct world *x) {
    WORLD_OK(x, world_try_apply(x, &err));
    world_applied(x);
}

static inline void world_maintain(struct world *x, bool all) {
    bool more = true;
    while (more) WORLD_OK(x, x->b->maintain(x->w, all, &more, &err));
}

/* One event of its own frame. */
static inline struct event *world_append(struct world *x, const char *stream, const char *type,
                                         const char *payload) {
    struct event *e =
        world_add(x, stream, (struct event_fields){.type = str_c(type), .payload = str_c(payload)});
    world_frame(x);
    return e;
}

/* What a lean page has of an event (struct read_range). */
static inline void check_lean_event(const struct event *have, const struct event *want) {
    const struct event_record *a = &have->rec, *b = &want->rec;
    const unsigned flags = EVENT_FIELDS | EVENT_ERASED;
    CHECK_INT(a->sequence, b->sequence);
    CHECK_INT(a->stream, b->stream);
    CHECK_INT(a->version, b->version);
    CHECK_INT(a->timestamp, b->timestamp);
    CHECK_INT(a->recorded, b->recorded);
    CHECK_INT(a->flags & flags, b->flags & flags);
    CHECK(str_eq(event_type(a), event_type(b)));
    CHECK(str_eq(event_payload(a), event_payload(b)));
}

static inline void check_same_event(const struct event *have, const struct event *want, bool lean) {
    size_t n = event_record_len(&want->rec);
    if (lean) {
        check_lean_event(have, want);
    } else {
        CHECK_INT(event_record_len(&have->rec), n);
        CHECK(memcmp(&have->rec, &want->rec, n) == 0);
    }
    CHECK_INT(have->frame, 0);
    CHECK(have->name->rec.number == want->name->rec.number);
    CHECK(have->name->rec.created == want->name->rec.created);
    CHECK(uuid_eq(&have->name->partition_key, &want->name->partition_key));
    CHECK(str_eq(stream_name_str(have->name), stream_name_str(want->name)));
}

static inline bool world_in_range(const struct event *e, const struct read_range *r) {
    uint64_t at = r->stream != 0 ? e->rec.version : e->rec.sequence;
    if (e->removed) return false;
    if (r->stream != 0 && e->rec.stream != r->stream) return false;
    return at >= r->start && at <= r->end;
}

/* Reads the whole range page by page, perhaps lean, and compares with the walk over the naive copy.
 */
static inline size_t world_check_range(struct world *x, struct read_range r) {
    r.lean = draw(2) != 0;
    const struct read_range whole = r;
    size_t i = 0, found = 0, pages = 0;
    for (;;) {
        struct page p;
        page_init(&p);
        WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
        CHECK_INT(p.applied, x->next_frame - 1);
        CHECK(p.count <= MAX(r.count_max, (size_t)1));
        for (size_t j = 0; j < p.count; j++) {
            const struct event *want = NULL;
            for (; want == NULL && i < x->event_count; i++) {
                const struct event *e = x->events[r.reverse ? x->event_count - 1 - i : i];
                if (!world_in_range(e, &whole)) continue;
                if (r.selector != NULL &&
                    !selector_match(r.selector, &e->rec, stream_name_str(e->name)))
                    continue;
                want = e;
            }
            CHECK(want != NULL);
            check_same_event(p.events[j], want, r.lean);
            found++;
        }
        CHECK(pages++ < 2 * x->event_count + 10);
        bool done = p.done;
        uint64_t next = p.next;
        page_clear(&p);
        if (done) break;
        CHECK(next >= r.start && next <= r.end); /* there is something left to look at */
        if (r.reverse)
            r.end = next;
        else
            r.start = next;
    }
    for (; i < x->event_count; i++) {
        const struct event *e = x->events[r.reverse ? x->event_count - 1 - i : i];
        CHECK(
            !world_in_range(e, &whole) ||
            (r.selector != NULL && !selector_match(r.selector, &e->rec, stream_name_str(e->name))));
    }
    return found;
}

static inline struct read_range range_of(uint64_t stream, uint64_t start, uint64_t end) {
    return (struct read_range){.stream = stream,
                               .start = start,
                               .end = end,
                               .count_max = 100000,
                               .bytes_max = SIZE_MAX,
                               .examined_max = SIZE_MAX};
}

static inline struct uuid uuid_n(uint64_t n) {
    struct uuid u = {{0}};
    memcpy(u.b + 8, &n, sizeof n);
    u.b[0] = 0xee;
    return u;
}

/* A test over PostgreSQL, when it is built in. */
#ifdef WITHOUT_POSTGRES
#define IN_POSTGRES(id)
#else
#define IN_POSTGRES(id)                                                                            \
    TEST(postgres_##id) {                                                                          \
        struct world x;                                                                            \
        world_open(&x, &backend_postgres, postgres_path());                                        \
        world_slices(&x, draw(2) ? 20 + draw(200) : 0);                                            \
        id(&x);                                                                                    \
        world_close(&x);                                                                           \
    }
#endif

#endif
