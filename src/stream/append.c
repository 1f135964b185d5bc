/* Appending. First everything is checked (ids, then expected versions, as they stand inside the
 * append), then everything is done: nothing is ever undone. */
#include "stream/append.h"

#include "base/alloc.h"
#include "stream/internal.h"

/* ---- checks ---- */

static bool fail(struct append_result *out, enum append_status status, size_t i, const char *why) {
    out->status = status;
    out->failed = i;
    out->why = why;
    return false;
}

static bool same_event(const struct model *m, const struct append *a, const struct event *e) {
    const struct uuid *hash = event_content_hash(&e->rec);
    return hash != NULL && uuid_eq(hash, &a->content_hash) && !e->removed &&
           str_eq(stream_name_str(model_name(m, e)), a->stream_name);
}

/* A repeated append is the same events, all of them, in the same order and the same transaction. */
static bool check_repeated(const struct model *m, struct append *appends, size_t n,
                           struct append_result *out) {
    for (size_t i = 0; i < n; i++) {
        struct append *a = &appends[i];
        if (a->existing == NULL)
            return fail(out, APPEND_DUPLICATE_ID, i,
                        "other events of this append stand already, this one does not");
        if (!same_event(m, a, a->existing))
            return fail(out, APPEND_DUPLICATE_ID, i,
                        "an event with this id and another stream or content stands already");
        if (a->existing->rec.sequence != appends[0].existing->rec.sequence + i)
            return fail(out, APPEND_DUPLICATE_ID, i,
                        "the event stands already, but was not appended together with the others");
        a->event = a->existing;
        out->frame = a->existing->frame > out->frame ? a->existing->frame : out->frame;
    }
    out->status = APPEND_REPEATED;
    return false;
}

/* The first event of n whose id one before it has, too; n: there is none. A table of places by the
 * hash of the ids, which clients choose, so that it takes as long as there are events. */
static size_t find_twice(const struct append *appends, size_t n) {
    size_t slots = 16;
    while (slots < 2 * n) slots *= 2;
    uint32_t *table = xcalloc(slots, sizeof *table); /* index + 1 */
    size_t i = 0;
    for (bool twice = false; i < n; i++) {
        if (!appends[i].has_id) continue;
        const struct uuid *id = &appends[i].fields.event_id;
        size_t at = hash_bytes(id, sizeof *id) & (slots - 1);
        while (table[at] != 0 && !twice) {
            twice = uuid_eq(&appends[table[at] - 1].fields.event_id, id);
            at = (at + 1) & (slots - 1);
        }
        if (twice) break;
        table[at] = (uint32_t)i + 1;
    }
    free(table);
    return i;
}

static bool check_ids(const struct model *m, struct append *appends, size_t n,
                      struct append_result *out) {
    bool any_existing = false;
    size_t ids = 0;
    for (size_t i = 0; i < n; i++) {
        struct append *a = &appends[i];
        if (!a->has_id) continue;
        event_content_hash_of(&a->fields, a->has_timestamp ? &a->timestamp : NULL,
                              &a->content_hash);
        any_existing = any_existing || a->existing != NULL;
        ids++;
    }
    if (any_existing) return check_repeated(m, appends, n, out);
    if (ids < 2) return true;
    size_t twice = find_twice(appends, n);
    if (twice < n)
        return fail(out, APPEND_DUPLICATE_ID, twice, "the id is used twice in this append");
    return true;
}

bool expected_holds(enum expected kind, uint64_t version, uint64_t next) {
    switch (kind) {
    case EXPECT_ANY:
        return true;
    case EXPECT_EXISTS:
        return next > 0;
    case EXPECT_EMPTY:
        return next == 0;
    case EXPECT_VERSION:
        return next > 0 && next - 1 == version;
    }
    return false;
}

static bool check_versions(struct model *m, struct append *appends, size_t n,
                           struct append_result *out) {
    m->plan++;
    for (size_t i = 0; i < n; i++) {
        struct stream *s = appends[i].stream;
        if (s->plan != m->plan) {
            s->plan = m->plan;
            s->planned = s->next_version;
        }
        if (!expected_holds(appends[i].expected, appends[i].expected_version, s->planned)) {
            out->current_empty = s->planned == 0;
            out->current = s->planned - 1;
            out->frame = s->last_frame;
            return fail(out, APPEND_WRONG_VERSION, i, NULL);
        }
        if (s->planned > VERSION_MAX)
            return fail(out, APPEND_LIMIT, i, "a stream holds at most 4294967296 events");
        if (s->entry_ms == UINT64_MAX && s->entry_seq > UINT64_MAX - n)
            return fail(out, APPEND_LIMIT, i,
                        "the stream has exhausted the last possible entry id");
        s->planned++;
    }
    if (m->next_stream + n > STREAM_NUMBER_MAX)
        return fail(out, APPEND_LIMIT, 0, "a store holds at most 2147483647 streams");
    if (m->next_sequence + n > SEQUENCE_MAX)
        return fail(out, APPEND_LIMIT, 0, "a store holds at most 2^46 events");
    return true;
}

/* ---- doing it ---- */

static void append_one(struct model *m, struct append *a, const struct uuid *transaction) {
    struct stream *s = a->stream;
    struct event_fields *f = &a->fields;
    struct entry_id id;
    if (s->state == STREAM_ABSENT) stream_come_to_be(m, s, KIND_STREAM);
    bool has_next = model_next_entry_id(m, s, &id);
    assert(has_next); /* check_versions */
    f->timestamp = a->has_timestamp ? a->timestamp : m->recorded;
    f->entry_ms = id.ms;
    f->entry_seq = id.seq;
    f->transaction = transaction;
    f->content_hash = a->has_id ? &a->content_hash : NULL;
    a->event = model_push(m, s, f);
}

void model_append(struct model *m, struct append *appends, size_t n, struct append_result *out) {
    assert(n > 0);
    *out = (struct append_result){.status = APPEND_OK};
    if (!check_ids(m, appends, n, out)) return;
    if (!check_versions(m, appends, n, out)) return;
    struct uuid transaction;
    if (n > 1) {
        uuid_v4(&transaction);
        transaction.b[8] &= 0x3f; /* several events: not an RFC variant, as SierraDB marks them */
    }
    for (size_t i = 0; i < n; i++) append_one(m, &appends[i], n > 1 ? &transaction : NULL);
    out->frame = model_commit(m);
}
