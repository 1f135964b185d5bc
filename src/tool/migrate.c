/* cairn migrate: a store becomes another one, of whatever backend. */
#include "tool/migrate.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"

static unsigned long long ull(uint64_t n) {
    return n;
}

/* --- the source --------------------------------------------------------------------------------
 */

static int check_source(const struct migration_side *s, struct err *err) {
    switch (s->state.left) {
    case LEFT_CLOSED:
    case LEFT_BACKUP:
        break;
    case LEFT_BACKEND:
        break;
    case LEFT_MIGRATING:
        return err_set(err, ERR_REFUSED, "it is the target of a migration that is not finished");
    case LEFT_UNSURE:
        return err_set(err, ERR_REFUSED,
                       "what was acknowledged may be missing in it: start a server on it once, "
                       "which says so to its consumers, and stop it");
    default:
        break;
    }
    if (!s->state.journal_open && !left_with_journal(s->state.left)) return 0;
    return err_set(err, ERR_REFUSED,
                   "its journal is open, and may hold what the store lacks: run "
                   "cairn-server --store %s%s --apply-only",
                   strchr(s->store.shown, ':') == NULL ? "sqlite:" : "", s->store.shown);
}

/* What is no file has a lock of its own, which its writer takes. */
static int hold(struct migration_side *s, struct err *err) {
    return s->b->remote ? 0 : store_hold(&s->hold, s->store.path, err);
}

static int open_source(struct migration *m, struct err *err) {
    struct migration_side *s = &m->from;
    int rc = hold(s, err);
    if (rc == 0) rc = s->b->open_snapshot(&s->reader, s->store.path, err);
    if (rc == 0 && s->b->remote) rc = s->b->check_free(s->reader, err);
    if (rc == 0) rc = s->b->load_state(s->reader, &s->state, err);
    if (rc == 0) rc = s->b->load_timelines(s->reader, &m->timelines, err);
    return rc == 0 ? check_source(s, err) : rc;
}

/* --- the target --------------------------------------------------------------------------------
 */

static void begin_note(struct migration *m) {
    const struct store_state *s = &m->from.state;
    m->note = (struct migration_note){.source = s->store_id,
                                      .epoch = s->epoch,
                                      .applied = s->applied,
                                      .next_sequence = s->next_sequence};
}

/* Goes on where an earlier run stopped. */
static int take_note(struct migration *m, struct err *err) {
    struct str value;
    uint64_t applied;
    int rc =
        m->to.b->read_named(m->to.reader, NAMED_MIGRATION, STR("migration"), &value, &applied, err);
    if (rc != 0) return rc;
    struct migration_note wanted = m->note;
    if (value.ptr == NULL && applied == 0) return 0; /* it had just begun */
    bool good = value.ptr != NULL && value.len == sizeof m->note;
    if (good) memcpy(&m->note, value.ptr, sizeof m->note);
    free((void *)value.ptr);
    if (!good)
        return err_set(err, ERR_CORRUPT, "it is not said how far the migration to it has come");
    if (!uuid_eq(&m->note.source, &wanted.source))
        return err_set(err, ERR_REFUSED, "it is the target of another store's migration");
    if (m->note.epoch != wanted.epoch || m->note.applied != wanted.applied ||
        m->note.next_sequence != wanted.next_sequence)
        return err_set(err, ERR_REFUSED,
                       "the source was changed since the migration began (a server ran on it): "
                       "remove the target, and begin anew");
    return 0;
}

static int check_target(const struct migration_side *s, struct err *err) {
    if (store_hold_has_journal(&s->hold))
        return err_set(err, ERR_REFUSED, "a journal is beside it: the target has to be empty");
    if (s->state.left == LEFT_MIGRATING) return 0;
    if (s->state.applied == 0 && s->state.next_sequence == 0 && s->state.next_stream <= 1 &&
        !s->state.journal_open)
        return 0;
    return err_set(err, ERR_REFUSED, "it is not empty");
}

static int open_target(struct migration *m, struct err *err) {
    struct migration_side *s = &m->to;
    int rc = hold(s, err);
    if (rc == 0 && store_hold_has_journal(&s->hold)) return check_target(s, err);
    if (rc == 0) rc = s->b->open_writer(&s->writer, s->store.path, err);
    if (rc == 0) rc = s->b->load_state(s->writer, &s->state, err);
    if (rc == 0) rc = check_target(s, err);
    if (rc == 0) rc = s->b->open_reader(&s->reader, s->writer, err);
    if (rc == 0 && s->state.left == LEFT_MIGRATING) rc = take_note(m, err);
    /* Also when it is so already: the backend is told. */
    if (rc == 0) rc = s->b->set_left(s->writer, LEFT_MIGRATING, err);
    m->next_frame = s->state.applied + 1;
    return rc;
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* What was deferred, so that the first server finds it done. */
static int settle(struct migration *m, struct err *err) {
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        rc = m->to.b->maintain(m->to.writer, true, &more, err);
        if (rc == ERR_BUSY) rc = 0;
        progress_show(&m->progress, "indexes", 0, 0);
    }
    return rc;
}

/* A snapshot does not see what has happened since: nobody may have written. */
static int check_unchanged(struct migration *m, struct err *err) {
    const struct migration_side *s = &m->from;
    struct backend_conn *again = NULL;
    struct store_state now;
    int rc = s->b->open_snapshot(&again, s->store.path, err);
    if (rc != 0) return rc;
    rc = s->b->load_state(again, &now, err);
    if (rc == 0 && s->b->remote) rc = s->b->check_free(again, err);
    s->b->close(again);
    if (rc != 0 || (now.epoch == s->state.epoch && now.applied == s->state.applied)) return rc;
    return err_set(err, ERR_REFUSED, "a server has written to the source meanwhile");
}

static int finish(struct migration *m, struct err *err) {
    struct timeline_record r = {
        .began = m->from.state.next_sequence,
        .created = clock_wall_ms(),
        .id = timelines_draw(&m->timelines),
        .reason = TIMELINE_MIGRATED,
    };
    int rc = migration_of_source(m, check_unchanged(m, err));
    if (rc != 0) return rc;
    m->to.b->close(m->to.reader);
    m->to.reader = NULL;
    timelines_add(&m->timelines, &r);
    return m->to.b->finish_import(m->to.writer, &m->from.state, &m->timelines, err);
}

static void say(struct migration *m) {
    char number[NUMBER_TEXT], id[TIMELINE_TEXT_LEN + 1];
    timeline_format(timelines_current(&m->timelines)->id, id);
    printf("%s events, and all else: the same on both sides (hash of the events %016llx)\n"
           "%s is complete, and begins timeline %s at position %llu. Servers open it; from now on "
           "none should be started on %s\n",
           number_text(m->events, number), ull(m->hash), m->to.store.shown, id,
           ull(m->from.state.next_sequence), m->from.store.shown);
}

/* --- running ------------------------------------------------------------------------------------
 */

static int refuse(struct migration *m, const char *url, const struct err *err) {
    progress_wipe(&m->progress);
    return tool_refuse(url, err);
}

static int run(struct migration *m) {
    struct err err;
    if (open_source(m, &err) != 0) return refuse(m, m->from.store.url, &err);
    begin_note(m);
    if (open_target(m, &err) != 0) return refuse(m, m->to.store.url, &err);
    int rc = migration_copy(m, &err);
    if (rc == 0) rc = migration_compare(m, &err);
    if (rc == 0) rc = settle(m, &err);
    if (rc == 0) rc = finish(m, &err);
    if (rc != 0) {
        refuse(m, m->source_failed ? m->from.store.url : m->to.store.url, &err);
        return rc == ERR_CORRUPT ? EXIT_BAD : EXIT_NOT_RUN;
    }
    progress_wipe(&m->progress);
    say(m);
    return EXIT_GOOD;
}

static void close_side(struct migration_side *s) {
    if (s->reader != NULL) s->b->close(s->reader);
    if (s->writer != NULL) s->b->close(s->writer);
    store_let_go(&s->hold);
    tool_store_clear(&s->store);
}

static int find_side(struct migration_side *s, const char *named, struct err *err) {
    s->hold = (struct store_hold){-1, -1};
    int rc = tool_store_find(&s->store, named, err);
    s->b = s->store.backend;
    return rc;
}

int tool_migrate(char *const *values, const bool *given) {
    struct migration *m = xcalloc(1, sizeof *m);
    struct err err;
    int status;
    UNUSED(given);
    m->to.hold = (struct store_hold){-1, -1};
    progress_begin(&m->progress);
    if (find_side(&m->from, values[0], &err) != 0)
        status = tool_refuse(values[0], &err);
    else if (find_side(&m->to, values[1], &err) != 0)
        status = tool_refuse(values[1], &err);
    else if (strcmp(m->from.store.path, m->to.store.path) == 0)
        status = tool_refuse(values[1], &(struct err){"it is the source itself"});
    else
        status = run(m);
    batch_destroy(m->batch);
    close_side(&m->from);
    close_side(&m->to);
    timelines_clear(&m->timelines);
    free(m);
    return status;
}
