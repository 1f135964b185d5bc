/* Who wants events as they become visible (stream/live.h): followers and watchers, over a real
 * store. */
#include "unit.h"

#include "stream/append.h"
#include "stream/live.h"
#include "model_world.h"
#include "selectors.h"

static struct live live, *l = &live;

/* ---- followers that note what they are told ---- */

#define TOLD_MAX 1000

struct listener {
    struct live_follower follower;
    uint64_t told[TOLD_MAX];
    size_t count, takes; /* refuses what comes behind so many */
    uint64_t lost_at;
    int lost;
};

static bool tell(struct live_follower *f, struct event *e, struct stream_name *name) {
    struct listener *s = CONTAINER_OF(f, struct listener, follower);
    CHECK(stream_name_str(name).len > 0);
    if (s->count == s->takes) return false;
    s->told[s->count++] = e->rec.sequence;
    return true;
}

static void lost(struct live_follower *f, uint64_t position) {
    struct listener *s = CONTAINER_OF(f, struct listener, follower);
    s->lost++;
    s->lost_at = position;
}

static void start(void) {
    struct store_config config = {.url = "sqlite:test.db",
                                  .durability = DURABILITY_JOURNAL,
                                  .segment_bytes = 4 << 20,
                                  .apply_bytes = 1u << 20,
                                  .apply_urgent_bytes = 1u << 30,
                                  .reader_count = 1};
    hash_seed();
    CHECK(store_open(&store, &config, &err) == 0);
    CHECK(store_start(store, &callbacks, &err) == 0);
    model_init(m, store, 1u << 30, false);
    model_tick(m, 1700000000000);
    live_init(l);
    l->tell = tell;
    l->lost = lost;
}

static void stop(void) {
    live_clear(l);
    model_submit(m);
    CHECK(store_close(store, &err) == 0);
    model_clear(m);
}

static void append(const char *stream, const char *type) {
    struct stream *s = load_stream(str_c(stream));
    struct append a = {.stream = s, .stream_name = str_c(stream)};
    a.fields.type = str_c(type);
    a.fields.payload = STR("{}");
    struct append_result result;
    model_append(m, &a, 1, &result);
    CHECK_INT(result.status, APPEND_OK);
    model_commit(m);
}

static void look(void) {
    while (!live_look(l, m, 10000)) {}
}

static struct live_target *hold(struct wanted w) {
    struct selector *s = selector_of(&w);
    struct live_target *t = live_hold(l, s);
    selector_unref(s);
    return t;
}

static void follow(struct listener *s, struct live_target *t, uint64_t from) {
    s->follower.from = from;
    live_follow(l, m, t, &s->follower);
}

static void leave(struct listener *s, struct live_target *t) {
    live_unfollow(l, &s->follower);
    live_drop(l, t);
}

TEST(followers_hear_of_what_is_durable_in_order_once_and_share_a_target) {
    struct listener a = {.takes = TOLD_MAX}, b = {.takes = TOLD_MAX}, all = {.takes = TOLD_MAX};
    start();
    struct wanted orders = {.stream = {STR("order-*"), STR("order-1")}, .type = {STR("p*")}};
    struct live_target *t = hold(orders), *same = hold(orders), *any = hold((struct wanted){0});
    CHECK(t == same);
    follow(&a, t, 0);
    follow(&b, same, 2);
    follow(&all, any, 0);
    append("order-1", "paid");
    append("order-1", "made");
    append("order-2", "paid");
    append("cart-1", "paid");
    look();
    CHECK_INT(all.count, 0); /* nothing is durable yet */
    wait_durable();
    look();
    CHECK_INT(a.count, 2);
    CHECK_INT(a.told[0], 0);
    CHECK_INT(a.told[1], 2);
    CHECK_INT(b.count, 1); /* from 2 on */
    CHECK_INT(all.count, 4);
    CHECK_INT(live_position(l, &a.follower), 4);
    append("order-1", "paid");
    wait_durable();
    look();
    CHECK_INT(a.told[a.count - 1], 4);
    CHECK_INT(all.count, 5);
    leave(&a, t);
    leave(&b, same);
    leave(&all, any);
    CHECK_INT(l->targets.count, 0);
    CHECK_INT(l->weight, 0);
    stop();
}

TEST(who_does_not_take_an_event_follows_no_more_and_may_come_back) {
    struct listener a = {.takes = 1}, b = {.takes = TOLD_MAX};
    start();
    struct live_target *t = hold((struct wanted){.type = {STR("t")}});
    follow(&a, t, 0);
    follow(&b, t, 0);
    for (int i = 0; i < 3; i++) append("s", "t");
    wait_durable();
    look();
    CHECK_INT(a.count, 1);
    CHECK(!live_follows(&a.follower));
    CHECK_INT(b.count, 3);
    live_unfollow(l, &b.follower);
    CHECK_INT(l->followers, 0);
    CHECK(!live_is_behind(l, m));
    append("s", "t"); /* nobody hears of it */
    wait_durable();
    a.takes = 3;
    follow(&a, t, 3);
    CHECK(live_is_behind(l, m));
    look();
    CHECK_INT(a.count, 2);
    CHECK_INT(a.told[1], 3);
    leave(&a, t);
    stop();
}

TEST(a_look_takes_a_portion_and_followers_count) {
    enum { N = 20 };
    static struct listener s[N];
    start();
    struct live_target *t = hold((struct wanted){0});
    for (int i = 0; i < N; i++) {
        s[i] = (struct listener){.takes = TOLD_MAX};
        follow(&s[i], t, 0);
    }
    for (int i = 0; i < 30; i++) append("s", "t");
    wait_durable();
    int looks = 1;
    for (; !live_look(l, m, 100); looks++) CHECK(l->work <= 100 + N + 1);
    CHECK(looks >= 30 * N / 100);
    for (int i = 0; i < N; i++) CHECK_INT(s[i].count, 30);
    for (int i = 0; i < N; i++) live_unfollow(l, &s[i].follower);
    live_drop(l, t);
    stop();
}

TEST(what_left_memory_or_was_flushed_is_lost_from_where_it_was_looked_at) {
    struct listener a = {.takes = TOLD_MAX}, ahead = {.takes = TOLD_MAX};
    start();
    struct live_target *t = hold((struct wanted){0});
    follow(&a, t, 0);
    for (int i = 0; i < 5; i++) append("s", "t");
    wait_durable();
    look();
    follow(&ahead, t, 7);
    for (int i = 0; i < 5; i++) append("s", "t");
    wait_durable();
    while (store_applied(store) < m->decided) {
        store_flush(store);
        turn();
    }
    size_t max = m->bytes_max;
    m->bytes_max = 0;
    for (int i = 0; i < 50; i++) model_evict(m);
    m->bytes_max = max;
    CHECK_INT(m->log.first, 10);
    look();
    CHECK_INT(a.count, 5);
    CHECK_INT(a.lost, 1);
    CHECK_INT(a.lost_at, 5);
    CHECK_INT(ahead.lost_at, 7);
    CHECK_INT(l->followers, 0);
    follow(&a, t, 10);
    live_emptied(l);
    CHECK_INT(a.lost, 2);
    CHECK_INT(a.lost_at, 10);
    model_flush(m);
    append("new", "t");
    wait_durable();
    follow(&a, t, 0); /* the numbers begin again; it is another event */
    look();
    CHECK_INT(a.count, 6);
    CHECK_INT(a.told[5], 0);
    leave(&a, t);
    stop();
}

TEST(watchers_and_followers_of_a_target_do_not_disturb_each_other) {
    struct listener a = {.takes = TOLD_MAX};
    struct live_watcher w = {.from = 1};
    start();
    struct wanted wanted = {.type = {STR("t")}};
    struct selector *s = selector_of(&wanted);
    struct live_target *t = live_hold(l, s);
    follow(&a, t, 0);
    live_watch(l, m, s, &w);
    append("s", "t");
    wait_durable();
    look();
    CHECK_INT(a.count, 1);
    CHECK(list_empty(&l->woken)); /* it waits for what comes behind */
    append("s", "t");
    wait_durable();
    look();
    CHECK_INT(a.count, 2);
    CHECK(!list_empty(&l->woken));
    CHECK_INT(w.from, 1);
    live_unwatch(l, &w);
    leave(&a, t);
    selector_unref(s);
    CHECK_INT(l->targets.count, 0);
    stop();
}

/* One that every event takes much to compare with. */
static struct selector *heavy_selector(unsigned i) {
    char pattern[256];
    int n = snprintf(pattern, sizeof pattern, "%03u", i);
    for (int k = 0; k < 100; k++, n += 2) memcpy(pattern + n, "*a", 2);
    struct wanted w = {.type = {str_of(pattern, (size_t)n)}};
    return selector_of(&w);
}

TEST(who_waits_for_the_same_as_others_takes_no_room) {
    hash_seed();
    struct live_watcher watchers[1000] = {0};
    unsigned n = 0;
    live_init(l);
    struct selector *s, *another;
    while (s = heavy_selector(n), live_has_room(l, s, NULL)) {
        live_watch(l, m, s, &watchers[n++]);
        selector_unref(s);
        CHECK(n < ARRAY_LEN(watchers));
    }
    CHECK(n > 10);
    size_t weight = l->weight;
    for (unsigned i = 0; i < 5; i++) {
        another = heavy_selector(i);
        CHECK(live_has_room(l, another, NULL));
        live_watch(l, m, another, &watchers[n + i]);
        selector_unref(another);
    }
    CHECK_INT(l->weight, weight);
    CHECK(!live_has_room(l, s, NULL));
    selector_unref(s);
    live_clear(l);
}

/* What is noted of names and types that concern nobody holds only while nobody comes whom they
 * concern: followers come and go, and each is told what its selector matches, no more and no less.
 */
TEST(what_concerned_nobody_is_told_to_who_comes_later) {
    static const char *const streams[] = {"order-1", "order-12", "cart-1", "cart", "o"};
    static const char *const types[] = {
        "paid",     "pai",
        "paid.all", "order.made.by.somebody",
        "p",        "order.made.by.somebodx",
        "zaid",     "order.made.by.somebody.with.a.long.name.in.fact"};
    static const struct wanted wishes[] = {
        {.stream = {STR("order-1")}},
        {.stream = {STR("ord*")}},
        {.category = {STR("cart")}},
        {.category = {STR("order")}, .type = {STR("paid")}},
        {.type = {STR("paid"), STR("p")}},
        {.type = {STR("order.made.by.somebodx")}},
        {.type = {STR("order.made*fact")}},
        {.aggregate = {STR("a")}},
        {.since = 0},
    };
    enum { WISHES = sizeof wishes / sizeof wishes[0], ROUNDS = 150, EACH = 4 };
    static struct listener s[WISHES];
    static uint64_t expected[WISHES][TOLD_MAX];
    size_t count[WISHES] = {0};
    uint64_t from[WISHES];
    struct live_target *targets[WISHES] = {0};
    uint32_t dice = 1;
    memset(s, 0, sizeof s);
    start();
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < WISHES; i++) {
            dice = dice * 1664525 + 1013904223;
            if (dice >> 30 != 0) continue;
            if (targets[i] != NULL) {
                leave(&s[i], targets[i]);
                targets[i] = NULL;
            } else {
                s[i].takes = TOLD_MAX;
                targets[i] = hold(wishes[i]);
                from[i] = m->next_sequence + dice % 7; /* perhaps ahead of all there is */
                follow(&s[i], targets[i], from[i]);
            }
        }
        for (int k = 0; k < EACH; k++) {
            dice = dice * 1664525 + 1013904223;
            append(streams[(dice >> 16) % 5], types[(dice >> 24) % 8]);
            const struct event *e = model_event(m, m->next_sequence - 1);
            for (size_t i = 0; i < WISHES; i++) {
                struct selector *want = selector_of(&wishes[i]);
                if (targets[i] != NULL && e->rec.sequence >= from[i] &&
                    (want == NULL || selector_match(want, &e->rec, stream_name_str(e->name))))
                    expected[i][count[i]++] = e->rec.sequence;
                selector_unref(want);
            }
        }
        wait_durable();
        look();
    }
    for (size_t i = 0; i < WISHES; i++) {
        CHECK(i == 7 || count[i] > 5);
        CHECK_INT(s[i].count, count[i]);
        CHECK(memcmp(s[i].told, expected[i], count[i] * sizeof expected[i][0]) == 0);
        if (targets[i] != NULL) leave(&s[i], targets[i]);
    }
    stop();
}
