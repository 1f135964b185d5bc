/* What a group has left to read, as Redis counts it (XINFO GROUPS). */
#include "stream/group/cgroup.h"

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
    if (stream_is_virtual(s)) return false; /* nobody counts them */
    if (added == 0) return true;
    if (g->entries_read >= 0 && !stream_has_tombstones(s, g->last)) {
        /* (Older servers wrote more than was added.) */
        *out = added - MIN((uint64_t)g->entries_read, added);
        return true;
    }
    int64_t read = cgroup_estimate_read(s, first, g->last);
    if (read < 0) return false;
    *out = added - (uint64_t)read;
    return true;
}
