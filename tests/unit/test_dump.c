/* Dumps, ours and those that Redis reads: what is written is read back the same, and no bytes,
 * however wrong, get past rdb_read and dump_parse into the model. */
#include "unit.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "record/fields.h"
#include "store/internal.h"
#include "stream/append.h"
#include "stream/dump/internal.h"
#include "stream/internal.h"
#include "stream/dump/rdb_parts.h"
#include "stream/gone/remove.h"

static struct model model, *m = &model;
static struct store *store;

static void on_durable(struct batch *b, void *arg) {
    UNUSED(b);
    UNUSED(arg);
}
static void on_applied(uint64_t frame, void *arg) {
    UNUSED(frame);
    UNUSED(arg);
}
static void on_voided(const char *why, void *arg) {
    UNUSED(why);
    UNUSED(arg);
}
static void on_resumed(void *arg) {
    UNUSED(arg);
}

static void on_apply_failed(void *arg) {
    UNUSED(arg);
}

static void start(void) {
    struct err err;
    struct store_config config = {.url = "memory:", .reader_count = 1, .apply_bytes = 1u << 20};
    struct store_callbacks callbacks = {.durable = on_durable,
                                        .applied = on_applied,
                                        .voided = on_voided,
                                        .resumed = on_resumed,
                                        .apply_failed = on_apply_failed};
    hash_seed();
    CHECK(store_open(&store, &config, &err) == 0);
    CHECK(store_start(store, &callbacks, &err) == 0);
    model_init(m, store, 1u << 30, false);
    model_tick(m, 1700000000000);
}

static void stop(void) {
    struct err err;
    model_submit(m);
    CHECK(store_close(store, &err) == 0);
    model_clear(m);
}

static struct stream *stream_of(const char *name) {
    struct stream *s = model_stream(m, str_c(name));
    CHECK(s != NULL);
    return s;
}

static void add(struct stream *s, uint64_t ms) {
    struct str fields[] = {STR("type"), STR("a"), STR("\xff"), STR("")};
    struct entry_add a = {.kind = ENTRY_ID_GIVEN, .id = {ms, 1}, .fields = fields, .count = 4};
    CHECK_INT(model_add_entry(m, s, &a), ENTRY_OK);
}

/* Events of both kinds, one erased, one deleted; two groups with all that groups can have. */
static struct stream *make_all(void) {
    struct stream *s = stream_of("all");
    for (uint64_t ms = 1; ms <= 5; ms++) add(s, ms);
    struct append a = {.stream = s, .stream_name = STR("all"), .has_id = true};
    struct uuid correlation = {{1}}, key = {{2}};
    a.fields = (struct event_fields){.type = STR("Paid"),
                                     .payload = STR("{}"),
                                     .metadata = STR("m"),
                                     .aggregate = STR("agg"),
                                     .correlation = &correlation,
                                     .partition_key = &key};
    a.fields.event_id = (struct uuid){{3}};
    struct append_result result;
    model_append(m, &a, 1, &result);
    CHECK_INT(result.status, APPEND_OK);
    struct event *gone = stream_event(s, 2);
    model_erase(m, s, stream_event(s, 1));
    model_remove(m, s, &gone, 1);
    struct cgroup *g = cgroup_add(m, s, STR("g"), (struct entry_id){4, 1}, 3);
    struct consumer *first = cgroup_add_consumer(m, g, STR("zoe"));
    cgroup_drop_consumer(m, g, cgroup_add_consumer(m, g, STR("gone")));
    struct consumer *second = cgroup_add_consumer(m, g, STR("ann"));
    second->active = 77;
    cgroup_pend(m, g, (struct entry_id){1, 1}, 0, first, 1000, 1);
    cgroup_pend(m, g, (struct entry_id){2, 1}, 1, second, 900, DELIVERIES_MAX);
    cgroup_pend(m, g, (struct entry_id){3, 1}, 2, second, 950, 2); /* of the deleted one */
    cgroup_pend(m, g, (struct entry_id){5, 1}, 4, NULL, 0, 4);
    cgroup_pend(m, g, (struct entry_id){4, 1}, 3, NULL, 0, 5);
    cgroup_add(m, s, STR("h"), (struct entry_id){0, 0}, -1);
    model_set_last_id(m, s, (struct entry_id){UINT64_MAX, 9}, 40, &(struct entry_id){8, 8});
    return s;
}

static struct buf dump_of(const struct stream *s) {
    struct buf out;
    struct event *events[16];
    size_t n = 0, bytes = dump_other_bytes(s);
    for (uint64_t v = 0; !stream_is_string(s) && v < s->next_version; v++) {
        if (!stream_has_version(s, v)) continue;
        events[n++] = stream_event(s, v);
        bytes += dump_event_bytes(stream_event(s, v));
    }
    buf_init(&out, 0);
    dump_write(&out, s, events, n);
    CHECK_INT(out.len, bytes);
    return out;
}

/* As DUMP replies it. */
static struct buf payload_of(const struct stream *s) {
    struct buf out;
    struct event *events[16];
    size_t n = 0;
    for (uint64_t v = 0; !stream_is_string(s) && v < s->next_version; v++)
        if (stream_has_version(s, v)) events[n++] = stream_event(s, v);
    buf_init(&out, 0);
    rdb_write(&out, s, events, n);
    return out;
}

static void check_same(const struct buf *a, const struct buf *b) {
    CHECK(str_eq(buf_str(a), buf_str(b)));
}

TEST(what_is_restored_gives_the_same_dump_and_fits_into_the_frame_that_was_said) {
    start();
    struct buf before = dump_of(make_all());
    model_commit(m);
    struct dump d;
    CHECK(dump_parse(buf_str(&before), &d));
    CHECK_INT(d.event_count, 5);
    CHECK(dump_has_room(m, &d));
    struct stream *copy = stream_of("copy");
    dump_restore(m, copy, &d);
    CHECK(model_frame_bytes(m) <= d.frame_bytes + strlen("copy"));
    CHECK(model_frame_bytes(m) + 1200 > d.frame_bytes);
    model_commit(m);
    struct buf after = dump_of(copy);
    check_same(&before, &after);
    const struct cgroup *g = cgroup_find(copy, STR("g"));
    CHECK_INT(cgroup_consumer(g, STR("ann"))->active, 77);
    CHECK_INT(copy->next_version, 5);
    CHECK(copy->extra->holes.count == 0);
    buf_clear(&before);
    buf_clear(&after);
    stop();
}

TEST(a_pending_entry_keeps_its_event_and_one_whose_event_is_gone_has_none) {
    start();
    struct buf bytes = dump_of(make_all());
    struct dump d;
    CHECK(dump_parse(buf_str(&bytes), &d));
    struct stream *s = stream_of("copy");
    dump_restore(m, s, &d);
    model_commit(m);
    struct pending_cursor at =
        pending_seek(&cgroup_find(s, STR("g"))->pending, PENDING_ALL, ENTRY_ID_MIN);
    const struct pending_entry *e;
    size_t found = 0;
    while ((e = pending_next(&at)) != NULL) {
        CHECK((e->id.ms != 3) == stream_has_version(s, e->version));
        if (e->id.ms != 3) CHECK_INT(stream_event(s, e->version)->rec.entry_ms, e->id.ms);
        found++;
    }
    CHECK_INT(found, 5);
    CHECK_INT(pending_first_nacked(&cgroup_find(s, STR("g"))->pending)->id.ms, 5);
    CHECK_INT(pending_oldest(&cgroup_find(s, STR("g"))->pending)->id.ms, 2);
    buf_clear(&bytes);
    stop();
}

TEST(a_restored_stream_that_is_taken_back_leaves_nothing) {
    start();
    struct buf bytes = dump_of(make_all());
    model_commit(m);
    struct dump d;
    CHECK(dump_parse(buf_str(&bytes), &d));
    uint64_t events = m->next_sequence, streams = m->stream_count, groups = m->next_group;
    struct stream *s = stream_of("copy"), *all = stream_of("all");
    size_t memory = m->bytes;
    model_begin(m);
    dump_restore(m, s, &d);
    model_delete(m, all);
    dump_restore(m, all, &d);
    model_undo(m);
    CHECK_INT(s->state, STREAM_ABSENT);
    CHECK_INT(m->next_sequence, events);
    CHECK_INT(m->stream_count, streams);
    CHECK_INT(m->next_group, groups);
    CHECK_INT(m->bytes, memory);
    struct buf after = dump_of(all);
    check_same(&bytes, &after);
    buf_clear(&bytes);
    buf_clear(&after);
    stop();
}

static void seal(struct buf *b) {
    uint64_t sum = hash_checksum(b->data, b->len - DUMP_CHECK_SIZE);
    memcpy(b->data + b->len - DUMP_CHECK_SIZE, &sum, sizeof sum);
}

/* In memory of its own, so that a sanitizer sees a read beyond its end. */
static bool parse_exact(const char *bytes, size_t n, struct dump *d, char **copy) {
    *copy = xmalloc(n + (n == 0));
    if (n > 0) memcpy(*copy, bytes, n);
    return dump_parse(str_of(*copy, n), d);
}

TEST(a_part_of_a_dump_is_none_and_a_changed_bit_is_found) {
    start();
    struct buf b = dump_of(make_all());
    model_commit(m);
    struct dump d;
    char *copy;
    for (size_t n = 0; n < b.len; n++) {
        CHECK(!parse_exact(b.data, n, &d, &copy));
        free(copy);
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        CHECK(!parse_exact(b.data, b.len, &d, &copy));
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        free(copy);
    }
    buf_clear(&b);
    stop();
}

static size_t restored;

static void parse_and_restore(const char *bytes, size_t n) {
    struct dump d;
    char *copy;
    if (parse_exact(bytes, n, &d, &copy)) {
        struct stream *s = stream_of("forged");
        dump_restore(m, s, &d);
        CHECK(model_frame_bytes(m) <= d.frame_bytes + strlen("forged"));
        model_delete(m, s);
        model_commit(m);
        restored++;
    }
    free(copy);
}

/* The checksum is right each time: who forges a dump can compute it. */
TEST(a_forged_dump_is_refused_or_makes_a_stream_that_can_be) {
    start();
    struct buf b = dump_of(make_all());
    model_commit(m);
    for (size_t n = DUMP_CHECK_SIZE; n < b.len; n++) {
        struct buf cut;
        buf_init(&cut, 0);
        buf_put(&cut, b.data, n);
        seal(&cut);
        struct dump d;
        CHECK(!dump_parse(buf_str(&cut), &d));
        buf_clear(&cut);
    }
    for (size_t at = 0; at < b.len - DUMP_CHECK_SIZE; at++) {
        static const unsigned char others[] = {0, 1, 2, 0x7f, 0x80, 0xff};
        char was = b.data[at];
        for (size_t i = 0; i < ARRAY_LEN(others); i++) {
            b.data[at] = (char)others[i];
            seal(&b);
            parse_and_restore(b.data, b.len);
        }
        b.data[at] = was;
    }
    CHECK(restored > 100);
    buf_clear(&b);
    stop();
}

TEST(a_newer_version_and_an_unknown_kind_are_refused) {
    start();
    struct stream *s = stream_of("s");
    model_set_string(m, s, STR("value"), 0);
    model_commit(m);
    struct buf b = dump_of(s);
    struct dump_head *head = (struct dump_head *)(void *)b.data;
    struct dump d;
    CHECK(dump_parse(buf_str(&b), &d));
    head->kind = 3;
    seal(&b);
    CHECK(!dump_parse(buf_str(&b), &d));
    head->version = DUMP_VERSION + 1;
    seal(&b);
    CHECK(!dump_parse(buf_str(&b), &d));
    buf_clear(&b);
    stop();
}

/* ---- the payload of DUMP ---- */

/* What Redis can have, too: entries at the clock's time, groups whose pending entries are owned. */
static struct stream *make_plain(void) {
    struct stream *s = stream_of("plain");
    struct str fields[] = {STR("type"), STR("a"), STR("n"), STR("-5000"), STR(""), STR("x")};
    for (uint64_t seq = 1; seq <= 6; seq++) {
        struct entry_add a = {.kind = ENTRY_ID_GIVEN,
                              .id = {1700000000000, seq},
                              .fields = seq == 3 ? fields + 2 : fields,
                              .count = seq == 5 ? 6 : 4};
        CHECK_INT(model_add_entry(m, s, &a), ENTRY_OK);
    }
    struct event *gone = stream_event(s, 1);
    model_remove(m, s, &gone, 1);
    struct cgroup *g = cgroup_add(m, s, STR("g"), (struct entry_id){1700000000000, 5}, 4);
    struct consumer *first = cgroup_add_consumer(m, g, STR("zoe"));
    struct consumer *second = cgroup_add_consumer(m, g, STR("ann"));
    cgroup_pend(m, g, (struct entry_id){1700000000000, 1}, 0, first, 1000, 1);
    cgroup_pend(m, g, (struct entry_id){1700000000000, 2}, 1, second, 900, 70000);
    cgroup_pend(m, g, (struct entry_id){1700000000000, 3}, 2, second, 950, 2);
    cgroup_add(m, s, STR("h"), (struct entry_id){0, 0}, -1);
    model_commit(m);
    return s;
}

TEST(a_payload_says_as_much_as_our_own_dump) {
    start();
    for (int plain = 0; plain < 2; plain++) {
        struct stream *s = plain ? make_plain() : make_all();
        model_commit(m);
        struct buf own = dump_of(s), payload = payload_of(s), out;
        buf_init(&out, 1u << 20);
        CHECK_INT(rdb_read(buf_str(&payload), &out), RDB_OK);
        check_same(&own, &out);
        if (plain) CHECK(payload.len < own.len); /* it has the one form only */
        buf_clear(&own);
        buf_clear(&payload);
        buf_clear(&out);
    }
    stop();
}

static void seal_payload(char *bytes, size_t n) {
    uint64_t sum = rdb_checksum(bytes, n - sizeof sum);
    memcpy(bytes + n - sizeof sum, &sum, sizeof sum);
}

/* In memory of its own; with a limit that forged ones reach. */
static void read_and_restore(const char *bytes, size_t n) {
    struct buf out;
    char *copy = xmalloc(n);
    memcpy(copy, bytes, n);
    seal_payload(copy, n);
    buf_init(&out, 1u << 16);
    if (rdb_read(str_of(copy, n), &out) == RDB_OK) parse_and_restore(out.data, out.len);
    buf_clear(&out);
    free(copy);
}

TEST(a_forged_payload_is_refused_or_makes_a_stream_that_can_be) {
    static const unsigned char others[] = {0, 1, 2, 15, 19, 21, 0x7f, 0x80, 0x81, 0xc3, 0xf4, 0xff};
    start();
    for (int plain = 0; plain < 2; plain++) {
        struct buf b = payload_of(plain ? make_plain() : make_all());
        model_commit(m);
        restored = 0;
        for (size_t n = RDB_FOOTER; n < b.len; n++) read_and_restore(b.data, n);
        for (size_t at = 0; at < b.len - sizeof(uint64_t); at++) {
            char was = b.data[at];
            for (size_t i = 0; i < ARRAY_LEN(others); i++) {
                b.data[at] = (char)others[i];
                read_and_restore(b.data, b.len);
            }
            b.data[at] = was;
        }
        CHECK(restored > 50);
        uint32_t random = 12345; /* several bytes at once */
        for (int round = 0; round < 5000; round++) {
            struct buf copy;
            buf_init(&copy, 0);
            buf_put_str(&copy, buf_str(&b));
            for (uint32_t k = 0; k < 1 + (uint32_t)round % 5; k++) {
                random = random * 1664525 + 1013904223;
                size_t at = (random >> 8) % (copy.len - RDB_FOOTER);
                random = random * 1664525 + 1013904223;
                copy.data[at] = (char)(random >> 24);
            }
            read_and_restore(copy.data, copy.len);
            buf_clear(&copy);
        }
        buf_clear(&b);
    }
    stop();
}
