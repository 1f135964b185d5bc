/* What a connection calls itself, and what it looks like in CLIENT LIST (Valkey 8.1's fields, in
 * its order; those that have no meaning here carry the value of a connection that does not use the
 * feature). */
#include "commands/connection/client_name.h"

#include "base/alloc.h"
#include "server/client/transaction.h"
#include "server/command/command.h"
#include "server/server.h"

enum { NAME_BYTES_MAX = 4096 };

bool client_name_valid_or_reply(struct client *c, struct str name, const char *what) {
    bool valid = name.len <= NAME_BYTES_MAX;
    for (size_t i = 0; valid && i < name.len; i++) valid = name.ptr[i] >= '!' && name.ptr[i] <= '~';
    if (!valid)
        reply_error(c, "ERR %s cannot contain spaces, newlines or special characters.", what);
    return valid;
}

void client_set_text(char **field, struct str text) {
    free(*field);
    *field = text.len > 0 ? str_dup(text) : NULL;
}

static const char *client_flags(const struct client *c, char out[16]) {
    size_t n = 0;
    if (c->is_monitor) out[n++] = 'O';
    if (c->listening != NULL) out[n++] = 'P';
    if (transaction_open(c)) out[n++] = 'x';
    if (c->park == PARK_WAIT) out[n++] = 'b';
    if (transaction_is_touched(c)) out[n++] = 'd';
    if (c->close_after_reply) out[n++] = 'c';
    if (c->no_evict) out[n++] = 'e';
    if (c->no_touch) out[n++] = 'T';
    if (c->tracker != NULL) out[n++] = 't';
    if (c->tracker != NULL && c->tracker->redirect_broken) out[n++] = 'R';
    if (c->tracker != NULL && c->tracker->mode & TRACKING_BCAST) out[n++] = 'B';
    if (c->is_unix) out[n++] = 'U';
    if (n == 0) out[n++] = 'N';
    out[n] = '\0';
    return out;
}

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

void client_describe(const struct client *c, struct buf *out) {
    typedef unsigned long long ull;
    char flags[16];
    const struct server *srv = c->srv;
    buf_printf(
        out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s capa= db=%llu",
        (ull)c->id, c->addr, c->laddr, c->fd, or_empty(c->name),
        (ull)(srv->clock.now_ms - c->created_ms) / 1000,
        (ull)(srv->clock.now_ms - c->last_active_ms) / 1000, client_flags(c, flags), (ull)c->db);
    const struct transaction *t = c->transaction;
    size_t subscriptions = subscriptions_of(c);
    buf_printf(out, " sub=%zu psub=%zu ssub=%zu", pubsub_count(c, CHANNEL_PLAIN),
               pubsub_count(c, CHANNEL_PATTERN), pubsub_count(c, CHANNEL_SHARD));
    if (subscriptions > 0)
        buf_printf(out, " esub=%zu", subscriptions); /* Redis has no such field */
    buf_printf(out, " multi=%d watch=%zu qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu",
               transaction_open(c) ? (int)t->count : -1, transaction_watch_count(c),
               c->in.len - c->in_at, c->in.cap - c->in.len, t != NULL ? t->bytes : 0);
    buf_printf(out, " rbs=%zu rbp=%zu obl=%zu oll=0 omem=%zu tot-mem=%llu events=%s%s cmd=%s",
               c->out.cap, c->out.cap, client_out_pending(c), c->out.cap > 16384 ? c->out.cap : 0,
               (ull)client_total_memory(c), c->reading ? "r" : "", c->want_write ? "w" : "",
               c->last_command != NULL ? command_full_name(c->last_command) : "NULL");
    buf_printf(
        out,
        " user=default redir=%lld resp=%d lib-name=%s lib-ver=%s tot-net-in=%llu tot-net-out=%llu"
        " tot-cmds=%llu",
        c->tracker != NULL ? (long long)c->tracker->redirect : -1, c->resp, or_empty(c->lib_name),
        or_empty(c->lib_ver), (ull)c->bytes_in, (ull)c->bytes_out, (ull)c->commands);
}
