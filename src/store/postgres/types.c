/* Numbers of types, and the blocks of 1024 sequences in which a type, or the streams of a category,
 * have events.
 *
 * The writer remembers the numbers of the types that it has seen; those of an apply that it has not
 * are asked for together. A type that is not there gets the next number: nobody else gives any. The
 * category of a stream comes with what the loop says; what comes from a journal does not say it,
 * and the stream's name is looked up. */
#include "base/alloc.h"
#include "store/postgres/internal.h"

#define TYPES_BYTES_MAX (8u << 20)
#define BLOCK_SLOTS     4096
#define CATEGORY_SLOTS  65536

static void free_type(struct hash_node *n, void *arg) {
    hash_remove(arg, n);
    free(CONTAINER_OF(n, struct type_slot, node));
}

void postgres_types_forget(struct postgres_writer *w) {
    hash_each(&w->types, free_type, &w->types);
    hash_clear(&w->types);
    w->types_bytes = 0;
    w->next_type = 0;
    if (w->blocks != NULL) memset(w->blocks, 0, BLOCK_SLOTS * sizeof *w->blocks);
    if (w->category_blocks != NULL)
        memset(w->category_blocks, 0, BLOCK_SLOTS * sizeof *w->category_blocks);
    if (w->categories != NULL) memset(w->categories, 0, CATEGORY_SLOTS * sizeof *w->categories);
}

static void allocate(struct postgres_writer *w) {
    if (w->blocks != NULL) return;
    w->blocks = xcalloc(BLOCK_SLOTS, sizeof *w->blocks);
    w->category_blocks = xcalloc(BLOCK_SLOTS, sizeof *w->category_blocks);
    w->categories = xcalloc(CATEGORY_SLOTS, sizeof *w->categories);
}

/* --- types ---------------------------------------------------------------------------------- */

static struct type_slot *find_type(struct postgres_writer *w, struct str name, bool *fresh) {
    uint64_t hash = hash_bytes(name.ptr, name.len);
    struct hash_node *n = hash_first(&w->types, hash);
    *fresh = false;
    for (; n != NULL; n = hash_next(&w->types, n)) {
        struct type_slot *t = CONTAINER_OF(n, struct type_slot, node);
        if (str_eq(t->name, name)) return t;
    }
    struct type_slot *t = xmalloc(sizeof *t + name.len);
    char *bytes = (char *)(t + 1);
    if (name.len > 0) memcpy(bytes, name.ptr, name.len);
    *t = (struct type_slot){.name = str_of(bytes, name.len)};
    hash_insert(&w->types, &t->node, hash);
    w->types_bytes += sizeof *t + name.len;
    *fresh = true;
    return t;
}

/* Gives the rows their types; those that have no number yet go to the array. */
static void look_for_types(struct postgres_writer *w, struct array *missing) {
    for (size_t i = 0; i < w->row_count; i++) {
        bool fresh;
        w->rows[i].type = find_type(w, event_type(w->rows[i].event), &fresh);
        if (fresh) array_str(missing, w->rows[i].type->name);
    }
}

static void note_types(struct postgres_writer *w, const PGresult *r) {
    for (int i = 0; i < PQntuples(r); i++) {
        bool fresh;
        find_type(w, row_str(r, i, 1), &fresh)->number = (uint32_t)row_u64(r, i, 0);
    }
}

/* --- categories ------------------------------------------------------------------------------- */

static struct category_slot *category_slot(struct postgres_writer *w, uint64_t stream) {
    return &w->categories[stream % CATEGORY_SLOTS];
}

/* Of the rows that come without; streams that have to be asked for go to the array. */
static void look_for_categories(struct postgres_writer *w, struct array *missing) {
    for (size_t i = 0; i < w->row_count; i++) {
        struct event_row *row = &w->rows[i];
        if (LIKELY(row->category != CATEGORY_UNKNOWN)) continue;
        const struct stream_change *s = changes_find_stream(&w->changes, row->event->stream);
        const struct category_slot *slot = category_slot(w, row->event->stream);
        if (s != NULL && s->name != NULL)
            row->category = category_number(str_of(s->name->name, s->name->name_len));
        else if (slot->stream == row->event->stream)
            row->category = slot->category;
        else
            array_u32(missing, (uint32_t)row->event->stream);
    }
}

static int by_number(const void *a, const void *b) {
    const struct category_slot *x = a, *y = b;
    return x->stream < y->stream ? -1 : x->stream > y->stream;
}

/* The answer may be of more streams than there are slots. */
static void note_categories(struct postgres_writer *w, const PGresult *r) {
    size_t n = (size_t)PQntuples(r);
    struct category_slot *found = xcalloc(n + 1, sizeof *found);
    for (size_t i = 0; i < n; i++) {
        found[i].stream = row_u64(r, (int)i, 0);
        found[i].category = category_number(row_str(r, (int)i, 1));
        *category_slot(w, found[i].stream) = found[i];
    }
    if (n > 1) qsort(found, n, sizeof *found, by_number);
    for (size_t i = 0; i < w->row_count; i++) {
        struct event_row *row = &w->rows[i];
        if (row->category != CATEGORY_UNKNOWN) continue;
        struct category_slot key = {.stream = row->event->stream};
        const struct category_slot *at = bsearch(&key, found, n, sizeof *found, by_number);
        row->category = at != NULL ? at->category : CATEGORY_NONE; /* it is gone */
    }
    free(found);
}

int postgres_find_types(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    if (w->types_bytes > TYPES_BYTES_MAX) postgres_types_forget(w);
    allocate(w);
    /* What is renamed has another category; what it was is not asked for (write.c). */
    for (size_t i = 0; i < w->changes.streams.count; i++) {
        const struct stream_change *s = w->changes.streams.items[i];
        if (s->renamed || s->deleted) category_slot(w, s->number)->stream = 0;
    }
    struct array *a = ARRAYS(c, ARRAY_BYTEA, ARRAY_INT4);
    look_for_types(w, &a[0]);
    look_for_categories(w, &a[1]);
    bool types = a[0].count > 0, names = a[1].count > 0, last = types && w->next_type == 0;
    if (!types && !names) {
        w->types_from = w->next_type != 0 ? w->next_type : UINT32_MAX;
        return 0;
    }
    if (!w->asks) {
        postgres_types_forget(w); /* of the new ones no number is known */
        return LATER;
    }
    struct params of_types = {0}, of_names = {0};
    int rc = 0;
    size_t at = 0;
    if (w->begun) rc = postgres_sync(c, NULL, err);
    if (types) param_array(&of_types, &a[0]);
    if (names) param_array(&of_names, &a[1]);
    if (rc == 0 && types) rc = postgres_queue(c, SQL_FIND_TYPES, &of_types, err);
    if (rc == 0 && last) rc = postgres_queue(c, SQL_LAST_TYPE, NULL, err);
    if (rc == 0 && names) rc = postgres_queue(c, SQL_FIND_NAMES, &of_names, err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc != 0) return rc;
    if (types) note_types(w, c->results[at++]);
    if (last) w->next_type = (uint32_t)row_u64(c->results[at++], 0, 0) + 1;
    if (names) note_categories(w, c->results[at]);
    w->types_from = w->next_type != 0 ? w->next_type : UINT32_MAX;
    for (size_t i = 0; types && i < w->row_count; i++) {
        struct type_slot *t = (struct type_slot *)w->rows[i].type;
        if (t->number == 0) t->number = w->next_type++;
    }
    return 0;
}

/* --- what is new -------------------------------------------------------------------------------
 */

static int add_types(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_BYTEA, ARRAY_TEXT);
    uint32_t next = w->types_from; /* they were numbered in the order of the rows */
    for (size_t i = 0; i < w->row_count && next < w->next_type; i++) {
        const struct type_slot *t = w->rows[i].type;
        if (t->number != next) continue;
        array_u32(&a[0], t->number);
        array_str(&a[1], t->name);
        array_str(&a[2], postgres_label(t->name, &w->text));
        next++;
    }
    return postgres_queue_arrays(c, SQL_ADD_TYPES, 3, err);
}

/* Whether the key is not known to be there; it is, from now on. Keys are not 0. */
static bool is_new(uint64_t *slots, uint64_t key) {
    uint64_t *slot = &slots[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
    if (*slot == key) return false;
    *slot = key;
    return true;
}

static int add_type_blocks(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    struct array *a = ARRAYS(c, ARRAY_INT4, ARRAY_INT8);
    for (size_t i = 0; i < w->row_count; i++) {
        uint64_t block = w->rows[i].event->sequence >> BLOCK_BITS;
        uint32_t type = w->rows[i].type->number;
        bool fits = type < 1u << 24 && block < UINT64_C(1) << 40;
        if (fits && !is_new(w->blocks, block << 24 | type)) continue;
        array_u32(&a[0], type);
        array_u64(&a[1], block);
    }
    return postgres_queue_arrays(c, SQL_ADD_TYPE_BLOCKS, 2, err);
}

static int add_category_blocks(struct backend_conn *c, struct err *err) {
    struct postgres_writer *w = c->w;
    struct array *a = ARRAYS(c, ARRAY_INT8);
    for (size_t i = 0; i < w->row_count; i++) {
        uint64_t block = w->rows[i].event->sequence >> BLOCK_BITS;
        if (w->rows[i].category == CATEGORY_NONE) continue;
        uint64_t key = category_key(block, w->rows[i].category);
        if (is_new(w->category_blocks, key)) array_u64(&a[0], key);
    }
    return postgres_queue_arrays(c, SQL_ADD_CATEGORY_BLOCKS, 1, err);
}

int postgres_write_types(struct backend_conn *c, struct err *err) {
    int rc = add_types(c, err);
    if (rc == 0) rc = add_type_blocks(c, err);
    return rc == 0 ? add_category_blocks(c, err) : rc;
}
