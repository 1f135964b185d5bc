/* Reading the log by names over SQLite: literal streams, categories, globs, while streams move
 * between categories, events go, and stores of before are brought up to date. The blocks of
 * categories (store/sqlite/categories.c) are looked at from outside, too. */
#include "sqlite_world.h"
#include "selectors.h"

#include "store/sqlite/categories.h"

/* --- a world whose streams have names that change ------------------------------------ */

/* Their records may be in a batch that is not applied yet. */
static struct stream_name *replaced[8192];
static size_t replaced_count;

static void close_world(struct world *x) {
    world_close(x);
    while (replaced_count > 0) stream_name_unref(replaced[--replaced_count]);
}

/* Events of the naive copy get the name that their stream has now. */
static void rename_to(struct world *x, uint64_t number, const char *name) {
    struct stream_name *old = x->streams[number];
    size_t len = strlen(name);
    struct stream_record *r = world_record(x, RECORD_RENAME, sizeof *r + len);
    r->number = number;
    r->created = old->rec.created;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
    struct stream_name *renamed = stream_name_create(number, old->rec.created, str_c(name));
    for (size_t i = 0; i < x->event_count; i++) {
        struct event *e = x->events[i];
        if (e->rec.stream != number) continue;
        stream_name_unref(e->name);
        e->name = stream_name_ref(renamed);
    }
    x->streams[number] = renamed;
    CHECK(replaced_count < ARRAY_LEN(replaced));
    replaced[replaced_count++] = old;
    world_frame(x);
}

static bool is_free(const struct world *x, const char *name) {
    for (uint64_t i = 1; i <= x->stream_count; i++)
        if (!x->deleted[i] && str_eq(stream_name_str(x->streams[i]), str_c(name))) return false;
    return true;
}

/* Some categories with few streams, some with many, names without a dash, a category a stream. */
static void draw_name(char name[48]) {
    static const char *const few[] = {"order", "cart", "user", "orders", "clicks"};
    switch (draw(5)) {
    case 0:
        snprintf(name, 48, "%s-%u", few[draw(3)], (unsigned)draw(4));
        break;
    case 1:
        snprintf(name, 48, "many-%u", (unsigned)draw(150));
        break;
    case 2:
        snprintf(name, 48, "%s", few[draw(5)]);
        break;
    case 3:
        snprintf(name, 48, "%08x-1", (unsigned)draw(300));
        break;
    default:
        snprintf(name, 48, "plenty-%u-x", (unsigned)draw(100));
    }
}

static void trim_more(struct world *x, uint64_t number) {
    uint64_t first = 0;
    for (size_t i = 0; i < x->event_count; i++)
        if (x->events[i]->rec.stream == number && x->events[i]->removed)
            first = x->events[i]->rec.version + 1;
    if (first == x->versions[number]) return;
    world_trim(x, number, first + 1 + draw(x->versions[number] - first));
    world_frame(x);
}

static void change_something(struct world *x) {
    char name[48];
    if (x->stream_count == 0) return;
    uint64_t number = 1 + draw(x->stream_count);
    if (x->deleted[number]) return;
    switch (draw(6)) {
    case 0:
        world_delete(x, number);
        world_frame(x);
        break;
    case 1:
        trim_more(x, number);
        break;
    default:
        draw_name(name);
        if (is_free(x, name)) rename_to(x, number, name);
    }
}

static void fill(struct world *x, size_t n, size_t changes) {
    static const char *const types[] = {"made", "paid", "tick"};
    char name[48];
    for (size_t i = 0; i < n; i++) {
        draw_name(name);
        x->clock_ms += draw(3) == 0;
        world_append(x, name, draw(200) == 0 ? "rare" : types[draw(3)], "x");
        if (changes > 0 && draw(n / changes) == 0) change_something(x);
        if (draw(40) == 0) world_batch(x);
        if (x->batch_count < 8) continue;
        world_apply(x);
        bool more;
        if (draw(2)) WORLD_OK(x, x->b->maintain(x->w, draw(4) == 0, &more, &err));
    }
    world_batch(x);
    if (x->batch_count > 0) world_apply(x);
}

static const struct wanted by_names[] = {
    {.category = {STR("order")}},
    {.category = {STR("many")}},
    {.category = {STR("clicks")}},
    {.category = {STR("many"), STR("user"), STR("none")}},
    {.category = {STR("plenty")}, .type = {STR("rare")}},
    {.category = {STR("order")}, .type = {STR("rare"), STR("paid")}},
    {.category = {STR("none")}},
    {.category = {STR("")}},
    {.stream = {STR("order-1")}},
    {.stream = {STR("clicks"), STR("many-7"), STR("none")}},
    {.stream = {STR("many-*")}},
    {.stream = {STR("many-1*"), STR("cart-*")}},
    {.stream = {STR("ord*")}},
    {.stream = {STR("*-1")}},
    {.stream = {STR("user"), STR("plenty-*-x")}},
    {.stream = {STR("*-1*")}, .category = {STR("many")}},
    {.stream = {STR("many-3"), STR("cart-3")}, .category = {STR("cart")}},
    {.stream = {STR("m*")}, .type = {STR("rare")}},
    {.category = {STR("0000002a")}},
};

static void check_ranges(struct world *x, size_t times) {
    for (size_t i = 0; i < times; i++) {
        struct selector *selector = selector_of(&by_names[draw(ARRAY_LEN(by_names))]);
        uint64_t a = draw(x->event_count), b = draw(x->event_count);
        struct read_range r =
            range_of(0, draw(2) ? 0 : MIN(a, b), draw(2) ? UINT64_MAX : MAX(a, b));
        r.reverse = draw(2);
        r.selector = selector;
        if (draw(3) == 0) r.count_max = 7;
        if (draw(3) == 0) r.examined_max = 300;
        x->r->r->streams_few = draw(2) ? STREAMS_FEW : draw(3);
        world_check_range(x, r);
        selector_unref(selector);
    }
}

TEST(what_is_read_by_names_is_what_a_walk_finds_while_streams_move_and_go) {
    struct world *x = open_world();
    world_slices(x, draw(2) ? 20 + draw(200) : 0);
    for (int round = 0; round < 6; round++) {
        fill(x, 1500, 150);
        check_ranges(x, 60);
        if (draw(2)) world_maintain(x, true);
        check_ranges(x, 60);
        if (draw(2)) continue;
        world_disconnect(x);
        world_connect(x);
        check_ranges(x, 30);
    }
    close_world(x);
}

/* --- what is noted -------------------------------------------------------------------- */

static bool has_block(const char *name, uint64_t block) {
    char text[128];
    snprintf(text, sizeof text, "SELECT count(*) FROM category_blocks WHERE key = %lld",
             (long long)category_key(block, category_number(str_c(name))));
    return strcmp(sql_rows(DB, text), "1") == 0;
}

TEST(a_block_has_a_row_for_each_category_in_it_and_none_for_names_without_a_dash) {
    struct world *x = open_world();
    for (int i = 0; i < 3000; i++) {
        char name[48];
        snprintf(name, sizeof name, i % 3 == 0 ? "order-%d" : i % 3 == 1 ? "cart-%d" : "user%d", i);
        world_append(x, name, "t", "");
        if (i == 1500) world_apply(x);
    }
    world_apply(x);
    CHECK_SQL("SELECT count(*) FROM category_blocks", "6");
    for (uint64_t block = 0; block < 3; block++)
        CHECK(has_block("order-1", block) && has_block("cart-1", block));
    CHECK_SQL("SELECT categorized FROM store", "0");
    close_world(x);
}

TEST(a_stream_that_moves_to_a_category_brings_its_blocks_in_portions) {
    struct world *x = open_world();
    world_slices(x, 64);
    for (int i = 0; i < 5000; i++) world_append(x, i % 2 ? "old-1" : "other-1", "t", "");
    world_apply(x);
    world_maintain(x, true); /* into the table of the index */
    for (int i = 0; i < 2000; i++) world_append(x, "old-1", "t", "");
    world_apply(x);
    rename_to(x, 2, "new-1");
    world_apply(x);
    CHECK_SQL("SELECT stream, next FROM moved_streams", "2|0");
    struct selector *selector = selector_of(&(struct wanted){.category = {STR("new")}});
    struct read_range r = range_of(0, 0, UINT64_MAX);
    r.selector = selector;
    int portions = 0;
    for (bool more = true; more; portions++) {
        x->r->r->streams_few = (size_t)portions % 2;
        CHECK_INT(world_check_range(x, r), 4500);
        WORLD_OK(x, x->b->maintain(x->w, false, &more, &err));
    }
    CHECK(portions > 5);
    CHECK_SQL("SELECT count(*) FROM moved_streams", "0");
    for (uint64_t block = 0; block < 7; block++) CHECK(has_block("new-1", block));
    x->r->r->streams_few = 0;
    CHECK_INT(world_check_range(x, r), 4500);
    /* One that stays in its category, or leaves all, brings nothing. */
    rename_to(x, 2, "new-2");
    rename_to(x, 1, "alone");
    world_apply(x);
    CHECK_SQL("SELECT count(*) FROM moved_streams", "0");
    CHECK_INT(world_check_range(x, r), 4500);
    /* Made, filled and renamed in one apply. */
    world_append(x, "brief-1", "t", "");
    rename_to(x, 3, "new-3");
    world_append(x, "new-3", "t", "");
    world_apply(x);
    CHECK_INT(world_check_range(x, r), 4502);
    /* To another category and back in one apply, with an event in between. */
    rename_to(x, 3, "brief-1");
    world_append(x, "brief-1", "t", "");
    rename_to(x, 3, "new-3");
    world_apply(x);
    CHECK_INT(world_check_range(x, r), 4503);
    world_maintain(x, true);
    CHECK_INT(world_check_range(x, r), 4503);
    selector_unref(selector);
    close_world(x);
}

TEST(many_streams_on_their_way_to_a_category_are_found_by_walking) {
    struct world *x = open_world();
    char name[48];
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "old-%d", i % 700);
        world_append(x, name, "t", "");
    }
    world_apply(x);
    for (uint64_t i = 1; i <= 600; i++) {
        snprintf(name, sizeof name, "new-%llu", (unsigned long long)i);
        rename_to(x, i, name);
        if (i % 60 == 0) world_batch(x);
    }
    world_apply(x);
    CHECK_SQL("SELECT count(*) FROM moved_streams", "600");
    check_ranges(x, 1);
    struct selector *selector = selector_of(&(struct wanted){.category = {STR("new")}});
    struct read_range r = range_of(0, 0, UINT64_MAX);
    r.selector = selector;
    size_t found = world_check_range(x, r);
    world_maintain(x, false);
    CHECK_SQL("SELECT count(*) FROM moved_streams", "0");
    CHECK_INT(world_check_range(x, r), found);
    selector_unref(selector);
    close_world(x);
}

/* Neither goes through all streams. */
TEST(names_and_streams_on_their_way_are_looked_up) {
    struct world *x = open_world();
    char text[512];
    const enum sql statements[] = {SQL_MOVED, SQL_NAMES_BETWEEN, SQL_NAME};
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sqlite_sql[statements[i]]);
        const char *plan = sql_rows(DB, text);
        CHECK(strstr(plan, "SCAN s") == NULL);
        CHECK(strstr(plan, "SEARCH s") != NULL);
    }
    close_world(x);
}

/* --- stores of before ------------------------------------------------------------------- */

TEST(a_store_that_had_no_blocks_of_categories_gets_them_in_portions_and_is_read_meanwhile) {
    struct world *x = open_world();
    fill(x, 5000, 100);
    world_maintain(x, true);
    world_disconnect(x);
    sql(DB, "DROP TABLE category_blocks; DROP TABLE moved_streams;"
            "DROP VIEW cairn_timelines; DROP VIEW cairn_status; DROP TABLE timelines;"
            "DROP VIEW cairn_checkpoints; DROP VIEW cairn_views; DROP TABLE checkpoints;"
            "DROP TABLE named;"
            "CREATE VIEW cairn_status AS SELECT schema_version FROM store;"
            "ALTER TABLE store DROP COLUMN categorized; ALTER TABLE store DROP COLUMN left_as;"
            "ALTER TABLE store DROP COLUMN removed; ALTER TABLE store DROP COLUMN removed_from;"
            "UPDATE store SET schema_version = 3; PRAGMA user_version = 3");
    world_connect(x);
    world_slices(x, 64);
    CHECK_SQL("PRAGMA user_version", "4");
    CHECK_SQL("SELECT categorized = next_sequence FROM store", "1");
    int portions = 0;
    for (bool more = true; more; portions++) {
        if (portions % 20 == 0) {
            check_ranges(x, 10);
            fill(x, 100, 10);
        }
        WORLD_OK(x, x->b->maintain(x->w, false, &more, &err));
    }
    CHECK(portions > 20);
    CHECK_SQL("SELECT categorized FROM store", "0");
    check_ranges(x, 100);
    close_world(x);
}

/* --- many blocks -------------------------------------------------------------------------- */

/* Moves the next event so far ahead: what lies between was removed. */
static void jump(struct world *x, uint64_t sequence) {
    char text[256];
    world_maintain(x, true);
    world_disconnect(x);
    snprintf(text, sizeof text, "UPDATE store SET next_sequence = %llu, indexed = %llu",
             (unsigned long long)sequence, (unsigned long long)sequence);
    sql(DB, text);
    world_connect(x);
}

static void append_at(struct world *x, uint64_t number, uint64_t version, uint64_t sequence) {
    struct event_fields f = {.sequence = sequence,
                             .version = version,
                             .recorded = x->clock_ms,
                             .entry_ms = x->clock_ms,
                             .entry_seq = sequence,
                             .type = STR("t")};
    event_id_make(x->clock_ms, 0, sequence, x->state.id_key, &f.event_id);
    struct event *e = event_create(&f, x->streams[number]);
    batch_add(x->open, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
    world_frame(x);
    world_apply(x);
    event_unref(e);
}

/* The sequences that are found, in pages of one event. */
static void find_all(struct world *x, const struct wanted *wanted, bool reverse, uint64_t *found,
                     size_t *count, size_t *pages) {
    struct selector *selector = selector_of(wanted);
    struct read_range r = range_of(0, 0, UINT64_MAX);
    r.selector = selector;
    r.reverse = reverse;
    r.count_max = 1;
    *count = *pages = 0;
    for (bool done = false; !done; ++*pages) {
        struct page p;
        page_init(&p);
        WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
        if (p.count > 0) found[(*count)++] = p.events[0]->rec.sequence;
        if (reverse)
            r.end = p.next;
        else
            r.start = p.next;
        done = p.done;
        page_clear(&p);
    }
    selector_unref(selector);
}

/* Far apart: blocks are looked for group by group, and streams by their versions. */
TEST(events_that_lie_far_apart_are_found_in_both_directions) {
    struct world *x = open_world();
    uint64_t at[40], order[40], found[64];
    uint64_t sequence = 0;
    world_stream(x, "order-1");
    world_stream(x, "cart-1");
    world_stream(x, "order");
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        if (i > 0) jump(x, sequence);
        append_at(x, 1 + i % 3, i / 3, sequence);
        at[i] = sequence;
        sequence += 1 + draw(UINT64_C(1) << (4 + draw(24)));
    }
    for (size_t few = 0; few < 2; few++) {
        x->r->r->streams_few = few == 0 ? 0 : STREAMS_FEW;
        for (int reverse = 0; reverse < 2; reverse++) {
            size_t expected = 0, count, pages;
            for (size_t i = 0; i < ARRAY_LEN(at); i++)
                if (i % 3 != 1) order[expected++] = at[i];
            find_all(x, &(struct wanted){.category = {STR("order")}}, reverse, found, &count,
                     &pages);
            CHECK_INT(count, expected);
            for (size_t i = 0; i < count; i++)
                CHECK_INT(found[i], order[reverse ? count - 1 - i : i]);
            find_all(x, &(struct wanted){.category = {STR("cart")}, .type = {STR("t")}}, reverse,
                     found, &count, &pages);
            CHECK_INT(count, 13);
            CHECK_INT(found[0], at[reverse ? 37 : 1]);
            find_all(x, &(struct wanted){.category = {STR("none")}}, reverse, found, &count,
                     &pages);
            CHECK_INT(count, 0);
        }
    }
    close_world(x);
}

/* A selector of a thousand categories in a store of very many groups: each page looks at a bounded
 * number of them, and comes further. */
TEST(what_looking_for_a_thousand_categories_takes_is_bounded_a_page) {
    struct world *x = open_world();
    struct selector_draft d = {0};
    char names[1000][16];
    for (int i = 0; i < 1000; i++) {
        snprintf(names[i], sizeof names[i], "none-%d", i);
        selector_draft_add(&d, SELECT_CATEGORY, str_of(names[i] + 5, strlen(names[i] + 5)));
    }
    world_stream(x, "999-1");
    append_at(x, 1, 0, 0);
    jump(x, UINT64_C(40) << (GROUP_BITS + BLOCK_BITS));
    append_at(x, 1, 1, UINT64_C(40) << (GROUP_BITS + BLOCK_BITS));
    struct selector *selector = selector_create(&d);
    selector_draft_clear(&d);
    x->r->r->streams_few = 0;
    for (int reverse = 0; reverse < 2; reverse++) {
        struct read_range r = range_of(0, 0, UINT64_MAX);
        r.selector = selector;
        r.reverse = reverse;
        size_t found = 0, pages = 0;
        for (bool done = false; !done && pages < 100; pages++) {
            struct page p;
            page_init(&p);
            WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
            found += p.count;
            done = p.done;
            if (reverse) {
                CHECK(done || p.next < r.end || pages == 0);
                r.end = p.next;
            } else {
                CHECK(done || p.next > r.start);
                r.start = p.next;
            }
            page_clear(&p);
        }
        CHECK_INT(found, 2);
        CHECK(pages > 1 && pages < 10);
    }
    selector_unref(selector);
    close_world(x);
}

TEST(blocks_of_which_all_events_are_gone_are_forgotten) {
    struct world *x = open_world();
    char name[48];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "%d-x", i);
        world_append(x, name, "t", "");
        if (i % 100 == 99) world_batch(x);
        if (x->batch_count == 8) world_apply(x);
    }
    world_apply(x);
    CHECK_SQL("SELECT count(*) FROM category_blocks", "3000");
    for (uint64_t i = 1; i <= 3000; i++) world_number(x, RECORD_DELETE, i);
    world_frame(x);
    world_apply(x);
    jump(x, UINT64_C(3) << (GROUP_BITS + BLOCK_BITS));
    world_stream(x, "kept-1");
    append_at(x, 3001, 0, UINT64_C(3) << (GROUP_BITS + BLOCK_BITS));
    for (int i = 0; i < 3; i++) { /* whatever takes rows away looks */
        world_number(x, RECORD_DELETE, world_stream(x, "passing"));
        x->deleted[x->stream_count] = true;
        world_frame(x);
        world_apply(x);
        world_maintain(x, true);
    }
    CHECK_SQL("SELECT count(*) FROM category_blocks", "1");
    close_world(x);
}

/* --- names that the asker knows better -------------------------------------------------------- */

TEST(events_of_streams_whose_names_the_asker_knows_better_pass_whatever_they_are_called) {
    struct world *x = open_world();
    char name[48];
    for (int i = 0; i < 4000; i++) {
        snprintf(name, sizeof name, "%s-%d", i % 2 ? "order" : "cart", i % 200);
        world_append(x, name, i % 100 == 0 ? "rare" : "t", "");
    }
    world_apply(x);
    const uint64_t renamed[] = {1, 3}; /* cart-0, cart-2: each 20 events */
    const struct {
        struct wanted wanted;
        size_t found;
    } cases[] = {
        {{.category = {STR("order")}}, 2000 + 40},
        {{.category = {STR("none")}}, 40},
        {{.category = {STR("cart")}}, 2000},
        {{.stream = {STR("order-1")}}, 20 + 40},
        {{.stream = {STR("cart-0")}}, 40},
        {{.stream = {STR("order-1*")}}, 20 * 56 + 40},
        {{.stream = {STR("*-1")}}, 20 + 40},
        {{.category = {STR("none")}, .type = {STR("rare")}}, 20},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct selector *selector = selector_of(&cases[i].wanted);
        for (size_t mode = 0; mode < 4; mode++) {
            struct page p;
            page_init(&p);
            struct read_range r = range_of(0, 0, UINT64_MAX);
            r.selector = selector;
            r.renamed = renamed;
            r.renamed_count = ARRAY_LEN(renamed);
            r.reverse = mode & 1;
            x->r->r->streams_few = mode & 2 ? 0 : STREAMS_FEW;
            WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
            CHECK_INT(p.count, cases[i].found);
            page_clear(&p);
            r.any_name = true;
            WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
            CHECK_INT(p.count, cases[i].wanted.type[0].ptr != NULL ? 40 : 4000);
            page_clear(&p);
        }
        selector_unref(selector);
    }
    close_world(x);
}
