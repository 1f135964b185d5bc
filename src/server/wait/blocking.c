/* See blocking.h.
 *
 *   key "orders" --+-- set "group a": waiters, first come first
 *                  +-- set "group b": ...
 *                  '-- set of XREAD:  ...
 *
 * A waiter is one connection under one key (struct blocked_link). What becomes visible is found by
 * walking the log forward, once, from where the last walk ended, and only while somebody waits. A
 * key that something happened to goes on the list `ready`. */
#include "server/wait/blocking.h"

#include "base/alloc.h"
#include "server/wait/need.h"
#include "server/server.h"
#include "stream/group/cgroup.h"
#include "stream/gone/remove.h"
#include "stream/read.h"

enum set_kind { SET_ENTRIES, SET_GROUP, SET_NOTHING };

struct blocked_key {
    struct hash_node node; /* blocking.keys */
    struct list ready;     /* blocking.ready */
    struct list sets;
    size_t links;           /* in all of its sets */
    bool serving;           /* must stay */
    bool changed;           /* other than by new entries ... */
    uint64_t changed_frame; /* ... by this frame or an earlier one; 0: not known yet */
    bool has_new;           /* entries have become visible */
    size_t name_len;
    char name[];
};

struct blocked_set {
    struct list node; /* blocked_key.sets */
    struct blocked_key *key;
    enum set_kind kind;
    struct list waiters; /* struct blocked_link */
    size_t links;
    size_t claimers; /* links of commands with CLAIM */
    bool serving;
    bool delivered; /* meanwhile: those who claim have something to look at later */
    size_t group_len;
    char group[];
};

struct blocked_link {
    struct list node; /* blocked_set.waiters */
    struct blocked_set *set;
    struct client *client;
    struct entry_id after; /* SET_ENTRIES */
};

/* What a connection waits for: client.wait.blocked. */
struct blocked {
    struct client *client;
    struct entry_id *ids; /* '$' */
    struct blocked_link *links;
    size_t link_count;
    bool claims;
    uint64_t min_idle;
    uint64_t deadline_ms, recheck_ms; /* monotonic; 0: none */
    uint64_t due_ms;                  /* the earlier of them; 0: none */
    size_t heap_at;                   /* place in blocking.heap, from 1; 0: not in it */
};

struct blocking {
    struct hash_table keys;
    struct list ready;
    uint64_t keys_on_nokey; /* with a SET_GROUP */
    uint64_t sequence;      /* of the log: everything before it has been looked at */
    uint64_t generation;    /* of the model, that `sequence` belongs to */
    struct blocked **heap;  /* by due_ms */
    size_t heap_count, heap_cap;
};

void blocking_init(struct server *srv) {
    srv->blocking = xcalloc(1, sizeof *srv->blocking);
    hash_init(&srv->blocking->keys);
    list_init(&srv->blocking->ready);
}

void blocking_clear(struct server *srv) {
    assert(srv->blocking->keys.count == 0);
    hash_clear(&srv->blocking->keys);
    free(srv->blocking->heap);
    free(srv->blocking);
    srv->blocking = NULL;
}

uint64_t blocking_keys(const struct server *srv) {
    return srv->blocking->keys.count;
}

uint64_t blocking_keys_on_nokey(const struct server *srv) {
    return srv->blocking->keys_on_nokey;
}

/* ---- deadlines: a heap ---- */

static void heap_put(struct blocking *b, size_t at, struct blocked *w) {
    b->heap[at] = w;
    w->heap_at = at + 1;
}

static void heap_up(struct blocking *b, size_t at) {
    struct blocked *w = b->heap[at];
    for (; at > 0 && b->heap[(at - 1) / 2]->due_ms > w->due_ms; at = (at - 1) / 2)
        heap_put(b, at, b->heap[(at - 1) / 2]);
    heap_put(b, at, w);
}

static void heap_down(struct blocking *b, size_t at) {
    struct blocked *w = b->heap[at];
    for (size_t child; (child = 2 * at + 1) < b->heap_count; at = child) {
        if (child + 1 < b->heap_count && b->heap[child + 1]->due_ms < b->heap[child]->due_ms)
            child++;
        if (b->heap[child]->due_ms >= w->due_ms) break;
        heap_put(b, at, b->heap[child]);
    }
    heap_put(b, at, w);
}

static void heap_remove(struct blocking *b, struct blocked *w) {
    if (w->heap_at == 0) return;
    size_t at = w->heap_at - 1;
    struct blocked *last = b->heap[--b->heap_count];
    w->heap_at = 0;
    if (last == w) return;
    heap_put(b, at, last);
    heap_up(b, at);
    heap_down(b, last->heap_at - 1);
}

static void set_due(struct blocking *b, struct blocked *w) {
    uint64_t due = w->deadline_ms;
    if (w->recheck_ms != 0 && (due == 0 || w->recheck_ms < due)) due = w->recheck_ms;
    if (w->heap_at != 0 && due == w->due_ms) return;
    heap_remove(b, w);
    w->due_ms = due;
    if (due == 0) return;
    if (b->heap_count == b->heap_cap) {
        b->heap_cap = b->heap_cap == 0 ? 64 : b->heap_cap * 2;
        b->heap = xrealloc(b->heap, b->heap_cap * sizeof(struct blocked *));
    }
    heap_put(b, b->heap_count, w);
    heap_up(b, b->heap_count++);
}

void blocking_check_deadlines(struct server *srv) {
    struct blocking *b = srv->blocking;
    while (b->heap_count > 0 && b->heap[0]->due_ms <= srv->now_ms) {
        struct blocked *w = b->heap[0];
        heap_remove(b, w);
        w->recheck_ms = 0;
        if (w->deadline_ms != 0 && w->deadline_ms <= srv->now_ms) w->client->wait.timed_out = true;
        client_resume(w->client);
    }
}

/* ---- the registry ---- */

static uint64_t name_hash(struct str name) {
    return hash_bytes(name.ptr, name.len);
}

static struct blocked_key *key_find(struct blocking *b, struct str name) {
    for (struct hash_node *n = hash_first(&b->keys, name_hash(name)); n != NULL;
         n = hash_next(&b->keys, n)) {
        struct blocked_key *key = CONTAINER_OF(n, struct blocked_key, node);
        if (str_eq(str_of(key->name, key->name_len), name)) return key;
    }
    return NULL;
}

static struct blocked_key *key_get(struct blocking *b, struct str name) {
    struct blocked_key *key = key_find(b, name);
    if (key != NULL) return key;
    key = xcalloc(1, sizeof *key + name.len);
    key->name_len = name.len;
    memcpy(key->name, name.ptr, name.len);
    list_init(&key->ready);
    list_init(&key->sets);
    hash_insert(&b->keys, &key->node, name_hash(name));
    return key;
}

static struct blocked_set *set_find(struct blocked_key *key, enum set_kind kind, struct str group) {
    LIST_FOR_EACH (it, &key->sets) {
        struct blocked_set *set = LIST_ENTRY(it, struct blocked_set, node);
        if (set->kind == kind && str_eq(str_of(set->group, set->group_len), group)) return set;
    }
    return NULL;
}

static bool has_group_set(const struct blocked_key *key) {
    LIST_FOR_EACH (it, &key->sets)
        if (LIST_ENTRY(it, struct blocked_set, node)->kind == SET_GROUP) return true;
    return false;
}

static struct blocked_set *set_get(struct blocking *b, struct blocked_key *key, enum set_kind kind,
                                   struct str group) {
    struct blocked_set *set = set_find(key, kind, group);
    if (set != NULL) return set;
    if (kind == SET_GROUP && !has_group_set(key)) b->keys_on_nokey++;
    set = xcalloc(1, sizeof *set + group.len);
    set->key = key;
    set->kind = kind;
    set->group_len = group.len;
    if (group.len > 0) memcpy(set->group, group.ptr, group.len);
    list_init(&set->waiters);
    list_init(&set->node);
    list_append(&key->sets, &set->node);
    return set;
}

static void key_free_if_unused(struct blocking *b, struct blocked_key *key) {
    if (key->links > 0 || key->serving) return;
    assert(list_empty(&key->sets));
    list_remove(&key->ready);
    hash_remove(&b->keys, &key->node);
    free(key);
}

static void set_free_if_unused(struct blocking *b, struct blocked_set *set) {
    if (set->links > 0 || set->serving) return;
    list_remove(&set->node);
    if (set->kind == SET_GROUP && !has_group_set(set->key)) b->keys_on_nokey--;
    free(set);
}

static void unlink_one(struct blocking *b, struct blocked_link *link, bool claims) {
    struct blocked_set *set = link->set;
    struct blocked_key *key = set->key;
    list_remove(&link->node);
    set->links--;
    if (claims) set->claimers--;
    set_free_if_unused(b, set);
    key->links--;
    key_free_if_unused(b, key);
}

/* ---- a command's side ---- */

static struct blocked *blocked_of(struct client *c) {
    if (c->wait.blocked == NULL) {
        c->wait.blocked = xcalloc(1, sizeof *c->wait.blocked);
        c->wait.blocked->client = c;
    }
    return c->wait.blocked;
}

bool blocking_ids(struct client *c, size_t n, struct entry_id **ids) {
    struct blocked *w = blocked_of(c);
    bool again = w->ids != NULL;
    if (!again) w->ids = xcalloc(n, sizeof *w->ids);
    *ids = w->ids;
    return again;
}

/* The first event of the log that nobody has been shown: what is visible now, the command that
 * begins to wait has just looked at. */
static uint64_t first_invisible(const struct model *m) {
    uint64_t settled = model_settled(m), sequence = m->next_sequence;
    while (sequence > m->log_first) {
        const struct event *e = model_event(m, sequence - 1);
        if (e != NULL && e->frame <= settled) break;
        sequence--;
    }
    return sequence;
}

static void begin(struct client *c, struct blocked *w, const struct blocking_on *on,
                  enum set_kind kind) {
    struct blocking *b = c->srv->blocking;
    if (b->keys.count == 0) {
        b->sequence = first_invisible(&c->srv->model);
        b->generation = c->srv->model.generation;
    }
    w->links = xcalloc(on->n, sizeof *w->links);
    w->link_count = on->n;
    w->claims = on->claims;
    w->min_idle = on->min_idle;
    /* The clock's reading is rounded down; nobody is to wait less than what was asked for. */
    w->deadline_ms = on->timeout_ms > 0 ? c->srv->now_ms + on->timeout_ms + 1 : 0;
    struct str group = kind == SET_GROUP ? on->group : STR("");
    for (size_t i = 0; i < on->n; i++) {
        struct blocked_link *link = &w->links[i];
        link->set = set_get(b, key_get(b, on->keys[i]), kind, group);
        link->client = c;
        if (on->after != NULL) link->after = on->after[i];
        list_init(&link->node);
        list_append(&link->set->waiters, &link->node);
        link->set->links++;
        link->set->claimers += on->claims;
        link->set->key->links++;
    }
    c->wait.set = true;
    c->wait.deadline_ms = 0;
    c->wait.timed_out = c->wait.unblocked = c->wait.unblocked_error = false;
}

static void wait_for(struct client *c, const struct blocking_on *on, enum set_kind kind) {
    struct blocked *w = blocked_of(c);
    if (c->need != NULL) need_finish(c); /* nothing stays pinned while it waits */
    if (w->links == NULL) begin(c, w, on, kind);
    w->recheck_ms = on->recheck_at;
    set_due(c->srv->blocking, w);
    c->park = PARK_WAIT;
    c->srv->stats.blocked_clients++;
}

void blocking_wait_for(struct client *c, const struct blocking_on *on) {
    wait_for(c, on, on->group.ptr != NULL ? SET_GROUP : SET_ENTRIES);
}

void blocking_wait(struct client *c, const struct str *keys, size_t n, uint64_t timeout_ms) {
    wait_for(c, &(struct blocking_on){.keys = keys, .n = n, .timeout_ms = timeout_ms}, SET_NOTHING);
}

bool blocking_over(const struct client *c) {
    return c->wait.set && (c->wait.timed_out || c->wait.unblocked);
}

void blocking_reply_over(struct client *c) {
    if (c->wait.unblocked_error)
        reply_error(c, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else
        resp_put_null_array(&c->out, c->resp);
}

void blocking_finish(struct client *c) {
    struct blocked *w = c->wait.blocked;
    if (w == NULL) return;
    struct blocking *b = c->srv->blocking;
    c->wait.blocked = NULL;
    heap_remove(b, w);
    for (size_t i = 0; i < w->link_count; i++) unlink_one(b, &w->links[i], w->claims);
    free(w->links);
    free(w->ids);
    free(w);
}

/* ---- what happens ---- */

static void make_ready(struct blocking *b, struct blocked_key *key) {
    if (!list_linked(&key->ready)) list_append(&b->ready, &key->ready);
}

static void key_changed(struct blocking *b, struct blocked_key *key) {
    key->changed = true;
    key->changed_frame = 0;
    make_ready(b, key);
}

void blocking_key_changed(struct server *srv, struct str name) {
    struct blocking *b = srv->blocking;
    struct blocked_key *key = b->keys.count > 0 ? key_find(b, name) : NULL;
    if (key != NULL) key_changed(b, key);
}

static void change_one(struct hash_node *n, void *arg) {
    key_changed(arg, CONTAINER_OF(n, struct blocked_key, node));
}

void blocking_all_changed(struct server *srv) {
    hash_each(&srv->blocking->keys, change_one, srv->blocking);
}

static void recheck_claimers(struct server *srv, struct blocked_set *set) {
    LIST_FOR_EACH (it, &set->waiters) {
        struct blocked *w = LIST_ENTRY(it, struct blocked_link, node)->client->wait.blocked;
        if (!w->claims || w->recheck_ms != 0) continue; /* an earlier one is looked at sooner */
        w->recheck_ms = srv->now_ms + w->min_idle + 1;
        set_due(srv->blocking, w);
    }
}

void blocking_delete_key(struct server *srv, struct stream *s) {
    blocking_key_changed(srv, stream_name_str(s->name));
    model_delete(&srv->model, s);
}

void blocking_delivered(struct server *srv, struct str name, struct str group) {
    struct blocking *b = srv->blocking;
    struct blocked_key *key = b->keys.count > 0 ? key_find(b, name) : NULL;
    struct blocked_set *set = key != NULL ? set_find(key, SET_GROUP, group) : NULL;
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
    if (b->generation != m->generation) {
        b->generation = m->generation;
        b->sequence = m->log_first;
    }
    b->sequence = MAX(b->sequence, m->log_first);
    for (; b->sequence < m->next_sequence; b->sequence++) {
        const struct event *e = model_event(m, b->sequence);
        if (e == NULL) continue; /* erased meanwhile */
        if (e->frame > settled) break;
        if (e->name == last) continue;
        last = e->name;
        struct blocked_key *key = key_find(b, stream_name_str(model_name(m, e)));
        if (key == NULL) continue;
        key->has_new = true;
        make_ready(b, key);
    }
}

/* ---- serving ---- */

/* Runs the command now, not with the others that were woken in this turn: whether there is
 * something for the next one depends on what it took. */
static void run(struct client *c) {
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
    const struct stream *s = stream_of(srv, set->key);
    if (s == NULL || s->state != STREAM_LIVE || stream_is_string(s)) return true;
    const struct cgroup *g = cgroup_find(s, str_of(set->group, set->group_len));
    if (g == NULL || g->cursor == CURSOR_UNKNOWN) return true;
    uint64_t end = model_visible_end(&srv->model, s, model_settled(&srv->model));
    uint64_t next = MAX(g->cursor, stream_first_version(s));
    if (s->extra != NULL) next = holes_skip(&s->extra->holes, next);
    return next < end;
}

/* The highest id that may be seen, roughly: the maximum when it is not in memory. */
static bool last_visible(struct server *srv, const struct blocked_key *key, struct entry_id *out) {
    const struct stream *s = stream_of(srv, key);
    *out = (struct entry_id){UINT64_MAX, UINT64_MAX};
    if (s == NULL) return true;
    if (s->state != STREAM_LIVE || stream_is_string(s) || stream_length(s) == 0) return false;
    uint64_t end = model_visible_end(&srv->model, s, model_settled(&srv->model));
    if (end > stream_tail_first(s)) *out = event_entry_id(stream_event(s, end - 1));
    return true;
}

/* Goes through the waiters in their order; each may vanish, with others, while one is run. Those
 * that are dealt with go to `done`, and all of them come back in front of who came meanwhile. */
static void serve_set(struct server *srv, struct blocked_set *set, bool all) {
    struct list todo, done;
    struct entry_id last = {0, 0};
    if (set->kind == SET_NOTHING) return;
    if (set->kind == SET_ENTRIES && !last_visible(srv, set->key, &last)) return;
    list_init(&todo);
    list_init(&done);
    list_splice(&todo, &set->waiters);
    while (!list_empty(&todo)) {
        struct blocked_link *link = LIST_ENTRY(todo.next, struct blocked_link, node);
        bool claims = all && link->client->wait.blocked->claims;
        if (set->kind == SET_GROUP && !claims && !group_has_new(srv, set)) {
            if (set->claimers == 0 || !all) break;
        } else if (set->kind == SET_GROUP || entry_id_cmp(last, link->after) > 0) {
            list_remove(&link->node);
            list_append(&done, &link->node);
            run(link->client);
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
        next = it->next;
        set_free_if_unused(b, set);
    }
    key->serving = false;
    key_free_if_unused(b, key);
}

void blocking_serve(struct server *srv) {
    struct blocking *b = srv->blocking;
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
    if (b->keys.count == 0 || b->sequence < m->log_first || b->sequence >= m->next_sequence)
        return false;
    const struct event *e = model_event(m, b->sequence);
    return e == NULL || e->frame <= settled;
}

uint64_t blocking_due(const struct server *srv) {
    const struct blocking *b = srv->blocking;
    if (ready_now(srv)) return 0;
    return b->heap_count > 0 ? b->heap[0]->due_ms : UINT64_MAX;
}
