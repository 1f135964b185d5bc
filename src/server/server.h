/* The server: owns the loop, the store, the model, the connections, the options. Loop thread. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/hash.h"
#include "stream/model.h"
#include "config/config.h"
#include "server/client/client.h"
#include "server/client/exec.h"
#include "server/client/input.h"
#include "server/client/share.h"
#include "server/client/walk.h"
#include "server/clock.h"
#include "server/commit.h"
#include "server/pubsub/pubsub.h"
#include "server/stats/stats.h"
#include "server/subscription/subscription.h"
#include "server/tracking/tracking.h"
#include "server/wait/ahead.h"
#include "server/wait/applied.h"
#include "server/wait/expiry.h"
#include "server/wait/key_walk.h"

struct listener;

struct server {
    struct config config;
    struct loop *loop;
    struct store *store;
    struct model model;
    struct loop_io *store_io, *signal_io;
    int signal_fd;
    struct listener *listeners;
    bool accepting_paused; /* listeners_resume looks again */

    struct blocking *blocking; /* who waits for entries: blocking.h */
    struct stage_waits stages; /* who waits for a frame: applied.h; they are on `waiting` too */
    struct list clients;       /* the oldest first */
    struct list client_walks, to_flush, to_resume, throttled, waiting, paused, next_turn, monitors,
        closed, long_replies, over_output;
    struct hash_table clients_by_id, long_events;
    uint64_t client_count, next_client_id;
    struct share share;
    struct standing standing;
    struct subscriptions subscriptions;
    struct pubsub pubsub;
    struct tracking tracking;
    struct key_walks key_walks;
    struct aheads aheads;
    struct resp_reader ahead[INPUT_AHEAD]; /* input.c's */
    char *read_buffer; /* shared by the connections that have nothing half received */

    struct server_clock clock;
    char run_id[41];
    struct commit_pace commit;
    struct client_pause pause;
    bool stopping, hurried; /* hurried: a signal came while it was stopping already */
    bool replaced;          /* another server writes to the store: this one has to end */
    bool read_only;         /* the store takes nothing: it has voided, or does not answer */
    char read_only_why[256], full_why[320];
    uint64_t cron_at_ms;
    struct client_walk cron_walk;
    uint64_t client_bytes, cron_bytes; /* memory of all connections: by its last round, and by this
                                          one so far */
    uint64_t watching, watched;        /* connections that WATCH something, and what */
    struct expiry expiry;
    struct hash_table reserved_names; /* virtual.c's */
    struct exec_state exec;
    struct stats stats;
};

/* Reads the clocks into now_ms, now_us, wall_ms and the store clock, once a turn. */
void server_read_clock(struct server *srv);
int server_start(struct server *srv, struct err *err);
int server_run(struct server *srv); /* until told to stop; the exit status */
/* One turn of the loop that waits at most so long. */
void server_turn(struct server *srv, uint64_t wait_us);
/* SIGTERM, SHUTDOWN: finish what is queued, apply the journal, exit 0. */
void server_stop(struct server *srv);
/* share.h: whether all connections hold more than the limit. (Inline, as it is asked very often.)
 */
static inline bool share_is_over(const struct server *srv) {
    uint64_t limit = srv->config.clients_bytes_max;
    return UNLIKELY(srv->share.bytes > limit) && limit != 0;
}
/* pinned-bytes-max, or its default. */
uint64_t server_pinned_max(const struct server *srv);
/* What counts towards it: batches that are not applied, and what is kept for the settled view. */
static inline size_t server_pinned_bytes(const struct server *srv) {
    return store_pinned_bytes(srv->store) + srv->model.unsettled.bytes;
}
/* Whether a write (a command with these flags) may be decided now; otherwise replies the error. */
bool server_writable_or_reply(struct client *c, unsigned flags);
/* Whether what would be decided has to wait until the applier has caught up: the journal, or the
 * memory for what is not applied, is full. */
bool server_must_wait(const struct server *srv);
/* NULL, or why nothing more can be written now: the journal is full, and the database away. Valid
 * until the next call. */
const char *server_full(struct server *srv);
/* Lets the producers go on that wait for the applier, if it has caught up enough. */
void server_resume_throttled(struct server *srv);
void server_resume_all(struct list *parked);
/* Takes away what connections have pinned or asked for, before the model drops its streams; the
 * connections run their commands again. */
void server_reset_needs(struct server *srv);
struct client *server_client_by_id(struct server *srv, uint64_t id);

#endif
