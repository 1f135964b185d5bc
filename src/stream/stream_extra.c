/* Optional state of a stream (groups, holes, deadline, string value, idempotent producers): made on
 * first use, so that the many streams without it stay small. */
#include "stream/internal.h"

#include "base/alloc.h"
#include "stream/group/cgroup.h"

void model_account(struct model *m, struct stream *s) {
    struct stream_extra *x = s->extra;
    size_t bytes = sizeof *x + holes_bytes(&x->holes) + x->value_len + cgroups_bytes(x) +
                   idempotent_bytes(x->idempotent);
    m->bytes += bytes - x->bytes;
    x->bytes = bytes;
}

struct stream_extra *stream_extra(struct model *m, struct stream *s) {
    if (s->extra != NULL) return s->extra;
    s->extra = xcalloc(1, sizeof *s->extra);
    s->extra->owner = s;
    list_init(&s->extra->images);
    model_account(m, s);
    return s->extra;
}

void stream_extra_moved(struct stream *s) {
    s->extra->owner = s;
    for (uint32_t i = 0; i < s->extra->group_count; i++) s->extra->groups[i]->stream = s;
}

void stream_extra_free(struct model *m, struct stream *s) {
    struct stream_extra *x = s->extra;
    if (x == NULL) return;
    expiring_remove(m, s);
    images_drop(m, x);
    m->bytes -= x->bytes;
    cgroups_free(x);
    idempotent_free(x->idempotent);
    holes_clear(&x->holes);
    free(x->value);
    free(x);
    s->extra = NULL;
}

/* ---- undoing ---- */

struct note_extra {
    struct undo undo;
    struct stream *stream;
    struct stream_extra saved; /* numbers */
    struct entry_id last;
    uint64_t last_frame, changed_frame;
};

static void extra_back(struct model *m, struct undo *u) {
    struct note_extra *note = CONTAINER_OF(u, struct note_extra, undo);
    struct stream *s = note->stream;
    struct stream_extra *x = s->extra, *old = &note->saved;
    x->first_version = old->first_version;
    x->deleted = old->deleted;
    x->added_beyond = old->added_beyond;
    m->deadlines.all += (old->expires != 0) - (x->expires != 0);
    x->expires = old->expires;
    x->idempotent_seconds = old->idempotent_seconds;
    x->idempotent_max = old->idempotent_max;
    s->entry_ms = note->last.ms;
    s->entry_seq = note->last.seq;
    s->last_frame = note->last_frame;
    s->changed_frame = note->changed_frame;
    expiring_update(m, s);
    model_account(m, s);
}

void stream_note_extra(struct model *m, struct stream *s) {
    image_take(m, s);
    struct note_extra *note = model_note(m, sizeof *note, extra_back);
    if (note == NULL) return;
    note->stream = s;
    note->saved = *s->extra;
    note->last = stream_last_id(s);
    note->last_frame = s->last_frame;
    note->changed_frame = s->changed_frame;
}

/* ---- records and loading ---- */

void stream_record_state(struct model *m, struct stream *s) {
    const struct stream_extra *x = s->extra;
    struct stream_state_record *r = model_record(m, RECORD_STREAM_STATE, sizeof *r);
    *r = (struct stream_state_record){
        .stream = s->name->rec.number,
        .next_version = s->next_version,
        .first_version = x->first_version,
        .last = stream_last_id(s),
        .deleted = x->deleted,
        .entries_added = stream_entries_added(s),
        .expires = x->expires,
        .idempotent_seconds = x->idempotent_seconds,
        .idempotent_max = x->idempotent_max,
    };
}

#define HOLES_AT_ONCE 16 /* cost as much as one of the others */

static bool install_holes(struct stream_extra *x, const struct stream_detail *d,
                          struct install_progress *at, size_t *work) {
    for (; at->holes < d->hole_count; at->holes++) {
        if (*work == 0) return false;
        *work -= at->holes % HOLES_AT_ONCE == 0;
        holes_append(&x->holes, d->holes[at->holes].first, d->holes[at->holes].last);
    }
    return true;
}

static bool install_idempotent(struct stream *s, const struct stream_detail *d,
                               struct install_progress *at, size_t *work) {
    for (; at->idempotent < d->idempotent_count; at->idempotent++) {
        if (*work == 0) return false;
        --*work;
        idempotent_install(s, d->idempotent[at->idempotent]);
    }
    return true;
}

bool stream_install_some(struct model *m, struct stream *s, const struct stream_head *h,
                         struct install_progress *at, size_t *work) {
    const struct stream_detail *d = h->detail;
    if (d == NULL) return true;
    struct stream_extra *x = stream_extra(m, s);
    bool all = install_holes(x, d, at, work) &&
               cgroups_install_some(s, d->groups, d->group_count, at, work) &&
               install_idempotent(s, d, at, work);
    model_account(m, s);
    return all;
}

void stream_install_numbers(struct model *m, struct stream *s, const struct stream_head *h) {
    const struct stream_detail *d = h->detail;
    s->name->rec.number = h->number;
    s->name->rec.created = h->created;
    s->name->rec.kind = (uint16_t)h->kind;
    s->next_version = h->next_version;
    s->entry_ms = h->entry_ms;
    s->entry_seq = h->entry_seq;
    if (d == NULL) return;
    struct stream_extra *x = stream_extra(m, s);
    x->first_version = d->first_version;
    x->deleted = d->deleted;
    x->added_beyond = d->entries_added - h->next_version;
    x->expires = d->expires;
    x->idempotent_seconds = d->idempotent_seconds;
    x->idempotent_max = d->idempotent_max;
    if (h->kind == KIND_STRING) {
        x->value = d->value_len > 0 ? xmemdup(d->value, d->value_len) : NULL;
        x->value_len = d->value_len;
    }
    expiring_update(m, s);
    model_account(m, s);
}
