/* The store as the loop sees it: hand over batches of frames, hear when they are durable and
 * applied, ask for what is not in memory. All functions are the loop thread's; none waits for a
 * disk, except open and close.
 *
 *   loop --store_submit--> journal thread --> applier thread --> backend
 *        <-- store_poll: callbacks durable(batch), applied(frame), voided, resumed; request->done
 *
 * A failed disk: the journal thread first writes the unsynced frames again to a new segment. If
 * that fails too, `voided` is called: every frame newer than store_durable() is void, its batches
 * are gone when the callback returns, and nothing may be submitted until `resumed`.
 *
 * A database that is elsewhere and does not answer: see outage.c. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/list.h"
#include "store/backend.h"

enum durability { DURABILITY_JOURNAL, DURABILITY_BACKEND, DURABILITY_INTERVAL };

struct store_config {
    const char *url; /* sqlite:PATH or memory: */
    enum durability durability;
    uint64_t interval_ms;        /* DURABILITY_INTERVAL: how often the journal is synced */
    const char *journal_dir;     /* of a store elsewhere; NULL, "": no journal there */
    uint64_t segment_bytes;      /* of the journal */
    uint64_t lease_ms;           /* of a store elsewhere; 0: none. See store_check_lease */
    uint64_t apply_delay_ms;     /* how long frames may wait to share a backend transaction */
    uint64_t apply_bytes;        /* ... unless as many bytes wait */
    uint64_t apply_urgent_bytes; /* above it the applier competes for the processor */
    uint64_t disk_free_min;      /* bytes; 0: not watched */
    const char *backup_dir;      /* backups stay in it; NULL, "": the directory of the store */
    unsigned reader_count;
    bool new_timeline; /* the operator knows that the files are a copy */
    bool
        fill; /* an empty store elsewhere becomes the one whose journal is there, from frame 1 on */
};

struct store_callbacks {
    void (*durable)(struct batch *b,
                    void *arg); /* each batch, in order; b->gated is the caller's */
    void (*applied)(uint64_t frame, void *arg);
    void (*voided)(const char *why, void *arg);
    void (*resumed)(void *arg); /* one of what made writes impossible is over: ask store_writable */
    /* The backend could not be written, once more (store_stats.apply_retries); it is tried again.
     */
    void (*apply_failed)(void *arg);
    void *arg;
    /* Of a store elsewhere only. Nothing was committed for too long: whoever waits for what is not
     * durable should be told that the outcome is not known. Everything decided has to be submitted
     * when it returns; then nothing may be until `resumed`. No batch is void: they become durable
     * later, and when all of them are `resumed` is called; or `voided` is. */
    void (*outage)(const char *why, void *arg);
    /* The same for as long as the database has not said that this server is the one that writes,
     * but that whoever waits goes on waiting. */
    void (*lapsed)(const char *why, void *arg);
    /* Another server writes to the store: nothing of this one's becomes durable any more. The
     * process has to end. */
    void (*replaced)(const char *why, void *arg);
};

struct store;

/* The locks of a store in files, without opening it: no server opens it meanwhile. ERR_REFUSED: one
 * has it open. Any thread; no store has to be there. */
struct store_hold {
    int lock_fd, journal_fd; /* -1: none. The journal's directory, if there is one */
};
int store_hold(struct store_hold *h, const char *path, struct err *err);
bool store_hold_has_journal(const struct store_hold *h);
void store_let_go(struct store_hold *h);

/* Locks, opens, recovers: what the journal holds is applied when it returns. No threads yet.
 * ERR_REFUSED, ERR_CORRUPT, ERR_IO with a text for the operator. */
int store_open(struct store **out, const struct store_config *config, struct err *err);
const struct store_state *store_state(const struct store *s); /* as of open, and of start */
const struct timelines *store_timelines(const struct store *s);
/* The views, as of open. Moves them to *out, which the caller clears. */
void store_take_views(struct store *s, struct named_list *out);
/* As of open: streams and strings whose names begin with '@'. Not `done`: there are more. */
const struct stream_list *store_reserved_names(const struct store *s);
/* Begins the journal, and a new timeline if there is a reason (a frame), and starts the threads. */
int store_start(struct store *s, const struct store_callbacks *callbacks, struct err *err);
/* Readable when store_poll has something to do. */
int store_fd(const struct store *s);
void store_poll(struct store *s);

/* Takes the batch (closed; at least one frame). */
void store_submit(struct store *s, struct batch *b);
/* Whether a batch handed over now is written at once. slots: how many syncs, or transactions, may
 * be under way at a time. */
bool store_idle(const struct store *s, unsigned slots);
/* How many there can be: the journal's threads, or transactions of the backend. */
unsigned store_sync_slots(const struct store *s);
/* How many transactions the backend takes, one after the other; 1: with a journal, too. Any thread.
 */
#define STORE_FLIGHTS 2
unsigned store_flights(const struct store *s);
/* Once in a while: an outage begins when something has waited for after_ms (0: never) and nothing
 * was committed meanwhile. now_us: monotonic. Reads wait as long for such a database. */
void store_check_outage(struct store *s, uint64_t now_us, uint64_t after_ms);
bool store_in_outage(const struct store *s);
/* NULL, or why a database elsewhere, with a journal in front of it, is not to be waited for: it has
 * taken nothing for after_ms. Writes go on. */
const char *store_away(const struct store *s);
/* Once in a while: when the database has not confirmed for lease_ms (0: never mind) that nobody
 * else writes, nothing may be submitted until it has. now_us: monotonic. */
void store_check_lease(struct store *s, uint64_t now_us, uint64_t lease_ms);
/* Whether that is so at this moment: what is in memory may be of before another server wrote. */
bool store_lease_lapsed(const struct store *s, uint64_t now_us);
const char *store_lease_words(const struct store *s); /* held, lapsed or none */
/* Writes are possible (not voided, no outage, the lease is held, not replaced). */
bool store_writable(const struct store *s);
/* NULL, or why writes must be refused now (disk-free-min). Valid until the next call of one of the
 * two. */
const char *store_refusal(struct store *s);
/* NULL, or what has happened to the store's files: removed, replaced, written over. Then
 * nothing may be written; what is acknowledged stays in the journal, or is applied when it is the
 * journal that is gone. */
const char *store_lost(struct store *s);
/* The same when nothing is applied for that reason, so that nobody should wait for it. */
const char *store_stuck(struct store *s);

uint64_t store_durable(const struct store *s); /* as of the last poll */
uint64_t store_applied(const struct store *s);
/* How often the backend could not be written, and the last reason (until the next call). */
uint64_t store_apply_failures(const struct store *s);
const char *store_apply_error(struct store *s);
/* The largest frame (bytes of its records in the journal) that can be stored. */
size_t store_frame_max(const struct store *s);
const char *store_frame_bound(const struct store *s); /* what says so, in words */
/* Memory of batches that are not applied yet, and journal bytes not yet reusable. */
size_t store_pinned_bytes(const struct store *s);
uint64_t store_journal_bytes(const struct store *s);
/* The batches of all frames beyond the floor (store_floor), oldest first (struct batch.node). */
struct list *store_batches(struct store *s);
/* Asks for everything so far to be applied without delay (ESYNC, BACKUP). */
void store_flush(struct store *s);
/* The same of what will be submitted, up to the frame. */
void store_flush_up_to(struct store *s, uint64_t frame);
/* Settable at run time. */
void store_set_disk_free_min(struct store *s, uint64_t bytes);
void store_set_interval(struct store *s, uint64_t ms);

enum store_request_kind {
    STORE_READ_HEAD, /* what groups have pending: first what has an owner, then the rest, as it was
                        handed back */
    STORE_COUNT_GROUPS,
    STORE_READ_EVENTS,
    STORE_COUNT_STREAMS,
    STORE_READ_ID,
    STORE_LIST_IDS,
    STORE_LIST_STREAMS,
    STORE_LIST_EXPIRING,
    STORE_FIND_ENTRY,
    STORE_READ_NAMED,
    STORE_LIST_NAMED,
    STORE_BACKUP,
};

/* A read by a reader thread. Embedded in the asker, who keeps it and everything that it points
 * to until done() has been called (on the loop), or it was taken back. */
struct store_request {
    enum store_request_kind kind;
    bool one_of_many;             /* of one asker: short ones of others go first */
    bool late;                    /* all others' go first, nearly: its asker may be gone */
    struct str name;              /* HEAD, COUNT_GROUPS: stream; BACKUP: a name in backup-dir,
                                     terminated; READ_NAMED */
    enum named_class class;       /* *_NAMED */
    struct read_range range;      /* EVENTS; COUNT_STREAMS: start, examined_max, selector;
                                     LIST_STREAMS: start, count_max, examined_max,
                                     bytes_max (0: none); FIND_ENTRY: stream, start;
                                     LIST_EXPIRING: end, count_max; LIST_IDS: count_max;
                                     LIST_NAMED: start, count_max */
    struct entry_id entry;        /* FIND_ENTRY */
    struct uuid id;               /* ID; LIST_IDS: from */
    struct str pattern, category; /* LIST_STREAMS */

    int status; /* 0 or negative; then err */
    struct err err;
    uint64_t applied;        /* of the snapshot */
    struct stream_head head; /* the asker clears it */
    uint64_t version;        /* FIND_ENTRY */
    uint64_t groups;         /* COUNT_GROUPS */
    struct page page;        /* the asker clears it */
    struct event *event;     /* ID: one reference or NULL */
    struct stream_list list; /* the asker clears it */
    struct id_list ids;      /* the asker clears it */
    struct str value;        /* READ_NAMED: the asker frees it. ptr NULL: nothing has that name */
    struct named_list named; /* the asker clears it */
    void (*done)(struct store_request *r);

    /* private: */
    struct list queued, outstanding;
    uint64_t applied_before;
    uint64_t asked_ms; /* monotonic; of a store elsewhere */
    bool waits;        /* for a reader; under the store's lock */
};

/* Readers take the short ones first, in bounds (readers.c). */
void store_request(struct store *s, struct store_request *r);
/* The asker does not want it any more. true: no reader has begun with it, and done() will not be
 * called; it has to be released. false: it takes its course. */
MUST_CHECK bool store_take_back(struct store *s, struct store_request *r);
/* From now on it is late, as far as no reader has begun with it. */
void store_make_late(struct store *s, struct store_request *r);
/* Whether there are more requests than readers: some are not begun with. */
bool store_reads_wait(const struct store *s);
bool store_has_idle_reader(const struct store *s);
/* Ends the pin that the request put on frames beyond the applied number at its start
 * (docs/design.md, rule 8). Each request that was asked must be released once, in or after its
 * done(), or when it was taken back. */
void store_release(struct store *s, struct store_request *r);
/* Whether a request that was asked has not been released (but for a backup, and the listing of
 * client-made ids). */
bool store_has_requests(const struct store *s);
/* Frames at or below it may leave memory: applied, and seen so by every unreleased request. */
uint64_t store_floor(const struct store *s);

struct store_stats {
    struct backend_stats backend;
    uint64_t journal_bytes, journal_segments, journal_syncs, journal_batches, journal_sync_us;
    unsigned journal_syncing; /* syncs under way */
    uint64_t journal_rewrites, journal_failures, apply_count, apply_retries, apply_us;
    uint64_t applies; /* under way, of those that the backend takes in turn */
    uint64_t reads, disk_free;
    uint64_t backup_done, backup_total;
    bool backup_running, apply_failing;
    char apply_error[512];
};
void store_read_stats(struct store *s, struct store_stats *out);

/* Whoever waits for a read is gone: reads of a database elsewhere that hang fail at once. To be
 * called shortly before the store is closed. */
void store_stop_reading(struct store *s);
/* Applies everything, seals the journal, closes. The loop no longer polls; requests are
 * dropped, without done(), but for a backup that was under way. Negative when something
 * could not be applied (it stays in the journal), or not even be stored (it is lost; err says which
 * frames). */
int store_close(struct store *s, struct err *err);

/* Whoever stops the store may lose patience while it applies. */
struct store_patience {
    int fd;                     /* readable: ask */
    bool (*is_over)(void *arg); /* true: what is not applied is left to the next start */
    void *arg;
};
/* As store_close; the calling thread asks meanwhile. STORE_LEFT: patience was over. All that was
 * submitted is in the journal, which is not sealed; the applier may still be at work, nothing is
 * closed, and the process must end at once. STORE_LEFT_FAILED: the same, but the journal does not
 * work, only what is durable is in there, and err says what is lost, if anything. Without a journal
 * (durability `backend`) there is nothing to leave anything in, and nobody is asked; of a database
 * elsewhere that hangs what is not durable is lost, when patience is over or after some seconds. */
#define STORE_LEFT        1
#define STORE_LEFT_FAILED 2
int store_close_patiently(struct store *s, const struct store_patience *patience, struct err *err);

#endif
