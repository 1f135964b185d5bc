/* Composing event records. A page of a hundred is 60 KB, so that this is what a hot read costs:
 * room is made once an event, the constant parts are copied by length, nothing is formatted with
 * printf. */
#include "commands/event/reply.h"

#include "record/fields.h"
#include "server/server.h"
#include "commands/event/put.h"

#define RECORD_ROOM 1024 /* all keys, ids and numbers of a record together take less */

const struct uuid *event_partition_key_or_default(const struct event *e,
                                                  const struct stream_name *name) {
    const struct uuid *key = event_partition_key(&e->rec);
    return key != NULL ? key : &name->partition_key;
}

struct str event_shown_payload(const struct event_record *r, struct str payload) {
    static struct buf json;
    if (LIKELY(!(r->flags & EVENT_FIELDS)) || r->flags & EVENT_ERASED) return payload;
    json.len = 0;
    fields_to_json(payload, &json);
    return str_of(json.data, json.len);
}

void put_event(struct buf *out, int resp, const struct event *e, const struct stream_name *name) {
    const struct event_record *r = &e->rec;
    struct event_view v;
    event_view(r, &v);
    bool erased = r->flags & EVENT_ERASED;
    v.payload = event_shown_payload(r, v.payload);
    struct uuid transaction;
    event_transaction_id(r, &transaction);

    char *at = buf_reserve(out, RECORD_ROOM + name->rec.name_len + v.type.len + v.aggregate.len +
                                    v.metadata.len + v.payload.len);
    char *start = at;
    unsigned pairs =
        13 + (v.correlation != NULL) + (v.causation != NULL) + (v.aggregate.len > 0) + erased;
    *at++ = resp == 3 ? '%' : '*';
    at += u64_to_dec(resp == 3 ? pairs : pairs * 2, at);
    at = PUT(at, "\r\n+event_id\r\n+");
    at = put_uuid(at, &r->event_id);
    at = PUT(at, "+partition_key\r\n+");
    at = put_uuid(at, v.partition_key != NULL ? v.partition_key : &name->partition_key);
    at = PUT(at, "+partition_id\r\n:0\r\n+transaction_id\r\n+");
    at = put_uuid(at, &transaction);
    at = PUT(at, "+partition_sequence\r\n");
    at = put_number(at, r->sequence);
    at = PUT(at, "+stream_version\r\n");
    at = put_number(at, r->version);
    at = PUT(at, "+timestamp\r\n");
    at = put_number(at, r->timestamp);
    at = PUT(at, "+stream_id\r\n");
    at = put_bulk(at, stream_name_str(name));
    at = PUT(at, "+event_name\r\n");
    at = put_bulk(at, v.type);
    at = PUT(at, "+metadata\r\n");
    at = put_bulk(at, v.metadata);
    at = PUT(at, "+payload\r\n");
    at = put_bulk(at, v.payload);
    at = put_entry_id(PUT(at, "+entry_id\r\n+"), r->entry_ms, r->entry_seq);
    if (v.correlation != NULL) at = put_uuid(PUT(at, "+correlation_id\r\n+"), v.correlation);
    if (v.causation != NULL) at = put_uuid(PUT(at, "+causation_id\r\n+"), v.causation);
    if (v.aggregate.len > 0) at = put_bulk(PUT(at, "+aggregate_id\r\n"), v.aggregate);
    at = PUT(at, "+recorded\r\n");
    at = put_number(at, r->recorded);
    if (erased) at = resp == 3 ? PUT(at, "+erased\r\n#t\r\n") : PUT(at, "+erased\r\n:1\r\n");
    out->len += (size_t)(at - start);
}

void reply_event(struct client *c, const struct event *e, const struct stream_name *name) {
    put_event(&c->out, c->resp, e, name);
}

void reply_appended_event(struct client *c, const struct event *e) {
    const struct event_record *r = &e->rec;
    char *at = buf_reserve(&c->out, RECORD_ROOM), *start = at;
    at = c->resp == 3 ? PUT(at, "%7\r\n+event_id\r\n+") : PUT(at, "*14\r\n+event_id\r\n+");
    at = put_uuid(at, &r->event_id);
    at = PUT(at, "+partition_key\r\n+");
    at = put_uuid(at, event_partition_key_or_default(e, model_name(&c->srv->model, e)));
    at = PUT(at, "+partition_id\r\n:0\r\n+partition_sequence\r\n");
    at = put_number(at, r->sequence);
    at = PUT(at, "+stream_version\r\n");
    at = put_number(at, r->version);
    at = PUT(at, "+timestamp\r\n");
    at = put_number(at, r->timestamp);
    at = put_entry_id(PUT(at, "+entry_id\r\n+"), r->entry_ms, r->entry_seq);
    c->out.len += (size_t)(at - start);
}

void reply_appended_entry(struct client *c, const struct event *e) {
    const struct event_record *r = &e->rec;
    char *at = buf_reserve(&c->out, RECORD_ROOM), *start = at;
    at = c->resp == 3 ? PUT(at, "%5\r\n+event_id\r\n+") : PUT(at, "*10\r\n+event_id\r\n+");
    at = put_uuid(at, &r->event_id);
    at = PUT(at, "+stream_id\r\n+");
    struct str name = stream_name_str(model_name(&c->srv->model, e));
    memcpy(at, name.ptr, name.len);
    at += name.len;
    at = PUT(at, "\r\n+stream_version\r\n");
    at = put_number(at, r->version);
    at = PUT(at, "+timestamp\r\n");
    at = put_number(at, r->timestamp);
    at = put_entry_id(PUT(at, "+entry_id\r\n+"), r->entry_ms, r->entry_seq);
    c->out.len += (size_t)(at - start);
}

void reply_key(struct client *c, const char *key) {
    resp_put_simple(&c->out, str_c(key));
}

void reply_uuid(struct client *c, const char *key, const struct uuid *u) {
    reply_key(c, key);
    resp_put_uuid(&c->out, u);
}

void reply_number(struct client *c, const char *key, uint64_t v) {
    reply_key(c, key);
    resp_put_int(&c->out, (int64_t)v);
}
