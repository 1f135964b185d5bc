/* Where in the log the streams of a category have events: by blocks of 1024 sequences, as
 * type_blocks has it for types. docs/storage.md describes the tables. */
#ifndef STORE_SQLITE_CATEGORIES_H
#define STORE_SQLITE_CATEGORIES_H

#include "base/base.h"
#include "record/event.h"
#include "store/sqlite/schema.h"

/* A row of category_blocks is one number: a group of blocks, the category, the block in the group.
 * So what is added stands together, however many categories there are: were the category in front,
 * as many pages would be written for a block as there are categories in it. Whoever looks for a
 * category asks once a group. */
#define GROUP_BITS 8 /* 256 blocks a group, 262144 events */

static inline uint64_t category_key(uint64_t block, uint32_t category) {
    uint64_t group = block >> GROUP_BITS;
    return group << (CATEGORY_BITS + GROUP_BITS) | (uint64_t)category << GROUP_BITS |
           (block & ((1u << GROUP_BITS) - 1));
}
static inline uint64_t category_key_block(uint64_t key) {
    uint64_t group = key >> (CATEGORY_BITS + GROUP_BITS);
    return group << GROUP_BITS | (key & ((1u << GROUP_BITS) - 1));
}
_Static_assert(EVENT_SEQUENCE_BITS - BLOCK_BITS + CATEGORY_BITS <= 63, "a key is positive");

#endif
