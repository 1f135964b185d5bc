/* Producers and what they have added lately. A producer's ids stand in the order in which they came
 * (a ring of the newest `max`) and in one hash of the stream, by producer and id. Memory is at most
 * producers x max; what is too old is forgotten when its producer is looked at. */
#include "stream/ids/idempotent.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/internal.h"

struct producer;

struct sent {
    struct hash_node node; /* idempotent.sent */
    struct list order;     /* producer.sent, oldest first */
    struct producer *producer;
    struct entry_id entry;
    uint64_t added;
    uint16_t len;
    char id[];
};

struct producer {
    struct hash_node node; /* idempotent.producers */
    struct list sent;
    uint32_t count;
    uint16_t len;
    char name[];
};

struct idempotent {
    struct hash_table producers, sent;
    uint64_t added, duplicates;
    size_t bytes;
};

static struct producer *find_producer(const struct idempotent *i, struct str name) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(&i->producers, hash); n != NULL;
         n = hash_next(&i->producers, n)) {
        struct producer *p = CONTAINER_OF(n, struct producer, node);
        if (str_eq(str_of(p->name, p->len), name)) return p;
    }
    return NULL;
}

static uint64_t sent_hash(const struct producer *p, struct str id) {
    return p->node.hash ^ (hash_bytes(id.ptr, id.len) * UINT64_C(0x9e3779b97f4a7c15));
}

static struct sent *find_sent(const struct idempotent *i, const struct producer *p, struct str id) {
    uint64_t hash = sent_hash(p, id);
    for (struct hash_node *n = hash_first(&i->sent, hash); n != NULL; n = hash_next(&i->sent, n)) {
        struct sent *sent = CONTAINER_OF(n, struct sent, node);
        if (sent->producer == p && str_eq(str_of(sent->id, sent->len), id)) return sent;
    }
    return NULL;
}

static void forget_sent(struct idempotent *i, struct sent *sent) {
    struct producer *p = sent->producer;
    hash_remove(&i->sent, &sent->node);
    list_remove(&sent->order);
    i->bytes -= sizeof *sent + sent->len;
    free(sent);
    if (--p->count > 0) return;
    hash_remove(&i->producers, &p->node);
    i->bytes -= sizeof *p + p->len;
    free(p);
}

static struct sent *oldest(const struct producer *p) {
    return LIST_ENTRY(p->sent.next, struct sent, order);
}

static struct sent *add_sent(struct idempotent *i, struct str producer, struct str id,
                             struct entry_id entry, uint64_t added) {
    struct producer *p = find_producer(i, producer);
    if (p == NULL) {
        p = xcalloc(1, sizeof *p + producer.len);
        list_init(&p->sent);
        p->len = (uint16_t)producer.len;
        memcpy(p->name, producer.ptr, producer.len);
        hash_insert(&i->producers, &p->node, hash_bytes(producer.ptr, producer.len));
        i->bytes += sizeof *p + p->len;
    }
    struct sent *sent = xcalloc(1, sizeof *sent + id.len);
    sent->producer = p;
    sent->entry = entry;
    sent->added = added;
    sent->len = (uint16_t)id.len;
    memcpy(sent->id, id.ptr, id.len);
    hash_insert(&i->sent, &sent->node, sent_hash(p, id));
    list_append(&p->sent, &sent->order);
    p->count++;
    i->bytes += sizeof *sent + sent->len;
    return sent;
}

static struct idempotent *idempotent_new(void) {
    struct idempotent *i = xcalloc(1, sizeof *i);
    i->bytes = sizeof *i;
    hash_init(&i->producers);
    hash_init(&i->sent);
    return i;
}

static struct idempotent *idempotent_of(struct stream *s) {
    if (s->extra->idempotent == NULL) s->extra->idempotent = idempotent_new();
    return s->extra->idempotent;
}

static void free_sent(struct hash_node *n, void *arg) {
    forget_sent(arg, CONTAINER_OF(n, struct sent, node));
}

void idempotent_free(struct idempotent *i) {
    if (i == NULL) return;
    hash_each(&i->sent, free_sent, i);
    hash_clear(&i->sent);
    hash_clear(&i->producers);
    free(i);
}

size_t idempotent_bytes(const struct idempotent *i) {
    return i == NULL ? 0 : i->bytes + hash_bytes_used(&i->sent) + hash_bytes_used(&i->producers);
}

void idempotent_install(struct stream *s, const struct idempotent_record *r) {
    struct idempotent *i = idempotent_of(s);
    struct str producer = str_of(r->bytes, r->producer_len);
    struct str id = str_of(r->bytes + r->producer_len, r->id_len);
    struct producer *p = find_producer(i, producer);
    struct sent *sent = p != NULL ? find_sent(i, p, id) : NULL;
    if (sent != NULL) forget_sent(i, sent);
    add_sent(i, producer, id, r->id, r->added);
}

static bool is_old(const struct model *m, const struct sent *sent, uint32_t seconds) {
    return model_since(m, sent->added) >= seconds * UINT64_C(1000);
}

/* Forgets what is too old or too much. Not while a transaction may be taken back: what it adds is
 * noted, what it would forget is needed again then. */
static struct producer *tidy(const struct model *m, struct idempotent *i, struct str producer,
                             uint32_t seconds, uint32_t max) {
    struct producer *p;
    while ((p = find_producer(i, producer)) != NULL && !m->in_transaction &&
           (p->count > max || is_old(m, oldest(p), seconds)))
        forget_sent(i, oldest(p));
    return p;
}

/* Whether it is among those that would stay. */
static bool is_remembered(const struct model *m, const struct sent *sent, uint32_t seconds,
                          uint32_t max) {
    const struct producer *p = sent->producer;
    const struct list *it = p->sent.next;
    if (is_old(m, sent, seconds)) return false;
    for (uint32_t too_many = p->count > max ? p->count - max : 0; too_many > 0; too_many--) {
        if (it == &sent->order) return false;
        it = it->next;
    }
    return true;
}

bool model_idempotent_find(struct model *m, struct stream *s, struct str producer, struct str id,
                           uint32_t seconds, uint32_t max, struct entry_id *out) {
    if (s->extra == NULL || s->extra->idempotent == NULL) return false;
    struct idempotent *i = s->extra->idempotent;
    struct producer *p = tidy(m, i, producer, seconds, max);
    model_account(m, s);
    uint64_t hash = p != NULL ? sent_hash(p, id) : 0;
    struct hash_node *n = p != NULL ? hash_first(&i->sent, hash) : NULL;
    for (; n != NULL; n = hash_next(&i->sent, n)) {
        struct sent *sent = CONTAINER_OF(n, struct sent, node);
        if (sent->producer != p || !str_eq(str_of(sent->id, sent->len), id) ||
            !is_remembered(m, sent, seconds, max))
            continue;
        i->duplicates++;
        *out = sent->entry;
        return true;
    }
    return false;
}

struct note_sent {
    struct undo undo;
    struct stream *stream;
    struct sent *sent;
};

static void sent_back(struct model *m, struct undo *u) {
    struct note_sent *note = CONTAINER_OF(u, struct note_sent, undo);
    struct idempotent *i = note->stream->extra->idempotent;
    i->added--;
    forget_sent(i, note->sent);
    model_account(m, note->stream);
}

void model_idempotent_add(struct model *m, struct stream *s, struct str producer, struct str id,
                          uint32_t max, struct entry_id entry) {
    stream_extra(m, s);
    struct idempotent *i = idempotent_of(s);
    struct producer *p = find_producer(i, producer);
    /* Those that are too many stay while a transaction may be taken back: the next one tidies. */
    while (!m->in_transaction && p != NULL && p->count >= max) {
        bool last = p->count == 1;
        forget_sent(i, oldest(p));
        if (last) p = NULL;
    }
    struct sent *sent = add_sent(i, producer, id, entry, m->wall);
    i->added++;
    struct note_sent *note = model_note(m, sizeof *note, sent_back);
    if (note != NULL) {
        note->stream = s;
        note->sent = sent;
    }
    struct idempotent_record *r =
        model_record(m, RECORD_IDEMPOTENT, sizeof *r + producer.len + id.len);
    r->stream = s->name->rec.number;
    r->id = entry;
    r->added = m->wall;
    r->producer_len = (uint16_t)producer.len;
    r->id_len = (uint16_t)id.len;
    memcpy(r->bytes, producer.ptr, producer.len);
    memcpy(r->bytes + producer.len, id.ptr, id.len);
    model_account(m, s);
}

struct note_forgotten {
    struct undo undo;
    struct stream *stream;
    struct idempotent *all;
};

static void remember(struct model *m, struct undo *u) {
    struct note_forgotten *note = CONTAINER_OF(u, struct note_forgotten, undo);
    idempotent_free(note->stream->extra->idempotent);
    note->stream->extra->idempotent = note->all;
    model_account(m, note->stream);
}

static void forget_all(struct model *m, struct undo *u) {
    UNUSED(m);
    idempotent_free(CONTAINER_OF(u, struct note_forgotten, undo)->all);
}

/* Counting goes on. */
static struct idempotent *idempotent_empty(const struct idempotent *old) {
    if (old == NULL) return NULL;
    struct idempotent *i = idempotent_new();
    i->added = old->added;
    i->duplicates = old->duplicates;
    return i;
}

void model_set_idempotent(struct model *m, struct stream *s, uint32_t seconds, uint32_t max,
                          bool forget) {
    struct stream_extra *x = stream_extra(m, s);
    if (x->idempotent_seconds == seconds && x->idempotent_max == max && !forget) return;
    stream_note_extra(m, s);
    x->idempotent_seconds = seconds;
    x->idempotent_max = max;
    stream_touch(m, s, true);
    stream_record_state(m, s);
    if (!forget) return;
    struct idempotent *old = x->idempotent;
    x->idempotent = idempotent_empty(old);
    struct note_forgotten *note = model_note(m, sizeof *note, remember);
    if (note != NULL) {
        note->undo.keep = forget_all;
        note->stream = s;
        note->all = old;
    } else {
        idempotent_free(old);
    }
    struct number_record *r = model_record(m, RECORD_IDEMPOTENT_CLEAR, sizeof *r);
    r->number = s->name->rec.number;
    model_account(m, s);
}

void model_idempotent_stats(const struct stream *s, struct idempotent_stats *out) {
    *out = (struct idempotent_stats){0};
    if (s->extra == NULL || s->extra->idempotent == NULL) return;
    const struct idempotent *i = s->extra->idempotent;
    *out = (struct idempotent_stats){i->producers.count, i->sent.count, i->added, i->duplicates};
}
