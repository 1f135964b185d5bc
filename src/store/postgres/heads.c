/* Heads of streams: where a stream stands, what it is beyond its events; and entries by their id.
 *
 * Where a stream ends is the last of three: its last event, its last hole, and what its state says.
 */
#include "base/alloc.h"
#include "store/postgres/internal.h"

enum head_column {
    HEAD_NUMBER,
    HEAD_CREATED,
    HEAD_KIND,
    HEAD_FIRST_VERSION,
    HEAD_NEXT_VERSION, /* NULL: there is no state */
    HEAD_ENTRIES_ADDED,
    HEAD_LAST_MS,
    HEAD_LAST_SEQ,
    HEAD_DELETED_MS,
    HEAD_DELETED_SEQ,
    HEAD_EXPIRES,
    HEAD_IDEMPOTENT_SECONDS,
    HEAD_IDEMPOTENT_MAX,
    HEAD_EVENT_VERSION, /* of the last event; NULL: there is none */
    HEAD_EVENT_MS,
    HEAD_EVENT_SEQ,
    HEAD_EVENT_RECORDED,
    HEAD_HOLE, /* the last version that is gone; NULL: none is */
    HEAD_HAS_GROUPS,
    HEAD_HAS_IDEMPOTENT,
};

static int bad_row(struct backend_conn *c, const char *table, uint64_t number, struct err *err) {
    return err_set(err, ERR_CORRUPT, "%s: %s: a row of %llu makes no sense", c->place->shown, table,
                   (unsigned long long)number);
}

/* --- groups -------------------------------------------------------------------------------------
 */

static int images(struct backend_conn *c, const PGresult *r, uint64_t stream,
                  struct stream_detail *d, struct err *err) {
    size_t n = (size_t)PQntuples(r);
    d->groups = xcalloc(n + 1, sizeof *d->groups);
    for (int i = 0; i < (int)n; i++) {
        struct str name = row_str(r, i, 1);
        if (name.len > UINT16_MAX) return bad_row(c, "groups", stream, err);
        struct group_record *g = xcalloc(1, sizeof *g + name.len);
        d->groups[d->group_count++] = (struct group_image){.record = g};
        g->number = row_u64(r, i, 0);
        g->stream = stream;
        g->created = row_u64(r, i, 2);
        g->last = (struct entry_id){row_u64(r, i, 3), row_u64(r, i, 4)};
        g->entries_read = row_null(r, i, 5) ? -1 : (int64_t)row_u64(r, i, 5);
        g->name_len = (uint16_t)name.len;
        if (name.len > 0) memcpy(g->name, name.ptr, name.len);
    }
    return 0;
}

/* The group of a row of what belongs to groups, which come in the order of their numbers. */
static struct group_image *group_at(struct stream_detail *d, size_t *at, uint64_t number) {
    while (*at < d->group_count && d->groups[*at].record->number < number) ++*at;
    bool found = *at < d->group_count && d->groups[*at].record->number == number;
    return found ? &d->groups[*at] : NULL;
}

/* How many rows there are of the group of row i, from it on. */
static size_t rows_of_group(const PGresult *r, int i) {
    size_t n = 1;
    uint64_t group = row_u64(r, i, 0);
    while (i + (int)n < PQntuples(r) && row_u64(r, i + (int)n, 0) == group) n++;
    return n;
}

static int add_consumers(struct backend_conn *c, const PGresult *r, struct stream_detail *d,
                         struct err *err) {
    size_t at = 0;
    for (int i = 0; i < PQntuples(r); i++) {
        uint64_t group = row_u64(r, i, 0), number = row_u64(r, i, 1);
        struct str name = row_str(r, i, 2);
        struct group_image *g = group_at(d, &at, group);
        if (g == NULL || name.len > UINT16_MAX || number == 0 || number > UINT32_MAX)
            return bad_row(c, "consumers", group, err);
        if (g->consumers == NULL)
            g->consumers = xcalloc(rows_of_group(r, i), sizeof(struct consumer_record *));
        struct consumer_record *k = xcalloc(1, sizeof *k + name.len);
        k->group = group;
        k->number = (uint32_t)number;
        k->seen = row_u64(r, i, 3);
        k->active = row_null(r, i, 4) ? CONSUMER_NEVER_ACTIVE : row_u64(r, i, 4);
        k->name_len = (uint16_t)name.len;
        if (name.len > 0) memcpy(k->name, name.ptr, name.len);
        g->consumers[g->consumer_count++] = k;
    }
    return 0;
}

static int add_pending(struct backend_conn *c, const PGresult *r, struct stream_detail *d,
                       struct err *err) {
    size_t at = 0;
    for (int i = 0; i < PQntuples(r); i++) {
        uint64_t group = row_u64(r, i, 0);
        struct group_image *g = group_at(d, &at, group);
        if (g == NULL) return bad_row(c, "pending", group, err);
        if (g->pending == NULL) g->pending = xcalloc(rows_of_group(r, i), sizeof *g->pending);
        g->pending[g->pending_count++] = (struct pending_item){
            .id = {row_u64(r, i, 1), row_u64(r, i, 2)},
            .version = (uint32_t)row_u64(r, i, 3),
            .consumer = (uint32_t)row_u64(r, i, 4),
            .delivered = row_u64(r, i, 5),
            .deliveries = (uint32_t)row_u64(r, i, 6),
        };
    }
    return 0;
}

static int read_groups(struct backend_conn *c, struct snapshot *s, uint64_t stream,
                       struct stream_detail *d, struct err *err) {
    struct params p = {0};
    param_u32(&p, (uint32_t)stream);
    int rc = postgres_queue(c, SQL_GROUPS, &p, err);
    if (rc == 0) rc = postgres_queue(c, SQL_CONSUMERS, &p, err);
    if (rc == 0) rc = postgres_queue(c, SQL_PENDING, &p, err);
    if (rc == 0) rc = postgres_ask(c, s, err);
    if (rc == 0) rc = images(c, c->results[0], stream, d, err);
    if (rc == 0) rc = add_consumers(c, c->results[1], d, err);
    return rc == 0 ? add_pending(c, c->results[2], d, err) : rc;
}

/* --- details
 * -------------------------------------------------------------------------------------- */

static int read_holes(struct backend_conn *c, struct snapshot *s, uint64_t stream,
                      struct stream_detail *d, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    param_u32(&p, (uint32_t)stream);
    int rc = postgres_query(c, s, SQL_HOLES, &p, &r, err);
    if (rc != 0) return rc;
    d->holes = xcalloc((size_t)PQntuples(r) + 1, sizeof *d->holes);
    for (int i = 0; i < PQntuples(r); i++) {
        uint64_t first = row_u64(r, i, 0), last = row_u64(r, i, 1);
        if (last < d->first_version) continue;
        d->holes[d->hole_count++] = (struct version_range){(uint32_t)MAX(first, d->first_version),
                                                           (uint32_t)MIN(last, VERSION_MAX)};
    }
    return 0;
}

static int read_value(struct backend_conn *c, struct snapshot *s, uint64_t stream,
                      struct stream_detail *d, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    param_u32(&p, (uint32_t)stream);
    int rc = postgres_query(c, s, SQL_VALUE, &p, &r, err);
    if (rc != 0 || PQntuples(r) == 0) return rc;
    struct str value = row_str(r, 0, 0);
    d->value = xmemdup(value.ptr, value.len);
    d->value_len = value.len;
    return 0;
}

static int read_idempotent(struct backend_conn *c, struct snapshot *s, uint64_t stream,
                           struct stream_detail *d, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    param_u32(&p, (uint32_t)stream);
    int rc = postgres_query(c, s, SQL_IDEMPOTENT, &p, &r, err);
    if (rc != 0) return rc;
    d->idempotent = xcalloc((size_t)PQntuples(r) + 1, sizeof(struct idempotent_record *));
    for (int i = 0; i < PQntuples(r); i++) {
        struct str producer = row_str(r, i, 0), id = row_str(r, i, 1);
        if (producer.len > UINT16_MAX || id.len > UINT16_MAX)
            return bad_row(c, "idempotent", stream, err);
        struct idempotent_record *k = xcalloc(1, sizeof *k + producer.len + id.len);
        k->stream = stream;
        k->id = (struct entry_id){row_u64(r, i, 2), row_u64(r, i, 3)};
        k->added = row_u64(r, i, 4);
        k->producer_len = (uint16_t)producer.len;
        k->id_len = (uint16_t)id.len;
        if (producer.len > 0) memcpy(k->bytes, producer.ptr, producer.len);
        if (id.len > 0) memcpy(k->bytes + producer.len, id.ptr, id.len);
        d->idempotent[d->idempotent_count++] = k;
    }
    return 0;
}

/* --- heads
 * ------------------------------------------------------------------------------------------ */

/* What the row says, the details but for what stands in other tables. */
static void head_of_row(const PGresult *r, struct stream_head *h, struct stream_detail *d) {
    bool state = !row_null(r, 0, HEAD_NEXT_VERSION), event = !row_null(r, 0, HEAD_EVENT_VERSION);
    uint64_t of_state = row_u64(r, 0, HEAD_NEXT_VERSION), kind = row_u64(r, 0, HEAD_KIND);
    uint64_t last = row_u64(r, 0, HEAD_EVENT_VERSION);
    h->exists = true;
    h->number = row_u64(r, 0, HEAD_NUMBER);
    h->created = row_u64(r, 0, HEAD_CREATED);
    h->kind = kind <= KIND_VIRTUAL ? (enum stream_kind)kind : KIND_STREAM;
    h->next_version = of_state;
    if (event) h->next_version = MAX(h->next_version, last + 1);
    if (!row_null(r, 0, HEAD_HOLE))
        h->next_version = MAX(h->next_version, row_u64(r, 0, HEAD_HOLE) + 1);
    if (event && last + 1 == h->next_version) h->recorded = row_u64(r, 0, HEAD_EVENT_RECORDED);
    bool newer = !state || (event && last >= of_state);
    h->entry_ms = row_u64(r, 0, newer ? HEAD_EVENT_MS : HEAD_LAST_MS);
    h->entry_seq = row_u64(r, 0, newer ? HEAD_EVENT_SEQ : HEAD_LAST_SEQ);
    d->first_version = row_u64(r, 0, HEAD_FIRST_VERSION);
    d->deleted = (struct entry_id){row_u64(r, 0, HEAD_DELETED_MS), row_u64(r, 0, HEAD_DELETED_SEQ)};
    d->entries_added = row_u64(r, 0, HEAD_ENTRIES_ADDED) + (h->next_version - of_state);
    d->expires = row_u64(r, 0, HEAD_EXPIRES);
    d->idempotent_seconds = (uint32_t)row_u64(r, 0, HEAD_IDEMPOTENT_SECONDS);
    d->idempotent_max = (uint32_t)row_u64(r, 0, HEAD_IDEMPOTENT_MAX);
}

static int head_of(struct backend_conn *c, struct snapshot *s, struct str name,
                   struct stream_head *h, struct err *err) {
    struct params p = {0};
    PGresult *asked = NULL;
    const PGresult *r = postgres_ahead_head(c, name);
    int rc = 0;
    param_str(&p, name);
    if (r == NULL) rc = postgres_query(c, s, SQL_STREAM_BY_NAME, &p, &asked, err);
    if (r == NULL) r = asked;
    if (rc != 0 || PQntuples(r) == 0) return rc;
    struct stream_detail *d = h->detail = xcalloc(1, sizeof *d);
    bool state = !row_null(r, 0, HEAD_NEXT_VERSION), holes = !row_null(r, 0, HEAD_HOLE);
    bool groups = row_bool(r, 0, HEAD_HAS_GROUPS), idempotent = row_bool(r, 0, HEAD_HAS_IDEMPOTENT);
    head_of_row(r, h, d);
    if (h->kind == KIND_STRING) return read_value(c, s, h->number, d, err);
    if (holes) rc = read_holes(c, s, h->number, d, err);
    if (rc == 0 && groups) rc = read_groups(c, s, h->number, d, err);
    if (rc == 0 && idempotent) rc = read_idempotent(c, s, h->number, d, err);
    bool plain = !state && d->hole_count == 0 && d->group_count == 0;
    if (plain && d->idempotent_count == 0) stream_head_clear(h);
    return rc;
}

int postgres_read_head(struct backend_conn *c, struct str name, struct stream_head *out,
                       uint64_t *applied, struct err *err) {
    struct snapshot s;
    memset(out, 0, sizeof *out);
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0) rc = head_of(c, &s, name, out, err);
    if (rc == 0)
        *applied = s.state.s.applied;
    else
        stream_head_clear(out);
    postgres_snapshot_end(c);
    return rc;
}

int postgres_count_groups(struct backend_conn *c, struct str name, uint64_t *count,
                          uint64_t *applied, struct err *err) {
    struct snapshot s;
    struct params p = {0};
    PGresult *r = NULL;
    int rc = postgres_snapshot_begin(c, &s, err);
    param_str(&p, name);
    if (rc == 0) rc = postgres_query_last(c, &s, SQL_COUNT_GROUPS, &p, &r, err);
    if (rc == 0) *applied = s.state.s.applied;
    if (rc == 0) *count = row_u64(r, 0, 0);
    postgres_snapshot_end(c);
    return rc;
}

/* --- entries by their id
 * ------------------------------------------------------------------------------ */

int postgres_find_entry(struct backend_conn *c, uint64_t stream, uint64_t from, struct entry_id at,
                        uint64_t *version, uint64_t *applied, struct err *err) {
    struct snapshot s;
    struct params p = {0};
    PGresult *r = NULL;
    *version = UINT64_MAX;
    int rc = postgres_snapshot_begin(c, &s, err);
    param_u32(&p, (uint32_t)MIN(stream, STREAM_NUMBER_MAX));
    param_u64(&p, MIN(from, VERSION_MAX + 1));
    param_u64(&p, at.ms);
    param_u64(&p, at.seq);
    if (rc == 0) rc = postgres_query_last(c, &s, SQL_FIND_ENTRY, &p, &r, err);
    if (rc == 0) *applied = s.state.s.applied;
    if (rc == 0 && PQntuples(r) > 0 && !row_null(r, 0, 0)) *version = row_u64(r, 0, 0);
    postgres_snapshot_end(c);
    return rc;
}
