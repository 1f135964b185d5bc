/* Taking away, the E face: ETRUNCATE EERASE EDELETE. */
#include "record/entry_id.h"
#include "stream/gone/remove.h"
#include "server/command/protect.h"
#include "server/pubsub/notifications.h"
#include "server/server.h"
#include "server/wait/blocking.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/event/expected.h"
#include "commands/event/family.h"

/* ---- ETRUNCATE ---- */

enum before { BEFORE_VERSION, BEFORE_ENTRY, BEFORE_TIME };

struct truncate {
    enum before kind;
    uint64_t number; /* VERSION, TIME */
    struct entry_id entry;
};

static bool parse_truncate(struct client *c, const struct request *r, struct truncate *t) {
    bool good = arg_is(r->argv[2], STR("BEFORE"));
    if (r->argc == 4)
        t->kind = BEFORE_VERSION;
    else if (arg_is(r->argv[3], STR("ENTRY")))
        t->kind = BEFORE_ENTRY;
    else if (arg_is(r->argv[3], STR("TIME")))
        t->kind = BEFORE_TIME;
    else
        good = false;
    if (!good) {
        reply_error(c, "INVALIDARG unexpected string: expected BEFORE version, BEFORE ENTRY id or "
                       "BEFORE TIME milliseconds");
        return false;
    }
    struct str value = r->argv[r->argc - 1];
    if (t->kind == BEFORE_VERSION) return arg_u64_or_reply(c, value, "version", &t->number);
    if (t->kind == BEFORE_TIME) return arg_time_or_reply(c, value, "TIME", &t->number);
    if (entry_id_parse(value, 0, &t->entry, NULL)) return true;
    reply_error(c, "INVALIDARG invalid entry id: '%.*s' is not ms-seq or ms",
                (int)MIN(value.len, (size_t)64), value.ptr);
    return false;
}

/* The first version whose event was recorded at or after `ms`: by bisection, since a stream's
 * events were recorded in order. The halves are those of a power of two, so that they stay the same
 * while a page is loaded and events are appended. false: a page is being loaded. */
static bool need_time(struct client *c, struct stream *s, uint64_t ms, uint64_t *version) {
    uint64_t low = 0, high = 1;
    while (high < s->next_version) high *= 2;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct read r = {.stream = s,
                         .start = middle,
                         .end = high - 1,
                         .count = 1,
                         .horizon = UINT64_MAX,
                         .heads = true};
        bool known = need_read(c, &r);
        if (known && r.found > 0 && r.events[0]->rec.recorded < ms)
            low = r.events[0]->rec.version + 1;
        else
            high = middle;
        read_clear(&r);
        if (!known) return false;
    }
    *version = MIN(low, s->next_version);
    return true;
}

/* ETRUNCATE stream BEFORE <version | ENTRY id | TIME milliseconds> */
enum outcome cmd_etruncate(struct client *c, const struct request *r) {
    struct truncate t;
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1]) || !parse_truncate(c, r, &t) ||
        protected_or_reply(c, r->argv[1]))
        return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (stream_is_string(s)) {
        reply_wrong_type(c);
        return REPLIED;
    }
    uint64_t removed = 0;
    if (s->state == STREAM_LIVE) {
        uint64_t first = MIN(t.number, s->next_version);
        if (t.kind == BEFORE_ENTRY && !need_entry(c, s, t.entry, &first)) return PARKED;
        if (t.kind == BEFORE_TIME && !need_time(c, s, t.number, &first)) return PARKED;
        removed = model_trim(&c->srv->model, s, first);
        if (removed > 0) notify(c->srv, NOTIFY_STREAM, "xtrim", r->argv[1]);
    }
    client_commit(c);
    reply_int(c, (int64_t)removed);
    return REPLIED;
}

/* ---- EERASE ---- */

/* EERASE event-id */
enum outcome cmd_eerase(struct client *c, const struct request *r) {
    struct model *m = &c->srv->model;
    struct uuid id;
    struct event *e;
    struct stream *s;
    if (!arg_uuid_or_reply(c, r->argv[1], "event id", &id)) return REPLIED;
    if (!need_event(c, &id, &e)) return PARKED;
    if (e == NULL) {
        reply_int(c, 0);
        return REPLIED;
    }
    struct str name = stream_name_str(model_name(m, e));
    if (protected_or_reply(c, name)) return REPLIED;
    if (!need_stream(c, name, &s)) return PARKED;
    bool there = s->state == STREAM_LIVE && s->name->rec.number == e->rec.stream &&
                 stream_has_version(s, e->rec.version) && !(e->rec.flags & EVENT_ERASED);
    if (there) model_erase(m, s, e);
    client_commit(c);
    reply_int(c, there);
    return REPLIED;
}

/* ---- EDELETE ---- */

/* EDELETE stream [EXPECTED_VERSION <version | any | exists | empty>] */
enum outcome cmd_edelete(struct client *c, const struct request *r) {
    enum expected kind = EXPECT_ANY;
    uint64_t version = 0;
    struct stream *s;
    if (!arg_stream_or_reply(c, r->argv[1])) return REPLIED;
    if (r->argc != 2 && (r->argc != 4 || !arg_is(r->argv[2], STR("EXPECTED_VERSION")))) {
        reply_error(c, "INVALIDARG unexpected string: expected EXPECTED_VERSION version or end of "
                       "input");
        return REPLIED;
    }
    if (r->argc == 4 && !expected_or_reply(c, r->argv[3], &kind, &version)) return REPLIED;
    if (protected_or_reply(c, r->argv[1])) return REPLIED;
    if (!need_stream(c, r->argv[1], &s)) return PARKED;
    if (stream_is_string(s)) {
        reply_wrong_type(c);
        return REPLIED;
    }
    if (!expected_holds(kind, version, s->next_version)) {
        reply_wrong_version(c, &s->name->partition_key, r->argv[1], kind, version, s->next_version);
        return REPLIED;
    }
    bool there = s->state == STREAM_LIVE;
    if (there) {
        blocking_delete_key(c->srv, s);
        notify(c->srv, NOTIFY_GENERIC, "del", r->argv[1]);
    }
    client_commit(c);
    reply_int(c, there);
    return REPLIED;
}
