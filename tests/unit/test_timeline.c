/* The list of timelines: what it answers against a naive model, which keeps whole histories. */
#include "unit.h"

#include "record/timeline.h"

static void add(struct timelines *t, uint32_t id, uint64_t began) {
    timelines_add(t, &(struct timeline_record){began, 1, id, TIMELINE_RESTORED});
}

static uint64_t end_of(const struct timelines *t, uint32_t id) {
    uint64_t end = 12345;
    CHECK(timelines_find(t, id, &end, NULL));
    return end;
}

TEST(a_position_is_right_below_everything_that_later_timelines_took_away) {
    struct timelines t = {0};
    const struct timeline_record *next;
    uint64_t end;
    add(&t, 1, 0);
    CHECK(end_of(&t, 1) == UINT64_MAX);
    add(&t, 2, 150);
    CHECK_INT(end_of(&t, 1), 150);
    CHECK(end_of(&t, 2) == UINT64_MAX);
    add(&t, 3, 300);
    CHECK_INT(end_of(&t, 1), 150);
    CHECK_INT(end_of(&t, 2), 300);
    add(&t, 4, 100);
    CHECK_INT(end_of(&t, 1), 100);
    CHECK_INT(end_of(&t, 2), 100);
    CHECK_INT(end_of(&t, 3), 100);
    CHECK(timelines_find(&t, 1, &end, &next));
    CHECK_INT(next->id, 4);
    add(&t, 5, 100);
    CHECK(timelines_find(&t, 4, &end, &next));
    CHECK_INT(next->id, 5);
    CHECK(timelines_find(&t, 1, &end, &next));
    CHECK_INT(next->id, 4); /* it was the first to do so */
    CHECK(!timelines_find(&t, 6, &end, NULL));
    timelines_drop_last(&t);
    CHECK(end_of(&t, 4) == UINT64_MAX);
    CHECK(!timelines_find(&t, 5, &end, NULL));
    timelines_clear(&t);
}

TEST(the_oldest_of_too_many_are_forgotten) {
    struct timelines t = {0};
    uint64_t end;
    for (uint32_t i = 0; i < TIMELINES_MAX + 3; i++) add(&t, i, i);
    CHECK_INT(t.count, TIMELINES_MAX);
    CHECK(!timelines_find(&t, 2, &end, NULL));
    CHECK_INT(end_of(&t, 3), 4);
    timelines_clear(&t);
}

TEST(an_id_is_eight_digits) {
    char text[TIMELINE_TEXT_LEN + 1];
    uint32_t id = 1;
    struct uuid u = {{0x00, 0xab, 0xcd, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    timeline_format(timeline_of_store(&u), text);
    CHECK(strcmp(text, "00abcdef") == 0);
    CHECK(timeline_parse(STR("00abCDEF"), &id));
    CHECK_INT(id, 0xabcdef);
    static const char *const bad[] = {"", "0", "00abcde", "00abcdef0", "00abcdeg", "-0abcdef"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) CHECK(!timeline_parse(str_c(bad[i]), &id));
    for (uint32_t r = TIMELINE_FIRST; r <= TIMELINE_ASKED; r++)
        CHECK_INT(timeline_reason_of(str_c(timeline_reason_word(r))), r);
    CHECK_INT(timeline_reason_of(STR("else")), 0);
}

/* --- against whole histories ------------------------------------------------------ */

#define STORES   6
#define LENGTH   64
#define TOLD_MAX 2000

struct history {
    uint32_t events[LENGTH]; /* no two of all histories are the same */
    size_t length;
};

static struct store_model {
    struct timelines timelines;
    struct history history;
} stores[STORES];

/* The longest history that was told on each timeline, by any store. */
static struct told {
    uint32_t id;
    struct history history;
} told[TOLD_MAX];
static size_t told_count;

static void tell(const struct store_model *s) {
    uint32_t id = timelines_current(&s->timelines)->id;
    size_t i = 0;
    while (i < told_count && told[i].id != id) i++;
    if (i == told_count) told_count++;
    CHECK(told_count <= TOLD_MAX);
    told[i].id = id;
    told[i].history = s->history;
}

static void begin(struct store_model *s) {
    add(&s->timelines, timelines_draw(&s->timelines), s->history.length);
    tell(s);
}

static size_t common(const struct history *a, const struct history *b) {
    size_t n = 0;
    while (n < MIN(a->length, b->length) && a->events[n] == b->events[n]) n++;
    return n;
}

static void check_told(const struct store_model *s) {
    uint32_t current = timelines_current(&s->timelines)->id;
    for (size_t i = 0; i < told_count; i++) {
        uint64_t end;
        if (!timelines_find(&s->timelines, told[i].id, &end, NULL)) continue;
        if (told[i].id == current)
            CHECK(end == UINT64_MAX);
        else
            CHECK_INT(end, common(&told[i].history, &s->history));
    }
}

static void copy_to(struct store_model *to, const struct store_model *from) {
    timelines_clear(&to->timelines);
    for (size_t i = 0; i < from->timelines.count; i++)
        timelines_add(&to->timelines, &from->timelines.items[i]);
    to->history = from->history;
}

TEST(positions_are_right_exactly_as_far_as_the_histories_are_the_same) {
    static uint32_t events;
    for (size_t i = 0; i < STORES; i++) begin(&stores[i]);
    for (int step = 0; step < 4000 && told_count < TOLD_MAX - 1; step++) {
        struct store_model *s = &stores[draw(STORES)];
        struct store_model *other = &stores[draw(STORES)];
        switch (draw(12)) {
        case 0: /* FLUSHALL */
            s->history.length = 0;
            begin(s);
            break;
        case 1: /* a crash with interval */
            s->history.length -= draw(s->history.length + 1);
            begin(s);
            break;
        case 2: /* a backup is restored elsewhere */
            if (s == other) break;
            copy_to(other, s);
            begin(other);
            break;
        default:
            if (s->history.length < LENGTH) s->history.events[s->history.length++] = ++events;
            tell(s);
        }
        check_told(s);
        check_told(other);
    }
    for (size_t i = 0; i < STORES; i++) timelines_clear(&stores[i].timelines);
}
