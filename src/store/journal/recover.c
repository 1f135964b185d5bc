/* Opening a journal: which segments count, what in them is believed, and what is refused.
 *
 * Every valid segment header and every valid batch header is a statement that was true when it
 * was written: "all frames up to `claim` are durable", and a segment is begun only when all
 * frames before its first one are. So the one question is whether the frames that can be read
 * reach at least as far as the highest statement that survived (`needed`):
 *
 *     reached >= needed   what is missing behind was never acknowledged: a torn tail, dropped
 *     reached <  needed   something durable is damaged or gone: the start is refused
 *
 * Frames at or below `applied` are in the backend and count as reached whatever became of them
 * here, so damage to them is stepped over. The chain begins in the newest segment that starts
 * at or below applied + 1; all older ones are out of use and are not looked at.
 *
 * A superseding segment voids the older frames from its first one on, and with them what
 * segments in between said about those frames. Segments whose header is lost, or looks blank,
 * are searched for batches of their own: these cannot be replayed without the header, but
 * they say whether something durable was in there. docs/journal.md has the rules for readers. */
#include "store/journal/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "store/journal/journal.h"

#define REPLAY_BYTES  ((size_t)8 << 20) /* bodies of a batch that is handed out */
#define SCAN_BLOCKS   256               /* read at once when looking for batches */
#define BLANK_SAMPLES 64

/* The next frame that is wanted: those applied are not. */
static uint64_t wanted(const struct recovery *r) {
    return MAX(r->expected, r->applied + 1);
}

/* The first frame that a newer segment than `generation` makes void. */
static uint64_t void_from(const struct recovery *r, uint64_t generation) {
    uint64_t from = UINT64_MAX;
    for (size_t i = r->own_count; i-- > 0;) {
        const struct segment_header *h = &r->own[i].segment->header;
        if (h->generation <= generation) break;
        if ((h->flags & SEGMENT_SUPERSEDES) != 0) from = MIN(from, h->first_frame);
    }
    return from;
}

static void note_claim(struct recovery *r, uint64_t claim, uint64_t generation,
                       const struct segment *s, uint64_t offset) {
    claim = MIN(claim, void_from(r, generation) - 1);
    if (claim <= r->needed) return;
    r->needed = claim;
    r->needed_by = s;
    r->needed_at = offset;
}

/* ---- handing out ---- */

static int hand_out(struct recovery *r) {
    struct batch *b = r->out;
    if (b == NULL) return 0;
    r->out = NULL;
    r->out_bytes = 0;
    return r->replay(b, r->arg, r->err);
}

/* Adds one frame's records, copied, to the batch being filled. false: the bytes are what was
 * written, but are not records that this version knows. */
static bool add_frame(struct recovery *r, const uint8_t *frame, size_t len, uint64_t number) {
    if (r->out == NULL) r->out = batch_create(number);
    assert(number == batch_last_frame(r->out) + 1);
    size_t at = sizeof(struct segment_frame);
    while (at < len) {
        struct segment_record head;
        memcpy(&head, frame + at, sizeof head);
        const uint8_t *body = frame + at + sizeof head;
        if (record_bytes(head.len) > len - at) return false;
        if (head.reserved[0] != 0 || head.reserved[1] != 0 || head.reserved[2] != 0) return false;
        void *copy = batch_alloc(r->out, head.len);
        if (head.len > 0) memcpy(copy, body, head.len);
        struct record record = {.body = copy, .len = head.len, .kind = head.kind};
        if (!record_valid(&record)) return false;
        batch_add(r->out, (enum record_kind)head.kind, copy, head.len);
        at += record_bytes(head.len);
    }
    batch_end_frame(r->out);
    r->out_bytes += len;
    return true;
}

/* The frames of the checked batch in the buffer that are wanted, up to where they become void. */
static int hand_out_batch(struct recovery *r, const struct segment *s, uint64_t offset,
                          const struct segment_batch *g, uint64_t limit) {
    const uint8_t *at = r->buffer + sizeof *g;
    char path[SEGMENT_PATH_MAX];
    int rc = 0;
    for (uint64_t number = g->first_frame; number < g->first_frame + g->frames; number++) {
        struct segment_frame frame;
        memcpy(&frame, at, sizeof frame);
        if (number >= limit) break;
        if (number >= wanted(r)) {
            if (!add_frame(r, at, frame.length, number))
                return err_set(r->err, ERR_CORRUPT,
                               "%s: frame %llu (in the batch at offset %llu) is whole but holds "
                               "records that this version does not know: start the version that "
                               "wrote it",
                               recovery_path(r, s, path), (unsigned long long)number,
                               (unsigned long long)offset);
            if (r->out_bytes >= REPLAY_BYTES && (rc = hand_out(r)) != 0) return rc;
        }
        r->expected = MAX(r->expected, number + 1);
        at += frame.length;
    }
    return 0;
}

/* ---- reading segments ---- */

static void buffer_reserve(struct recovery *r, size_t n) {
    if (r->buffer_cap >= n) return;
    r->buffer_cap = MAX(n, r->buffer_cap * 2);
    free(r->buffer);
    r->buffer = xmalloc(r->buffer_cap);
}

/* Whether a whole batch of the segment stands at offset; then it is in the buffer. */
static int read_batch(struct recovery *r, const struct segment *s, uint64_t offset, bool *whole,
                      struct segment_batch *g) {
    size_t got;
    *whole = false;
    buffer_reserve(r, JOURNAL_BLOCK);
    int rc = recovery_read(r, s, r->buffer, JOURNAL_BLOCK, offset, &got);
    if (rc != 0 || got < JOURNAL_BLOCK) return rc;
    memcpy(g, r->buffer, sizeof *g);
    if (g->generation != s->header.generation || g->tag != s->header.tag) return 0;
    if (!segment_batch_valid(g, &r->j->store_id)) return 0;
    if (g->bytes > s->size - offset - sizeof *g) return 0;
    size_t total = sizeof *g + g->bytes;
    if (total > JOURNAL_BLOCK) {
        buffer_reserve(r, total);
        rc = recovery_read(r, s, r->buffer, total, offset, &got);
        if (rc != 0 || got < total) return rc;
    }
    *whole = segment_frames_valid(r->buffer + sizeof *g, g, s->crc_init);
    return 0;
}

/* Calls each() for every valid batch header on a block boundary from offset on; *stop ends it. */
typedef void scan_fn(struct recovery *r, const struct segment *s, uint64_t offset,
                     const struct segment_batch *g, void *arg, bool *stop);

static int scan(struct recovery *r, const struct segment *s, uint64_t offset, scan_fn *each,
                void *arg) {
    bool stop = false;
    uint8_t *blocks = xmalloc((size_t)SCAN_BLOCKS * JOURNAL_BLOCK);
    int rc = 0;
    while (!stop && offset < s->size) {
        size_t got;
        rc = recovery_read(r, s, blocks, (size_t)SCAN_BLOCKS * JOURNAL_BLOCK, offset, &got);
        if (rc != 0 || got < sizeof(struct segment_batch)) break;
        for (size_t at = 0; at + sizeof(struct segment_batch) <= got && !stop;
             at += JOURNAL_BLOCK) {
            struct segment_batch g;
            memcpy(&g, blocks + at, sizeof g);
            if (segment_batch_valid(&g, &r->j->store_id)) each(r, s, offset + at, &g, arg, &stop);
        }
        offset += segment_round(got);
    }
    free(blocks);
    return rc;
}

/* Behind damage: claims count; and the chain goes on where it can be taken up again without
 * missing a frame that is wanted. */
static void resume_look(struct recovery *r, const struct segment *s, uint64_t offset,
                        const struct segment_batch *g, void *arg, bool *stop) {
    uint64_t *resume = arg; /* an offset; 0: nowhere */
    if (g->generation != s->header.generation || g->tag != s->header.tag) return;
    note_claim(r, g->claim, g->generation, s, offset);
    if (*resume != 0 || g->first_frame < r->expected || g->first_frame > wanted(r)) return;
    *resume = offset;
    *stop = true;
}

/* Reads one segment of the chain from its start: hands out what is wanted, stops at a torn tail
 * or at damage. */
static int walk(struct recovery *r, struct found *f) {
    const struct segment *s = f->segment;
    const uint64_t limit = void_from(r, s->header.generation);
    uint64_t offset = JOURNAL_BLOCK;
    int rc = 0;
    r->expected = s->header.first_frame;
    while (offset < s->size && r->expected < limit) {
        struct segment_batch g;
        bool whole;
        if ((rc = read_batch(r, s, offset, &whole, &g)) != 0) return rc;
        if (whole && g.first_frame >= r->expected && g.first_frame <= wanted(r)) {
            note_claim(r, g.claim, g.generation, s, offset);
            if ((rc = hand_out_batch(r, s, offset, &g, limit)) != 0) return rc;
            offset += segment_round(sizeof g + g.bytes);
            continue;
        }
        uint64_t resume = 0, from = offset + JOURNAL_BLOCK;
        if (whole) note_claim(r, g.claim, g.generation, s, offset);
        if ((rc = scan(r, s, from, resume_look, &resume)) != 0) return rc;
        if (resume == 0) break;
        log_warning("journal: stepped over damage at %llu of segment %llx, which holds only frames "
                    "that are applied",
                    (unsigned long long)offset, (unsigned long long)s->number);
        offset = resume;
    }
    f->stop = offset;
    return 0;
}

/* ---- the chain ---- */

/* Something durable behind `before` is damaged. What stands in front of it is durable too: whoever
 * gives up the rest is not to lose that as well. */
static int refuse_damaged(struct recovery *r, const struct found *before, const struct segment *by,
                          uint64_t by_offset, uint64_t until) {
    char path[SEGMENT_PATH_MAX];
    int rc = hand_out(r);
    if (rc == 0) rc = r->replay(NULL, r->arg, r->err);
    if (rc != 0) return rc;
    return err_set(
        r->err, ERR_CORRUPT,
        "%s: damaged at offset %llu: frames from %llu on, up to %llu, were durable (says "
        "segment %llx at %llu) and cannot be read. Restore the journal, or see "
        "docs/journal.md",
        recovery_path(r, before->segment, path), (unsigned long long)before->stop,
        (unsigned long long)wanted(r), (unsigned long long)until, (unsigned long long)by->number,
        (unsigned long long)by_offset);
}

/* Whether each segment of the chain names the one in front of it. Before anything is handed out:
 * one that is missing may have superseded frames of the one in front. */
static int check_links(struct recovery *r, size_t base) {
    const struct segment_header *before = NULL;
    for (size_t i = base; i < r->own_count; i++) {
        const struct segment *s = r->own[i].segment;
        const struct segment_header *h = &s->header;
        if (h->first_frame >= void_from(r, h->generation)) continue;
        char path[SEGMENT_PATH_MAX];
        if (before != NULL && h->previous != before->generation)
            return err_set(r->err, ERR_REFUSED,
                           "%s (header at offset 0): the segment in front of this one is missing, "
                           "or its header is damaged: frames up to %llu were durable and cannot be "
                           "read. Restore the journal, or see docs/journal.md",
                           recovery_path(r, s, path), (unsigned long long)h->first_frame - 1);
        before = h;
    }
    return 0;
}

/* The newest segment that begins at or below the first frame wanted. */
static int find_base(struct recovery *r, size_t *base) {
    for (size_t i = r->own_count; i-- > 0;) {
        if (r->own[i].segment->header.first_frame > r->applied + 1) continue;
        *base = i;
        return 0;
    }
    char path[SEGMENT_PATH_MAX];
    const struct segment *s = r->own[0].segment;
    return err_set(r->err, ERR_REFUSED,
                   "the store has frames up to %llu, but its journal begins with frame %llu (%s): "
                   "an older copy of the store, or a segment was removed. Put the store and "
                   "its journal back as they belong together; or see docs/journal.md",
                   (unsigned long long)r->applied, (unsigned long long)s->header.first_frame,
                   recovery_path(r, s, path));
}

/* What the chain's files hold must be on the disk before the backend builds on it: a server that
 * was killed may have left frames that are only in the page cache. */
static int sync_chain(struct recovery *r, size_t base) {
    for (size_t i = base; i < r->own_count; i++) {
        const struct segment *s = r->own[i].segment;
        char path[SEGMENT_PATH_MAX];
        int rc = recovery_open_file(r, s);
        if (rc != 0) return rc;
        if (fdatasync(r->reading_fd) != 0)
            return err_errno(r->err, "syncing %s", recovery_path(r, s, path));
    }
    if (fsync(r->j->dir_fd) != 0) return err_errno(r->err, "syncing %s", r->j->dir);
    return 0;
}

static int walk_chain(struct recovery *r) {
    size_t base = 0;
    int rc = find_base(r, &base);
    if (rc == 0) rc = check_links(r, base);
    if (rc == 0) rc = sync_chain(r, base);
    if (rc != 0) return rc;
    const struct found *before = NULL;
    for (size_t i = base; i < r->own_count; i++) {
        struct found *f = &r->own[i];
        const struct segment_header *h = &f->segment->header;
        if (h->first_frame >= void_from(r, h->generation)) continue;
        if (before != NULL && h->first_frame > wanted(r))
            return refuse_damaged(r, before, f->segment, 0, h->first_frame - 1);
        if (before != NULL && h->first_frame < wanted(r)) {
            char path[SEGMENT_PATH_MAX];
            return err_set(r->err, ERR_CORRUPT,
                           "%s begins with frame %llu, which an older segment holds too. Restore "
                           "the journal's files from one moment, or see docs/journal.md",
                           recovery_path(r, f->segment, path), (unsigned long long)h->first_frame);
        }
        if ((rc = walk(r, f)) != 0) return rc;
        before = f;
    }
    if ((rc = hand_out(r)) != 0) return rc;
    assert(before != NULL); /* nothing newer voids the base: it would be the base itself */
    if (r->needed >= wanted(r))
        return refuse_damaged(r, before, r->needed_by, r->needed_at, r->needed);
    return 0;
}

/* ---- segments without a header ---- */

/* The batches of one generation in such a file: its lowest frame and highest claim. */
struct remains {
    uint64_t generation, first_frame, claim, claim_at;
};

static void remains_look(struct recovery *r, const struct segment *s, uint64_t offset,
                         const struct segment_batch *g, void *arg, bool *stop) {
    struct remains *m = arg;
    UNUSED(stop);
    note_claim(r, g->claim, g->generation, s, offset);
    if (g->generation < m->generation) return;
    if (g->generation > m->generation)
        *m = (struct remains){.generation = g->generation, .first_frame = UINT64_MAX};
    m->first_frame = MIN(m->first_frame, g->first_frame);
    if (g->claim > m->claim) {
        m->claim = g->claim;
        m->claim_at = offset;
    }
}

/* A blank header mostly means a blank file; a few samples tell whether a look is worth it. */
static int looks_blank(struct recovery *r, const struct segment *s, bool *blank) {
    uint8_t block[sizeof(struct segment_batch)];
    const uint64_t blocks = s->size / JOURNAL_BLOCK;
    *blank = true;
    for (uint64_t i = 0; i < BLANK_SAMPLES && *blank; i++) {
        size_t got;
        uint64_t at = blocks <= BLANK_SAMPLES ? i : 1 + i * (blocks - 1) / BLANK_SAMPLES;
        int rc = recovery_read(r, s, block, sizeof block, at * JOURNAL_BLOCK, &got);
        if (rc != 0) return rc;
        for (size_t k = 0; k < got; k++)
            if (block[k] != 0) *blank = false;
    }
    return 0;
}

static int refuse_lost(struct recovery *r, const struct segment *s, uint64_t offset,
                       uint64_t claim) {
    char path[SEGMENT_PATH_MAX];
    return err_set(r->err, ERR_CORRUPT,
                   "%s: damaged header at offset 0, and frames up to %llu were durable (says its "
                   "batch at offset %llu), but the store has only %llu. Restore the file, or see "
                   "docs/journal.md",
                   recovery_path(r, s, path), (unsigned long long)claim, (unsigned long long)offset,
                   (unsigned long long)r->applied);
}

/* Frames that are not applied and were durable must not be in a segment whose header is lost. A
 * header that was torn when its segment was begun is no harm: nothing in there was durable. */
static int check_lost(struct recovery *r) {
    for (size_t i = 0; i < r->lost_count; i++) {
        const struct segment *s = r->lost[i].segment;
        bool blank = false;
        int rc = 0;
        if (r->lost[i].state == SEGMENT_BLANK && (rc = looks_blank(r, s, &blank)) != 0) return rc;
        if (blank) continue;
        struct remains m = {0};
        if ((rc = scan(r, s, 0, remains_look, &m)) != 0) return rc;
        r->j->generation = MAX(r->j->generation, m.generation);
        uint64_t claim = MIN(m.claim, void_from(r, m.generation) - 1);
        if (m.generation == 0 || claim < MAX(m.first_frame, r->applied + 1)) continue;
        return refuse_lost(r, s, m.claim_at, claim);
    }
    return 0;
}

/* ---- opening ---- */

static int open_dir(struct journal *j, bool expected, struct err *err) {
    if (!expected && mkdir(j->dir, 0700) != 0 && errno != EEXIST)
        return err_errno(err, "creating %s", j->dir);
    j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir_fd < 0 && errno == ENOENT && expected) {
        return err_set(err, ERR_REFUSED,
                       "%s is missing, and the store says that it may hold events that the store "
                       "has not got. Put it back; or see docs/journal.md to go on without them",
                       j->dir);
    }
    if (j->dir_fd < 0) return err_errno(err, "opening %s", j->dir);
    if (expected) return 0;
    /* The directory itself must be on the disk before anything in it counts. */
    int parent = openat(j->dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = parent < 0 || fsync(parent) != 0 ? err_errno(err, "syncing %s/..", j->dir) : 0;
    if (parent >= 0) close(parent);
    return rc;
}

static int recover(struct recovery *r, bool expected) {
    int rc = recovery_find_segments(r);
    if (rc == 0) rc = check_lost(r);
    if (rc != 0) return rc;
    const struct segment *newest = r->own_count > 0 ? r->own[r->own_count - 1].segment : NULL;
    if (newest != NULL && (newest->header.flags & SEGMENT_SEALED) == 0) return walk_chain(r);
    if (newest != NULL && newest->header.sealed_frame > r->applied) {
        /* The store is an older copy: what it lacks may still be in the segments. */
        note_claim(r, newest->header.sealed_frame, newest->header.generation, newest, 0);
        return walk_chain(r);
    }
    if (r->needed > r->applied) return refuse_lost(r, r->needed_by, r->needed_at, r->needed);
    if (newest == NULL) {
        if (!expected) return 0;
        return err_set(r->err, ERR_REFUSED,
                       "%s holds no segment of this store%s, and the store says that its journal "
                       "may hold events that the store has not got. Put the files back; or "
                       "see docs/journal.md to go on without them",
                       r->j->dir, r->lost_count > 0 ? " with a readable header" : "");
    }
    return 0;
}

int journal_open(struct journal **out, const struct journal_config *config, uint64_t applied,
                 bool expected, journal_replay_fn *replay, void *arg, struct err *err) {
    struct journal *j = journal_create(config);
    struct recovery r = {
        .j = j, .applied = applied, .replay = replay, .arg = arg, .err = err, .expected = 1};
    int rc = open_dir(j, expected, err);
    if (rc == 0) rc = recover(&r, expected);
    recovery_close_file(&r);
    /* The journal takes the segments: valid ones in order, blank ones as spares. */
    for (size_t i = 0; i < r.own_count; i++) segment_list_push(&j->segments, r.own[i].segment);
    for (size_t i = 0; i < r.lost_count; i++) {
        struct segment *s = r.lost[i].segment;
        bool spare = r.lost[i].state == SEGMENT_BLANK && s->size == j->segment_bytes;
        segment_list_push(spare ? &j->spares : &j->doomed, s);
    }
    batch_destroy(r.out);
    free(r.own);
    free(r.lost);
    free(r.buffer);
    j->last_frame = MAX(r.own_count > 0 ? r.expected - 1 : 0, applied);
    j->found_frame = r.own_count > 0 ? r.expected - 1 : 0;
    j->applied = applied;
    if (rc != 0) {
        journal_close(j);
        return rc;
    }
    segment_remove_temporary(j->dir);
    *out = j;
    return 0;
}
