/* A tree of ranges: leaves hold them in order, inner nodes say of each child what is in it. All
 * leaves are at the same depth. A node that several trees (or parents) refer to is never changed:
 * who wants to takes a copy of it, and of the nodes above (own). */
#include "stream/gone/holes.h"

#include "base/alloc.h"

#define LEAF_MAX  64u /* ranges */
#define INNER_MAX 32u /* children */
#define FIRST_CAP 4u

struct holes_node {
    uint32_t refs;
    uint16_t count, cap;
    bool is_leaf;
    _Alignas(8) char items[]; /* struct version_range, or struct child */
};

struct child {
    struct holes_node *node;
    uint64_t versions;
    uint32_t first, last, longest; /* longest: versions of one range - 1 */
    uint32_t ranges;
};

static struct version_range *ranges(const struct holes_node *n) {
    assert(n->is_leaf);
    return (struct version_range *)(uintptr_t)n->items;
}
static struct child *children(const struct holes_node *n) {
    assert(!n->is_leaf);
    return (struct child *)(uintptr_t)n->items;
}

/* ---- nodes ---- */

static size_t item_size(const struct holes_node *n) {
    return n->is_leaf ? sizeof(struct version_range) : sizeof(struct child);
}

static struct holes_node *node_create(bool is_leaf, uint32_t cap) {
    size_t item = is_leaf ? sizeof(struct version_range) : sizeof(struct child);
    struct holes_node *n = xcalloc(1, sizeof *n + cap * item);
    n->refs = 1;
    n->is_leaf = is_leaf;
    n->cap = (uint16_t)cap;
    return n;
}

static void node_release(struct holes_node *n) {
    assert(n->refs > 0);
    if (--n->refs > 0) return;
    for (uint32_t i = 0; !n->is_leaf && i < n->count; i++) node_release(children(n)[i].node);
    free(n);
}

/* The node at *at, to be changed: a copy, if others refer to it too. */
static struct holes_node *own(struct holes_node **at) {
    struct holes_node *n = *at;
    if (n->refs == 1) return n;
    struct holes_node *copy = node_create(n->is_leaf, n->cap);
    copy->count = n->count;
    memcpy(copy->items, n->items, n->count * item_size(n));
    for (uint32_t i = 0; !n->is_leaf && i < n->count; i++) children(n)[i].node->refs++;
    n->refs--;
    return *at = copy;
}

static uint64_t length(struct version_range r) {
    return (uint64_t)r.last - r.first + 1;
}

/* What a parent says of it. */
static struct child summary(struct holes_node *n) {
    struct child c = {.node = n};
    if (n->count == 0) return c;
    uint32_t end = n->count - 1u;
    c.first = n->is_leaf ? ranges(n)[0].first : children(n)[0].first;
    c.last = n->is_leaf ? ranges(n)[end].last : children(n)[end].last;
    for (uint32_t i = 0; i < n->count; i++) {
        if (n->is_leaf) {
            const struct version_range *r = &ranges(n)[i];
            c.versions += length(*r);
            c.longest = MAX(c.longest, r->last - r->first);
            c.ranges++;
        } else {
            const struct child *k = &children(n)[i];
            c.versions += k->versions;
            c.longest = MAX(c.longest, k->longest);
            c.ranges += k->ranges;
        }
    }
    return c;
}

/* The first range, or child, that ends at or after the version; count when none does. */
static uint32_t place(const struct holes_node *n, uint64_t version) {
    uint32_t low = 0, high = n->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        uint32_t last = n->is_leaf ? ranges(n)[mid].last : children(n)[mid].last;
        if (last < version)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Makes room for one item; the node is the caller's own. */
static struct holes_node *reserve(struct holes_node **at) {
    struct holes_node *n = *at;
    if (n->count < n->cap) return n;
    n->cap = (uint16_t)MIN(n->cap * 2u, n->is_leaf ? LEAF_MAX : INNER_MAX);
    assert(n->count < n->cap);
    return *at = xrealloc(n, sizeof *n + n->cap * item_size(n));
}

static void insert(struct holes_node **at, uint32_t i, const void *item) {
    struct holes_node *n = reserve(at);
    size_t size = item_size(n);
    memmove(n->items + (i + 1) * size, n->items + i * size, (n->count - i) * size);
    memcpy(n->items + i * size, item, size);
    n->count++;
}

static void drop(struct holes_node *n, uint32_t i, uint32_t count) {
    size_t size = item_size(n);
    n->count = (uint16_t)(n->count - count);
    memmove(n->items + i * size, n->items + (i + count) * size, (n->count - i) * size);
}

static bool is_full(const struct holes_node *n) {
    return n->count == (n->is_leaf ? LEAF_MAX : INNER_MAX);
}

/* Inserts, splitting a full node: returns the new one behind it, or NULL. Behind the last item of a
 * full node a new one begins, so that what is appended fills its nodes. */
static struct holes_node *insert_or_split(struct holes_node **at, uint32_t i, const void *item) {
    struct holes_node *n = *at;
    if (!is_full(n)) {
        insert(at, i, item);
        return NULL;
    }
    uint32_t left = i == n->count ? n->count : n->count / 2u;
    struct holes_node *right = node_create(n->is_leaf, n->cap);
    right->count = (uint16_t)(n->count - left);
    memcpy(right->items, n->items + left * item_size(n), right->count * item_size(n));
    n->count = (uint16_t)left;
    if (i <= left && !is_full(n))
        insert(at, i, item);
    else
        insert(&right, i - left, item);
    return right;
}

/* Two neighbours that are small become one. */
static void merge_if_small(struct holes_node *parent, uint32_t i) {
    if (i + 1 >= parent->count) return;
    struct child *k = &children(parent)[i];
    uint32_t max = k->node->is_leaf ? LEAF_MAX : INNER_MAX;
    uint32_t a = k[0].node->count, b = k[1].node->count;
    if (MIN(a, b) >= max / 4 || a + b > max / 4 * 3) return;
    struct holes_node *right = k[1].node;
    own(&k[0].node);
    for (uint32_t j = 0; j < b; j++) {
        if (!right->is_leaf) children(right)[j].node->refs++;
        insert(&k[0].node, k[0].node->count, right->items + j * item_size(right));
    }
    node_release(right);
    drop(parent, i + 1, 1);
    *k = summary(k->node);
}

/* ---- changes ---- */

static struct holes_node *put_into(struct holes_node **at, struct version_range r) {
    struct holes_node *n = own(at);
    uint32_t i = place(n, r.first);
    if (n->is_leaf) return insert_or_split(at, i, &r);
    if (i == n->count) i--;
    struct child *k = &children(n)[i];
    struct holes_node *more = put_into(&k->node, r);
    *k = summary(k->node);
    if (more == NULL) return NULL;
    struct child other = summary(more);
    return insert_or_split(at, i + 1, &other);
}

/* The range that begins at `first` becomes r; its place stays. */
static void set_in(struct holes_node **at, uint32_t first, struct version_range r) {
    struct holes_node *n = own(at);
    uint32_t i = place(n, first);
    if (n->is_leaf) {
        ranges(n)[i] = r;
        return;
    }
    struct child *k = &children(n)[i];
    set_in(&k->node, first, r);
    *k = summary(k->node);
}

static void take_from(struct holes_node **at, uint32_t first) {
    struct holes_node *n = own(at);
    uint32_t i = place(n, first);
    if (n->is_leaf) {
        drop(n, i, 1);
        return;
    }
    struct child *k = &children(n)[i];
    take_from(&k->node, first);
    if (k->node->count == 0) {
        node_release(k->node);
        drop(n, i, 1);
        return;
    }
    *k = summary(k->node);
    merge_if_small(n, i);
    if (i > 0) merge_if_small(n, i - 1);
}

static void cut_from(struct holes_node **at, uint64_t below) {
    struct holes_node *n = own(at);
    uint32_t gone = place(n, below);
    for (uint32_t i = 0; !n->is_leaf && i < gone; i++) node_release(children(n)[i].node);
    drop(n, 0, gone);
    if (n->count == 0) return;
    if (n->is_leaf) {
        ranges(n)[0].first = (uint32_t)MAX((uint64_t)ranges(n)[0].first, below);
        return;
    }
    struct child *k = &children(n)[0];
    if (k->first >= below) return;
    cut_from(&k->node, below);
    *k = summary(k->node);
    merge_if_small(n, 0);
}

/* The root is a leaf, or has two children at least. */
static void settle_root(struct holes *h) {
    while (!h->root->is_leaf && h->root->count == 1) {
        struct holes_node *only = children(h->root)[0].node;
        only->refs++;
        node_release(h->root);
        h->root = only;
    }
    struct child all = summary(h->root);
    h->count = all.ranges;
    h->versions = all.versions;
    if (h->count == 0) holes_clear(h);
}

static void put(struct holes *h, struct version_range r) {
    if (h->root == NULL) h->root = node_create(true, FIRST_CAP);
    struct holes_node *more = put_into(&h->root, r);
    if (more != NULL) {
        struct holes_node *root = node_create(false, INNER_MAX);
        struct child both[] = {summary(h->root), summary(more)};
        memcpy(root->items, both, sizeof both);
        root->count = ARRAY_LEN(both);
        h->root = root;
    }
    settle_root(h);
}

static void set(struct holes *h, uint32_t first, uint64_t from, uint64_t to) {
    set_in(&h->root, first, (struct version_range){(uint32_t)from, (uint32_t)to});
    settle_root(h);
}

void holes_add(struct holes *h, uint64_t version) {
    struct version_range next = {0, 0}, last = {0, 0};
    bool some = holes_find(h, version, &next);
    assert(!some || next.first > version);
    bool joins_next = some && next.first == version + 1;
    bool joins_last = version > 0 && holes_find(h, version - 1, &last) && last.last == version - 1;
    if (joins_next && joins_last) {
        take_from(&h->root, next.first);
        set(h, last.first, last.first, next.last);
    } else if (joins_next) {
        set(h, next.first, version, next.last);
    } else if (joins_last) {
        set(h, last.first, last.first, version);
    } else {
        put(h, (struct version_range){(uint32_t)version, (uint32_t)version});
    }
}

void holes_append(struct holes *h, uint64_t first, uint64_t last) {
    struct version_range before;
    assert(!holes_find(h, first, &before));
    if (first > 0 && holes_find(h, first - 1, &before))
        set(h, before.first, before.first, last);
    else
        put(h, (struct version_range){(uint32_t)first, (uint32_t)last});
}

void holes_cut(struct holes *h, uint64_t below) {
    struct version_range first;
    if (!holes_find(h, 0, &first) || first.first >= below) return;
    cut_from(&h->root, below);
    settle_root(h);
}

struct holes holes_share(const struct holes *h) {
    if (h->root != NULL) h->root->refs++;
    return *h;
}

size_t holes_bytes(const struct holes *h) {
    /* A range takes 8 bytes in a leaf that is two thirds full, and has its share of those above. */
    return h->root != NULL
               ? sizeof *h->root + FIRST_CAP * sizeof(struct version_range) + h->count * 13
               : 0;
}

void holes_clear(struct holes *h) {
    if (h->root != NULL) node_release(h->root);
    *h = (struct holes){0};
}

/* ---- looking ---- */

bool holes_find(const struct holes *h, uint64_t version, struct version_range *out) {
    const struct holes_node *n = h->root;
    if (n == NULL) return false;
    for (;;) {
        uint32_t i = place(n, version);
        if (i == n->count) return false;
        if (n->is_leaf) {
            *out = ranges(n)[i];
            return true;
        }
        n = children(n)[i].node;
    }
}

bool holes_contain(const struct holes *h, uint64_t version) {
    struct version_range r;
    return holes_find(h, version, &r) && r.first <= version;
}

/* How many versions below it are in it. */
static uint64_t below(const struct holes *h, uint64_t version) {
    uint64_t sum = 0;
    for (const struct holes_node *n = h->root; n != NULL;) {
        uint32_t i = place(n, version);
        for (uint32_t k = 0; k < i; k++)
            sum += n->is_leaf ? length(ranges(n)[k]) : children(n)[k].versions;
        if (i == n->count) return sum;
        if (n->is_leaf) return sum + version - MIN(version, (uint64_t)ranges(n)[i].first);
        n = children(n)[i].node;
    }
    return sum;
}

uint64_t holes_between(const struct holes *h, uint64_t from, uint64_t to) {
    if (from >= to || h->root == NULL) return 0;
    return below(h, to) - (from > 0 ? below(h, from) : 0);
}

uint64_t holes_skip(const struct holes *h, uint64_t version) {
    struct version_range r;
    return holes_find(h, version, &r) && r.first <= version ? (uint64_t)r.last + 1 : version;
}

uint64_t holes_skip_back(const struct holes *h, uint64_t version) {
    struct version_range r;
    if (!holes_find(h, version, &r) || r.first > version) return version;
    assert(r.first > 0);
    return (uint64_t)r.first - 1;
}

/* Goes back from *at, over versions that are not in it, *left of them. false: not all are here. */
static bool step_back(const struct holes_node *n, uint64_t *at, uint64_t *left) {
    for (uint32_t i = n->count; i-- > 0;) {
        struct child k = n->is_leaf ? (struct child){.first = ranges(n)[i].first,
                                                     .last = ranges(n)[i].last,
                                                     .versions = length(ranges(n)[i])}
                                    : children(n)[i];
        uint64_t behind = *at - k.last - 1, inside = (uint64_t)k.last - k.first + 1 - k.versions;
        if (behind >= *left) {
            *at -= *left;
            return true;
        }
        *left -= behind;
        *at = (uint64_t)k.last + 1;
        if (inside >= *left) return step_back(k.node, at, left);
        *left -= inside;
        *at = k.first;
    }
    return false;
}

uint64_t holes_back(const struct holes *h, uint64_t end, uint64_t n) {
    uint64_t at = end, left = n;
    if (h->root != NULL && n > 0 && step_back(h->root, &at, &left)) return at;
    return at - left;
}

/* ---- blocks ---- */

struct blocks {
    uint64_t from, to, size;
    uint64_t whole; /* blocks that lie in a range */
};

/* Blocks of which all that is in [from, to) is in [low, high). */
static uint64_t whole_blocks(const struct blocks *b, uint64_t low, uint64_t high) {
    uint64_t first = low / b->size + (low != b->from && low % b->size != 0);
    uint64_t end = high == b->to ? (high - 1) / b->size + 1 : high / b->size;
    return end > first ? end - first : 0;
}

static void count_whole(struct blocks *b, const struct holes_node *n) {
    uint32_t i = place(n, b->from);
    for (; n->is_leaf && i < n->count && ranges(n)[i].first < b->to; i++)
        /* There is a version between any two ranges: no block is in more than one. */
        b->whole += whole_blocks(b, MAX((uint64_t)ranges(n)[i].first, b->from),
                                 MIN((uint64_t)ranges(n)[i].last + 1, b->to));
    for (; !n->is_leaf && i < n->count && children(n)[i].first < b->to; i++) {
        const struct child *k = &children(n)[i];
        /* Short ranges make up a block only where [from, to) cuts one off. */
        uint64_t edge = MIN(b->size, UINT64_C(1) << 32);
        bool at_end = k->first < b->from + edge || k->last + edge >= b->to;
        if (at_end || (uint64_t)k->longest + 1 >= b->size) count_whole(b, k->node);
    }
}

uint64_t holes_blocks(const struct holes *h, uint64_t from, uint64_t to, uint64_t size) {
    if (from >= to) return 0;
    struct blocks b = {from, to, size, 0};
    if (h->root != NULL) count_whole(&b, h->root);
    return (to - 1) / size - from / size + 1 - b.whole;
}
