/* What every backend shares: pages and stream lists (containers that own one reference of
 * each element), filters, and the table of backends. No state, no threads: a page belongs
 * to whoever fills it until it is handed on whole. */
#include "store/backend.h"

#include "base/alloc.h"
#include "base/clock.h"

/* --- filters -------------------------------------------------------------- */

bool event_filter_empty(const struct event_filter *f) {
    return f->type_count == 0 && f->since == 0 && f->until == 0 && f->stream_pattern.len == 0 &&
           f->category.len == 0 && f->correlation == NULL && f->causation == NULL &&
           f->aggregate.ptr == NULL;
}

struct str stream_category(struct str name) {
    const char *dash = name.len > 0 ? memchr(name.ptr, '-', name.len) : NULL;
    return dash != NULL ? str_of(name.ptr, (size_t)(dash - name.ptr)) : name;
}

static bool uuid_passes(const struct uuid *wanted, const struct uuid *have) {
    if (wanted == NULL) return true;
    return have != NULL && uuid_eq(wanted, have);
}

static bool types_pass(const struct event_filter *f, struct str type) {
    if (f->type_count == 0) return true;
    for (size_t i = 0; i < f->type_count; i++)
        if (str_match_glob(f->types[i], type, false)) return true;
    return false;
}

bool event_filter_match(const struct event_filter *f, const struct event_record *r,
                        struct str stream_name) {
    if (r->recorded < f->since) return false;
    if (f->until != 0 && r->recorded > f->until) return false;
    if (!uuid_passes(f->correlation, event_correlation(r))) return false;
    if (!uuid_passes(f->causation, event_causation(r))) return false;
    if (f->aggregate.ptr != NULL && !str_eq(f->aggregate, event_aggregate(r))) return false;
    if (f->category.len > 0 && !str_eq(f->category, stream_category(stream_name))) return false;
    if (f->stream_pattern.len > 0 && !str_match_glob(f->stream_pattern, stream_name, false))
        return false;
    return types_pass(f, event_type(r));
}

static void weigh(struct glob_work *w, struct str glob) {
    const char *star = glob.len > 0 ? memchr(glob.ptr, '*', glob.len) : NULL;
    w->count++;
    w->bytes += glob.len;
    if (star != NULL) w->behind_star += glob.len - (size_t)(star - glob.ptr) - 1;
}

void event_filter_weigh(struct event_filter *f) {
    f->type_work = f->stream_work = (struct glob_work){0};
    for (size_t i = 0; i < f->type_count; i++) weigh(&f->type_work, f->types[i]);
    if (f->stream_pattern.len > 0) weigh(&f->stream_work, f->stream_pattern);
}

static size_t text_work(const struct glob_work *w, size_t text_len) {
    enum { BYTES_A_UNIT = 8 };
    size_t once = MIN(w->bytes, w->count * text_len);
    return w->count + (once + w->behind_star * text_len) / BYTES_A_UNIT;
}

size_t event_filter_work(const struct event_filter *f, const struct event_record *r,
                         struct str stream_name) {
    return 1 + text_work(&f->type_work, r->type_len) + text_work(&f->stream_work, stream_name.len);
}

/* --- pages ---------------------------------------------------------------- */

void page_init(struct page *p) {
    memset(p, 0, sizeof *p);
}

void page_add(struct page *p, struct event *e) {
    assert(e != NULL);
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 16 : p->cap * 2;
        p->events = xrealloc(p->events, p->cap * sizeof *p->events);
    }
    p->events[p->count++] = e;
    p->bytes += e->size;
}

void id_list_add(struct id_list *l, const struct uuid *id) {
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->ids = xrealloc(l->ids, l->cap * sizeof *l->ids);
    }
    l->ids[l->count++] = *id;
}

void id_list_clear(struct id_list *l) {
    free(l->ids);
    *l = (struct id_list){0};
}

void page_clear(struct page *p) {
    for (size_t i = 0; i < p->count; i++) event_unref(p->events[i]);
    free(p->events);
    page_init(p);
}

uint64_t idempotent_oldest(uint64_t recorded, uint64_t seconds) {
    uint64_t now = MIN(recorded, clock_wall_ms()), window = seconds * 1000;
    return now - MIN(now, window);
}

void stream_list_init(struct stream_list *l) {
    memset(l, 0, sizeof *l);
}

void stream_list_add(struct stream_list *l, struct stream_name *n, uint64_t expires) {
    assert(n != NULL);
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->names = xrealloc(l->names, l->cap * sizeof *l->names);
        l->expires = xrealloc(l->expires, l->cap * sizeof *l->expires);
    }
    l->bytes += sizeof *n + n->rec.name_len;
    l->expires[l->count] = expires;
    l->names[l->count++] = n;
}

void stream_list_clear(struct stream_list *l) {
    for (size_t i = 0; i < l->count; i++) stream_name_unref(l->names[i]);
    free(l->names);
    free(l->expires);
    stream_list_init(l);
}

/* --- the table ------------------------------------------------------------ */

static const struct backend *const backends[] = {&backend_sqlite, &backend_memory};

const struct backend *backend_find(const char *url, const char **path) {
    assert(url != NULL);
    for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(url, backends[i]->scheme, n) == 0 && url[n] == ':') {
            if (path != NULL) *path = url + n + 1;
            return backends[i];
        }
    }
    return NULL;
}

void stream_head_clear(struct stream_head *h) {
    struct stream_detail *d = h->detail;
    h->detail = NULL;
    if (d == NULL) return;
    for (size_t i = 0; i < d->group_count; i++) {
        struct group_image *g = &d->groups[i];
        for (size_t k = 0; k < g->consumer_count; k++) free(g->consumers[k]);
        free(g->consumers);
        free(g->pending);
        free(g->record);
    }
    for (size_t i = 0; i < d->idempotent_count; i++) free(d->idempotent[i]);
    free(d->idempotent);
    free(d->groups);
    free(d->holes);
    free(d->value);
    free(d);
}
