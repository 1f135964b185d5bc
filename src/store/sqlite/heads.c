/* The sequences of several streams' events, in order. Each stream has its own in the order of its
 * versions: a head for each holds its next few, the heads stand in a heap by the first of them (as
 * those of values do, values.c). Entries come from stream_index, then from the runs of the tail,
 * which are newer. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

#define ENTRIES_A_LOOK 16 /* of one stream, fetched together */

struct stream_cursor {
    struct heap_node due; /* its next sequence; from the end: counted down */
    uint64_t stream;
    uint64_t next;      /* versions from it on, reverse: below it, are not fetched yet */
    uint64_t end;       /* no version of it or beyond */
    uint64_t table_end; /* versions from it on are in the runs */
    uint64_t found[ENTRIES_A_LOOK];
    unsigned at, count;
};

static int last_of(struct backend_conn *c, uint64_t stream, uint64_t from, uint64_t to,
                   uint64_t *version, uint64_t *sequence, struct err *err) {
    return sqlite_index_last(c, c->r->heads.snapshot, stream, from, to, version, sequence, err);
}

/* Of versions [low, high) the first whose event's sequence is not below that; high: none. It is
 * likely to be near `low`. */
static int first_from(struct backend_conn *c, uint64_t stream, uint64_t low, uint64_t high,
                      uint64_t sequence, uint64_t *out, struct err *err) {
    bool near = true;
    for (uint64_t step = ENTRIES_A_LOOK; low < high; step *= 2) {
        uint64_t middle = low + (high - low) / 2, version = 0, found = 0;
        if (near && high - low > step) middle = low + step;
        int rc = last_of(c, stream, low, middle, &version, &found, err);
        if (rc < 0) return rc;
        if (rc == 1 && found >= sequence) {
            near = false;
            high = version;
        } else {
            low = middle + 1;
        }
    }
    *out = low;
    return 0;
}

/* --- fetching -------------------------------------------------------------------- */

static bool add(struct stream_cursor *h, uint64_t version, uint64_t sequence) {
    const unsigned last = ENTRIES_A_LOOK - 1;
    h->found[h->count++] = sequence;
    h->next = version;
    return h->count <= last;
}

/* From the table: versions [from, to]. */
static int look_in_table(struct backend_conn *c, struct stream_cursor *h, uint64_t from,
                         uint64_t to, struct err *err) {
    bool reverse = c->r->heads.reverse, room = true;
    sqlite3_stmt *stmt = c->stmts[reverse ? SQL_INDEX_REVERSE : SQL_INDEX_FORWARD];
    sqlite_bind_u64(stmt, 1, index_key(h->stream, from));
    sqlite_bind_u64(stmt, 2, index_key(h->stream, to));
    int rc = 0;
    while (room && (rc = sqlite_step(c, stmt, err)) == 1) {
        uint64_t version = (uint64_t)sqlite3_column_int64(stmt, 0) & INDEX_VERSION_MAX;
        room = add(h, reverse ? version : version + 1, (uint64_t)sqlite3_column_int64(stmt, 1));
    }
    sqlite3_reset(stmt);
    return MIN(rc, 0);
}

static bool add_of_run(struct stream_cursor *h, const struct index_run *run, size_t at,
                       bool reverse) {
    uint64_t version = run->keys[at] & INDEX_VERSION_MAX;
    return add(h, reverse ? version : version + 1, index_run_sequence(run, at));
}

/* From the runs: versions [from, to]. false: there is no room for more. */
static bool look_in_runs(struct backend_conn *c, struct stream_cursor *h, uint64_t from,
                         uint64_t to) {
    const struct snapshot *s = c->r->heads.snapshot;
    bool reverse = c->r->heads.reverse;
    for (size_t i = 0; i < s->view.count; i++) {
        size_t run = reverse ? s->view.count - 1 - i : i;
        struct index_slice slice =
            index_view_slice(&s->view, run, h->stream, from, to, s->state.s.next_sequence);
        while (slice.begin < slice.end)
            if (!add_of_run(h, slice.run, reverse ? --slice.end : slice.begin++, reverse))
                return false;
    }
    return true;
}

static int look(struct backend_conn *c, struct stream_cursor *h, struct err *err) {
    h->at = h->count = 0;
    if (c->r->heads.reverse) {
        if (h->next > h->table_end && !look_in_runs(c, h, h->table_end, h->next - 1)) return 0;
        uint64_t end = MIN(h->next, h->table_end);
        return end > 0 ? look_in_table(c, h, 0, end - 1, err) : 0;
    }
    if (h->next < MIN(h->table_end, h->end)) {
        int rc = look_in_table(c, h, h->next, h->table_end - 1, err);
        if (rc != 0 || h->count == ENTRIES_A_LOOK) return rc;
    }
    if (h->next < h->end) look_in_runs(c, h, MAX(h->next, h->table_end), INDEX_VERSION_MAX);
    return 0;
}

/* Puts the head where its next sequence belongs, or takes it out when it has none in the range. */
static int place(struct backend_conn *c, struct stream_cursor *h, struct err *err) {
    struct stream_heads *m = &c->r->heads;
    int rc = h->at < h->count ? 0 : look(c, h, err);
    if (rc != 0) return rc;
    bool none = h->at == h->count;
    uint64_t sequence = none ? 0 : h->found[h->at];
    if (none || sequence < m->start || sequence > m->range_end)
        heap_remove(&m->heap, &h->due);
    else
        heap_set(&m->heap, &h->due, m->reverse ? UINT64_MAX - sequence : sequence);
    return 0;
}

/* Lets it go on from a sequence. */
static int move_to(struct backend_conn *c, struct stream_cursor *h, uint64_t sequence,
                   struct err *err) {
    bool reverse = c->r->heads.reverse;
    while (h->at < h->count && (reverse ? h->found[h->at] > sequence : h->found[h->at] < sequence))
        h->at++;
    int rc = 0;
    if (h->at == h->count)
        rc = first_from(c, h->stream, reverse ? 0 : h->next, reverse ? h->next : h->end,
                        sequence + reverse, &h->next, err);
    return rc == 0 ? place(c, h, err) : rc;
}

static uint64_t first_in_runs(const struct snapshot *s, uint64_t stream) {
    for (size_t i = 0; i < s->view.count; i++) {
        struct index_slice slice =
            index_view_slice(&s->view, i, stream, 0, INDEX_VERSION_MAX, UINT64_MAX);
        if (slice.begin < slice.end) return slice.run->keys[slice.begin] & INDEX_VERSION_MAX;
    }
    return INDEX_VERSION_MAX + 1;
}

/* --- the heads together ------------------------------------------------------------ */

int sqlite_heads_open(struct backend_conn *c, const struct snapshot *snapshot,
                      const uint64_t *streams, size_t n, const struct heads_range *range,
                      struct err *err) {
    struct stream_heads *m = &c->r->heads;
    sqlite_heads_close(c);
    m->snapshot = snapshot;
    m->reverse = range->reverse;
    m->start = range->start;
    m->range_end = range->end;
    m->heads = n > 0 ? xcalloc(n, sizeof *m->heads) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct stream_cursor *h = &m->heads[i];
        uint64_t last = 0, sequence = 0;
        h->stream = streams[i];
        int rc = last_of(c, h->stream, 0, INDEX_VERSION_MAX, &last, &sequence, err);
        if (rc < 0) return rc;
        if (rc == 0) continue;
        m->events += last + 1;
        h->end = last + 1;
        h->next = m->reverse ? h->end : 0;
        h->table_end = first_in_runs(snapshot, h->stream);
        rc = move_to(c, h, m->reverse ? m->range_end : m->start, err);
        if (rc != 0) return rc;
    }
    return 0;
}

bool sqlite_heads_first(const struct backend_conn *c, uint64_t *sequence) {
    struct heap_node *first = heap_first(&c->r->heads.heap);
    if (first == NULL) return false;
    const struct stream_cursor *h = CONTAINER_OF(first, struct stream_cursor, due);
    *sequence = h->found[h->at];
    return true;
}

int sqlite_heads_next(struct backend_conn *c, uint64_t *sequence, struct err *err) {
    if (!sqlite_heads_first(c, sequence)) return 0;
    struct heap_node *first = heap_first(&c->r->heads.heap);
    struct stream_cursor *h = CONTAINER_OF(first, struct stream_cursor, due);
    h->at++;
    int rc = place(c, h, err);
    return rc != 0 ? rc : 1;
}

int sqlite_heads_skip(struct backend_conn *c, uint64_t sequence, struct err *err) {
    uint64_t first;
    while (sqlite_heads_first(c, &first)) {
        if (c->r->heads.reverse ? first <= sequence : first >= sequence) return 0;
        struct heap_node *node = heap_first(&c->r->heads.heap);
        int rc = move_to(c, CONTAINER_OF(node, struct stream_cursor, due), sequence, err);
        if (rc != 0) return rc;
    }
    return 0;
}

void sqlite_heads_close(struct backend_conn *c) {
    struct stream_heads *m = &c->r->heads;
    heap_clear(&m->heap);
    free(m->heads);
    *m = (struct stream_heads){0};
}
