/* SLOWLOG. */
#include "server/server.h"
#include "server/stats/slowlog.h"
#include "server/stats/stats.h"
#include "commands/admin/family.h"

/* SLOWLOG GET [count]: newest first; 10 unless told, -1 all. */
enum outcome cmd_slowlog_get(struct client *c, const struct request *r) {
    struct stats *s = &c->srv->stats;
    int64_t count = 10;
    if (r->argc == 3 && (!str_to_i64(r->argv[2], &count) || count < -1)) {
        reply_error(c, "ERR count should be greater than or equal to -1");
        return REPLIED;
    }
    slowlog_trim(s, c->srv->config.slowlog_max_len); /* it may have been lowered since */
    uint64_t left = count == -1 ? s->slowlog_len : MIN((uint64_t)count, s->slowlog_len);
    reply_array(c, (size_t)left);
    LIST_FOR_EACH (it, &s->slowlog) {
        if (left-- == 0) break;
        const struct slowlog_entry *e = LIST_ENTRY(it, struct slowlog_entry, node);
        reply_array(c, 6);
        reply_int(c, (int64_t)e->id);
        reply_int(c, (int64_t)e->time_s);
        reply_int(c, (int64_t)e->usec);
        reply_array(c, e->argc);
        for (size_t i = 0; i < e->argc; i++) reply_bulk(c, e->argv[i]);
        reply_bulk_c(c, e->addr);
        reply_bulk_c(c, e->name);
    }
    return REPLIED;
}

/* SLOWLOG LEN */
enum outcome cmd_slowlog_len(struct client *c, const struct request *r) {
    UNUSED(r);
    slowlog_trim(&c->srv->stats, c->srv->config.slowlog_max_len);
    reply_int(c, (int64_t)c->srv->stats.slowlog_len);
    return REPLIED;
}

/* SLOWLOG RESET */
enum outcome cmd_slowlog_reset(struct client *c, const struct request *r) {
    UNUSED(r);
    slowlog_reset(&c->srv->stats);
    reply_ok(c);
    return REPLIED;
}

enum outcome cmd_slowlog_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        NULL,
    };
    reply_help(c, "SLOWLOG", lines);
    return REPLIED;
}
