/* The entries of a stream in a payload of RESTORE; see rdb.h. They are in listpacks, each with the
 * id that the ids in it count from:
 *
 *   entries, deleted ones, fields, each field's name, 0
 *   each entry: flags, milliseconds and sequence beyond that id,
 *     the same fields: each value; else: fields, each name and value
 *     how many elements these were
 *
 * A name of a million bytes, said once, can be that of any number of entries: so what comes out
 * is limited, and not only what goes in. */
#include "stream/dump/listpack.h"
#include "stream/dump/rdb_parts.h"

#define FIELDS_MAX ((size_t)1 << 30) /* bytes of one entry */

struct pack {
    struct rdb_in *in;
    struct buf fields; /* of the entry that is read, as RESP */
    struct entry_id base, id;
    struct listpack_in at, names;
    int64_t name_count;
    struct str type; /* the value of the field `type`: a view of `fields` */
    uint64_t live, gone;
};

static void put_text(struct buf *out, struct str text) {
    char digits[20];
    buf_put(out, "$", 1);
    buf_put(out, digits, u64_to_dec(text.len, digits));
    buf_put(out, "\r\n", 2);
    buf_put_str(out, text);
    buf_put(out, "\r\n", 2);
}

static void put_pair(struct pack *p, struct str name, struct str value, size_t *type_at) {
    if (p->in->out->overflow || p->fields.overflow) return;
    put_text(&p->fields, name);
    put_text(&p->fields, value);
    if (*type_at == 0 && str_eq(name, STR("type")) && !p->fields.overflow) {
        *type_at = p->fields.len - 2 - value.len;
        p->type.len = value.len <= DUMP_NAME_MAX ? value.len : 0;
    }
}

/* n fields and values; those of the listpack when `same`. skip: what they say is not needed. */
static bool read_fields(struct pack *p, bool same, int64_t n, bool skip) {
    struct listpack_in names = p->names;
    struct listpack_item name, value;
    char head[32] = "*";
    size_t type_at = 0, size = 1 + u64_to_dec((uint64_t)n * 2, head + 1);
    p->type = STR("");
    buf_reset(&p->fields);
    if (n > 0) {
        buf_put(&p->fields, head, size);
        buf_put(&p->fields, "\r\n", 2);
    }
    for (int64_t i = 0; i < n; i++) {
        if (!listpack_next(same ? &names : &p->at, &name) || !listpack_next(&p->at, &value))
            return false;
        if (!skip) put_pair(p, name.text, value.text, &type_at);
    }
    if (type_at != 0) p->type.ptr = p->fields.data + type_at;
    return true;
}

static void put_event(struct pack *p) {
    struct buf *out = p->in->out;
    if (p->fields.overflow) out->overflow = true;
    if (out->overflow) return;
    struct dump_event e = {.id = p->id,
                           .timestamp = MIN(p->id.ms, (uint64_t)INT64_MAX),
                           .payload_len = (uint32_t)p->fields.len,
                           .type_len = (uint16_t)p->type.len,
                           .flags = EVENT_FIELDS};
    if (p->fields.len == 0) e.flags |= EVENT_ERASED; /* no fields: such are ours */
    buf_put(out, &e, sizeof e);
    buf_put_str(out, p->type);
    buf_put_str(out, buf_str(&p->fields));
}

static bool read_entry(struct pack *p) {
    int64_t flags, ms, seq, n = p->name_count, elements;
    if (!listpack_next_int(&p->at, &flags) || !listpack_next_int(&p->at, &ms) ||
        !listpack_next_int(&p->at, &seq))
        return false;
    bool same = flags & ENTRY_SAME_FIELDS, deleted = flags & ENTRY_DELETED;
    if (!same && !listpack_next_int(&p->at, &n)) return false;
    /* Each takes two bytes or more: so n cannot be more than there are. */
    if (n < 0 || (uint64_t)n > p->at.rest.len || !read_fields(p, same, n, deleted)) return false;
    if (!listpack_next_int(&p->at, &elements) || elements != (same ? n + 3 : 2 * n + 4))
        return false;
    p->id = (struct entry_id){p->base.ms + (uint64_t)ms, p->base.seq + (uint64_t)seq};
    if (deleted) {
        p->gone++;
        return true;
    }
    p->live++;
    put_event(p);
    return true;
}

static bool read_listpack(struct pack *p, struct str bytes, struct entry_id *first) {
    struct listpack_item name;
    int64_t live, gone, zero;
    p->live = p->gone = 0;
    if (!listpack_open(bytes, &p->at) || !listpack_next_int(&p->at, &live) ||
        !listpack_next_int(&p->at, &gone) || !listpack_next_int(&p->at, &p->name_count))
        return false;
    p->names = p->at;
    for (int64_t i = 0; i < p->name_count; i++)
        if (!listpack_next(&p->at, &name)) return false;
    if (p->name_count < 0 || !listpack_next_int(&p->at, &zero) || zero != 0) return false;
    while (!listpack_at_end(&p->at)) {
        if (!read_entry(p)) return false;
        if (p->live == 1 && first != NULL) *first = p->id;
        if (p->live == 1) first = NULL;
    }
    return p->live == (uint64_t)live && p->gone == (uint64_t)gone;
}

bool rdb_read_entries(struct rdb_in *in, uint64_t listpacks, uint64_t *count,
                      struct entry_id *first) {
    struct pack p = {.in = in};
    struct buf unpacked;
    struct str bytes;
    bool good = true;
    size_t max = in->out->max;
    buf_init(&unpacked, 0);
    buf_init(&p.fields, max != 0 ? MIN(max, FIELDS_MAX) : FIELDS_MAX);
    *count = 0;
    for (uint64_t i = 0; good && i < listpacks; i++) {
        struct rdb_in key;
        good = rdb_text(in, &unpacked, &bytes);
        key.rest = bytes;
        good = good && bytes.len == 16 && rdb_id_raw(&key, &p.base) &&
               rdb_text(in, &unpacked, &bytes) &&
               read_listpack(&p, bytes, *count == 0 ? first : NULL);
        *count += p.live;
    }
    buf_clear(&unpacked);
    buf_clear(&p.fields);
    return good;
}
