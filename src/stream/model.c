/* The model as a whole: made, handed over to the store, cleared. Its streams are streams.c's, the
 * log tail log_tail.c's, what a void or FLUSHALL does rebuild.c's; deciding is append.c's, loading
 * load.c's, evicting cache.c's, reading read.c's. */
#include "stream/model.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/group/group_scan.h"
#include "stream/internal.h"

void model_init(struct model *m, struct store *s, size_t bytes_max, bool interval) {
    const struct store_state *st = store_state(s);
    *m = (struct model){.store = s, .bytes_max = bytes_max, .interval = interval};
    hash_init(&m->streams);
    hash_init(&m->ids);
    hash_init(&m->hidden.table);
    hash_init(&m->renamed.table);
    list_init(&m->renamed.order);
    erased_init(m);
    settled_init(m);
    named_init(m);
    tallies_init(m);
    list_init(&m->clock);
    list_init(&m->absent);
    list_init(&m->installing);
    list_init(&m->scans);
    list_init(&m->scanned);
    m->virtual_groups = m->settled_virtual_groups = st->virtual_groups;
    list_init(&m->hidden.order);
    m->next_group = st->next_group;
    m->deadlines.on_disk = st->next_deadline;
    m->decided = st->applied;
    m->next_stream = st->next_stream;
    m->stream_count = m->settled_streams = st->stream_count;
    m->deadlines.all = st->expiring_count;
    m->id_key = st->id_key;
    m->recorded = m->wall = st->recorded;
    m->entry_ms = st->entry_ms;
    m->entry_seq = st->entry_seq;
    const struct timelines *timelines = store_timelines(s);
    for (size_t i = 0; i < timelines->count; i++)
        timelines_add(&m->timelines, &timelines->items[i]);
    log_tail_init(m, st->next_sequence);
    m->open = batch_create(m->decided + 1);
    if (st->next_sequence > 0)
        known_ids_load(m);
    else
        known_ids_none(m);
}

void model_tick(struct model *m, uint64_t wall_ms) {
    m->wall = wall_ms;
    if (wall_ms > m->recorded) m->recorded = wall_ms;
}

void model_submit(struct model *m) {
    assert(model_frame_is_empty(m));
    if (m->open->frame_count == 0) return;
    struct batch *b = m->open;
    b->stream_count = m->stream_count;
    b->virtual_groups = m->virtual_groups;
    m->open = batch_create(m->decided + 1);
    given_names_add(m, b);
    store_submit(m->store, b);
}

void model_durable(struct model *m, const struct batch *b) {
    m->settled_streams = b->stream_count;
    m->settled_virtual_groups = b->virtual_groups;
}

static void drop_loading(struct hash_node *n, void *arg) {
    struct stream *s = CONTAINER_OF(n, struct stream, node);
    stream_load_drop(s);
    stream_destroy(arg, s);
}

void model_clear(struct model *m) {
    group_scans_clear(m);
    tallies_clear(m);
    model_drop_streams(m);
    hash_each(&m->streams, drop_loading, m); /* what a slow disk has not given until now */
    named_clear(m);
    model_pack(m); /* no stream is left: gives the names back */
    assert(m->streams.count == 0);
    while (m->log.first < m->next_sequence) {
        struct event *e = model_event(m, m->log.first++);
        model_log_forget(m, e);
    }
    for (uint64_t q = m->flushed.log_first; q < m->flushed.next_sequence; q++)
        event_drop(m, m->flushed.log[q & m->flushed.log_mask]);
    free(m->flushed.log);
    free(m->log.ring);
    batch_destroy(m->open);
    hidden_clear(m);
    renamed_clear(m);
    hash_clear(&m->hidden.table);
    hash_clear(&m->renamed.table);
    erased_clear(m);
    settled_clear(m);
    given_names_clear(&m->given);
    timelines_clear(&m->timelines);
    model_exhume(m, UINT64_MAX);
    free(m->graves.items);
    heap_clear(&m->deadlines.heap);
    free(m->run.items);
    replay_drop(m);
    known_ids_clear(m);
    hash_clear(&m->streams);
    hash_clear(&m->ids);
}
