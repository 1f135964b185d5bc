/* Finding a command, checking whether it may run, running it, keeping the books. */
#include "server/command/command.h"

#include <ctype.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/client/publications.h"
#include "server/client/push.h"
#include "server/client/transaction.h"
#include "server/command/monitor.h"
#include "server/command/virtual.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"

#define COMMANDS_MAX 512 /* without subcommands */
#define HTTP_LOG_MS  60000

static struct hash_table by_name;
static struct command *all[COMMANDS_MAX];
static size_t all_count;

static uint64_t name_hash(const char *lower, size_t len) {
    return hash_bytes(lower, len);
}

bool command_decided(const struct command *cmd) {
    unsigned view = cmd->flags & (CMD_SETTLED | CMD_NEWEST | CMD_NO_DATA);
    unsigned on_virtual = cmd->flags & (CMD_VIRTUAL | CMD_NOT_VIRTUAL);
    if (cmd->run == NULL) return true;
    if (command_has_keys(cmd) ? on_virtual != CMD_VIRTUAL && on_virtual != CMD_NOT_VIRTUAL
                              : on_virtual != 0)
        return false;
    if (view != CMD_SETTLED && view != CMD_NEWEST && view != CMD_NO_DATA) return false;
    if (cmd->flags & (CMD_NO_MULTI | CMD_UNQUEUED)) return true;
    bool model = cmd->flags & (CMD_READ | CMD_WRITE);
    bool outside = cmd->flags & CMD_OUTSIDE, harmless = cmd->flags & CMD_HARMLESS;
    return model + outside + harmless == 1;
}

static void prepare(struct command *cmd, const struct command *container) {
    cmd->container = container;
    if (!command_decided(cmd))
        log_warning("command table: %s: what does it read, is it OUTSIDE or HARMLESS, does it "
                    "take virtual names?",
                    cmd->name);
    assert(command_decided(cmd));
    for (struct command *sub = cmd->subcommands; sub != NULL && sub->name != NULL; sub++)
        prepare(sub, cmd);
}

void commands_init(void) {
    hash_init(&by_name);
    all_count = 0;
    for (const struct command_family *f = command_families; f->name != NULL; f++) {
        if (f->init != NULL) f->init();
        for (struct command *cmd = f->commands; cmd->name != NULL; cmd++) {
            prepare(cmd, NULL);
            hash_insert(&by_name, &cmd->node, name_hash(cmd->name, strlen(cmd->name)));
            assert(all_count < ARRAY_LEN(all));
            all[all_count++] = cmd;
        }
    }
}

struct command *const *commands_all(size_t *count) {
    *count = all_count;
    return all;
}

void command_each(void (*each)(struct command *cmd, void *arg), void *arg) {
    for (size_t i = 0; i < all_count; i++) {
        each(all[i], arg);
        for (struct command *sub = all[i]->subcommands; sub != NULL && sub->name != NULL; sub++)
            each(sub, arg);
    }
}

/* What no row has, but a family knows. */
static struct command *find_beyond(const struct str *argv, size_t argc) {
    for (const struct command_family *f = command_families; f->name != NULL; f++) {
        struct command *cmd = f->find != NULL ? f->find(argv, argc) : NULL;
        if (cmd != NULL) return cmd;
    }
    return NULL;
}

struct command *command_find_top(struct str name) {
    char lower[32];
    if (name.len >= sizeof lower) return NULL;
    for (size_t i = 0; i < name.len; i++) {
        char ch = name.ptr[i];
        lower[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch | 0x20) : ch;
    }
    uint64_t hash = name_hash(lower, name.len);
    for (struct hash_node *n = hash_first(&by_name, hash); n != NULL; n = hash_next(&by_name, n)) {
        struct command *cmd = CONTAINER_OF(n, struct command, node);
        if (strlen(cmd->name) == name.len && memcmp(cmd->name, lower, name.len) == 0) return cmd;
    }
    return NULL;
}

struct command *command_find(const struct str *argv, size_t argc) {
    struct command *cmd = command_find_top(argv[0]);
    if (cmd == NULL) return find_beyond(argv, argc);
    if (cmd->subcommands == NULL || argc < 2) return cmd;
    for (struct command *sub = cmd->subcommands; sub->name != NULL; sub++)
        if (str_eq_nocase(str_c(sub->name), argv[1])) return sub;
    struct command *beyond = find_beyond(argv, 2);
    return beyond != NULL ? beyond : cmd;
}

const struct command *command_find_full(struct str name) {
    const char *bar = name.len > 0 ? memchr(name.ptr, '|', name.len) : NULL;
    if (bar == NULL) return command_find_top(name);
    size_t len = (size_t)(bar - name.ptr);
    struct str words[2] = {str_of(name.ptr, len), str_of(bar + 1, name.len - len - 1)};
    const struct command *cmd = command_find(words, 2);
    return cmd != NULL && cmd->container != NULL ? cmd : NULL;
}

const char *command_full_name(const struct command *cmd) {
    static char name[80];
    if (cmd->container == NULL) return cmd->name;
    snprintf(name, sizeof name, "%s|%s", cmd->container->name, cmd->name);
    return name;
}

void reply_unknown_subcommand(struct client *c, const struct command *container, struct str sub) {
    char upper[32];
    size_t n = MIN(strlen(container->name), sizeof upper - 1);
    for (size_t i = 0; i < n; i++) upper[i] = (char)toupper(container->name[i]);
    upper[n] = '\0';
    reply_error(c, "ERR unknown subcommand '%.*s'. Try %s HELP.", (int)MIN(sub.len, (size_t)128),
                sub.ptr, upper);
}

void reply_help(struct client *c, const char *container, const char *const *lines) {
    size_t count = 0;
    while (lines[count] != NULL) count++;
    reply_array(c, count + 3);
    char head[128];
    snprintf(head, sizeof head,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container);
    reply_simple(c, head);
    for (size_t i = 0; i < count; i++) reply_simple(c, lines[i]);
    reply_simple(c, "HELP");
    reply_simple(c, "    Print this help.");
}

static void reply_unknown_command(struct client *c, const struct request *r) {
    char args[300];
    size_t len = 0;
    for (size_t i = 1; i < r->argc && len < 128; i++)
        len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
                                (int)MIN(r->argv[i].len, 128 - len), r->argv[i].ptr);
    args[MIN(len, sizeof args - 1)] = '\0';
    c->srv->stats.unknown_commands++;
    reply_error(c, "ERR unknown command '%.*s', with args beginning with: %s",
                (int)MIN(r->argv[0].len, (size_t)128), r->argv[0].ptr, args);
}

/* ---- checks ---- */

bool server_must_wait(const struct server *srv) {
    return server_pinned_bytes(srv) + srv->model.open->bytes > server_pinned_max(srv) ||
           srv->pubsub.notifications.bytes > NOTES_BYTES_MAX ||
           store_journal_bytes(srv->store) > srv->config.journal_bytes_max;
}

const char *server_full(struct server *srv) {
    const char *why = store_away(srv->store);
    if (LIKELY(why == NULL) || !server_must_wait(srv)) return NULL;
    snprintf(srv->full_why, sizeof srv->full_why, "the journal is full, and %s", why);
    return srv->full_why;
}

/* CLIENT PAUSE ALL leaves no command out, not even CLIENT UNPAUSE: it ends by its time. */
bool command_is_paused(const struct server *srv, unsigned flags) {
    if (srv->pause.until_ms == 0 || srv->clock.now_ms >= srv->pause.until_ms) return false;
    return !srv->pause.writes_only || (flags & (CMD_WRITE | CMD_PUBLISHES));
}

static enum outcome park(struct client *c, enum park why, struct list *on) {
    share_turn_over(c, &c->srv->share);
    c->park = why;
    list_append(on, &c->parked);
    return PARKED;
}

bool command_may_write(struct client *c) {
    struct server *srv = c->srv;
    bool is_paused = command_is_paused(srv, CMD_WRITE);
    if (!is_paused && !server_must_wait(srv)) return true;
    c->wait.goes_on = true; /* MONITOR has shown it */
    if (is_paused) {
        park(c, PARK_PAUSE, &srv->paused);
    } else {
        srv->stats.throttled++;
        park(c, PARK_THROTTLE, &srv->throttled);
    }
    return false;
}

bool server_writable_or_reply(struct client *c, unsigned flags) {
    struct server *srv = c->srv;
    const char *why;
    if (!store_writable(srv->store)) {
        reply_error(c, "IOERR store is read-only: %s", srv->read_only_why);
        return false;
    }
    if ((why = store_lost(srv->store)) != NULL) {
        reply_error(c, "IOERR store is read-only: %s", why);
        return false;
    }
    if ((why = server_full(srv)) != NULL) {
        reply_error(c, "IOERR store is read-only: %s", why);
        return false;
    }
    if (!(flags & CMD_FREES) && (why = store_refusal(srv->store)) != NULL) {
        reply_error(c, "DISKFULL %s", why);
        return false;
    }
    return true;
}

/* What the request may do: of EXEC, what its commands may do. */
static unsigned flags_of(const struct client *c, const struct command *cmd) {
    bool exec = cmd->flags & CMD_EXEC && transaction_open(c);
    return cmd->flags | (exec ? c->transaction->flags & (CMD_WRITE | CMD_READ | CMD_PUBLISHES) : 0);
}

/* Somebody else may have written by now. */
static bool may_read_or_reply(struct client *c) {
    const struct config *config = &c->srv->config;
    if (!store_lease_lapsed(c->srv->store, c->srv->clock.now_us)) return true;
    reply_error(c,
                "READERR stale-reads is no, and the database has not said for %llu ms that this "
                "server is the one that writes (lease-ms)",
                (unsigned long long)config->lease_ms);
    return false;
}

/* Everything that forbids the command. true: it may run; else it has been replied to. */
static bool check(struct client *c, struct command *cmd, const struct request *r) {
    if (cmd == NULL) {
        if (!c->authenticated)
            reply_error(c, "NOAUTH Authentication required.");
        else
            reply_unknown_command(c, r);
        return false;
    }
    if (cmd->run == NULL && r->argc >= 2 && cmd->subcommands != NULL) {
        if (!c->authenticated)
            reply_error(c, "NOAUTH Authentication required.");
        else
            reply_unknown_subcommand(c, cmd, r->argv[1]);
        return false;
    }
    bool good = false;
    if (cmd->run == NULL || r->argc < cmd->argc_min ||
        (cmd->argc_max != 0 && r->argc > cmd->argc_max))
        reply_wrong_args(c, command_full_name(cmd));
    else if (!c->authenticated && !(cmd->flags & CMD_NO_AUTH))
        reply_error(c, "NOAUTH Authentication required.");
    else if (cmd->flags & CMD_NO_MULTI && transaction_open(c))
        reply_error(c, "ERR Command not allowed inside a transaction");
    else if (UNLIKELY(c->subscriber != NULL || c->listening != NULL) && c->resp == 2 &&
             !(cmd->flags & CMD_SUBSCRIBES))
        reply_error(c,
                    "ERR Can't execute '%s': only %s / PING / QUIT / RESET are allowed in this "
                    "context",
                    command_full_name(cmd),
                    c->listening != NULL ? "(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE"
                                         : "ESUBSCRIBE / EUNSUBSCRIBE / EACK");
    else
        good = !(flags_of(c, cmd) & CMD_WRITE) || server_writable_or_reply(c, cmd->flags);
    if (good && UNLIKELY(!c->srv->config.stale_reads) && flags_of(c, cmd) & CMD_READ)
        good = may_read_or_reply(c);
    if (good && UNLIKELY(virtual_may_be_named(cmd, r))) good = virtual_allowed_or_reply(c, cmd, r);
    if (!good) cmd->stats.rejected++;
    return good;
}

/* The command was refused: between MULTI and EXEC, EXEC will be; if it is EXEC, it is over, and
 * says so as with Redis, also where there was no MULTI. */
static void refused(struct client *c, const struct command *cmd) {
    if (cmd == NULL || !(cmd->flags & CMD_EXEC)) {
        transaction_fail(c);
        return;
    }
    char why[1024];
    struct str text = reply_error_text(c, c->reply_start);
    if (text.len > 4 && memcmp(text.ptr, "ERR ", 4) == 0) text = str_of(text.ptr + 4, text.len - 4);
    snprintf(why, sizeof why, STR_FMT, (int)MIN(text.len, sizeof why - 1), text.ptr);
    client_cut_reply(c, c->reply_start);
    reply_error(c, "EXECABORT Transaction discarded because of: %s", why);
    transaction_clear(c);
}

static void queue_or_reply(struct client *c, struct command *cmd, const struct request *r) {
    if (transaction_queue(c, cmd, r)) {
        reply_simple(c, "QUEUED");
        return;
    }
    reply_error(c, "TOOLARGE the transaction takes more than %zu bytes, one frame can be no larger",
                store_frame_max(c->srv->store));
    cmd->stats.rejected++;
    transaction_fail(c);
}

/* ---- books ---- */

static void after_reply(struct client *c) {
    if (c->reply_mode != REPLY_ON) {
        bool silent = c->reply_mode != REPLY_SKIP_NEXT;
        assert(c->long_reply == NULL);
        if (silent) client_cut_reply(c, c->reply_start);
        if (c->reply_mode == REPLY_SKIP)
            c->reply_mode = REPLY_ON;
        else if (c->reply_mode == REPLY_SKIP_NEXT)
            c->reply_mode = REPLY_SKIP;
    }
    if (c->gate_count > 0 && client_out_offset(c) > c->reply_start)
        c->gates[(c->gate_head + c->gate_count - 1) & (c->gate_cap - 1)].replies++;
}

/* ---- what it reads ---- */

/* EXEC reads the settled view when all of its commands do. */
static bool reads_settled(const struct client *c, const struct command *cmd) {
    bool exec = cmd->flags & CMD_EXEC && transaction_open(c);
    return exec ? !(c->transaction->flags & CMD_NEWEST) : cmd->flags & CMD_SETTLED;
}

/* From here on a reply that is too long is dropped while it is written, and the rest of it after
 * it: whatever a command does, it takes no more memory. */
static void limit_reply(struct client *c) {
    c->out.keep = c->out.len;
    c->out.max = c->out.len + c->srv->config.reply_bytes_max;
}

static void end_reply(struct client *c, enum outcome outcome) {
    c->out.max = 0;
    if (LIKELY(!c->out.overflow)) return;
    client_cut_reply(c, c->reply_start);
    if (outcome == REPLIED) reply_too_long(c, "ask for less of it, with COUNT or a closer range");
}

/* Runs it on its view; on the newest, at once, when the settled one does not do. */
static enum outcome run_on_view(struct client *c, struct command *cmd, const struct request *r) {
    struct model *m = &c->srv->model;
    enum outcome outcome;
    c->view = reads_settled(c, cmd) ? client_settled_view(c) : VIEW_NEWEST;
    c->wants_newest = false;
    if (!(cmd->flags & (CMD_WRITE | CMD_BOUNDED))) limit_reply(c);
    do {
        if (c->wants_newest) {
            c->view = VIEW_NEWEST;
            client_cut_reply(c, c->reply_start);
            c->reply_was_error = false;
        }
        c->wants_newest = false;
        c->told = c->view == VIEW_NEWEST && !(cmd->flags & CMD_NO_DATA) ? m->flushed.frame : 0;
        if (c->need != NULL) need_begin(c);
        outcome = cmd->run(c, r);
        if (UNLIKELY(m->unsettled.view_count > 0)) model_drop_views(m);
    } while (UNLIKELY(c->wants_newest));
    if (UNLIKELY(c->out.max != 0)) end_reply(c, outcome);
    if (outcome == PARKED && c->need != NULL) need_begin(c); /* nothing of this run counts */
    return outcome;
}

/* ---- room for its reply ---- */

/* The command will be run again when there is room. */
static enum outcome take_back(struct client *c, uint64_t events_read) {
    uint64_t bytes = share_reply_bytes(c);
    client_cut_reply(c, c->reply_start);
    c->srv->stats.events_read = events_read;
    share_wait(c, bytes);
    return PARKED;
}

/* A write, while all hold more than clients-bytes-max: like a transaction of one command, so that
 * it can be taken back, too. */
__attribute__((noinline)) static enum outcome run_undoable(struct client *c, struct command *cmd,
                                                           const struct request *r) {
    struct server *srv = c->srv;
    struct stats before = srv->stats;
    uint64_t last_frame = c->last_frame;
    model_begin(&srv->model);
    enum outcome outcome = run_on_view(c, cmd, r);
    if (LIKELY(outcome != REPLIED || !share_refuses(c))) {
        model_end(&srv->model);
        return outcome;
    }
    model_undo(&srv->model);
    memcpy(&srv->stats, &before, offsetof(struct stats, errors));
    c->last_frame = last_frame;
    return take_back(c, before.events_read);
}

/* Runs it, in the one place where it is seen to that no reply takes more than there is room for: it
 * is taken back, with what the command did, and the command will be run again (share.h). EXEC sees
 * to it itself, and what stands alone has no long reply. */
static enum outcome run_in_room(struct client *c, struct command *cmd, const struct request *r) {
    if (cmd->flags & (CMD_READ | CMD_HARMLESS)) {
        uint64_t events_read = c->srv->stats.events_read;
        enum outcome outcome = run_on_view(c, cmd, r);
        bool refused = outcome == REPLIED && UNLIKELY(share_is_long(c)) && share_refuses(c);
        return refused ? take_back(c, events_read) : outcome;
    }
    bool undoable = (cmd->flags & (CMD_WRITE | CMD_NO_MULTI)) == CMD_WRITE;
    if (UNLIKELY(undoable && share_is_over(c->srv))) return run_undoable(c, cmd, r);
    return run_on_view(c, cmd, r);
}

/* Runs it and keeps its books. */
static enum outcome run(struct client *c, struct command *cmd, const struct request *r) {
    struct server *srv = c->srv;
    bool first = c->need == NULL && !c->wait.set && c->room_wanted == 0 && !c->wait.goes_on;
    bool exec = cmd->flags & CMD_EXEC;
    bool monitored = UNLIKELY(!list_empty(&srv->monitors)) && !(cmd->flags & CMD_NO_MONITOR);
    bool behind = exec || cmd->flags & CMD_RESET; /* who resets does not see it */
    c->last_command = cmd;
    if (monitored && first && !behind) monitor_feed(c, r);
    enum outcome outcome = REPLIED;
    c->told = 0;
    if (UNLIKELY(srv->tracking.clients > 0)) tracking_before(c);
    if (c->need == NULL || !need_failed_or_reply(c))
        outcome = run_in_room(c, cmd, r);
    else if (exec)
        transaction_clear(c);
    if (UNLIKELY(srv->tracking.clients > 0)) tracking_after(c, cmd, r, outcome == REPLIED);
    /* What it decided is one closed frame, whether it goes on or not. */
    assert(!srv->model.in_transaction && model_frame_is_empty(&srv->model));
    if (outcome == PARKED && !standing_waits_or_reply(c, r)) outcome = REPLIED;
    if (outcome == PARKED) {
        if (c->park == PARK_NONE) {
            assert(need_pending(c));
            c->park = PARK_LOAD;
        }
        if (c->park != PARK_LOAD && c->park != PARK_ROOM) share_turn_over(c, &srv->share);
        srv->clock.now_us = clock_mono_us();
        return PARKED;
    }
    assert(c->reply_mode != REPLY_ON || srv->stopping || client_out_offset(c) > c->reply_start ||
           (cmd->flags & CMD_PUSHES && client_message_bytes(c) > 0));
    client_gate(c);
    if (UNLIKELY(c->note_count > 0)) publications_decided(c);
    if (monitored && behind) monitor_feed(c, r); /* EXEC: behind what it ran */
    uint64_t end = clock_mono_us();
    cmd->stats.calls++;
    if (c->reply_was_error) cmd->stats.failed++;
    stats_command(c, cmd, r, end - srv->clock.now_us);
    srv->clock.now_us = end;
    return REPLIED;
}

/* A web page can have a browser send a request to this port whose body holds commands, one a line,
 * and the browser sends these words first. Whoever does has no business here: as Redis does, and
 * before AUTH, in MULTI, in any form. */
static bool is_http(const struct request *r) {
    return str_eq_nocase(r->argv[0], STR("post")) || str_eq_nocase(r->argv[0], STR("host:"));
}

static enum outcome refuse_http(struct client *c) {
    log_warning_seldom(HTTP_LOG_MS,
                       "Possible SECURITY ATTACK detected. It looks like somebody is sending POST "
                       "or Host: commands to Cairn. This is likely due to an attacker attempting "
                       "to use Cross Protocol Scripting to compromise your Cairn instance. "
                       "Connection from %s aborted.",
                       c->addr);
    client_close(c);
    return REPLIED;
}

enum outcome command_run(struct client *c, const struct request *r) {
    struct server *srv = c->srv;
    struct command *cmd = command_find(r->argv, r->argc);
    if (UNLIKELY(cmd == NULL) && is_http(r)) return refuse_http(c);
    c->reply_start = client_out_offset(c);
    c->reply_was_error = false;
    if (!check(c, cmd, r)) {
        refused(c, cmd);
    } else if (command_is_paused(srv, flags_of(c, cmd))) {
        return park(c, PARK_PAUSE, &srv->paused);
    } else if (UNLIKELY(transaction_open(c)) && !(cmd->flags & CMD_UNQUEUED)) {
        queue_or_reply(c, cmd, r);
    } else if ((flags_of(c, cmd) & CMD_WRITE) && server_must_wait(srv)) {
        srv->stats.throttled++;
        return park(c, PARK_THROTTLE, &srv->throttled);
    } else if (run(c, cmd, r) == PARKED) {
        return PARKED;
    }
    c->wait.set = c->wait.allowed = c->wait.goes_on = false;
    c->wait.so_far = c->wait.at = c->wait.counted_as = 0;
    if (c->wait.blocked != NULL) blocking_finish(c);
    c->commands++;
    srv->stats.commands_processed++;
    c->room_wanted = c->room_number = 0;
    if (c->need != NULL) need_finish(c);
    share_command_over(c, &srv->share);
    after_reply(c);
    if (UNLIKELY(c->messages != NULL)) client_merge_messages(c);
    return REPLIED;
}
