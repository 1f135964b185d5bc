/* Composing entries. Room is made once an entry; the fields of an XADD entry are kept as they go
 * to clients, so that they are one copy. See commands/event/reply.c for the same of the E commands.
 */
#include "commands/stream/entry_reply.h"

#include "record/fields.h"
#include "server/client/long_event.h"
#include "server/client/long_reply.h"
#include "server/server.h"
#include "commands/stream/entry_read.h"
#include "commands/stream/log_read.h"

#define PUT(at, literal) (memcpy((at), (literal), sizeof(literal) - 1), (at) + sizeof(literal) - 1)
#define ID_ROOM          64  /* heads of arrays and an id */
#define APPENDED_ROOM    512 /* what is fixed of an appended event's fields, its numbers and ids */
#define TAIL_ROOM        64  /* two numbers */

static char *put_decimal(char *at, uint64_t v) {
    return at + u64_to_dec(v, at);
}

static char *put_bulk(char *at, struct str s) {
    *at++ = '$';
    at = PUT(put_decimal(at, s.len), "\r\n");
    if (s.len > 0) memcpy(at, s.ptr, s.len);
    return PUT(at + s.len, "\r\n");
}

/* The id is written where it will most likely stand: behind a length of two digits. */
static char *put_id(char *at, struct entry_id id) {
    char *text = at + sizeof "$nn\r\n" - 1, *end = put_decimal(text, id.ms);
    *end++ = '-';
    end = put_decimal(end, id.seq);
    size_t n = (size_t)(end - text);
    *at++ = '$';
    if (n >= 10) {
        *at++ = (char)('0' + n / 10);
    } else {
        memmove(text - 1, text, n);
        end--;
    }
    *at++ = (char)('0' + n % 10);
    memcpy(at, "\r\n", 2);
    return PUT(end, "\r\n");
}

static char *put_uuid(char *at, const struct uuid *u) {
    at = PUT(at, "$36\r\n");
    uuid_format(u, at);
    return PUT(at + UUID_TEXT_LEN, "\r\n");
}

/* What stands in front of the fields in a virtual stream. */
struct origin {
    struct str stream;
    struct entry_id id;
};
#define ORIGIN_FIELDS 4   /* names and values */
#define ORIGIN_ROOM   128 /* beside the name */

static char *put_origin(char *at, const struct origin *o) {
    at = put_bulk(PUT(at, "$7\r\n@stream\r\n"), o->stream);
    return put_id(PUT(at, "$3\r\n@id\r\n"), o->id);
}

/* event_id type version payload [metadata] [correlation_id] [causation_id] [aggregate_id]: also
 * what entry_size and rdb_write.c go by. */
static char *put_appended(char *at, const struct event_record *r, const struct event_view *v,
                          const struct origin *origin) {
    char version[20];
    unsigned more = (v->metadata.len > 0) + (v->correlation != NULL) + (v->causation != NULL) +
                    (v->aggregate.len > 0);
    *at++ = '*';
    at = PUT(put_decimal(at, 2 * (4 + more) + (origin != NULL ? ORIGIN_FIELDS : 0)), "\r\n");
    if (UNLIKELY(origin != NULL)) at = put_origin(at, origin);
    at = PUT(at, "$8\r\nevent_id\r\n");
    at = PUT(put_uuid(at, &r->event_id), "$4\r\ntype\r\n");
    at = put_bulk(at, v->type);
    at = PUT(at, "$7\r\nversion\r\n");
    at = put_bulk(at, str_of(version, u64_to_dec(r->version, version)));
    at = PUT(at, "$7\r\npayload\r\n");
    at = put_bulk(at, v->payload);
    if (more == 0) return at;
    if (v->metadata.len > 0) at = put_bulk(PUT(at, "$8\r\nmetadata\r\n"), v->metadata);
    if (v->correlation != NULL) at = put_uuid(PUT(at, "$14\r\ncorrelation_id\r\n"), v->correlation);
    if (v->causation != NULL) at = put_uuid(PUT(at, "$12\r\ncausation_id\r\n"), v->causation);
    if (v->aggregate.len > 0) at = put_bulk(PUT(at, "$12\r\naggregate_id\r\n"), v->aggregate);
    return at;
}

static char *put_fields(char *at, const struct event_record *r, const struct event_view *v) {
    if (!(r->flags & EVENT_FIELDS)) return put_appended(at, r, v, NULL);
    if (v->payload.len == 0) return PUT(at, "*0\r\n"); /* erased */
    memcpy(at, v->payload.ptr, v->payload.len);
    return at + v->payload.len;
}

/* Behind the origin; the fields of an XADD entry begin with how many they are: "*6\r\n". */
static char *put_fields_behind(char *at, const struct event_record *r, const struct event_view *v,
                               const struct origin *origin) {
    struct str fields = v->payload;
    uint64_t count = 0;
    if (!(r->flags & EVENT_FIELDS)) return put_appended(at, r, v, origin);
    if (fields.len > 0) { /* else it is erased */
        const char *end = memchr(fields.ptr, '\r', fields.len);
        size_t digits = (size_t)(end - fields.ptr) - 1;
        bool counted = str_to_u64(str_of(fields.ptr + 1, digits), &count);
        assert(counted);
        fields = str_of(end + 2, fields.len - digits - 3);
    }
    *at++ = '*';
    at = put_origin(PUT(put_decimal(at, count + ORIGIN_FIELDS), "\r\n"), origin);
    if (fields.len > 0) memcpy(at, fields.ptr, fields.len);
    return at + fields.len;
}

static size_t fields_room(const struct event_record *r) {
    if (r->flags & EVENT_FIELDS) return MAX(r->payload_len, 4u);
    return APPENDED_ROOM + (size_t)r->type_len + r->payload_len + r->metadata_len +
           r->aggregate_len;
}

void reply_entry_id(struct client *c, struct entry_id id) {
    char *at = buf_reserve(&c->out, ID_ROOM);
    assert(at != NULL); /* a connection's output has no limit */
    c->out.len += (size_t)(put_id(at, id) - at);
}

void reply_entry(struct client *c, const struct event *e) {
    const struct event_record *r = &e->rec;
    struct event_view v;
    event_view(r, &v);
    char *start = buf_reserve(&c->out, ID_ROOM + fields_room(r));
    char *at = put_id(PUT(start, "*2\r\n"), event_entry_id(e));
    c->out.len += (size_t)(put_fields(at, r, &v) - start);
}

void put_entry_of(struct client *c, const struct event *e, struct stream_name *name) {
    UNUSED(name);
    reply_entry(c, e);
}

void reply_entry_gone(struct client *c, struct entry_id id) {
    reply_array(c, 2);
    reply_entry_id(c, id);
    resp_put_null_array(&c->out, c->resp);
}

static char *put_numbers(char *at, int64_t idle, int64_t deliveries) {
    *at++ = ':';
    at += i64_to_dec(idle, at);
    at = PUT(at, "\r\n:");
    at += i64_to_dec(deliveries, at);
    return PUT(at, "\r\n");
}

void reply_entry_claimed(struct client *c, const struct event *e, int64_t idle,
                         int64_t deliveries) {
    const struct event_record *r = &e->rec;
    struct event_view v;
    event_view(r, &v);
    char *start = buf_reserve(&c->out, ID_ROOM + fields_room(r) + TAIL_ROOM);
    char *at = put_id(PUT(start, "*4\r\n"), event_entry_id(e));
    at = put_numbers(put_fields(at, r, &v), idle, deliveries);
    c->out.len += (size_t)(at - start);
}

/* Room for all of an entry of the log, and where to write behind its origin. */
static size_t log_entry_room(const struct event *e, const struct origin *origin) {
    return ID_ROOM + fields_room(&e->rec) + ORIGIN_ROOM + origin->stream.len + TAIL_ROOM;
}

static struct origin origin_of(const struct client *c, const struct event *e, uint64_t view) {
    struct stream_name *name = model_name_at(&c->srv->model, e, view);
    return (struct origin){stream_name_str(name), event_entry_id(e)};
}

void put_log_entry_of(struct client *c, const struct event *e, struct stream_name *name) {
    struct origin origin = {stream_name_str(name), event_entry_id(e)};
    struct event_view v;
    event_view(&e->rec, &v);
    char *start = buf_reserve(&c->out, log_entry_room(e, &origin));
    char *at = put_id(PUT(start, "*2\r\n"), event_log_id(e));
    c->out.len += (size_t)(put_fields_behind(at, &e->rec, &v, &origin) - start);
}

void reply_log_entry(struct client *c, const struct event *e, uint64_t view) {
    put_log_entry_of(c, e, model_name_at(&c->srv->model, e, view));
}

void reply_log_entry_claimed(struct client *c, const struct event *e, uint64_t view, int64_t idle,
                             int64_t deliveries) {
    struct origin origin = origin_of(c, e, view);
    struct event_view v;
    event_view(&e->rec, &v);
    char *start = buf_reserve(&c->out, log_entry_room(e, &origin));
    char *at = put_id(PUT(start, "*4\r\n"), event_log_id(e));
    at = put_numbers(put_fields_behind(at, &e->rec, &v, &origin), idle, deliveries);
    c->out.len += (size_t)(at - start);
}

void reply_log_entries(struct client *c, struct event *const *events, size_t n, uint64_t view) {
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        event_fetch_ahead(events, n, i);
        reply_log_entry(c, events[i], view);
    }
}

void reply_log_entry_list(struct client *c, const struct entry_list *l, uint64_t view) {
    c->srv->stats.events_read += l->count;
    if (LIKELY(!long_reply_suits(c, l->bytes))) {
        reply_log_entries(c, l->events, l->count, view);
        return;
    }
    reply_array(c, l->count);
    long_reply(c, l->events, l->count, put_log_entry_of, view);
}

void reply_entries(struct client *c, struct event *const *events, size_t n) {
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        event_fetch_ahead(events, n, i);
        reply_entry(c, events[i]);
    }
}

void reply_entry_list(struct client *c, const struct entry_list *l) {
    c->srv->stats.events_read += l->count;
    if (LIKELY(!long_reply_suits(c, l->bytes))) {
        reply_entries(c, l->events, l->count);
        return;
    }
    reply_array(c, l->count);
    long_reply(c, l->events, l->count, put_entry_of, 0);
}

static bool has_large(const struct entry_list *l) {
    for (size_t i = 0; i < l->count; i++)
        if (l->events[i]->size > LONG_EVENT_LEAST) return true;
    return false;
}

void reply_found_entries(struct client *c, const struct entry_list *l, bool of_log, uint64_t view,
                         bool last) {
    if (UNLIKELY(last && long_reply_suits(c, l->bytes)) && has_large(l)) {
        reply_array(c, l->count);
        long_reply(c, l->events, l->count, of_log ? put_log_entry_of : put_entry_of,
                   of_log ? view : 0);
    } else if (of_log) {
        reply_log_entries(c, l->events, l->count, view);
    } else {
        reply_entries(c, l->events, l->count);
    }
}

size_t entry_size(const struct event *e) {
    struct event_view v;
    event_view(&e->rec, &v);
    if (!(e->rec.flags & EVENT_FIELDS)) {
        char version[20];
        size_t names = sizeof "event_idtypeversionpayload" - 1;
        if (v.metadata.len > 0) names += sizeof "metadata" - 1;
        if (v.correlation != NULL) names += sizeof "correlation_id" - 1 + UUID_TEXT_LEN;
        if (v.causation != NULL) names += sizeof "causation_id" - 1 + UUID_TEXT_LEN;
        if (v.aggregate.len > 0) names += sizeof "aggregate_id" - 1;
        return names + UUID_TEXT_LEN + v.type.len + u64_to_dec(e->rec.version, version) +
               v.payload.len + v.metadata.len + v.aggregate.len;
    }
    if (v.payload.len == 0) return 0;
    size_t size = 0;
    struct fields_iter iter;
    struct str field, value;
    fields_first(v.payload, &iter);
    while (fields_next(&iter, &field, &value)) size += field.len + value.len;
    return size;
}
