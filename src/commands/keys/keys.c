/* The keyspace, as Redis has it: DBSIZE DEL UNLINK EXISTS TOUCH TYPE RENAME RENAMENX RANDOMKEY SCAN
 * KEYS OBJECT. A key is a stream or a string. */
#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "server/client/long_reply.h"
#include "server/command/protect.h"
#include "server/command/virtual.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/applied.h"
#include "server/wait/blocking.h"
#include "server/wait/key_list.h"
#include "server/wait/key_walk.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/keys/string.h"
#include "commands/stream/args.h"

#define RECORD_OF_DELETE 64 /* bytes in the journal, at most */
#define SCAN_DEFAULT     10
#define RANDOM_TRIES     16
#define RANDOM_AMONG     100

/* DBSIZE: streams that exist, in memory or not. */
enum outcome cmd_dbsize(struct client *c, const struct request *r) {
    const struct model *m = &c->srv->model;
    bool newest = c->view == VIEW_NEWEST || m->interval;
    UNUSED(r);
    if (newest) client_tells(c, m->decided);
    reply_int(c, (int64_t)(newest ? m->stream_count : m->settled_streams));
    return REPLIED;
}

/* ---- DEL ---- */

/* DEL key [key ...], UNLINK key [key ...] */
enum outcome cmd_del(struct client *c, const struct request *r) {
    const struct str *names = r->argv + 1;
    size_t n = r->argc - 1;
    int64_t deleted = 0;
    for (size_t i = 0; i < n; i++)
        if (protected_or_reply(c, names[i])) return REPLIED;
    if (n > store_frame_max(c->srv->store) / RECORD_OF_DELETE) {
        reply_error(c, "TOOLARGE %zu deletions do not fit into one frame (%s)", n,
                    store_frame_bound(c->srv->store));
        return REPLIED;
    }
    if (!need_streams(c, names, n)) return PARKED;
    for (size_t i = 0; i < n; i++) {
        struct stream *s;
        need_stream(c, names[i], &s);
        if (s->state != STREAM_LIVE) continue;
        blocking_delete_key(c->srv, s);
        notify(c->srv, NOTIFY_GENERIC, "del", names[i]);
        deleted++;
    }
    client_commit(c);
    reply_int(c, deleted);
    return REPLIED;
}

/* ---- looking ---- */

/* EXISTS key [key ...], TOUCH key [key ...] */
enum outcome cmd_exists(struct client *c, const struct request *r) {
    int64_t found = 0;
    if (!need_streams(c, r->argv + 1, r->argc - 1)) return PARKED;
    for (size_t i = 1; i < r->argc; i++) {
        struct stream *s;
        need_stream(c, r->argv[i], &s);
        found +=
            virtual_is(c, r->argv[i]) ? virtual_exists(c, r->argv[i]) : s->state == STREAM_LIVE;
        model_drop_views(&c->srv->model);
    }
    reply_int(c, found);
    return REPLIED;
}

/* TYPE key */
enum outcome cmd_type(struct client *c, const struct request *r) {
    struct stream *s;
    if (virtual_is(c, r->argv[1])) {
        reply_simple(c, virtual_exists(c, r->argv[1]) ? "stream" : "none");
        return REPLIED;
    }
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    reply_simple(c, s->state != STREAM_LIVE ? "none" : stream_is_string(s) ? "string" : "stream");
    return REPLIED;
}

/* How Redis would keep a string. */
static const char *string_encoding(const struct stream *s) {
    int64_t ignored;
    struct str value = string_value(s);
    if (value.len <= 20 && xarg_i64(value, &ignored)) return "int";
    return value.len <= 44 ? "embstr" : "raw";
}

/* OBJECT ENCODING | FREQ | IDLETIME | REFCOUNT key. What is in memory changes by itself; an idle
 * time is not kept. */
enum outcome cmd_object(struct client *c, const struct request *r) {
    bool is_virtual = virtual_is(c, r->argv[2]);
    struct stream *s = NULL;
    if (!is_virtual && !need_stream(c, r->argv[2], &s)) return PARKED;
    if (is_virtual ? !virtual_exists(c, r->argv[2]) : s->state != STREAM_LIVE)
        reply_null(c);
    else if (arg_is(r->argv[1], STR("ENCODING")))
        reply_bulk_c(c, !is_virtual && stream_is_string(s) ? string_encoding(s) : "stream");
    else if (arg_is(r->argv[1], STR("REFCOUNT")))
        reply_int(c, 1);
    else if (arg_is(r->argv[1], STR("IDLETIME")))
        reply_int(c, 0);
    else
        reply_error(c, "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                       "Please note that when switching between policies at runtime LRU and LFU "
                       "data will take some time to adjust.");
    return REPLIED;
}

enum outcome cmd_object_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return how Redis would keep the value: stream, or that of a string.",
        "FREQ <key>",
        "    Return an error: access frequency is not tracked.",
        "IDLETIME <key>",
        "    Return 0: idle time is not tracked.",
        "REFCOUNT <key>",
        "    Return 1.",
        NULL,
    };
    reply_help(c, "OBJECT", lines);
    return REPLIED;
}

/* ---- RENAME ---- */

static enum outcome rename_key(struct client *c, const struct request *r, bool only_new) {
    struct model *m = &c->srv->model;
    struct stream *from, *to;
    if (!arg_stream_or_reply(c, r->argv[2]) || protected_or_reply(c, r->argv[1]) ||
        protected_or_reply(c, r->argv[2]))
        return REPLIED;
    if (!need_streams(c, r->argv + 1, 2)) return PARKED;
    need_stream(c, r->argv[1], &from);
    need_stream(c, r->argv[2], &to);
    if (from->state != STREAM_LIVE) {
        reply_error(c, "ERR no such key");
        return REPLIED;
    }
    if (from == to || (only_new && to->state == STREAM_LIVE)) {
        if (only_new)
            reply_int(c, 0);
        else
            reply_ok(c);
        return REPLIED;
    }
    if (to->state == STREAM_LIVE) blocking_delete_key(c->srv, to);
    model_rename(m, from, to);
    notify(c->srv, NOTIFY_NEW, "new", r->argv[2]);
    notify(c->srv, NOTIFY_GENERIC, "rename_from", r->argv[1]);
    notify(c->srv, NOTIFY_GENERIC, "rename_to", r->argv[2]);
    client_commit(c);
    blocking_key_changed(c->srv, r->argv[1]);
    blocking_key_changed(c->srv, r->argv[2]);
    if (only_new)
        reply_int(c, 1);
    else
        reply_ok(c);
    return REPLIED;
}

/* RENAME key newkey */
enum outcome cmd_rename(struct client *c, const struct request *r) {
    return rename_key(c, r, false);
}

/* RENAMENX key newkey */
enum outcome cmd_renamenx(struct client *c, const struct request *r) {
    return rename_key(c, r, true);
}

/* ---- listing ---- */

static bool parse_scan(struct client *c, const struct request *r, struct key_query *q) {
    static const char *const others[] = {"list", "set", "zset", "hash"};
    *q = (struct key_query){.count = SCAN_DEFAULT};
    if (!str_to_u64(r->argv[1], &q->from)) {
        reply_error(c, "ERR invalid cursor");
        return false;
    }
    for (size_t i = 2; i < r->argc; i += 2) {
        bool has_value = i + 1 < r->argc;
        struct str value = has_value ? r->argv[i + 1] : STR("");
        int64_t count;
        if (arg_is(r->argv[i], STR("COUNT")) && has_value) {
            if (!xarg_i64_or_reply(c, value, &count)) return false;
            if (count < 1) {
                reply_syntax_error(c);
                return false;
            }
            q->count = (uint64_t)count;
        } else if (arg_is(r->argv[i], STR("MATCH")) && has_value) {
            if (!arg_pattern_or_reply(c, value)) return false;
            q->pattern = str_eq(value, STR("*")) ? STR("") : value;
        } else if (arg_is(r->argv[i], STR("TYPE")) && has_value) {
            q->no_streams = !arg_is(value, STR("stream"));
            q->no_strings = !arg_is(value, STR("string"));
            bool known = !q->no_streams || !q->no_strings;
            for (size_t k = 0; k < ARRAY_LEN(others); k++)
                known = known || arg_is(value, str_c(others[k]));
            if (!known) {
                reply_error(c, "ERR unknown type name '" STR_FMT "'",
                            (int)MIN(value.len, (size_t)128), value.ptr);
                return false;
            }
        } else if (arg_is(r->argv[i], STR("NOVALUES"))) {
            reply_error(c, "ERR NOVALUES option can only be used in HSCAN");
            return false;
        } else if (arg_is(r->argv[i], STR("NOSCORES"))) {
            reply_error(c, "ERR NOSCORES option can only be used in ZSCAN");
            return false;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] */
enum outcome cmd_scan(struct client *c, const struct request *r) {
    struct key_query q;
    struct key_list list;
    if (!parse_scan(c, r, &q)) return REPLIED;
    if (!flush_is_applied(c)) return wait_for_apply_or_reply(c);
    if (!need_keys(c, &q, &list)) return PARKED;
    reply_key_list(c, &list);
    key_list_clear(&list);
    return REPLIED;
}

/* KEYS pattern: of one moment, found in slices. */
enum outcome cmd_keys(struct client *c, const struct request *r) {
    struct key_walk *found;
    if (!arg_pattern_or_reply(c, r->argv[1])) return REPLIED;
    if (!flush_is_applied(c)) return wait_for_apply_or_reply(c);
    if (r->argv[1].len == 0) {
        reply_array(c, 0); /* matches the empty name only, which nothing has */
        return REPLIED;
    }
    if (!need_all_keys(c, r->argv[1], &found)) return PARKED;
    if (key_walk_too_long(found)) {
        reply_too_long(c, "ask for portions, with SCAN and its COUNT");
        return REPLIED;
    }
    reply_array(c, key_walk_count(found));
    reply_text_send(c, key_walk_text(found));
    return REPLIED;
}

/* A key in memory by chance, when all of them are there. NULL: not found so. */
static struct stream *random_in_memory(struct model *m, uint64_t view) {
    if (m->live_in_memory != m->stream_count) return NULL;
    for (int i = 0; i < RANDOM_TRIES; i++) {
        struct hash_node *n = hash_random(&m->streams, random_u64());
        if (n == NULL) return NULL;
        struct stream *s = CONTAINER_OF(n, struct stream, node);
        if (s->state != STREAM_LIVE || stream_is_virtual(s) || stream_expired(m, s)) continue;
        struct stream *then = model_stream_at(m, s, view);
        if (then->state == STREAM_LIVE && !stream_expired(m, then)) return then;
    }
    return NULL;
}

/* RANDOMKEY: one of some that stand together, from a random number on, or from the first when few
 * stand behind it. What is random stays the same while the command waits for what it asked for. */
enum outcome cmd_randomkey(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    UNUSED(r);
    const struct stream *s = c->need == NULL ? random_in_memory(m, c->view) : NULL;
    if (s != NULL) {
        if (c->view == VIEW_NEWEST) client_tells(c, s->last_frame);
        reply_bulk(c, stream_name_str(s->name));
        return REPLIED;
    }
    if (!flush_is_applied(c)) return wait_for_apply_or_reply(c);
    uint64_t seed[2] = {c->id, c->commands};
    uint64_t random = hash_bytes(seed, sizeof seed);
    struct key_query q = {.count = RANDOM_AMONG, .from = 1 + random % m->next_stream};
    struct key_list list;
    if (!need_keys(c, &q, &list)) return PARKED;
    if (list.count < RANDOM_AMONG && q.from > 1) {
        key_list_clear(&list);
        q.from = 1;
        if (!need_keys(c, &q, &list)) return PARKED;
    }
    while (list.count == 0 && list.cursor != 0) { /* all of them are gone */
        q.from = list.cursor;
        key_list_clear(&list);
        if (!need_keys(c, &q, &list)) return PARKED;
    }
    if (list.count == 0)
        reply_null(c);
    else
        reply_bulk(c, list.keys[(random >> 32) % list.count].name);
    key_list_clear(&list);
    return REPLIED;
}
