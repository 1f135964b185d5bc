/* What the files of the SQLite backend share. One connection is one thread's at a time; what
 * writer and readers share is the index tail (its own mutex) and the statistics (atomics). */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "store/backend.h"
#include "store/changes.h"
#include "store/sqlite/index_tail.h"
#include "store/sqlite/place.h"
#include "store/sqlite/purged_set.h"
#include "store/sqlite/schema.h"
#include "store/type_set.h"

/* The row of table `store`. */
struct sqlite_state {
    struct store_state s;
    uint64_t indexed;     /* events before it are in stream_index */
    uint64_t flushes;     /* counted, so that readers see that the store began anew */
    uint64_t categorized; /* events from it on are in category_blocks; 0: all */
    uint64_t renames;     /* counted, so that readers see that names mean other streams */
    uint64_t removed; /* of the sequences from removed_from on, how many have no row any more: as
                         of when this was read */
    uint64_t removed_from;
};

/* What an apply collects for one of the tables beside `events`, to write it sorted by key. */
struct side_entry {
    uint64_t prefix; /* the key's first bytes, as a number that sorts like them */
    struct str key;  /* borrowed from the record */
    uint64_t sequence;
};
struct side_list {
    struct side_entry *entries;
    size_t count, cap;
};
enum side { SIDE_CORRELATION, SIDE_CAUSATION, SIDE_AGGREGATE, SIDE_COUNT };

struct bulk_row {
    const struct event_record *event;
    uint32_t type;
    bool erased;  /* by the apply that adds it */
    bool skipped; /* it is gone again at the end of the apply */
};

#define TYPE_SLOTS          1024 /* of the writer's cache of type numbers */
#define TYPE_CACHED_LEN_MAX 128  /* longer names are looked up each time */
#define TYPE_BLOCK_SLOTS    4096 /* of its memory of (type, block) pairs already written */

struct type_slot {
    uint64_t hash;
    uint32_t number; /* 0: empty */
    uint32_t len;
    char name[TYPE_CACHED_LEN_MAX];
};

/* Producers whose idempotent ids may have to be pruned; and the walk that looks for others. */
struct idempotent_notes {
    struct hash_table table;
    size_t due;                      /* producers that have added much */
    uint64_t walk_stream, next_walk; /* next_walk: of the store's clock, ms */
    uint64_t walked;                 /* monotonic ms: when the last walk ended */
    struct buf walk_producer;
};

/* A slice of maintain() ends when its time is up; or, when a test has said so (slice_rows), after
 * that many rows, so that what a slice leaves to the next one does not depend on the machine. */
struct slice {
    uint64_t until; /* monotonic us */
    uint64_t rows;  /* left; 0 with `counted`: it is over */
    bool counted;
};

static inline struct slice slice_begin(uint64_t us, uint64_t rows) {
    return (struct slice){.until = clock_mono_us() + us, .rows = rows, .counted = rows > 0};
}

static inline bool slice_over(const struct slice *s) {
    return s->counted ? s->rows == 0 : clock_mono_us() >= s->until;
}

static inline void slice_took(struct slice *s, uint64_t rows) {
    s->rows -= s->rows < rows ? s->rows : rows;
}

/* What only the writing connection has. */
struct sqlite_writer {
    struct sqlite_state state; /* as committed, unless stale */
    bool stale;                /* read it again before use: the last transaction failed */
    struct index_tail *index_tail;
    struct sqlite_place place;

    /* the apply under way */
    struct index_keys index; /* entries of events since the last flush */
    size_t index_cap, id_cap;
    struct side_list sides[SIDE_COUNT];
    struct bulk_row *rows; /* the events, for bulk_events */
    size_t row_count, row_cap;
    struct changes changes; /* everything else */
    struct buf json;        /* of the event whose columns are being read */
    struct type_slot *types;
    uint64_t *blocks;
    struct categories *categories; /* categories.c's */

    /* the merge under way; runs 0: none */
    size_t merge_runs;
    struct merge_at {
        size_t key, id;
    } merge_at[PENDING_RUNS_MAX]; /* [run]: its first entries not yet merged */
    struct slice merge_slice;
    uint64_t merge_least;   /* entries that the slice takes also when its time is up */
    uint64_t applied_since; /* entries that came since the last slice */

    struct purged_set purged; /* of the entries of the index tail */
    uint64_t gone; /* rows that the transaction under way takes away or leaves out, for `removed` */
    bool importing;       /* LEFT_MIGRATING: the events may have gaps */
    bool purge_wanted;    /* there may be rows of what is gone */
    uint64_t purge_turn;  /* the trimmed stream that was purged last */
    bool moved_wanted;    /* there may be rows in moved_streams */
    uint64_t sweep_group; /* of category_blocks, that is looked at next */
    struct idempotent_notes idempotent;
    uint64_t slice_rows; /* for tests: rows of a slice of any of these; 0: as time allows */

    bool no_room;   /* something could not be written, be it that a file may not grow */
    int log_pages;  /* of the WAL, as of the last commit */
    int log_copied; /* of these, how many the last checkpoint has seen */
    _Atomic uint64_t stat_indexed, stat_database_bytes, stat_log_bytes;
};

struct snapshot;

/* Streams by number, bounded: names as they stand in the table, to be copied for pages. Two of the
 * same slot that both have events in each page are looked up again and again: so there are many. */
#define NAME_SLOTS     32768
#define NAME_BYTES_MAX (4 << 20)

/* One stream in the page being read. */
struct page_stream {
    uint64_t number;          /* 0: empty slot */
    struct stream_name *name; /* the page's; one reference is ours while reading. NULL: not yet */
    uint64_t first_version;   /* events below it are gone; UINT64_MAX: all are */
    int8_t passes;            /* the selector's, on names: -1 not asked yet */
    bool asked;               /* for first_version */
};

#define MATCHES_MAX 1024
#define STREAMS_FEW 64

/* values.c: the sequences that several values of one table name. */
struct value_merge {
    enum selector_kind kind;
    bool reverse;
    struct value_head *heads; /* one a value; NULL: closed */
    struct heap heap;
};

/* names.c: what leads to the events of the streams whose names pass. */
struct names_found {
    enum {
        NAMES_ROWS,    /* nothing: every event is looked at */
        NAMES_STREAMS, /* these streams are all of them */
        NAMES_BLOCKS,  /* the blocks of these categories and of these streams */
    } by;
    uint64_t *streams;
    size_t stream_count, stream_cap;
    uint32_t *categories; /* category_number */
    size_t category_count, category_cap;
    struct buf text; /* bounds of names */
};

/* heads.c: the sequences of several streams. */
struct heads_range {
    bool reverse;
    uint64_t start, end; /* sequences, inclusive */
};
struct stream_heads {
    const struct snapshot *snapshot; /* with a view */
    bool reverse;
    uint64_t start, range_end;
    struct stream_cursor *heads;
    struct heap heap;
    uint64_t events; /* of all of the streams, whatever the range; at most */
};

/* blocks.c: the blocks that may hold an event of every kind that is wanted. */
struct block_search {
    bool reverse, by_type, by_name;
    uint64_t end;                           /* the last one that is asked for */
    uint64_t unbuilt;                       /* blocks below it are not in category_blocks yet */
    struct block_ahead *types, *categories; /* NULL: closed */
    uint64_t streak, unchecked, looks;
};

/* What only a reading connection has. */
struct sqlite_reader {
    uint64_t flushes, renames; /* of what the caches hold */
    struct stream_name **names;
    size_t name_bytes;
    struct str *type_names; /* [number], ptr NULL: not cached */
    size_t type_cap, type_bytes;
    struct type_set type_set;
    struct page_stream *streams; /* open addressing; size a power of two */
    size_t stream_count, stream_cap;
    struct value_merge values;
    struct names_found names_found;
    size_t streams_few; /* so many that ranges of names lead to are read one by one */
    struct stream_heads heads;
    struct block_search blocks;
    uint64_t matches[MATCHES_MAX]; /* sequences that a table by value names, of a scan */
};

struct backend_conn {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *stmts[SQL_COUNT]; /* all prepared at open */
    struct backend_conn *writer;    /* a reader's; the writer's is itself */
    struct sqlite_writer *w;        /* NULL: a reader */
    struct sqlite_reader *r;        /* NULL: the writer */
    bool pinned;                    /* of open_snapshot: has both, is in one read transaction, and
                                       w has the state and the index tail of that only */
};

#define SQLITE_WRITER_BUSY_MS 1000 /* then ERR_BUSY: the caller tries again */

/* --- sqlite.c: connections, statements, errors ----------------------------- */

int sqlite_error(struct backend_conn *c, int rc, struct err *err, const char *what);
/* Runs a statement that returns no rows. */
int sqlite_run(struct backend_conn *c, enum sql id, struct err *err);
/* Every transaction of the writer begins so. */
int sqlite_begin_write(struct backend_conn *c, struct err *err);
/* The statements from `first` on, all at once: later nobody has to ask whether one is there. */
int sqlite_prepare(struct backend_conn *c, enum sql first, struct err *err);
void sqlite_close_conn(struct backend_conn *c);
int sqlite_exec(struct backend_conn *c, const char *sql, struct err *err);
/* One step of a statement: 1 a row, 0 done, or an error. Resets it unless there is a row. */
int sqlite_step(struct backend_conn *c, sqlite3_stmt *stmt, struct err *err);
void sqlite_rollback(struct backend_conn *c);
int sqlite_open_db(sqlite3 **out, const char *path, int flags, struct err *err);
int sqlite_read_state(struct backend_conn *c, struct sqlite_state *out, struct err *err);
/* Reads the writer's state again if a failed transaction left it in doubt. */
int sqlite_refresh(struct backend_conn *c, struct err *err);
/* Of a statement that changes the row of `store` only if it is as w->state has it: the parameters
 * that say so (IF_OURS). When it has changed nothing, sqlite_replaced says why. */
void sqlite_bind_ours(struct backend_conn *c, sqlite3_stmt *stmt);

static inline int sqlite_bind_u64(sqlite3_stmt *stmt, int at, uint64_t v) {
    return sqlite3_bind_int64(stmt, at, (sqlite3_int64)v);
}
/* Halves of entry ids: beyond 2^63 - 1 as text of 20 digits, see schema.c. */
#define SQLITE_ENTRY_DIGITS 20
void sqlite_entry_digits(uint64_t v, char digits[SQLITE_ENTRY_DIGITS]);
int sqlite_bind_entry(sqlite3_stmt *stmt, int at, uint64_t v);
uint64_t sqlite_column_entry(sqlite3_stmt *stmt, int at);

/* --- place.c: whether the files are those that were opened -------------------- */

/* Before anything is written: ERR_REFUSED when the WAL is another database's. Until it has said 0,
 * a close leaves the files as they are. */
int sqlite_check_wal(struct backend_conn *w, struct err *err);
/* Notes which files are open. When the database can be read. */
int sqlite_place_take(struct backend_conn *w, struct err *err);
void sqlite_place_free(struct sqlite_place *p);
/* ERR_LOST: they are not any more. Also within a transaction, before its commit. */
int sqlite_check_place(struct backend_conn *w, struct err *err);
/* After a failure: ERR_LOST if that is why, else rc as it was. Not within a transaction. */
int sqlite_lost_instead(struct backend_conn *w, int rc, struct err *err);
/* The row of `store` is not what was written last. ERR_REFUSED: another server has taken over;
 * ERR_LOST: another database is there. */
int sqlite_replaced(struct backend_conn *w, struct err *err);

/* --- open.c: creating, migrating, checking ---------------------------- */

/* See struct backend. */
int sqlite_check_path(const char *path, struct err *err);
/* ERR_REFUSED when it is no store of ours. *version 0: an empty file, to be made one. */
int sqlite_check_schema(struct backend_conn *c, int64_t *version, struct err *err);
/* Makes db a store of our schema, or says why not. fresh stores get an id. */
int sqlite_migrate(struct backend_conn *c, struct err *err);

/* --- apply.c ---------------------------------------------------------- */

int sqlite_apply(struct backend_conn *w, struct batch *const batches[], size_t n, struct err *err);
void sqlite_apply_forget(struct sqlite_writer *w); /* caches that a failed transaction spoilt */
void sqlite_apply_free(struct sqlite_writer *w);

/* --- write.c, groups.c: the change set becomes rows ---------------- */

/* Of w->changes. base: the first sequence of this apply, whose rows are in already. */
int sqlite_write_changes(struct backend_conn *w, uint64_t base, struct err *err);
int sqlite_write_groups(struct backend_conn *w, struct err *err);
/* Deletes an event's row and those of the tables by value. No row is no error. */
int sqlite_drop_event(struct backend_conn *w, uint64_t sequence, struct err *err);
/* Deletes entries of stream_index, versions first..last. */
int sqlite_drop_index(struct backend_conn *w, uint64_t stream, uint64_t first, uint64_t last,
                      struct err *err);

/* --- idempotent.c --------------------------------------------------------- */

int sqlite_write_idempotent(struct backend_conn *w, struct err *err);
bool sqlite_prune_wanted(const struct sqlite_writer *w, bool all);
int sqlite_prune(struct backend_conn *w, bool all, struct err *err); /* a slice */
/* A little of the walk, when it is time. */
int sqlite_idempotent_walk(struct backend_conn *w, struct err *err);
void sqlite_idempotent_forget(struct sqlite_writer *w);
int sqlite_read_idempotent(struct backend_conn *r, uint64_t stream, struct stream_detail *d,
                           struct err *err);

/* --- named.c -------------------------------------------------------------- */

int sqlite_write_named(struct backend_conn *w, struct err *err);
int sqlite_read_named(struct backend_conn *r, enum named_class class, struct str name,
                      struct str *value, uint64_t *applied, struct err *err);
int sqlite_list_named(struct backend_conn *r, enum named_class class, uint64_t from,
                      size_t count_max, struct named_list *out, struct err *err);

/* --- categories.c --------------------------------------------------------- */

struct categories *sqlite_categories_create(void);
void sqlite_categories_forget(struct sqlite_writer *w); /* what a failed transaction spoilt */
/* Of a RECORD_EVENT. */
int sqlite_add_category(struct backend_conn *w, const struct record *r, struct err *err);
/* Before the stream gets the name. again: it has had others in the same apply. */
int sqlite_category_renamed(struct backend_conn *w, uint64_t stream, struct str name, bool again,
                            struct err *err);
bool sqlite_categorize_wanted(const struct sqlite_writer *w);
int sqlite_categorize(struct backend_conn *w, struct err *err); /* a slice, if there is any */
/* Within a transaction that takes events away: what there is of groups that are empty by now. */
int sqlite_sweep_categories(struct backend_conn *w, struct err *err);

/* --- purge.c -------------------------------------------------------------- */

/* A slice, when there is anything to do; w->purge_wanted says whether there is more. */
int sqlite_purge(struct backend_conn *w, struct err *err);

/* --- bulk.c: tables of the writer's connection, to insert from ---------- */

int sqlite_bulk_register(struct backend_conn *w, struct err *err);

/* --- merge.c: the deferred index, checkpoints ------------------------- */

int sqlite_index_rebuild(struct backend_conn *w, struct err *err);
/* Also checks the epoch: every transaction of the writer does. */
int sqlite_set_progress(struct backend_conn *w, uint64_t indexed, uint64_t categorized,
                        struct err *err);
/* After a write that failed: what is in the WAL is copied to the database, if that goes, so that
 * the WAL is used from its beginning again and need not grow. */
void sqlite_make_room(struct backend_conn *w);
int sqlite_maintain(struct backend_conn *w, bool all, bool *more, struct err *err);

/* --- read.c, head.c: snapshots, rows; heads ------------------------------------ */

/* One read transaction. */
struct snapshot {
    struct sqlite_state state;
    struct index_view view; /* when asked for */
    bool has_view;
};
int sqlite_snapshot_begin(struct backend_conn *r, bool with_view, struct snapshot *s,
                          struct err *err);
void sqlite_snapshot_end(struct backend_conn *r, struct snapshot *s);

/* The highest key in [index_key(stream, start), (stream, end)]: 1 found, 0 none. */
int sqlite_index_last(struct backend_conn *r, const struct snapshot *s, uint64_t stream,
                      uint64_t start, uint64_t end, uint64_t *version, uint64_t *sequence,
                      struct err *err);
/* The last event that exists with a version in [start, end]: 1 found, 0 none. */
struct last_event {
    uint64_t version, sequence, recorded;
    struct entry_id id;
};
int sqlite_last_event(struct backend_conn *r, const struct snapshot *s, uint64_t stream,
                      uint64_t start, uint64_t end, struct last_event *out, struct err *err);
/* The versions that a stream has in the snapshot: 1, or 0 when there is no such stream. */
struct stream_extent {
    uint64_t first_version, next_version;
};
int sqlite_stream_extent(struct backend_conn *r, const struct snapshot *s, uint64_t stream,
                         struct stream_extent *out, struct err *err);
/* The first version of a stream that is not gone; UINT64_MAX: the stream is. */
int sqlite_first_version(struct backend_conn *r, uint64_t stream, uint64_t *out, struct err *err);
/* The hole that begins at or before a version: 1 found, 0 none. */
int sqlite_hole_before(struct backend_conn *c, uint64_t stream, uint64_t version, uint64_t *first,
                       uint64_t *last, struct err *err);
/* Fills the groups of a detail. */
int sqlite_read_groups(struct backend_conn *r, uint64_t stream, struct stream_detail *d,
                       struct err *err);
/* The stream with this number, from the cache or its row: borrowed until the next call. */
int sqlite_stream(struct backend_conn *r, uint64_t number, const struct stream_name **out,
                  struct err *err);
/* A fresh copy with one reference. */
struct stream_name *sqlite_stream_copy(const struct stream_name *n);
/* Of a row of SQL_STREAM_BY_NUMBER or SQL_STREAMS_FROM; NULL: it makes no sense. */
struct stream_name *sqlite_stream_of_row(sqlite3_stmt *row);
/* The event whose columns stand in row; name gains a reference. lean: those of SQL_EVENTS_LEAN. */
int sqlite_event_of_row(struct backend_conn *r, sqlite3_stmt *row, struct stream_name *name,
                        bool lean, struct event **out, struct err *err);

int sqlite_read_head(struct backend_conn *r, struct str name, struct stream_head *out,
                     uint64_t *applied, struct err *err);
int sqlite_read_id(struct backend_conn *r, const struct uuid *id, struct event **out,
                   uint64_t *applied, struct err *err);
int sqlite_find_entry(struct backend_conn *r, uint64_t stream, uint64_t from, struct entry_id at,
                      uint64_t *version, uint64_t *applied, struct err *err);
int sqlite_list_ids(struct backend_conn *r, const struct uuid *from, size_t count_max,
                    struct id_list *out, struct err *err);
int sqlite_list_reserved(struct backend_conn *w, size_t count_max, struct stream_list *out,
                         struct err *err);
int sqlite_list_expiring(struct backend_conn *r, uint64_t until, size_t count_max,
                         struct stream_list *out, struct err *err);
int sqlite_list_streams(struct backend_conn *r, uint64_t from, struct str pattern,
                        struct str category, size_t count_max, size_t examined_max,
                        struct stream_list *out, struct err *err);
int sqlite_count_groups(struct backend_conn *r, struct str name, uint64_t *count, uint64_t *applied,
                        struct err *err);
int sqlite_count_streams(struct backend_conn *r, uint64_t from, const struct selector *selector,
                         size_t examined_max, struct page *out, struct err *err);
struct sqlite_reader *sqlite_reader_create(void);
void sqlite_reader_free(struct sqlite_reader *r);

/* --- scan.c, types.c, values.c ----------------------------------------- */

/* Whether the selector names values that have a table of their own. */
bool sqlite_values_wanted(const struct selector *s);
/* Begins to list the sequences from start to end that these values name. One list at a time; its
 * values are borrowed until it is closed. */
int sqlite_values_open(struct backend_conn *r, const struct selector *s, bool reverse,
                       uint64_t start, uint64_t end, struct err *err);
int sqlite_values_next(struct backend_conn *r, uint64_t *sequence, struct err *err); /* 1; 0: end */
void sqlite_values_close(struct backend_conn *r);

/* --- names.c, heads.c, blocks.c ------------------------------------------------ */

/* Fills r->names_found for a range of the log. The range's `renamed` are among the streams. */
int sqlite_names_find(struct backend_conn *r, const struct read_range *range, struct err *err);
/* When these streams have too many events to be read one by one: what leads to them instead. */
int sqlite_names_find_blocks(struct backend_conn *r, const struct read_range *range,
                             struct err *err);
void sqlite_names_free(struct names_found *f);

/* Begins to list the sequences of the streams' events in the range. One list at a time; the
 * snapshot, which has a view, is borrowed until it is closed. */
int sqlite_heads_open(struct backend_conn *r, const struct snapshot *snapshot,
                      const uint64_t *streams, size_t n, const struct heads_range *range,
                      struct err *err);
/* The next one, which stays the next. */
bool sqlite_heads_first(const struct backend_conn *r, uint64_t *sequence);
int sqlite_heads_next(struct backend_conn *r, uint64_t *sequence, struct err *err); /* 1; 0: end */
/* Goes on from this sequence. */
int sqlite_heads_skip(struct backend_conn *r, uint64_t sequence, struct err *err);
void sqlite_heads_close(struct backend_conn *r);

/* Begins to search by r->type_set (by_type), by r->names_found and r->heads (by_name). */
void sqlite_blocks_open(struct backend_conn *r, const struct read_range *range, uint64_t end,
                        uint64_t categorized, bool by_type, bool by_name);
/* The nearest one from *block on, which becomes it: 1; 0: there is none; 2: that was enough for one
 * page, go on from *block. */
int sqlite_blocks_next(struct backend_conn *r, uint64_t *block, struct err *err);
void sqlite_blocks_close(struct backend_conn *r);

int sqlite_read_events(struct backend_conn *r, const struct read_range *range, struct page *out,
                       struct err *err);
/* Fills r->type_set with the types that the selector means. */
int sqlite_types_resolve(struct backend_conn *r, const struct selector *selector, struct err *err);

/* --- timelines.c ------------------------------------------------------------ */

int sqlite_read_left(struct backend_conn *w, enum store_left *out, struct err *err);
int sqlite_set_left(struct backend_conn *w, enum store_left left, struct err *err);
int sqlite_load_timelines(struct backend_conn *w, struct timelines *out, struct err *err);
/* Within a transaction. */
int sqlite_add_timeline(struct backend_conn *w, const struct timeline_record *r, struct err *err);
int sqlite_adopt(struct backend_conn *w, const struct uuid *store_id, uint64_t id_key,
                 struct err *err);

/* --- snapshot.c, verify.c, verify_events.c, import.c: see struct backend ------------- */

int sqlite_open_snapshot(struct backend_conn **out, const char *path, struct err *err);
int sqlite_list_versions(struct backend_conn *r, uint64_t stream, uint64_t from, size_t count_max,
                         struct version_list *out, struct err *err);
int sqlite_verify(struct backend_conn *snapshot, struct verify *v, struct err *err);
/* The rows of events, against the tables that lead to them and back. */
int sqlite_verify_events(struct backend_conn *snapshot, struct verify *v, struct err *err);
int sqlite_finish_import(struct backend_conn *w, const struct store_state *state,
                         const struct timelines *timelines, struct err *err);

/* --- backup.c --------------------------------------------------------------- */

int sqlite_backup(struct backend_conn *r, const char *path, backup_progress_fn *progress, void *arg,
                  struct err *err);

#endif
