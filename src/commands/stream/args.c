/* See args.h. */
#include "commands/stream/args.h"

#include "base/alloc.h"
#include "server/server.h"

/* ---- numbers ---- */

bool xarg_i64(struct str arg, int64_t *out) {
    size_t sign = arg.len > 0 && arg.ptr[0] == '-';
    if (arg.len == sign) return false;
    char first = arg.ptr[sign];
    if (first < '0' || first > '9' || (first == '0' && arg.len > 1)) return false;
    return str_to_i64(arg, out);
}

bool xarg_i64_or_reply(struct client *c, struct str arg, int64_t *out) {
    if (xarg_i64(arg, out)) return true;
    reply_error(c, "ERR value is not an integer or out of range");
    return false;
}

bool xarg_timeout_or_reply(struct client *c, struct str arg, uint64_t *ms) {
    int64_t v;
    if (!xarg_i64(arg, &v))
        reply_error(c, "ERR timeout is not an integer or out of range");
    else if (v < 0)
        reply_error(c, "ERR timeout is negative");
    else if (v > INT64_MAX - (int64_t)c->srv->clock.wall_ms)
        reply_error(c, "ERR timeout is out of range");
    else {
        *ms = (uint64_t)v;
        return true;
    }
    return false;
}

/* ---- ids ---- */

static bool id_or_reply(struct client *c, bool valid) {
    if (!valid) reply_error(c, "ERR Invalid stream ID specified as stream command argument");
    return valid;
}

bool xarg_id(struct str arg, uint64_t missing_seq, struct entry_id *out) {
    return entry_id_parse(arg, missing_seq, out, NULL);
}

bool xarg_id_or_reply(struct client *c, struct str arg, uint64_t missing_seq,
                      struct entry_id *out) {
    return id_or_reply(c, entry_id_parse(arg, missing_seq, out, NULL));
}

bool xarg_new_id_or_reply(struct client *c, struct str arg, struct entry_id *out, bool *auto_seq) {
    return id_or_reply(c, entry_id_parse(arg, 0, out, auto_seq));
}

/* One end of a range; *exclusive: a '(' stood in front. */
static bool range_end(struct client *c, struct str arg, uint64_t missing_seq, struct entry_id *out,
                      bool *exclusive) {
    *exclusive = arg.len > 1 && arg.ptr[0] == '(';
    if (*exclusive) {
        arg = str_of(arg.ptr + 1, arg.len - 1);
    } else if (str_eq(arg, STR("-"))) {
        *out = ENTRY_ID_MIN;
        return true;
    } else if (str_eq(arg, STR("+"))) {
        *out = ENTRY_ID_MAX;
        return true;
    }
    return xarg_id_or_reply(c, arg, missing_seq, out);
}

bool xarg_start_or_reply(struct client *c, struct str arg, struct entry_id *out) {
    bool exclusive;
    if (!range_end(c, arg, 0, out, &exclusive)) return false;
    if (!exclusive || entry_id_next(out)) return true;
    reply_error(c, "ERR invalid start ID for the interval");
    return false;
}

bool xarg_end_or_reply(struct client *c, struct str arg, struct entry_id *out) {
    bool exclusive;
    if (!range_end(c, arg, UINT64_MAX, out, &exclusive)) return false;
    if (!exclusive || entry_id_previous(out)) return true;
    reply_error(c, "ERR invalid end ID for the interval");
    return false;
}

/* ---- blocks of ids ---- */

bool xarg_refs(struct str arg, enum refs *out) {
    if (arg_is(arg, STR("KEEPREF")))
        *out = REFS_KEEP;
    else if (arg_is(arg, STR("DELREF")))
        *out = REFS_DELETE;
    else if (arg_is(arg, STR("ACKED")))
        *out = REFS_ACKED;
    else
        return false;
    return true;
}

struct entry_id *xarg_ids_or_reply(struct client *c, const struct request *r, size_t at,
                                   size_t *count, size_t *end) {
    int64_t n;
    if (at + 1 >= r->argc) {
        reply_syntax_error(c);
        return NULL;
    }
    if (!xarg_i64(r->argv[at + 1], &n) || n <= 0) {
        reply_error(c, "ERR Number of IDs must be a positive integer");
        return NULL;
    }
    if ((uint64_t)n > r->argc - at - 2) {
        reply_error(c, "ERR The `numids` parameter must match the number of arguments");
        return NULL;
    }
    struct entry_id *ids = xmalloc((size_t)n * sizeof *ids);
    for (size_t i = 0; i < (size_t)n; i++) {
        if (xarg_id_or_reply(c, r->argv[at + 2 + i], 0, &ids[i])) continue;
        free(ids);
        return NULL;
    }
    *count = (size_t)n;
    *end = at + 2 + (size_t)n;
    return ids;
}

struct entry_id *xargs_refs_or_reply(struct client *c, const struct request *r, size_t at,
                                     enum refs *refs, size_t *count) {
    struct entry_id *ids = NULL;
    bool refs_given = false;
    *refs = REFS_KEEP;
    while (at < r->argc) {
        if (!refs_given && xarg_refs(r->argv[at], refs)) {
            refs_given = true;
            at++;
        } else if (ids == NULL && arg_is(r->argv[at], STR("IDS"))) {
            ids = xarg_ids_or_reply(c, r, at, count, &at);
            if (ids == NULL) return NULL;
        } else {
            free(ids);
            reply_syntax_error(c);
            return NULL;
        }
    }
    if (ids == NULL) reply_syntax_error(c);
    return ids;
}
