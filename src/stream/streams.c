/* The streams in memory: found by name, made, freed, and their tails of events. */
#include "stream/internal.h"

#include "base/alloc.h"

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
    s->state = STREAM_LOADING;
    list_init(&s->waiters);
    list_init(&s->clock);
    name->resident = s;
    hash_insert(&m->streams, &s->node, hash);
    if (state != STREAM_LOADING) stream_set_state(m, s, state);
    m->bytes += stream_bytes(s);
    return s;
}

void stream_set_state(struct model *m, struct stream *s, enum stream_state state) {
    assert(state != STREAM_LOADING);
    bool live = state == STREAM_LIVE, counts = s->name->rec.kind != KIND_VIRTUAL;
    m->live_in_memory += live && counts;
    m->live_in_memory -= s->state == STREAM_LIVE && counts;
    m->virtual_in_memory += live && !counts;
    m->virtual_in_memory -= s->state == STREAM_LIVE && !counts;
    s->state = state;
    list_remove(&s->clock);
    list_append(live ? &m->clock : &m->absent, &s->clock);
}

void event_drop(struct model *m, struct event *e) {
    bool counted = e->counted;
    size_t freed = event_unref(e);
    if (counted) m->bytes -= freed;
}

void model_release(struct model *m, struct event *e) {
    event_drop(m, e);
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

void model_behead_page(struct model *m, struct page *p) {
    p->bytes = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct event *e = p->events[i];
        struct event_fields f = event_place(&e->rec);
        p->events[i] = event_create(&f, e->name);
        p->events[i]->frame = e->frame;
        p->bytes += p->events[i]->size;
        event_drop(m, e);
    }
}

void stream_destroy(struct model *m, struct stream *s) {
    assert(s->pins == 0);
    assert(list_empty(&s->waiters));
    m->bytes -= stream_bytes(s);
    for (uint32_t i = 0; i < s->tail_count; i++) event_drop(m, s->tail[s->tail_head + i]);
    m->virtual_in_memory -= stream_is_virtual(s);
    m->live_in_memory -= s->state == STREAM_LIVE && !stream_is_virtual(s);
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

static struct stream *find(struct model *m, struct str name, bool reads) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    struct stream *s = stream_lookup(m, name, hash);
    if (s != NULL) {
        if (s->state == STREAM_LOADING) return NULL;
        m->hits++;
        s->touched = true;
        return s;
    }
    /* (Those that nobody counts begin so.) */
    if (m->live_in_memory != m->stream_count || (name.len > 0 && name.ptr[0] == '@')) return NULL;
    /* Every stream that exists is in memory: this one does not exist. */
    if (reads) return model_nothing();
    return stream_create(m, stream_name_create(0, 0, name), hash, STREAM_ABSENT);
}

struct stream *model_stream(struct model *m, struct str name) {
    return find(m, name, false);
}

struct stream *model_stream_to_read(struct model *m, struct str name) {
    return find(m, name, true);
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
    if (UNLIKELY(m->on_change != NULL)) m->on_change(m->on_change_arg, s->name, e->frame);
}

/* Gives back the reference of the stream; its entry id is the caller's to restore. */
void stream_unpush(struct model *m, struct stream *s) {
    assert(s->tail_count > 0);
    s->next_version--;
    event_drop(m, s->tail[s->tail_head + --s->tail_count]);
    if (s->tail_count == 0) s->tail_head = 0;
}

/* With n more in front: the caller fills them in. Who reads a stream backwards, page by page, comes
 * here for each: so there is room in front for the next ones. */
struct event **stream_reserve_front(struct model *m, struct stream *s, uint32_t n) {
    if (s->tail_head < n) {
        uint32_t count = s->tail_count + n, spare = s->tail_count > 0 ? count / 2 : 0;
        struct event **tail = xmalloc((spare + count) * sizeof *tail);
        if (s->tail_count > 0)
            memcpy(tail + spare + n, s->tail + s->tail_head, s->tail_count * sizeof *tail);
        free(s->tail);
        m->bytes += (spare + count) * sizeof *tail - s->tail_cap * sizeof *tail;
        s->tail = tail;
        s->tail_head = spare + n;
        s->tail_cap = spare + count;
    }
    s->tail_head -= n;
    s->tail_count += n;
    return s->tail + s->tail_head;
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
    if (!content) return;
    s->changed_frame = frame;
    if (UNLIKELY(m->on_change != NULL)) m->on_change(m->on_change_arg, s->name, frame);
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
        struct event **at = &m->log.ring[by->rec.sequence & m->log.mask];
        m->log.bytes += by->size - (*at)->size;
        event_drop(m, *at);
        *at = event_ref(by);
    }
}
