/* Trimming, removing, erasing, deleting, renaming; see remove.h. */
#include "stream/gone/remove.h"

#include "base/alloc.h"
#include "stream/entry.h"
#include "stream/internal.h"

/* ---- trimming and removing ---- */

struct note_holes {
    struct undo undo;
    struct stream *stream;
    struct holes before;
};

static void holes_go_back(struct model *m, struct undo *u) {
    struct note_holes *note = CONTAINER_OF(u, struct note_holes, undo);
    holes_clear(&note->stream->extra->holes);
    note->stream->extra->holes = note->before;
    model_account(m, note->stream);
}

static void holes_stay(struct model *m, struct undo *u) {
    UNUSED(m);
    holes_clear(&CONTAINER_OF(u, struct note_holes, undo)->before);
}

/* Before they are changed. */
static void note_holes(struct model *m, struct stream *s) {
    image_keep_holes(m, s);
    struct note_holes *note = model_note(m, sizeof *note, holes_go_back);
    if (note == NULL) return;
    note->undo.keep = holes_stay;
    note->stream = s;
    note->before = holes_share(&s->extra->holes);
}

/* The stream begins with the first version from `first` on that exists. The tail keeps what was
 * before it for the settled view (model_settle). */
static void cut_front(struct model *m, struct stream *s, uint64_t first) {
    struct stream_extra *x = s->extra;
    struct version_range lowest;
    x->first_version = holes_skip(&x->holes, first);
    if (!holes_find(&x->holes, 0, &lowest) || lowest.first >= x->first_version) return;
    note_holes(m, s);
    holes_cut(&x->holes, x->first_version);
}

uint64_t model_trim_point(const struct stream *s, uint64_t keep) {
    uint64_t length = stream_length(s), first = stream_first_version(s);
    if (keep >= length) return first;
    if (keep == 0) return s->next_version;
    if (s->extra == NULL) return s->next_version - keep;
    return holes_back(&s->extra->holes, s->next_version, keep);
}

uint64_t model_trim(struct model *m, struct stream *s, uint64_t first) {
    if (first <= stream_first_version(s)) return 0;
    struct stream_extra *x = stream_extra(m, s);
    assert(first <= s->next_version);
    uint64_t removed = first - x->first_version - holes_between(&x->holes, x->first_version, first);
    stream_note_extra(m, s);
    cut_front(m, s, first);
    tally_change(m, s->name, -(int64_t)removed);
    model_hide(m, s->name->rec.number, x->first_version, false, m->decided + 1);
    stream_touch(m, s, true);
    stream_record_state(m, s);
    model_account(m, s);
    return removed;
}

struct note_removed {
    struct undo undo;
    struct event *in_tail, *in_log; /* NULL: not there */
};

static void unremove(struct model *m, struct undo *u) {
    UNUSED(m);
    struct note_removed *note = CONTAINER_OF(u, struct note_removed, undo);
    if (note->in_tail != NULL) note->in_tail->removed = 0;
    if (note->in_log != NULL) note->in_log->removed = 0;
}

/* It is a hole, and marked in what memory has of it. */
static void remove_one(struct model *m, struct stream *s, uint64_t version, uint64_t sequence) {
    struct event *in_tail = version >= stream_tail_first(s) ? stream_event(s, version) : NULL;
    struct event *in_log =
        sequence >= m->log.first && sequence < m->next_sequence ? model_event(m, sequence) : NULL;
    if (in_tail != NULL) in_tail->removed = 1;
    if (in_log != NULL) in_log->removed = 1;
    holes_add(&s->extra->holes, version);
    struct note_removed *note = model_note(m, sizeof *note, unremove);
    if (note == NULL) return;
    note->in_tail = in_tail;
    note->in_log = in_log;
}

void model_remove(struct model *m, struct stream *s, struct event *const *events, size_t n) {
    assert(n > 0);
    struct stream_extra *x = stream_extra(m, s);
    stream_note_extra(m, s);
    note_holes(m, s);
    struct remove_record *r = model_record(m, RECORD_REMOVE, sizeof *r + n * sizeof r->events[0]);
    r->stream = s->name->rec.number;
    for (size_t i = 0; i < n; i++) {
        const struct event_record *e = &events[i]->rec;
        assert(i == 0 || r->events[i - 1].version < e->version);
        r->events[i] = (struct removed_event){e->version, e->sequence};
        assert(stream_has_version(s, e->version));
        struct entry_id id = {e->entry_ms, e->entry_seq};
        if (entry_id_cmp(id, x->deleted) > 0) x->deleted = id;
        remove_one(m, s, e->version, e->sequence);
    }
    cut_front(m, s, x->first_version);
    tally_change(m, s->name, -(int64_t)n);
    model_hide(m, s->name->rec.number, x->first_version, true, m->decided + 1);
    stream_touch(m, s, true);
    stream_record_state(m, s);
    model_account(m, s);
}

/* ---- erasing ---- */

struct note_erase {
    struct undo undo;
    struct stream *stream;
    struct event *old; /* one reference; NULL: memory did not have it */
    bool in_tail, in_log;
    uint64_t last_frame, changed_frame;
};

static void unerase(struct model *m, struct undo *u) {
    struct note_erase *note = CONTAINER_OF(u, struct note_erase, undo);
    struct stream *s = note->stream;
    s->last_frame = note->last_frame;
    s->changed_frame = note->changed_frame;
    if (note->old == NULL) return;
    if (note->in_log && note->old->rec.flags & EVENT_CLIENT_ID)
        model_replace_id(m, model_event(m, note->old->rec.sequence), note->old);
    stream_replace(m, s, note->old, note->in_tail, note->in_log);
    event_drop(m, note->old);
}

static void keep_erased(struct model *m, struct undo *u) {
    struct note_erase *note = CONTAINER_OF(u, struct note_erase, undo);
    if (note->old != NULL) event_drop(m, note->old);
}

struct event *model_erase(struct model *m, struct stream *s, struct event *e) {
    struct event_view v;
    event_view(&e->rec, &v);
    struct event_fields f = event_place(&e->rec);
    f.partition_key = v.partition_key;
    f.transaction = v.transaction;
    f.correlation = v.correlation;
    f.causation = v.causation;
    f.content_hash = v.content_hash;
    f.type = v.type;
    f.aggregate = v.aggregate;
    f.flags |= EVENT_ERASED;
    bool in_tail = f.version >= stream_tail_first(s);
    bool in_log = f.sequence >= m->log.first && f.sequence < m->next_sequence;
    struct event *old = in_log    ? model_event(m, f.sequence)
                        : in_tail ? stream_event(s, f.version)
                                  : NULL;
    /* With the name of now: what knows the older one may be forgotten before this is applied. */
    struct event *erased = event_create(&f, model_name(m, e));
    erased->frame = old != NULL ? old->frame : 0;
    event_count(m, erased);
    struct note_erase *note = model_note(m, sizeof *note, unerase);
    if (note != NULL) {
        note->undo.keep = keep_erased;
        *note = (struct note_erase){note->undo,      s,      old != NULL ? event_ref(old) : NULL,
                                    in_tail,         in_log, s->last_frame,
                                    s->changed_frame};
    }
    if (old != NULL) {
        model_bury(m, event_ref(old));
        if (e->rec.flags & EVENT_CLIENT_ID && in_log) model_replace_id(m, old, erased);
        stream_replace(m, s, erased, in_tail, in_log);
    } else { /* the tail may take the erased one from a page, while readers see the whole one */
        model_bury(m, event_ref(e));
        event_count(m, e);
    }
    model_bury(m, erased); /* for the reply */
    model_add_erased(m, erased, old != NULL ? old : e);
    struct erase_record *r = model_record(m, RECORD_ERASE, sizeof *r);
    *r = (struct erase_record){s->name->rec.number, f.version, f.sequence};
    stream_touch(m, s, true);
    return erased;
}

/* ---- deleting ---- */

struct note_delete {
    struct undo undo;
    struct stream *stream, *content;
    struct former *former; /* that has the content; NULL: none */
};

static void take_content(struct model *m, struct stream *s) {
    s->name->resident = NULL;
    s->tail = NULL;
    s->tail_head = s->tail_count = s->tail_cap = 0;
    s->extra = NULL;
    s->next_version = 0;
    s->entry_ms = s->entry_seq = 0;
    UNUSED(m);
}

void content_free(struct model *m, struct stream *content) {
    m->bytes -= content->tail_cap * sizeof *content->tail;
    for (uint32_t i = 0; i < content->tail_count; i++)
        event_drop(m, content->tail[content->tail_head + i]);
    free(content->tail);
    stream_extra_free(m, content);
    stream_name_unref(content->name);
    free(content);
}

/* Groups of a virtual stream, which are counted: they go and come with it. */
static uint32_t virtual_groups(const struct stream *s) {
    return stream_is_virtual(s) && s->extra != NULL ? s->extra->group_count : 0;
}

static void undelete(struct model *m, struct undo *u) {
    struct note_delete *note = CONTAINER_OF(u, struct note_delete, undo);
    struct stream *s = note->stream, *old = note->content;
    if (note->former != NULL) former_take_back(m, note->former);
    stream_name_unref(s->name);
    s->name = old->name;
    s->name->resident = s;
    s->next_version = old->next_version;
    s->tail = old->tail;
    s->tail_head = old->tail_head;
    s->tail_count = old->tail_count;
    s->tail_cap = old->tail_cap;
    s->extra = old->extra;
    s->entry_ms = old->entry_ms;
    s->entry_seq = old->entry_seq;
    s->last_frame = old->last_frame;
    s->changed_frame = old->changed_frame;
    s->born = old->born;
    stream_set_state(m, s, STREAM_LIVE);
    m->stream_count += !stream_is_virtual(s);
    m->virtual_groups += virtual_groups(s);
    if (s->extra != NULL) {
        stream_extra_moved(s);
        expiring_update(m, s);
        m->deadlines.all += s->extra->expires != 0;
    }
    free(old);
}

static void delete_for_good(struct model *m, struct undo *u) {
    struct note_delete *note = CONTAINER_OF(u, struct note_delete, undo);
    if (note->former == NULL) content_free(m, note->content);
}

/* What is only in memory goes with the batch that made it. */
static bool was_shown(const struct model *m, const struct stream *s) {
    return s->born < m->open->first_frame;
}

void model_delete(struct model *m, struct stream *s) {
    assert(s->state == STREAM_LIVE);
    uint64_t number = s->name->rec.number;
    bool is_virtual = stream_is_virtual(s);
    tally_change(m, s->name, -(int64_t)stream_length(s));
    m->virtual_groups -= virtual_groups(s);
    expiring_remove(m, s);
    if (s->extra != NULL && s->extra->expires != 0 && m->deadlines.all > 0) m->deadlines.all--;
    struct stream *content = xmemdup(s, sizeof *s);
    if (content->extra != NULL) stream_extra_moved(content);
    struct note_delete *note = model_note(m, sizeof *note, undelete);
    take_content(m, s);
    stream_set_state(m, s, STREAM_ABSENT);
    s->name = stream_name_create(0, 0, stream_name_str(content->name));
    s->name->resident = s;
    m->stream_count -= !is_virtual;
    stream_touch(m, s, true);
    /* A string has no events that readers of the log could meet. */
    if (content->next_version > 0) model_hide(m, number, UINT64_MAX, false, m->decided + 1);
    struct delete_record *r =
        model_record(m, RECORD_DELETE, is_virtual ? sizeof *r : sizeof r->number);
    r->number = number;
    if (is_virtual) r->kind = KIND_VIRTUAL;
    struct former *former =
        was_shown(m, content) ? former_add(m, content->name, number, content) : NULL;
    if (note != NULL) {
        note->undo.keep = delete_for_good;
        note->stream = s;
        note->content = content;
        note->former = former;
    } else if (former == NULL) {
        content_free(m, content);
    }
}

/* ---- renaming ---- */

struct note_rename {
    struct undo undo;
    struct stream *from, *to;
    struct stream_name *old;
    struct former *formers[2]; /* that were added; NULL: none */
    uint64_t from_frames[2], to_frames[2];
};

static void move_content(struct model *m, struct stream *from, struct stream *to) {
    to->next_version = from->next_version;
    to->tail = from->tail;
    to->tail_head = from->tail_head;
    to->tail_count = from->tail_count;
    to->tail_cap = from->tail_cap;
    to->largest = from->largest;
    to->extra = from->extra;
    to->entry_ms = from->entry_ms;
    to->entry_seq = from->entry_seq;
    to->born = from->born;
    stream_set_state(m, to, STREAM_LIVE);
    stream_set_state(m, from, STREAM_ABSENT);
    take_content(m, from);
    if (to->extra == NULL) return;
    stream_extra_moved(to);
}

/* The events in memory keep the name that they were made with: see renamed.c. */
static void unrename(struct model *m, struct undo *u) {
    struct note_rename *note = CONTAINER_OF(u, struct note_rename, undo);
    struct stream *from = note->from, *to = note->to;
    for (size_t i = 0; i < ARRAY_LEN(note->formers); i++)
        if (note->formers[i] != NULL) former_take_back(m, note->formers[i]);
    struct str to_name = stream_name_str(to->name);
    move_content(m, to, from);
    stream_name_unref(from->name);
    from->name = note->old;
    from->name->resident = from;
    struct stream_name *name = stream_name_create(0, 0, to_name);
    stream_name_unref(to->name);
    to->name = name;
    name->resident = to;
    from->last_frame = note->from_frames[0];
    from->changed_frame = note->from_frames[1];
    to->last_frame = note->to_frames[0];
    to->changed_frame = note->to_frames[1];
}

static void rename_for_good(struct model *m, struct undo *u) {
    UNUSED(m);
    stream_name_unref(CONTAINER_OF(u, struct note_rename, undo)->old);
}

void model_rename(struct model *m, struct stream *from, struct stream *to) {
    assert(from->state == STREAM_LIVE);
    assert(to->state == STREAM_ABSENT);
    struct stream_name *old = from->name;
    struct former *formers[2] = {NULL, NULL};
    if (was_shown(m, from)) {
        formers[0] = former_add(m, old, old->rec.number, NULL);
        formers[1] = former_add(m, to->name, 0, NULL);
    }
    struct stream_name *name =
        stream_name_create(old->rec.number, old->rec.created, stream_name_str(to->name));
    name->rec.kind = old->rec.kind;
    struct note_rename *note = model_note(m, sizeof *note, unrename);
    if (note != NULL) {
        note->undo.keep = rename_for_good;
        note->from = from;
        note->to = to;
        note->old = stream_name_ref(old);
        memcpy(note->formers, formers, sizeof formers);
        note->from_frames[0] = from->last_frame;
        note->from_frames[1] = from->changed_frame;
        note->to_frames[0] = to->last_frame;
        note->to_frames[1] = to->changed_frame;
    }
    tally_change(m, old, -(int64_t)stream_length(from));
    tally_change(m, name, (int64_t)stream_length(from));
    move_content(m, from, to);
    stream_name_unref(to->name);
    to->name = name;
    name->resident = to;
    model_note_renamed(m, name, m->decided + 1);
    from->name = stream_name_create(0, 0, stream_name_str(old));
    from->name->resident = from;
    stream_name_unref(old);
    stream_touch(m, from, true);
    stream_touch(m, to, true);
    memcpy(model_record(m, RECORD_RENAME, sizeof name->rec + name->rec.name_len), &name->rec,
           sizeof name->rec + name->rec.name_len);
    /* Who has only this frame's records knows of its deadline, too (server/wait/key_walk.c). */
    if (to->extra != NULL && to->extra->expires != 0) stream_record_state(m, to);
}

/* ---- strings ---- */

struct note_value {
    struct undo undo;
    struct stream *stream;
    struct image *image; /* that wants the value; NULL: none */
    char *value;
    size_t len;
    uint64_t last_frame, changed_frame;
};

static void value_back(struct model *m, struct undo *u) {
    struct note_value *note = CONTAINER_OF(u, struct note_value, undo);
    struct stream *s = note->stream;
    free(s->extra->value);
    s->extra->value = note->value;
    s->extra->value_len = note->len;
    if (note->image != NULL) note->image->value_promised = false;
    s->last_frame = note->last_frame;
    s->changed_frame = note->changed_frame;
    model_account(m, s);
}

static void value_keep(struct model *m, struct undo *u) {
    struct note_value *note = CONTAINER_OF(u, struct note_value, undo);
    image_give_value(m, note->image, note->value, note->len);
}

void model_set_string(struct model *m, struct stream *s, struct str value, uint64_t expires) {
    if (s->state == STREAM_ABSENT) stream_come_to_be(m, s, KIND_STRING);
    assert(stream_is_string(s));
    model_set_expires(m, s, expires);
    struct stream_extra *x = stream_extra(m, s);
    stream_note_extra(m, s);
    struct image *image = image_promise_value(m, s);
    struct note_value *note = model_note(m, sizeof *note, value_back);
    if (note != NULL) {
        note->undo.keep = value_keep;
        *note = (struct note_value){
            note->undo, s, image, x->value, x->value_len, s->last_frame, s->changed_frame};
    } else {
        image_give_value(m, image, x->value, x->value_len);
    }
    x->value = value.len > 0 ? xmemdup(value.ptr, value.len) : NULL;
    x->value_len = value.len;
    struct value_record *r = model_record(m, RECORD_VALUE, sizeof *r + value.len);
    r->stream = s->name->rec.number;
    if (value.len > 0) memcpy(r->bytes, value.ptr, value.len);
    stream_touch(m, s, true);
    model_account(m, s);
}
