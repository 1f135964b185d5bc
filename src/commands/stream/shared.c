/* See shared.h. */
#include "commands/stream/shared.h"

#include "base/alloc.h"
#include "server/command/virtual.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/event/used_view.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/log_read.h"

#define FRAME_OVERHEAD 4096 /* heads of records, names, what commands change beside */

/* ---- keys and groups ---- */

/* A virtual stream that is a view's can be used while the view is there. */
static bool view_is_there_or_reply(struct client *c, struct str name) {
    struct str view;
    return !virtual_of_view(name, &view) || view_exists_or_reply(c, view, c->view);
}

bool xkey_or_reply(struct client *c, struct str name, struct stream **s, enum outcome *outcome) {
    *outcome = REPLIED;
    if (!arg_stream_or_reply(c, name)) return false;
    if (!need_stream(c, name, s)) {
        *outcome = PARKED;
        return false;
    }
    if (UNLIKELY(virtual_is(c, name)) && !view_is_there_or_reply(c, name)) return false;
    if (!stream_is_string(*s)) return true;
    reply_wrong_type(c);
    return false;
}

bool xgroup_or_reply(struct client *c, struct str key, struct str name, struct cgroup **g,
                     enum outcome *outcome) {
    struct stream *s;
    if (!xkey_or_reply(c, key, &s, outcome)) return false;
    *g = cgroup_find(s, name);
    if (*g != NULL) return true;
    reply_no_group(c, key, name);
    return false;
}

void reply_no_group(struct client *c, struct str key, struct str group) {
    reply_error(c, "NOGROUP No such key '" STR_FMT "' or consumer group '" STR_FMT "'",
                STR_ARG(key), STR_ARG(group));
}

void reply_no_group_for_key(struct client *c, struct str key, struct str group) {
    reply_error(c, "NOGROUP No such consumer group '" STR_FMT "' for key name '" STR_FMT "'",
                STR_ARG(group), STR_ARG(key));
}

bool xname_or_reply(struct client *c, struct str name, const char *what) {
    if (name.len <= STREAM_NAME_MAX) return true;
    reply_error(c, "INVALIDARG %s name must be at most %d bytes in length, but got %zu", what,
                STREAM_NAME_MAX, name.len);
    return false;
}

/* ---- frames ---- */

bool fits_frame_or_reply(struct client *c, size_t bytes) {
    size_t max = store_frame_max(c->srv->store);
    bytes += model_frame_bytes(&c->srv->model) + FRAME_OVERHEAD;
    if (bytes <= max) return true;
    reply_frame_too_large(c, "the command takes up to", bytes);
    return false;
}

size_t pending_room(const struct client *c) {
    size_t max = store_frame_max(c->srv->store);
    size_t taken = model_frame_bytes(&c->srv->model) + FRAME_OVERHEAD;
    return taken < max ? MAX((max - taken) / sizeof(struct pending_item), (size_t)1) : 1;
}

/* ---- places ---- */

bool need_selected(struct client *c, struct str key, const struct entry_id *ids, size_t n,
                   struct event **out) {
    const struct model *m = &c->srv->model;
    struct selector *selector;
    bool there = log_selector_or_reply(c, key, c->view, &selector);
    assert(there); /* or the group would not have been found (xkey_or_reply) */
    uint64_t *places = xmalloc(n * sizeof *places);
    for (size_t i = 0; i < n; i++) places[i] = ids[i].seq;
    bool known = entries_at(c, NULL, c->view, places, n, false, out);
    for (size_t i = 0; known && i < n; i++) {
        const struct event *e = out[i];
        bool is_it = e != NULL && entry_id_cmp(event_log_id(e), ids[i]) == 0;
        if (!is_it ||
            !selector_match(selector, &e->rec, stream_name_str(model_name_at(m, e, c->view))))
            out[i] = NULL;
    }
    free(places);
    selector_unref(selector);
    return known;
}

bool need_first(struct client *c, struct stream *s, struct event **out) {
    *out = NULL;
    if (stream_length(s) == 0) return true;
    uint64_t first = stream_first_version(s);
    if (s->extra != NULL) first = holes_skip(&s->extra->holes, first);
    return need_version(c, s, first, out);
}

bool need_last(struct client *c, struct stream *s, struct event **out) {
    *out = NULL;
    if (stream_length(s) == 0) return true;
    uint64_t last = s->next_version - 1;
    if (s->extra != NULL) last = holes_skip_back(&s->extra->holes, last);
    return need_version(c, s, last, out);
}

void idempotent_window(const struct client *c, const struct stream *s, uint32_t *seconds,
                       uint32_t *max) {
    const struct stream_extra *x = s->extra;
    const struct config *config = &c->srv->config;
    bool own_seconds = x != NULL && x->idempotent_seconds != 0;
    bool own_max = x != NULL && x->idempotent_max != 0;
    *seconds = own_seconds ? x->idempotent_seconds : (uint32_t)config->stream_idmp_duration_s;
    *max = own_max ? x->idempotent_max : (uint32_t)config->stream_idmp_maxsize;
}
