/* One server a store. Three locks, of which each does what the others cannot:
 *
 *   PATH-lock        a file of its own, there before anything else is
 *   PATH-journal.d   the directory of the journal: whoever removes the file above (it is empty, and
 *                    looks useless) leaves this one
 *   the epoch        in the database: the last resort (see struct backend)
 *
 * A store elsewhere has a lock of its own there, and the directory's if it has a journal.
 *
 * They are flock()s, so they end with the process. The file's is that of the database which PATH
 * leads to: two links to one database are one store. All of this is for local file systems. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/internal.h"

#define LOCK_PATH_MAX (PATH_MAX + 16)

static void lock_path(const struct store *s, char out[LOCK_PATH_MAX]) {
    char real[PATH_MAX];
    struct stat st;
    bool link = lstat(s->path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(s->path, real) != NULL;
    snprintf(out, LOCK_PATH_MAX, "%s-lock", link ? real : s->path);
}

void store_journal_path(const struct store *s, char *out, size_t size) {
    if (s->config.journal_dir != NULL)
        snprintf(out, size, "%s", s->config.journal_dir);
    else
        snprintf(out, size, "%s-journal.d", s->path);
}

static int in_use(const struct store *s, const char *path, struct err *err) {
    if (s->config.journal_dir != NULL)
        return err_set(err, ERR_REFUSED,
                       "journal-dir: another server has its journal in %s; each needs its own",
                       path);
    return err_set(err, ERR_REFUSED,
                   "the store %s is in use by another server (it holds %s); one server a store",
                   s->path, path);
}

/* Locks the file; *fd is left as it was when that fails. */
static int lock_file(const struct store *s, const char *path, int flags, int *fd, struct err *err) {
    int opened = open(path, flags | O_CLOEXEC, 0600);
    if (opened < 0) return err_errno(err, "cannot open the lock file %s", path);
    if (flock(opened, LOCK_EX | LOCK_NB) == 0) {
        *fd = opened;
        return 0;
    }
    int rc = errno == EWOULDBLOCK ? in_use(s, path, err) : err_errno(err, "cannot lock %s", path);
    close(opened);
    return rc;
}

int store_lock_journal(struct store *s, struct err *err) {
    char path[sizeof s->path + 16];
    struct stat st;
    store_journal_path(s, path, sizeof path);
    if (s->dir_lock_fd >= 0 || stat(path, &st) != 0) return 0;
    return lock_file(s, path, O_RDONLY | O_DIRECTORY, &s->dir_lock_fd, err);
}

int store_lock(struct store *s, struct err *err) {
    char path[LOCK_PATH_MAX];
    lock_path(s, path);
    int rc = lock_file(s, path, O_RDWR | O_CREAT, &s->lock_fd, err);
    return rc == 0 ? store_lock_journal(s, err) : rc;
}

void store_unlock(struct store *s) {
    if (s->lock_fd >= 0) close(s->lock_fd);
    if (s->dir_lock_fd >= 0) close(s->dir_lock_fd);
    s->lock_fd = s->dir_lock_fd = -1;
}

int store_hold(struct store_hold *h, const char *path, struct err *err) {
    *h = (struct store_hold){-1, -1};
    struct store *s = xcalloc(1, sizeof *s);
    int rc = strlen(path) < sizeof s->path - 16
                 ? 0
                 : err_set(err, ERR_REFUSED, "the store's path is too long");
    s->lock_fd = s->dir_lock_fd = -1;
    if (rc == 0) {
        snprintf(s->path, sizeof s->path, "%s", path);
        rc = store_lock(s, err);
    }
    if (rc == 0)
        *h = (struct store_hold){s->lock_fd, s->dir_lock_fd};
    else
        store_unlock(s);
    free(s);
    return rc;
}

bool store_hold_has_journal(const struct store_hold *h) {
    return h->journal_fd >= 0;
}

void store_let_go(struct store_hold *h) {
    if (h->lock_fd >= 0) close(h->lock_fd);
    if (h->journal_fd >= 0) close(h->journal_fd);
    *h = (struct store_hold){-1, -1};
}

/* Whether the path leads to what the descriptor has open. */
static bool leads_to(const char *path, int fd) {
    struct stat there, open;
    if (fstat(fd, &open) != 0 || stat(path, &there) != 0) return false;
    return there.st_dev == open.st_dev && there.st_ino == open.st_ino;
}

/* The file is made again when somebody has removed it: the next one who looks must find it. */
static int check_lock_file(struct store *s, struct err *err) {
    char path[LOCK_PATH_MAX];
    lock_path(s, path);
    if (leads_to(path, s->lock_fd)) return 0;
    int fd = -1, rc = lock_file(s, path, O_RDWR | O_CREAT, &fd, err);
    if (rc == ERR_REFUSED) return ERR_LOST;
    if (rc != 0) return 0; /* the database, which is beside it, will tell more */
    log_warning("%s was removed, and is made again: leave it where it is", path);
    close(s->lock_fd);
    s->lock_fd = fd;
    return 0;
}

int store_check_locks(struct store *s, struct err *err) {
    char path[sizeof s->path + 16];
    store_journal_path(s, path, sizeof path);
    if (s->journal != NULL && s->dir_lock_fd >= 0 && !leads_to(path, s->dir_lock_fd))
        return err_set(err, ERR_LOST,
                       "%s was removed, renamed or replaced while the server runs. What was "
                       "acknowledged may be in it only: put it back",
                       path);
    return s->lock_fd >= 0 ? check_lock_file(s, err) : 0;
}
