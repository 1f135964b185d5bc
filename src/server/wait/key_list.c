/* See key_list.h. A name that the backend lists holds if memory does not know the stream, or knows
 * it by the same number (as of the view): what has changed since the backend's snapshot is in
 * memory. Streams that were created or renamed since are found by their records in the frames that
 * are not applied. After a void memory has forgotten what it knew (model.replay): then those
 * records tell of deletions too. */
#include "server/wait/key_list.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "server/server.h"
#include "server/wait/expiry.h"
#include "server/wait/need.h"

struct listing {
    struct client *c;
    const struct key_query *query;
    uint64_t applied, horizon; /* frames in (applied, horizon] count */
    uint64_t end;              /* numbers below it */
    struct key_list *out;
};

static bool matches(const struct key_query *q, const struct stream_record *r) {
    struct str name = str_of(r->name, r->name_len);
    if (r->is_string ? q->no_strings : q->no_streams) return false;
    if (q->category.len > 0 && !str_eq(stream_category(name), q->category)) return false;
    return q->pattern.len == 0 || str_match_glob(q->pattern, name, false);
}

static bool is_it(const struct stream *s, const struct stream_record *r) {
    return s->state == STREAM_LIVE && s->name->rec.number == r->number;
}

/* Whether the stream has this name on the view, and has not expired (or a later frame has put that
 * off). expires: as the backend has it. */
static bool is_so(const struct listing *l, const struct stream_record *r, uint64_t expires) {
    struct model *m = &l->c->srv->model;
    struct stream *s = model_in_memory(m, str_of(r->name, r->name_len));
    if (s == NULL || s->state == STREAM_LOADING) {
        expires = model_replayed_expires(m, r->number, l->applied, expires);
        return expires == 0 || expires > m->wall;
    }
    const struct stream *then = model_stream_at(m, s, l->c->view);
    bool so =
        is_it(then, r) && (!stream_expired(m, then) || (is_it(s, r) && !stream_expired(m, s)));
    model_drop_views(m);
    return so;
}

static void drop(struct key_list *out, uint64_t number) {
    size_t n = 0;
    for (size_t i = 0; i < out->count; i++)
        if (out->keys[i].number != number) out->keys[n++] = out->keys[i];
    out->count = n;
}

static void offer(struct listing *l, const struct stream_record *r, uint64_t expires) {
    struct key_list *out = l->out;
    if (UNLIKELY(l->c->srv->model.replay != NULL)) drop(out, r->number);
    if (r->number < l->query->from || r->number >= l->end) return;
    if (!matches(l->query, r) || !is_so(l, r, expires)) return;
    if (out->count == out->cap) {
        out->cap = out->cap == 0 ? 64 : out->cap * 2;
        out->keys = xrealloc(out->keys, out->cap * sizeof *out->keys);
    }
    out->keys[out->count++] = (struct key){r->number, str_of(r->name, r->name_len)};
}

static void offer_record(struct listing *l, const struct record *r) {
    if (r->kind == RECORD_STREAM || r->kind == RECORD_RENAME) offer(l, r->body, 0);
    if (r->kind != RECORD_DELETE || l->c->srv->model.replay == NULL) return;
    const struct number_record *gone = r->body;
    drop(l->out, gone->number);
}

static void offer_group(struct listing *l, const struct batch *b) {
    uint32_t i = 0;
    for (uint32_t k = 0; k < b->frame_count; k++) {
        uint64_t frame = b->first_frame + k;
        for (; i < b->frame_end[k]; i++) {
            if (frame > l->applied && frame <= l->horizon) offer_record(l, &b->records[i]);
        }
    }
}

static void offer_memory(struct listing *l) {
    struct model *m = &l->c->srv->model;
    LIST_FOR_EACH (it, store_batches(m->store)) offer_group(l, LIST_ENTRY(it, struct batch, node));
    offer_group(l, m->open);
    /* Of EXEC's own frame, which is not closed yet. */
    if (l->c->srv->exec.client == l->c) {
        uint32_t at = m->open->frame_count > 0 ? m->open->frame_end[m->open->frame_count - 1] : 0;
        for (; at < m->open->record_count; at++) offer_record(l, &m->open->records[at]);
    }
}

static int key_cmp(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* In order, each once, at most query->count. */
static void finish(struct listing *l, uint64_t next) {
    struct key_list *out = l->out;
    size_t n = 0;
    if (out->count > 1) qsort(out->keys, out->count, sizeof *out->keys, key_cmp);
    for (size_t i = 0; i < out->count; i++)
        if (n == 0 || out->keys[n - 1].number != out->keys[i].number) out->keys[n++] = out->keys[i];
    out->count = n;
    out->cursor = next;
    if (n <= l->query->count) return;
    out->count = (size_t)l->query->count;
    out->cursor = out->keys[out->count].number;
}

bool need_keys(struct client *c, const struct key_query *q, struct key_list *out) {
    const struct stream_list *list;
    *out = (struct key_list){0};
    if (c->view == VIEW_NEWEST) client_tells(c, c->srv->model.decided);
    if (!need_stream_list(c, q, &list)) return false;
    struct listing l = {
        .c = c,
        .query = q,
        .applied = list->applied,
        .horizon = c->view,
        .end = list->done ? UINT64_MAX : list->next,
        .out = out,
    };
    for (size_t i = 0; i < list->count; i++) offer(&l, &list->names[i]->rec, list->expires[i]);
    /* Streams that were created have numbers beyond all that the backend has. */
    if (list->done || c->srv->model.renamed.frame > list->applied || c->srv->model.replay != NULL)
        offer_memory(&l);
    finish(&l, list->done ? 0 : list->next);
    return true;
}

void key_list_clear(struct key_list *l) {
    free(l->keys);
}

void reply_key_list(struct client *c, const struct key_list *l) {
    reply_array(c, 2);
    resp_put_bulk_u64(&c->out, l->cursor);
    reply_array(c, l->count);
    for (size_t i = 0; i < l->count; i++) reply_bulk(c, l->keys[i].name);
}
