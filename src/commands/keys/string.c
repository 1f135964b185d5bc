/* Strings: what their commands share, and those that only read: GET MGET STRLEN GETRANGE SUBSTR.
 * string_set.c sets them, string_change.c changes them, lcs.c compares two. */
#include "commands/keys/string.h"

#include "stream/gone/remove.h"
#include "server/command/protect.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/stream/args.h"

/* ---- shared ---- */

struct str string_value(const struct stream *s) {
    return s->extra != NULL ? str_of(s->extra->value, s->extra->value_len) : STR("");
}

uint64_t string_deadline(const struct stream *s) {
    return s->state == STREAM_LIVE && s->extra != NULL ? s->extra->expires : 0;
}

bool string_or_reply(struct client *c, const struct stream *s) {
    if (s->state != STREAM_LIVE || stream_is_string(s)) return true;
    reply_wrong_type(c);
    return false;
}

void string_reply(struct client *c, const struct stream *s) {
    if (!string_or_reply(c, s)) return;
    if (s->state == STREAM_LIVE)
        reply_bulk(c, string_value(s));
    else
        reply_null(c);
}

bool string_name_or_reply(struct client *c, struct str name) {
    return arg_stream_or_reply(c, name) && !protected_or_reply(c, name);
}

bool string_fits_or_reply(struct client *c, struct str name, uint64_t len) {
    const struct config *config = &c->srv->config;
    uint64_t bytes = FRAME_OVERHEAD_MAX + name.len + len, max = store_frame_max(c->srv->store);
    bool by_event = config->max_event_bytes < config->proto_max_bulk_len;
    if (len > (by_event ? config->max_event_bytes : config->proto_max_bulk_len)) {
        reply_error(c, "ERR string exceeds maximum allowed size (%s)",
                    by_event ? "max-event-bytes" : "proto-max-bulk-len");
        return false;
    }
    if (bytes <= max) return true;
    reply_frame_too_large(c, "the value takes up to", (size_t)bytes);
    return false;
}

void string_set(struct client *c, struct stream *s, struct str value, uint64_t expires,
                const char *event) {
    bool was_string = stream_is_string(s), is_new = s->state != STREAM_LIVE;
    if (s->state == STREAM_LIVE && !was_string) blocking_delete_key(c->srv, s);
    model_set_string(&c->srv->model, s, value, expires);
    if (!was_string) blocking_key_changed(c->srv, stream_name_str(s->name));
    if (is_new) notify(c->srv, NOTIFY_NEW, "new", stream_name_str(s->name));
    notify(c->srv, NOTIFY_STRING, event, stream_name_str(s->name));
}

static bool is_relative(struct str word) {
    return arg_is(word, STR("EX")) || arg_is(word, STR("PX"));
}
static bool is_seconds(struct str word) {
    return arg_is(word, STR("EX")) || arg_is(word, STR("EXAT"));
}

bool string_expiry_parse(const struct request *r, size_t *at, struct string_expiry *e) {
    struct str word = r->argv[*at];
    bool known = is_relative(word) || is_seconds(word) || arg_is(word, STR("PXAT"));
    if (!known || *at + 1 == r->argc || (e->word.ptr != NULL && !arg_is(word, e->word)))
        return false;
    *e = (struct string_expiry){word, r->argv[++*at]};
    return true;
}

bool string_expiry_or_reply(struct client *c, const struct request *r,
                            const struct string_expiry *e, uint64_t *expires) {
    int64_t ms, now = (int64_t)c->srv->model.wall;
    if (!xarg_i64_or_reply(c, e->value, &ms)) return false;
    if (ms <= 0 || (is_seconds(e->word) && __builtin_mul_overflow(ms, INT64_C(1000), &ms)) ||
        (is_relative(e->word) && __builtin_add_overflow(ms, now, &ms))) {
        reply_error(c, "ERR invalid expire time in '%s' command",
                    command_full_name(command_find(r->argv, r->argc)));
        return false;
    }
    *expires = (uint64_t)ms;
    return true;
}

/* ---- reading ---- */

/* GET key */
enum outcome cmd_get(struct client *c, const struct request *r) {
    struct stream *s;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    string_reply(c, s);
    return REPLIED;
}

/* MGET key [key ...]: null for what is no string. */
enum outcome cmd_mget(struct client *c, const struct request *r) {
    if (!need_streams(c, r->argv + 1, r->argc - 1)) return PARKED;
    reply_array(c, r->argc - 1);
    for (size_t i = 1; i < r->argc; i++) {
        struct stream *s;
        need_stream(c, r->argv[i], &s);
        if (stream_is_string(s))
            reply_bulk(c, string_value(s));
        else
            reply_null(c);
        model_drop_views(&c->srv->model);
    }
    return REPLIED;
}

/* STRLEN key */
enum outcome cmd_strlen(struct client *c, const struct request *r) {
    struct stream *s;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (string_or_reply(c, s)) reply_int(c, (int64_t)string_value(s).len);
    return REPLIED;
}

/* The bytes first..last, both inclusive, negative: from the end (-1: the last). */
static struct str range_of(struct str value, int64_t first, int64_t last) {
    int64_t len = (int64_t)value.len;
    if (first < 0 && last < 0 && first > last) return STR("");
    if (first < 0) first = MAX(len + first, INT64_C(0));
    if (last < 0) last = MAX(len + last, INT64_C(0));
    last = MIN(last, len - 1);
    if (first > last) return STR("");
    return str_of(value.ptr + first, (size_t)(last - first + 1));
}

/* GETRANGE key start end, SUBSTR key start end */
enum outcome cmd_getrange(struct client *c, const struct request *r) {
    struct stream *s;
    int64_t first, last;
    if (!xarg_i64_or_reply(c, r->argv[2], &first) || !xarg_i64_or_reply(c, r->argv[3], &last))
        return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (string_or_reply(c, s)) reply_bulk(c, range_of(string_value(s), first, last));
    return REPLIED;
}
