/* The server: owns the loop, the store, the model, the connections, the options. Loop thread. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/hash.h"
#include "server/client/client.h"
#include "config/config.h"
#include "server/wait/expiry.h"
#include "server/client/input.h"
#include "server/stats/stats.h"
#include "stream/model.h"

struct listener;

struct server {
    struct config config;
    struct loop *loop;
    struct store *store;
    struct model model;
    struct loop_io *store_io, *signal_io;
    int signal_fd;
    struct listener *listeners;

    struct blocking *blocking; /* who waits for entries: blocking.h */
    struct list clients, to_flush, to_resume, throttled, waiting, paused, monitors, closed;
    uint64_t client_count, next_client_id;
    struct resp_reader ahead[INPUT_AHEAD]; /* input.c's */
    char *read_buffer; /* shared by the connections that have nothing half received */

    uint64_t now_ms; /* monotonic, read once a turn */
    uint64_t now_us; /* monotonic, read at the start of a turn and after each command */
    uint64_t wall_ms;
    uint64_t started_wall_s, started_ms;
    char run_id[41];
    /* When to hand the open batch to the journal (server.c: hand_over). */
    struct {
        uint64_t sync_us;    /* how long a batch takes to become durable, smoothed */
        uint32_t writers;    /* connections with a reply that waits for the open batch */
        uint32_t in_flight;  /* ... for batches under way */
        uint32_t population; /* how many such connections there are, all in all */
        uint64_t hold_until_us;
        bool alarm_set, look_again;
    } commit;
    uint64_t pause_until_ms; /* CLIENT PAUSE; 0: none */
    bool pause_writes_only;
    int turn_callbacks;       /* of the last turn */
    bool clock_stale;         /* a new turn has begun */
    bool stopping, read_only; /* read_only: the store has voided and does not work yet */
    char read_only_why[256];
    uint64_t cron_at_ms;
    bool flush_waits;    /* a FLUSHALL waits until another one is forgotten: cron runs it again */
    struct need *backup; /* the running BACKUP's, or NULL */
    struct expiry expiry;
    struct client *executing; /* whose EXEC runs its commands now; NULL: nobody's */
    struct {
        bool abort;          /* its command has replied an error that takes all of it back */
        uint64_t frame;      /* the highest that its replies depend on */
        uint64_t command_at; /* where the reply of its command begins in c->out */
    } exec;
    struct stats stats;
};

/* Reads the clocks into now_ms, now_us, wall_ms and the store clock, once a turn. */
void server_read_clock(struct server *srv);
int server_start(struct server *srv, struct err *err);
int server_run(struct server *srv); /* until told to stop; the exit status */
/* In the middle of a turn, after a connection's commands have run: with a slow disk a cohort of
 * writers is handed over before the rest is looked at, so that syncs overlap. */
void server_between_clients(struct server *srv);
/* One turn of the loop that waits at most so long. */
void server_turn(struct server *srv, uint64_t wait_us);
/* SIGTERM, SHUTDOWN: finish what is queued, apply the journal, exit 0. */
void server_stop(struct server *srv);
/* pinned-bytes-max, or its default. */
uint64_t server_pinned_max(const struct server *srv);
/* Whether a write (a command with these flags) may be decided now; otherwise replies the error. */
bool server_writable_or_reply(struct client *c, unsigned flags);
/* Lets the producers go on that wait for the applier, if it has caught up enough. */
void server_resume_throttled(struct server *srv);
/* Takes away what connections have pinned or asked for, before the model drops its streams; the
 * connections run their commands again. */
void server_reset_needs(struct server *srv);
struct client *server_client_by_id(struct server *srv, uint64_t id);

#endif
