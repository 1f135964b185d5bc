/* Sessions of PostgreSQL: opening, statements, pipelines, errors.
 *
 * libpq is used without blocking, so that every wait has a deadline of ours: a server that hangs,
 * or a cable that is cut, takes a session and never a thread. What a session is set to does not
 * depend on what somebody has set for the role or the database (settings).
 *
 * A session whose answer is late is given up as if it had been lost, and its statement cancelled
 * (cancel.c). When the store is closed, nobody waits for long any more either (stop_fd). A
 * statement that was not cancelled goes on at the server until that looks whether somebody is still
 * there (client_connection_check_interval), or until the session is ended by the one that comes
 * after it (postgres_lock).
 *
 * A session that is lost is closed at once (c->pg is NULL) and the caller gets ERR_BUSY; whether
 * what was under way has happened is for him to find out. */
#include <limits.h>
#include <poll.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/postgres/internal.h"

#define CONNECT_MS 10000
#define HOST_MS    4000    /* the same, to each of several machines */
#define HASTY_MS   5000    /* of an answer, of who asks again and again */
#define LOOK_MS    3600000 /* of a statement that goes through whole tables */
#define WOKEN      1       /* there is no result yet, and something else to do */

unsigned postgres_answer_ms = 30000;

/* Each of them may have been set otherwise by ALTER ROLE or ALTER DATABASE. The planner is kept to
 * the indexes: each statement has one that it is meant to use, and tables that grow from nothing
 * have no statistics that are worth a change of plans. */
static const char settings[] =
    "SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN"
    "  ('on', 'remote_apply') THEN current_setting('synchronous_commit') ELSE 'on' END, false);"
    "SET statement_timeout = 0; SET lock_timeout = '5s';"
    "SET idle_in_transaction_session_timeout = '5s'; SET client_encoding = 'UTF8';"
    "SET standard_conforming_strings = on; SET TimeZone = 'UTC'; SET DateStyle = 'ISO';"
    "SET search_path = pg_catalog, pg_temp; SET default_transaction_read_only = off;"
    "SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = "
    "off;"
    "SET client_min_messages = 'warning'; SET default_table_access_method = 'heap';"
    /* A client's machine that is gone lets go of the lock in some 15 s, instead of two hours. */
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 5;"
    "SET default_tablespace = ''; SET jit = off; SET max_parallel_workers_per_gather = 0;"
    "SET plan_cache_mode = 'force_generic_plan'; SET enable_seqscan = off;"
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_nestloop = on;"
    "SET enable_indexscan = on; SET enable_sort = on;"
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";
/* Since 14; of readers too. A client that is gone is noticed while a statement runs. */
static const char check_settings[] = "SET client_connection_check_interval = '10s'";

/* --- errors ------------------------------------------------------------------------------- */

bool postgres_fenced(const struct backend_conn *c) {
    for (size_t i = 0; i < c->result_count; i++) {
        const char *state = PQresultErrorField(c->results[i], PG_DIAG_SQLSTATE);
        if (state != NULL && strcmp(state, "22012") == 0) return true;
    }
    return false;
}

/* A row that is there already is another writer's, or damage: when the constraint is one of ours.
 * People may have their own on our tables. */
static bool is_our_key(const PGresult *r, const char *schema) {
    const char *name = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    const char *in = PQresultErrorField(r, PG_DIAG_SCHEMA_NAME);
    char made[96];
    if (name == NULL || in == NULL || strcmp(in, schema) != 0) return false;
    size_t len = strlen(name);
    bool primary = len > 5 && strcmp(name + len - 5, "_pkey") == 0;
    snprintf(made, sizeof made, primary ? "CREATE TABLE @%.*s (" : "CREATE UNIQUE INDEX %.*s ON",
             (int)(primary ? len - 5 : len), name);
    for (size_t i = 0; i < POSTGRES_SCHEMA_VERSION; i++)
        if (strstr(postgres_schema_steps[i], made) != NULL) return true;
    return false;
}

/* What a failure of the server's means: whether it passes by itself. */
static int code_of(const PGresult *r, const char *state, const char *schema) {
    static const struct {
        const char *prefix;
        int code;
    } table[] = {
        {"08", ERR_BUSY},    /* connections */
        {"57P0", ERR_BUSY},  /* it shuts down, or starts */
        {"57014", ERR_BUSY}, /* cancelled */
        {"53", ERR_BUSY},    /* no room, no memory, too many connections */
        {"40", ERR_BUSY},    /* serialization, deadlocks */
        {"55P03", ERR_BUSY}, /* a lock that somebody holds */
        {"25P03", ERR_BUSY}, /* idle in a transaction for too long */
        {"25P04", ERR_BUSY},
        {"25006", ERR_BUSY},    /* read-only: a replica that is to be promoted, or was demoted */
        {"22012", ERR_REFUSED}, /* the fence */
        {"58", ERR_IO},         /* the system below PostgreSQL */
        {"XX001", ERR_CORRUPT},
        {"XX002", ERR_CORRUPT},
    };
    if (strcmp(state, "23505") == 0) return is_our_key(r, schema) ? ERR_REFUSED : ERR_FAILED;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0) return table[i].code;
    return ERR_FAILED;
}

static struct str without_newline(const char *text) {
    struct str s = str_c(text != NULL ? text : "");
    while (s.len > 0 && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == ' ')) s.len--;
    return s;
}

/* The session is of no use any more. */
static int lost(struct backend_conn *c, const char *what, struct err *err) {
    struct str why = without_newline(PQerrorMessage(c->pg));
    int rc = err_set(err, ERR_BUSY, "%s: %s%s%.*s", c->place->shown, what, why.len > 0 ? ": " : "",
                     (int)MIN(why.len, (size_t)300), why.len > 0 ? why.ptr : "");
    for (char *at = err != NULL ? strchr(err->text, '\n') : NULL; at != NULL; at = strchr(at, '\n'))
        *at = ' ';
    postgres_disconnect(c);
    return rc;
}

/* The statement is to end at the server as well, whoever holds what it waits for. Asking for that
 * takes a connection, and libpq waits for it: cancel.c does. */
static int late(struct backend_conn *c, const char *what, struct err *err) {
    if (PQstatus(c->pg) == CONNECTION_OK) postgres_give_up(c->writer, PQgetCancel(c->pg));
    return lost(c, what, err);
}

static int failed(struct backend_conn *c, const PGresult *r, struct err *err) {
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (state == NULL) { /* libpq's own words: the session broke */
        struct str why = without_newline(PQresultErrorMessage(r));
        int rc = err_set(err, ERR_BUSY, "%s: %.*s", c->place->shown, (int)MIN(why.len, (size_t)300),
                         why.ptr);
        if (PQstatus(c->pg) == CONNECTION_BAD) postgres_disconnect(c);
        return rc;
    }
    int code = err_set(err, code_of(r, state, c->place->schema), "%s: %s (SQLSTATE %s)",
                       c->place->shown, words != NULL ? words : "it failed", state);
    if (strncmp(state, "57P0", 4) == 0 || strcmp(state, "25006") == 0) postgres_disconnect(c);
    return code;
}

static void on_notice(void *arg, const PGresult *r) {
    struct backend_conn *c = arg;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *words = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (severity == NULL || strcmp(severity, "WARNING") != 0) return;
    log_verbose("%s: %s", c->place->shown, words != NULL ? words : "a warning");
    c->warnings++;
    /* Of all warnings one says that a commit may be lost: it no longer waits for the replica. The
     * words are in the language of the database; who says them is not. */
    const char *from = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);
    if (c->w != NULL && (from == NULL || strcmp(from, "SyncRepWaitForLSN") == 0))
        c->w->warned = true;
}

/* --- waiting ------------------------------------------------------------------------------- */

/* Until something happens on the socket: *what; or, with 0 there, on wake_fd (-1: none). Negative:
 * that takes too long, or the store is being closed; then the session is lost. */
static int wait_on_socket(struct backend_conn *c, int events, int wake_fd, uint64_t deadline,
                          const char *why, int *what, struct err *err) {
    for (;;) {
        uint64_t now = clock_mono_ms();
        struct pollfd p[] = {{.fd = PQsocket(c->pg), .events = (short)events},
                             {.fd = c->stop_fd, .events = POLLIN},
                             {.fd = wake_fd, .events = POLLIN}};
        if (now >= deadline) return late(c, why, err);
        if (poll(p, ARRAY_LEN(p), (int)MIN(deadline - now, (uint64_t)INT_MAX)) <= 0) continue;
        *what = p[0].revents;
        if (p[0].revents != 0 || (p[1].revents == 0 && p[2].revents != 0)) return 0;
        return lost(c, "the server stops, and waits no longer", err);
    }
}

/* Until the next result can be taken without blocking: 0; or until wake_fd (-1: none) is readable:
 * WOKEN. What is still moving is not late: a large group of events on a slow line. */
static int wait_for_result_or(struct backend_conn *c, int wake_fd, struct err *err) {
    uint64_t answer_ms = c->pinned || c->patient ? LOOK_MS
                         : c->hasty              ? HASTY_MS
                                                 : postgres_answer_ms;
    if (c->deadline == 0) c->deadline = clock_mono_ms() + answer_ms;
    for (;;) {
        int unsent = PQflush(c->pg), what = 0;
        if (unsent < 0) return lost(c, "the connection is lost", err);
        if (unsent == 0 && !PQisBusy(c->pg)) {
            c->deadline = 0;
            return 0;
        }
        int rc = wait_on_socket(c, POLLIN | (unsent > 0 ? POLLOUT : 0), wake_fd, c->deadline,
                                c->hasty ? "no answer in 5 s" : "no answer in 30 s", &what, err);
        if (rc != 0) return rc;
        if (what == 0) return WOKEN;
        c->deadline = clock_mono_ms() + answer_ms;
        if ((what & ~POLLOUT) != 0 && PQconsumeInput(c->pg) == 0)
            return lost(c, "the connection is lost", err);
    }
}

static int wait_for_result(struct backend_conn *c, struct err *err) {
    return wait_for_result_or(c, -1, err);
}

static int wait_for_connection(struct backend_conn *c, bool others, struct err *err) {
    uint64_t deadline = clock_mono_ms() + (others ? HOST_MS : CONNECT_MS);
    const char *why = others ? "no connection in 4 s" : "no connection in 10 s";
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        int what, rc = wait_on_socket(c, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, -1,
                                      deadline, why, &what, err);
        if (rc != 0) return rc;
        status = PQconnectPoll(c->pg);
        if (status == PGRES_POLLING_FAILED) return lost(c, "cannot connect", err);
    }
    return 0;
}

/* --- sessions ------------------------------------------------------------------------------- */

static void forget_results(struct backend_conn *c) {
    for (size_t i = 0; i < c->result_count; i++) PQclear(c->results[i]);
    c->result_count = 0;
    c->answered = false;
}

void postgres_disconnect(struct backend_conn *c) {
    if (c->pg == NULL) return;
    PQfinish(c->pg);
    c->pg = NULL;
    c->sent = c->under_way = 0;
    c->deadline = 0;
}

static int check_encoding(struct backend_conn *c, struct err *err) {
    const char *encoding = PQparameterStatus(c->pg, "server_encoding");
    if (encoding != NULL && strcmp(encoding, "UTF8") == 0) return 0;
    return err_set(err, ERR_REFUSED, "%s: the database's encoding is %s, and has to be UTF8",
                   c->place->shown, encoding != NULL ? encoding : "not known");
}

/* host: NULL: the URI's. */
static int connect_to(struct backend_conn *c, const struct postgres_host *host, struct err *err) {
    /* What stands in the URI goes before what stands in front of it here, and what stands behind
     * it before the URI. What is NULL is not said. */
    static const char *const keys[] = {"fallback_application_name",
                                       "keepalives_idle",
                                       "keepalives_interval",
                                       "keepalives_count",
                                       "tcp_user_timeout",
                                       "dbname",
                                       "client_encoding",
                                       "host",
                                       "hostaddr",
                                       "port",
                                       NULL};
    const char *values[] = {"cairn",
                            "5",
                            "2",
                            "3",
                            "15000",
                            c->place->uri,
                            "UTF8",
                            host != NULL ? host->host : NULL,
                            host != NULL ? host->address : NULL,
                            host != NULL ? host->port : NULL,
                            NULL};
    c->sent = 0;
    c->pg = PQconnectStartParams(keys, values, 1);
    if (c->pg == NULL) abort();
    if (PQstatus(c->pg) == CONNECTION_BAD) return lost(c, "cannot connect", err);
    return wait_for_connection(c, host != NULL, err);
}

/* One host after the other, from the last good one on: one that is silent does not keep the others
 * from being asked. */
static int connect_to_any(struct backend_conn *c, struct err *err) {
    const struct postgres_place *p = c->place;
    int rc = ERR_BUSY;
    if (p->host_count == 0) return connect_to(c, NULL, err);
    size_t first = atomic_load(p->turn);
    for (size_t i = 0; rc != 0 && i < p->host_count; i++) {
        size_t at = (first + i) % p->host_count;
        rc = connect_to(c, &p->hosts[at], err);
        if (rc == 0) atomic_store(p->turn, at);
    }
    return rc;
}

int postgres_connect(struct backend_conn *c, struct err *err) {
    if (c->pg != NULL) return 0;
    int rc = connect_to_any(c, err);
    if (rc != 0) return rc;
    PQsetNoticeReceiver(c->pg, on_notice, c);
    if (PQsetnonblocking(c->pg, 1) != 0) return lost(c, "cannot connect", err);
    rc = check_encoding(c, err);
    if (rc == 0) rc = postgres_exec(c, settings, NULL, err);
    if (rc == 0 && PQserverVersion(c->pg) >= 140000)
        rc = postgres_exec(c, check_settings, NULL, err);
    if (rc != 0) postgres_disconnect(c);
    return rc;
}

/* --- statements --------------------------------------------------------------------------------
 */

/* `@` becomes the schema, `@@` an '@'. The caller frees it. */
static char *with_schema(const struct backend_conn *c, const char *sql) {
    struct buf b;
    buf_init(&b, 0);
    for (const char *at; (at = strchr(sql, '@')) != NULL; sql = at + 1) {
        bool doubled = at[1] == '@';
        buf_put(&b, sql, (size_t)(at - sql));
        buf_put_str(&b, doubled ? STR("@") : str_c(c->place->prefix));
        at += doubled;
    }
    buf_put(&b, sql, strlen(sql) + 1);
    return b.data;
}

int postgres_exec(struct backend_conn *c, const char *sql, PGresult **out, struct err *err) {
    assert(c->under_way == 0);
    char *text = with_schema(c, sql);
    int sent = PQsendQuery(c->pg, text), rc = 0;
    free(text);
    if (out != NULL) *out = NULL;
    if (sent == 0) return lost(c, "cannot send", err);
    PGresult *last = NULL;
    for (;;) {
        int waited = wait_for_result(c, err);
        if (waited != 0) {
            PQclear(last);
            return waited;
        }
        PGresult *r = PQgetResult(c->pg);
        if (r == NULL) break;
        PQclear(last);
        last = r;
        ExecStatusType status = PQresultStatus(r);
        bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
        if (!good && rc == 0) rc = failed(c, r, err);
        if (c->pg == NULL) break;
    }
    if (rc == 0 && out != NULL)
        *out = last;
    else
        PQclear(last);
    return rc;
}

int postgres_send(struct backend_conn *c, const char *sql, struct err *err) {
    char *text = with_schema(c, sql);
    int sent = PQsendQuery(c->pg, text);
    free(text);
    return sent == 1 && PQflush(c->pg) >= 0 ? 0 : lost(c, "cannot send", err);
}

int postgres_answered(struct backend_conn *c, bool *over, struct err *err) {
    int rc = 0;
    *over = false;
    if (PQflush(c->pg) < 0 || PQconsumeInput(c->pg) == 0)
        return lost(c, "the connection is lost", err);
    while (rc == 0 && !PQisBusy(c->pg)) {
        PGresult *r = PQgetResult(c->pg);
        *over = r == NULL;
        if (r == NULL) break;
        if (PQresultStatus(r) != PGRES_COMMAND_OK) rc = failed(c, r, err);
        PQclear(r);
    }
    return rc;
}

static int begin_pipeline(struct backend_conn *c, struct err *err) {
    if (c->pg == NULL) return err_set(err, ERR_BUSY, "%s: not connected", c->place->shown);
    if (c->sent > 0 || c->under_way > 0) return 0;
    forget_results(c);
    return PQenterPipelineMode(c->pg) == 1 ? 0 : lost(c, "cannot send", err);
}

int postgres_queue(struct backend_conn *c, enum sql id, const struct params *p, struct err *err) {
    static const int binary[PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const struct params none;
    char name[16];
    int rc = begin_pipeline(c, err);
    if (rc != 0) return rc;
    if (p == NULL) p = &none;
    snprintf(name, sizeof name, "c%d", (int)id);
    if (PQsendQueryPrepared(c->pg, name, p->count, p->values, p->lengths, binary, 1) != 1)
        return lost(c, "cannot send", err);
    c->sent++;
    return 0;
}

static void keep_result(struct backend_conn *c, PGresult *r) {
    if (c->result_count == c->result_cap) {
        c->result_cap = c->result_cap * 2 + 16;
        c->results = xrealloc(c->results, c->result_cap * sizeof(PGresult *));
    }
    c->results[c->result_count++] = r;
}

int postgres_dispatch(struct backend_conn *c, struct err *err) {
    assert(c->pg != NULL);
    assert(c->sent > 0);
    if (PQpipelineSync(c->pg) != 1) return lost(c, "cannot send", err);
    c->sent = 0;
    c->under_way++;
    return 0;
}

/* Of the oldest that was dispatched. at: which one failed first, or SIZE_MAX. */
int postgres_await(struct backend_conn *c, int wake_fd, bool *over, size_t *at, struct err *err) {
    int rc = 0;
    size_t first_failed = SIZE_MAX;
    assert(c->under_way > 0);
    if (c->answered) forget_results(c); /* of the one before */
    *over = false;
    for (;;) {
        int waited = wait_for_result_or(c, rc == 0 ? wake_fd : -1, err);
        if (waited == WOKEN) return 0;
        if (waited != 0) return waited;
        PGresult *r = PQgetResult(c->pg);
        if (r == NULL) continue; /* between two statements */
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            break;
        }
        keep_result(c, r);
        if (status == PGRES_FATAL_ERROR && first_failed == SIZE_MAX) {
            first_failed = c->result_count - 1;
            rc = failed(c, r, err);
            if (c->pg == NULL) break;
        }
        if (PQstatus(c->pg) == CONNECTION_BAD) return lost(c, "the connection is lost", err);
    }
    *over = c->answered = true;
    if (at != NULL) *at = first_failed;
    if (c->pg != NULL && --c->under_way == 0 && c->sent == 0 && PQexitPipelineMode(c->pg) != 1) {
        struct err ignored;
        lost(c, "the pipeline does not end", rc == 0 ? err : &ignored);
        return rc == 0 ? ERR_BUSY : rc;
    }
    return rc;
}

int postgres_sync(struct backend_conn *c, size_t *at, struct err *err) {
    bool over;
    if (at != NULL) *at = SIZE_MAX; /* also when none of them has answered */
    if (c->pg == NULL) return err_set(err, ERR_BUSY, "%s: not connected", c->place->shown);
    assert(c->under_way == 0);
    if (c->sent == 0) return 0;
    int rc = postgres_dispatch(c, err);
    return rc == 0 ? postgres_await(c, -1, &over, at, err) : rc;
}

int postgres_run(struct backend_conn *c, enum sql id, const struct params *p, PGresult **out,
                 struct err *err) {
    int rc = postgres_queue(c, id, p, err);
    if (rc == 0) rc = postgres_sync(c, NULL, err);
    if (rc == 0 && out != NULL) *out = c->results[0];
    return rc;
}

void postgres_rollback(struct backend_conn *c) {
    struct err ignored;
    if (c->pg == NULL) return;
    if (c->sent > 0 || c->under_way > 0) { /* queued, and never sent whole; or not answered */
        postgres_disconnect(c);
        return;
    }
    if (PQtransactionStatus(c->pg) != PQTRANS_IDLE) postgres_exec(c, "ROLLBACK", NULL, &ignored);
}

/* The number of our own type is the database's. */
static int find_row_type(struct backend_conn *c, struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_exec(c, "SELECT pg_typeof(NULL::@event_row)::oid::int8", &r, err);
    if (rc != 0) return rc;
    c->w->row_type = (uint32_t)strtoul(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    return 0;
}

/* A statement that has gone, or was there already: the session is not always the same. */
static bool is_poolers(const PGresult *r) {
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return state == NULL || strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0;
}

int postgres_prepare(struct backend_conn *c, struct err *err) {
    int rc = begin_pipeline(c, err);
    for (int i = c->w != NULL ? 0 : SQL_WRITER_END; rc == 0 && i < SQL_COUNT; i++) {
        char name[16];
        char *text = with_schema(c, postgres_sql[i]);
        snprintf(name, sizeof name, "c%d", i);
        if (PQsendPrepare(c->pg, name, text, 0, NULL) != 1) rc = lost(c, "cannot send", err);
        c->sent++;
        free(text);
    }
    size_t at = SIZE_MAX; /* stays so when the session is lost */
    if (rc == 0 && (rc = postgres_sync(c, &at, err)) != 0 && at != SIZE_MAX)
        err_wrap(err, rc, "statement %zu%s", at + (c->w != NULL ? 0 : SQL_WRITER_END),
                 is_poolers(c->results[at]) ? " (a pooler has to be in session mode)" : "");
    forget_results(c);
    return rc == 0 && c->w != NULL ? find_row_type(c, err) : rc;
}

/* --- columns
 * -------------------------------------------------------------------------------------- */

uint64_t row_u64(const PGresult *r, int row, int column) {
    const unsigned char *p = (const unsigned char *)PQgetvalue(r, row, column);
    int len = PQgetlength(r, row, column);
    uint64_t v = 0;
    if (len > 0 && len < 8 && (p[0] & 0x80) != 0) v = UINT64_MAX; /* a sign */
    for (int i = 0; i < len && i < 8; i++) v = v << 8 | p[i];
    return v;
}

bool row_bool(const PGresult *r, int row, int column) {
    return PQgetlength(r, row, column) == 1 && *PQgetvalue(r, row, column) != 0;
}

struct str row_str(const PGresult *r, int row, int column) {
    return str_of(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

const struct uuid *row_uuid(const PGresult *r, int row, int column) {
    if (PQgetlength(r, row, column) != (int)sizeof(struct uuid)) return NULL;
    return (const struct uuid *)(const void *)PQgetvalue(r, row, column);
}
