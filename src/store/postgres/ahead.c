/* Of who goes through all streams of a snapshot: what he asks of each is asked for many at once, so
 * that he does not wait for an answer to each. What is not asked for in the order that was said, or
 * is more than the beginning, is asked for as ever. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

#define VERSIONS_AHEAD 64

struct postgres_ahead {
    PGresult **results; /* of each stream two: its head, its first versions */
    uint64_t *numbers;
    struct str *names;
    size_t count, head, versions; /* how many there are, and the next to be asked for */
};

void postgres_ahead_forget(struct backend_conn *c) {
    struct postgres_ahead *a = c->ahead;
    if (a == NULL) return;
    for (size_t i = 0; i < 2 * a->count; i++) PQclear(a->results[i]);
    free(a->results);
    for (size_t i = 0; i < a->count; i++) free((void *)(uintptr_t)a->names[i].ptr);
    free(a->numbers);
    free(a->names);
    free(a);
    c->ahead = NULL;
}

static int queue_stream(struct backend_conn *c, const struct stream_name *name, struct err *err) {
    struct params head = {0}, versions = {0};
    param_str(&head, stream_name_str(name));
    param_u32(&versions, (uint32_t)name->rec.number);
    param_u64(&versions, VERSIONS_AHEAD);
    int rc = postgres_queue(c, SQL_STREAM_BY_NAME, &head, err);
    return rc == 0 ? postgres_queue(c, SQL_FIRST_VERSIONS, &versions, err) : rc;
}

int postgres_expect_streams(struct backend_conn *c, const struct stream_list *streams,
                            struct err *err) {
    int rc = postgres_refresh(c, err);
    assert(c->pinned);
    postgres_ahead_forget(c);
    for (size_t i = 0; rc == 0 && i < streams->count; i++)
        rc = queue_stream(c, streams->names[i], err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc != 0 || c->result_count != 2 * streams->count) return rc;
    struct postgres_ahead *a = c->ahead = xcalloc(1, sizeof *a);
    a->count = streams->count;
    a->results = c->results;
    a->numbers = xcalloc(a->count + 1, sizeof *a->numbers);
    a->names = xcalloc(a->count + 1, sizeof *a->names);
    for (size_t i = 0; i < a->count; i++) {
        a->numbers[i] = streams->names[i]->rec.number;
        struct str name = stream_name_str(streams->names[i]);
        a->names[i] = str_of(xmemdup(name.ptr, name.len), name.len);
    }
    c->results = NULL; /* they are ours now */
    c->result_count = c->result_cap = 0;
    return 0;
}

const PGresult *postgres_ahead_head(struct backend_conn *c, struct str name) {
    struct postgres_ahead *a = c->ahead;
    if (a == NULL || a->head == a->count || !str_eq(a->names[a->head], name)) return NULL;
    return a->results[2 * a->head++];
}

const PGresult *postgres_ahead_versions(struct backend_conn *c, uint64_t stream, bool *all) {
    struct postgres_ahead *a = c->ahead;
    if (a == NULL) return NULL;
    while (a->versions < a->count && a->numbers[a->versions] < stream) a->versions++;
    if (a->versions == a->count || a->numbers[a->versions] != stream) return NULL;
    const PGresult *r = a->results[2 * a->versions++ + 1];
    *all = PQntuples(r) < VERSIONS_AHEAD;
    return r;
}
