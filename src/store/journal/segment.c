/* The journal's file format and file calls. Every structure is checked before any length in it
 * is believed; a batch is whole or it does not count.
 *
 * Three things keep what an earlier use of a file left behind from being taken for new: the
 * generation and the random tag, which each batch repeats, and the CRCs, which start from both
 * and from the store's id. The tag is not shown to clients, so nobody can write a payload that
 * looks like a batch.
 *
 * The header is written twice in its block, half a block apart, so that a damaged sector does not
 * cost the segment. */
#include "store/journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

#define GROUP_MAGIC   0x70727563u /* "curp" */
#define NAME_PREFIX   "seg-"
#define ZERO_CHUNK    ((size_t)1 << 20)
#define ZERO_PIECE    ((size_t)64 << 10) /* with a pause of ZERO_PAUSE_US: 50 MB/s */
#define ZERO_PAUSE_US 1000
#define IOV_BATCH     512 /* vectors a call; the system's limit is 1024 */

static const char header_magic[8] = {'C', 'a', 'i', 'r', 'n', 'J', 'n', 'l'};

/* ---- checks ---- */

uint32_t segment_crc(uint32_t crc, const void *p, size_t n) {
    const size_t step = (size_t)1 << 30; /* the library counts with int */
    const uint8_t *at = p;
    while (n > 0) {
        size_t now = MIN(n, step);
        crc = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)now, crc);
        at += now;
        n -= now;
    }
    return crc;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
    return x ^ (x >> 33);
}

uint32_t segment_crc_init(const struct uuid *store_id, uint64_t generation, uint64_t tag) {
    uint64_t id[2];
    memcpy(id, store_id->b, sizeof id);
    uint64_t x = mix(mix(mix(generation + 0x9e3779b97f4a7c15u) ^ tag) ^ id[0] ^ mix(id[1]));
    /* From 0 a CRC of zeros is 0: never start there. */
    return (uint32_t)(x >> 32) | 1;
}

static uint32_t header_crc(const struct segment_header *h) {
    struct segment_header copy = *h;
    copy.crc = 0;
    return segment_crc(UINT32_MAX, &copy, sizeof copy);
}

void segment_header_put(uint8_t block[JOURNAL_BLOCK], const struct segment_header *h) {
    struct segment_header copy = *h;
    memcpy(copy.magic, header_magic, sizeof copy.magic);
    copy.format = JOURNAL_FORMAT;
    copy.crc = header_crc(&copy);
    memcpy(block, &copy, sizeof copy);
    memcpy(block + SEGMENT_HEADER_COPY, &copy, sizeof copy);
}

static bool header_whole(const struct segment_header *h) {
    return memcmp(h->magic, header_magic, sizeof header_magic) == 0 && h->crc == header_crc(h);
}

static bool all_zero(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0) return false;
    return true;
}

enum segment_state segment_header_get(const uint8_t *bytes, size_t len, struct segment_header *out,
                                      bool *used_copy) {
    struct segment_header h[2];
    bool whole[2] = {false, false};
    for (unsigned i = 0; i < 2; i++) {
        size_t at = i * SEGMENT_HEADER_COPY;
        if (len < at + sizeof h[i]) continue;
        memcpy(&h[i], bytes + at, sizeof h[i]);
        whole[i] = header_whole(&h[i]);
    }
    *used_copy = !whole[0] && whole[1];
    if (!whole[0] && !whole[1])
        return all_zero(bytes, MIN(len, (size_t)JOURNAL_BLOCK)) ? SEGMENT_BLANK : SEGMENT_DAMAGED;
    unsigned use = whole[0] ? 0 : 1;
    /* Both whole but different: a write of the block that did not finish. A seal is written
     * into the segment that it seals. */
    if (whole[0] && whole[1] &&
        (h[1].generation > h[0].generation ||
         (h[1].generation == h[0].generation && (h[1].flags & SEGMENT_SEALED) != 0)))
        use = 1;
    *out = h[use];
    if (out->format > JOURNAL_FORMAT) return SEGMENT_NEWER;
    bool sane = out->format > 0 && out->generation > 0 && out->first_frame > 0 &&
                out->claim < out->first_frame;
    return sane ? SEGMENT_VALID : SEGMENT_DAMAGED;
}

static uint32_t batch_crc(const struct segment_batch *g, uint32_t crc_init) {
    return segment_crc(crc_init, &g->generation,
                       sizeof *g - offsetof(struct segment_batch, generation));
}

void segment_batch_seal(struct segment_batch *g, uint32_t crc_init) {
    g->magic = GROUP_MAGIC;
    g->crc = batch_crc(g, crc_init);
}

bool segment_batch_valid(const struct segment_batch *g, const struct uuid *store_id) {
    if (g->magic != GROUP_MAGIC) return false;
    if (g->crc != batch_crc(g, segment_crc_init(store_id, g->generation, g->tag))) return false;
    const uint64_t smallest = sizeof(struct segment_frame) + sizeof(struct segment_record);
    if (g->reserved != 0 || g->frames == 0 || g->first_frame == 0) return false;
    if (g->first_frame > UINT64_MAX - g->frames || g->claim >= g->first_frame) return false;
    return (g->bytes & 7) == 0 && g->bytes >= g->frames * smallest && g->bytes < UINT64_MAX / 2;
}

bool segment_frames_valid(const uint8_t *frames, const struct segment_batch *g, uint32_t crc_init) {
    const size_t smallest = sizeof(struct segment_frame) + sizeof(struct segment_record);
    size_t at = 0, bytes = g->bytes;
    for (uint32_t i = 0; i < g->frames; i++) {
        struct segment_frame f;
        if (bytes - at < smallest) return false;
        memcpy(&f, frames + at, sizeof f);
        if (f.length < smallest || (f.length & 7) != 0 || f.length > bytes - at) return false;
        if (f.number != g->first_frame + i) return false;
        if (f.crc != segment_crc(crc_init, frames + at + sizeof f.crc, f.length - sizeof f.crc))
            return false;
        at += f.length;
    }
    return at == bytes;
}

/* ---- files ---- */

void segment_path(char out[SEGMENT_PATH_MAX], const char *dir, uint64_t number) {
    snprintf(out, SEGMENT_PATH_MAX, "%s/" NAME_PREFIX "%016llx", dir, (unsigned long long)number);
}

bool segment_name_parse(const char *name, uint64_t *number) {
    const size_t prefix = sizeof NAME_PREFIX - 1;
    if (strncmp(name, NAME_PREFIX, prefix) != 0 || strlen(name) != prefix + 16) return false;
    uint64_t n = 0;
    for (const char *p = name + prefix; *p != '\0'; p++) {
        if (*p >= '0' && *p <= '9')
            n = n << 4 | (uint64_t)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            n = n << 4 | (uint64_t)(*p - 'a' + 10);
        else
            return false;
    }
    *number = n;
    return true;
}

/* In small pieces that leave the disk to others: what is written is on its way at once, so that a
 * sync of the journal never has much of it to wait for. */
static int write_zeros_gently(int fd, uint64_t bytes, const struct segment_pace *pace) {
    static const char zeros[ZERO_PIECE];
    uint64_t begin = atomic_load(&pace->written);
    for (uint64_t at = 0; at < bytes;) {
        ssize_t n = pwrite(fd, zeros, MIN(bytes - at, (uint64_t)ZERO_PIECE), (off_t)at);
        if (n == 0 || (n < 0 && errno != EINTR)) return -1;
        if (n < 0) continue;
        /* Of what it fails at, the sync at the end will tell. */
        sync_file_range(fd, (off_t)at, n, SYNC_FILE_RANGE_WRITE);
        at += (uint64_t)n;
        /* Ready before the journal could have filled half of it. */
        uint64_t others = atomic_load(&pace->written) - begin;
        if (at > 2 * others && !atomic_load(&pace->hurry)) usleep(ZERO_PAUSE_US);
    }
    return 0;
}

static int write_zeros(int fd, uint64_t bytes, const struct segment_pace *pace) {
    if (pace != NULL) return write_zeros_gently(fd, bytes, pace);
    char *zeros = xcalloc(1, ZERO_CHUNK);
    int rc = 0;
    for (uint64_t at = 0; at < bytes && rc == 0;) {
        ssize_t n = pwrite(fd, zeros, MIN(bytes - at, (uint64_t)ZERO_CHUNK), (off_t)at);
        if (n > 0)
            at += (uint64_t)n;
        else if (n == 0 || errno != EINTR)
            rc = -1;
    }
    free(zeros);
    return rc;
}

/* Gives the file its size, on disk if the file system can. */
static int reserve(int fd, uint64_t size) {
    if (fallocate(fd, 0, 0, (off_t)size) == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return -1;
    return ftruncate(fd, (off_t)size);
}

static struct segment *segment_of(int dir_fd, uint64_t number, uint64_t size) {
    struct segment *s = xcalloc(1, sizeof *s);
    for (size_t i = 0; i < JOURNAL_SLOTS; i++) s->fds[i] = -1;
    s->dir_fd = dir_fd;
    s->number = number;
    s->size = size;
    return s;
}

int segment_open_file(const struct segment *s, const char *dir, struct err *err) {
    char path[SEGMENT_PATH_MAX];
    segment_path(path, dir, s->number);
    int fd = openat(s->dir_fd, strrchr(path, '/') + 1, O_RDWR | O_CLOEXEC);
    return fd >= 0 ? fd : err_errno(err, "opening %s", path);
}

static int open_files(struct segment *s, const char *dir, struct err *err) {
    for (size_t i = 0; i < JOURNAL_SLOTS; i++) {
        s->fds[i] = segment_open_file(s, dir, err);
        if (s->fds[i] >= 0) continue;
        int rc = s->fds[i];
        segment_close_files(s);
        return rc;
    }
    return 0;
}

void segment_close_files(struct segment *s) {
    for (size_t i = 0; i < JOURNAL_SLOTS; i++) {
        if (s->fds[i] >= 0) close(s->fds[i]);
        s->fds[i] = -1;
    }
}

struct segment *segment_create(const char *dir, int dir_fd, uint64_t number, uint64_t size,
                               uint64_t zeroed, const struct segment_pace *pace, struct err *err) {
    char path[SEGMENT_PATH_MAX], temporary[SEGMENT_PATH_MAX + 8];
    segment_path(path, dir, number);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    bool renamed = false;
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, "creating %s", temporary);
        return NULL;
    }
    if (reserve(fd, size) != 0 || write_zeros(fd, MIN(zeroed, size), pace) != 0 ||
        fdatasync(fd) != 0) {
        err_errno(err, "preparing %s (%llu bytes)", temporary, (unsigned long long)size);
        goto fail;
    }
    if (rename(temporary, path) != 0) {
        err_errno(err, "renaming %s", temporary);
        goto fail;
    }
    renamed = true;
    if (fsync(dir_fd) != 0) {
        err_errno(err, "syncing %s", dir);
        goto fail;
    }
    close(fd);
    return segment_of(dir_fd, number, size);
fail:
    unlink(renamed ? path : temporary);
    close(fd);
    return NULL;
}

struct segment *segment_create_header(const char *dir, int dir_fd, uint64_t number,
                                      const struct segment_header *h, bool *synced,
                                      struct err *err) {
    char path[SEGMENT_PATH_MAX], temporary[SEGMENT_PATH_MAX + 8];
    segment_path(path, dir, number);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, "creating %s", temporary);
        return NULL;
    }
    struct segment *s = segment_of(dir_fd, number, JOURNAL_BLOCK);
    s->fds[0] = fd;
    uint8_t block[JOURNAL_BLOCK] = {0};
    struct iovec iov = {.iov_base = block, .iov_len = sizeof block};
    segment_header_put(block, h);
    s->header = *h;
    int rc = segment_write(s, dir, &iov, 1, 0, err);
    *synced = rc == 0 && segment_sync(s, dir, 0, err) == 0;
    if (rc == 0 && rename(temporary, path) != 0) rc = err_errno(err, "renaming %s", temporary);
    if (rc != 0) {
        unlink(temporary);
        segment_destroy(s);
        return NULL;
    }
    if (*synced && fsync(dir_fd) != 0) {
        err_errno(err, "syncing %s", dir);
        *synced = false;
    }
    s->failed = !*synced;
    segment_close_files(s);
    return s;
}

struct segment *segment_find(const char *dir, int dir_fd, uint64_t number, struct err *err) {
    char path[SEGMENT_PATH_MAX];
    struct stat st;
    segment_path(path, dir, number);
    if (stat(path, &st) == 0) return segment_of(dir_fd, number, (uint64_t)st.st_size);
    err_errno(err, "opening %s", path);
    return NULL;
}

void segment_destroy(struct segment *s) {
    if (s == NULL) return;
    segment_close_files(s);
    free(s);
}

int segment_zero(struct segment *s, const char *dir, const struct segment_pace *pace,
                 struct err *err) {
    int fd = segment_open_file(s, dir, err), rc = 0;
    if (fd < 0) {
        s->failed = true;
        return fd;
    }
    if (write_zeros(fd, s->size, pace) != 0 || fdatasync(fd) != 0) {
        char path[SEGMENT_PATH_MAX];
        segment_path(path, dir, s->number);
        s->failed = true;
        rc = err_errno(err, "zeroing %s", path);
    }
    close(fd);
    return rc;
}

void segment_remove(struct segment *s, const char *dir) {
    char path[SEGMENT_PATH_MAX];
    segment_path(path, dir, s->number);
    if (unlinkat(s->dir_fd, strrchr(path, '/') + 1, 0) != 0 && errno != ENOENT)
        log_warning("journal: removing %s: %s", path, strerror(errno));
    segment_destroy(s);
}

void segment_remove_temporary(const char *dir) {
    DIR *d = opendir(dir);
    if (d == NULL) return;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char name[64], path[SEGMENT_PATH_MAX + 8];
        uint64_t number;
        size_t len = strlen(entry->d_name);
        if (len < 4 || len >= sizeof name || strcmp(entry->d_name + len - 4, ".tmp") != 0) continue;
        memcpy(name, entry->d_name, len - 4);
        name[len - 4] = '\0';
        if (!segment_name_parse(name, &number)) continue;
        segment_path(path, dir, number);
        strcat(path, ".tmp");
        unlink(path);
    }
    closedir(d);
}

int segment_write(struct segment *s, const char *dir, struct iovec *iov, size_t n, uint64_t offset,
                  struct err *err) {
    int rc = s->fds[0] < 0 ? open_files(s, dir, err) : 0;
    if (rc != 0) {
        s->failed = true;
        return rc;
    }
    while (n > 0) {
        ssize_t done = pwritev(s->fds[0], iov, (int)MIN(n, (size_t)IOV_BATCH), (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            char path[SEGMENT_PATH_MAX];
            if (done == 0) errno = EIO;
            segment_path(path, dir, s->number);
            s->failed = true;
            return err_errno(err, "writing %s at %llu", path, (unsigned long long)offset);
        }
        offset += (uint64_t)done;
        for (size_t left = (size_t)done; left > 0;) {
            size_t now = MIN(left, iov->iov_len);
            iov->iov_base = (char *)iov->iov_base + now;
            iov->iov_len -= now;
            left -= now;
            if (iov->iov_len == 0) {
                iov++;
                n--;
            }
        }
        while (n > 0 && iov->iov_len == 0) {
            iov++;
            n--;
        }
    }
    return 0;
}

int segment_read(int fd, const char *dir, uint64_t number, void *out, size_t n, uint64_t offset,
                 size_t *got, struct err *err) {
    *got = 0;
    while (*got < n) {
        ssize_t done = pread(fd, (char *)out + *got, n - *got, (off_t)(offset + *got));
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) {
            char path[SEGMENT_PATH_MAX];
            segment_path(path, dir, number);
            return err_errno(err, "reading %s at %llu", path, (unsigned long long)offset);
        }
        if (done == 0) break;
        *got += (size_t)done;
    }
    return 0;
}

int segment_sync(struct segment *s, const char *dir, unsigned slot, struct err *err) {
    if (fdatasync(s->fds[slot]) == 0) return 0;
    char path[SEGMENT_PATH_MAX];
    segment_path(path, dir, s->number);
    s->failed = true;
    return err_errno(err, "syncing %s", path);
}
