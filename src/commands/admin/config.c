/* CONFIG: GET SET REWRITE RESETSTAT over config.h. */
#include "server/server.h"
#include "commands/admin/family.h"

struct collect {
    const struct request *r;
    struct buf *out; /* name\0value\0 ... of what matches */
    size_t count;
};

static void collect_one(const char *name, const char *value, void *arg) {
    struct collect *all = arg;
    /* Once each, however many of the patterns match. */
    for (size_t i = 2; i < all->r->argc; i++) {
        if (!str_match_glob(all->r->argv[i], str_c(name), true)) continue;
        buf_put(all->out, name, strlen(name) + 1);
        buf_put(all->out, value, strlen(value) + 1);
        all->count++;
        return;
    }
}

/* CONFIG GET pattern [pattern ...] */
enum outcome cmd_config_get(struct client *c, const struct request *r) {
    struct buf text;
    buf_init(&text, 0);
    struct collect all = {r, &text, 0};
    config_get(&c->srv->config, STR("*"), collect_one, &all);
    reply_map(c, all.count);
    const char *at = text.data;
    for (size_t i = 0; i < 2 * all.count; i++) {
        reply_bulk_c(c, at);
        at += strlen(at) + 1;
    }
    buf_clear(&text);
    return REPLIED;
}

enum { PAIRS_MAX = 128 }; /* more than there are options */

struct pairs {
    struct str names[PAIRS_MAX], values[PAIRS_MAX];
    size_t n;
};

static void pairs_of(struct pairs *p, const struct request *r) {
    p->n = 0;
    for (size_t i = 2; i + 1 < r->argc && p->n < PAIRS_MAX; i += 2) {
        p->names[p->n] = r->argv[i];
        p->values[p->n++] = r->argv[i + 1];
    }
}

/* The options decide what becomes of later commands: they are set, and nobody is told. */
void config_set_rehearse(struct client *c, const struct request *r) {
    struct config *config = &c->srv->config;
    if (c->srv->exec.config == NULL) c->srv->exec.config = config_save(config);
    struct pairs p;
    struct err err;
    pairs_of(&p, r);
    config->changed = NULL;
    bool set = r->argc % 2 == 0 && r->argc <= 2 + 2 * PAIRS_MAX &&
               config_set(config, p.names, p.values, p.n, &err) == OK;
    UNUSED(set); /* the error is the real run's to tell */
}

/* CONFIG SET name value [name value ...]: all or none. */
enum outcome cmd_config_set(struct client *c, const struct request *r) {
    if (r->argc % 2 != 0) {
        reply_syntax_error(c);
        return REPLIED;
    }
    if (r->argc > 2 + 2 * PAIRS_MAX) {
        reply_error(c, "ERR CONFIG SET takes at most %d options", PAIRS_MAX);
        return REPLIED;
    }
    struct pairs p;
    struct err err;
    pairs_of(&p, r);
    if (config_set(&c->srv->config, p.names, p.values, p.n, &err) < 0) {
        reply_error(c, "ERR %s", err.text);
        return REPLIED;
    }
    /* A password that is taken away opens the connections that have not given it. A new one does
     * not close those that are open, as with Redis. */
    if (c->srv->config.requirepass[0] == '\0')
        LIST_FOR_EACH (it, &c->srv->clients)
            LIST_ENTRY(it, struct client, all)->authenticated = true;
    reply_ok(c);
    return REPLIED;
}

/* CONFIG REWRITE */
enum outcome cmd_config_rewrite(struct client *c, const struct request *r) {
    UNUSED(r);
    struct err err;
    if (config_rewrite(&c->srv->config, &err) < 0)
        reply_error(c, "ERR %s", err.text);
    else
        reply_ok(c);
    return REPLIED;
}

/* CONFIG RESETSTAT */
enum outcome cmd_config_resetstat(struct client *c, const struct request *r) {
    UNUSED(r);
    stats_reset(&c->srv->stats);
    reply_ok(c);
    return REPLIED;
}

enum outcome cmd_config_help(struct client *c, const struct request *r) {
    UNUSED(r);
    static const char *const lines[] = {
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        NULL,
    };
    reply_help(c, "CONFIG", lines);
    return REPLIED;
}
