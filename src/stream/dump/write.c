/* Writing a dump; see dump.h. */
#include "stream/dump/internal.h"

static size_t uuids_bytes(const struct event_view *v) {
    size_t n = (v->partition_key != NULL) + (v->correlation != NULL) + (v->causation != NULL);
    return n * sizeof(struct uuid);
}

size_t dump_event_bytes(const struct event *e) {
    struct event_view v;
    event_view(&e->rec, &v);
    return sizeof(struct dump_event) + uuids_bytes(&v) + v.type.len + v.aggregate.len +
           v.metadata.len + v.payload.len;
}

static void write_event(struct buf *out, const struct event *e) {
    struct event_view v;
    event_view(&e->rec, &v);
    struct dump_event d = {.id = event_entry_id(e),
                           .timestamp = e->rec.timestamp,
                           .payload_len = e->rec.payload_len,
                           .metadata_len = e->rec.metadata_len,
                           .type_len = e->rec.type_len,
                           .aggregate_len = e->rec.aggregate_len,
                           .flags = e->rec.flags & DUMP_EVENT_FLAGS};
    buf_put(out, &d, sizeof d);
    const struct uuid *const ids[] = {v.partition_key, v.correlation, v.causation};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        if (ids[i] != NULL) buf_put(out, ids[i], sizeof *ids[i]);
    buf_put_str(out, v.type);
    buf_put_str(out, v.aggregate);
    buf_put_str(out, v.metadata);
    buf_put_str(out, v.payload);
}

/* ---- groups ---- */

static size_t group_bytes(const struct cgroup *g) {
    size_t bytes = sizeof(struct dump_group) + g->name.len +
                   pending_count(&g->pending) * sizeof(struct dump_pending);
    for (uint32_t i = 0; i < g->consumer_count; i++)
        bytes += sizeof(struct dump_consumer) + g->consumers[i]->name.len;
    return bytes;
}

/* The place of a consumer's name among the group's, from 1. Numbers have gaps, places have not. */
static uint32_t place_of(const struct cgroup *g, uint32_t number) {
    const struct consumer *c = cgroup_consumer_at(g, number);
    uint32_t low = 0, high = g->consumer_count;
    while (c != NULL && low < high) {
        uint32_t mid = low + (high - low) / 2;
        int cmp = str_cmp(g->consumers[mid]->name, c->name);
        if (cmp == 0) return mid + 1;
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

static void write_pending(struct buf *out, const struct cgroup *g, const struct pending_entry *e) {
    struct dump_pending d = {.id = e->id,
                             .delivered = pending_delivered(e),
                             .consumer = place_of(g, e->consumer),
                             .deliveries = e->deliveries};
    buf_put(out, &d, sizeof d);
}

static void write_group(struct buf *out, const struct cgroup *g) {
    const struct pending *p = &g->pending;
    struct dump_group d = {.last = g->last,
                           .entries_read = g->entries_read,
                           .consumers = g->consumer_count,
                           .pending = pending_count(p),
                           .name_len = (uint16_t)g->name.len};
    buf_put(out, &d, sizeof d);
    buf_put_str(out, g->name);
    struct consumer *const *consumers = consumers_in_order(g);
    for (uint32_t i = 0; i < g->consumer_count; i++) {
        const struct consumer *c = consumers[i];
        struct dump_consumer dc = {
            .seen = c->seen, .active = c->active, .name_len = (uint16_t)c->name.len};
        buf_put(out, &dc, sizeof dc);
        buf_put_str(out, c->name);
    }
    const struct pending_entry *e;
    for (e = pending_first_nacked(p); e != NULL; e = pending_next_nacked(p, e))
        write_pending(out, g, e);
    for (e = pending_oldest(p); e != NULL; e = pending_next_idle(p, e)) write_pending(out, g, e);
}

/* ---- all of it ---- */

size_t dump_other_bytes(const struct stream *s) {
    const struct stream_extra *x = s->extra;
    size_t bytes = sizeof(struct dump_head) + DUMP_CHECK_SIZE;
    if (stream_is_string(s)) return bytes + (x != NULL ? x->value_len : 0);
    bytes += sizeof(struct dump_stream);
    for (uint32_t i = 0; x != NULL && i < x->group_count; i++) bytes += group_bytes(x->groups[i]);
    return bytes;
}

static void write_stream(struct buf *out, const struct stream *s, struct event *const *events,
                         size_t n) {
    struct dump_stream d = {
        .events = n, .added = stream_entries_added(s), .last = stream_last_id(s)};
    const struct stream_extra *x = s->extra;
    if (x != NULL) {
        d.deleted = x->deleted;
        d.groups = x->group_count;
        d.idempotent_seconds = x->idempotent_seconds;
        d.idempotent_max = x->idempotent_max;
    }
    buf_put(out, &d, sizeof d);
    for (size_t i = 0; i < n; i++) write_event(out, events[i]);
    struct cgroup *const *groups = cgroups_in_order(s->extra);
    for (uint32_t i = 0; i < d.groups; i++) write_group(out, groups[i]);
}

void dump_put_head(struct buf *out, enum dump_kind kind) {
    struct dump_head head = {.version = DUMP_VERSION, .kind = (uint16_t)kind};
    memcpy(head.magic, DUMP_MAGIC, sizeof head.magic);
    buf_put(out, &head, sizeof head);
}

void dump_seal(struct buf *out, size_t start) {
    if (out->overflow) return;
    uint64_t sum = hash_checksum(out->data + start, out->len - start);
    buf_put(out, &sum, sizeof sum);
}

void dump_write(struct buf *out, const struct stream *s, struct event *const *events, size_t n) {
    bool is_string = stream_is_string(s);
    size_t start = out->len;
    dump_put_head(out, is_string ? DUMP_STRING : DUMP_STREAM);
    if (!is_string)
        write_stream(out, s, events, n);
    else if (s->extra != NULL)
        buf_put(out, s->extra->value, s->extra->value_len);
    dump_seal(out, start);
}
