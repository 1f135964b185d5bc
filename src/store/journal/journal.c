/* The journal's writing side, and the pool of segments.
 *
 *   spares --take--> [ segments: oldest ... last ] --all applied--> spares (a few) or doomed
 *     '--zeroed-- stale <--an event was erased--'
 *
 * Batches are appended to the last segment. One write is one pwritev: bodies are copied into one
 * reused buffer, large ones go as they are. A segment's header is written together with its
 * first batch. No block is ever written twice in one generation, so that a torn write can hurt
 * only what was not acknowledged; and nothing is written to a segment before the one in front of
 * it is synced, so that a segment's first frame is itself a claim: all before it is durable.
 *
 * A segment in which a write or sync failed is never used again: the kernel may have dropped the
 * pages and called them clean. journal_rewrite goes on in another file.
 *
 * What an erased event was must not stay in a file that is only free (journal_scrub): all that the
 * segments and spares of then held is overwritten before they are used again.
 *
 * The journal thread owns everything but the pool; the helper thread fills the pool
 * (journal_prepare), zeroes stale files and removes doomed ones, because all of that takes long. */
#include "store/journal/journal.h"

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/journal/internal.h"

/* Free segments that are kept; what a burst left beyond them is removed. */
#define SPARES_MAX 4
/* Bodies of this size and more are not copied. */
#define BODY_BORROWED ((size_t)64 << 10)
/* A buffer that one large batch made grow beyond this is given back. */
#define BUFFER_KEPT ((size_t)16 << 20)

/* ---- the pool ---- */

/* Call with the lock held, after the pool has changed. */
static void pool_changed(struct journal *j) {
    atomic_store(&j->wants_prepare,
                 j->spares.count == 0 || j->stale.count > 0 || j->doomed.count > 0);
    atomic_store(&j->spare_count, j->spares.count);
}

/* A segment that nobody needs any more: back into the pool or out of the world. */
static void pool_give(struct journal *j, struct segment *s) {
    pthread_mutex_lock(&j->lock);
    bool keep =
        !s->failed && s->size == j->segment_bytes && j->spares.count + j->stale.count < SPARES_MAX;
    segment_list_push(!keep ? &j->doomed : s->stale ? &j->stale : &j->spares, s);
    pool_changed(j);
    pthread_mutex_unlock(&j->lock);
}

static void pool_remove_doomed(struct journal *j) {
    for (;;) {
        pthread_mutex_lock(&j->lock);
        struct segment *s = segment_list_pop(&j->doomed);
        pool_changed(j);
        pthread_mutex_unlock(&j->lock);
        if (s == NULL) return;
        struct err ignored;
        if (s->stale && segment_zero(s, j->dir, &j->pace, &ignored) != 0)
            log_verbose("%s", ignored.text);
        segment_remove(s, j->dir);
    }
}

static void pool_zero_stale(struct journal *j) {
    for (;;) {
        struct err err;
        pthread_mutex_lock(&j->lock);
        struct segment *s = segment_list_pop(&j->stale);
        pool_changed(j);
        pthread_mutex_unlock(&j->lock);
        if (s == NULL) return;
        if (segment_zero(s, j->dir, &j->pace, &err) != 0) log_warning("journal: %s", err.text);
        s->stale = s->failed;
        pool_give(j, s);
    }
}

/* A spare, or a new file: zeroed, or only reserved. */
static struct segment *pool_take(struct journal *j, bool zeroed, struct err *err) {
    uint64_t zeros = zeroed ? j->segment_bytes : 0;
    pthread_mutex_lock(&j->lock);
    struct segment *s = segment_list_pop(&j->spares);
    uint64_t number = s == NULL ? j->next_number++ : 0;
    bool may_help = j->doomed.count + j->stale.count > 0 && j->state != JOURNAL_OPENED;
    pool_changed(j);
    pthread_mutex_unlock(&j->lock);
    if (s == NULL)
        s = segment_create(j->dir, j->dir_fd, number, j->segment_bytes, zeros, NULL, err);
    if (s == NULL && may_help) { /* the disk is full, perhaps with these */
        pthread_mutex_lock(&j->lock);
        for (struct segment *stale; (stale = segment_list_pop(&j->stale)) != NULL;)
            segment_list_push(&j->doomed, stale);
        pthread_mutex_unlock(&j->lock);
        pool_remove_doomed(j);
        s = segment_create(j->dir, j->dir_fd, number, j->segment_bytes, zeros, NULL, err);
    }
    return s;
}

int journal_prepare(struct journal *j, struct err *err) {
    pool_remove_doomed(j);
    pool_zero_stale(j);
    pthread_mutex_lock(&j->lock);
    bool wanted = j->spares.count == 0;
    uint64_t number = wanted ? j->next_number++ : 0;
    pthread_mutex_unlock(&j->lock);
    if (!wanted) return 0;
    struct segment *s = segment_create(j->dir, j->dir_fd, number, j->segment_bytes,
                                       j->segment_bytes, &j->pace, err);
    if (s == NULL) return ERR_IO;
    pool_give(j, s);
    return 0;
}

void journal_hurry(struct journal *j) {
    atomic_store(&j->pace.hurry, true);
}

bool journal_wants_prepare(const struct journal *j) {
    return atomic_load(&j->wants_prepare);
}

uint64_t journal_bytes_used(const struct journal *j) {
    return atomic_load(&j->bytes_used);
}

uint64_t journal_segment_count(const struct journal *j) {
    return atomic_load(&j->chain_count) + atomic_load(&j->spare_count);
}

/* Call after the list of segments, the last one's end or the applied frame has changed. */
static void account(struct journal *j) {
    const struct segment *last = j->segments.tail;
    bool open = last != NULL && last->last_frame > j->applied;
    atomic_store(&j->chain_count, j->segments.count);
    atomic_store(&j->bytes_used, j->older_bytes + (open ? last->end : 0));
}

/* Gives back the segments before the last whose frames are all applied. */
static void release_applied(struct journal *j) {
    while (j->segments.count > 1 && j->segments.head->last_frame <= j->applied) {
        struct segment *s = segment_list_pop(&j->segments);
        j->older_bytes -= s->end;
        s->stale = s->header.generation <= j->scrub_generation;
        pool_give(j, s);
    }
    account(j);
}

void journal_applied(struct journal *j, uint64_t frame) {
    if (frame <= j->applied) return;
    j->applied = frame;
    if (j->state == JOURNAL_STARTED) release_applied(j);
}

/* ---- one write ---- */

static void buffer_reserve(struct journal *j, size_t bytes) {
    if (j->buffer_cap >= bytes) return;
    size_t cap = MAX((size_t)segment_round(bytes + bytes / 2), (size_t)1 << 18);
    xfree(j->buffer);
    j->buffer = aligned_alloc(JOURNAL_BLOCK, cap);
    assert(j->buffer != NULL);
    j->buffer_cap = cap;
}

/* A write being composed: pieces of the buffer, with borrowed bodies between them. The buffer
 * has been reserved for all of it and does not move. */
struct writer {
    struct journal *j;
    uint8_t *at, *piece; /* where the next byte goes; where the piece being filled began */
    size_t iov_len;
};

static void writer_add(struct writer *w, const void *p, size_t n) {
    struct journal *j = w->j;
    if (n == 0) return;
    if (w->iov_len == j->iov_cap) {
        j->iov_cap = j->iov_cap == 0 ? 16 : 2 * j->iov_cap;
        j->iov = xrealloc(j->iov, j->iov_cap * sizeof j->iov[0]);
    }
    j->iov[w->iov_len++] = (struct iovec){.iov_base = (void *)(uintptr_t)p, .iov_len = n};
}

/* Ends the piece being filled, so that something from elsewhere can follow. */
static void writer_cut(struct writer *w) {
    writer_add(w, w->piece, (size_t)(w->at - w->piece));
    w->piece = w->at;
}

static void writer_zeros(struct writer *w, size_t n) {
    memset(w->at, 0, n);
    w->at += n;
}

static void writer_frame(struct writer *w, uint64_t number, const struct record *records, size_t n,
                         uint32_t crc_init) {
    struct segment_frame frame = {.length = (uint32_t)frame_bytes(records, n), .number = number};
    uint8_t *start = w->at, *crc_from = start + sizeof frame.crc;
    uint32_t crc = crc_init;
    memcpy(start, &frame, sizeof frame);
    w->at += sizeof frame;
    for (size_t i = 0; i < n; i++) {
        const struct record *r = &records[i];
        struct segment_record head = {.kind = r->kind, .len = r->len};
        memcpy(w->at, &head, sizeof head);
        w->at += sizeof head;
        if (r->len >= BODY_BORROWED) {
            crc = segment_crc(crc, crc_from, (size_t)(w->at - crc_from));
            crc = segment_crc(crc, r->body, r->len);
            writer_cut(w);
            writer_add(w, r->body, r->len);
            crc_from = w->at;
        } else if (r->len > 0) {
            memcpy(w->at, r->body, r->len);
            w->at += r->len;
        }
        writer_zeros(w, -(size_t)r->len & 7);
    }
    frame.crc = segment_crc(crc, crc_from, (size_t)(w->at - crc_from));
    memcpy(start, &frame.crc, sizeof frame.crc);
}

static uint32_t batch_record_begin(const struct batch *b, uint32_t frame) {
    return frame == 0 ? 0 : b->frame_end[frame - 1];
}

/* Writes frames [from, to) of b, `bytes` in all, as one written batch at the end of the last
 * segment, where they fit. */
static int write_part(struct journal *j, const struct batch *b, uint32_t from, uint32_t to,
                      uint64_t bytes, uint64_t claim, struct err *err) {
    struct segment *s = j->segments.tail;
    const uint32_t begin = batch_record_begin(b, from), end = b->frame_end[to - 1];
    struct segment_batch head = {
        .generation = s->header.generation,
        .tag = s->header.tag,
        .first_frame = b->first_frame + from,
        .claim = claim,
        .bytes = bytes,
        .frames = to - from,
    };
    const uint64_t padded = segment_round(sizeof head + bytes);
    size_t copied = padded + (j->header_pending ? JOURNAL_BLOCK : 0);
    if (bytes >= BODY_BORROWED)
        for (uint32_t i = begin; i < end; i++)
            if (b->records[i].len >= BODY_BORROWED) copied -= b->records[i].len;
    assert(s->end + padded <= s->size);
    buffer_reserve(j, copied);

    struct writer w = {.j = j, .at = j->buffer, .piece = j->buffer};
    if (j->header_pending) {
        writer_zeros(&w, JOURNAL_BLOCK);
        segment_header_put(j->buffer, &s->header);
    }
    segment_batch_seal(&head, s->crc_init);
    memcpy(w.at, &head, sizeof head);
    w.at += sizeof head;
    for (uint32_t i = from; i < to; i++) {
        uint32_t first = batch_record_begin(b, i);
        writer_frame(&w, b->first_frame + i, b->records + first, b->frame_end[i] - first,
                     s->crc_init);
    }
    writer_zeros(&w, padded - sizeof head - bytes);
    writer_cut(&w);
    assert(w.at == j->buffer + copied);

    uint64_t offset = j->header_pending ? 0 : s->end;
    j->dirty = true;
    int rc = segment_write(s, j->dir, j->iov, w.iov_len, offset, err);
    if (rc == 0) {
        s->end += padded;
        atomic_fetch_add(&j->pace.written, padded);
        s->last_frame = j->last_frame = b->first_frame + to - 1;
        j->header_pending = false;
        account(j);
    }
    if (j->buffer_cap > BUFFER_KEPT) {
        xfree(j->buffer);
        j->buffer = NULL;
        j->buffer_cap = 0;
    }
    return rc;
}

/* ---- segments ---- */

static int sync_last(struct journal *j, struct err *err) {
    if (!j->dirty) return 0;
    int rc = segment_sync(j->segments.tail, j->dir, err);
    if (rc == 0) j->dirty = false;
    return rc;
}

/* The generation of the segment that holds the frames before first_frame: the newest that begins
 * before it. Recovery finds the same one, or knows that a segment is missing. */
static uint64_t previous_generation(const struct segment_list *l, uint64_t first_frame) {
    uint64_t generation = 0;
    for (const struct segment *s = l->head; s != NULL; s = s->next)
        if (s->header.first_frame < first_frame) generation = s->header.generation;
    return generation;
}

/* Makes another segment the last. Its header is not written yet. What is in the last one now
 * must be synced, or be superseded. */
static int begin_segment(struct journal *j, uint64_t first_frame, uint64_t previous, uint32_t flags,
                         bool zeroed, struct err *err) {
    struct segment *s = pool_take(j, zeroed, err);
    if (s == NULL) return ERR_IO;
    s->header = (struct segment_header){
        .store_id = j->store_id,
        .epoch = j->epoch,
        .generation = ++j->generation,
        .previous = previous,
        .first_frame = first_frame,
        .claim = first_frame - 1,
        .segment_bytes = j->segment_bytes,
        .flags = flags,
    };
    random_bytes(&s->header.tag, sizeof s->header.tag);
    s->crc_init = segment_crc_init(&j->store_id, s->header.generation, s->header.tag);
    s->end = JOURNAL_BLOCK;
    s->last_frame = first_frame - 1;
    if (j->segments.tail != NULL) j->older_bytes += j->segments.tail->end;
    segment_list_push(&j->segments, s);
    account(j);
    j->header_pending = j->dirty = true;
    return 0;
}

/* Writes the last segment's header alone. */
static int write_header(struct journal *j, struct err *err) {
    struct segment *s = j->segments.tail;
    buffer_reserve(j, JOURNAL_BLOCK);
    memset(j->buffer, 0, JOURNAL_BLOCK);
    segment_header_put(j->buffer, &s->header);
    struct iovec iov = {.iov_base = j->buffer, .iov_len = JOURNAL_BLOCK};
    j->dirty = true;
    int rc = segment_write(s, j->dir, &iov, 1, 0, err);
    if (rc == 0) j->header_pending = false;
    return rc;
}

/* Where a batch of frames from `from` on ends that takes at most `room` with its padding. */
static uint32_t frames_that_fit(const struct batch *b, uint32_t from, uint64_t room,
                                uint64_t *bytes) {
    uint32_t to = from;
    *bytes = 0;
    for (; to < b->frame_count; to++) {
        uint32_t first = batch_record_begin(b, to);
        uint64_t more = frame_bytes(b->records + first, b->frame_end[to] - first);
        if (segment_round(sizeof(struct segment_batch) + *bytes + more) > room) break;
        *bytes += more;
    }
    return to;
}

static int write_batch(struct journal *j, const struct batch *b, uint64_t claim, struct err *err) {
    assert(b->frame_count > 0);
    assert(b->first_frame == j->last_frame + 1);
    assert(claim < b->first_frame);
    uint64_t bytes = b->journal_bytes;
    const uint64_t most = j->segment_bytes - JOURNAL_BLOCK;
    for (uint32_t from = 0; from < b->frame_count;) {
        struct segment *s = j->segments.tail;
        uint64_t room = s->size - s->end, part = bytes;
        uint64_t padded = segment_round(sizeof(struct segment_batch) + bytes);
        uint32_t to = b->frame_count;
        if (padded > room) to = padded <= most ? from : frames_that_fit(b, from, room, &part);
        int rc;
        if (to == from) {
            assert(s->end > JOURNAL_BLOCK); /* frames fit in a segment */
            if ((rc = sync_last(j, err)) != 0) return rc;
            rc = begin_segment(j, b->first_frame + from, s->header.generation, 0, false, err);
            if (rc != 0) return rc;
            continue;
        }
        if ((rc = write_part(j, b, from, to, part, claim, err)) != 0) return rc;
        from = to;
        bytes -= part;
    }
    assert(bytes == 0);
    return 0;
}

/* ---- public ---- */

size_t journal_frame_max(const struct journal *j) {
    size_t room = j->segment_bytes - JOURNAL_BLOCK - sizeof(struct segment_batch);
    return MIN(room, (size_t)UINT32_MAX) & ~(size_t)7;
}

uint64_t journal_last_frame(const struct journal *j) {
    return j->last_frame;
}

int journal_start(struct journal *j, uint64_t next_frame, struct err *err) {
    assert(j->state == JOURNAL_OPENED || j->state == JOURNAL_SEALED);
    assert(next_frame > j->last_frame);
    /* All that was found is applied, so all of it may be used again; but a crash before the new
     * header is synced must find the old ones, and it does: a header is replaced whole. */
    struct segment_list old = j->segments;
    const uint64_t previous = previous_generation(&old, next_frame);
    j->segments = (struct segment_list){0};
    j->older_bytes = 0;
    /* After a crash nobody knows whether something in them was to be scrubbed. */
    bool crashed = old.tail != NULL && (old.tail->header.flags & SEGMENT_SEALED) == 0;
    for (struct segment *s; (s = segment_list_pop(&old)) != NULL;) {
        s->stale = crashed;
        pool_give(j, s);
    }
    j->last_frame = j->applied = next_frame - 1;
    /* Older frames from here on (a torn tail that a power cut may yet bring back) are void. */
    int rc = begin_segment(j, next_frame, previous, SEGMENT_SUPERSEDES, true, err);
    if (rc == 0) rc = write_header(j, err);
    if (rc == 0) rc = sync_last(j, err);
    if (rc == 0) {
        j->state = JOURNAL_STARTED;
        account(j);
        return 0;
    }
    struct segment *s = segment_list_pop(&j->segments);
    if (s != NULL) {
        s->failed = true;
        pool_give(j, s);
    }
    return err_wrap(err, rc, "journal");
}

int journal_write(struct journal *j, const struct batch *b, uint64_t claim, struct err *err) {
    assert(j->state == JOURNAL_STARTED);
    int rc = write_batch(j, b, claim, err);
    if (rc == 0)
        release_applied(j);
    else
        j->state = JOURNAL_FAILED;
    return rc;
}

int journal_sync(struct journal *j, struct err *err) {
    assert(j->state == JOURNAL_STARTED);
    int rc = sync_last(j, err);
    if (rc != 0) j->state = JOURNAL_FAILED;
    return rc;
}

/* What came behind `keep` (NULL: all) is given up. The newest is removed first, so that a crash
 * in between never finds a segment without the one before it. */
void journal_sync_begin(struct journal *j, struct journal_sync *t) {
    assert(j->state == JOURNAL_STARTED);
    t->segment = j->segments.tail;
    j->dirty = false; /* if it fails, everything is written again anyway */
}

int journal_sync_run(const struct journal *j, const struct journal_sync *t, unsigned slot,
                     struct err *err) {
    const struct segment *s = t->segment;
    if (fdatasync(slot == 0 ? s->fd : s->other_fds[slot - 1]) == 0) return 0;
    char path[SEGMENT_PATH_MAX];
    segment_path(path, j->dir, s->number);
    return err_errno(err, "syncing %s", path);
}

bool journal_fits(const struct journal *j, uint64_t bytes) {
    const struct segment *s = j->segments.tail;
    return s != NULL && bytes <= s->size - s->end;
}

uint64_t journal_batch_bytes(const struct batch *b) {
    return segment_round(sizeof(struct segment_batch) + b->journal_bytes);
}

static void drop_segments_after(struct journal *j, struct segment *keep) {
    struct segment_list old = j->segments;
    j->segments = (struct segment_list){0};
    j->older_bytes = 0;
    bool drop = keep == NULL;
    pthread_mutex_lock(&j->lock);
    for (struct segment *s; (s = segment_list_pop(&old)) != NULL;) {
        if (drop) {
            s->failed = true;
            segment_list_push_front(&j->doomed, s);
        } else {
            if (j->segments.tail != NULL) j->older_bytes += j->segments.tail->end;
            segment_list_push(&j->segments, s);
        }
        if (s == keep) drop = true;
    }
    pool_changed(j);
    pthread_mutex_unlock(&j->lock);
}

/* A synced segment supersedes: what older ones hold from next_frame on is void. */
static void void_older(struct journal *j, const struct segment *first_new, uint64_t next_frame) {
    struct segment_list old = j->segments;
    j->segments = (struct segment_list){0};
    j->older_bytes = 0;
    bool older = true;
    for (struct segment *s; (s = segment_list_pop(&old)) != NULL;) {
        if (s == first_new) older = false;
        if (older && s->header.first_frame >= next_frame) {
            pool_give(j, s);
            continue;
        }
        if (older) s->last_frame = MIN(s->last_frame, next_frame - 1);
        if (j->segments.tail != NULL) j->older_bytes += j->segments.tail->end;
        segment_list_push(&j->segments, s);
    }
}

int journal_rewrite(struct journal *j, struct batch *const batches[], size_t n, uint64_t next_frame,
                    uint64_t claim, struct err *err) {
    assert(j->state == JOURNAL_STARTED || j->state == JOURNAL_FAILED);
    assert(claim < next_frame);
    struct segment *keep = j->segments.tail;
    if (keep != NULL) keep->failed = true;
    j->last_frame = next_frame - 1;
    const uint64_t previous = previous_generation(&j->segments, next_frame);
    int rc = begin_segment(j, next_frame, previous, SEGMENT_SUPERSEDES, false, err);
    if (rc != 0) goto failed;
    struct segment *first_new = j->segments.tail;
    for (size_t i = 0; i < n; i++)
        if ((rc = write_batch(j, batches[i], claim, err)) != 0) goto failed;
    if (j->header_pending && (rc = write_header(j, err)) != 0) goto failed;
    if ((rc = sync_last(j, err)) != 0) goto failed;
    void_older(j, first_new, next_frame);
    j->state = JOURNAL_STARTED;
    release_applied(j);
    return 0;
failed:
    drop_segments_after(j, keep);
    j->last_frame = next_frame - 1;
    j->state = JOURNAL_FAILED;
    account(j);
    return rc;
}

int journal_scrub(struct journal *j, struct err *err) {
    assert(j->state == JOURNAL_STARTED);
    j->scrub_generation = j->generation;
    pthread_mutex_lock(&j->lock);
    for (struct segment *s; (s = segment_list_pop(&j->spares)) != NULL;) {
        s->stale = true;
        segment_list_push(&j->stale, s);
    }
    pool_changed(j);
    pthread_mutex_unlock(&j->lock);
    const uint64_t previous = j->segments.tail->header.generation;
    int rc = sync_last(j, err);
    if (rc == 0) rc = begin_segment(j, j->last_frame + 1, previous, 0, false, err);
    if (rc == 0) rc = write_header(j, err);
    if (rc == 0) rc = sync_last(j, err);
    if (rc == 0)
        release_applied(j);
    else
        j->state = JOURNAL_FAILED;
    return rc;
}

int journal_seal(struct journal *j, struct err *err) {
    int rc = 0;
    /* A failed journal is closed in a segment that can be trusted, if there can be one. */
    if (j->state == JOURNAL_FAILED)
        rc = journal_rewrite(j, NULL, 0, j->last_frame + 1, j->last_frame, err);
    struct segment *s = j->segments.tail;
    if (rc == 0 && s != NULL) {
        s->header.flags |= SEGMENT_SEALED;
        s->header.sealed_frame = j->last_frame;
        rc = write_header(j, err);
        if (rc == 0) rc = sync_last(j, err);
    }
    if (rc != 0) {
        if (j->state == JOURNAL_STARTED) j->state = JOURNAL_FAILED;
        return err_wrap(err, rc, "journal");
    }
    j->applied = j->last_frame;
    j->state = JOURNAL_SEALED;
    release_applied(j);
    return 0;
}

struct journal *journal_create(const struct journal_config *config) {
    assert(config->segment_bytes >= 2 * JOURNAL_BLOCK);
    assert(config->segment_bytes % JOURNAL_BLOCK == 0);
    struct journal *j = xcalloc(1, sizeof *j);
    j->dir = xstrdup(config->dir);
    j->dir_fd = -1;
    j->store_id = config->store_id;
    j->epoch = config->epoch;
    j->segment_bytes = config->segment_bytes;
    pthread_mutex_init(&j->lock, NULL);
    return j;
}

void journal_close(struct journal *j) {
    if (j == NULL) return;
    /* After an unsuccessful opening everything stays as it was found. */
    if (j->state == JOURNAL_STARTED || j->state == JOURNAL_SEALED) {
        pool_zero_stale(j);
        pool_remove_doomed(j);
    }
    struct segment_list *lists[] = {&j->segments, &j->spares, &j->stale, &j->doomed};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct segment *s; (s = segment_list_pop(lists[i])) != NULL;) segment_close(s);
    if (j->dir_fd >= 0) close(j->dir_fd);
    pthread_mutex_destroy(&j->lock);
    xfree(j->buffer);
    xfree(j->iov);
    xfree(j->dir);
    xfree(j);
}
