/* DUMP, RESTORE, COPY: a key's whole content as bytes, and new keys from it; see stream/dump/rdb.h
 * and, for COPY, stream/dump/dump.h. What is restored or copied is new events, with new event ids,
 * in one frame; entry ids, contents and consumer groups are those of the original. */
#include "stream/dump/rdb.h"
#include "stream/gone/remove.h"
#include "server/command/protect.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/keys/string.h"
#include "commands/stream/args.h"
#include "commands/stream/entry_read.h"

#define DUMP_BYTES_MAX ((size_t)256 << 20)
#define READ_STEP      1000 /* events between two looks at how many bytes they are */

/* Why a dump cannot be written, or a key not be made. */
static void reply_too_large(struct client *c, const char *what, size_t max, const char *limit) {
    reply_error(c, "TOOLARGE %s takes more than %zu bytes, which is the limit (%s)", what, max,
                limit);
}

static void reply_no_frame(struct client *c, const char *what, size_t max) {
    char limit[64];
    snprintf(limit, sizeof limit, "one frame, %s", store_frame_bound(c->srv->store));
    reply_too_large(c, what, max, limit);
}

/* ---- reading a key ---- */

/* All events of s. *bytes: what its own dump takes (dump_write); reading ends when that is beyond
 * max. false: some have to be loaded. */
static bool read_all(struct client *c, struct stream *s, size_t max, struct entry_list *l,
                     size_t *bytes) {
    uint64_t from = stream_first_version(s);
    *bytes = dump_other_bytes(s);
    while (!stream_is_string(s) && *bytes <= max) {
        size_t had = l->count;
        struct entry_range range = {.start = from,
                                    .end = s->next_version,
                                    .most = READ_STEP,
                                    .bytes_max = l->bytes + max,
                                    .view = VIEW_NEWEST};
        if (!entry_list_read(c, l, s, range)) return false;
        if (l->count == had) return true;
        for (size_t i = had; i < l->count; i++) *bytes += dump_event_bytes(l->events[i]);
        from = l->events[l->count - 1]->rec.version + 1;
    }
    return true;
}

static void reply_dump(struct client *c, const struct stream *s, const struct entry_list *l,
                       bool too_large, size_t max) {
    struct buf out;
    buf_init(&out, max);
    if (!too_large) rdb_write(&out, s, l->events, l->count);
    if (too_large || out.overflow)
        reply_too_large(c, "the dump", max, "proto-max-bulk-len, and 256 MiB");
    else
        reply_bulk(c, buf_str(&out));
    buf_clear(&out);
}

/* DUMP key */
enum outcome cmd_dump(struct client *c, const struct request *r) {
    struct stream *s;
    size_t bytes, max = MIN((size_t)c->srv->config.proto_max_bulk_len, DUMP_BYTES_MAX);
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (s->state != STREAM_LIVE) {
        reply_null(c);
        return REPLIED;
    }
    struct entry_list l = {0};
    enum outcome outcome = REPLIED;
    if (!read_all(c, s, max, &l, &bytes)) {
        outcome = PARKED;
    } else {
        reply_dump(c, s, &l, bytes > max, max);
    }
    entry_list_clear(&l);
    return outcome;
}

/* ---- making a key ---- */

static bool fits_or_reply(struct client *c, const struct dump *d, size_t name_len) {
    size_t bytes = d->frame_bytes + 2 * name_len, max = store_frame_max(c->srv->store);
    if (bytes > max) {
        reply_frame_too_large(c, "the key takes up to", bytes);
        return false;
    }
    if (dump_has_room(&c->srv->model, d)) return true;
    reply_error(c, "TOOLARGE a version, stream or sequence number would pass its limit");
    return false;
}

/* Puts what the dump says in the place of s, LIVE or ABSENT. It fits. expires: ms; 0: never. */
static void put(struct client *c, struct stream *s, struct str name, const struct dump *d,
                uint64_t expires, const char *event) {
    struct model *m = &c->srv->model;
    if (s->state == STREAM_LIVE) blocking_delete_key(c->srv, s);
    dump_restore(m, s, d);
    if (expires != 0) model_set_expires(m, s, expires);
    c->srv->stats.events_appended += d->event_count;
    notify(c->srv, NOTIFY_NEW, "new", name);
    notify(c->srv, NOTIFY_GENERIC, event, name);
    client_commit(c);
    blocking_key_changed(c->srv, name);
}

/* ---- RESTORE ---- */

struct restore_args {
    bool replace, absolute;
    int64_t ttl;
};

/* The value of IDLETIME or FREQ, which is checked and not kept: neither is counted here. */
static bool check_usage(struct client *c, struct str value, bool freq) {
    int64_t n;
    if (!xarg_i64_or_reply(c, value, &n)) return false;
    if (n >= 0 && (!freq || n <= 255)) return true;
    reply_error(c, freq ? "ERR Invalid FREQ value, must be >= 0 and <= 255"
                        : "ERR Invalid IDLETIME value, must be >= 0");
    return false;
}

static bool parse_restore(struct client *c, const struct request *r, struct restore_args *a) {
    bool idle = false, freq = false;
    *a = (struct restore_args){0};
    for (size_t i = 4; i < r->argc; i++) {
        struct str word = r->argv[i];
        bool has_value = i + 1 < r->argc;
        if (arg_is(word, STR("REPLACE"))) {
            a->replace = true;
        } else if (arg_is(word, STR("ABSTTL"))) {
            a->absolute = true;
        } else if (arg_is(word, STR("IDLETIME")) && has_value && !freq) {
            idle = true;
            if (!check_usage(c, r->argv[++i], false)) return false;
        } else if (arg_is(word, STR("FREQ")) && has_value && !idle) {
            freq = true;
            if (!check_usage(c, r->argv[++i], true)) return false;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

static bool parse_ttl(struct client *c, struct str text, struct restore_args *a) {
    if (!xarg_i64_or_reply(c, text, &a->ttl)) return false;
    int64_t now = a->absolute || a->ttl == 0 ? 0 : (int64_t)c->srv->model.wall;
    if (a->ttl >= 0 && !__builtin_add_overflow(a->ttl, now, &a->ttl)) return true;
    reply_error(c, "ERR Invalid TTL value, must be >= 0");
    return false;
}

/* The payload as a dump in `bytes`, which d then points into. */
static bool parse_payload(struct client *c, struct str payload, struct buf *bytes, struct dump *d) {
    switch (rdb_read(payload, bytes)) {
    case RDB_OK:
        if (dump_parse(buf_str(bytes), d)) return true;
        break;
    case RDB_FOREIGN:
        reply_error(c, "ERR DUMP payload version or checksum are wrong");
        return false;
    case RDB_TOO_LARGE:
        reply_no_frame(c, "the key", bytes->max);
        return false;
    case RDB_OTHER:
        reply_error(c, "ERR Bad data format: Cairn has no %s", rdb_type(payload));
        return false;
    case RDB_BAD:
        break;
    }
    reply_error(c, "ERR Bad data format");
    return false;
}

/* All but what was checked before: see cmd_restore. */
static void restore(struct client *c, const struct request *r, const struct restore_args *a,
                    struct stream *s) {
    struct buf bytes;
    struct dump d;
    struct str name = r->argv[1];
    buf_init(&bytes, store_frame_max(c->srv->store));
    if (parse_payload(c, r->argv[3], &bytes, &d) && fits_or_reply(c, &d, name.len)) {
        if (a->ttl != 0 && a->ttl <= (int64_t)c->srv->model.wall) { /* it has expired already */
            if (s->state == STREAM_LIVE) {
                blocking_delete_key(c->srv, s);
                notify(c->srv, NOTIFY_GENERIC, "del", name);
            }
            client_commit(c);
        } else {
            put(c, s, name, &d, (uint64_t)a->ttl, "restore");
        }
        reply_ok(c);
    }
    buf_clear(&bytes);
}

/* RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] */
enum outcome cmd_restore(struct client *c, const struct request *r) {
    struct restore_args a;
    struct stream *s;
    struct str name = r->argv[1];
    if (!parse_restore(c, r, &a) || !arg_stream_or_reply(c, name)) return REPLIED;
    /* With a deadline it would go by itself. */
    bool takes_away = a.replace || !str_eq(r->argv[2], STR("0"));
    if (takes_away && protected_or_reply(c, name)) return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    if (s->state == STREAM_LIVE && !a.replace) {
        reply_error(c, "BUSYKEY Target key name already exists.");
        return REPLIED;
    }
    if (parse_ttl(c, r->argv[2], &a)) restore(c, r, &a, s);
    return REPLIED;
}

/* ---- COPY ---- */

static bool parse_copy(struct client *c, const struct request *r, bool *replace) {
    for (size_t i = 3; i < r->argc; i++) {
        int64_t db;
        if (arg_is(r->argv[i], STR("REPLACE"))) {
            *replace = true;
        } else if (arg_is(r->argv[i], STR("DB")) && i + 1 < r->argc) {
            if (!xarg_i64_or_reply(c, r->argv[++i], &db)) return false;
            if (db < 0 || db > 15) {
                reply_error(c, "ERR DB index is out of range");
                return false;
            }
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

static enum outcome copy(struct client *c, struct stream *from, struct stream *to,
                         struct str name) {
    size_t bytes, max = store_frame_max(c->srv->store);
    uint64_t expires = from->extra != NULL ? from->extra->expires : 0;
    struct entry_list l = {0};
    if (!read_all(c, from, max, &l, &bytes)) {
        entry_list_clear(&l);
        return PARKED;
    }
    if (bytes > max) { /* in the journal it takes more */
        reply_no_frame(c, "the copy", max);
    } else {
        struct buf out;
        struct dump d;
        buf_init(&out, 0);
        dump_write(&out, from, l.events, l.count);
        if (!dump_parse(buf_str(&out), &d)) {
            reply_error(c, "ERR the stream has something that cannot be copied"); /* never seen */
        } else if (fits_or_reply(c, &d, name.len)) {
            put(c, to, name, &d, expires, "copy_to");
            reply_int(c, 1);
        }
        buf_clear(&out);
    }
    entry_list_clear(&l);
    return REPLIED;
}

/* COPY source destination [DB index] [REPLACE]. All databases are the one store. */
enum outcome cmd_copy(struct client *c, const struct request *r) {
    struct stream *from, *to;
    struct str name = r->argv[2];
    bool replace = false;
    if (!parse_copy(c, r, &replace)) return REPLIED;
    if (str_eq(r->argv[1], name)) {
        reply_error(c, "ERR source and destination objects are the same");
        return REPLIED;
    }
    if (!arg_stream_or_reply(c, name)) return REPLIED;
    if (replace && protected_or_reply(c, name)) return REPLIED;
    if (!need_streams(c, r->argv + 1, 2)) return PARKED;
    need_stream(c, r->argv[1], &from);
    need_stream(c, name, &to);
    if (from->state != STREAM_LIVE || (to->state == STREAM_LIVE && !replace)) {
        reply_int(c, 0);
        return REPLIED;
    }
    bool expires = from->extra != NULL && from->extra->expires != 0;
    if (expires && protected_or_reply(c, name)) return REPLIED;
    return copy(c, from, to, name);
}
