/* See read_args.h. */
#include "commands/stream/read_args.h"

#include "server/client/share.h"
#include "commands/stream/entry_reply.h"

static bool group_option_or_reply(struct client *c, const struct xread_args *a, const char *name) {
    if (a->is_group) return true;
    reply_error(c, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                name);
    return false;
}

static bool parse_min_idle(struct client *c, struct str value, struct xread_args *a) {
    int64_t ms;
    if (!xarg_i64(value, &ms)) {
        reply_error(c, "ERR min-idle-time is not an integer");
        return false;
    }
    if (ms < 0) {
        reply_error(c, "ERR min-idle-time must be a positive integer");
        return false;
    }
    a->claim = true;
    a->min_idle = (uint64_t)ms;
    return true;
}

static bool parse_count(struct client *c, struct str value, struct xread_args *a) {
    int64_t count;
    if (!xarg_i64_or_reply(c, value, &count)) return false;
    a->count = count <= 0 ? UINT64_MAX : (uint64_t)count;
    return true;
}

static bool parse_limit(struct client *c, struct str value, const char *name, uint64_t *out) {
    int64_t limit;
    if (!xarg_i64_or_reply(c, value, &limit)) return false;
    if (limit <= 0) {
        reply_error(c, "ERR %s must be a positive integer", name);
        return false;
    }
    *out = (uint64_t)limit;
    return true;
}

static bool parse_streams(struct client *c, const struct request *r, size_t at,
                          struct xread_args *a) {
    a->n = (r->argc - at) / 2;
    a->keys = r->argv + at;
    a->ids = r->argv + at + a->n;
    if ((r->argc - at) % 2 == 0) return true;
    reply_error(c,
                "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' must be "
                "specified.",
                a->is_group ? "xreadgroup" : "xread", a->is_group ? '>' : '$');
    return false;
}

/* One option at argv[*at], which moves to its last argument. */
static bool parse_option(struct client *c, const struct request *r, size_t *at,
                         struct xread_args *a) {
    struct str arg = r->argv[*at];
    size_t more = r->argc - *at - 1;
    struct str value = more > 0 ? r->argv[*at + 1] : STR("");
    if (more > 0 && arg_is(arg, STR("BLOCK"))) {
        ++*at;
        a->block = true;
        return xarg_timeout_or_reply(c, value, &a->timeout_ms);
    }
    if (more > 0 && arg_is(arg, STR("COUNT"))) {
        ++*at;
        return parse_count(c, value, a);
    }
    if (more > 0 && arg_is(arg, STR("MAXCOUNT"))) {
        ++*at;
        return parse_limit(c, value, "MAXCOUNT", &a->max_count);
    }
    if (more > 0 && arg_is(arg, STR("MAXSIZE"))) {
        ++*at;
        return parse_limit(c, value, "MAXSIZE", &a->max_size);
    }
    if (more > 0 && arg_is(arg, STR("CLAIM"))) {
        ++*at;
        return group_option_or_reply(c, a, "CLAIM") && parse_min_idle(c, value, a);
    }
    if (more > 1 && arg_is(arg, STR("GROUP"))) {
        if (!group_option_or_reply(c, a, "GROUP")) return false;
        a->group = value;
        a->consumer = r->argv[*at + 2];
        *at += 2;
        return true;
    }
    if (arg_is(arg, STR("NOACK"))) {
        a->noack = true;
        return group_option_or_reply(c, a, "NOACK");
    }
    reply_syntax_error(c);
    return false;
}

bool xargs_xread_or_reply(struct client *c, const struct request *r, bool is_group,
                          struct xread_args *a) {
    *a = (struct xread_args){
        .is_group = is_group, .count = UINT64_MAX, .max_count = UINT64_MAX, .max_size = UINT64_MAX};
    size_t at = 1;
    for (; at < r->argc; at++) {
        if (at + 1 < r->argc && arg_is(r->argv[at], STR("STREAMS"))) {
            if (!parse_streams(c, r, at + 1, a)) return false;
            break;
        }
        if (!parse_option(c, r, &at, a)) return false;
    }
    if (a->n == 0) {
        reply_syntax_error(c);
        return false;
    }
    if (is_group && a->group.ptr == NULL) {
        reply_error(c, "ERR Missing GROUP option for XREADGROUP");
        return false;
    }
    if (a->count != UINT64_MAX && a->max_count < a->count) {
        reply_error(c, "ERR MAXCOUNT must be greater than or equal to COUNT");
        return false;
    }
    for (size_t i = 0; i < a->n; i++)
        if (!arg_stream_or_reply(c, a->keys[i])) return false;
    return true;
}

struct budget budget_of(const struct client *c, const struct xread_args *a) {
    bool counted = a->count != UINT64_MAX || a->max_count != UINT64_MAX;
    return (struct budget){.entries = counted ? a->max_count : PORTION_ENTRIES,
                           .bytes = share_portion(c),
                           .size = a->max_size};
}

bool budget_take(struct budget *b, const struct event *e) {
    if (b->entries == 0) return false;
    uint64_t bytes = e == NULL ? 0 : e->size;
    uint64_t size = e == NULL || b->size == UINT64_MAX ? 0 : entry_size(e);
    if (b->any && (bytes > b->bytes || size > b->size)) {
        b->entries = 0;
        return false;
    }
    b->bytes -= MIN(bytes, b->bytes);
    if (b->size != UINT64_MAX) b->size -= MIN(size, b->size);
    b->entries--;
    b->any = true;
    return true;
}

bool budget_read(struct client *c, struct budget *b, struct entry_list *l, struct stream *s,
                 struct entry_range range) {
    uint64_t left = MIN(range.most, b->entries);
    range.end = UINT64_MAX;
    l->reached = range.start;
    while (left > 0 && !(b->any && b->bytes == 0)) {
        size_t had = l->count, kept = had;
        uint64_t portion = b->size != UINT64_MAX ? MIN(left, (uint64_t)LOOK_UP) : left;
        range.most = portion;
        range.bytes_max = l->bytes + b->bytes;
        if (!entry_list_read(c, l, s, range)) return false;
        while (kept < l->count && budget_take(b, l->events[kept])) kept++;
        bool over = kept < l->count || l->count - had < portion;
        if (kept < l->count) l->reached = entry_place(s, l->events[kept]);
        l->count = kept;
        if (over) break;
        left -= portion;
        range.start = entry_place(s, l->events[kept - 1]) + 1;
    }
    return true;
}

/* XREAD, XREADGROUP: the first half of what stands behind STREAMS. */
size_t keys_of_xread(const struct str *argv, size_t argc, struct str *keys) {
    static const char *const valued[] = {"COUNT", "MAXCOUNT", "MAXSIZE", "BLOCK", "CLAIM", NULL};
    for (size_t i = 1; i < argc; i++) {
        if (arg_is_any_of(argv[i], valued)) {
            i++;
        } else if (arg_is(argv[i], STR("GROUP"))) {
            i += 2;
        } else if (arg_is(argv[i], STR("STREAMS"))) {
            size_t rest = argc - i - 1;
            if (rest % 2 != 0) return 0;
            for (size_t k = 0; keys != NULL && k < rest / 2; k++) keys[k] = argv[i + 1 + k];
            return rest / 2;
        } else if (!arg_is(argv[i], STR("NOACK"))) {
            return 0;
        }
    }
    return 0;
}
