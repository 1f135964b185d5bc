/* XDEL, XDELEX: removing single entries by id. */
#include "base/alloc.h"
#include "server/commands.h"
#include "server/need.h"
#include "server/protect.h"
#include "server/server.h"
#include "server/trim.h"
#include "stream/remove.h"

/* The entries with these ids, NULL for those that do not exist. false: they have to be loaded. */
static bool need_entries(struct client *c, struct stream *s, const struct entry_id *ids, size_t n,
                         struct event **out) {
    bool all = true;
    for (size_t i = 0; i < n; i++) {
        uint64_t version;
        out[i] = NULL;
        if (!need_entry(c, s, ids[i], &version) || !need_version(c, s, version, &out[i]))
            all = false;
        else if (out[i] != NULL && entry_id_cmp(event_entry_id(out[i]), ids[i]) != 0)
            out[i] = NULL;
    }
    return all;
}

struct place {
    const struct event *event;
    size_t index; /* of its id among the arguments */
};

static int by_version(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->event->rec.version != y->event->rec.version)
        return x->event->rec.version < y->event->rec.version ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* For each id that stands again the index of the first time, else its own. */
static size_t *find_repeated(struct event *const *events, size_t n) {
    struct place *places = xmalloc(n * sizeof *places);
    size_t *first = xmalloc(n * sizeof *first), found = 0;
    for (size_t i = 0; i < n; i++) {
        first[i] = i;
        if (events[i] != NULL) places[found++] = (struct place){events[i], i};
    }
    if (found > 1) qsort(places, found, sizeof *places, by_version);
    for (size_t i = 1; i < found; i++)
        if (places[i].event->rec.version == places[i - 1].event->rec.version)
            first[places[i].index] = first[places[i - 1].index];
    free(places);
    return first;
}

static int event_by_version(const void *a, const void *b) {
    const struct event *const *x = a, *const *y = b;
    return (*x)->rec.version < (*y)->rec.version ? -1 : 1;
}

/* Removes those that are not NULL, each of which stands once. Returns how many. */
static size_t remove_all(struct client *c, struct stream *s, struct event **events, size_t n) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        if (events[i] != NULL) events[found++] = events[i];
    if (found > 1) qsort(events, found, sizeof *events, event_by_version);
    if (found > 0) model_remove(&c->srv->model, s, events, found);
    return found;
}

static void commit(struct client *c, struct stream *s) {
    uint64_t frame = model_commit(&c->srv->model);
    if (frame != 0) c->last_frame = frame;
    client_gate(c, MAX(frame, s->last_frame)); /* groups matter too: ACKED */
}

/* The stream of a key that must be none other, or absent. false: not known yet (*outcome PARKED),
 * or replied. */
static bool stream_or_reply(struct client *c, struct str name, struct stream **s,
                            enum outcome *outcome) {
    *outcome = REPLIED;
    if (!arg_stream_or_reply(c, name) || protected_or_reply(c, name)) return false;
    if (!need_stream(c, name, s)) {
        *outcome = PARKED;
        return false;
    }
    if (!stream_is_string(*s)) return true;
    client_gate(c, (*s)->changed_frame);
    reply_wrong_type(c);
    return false;
}

/* XDEL key id [id ...] */
enum outcome cmd_xdel(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome;
    size_t n = r->argc - 2;
    if (!stream_or_reply(c, r->argv[1], &s, &outcome)) return outcome;
    if (s->state == STREAM_ABSENT) { /* the ids are not looked at, as in Redis */
        client_gate(c, s->changed_frame);
        reply_int(c, 0);
        return REPLIED;
    }
    struct entry_id *ids = xmalloc(n * sizeof *ids);
    struct event **events = xmalloc(n * sizeof *events);
    for (size_t i = 0; i < n; i++)
        if (!xarg_id_or_reply(c, r->argv[2 + i], 0, &ids[i])) goto out;
    if (!need_entries(c, s, ids, n, events)) {
        outcome = PARKED;
        goto out;
    }
    size_t *first = find_repeated(events, n);
    for (size_t i = 0; i < n; i++)
        if (first[i] != i) events[i] = NULL;
    free(first);
    size_t found = remove_all(c, s, events, n);
    commit(c, s);
    reply_int(c, (int64_t)found);
out:
    free(ids);
    free(events);
    return outcome;
}

/* ---- XDELEX ---- */

enum { DELETED = 1, NOT_FOUND = -1, STILL_REFERENCED = 2 };

/* [KEEPREF | DELREF | ACKED] IDS numids id [id ...], in either order. */
static struct entry_id *parse_xdelex(struct client *c, const struct request *r, enum refs *refs,
                                     size_t *n) {
    struct entry_id *ids = NULL;
    bool refs_given = false;
    *refs = REFS_KEEP;
    for (size_t at = 2; at < r->argc;) {
        if (!refs_given && xarg_refs(r->argv[at], refs)) {
            refs_given = true;
            at++;
        } else if (ids == NULL && arg_is(r->argv[at], STR("IDS"))) {
            ids = xarg_ids_or_reply(c, r, at, n, &at);
            if (ids == NULL) return NULL;
        } else {
            free(ids);
            reply_syntax_error(c);
            return NULL;
        }
    }
    if (ids == NULL) reply_syntax_error(c);
    return ids;
}

/* Decides what becomes of each id; events[i] is NULL afterwards for what stays. */
static void decide(struct client *c, struct stream *s, const struct entry_id *ids,
                   struct event **events, int *results, size_t n, enum refs refs) {
    size_t *first = find_repeated(events, n);
    for (size_t i = 0; i < n; i++) {
        bool deletes = events[i] != NULL;
        results[i] = deletes ? DELETED : NOT_FOUND;
        if (first[i] != i)
            results[i] = results[first[i]] == DELETED ? NOT_FOUND : results[first[i]];
        else if (deletes && refs == REFS_ACKED && entry_referenced(s, ids[i]))
            results[i] = STILL_REFERENCED;
        if (first[i] != i || results[i] != DELETED) events[i] = NULL;
        if (refs == REFS_DELETE) entry_unreference(&c->srv->model, s, ids[i]);
    }
    free(first);
}

static void delete_and_reply(struct client *c, struct stream *s, const struct entry_id *ids,
                             struct event **events, size_t n, enum refs refs) {
    int *results = xmalloc(n * sizeof *results);
    if (s->state == STREAM_LIVE) {
        decide(c, s, ids, events, results, n, refs);
        remove_all(c, s, events, n);
    }
    commit(c, s);
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) reply_int(c, s->state == STREAM_LIVE ? results[i] : NOT_FOUND);
    free(results);
}

/* XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...] */
enum outcome cmd_xdelex(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome = REPLIED;
    enum refs refs;
    size_t n;
    struct entry_id *ids = parse_xdelex(c, r, &refs, &n);
    if (ids == NULL) return REPLIED;
    struct event **events = xcalloc(n, sizeof *events);
    if (stream_or_reply(c, r->argv[1], &s, &outcome)) {
        if (s->state == STREAM_ABSENT || need_entries(c, s, ids, n, events))
            delete_and_reply(c, s, ids, events, n, refs);
        else
            outcome = PARKED;
    }
    free(ids);
    free(events);
    return outcome;
}
