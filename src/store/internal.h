/* What store.c (the loop's side), applier.c (journal, applier, helper) and readers.c share. Nobody
 * else includes this. Under `lock`: everything in the block so marked. The watermarks are atomics
 * that only ever rise, except that a void lets the loop forget frames that were never durable. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/journal/journal.h"
#include "store/store.h"

/* Batches handed from thread to thread, linked by queue_next. */
struct batch_queue {
    struct batch *head, *tail;
    size_t bytes;
};

static inline void batch_queue_push(struct batch_queue *q, struct batch *b) {
    b->queue_next = NULL;
    if (q->tail != NULL)
        q->tail->queue_next = b;
    else
        q->head = b;
    q->tail = b;
    q->bytes += b->bytes;
}
static inline struct batch *batch_queue_pop(struct batch_queue *q) {
    struct batch *b = q->head;
    if (b == NULL) return NULL;
    q->head = b->queue_next;
    if (q->head == NULL) q->tail = NULL;
    q->bytes -= b->bytes;
    return b;
}

struct store {
    struct store_config config;
    char path[4096]; /* of a store that is no file's: what people may see of where it is */
    const struct backend *backend;
    struct backend_conn *writer;
    struct journal *journal; /* NULL: durability backend, or memory */
    struct store_state state;
    struct named_list views;    /* as of open, until store_take_views */
    uint32_t run;               /* of this server, if it comes to writing */
    struct timelines timelines; /* as of the start */
    struct {                    /* of the journal that was there at the start */
        bool sealed;            /* all that was acknowledged is in it or in the database */
        bool older; /* it ends before the database does, which was written to with another */
        bool later; /* the database was an older copy, or was missing */
    } found;
    enum timeline_reason timeline_reason; /* why one begins at this start; 0: none does */
    bool voided;                          /* frames were, in this run. The loop's */
    struct store_callbacks callbacks;
    int lock_fd, dir_lock_fd, event_fd, applier_fd; /* -1: not (yet) */
    bool started;

    /* The loop's alone. */
    struct list batches;         /* submitted, beyond the floor; oldest first */
    struct list *next_undurable; /* into batches: the first not yet reported durable */
    struct list *next_unapplied; /* and the first not yet reported applied */
    struct list outstanding;     /* requests not released, oldest first; not those that
                                    nothing is laid over */
    size_t unfinished;           /* requests whose done() has not been called */
    size_t pinned_bytes;         /* of batches not applied */
    unsigned in_flight;          /* batches submitted and not reported durable */
    uint64_t durable_seen, applied_seen, failures_seen;
    bool writable;
    bool outage; /* outage.c: clients are told, nothing more is decided */
    bool replaced_told;
    bool lapsed;                           /* lease.c's */
    uint64_t durable_at_us, applied_at_us; /* monotonic: when something was last; outage.c's */
    char away_why[256]; /* empty: the database takes what is in the journal; outage.c's */
    char refusal[512];
    struct stream_list reserved; /* as of open */

    /* Written by threads, read by all. */
    _Atomic uint64_t durable, applied;
    _Atomic uint64_t journal_syncs, journal_batches, journal_sync_us, journal_rewrites,
        journal_failures, apply_count, apply_retries, apply_us, reads, disk_free;
    _Atomic uint64_t erasing_applies; /* how many applies erased something */
    _Atomic uint64_t applies;         /* under way, of those that the backend takes in turn */
    _Atomic uint64_t backup_done, backup_total;
    _Atomic bool backup_running, journal_busy, apply_failing, disk_low;
    _Atomic uint64_t
        outage_after_ms; /* how long a write waits for a database elsewhere; 0: for ever */
    _Atomic uint64_t reads_failed_ms; /* monotonic: when it was no use to read there; 0: it was */
    _Atomic bool hurried;             /* the store is being closed: no read is tried again */
    _Atomic uint64_t stop_by_ms; /* monotonic: how long a stop tries; with a backend that hurries */
    _Atomic bool file_limited;   /* disk_free is what the limit on the size of files leaves */
    _Atomic bool
        lost; /* the files are not those that were opened; lost_why (under lock) says more */
    _Atomic uint64_t interval_ms, disk_free_min;
    _Atomic uint64_t lease_ms; /* 0: there is none */
    _Atomic uint64_t held_us; /* monotonic: when it was asked for what the database has confirmed */

    pthread_mutex_t lock;
    pthread_cond_t journal_wake, applier_wake, helper_wake, readers_wake, lease_wake;
    /* Under lock. */
    struct batch_queue to_journal, to_applier;
    struct batch_queue written;   /* in the journal, or on the way there, not durable */
    unsigned syncs, sync_waiters; /* under way; threads that wait until none is */
    bool journal_writing;         /* one thread writes */
    bool journal_recovering;      /* one thread deals with a failure */
    uint64_t told_applied;        /* to the journal */
    bool scrub;                   /* the journal is to forget what was erased */
    /* Requests that wait for a reader (readers.c). */
    struct list short_reads, long_reads, late_reads;
    unsigned short_in_a_row; /* short ones that went before a long one */
    unsigned before_late;    /* others that went before a late one */
    struct list finished;
    bool stopping, readers_stopping, failed, resumed, void_taken;
    bool replaced; /* another server writes; failure says more, and does not change any more */
    bool journal_stopped; /* nothing comes to the applier any more */
    bool applier_stopped;
    bool applier_listens; /* it waits in the backend: a new batch is told to applier_fd */
    uint64_t flush_frame; /* the applier must not wait to collect below this */
    char failure[512], apply_error[512], lost_why[512];
    /* end of: under lock */

    struct journal_slot {
        struct store *store;
        unsigned slot;
        pthread_t thread;
    } journal_slots[JOURNAL_SLOTS];
    unsigned journal_slot_count; /* 0: no journal */
    uint64_t fail_pause_ms;      /* the applier's: before it tries again what failed for good */
    uint64_t scrubbed; /* the helper's: of erasing_applies, those that the journal was told of */
    pthread_t applier_thread, helper_thread, lease_thread;
    bool lease_runs;
    pthread_t *readers;
    unsigned reader_count;
};

/* Whether there are files of ours, to be locked and looked after. */
static inline bool store_in_files(const struct store *s) {
    return s->backend->durable && !s->backend->remote;
}
/* Whether there may be a journal: a store elsewhere has one only where it was told to. */
static inline bool store_may_have_journal(const struct store *s) {
    return store_in_files(s) || (s->backend->remote && s->config.journal_dir != NULL);
}

void store_notify(struct store *s); /* wakes the loop */
void store_free(struct store *s);   /* open.c: closes and unlocks; the threads have ended */
/* Slices of deferred work that a stop still does: what is left is what a crash would leave, and the
 * next start goes on with it. */
#define STOP_SLICES  4
#define RESERVED_MAX 10000 /* names that are remembered */
/* How often a stage that failed is tried again. */
#define STOP_TRIES                                                                                 \
    10 /* of a stop, to write a database that cannot be; a second each when it is locked */
#define PROBE_INTERVAL_MS 200
/* How long a stop waits for a database elsewhere; for one that has not worked lately. */
#define STOP_REMOTE_MS  UINT64_C(10000)
#define STOP_FAILING_MS UINT64_C(2000)

/* The threads: journal_thread.c (of a struct journal_slot), applier.c, helper.c (of a struct
 * store). */
void *journal_main(void *slot);
void *applier_main(void *store);
void *helper_main(void *store);
/* Whether the calling thread gives way to the loop and the journal. */
void thread_set_background(bool background);
void store_wait_ms(struct store *s, pthread_cond_t *cond, uint64_t ms); /* with the lock */
/* The acknowledging stage has failed: tells the loop, and waits on `wake` until the loop has
 * dropped what is void, or the store stops. From before the call until its return nobody may raise
 * `durable`. With the lock. */
void store_fail(struct store *s, pthread_cond_t *wake, const struct err *why);
/* What is void may be found by a start, until something is written in its place. */
void store_warn_void(const char *stage, const char *why);
void store_resume(struct store *s); /* it works again. With the lock */
/* outage.c */
/* The loop has heard that something became durable. */
void outage_note_durable(struct store *s);
void outage_note_applied(struct store *s); /* the same, or has seen that nothing waits for it */
/* The applier's, when another server has taken over: tells the loop, which ends the process, and
 * waits for that. Not under the lock. */
void store_give_way(struct store *s, const struct err *why);
/* The loop has heard of that: once. */
void outage_tell_replaced(struct store *s);
/* lease.c. Any thread: the database has confirmed what it was asked at that time (monotonic). */
void lease_held(struct store *s, uint64_t since_us);
MUST_CHECK int lease_start(struct store *s, struct err *err);
void lease_stop(struct store *s); /* `stopping` is set */
/* Hands durable batches to the applier. With the lock; returns whether it should be woken. */
MUST_CHECK bool applier_give(struct store *s, struct batch *b);
/* lock.c */
/* Takes the locks of a store in files; the journal's as well if its directory is there.
 * ERR_REFUSED: another server has one of them. */
MUST_CHECK int store_lock(struct store *s, struct err *err);
MUST_CHECK int store_lock_journal(struct store *s, struct err *err); /* if it is there by now */
void store_unlock(struct store *s);
/* ERR_LOST: what is locked is not where it was, so that another server may be let in. */
MUST_CHECK int store_check_locks(struct store *s, struct err *err);
void store_journal_path(const struct store *s, char *out, size_t size);
/* Before the database is opened. Is it missing although its journal is there? Then it can be made
 * anew from the journal (*rebuild; whose it is), or ERR_REFUSED. */
MUST_CHECK int store_look(struct store *s, bool *rebuild, struct uuid *store_id, struct err *err);
/* Of a store elsewhere that is open, and has no frame: its journal, if there is one, is its own, or
 * ERR_REFUSED. *fill: it is another one's, from frame 1 on, and the store is to become that. */
MUST_CHECK int store_look_empty(struct store *s, bool *fill, struct uuid *store_id,
                                struct err *err);
/* Opens the journal, and brings what it holds beyond the backend into the backend. */
MUST_CHECK int store_recover(struct store *s, struct err *err);
/* timeline.c */
MUST_CHECK int store_load_timelines(struct store *s, struct err *err);
/* At the start, before anything is changed: whether the store goes on in the history that clients
 * have seen. If not, that stays noted until the start is over. */
MUST_CHECK int store_doubt_timeline(struct store *s, struct err *err);
/* The frame that says so, when the journal can be written; and that the store is open now. */
MUST_CHECK int store_begin_timeline(struct store *s, struct err *err);
/* How the store is left by a clean stop. */
enum store_left store_left_closed(const struct store *s);
MUST_CHECK int threads_start(struct store *s, struct err *err);
/* Finishes what is queued (as far as it can be). false: patience was over before all was applied,
 * and the applier still runs; everything is in the journal. */
MUST_CHECK bool threads_stop(struct store *s, const struct store_patience *patience);
/* The store is being closed: what hangs in a database elsewhere is given up after that many ms. */
void store_hurry(struct store *s, uint64_t readers_ms, uint64_t writer_ms);
/* Whether the backend does not take what it was given, or has not for long. The loop's. */
bool store_hangs(const struct store *s);
/* Whether there is a journal and patience (NULL: endless) is over. */
bool store_lost_patience(const struct store *s, const struct store_patience *patience);
/* backup.c. A reader's thread: a copy under a name inside backup-dir; the text of a failure begins
 * with "backup: ". Logged either way: the client may be gone by then. */
MUST_CHECK int store_backup(struct store *s, struct backend_conn *c, const char *name,
                            struct err *err);
/* Removes what this store's backups have left in backup-dir when they were cut off. */
void store_clean_backups(const struct store *s);
MUST_CHECK int readers_start(struct store *s, struct err *err);
void readers_ask(struct store *s, struct store_request *r);
/* Waits for the reads that are under way. What is queued is dropped. The loop's, as it calls done()
 * of a backup. */
void readers_stop(struct store *s);

#endif
