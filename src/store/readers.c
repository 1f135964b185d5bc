/* The reader threads: a small pool, each with its own connection. A reader sees the backend only;
 * the loop lays what is in memory over it.
 *
 * Who wants one event does not wait until others have read a million: there are two queues. A short
 * read, whose size is known to be small, goes before the long ones: pages of many events, searches,
 * lists, backups. Behind three short ones that went before it goes a long one, so that these get
 * ahead, too. So a short read waits for the pages that are under way, for the short ones before it,
 * and for a page behind each three of them. In each queue the first come is the first served: a
 * long load asks for its pages one by one, so that long loads take turns, page by page.
 *
 * What was asked for a client that sends no more is late, be it short or long: most of those are
 * gone, which nobody can know before something is sent to them. It has a queue of its own, from
 * which something goes when the others are empty, or behind sixteen of them. */
#include "store/internal.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pace.h"

/* Those with an owner first, as they stand; the others as they were handed back. */
static int by_rank(const void *a, const void *b) {
    const struct pending_item *x = a, *y = b;
    if (x->delivered != y->delivered) return x->delivered < y->delivered ? -1 : 1;
    return entry_id_cmp(x->id, y->id);
}

static void order_pending(struct group_image *g) {
    struct pending_item *unowned = xmalloc((g->pending_count + 1) * sizeof *unowned);
    size_t owned = 0, n = 0;
    for (size_t i = 0; i < g->pending_count; i++) {
        if (g->pending[i].consumer != 0)
            g->pending[owned++] = g->pending[i];
        else
            unowned[n++] = g->pending[i];
    }
    if (n > 1) qsort(unowned, n, sizeof *unowned, by_rank);
    if (n > 0) memcpy(g->pending + owned, unowned, n * sizeof *unowned);
    free(unowned);
}

/* Here, as it may take long, and the loop has no time for that. */
static int read_head(struct backend_conn *c, const struct backend *b, struct store_request *r) {
    int rc = b->read_head(c, r->name, &r->head, &r->applied, &r->err);
    for (size_t i = 0; rc == 0 && r->head.detail != NULL && i < r->head.detail->group_count; i++)
        order_pending(&r->head.detail->groups[i]);
    return rc;
}

static int list_read(struct store_request *r, int rc) {
    r->applied = r->list.applied;
    if (rc == ERR_BUSY) stream_list_clear(&r->list); /* what it has got is read again */
    return rc == 0 || rc == ERR_BUSY ? rc : ERR_IO;
}

static int serve(struct store *s, struct backend_conn *c, struct store_request *r) {
    const struct backend *b = s->backend;
    struct err *err = &r->err;
    int rc;
    switch (r->kind) {
    case STORE_READ_HEAD:
        return read_head(c, b, r);
    case STORE_COUNT_GROUPS:
        return b->count_groups(c, r->name, &r->groups, &r->applied, err);
    case STORE_READ_EVENTS:
        page_init(&r->page);
        rc = b->read_events(c, &r->range, &r->page, err);
        r->applied = r->page.applied;
        if (rc == ERR_BUSY) page_clear(&r->page); /* what it has got is read again */
        return rc == 0 || rc == ERR_BUSY ? rc : ERR_IO;
    case STORE_COUNT_STREAMS:
        page_init(&r->page);
        rc = b->count_streams(c, r->range.start, r->range.selector, r->range.examined_max, &r->page,
                              err);
        r->applied = r->page.applied;
        return rc;
    case STORE_READ_ID:
        return b->read_id(c, &r->id, &r->event, &r->applied, err);
    case STORE_LIST_IDS:
        r->ids = (struct id_list){0};
        return b->list_ids(c, &r->id, r->range.count_max, &r->ids, err);
    case STORE_LIST_STREAMS:
        stream_list_init(&r->list);
        r->list.bytes_max = r->range.bytes_max;
        rc = b->list_streams(c, r->range.start, r->pattern, r->category, r->range.count_max,
                             r->range.examined_max, &r->list, err);
        return list_read(r, rc);
    case STORE_LIST_EXPIRING:
        stream_list_init(&r->list);
        rc = b->list_expiring(c, r->range.end, r->range.count_max, &r->list, err);
        return list_read(r, rc);
    case STORE_FIND_ENTRY:
        return b->find_entry(c, r->range.stream, r->range.start, r->entry, &r->version, &r->applied,
                             err);
    case STORE_READ_NAMED:
        return b->read_named(c, r->class, r->name, &r->value, &r->applied, err);
    case STORE_LIST_NAMED:
        r->named = (struct named_list){0};
        rc = b->list_named(c, r->class, r->range.start, r->range.count_max, &r->named, err);
        r->applied = r->named.applied;
        return rc;
    case STORE_BACKUP:
        return store_backup(s, c, r->name.ptr, err);
    }
    return err_set(err, ERR_FAILED, "unknown request");
}

#define TRIES           5
#define PAUSE_REMOTE_US 100000
#define FAILED_MS       1000 /* how long what another read found out is believed */

/* Has it waited as long as a write would (outage.c)? Of a database elsewhere. */
static bool waited_enough(const struct store *s, const struct store_request *r) {
    uint64_t after_ms = atomic_load(&s->outage_after_ms);
    return after_ms != 0 && clock_mono_ms() >= r->asked_ms + after_ms;
}

/* Whether a read that failed for a passing reason is to be tried once more. */
static bool try_again(const struct store *s, const struct store_request *r, int *tries) {
    if (!s->backend->remote) return --*tries > 0;
    if (atomic_load(&s->hurried) || waited_enough(s, r)) return false;
    usleep(PAUSE_REMOTE_US);
    return true;
}

/* One that has waited long in the queue, behind others that failed just now, need not find out for
 * itself: each of them may have taken seconds. */
static bool fails_as_others(struct store *s, struct store_request *r) {
    uint64_t failed_ms = atomic_load(&s->reads_failed_ms);
    if (failed_ms == 0 || clock_mono_ms() >= failed_ms + FAILED_MS || !waited_enough(s, r))
        return false;
    r->status = err_set(&r->err, ERR_BUSY, "%s: the database does not answer", s->path);
    return true;
}

static int try_to_serve(struct store *s, struct backend_conn **c, struct store_request *r) {
    int rc = *c == NULL ? s->backend->open_reader(c, s->writer, &r->err) : 0;
    if (rc == 0) rc = serve(s, *c, r);
    if (s->backend->remote) atomic_store(&s->reads_failed_ms, rc == ERR_BUSY ? clock_mono_ms() : 0);
    return rc;
}

/* A read that fails for a passing reason is tried a few times before the client hears of it; when
 * the database is elsewhere and restarts, as long as a write would wait. *c: NULL when there is no
 * connection yet. */
static void serve_patiently(struct store *s, struct backend_conn **c, struct store_request *r) {
    int tries = TRIES;
    if (s->backend->remote && fails_as_others(s, r)) return;
    do {
        r->status = try_to_serve(s, c, r);
    } while (r->status == ERR_BUSY && try_again(s, r, &tries));
    if (r->status == 0 || *c == NULL) return;
    log_verbose("read: %s", r->err.text);
    if (r->kind == STORE_READ_EVENTS) page_clear(&r->page);
    if (r->kind == STORE_LIST_STREAMS || r->kind == STORE_LIST_EXPIRING)
        stream_list_clear(&r->list);
}

/* Where a commit is what makes durable, what a reader sees is durable, also when the applier has
 * not said so yet: the loop never gets a page that is newer than the watermark. With the lock. */
static void note_seen(struct store *s, const struct store_request *r) {
    if (s->journal_slot_count > 0 || r->status != 0) return;
    uint64_t durable = atomic_load(&s->durable);
    while (durable < r->applied &&
           !atomic_compare_exchange_weak(&s->durable, &durable, r->applied)) {}
}

/* ---- the queues ---- */

#define SHORT_READ_MAX 256 /* things that a short read looks at */
#define SHORT_IN_A_ROW 3
#define BEFORE_LATE    16
#define LONG_READ_NICE 5

static bool is_short(const struct store_request *r) {
    if (r->one_of_many) return false;
    switch (r->kind) {
    case STORE_READ_HEAD:
    case STORE_COUNT_GROUPS:
    case STORE_READ_ID:
    case STORE_FIND_ENTRY:
    case STORE_READ_NAMED:
        return true;
    case STORE_READ_EVENTS:
        return r->range.selector == NULL && r->range.count_max <= SHORT_READ_MAX;
    case STORE_LIST_STREAMS:
        return r->pattern.len == 0 && r->category.len == 0 && r->range.count_max <= SHORT_READ_MAX;
    case STORE_LIST_NAMED:
        return r->range.count_max <= SHORT_READ_MAX;
    case STORE_COUNT_STREAMS:
    case STORE_LIST_IDS:
    case STORE_LIST_EXPIRING:
    case STORE_BACKUP:
        return false;
    }
    return false;
}

void readers_ask(struct store *s, struct store_request *r) {
    struct list *queue = r->late ? &s->late_reads : is_short(r) ? &s->short_reads : &s->long_reads;
    pthread_mutex_lock(&s->lock);
    r->waits = true;
    list_append(queue, &r->queued);
    pthread_mutex_unlock(&s->lock);
    pthread_cond_signal(&s->readers_wake);
}

/* true: it waited, and does not any more. */
static bool take_back(struct store *s, struct store_request *r) {
    pthread_mutex_lock(&s->lock);
    bool waited = r->waits;
    r->waits = false;
    if (waited) list_remove(&r->queued);
    pthread_mutex_unlock(&s->lock);
    return waited;
}

bool store_take_back(struct store *s, struct store_request *r) {
    if (!take_back(s, r)) return false;
    s->unfinished--;
    return true;
}

void store_make_late(struct store *s, struct store_request *r) {
    if (r->late || !take_back(s, r)) return;
    r->late = true;
    readers_ask(s, r);
}

bool store_reads_wait(const struct store *s) {
    return s->unfinished > s->reader_count;
}

bool store_has_idle_reader(const struct store *s) {
    return s->unfinished < s->reader_count;
}

/* Of the two queues of those that are not late: either may be empty, and then so may it. */
static struct list *short_or_long(struct store *s) {
    bool any_short = !list_empty(&s->short_reads), any_long = !list_empty(&s->long_reads);
    bool take_short = any_short && (!any_long || s->short_in_a_row < SHORT_IN_A_ROW);
    s->short_in_a_row = take_short && any_long ? s->short_in_a_row + 1 : 0;
    return take_short ? &s->short_reads : &s->long_reads;
}

static bool is_late_ones_turn(struct store *s) {
    bool any_other = !list_empty(&s->short_reads) || !list_empty(&s->long_reads);
    if (list_empty(&s->late_reads)) return false;
    if (any_other && s->before_late++ < BEFORE_LATE) return false;
    s->before_late = 0;
    return true;
}

/* NULL: nobody waits. With the lock. */
static struct store_request *next_request(struct store *s) {
    struct list *queue = is_late_ones_turn(s) ? &s->late_reads : short_or_long(s);
    if (list_empty(queue)) return NULL;
    struct store_request *r = LIST_ENTRY(queue->next, struct store_request, queued);
    list_remove(&r->queued);
    r->waits = false;
    return r;
}

/* NULL: the readers stop. With the lock. */
static struct store_request *wait_for_request(struct store *s) {
    while (!s->readers_stopping) {
        struct store_request *r = next_request(s);
        if (r != NULL) return r;
        pthread_cond_wait(&s->readers_wake, &s->lock);
    }
    return NULL;
}

/* ---- the threads ---- */

/* Who replays all of the history takes what processor he gets. While there are appends, reads of
 * much give way to the loop and the journal; short ones do not. */
static void give_way(const struct store *s, const struct store_request *r) {
    bool appends = atomic_load(&s->applied) < atomic_load(&s->durable);
    pace_nice_for_now(appends && !is_short(r) ? LONG_READ_NICE : 0);
}

static void *reader_main(void *arg) {
    struct store *s = arg;
    struct backend_conn *c = NULL;
    struct err err;
    pthread_setname_np(pthread_self(), "reader");
    if (s->backend->open_reader(&c, s->writer, &err) != 0) log_warning("reader: %s", err.text);
    pthread_mutex_lock(&s->lock);
    struct store_request *r;
    while ((r = wait_for_request(s)) != NULL) {
        pthread_mutex_unlock(&s->lock);
        give_way(s, r);
        serve_patiently(s, &c, r);
        atomic_fetch_add(&s->reads, 1);
        pthread_mutex_lock(&s->lock);
        note_seen(s, r);
        bool first = list_empty(&s->finished);
        list_append(&s->finished, &r->queued);
        if (first) store_notify(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (c != NULL) s->backend->close(c);
    return NULL;
}

int readers_start(struct store *s, struct err *err) {
    s->readers = xcalloc(s->config.reader_count, sizeof *s->readers);
    for (; s->reader_count < s->config.reader_count; s->reader_count++)
        if (pthread_create(&s->readers[s->reader_count], NULL, reader_main, s) != 0)
            return err_errno(err, "cannot start a reader thread");
    return 0;
}

void readers_stop(struct store *s) {
    pthread_mutex_lock(&s->lock);
    s->readers_stopping = true;
    pthread_cond_broadcast(&s->readers_wake);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->reader_count; i++) pthread_join(s->readers[i], NULL);
    free(s->readers);
    s->readers = NULL;
    s->reader_count = 0;
    /* Nobody has waited for a backup that was broken off. */
    LIST_FOR_EACH_SAFE (it, &s->finished) {
        struct store_request *r = LIST_ENTRY(it, struct store_request, queued);
        if (r->kind != STORE_BACKUP) continue;
        list_remove(&r->queued);
        r->done(r);
    }
}
