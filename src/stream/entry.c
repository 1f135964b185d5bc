/* Adding entries and finding them by id. Entry ids ascend with versions, so that a place is found
 * by bisection in what is in memory; what is older the store finds. */
#include "stream/entry.h"

#include "base/alloc.h"
#include "record/fields.h"
#include "stream/group/cgroup.h"
#include "stream/internal.h"

#define TYPE_LEN_MAX 512

bool entry_id_previous(struct entry_id *id) {
    if (id->seq > 0) {
        id->seq--;
        return true;
    }
    if (id->ms == 0) return false;
    *id = (struct entry_id){id->ms - 1, UINT64_MAX};
    return true;
}

static enum entry_status choose_id(struct model *m, struct stream *s, const struct entry_add *add,
                                   struct entry_id *out) {
    struct entry_id last = s->state == STREAM_LIVE ? stream_last_id(s) : (struct entry_id){0, 0};
    if (last.ms == UINT64_MAX && last.seq == UINT64_MAX) return ENTRY_ID_EXHAUSTED;
    switch (add->kind) {
    case ENTRY_ID_AUTO:
        return model_next_entry_id(m, s, out) ? ENTRY_OK : ENTRY_ID_EXHAUSTED;
    case ENTRY_ID_AUTO_SEQ:
        *out = (struct entry_id){add->id.ms, 0};
        if (last.ms > out->ms) return ENTRY_ID_SMALL;
        if (last.ms < out->ms) return ENTRY_OK;
        if (last.seq == UINT64_MAX) return ENTRY_ID_SMALL;
        out->seq = last.seq + 1;
        return ENTRY_OK;
    case ENTRY_ID_GIVEN:
        *out = add->id;
        return entry_id_cmp(add->id, last) > 0 ? ENTRY_OK : ENTRY_ID_SMALL;
    }
    return ENTRY_OK;
}

bool entry_id_is_beyond(struct stream *s, const struct entry_add *add) {
    struct entry_id id;
    return add->kind == ENTRY_ID_AUTO || choose_id(NULL, s, add, &id) == ENTRY_OK;
}

static struct str type_of(const struct entry_add *add) {
    for (size_t i = 0; i + 1 < add->count; i += 2)
        if (str_eq(add->fields[i], STR("type")))
            return add->fields[i + 1].len <= TYPE_LEN_MAX ? add->fields[i + 1] : STR("");
    return STR("");
}

/* Whether the numbers are not used up. */
static bool has_room(const struct model *m, const struct stream *s) {
    return s->next_version <= VERSION_MAX && m->next_sequence < SEQUENCE_MAX &&
           m->next_stream < STREAM_NUMBER_MAX;
}

enum entry_status model_add_copy(struct model *m, struct stream *s, struct event_fields *f) {
    const struct entry_id none = {0, 0};
    struct entry_id last = s->state == STREAM_LIVE ? stream_last_id(s) : none;
    if (entry_id_cmp((struct entry_id){f->entry_ms, f->entry_seq}, last) <= 0)
        return ENTRY_ID_SMALL;
    if (!has_room(m, s)) return ENTRY_LIMIT;
    if (s->state == STREAM_ABSENT) stream_come_to_be(m, s, KIND_STREAM);
    assert(f->content_hash == NULL); /* the id is not the client's */
    model_push(m, s, f);
    return ENTRY_OK;
}

enum entry_status model_add_entry(struct model *m, struct stream *s, struct entry_add *add) {
    struct entry_id id;
    enum entry_status st = choose_id(m, s, add, &id);
    if (st != ENTRY_OK) return st;
    if (!has_room(m, s)) return ENTRY_LIMIT;
    if (s->state == STREAM_ABSENT) stream_come_to_be(m, s, KIND_STREAM);
    struct event_fields f = {
        .timestamp = m->recorded,
        .entry_ms = id.ms,
        .entry_seq = id.seq,
        .type = type_of(add),
        .payload = str_of(NULL, fields_size(add->fields, add->count)),
        .fields = add->fields,
        .field_count = add->count,
        .flags = EVENT_FIELDS,
    };
    add->event = model_push(m, s, &f);
    return ENTRY_OK;
}

static enum entry_status create(struct model *m, struct stream *s, enum stream_kind kind) {
    if (m->next_stream >= STREAM_NUMBER_MAX) return ENTRY_LIMIT;
    stream_come_to_be(m, s, kind);
    return ENTRY_OK;
}

enum entry_status model_create_stream(struct model *m, struct stream *s) {
    return create(m, s, KIND_STREAM);
}

enum entry_status model_create_virtual(struct model *m, struct stream *s) {
    return create(m, s, KIND_VIRTUAL);
}

void model_set_last_id(struct model *m, struct stream *s, struct entry_id last, uint64_t added,
                       const struct entry_id *deleted) {
    struct stream_extra *x = stream_extra(m, s);
    stream_note_extra(m, s);
    s->entry_ms = last.ms;
    s->entry_seq = last.seq;
    if (added != UINT64_MAX) x->added_beyond = added - s->next_version;
    if (deleted != NULL) x->deleted = *deleted;
    stream_touch(m, s, true);
    stream_record_state(m, s);
    cgroups_read_less(m, s);
}

/* The first version of the tail, from `low` on, whose id is not below `at`. */
static uint64_t bisect(const struct stream *s, uint64_t low, struct entry_id at) {
    uint64_t high = s->next_version;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (entry_id_cmp(event_entry_id(stream_event(s, mid)), at) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool model_find_entry(const struct model *m, const struct stream *s, struct entry_id at,
                      const uint64_t *asked, uint64_t *version) {
    UNUSED(m);
    uint64_t first = stream_first_version(s), low = MAX(first, stream_tail_first(s));
    *version = s->next_version;
    if (first == s->next_version || entry_id_cmp(at, stream_last_id(s)) > 0) return true;
    const bool smallest = at.ms == 0 && at.seq == 0;
    bool in_tail = low == first || (low < s->next_version &&
                                    entry_id_cmp(event_entry_id(stream_event(s, low)), at) <= 0);
    if (smallest) {
        *version = first;
    } else if (in_tail) {
        *version = bisect(s, low, at);
    } else {
        if (asked == NULL) return false;
        *version = *asked == UINT64_MAX ? bisect(s, low, at) : MAX(*asked, first);
    }
    if (s->extra != NULL) *version = holes_skip(&s->extra->holes, *version);
    *version = MIN(*version, s->next_version);
    return true;
}
