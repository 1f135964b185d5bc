/* See push.h. */
#include "server/client/push.h"

#include "base/alloc.h"

#define PUSH_KEEP ((size_t)64 << 10) /* of a buffer whose bytes have been put among the replies */

struct buf *client_push(struct client *c) {
    if (c->push == NULL) {
        c->push = xcalloc(1, sizeof *c->push);
        buf_init(c->push, 0);
    }
    return c->push;
}

/* Nothing is on its way out: the two buffers change places, and no byte is copied. */
static void swap(struct client *c) {
    struct buf *push = c->push, out = c->out;
    c->out.data = push->data;
    c->out.len = push->len;
    c->out.cap = push->cap;
    push->data = out.data;
    push->len = 0;
    push->cap = out.cap;
}

static void insert(struct client *c, size_t at) {
    size_t n = c->push->len, behind = c->out.len - at;
    buf_reserve(&c->out, n);
    memmove(c->out.data + at + n, c->out.data + at, behind);
    memcpy(c->out.data + at, c->push->data, n);
    c->out.len += n;
    for (uint32_t i = 0; i < c->gate_count; i++)
        c->gates[(c->gate_head + i) & (c->gate_cap - 1)].offset += n;
    buf_reset(c->push);
}

void client_merge_pushes(struct client *c) {
    if (client_push_bytes(c) == 0 || c->held & HELD_LONG_REPLY || c->close_after_reply) return;
    if (c->out.len == 0)
        swap(c);
    else if (c->gate_count > 0)
        insert(c, (size_t)(c->gates[c->gate_head].offset - c->out_base));
    else
        insert(c, c->out.len);
    if (c->push->cap > PUSH_KEEP) buf_clear(c->push);
}

void client_clear_pushes(struct client *c) {
    if (c->push == NULL) return;
    buf_clear(c->push);
    free(c->push);
    c->push = NULL;
}
