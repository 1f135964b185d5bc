/* What the files of cgroup_*.c share. Nobody else includes this. */
#ifndef STREAM_GROUP_INTERNAL_H
#define STREAM_GROUP_INTERNAL_H

#include "stream/group/cgroup.h"
#include "stream/internal.h"

/* A group of s, in no list yet; a consumer likewise. */
struct cgroup *cgroup_create(struct stream *s, struct str name);
void cgroup_destroy(struct cgroup *g); /* with its consumers and what is pending */
struct consumer *consumer_create(struct str name, uint32_t number);
/* Into their place, and out of it: freed by the caller. */
void cgroup_insert(struct stream_extra *x, struct cgroup *g);
void cgroup_take(struct stream_extra *x, struct cgroup *g);
void consumer_insert(struct cgroup *g, struct consumer *c);
void consumer_take(struct cgroup *g, struct consumer *c);
/* Something of g takes more or less memory than before: brings the accounts up to date, the
 * stream's and the model's too; O(1). cgroup_count: the groups' only (what is loaded is in the
 * others once it is there, by model_account); returns by how much, modulo 2^64. */
void cgroup_account(struct model *m, struct cgroup *g);
size_t cgroup_count(struct cgroup *g);
/* The same when only what is pending has changed; mostly it takes as much as before. */
static inline void cgroup_account_pending(struct model *m, struct cgroup *g) {
    if (pending_bytes(&g->pending) != g->pending_bytes) cgroup_account(m, g);
}

/* The frame being built changes g, and its stream's contents as readers see them, or not. */
static inline void cgroup_touch(struct model *m, struct cgroup *g, bool content) {
    g->last_frame = m->decided + 1;
    stream_touch(m, g->stream, content);
}
/* Notes how the entry stands in g now (e NULL: it is not pending). */
void cgroup_take_note(struct model *m, struct cgroup *g, struct entry_id id,
                      const struct pending_entry *e);
static inline void cgroup_note_pending(struct model *m, struct cgroup *g, struct entry_id id,
                                       const struct pending_entry *e) {
    if (UNLIKELY(m->in_transaction)) cgroup_take_note(m, g, id, e);
}
/* Takes away all that the consumer has pending, with notes; each recorded as an ack when all of
 * them fit into the frame: true. */
bool cgroup_drop_pending(struct model *m, struct cgroup *g, uint32_t consumer);

#endif
