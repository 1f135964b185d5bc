/* The blocks of the log, 1024 sequences each, that may hold an event of a selector: one of a wanted
 * type (type_blocks), and one of a stream whose name passes (category_blocks, and the index of some
 * streams). Where both are asked for a block must have both.
 *
 * For each type and category the nearest block is remembered that is not passed yet. Not more is
 * asked than is needed to know the next block: if one of several has it, the others are not looked
 * for. And where block after block is wanted, some are taken unlooked: what occurs everywhere costs
 * hardly more than walking through all rows. */
#include "store/sqlite/categories.h"

#include "base/alloc.h"
#include "store/sqlite/internal.h"

#define NONE          UINT64_MAX
#define LOOKS_A_PAGE  20000 /* in the tables: some 40 ms */
#define STREAK_LEAST  4     /* blocks in a row, before the next are taken unlooked */
#define UNCHECKED_MAX 64

/* Of a type or a category. */
struct block_ahead {
    bool known; /* `block` has it, NONE: no further one has; else: none before `block` has */
    bool asked; /* at all */
    uint64_t block;
};

static bool is_before(const struct block_search *s, uint64_t a, uint64_t b) {
    return s->reverse ? a > b : a < b;
}
static uint64_t nearer(const struct block_search *s, uint64_t a, uint64_t b) {
    return a == NONE || (b != NONE && is_before(s, b, a)) ? b : a;
}

/* --- types ---------------------------------------------------------------------- */

static int seek_type(struct backend_conn *c, size_t i, uint64_t block, struct err *err) {
    struct block_search *s = &c->r->blocks;
    struct block_ahead *a = &s->types[i];
    sqlite3_stmt *stmt = c->stmts[s->reverse ? SQL_BLOCK_BEFORE : SQL_BLOCK_NEXT];
    sqlite3_bind_int64(stmt, 1, c->r->type_set.numbers[i]);
    sqlite_bind_u64(stmt, 2, block);
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    a->asked = a->known = true;
    a->block = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : NONE;
    sqlite3_reset(stmt);
    s->looks++;
    return 0;
}

static int nearest_of_type(struct backend_conn *c, uint64_t *block, struct err *err) {
    struct block_search *s = &c->r->blocks;
    size_t n = c->r->type_set.count;
    uint64_t best = NONE;
    for (size_t i = 0; i < n; i++)
        if (s->types[i].asked && s->types[i].block == *block) return 1;
    for (size_t i = 0; i < n; i++) {
        struct block_ahead *a = &s->types[i];
        if (!a->asked || (a->block != NONE && is_before(s, a->block, *block))) {
            int rc = seek_type(c, i, *block, err);
            if (rc != 0) return rc;
            if (a->block == *block) return 1;
        }
        best = nearer(s, best, a->block);
    }
    *block = best;
    return best != NONE;
}

/* --- categories ------------------------------------------------------------------- */

/* The last block of the group, in the order of the search. */
static uint64_t group_end(const struct block_search *s, uint64_t block) {
    const uint64_t mask = (1u << GROUP_BITS) - 1;
    return s->reverse ? block & ~mask : block | mask;
}

/* Looks for the category in what is left of the block's group. */
static int seek_category(struct backend_conn *c, size_t i, uint64_t block, struct err *err) {
    struct block_search *s = &c->r->blocks;
    struct block_ahead *a = &s->categories[i];
    uint32_t category = c->r->names_found.categories[i];
    uint64_t end = group_end(s, block);
    sqlite3_stmt *stmt = c->stmts[s->reverse ? SQL_CATEGORY_BLOCK_BEFORE : SQL_NEXT_CATEGORY_BLOCK];
    sqlite_bind_u64(stmt, 1, category_key(s->reverse ? end : block, category));
    sqlite_bind_u64(stmt, 2, category_key(s->reverse ? block : end, category));
    int rc = sqlite_step(c, stmt, err);
    if (rc < 0) return rc;
    a->asked = true;
    a->known = rc == 1;
    a->block = rc == 1 ? category_key_block((uint64_t)sqlite3_column_int64(stmt, 0)) : end;
    sqlite3_reset(stmt);
    s->looks++;
    return 0;
}

/* Of what is left of the block's group, in *best; NONE: there is none. */
static int nearest_of_category(struct backend_conn *c, uint64_t block, uint64_t *best,
                               struct err *err) {
    struct block_search *s = &c->r->blocks;
    size_t n = c->r->names_found.category_count;
    *best = block;
    for (size_t i = 0; i < n; i++)
        if (s->categories[i].known && s->categories[i].block == block) return 0;
    *best = NONE;
    for (size_t i = 0; i < n; i++) {
        struct block_ahead *a = &s->categories[i];
        /* What is not known to have it has been looked through up to there, inclusive. */
        bool passed = is_before(s, a->block, block);
        if (!a->asked || passed) {
            int rc = seek_category(c, i, block, err);
            if (rc != 0) return rc;
        }
        if (!a->known) continue;
        *best = nearer(s, *best, a->block);
        if (*best == block) return 0;
    }
    return 0;
}

static int nearest_of_streams(struct backend_conn *c, uint64_t block, uint64_t *best,
                              struct err *err) {
    const struct block_search *s = &c->r->blocks;
    uint64_t from = block << BLOCK_BITS, sequence;
    if (s->reverse) from |= (1u << BLOCK_BITS) - 1;
    int rc = sqlite_heads_skip(c, from, err);
    if (rc == 0 && sqlite_heads_first(c, &sequence))
        *best = nearer(s, *best, sequence >> BLOCK_BITS);
    return rc;
}

static int nearest_by_name(struct backend_conn *c, uint64_t *block, struct err *err) {
    struct block_search *s = &c->r->blocks;
    for (;;) {
        uint64_t best = NONE, end = group_end(s, *block);
        if (*block < s->unbuilt) return 1;
        int rc = nearest_of_category(c, *block, &best, err);
        if (rc == 0 && best != *block) rc = nearest_of_streams(c, *block, &best, err);
        if (rc != 0) return rc;
        bool nothing = best == NONE && c->r->names_found.category_count == 0;
        if (nothing && (!s->reverse || s->unbuilt == 0)) return 0;
        if (s->reverse && s->unbuilt > 0) best = nearer(s, best, s->unbuilt - 1);
        if (best != NONE && !is_before(s, end, best)) {
            *block = best;
            return 1;
        }
        if (!is_before(s, end, s->end)) return 0;
        *block = s->reverse ? end - 1 : end + 1;
        if (s->looks > LOOKS_A_PAGE) return 2;
    }
}

/* --- both ---------------------------------------------------------------------------- */

void sqlite_blocks_open(struct backend_conn *c, const struct read_range *range, uint64_t end,
                        uint64_t categorized, bool by_type, bool by_name) {
    struct block_search *s = &c->r->blocks;
    sqlite_blocks_close(c);
    s->reverse = range->reverse;
    s->end = end;
    s->unbuilt = (categorized + (1u << BLOCK_BITS) - 1) >> BLOCK_BITS;
    s->by_type = by_type;
    s->by_name = by_name;
    s->types = xcalloc(c->r->type_set.count + 1, sizeof *s->types);
    s->categories = xcalloc(c->r->names_found.category_count + 1, sizeof *s->categories);
}

static int nearest(struct backend_conn *c, uint64_t *block, struct err *err) {
    const struct block_search *s = &c->r->blocks;
    for (;;) {
        int rc = s->by_type ? nearest_of_type(c, block, err) : 1;
        uint64_t typed = *block;
        if (rc == 1 && s->by_name) rc = nearest_by_name(c, block, err);
        if (rc != 1 || *block == typed || !s->by_type) return rc;
        if (is_before(s, s->end, *block)) return 0;
        if (s->looks > LOOKS_A_PAGE) return 2;
    }
}

int sqlite_blocks_next(struct backend_conn *c, uint64_t *block, struct err *err) {
    struct block_search *s = &c->r->blocks;
    if (s->unchecked > 0) {
        s->unchecked--;
        return 1;
    }
    uint64_t asked = *block;
    int rc = nearest(c, block, err);
    if (rc != 1) return rc;
    s->streak = *block == asked ? s->streak + 1 : 0;
    if (s->streak >= STREAK_LEAST) s->unchecked = MIN(s->streak, (uint64_t)UNCHECKED_MAX);
    return 1;
}

void sqlite_blocks_close(struct backend_conn *c) {
    free(c->r->blocks.types);
    free(c->r->blocks.categories);
    c->r->blocks = (struct block_search){0};
}
