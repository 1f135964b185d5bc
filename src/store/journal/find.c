/* Opening a journal: which files are there, and whose they are. */
#include "store/journal/recovery.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

static int by_generation(const void *a, const void *b) {
    uint64_t x = ((const struct found *)a)->segment->header.generation;
    uint64_t y = ((const struct found *)b)->segment->header.generation;
    return (x > y) - (x < y);
}

void recovery_close_file(struct recovery *r) {
    if (r->reading != 0) close(r->reading_fd);
    r->reading = 0;
}

int recovery_open_file(struct recovery *r, const struct segment *s) {
    if (r->reading == s->number + 1) return 0;
    recovery_close_file(r);
    int fd = segment_open_file(s, r->j->dir, r->err);
    if (fd < 0) return fd;
    r->reading_fd = fd;
    r->reading = s->number + 1;
    return 0;
}

int recovery_read(struct recovery *r, const struct segment *s, void *out, size_t n, uint64_t offset,
                  size_t *got) {
    *got = 0;
    int rc = recovery_open_file(r, s);
    return rc != 0 ? rc
                   : segment_read(r->reading_fd, r->j->dir, s->number, out, n, offset, got, r->err);
}

/* A file of another store: noted, to be removed by journal_start if that store's journal
 * was sealed. */
struct foreign {
    uint64_t generation;
    struct uuid store_id;
    uint64_t number;
    bool sealed;
};

static int classify(struct recovery *r, struct segment *s, struct foreign *foreign) {
    struct journal *j = r->j;
    uint8_t *block = xcalloc(1, JOURNAL_BLOCK);
    char path[SEGMENT_PATH_MAX];
    size_t got;
    bool used_copy = false;
    int rc = recovery_read(r, s, block, JOURNAL_BLOCK, 0, &got);
    if (rc != 0) goto out;
    enum segment_state state = segment_header_get(block, got, &s->header, &used_copy);
    recovery_path(r, s, path);
    if (state == SEGMENT_NEWER) {
        rc = err_set(r->err, ERR_REFUSED,
                     "%s has format %u, this version knows %u: a newer server wrote it. Start that "
                     "one (a clean shutdown of it leaves nothing in the journal)",
                     path, s->header.format, JOURNAL_FORMAT);
        goto out;
    }
    if (state != SEGMENT_VALID) {
        if (state == SEGMENT_DAMAGED) log_warning("journal: %s: damaged header", path);
        r->lost[r->lost_count++] = (struct found){.segment = s, .state = state};
        s = NULL;
        goto out;
    }
    if (used_copy) log_warning("journal: %s: damaged header, its copy is used", path);
    if (!uuid_eq(&s->header.store_id, &j->store_id)) {
        foreign[r->foreign_count++] =
            (struct foreign){.generation = s->header.generation,
                             .store_id = s->header.store_id,
                             .number = s->number,
                             .sealed = (s->header.flags & SEGMENT_SEALED) != 0};
        s->failed = true; /* never to be used for ours: to be removed */
        segment_list_push(&j->doomed, s);
        s = NULL;
        goto out;
    }
    s->crc_init = segment_crc_init(&j->store_id, s->header.generation, s->header.tag);
    r->own[r->own_count++] = (struct found){.segment = s, .state = state};
    s = NULL;
out:
    segment_destroy(s);
    free(block);
    return rc;
}

/* Of each foreign store the newest segment decides: sealed, its journal holds nothing. */
static int check_foreign(struct recovery *r, const struct foreign *f) {
    for (size_t i = 0; i < r->foreign_count; i++) {
        size_t newest = i;
        for (size_t k = 0; k < r->foreign_count; k++)
            if (uuid_eq(&f[k].store_id, &f[i].store_id) && f[k].generation > f[newest].generation)
                newest = k;
        if (f[newest].sealed) continue;
        char path[SEGMENT_PATH_MAX], id[UUID_TEXT_LEN];
        segment_path(path, r->j->dir, f[newest].number);
        uuid_format(&f[newest].store_id, id);
        return err_set(
            r->err, ERR_REFUSED,
            "%s (header at offset 0) belongs to another store (%.*s) and may hold "
            "events of it. If that store's database still exists, put the journal back beside it; "
            "docs/journal.md says what to do if not",
            path, UUID_TEXT_LEN, id);
    }
    if (r->foreign_count > 0)
        log_notice("journal: %zu sealed segments of another store are discarded", r->foreign_count);
    return 0;
}

int recovery_find_segments(struct recovery *r) {
    struct journal *j = r->j;
    struct foreign *foreign = NULL;
    int rc = 0;
    DIR *dir = opendir(j->dir);
    if (dir == NULL) return err_errno(r->err, "opening %s", j->dir);
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        uint64_t number;
        if (entry == NULL && errno != 0) rc = err_errno(r->err, "reading %s", j->dir);
        if (entry == NULL) break;
        if (!segment_name_parse(entry->d_name, &number)) continue;
        j->next_number = MAX(j->next_number, number + 1);
        if (MAX(r->own_count + r->lost_count, r->foreign_count) + 1 >= r->cap) {
            r->cap = r->cap == 0 ? 64 : 2 * r->cap;
            r->own = xrealloc(r->own, r->cap * sizeof r->own[0]);
            r->lost = xrealloc(r->lost, r->cap * sizeof r->lost[0]);
            foreign = xrealloc(foreign, r->cap * sizeof foreign[0]);
        }
        struct segment *s = segment_find(j->dir, j->dir_fd, number, r->err);
        rc = s == NULL ? ERR_IO : classify(r, s, foreign);
        if (rc != 0) break;
    }
    closedir(dir);
    if (rc == 0) rc = check_foreign(r, foreign);
    free(foreign);
    if (rc != 0 || r->own_count == 0) return rc;
    qsort(r->own, r->own_count, sizeof r->own[0], by_generation);
    j->generation = r->own[r->own_count - 1].segment->header.generation;
    for (size_t i = 1; i < r->own_count; i++) {
        const struct segment *a = r->own[i - 1].segment, *b = r->own[i].segment;
        char path[SEGMENT_PATH_MAX], other[SEGMENT_PATH_MAX];
        if (a->header.generation == b->header.generation)
            return err_set(r->err, ERR_CORRUPT,
                           "%s and %s are the same segment (generation %llu, header at offset 0): "
                           "one is a copy; see docs/journal.md",
                           recovery_path(r, a, path), recovery_path(r, b, other),
                           (unsigned long long)a->header.generation);
    }
    return 0;
}
