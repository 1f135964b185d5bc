/* MEMORY: what a stream takes; INFO has the figures of the server. */
#include "server/server.h"
#include "server/command/virtual.h"
#include "commands/admin/family.h"
#include "commands/stream/args.h"

/* MEMORY USAGE stream [SAMPLES count]: what the stream takes in memory now, its newest events
 * included; a stream that is on disk only takes nothing and is answered with null, as one that does
 * not exist. */
enum outcome cmd_memory_usage(struct client *c, const struct request *r) {
    int64_t samples = 0; /* checked, and not needed */
    if (r->argc == 5 && str_eq_nocase(r->argv[3], STR("SAMPLES")) &&
        !xarg_i64_or_reply(c, r->argv[4], &samples))
        return REPLIED;
    if (r->argc == 4 || samples < 0 ||
        (r->argc == 5 && !str_eq_nocase(r->argv[3], STR("SAMPLES")))) {
        reply_syntax_error(c);
        return REPLIED;
    }
    client_tells(c, c->srv->model.decided);
    struct stream *s = model_peek(&c->srv->model, r->argv[2]);
    if (virtual_exists(c, r->argv[2])) { /* its groups, if it has any */
        reply_int(c, s != NULL ? (int64_t)(sizeof *s + s->extra->bytes) : 0);
        return REPLIED;
    }
    if (s == NULL || stream_expired(&c->srv->model, s)) {
        reply_null(c);
        return REPLIED;
    }
    size_t bytes = sizeof *s + r->argv[2].len + s->tail_cap * sizeof *s->tail;
    for (uint32_t i = 0; i < s->tail_count; i++) bytes += s->tail[s->tail_head + i]->size;
    reply_int(c, (int64_t)bytes);
    return REPLIED;
}

/* MEMORY DOCTOR */
enum outcome cmd_memory_doctor(struct client *c, const struct request *r) {
    UNUSED(r);
    resp_put_verbatim(&c->out, c->resp, STR("INFO memory and INFO cache have the figures."));
    return REPLIED;
}

enum outcome cmd_memory_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "DOCTOR",
        "    Return memory problems reports.",
        "USAGE <stream> [SAMPLES <count>]",
        "    Return memory in bytes used by <stream> and its events that are in memory.",
        NULL,
    };
    reply_help(c, "MEMORY", lines);
    return REPLIED;
}
