/* See trim.h. A stream loses versions from its front, which costs the same however many they are.
 * Only ACKED may have to take entries from the middle (trim_acked.h). */
#include "commands/stream/trim.h"

#include "base/alloc.h"
#include "base/heap.h"
#include "stream/gone/remove.h"
#include "stream/group/cgroup.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/stream/trim_acked.h"

#define REFERENCES_A_TURN 20000 /* some milliseconds */
#define REFERENCE_BYTES   64    /* in a frame, at most: the first of a group has a record's head */
#define TRIM_BYTES        256   /* beside them: how far the entries went */

/* ---- single entries ---- */

static int event_by_version(const void *a, const void *b) {
    const struct event *const *x = a, *const *y = b;
    return (*x)->rec.version < (*y)->rec.version ? -1 : 1;
}

size_t entries_remove(struct model *m, struct stream *s, struct event **events, size_t n) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL) events[found++] = events[i];
    if (found > 1) qsort(events, found, sizeof *events, event_by_version);
    if (found > 0) model_remove(m, s, events, found);
    return found;
}

bool entry_is_pending(const struct stream *s, struct entry_id id) {
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++)
        if (pending_find(&s->extra->groups[i]->pending, id) != NULL) return true;
    return false;
}

bool entry_referenced(const struct stream *s, struct entry_id id) {
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++)
        if (entry_id_cmp(id, s->extra->groups[i]->last) > 0) return true;
    return entry_is_pending(s, id);
}

void entry_unreference(struct model *m, struct stream *s, struct entry_id id) {
    if (s->extra == NULL) return;
    for (uint32_t i = 0; i < s->extra->group_count; i++) cgroup_ack(m, s->extra->groups[i], id);
}

/* ---- how far ---- */

/* How many entries there are in versions [first_version, end). */
static uint64_t entries_below(const struct stream *s, uint64_t end) {
    uint64_t first = stream_first_version(s);
    if (end <= first) return 0;
    return end - first - (s->extra != NULL ? holes_between(&s->extra->holes, first, end) : 0);
}

/* `~`: whole nodes, as many as the limit allows, of which the command's earlier turns have had
 * some. Redis keeps entries in nodes of so many; ours are imagined, by version. */
static uint64_t whole_nodes(const struct client *c, const struct stream *s, uint64_t end,
                            uint64_t limit) {
    uint64_t size = c->srv->config.stream_node_max_entries;
    if (size == 0) size = UINT64_MAX;
    bool all = end == s->next_version;
    uint64_t high = end / size; /* as many nodes from version 0 on */
    uint64_t most = limit == 0 ? UINT64_MAX : limit - MIN(limit, c->wait.so_far);
    if (entries_below(s, end) <= most) return all ? end : high * size;
    uint64_t low = stream_first_version(s) / size;
    while (low < high) { /* the most of them that are within the limit */
        uint64_t mid = low + (high - low + 1) / 2;
        if (entries_below(s, mid * size) <= most)
            low = mid;
        else
            high = mid - 1;
    }
    return low * size;
}

/* The first version that stays as far as the threshold says. */
uint64_t trim_threshold(const struct client *c, const struct trim *t) {
    const struct stream *s = t->stream;
    uint64_t end;
    if (t->args->kind == TRIM_MAXLEN)
        end = model_trim_point(s, t->args->max_len);
    else if (t->min_version < t->known_end || s->next_version == t->known_end ||
             entry_id_cmp(stream_last_id(s), t->args->min_id) >= 0)
        end = t->min_version;
    else /* added since, and below MINID too */
        end = s->next_version;
    return t->args->approximate ? whole_nodes(c, s, end, t->args->limit) : end;
}

/* ---- references ---- */

/* What DELREF takes along: the references to all that is below the first entry that stays, whether
 * it goes now or was gone before. One that came with RESTORE when its entry was gone has a version
 * that no event has: it is judged by its id. So what is taken is the beginning of a group's
 * references, and nobody looks beyond it. */
struct taken {
    uint64_t version; /* of the first entry that stays; next_version: none does */
    struct entry_id id;
    uint64_t below; /* and of these only what stands below this version */
};

static uint64_t first_that_stays(const struct client *c, const struct trim *t) {
    const struct stream *s = t->stream;
    uint64_t end = trim_threshold(c, t);
    return MIN(s->extra != NULL ? holes_skip(&s->extra->holes, end) : end, s->next_version);
}

/* Its id is what was required, at least, when its event is not in memory. */
static struct taken what_goes(const struct client *c, const struct trim *t) {
    const struct stream *s = t->stream;
    struct taken w = {.version = first_that_stays(c, t), .id = t->stays, .below = UINT64_MAX};
    if (w.version < s->next_version && w.version >= stream_tail_first(s))
        w.id = event_entry_id(stream_event(s, w.version));
    return w;
}

static bool goes(const struct stream *s, const struct pending_entry *e, const struct taken *w) {
    if (w->version == s->next_version) return true;
    return e->version < s->next_version ? e->version < w->version : entry_id_cmp(e->id, w->id) < 0;
}

/* Goes through a group's references. Each stands at its entry's version, or where the one before it
 * does, when that is higher or its entry has none. */
struct walk {
    struct heap_node node; /* by the version where the next one stands */
    struct pending_cursor at;
    uint64_t version;
};

static struct walk walk_begin(const struct stream *s, uint32_t group) {
    const struct pending *p = &s->extra->groups[group]->pending;
    return (struct walk){.at = pending_seek(p, PENDING_ALL, ENTRY_ID_MIN)};
}

static const struct pending_entry *walk_next(const struct stream *s, struct walk *k,
                                             const struct taken *w) {
    const struct pending_entry *e = pending_next(&k->at);
    if (e == NULL || !goes(s, e, w)) return NULL;
    if (e->version < s->next_version) k->version = MAX(k->version, e->version);
    return k->version < w->below ? e : NULL;
}

/* How many references go, counted up to `most`. */
static size_t references_that_go(const struct stream *s, const struct taken *w, size_t most) {
    size_t n = 0;
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++) {
        struct walk k = walk_begin(s, i);
        while (n < most && walk_next(s, &k, w) != NULL) n++;
    }
    return n;
}

/* `most` of them at most. Returns whether there were any. */
static bool take_references(struct model *m, struct stream *s, const struct taken *w, size_t most) {
    size_t left = most;
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++) {
        struct walk k = walk_begin(s, i);
        const struct pending_entry *e;
        for (; left > 0 && (e = walk_next(s, &k, w)) != NULL; left--)
            cgroup_ack(m, s->extra->groups[i], e->id);
    }
    return left < most;
}

static void walk_on(const struct stream *s, struct heap *heap, struct walk *k,
                    const struct taken *w) {
    if (walk_next(s, k, w) != NULL)
        heap_set(heap, &k->node, k->version);
    else
        heap_remove(heap, &k->node);
}

/* The version below which the references to all versions, in all groups, are `most` at most;
 * UINT64_MAX: all that go are. When already those to the first one are more, it is the next
 * version. */
static uint64_t end_of_most(const struct stream *s, const struct taken *w, size_t most) {
    uint32_t n = s->extra->group_count;
    struct walk *walks = xmalloc(n * sizeof *walks);
    struct heap heap = {0};
    struct heap_node *first;
    for (uint32_t i = 0; i < n; i++) {
        walks[i] = walk_begin(s, i);
        walk_on(s, &heap, &walks[i], w);
    }
    uint64_t begin = (first = heap_first(&heap)) != NULL ? first->key : 0;
    for (; most > 0 && (first = heap_first(&heap)) != NULL; most--)
        walk_on(s, &heap, CONTAINER_OF(first, struct walk, node), w);
    first = heap_first(&heap);
    uint64_t end = first != NULL ? MAX(first->key, begin + 1) : UINT64_MAX;
    heap_clear(&heap);
    free(walks);
    return end;
}

/* Whether those that are known to go may be followed by one whose id decides: of more than a turn's
 * nobody knows. */
static bool has_undecided(const struct stream *s, uint64_t version) {
    const struct taken known = {.version = version, .id = ENTRY_ID_MIN};
    size_t left = REFERENCES_A_TURN;
    for (uint32_t i = 0; i < s->extra->group_count; i++) {
        struct pending_cursor at =
            pending_seek(&s->extra->groups[i]->pending, PENDING_ALL, ENTRY_ID_MIN);
        const struct pending_entry *e;
        for (; (e = pending_next(&at)) != NULL && goes(s, e, &known); left--)
            if (left == 0) return true;
        if (e != NULL && e->version >= s->next_version) return true;
    }
    return false;
}

static bool require_first_that_stays(struct client *c, struct trim *t) {
    struct stream *s = t->stream;
    uint64_t version = first_that_stays(c, t);
    struct event *e;
    if (version >= stream_tail_first(s) || s->extra == NULL || !has_undecided(s, version))
        return true;
    if (!need_version_head(c, s, version, &e)) return false;
    if (e != NULL) t->stays = event_entry_id(e);
    return true;
}

/* ---- all together ---- */

bool trim_require(struct client *c, struct trim *t, struct stream *s, const struct trim_args *args,
                  bool adds) {
    *t = (struct trim){.args = args, .stream = s, .adds = adds, .known_end = s->next_version};
    if (args->kind == TRIM_NONE || s->state != STREAM_LIVE) return true;
    if (args->kind != TRIM_MAXLEN && !need_entry(c, s, args->min_id, &t->min_version)) return false;
    if (args->refs == REFS_DELETE) return require_first_that_stays(c, t);
    return args->refs != REFS_ACKED || acked_require(c, t);
}

/* How many references one turn takes, and one frame beside so many other bytes. */
static size_t references_a_turn(const struct client *c, size_t beside) {
    size_t max = store_frame_max(c->srv->store);
    return MIN((max - MIN(max, beside + TRIM_BYTES)) / REFERENCE_BYTES, (size_t)REFERENCES_A_TURN);
}

bool trim_takes_many(const struct client *c, const struct trim *t, size_t beside) {
    const struct stream *s = t->stream;
    if (t->args->kind == TRIM_NONE || t->args->refs == REFS_KEEP || s->state != STREAM_LIVE)
        return false;
    if (c->srv->exec.client == c) return false; /* which is one frame, and bounded by that */
    if (t->args->refs == REFS_ACKED) return acked_has_more(t);
    size_t most = references_a_turn(c, beside);
    const struct taken w = what_goes(c, t);
    return references_that_go(s, &w, most + 1) > most;
}

/* A portion of the references, and their entries. The frame may be the last one: an entry that
 * stays has all of its references. (What is gone may have some left, as with KEEPREF.) */
static uint64_t trim_portion(struct client *c, const struct trim *t) {
    struct model *m = &c->srv->model;
    struct stream *s = t->stream;
    size_t most = references_a_turn(c, 0);
    struct taken w = what_goes(c, t);
    w.below = end_of_most(s, &w, most);
    uint64_t end = MIN(w.below, trim_threshold(c, t));
    take_references(m, s, &w, most);
    return end > stream_first_version(s) ? model_trim(m, s, end) : 0;
}

enum outcome trim_take_some(struct client *c, struct trim *t) {
    if (t->args->refs == REFS_ACKED) {
        c->wait.so_far += acked_apply(c, t);
        c->wait.at = t->candidates.next;
    } else {
        c->wait.so_far += trim_portion(c, t);
    }
    stream_note_unreferenced(&c->srv->model, t->stream);
    client_commit(c);
    if (c->need != NULL) need_finish(c); /* the next turn looks elsewhere */
    client_next_turn(c);
    return PARKED;
}

uint64_t trim_apply(struct client *c, struct trim *t) {
    struct model *m = &c->srv->model;
    struct stream *s = t->stream;
    bool unreferenced = false;
    uint64_t gone;
    if (t->args->kind == TRIM_NONE || s->state != STREAM_LIVE) return 0;
    uint64_t end = trim_threshold(c, t);
    if (t->args->refs == REFS_DELETE) {
        const struct taken w = what_goes(c, t);
        unreferenced = take_references(m, s, &w, SIZE_MAX);
    }
    if (t->args->refs == REFS_ACKED)
        gone = acked_apply(c, t);
    else
        gone = end > stream_first_version(s) ? model_trim(m, s, end) : 0;
    if (unreferenced || (gone > 0 && t->args->refs != REFS_KEEP)) stream_note_unreferenced(m, s);
    return gone;
}

void trim_clear(struct trim *t) {
    read_clear(&t->candidates);
}
