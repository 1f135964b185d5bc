/* Stream by stream: which versions are there, which are explained, and what hangs on the stream. */
#include "tool/look.h"

#include "base/alloc.h"

#define PAGE_STREAMS  1000
#define PAGE_BYTES    (4u << 20)
#define PAGE_VERSIONS 4096
#define VERSION_GONE  UINT32_MAX /* of a pending entry whose event was gone when it came */

/* The stream that is looked at. */
struct one {
    struct look *k;
    const struct stream_name *name;
    struct stream_head head;
    size_t hole; /* the next one */
};

#define SAY(o, kind, fmt, ...)                                                                     \
    verify_damage((o)->k->v, kind, "stream %llu (" STR_FMT "): " fmt,                              \
                  (unsigned long long)(o)->name->rec.number, STR_ARG(stream_name_str((o)->name)),  \
                  ##__VA_ARGS__)

static unsigned long long ull(uint64_t n) {
    return n;
}

static uint64_t first_version(const struct one *o) {
    return o->head.detail != NULL ? o->head.detail->first_version : 0;
}

/* --- versions ----------------------------------------------------------------------------- */

/* Versions first..last have no event: holes say so, or they are lost. */
static void check_gap(struct one *o, uint64_t first, uint64_t last) {
    const struct stream_detail *d = o->head.detail;
    size_t holes = d != NULL ? d->hole_count : 0;
    while (first <= last) {
        const struct version_range *h = o->hole < holes ? &d->holes[o->hole] : NULL;
        if (h == NULL || h->first > first) {
            uint64_t end = h != NULL ? MIN(last, (uint64_t)h->first - 1) : last;
            SAY(o, "version-gap", "versions %llu to %llu are not there, and were not removed",
                ull(first), ull(end));
            first = end + 1;
        } else if (h->last > last) {
            return; /* pass_holes says so of the version behind */
        } else {
            first = (uint64_t)h->last + 1;
            o->hole++;
        }
    }
}

/* Of a version that is there. */
static void pass_holes(struct one *o, uint64_t version) {
    const struct stream_detail *d = o->head.detail;
    while (d != NULL && o->hole < d->hole_count && d->holes[o->hole].first <= version) {
        if (d->holes[o->hole].last >= version)
            SAY(o, "hole", "version %llu is there, and was removed", ull(version));
        if (d->holes[o->hole].last > version) return;
        o->hole++;
    }
}

static int check_versions(struct one *o, struct err *err) {
    struct version_list list = {0};
    struct look *k = o->k;
    uint64_t stream = o->name->rec.number, expected = first_version(o), sequence = 0;
    bool any = false;
    int rc = 0;
    do {
        rc = k->b->list_versions(k->c, stream, expected, PAGE_VERSIONS, &list, err);
        for (size_t i = 0; rc == 0 && i < list.count; i++) {
            const struct version_place *p = &list.items[i];
            if (any && p->sequence <= sequence)
                SAY(o, "version-order", "version %llu is event %llu, and the one before is %llu",
                    ull(p->version), ull(p->sequence), ull(sequence));
            if (p->version > expected) check_gap(o, expected, p->version - 1);
            pass_holes(o, p->version);
            look_add_place(&k->streams_sum, stream, p->version, p->sequence);
            sequence = p->sequence;
            any = true;
            expected = p->version + 1;
        }
        if (rc == 0) rc = look_progress(k, "streams", stream, k->state.next_stream, err);
    } while (rc == 0 && !list.done);
    free(list.items);
    if (rc == 0 && expected < o->head.next_version)
        check_gap(o, expected, o->head.next_version - 1);
    if (rc == 0 && expected > o->head.next_version)
        SAY(o, "version-beyond", "version %llu is beyond its end, %llu", ull(expected - 1),
            ull(o->head.next_version));
    return rc;
}

static void check_holes(struct one *o) {
    const struct stream_detail *d = o->head.detail;
    uint64_t before = 0;
    for (size_t i = 0; i < d->hole_count; i++) {
        const struct version_range *h = &d->holes[i];
        o->k->holes += (uint64_t)h->last - h->first + 1;
        if (h->first > h->last || h->first < d->first_version || h->last >= o->head.next_version ||
            (i > 0 && h->first <= before + 1))
            SAY(o, "hole-order", "holes: %u to %u is no range of it, or touches another", h->first,
                h->last);
        before = h->last;
    }
    if (d->first_version > o->head.next_version)
        SAY(o, "version-beyond", "it begins with version %llu, beyond its end, %llu",
            ull(d->first_version), ull(o->head.next_version));
    o->k->trimmed += d->first_version;
}

/* --- groups ------------------------------------------------------------------------------- */

#define SAY_GROUP(o, g, kind, fmt, ...)                                                            \
    SAY(o, kind, "group '%.*s': " fmt, (g)->record->name_len, (g)->record->name, ##__VA_ARGS__)

static int number_cmp(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Whether the entry's event, if it is there, is the one that its version says. */
static int check_entry(struct one *o, const struct group_image *g, const struct pending_item *p,
                       struct err *err) {
    struct page page;
    struct read_range range = {.stream = o->name->rec.number,
                               .start = p->version,
                               .end = p->version,
                               .count_max = 1,
                               .bytes_max = PAGE_BYTES,
                               .examined_max = 1};
    page_init(&page);
    int rc = o->k->b->read_events(o->k->c, &range, &page, err);
    if (rc == 0 && page.count > 0) {
        const struct event_record *e = &page.events[0]->rec;
        if (e->entry_ms != p->id.ms || e->entry_seq != p->id.seq)
            SAY_GROUP(o, g, "pending-event", "pending entry %llu-%llu is not version %u",
                      ull(p->id.ms), ull(p->id.seq), p->version);
    }
    page_clear(&page);
    if (rc != ERR_CORRUPT) return rc;
    SAY_GROUP(o, g, "unreadable", "%s", err->text);
    return 0;
}

static int check_pending(struct one *o, const struct group_image *g, const uint32_t *numbers,
                         struct err *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->pending_count; i++) {
        const struct pending_item *p = &g->pending[i];
        bool owned = p->consumer == 0 || bsearch(&p->consumer, numbers, g->consumer_count,
                                                 sizeof *numbers, number_cmp) != NULL;
        if (!owned)
            SAY_GROUP(o, g, "pending-consumer",
                      "pending entry %llu-%llu is of consumer %u, which is not there",
                      ull(p->id.ms), ull(p->id.seq), p->consumer);
        if (i > 0 && entry_id_cmp(g->pending[i - 1].id, p->id) >= 0)
            SAY_GROUP(o, g, "pending-order", "pending entry %llu-%llu is there twice",
                      ull(p->id.ms), ull(p->id.seq));
        if (o->head.kind == KIND_VIRTUAL || p->version == VERSION_GONE) continue;
        if (p->version >= o->head.next_version)
            SAY_GROUP(o, g, "pending-event",
                      "pending entry %llu-%llu is of version %u, beyond %llu", ull(p->id.ms),
                      ull(p->id.seq), p->version, ull(o->head.next_version));
        else
            rc = check_entry(o, g, p, err);
    }
    return rc;
}

static int check_group(struct one *o, const struct group_image *g, struct err *err) {
    struct look *k = o->k;
    uint32_t *numbers = xcalloc(MAX(g->consumer_count, (size_t)1), sizeof *numbers);
    k->groups++;
    k->virtual_groups += o->head.kind == KIND_VIRTUAL;
    k->consumers += g->consumer_count;
    k->pending += g->pending_count;
    if (g->record->number >= k->state.next_group)
        SAY_GROUP(o, g, "counter", "its number, %llu, is beyond the next one, %llu",
                  ull(g->record->number), ull(k->state.next_group));
    for (size_t i = 0; i < g->consumer_count; i++) numbers[i] = g->consumers[i]->number;
    if (g->consumer_count > 1) qsort(numbers, g->consumer_count, sizeof *numbers, number_cmp);
    int rc = check_pending(o, g, numbers, err);
    free(numbers);
    return rc;
}

/* --- a stream ------------------------------------------------------------------------------ */

static int check_detail(struct one *o, struct err *err) {
    const struct stream_detail *d = o->head.detail;
    struct look *k = o->k;
    int rc = 0;
    check_holes(o);
    k->idempotent += d->idempotent_count;
    if (d->expires != 0) {
        k->expiring++;
        k->first_deadline =
            k->first_deadline == 0 ? d->expires : MIN(k->first_deadline, d->expires);
    }
    for (size_t i = 0; rc == 0 && i < d->group_count; i++) rc = check_group(o, &d->groups[i], err);
    return rc;
}

static void check_name(struct one *o) {
    struct uuid key;
    struct str name = stream_name_str(o->name);
    partition_key_of(name, &key);
    if (!stream_name_valid(name)) SAY(o, "stream-name", "no stream can be called that");
    if (!uuid_eq(&key, &o->name->partition_key))
        SAY(o, "partition-key", "its partition key is another name's");
    if (o->name->rec.number >= o->k->state.next_stream)
        SAY(o, "counter", "its number is beyond the next one, %llu", ull(o->k->state.next_stream));
}

static int check_stream(struct one *o, struct err *err) {
    struct look *k = o->k;
    const struct stream_record *r = &o->name->rec;
    k->streams += r->kind == KIND_STREAM;
    k->strings += r->kind == KIND_STRING;
    k->virtual_streams += r->kind == KIND_VIRTUAL;
    check_name(o);
    if (!o->head.exists || o->head.number != r->number || o->head.kind != r->kind) {
        SAY(o, "stream", "another one, or none, is found by its name");
        return 0;
    }
    if (r->kind == KIND_STRING && (o->head.detail == NULL || o->head.detail->value == NULL))
        SAY(o, "string-missing", "it has no value");
    int rc = o->head.detail != NULL ? check_detail(o, err) : 0;
    return rc == 0 && r->kind != KIND_STRING ? check_versions(o, err) : rc;
}

static int look_at_stream(struct look *k, const struct stream_name *name, struct err *err) {
    struct one o = {.k = k, .name = name};
    uint64_t applied;
    int rc = k->b->read_head(k->c, stream_name_str(name), &o.head, &applied, err);
    if (rc == 0) rc = check_stream(&o, err);
    if (rc == ERR_CORRUPT) {
        SAY(&o, "unreadable", "%s", err->text);
        rc = 0;
    }
    stream_head_clear(&o.head);
    return rc;
}

int look_at_streams(struct look *k, struct err *err) {
    struct stream_list page;
    uint64_t from = 0;
    bool done = false;
    int rc = 0;
    while (rc == 0 && !done) {
        stream_list_init(&page);
        page.bytes_max = PAGE_BYTES;
        rc = k->b->list_streams(k->c, from, STR(""), STR(""), PAGE_STREAMS, PAGE_STREAMS, &page,
                                err);
        if (rc == 0 && k->b->expect_streams != NULL) rc = k->b->expect_streams(k->c, &page, err);
        for (size_t i = 0; rc == 0 && i < page.count; i++)
            rc = look_at_stream(k, page.names[i], err);
        from = page.next;
        done = page.done;
        stream_list_clear(&page);
    }
    if (rc != ERR_CORRUPT) return rc;
    verify_damage(k->v, "unreadable", "%s", err->text);
    return 0;
}
