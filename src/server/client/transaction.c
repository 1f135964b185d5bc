/* See transaction.h. */
#include "server/client/transaction.h"

#include "base/alloc.h"
#include "server/server.h"
#include "server/wait/expiry.h"

struct transaction *transaction_of(struct client *c) {
    struct transaction *t = c->transaction;
    if (t != NULL) return t;
    t = c->transaction = xcalloc(1, sizeof *t);
    list_init(&t->watches);
    hash_init(&t->by_name);
    return t;
}

/* ---- the queue ---- */

static void drop_queue(struct transaction *t) {
    for (size_t i = 0; i < t->count; i++) {
        if (t->flags & CMD_OUTSIDE) free(t->queue[i]->reply);
        free(t->queue[i]);
    }
    free(t->queue);
    t->queue = NULL;
    t->count = t->cap = t->bytes = 0;
    t->flags = 0;
}

void transaction_fail(struct client *c) {
    if (!transaction_open(c)) return;
    c->transaction->failed = true;
    drop_queue(c->transaction);
}

bool transaction_queue(struct client *c, struct command *cmd, const struct request *r) {
    struct transaction *t = c->transaction;
    size_t size = sizeof(struct queued) + r->argc * sizeof(struct str);
    for (size_t i = 0; i < r->argc; i++) size += r->argv[i].len;
    if (t->bytes + size > store_frame_max(c->srv->store)) return false;
    if (t->failed) return true; /* it will be refused anyway */
    struct queued *q = xmalloc(size);
    *q = (struct queued){.cmd = cmd, .request = {q->argv, r->argc}};
    char *at = (char *)(q->argv + r->argc);
    for (size_t i = 0; i < r->argc; i++) {
        if (r->argv[i].len > 0) memcpy(at, r->argv[i].ptr, r->argv[i].len);
        q->argv[i] = str_of(at, r->argv[i].len);
        at += r->argv[i].len;
    }
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 8 : t->cap * 2;
        t->queue = xrealloc(t->queue, t->cap * sizeof *t->queue);
    }
    t->queue[t->count++] = q;
    t->bytes += size;
    t->flags |= cmd->flags;
    return true;
}

/* ---- watching ---- */

/* What there is to compare: 0 when there is no stream, or none any more. */
static uint64_t number_of(const struct model *m, const struct stream *s) {
    if (s->state != STREAM_LIVE || stream_expired(m, s)) return 0;
    return s->name->rec.number;
}

void transaction_watch(struct client *c, struct str name, struct stream *s) {
    struct transaction *t = transaction_of(c);
    uint64_t hash = hash_bytes(name.ptr, name.len);
    for (struct hash_node *n = hash_first(&t->by_name, hash); n != NULL;
         n = hash_next(&t->by_name, n))
        if (str_eq(CONTAINER_OF(n, struct watch, node)->name, name)) return;
    struct watch *w = xcalloc(1, sizeof *w + name.len + 1);
    /* Not what stands for a stream that has expired: another of its name may follow. */
    struct stream *found = model_in_memory(&c->srv->model, name);
    w->stream = s = found != NULL ? found : s;
    w->number = number_of(&c->srv->model, s);
    w->changed_frame = s->changed_frame;
    if (name.len > 0) memcpy(w + 1, name.ptr, name.len);
    w->name = str_of(w + 1, name.len);
    stream_pin(s);
    c->srv->watching += t->by_name.count == 0;
    c->srv->watched++;
    list_append(&t->watches, &w->all);
    hash_insert(&t->by_name, &w->node, hash);
}

void transaction_unwatch(struct client *c) {
    struct transaction *t = c->transaction;
    if (t == NULL) return;
    c->srv->watching -= t->by_name.count > 0;
    c->srv->watched -= t->by_name.count;
    while (!list_empty(&t->watches)) {
        struct watch *w = LIST_ENTRY(t->watches.next, struct watch, all);
        list_remove(&w->all);
        hash_remove(&t->by_name, &w->node);
        if (w->stream != NULL) stream_unpin(w->stream);
        free(w);
    }
    t->touched = false;
}

/* The stream, if it has changed; NULL: not. */
static const struct stream *changed(struct model *m, const struct watch *w) {
    if (w->stream == NULL) {
        const struct stream *s = model_peek(m, w->name);
        return s != NULL && number_of(m, s) != 0 ? s : NULL;
    }
    bool same =
        number_of(m, w->stream) == w->number && w->stream->changed_frame == w->changed_frame;
    return same ? NULL : w->stream;
}

bool transaction_is_touched(const struct client *c) {
    const struct transaction *t = c->transaction;
    if (t == NULL || t->touched) return t != NULL;
    LIST_FOR_EACH (it, &t->watches)
        if (changed(&c->srv->model, LIST_ENTRY(it, struct watch, all)) != NULL) return true;
    return false;
}

uint64_t transaction_touched_by(const struct client *c) {
    const struct transaction *t = c->transaction;
    struct model *m = &c->srv->model;
    if (t->touched) return m->decided; /* by a FLUSHALL, or by a void */
    LIST_FOR_EACH (it, &t->watches) {
        const struct stream *s = changed(m, LIST_ENTRY(it, struct watch, all));
        if (s != NULL) return s->changed_frame;
    }
    return 0;
}

void transaction_streams_dropped(struct client *c) {
    struct transaction *t = c->transaction;
    if (t == NULL) return;
    LIST_FOR_EACH (it, &t->watches) {
        struct watch *w = LIST_ENTRY(it, struct watch, all);
        if (w->number != 0) t->touched = true;
        if (w->stream != NULL) stream_unpin(w->stream);
        w->stream = NULL;
    }
}

void transaction_clear(struct client *c) {
    if (c->transaction == NULL) return;
    drop_queue(c->transaction);
    transaction_unwatch(c);
    hash_clear(&c->transaction->by_name);
    free(c->transaction);
    c->transaction = NULL;
}
