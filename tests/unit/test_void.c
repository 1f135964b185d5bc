/* A store whose disk fails, seen from the loop: what was durable is never void, whenever the loop
 * looks. The journal's syncs are interposed; where the loop stands still for as long as it takes,
 * it is inside a callback. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/log.h"
#include "record/batch.h"
#include "store/internal.h"
#include "store/journal/segment.h"

#define SEGMENT ((uint64_t)64 << 10)

static struct store *store;
static struct err err;
static _Atomic bool disk_fails;
static void (*_Atomic failing_sync)(void); /* the next sync of the journal calls it, and fails */
static _Atomic int false_claims;           /* headers that claim what is not durable */

static bool is_journal(int fd) {
    char link[64], path[512] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0) abort();
    return strstr(path, "-journal.d/") != NULL && strstr(path, ".tmp") == NULL;
}

int fdatasync(int fd) {
    bool journal = is_journal(fd);
    void (*fn)(void) = journal ? atomic_exchange(&failing_sync, NULL) : NULL;
    if (fn != NULL) fn();
    if (fn == NULL && !(journal && disk_fails)) return (int)syscall(SYS_fdatasync, fd);
    errno = EIO;
    return -1;
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset) {
    struct segment_header h;
    if (offset == 0 && iov[0].iov_len >= sizeof h && is_journal(fd)) {
        memcpy(&h, iov[0].iov_base, sizeof h);
        if (h.claim > atomic_load(&store->durable)) false_claims++;
    }
    return syscall(SYS_pwritev, fd, iov, n, offset, 0);
}

/* ---- the loop ---- */

static uint64_t durable_frame, void_from; /* as the callbacks said */
static int voids, resumes;
static void (*in_durable)(uint64_t frame);

static void on_durable(struct batch *b, void *arg) {
    UNUSED(arg);
    CHECK_INT(b->first_frame, durable_frame + 1);
    durable_frame = batch_last_frame(b);
    if (in_durable != NULL) in_durable(durable_frame);
}
static void on_applied(uint64_t frame, void *arg) {
    UNUSED(frame);
    UNUSED(arg);
}
static void on_voided(const char *why, void *arg) {
    UNUSED(why);
    UNUSED(arg);
    voids++;
    void_from = store_durable(store) + 1;
}
static void on_apply_failed(void *arg) {
    UNUSED(arg);
}
static void on_resumed(void *arg) {
    UNUSED(arg);
    resumes++;
}

static void start(void) {
    struct store_config config = {.url = "sqlite:test.db",
                                  .durability = DURABILITY_JOURNAL,
                                  .segment_bytes = SEGMENT,
                                  .apply_delay_ms = 3600000,
                                  .apply_bytes = 1u << 30,
                                  .apply_urgent_bytes = 1u << 30,
                                  .reader_count = 1};
    log_level = LOG_NOTHING;
    CHECK(store_open(&store, &config, &err) == 0);
    struct store_callbacks callbacks = {.durable = on_durable,
                                        .applied = on_applied,
                                        .voided = on_voided,
                                        .resumed = on_resumed,
                                        .apply_failed = on_apply_failed};
    CHECK(store_start(store, &callbacks, &err) == 0);
    durable_frame = store_durable(store);
}

/* A frame that says that everything before it is gone: it needs no stream. */
static void submit(uint64_t frame) {
    struct batch *b = batch_create(frame);
    batch_add(b, RECORD_FLUSH, NULL, 0);
    batch_end_frame(b);
    store_submit(store, b);
}

/* One that almost fills a segment. */
static void submit_large(uint64_t frame) {
    struct batch *b = batch_create(frame);
    size_t n = SEGMENT / 16 * 13 / record_bytes(0);
    for (size_t i = 0; i < n; i++) batch_add(b, RECORD_FLUSH, NULL, 0);
    batch_end_frame(b);
    store_submit(store, b);
}

static void turn(void) {
    struct pollfd p = {.fd = store_fd(store), .events = POLLIN};
    poll(&p, 1, -1);
    store_poll(store);
}

static void wait_failures(uint64_t n) {
    struct store_stats stats;
    do {
        usleep(1000);
        store_read_stats(store, &stats); /* takes the lock: `failed` is set when it returns */
    } while (stats.journal_failures < n);
}

/* ---- the race ---- */

/* While the loop is told of the first frame, the second becomes durable and the third is void. */
static void second_and_third(uint64_t frame) {
    if (frame != 1) return;
    submit(2);
    while (atomic_load(&store->durable) < 2) usleep(1000);
    disk_fails = true;
    submit(3);
    wait_failures(1);
}

TEST(what_became_durable_while_the_loop_looked_is_not_void) {
    start();
    in_durable = second_and_third;
    submit(1);
    while (voids == 0) turn();
    CHECK_INT(durable_frame, 2);
    CHECK_INT(void_from, 3);
    CHECK(!store_writable(store));
    disk_fails = false;
    while (resumes == 0) turn();
    CHECK(store_writable(store));
    submit(3);
    while (durable_frame < 3) turn();
    CHECK_INT(voids, 1);
    CHECK(store_close(store, &err) == 0);
}

/* The journal fails, works, and fails again before the loop has heard that it works. */
TEST(a_store_that_failed_again_is_not_said_to_work) {
    start();
    disk_fails = true;
    submit(1);
    while (voids == 0) turn();
    disk_fails = false;
    for (bool resumed = false; !resumed; usleep(1000)) {
        pthread_mutex_lock(&store->lock);
        resumed = store->resumed;
        pthread_mutex_unlock(&store->lock);
    }
    disk_fails = true;
    pthread_mutex_lock(&store->lock);
    store->scrub = true; /* something to write */
    pthread_cond_signal(&store->journal_wake);
    pthread_mutex_unlock(&store->lock);
    wait_failures(2);
    while (voids < 2) turn();
    CHECK_INT(resumes, 0);
    CHECK(!store_writable(store));
    disk_fails = false;
    while (resumes == 0) turn();
    CHECK(store_writable(store));
    CHECK(store_close(store, &err) == 0);
}

/* ---- a sync that fails while another thread waits for it ---- */

/* Until a journal thread waits for the syncs under way. */
static void wait_for_waiter(void) {
    for (unsigned waiters = 0; waiters == 0; usleep(1000)) {
        pthread_mutex_lock(&store->lock);
        waiters = store->sync_waiters;
        pthread_mutex_unlock(&store->lock);
    }
}

static void finds_all_and_no_false_claim(uint64_t last) {
    while (durable_frame < last) turn();
    CHECK_INT(voids, 0);
    CHECK_INT(false_claims, 0);
    CHECK(store_close(store, &err) == 0);
}

/* The first frame is durable; the sync of the second fails, once another thread waits for it. */
static void start_with_a_sync_that_fails(void) {
    start();
    submit(1);
    while (durable_frame < 1) turn();
    failing_sync = wait_for_waiter;
    submit(2);
    while (failing_sync != NULL) usleep(1000);
}

TEST(a_segment_begun_behind_a_sync_that_fails_does_not_claim_its_frames) {
    start_with_a_sync_that_fails();
    submit_large(3);
    finds_all_and_no_false_claim(3);
}

TEST(a_scrub_behind_a_sync_that_fails_does_not_claim_its_frames) {
    start_with_a_sync_that_fails();
    pthread_mutex_lock(&store->lock);
    store->scrub = true;
    pthread_cond_signal(&store->journal_wake);
    pthread_mutex_unlock(&store->lock);
    submit(3);
    finds_all_and_no_false_claim(3);
}
