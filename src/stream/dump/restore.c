/* A parsed dump becomes a stream or a string; see dump.h. All changes are those that the model's
 * functions make: they record, and they can be taken back. */
#include "stream/dump/internal.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/internal.h"

/* The version of a pending entry whose event is not in the dump: no event has it, as with one that
 * was deleted. (A stream that has grown to its last version would have one: 2^32 events away.) */
#define VERSION_GONE UINT32_MAX

bool dump_has_room(const struct model *m, const struct dump *d) {
    return m->next_stream < STREAM_NUMBER_MAX && d->event_count <= VERSION_MAX &&
           d->event_count <= SEQUENCE_MAX - m->next_sequence;
}

static void restore_events(struct model *m, struct stream *s, struct str *body, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        struct event_fields f;
        bool valid = dump_read_event(body, &f);
        assert(valid); /* dump_parse */
        enum entry_status status = model_add_copy(m, s, &f);
        assert(status == ENTRY_OK); /* ids ascend, and there is room */
    }
}

/* The version of the event with this id. */
static uint64_t version_of(const struct model *m, const struct stream *s, struct entry_id id) {
    uint64_t version;
    bool known = model_find_entry(m, s, id, NULL, &version);
    assert(known); /* all of its events are in its tail: they are new */
    bool found = version < s->next_version &&
                 entry_id_cmp(event_entry_id(stream_event(s, version)), id) == 0;
    return found ? version : VERSION_GONE;
}

static void restore_pending(struct model *m, struct cgroup *g, struct consumer *const *consumers,
                            struct str *body, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        struct dump_pending p;
        bool valid = dump_read_pending(body, &p);
        assert(valid);
        if (pending_find(&g->pending, p.id) != NULL)
            continue; /* only a forged dump has one twice */
        struct consumer *c = p.consumer != 0 ? consumers[p.consumer - 1] : NULL;
        cgroup_pend(m, g, p.id, version_of(m, g->stream, p.id), c, p.delivered, p.deliveries);
    }
}

static void restore_group(struct model *m, struct stream *s, struct str *body) {
    struct dump_group d;
    struct str name;
    bool valid = dump_read_group(body, &d, &name);
    assert(valid);
    struct cgroup *g = cgroup_add(m, s, name, d.last, d.entries_read);
    struct consumer **consumers = xcalloc(MAX(d.consumers, 1u), sizeof(struct consumer *));
    for (uint32_t i = 0; i < d.consumers; i++) {
        struct dump_consumer dc;
        valid = dump_read_consumer(body, &dc, &name);
        assert(valid);
        consumers[i] = cgroup_add_consumer(m, g, name);
        consumers[i]->seen = dc.seen;
        consumers[i]->active = dc.active;
        consumers[i]->times_changed = true;
    }
    restore_pending(m, g, consumers, body, d.pending);
    free(consumers);
}

/* What the stream is beyond its events, when they do not tell. */
static void restore_state(struct model *m, struct stream *s, const struct dump_stream *d) {
    const struct entry_id none = {0, 0};
    bool deleted = entry_id_cmp(d->deleted, none) != 0;
    if (entry_id_cmp(d->last, stream_last_id(s)) != 0 || d->added != d->events || deleted)
        model_set_last_id(m, s, d->last, d->added, deleted ? &d->deleted : NULL);
    if (d->idempotent_seconds != 0 || d->idempotent_max != 0)
        model_set_idempotent(m, s, d->idempotent_seconds, d->idempotent_max, false);
}

void dump_restore(struct model *m, struct stream *s, const struct dump *d) {
    assert(s->state == STREAM_ABSENT);
    if (d->is_string) {
        model_set_string(m, s, d->body, 0);
        return;
    }
    struct str body = d->body;
    struct dump_stream ds;
    bool valid = dump_read_stream(&body, &ds);
    assert(valid);
    if (ds.events == 0) model_create_stream(m, s);
    restore_events(m, s, &body, ds.events);
    restore_state(m, s, &ds);
    for (uint32_t i = 0; i < ds.groups; i++) restore_group(m, s, &body);
    if (ds.groups > 0) stream_record_times(m, s);
}
