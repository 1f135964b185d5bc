/* Ranges of versions in a sorted array; found by bisection. */
#include "stream/gone/holes.h"

#include "base/alloc.h"

/* Index of the first range that ends at or after version. */
static size_t find(const struct holes *h, uint64_t version) {
    size_t low = 0, high = h->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (h->ranges[mid].last < version)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void insert(struct holes *h, size_t at, uint64_t first, uint64_t last) {
    if (h->count == h->cap) {
        h->cap = h->cap == 0 ? 4 : h->cap * 2;
        h->ranges = xrealloc(h->ranges, h->cap * sizeof *h->ranges);
    }
    memmove(h->ranges + at + 1, h->ranges + at, (h->count - at) * sizeof *h->ranges);
    h->ranges[at] = (struct version_range){(uint32_t)first, (uint32_t)last};
    h->count++;
}

static void drop(struct holes *h, size_t at, size_t n) {
    h->count -= n;
    memmove(h->ranges + at, h->ranges + at + n, (h->count - at) * sizeof *h->ranges);
}

void holes_add(struct holes *h, uint64_t version) {
    size_t at = find(h, version);
    assert(at == h->count || h->ranges[at].first > version);
    bool joins_next = at < h->count && h->ranges[at].first == version + 1;
    bool joins_last = at > 0 && h->ranges[at - 1].last + UINT64_C(1) == version;
    h->versions++;
    if (joins_next && joins_last) {
        h->ranges[at - 1].last = h->ranges[at].last;
        drop(h, at, 1);
    } else if (joins_next) {
        h->ranges[at].first = (uint32_t)version;
    } else if (joins_last) {
        h->ranges[at - 1].last = (uint32_t)version;
    } else {
        insert(h, at, version, version);
    }
}

void holes_append(struct holes *h, uint64_t first, uint64_t last) {
    assert(h->count == 0 || h->ranges[h->count - 1].last < first);
    if (h->count > 0 && h->ranges[h->count - 1].last + UINT64_C(1) == first)
        h->ranges[h->count - 1].last = (uint32_t)last;
    else
        insert(h, h->count, first, last);
    h->versions += last - first + 1;
}

void holes_remove(struct holes *h, uint64_t version) {
    size_t at = find(h, version);
    assert(at < h->count && h->ranges[at].first <= version);
    struct version_range r = h->ranges[at];
    h->versions--;
    if (r.first == r.last) {
        drop(h, at, 1);
    } else if (r.first == version) {
        h->ranges[at].first++;
    } else if (r.last == version) {
        h->ranges[at].last--;
    } else {
        h->ranges[at].last = (uint32_t)version - 1;
        insert(h, at + 1, version + 1, r.last);
    }
}

bool holes_contain(const struct holes *h, uint64_t version) {
    size_t at = find(h, version);
    return at < h->count && h->ranges[at].first <= version;
}

uint64_t holes_between(const struct holes *h, uint64_t from, uint64_t to) {
    uint64_t n = 0;
    if (from >= to) return 0;
    if (h->count > 0 && from <= h->ranges[0].first && to > h->ranges[h->count - 1].last)
        return h->versions;
    for (size_t i = find(h, from); i < h->count && h->ranges[i].first < to; i++) {
        uint64_t first = MAX((uint64_t)h->ranges[i].first, from);
        uint64_t end = MIN((uint64_t)h->ranges[i].last + 1, to);
        n += end - first;
    }
    return n;
}

uint64_t holes_skip(const struct holes *h, uint64_t version) {
    size_t at = find(h, version);
    if (at == h->count || h->ranges[at].first > version) return version;
    return (uint64_t)h->ranges[at].last + 1;
}

uint64_t holes_skip_back(const struct holes *h, uint64_t version) {
    size_t at = find(h, version);
    if (at == h->count || h->ranges[at].first > version) return version;
    assert(h->ranges[at].first > 0);
    return (uint64_t)h->ranges[at].first - 1;
}

/* How many blocks lie wholly in [low, high), counting only what of them is in [from, to). */
static uint64_t whole_blocks(uint64_t low, uint64_t high, uint64_t from, uint64_t to,
                             uint64_t size) {
    uint64_t first = low == from ? from / size : (low + size - 1) / size;
    uint64_t end = high == to ? (to - 1) / size + 1 : high / size;
    return end > first ? end - first : 0;
}

uint64_t holes_blocks(const struct holes *h, uint64_t from, uint64_t to, uint64_t size) {
    if (from >= to) return 0;
    uint64_t n = (to - 1) / size - from / size + 1;
    /* There is a version between any two ranges: no block is in more than one. */
    for (size_t i = find(h, from); i < h->count && h->ranges[i].first < to; i++)
        n -= whole_blocks(MAX((uint64_t)h->ranges[i].first, from),
                          MIN((uint64_t)h->ranges[i].last + 1, to), from, to, size);
    return n;
}

void holes_cut(struct holes *h, uint64_t below) {
    size_t n = find(h, below);
    for (size_t i = 0; i < n; i++)
        h->versions -= (uint64_t)h->ranges[i].last - h->ranges[i].first + 1;
    if (n > 0) drop(h, 0, n);
    if (h->count > 0 && h->ranges[0].first < below) {
        h->versions -= below - h->ranges[0].first;
        h->ranges[0].first = (uint32_t)below;
    }
}

void holes_copy_below(struct holes *to, const struct holes *from, uint64_t below) {
    *to = (struct holes){.count = find(from, below)};
    to->cap = to->count;
    if (to->count > 0) to->ranges = xmemdup(from->ranges, to->count * sizeof *to->ranges);
    for (size_t i = 0; i < to->count; i++)
        to->versions += (uint64_t)to->ranges[i].last - to->ranges[i].first + 1;
}

void holes_prepend(struct holes *h, const struct holes *front) {
    if (front->count == 0) return;
    assert(h->count == 0 || front->ranges[front->count - 1].last < h->ranges[0].first);
    if (h->count + front->count > h->cap) {
        h->cap = h->count + front->count;
        h->ranges = xrealloc(h->ranges, h->cap * sizeof *h->ranges);
    }
    memmove(h->ranges + front->count, h->ranges, h->count * sizeof *h->ranges);
    memcpy(h->ranges, front->ranges, front->count * sizeof *h->ranges);
    h->count += front->count;
    h->versions += front->versions;
}

void holes_clear(struct holes *h) {
    free(h->ranges);
    *h = (struct holes){0};
}
