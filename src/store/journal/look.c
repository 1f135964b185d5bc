/* A look at a journal before it is opened: whose it is, where it begins, and whether it goes on
 * where a store stands. Reads the headers only, and changes nothing. */
#include "store/journal/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

struct headers {
    struct segment_header *items;
    size_t count, cap;
};

static int add_header(struct headers *h, struct journal_look *out, const char *dir,
                      const char *name, struct err *err) {
    char path[SEGMENT_PATH_MAX];
    uint8_t block[JOURNAL_BLOCK];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : pread(fd, block, sizeof block, 0);
    int rc = got < 0 ? err_errno(err, "reading %s", path) : 0;
    if (fd >= 0) close(fd);
    if (rc != 0) return rc;
    struct segment_header header;
    bool used_copy;
    switch (segment_header_get(block, (size_t)got, &header, &used_copy)) {
    case SEGMENT_BLANK:
        return 0;
    case SEGMENT_NEWER:
        out->newer++;
        out->unreadable++;
        return 0;
    case SEGMENT_DAMAGED:
        out->unreadable++;
        return 0;
    case SEGMENT_VALID:
        break;
    }
    if (h->count == h->cap) {
        h->cap = h->cap == 0 ? 64 : 2 * h->cap;
        h->items = xrealloc(h->items, h->cap * sizeof h->items[0]);
    }
    h->items[h->count++] = header;
    return 0;
}

static int read_headers(const char *path, struct headers *h, struct journal_look *out,
                        struct err *err) {
    int rc = 0;
    DIR *dir = opendir(path);
    if (dir == NULL) return errno == ENOENT ? 0 : err_errno(err, "opening %s", path);
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;) {
        uint64_t number;
        if (!segment_name_parse(entry->d_name, &number)) continue;
        rc = add_header(h, out, path, entry->d_name, err);
    }
    closedir(dir);
    return rc;
}

static int by_generation(const void *a, const void *b) {
    uint64_t x = ((const struct segment_header *)a)->generation;
    uint64_t y = ((const struct segment_header *)b)->generation;
    return (x > y) - (x < y);
}

/* Leaves the segments of one store, by generation. */
static void keep_own(struct headers *h, const struct uuid *store_id) {
    size_t left = 0;
    for (size_t i = 0; i < h->count; i++)
        if (uuid_eq(&h->items[i].store_id, store_id)) h->items[left++] = h->items[i];
    h->count = left;
}

/* Whether the run that a store was written by last is one of those whose frames follow, or the one
 * from which the first of these went on. */
static bool goes_on(const struct headers *h, uint64_t applied, uint32_t run) {
    size_t base = h->count;
    while (base > 0 && h->items[base - 1].first_frame > applied + 1) base--;
    if (base == 0) return true; /* a gap, which journal_open refuses */
    const struct segment_header *first = &h->items[base - 1];
    if (first->first_frame == applied + 1 && journal_tag_parent(first->tag) == run) return true;
    for (size_t i = base - 1; i < h->count; i++)
        if (journal_tag_run(h->items[i].tag) == run) return true;
    return false;
}

int journal_look(const char *dir, const struct uuid *store_id, uint64_t applied, uint32_t run,
                 struct journal_look *out, struct err *err) {
    struct headers h = {0};
    *out = (struct journal_look){.goes_on = true};
    int rc = read_headers(dir, &h, out, err);
    if (rc == 0 && h.count > 0) {
        qsort(h.items, h.count, sizeof h.items[0], by_generation);
        out->store_id = store_id != NULL ? *store_id : h.items[h.count - 1].store_id;
        keep_own(&h, &out->store_id);
    }
    if (rc == 0 && h.count > 0) {
        const struct segment_header *newest = &h.items[h.count - 1];
        out->segments = h.count;
        out->sealed = (newest->flags & SEGMENT_SEALED) != 0;
        out->sealed_frame = newest->sealed_frame;
        out->run = journal_tag_run(newest->tag);
        out->first_frame = UINT64_MAX;
        for (size_t i = 0; i < h.count; i++)
            out->first_frame = MIN(out->first_frame, h.items[i].first_frame);
        out->goes_on = run == 0 || goes_on(&h, applied, run);
    }
    free(h.items);
    return rc;
}
