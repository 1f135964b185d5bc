/* Pending entries: random changes against a plain array, both lists' order, cursors that outlive
 * changes, and the memory that an entry costs. */
#include "unit.h"

#include "base/alloc.h"
#include "base/uuid.h"
#include "stream/group/pending.h"
#include "stream/group/pending_idle.h"

#define MILLION 1000000u

static uint32_t draw32(uint32_t n) {
    return (uint32_t)draw(n);
}

/* The ids of the tests, ascending in i; halves beyond 2^63 included. */
static struct entry_id id_of(uint64_t i) {
    if (i % 8 < 5) return (struct entry_id){1000 + i / 8, i % 8};
    return (struct entry_id){1000 + i / 8, UINT64_MAX - 8 + i % 8};
}

static uint32_t *shuffled(uint32_t n) {
    uint32_t *order = xmalloc(n * sizeof *order);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = draw32(i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

/* ---- The plain array ---- */

#define IDS       6000u
#define CONSUMERS 6u

struct item {
    bool in;
    uint32_t consumer, deliveries;
    uint64_t delivered_ms, stamp; /* stamp: when it entered the list of the unowned */
    struct pending_entry *entry;
};
static struct item items[IDS];
static uint64_t stamp;
static uint32_t item_count;

static void check_entry(const struct pending_entry *e, uint32_t i) {
    CHECK(e != NULL);
    CHECK(e == items[i].entry);
    CHECK_INT(entry_id_cmp(e->id, id_of(i)), 0);
    CHECK_INT(e->version, i);
    CHECK_INT(e->consumer, items[i].consumer);
    CHECK_INT(e->deliveries, items[i].deliveries);
    CHECK_INT(pending_delivered(e), items[i].delivered_ms);
}

static bool of_consumer(uint32_t i, uint32_t consumer) {
    return items[i].in && (consumer == PENDING_ALL || items[i].consumer == consumer);
}

/* All entries of a consumer between a random id and the end, both ways. */
static void check_index(const struct pending *p, uint32_t consumer) {
    uint32_t count = 0, from = draw32(2) == 0 ? 0 : draw32(IDS);
    struct pending_cursor c = pending_seek(p, consumer, id_of(from));
    for (uint32_t i = 0; i < IDS; i++) {
        if (!of_consumer(i, consumer)) continue;
        if (count++ == 0) check_entry(pending_first(p, consumer), i);
        if (i >= from) check_entry(pending_next(&c), i);
    }
    CHECK(pending_next(&c) == NULL);
    CHECK_INT(pending_count_of(p, consumer), count);
    from = draw32(2) == 0 ? IDS - 1 : draw32(IDS);
    c = pending_seek_back(p, consumer, id_of(from));
    bool last = true;
    for (uint32_t i = IDS; i-- > 0;) {
        if (!of_consumer(i, consumer)) continue;
        if (last) check_entry(pending_last(p, consumer), i);
        last = false;
        if (i <= from) check_entry(pending_next(&c), i);
    }
    CHECK(pending_next(&c) == NULL);
    if (count > 0) return;
    CHECK(pending_first(p, consumer) == NULL);
    CHECK(pending_last(p, consumer) == NULL);
}

static int list_compare(const void *a, const void *b) {
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    const struct item *x = &items[i], *y = &items[k];
    if (x->delivered_ms != y->delivered_ms) return x->delivered_ms < y->delivered_ms ? -1 : 1;
    if (x->consumer != 0) return i < k ? -1 : 1; /* by id */
    return x->stamp < y->stamp ? -1 : 1;
}

/* Both orders have the entries and the order that the array says. */
static void check_lists(const struct pending *p) {
    static uint32_t order[IDS];
    for (int owned = 0; owned < 2; owned++) {
        size_t n = 0;
        for (uint32_t i = 0; i < IDS; i++)
            if (items[i].in && (items[i].consumer != 0) == (owned != 0)) order[n++] = i;
        qsort(order, n, sizeof *order, list_compare);
        struct pending_entry *e = owned ? pending_oldest(p) : pending_first_nacked(p);
        for (size_t k = 0; k < n; k++) {
            check_entry(e, order[k]);
            e = owned ? pending_next_idle(p, e) : pending_next_nacked(p, e);
        }
        CHECK(e == NULL);
    }
}

/* A few questions for what is idle, as the array has it. */
static void check_idle(const struct pending *p) {
    struct pending_found found;
    for (int n = 0; n < 10; n++) {
        struct pending_idle_query q = {
            .consumer = draw32(2) == 0 ? PENDING_ALL : 1 + draw32(CONSUMERS),
            .from = draw32(2) == 0 ? ENTRY_ID_MIN : id_of(draw32(IDS)),
            .to = draw32(2) == 0 ? ENTRY_ID_MAX : id_of(draw32(IDS)),
            .delivered_max = draw32(600 + (uint32_t)stamp / 16),
            .count = draw32(3) == 0 ? SIZE_MAX : draw32(100),
        };
        size_t count = 0;
        pending_find_idle(p, &q, &found);
        for (uint32_t i = 0; i < IDS && count < q.count; i++) {
            bool in = entry_id_cmp(id_of(i), q.from) >= 0 && entry_id_cmp(id_of(i), q.to) <= 0;
            if (!in || !of_consumer(i, q.consumer) || items[i].delivered_ms > q.delivered_max)
                continue;
            CHECK(count < found.count);
            check_entry(found.entries[count++], i);
        }
        CHECK_INT(found.count, count);
        pending_found_clear(&found);
    }
}

static void check_all(const struct pending *p) {
    CHECK_INT(pending_count(p), item_count);
    for (uint32_t i = 0; i < IDS; i++) {
        struct pending_entry *e = pending_find(p, id_of(i));
        if (items[i].in)
            check_entry(e, i);
        else
            CHECK(e == NULL);
    }
    check_index(p, PENDING_ALL);
    for (uint32_t consumer = 1; consumer <= CONSUMERS; consumer++) check_index(p, consumer);
    check_lists(p);
    check_idle(p);
}

static void add(struct pending *p, uint32_t i, uint32_t consumer, uint64_t ms) {
    uint32_t deliveries = draw32(5) == 0 ? PENDING_FATAL : draw32(9);
    items[i] = (struct item){true, consumer, deliveries, consumer != 0 ? ms : 0, stamp++, NULL};
    items[i].entry = pending_add(p, id_of(i), i, consumer, ms, deliveries);
    item_count++;
}

static void drop(struct pending *p, uint32_t i) {
    pending_remove(p, items[i].entry);
    items[i].in = false;
    item_count--;
}

static void assign(struct pending *p, uint32_t i, uint32_t consumer) {
    struct item *item = &items[i];
    pending_assign(p, item->entry, consumer);
    if (consumer == 0) item->delivered_ms = 0;
    if (item->consumer == 0 || consumer == 0) item->stamp = stamp++;
    item->consumer = consumer;
}

/* A time near now, mostly; sometimes long ago. */
static uint64_t draw_ms(void) {
    return draw32(4) > 0 ? 500 + stamp / 16 : draw32(600 + (uint32_t)stamp / 16);
}

static void change(struct pending *p, uint32_t i) {
    uint32_t kind = draw32(3);
    if (kind == 0) {
        assign(p, i, draw32(CONSUMERS + 1));
    } else if (kind == 1) {
        assign(p, i, 1 + draw32(CONSUMERS));
        items[i].delivered_ms = draw_ms();
        items[i].stamp = stamp++;
        pending_deliver(p, items[i].entry, items[i].delivered_ms);
    } else {
        items[i].entry->deliveries = items[i].deliveries = draw32(100);
    }
}

TEST(random_changes_leave_what_a_plain_array_has) {
    struct pending p;
    pending_init(&p);
    for (int phase = 0; phase < 60; phase++) {
        /* A phase fills or empties, all over or in a narrow range of ids. */
        uint32_t adds = draw32(11), width = draw32(2) == 0 ? IDS : 1 + draw32(900);
        uint32_t base = draw32(IDS - width + 1);
        for (uint32_t step = draw32(8000); step > 0; step--) {
            uint32_t i = base + draw32(width);
            if (!items[i].in && draw32(10) < adds)
                add(&p, i, draw32(CONSUMERS + 1), draw_ms());
            else if (items[i].in && draw32(10) >= adds)
                drop(&p, i);
            else if (items[i].in)
                change(&p, i);
        }
        check_all(&p);
    }
    pending_clear(&p);
    CHECK_INT(pending_bytes(&p), 0);
    memset(items, 0, sizeof items);
    item_count = 0;
    check_all(&p);
}

TEST(everything_is_given_back_entry_by_entry) {
    struct pending p;
    pending_init(&p);
    uint32_t *order = shuffled(IDS);
    for (uint32_t i = 0; i < IDS; i++) add(&p, order[i], 1 + i % CONSUMERS, i);
    free(order);
    order = shuffled(IDS);
    for (uint32_t i = 0; i < IDS; i++) {
        drop(&p, order[i]);
        if (i % 1000 == 0) check_all(&p);
    }
    check_all(&p);
    CHECK(pending_bytes(&p) < 2000);
    pending_clear(&p);
    free(order);
}

TEST(an_empty_one_answers_everything) {
    struct pending p;
    pending_init(&p);
    CHECK_INT(pending_count(&p), 0);
    CHECK_INT(pending_count_of(&p, 7), 0);
    CHECK_INT(pending_count_of(&p, PENDING_UNOWNED), 0);
    CHECK(pending_find(&p, ENTRY_ID_MIN) == NULL);
    CHECK(pending_first(&p, PENDING_ALL) == NULL);
    CHECK(pending_last(&p, 3) == NULL);
    CHECK(pending_oldest(&p) == NULL);
    CHECK(pending_first_nacked(&p) == NULL);
    struct pending_cursor c = pending_seek(&p, PENDING_ALL, ENTRY_ID_MIN);
    CHECK(pending_next(&c) == NULL);
    pending_add(&p, ENTRY_ID_MAX, 0, 1, 5, 1);
    pending_add(&p, ENTRY_ID_MIN, 1, 2, 5, 1);
    CHECK_INT(pending_next(&c)->version, 1); /* the end was not final */
    CHECK_INT(pending_next(&c)->version, 0);
    CHECK(pending_next(&c) == NULL);
    pending_clear(&p);
}

TEST(a_cursor_goes_on_whatever_happens_to_the_entry_it_gave) {
    struct pending p;
    pending_init(&p);
    for (uint32_t i = 0; i < 1000; i++) pending_add(&p, id_of(i), i, 1, 0, 1);
    struct pending_cursor up = pending_seek(&p, 1, ENTRY_ID_MIN);
    struct pending_cursor down = pending_seek_back(&p, PENDING_ALL, ENTRY_ID_MAX);
    for (uint32_t i = 0; i < 400; i++) {
        struct pending_entry *e = pending_next(&up);
        CHECK_INT(e->version, i);
        if (i % 3 == 0) pending_assign(&p, e, 2);
        if (i % 3 == 1) pending_remove(&p, e);
        e = pending_next(&down);
        CHECK_INT(e->version, 999 - i);
        if (i % 2 == 0) pending_remove(&p, e);
    }
    CHECK_INT(pending_count_of(&p, 2), 134);
    pending_clear(&p);
    CHECK(pending_next(&up) == NULL);
    CHECK(pending_next(&down) == NULL);
}

TEST(an_older_time_goes_before_the_newer_ones_and_equals_stand_by_id) {
    struct pending p;
    pending_init(&p);
    uint64_t times[] = {30, 10, 20, 10, 5, 30, 20};
    const uint32_t expected[] = {4, 1, 3, 2, 6, 0, 5};
    for (uint32_t i = ARRAY_LEN(times); i-- > 0;)
        pending_add(&p, id_of(i), i, 1 + i % 2, times[i], 1);
    struct pending_entry *e = pending_oldest(&p);
    for (uint32_t i = 0; i < ARRAY_LEN(times); i++) {
        CHECK(e != NULL);
        CHECK_INT(e->version, expected[i]);
        e = pending_next_idle(&p, e);
    }
    CHECK(e == NULL);
    pending_clear(&p);
}

static size_t looked_for(const struct pending *p, uint64_t delivered_max, size_t count,
                         size_t found) {
    struct pending_found f;
    pending_find_idle(p,
                      &(struct pending_idle_query){.consumer = PENDING_ALL,
                                                   .to = ENTRY_ID_MAX,
                                                   .delivered_max = delivered_max,
                                                   .count = count},
                      &f);
    CHECK_INT(f.count, found);
    size_t looked = f.looked;
    pending_found_clear(&f);
    return looked;
}

TEST(few_that_are_idle_are_found_without_a_look_at_all) {
    struct pending p;
    pending_init(&p);
    for (uint32_t i = 0; i < 100000; i++) pending_add(&p, id_of(i), i, 1, 1000, 1);
    CHECK(looked_for(&p, 999, 10, 0) <= 2000);
    for (uint32_t i = 0; i < 5; i++) pending_deliver(&p, pending_find(&p, id_of(99000 + i)), 7);
    for (uint32_t i = 0; i < 5; i++)
        pending_assign(&p, pending_find(&p, id_of(98000 + i)), PENDING_UNOWNED);
    CHECK(looked_for(&p, 999, SIZE_MAX, 10) <= 2000);
    CHECK(looked_for(&p, 999, 3, 3) <= 2000);
    /* All of them are: the first ones come soon. */
    CHECK(looked_for(&p, 1000, 10, 10) <= 2000);
    CHECK_INT(looked_for(&p, 1000, SIZE_MAX, 100000) / 100000, 1);
    /* The first ones are not, half of them are: whichever is shorter. */
    for (uint32_t i = 0; i < 30000; i++) pending_deliver(&p, pending_find(&p, id_of(i)), 2000);
    CHECK(looked_for(&p, 1000, 10, 10) <= 62000);
    pending_clear(&p);
}

TEST(what_is_added_is_not_among_those_that_were_skipped) {
    struct pending p;
    pending_init(&p);
    for (uint32_t i = 0; i < 10; i++) pending_add(&p, id_of(i), i, 1, 1, 1);
    p.gone = id_of(7);
    pending_add(&p, id_of(12), 12, 1, 1, 1);
    CHECK(entry_id_cmp(p.gone, id_of(7)) == 0);
    pending_remove(&p, pending_find(&p, id_of(3)));
    pending_add(&p, id_of(3), 3, 1, 1, 1);
    CHECK(entry_id_cmp(p.gone, id_of(3)) == 0);
    pending_clear(&p);
    CHECK(entry_id_cmp(p.gone, ENTRY_ID_MIN) == 0);
}

TEST(the_lowest_that_was_removed_is_known_apart_from_those_that_came_first) {
    struct pending p;
    pending_init(&p);
    for (uint32_t i = 10; i < 20; i++) pending_add(&p, id_of(i), i, 1, 1, 1);
    p.removed_first = p.removed_behind = UINT32_MAX;
    pending_remove(&p, pending_find(&p, id_of(10)));
    pending_remove(&p, pending_find(&p, id_of(11)));
    CHECK_INT(p.removed_first, 10);
    CHECK_INT(p.removed_behind, UINT32_MAX);
    pending_remove(&p, pending_find(&p, id_of(17)));
    pending_remove(&p, pending_find(&p, id_of(15)));
    pending_remove(&p, pending_find(&p, id_of(16)));
    CHECK_INT(p.removed_first, 10);
    CHECK_INT(p.removed_behind, 15);
    pending_add(&p, id_of(5), 5, 1, 1, 1); /* now those stand behind another one */
    CHECK_INT(p.removed_first, UINT32_MAX);
    CHECK_INT(p.removed_behind, 10);
    pending_clear(&p);
}

TEST(unowned_entries_come_out_in_the_order_in_which_they_were_given_back) {
    struct pending p;
    pending_init(&p);
    struct pending_entry *e[4];
    for (uint32_t i = 0; i < 4; i++) e[i] = pending_add(&p, id_of(i), i, 1, 50, 1);
    pending_assign(&p, e[2], PENDING_UNOWNED);
    pending_assign(&p, e[0], PENDING_UNOWNED);
    pending_assign(&p, e[3], PENDING_UNOWNED);
    pending_assign(&p, e[2], PENDING_UNOWNED); /* once more: now the last */
    CHECK_INT(pending_count_of(&p, PENDING_UNOWNED), 3);
    CHECK_INT(pending_delivered(e[2]), 0);
    CHECK(pending_first_nacked(&p) == e[0]);
    CHECK(pending_next_nacked(&p, e[0]) == e[3]);
    CHECK(pending_next_nacked(&p, e[3]) == e[2]);
    CHECK(pending_next_nacked(&p, e[2]) == NULL);
    CHECK(pending_oldest(&p) == e[1]);
    pending_assign(&p, e[0], 9);
    CHECK(pending_oldest(&p) == e[0]); /* no time yet */
    pending_deliver(&p, e[0], 60);
    CHECK(pending_oldest(&p) == e[1]);
    CHECK(pending_next_idle(&p, e[1]) == e[0]);
    CHECK(pending_first(&p, 9) == e[0]);
    pending_clear(&p);
}

/* ---- Memory ---- */

static void check_bytes_per_entry(const struct pending *p, double most) {
    double bytes = (double)pending_bytes(p) / pending_count(p);
    if (bytes > most) {
        fprintf(stderr, "  %.2f bytes an entry, not %.0f\n", bytes, most);
        exit(1);
    }
}

TEST(a_million_entries_take_at_most_60_bytes_each) {
    struct pending p;
    pending_init(&p);
    struct pending_entry **entries = xmalloc(MILLION * sizeof *entries);
    for (uint32_t i = 0; i < MILLION; i++) entries[i] = pending_add(&p, id_of(i), i, 1, i, 1);
    check_bytes_per_entry(&p, 60);
    /* Half of them go, whichever, and come again, in another order. */
    uint32_t *order = shuffled(MILLION);
    for (uint32_t i = 0; i < MILLION / 2; i++) pending_remove(&p, entries[order[i]]);
    for (uint32_t i = MILLION / 2; i-- > 0;)
        pending_add(&p, id_of(order[i]), order[i], 1, MILLION, 1);
    CHECK_INT(pending_count(&p), MILLION);
    check_bytes_per_entry(&p, 60);
    /* And once more, but this time new ones come. */
    for (uint32_t i = 0; i < MILLION / 2; i++)
        pending_remove(&p, pending_find(&p, id_of(order[i])));
    for (uint32_t i = MILLION; i < MILLION + MILLION / 2; i++)
        pending_add(&p, id_of(i), i, 1, MILLION, 1);
    CHECK_INT(pending_count(&p), MILLION);
    check_bytes_per_entry(&p, 60);
    pending_clear(&p);
    free(order);
    free(entries);
}

TEST(a_million_entries_in_any_order_and_of_many_consumers_take_at_most_60_bytes_each) {
    struct pending p;
    pending_init(&p);
    uint32_t *order = shuffled(MILLION);
    for (uint32_t i = 0; i < MILLION; i++)
        pending_add(&p, id_of(order[i]), order[i], 1 + i % 100, draw32(MILLION), 1);
    check_bytes_per_entry(&p, 60);
    pending_clear(&p);
    for (uint32_t i = MILLION; i-- > 0;) pending_add(&p, id_of(i), i, 1 + i / 1000, MILLION - i, 1);
    check_bytes_per_entry(&p, 60);
    pending_clear(&p);
    free(order);
}

TEST(a_queue_keeps_its_memory_at_what_is_in_it) {
    struct pending p;
    pending_init(&p);
    for (uint32_t i = 0; i < 300000; i++) {
        pending_add(&p, id_of(i), i, 1, i, 1);
        if (i >= 20000) pending_remove(&p, pending_find(&p, id_of(i - 20000)));
    }
    check_bytes_per_entry(&p, 70);
    for (uint32_t i = 280000; i < 299900; i++) pending_remove(&p, pending_find(&p, id_of(i)));
    CHECK_INT(pending_count(&p), 100);
    CHECK(pending_bytes(&p) < 150000);
    pending_clear(&p);
}

TEST(ten_thousand_consumers_with_an_entry_each_take_less_than_200_bytes_each) {
    struct pending p;
    pending_init(&p);
    for (uint32_t i = 0; i < 10000; i++) pending_add(&p, id_of(i), i, i + 1, i, 1);
    check_bytes_per_entry(&p, 199);
    for (uint32_t i = 0; i < 10000; i++) {
        CHECK_INT(pending_count_of(&p, i + 1), 1);
        CHECK_INT(pending_first(&p, i + 1)->version, i);
    }
    pending_clear(&p);
}

TEST(one_entry_takes_little) {
    struct pending p;
    pending_init(&p);
    pending_add(&p, id_of(0), 0, 1, 0, 1);
    CHECK(pending_bytes(&p) < 1200);
    pending_clear(&p);
}
