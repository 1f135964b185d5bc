/* XACK, XACKDEL, XNACK: what becomes of entries that a consumer has dealt with, or could not. */
#include "base/alloc.h"
#include "server/command/protect.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/family.h"
#include "commands/stream/shared.h"
#include "commands/stream/trim.h"

/* XACK key group id [id ...] */
enum outcome cmd_xack(struct client *c, const struct request *r) {
    struct stream *s;
    enum outcome outcome;
    struct entry_id id;
    size_t n = r->argc - 3;
    int64_t acked = 0;
    if (!xkey_or_reply(c, r->argv[1], &s, &outcome)) return outcome;
    struct cgroup *g = cgroup_find(s, r->argv[2]);
    if (g == NULL) { /* the ids are not looked at, as in Redis */
        reply_int(c, 0);
        return REPLIED;
    }
    if (!fits_frame_or_reply(c, n * sizeof id)) return REPLIED;
    for (size_t i = 0; i < n; i++)
        if (!xarg_id_or_reply(c, r->argv[3 + i], 0, &id)) return REPLIED;
    for (size_t i = 0; i < n; i++)
        acked += xarg_id(r->argv[3 + i], 0, &id) && cgroup_ack(&c->srv->model, g, id);
    client_commit(c);
    reply_int(c, acked);
    return REPLIED;
}

/* ---- XACKDEL ---- */

enum { NOT_PENDING = -1, DELETED = 1, STILL_REFERENCED = 2 };

/* The entries of ids that are pending, as far as they exist. */
static bool need_pending_entries(struct client *c, const struct cgroup *g,
                                 const struct entry_id *ids, size_t n, struct event **out) {
    uint64_t *versions = xmalloc(n * sizeof *versions);
    for (size_t i = 0; i < n; i++) {
        const struct pending_entry *e = pending_find(&g->pending, ids[i]);
        versions[i] = e != NULL ? e->version : NO_VERSION;
    }
    bool known = entries_at(c, g->stream, c->view, versions, n, true, out);
    free(versions);
    return known;
}

/* Acknowledges, and decides what becomes of each id; events[i] is NULL afterwards for what stays.
 */
static void decide(struct model *m, struct cgroup *g, const struct entry_id *ids,
                   struct event **events, int *results, size_t n, enum refs refs) {
    for (size_t i = 0; i < n; i++) {
        results[i] = cgroup_ack(m, g, ids[i]) ? DELETED : NOT_PENDING;
        if (results[i] == DELETED && refs == REFS_DELETE) entry_unreference(m, g->stream, ids[i]);
        if (results[i] == DELETED && refs == REFS_ACKED && entry_referenced(g->stream, ids[i]))
            results[i] = STILL_REFERENCED;
        if (results[i] != DELETED) events[i] = NULL;
    }
}

static void ack_and_delete(struct client *c, struct cgroup *g, const struct entry_id *ids,
                           struct event **events, size_t n, enum refs refs) {
    struct model *m = &c->srv->model;
    int *results = xmalloc(n * sizeof *results);
    decide(m, g, ids, events, results, n, refs);
    entries_remove(m, g->stream, events, n);
    if (refs != REFS_KEEP) stream_note_unreferenced(m, g->stream);
    client_commit(c);
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) reply_int(c, results[i]);
    free(results);
}

static enum outcome run_ackdel(struct client *c, const struct request *r,
                               const struct entry_id *ids, size_t n, enum refs refs) {
    struct stream *s;
    enum outcome outcome;
    if (protected_or_reply(c, r->argv[1])) return REPLIED;
    if (!xkey_or_reply(c, r->argv[1], &s, &outcome)) return outcome;
    struct cgroup *g = cgroup_find(s, r->argv[2]);
    if (g == NULL) {
        reply_array(c, n);
        for (size_t i = 0; i < n; i++) reply_int(c, NOT_PENDING);
        return REPLIED;
    }
    size_t groups = refs == REFS_DELETE ? s->extra->group_count : 1;
    if (!fits_frame_or_reply(c,
                             n * (groups * sizeof(struct ack_record) +
                                  groups * sizeof(struct entry_id) + sizeof(struct removed_event))))
        return REPLIED;
    struct event **events = xmalloc(n * sizeof(struct event *));
    if (need_pending_entries(c, g, ids, n, events))
        ack_and_delete(c, g, ids, events, n, refs);
    else
        outcome = PARKED;
    free(events);
    return outcome;
}

/* XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...] */
enum outcome cmd_xackdel(struct client *c, const struct request *r) {
    enum refs refs;
    size_t n;
    struct entry_id *ids = xargs_refs_or_reply(c, r, 3, &refs, &n);
    if (ids == NULL) return REPLIED;
    enum outcome outcome = run_ackdel(c, r, ids, n, refs);
    free(ids);
    return outcome;
}

/* ---- XNACK ---- */

enum nack { NACK_SILENT, NACK_FAIL, NACK_FATAL };

struct nack_args {
    enum nack mode;
    int64_t deliveries; /* RETRYCOUNT; -1: not given */
    bool force;
    struct entry_id *ids; /* NULL: not given yet */
    size_t n;
};

static bool parse_mode(struct client *c, struct str arg, enum nack *mode) {
    if (arg_is(arg, STR("SILENT")))
        *mode = NACK_SILENT;
    else if (arg_is(arg, STR("FAIL")))
        *mode = NACK_FAIL;
    else if (arg_is(arg, STR("FATAL")))
        *mode = NACK_FATAL;
    else {
        reply_error(c, "ERR mode must be SILENT, FAIL, or FATAL");
        return false;
    }
    return true;
}

/* IDS numids id [id ...] at argv[*at], which moves to the last id. */
static bool parse_nack_ids(struct client *c, const struct request *r, size_t *at,
                           struct nack_args *a) {
    int64_t n;
    size_t left = r->argc - *at - 2;
    if (!xarg_i64(r->argv[*at + 1], &n) || n <= 0) {
        reply_error(c, "ERR numids must be a positive integer");
        return false;
    }
    if ((uint64_t)n > left) {
        reply_error(c, "ERR number of IDs doesn't match numids");
        return false;
    }
    free(a->ids);
    a->n = (size_t)n;
    a->ids = xmalloc(a->n * sizeof *a->ids);
    for (size_t i = 0; i < a->n; i++)
        if (!xarg_id_or_reply(c, r->argv[*at + 2 + i], 0, &a->ids[i])) return false;
    *at += 1 + a->n;
    return true;
}

static bool parse_nack(struct client *c, const struct request *r, struct nack_args *a) {
    *a = (struct nack_args){.deliveries = -1};
    if (!parse_mode(c, r->argv[3], &a->mode)) return false;
    for (size_t at = 4; at < r->argc; at++) {
        struct str arg = r->argv[at];
        bool more = at + 1 < r->argc;
        if (more && arg_is(arg, STR("IDS"))) {
            if (!parse_nack_ids(c, r, &at, a)) return false;
        } else if (more && arg_is(arg, STR("RETRYCOUNT"))) {
            if (!xarg_i64_or_reply(c, r->argv[++at], &a->deliveries)) return false;
            if (a->deliveries >= 0) continue;
            reply_error(c, "ERR Invalid RETRYCOUNT value, must be >= 0");
            return false;
        } else if (arg_is(arg, STR("FORCE"))) {
            a->force = true;
        } else {
            reply_error(c, "ERR Unrecognized XNACK option '" STR_FMT "'", STR_ARG(arg));
            return false;
        }
    }
    if (a->ids == NULL) reply_error(c, "ERR syntax error, expected IDS keyword");
    return a->ids != NULL;
}

/* The count of an entry that was delivered so often. */
static uint32_t nacked_count(const struct nack_args *a, uint32_t deliveries) {
    if (a->deliveries >= 0) return deliveries_given(a->deliveries);
    switch (a->mode) {
    case NACK_SILENT:
        return deliveries > 0 && deliveries < DELIVERIES_MAX ? deliveries - 1 : deliveries;
    case NACK_FAIL:
        return deliveries;
    case NACK_FATAL:
        return DELIVERIES_MAX;
    }
    return deliveries;
}

/* FORCE: the entries of ids that are not pending. */
static bool need_others(struct client *c, const struct cgroup *g, const struct nack_args *a,
                        struct event **out) {
    bool known = true, is_virtual = stream_is_virtual(g->stream);
    if (a->force && is_virtual)
        return need_selected(c, stream_name_str(g->stream->name), a->ids, a->n, out);
    for (size_t i = 0; i < a->n; i++) {
        out[i] = NULL;
        if (!a->force || pending_find(&g->pending, a->ids[i]) != NULL) continue;
        known = need_entries(c, g->stream, &a->ids[i], 1, true, &out[i]) && known;
    }
    return known;
}

static int64_t nack_all(struct model *m, struct cgroup *g, const struct nack_args *a,
                        struct event *const *others) {
    int64_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct pending_entry *e = pending_find(&g->pending, a->ids[i]);
        if (e != NULL)
            cgroup_release(m, g, e, nacked_count(a, e->deliveries));
        else if (others[i] != NULL)
            cgroup_pend(m, g, a->ids[i], pending_version(g, others[i]), NULL, 0,
                        nacked_count(a, 0));
        else
            continue;
        n++;
    }
    return n;
}

static enum outcome run_nack(struct client *c, const struct request *r, struct cgroup *g,
                             const struct nack_args *a) {
    if (!fits_frame_or_reply(c, a->n * sizeof(struct pending_item))) return REPLIED;
    struct event **others = xmalloc(a->n * sizeof(struct event *));
    bool known = need_others(c, g, a, others);
    if (known) {
        int64_t n = nack_all(&c->srv->model, g, a, others);
        client_commit(c);
        if (n > 0) blocking_key_changed(c->srv, r->argv[1]);
        reply_int(c, n);
    }
    free(others);
    return known ? REPLIED : PARKED;
}

/* XNACK key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE] */
enum outcome cmd_xnack(struct client *c, const struct request *r) {
    struct cgroup *g;
    struct nack_args a;
    enum outcome outcome;
    if (!xgroup_or_reply(c, r->argv[1], r->argv[2], &g, &outcome)) return outcome;
    if (parse_nack(c, r, &a)) outcome = run_nack(c, r, g, &a);
    free(a.ids);
    return outcome;
}
