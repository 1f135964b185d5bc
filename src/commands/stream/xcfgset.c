/* XCFGSET: for how long and for how many messages of a producer XADD IDMP looks back. */
#include "stream/gone/remove.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/stream/args.h"
#include "commands/stream/family.h"
#include "commands/stream/shared.h"

/* A number from 1 to max behind argv[*at], which moves to it. */
static bool parse_number(struct client *c, const struct request *r, size_t *at, const char *name,
                         uint64_t max, const char *unit, uint32_t *out) {
    int64_t n;
    if (!xarg_i64_or_reply(c, r->argv[++*at], &n)) return false;
    if (n >= 1 && (uint64_t)n <= max) {
        *out = (uint32_t)n;
        return true;
    }
    reply_error(c, "ERR %s must be between 1 and %llu %s", name, (unsigned long long)max, unit);
    return false;
}

/* 0: not given. */
static bool parse(struct client *c, const struct request *r, uint32_t *seconds, uint32_t *max) {
    *seconds = *max = 0;
    if (r->argc == 2) {
        reply_error(c, "ERR At least one parameter (IDMP-DURATION or IDMP-MAXSIZE) is required");
        return false;
    }
    for (size_t at = 2; at < r->argc; at++) {
        bool more = at + 1 < r->argc, good;
        if (more && arg_is(r->argv[at], STR("IDMP-DURATION"))) {
            good = parse_number(c, r, &at, "IDMP-DURATION", IDMP_DURATION_MAX, "seconds", seconds);
        } else if (more && arg_is(r->argv[at], STR("IDMP-MAXSIZE"))) {
            good = parse_number(c, r, &at, "IDMP-MAXSIZE", IDMP_MAXSIZE_MAX, "entries", max);
        } else {
            reply_syntax_error(c);
            good = false;
        }
        if (!good) return false;
    }
    return true;
}

/* XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE n] */
enum outcome cmd_xcfgset(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    struct stream *s;
    enum outcome outcome = REPLIED;
    uint32_t seconds, max;
    if (!parse(c, r, &seconds, &max) || !xkey_or_reply(c, r->argv[1], &s, &outcome)) return outcome;
    if (s->state == STREAM_ABSENT) {
        reply_error(c, "ERR no such key");
        return REPLIED;
    }
    uint32_t seconds_now, max_now;
    idempotent_window(c, s, &seconds_now, &max_now);
    if (seconds == 0) seconds = s->extra != NULL ? s->extra->idempotent_seconds : 0;
    if (max == 0) max = s->extra != NULL ? s->extra->idempotent_max : 0;
    bool changes = (seconds != 0 && seconds != seconds_now) || (max != 0 && max != max_now);
    model_set_idempotent(m, s, seconds, max, changes);
    client_commit(c);
    reply_ok(c);
    return REPLIED;
}
