/* Consumer groups; see cgroup.h. Everything that changes goes through here: memory, record and the
 * note for undoing belong together. */
#include "stream/group/cgroup.h"

#include "base/alloc.h"
#include "stream/internal.h"

/* ---- sorted by name ---- */

/* Index of the name, or where it would stand: *found tells. */
static size_t group_place(const struct stream_extra *x, struct str name, bool *found) {
    size_t low = 0, high = x->group_count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = str_cmp(x->groups[mid]->name, name);
        if (cmp == 0) *found = true;
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t consumer_place(const struct cgroup *g, struct str name, bool *found) {
    size_t low = 0, high = g->consumer_count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = str_cmp(g->consumers[mid]->name, name);
        if (cmp == 0) *found = true;
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct cgroup *cgroup_find(const struct stream *s, struct str name) {
    bool found;
    if (s->state != STREAM_LIVE || s->extra == NULL) return NULL;
    size_t at = group_place(s->extra, name, &found);
    return found ? s->extra->groups[at] : NULL;
}

struct consumer *cgroup_consumer(const struct cgroup *g, struct str name) {
    bool found;
    size_t at = consumer_place(g, name, &found);
    return found ? g->consumers[at] : NULL;
}

static void insert_group(struct stream_extra *x, struct cgroup *g) {
    bool found;
    size_t at = group_place(x, g->name, &found);
    if (x->group_count == x->group_cap) {
        x->group_cap = x->group_cap == 0 ? 4 : x->group_cap * 2;
        x->groups = xrealloc(x->groups, x->group_cap * sizeof(struct cgroup *));
    }
    memmove(x->groups + at + 1, x->groups + at, (x->group_count - at) * sizeof(struct cgroup *));
    x->groups[at] = g;
    x->group_count++;
}

static void take_group(struct stream_extra *x, const struct cgroup *g) {
    bool found;
    size_t at = group_place(x, g->name, &found);
    assert(found && x->groups[at] == g);
    x->group_count--;
    memmove(x->groups + at, x->groups + at + 1, (x->group_count - at) * sizeof(struct cgroup *));
}

static void insert_consumer(struct cgroup *g, struct consumer *c) {
    bool found;
    size_t at = consumer_place(g, c->name, &found);
    if (g->consumer_count == g->consumer_cap) {
        g->consumer_cap = g->consumer_cap == 0 ? 4 : g->consumer_cap * 2;
        g->consumers = xrealloc(g->consumers, g->consumer_cap * sizeof(struct consumer *));
    }
    memmove(g->consumers + at + 1, g->consumers + at,
            (g->consumer_count - at) * sizeof(struct consumer *));
    g->consumers[at] = c;
    g->consumer_count++;
    if (c->number > g->number_cap) {
        uint32_t cap = MAX(c->number, g->number_cap * 2);
        g->by_number = xrealloc(g->by_number, cap * sizeof(struct consumer *));
        memset(g->by_number + g->number_cap, 0, (cap - g->number_cap) * sizeof(struct consumer *));
        g->number_cap = cap;
    }
    g->by_number[c->number - 1] = c;
    g->next_number = MAX(g->next_number, c->number + 1);
}

static void take_consumer(struct cgroup *g, const struct consumer *c) {
    bool found;
    size_t at = consumer_place(g, c->name, &found);
    assert(found && g->consumers[at] == c);
    g->consumer_count--;
    memmove(g->consumers + at, g->consumers + at + 1,
            (g->consumer_count - at) * sizeof(struct consumer *));
    g->by_number[c->number - 1] = NULL;
}

/* ---- memory ---- */

static struct cgroup *group_new(struct stream *s, struct str name) {
    struct cgroup *g = xcalloc(1, sizeof *g + name.len);
    g->stream = s;
    g->name = str_of((char *)(g + 1), name.len);
    if (name.len > 0) memcpy(g + 1, name.ptr, name.len);
    g->cursor = CURSOR_UNKNOWN;
    g->next_number = 1;
    pending_init(&g->pending);
    return g;
}

static void group_free(struct cgroup *g) {
    for (uint32_t i = 0; i < g->consumer_count; i++) xfree(g->consumers[i]);
    pending_clear(&g->pending);
    xfree(g->consumers);
    xfree(g->by_number);
    xfree(g);
}

static struct consumer *consumer_new(struct str name, uint32_t number) {
    struct consumer *c = xcalloc(1, sizeof *c + name.len);
    c->number = number;
    c->name = str_of((char *)(c + 1), name.len);
    if (name.len > 0) memcpy(c + 1, name.ptr, name.len);
    c->active = CONSUMER_NEVER_ACTIVE;
    return c;
}

void cgroups_free(struct stream_extra *x) {
    for (uint32_t i = 0; i < x->group_count; i++) group_free(x->groups[i]);
    xfree(x->groups);
    x->groups = NULL;
    x->group_count = x->group_cap = 0;
}

size_t cgroups_bytes(const struct stream_extra *x) {
    size_t bytes = x->group_cap * sizeof(struct cgroup *);
    for (uint32_t i = 0; i < x->group_count; i++) {
        const struct cgroup *g = x->groups[i];
        bytes += sizeof *g + g->name.len + pending_bytes(&g->pending) +
                 g->consumer_count * (sizeof(struct consumer) + 32) +
                 (g->consumer_cap + g->number_cap) * sizeof(struct consumer *);
    }
    return bytes;
}

void cgroups_moved(struct stream *s) {
    for (uint32_t i = 0; i < s->extra->group_count; i++) s->extra->groups[i]->stream = s;
}

/* ---- groups ---- */

struct note_group {
    struct undo undo;
    struct cgroup *group;
    struct entry_id last;
    int64_t entries_read;
    uint64_t cursor, last_frame, stream_frames[2];
};

static struct note_group *note_group(struct model *m, struct cgroup *g,
                                     void (*back)(struct model *m, struct undo *u)) {
    struct note_group *note = model_note(m, sizeof *note, back);
    if (note == NULL) return NULL;
    note->group = g;
    note->last = g->last;
    note->entries_read = g->entries_read;
    note->cursor = g->cursor;
    note->last_frame = g->last_frame;
    note->stream_frames[0] = g->stream->last_frame;
    note->stream_frames[1] = g->stream->changed_frame;
    return note;
}

static void group_frames_back(const struct note_group *note) {
    note->group->stream->last_frame = note->stream_frames[0];
    note->group->stream->changed_frame = note->stream_frames[1];
}

static void group_touch(struct model *m, struct cgroup *g, bool content) {
    g->last_frame = m->decided + 1;
    stream_touch(m, g->stream, content);
}

static void unadd_group(struct model *m, struct undo *u) {
    struct note_group *note = CONTAINER_OF(u, struct note_group, undo);
    struct stream *s = note->group->stream;
    group_frames_back(note);
    take_group(s->extra, note->group);
    group_free(note->group);
    m->next_group--;
    model_account(m, s);
}

struct cgroup *cgroup_add(struct model *m, struct stream *s, struct str name, struct entry_id last,
                          int64_t entries_read) {
    struct stream_extra *x = stream_extra(m, s);
    struct cgroup *g = group_new(s, name);
    note_group(m, g, unadd_group);
    g->number = m->next_group++;
    g->created = m->recorded;
    g->last = last;
    g->entries_read = entries_read;
    insert_group(x, g);
    group_touch(m, g, true);
    struct group_record *r = model_record(m, RECORD_GROUP, sizeof *r + name.len);
    r->number = g->number;
    r->stream = s->name->rec.number;
    r->last = last;
    r->entries_read = entries_read;
    r->created = g->created;
    r->name_len = (uint16_t)name.len;
    if (name.len > 0) memcpy(r->name, name.ptr, name.len);
    model_account(m, s);
    return g;
}

static void undrop_group(struct model *m, struct undo *u) {
    struct note_group *note = CONTAINER_OF(u, struct note_group, undo);
    struct stream *s = note->group->stream;
    insert_group(s->extra, note->group);
    group_frames_back(note);
    model_account(m, s);
}

static void group_dropped(struct model *m, struct undo *u) {
    UNUSED(m);
    group_free(CONTAINER_OF(u, struct note_group, undo)->group);
}

void cgroup_drop(struct model *m, struct cgroup *g) {
    struct stream *s = g->stream;
    struct note_group *note = note_group(m, g, undrop_group);
    take_group(s->extra, g);
    group_touch(m, g, true);
    struct number_record *r = model_record(m, RECORD_GROUP_DROP, sizeof *r);
    r->number = g->number;
    if (note != NULL)
        note->undo.keep = group_dropped;
    else
        group_free(g);
    model_account(m, s);
}

static void position_back(struct model *m, struct undo *u) {
    UNUSED(m);
    struct note_group *note = CONTAINER_OF(u, struct note_group, undo);
    struct cgroup *g = note->group;
    g->last = note->last;
    g->entries_read = note->entries_read;
    g->cursor = note->cursor;
    g->last_frame = note->last_frame;
    group_frames_back(note);
}

void cgroup_set_position(struct model *m, struct cgroup *g, struct entry_id last,
                         int64_t entries_read) {
    note_group(m, g, position_back);
    if (entry_id_cmp(last, g->last) != 0) g->cursor = CURSOR_UNKNOWN;
    g->last = last;
    g->entries_read = entries_read;
    group_touch(m, g, false);
    struct position_record *r = model_record(m, RECORD_GROUP_POSITION, sizeof *r);
    *r = (struct position_record){g->number, last, entries_read};
}

/* ---- consumers ---- */

static void record_consumer(struct model *m, const struct cgroup *g, struct consumer *c) {
    struct consumer_record *r = model_record(m, RECORD_CONSUMER, sizeof *r + c->name.len);
    r->group = g->number;
    r->seen = c->seen;
    r->active = c->active;
    r->number = c->number;
    r->name_len = (uint16_t)c->name.len;
    if (c->name.len > 0) memcpy(r->name, c->name.ptr, c->name.len);
    c->times_changed = false;
}

struct note_consumer {
    struct note_group base;
    struct consumer *consumer;
    uint32_t next_number;
};

static void unadd_consumer(struct model *m, struct undo *u) {
    struct note_consumer *note = CONTAINER_OF(u, struct note_consumer, base.undo);
    struct cgroup *g = note->base.group;
    take_consumer(g, note->consumer);
    g->next_number = note->next_number;
    xfree(note->consumer);
    position_back(m, u);
    model_account(m, g->stream);
}

static struct note_consumer *note_consumer(struct model *m, struct cgroup *g, struct consumer *c,
                                           void (*back)(struct model *m, struct undo *u)) {
    struct note_consumer *note = model_note(m, sizeof *note, back);
    if (note == NULL) return NULL;
    note->base.group = g;
    note->base.last = g->last;
    note->base.entries_read = g->entries_read;
    note->base.cursor = g->cursor;
    note->base.last_frame = g->last_frame;
    note->base.stream_frames[0] = g->stream->last_frame;
    note->base.stream_frames[1] = g->stream->changed_frame;
    note->consumer = c;
    note->next_number = g->next_number;
    return note;
}

struct consumer *cgroup_add_consumer(struct model *m, struct cgroup *g, struct str name) {
    struct consumer *c = consumer_new(name, g->next_number);
    note_consumer(m, g, c, unadd_consumer);
    c->seen = m->recorded;
    insert_consumer(g, c);
    group_touch(m, g, false);
    record_consumer(m, g, c);
    model_account(m, g->stream);
    return c;
}

static void undrop_consumer(struct model *m, struct undo *u) {
    struct note_consumer *note = CONTAINER_OF(u, struct note_consumer, base.undo);
    insert_consumer(note->base.group, note->consumer);
    position_back(m, u);
    model_account(m, note->base.group->stream);
}

static void consumer_dropped(struct model *m, struct undo *u) {
    UNUSED(m);
    xfree(CONTAINER_OF(u, struct note_consumer, base.undo)->consumer);
}

struct note_pending {
    struct undo undo;
    struct cgroup *group;
    struct pending_entry saved; /* as it was */
    bool was_there;
    uint64_t last_frame, stream_frame;
};

/* Puts an entry back as it was. Its place among those that were handed back may differ. */
static void pending_back(struct model *m, struct undo *u) {
    struct note_pending *note = CONTAINER_OF(u, struct note_pending, undo);
    struct cgroup *g = note->group;
    struct pending *p = &g->pending;
    const struct pending_entry *old = &note->saved;
    struct pending_entry *e = pending_find(p, old->id);
    if (e != NULL) pending_remove(p, e);
    if (note->was_there)
        pending_add(p, old->id, old->version, old->consumer, old->delivered_ms, old->deliveries);
    g->last_frame = note->last_frame;
    g->stream->last_frame = note->stream_frame;
    model_account(m, g->stream);
}

static void note_pending(struct model *m, struct cgroup *g, struct entry_id id,
                         const struct pending_entry *e) {
    struct note_pending *note = model_note(m, sizeof *note, pending_back);
    if (note == NULL) return;
    note->group = g;
    note->was_there = e != NULL;
    if (e != NULL) note->saved = *e;
    note->saved.id = id;
    note->last_frame = g->last_frame;
    note->stream_frame = g->stream->last_frame;
}

static void drop_pending_of(struct model *m, struct cgroup *g, uint32_t consumer) {
    struct pending_entry *e;
    while ((e = pending_first(&g->pending, consumer)) != NULL) {
        note_pending(m, g, e->id, e);
        pending_remove(&g->pending, e);
    }
}

void cgroup_drop_consumer(struct model *m, struct cgroup *g, struct consumer *c) {
    drop_pending_of(m, g, c->number);
    struct note_consumer *note = note_consumer(m, g, c, undrop_consumer);
    struct consumer_drop_record *r = model_record(m, RECORD_CONSUMER_DROP, sizeof *r);
    *r = (struct consumer_drop_record){.group = g->number, .consumer = c->number};
    take_consumer(g, c);
    group_touch(m, g, false);
    if (note != NULL)
        note->base.undo.keep = consumer_dropped;
    else
        xfree(c);
    model_account(m, g->stream);
}

void consumer_seen(struct model *m, struct consumer *c, bool active) {
    c->seen = m->recorded;
    if (active) c->active = m->recorded;
    c->times_changed = true;
}

bool stream_record_times(struct model *m, struct stream *s) {
    bool any = false;
    for (uint32_t i = 0; i < s->extra->group_count; i++) {
        struct cgroup *g = s->extra->groups[i];
        for (uint32_t k = 0; k < g->consumer_count; k++) {
            if (!g->consumers[k]->times_changed) continue;
            record_consumer(m, g, g->consumers[k]);
            group_touch(m, g, false);
            any = true;
        }
    }
    return any;
}

static void record_times(struct hash_node *n, void *arg) {
    struct stream *s = CONTAINER_OF(n, struct stream, node);
    if (s->state == STREAM_LIVE && s->extra != NULL && stream_record_times(arg, s))
        model_commit(arg);
}

void model_record_times(struct model *m) {
    hash_each(&m->streams, record_times, m);
}

/* ---- pending entries ---- */

static void record_pending(struct model *m, struct cgroup *g, const struct pending_entry *e,
                           bool is_new) {
    struct pending_item *item = model_run_item(m, RECORD_PENDING, g->number);
    bool owned = e->consumer != PENDING_UNOWNED;
    *item = (struct pending_item){.id = e->id,
                                  .delivered = owned ? e->delivered_ms : ++g->handed_back,
                                  .version = e->version,
                                  .consumer = e->consumer,
                                  .deliveries = e->deliveries,
                                  .flags = is_new ? PENDING_IS_NEW : 0};
    group_touch(m, g, false);
}

void cgroup_pend(struct model *m, struct cgroup *g, struct entry_id id, uint64_t version,
                 struct consumer *c, uint64_t delivered, uint32_t deliveries) {
    struct pending *p = &g->pending;
    struct pending_entry *last = pending_last(p, PENDING_ALL);
    bool beyond = last == NULL || entry_id_cmp(id, last->id) > 0;
    struct pending_entry *e = beyond ? NULL : pending_find(p, id);
    bool is_new = e == NULL;
    uint32_t owner = c != NULL ? c->number : PENDING_UNOWNED;
    size_t bytes = pending_bytes(p);
    note_pending(m, g, id, e);
    if (is_new) {
        e = pending_add(p, id, (uint32_t)version, owner, delivered, deliveries);
    } else {
        if (e->consumer != owner || c == NULL) pending_assign(p, e, owner);
        if (c != NULL) pending_deliver(p, e, delivered);
        e->deliveries = deliveries;
    }
    record_pending(m, g, e, is_new);
    size_t more = pending_bytes(p) - bytes; /* modulo 2^64 */
    m->bytes += more;
    g->stream->extra->bytes += more;
}

void cgroup_release(struct model *m, struct cgroup *g, struct pending_entry *e,
                    uint32_t deliveries) {
    cgroup_pend(m, g, e->id, e->version, NULL, 0, deliveries);
}

bool cgroup_ack(struct model *m, struct cgroup *g, struct entry_id id) {
    struct pending *p = &g->pending;
    struct pending_entry *e = pending_find(p, id);
    if (e == NULL) return false;
    size_t bytes = pending_bytes(p);
    note_pending(m, g, id, e);
    pending_remove(p, e);
    *(struct entry_id *)model_run_item(m, RECORD_ACK, g->number) = id;
    group_touch(m, g, false);
    size_t more = pending_bytes(p) - bytes;
    m->bytes += more;
    g->stream->extra->bytes += more;
    return true;
}

/* ---- what is left to read ---- */

uint64_t cgroup_backlog(const struct cgroup *g, uint64_t cursor) {
    const struct stream *s = g->stream;
    uint64_t from = MAX(cursor, s->extra->first_version);
    return s->next_version - from - holes_between(&s->extra->holes, from, s->next_version);
}

bool stream_has_tombstones(const struct stream *s, struct entry_id from) {
    const struct stream_extra *x = s->extra;
    if (x == NULL || stream_length(s) == 0 || (x->deleted.ms == 0 && x->deleted.seq == 0))
        return false;
    return entry_id_cmp(from, x->deleted) <= 0;
}

int64_t cgroup_estimate_read(const struct stream *s, const struct entry_id *first,
                             struct entry_id at) {
    const struct entry_id zero = {0, 0};
    uint64_t added = stream_entries_added(s), length = stream_length(s);
    struct entry_id deleted = s->extra != NULL ? s->extra->deleted : zero;
    int to_last = entry_id_cmp(at, stream_last_id(s));
    if (added == 0) return 0;
    if (length == 0 && to_last <= 0) return (int64_t)added;
    if (entry_id_cmp(at, zero) != 0 && entry_id_cmp(at, deleted) < 0) return -1;
    if (to_last == 0) return (int64_t)added;
    if (to_last > 0 || first == NULL) return -1;
    /* Nothing was deleted from the entries that are there: the first one's place tells. */
    if (entry_id_cmp(deleted, zero) != 0 && entry_id_cmp(deleted, *first) >= 0) return -1;
    int to_first = entry_id_cmp(at, *first);
    if (to_first > 0) return -1;
    return (int64_t)(added - length + (to_first == 0));
}

bool cgroup_lag(const struct cgroup *g, const struct entry_id *first, uint64_t *out) {
    const struct stream *s = g->stream;
    uint64_t added = stream_entries_added(s);
    *out = 0;
    if (added == 0) return true;
    if (g->entries_read >= 0 && !stream_has_tombstones(s, g->last)) {
        *out = added - (uint64_t)g->entries_read;
        return true;
    }
    int64_t read = cgroup_estimate_read(s, first, g->last);
    if (read < 0) return false;
    *out = added - (uint64_t)read;
    return true;
}

/* ---- loading and replaying ---- */

static void install_consumer(struct cgroup *g, const struct consumer_record *r) {
    struct str name = str_of(r->name, r->name_len);
    struct consumer *c = cgroup_consumer(g, name);
    if (c == NULL) {
        c = consumer_new(name, r->number);
        insert_consumer(g, c);
    }
    c->seen = r->seen;
    c->active = r->active;
}

static void install_pending(struct cgroup *g, const struct pending_item *item) {
    struct pending *p = &g->pending;
    struct pending_entry *e = pending_find(p, item->id);
    if (item->consumer == PENDING_UNOWNED) g->handed_back = MAX(g->handed_back, item->delivered);
    if (e == NULL) {
        pending_add(p, item->id, item->version, item->consumer, item->delivered, item->deliveries);
        return;
    }
    if (item->consumer == PENDING_UNOWNED || e->consumer != item->consumer)
        pending_assign(p, e, item->consumer);
    if (item->consumer != PENDING_UNOWNED) pending_deliver(p, e, item->delivered);
    e->deliveries = item->deliveries;
}

static int by_place(const void *a, const void *b) {
    const struct pending_item *x = *(const struct pending_item *const *)a,
                              *y = *(const struct pending_item *const *)b;
    if (x->delivered != y->delivered) return x->delivered < y->delivered ? -1 : 1;
    return entry_id_cmp(x->id, y->id);
}

/* Those without an owner stand in the order in which they were handed back. */
static void install_all_pending(struct cgroup *g, const struct pending_item *items, size_t n) {
    const struct pending_item **nobodys = xmalloc((n + 1) * sizeof(struct pending_item *));
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].consumer == PENDING_UNOWNED)
            nobodys[count++] = &items[i];
        else
            install_pending(g, &items[i]);
    }
    if (count > 1) qsort(nobodys, count, sizeof *nobodys, by_place);
    for (size_t i = 0; i < count; i++) install_pending(g, nobodys[i]);
    xfree(nobodys);
}

static struct cgroup *install_group(struct stream *s, const struct group_record *r) {
    struct cgroup *g = group_new(s, str_of(r->name, r->name_len));
    g->number = r->number;
    g->created = r->created;
    g->last = r->last;
    g->entries_read = r->entries_read;
    insert_group(s->extra, g);
    return g;
}

void cgroups_install(struct stream *s, const struct group_image *images, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct group_image *image = &images[i];
        struct cgroup *g = install_group(s, image->record);
        for (size_t k = 0; k < image->consumer_count; k++) install_consumer(g, image->consumers[k]);
        install_all_pending(g, image->pending, image->pending_count);
    }
}

static struct cgroup *by_number(const struct stream *s, uint64_t number) {
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++)
        if (s->extra->groups[i]->number == number) return s->extra->groups[i];
    return NULL;
}

static void replay_ack(struct cgroup *g, const struct record *r) {
    const struct ack_record *a = r->body;
    for (size_t i = 0; i < (r->len - sizeof *a) / sizeof a->ids[0]; i++) {
        struct pending_entry *e = pending_find(&g->pending, a->ids[i]);
        if (e != NULL) pending_remove(&g->pending, e);
    }
}

bool cgroups_replay(struct model *m, struct stream *s, const struct record *r) {
    if (r->kind == RECORD_GROUP) {
        const struct group_record *new = r->body;
        if (new->stream != s->name->rec.number) return false;
        stream_extra(m, s);
        install_group(s, new);
        return true;
    }
    /* All the others begin with the group's number. */
    struct cgroup *g = by_number(s, *(const uint64_t *)r->body);
    if (g == NULL) return false;
    const struct pending_record *p = r->body;
    const struct position_record *at = r->body;
    const struct consumer_drop_record *drop = r->body;
    switch (r->kind) {
    case RECORD_GROUP_POSITION:
        g->last = at->last;
        g->entries_read = at->entries_read;
        break;
    case RECORD_GROUP_DROP:
        take_group(s->extra, g);
        group_free(g);
        break;
    case RECORD_CONSUMER:
        install_consumer(g, r->body);
        break;
    case RECORD_CONSUMER_DROP: {
        struct pending_entry *e;
        while ((e = pending_first(&g->pending, drop->consumer)) != NULL)
            pending_remove(&g->pending, e);
        struct consumer *c = cgroup_consumer_at(g, drop->consumer);
        take_consumer(g, c);
        xfree(c);
        break;
    }
    case RECORD_PENDING:
        for (size_t i = 0; i < (r->len - sizeof *p) / sizeof p->items[0]; i++)
            install_pending(g, &p->items[i]);
        break;
    case RECORD_ACK:
        replay_ack(g, r);
        break;
    }
    return true;
}
