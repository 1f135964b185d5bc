#include "unit.h"

#include "store/event.h"
#include "store/group.h"
#include "store/journal.h"

static struct event *make_event(struct stream_name *n, uint64_t sequence) {
    struct event_fields f = {.sequence = sequence, .type = STR("t"), .payload = STR("payload")};
    return event_create(&f, n);
}

static void add_event(struct group *g, const struct event *e) {
    group_add(g, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
}

TEST(frames_get_consecutive_numbers_and_keep_their_records) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *e = make_event(n, 5);
    struct group *g = group_create(100);
    uint32_t records = 0;
    size_t journal_bytes = 0;
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned k = 0; k <= i % 4; k++) add_event(g, e);
        records += 1 + i % 4;
        CHECK_INT(group_end_frame(g), 100 + i);
        CHECK_INT(g->frame_end[i], records);
        journal_bytes += journal_frame_bytes(g->records + records - (1 + i % 4), 1 + i % 4);
    }
    CHECK_INT(g->frame_count, 1000);
    CHECK_INT(group_last_frame(g), 1099);
    CHECK_INT(g->record_count, records);
    CHECK_INT(g->journal_bytes, journal_bytes);
    CHECK(g->bytes > records * event_record_len(&e->rec));
    for (uint32_t i = 0; i < records; i++) CHECK(record_valid(&g->records[i]));
    group_destroy(g);
    event_unref(e);
    stream_name_unref(n);
}

TEST(an_undone_frame_leaves_nothing) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *e = make_event(n, 5), *later = make_event(n, 6);
    struct group *g = group_create(1);
    group_undo_frame(g);
    add_event(g, e);
    group_end_frame(g);
    const size_t bytes = g->bytes, journal_bytes = g->journal_bytes;
    for (int i = 0; i < 200; i++) add_event(g, later);
    group_undo_frame(g);
    CHECK_INT(g->record_count, 1);
    CHECK_INT(g->frame_count, 1);
    CHECK_INT(g->bytes, bytes);
    CHECK_INT(g->journal_bytes, journal_bytes);
    CHECK_INT(g->sequence_end, 6);
    add_event(g, later);
    CHECK_INT(group_end_frame(g), 2);
    CHECK_INT(g->sequence_end, 7);
    group_destroy(g);
    event_unref(e);
    event_unref(later);
    stream_name_unref(n);
}

TEST(the_sequence_end_is_behind_the_last_event_since_a_flush) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *a = make_event(n, 41), *b = make_event(n, 0);
    struct group *g = group_create(1);
    group_add(g, RECORD_STREAM, &n->rec, sizeof n->rec + n->rec.name_len);
    group_end_frame(g);
    CHECK_INT(g->sequence_end, 0);
    add_event(g, a);
    group_add(g, RECORD_STREAM, &n->rec, sizeof n->rec + n->rec.name_len);
    group_end_frame(g);
    CHECK_INT(g->sequence_end, 42);
    group_add(g, RECORD_FLUSH, NULL, 0);
    group_end_frame(g);
    CHECK_INT(g->sequence_end, 0);
    add_event(g, b);
    group_end_frame(g);
    CHECK_INT(g->sequence_end, 1);
    group_destroy(g);
    event_unref(a);
    event_unref(b);
    stream_name_unref(n);
}

TEST(memory_of_a_group_is_aligned_and_never_moves) {
    struct group *g = group_create(1);
    unsigned char *pieces[2000];
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t n = i % 100 == 99 ? 100000 : i % 50;
        pieces[i] = group_alloc(g, n);
        CHECK(((uintptr_t)pieces[i] & 7) == 0);
        memset(pieces[i], (int)(i & 0xff), n);
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t n = i % 100 == 99 ? 100000 : i % 50;
        for (size_t k = 0; k < n; k++) CHECK(pieces[i][k] == (i & 0xff));
    }
    group_destroy(g);
    group_destroy(NULL);
}

TEST(records_from_a_file_must_make_sense) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *e = make_event(n, 1);
    struct record r = {
        .body = &e->rec, .len = (uint32_t)event_record_len(&e->rec), .kind = RECORD_EVENT};
    CHECK(record_valid(&r));
    r.len--;
    CHECK(!record_valid(&r));
    r = (struct record){.body = &n->rec, .len = sizeof n->rec + 1, .kind = RECORD_STREAM};
    CHECK(record_valid(&r));
    r.kind = RECORD_EVENT;
    CHECK(!record_valid(&r));
    r = (struct record){.body = NULL, .len = 0, .kind = RECORD_FLUSH};
    CHECK(record_valid(&r));
    r.kind = 0;
    CHECK(!record_valid(&r));
    r.kind = 200;
    CHECK(!record_valid(&r));
    event_unref(e);
    stream_name_unref(n);
}
