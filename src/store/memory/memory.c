/* The backend in RAM: `store memory:`, for tests and for what may be lost. It keeps the same
 * contract as the others and is their plain reference: arrays in order, one mutex, no cleverness;
 * what is removed is freed at once. The writer's connection owns the data; readers share it and get
 * copies, because the reference counts of events belong to one thread.
 *
 * Here: the data, the writer. groups.c: groups and idempotent ids. named.c: checkpoints, views.
 * read.c: readers.
 */
#include "store/memory/internal.h"

#include "base/alloc.h"
#include "base/clock.h"

/* --- streams ------------------------------------------------------------------ */

void *memory_grow(void *array, size_t *cap, size_t need, size_t size) {
    if (need <= *cap) return array;
    *cap = MAX(need, *cap * 2 + 16);
    return xrealloc(array, *cap * size);
}

struct memory_stream *memory_find_stream(struct memory_store *m, struct str name) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(&m->names, hash); n != NULL;
         n = hash_next(&m->names, n)) {
        struct memory_stream *s = CONTAINER_OF(n, struct memory_stream, node);
        if (str_eq(stream_name_str(s->name), name)) return s;
    }
    return NULL;
}

static void set_name(struct memory_store *m, struct memory_stream *s,
                     const struct stream_record *r) {
    struct str name = str_of(r->name, r->name_len);
    s->name = stream_name_create(r->number, r->created, name);
    s->name->rec.kind = r->kind;
    hash_insert(&m->names, &s->node, hash_bytes(name.ptr, name.len));
}

static void add_stream(struct memory_store *m, const struct stream_record *r) {
    assert(memory_stream_at(m, r->number) == NULL);
    struct memory_stream *s = xcalloc(1, sizeof *s);
    list_init(&s->producers);
    set_name(m, s, r);
    m->streams = memory_grow(m->streams, &m->stream_cap, r->number + 1, sizeof *m->streams);
    while (m->stream_end <= r->number) m->streams[m->stream_end++] = NULL;
    m->streams[r->number] = s;
    m->state.stream_count += r->kind != KIND_VIRTUAL;
    m->state.next_stream = MAX(m->state.next_stream, r->number + 1);
}

static void rename_stream(struct memory_store *m, const struct stream_record *r) {
    struct memory_stream *s = memory_stream_at(m, r->number);
    assert(s != NULL);
    hash_remove(&m->names, &s->node);
    stream_name_unref(s->name);
    set_name(m, s, r);
}

/* --- events ------------------------------------------------------------------- */

static void add_event(struct memory_store *m, const struct event_record *r) {
    struct store_state *state = &m->state;
    struct memory_stream *s = memory_stream_at(m, r->stream);
    assert(r->sequence == state->next_sequence);
    assert(s != NULL);
    assert(r->version == s->count);
    m->events = memory_grow(m->events, &m->event_cap, r->sequence + 1, sizeof *m->events);
    m->events[r->sequence] = xmemdup(r, event_record_len(r));
    s->sequences = memory_grow(s->sequences, &s->cap, s->count + 1, sizeof *s->sequences);
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

static void remove_event(struct memory_store *m, uint64_t sequence) {
    struct event_record *e = m->events[sequence];
    if (e == NULL) return;
    if (e->flags & EVENT_CLIENT_ID) {
        struct hash_node *n = hash_first(&m->ids, hash_bytes(&e->event_id, sizeof e->event_id));
        for (struct hash_node *next; n != NULL; n = next) {
            struct memory_id *id = CONTAINER_OF(n, struct memory_id, node);
            next = hash_next(&m->ids, n);
            if (id->sequence != sequence) continue;
            hash_remove(&m->ids, n);
            free(id);
        }
    }
    free(e);
    m->events[sequence] = NULL;
}

static void erase_event(struct memory_store *m, uint64_t sequence) {
    struct event_record *e = m->events[sequence];
    if (e == NULL) return;
    /* Metadata and payload stand at the end. */
    size_t left = event_record_len(e) - e->metadata_len - e->payload_len;
    memset((char *)e + left, 0, event_record_len(e) - left);
    e->metadata_len = e->payload_len = 0;
    e->flags |= EVENT_ERASED;
    m->events[sequence] = xrealloc(e, left);
}

static void set_state(struct memory_store *m, const struct stream_state_record *r) {
    struct memory_stream *s = memory_stream_at(m, r->stream);
    assert(s != NULL);
    s->state = *r;
    s->has_state = true;
    for (; s->trimmed < MIN(r->first_version, (uint64_t)s->count); s->trimmed++)
        remove_event(m, s->sequences[s->trimmed]);
    memory_prune_idempotent(m, s, false);
}

static void set_value(struct memory_store *m, const struct value_record *r, size_t len) {
    struct memory_stream *s = memory_stream_at(m, r->stream);
    assert(s != NULL);
    free(s->value);
    s->value = xmemdup(r->bytes, len);
    s->value_len = len;
}

static void drop_stream(struct memory_store *m, uint64_t number) {
    struct memory_stream *s = memory_stream_at(m, number);
    assert(s != NULL);
    for (uint64_t i = s->trimmed; i < s->count; i++) remove_event(m, s->sequences[i]);
    while (s->group_count > 0) memory_drop_group(m, s->groups[s->group_count - 1]);
    m->state.stream_count -= s->name->rec.kind != KIND_VIRTUAL;
    memory_prune_idempotent(m, s, true);
    hash_remove(&m->names, &s->node);
    stream_name_unref(s->name);
    free(s->groups);
    free(s->sequences);
    free(s->value);
    free(s);
    m->streams[number] = NULL;
}

static void empty(struct memory_store *m) {
    for (size_t i = 1; i < m->stream_end; i++)
        if (m->streams[i] != NULL) drop_stream(m, i);
    m->stream_end = 1;
    m->state.next_sequence = m->state.stream_count = 0;
    m->state.next_stream = m->state.next_group = 1;
}

/* --- the writer ------------------------------------------------------------------ */

static void add_first_timeline(struct memory_store *m) {
    struct timeline_record first = {.created = clock_wall_ms(),
                                    .id = timeline_of_store(&m->state.store_id),
                                    .reason = TIMELINE_FIRST};
    timelines_clear(&m->timelines);
    timelines_add(&m->timelines, &first);
}

static int open_writer(struct backend_conn **out, const char *path, struct err *err) {
    UNUSED(path);
    UNUSED(err);
    struct memory_store *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->mutex, NULL);
    hash_init(&m->names);
    hash_init(&m->ids);
    hash_init(&m->groups);
    hash_init(&m->named_table);
    m->stream_end = 1;
    uuid_v4(&m->state.store_id);
    m->state.id_key = random_u64() >> (64 - EVENT_SEQUENCE_BITS);
    m->state.epoch = 1;
    m->state.next_stream = m->state.next_group = 1;
    add_first_timeline(m);
    m->streams = memory_grow(NULL, &m->stream_cap, 1, sizeof *m->streams);
    m->streams[0] = NULL;
    *out = xcalloc(1, sizeof **out);
    (*out)->store = m;
    (*out)->writer = true;
    return 0;
}

static int check_path(const char *path, struct err *err) {
    if (path[0] == '\0') return 0;
    return err_set(err, ERR_REFUSED, "memory: takes no name, and '%s' is one", path);
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
        memory_drop_named(m, true);
        hash_clear(&m->names);
        hash_clear(&m->ids);
        hash_clear(&m->groups);
        hash_clear(&m->named_table);
        pthread_mutex_destroy(&m->mutex);
        timelines_clear(&m->timelines);
        free(m->events);
        free(m->streams);
        free(m->named);
        free(m);
    }
    free(c);
}

static int load_state(struct backend_conn *w, struct store_state *out, struct err *err) {
    UNUSED(err);
    pthread_mutex_lock(&w->store->mutex);
    const struct memory_store *m = w->store;
    *out = m->state;
    out->next_deadline = out->expiring_count = 0;
    for (size_t i = 1; i < m->stream_end; i++) {
        const struct memory_stream *s = m->streams[i];
        if (s == NULL || s->state.expires == 0) continue;
        out->expiring_count++;
        if (out->next_deadline == 0 || s->state.expires < out->next_deadline)
            out->next_deadline = s->state.expires;
    }
    pthread_mutex_unlock(&w->store->mutex);
    return 0;
}

static int probe(struct backend_conn *w, struct err *err) {
    UNUSED(w);
    UNUSED(err);
    return 0;
}

static int set_left(struct backend_conn *w, enum store_left left, struct err *err) {
    UNUSED(err);
    pthread_mutex_lock(&w->store->mutex);
    w->store->state.left = left;
    w->store->state.journal_open = left_with_journal(left);
    pthread_mutex_unlock(&w->store->mutex);
    return 0;
}

static int load_timelines(struct backend_conn *w, struct timelines *out, struct err *err) {
    UNUSED(err);
    pthread_mutex_lock(&w->store->mutex);
    const struct timelines *t = &w->store->timelines;
    for (size_t i = 0; i < t->count; i++) timelines_add(out, &t->items[i]);
    pthread_mutex_unlock(&w->store->mutex);
    return 0;
}

static void remove_events(struct memory_store *m, const struct remove_record *r, size_t len) {
    for (size_t i = 0; i < (len - sizeof *r) / sizeof r->events[0]; i++)
        remove_event(m, r->events[i].sequence);
}

static void apply_record(struct memory_store *m, const struct record *r) {
    const struct number_record *number = r->body;
    const struct value_record *value = r->body;
    const struct erase_record *erase = r->body;
    switch (r->kind) {
    case RECORD_EVENT:
        add_event(m, r->body);
        break;
    case RECORD_STREAM:
        add_stream(m, r->body);
        break;
    case RECORD_FLUSH:
        empty(m);
        memory_drop_named(m, false);
        break;
    case RECORD_STREAM_STATE:
        set_state(m, r->body);
        break;
    case RECORD_REMOVE:
        remove_events(m, r->body, r->len);
        break;
    case RECORD_DELETE:
        drop_stream(m, number->number);
        break;
    case RECORD_RENAME:
        rename_stream(m, r->body);
        break;
    case RECORD_VALUE:
        set_value(m, value, r->len - sizeof *value);
        break;
    case RECORD_ERASE:
        erase_event(m, erase->sequence);
        break;
    case RECORD_NAMED:
        memory_apply_named(m, r->body, r->len);
        break;
    case RECORD_IDEMPOTENT:
        memory_add_idempotent(m, r->body);
        break;
    case RECORD_IDEMPOTENT_CLEAR:
        memory_prune_idempotent(m, memory_stream_at(m, number->number), true);
        break;
    case RECORD_TIMELINE:
        timelines_add(&m->timelines, r->body);
        break;
    default:
        memory_apply_to_group(m, r);
    }
}

static int apply(struct backend_conn *w, struct batch *const batches[], size_t n, struct err *err) {
    struct memory_store *m = w->store;
    UNUSED(err);
    assert(w->writer);
    pthread_mutex_lock(&m->mutex);
    for (size_t i = 0; i < n; i++) {
        const struct batch *b = batches[i];
        assert(b->frame_count > 0);
        assert(b->first_frame > m->state.applied);
        for (uint32_t j = 0; j < b->frame_end[b->frame_count - 1]; j++)
            apply_record(m, &b->records[j]);
        m->state.applied = batch_last_frame(b);
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

static int set_run(struct backend_conn *w, uint32_t run, struct err *err) {
    UNUSED(err);
    w->store->state.run = run;
    return 0;
}

static int adopt(struct backend_conn *w, const struct uuid *store_id, uint64_t id_key,
                 struct err *err) {
    UNUSED(err);
    w->store->state.store_id = *store_id;
    w->store->state.id_key = id_key;
    add_first_timeline(w->store);
    return 0;
}

static int check(struct backend_conn *w, struct err *err) {
    UNUSED(w);
    UNUSED(err);
    return 0;
}

static void stats(struct backend_conn *w, struct backend_stats *out) {
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&w->store->mutex);
    out->indexed = w->store->state.next_sequence;
    pthread_mutex_unlock(&w->store->mutex);
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
    .check_path = check_path,
    .open_writer = open_writer,
    .open_reader = open_reader,
    .close = conn_close,
    .load_state = load_state,
    .load_timelines = load_timelines,
    .set_left = set_left,
    .probe = probe,
    .check = check,
    .set_run = set_run,
    .adopt = adopt,
    .apply = apply,
    .maintain = maintain,
    .stats = stats,
    .read_head = memory_read_head,
    .read_events = memory_read_events,
    .find_entry = memory_find_entry,
    .list_expiring = memory_list_expiring,
    .list_reserved = memory_list_reserved,
    .list_ids = memory_list_ids,
    .read_id = memory_read_id,
    .list_streams = memory_list_streams,
    .count_groups = memory_count_groups,
    .count_streams = memory_count_streams,
    .read_named = memory_read_named,
    .list_named = memory_list_named,
    .backup = backup,
};
