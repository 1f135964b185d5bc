/* What happens to a key, and running the commands that it concerns.
 *
 * What becomes visible is found by walking the log forward, once, from where the last walk ended,
 * and only while somebody waits. A key that something happened to goes on the list `ready`. */
#include "server/wait/internal.h"

#include "stream/gone/remove.h"
#include "stream/group/cgroup.h"
#include "stream/read.h"
#include "server/server.h"

#define RECORD_EVERY_MS 1000

/* ---- what happens ---- */

static void make_ready(struct blocking *b, struct blocked_key *key) {
    if (!list_linked(&key->ready)) list_append(&b->ready, &key->ready);
}

void blocked_key_has_new(struct blocking *b, struct blocked_key *key) {
    key->has_new = true;
    make_ready(b, key);
}

static void key_changed(struct blocking *b, struct blocked_key *key) {
    key->changed = true;
    key->changed_frame = 0;
    make_ready(b, key);
}

void blocking_key_changed(struct server *srv, struct str name) {
    struct blocking *b = srv->blocking;
    struct blocked_key *key = b->keys.count > 0 ? blocked_key_find(b, name) : NULL;
    if (key != NULL) key_changed(b, key);
}

static void change_one(struct hash_node *n, void *arg) {
    key_changed(arg, CONTAINER_OF(n, struct blocked_key, node));
}

void blocking_all_changed(struct server *srv) {
    hash_each(&srv->blocking->keys, change_one, srv->blocking);
}

static void recheck_claimer(struct server *srv, struct blocked *w) {
    uint64_t at = blocking_claimable_at(srv, srv->model.wall, w->min_idle);
    if (heap_contains(&w->look) && w->look.key <= at) return; /* of an earlier delivery */
    heap_set(&srv->blocking->looks, &w->look, at);
}

/* Who looks already on account of an earlier delivery looks soon enough, unless the clock was set
 * back since. */
static void recheck_claimers(struct server *srv, struct blocked_set *set) {
    bool set_back = srv->model.wall < set->told_at;
    set->told_at = srv->model.wall;
    while (!list_empty(&set->unlooking)) {
        struct blocked_link *link = LIST_ENTRY(set->unlooking.next, struct blocked_link, later);
        list_remove(&link->later);
        recheck_claimer(srv, link->client->wait.blocked);
    }
    if (LIKELY(!set_back)) return;
    LIST_FOR_EACH (it, &set->waiters) {
        struct blocked *w = LIST_ENTRY(it, struct blocked_link, node)->client->wait.blocked;
        if (w->claims) recheck_claimer(srv, w);
    }
}

void blocking_delete_key(struct server *srv, struct stream *s) {
    blocking_key_changed(srv, stream_name_str(s->name));
    model_delete(&srv->model, s);
}

void blocking_delivered(struct server *srv, struct str name, struct str group) {
    struct blocking *b = srv->blocking;
    struct blocked_key *key = b->keys.count > 0 ? blocked_key_find(b, name) : NULL;
    struct blocked_set *set = key != NULL ? blocked_set_find(b, key, SET_GROUP, group) : NULL;
    if (set == NULL || set->claimers == 0) return;
    if (set->serving)
        set->delivered = true;
    else
        recheck_claimers(srv, set);
}

/* Notes the streams of the events that have become visible since the last time. */
static void find_ready(struct server *srv) {
    struct blocking *b = srv->blocking;
    struct model *m = &srv->model;
    uint64_t settled = model_settled(m);
    const struct stream_name *last = NULL;
    if (b->plain_keys == 0) return;
    if (b->generation != m->generation) {
        b->generation = m->generation;
        b->sequence = m->log.first;
    }
    b->sequence = MAX(b->sequence, m->log.first);
    for (; b->sequence < m->next_sequence; b->sequence++) {
        const struct event *e = model_event(m, b->sequence);
        assert(e != NULL);
        if (e->frame > settled) break;
        if (e->name == last) continue;
        last = e->name;
        struct blocked_key *key =
            blocked_key_find(b, stream_name_str(model_name_at(m, e, settled)));
        if (key == NULL) continue;
        blocked_key_has_new(b, key);
    }
}

/* ---- serving ---- */

void blocked_run(struct client *c) {
    if (c->park != PARK_WAIT) return; /* it is being loaded for, or paused */
    client_resume(c);
    list_remove(&c->resume);
    client_process(c);
}

/* The stream of a key; NULL: it is not in memory. */
static struct stream *stream_of(struct server *srv, const struct blocked_key *key) {
    return model_stream(&srv->model, str_of(key->name, key->name_len));
}

/* Whether the group has something that its members were not delivered, or is gone: then its
 * members have to hear of it. */
static bool group_has_new(struct server *srv, const struct blocked_set *set) {
    struct model *m = &srv->model;
    if (UNLIKELY(set->selector != NULL)) return blocked_scan_has(srv, set);
    struct stream *s = stream_of(srv, set->key);
    if (s == NULL || s->state != STREAM_LIVE || stream_is_string(s)) return true;
    const struct cgroup *g = cgroup_find(s, str_of(set->group, set->group_len));
    if (g == NULL || g->cursor == CURSOR_UNKNOWN) return true;
    const struct stream *then = model_stream_at(m, s, model_settled(m));
    uint64_t next = MAX(g->cursor, stream_first_version(then));
    if (then->extra != NULL) next = holes_skip(&then->extra->holes, next);
    bool more = next < then->next_version;
    model_drop_views(m);
    return more;
}

/* The highest id that may be seen, roughly: the maximum when it is not in memory. */
static bool last_visible(struct server *srv, const struct blocked_key *key, struct entry_id *out) {
    struct model *m = &srv->model;
    struct stream *s = stream_of(srv, key);
    *out = (struct entry_id){UINT64_MAX, UINT64_MAX};
    if (s == NULL) return true;
    const struct stream *then = model_stream_at(m, s, model_settled(m));
    bool some = then->state == STREAM_LIVE && !stream_is_string(then) && stream_length(then) > 0;
    if (some && then->tail_count > 0)
        *out = event_entry_id(stream_event(then, then->next_version - 1));
    model_drop_views(m);
    return some;
}

/* Goes through the waiters in their order; each may vanish, with others, while one is run. Those
 * that are dealt with go to `done`, and all of them come back in front of who came meanwhile. */
static void serve_set(struct server *srv, struct blocked_set *set, bool all) {
    struct list todo, done;
    struct entry_id last = {0, 0};
    if (set->kind == SET_NOTHING) return;
    /* They would only hear that the store is read-only, as those are to who do not wait for events.
     * All are looked at again when it is not. */
    bool writable = store_writable(srv->store);
    if (set->kind == SET_GROUP && !writable && set->hurried == 0) return;
    bool entries = set->kind == SET_ENTRIES && last_visible(srv, set->key, &last);
    if (set->kind == SET_ENTRIES && !entries && !all) return;
    list_init(&todo);
    list_init(&done);
    list_splice(&todo, &set->waiters);
    while (!list_empty(&todo)) {
        struct blocked_link *link = LIST_ENTRY(todo.next, struct blocked_link, node);
        const struct blocked *w = link->client->wait.blocked;
        bool looks = (all && w->claims && writable) || w->hurries;
        bool has = (entries && entry_id_cmp(last, link->after) > 0) || (all && link->selects);
        if (set->kind == SET_GROUP && !writable && !looks) {
            /* stays */
        } else if (set->kind == SET_GROUP && !looks && !group_has_new(srv, set)) {
            if ((set->claimers == 0 || !all) && set->hurried == 0) break;
        } else if (set->kind == SET_GROUP || has) {
            list_remove(&link->node);
            list_append(&done, &link->node);
            blocked_run(link->client);
            continue;
        }
        list_remove(&link->node);
        list_append(&done, &link->node);
    }
    list_splice(&done, &todo);
    list_splice(&done, &set->waiters);
    list_splice(&set->waiters, &done);
}

static void serve_key(struct server *srv, struct blocked_key *key, bool all) {
    struct blocking *b = srv->blocking;
    key->serving = true;
    for (struct list *it = key->sets.next, *next; it != &key->sets; it = next) {
        struct blocked_set *set = LIST_ENTRY(it, struct blocked_set, node);
        set->serving = true;
        serve_set(srv, set, all);
        set->serving = false;
        if (set->delivered) recheck_claimers(srv, set);
        set->delivered = false;
        if (UNLIKELY(set->selector != NULL)) blocked_scan_served(srv, set);
        next = it->next;
        blocked_set_free_if_unused(srv, set);
    }
    key->serving = false;
    blocked_key_free_if_unused(b, key);
}

/* One after the other, as far as a turn's looks go. */
static void run_pausing(struct server *srv) {
    struct blocking *b = srv->blocking;
    struct list now;
    b->looks_left = LIVE_LOOKS_A_TURN;
    list_init(&now);
    list_splice(&now, &b->pausing);
    while (!list_empty(&now) && b->looks_left > 0) {
        struct blocked *w = LIST_ENTRY(now.next, struct blocked, pausing);
        list_remove(&w->pausing);
        blocked_run(w->client);
    }
    list_splice(&now, &b->pausing);
    list_splice(&b->pausing, &now);
}

void blocking_serve(struct server *srv) {
    struct blocking *b = srv->blocking;
    run_pausing(srv);
    if (b->live.watchers + b->live.followers > 0 || !list_empty(&b->live.woken))
        blocking_serve_live(srv);
    if (UNLIKELY(blocking_named_due(srv))) blocking_serve_named(srv);
    if (!list_empty(&b->scanning) || !list_empty(&srv->model.scanned)) blocking_serve_scans(srv);
    if (!list_empty(&b->at_head) && srv->clock.now_ms >= b->record_at) {
        b->record_at = srv->clock.now_ms + RECORD_EVERY_MS;
        blocked_record_scans(srv);
    }
    if (b->keys.count == 0) return;
    find_ready(srv);
    uint64_t settled = model_settled(&srv->model), decided = srv->model.decided;
    struct list later;
    list_init(&later);
    while (!list_empty(&b->ready)) {
        struct blocked_key *key = LIST_ENTRY(b->ready.next, struct blocked_key, ready);
        list_remove(&key->ready);
        /* A change is not told before it is durable. */
        if (key->changed && (key->changed_frame == 0 || key->changed_frame > decided))
            key->changed_frame = decided;
        bool all = key->changed && key->changed_frame <= settled;
        if (key->changed && !all)
            list_append(&later, &key->ready);
        else
            key->changed = false;
        if (!all && !key->has_new) continue;
        key->has_new = false;
        serve_key(srv, key, all);
    }
    list_splice(&b->ready, &later);
}

/* Whether a key on the list can be served before something else happens. */
static bool ready_now(const struct server *srv) {
    const struct blocking *b = srv->blocking;
    const struct model *m = &srv->model;
    uint64_t settled = model_settled(m);
    LIST_FOR_EACH (it, &b->ready) {
        const struct blocked_key *key = LIST_ENTRY(it, struct blocked_key, ready);
        if (key->has_new || key->changed_frame == 0 || key->changed_frame <= settled) return true;
    }
    if (b->plain_keys == 0 || b->sequence < m->log.first || b->sequence >= m->next_sequence)
        return false;
    const struct event *e = model_event(m, b->sequence);
    return e->frame <= settled;
}

uint64_t blocking_due(const struct server *srv) {
    const struct blocking *b = srv->blocking;
    if (ready_now(srv) || live_is_behind(&b->live, &srv->model) || !list_empty(&b->live.woken) ||
        blocking_scans(srv))
        return 0;
    if (blocking_named_due(srv) || !list_empty(&b->pausing)) return 0;
    const struct heap_node *n = heap_first(&b->due), *look = heap_first(&b->looks);
    uint64_t due = n != NULL ? n->key : UINT64_MAX, wall = srv->model.wall;
    if (look == NULL) return due;
    uint64_t left = look->key - MIN(look->key, wall), now = srv->clock.now_ms;
    return left < UINT64_MAX - now ? MIN(due, now + left) : due;
}
