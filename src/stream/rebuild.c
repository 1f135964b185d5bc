/* Dropping everything (FLUSHALL), and building the model again from what is durable after the store
 * has voided what was not. */
#include "stream/internal.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"

/* With them goes what they were before. */
static void destroy_if_known(struct hash_node *n, void *arg) {
    struct stream *s = CONTAINER_OF(n, struct stream, node);
    if (s->state != STREAM_LOADING) stream_destroy(arg, s);
}

/* All but the streams that are being loaded: their heads come from the backend, which never has
 * void frames. */
void model_drop_streams(struct model *m) {
    formers_clear(m);
    hash_each(&m->streams, destroy_if_known, m);
    assert(m->live_in_memory == 0);
}

/* Streams that frames beyond `durable` created do not exist, those that they deleted do. */
static int64_t streams_of_batch(const struct batch *b) {
    int64_t n = 0;
    for (uint32_t i = 0; i < b->record_count; i++) n += record_streams(&b->records[i]);
    return n;
}

static uint64_t streams_voided(struct model *m, uint64_t durable) {
    int64_t voided = streams_of_batch(m->open);
    LIST_FOR_EACH (it, store_batches(m->store)) {
        const struct batch *b = LIST_ENTRY(it, struct batch, node);
        if (b->first_frame > durable) voided += streams_of_batch(b);
    }
    return (uint64_t)voided;
}

/* From here on the log is not the one that somebody has read. */
static void begin_timeline(struct model *m, enum timeline_reason reason, uint64_t began) {
    struct timeline_record r = {
        .began = began, .created = m->wall, .id = timelines_draw(&m->timelines), .reason = reason};
    timelines_add(&m->timelines, &r);
}

static void write_timeline(struct model *m) {
    const struct timeline_record *r = timelines_current(&m->timelines);
    *(struct timeline_record *)model_record(m, RECORD_TIMELINE, sizeof *r) = *r;
}

static void unflush(struct model *m) {
    struct flushed *f = &m->flushed;
    timelines_drop_last(&m->timelines);
    while (m->next_sequence > m->log.first) {
        struct event *e = model_event(m, --m->next_sequence);
        model_log_forget(m, e);
    }
    free(m->log.ring);
    m->log.ring = f->log;
    m->log.mask = f->log_mask;
    m->log.first = f->log_first;
    m->next_sequence = f->next_sequence;
    m->next_stream = f->next_stream;
    m->stream_count = f->stream_count;
    known_ids_load(m);
    m->log.bytes = 0;
    for (uint64_t q = m->log.first; q < m->next_sequence; q++) {
        struct event *e = model_event(m, q);
        m->log.bytes += e->size;
        if (e->rec.flags & EVENT_CLIENT_ID) model_add_id(m, e);
    }
    *f = (struct flushed){0};
}

void model_rebuild(struct model *m) {
    uint64_t durable = store_durable(m->store);
    bool was_told = model_was_told_beyond(m, durable);
    tallies_clear(m);
    model_drop_streams(m);
    if (m->flushed.frame > durable)
        unflush(m);
    else
        m->stream_count -= streams_voided(m, durable);
    m->virtual_groups = m->settled_virtual_groups;
    while (m->next_sequence > m->log.first) {
        struct event *e = model_event(m, m->next_sequence - 1);
        if (e->frame <= durable) break;
        m->next_sequence--;
        model_log_forget(m, e);
    }
    /* What the backend has comes from there: it knows what of that is removed. Of the rest only
     * what durable frames removed is hidden again (replay_build). */
    while (evict_log_event(m, store_floor(m->store))) {}
    for (uint64_t q = m->log.first; q < m->next_sequence; q++) model_event(m, q)->removed = 0;
    hidden_clear(m);
    renamed_clear(m);
    model_unbury(m, durable);
    model_forget_erased(m,
                        store_floor(m->store)); /* they have names that are forgotten with that */
    model_unerase(m, durable);
    named_void(m, durable);
    m->run.count = 0;
    m->deadlines.on_disk = 1; /* to be looked up */
    m->decided = durable;
    batch_destroy(m->open);
    m->open = batch_create(durable + 1);
    m->generation++;
    given_names_rebuild(m);
    replay_build(m);
    if (!was_told) return;
    begin_timeline(m, TIMELINE_VOIDED, m->next_sequence);
    m->timeline_unwritten = true;
}

void model_resumed(struct model *m) {
    if (!m->timeline_unwritten) return;
    m->timeline_unwritten = false;
    write_timeline(m);
    model_commit(m);
}

uint64_t model_flush(struct model *m) {
    assert(m->flushed.frame == 0);
    tallies_clear(m);
    model_drop_streams(m);
    for (uint64_t q = m->log.first; q < m->next_sequence; q++) {
        struct event *e = model_event(m, q);
        if (e->rec.flags & EVENT_CLIENT_ID) model_remove_id(m, e);
    }
    hidden_clear(m);
    renamed_clear(m);
    model_forget_erased(m, UINT64_MAX);
    m->deadlines.on_disk = 0;
    batch_add(m->open, RECORD_FLUSH, NULL, 0);
    begin_timeline(m, TIMELINE_FLUSHED, 0);
    write_timeline(m);
    m->decided = batch_end_frame(m->open);
    named_flush(m, m->decided);
    /* The applier still borrows the events: they stay until it has passed. */
    m->flushed = (struct flushed){.frame = m->decided,
                                  .log = m->log.ring,
                                  .log_mask = m->log.mask,
                                  .log_first = m->log.first,
                                  .next_sequence = m->next_sequence,
                                  .next_stream = m->next_stream,
                                  .stream_count = m->stream_count};
    log_tail_init(m, 0);
    m->next_stream = 1;
    m->stream_count = m->deadlines.all = m->virtual_groups = 0;
    known_ids_none(m);
    m->generation++;
    return m->decided;
}

void model_forget_flushed(struct model *m) {
    struct flushed *f = &m->flushed;
    if (f->frame == 0 || f->frame > store_floor(m->store)) return;
    for (uint64_t q = f->log_first; q < f->next_sequence; q++)
        event_drop(m, f->log[q & f->log_mask]);
    free(f->log);
    *f = (struct flushed){0};
}
