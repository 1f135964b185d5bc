/* Reading from the memory backend: walks over its arrays. */
#include "store/memory/internal.h"

#include "base/alloc.h"

static struct stream_name *copy_name(const struct stream_name *n) {
    struct stream_name *copy = xmemdup(n, sizeof *n + n->rec.name_len);
    copy->refs = 1;
    return copy;
}

static struct event *copy_event(const struct event_record *r, struct stream_name *name) {
    struct event_fields f = event_place(r);
    f.partition_key = event_partition_key(r);
    f.transaction = event_transaction(r);
    f.correlation = event_correlation(r);
    f.causation = event_causation(r);
    f.content_hash = event_content_hash(r);
    f.type = event_type(r);
    f.aggregate = event_aggregate(r);
    f.metadata = event_metadata(r);
    f.payload = event_payload(r);
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

/* Versions of the stream whose event is gone. */
static void list_holes(const struct memory_store *m, const struct memory_stream *s,
                       struct stream_detail *d) {
    size_t cap = 0;
    for (uint64_t v = memory_first_version(s); v < s->count; v++) {
        if (memory_event(m, s, v) != NULL) continue;
        if (d->hole_count > 0 && d->holes[d->hole_count - 1].last + 1 == v) {
            d->holes[d->hole_count - 1].last++;
            continue;
        }
        d->holes = memory_grow(d->holes, &cap, d->hole_count + 1, sizeof *d->holes);
        d->holes[d->hole_count++] = (struct version_range){(uint32_t)v, (uint32_t)v};
    }
}

static void detail_of(const struct memory_store *m, const struct memory_stream *s,
                      struct stream_head *out) {
    struct stream_detail *d = out->detail = xcalloc(1, sizeof *d);
    d->first_version = s->state.first_version;
    d->deleted = s->state.deleted;
    d->entries_added = s->state.entries_added + (out->next_version - s->state.next_version);
    d->expires = s->state.expires;
    d->idempotent_seconds = s->state.idempotent_seconds;
    d->idempotent_max = s->state.idempotent_max;
    if (s->value != NULL) {
        d->value = xmemdup(s->value, s->value_len);
        d->value_len = s->value_len;
    }
    list_holes(m, s, d);
    memory_image_groups(s, d);
    memory_list_idempotent(s, d);
    bool plain = !s->has_state && d->hole_count == 0 && d->value == NULL && d->group_count == 0;
    if (plain && d->idempotent_count == 0) stream_head_clear(out);
}

static void head_of(const struct memory_store *m, const struct memory_stream *s,
                    struct stream_head *out) {
    const struct event_record *last = NULL;
    out->exists = true;
    out->kind = s->name->rec.kind;
    out->number = s->name->rec.number;
    out->created = s->name->rec.created;
    out->next_version = memory_next_version(s);
    for (uint64_t v = s->count; last == NULL && v > memory_first_version(s); v--)
        last = memory_event(m, s, v - 1);
    if (last != NULL && last->version + 1 == out->next_version) out->recorded = last->recorded;
    if (s->has_state && (last == NULL || last->version < s->state.next_version)) {
        out->entry_ms = s->state.last.ms;
        out->entry_seq = s->state.last.seq;
    } else if (last != NULL) {
        out->entry_ms = last->entry_ms;
        out->entry_seq = last->entry_seq;
    }
    detail_of(m, s, out);
}

int memory_read_head(struct backend_conn *c, struct str name, struct stream_head *out,
                     uint64_t *applied, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&m->mutex);
    *applied = m->state.applied;
    const struct memory_stream *s = memory_find_stream(m, name);
    if (s != NULL) head_of(m, s, out);
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

int memory_count_groups(struct backend_conn *c, struct str name, uint64_t *count, uint64_t *applied,
                        struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    *applied = m->state.applied;
    const struct memory_stream *s = memory_find_stream(m, name);
    *count = s != NULL && s->name->rec.kind == KIND_VIRTUAL ? s->group_count : 0;
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static bool page_full(const struct page *p, const struct read_range *range, size_t examined) {
    return p->count >= MAX(range->count_max, (size_t)1) ||
           examined >= MAX(range->examined_max, (size_t)1) ||
           (p->count > 0 && p->bytes >= range->bytes_max);
}

static bool passes(const struct read_range *range, const struct event_record *r, struct str name) {
    const struct selector *s = range->selector;
    return s == NULL || (selector_event_passes(s, r) &&
                         (range_ignores_name(range, r->stream) || selector_name_passes(s, name)));
}

int memory_read_events(struct backend_conn *c, const struct read_range *range, struct page *out,
                       struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    assert(range->start <= range->end);
    pthread_mutex_lock(&m->mutex);
    struct memory_stream *s = range->stream != 0 ? memory_stream_at(m, range->stream) : NULL;
    uint64_t limit = m->state.next_sequence;
    if (range->stream != 0) limit = s != NULL ? memory_next_version(s) : 0;
    out->applied = m->state.applied;
    out->done = true;
    out->next = range->end >= limit ? limit : range->end + 1;
    out->next = range->reverse ? range->start - (range->start > 0) : MAX(out->next, range->start);
    uint64_t end = MIN(range->end, limit - 1); /* unused when there is none */
    uint64_t count = limit > range->start ? end - range->start + 1 : 0;
    size_t examined = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t position = range->reverse ? end - i : range->start + i;
        const struct event_record *r =
            range->stream != 0 ? memory_event(m, s, position) : m->events[position];
        if (r == NULL) continue;
        if (page_full(out, range, examined++)) {
            out->done = false;
            out->next = position;
            break;
        }
        const struct stream_name *name = m->streams[r->stream]->name;
        out->passed = r->sequence;
        out->passed_recorded = r->recorded;
        if (!passes(range, r, stream_name_str(name))) continue;
        if (range->counts)
            out->counted++;
        else
            add_copy(out, r, name);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

int memory_read_id(struct backend_conn *c, const struct uuid *id, struct event **out,
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
    bool there = sequence < m->state.next_sequence && m->events[sequence] != NULL;
    if (there && uuid_eq(&m->events[sequence]->event_id, id)) {
        const struct event_record *r = m->events[sequence];
        struct stream_name *name = copy_name(m->streams[r->stream]->name);
        *out = copy_event(r, name);
        stream_name_unref(name);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

struct id_walk {
    const struct uuid *from;
    struct id_list *out;
};
static void list_id(struct hash_node *n, void *arg) {
    struct id_walk *walk = arg;
    const struct memory_id *known = CONTAINER_OF(n, struct memory_id, node);
    if (memcmp(&known->id, walk->from, sizeof known->id) >= 0) id_list_add(walk->out, &known->id);
}

/* All at once. */
int memory_list_ids(struct backend_conn *c, const struct uuid *from, size_t count_max,
                    struct id_list *out, struct err *err) {
    struct memory_store *m = c->store;
    struct id_walk walk = {from, out};
    UNUSED(count_max);
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    hash_each(&m->ids, list_id, &walk);
    pthread_mutex_unlock(&m->mutex);
    out->done = true;
    return 0;
}

int memory_list_streams(struct backend_conn *c, uint64_t from, struct str pattern,
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
        if (stream_list_full(out, count_max) || examined >= MAX(examined_max, (size_t)1)) {
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
        stream_list_add(out, copy_name(n), m->streams[i]->state.expires);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

static uint64_t events_of(const struct memory_store *m, const struct memory_stream *s) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < memory_next_version(s); i++) n += memory_event(m, s, i) != NULL;
    return n;
}

int memory_count_streams(struct backend_conn *c, uint64_t from, const struct selector *selector,
                         size_t examined_max, struct page *out, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    out->applied = m->state.applied;
    out->next = from;
    for (; out->next < m->stream_end && examined_max > 0; out->next++, examined_max--) {
        const struct memory_stream *s = m->streams[out->next];
        bool passes = s != NULL && (selector == NULL ||
                                    selector_name_passes(selector, stream_name_str(s->name)));
        if (passes) out->counted += events_of(m, s);
    }
    out->done = out->next >= m->stream_end;
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

int memory_list_reserved(struct backend_conn *c, size_t count_max, struct stream_list *out,
                         struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    out->done = true;
    for (size_t i = 1; i < m->stream_end; i++) {
        const struct stream_name *n = m->streams[i] != NULL ? m->streams[i]->name : NULL;
        if (n == NULL || n->rec.name[0] != '@' || n->rec.kind == KIND_VIRTUAL) continue;
        out->done = !stream_list_full(out, count_max);
        if (!out->done) break;
        stream_list_add(out, copy_name(n), m->streams[i]->state.expires);
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

int memory_find_entry(struct backend_conn *c, uint64_t stream, uint64_t from, struct entry_id at,
                      uint64_t *version, uint64_t *applied, struct err *err) {
    struct memory_store *m = c->store;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    *applied = m->state.applied;
    *version = UINT64_MAX;
    const struct memory_stream *s = memory_stream_at(m, stream);
    for (uint64_t v = from; s != NULL && v < s->count && *version == UINT64_MAX; v++) {
        const struct event_record *e = memory_event(m, s, v);
        if (e != NULL && entry_id_cmp((struct entry_id){e->entry_ms, e->entry_seq}, at) >= 0)
            *version = v;
    }
    pthread_mutex_unlock(&m->mutex);
    return 0;
}

struct expiring {
    uint64_t expires;
    const struct stream_name *name;
};

static int expiring_cmp(const void *a, const void *b) {
    const struct expiring *x = a, *y = b;
    if (x->expires != y->expires) return x->expires < y->expires ? -1 : 1;
    return x->name->rec.number < y->name->rec.number ? -1 : 1;
}

int memory_list_expiring(struct backend_conn *c, uint64_t until, size_t count_max,
                         struct stream_list *out, struct err *err) {
    struct memory_store *m = c->store;
    struct expiring *found = NULL;
    size_t count = 0, cap = 0;
    uint64_t next = 0;
    UNUSED(err);
    pthread_mutex_lock(&m->mutex);
    out->applied = m->state.applied;
    for (size_t i = 1; i < m->stream_end; i++) {
        const struct memory_stream *s = m->streams[i];
        if (s == NULL || s->state.expires == 0) continue;
        if (s->state.expires > until) {
            next = next == 0 ? s->state.expires : MIN(next, s->state.expires);
            continue;
        }
        found = memory_grow(found, &cap, count + 1, sizeof *found);
        found[count++] = (struct expiring){s->state.expires, s->name};
    }
    if (count > 1) qsort(found, count, sizeof *found, expiring_cmp);
    size_t n = MIN(count, MAX(count_max, (size_t)1));
    for (size_t i = 0; i < n; i++) stream_list_add(out, copy_name(found[i].name), found[i].expires);
    out->done = n == count;
    if (out->done) out->next = next;
    pthread_mutex_unlock(&m->mutex);
    free(found);
    return 0;
}
