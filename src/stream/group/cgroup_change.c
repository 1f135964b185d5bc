/* Changes of groups and consumers: memory, record and the note for undoing belong together. */
#include "stream/group/internal.h"

#include "base/alloc.h"

/* ---- groups ---- */

struct note_group {
    struct undo undo;
    struct cgroup *group;
    struct entry_id last;
    int64_t entries_read;
    uint64_t cursor, last_frame, moved_frame, stream_frames[2];
};

static void note_as_it_is(struct note_group *note, struct cgroup *g) {
    note->group = g;
    note->last = g->last;
    note->entries_read = g->entries_read;
    note->cursor = g->cursor;
    note->last_frame = g->last_frame;
    note->moved_frame = g->moved_frame;
    note->stream_frames[0] = g->stream->last_frame;
    note->stream_frames[1] = g->stream->changed_frame;
}

static struct note_group *note_group(struct model *m, struct cgroup *g,
                                     void (*back)(struct model *m, struct undo *u)) {
    struct note_group *note = model_note(m, sizeof *note, back);
    if (note != NULL) note_as_it_is(note, g);
    return note;
}

static void group_frames_back(const struct note_group *note) {
    note->group->stream->last_frame = note->stream_frames[0];
    note->group->stream->changed_frame = note->stream_frames[1];
}

/* A group cannot have read more than was ever added: what it is told to have, or is restored with,
 * ends there, and so its lag is never below 0 (cgroup_lag). */
static int64_t read_at_most(const struct stream *s, int64_t entries_read) {
    uint64_t added = stream_entries_added(s);
    bool beyond = entries_read > 0 && (uint64_t)entries_read > added;
    return beyond ? (int64_t)added : entries_read;
}

static void unadd_group(struct model *m, struct undo *u) {
    struct note_group *note = CONTAINER_OF(u, struct note_group, undo);
    struct stream *s = note->group->stream;
    group_frames_back(note);
    cgroup_take(s->extra, note->group);
    cgroup_destroy(note->group);
    m->virtual_groups -= stream_is_virtual(s);
    m->next_group--;
    model_account(m, s);
}

struct cgroup *cgroup_add(struct model *m, struct stream *s, struct str name, struct entry_id last,
                          int64_t entries_read) {
    struct stream_extra *x = stream_extra(m, s);
    struct cgroup *g = cgroup_create(s, name);
    note_group(m, g, unadd_group);
    g->number = m->next_group++;
    m->virtual_groups += stream_is_virtual(s);
    g->created = m->recorded;
    g->last = last;
    g->entries_read = read_at_most(s, entries_read);
    cgroup_insert(x, g);
    cgroup_touch(m, g, true);
    g->moved_frame = g->last_frame;
    struct group_record *r = model_record(m, RECORD_GROUP, sizeof *r + name.len);
    r->number = g->number;
    r->stream = s->name->rec.number;
    r->last = last;
    r->entries_read = g->entries_read;
    r->created = g->created;
    r->name_len = (uint16_t)name.len;
    if (name.len > 0) memcpy(r->name, name.ptr, name.len);
    cgroup_count(g);
    model_account(m, s);
    return g;
}

static void undrop_group(struct model *m, struct undo *u) {
    struct note_group *note = CONTAINER_OF(u, struct note_group, undo);
    struct stream *s = note->group->stream;
    cgroup_insert(s->extra, note->group);
    m->virtual_groups += stream_is_virtual(s);
    cgroup_count(note->group);
    group_frames_back(note);
    model_account(m, s);
}

static void group_dropped(struct model *m, struct undo *u) {
    UNUSED(m);
    cgroup_destroy(CONTAINER_OF(u, struct note_group, undo)->group);
}

void cgroup_drop(struct model *m, struct cgroup *g) {
    struct stream *s = g->stream;
    struct note_group *note = note_group(m, g, undrop_group);
    cgroup_take(s->extra, g);
    s->extra->swept = 0; /* what was pending in this one only is no longer so */
    m->virtual_groups -= stream_is_virtual(s);
    cgroup_touch(m, g, true);
    struct number_record *r = model_record(m, RECORD_GROUP_DROP, sizeof *r);
    r->number = g->number;
    if (note != NULL)
        note->undo.keep = group_dropped;
    else
        cgroup_destroy(g);
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
    g->moved_frame = note->moved_frame;
    group_frames_back(note);
}

void cgroup_set_position(struct model *m, struct cgroup *g, struct entry_id last,
                         int64_t entries_read) {
    note_group(m, g, position_back);
    if (entry_id_cmp(last, g->last) != 0) g->cursor = CURSOR_UNKNOWN;
    g->last = last;
    g->entries_read = read_at_most(g->stream, entries_read);
    cgroup_touch(m, g, false);
    struct position_record *r = model_record(m, RECORD_GROUP_POSITION, sizeof *r);
    *r = (struct position_record){g->number, last, g->entries_read};
}

void cgroups_read_less(struct model *m, struct stream *s) {
    for (uint32_t i = 0; i < s->extra->group_count; i++) {
        struct cgroup *g = s->extra->groups[i];
        if (read_at_most(s, g->entries_read) != g->entries_read)
            cgroup_set_position(m, g, g->last, g->entries_read);
    }
}

void cgroup_move(struct model *m, struct cgroup *g, struct entry_id last, int64_t entries_read) {
    cgroup_set_position(m, g, last, entries_read);
    g->moved_frame = g->last_frame;
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
    consumer_take(g, note->consumer);
    g->next_number = note->next_number;
    consumer_unref(note->consumer);
    position_back(m, u);
    cgroup_account(m, g);
}

static struct note_consumer *note_consumer(struct model *m, struct cgroup *g, struct consumer *c,
                                           void (*back)(struct model *m, struct undo *u)) {
    struct note_consumer *note = model_note(m, sizeof *note, back);
    if (note == NULL) return NULL;
    note_as_it_is(&note->base, g);
    note->consumer = c;
    note->next_number = g->next_number;
    return note;
}

struct consumer *cgroup_add_consumer(struct model *m, struct cgroup *g, struct str name) {
    struct consumer *c = consumer_create(name, g->next_number);
    note_consumer(m, g, c, unadd_consumer);
    c->seen = m->wall;
    consumer_insert(g, c);
    cgroup_touch(m, g, false);
    record_consumer(m, g, c);
    cgroup_account(m, g);
    return c;
}

static void undrop_consumer(struct model *m, struct undo *u) {
    struct note_consumer *note = CONTAINER_OF(u, struct note_consumer, base.undo);
    consumer_insert(note->base.group, note->consumer);
    position_back(m, u);
    cgroup_account(m, note->base.group);
}

static void consumer_dropped(struct model *m, struct undo *u) {
    UNUSED(m);
    consumer_unref(CONTAINER_OF(u, struct note_consumer, base.undo)->consumer);
}

void cgroup_drop_consumer(struct model *m, struct cgroup *g, struct consumer *c) {
    bool acked = cgroup_drop_pending(m, g, c->number);
    struct note_consumer *note = note_consumer(m, g, c, undrop_consumer);
    struct consumer_drop_record *r = model_record(m, RECORD_CONSUMER_DROP, sizeof *r);
    *r = (struct consumer_drop_record){g->number, c->number, acked ? CONSUMER_HAS_NOTHING : 0};
    consumer_take(g, c);
    cgroup_touch(m, g, false);
    if (note != NULL)
        note->base.undo.keep = consumer_dropped;
    else
        consumer_unref(c);
    cgroup_account(m, g);
}

void consumer_seen(struct model *m, struct consumer *c, bool active) {
    c->seen = m->wall;
    if (active) c->active = m->wall;
    c->times_changed = true;
}

bool stream_record_times(struct model *m, struct stream *s) {
    bool any = false;
    for (uint32_t i = 0; i < s->extra->group_count; i++) {
        struct cgroup *g = s->extra->groups[i];
        any = (g->scan != NULL && group_scan_record(g->scan)) || any;
        for (uint32_t k = 0; k < g->consumer_count; k++) {
            if (!g->consumers[k]->times_changed) continue;
            record_consumer(m, g, g->consumers[k]);
            cgroup_touch(m, g, false);
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
