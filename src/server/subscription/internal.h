/* What the files of this room share. Nobody else includes this. */
#ifndef SERVER_SUBSCRIPTION_INTERNAL_H
#define SERVER_SUBSCRIPTION_INTERNAL_H

#include "server/client/share.h"
#include "server/server.h"
#include "server/subscription/subscription.h"
#include "stream/gone/renamed.h"

#define RING_LEAST   16 /* unacknowledged events that there is room for at first */
#define PUSH_HOW_MAX 64 /* bytes of a shape */

/* A page that a reader thread looks for. It outlives its subscription while that is so. */
struct page_read {
    struct store_request request;
    struct subscription *subscription; /* NULL: nobody wants it any more */
    struct server *srv;
    struct selector *selector; /* a reference, for the reader thread */
    uint64_t generation;       /* of the model when asked */
    struct names_asked names;  /* the range borrows from it */
    bool done;
    struct list kept; /* subscriptions.kept, until it gets credit for more of it */
    uint64_t kept_ms; /* since when, monotonic */
};

/* subscription.c */
void subscription_set_state(struct subscription *s, enum subscription_state state);
/* It is to be looked at in this turn or the next. */
void subscription_make_ready(struct subscription *s);
/* It ends by itself: the subscriber is told why. */
void subscription_end(struct subscription *s, const char *reason);
/* Looks for what was asked for with the selector's time: others do from now on. It must not be
 * followed. */
void subscription_found(struct subscription *s);

/* deliver.c */
/* Whether it may be sent something now. false: it was put where it waits for that. */
bool subscription_may_send(struct subscription *s);
/* Whether its connection has taken enough of what was written for it. */
bool subscription_has_room(const struct subscription *s);
/* Whether it is for this one, besides what the selector says. */
bool subscription_wants(const struct subscription *s, const struct event *e,
                        const struct stream_name *name);
/* Writes the event. false: it is large, and the subscription was put where it waits for room. */
bool subscription_send(struct subscription *s, const struct event *e, struct stream_name *name);
void subscription_close_batch(struct subscription *s);
void subscription_notify(struct subscription *s, enum subscription_notice notice,
                         uint64_t position);
/* Notes that so many bytes were written for the connection, which will be flushed. */
void subscriber_wrote(struct client *c, size_t bytes);
bool subscriptions_are_paused(const struct server *srv); /* CLIENT PAUSE ALL */
live_tell_fn subscription_tell;
live_lost_fn subscription_lost;

/* room.c */
#define SCARCE_BYTES ((size_t)16 << 10) /* that a connection may leave unread in any case */
/* Whether all connections together hold too much, with so many bytes more. */
static inline bool is_scarce(const struct server *srv, size_t bytes) {
    const struct subscriptions *subs = &srv->subscriptions;
    return subs->bytes + subs->shared_bytes + subs->open_bytes + bytes >
               srv->config.subscriptions_bytes_max ||
           share_is_over(srv);
}
/* Bytes that the connection may leave unread before nothing more is written. Everybody may have
 * little, whatever the others hold: nobody waits for somebody else to read. */
static inline size_t subscriber_allowance(const struct client *c) {
    size_t most = c->srv->config.subscription_bytes;
    return UNLIKELY(is_scarce(c->srv, 0)) ? MIN(most, SCARCE_BYTES) : most;
}
/* The connection has left more than SCARCE_BYTES, or has a long push before it. */
void subscriber_holds_much(struct client *c);
/* Whether so many bytes may be shared now: below the bound, or as the only one beyond it. */
bool subscriptions_have_room(const struct server *srv, size_t bytes);
/* Closes connections that have long read nothing, while others wait for room. */
void subscriptions_make_room(struct server *srv);

/* shape.c */
void push_shape_unref(struct server *srv, struct push_shape *shape);
struct push_shape {
    struct hash_node node; /* subscriptions.shapes */
    unsigned refs;
    push_event_fn *put;
    size_t size;
    char how[PUSH_HOW_MAX];
    struct buf event; /* that was written last */
    uint64_t sequence, turn;
};
void push_shape_write(struct server *srv, struct push_shape *shape, const struct event *e,
                      const struct stream_name *name);
/* The event in that shape; valid until the next call. Within a turn of the loop no event and no
 * name changes while events are sent. */
static inline struct str push_shape_event(struct server *srv, struct push_shape *shape,
                                          const struct event *e, const struct stream_name *name) {
    if (shape->turn != srv->subscriptions.turn || shape->sequence != e->rec.sequence)
        push_shape_write(srv, shape, e, name);
    return buf_str(&shape->event);
}
/* The event in the subscription's shape, if it is being sent to somebody; else NULL. */
struct shared_bytes *shared_event_find(const struct subscription *s, const struct event *e,
                                       const struct stream_name *name);
/* Writes it, to be sent: takes no reference, so somebody has to at once. NULL: there is no room. */
struct shared_bytes *shared_event_write(struct subscription *s, const struct event *e,
                                        struct stream_name *name);
/* Puts the subscription where it waits until it can be written. */
void shared_event_wait(struct subscription *s, const struct event *e, struct stream_name *name);
void shared_event_leave(struct subscription *s); /* it waits for room, and no longer */
/* Makes those ready that wait for the first event for which there is room. */
void shared_events_go_on(struct server *srv);
bool shared_events_can_go_on(const struct server *srv);

/* checkpoint.c */
/* It is this one's from now on; whoever had it ends. */
void subscription_take_checkpoint(struct subscription *s, struct named *n);
void subscription_leave_checkpoint(struct subscription *s);
/* Of one that has a checkpoint: what is beyond that frame is void. */
void subscription_checkpoint_voided(struct subscription *s, uint64_t durable);
/* Everything before the position is sent, or not for it: moves the checkpoint there, in a frame of
 * its own, now and then, if all that was sent is acknowledged, and nobody else has set or deleted
 * it since this subscription did. false: not now. */
bool subscription_move_over(struct subscription *s, uint64_t position);
void subscriptions_forget_taken(struct subscriptions *subs);

/* history.c */
/* Sends what there is, a portion, from its position on. */
void subscription_go_on(struct subscription *s);
void subscription_give_up_reading(struct subscription *s);
/* Pages that nobody has acknowledged anything of for a while go: what they pin in memory grows. */
void subscriptions_drop_pages(struct server *srv);
/* Lets those go on whom nothing keeps any more. */
void subscriptions_wake(struct server *srv);

#endif
