/* See reply_text.h. */
#include "server/client/reply_text.h"

#include "base/alloc.h"

struct piece {
    struct list node;
    size_t len;
    char bytes[REPLY_PIECE_BYTES];
};

#define FRAMING 32 /* bytes around a bulk string, at most */

void reply_text_init(struct reply_text *t) {
    list_init(&t->pieces);
    t->bytes = 0;
}

static struct piece *piece_with_room(struct reply_text *t, size_t n) {
    assert(n <= REPLY_PIECE_BYTES);
    if (!list_empty(&t->pieces)) {
        struct piece *last = LIST_ENTRY(t->pieces.prev, struct piece, node);
        if (REPLY_PIECE_BYTES - last->len >= n) return last;
    }
    struct piece *p = xmalloc(sizeof *p);
    p->len = 0;
    list_init(&p->node);
    list_append(&t->pieces, &p->node);
    return p;
}

void reply_text_bulk(struct reply_text *t, struct str s) {
    struct piece *p = piece_with_room(t, s.len + FRAMING);
    char *start = p->bytes + p->len, *at = start;
    *at++ = '$';
    at += u64_to_dec(s.len, at);
    *at++ = '\r';
    *at++ = '\n';
    if (s.len > 0) memcpy(at, s.ptr, s.len);
    at += s.len;
    *at++ = '\r';
    *at++ = '\n';
    p->len += (size_t)(at - start);
    t->bytes += (size_t)(at - start);
}

void reply_text_raw(struct reply_text *t, const char *bytes, size_t n) {
    while (n > 0) {
        struct piece *p = piece_with_room(t, 1);
        size_t k = MIN(n, REPLY_PIECE_BYTES - p->len);
        memcpy(p->bytes + p->len, bytes, k);
        p->len += k;
        t->bytes += k;
        bytes += k;
        n -= k;
    }
}

static void drop_first(struct reply_text *t) {
    struct piece *p = LIST_ENTRY(t->pieces.next, struct piece, node);
    t->bytes -= p->len;
    list_remove(&p->node);
    free(p);
}

bool reply_text_take(struct reply_text *t, struct buf *out) {
    if (list_empty(&t->pieces)) return false;
    const struct piece *p = LIST_ENTRY(t->pieces.next, struct piece, node);
    buf_put(out, p->bytes, p->len);
    drop_first(t);
    return true;
}

void reply_text_clear(struct reply_text *t) {
    while (!list_empty(&t->pieces)) drop_first(t);
}
