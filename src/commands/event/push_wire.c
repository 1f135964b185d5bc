/* See push_wire.h. Room is made once a message, as in reply.c. */
#include "commands/event/push_wire.h"

#include "server/server.h"
#include "commands/event/put.h"

#define HEAD_ROOM 160 /* of a message: all but the event and the reason take less */

/* A message of n elements: its kind and whose it is. */
static char *put_head(char *at, const struct subscription *s, unsigned n, const char *kind) {
    size_t len = strlen(kind);
    *at++ = s->client->resp == 3 ? '>' : '*';
    at += u64_to_dec(n, at);
    at = PUT(at, "\r\n+");
    memcpy(at, kind, len);
    at = PUT(at + len, "\r\n+");
    return put_uuid(at, &s->id);
}

/* One event goes to many, one behind the other. Loop thread. */
static char *put_cursor(char *at, uint64_t cursor) {
    static struct {
        uint64_t cursor;
        size_t len;
        char text[24];
    } last;
    if (last.cursor != cursor || last.len == 0) {
        last.cursor = cursor;
        last.len = (size_t)(put_number(last.text, cursor) - last.text);
    }
    memcpy(at, last.text, sizeof last.text);
    return at + last.len;
}

static size_t put_event_head(char *out, const struct subscription *s) {
    return (size_t)(put_head(out, s, 4, "event") - out);
}
static size_t put_sierra_head(char *out, const struct subscription *s) {
    return (size_t)(put_head(out, s, 4, "message") - out);
}

static void put_one(struct buf *out, const struct subscription *s, uint64_t cursor,
                    struct str event) {
    char *start = buf_reserve(out, HEAD_ROOM + event.len);
    memcpy(start, s->head, sizeof s->head);
    char *at = put_cursor(start + s->head_len, cursor);
    memcpy(at, event.ptr, event.len);
    out->len += (size_t)(at - start) + event.len;
}

static void put_many(struct buf *out, const struct subscription *s, uint64_t cursor, size_t n,
                     struct str events) {
    char *start = buf_reserve(out, HEAD_ROOM + events.len), *at = start;
    at = put_number(put_head(at, s, 4, "events"), cursor);
    *at++ = '*';
    at += u64_to_dec(n, at);
    at = PUT(at, "\r\n");
    memcpy(at, events.ptr, events.len);
    out->len += (size_t)(at - start) + events.len;
}

/* A cursor is what can be acknowledged: the sequence before the position. */
static void put_notice(struct buf *out, const struct subscription *s,
                       enum subscription_notice notice, uint64_t position) {
    static const char *const kinds[] = {
        [NOTICE_CAUGHT_UP] = "caughtup",
        [NOTICE_BEHIND] = "behind",
        [NOTICE_POSITION] = "position",
    };
    char *start = buf_reserve(out, HEAD_ROOM);
    char *at = put_number(put_head(start, s, 3, kinds[notice]),
                          notice == NOTICE_POSITION ? position - 1 : position);
    out->len += (size_t)(at - start);
}

static void put_end(struct buf *out, const struct subscription *s, const char *reason) {
    char *start = buf_reserve(out, HEAD_ROOM);
    out->len += (size_t)(put_head(start, s, 3, "end") - start);
    resp_put_simple(out, str_c(reason));
}

const struct subscription_wire push_wire = {
    .head = put_event_head,
    .event = put_one,
    .events = put_many,
    .notice = put_notice,
    .end = put_end,
};

const struct subscription_wire sierra_wire = {
    .counts = true, .head = put_sierra_head, .event = put_one};

struct how {
    uint8_t resp;
    struct chosen_fields chosen;
};

static void put_in_shape(struct buf *out, const void *bytes, const struct event *e,
                         const struct stream_name *name) {
    const struct how *how = bytes;
    put_chosen_event(out, how->resp, e, name, &how->chosen);
}

struct push_shape *push_wire_shape(struct client *c, const struct chosen_fields *chosen) {
    struct how how = {.resp = (uint8_t)c->resp, .chosen = *chosen};
    return push_shape_get(c->srv, put_in_shape, &how, sizeof how);
}

bool push_allowed_or_reply(struct client *c) {
    const struct config *config = &c->srv->config;
    uint64_t own = config->max_client_subscriptions, all = config->max_subscriptions;
    if (c->srv->subscriptions.count >= all)
        reply_error(c, "ERR max number of subscriptions reached (max-subscriptions %llu)",
                    (unsigned long long)all);
    else if (subscriptions_of(c) >= own)
        reply_error(c,
                    "ERR max number of subscriptions of a connection reached "
                    "(max-client-subscriptions %llu)",
                    (unsigned long long)own);
    else
        return true;
    return false;
}
