/* XDEL, XDELEX: removing single entries by id. */
#include "base/alloc.h"
#include "server/command/protect.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/family.h"
#include "commands/stream/shared.h"
#include "commands/stream/trim.h"

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

/* The stream of a key that may lose entries. */
static bool stream_or_reply(struct client *c, struct str name, struct stream **s,
                            enum outcome *outcome) {
    *outcome = REPLIED;
    return !protected_or_reply(c, name) && xkey_or_reply(c, name, s, outcome);
}

/* XDEL key id [id ...] */
enum outcome cmd_xdel(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome;
    size_t n = r->argc - 2;
    if (!stream_or_reply(c, r->argv[1], &s, &outcome)) return outcome;
    if (s->state == STREAM_ABSENT) { /* the ids are not looked at, as in Redis */
        reply_int(c, 0);
        return REPLIED;
    }
    struct entry_id *ids = xmalloc(n * sizeof *ids);
    struct event **events = xmalloc(n * sizeof *events);
    for (size_t i = 0; i < n; i++)
        if (!xarg_id_or_reply(c, r->argv[2 + i], 0, &ids[i])) goto out;
    if (!need_entries(c, s, ids, n, true, events)) {
        outcome = PARKED;
        goto out;
    }
    size_t *first = find_repeated(events, n);
    for (size_t i = 0; i < n; i++)
        if (first[i] != i) events[i] = NULL;
    free(first);
    size_t found = entries_remove(&c->srv->model, s, events, n);
    if (found > 0) notify(c->srv, NOTIFY_STREAM, "xdel", r->argv[1]);
    client_commit(c);
    reply_int(c, (int64_t)found);
out:
    free(ids);
    free(events);
    return outcome;
}

/* ---- XDELEX ---- */

enum { DELETED = 1, NOT_FOUND = -1, STILL_REFERENCED = 2 };

/* Decides what becomes of each id; events[i] is NULL afterwards for what stays. */
static void decide(struct client *c, struct stream *s, const struct entry_id *ids,
                   struct event **events, int *results, size_t n, enum refs refs) {
    size_t *first = find_repeated(events, n);
    for (size_t i = 0; i < n; i++) {
        results[i] = events[i] != NULL ? DELETED : NOT_FOUND;
        if (first[i] != i)
            results[i] = results[first[i]] == DELETED ? NOT_FOUND : results[first[i]];
        else if (refs == REFS_ACKED && entry_referenced(s, ids[i]))
            results[i] = STILL_REFERENCED; /* also one that is gone */
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
        if (entries_remove(&c->srv->model, s, events, n) > 0)
            notify(c->srv, NOTIFY_STREAM, "xdel", stream_name_str(s->name));
        if (refs != REFS_KEEP) stream_note_unreferenced(&c->srv->model, s);
    }
    client_commit(c);
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
    struct entry_id *ids = xargs_refs_or_reply(c, r, 2, &refs, &n);
    if (ids == NULL) return REPLIED;
    struct event **events = xcalloc(n, sizeof *events);
    if (stream_or_reply(c, r->argv[1], &s, &outcome)) {
        if (s->state == STREAM_ABSENT || need_entries(c, s, ids, n, true, events))
            delete_and_reply(c, s, ids, events, n, refs);
        else
            outcome = PARKED;
    }
    free(ids);
    free(events);
    return outcome;
}
