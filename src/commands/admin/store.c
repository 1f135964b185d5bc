/* Commands about streams and the store as a whole: ESVER EPSEQ EINFO ESTREAMS, ESYNC WAITAOF,
 * BACKUP, FLUSHALL, SHUTDOWN. */
#include "base/alloc.h"
#include "base/log.h"
#include "commands/event/args.h"
#include "server/wait/blocking.h"
#include "commands/commands.h"
#include "commands/event/reply.h"
#include "commands/keys/list.h"
#include "server/wait/need.h"
#include "server/server.h"
#include "commands/stream/args.h"

#define STREAMS_DEFAULT 100
#define STREAMS_MAX     100000

static bool no_more_args(struct client *c, const struct request *r, size_t n) {
    if (r->argc <= n) return true;
    reply_error(c, "INVALIDARG unexpected string: expected end of input");
    return false;
}

/* [PARTITION_KEY u] from argv[2] on: one partition, so that it restricts nothing. */
static bool partition_key_or_reply(struct client *c, const struct request *r) {
    struct uuid ignored;
    if (r->argc == 2) return true;
    if (!arg_is(r->argv[2], STR("PARTITION_KEY")) || r->argc != 4) {
        reply_error(c, "INVALIDARG unexpected string: expected PARTITION_KEY or end of input");
        return false;
    }
    if (uuid_parse(r->argv[3], &ignored)) return true;
    reply_error(c, "INVALIDARG invalid partition key");
    return false;
}

static bool replied_wrong_type(struct client *c, const struct stream *s) {
    if (!stream_is_string(s)) return false;
    client_gate(c, s->changed_frame);
    reply_wrong_type(c);
    return true;
}

/* ESVER stream [PARTITION_KEY u] */
enum outcome cmd_esver(struct client *c, const struct request *r) {
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1]) || !partition_key_or_reply(c, r)) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (replied_wrong_type(c, s)) return REPLIED;
    uint64_t end = model_visible_end(&c->srv->model, s, client_horizon(c));
    if (end == 0)
        reply_null(c);
    else
        reply_int(c, (int64_t)(end - 1));
    return REPLIED;
}

/* EPSEQ partition */
enum outcome cmd_epseq(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    if (!arg_partition_or_reply(c, r->argv[1]) || !no_more_args(c, r, 2)) return REPLIED;
    uint64_t end = model_visible_end(m, NULL, client_horizon(c));
    if (end == 0)
        reply_null(c);
    else
        reply_int(c, (int64_t)(end - 1));
    return REPLIED;
}

/* EINFO stream */
enum outcome cmd_einfo(struct client *c, const struct request *r) {
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (replied_wrong_type(c, s)) return REPLIED;
    client_gate(c, s->last_frame);
    if (s->state != STREAM_LIVE) {
        reply_null(c);
        return REPLIED;
    }
    struct str name = stream_name_str(s->name);
    reply_map(c, 7);
    reply_key(c, "stream_id");
    reply_bulk(c, name);
    reply_key(c, "category");
    reply_bulk(c, stream_category(name));
    reply_uuid(c, "partition_key", &s->name->partition_key);
    if (s->next_version > 0) {
        reply_number(c, "stream_version", s->next_version - 1);
    } else {
        reply_key(c, "stream_version");
        reply_null(c);
    }
    reply_number(c, "events", stream_length(s));
    reply_number(c, "created", s->name->rec.created);
    reply_key(c, "last_entry_id");
    char id[48];
    snprintf(id, sizeof id, "%llu-%llu", (unsigned long long)s->entry_ms,
             (unsigned long long)s->entry_seq);
    reply_simple(c, id);
    return REPLIED;
}

/* ---- ESTREAMS ---- */

static bool parse_query(struct client *c, const struct request *r, struct key_query *q) {
    *q = (struct key_query){.count = STREAMS_DEFAULT, .no_strings = true};
    if (!str_to_u64(r->argv[1], &q->from)) {
        reply_error(c, "ERR invalid cursor");
        return false;
    }
    for (size_t at = 2; at < r->argc; at += 2) {
        if (at + 1 == r->argc) {
            reply_syntax_error(c);
            return false;
        }
        struct str value = r->argv[at + 1];
        if (arg_is(r->argv[at], STR("MATCH")))
            q->pattern = value;
        else if (arg_is(r->argv[at], STR("CATEGORY")))
            q->category = value;
        else if (arg_is(r->argv[at], STR("COUNT"))) {
            if (!arg_u64_or_reply(c, value, "COUNT", &q->count)) return false;
            if (q->count == 0 || q->count > STREAMS_MAX) {
                reply_error(c, "INVALIDARG COUNT must be between 1 and %d", STREAMS_MAX);
                return false;
            }
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

enum outcome wait_for_apply(struct client *c) {
    c->park = PARK_WAIT;
    c->srv->stats.blocked_clients++;
    list_append(&c->srv->waiting, &c->parked);
    return PARKED;
}

bool all_is_applied(struct client *c) {
    struct server *srv = c->srv;
    if (!c->wait.set) {
        c->wait.set = true;
        c->wait.frame = srv->model.decided;
        c->wait.timed_out = c->wait.unblocked = c->wait.unblocked_error = false;
        if (store_writable(srv->store)) model_submit(&srv->model);
        store_flush(srv->store);
    }
    return store_applied(srv->store) >= c->wait.frame;
}

bool flush_is_applied(struct client *c) {
    return c->srv->model.flushed.frame == 0 || all_is_applied(c);
}

/* ESTREAMS cursor [MATCH pattern] [CATEGORY c] [COUNT n] */
enum outcome cmd_estreams(struct client *c, const struct request *r) {
    struct key_query q;
    struct key_list list;
    if (!parse_query(c, r, &q)) return REPLIED;
    if (!flush_is_applied(c)) return wait_for_apply(c);
    if (!need_keys(c, &q, &list)) return PARKED;
    reply_key_list(c, &list);
    key_list_clear(&list);
    return REPLIED;
}

/* ---- waiting for stages ---- */

/* ESYNC [timeout-ms]: everything so far is in the backend. */
enum outcome cmd_esync(struct client *c, const struct request *r) {
    uint64_t timeout = 0;
    if (r->argc == 2 && !arg_u64_or_reply(c, r->argv[1], "timeout", &timeout)) return REPLIED;
    bool begins = !c->wait.set;
    if (all_is_applied(c)) {
        reply_ok(c);
        return REPLIED;
    }
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
    if (begins) c->wait.deadline_ms = timeout > 0 ? c->srv->now_ms + timeout : 0;
    return wait_for_apply(c);
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
    if (durable || srv->executing == c ||
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
        c->wait.deadline_ms = timeout > 0 ? srv->now_ms + timeout : 0;
        if (store_writable(srv->store)) model_submit(&srv->model);
    }
    return wait_for_apply(c);
}

/* BACKUP path */
enum outcome cmd_backup(struct client *c, const struct request *r) {
    struct str path = r->argv[1];
    if (path.len == 0 || path.len > 4000 || memchr(path.ptr, '\0', path.len) != NULL) {
        reply_error(c, "INVALIDARG invalid path");
        return REPLIED;
    }
    if (!all_is_applied(c)) return wait_for_apply(c);
    if (!need_backup(c, path)) return PARKED;
    log_notice("backup written to %.*s", (int)path.len, path.ptr);
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
    if (srv->model.flushed.frame != 0 && !all_is_applied(c)) return wait_for_apply(c);
    model_evict(&srv->model); /* forgets an applied flush */
    if (srv->model.flushed.frame != 0) {
        /* Another flush came in between, or a reader still looks at the time before one: then cron
         * tries again. */
        c->wait.frame = srv->model.flushed.frame;
        store_flush(srv->store);
        srv->flush_waits = true;
        return wait_for_apply(c);
    }
    server_reset_needs(srv);
    c->last_frame = model_flush(&srv->model);
    blocking_all_changed(srv);
    client_gate(c, c->last_frame);
    reply_ok(c);
    return REPLIED;
}

/* SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT] */
enum outcome cmd_shutdown(struct client *c, const struct request *r) {
    for (size_t i = 1; i < r->argc; i++) {
        if (arg_is(r->argv[i], STR("ABORT"))) {
            reply_error(c, "ERR No shutdown in progress.");
            return REPLIED;
        }
        if (!arg_is(r->argv[i], STR("NOSAVE")) && !arg_is(r->argv[i], STR("SAVE")) &&
            !arg_is(r->argv[i], STR("NOW")) && !arg_is(r->argv[i], STR("FORCE"))) {
            reply_syntax_error(c);
            return REPLIED;
        }
    }
    log_notice("SHUTDOWN by client %llu %s", (unsigned long long)c->id, c->addr);
    server_stop(c->srv);
    c->close_after_reply = true;
    return REPLIED;
}
