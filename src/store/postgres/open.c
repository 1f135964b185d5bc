/* Making a store of a schema, and becoming its one writer.
 *
 * The schema is made when the role may; else the administrator is told what to do. Whoever writes
 * holds an advisory lock on his session, which ends with it, and has raised the epoch: the lock
 * keeps a second server from starting, the epoch (with every commit) the first one from going on.
 */
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/postgres/internal.h"

#define LOCK_TRIES   60 /* of a server that was killed, the session ends a moment later */
#define LOCK_WAIT_US 50000

bool postgres_ignores_lock;

/* A literal of SQL; the caller frees it with PQfreemem. */
static char *literal(struct backend_conn *c, const char *text) {
    char *out = PQescapeLiteral(c->pg, text, strlen(text));
    if (out == NULL) abort();
    return out;
}

/* What is no SQL of ours may have an '@' that means none. */
static void put_plain(struct buf *sql, struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '@') buf_put(sql, "@", 1);
        buf_put(sql, &text.ptr[i], 1);
    }
}

/* Runs SQL with one %s, which becomes the literal of `text`. */
static int exec_with(struct backend_conn *c, const char *format, const char *text, PGresult **out,
                     struct err *err) {
    struct buf sql;
    char *quoted = literal(c, text);
    const char *at = strstr(format, "%s");
    buf_init(&sql, 0);
    buf_put(&sql, format, (size_t)(at - format));
    put_plain(&sql, str_c(quoted));
    buf_put(&sql, at + 2, strlen(at + 2) + 1);
    PQfreemem(quoted);
    int rc = postgres_exec(c, sql.data, out, err);
    buf_clear(&sql);
    return rc;
}

/* --- the schema ----------------------------------------------------------------------------- */

static int refuse_schema(struct backend_conn *c, const char *why, struct err *err) {
    const char *user = PQuser(c->pg), *db = PQdb(c->pg);
    return err_set(err, ERR_REFUSED,
                   "%s: %s. Let an administrator run: CREATE SCHEMA %.*s AUTHORIZATION \"%s\"; "
                   "GRANT CONNECT ON DATABASE \"%s\" TO \"%s\"; "
                   "ALTER SCHEMA %.*s OWNER TO \"%s\";",
                   c->place->shown, why, (int)strlen(c->place->prefix) - 1, c->place->prefix, user,
                   db, user, (int)strlen(c->place->prefix) - 1, c->place->prefix, user);
}

int postgres_look(struct backend_conn *c, bool *schema_there, int *version, struct err *err) {
    PGresult *r = NULL;
    *version = 0;
    int rc = exec_with(c,
                       "SELECT n.oid, has_schema_privilege(n.oid, 'USAGE'),"
                       " count(t.oid), count(t.oid) FILTER (WHERE t.relname = 'store')"
                       " FROM pg_namespace n LEFT JOIN pg_class t ON t.relnamespace = n.oid"
                       " AND t.relkind IN ('r', 'v', 'p') WHERE n.nspname = %s GROUP BY n.oid",
                       c->place->schema, &r, err);
    if (rc != 0) return rc;
    *schema_there = PQntuples(r) == 1;
    bool usable = *schema_there && PQgetvalue(r, 0, 1)[0] == 't';
    bool any = *schema_there && strcmp(PQgetvalue(r, 0, 2), "0") != 0;
    bool store = *schema_there && strcmp(PQgetvalue(r, 0, 3), "0") != 0;
    PQclear(r);
    if (!*schema_there || (!any && usable)) return 0;
    if (!usable) return refuse_schema(c, "the role may not use the schema", err);
    if (!store)
        return err_set(err, ERR_REFUSED, "%s: the schema has tables, and is not a Cairn store",
                       c->place->shown);
    rc = postgres_exec(c, "SELECT schema_version FROM @store", &r, err);
    if (rc != 0) return rc;
    *version = PQntuples(r) == 1 ? atoi(PQgetvalue(r, 0, 0)) : 0;
    PQclear(r);
    if (*version > POSTGRES_SCHEMA_VERSION)
        return err_set(err, ERR_REFUSED,
                       "%s: the store has schema version %d, this server knows versions up to %d: "
                       "use a newer server",
                       c->place->shown, *version, POSTGRES_SCHEMA_VERSION);
    if (*version < 1)
        return err_set(err, ERR_CORRUPT, "%s: schema version %d", c->place->shown, *version);
    return 0;
}

/* The rows of a fresh store: of frame 0. */
static int add_first_rows(struct backend_conn *c, struct err *err) {
    struct uuid id;
    char text[UUID_TEXT_LEN + 1] = "", sql[512], timeline[TIMELINE_TEXT_LEN + 1];
    uuid_v4(&id);
    uuid_format(&id, text);
    timeline_format(timeline_of_store(&id), timeline);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO @store VALUES (1, %d, '%.36s', %llu, 0, false, 'closed', 0, 0, NULL, "
        "NULL, NULL); INSERT INTO @commits VALUES (0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, NULL);"
        "INSERT INTO @timelines VALUES (1, '%s', 0, %llu, 'first')",
        POSTGRES_SCHEMA_VERSION, text,
        (unsigned long long)(random_u64() >> (64 - EVENT_SEQUENCE_BITS)), timeline,
        (unsigned long long)clock_wall_ms());
    return postgres_exec(c, sql, NULL, err);
}

static int create_schema(struct backend_conn *c, struct err *err) {
    struct buf sql;
    buf_init(&sql, 0);
    buf_put_str(&sql, STR("CREATE SCHEMA "));
    put_plain(&sql, str_of(c->place->prefix, strlen(c->place->prefix) - 1)); /* without the dot */
    buf_put(&sql, "", 1);
    int rc = postgres_exec(c, sql.data, NULL, err);
    buf_clear(&sql);
    if (rc != ERR_FAILED) return rc;
    postgres_rollback(c);
    return refuse_schema(c, "the schema is not there, and the role may not make it", err);
}

int postgres_migrate(struct backend_conn *c, struct err *err) {
    bool there = false;
    int version = 0, from;
    int rc = postgres_look(c, &there, &version, err);
    if (rc != 0 || version == POSTGRES_SCHEMA_VERSION) return rc;
    from = version;
    /* All steps in one transaction: a store is of one version or of another. */
    rc = postgres_exec(c, "BEGIN", NULL, err);
    if (rc == 0 && !there) rc = create_schema(c, err);
    c->patient = true;
    for (; rc == 0 && version < POSTGRES_SCHEMA_VERSION; version++)
        rc = postgres_exec(c, postgres_schema_steps[version], NULL, err);
    c->patient = false;
    if (rc == 0 && from == 0) rc = add_first_rows(c, err);
    char sql[80];
    snprintf(sql, sizeof sql, "UPDATE @store SET schema_version = %d", POSTGRES_SCHEMA_VERSION);
    if (rc == 0) rc = postgres_exec(c, sql, NULL, err);
    if (rc == 0) rc = postgres_exec(c, "COMMIT", NULL, err);
    if (rc == 0 && from == 0) log_notice("%s: a new store was made", c->place->shown);
    if (rc == 0) return 0;
    postgres_rollback(c);
    return err_wrap(err, rc, from == 0 ? "creating the store" : "migrating the store");
}

/* --- the lock --------------------------------------------------------------------------------- */

#define LOCK_KEY "hashtextextended('cairn ' || %s, 0)"

/* The process that holds the lock: its pid, or 0; and who that is, in words. */
static int find_holder(struct backend_conn *c, int *pid, char *who, size_t size, struct err *err) {
    PGresult *r = NULL;
    int rc = exec_with(c,
                       "SELECT l.pid, coalesce(host(a.client_addr), 'this machine') FROM"
                       " (SELECT " LOCK_KEY " AS key) k JOIN pg_locks l ON l.locktype = 'advisory'"
                       " AND l.granted AND l.classid::int8 = (k.key >> 32) & 4294967295"
                       " AND l.objid::int8 = k.key & 4294967295"
                       " AND l.database = (SELECT oid FROM pg_database WHERE datname ="
                       "  current_database())"
                       " LEFT JOIN pg_stat_activity a ON a.pid = l.pid",
                       c->place->schema, &r, err);
    *pid = 0;
    if (rc != 0) return rc;
    if (PQntuples(r) > 0) {
        *pid = atoi(PQgetvalue(r, 0, 0));
        snprintf(who, size, "process %s of the database, from %s", PQgetvalue(r, 0, 0),
                 PQgetvalue(r, 0, 1));
    }
    PQclear(r);
    return 0;
}

static int try_lock(struct backend_conn *c, bool *locked, struct err *err) {
    PGresult *r = NULL;
    int rc = exec_with(c, "SELECT pg_try_advisory_lock(" LOCK_KEY ")", c->place->schema, &r, err);
    *locked = rc == 0 && PQgetvalue(r, 0, 0)[0] == 't';
    if (rc == 0) PQclear(r);
    return rc;
}

int postgres_check_free(struct backend_conn *c, struct err *err) {
    char who[128];
    bool replica = false;
    int pid = 0, rc = postgres_is_replica(c, &replica, err);
    if (rc == 0 && replica)
        return err_set(err, ERR_REFUSED,
                       "it is a replica, which may lack something, and does not "
                       "know whether a server has the store open: name the "
                       "primary");
    if (rc == 0) rc = find_holder(c, &pid, who, sizeof who, err);
    if (rc != 0 || pid == 0) return rc;
    return err_set(err, ERR_REFUSED, "a server has it open (%s): stop it", who);
}

int postgres_lock(struct backend_conn *c, struct err *err) {
    char who[128] = "another session";
    if (postgres_ignores_lock) return 0;
    bool ours = false;
    int pid = 0;
    for (int i = 0;; i++) {
        bool locked = false;
        int rc = try_lock(c, &locked, err);
        if (rc == 0 && locked) c->w->lock_pid = PQbackendPID(c->pg);
        if (rc != 0 || locked) return rc;
        if ((rc = find_holder(c, &pid, who, sizeof who, err)) != 0) return rc;
        ours = pid != 0 && pid == c->w->lock_pid; /* of a connection that was lost */
        if (ours) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", pid);
            if ((rc = postgres_exec(c, sql, NULL, err)) != 0) return rc;
        }
        if (i == LOCK_TRIES) break;
        usleep(LOCK_WAIT_US);
    }
    if (ours)
        return err_set(err, ERR_BUSY, "%s: the session that was lost does not end yet (%s)",
                       c->place->shown, who);
    return err_set(err, ERR_REFUSED,
                   "the store %s is in use by another server (%s); one server a store. If that "
                   "server is gone: SELECT pg_terminate_backend(%d)",
                   c->place->shown, who, pid);
}

/* --- the epoch ---------------------------------------------------------------------------------
 */

/* Which cluster this is, and on which timeline of PostgreSQL's, as SQL. What cannot be told is
 * NULL.
 */
struct system {
    char identifier[48], timeline[16];
};

static int read_system(struct backend_conn *c, struct system *out, struct err *err) {
    static const char *const questions[] = {
        "SELECT system_identifier FROM pg_control_system()",
        "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)",
    };
    char *const answers[] = {out->identifier, out->timeline};
    const size_t sizes[] = {sizeof out->identifier, sizeof out->timeline};
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        PGresult *r = NULL;
        int rc = postgres_exec(c, questions[i], &r, err);
        bool told = rc == 0 && PQntuples(r) == 1;
        if (rc != 0 && (rc != ERR_FAILED || c->pg == NULL)) return rc;
        snprintf(answers[i], sizes[i], told ? "'%s'" : "NULL", told ? PQgetvalue(r, 0, 0) : "");
        PQclear(r);
    }
    return 0;
}

/* Another cluster, a promoted replica, or tables that were loaded from a dump may lack what was
 * acknowledged: the store is as one that was restored (store/timeline.c). */
static int note_system(struct backend_conn *c, struct err *err) {
    struct system now;
    char sql[600];
    int rc = read_system(c, &now, err);
    if (rc != 0) return rc;
    snprintf(
        sql, sizeof sql,
        "UPDATE @store SET left_as = CASE WHEN relation IS NULL THEN left_as ELSE 'backup' END,"
        " relation = tableoid::int8, system_identifier = coalesce(%s, system_identifier),"
        " system_timeline = coalesce(%s, system_timeline)"
        " WHERE relation IS DISTINCT FROM tableoid::int8"
        " OR system_identifier IS DISTINCT FROM coalesce(%s, system_identifier)"
        " OR system_timeline IS DISTINCT FROM coalesce(%s, system_timeline)",
        now.identifier, now.timeline, now.identifier, now.timeline);
    return postgres_exec(c, sql, NULL, err);
}

static void warn_of_settings(struct backend_conn *c) {
    struct err ignored;
    PGresult *r = NULL;
    if (postgres_exec(c, "SELECT current_setting('fsync'), current_setting('full_page_writes')", &r,
                      &ignored) != 0)
        return;
    if (strcmp(PQgetvalue(r, 0, 0), "on") != 0 || strcmp(PQgetvalue(r, 0, 1), "on") != 0)
        log_warning("%s: fsync or full_page_writes is off: what is acknowledged may be lost when "
                    "the database's machine fails",
                    c->place->shown);
    PQclear(r);
}

int postgres_take_over(struct backend_conn *c, struct err *err) {
    int rc = note_system(c, err);
    if (rc == 0) rc = postgres_exec(c, "UPDATE @store SET epoch = epoch + 1", NULL, err);
    if (rc == 0) rc = postgres_read_state(c, &c->w->state, err);
    if (rc != 0) return rc;
    atomic_store(&c->w->known, c->w->state.s.applied);
    c->w->opened.epoch = c->w->state.s.epoch;
    c->w->opened.store_id = c->w->state.s.store_id;
    warn_of_settings(c);
    return 0;
}

void postgres_give_back(struct backend_conn *c) {
    struct err err;
    char sql[256];
    unsigned long long epoch = c->w->opened.epoch;
    if (c->pg == NULL || epoch == 0) return;
    postgres_rollback(c);
    if (c->pg == NULL) return;
    snprintf(sql, sizeof sql,
             "UPDATE @store SET epoch = epoch - 1 WHERE epoch = %llu AND NOT EXISTS (SELECT 1 FROM"
             " @commits c WHERE c.epoch = %llu)",
             epoch, epoch);
    if (postgres_exec(c, sql, NULL, &err) != 0) log_verbose("giving the store back: %s", err.text);
}
