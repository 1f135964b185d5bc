/* At start: what the journal holds beyond the backend is brought into the backend, before anybody
 * is served. */
#include "store/internal.h"

#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"

#define REPLAY_BYTES (32u << 20)

struct replay {
    struct store *s;
    struct batch *batches[256];
    size_t count, bytes;
    uint64_t frames;
};

static int replay_apply(struct replay *r, struct err *err) {
    int rc = 0;
    if (r->count > 0) rc = r->s->backend->apply(r->s->writer, r->batches, r->count, err);
    for (size_t i = 0; i < r->count; i++) batch_destroy(r->batches[i]);
    r->count = r->bytes = 0;
    bool more = false;
    if (rc == 0) rc = r->s->backend->maintain(r->s->writer, false, &more, err);
    return rc;
}

static int replay_batch(struct batch *b, void *arg, struct err *err) {
    struct replay *r = arg;
    if (b == NULL) {
        int rc = replay_apply(r, err);
        if (rc == 0 && r->frames > 0)
            log_notice("recovered %llu frames from the journal, in front of damage",
                       (unsigned long long)r->frames);
        return rc;
    }
    r->batches[r->count++] = b;
    r->bytes += b->bytes;
    r->frames += b->frame_count;
    if (r->count < ARRAY_LEN(r->batches) && r->bytes < REPLAY_BYTES) return 0;
    return replay_apply(r, err);
}

int store_recover(struct store *s, struct err *err) {
    struct journal_config config = {
        .store_id = s->state.store_id,
        .epoch = s->state.epoch,
        .segment_bytes = s->config.segment_bytes,
    };
    char dir[sizeof s->path + 16];
    snprintf(dir, sizeof dir, "%s-journal.d", s->path);
    config.dir = dir;
    struct stat st;
    bool there = stat(dir, &st) == 0;
    if (!there && !s->state.journal_open && s->config.durability == DURABILITY_BACKEND) return 0;
    struct replay r = {.s = s};
    uint64_t start = clock_mono_ms();
    int rc = journal_open(&s->journal, &config, s->state.applied, s->state.journal_open,
                          replay_batch, &r, err);
    if (rc == 0)
        rc = replay_apply(&r, err);
    else
        for (size_t i = 0; i < r.count; i++) batch_destroy(r.batches[i]);
    if (rc != 0) return rc;
    if (r.frames > 0) {
        log_notice("recovered %llu frames from the journal in %llu ms",
                   (unsigned long long)r.frames, (unsigned long long)(clock_mono_ms() - start));
        rc = s->backend->load_state(s->writer, &s->state, err);
    }
    return rc;
}
