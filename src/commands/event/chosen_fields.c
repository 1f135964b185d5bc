/* See chosen_fields.h. Room is made once an event, as in reply.c. */
#include "commands/event/chosen_fields.h"

#include "commands/event/put.h"
#include "commands/event/reply.h"

#define OTHERS_ROOM 1024 /* all ids, numbers and lengths together take less */

static const struct str names[CHOSEN_FIELD_COUNT] = {
    [CHOSEN_EVENT_ID] = {"event_id", 8},
    [CHOSEN_PARTITION_KEY] = {"partition_key", 13},
    [CHOSEN_PARTITION_ID] = {"partition_id", 12},
    [CHOSEN_TRANSACTION_ID] = {"transaction_id", 14},
    [CHOSEN_PARTITION_SEQUENCE] = {"partition_sequence", 18},
    [CHOSEN_STREAM_VERSION] = {"stream_version", 14},
    [CHOSEN_TIMESTAMP] = {"timestamp", 9},
    [CHOSEN_STREAM_ID] = {"stream_id", 9},
    [CHOSEN_EVENT_NAME] = {"event_name", 10},
    [CHOSEN_METADATA] = {"metadata", 8},
    [CHOSEN_PAYLOAD] = {"payload", 7},
    [CHOSEN_ENTRY_ID] = {"entry_id", 8},
    [CHOSEN_CORRELATION_ID] = {"correlation_id", 14},
    [CHOSEN_CAUSATION_ID] = {"causation_id", 12},
    [CHOSEN_AGGREGATE_ID] = {"aggregate_id", 12},
    [CHOSEN_RECORDED] = {"recorded", 8},
    [CHOSEN_ERASED] = {"erased", 6},
    [CHOSEN_FIELDS] = {"fields", 6},
};

/* ---- parsing ---- */

static bool field_or_reply(struct client *c, struct str name, unsigned *field) {
    for (unsigned i = 0; i < CHOSEN_FIELD_COUNT; i++) {
        if (!str_eq(name, names[i])) continue;
        *field = i;
        return true;
    }
    reply_error(c,
                "INVALIDARG unknown field '%.*s' in FIELDS: expected one or more of event_id, "
                "partition_key, partition_id, transaction_id, partition_sequence, stream_version, "
                "timestamp, stream_id, event_name, metadata, payload, entry_id, correlation_id, "
                "causation_id, aggregate_id, recorded, erased, fields, with commas in between",
                (int)MIN(name.len, (size_t)64), name.ptr);
    return false;
}

bool chosen_fields_or_reply(struct client *c, struct str list, struct chosen_fields *out) {
    *out = (struct chosen_fields){0};
    unsigned seen = 0;
    for (size_t at = 0; at <= list.len;) {
        const char *comma = at < list.len ? memchr(list.ptr + at, ',', list.len - at) : NULL;
        size_t end = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        unsigned field;
        if (!field_or_reply(c, str_of(list.ptr + at, end - at), &field)) return false;
        if (seen & (1u << field)) {
            reply_error(c, "INVALIDARG field '%s' stands twice in FIELDS", names[field].ptr);
            return false;
        }
        seen |= 1u << field;
        out->fields[out->count++] = (uint8_t)field;
        at = end + 1;
    }
    return true;
}

bool chosen_fields_are_lean(const struct chosen_fields *chosen) {
    const unsigned lean = 1u << CHOSEN_PARTITION_ID | 1u << CHOSEN_PARTITION_SEQUENCE |
                          1u << CHOSEN_STREAM_VERSION | 1u << CHOSEN_TIMESTAMP |
                          1u << CHOSEN_STREAM_ID | 1u << CHOSEN_EVENT_NAME | 1u << CHOSEN_PAYLOAD |
                          1u << CHOSEN_RECORDED | 1u << CHOSEN_ERASED | 1u << CHOSEN_FIELDS;
    unsigned all = 0;
    for (unsigned i = 0; i < chosen->count; i++) all |= 1u << chosen->fields[i];
    return chosen->count > 0 && (all & ~lean) == 0;
}

/* ---- composing ---- */

static bool is_chosen(const struct chosen_fields *chosen, enum chosen_field field) {
    return memchr(chosen->fields, (int)field, chosen->count) != NULL;
}

/* One event on its way out. */
struct shown {
    const struct event_record *r;
    const struct event_view *view;
    const struct stream_name *name;
    struct str payload; /* of XADD: as JSON, if it was chosen */
    int resp;
};

static char *put_null(char *at, int resp) {
    return resp == 3 ? PUT(at, "_\r\n") : PUT(at, "$-1\r\n");
}

static char *put_uuid_or_null(char *at, const struct uuid *u, int resp) {
    if (u == NULL) return put_null(at, resp);
    *at++ = '+';
    return put_uuid(at, u);
}

/* The fields of an XADD are kept as the array that they are sent as. */
static char *put_fields(char *at, const struct shown *s) {
    if (!(s->r->flags & EVENT_FIELDS)) return put_null(at, s->resp);
    if (s->view->payload.len == 0) return PUT(at, "*0\r\n"); /* erased */
    memcpy(at, s->view->payload.ptr, s->view->payload.len);
    return at + s->view->payload.len;
}

static char *put_field(char *at, enum chosen_field field, const struct shown *s) {
    const struct event_record *r = s->r;
    const struct event_view *v = s->view;
    struct uuid transaction;
    switch (field) {
    case CHOSEN_EVENT_ID:
        return put_uuid_or_null(at, &r->event_id, s->resp);
    case CHOSEN_PARTITION_KEY:
        return put_uuid_or_null(
            at, v->partition_key != NULL ? v->partition_key : &s->name->partition_key, s->resp);
    case CHOSEN_PARTITION_ID:
        return put_number(at, 0);
    case CHOSEN_TRANSACTION_ID:
        event_transaction_id(r, &transaction);
        return put_uuid_or_null(at, &transaction, s->resp);
    case CHOSEN_PARTITION_SEQUENCE:
        return put_number(at, r->sequence);
    case CHOSEN_STREAM_VERSION:
        return put_number(at, r->version);
    case CHOSEN_TIMESTAMP:
        return put_number(at, r->timestamp);
    case CHOSEN_STREAM_ID:
        return put_bulk(at, stream_name_str(s->name));
    case CHOSEN_EVENT_NAME:
        return put_bulk(at, v->type);
    case CHOSEN_METADATA:
        return put_bulk(at, v->metadata);
    case CHOSEN_PAYLOAD:
        return put_bulk(at, s->payload);
    case CHOSEN_ENTRY_ID:
        return put_entry_id(PUT(at, "+"), r->entry_ms, r->entry_seq);
    case CHOSEN_CORRELATION_ID:
        return put_uuid_or_null(at, v->correlation, s->resp);
    case CHOSEN_CAUSATION_ID:
        return put_uuid_or_null(at, v->causation, s->resp);
    case CHOSEN_AGGREGATE_ID:
        return v->aggregate.len > 0 ? put_bulk(at, v->aggregate) : put_null(at, s->resp);
    case CHOSEN_RECORDED:
        return put_number(at, r->recorded);
    case CHOSEN_ERASED:
        if (!(r->flags & EVENT_ERASED)) return put_null(at, s->resp);
        return s->resp == 3 ? PUT(at, "#t\r\n") : PUT(at, ":1\r\n");
    case CHOSEN_FIELDS:
        return put_fields(at, s);
    case CHOSEN_FIELD_COUNT:
        break;
    }
    assert(false);
    return at;
}

void put_chosen_event(struct buf *out, int resp, const struct event *e,
                      const struct stream_name *name, const struct chosen_fields *chosen) {
    if (chosen->count == 0) {
        put_event(out, resp, e, name);
        return;
    }
    struct event_view v;
    event_view(&e->rec, &v);
    struct shown s = {.r = &e->rec, .view = &v, .name = name, .resp = resp};
    size_t room = OTHERS_ROOM + name->rec.name_len + v.type.len + v.aggregate.len;
    if (is_chosen(chosen, CHOSEN_PAYLOAD)) {
        s.payload = event_shown_payload(&e->rec, v.payload);
        room += s.payload.len;
    }
    if (is_chosen(chosen, CHOSEN_METADATA)) room += v.metadata.len;
    if (is_chosen(chosen, CHOSEN_FIELDS)) room += v.payload.len;
    char *at = buf_reserve(out, room), *start = at;
    *at++ = '*';
    at += u64_to_dec(chosen->count, at);
    at = PUT(at, "\r\n");
    for (unsigned i = 0; i < chosen->count; i++)
        at = put_field(at, (enum chosen_field)chosen->fields[i], &s);
    out->len += (size_t)(at - start);
}

void reply_chosen_event(struct client *c, const struct event *e, const struct stream_name *name,
                        const struct chosen_fields *chosen) {
    put_chosen_event(&c->out, c->resp, e, name, chosen);
}
