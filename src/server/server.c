/* The server's life: start, turns of the loop, what happens between them, stop.
 *
 * A turn: the loop handles what is readable and writable (commands run, frames collect in the
 * model's open batch), then after_turn runs the connections that were woken, hands the open batch
 * to the journal, sends what may leave, evicts. Nothing here waits for a disk. */
#include "server/server.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "stream/group/cgroup.h"
#include "server/client/long_reply.h"
#include "server/client/transaction.h"
#include "server/command/command.h"
#include "server/command/virtual.h"
#include "server/cron.h"
#include "server/descriptors.h"
#include "server/listener.h"
#include "server/pubsub/notifications.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"

#define READ_BUFFER      (64u * 1024)
#define STOP_PATIENCE_MS 5000
#define LEAVE_MS         500
#define STATUS_REPLACED  3

/* ---- the store's callbacks ---- */

void server_resume_all(struct list *parked) {
    while (!list_empty(parked)) client_resume(LIST_ENTRY(parked->next, struct client, parked));
}

static void on_durable(struct batch *b, void *arg) {
    struct server *srv = arg;
    uint64_t now_us = clock_mono_us(); /* before all of them are released */
    model_durable(&srv->model, b);
    commit_durable(srv, b, clients_durable(srv, b), now_us);
    stage_reached_durable(srv);
}

static void on_applied(uint64_t frame, void *arg) {
    struct server *srv = arg;
    UNUSED(frame);
    if (store_applied(srv->store) >= srv->model.decided)
        srv->clock.saved_wall_s = srv->clock.wall_ms / 1000;
    stage_reached_applied(srv);
    server_resume_throttled(srv);
}

void server_resume_throttled(struct server *srv) {
    if (list_empty(&srv->throttled)) return;
    if (server_pinned_bytes(srv) <= server_pinned_max(srv) / 8 * 7 &&
        srv->pubsub.notifications.bytes <= NOTES_BYTES_MAX / 8 * 7 &&
        store_journal_bytes(srv->store) <= srv->config.journal_bytes_max)
        server_resume_all(&srv->throttled);
}

/* No reply waits any more for what is not durable. */
static void give_up_replies(struct server *srv, const char *why) {
    srv->read_only = true;
    snprintf(srv->read_only_why, sizeof srv->read_only_why, "%.250s", why);
    uint64_t durable = store_durable(srv->store);
    LIST_FOR_EACH (it, store_batches(srv->store)) {
        struct batch *b = LIST_ENTRY(it, struct batch, node);
        if (b->first_frame > durable) clients_void(srv, b, why);
    }
    clients_void(srv, srv->model.open, why);
    commit_given_up(srv);
}

/* Writes are refused from now on: who waits hears of it. */
static void resume_all_that_wait(struct server *srv) {
    server_resume_all(&srv->throttled);
    server_resume_all(&srv->waiting);
    blocking_all_changed(srv); /* who does not wait for events hears that nothing is delivered */
}

static void on_voided(const char *why, void *arg) {
    struct server *srv = arg;
    srv->stats.voids++;
    give_up_replies(srv, why);
    uint64_t durable = store_durable(srv->store);
    server_reset_needs(srv);
    bool was_told = model_was_told_beyond(&srv->model, durable);
    if (was_told) blocking_log_emptied(srv);
    model_rebuild(&srv->model);
    subscriptions_voided(srv, was_told);
    event_channels_voided(srv);
    tracking_voided(srv);
    notifications_voided(srv);
    LIST_FOR_EACH (it, &srv->clients) {
        struct client *c = LIST_ENTRY(it, struct client, all);
        c->last_frame = MIN(c->last_frame, durable);
        c->wait.frame = MIN(c->wait.frame, durable);
    }
    resume_all_that_wait(srv);
}

/* What was decided stays, and is durable later or void. Until then everybody reads what is durable:
 * the model keeps both. */
static void on_outage(const char *why, void *arg) {
    struct server *srv = arg;
    srv->stats.outages++;
    if (srv->model.open->frame_count > 0) model_submit(&srv->model);
    give_up_replies(srv, why);
    resume_all_that_wait(srv);
}

static void on_lapsed(const char *why, void *arg) {
    struct server *srv = arg;
    if (srv->model.open->frame_count > 0 && store_writable(srv->store)) model_submit(&srv->model);
    srv->read_only = true;
    snprintf(srv->read_only_why, sizeof srv->read_only_why, "%.250s", why);
    resume_all_that_wait(srv);
}

static void on_replaced(const char *why, void *arg) {
    struct server *srv = arg;
    srv->replaced = true;
    give_up_replies(srv, why);
    server_stop(srv);
}

static void on_resumed(void *arg) {
    struct server *srv = arg;
    if (!store_writable(srv->store)) return; /* for another reason */
    srv->read_only = false;
    srv->read_only_why[0] = '\0';
    model_resumed(&srv->model);
    /* A void may have taken away the group or the stream that somebody waits on, or put it back
     * where it was. */
    blocking_all_changed(srv);
}

/* Who waits for the applier is run again, as far as it gives up (BACKUP). */
static void on_apply_failed(void *arg) {
    struct server *srv = arg;
    LIST_FOR_EACH_SAFE (it, &srv->waiting) {
        struct client *c = LIST_ENTRY(it, struct client, parked);
        if (c->wait.gives_up) client_resume(c);
    }
}

void server_reset_needs(struct server *srv) {
    LIST_FOR_EACH (it, &srv->clients) {
        struct client *c = LIST_ENTRY(it, struct client, all);
        transaction_streams_dropped(c);
        ahead_drop(c);
        if (c->need == NULL || need_is_backup(c)) continue;
        need_finish(c);
        client_resume(c);
    }
}

uint64_t server_pinned_max(const struct server *srv) {
    return srv->config.pinned_bytes_max != 0 ? srv->config.pinned_bytes_max
                                             : srv->config.cache_bytes / 2;
}

struct client *server_client_by_id(struct server *srv, uint64_t id) {
    const struct hash_table *t = &srv->clients_by_id;
    for (struct hash_node *n = hash_first(t, hash_u64(id)); n != NULL; n = hash_next(t, n)) {
        struct client *c = CONTAINER_OF(n, struct client, of_id);
        if (c->id == id) return c;
    }
    return NULL;
}

/* ---- turns ---- */

void server_read_clock(struct server *srv) {
    if (!srv->clock.stale) return;
    srv->clock.stale = false;
    srv->clock.now_us = clock_mono_us();
    srv->clock.now_ms = srv->clock.now_us / 1000;
    srv->clock.wall_ms = clock_wall_ms();
    model_tick(&srv->model, srv->clock.wall_ms);
}

static void on_store(void *arg, int what) {
    struct server *srv = arg;
    UNUSED(what);
    server_read_clock(srv);
    store_poll(srv->store);
}

static void on_signal(void *arg, int what) {
    struct server *srv = arg;
    struct signalfd_siginfo info;
    UNUSED(what);
    if (read(srv->signal_fd, &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo == SIGHUP) {
        struct err err;
        if (log_open(srv->config.logfile, &err) != 0) log_warning("%s", err.text);
        return;
    }
    srv->hurried = srv->stopping;
    log_notice("received %s%s, stopping", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM",
               srv->hurried ? " again" : "");
    server_stop(srv);
}

/* The loop does not run any more, and signals are blocked. */
static bool is_hurried(void *arg) {
    struct server *srv = arg;
    if (!srv->hurried) on_signal(srv, 0);
    return srv->hurried;
}

static void run_resumed(struct server *srv) {
    struct list now;
    list_init(&now);
    list_splice(&now, &srv->to_resume);
    while (!list_empty(&now)) {
        struct client *c = LIST_ENTRY(now.next, struct client, resume);
        list_remove(&c->resume);
        client_process(c);
    }
}

static void flush_all(struct server *srv) {
    while (!list_empty(&srv->to_flush)) {
        struct client *c = LIST_ENTRY(srv->to_flush.next, struct client, flush);
        list_remove(&c->flush);
        client_flush(c);
    }
}

static void check_deadlines(struct server *srv) {
    blocking_check_deadlines(srv);
    stage_check_deadlines(srv);
    if (srv->pause.until_ms != 0 && srv->clock.now_ms >= srv->pause.until_ms) {
        srv->pause.until_ms = 0;
        server_resume_all(&srv->paused);
    }
}

static void after_turn(struct server *srv) {
    server_read_clock(srv);
    check_deadlines(srv);
    expiry_run(srv);
    model_install(&srv->model);
    blocking_serve(srv);
    subscriptions_run(srv);
    pubsub_run(srv);
    if (UNLIKELY(key_walks_pending(&srv->key_walks))) key_walks_run(srv);
    if (UNLIKELY(!list_empty(&srv->long_replies))) long_replies_run(srv);
    if (UNLIKELY(!list_empty(&srv->next_turn))) server_resume_all(&srv->next_turn);
    run_resumed(srv);
    commit_hand_over(srv);
    if (UNLIKELY(tracking_pending(srv))) tracking_run(srv);
    notifications_run(srv);
    if (!list_empty(&srv->throttled)) store_flush(srv->store); /* the applier need not collect */
    pubsub_tell(srv);
    flush_all(srv);
    if (UNLIKELY(event_channels_run(srv))) {
        pubsub_tell(srv);
        flush_all(srv);
    }
    share_run(srv);
    model_pack(&srv->model);
    model_evict(&srv->model);
    server_resume_throttled(srv); /* what was kept for the settled view may be gone */
    if (!list_empty(&srv->closed)) listeners_resume(srv);
    while (!list_empty(&srv->closed))
        client_free(LIST_ENTRY(srv->closed.next, struct client, closed));
    cron_run(srv);
    srv->clock.stale = true;
}

static uint64_t turn_wait_us(struct server *srv) {
    if (!list_empty(&srv->to_resume) || !list_empty(&srv->next_turn)) return 0;
    if (model_is_installing(&srv->model)) return 0;
    if (UNLIKELY(key_walks_pending(&srv->key_walks))) return 0;
    if (UNLIKELY(!list_empty(&srv->long_replies))) return 0;
    if (UNLIKELY(pubsub_pending(srv)) || UNLIKELY(notifications_pending(srv))) return 0;
    uint64_t blocking = blocking_due(srv);
    if (blocking == 0 || subscriptions_pending(srv) || tracking_pending(srv)) return 0;
    uint64_t wait_ms =
        srv->cron_at_ms > srv->clock.now_ms ? srv->cron_at_ms - srv->clock.now_ms : 1;
    wait_ms = MIN(wait_ms, expiry_wait_ms(srv));
    uint64_t next = MIN(blocking, stage_next_deadline(srv));
    if (next != UINT64_MAX)
        wait_ms = MIN(wait_ms, next > srv->clock.now_ms ? next - srv->clock.now_ms : 1);
    return wait_ms * 1000;
}

/* ---- start and stop ---- */

static int open_store(struct server *srv, struct err *err) {
    const struct config *c = &srv->config;
    struct store_config sc = {
        .url = c->store,
        .durability = (enum durability)c->durability,
        .interval_ms = c->durability_interval_ms,
        .journal_dir = c->journal_dir,
        .segment_bytes = c->journal_segment_bytes,
        .lease_ms = c->lease_ms,
        .apply_delay_ms = c->apply_delay_ms,
        .apply_bytes = 16u << 20,
        .apply_urgent_bytes = server_pinned_max(srv) / 2,
        .disk_free_min = c->disk_free_min,
        .backup_dir = c->backup_dir,
        .reader_count = (unsigned)c->reader_threads,
        .new_timeline = c->new_timeline,
    };
    return store_open(&srv->store, &sc, err);
}

static void catch_signals(struct server *srv) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    srv->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    srv->signal_io = loop_io_create(srv->loop, srv->signal_fd, on_signal, srv);
}

/* CONFIG SET of an option that something else keeps a copy of. The others are read where they are
 * used. */
static void on_config_changed(const char *name, void *arg) {
    struct server *srv = arg;
    const struct config *c = &srv->config;
    if (strcmp(name, "cache-bytes") == 0) srv->model.bytes_max = c->cache_bytes;
    if (strcmp(name, "requirepass") == 0 || strcmp(name, "protected-mode") == 0)
        listeners_warn(srv);
    if (strcmp(name, "disk-free-min") == 0) store_set_disk_free_min(srv->store, c->disk_free_min);
    if (strcmp(name, "durability") == 0) store_set_interval(srv->store, c->durability_interval_ms);
    if (strcmp(name, "loglevel") == 0) log_level = (enum log_level)c->loglevel;
}

/* CONFIG SET of a number that the system has a say in. */
static int may_change(const char *name, uint64_t value, void *arg, struct err *err) {
    const struct server *srv = arg;
    if (strcmp(name, "maxclients") == 0) return descriptors_allow(srv, value, err);
    return 0;
}

static void make_run_id(struct server *srv) {
    uint8_t bytes[20];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(srv->run_id + 2 * i, 3, "%02x", bytes[i]);
}

static void log_addresses(const struct server *srv) {
    struct buf text;
    buf_init(&text, 0);
    listeners_describe(srv, &text);
    log_notice("ready to receive connections on " STR_FMT, STR_ARG(buf_str(&text)));
    buf_clear(&text);
}

int server_start(struct server *srv, struct err *err) {
    int rc;
    hash_seed();
    commands_init();
    stats_init(&srv->stats);
    list_init(&srv->clients);
    list_init(&srv->client_walks);
    hash_init(&srv->clients_by_id);
    hash_init(&srv->long_events);
    list_init(&srv->to_flush);
    list_init(&srv->to_resume);
    list_init(&srv->throttled);
    list_init(&srv->waiting);
    list_init(&srv->paused);
    list_init(&srv->next_turn);
    list_init(&srv->monitors);
    list_init(&srv->closed);
    list_init(&srv->long_replies);
    list_init(&srv->over_output);
    key_walks_init(srv);
    share_init(srv);
    aheads_init(srv);
    blocking_init(srv);
    subscriptions_init(srv);
    pubsub_init(srv);
    tracking_init(srv);
    make_run_id(srv);
    srv->read_buffer = xmalloc(READ_BUFFER);
    for (size_t i = 0; i < INPUT_AHEAD; i++) resp_reader_init(&srv->ahead[i]);
    srv->loop = loop_create();
    catch_signals(srv); /* before the threads, which inherit the mask */
    if ((rc = descriptors_reserve(srv, err)) != 0) return rc;
    if ((rc = open_store(srv, err)) != 0) return rc;
    struct store_callbacks callbacks = {
        on_durable, on_applied, on_voided, on_resumed,  on_apply_failed,
        srv,        on_outage,  on_lapsed, on_replaced,
    };
    if ((rc = store_start(srv->store, &callbacks, err)) != 0) return rc;
    model_init(&srv->model, srv->store, srv->config.cache_bytes,
               srv->config.durability == DURABILITY_INTERVAL);
    virtual_init(srv);
    srv->store_io = loop_io_create(srv->loop, store_fd(srv->store), on_store, srv);
    srv->clock.stale = true;
    server_read_clock(srv);
    srv->clock.started_ms = srv->clock.now_ms;
    srv->clock.saved_wall_s = srv->clock.started_wall_s = srv->clock.wall_ms / 1000;
    if ((rc = listeners_open(srv, err)) != 0) return rc;
    if (srv->config.durability == DURABILITY_INTERVAL)
        log_warning(
            "durability interval: replies do not wait for the disk; the journal is synced every "
            "%llu ms",
            (unsigned long long)srv->config.durability_interval_ms);
    srv->config.may_change = may_change;
    srv->config.changed = on_config_changed;
    srv->config.changed_arg = srv;
    listeners_warn(srv);
    log_addresses(srv);
    log_notice("Ready to accept connections");
    return 0;
}

void server_stop(struct server *srv) {
    srv->stopping = true;
}

/* Replies that wait for the disk still leave; then everything is applied. */
static int finish(struct server *srv) {
    uint64_t give_up = clock_mono_ms() + STOP_PATIENCE_MS;
    listeners_close(srv);
    if (store_writable(srv->store)) model_record_times(&srv->model);
    bool busy = true;
    while (busy && clock_mono_ms() < give_up) {
        if (store_writable(srv->store)) model_submit(&srv->model);
        after_turn(srv);
        busy = false;
        LIST_FOR_EACH (it, &srv->clients)
            busy = busy || LIST_ENTRY(it, struct client, all)->gate_count > 0;
        if (busy) loop_turn(srv->loop, 10000);
    }
    if (busy)
        log_warning("stopping: replies that waited for the disk for %d s are given up",
                    STOP_PATIENCE_MS / 1000);
    if (busy) give_up_replies(srv, "the server stops");
    while (!list_empty(&srv->clients)) {
        struct client *c = LIST_ENTRY(srv->clients.next, struct client, all);
        client_flush(c);
        client_close(c);
    }
    after_turn(srv);
    /* What was asked for a client that is gone comes back to nobody: streams that are being loaded.
     */
    store_stop_reading(srv->store);
    while (store_has_requests(srv->store) && clock_mono_ms() < give_up) {
        model_install(&srv->model);
        loop_turn(srv->loop, model_is_installing(&srv->model) ? 0 : 10000);
    }
    if (store_has_requests(srv->store)) log_warning("stopping: reads are still under way");
    if (store_writable(srv->store)) model_submit(&srv->model); /* of the last commands to go on */
    struct err err;
    struct store_patience patience = {srv->signal_fd, is_hurried, srv};
    int rc = store_close_patiently(srv->store, &patience, &err);
    if (rc != 0 && rc != STORE_LEFT) log_warning("stopping: %s", err.text);
    if (rc == STORE_LEFT || rc == STORE_LEFT_FAILED) {
        log_notice("what is %snot applied yet is in the journal, for the next start; goodbye",
                   rc == STORE_LEFT ? "" : "stored and ");
        _exit(rc == STORE_LEFT ? 0 : 1); /* as after a crash, with nothing on its way to the disk */
    }
    if (rc == 0) log_notice("everything is applied; goodbye");
    return rc == 0 ? 0 : 1;
}

/* Another server writes: clients are to find that one, and a pool would keep a connection that only
 * says IOERR. Nothing that could wait for the database is done any more. */
_Noreturn static void leave(struct server *srv) {
    uint64_t give_up = clock_mono_ms() + LEAVE_MS;
    bool busy = true;
    listeners_close(srv);
    while (busy && clock_mono_ms() < give_up) {
        after_turn(srv);
        busy = false;
        LIST_FOR_EACH (it, &srv->clients)
            busy = busy || client_out_pending(LIST_ENTRY(it, struct client, all)) > 0;
        if (busy) loop_turn(srv->loop, 10000);
    }
    log_notice("another server writes to the store; goodbye");
    _exit(STATUS_REPLACED); /* closes all connections */
}

void server_turn(struct server *srv, uint64_t wait_us) {
    commit_turn(srv, wait_us);
    after_turn(srv);
}

int server_run(struct server *srv) {
    while (!srv->stopping) server_turn(srv, turn_wait_us(srv));
    if (srv->replaced) leave(srv);
    int status = finish(srv);
    loop_io_destroy(srv->store_io);
    loop_io_destroy(srv->signal_io);
    close(srv->signal_fd);
    loop_destroy(srv->loop);
    model_clear(&srv->model);
    key_walks_clear(srv);
    subscriptions_clear(srv);
    pubsub_clear(srv);
    tracking_clear(srv);
    blocking_clear(srv);
    virtual_clear(srv);
    stage_waits_clear(srv);
    hash_clear(&srv->clients_by_id);
    hash_clear(&srv->long_events);
    stats_clear(&srv->stats);
    for (size_t i = 0; i < INPUT_AHEAD; i++) resp_reader_clear(&srv->ahead[i]);
    free(srv->read_buffer);
    config_free(&srv->config);
    return status;
}
