/* See view_groups.h. */
#include "commands/event/view_groups.h"

#include "base/alloc.h"
#include "stream/group/cgroup.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"

#define POSITION_BYTES 64 /* at most, of one in a frame */

bool need_used_by(struct client *c, struct str name, struct used_by *u) {
    *u = (struct used_by){0};
    u->name = virtual_view_key(&u->key, name);
    need_named(c, NAMED_VIEW, name, &u->view);
    u->exists = u->view != NULL && named_value(&c->srv->model, u->view, VIEW_NEWEST, &u->text);
    return !u->exists || need_group_count(c, u->name, &u->group_count);
}

bool need_used_groups(struct client *c, struct used_by *u, bool only_in_memory) {
    if (u->group_count == 0) return true;
    if (only_in_memory && model_in_memory(&c->srv->model, u->name) == NULL) return true;
    return need_stream(c, u->name, &u->stream);
}

static uint32_t count_groups(const struct used_by *u) {
    return u->stream != NULL ? virtual_group_count(u->stream) : 0;
}

bool unused_or_reply(struct client *c, const struct used_by *u, bool force) {
    unsigned subscriptions = u->exists ? u->view->users : 0, groups = (unsigned)u->group_count;
    if (force || (groups == 0 && subscriptions == 0)) return true;
    reply_error(c,
                "INUSE view '" STR_FMT "' is in use by %u subscription%s (ESUBS LIST) and %u "
                "group%s (XINFO GROUPS " STR_FMT "). Add FORCE",
                STR_ARG(named_name(u->view)), subscriptions, subscriptions == 1 ? "" : "s", groups,
                groups == 1 ? "" : "s", STR_ARG(u->name));
    return false;
}

size_t used_by_bytes(const struct used_by *u) {
    return count_groups(u) * (size_t)POSITION_BYTES;
}

/* The id, as virtual streams have it, of the last event below the sequence; 0-0: there is none, or
 * none that is near. */
static bool need_id_below(struct client *c, uint64_t sequence, struct entry_id *id) {
    const struct model *m = &c->srv->model;
    const struct event *e = NULL;
    bool known = true;
    *id = ENTRY_ID_MIN;
    if (sequence == 0) return true;
    struct read r = {
        .end = sequence - 1, .count = 1, .reverse = true, .horizon = VIEW_NEWEST, .heads = true};
    if (sequence - 1 >= m->log.first) {
        e = model_event(m, sequence - 1); /* perhaps removed: that changes nothing */
    } else {
        known = need_read(c, &r);
        if (known && r.found > 0) e = r.events[0];
    }
    if (e != NULL) *id = (struct entry_id){e->rec.recorded, e->rec.sequence};
    read_clear(&r);
    return known;
}

bool used_by_begin_anew(struct client *c, const struct used_by *u) {
    uint32_t n = count_groups(u);
    if (n == 0) return true;
    struct cgroup **groups = u->stream->extra->groups;
    struct entry_id *positions = xmalloc(n * sizeof *positions);
    bool known = true;
    for (uint32_t i = 0; i < n && !need_enough(c); i++)
        known = need_id_below(c, group_scan_done(groups[i]), &positions[i]) && known;
    for (uint32_t i = 0; known && i < n; i++)
        group_scan_begin_anew(&c->srv->model, groups[i], positions[i]);
    free(positions);
    return known;
}

void used_by_drop(struct client *c, const struct used_by *u) {
    if (count_groups(u) > 0) blocking_delete_key(c->srv, u->stream);
}

void used_by_wake(struct client *c, const struct used_by *u) {
    blocking_key_changed(c->srv, u->name);
}
