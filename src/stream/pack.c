/* Packing. Events that were appended to many streams in turn lie scattered in memory, each on a
 * page of its own, so that reading a stream misses the processor's caches event by event: half as
 * long again as when they lie side by side. A range that is read a second time is copied into
 * blocks, once; a range that is read once, as consumers do, is not worth it.
 *
 * A block is freed with the last of its events. As the log tail is evicted in the order of
 * sequences, a stream then has one block of which a part is gone: blocks are small, and streams
 * that would be few blocks are left alone. */
#include "stream/internal.h"

#include "store/store.h"

#define BLOCK_BYTES     4096 /* a page, which the allocator aligns */
#define BLOCK_EVENTS    64
#define EVENT_BYTES_MAX 512  /* larger ones are pieces of memory already */
#define TURN_EVENTS     1024 /* packed in one turn: below half a millisecond */
#ifdef PACK_ALL              /* builds for tests */
#define BLOCK_MIN 1
#define TAIL_MIN  1
#define READ_MIN  1
#else
#define PACK_ALL  0
#define BLOCK_MIN 4  /* fewer events are not worth a block */
#define TAIL_MIN  64 /* events */
#define READ_MIN  16
#endif

/* Whether a good part of them are far from their neighbours. Looks at addresses only. */
static bool scattered(struct event *const *events, size_t n) {
    size_t jumps = 0;
    for (size_t i = 1; i < n; i++) {
        uintptr_t a = (uintptr_t)events[i - 1], b = (uintptr_t)events[i];
        jumps += (a < b ? b - a : a - b) >= BLOCK_BYTES;
    }
    return jumps > n / 4;
}

/* Whether it overlaps what was read last time; a consumer goes on behind that. */
static bool read_again(const struct stream *s, uint64_t from, size_t count) {
    uint32_t ahead = (uint32_t)from + 1 - s->read_from;
    return PACK_ALL || (s->read_from != 0 && MIN(ahead, 0 - ahead) < count);
}

bool model_note_read(struct model *m, struct stream *s, uint64_t from, size_t count) {
    bool far = scattered(&s->tail[s->tail_head + (from - stream_tail_first(s))], count);
    if (!(far || PACK_ALL) || count < READ_MIN || s->tail_count < TAIL_MIN) return far;
    if (read_again(s, from, count) && m->pack.count < ARRAY_LEN(m->pack.ranges))
        m->pack.ranges[m->pack.count++] =
            (struct pack_range){stream_name_ref(s->name), from, count};
    s->read_from = (uint32_t)from + 1;
    return far;
}

/* Only the stream tail and the log tail hold references: journal and applier borrow. */
static bool can_pack(const struct event *e, uint64_t floor) {
    return !e->packed && !e->removed && e->frame <= floor && e->size <= EVENT_BYTES_MAX &&
           !(e->rec.flags & EVENT_ERASED);
}

static void pack_run(struct model *m, struct stream *s, struct event *const *events, size_t n) {
    struct event *copies[BLOCK_EVENTS];
    m->bytes += event_pack(events, n, copies);
    m->pack.packed += n;
    for (size_t i = 0; i < n; i++) {
        struct event *e = events[i];
        uint64_t q = e->rec.sequence;
        bool in_log = q >= m->log.first && q < m->next_sequence && model_event(m, q) == e;
        copies[i]->counted = 1; /* with its block */
        if (in_log && e->rec.flags & EVENT_CLIENT_ID) model_replace_id(m, e, copies[i]);
        stream_replace(m, s, copies[i], true, in_log);
        event_drop(m, copies[i]);
    }
}

/* Packs versions [from, to), which the tail has. */
static void pack_range(struct model *m, struct stream *s, uint64_t from, uint64_t to,
                       uint64_t floor) {
    struct event *run[BLOCK_EVENTS];
    size_t n = 0, bytes = EVENT_BLOCK_BYTES;
    for (uint64_t v = from; v <= to; v++) {
        struct event *e = v < to ? stream_event(s, v) : NULL;
        bool fits = e != NULL && can_pack(e, floor);
        size_t size = fits ? event_packed_size(e) : 0;
        if (!fits || n == BLOCK_EVENTS || bytes + size > BLOCK_BYTES) {
            if (n >= BLOCK_MIN) pack_run(m, s, run, n);
            n = 0;
            bytes = EVENT_BLOCK_BYTES;
        }
        if (!fits) continue;
        run[n++] = e;
        bytes += size;
    }
}

void model_pack(struct model *m) {
    uint64_t left = TURN_EVENTS;
    for (size_t i = 0; i < m->pack.count; i++) {
        struct pack_range *r = &m->pack.ranges[i];
        struct stream *s = r->name->resident;
        if (s != NULL && s->state == STREAM_LIVE && left > 0) {
            uint64_t from = MAX(r->from, stream_tail_first(s));
            uint64_t to = MIN(r->from + MIN(r->count, left), s->next_version);
            if (from < to) {
                pack_range(m, s, from, to, store_floor(m->store));
                left -= to - from;
            }
        }
        stream_name_unref(r->name);
    }
    m->pack.count = 0;
}
