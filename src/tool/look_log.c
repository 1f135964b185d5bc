/* The log: each event by itself, and how it follows the one before. */
#include "tool/look.h"

#include "base/alloc.h"

#define PAGE_EVENTS 1000
#define PAGE_BYTES  (4u << 20)
#define LAST_SLOTS  65536

/* The last event that was seen of some streams. */
struct last_seen {
    uint64_t stream; /* 0: empty slot */
    uint64_t version;
    struct entry_id id;
};

struct log_look {
    struct look *k;
    struct last_seen *last;
    uint64_t recorded, at;
};

int look_progress(struct look *k, const char *step, uint64_t done, uint64_t total,
                  struct err *err) {
    if (k->v->progress(step, done, total, k->v->arg)) return 0;
    return err_set(err, ERR_FAILED, "stopped");
}

void look_add_place(struct set_sum *s, uint64_t stream, uint64_t version, uint64_t sequence) {
    uint64_t place[2] = {stream, version};
    set_sum_add(s, place, sizeof place, sequence);
}

/* Of what the client gave, which may have been without a time. */
static bool hash_is_right(const struct event_record *e) {
    struct event_view v;
    struct uuid hash;
    event_view(e, &v);
    struct event_fields f = {
        .partition_key = v.partition_key,
        .correlation = v.correlation,
        .causation = v.causation,
        .type = v.type,
        .aggregate = v.aggregate,
        .metadata = v.metadata,
        .payload = v.payload,
    };
    event_content_hash_of(&f, NULL, &hash);
    if (uuid_eq(&hash, v.content_hash)) return true;
    event_content_hash_of(&f, &e->timestamp, &hash);
    return uuid_eq(&hash, v.content_hash);
}

static void check_hash(struct look *k, const struct event_record *e) {
    if (!(e->flags & EVENT_CLIENT_ID)) return;
    k->hashed++;
    if (e->flags & EVENT_ERASED)
        k->hashes_unknown++;
    else if (hash_is_right(e))
        k->hashes_right++;
    else
        verify_damage(k->v, "content-hash", "event %llu is not what its content hash says",
                      (unsigned long long)e->sequence);
}

static void check_id(struct look *k, const struct event_record *e) {
    if (e->flags & EVENT_CLIENT_ID) return;
    if (event_id_sequence(&e->event_id, k->state.id_key) == e->sequence) return;
    verify_damage(k->v, "event-id", "event %llu has the id of another event",
                  (unsigned long long)e->sequence);
}

/* What stands before it in its stream, as far as that is still known. */
static void check_order(struct log_look *l, const struct event_record *e) {
    struct last_seen *last = &l->last[e->stream % LAST_SLOTS];
    struct entry_id id = {e->entry_ms, e->entry_seq};
    if (last->stream == e->stream) {
        if (e->version <= last->version)
            verify_damage(l->k->v, "version-order",
                          "event %llu is version %llu of its stream, and comes after version %llu",
                          (unsigned long long)e->sequence, (unsigned long long)e->version,
                          (unsigned long long)last->version);
        if (entry_id_cmp(id, last->id) <= 0)
            verify_damage(l->k->v, "entry-order",
                          "event %llu has an entry id that is not above the one before it in its "
                          "stream",
                          (unsigned long long)e->sequence);
    }
    *last = (struct last_seen){e->stream, e->version, id};
}

static void check_event(struct log_look *l, const struct event *event) {
    struct look *k = l->k;
    const struct event_record *e = &event->rec;
    k->events++;
    k->erased += (e->flags & EVENT_ERASED) != 0;
    look_add_place(&k->log, e->stream, e->version, e->sequence);
    check_hash(k, e);
    check_id(k, e);
    check_order(l, e);
    if (e->recorded < l->recorded)
        verify_damage(k->v, "recorded-order", "event %llu was recorded before the one before it",
                      (unsigned long long)e->sequence);
    l->recorded = MAX(l->recorded, e->recorded);
    if ((e->flags & EVENT_ERASED) && (e->payload_len > 0 || e->metadata_len > 0))
        verify_damage(k->v, "erased", "event %llu is erased, and has bytes",
                      (unsigned long long)e->sequence);
}

/* One page from l->at on, up to `end`. */
static int read_page(struct log_look *l, uint64_t end, struct err *err) {
    struct look *k = l->k;
    struct page page;
    struct read_range range = {.start = l->at,
                               .end = end,
                               .count_max = PAGE_EVENTS,
                               .bytes_max = PAGE_BYTES,
                               .examined_max = SIZE_MAX};
    page_init(&page);
    int rc = k->b->read_events(k->c, &range, &page, err);
    for (size_t i = 0; rc == 0 && i < page.count; i++) check_event(l, page.events[i]);
    if (rc == 0) l->at = page.done ? end + 1 : page.next;
    page_clear(&page);
    return rc;
}

/* A page that cannot be read: event by event, so that the one that is damaged is named. */
static int read_one_by_one(struct log_look *l, struct err *err) {
    uint64_t end = MIN(l->at + PAGE_EVENTS, l->k->state.next_sequence);
    while (l->at < end) {
        int rc = read_page(l, l->at, err);
        if (rc == ERR_CORRUPT) {
            verify_damage(l->k->v, "unreadable", "event %llu: %s", (unsigned long long)l->at,
                          err->text);
            l->at++;
            rc = 0;
        }
        if (rc != 0) return rc;
    }
    return 0;
}

int look_at_log(struct look *k, struct err *err) {
    struct log_look l = {.k = k, .last = xcalloc(LAST_SLOTS, sizeof *l.last)};
    uint64_t end = k->state.next_sequence;
    int rc = 0;
    while (rc == 0 && l.at < end) {
        rc = read_page(&l, end - 1, err);
        if (rc == ERR_CORRUPT) rc = read_one_by_one(&l, err);
        if (rc == 0) rc = look_progress(k, "events", MIN(l.at, end), end, err);
    }
    if (rc == 0 && l.recorded > k->state.recorded)
        verify_damage(k->v, "counter", "the last event was recorded after the store's clock");
    free(l.last);
    return rc;
}
