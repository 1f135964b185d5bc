/* The model over a real store: random changes of every kind, then
 *
 *   a transaction that is taken back leaves nothing behind,
 *   what is evicted and loaded again is as it was,
 *   what a restart finds is as it was,
 *   what a void leaves (durable frames that the backend has not got yet) is as it was,
 *   what readers of the settled view see is as it was, until what has changed is durable.
 *
 * "As it was" is a text that says all of it. */
#include "unit.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "record/fields.h"
#include "store/internal.h"
#include "stream/append.h"
#include "stream/group/cgroup.h"
#include "stream/entry.h"
#include "stream/ids/idempotent.h"
#include "stream/read.h"
#include "stream/gone/remove.h"
#include "model_world.h"
#include "selectors.h"

#define NAMES        8
#define VIRTUAL_NAME 7       /* the last of them */
#define NEVER_MS     3600000 /* a delay of the applier: nothing is applied by itself */

static uint64_t now_ms = 1700000000000;

static struct str name_of(uint64_t i) {
    static char names[NAMES][16];
    snprintf(names[i], sizeof names[i], i == VIRTUAL_NAME ? "@all" : "stream-%d", (int)i);
    return str_c(names[i]);
}

/* ---- the store ---- */

static void start(uint64_t apply_delay_ms) {
    struct store_config config = {.url = "sqlite:test.db",
                                  .durability = DURABILITY_JOURNAL,
                                  .segment_bytes = 4 << 20,
                                  .apply_delay_ms = apply_delay_ms,
                                  .apply_bytes = apply_delay_ms > 0 ? 1u << 30 : 1u << 20,
                                  .apply_urgent_bytes = 1u << 30,
                                  .reader_count = 1};
    CHECK(store_open(&store, &config, &err) == 0);
    CHECK(store_start(store, &callbacks, &err) == 0);
    model_init(m, store, 1u << 30, false);
    model_tick(m, now_ms);
}

static void stop(void) {
    err.text[0] = '\0';
    model_submit(m);
    if (store_close(store, &err) != 0) fprintf(stderr, "  %s\n", err.text);
    CHECK(err.text[0] == '\0');
    model_clear(m);
}

static struct named *load_named(enum named_class class, struct str name) {
    struct named *n = named_find(m, class, name);
    if (n != NULL) return n;
    struct waiter w = {.wake = on_wake};
    wakes = 0;
    named_load(m, class, name, &w);
    while (wakes == 0) turn();
    n = named_find(m, class, name);
    CHECK(n != NULL);
    return n;
}

static void request_done(struct store_request *r) {
    UNUSED(r);
    wakes++;
}

static void ask(struct store_request *r) {
    r->done = request_done;
    wakes = 0;
    store_request(store, r);
    while (wakes == 0) turn();
    CHECK_INT(r->status, 0);
}

/* ---- all of it, as text ---- */

/* As of which frame, and with what readers of the settled view are not told of. */
static uint64_t view = VIEW_NEWEST;
static bool reports = true;

static void say_event(struct buf *out, const struct event *e) {
    struct str type = event_type(&e->rec), payload = event_payload(&e->rec);
    buf_printf(out, "  %llu %llu-%llu %.*s %s%s", (unsigned long long)e->rec.version,
               (unsigned long long)e->rec.entry_ms, (unsigned long long)e->rec.entry_seq,
               (int)type.len, type.ptr, e->rec.flags & EVENT_ERASED ? "erased " : "",
               e->rec.flags & EVENT_FIELDS ? "fields " : "");
    for (size_t i = 0; i < payload.len; i++)
        buf_printf(out, "%c", payload.ptr[i] < ' ' ? '.' : payload.ptr[i]);
    buf_printf(out, "\n");
}

/* Of the log also the stream's name, as it is now. */
static void say_found(struct buf *out, const struct read *r) {
    for (size_t i = 0; i < r->found; i++) {
        const struct event *e = r->events[i];
        if (r->stream == NULL) {
            struct str name = stream_name_str(model_name_at(m, e, view));
            buf_printf(out, "%llu %.*s", (unsigned long long)e->rec.sequence, (int)name.len,
                       name.ptr);
        }
        say_event(out, e);
    }
}

/* s NULL: the log. Returns how many there are. */
static size_t say_events(struct buf *out, struct stream *s) {
    struct read r = {.stream = s, .end = UINT64_MAX, .count = 1000000, .horizon = view};
    struct read_range range;
    if (model_read(m, &r, NULL, &range)) {
        say_found(out, &r);
    } else {
        struct store_request q = {.kind = STORE_READ_EVENTS, .range = range};
        ask(&q);
        CHECK(model_read(m, &r, &q.page, &range));
        say_found(out, &r);
        store_release(store, &q);
        model_drop_page(m, &q.page);
    }
    CHECK(!r.has_more);
    size_t found = r.found;
    read_clear(&r);
    return found;
}

/* Consumers are seen softly: their times are left out. */
static void say_group(struct buf *out, const struct cgroup *g) {
    buf_printf(out, "  group %.*s %llu at %llu-%llu read %lld\n", (int)g->name.len, g->name.ptr,
               (unsigned long long)g->number, (unsigned long long)g->last.ms,
               (unsigned long long)g->last.seq, (long long)g->entries_read);
    struct consumer *const *consumers = consumers_in_order(g);
    for (uint32_t i = 0; i < g->consumer_count; i++)
        buf_printf(out, "    consumer %u %.*s has %u\n", consumers[i]->number,
                   (int)consumers[i]->name.len, consumers[i]->name.ptr,
                   pending_count_of(&g->pending, consumers[i]->number));
    struct pending_cursor c = pending_seek(&g->pending, PENDING_ALL, ENTRY_ID_MIN);
    struct pending_entry *e;
    while ((e = pending_next(&c)) != NULL)
        buf_printf(out, "    %llu-%llu v%u c%u at %llu x%u\n", (unsigned long long)e->id.ms,
                   (unsigned long long)e->id.seq, e->version, e->consumer,
                   (unsigned long long)pending_delivered(e), e->deliveries);
}

static void say_stream(struct buf *out, struct stream *s) {
    if (s->state == STREAM_ABSENT) return;
    struct str name = stream_name_str(s->name);
    buf_printf(out, "%.*s %llu next %llu length %llu added %llu\n", (int)name.len, name.ptr,
               (unsigned long long)s->name->rec.number, (unsigned long long)s->next_version,
               (unsigned long long)stream_length(s), (unsigned long long)stream_entries_added(s));
    if (reports)
        buf_printf(out, "  last %llu-%llu\n", (unsigned long long)s->entry_ms,
                   (unsigned long long)s->entry_seq);
    const struct stream_extra *x = s->extra;
    if (stream_is_string(s)) {
        buf_printf(out, "  string %.*s\n", (int)x->value_len, x->value_len ? x->value : "");
    } else {
        CHECK_INT(say_events(out, s), stream_length(s));
    }
    if (x == NULL) return;
    if (x->deleted.ms > 0 || x->expires > 0)
        buf_printf(out, "  deleted %llu-%llu expires %llu\n", (unsigned long long)x->deleted.ms,
                   (unsigned long long)x->deleted.seq, (unsigned long long)x->expires);
    if (!reports) return;
    if (x->idempotent_max > 0)
        buf_printf(out, "  idempotent %u %u\n", x->idempotent_seconds, x->idempotent_max);
    struct idempotent_stats sent;
    model_idempotent_stats(s, &sent);
    if (sent.ids > 0)
        buf_printf(out, "  producers %llu ids %llu\n", (unsigned long long)sent.producers,
                   (unsigned long long)sent.ids);
    struct cgroup *const *groups = cgroups_in_order(s->extra);
    for (uint32_t i = 0; i < x->group_count; i++) say_group(out, groups[i]);
}

static void say_named(struct buf *out, const char *what, const struct named *n) {
    struct str value;
    if (n == NULL || !named_value(m, n, view, &value)) return;
    buf_printf(out, "%s %.*s:", what, (int)n->name_len, n->name);
    for (size_t i = 0; i < value.len; i++) buf_printf(out, " %02x", (unsigned char)value.ptr[i]);
    buf_printf(out, "\n");
}

/* The selection has so many events. One that is not counted yet is, a few streams at a time; so
 * there are changes between. */
static void check_tally(const struct wanted *wanted, uint64_t events) {
    struct selector *selector = selector_of(wanted);
    struct tally *t = tally_of(m, selector);
    if (!tally_is_complete(t) && t->since <= store_applied(store)) {
        struct store_request q = {
            .kind = STORE_COUNT_STREAMS,
            .range = {.start = t->next, .examined_max = 1 + draw(4), .selector = selector}};
        ask(&q);
        tally_add(m, t, q.range.start, &q.page);
        store_release(store, &q);
    }
    if (tally_is_complete(t)) CHECK_INT(tally_at(t, view), events);
    selector_unref(selector);
}

static void check_tallies(const uint64_t *lengths) {
    static const struct wanted all, category = {.category = {{"stream", 6}}},
                                    some = {.stream = {{"stream-[12]", 11}, {"stream-5", 8}}};
    uint64_t sum = 0;
    for (uint64_t i = 0; i < NAMES; i++) sum += lengths[i];
    check_tally(&all, sum);
    check_tally(&category, sum);
    check_tally(&some, lengths[1] + lengths[2] + lengths[5]);
}

static char *say_all(void) {
    struct buf out;
    uint64_t lengths[NAMES];
    buf_init(&out, 0);
    for (uint64_t i = 0; i < NAMES; i++) {
        say_named(&out, "checkpoint", load_named(NAMED_CHECKPOINT, name_of(i)));
        say_named(&out, "view", named_find(m, NAMED_VIEW, name_of(i)));
    }
    for (uint64_t i = 0; i < NAMES; i++) {
        struct stream *s = model_stream_at(m, load_stream(name_of(i)), view);
        say_stream(&out, s);
        lengths[i] = s->state == STREAM_LIVE ? stream_length(s) : 0;
        model_drop_views(m);
    }
    check_tallies(lengths);
    bool newest = view == VIEW_NEWEST;
    buf_printf(&out, "streams %llu virtual groups %llu events %llu\n",
               (unsigned long long)(newest ? m->stream_count : m->settled_streams),
               (unsigned long long)(newest ? m->virtual_groups : m->settled_virtual_groups),
               (unsigned long long)model_visible_end(m, NULL, view));
    say_events(&out, NULL);
    buf_put(&out, "", 1);
    return out.data;
}

/* The first lines that differ. */
static void say_difference(const char *before, const char *after) {
    while (*before != '\0' && strcspn(before, "\n") == strcspn(after, "\n") &&
           strncmp(before, after, strcspn(before, "\n") + 1) == 0) {
        before += strcspn(before, "\n") + 1;
        after += strcspn(after, "\n") + 1;
    }
    fprintf(stderr, "  it was: %.300s\n  it is:  %.300s\n", before, after);
}

static void is_as_it_was(const char *before) {
    char *after = say_all();
    bool as_it_was = strcmp(before, after) == 0;
    if (!as_it_was) say_difference(before, after);
    CHECK(as_it_was);
    free(after);
}

/* ---- changes ---- */

static void add_entry(struct stream *s) {
    struct str fields[] = {STR("type"), STR("a"), STR("n"), STR("\xff\x01 \"x\"")};
    struct entry_add add = {.fields = fields + 2 * draw(2), .count = 2};
    if (add.fields == fields && draw(2)) add.count = 4;
    if (draw(4) == 0) {
        add.kind = ENTRY_ID_GIVEN;
        add.id = (struct entry_id){s->entry_ms + draw(3), s->entry_seq + draw(3)};
    }
    enum entry_status st = model_add_entry(m, s, &add);
    CHECK(st == ENTRY_OK || st == ENTRY_ID_SMALL);
}

static void append(struct stream *s) {
    struct append a = {.stream = s, .stream_name = stream_name_str(s->name)};
    a.fields.type = draw(2) ? STR("order.made") : STR("t");
    a.fields.payload = STR("{\"a\":1}");
    if (draw(2)) {
        a.has_id = true;
        random_bytes(&a.fields.event_id, sizeof a.fields.event_id);
    }
    struct append_result result;
    model_append(m, &a, 1, &result);
    CHECK_INT(result.status, APPEND_OK);
}

static void add_copy(struct stream *s) {
    struct uuid correlation = {{7}};
    struct entry_id id = s->state == STREAM_LIVE ? stream_last_id(s) : ENTRY_ID_MIN;
    entry_id_next(&id);
    struct event_fields f = {.timestamp = 5,
                             .entry_ms = id.ms,
                             .entry_seq = id.seq,
                             .type = STR("copied"),
                             .payload = STR("{}"),
                             .correlation = draw(2) ? &correlation : NULL};
    CHECK_INT(model_add_copy(m, s, &f), ENTRY_OK);
    CHECK_INT(model_add_copy(m, s, &f), ENTRY_ID_SMALL);
}

/* Some event of s that exists, or NULL; one reference. */
static struct event *some_event(struct stream *s) {
    if (stream_length(s) == 0) return NULL;
    uint64_t v = stream_first_version(s) + draw(s->next_version - stream_first_version(s));
    if (!stream_has_version(s, v)) return NULL;
    if (v >= stream_tail_first(s)) return event_ref(stream_event(s, v));
    struct read r = {.stream = s, .start = v, .end = v, .count = 1, .horizon = UINT64_MAX};
    struct store_request q = {.kind = STORE_READ_EVENTS};
    CHECK(!model_read(m, &r, NULL, &q.range));
    ask(&q);
    CHECK(model_read(m, &r, &q.page, &q.range));
    CHECK_INT(r.found, 1);
    struct event *e = event_ref(r.events[0]);
    store_release(store, &q);
    model_drop_page(m, &q.page);
    read_clear(&r);
    return e;
}

static void with_some_event(struct stream *s, struct cgroup *g, struct consumer *c, uint64_t what) {
    struct event *e = some_event(s);
    if (e == NULL) return;
    struct entry_id id = event_entry_id(e);
    switch (what) {
    case 0:
        model_remove(m, s, &e, 1);
        break;
    case 1:
        if (!(e->rec.flags & EVENT_ERASED)) model_erase(m, s, e);
        break;
    case 2:
        if (g != NULL && c != NULL)
            cgroup_pend(m, g, id, e->rec.version, c, now_ms - draw(100), 1 + (uint32_t)draw(3));
        break;
    case 3:
        if (g != NULL) cgroup_ack(m, g, id);
        break;
    case 4:
        if (g != NULL) cgroup_set_position(m, g, id, (int64_t)draw(10) - 1);
        break;
    case 5: {
        struct pending_entry *p = g != NULL ? pending_find(&g->pending, id) : NULL;
        if (p != NULL) cgroup_release(m, g, p, p->deliveries);
        break;
    }
    }
    event_drop(m, e);
}

static void change_group(struct stream *s) {
    static const char *const names[] = {"g", "workers", "audit"}, *const people[] = {"ann", "bob"};
    struct str name = str_c(names[draw(3)]), who = str_c(people[draw(2)]);
    struct cgroup *g = cgroup_find(s, name);
    if (g == NULL) {
        cgroup_add(m, s, name, stream_last_id(s), draw(2) ? -1 : (int64_t)draw(1000));
        return;
    }
    struct consumer *c = cgroup_consumer(g, who);
    if (c == NULL)
        cgroup_add_consumer(m, g, who);
    else if (draw(8) == 0)
        cgroup_drop_consumer(m, g, c);
    else if (draw(20) == 0)
        cgroup_drop(m, g);
}

static void change_named(struct str name) {
    struct checkpoint_value v = {.position = draw(100), .updated = now_ms};
    struct str value = draw(4) > 0 ? str_of(&v, sizeof v) : (struct str){0};
    if (draw(2))
        named_set(m, load_named(NAMED_CHECKPOINT, name), value);
    else
        named_set(m, named_view(m, name), value);
}

/* It goes with its last group, or they go with it. */
static void change_virtual(struct stream *s) {
    if (s->state == STREAM_ABSENT) {
        CHECK_INT(model_create_virtual(m, s), ENTRY_OK);
        cgroup_add(m, s, STR("first"), ENTRY_ID_MIN, -1);
        return;
    }
    change_group(s);
    struct cgroup *g = s->extra->group_count > 0 ? s->extra->groups[0] : NULL;
    if (g != NULL && g->consumer_count > 0) {
        struct entry_id id = {now_ms, draw(20)};
        cgroup_pend(m, g, id, 0, g->consumers[0], now_ms, 1);
        cgroup_set_position(m, g, id, -1);
        id.seq = draw(20);
        cgroup_ack(m, g, id);
    }
    if (g != NULL && draw(10) == 0)
        group_scan_begin_anew(m, g, (struct entry_id){now_ms, group_scan_done(g) + draw(20)});
    while (draw(8) == 0 && s->extra->group_count > 0) cgroup_drop(m, s->extra->groups[0]);
    if (s->extra->group_count == 0 || draw(15) == 0) model_delete(m, s);
}

static void move_away(struct stream *s) {
    struct stream *to = load_stream(name_of(draw(VIRTUAL_NAME)));
    if (to == s) return;
    if (to->state == STREAM_LIVE) model_delete(m, to);
    model_rename(m, s, to);
}

static uint64_t some_deadline(void) {
    return draw(2) ? now_ms + 1000000 + draw(1000) : 0;
}

/* What it is, or a part of it, may stand in what it becomes (APPEND, SETRANGE). */
static void change_string(struct stream *s) {
    char text[40];
    uint64_t what = draw(10);
    struct str now = str_of(s->extra->value, s->extra->value_len);
    if (what < 2) {
        model_delete(m, s);
    } else if (what < 3) {
        move_away(s);
    } else if (what < 4) {
        model_set_expires(m, s, some_deadline());
    } else if (what < 5) {
        model_set_string(m, s, STR(""), 0);
    } else {
        int kept = (int)MIN(now.len, draw(20));
        int len =
            snprintf(text, sizeof text, "%.*s%d", kept, kept > 0 ? now.ptr : "", (int)draw(100));
        uint64_t expires = draw(2) ? s->extra->expires : some_deadline();
        model_set_string(m, s, str_of(text, (size_t)len), expires);
    }
}

static void change(void) {
    if (draw(6) == 0) {
        change_named(name_of(draw(NAMES)));
        return;
    }
    struct stream *s = load_stream(name_of(draw(NAMES)));
    now_ms += draw(3);
    model_tick(m, now_ms);
    if (stream_name_str(s->name).ptr[0] == '@') {
        change_virtual(s);
        return;
    }
    if (stream_is_string(s)) {
        change_string(s);
        return;
    }
    if (s->state == STREAM_ABSENT) {
        if (draw(10) == 0)
            model_set_string(m, s, STR("v"), 0);
        else if (draw(5) == 0)
            model_create_stream(m, s);
        else if (draw(5) == 0)
            add_copy(s);
        else
            add_entry(s);
        return;
    }
    uint64_t what = draw(100);
    struct cgroup *g = NULL;
    struct consumer *c = NULL;
    if (s->extra != NULL && s->extra->group_count > 0) {
        g = s->extra->groups[draw(s->extra->group_count)];
        if (g->consumer_count > 0) c = g->consumers[draw(g->consumer_count)];
    }
    if (what < 25) {
        add_entry(s);
    } else if (what < 30) {
        add_copy(s);
    } else if (what < 38) {
        append(s);
    } else if (what < 50) {
        with_some_event(s, g, c, draw(2));
    } else if (what < 75) {
        with_some_event(s, g, c, 2 + draw(4));
    } else if (what < 83) {
        change_group(s);
    } else if (what < 86) {
        model_trim(m, s, model_trim_point(s, draw(stream_length(s) + 1)));
    } else if (what < 88) {
        model_set_expires(m, s, some_deadline());
    } else if (what < 91) {
        char id[2] = {(char)('a' + draw(5)), 0};
        struct entry_id out;
        if (!model_idempotent_find(m, s, STR("p"), str_c(id), 100000, 50, &out))
            model_idempotent_add(m, s, STR("p"), str_c(id), 50, stream_last_id(s));
    } else if (what < 92) {
        model_set_idempotent(m, s, 100 + (uint32_t)draw(2), 10, draw(2) > 0);
    } else if (what < 94) {
        struct entry_id last = stream_last_id(s), deleted = {1, draw(9)};
        entry_id_next(&last);
        model_set_last_id(m, s, last, draw(2) ? UINT64_MAX : s->next_version + draw(9),
                          draw(2) ? &deleted : NULL);
    } else if (what < 97) {
        move_away(s);
    } else {
        model_delete(m, s);
    }
}

static void change_some(int n) {
    for (int i = 0; i < n; i++) {
        change();
        if (draw(3) > 0) model_commit(m);
    }
    model_commit(m);
}

/* Everything goes that may go. */
static void evict_all(void) {
    size_t max = m->bytes_max;
    m->bytes_max = 0;
    for (int i = 0; i < 50; i++) {
        wait_applied();
        model_evict(m);
    }
    m->bytes_max = max;
    CHECK_INT(m->streams.count, 0);
    CHECK_INT(m->log.first, m->next_sequence);
    /* What a transaction had erased and was taken back waits for the next frame. */
    CHECK_INT(m->named.tables[NAMED_CHECKPOINT].count, 0);
    CHECK_INT(m->named.tables[NAMED_VIEW].count, m->named.view_count);
    if (m->graves.count == 0)
        CHECK_INT(m->bytes, m->known.filter.bytes + m->named.bytes + m->tallies.bytes);
}

/* Streams go and come back while the log tail still has their events. */
static void evict_some(void) {
    size_t max = m->bytes_max;
    for (int i = 0; i < 3; i++) {
        wait_applied();
        m->bytes_max = m->bytes - m->bytes / 4;
        model_evict(m);
    }
    m->bytes_max = max;
}

TEST(a_transaction_that_is_taken_back_leaves_nothing) {
    hash_seed();
    start(0);
    for (int round = 0; round < 300; round++) {
        change_some(20);
        char *before = say_all();
        uint64_t decided = m->decided;
        model_begin(m);
        int n = 1 + (int)draw(30);
        for (int i = 0; i < n; i++) change();
        model_undo(m);
        CHECK_INT(m->decided, decided);
        is_as_it_was(before);
        free(before);
        model_submit(m);
        if (draw(5) == 0) evict_some();
        if (draw(10) == 0) evict_all();
    }
    evict_all();
    stop();
}

TEST(a_transaction_that_ends_is_one_frame) {
    hash_seed();
    start(0);
    for (int round = 0; round < 200; round++) {
        uint64_t decided = m->decided;
        model_begin(m);
        for (int i = 0; i < 10; i++) change();
        char *before = say_all();
        uint64_t frame = model_end(m);
        CHECK(frame == 0 || frame == decided + 1);
        is_as_it_was(before);
        if (draw(4) == 0) {
            evict_all();
            is_as_it_was(before);
        }
        free(before);
    }
    stop();
}

TEST(what_was_evicted_is_loaded_as_it_was) {
    hash_seed();
    start(0);
    for (int round = 0; round < 100; round++) {
        change_some(60);
        char *before = say_all();
        evict_all();
        is_as_it_was(before);
        free(before);
    }
    stop();
}

TEST(what_a_restart_finds_is_as_it_was) {
    hash_seed();
    for (int round = 0; round < 25; round++) {
        start(draw(2) ? 0 : NEVER_MS);
        change_some(100);
        char *before = say_all();
        stop();
        start(0);
        is_as_it_was(before);
        free(before);
        stop();
    }
}

TEST(after_a_void_what_was_durable_is_as_it_was) {
    hash_seed();
    start(0);
    for (int round = 0; round < 60; round++) {
        stop();
        start(NEVER_MS);
        change_some(80);
        wait_durable();
        char *before = say_all();
        change_some(30); /* not handed over: lost */
        model_rebuild(m);
        if (draw(2)) wait_applied();
        is_as_it_was(before);
        free(before);
    }
    stop();
}

static uint32_t timeline(void) {
    return timelines_current(&m->timelines)->id;
}

TEST(a_void_takes_back_the_timeline_of_a_flush) {
    hash_seed();
    start(0);
    change_some(80);
    wait_durable();
    uint32_t first = timeline();
    model_flush(m);
    CHECK(timeline() != first);
    model_rebuild(m); /* it was not handed over */
    CHECK(timeline() == first);
    model_flush(m);
    uint32_t second = timeline();
    wait_durable();
    change_some(10);
    model_rebuild(m);
    CHECK(timeline() == second);
    CHECK(second != first);
    stop();
    start(0);
    CHECK(timeline() == second);
    uint64_t end;
    CHECK(timelines_find(&m->timelines, first, &end, NULL));
    CHECK_INT(end, 0);
    stop();
}

TEST(what_was_told_and_is_void_was_on_another_timeline) {
    hash_seed();
    start(0);
    change_some(80);
    wait_durable();
    uint32_t first = timeline();
    m->interval = true;
    model_rebuild(m); /* nothing is lost */
    CHECK(timeline() == first);
    uint64_t sequence = m->next_sequence;
    while (m->next_sequence == sequence) change_some(10);
    model_rebuild(m);
    uint32_t second = timeline();
    CHECK(second != first);
    CHECK_INT(timelines_current(&m->timelines)->began, sequence);
    model_resumed(m);
    model_resumed(m); /* once */
    change_some(10);
    wait_durable();
    stop();
    start(0);
    CHECK(timeline() == second);
    CHECK_INT(m->timelines.count, 2);
    CHECK_INT(m->timelines.items[1].reason, TIMELINE_VOIDED);
    stop();
}

/* The open batch, before it is handed over. */
static struct batch *take_batch(void) {
    struct batch *b = m->open;
    b->stream_count = m->stream_count;
    b->virtual_groups = m->virtual_groups;
    m->open = batch_create(m->decided + 1);
    return b;
}

static void hand_over(struct batch *b) {
    uint64_t last = batch_last_frame(b);
    if (b->frame_count > 0)
        store_submit(store, b);
    else
        batch_destroy(b);
    while (store_durable(store) < last) turn();
}

/* What is durable is applied, and goes as far as it may go. */
static void evict_settled(void) {
    size_t max = m->bytes_max;
    while (store_applied(store) < store_durable(store)) {
        store_flush(store);
        turn();
    }
    m->bytes_max = draw(2) ? 0 : m->bytes / 2;
    for (int i = 0; i < 3; i++) model_evict(m);
    m->bytes_max = max;
}

static void settled_is(const char *text) {
    view = store_durable(store);
    is_as_it_was(text);
    view = VIEW_NEWEST;
}

TEST(what_is_settled_stays_as_it_was_until_the_next_batch_is_durable) {
    hash_seed();
    start(0);
    reports = false;
    for (int round = 0; round < 400; round++) {
        change_some(20);
        if (draw(4) == 0) wait_applied();
        if (draw(6) == 0) evict_all();
        wait_durable();
        char *text[3] = {say_all()};
        struct batch *held[2];
        for (int i = 0; i < 2; i++) {
            bool transaction = draw(3) == 0;
            if (transaction) model_begin(m);
            for (int k = (int)draw(25); k > 0; k--) {
                change();
                if (!transaction && draw(3) > 0) model_commit(m);
            }
            if (transaction && draw(3) == 0)
                model_undo(m);
            else if (transaction)
                model_end(m);
            model_commit(m);
            held[i] = take_batch();
            text[1 + i] = say_all();
            if (draw(2)) evict_settled();
            settled_is(text[0]);
        }
        bool voided = draw(8) == 0;
        for (int i = 0; i < 2; i++) {
            if (voided) {
                batch_destroy(held[i]);
                continue;
            }
            hand_over(held[i]);
            settled_is(text[1 + i]);
            if (draw(2)) evict_settled();
            settled_is(text[1 + i]);
        }
        if (voided) {
            m->stream_count = m->settled_streams; /* it does not find what was held */
            model_rebuild(m);
            settled_is(text[0]);
            is_as_it_was(text[0]);
        }
        for (int i = 0; i < 3; i++) free(text[i]);
    }
    reports = true;
    evict_all();
    CHECK(list_empty(&m->unsettled.images) && list_empty(&m->unsettled.formers));
    CHECK(list_empty(&m->named.order));
    stop();
}

static size_t count_formers(void) {
    size_t n = 0;
    LIST_FOR_EACH (it, &m->unsettled.formers) n++;
    return n;
}

TEST(a_name_that_goes_to_and_fro_in_a_batch_is_remembered_once) {
    hash_seed();
    start(0);
    append(load_stream(name_of(0)));
    model_commit(m);
    wait_durable();
    view = store_durable(store);
    for (int i = 0; i < 1000; i++) {
        model_rename(m, load_stream(name_of(i % 2)), load_stream(name_of((i + 1) % 2)));
        model_commit(m);
        CHECK_INT(count_formers(), 2);
        CHECK_INT(model_stream_at(m, load_stream(name_of(0)), view)->next_version, 1);
        CHECK_INT(model_stream_at(m, load_stream(name_of(1)), view)->state, STREAM_ABSENT);
        model_drop_views(m);
    }
    model_delete(m, load_stream(name_of(0))); /* which has it now, as in the beginning */
    model_commit(m);
    CHECK_INT(count_formers(), 2);
    CHECK_INT(model_stream_at(m, load_stream(name_of(0)), view)->next_version, 1);
    view = VIEW_NEWEST;
    model_drop_views(m);
    wait_durable();
    model_settle(m);
    CHECK_INT(count_formers(), 0);
    stop();
}

TEST(what_a_transaction_that_is_taken_back_had_appended_no_view_has) {
    hash_seed();
    start(0);
    struct stream *s = load_stream(name_of(0));
    append(s);
    model_commit(m);
    evict_all();
    s = load_stream(name_of(0)); /* its event is on disk only */
    struct entry_id last = stream_last_id(s);
    model_tick(m, now_ms += 5);
    model_begin(m);
    for (int i = 0; i < 4; i++) append(s);
    model_set_expires(m, s, now_ms + 1000000);
    model_undo(m);
    model_set_expires(m, s, now_ms + 2000000);
    model_commit(m);
    struct stream *then = model_stream_at(m, s, store_durable(store));
    CHECK_INT(then->next_version, 1);
    CHECK_INT(then->extra->expires, 0);
    CHECK(!then->last_id_unknown && entry_id_cmp(stream_last_id(then), last) == 0);
    model_drop_views(m);
    stop();
}

TEST(what_is_kept_for_readers_goes_a_bounded_amount_at_a_time) {
    hash_seed();
    start(0);
    struct stream *s = load_stream(name_of(0));
    for (int i = 0; i < 40000; i++) append(s);
    model_trim(m, s, s->next_version);
    model_commit(m);
    append(load_stream(name_of(1)));
    model_delete(m, load_stream(name_of(1)));
    model_commit(m);
    wait_durable();
    CHECK_INT(s->tail_count, 40000);
    int calls = 0;
    for (; !list_empty(&m->unsettled.images); calls++) model_settle(m);
    CHECK_INT(s->tail_count, 0);
    CHECK(calls > 1);
    stop();
}

static size_t answers(void) {
    pthread_mutex_lock(&store->lock);
    size_t n = 0;
    LIST_FOR_EACH (it, &store->finished) n++;
    pthread_mutex_unlock(&store->lock);
    return n;
}

/* The loop hears at once of streams that were read before an apply, and of the apply. */
static void load_all_while_it_is_applied(void) {
    struct waiter waiters[NAMES];
    wakes = 0;
    for (uint64_t i = 0; i < NAMES; i++) {
        waiters[i] = (struct waiter){.wake = on_wake};
        model_load_stream(m, name_of(i), &waiters[i]);
    }
    while (answers() < NAMES) sched_yield();
    store_flush(store);
    while (atomic_load(&store->applied) < m->decided) sched_yield();
    turn();
    CHECK_INT(store_applied(store), m->decided);
    while (wakes < NAMES) turn(); /* renamed ones are asked for again */
}

TEST(a_load_that_is_overtaken_by_an_apply_after_a_void_finds_what_lies_between) {
    hash_seed();
    start(0);
    for (int round = 0; round < 60; round++) {
        stop();
        start(NEVER_MS);
        change_some(25);
        wait_durable();
        char *before = say_all();
        model_rebuild(m);
        load_all_while_it_is_applied();
        is_as_it_was(before);
        free(before);
    }
    stop();
}

/* ---- client-made ids that are not in memory ---- */

#define IDS 3000
static struct uuid ids[2 * IDS + 1];

static void append_ids(size_t first, size_t n) {
    for (size_t i = first; i < first + n; i++) {
        struct stream *s = load_stream(name_of(i % NAMES));
        struct append a = {.stream = s, .stream_name = stream_name_str(s->name), .has_id = true};
        random_bytes(&ids[i], sizeof ids[i]);
        a.fields.event_id = ids[i];
        struct append_result result;
        model_append(m, &a, 1, &result);
        CHECK_INT(result.status, APPEND_OK);
        model_commit(m);
    }
}

static void none_is_absent(size_t n) {
    for (size_t i = 0; i < n; i++)
        CHECK(model_find_id(m, &ids[i], VIEW_NEWEST) != NULL ||
              !known_ids_prove_absent(m, &ids[i]));
}

static void new_ids_are_absent(void) {
    int unsure = 0;
    for (int i = 0; i < 1000; i++) {
        struct uuid id;
        random_bytes(&id, sizeof id);
        unsure += !known_ids_prove_absent(m, &id);
    }
    CHECK(unsure < 200);
}

TEST(an_id_that_is_on_disk_is_never_absent_and_new_ones_are_known_to_be) {
    hash_seed();
    start(0);
    new_ids_are_absent(); /* at once: there is nothing on disk */
    append_ids(0, IDS);
    wait_applied();
    m->bytes_max = 300000; /* some are evicted, and the filter has room */
    for (int i = 0; i < 20; i++) model_evict(m);
    CHECK(m->known.filter.count > 0);
    CHECK(m->ids.count > 0);
    none_is_absent(IDS);
    new_ids_are_absent();
    stop();

    start(0);
    CHECK_INT(m->known.state, KNOWN_IDS_LOADING);
    append_ids(IDS, IDS); /* while they are loaded */
    none_is_absent(2 * IDS);
    while (m->known.state == KNOWN_IDS_LOADING) turn();
    CHECK_INT(m->known.state, KNOWN_IDS_COMPLETE);
    none_is_absent(2 * IDS);
    new_ids_are_absent();

    wait_durable();
    model_flush(m);
    new_ids_are_absent();
    for (size_t i = 0; i < 2 * IDS; i++) CHECK(known_ids_prove_absent(m, &ids[i]));
    model_rebuild(m); /* the flush is void */
    none_is_absent(2 * IDS);
    while (m->known.state == KNOWN_IDS_LOADING) turn();
    none_is_absent(2 * IDS);
    new_ids_are_absent();

    append_ids(2 * IDS,
               1);       /* or all may have left memory by now, and nothing comes to the filter */
    m->bytes_max = 1000; /* too little for a filter of so many */
    wait_applied();
    while (m->known.state !=
           KNOWN_IDS_OFF) { /* whatever is still under way ends, and is let go of */
        turn();
        model_evict(m);
    }
    CHECK_INT(m->known.filter.bytes, 0);
    none_is_absent(2 * IDS);
    stop();
}

TEST(a_stop_while_the_ids_are_loaded_is_clean) {
    hash_seed();
    start(0);
    append_ids(0, IDS);
    stop();
    for (int i = 0; i < 10; i++) {
        start(0);
        for (int k = 0; k < i; k++) sched_yield();
        stop();
    }
}

static unsigned woken_after_close;

static void wake_of_nobody(struct waiter *w, int status, const struct err *why) {
    UNUSED(w);
    UNUSED(status);
    UNUSED(why);
    woken_after_close++;
}

TEST(a_stop_while_streams_are_loaded_is_clean) {
    enum { LOADS = 6 }; /* of the names that name_of has */
    hash_seed();
    start(0);
    for (int i = 0; i < LOADS; i++) {
        append(load_stream(name_of(i)));
        model_commit(m);
        change_group(load_stream(name_of(i))); /* so that its head has more than numbers */
        model_commit(m);
    }
    stop();
    start(0);
    static struct waiter waiters[LOADS];
    for (int i = 0; i < LOADS; i++) {
        waiters[i] = (struct waiter){.wake = wake_of_nobody};
        CHECK(model_stream(m, name_of(i)) == NULL);
        model_load_stream(m, name_of(i), &waiters[i]);
    }
    stop(); /* the readers finish, and nobody asks them what they found */
    CHECK_INT(woken_after_close, 0);
}

/* Who asked the backend before an apply looks for what that apply brought in the groups. */
TEST(groups_that_are_applied_stay_as_long_as_somebody_looks_at_an_older_snapshot) {
    hash_seed();
    start(0);
    append(load_stream(name_of(0)));
    model_commit(m);
    wait_applied();
    CHECK(list_empty(store_batches(store)));
    struct store_request q = {.kind = STORE_READ_EVENTS,
                              .range = {.end = UINT64_MAX, .count_max = 10, .bytes_max = 1000}};
    ask(&q);
    uint64_t first = m->decided + 1;
    append(load_stream(name_of(1)));
    model_commit(m);
    CHECK_INT(m->decided, first);
    wait_applied();
    CHECK(!list_empty(store_batches(store)));
    CHECK_INT(LIST_ENTRY(store_batches(store)->next, struct batch, node)->first_frame, first);
    CHECK_INT(store_pinned_bytes(store), 0);
    store_release(store, &q);
    page_clear(&q.page);
    CHECK(list_empty(store_batches(store)));
    stop();
}

/* A page from disk that is older than an erasure does not bring the payload back into memory. */
TEST(what_is_kept_of_a_page_is_as_erased_as_it_was) {
    hash_seed();
    start(0);
    struct stream *s = load_stream(name_of(0));
    for (int i = 0; i < 5; i++) append(s);
    model_commit(m);
    evict_all();
    s = load_stream(name_of(0));
    struct read r = {.stream = s, .end = UINT64_MAX, .count = 100, .horizon = UINT64_MAX};
    struct store_request q = {.kind = STORE_READ_EVENTS};
    CHECK(!model_read(m, &r, NULL, &q.range));
    ask(&q);
    CHECK(model_read(m, &r, &q.page, &q.range));
    CHECK_INT(r.found, 5);
    model_erase(m, s, r.events[2]);
    model_commit(m);
    model_keep(m, s, q.page.events, q.page.count);
    CHECK_INT(stream_tail_first(s), 0);
    CHECK(stream_event(s, 2)->rec.flags & EVENT_ERASED);
    CHECK_INT(event_payload(&stream_event(s, 2)->rec).len, 0);
    CHECK(!(stream_event(s, 3)->rec.flags & EVENT_ERASED));
    /* But who reads as of before gets it. */
    struct event *whole = model_erased(m, stream_event(s, 2), m->decided - 1);
    CHECK(whole != NULL && !(whole->rec.flags & EVENT_ERASED));
    store_release(store, &q);
    model_drop_page(m, &q.page);
    read_clear(&r);
    evict_all();
    stop();
}

TEST(what_a_transaction_adds_beyond_the_ids_of_a_producer_can_be_taken_back) {
    hash_seed();
    start(0);
    struct stream *s = load_stream(STR("jobs"));
    struct entry_id id = {1, 0}, out;
    model_create_stream(m, s);
    model_idempotent_add(m, s, STR("p"), STR("kept"), 2, id);
    model_commit(m);
    model_begin(m);
    static const char *const sent[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        CHECK(!model_idempotent_find(m, s, STR("p"), str_c(sent[i]), 100, 2, &out));
        model_idempotent_add(m, s, STR("p"), str_c(sent[i]), 2, id);
        CHECK(model_idempotent_find(m, s, STR("p"), str_c(sent[i]), 100, 2, &out));
    }
    CHECK(!model_idempotent_find(m, s, STR("p"), STR("b"), 100, 2, &out));
    model_undo(m);
    CHECK(model_idempotent_find(m, s, STR("p"), STR("kept"), 100, 2, &out));
    CHECK(!model_idempotent_find(m, s, STR("p"), STR("d"), 100, 2, &out));
    /* One that stays is tidied afterwards. */
    model_begin(m);
    for (size_t i = 0; i < ARRAY_LEN(sent); i++)
        model_idempotent_add(m, s, STR("p"), str_c(sent[i]), 2, id);
    model_end(m);
    CHECK(!model_idempotent_find(m, s, STR("p"), STR("b"), 100, 2, &out));
    struct idempotent_stats stats;
    model_idempotent_stats(s, &stats);
    CHECK_INT(stats.ids, 2);
    stop();
}

TEST(what_readers_of_the_log_need_to_know_of_removals_is_forgotten_while_more_goes_on) {
    hash_seed();
    start(0);
    struct str fields[] = {STR("n"), STR("0123456789")};
    size_t most = 0;
    for (int i = 0; i < 5000; i++) {
        char name[32];
        snprintf(name, sizeof name, "temporary-%d", i);
        struct stream *s = load_stream(str_c(name));
        struct entry_add add = {.fields = fields, .count = 2};
        CHECK_INT(model_add_entry(m, s, &add), ENTRY_OK);
        model_commit(m);
        model_delete(m, s);
        model_commit(m);
        model_set_string(m, load_stream(STR("string")), STR("x"), 0);
        model_delete(m, load_stream(STR("string")));
        model_commit(m);
        if (i % 100 > 0) continue;
        wait_applied();
        m->bytes_max = 50000; /* half of which is the log tail's */
        model_evict(m);
        most = MAX(most, m->hidden.table.count);
        CHECK(m->log.first < m->next_sequence || i == 0);
    }
    CHECK(most < 500);
    stop();
}

/* The range was shorter when the page was asked for, and what lies beyond it is not in memory. */
TEST(a_page_that_ends_before_memory_begins_is_not_enough) {
    hash_seed();
    start(0);
    struct stream *s = load_stream(name_of(0));
    for (int i = 0; i < 10; i++) append(s);
    model_commit(m);
    evict_all();
    s = load_stream(name_of(0));
    struct read r = {.stream = s, .end = 4, .count = 100, .horizon = UINT64_MAX};
    struct store_request q = {.kind = STORE_READ_EVENTS};
    CHECK(!model_read(m, &r, NULL, &q.range));
    ask(&q);
    r.end = 9;
    r.page_end = 5;
    struct read_range range;
    CHECK(!model_read(m, &r, &q.page, &range));
    CHECK_INT(range.start, 0);
    CHECK_INT(range.end, 9);
    store_release(store, &q);
    model_drop_page(m, &q.page);
    read_clear(&r);
    stop();
}

/* ---- the log by names, while they change ---- */

static void rename_to(const char *from, const char *to) {
    model_rename(m, load_stream(str_c(from)), load_stream(str_c(to)));
    model_commit(m);
}

/* Reads as the server does: asks for the page once more when it is not enough. `meanwhile`, if any,
 * is done each time that a page has been read. Says sequences and names; *asked: for how many
 * pages.
 */
static char *read_by_names(const struct wanted *wanted, bool reverse, void (*meanwhile)(void),
                           unsigned *asked) {
    struct selector *selector = selector_of(wanted);
    struct read r = {
        .end = UINT64_MAX, .count = 100, .selector = selector, .horizon = view, .reverse = reverse};
    struct names_asked names = {0};
    struct store_request q = {.kind = STORE_READ_EVENTS};
    struct read_range range;
    *asked = 0;
    while (!model_read(m, &r, *asked > 0 ? &q.page : NULL, &range)) {
        if (*asked > 0) {
            store_release(store, &q);
            model_drop_page(m, &q.page);
            names_asked_clear(&names);
        }
        names_ask(m, &range, (*asked)++, &names);
        q = (struct store_request){.kind = STORE_READ_EVENTS, .range = range};
        ask(&q);
        r.names = &names;
        r.page_end = range.end + 1;
        if (meanwhile != NULL) meanwhile();
    }
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < r.found; i++) {
        struct str name = stream_name_str(model_name_at(m, r.events[i], view));
        buf_printf(&out, "%s%llu %.*s", i > 0 ? ", " : "",
                   (unsigned long long)r.events[i]->rec.sequence, (int)name.len, name.ptr);
    }
    buf_put(&out, "", 1);
    if (*asked > 0) {
        store_release(store, &q);
        model_drop_page(m, &q.page);
        names_asked_clear(&names);
    }
    CHECK(!r.has_more);
    read_clear(&r);
    selector_unref(selector);
    return out.data;
}

static void check_text(const char *found, const char *expected) {
    if (strcmp(found, expected) != 0) fprintf(stderr, "  found: %s\n", found);
    CHECK(strcmp(found, expected) == 0);
}

static void check_names(const struct wanted *wanted, const char *expected, unsigned asked_most,
                        void (*meanwhile)(void)) {
    unsigned asked;
    char *found = read_by_names(wanted, false, meanwhile, &asked);
    check_text(found, expected);
    CHECK(asked <= asked_most);
    free(found);
}

static const struct wanted orders = {.category = {{"order", 5}}};
static const struct wanted carts = {.stream = {{"cart-*", 6}}};

/* order-0, order-1 and cart-0, cart-1: an event each, on disk only. */
static void start_with_names(void) {
    static const char *const names[] = {"order-0", "order-1", "cart-0", "cart-1"};
    hash_seed();
    start(NEVER_MS);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) append(load_stream(str_c(names[i])));
    model_commit(m);
    evict_all();
    view = VIEW_NEWEST;
}

TEST(who_reads_the_log_by_names_sees_those_that_the_backend_does_not_know_yet) {
    start_with_names();
    rename_to("cart-1", "order-2");
    rename_to("order-0", "cart-9");
    wait_durable();
    CHECK(store_applied(store) < m->decided);
    check_names(&orders, "1 order-1, 3 order-2", 1, NULL);
    check_names(&carts, "0 cart-9, 2 cart-0", 1, NULL);
    check_names(&(struct wanted){.stream = {{"cart-1", 6}, {"order-0", 7}}}, "", 1, NULL);
    check_names(&(struct wanted){.category = {{"order", 5}}, .stream = {{"*-2", 3}}}, "3 order-2",
                1, NULL);
    unsigned asked;
    char *found = read_by_names(&orders, true, NULL, &asked);
    check_text(found, "3 order-2, 1 order-1");
    free(found);
    evict_all();
    check_names(&orders, "1 order-1, 3 order-2", 1, NULL);
    stop();
}

static int renames_left;
static void rename_one(void) {
    if (renames_left == 0) return;
    bool back = --renames_left % 2 == 0;
    rename_to(back ? "x" : "cart-1", back ? "order-7" : "x");
}

/* x is nobody's name who is wanted: that is no reason to ask again. */
TEST(a_page_is_asked_for_again_only_when_a_stream_was_renamed_into_what_is_wanted) {
    start_with_names();
    renames_left = 2;
    check_names(&orders, "0 order-0, 1 order-1", 1, rename_one);
    CHECK_INT(renames_left, 1);
    check_names(&orders, "0 order-0, 1 order-1, 3 order-7", 2, rename_one);
    CHECK_INT(renames_left, 0);
    evict_all();
    rename_to("order-7", "cart-1");
    renames_left = 1;
    check_names(&carts, "2 cart-0, 3 cart-1", 2, NULL);
    stop();
}

static int restless;
static void rename_another(void) {
    char from[32], to[32];
    snprintf(from, sizeof from, "other-%d", restless);
    snprintf(to, sizeof to, "order-%d", 100 + restless++);
    rename_to(from, to);
}

/* Each page that comes lacks a stream that is an order by then: it ends nevertheless. */
TEST(who_reads_by_names_does_not_wait_for_an_end_of_renaming) {
    start_with_names();
    restless = 0;
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "other-%d", i);
        append(load_stream(str_c(name)));
    }
    model_commit(m);
    evict_all();
    unsigned asked;
    char *found = read_by_names(&orders, false, rename_another, &asked);
    CHECK_INT(asked, NAMES_ASK_MAX + 1);
    CHECK_INT(restless, NAMES_ASK_MAX + 1);
    check_text(found, "0 order-0, 1 order-1, 4 order-100, 5 order-101, 6 order-102, "
                      "7 order-103, 8 order-104");
    free(found);
    stop();
}

TEST(when_very_many_streams_were_renamed_nothing_is_asked_by_name) {
    start_with_names();
    for (int i = 0; i < NAMES_ASKED_MAX + 10; i++) {
        char from[32], to[32];
        snprintf(from, sizeof from, "many-%d", i);
        snprintf(to, sizeof to, "much-%d", i);
        append(load_stream(str_c(from)));
        rename_to(from, to);
    }
    rename_to("cart-1", "order-2");
    struct read_range range = {.count_max = 1};
    struct selector *selector = selector_of(&orders);
    struct names_asked asked;
    range.selector = selector;
    names_ask(m, &range, 0, &asked);
    CHECK(range.any_name);
    CHECK_INT(range.renamed_count, 0);
    names_asked_clear(&asked);
    selector_unref(selector);
    check_names(&orders, "0 order-0, 1 order-1, 3 order-2", 1, NULL);
    stop();
}

/* The rename is not durable: nobody is told of it, whoever asks. */
TEST(a_rename_that_is_not_settled_changes_nothing_for_readers_of_the_settled_view) {
    start_with_names();
    load_stream(STR("cart-1"));
    load_stream(STR("order-2"));
    view = m->decided;
    rename_to("cart-1", "order-2");
    check_names(&orders, "0 order-0, 1 order-1", 1, NULL);
    check_names(&carts, "2 cart-0, 3 cart-1", 1, NULL);
    view = VIEW_NEWEST;
    check_names(&orders, "0 order-0, 1 order-1, 3 order-2", 1, NULL);
    stop();
}

TEST(a_rename_that_is_taken_back_leaves_the_names_as_they_were) {
    start_with_names();
    rename_to("cart-0", "cart-5");
    load_stream(STR("cart-6"));
    load_stream(STR("order-5"));
    model_begin(m);
    model_rename(m, load_stream(STR("cart-5")), load_stream(STR("order-5")));
    model_rename(m, load_stream(STR("cart-1")), load_stream(STR("cart-6")));
    check_names(&orders, "0 order-0, 1 order-1, 2 order-5", 1, NULL);
    check_names(&carts, "3 cart-6", 1, NULL);
    model_undo(m);
    check_names(&orders, "0 order-0, 1 order-1", 1, NULL);
    check_names(&carts, "2 cart-5, 3 cart-1", 1, NULL);
    stop();
}

/* A count that begins within a frame begins behind it once that is decided, also when the next one
 * is taken back before anybody asks. */
TEST(a_count_that_begins_within_a_frame_begins_behind_it) {
    start_with_names();
    load_stream(STR("order-5"));
    struct selector *selector = selector_of(&orders);
    uint64_t before = m->decided;
    model_begin(m);
    append(load_stream(STR("order-5")));
    CHECK_INT(tally_of(m, selector)->since, before);
    model_end(m);
    model_begin(m);
    append(load_stream(STR("order-5")));
    model_undo(m);
    CHECK_INT(m->decided, before + 1);
    CHECK_INT(tally_of(m, selector)->since, before + 1);
    selector_unref(selector);
    stop();
}

TEST(what_readers_of_the_log_need_to_know_of_renames_is_forgotten_while_more_goes_on) {
    hash_seed();
    start(0);
    size_t most = 0;
    append(load_stream(STR("to-and-fro-0")));
    for (int i = 0; i < 3000; i++) {
        char from[32], to[32], other[32];
        snprintf(from, sizeof from, "to-and-fro-%d", i);
        snprintf(to, sizeof to, "to-and-fro-%d", i + 1);
        snprintf(other, sizeof other, "other-%d", i);
        append(load_stream(str_c(other)));
        model_rename(m, load_stream(str_c(other)), load_stream(str_c(from + 3)));
        model_rename(m, load_stream(str_c(from)), load_stream(str_c(to)));
        model_commit(m);
        if (i % 100 > 0) continue;
        wait_applied();
        m->bytes_max = 50000;
        model_evict(m);
        most = MAX(most, m->renamed.table.count);
    }
    CHECK(most < 500);
    stop();
}
