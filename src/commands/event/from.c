/* See from.h. */
#include "commands/event/from.h"

#include "server/server.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/checkpoint.h"

/* START, NEW or a position. */
static bool place(struct str arg, struct from_arg *a) {
    a->is_new = arg_is(arg, STR("NEW"));
    return a->is_new || arg_is(arg, STR("START")) || position_parse(arg, &a->position);
}

/* What stands behind CHECKPOINT. */
static bool checkpoint_or_reply(struct client *c, const struct request *r, size_t *at,
                                struct from_arg *a) {
    if (*at >= r->argc) {
        reply_error(c, "INVALIDARG unexpected end of input: expected a name behind FROM "
                       "CHECKPOINT");
        return false;
    }
    a->checkpoint = r->argv[(*at)++];
    if (!checkpoint_name_or_reply(c, a->checkpoint)) return false;
    a->has_else = *at < r->argc && arg_is(r->argv[*at], STR("ELSE"));
    if (!a->has_else) return true;
    if (++*at < r->argc && place(r->argv[*at], a)) {
        ++*at;
        return true;
    }
    reply_error(c, "INVALIDARG expected START, NEW or a position behind ELSE");
    return false;
}

bool from_or_reply(struct client *c, const struct request *r, size_t *at, struct from_arg *a) {
    if (a->given) {
        reply_error(c, "INVALIDARG FROM already specified");
        return false;
    }
    if (*at >= r->argc) {
        reply_error(c, "INVALIDARG unexpected end of input: expected " FROM_PLACES " behind FROM");
        return false;
    }
    struct str arg = r->argv[(*at)++];
    a->given = true;
    if (place(arg, a)) return true;
    if (arg_is(arg, STR("CHECKPOINT"))) return checkpoint_or_reply(c, r, at, a);
    if (arg_is(arg, STR("TIME"))) {
        if (*at < r->argc) return arg_time_or_reply(c, r->argv[(*at)++], "FROM TIME", &a->since);
        reply_error(c, "INVALIDARG unexpected end of input: expected milliseconds behind FROM "
                       "TIME");
        return false;
    }
    if (a->position.has_timeline) {
        reply_error(c,
                    "INVALIDARG invalid FROM: expected a position, @ and the 8 hexadecimal digits "
                    "of its timeline, got '%.*s'",
                    (int)MIN(arg.len, (size_t)64), arg.ptr);
        return false;
    }
    reply_error(c,
                "INVALIDARG invalid FROM: expected START, NEW, TIME milliseconds, CHECKPOINT name "
                "or a position, got '%.*s'",
                (int)MIN(arg.len, (size_t)64), arg.ptr);
    return false;
}

void from_add_since(const struct from_arg *a, struct selector_draft *d) {
    if (a->since == 0) return;
    d->since = MAX(a->since, d->has_since ? d->since : 0);
    d->has_since = true;
}

bool from_known(struct client *c, struct from_arg *a) {
    struct checkpoint_value v;
    struct named *n;
    if (a->checkpoint.ptr == NULL) return true;
    if (!need_named(c, NAMED_CHECKPOINT, a->checkpoint, &n)) return false;
    if (!checkpoint_at(&c->srv->model, n, c->view, &v)) return true;
    a->has_else = true;
    a->is_new = false;
    a->position = checkpoint_position(&c->srv->model, &v);
    return true;
}

bool from_position_or_reply(struct client *c, const struct from_arg *a, uint64_t head,
                            uint64_t *position) {
    if (a->checkpoint.ptr != NULL && !a->has_else) {
        reply_error(c, "NOTFOUND checkpoint '%.*s' does not exist; ELSE says where to begin then",
                    (int)a->checkpoint.len, a->checkpoint.ptr);
        return false;
    }
    *position = a->is_new ? head : a->position.sequence;
    if (!position_or_reply(c, &a->position)) return false;
    if (*position <= head) return true;
    reply_error(c, "INVALIDARG position %llu is beyond the head, %llu",
                (unsigned long long)*position, (unsigned long long)head);
    return false;
}
