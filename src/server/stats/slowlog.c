/* The slow log. Entries copy at most 32 arguments of at most 128 bytes each, as Redis' do, so that
 * the log stays small whatever the commands were; passwords are never copied. */
#include "server/stats/slowlog.h"

#include "base/alloc.h"
#include "server/server.h"

enum { ARGS_MAX = 32, ARG_BYTES_MAX = 128 };

bool request_secret(const struct request *r, size_t i) {
    struct str name = r->argv[0];
    if (i == 0) return false;
    if (str_eq_nocase(name, STR("AUTH"))) return true;
    if (str_eq_nocase(name, STR("HELLO")))
        return (i >= 2 && str_eq_nocase(r->argv[i - 2], STR("AUTH"))) ||
               (i >= 1 && str_eq_nocase(r->argv[i - 1], STR("AUTH")));
    if (str_eq_nocase(name, STR("CONFIG")) && i >= 3)
        return str_eq_nocase(r->argv[i - 1], STR("requirepass")) &&
               str_eq_nocase(r->argv[1], STR("SET"));
    return false;
}

static char *copy_arg(const struct request *r, size_t i) {
    struct str s = r->argv[i];
    if (request_secret(r, i)) return xstrdup("(redacted)");
    if (s.len <= ARG_BYTES_MAX) return xmemdup(s.ptr, s.len);
    char *copy = xmalloc(ARG_BYTES_MAX + 40);
    memcpy(copy, s.ptr, ARG_BYTES_MAX);
    snprintf(copy + ARG_BYTES_MAX, 40, "... (%zu more bytes)", s.len - ARG_BYTES_MAX);
    return copy;
}

static size_t copy_len(const struct request *r, size_t i, const char *copy) {
    size_t len = r->argv[i].len;
    if (request_secret(r, i)) return strlen("(redacted)");
    return len <= ARG_BYTES_MAX ? len : ARG_BYTES_MAX + strlen(copy + ARG_BYTES_MAX);
}

static void entry_free(struct slowlog_entry *e) {
    list_remove(&e->node);
    for (size_t i = 0; i < e->argc; i++) free((char *)(uintptr_t)e->argv[i].ptr);
    free(e->name);
    free(e);
}

void slowlog_trim(struct stats *s, uint64_t len_max) {
    while (s->slowlog_len > len_max) {
        entry_free(LIST_ENTRY(s->slowlog.prev, struct slowlog_entry, node));
        s->slowlog_len--;
    }
}

void slowlog_reset(struct stats *s) {
    slowlog_trim(s, 0);
}

void slowlog_add(struct client *c, const struct command *cmd, const struct request *r,
                 uint64_t usec) {
    UNUSED(cmd);
    struct stats *s = &c->srv->stats;
    size_t argc = MIN(r->argc, (size_t)ARGS_MAX);
    struct slowlog_entry *e = xcalloc(1, sizeof *e + argc * sizeof e->argv[0]);
    e->id = s->slowlog_next_id++;
    e->time_s = c->srv->clock.wall_ms / 1000;
    e->usec = usec;
    snprintf(e->addr, sizeof e->addr, "%s", c->addr);
    e->name = xstrdup(c->name != NULL ? c->name : "");
    e->argc = argc;
    for (size_t i = 0; i < argc; i++) {
        if (i == ARGS_MAX - 1 && r->argc > ARGS_MAX) {
            char *more = xmalloc(64);
            snprintf(more, 64, "... (%zu more arguments)", r->argc - ARGS_MAX + 1);
            e->argv[i] = str_c(more);
            break;
        }
        char *copy = copy_arg(r, i);
        e->argv[i] = str_of(copy, copy_len(r, i, copy));
    }
    list_prepend(&s->slowlog, &e->node);
    s->slowlog_len++;
    slowlog_trim(s, c->srv->config.slowlog_max_len);
}
