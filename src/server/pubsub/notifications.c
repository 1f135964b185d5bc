/* See notifications.h. */
#include "server/pubsub/notifications.h"

#include "base/alloc.h"
#include "stream/undo.h"
#include "server/pubsub/internal.h"

#define TOLD_A_TURN 10000

struct notification {
    struct list node; /* notifications.list, by frame */
    uint64_t frame;
    const char *event;
    struct str key; /* behind the struct */
};

/* A transaction that is taken back takes them along. */
struct note_notification {
    struct undo undo;
    struct notifications *all;
    struct notification *n;
};

static void drop(struct notifications *all, struct notification *n) {
    all->bytes -= sizeof *n + n->key.len;
    list_remove(&n->node);
    free(n);
}

static void take_back(struct model *m, struct undo *u) {
    UNUSED(m);
    struct note_notification *note = CONTAINER_OF(u, struct note_notification, undo);
    drop(note->all, note->n);
}

void notification_note(struct server *srv, uint64_t frame, const char *event, struct str key) {
    struct notifications *all = &srv->pubsub.notifications;
    if (srv->pubsub.clients == 0) return;
    if (!(srv->config.notify_events & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT))) return;
    struct notification *n = xcalloc(1, sizeof *n + key.len);
    memcpy(n + 1, key.ptr, key.len);
    n->frame = frame;
    n->event = event;
    n->key = str_of((char *)(n + 1), key.len);
    all->bytes += sizeof *n + key.len;
    list_append(&all->list, &n->node);
    struct note_notification *note = model_note(&srv->model, sizeof *note, take_back);
    if (note == NULL) return;
    note->all = all;
    note->n = n;
}

/* ---- telling ---- */

static void tell_on(struct server *srv, const char *kind, struct str name, struct str payload) {
    struct buf channel;
    buf_init(&channel, 0);
    buf_printf(&channel, "__%s@0__:", kind);
    buf_put_str(&channel, name);
    pubsub_publish(srv, CHANNEL_PLAIN, buf_str(&channel), payload);
    buf_clear(&channel);
}

static void tell(struct server *srv, const struct notification *n) {
    struct str event = str_c(n->event);
    if (srv->config.notify_events & NOTIFY_KEYSPACE) tell_on(srv, "keyspace", n->key, event);
    if (srv->config.notify_events & NOTIFY_KEYEVENT) tell_on(srv, "keyevent", event, n->key);
}

bool notifications_pending(const struct server *srv) {
    const struct list *list = &srv->pubsub.notifications.list;
    if (LIKELY(list_empty(list))) return false;
    return LIST_ENTRY(list->next, struct notification, node)->frame <= model_settled(&srv->model);
}

/* What is on its way goes first. Events that wait, too, have their turn in between. */
static bool have_turn(const struct pubsub *ps) {
    bool of_events = ps->events.waits && ps->notifications.went_last;
    return list_empty(&ps->queue) && !publish_is_behind(ps) && !of_events;
}

/* Whoever publishes without end keeps them waiting for a turn at the most. */
void notifications_run(struct server *srv) {
    struct pubsub *ps = &srv->pubsub;
    struct notifications *all = &ps->notifications;
    all->waits = notifications_pending(srv) && !have_turn(ps);
    if (all->waits || !notifications_pending(srv)) return;
    ps->work = MAX(ps->work, (size_t)PUBSUB_WORK_LEAST);
    all->went_last = true;
    for (size_t n = 0; n < TOLD_A_TURN && notifications_pending(srv); n++) {
        if (ps->work == 0 || !list_empty(&ps->queue)) return;
        struct notification *first = LIST_ENTRY(all->list.next, struct notification, node);
        tell(srv, first);
        drop(all, first);
    }
}

void notifications_voided(struct server *srv) {
    struct notifications *all = &srv->pubsub.notifications;
    uint64_t durable = store_durable(srv->store);
    LIST_FOR_EACH_SAFE (it, &all->list) {
        struct notification *n = LIST_ENTRY(it, struct notification, node);
        if (n->frame > durable) drop(all, n);
    }
}

void notifications_clear(struct server *srv) {
    struct notifications *all = &srv->pubsub.notifications;
    LIST_FOR_EACH_SAFE (it, &all->list) drop(all, LIST_ENTRY(it, struct notification, node));
}
