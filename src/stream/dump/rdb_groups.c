/* A stream in a payload of RESTORE, but for its entries: last id, counts, groups; see rdb.h.
 *
 *   listpacks (rdb_entries.c); length, last id, [first id, deleted id, entries added]
 *   groups, each: name, last id, [entries read],
 *     pending entries, each: id, time, deliveries
 *     consumers, each: name, seen, [active,] pending entries, each: id
 *
 * What is in brackets came with later types. */
#include "base/alloc.h"
#include "stream/dump/rdb_parts.h"

#define PENDING_BYTES 25 /* of one, at least */

/* ---- pending entries ---- */

struct pel {
    struct dump_pending *items; /* ascending ids */
    uint64_t count;
};

static bool read_pel(struct rdb_in *in, struct pel *pel) {
    uint64_t n, deliveries;
    struct entry_id last = {0, 0};
    if (!rdb_len(in, &n) || n > in->rest.len / PENDING_BYTES || n > UINT32_MAX) return false;
    pel->items = xcalloc((size_t)MAX(n, (uint64_t)1), sizeof *pel->items);
    for (pel->count = 0; pel->count < n; pel->count++) {
        struct dump_pending *p = &pel->items[pel->count];
        if (!rdb_id_raw(in, &p->id) || !rdb_take(in, &p->delivered, sizeof p->delivered) ||
            !rdb_len(in, &deliveries) || (pel->count > 0 && entry_id_cmp(p->id, last) <= 0))
            return false;
        p->deliveries = (uint32_t)MIN(deliveries, (uint64_t)DELIVERIES_MAX);
        last = p->id;
    }
    return true;
}

static struct dump_pending *find(const struct pel *pel, struct entry_id id) {
    uint64_t low = 0, high = pel->count;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        int cmp = entry_id_cmp(pel->items[mid].id, id);
        if (cmp == 0) return &pel->items[mid];
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int by_time(const void *a, const void *b) {
    const struct dump_pending *x = a, *y = b;
    if (x->delivered != y->delivered) return x->delivered < y->delivered ? -1 : 1;
    return entry_id_cmp(x->id, y->id);
}

/* ---- consumers ---- */

static bool read_consumer(struct rdb_in *in, struct buf *unpacked, const struct pel *pel,
                          uint32_t place) {
    struct dump_consumer c = {0};
    struct str name;
    uint64_t n;
    if (!rdb_text(in, unpacked, &name) || name.len > DUMP_NAME_MAX ||
        !rdb_take(in, &c.seen, sizeof c.seen))
        return false;
    c.active = c.seen; /* the nearest that older ones say */
    if (in->type >= RDB_STREAM_3 && !rdb_take(in, &c.active, sizeof c.active)) return false;
    c.name_len = (uint16_t)name.len;
    buf_put(in->out, &c, sizeof c);
    buf_put_str(in->out, name);
    if (!rdb_len(in, &n)) return false;
    for (uint64_t i = 0; i < n; i++) {
        struct entry_id id;
        struct dump_pending *p = rdb_id_raw(in, &id) ? find(pel, id) : NULL;
        if (p == NULL || p->consumer != 0) return false;
        p->consumer = place;
    }
    return true;
}

static bool read_consumers(struct rdb_in *in, struct buf *unpacked, const struct pel *pel,
                           uint32_t *count) {
    uint64_t n, owned = 0;
    if (!rdb_len(in, &n) || n > in->rest.len) return false;
    for (*count = 0; *count < n; ++*count)
        if (*count == UINT32_MAX || !read_consumer(in, unpacked, pel, *count + 1)) return false;
    for (uint64_t i = 0; i < pel->count; i++) owned += pel->items[i].consumer != 0;
    return owned == pel->count;
}

/* ---- groups ---- */

/* What Redis before 7.0 did not count: entries read up to the last delivered one, -1 when nothing
 * tells. Nothing is said to have been deleted. */
static int64_t estimate_read(const struct dump_stream *s, struct entry_id first,
                             struct entry_id at) {
    int to_last = entry_id_cmp(at, s->last);
    if (s->added == 0) return 0;
    if (to_last == 0 || (s->events == 0 && to_last < 0)) return (int64_t)s->added;
    if (to_last > 0 || s->events == 0) return -1;
    int to_first = entry_id_cmp(at, first);
    return to_first > 0 ? -1 : to_first == 0;
}

static bool read_group(struct rdb_in *in, struct buf *unpacked, const struct dump_stream *s,
                       struct entry_id first) {
    struct dump_group g = {0};
    struct pel pel = {0};
    struct str name;
    uint64_t read = 0;
    size_t at = in->out->len;
    if (!rdb_text(in, unpacked, &name) || name.len > DUMP_NAME_MAX) return false;
    g.name_len = (uint16_t)name.len;
    buf_put(in->out, &g, sizeof g); /* again when all of it is known */
    buf_put_str(in->out, name);
    bool good = rdb_id(in, &g.last) && (in->type < RDB_STREAM_2 || rdb_len(in, &read)) &&
                read_pel(in, &pel) && read_consumers(in, unpacked, &pel, &g.consumers);
    if (good) {
        g.entries_read = in->type < RDB_STREAM_2 ? estimate_read(s, first, g.last) : (int64_t)read;
        g.pending = (uint32_t)pel.count;
        if (pel.count > 1) qsort(pel.items, (size_t)pel.count, sizeof *pel.items, by_time);
        buf_put(in->out, pel.items, (size_t)pel.count * sizeof *pel.items);
        if (!in->out->overflow) memcpy(in->out->data + at, &g, sizeof g);
    }
    free(pel.items);
    return good;
}

static bool read_groups(struct rdb_in *in, struct dump_stream *s, struct entry_id first) {
    struct buf unpacked;
    uint64_t n;
    if (!rdb_len(in, &n) || n > in->rest.len) return false;
    buf_init(&unpacked, 0);
    for (s->groups = 0; s->groups < n; s->groups++)
        if (s->groups == UINT32_MAX || !read_group(in, &unpacked, s, first)) break;
    buf_clear(&unpacked);
    return s->groups == n;
}

bool rdb_read_stream(struct rdb_in *in) {
    struct dump_stream s = {0};
    struct entry_id first = {0, 0}, said_first;
    uint64_t listpacks, length;
    dump_put_head(in->out, DUMP_STREAM);
    size_t at = in->out->len;
    buf_put(in->out, &s, sizeof s); /* again when all of it is known */
    if (!rdb_len(in, &listpacks) || !rdb_read_entries(in, listpacks, &s.events, &first) ||
        !rdb_len(in, &length) || length != s.events || !rdb_id(in, &s.last))
        return false;
    s.added = length;
    if (in->type >= RDB_STREAM_2 &&
        (!rdb_id(in, &said_first) || !rdb_id(in, &s.deleted) || !rdb_len(in, &s.added)))
        return false;
    if (!read_groups(in, &s, first)) return false;
    if (!in->out->overflow) memcpy(in->out->data + at, &s, sizeof s);
    dump_seal(in->out, 0);
    return true;
}
