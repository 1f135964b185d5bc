/* XADD, XLEN, XTRIM, XSETID. */
#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/group/cgroup.h"
#include "stream/ids/idempotent.h"
#include "server/command/protect.h"
#include "server/pubsub/notifications.h"
#include "server/command/virtual.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/pages.h"
#include "commands/stream/entry_reply.h"
#include "commands/stream/family.h"
#include "commands/stream/log_read.h"
#include "commands/stream/shared.h"
#include "commands/stream/trim.h"

#define FIELD_OVERHEAD    32 /* a string's head and end, at most */
#define IDEMPOTENT_ID_MAX 64 /* bytes of a producer's name or id that are kept as they are */

/* ---- XADD ---- */

static size_t fields_bytes(const struct xadd_args *a) {
    size_t bytes = 0;
    for (size_t i = 0; i < a->count; i++) bytes += a->fields[i].len;
    return bytes;
}

/* What the entry takes of a frame, at most. The value of a field `type` stands twice. */
static size_t entry_bytes(const struct xadd_args *a, size_t fields, size_t name_len) {
    return fields + FRAME_OVERHEAD_MAX + STREAM_NAME_MAX + name_len + a->count * FIELD_OVERHEAD;
}

static bool fits_or_reply(struct client *c, const struct xadd_args *a, size_t name_len) {
    size_t bytes = fields_bytes(a), frame_max = store_frame_max(c->srv->store);
    if (bytes > c->srv->config.max_event_bytes) {
        reply_error(c, "TOOLARGE the fields are %zu bytes, max-event-bytes is %llu", bytes,
                    (unsigned long long)c->srv->config.max_event_bytes);
        return false;
    }
    size_t frame = entry_bytes(a, bytes, name_len);
    if (frame <= frame_max) return true;
    reply_frame_too_large(c, "the entry takes up to", frame);
    return false;
}

/* What a producer calls itself or its message may be long: then its hash stands for it. */
static struct str shorten(struct str s, struct uuid *hash) {
    if (s.len <= IDEMPOTENT_ID_MAX) return s;
    event_content_hash_of(&(struct event_fields){.payload = s}, NULL, hash);
    return str_of(hash, sizeof *hash);
}

/* IDMPAUTO: the sum of the pairs' hashes, so that their order does not matter. */
static struct str hash_fields(const struct xadd_args *a, struct uuid *hash) {
    uint64_t sum[2] = {0, 0};
    for (size_t i = 0; i < a->count; i += 2) {
        struct event_fields pair = {.metadata = a->fields[i], .payload = a->fields[i + 1]};
        struct uuid one;
        uint64_t half[2];
        event_content_hash_of(&pair, NULL, &one);
        memcpy(half, &one, sizeof half);
        sum[0] += half[0];
        sum[1] += half[1];
    }
    memcpy(hash, sum, sizeof *hash);
    return str_of(hash, sizeof *hash);
}

/* A producer's message: who, which, and for how long it is remembered. */
struct message {
    struct str producer, id;
    struct uuid producer_hash, id_hash;
    uint32_t seconds, max;
};

static void message_of(const struct client *c, const struct stream *s, const struct xadd_args *a,
                       struct message *msg) {
    msg->producer = shorten(a->producer, &msg->producer_hash);
    msg->id = a->idempotent.ptr != NULL ? shorten(a->idempotent, &msg->id_hash)
                                        : hash_fields(a, &msg->id_hash);
    idempotent_window(c, s, &msg->seconds, &msg->max);
}

static void reply_add_status(struct client *c, enum entry_status status) {
    switch (status) {
    case ENTRY_OK:
        return;
    case ENTRY_ID_SMALL:
        reply_error(c, "ERR The ID specified in XADD is equal or smaller than the target stream "
                       "top item");
        return;
    case ENTRY_ID_EXHAUSTED:
        reply_error(c, "ERR The stream has exhausted the last possible ID, unable to add more "
                       "items");
        return;
    case ENTRY_LIMIT:
        reply_error(c, "TOOLARGE a version, stream or sequence number would pass its limit");
        return;
    }
}

static bool trims_many(const struct client *c, const struct stream *s, const struct xadd_args *a,
                       const struct trim *trim) {
    return trim_takes_many(c, trim, entry_bytes(a, fields_bytes(a), stream_name_str(s->name).len));
}

/* Adds, trims, notes the message and replies. */
static enum outcome add(struct client *c, struct stream *s, const struct xadd_args *a,
                        struct trim *trim) {
    struct model *m = &c->srv->model;
    struct message msg;
    if (a->producer.ptr != NULL) {
        struct entry_id known;
        message_of(c, s, a, &msg);
        if (s->state == STREAM_LIVE &&
            model_idempotent_find(m, s, msg.producer, msg.id, msg.seconds, msg.max, &known)) {
            reply_entry_id(c, known);
            return REPLIED;
        }
    }
    struct entry_add entry = {.kind = !a->id_given  ? ENTRY_ID_AUTO
                                      : a->auto_seq ? ENTRY_ID_AUTO_SEQ
                                                    : ENTRY_ID_GIVEN,
                              .id = a->id,
                              .fields = a->fields,
                              .count = a->count};
    if (UNLIKELY(a->trim.refs == REFS_DELETE) && entry_id_is_beyond(s, &entry) &&
        trims_many(c, s, a, trim))
        return trim_take_some(c, trim);
    bool is_new = s->state != STREAM_LIVE;
    enum entry_status status = model_add_entry(m, s, &entry);
    if (status != ENTRY_OK) {
        reply_add_status(c, status);
        return REPLIED;
    }
    struct entry_id id = event_entry_id(entry.event); /* trimming may take the event away */
    if (a->producer.ptr != NULL) model_idempotent_add(m, s, msg.producer, msg.id, msg.max, id);
    struct str name = stream_name_str(s->name);
    if (is_new) notify(c->srv, NOTIFY_NEW, "new", name);
    notify(c->srv, NOTIFY_STREAM, "xadd", name);
    if (a->trim.kind != TRIM_NONE && trim_apply(c, trim) > 0)
        notify(c->srv, NOTIFY_STREAM, "xtrim", name);
    c->srv->stats.events_appended++;
    client_commit(c);
    reply_entry_id(c, id);
    return REPLIED;
}

/* XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO producer | IDMP producer id]
 *      [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...] */
enum outcome cmd_xadd(struct client *c, const struct request *r) {
    struct xadd_args a;
    struct stream *s;
    struct trim trim;
    struct str name = r->argv[1];
    if (!xargs_xadd_or_reply(c, r, &a) || !arg_stream_or_reply(c, name) ||
        (a.trim.kind != TRIM_NONE && protected_or_reply(c, name)) ||
        !fits_or_reply(c, &a, name.len))
        return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    if (stream_is_string(s)) {
        reply_wrong_type(c);
        return REPLIED;
    }
    if (s->state == STREAM_ABSENT && a.no_create) {
        reply_null(c);
        return REPLIED;
    }
    enum outcome outcome = trim_require(c, &trim, s, &a.trim, true) ? add(c, s, &a, &trim) : PARKED;
    trim_clear(&trim);
    return outcome;
}

/* ---- the others ---- */

/* Replies for a key that is no stream: the error, or with ABSENT what absent() does. true: it is
 * one. */
static bool live_or_reply(struct client *c, const struct stream *s, int64_t absent) {
    if (s->state == STREAM_LIVE && !stream_is_string(s)) return true;
    if (stream_is_string(s))
        reply_wrong_type(c);
    else if (absent >= 0)
        reply_int(c, absent);
    else
        reply_error(c, "ERR no such key");
    return false;
}

/* A virtual stream: all of its events are counted, most of them by a reader thread. */
static enum outcome count_of_log(struct client *c, struct str name) {
    struct selector *selector;
    uint64_t count;
    bool too_many;
    enum outcome outcome = REPLIED;
    if (!log_selector_or_reply(c, name, c->view, &selector)) return REPLIED;
    if (!pages_may_count(c, selector))
        outcome = pages_wait_to_count(c);
    else if (!need_count(c, selector, &count, &too_many))
        outcome = PARKED;
    else if (too_many)
        blocking_reply_looks_too_long(c);
    else
        reply_int(c, (int64_t)count);
    selector_unref(selector);
    return outcome;
}

/* XLEN key */
enum outcome cmd_xlen(struct client *c, const struct request *r) {
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (virtual_is(c, r->argv[1])) return count_of_log(c, r->argv[1]);
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!live_or_reply(c, s, 0)) return REPLIED;
    reply_int(c, (int64_t)stream_length(s));
    return REPLIED;
}

/* XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED] */
enum outcome cmd_xtrim(struct client *c, const struct request *r) {
    struct trim_args args;
    struct stream *s;
    struct trim trim;
    if (!xargs_xtrim_or_reply(c, r, &args) || !arg_stream_or_reply(c, r->argv[1]) ||
        protected_or_reply(c, r->argv[1]))
        return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!live_or_reply(c, s, (int64_t)c->wait.so_far)) return REPLIED; /* gone meanwhile */
    enum outcome outcome = REPLIED;
    if (!trim_require(c, &trim, s, &args, false)) {
        outcome = PARKED;
    } else if (trim_takes_many(c, &trim, 0)) {
        outcome = trim_take_some(c, &trim);
    } else {
        uint64_t now = trim_apply(c, &trim), gone = c->wait.so_far + now;
        uint64_t frame = c->srv->model.decided + (now > 0);
        if (gone > 0) notify_at(c->srv, NOTIFY_STREAM, frame, "xtrim", r->argv[1]);
        client_commit(c);
        reply_int(c, (int64_t)gone);
    }
    trim_clear(&trim);
    return outcome;
}

struct setid_args {
    struct entry_id id, deleted;
    int64_t added; /* -1: not given */
};

static bool parse_setid(struct client *c, const struct request *r, struct setid_args *a) {
    *a = (struct setid_args){.added = -1};
    if (!xarg_id_or_reply(c, r->argv[2], 0, &a->id)) return false;
    for (size_t at = 3; at < r->argc; at += 2) {
        bool more = at + 1 < r->argc;
        if (more && arg_is(r->argv[at], STR("ENTRIESADDED"))) {
            if (!xarg_i64_or_reply(c, r->argv[at + 1], &a->added)) return false;
            if (a->added >= 0) continue;
            reply_error(c, "ERR entries_added must be positive");
        } else if (more && arg_is(r->argv[at], STR("MAXDELETEDID"))) {
            if (!xarg_id_or_reply(c, r->argv[at + 1], 0, &a->deleted)) return false;
            if (entry_id_cmp(a->id, a->deleted) >= 0) continue;
            reply_error(c, "ERR The ID specified in XSETID is smaller than the provided "
                           "max_deleted_entry_id");
        } else {
            reply_syntax_error(c);
        }
        return false;
    }
    return true;
}

/* Why the id cannot be set; NULL: it can. */
static const char *setid_refusal(const struct stream *s, const struct setid_args *a,
                                 const struct event *last) {
    if (s->extra != NULL && entry_id_cmp(a->id, s->extra->deleted) < 0)
        return "The ID specified in XSETID is smaller than current max_deleted_entry_id";
    if (last == NULL) return NULL;
    if (entry_id_cmp(a->id, event_entry_id(last)) < 0)
        return "The ID specified in XSETID is smaller than the target stream top item";
    if (a->added >= 0 && stream_length(s) > (uint64_t)a->added)
        return "The entries_added specified in XSETID is smaller than the target stream length";
    return NULL;
}

/* Groups whose position is beyond the last id by now will not get all that is added. */
static void forget_cursors(struct stream *s) {
    for (uint32_t i = 0; s->extra != NULL && i < s->extra->group_count; i++) {
        struct cgroup *g = s->extra->groups[i];
        if (entry_id_cmp(g->last, stream_last_id(s)) > 0) g->cursor = CURSOR_UNKNOWN;
    }
}

/* XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id] */
enum outcome cmd_xsetid(struct client *c, const struct request *r) {
    struct setid_args a;
    struct stream *s;
    struct event *last = NULL;
    if (!parse_setid(c, r, &a) || !arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (!live_or_reply(c, s, -1)) return REPLIED;
    if (!need_last(c, s, &last)) return PARKED;
    const char *why = setid_refusal(s, &a, last);
    if (why != NULL) {
        reply_error(c, "ERR %s", why);
        return REPLIED;
    }
    bool deleted = a.deleted.ms != 0 || a.deleted.seq != 0;
    model_set_last_id(&c->srv->model, s, a.id, a.added >= 0 ? (uint64_t)a.added : UINT64_MAX,
                      deleted ? &a.deleted : NULL);
    forget_cursors(s);
    notify(c->srv, NOTIFY_STREAM, "xsetid", r->argv[1]);
    client_commit(c);
    reply_ok(c);
    return REPLIED;
}
