/* Changes of what is pending: delivered, claimed, handed back, acknowledged. Memory, record and the
 * note for undoing belong together. */
#include "stream/group/internal.h"

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
        pending_add(p, old->id, old->version, old->consumer, pending_delivered(old),
                    old->deliveries);
    g->last_frame = note->last_frame;
    g->stream->last_frame = note->stream_frame;
    cgroup_account(m, g);
}

void cgroup_take_note(struct model *m, struct cgroup *g, struct entry_id id,
                      const struct pending_entry *e) {
    struct note_pending *note = model_note(m, sizeof *note, pending_back);
    assert(note != NULL);
    note->group = g;
    note->was_there = e != NULL;
    if (e != NULL) note->saved = *e;
    note->saved.id = id;
    note->last_frame = g->last_frame;
    note->stream_frame = g->stream->last_frame;
}

#define FRAME_SPARE ((size_t)64 << 10) /* for what else the command records */

bool cgroup_drop_pending(struct model *m, struct cgroup *g, uint32_t consumer) {
    struct pending_entry *e;
    size_t bytes = pending_count_of(&g->pending, consumer) * sizeof e->id;
    bool fits = model_frame_bytes(m) + bytes + FRAME_SPARE <= store_frame_max(m->store);
    while ((e = pending_first(&g->pending, consumer)) != NULL) {
        if (fits) *(struct entry_id *)model_run_item(m, RECORD_ACK, g->number) = e->id;
        cgroup_note_pending(m, g, e->id, e);
        pending_remove(&g->pending, e);
    }
    return fits;
}

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
    cgroup_touch(m, g, false);
}

void cgroup_pend(struct model *m, struct cgroup *g, struct entry_id id, uint64_t version,
                 struct consumer *c, uint64_t delivered, uint32_t deliveries) {
    struct pending *p = &g->pending;
    struct pending_entry *last = pending_last(p, PENDING_ALL);
    bool beyond = last == NULL || entry_id_cmp(id, last->id) > 0;
    struct pending_entry *e = beyond ? NULL : pending_find(p, id);
    bool is_new = e == NULL;
    uint32_t owner = c != NULL ? c->number : PENDING_UNOWNED;
    cgroup_note_pending(m, g, id, e);
    if (is_new) {
        e = pending_add(p, id, (uint32_t)version, owner, delivered, deliveries);
    } else {
        if (e->consumer != owner || c == NULL) pending_assign(p, e, owner);
        if (c != NULL) pending_deliver(p, e, delivered);
        e->deliveries = deliveries;
    }
    record_pending(m, g, e, is_new);
    cgroup_account_pending(m, g);
}

void cgroup_release(struct model *m, struct cgroup *g, struct pending_entry *e,
                    uint32_t deliveries) {
    cgroup_pend(m, g, e->id, e->version, NULL, 0, deliveries);
}

bool cgroup_ack(struct model *m, struct cgroup *g, struct entry_id id) {
    struct pending *p = &g->pending;
    struct pending_entry *e = pending_find(p, id);
    if (e == NULL) return false;
    cgroup_note_pending(m, g, id, e);
    pending_remove(p, e);
    *(struct entry_id *)model_run_item(m, RECORD_ACK, g->number) = id;
    cgroup_touch(m, g, false);
    cgroup_account_pending(m, g);
    return true;
}
