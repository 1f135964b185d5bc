/* After a void the model is empty, and the backend may be behind what is durable. What lies between
 * (durable frames, not applied) is laid over each stream when it is loaded. The frames stay with
 * the store until they are applied; an index by stream says which records are whose. A load's own
 * snapshot says which of them it has already; those beyond it are there as long as the load is
 * outstanding (store_floor). */
#include "stream/internal.h"

#include "base/alloc.h"
#include "stream/group/cgroup.h"

struct replay_item {
    uint64_t frame;
    const struct record *record; /* there as long as the frame is beyond the floor */
};

/* What concerns one name: the stream that bears it in the end, if that is new or renamed. */
struct replay_name {
    struct hash_node node;
    uint64_t frame;  /* that said so last */
    uint64_t number; /* 0: nobody bears it */
    const struct stream_record *record;
    size_t len;
    char name[];
};

struct replay_stream {
    struct hash_node node;
    uint64_t number;
    const struct stream_record *created; /* NULL: before */
    uint64_t created_frame;
    struct replay_item *items; /* ascending */
    size_t count, cap;
    struct replay_stream *of_group; /* a group's number leads to its stream */
};

struct replay {
    struct hash_table names, streams, groups;
    uint64_t last_frame;
    uint64_t flush_frame; /* what the backend has from before it does not count; 0: none */
};

static struct replay_stream *find_number(const struct hash_table *t, uint64_t number) {
    uint64_t hash = hash_u64(number);
    for (struct hash_node *n = hash_first(t, hash); n != NULL; n = hash_next(t, n)) {
        struct replay_stream *s = CONTAINER_OF(n, struct replay_stream, node);
        if (s->number == number) return s;
    }
    return NULL;
}

static struct replay_stream *get_number(struct hash_table *t, uint64_t number) {
    struct replay_stream *s = find_number(t, number);
    if (s != NULL) return s;
    s = xcalloc(1, sizeof *s);
    s->number = number;
    hash_insert(t, &s->node, hash_u64(number));
    return s;
}

static struct replay_name *find_name(const struct replay *p, struct str name) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(&p->names, hash); n != NULL;
         n = hash_next(&p->names, n)) {
        struct replay_name *found = CONTAINER_OF(n, struct replay_name, node);
        if (str_eq(str_of(found->name, found->len), name)) return found;
    }
    return NULL;
}

static void set_name(struct replay *p, struct str name, uint64_t frame, uint64_t number,
                     const struct stream_record *record) {
    struct replay_name *n = find_name(p, name);
    if (n == NULL) {
        n = xcalloc(1, sizeof *n + name.len);
        n->len = name.len;
        memcpy(n->name, name.ptr, name.len);
        hash_insert(&p->names, &n->node, hash_bytes(name.ptr, name.len));
    }
    n->frame = frame;
    n->number = number;
    n->record = record;
}

static void add_item(struct replay_stream *s, uint64_t frame, const struct record *r) {
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->items = xrealloc(s->items, s->cap * sizeof *s->items);
    }
    s->items[s->count++] = (struct replay_item){frame, r};
}

static void free_name(struct hash_node *n, void *arg) {
    hash_remove(arg, n);
    free(CONTAINER_OF(n, struct replay_name, node));
}

static void free_number(struct hash_node *n, void *arg) {
    hash_remove(arg, n);
    struct replay_stream *s = CONTAINER_OF(n, struct replay_stream, node);
    free(s->items);
    free(s);
}

static void empty(struct replay *p) {
    hash_each(&p->names, free_name, &p->names);
    hash_each(&p->streams, free_number, &p->streams);
    hash_each(&p->groups, free_number, &p->groups);
}

static struct stream_name *stream_name_of_record(const struct stream_record *r) {
    struct stream_name *name =
        stream_name_create(r->number, r->created, str_of(r->name, r->name_len));
    name->rec.kind = r->kind;
    return name;
}

/* What a durable frame removed stays hidden from readers of the log; what it renamed has its name.
 */
static void hide_again(struct model *m, uint64_t frame, const struct record *r) {
    const struct stream_state_record *state = r->body;
    const struct remove_record *removed = r->body;
    const struct number_record *gone = r->body;
    if (r->kind == RECORD_STREAM_STATE && state->first_version > 0)
        model_hide(m, state->stream, state->first_version, false, frame);
    if (r->kind == RECORD_DELETE) model_hide(m, gone->number, UINT64_MAX, false, frame);
    if (r->kind == RECORD_RENAME) {
        struct stream_name *name = stream_name_of_record(r->body);
        model_note_renamed(m, name, frame);
        stream_name_unref(name);
    }
    if (r->kind != RECORD_REMOVE) return;
    for (size_t i = 0; i < (r->len - sizeof *removed) / sizeof removed->events[0]; i++) {
        uint64_t q = removed->events[i].sequence;
        if (q >= m->log.first && q < m->next_sequence) model_event(m, q)->removed = 1;
    }
    model_hide(m, removed->stream, 0, true, frame);
}

static void index_record(struct replay *p, uint64_t frame, const struct record *r) {
    uint64_t first = r->len >= sizeof first ? *(const uint64_t *)r->body : 0;
    const struct stream_record *named = r->body;
    struct replay_stream *s;
    switch ((enum record_kind)r->kind) {
    case RECORD_FLUSH:
        empty(p);
        p->flush_frame = frame;
        return;
    case RECORD_TIMELINE: /* the model has kept them */
        return;
    case RECORD_STREAM:
    case RECORD_RENAME:
        s = get_number(&p->streams, named->number);
        if (r->kind == RECORD_STREAM) {
            s->created = named;
            s->created_frame = frame;
        }
        set_name(p, str_of(named->name, named->name_len), frame, named->number, named);
        add_item(s, frame, r);
        return;
    case RECORD_EVENT:
        add_item(get_number(&p->streams, ((const struct event_record *)r->body)->stream), frame, r);
        return;
    case RECORD_GROUP: {
        const struct group_record *g = r->body;
        s = get_number(&p->streams, g->stream);
        get_number(&p->groups, g->number)->of_group = s;
        add_item(s, frame, r);
        return;
    }
    case RECORD_STREAM_STATE:
    case RECORD_REMOVE:
    case RECORD_DELETE:
    case RECORD_VALUE:
    case RECORD_ERASE:
    case RECORD_IDEMPOTENT:
    case RECORD_IDEMPOTENT_CLEAR:
        add_item(get_number(&p->streams, first), frame, r);
        return;
    case RECORD_GROUP_POSITION:
    case RECORD_GROUP_DROP:
    case RECORD_CONSUMER:
    case RECORD_CONSUMER_DROP:
    case RECORD_PENDING:
    case RECORD_ACK:
        /* Of a group made earlier: the stream is not known, any that has it will find it. */
        s = get_number(&p->groups, first);
        add_item(s->of_group != NULL ? s->of_group : s, frame, r);
        return;
    case RECORD_NAMED: /* stays in memory */
        return;
    }
}

void replay_build(struct model *m) {
    uint64_t durable = store_durable(m->store);
    replay_drop(m);
    if (durable <= store_floor(m->store)) return;
    struct replay *p = m->replay = xcalloc(1, sizeof *p);
    hash_init(&p->names);
    hash_init(&p->streams);
    hash_init(&p->groups);
    p->last_frame = durable;
    /* Also what is applied already: a load that is under way may not have seen that. */
    LIST_FOR_EACH (it, store_batches(m->store)) {
        const struct batch *b = LIST_ENTRY(it, struct batch, node);
        uint32_t i = 0;
        for (uint32_t k = 0; k < b->frame_count && b->first_frame + k <= durable; k++) {
            for (; i < b->frame_end[k]; i++) {
                index_record(p, b->first_frame + k, &b->records[i]);
                hide_again(m, b->first_frame + k, &b->records[i]);
            }
        }
    }
}

void replay_forget(struct model *m) {
    if (m->replay != NULL && m->replay->last_frame <= store_floor(m->store)) replay_drop(m);
}

void replay_drop(struct model *m) {
    struct replay *p = m->replay;
    if (p == NULL) return;
    empty(p);
    hash_clear(&p->names);
    hash_clear(&p->streams);
    hash_clear(&p->groups);
    free(p);
    m->replay = NULL;
}

bool replay_removes(const struct replay *p, const struct event *e, uint64_t snapshot) {
    const struct replay_stream *s = find_number(&p->streams, e->rec.stream);
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        const struct record *r = s->items[i].record;
        const struct remove_record *b = r->body;
        if (s->items[i].frame <= snapshot || r->kind != RECORD_REMOVE) continue;
        for (size_t k = 0; k < (r->len - sizeof *b) / sizeof b->events[0]; k++)
            if (b->events[k].sequence == e->rec.sequence) return true;
    }
    return false;
}

/* ---- laying over ---- */

static bool deleted_after(const struct replay_stream *s, uint64_t applied) {
    for (size_t i = 0; s != NULL && i < s->count; i++)
        if (s->items[i].frame > applied && s->items[i].record->kind == RECORD_DELETE) return true;
    return false;
}

/* Whether the stream that the backend has under this name has been renamed since. */
static bool renamed_after(const struct replay_stream *s, struct str name, uint64_t applied) {
    const struct stream_record *last = NULL;
    for (size_t i = 0; s != NULL && i < s->count; i++)
        if (s->items[i].frame > applied && s->items[i].record->kind == RECORD_RENAME)
            last = s->items[i].record->body;
    return last != NULL && !str_eq(str_of(last->name, last->name_len), name);
}

bool replay_head(struct model *m, struct str name, struct stream_head *h, uint64_t applied,
                 uint64_t *number) {
    const struct replay *p = m->replay;
    if (applied < p->flush_frame) {
        stream_head_clear(h);
        *h = (struct stream_head){0};
    }
    if (h->exists) {
        const struct replay_stream *s = find_number(&p->streams, h->number);
        if (deleted_after(s, applied) || renamed_after(s, name, applied)) {
            stream_head_clear(h);
            *h = (struct stream_head){0};
        }
    }
    const struct replay_name *n = find_name(p, name);
    if (n == NULL || n->frame <= applied || h->exists) return true;
    const struct replay_stream *s = find_number(&p->streams, n->number);
    if (deleted_after(s, applied) || renamed_after(s, name, applied)) return true;
    /* Renamed: the backend has it under its old name. */
    *number = n->number;
    if (s->created == NULL || s->created_frame <= applied) return false;
    /* Created beyond the snapshot: everything of it follows. */
    h->exists = true;
    h->number = n->number;
    h->created = s->created->created;
    h->kind = s->created->kind;
    return true;
}

bool model_replayed_name(const struct model *m, uint64_t number, struct str name, uint64_t applied,
                         uint64_t *expires) {
    const struct replay_stream *s =
        m->replay != NULL ? find_number(&m->replay->streams, number) : NULL;
    if (s == NULL) return true;
    if (deleted_after(s, applied) || renamed_after(s, name, applied)) return false;
    for (size_t i = s->count; i-- > 0 && s->items[i].frame > applied;) {
        const struct record *r = s->items[i].record;
        if (r->kind != RECORD_STREAM_STATE) continue;
        *expires = ((const struct stream_state_record *)r->body)->expires;
        break;
    }
    return true;
}

static void replay_state(struct model *m, struct stream *s, const struct stream_state_record *r) {
    struct stream_extra *x = stream_extra(m, s);
    x->first_version = r->first_version;
    holes_cut(&x->holes, r->first_version);
    x->deleted = r->deleted;
    x->added_beyond = r->entries_added - r->next_version;
    x->expires = r->expires;
    x->idempotent_seconds = r->idempotent_seconds;
    x->idempotent_max = r->idempotent_max;
    s->entry_ms = r->last.ms;
    s->entry_seq = r->last.seq;
    while (s->tail_count > 0 && stream_tail_first(s) < x->first_version) stream_drop_front(m, s);
    expiring_update(m, s);
}

static void replay_record(struct model *m, struct stream *s, const struct replay_item *item) {
    const struct record *r = item->record;
    s->last_frame = s->changed_frame = item->frame;
    switch ((enum record_kind)r->kind) {
    case RECORD_EVENT: {
        const struct event_record *e = r->body;
        stream_push(m, s, event_ref(model_event(m, e->sequence)));
        return;
    }
    case RECORD_STREAM_STATE:
        replay_state(m, s, r->body);
        return;
    case RECORD_REMOVE: {
        const struct remove_record *b = r->body;
        struct stream_extra *x = stream_extra(m, s);
        for (size_t i = 0; i < (r->len - sizeof *b) / sizeof b->events[0]; i++)
            if (stream_has_version(s, b->events[i].version))
                holes_add(&x->holes, b->events[i].version);
        return;
    }
    case RECORD_VALUE: {
        struct stream_extra *x = stream_extra(m, s);
        free(x->value);
        x->value_len = r->len - sizeof(struct value_record);
        x->value = x->value_len > 0
                       ? xmemdup(((const struct value_record *)r->body)->bytes, x->value_len)
                       : NULL;
        return;
    }
    case RECORD_IDEMPOTENT:
        stream_extra(m, s);
        idempotent_install(s, r->body);
        return;
    case RECORD_IDEMPOTENT_CLEAR:
        if (s->extra != NULL) {
            idempotent_free(s->extra->idempotent);
            s->extra->idempotent = NULL;
        }
        return;
    case RECORD_GROUP:
    case RECORD_GROUP_POSITION:
    case RECORD_GROUP_DROP:
    case RECORD_CONSUMER:
    case RECORD_CONSUMER_DROP:
    case RECORD_PENDING:
    case RECORD_ACK:
        cgroups_replay(m, s, r);
        return;
    case RECORD_STREAM:
    case RECORD_FLUSH:
    case RECORD_TIMELINE:
    case RECORD_DELETE:
    case RECORD_RENAME:
    case RECORD_ERASE: /* the log tail has the erased event */
    case RECORD_NAMED:
        return;
    }
}

/* In the order in which they were decided: by frame, and in it as the records stand. */
static int by_frame(const void *a, const void *b) {
    const struct replay_item *x = a, *y = b;
    if (x->frame != y->frame) return x->frame < y->frame ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

static void gather(struct replay_stream *all, const struct replay_stream *from, uint64_t applied) {
    for (size_t i = 0; from != NULL && i < from->count; i++)
        if (from->items[i].frame > applied)
            add_item(all, from->items[i].frame, from->items[i].record);
}

void replay_contents(struct model *m, struct stream *s, uint64_t applied) {
    const struct replay *p = m->replay;
    struct replay_stream all = {0};
    gather(&all, find_number(&p->streams, s->name->rec.number), applied);
    /* Records of groups that were there before do not say whose they are. */
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++)
        gather(&all, find_number(&p->groups, s->extra->groups[i]->number), applied);
    if (all.count > 1) qsort(all.items, all.count, sizeof *all.items, by_frame);
    for (size_t i = 0; i < all.count; i++) replay_record(m, s, &all.items[i]);
    free(all.items);
    if (s->extra != NULL) model_account(m, s);
}
