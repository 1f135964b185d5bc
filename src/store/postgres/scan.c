/* Ranges of a stream or of the log, with selectors.
 *
 * A scan asks for rows in chunks, in the order asked for, and looks at each. What the chunks are
 * of:
 *
 *   rows     the log, or a stream: all rows of the range
 *   blocks   the log, only the blocks of 1024 sequences that may hold what is wanted
 *   value    the log, the sequences that a correlation, causation or aggregate names
 *
 * since and until first narrow the range: `recorded` never decreases along the log, hence along a
 * stream, so both ends are found by halving. A row that no longer fits in the page becomes `next`:
 * that is how `done` is exact, and why a chunk is one row longer than what is wanted.
 *
 * Events of a deleted stream, and those that were trimmed, still have rows until they are purged:
 * they are recognized by their stream's first version, which comes with each row. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

#define CHUNK_ROWS  1024
#define CHUNK_BYTES (4u << 20)
#define BLOCKS      64   /* asked for together */
#define TYPES_MAX   1024 /* more wanted types than this: their blocks do not help */

/* A stream of the page that is being read. */
struct page_stream {
    struct hash_node node;
    uint64_t number;
    struct stream_name *name; /* one reference */
    bool passes;              /* the selector's, on names */
};

struct scan {
    struct backend_conn *c;
    const struct read_range *range;
    const struct selector *selector; /* NULL: every event */
    struct snapshot snapshot;
    struct page *out;
    uint64_t start, end; /* narrowed */
    uint64_t limit;      /* positions of the snapshot end here: next sequence or next version */
    bool empty;          /* nothing to look at */
    size_t rows;         /* that the next chunk may have; fewer where events are large */
    size_t examined, gone;
    struct hash_table streams;

    enum sql statement;
    struct array values; /* of the statement's last parameter, by value */

    /* blocks */
    bool by_blocks;
    struct array types, categories; /* either may be empty */
    uint64_t blocks[BLOCKS];
    size_t block, block_count;
    bool blocks_over;    /* there are no more than those in `blocks` */
    uint64_t next_block; /* to ask from */
};

/* --- streams of the page ------------------------------------------------------------------------
 */

static void free_stream(struct hash_node *n, void *arg) {
    struct page_stream *p = CONTAINER_OF(n, struct page_stream, node);
    hash_remove(arg, n);
    stream_name_unref(p->name);
    free(p);
}

/* NULL: the row makes no sense. */
static struct page_stream *page_stream(struct scan *s, const PGresult *r, int row) {
    uint64_t number = row_u64(r, row, COL_STREAM), hash = hash_u64(number);
    for (struct hash_node *n = hash_first(&s->streams, hash); n != NULL;
         n = hash_next(&s->streams, n))
        if (CONTAINER_OF(n, struct page_stream, node)->number == number)
            return CONTAINER_OF(n, struct page_stream, node);
    struct stream_name *name = postgres_stream_of_row(
        r, row, COL_STREAM, COL_STREAM_NAME, COL_STREAM_CREATED, COL_STREAM_KEY, COL_STREAM_KIND);
    if (name == NULL) return NULL;
    struct page_stream *p = xcalloc(1, sizeof *p);
    p->number = number;
    p->name = name;
    p->passes = !selector_has_names(s->selector) || range_ignores_name(s->range, number) ||
                selector_name_passes(s->selector, stream_name_str(name));
    hash_insert(&s->streams, &p->node, hash);
    return p;
}

/* --- narrowing -----------------------------------------------------------------------------------
 */

/* The last event in [start, position]: 1 and where it is and when it was recorded, or 0. */
static int probe(void *arg, uint64_t start, uint64_t position, uint64_t *found, uint64_t *recorded,
                 struct err *err) {
    struct scan *s = arg;
    struct params p = {0};
    PGresult *r = NULL;
    bool of_stream = s->range->stream != 0;
    param_u64(&p, start);
    param_u64(&p, position);
    if (of_stream) param_u32(&p, (uint32_t)s->range->stream);
    int rc = postgres_query(s->c, &s->snapshot, of_stream ? SQL_LAST_OF_STREAM : SQL_LAST_EVENT, &p,
                            &r, err);
    if (rc != 0 || PQntuples(r) == 0) return rc;
    *found = row_u64(r, 0, 0);
    *recorded = row_u64(r, 0, 3);
    return 1;
}

/* --- blocks
 * --------------------------------------------------------------------------------------- */

static int ask_for_blocks(struct scan *s, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    bool reverse = s->range->reverse, by_type = s->types.count > 0;
    uint64_t last = (reverse ? s->start : s->end) >> BLOCK_BITS;
    s->block = s->block_count = 0;
    if (s->blocks_over || (reverse ? s->next_block < last : s->next_block > last)) return 0;
    param_u64(&p, reverse ? last : s->next_block);
    param_u64(&p, reverse ? s->next_block : last);
    param_u64(&p, BLOCKS);
    if (by_type) param_array(&p, &s->types);
    if (s->categories.count > 0)
        param_array(&p, &s->categories);
    else if (by_type)
        param_null(&p);
    enum sql id = by_type   ? reverse ? SQL_TYPE_BLOCKS_REVERSE : SQL_TYPE_BLOCKS_FORWARD
                  : reverse ? SQL_CATEGORY_BLOCKS_REVERSE
                            : SQL_CATEGORY_BLOCKS_FORWARD;
    int rc = postgres_query(s->c, &s->snapshot, id, &p, &r, err);
    if (rc != 0) return rc;
    for (int i = 0; i < PQntuples(r); i++) s->blocks[s->block_count++] = row_u64(r, i, 0);
    s->blocks_over = s->block_count < BLOCKS;
    if (s->block_count == 0) return 0;
    uint64_t newest = s->blocks[s->block_count - 1];
    if (reverse && newest == 0) s->blocks_over = true;
    s->next_block = reverse ? newest - 1 : newest + 1;
    return 0;
}

/* The next blocks that touch each other: 1 and what positions they are, or 0. */
static int next_of_blocks(struct scan *s, uint64_t *low, uint64_t *high, struct err *err) {
    if (s->block == s->block_count) {
        int rc = ask_for_blocks(s, err);
        if (rc != 0 || s->block_count == 0) return rc;
    }
    uint64_t first = s->blocks[s->block++], last = first;
    bool reverse = s->range->reverse;
    while (s->block < s->block_count && s->blocks[s->block] == (reverse ? last - 1 : last + 1))
        last = s->blocks[s->block++];
    *low = MAX(MIN(first, last) << BLOCK_BITS, s->start);
    *high = MIN((MAX(first, last) << BLOCK_BITS) + (1u << BLOCK_BITS) - 1, s->end);
    return 1;
}

/* --- what leads to the events
 * ---------------------------------------------------------------------- */

/* Streams of a name, or of such a beginning: their category, or (without a '-') the name itself. 0:
 * it can be anything. */
static bool add_name(struct scan *s, struct array *names, struct str value, size_t literal) {
    const char *dash = literal > 0 ? memchr(value.ptr, '-', literal) : NULL;
    if (dash != NULL) {
        struct str category = str_of(value.ptr, (size_t)(dash - value.ptr));
        array_u64(&s->categories, category_number_of(category));
        return true;
    }
    if (literal < value.len) return false;
    array_str(names, value);
    return true;
}

/* Which categories the names that are wanted lead to. None: their blocks do not help. */
static int find_categories(struct scan *s, struct err *err) {
    const struct read_range *range = s->range;
    bool category = selector_has(s->selector, SELECT_CATEGORY);
    if (!category && !selector_has(s->selector, SELECT_STREAM)) return 0;
    if (range->any_name || range->renamed_count > 0) return 0;
    const struct selector_values *v =
        &s->selector->kinds[category ? SELECT_CATEGORY : SELECT_STREAM];
    struct array *names = &s->c->r->array;
    bool known = true;
    array_begin(names, ARRAY_BYTEA);
    for (size_t i = 0; known && i < v->count; i++) {
        struct str value = v->values[i];
        if (category) {
            array_u64(&s->categories, category_number_of(value));
            array_str(names, value);
        } else {
            known = add_name(s, names, value, i < v->plain ? value.len : str_glob_prefix(value));
        }
    }
    struct params p = {0};
    PGresult *r = NULL;
    if (names->count > 0)
        param_array(&p, names);
    else
        param_null(&p);
    int rc = known ? postgres_query(s->c, &s->snapshot, SQL_UNBLOCKED_NAMES, &p, &r, err) : 0;
    if (rc == 0 && (!known || row_bool(r, 0, 0))) array_begin(&s->categories, ARRAY_INT8);
    return rc;
}

static int open_blocks(struct scan *s, struct err *err) {
    const struct type_set *set = &s->c->r->type_set;
    array_begin(&s->types, ARRAY_INT4);
    array_begin(&s->categories, ARRAY_INT8);
    if (s->selector == NULL || s->end - s->start <= 1u << BLOCK_BITS) return 0;
    int rc = find_categories(s, err);
    if (selector_has(s->selector, SELECT_TYPE) && set->count <= TYPES_MAX)
        for (size_t i = 0; i < set->count; i++) array_u32(&s->types, set->numbers[i]);
    s->by_blocks = s->types.count > 0 || s->categories.count > 0;
    s->next_block = (s->range->reverse ? s->end : s->start) >> BLOCK_BITS;
    return rc;
}

static const struct {
    enum selector_kind kind;
    enum sql forward, reverse;
    enum array_type type;
} by_value[] = {
    {SELECT_CORRELATION, SQL_BY_CORRELATION_FORWARD, SQL_BY_CORRELATION_REVERSE, ARRAY_UUID},
    {SELECT_CAUSATION, SQL_BY_CAUSATION_FORWARD, SQL_BY_CAUSATION_REVERSE, ARRAY_UUID},
    {SELECT_AGGREGATE, SQL_BY_AGGREGATE_FORWARD, SQL_BY_AGGREGATE_REVERSE, ARRAY_BYTEA},
};

static bool open_value(struct scan *s) {
    for (size_t i = 0; s->selector != NULL && i < ARRAY_LEN(by_value); i++) {
        const struct selector_values *v = &s->selector->kinds[by_value[i].kind];
        if (v->count == 0) continue;
        array_begin(&s->values, by_value[i].type);
        for (size_t k = 0; k < v->count; k++) array_str(&s->values, v->values[k]);
        s->statement = s->range->reverse ? by_value[i].reverse : by_value[i].forward;
        return true;
    }
    return false;
}

static int open_source(struct scan *s, struct err *err) {
    bool reverse = s->range->reverse;
    if (s->selector != NULL && selector_has(s->selector, SELECT_TYPE)) {
        int rc = postgres_types_resolve(s->c, &s->snapshot, s->selector, err);
        if (rc != 0) return rc;
        if (s->c->r->type_set.count == 0) s->empty = true;
    }
    if (s->empty) return 0;
    if (s->range->stream != 0) {
        s->statement = reverse ? SQL_STREAM_REVERSE : SQL_STREAM_FORWARD;
        return 0;
    }
    if (open_value(s)) return 0;
    s->statement = reverse ? SQL_EVENTS_REVERSE : SQL_EVENTS_FORWARD;
    return open_blocks(s, err);
}

/* --- the loop
 * ---------------------------------------------------------------------------------------- */

static bool column_passes(const struct scan *s, enum selector_kind kind, const PGresult *r, int row,
                          enum event_column column) {
    if (!selector_has(s->selector, kind)) return true;
    return !row_null(r, row, (int)column) &&
           selector_kind_passes(s->selector, kind, row_str(r, row, (int)column));
}

static bool columns_pass(const struct scan *s, const PGresult *r, int row) {
    return selector_time_passes(s->selector, row_u64(r, row, COL_RECORDED)) &&
           column_passes(s, SELECT_TYPE, r, row, COL_TYPE_NAME) &&
           column_passes(s, SELECT_CORRELATION, r, row, COL_CORRELATION) &&
           column_passes(s, SELECT_CAUSATION, r, row, COL_CAUSATION) &&
           column_passes(s, SELECT_AGGREGATE, r, row, COL_AGGREGATE);
}

static int look_at(struct scan *s, const PGresult *r, int row, struct err *err) {
    if (s->selector != NULL && !columns_pass(s, r, row)) return 0;
    struct page_stream *p = page_stream(s, r, row);
    if (p == NULL)
        return err_set(err, ERR_CORRUPT, "%s: streams: row %llu makes no sense", s->c->place->shown,
                       (unsigned long long)row_u64(r, row, COL_STREAM));
    if (!p->passes) return 0;
    if (s->range->counts) {
        s->out->counted++;
        return 0;
    }
    struct event *e = NULL;
    int rc = postgres_event_of_row(s->c, r, row, p->name, &e, err);
    if (rc == 0) page_add(s->out, e);
    return rc;
}

static bool is_full(const struct scan *s) {
    const struct read_range *r = s->range;
    const struct page *out = s->out;
    return out->count >= MAX(r->count_max, (size_t)1) ||
           s->examined >= MAX(r->examined_max, (size_t)1) ||
           (out->count > 0 && out->bytes >= r->bytes_max);
}

/* 0: go on; 1: the page is full, and this is where to go on. */
static int look_at_row(struct scan *s, const PGresult *r, int row, struct err *err) {
    uint64_t position = row_u64(r, row, s->range->stream != 0 ? COL_VERSION : COL_SEQUENCE);
    bool hidden = row_null(r, row, COL_STREAM_FIRST) ||
                  row_u64(r, row, COL_VERSION) < row_u64(r, row, COL_STREAM_FIRST);
    if (hidden && s->gone++ < MAX(s->range->examined_max, (size_t)1)) return 0;
    if (hidden || is_full(s)) {
        s->out->done = false;
        s->out->next = position;
        return 1;
    }
    if (s->range->stream == 0) {
        s->out->passed = position;
        s->out->passed_recorded = row_u64(r, row, COL_RECORDED);
    }
    int rc = look_at(s, r, row, err);
    s->examined++;
    return rc;
}

/* One chunk of [*low, *high], which becomes what is left; *low > *high: nothing is. 1: the page is
 * full. A chunk ends at an event with more than its share of the bytes: the next is of fewer. */
static int run_chunk(struct scan *s, uint64_t *low, uint64_t *high, struct err *err) {
    const struct read_range *range = s->range;
    struct params p = {0};
    PGresult *r = NULL;
    size_t left = MIN(MAX(range->examined_max, (size_t)1) - MIN(s->examined, range->examined_max),
                      (size_t)CHUNK_ROWS - 1);
    if (s->selector == NULL) left = MIN(left, MAX(range->count_max, (size_t)1) - s->out->count);
    uint64_t limit = MIN(left + 1, *low == *high ? 1 : s->rows);
    uint64_t cap = limit == 1 ? INT64_MAX : CHUNK_BYTES / limit;
    param_u64(&p, *low);
    param_u64(&p, *high);
    param_u64(&p, limit);
    param_u64(&p, cap);
    if (range->stream != 0)
        param_u32(&p, (uint32_t)range->stream);
    else if (s->values.count > 0)
        param_array(&p, &s->values);
    bool last_one = *low == *high && !s->by_blocks;
    int rc = last_one ? postgres_query_last(s->c, &s->snapshot, s->statement, &p, &r, err)
                      : postgres_query(s->c, &s->snapshot, s->statement, &p, &r, err);
    if (rc != 0) return rc;
    int n = PQntuples(r);
    uint64_t last = 0;
    for (int i = 0; i < n; i++) {
        last = row_u64(r, i, range->stream != 0 ? COL_VERSION : COL_SEQUENCE);
        if (row_null(r, i, COL_PAYLOAD) && !range->counts && !is_full(s)) {
            s->rows = MAX(limit / 4, (uint64_t)1);
            *(range->reverse ? high : low) = last;
            return 0;
        }
        if ((rc = look_at_row(s, r, i, err)) != 0) return rc;
    }
    s->rows = MIN(limit * 4, (uint64_t)CHUNK_ROWS);
    if ((uint64_t)n < limit || (range->reverse ? last <= *low : last >= *high)) {
        *low = 1;
        *high = 0;
    } else if (range->reverse) {
        *high = last - 1;
    } else {
        *low = last + 1;
    }
    return 0;
}

static int run(struct scan *s, struct err *err) {
    const struct read_range *r = s->range;
    struct page *out = s->out;
    int rc = 1;
    out->done = true;
    out->next = r->end >= s->limit ? s->limit : r->end + 1;
    out->next = r->reverse ? r->start - (r->start > 0) : MAX(out->next, r->start);
    if (s->empty) return 0;
    for (uint64_t low = s->start, high = s->end;;) {
        if (s->by_blocks && (rc = next_of_blocks(s, &low, &high, err)) != 1) return rc;
        while (low <= high)
            if ((rc = run_chunk(s, &low, &high, err)) != 0) return MIN(rc, 0);
        if (!s->by_blocks) return 0;
    }
}

/* How far the snapshot goes, and with it the range. */
static int clamp(struct scan *s, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    uint64_t first = 0, next = 0;
    int rc;
    param_u32(&p, (uint32_t)s->range->stream);
    if (s->range->stream == 0)
        rc = postgres_ask(s->c, &s->snapshot, err);
    else
        rc = postgres_query(s->c, &s->snapshot, SQL_STREAM_EXTENT, &p, &r, err);
    if (rc != 0) return rc;
    if (s->range->stream == 0) {
        next = s->snapshot.state.s.next_sequence;
    } else if (PQntuples(r) > 0) {
        first = row_u64(r, 0, 0);
        next = row_u64(r, 0, 1);
    }
    s->start = MAX(s->range->start, first);
    s->limit = next;
    s->empty = s->start >= s->limit || s->start > s->range->end;
    s->end = s->empty ? s->start : MIN(s->range->end, s->limit - 1);
    return 0;
}

int postgres_read_events(struct backend_conn *c, const struct read_range *range, struct page *out,
                         struct err *err) {
    assert(range->start <= range->end);
    assert(range->stream <= STREAM_NUMBER_MAX);
    struct scan s = {
        .c = c, .range = range, .out = out, .selector = range->selector, .rows = CHUNK_ROWS};
    hash_init(&s.streams);
    int rc = postgres_snapshot_begin(c, &s.snapshot, err);
    if (rc == 0) rc = clamp(&s, err);
    if (rc == 0) out->applied = s.snapshot.state.s.applied;
    if (rc == 0 && s.selector != NULL && !s.empty)
        rc = selector_narrow(s.selector, &s.start, &s.end, &s.empty, probe, &s, err);
    if (rc == 0) rc = open_source(&s, err);
    if (rc == 0) rc = run(&s, err);
    postgres_snapshot_end(c);
    hash_each(&s.streams, free_stream, &s.streams);
    hash_clear(&s.streams);
    array_free(&s.values);
    array_free(&s.types);
    array_free(&s.categories);
    return rc;
}
