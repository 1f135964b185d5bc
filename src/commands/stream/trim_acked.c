/* See trim_acked.h. */
#include "commands/stream/trim_acked.h"

#include "stream/gone/remove.h"
#include "stream/group/cgroup.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"

#define PASSED_A_TURN    20000 /* pending entries that are gone: a millisecond */
#define LOOKED_A_TURN    10000 /* entries, by XTRIM: some milliseconds */
#define LOOKED_BY_AN_ADD 1000

/* ---- what is pending ---- */

/* The highest id that all groups were delivered. */
static struct entry_id delivered_to_all(const struct stream *s) {
    struct entry_id id = ENTRY_ID_MAX;
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++)
        if (entry_id_cmp(s->extra->groups[i]->last, id) < 0) id = s->extra->groups[i]->last;
    return id;
}

/* Whether a pending entry leads to nothing, and did so when the stream was as `then` is. One that
 * came with RESTORE when its entry was gone has a version that no event has. */
static bool is_gone(const struct stream *s, const struct stream *then,
                    const struct pending_entry *e) {
    if (e->version >= s->next_version) return true;
    return e->version < then->next_version && !stream_has_version(then, e->version);
}

/* A group's first pending entry that exists, among all that come behind what is known to be gone;
 * at most so many are looked at. *e NULL: there is none. false: *e is where to go on. */
static bool find_existing(const struct stream *s, const struct stream *then,
                          const struct pending *p, size_t *most, const struct pending_entry **e) {
    struct pending_cursor at = pending_seek(p, PENDING_ALL, p->gone);
    while ((*e = pending_next(&at)) != NULL && is_gone(s, then, *e))
        if ((*most)-- == 0) return false;
    return true;
}

/* A version below which nothing is pending that exists: the first that is, when that is found by
 * looking at no more than a turn's; next_version when none is. */
static uint64_t first_pending(const struct stream *s) {
    uint64_t first = s->next_version;
    size_t most = PASSED_A_TURN;
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++) {
        const struct pending_entry *e;
        bool found = find_existing(s, s, &s->extra->groups[i]->pending, &most, &e);
        if (e != NULL) first = MIN(first, e->version);
        if (!found && e->version >= s->next_version) return stream_first_version(s);
        if (!found) most = 0;
    }
    return first;
}

/* What is pending and gone stays so, unless the running transaction has removed it: the groups note
 * how far they have been looked through, for those who come next. Behind a removal of the same
 * transaction that is what was gone when everything was durable, a turn's at the most: EXEC does
 * not wait for the rest. false: the command goes on in the next turn. */
static bool pass_gone(struct client *c, struct stream *s) {
    struct model *m = &c->srv->model;
    bool keeps = blocking_keeps_progress(c);
    struct stream *then = keeps ? s : model_stream_at(m, s, model_settled(m));
    size_t most = PASSED_A_TURN;
    if (then->state != STREAM_LIVE || stream_origin(then) != s) return true; /* it was renamed */
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++) {
        struct pending *p = &s->extra->groups[i]->pending;
        const struct pending_entry *e;
        bool all = find_existing(s, then, p, &most, &e);
        p->gone = e != NULL ? e->id : ENTRY_ID_MAX;
        if (all) continue;
        if (keeps) client_next_turn(c);
        return !keeps;
    }
    return true;
}

/* ---- entries one by one ---- */

/* How far they may be removed: with MAXLEN, anywhere, until there are few enough. */
static uint64_t singles_end(const struct client *c, const struct trim *t) {
    if (t->args->kind == TRIM_MAXLEN && !t->args->approximate) return t->acked_end;
    return MIN(t->acked_end, trim_threshold(c, t));
}

/* How many entries may go. */
static uint64_t most_to_go(const struct trim *t, bool add) {
    if (t->args->kind != TRIM_MAXLEN || t->args->approximate) return UINT64_MAX;
    uint64_t length = stream_length(t->stream) + add;
    return length - MIN(length, t->args->max_len);
}

struct note_swept {
    struct undo undo;
    struct stream *stream;
    uint64_t before;
};

static void sweep_goes_back(struct model *m, struct undo *u) {
    const struct note_swept *note = CONTAINER_OF(u, struct note_swept, undo);
    UNUSED(m);
    if (note->stream->extra != NULL) note->stream->extra->swept = note->before;
}

static void set_swept(struct model *m, struct stream *s, uint64_t version) {
    struct note_swept *note = model_note(m, sizeof *note, sweep_goes_back);
    if (note != NULL) {
        note->stream = s;
        note->before = s->extra->swept;
    }
    s->extra->swept = version;
}

/* The lowest version that has ceased to be pending since this was asked last, but for those that a
 * group's pending entries began with: when it is the only group, they are at the front. */
static uint64_t lowest_acknowledged(struct stream_extra *x) {
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < x->group_count; i++) {
        struct pending *p = &x->groups[i]->pending;
        lowest = MIN(lowest, p->removed_behind);
        if (x->group_count > 1) lowest = MIN(lowest, p->removed_first);
        p->removed_first = p->removed_behind = UINT32_MAX;
    }
    return lowest;
}

/* Where the sweep goes on. At its end it begins again, if there is something that it has passed. */
static uint64_t sweep_from(struct stream_extra *x, uint64_t first, uint64_t end) {
    if (x->swept >= end) {
        uint64_t lowest = lowest_acknowledged(x);
        x->swept = MIN(x->swept, lowest);
    }
    return MAX(x->swept, first);
}

bool acked_require(struct client *c, struct trim *t) {
    struct stream *s = t->stream;
    bool in_exec = c->srv->exec.client == c;
    size_t most = t->adds ? LOOKED_BY_AN_ADD : LOOKED_A_TURN;
    if (!pass_gone(c, s)) return false;
    t->acked = delivered_to_all(s);
    struct entry_id beyond = t->acked;
    t->acked_end = s->next_version;
    if (entry_id_next(&beyond) && !need_entry(c, s, beyond, &t->acked_end)) return false;
    uint64_t first = first_pending(s) + 1, end = singles_end(c, t);
    if (first >= end || most_to_go(t, t->adds) == 0) return true;
    t->sweeps = (t->adds || in_exec) && end - first > most;
    uint64_t from = t->sweeps ? sweep_from(s->extra, first, end) : MAX(first, c->wait.at);
    if (from >= end) return true;
    t->candidates_end = end;
    t->candidates = (struct read){.stream = s,
                                  .start = from,
                                  .end = end - 1,
                                  .count = most,
                                  .horizon = UINT64_MAX,
                                  .heads = true,
                                  .goes_on = true};
    return need_read(c, &t->candidates);
}

bool acked_has_more(const struct trim *t) {
    return !t->adds && t->candidates.has_more;
}

static uint64_t remove_singles(struct client *c, struct trim *t, uint64_t most) {
    struct read *r = &t->candidates;
    uint64_t next = r->has_more ? r->next : t->candidates_end;
    size_t n = 0;
    for (size_t i = 0; i < r->found && r->events[i]->rec.version < next; i++) {
        if (entry_is_pending(t->stream, event_entry_id(r->events[i]))) continue;
        if (n < most)
            r->events[n++] = r->events[i];
        else
            next = r->events[i]->rec.version; /* which may go another time */
    }
    if (t->sweeps) set_swept(&c->srv->model, t->stream, next);
    if (n > 0) model_remove(&c->srv->model, t->stream, r->events, n);
    return n;
}

uint64_t acked_apply(struct client *c, struct trim *t) {
    struct stream *s = t->stream;
    uint64_t end = trim_threshold(c, t);
    /* What was added since is acknowledged when a group stands beyond it already. */
    if (t->acked_end == t->known_end && entry_id_cmp(stream_last_id(s), t->acked) <= 0)
        t->acked_end = s->next_version;
    uint64_t front = MIN(MIN(end, t->acked_end), first_pending(s));
    uint64_t gone = model_trim(&c->srv->model, s, front);
    if (front == end || t->candidates.stream == NULL) return gone;
    return gone + remove_singles(c, t, most_to_go(t, false));
}
