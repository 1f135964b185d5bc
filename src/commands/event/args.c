/* See args.h. */
#include "commands/event/args.h"

#define PATTERN_MAX (4 * STREAM_NAME_MAX) /* each byte of a name quoted, and some stars */
#define LIST_MAX    10000                 /* names that a page of LIST looks at */

bool arg_is(struct str arg, struct str keyword) {
    return arg.len == keyword.len && str_eq_nocase(arg, keyword);
}

bool arg_stream_or_reply(struct client *c, struct str arg) {
    if (LIKELY(stream_name_valid(arg))) return true;
    if (arg.len < 1 || arg.len > STREAM_NAME_MAX)
        reply_error(c, "INVALIDARG stream id must be between 1 and %d bytes in length, but got %zu",
                    STREAM_NAME_MAX, arg.len);
    else
        reply_error(c, "INVALIDARG stream id cannot contain NUL, CR or LF bytes");
    return false;
}

bool arg_pattern_or_reply(struct client *c, struct str arg) {
    if (arg.len <= PATTERN_MAX) return true;
    reply_error(c, "INVALIDARG a pattern has at most %d bytes, but got %zu", PATTERN_MAX, arg.len);
    return false;
}

bool arg_uuid_or_reply(struct client *c, struct str arg, const char *what, struct uuid *out) {
    if (uuid_from_text(arg, out)) return true;
    reply_error(c, "INVALIDARG invalid %s: '%.*s' is not a UUID", what,
                (int)MIN(arg.len, (size_t)64), arg.ptr);
    return false;
}

bool arg_u64_or_reply(struct client *c, struct str arg, const char *what, uint64_t *out) {
    if (str_to_u64(arg, out)) return true;
    reply_error(c, "INVALIDARG invalid %s: '%.*s' is not a number", what,
                (int)MIN(arg.len, (size_t)64), arg.ptr);
    return false;
}

bool arg_time_or_reply(struct client *c, struct str arg, const char *what, uint64_t *ms) {
    if (str_to_u64(arg, ms)) return true;
    reply_error(c, "INVALIDARG invalid %s: '%.*s' is not a time in ms since 1970", what,
                (int)MIN(arg.len, (size_t)64), arg.ptr);
    return false;
}

bool arg_count_or_reply(struct client *c, struct str arg, uint64_t *out) {
    const uint64_t most = UINT64_C(1) << 30;
    if (!arg_u64_or_reply(c, arg, "COUNT", out)) return false;
    *out = MIN(*out, most);
    if (*out > 0) return true;
    reply_error(c, "INVALIDARG COUNT must be at least 1");
    return false;
}

bool list_query_or_reply(struct client *c, const struct request *r, struct list_query *q) {
    *q = (struct list_query){.count = ARG_COUNT_DEFAULT};
    if (!str_to_u64(r->argv[2], &q->from)) {
        reply_error(c, "ERR invalid cursor");
        return false;
    }
    for (size_t at = 3; at < r->argc; at += 2) {
        bool match = arg_is(r->argv[at], STR("MATCH")), count = arg_is(r->argv[at], STR("COUNT"));
        if (at + 1 == r->argc || !(match || count)) {
            reply_syntax_error(c);
            return false;
        }
        if (match && !arg_pattern_or_reply(c, r->argv[at + 1])) return false;
        if (match) q->pattern = r->argv[at + 1];
        if (count && !arg_count_or_reply(c, r->argv[at + 1], &q->count)) return false;
    }
    q->count = MIN(q->count, (uint64_t)LIST_MAX);
    return true;
}

bool arg_bound_or_reply(struct client *c, struct str arg, uint64_t *out) {
    if (str_eq(arg, STR("-"))) {
        *out = 0;
        return true;
    }
    if (str_eq(arg, STR("+"))) {
        *out = UINT64_MAX;
        return true;
    }
    if (str_to_u64(arg, out)) return true;
    reply_error(c,
                "INVALIDARG unexpected string: expected range value (-, +, or number), got '%.*s'",
                (int)MIN(arg.len, (size_t)64), arg.ptr);
    return false;
}

bool arg_partition_or_reply(struct client *c, struct str arg) {
    uint64_t n;
    struct uuid ignored;
    if (uuid_from_text(arg, &ignored)) return true;
    if (!str_to_u64(arg, &n) || n > UINT16_MAX) {
        reply_error(c, "INVALIDARG unexpected string: expected partition id or key");
        return false;
    }
    if (n == 0) return true;
    reply_error(c, "CLUSTERDOWN partition unavailable: the store is one partition, 0");
    return false;
}

bool arg_is_any_of(struct str word, const char *const *names) {
    for (; *names != NULL; names++)
        if (arg_is(word, str_c(*names))) return true;
    return false;
}
