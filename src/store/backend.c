/* What every backend shares: pages and stream lists (containers that own one reference of
 * each element), and the table of backends. No state, no threads: a page belongs
 * to whoever fills it until it is handed on whole. */
#include "store/backend.h"

#include "base/alloc.h"
#include "base/clock.h"

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

bool range_ignores_name(const struct read_range *r, uint64_t stream) {
    if (r->any_name || r->renamed_count == 0) return r->any_name;
    size_t low = 0, high = r->renamed_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->renamed[middle] < stream)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->renamed_count && r->renamed[low] == stream;
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

void named_list_add(struct named_list *l, uint64_t number, struct str name, struct str value) {
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->items = xrealloc(l->items, l->cap * sizeof *l->items);
    }
    char *block = xmalloc(name.len + value.len + 1);
    if (name.len > 0) memcpy(block, name.ptr, name.len);
    if (value.len > 0) memcpy(block + name.len, value.ptr, value.len);
    l->items[l->count++] =
        (struct named_item){number, str_of(block, name.len), str_of(block + name.len, value.len)};
    l->bytes += sizeof *l->items + name.len + value.len;
}

void named_list_clear(struct named_list *l) {
    for (size_t i = 0; i < l->count; i++) free((char *)(uintptr_t)l->items[i].name.ptr);
    free(l->items);
    *l = (struct named_list){0};
}

/* --- what is shown --------------------------------------------------------- */

/* Copies up to `end`, as far as there is room. */
static char *copy_until(char *at, char *limit, const char *from, const char *end) {
    size_t n = MIN((size_t)(end - from), (size_t)(limit - at));
    memcpy(at, from, n);
    return at + n;
}

/* Whether the parameter's name says that its value is secret: password, sslpassword, also with
 * letters written as %XX. */
static bool is_secret(const char *name, const char *end) {
    char plain[64];
    size_t n = 0;
    for (; name < end && n < sizeof plain - 1; name++) {
        bool coded =
            *name == '%' && end - name > 2 && hex_digit(name[1]) >= 0 && hex_digit(name[2]) >= 0;
        plain[n++] = (char)(coded ? hex_digit(name[1]) << 4 | hex_digit(name[2]) : *name);
        if (coded) name += 2;
    }
    plain[n] = '\0';
    return strstr(plain, "password") != NULL;
}

const char *backend_url_query(const char *url) {
    const char *from = strstr(url, "//");
    from = from != NULL ? from + 2 : url;
    const char *at = from + strcspn(from, "@/"); /* what stands before an '@' may have any others */
    return strchr(*at == '@' ? at : from, '?');
}

void backend_show(const char *url, char *out, size_t size) {
    static const char stars[] = "***";
    char *at = out, *limit = out + size - 1;
    const char *from = url, *user = strstr(url, "://");
    const char *host = user != NULL ? user + 3 + strcspn(user + 3, "@/") : NULL;
    const char *colon =
        host != NULL && *host == '@' ? memchr(user + 3, ':', (size_t)(host - user - 3)) : NULL;
    if (colon != NULL) {
        at = copy_until(at, limit, from, colon + 1);
        at = copy_until(at, limit, stars, stars + 3);
        from = host;
    }
    for (const char *p = backend_url_query(url); p != NULL && *p != '\0';) {
        const char *end = p + 1 + strcspn(p + 1, "&"), *equals = p + 1 + strcspn(p + 1, "=&");
        if (*equals == '=' && is_secret(p + 1, equals)) {
            at = copy_until(at, limit, from, equals + 1);
            at = copy_until(at, limit, stars, stars + 3);
            from = end;
        }
        p = end;
    }
    at = copy_until(at, limit, from, from + strlen(from));
    *at = '\0';
}

/* --- the table ------------------------------------------------------------ */

static const struct {
    const char *scheme;
    const struct backend *backend;
} backends[] = {
    {"sqlite", &backend_sqlite},
    {"memory", &backend_memory},
#ifndef WITHOUT_POSTGRES
    {"postgres", &backend_postgres},
    {"postgresql", &backend_postgres},
#endif
};

const struct backend *backend_find(const char *url, const char **path) {
    assert(url != NULL);
    for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
        size_t n = strlen(backends[i].scheme);
        if (strncmp(url, backends[i].scheme, n) == 0 && url[n] == ':') {
            if (path != NULL) *path = url + n + 1;
            return backends[i].backend;
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
