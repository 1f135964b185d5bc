/* Strings that get a value, or lose it: SET SETNX SETEX PSETEX GETSET MSET MSETNX, GETDEL GETEX. */
#include "stream/gone/remove.h"
#include "server/command/protect.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/keys/string.h"

/* Gives it the value, unless its deadline is over already: then it is gone. until_is_new: it is not
 * the deadline that the key had. */
static void set_until(struct client *c, struct stream *s, struct str value, uint64_t expires,
                      bool until_is_new) {
    if (expires == 0 || expires > c->srv->model.wall) {
        string_set(c, s, value, expires, "set");
        if (until_is_new) notify(c->srv, NOTIFY_GENERIC, "expire", stream_name_str(s->name));
    } else if (s->state == STREAM_LIVE) {
        blocking_delete_key(c->srv, s);
        notify(c->srv, NOTIFY_GENERIC, "del", stream_name_str(s->name));
    }
    client_commit(c);
}

/* ---- SET ---- */

struct set_args {
    bool if_none, if_some, get, keep_ttl, if_equal;
    struct str equal;
    struct string_expiry expiry;
};

static bool parse_set(struct client *c, const struct request *r, struct set_args *a) {
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
        } else if (arg_is(word, STR("KEEPTTL")) && a->expiry.word.ptr == NULL) {
            a->keep_ttl = true;
        } else if (a->keep_ttl || !string_expiry_parse(r, &i, &a->expiry)) {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Whether NX, XX, IFEQ allow it. */
static bool set_holds(const struct set_args *a, const struct stream *s) {
    bool live = s->state == STREAM_LIVE;
    if (a->if_equal) return live && stream_is_string(s) && str_eq(string_value(s), a->equal);
    return !(a->if_none && live) && !(a->if_some && !live);
}

/* SET key value [NX | XX | IFEQ value] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] */
enum outcome cmd_set(struct client *c, const struct request *r) {
    struct set_args a;
    struct stream *s;
    struct str name = r->argv[1];
    uint64_t expires = 0;
    if (!parse_set(c, r, &a)) return REPLIED;
    if (a.expiry.word.ptr != NULL && !string_expiry_or_reply(c, r, &a.expiry, &expires))
        return REPLIED;
    if (!string_name_or_reply(c, name) || !string_fits_or_reply(c, name, r->argv[2].len))
        return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    if ((a.get || a.if_equal) && !string_or_reply(c, s)) return REPLIED;
    bool holds = set_holds(&a, s);
    if (a.get)
        string_reply(c, s);
    else if (holds)
        reply_ok(c);
    else
        reply_null(c);
    if (holds) set_until(c, s, r->argv[2], a.keep_ttl ? string_deadline(s) : expires, expires != 0);
    return REPLIED;
}

/* SETNX key value: 1, or 0 when the key is there. */
enum outcome cmd_setnx(struct client *c, const struct request *r) {
    struct stream *s;
    struct str name = r->argv[1];
    if (!string_name_or_reply(c, name) || !string_fits_or_reply(c, name, r->argv[2].len))
        return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    bool made = s->state != STREAM_LIVE;
    if (made) set_until(c, s, r->argv[2], 0, false);
    reply_int(c, made);
    return REPLIED;
}

static enum outcome set_for(struct client *c, const struct request *r, struct str unit) {
    struct stream *s;
    struct str name = r->argv[1], value = r->argv[3];
    struct string_expiry expiry = {unit, r->argv[2]};
    uint64_t expires;
    if (!string_expiry_or_reply(c, r, &expiry, &expires)) return REPLIED;
    if (!string_name_or_reply(c, name) || !string_fits_or_reply(c, name, value.len)) return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    set_until(c, s, value, expires, true);
    reply_ok(c);
    return REPLIED;
}

/* SETEX key seconds value */
enum outcome cmd_setex(struct client *c, const struct request *r) {
    return set_for(c, r, STR("EX"));
}
/* PSETEX key milliseconds value */
enum outcome cmd_psetex(struct client *c, const struct request *r) {
    return set_for(c, r, STR("PX"));
}

/* GETSET key value: what it was. Its deadline goes. */
enum outcome cmd_getset(struct client *c, const struct request *r) {
    struct stream *s;
    struct str name = r->argv[1];
    if (!string_name_or_reply(c, name) || !string_fits_or_reply(c, name, r->argv[2].len))
        return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    string_reply(c, s);
    if (s->state != STREAM_LIVE || stream_is_string(s)) set_until(c, s, r->argv[2], 0, false);
    return REPLIED;
}

/* ---- MSET ---- */

/* All of them in one frame, or none: false, when one is there that must not be. */
static bool set_all(struct client *c, const struct request *r, bool if_none) {
    struct stream *s;
    for (size_t i = 1; if_none && i < r->argc; i += 2) {
        need_stream(c, r->argv[i], &s);
        if (s->state == STREAM_LIVE) return false;
    }
    for (size_t i = 1; i < r->argc; i += 2) {
        need_stream(c, r->argv[i], &s);
        string_set(c, s, r->argv[i + 1], 0, "set");
    }
    client_commit(c);
    return true;
}

static bool pairs_fit_or_reply(struct client *c, const struct request *r) {
    size_t bytes = 0, max = store_frame_max(c->srv->store);
    for (size_t i = 1; i < r->argc; i += 2) {
        struct str name = r->argv[i], value = r->argv[i + 1];
        if (!string_name_or_reply(c, name) || !string_fits_or_reply(c, name, value.len))
            return false;
        bytes += FRAME_OVERHEAD_MAX + name.len + value.len;
    }
    if (bytes <= max) return true;
    reply_frame_too_large(c, "the values take up to", bytes);
    return false;
}

static enum outcome mset(struct client *c, const struct request *r, bool if_none) {
    struct stream *s;
    bool all = true;
    if (r->argc % 2 == 0) {
        reply_wrong_args(c, if_none ? "msetnx" : "mset");
        return REPLIED;
    }
    if (!pairs_fit_or_reply(c, r)) return REPLIED;
    for (size_t i = 1; i < r->argc; i += 2) all = need_stream(c, r->argv[i], &s) && all;
    if (!all) return PARKED;
    bool done = set_all(c, r, if_none);
    if (if_none)
        reply_int(c, done);
    else
        reply_ok(c);
    return REPLIED;
}

/* MSET key value [key value ...] */
enum outcome cmd_mset(struct client *c, const struct request *r) {
    return mset(c, r, false);
}
/* MSETNX key value [key value ...]: 1, or 0 when one of the keys is there. */
enum outcome cmd_msetnx(struct client *c, const struct request *r) {
    return mset(c, r, true);
}

/* ---- what they were ---- */

/* GETDEL key */
enum outcome cmd_getdel(struct client *c, const struct request *r) {
    struct stream *s;
    if (protected_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    string_reply(c, s);
    if (!stream_is_string(s)) return REPLIED;
    blocking_delete_key(c->srv, s);
    notify(c->srv, NOTIFY_GENERIC, "del", r->argv[1]);
    client_commit(c);
    return REPLIED;
}

struct getex_args {
    struct string_expiry expiry;
    bool persist;
};

static bool parse_getex(struct client *c, const struct request *r, struct getex_args *a) {
    *a = (struct getex_args){0};
    for (size_t i = 2; i < r->argc; i++) {
        if (arg_is(r->argv[i], STR("PERSIST")) && a->expiry.word.ptr == NULL) {
            a->persist = true;
        } else if (a->persist || !string_expiry_parse(r, &i, &a->expiry)) {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] */
enum outcome cmd_getex(struct client *c, const struct request *r) {
    struct getex_args a;
    struct stream *s;
    uint64_t expires = 0;
    if (!parse_getex(c, r, &a)) return REPLIED;
    bool changes = a.persist || a.expiry.word.ptr != NULL;
    if (changes && protected_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (changes && !a.persist && stream_is_string(s) &&
        !string_expiry_or_reply(c, r, &a.expiry, &expires))
        return REPLIED;
    string_reply(c, s);
    if (!changes || !stream_is_string(s)) return REPLIED;
    bool gone = expires != 0 && expires <= c->srv->model.wall;
    if (gone || expires != 0 || string_deadline(s) != 0)
        notify(c->srv, NOTIFY_GENERIC, gone ? "del" : a.persist ? "persist" : "expire", r->argv[1]);
    if (gone)
        blocking_delete_key(c->srv, s);
    else
        model_set_expires(&c->srv->model, s, expires);
    client_commit(c);
    return REPLIED;
}
