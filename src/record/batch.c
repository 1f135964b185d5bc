/* Batches: two vectors (records, ends of frames) and an arena of chunks for the small bodies.
 * Adding a record or ending a frame is a few stores; memory grows by doubling, never by the
 * frame. Bodies are borrowed, so undoing a frame frees nothing: what it took of the arena
 * goes with the batch. */
#include "record/batch.h"

#include "base/alloc.h"
#include "record/event.h"

#define RECORDS_FIRST 64u
#define FRAMES_FIRST  32u
#define CHUNK_FIRST   2048u
#define CHUNK_MAX     (256u << 10)

/* Chunks are chained, the one being filled first. */
struct chunk {
    struct chunk *next;
    size_t used, size;
    uint64_t bytes[]; /* 8-aligned */
};

struct batch *batch_create(uint64_t first_frame) {
    assert(first_frame > 0);
    struct batch *b = xcalloc(1, sizeof *b);
    list_init(&b->node);
    list_init(&b->gated);
    b->first_frame = first_frame;
    b->bytes = sizeof *b;
    return b;
}

void batch_destroy(struct batch *b) {
    if (b == NULL) return;
    for (struct chunk *c = b->arena, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(b->records);
    free(b->frame_end);
    free(b);
}

void *batch_alloc(struct batch *b, size_t n) {
    n = (n + 7) & ~(size_t)7;
    struct chunk *c = b->arena;
    if (c != NULL && c->size - c->used >= n) {
        void *at = (char *)c->bytes + c->used;
        c->used += n;
        return at;
    }
    size_t size = c == NULL ? CHUNK_FIRST : MIN(2 * c->size, (size_t)CHUNK_MAX);
    /* A large piece gets a chunk of its own behind the one being filled. */
    bool own = n > size / 2;
    struct chunk *fresh = xmalloc(sizeof *fresh + (own ? n : size));
    fresh->size = own ? n : size;
    fresh->used = n;
    if (own && c != NULL) {
        fresh->next = c->next;
        c->next = fresh;
    } else {
        fresh->next = c;
        b->arena = fresh;
    }
    return fresh->bytes;
}

/* Index of the first record of the frame being built. */
static uint32_t frame_begin(const struct batch *b) {
    return b->frame_count == 0 ? 0 : b->frame_end[b->frame_count - 1];
}

void batch_add(struct batch *b, enum record_kind kind, const void *body, size_t len) {
    assert(len <= UINT32_MAX);
    assert(((uintptr_t)body & 7) == 0);
    if (b->record_count == b->record_cap) {
        assert(b->record_cap <= UINT32_MAX / 2);
        b->record_cap = b->record_cap == 0 ? RECORDS_FIRST : 2 * b->record_cap;
        b->records = xrealloc(b->records, b->record_cap * sizeof b->records[0]);
    }
    b->records[b->record_count++] =
        (struct record){.body = body, .len = (uint32_t)len, .kind = (uint8_t)kind};
    b->bytes += len + sizeof(struct record);
    b->erases = b->erases || kind == RECORD_ERASE;
    b->names = b->names || kind == RECORD_STREAM || kind == RECORD_RENAME || kind == RECORD_FLUSH;
}

uint64_t batch_end_frame(struct batch *b) {
    uint32_t begin = frame_begin(b);
    assert(b->record_count > begin);
    if (b->frame_count == b->frame_cap) {
        assert(b->frame_cap <= UINT32_MAX / 2);
        b->frame_cap = b->frame_cap == 0 ? FRAMES_FIRST : 2 * b->frame_cap;
        b->frame_end = xrealloc(b->frame_end, b->frame_cap * sizeof b->frame_end[0]);
    }
    b->frame_end[b->frame_count++] = b->record_count;
    b->bytes += sizeof b->frame_end[0];
    b->journal_bytes += frame_bytes(b->records + begin, b->record_count - begin);
    /* The last event's sequence; a flush starts them again, so that none before it counts. */
    for (uint32_t i = b->record_count; i-- > begin;) {
        const struct record *r = &b->records[i];
        if (r->kind == RECORD_FLUSH) b->sequence_end = 0;
        if (r->kind == RECORD_EVENT)
            b->sequence_end = ((const struct event_record *)r->body)->sequence + 1;
        if (r->kind == RECORD_FLUSH || r->kind == RECORD_EVENT) break;
    }
    return batch_last_frame(b);
}

void batch_undo_frame(struct batch *b) {
    uint32_t begin = frame_begin(b);
    while (b->record_count > begin)
        b->bytes -= b->records[--b->record_count].len + sizeof(struct record);
}
