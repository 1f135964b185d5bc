/* The journal over real files. Frames carry their number and a hash of the frame before them,
 * so that a replay can be checked frame by frame, whatever was torn. A crash is a copy of the
 * directory taken between two steps; a power cut is such a copy in which blocks that were not
 * synced are put back at random. The system calls are interposed here: they can fail, and they
 * remember what a power cut would lose. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "record/event.h"
#include "store/journal/journal.h"
#include "store/journal/segment.h"

#define SEGMENT ((uint64_t)64 << 10)
#define BLOCK   ((size_t)JOURNAL_BLOCK)

/* ---- interposed calls ---- */

static int fail_after = -1; /* so many calls succeed, then `fail_count` fail */
static int fail_count, fail_errno;
static bool fail_syncs; /* every one */

static bool fails(void) {
    if (fail_after < 0) return false;
    if (fail_after > 0) {
        fail_after--;
        return false;
    }
    if (fail_count <= 0) return false;
    fail_count--;
    errno = fail_errno;
    return true;
}

/* Blocks written and not synced, as they were before. */
struct dirty {
    char path[512];
    uint64_t offset;
    uint8_t before[JOURNAL_BLOCK];
};
static bool track;
static struct dirty *dirty;
static size_t dirty_count, dirty_cap;

static void fd_path(int fd, char out[512]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, 511);
    out[n < 0 ? 0 : n] = '\0';
}

static void remember(int fd, uint64_t offset, size_t len) {
    for (uint64_t at = offset & ~(uint64_t)(BLOCK - 1); at < offset + len; at += BLOCK) {
        if (dirty_count == dirty_cap) {
            dirty_cap = dirty_cap == 0 ? 64 : 2 * dirty_cap;
            dirty = xrealloc(dirty, dirty_cap * sizeof dirty[0]);
        }
        struct dirty *d = &dirty[dirty_count++];
        fd_path(fd, d->path);
        d->offset = at;
        memset(d->before, 0, BLOCK);
        if (pread(fd, d->before, BLOCK, (off_t)at) < 0) abort();
    }
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset) {
    size_t len = 0;
    for (int i = 0; i < n; i++) len += iov[i].iov_len;
    if (track) remember(fd, (uint64_t)offset, len);
    if (fails()) {
        /* What is not written may still be half there. */
        if (len > BLOCK)
            syscall(SYS_pwrite64, fd, iov[0].iov_base, MIN(iov[0].iov_len, BLOCK), offset);
        errno = fail_errno;
        return -1;
    }
    return syscall(SYS_pwritev, fd, iov, n, offset, 0);
}

int fdatasync(int fd) {
    if (fail_syncs) errno = EIO;
    if (fail_syncs || fails()) return -1;
    if (track) {
        char path[512];
        size_t kept = 0;
        fd_path(fd, path);
        for (size_t i = 0; i < dirty_count; i++)
            if (strcmp(dirty[i].path, path) != 0) dirty[kept++] = dirty[i];
        dirty_count = kept;
    }
    return 0; /* the tests are about order, not about the disk */
}

int fsync(int fd) {
    UNUSED(fd);
    return fails() ? -1 : 0;
}

int fallocate(int fd, int mode, off_t offset, off_t len) {
    return fails() ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

int openat(int dir, const char *path, int flags, ...) {
    return fails() ? -1 : (int)syscall(SYS_openat, dir, path, flags, 0);
}

int rename(const char *from, const char *to) {
    return fails() ? -1 : (int)syscall(SYS_rename, from, to);
}

/* ---- frames that know their place ---- */

struct body {
    uint64_t number, before, salt;
};
static uint64_t written_hash[1 << 16]; /* of the frame last written under a number */
static uint64_t salt;
static struct stream_name *name;

static uint64_t frame_hash(struct str payload) {
    return hash_bytes(payload.ptr, payload.len);
}

static void add_frame(struct batch *g, size_t size) {
    const uint64_t number = g->first_frame + g->frame_count;
    if (name == NULL) name = stream_name_create(1, 1, STR("orders-1"));
    CHECK(number < ARRAY_LEN(written_hash));
    size = MAX(size, sizeof(struct body));
    char *payload = xmalloc(size);
    memset(payload, (int)(number & 0xff), size);
    struct body b = {.number = number, .before = written_hash[number - 1], .salt = salt};
    memcpy(payload, &b, sizeof b);
    struct event_fields f = {
        .sequence = number, .type = STR("order.created"), .payload = str_of(payload, size)};
    struct event *e = event_create(&f, name);
    size_t len = event_record_len(&e->rec);
    void *copy = batch_alloc(g, len);
    memcpy(copy, &e->rec, len);
    batch_add(g, RECORD_EVENT, copy, len);
    batch_end_frame(g);
    written_hash[number] = frame_hash(f.payload);
    event_unref(e);
    free(payload);
}

static struct batch *make_batch(uint64_t first, unsigned frames, size_t size) {
    struct batch *b = batch_create(first);
    for (unsigned i = 0; i < frames; i++) add_frame(b, size);
    return b;
}

/* ---- opening and checking ---- */

struct replayed {
    uint64_t first, last; /* 0: none */
    uint64_t hash;        /* of the last frame */
    uint64_t hashes[4096];
    size_t batches, bytes_max;
    unsigned open_max; /* segments whose file was open at a time */
    bool in_front;     /* of damage: to be applied although the journal is refused */
};
static struct replayed got;
static struct err err;
static struct journal_config config = {.dir = "j", .epoch = 1, .segment_bytes = SEGMENT};

/* Descriptors of this process that lead to a segment. */
static unsigned open_segments(void) {
    unsigned count = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        fd_path(atoi(e->d_name), path);
        if (strstr(path, "/seg-") != NULL) count++;
    }
    closedir(d);
    return count;
}

static int check_replay(struct batch *g, void *arg, struct err *e) {
    UNUSED(arg);
    UNUSED(e);
    got.open_max = MAX(got.open_max, open_segments());
    got.in_front = g == NULL;
    if (g == NULL) return 0;
    got.batches++;
    got.bytes_max = MAX(got.bytes_max, g->bytes);
    uint32_t r = 0;
    for (uint32_t i = 0; i < g->frame_count; i++) {
        uint64_t number = g->first_frame + i;
        CHECK(got.last == 0 || number == got.last + 1);
        if (got.first == 0) got.first = number;
        for (; r < g->frame_end[i]; r++) {
            CHECK(record_valid(&g->records[r]));
            CHECK(((uintptr_t)g->records[r].body & 7) == 0);
            if (g->records[r].kind != RECORD_EVENT) continue;
            struct str payload = event_payload(g->records[r].body);
            struct body b;
            memcpy(&b, payload.ptr, sizeof b);
            CHECK_INT(b.number, number);
            if (got.last != 0) CHECK(b.before == got.hash);
            got.hash = frame_hash(payload);
        }
        got.last = number;
        if (number < ARRAY_LEN(got.hashes)) got.hashes[number] = got.hash;
    }
    batch_destroy(g);
    return 0;
}

static struct journal *open_at(const char *dir, uint64_t applied, bool expected, int *rc) {
    struct journal *j = NULL;
    got = (struct replayed){0};
    err.text[0] = '\0';
    config.dir = dir;
    *rc = journal_open(&j, &config, applied, expected, check_replay, NULL, &err);
    CHECK((*rc == 0) == (j != NULL));
    CHECK((*rc != 0) == (err.text[0] != '\0'));
    return j;
}

/* Opens, expects code, closes. */
static void open_gives(const char *dir, uint64_t applied, bool expected, int code) {
    int rc;
    journal_close(open_at(dir, applied, expected, &rc));
    if (rc != code) fprintf(stderr, "  %s\n", err.text);
    CHECK_INT(rc, code);
    /* What is given up is for the page to say, in an order that gives up the least. */
    CHECK(strstr(err.text, "move it") == NULL && strstr(err.text, "move the") == NULL);
}

static void err_says(const char *what) {
    if (strstr(err.text, what) == NULL) fprintf(stderr, "  %s\n", err.text);
    CHECK(strstr(err.text, what) != NULL);
}

static struct journal *start_new(const char *dir) {
    int rc;
    log_level = LOG_NOTHING;
    struct journal *j = open_at(dir, 0, false, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(journal_start(j, 1, &err), 0);
    return j;
}

/* Writes a batch of `frames` frames with `size` bytes each, and syncs. */
static void put(struct journal *j, unsigned frames, size_t size) {
    struct batch *b = make_batch(journal_last_frame(j) + 1, frames, size);
    CHECK_INT(journal_write(j, b, b->first_frame - 1, &err), 0);
    CHECK_INT(journal_sync(j, &err), 0);
    batch_destroy(b);
}

static void shell(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void shell(const char *fmt, ...) {
    char command[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    CHECK(system(command) == 0);
}
static void copy_dir(const char *from, const char *to) {
    shell("rm -rf %s && cp -r %s %s", to, from, to);
}

/* The path of the segment of the n-th generation that is there, from 0. */
static void segment_of(const char *dir, unsigned n, char out[512]) {
    struct {
        uint64_t generation;
        char path[512];
    } all[64];
    size_t count = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t number;
        struct segment_header h;
        uint8_t block[JOURNAL_BLOCK] = {0};
        bool used;
        if (!segment_name_parse(e->d_name, &number)) continue;
        snprintf(all[count].path, sizeof all[0].path, "%s/%s", dir, e->d_name);
        int fd = open(all[count].path, O_RDONLY);
        CHECK(fd >= 0);
        ssize_t len = read(fd, block, sizeof block);
        close(fd);
        if (len < 0 || segment_header_get(block, sizeof block, &h, &used) != SEGMENT_VALID)
            continue;
        all[count++].generation = h.generation;
    }
    closedir(d);
    CHECK(n < count);
    for (size_t i = 0; i < count; i++) {
        size_t lower = 0;
        for (size_t k = 0; k < count; k++) lower += all[k].generation < all[i].generation;
        if (lower == n) memcpy(out, all[i].path, 512);
    }
}

static void damage(const char *path, uint64_t offset, const void *bytes, size_t n) {
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    CHECK(pwrite(fd, bytes, n, (off_t)offset) == (ssize_t)n);
    close(fd);
}
static void flip(const char *path, uint64_t offset, uint8_t mask) {
    uint8_t b;
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0);
    CHECK(pread(fd, &b, 1, (off_t)offset) == 1);
    b ^= mask;
    CHECK(pwrite(fd, &b, 1, (off_t)offset) == 1);
    close(fd);
}
static void zero(const char *path, uint64_t offset, size_t n) {
    void *zeros = xcalloc(1, n);
    damage(path, offset, zeros, n);
    free(zeros);
}

/* ---- writing and reading ---- */

TEST(batches_that_were_written_are_replayed_in_order) {
    struct journal *j = start_new("j");
    const size_t sizes[] = {0, 1, 7, 8, 100, 4096, 5000, 20000};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) put(j, 1 + i % 3, sizes[i]);
    uint64_t last = journal_last_frame(j);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.first, 1);
    CHECK_INT(got.last, last);
    CHECK(got.hash == written_hash[last]);
    open_gives("j", 5, true, 0);
    CHECK_INT(got.first, 6);
    CHECK_INT(got.last, last);
}

TEST(however_many_segments_there_are_few_files_are_open) {
    struct journal *j = start_new("j");
    for (int i = 0; i < 100; i++) {
        put(j, 1, SEGMENT - 2 * BLOCK);
        CHECK_INT(open_segments(), JOURNAL_SLOTS);
        if (i % 3 == 0) CHECK_INT(journal_prepare(j, &err), 0);
    }
    CHECK(journal_segment_count(j) >= 100);
    CHECK_INT(journal_scrub(j, &err), 0);
    journal_applied(j, 50);
    CHECK_INT(journal_prepare(j, &err), 0);
    CHECK_INT(open_segments(), JOURNAL_SLOTS);
    journal_close(j);
    CHECK_INT(open_segments(), 0);
    int rc;
    j = open_at("j", 50, true, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(got.last, 100);
    CHECK_INT(got.open_max, 1);
    CHECK_INT(open_segments(), 0);
    CHECK_INT(journal_start(j, 101, &err), 0);
    CHECK_INT(open_segments(), JOURNAL_SLOTS);
    CHECK_INT(journal_seal(j, &err), 0);
    journal_close(j);
    CHECK_INT(open_segments(), 0);
}

TEST(a_frame_of_several_kinds_of_records_comes_back_as_it_was) {
    struct journal *j = start_new("j");
    struct stream_name *n = stream_name_create(7, 99, STR("accounts-42"));
    struct batch *b = batch_create(1);
    batch_add(b, RECORD_FLUSH, NULL, 0);
    batch_add(b, RECORD_STREAM, &n->rec, sizeof n->rec + n->rec.name_len);
    add_frame(b, 10);
    add_frame(b, 20);
    CHECK_INT(journal_write(j, b, 0, &err), 0);
    CHECK_INT(journal_sync(j, &err), 0);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 2);
    batch_destroy(b);
    stream_name_unref(n);
}

TEST(a_journal_goes_on_behind_what_was_applied) {
    struct journal *j = start_new("j");
    put(j, 5, 100);
    journal_close(j);
    for (int round = 0; round < 20; round++) {
        int rc;
        uint64_t before = got.last;
        j = open_at("j", before, true, &rc);
        CHECK_INT(rc, 0);
        if (round > 0) CHECK_INT(got.first, before + 1);
        CHECK_INT(journal_start(j, journal_last_frame(j) + 1, &err), 0);
        put(j, 3, 3000);
        put(j, 3, 3000);
        CHECK(journal_segment_count(j) <= 6);
        journal_close(j);
    }
    open_gives("j", 5, true, ERR_REFUSED);
    err_says("begins with frame");
}

TEST(segments_follow_each_other_and_are_used_again_once_applied) {
    struct journal *j = start_new("j");
    uint64_t used_max = 0;
    for (int i = 0; i < 300; i++) {
        put(j, 4, 1500);
        used_max = MAX(used_max, journal_bytes_used(j));
        if (i % 40 == 39) {
            journal_applied(j, journal_last_frame(j) - 2);
            CHECK(journal_bytes_used(j) <= 2 * SEGMENT);
        }
        if (journal_wants_prepare(j)) CHECK_INT(journal_prepare(j, &err), 0);
        CHECK(journal_segment_count(j) < 16);
    }
    CHECK(used_max > 3 * SEGMENT);
    journal_applied(j, journal_last_frame(j));
    CHECK_INT(journal_bytes_used(j), 0);
    CHECK_INT(journal_prepare(j, &err), 0);
    CHECK(journal_segment_count(j) <= 5);
    uint64_t last = journal_last_frame(j);
    put(j, 2, 10);
    journal_close(j);
    open_gives("j", last, true, 0);
    CHECK_INT(got.first, last + 1);
    CHECK_INT(got.last, last + 2);
}

static bool holds_text(const char *text) {
    char command[128];
    snprintf(command, sizeof command, "grep -rqF %s j", text);
    return system(command) == 0;
}

/* The frames of make_batch are filled with their number: 'Z' is that of frame 90. */
TEST(a_scrub_leaves_nothing_of_what_was_written_before_it) {
    struct journal *j = start_new("j");
    put(j, 100, 100); /* in the segment that is written to */
    CHECK(holds_text("ZZZZZZZZ"));
    CHECK_INT(journal_scrub(j, &err), 0);
    put(j, 2, 100);
    journal_applied(j, 101);
    CHECK_INT(journal_prepare(j, &err), 0);
    CHECK(!holds_text("ZZZZZZZZ"));
    for (int i = 0; i < 100; i++) put(j, 4, 1500); /* in segments that are free again */
    journal_applied(j, journal_last_frame(j));
    CHECK(holds_text("yyyyyyyy"));
    for (int i = 0; i < 3; i++) CHECK_INT(journal_scrub(j, &err), 0);
    CHECK_INT(journal_prepare(j, &err), 0);
    CHECK(!holds_text("yyyyyyyy"));
    CHECK(journal_segment_count(j) <= 6);
    uint64_t last = journal_last_frame(j);
    put(j, 2, 10);
    journal_close(j);
    open_gives("j", last, true, 0);
    CHECK_INT(got.first, last + 1);
    CHECK_INT(got.last, last + 2);
}

TEST(what_a_crash_leaves_is_zeroed_before_it_is_used_again) {
    struct journal *j = start_new("j");
    put(j, 100, 100);
    journal_close(j);
    int rc;
    j = open_at("j", 0, true, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(journal_start(j, 101, &err), 0);
    CHECK_INT(journal_prepare(j, &err), 0);
    CHECK(!holds_text("ZZZZZZZZ"));
    journal_close(j);
}

TEST(a_batch_larger_than_a_segment_is_split_between_frames) {
    struct journal *j = start_new("j");
    put(j, 3, 100);
    put(j, 40, 20000); /* 800 KB over 64 KiB segments */
    put(j, 3, 100);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 46);
    CHECK(got.hash == written_hash[46]);
}

TEST(a_frame_as_large_as_a_segment_fits) {
    struct journal *j = start_new("j");
    const size_t around = sizeof(struct segment_frame) + sizeof(struct segment_record) +
                          sizeof(struct event_record) + sizeof "order.created" - 1;
    const size_t most = (journal_frame_max(j) - around) & ~(size_t)7;
    put(j, 1, 10);
    put(j, 1, most);
    put(j, 1, most - 4096);
    put(j, 2, most);
    put(j, 1, 10);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 6);
}

TEST(large_bodies_are_replayed_in_bounded_batches) {
    config.segment_bytes = (uint64_t)32 << 20;
    struct journal *j = start_new("j");
    put(j, 30, 1 << 20);
    put(j, 1, 70000);
    put(j, 1, 65536 - 101);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 32);
    CHECK(got.batches >= 3);
    CHECK(got.bytes_max < (size_t)10 << 20);
}

TEST(several_batches_may_share_a_sync) {
    struct journal *j = start_new("j");
    for (uint64_t first = 1; first < 60; first += 3) {
        struct batch *b = make_batch(first, 3, 2000);
        CHECK_INT(journal_write(j, b, 0, &err), 0);
        batch_destroy(b);
    }
    CHECK_INT(journal_sync(j, &err), 0);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 60);
}

/* ---- tails and damage ---- */

/* Ten batches of three frames; the last takes several blocks. Returns the segment's path. */
static void ten_batches(char path[512]) {
    struct journal *j = start_new("j");
    for (int i = 0; i < 9; i++) put(j, 3, 300);
    put(j, 3, 5000);
    journal_close(j);
    segment_of("j", 0, path);
}

TEST(a_last_batch_torn_at_any_block_is_dropped_whole) {
    char path[512];
    ten_batches(path);
    copy_dir("j", "whole");
    for (size_t block = 10; block < 14; block++) {
        copy_dir("whole", "j");
        zero(path, block * BLOCK, BLOCK);
        open_gives("j", 0, true, 0);
        CHECK_INT(got.last, 27);
        copy_dir("whole", "j");
        zero(path, block * BLOCK, 512);
        open_gives("j", 0, true, 0);
        CHECK_INT(got.last, 27);
    }
    zero(path, 14 * BLOCK, BLOCK); /* behind it */
}

TEST(a_truncated_segment_is_a_tail_or_refused_by_what_was_durable) {
    char path[512];
    ten_batches(path);
    copy_dir("j", "whole");
    for (size_t blocks = 0; blocks < 16; blocks++) {
        copy_dir("whole", "j");
        CHECK(truncate(path, (off_t)(blocks * BLOCK + (blocks % 2) * 100)) == 0);
        int rc;
        journal_close(open_at("j", 0, blocks > 0, &rc));
        /* Nothing that is left behind the cut says what was durable. */
        if (blocks == 0) continue;
        CHECK_INT(rc, 0);
        CHECK_INT(got.last, blocks >= 14 ? 30 : 3 * (MIN(blocks, 10) - 1));
    }
}

TEST(damage_below_a_durable_claim_is_refused_and_names_the_place) {
    char path[512], place[64];
    ten_batches(path);
    copy_dir("j", "whole");
    for (size_t block = 1; block < 10; block++) {
        copy_dir("whole", "j");
        zero(path, block * BLOCK, BLOCK);
        open_gives("j", 0, true, ERR_CORRUPT);
        snprintf(place, sizeof place, "damaged at offset %zu: frames from %zu on, up to 27",
                 block * BLOCK, 3 * block - 2);
        err_says(place);
        err_says(path);
        CHECK(got.in_front);
        CHECK_INT(got.last, 3 * block - 3);
        /* In the backend already: no harm. */
        open_gives("j", 3 * block, true, 0);
        CHECK_INT(got.first, 3 * block + 1);
        CHECK_INT(got.last, 30);
        /* Not quite. */
        open_gives("j", 3 * block - 1, true, ERR_CORRUPT);
    }
    copy_dir("whole", "j");
    zero(path, BLOCK, 8 * BLOCK);
    open_gives("j", 24, true, 0);
    open_gives("j", 23, true, ERR_CORRUPT);
    open_gives("j", 1000, true, 0);
    CHECK_INT(got.last, 0);
}

TEST(a_flipped_bit_is_a_tail_or_refused_wherever_it_is) {
    char path[512];
    ten_batches(path);
    for (uint64_t at = 0; at < 14 * BLOCK; at += at % BLOCK < 700 ? 5 : 97) {
        int rc;
        flip(path, at, (uint8_t)(1u << at % 8));
        journal_close(open_at("j", 0, true, &rc));
        uint64_t block = at / BLOCK;
        size_t filled = 56 + 3 * (16 + 8 + 88 + 312 + 7); /* of a block with three small frames */
        if (rc == 0)
            CHECK(got.last == 30 || (block >= 10 && got.last == 27));
        else
            CHECK(block >= 1 && block < 10 && rc == ERR_CORRUPT && at % BLOCK < filled);
        flip(path, at, (uint8_t)(1u << at % 8));
    }
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 30);
}

TEST(damage_in_an_older_segment_is_refused) {
    struct journal *j = start_new("j");
    for (int i = 0; i < 60; i++) put(j, 2, 3000);
    journal_close(j);
    char path[512];
    segment_of("j", 1, path);
    copy_dir("j", "whole");
    flip(path, 5 * BLOCK + 60, 1);
    open_gives("j", 0, true, ERR_CORRUPT);
    err_says(path);
    err_says("offset 20480");
    CHECK(got.in_front);
    CHECK(got.first == 1 && got.last > 14);
    copy_dir("whole", "j");
    zero(path, BLOCK, SEGMENT - BLOCK);
    open_gives("j", 0, true, ERR_CORRUPT);
    copy_dir("whole", "j");
    CHECK(truncate(path, (off_t)(SEGMENT / 2)) == 0);
    open_gives("j", 0, true, ERR_CORRUPT);
}

TEST(a_missing_segment_is_a_gap_and_refused) {
    struct journal *j = start_new("j");
    for (int i = 0; i < 90; i++) put(j, 2, 3000);
    journal_close(j);
    char path[512];
    copy_dir("j", "whole");
    segment_of("j", 2, path);
    CHECK(unlink(path) == 0);
    open_gives("j", 0, true, ERR_REFUSED);
    err_says("missing");
    CHECK_INT(got.batches, 0);
    /* As the page says: what is behind the gap is moved away, one by one, as the messages name it;
     * then all that is in front is there. */
    for (int rc = ERR_REFUSED; rc != 0;) {
        segment_of("j", 2, path);
        open_gives("j", 0, true, ERR_REFUSED);
        err_says(path);
        CHECK(unlink(path) == 0);
        journal_close(open_at("j", 0, true, &rc));
    }
    CHECK(got.first == 1 && got.last > 20);
    copy_dir("whole", "j");
    segment_of("j", 0, path);
    CHECK(unlink(path) == 0);
    open_gives("j", 0, true, ERR_REFUSED);
    err_says("begins with frame");
    /* Its frames are in the backend: not missed. */
    open_gives("j", 60, true, 0);
    CHECK_INT(got.first, 61);
    CHECK_INT(got.last, 180);
}

TEST(one_damaged_header_copy_is_no_harm_and_two_are_refused_if_anything_was_durable) {
    char path[512];
    ten_batches(path);
    flip(path, 20, 1);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 30);
    flip(path, 20, 1);
    flip(path, SEGMENT_HEADER_COPY + 40, 1);
    open_gives("j", 0, true, 0);
    flip(path, 20, 1);
    open_gives("j", 0, true, ERR_CORRUPT);
    err_says("damaged header");
    open_gives("j", 26, false, ERR_CORRUPT);
    open_gives("j", 27, false, 0);
    zero(path, 0, BLOCK);
    open_gives("j", 0, false, ERR_CORRUPT);
    open_gives("j", 27, true, ERR_REFUSED); /* nothing tells whether more was there */
    open_gives("j", 27, false, 0);
}

TEST(a_torn_header_of_a_segment_in_which_nothing_was_durable_is_a_tail) {
    struct journal *j = start_new("j");
    char path[512];
    uint64_t last = 0;
    /* Two rotations, and one batch in the new segment. */
    while (journal_segment_count(j) < 3) {
        last = journal_last_frame(j);
        put(j, 2, 3000);
    }
    journal_close(j);
    segment_of("j", 2, path);
    zero(path, 0, BLOCK);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, last);
    damage(path, 0, "garbage", 7);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, last);
}

TEST(the_same_segment_twice_is_refused) {
    char path[512];
    ten_batches(path);
    shell("cp %s j/seg-00000000000000ff", path);
    open_gives("j", 0, true, ERR_CORRUPT);
    err_says("same segment");
    shell("mv j/seg-00000000000000ff j/seg-x; touch j/notes j/seg-0000000000000abc.tmp");
    open_gives("j", 0, true, 0);
    CHECK(access("j/seg-0000000000000abc.tmp", F_OK) != 0);
}

/* ---- superseding ---- */

TEST(a_superseding_segment_replaces_what_was_not_durable) {
    struct journal *j = start_new("j");
    put(j, 10, 500);
    struct batch *lost = make_batch(11, 5, 500);
    CHECK_INT(journal_write(j, lost, 10, &err), 0);
    CHECK_INT(journal_rewrite(j, NULL, 0, 11, 10, &err), 0); /* void: a probe */
    salt = 1;
    put(j, 3, 700); /* other frames under the same numbers */
    CHECK_INT(journal_last_frame(j), 13);
    copy_dir("j", "crash");
    open_gives("crash", 0, true, 0);
    CHECK_INT(got.last, 13);
    CHECK(got.hash == written_hash[13]);
    struct batch *again = make_batch(14, 5, 400);
    CHECK_INT(journal_write(j, again, 13, &err), 0);
    CHECK_INT(journal_rewrite(j, &again, 1, 14, 13, &err), 0);
    put(j, 2, 100);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 20);
    CHECK(got.hash == written_hash[20]);
    batch_destroy(lost);
    batch_destroy(again);
}

TEST(a_half_written_superseding_segment_leaves_all_that_was_durable) {
    struct journal *j = start_new("j");
    put(j, 10, 500);
    struct batch *b = make_batch(11, 5, 3000);
    CHECK_INT(journal_write(j, b, 10, &err), 0);
    CHECK_INT(journal_rewrite(j, &b, 1, 11, 10, &err), 0);
    copy_dir("j", "whole");
    char path[512];
    segment_of("j", 1, path);
    for (size_t block = 0; block < 6; block++) {
        copy_dir("whole", "j");
        zero(path, block * BLOCK, BLOCK);
        open_gives("j", 0, true, 0);
        /* Without the header the older segment's frames count; with it they are void. */
        CHECK_INT(got.last, block == 0 || block == 5 ? 15 : 10);
        /* And it stays so: start, write, crash. */
        int rc;
        struct journal *k = open_at("j", 0, true, &rc);
        uint64_t last = journal_last_frame(k);
        CHECK_INT(journal_start(k, last + 1, &err), 0);
        salt++;
        put(k, 2, 10);
        journal_close(k);
        open_gives("j", last, true, 0);
        CHECK_INT(got.first, last + 1);
        CHECK_INT(got.last, last + 2);
    }
    batch_destroy(b);
    journal_close(j);
}

TEST(superseding_voids_frames_that_are_already_spread_over_segments) {
    struct journal *j = start_new("j");
    put(j, 3, 100);
    struct batch *many[8];
    for (unsigned i = 0; i < 8; i++) {
        many[i] = make_batch(4 + 10 * i, 10, 2000);
        CHECK_INT(journal_write(j, many[i], 3, &err), 0);
    }
    CHECK_INT(journal_rewrite(j, many, 8, 4, 3, &err), 0);
    CHECK_INT(journal_prepare(j, &err), 0);
    copy_dir("j", "crash");
    open_gives("crash", 0, true, 0);
    CHECK_INT(got.last, 83);
    journal_applied(j, 83);
    CHECK_INT(journal_bytes_used(j), 0);
    put(j, 1, 10);
    journal_close(j);
    open_gives("j", 83, true, 0);
    CHECK_INT(got.last, 84);
    for (unsigned i = 0; i < 8; i++) batch_destroy(many[i]);
}

TEST(void_frames_never_stand_in_for_those_of_a_missing_segment) {
    struct journal *j = start_new("j");
    put(j, 10, 500);
    struct batch *lost = make_batch(11, 3, 500);
    CHECK_INT(journal_write(j, lost, 10, &err), 0);
    CHECK_INT(journal_rewrite(j, NULL, 0, 11, 10, &err), 0);
    salt = 1;
    put(j, 3, 500);
    CHECK_INT(journal_rewrite(j, NULL, 0, 14, 13, &err), 0);
    put(j, 3, 500);
    journal_close(j);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 16);
    char path[512];
    segment_of("j", 1, path);
    CHECK(unlink(path) == 0);
    open_gives("j", 0, true, ERR_REFUSED);
    err_says("frames up to 13");
    /* Which of the frames in front are void, the missing one would say: none is believed. */
    CHECK_INT(got.batches, 0);
    batch_destroy(lost);
}

/* ---- sealed, foreign, missing, newer ---- */

TEST(a_sealed_journal_holds_nothing_and_may_be_started_again) {
    struct journal *j = start_new("j");
    for (int i = 0; i < 40; i++) put(j, 2, 3000);
    journal_applied(j, 80);
    CHECK_INT(journal_seal(j, &err), 0);
    journal_close(j);
    open_gives("j", 80, false, 0);
    CHECK_INT(got.last, 0);
    open_gives("j", 90, true, 0);
    open_gives("j", 79, false, 0); /* an older copy of the store gets what it lacks */
    CHECK_INT(got.first, 80);
    CHECK_INT(got.last, 80);
    int rc;
    j = open_at("j", 90, false, &rc);
    CHECK_INT(journal_last_frame(j), 90);
    CHECK_INT(journal_start(j, 91, &err), 0);
    put(j, 2, 10);
    journal_close(j);
    open_gives("j", 90, true, 0);
    CHECK_INT(got.first, 91);
    CHECK_INT(got.last, 92);
}

TEST(an_opened_journal_can_be_sealed_without_being_started) {
    struct journal *j = start_new("j");
    put(j, 5, 100);
    journal_close(j);
    int rc;
    j = open_at("j", 0, true, &rc);
    CHECK_INT(got.last, 5);
    CHECK_INT(journal_seal(j, &err), 0);
    journal_close(j);
    open_gives("j", 5, false, 0);
    CHECK_INT(got.last, 0);
    open_gives("j", 4, false, 0);
    CHECK_INT(got.first, 5);
    /* ... unless it is damaged: what was sealed was durable. */
    char path[512];
    segment_of("j", 0, path);
    damage(path, JOURNAL_BLOCK + 70, "xxxx", 4);
    open_gives("j", 4, false, ERR_CORRUPT);
    err_says("frames from 5 on, up to 5, were durable");
    open_gives("j", 5, false, 0);
    j = open_at("none", 0, false, &rc);
    CHECK_INT(journal_seal(j, &err), 0);
    journal_close(j);
}

TEST(a_failed_journal_can_be_sealed_once_the_fault_has_passed) {
    struct journal *j = start_new("j");
    put(j, 4, 100);
    struct batch *b = make_batch(5, 2, 100);
    fail_after = 0;
    fail_count = 1000;
    fail_errno = EIO;
    CHECK(journal_write(j, b, 4, &err) != 0);
    CHECK(journal_rewrite(j, &b, 1, 5, 4, &err) != 0);
    CHECK_INT(journal_seal(j, &err), ERR_IO);
    fail_after = -1;
    CHECK_INT(journal_seal(j, &err), 0);
    journal_close(j);
    open_gives("j", 4, false, 0);
    CHECK_INT(got.last, 0);
    batch_destroy(b);
}

TEST(the_journal_of_another_store_is_refused_until_it_is_sealed) {
    char path[512];
    ten_batches(path);
    config.store_id.b[3] = 9;
    open_gives("j", 30, false, ERR_REFUSED);
    err_says("another store");
    config.store_id.b[3] = 0;
    int rc;
    struct journal *j = open_at("j", 0, true, &rc);
    CHECK_INT(journal_seal(j, &err), 0);
    journal_close(j);
    config.store_id.b[3] = 9;
    open_gives("j", 0, true, ERR_REFUSED); /* but ours is missed */
    j = open_at("j", 0, false, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(got.last, 0);
    CHECK_INT(journal_start(j, 1, &err), 0);
    put(j, 1, 10);
    journal_close(j);
    CHECK(access(path, F_OK) != 0);
    open_gives("j", 0, true, 0);
    CHECK_INT(got.last, 1);
}

TEST(a_missing_or_empty_journal_is_refused_when_one_is_expected) {
    open_gives("j", 7, true, ERR_REFUSED);
    err_says("missing");
    CHECK(access("j", F_OK) != 0);
    CHECK(mkdir("j", 0700) == 0);
    open_gives("j", 7, true, ERR_REFUSED);
    err_says("no segment of this store");
    open_gives("j", 7, false, 0);
}

TEST(a_journal_behind_the_store_has_nothing_to_replay) {
    char path[512];
    ten_batches(path);
    int rc;
    struct journal *j = open_at("j", 1234, true, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(journal_last_frame(j), 1234);
    CHECK_INT(got.last, 0);
    journal_close(j);
}

/* Gives the segment's header another format. */
static void set_format(const char *path, uint32_t format) {
    struct segment_header h;
    uint8_t block[JOURNAL_BLOCK] = {0};
    bool used;
    int fd = open(path, O_RDONLY);
    CHECK(pread(fd, block, sizeof block, 0) == sizeof block);
    close(fd);
    CHECK_INT(segment_header_get(block, sizeof block, &h, &used), SEGMENT_VALID);
    h.format = format;
    h.crc = 0;
    h.crc = segment_crc(UINT32_MAX, &h, sizeof h);
    damage(path, 0, &h, sizeof h);
    damage(path, SEGMENT_HEADER_COPY, &h, sizeof h);
}

TEST(an_older_format_is_read_and_the_next_segment_is_of_ours) {
    char path[512];
    ten_batches(path);
    set_format(path, 1);
    int rc;
    struct journal *j = open_at("j", 0, true, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(got.last, 30);
    CHECK_INT(journal_start(j, 31, &err), 0);
    put(j, 1, 10);
    journal_close(j);
    open_gives("j", 30, true, 0); /* everything older was applied */
    CHECK_INT(got.last, 31);
}

TEST(a_newer_format_is_refused) {
    char path[512];
    ten_batches(path);
    set_format(path, JOURNAL_FORMAT + 1);
    open_gives("j", 0, true, ERR_REFUSED);
    char newer[32];
    snprintf(newer, sizeof newer, "format %d", JOURNAL_FORMAT + 1);
    err_says(newer);
}

/* ---- faults ---- */

TEST(every_call_that_fails_is_survived_by_writing_again) {
    for (int at = 0;; at++) {
        shell("rm -rf j");
        struct journal *j = start_new("j");
        uint64_t durable = 0, applied = 0;
        bool failed = false;
        fail_after = at;
        fail_count = 1;
        fail_errno = at % 2 == 0 ? EIO : ENOSPC;
        for (int i = 0; i < 40; i++) {
            struct batch *b = make_batch(durable + 1, 2, 2500);
            int rc = journal_write(j, b, durable, &err);
            if (rc == 0) rc = journal_sync(j, &err);
            if (rc != 0) {
                failed = true;
                CHECK_INT(rc, ERR_IO);
                CHECK_INT(journal_rewrite(j, &b, 1, durable + 1, durable, &err), 0);
            }
            durable += 2;
            if (journal_wants_prepare(j) && i % 3 == 0 && journal_prepare(j, &err) != 0)
                failed = true;
            if (i % 16 == 15) journal_applied(j, applied = durable - 20);
            batch_destroy(b);
        }
        fail_after = -1;
        journal_close(j);
        open_gives("j", applied, true, 0);
        CHECK_INT(got.first, applied + 1);
        CHECK_INT(got.last, durable);
        CHECK(got.hash == written_hash[durable]);
        if (!failed) break;
        CHECK(at < 1000);
    }
}

TEST(a_rewrite_that_fails_may_be_tried_until_it_works) {
    for (int failures = 1; failures < 30; failures++) {
        shell("rm -rf j");
        struct journal *j = start_new("j");
        put(j, 4, 1000);
        struct batch *b[2] = {make_batch(5, 30, 2000), make_batch(35, 3, 100)};
        fail_after = 0;
        fail_count = failures;
        fail_errno = EIO;
        CHECK(journal_write(j, b[0], 4, &err) != 0);
        int tries = 0;
        while (journal_rewrite(j, b, 2, 5, 4, &err) != 0) {
            CHECK(++tries <= 60);
            if (failures % 4 == 0) journal_prepare(j, &err);
            copy_dir("j", "crash");
            int rc;
            journal_close(open_at("crash", 0, true, &rc));
            /* Opening may meet a fault too. */
            if (rc == ERR_IO) continue;
            CHECK_INT(rc, 0);
            CHECK(got.last >= 4);
        }
        fail_after = -1;
        CHECK_INT(journal_last_frame(j), 37);
        put(j, 1, 10);
        CHECK_INT(journal_prepare(j, &err), 0);
        CHECK_INT(journal_segment_count(j) <= 6, 1);
        journal_close(j);
        open_gives("j", 0, true, 0);
        CHECK_INT(got.last, 38);
        batch_destroy(b[0]);
        batch_destroy(b[1]);
    }
}

/* A copy of the directory in which unsynced blocks may be the old ones. */
static void power_cut(const char *to) {
    copy_dir("j", to);
    for (size_t i = dirty_count; i-- > 0;) {
        const struct dirty *d = &dirty[i];
        char path[1024];
        const char *base = strrchr(d->path, '/');
        if (base == NULL) continue;
        snprintf(path, sizeof path, "%s%s", to, base);
        if (access(path, F_OK) != 0) continue;
        switch (draw(4)) {
        case 0:
            damage(path, d->offset, d->before, BLOCK);
            break;
        case 1:
            damage(path, d->offset, d->before, 512 * (1 + draw(7)));
            break;
        default:
            break;
        }
    }
}

/* All older segments are applied and given back, zeroed or removed, before the new one is synced:
 * the one before it must stay until then, or no segment has a header. */
TEST(a_power_cut_before_a_new_segments_header_is_synced_finds_the_one_before) {
    int rc;
    struct journal *j = start_new("j");
    for (int i = 0; i < 40; i++) put(j, 4, 5000);
    uint64_t last = journal_last_frame(j);
    journal_close(j); /* a crash: all that is found is zeroed before it is used again */
    j = open_at("j", 0, true, &rc);
    CHECK_INT(rc, 0);
    CHECK_INT(journal_start(j, last + 1, &err), 0);
    while (journal_fits(j, 40000)) put(j, 1, 5000);
    last = journal_last_frame(j);
    journal_applied(j, last);
    track = true;
    struct batch *b = make_batch(last + 1, 1, 40000);
    CHECK_INT(journal_write(j, b, last, &err), 0);
    CHECK_INT(journal_prepare(j, &err), 0);
    batch_destroy(b);
    journal_close(j);
    track = false;
    CHECK(dirty_count > 0);
    for (size_t i = dirty_count; i-- > 0;)
        if (access(dirty[i].path, F_OK) == 0)
            damage(dirty[i].path, dirty[i].offset, dirty[i].before, BLOCK);
    j = open_at("j", last, true, &rc);
    if (rc != 0) fprintf(stderr, "  %s\n", err.text);
    CHECK_INT(rc, 0);
    CHECK_INT(journal_last_frame(j), last);
    journal_close(j);
}

TEST(power_cuts_and_faults_at_random_lose_nothing_durable) {
    shell("rm -rf j");
    struct journal *j = start_new("j");
    static uint64_t durable_hash[1 << 16];
    uint64_t durable = 0, applied = 0;
    salt = 1;
    track = true;
    for (int step = 0; step < 1500; step++) {
        struct batch *b[3];
        unsigned n = 1 + (unsigned)draw(3);
        for (unsigned i = 0; i < n; i++)
            b[i] = make_batch(i == 0 ? durable + 1 : batch_last_frame(b[i - 1]) + 1,
                              1 + (unsigned)draw(6), (size_t)draw(6000));
        if (draw(8) == 0) {
            fail_after = (int)draw(4);
            fail_count = 1 + (int)draw(4);
            fail_errno = EIO;
        }
        int rc = 0;
        for (unsigned i = 0; i < n && rc == 0; i++) rc = journal_write(j, b[i], durable, &err);
        bool cut = draw(6) == 0;
        if (cut) {
            fail_after = -1;
        } else {
            if (rc == 0) rc = journal_sync(j, &err);
            if (rc != 0) rc = journal_rewrite(j, b, n, durable + 1, durable, &err);
            if (rc == 0) durable = batch_last_frame(b[n - 1]);
            for (uint64_t f = 1; f <= durable; f++) durable_hash[f] = written_hash[f];
            if (rc != 0 && journal_mark_void(j, durable + 1, &err) == 0) {
                /* No start finds them again, not even before anything else is written. */
                track = false;
                power_cut("crash");
                journal_close(open_at("crash", applied, true, &rc));
                CHECK(rc == 0 || fail_count > 0);
                if (rc == 0) CHECK_INT(got.last, durable > applied ? durable : 0);
                rc = ERR_IO;
                track = true;
            }
            while (rc != 0) { /* void: the frames are made anew, under other contents */
                salt++;
                rc = journal_rewrite(j, NULL, 0, durable + 1, durable, &err);
                for (uint64_t f = 1; f <= durable; f++) written_hash[f] = durable_hash[f];
            }
            fail_after = -1;
        }
        for (unsigned i = 0; i < n; i++) batch_destroy(b[i]);
        if (draw(5) == 0) journal_prepare(j, &err);
        if (cut) {
            salt++;
            journal_close(j);
            power_cut("crash");
            shell("rm -rf j && mv crash j");
            dirty_count = 0;
            track = false;
            j = open_at("j", applied, true, &rc);
            if (rc != 0) fprintf(stderr, "  step %d: %s\n", step, err.text);
            CHECK_INT(rc, 0);
            CHECK(journal_last_frame(j) >= durable);
            for (uint64_t f = applied + 1; f <= durable && f < ARRAY_LEN(got.hashes); f++)
                CHECK(got.hashes[f] == durable_hash[f]);
            for (uint64_t f = applied + 1; f <= got.last && f < ARRAY_LEN(got.hashes); f++)
                durable_hash[f] = written_hash[f] = got.hashes[f];
            applied = durable = journal_last_frame(j);
            track = true;
            CHECK_INT(journal_start(j, durable + 1, &err), 0);
        } else if (draw(4) == 0 && durable > applied) {
            applied += draw(durable - applied + 1);
            journal_applied(j, applied);
        }
        if (durable > 3900) break;
    }
    journal_close(j);
}

/* The disk fails for `failures` calls; the rewrite too. The mark is what a start finds. */
TEST(what_is_marked_void_does_not_come_back) {
    int synced = 0, unsynced = 0;
    for (int failures = 0; failures < 12; failures++) {
        shell("rm -rf j crash");
        int rc;
        struct journal *j = start_new("j");
        put(j, 4, 1000);
        struct batch *b = make_batch(5, 3, 1000);
        CHECK_INT(journal_write(j, b, 4, &err), 0);
        fail_after = 0;
        fail_count = failures;
        fail_errno = failures % 2 == 0 ? EIO : ENOSPC;
        fail_syncs = failures == 0;
        CHECK_INT(journal_sync(j, &err), ERR_IO);
        bool failed = journal_rewrite(j, &b, 1, 5, 4, &err) != 0;
        int marked = failed ? journal_mark_void(j, 5, &err) : 0;
        fail_after = -1;
        fail_syncs = false;
        copy_dir("j", "crash"); /* a kill */
        journal_close(open_at("crash", 0, true, &rc));
        CHECK_INT(rc, 0);
        if (failed && marked == 0) CHECK_INT(got.last, 4);
        if (failed) *(marked == 0 ? &synced : &unsynced) += got.last == 4;
        if (failed) CHECK_INT(journal_rewrite(j, NULL, 0, 5, 4, &err), 0);
        batch_destroy(b);
        put(j, 2, 2000);
        CHECK_INT(journal_prepare(j, &err), 0);
        uint64_t last = journal_last_frame(j);
        CHECK_INT(last, failed ? 6 : 9);
        journal_close(j);
        open_gives("j", 0, true, 0);
        CHECK_INT(got.last, last);
        CHECK(got.hash == written_hash[last]);
    }
    CHECK(synced > 0);
    CHECK(unsynced > 0); /* not promised, and good when somebody kills the server */
}

/* Whatever a sync that failed was to make durable, nothing that follows it may call it so. */
TEST(nothing_follows_a_sync_that_failed_but_a_rewrite) {
    for (int how = 0; how < 4; how++) {
        shell("rm -rf j");
        struct journal *j = start_new("j");
        put(j, 4, 1000);
        struct batch *b = make_batch(5, 2, 1000), *large = make_batch(7, 1, 55000);
        struct journal_sync ticket;
        CHECK_INT(journal_write(j, b, 4, &err), 0);
        journal_sync_begin(j, &ticket);
        fail_after = 0;
        fail_count = 1;
        fail_errno = EIO;
        CHECK_INT(journal_sync_run(j, &ticket, 1, &err), ERR_IO);
        fail_after = -1;
        CHECK(!journal_fits(j, journal_batch_bytes(large)));
        if (how == 0) CHECK_INT(journal_write(j, large, 4, &err), ERR_IO);
        if (how == 1) CHECK_INT(journal_scrub(j, &err), ERR_IO);
        if (how == 2) CHECK_INT(journal_sync(j, &err), ERR_IO);
        struct batch *both[] = {b, large};
        if (how == 3) /* all is applied: the seal stands in a segment of its own */
            CHECK_INT(journal_seal(j, &err), 0);
        else
            CHECK_INT(journal_rewrite(j, both, 2, 5, 4, &err), 0);
        batch_destroy(b);
        batch_destroy(large);
        journal_close(j);
        open_gives("j", how == 3 ? 6 : 0, true, 0);
        CHECK_INT(got.last, how == 3 ? 0 : 7);
    }
}

static void *prepare_main(void *arg) {
    struct err e;
    struct journal *j = arg;
    for (int i = 0; i < 400; i++) {
        if (journal_wants_prepare(j)) CHECK_INT(journal_prepare(j, &e), 0);
        CHECK(journal_segment_count(j) < 1000);
        CHECK(journal_bytes_used(j) < (uint64_t)1 << 30);
    }
    return NULL;
}

TEST(segments_are_prepared_while_batches_are_written) {
    struct journal *j = start_new("j");
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, prepare_main, j) == 0);
    for (int i = 0; i < 400; i++) {
        put(j, 4, 3000);
        if (i % 20 == 0) journal_applied(j, journal_last_frame(j));
    }
    pthread_join(thread, NULL);
    uint64_t last = journal_last_frame(j);
    journal_close(j);
    open_gives("j", last - 1, true, 0);
    CHECK_INT(got.last, last);
}
