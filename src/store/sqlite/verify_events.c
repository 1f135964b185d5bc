/* The rows of events, against what leads to them and back: stream_index, event_ids, the tables by
 * value, and the blocks of types and categories. All of them are read once, in the order in which
 * they lie on disk. For each index two sums are made, of the entries that the rows ask for and of
 * those that are there; only when they differ, the entries are looked for one by one, to be named.
 *
 * Not indexed yet is what lies beyond `indexed`; entries of it that are in the tables already, by
 * half a merge, are looked up. */
#include "store/sqlite/categories.h"
#include "store/sqlite/internal.h"

#include "base/alloc.h"

#define STREAM_SLOTS 65536
#define TELL_EVERY   4096 /* rows */
#define BLOCK_EVENTS (1u << BLOCK_BITS)

struct known_stream {
    uint64_t number; /* 0: empty slot */
    uint64_t first_version;
    uint32_t category;
    bool there, deleted, moved;
};

struct event_check {
    struct backend_conn *c;
    struct verify *v;
    const struct sqlite_state *state;
    struct known_stream *streams;
    sqlite3_stmt *stream, *deleted, *id, *type, *type_block, *category_block;
    struct set_sum index, ids, sides[SIDE_COUNT];
    uint64_t rows, counted_rows, with_hash;
    uint64_t block; /* the one that is being read */
    uint32_t types[BLOCK_EVENTS], categories[BLOCK_EVENTS];
    size_t type_count, category_count; /* without those that repeat the one before */
};

/* --- statements ---------------------------------------------------------------------- */

static int prepare(struct backend_conn *c, sqlite3_stmt **out, const char *sql, struct err *err) {
    int rc = sqlite3_prepare_v2(c->db, sql, -1, out, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_error(c, rc, err, sql);
}

static int prepare_lookups(struct event_check *k, struct err *err) {
    const struct {
        sqlite3_stmt **stmt;
        const char *sql;
    } all[] = {
        {&k->stream, "SELECT first_version, name, EXISTS (SELECT 1 FROM moved_streams WHERE"
                     " stream = ?1) FROM streams WHERE number = ?1"},
        {&k->deleted, "SELECT 1 FROM deleted_streams WHERE number = ?1"},
        {&k->id, "SELECT sequence FROM event_ids WHERE id = ?1"},
        {&k->type, "SELECT 1 FROM types WHERE number = ?1"},
        {&k->type_block, "SELECT 1 FROM type_blocks WHERE type = ?1 AND block = ?2"},
        {&k->category_block, "SELECT 1 FROM category_blocks WHERE key = ?1"},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(all); i++)
        rc = prepare(k->c, all[i].stmt, all[i].sql, err);
    return rc;
}

static void finalize_lookups(struct event_check *k) {
    sqlite3_stmt *all[] = {k->stream, k->deleted, k->id, k->type, k->type_block, k->category_block};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) sqlite3_finalize(all[i]);
}

/* Whether there is a row; its first column goes to *value. */
static int look_up(struct event_check *k, sqlite3_stmt *stmt, bool *there, uint64_t *value,
                   struct err *err) {
    int rc = sqlite_step(k->c, stmt, err);
    *there = rc == 1;
    if (rc == 1 && value != NULL) *value = (uint64_t)sqlite3_column_int64(stmt, 0);
    if (rc == 1) sqlite3_reset(stmt);
    return MIN(rc, 0);
}

static int progress(struct event_check *k, const char *step, uint64_t done, uint64_t total,
                    struct err *err) {
    if (k->v->progress(step, done, total, k->v->arg)) return 0;
    return err_set(err, ERR_FAILED, "stopped");
}

/* --- streams ------------------------------------------------------------------------- */

static int load_stream(struct event_check *k, uint64_t number, struct known_stream *out,
                       struct err *err) {
    *out = (struct known_stream){.number = number, .category = CATEGORY_NONE};
    sqlite_bind_u64(k->stream, 1, number);
    int rc = sqlite_step(k->c, k->stream, err);
    if (rc < 0) return rc;
    if (rc == 1) {
        const void *name = sqlite3_column_text(k->stream, 1);
        size_t len = (size_t)sqlite3_column_bytes(k->stream, 1);
        out->there = true;
        out->first_version = (uint64_t)sqlite3_column_int64(k->stream, 0);
        if (len > 0) out->category = category_number(str_of(name, len));
        out->moved = sqlite3_column_int(k->stream, 2) != 0;
        sqlite3_reset(k->stream);
        return 0;
    }
    sqlite_bind_u64(k->deleted, 1, number);
    return look_up(k, k->deleted, &out->deleted, NULL, err);
}

static int stream_of(struct event_check *k, uint64_t number, const struct known_stream **out,
                     struct err *err) {
    struct known_stream *slot = &k->streams[number % STREAM_SLOTS];
    *out = slot;
    return slot->number == number ? 0 : load_stream(k, number, slot, err);
}

/* --- blocks ------------------------------------------------------------------------- */

static int u32_cmp(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int check_type(struct event_check *k, uint32_t type, struct err *err) {
    bool there = false;
    sqlite_bind_u64(k->type, 1, type);
    int rc = look_up(k, k->type, &there, NULL, err);
    if (rc != 0) return rc;
    if (!there)
        verify_damage(k->v, "type-missing", "events have type %u, which is not there", type);
    sqlite_bind_u64(k->type_block, 1, type);
    sqlite_bind_u64(k->type_block, 2, k->block);
    if ((rc = look_up(k, k->type_block, &there, NULL, err)) != 0) return rc;
    if (!there)
        verify_damage(k->v, "type-block-missing",
                      "type_blocks lacks type %u in block %llu (sequences from %llu on)", type,
                      (unsigned long long)k->block, (unsigned long long)(k->block << BLOCK_BITS));
    return 0;
}

static int check_category(struct event_check *k, uint32_t category, struct err *err) {
    bool there = false;
    sqlite_bind_u64(k->category_block, 1, category_key(k->block, category));
    int rc = look_up(k, k->category_block, &there, NULL, err);
    if (rc == 0 && !there)
        verify_damage(k->v, "category-block-missing",
                      "category_blocks lacks category %u in block %llu (sequences from %llu on)",
                      category, (unsigned long long)k->block,
                      (unsigned long long)(k->block << BLOCK_BITS));
    return rc;
}

typedef int check_fn(struct event_check *k, uint32_t number, struct err *err);

static int check_all(struct event_check *k, uint32_t *numbers, size_t n, check_fn *check,
                     struct err *err) {
    int rc = 0;
    if (n > 1) qsort(numbers, n, sizeof *numbers, u32_cmp);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (i == 0 || numbers[i] != numbers[i - 1]) rc = check(k, numbers[i], err);
    return rc;
}

static int end_block(struct event_check *k, struct err *err) {
    int rc = check_all(k, k->types, k->type_count, check_type, err);
    if (rc == 0) rc = check_all(k, k->categories, k->category_count, check_category, err);
    k->type_count = k->category_count = 0;
    return rc;
}

static void note(uint32_t *numbers, size_t *n, uint32_t number) {
    if (*n == 0 || numbers[*n - 1] != number) numbers[(*n)++] = number;
}

/* --- rows --------------------------------------------------------------------------- */

enum { E_SEQUENCE, E_STREAM, E_VERSION, E_TYPE, E_ID, E_HASHED, E_CORRELATION };
static const char rows_sql[] =
    "SELECT sequence, stream, version, type, event_id, content_hash IS NOT NULL, correlation,"
    " causation, aggregate FROM events ORDER BY sequence";

static void add_bytes(struct set_sum *sum, sqlite3_stmt *row, int column, uint64_t sequence) {
    const void *bytes = sqlite3_column_blob(row, column);
    set_sum_add(sum, bytes, (size_t)sqlite3_column_bytes(row, column), sequence);
}

/* The id of an event that is hidden may be another's by now, or nobody's. */
static int add_id(struct event_check *k, sqlite3_stmt *row, uint64_t sequence, bool hidden,
                  struct err *err) {
    if (hidden) {
        bool there = false;
        uint64_t of = 0;
        sqlite3_bind_blob(k->id, 1, sqlite3_column_blob(row, E_ID), sqlite3_column_bytes(row, E_ID),
                          SQLITE_TRANSIENT);
        int rc = look_up(k, k->id, &there, &of, err);
        if (rc != 0 || !there || of != sequence) return rc;
    }
    add_bytes(&k->ids, row, E_ID, sequence);
    return 0;
}

static int check_place(struct event_check *k, sqlite3_stmt *row, uint64_t sequence,
                       struct err *err) {
    uint64_t stream = (uint64_t)sqlite3_column_int64(row, E_STREAM);
    uint64_t version = (uint64_t)sqlite3_column_int64(row, E_VERSION);
    const struct known_stream *s;
    if (sequence >= k->state->s.next_sequence)
        verify_damage(k->v, "event-beyond", "event %llu is beyond the end of the store, %llu",
                      (unsigned long long)sequence, (unsigned long long)k->state->s.next_sequence);
    if (stream == 0 || stream > INDEX_STREAM_MAX || version > INDEX_VERSION_MAX) {
        verify_damage(k->v, "event-place", "event %llu is version %llu of stream %llu",
                      (unsigned long long)sequence, (unsigned long long)version,
                      (unsigned long long)stream);
        return 0;
    }
    int rc = stream_of(k, stream, &s, err);
    if (rc != 0) return rc;
    if (!s->there && !s->deleted)
        verify_damage(k->v, "event-stray", "event %llu is of stream %llu, which is not there",
                      (unsigned long long)sequence, (unsigned long long)stream);
    uint64_t key = index_key(stream, version);
    bool hashed = sqlite3_column_int(row, E_HASHED) != 0;
    bool hidden = !s->there || version < s->first_version;
    k->with_hash += hashed;
    if (sequence < k->state->indexed) {
        set_sum_add(&k->index, &key, sizeof key, sequence);
        if (hashed) rc = add_id(k, row, sequence, hidden, err);
    }
    if (!hidden && !s->moved && s->category != CATEGORY_NONE && sequence >= k->state->categorized)
        note(k->categories, &k->category_count, s->category);
    return rc;
}

static int check_row(struct event_check *k, sqlite3_stmt *row, struct err *err) {
    uint64_t sequence = (uint64_t)sqlite3_column_int64(row, E_SEQUENCE);
    int rc = 0;
    if (sequence >> BLOCK_BITS != k->block) rc = end_block(k, err);
    k->block = sequence >> BLOCK_BITS;
    k->rows++;
    k->counted_rows += sequence >= k->state->removed_from;
    if (rc == 0) rc = check_place(k, row, sequence, err);
    note(k->types, &k->type_count, (uint32_t)sqlite3_column_int64(row, E_TYPE));
    for (int i = 0; i < SIDE_COUNT; i++)
        if (sqlite3_column_type(row, E_CORRELATION + i) != SQLITE_NULL)
            add_bytes(&k->sides[i], row, E_CORRELATION + i, sequence);
    if (rc == 0 && k->rows % TELL_EVERY == 0)
        rc = progress(k, "rows of events", sequence, k->state->s.next_sequence, err);
    return rc;
}

static int read_rows(struct event_check *k, struct err *err) {
    sqlite3_stmt *row = NULL;
    int rc = prepare(k->c, &row, rows_sql, err);
    while (rc == 0 && (rc = sqlite_step(k->c, row, err)) == 1) rc = check_row(k, row, err);
    sqlite3_finalize(row);
    return rc == 0 ? end_block(k, err) : rc;
}

/* --- indexes -------------------------------------------------------------------------- */

static const struct index_check {
    const char *name, *step, *kind;
    size_t sum;                  /* its place in struct event_check */
    bool late;                   /* it is complete up to `indexed` only */
    const char *rows;            /* key, sequence */
    const char *check;           /* of an entry beyond `indexed`: whether it is right */
    const char *missing, *stray; /* one column: what it is, in words */
} indexes[] = {
    {"stream_index", "index of streams", "index", offsetof(struct event_check, index), true,
     "SELECT key, sequence FROM stream_index",
     "SELECT 1 FROM events WHERE sequence = ?2 AND (stream << 32) + version = ?1",
     "SELECT printf('stream_index lacks event %lld (version %lld of stream %lld)', e.sequence,"
     " e.version, e.stream) FROM events e LEFT JOIN stream_index i"
     " ON i.key = (e.stream << 32) + e.version"
     " WHERE e.sequence < ?1 AND (i.sequence IS NULL OR i.sequence <> e.sequence)",
     "SELECT printf('stream_index says that version %lld of stream %lld is event %lld, which %s',"
     " i.key & 4294967295, i.key >> 32, i.sequence,"
     " CASE WHEN e.sequence IS NULL THEN 'is not there' ELSE 'is another version' END)"
     " FROM stream_index i LEFT JOIN events e ON e.sequence = i.sequence WHERE i.sequence < ?1"
     " AND (e.sequence IS NULL OR (e.stream << 32) + e.version <> i.key)"},
    {"event_ids", "index of event ids", "id", offsetof(struct event_check, ids), true,
     "SELECT id, sequence FROM event_ids",
     "SELECT 1 FROM events WHERE sequence = ?2 AND event_id = ?1 AND content_hash IS NOT NULL",
     "SELECT printf('event_ids lacks the id of event %lld, %s', e.sequence, hex(e.event_id))"
     " FROM events e JOIN streams s ON s.number = e.stream AND s.first_version <= e.version"
     " LEFT JOIN event_ids i ON i.id = e.event_id WHERE e.content_hash IS NOT NULL"
     " AND e.sequence < ?1 AND (i.sequence IS NULL OR i.sequence <> e.sequence)",
     "SELECT printf('event_ids says that %s is event %lld, which %s', hex(i.id), i.sequence,"
     " CASE WHEN e.sequence IS NULL THEN 'is not there' ELSE 'has another id' END)"
     " FROM event_ids i LEFT JOIN events e ON e.sequence = i.sequence WHERE i.sequence < ?1"
     " AND (e.sequence IS NULL OR e.event_id <> i.id OR e.content_hash IS NULL)"},
#define SIDE_CHECK(table, column, side)                                                            \
    {                                                                                              \
        table, "index of " table, column,                                                          \
            offsetof(struct event_check, sides) + side * sizeof(struct set_sum), false,            \
            "SELECT id, sequence FROM " table, NULL,                                               \
            "SELECT printf('" table " lacks event %lld', e.sequence) FROM events e"                \
            " LEFT JOIN " table " i ON i.id = e." column " AND i.sequence = e.sequence"            \
            " WHERE e." column " IS NOT NULL AND i.id IS NULL",                                    \
            "SELECT printf('" table " names event %lld, which %s', i.sequence, CASE WHEN"          \
            " e.sequence IS NULL THEN 'is not there' ELSE 'has another " column "' END)"           \
            " FROM " table " i LEFT JOIN events e ON e.sequence = i.sequence"                      \
            " WHERE e.sequence IS NULL OR e." column " IS NOT i.id"                                \
    }
    SIDE_CHECK("correlations", "correlation", SIDE_CORRELATION),
    SIDE_CHECK("causations", "causation", SIDE_CAUSATION),
    SIDE_CHECK("aggregates", "aggregate", SIDE_AGGREGATE),
};

/* Of a late index: an entry that a merge has brought before it was complete. */
static int check_early(struct event_check *k, const struct index_check *x, sqlite3_stmt *lookup,
                       sqlite3_stmt *row, struct err *err) {
    bool there = false;
    sqlite3_bind_value(lookup, 1, sqlite3_column_value(row, 0));
    sqlite3_bind_value(lookup, 2, sqlite3_column_value(row, 1));
    int rc = look_up(k, lookup, &there, NULL, err);
    if (rc != 0 || there) return rc;
    char kind[32];
    snprintf(kind, sizeof kind, "%s-stray", x->kind);
    verify_damage(k->v, kind, "%s names event %lld, which is not there, or is not it", x->name,
                  (long long)sqlite3_column_int64(row, 1));
    return 0;
}

static int sum_entries(struct event_check *k, const struct index_check *x, struct set_sum *sum,
                       struct err *err) {
    sqlite3_stmt *row = NULL, *lookup = NULL;
    const struct set_sum *wanted = (const struct set_sum *)(const void *)((char *)k + x->sum);
    uint64_t rows = 0;
    int rc = prepare(k->c, &row, x->rows, err);
    if (rc == 0 && x->check != NULL) rc = prepare(k->c, &lookup, x->check, err);
    while (rc == 0 && (rc = sqlite_step(k->c, row, err)) == 1) {
        uint64_t sequence = (uint64_t)sqlite3_column_int64(row, 1);
        bool integer = sqlite3_column_type(row, 0) == SQLITE_INTEGER;
        rc = 0;
        if (x->late && sequence >= k->state->indexed) {
            rc = check_early(k, x, lookup, row, err);
        } else if (integer) {
            uint64_t key = (uint64_t)sqlite3_column_int64(row, 0);
            set_sum_add(sum, &key, sizeof key, sequence);
        } else {
            add_bytes(sum, row, 0, sequence);
        }
        if (rc == 0 && ++rows % TELL_EVERY == 0)
            rc = progress(k, x->step, MIN(rows, wanted->count), wanted->count, err);
    }
    sqlite3_finalize(row);
    sqlite3_finalize(lookup);
    return rc;
}

/* Tells what a statement finds. */
static int tell(struct event_check *k, const struct index_check *x, const char *sql,
                const char *end, uint64_t *found, struct err *err) {
    sqlite3_stmt *row = NULL;
    char kind[32];
    snprintf(kind, sizeof kind, "%s-%s", x->kind, end);
    int rc = prepare(k->c, &row, sql, err);
    if (rc == 0 && x->late) sqlite_bind_u64(row, 1, k->state->indexed);
    while (rc == 0 && (rc = sqlite_step(k->c, row, err)) == 1) {
        verify_damage(k->v, kind, "%s", (const char *)sqlite3_column_text(row, 0));
        ++*found;
        rc = progress(k, x->step, 0, 0, err);
    }
    sqlite3_finalize(row);
    return rc;
}

static int check_index(struct event_check *k, const struct index_check *x, struct err *err) {
    const struct set_sum *wanted = (const struct set_sum *)(const void *)((char *)k + x->sum);
    struct set_sum have = {0};
    uint64_t found = 0;
    int rc = sum_entries(k, x, &have, err);
    if (rc != 0) return rc;
    k->v->count(x->name, have.count, k->v->arg);
    if (set_sum_eq(&have, wanted)) return 0;
    rc = tell(k, x, x->missing, "missing", &found, err);
    if (rc == 0) rc = tell(k, x, x->stray, "stray", &found, err);
    if (rc == 0 && found == 0)
        verify_damage(k->v, "index", "%s has %llu entries, and %llu are wanted", x->name,
                      (unsigned long long)have.count, (unsigned long long)wanted->count);
    return rc;
}

/* --- all of it ------------------------------------------------------------------------ */

/* Every sequence has a row, or was counted when its row went. */
static void check_count(struct event_check *k) {
    const struct sqlite_state *s = k->state;
    uint64_t wanted = s->s.next_sequence - MIN(s->removed_from, s->s.next_sequence);
    k->v->count("rows", k->rows, k->v->arg);
    k->v->count("removed", s->removed, k->v->arg);
    if (k->counted_rows + s->removed == wanted) return;
    verify_damage(k->v, "sequence-gap",
                  "of the %llu sequences from %llu on, %llu have a row and %llu were removed: %lld "
                  "are not accounted for",
                  (unsigned long long)wanted, (unsigned long long)s->removed_from,
                  (unsigned long long)k->counted_rows, (unsigned long long)s->removed,
                  (long long)(wanted - k->counted_rows - s->removed));
}

int sqlite_verify_events(struct backend_conn *c, struct verify *v, struct err *err) {
    struct event_check *k = xcalloc(1, sizeof *k);
    *k = (struct event_check){.c = c, .v = v, .state = &c->w->state};
    k->streams = xcalloc(STREAM_SLOTS, sizeof *k->streams);
    int rc = prepare_lookups(k, err);
    if (rc == 0) rc = read_rows(k, err);
    if (rc == 0) check_count(k);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(indexes); i++)
        rc = check_index(k, &indexes[i], err);
    finalize_lookups(k);
    free(k->streams);
    free(k);
    return rc;
}
