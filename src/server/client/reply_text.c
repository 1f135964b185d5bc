/* See reply_text.h. */
#include "server/client/reply_text.h"

#include "base/alloc.h"
#include "server/client/client.h"

struct piece {
    struct list node;
    const struct reply_item_kind *kind; /* of its items; NULL: it is text */
    struct shared_bytes *shared;        /* which has it, `len` bytes; NULL: it stands here */
    size_t len, cap;
    size_t text; /* bytes that it will be */
    _Alignas(uint64_t) char bytes[];
};

#define FRAMING         32 /* bytes around a bulk string, at most */
#define PIECE_BYTES_MIN ((size_t)4 << 10)

void reply_text_init(struct reply_text *t) {
    list_init(&t->pieces);
    t->bytes = 0;
}

/* A short text takes little: pieces grow with it. */
static struct piece *piece_create(struct reply_text *t, const struct reply_item_kind *kind,
                                  size_t n) {
    size_t cap = MAX(MIN(t->bytes, REPLY_PIECE_BYTES), MAX(PIECE_BYTES_MIN, n));
    struct piece *p = xmalloc(sizeof *p + cap);
    *p = (struct piece){.kind = kind, .cap = cap};
    list_init(&p->node);
    list_append(&t->pieces, &p->node);
    return p;
}

static struct piece *piece_with_room(struct reply_text *t, const struct reply_item_kind *kind,
                                     size_t n) {
    assert(n <= REPLY_PIECE_BYTES);
    if (!list_empty(&t->pieces)) {
        struct piece *last = LIST_ENTRY(t->pieces.prev, struct piece, node);
        bool suits = last->kind == kind && last->shared == NULL;
        if (suits && last->cap - last->len >= n && last->text < REPLY_PIECE_BYTES) return last;
    }
    return piece_create(t, kind, n);
}

static void added(struct reply_text *t, struct piece *p, size_t len, size_t text) {
    p->len += len;
    p->text += text;
    t->bytes += text;
}

void reply_text_bulk(struct reply_text *t, struct str s) {
    struct piece *p = piece_with_room(t, NULL, s.len + FRAMING);
    char *start = p->bytes + p->len, *at = start;
    *at++ = '$';
    at += u64_to_dec(s.len, at);
    *at++ = '\r';
    *at++ = '\n';
    if (s.len > 0) memcpy(at, s.ptr, s.len);
    at += s.len;
    *at++ = '\r';
    *at++ = '\n';
    added(t, p, (size_t)(at - start), (size_t)(at - start));
}

void reply_text_raw(struct reply_text *t, const char *bytes, size_t n) {
    while (n > 0) {
        struct piece *p = piece_with_room(t, NULL, 1);
        size_t k = MIN(n, p->cap - p->len);
        memcpy(p->bytes + p->len, bytes, k);
        added(t, p, k, k);
        bytes += k;
        n -= k;
    }
}

void *reply_text_item(struct reply_text *t, const struct reply_item_kind *kind, size_t bytes) {
    struct piece *p = piece_with_room(t, kind, kind->size);
    void *item = p->bytes + p->len;
    added(t, p, kind->size, bytes);
    return item;
}

void reply_text_shared(struct reply_text *t, struct shared_bytes *s) {
    struct piece *p = xcalloc(1, sizeof *p);
    p->shared = s;
    s->refs++;
    list_init(&p->node);
    list_append(&t->pieces, &p->node);
    added(t, p, s->len, s->len);
}

static void drop_first(struct reply_text *t) {
    struct piece *p = LIST_ENTRY(t->pieces.next, struct piece, node);
    if (p->shared != NULL && --p->shared->refs == 0) p->shared->unused(p->shared);
    if (p->kind != NULL)
        for (size_t at = 0; at < p->len; at += p->kind->size) p->kind->drop(p->bytes + at);
    t->bytes -= p->text;
    list_remove(&p->node);
    free(p);
}

static void put_items(struct client *c, const struct piece *p) {
    size_t before = c->out.len;
    for (size_t at = 0; at < p->len; at += p->kind->size) p->kind->put(c, p->bytes + at);
    assert(c->out.overflow || c->out.len - before == p->text);
}

/* false: that was the last of it. */
static bool take_shared(struct reply_text *t, struct client *c, struct piece *p, size_t most) {
    const struct shared_bytes *s = p->shared;
    size_t n = MIN(p->text, most);
    buf_put(&c->out, s->data + s->len - p->text, n);
    t->bytes -= n;
    p->text -= n;
    return p->text > 0;
}

bool reply_text_take(struct reply_text *t, struct client *c, size_t most) {
    if (list_empty(&t->pieces)) return false;
    struct piece *p = LIST_ENTRY(t->pieces.next, struct piece, node);
    if (p->shared != NULL) {
        if (take_shared(t, c, p, most)) return true;
    } else if (p->kind != NULL) {
        put_items(c, p);
    } else {
        buf_put(&c->out, p->bytes, p->len);
    }
    drop_first(t);
    return true;
}

void reply_text_clear(struct reply_text *t) {
    while (!list_empty(&t->pieces)) drop_first(t);
}
