/* Ranges of a stream or of the log, with selectors.
 *
 * A scan is a source of candidates in the order asked for, and a loop that looks at each. Sources:
 *
 *   rows     the log, row by row
 *   blocks   the log, only the blocks of 1024 sequences that may hold what is wanted (blocks.c)
 *   value    the log, the sequences that the tables by value (values.c) name
 *   streams  the log, the sequences of the few streams whose names pass (names.c, heads.c)
 *   index    a stream: versions from stream_index, then from the runs of the tail (they are newer)
 *   matches  a stream: the few of its events that a table by value names
 *
 * since and until first narrow the range: `recorded` never decreases along the log, hence along
 * a stream, so both ends are found by halving. The loop checks the selector on the row's columns;
 * only what passes becomes an event. A candidate that no longer fits in the page becomes `next`:
 * that is how `done` is exact.
 *
 * Events that were removed have no row, whatever source named them. Those of a deleted stream, and
 * those that were trimmed, still have theirs until they are purged: of the log they are recognized
 * by their stream's row, which is looked at only while there are such streams. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

#define TYPES_MAX      1024  /* more wanted types than this: their blocks do not help */
#define ONE_BY_ONE_MAX 20000 /* events of streams, beside which the blocks of types do not help */
#define SCATTERED      32    /* one event in so many: streams are rather read by their blocks */

struct scan;
/* 1: position and sequence set; 0: no more; 2: enough for one page, position says where to go on */
typedef int next_fn(struct scan *s, struct err *err);

struct scan {
    struct backend_conn *c;
    const struct read_range *range;
    const struct selector *selector; /* NULL: every event */
    struct snapshot snapshot;
    struct page *out;
    uint64_t start, end; /* narrowed */
    bool empty;          /* nothing to look at */
    bool hides;          /* of the log: there are rows of what is gone */
    uint64_t limit;      /* positions of the snapshot end here: next sequence or next version */

    next_fn *next;
    sqlite3_stmt *cursor; /* of the source */
    sqlite3_stmt *row;    /* the candidate's columns, once fetched */
    bool lean;            /* they are those of SQL_EVENTS_LEAN */
    uint64_t position, sequence;

    /* index */
    bool table_left;    /* the table is still to be read, or being read */
    uint64_t table_end; /* versions above it are in the runs */
    bool table_open;
    size_t run; /* forward: the next run; reverse: runs left */
    struct index_slice slice;

    /* matches */
    size_t match, match_count; /* in the reader's list; the next one */

    /* blocks */
    uint64_t block;
    bool block_open;
};

/* --- the streams of a page ------------------------------------------------------ */

static struct page_stream *page_stream(struct sqlite_reader *r, uint64_t number);

static void page_streams_grow(struct sqlite_reader *r) {
    struct page_stream *old = r->streams;
    size_t cap = r->stream_cap;
    r->stream_cap = cap == 0 ? 64 : cap * 2;
    r->streams = xcalloc(r->stream_cap, sizeof *r->streams);
    r->stream_count = 0;
    for (size_t i = 0; i < cap; i++)
        if (old[i].number != 0) *page_stream(r, old[i].number) = old[i];
    free(old);
}

/* The slot of a stream in the page being read, new if need be. Valid until the next call. */
static struct page_stream *page_stream(struct sqlite_reader *r, uint64_t number) {
    if (r->stream_count * 2 >= r->stream_cap) page_streams_grow(r);
    size_t at = (number * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    for (;; at++) {
        struct page_stream *p = &r->streams[at & (r->stream_cap - 1)];
        if (p->number == number) return p;
        if (p->number == 0) {
            *p = (struct page_stream){.number = number, .passes = -1};
            r->stream_count++;
            return p;
        }
    }
}

static void page_streams_clear(struct sqlite_reader *r) {
    if (r->stream_count == 0) return;
    for (size_t i = 0; i < r->stream_cap; i++)
        if (r->streams[i].name != NULL) stream_name_unref(r->streams[i].name);
    if (r->stream_cap > 65536) {
        free(r->streams);
        r->streams = NULL;
        r->stream_cap = 0;
    } else {
        memset(r->streams, 0, r->stream_cap * sizeof *r->streams);
    }
    r->stream_count = 0;
}

/* Puts s->row on the event at s->sequence: 1, or 0 when it is gone. */
static int event_row(struct scan *s, struct err *err) {
    s->row = s->c->stmts[SQL_EVENT];
    sqlite3_reset(s->row);
    sqlite_bind_u64(s->row, 1, s->sequence);
    return sqlite_step(s->c, s->row, err);
}

/* --- source: rows ------------------------------------------------------------------- */

static void cursor_open(struct scan *s, uint64_t start, uint64_t end) {
    s->lean = s->range->lean && !s->range->reverse;
    s->cursor = s->c->stmts[s->range->reverse ? SQL_EVENTS_REVERSE
                            : s->lean         ? SQL_EVENTS_LEAN
                                              : SQL_EVENTS_FORWARD];
    sqlite3_reset(s->cursor);
    sqlite_bind_u64(s->cursor, 1, start);
    sqlite_bind_u64(s->cursor, 2, end);
}

static int next_row(struct scan *s, struct err *err) {
    int rc = sqlite_step(s->c, s->cursor, err);
    if (rc != 1) return rc;
    s->row = s->cursor;
    s->position = s->sequence = (uint64_t)sqlite3_column_int64(s->cursor, COL_SEQUENCE);
    return 1;
}

/* --- source: blocks ------------------------------------------------------------------ */

static int next_in_blocks(struct scan *s, struct err *err) {
    for (;;) {
        if (s->block_open) {
            int rc = next_row(s, err);
            if (rc != 0) return rc;
            s->block_open = false;
            if (s->range->reverse ? s->block == s->start >> BLOCK_BITS
                                  : s->block == s->end >> BLOCK_BITS)
                return 0;
            s->block += s->range->reverse ? UINT64_MAX : 1;
        }
        int rc = sqlite_blocks_next(s->c, &s->block, err);
        uint64_t first = s->block << BLOCK_BITS, last = first | ((1u << BLOCK_BITS) - 1);
        if (rc == 2) s->position = s->range->reverse ? MIN(last, s->end) : MAX(first, s->start);
        if (rc != 1) return rc;
        if (first > s->end || last < s->start) return 0;
        cursor_open(s, MAX(first, s->start), MIN(last, s->end));
        s->block_open = true;
    }
}

/* --- source: value ------------------------------------------------------------------- */

static int next_by_value(struct scan *s, struct err *err) {
    int rc = sqlite_values_next(s->c, &s->sequence, err);
    s->position = s->sequence;
    return rc;
}

static int open_by_value(struct scan *s, struct err *err) {
    s->next = next_by_value;
    return sqlite_values_open(s->c, s->selector, s->range->reverse, s->start, s->end, err);
}

/* --- source: streams ------------------------------------------------------------------ */

static int next_of_streams(struct scan *s, struct err *err) {
    int rc = sqlite_heads_next(s->c, &s->sequence, err);
    s->position = s->sequence;
    return rc;
}

/* Reads them together, those of r->names_found. */
static int open_heads(struct scan *s, struct err *err) {
    const struct names_found *f = &s->c->r->names_found;
    struct heads_range range = {s->range->reverse, s->start, s->end};
    return sqlite_heads_open(s->c, &s->snapshot, f->streams, f->stream_count, &range, err);
}

/* Finds out what the names that are wanted lead to. *by: streams (one by one), blocks, or rows. */
static int look_for_names(struct scan *s, bool by_type, int *by, struct err *err) {
    const struct names_found *f = &s->c->r->names_found;
    int rc = sqlite_names_find(s->c, s->range, err);
    if (rc == 0 && f->by != NAMES_ROWS) rc = open_heads(s, err);
    if (rc == 0 && f->by == NAMES_STREAMS) {
        uint64_t events = s->c->r->heads.events;
        bool many = events > (s->end - s->start) / SCATTERED + ONE_BY_ONE_MAX / SCATTERED;
        if (many || (by_type && events > ONE_BY_ONE_MAX)) {
            rc = sqlite_names_find_blocks(s->c, s->range, err);
            if (rc == 0 && f->by != NAMES_ROWS) rc = open_heads(s, err);
        }
    }
    *by = f->by;
    return rc;
}

/* --- source: matches ----------------------------------------------------------------- */

static int next_match(struct scan *s, struct err *err) {
    while (s->match < s->match_count) {
        s->sequence = s->c->r->matches[s->match++];
        int rc = event_row(s, err);
        if (rc < 0) return rc;
        if (rc == 0 || (uint64_t)sqlite3_column_int64(s->row, COL_STREAM) != s->range->stream)
            continue;
        s->position = (uint64_t)sqlite3_column_int64(s->row, COL_VERSION);
        if (s->position >= s->start && s->position <= s->end) return 1;
    }
    return 0;
}

/* Of a stream, and a value that is rare: the index of the stream would be walked for nothing, or
 * nearly so. Lists the sequences that the value names between the stream's first and last event of
 * the range, unless they are too many: then the walk is not longer by much, and finds more. 1: they
 * are listed. */
static int list_matches(struct scan *s, struct err *err) {
    const struct snapshot *snapshot = &s->snapshot;
    uint64_t stream = s->range->stream;
    struct last_event first, last;
    if (s->end - s->start < MATCHES_MAX / 4) return 0;
    int rc = sqlite_last_event(s->c, snapshot, stream, s->start, s->end, &last, err);
    if (rc != 1) return rc;
    if ((rc = sqlite_last_event(s->c, snapshot, stream, s->start, s->start, &first, err)) < 0)
        return rc;
    uint64_t sequence = 0;
    size_t n = 0;
    rc = sqlite_values_open(s->c, s->selector, s->range->reverse, rc == 1 ? first.sequence : 0,
                            last.sequence, err);
    while (rc == 0 && (rc = sqlite_values_next(s->c, &sequence, err)) == 1) {
        if (n == MATCHES_MAX) break;
        s->c->r->matches[n++] = sequence;
        rc = 0;
    }
    sqlite_values_close(s->c);
    if (rc != 0) return rc < 0 ? rc : 0;
    s->match_count = n;
    s->next = next_match;
    return 1;
}

/* --- source: index ------------------------------------------------------------------- */

static int next_of_table(struct scan *s, struct err *err) {
    if (!s->table_open) {
        uint64_t end = MIN(s->end, s->table_end);
        s->cursor = s->c->stmts[s->range->reverse ? SQL_INDEX_REVERSE : SQL_INDEX_FORWARD];
        sqlite_bind_u64(s->cursor, 1, index_key(s->range->stream, s->start));
        sqlite_bind_u64(s->cursor, 2, index_key(s->range->stream, end));
        s->table_open = true;
    }
    int rc = sqlite_step(s->c, s->cursor, err);
    if (rc != 1) return rc;
    s->position = (uint64_t)sqlite3_column_int64(s->cursor, 0) & INDEX_VERSION_MAX;
    s->sequence = (uint64_t)sqlite3_column_int64(s->cursor, 1);
    return 1;
}

/* The next entry of the runs, oldest run first, or backwards. */
static bool next_of_runs(struct scan *s) {
    const struct index_view *v = &s->snapshot.view;
    while (s->slice.begin == s->slice.end) {
        if (s->range->reverse ? s->run == 0 : s->run == v->count) return false;
        size_t run = s->range->reverse ? --s->run : s->run++;
        s->slice = index_view_slice(v, run, s->range->stream, s->start, s->end,
                                    s->snapshot.state.s.next_sequence);
    }
    size_t at = s->range->reverse ? --s->slice.end : s->slice.begin++;
    s->position = s->slice.run->keys[at] & INDEX_VERSION_MAX;
    s->sequence = index_run_sequence(s->slice.run, at);
    return true;
}

static int next_of_index(struct scan *s, struct err *err) {
    bool forward = !s->range->reverse;
    for (int turn = 0; turn < 2; turn++) {
        if ((turn == 0) == forward) {
            if (!s->table_left) continue;
            int rc = next_of_table(s, err);
            if (rc != 0) return rc;
            s->table_left = false;
        } else if (next_of_runs(s)) {
            return 1;
        }
    }
    return 0;
}

static void open_index(struct scan *s) {
    const struct index_view *v = &s->snapshot.view;
    s->table_end = INDEX_VERSION_MAX;
    s->table_left = true;
    for (size_t i = 0; i < v->count; i++) {
        struct index_slice slice =
            index_view_slice(v, i, s->range->stream, 0, INDEX_VERSION_MAX, UINT64_MAX);
        if (slice.begin == slice.end) continue;
        uint64_t first = slice.run->keys[slice.begin] & INDEX_VERSION_MAX;
        s->table_left = first > s->start;
        s->table_end = first - (first > 0);
        break;
    }
    s->run = s->range->reverse ? v->count : 0;
    s->next = next_of_index;
}

/* --- narrowing ----------------------------------------------------------------------- */

/* The last event in [start, position]: 1 and where it is and when it was recorded, or 0. */
static int probe(void *arg, uint64_t start, uint64_t position, uint64_t *found, uint64_t *recorded,
                 struct err *err) {
    struct scan *s = arg;
    if (s->range->stream != 0) {
        struct last_event e;
        int rc = sqlite_last_event(s->c, &s->snapshot, s->range->stream, start, position, &e, err);
        if (rc != 1) return rc;
        *found = e.version;
        *recorded = e.recorded;
        return 1;
    }
    sqlite3_stmt *stmt = s->c->stmts[SQL_RECORDED_BEFORE];
    sqlite_bind_u64(stmt, 1, start);
    sqlite_bind_u64(stmt, 2, position);
    int rc = sqlite_step(s->c, stmt, err);
    if (rc != 1) return rc;
    *found = (uint64_t)sqlite3_column_int64(stmt, 0);
    *recorded = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    return 1;
}

/* --- the selector on a row ------------------------------------------------------------ */

static bool blob_passes(const struct scan *s, enum selector_kind kind, enum event_column column) {
    if (!selector_has(s->selector, kind)) return true;
    const void *have = sqlite3_column_blob(s->row, (int)column);
    size_t len = (size_t)sqlite3_column_bytes(s->row, (int)column);
    return have != NULL && selector_kind_passes(s->selector, kind, str_of(have, len));
}

static bool columns_pass(const struct scan *s) {
    if (selector_has(s->selector, SELECT_TYPE)) {
        int64_t type = sqlite3_column_int64(s->row, COL_TYPE);
        if (!type_set_holds(&s->c->r->type_set, (uint32_t)type)) return false;
    }
    uint64_t recorded = (uint64_t)sqlite3_column_int64(s->row, COL_RECORDED);
    return selector_time_passes(s->selector, recorded) &&
           blob_passes(s, SELECT_CORRELATION, COL_CORRELATION) &&
           blob_passes(s, SELECT_CAUSATION, COL_CAUSATION) &&
           blob_passes(s, SELECT_AGGREGATE, COL_AGGREGATE);
}

/* Whether the stream's name passes: 1 or 0, asked once a stream and page. */
static int name_passes(struct scan *s, uint64_t number, struct err *err) {
    if (!selector_has_names(s->selector) || range_ignores_name(s->range, number)) return 1;
    struct page_stream *p = page_stream(s->c->r, number);
    if (p->passes < 0) {
        const struct stream_name *n = NULL;
        int rc = sqlite_stream(s->c, number, &n, err);
        if (rc != 0) return rc;
        p->passes = selector_name_passes(s->selector, stream_name_str(n));
    }
    return p->passes;
}

/* Whether the candidate of the log is trimmed, or its stream deleted: 1 or 0. */
static int is_hidden(struct scan *s, uint64_t number, struct err *err) {
    struct page_stream *p = page_stream(s->c->r, number);
    if (!p->asked) {
        int rc = sqlite_first_version(s->c, number, &p->first_version, err);
        if (rc != 0) return rc;
        p->asked = true;
    }
    return (uint64_t)sqlite3_column_int64(s->row, COL_VERSION) < p->first_version;
}

/* --- the loop ------------------------------------------------------------------------ */

/* The candidate's row: 1, or 0 when it has been removed since it was indexed. */
static int fetch(struct scan *s, struct err *err) {
    bool here = s->row != NULL && (s->row == s->cursor || s->next == next_match);
    return here ? 1 : event_row(s, err);
}

static int take(struct scan *s, uint64_t number, struct err *err) {
    if (s->range->counts) {
        s->out->counted++;
        return 0;
    }
    struct page_stream *p = page_stream(s->c->r, number);
    if (p->name == NULL) {
        const struct stream_name *n = NULL;
        int rc = sqlite_stream(s->c, number, &n, err);
        if (rc != 0) return rc;
        p->name = sqlite_stream_copy(n);
    }
    struct event *e = NULL;
    int rc = sqlite_event_of_row(s->c, s->row, p->name, s->lean, &e, err);
    if (rc == 0) page_add(s->out, e);
    return rc;
}

/* Puts s->row on the candidate: 1, or 0 when it is gone. */
static int find(struct scan *s, struct err *err) {
    int rc = fetch(s, err);
    if (rc != 1 || !s->hides) return rc;
    rc = is_hidden(s, (uint64_t)sqlite3_column_int64(s->row, COL_STREAM), err);
    return rc < 0 ? rc : !rc;
}

static int look_at(struct scan *s, struct err *err) {
    uint64_t number = (uint64_t)sqlite3_column_int64(s->row, COL_STREAM);
    if (s->selector != NULL) {
        if (!columns_pass(s)) return 0;
        int rc = name_passes(s, number, err);
        if (rc != 1) return rc;
    }
    return take(s, number, err);
}

static int run(struct scan *s, struct err *err) {
    const struct read_range *r = s->range;
    struct page *out = s->out;
    const size_t count_max = MAX(r->count_max, (size_t)1);
    const size_t examined_max = MAX(r->examined_max, (size_t)1);
    size_t examined = 0, gone = 0;
    out->done = true;
    out->next = r->end >= s->limit ? s->limit : r->end + 1;
    out->next = r->reverse ? r->start - (r->start > 0) : MAX(out->next, r->start);
    if (s->empty) return 0;
    for (;;) {
        int rc = s->next(s, err);
        if (rc == 2) {
            out->done = false;
            out->next = s->position;
            return 0;
        }
        if (rc != 1) return rc;
        if ((rc = find(s, err)) < 0) return rc;
        if (rc == 0 && gone++ < examined_max) continue;
        bool full = rc == 0 || out->count >= count_max || examined >= examined_max ||
                    (out->count > 0 && out->bytes >= r->bytes_max);
        if (full) {
            out->done = false;
            out->next = s->position;
            return 0;
        }
        size_t taken = out->count;
        if ((rc = look_at(s, err)) != 0) return rc;
        examined++;
        if (r->stream == 0) {
            out->passed = s->position;
            out->passed_recorded = out->count > taken
                                       ? out->events[taken]->rec.recorded
                                       : (uint64_t)sqlite3_column_int64(s->row, COL_RECORDED);
        }
    }
}

static int open_of_stream(struct scan *s, bool by_value, struct err *err) {
    int rc = by_value ? list_matches(s, err) : 0;
    if (rc == 0) open_index(s);
    return MIN(rc, 0);
}

static int open_of_log(struct scan *s, bool by_type, struct err *err) {
    int by = NAMES_ROWS, rc = 0;
    by_type = by_type && s->c->r->type_set.count <= TYPES_MAX;
    bool is_long = s->end - s->start > 1u << BLOCK_BITS; /* else it is not worth looking */
    bool by_name = s->selector != NULL && (selector_has(s->selector, SELECT_STREAM) ||
                                           selector_has(s->selector, SELECT_CATEGORY));
    if (is_long && by_name && !s->range->any_name) rc = look_for_names(s, by_type, &by, err);
    if (rc != 0) return rc;
    if (by == NAMES_STREAMS) {
        s->next = next_of_streams;
    } else if (by_type || by == NAMES_BLOCKS) {
        bool reverse = s->range->reverse;
        s->block = (reverse ? s->end : s->start) >> BLOCK_BITS;
        sqlite_blocks_open(s->c, s->range, (reverse ? s->start : s->end) >> BLOCK_BITS,
                           s->snapshot.state.categorized, by_type, by == NAMES_BLOCKS);
        s->next = next_in_blocks;
    } else {
        cursor_open(s, s->start, s->end);
        s->next = next_row;
    }
    return 0;
}

static int open_source(struct scan *s, struct err *err) {
    bool by_type = s->selector != NULL && selector_has(s->selector, SELECT_TYPE);
    bool by_value = sqlite_values_wanted(s->selector);
    if (by_type) {
        int rc = sqlite_types_resolve(s->c, s->selector, err);
        if (rc != 0) return rc;
        if (s->c->r->type_set.count == 0) s->empty = true;
    }
    if (s->empty) return 0;
    if (s->range->stream != 0) return open_of_stream(s, by_value, err);
    return by_value ? open_by_value(s, err) : open_of_log(s, by_type, err);
}

static int any_hidden(struct scan *s, struct err *err) {
    sqlite3_stmt *stmt = s->c->stmts[SQL_ANY_HIDDEN];
    int rc = sqlite_step(s->c, stmt, err);
    if (rc < 0) return rc;
    s->hides = rc == 1 && sqlite3_column_int(stmt, 0) != 0;
    sqlite3_reset(stmt);
    return 0;
}

/* How far the snapshot goes, and with it the range. */
static int clamp(struct scan *s, struct err *err) {
    struct stream_extent extent = {0, s->snapshot.state.s.next_sequence};
    int rc;
    if (s->range->stream == 0)
        rc = any_hidden(s, err);
    else
        rc = sqlite_stream_extent(s->c, &s->snapshot, s->range->stream, &extent, err);
    if (rc < 0) return rc;
    s->start = MAX(s->range->start, extent.first_version);
    s->limit = extent.next_version;
    s->empty = s->start >= s->limit || s->start > s->range->end;
    s->end = s->empty ? s->start : MIN(s->range->end, s->limit - 1);
    return 0;
}

int sqlite_read_events(struct backend_conn *c, const struct read_range *range, struct page *out,
                       struct err *err) {
    assert(range->start <= range->end);
    assert(range->stream <= INDEX_STREAM_MAX);
    struct scan s = {.c = c, .range = range, .out = out, .selector = range->selector};
    bool by_stream = range->stream != 0 || selector_has_names(range->selector);
    int rc = sqlite_snapshot_begin(c, by_stream, &s.snapshot, err);
    if (rc != 0) return rc;
    out->applied = s.snapshot.state.s.applied;
    rc = clamp(&s, err);
    if (rc == 0 && s.selector != NULL && !s.empty)
        rc = selector_narrow(s.selector, &s.start, &s.end, &s.empty, probe, &s, err);
    if (rc == 0) rc = open_source(&s, err);
    if (rc == 0) rc = run(&s, err);
    page_streams_clear(c->r);
    sqlite_values_close(c);
    sqlite_heads_close(c);
    sqlite_blocks_close(c);
    if (s.cursor != NULL) sqlite3_reset(s.cursor);
    if (s.row != NULL) sqlite3_reset(s.row);
    sqlite_snapshot_end(c, &s.snapshot);
    return rc;
}
