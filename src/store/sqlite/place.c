/* Whether the database is still the one that this server writes to. Somebody may remove it, move it
 * away, put another in its place, mount something over it, or copy an older one into it. SQLite
 * notices none of these: it goes on writing to what it has open, and what was acknowledged is
 * nowhere once the journal lets go of it. So each transaction of the writer looks before it
 * commits, and the applier looks while it is idle:
 *
 *   the paths    still lead to the files that are open (device and inode), also those of the WAL
 *                and its index: with another WAL the database is not what we wrote
 *   the file     still has the row of `store` that a checkpoint brought there, or a newer one of
 *                ours. `cp` keeps the inode, and SQL shows what is in the WAL and the cache, so the
 *                page is read past SQLite
 *   the WAL      is not shorter than what its index says is in it. Pages that are gone read as
 *                zeros, and a checkpoint would copy these into the database
 *   SQL          shows the store, epoch and frame that were written last: the statements that
 *                change the row say so themselves (IF_OURS in schema.c)
 *
 * What others may do and what is no reason for alarm: hold locks, write, VACUUM, checkpoint. They
 * change the file, but the row in it stays ours.
 *
 * First aid. What was moved away is made whole at once: its WAL is copied into it and emptied, so
 * that it can be put back, and so that its WAL does no harm to the file that is in its place now.
 * What was copied over cannot be repaired: its WAL, which would make a mixture of the two at the
 * next start, is put aside. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/sqlite/internal.h"

#define LOOKS       3 /* at a row that seems wrong: a checkpoint may be writing it just now */
#define AID_BUSY_MS 100

/* --- the row in the file ------------------------------------------------------------ */

static uint64_t big_endian(const uint8_t *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

/* SQLite's variable-length integer; *at moves behind it. Nothing here needs more than 3 bytes. */
static uint32_t varint(const uint8_t *page, uint32_t size, uint32_t *at) {
    uint32_t v = 0;
    for (int i = 0; i < 3 && *at < size; i++) {
        uint8_t byte = page[(*at)++];
        v = v << 7 | (byte & 0x7f);
        if (byte < 0x80) return v;
    }
    *at = size;
    return 0;
}

static uint32_t bytes_of_type(uint32_t type) {
    static const uint8_t bytes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};
    return type < ARRAY_LEN(bytes) ? bytes[type] : (type - 12) / 2;
}

static uint64_t integer_of_type(const uint8_t *p, uint32_t type) {
    if (type == 8 || type == 9) return type - 8;
    return type >= 1 && type <= 6 ? big_endian(p, bytes_of_type(type)) : 0;
}

/* The columns of `store` that count, by their places in the table: they never change. */
enum { COLUMN_STORE_ID = 2, COLUMN_EPOCH = 4, COLUMN_APPLIED = 7 };

bool file_row_of_page(const uint8_t *page, uint32_t size, struct file_row *out) {
    *out = (struct file_row){0};
    if (size < 512 || page[0] != 0x0d || big_endian(page + 3, 2) != 1) return false;
    uint32_t at = (uint32_t)big_endian(page + 8, 2);
    const uint32_t payload = varint(page, size, &at), rowid = varint(page, size, &at);
    const uint32_t record = at, header = varint(page, size, &at);
    if (rowid != 1 || at >= size || payload > size - record || header > payload) return false;
    uint32_t body = record + header;
    for (int column = 0; at < record + header; column++) {
        const uint32_t type = varint(page, size, &at), bytes = bytes_of_type(type);
        if (bytes > record + payload - body) return false;
        if (column == COLUMN_STORE_ID && type != 12 + 2 * sizeof out->store_id) return false;
        if (column == COLUMN_STORE_ID) memcpy(&out->store_id, page + body, sizeof out->store_id);
        if (column == COLUMN_EPOCH) out->epoch = integer_of_type(page + body, type);
        if (column == COLUMN_APPLIED) out->applied = integer_of_type(page + body, type);
        body += bytes;
        if (column >= COLUMN_APPLIED) out->known = true;
    }
    return out->known && body == record + payload;
}

/* Through SQLite's own descriptor: closing another one would let go of its locks. Returns SQLite's
 * code. */
static int read_file(struct backend_conn *c, uint64_t offset, uint8_t *to, uint32_t n) {
    sqlite3_file *file = NULL;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (file == NULL || file->pMethods == NULL) return SQLITE_IOERR;
    return file->pMethods->xRead(file, to, (int)n, (sqlite3_int64)offset);
}

static uint32_t pragma_u32(struct backend_conn *c, const char *sql) {
    sqlite3_stmt *stmt = NULL;
    uint32_t v = 0;
    if (sqlite3_prepare_v2(c->db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        v = (uint32_t)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return v;
}

static void find_row(struct backend_conn *c) {
    struct sqlite_place *p = &c->w->place;
    uint32_t size = pragma_u32(c, "PRAGMA page_size");
    uint32_t page = pragma_u32(c, "SELECT rootpage FROM sqlite_master WHERE name = 'store'");
    if (size == 0 || page == 0) return; /* cannot be read just now: as it was */
    p->page_size = size;
    p->row_page = page;
    p->page = xrealloc(p->page, size);
}

/* A database of ours, whatever is in it; or one that cannot be read just now. */
static bool may_be_ours(struct backend_conn *c) {
    uint8_t header[100];
    int rc = read_file(c, 0, header, sizeof header);
    if (rc == SQLITE_IOERR_SHORT_READ) return false;
    return rc != SQLITE_OK || (memcmp(header, "SQLite format 3", 16) == 0 &&
                               big_endian(header + 68, 4) == SCHEMA_APPLICATION_ID);
}

static bool read_row(struct backend_conn *c, struct file_row *out) {
    const struct sqlite_place *p = &c->w->place;
    *out = (struct file_row){0};
    return p->row_page > 0 &&
           read_file(c, (uint64_t)(p->row_page - 1) * p->page_size, p->page, p->page_size) ==
               SQLITE_OK &&
           file_row_of_page(p->page, p->page_size, out);
}

/* --- the contents -------------------------------------------------------------------- */

/* NULL: it may be ours; else what it is. */
static const char *strange(struct backend_conn *c, const struct file_row *row) {
    const struct sqlite_writer *w = c->w;
    const struct file_row *before = &w->place.row;
    if (!row->known) return before->known && !may_be_ours(c) ? "no store is in it" : NULL;
    if (!uuid_eq(&row->store_id, &w->state.s.store_id)) return "another store is in it";
    if (before->known && (row->epoch < before->epoch || row->applied < before->applied))
        return "an older copy of the store is in it";
    if (!w->stale && (row->epoch > w->state.s.epoch || row->applied > w->state.s.applied))
        return "another copy of the store is in it";
    return NULL;
}

static const char *look_at_file(struct backend_conn *c) {
    struct file_row row;
    const char *what = NULL;
    for (int i = 0; i < LOOKS; i++) {
        if (i > 0) usleep(1000);
        if (!read_row(c, &row) && c->w->place.row.known) { /* a VACUUM may move it */
            find_row(c);
            read_row(c, &row);
        }
        what = strange(c, &row);
        if (what == NULL) break;
    }
    if (what == NULL && row.known) c->w->place.row = row;
    return what;
}

/* --- the WAL --------------------------------------------------------------------------- */

/* Bytes of the WAL that its index counts on, 0: not known just now.
 * (https://sqlite.org/walformat.html, 2.1 The WAL-Index Header: two copies, native byte order.) */
static uint64_t wal_bytes_in_use(sqlite3_file *file) {
    enum { COPY_BYTES = 48, REGION = 32768, FILE_HEADER = 32, FRAME_HEADER = 24 };
    uint8_t copies[2 * COPY_BYTES];
    uint16_t page;
    uint32_t frames;
    void volatile *region = NULL;
    if (file->pMethods->iVersion < 2 ||
        file->pMethods->xShmMap(file, 0, REGION, 0, &region) != SQLITE_OK || region == NULL)
        return 0;
    memcpy(copies, (const void *)region, sizeof copies);
    if (memcmp(copies, copies + COPY_BYTES, COPY_BYTES) != 0) return 0; /* being written */
    memcpy(&page, copies + 14, sizeof page);
    memcpy(&frames, copies + 16, sizeof frames);
    uint64_t page_bytes = (page & 0xfe00u) + ((uint32_t)(page & 1u) << 16);
    return frames == 0 ? 0 : FILE_HEADER + frames * (FRAME_HEADER + page_bytes);
}

/* A checkpoint of somebody may empty it, and says so in the index first: so the index is read
 * before the size, and once more. */
static bool wal_was_cut(struct backend_conn *c) {
    sqlite3_file *file = NULL, *wal = NULL;
    sqlite3_int64 bytes;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (file == NULL || file->pMethods == NULL || wal == NULL || wal->pMethods == NULL)
        return false;
    for (int i = 0; i < LOOKS; i++) {
        uint64_t in_use = wal_bytes_in_use(file);
        if (wal->pMethods->xFileSize(wal, &bytes) != SQLITE_OK || (uint64_t)bytes >= in_use)
            return false;
    }
    return true;
}

/* --- the paths ------------------------------------------------------------------------ */

static bool note_file(struct place_file *f, const char *path) {
    struct stat st;
    f->path = path;
    if (stat(path, &st) != 0) return false;
    f->device = st.st_dev;
    f->inode = st.st_ino;
    return true;
}

/* NULL: the path leads to the file that is open; else what has happened to it. */
static const char *moved(const struct place_file *f, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return "was removed or renamed";
        return "cannot be looked at";
    }
    if (st.st_dev == f->device && st.st_ino == f->inode) return NULL;
    return "was replaced by another file";
}

/* --- first aid ------------------------------------------------------------------------- */

/* What was moved away gets all that is in its WAL. Not within a transaction. */
static void make_whole(struct backend_conn *c) {
    struct sqlite_place *p = &c->w->place;
    if (p->copied || sqlite3_get_autocommit(c->db) == 0) return;
    sqlite3_busy_timeout(c->db, AID_BUSY_MS);
    int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(c->db, SQLITE_WRITER_BUSY_MS);
    p->copied = rc == SQLITE_OK;
}

static void put_wal_aside(struct sqlite_place *p) {
    if (moved(&p->wal, p->wal.path) != NULL) return;
    size_t n = strlen(p->wal.path) + 32;
    char *aside = xmalloc(n);
    snprintf(aside, n, "%s-of-before-%08x", p->wal.path, (unsigned)random_u64());
    if (rename(p->wal.path, aside) == 0)
        log_verbose("%s belongs to what was in the database before: renamed to %s", p->wal.path,
                    aside);
    free(aside);
}

static int lost_for_good(struct backend_conn *c, const char *what, struct err *err) {
    struct sqlite_place *p = &c->w->place;
    if (!atomic_load(&p->replaced)) {
        snprintf(p->why, sizeof p->why,
                 "%.120s was written over while the server runs: %s. What was acknowledged and is "
                 "not there may be in the journal: keep it, and see docs/storage.md",
                 c->path, what);
        put_wal_aside(p);
        atomic_store(&p->replaced, true);
    }
    return err_set(err, ERR_LOST, "%s", p->why);
}

/* --- for the others ---------------------------------------------------------------------- */

/* A WAL that was left beside another database (one that was restored over the first, say) would be
 * mixed into it, page by page: the row in the file, and the row that SQL shows with the WAL laid
 * over it, are then of two stores, or go backwards. */
int sqlite_check_wal(struct backend_conn *c, struct err *err) {
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    struct file_row row;
    sqlite3_stmt *stmt = NULL;
    bool good = true;
    find_row(c);
    if (read_row(c, &row) &&
        sqlite3_prepare_v2(c->db, "SELECT store_id, epoch, applied FROM store", -1, &stmt, NULL) ==
            SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const void *id = sqlite3_column_blob(stmt, 0);
        good = id != NULL && sqlite3_column_bytes(stmt, 0) == (int)sizeof row.store_id &&
               memcmp(id, &row.store_id, sizeof row.store_id) == 0 &&
               (uint64_t)sqlite3_column_int64(stmt, 1) >= row.epoch &&
               (uint64_t)sqlite3_column_int64(stmt, 2) >= row.applied;
    }
    sqlite3_finalize(stmt);
    if (!good)
        return err_set(
            err, ERR_REFUSED,
            "%s and %s-wal do not belong together: one of the two was replaced. Put back "
            "the one that is missing. Or, to use the database as it is, move its -wal "
            "and -shm away, and keep them",
            c->path, c->path);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return 0;
}

int sqlite_place_take(struct backend_conn *c, struct err *err) {
    struct sqlite_place *p = &c->w->place;
    const char *name = sqlite3_db_filename(c->db, "main");
    find_row(c);
    if (!note_file(&p->database, name) || !note_file(&p->wal, sqlite3_filename_wal(name)))
        return err_errno(err, "%s: cannot look at the files of the database", c->path);
    char *shm = xmalloc(strlen(name) + 8);
    snprintf(shm, strlen(name) + 8, "%s-shm", name);
    note_file(&p->shm, shm);
    int has_moved = 0;
    sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
    if (has_moved != 0)
        return err_set(err, ERR_REFUSED, "%s was replaced during the start", c->path);
    read_row(c, &p->row);
    return 0;
}

void sqlite_place_free(struct sqlite_place *p) {
    free((void *)p->shm.path);
    free(p->page);
}

int sqlite_check_place(struct backend_conn *c, struct err *err) {
    struct sqlite_place *p = &c->w->place;
    if (atomic_load(&p->replaced)) return err_set(err, ERR_LOST, "%s", p->why);
    const struct place_file *files[] = {&p->database, &p->wal, &p->shm};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        /* By the path that the option has: it may be a link, which leads elsewhere now. */
        const char *path = i == 0 ? c->path : files[i]->path;
        const char *what = moved(files[i], path);
        if (what == NULL) continue;
        make_whole(c);
        return err_set(err, ERR_LOST,
                       "%s %s while the server runs. What was acknowledged is in that file and in "
                       "the journal: put it back, and see docs/storage.md",
                       path, what);
    }
    p->copied = false;
    const char *what = wal_was_cut(c) ? "its WAL was cut" : look_at_file(c);
    return what == NULL ? 0 : lost_for_good(c, what, err);
}

int sqlite_lost_instead(struct backend_conn *c, int rc, struct err *err) {
    struct err lost;
    if (rc == ERR_BUSY || rc == ERR_REFUSED) return rc;
    if (sqlite_check_place(c, &lost) != ERR_LOST) return rc;
    *err = lost;
    return ERR_LOST;
}

int sqlite_replaced(struct backend_conn *c, struct err *err) {
    struct sqlite_state now;
    int rc = sqlite_read_state(c, &now, err);
    if (rc != 0) return rc;
    const struct sqlite_state *ours = &c->w->state;
    if (uuid_eq(&now.s.store_id, &ours->s.store_id) && now.s.epoch > ours->s.epoch)
        return err_set(err, ERR_REFUSED, "%s: another server has taken over this store", c->path);
    if (!uuid_eq(&now.s.store_id, &ours->s.store_id))
        return lost_for_good(c, "another store is in it", err);
    return lost_for_good(c, "an older copy of the store is in it", err);
}
