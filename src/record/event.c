/* Events and stream names: one allocation each, immutable afterwards.
 *
 * An event is its record: the fixed part, then the optional uuids in the order of their
 * flags, then type, aggregate id, metadata and payload, without gaps. The record is what the
 * journal writes, so nothing here may depend on pointers or on uninitialised padding.
 *
 * Reference counts are plain integers: the loop thread owns them (see event.h). */
#include "record/event.h"

#include "base/alloc.h"
#include "record/fields.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define EVENT_FLAGS_UUIDS ((1u << EVENT_UUID_FLAGS) - 1)
#define EVENT_FLAGS_ALL   (EVENT_FLAGS_UUIDS | EVENT_FIELDS | EVENT_ERASED)
#define STREAM_NUMBER_MAX 0x7fffffffu
/* Contents up to this are gathered on the stack and hashed in one call. */
#define HASH_INLINE_MAX 1024

static const struct uuid name_namespace = {{0x21, 0x9b, 0xd6, 0x37, 0xe2, 0x79, 0x53, 0xe9, 0x9e,
                                            0x2b, 0xea, 0xbe, 0x5d, 0x91, 0x20, 0xcc}};

static size_t uuid_bytes(unsigned flags) {
    static const uint8_t bits[1 << EVENT_UUID_FLAGS] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2,
                                                        3, 2, 3, 3, 4, 1, 2, 2, 3, 2, 3,
                                                        3, 4, 2, 3, 3, 4, 3, 4, 4, 5};
    return bits[flags & EVENT_FLAGS_UUIDS] * sizeof(struct uuid);
}

static uint8_t *put(uint8_t *at, const void *p, size_t n) {
    if (n > 0) memcpy(at, p, n);
    return at + n;
}

struct event_fields event_place(const struct event_record *r) {
    return (struct event_fields){.sequence = r->sequence,
                                 .version = r->version,
                                 .timestamp = r->timestamp,
                                 .recorded = r->recorded,
                                 .entry_ms = r->entry_ms,
                                 .entry_seq = r->entry_seq,
                                 .event_id = r->event_id,
                                 .flags = r->flags & (EVENT_FIELDS | EVENT_ERASED)};
}

struct event *event_create(const struct event_fields *f, struct stream_name *name) {
    /* In the order of enum event_flag. */
    const struct uuid *const ids[EVENT_UUID_FLAGS] = {
        f->partition_key, f->transaction, f->correlation, f->causation, f->content_hash};
    unsigned flags = 0;
    for (unsigned i = 0; i < EVENT_UUID_FLAGS; i++)
        if (ids[i] != NULL) flags |= 1u << i;

    assert(f->type.len <= UINT16_MAX);
    assert(f->aggregate.len <= UINT16_MAX);
    assert(f->metadata.len <= UINT32_MAX);
    assert(f->payload.len <= UINT32_MAX);
    size_t size = sizeof(struct event) + uuid_bytes(flags) + f->type.len + f->aggregate.len +
                  f->metadata.len + f->payload.len;
    assert(size <= UINT32_MAX);

    struct event *e = xmalloc(size);
    e->refs = 1;
    e->packed = e->counted = 0;
    e->size = (uint32_t)size & INT32_MAX;
    e->removed = 0;
    e->frame = 0;
    e->name = stream_name_ref(name);
    struct event_record *r = &e->rec;
    r->sequence = f->sequence;
    r->version = f->version;
    r->stream = name->rec.number;
    r->timestamp = f->timestamp;
    r->recorded = f->recorded;
    r->entry_ms = f->entry_ms;
    r->entry_seq = f->entry_seq;
    r->event_id = f->event_id;
    r->payload_len = (uint32_t)f->payload.len;
    r->metadata_len = (uint32_t)f->metadata.len;
    r->type_len = (uint16_t)f->type.len;
    r->aggregate_len = (uint16_t)f->aggregate.len;
    r->flags = (uint16_t)(flags | f->flags);
    r->reserved = 0;
    uint8_t *at = r->bytes;
    for (unsigned i = 0; i < EVENT_UUID_FLAGS; i++)
        if (ids[i] != NULL) at = put(at, ids[i]->b, sizeof(struct uuid));
    at = put(at, f->type.ptr, f->type.len);
    at = put(at, f->aggregate.ptr, f->aggregate.len);
    at = put(at, f->metadata.ptr, f->metadata.len);
    if (f->fields != NULL)
        at = (uint8_t *)fields_write((char *)at, f->fields, f->field_count);
    else
        at = put(at, f->payload.ptr, f->payload.len);
    assert(at == (uint8_t *)e + size);
    return e;
}

/* ---- packed events: each has the address of its block in front ---- */

struct block {
    uint32_t live; /* events */
    uint32_t bytes;
};
_Static_assert(sizeof(struct block) == EVENT_BLOCK_BYTES, "as the header says");

static struct block **block_of(struct event *e) {
    return (struct block **)(void *)e - 1;
}

size_t event_packed_size(const struct event *e) {
    return sizeof(struct block *) + ((e->size + 7) & ~(size_t)7);
}

size_t event_pack(struct event *const *events, size_t n, struct event **copies) {
    size_t bytes = sizeof(struct block);
    for (size_t i = 0; i < n; i++) bytes += event_packed_size(events[i]);
    assert(n > 0);
    assert(bytes <= UINT32_MAX);
    struct block *block = xmalloc(bytes);
    *block = (struct block){(uint32_t)n, (uint32_t)bytes};
    char *at = (char *)(block + 1);
    for (size_t i = 0; i < n; i++) {
        struct event *copy = copies[i] = (struct event *)(void *)(at + sizeof(struct block *));
        memcpy(copy, events[i], events[i]->size);
        copy->refs = copy->packed = 1;
        copy->counted = 0;
        stream_name_ref(copy->name);
        *block_of(copy) = block;
        at += event_packed_size(events[i]);
    }
    return bytes;
}

size_t event_destroy(struct event *e) {
    assert(e->refs == 0);
    stream_name_unref(e->name);
    size_t bytes = e->size;
    if (!e->packed) {
        free(e);
        return bytes;
    }
    struct block *block = *block_of(e);
    if (--block->live > 0) return 0;
    bytes = block->bytes;
    free(block);
    return bytes;
}

struct stream_name *stream_name_create(uint64_t number, uint64_t created, struct str name) {
    /* 0: a stream whose number is not decided yet; its records are not valid. */
    assert(number <= STREAM_NUMBER_MAX);
    assert(name.len > 0);
    assert(name.len <= UINT16_MAX);
    struct stream_name *n = xmalloc(sizeof *n + name.len);
    n->refs = 1;
    n->resident = NULL;
    n->quiet = n->deaf = 0;
    partition_key_of(name, &n->partition_key);
    n->category = category_number(name);
    n->rec.number = number;
    n->rec.created = created;
    n->rec.name_len = (uint16_t)name.len;
    n->rec.kind = KIND_STREAM;
    memset(n->rec.reserved, 0, sizeof n->rec.reserved);
    memcpy(n->rec.name, name.ptr, name.len);
    return n;
}

struct str stream_category(struct str name) {
    const char *dash = name.len > 0 ? memchr(name.ptr, '-', name.len) : NULL;
    return dash != NULL ? str_of(name.ptr, (size_t)(dash - name.ptr)) : name;
}

uint32_t category_number(struct str name) {
    struct str category = stream_category(name);
    return category.len == name.len ? CATEGORY_NONE : category_number_of(category);
}

uint32_t category_number_of(struct str category) {
    uint32_t hash = (uint32_t)(XXH3_64bits(category.ptr, category.len) >> (64 - CATEGORY_BITS));
    return MAX(hash, (uint32_t)CATEGORY_NONE + 1);
}

void stream_name_unref(struct stream_name *n) {
    if (n == NULL) return;
    assert(n->refs > 0);
    if (--n->refs == 0) free(n);
}

size_t event_record_len(const struct event_record *r) {
    return sizeof *r + uuid_bytes(r->flags) + r->type_len + r->aggregate_len + r->metadata_len +
           r->payload_len;
}

/* The uuid of one flag: behind those of the lower flags. */
static const struct uuid *record_uuid(const struct event_record *r, unsigned flag) {
    if ((r->flags & flag) == 0) return NULL;
    return (const struct uuid *)(r->bytes + uuid_bytes(r->flags & (flag - 1)));
}

const struct uuid *event_partition_key(const struct event_record *r) {
    return record_uuid(r, EVENT_HAS_PARTITION_KEY);
}
const struct uuid *event_transaction(const struct event_record *r) {
    return record_uuid(r, EVENT_HAS_TRANSACTION);
}
const struct uuid *event_correlation(const struct event_record *r) {
    return record_uuid(r, EVENT_HAS_CORRELATION);
}
const struct uuid *event_causation(const struct event_record *r) {
    return record_uuid(r, EVENT_HAS_CAUSATION);
}
const struct uuid *event_content_hash(const struct event_record *r) {
    return record_uuid(r, EVENT_CLIENT_ID);
}

struct str event_type(const struct event_record *r) {
    return str_of(r->bytes + uuid_bytes(r->flags), r->type_len);
}
struct str event_aggregate(const struct event_record *r) {
    return str_of(r->bytes + uuid_bytes(r->flags) + r->type_len, r->aggregate_len);
}
struct str event_metadata(const struct event_record *r) {
    return str_of(r->bytes + uuid_bytes(r->flags) + r->type_len + r->aggregate_len,
                  r->metadata_len);
}
struct str event_payload(const struct event_record *r) {
    return str_of(r->bytes + uuid_bytes(r->flags) + r->type_len + r->aggregate_len +
                      r->metadata_len,
                  r->payload_len);
}

bool stream_number_valid(uint64_t number) {
    return number > 0 && number <= STREAM_NUMBER_MAX;
}

bool event_record_valid(const struct event_record *r, size_t len) {
    if (len < sizeof *r) return false;
    if ((r->flags & ~EVENT_FLAGS_ALL) != 0 || r->reserved != 0) return false;
    if (!stream_number_valid(r->stream)) return false;
    if (event_record_len(r) != len) return false;
    if (r->flags & EVENT_ERASED) return r->payload_len == 0 && r->metadata_len == 0;
    return (r->flags & EVENT_FIELDS) == 0 || fields_valid(event_payload(r));
}

bool stream_record_valid(const struct stream_record *r, size_t len) {
    if (len < sizeof *r) return false;
    if (r->reserved[0] != 0 || r->reserved[1] != 0 || r->kind > KIND_VIRTUAL) return false;
    if (!stream_number_valid(r->number) || r->name_len == 0) return false;
    return sizeof *r + r->name_len == len;
}

void event_transaction_id(const struct event_record *r, struct uuid *out) {
    const struct uuid *stored = event_transaction(r);
    if (stored != NULL) {
        *out = *stored;
        return;
    }
    *out = r->event_id;
    out->b[6] = (uint8_t)(0x40 | (out->b[6] & 0x0f));
    out->b[8] |= 0x80;
}

void partition_key_of(struct str stream_name, struct uuid *out) {
    uuid_v5(&name_namespace, stream_name, out);
}

void event_id_make(uint64_t ms, uint16_t hash, uint64_t sequence, uint64_t key, struct uuid *out) {
    assert(sequence >> EVENT_SEQUENCE_BITS == 0);
    assert(key >> EVENT_SEQUENCE_BITS == 0);
    uint64_t place = sequence ^ key, noise = random_u64();
    for (unsigned i = 0; i < 6; i++) out->b[i] = (uint8_t)(ms >> (40 - 8 * i));
    out->b[6] = (uint8_t)(0x70 | (noise & 0x0f));
    out->b[7] = (uint8_t)(noise >> 8);
    out->b[8] = (uint8_t)(0x80 | hash >> 10);
    out->b[9] = (uint8_t)(hash >> 2);
    out->b[10] = (uint8_t)((hash & 3) << 6 | place >> 40);
    for (unsigned i = 0; i < 5; i++) out->b[11 + i] = (uint8_t)(place >> (32 - 8 * i));
}

uint64_t event_id_sequence(const struct uuid *id, uint64_t key) {
    uint64_t place = id->b[10] & 0x3f;
    for (unsigned i = 11; i < 16; i++) place = place << 8 | id->b[i];
    return place ^ key;
}

/* One hashed field: its tag, its length (little-endian) and its bytes. */
struct hash_part {
    uint8_t tag;
    const void *ptr;
    size_t len;
};

/* Feeds the parts to a buffer of HASH_INLINE_MAX bytes or, when it is NULL, to the state.
 * Returns how many bytes they are. */
static size_t hash_parts(const struct hash_part *parts, size_t n, uint8_t *buffer,
                         XXH3_state_t *state) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t head[9];
        uint64_t len = parts[i].len;
        head[0] = parts[i].tag;
        memcpy(head + 1, &len, sizeof len);
        if (buffer != NULL) {
            memcpy(buffer + total, head, sizeof head);
            memcpy(buffer + total + sizeof head, parts[i].ptr, parts[i].len);
        } else {
            XXH3_128bits_update(state, head, sizeof head);
            XXH3_128bits_update(state, parts[i].ptr, parts[i].len);
        }
        total += sizeof head + parts[i].len;
    }
    return total;
}

/* The transaction id is ours, not the client's, and so is no content; nor are sequence,
 * version and entry id. An empty text is the same content as one that was left out: the
 * stored events are equal. Tags are never reused. */
void event_content_hash_of(const struct event_fields *f, const uint64_t *timestamp_given,
                           struct uuid *out) {
    const size_t id = sizeof(struct uuid);
    const struct hash_part all[] = {
        {'t', f->type.ptr, f->type.len},
        {'a', f->aggregate.ptr, f->aggregate.len},
        {'m', f->metadata.ptr, f->metadata.len},
        {'p', f->payload.ptr, f->payload.len},
        {'k', f->partition_key, f->partition_key == NULL ? 0 : id},
        {'r', f->correlation, f->correlation == NULL ? 0 : id},
        {'c', f->causation, f->causation == NULL ? 0 : id},
        {'s', timestamp_given, timestamp_given == NULL ? 0 : sizeof *timestamp_given},
    };
    struct hash_part given[ARRAY_LEN(all)];
    size_t n = 0, total = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].len == 0) continue;
        given[n++] = all[i];
        total += 9 + all[i].len;
    }
    XXH128_hash_t hash;
    if (total <= HASH_INLINE_MAX) {
        uint8_t buffer[HASH_INLINE_MAX];
        size_t len = hash_parts(given, n, buffer, NULL);
        assert(len == total);
        hash = XXH3_128bits(buffer, len);
    } else {
        XXH3_state_t state;
        XXH3_128bits_reset(&state);
        hash_parts(given, n, NULL, &state);
        hash = XXH3_128bits_digest(&state);
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out->b, canonical.digest, sizeof out->b);
}
