/* The conformance suite of backends: every test runs over memory, SQLite and PostgreSQL. */
#include "backend_world.h"
#include "selectors.h"

#include <pthread.h>
#include <stdatomic.h>

#define BOTH(id)                                                                                   \
    static void id(struct world *x);                                                               \
    TEST(memory_##id) {                                                                            \
        struct world x;                                                                            \
        world_open(&x, &backend_memory, "");                                                       \
        id(&x);                                                                                    \
        world_close(&x);                                                                           \
    }                                                                                              \
    TEST(sqlite_##id) {                                                                            \
        struct world x;                                                                            \
        world_open(&x, &backend_sqlite, "test.db");                                                \
        world_slices(&x, draw(2) ? 20 + draw(200) : 0);                                            \
        id(&x);                                                                                    \
        world_close(&x);                                                                           \
    }                                                                                              \
    IN_POSTGRES(id)                                                                                \
    static void id(struct world *x)

static struct stream_head head_of(struct world *x, const char *name) {
    struct stream_head h;
    uint64_t applied = 0;
    WORLD_OK(x, x->b->read_head(x->r, str_c(name), &h, &applied, &err));
    CHECK_INT(applied, x->next_frame - 1);
    return h;
}

/* n events over `streams` streams, a frame each, in groups of `group`, applied `batch` groups at
 * once; maintenance in between when asked for. */
static void fill(struct world *x, size_t n, unsigned streams, unsigned group, bool maintain) {
    char name[32], payload[32];
    static const char *const types[] = {"order.created", "order.paid", "order.shipped", "tick", ""};
    for (size_t i = 0; i < n; i++) {
        uint64_t r = draw_u64();
        snprintf(name, sizeof name, "%s-%u", r % 3 == 0 ? "order" : "user",
                 (unsigned)((r >> 8) % streams));
        snprintf(payload, sizeof payload, "payload %zu", i);
        x->clock_ms += r % 7 == 0;
        world_append(x, name, types[(r >> 40) % 5], payload);
        if (i % group == group - 1) world_batch(x);
        if (x->batch_count == 3) {
            world_apply(x);
            bool more = false;
            if (maintain) WORLD_OK(x, x->b->maintain(x->w, draw(2) == 0, &more, &err));
        }
    }
    world_batch(x);
    if (x->batch_count > 0) world_apply(x);
}

BOTH(a_new_store_is_empty) {
    CHECK_INT(x->state.applied, 0);
    CHECK_INT(x->state.next_sequence, 0);
    CHECK_INT(x->state.next_stream, 1);
    CHECK_INT(x->state.stream_count, 0);
    CHECK_INT(x->state.entry_ms, 0);
    CHECK(!x->state.journal_open);
    CHECK(x->state.epoch >= 1);
    CHECK(x->state.id_key >> EVENT_SEQUENCE_BITS == 0);
    CHECK(!head_of(x, "none").exists);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 0);
    CHECK_INT(world_check_range(x, range_of(7, 0, UINT64_MAX)), 0);
}

BOTH(what_is_applied_is_read_back_as_it_was) {
    struct uuid a = uuid_n(1), b = uuid_n(2), c = uuid_n(3), d = uuid_n(4), hash = uuid_n(5);
    char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (char)i;
    world_append(x, "plain-1", "t", "payload");
    world_append(x, "plain-1", "", "");
    world_add(x, "all-1",
              (struct event_fields){.type = str_of(bytes, 256),
                                    .payload = str_of(bytes, 256),
                                    .metadata = str_of(bytes, 200),
                                    .aggregate = STR("agg"),
                                    .partition_key = &a,
                                    .transaction = &b,
                                    .correlation = &c,
                                    .causation = &d,
                                    .content_hash = &hash,
                                    .event_id = uuid_n(77),
                                    .timestamp = UINT64_MAX,
                                    .entry_ms = UINT64_MAX,
                                    .entry_seq = UINT64_MAX});
    world_add(x, "all-1", (struct event_fields){.transaction = &b, .payload = STR("\0\0\0")});
    world_frame(x);
    world_append(x, "plain-1", "t", "after all of it");
    world_apply(x);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 5);
    CHECK_INT(world_check_range(x, range_of(1, 0, UINT64_MAX)), 3);
    CHECK_INT(world_check_range(x, range_of(2, 0, UINT64_MAX)), 2);
    struct page p;
    page_init(&p);
    struct read_range range = range_of(0, 1, 1);
    WORLD_OK(x, x->b->read_events(x->r, &range, &p, &err));
    CHECK_INT(event_payload(&p.events[0]->rec).len, 0);
    CHECK_INT(event_metadata(&p.events[0]->rec).len, 0);
    page_clear(&p);
}

BOTH(names_of_any_bytes_are_kept) {
    char name[] = "\x01\xff\xfe-\xc3\x28 'x\" %;";
    world_append(x, name, "t", "1");
    world_append(x, "Name", "t", "2");
    world_append(x, "name", "t", "3");
    char longest[513];
    memset(longest, 'n', 512);
    longest[512] = '\0';
    world_append(x, longest, "t", "4");
    world_apply(x);
    CHECK_INT(head_of(x, name).number, 1);
    CHECK_INT(head_of(x, "Name").number, 2);
    CHECK_INT(head_of(x, "name").number, 3);
    CHECK_INT(head_of(x, longest).number, 4);
    CHECK(!head_of(x, "NAME").exists);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 4);
}

BOTH(large_payloads_are_kept) {
    char *big = xmalloc(3 << 20);
    for (size_t i = 0; i < 3 << 20; i++) big[i] = (char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < 4; i++) {
        world_add(x, "big-1",
                  (struct event_fields){.payload = str_of(big, (i + 1) << 19),
                                        .metadata = str_of(big, i << 12)});
        world_frame(x);
    }
    world_apply(x);
    free(big);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 4);
    struct read_range r = range_of(0, 0, UINT64_MAX);
    r.bytes_max = 1 << 20; /* pages of one or two */
    CHECK_INT(world_check_range(x, r), 4);
}

BOTH(heads_tell_where_a_stream_stands) {
    world_append(x, "s-1", "t", "");
    x->clock_ms += 5;
    struct event *last = world_append(x, "s-1", "t", "");
    world_stream(x, "empty-1");
    world_frame(x);
    world_apply(x);
    struct stream_head h = head_of(x, "s-1");
    CHECK(h.exists);
    CHECK_INT(h.number, 1);
    CHECK_INT(h.created, 1000000);
    CHECK_INT(h.next_version, 2);
    CHECK_INT(h.entry_ms, last->rec.entry_ms);
    CHECK_INT(h.entry_seq, last->rec.entry_seq);
    CHECK_INT(h.recorded, last->rec.recorded);
    h = head_of(x, "empty-1");
    CHECK(h.exists);
    CHECK_INT(h.number, 2);
    CHECK_INT(h.next_version, 0);
    CHECK_INT(h.entry_ms, 0);
}

BOTH(heads_are_right_whatever_is_indexed) {
    fill(x, 5000, 40, 50, true);
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 1; i <= x->stream_count; i++) {
            char *name = str_dup(stream_name_str(x->streams[i]));
            struct stream_head h = head_of(x, name);
            free(name);
            CHECK_INT(h.number, i);
            CHECK_INT(h.next_version, x->versions[i]);
        }
        world_maintain(x, true);
    }
}

BOTH(the_state_follows_what_is_applied) {
    struct store_state s;
    fill(x, 100, 5, 10, false);
    WORLD_OK(x, x->b->load_state(x->w, &s, &err));
    CHECK_INT(s.applied, 100);
    CHECK_INT(s.next_sequence, 100);
    CHECK_INT(s.stream_count, x->stream_count);
    CHECK_INT(s.next_stream, x->stream_count + 1);
    CHECK_INT(s.recorded, x->clock_ms);
    CHECK_INT(s.entry_ms, x->events[99]->rec.entry_ms);
    CHECK_INT(s.entry_seq, x->events[99]->rec.entry_seq);
    CHECK(!s.journal_open);
    WORLD_OK(x, x->b->set_left(x->w, LEFT_JOURNAL, &err));
    WORLD_OK(x, x->b->load_state(x->w, &s, &err));
    CHECK(s.journal_open);
}

static struct timelines timelines_of(struct world *x) {
    struct timelines t = {0};
    WORLD_OK(x, x->b->load_timelines(x->w, &t, &err));
    return t;
}

/* The memory backend keeps nothing. */
static void reopen(struct world *x) {
    if (!x->b->durable) return;
    world_disconnect(x);
    world_connect(x);
}

static void add_timeline(struct world *x, uint32_t id, uint64_t began) {
    struct timeline_record *r = world_record(x, RECORD_TIMELINE, sizeof *r);
    *r = (struct timeline_record){began, x->clock_ms, id, TIMELINE_FLUSHED};
}

BOTH(a_new_store_is_on_one_timeline_which_its_id_tells) {
    struct timelines t = timelines_of(x);
    CHECK_INT(t.count, 1);
    CHECK_INT(t.items[0].id, timeline_of_store(&x->state.store_id));
    CHECK_INT(t.items[0].began, 0);
    CHECK_INT(t.items[0].reason, TIMELINE_FIRST);
    timelines_clear(&t);
    struct uuid other = uuid_n(7);
    WORLD_OK(x, x->b->adopt(x->w, &other, x->state.id_key, &err));
    t = timelines_of(x);
    CHECK_INT(t.count, 1);
    CHECK_INT(t.items[0].id, timeline_of_store(&other));
    timelines_clear(&t);
}

BOTH(timelines_are_kept_in_the_order_in_which_they_began) {
    fill(x, 20, 3, 5, false);
    add_timeline(x, 0xfeedface, 20);
    world_frame(x);
    world_append(x, "s", "t", "");
    world_apply(x);
    batch_add(x->open, RECORD_FLUSH, NULL, 0);
    world_forget(x);
    add_timeline(x, 0x0000007f, 0); /* in the same frame, as FLUSHALL does */
    world_frame(x);
    world_apply(x);
    reopen(x);
    struct timelines t = timelines_of(x);
    CHECK_INT(t.count, 3);
    CHECK_INT(t.items[1].id, 0xfeedface);
    CHECK_INT(t.items[1].began, 20);
    CHECK_INT(t.items[1].created, x->clock_ms);
    CHECK_INT(t.items[1].reason, TIMELINE_FLUSHED);
    CHECK_INT(t.items[2].id, 0x7f);
    CHECK_INT(t.items[2].began, 0);
    timelines_clear(&t);
}

BOTH(of_more_timelines_than_are_kept_the_newest_stay) {
    for (uint32_t i = 0; i < TIMELINES_MAX + 5; i++) {
        add_timeline(x, i, 0);
        world_frame(x);
        if (i % 100 == 0) world_apply(x);
    }
    world_apply(x);
    reopen(x);
    struct timelines t = timelines_of(x);
    CHECK_INT(t.count, TIMELINES_MAX);
    for (uint32_t i = 0; i < TIMELINES_MAX; i++) CHECK_INT(t.items[i].id, i + 5);
    timelines_clear(&t);
}

BOTH(how_a_store_was_left_is_kept) {
    static const enum store_left all[] = {LEFT_CLOSED,  LEFT_BACKUP,  LEFT_UNSURE,
                                          LEFT_BACKEND, LEFT_JOURNAL, LEFT_INTERVAL};
    struct store_state s;
    CHECK_INT(x->state.left, LEFT_CLOSED);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        WORLD_OK(x, x->b->set_left(x->w, all[i], &err));
        reopen(x);
        WORLD_OK(x, x->b->load_state(x->w, &s, &err));
        CHECK_INT(s.left, all[i]);
        CHECK_INT(s.journal_open, all[i] == LEFT_JOURNAL || all[i] == LEFT_INTERVAL);
    }
}

BOTH(an_entry_id_ahead_of_the_clock_moves_only_its_stream) {
    struct store_state s;
    world_append(x, "s-1", "t", "");
    world_add(x, "s-2", (struct event_fields){.entry_ms = UINT64_MAX, .entry_seq = UINT64_MAX - 1});
    world_frame(x);
    world_apply(x);
    WORLD_OK(x, x->b->load_state(x->w, &s, &err));
    CHECK_INT(s.entry_ms, 1000000);
    CHECK_INT(s.entry_seq, 0);
    CHECK(head_of(x, "s-2").entry_ms == UINT64_MAX);
    CHECK(head_of(x, "s-2").entry_seq == UINT64_MAX - 1);
}

BOTH(several_frames_and_records_a_frame_are_applied_in_order) {
    for (int frame = 0; frame < 50; frame++) {
        for (int i = 0; i < frame % 7 + 1; i++)
            world_add(x, i % 2 == 0 ? "a-1" : "b-1", (struct event_fields){.type = STR("t")});
        world_frame(x);
        if (frame % 9 == 0) world_batch(x);
    }
    world_apply(x);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), x->event_count);
    CHECK_INT(world_check_range(x, range_of(1, 0, UINT64_MAX)), x->versions[1]);
    CHECK_INT(world_check_range(x, range_of(2, 0, UINT64_MAX)), x->versions[2]);
}

BOTH(ranges_have_inclusive_bounds_in_both_directions) {
    fill(x, 300, 3, 20, true);
    for (int i = 0; i < 400; i++) {
        uint64_t stream = draw(x->stream_count + 1);
        uint64_t a = draw(320), b = draw(320);
        struct read_range r = range_of(stream, MIN(a, b), MAX(a, b));
        if (i % 11 == 0) r.end = UINT64_MAX;
        r.reverse = i % 2 == 0;
        world_check_range(x, r);
    }
}

BOTH(pages_end_at_their_limits_and_go_on_where_they_stopped) {
    fill(x, 700, 4, 30, true);
    for (int i = 0; i < 100; i++) {
        struct read_range r = range_of(draw(x->stream_count + 1), draw(100), 300 + draw(600));
        r.reverse = draw(2) == 0;
        if (i % 3 == 0) r.count_max = 1 + draw(40);
        if (i % 3 == 1) r.bytes_max = draw(2000);
        if (i % 3 == 2) r.examined_max = draw(50);
        world_check_range(x, r);
    }
}

static struct page read_page(struct world *x, struct read_range r) {
    struct page p;
    page_init(&p);
    WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
    return p;
}

BOTH(done_is_exact) {
    for (int i = 0; i < 10; i++) world_append(x, "s-1", "t", "");
    world_apply(x);
    for (uint64_t stream = 0; stream < 2; stream++) {
        for (int merged = 0; merged < 2; merged++) {
            struct read_range r = range_of(stream, 0, UINT64_MAX);
            r.count_max = 10;
            struct page p = read_page(x, r);
            CHECK(p.done);
            CHECK_INT(p.count, 10);
            CHECK_INT(p.next, 10);
            page_clear(&p);
            r.count_max = 9;
            p = read_page(x, r);
            CHECK(!p.done);
            CHECK_INT(p.next, 9);
            page_clear(&p);
            r.end = 8;
            p = read_page(x, r);
            CHECK(p.done);
            CHECK_INT(p.next, 9);
            page_clear(&p);
            r = range_of(stream, 3, 6);
            r.reverse = true;
            r.count_max = 4;
            p = read_page(x, r);
            CHECK(p.done);
            CHECK_INT(p.next, 2);
            page_clear(&p);
            r.count_max = 2;
            p = read_page(x, r);
            CHECK(!p.done);
            CHECK_INT(p.next, 4);
            page_clear(&p);
            r = range_of(stream, 10, 20); /* beyond what there is */
            p = read_page(x, r);
            CHECK(p.done);
            CHECK_INT(p.count, 0);
            CHECK_INT(p.next, 10);
            page_clear(&p);
            r = range_of(stream, 15, 20);
            p = read_page(x, r);
            CHECK(p.done);
            CHECK_INT(p.next, 15);
            page_clear(&p);
            if (stream == 1) world_maintain(x, true);
        }
    }
}

BOTH(a_page_holds_at_least_one_event_whatever_the_limits) {
    world_append(x, "s-1", "t", "something");
    world_append(x, "s-1", "t", "something");
    world_apply(x);
    struct read_range r = {.stream = 0, .start = 0, .end = UINT64_MAX};
    struct page p = read_page(x, r);
    CHECK_INT(p.count, 1);
    CHECK(!p.done);
    page_clear(&p);
}

BOTH(events_of_a_page_share_their_streams_name) {
    for (int i = 0; i < 6; i++) world_append(x, i % 2 == 0 ? "a" : "b", "t", "");
    world_apply(x);
    struct page p = read_page(x, range_of(0, 0, UINT64_MAX)),
                q = read_page(x, range_of(0, 0, UINT64_MAX));
    CHECK(p.events[0]->name == p.events[2]->name);
    CHECK(p.events[0]->name != p.events[1]->name);
    CHECK(p.events[0]->name != q.events[0]->name); /* but not with another page */
    CHECK_INT(p.events[0]->name->refs, 3);
    page_clear(&p);
    page_clear(&q);
}

/* --- selectors ---------------------------------------------------------------- */

static void fill_for_selectors(struct world *x, size_t n) {
    static const char *const types[] = {"order.created", "order.paid", "user.created", "tick",
                                        "rare",          "",           "a*b"};
    char stream[32], aggregate[32];
    for (size_t i = 0; i < n; i++) {
        uint64_t r = draw_u64();
        struct uuid correlation = uuid_n(r % 9), causation = uuid_n(100 + (r >> 8) % 9),
                    id = uuid_n(1000 + i), hash = uuid_n(r);
        snprintf(stream, sizeof stream, "%s-%u", (r >> 12) % 4 == 0 ? "order" : "user",
                 (unsigned)((r >> 16) % 6));
        snprintf(aggregate, sizeof aggregate, "agg-%u", (unsigned)((r >> 20) % 7));
        struct event_fields f = {.payload = STR("x")};
        unsigned kind = (unsigned)((r >> 24) % 16);
        f.type = str_c(types[kind < 13 ? kind % 4 : 3 + (r >> 30) % 4]);
        if ((r >> 32) % 3 == 0) f.correlation = &correlation;
        if ((r >> 34) % 3 == 0) f.causation = &causation;
        if ((r >> 36) % 3 == 0) f.aggregate = str_c(aggregate);
        if ((r >> 38) % 3 == 0) {
            f.content_hash = &hash;
            f.event_id = id;
        }
        if (i > n / 2 && i < n / 2 + 100) f.type = STR("only.here");
        x->clock_ms += (r >> 40) % 4 == 0 ? (r >> 44) % 5 : 0;
        world_add(x, stream, f);
        world_frame(x);
        if (i % 64 == 63) world_batch(x);
        if (x->batch_count == 8) world_apply(x);
        if (i == n * 2 / 3) {
            if (x->batch_count > 0) world_apply(x);
            world_maintain(x, true);
        }
    }
    world_batch(x);
    if (x->batch_count > 0) world_apply(x);
}

BOTH(each_selector_alone_finds_what_a_walk_finds) {
    fill_for_selectors(x, 6000);
    struct uuid three = uuid_n(3), four = uuid_n(4), nobody = uuid_n(99);
    struct uuid causation = uuid_n(104), another = uuid_n(106);
    uint64_t middle = x->events[3000]->rec.recorded, last = x->clock_ms;
    const struct wanted wanted[] = {
        {.type = {STR("*.created")}},
        {.type = {STR("rare"), STR("order.*")}},
        {.type = {STR("only.here")}},
        {.type = {STR("none")}},
        {.type = {STR("a\\*b")}},
        {.type = {STR("")}},
        {.type = {STR("*")}},
        {.since = middle},
        {.until = middle},
        {.since = middle, .until = middle},
        {.since = last + 1},
        {.until = 1},
        {.since = 1, .until = UINT64_MAX},
        {.stream = {STR("*-3")}},
        {.stream = {STR("order-*")}},
        {.stream = {STR("user-1"), STR("order-*"), STR("user-2")}},
        {.category = {STR("order")}},
        {.category = {STR("orde")}},
        {.category = {STR("user"), STR("order")}},
        {.correlation = {&three}},
        {.correlation = {&four, &nobody, &three}},
        {.correlation = {&nobody}},
        {.causation = {&causation}},
        {.causation = {&another, &causation}},
        {.aggregate = {STR("agg-5")}},
        {.aggregate = {STR("agg")}},
        {.aggregate = {STR("agg-5"), STR("agg-2"), STR("none")}},
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct selector *selector = selector_of(&wanted[i]);
        CHECK(selector != NULL);
        for (int mode = 0; mode < 8; mode++) {
            struct read_range r = range_of(mode & 1 ? 2 : 0, 0, UINT64_MAX);
            r.reverse = (mode & 2) != 0;
            r.selector = selector;
            if (mode & 4) {
                r.count_max = 17;
                r.start = 40;
                r.end = 5500;
            }
            world_check_range(x, r);
        }
        selector_unref(selector);
    }
}

BOTH(the_kinds_of_a_selector_must_all_hold) {
    fill_for_selectors(x, 5000);
    static struct str patterns[] = {STR("*.created"), STR("order.paid"), STR("r?re"),
                                    STR("only.*"),    STR("[tu]*"),      STR("none")};
    for (int i = 0; i < 400; i++) {
        uint64_t r = draw_u64();
        struct uuid a = uuid_n(r % 10), b = uuid_n((r >> 4) % 10), c = uuid_n(100 + (r >> 8) % 10);
        struct wanted w = {0};
        if ((r >> 18) % 3 == 0) {
            w.type[0] = patterns[(r >> 10) % 6];
            if ((r >> 20) % 2) w.type[1] = patterns[(r >> 14) % 6];
        }
        if ((r >> 22) % 4 == 0) w.since = x->events[(r >> 24) % 5000]->rec.recorded;
        if ((r >> 26) % 4 == 0) w.until = x->events[(r >> 28) % 5000]->rec.recorded;
        if ((r >> 30) % 4 == 0) w.stream[0] = STR("*-[0-3]");
        if ((r >> 32) % 4 == 0) w.category[0] = STR("user");
        if ((r >> 34) % 5 == 0) w.correlation[0] = &a;
        if ((r >> 34) % 10 == 0) w.correlation[1] = &b;
        if ((r >> 36) % 5 == 0) w.causation[0] = &c;
        if ((r >> 38) % 5 == 0) w.aggregate[0] = STR("agg-2");
        if ((r >> 38) % 10 == 0) w.aggregate[1] = STR("agg-3");
        struct selector *selector = selector_of(&w);
        struct read_range range = range_of((r >> 40) % 3, (r >> 44) % 500, 4000 + (r >> 48) % 1500);
        range.reverse = (r >> 60) % 2 == 0;
        range.selector = selector;
        if ((r >> 61) % 2 == 0) range.examined_max = 500;
        if ((r >> 62) % 2 == 0) range.count_max = 50;
        world_check_range(x, range);
        selector_unref(selector);
    }
}

BOTH(types_that_come_later_are_found_by_the_same_selector) {
    struct selector *selector = selector_of(&(struct wanted){.type = {STR("new.*")}});
    struct read_range r = range_of(0, 0, UINT64_MAX);
    r.selector = selector;
    char type[32];
    for (int i = 0; i < 200; i++) {
        snprintf(type, sizeof type, "%s.%d", i % 2 == 0 ? "new" : "old", i);
        world_append(x, "s", type, "");
        world_apply(x);
        if (i % 10 == 0) CHECK_INT(world_check_range(x, r), i / 2 + 1);
    }
    CHECK_INT(world_check_range(x, r), 100);
    selector_unref(selector);
}

/* --- ids ---------------------------------------------------------------------- */

static struct event *by_id(struct world *x, const struct uuid *id) {
    struct event *e = NULL;
    uint64_t applied = 0;
    WORLD_OK(x, x->b->read_id(x->r, id, &e, &applied, &err));
    CHECK_INT(applied, x->next_frame - 1);
    return e;
}

BOTH(events_are_found_by_their_ids) {
    fill_for_selectors(x, 2000);
    for (size_t i = 0; i < x->event_count; i++) {
        struct event *e = by_id(x, &x->events[i]->rec.event_id);
        CHECK(e != NULL);
        check_same_event(e, x->events[i], false);
        event_unref(e);
    }
    struct uuid id = uuid_n(999999);
    CHECK(by_id(x, &id) == NULL);
    id = x->events[0]->rec.event_id;
    id.b[0] ^= 1; /* names the right sequence, but is not its id */
    CHECK(by_id(x, &id) == NULL);
    event_id_make(1, 1, 5000, x->state.id_key, &id); /* a sequence that is not there */
    CHECK(by_id(x, &id) == NULL);
}

static void add_with_ids(struct world *x, int n) {
    struct uuid hash = uuid_n(1);
    for (int i = 0; i < n; i++) {
        struct event_fields f = {.type = STR("t")};
        if (i % 3 > 0) { /* the others have ids that are made from their sequence */
            uuid_v4(&f.event_id);
            f.content_hash = &hash;
        }
        world_add(x, "s", f);
        world_frame(x);
    }
    world_apply(x);
}

static bool is_listed(const struct id_list *l, const struct uuid *id) {
    for (size_t i = 0; i < l->count; i++)
        if (uuid_eq(&l->ids[i], id)) return true;
    return false;
}

BOTH(a_walk_through_the_client_made_ids_misses_none_whatever_is_applied_and_merged) {
    for (int round = 0; round < 3; round++) {
        add_with_ids(x, 300);
        if (round == 1) world_maintain(x, true);
        size_t count = x->event_count;
        struct id_list all = {0};
        struct uuid from = {{0}};
        for (bool done = false; !done;) {
            struct id_list page = {0};
            WORLD_OK(x, x->b->list_ids(x->r, &from, 7, &page, &err));
            for (size_t i = 0; i < page.count; i++) {
                CHECK(memcmp(&page.ids[i], &from, sizeof from) >= 0);
                id_list_add(&all, &page.ids[i]);
            }
            done = page.done;
            from = page.next;
            id_list_clear(&page);
            if (all.count % 5 > 1) add_with_ids(x, 4);
            if (all.count % 5 == 0) world_maintain(x, true);
        }
        for (size_t i = 0; i < count; i++) {
            const struct event_record *e = &x->events[i]->rec;
            CHECK_INT(is_listed(&all, &e->event_id), (e->flags & EVENT_CLIENT_ID) != 0);
        }
        id_list_clear(&all);
    }
}

/* --- streams --------------------------------------------------------------------- */

static size_t list(struct world *x, const char *pattern, const char *category, size_t count_max,
                   size_t examined_max) {
    uint64_t from = 0, previous = 0;
    size_t found = 0;
    for (bool done = false; !done;) {
        struct stream_list l;
        stream_list_init(&l);
        WORLD_OK(x, x->b->list_streams(x->r, from, str_c(pattern), str_c(category), count_max,
                                       examined_max, &l, &err));
        CHECK(l.count <= count_max);
        CHECK_INT(l.applied, x->next_frame - 1);
        for (size_t i = 0; i < l.count; i++) {
            const struct stream_name *n = l.names[i], *want = x->streams[n->rec.number];
            CHECK(n->rec.number > previous);
            CHECK(n->rec.number >= from);
            previous = n->rec.number;
            CHECK(str_eq(stream_name_str(n), stream_name_str(want)));
            CHECK_INT(n->rec.created, want->rec.created);
            CHECK_INT(n->category, want->category);
            CHECK(uuid_eq(&n->partition_key, &want->partition_key));
        }
        found += l.count;
        done = l.done;
        CHECK(done || l.next > from);
        from = l.next;
        stream_list_clear(&l);
    }
    return found;
}

BOTH(streams_are_listed_in_pages) {
    char name[32];
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "%s-%d", i % 3 == 0 ? "order" : "user", i);
        world_append(x, name, "t", "");
    }
    world_append(x, "plain", "t", "");
    world_apply(x);
    CHECK_INT(list(x, "", "", 1000, 1000), 151);
    CHECK_INT(list(x, "", "", 7, 1000), 151);
    CHECK_INT(list(x, "", "", 7, 5), 151);
    CHECK_INT(list(x, "order-*", "", 7, 1000), 50);
    CHECK_INT(list(x, "*-1?", "", 3, 4), 10);
    CHECK_INT(list(x, "", "order", 1000, 1000), 50);
    CHECK_INT(list(x, "", "plain", 1000, 1000), 1);
    CHECK_INT(list(x, "*-1?", "user", 2, 10), 7);
    CHECK_INT(list(x, "none", "", 10, 10), 0);
    struct stream_list l;
    stream_list_init(&l);
    WORLD_OK(x, x->b->list_streams(x->r, 0, STR(""), STR(""), 151, 151, &l, &err));
    CHECK(l.done);
    CHECK_INT(l.next, 152);
    stream_list_clear(&l);
}

/* --- flush -------------------------------------------------------------------------- */

BOTH(a_flush_empties_the_store_and_numbers_begin_again) {
    fill(x, 2000, 10, 50, true);
    uint64_t clock = x->clock_ms;
    struct uuid old = x->events[5]->rec.event_id;
    world_append(x, "just-before", "t", "");
    batch_add(x->open, RECORD_FLUSH, NULL, 0);
    world_frame(x);
    /* The groups borrow the events: apply before the naive copy is dropped. */
    world_apply(x);
    struct store_state s;
    WORLD_OK(x, x->b->load_state(x->w, &s, &err));
    CHECK_INT(s.applied, 2002);
    CHECK_INT(s.next_sequence, 0);
    CHECK_INT(s.next_stream, 1);
    CHECK_INT(s.stream_count, 0);
    CHECK(s.recorded >= clock);
    CHECK(uuid_eq(&s.store_id, &x->state.store_id));
    CHECK_INT(s.epoch, x->state.epoch);
    CHECK_INT(s.id_key, x->state.id_key);
    CHECK(!head_of(x, "just-before").exists);
    CHECK(by_id(x, &old) == NULL);
    world_forget(x);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 0);
    CHECK_INT(list(x, "", "", 10, 10), 0);
    world_append(x, "user-1", "order.paid", "new");
    world_append(x, "other", "another.type", "new");
    world_apply(x);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 2);
    CHECK_INT(world_check_range(x, range_of(1, 0, UINT64_MAX)), 1);
    fill(x, 500, 10, 50, true);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 502);
    for (uint64_t i = 1; i <= x->stream_count; i++)
        CHECK_INT(world_check_range(x, range_of(i, 0, UINT64_MAX)), x->versions[i]);
}

BOTH(a_flush_in_the_middle_of_an_apply_keeps_what_follows) {
    fill(x, 100, 3, 10, false);
    struct world y = *x; /* what stands before the flush, to be freed at the end */
    batch_add(x->open, RECORD_FLUSH, NULL, 0);
    world_frame(x);
    x->events = NULL;
    x->event_count = x->event_cap = 0;
    x->stream_count = 0;
    memset(x->versions, 0, sizeof x->versions);
    for (int i = 0; i < 30; i++) world_append(x, i % 2 == 0 ? "a" : "b", "t", "after");
    world_apply(x);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), 30);
    CHECK_INT(world_check_range(x, range_of(1, 0, UINT64_MAX)), 15);
    CHECK_INT(head_of(x, "b").next_version, 15);
    world_forget(&y);
    free(y.events);
}

/* --- threads ------------------------------------------------------------------------ */

struct reading {
    struct world *x;
    _Atomic bool stop;
    _Atomic uint64_t rounds;
};

/* Every snapshot must be gapless: n events in the log, and each stream's versions 0, 1, 2 ... up
 * to the head that the log implies. Stream numbers are version-independent here: the
 * event of sequence s goes to stream s % 7 + 1, version s / 7. */
static void *read_snapshots(void *arg) {
    struct reading *g = arg;
    struct backend_conn *r = NULL;
    const struct backend *b = g->x->b;
    struct err err;
    if (b->open_reader(&r, g->x->w, &err) != 0) abort();
    uint64_t applied = 0;
    while (!atomic_load(&g->stop)) {
        struct page p;
        page_init(&p);
        uint64_t stream = draw(8);
        struct read_range range = range_of(stream, 0, UINT64_MAX);
        range.reverse = draw(2) == 0;
        if (b->read_events(r, &range, &p, &err) != 0) {
            fprintf(stderr, "  read: %s\n", err.text);
            abort();
        }
        CHECK(p.applied >= applied);
        CHECK(p.done);
        applied = p.applied;
        /* frame i is 10 events; the first frame makes the streams */
        uint64_t events = applied > 1 ? (applied - 1) * 10 : 0;
        uint64_t expected = stream == 0 ? events : (events + 7 - stream) / 7;
        CHECK_INT(p.count, expected);
        for (size_t i = 0; i < p.count; i++) {
            const struct event_record *e = &p.events[range.reverse ? p.count - 1 - i : i]->rec;
            CHECK_INT(stream == 0 ? e->sequence : e->version, i);
            CHECK_INT(e->stream, e->sequence % 7 + 1);
            CHECK_INT(e->version, e->sequence / 7);
        }
        page_clear(&p);
        char name[16];
        struct stream_head h;
        uint64_t at = 0;
        snprintf(name, sizeof name, "s%d", (int)(draw(7) + 1));
        if (b->read_head(r, str_c(name), &h, &at, &err) != 0) abort();
        CHECK(at >= applied);
        applied = at;
        events = applied > 1 ? (applied - 1) * 10 : 0;
        CHECK_INT(h.next_version, (events + 7 - (uint64_t)(name[1] - '0')) / 7);
        atomic_fetch_add(&g->rounds, 1);
    }
    b->close(r);
    return NULL;
}

BOTH(readers_see_gapless_snapshots_while_events_are_applied_and_merged) {
    char name[16];
    for (int i = 1; i <= 7; i++) {
        snprintf(name, sizeof name, "s%d", i);
        world_stream(x, name);
    }
    world_frame(x);
    world_apply(x);
    struct reading g = {.x = x};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, read_snapshots, &g);
    for (int i = 0; i < 200; i++) {
        for (uint64_t frame = 0; frame < 1 + draw(5); frame++) {
            for (int j = 0; j < 10; j++) {
                snprintf(name, sizeof name, "s%d", (int)(x->event_count % 7 + 1));
                world_add(x, name, (struct event_fields){.type = STR("t")});
            }
            world_frame(x);
        }
        world_apply(x);
        bool more = false;
        if (i % 5 == 0) WORLD_OK(x, x->b->maintain(x->w, i % 10 == 0, &more, &err));
    }
    while (atomic_load(&g.rounds) < 20) usleep(1000);
    atomic_store(&g.stop, true);
    for (size_t i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), x->event_count);
}

/* Every event carries the number of the flush before it as its type, and is the only thing of its
 * frame; a snapshot must be of one such age, and whole. */
static void *read_ages(void *arg) {
    struct reading *g = arg;
    struct backend_conn *r = NULL;
    const struct backend *b = g->x->b;
    struct err err;
    if (b->open_reader(&r, g->x->w, &err) != 0) abort();
    while (!atomic_load(&g->stop)) {
        struct page p;
        page_init(&p);
        uint64_t stream = draw(4);
        struct read_range range = range_of(stream, 0, UINT64_MAX);
        if (b->read_events(r, &range, &p, &err) != 0) {
            fprintf(stderr, "  read: %s\n", err.text);
            abort();
        }
        CHECK(p.done);
        for (size_t i = 0; i < p.count; i++) {
            const struct event_record *e = &p.events[i]->rec;
            CHECK_INT(stream == 0 ? e->sequence : e->version, i);
            CHECK(str_eq(event_type(e), event_type(&p.events[0]->rec)));
            CHECK(str_eq(stream_name_str(p.events[i]->name), event_type(e)) == (e->stream == 2));
        }
        page_clear(&p);
        atomic_fetch_add(&g->rounds, 1);
    }
    b->close(r);
    return NULL;
}

BOTH(readers_never_see_events_of_before_and_after_a_flush_together) {
    struct reading g = {.x = x};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, read_ages, &g);
    for (int age = 0; age < 60; age++) {
        char type[16], name[3][16] = {"a", "", "b"};
        snprintf(type, sizeof type, "age %d", age);
        snprintf(name[1], sizeof name[1], "age %d", age); /* stream 2 has another name each time */
        for (int i = 0; i < 60; i++) {
            world_append(x, name[i % 3], type, "");
            if (i % 20 == 19) world_apply(x);
            bool more = false;
            if (i % 20 == 19 && age % 2 == 0) WORLD_OK(x, x->b->maintain(x->w, true, &more, &err));
        }
        if (age % 3 == 0) world_append(x, "a", type, "just before");
        batch_add(x->open, RECORD_FLUSH, NULL, 0);
        world_frame(x);
        world_apply(x);
        world_forget(x);
    }
    while (atomic_load(&g.rounds) < 20) usleep(1000);
    atomic_store(&g.stop, true);
    for (size_t i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

/* --- the table of backends ------------------------------------------------------------ */

TEST(backends_are_found_by_scheme) {
    const char *path = NULL;
    CHECK(backend_find("sqlite:/a/b.db", &path) == &backend_sqlite);
    CHECK(strcmp(path, "/a/b.db") == 0);
    CHECK(backend_find("memory:", &path) == &backend_memory);
    CHECK(strcmp(path, "") == 0);
    CHECK(backend_find("sqlite", &path) == NULL);
    CHECK(backend_find("oracle:x", &path) == NULL);
    CHECK(backend_find("", &path) == NULL);
    CHECK(backend_sqlite.durable);
    CHECK(!backend_memory.durable);
}

TEST(a_category_is_what_stands_before_the_first_dash) {
    CHECK(str_eq(stream_category(STR("order-1-2")), STR("order")));
    CHECK(str_eq(stream_category(STR("order")), STR("order")));
    CHECK(str_eq(stream_category(STR("-1")), STR("")));
    CHECK(str_eq(stream_category(STR("")), STR("")));
}
