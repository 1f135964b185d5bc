/* Fuzz target of the journal's recovery. The first byte chooses:
 *
 *   even  the input is the contents of one to three segment files, which are put right as far as
 *         checksums, magics and generations go, so that what is behind them is reached;
 *   odd   the input first drives a real journal (batches, rotations, superseding, seals) and then
 *         damages its files.
 *
 * The journal must be refused or replayed, and nothing else: no crash, no read too far, only valid
 * records, frames without a gap. After damage to a real journal the replay is moreover one
 * history (each frame names the one before it) and reaches at least the highest durable claim
 * that survived.
 *
 * Build with clang -fsanitize=fuzzer,address -Isrc and the objects of base and store. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "record/event.h"
#include "store/journal/journal.h"
#include "record/record.h"
#include "record/timeline.h"
#include "store/journal/segment.h"

#define SEGMENT_BYTES ((uint64_t)32768)
#define FRAMES_MAX    4096
#define BLOCK         ((size_t)JOURNAL_BLOCK)

/* Nothing here is about the disk. */
int fdatasync(int fd) {
    UNUSED(fd);
    return 0;
}
int fsync(int fd) {
    UNUSED(fd);
    return 0;
}

static char dir[64];
static struct journal_config config = {.dir = dir, .epoch = 1, .segment_bytes = SEGMENT_BYTES};

static void require(bool condition) {
    if (!condition) abort();
}

/* ---- the input ---- */

struct input {
    const uint8_t *at, *end;
};

static uint64_t take(struct input *in, unsigned bytes) {
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++) v = v << 8 | *in->at++;
    return v;
}

static void take_bytes(struct input *in, void *out, size_t n) {
    size_t have = MIN(n, (size_t)(in->end - in->at));
    memset(out, 0, n);
    if (have > 0) memcpy(out, in->at, have);
    in->at += have;
}

/* ---- the replay ---- */

struct body {
    uint64_t number, before, salt;
};

struct seen {
    uint64_t first, last, hash;
    bool history; /* frames are ours: check that they are one history */
};

static uint64_t body_hash(const struct body *b) {
    return b->number * 0x9e3779b97f4a7c15u ^ b->before * 0xff51afd7ed558ccdu ^ (b->salt << 17);
}

/* Beside its event each frame of ours has a small record, whose kind and body follow from the
 * frame's number. Returns its length. */
static size_t small_record(uint64_t number, enum record_kind *kind, uint64_t body[16]) {
    static const struct {
        enum record_kind kind;
        size_t words;
    } kinds[] = {{RECORD_STREAM_STATE, 10}, {RECORD_REMOVE, 5}, {RECORD_DELETE, 1},
                 {RECORD_VALUE, 3},         {RECORD_ERASE, 3},  {RECORD_GROUP_POSITION, 4},
                 {RECORD_GROUP_DROP, 1},    {RECORD_ACK, 7},    {RECORD_IDEMPOTENT_CLEAR, 1},
                 {RECORD_TIMELINE, 3},      {RECORD_NAMED, 5}};
    size_t which = number % ARRAY_LEN(kinds);
    *kind = kinds[which].kind;
    if (*kind == RECORD_DELETE && number % 2 == 1) { /* of a virtual stream */
        body[0] = number;
        body[1] = KIND_VIRTUAL;
        return 2 * sizeof body[0];
    }
    for (size_t i = 0; i < kinds[which].words; i++) body[i] = number + i;
    if (*kind == RECORD_REMOVE) body[3] = number + 9; /* versions ascend */
    if (*kind == RECORD_TIMELINE) body[2] = (uint64_t)TIMELINE_FLUSHED << 32;
    if (*kind == RECORD_NAMED) { /* a checkpoint whose name has 8 bytes */
        body[0] = NAMED_CHECKPOINT | 8 << 16;
        memcpy(&body[1], "consumer", 8);
        body[4] = 0;
    }
    return kinds[which].words * sizeof body[0];
}

static void check_small(const struct record *r, uint64_t number) {
    enum record_kind kind;
    uint64_t body[16];
    size_t len = small_record(number, &kind, body);
    require(r->kind == kind);
    require(r->len == len);
    require(memcmp(r->body, body, len) == 0);
}

static int look(struct batch *g, void *arg, struct err *err) {
    struct seen *seen = arg;
    uint32_t r = 0;
    UNUSED(err);
    if (g == NULL) return 0; /* refused: damage behind */
    require(g->frame_count > 0);
    for (uint32_t i = 0; i < g->frame_count; i++) {
        uint64_t number = g->first_frame + i;
        require(seen->last == 0 || number == seen->last + 1);
        if (seen->first == 0) seen->first = number;
        require(g->frame_end[i] > r);
        for (; r < g->frame_end[i]; r++) {
            require(record_valid(&g->records[r]));
            if (!seen->history) continue;
            if (g->records[r].kind != RECORD_EVENT) {
                check_small(&g->records[r], number);
                continue;
            }
            struct body b;
            struct str payload = event_payload(g->records[r].body);
            memcpy(&b, payload.ptr, sizeof b);
            require(b.number == number);
            require(seen->last == 0 || b.before == seen->hash);
            seen->hash = body_hash(&b);
        }
        seen->last = number;
    }
    batch_destroy(g);
    return 0;
}

static void clean_dir(void) {
    DIR *d = opendir(dir);
    require(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

/* ---- arbitrary bytes ---- */

/* Makes the checksums of a file's batches right, whatever else is in them. */
static void mend(uint8_t *file, size_t size, const struct segment_header *h) {
    const uint32_t crc_init = segment_crc_init(&config.store_id, h->generation, h->tag);
    for (size_t at = BLOCK; at + sizeof(struct segment_batch) <= size; at += BLOCK) {
        struct segment_batch g;
        memcpy(&g, file + at, sizeof g);
        if ((g.magic & 3) == 3) continue; /* some stay as they are */
        g.generation = h->generation;
        g.tag = h->tag;
        uint64_t number = g.first_frame;
        size_t frame = at + sizeof g, left = MIN(g.bytes, size - frame);
        for (uint32_t i = 0; i < g.frames && left >= sizeof(struct segment_frame); i++) {
            struct segment_frame f;
            memcpy(&f, file + frame, sizeof f);
            if (f.length < sizeof f || f.length > left) break;
            f.number = number++;
            memcpy(file + frame, &f, sizeof f);
            f.crc = segment_crc(crc_init, file + frame + sizeof f.crc, f.length - sizeof f.crc);
            memcpy(file + frame, &f.crc, sizeof f.crc);
            frame += f.length;
            left -= f.length;
        }
        segment_batch_seal(&g, crc_init);
        memcpy(file + at, &g, sizeof g);
    }
}

static void arbitrary(struct input *in) {
    const unsigned files = 1 + (unsigned)take(in, 1) % 3;
    const uint64_t applied = take(in, 1);
    const bool expected = (applied & 1) != 0;
    for (unsigned i = 0; i < files; i++) {
        size_t size = (size_t)take(in, 1) % 9 * BLOCK + (size_t)take(in, 1) * 16;
        uint8_t *file = xcalloc(1, size + BLOCK);
        struct segment_header h;
        take_bytes(in, &h, sizeof h);
        /* Bytes are dealt to the blocks in pieces, so that a short input reaches all of them. */
        const size_t piece = 64 + (size_t)take(in, 1) * 16;
        for (size_t at = BLOCK; at < size; at += BLOCK)
            take_bytes(in, file + at, MIN(piece, size - at));
        if ((h.flags & 0x80) == 0) {
            h.store_id = config.store_id;
            h.flags &= SEGMENT_SUPERSEDES | SEGMENT_SEALED;
        }
        segment_header_put(file, &h);
        mend(file, size, &h);
        char path[SEGMENT_PATH_MAX];
        segment_path(path, dir, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        require(fd >= 0);
        require(write(fd, file, size) == (ssize_t)size);
        close(fd);
        free(file);
    }
    struct journal *j = NULL;
    struct err err;
    struct seen seen = {0};
    int rc = journal_open(&j, &config, applied, expected, look, &seen, &err);
    if (rc == 0) require(journal_last_frame(j) >= MAX(seen.last, applied));
    if (rc == 0 && journal_last_frame(j) < UINT64_MAX - 8) {
        uint64_t next = journal_last_frame(j) + 1;
        require(journal_start(j, next, &err) == 0);
        require(journal_segment_count(j) > 0);
    }
    journal_close(j);
}

/* ---- a real journal, damaged ---- */

struct history {
    struct journal *j;
    struct stream_name *name;
    uint64_t hash[FRAMES_MAX]; /* [n]: of frame n as last written */
    uint64_t durable, applied, salt;
};

static struct batch *make_batch(struct history *h, uint64_t first, unsigned frames, size_t size) {
    struct batch *g = batch_create(first);
    for (unsigned i = 0; i < frames; i++) {
        uint64_t number = first + i;
        struct body b = {.number = number, .before = h->hash[number - 1], .salt = h->salt};
        char payload[8192] = {0};
        memcpy(payload, &b, sizeof b);
        struct event_fields f = {.sequence = number,
                                 .payload = str_of(payload, MAX(size, sizeof b))};
        struct event *e = event_create(&f, h->name);
        size_t len = event_record_len(&e->rec);
        void *copy = batch_alloc(g, len);
        memcpy(copy, &e->rec, len);
        batch_add(g, RECORD_EVENT, copy, len);
        enum record_kind kind;
        uint64_t small[16];
        size_t small_len = small_record(number, &kind, small);
        copy = batch_alloc(g, small_len);
        memcpy(copy, small, small_len);
        batch_add(g, kind, copy, small_len);
        batch_end_frame(g);
        event_unref(e);
        h->hash[number] = body_hash(&b);
    }
    return g;
}

/* One step of a journal's life. */
static void live(struct history *h, struct input *in) {
    struct err err;
    const unsigned what = (unsigned)take(in, 1);
    const uint64_t applied = h->applied;
    if (h->durable + 40 >= FRAMES_MAX) return;
    struct batch *b =
        make_batch(h, h->durable + 1, 1 + what / 8 % 8, (size_t)take(in, 1) * (what & 1 ? 30 : 2));
    require(journal_write(h->j, b, h->durable, &err) == 0);
    switch (what % 8) {
    case 5: /* the sync failed: all again */
        require(journal_rewrite(h->j, &b, 1, h->durable + 1, h->durable, &err) == 0);
        h->durable = batch_last_frame(b);
        break;
    case 6: /* and again: void */
        require(journal_rewrite(h->j, NULL, 0, h->durable + 1, h->durable, &err) == 0);
        h->salt++;
        break;
    case 7:
        require(journal_prepare(h->j, &err) == 0);
        h->applied = applied + take(in, 1) % (h->durable - applied + 1);
        journal_applied(h->j, h->applied);
        /* fall through */
    default:
        require(journal_sync(h->j, &err) == 0);
        h->durable = batch_last_frame(b);
    }
    batch_destroy(b);
}

static void damage(struct input *in) {
    unsigned which = (unsigned)take(in, 1), n = 0;
    DIR *d = opendir(dir);
    char path[512] = "";
    require(d != NULL);
    uint64_t lowest = UINT64_MAX, number, past = 0;
    /* The which-th file in the order of names. */
    for (n = 0; n <= which % 8; n++) {
        lowest = UINT64_MAX;
        rewinddir(d);
        for (struct dirent *e; (e = readdir(d)) != NULL;)
            if (segment_name_parse(e->d_name, &number) && number >= past && number < lowest)
                lowest = number;
        if (lowest == UINT64_MAX) break;
        segment_path(path, dir, lowest);
        past = lowest + 1;
    }
    closedir(d);
    int fd = open(path, O_RDWR);
    require(fd >= 0);
    struct stat st;
    require(fstat(fd, &st) == 0);
    uint64_t offset = take(in, 2) % SEGMENT_BYTES;
    unsigned how = (unsigned)take(in, 1);
    size_t len = 1 + (size_t)take(in, 2) % 9000;
    uint8_t bytes[9001] = {0};
    switch (how % 4) {
    case 0:
        len = 1;
        if (pread(fd, bytes, 1, (off_t)offset) != 1) break;
        bytes[0] ^= (uint8_t)(1u << how / 4 % 8);
        /* fall through */
    case 1:
        if (offset < (uint64_t)st.st_size)
            require(pwrite(fd, bytes, MIN(len, (uint64_t)st.st_size - offset), (off_t)offset) > 0);
        break;
    case 2:
        require(ftruncate(fd, (off_t)offset) == 0);
        break;
    default:
        take_bytes(in, bytes, MIN(len, (size_t)64));
        require(pwrite(fd, bytes, MIN(len, (size_t)64), (off_t)offset) > 0);
    }
    close(fd);
}

/* The highest claim of a batch whose segment's header is still good. */
static uint64_t surviving_claim(void) {
    uint64_t claim = 0;
    DIR *d = opendir(dir);
    require(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        uint64_t number;
        char path[SEGMENT_PATH_MAX];
        static uint8_t file[2 * SEGMENT_BYTES];
        struct segment_header h;
        bool used;
        if (!segment_name_parse(e->d_name, &number)) continue;
        segment_path(path, dir, number);
        int fd = open(path, O_RDONLY);
        require(fd >= 0);
        ssize_t size = read(fd, file, sizeof file);
        close(fd);
        if (size < 0 || segment_header_get(file, (size_t)size, &h, &used) != SEGMENT_VALID)
            continue;
        for (size_t at = BLOCK; at + sizeof(struct segment_batch) <= (size_t)size; at += BLOCK) {
            struct segment_batch g;
            memcpy(&g, file + at, sizeof g);
            if (segment_batch_valid(&g, &config.store_id) && g.generation == h.generation)
                claim = MAX(claim, g.claim);
        }
    }
    closedir(d);
    return claim;
}

static void damaged(struct input *in) {
    static struct history h;
    struct err err;
    h = (struct history){.name = stream_name_create(1, 1, STR("s"))};
    struct seen seen = {.history = true};
    require(journal_open(&h.j, &config, 0, false, look, &seen, &err) == 0);
    require(journal_start(h.j, 1, &err) == 0);
    const unsigned steps = 1 + (unsigned)take(in, 1) % 48;
    for (unsigned i = 0; i < steps; i++) live(&h, in);
    const unsigned end = (unsigned)take(in, 1);
    if (end % 8 == 0) {
        journal_applied(h.j, h.applied = h.durable);
        require(journal_seal(h.j, &err) == 0);
    }
    journal_close(h.j);
    for (unsigned i = 0; i < end / 8 % 4; i++) damage(in);

    seen = (struct seen){.history = true};
    const uint64_t claim = surviving_claim();
    int rc = journal_open(&h.j, &config, h.applied, true, look, &seen, &err);
    require(rc == 0 || rc == ERR_REFUSED || rc == ERR_CORRUPT);
    if (rc == 0) {
        uint64_t last = journal_last_frame(h.j);
        require(last >= MAX(claim, h.applied));
        require(seen.first == 0 || seen.first == h.applied + 1);
        if (end / 8 % 4 == 0) require(last >= h.durable);
        /* And it goes on from there. */
        require(journal_start(h.j, last + 1, &err) == 0);
        h.hash[last] = seen.hash;
        h.durable = h.applied = last;
        h.salt = 99;
        live(&h, in);
        journal_close(h.j);
        seen = (struct seen){.history = true};
        require(journal_open(&h.j, &config, h.applied, true, look, &seen, &err) == 0);
        require(journal_last_frame(h.j) >= h.durable);
        journal_close(h.j);
    }
    stream_name_unref(h.name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {.at = data, .end = data + size};
    if (dir[0] == '\0') {
        snprintf(dir, sizeof dir, "%s/cairn-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        require(mkdtemp(dir) != NULL);
        log_level = LOG_NOTHING;
    }
    clean_dir();
    if (take(&in, 1) % 2 == 0)
        arbitrary(&in);
    else
        damaged(&in);
    return 0;
}
