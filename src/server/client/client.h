/* One connection: read -> parse -> run -> reply -> flush.
 *
 * Replies go to `out` in order. A reply that depends on a frame which is not settled yet is put
 * behind a gate: nothing after the gate's offset leaves before its batch is durable. The connection
 * goes on reading and running commands meanwhile, so that a thousand pipelined appends share one
 * sync. When the store voids what was not durable, every reply behind the first gate becomes
 * -IOERR.
 *
 * A command that cannot run yet parks the connection: its bytes stay in the input, and
 * client_resume makes it run again. Closing is in two steps: client_close takes the connection off
 * all lists, the memory goes at the end of the loop's turn. Loop thread. */
#ifndef SERVER_CLIENT_CLIENT_H
#define SERVER_CLIENT_CLIENT_H

#include <time.h>

#include "base/heap.h"
#include "base/list.h"
#include "proto/resp.h"
#include "stream/model.h"
#include "server/loop.h"

struct server;
struct command;
struct need;
struct ahead;
struct transaction;
struct long_reply;
struct subscriber;
struct listening;
struct publication;
struct tracker;

struct gate {
    uint64_t offset; /* in the connection's output, counted from its beginning */
    uint64_t frame;
    struct batch *batch; /* that holds the frame */
    uint32_t replies;    /* written since the gate, behind: */
    bool silent;         /* no reply of the publication is wanted */
    size_t pushed;       /* bytes of messages that it begins with: a void keeps them */
    /* That leaves when the gate opens; its count is then written where its reply stands, which the
     * gate begins with. NULL: none. */
    struct publication *publication;
};

enum park {
    PARK_NONE,
    PARK_LOAD,     /* need.h: state is being loaded */
    PARK_THROTTLE, /* a write while the applier is too far behind */
    PARK_WAIT,     /* the command waits for something (ESYNC ...): c->wait */
    PARK_PAUSE,    /* CLIENT PAUSE */
    PARK_ROOM,     /* share.h: its reply was taken back, until there is room for it */
    PARK_TURN,     /* it has done a part, and goes on in the next turn: client_next_turn */
};

struct client_pause {  /* CLIENT PAUSE: the server's */
    uint64_t until_ms; /* monotonic; 0: none */
    bool writes_only;
};

/* Why none of its commands run, besides. Bits of client.held. */
enum { HELD_LONG_REPLY = 1, HELD_STOPPED = 2 };

enum reply_mode { REPLY_ON, REPLY_OFF, REPLY_SKIP_NEXT, REPLY_SKIP };

struct client {
    struct server *srv;
    uint64_t id;
    int fd;
    struct loop_io *io;
    struct list all;        /* server.clients */
    struct hash_node of_id; /* server.clients_by_id */
    struct list flush;      /* server.to_flush */
    struct list resume;     /* server.to_resume */
    struct list parked;     /* server.throttled, waiting, paused, next_turn: as `park` says */
    struct list gated;      /* batch.gated of the first gate's batch */
    struct list monitor;    /* server.monitors */
    struct list closed;     /* server.closed */
    struct list holder;     /* subscriptions.holders */
    /* share.c's: in server.share.stopped, .waiting and .large; what it holds, bytes, as last
     * counted; what its command has waited for room for, and its place in line (0: none); how much
     * the other side had sent and taken, and since when. */
    struct list stopped, room, large;
    uint64_t counted, room_wanted, room_number, progress, progress_at_ms;
    struct {
        uint64_t bytes, input; /* as last counted; input: the part that stands in `in` */
    } standing;                /* standing.c's */

    struct buf in; /* received and not consumed, when it could not be dealt with at once */
    size_t in_at;  /* consumed part of it */
    struct resp_reader reader;

    struct buf out;
    size_t out_sent;      /* of out: already with the kernel */
    uint64_t out_base;    /* offset of out.data[0] in the connection's output */
    uint64_t reply_start; /* offset at which the running command's reply begins */
    struct gate *gates;   /* ring of gate_cap (power of two) from gate_head */
    uint32_t gate_head, gate_count, gate_cap;
    /* What the running command publishes when its frame is durable (publications.h), and the
     * bytes of all that waits for that. */
    struct publication_note *notes;
    size_t note_count, note_cap;
    size_t note_work; /* to compare them with patterns, at the most */
    uint64_t publishing_bytes;
    uint64_t last_frame; /* the last frame that this connection decided */
    uint64_t view;       /* what the running command reads: as of this frame, or VIEW_NEWEST */
    uint64_t told;       /* the newest frame of anything that the running command has looked at */
    bool wants_newest;   /* the settled view does not do: the command is to be run on the newest */

    enum park park;
    unsigned held;       /* HELD_...: long_reply.c's and share.c's */
    struct need *need;   /* what its command has asked for */
    struct ahead *ahead; /* what was read before it asks (ahead.h); NULL: nothing */
    uint64_t ahead_bytes;
    struct {
        bool set;            /* the parked command has begun to wait */
        bool goes_on;        /* it has been run already: client_next_turn */
        uint64_t so_far, at; /* the command's own, then: what its earlier turns did, and where
                                they have come to */
        uint64_t frame;      /* ESYNC: until applied */
        uint64_t counted_as; /* pages.c's: of no later frame's removals; 0: it does not count yet */
        uint64_t deadline_ms; /* monotonic; 0: none */
        struct heap *in;      /* applied.c's: the one that `stage` is in; NULL: in none */
        struct heap_node stage, deadline;
        bool gives_up; /* BACKUP: when the applier has failed twice since `failures` */
        uint64_t failures;
        bool timed_out, unblocked, unblocked_error;
        bool allowed;                  /* standing.c's: it may keep what it keeps while it waits */
        struct blocked *blocked;       /* blocking.c's; NULL: it waits for no entries */
        struct remembered *remembered; /* blocking_remembered.c's; NULL: nothing is */
    } wait;

    int resp; /* 2 or 3 */
    uint64_t db;
    bool authenticated, closing, close_after_reply, half_closed, input_ends, reading, want_write,
        no_evict, no_touch, is_monitor, is_unix,
        is_local /* by unix socket, or from the loopback interface */, killed_self, reply_was_error;
    enum reply_mode reply_mode;
    char *name, *lib_name, *lib_ver; /* NULL: none */
    char addr[64], laddr[64];
    uint64_t created_ms, last_active_ms; /* monotonic */
    uint64_t commands, bytes_in, bytes_out;
    const struct command *last_command;
    struct long_reply *long_reply;   /* that is being made (long_reply.h); NULL: none */
    struct transaction *transaction; /* MULTI, WATCH (transaction.h); NULL: neither */
    struct buf *push, *messages;     /* push.h's; NULL: nothing was pushed yet */
    struct tracker *tracker;         /* server/tracking's; NULL: it does not track */
    struct subscriber *subscriber;   /* server/subscription's; NULL: it has no subscription */
    struct listening *listening;     /* server/pubsub's; NULL: it listens to no channel */
    struct list untold;              /* pubsub.untold */
    size_t untold_bytes;             /* of messages, since it is on that */
    struct list over;                /* output_limit.c's: server.over_output */
    uint64_t over_since_ms;          /* monotonic, while it is on that */
    uint64_t told_unread;            /* bytes of tracking since it had read all */
};

struct client *client_create(struct server *srv, int fd, bool is_unix);
/* Takes it off everything; safe in any callback; freed at the end of the turn. */
void client_close(struct client *c);
void client_free(struct client *c); /* server.c's, at the end of the turn */
/* Puts a parked connection on the list of those to be run again in this turn. */
void client_resume(struct client *c);
/* The command has done as much as one turn should, and closed its frame: it returns PARKED, and is
 * run again in the next. */
void client_next_turn(struct client *c);
/* share.c's: nothing is read from it and none of its commands run; then they do again. */
void client_hold(struct client *c);
void client_unhold(struct client *c);
/* Runs what is in the input, in bounded portions. */
void client_process(struct client *c);
/* Sends what may leave. */
void client_flush(struct client *c);
/* Something was written to c->out outside of a command's reply (push, monitor): flush it this turn.
 */
void client_wrote(struct client *c);
/* The running command's reply tells something of this frame: it waits for it. need_* does this for
 * everything that is read on the newest view. Inside EXEC the reply is EXEC's. */
static inline void client_tells(struct client *c, uint64_t frame) {
    if (frame > c->told) c->told = frame;
}
/* Ends the frame of a command that may have changed something: its reply waits for it. */
void client_commit(struct client *c);
/* What a command reads that takes the settled view: as of the last settled frame; a connection
 * whose own replies or changes wait reads the newest, as it loses nothing by it. Everybody does
 * while a FLUSHALL is not durable. */
uint64_t client_settled_view(const struct client *c);
/* The reply that has just been written waits for c->told. */
void client_gate(struct client *c);
/* A batch is durable: opens the gates of the connections on b->gated. Returns how many. */
uint32_t clients_durable(struct server *srv, struct batch *b);
/* So many bytes of messages were put at the end of the output, behind a gate. */
void client_gate_messages(struct client *c, size_t bytes);
/* Everything undurable is void: parked replies become -IOERR why. */
void clients_void(struct server *srv, struct batch *b, const char *why);
/* Listens for what concerns the connection as it is now: to be called when it parks, or begins to
 * wait for something else. */
void client_watch(struct client *c);
/* Bytes that the other side has sent, and has taken: grows whenever it does something. */
uint64_t client_progress(const struct client *c);
/* Releases memory that an idle connection does not need. */
void client_trim(struct client *c);
/* One line of CLIENT LIST, without newline. */
void client_describe(const struct client *c, struct buf *out);
size_t client_memory(const struct client *c); /* it and its buffers: bytes */
/* Also what was loaded for its command, or is kept for a long reply. */
uint64_t client_total_memory(const struct client *c);
uint64_t client_holds_more(const struct client *c); /* for client_holds */
/* What it has sent and was not dealt with, its replies, what was loaded for its command or is kept
 * for a long reply: bytes. Without what is kept as long as it waits for others (standing.h). */
static inline uint64_t client_holds(const struct client *c) {
    uint64_t bytes = c->in.cap - MIN(c->in.cap, c->standing.input) + c->out.cap + c->ahead_bytes;
    bool more = c->transaction != NULL || c->need != NULL || c->long_reply != NULL ||
                c->push != NULL || c->messages != NULL || c->publishing_bytes != 0;
    return bytes + (UNLIKELY(more) ? client_holds_more(c) : 0);
}
static inline uint64_t client_out_offset(const struct client *c) {
    return c->out_base + c->out.len;
}
/* Drops what was replied from this offset on. */
static inline void client_cut_reply(struct client *c, uint64_t offset) {
    c->out.len = (size_t)(offset - c->out_base);
    c->out.overflow = false;
}
/* Whether its replies have piled up so high that its next commands wait until it reads. */
bool client_output_full(const struct client *c);
/* Whether its next command may run. */
static inline bool client_runs(const struct client *c) {
    return c->park == PARK_NONE && c->held == 0 && !client_output_full(c);
}
/* Bytes of replies that have not left. */
static inline size_t client_out_pending(const struct client *c) {
    return c->out.len - c->out_sent;
}

/* The reply writers: proto/resp.h on c->out with the connection's protocol. */
void reply_ok(struct client *c);
void reply_simple(struct client *c, const char *text);
/* "CODE text"; counted in errorstats. */
void reply_error(struct client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The text of the error that stands at this offset of c->out (client_out_offset). A view. */
struct str reply_error_text(const struct client *c, uint64_t offset);
void reply_syntax_error(struct client *c);                      /* ERR syntax error */
void reply_wrong_args(struct client *c, const char *full_name); /* wrong number of arguments */
/* TOOLARGE the reply takes more than reply-bytes-max: what to do instead */
void reply_too_long(struct client *c, const char *advice);
/* TOOLARGE what bytes, one frame can be so many (what says so). what: "the append takes up to" */
void reply_frame_too_large(struct client *c, const char *what, size_t bytes);
void reply_wrong_type(struct client *c); /* WRONGTYPE Operation against a key ... */
void reply_int(struct client *c, int64_t v);
void reply_bulk(struct client *c, struct str s);
void reply_bulk_c(struct client *c, const char *s);
void reply_null(struct client *c);
void reply_array(struct client *c, size_t n);
void reply_map(struct client *c, size_t pairs);

#endif
