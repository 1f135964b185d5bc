/* Opening a store: locks, the backend, what the journal holds beyond it. Before anybody is served,
 * and on one thread. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/internal.h"

static void close_backend(struct store *s) {
    if (s->journal != NULL) journal_close(s->journal);
    if (s->writer != NULL) s->backend->close(s->writer);
    s->journal = NULL;
    s->writer = NULL;
}

void store_free(struct store *s) {
    close_backend(s);
    store_unlock(s);
    timelines_clear(&s->timelines);
    if (s->event_fd >= 0) close(s->event_fd);
    if (s->applier_fd >= 0) close(s->applier_fd);
    pthread_cond_destroy(&s->journal_wake);
    pthread_cond_destroy(&s->applier_wake);
    pthread_cond_destroy(&s->helper_wake);
    pthread_cond_destroy(&s->readers_wake);
    pthread_cond_destroy(&s->lease_wake);
    pthread_mutex_destroy(&s->lock);
    named_list_clear(&s->views);
    stream_list_clear(&s->reserved);
    free(s);
}

static struct store *store_create(const struct store_config *config) {
    struct store *s = xcalloc(1, sizeof *s);
    s->config = *config;
    s->lock_fd = s->dir_lock_fd = s->event_fd = s->applier_fd = -1;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->journal_wake, &attr);
    pthread_cond_init(&s->applier_wake, &attr);
    pthread_cond_init(&s->helper_wake, &attr);
    pthread_cond_init(&s->readers_wake, &attr);
    pthread_cond_init(&s->lease_wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->batches);
    s->next_undurable = s->next_unapplied = &s->batches;
    list_init(&s->outstanding);
    list_init(&s->short_reads);
    list_init(&s->long_reads);
    list_init(&s->late_reads);
    list_init(&s->finished);
    stream_list_init(&s->reserved);
    s->interval_ms = config->interval_ms;
    s->lease_ms = config->lease_ms;
    s->disk_free_min = config->disk_free_min;
    s->writable = true;
    while (s->run == 0) random_bytes(&s->run, sizeof s->run);
    return s;
}

/* path: the backend's. *made: there was no database, and there is one now, to be filled from the
 * journal. */
static int open_backend(struct store *s, const char *path, bool *made, struct err *err) {
    struct uuid store_id;
    int rc = store_in_files(s) ? store_look(s, made, &store_id, err) : 0;
    if (rc == 0) rc = s->backend->open_writer(&s->writer, path, err);
    if (rc == 0) rc = s->backend->load_state(s->writer, &s->state, err);
    if (rc == 0 && s->backend->remote) rc = store_look_empty(s, made, &store_id, err);
    if (rc == 0 && *made) {
        log_warning("%s is %s from %s journal, which begins with frame 1", s->path,
                    s->backend->remote ? "empty, and is filled" : "missing, and is made again",
                    s->backend->remote ? "a" : "its");
        rc = s->backend->adopt(s->writer, &store_id, s->state.id_key, err);
    }
    return rc == 0 ? s->backend->load_state(s->writer, &s->state, err) : rc;
}

/* The directory of the journal is named for a store elsewhere, and only for one. */
static int check_journal_dir(struct store *s, struct err *err) {
    const char *dir = s->config.journal_dir;
    if (dir != NULL && dir[0] == '\0') dir = s->config.journal_dir = NULL;
    if (dir != NULL && !s->backend->remote)
        return err_set(err, ERR_REFUSED,
                       "journal-dir is for stores in PostgreSQL: that of %s is beside it", s->path);
    if (dir != NULL && strlen(dir) >= sizeof s->path)
        return err_set(err, ERR_REFUSED, "journal-dir: the path is too long");
    if (dir != NULL && strstr(dir, "://") != NULL)
        return err_set(err, ERR_REFUSED, "journal-dir: '%s' is no directory", dir);
    if (dir != NULL || !s->backend->remote || s->config.durability == DURABILITY_BACKEND) return 0;
    return err_set(err, ERR_REFUSED,
                   "%s: 'durability journal' and 'interval' need journal-dir, a directory on a "
                   "disk of this machine's",
                   s->path);
}

static int lock(struct store *s, struct err *err) {
    if (store_in_files(s)) return store_lock(s, err);
    return store_may_have_journal(s) ? store_lock_journal(s, err) : 0;
}

/* Of a start that was refused: what it made would hide that the database is missing. */
static void remove_database(const char *path) {
    static const char *const parts[] = {"", "-wal", "-shm"};
    char part[sizeof((struct store *)0)->path + 8];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(part, sizeof part, "%s%s", path, parts[i]);
        unlink(part);
    }
}

/* Before anything is written to it. */
static int check_whole(const struct store *s, struct err *err) {
    if (s->state.left != LEFT_MIGRATING) return 0;
    return err_set(err, ERR_REFUSED,
                   "%s is the target of a migration that is not finished. Give the same "
                   "`cairn migrate FROM TO` again, which goes on; or remove it",
                   s->path);
}

#define VIEWS_A_PAGE 1000

/* There are few, and they stay in memory. */
static int load_views(struct store *s, struct err *err) {
    struct backend_conn *r = NULL;
    int rc = s->backend->open_reader(&r, s->writer, err);
    if (rc != 0) return rc;
    struct named_list page = {0};
    do {
        uint64_t from = page.next;
        named_list_clear(&page);
        rc = s->backend->list_named(r, NAMED_VIEW, from, VIEWS_A_PAGE, &page, err);
        for (size_t i = 0; rc == 0 && i < page.count; i++)
            named_list_add(&s->views, page.items[i].number, page.items[i].name,
                           page.items[i].value);
    } while (rc == 0 && !page.done);
    named_list_clear(&page);
    s->backend->close(r);
    return rc;
}

void store_take_views(struct store *s, struct named_list *out) {
    *out = s->views;
    s->views = (struct named_list){0};
}

int store_open(struct store **out, const struct store_config *config, struct err *err) {
    struct store *s = store_create(config);
    bool made = false;
    const char *path;
    int rc;
    s->backend = backend_find(config->url, &path);
    if (s->backend == NULL) {
        rc = err_set(err, ERR_REFUSED, "unknown store '%s': " BACKEND_WORDS, config->url);
        goto fail;
    }
    if ((rc = s->backend->check_path(path, err)) != 0) goto fail;
    if (strlen(path) >= sizeof s->path - 16) {
        rc = err_set(err, ERR_REFUSED, "the store's path is too long");
        goto fail;
    }
    if (s->backend->remote)
        backend_show(config->url, s->path, sizeof s->path);
    else
        snprintf(s->path, sizeof s->path, "%s", path);
    if ((rc = check_journal_dir(s, err)) != 0) goto fail;
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (store_flights(s) > 1) s->applier_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->event_fd < 0 || (store_flights(s) > 1 && s->applier_fd < 0)) {
        rc = err_errno(err, "eventfd");
        goto fail;
    }
    if ((rc = lock(s, err)) != 0) goto fail;
    if ((rc = open_backend(s, path, &made, err)) != 0) goto fail;
    if ((rc = check_whole(s, err)) != 0) goto fail;
    s->found.later = made;
    if (s->backend->durable && (rc = store_recover(s, err)) != 0) goto fail;
    if ((rc = store_load_timelines(s, err)) != 0) goto fail;
    if ((rc = load_views(s, err)) != 0) goto fail;
    if ((rc = s->backend->list_reserved(s->writer, RESERVED_MAX, &s->reserved, err)) != 0)
        goto fail;
    s->applied = s->durable = s->applied_seen = s->durable_seen = s->state.applied;
    *out = s;
    return 0;
fail:
    if (s->writer != NULL && s->backend->give_back != NULL) s->backend->give_back(s->writer);
    close_backend(s);
    if (made && !s->backend->remote) remove_database(s->path);
    store_free(s);
    return rc;
}
