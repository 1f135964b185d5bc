/* Checkpoints, views, timelines, and the store's counters. */
#include "tool/look.h"

#define PAGE_NAMES 1000

static unsigned long long ull(uint64_t n) {
    return n;
}

static void check_checkpoint(struct look *k, const struct named_item *n) {
    struct checkpoint_value v;
    uint64_t end;
    k->checkpoints++;
    if (n->value.len != sizeof v) {
        verify_damage(k->v, "checkpoint", "checkpoint " STR_FMT ": its value makes no sense",
                      STR_ARG(n->name));
        return;
    }
    memcpy(&v, n->value.ptr, sizeof v);
    /* One of a history that was given up may be beyond the place where this one began. */
    bool current = timelines_find(&k->timelines, v.timeline, &end, NULL) && end == UINT64_MAX;
    if (current && v.position > k->state.next_sequence)
        verify_damage(k->v, "checkpoint", "checkpoint " STR_FMT ": position %llu is beyond %llu",
                      STR_ARG(n->name), ull(v.position), ull(k->state.next_sequence));
}

static void check_view(struct look *k, const struct named_item *n) {
    k->views++;
    if (n->value.len == 0)
        verify_damage(k->v, "view", "view " STR_FMT ": it selects nothing", STR_ARG(n->name));
}

static int look_at_class(struct look *k, enum named_class class,
                         void check(struct look *, const struct named_item *), struct err *err) {
    struct named_list page = {0};
    int rc;
    do {
        uint64_t from = page.next;
        named_list_clear(&page);
        rc = k->b->list_named(k->c, class, from, PAGE_NAMES, &page, err);
        for (size_t i = 0; rc == 0 && i < page.count; i++) {
            if (page.items[i].name.len == 0)
                verify_damage(k->v, "name", "a checkpoint or a view has no name");
            check(k, &page.items[i]);
        }
        if (rc == 0) rc = look_progress(k, "names", 0, 0, err);
    } while (rc == 0 && !page.done);
    named_list_clear(&page);
    if (rc != ERR_CORRUPT) return rc;
    verify_damage(k->v, "unreadable", "%s", err->text);
    return 0;
}

static void check_timelines(struct look *k) {
    const struct timelines *t = &k->timelines;
    for (size_t i = 0; i < t->count; i++) {
        char id[TIMELINE_TEXT_LEN + 1];
        timeline_format(t->items[i].id, id);
        if (t->items[i].reason == 0)
            verify_damage(k->v, "timeline", "timeline %s: nobody knows why it began", id);
        for (size_t j = 0; j < i; j++)
            if (t->items[j].id == t->items[i].id)
                verify_damage(k->v, "timeline", "timeline %s is there twice", id);
    }
    if (t->count > 0 && timelines_current(t)->began > k->state.next_sequence)
        verify_damage(k->v, "timeline", "the current timeline begins beyond the last event");
}

int look_at_names(struct look *k, struct err *err) {
    check_timelines(k);
    int rc = look_at_class(k, NAMED_CHECKPOINT, check_checkpoint, err);
    return rc == 0 ? look_at_class(k, NAMED_VIEW, check_view, err) : rc;
}

static void check_counter(struct look *k, const char *what, uint64_t says, uint64_t have) {
    if (says != have)
        verify_damage(k->v, "counter", "%s: the store counts %llu, and there are %llu", what,
                      ull(says), ull(have));
}

void look_at_counters(struct look *k) {
    const struct store_state *s = &k->state;
    check_counter(k, "streams and strings", s->stream_count, k->streams + k->strings);
    check_counter(k, "groups of virtual streams", s->virtual_groups, k->virtual_groups);
    check_counter(k, "keys with a deadline", s->expiring_count, k->expiring);
    check_counter(k, "first deadline", s->next_deadline, k->first_deadline);
    if (set_sum_eq(&k->log, &k->streams_sum)) return;
    verify_damage(k->v, "log-and-streams",
                  "the log has %llu events and the streams have %llu: they are not the same",
                  ull(k->log.count), ull(k->streams_sum.count));
}
