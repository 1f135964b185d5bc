/* Commands about the store as a whole: ESYNC WAITAOF, BACKUP, FLUSHALL, SHUTDOWN. */
#include "base/alloc.h"
#include "base/log.h"
#include "server/server.h"
#include "server/wait/applied.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/admin/family.h"
#include "commands/event/args.h"

#define FLUSH_AGAIN_MS 100

/* ---- waiting for stages ---- */

/* Replies OK once everything so far is in the backend; timeout: ms, 0: none. */
static enum outcome wait_for_all(struct client *c, uint64_t timeout) {
    bool begins = !c->wait.set;
    if (all_is_applied(c)) {
        reply_ok(c);
        return REPLIED;
    }
    if (!apply_is_possible_or_reply(c)) return REPLIED;
    if (c->wait.timed_out) {
        reply_error(c, "TIMEOUT the backend has applied frame %llu, frame %llu is waited for",
                    (unsigned long long)store_applied(c->srv->store),
                    (unsigned long long)c->wait.frame);
        return REPLIED;
    }
    if (c->wait.unblocked) {
        reply_error(c, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        return REPLIED;
    }
    if (begins) c->wait.deadline_ms = timeout > 0 ? c->srv->clock.now_ms + timeout : 0;
    return wait_for_apply(c);
}

/* ESYNC [timeout-ms] */
enum outcome cmd_esync(struct client *c, const struct request *r) {
    uint64_t timeout = 0;
    if (r->argc == 2 && !arg_u64_or_reply(c, r->argv[1], "timeout", &timeout)) return REPLIED;
    return wait_for_all(c, timeout);
}

/* SAVE: what Redis writes to its snapshot is in the database when everything is applied. */
enum outcome cmd_save(struct client *c, const struct request *r) {
    UNUSED(r);
    return wait_for_all(c, 0);
}

/* BGSAVE [SCHEDULE]: the same without waiting for it. */
enum outcome cmd_bgsave(struct client *c, const struct request *r) {
    struct server *srv = c->srv;
    if (r->argc == 2 && !arg_is(r->argv[1], STR("SCHEDULE"))) {
        reply_syntax_error(c);
    } else if (apply_is_possible_or_reply(c)) {
        if (srv->exec.client != c && store_writable(srv->store)) model_submit(&srv->model);
        store_flush(srv->store);
        reply_simple(c, "Background saving started");
    }
    return REPLIED;
}

/* LASTSAVE: when the database last had everything, in seconds since 1970. */
enum outcome cmd_lastsave(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_int(c, (int64_t)c->srv->clock.saved_wall_s);
    return REPLIED;
}

/* WAITAOF numlocal numreplicas timeout: [1 when all that this connection wrote is synced, else 0;
 * 0] */
enum outcome cmd_waitaof(struct client *c, const struct request *r) {
    uint64_t local, replicas, timeout;
    if (!str_to_u64(r->argv[1], &local) || !str_to_u64(r->argv[2], &replicas)) {
        reply_error(c, "ERR value is not an integer or out of range");
        return REPLIED;
    }
    if (!str_to_u64(r->argv[3], &timeout)) {
        reply_error(c, "ERR timeout is not an integer or out of range");
        return REPLIED;
    }
    if (local > 1) {
        reply_error(c, "ERR value is out of range, must be between 0 and 1");
        return REPLIED;
    }
    struct server *srv = c->srv;
    bool durable = store_durable(srv->store) >= c->last_frame;
    bool begins = !c->wait.set;
    if (durable || srv->exec.client == c ||
        (c->wait.set && (c->wait.timed_out || c->wait.unblocked))) {
        reply_array(c, 2);
        reply_int(c, durable);
        reply_int(c, 0);
        return REPLIED;
    }
    if (begins) {
        c->wait.set = true;
        c->wait.frame = c->last_frame;
        c->wait.timed_out = c->wait.unblocked = c->wait.unblocked_error = false;
        c->wait.deadline_ms = timeout > 0 ? srv->clock.now_ms + timeout : 0;
        if (store_writable(srv->store)) model_submit(&srv->model);
    }
    return wait_for_durable(c);
}

/* What came before a BACKUP is not applied. An attempt to apply it that fails may have begun
 * before; the next one has not. */
static enum outcome wait_or_give_up(struct client *c) {
    struct store *store = c->srv->store;
    if (!c->wait.gives_up) {
        c->wait.gives_up = true;
        c->wait.failures = store_apply_failures(store);
    }
    if (store_apply_failures(store) >= c->wait.failures + 2) {
        reply_error(c,
                    "ERR backup failed: backup: what is in the journal cannot be brought into the "
                    "store: %s",
                    store_apply_error(store));
        return REPLIED;
    }
    if (c->wait.unblocked) {
        reply_error(c, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
        return REPLIED;
    }
    return wait_for_apply(c);
}

/* BACKUP name */
enum outcome cmd_backup(struct client *c, const struct request *r) {
    struct str name = r->argv[1];
    if (name.len == 0 || name.len > 4000 || memchr(name.ptr, '\0', name.len) != NULL) {
        reply_error(c, "INVALIDARG invalid path");
        return REPLIED;
    }
    if (!all_is_applied(c)) return apply_is_possible_or_reply(c) ? wait_or_give_up(c) : REPLIED;
    if (!need_backup(c, name)) return PARKED;
    reply_ok(c);
    return REPLIED;
}

/* FLUSHALL, FLUSHDB [ASYNC|SYNC] */
enum outcome cmd_flushall(struct client *c, const struct request *r) {
    struct server *srv = c->srv;
    if (r->argc == 2 && !arg_is(r->argv[1], STR("ASYNC")) && !arg_is(r->argv[1], STR("SYNC"))) {
        reply_syntax_error(c);
        return REPLIED;
    }
    if (!srv->config.enable_flush) {
        reply_error(
            c, "ERR this is an event store: deleting everything at once is disabled. Start the "
               "server with enable-flush yes to allow it");
        return REPLIED;
    }
    if (srv->model.flushed.frame != 0 && !all_is_applied(c)) return wait_for_apply_or_reply(c);
    model_evict(&srv->model); /* forgets an applied flush */
    if (srv->model.flushed.frame != 0) {
        /* Another flush came in between, or a reader still looks at the time before one: nothing
         * says when that is over. */
        c->wait.frame = srv->model.flushed.frame;
        c->wait.deadline_ms = srv->clock.now_ms + FLUSH_AGAIN_MS;
        store_flush(srv->store);
        return wait_for_apply(c);
    }
    server_reset_needs(srv);
    blocking_log_emptied(srv);
    c->last_frame = model_flush(&srv->model);
    subscriptions_emptied(srv);
    event_channels_emptied(srv, c->last_frame);
    tracking_flushed(srv, c->last_frame);
    blocking_all_changed(srv);
    client_tells(c, c->last_frame);
    reply_ok(c);
    return REPLIED;
}

enum { NOSAVE = 1, SAVE = 2, NOW = 4, FORCE = 8, ABORT = 16 };

static unsigned shutdown_option(struct str word) {
    static const char *const names[] = {"NOSAVE", "SAVE", "NOW", "FORCE", "ABORT"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (arg_is(word, str_c(names[i]))) return 1u << i;
    return 0;
}

/* SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] | ABORT. What contradicts itself is refused, as in Redis:
 * who asks to abort must not stop the server by a word too many. */
enum outcome cmd_shutdown(struct client *c, const struct request *r) {
    unsigned options = 0;
    bool good = true;
    for (size_t i = 1; i < r->argc; i++) {
        unsigned option = shutdown_option(r->argv[i]);
        good = good && option != 0;
        options |= option;
    }
    bool aborts = options & ABORT, both = options & NOSAVE && options & SAVE;
    if (!good || both || (aborts && options != ABORT)) {
        reply_syntax_error(c);
        return REPLIED;
    }
    if (aborts) {
        reply_error(c, "ERR No shutdown in progress.");
        return REPLIED;
    }
    log_notice("SHUTDOWN by client %llu %s", (unsigned long long)c->id, c->addr);
    server_stop(c->srv);
    c->close_after_reply = true;
    return REPLIED;
}
