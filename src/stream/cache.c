/* Evicting. The oldest events of the log tail go first, out of their streams' tails too; when the
 * log tail is not what fills the cache, whole streams go, those not used lately first. Nothing
 * beyond the store's floor ever goes. */
#include "stream/internal.h"

#include "base/alloc.h"
#include "stream/gone/remove.h"
#include "stream/group/cgroup.h"

#define EVICTIONS_PER_CALL 8192
#define CLOCK_LOOK_AT      64
#define ABSENT_PART        64 /* of cache-bytes */
#define NAMED_PART         4  /* of what is held: above it checkpoints go before streams */
#define ABSENT_MIN         UINT64_C(16)

bool evict_log_event(struct model *m, uint64_t floor) {
    if (m->log.first == m->next_sequence) return false;
    struct event *e = model_event(m, m->log.first);
    if (e->frame > floor) return false;
    struct stream *s = model_stream_by_event(m, e);
    if (s != NULL && s->state == STREAM_LIVE) {
        while (s->tail_count > 0 && stream_tail_first(s) <= e->rec.version) {
            stream_drop_front(m, s);
            m->evicted_events++;
        }
    }
    m->log.first++;
    if (e->rec.flags & EVENT_CLIENT_ID) known_ids_add(m, &e->rec.event_id);
    model_log_forget(m, e);
    return true;
}

/* Names that do not exist are remembered so that nobody asks the backend again: up to so many. Each
 * takes some 300 bytes and the name. */
static uint64_t absent_max(const struct model *m) {
    return MAX(m->bytes_max / ABSENT_PART / 256, ABSENT_MIN);
}

static bool evict_absent(struct model *m, uint64_t floor) {
    for (int stay = 0; stay < CLOCK_LOOK_AT && !list_empty(&m->absent);) {
        struct stream *s = LIST_ENTRY(m->absent.next, struct stream, clock);
        if (!s->touched && s->pins == 0 && s->last_frame <= floor) {
            stream_destroy(m, s);
            return true;
        }
        stay += !s->touched; /* a second chance is paid for by who touched it */
        s->touched = false;
        list_remove(&s->clock);
        list_append(&m->absent, &s->clock);
    }
    return false;
}

/* Whether somebody waits in a group of a virtual stream: it would be loaded again as soon as there
 * is something for it. So it goes when nothing else is left that could. */
static bool stream_is_waited(const struct stream *s) {
    if (LIKELY(!stream_is_virtual(s)) || s->extra == NULL) return false;
    for (uint32_t i = 0; i < s->extra->group_count; i++)
        if (s->extra->groups[i]->scan != NULL && s->extra->groups[i]->scan->waited) return true;
    return false;
}

/* Second chance: a stream that was used since the hand passed it goes to the end of the round. */
static bool evict_stream(struct model *m, uint64_t floor, bool also_waited) {
    for (int looked = 0; looked < CLOCK_LOOK_AT && !list_empty(&m->clock); looked++) {
        struct stream *s = LIST_ENTRY(m->clock.next, struct stream, clock);
        if (!s->touched && s->pins == 0 && s->last_frame <= floor &&
            (also_waited || !stream_is_waited(s))) {
            /* Consumers' times are written first, in a frame of their own; it goes later. */
            if (s->extra != NULL && s->extra->group_count > 0) {
                if (!store_writable(m->store)) return false;
                if (stream_record_times(m, s)) {
                    model_commit(m);
                    return true;
                }
            }
            expiring_evicted(m, s);
            m->evicted_events += s->tail_count;
            m->evicted_streams++;
            stream_destroy(m, s);
            return true;
        }
        s->touched = false;
        list_remove(&s->clock);
        list_append(&m->clock, &s->clock);
    }
    return false;
}

void model_evict(struct model *m) {
    model_settle(m);
    named_settle(m);
    if (m->flushed.frame != 0) model_forget_flushed(m);
    model_exhume(m, store_floor(m->store));
    model_forget_hidden(m);
    model_forget_renamed(m);
    given_names_forget(m);
    model_forget_erased(m, store_floor(m->store));
    if (m->replay != NULL) replay_forget(m);
    uint64_t floor = store_floor(m->store);
    /* As many as came in this turn, whatever that is: each goes once. */
    while (m->streams.count - m->live_in_memory - m->virtual_in_memory > absent_max(m) &&
           evict_absent(m, floor)) {}
    while (m->named.absent_count > absent_max(m) && named_evict_absent(m, floor)) {}
    if (m->bytes <= m->bytes_max) return;
    for (int i = 0; i < EVICTIONS_PER_CALL && m->bytes > m->bytes_max; i++) {
        bool log_first = m->log.bytes >= m->bytes / 2;
        bool named_first = m->named.bytes >= m->bytes / NAMED_PART;
        if (log_first && evict_log_event(m, floor)) continue;
        if (named_first && named_evict(m, floor)) continue;
        if (evict_stream(m, floor, false)) continue;
        if (!log_first && evict_log_event(m, floor)) continue;
        if (!named_first && named_evict(m, floor)) continue;
        if (named_evict_absent(m, floor)) continue;
        if (!evict_absent(m, floor) && !evict_stream(m, floor, true)) return;
    }
}

void model_keep(struct model *m, struct stream *s, struct event *const *events, size_t n) {
    if (n == 0 || s->state != STREAM_LIVE) return;
    bool reversed = n > 1 && events[0]->rec.version > events[1]->rec.version;
    uint64_t last = events[reversed ? 0 : n - 1]->rec.version;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) bytes += events[i]->size;
    if (last + 1 != stream_tail_first(s) ||
        events[reversed ? n - 1 : 0]->rec.version < stream_first_version(s) ||
        bytes > m->bytes_max / 8)
        return;
    for (size_t i = 0; i + 1 < n; i++) {
        uint64_t a = events[i]->rec.version, b = events[i + 1]->rec.version;
        if (reversed ? b + 1 != a : a + 1 != b) return;
    }
    struct event **at = stream_reserve_front(m, s, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        /* The page may be older than an erasure. */
        at[i] = event_ref(model_erased(m, events[reversed ? n - 1 - i : i], VIEW_NEWEST));
        event_count(m, at[i]);
        s->largest = MAX(s->largest, at[i]->size);
    }
}
