/* Fuzz target of the fields of an XADD entry. The input is taken three times: as the RESP form, as
 * the JSON form, and as a name with its value. Whatever is accepted must be the same after a way
 * there and back, and JSON that is accepted must be JSON to SQLite too. */
#include <sqlite3.h>

#include "base/alloc.h"
#include "record/fields.h"

static void require(bool condition) {
    if (!condition) abort();
}

static bool json_valid(struct str text) {
    static sqlite3_stmt *stmt;
    if (stmt == NULL) {
        sqlite3 *db;
        require(sqlite3_open(":memory:", &db) == SQLITE_OK);
        require(sqlite3_prepare_v2(db, "SELECT json_valid(?)", -1, &stmt, NULL) == SQLITE_OK);
    }
    sqlite3_reset(stmt);
    require(sqlite3_bind_text(stmt, 1, text.ptr, (int)text.len, SQLITE_TRANSIENT) == SQLITE_OK);
    require(sqlite3_step(stmt) == SQLITE_ROW);
    return sqlite3_column_int(stmt, 0) == 1;
}

/* Takes valid fields apart and puts them together again, then by way of JSON. */
static void check_fields(struct str resp) {
    struct buf json, back;
    buf_init(&json, 0);
    buf_init(&back, 0);
    size_t count = 2 * fields_count(resp), n = 0;
    struct str *args = xcalloc(count, sizeof *args);
    struct fields_iter iter;
    fields_first(resp, &iter);
    while (fields_next(&iter, &args[n], &args[n + 1])) {
        require(fields_find(resp, args[n]).ptr <= args[n + 1].ptr);
        n += 2;
        if (n == count) break;
    }
    require(n == count && iter.left == 0);
    require(fields_size(args, count) == resp.len);
    char *at = buf_reserve(&back, resp.len);
    require(fields_write(at, args, count) == at + resp.len);
    require(memcmp(at, resp.ptr, resp.len) == 0);
    fields_to_json(resp, &json);
    require(json_valid(buf_str(&json)));
    require(fields_from_json(buf_str(&json), &back));
    require(str_eq(buf_str(&back), resp));
    free(args);
    buf_clear(&json);
    buf_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = str_of(data, size);
    struct buf out;
    buf_init(&out, 0);
    if (fields_valid(input)) check_fields(input);

    if (fields_from_json(input, &out)) {
        require(json_valid(input));
        require(fields_valid(buf_str(&out)));
        check_fields(buf_str(&out));
    } else {
        require(out.len == 0);
    }

    size_t cut = size > 0 ? data[0] % size : 0;
    struct str args[] = {str_of(input.ptr, cut), str_of(input.ptr + cut, size - cut)};
    buf_reset(&out);
    out.len = (size_t)(fields_write(buf_reserve(&out, fields_size(args, 2)), args, 2) - out.data);
    require(fields_valid(buf_str(&out)));
    check_fields(buf_str(&out));
    buf_clear(&out);
    return 0;
}
