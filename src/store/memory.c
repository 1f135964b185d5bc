/* The backend in RAM: `store memory:`, for tests and for what may be lost. It keeps the same
 * contract as the others and is their plain reference: arrays in order, one mutex, no cleverness.
 * The writer's connection owns the data; readers share it and get copies, because the reference
 * counts of events belong to one thread. */
#include "store/backend.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <pthread.h>

struct memory_stream {
    struct hash_node node; /* by name */
    struct stream_name *name;
    uint64_t *sequences; /* by version */
    size_t count, cap;
};

struct memory_id {
    struct hash_node node;
    struct uuid id;
    uint64_t sequence;
};

struct memory_store {
    pthread_mutex_t mutex;
    struct store_state state;
    struct event_record **events; /* by sequence */
    size_t event_cap;
    struct memory_stream **streams; /* by number; [0] unused */
    size_t stream_end, stream_cap;
    struct hash_table names, ids; /* ids: the client-made ones */
};

struct backend_conn {
    struct memory_store *store;
    bool writer;
};

/* --- the data ----------------------------------------------------------------- */

static void *grow(void *array, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return array;
    *cap = MAX(need, *cap * 2 + 16);
    return xrealloc(array, *cap * size);
}

static void free_id(struct hash_node *n, void *arg) {
    hash_remove(arg, n);
    xfree(CONTAINER_OF(n, struct memory_id, node));
}

static void empty(struct memory_store *m) {
    for (uint64_t i = 0; i < m->state.next_sequence; i++) xfree(m->events[i]);
    for (size_t i = 1; i < m->stream_end; i++) {
        struct memory_stream *s = m->streams[i];
        if (s == NULL) continue;
        hash_remove(&m->names, &s->node);
        stream_name_unref(s->name);
        xfree(s->sequences);
        xfree(s);
    }
    hash_each(&m->ids, free_id, &m->ids);
    m->stream_end = 1;
    m->state.next_sequence = m->state.stream_count = 0;
    m->state.next_stream = 1;
}

static struct memory_stream *find_stream(struct memory_store *m, struct str name) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(&m->names, hash); n != NULL;
         n = hash_next(&m->names, n)) {
        struct memory_stream *s = CONTAINER_OF(n, struct memory_stream, node);
        if (str_eq(stream_name_str(s->name), name)) return s;
    }
    return NULL;
}

static struct memory_stream *stream_at(struct memory_store *m, uint64_t number) {
    return number < m->stream_end ? m->streams[number] : NULL;
}

static void add_stream(struct memory_store *m, const struct stream_record *r) {
    struct str name = str_of(r->name, r->name_len);
    assert(stream_at(m, r->number) == NULL);
    assert(find_stream(m, name) == NULL);
    struct memory_stream *s = xcalloc(1, sizeof *s);
    s->name = stream_name_create(r->number, r->created, name);
    m->streams = grow(m->streams, &m->stream_cap, r->number + 1, sizeof *m->streams);
    while (m->stream_end <= r->number) m->streams[m->stream_end++] = NULL;
    m->streams[r->number] = s;
    hash_insert(&m->names, &s->node, hash_bytes(name.ptr, name.len));
    m->state.stream_count++;
    m->state.next_stream = MAX(m->state.next_stream, r->number + 1);
}

static void add_event(struct memory_store *m, const struct event_record *r) {
    struct store_state *state = &m->state;
    struct memory_stream *s = stream_at(m, r->stream);
    assert(r->sequence == state->next_sequence);
    assert(s != NULL);
    assert(r->version == s->count);
    m->events = grow(m->events, &m->event_cap, r->sequence + 1, sizeof *m->events);
    m->events[r->sequence] = xmemdup(r, event_record_len(r));
    s->sequences = grow(s->sequences, &s->cap, s->count + 1, sizeof *s->sequences);
    s->sequences[s->count++] = r->sequence;
    if (r->flags & EVENT_CLIENT_ID) {
        struct memory_id *id = xmalloc(sizeof *id);
        id->id = r->event_id;
        id->sequence = r->sequence;
        hash_insert(&m->ids, &id->node, hash_bytes(&id->id, sizeof id->id));
    }
    state->next_sequence++;
    state->recorded = MAX(state->recorded, r->recorded);
    /* An id ahead of the store's clock is a producer's, and moves only its stream. */
    bool higher = r->entry_ms > state->entry_ms ||
                  (r->entry_ms == state->entry_ms && r->entry_seq > state->entry_seq);
    if (higher && r->entry_ms <= r->recorded) {
        state->entry_ms = r->entry_ms;
        state->entry_seq = r->entry_seq;
    }
}

/* --- the writer ------------------------------------------------------------------ */

static int open_writer(struct backend_conn **out, const char *path, struct err *err) {
    UNUSED(path);
    UNUSED(err);
    struct memory_store *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->mutex, NULL);
    hash_init(&m->names);
    hash_init(&m->ids);
    m->stream_end = 1;
    uuid_v4(&m->state.store_id);
    m->state.id_key = random_u64() >> (64 - EVENT_SEQUENCE_BITS);
    m->state.epoch = 1;
    m->state.next_stream = 1;
    m->streams = grow(NULL, &m->stream_cap, 1, sizeof *m->streams);
    m->streams[0] = NULL;
    *out = xcalloc(1, sizeof **out);
    (*out)->store = m;
    (*out)->writer = true;
    return 0;
}

static int open_reader(struct backend_conn **out, struct backend_conn *writer, struct err *err) {
    UNUSED(err);
    *out = xcalloc(1, sizeof **out);
    (*out)->store = writer->store;
    return 0;
}

static void conn_close(struct backend_conn *c) {
    struct memory_store *m = c->store;
    if (c->writer) {
        empty(m);
        hash_clear(&m->names);
        hash_clear(&m->ids);
        pthread_mutex_destroy(&m->mutex);
        xfree(m->events);
        xfree(m->streams);
        xfree(m);
    }
    xfree(c);
}

static int load_state(struct backend_conn *w, struct store_state *out, struct err *err) {
    UNUSED(err);
    pthread_mutex_lock(&w->store->mutex);
    *out = w->store->state;
    pthread_mutex_unlock(&w->store->mutex);
    return 0;
}

static int probe(struct backend_conn *w, struct err *err) {
    UNUSED(w);
    UNUSED(err);
    return 0;
}

static int set_journal_open(struct backend_conn *w, bool open, struct err *err) {
    UNUSED(err);
    pthread_mutex_lock(&w->store->mutex);
    w->store->state.journal_open = open;
    pthread_mutex_unlock(&w->store->mutex);
    return 0;
}

static int apply(struct backend_conn *w, struct group *const groups[], size_t n, struct err *err) {
    struct memory_store *m = w->store;
    UNUSED(err);
    assert(w->writer);
    pthread_mutex_lock(&m->mutex);
    for (size_t i = 0; i < n; i++) {
        const struct group *g = groups[i];
        assert(g->frame_count > 0);
        assert(g->first_frame > m->state.applied);
        for (uint32_t j = 0; j < g->frame_end[g->frame_count - 1]; j++) {
            const struct record *r = &g->records[j];
            switch (r->kind) {
            case RECORD_EVENT:
                add_event(m, r->body);
                break;
            case RECORD_STREAM:
                add_stream(m, r->body);
                break;
            case RECORD_FLUSH:
                empty(m);
                break;
            }
        }
        m->state.applied = group_last_frame(g);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static int maintain(struct backend_conn *w, bool all, bool *more, struct err *err) {
    UNUSED(w);
    UNUSED(all);
    UNUSED(err);
    *more = false;
    return 0;
}

static void stats(struct backend_conn *w, struct backend_stats *out) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&w->store->mutex);
    out->indexed = w->store->state.next_sequence;
    pthread_mutex_unlock(&w->store->mutex);
}

/* --- readers ----------------------------------------------------------------------- */

static struct stream_name *copy_name(const struct stream_name *n) {
    struct stream_name *copy = xmemdup(n, sizeof *n + n->rec.name_len);
    copy->refs = 1;
    return copy;
}

static struct event *copy_event(const struct event_record *r, struct stream_name *name) {
    struct event_fields f = {
        .sequence = r->sequence,
        .version = r->version,
        .timestamp = r->timestamp,
        .recorded = r->recorded,
        .entry_ms = r->entry_ms,
        .entry_seq = r->entry_seq,
        .event_id = r->event_id,
        .partition_key = event_partition_key(r),
        .transaction = event_transaction(r),
        .correlation = event_correlation(r),
        .causation = event_causation(r),
        .content_hash = event_content_hash(r),
        .type = event_type(r),
        .aggregate = event_aggregate(r),
        .metadata = event_metadata(r),
        .payload = event_payload(r),
    };
    return event_create(&f, name);
}

/* Shares the name with an event of the page that has it already. */
static void add_copy(struct page *p, const struct event_record *r, const struct stream_name *of) {
    struct stream_name *name = NULL;
    for (size_t i = p->count; name == NULL && i > 0; i--)
        if (p->events[i - 1]->rec.stream == r->stream)
            name = stream_name_ref(p->events[i - 1]->name);
    if (name == NULL) name = copy_name(of);
    page_add(p, copy_event(r, name));
    stream_name_unref(name);
}

static int read_head(struct backend_conn *c, struct str name, struct stream_head *out,
                     uint64_t *applied, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&m->mutex);
    *applied = m->state.applied;
    struct memory_stream *s = find_stream(m, name);
    if (s != NULL) {
        out->exists = true;
        out->number = s->name->rec.number;
        out->created = s->name->rec.created;
        out->next_version = s->count;
        if (s->count > 0) {
            const struct event_record *r = m->events[s->sequences[s->count - 1]];
            out->entry_ms = r->entry_ms;
            out->entry_seq = r->entry_seq;
            out->recorded = r->recorded;
        }
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static bool page_full(const struct page *p, const struct read_range *range, size_t examined) {
    return p->count >= MAX(range->count_max, (size_t)1) ||
           examined >= MAX(range->examined_max, (size_t)1) ||
           (p->count > 0 && p->bytes >= range->bytes_max);
}

static int read_events(struct backend_conn *c, const struct read_range *range, struct page *out,
                       struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    assert(range->start <= range->end);
    pthread_mutex_lock(&m->mutex);
    struct memory_stream *s = range->stream != 0 ? stream_at(m, range->stream) : NULL;
    uint64_t limit = m->state.next_sequence;
    if (range->stream != 0) limit = s != NULL ? s->count : 0;
    out->applied = m->state.applied;
    out->done = true;
    out->next = range->end >= limit ? limit : range->end + 1;
    out->next = range->reverse ? range->start - (range->start > 0) : MAX(out->next, range->start);
    uint64_t end = MIN(range->end, limit - 1); /* unused when there is none */
    uint64_t count = limit > range->start ? end - range->start + 1 : 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t position = range->reverse ? end - i : range->start + i;
        if (page_full(out, range, i)) {
            out->done = false;
            out->next = position;
            break;
        }
        const struct event_record *r = m->events[s != NULL ? s->sequences[position] : position];
        const struct stream_name *name = m->streams[r->stream]->name;
        if (range->filter == NULL || event_filter_match(range->filter, r, stream_name_str(name)))
            add_copy(out, r, name);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static int read_id(struct backend_conn *c, const struct uuid *id, struct event **out,
                   uint64_t *applied, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    *out = NULL;
    pthread_mutex_lock(&m->mutex);
    *applied = m->state.applied;
    uint64_t sequence = event_id_sequence(id, m->state.id_key);
    uint64_t hash = hash_bytes(id, sizeof *id);
    for (struct hash_node *n = hash_first(&m->ids, hash); n != NULL; n = hash_next(&m->ids, n)) {
        struct memory_id *known = CONTAINER_OF(n, struct memory_id, node);
        if (uuid_eq(&known->id, id)) sequence = known->sequence;
    }
    if (sequence < m->state.next_sequence && uuid_eq(&m->events[sequence]->event_id, id)) {
        const struct event_record *r = m->events[sequence];
        struct stream_name *name = copy_name(m->streams[r->stream]->name);
        *out = copy_event(r, name);
        stream_name_unref(name);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static int list_streams(struct backend_conn *c, uint64_t from, struct str pattern,
                        struct str category, size_t count_max, size_t examined_max,
                        struct stream_list *out, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    out->applied = m->state.applied;
    out->next = from;
    out->done = true;
    size_t examined = 0;
    for (uint64_t i = from; i < m->stream_end; i++) {
        if (m->streams[i] == NULL) continue;
        if (out->count >= MAX(count_max, (size_t)1) || examined >= MAX(examined_max, (size_t)1)) {
            out->next = i;
            out->done = false;
            break;
        }
        examined++;
        out->next = i + 1;
        const struct stream_name *n = m->streams[i]->name;
        struct str name = stream_name_str(n);
        if (category.len > 0 && !str_eq(stream_category(name), category)) continue;
        if (pattern.len > 0 && !str_match_glob(pattern, name, false)) continue;
        stream_list_add(out, copy_name(n));
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static int backup(struct backend_conn *c, const char *path, backup_progress_fn *progress, void *arg,
                  struct err *err) {
    UNUSED(c);
    UNUSED(progress);
    UNUSED(arg);
    return err_set(err, ERR_REFUSED, "backup: %s: the store is memory:, which has no copy", path);
}

const struct backend backend_memory = {
    .scheme = "memory",
    .durable = false,
    .open_writer = open_writer,
    .open_reader = open_reader,
    .close = conn_close,
    .load_state = load_state,
    .set_journal_open = set_journal_open,
    .probe = probe,
    .apply = apply,
    .maintain = maintain,
    .stats = stats,
    .read_head = read_head,
    .read_events = read_events,
    .read_id = read_id,
    .list_streams = list_streams,
    .backup = backup,
};
