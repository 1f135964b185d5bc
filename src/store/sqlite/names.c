/* Which streams a selector of the log means by their names, as far as that helps to find their
 * events. Names are sorted: a plain name, the literal beginning of a glob, a category are ranges of
 * them. When few streams are in these, their events are found through the index of streams; else
 * through the blocks of the categories that they can be of; else all rows are looked at.
 *
 * Streams that the asker knows by another name (read_range.renamed), and those whose events are not
 * in the blocks of their category yet (moved_streams), come besides. */
#include "store/sqlite/internal.h"

#include "base/alloc.h"

#define LOOK_MAX   512 /* names in these ranges, of which not all need to pass */
#define MOVED_FEW  64
#define MOVED_LOOK 512

static void add_stream(struct names_found *f, uint64_t stream) {
    if (f->stream_count == f->stream_cap) {
        f->stream_cap = f->stream_cap * 2 + 64;
        f->streams = xrealloc(f->streams, f->stream_cap * sizeof *f->streams);
    }
    f->streams[f->stream_count++] = stream;
}

static void add_category(struct names_found *f, uint32_t category) {
    if (f->category_count == f->category_cap) {
        f->category_cap = f->category_cap * 2 + 16;
        f->categories = xrealloc(f->categories, f->category_cap * sizeof *f->categories);
    }
    f->categories[f->category_count++] = category;
}

static int number_cmp(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int category_cmp(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Each once. */
static void arrange(struct names_found *f) {
    size_t kept = 0;
    if (f->stream_count > 1) qsort(f->streams, f->stream_count, sizeof *f->streams, number_cmp);
    for (size_t i = 0; i < f->stream_count; i++)
        if (kept == 0 || f->streams[kept - 1] != f->streams[i]) f->streams[kept++] = f->streams[i];
    f->stream_count = kept;
    if (f->category_count > 1)
        qsort(f->categories, f->category_count, sizeof *f->categories, category_cmp);
    kept = 0;
    for (size_t i = 0; i < f->category_count; i++)
        if (kept == 0 || f->categories[kept - 1] != f->categories[i])
            f->categories[kept++] = f->categories[i];
    f->category_count = kept;
}

static void begin(struct names_found *f, const struct read_range *range) {
    f->by = NAMES_ROWS;
    f->stream_count = f->category_count = 0;
    for (size_t i = 0; i < range->renamed_count; i++) add_stream(f, range->renamed[i]);
}

void sqlite_names_free(struct names_found *f) {
    free(f->streams);
    free(f->categories);
    buf_clear(&f->text);
}

/* --- streams ---------------------------------------------------------------------- */

/* The stream with this name, if there is one. */
static int add_named(struct backend_conn *c, struct str name, struct err *err) {
    if (name.len == 0 || name.len > STREAM_NAME_MAX) return 0;
    sqlite3_stmt *stmt = c->stmts[SQL_STREAM_BY_NAME];
    sqlite3_bind_text(stmt, 1, name.ptr, (int)name.len, SQLITE_STATIC);
    int rc = sqlite_step(c, stmt, err);
    if (rc != 1) return rc;
    add_stream(&c->r->names_found, (uint64_t)sqlite3_column_int64(stmt, 0));
    sqlite3_reset(stmt);
    return 0;
}

/* What is left of the bounds above. */
struct room {
    size_t found, looks;
};

/* The streams whose names begin so, and pass: 1; 0: they are too many. */
static int add_beginning(struct backend_conn *c, const struct read_range *range, struct str with,
                         struct room *room, struct err *err) {
    struct buf *text = &c->r->names_found.text;
    if (with.len > STREAM_NAME_MAX) return 1;
    buf_reset(text);
    buf_put_str(text, with); /* what follows all names that begin so: one more in the last byte */
    while (text->len > 0 && (unsigned char)text->data[text->len - 1] == 0xff) text->len--;
    if (text->len == 0) return 0;
    text->data[text->len - 1] = (char)(text->data[text->len - 1] + 1);
    sqlite3_stmt *stmt = c->stmts[SQL_NAMES_BETWEEN];
    sqlite3_bind_text(stmt, 1, with.ptr, (int)with.len, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, text->data, (int)text->len, SQLITE_STATIC);
    int rc;
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        struct str name = str_of((const char *)sqlite3_column_text(stmt, 1),
                                 (size_t)sqlite3_column_bytes(stmt, 1));
        bool passes = selector_name_passes(range->selector, name);
        if (room->looks == 0 || (passes && room->found == 0)) break;
        room->looks--;
        if (!passes) continue;
        room->found--;
        add_stream(&c->r->names_found, (uint64_t)sqlite3_column_int64(stmt, 0));
    }
    sqlite3_reset(stmt);
    return rc < 0 ? rc : rc == 0;
}

/* The category's: 1; 0: they are too many. */
static int add_of_category(struct backend_conn *c, const struct read_range *range,
                           struct str category, struct room *room, struct err *err) {
    char with[STREAM_NAME_MAX + 1];
    if (category.len >= STREAM_NAME_MAX) return 1;
    int rc = add_named(c, category, err);
    if (rc != 0) return rc;
    if (category.len > 0) memcpy(with, category.ptr, category.len);
    with[category.len] = '-';
    return add_beginning(c, range, str_of(with, category.len + 1), room, err);
}

/* Lists them by the alternatives of one kind: 1; 0: they are too many. */
static int list_streams(struct backend_conn *c, const struct read_range *range,
                        enum selector_kind kind, struct err *err) {
    const struct selector_values *v = &range->selector->kinds[kind];
    struct room room = {c->r->streams_few, LOOK_MAX};
    int rc = 1;
    for (size_t i = 0; rc == 1 && i < v->count; i++) {
        struct str value = v->values[i];
        if (kind == SELECT_CATEGORY) {
            rc = add_of_category(c, range, value, &room, err);
        } else if (i < v->plain) {
            rc = add_named(c, value, err);
            rc = rc == 0 ? 1 : rc;
        } else {
            size_t literal = str_glob_prefix(value);
            rc = literal > 0 ? add_beginning(c, range, str_of(value.ptr, literal), &room, err) : 0;
        }
    }
    return rc;
}

int sqlite_names_find(struct backend_conn *c, const struct read_range *range, struct err *err) {
    struct names_found *f = &c->r->names_found;
    const enum selector_kind kinds[] = {SELECT_STREAM, SELECT_CATEGORY};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!selector_has(range->selector, kinds[i])) continue;
        begin(f, range);
        int rc = list_streams(c, range, kinds[i], err);
        if (rc < 0) return rc;
        if (rc == 0) continue;
        f->by = NAMES_STREAMS;
        arrange(f);
        return 0;
    }
    return sqlite_names_find_blocks(c, range, err);
}

/* --- blocks ------------------------------------------------------------------------ */

/* What can be of these names is of this category, or is this stream: 1; 0: it can be anything. A
 * plain value is a name, of a glob `literal` bytes are. */
static int add_blocks_of(struct backend_conn *c, struct str value, size_t literal,
                         struct err *err) {
    const char *dash = literal > 0 ? memchr(value.ptr, '-', literal) : NULL;
    if (dash != NULL) {
        struct str category = str_of(value.ptr, (size_t)(dash - value.ptr));
        add_category(&c->r->names_found, category_number_of(category));
        return 1;
    }
    if (literal < value.len) return 0;
    int rc = add_named(c, value, err);
    return rc == 0 ? 1 : rc;
}

static int add_blocks_of_category(struct backend_conn *c, struct str category, struct err *err) {
    add_category(&c->r->names_found, category_number_of(category));
    int rc = add_named(c, category, err);
    return rc == 0 ? 1 : rc;
}

static int list_blocks(struct backend_conn *c, const struct read_range *range, struct err *err) {
    bool category = selector_has(range->selector, SELECT_CATEGORY);
    const struct selector_values *v =
        &range->selector->kinds[category ? SELECT_CATEGORY : SELECT_STREAM];
    int rc = 1;
    for (size_t i = 0; rc == 1 && i < v->count; i++) {
        struct str value = v->values[i];
        size_t literal = i < v->plain ? value.len : str_glob_prefix(value);
        rc = category ? add_blocks_of_category(c, value, err)
                      : add_blocks_of(c, value, literal, err);
    }
    return rc;
}

/* Those that were renamed into these categories and are on their way: 1; 0: they are too many. */
static int add_moved(struct backend_conn *c, const struct read_range *range, struct err *err) {
    sqlite3_stmt *stmt = c->stmts[SQL_MOVED];
    size_t looks = 0, found = 0;
    int rc;
    while ((rc = sqlite_step(c, stmt, err)) == 1) {
        struct str name = str_of((const char *)sqlite3_column_text(stmt, 1),
                                 (size_t)sqlite3_column_bytes(stmt, 1));
        bool passes = selector_name_passes(range->selector, name);
        if (looks++ == MOVED_LOOK || (passes && found++ == MOVED_FEW)) break;
        if (passes) add_stream(&c->r->names_found, (uint64_t)sqlite3_column_int64(stmt, 0));
    }
    sqlite3_reset(stmt);
    return rc < 0 ? rc : rc == 0;
}

int sqlite_names_find_blocks(struct backend_conn *c, const struct read_range *range,
                             struct err *err) {
    struct names_found *f = &c->r->names_found;
    begin(f, range);
    int rc = list_blocks(c, range, err);
    if (rc == 1) rc = add_moved(c, range, err);
    if (rc < 0) return rc;
    if (rc == 1) f->by = NAMES_BLOCKS;
    arrange(f);
    return 0;
}
