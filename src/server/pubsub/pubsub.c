/* See pubsub.h: who listens to what. */
#include "server/pubsub/internal.h"

#include "base/alloc.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"

#define LEAVING_A_TURN 1000 /* names that are taken off connections which are gone */

void pubsub_init(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    for (size_t i = 0; i < CHANNEL_KINDS; i++) hash_init(&ps->channels[i]);
    hash_init(&ps->ears);
    patterns_init(&ps->patterns);
    for (size_t i = 0; i < ARRAY_LEN(ps->message); i++) buf_init(&ps->message[i], 0);
    list_init(&ps->queue);
    list_init(&ps->leaving);
    list_init(&ps->untold);
    event_channels_init(&ps->events);
    list_init(&ps->notifications.list);
}

/* ---- channels ---- */

struct channel *channel_find(const struct pubsub *ps, enum channel_kind kind, struct str name) {
    const struct hash_table *t = &ps->channels[kind];
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(t, hash); n != NULL; n = hash_next(t, n)) {
        struct channel *ch = CONTAINER_OF(n, struct channel, node);
        if (str_eq(ch->name, name)) return ch;
    }
    return NULL;
}

static struct channel *channel_create(struct pubsub *ps, enum channel_kind kind, struct str name) {
    struct channel *ch = xcalloc(1, sizeof *ch + name.len + 1);
    ch->kind = kind;
    if (name.len > 0) memcpy(ch + 1, name.ptr, name.len);
    ch->name = str_of(ch + 1, name.len);
    ch->of_events = kind != CHANNEL_SHARD && str_starts_with(name, EVENT_CHANNEL);
    list_init(&ch->ears);
    hash_insert(&ps->channels[kind], &ch->node, hash_bytes(name.ptr, name.len));
    if (kind == CHANNEL_PATTERN) patterns_add(&ps->patterns, ch);
    return ch;
}

static void destroy_if_unused(struct pubsub *ps, struct channel *ch) {
    if (ch->count > 0 || ch->refs > 0) return;
    if (ch->kind == CHANNEL_PATTERN) patterns_remove(&ps->patterns, ch);
    hash_remove(&ps->channels[ch->kind], &ch->node);
    free(ch);
}

void channel_unref(struct pubsub *ps, struct channel *ch) {
    assert(ch->refs > 0);
    ch->refs--;
    destroy_if_unused(ps, ch);
}

/* ---- ears ---- */

static uint64_t ear_hash(const struct listening *l, const struct channel *ch) {
    return hash_u64((uint64_t)(uintptr_t)l ^ hash_u64((uint64_t)(uintptr_t)ch));
}

static struct ear *ear_find(const struct pubsub *ps, const struct listening *l,
                            const struct channel *ch) {
    uint64_t hash = ear_hash(l, ch);
    for (struct hash_node *n = hash_first(&ps->ears, hash); n != NULL;
         n = hash_next(&ps->ears, n)) {
        struct ear *e = CONTAINER_OF(n, struct ear, node);
        if (e->listening == l && e->channel == ch) return e;
    }
    return NULL;
}

bool pubsub_may_compare(const struct server *srv, const struct str *patterns, size_t n) {
    const struct pubsub *ps = &srv->pubsub;
    size_t slow = 0;
    for (size_t i = 0; i < n; i++)
        if (channel_find(ps, CHANNEL_PATTERN, patterns[i]) == NULL)
            slow += str_glob_slow(patterns[i]);
    return slow == 0 || ps->patterns.slow + slow <= PATTERNS_SLOW_MAX;
}

size_t pubsub_bytes_of(struct str name) {
    return sizeof(struct ear) + sizeof(struct channel) + name.len;
}

static void ear_create(struct pubsub *ps, struct listening *l, struct channel *ch) {
    struct ear *e = xcalloc(1, sizeof *e);
    e->listening = l;
    e->channel = ch;
    e->number = ++ps->numbers;
    list_append(&ch->ears, &e->of_channel);
    list_append(&l->ears[ch->kind], &e->of_client);
    hash_insert(&ps->ears, &e->node, ear_hash(l, ch));
    if (ch->count++ == 0) ps->active[ch->kind]++;
    l->count[ch->kind]++;
    l->bytes += pubsub_bytes_of(ch->name);
    if (UNLIKELY(ch->of_events)) event_ear_comes(l);
}

static void ear_destroy(struct pubsub *ps, struct ear *e) {
    struct channel *ch = e->channel;
    struct listening *l = e->listening;
    publish_skips(ps, e);
    list_remove(&e->of_channel);
    list_remove(&e->of_client);
    hash_remove(&ps->ears, &e->node);
    l->count[ch->kind]--;
    l->bytes -= pubsub_bytes_of(ch->name);
    if (UNLIKELY(ch->of_events)) event_ear_goes(ps, l);
    if (--ch->count == 0) ps->active[ch->kind]--;
    free(e);
    destroy_if_unused(ps, ch);
}

/* ---- connections ---- */

static size_t count_of(const struct listening *l) {
    size_t n = 0;
    for (size_t i = 0; i < CHANNEL_KINDS; i++) n += l->count[i];
    return n;
}

static struct listening *listening_of(struct client *c) {
    if (c->listening != NULL) return c->listening;
    struct listening *l = c->listening = xcalloc(1, sizeof *l);
    l->client = c;
    for (size_t i = 0; i < CHANNEL_KINDS; i++) list_init(&l->ears[i]);
    list_init(&l->leaving);
    list_init(&l->of_events);
    c->srv->pubsub.clients++;
    return l;
}

static void end_if_deaf(struct client *c) {
    struct listening *l = c->listening;
    if (count_of(l) > 0) return;
    c->listening = NULL;
    c->srv->pubsub.clients--;
    free(l);
}

bool pubsub_listen(struct client *c, enum channel_kind kind, struct str name) {
    struct pubsub *ps = &c->srv->pubsub;
    struct channel *ch = channel_find(ps, kind, name);
    if (ch != NULL && c->listening != NULL && ear_find(ps, c->listening, ch) != NULL) return false;
    if (ch == NULL) ch = channel_create(ps, kind, name);
    ear_create(ps, listening_of(c), ch);
    return true;
}

bool pubsub_leave(struct client *c, enum channel_kind kind, struct str name) {
    struct pubsub *ps = &c->srv->pubsub;
    const struct channel *ch = c->listening != NULL ? channel_find(ps, kind, name) : NULL;
    struct ear *e = ch != NULL ? ear_find(ps, c->listening, ch) : NULL;
    if (e == NULL) return false;
    ear_destroy(ps, e);
    end_if_deaf(c);
    return true;
}

bool pubsub_first(const struct client *c, enum channel_kind kind, struct str *name) {
    const struct listening *l = c->listening;
    if (l == NULL || list_empty(&l->ears[kind])) return false;
    *name = LIST_ENTRY(l->ears[kind].next, struct ear, of_client)->channel->name;
    return true;
}

size_t pubsub_count(const struct client *c, enum channel_kind kind) {
    return c->listening != NULL ? c->listening->count[kind] : 0;
}

uint64_t pubsub_bytes(const struct client *c) {
    return c->listening != NULL ? c->listening->bytes : 0;
}

/* At most so many of its names; false: some are left. */
static bool take_away(struct pubsub *ps, struct listening *l, size_t *most) {
    for (size_t i = 0; i < CHANNEL_KINDS; i++) {
        while (!list_empty(&l->ears[i]) && *most > 0) {
            ear_destroy(ps, LIST_ENTRY(l->ears[i].next, struct ear, of_client));
            --*most;
        }
    }
    return count_of(l) == 0;
}

void pubsub_drop(struct client *c) {
    struct listening *l = c->listening;
    struct pubsub *ps = &c->srv->pubsub;
    size_t most = LEAVING_A_TURN;
    pubsub_tell_now(c);
    if (l == NULL) return;
    c->listening = NULL;
    ps->clients--;
    l->client = NULL;
    list_remove(&l->of_events);
    if (take_away(ps, l, &most))
        free(l);
    else
        list_append(&ps->leaving, &l->leaving);
}

static void take_leaving_away(struct pubsub *ps) {
    size_t most = LEAVING_A_TURN;
    while (!list_empty(&ps->leaving) && most > 0) {
        struct listening *l = LIST_ENTRY(ps->leaving.next, struct listening, leaving);
        if (!take_away(ps, l, &most)) return;
        list_remove(&l->leaving);
        free(l);
    }
}

/* ---- turns ---- */

void pubsub_run(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    publish_run(srv);
    if (UNLIKELY(!list_empty(&ps->leaving))) take_leaving_away(ps);
}

bool pubsub_pending(const struct server *srv) {
    const struct pubsub *ps = &srv->pubsub;
    return !list_empty(&ps->queue) || !list_empty(&ps->untold) || !list_empty(&ps->leaving) ||
           event_channels_pending(srv);
}

void pubsub_clear(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    publish_clear(srv);
    while (!list_empty(&ps->leaving)) take_leaving_away(ps);
    assert(ps->ears.count == 0);
    for (size_t i = 0; i < CHANNEL_KINDS; i++) hash_clear(&ps->channels[i]);
    hash_clear(&ps->ears);
    patterns_clear(&ps->patterns);
    event_channels_clear(&ps->events);
    notifications_clear(srv);
    for (size_t i = 0; i < ARRAY_LEN(ps->message); i++) buf_clear(&ps->message[i]);
    free(ps->found.list);
}

/* ---- asking ---- */

size_t pubsub_listeners(const struct server *srv, enum channel_kind kind, struct str name) {
    const struct channel *ch = channel_find(&srv->pubsub, kind, name);
    return ch != NULL ? ch->count : 0;
}

struct telling {
    pubsub_each_fn *each;
    void *arg;
};

static void tell_one(struct hash_node *n, void *arg) {
    const struct channel *ch = CONTAINER_OF(n, struct channel, node);
    const struct telling *t = arg;
    if (ch->count > 0) t->each(ch->name, t->arg);
}

uint64_t pubsub_scan(struct server *srv, enum channel_kind kind, uint64_t cursor,
                     pubsub_each_fn *each, void *arg) {
    struct telling t = {each, arg};
    return hash_scan(&srv->pubsub.channels[kind], cursor, tell_one, &t);
}
