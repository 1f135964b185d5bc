/* Where a backup goes: a name inside backup-dir, which the backend's copy gets when it is complete.
 *
 * The copy is made in a part: a file with a name of ours in backup-dir itself, which says whose it
 * is, so that what a crash has left is found and removed at the next start. Everything goes through
 * the open directory (openat): no component of a name is followed when it is a symbolic link, and
 * nobody who renames directories meanwhile can lead the copy out. A reader's thread; the cleaning
 * is the loop's, at the start. */
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"

#define PART_BYTES 128 /* a part's name, with what SQLite puts behind it */

/* What SQLite keeps beside a database. */
static const char *const beside[] = {"-journal", "-wal", "-shm"};
/* What we keep there. */
static const char *const ours[] = {"-journal.d", "-lock"};

/* ---- names ---- */

static bool ends_with(struct str s, const char *end) {
    size_t n = strlen(end);
    return s.len >= n && str_eq_nocase(str_of(s.ptr + s.len - n, n), str_of(end, n));
}

static void part_prefix(const struct store *s, char out[PART_BYTES]) {
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&s->state.store_id, id);
    id[UUID_TEXT_LEN] = '\0';
    snprintf(out, PART_BYTES, "backup-%s-", id);
}

/* What stands behind "backup-ID-" in the name of a part, or of what SQLite keeps beside it. */
static bool part_rest(const char *rest) {
    if (strspn(rest, "0123456789abcdef") != 16 || strncmp(rest + 16, ".part", 5) != 0) return false;
    rest += 21;
    for (size_t i = 0; i < ARRAY_LEN(beside); i++)
        if (strcmp(rest, beside[i]) == 0) return true;
    return *rest == '\0';
}

/* NULL, or whose name it is. Any store's: its next start would take the file for its own. */
static const char *owner_of(struct str name) {
    for (size_t i = 0; i < ARRAY_LEN(beside); i++)
        if (ends_with(name, beside[i])) return "SQLite";
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (ends_with(name, ours[i])) return "the store";
    if (ends_with(name, ".part")) return "unfinished backups";
    return NULL;
}

/* ---- directories ---- */

/* The directory that the path of a file is in. To be freed. */
static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return xstrdup(".");
    return str_dup(str_of(path, slash == path ? 1 : (size_t)(slash - path)));
}

static char *backup_dir(const struct store *s) {
    bool given = s->config.backup_dir != NULL && s->config.backup_dir[0] != '\0';
    return given ? xstrdup(s->config.backup_dir) : directory_of(s->path);
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

struct target {
    const struct store *store;
    const char *asked; /* as the client wrote it */
    char *dir;         /* backup-dir */
    int root, at;      /* open directories: backup-dir; the one that the file goes to, in it */
    char *name;        /* the file's, in `at` */
};

static void target_clear(struct target *t) {
    if (t->at >= 0 && t->at != t->root) close(t->at);
    if (t->root >= 0) close(t->root);
    free(t->dir);
    free(t->name);
}

static int outside(const struct target *t, struct err *err) {
    return err_set(err, ERR_REFUSED, "backup: %s is outside backup-dir, which is %s", t->asked,
                   t->dir);
}

static const char *behind(const char *path, const char *dir) {
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    if (strncmp(path, dir, n) != 0) return NULL;
    if (n == 1) return path + 1;
    return path[n] == '/' ? path + n + 1 : NULL;
}

/* The part of an absolute name behind backup-dir, however that was written. NULL: it is elsewhere.
 */
static const char *relative(const struct target *t) {
    const char *rest = behind(t->asked, t->dir);
    char *real = rest == NULL ? realpath(t->dir, NULL) : NULL;
    if (real != NULL) rest = behind(t->asked, real);
    free(real);
    if (rest != NULL) return rest;
    struct stat root, parent;
    char *dir = directory_of(t->asked);
    bool same = fstat(t->root, &root) == 0 && stat(dir, &parent) == 0 && same_file(&root, &parent);
    free(dir);
    return same ? strrchr(t->asked, '/') + 1 : NULL;
}

/* One step down, never through a symbolic link. */
static int descend(struct target *t, const char *name, struct err *err) {
    int fd = openat(t->at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return err_set(err, ERR_REFUSED,
                       "backup: %s: %s in backup-dir is no directory (symbolic links are not "
                       "followed)",
                       t->asked, name);
    if (fd < 0) return err_errno(err, "backup: %s: cannot open %s in backup-dir", t->asked, name);
    if (t->at != t->root) close(t->at);
    t->at = fd;
    return 0;
}

/* Takes the name apart, opens its directories. */
static int walk(struct target *t, const char *rest, struct err *err) {
    for (;;) {
        rest += strspn(rest, "/");
        size_t n = strcspn(rest, "/");
        struct str name = str_of(rest, n);
        bool last = rest[n] == '\0';
        if (str_eq(name, STR(".."))) return outside(t, err);
        if (last && (n == 0 || str_eq(name, STR("."))))
            return err_set(err, ERR_REFUSED, "backup: %s: the name of a file is expected",
                           t->asked);
        const char *owner = owner_of(name);
        if (owner != NULL)
            return err_set(err, ERR_REFUSED, "backup: %s: such a name belongs to %s", t->asked,
                           owner);
        free(t->name);
        t->name = str_dup(name);
        if (last) return 0;
        if (str_eq(name, STR("."))) {
            rest += n;
            continue;
        }
        int rc = descend(t, t->name, err);
        if (rc != 0) return rc;
        rest += n;
    }
}

/* Whether the open directory is the one at this path. */
static bool is_directory_at(int fd, const char *path) {
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && same_file(&a, &b);
}

/* The directory, and the file in it, are free for a backup. */
static int check_place(const struct target *t, struct err *err) {
    char path[sizeof t->store->path + 16];
    struct stat root, at, st;
    snprintf(path, sizeof path, "%s-journal.d", t->store->path);
    if (is_directory_at(t->at, path))
        return err_set(err, ERR_REFUSED, "backup: %s: backup-dir leads into the journal", t->asked);
    if (fstat(t->root, &root) != 0 || fstat(t->at, &at) != 0)
        return err_errno(err, "backup: %s", t->asked);
    if (root.st_dev != at.st_dev)
        return err_set(err, ERR_REFUSED, "backup: %s is on another file system than backup-dir",
                       t->asked);
    char *dir = directory_of(t->store->path);
    const char *slash = strrchr(t->store->path, '/');
    bool itself = is_directory_at(t->at, dir) &&
                  strcmp(t->name, slash != NULL ? slash + 1 : t->store->path) == 0;
    free(dir);
    if (itself) return err_set(err, ERR_REFUSED, "backup: %s is the store itself", t->asked);
    if (fstatat(t->at, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(err, ERR_REFUSED, "backup: %s exists already", t->asked);
    if (errno != ENOENT) return err_errno(err, "backup: %s", t->asked);
    const char *taken[] = {beside[0], beside[1], beside[2], ours[0]};
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        snprintf(path, sizeof path, "%s%s", t->name, taken[i]);
        if (fstatat(t->at, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return err_set(err, ERR_REFUSED,
                           "backup: %s: there is a %s, which would be taken for a part of it",
                           t->asked, path);
    }
    return 0;
}

/* The backend's path leads through it. */
static int check_proc(const struct target *t, struct err *err) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", t->root);
    if (is_directory_at(t->root, path)) return 0;
    return err_set(err, ERR_REFUSED,
                   "backup: /proc/self/fd is not there: BACKUP needs /proc to be mounted");
}

static int target_open(struct target *t, struct err *err) {
    t->dir = backup_dir(t->store);
    t->root = t->at = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->root < 0) return err_errno(err, "backup: cannot open backup-dir %s", t->dir);
    const char *rest = t->asked[0] == '/' ? relative(t) : t->asked;
    if (rest == NULL) return outside(t, err);
    int rc = walk(t, rest, err);
    if (rc == 0) rc = check_place(t, err);
    return rc == 0 ? check_proc(t, err) : rc;
}

/* Who may write to the directory may put another file in the place of a backup. */
static void warn_of_others(int dir, const char *path) {
    struct stat st;
    if (fstat(dir, &st) != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
    if ((st.st_mode & S_ISVTX) != 0) return;
    log_warning("backup-dir %s: others may write to it (mode %04o), and replace backups; chmod "
                "go-w",
                path, (unsigned)(st.st_mode & 07777));
}

/* ---- the part ---- */

/* A new file; the path for the backend leads through the open directory. */
static int part_create(const struct target *t, char name[PART_BYTES], char *path, size_t room,
                       struct err *err) {
    part_prefix(t->store, name);
    size_t n = strlen(name);
    snprintf(name + n, PART_BYTES - n, "%016llx.part", (unsigned long long)random_u64());
    int fd = openat(t->root, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return err_errno(err, "backup: cannot create a file in backup-dir %s", t->dir);
    close(fd);
    snprintf(path, room, "/proc/self/fd/%d/%s", t->root, name);
    return 0;
}

static void part_remove(int root, const char *name) {
    char path[PART_BYTES + 16];
    unlinkat(root, name, 0);
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        snprintf(path, sizeof path, "%s%s", name, beside[i]);
        unlinkat(root, path, 0);
    }
}

static int part_sync(const struct target *t, const char *name, struct err *err) {
    int fd = openat(t->root, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return err_errno(err, "backup: open the copy");
    int rc = fsync(fd) == 0 ? 0 : err_errno(err, "backup: sync the copy");
    close(fd);
    return rc;
}

/* Never over an existing file, where the file system can promise that. */
static int publish(const struct target *t, const char *part, struct err *err) {
    struct stat st;
    int rc = renameat2(t->root, part, t->at, t->name, RENAME_NOREPLACE);
    if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) {
        if (fstatat(t->at, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            errno = EEXIST;
        else
            rc = renameat(t->root, part, t->at, t->name);
    }
    if (rc != 0 && errno == EEXIST)
        return err_set(err, ERR_REFUSED, "backup: %s exists already", t->asked);
    if (rc != 0) return err_errno(err, "backup: rename to %s", t->asked);
    if (fsync(t->at) == 0) return 0;
    rc = err_errno(err, "backup: sync the directory of %s", t->asked);
    unlinkat(t->at, t->name, 0); /* who is told of an error finds no backup */
    return rc;
}

static bool progress(uint64_t done, uint64_t total, void *arg) {
    struct store *s = arg;
    atomic_store(&s->backup_done, done);
    atomic_store(&s->backup_total, total);
    pthread_mutex_lock(&s->lock);
    bool go_on = !s->readers_stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static int copy(struct store *s, struct backend_conn *c, const struct target *t, struct err *err) {
    char part[PART_BYTES], path[PART_BYTES + 32];
    int rc = part_create(t, part, path, sizeof path, err);
    if (rc != 0) return rc;
    rc = s->backend->backup(c, path, progress, s, err);
    if (rc == 0) rc = part_sync(t, part, err);
    if (rc == 0) rc = publish(t, part, err);
    part_remove(t->root, part);
    return rc;
}

int store_backup(struct store *s, struct backend_conn *c, const char *name, struct err *err) {
    if (!store_in_files(s)) return s->backend->backup(c, name, progress, s, err);
    /* Each would keep a reader's thread, until none is left for reads. */
    if (atomic_exchange(&s->backup_running, true))
        return err_set(err, ERR_REFUSED, "backup: a backup is running already");
    struct target t = {.store = s, .asked = name, .root = -1, .at = -1};
    int rc = target_open(&t, err);
    if (rc == 0) {
        atomic_store(&s->backup_done, 0);
        warn_of_others(t.root, t.dir);
        rc = copy(s, c, &t, err);
    }
    atomic_store(&s->backup_running, false);
    if (rc == 0)
        log_notice("backup written to %s in %s", t.name, t.dir);
    else
        log_warning("%s", err->text);
    target_clear(&t);
    return rc;
}

void store_clean_backups(const struct store *s) {
    char prefix[PART_BYTES];
    part_prefix(s, prefix);
    size_t n = strlen(prefix);
    char *path = backup_dir(s);
    DIR *dir = opendir(path);
    if (dir == NULL) log_warning("backup-dir %s: %s; BACKUP will fail", path, strerror(errno));
    if (dir != NULL) warn_of_others(dirfd(dir), path);
    struct stat st;
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (strncmp(e->d_name, prefix, n) != 0 || !part_rest(e->d_name + n)) continue;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (unlinkat(dirfd(dir), e->d_name, 0) == 0)
            log_notice("removed %s in %s, an unfinished backup", e->d_name, path);
        else
            log_warning("cannot remove %s in %s: %s", e->d_name, path, strerror(errno));
    }
    if (dir != NULL) closedir(dir);
    free(path);
}
