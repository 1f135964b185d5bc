/* Subscriptions: a connection is sent each event of the log that a selector matches, from a
 * position on: what is there already, then what comes, without a gap and without repeating one,
 * whatever happens in between. Only what is durable is sent.
 *
 *     catching-up ---- at the end of what is settled ----> live
 *       |  ^  ^  <---- what comes cannot be told ------------'|
 *       |  |  '-- it acknowledges ---- waiting-for-credit <---|
 *       |  '----- it reads ----------- waiting-for-socket <---'
 *       '--------------------------------^
 *
 * Catching up reads what is in memory on the loop, in portions, and the rest in pages by the
 * reader threads, one page at a time, in turn with the others. A live one is told by stream/live.h;
 * it keeps nothing. Whoever cannot take an event keeps its sequence, and reads on from there when
 * he can. So a subscriber that does not read costs what is written for it already, which is bounded
 * (subscription-bytes, subscriptions-bytes-max). It is not closed for it, but while others wait for
 * room for a large event (room.c).
 *
 * It knows no protocol: how messages are written is the asker's (struct subscription_wire). Loop
 * thread. */
#ifndef SERVER_SUBSCRIPTION_SUBSCRIPTION_H
#define SERVER_SUBSCRIPTION_SUBSCRIPTION_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/heap.h"
#include "stream/live.h"
#include "stream/model.h"

struct client;
struct server;
struct subscription;
struct push_shape;
struct shared_event;

enum subscription_state {
    SUBSCRIPTION_CATCHING_UP,
    SUBSCRIPTION_LIVE,
    SUBSCRIPTION_WAITING_FOR_CREDIT,
    SUBSCRIPTION_WAITING_FOR_SOCKET,
    SUBSCRIPTION_STATES,
};

/* What a subscriber is told beside events: it has all that there is; it has not any more; nothing
 * for it lies before this position. */
enum subscription_notice { NOTICE_CAUGHT_UP, NOTICE_BEHIND, NOTICE_POSITION };

#define SUBSCRIPTION_HEAD_MAX 64

/* How messages are written, whole ones. */
struct subscription_wire {
    bool counts; /* an event's cursor is how many came before it, not its sequence */
    /* What each message of `event` begins with: written once, into s->head. Returns its length. */
    size_t (*head)(char *out, const struct subscription *s);
    void (*event)(struct buf *out, const struct subscription *s, uint64_t cursor, struct str event);
    /* n of them, one behind the other; cursor: of the last. NULL: batches are not asked for. */
    void (*events)(struct buf *out, const struct subscription *s, uint64_t cursor, size_t n,
                   struct str events);
    /* NULL: nothing of that is told. */
    void (*notice)(struct buf *out, const struct subscription *s, enum subscription_notice notice,
                   uint64_t position);
    /* The last one. NULL: the connection is closed instead. */
    void (*end)(struct buf *out, const struct subscription *s, const char *reason);
};

/* Events of one stream from a version and a sequence on. */
struct subscription_stream {
    struct str name;
    uint64_t version, sequence;
};

/* What is asked for. */
struct subscription_wish {
    struct selector *selector; /* NULL: every event. It takes references of its own */
    /* FROM TIME: `then` is the selector from the first event on, as times never decrease along the
     * log; so those who began at different times share it. */
    bool has_since;
    struct selector *then;
    struct named **views; /* that the selector was made from, in use: takes them over, and */
    size_t view_count;    /* the array */
    uint64_t position;    /* sequence of the first event that may be sent; may lie ahead */
    uint64_t window;      /* events that are sent and not acknowledged; UINT64_MAX: no limit */
    size_t batch;         /* events of one message; 0: one each, without a frame around it */
    struct str name;
    struct named *checkpoint; /* loaded; NULL: none */
    const struct subscription_wire *wire;
    struct push_shape *shape; /* takes over the reference */
    bool lean;                /* a lean page has what that shows */
    /* Ascending by name; copied. none: of all streams, every version. */
    const struct subscription_stream *streams;
    size_t stream_count;
};

struct subscription {
    struct server *srv;
    struct client *client;
    struct uuid id;
    uint64_t number;           /* in the order in which they were made */
    struct hash_node by_id;    /* subscriptions.by_id */
    struct list of_client;     /* subscriber.subscriptions */
    struct list all;           /* subscriptions.all */
    struct list queue;         /* where it waits for what: subscriptions.ready, .paused ... */
    struct list due;           /* subscriptions.due */
    struct list open;          /* subscriptions.open */
    struct heap_node announce; /* subscriptions.announce, until its reply has left */
    struct live_follower follower;
    struct live_target *target; /* held */
    enum subscription_state state;
    const struct subscription_wire *wire;
    char head[SUBSCRIPTION_HEAD_MAX]; /* the wire's */
    size_t head_len;
    struct push_shape *shape;
    bool lean;
    struct shared_event *waits_for; /* room for it; NULL: for none */
    struct selector *selector;      /* in force */
    struct selector *then;          /* has_since: from the first event on */
    struct named **views;           /* that they were made from, in use */
    size_t view_count;
    bool has_since;
    bool caught_up;    /* and was told so */
    uint64_t first;    /* nothing before is sent */
    uint64_t position; /* the sequence to look at next, unless live: subscription_position */
    uint64_t told;     /* the position that it knows of */
    uint64_t told_ms;  /* when, monotonic */
    uint64_t flushes;  /* of the store, when it was made */
    uint64_t window, sent, acked; /* in events */
    uint64_t *unacked; /* ring of the sequences that are sent and not acknowledged; cap a power of
                          two, from `acked` on. NULL: cursors count, or there is no window */
    size_t unacked_cap;
    size_t batch;
    struct buf bodies; /* the message that is being filled: so many events, the last of them */
    size_t body_count;
    uint64_t body_cursor;
    struct page_read *reading; /* that was asked for; NULL: none */
    unsigned names_before;     /* so often it was asked for in vain, see names_ask */
    unsigned ahead; /* with a window: so many events more than it has credit for are read */
    /* With a checkpoint (pinned): positions behind the last event that was sent, and behind what is
     * acknowledged, which is where it stands unless others have moved it; when it was moved,
     * monotonic; the frame that changed it last, as far as this subscription knows. */
    struct named *checkpoint;       /* NULL: none */
    struct hash_node by_checkpoint; /* subscriptions.by_checkpoint */
    uint64_t sent_up_to, acked_up_to, moved_ms, left_at;
    struct subscription_stream *streams;
    size_t stream_count;
    uint64_t bytes;  /* that were written for it */
    uint64_t served; /* subscriptions.delivered, when it was sent something last */
    uint64_t kept;   /* bytes: its part of subscriber.kept */
    char *name;      /* NULL: none */
};

/* What a connection's subscriptions share. */
struct subscriber {
    struct list subscriptions;
    struct list waiting; /* for the socket: who was sent something longest ago is first */
    size_t open;         /* bytes of messages that are being filled */
    size_t count;
    uint64_t counted; /* bytes that it has not taken, as of the last time */
    uint64_t kept;    /* bytes that are kept for its subscriptions */
};

/* A way through all of them over several turns, oldest first; of those that are made meanwhile
 * none.
 */
struct subscription_walk {
    struct list node;          /* subscriptions.walks */
    struct subscription *next; /* NULL: that was all */
    uint64_t end;              /* numbers below it */
};

struct subscriptions { /* the server's */
    struct hash_table by_id, shapes, by_checkpoint;
    struct hash_table taken; /* checkpoint.c's: the ids of those whose checkpoint another one has */
    struct list taken_order; /* longest ago first */
    struct list all;         /* oldest first */
    struct list walks;
    struct list ready, paused, for_reader, halted;
    struct hash_table shared;    /* large events that are being sent, or wait for room */
    uint64_t shared_bytes;       /* of those that are being sent */
    struct list for_room;        /* those that wait for room, the oldest first */
    struct shared_event *beyond; /* the last that was written above the bound; NULL: none is left */
    struct list holders;         /* clients that have left much unread; they may have read it */
    uint64_t room_since_ms, room_waited_ms; /* somebody has been waiting for it, monotonic */
    struct list open;                       /* with a message that is being filled */
    struct list due;                        /* those that hear of positions; longest ago first */
    struct heap announce;
    uint64_t states[SUBSCRIPTION_STATES];
    uint64_t count, bytes; /* not taken, of all connections */
    uint64_t open_bytes;   /* of messages that are being filled */
    unsigned reading;      /* pages */
    struct list kept;      /* pages that are not used up, the oldest first */
    size_t kept_bytes;
    uint64_t turn;                 /* a number for each turn of the loop */
    uint64_t flushes, flush_frame; /* that is not settled; 0: none */
    bool rewound;                  /* those of before a void are to end */
    size_t work;                   /* of this turn */
    uint64_t delivered, delivered_bytes, pages, made, behind;
};

/* ---- the server's side ---- */

void subscriptions_init(struct server *srv);
void subscriptions_clear(struct server *srv); /* no connection has any */
/* Once a turn, behind stream/live.h's look and before connections are flushed. */
void subscriptions_run(struct server *srv);
/* Whether they go on without anything happening. */
bool subscriptions_pending(const struct server *srv);
void subscriptions_cron(struct server *srv); /* ten times a second */
/* What was not durable is void, and the model was built anew. was_told: with durability `interval`
 * clients know what is void; then all subscriptions end. */
void subscriptions_voided(struct server *srv, bool was_told);
/* FLUSHALL was decided: all end when it is settled. */
void subscriptions_emptied(struct server *srv);
/* The connection goes, or is reset. */
void subscriptions_drop(struct client *c);
/* The connection was flushed: perhaps some have room now. */
void subscriptions_flushed(struct client *c);
/* Bytes of a long push (long_reply.h) that a connection may leave unread before it goes on. */
size_t subscriptions_push_bytes(const struct server *srv);
/* What is not taken, of all connections: what is shared counts once. */
uint64_t subscriptions_unread(const struct server *srv);

/* ---- a command's side ---- */

size_t subscriptions_of(const struct client *c);      /* how many it has */
uint64_t subscriptions_bytes(const struct client *c); /* that are kept for them */
/* Makes one. Its messages follow when the command's reply has left: when what the command told is
 * settled. NULL: there is no room for what is kept for it (server/client/standing.h), the error was
 * replied, and nothing of it is kept. */
struct subscription *subscription_create_or_reply(struct client *c,
                                                  const struct subscription_wish *wish);
/* NULL: the connection has none of this id. */
struct subscription *subscription_find(const struct client *c, const struct uuid *id);
void subscription_destroy(struct subscription *s);
/* Everything up to the cursor is handled. A lower one than before changes nothing, a higher one
 * than was sent is the last that was. */
void subscription_acknowledge(struct subscription *s, uint64_t cursor);
/* Of one with a checkpoint: moves that, too, in the frame being built. false: there is nothing to
 * change. */
bool subscription_move_checkpoint(struct subscription *s, uint64_t cursor);
/* Whether one of this id has ended since another one has its checkpoint. */
bool subscription_was_taken(const struct server *srv, const struct uuid *id);
/* Everything before this sequence was sent, or is not for it. */
uint64_t subscription_position(const struct subscription *s);
uint64_t subscription_in_flight(const struct subscription *s); /* events; 0 without a window */
const char *subscription_state_name(enum subscription_state state);

void subscription_walk_begin(struct subscription_walk *w, struct server *srv);
/* NULL: that was all. It may end before the next is asked for. */
const struct subscription *subscription_walk_next(struct subscription_walk *w);
void subscription_walk_end(struct subscription_walk *w); /* also of one that is zeroed */

/* Writes an event as `how` says, which is of a size that the function knows. */
typedef void push_event_fn(struct buf *out, const void *how, const struct event *e,
                           const struct stream_name *name);
/* Those who are sent events in the same shape share it: an event is written once for all of them. A
 * reference; `how` is copied and compared byte by byte, at most 64 of them. */
struct push_shape *push_shape_get(struct server *srv, push_event_fn *put, const void *how,
                                  size_t size);

#endif
