/* Lists: of streams, of those that expire, of client-made ids. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

#define ROWS_A_TURN 1000

enum { STREAM_NUMBER, STREAM_NAME, STREAM_CREATED, STREAM_KEY, STREAM_KIND, STREAM_EXPIRES };

/* Adds the stream of a row. */
static int add_row(struct backend_conn *c, const PGresult *r, int row, struct stream_list *out,
                   struct err *err) {
    struct stream_name *n = postgres_stream_of_row(r, row, STREAM_NUMBER, STREAM_NAME,
                                                   STREAM_CREATED, STREAM_KEY, STREAM_KIND);
    if (n == NULL)
        return err_set(err, ERR_CORRUPT, "%s: streams: row %llu makes no sense", c->place->shown,
                       (unsigned long long)row_u64(r, row, STREAM_NUMBER));
    stream_list_add(out, n, row_u64(r, row, STREAM_EXPIRES));
    return 0;
}

struct listing {
    struct str pattern, category;
    size_t count_max, examined_max, examined;
};

/* Some rows from out->next on: 1: there may be more; 0: it is over, out->done says how. */
static int list_some(struct backend_conn *c, struct snapshot *s, struct listing *l,
                     struct stream_list *out, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    int limit = (int)MIN(l->examined_max - l->examined + 1, (size_t)ROWS_A_TURN);
    param_u64(&p, MIN(out->next, (uint64_t)INT64_MAX));
    param_u64(&p, (uint64_t)limit);
    int rc = postgres_query(c, s, SQL_STREAMS_FROM, &p, &r, err);
    if (rc != 0) return rc;
    int n = PQntuples(r);
    for (int i = 0; i < n; i++) {
        uint64_t number = row_u64(r, i, STREAM_NUMBER);
        if (stream_list_full(out, l->count_max) || l->examined >= l->examined_max) {
            out->next = number;
            return 0;
        }
        l->examined++;
        struct str name = row_str(r, i, STREAM_NAME);
        if ((l->category.len == 0 || str_eq(stream_category(name), l->category)) &&
            (l->pattern.len == 0 || str_match_glob(l->pattern, name, false)) &&
            (rc = add_row(c, r, i, out, err)) != 0)
            return rc;
        out->next = number + 1;
    }
    out->done = n < limit;
    return !out->done;
}

int postgres_list_streams(struct backend_conn *c, uint64_t from, struct str pattern,
                          struct str category, size_t count_max, size_t examined_max,
                          struct stream_list *out, struct err *err) {
    struct snapshot s;
    struct listing l = {pattern, category, count_max, MAX(examined_max, (size_t)1), 0};
    out->next = from;
    out->done = false;
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0) {
        do {
            rc = list_some(c, &s, &l, out, err);
        } while (rc == 1);
    }
    if (rc == 0) out->applied = s.state.s.applied;
    postgres_snapshot_end(c);
    return rc;
}

/* The numbers of the streams that pass, of some from out->next on. 1: there are more. */
static int list_passing(struct backend_conn *c, struct snapshot *s, const struct selector *selector,
                        size_t most, struct page *out, struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    struct array *numbers = &c->r->array;
    array_begin(numbers, ARRAY_INT4);
    param_u64(&p, MIN(out->next, (uint64_t)INT64_MAX));
    param_u64(&p, (uint64_t)most + 1);
    int rc = postgres_query(c, s, SQL_STREAMS_FROM, &p, &r, err);
    if (rc != 0) return rc;
    size_t n = (size_t)PQntuples(r);
    for (size_t i = 0; i < MIN(n, most); i++) {
        uint64_t number = row_u64(r, (int)i, STREAM_NUMBER);
        out->next = number + 1;
        if (selector == NULL || selector_name_passes(selector, row_str(r, (int)i, STREAM_NAME)))
            array_u32(numbers, (uint32_t)number);
    }
    return n > most;
}

/* What stands in c->r->array. */
static int add_lengths(struct backend_conn *c, struct snapshot *s, struct page *out,
                       struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    if (c->r->array.count == 0) return 0;
    param_array(&p, &c->r->array);
    int rc = postgres_query(c, s, SQL_STREAM_LENGTHS, &p, &r, err);
    if (rc == 0) out->counted += row_u64(r, 0, 0);
    return rc;
}

int postgres_count_streams(struct backend_conn *c, uint64_t from, const struct selector *selector,
                           size_t examined_max, struct page *out, struct err *err) {
    struct snapshot s;
    size_t left = MAX(examined_max, (size_t)1), most;
    out->next = from;
    int rc = postgres_snapshot_begin(c, &s, err);
    do {
        most = MIN(left, (size_t)ROWS_A_TURN);
        left -= most;
        if (rc == 0) rc = list_passing(c, &s, selector, most, out, err);
        out->done = rc == 0;
        int counted = rc >= 0 ? add_lengths(c, &s, out, err) : rc;
        if (counted != 0) rc = counted;
    } while (rc == 1 && left > 0 && (rc = 0) == 0);
    if (rc >= 0) out->applied = s.state.s.applied;
    postgres_snapshot_end(c);
    return MIN(rc, 0);
}

int postgres_list_reserved(struct backend_conn *c, size_t count_max, struct stream_list *out,
                           struct err *err) {
    struct params p = {0};
    PGresult *r = NULL;
    int rc = postgres_refresh(c, err);
    param_u64(&p, MAX(count_max, (size_t)1) + 1);
    if (rc == 0) rc = postgres_run(c, SQL_RESERVED, &p, &r, err);
    if (rc != 0) return rc;
    int i = 0;
    for (; rc == 0 && i < PQntuples(r) && !stream_list_full(out, count_max); i++)
        rc = add_row(c, r, i, out, err);
    out->done = i == PQntuples(r);
    return rc;
}

int postgres_list_expiring(struct backend_conn *c, uint64_t until, size_t count_max,
                           struct stream_list *out, struct err *err) {
    struct snapshot s;
    struct params p = {0}, after = {0};
    size_t most = MAX(count_max, (size_t)1);
    until = MIN(until, (uint64_t)INT64_MAX);
    param_u64(&p, until);
    param_u64(&p, most + 1);
    param_u64(&after, until);
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0) rc = postgres_queue(c, SQL_EXPIRING, &p, err);
    if (rc == 0) rc = postgres_queue(c, SQL_NEXT_DEADLINE, &after, err);
    if (rc == 0) rc = postgres_ask(c, &s, err);
    if (rc == 0) {
        const PGresult *r = c->results[0];
        size_t n = (size_t)PQntuples(r);
        out->applied = s.state.s.applied;
        out->done = n <= most;
        for (size_t i = 0; rc == 0 && i < MIN(n, most); i++) rc = add_row(c, r, (int)i, out, err);
        if (out->done) out->next = row_u64(c->results[1], 0, 0);
    }
    postgres_snapshot_end(c);
    return rc;
}

int postgres_list_ids(struct backend_conn *c, const struct uuid *from, size_t count_max,
                      struct id_list *out, struct err *err) {
    struct snapshot s;
    struct params p = {0};
    PGresult *r = NULL;
    param_uuid(&p, from);
    param_u64(&p, (uint64_t)count_max + 1);
    int rc = postgres_snapshot_begin(c, &s, err);
    if (rc == 0) rc = postgres_query_last(c, &s, SQL_IDS_FROM, &p, &r, err);
    if (rc == 0) {
        size_t n = (size_t)PQntuples(r);
        out->done = n <= count_max;
        for (size_t i = 0; i < MIN(n, count_max); i++) id_list_add(out, row_uuid(r, (int)i, 0));
        if (!out->done) out->next = *row_uuid(r, (int)count_max, 0);
    }
    postgres_snapshot_end(c);
    return rc;
}
