/* One write of the journal: one pwritev. Bodies are copied into one reused buffer, large ones go as
 * they are. A segment's header is written together with its first batch. Journal thread. */
#include "store/journal/internal.h"

#include "base/alloc.h"

/* Bodies of this size and more are not copied. */
#define BODY_BORROWED ((size_t)64 << 10)
/* A buffer that one large batch made grow beyond this is given back. */
#define BUFFER_KEPT ((size_t)16 << 20)

static void buffer_reserve(struct journal *j, size_t bytes) {
    if (j->buffer_cap >= bytes) return;
    size_t cap = MAX((size_t)segment_round(bytes + bytes / 2), (size_t)1 << 18);
    free(j->buffer);
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

int journal_write_part(struct journal *j, const struct batch *b, uint32_t from, uint32_t to,
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
        journal_account(j);
    }
    if (j->buffer_cap > BUFFER_KEPT) {
        free(j->buffer);
        j->buffer = NULL;
        j->buffer_cap = 0;
    }
    return rc;
}

int journal_write_header(struct journal *j, struct err *err) {
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
