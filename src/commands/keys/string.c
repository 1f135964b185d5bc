/* Strings, as far as users of streams have them: SET GET MSET MGET INCR. */
#include "stream/gone/remove.h"
#include "server/command/protect.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/keys/keys.h"
#include "commands/stream/args.h"

void string_set(struct client *c, struct stream *s, struct str value, uint64_t expires) {
    struct model *m = &c->srv->model;
    if (s->state == STREAM_LIVE && !stream_is_string(s)) blocking_delete_key(c->srv, s);
    model_set_string(m, s, value);
    if (expires != 0) model_set_expires(m, s, expires);
}

static struct str value_of(const struct stream *s) {
    return s->extra != NULL ? str_of(s->extra->value, s->extra->value_len) : STR("");
}

static void reply_value(struct client *c, const struct stream *s) {
    if (s->state != STREAM_LIVE)
        reply_null(c);
    else if (!stream_is_string(s))
        reply_wrong_type(c);
    else
        reply_bulk(c, value_of(s));
}

/* GET key */
enum outcome cmd_get(struct client *c, const struct request *r) {
    struct stream *s;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    reply_value(c, s);
    return REPLIED;
}

struct set_args {
    bool if_none, if_some, get, keep_ttl, if_equal;
    struct str equal;
    uint64_t expires; /* ms; 0: not given */
};

/* The number behind EX, PX, EXAT or PXAT. */
static bool parse_expires(struct client *c, struct str word, struct str value, uint64_t *out) {
    bool seconds = arg_is(word, STR("EX")) || arg_is(word, STR("EXAT"));
    bool relative = arg_is(word, STR("EX")) || arg_is(word, STR("PX"));
    int64_t ms;
    if (!xarg_i64_or_reply(c, value, &ms)) return false;
    if (ms <= 0 || (seconds && __builtin_mul_overflow(ms, INT64_C(1000), &ms)) ||
        (relative && __builtin_add_overflow(ms, (int64_t)c->srv->model.wall, &ms))) {
        reply_error(c, "ERR invalid expire time in 'set' command");
        return false;
    }
    *out = (uint64_t)ms;
    return true;
}

static bool is_expiry(struct str word) {
    return arg_is(word, STR("EX")) || arg_is(word, STR("PX")) || arg_is(word, STR("EXAT")) ||
           arg_is(word, STR("PXAT"));
}

static bool parse_set(struct client *c, const struct request *r, struct set_args *a) {
    size_t expiry = 0; /* where its word stands */
    *a = (struct set_args){0};
    for (size_t i = 3; i < r->argc; i++) {
        struct str word = r->argv[i];
        bool has_value = i + 1 < r->argc, unconditional = !a->if_none && !a->if_some;
        if (arg_is(word, STR("NX")) && !a->if_some && !a->if_equal) {
            a->if_none = true;
        } else if (arg_is(word, STR("XX")) && !a->if_none && !a->if_equal) {
            a->if_some = true;
        } else if (arg_is(word, STR("IFEQ")) && has_value && unconditional && !a->if_equal) {
            a->if_equal = true;
            a->equal = r->argv[++i];
        } else if (arg_is(word, STR("GET"))) {
            a->get = true;
        } else if (arg_is(word, STR("KEEPTTL")) && expiry == 0) {
            a->keep_ttl = true;
        } else if (is_expiry(word) && has_value && !a->keep_ttl &&
                   (expiry == 0 || arg_is(word, r->argv[expiry]))) {
            expiry = i++;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return expiry == 0 || parse_expires(c, r->argv[expiry], r->argv[expiry + 1], &a->expires);
}

static bool fits_or_reply(struct client *c, struct str name, struct str value) {
    size_t bytes = FRAME_OVERHEAD_MAX + name.len + value.len, max = store_frame_max(c->srv->store);
    if (bytes <= max) return true;
    reply_error(c,
                "TOOLARGE the value takes up to %zu bytes in the journal, one frame can be %zu "
                "(journal-segment-bytes)",
                bytes, max);
    return false;
}

/* Whether NX, XX, IFEQ allow it. */
static bool set_holds(const struct set_args *a, const struct stream *s) {
    bool live = s->state == STREAM_LIVE;
    if (a->if_equal) return live && stream_is_string(s) && str_eq(value_of(s), a->equal);
    return !(a->if_none && live) && !(a->if_some && !live);
}

/* SET key value [NX | XX | IFEQ value] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] */
enum outcome cmd_set(struct client *c, const struct request *r) {
    struct set_args a;
    struct stream *s;
    if (!parse_set(c, r, &a)) return REPLIED;
    if (!arg_stream_or_reply(c, r->argv[1]) || !fits_or_reply(c, r->argv[1], r->argv[2]) ||
        protected_or_reply(c, r->argv[1]))
        return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    bool live = s->state == STREAM_LIVE;
    if ((a.get || a.if_equal) && live && !stream_is_string(s)) {
        reply_wrong_type(c);
        return REPLIED;
    }
    if (a.get) reply_value(c, s);
    if (!set_holds(&a, s)) {
        if (!a.get) reply_null(c);
        return REPLIED;
    }
    uint64_t kept = a.keep_ttl && live && s->extra != NULL ? s->extra->expires : 0;
    if (a.expires != 0 && a.expires <= c->srv->model.wall) {
        if (live) blocking_delete_key(c->srv, s);
    } else {
        string_set(c, s, r->argv[2], a.expires != 0 ? a.expires : kept);
        blocking_key_changed(c->srv, r->argv[1]);
    }
    client_commit(c);
    if (!a.get) reply_ok(c);
    return REPLIED;
}

/* MGET key [key ...]: null for what is no string. */
enum outcome cmd_mget(struct client *c, const struct request *r) {
    if (!need_streams(c, r->argv + 1, r->argc - 1)) return PARKED;
    reply_array(c, r->argc - 1);
    for (size_t i = 1; i < r->argc; i++) {
        struct stream *s;
        need_stream(c, r->argv[i], &s);
        if (stream_is_string(s))
            reply_bulk(c, value_of(s));
        else
            reply_null(c);
        model_drop_views(&c->srv->model);
    }
    return REPLIED;
}

/* MSET key value [key value ...]: all of them in one frame. */
enum outcome cmd_mset(struct client *c, const struct request *r) {
    size_t bytes = 0, max = store_frame_max(c->srv->store);
    if (r->argc % 2 == 0) {
        reply_wrong_args(c, "mset");
        return REPLIED;
    }
    for (size_t i = 1; i < r->argc; i += 2) {
        if (!arg_stream_or_reply(c, r->argv[i]) || protected_or_reply(c, r->argv[i]))
            return REPLIED;
        bytes += FRAME_OVERHEAD_MAX + r->argv[i].len + r->argv[i + 1].len;
    }
    if (bytes > max) {
        reply_error(c,
                    "TOOLARGE the values take up to %zu bytes in the journal, one frame can be "
                    "%zu (journal-segment-bytes)",
                    bytes, max);
        return REPLIED;
    }
    struct stream *s;
    bool all = true;
    for (size_t i = 1; i < r->argc; i += 2) all = need_stream(c, r->argv[i], &s) && all;
    if (!all) return PARKED;
    for (size_t i = 1; i < r->argc; i += 2) {
        need_stream(c, r->argv[i], &s);
        string_set(c, s, r->argv[i + 1], 0);
        blocking_key_changed(c->srv, r->argv[i]);
    }
    client_commit(c);
    reply_ok(c);
    return REPLIED;
}

/* INCR key: a string that is a number. */
enum outcome cmd_incr(struct client *c, const struct request *r) {
    struct stream *s;
    int64_t n = 0;
    if (!arg_stream_or_reply(c, r->argv[1]) || protected_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    bool live = s->state == STREAM_LIVE;
    if (live && !stream_is_string(s)) {
        reply_wrong_type(c);
        return REPLIED;
    }
    if (live && !xarg_i64_or_reply(c, value_of(s), &n)) return REPLIED;
    if (__builtin_add_overflow(n, INT64_C(1), &n)) {
        reply_error(c, "ERR increment or decrement would overflow");
        return REPLIED;
    }
    char text[20];
    string_set(c, s, str_of(text, i64_to_dec(n, text)), s->extra != NULL ? s->extra->expires : 0);
    client_commit(c);
    reply_int(c, n);
    return REPLIED;
}
