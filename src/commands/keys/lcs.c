/* LCS: the longest common subsequence of two strings.
 *
 * The table of the usual algorithm has a cell for each pair of bytes. Of a row only the one before
 * is needed, and for the way back one bit of each cell: whether it goes up. A large table is made
 * in several turns of the loop, of the strings as they were when the command began. A row is of
 * the shorter string: so it has at most as many cells as the root of CELLS_MAX, and a turn stops
 * between rows. Of ways that are as good, the one is taken that Redis takes, whose rows are of the
 * second string. */
#include "base/alloc.h"
#include "server/server.h"
#include "server/wait/need.h"
#include "commands/event/args.h"
#include "commands/keys/family.h"
#include "commands/keys/string.h"
#include "commands/stream/args.h"

#define CELLS_MAX    (UINT64_C(1) << 28)
#define CELLS_A_TURN (UINT64_C(1) << 22) /* some milliseconds */

struct lcs_args {
    bool length, ranges, with_lengths;
    uint64_t shortest; /* ranges that are shorter are not told */
};

struct lcs {
    char *a, *b;  /* the longer one, and the shorter one; NULL: it has not begun */
    bool swapped; /* b is the first key's */
    size_t a_len, b_len;
    size_t rows;      /* that are done */
    uint32_t *row;    /* the last of them: [j]: of all of a so far, and the first j bytes of b */
    uint8_t *goes_up; /* a bit for each cell; NULL: the length is enough */
    size_t bytes;     /* of all that */
    uint64_t told;    /* the frame that the strings are of: the reply waits for it */
};

static void lcs_drop(void *arg) {
    struct lcs *l = arg;
    free(l->a);
    free(l->b);
    free(l->row);
    free(l->goes_up);
    *l = (struct lcs){0};
}

static char *copy_of(struct str s) {
    char *copy = xmalloc(s.len + 1);
    if (s.len > 0) memcpy(copy, s.ptr, s.len);
    return copy;
}

static uint64_t cells_of(struct str a, struct str b) {
    return ((uint64_t)a.len + 1) * ((uint64_t)b.len + 1);
}

static void lcs_begin(struct lcs *l, struct str first, struct str second, bool way_back) {
    uint64_t bits = way_back ? cells_of(first, second) / 8 + 1 : 0;
    l->swapped = first.len < second.len;
    struct str a = l->swapped ? second : first, b = l->swapped ? first : second;
    l->a = copy_of(a);
    l->b = copy_of(b);
    l->a_len = a.len;
    l->b_len = b.len;
    l->row = xcalloc(b.len + 1, sizeof *l->row);
    if (way_back) l->goes_up = xcalloc(1, bits);
    l->bytes = a.len + b.len + (b.len + 1) * sizeof *l->row + bits;
}

static uint64_t cell(const struct lcs *l, size_t i, size_t j) {
    return (uint64_t)i * l->b_len + j;
}
static bool goes_up(const struct lcs *l, size_t i, size_t j) {
    uint64_t at = cell(l, i, j);
    return l->goes_up[at / 8] >> at % 8 & 1;
}

static void next_row(struct lcs *l) {
    size_t i = l->rows++;
    uint32_t before = 0; /* what stood left of and above the cell */
    for (size_t j = 0; j < l->b_len; j++) {
        uint32_t above = l->row[j + 1], left = l->row[j];
        if (l->a[i] == l->b[j]) {
            l->row[j + 1] = before + 1;
        } else if (above > left || (above == left && l->swapped)) {
            uint64_t at = cell(l, i, j);
            if (l->goes_up != NULL) l->goes_up[at / 8] |= (uint8_t)(1 << at % 8);
        } else {
            l->row[j + 1] = left;
        }
        before = above;
    }
}

/* false: there is more to do. */
static bool rows_done(struct lcs *l, uint64_t cells) {
    uint64_t done = 0;
    for (; l->rows < l->a_len && done < cells; done += l->b_len + 1) next_row(l);
    return l->rows == l->a_len;
}

/* ---- the way back ---- */

struct range {
    uint32_t a, b, len;
};
struct ranges {
    struct range *items;
    size_t count, cap;
};

static void note_range(struct ranges *found, const struct range *range, uint64_t shortest) {
    if (range->len == 0 || range->len < shortest) return;
    if (found->count == found->cap) {
        found->cap = MAX(found->cap * 2, (size_t)16);
        found->items = xrealloc(found->items, found->cap * sizeof *found->items);
    }
    found->items[found->count++] = *range;
}

/* From the end to the beginning: the common bytes to text (which has room for all), and where they
 * stand, the last first. */
static void walk_back(const struct lcs *l, char *text, struct ranges *found, uint64_t shortest) {
    size_t i = l->a_len, j = l->b_len, at = l->row[l->b_len];
    struct range range = {0};
    while (i > 0 && j > 0) {
        if (l->a[i - 1] == l->b[j - 1]) {
            i--;
            j--;
            text[--at] = l->a[i];
            if (range.len > 0 && (range.a != i + 1 || range.b != j + 1)) {
                note_range(found, &range, shortest);
                range.len = 0;
            }
            range = (struct range){(uint32_t)i, (uint32_t)j, range.len + 1};
        } else if (goes_up(l, i - 1, j - 1)) {
            i--;
        } else {
            j--;
        }
    }
    note_range(found, &range, shortest);
}

static void reply_place(struct client *c, uint32_t at, uint32_t len) {
    reply_array(c, 2);
    reply_int(c, at);
    reply_int(c, (int64_t)at + len - 1);
}

static void reply_range(struct client *c, const struct lcs *l, const struct range *range,
                        bool with_length) {
    reply_array(c, with_length ? 3 : 2);
    reply_place(c, l->swapped ? range->b : range->a, range->len);
    reply_place(c, l->swapped ? range->a : range->b, range->len);
    if (with_length) reply_int(c, range->len);
}

static void reply_ranges(struct client *c, const struct lcs *l, const struct ranges *found,
                         const struct lcs_args *args) {
    reply_map(c, 2);
    reply_bulk_c(c, "matches");
    reply_array(c, found->count);
    for (size_t i = 0; i < found->count; i++)
        reply_range(c, l, &found->items[i], args->with_lengths);
    reply_bulk_c(c, "len");
    reply_int(c, l->row[l->b_len]);
}

static void reply_lcs(struct client *c, const struct lcs *l, const struct lcs_args *args) {
    uint32_t len = l->row[l->b_len];
    struct ranges found = {0};
    if (args->length) {
        reply_int(c, len);
        return;
    }
    char *text = xmalloc((size_t)len + 1);
    walk_back(l, text, &found, args->ranges ? args->shortest : UINT64_MAX);
    if (args->ranges)
        reply_ranges(c, l, &found, args);
    else
        reply_bulk(c, str_of(text, len));
    free(text);
    free(found.items);
}

/* ---- the command ---- */

static bool parse_lcs(struct client *c, const struct request *r, struct lcs_args *args) {
    int64_t shortest;
    *args = (struct lcs_args){0};
    for (size_t i = 3; i < r->argc; i++) {
        if (arg_is(r->argv[i], STR("IDX"))) {
            args->ranges = true;
        } else if (arg_is(r->argv[i], STR("LEN"))) {
            args->length = true;
        } else if (arg_is(r->argv[i], STR("WITHMATCHLEN"))) {
            args->with_lengths = true;
        } else if (arg_is(r->argv[i], STR("MINMATCHLEN")) && i + 1 < r->argc) {
            if (!xarg_i64_or_reply(c, r->argv[++i], &shortest)) return false;
            args->shortest = (uint64_t)MAX(shortest, INT64_C(0));
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    if (args->ranges && args->length) {
        reply_error(c, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static bool bounded_or_reply(struct client *c, struct str a, struct str b, bool in_exec) {
    uint64_t cells = cells_of(a, b);
    if (cells > CELLS_MAX) {
        reply_error(c,
                    "ERR String too long for LCS: it has %llu cells to compare, %llu at most are",
                    (unsigned long long)cells, (unsigned long long)CELLS_MAX);
        return false;
    }
    if (!in_exec || cells <= CELLS_A_TURN) return true;
    reply_error(c,
                "TOOLARGE in MULTI at most %llu cells are compared, these are %llu: ask outside "
                "of it",
                (unsigned long long)CELLS_A_TURN, (unsigned long long)cells);
    return false;
}

/* false: not of these two, which has been replied; or they are not there yet (*parked). */
static bool take_strings(struct client *c, const struct request *r, const struct lcs_args *args,
                         struct lcs *l, bool in_exec, bool *parked) {
    struct stream *a, *b;
    *parked = !need_streams(c, r->argv + 1, 2);
    if (*parked) return false;
    need_stream(c, r->argv[1], &a);
    need_stream(c, r->argv[2], &b);
    *parked = c->wants_newest; /* what it has read does not count: it is run again at once */
    if (*parked) return false;
    if ((a->state == STREAM_LIVE && !stream_is_string(a)) ||
        (b->state == STREAM_LIVE && !stream_is_string(b))) {
        reply_error(c, "ERR The specified keys must contain string values");
        return false;
    }
    if (!bounded_or_reply(c, string_value(a), string_value(b), in_exec)) return false;
    lcs_begin(l, string_value(a), string_value(b), !args->length);
    l->told = c->told;
    if (!in_exec) need_gathers(c, l->bytes);
    return true;
}

/* LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN] */
enum outcome cmd_lcs(struct client *c, const struct request *r) {
    struct lcs at_once = {0}, *l = &at_once;
    struct lcs_args args;
    bool in_exec = c->srv->exec.client == c, parked;
    if (!parse_lcs(c, r, &args)) return REPLIED;
    if (!in_exec) l = need_gathered(c, sizeof *l, lcs_drop);
    if (l->a == NULL && !take_strings(c, r, &args, l, in_exec, &parked))
        return parked ? PARKED : REPLIED;
    client_tells(c, l->told);
    if (!rows_done(l, CELLS_A_TURN)) {
        assert(!in_exec);
        client_next_turn(c);
        return PARKED;
    }
    reply_lcs(c, l, &args);
    if (in_exec) lcs_drop(l);
    return REPLIED;
}
