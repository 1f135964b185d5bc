/* A backend: where everything ends up, indexed and readable. A table of blocking functions,
 * called only from the thread that opened the connection; it knows nothing of loop, cache,
 * journal or protocol. One writer connection (the applier's), several readers. One apply()
 * is one transaction. A backend never calls exit and never logs above verbose.
 *
 * Every read sees one snapshot and reports the applied frame number of that snapshot. */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "base/base.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "record/batch.h"
#include "record/event.h"
#include "record/record.h"
#include "record/timeline.h"
#include "store/selector.h"
#include "store/verify.h"

/* How a store was left, when nobody writes to it: by a clean stop, or by whoever has it open. It
 * says whether something that was acknowledged may be missing at the next start. */
enum store_left {
    LEFT_CLOSED,
    LEFT_BACKUP,    /* by BACKUP: it is a copy that no server has run on */
    LEFT_UNSURE,    /* closed, and something that was acknowledged may be missing */
    LEFT_BACKEND,   /* open, by a server with that durability */
    LEFT_JOURNAL,   /* the same: a journal may hold frames beyond `applied` */
    LEFT_INTERVAL,  /* the same; what it does not hold may have been acknowledged */
    LEFT_MIGRATING, /* the unfinished target of `cairn migrate`. Its events may have gaps: those of
                       the source that are gone */
};
static inline bool left_with_journal(enum store_left left) {
    return left == LEFT_JOURNAL || left == LEFT_INTERVAL;
}

/* What the loop needs to go on where the store stands. */
struct store_state {
    struct uuid store_id;
    uint64_t epoch;
    uint64_t applied;             /* last applied frame; 0: none. Frames are numbered from 1 */
    uint64_t next_sequence;       /* = number of events ever (since the last FLUSH) */
    uint64_t next_stream;         /* next stream number */
    uint64_t stream_count;        /* streams (and strings) that exist */
    uint64_t next_group;          /* next number of a consumer group */
    uint64_t virtual_groups;      /* groups of virtual streams */
    uint64_t next_deadline;       /* ms: when the first stream expires; 0: none does */
    uint64_t expiring_count;      /* streams that have a deadline */
    uint64_t recorded;            /* highest `recorded` */
    uint64_t entry_ms, entry_seq; /* highest server-made entry id, 0-0 at first */
    uint64_t id_key;              /* 46 bits, see event_id_make */
    uint32_t run;         /* a random number that names the server that wrote last; 0: not known */
    bool journal_open;    /* a journal may hold frames beyond `applied` (docs/design.md, rule 7) */
    enum store_left left; /* with a journal, and that was given up: journal_open is false */
};

/* A stream as the backend has it. Owned by the caller: stream_head_clear. */
struct stream_head {
    bool exists;
    enum stream_kind kind;
    uint64_t number, created;
    uint64_t next_version;
    uint64_t entry_ms, entry_seq; /* last generated entry id; 0-0 when none */
    uint64_t recorded;            /* of the last event; 0 when it is gone */
    struct stream_detail *detail; /* NULL: a stream of which nothing but events is known */
};

/* What only some streams have; see stream_state_record. */
struct stream_detail {
    uint64_t first_version;
    struct entry_id deleted;
    uint64_t entries_added; /* as of next_version */
    uint64_t expires;
    uint32_t idempotent_seconds, idempotent_max;
    struct version_range *holes; /* ascending, apart, all at or beyond first_version */
    size_t hole_count;
    char *value; /* a string's; NULL: none */
    size_t value_len;
    struct group_image *groups; /* by number */
    size_t group_count;
    struct idempotent_record **idempotent; /* each allocated; by entry id: as they came */
    size_t idempotent_count;
};
/* Of each producer the newest of a stream's idempotent ids are kept, unless its state says
 * otherwise. */
#define IDEMPOTENT_MAX     10000
#define IDEMPOTENT_SECONDS (7 * 86400)
/* Ids that were added before that (ms) are out of a window of so many seconds and need not be kept.
 * `recorded`: the store's. It may be far ahead, after a step of the wall clock, by which ids are
 * added: the earlier of both counts. */
uint64_t idempotent_oldest(uint64_t recorded, uint64_t seconds);
/* Versions first..last, inclusive, that are gone. */
struct version_range {
    uint32_t first, last;
};
/* A consumer group with all that it has. */
struct group_image {
    struct group_record *record; /* allocated; its position is the current one */
    struct consumer_record **consumers;
    size_t consumer_count;
    struct pending_item *pending; /* by entry id; flags 0. (store_request gives them in another
                                     order: see STORE_READ_HEAD.) */
    size_t pending_count;
};
void stream_head_clear(struct stream_head *h);

/* A range of versions of a stream, or of sequences of the log. start <= end, inclusive, also
 * when reversed (then end comes first). */
struct read_range {
    uint64_t stream; /* number; 0: the log */
    uint64_t start, end;
    bool reverse;
    size_t count_max;                /* events */
    size_t bytes_max;                /* stop after the event that passes it; at least one event */
    size_t examined_max;             /* rows looked at (selectors); at least one */
    const struct selector *selector; /* NULL: every event */
    bool lean;   /* looks at an event's place, times, type, payload and flags only: a backend may
                    leave out what else it has */
    bool counts; /* wants no events, but how many there are (page.counted) */
    /* Of the log: streams whose name the asker knows better. Their events pass, as far as names go;
     * he judges them. Ascending numbers, his; those of several thousand should be any_name. */
    const uint64_t *renamed;
    size_t renamed_count;
    bool any_name; /* of every stream */
};
/* Whether the stream's name, as the backend has it, does not count. */
bool range_ignores_name(const struct read_range *r, uint64_t stream);

/* What a read found, in the order asked for. Owned by the caller: page_clear. */
struct page {
    struct event **events; /* each one reference */
    size_t count, cap;
    size_t bytes;
    uint64_t counted;                 /* read_range.counts */
    uint64_t passed, passed_recorded; /* of the log: an event that was looked at, the last of some,
                                         and when it was recorded (0: none was) */
    uint64_t applied;                 /* of the snapshot */
    uint64_t
        next;  /* first position (version or sequence) not looked at; when `done`, past the range */
    bool done; /* the whole range (as far as the snapshot has it) was looked at */
};
void page_init(struct page *p);
void page_add(struct page *p, struct event *e); /* takes the reference */
void page_clear(struct page *p);

struct stream_list {
    struct stream_name **names; /* one reference each, ascending numbers */
    uint64_t *expires;          /* of each, ms since 1970; 0: never */
    size_t count, cap;
    size_t bytes, bytes_max; /* what they take; where list_streams ends. 0: no limit */
    uint64_t applied;
    uint64_t next; /* next number to ask from */
    bool done;     /* no streams at or beyond `next` in the snapshot */
};
void stream_list_init(struct stream_list *l);
static inline bool stream_list_full(const struct stream_list *l, size_t count_max) {
    return l->count >= MAX(count_max, (size_t)1) || (l->bytes_max > 0 && l->bytes > l->bytes_max);
}
/* Takes the reference. */
void stream_list_add(struct stream_list *l, struct stream_name *n, uint64_t expires);
void stream_list_clear(struct stream_list *l);

struct id_list {
    struct uuid *ids; /* in any order, perhaps some twice */
    size_t count, cap;
    struct uuid next; /* to go on from, unless done */
    bool done;
};
void id_list_add(struct id_list *l, const struct uuid *id);
void id_list_clear(struct id_list *l);

/* Things with names of their own (RECORD_NAMED), of one class. */
struct named_item {
    uint64_t number;        /* the backend's: a name keeps its number as long as it is there */
    struct str name, value; /* in one block, which begins with the name */
};
struct named_list {
    struct named_item *items; /* ascending numbers */
    size_t count, cap;
    size_t bytes;
    uint64_t applied;
    uint64_t next; /* number to go on from, unless done */
    bool done;
};
void named_list_add(struct named_list *l, uint64_t number, struct str name, struct str value);
void named_list_clear(struct named_list *l);

/* Versions of a stream that are there, ascending, and the sequences of their events. The caller's:
 * cleared with free(). */
struct version_list {
    struct version_place {
        uint64_t version, sequence;
    } * items;
    size_t count, cap;
    bool done; /* there are no more */
};

struct backend_conn; /* the backend's own */

struct backend_stats {                  /* filled by the writer; for INFO */
    uint64_t index_tail;                /* index entries not yet merged */
    uint64_t indexed;                   /* sequence up to which the index is on disk */
    uint64_t database_bytes, log_bytes; /* file and WAL */
};

/* progress(done, total, arg): pages of a backup; returns false to stop it. */
typedef bool backup_progress_fn(uint64_t done, uint64_t total, void *arg);

struct backend {
    const char *scheme; /* "sqlite" in sqlite:PATH */
    bool durable;       /* false: memory:; no journal, no lock */
    bool remote;        /* the path is no file's: the backend has a lock of its own */

    /* Whether `path` can name a store: before anything is made beside it. ERR_REFUSED: it means
     * something else to the backend, or is no plain file. */
    int (*check_path)(const char *path, struct err *err);

    /* Opens (and creates or migrates) the store for writing: the applier's connection. Raises
     * the epoch in the same transaction that reads it. ERR_REFUSED: newer schema; ERR_CORRUPT. */
    int (*open_writer)(struct backend_conn **out, const char *path, struct err *err);
    /* The start is refused, and the writer closed next: what open_writer did is taken back, so that
     * a server that has only lost its connection can go on. NULL: nobody can. */
    void (*give_back)(struct backend_conn *w);
    /* A reading connection to the same store. Call from the thread that will use it.
     * The writer outlives its readers. */
    int (*open_reader)(struct backend_conn **out, struct backend_conn *writer, struct err *err);
    void (*close)(struct backend_conn *c);

    /* Writer only. The two may be called from any one thread at a time. */
    int (*load_state)(struct backend_conn *w, struct store_state *out, struct err *err);
    /* The store's timelines, oldest first; at least one. out: empty; the caller clears it. */
    int (*load_timelines)(struct backend_conn *w, struct timelines *out, struct err *err);
    /* Durably notes how the store is left if nobody writes to it any more, and with that whether a
     * journal may hold frames that the backend has not got. */
    int (*set_left)(struct backend_conn *w, enum store_left left, struct err *err);
    /* Durably notes which run of a server writes from now on. */
    int (*set_run)(struct backend_conn *w, uint32_t run, struct err *err);
    /* A store without any frame becomes the one whose journal is to be replayed from frame 1. */
    int (*adopt)(struct backend_conn *w, const struct uuid *store_id, uint64_t id_key,
                 struct err *err);
    /* Commits something durably, to see whether the disk works (again). */
    int (*probe)(struct backend_conn *w, struct err *err);
    /* Whether the store is still where it was opened, and what this connection wrote last.
     * ERR_REFUSED: another has taken over.
     * ERR_LOST: it was removed, replaced or written over; it may come back. apply, maintain, probe
     * and set_left look as well, and change nothing then. */
    int (*check)(struct backend_conn *w, struct err *err);
    /* Of a reader's connection: whether the database knows this server as the one that writes, now.
     * ERR_REFUSED: another has taken over. Whatever else fails does not say. NULL: nobody can. */
    int (*beat)(struct backend_conn *r, struct err *err);
    /* Any thread; the store is being closed, and the database may hang. From then on readers wait
     * for it no longer than so many ms, and the writer: ERR_BUSY. May be called again. NULL: the
     * backend waits for nobody. */
    void (*hurry)(struct backend_conn *w, uint64_t readers_ms, uint64_t writer_ms);
    /* About once a second, by one thread of its own (until the writer is closed): what takes long
     * and has a connection of its own. It looks how far that is, and goes on. NULL: nothing. */
    int (*keep_house)(struct backend_conn *w, struct err *err);
    /* Applies the batches' frames in order in ONE synced transaction, and the number of the last
     * frame as applied. Frames at or below applied are an assertion. Checks the epoch:
     * ERR_REFUSED when another has taken over. ERR_BUSY/ERR_IO: nothing was applied; try again.
     * ERR_UNKNOWN: they may have been applied; the next apply, which must be of the same batches,
     * finds out.
     * What is removed is hidden at once; its rows go in maintain(). */
    int (*apply)(struct backend_conn *w, struct batch *const batches[], size_t n, struct err *err);
    /* The same without waiting, so that the next ones are on their way while the first are
     * committed. Each is applied in a transaction of its own, or not at all, and only if all that
     * were begun before it are. *begun is false, and nothing has happened, when these cannot be
     * begun, or not now: they are for apply, when the others are over. NULL: the backend has one
     * apply at a time. */
    int (*apply_begin)(struct backend_conn *w, struct batch *const batches[], size_t n, bool *begun,
                       struct err *err);
    /* Waits until the oldest that was begun is applied (*over), or wake_fd (-1: none) is readable.
     * When this, or apply_begin, fails, nothing is under way any more: apply each of those that
     * were begun and are not over, in their order, with apply, which finds out what became of them.
     * ERR_UNKNOWN, ERR_BUSY and so on as of apply. But for these three nothing of the writer's may
     * be called while something is under way. */
    int (*apply_end)(struct backend_conn *w, int wake_fd, bool *over, struct err *err);
    /* One bounded slice (some 10 ms) of deferred work (bulk index merge, freeing, checkpoints).
     * all: finish everything that is pending regardless of thresholds (clean shutdown, idle).
     * *more: there is more to do. Called between applies. */
    int (*maintain)(struct backend_conn *w, bool all, bool *more, struct err *err);
    void (*stats)(struct backend_conn *w, struct backend_stats *out); /* any thread */

    /* Readers. */
    int (*read_head)(struct backend_conn *r, struct str name, struct stream_head *out,
                     uint64_t *applied, struct err *err);
    /* How many groups the virtual stream of that name has, without reading what they have: 0 when
     * there is none. */
    int (*count_groups)(struct backend_conn *r, struct str name, uint64_t *count, uint64_t *applied,
                        struct err *err);
    /* Events that were removed are not among them; erased ones are (EVENT_ERASED). */
    int (*read_events)(struct backend_conn *r, const struct read_range *range, struct page *out,
                       struct err *err);
    /* Counts the events of streams (but of strings) with number >= from whose names pass (NULL: of
     * all), looking at about examined_max of them: page.counted; next and done are about their
     * numbers. What a stream is called and has it knows, without looking at its events. */
    int (*count_streams)(struct backend_conn *r, uint64_t from, const struct selector *selector,
                         size_t examined_max, struct page *out, struct err *err);
    /* The first event of the stream, of those with version >= from, whose entry id is not below
     * `at`: *version, or UINT64_MAX when there is none in the snapshot. */
    int (*find_entry)(struct backend_conn *r, uint64_t stream, uint64_t from, struct entry_id at,
                      uint64_t *version, uint64_t *applied, struct err *err);
    /* Streams that expire at or before `until` (ms), earliest first, up to count_max; out->next,
     * when they are all: the first deadline after that, 0 when there is none. */
    int (*list_expiring)(struct backend_conn *r, uint64_t until, size_t count_max,
                         struct stream_list *out, struct err *err);
    /* The event with this id (client-made through the index, server-made through its sequence);
     * *out NULL when there is none. */
    int (*read_id)(struct backend_conn *r, const struct uuid *id, struct event **out,
                   uint64_t *applied, struct err *err);
    /* Client-made ids from `from` on, in order of their bytes: about count_max of them. Ids that
     * were applied before the first of a walk's reads are found by it, whatever is applied
     * meanwhile. out: empty; the caller clears it. */
    int (*list_ids)(struct backend_conn *r, const struct uuid *from, size_t count_max,
                    struct id_list *out, struct err *err);
    /* Streams with number >= from whose name matches pattern (len 0: all) and category (len 0:
     * all), up to count_max found and examined_max looked at, and until out->bytes_max is passed.
     */
    int (*list_streams)(struct backend_conn *r, uint64_t from, struct str pattern,
                        struct str category, size_t count_max, size_t examined_max,
                        struct stream_list *out, struct err *err);
    /* What has that name: *value in one block, which is the caller's; ptr NULL: nothing. */
    int (*read_named)(struct backend_conn *r, enum named_class class, struct str name,
                      struct str *value, uint64_t *applied, struct err *err);
    /* All of a class with number >= from, up to count_max. out: empty; the caller clears it. */
    int (*list_named)(struct backend_conn *r, enum named_class class, uint64_t from,
                      size_t count_max, struct named_list *out, struct err *err);
    /* Writer only. Streams and strings, but no virtual ones, whose names begin with '@' (older
     * servers allowed that), up to count_max. */
    int (*list_reserved)(struct backend_conn *w, size_t count_max, struct stream_list *out,
                         struct err *err);
    /* A consistent copy as of one snapshot, as LEFT_BACKUP and under a new store id, in the
     * caller's file (empty, or not there yet): the caller syncs it, and removes it when the
     * copy fails, with what SQLite keeps beside it. */
    int (*backup)(struct backend_conn *r, const char *path, backup_progress_fn *progress, void *arg,
                  struct err *err);

    /* Without a server. A backend that has not got the first cannot be looked at. */

    /* A connection to the store as it is at this moment, until it is closed, whether a server has
     * it open or not: it writes nothing, and keeps nobody from writing. load_state and
     * load_timelines work on it, and all that readers do. ERR_REFUSED: there is no store of this
     * version. */
    int (*open_snapshot)(struct backend_conn **out, const char *path, struct err *err);
    /* Of a snapshot of a remote backend: ERR_REFUSED when a server has the store open just now. */
    int (*check_free)(struct backend_conn *s, struct err *err);
    /* Of a snapshot: the next versions of a stream, from `from` on, up to about count_max. Replaces
     * what is in out. */
    int (*list_versions)(struct backend_conn *s, uint64_t stream, uint64_t from, size_t count_max,
                         struct version_list *out, struct err *err);
    /* Of a snapshot: of these streams, in this order, read_head will be asked for, and then
     * list_versions from first_version on: so that it need not wait for each. NULL: it is quick
     * anyway. */
    int (*expect_streams)(struct backend_conn *s, const struct stream_list *streams,
                          struct err *err);
    /* Of a snapshot: whether what only the backend knows of agrees (indexes, counters, rows that
     * nothing leads to). Tells v. */
    int (*verify)(struct backend_conn *s, struct verify *v, struct err *err);
    /* Writer only, without readers, of a store that is LEFT_MIGRATING: in one durable transaction
     * it becomes what `state` says (but stream_count and what follows from the rows), with these
     * timelines, without NAMED_MIGRATION, and LEFT_CLOSED. Its epoch and frame do not go back.
     * Nothing but close() may follow. */
    int (*finish_import)(struct backend_conn *w, const struct store_state *state,
                         const struct timelines *timelines, struct err *err);
};

extern const struct backend backend_sqlite, backend_memory;
#ifndef WITHOUT_POSTGRES
extern const struct backend backend_postgres;
#endif

/* "sqlite:PATH", "postgres://..." or "memory:" -> its backend and path (points into url). NULL:
 * unknown scheme. */
const struct backend *backend_find(const char *url, const char **path);
#define BACKEND_WORDS "sqlite:PATH, postgres://USER@HOST/DATABASE or memory:"
/* Where its parameters begin: at the '?' that is no part of a password. NULL: it has none. */
const char *backend_url_query(const char *url);
/* What people may see of it: *** stands for a password, behind the user or as a parameter. */
void backend_show(const char *url, char *out, size_t size);

#endif
