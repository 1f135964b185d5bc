/* The journal's writing side: batches are appended to the last segment (write.c composes one write,
 * pool.c has the files).
 *
 * No block is ever written twice in one generation, so that a torn write can hurt only what was not
 * acknowledged; and nothing is written to a segment before the one in front of it is synced, so
 * that a segment's first frame is itself a claim: all before it is durable.
 *
 * A segment in which a write or sync failed is never used again: the kernel may have dropped the
 * pages and called them clean. journal_rewrite goes on in another file.
 *
 * The journal thread owns everything but the pool. */
#include "store/journal/journal.h"

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/journal/internal.h"

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

void journal_account(struct journal *j) {
    const struct segment *last = j->segments.tail;
    bool open = last != NULL && last->last_frame > j->applied;
    atomic_store(&j->chain_count, j->segments.count);
    atomic_store(&j->bytes_used, j->older_bytes + (open ? last->end : 0));
}

/* Gives back the segments before the last whose frames are all applied; the one before the last
 * only when a power cut leaves the last one's header: without any header to read, nobody could tell
 * whether something is lost. */
static void release_applied(struct journal *j) {
    const struct segment *last = j->segments.tail;
    bool last_stays = j->header_synced || (last != NULL && j->applied >= last->header.first_frame);
    size_t keep = last_stays ? 1 : 2;
    while (j->segments.count > keep && j->segments.head->last_frame <= j->applied) {
        struct segment *s = segment_list_pop(&j->segments);
        j->older_bytes -= s->end;
        s->stale = s->header.generation <= j->scrub_generation;
        journal_pool_give(j, s);
    }
    journal_account(j);
}

void journal_applied(struct journal *j, uint64_t frame) {
    if (frame <= j->applied) return;
    j->applied = frame;
    if (j->state == JOURNAL_STARTED) release_applied(j);
}

/* ---- segments ---- */

static int failed_before(const struct journal *j, const struct segment *s, struct err *err) {
    char path[SEGMENT_PATH_MAX];
    segment_path(path, j->dir, s->number);
    return err_set(err, ERR_IO, "%s: a write or sync of it has failed", path);
}

/* 0: everything in the last segment is on the disk; also what journal_sync_begin was to answer for,
 * which must have ended. */
static int sync_last(struct journal *j, struct err *err) {
    struct segment *last = j->segments.tail;
    assert(last->syncs == 0);
    if (last->failed) return failed_before(j, last, err);
    if (!j->dirty) return 0;
    int rc = segment_sync(last, j->dir, 0, err);
    if (rc != 0) return rc;
    j->dirty = false;
    j->header_synced = !j->header_pending;
    return 0;
}

/* The generation of the segment that holds the frames before first_frame: the newest that begins
 * before it. Recovery finds the same one, or knows that a segment is missing. */
static uint64_t previous_generation(const struct segment_list *l, uint64_t first_frame) {
    uint64_t generation = 0;
    for (const struct segment *s = l->head; s != NULL; s = s->next)
        if (s->header.first_frame < first_frame) generation = s->header.generation;
    return generation;
}

/* The header of the next segment, which claims that all before first_frame is durable. */
static struct segment_header next_header(struct journal *j, uint64_t first_frame, uint64_t previous,
                                         uint32_t flags) {
    struct segment_header h = {
        .store_id = j->store_id,
        .epoch = j->epoch,
        .generation = ++j->generation,
        .previous = previous,
        .first_frame = first_frame,
        .claim = first_frame - 1,
        .segment_bytes = j->segment_bytes,
        .flags = flags,
    };
    random_bytes(&h.tag, sizeof h.tag);
    if (j->run != 0) h.tag = (uint64_t)j->parent << 32 | j->run;
    return h;
}

/* Makes s, which has its header, the last segment. */
static void push_segment(struct journal *j, struct segment *s) {
    s->crc_init = segment_crc_init(&j->store_id, s->header.generation, s->header.tag);
    s->end = JOURNAL_BLOCK;
    s->last_frame = s->header.first_frame - 1;
    if (j->segments.tail != NULL) {
        j->older_bytes += j->segments.tail->end;
        segment_close_files(j->segments.tail); /* nothing is written behind its last batch */
    }
    segment_list_push(&j->segments, s);
    journal_account(j);
}

/* Makes another segment the last. Its header is not written yet. What is in the last one now must
 * be synced (sync_last), because the header claims so, or be superseded. */
static int begin_segment(struct journal *j, uint64_t first_frame, uint64_t previous, uint32_t flags,
                         bool zeroed, struct err *err) {
    const struct segment *last = j->segments.tail;
    bool synced = last == NULL || (!j->dirty && !last->failed && last->syncs == 0);
    assert(synced || (flags & SEGMENT_SUPERSEDES) != 0);
    struct segment *s = journal_pool_take(j, zeroed, err);
    if (s == NULL) return ERR_IO;
    s->header = next_header(j, first_frame, previous, flags);
    push_segment(j, s);
    j->header_pending = j->dirty = true;
    j->header_synced = false;
    return 0;
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
        if ((rc = journal_write_part(j, b, from, to, part, claim, err)) != 0) return rc;
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

uint64_t journal_found_frame(const struct journal *j) {
    return j->found_frame;
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
        journal_pool_give(j, s);
    }
    j->last_frame = j->applied = next_frame - 1;
    /* Older frames from here on (a torn tail that a power cut may yet bring back) are void. */
    int rc = begin_segment(j, next_frame, previous, SEGMENT_SUPERSEDES, true, err);
    if (rc == 0) rc = journal_write_header(j, err);
    if (rc == 0) rc = sync_last(j, err);
    if (rc == 0) {
        j->state = JOURNAL_STARTED;
        journal_account(j);
        return 0;
    }
    struct segment *s = segment_list_pop(&j->segments);
    if (s != NULL) {
        s->failed = true;
        journal_pool_give(j, s);
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

void journal_sync_begin(struct journal *j, struct journal_sync *t) {
    assert(j->state == JOURNAL_STARTED);
    t->segment = j->segments.tail;
    t->segment->syncs++;
    j->dirty = false; /* if it fails, the segment says so (sync_last) */
}

int journal_sync_run(const struct journal *j, const struct journal_sync *t, unsigned slot,
                     struct err *err) {
    struct segment *s = t->segment;
    int rc = segment_sync(s, j->dir, slot, err);
    s->syncs--;
    return rc;
}

bool journal_fits(const struct journal *j, uint64_t bytes) {
    const struct segment *s = j->segments.tail;
    return s != NULL && bytes <= s->size - s->end;
}

uint64_t journal_batch_bytes(const struct batch *b) {
    return segment_round(sizeof(struct segment_batch) + b->journal_bytes);
}

/* What came behind `keep` (NULL: all) is given up. The newest is removed first, so that a crash
 * in between never finds a segment without the one before it. */
static void drop_segments_after(struct journal *j, struct segment *keep) {
    struct segment_list old = j->segments;
    j->segments = (struct segment_list){0};
    j->older_bytes = 0;
    bool drop = keep == NULL;
    pthread_mutex_lock(&j->lock);
    for (struct segment *s; (s = segment_list_pop(&old)) != NULL;) {
        segment_close_files(s);
        if (drop) {
            s->failed = true;
            segment_list_push_front(&j->doomed, s);
        } else {
            if (j->segments.tail != NULL) j->older_bytes += j->segments.tail->end;
            segment_list_push(&j->segments, s);
        }
        if (s == keep) drop = true;
    }
    journal_pool_changed(j);
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
            journal_pool_give(j, s);
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
    struct segment *keep = j->segments.tail; /* whichever failed is marked already */
    j->last_frame = next_frame - 1;
    const uint64_t previous = previous_generation(&j->segments, next_frame);
    int rc = begin_segment(j, next_frame, previous, SEGMENT_SUPERSEDES, false, err);
    if (rc != 0) goto failed;
    struct segment *first_new = j->segments.tail;
    for (size_t i = 0; i < n; i++)
        if ((rc = write_batch(j, batches[i], claim, err)) != 0) goto failed;
    if (j->header_pending && (rc = journal_write_header(j, err)) != 0) goto failed;
    if ((rc = sync_last(j, err)) != 0) goto failed;
    void_older(j, first_new, next_frame);
    j->state = JOURNAL_STARTED;
    release_applied(j);
    return 0;
failed:
    drop_segments_after(j, keep);
    j->last_frame = next_frame - 1;
    j->state = JOURNAL_FAILED;
    journal_account(j);
    return rc;
}

int journal_mark_void(struct journal *j, uint64_t next_frame, struct err *err) {
    assert(j->state == JOURNAL_FAILED);
    const uint64_t previous = previous_generation(&j->segments, next_frame);
    struct segment_header h = next_header(j, next_frame, previous, SEGMENT_SUPERSEDES);
    pthread_mutex_lock(&j->lock);
    uint64_t number = j->next_number++;
    pthread_mutex_unlock(&j->lock);
    bool synced;
    struct segment *s = segment_create_header(j->dir, j->dir_fd, number, &h, &synced, err);
    if (s == NULL) return ERR_IO;
    push_segment(j, s); /* journal_rewrite gives it back when it works */
    if (!synced) return ERR_IO;
    void_older(j, s, next_frame);
    journal_account(j);
    return 0;
}

int journal_scrub(struct journal *j, struct err *err) {
    assert(j->state == JOURNAL_STARTED);
    j->scrub_generation = j->generation;
    pthread_mutex_lock(&j->lock);
    for (struct segment *s; (s = segment_list_pop(&j->spares)) != NULL;) {
        s->stale = true;
        segment_list_push(&j->stale, s);
    }
    journal_pool_changed(j);
    pthread_mutex_unlock(&j->lock);
    const uint64_t previous = j->segments.tail->header.generation;
    int rc = sync_last(j, err);
    if (rc == 0) rc = begin_segment(j, j->last_frame + 1, previous, 0, false, err);
    if (rc == 0) rc = journal_write_header(j, err);
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
    if (j->state == JOURNAL_FAILED || (j->state == JOURNAL_STARTED && j->segments.tail->failed))
        rc = journal_rewrite(j, NULL, 0, j->last_frame + 1, j->last_frame, err);
    struct segment *s = j->segments.tail;
    if (rc == 0 && s != NULL) {
        s->header.flags |= SEGMENT_SEALED;
        s->header.sealed_frame = j->last_frame;
        rc = journal_write_header(j, err);
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
    j->run = config->run;
    j->parent = config->parent;
    j->segment_bytes = config->segment_bytes;
    pthread_mutex_init(&j->lock, NULL);
    return j;
}

void journal_close(struct journal *j) {
    if (j == NULL) return;
    /* After an unsuccessful opening everything stays as it was found. */
    if (j->state == JOURNAL_STARTED || j->state == JOURNAL_SEALED) {
        journal_pool_zero_stale(j);
        journal_pool_remove_doomed(j);
    }
    struct segment_list *lists[] = {&j->segments, &j->spares, &j->stale, &j->doomed};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct segment *s; (s = segment_list_pop(lists[i])) != NULL;) segment_destroy(s);
    if (j->dir_fd >= 0) close(j->dir_fd);
    pthread_mutex_destroy(&j->lock);
    free(j->buffer);
    free(j->iov);
    free(j->dir);
    free(j);
}
