/* The model's structure: streams by name, the log tail, ids, the open batch; building it again
 * after a void. Deciding is append.c's, loading load.c's, evicting cache.c's, reading read.c's. */
#include "stream/model.h"

#include "base/alloc.h"
#include "stream/internal.h"
#include "stream/gone/remove.h"

#define LOG_RING_MIN 1024

static void log_ring_init(struct model *m, uint64_t next_sequence) {
    m->log = xmalloc(LOG_RING_MIN * sizeof *m->log);
    m->log_mask = LOG_RING_MIN - 1;
    m->log_first = m->next_sequence = next_sequence;
    m->log_bytes = 0;
}

void model_init(struct model *m, struct store *s, size_t bytes_max, bool interval) {
    const struct store_state *st = store_state(s);
    *m = (struct model){.store = s, .bytes_max = bytes_max, .interval = interval};
    hash_init(&m->streams);
    hash_init(&m->ids);
    hash_init(&m->hidden);
    hash_init(&m->renamed);
    hash_init(&m->erased);
    list_init(&m->clock);
    list_init(&m->hidden_order);
    m->next_group = st->next_group;
    m->disk_deadline = st->next_deadline;
    m->decided = st->applied;
    m->next_stream = st->next_stream;
    m->stream_count = st->stream_count;
    m->expiring_all = st->expiring_count;
    m->id_key = st->id_key;
    m->recorded = st->recorded;
    m->entry_ms = st->entry_ms;
    m->entry_seq = st->entry_seq;
    log_ring_init(m, st->next_sequence);
    m->open = batch_create(m->decided + 1);
    if (st->next_sequence > 0)
        known_ids_load(m);
    else
        known_ids_none(m);
}

void model_tick(struct model *m, uint64_t wall_ms) {
    if (wall_ms > m->recorded) m->recorded = wall_ms;
}

/* ---- streams ---- */

static size_t stream_bytes(const struct stream *s) {
    return sizeof *s + sizeof *s->name + s->name->rec.name_len + s->tail_cap * sizeof *s->tail;
}

struct stream *stream_lookup(const struct model *m, struct str name, uint64_t hash) {
    for (struct hash_node *n = hash_first(&m->streams, hash); n != NULL;
         n = hash_next(&m->streams, n)) {
        struct stream *s = CONTAINER_OF(n, struct stream, node);
        if (str_eq(stream_name_str(s->name), name)) return s;
    }
    return NULL;
}

/* Takes over the reference of name. */
struct stream *stream_create(struct model *m, struct stream_name *name, uint64_t hash,
                             enum stream_state state) {
    struct stream *s = xcalloc(1, sizeof *s);
    s->name = name;
    s->state = state;
    list_init(&s->waiters);
    list_init(&s->clock);
    name->resident = s;
    hash_insert(&m->streams, &s->node, hash);
    if (state != STREAM_LOADING) list_append(&m->clock, &s->clock);
    if (state == STREAM_LIVE) m->live_in_memory++;
    m->bytes += stream_bytes(s);
    return s;
}

void event_drop(struct model *m, struct event *e) {
    bool counted = e->counted;
    size_t freed = event_unref(e);
    if (counted) m->bytes -= freed;
}

void event_count(struct model *m, struct event *e) {
    if (e->counted) return;
    e->counted = 1;
    m->bytes += e->size;
}

void model_drop_page(struct model *m, struct page *p) {
    for (size_t i = 0; i < p->count; i++) event_drop(m, p->events[i]);
    p->count = 0;
    page_clear(p);
}

void stream_destroy(struct model *m, struct stream *s) {
    assert(s->pins == 0);
    assert(list_empty(&s->waiters));
    m->bytes -= stream_bytes(s);
    for (uint32_t i = 0; i < s->tail_count; i++) event_drop(m, s->tail[s->tail_head + i]);
    if (s->state == STREAM_LIVE) m->live_in_memory--;
    stream_extra_free(m, s);
    hash_remove(&m->streams, &s->node);
    list_remove(&s->clock);
    s->name->resident = NULL;
    stream_name_unref(s->name);
    free(s->tail);
    free(s);
}

struct stream *model_in_memory(struct model *m, struct str name) {
    return stream_lookup(m, name, hash_bytes(name.ptr, name.len));
}

struct stream *model_peek(struct model *m, struct str name) {
    struct stream *s = model_in_memory(m, name);
    return s != NULL && s->state == STREAM_LIVE ? s : NULL;
}

struct stream *model_stream(struct model *m, struct str name) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    struct stream *s = stream_lookup(m, name, hash);
    if (s != NULL) {
        if (s->state == STREAM_LOADING) return NULL;
        m->hits++;
        s->touched = true;
        return s;
    }
    /* Every stream that exists is in memory: this one does not exist. */
    if (m->live_in_memory == m->stream_count)
        return stream_create(m, stream_name_create(0, 0, name), hash, STREAM_ABSENT);
    return NULL;
}

uint64_t model_prefetch_bucket(const struct model *m, struct str name) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    hash_prefetch(&m->streams, hash);
    return hash;
}

void model_prefetch_stream(const struct model *m, uint64_t hash) {
    const struct hash_node *n = hash_peek(&m->streams, hash);
    if (n == NULL) return;
    const char *s = (const char *)CONTAINER_OF(n, const struct stream, node);
    __builtin_prefetch(s, 1);
    __builtin_prefetch(s + 64, 1);
}

void model_prefetch_tail(const struct model *m, uint64_t hash) {
    const struct hash_node *n = hash_first(&m->streams, hash);
    if (n == NULL) return;
    const struct stream *s = CONTAINER_OF(n, const struct stream, node);
    __builtin_prefetch(s->name, 1);
    __builtin_prefetch((const char *)s->name + 64);
    if (s->tail != NULL) __builtin_prefetch(s->tail + s->tail_head + s->tail_count, 1);
}

struct stream *model_stream_by_event(struct model *m, const struct event *e) {
    return model_name(m, e)->resident;
}

/* Makes room at the end of the tail. */
static void tail_reserve(struct model *m, struct stream *s) {
    if (s->tail_head + s->tail_count < s->tail_cap) return;
    if (s->tail_head > 0 && s->tail_count <= s->tail_cap / 2) {
        memmove(s->tail, s->tail + s->tail_head, s->tail_count * sizeof *s->tail);
        s->tail_head = 0;
        return;
    }
    uint32_t cap = s->tail_cap == 0 ? 4 : s->tail_cap * 2;
    struct event **tail = xmalloc(cap * sizeof *tail);
    if (s->tail_count > 0) memcpy(tail, s->tail + s->tail_head, s->tail_count * sizeof *tail);
    free(s->tail);
    m->bytes += (cap - s->tail_cap) * sizeof *tail;
    s->tail = tail;
    s->tail_cap = cap;
    s->tail_head = 0;
}

/* Takes over one reference of e, whose version is the next. */
void stream_push(struct model *m, struct stream *s, struct event *e) {
    assert(e->rec.version == s->next_version);
    tail_reserve(m, s);
    s->tail[s->tail_head + s->tail_count++] = e;
    s->largest = MAX(s->largest, e->size);
    s->next_version++;
    s->entry_ms = e->rec.entry_ms;
    s->entry_seq = e->rec.entry_seq;
    s->last_frame = s->changed_frame = e->frame;
}

/* Gives back the reference of the stream; its entry id is the caller's to restore. */
void stream_unpush(struct model *m, struct stream *s) {
    assert(s->tail_count > 0);
    s->next_version--;
    event_drop(m, s->tail[s->tail_head + --s->tail_count]);
    if (s->tail_count == 0) s->tail_head = 0;
}

/* Takes over one reference of e, whose version is the one before the tail. */
void stream_push_front(struct model *m, struct stream *s, struct event *e) {
    if (s->tail_head == 0) {
        tail_reserve(m, s); /* one free place at the end at least */
        if (s->tail_head == 0) {
            memmove(s->tail + 1, s->tail, s->tail_count * sizeof *s->tail);
            s->tail_head = 1;
        }
    }
    s->tail[--s->tail_head] = e;
    s->largest = MAX(s->largest, e->size);
    s->tail_count++;
}

struct note_touch {
    struct undo undo;
    struct stream *stream;
    uint64_t last_frame, changed_frame;
};

static void untouch(struct model *m, struct undo *u) {
    UNUSED(m);
    struct note_touch *note = CONTAINER_OF(u, struct note_touch, undo);
    note->stream->last_frame = note->last_frame;
    note->stream->changed_frame = note->changed_frame;
}

void stream_touch(struct model *m, struct stream *s, bool content) {
    uint64_t frame = m->decided + 1;
    if (s->last_frame == frame && (!content || s->changed_frame == frame)) return;
    struct note_touch *note = model_note(m, sizeof *note, untouch);
    if (note != NULL) {
        note->stream = s;
        note->last_frame = s->last_frame;
        note->changed_frame = s->changed_frame;
    }
    s->last_frame = frame;
    if (content) s->changed_frame = frame;
}

void stream_drop_front(struct model *m, struct stream *s) {
    assert(s->tail_count > 0);
    event_drop(m, s->tail[s->tail_head]);
    s->tail_head++;
    if (--s->tail_count == 0) s->tail_head = 0;
}

void stream_replace(struct model *m, struct stream *s, struct event *by, bool in_tail,
                    bool in_log) {
    if (in_tail) {
        struct event **at = &s->tail[s->tail_head + (by->rec.version - stream_tail_first(s))];
        event_drop(m, *at);
        *at = event_ref(by);
    }
    if (in_log) {
        struct event **at = &m->log[by->rec.sequence & m->log_mask];
        m->log_bytes += by->size - (*at)->size;
        event_drop(m, *at);
        *at = event_ref(by);
    }
}

/* ---- the log tail ---- */

static void log_ring_grow(struct model *m) {
    uint64_t cap = m->log_mask + 1, mask = cap * 2 - 1;
    struct event **log = xmalloc((mask + 1) * sizeof *log);
    for (uint64_t q = m->log_first; q != m->next_sequence; q++)
        log[q & mask] = m->log[q & m->log_mask];
    free(m->log);
    m->log = log;
    m->log_mask = mask;
}

/* Takes over one reference. */
void model_log_push(struct model *m, struct event *e) {
    assert(e->rec.sequence == m->next_sequence);
    if (m->next_sequence - m->log_first > m->log_mask) log_ring_grow(m);
    m->log[m->next_sequence++ & m->log_mask] = e;
    m->log_bytes += e->size;
}

struct id_entry {
    struct hash_node node;
    struct event *event;
};

static uint64_t id_hash(const struct uuid *id) {
    return hash_bytes(id->b, sizeof id->b);
}

/* by NULL: the one that is still there (an id may be given again once its event was removed). */
static struct id_entry *id_lookup(struct model *m, const struct uuid *id, const struct event *by) {
    uint64_t gate = 0;
    for (struct hash_node *n = hash_first(&m->ids, id_hash(id)); n != NULL;
         n = hash_next(&m->ids, n)) {
        struct id_entry *entry = CONTAINER_OF(n, struct id_entry, node);
        if (by != NULL ? entry->event == by
                       : uuid_eq(&entry->event->rec.event_id, id) &&
                             !model_hides(m, entry->event, UINT64_MAX, &gate))
            return entry;
    }
    return NULL;
}

void model_add_id(struct model *m, struct event *e) {
    struct id_entry *entry = xmalloc(sizeof *entry);
    entry->event = e;
    hash_insert(&m->ids, &entry->node, id_hash(&e->rec.event_id));
    m->bytes += sizeof *entry;
}

static void model_remove_id(struct model *m, const struct event *e) {
    struct id_entry *entry = id_lookup(m, &e->rec.event_id, e);
    assert(entry != NULL);
    hash_remove(&m->ids, &entry->node);
    free(entry);
    m->bytes -= sizeof *entry;
}

void model_replace_id(struct model *m, const struct event *old, struct event *by) {
    struct id_entry *entry = id_lookup(m, &old->rec.event_id, old);
    assert(entry != NULL);
    entry->event = by;
}

struct event *model_find_id(struct model *m, const struct uuid *id) {
    struct id_entry *entry = id_lookup(m, id, NULL);
    if (entry != NULL) return entry->event;
    uint64_t sequence = event_id_sequence(id, m->id_key);
    if (sequence < m->log_first || sequence >= m->next_sequence) return NULL;
    struct event *e = model_event(m, sequence);
    uint64_t gate = 0;
    return uuid_eq(&e->rec.event_id, id) && !model_hides(m, e, UINT64_MAX, &gate) ? e : NULL;
}

/* Takes the event at one end out of the log tail; the caller has adjusted the bounds. */
void model_log_forget(struct model *m, struct event *e) {
    m->log_bytes -= e->size;
    if (e->rec.flags & EVENT_CLIENT_ID) model_remove_id(m, e);
    event_drop(m, e);
}

/* ---- hand over ---- */

void model_submit(struct model *m) {
    assert(model_frame_is_empty(m));
    if (m->open->frame_count == 0) return;
    struct batch *b = m->open;
    m->open = batch_create(m->decided + 1);
    store_submit(m->store, b);
}

/* ---- dropping everything, and building it again ---- */

static void destroy_if_known(struct hash_node *n, void *arg) {
    struct stream *s = CONTAINER_OF(n, struct stream, node);
    if (s->state != STREAM_LOADING) stream_destroy(arg, s);
}

/* All but the streams that are being loaded: their heads come from the backend, which never has
 * void frames. */
static void drop_streams(struct model *m) {
    hash_each(&m->streams, destroy_if_known, m);
    assert(m->live_in_memory == 0);
}

/* Streams that frames beyond `durable` created do not exist, those that they deleted do. */
static int64_t streams_of_group(const struct batch *b) {
    int64_t n = 0;
    for (uint32_t i = 0; i < b->record_count; i++)
        n += (b->records[i].kind == RECORD_STREAM) - (b->records[i].kind == RECORD_DELETE);
    return n;
}

static uint64_t streams_voided(struct model *m, uint64_t durable) {
    int64_t voided = streams_of_group(m->open);
    LIST_FOR_EACH (it, store_batches(m->store)) {
        const struct batch *b = LIST_ENTRY(it, struct batch, node);
        if (b->first_frame > durable) voided += streams_of_group(b);
    }
    return (uint64_t)voided;
}

static void unflush(struct model *m) {
    struct flushed *f = &m->flushed;
    while (m->next_sequence > m->log_first) {
        struct event *e = model_event(m, --m->next_sequence);
        model_log_forget(m, e);
    }
    free(m->log);
    m->log = f->log;
    m->log_mask = f->log_mask;
    m->log_first = f->log_first;
    m->next_sequence = f->next_sequence;
    m->next_stream = f->next_stream;
    m->stream_count = f->stream_count;
    known_ids_load(m);
    m->log_bytes = 0;
    for (uint64_t q = m->log_first; q < m->next_sequence; q++) {
        struct event *e = model_event(m, q);
        m->log_bytes += e->size;
        if (e->rec.flags & EVENT_CLIENT_ID) model_add_id(m, e);
    }
    *f = (struct flushed){0};
}

void model_rebuild(struct model *m) {
    uint64_t durable = store_durable(m->store);
    drop_streams(m);
    if (m->flushed.frame > durable)
        unflush(m);
    else
        m->stream_count -= streams_voided(m, durable);
    while (m->next_sequence > m->log_first) {
        struct event *e = model_event(m, m->next_sequence - 1);
        if (e->frame <= durable) break;
        m->next_sequence--;
        model_log_forget(m, e);
    }
    /* What the backend has comes from there: it knows what of that is removed. Of the rest only
     * what durable frames removed is hidden again (replay_build). */
    while (evict_log_event(m, store_floor(m->store))) {}
    for (uint64_t q = m->log_first; q < m->next_sequence; q++) model_event(m, q)->removed = 0;
    hidden_clear(m);
    renamed_clear(m);
    model_unbury(m, durable);
    model_forget_erased(m, durable, UINT64_MAX);
    m->run.count = 0;
    m->disk_deadline = 1; /* to be looked up */
    m->decided = durable;
    batch_destroy(m->open);
    m->open = batch_create(durable + 1);
    m->generation++;
    replay_build(m);
}

uint64_t model_flush(struct model *m) {
    assert(m->flushed.frame == 0);
    drop_streams(m);
    for (uint64_t q = m->log_first; q < m->next_sequence; q++) {
        struct event *e = model_event(m, q);
        if (e->rec.flags & EVENT_CLIENT_ID) model_remove_id(m, e);
    }
    hidden_clear(m);
    renamed_clear(m);
    model_forget_erased(m, 0, UINT64_MAX);
    m->disk_deadline = 0;
    batch_add(m->open, RECORD_FLUSH, NULL, 0);
    m->decided = batch_end_frame(m->open);
    /* The applier still borrows the events: they stay until it has passed. */
    m->flushed = (struct flushed){.frame = m->decided,
                                  .log = m->log,
                                  .log_mask = m->log_mask,
                                  .log_first = m->log_first,
                                  .next_sequence = m->next_sequence,
                                  .next_stream = m->next_stream,
                                  .stream_count = m->stream_count};
    log_ring_init(m, 0);
    m->next_stream = 1;
    m->stream_count = m->expiring_all = 0;
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

void model_clear(struct model *m) {
    drop_streams(m);
    model_pack(m); /* no stream is left: gives the names back */
    assert(m->streams.count == 0);
    while (m->log_first < m->next_sequence) {
        struct event *e = model_event(m, m->log_first++);
        model_log_forget(m, e);
    }
    for (uint64_t q = m->flushed.log_first; q < m->flushed.next_sequence; q++)
        event_drop(m, m->flushed.log[q & m->flushed.log_mask]);
    free(m->flushed.log);
    free(m->log);
    batch_destroy(m->open);
    hidden_clear(m);
    renamed_clear(m);
    hash_clear(&m->hidden);
    hash_clear(&m->renamed);
    model_forget_erased(m, 0, UINT64_MAX);
    hash_clear(&m->erased);
    model_exhume(m, UINT64_MAX);
    free(m->graves);
    free(m->expiring);
    free(m->run.items);
    replay_drop(m);
    known_ids_clear(m);
    hash_clear(&m->streams);
    hash_clear(&m->ids);
}
