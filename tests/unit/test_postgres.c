/* The backend on PostgreSQL, where it is not as the others: the fence, sessions that are lost, what
 * a role or a schema can be called and set to, what SQL shows. */
#ifdef WITHOUT_POSTGRES
#include "unit.h"
#else
#include "backend_world.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "begun.h"

static PGconn *admin_session(void) {
    static PGconn *pg;
    const char *uri = getenv("CAIRN_TEST_POSTGRES");
    char text[512];
    if (pg != NULL) return pg;
    CHECK(uri != NULL && strstr(uri, "://cairn@") != NULL);
    snprintf(text, sizeof text, "postgres://admin@%s", strchr(uri, '@') + 1);
    return pg = PQconnectdb(text);
}

static PGresult *admin(const char *sql) {
    PGconn *pg = admin_session();
    PGresult *r = PQexec(pg, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
        fprintf(stderr, "  %s: %s\n", sql, PQerrorMessage(pg));
        exit(1);
    }
    return r;
}

static void run(const char *sql) {
    PQclear(admin(sql));
}

static const char *schema(void) {
    return strstr(postgres_path(), "&schema=") + 8;
}

/* One value; %s is the schema. */
static const char *ask(const char *format) {
    static char out[256];
    char sql[512];
    const char *at = strstr(format, "%s");
    snprintf(sql, sizeof sql, "%.*s%s%s", (int)(at - format), format, schema(), at + 2);
    PGresult *r = admin(sql);
    CHECK_INT(PQntuples(r), 1);
    snprintf(out, sizeof out, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return out;
}

/* Ends the session of whoever writes to the store. */
static void end_writer(void) {
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT count(pg_terminate_backend(pid)) FROM pg_locks, (SELECT"
             " hashtextextended('cairn %s', 0) AS key) k WHERE locktype = 'advisory'"
             " AND objid::int8 = key & 4294967295 AND classid::int8 = (key >> 32) & 4294967295",
             schema());
    run(sql);
}

TEST(an_old_writer_with_a_whole_transaction_leaves_no_row) {
    struct world x;
    struct backend_conn *other = NULL;
    world_open(&x, &backend_postgres, postgres_path());
    world_append(&x, "s-1", "t", "before");
    world_apply(&x);
    postgres_ignores_lock = true;
    WORLD_OK(&x, x.b->open_writer(&other, x.path, &err));
    struct err err;
    world_append(&x, "s-1", "t", "of the old writer");
    CHECK_INT(world_try_apply(&x, &err), ERR_REFUSED);
    CHECK(strstr(err.text, "another server has taken over") != NULL);
    CHECK_INT(world_try_apply(&x, &err), ERR_REFUSED);
    CHECK_INT(x.b->set_left(x.w, LEFT_CLOSED, &err), ERR_REFUSED);
    CHECK_INT(x.b->probe(x.w, &err), ERR_REFUSED);
    CHECK(strcmp(ask("SELECT count(*) FROM %s.events"), "1") == 0);
    CHECK(strcmp(ask("SELECT max(last_frame) FROM %s.commits"), "1") == 0);
    x.b->close(other);
    world_applied(&x);
    world_close(&x);
}

TEST(a_second_server_is_refused) {
    struct world x;
    struct backend_conn *other = NULL;
    struct err err;
    world_open(&x, &backend_postgres, postgres_path());
    CHECK_INT(x.b->open_writer(&other, x.path, &err), ERR_REFUSED);
    CHECK(strstr(err.text, "in use by another server") != NULL);
    world_append(&x, "s-1", "t", "");
    world_apply(&x); /* the first one has noticed nothing */
    world_close(&x);
}

/* As the applier does. */
static void apply_patiently(struct world *x) {
    struct err err;
    int rc, tries = 0;
    while ((rc = world_try_apply(x, &err)) != 0) {
        if (rc != ERR_BUSY && rc != ERR_UNKNOWN) world_fail(x, rc, "apply", &err);
        if (++tries > 1000) world_fail(x, rc, "apply", &err);
        usleep(10000);
    }
    world_applied(x);
}

TEST(a_session_that_ends_loses_nothing_and_doubles_nothing) {
    struct world x;
    world_open(&x, &backend_postgres, postgres_path());
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 30; k++) world_append(&x, k % 2 ? "a-1" : "b-1", "t", "payload");
        if (draw(2)) end_writer();
        apply_patiently(&x);
        bool more;
        struct err err;
        if (draw(2)) end_writer();
        (void)x.b->maintain(x.w, true, &more, &err);
    }
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), 600);
    CHECK(strcmp(ask("SELECT count(*) FROM %s.cairn_events"), "600") == 0);
    world_close(&x);
}

/* Sessions that end while the statements and the COMMIT are on their way. */
static void *end_often(void *arg) {
    _Atomic bool *over = arg;
    PGconn *pg;
    char text[512], sql[512];
    snprintf(text, sizeof text, "postgres://admin@%s",
             strchr(getenv("CAIRN_TEST_POSTGRES"), '@') + 1);
    pg = PQconnectdb(text);
    snprintf(sql, sizeof sql,
             "SELECT count(pg_terminate_backend(pid)) FROM pg_locks, (SELECT"
             " hashtextextended('cairn %s', 0) AS key) k WHERE locktype = 'advisory'"
             " AND objid::int8 = key & 4294967295 AND classid::int8 = (key >> 32) & 4294967295",
             schema());
    for (int i = 0; i < 40; i++) { /* a new session takes some 20 ms */
        PQclear(PQexec(pg, sql));
        usleep((useconds_t)draw(200000));
    }
    PQfinish(pg);
    atomic_store(over, true);
    return NULL;
}

TEST(a_session_that_ends_within_a_commit_loses_nothing_and_doubles_nothing) {
    struct world x;
    _Atomic bool over = false;
    int frames = 0;
    pthread_t thread;
    world_open(&x, &backend_postgres, postgres_path());
    pthread_create(&thread, NULL, end_often, &over);
    for (; !atomic_load(&over); frames++) {
        world_append(&x, frames % 2 ? "a-1" : "b-1", "t", "payload");
        apply_patiently(&x);
    }
    pthread_join(thread, NULL);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), frames);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.cairn_events")), frames);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.commits")), frames + 1);
    world_close(&x);
}

/* --- several under way ---------------------------------------------------------------------------
 */

static void run_in_schema(const char *format) {
    char sql[512];
    const char *at = strstr(format, "%s");
    snprintf(sql, sizeof sql, "%.*s%s%s", (int)(at - format), format, schema(), at + 2);
    run(sql);
}

/* A store with a stream and a type, and two batches of an event each that are under way; the first
 * one waits if `statement` makes it. */
static void begin_two(struct world *x, const char *statement) {
    world_open(x, &backend_postgres, postgres_path());
    x->says_categories = true;
    for (int i = 0; i < 2; i++) { /* by the second time all is known that would be asked for */
        world_append(x, "s-1", "t", "before");
        world_append(x, "s-2", "t", "before");
        world_apply(x);
    }
    if (statement != NULL) run_in_schema(statement);
    for (int i = 0; i < 2; i++) {
        bool begun = false;
        world_append(x, i == 0 ? "s-1" : "s-2", "t", i == 0 ? "first" : "second");
        world_batch(x);
        WORLD_OK(x, x->b->apply_begin(x->w, &x->batches[i], 1, &begun, &err));
        CHECK(begun);
    }
}

static void end_one(struct world *x) {
    bool over = false;
    WORLD_OK(x, x->b->apply_end(x->w, -1, &over, &err));
    CHECK(over);
}

/* What is under way fails; the first one's reason. */
static int end_badly(struct world *x, const char *words) {
    struct err err;
    bool over;
    int rc = x->b->apply_end(x->w, -1, &over, &err);
    CHECK(rc != 0);
    CHECK(strstr(err.text, words) != NULL);
    return rc;
}

static void apply_one(struct world *x, size_t i) {
    WORLD_OK(x, apply_until(x->b, x->w, &x->batches[i], 1, &err));
}

/* Nothing is under way any more: each by itself, as the applier does. */
static void apply_each(struct world *x) {
    for (size_t i = 0; i < x->batch_count; i++) apply_one(x, i);
}

/* All that the naive copy has is there, once, and each batch was a transaction: one for the schema,
 * two for begin_two. */
static void check_all(struct world *x, int events, int transactions) {
    world_applied(x);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), events);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.events")), events);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.commits")), 3 + transactions);
}

TEST(two_applies_are_under_way_and_a_third_waits) {
    struct world x;
    bool begun = true, over = true;
    int wake = eventfd(1, 0);
    begin_two(&x, "BEGIN; LOCK TABLE %s.events IN ACCESS EXCLUSIVE MODE");
    world_append(&x, "s-1", "t", "third");
    world_batch(&x);
    WORLD_OK(&x, x.b->apply_begin(x.w, &x.batches[2], 1, &begun, &err));
    CHECK(!begun);
    WORLD_OK(&x, x.b->apply_end(x.w, wake, &over, &err));
    CHECK(!over); /* somebody wants something */
    run("COMMIT");
    end_one(&x);
    WORLD_OK(&x, x.b->apply_begin(x.w, &x.batches[2], 1, &begun, &err));
    CHECK(begun);
    end_one(&x);
    end_one(&x);
    check_all(&x, 7, 3);
    close(wake);
    world_close(&x);
}

TEST(what_has_to_ask_is_not_begun) {
    struct world x;
    bool begun = true;
    begin_two(&x, NULL);
    end_one(&x);
    world_append(&x, "s-1", "another type", "third");
    world_batch(&x);
    WORLD_OK(&x, x.b->apply_begin(x.w, &x.batches[2], 1, &begun, &err));
    CHECK(!begun);
    end_one(&x);
    begun = true;
    WORLD_OK(&x, x.b->apply_begin(x.w, &x.batches[2], 1, &begun, &err));
    CHECK(!begun);
    WORLD_OK(&x, x.b->apply(x.w, &x.batches[2], 1, &err));
    check_all(&x, 7, 3);
    CHECK(strcmp(ask("SELECT count(*) FROM %s.types"), "2") == 0);
    world_close(&x);
}

TEST(what_is_under_way_behind_one_that_fails_comes_to_nothing) {
    struct world x;
    struct err err;
    begin_two(&x, "ALTER TABLE %s.events ADD CONSTRAINT no CHECK (sequence <> 4) NOT VALID");
    CHECK_INT(end_badly(&x, "constraint"), ERR_FAILED);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.events")), 4);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.commits")), 3);
    CHECK_INT(x.b->apply(x.w, &x.batches[0], 1, &err), ERR_FAILED);
    run_in_schema("ALTER TABLE %s.events DROP CONSTRAINT no");
    apply_each(&x);
    check_all(&x, 6, 2);
    world_close(&x);
}

TEST(one_that_fails_takes_nothing_from_the_one_before) {
    struct world x;
    begin_two(&x, "ALTER TABLE %s.events ADD CONSTRAINT no CHECK (sequence <> 5) NOT VALID");
    end_one(&x);
    CHECK_INT(end_badly(&x, "constraint"), ERR_FAILED);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.events")), 5);
    run_in_schema("ALTER TABLE %s.events DROP CONSTRAINT no");
    apply_one(&x, 1);
    check_all(&x, 6, 2);
    world_close(&x);
}

TEST(another_writer_stops_all_that_is_under_way) {
    struct world x;
    struct err err;
    begin_two(&x, "BEGIN; UPDATE %s.store SET epoch = epoch + 1");
    run("COMMIT");
    CHECK_INT(end_badly(&x, "another server has taken over"), ERR_REFUSED);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.events")), 4);
    CHECK_INT(x.b->apply(x.w, &x.batches[0], 1, &err), ERR_REFUSED);
    CHECK_INT(x.b->apply(x.w, &x.batches[1], 1, &err), ERR_REFUSED);
    world_applied(&x);
    world_close(&x);
}

/* Both are committed, or the first one, and the session is lost before anybody has heard of it. */
static void lose_answers(const char *statement, int committed) {
    struct world x;
    unsigned patience = postgres_answer_ms;
    begin_two(&x, statement);
    while (atoi(ask("SELECT count(*) FROM %s.commits")) < 3 + committed) usleep(1000);
    postgres_answer_ms = 0;
    CHECK_INT(end_badly(&x, "no answer"), ERR_UNKNOWN);
    postgres_answer_ms = patience;
    apply_one(&x, 0);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.commits")), 3 + committed); /* it was found */
    if (statement != NULL) run("ROLLBACK; RESET search_path");
    apply_one(&x, 1);
    check_all(&x, 6, 2);
    world_append(&x, "s-1", "t", "behind them");
    world_apply(&x);
    check_all(&x, 7, 3);
    world_close(&x);
}
TEST(two_commits_that_nobody_heard_of_are_found) {
    lose_answers(NULL, 2);
}
TEST(a_commit_that_nobody_heard_of_is_found_and_the_one_behind_it_is_done) {
    /* The second one waits for a row of ours that may or may not come to be. */
    lose_answers("SET search_path = %s; BEGIN; INSERT INTO events (sequence, version, timestamp,"
                 " recorded, entry_ms, entry_seq, stream, type, shown, event_id, payload)"
                 " SELECT 5, 77, timestamp, recorded, entry_ms, entry_seq, stream, type, shown,"
                 " event_id, payload FROM events WHERE sequence = 0",
                 1);
}

/* What was committed is never void: neither when the commit behind it fails that is to confirm it,
 * nor when it cannot be looked for. */
static void look_in_vain(const char *breaks, const char *mends) {
    struct world x;
    struct err err;
    unsigned patience = postgres_answer_ms;
    begin_two(&x, NULL);
    while (atoi(ask("SELECT count(*) FROM %s.commits")) < 5) usleep(1000);
    postgres_answer_ms = 0;
    CHECK_INT(end_badly(&x, "no answer"), ERR_UNKNOWN);
    postgres_answer_ms = patience;
    run_in_schema(breaks);
    for (int tries = 0; tries < 2; tries++) {
        int rc = ERR_BUSY; /* the session that was lost may hold the lock for a moment */
        for (err.text[0] = '\0'; strstr(err.text, "SQLSTATE 42") == NULL; usleep(1000))
            CHECK((rc = x.b->apply(x.w, &x.batches[0], 1, &err)) == ERR_UNKNOWN);
        CHECK_INT(rc, ERR_UNKNOWN);
    }
    run_in_schema(mends);
    apply_each(&x);
    check_all(&x, 6, 2);
    world_close(&x);
}
TEST(what_was_committed_is_not_void_while_it_cannot_be_confirmed) {
    look_in_vain("REVOKE UPDATE ON %s.store FROM cairn", "GRANT UPDATE ON %s.store TO cairn");
}
TEST(what_was_committed_is_not_void_while_it_cannot_be_looked_for) {
    look_in_vain("ALTER TABLE %s.commits RENAME TO away", "ALTER TABLE %s.away RENAME TO commits");
}

TEST(sessions_that_end_with_several_under_way_lose_nothing_and_double_nothing) {
    struct world x;
    _Atomic bool over = false;
    int frames = 0;
    unsigned behind = 0;
    pthread_t thread;
    world_open(&x, &backend_postgres, postgres_path());
    pthread_create(&thread, NULL, end_often, &over);
    while (!atomic_load(&over)) {
        for (int n = 1 + (int)draw(6); n > 0; n--, frames++) {
            world_append(&x, frames % 2 ? "a-1" : "b-1", "t", "payload");
            world_batch(&x);
        }
        WORLD_OK(&x, apply_begun(x.b, x.w, x.batches, x.batch_count, &behind, &err));
        world_applied(&x);
    }
    pthread_join(thread, NULL);
    CHECK(behind > 0);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), frames);
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.cairn_events")), frames);
    world_close(&x);
}

/* --- house.c ---------------------------------------------------------------------------------- */

static void erase(struct world *x, uint64_t stream, uint64_t version, uint64_t sequence) {
    struct erase_record *r = world_record(x, RECORD_ERASE, sizeof *r);
    *r = (struct erase_record){stream, version, sequence};
    world_frame(x);
    world_apply(x);
}

static int to_vacuum(void) {
    return atoi(ask("SELECT erasures_to_vacuum FROM %s.cairn_status"));
}

static int vacuums(void) {
    return atoi(ask("SELECT vacuum_count FROM pg_stat_all_tables WHERE relname = 'events'"
                    " AND schemaname = '%s'"));
}

static void note_removed(void *out, const char *text) {
    const char *at = strstr(text, "tuples: ");
    if (at != NULL && strstr(text, "\"cairn.t_") != NULL) *(int *)out += atoi(at + 8);
}

/* Rows that a VACUUM takes away. */
static int left_to_vacuum(void) {
    char sql[256];
    int removed = 0;
    PQnoticeProcessor before = PQsetNoticeProcessor(admin_session(), note_removed, &removed);
    snprintf(sql, sizeof sql, "VACUUM (VERBOSE) %s.events", schema());
    run(sql);
    PQsetNoticeProcessor(admin_session(), before, NULL);
    return removed;
}

static void keep_house(struct world *x, int times) {
    bool more;
    for (int i = 0; i < times; i++) {
        WORLD_OK(x, x->b->keep_house(x->w, &err));
        WORLD_OK(x, x->b->maintain(x->w, true, &more, &err));
    }
}

static void wait_for_vacuum(struct world *x) {
    for (int tries = 0; to_vacuum() > 0; tries++) {
        CHECK(tries < 3000);
        keep_house(x, 1);
        usleep(10000);
    }
}

TEST(what_was_erased_is_vacuumed_when_no_snapshot_needs_it) {
    struct world x;
    world_open(&x, &backend_postgres, postgres_path());
    postgres_set_vacuum(x.w, 3600000, 0);
    for (int i = 0; i < 10; i++) world_append(&x, "s-1", "t", "secret");
    world_apply(&x);
    keep_house(&x, 20);
    CHECK_INT(vacuums(), 0); /* nothing was erased */
    run("SET search_path = pg_catalog; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM "
        "pg_class");
    erase(&x, 1, 3, 3);
    erase(&x, 1, 4, 4);
    CHECK_INT(to_vacuum(), 0); /* as the snapshot has it */
    keep_house(&x, 30);
    run("COMMIT");
    CHECK_INT(to_vacuum(), 2);
    CHECK_INT(vacuums(), 0);
    wait_for_vacuum(&x);
    CHECK_INT(vacuums(), 1);
    CHECK_INT(left_to_vacuum(), 0);
    int before = vacuums();
    erase(&x, 1, 5, 5);
    keep_house(&x, 30);
    CHECK_INT(to_vacuum(), 1); /* not again so soon */
    CHECK_INT(vacuums(), before);
    /* The next server does not know of the last time. */
    world_disconnect(&x);
    world_connect(&x);
    wait_for_vacuum(&x);
    CHECK_INT(vacuums(), before + 1);
    CHECK_INT(world_check_range(&x, range_of(0, 0, 2)), 3);
    world_close(&x);
}

/* Until the VACUUM that is under way, or is to begin, is over, and the helper may rest again. */
static void let_vacuum_fail(struct world *x) {
    struct err err;
    for (int tries = 0; x->b->keep_house(x->w, &err) == 0; tries++) {
        CHECK(tries < 3000);
        usleep(10000);
    }
    CHECK(strstr(err.text, "left something out") != NULL);
}

/* The server's role may read and write the table, and not vacuum it. */
TEST(a_vacuum_that_was_skipped_is_remembered) {
    struct world x;
    char sql[256];
    world_open(&x, &backend_postgres, postgres_path());
    postgres_set_vacuum(x.w, 0, 0);
    world_append(&x, "s-1", "t", "secret");
    world_apply(&x);
    snprintf(sql, sizeof sql,
             "ALTER TABLE %s.events OWNER TO admin; GRANT ALL ON %s.events TO cairn", schema(),
             schema());
    run(sql);
    erase(&x, 1, 0, 0);
    let_vacuum_fail(&x);
    CHECK_INT(to_vacuum(), 1);
    world_disconnect(&x);
    world_connect(&x);
    postgres_set_vacuum(x.w, 0, 0);
    let_vacuum_fail(&x);
    CHECK_INT(to_vacuum(), 1);
    snprintf(sql, sizeof sql, "ALTER TABLE %s.events OWNER TO cairn", schema());
    run(sql);
    wait_for_vacuum(&x);
    CHECK_INT(left_to_vacuum(), 0);
    world_close(&x);
}

/* VACUUM passes over a page in which somebody's cursor stands. */
TEST(a_page_that_is_read_while_it_is_vacuumed_is_not_forgotten) {
    struct world x;
    char sql[256];
    world_open(&x, &backend_postgres, postgres_path());
    for (int i = 0; i < 10; i++) world_append(&x, "s-1", "t", "secret");
    world_apply(&x);
    erase(&x, 1, 3, 3);
    keep_house(&x, 1); /* snapshots from now on keep nothing from being taken away */
    snprintf(sql, sizeof sql, "BEGIN; DECLARE c CURSOR FOR SELECT * FROM %s.events; FETCH 1 FROM c",
             schema());
    run(sql);
    for (int i = 0; i < 20; i++) {
        keep_house(&x, 1);
        usleep(10000);
    }
    CHECK_INT(atoi(ask("SELECT count(*) FROM %s.erasures")), 1);
    run("COMMIT");
    wait_for_vacuum(&x);
    CHECK_INT(left_to_vacuum(), 0);
    world_close(&x);
}

TEST(a_statement_without_an_answer_is_cancelled) {
    struct world x;
    struct err err;
    char sql[256];
    world_open(&x, &backend_postgres, postgres_path());
    snprintf(sql, sizeof sql, "BEGIN; LOCK TABLE %s.events IN ACCESS EXCLUSIVE MODE", schema());
    run(sql);
    world_append(&x, "s-1", "t", "");
    postgres_answer_ms = 200;
    CHECK_INT(world_try_apply(&x, &err), ERR_UNKNOWN);
    CHECK(strstr(err.text, "no answer") != NULL);
    postgres_answer_ms = 30000;
    for (int tries = 0; postgres_cancelled(x.w) == 0; tries++) {
        CHECK(tries < 3000);
        usleep(10000);
    }
    CHECK_INT(postgres_cancelled(x.w), 1);
    run("COMMIT");
    apply_patiently(&x);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), 1);
    world_close(&x);
}

TEST(a_role_that_is_set_to_fight_us_does_not_matter) {
    static const char *const settings[] = {
        "synchronous_commit = off",
        "lock_timeout = 1",
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "search_path = nowhere",
        "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off",
        "TimeZone = 'Asia/Tokyo'",
        "client_min_messages = 'error'",
        "idle_session_timeout = 100",
        "idle_in_transaction_session_timeout = 100",
        "enable_indexscan = off",
        "enable_nestloop = off",
        "jit_above_cost = 0",
        "work_mem = '64kB'",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
        "DateStyle = 'German'",
    };
    char sql[256], path[600];
    const char *name = schema();
    snprintf(sql, sizeof sql, "CREATE ROLE fights_%s LOGIN", name);
    run(sql);
    snprintf(sql, sizeof sql, "GRANT CREATE ON DATABASE cairn TO fights_%s", name);
    run(sql);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        snprintf(sql, sizeof sql, "ALTER ROLE fights_%s SET %s", name, settings[i]);
        run(sql);
    }
    struct world x;
    snprintf(path, sizeof path, "//fights_%s@%s", name, strchr(postgres_path(), '@') + 1);
    world_open(&x, &backend_postgres, path);
    for (int i = 0; i < 50; i++) world_append(&x, "\xc3\xa4-1", "\xff", "caf\xc3\xa9");
    world_apply(&x);
    usleep(300000); /* longer than the sessions were to live */
    world_append(&x, "\xc3\xa4-1", "t", "");
    world_apply(&x);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), 51);
    world_close(&x);
}

TEST(a_schema_may_be_called_anything_but_public) {
    struct world x;
    struct err err;
    char path[600];
    size_t len = (size_t)(schema() - postgres_path());
    snprintf(path, sizeof path, "%.*sa%%22b%%3B--%%27%%40%%40c%s", (int)len, postgres_path(),
             schema());
    world_open(&x, &backend_postgres, path);
    world_append(&x, "s-1", "t", "payload");
    world_apply(&x);
    bool more;
    CHECK_INT(x.b->maintain(x.w, true, &more, &err), 0);
    world_disconnect(&x);
    world_connect(&x);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), 1);
    world_close(&x);
    static const char *const bad[] = {
        "//h/db?schema=public", "//h/db?schema=", "//h/db?schema=pg_x",  "//h/db?schema=%zz",
        "//h/db?schema=%00",    "/h/db",          "//h/db?nothing=known"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK_INT(backend_postgres.check_path(bad[i], &err), ERR_REFUSED);
    CHECK_INT(backend_postgres.check_path("//h/db?schema=a&sslmode=require", &err), 0);
    CHECK_INT(backend_postgres.check_path("//h/db?sslmode=require&schema=a&port=1", &err), 0);
    CHECK_INT(backend_postgres.check_path("//h/db", &err), 0);
}

TEST(a_role_without_the_right_is_told_what_an_administrator_has_to_run) {
    struct backend_conn *w = NULL;
    struct err err;
    char sql[256], path[600];
    snprintf(sql, sizeof sql, "CREATE ROLE poor_%s LOGIN", schema());
    run(sql);
    snprintf(path, sizeof path, "//poor_%s@%s", schema(), strchr(postgres_path(), '@') + 1);
    CHECK_INT(backend_postgres.open_writer(&w, path, &err), ERR_REFUSED);
    CHECK(strstr(err.text, "CREATE SCHEMA") != NULL);
    /* With the schema it has all that it needs. */
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s AUTHORIZATION poor_%s", schema(), schema());
    run(sql);
    struct world x;
    world_open(&x, &backend_postgres, path);
    world_append(&x, "s-1", "t", "payload");
    batch_add(x.open, RECORD_FLUSH, NULL, 0);
    world_frame(&x);
    world_apply(&x);
    world_forget(&x);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), 0);
    world_close(&x);
}

/* Bytes that are near to what text and JSON can be. */
static struct str near_json(char *out, size_t size) {
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ":",
                                         ",",
                                         "\"a\"",
                                         "\"\\u0000\"",
                                         "\"\\ud83d\\ude00\"",
                                         "\"\\udcff\"",
                                         "\"\\ud83d\"",
                                         "1",
                                         "-0",
                                         "1e400",
                                         "1e-9999",
                                         "01",
                                         "1.",
                                         "true",
                                         "null",
                                         "nul",
                                         " ",
                                         "\"\xc3\xa9\"",
                                         "\"\xff\"",
                                         "\"\t\"",
                                         "\"\\x\"",
                                         "1e999",
                                         "{\"a\":[1,{\"b\":null}]}",
                                         "[1,2]"};
    size_t n = 0, count = 1 + draw(4);
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[draw(ARRAY_LEN(pieces))];
        size_t len = strlen(piece);
        if (n + len > size) break;
        memcpy(out + n, piece, len);
        n += len;
    }
    if (draw(20) == 0 && n < size) out[n++] = '\0';
    return str_of(out, n);
}

TEST(no_view_ever_fails) {
    static const char *const views[] = {"events", "streams", "strings",     "groups",   "pending",
                                        "status", "views",   "checkpoints", "timelines"};
    struct world x;
    char payload[256], metadata[256], aggregate[64], name[64];
    world_open(&x, &backend_postgres, postgres_path());
    for (int i = 0; i < 10000; i++) {
        struct event_fields f = {.payload = near_json(payload, sizeof payload),
                                 .metadata = near_json(metadata, sizeof metadata),
                                 .aggregate = near_json(aggregate, sizeof aggregate),
                                 .type = STR("\xfe\xff")};
        if (i % 50 == 0) f.timestamp = f.entry_ms = f.entry_seq = UINT64_MAX - (uint64_t)i;
        snprintf(name, sizeof name, "\xff\xfe-%d", i % 7);
        world_add(&x, i % 2 ? name : "plain", f);
        world_frame(&x);
        if (i % 1000 == 999) world_apply(&x);
    }
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT * FROM %s.cairn_%s", schema(), views[i]);
        run(sql);
    }
    CHECK(strcmp(ask("SELECT count(*) FROM %s.cairn_events WHERE stream = 'plain'"), "5000") == 0);
    CHECK(atoi(ask("SELECT count(json) FROM %s.cairn_events")) > 500);
    CHECK_INT(world_check_range(&x, range_of(0, 0, UINT64_MAX)), 10000);
    world_close(&x);
}

TEST(events_of_all_sizes_are_read) {
    static const size_t sizes[] = {0, 100, 100, 100, 5000, 9000, 70000};
    struct world x;
    char *payload = calloc(1, 5000000);
    world_open(&x, &backend_postgres, postgres_path());
    for (size_t i = 0; i < 1500; i++) {
        size_t n = i < 700 ? 100 : i < 900 ? 9000 : sizes[draw(ARRAY_LEN(sizes))];
        struct event_fields f = {.type = STR("t"), .payload = str_of(payload, n)};
        if (i == 650 || i == 1499) f.payload.len = 5000000;
        if (i % 3 == 0) f.metadata = str_of("0123456789", 10);
        world_add(&x, i % 2 ? "a" : "b", f);
        world_frame(&x);
        if (i % 100 == 99) world_apply(&x);
    }
    for (uint64_t stream = 0; stream < 2; stream++) {
        struct read_range range = range_of(stream, 0, UINT64_MAX);
        CHECK_INT(world_check_range(&x, range), stream == 0 ? 1500 : 750);
        range.reverse = true;
        CHECK_INT(world_check_range(&x, range), stream == 0 ? 1500 : 750);
        range.count_max = 100;
        CHECK_INT(world_check_range(&x, range), stream == 0 ? 1500 : 750);
        range = range_of(stream, 100, 300);
        CHECK_INT(world_check_range(&x, range), 201);
    }
    world_close(&x);
    free(payload);
}

TEST(a_password_is_shown_to_nobody) {
    char out[128];
    static const char *const pairs[][2] = {
        {"postgres://u:secret@h/db", "postgres://u:***@h/db"},
        {"postgres://u@h/db?password=secret&schema=a", "postgres://u@h/db?password=***&schema=a"},
        {"postgres://u:s@h:5432/db?password=t", "postgres://u:***@h:5432/db?password=***"},
        {"postgres://h/db?x=a:b@c", "postgres://h/db?x=a:b@c"},
        {"postgres://u:sec#r?t:x@h/db?schema=a", "postgres://u:***@h/db?schema=a"},
        {"postgres://u@h/db?sslpassword=secret&a=b", "postgres://u@h/db?sslpassword=***&a=b"},
        {"postgres://u@h/db?a=b&pass%77ord=secret", "postgres://u@h/db?a=b&pass%77ord=***"},
        {"postgres://u@h/db?application_name=password",
         "postgres://u@h/db?application_name=password"},
        {"sqlite:./a.db", "sqlite:./a.db"},
        {"memory:", "memory:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        backend_show(pairs[i][0], out, sizeof out);
        CHECK(strcmp(out, pairs[i][1]) == 0);
    }
}
#endif
