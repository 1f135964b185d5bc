/* MULTI EXEC DISCARD WATCH UNWATCH.
 *
 * EXEC is one frame or none. It first asks for every stream that its commands name, so that most of
 * what they need is loaded at once; then the commands run, one after the other, each as if it were
 * alone. Two things make EXEC take everything back (stream/undo.h): a command that needs something
 * which is not in memory, then the connection parks and EXEC is run again from its start (what was
 * loaded stays pinned until it has replied), but before that the commands behind it run, too, so
 * that what they need is asked for together; and an append whose expected version or event id does
 * not hold, then EXEC replies that one error. Errors of other commands stand in the reply, as with
 * Redis. So does a reply for which there is no room (share.h): EXEC waits for it, and is run again.
 *
 * What commands change beside the model (CMD_OUTSIDE: CLIENT KILL, CONFIG SET) nobody takes back.
 * An EXEC that holds such a command is rehearsed first, without it, and taken back, until nothing
 * parks and nothing fails; then it is run, in the same turn. Whatever happens, such a command is
 * run once: should the EXEC park after all (RANDOMKEY may look elsewhere), its reply is kept for
 * the next run.
 *
 * What would look at more in one turn than others should wait for pauses: EXEC is taken back, and
 * run again in another turn, where the command goes on looking (blocking_progress). So EXEC is of
 * one moment, the one of its last run, and others are served meanwhile. */
#include "base/alloc.h"
#include "base/clock.h"
#include "server/client/publications.h"
#include "server/client/transaction.h"
#include "server/command/monitor.h"
#include "server/server.h"
#include "server/wait/applied.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/connection/family.h"

/* MULTI */
enum outcome cmd_multi(struct client *c, const struct request *r) {
    UNUSED(r);
    transaction_of(c)->open = true;
    reply_ok(c);
    return REPLIED;
}

/* DISCARD */
enum outcome cmd_discard(struct client *c, const struct request *r) {
    UNUSED(r);
    if (!transaction_open(c)) {
        reply_error(c, "ERR DISCARD without MULTI");
        return REPLIED;
    }
    transaction_clear(c);
    reply_ok(c);
    return REPLIED;
}

/* WATCH key [key ...] */
enum outcome cmd_watch(struct client *c, const struct request *r) {
    struct stream *s;
    bool all = true;
    if (!transaction_is_touched(c)) { /* else EXEC fails already */
        for (size_t i = 1; i < r->argc; i++) all = need_stream(c, r->argv[i], &s) && all;
        if (!all) return PARKED;
        for (size_t i = 1; i < r->argc; i++) {
            need_stream(c, r->argv[i], &s);
            transaction_watch(c, r->argv[i], s);
        }
    }
    reply_ok(c);
    return REPLIED;
}

/* UNWATCH. Inside EXEC there is nothing left to do for it: EXEC has looked, and forgets it all. */
enum outcome cmd_unwatch(struct client *c, const struct request *r) {
    UNUSED(r);
    if (c->srv->exec.client != c) transaction_clear(c);
    reply_ok(c);
    return REPLIED;
}

/* ---- EXEC ---- */

/* Every stream that the commands name, and that is watched. false: some are being loaded. */
static bool require_all(struct client *c, const struct transaction *t) {
    struct stream *s;
    bool all = true;
    LIST_FOR_EACH (it, &t->watches)
        all = need_stream(c, LIST_ENTRY(it, struct watch, all)->name, &s) && all;
    for (size_t i = 0; i < t->count; i++) {
        const struct queued *q = t->queue[i];
        if (!command_has_keys(q->cmd) || q->cmd->flags & CMD_ABSENT) continue;
        struct str *keys = xmalloc(q->request.argc * sizeof *keys);
        size_t n = command_keys(q->cmd, q->argv, q->request.argc, keys);
        for (size_t k = 0; k < n; k++) all = need_stream(c, keys[k], &s) && all;
        free(keys);
    }
    return all;
}

/* What running commands changes beside the model; taken back with it. */
struct saved {
    struct stats stats;
    uint64_t last_frame;
};

static struct saved save(const struct client *c) {
    return (struct saved){c->srv->stats, c->last_frame};
}

static void take_back(struct client *c, const struct saved *saved) {
    struct server *srv = c->srv;
    srv->exec.client = NULL;
    model_undo(&srv->model);
    blocking_exec_undone(c);
    publications_forget(c);
    if (!srv->exec.acted) memcpy(&srv->stats, &saved->stats, offsetof(struct stats, errors));
    if (srv->exec.config != NULL) config_restore(&srv->config, srv->exec.config);
    srv->exec.config = NULL;
    c->last_frame = saved->last_frame;
    client_cut_reply(c, c->reply_start);
    c->told = MIN(c->told, srv->model.decided); /* not what was to be the next frame */
}

enum run { RUN_DONE, RUN_PARKED, RUN_ABORTED };

/* Runs a CMD_OUTSIDE unless it has run already; keeps its reply. */
static void run_outside(struct client *c, struct queued *q) {
    struct exec_state *exec = &c->srv->exec;
    if (q->reply != NULL) {
        buf_put(&c->out, q->reply, q->reply_len);
        c->reply_was_error = q->failed;
        return;
    }
    exec->acted = true;
    enum outcome outcome = q->cmd->run(c, &q->request);
    assert(outcome == REPLIED);
    size_t at = (size_t)(exec->command_at - c->out_base);
    if (c->out.overflow) at = c->out.len; /* EXEC fails */
    q->failed = c->reply_was_error;
    q->reply_len = c->out.len - at;
    q->reply = xmalloc(q->reply_len + 1);
    memcpy(q->reply, c->out.data + at, q->reply_len);
}

/* false: it has parked. */
static bool run_queued(struct client *c, struct queued *q, bool rehearsal) {
    if (LIKELY(!(q->cmd->flags & CMD_OUTSIDE))) return q->cmd->run(c, &q->request) == REPLIED;
    if (!rehearsal)
        run_outside(c, q);
    else if (q->cmd->rehearse != NULL)
        q->cmd->rehearse(c, &q->request);
    return true;
}

/* A command behind one that has parked: it is run for what it needs, and all of it is taken back.
 * What it replies, or would rather see, does not count. false: enough was asked for. */
static bool asks_more(struct client *c, const struct transaction *t, size_t at, bool rehearsal) {
    struct server *srv = c->srv;
    struct queued *q = t->queue[at];
    if (q->cmd->flags & CMD_OUTSIDE && !rehearsal) return false;
    srv->exec.at = at;
    srv->exec.command_at = c->reply_start;
    client_cut_reply(c, c->reply_start);
    run_queued(c, q, rehearsal);
    c->wants_newest = c->reply_was_error = srv->exec.abort = false;
    return c->park == PARK_NONE && !need_enough(c) &&
           model_frame_bytes(&srv->model) <= store_frame_max(srv->store);
}

/* The command at *at needs something that is not in memory: those behind it ask for what they need,
 * too, so that it is loaded together and EXEC is not run again for each. */
static void ask_ahead(struct client *c, struct transaction *t, bool rehearsal, size_t at) {
    if (c->park != PARK_NONE || c->wants_newest || need_enough(c)) return;
    while (++at < t->count && asks_more(c, t, at, rehearsal)) {}
}

static enum run run_queue(struct client *c, struct transaction *t, bool rehearsal, size_t *at) {
    struct server *srv = c->srv;
    size_t max = store_frame_max(srv->store);
    uint64_t begun = clock_mono_us();
    for (*at = 0; *at < t->count; ++*at) {
        struct queued *q = t->queue[*at];
        srv->exec.at = *at;
        q->reply_at = srv->exec.command_at = client_out_offset(c);
        c->reply_was_error = false;
        if (!run_queued(c, q, rehearsal) || c->wants_newest) {
            ask_ahead(c, t, rehearsal, *at);
            return RUN_PARKED;
        }
        if (c->out.overflow || srv->exec.abort || model_frame_bytes(&srv->model) > max)
            return RUN_ABORTED;
        uint64_t now = clock_mono_us();
        q->usec = now - begun;
        q->failed = c->reply_was_error;
        begun = now;
    }
    c->reply_was_error = false;
    return RUN_DONE;
}

/* Statistics, slow log and monitors, once it is certain that the commands have run. */
static void keep_books(struct client *c, const struct transaction *t) {
    struct server *srv = c->srv;
    for (size_t i = 0; i < t->count; i++) {
        const struct queued *q = t->queue[i];
        q->cmd->stats.calls++;
        if (q->failed) {
            q->cmd->stats.failed++;
            if (c->out.data[q->reply_at - c->out_base] == '-')
                stats_error(&srv->stats, reply_error_text(c, q->reply_at));
        }
        stats_command(c, q->cmd, &q->request, q->usec);
        if (UNLIKELY(c->tracker != NULL)) tracking_remember(c, q->cmd, &q->request);
        if (!list_empty(&srv->monitors) && !(q->cmd->flags & CMD_NO_MONITOR))
            monitor_feed(c, &q->request);
    }
    srv->stats.commands_processed += t->count;
}

/* The failed command's own error, with its code in front and its place behind that. */
static void reply_aborted(struct client *c, const struct transaction *t, size_t at,
                          const struct saved *saved) {
    char error[2048];
    size_t bytes = model_frame_bytes(&c->srv->model);
    bool too_long = c->out.overflow, by_command = c->srv->exec.abort && !too_long;
    if (by_command) {
        struct str text = reply_error_text(c, c->srv->exec.command_at);
        snprintf(error, sizeof error, STR_FMT, (int)MIN(text.len, sizeof error - 1), text.ptr);
    }
    take_back(c, saved);
    if (too_long) {
        reply_error(c,
                    "TOOLARGE with command %zu of %zu (%s) the reply takes more than %llu bytes "
                    "(reply-bytes-max): ask for less, with COUNT or fewer commands",
                    at + 1, t->count, command_full_name(t->queue[at]->cmd),
                    (unsigned long long)c->srv->config.reply_bytes_max);
    } else if (by_command) {
        size_t code = strcspn(error, " ");
        reply_error(c, "%.*s command %zu of %zu (%s): %s", (int)code, error, at + 1, t->count,
                    command_full_name(t->queue[at]->cmd), error + code + (error[code] == ' '));
    } else {
        reply_error(c,
                    "TOOLARGE with command %zu of %zu (%s) the transaction takes %zu bytes, one "
                    "frame can be %zu (%s)",
                    at + 1, t->count, command_full_name(t->queue[at]->cmd), bytes,
                    store_frame_max(c->srv->store), store_frame_bound(c->srv->store));
    }
}

/* RUN_DONE: it stands in the open transaction. Otherwise it is taken back, and an abort is replied.
 */
static enum run attempt(struct client *c, struct transaction *t, const struct saved *saved,
                        bool rehearsal) {
    struct server *srv = c->srv;
    size_t at;
    blocking_exec_begins(c);
    model_begin(&srv->model);
    srv->exec = (struct exec_state){.client = c, .count = t->count};
    reply_array(c, t->count);
    enum run run = run_queue(c, t, rehearsal, &at);
    if (run == RUN_PARKED)
        take_back(c, saved);
    else if (run == RUN_ABORTED)
        reply_aborted(c, t, at, saved);
    return run;
}

/* There is no room for the reply: everything is taken back. (Of one with a CMD_OUTSIDE the
 * rehearsal's counts.) */
static bool refused(struct client *c, const struct saved *saved) {
    if (!share_refuses(c)) return false;
    uint64_t bytes = share_reply_bytes(c);
    take_back(c, saved);
    share_wait(c, bytes);
    return true;
}

static enum outcome run_transaction(struct client *c, struct transaction *t) {
    struct server *srv = c->srv;
    struct saved saved = save(c);
    enum run run = RUN_DONE;
    if (t->flags & CMD_OUTSIDE) {
        run = attempt(c, t, &saved, true);
        if (run == RUN_DONE && refused(c, &saved)) return PARKED;
        if (run == RUN_DONE) take_back(c, &saved);
        if (c->need != NULL) need_begin(c); /* what it has loaded serves once more */
    }
    if (run == RUN_DONE) run = attempt(c, t, &saved, false);
    if (run != RUN_DONE) return run == RUN_PARKED ? PARKED : REPLIED;
    if (!(t->flags & CMD_OUTSIDE) && refused(c, &saved)) return PARKED;
    uint64_t frame = model_end(&srv->model);
    srv->exec.client = NULL;
    if (frame != 0) c->last_frame = frame;
    client_tells(c, frame);
    c->told = MIN(c->told, srv->model.decided);
    keep_books(c, t);
    return REPLIED;
}

/* One that publishes waits for its turn before anything of it was asked for, and does not wait
 * again with what was loaded for it, or when room was made for its reply. */
static bool must_wait_to_publish(const struct client *c, const struct transaction *t) {
    bool first = c->need == NULL && c->room_wanted == 0;
    if (!(t->flags & CMD_PUBLISHES) || !first) return false;
    return !pubsub_has_turn(c->srv) || c->srv->pubsub.noted_work > NOTED_WORK_MAX;
}

/* EXEC */
enum outcome cmd_exec(struct client *c, const struct request *r) {
    UNUSED(r);
    struct transaction *t = c->transaction;
    if (!transaction_open(c)) {
        reply_error(c, "ERR EXEC without MULTI");
        return REPLIED;
    }
    if (t->failed) {
        reply_error(c, "EXECABORT Transaction discarded because of previous errors.");
    } else if (UNLIKELY(must_wait_to_publish(c, t))) {
        client_next_turn(c);
        return PARKED;
    } else {
        /* What the backend lists is of before a flush that it has not seen yet. */
        if (!flush_is_applied(c)) {
            if (apply_is_possible_or_reply(c)) return wait_for_apply(c);
            transaction_clear(c);
            return REPLIED;
        }
        if (!transaction_is_touched(c) && !require_all(c, t)) return PARKED;
        if (transaction_is_touched(c)) {
            client_tells(c, transaction_touched_by(c));
            resp_put_null_array(&c->out, c->resp);
        } else if (run_transaction(c, t) == PARKED) {
            return PARKED;
        }
        if (c->wants_newest) return PARKED; /* it is run once more, at once */
    }
    transaction_clear(c);
    return REPLIED;
}
