/* A subscription with a checkpoint: acknowledging moves it, and so does the server, over what is
 * not for the subscriber while nothing is unacknowledged: but not once somebody else has set or
 * deleted it, as who rewinds it does. Then only acknowledging moves it again. One subscription at a
 * time has a checkpoint: the newest. Those that lost theirs are remembered, so that who was
 * replaced hears that, and not that he never was. */
#include "server/subscription/internal.h"

#include "base/alloc.h"
#include "server/command/command.h"
#include "server/server.h"

#define TAKEN_MAX 10000 /* that are remembered, of all connections */

struct taken {
    struct hash_node node; /* subscriptions.taken */
    struct list order;     /* subscriptions.taken_order */
    struct uuid id;
};

static uint64_t hash_of(const struct named *n) {
    return hash_u64((uint64_t)(uintptr_t)n);
}

static struct subscription *holder_of(struct server *srv, const struct named *n) {
    const struct hash_table *t = &srv->subscriptions.by_checkpoint;
    for (struct hash_node *node = hash_first(t, hash_of(n)); node != NULL;
         node = hash_next(t, node)) {
        struct subscription *s = CONTAINER_OF(node, struct subscription, by_checkpoint);
        if (s->checkpoint == n) return s;
    }
    return NULL;
}

static void forget_taken(struct subscriptions *subs, struct taken *t) {
    hash_remove(&subs->taken, &t->node);
    list_remove(&t->order);
    free(t);
}

static void remember_taken(struct server *srv, const struct uuid *id) {
    struct subscriptions *subs = &srv->subscriptions;
    if (subs->taken.count == TAKEN_MAX)
        forget_taken(subs, LIST_ENTRY(subs->taken_order.next, struct taken, order));
    struct taken *t = xcalloc(1, sizeof *t);
    t->id = *id;
    hash_insert(&subs->taken, &t->node, hash_bytes(id, sizeof *id));
    list_append(&subs->taken_order, &t->order);
}

bool subscription_was_taken(const struct server *srv, const struct uuid *id) {
    const struct hash_table *t = &srv->subscriptions.taken;
    for (struct hash_node *n = hash_first(t, hash_bytes(id, sizeof *id)); n != NULL;
         n = hash_next(t, n))
        if (uuid_eq(&CONTAINER_OF(n, struct taken, node)->id, id)) return true;
    return false;
}

void subscriptions_forget_taken(struct subscriptions *subs) {
    while (!list_empty(&subs->taken_order))
        forget_taken(subs, LIST_ENTRY(subs->taken_order.next, struct taken, order));
    hash_clear(&subs->taken);
    hash_clear(&subs->by_checkpoint);
}

void subscription_take_checkpoint(struct subscription *s, struct named *n) {
    struct subscription *before = holder_of(s->srv, n);
    if (before != NULL) {
        remember_taken(s->srv, &before->id);
        subscription_end(before, "taken-over");
    }
    named_pin(n);
    s->checkpoint = n;
    s->moved_ms = s->srv->clock.now_ms;
    s->sent_up_to = s->acked_up_to = s->position;
    s->left_at = named_frame(&s->srv->model, n);
    hash_insert(&s->srv->subscriptions.by_checkpoint, &s->by_checkpoint, hash_of(n));
}

void subscription_leave_checkpoint(struct subscription *s) {
    if (s->checkpoint == NULL) return;
    hash_remove(&s->srv->subscriptions.by_checkpoint, &s->by_checkpoint);
    named_unpin(s->checkpoint);
    s->checkpoint = NULL;
}

/* In the frame being built. */
static void set(struct subscription *s, uint64_t position) {
    struct model *m = &s->srv->model;
    s->acked_up_to = position;
    s->sent_up_to = MAX(s->sent_up_to, position);
    s->moved_ms = s->srv->clock.now_ms;
    named_set_checkpoint(m, s->checkpoint, position);
    s->left_at = named_frame(m, s->checkpoint);
}

bool subscription_move_checkpoint(struct subscription *s, uint64_t cursor) {
    uint64_t known = MAX(s->sent_up_to, s->told); /* a message `position` has a cursor, too */
    uint64_t position = cursor < known ? cursor + 1 : known;
    if (s->flushes != s->srv->subscriptions.flushes) return false; /* of another history */
    if (position <= s->acked_up_to) return false;
    set(s, position);
    return true;
}

/* It may stand where it stood before: then the same can be acknowledged again. */
void subscription_checkpoint_voided(struct subscription *s, uint64_t durable) {
    struct checkpoint_value v = {0};
    struct str value;
    if (named_value(&s->srv->model, s->checkpoint, VIEW_NEWEST, &value))
        memcpy(&v, value.ptr, sizeof v);
    s->acked_up_to = MIN(s->acked_up_to, v.position);
    if (s->left_at > durable) s->left_at = named_frame(&s->srv->model, s->checkpoint);
}

bool subscription_move_over(struct subscription *s, uint64_t position) {
    enum { EVERY_MS = 10000 };
    bool handled = s->acked_up_to == s->sent_up_to && position > s->acked_up_to;
    bool stands = named_frame(&s->srv->model, s->checkpoint) == s->left_at;
    if (!handled || !stands || s->srv->clock.now_ms < s->moved_ms + EVERY_MS) return false;
    if (command_is_paused(s->srv, CMD_WRITE)) return false;
    if (!store_writable(s->srv->store) || store_refusal(s->srv->store) != NULL) return false;
    set(s, position);
    model_commit(&s->srv->model);
    return true;
}
