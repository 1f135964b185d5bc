/* The helper thread: housekeeping off every hot path: preparing segments, watching free space,
 * telling the journal when erased events are to be scrubbed, what the backend has for it. */
#include "store/internal.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"

#define SCRUB_INTERVAL_MS 10000

/* How far the database may grow under the limit on the size of files (ulimit -f, LimitFSIZE), which
 * is a full disk to it. */
static uint64_t room_under_limit(const struct store *s) {
    struct rlimit limit;
    struct stat st;
    if (!store_in_files(s)) return UINT64_MAX;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    if (stat(s->path, &st) != 0) return UINT64_MAX;
    return limit.rlim_cur - MIN(limit.rlim_cur, (rlim_t)st.st_size);
}

/* Where the store is; of one that is elsewhere, its journal. */
static void find_dir(const struct store *s, char *dir, size_t size) {
    if (!store_in_files(s)) {
        store_journal_path(s, dir, size);
        return;
    }
    snprintf(dir, size, "%s", s->path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        snprintf(dir, size, ".");
    else if (slash == dir)
        slash[1] = '\0';
    else
        *slash = '\0';
}

static void watch_disk(struct store *s) {
    struct statvfs v;
    char dir[sizeof s->path + 16];
    find_dir(s, dir, sizeof dir);
    if (statvfs(dir, &v) != 0) return;
    uint64_t available = (uint64_t)v.f_bavail * v.f_frsize, room = room_under_limit(s);
    atomic_store(&s->file_limited, room < available);
    available = MIN(available, room);
    uint64_t min = atomic_load(&s->disk_free_min);
    atomic_store(&s->disk_free, available);
    bool low = min > 0 && available < min;
    if (atomic_exchange(&s->disk_low, low) == low) return;
    if (low)
        log_warning("disk: %llu bytes free%s, less than disk-free-min; writes are refused",
                    (unsigned long long)available,
                    room == available ? " under the limit on the size of files (ulimit -f)" : "");
    else
        log_notice("disk: enough space again; writes are accepted");
    store_notify(s);
}

/* Scrubbing rewrites all segments that are free: not for each erasure. */
static void scrub_when_due(struct store *s, uint64_t *due_ms) {
    uint64_t applies = atomic_load(&s->erasing_applies), now = clock_mono_ms();
    if (s->journal_slot_count == 0 || applies == s->scrubbed || now < *due_ms) return;
    s->scrubbed = applies;
    *due_ms = now + SCRUB_INTERVAL_MS;
    pthread_mutex_lock(&s->lock);
    s->scrub = true;
    pthread_cond_signal(&s->journal_wake);
    pthread_mutex_unlock(&s->lock);
}

void *helper_main(void *arg) {
    struct store *s = arg;
    uint64_t scrub_due_ms = 0;
    pthread_setname_np(pthread_self(), "helper");
    thread_set_background(true);
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        pthread_mutex_unlock(&s->lock);
        if (store_in_files(s) || s->journal != NULL) watch_disk(s);
        scrub_when_due(s, &scrub_due_ms);
        struct err err;
        if (s->journal != NULL && journal_wants_prepare(s->journal) &&
            journal_prepare(s->journal, &err) != 0)
            log_verbose("journal: preparing a segment: %s", err.text);
        if (s->backend->keep_house != NULL && s->backend->keep_house(s->writer, &err) != 0)
            log_verbose("%s", err.text);
        pthread_mutex_lock(&s->lock);
        if (!s->stopping) store_wait_ms(s, &s->helper_wake, 1000);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}
