/* See key_list.h. A name that the backend lists holds if memory does not know the stream, or knows
 * it by the same number (as of the view): what has changed since the backend's snapshot is in
 * memory. Streams that were created or renamed since are found among the given names. After a void
 * memory has forgotten what it knew: then model.replay tells of deletions and new names. */
#include "server/wait/key_list.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "server/server.h"
#include "server/wait/expiry.h"
#include "server/wait/need.h"

#define EXAMINED_MAX 10000 /* names that were given, in one page: some milliseconds */

struct listing {
    struct client *c;
    const struct key_query *query;
    uint64_t applied, horizon; /* frames in (applied, horizon] count */
    uint64_t end;              /* numbers below it */
    struct key_list *out;
};

static bool matches(const struct key_query *q, const struct stream_record *r) {
    struct str name = str_of(r->name, r->name_len);
    if (r->kind == KIND_VIRTUAL) return false;
    if (r->kind == KIND_STRING ? q->no_strings : q->no_streams) return false;
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
        struct str name = str_of(r->name, r->name_len);
        if (!model_replayed_name(m, r->number, name, l->applied, &expires)) return false;
        return expires == 0 || expires > m->wall;
    }
    const struct stream *then = model_stream_at(m, s, l->c->view);
    bool so =
        is_it(then, r) && (!stream_expired(m, then) || (is_it(s, r) && !stream_expired(m, s)));
    model_drop_views(m);
    return so;
}

static void offer(struct listing *l, const struct stream_record *r, uint64_t expires) {
    struct key_list *out = l->out;
    if (r->number < l->query->from || r->number >= l->end) return;
    if (!matches(l->query, r) || !is_so(l, r, expires)) return;
    if (out->count == out->cap) {
        out->cap = out->cap == 0 ? 64 : out->cap * 2;
        out->keys = xrealloc(out->keys, out->cap * sizeof *out->keys);
    }
    out->keys[out->count++] = (struct key){r->number, str_of(r->name, r->name_len)};
}

static bool is_of_view(const struct listing *l, uint64_t frame) {
    return frame > l->applied && frame <= l->horizon;
}

/* Of each stream the last name that it was given. More than a page of them: the page ends there. */
static void offer_sorted(struct listing *l) {
    const struct given_names *g = &l->c->srv->model.given;
    size_t examined = 0;
    for (size_t at = given_names_beyond(g, l->query->from - 1, UINT64_MAX); at < g->sorted;) {
        uint64_t number = g->items[at].number;
        if (number >= l->end) return;
        if (l->out->count > l->query->count || examined++ == EXAMINED_MAX) {
            l->end = number;
            return;
        }
        bool alone = at + 1 == g->sorted || g->items[at + 1].number != number;
        size_t next = alone ? at + 1 : given_names_beyond(g, number, UINT64_MAX);
        size_t last = alone ? next : given_names_beyond(g, number, l->horizon);
        if (last > at && is_of_view(l, g->items[last - 1].frame))
            offer(l, g->items[last - 1].record, 0);
        at = next;
    }
}

static void offer_record(struct listing *l, const struct record *r) {
    if (r->kind == RECORD_STREAM || r->kind == RECORD_RENAME) offer(l, r->body, 0);
}

/* Of the batch that is not handed over yet: a few. */
static void offer_open(struct listing *l) {
    const struct batch *b = l->c->srv->model.open;
    uint32_t i = 0;
    for (uint32_t k = 0; k < b->frame_count; k++)
        for (; i < b->frame_end[k]; i++)
            if (is_of_view(l, b->first_frame + k)) offer_record(l, &b->records[i]);
    /* Of EXEC's own frame, which is not closed yet. */
    for (; i < b->record_count && l->c->srv->exec.client == l->c; i++)
        offer_record(l, &b->records[i]);
}

static void offer_given(struct listing *l) {
    const struct given_names *g = &l->c->srv->model.given;
    offer_sorted(l);
    for (size_t i = g->sorted; i < g->count; i++)
        if (is_of_view(l, g->items[i].frame)) offer(l, g->items[i].record, 0);
    offer_open(l);
}

static int key_cmp(const void *a, const void *b) {
    const struct key *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* In order, each once, those before the end, at most query->count. */
static void finish(struct listing *l) {
    struct key_list *out = l->out;
    size_t n = 0;
    if (out->count > 1) qsort(out->keys, out->count, sizeof *out->keys, key_cmp);
    for (size_t i = 0; i < out->count && out->keys[i].number < l->end; i++)
        if (n == 0 || out->keys[n - 1].number != out->keys[i].number) out->keys[n++] = out->keys[i];
    out->count = n;
    out->cursor = l->end != UINT64_MAX ? l->end : 0;
    if (n <= l->query->count) return;
    out->count = (size_t)l->query->count;
    out->cursor = out->keys[out->count].number;
}

bool need_keys(struct client *c, const struct key_query *asked, struct key_list *out) {
    const struct stream_list *list;
    struct key_query q = *asked;
    q.from = MAX(q.from, (uint64_t)1);
    q.count = MIN(q.count, (uint64_t)KEY_PAGE_MAX);
    *out = (struct key_list){0};
    if (c->view == VIEW_NEWEST) client_tells(c, c->srv->model.decided);
    if (!need_stream_list(c, &q, &list)) return false;
    struct listing l = {
        .c = c,
        .query = &q,
        .applied = list->applied,
        .horizon = c->view,
        .end = list->done ? UINT64_MAX : list->next,
        .out = out,
    };
    offer_given(&l);
    for (size_t i = 0; i < list->count; i++) offer(&l, &list->names[i]->rec, list->expires[i]);
    finish(&l);
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
