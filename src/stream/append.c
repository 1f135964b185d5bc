/* Appending. First everything is checked (ids, then expected versions, as they stand inside the
 * append), then everything is done: nothing is ever undone. */
#include "stream/append.h"

#include "stream/model_internal.h"

#define STREAM_NUMBER_MAX ((UINT64_C(1) << 31) - 1)
#define VERSION_MAX       ((UINT64_C(1) << 32) - 1)
#define SEQUENCE_MAX      ((UINT64_C(1) << EVENT_SEQUENCE_BITS) - 1)

/* ---- checks ---- */

static bool fail(struct append_result *out, enum append_status status, size_t i, const char *why) {
    out->status = status;
    out->failed = i;
    out->why = why;
    return false;
}

static bool same_event(const struct append *a, const struct event *e) {
    const struct uuid *hash = event_content_hash(&e->rec);
    return hash != NULL && uuid_eq(hash, &a->content_hash) &&
           str_eq(stream_name_str(e->name), a->stream_name);
}

/* A repeated append is the same events, all of them, in the same order and the same transaction. */
static bool check_repeated(struct append *appends, size_t n, struct append_result *out) {
    for (size_t i = 0; i < n; i++) {
        struct append *a = &appends[i];
        if (a->existing == NULL)
            return fail(out, APPEND_DUPLICATE_ID, i,
                        "other events of this append stand already, this one does not");
        if (!same_event(a, a->existing))
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

static bool check_ids(struct append *appends, size_t n, struct append_result *out) {
    bool any_existing = false;
    for (size_t i = 0; i < n; i++) {
        struct append *a = &appends[i];
        if (!a->has_id) continue;
        event_content_hash_of(&a->fields, a->has_timestamp ? &a->timestamp : NULL,
                              &a->content_hash);
        any_existing = any_existing || a->existing != NULL;
    }
    if (any_existing) return check_repeated(appends, n, out);
    if (n == 1) return true;
    /* An id twice in one append; few have many ids, so that a simple search serves. */
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i && appends[i].has_id; k++)
            if (appends[k].has_id &&
                uuid_eq(&appends[k].fields.event_id, &appends[i].fields.event_id))
                return fail(out, APPEND_DUPLICATE_ID, i, "the id is used twice in this append");
    return true;
}

static bool expected_holds(const struct append *a, uint64_t next) {
    switch (a->expected) {
    case EXPECT_ANY:
        return true;
    case EXPECT_EXISTS:
        return next > 0;
    case EXPECT_EMPTY:
        return next == 0;
    case EXPECT_VERSION:
        return next > 0 && next - 1 == a->expected_version;
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
        if (!expected_holds(&appends[i], s->planned)) {
            out->current_empty = s->planned == 0;
            out->current = s->planned - 1;
            out->frame = s->last_frame;
            return fail(out, APPEND_WRONG_VERSION, i, NULL);
        }
        if (s->planned > VERSION_MAX)
            return fail(out, APPEND_LIMIT, i, "a stream holds at most 4294967296 events");
        s->planned++;
    }
    if (m->next_stream + n > STREAM_NUMBER_MAX)
        return fail(out, APPEND_LIMIT, 0, "a store holds at most 2147483647 streams");
    if (m->next_sequence + n > SEQUENCE_MAX)
        return fail(out, APPEND_LIMIT, 0, "a store holds at most 2^46 events");
    return true;
}

/* ---- doing it ---- */

static void stream_come_to_be(struct model *m, struct stream *s) {
    struct stream_record *r = &s->name->rec;
    r->number = m->next_stream++;
    r->created = m->recorded;
    s->state = STREAM_LIVE;
    m->live_in_memory++;
    m->stream_count++;
    group_add(m->open, RECORD_STREAM, r, sizeof *r + r->name_len);
}

/* The next server-made entry id: after all that the server made, and after the stream's last. */
static void next_entry_id(struct model *m, const struct stream *s) {
    uint64_t ms = m->recorded, seq = 0;
    if (m->entry_ms >= ms) {
        ms = m->entry_ms;
        seq = m->entry_seq + 1;
    }
    if (s->entry_ms > ms || (s->entry_ms == ms && s->entry_seq >= seq)) {
        ms = s->entry_ms;
        seq = s->entry_seq + 1;
    }
    m->entry_ms = ms;
    m->entry_seq = seq;
}

static void append_one(struct model *m, struct append *a, const struct uuid *transaction) {
    struct stream *s = a->stream;
    struct event_fields *f = &a->fields;
    if (s->state == STREAM_ABSENT) stream_come_to_be(m, s);
    next_entry_id(m, s);
    f->sequence = m->next_sequence;
    f->version = s->next_version;
    f->recorded = m->recorded;
    f->timestamp = a->has_timestamp ? a->timestamp : m->recorded;
    f->entry_ms = m->entry_ms;
    f->entry_seq = m->entry_seq;
    f->transaction = transaction;
    f->content_hash = a->has_id ? &a->content_hash : NULL;
    if (!a->has_id) {
        uint16_t hash =
            f->partition_key != NULL ? partition_hash(f->partition_key) : s->name->partition_hash;
        event_id_make(m->recorded, hash, f->sequence, m->id_key, &f->event_id);
    }
    struct event *e = event_create(f, s->name);
    e->frame = m->decided + 1;
    m->bytes += e->size;
    model_log_push(m, e);
    stream_push(m, s, event_ref(e));
    if (a->has_id) model_add_id(m, e);
    group_add(m->open, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
    m->open->sequence_end = m->next_sequence;
    a->event = e;
}

void model_append(struct model *m, struct append *appends, size_t n, struct append_result *out) {
    assert(n > 0);
    *out = (struct append_result){.status = APPEND_OK};
    if (!check_ids(appends, n, out)) return;
    if (!check_versions(m, appends, n, out)) return;
    struct uuid transaction;
    if (n > 1) {
        uuid_v4(&transaction);
        transaction.b[8] &= 0x3f; /* several events: not an RFC variant, as SierraDB marks them */
    }
    for (size_t i = 0; i < n; i++) append_one(m, &appends[i], n > 1 ? &transaction : NULL);
    m->decided = group_end_frame(m->open);
    out->frame = m->decided;
}
