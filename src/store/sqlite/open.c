/* Creating, checking and migrating a store's file. A file is ours by its application id; its
 * user_version is the schema's version. Nothing is written to a file that is not ours: the
 * checks come before the first pragma that would. */
#include "store/sqlite/internal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define PAGE_SIZE "4096"

static int query_int(struct backend_conn *c, const char *sql, int64_t *out, struct err *err) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
        return 0;
    }
    int code = sqlite_error(c, rc, err, "not a usable database");
    sqlite3_finalize(stmt);
    return code;
}

/* Whether the path is a file's with `end` behind its name, and that file is there. */
static bool is_part_of_another(const char *path, const char *end) {
    size_t n = strlen(path), m = strlen(end);
    if (n <= m || strcmp(path + n - m, end) != 0) return false;
    char *whole = xstrdup(path);
    whole[n - m] = '\0';
    bool there = access(whole, F_OK) == 0;
    free(whole);
    return there;
}

/* SQLite gives some names a meaning of its own: a database that is in memory or temporary, or a URI
 * whose parameters would be ours no more. A name means a file here, or nothing. */
int sqlite_check_path(const char *path, struct err *err) {
    static const char *const parts[] = {"-wal", "-shm", "-journal", "-lock", "-journal.d"};
    struct stat st;
    if (path[0] == '\0')
        return err_set(err, ERR_REFUSED, "sqlite: needs the path of a file, and has none");
    if (path[0] == ':')
        return err_set(err, ERR_REFUSED,
                       "sqlite:%s is not kept in a file. 'store memory:' is a store in memory; a "
                       "file of that name is sqlite:./%s",
                       path, path);
    if (strncmp(path, "file:", 5) == 0)
        return err_set(err, ERR_REFUSED,
                       "sqlite:%s: URIs are not understood, only paths. A file of that name is "
                       "sqlite:./%s",
                       path, path);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (is_part_of_another(path, parts[i]))
            return err_set(err, ERR_REFUSED,
                           "sqlite:%s is the file of another store: the store's own path has no "
                           "%s at its end",
                           path, parts[i]);
    if (path[strlen(path) - 1] == '/' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return err_set(err, ERR_REFUSED, "sqlite:%s is a directory: the path of a file is needed",
                       path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_REFUSED, "sqlite:%s is not a plain file", path);
    return 0;
}

int sqlite_check_schema(struct backend_conn *c, int64_t *version, struct err *err) {
    int64_t application = 0, objects = 0;
    int rc = query_int(c, "PRAGMA application_id", &application, err);
    if (rc == 0) rc = query_int(c, "PRAGMA user_version", version, err);
    if (rc == 0) rc = query_int(c, "SELECT count(*) FROM sqlite_master", &objects, err);
    if (rc != 0) return rc;
    if (application == 0 && *version == 0 && objects == 0) return 0;
    if (application != SCHEMA_APPLICATION_ID)
        return err_set(err, ERR_REFUSED, "%s: is an SQLite database, but not a Cairn store",
                       c->path);
    if (*version > SCHEMA_VERSION)
        return err_set(err, ERR_REFUSED,
                       "%s: the store has schema version %lld, this server knows versions up to"
                       " %d: use a newer server",
                       c->path, (long long)*version, SCHEMA_VERSION);
    if (*version < 1)
        return err_set(err, ERR_CORRUPT, "%s: schema version %lld", c->path, (long long)*version);
    return 0;
}

/* The one row of a fresh store. */
static int add_store_row(struct backend_conn *c, struct err *err) {
    struct uuid id;
    uuid_v4(&id);
    uint64_t key = random_u64() >> (64 - EVENT_SEQUENCE_BITS);
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(c->db,
                                "INSERT INTO store VALUES (1, 1, ?1, ?2, 0, 0, 0, 0, 0, 0, 1, 0, 0,"
                                " 0, 0)",
                                -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_blob(stmt, 1, &id, sizeof id, SQLITE_STATIC);
        sqlite_bind_u64(stmt, 2, key);
        rc = sqlite3_step(stmt);
    }
    int code = rc == SQLITE_DONE ? 0 : sqlite_error(c, rc, err, "create");
    sqlite3_finalize(stmt);
    return code;
}

/* All steps in one transaction: a store is of one version or of another. */
static int migrate(struct backend_conn *c, struct err *err) {
    int64_t version = 0;
    int rc = sqlite_exec(c, "BEGIN IMMEDIATE", err);
    if (rc == 0)
        rc = sqlite_check_schema(c, &version, err); /* again: another may have been quicker */
    bool fresh = version == 0;
    for (; rc == 0 && version < SCHEMA_VERSION; version++) {
        rc = sqlite_exec(c, sqlite_schema_steps[version], err);
        if (rc == 0 && version == 0) rc = add_store_row(c, err);
    }
    char sql[160];
    snprintf(sql, sizeof sql,
             "UPDATE store SET schema_version = %d; PRAGMA user_version = %d;"
             "PRAGMA application_id = %d",
             SCHEMA_VERSION, SCHEMA_VERSION, SCHEMA_APPLICATION_ID);
    if (rc == 0) rc = sqlite_exec(c, sql, err);
    if (rc == 0) rc = sqlite_exec(c, "COMMIT", err);
    if (rc != 0) {
        sqlite_rollback(c);
        return err_wrap(err, rc, fresh ? "creating the store" : "migrating the store");
    }
    return 0;
}

int sqlite_migrate(struct backend_conn *c, struct err *err) {
    int64_t version = 0;
    int rc = sqlite_check_schema(c, &version, err);
    if (rc == 0 && version == 0) rc = sqlite_exec(c, "PRAGMA page_size = " PAGE_SIZE, err);
    if (rc == 0) rc = sqlite_exec(c, "PRAGMA journal_mode = WAL", err);
    if (rc == 0 && version < SCHEMA_VERSION) {
        rc = sqlite_exec(c, "PRAGMA synchronous = FULL", err);
        if (rc == 0) rc = migrate(c, err);
    }
    return rc;
}
