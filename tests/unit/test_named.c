/* Checkpoints and views in memory: what a flush, a void and a short cache do to them, and who is
 * woken when a checkpoint has come far enough. (test_model.c has them among random changes.) */
#include "unit.h"

#include "model_world.h"

static void start(uint64_t apply_delay_ms, size_t cache_bytes) {
    struct store_config config = {.url = "sqlite:test.db",
                                  .durability = DURABILITY_JOURNAL,
                                  .segment_bytes = 4 << 20,
                                  .apply_delay_ms = apply_delay_ms,
                                  .apply_bytes = 1u << 20,
                                  .apply_urgent_bytes = 1u << 30,
                                  .reader_count = 1};
    CHECK(store_open(&store, &config, &err) == 0);
    CHECK(store_start(store, &callbacks, &err) == 0);
    model_init(m, store, cache_bytes, false);
    model_tick(m, 1700000000000);
}

static void stop(void) {
    model_submit(m);
    CHECK(store_close(store, &err) == 0);
    model_clear(m);
}

static struct named *load(const char *name) {
    struct named *n = named_find(m, NAMED_CHECKPOINT, str_c(name));
    struct waiter w = {.wake = on_wake};
    wakes = 0;
    if (n == NULL) named_load(m, NAMED_CHECKPOINT, str_c(name), &w);
    while (n == NULL && wakes == 0) turn();
    return n != NULL ? n : named_find(m, NAMED_CHECKPOINT, str_c(name));
}

static void set(const char *name, uint64_t position) {
    struct checkpoint_value v = {.position = position};
    named_set(m, load(name), str_of(&v, sizeof v));
    model_commit(m);
}

/* -1: there is none. */
static int64_t position_at(const char *name, uint64_t frame) {
    struct checkpoint_value v;
    struct str value;
    if (!named_value(m, load(name), frame, &value)) return -1;
    memcpy(&v, value.ptr, sizeof v);
    return (int64_t)v.position;
}

static int64_t position(const char *name) {
    return position_at(name, VIEW_NEWEST);
}

static bool has_view(const char *name) {
    struct str value;
    struct named *n = named_find(m, NAMED_VIEW, str_c(name));
    return n != NULL && named_value(m, n, VIEW_NEWEST, &value);
}

static void set_view(const char *name, const char *text) {
    named_set(m, named_view(m, str_c(name)), text != NULL ? str_c(text) : (struct str){0});
    model_commit(m);
}

static void evict_all(void) {
    size_t max = m->bytes_max;
    wait_applied();
    m->bytes_max = 0;
    for (int i = 0; i < 3; i++) model_evict(m);
    m->bytes_max = max;
}

TEST(a_flush_hides_checkpoints_wherever_they_are_and_keeps_views) {
    hash_seed();
    start(0, 1 << 20);
    set("in-memory", 0);
    set("on-disk", 0);
    set_view("v", "TYPE a");
    evict_all();
    CHECK_INT(position("in-memory"), 0);
    uint64_t before = m->decided;
    uint64_t flush = model_flush(m);
    CHECK_INT(position_at("in-memory", before), 0);
    CHECK_INT(position("in-memory"), -1);
    CHECK_INT(position("on-disk"), -1); /* loaded: as it was before */
    CHECK_INT(named_frame(m, load("on-disk")), flush);
    CHECK(has_view("v"));
    set("on-disk", 0);
    CHECK_INT(position("on-disk"), 0);
    evict_all();
    CHECK_INT(position("in-memory"), -1);
    CHECK_INT(position("on-disk"), 0);
    CHECK(has_view("v"));
    stop();
    start(0, 1 << 20);
    CHECK_INT(position("in-memory"), -1);
    CHECK_INT(position("on-disk"), 0);
    CHECK(has_view("v"));
    stop();
}

TEST(a_flush_that_is_void_hides_nothing) {
    hash_seed();
    start(0, 1 << 20);
    set("a", 0);
    set_view("v", "TYPE a");
    set_view("w", "TYPE a");
    evict_all();
    model_flush(m);
    set("a", 0);
    set("b", 0);
    set_view("v", NULL);
    set_view("x", "TYPE x");
    CHECK(!has_view("v"));
    model_rebuild(m); /* it was not handed over */
    CHECK_INT(position("a"), 0);
    CHECK_INT(position("b"), -1);
    CHECK(has_view("v") && has_view("w") && !has_view("x"));
    CHECK_INT(m->named.view_count, 2);
    stop();
}

TEST(many_checkpoints_take_no_more_memory_than_the_cache_may) {
    hash_seed();
    start(0, 256 << 10);
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "consumer-%d", i);
        set(name, 0);
        if (i % 500 != 0) continue;
        wait_applied();
        for (int k = 0; k < 3; k++) model_evict(m);
        CHECK(m->bytes <= m->bytes_max + m->known.filter.bytes);
    }
    for (int i = 0; i < 20000; i += 1000) {
        snprintf(name, sizeof name, "consumer-%d", i);
        CHECK_INT(position(name), 0);
    }
    stop();
}

TEST(names_that_do_not_exist_are_remembered_in_bounds) {
    hash_seed();
    start(0, 1 << 20);
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "nobody-%d", i);
        CHECK_INT(position(name), -1);
        model_evict(m);
    }
    CHECK(m->named.absent_count < 100);
    CHECK(m->named.tables[NAMED_CHECKPOINT].count < 100);
    stop();
}

static size_t woken(struct named_watcher **out) {
    size_t n = 0;
    LIST_FOR_EACH (it, &m->named.woken) out[n++] = LIST_ENTRY(it, struct named_watcher, node);
    return n;
}

TEST(who_watches_is_woken_when_the_checkpoint_is_beyond_and_that_is_durable) {
    hash_seed();
    start(0, 1 << 20);
    struct named_watcher w[4] = {0}, *by[4];
    named_watch(m, load("c"), 30, &w[3]);
    for (uint64_t i = 0; i < 3; i++) named_watch(m, load("c"), 10 + i, &w[i]);
    set("c", 12);
    named_settle(m);
    CHECK_INT(woken(by), 0);
    wait_durable();
    named_settle(m);
    CHECK_INT(woken(by), 2); /* beyond 10 and 11, and not beyond 12 */
    CHECK(by[0] == &w[0] && by[1] == &w[1]);
    for (int i = 0; i < 2; i++) named_unwatch(&w[i]);
    CHECK_INT(woken(by), 0);
    set("c", 5);
    set("c", 13);
    named_unwatch(&w[3]);
    set("c", 40);
    wait_durable();
    named_settle(m);
    CHECK_INT(woken(by), 1);
    CHECK(by[0] == &w[2]);
    named_unwatch(&w[2]);
    for (uint64_t i = 0; i < 3; i++) named_watch(m, load("c"), i, &w[i]);
    set("c", 41);
    wait_durable();
    named_settle(m);
    CHECK_INT(woken(by), 3);
    for (int i = 0; i < 3; i++) named_unwatch(&w[i]);
    CHECK_INT(load("c")->pins, 0);
    CHECK(load("c")->watchers == NULL);
    stop();
}

TEST(who_watches_what_a_flush_takes_is_woken_and_told_so) {
    hash_seed();
    start(0, 1 << 20);
    struct named_watcher w[3] = {0}, *by[3];
    for (uint64_t i = 0; i < 3; i++) named_watch(m, load(i < 2 ? "c" : "none"), 5 * i, &w[i]);
    set("c", 1);
    wait_durable();
    named_settle(m);
    CHECK_INT(woken(by), 1);
    CHECK(by[0] == &w[0]);
    named_emptied(m);
    CHECK_INT(woken(by), 3);
    CHECK(!w[0].emptied && w[1].emptied && w[2].emptied);
    for (int i = 0; i < 3; i++) named_unwatch(&w[i]);
    CHECK_INT(woken(by), 0);
    CHECK_INT(load("c")->pins, 0);
    stop();
}

TEST(a_checkpoint_that_is_set_all_the_time_keeps_one_version_a_batch) {
    hash_seed();
    start(3600000, 1 << 20);
    set("c", 1);
    wait_durable();
    named_settle(m);
    uint64_t durable = m->decided;
    for (int i = 0; i < 1000; i++) set("c", 2 + (uint64_t)i);
    size_t versions = 0;
    for (const struct named_version *v = load("c")->newest; v != NULL; v = v->older) versions++;
    CHECK_INT(versions, 2);
    CHECK_INT(position_at("c", durable), 1);
    CHECK_INT(position("c"), 1001);
    stop();
}

TEST(a_view_that_is_in_use_stays_known_when_it_is_deleted) {
    hash_seed();
    start(0, 1 << 20);
    CHECK(named_view_use(m, STR("v")) == NULL);
    set_view("v", "TYPE a");
    struct named *v = named_view_use(m, STR("v"));
    CHECK_INT(v->users, 1);
    set_view("v", NULL);
    wait_durable();
    named_settle(m);
    CHECK(named_find(m, NAMED_VIEW, STR("v")) == v);
    named_view_unuse(m, v);
    CHECK(named_find(m, NAMED_VIEW, STR("v")) == NULL);
    CHECK_INT(m->named.bytes, 0);
    stop();
}

static struct selector *make(const char *type) {
    struct selector_draft draft = {0};
    selector_draft_add(&draft, SELECT_TYPE, str_c(type));
    struct selector *s = selector_create(&draft);
    selector_draft_clear(&draft);
    return s;
}

/* Keeps it; the caller has no reference any more. */
static void keep(const char *view, uint64_t frame, const char *type) {
    struct selector *s = make(type);
    named_keep_made(m, named_find(m, NAMED_VIEW, str_c(view)), frame, s);
    selector_unref(s);
}

static bool is_made(const char *view, uint64_t frame) {
    return named_made(m, named_find(m, NAMED_VIEW, str_c(view)), frame) != NULL;
}

TEST(what_was_made_of_a_view_is_kept_until_the_view_changes) {
    hash_seed();
    start(0, 1 << 20);
    set_view("v", "TYPE a");
    wait_durable();
    named_settle(m);
    uint64_t durable = m->decided;
    size_t bytes = m->named.bytes;
    CHECK(!is_made("v", VIEW_NEWEST));
    keep("v", VIEW_NEWEST, "a");
    CHECK(is_made("v", VIEW_NEWEST));
    CHECK(is_made("v", durable));
    CHECK(m->named.bytes > bytes);
    set_view("v", "TYPE b");
    CHECK(!is_made("v", VIEW_NEWEST));
    CHECK(is_made("v", durable)); /* as it is for others, until this is durable */
    keep("v", VIEW_NEWEST, "b");
    CHECK(is_made("v", VIEW_NEWEST));
    model_begin(m);
    named_set(m, named_view(m, STR("v")), STR("TYPE c"));
    keep("v", VIEW_NEWEST, "c");
    model_undo(m);
    CHECK(!is_made("v", VIEW_NEWEST));
    wait_durable();
    named_settle(m);
    CHECK_INT(m->named.bytes, bytes);
    keep("v", VIEW_NEWEST, "b");
    set_view("v", NULL);
    wait_durable();
    named_settle(m);
    CHECK_INT(m->named.bytes, 0);
    stop();
}

TEST(what_is_kept_of_views_is_bounded_and_the_one_used_last_stays) {
    enum { VIEWS = 100, LONG = 100000 };
    hash_seed();
    start(0, 1 << 20);
    char *type = malloc(LONG + 1), name[8];
    memset(type, 'x', LONG);
    type[LONG] = '\0';
    for (int i = 0; i < VIEWS; i++) {
        snprintf(name, sizeof name, "v%d", i);
        set_view(name, "TYPE a");
        keep(name, VIEW_NEWEST, type);
        CHECK(is_made("v0", VIEW_NEWEST));
        CHECK(is_made(name, VIEW_NEWEST));
        CHECK(m->named.made_bytes <= VIEWS_MADE_MAX);
    }
    CHECK(!is_made("v1", VIEW_NEWEST));
    free(type);
    stop();
}
