/* The pool of segments.
 *
 *   spares --take--> [ segments: oldest ... last ] --all applied--> spares (a few) or doomed
 *     '--zeroed-- stale <--an event was erased--'
 *
 * What an erased event was must not stay in a file that is only free (journal_scrub): all that the
 * segments and spares of then held is overwritten before they are used again.
 *
 * The helper thread fills the pool (journal_prepare), zeroes stale files and removes doomed ones,
 * because all of that takes long; the journal thread takes and gives. */
#include "store/journal/internal.h"

#include "base/alloc.h"
#include "base/log.h"

/* Free segments that are kept; what a burst left beyond them is removed. */
#define SPARES_MAX 4

void journal_pool_changed(struct journal *j) {
    atomic_store(&j->wants_prepare,
                 j->spares.count == 0 || j->stale.count > 0 || j->doomed.count > 0);
    atomic_store(&j->spare_count, j->spares.count);
}

void journal_pool_give(struct journal *j, struct segment *s) {
    segment_close_files(s);
    pthread_mutex_lock(&j->lock);
    bool keep =
        !s->failed && s->size == j->segment_bytes && j->spares.count + j->stale.count < SPARES_MAX;
    segment_list_push(!keep ? &j->doomed : s->stale ? &j->stale : &j->spares, s);
    journal_pool_changed(j);
    pthread_mutex_unlock(&j->lock);
}

void journal_pool_remove_doomed(struct journal *j) {
    for (;;) {
        pthread_mutex_lock(&j->lock);
        struct segment *s = segment_list_pop(&j->doomed);
        journal_pool_changed(j);
        pthread_mutex_unlock(&j->lock);
        if (s == NULL) return;
        struct err ignored;
        if (s->stale && segment_zero(s, j->dir, &j->pace, &ignored) != 0)
            log_verbose("%s", ignored.text);
        segment_remove(s, j->dir);
    }
}

void journal_pool_zero_stale(struct journal *j) {
    for (;;) {
        struct err err;
        pthread_mutex_lock(&j->lock);
        struct segment *s = segment_list_pop(&j->stale);
        journal_pool_changed(j);
        pthread_mutex_unlock(&j->lock);
        if (s == NULL) return;
        if (segment_zero(s, j->dir, &j->pace, &err) != 0) log_warning("journal: %s", err.text);
        s->stale = s->failed;
        journal_pool_give(j, s);
    }
}

struct segment *journal_pool_take(struct journal *j, bool zeroed, struct err *err) {
    uint64_t zeros = zeroed ? j->segment_bytes : 0;
    pthread_mutex_lock(&j->lock);
    struct segment *s = segment_list_pop(&j->spares);
    uint64_t number = s == NULL ? j->next_number++ : 0;
    bool may_help = j->doomed.count + j->stale.count > 0 && j->state != JOURNAL_OPENED;
    journal_pool_changed(j);
    pthread_mutex_unlock(&j->lock);
    if (s == NULL)
        s = segment_create(j->dir, j->dir_fd, number, j->segment_bytes, zeros, NULL, err);
    if (s == NULL && may_help) { /* the disk is full, perhaps with these */
        pthread_mutex_lock(&j->lock);
        for (struct segment *stale; (stale = segment_list_pop(&j->stale)) != NULL;)
            segment_list_push(&j->doomed, stale);
        pthread_mutex_unlock(&j->lock);
        journal_pool_remove_doomed(j);
        s = segment_create(j->dir, j->dir_fd, number, j->segment_bytes, zeros, NULL, err);
    }
    return s;
}

int journal_prepare(struct journal *j, struct err *err) {
    journal_pool_remove_doomed(j);
    journal_pool_zero_stale(j);
    pthread_mutex_lock(&j->lock);
    bool wanted = j->spares.count == 0;
    uint64_t number = wanted ? j->next_number++ : 0;
    pthread_mutex_unlock(&j->lock);
    if (!wanted) return 0;
    struct segment *s = segment_create(j->dir, j->dir_fd, number, j->segment_bytes,
                                       j->segment_bytes, &j->pace, err);
    if (s == NULL) return ERR_IO;
    journal_pool_give(j, s);
    return 0;
}
