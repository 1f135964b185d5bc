/* See id_filter.h. */
#include "stream/ids/id_filter.h"

#include "base/alloc.h"
#include "base/hash.h"

#define BLOCK_WORDS   8 /* of 64 bits: a cache line */
#define BLOCK_BYTES   (BLOCK_WORDS * sizeof(uint64_t))
#define BITS_PER_ID   8 /* set in a block: 9 bits of the hash each */
#define BITS_PER_WORD 64

void id_filter_init(struct id_filter *f) {
    *f = (struct id_filter){0};
}

void id_filter_clear(struct id_filter *f) {
    for (size_t i = 0; i < f->part_count; i++) free(f->parts[i].bits);
    id_filter_init(f);
}

static bool grow(struct id_filter *f, size_t bytes_max) {
    if (f->part_count == ID_FILTER_PARTS_MAX || f->bytes >= bytes_max) return false;
    size_t bytes = MIN(ID_FILTER_PART_MIN << (2 * f->part_count), bytes_max - f->bytes);
    bytes -= bytes % BLOCK_BYTES;
    if (bytes < ID_FILTER_PART_MIN || bytes < f->bytes / 2) return false;
    f->parts[f->part_count++] =
        (struct id_filter_part){xcalloc(bytes / BLOCK_BYTES, BLOCK_BYTES), bytes / BLOCK_BYTES};
    f->bytes += bytes;
    f->room = bytes * 8 / ID_FILTER_BITS;
    return true;
}

/* What an id comes to: the upper bits of one hash pick the block, another the bits in it. */
struct place {
    uint64_t block, bits;
};

static struct place place_of(const struct uuid *id) {
    uint64_t hash = hash_bytes(id->b, sizeof id->b);
    return (struct place){hash, hash * UINT64_C(0x9e3779b97f4a7c15)};
}

/* The i-th of the bits of an id: its word in the block, and the bit there. Double hashing: steps of
 * an odd length round the 512 bits of the block. */
static uint64_t bit_at(struct place p, unsigned i, unsigned *word) {
    unsigned at = (unsigned)((p.bits >> 55) + i * ((p.bits >> 40 & 0x1ff) | 1)) & 0x1ff;
    *word = at / BITS_PER_WORD;
    return UINT64_C(1) << (at % BITS_PER_WORD);
}

static uint64_t *block_of(const struct id_filter_part *part, struct place p) {
    uint64_t n = (uint64_t)((unsigned __int128)p.block * part->blocks >> 64);
    return part->bits + n * BLOCK_WORDS;
}

bool id_filter_add(struct id_filter *f, const struct uuid *id, size_t bytes_max) {
    if (f->bytes > bytes_max || (f->room == 0 && !grow(f, bytes_max))) return false;
    struct place p = place_of(id);
    uint64_t *block = block_of(&f->parts[f->part_count - 1], p);
    for (unsigned i = 0; i < BITS_PER_ID; i++) {
        unsigned word;
        uint64_t bit = bit_at(p, i, &word);
        block[word] |= bit;
    }
    f->room--;
    f->count++;
    return true;
}

static bool part_may_have(const struct id_filter_part *part, struct place p) {
    const uint64_t *block = block_of(part, p);
    for (unsigned i = 0; i < BITS_PER_ID; i++) {
        unsigned word;
        uint64_t bit = bit_at(p, i, &word);
        if ((block[word] & bit) == 0) return false;
    }
    return true;
}

bool id_filter_may_have(const struct id_filter *f, const struct uuid *id) {
    struct place p = place_of(id);
    for (size_t i = 0; i < f->part_count; i++)
        if (part_may_have(&f->parts[i], p)) return true;
    return false;
}
