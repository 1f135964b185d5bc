/* See tracking.h. Here: who tracks what; telling is in tracking_tell.c. */
#include "server/tracking/tracking.h"

#include "base/alloc.h"
#include "server/client/transaction.h"
#include "server/command/virtual.h"
#include "server/tracking/internal.h"

/* ---- keys ---- */

static uint64_t name_hash(struct str name) {
    return hash_bytes(name.ptr, name.len);
}

static struct tracked_key *key_find(const struct tracking *t, struct str name) {
    uint64_t hash = name_hash(name);
    for (struct hash_node *n = hash_first(&t->keys, hash); n != NULL; n = hash_next(&t->keys, n)) {
        struct tracked_key *key = CONTAINER_OF(n, struct tracked_key, node);
        if (key->generation == t->generation && str_eq(str_of(key->name, key->name_len), name))
            return key;
    }
    return NULL;
}

static uint64_t pair_hash(const struct tracked_key *key, uint64_t id) {
    return hash_u64((uint64_t)(uintptr_t)key ^ hash_u64(id));
}

static bool pair_exists(const struct tracking *t, const struct tracked_key *key, uint64_t id) {
    uint64_t hash = pair_hash(key, id);
    for (struct hash_node *n = hash_first(&t->pairs, hash); n != NULL;
         n = hash_next(&t->pairs, n)) {
        const struct tracked_pair *pair = CONTAINER_OF(n, struct tracked_pair, node);
        if (pair->key == key && pair->id == id) return true;
    }
    return false;
}

void tracked_pair_drop(struct tracking *t, struct tracked_pair *pair) {
    if (pair->key->generation == t->generation) t->live_pairs--;
    hash_remove(&t->pairs, &pair->node);
    list_remove(&pair->of_key);
    free(pair);
}

static void take_out(struct tracking *t, struct tracked_key *key) {
    if (key->generation == t->generation) t->live_keys--;
    hash_remove(&t->keys, &key->node);
}

void tracked_key_going(struct tracking *t, struct tracked_key *key, uint64_t by) {
    take_out(t, key);
    list_remove(&key->order);
    key->by = by;
    list_append(&t->going, &key->order);
}

void tracking_invalidate(struct server *srv, struct str name, uint64_t by) {
    struct tracked_key *key = key_find(&srv->tracking, name);
    if (key != NULL) tracked_key_going(&srv->tracking, key, by);
}

void tracked_evict(struct tracking *t) {
    struct tracked_key *key = LIST_ENTRY(t->order.next, struct tracked_key, order);
    if (key->generation == t->generation)
        tracked_key_going(t, key, 0);
    else
        tracked_key_drop(t, key); /* everybody has been told of it */
}

static struct tracked_key *key_get(struct server *srv, struct str name) {
    struct tracking *t = &srv->tracking;
    struct tracked_key *key = key_find(t, name);
    if (key != NULL) return key;
    uint64_t max = srv->config.tracking_table_max_keys;
    if (max > 0 && t->keys.count >= max) tracked_evict(t);
    key = xcalloc(1, sizeof *key + name.len);
    key->generation = t->generation;
    key->name_len = name.len;
    memcpy(key->name, name.ptr, name.len);
    list_init(&key->pairs);
    list_append(&t->order, &key->order);
    hash_insert(&t->keys, &key->node, name_hash(name));
    t->live_keys++;
    return key;
}

/* Two for each that comes: so of those that are gone no more are left than there are others. */
static void drop_some_gone(struct server *srv, struct tracked_key *key) {
    for (int n = 0; n < 2 && !list_empty(&key->pairs); n++) {
        struct tracked_pair *first = LIST_ENTRY(key->pairs.next, struct tracked_pair, of_key);
        if (server_client_by_id(srv, first->id) == NULL) {
            tracked_pair_drop(&srv->tracking, first);
            continue;
        }
        list_remove(&first->of_key);
        list_append(&key->pairs, &first->of_key);
    }
}

static void remember(struct client *c, struct str name) {
    struct tracking *t = &c->srv->tracking;
    if (!stream_name_valid(name) || virtual_marked(name)) return;
    struct tracked_key *key = key_get(c->srv, name);
    if (pair_exists(t, key, c->id)) return;
    drop_some_gone(c->srv, key);
    tracking_keep_up(c->srv);
    struct tracked_pair *pair = xcalloc(1, sizeof *pair);
    pair->key = key;
    pair->id = c->id;
    list_append(&key->pairs, &pair->of_key);
    hash_insert(&t->pairs, &pair->node, pair_hash(key, c->id));
    t->live_pairs++;
}

void tracking_remember(struct client *c, const struct command *cmd, const struct request *r) {
    const struct tracker *t = c->tracker;
    if (t == NULL || t->mode & TRACKING_BCAST || !(cmd->flags & CMD_READ)) return;
    if (t->mode & TRACKING_OPTIN && !t->caching) return;
    if (t->mode & TRACKING_OPTOUT && t->caching) return;
    if (!command_has_keys(cmd)) return;
    struct str *keys = xmalloc(r->argc * sizeof *keys);
    size_t n = command_keys(cmd, r->argv, r->argc, keys);
    for (size_t i = 0; i < n; i++) remember(c, keys[i]);
    free(keys);
}

/* ---- prefixes ---- */

static struct tracked_prefix *prefix_get(struct tracking *t, struct str text) {
    struct tracked_prefix *p = tracked_prefix_find(t, text);
    if (p != NULL) return p;
    p = xcalloc(1, sizeof *p + text.len);
    p->len = text.len;
    if (text.len > 0) memcpy(p->text, text.ptr, text.len);
    list_init(&p->links);
    hash_insert(&t->prefixes, &p->node, name_hash(text));
    t->prefix_lengths[text.len]++;
    return p;
}

struct tracked_prefix *tracked_prefix_find(const struct tracking *t, struct str text) {
    uint64_t hash = name_hash(text);
    for (struct hash_node *n = hash_first(&t->prefixes, hash); n != NULL;
         n = hash_next(&t->prefixes, n)) {
        struct tracked_prefix *p = CONTAINER_OF(n, struct tracked_prefix, node);
        if (str_eq(str_of(p->text, p->len), text)) return p;
    }
    return NULL;
}

static void link_drop(struct tracking *t, struct tracked_prefix_link *link) {
    struct tracked_prefix *p = link->prefix;
    list_remove(&link->of_prefix);
    list_remove(&link->of_client);
    free(link);
    if (!list_empty(&p->links)) return;
    hash_remove(&t->prefixes, &p->node);
    list_remove(&p->told);
    t->prefix_lengths[p->len]--;
    buf_clear(&p->keys);
    free(p->bys);
    free(p);
}

/* (A longer prefix than any name can be matches none.) */
static void add_prefix(struct client *c, struct str text) {
    struct tracker *t = c->tracker;
    if (text.len > STREAM_NAME_MAX) return;
    struct tracked_prefix *p = prefix_get(&c->srv->tracking, text);
    LIST_FOR_EACH (it, &t->prefixes)
        if (LIST_ENTRY(it, struct tracked_prefix_link, of_client)->prefix == p) return;
    struct tracked_prefix_link *link = xcalloc(1, sizeof *link);
    link->client = c;
    link->prefix = p;
    link->round = p->round;
    list_append(&p->links, &link->of_prefix);
    list_append(&t->prefixes, &link->of_client);
    t->prefix_count++;
}

struct str tracking_prefix(const struct tracker *t, size_t i) {
    LIST_FOR_EACH (it, &t->prefixes) {
        const struct tracked_prefix *p =
            LIST_ENTRY(it, struct tracked_prefix_link, of_client)->prefix;
        if (i-- == 0) return str_of(p->text, p->len);
    }
    return STR("");
}

/* ---- connections ---- */

/* What was decided while nobody tracked was not noted. Until it is durable everybody reads what was
 * before it, and would not hear of it: so it is told as a change of all keys. */
static void note_what_was_before(struct server *srv) {
    const struct model *m = &srv->model;
    uint64_t last = m->decided + !model_frame_is_empty(m);
    if (last > model_settled(m)) tracking_flushed(srv, last);
}

void tracking_begin(struct client *c, unsigned mode, uint64_t redirect, const struct str *prefixes,
                    size_t prefix_count) {
    struct server *srv = c->srv;
    if (c->tracker == NULL) {
        c->tracker = xcalloc(1, sizeof *c->tracker);
        list_init(&c->tracker->prefixes);
        c->tracker->client = c;
        c->tracker->generation = srv->tracking.generation;
        list_append(&srv->tracking.trackers, &c->tracker->all);
        if (srv->tracking.clients++ == 0) note_what_was_before(srv);
        srv->model.on_change = tracking_changed;
        srv->model.on_change_arg = srv;
    }
    struct tracker *t = c->tracker;
    t->mode = mode;
    t->redirect = redirect;
    t->redirect_broken = false;
    if (!(mode & TRACKING_BCAST)) return;
    if (prefix_count == 0) add_prefix(c, STR(""));
    for (size_t i = 0; i < prefix_count; i++) add_prefix(c, prefixes[i]);
}

void tracking_end(struct client *c) {
    struct server *srv = c->srv;
    struct tracker *t = c->tracker;
    if (t == NULL) return;
    LIST_FOR_EACH_SAFE (it, &t->prefixes)
        link_drop(&srv->tracking, LIST_ENTRY(it, struct tracked_prefix_link, of_client));
    list_remove(&t->all);
    free(t);
    c->tracker = NULL;
    if (--srv->tracking.clients > 0) return;
    srv->model.on_change = NULL;
    tracked_new_generation(&srv->tracking); /* nobody is to hear of what is in the table */
}

void tracking_before(struct client *c) {
    c->srv->tracking.by = c->id;
}

/* What CLIENT CACHING said is for one command, or for all of MULTI and EXEC. */
void tracking_after(struct client *c, const struct command *cmd, const struct request *r,
                    bool replied) {
    struct tracker *t = c->tracker;
    c->srv->tracking.by = 0;
    if (t == NULL || !replied) return;
    if (!c->reply_was_error) tracking_remember(c, cmd, r);
    bool lasts = t->caching_is_new && !(cmd->flags & CMD_EXEC);
    if (!lasts && !transaction_open(c)) t->caching = false;
    t->caching_is_new = false;
}

void tracking_count(const struct server *srv, uint64_t *keys, uint64_t *items, uint64_t *prefixes) {
    *keys = srv->tracking.live_keys;
    *items = srv->tracking.live_pairs;
    *prefixes = srv->tracking.prefixes.count;
}

void tracking_init(struct server *srv) {
    struct tracking *t = &srv->tracking;
    hash_init(&t->keys);
    hash_init(&t->pairs);
    hash_init(&t->prefixes);
    hash_init(&t->changed);
    list_init(&t->trackers);
    list_init(&t->order);
    list_init(&t->changes);
    list_init(&t->going);
    list_init(&t->told);
    t->prefix_lengths = xcalloc(STREAM_NAME_MAX + 1, sizeof *t->prefix_lengths);
}

void tracked_new_generation(struct tracking *t) {
    t->generation++;
    t->live_keys = t->live_pairs = 0;
}

void tracked_key_drop(struct tracking *t, struct tracked_key *key) {
    take_out(t, key);
    tracked_key_free(t, key);
}

void tracked_key_free(struct tracking *t, struct tracked_key *key) {
    while (!list_empty(&key->pairs))
        tracked_pair_drop(t, LIST_ENTRY(key->pairs.next, struct tracked_pair, of_key));
    list_remove(&key->order);
    free(key);
}

/* All connections are closed. */
void tracking_clear(struct server *srv) {
    struct tracking *t = &srv->tracking;
    while (!list_empty(&t->order))
        tracked_key_drop(t, LIST_ENTRY(t->order.next, struct tracked_key, order));
    while (!list_empty(&t->going))
        tracked_key_free(t, LIST_ENTRY(t->going.next, struct tracked_key, order));
    LIST_FOR_EACH_SAFE (it, &t->changes)
        tracked_change_drop(t, LIST_ENTRY(it, struct tracked_change, list_node));
    hash_clear(&t->keys);
    hash_clear(&t->pairs);
    hash_clear(&t->prefixes);
    hash_clear(&t->changed);
    free(t->prefix_lengths);
    free(t->full.ids);
}
