/* See from.h. */
#include "commands/event/from.h"

#include "commands/event/args.h"

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
    a->is_new = arg_is(arg, STR("NEW"));
    if (a->is_new || arg_is(arg, STR("START"))) return true;
    if (arg_is(arg, STR("TIME"))) {
        if (*at < r->argc) return arg_u64_or_reply(c, r->argv[(*at)++], "FROM TIME", &a->since);
        reply_error(c, "INVALIDARG unexpected end of input: expected milliseconds behind FROM "
                       "TIME");
        return false;
    }
    if (position_parse(arg, &a->position)) return true;
    if (a->position.has_timeline) {
        reply_error(c,
                    "INVALIDARG invalid FROM: expected a position, @ and the 8 hexadecimal digits "
                    "of its timeline, got '%.*s'",
                    (int)MIN(arg.len, (size_t)64), arg.ptr);
        return false;
    }
    reply_error(c,
                "INVALIDARG invalid FROM: expected START, NEW, TIME milliseconds or a position, "
                "got '%.*s'",
                (int)MIN(arg.len, (size_t)64), arg.ptr);
    return false;
}

void from_add_since(const struct from_arg *a, struct selector_draft *d) {
    if (a->since == 0) return;
    d->since = MAX(a->since, d->has_since ? d->since : 0);
    d->has_since = true;
}

bool from_position_or_reply(struct client *c, const struct from_arg *a, uint64_t head,
                            uint64_t *position) {
    *position = a->is_new ? head : a->position.sequence;
    if (!position_or_reply(c, &a->position)) return false;
    if (*position <= head) return true;
    reply_error(c, "INVALIDARG position %llu is beyond the head, %llu",
                (unsigned long long)*position, (unsigned long long)head);
    return false;
}
