/* Tests of what the load generator's consumers, followers and subscribers make of replies: entries
 * and events found in both protocols, in pieces of every size, and the request that follows from
 * them. The parts belong to no library, so they are compiled in here. */
#include "unit.h"

#include "bench/entries.c"
#include "bench/hist.c"
#include "bench/piece.c"
#include "bench/talk.c"

/* ---- entries */

#define ENTRY_1    "*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nd\r\n$5\r\nfirst\r\n"
#define ENTRY_2    "*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\nd\r\n$0\r\n\r\n$1\r\ne\r\n$1\r\nx\r\n"
#define ENTRY_GONE "*2\r\n$3\r\n2-0\r\n*-1\r\n"
#define PAGE_2     "*1\r\n*2\r\n$3\r\ns:0\r\n*3\r\n" ENTRY_1 ENTRY_2 ENTRY_GONE
#define PAGE_3     "%1\r\n$3\r\ns:0\r\n*3\r\n" ENTRY_1 ENTRY_2 "*2\r\n$3\r\n2-0\r\n_\r\n"

/* Every shorter text is unfinished, and what follows the reply does not matter. */
static void read_whole(struct entries *e, const char *text) {
    char more[1024];
    size_t len = strlen(text);

    for (size_t n = 0; n < len; n++) CHECK_INT(entries_read(e, text, n), 0);
    snprintf(more, sizeof more, "%s+OK\r\n", text);
    CHECK_INT(entries_read(e, more, strlen(more)), len);
    CHECK_INT(entries_read(e, text, len), len);
}

TEST(entries_are_found_in_pages_of_both_protocols) {
    static const char *const pages[] = {PAGE_2, PAGE_3};
    struct entries e = {0};

    for (size_t i = 0; i < 2; i++) {
        read_whole(&e, pages[i]);
        CHECK_INT(e.kind, ENTRIES_LIST);
        CHECK_INT(e.count, 3);
        CHECK(e.list[0].id_len == 3 && memcmp(e.list[0].id, "1-0", 3) == 0);
        CHECK(e.list[0].value_len == 5 && memcmp(e.list[0].value, "first", 5) == 0);
        CHECK(e.list[1].value != NULL && e.list[1].value_len == 0);
        CHECK(e.list[2].id_len == 3 && memcmp(e.list[2].id, "2-0", 3) == 0);
        CHECK(e.list[2].value == NULL);
    }
    free(e.list);
}

TEST(entries_of_several_streams_are_one_list) {
    struct entries e = {0};
    read_whole(&e, "*2\r\n*2\r\n$1\r\na\r\n*1\r\n" ENTRY_1 "*2\r\n$1\r\nb\r\n*1\r\n" ENTRY_2);
    CHECK_INT(e.count, 2);
    read_whole(&e, "%2\r\n$1\r\na\r\n*1\r\n" ENTRY_1 "$1\r\nb\r\n*0\r\n");
    CHECK_INT(e.count, 1);
    free(e.list);
}

TEST(short_replies_say_what_they_are) {
    struct entries e = {0};
    read_whole(&e, "*-1\r\n");
    CHECK_INT(e.kind, ENTRIES_NONE);
    read_whole(&e, "_\r\n");
    CHECK_INT(e.kind, ENTRIES_NONE);
    read_whole(&e, "$-1\r\n");
    CHECK_INT(e.kind, ENTRIES_NONE);
    read_whole(&e, ":-17\r\n");
    CHECK_INT(e.kind, ENTRIES_NUMBER);
    CHECK_INT(e.number, -17);
    read_whole(&e, "$5\r\n1-\r\n0\r\n");
    CHECK_INT(e.kind, ENTRIES_TEXT);
    CHECK(e.text_len == 5 && memcmp(e.text, "1-\r\n0", 5) == 0);
    read_whole(&e, "-NOGROUP no\r\n");
    CHECK_INT(e.kind, ENTRIES_ERROR);
    CHECK(e.text_len == 10 && memcmp(e.text, "NOGROUP no", 10) == 0);
}

TEST(what_is_no_page_of_entries_is_refused) {
    static const char *const bad[] = {"*1\r\n*3\r\n$1\r\na\r\n",
                                      "*1\r\n$1\r\na\r\n",
                                      "*1\r\n*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
                                      "*1\r\n*2\r\n$1\r\na\r\n*1\r\n*1\r\n$1\r\nb\r\n",
                                      "*1\r\n*2\r\n$1\r\nab\r\n",
                                      "*1\r\n*2\r\n$-1\r\n",
                                      "*x\r\n",
                                      "*\r\n",
                                      "+OK\n",
                                      "hello\r\n",
                                      "\r\n"};
    struct entries e = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_INT(entries_read(&e, bad[i], strlen(bad[i])), -1);
    free(e.list);
}

/* ---- consumers and followers */

/* The reply arrives in pieces of `step` bytes. */
static int hear(struct talk *t, struct role *role, const char *text, size_t step, uint64_t now) {
    int rc = 0;
    for (size_t at = 0, len = strlen(text); at < len && rc == 0; at += step)
        rc = talk_take(t, role, text + at, len - at < step ? len - at : step, now);
    return rc;
}

static bool says(const struct talk *t, const char *text) {
    return t->out.len == strlen(text) && memcmp(t->out.bytes, text, t->out.len) == 0;
}

#define READ_PAGE                                                                                  \
    "*9\r\n$10\r\nXREADGROUP\r\n$5\r\nGROUP\r\n$1\r\ng\r\n$10\r\nconsumer-3\r\n$5\r\nCOUNT\r\n"    \
    "$1\r\n9\r\n$7\r\nSTREAMS\r\n$3\r\ns:0\r\n$1\r\n>\r\n"

static struct role *new_role(void) {
    static struct role role;
    memset(&role, 0, sizeof role);
    return &role;
}

TEST(a_consumer_reads_and_acknowledges_what_it_got_in_turn) {
    static const struct talk_spec spec = {
        .kind = TALK_GROUP, .stream = "s:0", .group = "g", .count = 9};

    for (size_t step = 1; step < sizeof PAGE_2; step++) {
        struct role *role = new_role();
        struct talk t;
        talk_init(&t, &spec, 3);
        talk_begin(&t, role, 1000);
        CHECK(says(&t, READ_PAGE));
        CHECK_INT(hear(&t, role, PAGE_2, step, 3000), 0);
        CHECK(says(&t, "*6\r\n$4\r\nXACK\r\n$3\r\ns:0\r\n$1\r\ng\r\n"
                       "$3\r\n1-0\r\n$3\r\n1-1\r\n$3\r\n2-0\r\n"));
        CHECK_INT(role->sum.events, 0);
        CHECK_INT(hear(&t, role, ":3\r\n", step, 5000), 0);
        CHECK(says(&t, READ_PAGE));
        CHECK_INT(role->requests, 1);
        CHECK_INT(role->sum.events, 3);
        CHECK_INT(role->hist.max_ns, 4000);
        CHECK_INT(hear(&t, role, "*-1\r\n", step, 6000), 0);
        CHECK(says(&t, ""));
        CHECK_INT(role->sum.empties, 1);
        talk_clear(&t);
    }
}

TEST(a_consumer_that_keeps_its_entries_only_reads) {
    static const struct talk_spec spec = {
        .kind = TALK_GROUP, .stream = "s:0", .group = "g", .count = 9, .keep = true};
    struct role *role = new_role();
    struct talk t;

    role->limit = 2;
    talk_init(&t, &spec, 3);
    talk_begin(&t, role, 0);
    CHECK_INT(hear(&t, role, PAGE_3, 1000, 1), 0);
    CHECK(says(&t, READ_PAGE));
    CHECK_INT(hear(&t, role, PAGE_3, 1000, 1), 0);
    CHECK(says(&t, "")); /* the limit is reached */
    CHECK_INT(role->requests, 2);
    CHECK_INT(role->sum.events, 6);
    talk_clear(&t);
}

TEST(a_consumer_gives_up_at_errors_and_at_entries_not_acknowledged) {
    static const struct talk_spec spec = {
        .kind = TALK_GROUP, .stream = "s:0", .group = "g", .count = 9};
    static const char *const bad[][2] = {{"-NOGROUP gone\r\n", "NOGROUP gone"},
                                         {":1\r\n", "a reply that is no list"},
                                         {"*1\r\n+a\r\n", "not a reply of a stream command"},
                                         {"*-1\r\n*-1\r\n", "more replies than requests"}};
    struct role *role = new_role();
    struct talk t;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        role = new_role();
        talk_init(&t, &spec, 0);
        talk_begin(&t, role, 0);
        CHECK_INT(hear(&t, role, bad[i][0], 1000, 1), -1);
        CHECK(strncmp(role->sum.first_error, bad[i][1], strlen(bad[i][1])) == 0);
        talk_clear(&t);
    }
    role = new_role();
    talk_init(&t, &spec, 0);
    talk_begin(&t, role, 0);
    CHECK_INT(hear(&t, role, PAGE_2, 1000, 1), 0);
    CHECK_INT(hear(&t, role, ":2\r\n", 1000, 2), -1);
    CHECK_INT(role->sum.events, 0);
    talk_clear(&t);
}

#define STAMPED(id, time, number)                                                                  \
    "*2\r\n$3\r\n" id "\r\n*2\r\n$1\r\nd\r\n$36\r\n" time number "rest\r\n"
#define AFTER(id)                                                                                  \
    "*6\r\n$5\r\nXREAD\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$3\r\ns:0\r\n$3\r\n" id "\r"  \
    "\n"
#define AT_1000 "00000000000000001000"

TEST(a_follower_asks_after_its_last_entry_and_times_each) {
    static const struct talk_spec spec = {.kind = TALK_FOLLOW, .stream = "s:0", .after = "0-7"};
    static const char page_2[] =
        "*1\r\n*2\r\n$3\r\ns:0\r\n*2\r\n" STAMPED("1-0", AT_1000, "000000000000")
            STAMPED("1-1", "00000000000000005000", "000000000001");

    for (size_t step = 1; step < sizeof page_2; step++) {
        struct role *role = new_role();
        struct talk t;
        talk_init(&t, &spec, 0);
        talk_begin(&t, role, 0);
        CHECK(says(&t, AFTER("0-7")));
        CHECK_INT(hear(&t, role, page_2, step, 5001), 0);
        CHECK(says(&t, AFTER("1-1")));
        CHECK_INT(role->sum.events, 2);
        CHECK_INT(role->requests, 1);
        CHECK_INT(role->hist.count, 2);
        CHECK_INT(role->hist.sum_ns, 4002);
        talk_clear(&t);
    }
}

TEST(a_follower_gives_up_at_an_entry_without_its_time) {
    static const struct talk_spec spec = {.kind = TALK_FOLLOW, .stream = "s:0", .after = "0-7"};
    static const char *const bad[] = {
        PAGE_2, "%1\r\n$3\r\ns:0\r\n*1\r\n" STAMPED("1-0", "0000000000x000001000", "000000000000"),
        "%1\r\n$3\r\ns:0\r\n*1\r\n" STAMPED("1-0", "00000000000000009999", "000000000000")};
    for (size_t i = 0; i < 3; i++) {
        struct role *role = new_role();
        struct talk t;
        talk_init(&t, &spec, 0);
        talk_begin(&t, role, 0);
        CHECK_INT(hear(&t, role, bad[i], 1000, 5000), -1);
        CHECK(role->sum.first_error[0] != '\0');
        talk_clear(&t);
    }
}

/* ---- subscribers */

#define ID                       "+0b0e7c5a-6c1f-5d0e-9b7a-2f1d4c3b2a19\r\n"
#define FIELDS(number, rest)     "*2\r\n$1\r\nt\r\n$36\r\n" AT_1000 number rest "\r\n"
#define EVENT_2(cursor, n, rest) "*4\r\n+event\r\n" ID ":" cursor "\r\n" FIELDS(n, rest)
#define EVENT_3(cursor, n, rest) ">4\r\n+event\r\n" ID ":" cursor "\r\n" FIELDS(n, rest)
#define NUMBERED(n)              "00000000000" n

static const struct talk_spec push = {.kind = TALK_PUSH,
                                      .stream = "*",
                                      .after = "7",
                                      .payload = "................................rest",
                                      .payload_len = 36};

/* What comes of these bytes in pieces of `step`. */
static int subscribed(struct role **role, const char *text, size_t step) {
    struct talk t;
    *role = new_role();
    talk_init(&t, &push, 0);
    talk_begin(&t, *role, 0);
    CHECK(says(&t, "*6\r\n$10\r\nESUBSCRIBE\r\n$1\r\n*\r\n$4\r\nFROM\r\n$1\r\n7\r\n"
                   "$6\r\nFIELDS\r\n$28\r\nstream_id,event_name,payload\r\n"));
    int rc = hear(&t, *role, text, step, 3000);
    CHECK(says(&t, ""));
    talk_clear(&t);
    return rc;
}

TEST(a_subscriber_counts_each_event_once_in_both_protocols) {
    static const char *const all[] = {
        "*4\r\n$2\r\nid\r\n" ID "$4\r\nfrom\r\n:7\r\n" EVENT_2("7", NUMBERED("1"), "rest")
            EVENT_2("9", NUMBERED("0"), "rest") "*3\r\n+caughtup\r\n" ID ":10\r\n" EVENT_2(
                "12", NUMBERED("2"), "rest") "*3\r\n+position\r\n" ID ":19\r\n",
        "%2\r\n$2\r\nid\r\n" ID "$4\r\nfrom\r\n:7\r\n" EVENT_3("7", NUMBERED("1"), "rest")
            EVENT_3("9", NUMBERED("0"), "rest") ">3\r\n+caughtup\r\n" ID ":10\r\n" EVENT_3(
                "12", NUMBERED("2"), "rest") ">3\r\n+position\r\n" ID ":19\r\n"};
    struct role *role;

    for (size_t i = 0; i < 2; i++)
        for (size_t step = 1; step <= strlen(all[i]); step++) {
            CHECK_INT(subscribed(&role, all[i], step), 0);
            CHECK_INT(role->sum.events, 3);
            CHECK_INT(role->hist.sum_ns, 6000);
        }
}

TEST(a_subscriber_gives_up_at_what_comes_twice_or_never_or_changed) {
    static const char *const bad[][2] = {
        {EVENT_2("7", NUMBERED("0"), "rest") EVENT_2("8", NUMBERED("0"), "rest"), "not the next"},
        {EVENT_2("7", NUMBERED("0"), "rest") EVENT_2("7", NUMBERED("1"), "rest"), "a cursor"},
        {EVENT_2("7", "000000065536", "rest"), "not the next"},
        {EVENT_2("7", NUMBERED("x"), "rest"), "not the next"},
        {EVENT_2("7", NUMBERED("0"), "rust"), "an event that is not what was sent"},
        {"*4\r\n+event\r\n" ID ":7\r\n*1\r\n$4\r\nrest\r\n", "an event without a stamp"},
        {"*3\r\n+end\r\n" ID "+flushed\r\n", "the subscription ended: flushed"},
        {"-ERR no\r\n", "the subscription ended: ERR no"},
        {"*4\r\n+event\r\n" ID "+7\r\n", "not a message"},
        {"hello\r\n", "not a message"}};
    struct role *role;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(subscribed(&role, bad[i][0], 1000), -1);
        CHECK(strncmp(role->sum.first_error, bad[i][1], strlen(bad[i][1])) == 0);
    }
}

/* Numbers in any order, as several connections send them; far more than are kept. */
TEST(a_subscriber_hears_of_very_many_events) {
    struct role *role = new_role();
    struct talk t;
    char text[200];

    talk_init(&t, &push, 0);
    talk_begin(&t, role, 0);
    for (unsigned i = 0; i < 3 * TALK_AHEAD; i++) {
        snprintf(text, sizeof text,
                 "*4\r\n+event\r\n" ID ":%u\r\n*1\r\n$36\r\n" AT_1000 "%012urest\r\n", i, i ^ 3);
        CHECK_INT(hear(&t, role, text, sizeof text, 2000), 0);
    }
    CHECK_INT(t.next, 3 * TALK_AHEAD);
    talk_clear(&t);
}

/* ---- listeners */

#define AT_TIME(n)         "00000000000000001000" NUMBERED(n)
#define DATA(number, rest) "{\"a\":1,\"data\":\"" AT_TIME(number) rest "\"}"

/* What a listener makes of these bytes in pieces of `step`; `hears` when it has been answered. */
static int listened(struct role **role, const char *stream, bool json, const char *text,
                    size_t step) {
    struct talk t;
    struct talk_spec spec = push;
    char asks[64];
    spec.kind = TALK_LISTEN;
    spec.stream = stream;
    spec.json = json;
    *role = new_role();
    talk_init(&t, &spec, 0);
    talk_begin(&t, *role, 0);
    bool pattern = strchr(stream, '*') != NULL;
    snprintf(asks, sizeof asks, "*2\r\n$%d\r\n%sSUBSCRIBE\r\n$%zu\r\n%s\r\n", pattern ? 10 : 9,
             pattern ? "P" : "", strlen(stream), stream);
    CHECK(says(&t, asks));
    CHECK(!t.hears);
    int rc = hear(&t, *role, text, step, 3000);
    CHECK(t.hears);
    talk_clear(&t);
    return rc;
}

static void check_listened(const char *stream, bool json, const char *text, int rc, size_t events) {
    struct role *role;
    for (size_t step = 1; step <= strlen(text); step++) {
        CHECK_INT(listened(&role, stream, json, text, step), rc);
        CHECK_INT(role->sum.events, events);
    }
}

TEST(a_listener_counts_each_message_once) {
#define ANSWER  "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
#define PANSWER ">3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:1\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n"
    const char *one = MESSAGE "$36\r\n" AT_TIME("1") "rest\r\n";
    char text[512];
    snprintf(text, sizeof text, ANSWER "%s" MESSAGE "$36\r\n" AT_TIME("0") "rest\r\n", one);
    check_listened("c", false, text, 0, 2);
    snprintf(text, sizeof text, ANSWER "%s%s", one, one);
    check_listened("c", false, text, -1, 1);
    check_listened(
        "c*", true,
        PANSWER ">4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$53\r\n" DATA("0", "rest") "\r\n",
        0, 1);
    check_listened("c", true, ANSWER MESSAGE "$36\r\n" AT_TIME("0") "rest\r\n", -1, 0);
}
