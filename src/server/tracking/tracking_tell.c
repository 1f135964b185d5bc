/* See tracking.h: what has changed, and telling of it. */
#include "base/alloc.h"
#include "base/log.h"
#include "server/client/push.h"
#include "server/client/share.h"
#include "server/tracking/internal.h"

#define TOLD_A_TURN   1000  /* messages */
#define BYTES_OF_WORK 16384 /* of a message: as much as one more message */
#define LOOKS_A_TURN  50000 /* at names: as many as turns write, or others would hear ever later */
#define NAMES_A_TURN  (1u << 20) /* bytes, for prefixes */
#define KEPT_UP       2
#define CLOSED_LOG_MS 60000

/* ---- what has changed ---- */

void tracked_change_drop(struct tracking *t, struct tracked_change *change) {
    hash_remove(&t->changed, &change->node);
    list_remove(&change->list_node);
    free(change);
}

static struct tracked_change *change_of(struct tracking *t, struct str name, uint64_t hash) {
    for (struct hash_node *n = hash_first(&t->changed, hash); n != NULL;
         n = hash_next(&t->changed, n)) {
        struct tracked_change *change = CONTAINER_OF(n, struct tracked_change, node);
        if (str_eq(str_of(change->name, change->name_len), name)) return change;
    }
    return NULL;
}

static void note(struct server *srv, struct str name, uint64_t frame) {
    struct tracking *t = &srv->tracking;
    uint64_t hash = hash_bytes(name.ptr, name.len);
    struct tracked_change *change = change_of(t, name, hash);
    if (change != NULL) {
        uint64_t *by = frame == change->first ? &change->first_by : &change->rest_by;
        if (frame != change->first && change->last == change->first) *by = t->by;
        if (*by != t->by) *by = 0;
        change->last = frame;
        return;
    }
    change = xcalloc(1, sizeof *change + name.len);
    change->first = change->last = frame;
    change->first_by = t->by;
    change->name_len = name.len;
    if (name.len > 0) memcpy(change->name, name.ptr, name.len);
    list_append(&t->changes, &change->list_node);
    hash_insert(&t->changed, &change->node, hash);
}

void tracking_changed(void *arg, const struct stream_name *name, uint64_t frame) {
    note(arg, stream_name_str(name), frame);
}

void tracking_flushed(struct server *srv, uint64_t frame) {
    if (srv->tracking.clients > 0) note(srv, STR(""), frame);
}

void tracking_voided(struct server *srv) {
    LIST_FOR_EACH (it, &srv->tracking.changes) {
        struct tracked_change *change = LIST_ENTRY(it, struct tracked_change, list_node);
        change->first = change->last = change->first_by = 0;
    }
}

/* ---- telling ---- */

/* Who is told in place of c, or c itself; NULL: nobody can be. */
static struct client *receiver_of(struct client *c) {
    struct tracker *t = c->tracker;
    struct client *to = c;
    if (t->redirect != 0) {
        to = server_client_by_id(c->srv, t->redirect);
        if (to == NULL && !t->redirect_broken && c->resp == 3) {
            struct buf *out = client_push(c);
            resp_put_push(out, c->resp, 2);
            resp_put_bulk_c(out, "tracking-redir-broken");
            resp_put_int(out, (int64_t)t->redirect);
            client_wrote(c);
        }
        t->redirect_broken = to == NULL;
    }
    if (to == NULL || to->closing) return NULL;
    /* Messages of pub/sub stand for pushes in RESP2, at a connection that is there for them. */
    return to->resp == 3 || (to != c && to->listening != NULL) ? to : NULL;
}

/* More than one connection may leave unread; or, while all hold more than they may, more than its
 * share. (What it has asked for itself does not count for that.) */
static bool is_full(const struct client *to) {
    const struct server *srv = to->srv;
    if (client_unread(to) > srv->config.client_output_bytes_max) return true;
    return to->told_unread > SHARE_FREE && share_is_over(srv) && share_is_exceeded(to);
}

/* It does not read what it is told, so its cache is of no use any more. It is closed when nobody is
 * walking over connections. */
static void note_if_full(struct client *to) {
    struct tracked_full *full = &to->srv->tracking.full;
    if (LIKELY(!is_full(to))) return;
    if (full->count == full->cap) {
        full->cap = MAX(full->cap * 2, (size_t)16);
        full->ids = xrealloc(full->ids, full->cap * sizeof *full->ids);
    }
    full->ids[full->count++] = to->id;
}

static void close_full(struct server *srv) {
    struct tracked_full *full = &srv->tracking.full;
    for (; full->count > 0; full->count--) {
        struct client *c = server_client_by_id(srv, full->ids[full->count - 1]);
        if (c == NULL) continue; /* it is there twice */
        log_warning_seldom(CLOSED_LOG_MS,
                           "client %llu %s does not read what has changed of its keys: closed",
                           (unsigned long long)c->id, c->addr);
        client_close(c);
    }
}

/* keys: n bulk strings; ptr NULL: all keys. */
static void tell(struct client *c, struct str keys, size_t n) {
    struct client *to = receiver_of(c);
    if (to == NULL) return;
    if (client_unread(to) == 0) to->told_unread = 0;
    struct buf *out = client_push(to);
    size_t before = out->len;
    resp_put_push(out, to->resp, to->resp == 3 ? 2 : 3);
    if (to->resp == 3) {
        resp_put_bulk_c(out, "invalidate");
    } else {
        resp_put_bulk_c(out, "message");
        resp_put_bulk_c(out, "__redis__:invalidate");
    }
    if (keys.ptr == NULL) {
        resp_put_null(out, to->resp);
    } else {
        resp_put_array(out, n);
        buf_put_str(out, keys);
    }
    to->told_unread += out->len - before;
    client_wrote(to);
    note_if_full(to);
}

/* The connections that have read it, a bounded number: then it is freed. */
static void tell_of_key(struct server *srv, struct tracked_key *key, size_t *left) {
    struct tracking *t = &srv->tracking;
    struct buf bulk;
    buf_init(&bulk, 0);
    resp_put_bulk(&bulk, str_of(key->name, key->name_len));
    while (!list_empty(&key->pairs) && *left > 0) {
        struct tracked_pair *pair = LIST_ENTRY(key->pairs.next, struct tracked_pair, of_key);
        struct client *c = server_client_by_id(srv, pair->id);
        bool tracks =
            c != NULL && !c->closing && c->tracker != NULL && !(c->tracker->mode & TRACKING_BCAST);
        bool own = tracks && c->tracker->mode & TRACKING_NOLOOP && key->by == c->id;
        tracked_pair_drop(t, pair);
        if (tracks && !own) tell(c, buf_str(&bulk), 1);
        --*left;
    }
    buf_clear(&bulk);
    if (list_empty(&key->pairs)) tracked_key_free(t, key);
}

void tracking_keep_up(struct server *srv) {
    size_t left = KEPT_UP;
    struct list *going = &srv->tracking.going;
    if (UNLIKELY(!list_empty(going)))
        tell_of_key(srv, LIST_ENTRY(going->next, struct tracked_key, order), &left);
}

static void add_to_prefix(struct tracking *t, struct tracked_prefix *p, struct str name,
                          uint64_t by) {
    if (p->count == p->cap) {
        p->cap = MAX(p->cap * 2, (size_t)8);
        p->bys = xrealloc(p->bys, p->cap * sizeof *p->bys);
    }
    resp_put_bulk(&p->keys, name);
    p->bys[p->count++] = (struct tracked_by){by, p->keys.len};
    if (list_linked(&p->told)) return;
    list_append(&t->told, &p->told);
    p->round++;
}

/* What begins with a prefix that somebody named. Returns how many bytes there are more to tell. */
static size_t find_prefixes(struct tracking *t, struct str name, uint64_t by) {
    size_t bytes = 0;
    for (size_t len = 0; len <= name.len && t->prefixes.count > 0; len++) {
        if (t->prefix_lengths[len] == 0) continue;
        struct tracked_prefix *p = tracked_prefix_find(t, str_of(name.ptr, len));
        if (p == NULL) continue;
        add_to_prefix(t, p, name, by);
        bytes += name.len;
    }
    return bytes;
}

/* Without those that c has changed itself. */
static void tell_of_others(struct client *c, const struct tracked_prefix *p) {
    struct buf keys;
    size_t n = 0, from = 0;
    buf_init(&keys, 0);
    for (size_t i = 0; i < p->count; i++) {
        if (p->bys[i].by != c->id) {
            buf_put(&keys, p->keys.data + from, p->bys[i].end - from);
            n++;
        }
        from = p->bys[i].end;
    }
    if (n > 0) tell(c, buf_str(&keys), n);
    buf_clear(&keys);
}

/* The connections of one prefix, as many as there is room for in this turn; true: that was all. */
static bool tell_of_prefix(struct tracked_prefix *p, size_t *left) {
    for (;;) {
        struct tracked_prefix_link *link =
            LIST_ENTRY(p->links.next, struct tracked_prefix_link, of_prefix);
        if (link->round == p->round) return true;
        if (*left == 0) return false;
        *left -= MIN(*left, 1 + p->keys.len / BYTES_OF_WORK);
        link->round = p->round;
        list_remove(&link->of_prefix);
        list_append(&p->links, &link->of_prefix);
        if (link->client->closing) continue;
        if (link->client->tracker->mode & TRACKING_NOLOOP)
            tell_of_others(link->client, p);
        else
            tell(link->client, buf_str(&p->keys), p->count);
    }
}

static void tell_of_prefixes(struct tracking *t) {
    size_t left = TOLD_A_TURN;
    while (!list_empty(&t->told)) {
        struct tracked_prefix *p = LIST_ENTRY(t->told.next, struct tracked_prefix, told);
        if (!tell_of_prefix(p, &left)) return;
        list_remove(&p->told);
        buf_reset(&p->keys);
        p->count = 0;
    }
}

/* FLUSHALL: one message for each connection that tracks, some in each turn; and what is in the
 * table of before goes, some in each turn, too. */
static bool flush_goes_on(const struct tracking *t) {
    bool keys = !list_empty(&t->order) &&
                LIST_ENTRY(t->order.next, struct tracked_key, order)->generation != t->generation;
    return keys || (!list_empty(&t->trackers) &&
                    LIST_ENTRY(t->trackers.next, struct tracker, all)->generation != t->generation);
}

static void tell_of_flush(struct server *srv, size_t left) {
    struct tracking *t = &srv->tracking;
    for (; left > 0 && flush_goes_on(t); left--) {
        struct tracker *first = LIST_ENTRY(t->trackers.next, struct tracker, all);
        if (!list_empty(&t->trackers) && first->generation != t->generation) {
            first->generation = t->generation;
            list_remove(&first->all);
            list_append(&t->trackers, &first->all);
            tell(first->client, (struct str){NULL, 0}, 0);
        } else {
            tracked_key_drop(t, LIST_ENTRY(t->order.next, struct tracked_key, order));
        }
    }
}

/* It may have changed again, in a frame that is still to be settled. Returns how many bytes there
 * are more to tell those who named prefixes. */
static size_t look_at(struct server *srv, struct tracked_change *change, uint64_t settled) {
    struct tracking *t = &srv->tracking;
    struct str name = str_of(change->name, change->name_len);
    bool all = change->last <= settled, one = change->last == change->first;
    uint64_t by = change->first_by;
    size_t bytes = 0;
    if (all && !one && by != change->rest_by) by = 0;
    if (name.len == 0) {
        tracked_new_generation(t);
    } else {
        tracking_invalidate(srv, name, by);
        bytes = find_prefixes(t, name, by);
    }
    if (all) {
        tracked_change_drop(t, change);
        return bytes;
    }
    change->first = change->last;
    change->first_by = change->rest_by;
    list_remove(&change->list_node);
    list_append(&t->changes, &change->list_node);
    return bytes;
}

static struct tracked_change *first_settled(const struct server *srv) {
    const struct tracking *t = &srv->tracking;
    if (list_empty(&t->changes)) return NULL;
    struct tracked_change *change = LIST_ENTRY(t->changes.next, struct tracked_change, list_node);
    return change->first <= model_settled(&srv->model) ? change : NULL;
}

/* CONFIG SET has lowered it. */
static bool above_max(const struct server *srv) {
    uint64_t max = srv->config.tracking_table_max_keys;
    return max > 0 && srv->tracking.keys.count > max;
}

/* What is being told for prefixes stays as it is until all have heard it. */
static void look_at_some(struct server *srv) {
    struct tracking *t = &srv->tracking;
    struct tracked_change *change;
    size_t bytes = 0;
    if (!list_empty(&t->told)) return;
    for (size_t looks = LOOKS_A_TURN; looks > 0 && bytes < NAMES_A_TURN; looks--) {
        if ((change = first_settled(srv)) == NULL) return;
        bytes += look_at(srv, change, model_settled(&srv->model));
    }
}

void tracking_run(struct server *srv) {
    struct tracking *t = &srv->tracking;
    size_t left = TOLD_A_TURN;
    for (size_t most = TOLD_A_TURN; most > 0 && above_max(srv); most--) tracked_evict(t);
    look_at_some(srv);
    tell_of_prefixes(t);
    while (left > 0 && !list_empty(&t->going))
        tell_of_key(srv, LIST_ENTRY(t->going.next, struct tracked_key, order), &left);
    tell_of_flush(srv, TOLD_A_TURN);
    close_full(srv);
}

bool tracking_pending(const struct server *srv) {
    const struct tracking *t = &srv->tracking;
    return !list_empty(&t->going) || !list_empty(&t->told) || t->full.count > 0 ||
           flush_goes_on(t) || above_max(srv) || first_settled(srv) != NULL;
}
