/* Writing the payload of DUMP; see rdb.h, and rdb_entries.c and rdb_groups.c for the layout. */
#include <isa-l/crc64.h>

#include "base/alloc.h"
#include "record/fields.h"
#include "stream/dump/listpack.h"
#include "stream/dump/rdb_parts.h"

#define PACK_ENTRIES 100 /* as Redis divides them, when it is not configured */
#define PACK_BYTES   4096

/* ---- parts ---- */

static void put_len(struct buf *out, uint64_t n) {
    uint8_t b[9] = {RDB_LEN_64};
    size_t size = 9;
    if (n < 1 << 6) {
        b[0] = (uint8_t)n;
        size = 1;
    } else if (n < 1 << 14) {
        b[0] = (uint8_t)(RDB_LEN_14 | n >> 8);
        b[1] = (uint8_t)n;
        size = 2;
    } else if (n <= UINT32_MAX) {
        b[0] = RDB_LEN_32;
        for (unsigned i = 0; i < 4; i++) b[1 + i] = (uint8_t)(n >> (24 - 8 * i));
        size = 5;
    } else {
        for (unsigned i = 0; i < 8; i++) b[1 + i] = (uint8_t)(n >> (56 - 8 * i));
    }
    buf_put(out, b, size);
}

static void put_text(struct buf *out, struct str s) {
    put_len(out, s.len);
    buf_put_str(out, s);
}

static void put_id(struct buf *out, struct entry_id id) {
    put_len(out, id.ms);
    put_len(out, id.seq);
}

static void put_id_raw(struct buf *out, struct entry_id id) {
    uint8_t b[16];
    for (unsigned i = 0; i < 8; i++) {
        b[i] = (uint8_t)(id.ms >> (56 - 8 * i));
        b[8 + i] = (uint8_t)(id.seq >> (56 - 8 * i));
    }
    buf_put(out, b, sizeof b);
}

static void put_u64(struct buf *out, uint64_t n) {
    buf_put(out, &n, sizeof n);
}

/* ---- entries ---- */

/* Names and values of an entry: views of its event, of constants and of the texts here. */
struct entry_fields {
    struct str *args; /* name, value, name ... */
    size_t count, cap;
    char event_id[UUID_TEXT_LEN], correlation[UUID_TEXT_LEN], causation[UUID_TEXT_LEN], version[20];
};

static void add_pair(struct entry_fields *f, struct str name, struct str value) {
    if (f->count + 2 > f->cap) {
        f->cap = MAX(f->cap * 2, (size_t)16);
        f->args = xrealloc(f->args, f->cap * sizeof *f->args);
    }
    f->args[f->count++] = name;
    f->args[f->count++] = value;
}

static void add_uuid(struct entry_fields *f, struct str name, const struct uuid *u, char *text) {
    uuid_format(u, text);
    add_pair(f, name, str_of(text, UUID_TEXT_LEN));
}

/* As XRANGE shows them (commands/stream/entry_reply.c). */
static void fields_of(struct entry_fields *f, const struct event *e) {
    struct event_view v;
    event_view(&e->rec, &v);
    f->count = 0;
    if (e->rec.flags & EVENT_FIELDS) {
        struct fields_iter iter;
        struct str name, value;
        if (v.payload.len == 0) return; /* erased */
        fields_first(v.payload, &iter);
        while (fields_next(&iter, &name, &value)) add_pair(f, name, value);
        return;
    }
    add_uuid(f, STR("event_id"), &e->rec.event_id, f->event_id);
    add_pair(f, STR("type"), v.type);
    add_pair(f, STR("version"), str_of(f->version, u64_to_dec(e->rec.version, f->version)));
    add_pair(f, STR("payload"), v.payload);
    if (v.metadata.len > 0) add_pair(f, STR("metadata"), v.metadata);
    if (v.correlation != NULL) add_uuid(f, STR("correlation_id"), v.correlation, f->correlation);
    if (v.causation != NULL) add_uuid(f, STR("causation_id"), v.causation, f->causation);
    if (v.aggregate.len > 0) add_pair(f, STR("aggregate_id"), v.aggregate);
}

static bool same_names(const struct entry_fields *a, const struct entry_fields *b) {
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i += 2)
        if (!str_eq(a->args[i], b->args[i])) return false;
    return true;
}

static void put_entry(struct listpack_out *l, const struct entry_fields *f, bool same,
                      struct entry_id base, struct entry_id id) {
    int64_t n = (int64_t)(f->count / 2);
    listpack_put_int(l, same ? ENTRY_SAME_FIELDS : 0);
    listpack_put_int(l, (int64_t)(id.ms - base.ms));
    listpack_put_int(l, (int64_t)(id.seq - base.seq));
    if (!same) listpack_put_int(l, n);
    for (size_t i = 0; i < f->count; i += 2) {
        if (!same) listpack_put_str(l, f->args[i]);
        listpack_put_str(l, f->args[i + 1]);
    }
    listpack_put_int(l, same ? n + 3 : 2 * n + 4);
}

static void put_names(struct listpack_out *l, const struct entry_fields *f, size_t entries) {
    listpack_put_int(l, (int64_t)entries);
    listpack_put_int(l, 0);
    listpack_put_int(l, (int64_t)(f->count / 2));
    for (size_t i = 0; i < f->count; i += 2) listpack_put_str(l, f->args[i]);
    listpack_put_int(l, 0);
}

/* How many of the n events go into one listpack. */
static size_t pack_entries(struct event *const *events, size_t n) {
    size_t bytes = 0, i = 0;
    while (i < n && i < PACK_ENTRIES && bytes < PACK_BYTES)
        bytes +=
            sizeof(struct entry_id) + dump_event_bytes(events[i++]) - sizeof(struct dump_event);
    return i;
}

struct packer {
    struct buf pack;
    struct entry_fields first, other;
};

static void put_listpack(struct buf *out, struct packer *p, struct event *const *events, size_t n) {
    struct listpack_out l;
    struct entry_id base = event_entry_id(events[0]);
    buf_reset(&p->pack);
    listpack_begin(&l, &p->pack);
    fields_of(&p->first, events[0]);
    put_names(&l, &p->first, n);
    put_entry(&l, &p->first, true, base, base);
    for (size_t i = 1; i < n; i++) {
        fields_of(&p->other, events[i]);
        put_entry(&l, &p->other, same_names(&p->first, &p->other), base, event_entry_id(events[i]));
    }
    listpack_end(&l);
    put_len(out, sizeof(struct entry_id));
    put_id_raw(out, base);
    put_text(out, buf_str(&p->pack));
    if (p->pack.overflow) out->overflow = true;
}

static void put_entries(struct buf *out, struct event *const *events, size_t n) {
    struct packer p = {0};
    size_t packs = 0;
    buf_init(&p.pack, out->max);
    for (size_t i = 0; i < n; i += pack_entries(events + i, n - i)) packs++;
    put_len(out, packs);
    for (size_t i = 0, more; i < n && !out->overflow; i += more) {
        more = pack_entries(events + i, n - i);
        put_listpack(out, &p, events + i, more);
    }
    buf_clear(&p.pack);
    free(p.first.args);
    free(p.other.args);
}

/* ---- groups ---- */

static void put_pel(struct buf *out, const struct pending *p) {
    struct pending_cursor at = pending_seek(p, PENDING_ALL, ENTRY_ID_MIN);
    const struct pending_entry *e;
    put_len(out, pending_count(p));
    while ((e = pending_next(&at)) != NULL) {
        bool fatal = e->deliveries == DELIVERIES_MAX;
        put_id_raw(out, e->id);
        put_u64(out, pending_delivered(e));
        put_len(out, fatal ? (uint64_t)INT64_MAX : e->deliveries);
    }
}

static void put_ids(struct buf *out, const struct pending *p, uint32_t owner) {
    struct pending_cursor at = pending_seek(p, owner, ENTRY_ID_MIN);
    const struct pending_entry *e;
    while ((e = pending_next(&at)) != NULL) put_id_raw(out, e->id);
}

static void put_nacked(struct buf *out, const struct pending *p) {
    const struct pending_entry *e;
    for (e = pending_first_nacked(p); e != NULL; e = pending_next_nacked(p, e))
        put_id_raw(out, e->id);
}

static void put_consumers(struct buf *out, const struct cgroup *g) {
    const struct pending *p = &g->pending;
    uint32_t unowned = pending_count_of(p, PENDING_UNOWNED);
    struct consumer *const *consumers = consumers_in_order(g);
    struct consumer nobody = {.active = CONSUMER_NEVER_ACTIVE, .name = STR("")};
    bool has_nameless = g->consumer_count > 0 && consumers[0]->name.len == 0;
    bool adds = unowned > 0 && !has_nameless;
    put_len(out, g->consumer_count + adds);
    for (uint32_t i = 0; i < g->consumer_count + adds; i++) {
        const struct consumer *c = i >= adds ? consumers[i - adds] : &nobody;
        uint32_t extra = i == 0 ? unowned : 0; /* names ascend: that one is the first */
        put_text(out, c->name);
        put_u64(out, c->seen);
        put_u64(out, c->active);
        put_len(out, extra + (c->number != 0 ? pending_count_of(p, c->number) : 0));
        if (extra > 0) put_nacked(out, p);
        if (c->number != 0) put_ids(out, p, c->number);
    }
}

static void put_group(struct buf *out, const struct cgroup *g) {
    put_text(out, g->name);
    put_id(out, g->last);
    put_len(out, (uint64_t)g->entries_read);
    put_pel(out, &g->pending);
    put_consumers(out, g);
}

/* ---- all of it ---- */

static void put_stream(struct buf *out, const struct stream *s, struct event *const *events,
                       size_t n) {
    const struct entry_id none = {0, 0};
    const struct stream_extra *x = s->extra;
    uint32_t groups = x != NULL ? x->group_count : 0;
    put_entries(out, events, n);
    put_len(out, n);
    put_id(out, stream_last_id(s));
    put_id(out, n > 0 ? event_entry_id(events[0]) : none);
    put_id(out, x != NULL ? x->deleted : none);
    put_len(out, stream_entries_added(s));
    put_len(out, groups);
    struct cgroup *const *in_order = cgroups_in_order(s->extra);
    for (uint32_t i = 0; i < groups; i++) put_group(out, in_order[i]);
}

/* Whether there is something that the RDB value does not say. */
static bool says_more(const struct stream *s, struct event *const *events, size_t n) {
    const uint16_t ids = EVENT_HAS_PARTITION_KEY | EVENT_HAS_CORRELATION | EVENT_HAS_CAUSATION;
    const struct stream_extra *x = s->extra;
    for (size_t i = 0; i < n; i++) {
        const struct event_record *r = &events[i]->rec;
        bool erased = r->flags & EVENT_ERASED;
        if (!(r->flags & EVENT_FIELDS) || r->flags & ids || r->timestamp != r->entry_ms ||
            (erased && r->type_len > 0))
            return true;
    }
    if (x == NULL) return false;
    for (uint32_t i = 0; i < x->group_count; i++)
        if (pending_count_of(&x->groups[i]->pending, PENDING_UNOWNED) > 0) return true;
    return x->idempotent_seconds != 0 || x->idempotent_max != 0;
}

/* isa-l inverts the value before and after, Redis does neither. */
uint64_t rdb_checksum(const void *p, size_t n) {
    return ~crc64_jones_refl(~UINT64_C(0), p, n);
}

void rdb_write(struct buf *out, const struct stream *s, struct event *const *events, size_t n) {
    const struct stream_extra *x = s->extra;
    bool is_string = stream_is_string(s);
    uint8_t type = is_string ? RDB_STRING : RDB_STREAM_3;
    uint16_t version = RDB_VERSION;
    size_t start = out->len;
    buf_put(out, &type, 1);
    if (is_string)
        put_text(out, x != NULL ? str_of(x->value, x->value_len) : STR(""));
    else
        put_stream(out, s, events, n);
    if (!is_string && says_more(s, events, n)) dump_write(out, s, events, n);
    buf_put(out, &version, sizeof version);
    if (!out->overflow) put_u64(out, rdb_checksum(out->data + start, out->len - start));
}
