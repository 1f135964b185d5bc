/* Parsing and running what a connection has sent. Of a pipeline several requests are parsed ahead,
 * so that the cache lines of the streams that they name are on their way before each is run: with
 * many streams an append is mostly waiting for memory. */
#include "server/client/input.h"

#include "base/log.h"
#include "server/client/push.h"
#include "server/command/command.h"
#include "server/server.h"

#define COMMANDS_PER_TURN 2048 /* of one connection, before others get their turn */
#define REQUEST_MAX       (UINT64_C(1) << 30)
/* Before AUTH, as Redis has it: so many arguments, of so many bytes. */
#define UNKNOWN_ARGS_MAX 10
#define UNKNOWN_BULK_MAX 16384

static void protocol_error(struct client *c, const char *why) {
    c->srv->stats.protocol_errors++;
    log_verbose("client %llu %s: %s", (unsigned long long)c->id, c->addr, why);
    c->reply_start = client_out_offset(c);
    reply_error(c, "ERR %s", why);
    if (c->gate_count > 0)
        c->gates[(c->gate_head + c->gate_count - 1) & (c->gate_cap - 1)].replies++;
    c->close_after_reply = true;
}

static struct resp_limits limits_of(const struct client *c) {
    const struct config *config = &c->srv->config;
    return (struct resp_limits){
        .bulk_max = c->authenticated ? config->proto_max_bulk_len : UNKNOWN_BULK_MAX,
        .args_max = c->authenticated ? config->max_args : UNKNOWN_ARGS_MAX,
        .inline_max = 64 * 1024,
        .request_max = REQUEST_MAX,
        .unauthenticated = !c->authenticated,
    };
}

static bool may_run(const struct client *c) {
    return !c->closing && !c->close_after_reply && client_runs(c);
}

/* Parses whole requests into the server's readers. What is not whole, or wrong, is left to the
 * connection's own reader. */
static size_t look_ahead(struct client *c, const char *data, size_t len) {
    struct server *srv = c->srv;
    struct resp_limits limits = limits_of(c);
    uint64_t hashes[INPUT_AHEAD];
    size_t n = 0, at = 0, keys = 0;
    while (n < INPUT_AHEAD && at < len) {
        struct resp_reader *r = &srv->ahead[n];
        if (resp_read(r, data + at, len - at, &limits) != RESP_OK) {
            resp_reader_restart(r);
            break;
        }
        if (r->argc > 1) hashes[keys++] = model_prefetch_bucket(&srv->model, r->args[1]);
        at += r->consumed;
        n++;
    }
    for (size_t i = 0; i < keys; i++) model_prefetch_stream(&srv->model, hashes[i]);
    for (size_t i = 0; i < keys; i++) model_prefetch_tail(&srv->model, hashes[i]);
    return n;
}

size_t input_run(struct client *c, const char *data, size_t len, bool *more) {
    size_t at = 0;
    int budget = COMMANDS_PER_TURN;
    *more = false;
    if (UNLIKELY(c->push != NULL)) client_merge_pushes(c); /* it came before what is replied now */
    if (UNLIKELY(c->messages != NULL)) client_merge_messages(c);
    while (at < len && may_run(c)) {
        if (budget-- <= 0) {
            *more = true;
            return at;
        }
        struct resp_limits limits = limits_of(c);
        enum resp_status st = resp_read(&c->reader, data + at, len - at, &limits);
        if (st == RESP_UNFINISHED) return at;
        if (st == RESP_INVALID) {
            protocol_error(c, c->reader.error);
            return len;
        }
        struct request r = {c->reader.args, c->reader.argc};
        if (r.argc > 0 && command_run(c, &r) == PARKED) return at;
        at += c->reader.consumed;

        if (at == len || !c->authenticated || !may_run(c)) continue;
        size_t ahead = look_ahead(c, data + at, len - at);
        budget -= (int)ahead;
        for (size_t i = 0; i < ahead && may_run(c); i++) {
            const struct resp_reader *next = &c->srv->ahead[i];
            struct request request = {next->args, next->argc};
            if (request.argc > 0 && command_run(c, &request) == PARKED) return at;
            at += next->consumed;
        }
    }
    return at;
}
