/* Checking a dump, which may be any bytes; see dump.h. The checksum tells damage, not malice: so
 * everything that the model relies on is checked, too. */
#include "stream/dump/internal.h"

#include "record/fields.h"

#define RECORD_OVERHEAD 16   /* a record's head and padding in the journal, at most */
#define FRAME_OVERHEAD  1024 /* the frame's head, the records of the stream itself */

/* ---- parts ---- */

static bool take(struct str *body, void *out, size_t n) {
    if (body->len < n) return false;
    memcpy(out, body->ptr, n);
    *body = str_of(body->ptr + n, body->len - n);
    return true;
}

static bool take_str(struct str *body, size_t n, struct str *out) {
    if (body->len < n) return false;
    *out = str_of(body->ptr, n);
    *body = str_of(body->ptr + n, body->len - n);
    return true;
}

static bool take_uuid(struct str *body, bool present, const struct uuid **out) {
    struct str bytes;
    if (!present) return true;
    if (!take_str(body, sizeof **out, &bytes)) return false;
    *out = (const struct uuid *)(const void *)bytes.ptr;
    return true;
}

/* Times are kept as signed numbers. */
static bool is_time(uint64_t ms) {
    return ms <= INT64_MAX;
}

static bool no_reserved(const uint16_t reserved[3]) {
    return reserved[0] == 0 && reserved[1] == 0 && reserved[2] == 0;
}

bool dump_read_stream(struct str *body, struct dump_stream *out) {
    if (!take(body, out, sizeof *out)) return false;
    return out->reserved == 0 && out->added >= out->events && out->added <= INT64_MAX &&
           entry_id_cmp(out->deleted, out->last) <= 0;
}

static bool content_is_valid(const struct event_fields *f) {
    bool fields = f->flags & EVENT_FIELDS;
    if (fields && (f->metadata.len > 0 || f->aggregate.len > 0)) return false;
    if (f->aggregate.len > 0 && memchr(f->aggregate.ptr, '\0', f->aggregate.len) != NULL)
        return false;
    if (f->flags & EVENT_ERASED) return f->payload.len == 0 && f->metadata.len == 0;
    return !fields || fields_valid(f->payload);
}

bool dump_read_event(struct str *body, struct event_fields *out) {
    struct dump_event d;
    if (!take(body, &d, sizeof d)) return false;
    if (d.reserved != 0 || (d.flags & ~DUMP_EVENT_FLAGS) != 0 || !is_time(d.timestamp) ||
        d.type_len > DUMP_NAME_MAX || d.aggregate_len > DUMP_NAME_MAX)
        return false;
    *out = (struct event_fields){.timestamp = d.timestamp,
                                 .entry_ms = d.id.ms,
                                 .entry_seq = d.id.seq,
                                 .flags = d.flags & (EVENT_FIELDS | EVENT_ERASED)};
    return take_uuid(body, d.flags & EVENT_HAS_PARTITION_KEY, &out->partition_key) &&
           take_uuid(body, d.flags & EVENT_HAS_CORRELATION, &out->correlation) &&
           take_uuid(body, d.flags & EVENT_HAS_CAUSATION, &out->causation) &&
           take_str(body, d.type_len, &out->type) &&
           take_str(body, d.aggregate_len, &out->aggregate) &&
           take_str(body, d.metadata_len, &out->metadata) &&
           take_str(body, d.payload_len, &out->payload) && content_is_valid(out);
}

bool dump_read_group(struct str *body, struct dump_group *out, struct str *name) {
    if (!take(body, out, sizeof *out)) return false;
    return no_reserved(out->reserved) && out->entries_read >= -1 &&
           out->name_len <= DUMP_NAME_MAX && take_str(body, out->name_len, name);
}

bool dump_read_consumer(struct str *body, struct dump_consumer *out, struct str *name) {
    if (!take(body, out, sizeof *out)) return false;
    return no_reserved(out->reserved) && is_time(out->seen) &&
           (is_time(out->active) || out->active == CONSUMER_NEVER_ACTIVE) &&
           out->name_len <= DUMP_NAME_MAX && take_str(body, out->name_len, name);
}

bool dump_read_pending(struct str *body, struct dump_pending *out) {
    return take(body, out, sizeof *out) && is_time(out->delivered);
}

/* ---- all of it ---- */

static bool check_events(struct str *body, const struct dump_stream *s, struct dump *out) {
    struct entry_id last = {0, 0};
    for (uint64_t i = 0; i < s->events; i++) {
        struct event_fields f;
        if (!dump_read_event(body, &f)) return false;
        struct entry_id id = {f.entry_ms, f.entry_seq};
        if (entry_id_cmp(id, last) <= 0 || entry_id_cmp(id, s->last) > 0) return false;
        last = id;
        size_t uuids = (f.partition_key != NULL) + (f.correlation != NULL) + (f.causation != NULL);
        out->frame_bytes += RECORD_OVERHEAD + sizeof(struct event_record) +
                            uuids * sizeof(struct uuid) + f.type.len + f.aggregate.len +
                            f.metadata.len + f.payload.len;
    }
    return true;
}

/* Names ascend, so that none is there twice. */
static bool ascends(uint32_t i, struct str before, struct str name) {
    return i == 0 || str_cmp(before, name) < 0;
}

static bool check_group(struct str *body, const struct dump_group *g, struct dump *out) {
    struct str name, before = STR("");
    for (uint32_t i = 0; i < g->consumers; i++) {
        struct dump_consumer c;
        if (!dump_read_consumer(body, &c, &name) || !ascends(i, before, name)) return false;
        before = name;
        /* Once as it comes to be, once with its times. */
        out->frame_bytes += 2 * (RECORD_OVERHEAD + sizeof(struct consumer_record) + name.len);
    }
    uint64_t idle = 0; /* those without an owner have 0, and stand first */
    for (uint32_t i = 0; i < g->pending; i++) {
        struct dump_pending p;
        if (!dump_read_pending(body, &p) || p.consumer > g->consumers) return false;
        if (p.delivered < idle || (p.consumer == 0 && p.delivered != 0)) return false;
        idle = p.delivered; /* in order: finding a place for each could take long */
        out->frame_bytes += sizeof(struct pending_item);
    }
    return true;
}

static bool check_stream(struct str body, struct dump *out) {
    struct dump_stream s;
    struct str name, before = STR("");
    if (!dump_read_stream(&body, &s) || !check_events(&body, &s, out)) return false;
    for (uint32_t i = 0; i < s.groups; i++) {
        struct dump_group g;
        if (!dump_read_group(&body, &g, &name) || !ascends(i, before, name)) return false;
        before = name;
        out->frame_bytes += 2 * RECORD_OVERHEAD + sizeof(struct group_record) + name.len +
                            sizeof(struct pending_record);
        if (!check_group(&body, &g, out)) return false;
    }
    out->event_count = s.events;
    return body.len == 0;
}

bool dump_parse(struct str bytes, struct dump *out) {
    struct dump_head head;
    uint64_t sum;
    *out = (struct dump){.frame_bytes = FRAME_OVERHEAD};
    if (bytes.len < sizeof head + sizeof sum) return false;
    struct str body = str_of(bytes.ptr, bytes.len - sizeof sum);
    memcpy(&sum, body.ptr + body.len, sizeof sum);
    if (hash_checksum(body.ptr, body.len) != sum) return false;
    if (!take(&body, &head, sizeof head) ||
        memcmp(head.magic, DUMP_MAGIC, sizeof head.magic) != 0 || head.version != DUMP_VERSION ||
        head.reserved != 0)
        return false;
    out->body = body;
    out->is_string = head.kind == DUMP_STRING;
    if (!out->is_string) return head.kind == DUMP_STREAM && check_stream(body, out);
    out->frame_bytes += body.len;
    return true;
}
