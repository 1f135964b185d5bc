/* Deadlines: EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST. All times
 * are kept in ms since 1970, by the system's clock; see expiry.h. */
#include "stream/gone/remove.h"
#include "server/command/protect.h"
#include "server/command/virtual.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/stream/args.h"

enum condition { IF_NONE = 1, IF_SOME = 2, IF_GREATER = 4, IF_LESS = 8 };

static bool parse_conditions(struct client *c, const struct request *r, unsigned *conditions) {
    static const struct {
        struct str word;
        unsigned condition;
    } words[] = {
        {{"NX", 2}, IF_NONE}, {{"XX", 2}, IF_SOME}, {{"GT", 2}, IF_GREATER}, {{"LT", 2}, IF_LESS}};
    *conditions = 0;
    for (size_t i = 3; i < r->argc; i++) {
        unsigned found = 0;
        for (size_t k = 0; k < ARRAY_LEN(words); k++)
            if (arg_is(r->argv[i], words[k].word)) found = words[k].condition;
        if (found == 0) {
            reply_error(c, "ERR Unsupported option " STR_FMT, (int)MIN(r->argv[i].len, (size_t)128),
                        r->argv[i].ptr);
            return false;
        }
        *conditions |= found;
    }
    if ((*conditions & IF_NONE) && (*conditions & ~(unsigned)IF_NONE)) {
        reply_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*conditions & IF_GREATER) && (*conditions & IF_LESS)) {
        reply_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* To ms since 1970, which may be negative; base: 0, or now. */
static bool parse_when(struct client *c, const struct request *r, bool seconds, uint64_t base,
                       int64_t *when) {
    if (!xarg_i64_or_reply(c, r->argv[2], when)) return false;
    if ((seconds && __builtin_mul_overflow(*when, INT64_C(1000), when)) ||
        __builtin_add_overflow(*when, (int64_t)base, when)) {
        reply_error(c, "ERR invalid expire time in '%s' command",
                    command_full_name(command_find(r->argv, r->argc)));
        return false;
    }
    return true;
}

/* `now` is the deadline that there is, 0: none, which counts as never. */
static bool holds(unsigned conditions, int64_t when, uint64_t now) {
    if ((conditions & IF_NONE) && now != 0) return false;
    if ((conditions & IF_SOME) && now == 0) return false;
    if ((conditions & IF_GREATER) && (now == 0 || when <= (int64_t)now)) return false;
    if ((conditions & IF_LESS) && now != 0 && when >= (int64_t)now) return false;
    return true;
}

static enum outcome expire(struct client *c, const struct request *r, bool seconds, bool relative) {
    struct model *m = &c->srv->model;
    unsigned conditions;
    int64_t when;
    struct stream *s;
    if (!parse_conditions(c, r, &conditions) ||
        !parse_when(c, r, seconds, relative ? m->wall : 0, &when))
        return REPLIED;
    if (protected_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    uint64_t now = s->extra != NULL ? s->extra->expires : 0;
    if (s->state != STREAM_LIVE || !holds(conditions, when, now)) {
        reply_int(c, 0);
        return REPLIED;
    }
    bool gone = when <= (int64_t)m->wall;
    if (gone) {
        notify(c->srv, NOTIFY_EXPIRED, "expired", r->argv[1]);
        c->srv->stats.expired_keys++;
        blocking_delete_key(c->srv, s);
    } else {
        model_set_expires(m, s, (uint64_t)when);
        notify(c->srv, NOTIFY_GENERIC, "expire", r->argv[1]);
    }
    client_commit(c);
    reply_int(c, 1);
    return REPLIED;
}

/* EXPIRE key seconds [NX | XX | GT | LT] */
enum outcome cmd_expire(struct client *c, const struct request *r) {
    return expire(c, r, true, true);
}
/* PEXPIRE key milliseconds [NX | XX | GT | LT] */
enum outcome cmd_pexpire(struct client *c, const struct request *r) {
    return expire(c, r, false, true);
}
/* EXPIREAT key unix-time-seconds [NX | XX | GT | LT] */
enum outcome cmd_expireat(struct client *c, const struct request *r) {
    return expire(c, r, true, false);
}
/* PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] */
enum outcome cmd_pexpireat(struct client *c, const struct request *r) {
    return expire(c, r, false, false);
}

static enum outcome reply_deadline(struct client *c, const struct request *r, bool seconds,
                                   bool relative) {
    struct stream *s;
    if (virtual_is(c, r->argv[1])) {
        reply_int(c, virtual_exists(c, r->argv[1]) ? -1 : -2);
        return REPLIED;
    }
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    uint64_t expires = s->extra != NULL ? s->extra->expires : 0, now = c->srv->model.wall;
    if (s->state != STREAM_LIVE) {
        reply_int(c, -2);
    } else if (expires == 0) {
        reply_int(c, -1);
    } else {
        uint64_t ms = !relative ? expires : expires > now ? expires - now : 0;
        reply_int(c, (int64_t)(seconds ? (ms + 500) / 1000 : ms));
    }
    return REPLIED;
}

/* TTL key */
enum outcome cmd_ttl(struct client *c, const struct request *r) {
    return reply_deadline(c, r, true, true);
}
/* PTTL key */
enum outcome cmd_pttl(struct client *c, const struct request *r) {
    return reply_deadline(c, r, false, true);
}
/* EXPIRETIME key */
enum outcome cmd_expiretime(struct client *c, const struct request *r) {
    return reply_deadline(c, r, true, false);
}
/* PEXPIRETIME key */
enum outcome cmd_pexpiretime(struct client *c, const struct request *r) {
    return reply_deadline(c, r, false, false);
}

/* PERSIST key */
enum outcome cmd_persist(struct client *c, const struct request *r) {
    struct stream *s;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    bool expires = s->state == STREAM_LIVE && s->extra != NULL && s->extra->expires != 0;
    if (expires) {
        model_set_expires(&c->srv->model, s, 0);
        notify(c->srv, NOTIFY_GENERIC, "persist", r->argv[1]);
    }
    client_commit(c);
    reply_int(c, expires);
    return REPLIED;
}
