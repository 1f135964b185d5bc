/* diskshim: makes the disk of another program slow, faulty or full, on demand (LD_PRELOAD).
 *
 * The calls that change files are intercepted here and judged by the rules of the control file
 * (rules.c). Which file a descriptor is comes from /proc/self/fd the first time it is used and is
 * kept until it is closed; sockets and pipes pay one look at a table. The control file is looked
 * at (one stat) before each intercepted call on a regular file, so a test that has replaced it
 * knows that the next call obeys; with DISKSHIM_STATIC=1 it is read once, and a file that no rule
 * is about then costs a look at a table too, which is what benchmarks want.
 *
 * Not seen: what stdio writes inside libc, mmap, io_uring, and system calls made directly. */
#include "rules.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { FDS = 65536, TEXT_MAX = 16384, RECENT_MS = 100, HOLD_POLL_US = 1000 };
enum { STATS_LINE = 56, STATS_LINES = 1 + CALL_CLASSES + RULES_MAX };

enum fd_kind { FD_UNKNOWN, FD_OTHER, FD_REGULAR };

/* What is known of a descriptor. `kind` may be read without the lock, the rest not. */
struct fd_info {
    _Atomic unsigned char kind;
    _Atomic bool clear; /* regular, static rules, and none is about it */
    unsigned generation;
    uint32_t matching;
};

struct held {
    struct held *next;
};

static struct {
    pthread_mutex_t lock;
    _Atomic bool ready;
    bool fixed;          /* DISKSHIM_STATIC */
    const char *control; /* NULL: the shim does nothing */
    struct stat seen;
    unsigned generation; /* versions of the control file so far */
    char text[TEXT_MAX];
    struct ruleset rules;
    uint64_t calls[CALL_CLASSES];
    struct held *held; /* calls that are held, the oldest first */
    char *stats;
    int fd_top; /* no descriptor from here on was ever looked at */
    struct fd_info fd[FDS];
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The functions of libc. */
static struct {
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*pwrite64)(int, const void *, size_t, off64_t);
    ssize_t (*pwritev64)(int, const struct iovec *, int, off64_t);
    ssize_t (*pwritev64v2)(int, const struct iovec *, int, off64_t, int);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*sync_file_range)(int, off64_t, off64_t, unsigned);
    int (*openat64)(int, const char *, int, ...);
    int (*ftruncate64)(int, off64_t);
    int (*fallocate64)(int, int, off64_t, off64_t);
    int (*posix_fallocate64)(int, off64_t, off64_t);
    int (*renameat2)(int, const char *, int, const char *, unsigned);
    int (*unlinkat)(int, const char *, int);
    int (*close)(int);
    int (*dup2)(int, int);
    int (*dup3)(int, int, int);
} real;

static void find(void *slot, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    memcpy(slot, &found, sizeof found);
}

static void before_fork(void) {
    pthread_mutex_lock(&shim.lock);
}

static void after_fork(void) {
    pthread_mutex_unlock(&shim.lock);
}

static void stats_line(unsigned line, const char *text) {
    char padded[STATS_LINE + 1];
    if (shim.stats == NULL) return;
    snprintf(padded, sizeof padded, "%-*s\n", STATS_LINE - 1, text);
    memcpy(shim.stats + (size_t)line * STATS_LINE, padded, STATS_LINE);
}

/* And the comment that the rules begin with, so that who changed them can tell whose counters
 * these are. */
static void stats_generation(void) {
    char text[STATS_LINE];
    int comment = shim.text[0] == '#' ? (int)strcspn(shim.text, "\n") : 0;
    snprintf(text, sizeof text, "generation %u %.*s", shim.generation, comment, shim.text);
    stats_line(0, text);
}

static void stats_class(enum call_class c) {
    char text[STATS_LINE];
    snprintf(text, sizeof text, "%s %llu", call_class_name[c], (unsigned long long)shim.calls[c]);
    stats_line(1 + c, text);
}

static void stats_rules(uint32_t which) {
    char text[STATS_LINE];
    for (unsigned i = 0; i < RULES_MAX; i++) {
        const struct rule *r = &shim.rules.rule[i];
        if ((which >> i & 1) == 0) continue;
        text[0] = '\0';
        if (i < shim.rules.rule_count)
            snprintf(text, sizeof text, "rule %u calls %llu hits %llu", i + 1,
                     (unsigned long long)r->calls, (unsigned long long)r->hits);
        stats_line(1 + CALL_CLASSES + i, text);
    }
}

static void stats_open(const char *path) {
    int fd = real.openat64(AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return;
    if (real.ftruncate64(fd, STATS_LINE * STATS_LINES) == 0) {
        void *p = mmap(NULL, STATS_LINE * STATS_LINES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) shim.stats = p;
    }
    real.close(fd);
    stats_generation();
    for (enum call_class c = 0; c < CALL_CLASSES; c++) stats_class(c);
    stats_rules(UINT32_MAX);
}

/* Reads the control file again if it is, or may be, another than last time. A file changed within
 * the last moments may change again without a new time stamp, so its text is compared. */
static void refresh(void) {
    struct stat st = {0};
    struct timespec now;
    char text[TEXT_MAX];

    if (shim.fixed && shim.generation > 0) return;
    if (stat(shim.control, &st) != 0) memset(&st, 0, sizeof st);
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    int64_t age_ms = (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000 +
                     (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000;
    bool same = st.st_ino == shim.seen.st_ino && st.st_dev == shim.seen.st_dev &&
                st.st_size == shim.seen.st_size && st.st_mtim.tv_sec == shim.seen.st_mtim.tv_sec &&
                st.st_mtim.tv_nsec == shim.seen.st_mtim.tv_nsec;
    if (same && age_ms > RECENT_MS && shim.generation > 0) return;
    shim.seen = st;
    size_t len = 0;
    int fd = real.openat64(AT_FDCWD, shim.control, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        if (n > 0) len = (size_t)n;
        real.close(fd);
    }
    text[len] = '\0';
    if (shim.generation > 0 && strcmp(text, shim.text) == 0) return;
    memcpy(shim.text, text, len + 1);
    rules_parse(&shim.rules, shim.text);
    shim.generation++;
    stats_generation();
    stats_rules(UINT32_MAX);
}

static void start(void) {
    pthread_mutex_lock(&shim.lock);
    if (atomic_load(&shim.ready)) goto out;
    find(&real.write, "write");
    find(&real.writev, "writev");
    find(&real.pwrite64, "pwrite64");
    find(&real.pwritev64, "pwritev64");
    find(&real.pwritev64v2, "pwritev64v2");
    find(&real.fsync, "fsync");
    find(&real.fdatasync, "fdatasync");
    find(&real.sync_file_range, "sync_file_range");
    find(&real.openat64, "openat64");
    find(&real.ftruncate64, "ftruncate64");
    find(&real.fallocate64, "fallocate64");
    find(&real.posix_fallocate64, "posix_fallocate64");
    find(&real.renameat2, "renameat2");
    find(&real.unlinkat, "unlinkat");
    find(&real.close, "close");
    find(&real.dup2, "dup2");
    find(&real.dup3, "dup3");
    /* A copy: programs write over their environment (PostgreSQL, to show what a process does). */
    const char *control = getenv("DISKSHIM_CONTROL");
    shim.control = control != NULL ? strdup(control) : NULL;
    const char *fixed = getenv("DISKSHIM_STATIC");
    const char *stats = getenv("DISKSHIM_STATS");
    shim.fixed = fixed != NULL && strcmp(fixed, "1") == 0;
    if (stats != NULL) stats_open(stats);
    if (shim.control != NULL) refresh();
    pthread_atfork(before_fork, after_fork, after_fork);
    atomic_store(&shim.ready, true);
out:
    pthread_mutex_unlock(&shim.lock);
}

/* Also called by the first intercepted call, which may come before the constructors. */
__attribute__((constructor)) static void ensure_started(void) {
    if (!atomic_load_explicit(&shim.ready, memory_order_acquire)) start();
}

static void sleep_us(uint64_t us) {
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) continue;
}

/* Which rules are about the path; its bits hold only until the next generation. */
struct target {
    int fd;            /* or -1: */
    const char *path;  /* then this, and */
    const char *other; /* for a rename, this */
};

static uint32_t match_target(const struct target *t) {
    char link[64], path[PATH_MAX];

    if (t->fd < 0) {
        uint32_t found = rules_match(&shim.rules, t->path);
        return t->other == NULL ? found : found | rules_match(&shim.rules, t->other);
    }
    struct fd_info *f = &shim.fd[t->fd];
    if (t->fd >= shim.fd_top) shim.fd_top = t->fd + 1;
    if (f->generation == shim.generation) return f->matching;
    snprintf(link, sizeof link, "/proc/self/fd/%d", t->fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    f->matching = rules_match(&shim.rules, path);
    f->generation = shim.generation;
    if (shim.fixed && f->matching == 0 && shim.stats == NULL) atomic_store(&f->clear, true);
    return f->matching;
}

/* With the lock, which it releases in between. */
static void wait_while_held(enum call_class c, const struct target *t, uint32_t matching) {
    struct held me = {NULL}, **at = &shim.held;

    while (*at != NULL) at = &(*at)->next;
    *at = &me;
    while (rules_hold(&shim.rules, matching, c, shim.held == &me)) {
        pthread_mutex_unlock(&shim.lock);
        sleep_us(HOLD_POLL_US);
        pthread_mutex_lock(&shim.lock);
        refresh();
        matching = match_target(t);
    }
    for (at = &shim.held; *at != &me; at = &(*at)->next) continue;
    *at = me.next;
}

/* Counts the call, waits as the rules say, and returns what is left to do. */
static struct verdict judge(enum call_class c, const struct target *t) {
    int saved = errno;

    pthread_mutex_lock(&shim.lock);
    refresh();
    uint32_t matching = match_target(t);
    shim.calls[c]++;
    struct verdict v = rules_judge(&shim.rules, matching, c);
    if (shim.stats != NULL) {
        stats_class(c);
        stats_rules(matching);
    }
    wait_while_held(c, t, matching);
    pthread_mutex_unlock(&shim.lock);
    if (v.delay_us > 0) sleep_us(v.delay_us);
    if (v.kill) {
        kill(getpid(), SIGKILL);
        pause();
    }
    errno = saved;
    return v;
}

static struct verdict judge_fd(enum call_class c, int fd) {
    ensure_started();
    if (shim.control == NULL || fd < 0 || fd >= FDS) return (struct verdict){0};
    struct fd_info *f = &shim.fd[fd];
    unsigned char kind = atomic_load_explicit(&f->kind, memory_order_relaxed);
    if (kind == FD_UNKNOWN) {
        struct stat st;
        int saved = errno;
        kind = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? FD_REGULAR : FD_OTHER;
        errno = saved;
        atomic_store_explicit(&f->kind, kind, memory_order_relaxed);
    }
    if (kind == FD_OTHER) return (struct verdict){0};
    if (atomic_load_explicit(&f->clear, memory_order_relaxed)) return (struct verdict){0};
    return judge(c, &(struct target){.fd = fd});
}

static struct verdict judge_path(enum call_class c, const char *path, const char *other) {
    ensure_started();
    if (shim.control == NULL || path == NULL) return (struct verdict){0};
    return judge(c, &(struct target){.fd = -1, .path = path, .other = other});
}

static void forget(int fd) {
    if (fd < 0 || fd >= FDS) return;
    if (atomic_load_explicit(&shim.fd[fd].kind, memory_order_relaxed) == FD_UNKNOWN) return;
    pthread_mutex_lock(&shim.lock);
    shim.fd[fd].generation = 0;
    atomic_store(&shim.fd[fd].clear, false);
    atomic_store(&shim.fd[fd].kind, FD_UNKNOWN);
    pthread_mutex_unlock(&shim.lock);
}

/* After a rename the names of open files may be others. */
static void forget_names(void) {
    pthread_mutex_lock(&shim.lock);
    for (int i = 0; i < shim.fd_top; i++) {
        shim.fd[i].generation = 0;
        if (atomic_load(&shim.fd[i].clear)) atomic_store(&shim.fd[i].clear, false);
    }
    pthread_mutex_unlock(&shim.lock);
}

static bool refused(struct verdict v) {
    if (v.error == 0 || v.half) return false;
    errno = v.error;
    return true;
}

/* The result of a write that was made: an error if it is to be torn. */
static ssize_t written(struct verdict v, ssize_t rc) {
    if (v.error == 0 || rc < 0) return rc;
    errno = v.error;
    return -1;
}

static size_t part(struct verdict v, size_t n) {
    return v.half ? (n + (v.error == 0)) / 2 : n;
}

/* The first half of the bytes of iov, in `out` (IOV_MAX entries). */
static int part_iov(struct verdict v, const struct iovec **iov, int n, struct iovec *out) {
    size_t total = 0;
    int k = 0;

    if (!v.half || n > IOV_MAX) return n;
    for (int i = 0; i < n; i++) total += (*iov)[i].iov_len;
    for (total = part(v, total); total > 0; k++) {
        out[k] = (*iov)[k];
        if (out[k].iov_len > total) out[k].iov_len = total;
        total -= out[k].iov_len;
    }
    *iov = out;
    return k;
}

EXPORT ssize_t write(int fd, const void *p, size_t n) {
    struct verdict v = judge_fd(CALL_WRITE, fd);
    return refused(v) ? -1 : written(v, real.write(fd, p, part(v, n)));
}

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) {
    struct verdict v = judge_fd(CALL_WRITE, fd);
    return refused(v) ? -1 : written(v, real.pwrite64(fd, p, part(v, n), at));
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at) {
    return pwrite64(fd, p, n, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n) {
    struct iovec half[IOV_MAX];
    struct verdict v = judge_fd(CALL_WRITE, fd);
    n = part_iov(v, &iov, n, half);
    return refused(v) ? -1 : written(v, real.writev(fd, iov, n));
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t at) {
    struct iovec half[IOV_MAX];
    struct verdict v = judge_fd(CALL_WRITE, fd);
    n = part_iov(v, &iov, n, half);
    return refused(v) ? -1 : written(v, real.pwritev64(fd, iov, n, at));
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at) {
    return pwritev64(fd, iov, n, at);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t at, int flags) {
    struct iovec half[IOV_MAX];
    struct verdict v = judge_fd(CALL_WRITE, fd);
    n = part_iov(v, &iov, n, half);
    return refused(v) ? -1 : written(v, real.pwritev64v2(fd, iov, n, at, flags));
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags) {
    return pwritev64v2(fd, iov, n, at, flags);
}

EXPORT int fsync(int fd) {
    return refused(judge_fd(CALL_SYNC, fd)) ? -1 : real.fsync(fd);
}

EXPORT int fdatasync(int fd) {
    return refused(judge_fd(CALL_SYNC, fd)) ? -1 : real.fdatasync(fd);
}

EXPORT int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags) {
    return refused(judge_fd(CALL_SYNC, fd)) ? -1 : real.sync_file_range(fd, at, n, flags);
}

static int open_common(int dir, const char *path, int flags, mode_t mode) {
    ensure_started();
    if ((flags & O_CREAT) != 0 && refused(judge_path(CALL_OPEN, path, NULL))) return -1;
    int fd = real.openat64(dir, path, flags, mode);
    forget(fd);
    return fd;
}

static mode_t open_mode(int flags, va_list args) {
    bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return creates ? va_arg(args, mode_t) : 0;
}

EXPORT int openat64(int dir, const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = open_mode(flags, args);
    va_end(args);
    return open_common(dir, path, flags, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = open_mode(flags, args);
    va_end(args);
    return open_common(dir, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = open_mode(flags, args);
    va_end(args);
    return open_common(AT_FDCWD, path, flags, mode);
}

EXPORT int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = open_mode(flags, args);
    va_end(args);
    return open_common(AT_FDCWD, path, flags, mode);
}

EXPORT int creat64(const char *path, mode_t mode) {
    return open_common(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int creat(const char *path, mode_t mode) {
    return open_common(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int ftruncate64(int fd, off64_t n) {
    return refused(judge_fd(CALL_ALLOC, fd)) ? -1 : real.ftruncate64(fd, n);
}

EXPORT int ftruncate(int fd, off_t n) {
    return ftruncate64(fd, n);
}

EXPORT int fallocate64(int fd, int mode, off64_t at, off64_t n) {
    return refused(judge_fd(CALL_ALLOC, fd)) ? -1 : real.fallocate64(fd, mode, at, n);
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t n) {
    return fallocate64(fd, mode, at, n);
}

/* These two return the error and leave errno alone. */
EXPORT int posix_fallocate64(int fd, off64_t at, off64_t n) {
    struct verdict v = judge_fd(CALL_ALLOC, fd);
    return v.error != 0 ? v.error : real.posix_fallocate64(fd, at, n);
}

EXPORT int posix_fallocate(int fd, off_t at, off_t n) {
    return posix_fallocate64(fd, at, n);
}

EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    if (refused(judge_path(CALL_RENAME, from, to))) return -1;
    int rc = real.renameat2(from_dir, from, to_dir, to, flags);
    forget_names();
    return rc;
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    return renameat2(from_dir, from, to_dir, to, 0);
}

EXPORT int rename(const char *from, const char *to) {
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int unlinkat(int dir, const char *path, int flags) {
    if (refused(judge_path(CALL_RENAME, path, NULL))) return -1;
    return real.unlinkat(dir, path, flags);
}

EXPORT int unlink(const char *path) {
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int close(int fd) {
    ensure_started();
    forget(fd);
    return real.close(fd);
}

EXPORT int dup2(int fd, int to) {
    ensure_started();
    if (fd != to) forget(to);
    return real.dup2(fd, to);
}

EXPORT int dup3(int fd, int to, int flags) {
    ensure_started();
    forget(to);
    return real.dup3(fd, to, flags);
}
