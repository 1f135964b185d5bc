/* See push.h. */
#include "server/client/push.h"

#include "base/alloc.h"

#define PUSH_KEEP ((size_t)64 << 10) /* of a buffer whose bytes have been put among the replies */

static struct buf *made(struct buf **buf) {
    if (*buf == NULL) {
        *buf = xcalloc(1, sizeof **buf);
        buf_init(*buf, 0);
    }
    return *buf;
}

struct buf *client_push(struct client *c) {
    return made(&c->push);
}

struct buf *client_message(struct client *c) {
    return made(&c->messages);
}

/* Nothing is on its way out: the two buffers change places, and no byte is copied. */
static void swap(struct client *c, struct buf *push) {
    struct buf out = c->out;
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

static bool may_merge(const struct client *c) {
    return !(c->held & HELD_LONG_REPLY) && !c->close_after_reply;
}

void client_merge_pushes(struct client *c) {
    if (client_push_bytes(c) == 0 || !may_merge(c)) return;
    if (c->out.len == 0)
        swap(c, c->push);
    else if (c->gate_count > 0)
        insert(c, (size_t)(c->gates[c->gate_head].offset - c->out_base));
    else
        insert(c, c->out.len);
    if (c->push->cap > PUSH_KEEP) buf_clear(c->push);
}

void client_merge_messages(struct client *c) {
    struct buf *messages = c->messages;
    if (client_message_bytes(c) == 0 || !may_merge(c)) return;
    size_t n = messages->len;
    if (c->out.len == 0) {
        swap(c, messages);
    } else {
        buf_put_str(&c->out, buf_str(messages));
        buf_reset(messages);
    }
    if (c->gate_count > 0) client_gate_messages(c, n);
    if (messages->cap > PUSH_KEEP) buf_clear(messages);
}

static void clear(struct buf **buf) {
    if (*buf == NULL) return;
    buf_clear(*buf);
    free(*buf);
    *buf = NULL;
}

void client_clear_pushes(struct client *c) {
    clear(&c->push);
    clear(&c->messages);
}
