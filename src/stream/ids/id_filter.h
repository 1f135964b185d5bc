/* A Bloom filter over event ids: says "certainly not" or "perhaps". It is made of parts, each up to
 * four times as large as the one before, so that it grows with what is added; a part is an array of
 * blocks of one cache line, and an id concerns one block of each. With ID_FILTER_BITS bits for each
 * id some 3 of 100 ids that were never added are "perhaps".
 *
 * There is no taking out. Owned by one thread. */
#ifndef STREAM_IDS_ID_FILTER_H
#define STREAM_IDS_ID_FILTER_H

#include "base/base.h"
#include "base/uuid.h"

#define ID_FILTER_BITS      12
#define ID_FILTER_PARTS_MAX 12
#define ID_FILTER_PART_MIN  (UINT64_C(16) << 10) /* bytes */

struct id_filter_part {
    uint64_t *bits; /* NULL: not there yet */
    uint64_t blocks;
};

struct id_filter {
    struct id_filter_part parts[ID_FILTER_PARTS_MAX];
    size_t part_count;
    uint64_t room;  /* ids that the last part can still take */
    uint64_t count; /* ids added */
    size_t bytes;
};

void id_filter_init(struct id_filter *f);
void id_filter_clear(struct id_filter *f); /* as after init */
/* false: it is, or a further part would make it, larger than bytes_max. */
bool id_filter_add(struct id_filter *f, const struct uuid *id, size_t bytes_max);
/* false: it was never added. */
bool id_filter_may_have(const struct id_filter *f, const struct uuid *id);

#endif
