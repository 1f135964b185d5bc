/* Keeping category_blocks: which blocks of sequences hold an event of a stream of a category. A
 * block that is named but has none is harmless, one that has some and is not named is not; so
 * nothing is taken away when events go, until a whole group of blocks is empty.
 *
 *   apply     notes the block of each event, by the name that its stream had when it was appended.
 *             What comes from a journal does not say: the stream is looked up
 *   rename    into another category puts the stream into moved_streams: readers take its events
 *             from its index, and maintain() notes their blocks, then forgets it
 *   migrated  of a store that had none the blocks are noted from the end to the beginning;
 *             `categorized` says how far that is, readers go through what lies before, row by row
 *
 * Names without a '-' are categories of their own: these are found by the index of the stream. */
#include "store/sqlite/categories.h"

#include "base/alloc.h"
#include "store/sqlite/internal.h"

#define SLICE_US     10000
#define LOOK_EVERY   64 /* rows between looks at the clock */
#define BLOCK_SLOTS  4096
#define STREAM_SLOTS 65536
#define CHUNK        256 /* entries of a moved stream, between looks at the clock */

struct categories {
    uint64_t written[BLOCK_SLOTS]; /* keys that are known to be there; 0: none */
    bool any_stream;
    struct {
        uint64_t stream; /* 0: empty */
        uint32_t category;
    } streams[STREAM_SLOTS]; /* of what comes from a journal, or is built: elsewhere not touched */
};

struct categories *sqlite_categories_create(void) {
    return xcalloc(1, sizeof(struct categories));
}

void sqlite_categories_forget(struct sqlite_writer *w) {
    struct categories *k = w->categories;
    memset(k->written, 0, sizeof k->written);
    if (k->any_stream) memset(k->streams, 0, sizeof k->streams);
    k->any_stream = false;
}

/* --- blocks --------------------------------------------------------------------- */

static int add_key(struct backend_conn *c, uint64_t key, struct err *err) {
    uint64_t *slot = &c->w->categories->written[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
    if (LIKELY(*slot == key)) return 0;
    sqlite3_stmt *stmt = c->stmts[SQL_ADD_CATEGORY_BLOCK];
    sqlite_bind_u64(stmt, 1, key);
    int rc = sqlite_step(c, stmt, err);
    if (rc == 0) *slot = key;
    return rc;
}

/* Of a stream in the table; CATEGORY_NONE also when it is gone. */
static int look_up(struct backend_conn *c, uint64_t stream, uint32_t *category, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_NAME];
    sqlite_bind_u64(stmt, 1, stream);
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    *category = CATEGORY_NONE;
    if (rc == 0) return 0;
    const void *name = sqlite3_column_text(stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
    if (len > 0) *category = category_number(str_of(name, len));
    sqlite3_reset(stmt);
    return 0;
}

static int category_of(struct backend_conn *c, uint64_t stream, uint32_t *category,
                       struct err *err) {
    size_t slot = stream % STREAM_SLOTS;
    struct categories *k = c->w->categories;
    if (k->streams[slot].stream != stream) {
        int rc = look_up(c, stream, &k->streams[slot].category, err);
        if (rc != 0) return rc;
        k->streams[slot].stream = stream;
        k->any_stream = true;
    }
    *category = k->streams[slot].category;
    return 0;
}

int sqlite_add_category(struct backend_conn *c, const struct record *r, struct err *err) {
    const struct event_record *e = r->body;
    uint32_t category = r->category;
    if (UNLIKELY(category == CATEGORY_UNKNOWN)) {
        const struct stream_change *s = changes_find_stream(&c->w->changes, e->stream);
        int rc = 0;
        if (s != NULL && s->name != NULL)
            category = category_number(str_of(s->name->name, s->name->name_len));
        else
            rc = category_of(c, e->stream, &category, err);
        if (rc != 0) return rc;
    }
    if (category == CATEGORY_NONE) return 0;
    return add_key(c, category_key(e->sequence >> BLOCK_BITS, category), err);
}

/* --- renames ---------------------------------------------------------------------- */

/* The events of the stream stand under its category of before; when it has had several names in
 * this apply, nobody knows by now what it was called when they were appended. */
int sqlite_category_renamed(struct backend_conn *c, uint64_t stream, struct str name, bool again,
                            struct err *err) {
    uint32_t before = CATEGORY_UNKNOWN, now = category_number(name);
    c->w->categories->streams[stream % STREAM_SLOTS].stream = 0;
    if (now == CATEGORY_NONE) return 0;
    int rc = again ? 0 : look_up(c, stream, &before, err);
    if (rc != 0 || before == now) return rc;
    c->w->moved_wanted = true;
    sqlite3_stmt *stmt = c->stmts[SQL_SET_MOVED];
    sqlite_bind_u64(stmt, 1, stream);
    sqlite_bind_u64(stmt, 2, 0);
    return sqlite_step(c, stmt, err);
}

/* Notes the blocks of up to CHUNK entries of the table, from *next on; *next UINT64_MAX: there are
 * no more. */
static int note_indexed(struct backend_conn *c, uint64_t stream, uint32_t category, uint64_t *next,
                        struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_INDEX_FORWARD];
    sqlite_bind_u64(stmt, 1, index_key(stream, *next));
    sqlite_bind_u64(stmt, 2, index_key(stream, INDEX_VERSION_MAX));
    int rc = 1;
    for (size_t n = 0; n < CHUNK && (rc = sqlite_step(c, stmt, err)) == 1; n++) {
        *next = ((uint64_t)sqlite3_column_int64(stmt, 0) & INDEX_VERSION_MAX) + 1;
        uint64_t sequence = (uint64_t)sqlite3_column_int64(stmt, 1);
        int added = add_key(c, category_key(sequence >> BLOCK_BITS, category), err);
        if (added != 0) return added;
    }
    sqlite3_reset(stmt);
    if (rc == 0 || *next > INDEX_VERSION_MAX) *next = UINT64_MAX;
    return MIN(rc, 0);
}

static int note_tail(struct backend_conn *c, uint64_t stream, uint32_t category, struct err *err) {
    struct index_view view;
    int rc = 0;
    index_view_take(c->w->index_tail, &view);
    for (size_t i = 0; rc == 0 && i < view.count; i++) {
        struct index_slice s = index_view_slice(&view, i, stream, 0, INDEX_VERSION_MAX, UINT64_MAX);
        for (; rc == 0 && s.begin < s.end; s.begin++) {
            uint64_t block = index_run_sequence(s.run, s.begin) >> BLOCK_BITS;
            rc = add_key(c, category_key(block, category), err);
        }
    }
    index_view_drop(c->w->index_tail, &view);
    return rc;
}

/* Some of one stream: 1, or 0 when there is none. */
static int move_some(struct backend_conn *c, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_NEXT_MOVED];
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    uint64_t stream = (uint64_t)sqlite3_column_int64(stmt, 0);
    uint64_t next = (uint64_t)sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    uint32_t category;
    if ((rc = look_up(c, stream, &category, err)) != 0) return rc;
    if (category != CATEGORY_NONE) rc = note_indexed(c, stream, category, &next, err);
    if (rc != 0) return rc;
    bool over = category == CATEGORY_NONE || next == UINT64_MAX;
    if (over && category != CATEGORY_NONE) rc = note_tail(c, stream, category, err);
    if (rc != 0) return rc;
    stmt = c->stmts[over ? SQL_END_MOVED : SQL_SET_MOVED];
    sqlite_bind_u64(stmt, 1, stream);
    if (!over) sqlite_bind_u64(stmt, 2, next);
    rc = sqlite_step(c, stmt, err);
    return rc == 0 ? 1 : rc;
}

/* --- stores of before --------------------------------------------------------------- */

/* Up to LOOK_EVERY rows before *categorized; 0: it begins with them. */
static int build_some(struct backend_conn *c, uint64_t *categorized, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_STREAMS_BEFORE];
    sqlite_bind_u64(stmt, 1, *categorized);
    int rc = 1;
    for (size_t n = 0; n < LOOK_EVERY && (rc = sqlite_step(c, stmt, err)) == 1; n++) {
        uint64_t sequence = (uint64_t)sqlite3_column_int64(stmt, 0);
        uint32_t category = CATEGORY_NONE;
        int added = category_of(c, (uint64_t)sqlite3_column_int64(stmt, 1), &category, err);
        if (added == 0 && category != CATEGORY_NONE)
            added = add_key(c, category_key(sequence >> BLOCK_BITS, category), err);
        if (added != 0) return added;
        *categorized = sequence;
    }
    sqlite3_reset(stmt);
    if (rc == 0) *categorized = 0;
    return MIN(rc, 0);
}

/* --- what is empty -------------------------------------------------------------------- */

/* Looks at one group a call, round and round: of one without events the rows go, a portion at a
 * time. */
int sqlite_sweep_categories(struct backend_conn *c, struct err *err) {
    struct sqlite_writer *w = c->w;
    const int bits = CATEGORY_BITS + GROUP_BITS;
    sqlite3_stmt *stmt = c->stmts[SQL_NEXT_CATEGORY_BLOCK];
    sqlite_bind_u64(stmt, 1, w->sweep_group << bits);
    sqlite_bind_u64(stmt, 2, INT64_MAX);
    int rc = sqlite_step(c, stmt, err);
    if (rc == 0) w->sweep_group = 0;
    if (rc != 1) return rc;
    uint64_t group = (uint64_t)sqlite3_column_int64(stmt, 0) >> bits;
    sqlite3_reset(stmt);
    w->sweep_group = group + 1;
    uint64_t first = group << (GROUP_BITS + BLOCK_BITS);
    uint64_t last = first + (1u << (GROUP_BITS + BLOCK_BITS)) - 1;
    if (last >= w->state.s.next_sequence) return 0;
    stmt = c->stmts[SQL_RECORDED_BEFORE];
    sqlite_bind_u64(stmt, 1, first);
    sqlite_bind_u64(stmt, 2, last);
    if ((rc = sqlite_step(c, stmt, err)) < 0) return rc;
    sqlite3_reset(stmt);
    if (rc == 1) return 0;
    stmt = c->stmts[SQL_DROP_CATEGORY_BLOCKS];
    sqlite_bind_u64(stmt, 1, group << bits);
    sqlite_bind_u64(stmt, 2, ((group + 1) << bits) - 1);
    rc = sqlite_step(c, stmt, err);
    if (rc == 0 && sqlite3_changes(c->db) > 0) w->sweep_group = group; /* there may be more */
    return rc;
}

/* --- slices ----------------------------------------------------------------------------- */

bool sqlite_categorize_wanted(const struct sqlite_writer *w) {
    return w->moved_wanted || w->state.categorized > 0;
}

static int categorize_some(struct backend_conn *c, uint64_t *categorized, bool *moved_left,
                           struct err *err) {
    struct slice slice = slice_begin(SLICE_US, c->w->slice_rows);
    int rc = 1;
    while (rc == 1 && !slice_over(&slice)) {
        slice_took(&slice, LOOK_EVERY);
        rc = *moved_left ? move_some(c, err) : 0;
        if (rc < 0) return rc;
        if (rc == 1) continue;
        *moved_left = false;
        if (*categorized == 0) return 0;
        if ((rc = build_some(c, categorized, err)) < 0) return rc;
        rc = 1;
    }
    return 0;
}

int sqlite_categorize(struct backend_conn *c, struct err *err) {
    struct sqlite_writer *w = c->w;
    if (!sqlite_categorize_wanted(w)) return 0;
    bool moved_left = w->moved_wanted;
    int rc = sqlite_begin_write(c, err);
    if (rc == 0) rc = sqlite_refresh(c, err);
    uint64_t categorized = w->state.categorized;
    if (rc == 0) rc = categorize_some(c, &categorized, &moved_left, err);
    if (rc == 0) rc = sqlite_set_progress(c, w->state.indexed, categorized, err);
    if (rc == 0) rc = sqlite_run(c, SQL_COMMIT, err);
    if (rc != 0) {
        sqlite_rollback(c);
        sqlite_categories_forget(w);
        w->stale = true;
        return rc;
    }
    w->state.categorized = categorized;
    w->moved_wanted = moved_left;
    return 0;
}
