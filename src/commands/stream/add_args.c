/* See add_args.h. */
#include "commands/stream/add_args.h"

#include "server/server.h"

struct options {
    struct trim_args trim;
    bool limit_given, refs_given;
};

/* The threshold behind MAXLEN or MINID at argv[*at], which moves to its last argument. */
static bool parse_threshold(struct client *c, const struct request *r, size_t *at,
                            enum trim_kind kind, struct trim_args *t) {
    if (t->kind != TRIM_NONE) {
        reply_error(c, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                       "compatible");
        return false;
    }
    struct str next = r->argv[*at + 1];
    if (*at + 2 < r->argc && (str_eq(next, STR("~")) || str_eq(next, STR("=")))) {
        t->approximate = next.ptr[0] == '~';
        ++*at;
    }
    t->kind = kind;
    struct str value = r->argv[++*at];
    if (kind == TRIM_MINID) return xarg_id_or_reply(c, value, 0, &t->min_id);
    int64_t max_len;
    if (!xarg_i64_or_reply(c, value, &max_len)) return false;
    if (max_len < 0) {
        reply_error(c, "ERR The MAXLEN argument must be >= 0.");
        return false;
    }
    t->max_len = (uint64_t)max_len;
    return true;
}

static bool parse_limit(struct client *c, struct str value, struct options *o) {
    int64_t limit;
    if (!xarg_i64_or_reply(c, value, &limit)) return false;
    if (limit < 0) {
        reply_error(c, "ERR The LIMIT argument must be >= 0.");
        return false;
    }
    o->trim.limit = (uint64_t)limit;
    o->limit_given = true;
    return true;
}

enum parsed { PARSED, NOT_MINE, FAILED };

/* An option that XADD and XTRIM share at argv[*at], which moves to its last argument. */
static enum parsed parse_trim_option(struct client *c, const struct request *r, size_t *at,
                                     struct options *o) {
    struct str arg = r->argv[*at];
    bool more = *at + 1 < r->argc;
    if (more && arg_is(arg, STR("MAXLEN")))
        return parse_threshold(c, r, at, TRIM_MAXLEN, &o->trim) ? PARSED : FAILED;
    if (more && arg_is(arg, STR("MINID")))
        return parse_threshold(c, r, at, TRIM_MINID, &o->trim) ? PARSED : FAILED;
    if (more && arg_is(arg, STR("LIMIT")))
        return parse_limit(c, r->argv[++*at], o) ? PARSED : FAILED;
    enum refs refs;
    if (!xarg_refs(arg, &refs)) return NOT_MINE;
    if (o->refs_given) {
        reply_syntax_error(c);
        return FAILED;
    }
    o->refs_given = true;
    o->trim.refs = refs;
    return PARSED;
}

/* What the options are together; fills in the limit that holds for '~' unless one is given. */
static bool finish_trim(struct client *c, struct options *o) {
    if (o->trim.limit > 0 && o->trim.kind == TRIM_NONE) {
        reply_error(c, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                       "strategy");
        return false;
    }
    if (o->limit_given && !o->trim.approximate) {
        reply_error(c, "ERR syntax error, LIMIT cannot be used without the special ~ option");
        return false;
    }
    if (o->trim.approximate && !o->limit_given) {
        uint64_t node = c->srv->config.stream_node_max_entries;
        o->trim.limit = node == 0 ? 10000 : MIN(node, (uint64_t)10000) * 100;
    }
    return true;
}

bool xargs_xtrim_or_reply(struct client *c, const struct request *r, struct trim_args *t) {
    struct options o = {0};
    for (size_t at = 2; at < r->argc; at++) {
        switch (parse_trim_option(c, r, &at, &o)) {
        case PARSED:
            continue;
        case NOT_MINE:
            reply_syntax_error(c);
            return false;
        case FAILED:
            return false;
        }
    }
    if (o.trim.limit > 0 && o.trim.kind == TRIM_NONE) return finish_trim(c, &o);
    if (o.trim.kind == TRIM_NONE) {
        reply_error(c, "ERR syntax error, XTRIM must be called with a trimming strategy");
        return false;
    }
    if (!finish_trim(c, &o)) return false;
    *t = o.trim;
    return true;
}

/* IDMPAUTO producer, IDMP producer id. */
static bool parse_idempotent(struct client *c, const struct request *r, size_t *at, bool automatic,
                             struct xadd_args *a) {
    const char *name = automatic ? "IDMPAUTO" : "IDMP";
    if (a->producer.ptr != NULL) {
        reply_error(c, "ERR IDMP/IDMPAUTO specified multiple times");
        return false;
    }
    a->producer = r->argv[++*at];
    if (a->producer.len == 0) {
        reply_error(c, "ERR %s requires a non-empty producer ID", name);
        return false;
    }
    if (automatic) return true;
    a->idempotent = r->argv[++*at];
    if (a->idempotent.len > 0) return true;
    reply_error(c, "ERR %s requires a non-empty idempotent ID", name);
    return false;
}

/* Everything in front of the id; *at: the id's place. */
static bool parse_xadd_options(struct client *c, const struct request *r, size_t *at,
                               struct options *o, struct xadd_args *a) {
    for (; *at < r->argc && !str_eq(r->argv[*at], STR("*")); ++*at) {
        enum parsed parsed = parse_trim_option(c, r, at, o);
        if (parsed == FAILED) return false;
        if (parsed == PARSED) continue;
        struct str arg = r->argv[*at];
        size_t more = r->argc - *at - 1;
        if (arg_is(arg, STR("NOMKSTREAM"))) {
            a->no_create = true;
        } else if ((more >= 1 && arg_is(arg, STR("IDMPAUTO"))) ||
                   (more >= 2 && arg_is(arg, STR("IDMP")))) {
            if (!parse_idempotent(c, r, at, arg.len > 4, a)) return false;
        } else {
            a->id_given = true;
            return xarg_new_id_or_reply(c, arg, &a->id, &a->auto_seq);
        }
    }
    return true;
}

bool xargs_xadd_or_reply(struct client *c, const struct request *r, struct xadd_args *a) {
    struct options o = {0};
    *a = (struct xadd_args){0};
    size_t at = 2;
    if (!parse_xadd_options(c, r, &at, &o, a) || !finish_trim(c, &o)) return false;
    a->trim = o.trim;
    if (a->producer.ptr != NULL && a->id_given) {
        reply_error(c, "ERR IDMP/IDMPAUTO can be used only with auto-generated IDs");
        return false;
    }
    if (at + 3 > r->argc || (r->argc - at - 1) % 2 != 0) {
        reply_wrong_args(c, "xadd");
        return false;
    }
    a->fields = r->argv + at + 1;
    a->count = r->argc - at - 1;
    if (!a->id_given || a->auto_seq || a->id.ms != 0 || a->id.seq != 0) return true;
    reply_error(c, "ERR The ID specified in XADD must be greater than 0-0");
    return false;
}
