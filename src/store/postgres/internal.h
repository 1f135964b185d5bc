/* What the files of the PostgreSQL backend share. One connection is one thread's at a time; what
 * writer and readers share is where the store is (never changed after the open) and the statistics
 * (atomics). */
#ifndef STORE_POSTGRES_INTERNAL_H
#define STORE_POSTGRES_INTERNAL_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "store/backend.h"
#include "store/changes.h"
#include "store/postgres/params.h"
#include "store/postgres/schema.h"
#include "store/postgres/testing.h"
#include "store/type_set.h"

#define STREAM_NUMBER_MAX ((UINT64_C(1) << 31) - 1)
#define VERSION_MAX       ((UINT64_C(1) << 32) - 1)
#define LOOK_EVERY_MS     1000 /* whether the store is still ours, when nothing is written */

/* A row of category_blocks: a group of blocks, the category, the block in the group. */
static inline uint64_t category_key(uint64_t block, uint32_t category) {
    return block >> GROUP_BITS << (CATEGORY_BITS + GROUP_BITS) | (uint64_t)category << GROUP_BITS |
           (block & ((1u << GROUP_BITS) - 1));
}

/* --- url.c: where the store is ----------------------------------------------------- */

struct postgres_host {
    char *host, *address, *port; /* as in the URI; NULL: it has none */
};

struct postgres_place {
    char *uri;                   /* for libpq: without `schema` */
    char *shown;                 /* for people: without the password */
    char *schema;                /* as given */
    char *prefix;                /* the schema, quoted for SQL, and a dot */
    struct postgres_host *hosts; /* when there are several; else libpq knows */
    size_t host_count;
    _Atomic size_t *turn; /* the host that a session was made with last */
};

/* path: what stands behind "postgres:". ERR_REFUSED: it makes no sense. */
int postgres_place_parse(struct postgres_place *out, const char *path, struct err *err);
void postgres_place_free(struct postgres_place *p);
/* See struct backend. */
int postgres_check_path(const char *path, struct err *err);

/* --- what a connection has ----------------------------------------------------------- */

/* The row of `store`, and the newest of `commits`. */
struct postgres_state {
    struct store_state s;
    uint64_t removed; /* events that have no row any more, as far as commits counted them */
    uint64_t flushes; /* counted, so that readers see that the store began anew */
    uint64_t renames; /* counted, so that readers see that names mean other streams */
};

struct type_slot {
    struct hash_node node; /* by name */
    uint32_t number;
    struct str name; /* bytes behind the struct */
};

/* Something of a stream that is looked up once: its category (categories.c). */
struct category_slot {
    uint64_t stream; /* 0: empty */
    uint32_t category;
};

struct event_row {
    const struct event_record *event;
    const struct type_slot *type;
    uint32_t category; /* category_number; CATEGORY_UNKNOWN: to be looked up */
    bool erased;       /* by the apply that adds it */
    bool skipped;      /* it is gone again at the end of the apply */
};

#define WRITE_ARRAYS     11 /* the most that a statement takes */
#define POSTGRES_FLIGHTS 2  /* applies under way */

/* What only the writing connection has. */
struct postgres_writer {
    struct postgres_state state; /* as committed, unless stale */
    bool stale;                  /* read it again before use: the last transaction failed */
    uint64_t unsure;             /* and may have been committed, up to this frame; 0: it was not */
    bool warned;                 /* a warning came during this transaction */
    int lock_pid; /* of the last session that held the lock; when it was lost, it still may */

    /* Applies that were begun, oldest first. Each is a transaction of its own, whose fence fails
     * unless the one before is committed. */
    struct flight {
        struct postgres_state after; /* where the store stands when it is committed */
        bool erases;
    } flights[POSTGRES_FLIGHTS];
    unsigned flight_count;

    /* the apply that is made */
    struct event_row *rows;
    size_t row_count, row_cap;
    struct changes changes;            /* everything else */
    struct timeline_record *timelines; /* to be added */
    size_t timeline_count, timeline_cap;
    bool asks;  /* it may ask the database before it is sent */
    bool begun; /* the transaction: a flush sends it at once */
    struct array arrays[WRITE_ARRAYS];
    uint32_t row_type; /* the database's number of the type event_row; of this session */
    struct buf text;   /* room for a label, or JSON */

    struct hash_table types; /* numbers by name, of those that were used */
    size_t types_bytes;
    uint32_t next_type;  /* 0: not known */
    uint32_t types_from; /* of the apply under way: types from it on are new */
    uint64_t *blocks;    /* (type, block) pairs that are known to be there */
    uint64_t *category_blocks;
    struct category_slot *categories;

    bool purge_wanted;                        /* there may be rows of what is gone */
    bool moved_wanted;                        /* there may be rows in moved_streams */
    uint32_t purge_turn;                      /* the trimmed stream that was purged last */
    uint64_t commits_pruned;                  /* frames below it have no row in commits any more */
    uint64_t groups_folded, consumers_folded; /* frames up to it have none in these moves */
    struct hash_table producers; /* streams whose idempotent ids may have to be pruned */
    size_t producers_due;
    uint64_t walk_stream,
        next_walk; /* of streams that have idempotent ids; ms of the store's clock */

    struct postgres_house *house;
    struct postgres_canceller *canceller;
    _Atomic uint64_t erasing;  /* applies that erased something, and were committed */
    _Atomic uint64_t vacuumed; /* erasures up to this number are vacuumed, and may be forgotten */
    bool erases;               /* the apply under way does */

    uint64_t slice_rows; /* for tests: rows of a slice of maintenance; 0: as time allows */
    _Atomic uint64_t stat_bytes, stat_sequence;
    struct {
        struct uuid store_id;
        uint64_t epoch;
    } opened;               /* as of the open: whose the store is; readers compare */
    _Atomic uint64_t known; /* the last frame that is known to be committed; for readers */
    uint64_t next_size;     /* monotonic ms: when the size is asked for again */
    uint64_t next_look;     /* the same: whether the store is still ours */
    int readers_stop_fd;
};

/* What only a reading connection has. */
struct postgres_reader {
    uint64_t flushes; /* of what type_set holds */
    struct type_set type_set;
    struct array array;
};

struct backend_conn {
    PGconn *pg; /* NULL: lost; opened again when it is needed */
    const struct postgres_place *place;
    struct backend_conn *writer; /* a reader's; the writer's is itself */
    struct postgres_writer *w;   /* NULL: a reader */
    struct postgres_reader *r;   /* NULL: the writer */
    int stop_fd;                 /* readable: nobody waits any more; a reader's is the writer's */
    bool patient;                /* what is under way may take long: it goes through whole tables */
    bool pinned; /* of open_snapshot: has both, is in one transaction that reads, and
                    w has the state of that only */
    struct postgres_ahead *ahead; /* of a snapshot; NULL: nothing was asked for ahead */
    bool hasty;                   /* an answer that takes long is worth nothing */
    unsigned warnings;            /* that the server has sent; for who wants to know of one */
    PGresult **results;           /* of the last pipeline, in order */
    size_t result_count, result_cap;
    bool answered;      /* they are all that their pipeline had */
    size_t sent;        /* statements that are queued, and not dispatched */
    unsigned under_way; /* pipelines that are dispatched, and not answered */
    uint64_t deadline;  /* monotonic ms: of the answer that is waited for; 0: of none */
};

/* --- conn.c: sessions, statements, errors ------------------------------------------------ */

/* Makes sure that there is a session with our settings and statements. ERR_BUSY: not now;
 * ERR_REFUSED: never. */
int postgres_connect(struct backend_conn *c, struct err *err);
/* Prepares every statement that the connection uses; the schema is there by now. */
int postgres_prepare(struct backend_conn *c, struct err *err);
void postgres_disconnect(struct backend_conn *c);

/* A pipeline: what is queued goes out together, and its results come back together. A statement
 * that fails keeps those behind it from running. */
int postgres_queue(struct backend_conn *c, enum sql id, const struct params *p, struct err *err);
/* Waits for all of it. The results are the connection's until the next pipeline. When one failed:
 * its code, and *at (or NULL) which one. The session may be lost by then. */
int postgres_sync(struct backend_conn *c, size_t *at, struct err *err);
/* The same in two halves. More may be queued between them, and be dispatched as a pipeline of its
 * own, which is answered later: *over is false when wake_fd (-1: none) became readable before the
 * oldest one was answered; what has come of it is kept. */
int postgres_dispatch(struct backend_conn *c, struct err *err);
int postgres_await(struct backend_conn *c, int wake_fd, bool *over, size_t *at, struct err *err);
/* One statement alone. */
int postgres_run(struct backend_conn *c, enum sql id, const struct params *p, PGresult **out,
                 struct err *err);
/* SQL without parameters, `@` as in schema.h, perhaps several statements; *out (or NULL): the last
 * one's result, which the caller clears. */
int postgres_exec(struct backend_conn *c, const char *sql, PGresult **out, struct err *err);
/* The same without waiting: sent, and whether all of the answer is there. */
int postgres_send(struct backend_conn *c, const char *sql, struct err *err);
int postgres_answered(struct backend_conn *c, bool *over, struct err *err);
/* After a failure within a transaction: it is over. */
void postgres_rollback(struct backend_conn *c);
/* Whether the last pipeline failed at the fence. */
bool postgres_fenced(const struct backend_conn *c);

static inline bool row_null(const PGresult *r, int row, int column) {
    return PQgetisnull(r, row, column) != 0;
}
uint64_t row_u64(const PGresult *r, int row, int column); /* int8, int4 or int2; NULL: 0 */
bool row_bool(const PGresult *r, int row, int column);
struct str row_str(const PGresult *r, int row, int column);          /* NULL: empty */
const struct uuid *row_uuid(const PGresult *r, int row, int column); /* NULL: NULL */

/* --- postgres.c, snapshot.c, verify.c, import.c: see struct backend ------------------------ */

/* Not connected; it owns what the place has. postgres_close_conn frees it. */
struct backend_conn *postgres_conn_create(const struct postgres_place *place);
void postgres_close_conn(struct backend_conn *c);
int postgres_open_snapshot(struct backend_conn **out, const char *path, struct err *err);
/* Whether it follows another one, and takes no writes. */
int postgres_is_replica(struct backend_conn *c, bool *out, struct err *err);
int postgres_check_free(struct backend_conn *snapshot, struct err *err);
int postgres_list_versions(struct backend_conn *snapshot, uint64_t stream, uint64_t from,
                           size_t count_max, struct version_list *out, struct err *err);
int postgres_expect_streams(struct backend_conn *snapshot, const struct stream_list *streams,
                            struct err *err);
int postgres_verify(struct backend_conn *snapshot, struct verify *v, struct err *err);
int postgres_finish_import(struct backend_conn *w, const struct store_state *state,
                           const struct timelines *timelines, struct err *err);

/* --- ahead.c: answers that are here before they are asked for ------------------------------- */

/* What SQL_STREAM_BY_NAME says; NULL: it has to be asked for. Valid until streams are expected. */
const PGresult *postgres_ahead_head(struct backend_conn *c, struct str name);
/* The first versions that were not trimmed, with their sequences; *all: there are no more. */
const PGresult *postgres_ahead_versions(struct backend_conn *c, uint64_t stream, bool *all);
void postgres_ahead_forget(struct backend_conn *c);

/* --- open.c: creating, migrating, taking over --------------------------------------------- */

/* Whether the schema is there, and of which version its store is; 0: there is none. */
int postgres_look(struct backend_conn *c, bool *schema_there, int *version, struct err *err);

/* On a fresh session of the writer: the schema is made if need be, the lock is taken. */
int postgres_migrate(struct backend_conn *w, struct err *err);
int postgres_lock(struct backend_conn *w, struct err *err);
int postgres_take_over(struct backend_conn *w, struct err *err);
/* A start that is refused takes that back, with the lock still held, unless it has committed
 * anything: a server whose session was lost for a moment goes on as if nobody had been there. */
void postgres_give_back(struct backend_conn *w);

/* --- state.c: what the writer says of itself ------------------------------------------------ */

void postgres_state_of_row(const PGresult *r, struct postgres_state *out);
int postgres_read_state(struct backend_conn *w, struct postgres_state *out, struct err *err);
/* A session, and the state again if a failed transaction left it in doubt. ERR_REFUSED: another
 * server has taken over. */
int postgres_refresh(struct backend_conn *w, struct err *err);
/* Of a statement that changes the row of `store` only if it is ours: its first parameters. */
void postgres_param_ours(struct backend_conn *w, struct params *p);
/* Runs such a statement. */
int postgres_run_ours(struct backend_conn *w, enum sql id, const struct params *p, struct err *err);
/* The store is not as this server left it. */
int postgres_replaced(struct backend_conn *w, struct err *err);
/* A transaction of the writer, fenced. */
int postgres_begin(struct backend_conn *w, struct err *err);
int postgres_load_state(struct backend_conn *w, struct store_state *out, struct err *err);
int postgres_load_timelines(struct backend_conn *w, struct timelines *out, struct err *err);
int postgres_set_left(struct backend_conn *w, enum store_left left, struct err *err);
int postgres_set_run(struct backend_conn *w, uint32_t run, struct err *err);
int postgres_adopt(struct backend_conn *w, const struct uuid *store_id, uint64_t id_key,
                   struct err *err);
int postgres_probe(struct backend_conn *w, struct err *err);
int postgres_check(struct backend_conn *w, struct err *err);
int postgres_beat(struct backend_conn *r, struct err *err);

/* --- apply.c, types.c, write.c, groups.c, named.c: writing ----------------------------------- */

int postgres_apply(struct backend_conn *w, struct batch *const batches[], size_t n,
                   struct err *err);
int postgres_apply_begin(struct backend_conn *w, struct batch *const batches[], size_t n,
                         bool *begun, struct err *err);
int postgres_apply_end(struct backend_conn *w, int wake_fd, bool *over, struct err *err);
/* Where the store stands when all that is under way is committed. */
static inline const struct postgres_state *postgres_last(const struct postgres_writer *w) {
    return w->flight_count > 0 ? &w->flights[w->flight_count - 1].after : &w->state;
}
void postgres_apply_forget(struct postgres_writer *w); /* caches that a failed transaction spoilt */
void postgres_apply_free(struct postgres_writer *w);
void postgres_types_forget(struct postgres_writer *w);
/* Numbers for the types of the rows, categories for those that have none yet. LATER: it would have
 * to ask the database, and may not. */
#define LATER 1
int postgres_find_types(struct backend_conn *w, struct err *err);
/* Queues what of these is new. */
int postgres_write_types(struct backend_conn *w, struct err *err);
/* Queues what w->changes says. base: the first sequence of this apply. */
int postgres_write_changes(struct backend_conn *w, uint64_t base, struct err *err);
int postgres_write_events(struct backend_conn *w, struct err *err);
int postgres_write_groups(struct backend_conn *w, struct err *err);
int postgres_write_named(struct backend_conn *w, struct err *err);
int postgres_write_idempotent(struct backend_conn *w, struct err *err);
void postgres_idempotent_forget(struct postgres_writer *w);
int postgres_prune(struct backend_conn *w, bool all, bool *more, struct err *err);

/* What rows of the apply under way are marked with: no other apply has it, and later ones more. */
static inline uint64_t postgres_frame(const struct postgres_writer *w) {
    return postgres_last(w)->s.applied + 1;
}

/* Arrays for the next statement; and the statement with n of them, if there is a row. */
struct array *postgres_arrays(struct backend_conn *w, const enum array_type *types, size_t n);
int postgres_queue_arrays(struct backend_conn *w, enum sql id, size_t n, struct err *err);
#define ARRAYS(w, ...)                                                                             \
    postgres_arrays(w, (const enum array_type[]){__VA_ARGS__},                                     \
                    sizeof((const enum array_type[]){__VA_ARGS__}) / sizeof(enum array_type))

/* --- text.c: what views show ------------------------------------------------------------------ */

enum { SHOWN_TEXT = 1, SHOWN_JSON = 2, SHOWN_METADATA = 4, SHOWN_AGGREGATE = 8 };
/* Whether it can be of PostgreSQL's type text: UTF-8 without NUL. */
bool postgres_is_text(struct str s);
/* Whether it can be of the type jsonb. */
bool postgres_is_jsonb(struct str s);
/* Text as it is; other bytes as encode(…, 'escape') has them. In `room` if need be. */
struct str postgres_label(struct str name, struct buf *room);

/* --- maintain.c ------------------------------------------------------------------------------- */

int postgres_maintain(struct backend_conn *w, bool all, bool *more, struct err *err);

/* --- house.c: what takes long, in a thread of its own -------------------------------------------
 */

struct postgres_house *postgres_house_create(void);
void postgres_house_free(struct postgres_house *h);
int postgres_keep_house(struct backend_conn *w, struct err *err);

/* --- cancel.c: statements of sessions that were given up ---------------------------------------
 */

struct postgres_canceller *postgres_canceller_create(void);
/* Does not wait for what is under way, which ends by itself. */
void postgres_canceller_let_go(struct postgres_canceller *c);
/* The statement of a session that is given up is to be cancelled. Any thread, and none waits; it
 * takes `cancel` (NULL: nothing). */
void postgres_give_up(struct backend_conn *w, PGcancel *cancel);

/* --- read.c, scan.c, heads.c: reading ----------------------------------------------------------
 */

/* A snapshot: what is queued between begin and end sees the store at one moment. */
struct snapshot {
    struct postgres_state state; /* after the first postgres_ask */
    bool known;
    uint64_t at_least; /* frame: older is a database that lacks what was acknowledged */
};
int postgres_snapshot_begin(struct backend_conn *r, struct snapshot *s, struct err *err);
/* Sends what is queued. The result of the i-th statement since the last ask: c->results[i]. */
int postgres_ask(struct backend_conn *r, struct snapshot *s, struct err *err);
int postgres_query(struct backend_conn *r, struct snapshot *s, enum sql id, const struct params *p,
                   PGresult **out, struct err *err);
/* The last question: the snapshot ends with it, without a round trip of its own. */
int postgres_query_last(struct backend_conn *r, struct snapshot *s, enum sql id,
                        const struct params *p, PGresult **out, struct err *err);
void postgres_snapshot_end(struct backend_conn *r);
/* The event of a row of the statements of events. */
int postgres_event_of_row(struct backend_conn *r, const PGresult *rows, int row,
                          struct stream_name *name, struct event **out, struct err *err);
/* The stream of such a row, or of one with STREAM_COLUMNS at `at`; NULL: it makes no sense. */
struct stream_name *postgres_stream_of_row(const PGresult *rows, int row, int number, int name,
                                           int created, int key, int kind);
void postgres_reader_free(struct postgres_reader *r);
/* The types that a selector means: r->type_set. */
int postgres_types_resolve(struct backend_conn *r, struct snapshot *s,
                           const struct selector *selector, struct err *err);

int postgres_read_events(struct backend_conn *r, const struct read_range *range, struct page *out,
                         struct err *err);
int postgres_read_head(struct backend_conn *r, struct str name, struct stream_head *out,
                       uint64_t *applied, struct err *err);
int postgres_find_entry(struct backend_conn *r, uint64_t stream, uint64_t from, struct entry_id at,
                        uint64_t *version, uint64_t *applied, struct err *err);
int postgres_read_id(struct backend_conn *r, const struct uuid *id, struct event **out,
                     uint64_t *applied, struct err *err);
int postgres_list_ids(struct backend_conn *r, const struct uuid *from, size_t count_max,
                      struct id_list *out, struct err *err);
int postgres_count_groups(struct backend_conn *r, struct str name, uint64_t *count,
                          uint64_t *applied, struct err *err);
int postgres_count_streams(struct backend_conn *r, uint64_t from, const struct selector *selector,
                           size_t examined_max, struct page *out, struct err *err);
int postgres_list_streams(struct backend_conn *r, uint64_t from, struct str pattern,
                          struct str category, size_t count_max, size_t examined_max,
                          struct stream_list *out, struct err *err);
int postgres_list_reserved(struct backend_conn *w, size_t count_max, struct stream_list *out,
                           struct err *err);
int postgres_list_expiring(struct backend_conn *r, uint64_t until, size_t count_max,
                           struct stream_list *out, struct err *err);
int postgres_read_named(struct backend_conn *r, enum named_class class, struct str name,
                        struct str *value, uint64_t *applied, struct err *err);
int postgres_list_named(struct backend_conn *r, enum named_class class, uint64_t from,
                        size_t count_max, struct named_list *out, struct err *err);

#endif
