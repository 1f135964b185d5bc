/* For the tests of the SQLite backend: its file, seen by another program. */
#ifndef TESTS_UNIT_SQLITE_WORLD_H
#define TESTS_UNIT_SQLITE_WORLD_H

#include "backend_world.h"

#define DB "test.db"

static inline sqlite3 *sql_open(const char *path) {
    sqlite3 *db = NULL;
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    return db;
}

static inline void sql(const char *path, const char *text) {
    sqlite3 *db = sql_open(path);
    char *message = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fprintf(stderr, "  %s: %s\n", text, message);
    CHECK(message == NULL);
    sqlite3_close(db);
}

/* The rows of a query, columns joined by '|', rows by newlines. */
static inline char *sql_rows(const char *path, const char *text) {
    static char out[1 << 16];
    size_t n = 0;
    sqlite3 *db = sql_open(path);
    sqlite3_stmt *stmt = NULL;
    out[0] = '\0';
    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
        fprintf(stderr, "  %s: %s\n", text, sqlite3_errmsg(db));
    CHECK(stmt != NULL);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (n > 0) out[n++] = '\n';
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const char *v = (const char *)sqlite3_column_text(stmt, i);
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%s", i > 0 ? "|" : "",
                                  v != NULL ? v : "NULL");
            CHECK(n < sizeof out);
        }
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return out;
}
#define CHECK_SQL(text, expected)                                                                  \
    do {                                                                                           \
        const char *rows = sql_rows(DB, text);                                                     \
        if (strcmp(rows, expected) != 0) {                                                         \
            fprintf(stderr, "  %s:%d: %s\n  is       %s\n  and not  %s\n", __FILE__, __LINE__,     \
                    text, rows, expected);                                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static inline struct world *open_world(void) {
    static struct world x;
    world_open(&x, &backend_sqlite, DB);
    return &x;
}

static inline void writer_pragma(struct world *x, const char *text) {
    CHECK(sqlite3_exec(x->w->db, text, NULL, NULL, NULL) == SQLITE_OK);
}

#endif
