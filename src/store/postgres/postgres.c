/* The backend on PostgreSQL: `store postgres://user@host/db?schema=cairn`. It keeps what the one on
 * SQLite keeps, in tables of the same names.
 *
 *   url.c       where the store is           apply.c   frames to statements; types.c, write.c,
 *   conn.c      sessions, pipelines                    groups.c, named.c, idempotent.c: parts of it
 *   params.c    parameters and arrays        read.c    snapshots, rows to events
 *   schema.c    the SQL; tables.c            scan.c    ranges, selectors
 *   open.c      schema, lock, epoch          heads.c   heads of streams, images of groups
 *   state.c     where the store stands       lists.c   lists of streams and ids
 *   text.c      what views can show          maintain.c   deferred work
 *                                            house.c   VACUUM; cancel.c cancelling
 *                                            ahead.c   answers before they are asked for
 *
 * What can go wrong between this server and the database is met in three places: conn.c has a
 * deadline for every wait, the fence (schema.c, SQL_FENCE) keeps a writer that was replaced from
 * writing, and apply.c finds out what became of a COMMIT that was not answered. */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/postgres/internal.h"

void postgres_close_conn(struct backend_conn *c) {
    postgres_disconnect(c);
    postgres_ahead_forget(c);
    for (size_t i = 0; i < c->result_count; i++) PQclear(c->results[i]);
    free(c->results);
    if (c->w != NULL) {
        postgres_apply_free(c->w);
        postgres_house_free(c->w->house);
        postgres_canceller_let_go(c->w->canceller);
        close(c->stop_fd);
        close(c->w->readers_stop_fd);
        postgres_place_free((struct postgres_place *)(uintptr_t)c->place);
        free((void *)(uintptr_t)c->place);
        free(c->w);
    }
    if (c->r != NULL) postgres_reader_free(c->r);
    free(c);
}

/* A clock that does not run yet. */
static int make_stop(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) {
        log_warning("timerfd: %s", strerror(errno));
        abort();
    }
    return fd;
}

static void stop_in(int fd, uint64_t ms) {
    uint64_t ns = MAX(ms * 1000000, (uint64_t)1); /* 0 would stop the clock */
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)}};
    timerfd_settime(fd, 0, &at, NULL);
}

static void hurry(struct backend_conn *w, uint64_t readers_ms, uint64_t writer_ms) {
    stop_in(w->w->readers_stop_fd, readers_ms);
    stop_in(w->stop_fd, writer_ms);
}

struct backend_conn *postgres_conn_create(const struct postgres_place *place) {
    struct backend_conn *c = xcalloc(1, sizeof *c);
    c->place = xmemdup(place, sizeof *place);
    c->writer = c;
    c->w = xcalloc(1, sizeof *c->w);
    c->stop_fd = make_stop();
    c->w->readers_stop_fd = make_stop();
    c->w->house = postgres_house_create();
    c->w->canceller = postgres_canceller_create();
    return c;
}

static int open_writer(struct backend_conn **out, const char *path, struct err *err) {
    struct postgres_place place;
    *out = NULL;
    int rc = postgres_place_parse(&place, path, err);
    if (rc != 0) return rc;
    struct backend_conn *c = postgres_conn_create(&place);
    c->w->purge_wanted = c->w->moved_wanted = true; /* what an earlier server left */
    rc = postgres_connect(c, err);
    if (rc == 0) rc = postgres_lock(c, err);
    if (rc == 0) rc = postgres_migrate(c, err);
    if (rc == 0) rc = postgres_prepare(c, err);
    if (rc == 0) rc = postgres_take_over(c, err);
    if (rc != 0) {
        postgres_close_conn(c);
        return rc;
    }
    *out = c;
    return 0;
}

static int open_reader(struct backend_conn **out, struct backend_conn *writer, struct err *err) {
    assert(writer->w != NULL);
    struct backend_conn *c = xcalloc(1, sizeof *c);
    *out = NULL;
    c->place = writer->place;
    c->writer = writer;
    c->r = xcalloc(1, sizeof *c->r);
    c->stop_fd = writer->w->readers_stop_fd;
    int rc = postgres_connect(c, err);
    if (rc == 0) rc = postgres_prepare(c, err);
    if (rc != 0) {
        postgres_close_conn(c);
        return rc;
    }
    *out = c;
    return 0;
}

static void stats(struct backend_conn *c, struct backend_stats *out) {
    *out = (struct backend_stats){
        .indexed = atomic_load(&c->w->stat_sequence),
        .database_bytes = atomic_load(&c->w->stat_bytes),
    };
}

void postgres_set_slices(struct backend_conn *w, uint64_t rows) {
    w->w->slice_rows = rows;
}

static int backup(struct backend_conn *c, const char *path, backup_progress_fn *progress, void *arg,
                  struct err *err) {
    UNUSED(c);
    UNUSED(progress);
    UNUSED(arg);
    return err_set(err, ERR_REFUSED,
                   "backup: %s: the store is in PostgreSQL, which has backups of its own "
                   "(pg_basebackup, pg_dump)",
                   path);
}

const struct backend backend_postgres = {
    .scheme = "postgres",
    .durable = true,
    .remote = true,
    .check_path = postgres_check_path,
    .open_writer = open_writer,
    .give_back = postgres_give_back,
    .open_reader = open_reader,
    .close = postgres_close_conn,
    .load_state = postgres_load_state,
    .load_timelines = postgres_load_timelines,
    .set_left = postgres_set_left,
    .probe = postgres_probe,
    .check = postgres_check,
    .beat = postgres_beat,
    .hurry = hurry,
    .keep_house = postgres_keep_house,
    .set_run = postgres_set_run,
    .adopt = postgres_adopt,
    .apply = postgres_apply,
    .apply_begin = postgres_apply_begin,
    .apply_end = postgres_apply_end,
    .maintain = postgres_maintain,
    .stats = stats,
    .read_head = postgres_read_head,
    .read_events = postgres_read_events,
    .read_id = postgres_read_id,
    .find_entry = postgres_find_entry,
    .list_expiring = postgres_list_expiring,
    .list_reserved = postgres_list_reserved,
    .list_ids = postgres_list_ids,
    .list_streams = postgres_list_streams,
    .count_groups = postgres_count_groups,
    .count_streams = postgres_count_streams,
    .read_named = postgres_read_named,
    .list_named = postgres_list_named,
    .backup = backup,
    .open_snapshot = postgres_open_snapshot,
    .check_free = postgres_check_free,
    .list_versions = postgres_list_versions,
    .expect_streams = postgres_expect_streams,
    .verify = postgres_verify,
    .finish_import = postgres_finish_import,
};
