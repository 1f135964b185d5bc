/* Groups: two vectors (records, ends of frames) and an arena of chunks for the small bodies.
 * Adding a record or ending a frame is a few stores; memory grows by doubling, never by the
 * frame. Bodies are borrowed, so undoing a frame frees nothing: what it took of the arena
 * goes with the group. */
#include "store/group.h"

#include "base/alloc.h"
#include "store/event.h"
#include "store/journal.h"

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

struct group *group_create(uint64_t first_frame) {
    assert(first_frame > 0);
    struct group *g = xcalloc(1, sizeof *g);
    list_init(&g->node);
    list_init(&g->gated);
    g->first_frame = first_frame;
    g->bytes = sizeof *g;
    return g;
}

void group_destroy(struct group *g) {
    if (g == NULL) return;
    for (struct chunk *c = g->arena, *next; c != NULL; c = next) {
        next = c->next;
        xfree(c);
    }
    xfree(g->records);
    xfree(g->frame_end);
    xfree(g);
}

void *group_alloc(struct group *g, size_t n) {
    n = (n + 7) & ~(size_t)7;
    struct chunk *c = g->arena;
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
        g->arena = fresh;
    }
    return fresh->bytes;
}

/* Index of the first record of the frame being built. */
static uint32_t frame_begin(const struct group *g) {
    return g->frame_count == 0 ? 0 : g->frame_end[g->frame_count - 1];
}

void group_add(struct group *g, enum record_kind kind, const void *body, size_t len) {
    assert(len <= UINT32_MAX);
    assert(((uintptr_t)body & 7) == 0);
    if (g->record_count == g->record_cap) {
        assert(g->record_cap <= UINT32_MAX / 2);
        g->record_cap = g->record_cap == 0 ? RECORDS_FIRST : 2 * g->record_cap;
        g->records = xrealloc(g->records, g->record_cap * sizeof g->records[0]);
    }
    g->records[g->record_count++] =
        (struct record){.body = body, .len = (uint32_t)len, .kind = (uint8_t)kind};
    g->bytes += len + sizeof(struct record);
    g->erases = g->erases || kind == RECORD_ERASE;
}

uint64_t group_end_frame(struct group *g) {
    uint32_t begin = frame_begin(g);
    assert(g->record_count > begin);
    if (g->frame_count == g->frame_cap) {
        assert(g->frame_cap <= UINT32_MAX / 2);
        g->frame_cap = g->frame_cap == 0 ? FRAMES_FIRST : 2 * g->frame_cap;
        g->frame_end = xrealloc(g->frame_end, g->frame_cap * sizeof g->frame_end[0]);
    }
    g->frame_end[g->frame_count++] = g->record_count;
    g->bytes += sizeof g->frame_end[0];
    g->journal_bytes += journal_frame_bytes(g->records + begin, g->record_count - begin);
    /* The last event's sequence; a flush starts them again, so that none before it counts. */
    for (uint32_t i = g->record_count; i-- > begin;) {
        const struct record *r = &g->records[i];
        if (r->kind == RECORD_FLUSH) g->sequence_end = 0;
        if (r->kind == RECORD_EVENT)
            g->sequence_end = ((const struct event_record *)r->body)->sequence + 1;
        if (r->kind == RECORD_FLUSH || r->kind == RECORD_EVENT) break;
    }
    return group_last_frame(g);
}

void group_undo_frame(struct group *g) {
    uint32_t begin = frame_begin(g);
    while (g->record_count > begin)
        g->bytes -= g->records[--g->record_count].len + sizeof(struct record);
}
