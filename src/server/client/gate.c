/* Gates: holding back replies until what they say is durable. A connection has a ring of gates in
 * the order of its output; it hangs on the batch of its first one. Several replies that wait for
 * the same batch share a gate, so that a pipeline of a thousand appends costs one. */
#include "base/alloc.h"
#include "server/client/client.h"
#include "server/client/long_reply.h"
#include "server/client/publications.h"
#include "server/server.h"

static struct gate *gate_at(struct client *c, uint32_t i) {
    return &c->gates[(c->gate_head + i) & (c->gate_cap - 1)];
}

static struct batch *batch_of_frame(struct model *m, uint64_t frame) {
    if (frame >= m->open->first_frame) return m->open;
    struct list *batches = store_batches(m->store);
    for (struct list *it = batches->prev; it != batches; it = it->prev) {
        struct batch *b = LIST_ENTRY(it, struct batch, node);
        if (b->first_frame <= frame) return b;
    }
    return NULL;
}

static inline void gate_push(struct client *c, struct gate gate) {
    if (c->gate_count == c->gate_cap) {
        uint32_t cap = c->gate_cap == 0 ? 4 : c->gate_cap * 2;
        struct gate *gates = xmalloc(cap * sizeof *gates);
        for (uint32_t i = 0; i < c->gate_count; i++) gates[i] = *gate_at(c, i);
        free(c->gates);
        c->gates = gates;
        c->gate_cap = cap;
        c->gate_head = 0;
    }
    c->gate_count++;
    *gate_at(c, c->gate_count - 1) = gate;
}

/* In an outage nobody begins to wait. */
static void refuse_untold(struct client *c) {
    client_cut_reply(c, c->reply_start);
    long_reply_drop(c);
    publications_forget(c);
    reply_error(c, "IOERR what this reply tells is not known to be stored: %s",
                c->srv->read_only_why);
}

void client_gate(struct client *c) {
    struct model *m = &c->srv->model;
    uint64_t frame = c->told;
    if (frame <= model_settled(m)) return;
    if (UNLIKELY(store_in_outage(m->store))) {
        refuse_untold(c);
        return;
    }
    if (c->gate_count > 0) {
        struct gate *last = gate_at(c, c->gate_count - 1);
        if (last->frame >= frame) return;
        if (last->batch == m->open || last->offset == c->reply_start) {
            last->frame = frame;
            if (last->batch == m->open) return;
            last->batch = batch_of_frame(m, frame);
            if (c->gate_count > 1) return;
            list_remove(&c->gated);
            list_append(&last->batch->gated, &c->gated);
            return;
        }
    }
    struct batch *b = batch_of_frame(m, frame);
    assert(b != NULL);
    gate_push(c, (struct gate){.offset = c->reply_start, .frame = frame, .batch = b});
    if (b == m->open) c->srv->commit.writers++;
    if (c->gate_count == 1) list_append(&b->gated, &c->gated);
}

/* What stands at the end of the output waits for what the last gate waits for. */
static void gate_push_behind(struct client *c, struct gate gate) {
    const struct gate *last = gate_at(c, c->gate_count - 1);
    gate.frame = last->frame;
    gate.batch = last->batch;
    gate_push(c, gate);
}

void client_gate_messages(struct client *c, size_t bytes) {
    struct gate *last = gate_at(c, c->gate_count - 1);
    uint64_t at = client_out_offset(c) - bytes;
    bool behind_others = last->pushed > 0 && last->replies == 0;
    if (behind_others && last->offset + last->pushed == at)
        last->pushed += bytes;
    else
        gate_push_behind(c, (struct gate){.offset = at, .pushed = bytes});
}

void client_gate_publication(struct client *c, uint64_t reply_at, bool silent,
                             struct publication *p) {
    gate_push_behind(c, (struct gate){.offset = reply_at, .silent = silent, .publication = p});
}

void client_commit(struct client *c) {
    uint64_t frame = model_commit(&c->srv->model);
    if (frame != 0) c->last_frame = frame;
    client_tells(c, frame);
}

uint64_t client_settled_view(const struct client *c) {
    const struct model *m = &c->srv->model;
    uint64_t settled = model_settled(m);
    bool newest = c->gate_count > 0 || c->last_frame > settled || m->flushed.frame > settled;
    if (UNLIKELY(newest && store_in_outage(m->store)))
        newest = m->flushed.frame > settled; /* nothing of its own waits any more */
    return newest ? VIEW_NEWEST : settled;
}

uint32_t clients_durable(struct server *srv, struct batch *b) {
    uint64_t durable = store_durable(srv->store);
    uint32_t released = 0;
    while (!list_empty(&b->gated)) {
        struct client *c = LIST_ENTRY(b->gated.next, struct client, gated);
        list_remove(&c->gated);
        if (UNLIKELY(c->publishing_bytes != 0)) client_publish_durable(c, durable);
        while (c->gate_count > 0 && gate_at(c, 0)->frame <= durable) {
            c->gate_head = (c->gate_head + 1) & (c->gate_cap - 1);
            c->gate_count--;
        }
        if (c->gate_count > 0) list_append(&gate_at(c, 0)->batch->gated, &c->gated);
        client_wrote(c);
        released++;
    }
    return released;
}

/* The messages that a gate begins with, in a copy of what is behind the first gate. */
static struct str messages_of(const struct gate *g, uint64_t from, const struct buf *copy) {
    return str_of(copy->data + (g->offset - from), g->pushed);
}

/* Replaces each reply that is behind the first gate by an error. Messages stay where they are
 * among them. */
static void void_replies(struct client *c, const char *why) {
    uint64_t from = gate_at(c, 0)->offset;
    bool messages = false;
    struct buf behind;
    buf_init(&behind, 0);
    for (uint32_t i = 0; i < c->gate_count && !messages; i++) messages = gate_at(c, i)->pushed > 0;
    if (UNLIKELY(messages))
        buf_put(&behind, c->out.data + (from - c->out_base), (size_t)(client_out_offset(c) - from));
    client_cut_reply(c, from);
    long_reply_void(c);
    publications_void(c);
    for (uint32_t i = 0; i < c->gate_count; i++) {
        const struct gate *g = gate_at(c, i);
        if (g->pushed > 0) buf_put_str(&c->out, messages_of(g, from, &behind));
        for (uint32_t k = 0; k < g->replies; k++)
            reply_error(c, "IOERR outcome unknown, retry with the same EVENT_ID: %s", why);
    }
    c->gate_count = 0;
    buf_clear(&behind);
    client_wrote(c);
}

void clients_void(struct server *srv, struct batch *b, const char *why) {
    UNUSED(srv);
    while (!list_empty(&b->gated)) {
        struct client *c = LIST_ENTRY(b->gated.next, struct client, gated);
        list_remove(&c->gated);
        void_replies(c, why);
    }
}
