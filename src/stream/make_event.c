/* What every way of appending shares: streams come to be, ids are made, events are pushed. */
#include "stream/internal.h"

#include "base/alloc.h"
#include "stream/entry.h"

/* ---- coming to be ---- */

struct note_stream {
    struct undo undo;
    struct stream *stream;
    uint64_t last_frame, changed_frame;
};

static void stream_unmake(struct model *m, struct undo *u) {
    struct note_stream *note = CONTAINER_OF(u, struct note_stream, undo);
    struct stream *s = note->stream;
    m->stream_count -= s->name->rec.kind != KIND_VIRTUAL;
    stream_set_state(m, s, STREAM_ABSENT);
    s->born = 0;
    s->name->rec.number = 0;
    s->name->rec.kind = KIND_STREAM;
    s->last_frame = note->last_frame;
    s->changed_frame = note->changed_frame;
    /* What was in it is taken back already; what held it must go as well: the one who gives the
     * stream its earlier content back expects nothing there. */
    assert(s->tail_count == 0);
    m->bytes -= s->tail_cap * sizeof *s->tail;
    free(s->tail);
    s->tail = NULL;
    s->tail_head = s->tail_cap = 0;
    stream_extra_free(m, s);
    m->next_stream--;
}

void stream_come_to_be(struct model *m, struct stream *s, enum stream_kind kind) {
    assert(s->state == STREAM_ABSENT);
    struct note_stream *note = model_note(m, sizeof *note, stream_unmake);
    if (note != NULL) {
        note->stream = s;
        note->last_frame = s->last_frame;
        note->changed_frame = s->changed_frame;
    }
    struct stream_record *r = &s->name->rec;
    r->number = m->next_stream++;
    r->created = m->recorded;
    r->kind = (uint16_t)kind;
    stream_set_state(m, s, STREAM_LIVE);
    s->born = m->decided + 1;
    s->next_version = 0;
    s->entry_ms = s->entry_seq = 0;
    m->stream_count += kind != KIND_VIRTUAL;
    stream_touch(m, s, true);
    memcpy(model_record(m, RECORD_STREAM, sizeof *r + r->name_len), r, sizeof *r + r->name_len);
}

/* ---- ids ---- */

bool entry_id_next(struct entry_id *id) {
    if (id->seq < UINT64_MAX) {
        id->seq++;
        return true;
    }
    if (id->ms == UINT64_MAX) return false;
    *id = (struct entry_id){id->ms + 1, 0};
    return true;
}

/* After all that the server made, and after the stream's last. A stream whose ids a producer has
 * moved ahead goes on from there, and does not take the others with it. */
bool model_next_entry_id(struct model *m, const struct stream *s, struct entry_id *out) {
    struct entry_id id = {m->recorded, 0}, last = stream_last_id(s);
    if (m->entry_ms >= id.ms) {
        id = (struct entry_id){m->entry_ms, m->entry_seq};
        if (!entry_id_next(&id)) return false;
    }
    if (entry_id_cmp(last, id) >= 0) {
        id = last;
        if (!entry_id_next(&id)) return false;
        if (last.ms > m->recorded) {
            *out = id;
            return true;
        }
    }
    m->entry_ms = id.ms;
    m->entry_seq = id.seq;
    *out = id;
    return true;
}

/* ---- events ---- */

struct note_push {
    struct undo undo;
    struct stream *stream;
    struct entry_id last;
    uint64_t last_frame, changed_frame;
};

static void unpush(struct model *m, struct undo *u) {
    struct note_push *note = CONTAINER_OF(u, struct note_push, undo);
    struct stream *s = note->stream;
    struct event *e = model_event(m, --m->next_sequence);
    stream_unpush(m, s);
    model_log_forget(m, e);
    s->entry_ms = note->last.ms;
    s->entry_seq = note->last.seq;
    s->last_frame = note->last_frame;
    s->changed_frame = note->changed_frame;
}

/* Whether its last id is another than that of the event before, or that event is gone or not at
 * hand: then who reads as of before a push could not say what it was. (Of a stream without extra
 * state the event is on disk at least.) */
static bool last_id_is_apart(const struct stream *s) {
    if (s->extra == NULL) return false;
    if (s->tail_count == 0 || !stream_has_version(s, s->next_version - 1)) return true;
    const struct event *e = stream_event(s, s->next_version - 1);
    return e->rec.entry_seq != s->entry_seq || e->rec.entry_ms != s->entry_ms;
}

struct event *model_push(struct model *m, struct stream *s, struct event_fields *f) {
    if (last_id_is_apart(s)) image_take(m, s);
    struct note_push *note = model_note(m, sizeof *note, unpush);
    if (note != NULL) {
        note->stream = s;
        note->last = stream_last_id(s);
        note->last_frame = s->last_frame;
        note->changed_frame = s->changed_frame;
    }
    f->sequence = m->next_sequence;
    f->version = s->next_version;
    f->recorded = m->recorded;
    if (f->content_hash == NULL) { /* no id of the client's */
        const struct uuid *key =
            f->partition_key != NULL ? f->partition_key : &s->name->partition_key;
        event_id_make(m->recorded, partition_hash(key), f->sequence, m->id_key, &f->event_id);
    }
    struct event *e = event_create(f, s->name);
    e->frame = m->decided + 1;
    event_count(m, e);
    model_log_push(m, e);
    stream_push(m, s, event_ref(e));
    if (f->content_hash != NULL) model_add_id(m, e);
    if (m->run.count > 0) model_flush_run(m);
    batch_add(m->open, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
    batch_note_category(m->open, s->name->category);
    tally_change(m, s->name, 1);
    return e;
}

/* ---- graves ---- */
