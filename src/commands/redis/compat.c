/* Small commands of Redis that clients, tools and test suites send, each with the honest answer for
 * a store that has streams only, one node, one user, no scripts. */
#include "commands/commands.h"
#include "server/server.h"

#include "base/clock.h"
#include "server/wait/need.h"

/* TIME */
enum outcome cmd_time(struct client *c, const struct request *r) {
    UNUSED(r);
    uint64_t now = clock_wall_us();
    reply_array(c, 2);
    resp_put_bulk_u64(&c->out, now / 1000000);
    resp_put_bulk_u64(&c->out, now % 1000000);
    return REPLIED;
}

/* DBSIZE: streams that exist, in memory or not. */
enum outcome cmd_dbsize(struct client *c, const struct request *r) {
    UNUSED(r);
    client_gate(c, c->srv->model.decided);
    reply_int(c, (int64_t)c->srv->model.stream_count);
    return REPLIED;
}

/* LOLWUT [VERSION version] */
enum outcome cmd_lolwut(struct client *c, const struct request *r) {
    UNUSED(r);
    resp_put_verbatim(&c->out, c->resp,
                      STR("A cairn: stone upon stone, none taken away.\n\n"
                          "        _\n"
                          "       (_)\n"
                          "      (___)\n"
                          "     (_____)\n"
                          "   (_________)\n\n"
                          "Cairn " CAIRN_VERSION "\n"));
    return REPLIED;
}

/* CLUSTER subcommand ...: what a standalone Redis says; cluster clients decide by it. */
enum outcome cmd_cluster(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_error(c, "ERR This instance has cluster support disabled");
    return REPLIED;
}

/* FUNCTION FLUSH, SCRIPT FLUSH [ASYNC | SYNC]: there are no functions and no scripts, so none are
 * left. Redis' test harness calls both before each block and stops at an error. */
enum outcome cmd_function_flush(struct client *c, const struct request *r) {
    if (r->argc == 3 && !str_eq_nocase(r->argv[2], STR("ASYNC")) &&
        !str_eq_nocase(r->argv[2], STR("SYNC"))) {
        reply_error(c, "ERR %s FLUSH only supports SYNC|ASYNC option",
                    str_eq_nocase(r->argv[0], STR("SCRIPT")) ? "SCRIPT" : "FUNCTION");
        return REPLIED;
    }
    reply_ok(c);
    return REPLIED;
}
enum outcome cmd_script_flush(struct client *c, const struct request *r) {
    return cmd_function_flush(c, r);
}

/* FUNCTION HELP, SCRIPT HELP */
enum outcome cmd_flush_help(struct client *c, const struct request *r) {
    static const char *const lines[] = {
        "FLUSH [ASYNC|SYNC]",
        "    Does nothing: there are none.",
        NULL,
    };
    reply_help(c, str_eq_nocase(r->argv[0], STR("SCRIPT")) ? "SCRIPT" : "FUNCTION", lines);
    return REPLIED;
}

/* MEMORY USAGE stream [SAMPLES count]: what the stream takes in memory now, its newest events
 * included; a stream that is on disk only takes nothing and is answered with null, as one that does
 * not exist. */
enum outcome cmd_memory_usage(struct client *c, const struct request *r) {
    if (r->argc == 4 || (r->argc == 5 && !str_eq_nocase(r->argv[3], STR("SAMPLES")))) {
        reply_syntax_error(c);
        return REPLIED;
    }
    struct stream *s = model_peek(&c->srv->model, r->argv[2]);
    if (s == NULL) {
        reply_null(c);
        return REPLIED;
    }
    size_t bytes = sizeof *s + r->argv[2].len + s->tail_cap * sizeof *s->tail;
    for (uint32_t i = 0; i < s->tail_count; i++) bytes += s->tail[s->tail_head + i]->size;
    client_gate(c, c->srv->model.decided);
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

/* WAIT numreplicas timeout: there are no replicas to wait for, so the answer is there at once. */
enum outcome cmd_wait(struct client *c, const struct request *r) {
    int64_t replicas, timeout;
    if (!str_to_i64(r->argv[1], &replicas))
        reply_error(c, "ERR value is not an integer or out of range");
    else if (!str_to_i64(r->argv[2], &timeout))
        reply_error(c, "ERR timeout is not an integer or out of range");
    else if (timeout < 0)
        reply_error(c, "ERR timeout is negative");
    else
        reply_int(c, 0);
    return REPLIED;
}

/* ACL WHOAMI: there is one user. */
enum outcome cmd_acl_whoami(struct client *c, const struct request *r) {
    UNUSED(r);
    reply_bulk_c(c, "default");
    return REPLIED;
}

enum outcome cmd_acl_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {"WHOAMI", "    Return the current connection username.",
                                        NULL};
    reply_help(c, "ACL", lines);
    return REPLIED;
}
