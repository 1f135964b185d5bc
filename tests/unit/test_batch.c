#include "unit.h"

#include "record/event.h"
#include "record/batch.h"
#include "store/journal/journal.h"
#include "record/record.h"
#include "record/timeline.h"

static struct event *make_event(struct stream_name *n, uint64_t sequence) {
    struct event_fields f = {.sequence = sequence, .type = STR("t"), .payload = STR("payload")};
    return event_create(&f, n);
}

static void add_event(struct batch *b, const struct event *e) {
    batch_add(b, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
}

TEST(frames_get_consecutive_numbers_and_keep_their_records) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *e = make_event(n, 5);
    struct batch *b = batch_create(100);
    uint32_t records = 0;
    size_t journal_bytes = 0;
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned k = 0; k <= i % 4; k++) add_event(b, e);
        records += 1 + i % 4;
        CHECK_INT(batch_end_frame(b), 100 + i);
        CHECK_INT(b->frame_end[i], records);
        journal_bytes += frame_bytes(b->records + records - (1 + i % 4), 1 + i % 4);
    }
    CHECK_INT(b->frame_count, 1000);
    CHECK_INT(batch_last_frame(b), 1099);
    CHECK_INT(b->record_count, records);
    CHECK_INT(b->journal_bytes, journal_bytes);
    CHECK(b->bytes > records * event_record_len(&e->rec));
    for (uint32_t i = 0; i < records; i++) CHECK(record_valid(&b->records[i]));
    batch_destroy(b);
    event_unref(e);
    stream_name_unref(n);
}

TEST(an_undone_frame_leaves_nothing) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *e = make_event(n, 5), *later = make_event(n, 6);
    struct batch *b = batch_create(1);
    batch_undo_frame(b);
    add_event(b, e);
    batch_end_frame(b);
    const size_t bytes = b->bytes, journal_bytes = b->journal_bytes;
    for (int i = 0; i < 200; i++) add_event(b, later);
    batch_undo_frame(b);
    CHECK_INT(b->record_count, 1);
    CHECK_INT(b->frame_count, 1);
    CHECK_INT(b->bytes, bytes);
    CHECK_INT(b->journal_bytes, journal_bytes);
    CHECK_INT(b->sequence_end, 6);
    add_event(b, later);
    CHECK_INT(batch_end_frame(b), 2);
    CHECK_INT(b->sequence_end, 7);
    batch_destroy(b);
    event_unref(e);
    event_unref(later);
    stream_name_unref(n);
}

TEST(the_sequence_end_is_behind_the_last_event_since_a_flush) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event *a = make_event(n, 41), *b = make_event(n, 0);
    struct batch *g = batch_create(1);
    batch_add(g, RECORD_STREAM, &n->rec, sizeof n->rec + n->rec.name_len);
    batch_end_frame(g);
    CHECK_INT(g->sequence_end, 0);
    add_event(g, a);
    batch_add(g, RECORD_STREAM, &n->rec, sizeof n->rec + n->rec.name_len);
    batch_end_frame(g);
    CHECK_INT(g->sequence_end, 42);
    batch_add(g, RECORD_FLUSH, NULL, 0);
    batch_end_frame(g);
    CHECK_INT(g->sequence_end, 0);
    add_event(g, b);
    batch_end_frame(g);
    CHECK_INT(g->sequence_end, 1);
    batch_destroy(g);
    event_unref(a);
    event_unref(b);
    stream_name_unref(n);
}

TEST(memory_of_a_batch_is_aligned_and_never_moves) {
    struct batch *b = batch_create(1);
    unsigned char *pieces[2000];
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t n = i % 100 == 99 ? 100000 : i % 50;
        pieces[i] = batch_alloc(b, n);
        CHECK(((uintptr_t)pieces[i] & 7) == 0);
        memset(pieces[i], (int)(i & 0xff), n);
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t n = i % 100 == 99 ? 100000 : i % 50;
        for (size_t k = 0; k < n; k++) CHECK(pieces[i][k] == (i & 0xff));
    }
    batch_destroy(b);
    batch_destroy(NULL);
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

/* Each body as it may be; every one that is a byte longer or shorter must be refused (but where the
 * end is free), and every one in which a field that is stated to be 0 is not. */
struct sample {
    enum record_kind kind;
    size_t len, step; /* step: a longer one by this is valid too; 0: none is */
    size_t zero;      /* offset of a byte that must be 0; 0: there is none */
    _Alignas(8) uint8_t body[128];
};

static void check_sample(const struct sample *s) {
    struct sample longer = *s;
    struct record r = {.body = longer.body, .len = (uint32_t)s->len, .kind = (uint8_t)s->kind};
    CHECK(record_valid(&r));
    r.len = (uint32_t)s->len - 1;
    CHECK(record_valid(&r) == (s->step == 1 && r.len >= sizeof(uint64_t)));
    r.len = (uint32_t)s->len + 1;
    CHECK(record_valid(&r) == (s->step == 1));
    r.len = (uint32_t)(s->len + s->step);
    CHECK(record_valid(&r));
    r.len = 0;
    CHECK(!record_valid(&r));
    r.len = (uint32_t)s->len;
    if (s->zero == 0) return;
    longer.body[s->zero] = 1;
    CHECK(!record_valid(&r));
}

static void put_u64(struct sample *s, size_t at, uint64_t v) {
    memcpy(s->body + at, &v, sizeof v);
}

TEST(bodies_of_every_kind_are_checked) {
    struct sample samples[] = {
        {.kind = RECORD_STREAM_STATE, .len = sizeof(struct stream_state_record)},
        {.kind = RECORD_DELETE, .len = 8},
        {.kind = RECORD_IDEMPOTENT_CLEAR, .len = 8},
        {.kind = RECORD_GROUP_DROP, .len = 8},
        {.kind = RECORD_VALUE, .len = 12, .step = 1},
        {.kind = RECORD_ERASE, .len = sizeof(struct erase_record)},
        {.kind = RECORD_GROUP_POSITION, .len = sizeof(struct position_record)},
        {.kind = RECORD_CONSUMER_DROP, .len = sizeof(struct consumer_drop_record)},
        {.kind = RECORD_ACK, .len = 8 + 16, .step = 16},
        {.kind = RECORD_PENDING, .len = 8 + 40, .step = 40, .zero = 8 + 37},
        {.kind = RECORD_RENAME, .len = sizeof(struct stream_record) + 3, .zero = 20},
        {.kind = RECORD_GROUP, .len = sizeof(struct group_record) + 3, .zero = 50},
        {.kind = RECORD_CONSUMER, .len = sizeof(struct consumer_record) + 3, .zero = 30},
        {.kind = RECORD_IDEMPOTENT, .len = sizeof(struct idempotent_record) + 5, .zero = 36},
        {.kind = RECORD_REMOVE, .len = 8 + 2 * 16},
        {.kind = RECORD_NAMED, .len = sizeof(struct named_record) + 3 + 24, .zero = 5},
        {.kind = RECORD_TIMELINE, .len = sizeof(struct timeline_record), .zero = 23},
    };
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct sample *s = &samples[i];
        put_u64(s, 0, 7);
        switch (s->kind) {
        case RECORD_RENAME:
            ((struct stream_record *)s->body)->name_len = 3;
            break;
        case RECORD_GROUP:
            ((struct group_record *)s->body)->stream = 7;
            ((struct group_record *)s->body)->name_len = 3;
            break;
        case RECORD_CONSUMER:
            ((struct consumer_record *)s->body)->number = 1;
            ((struct consumer_record *)s->body)->name_len = 3;
            break;
        case RECORD_IDEMPOTENT:
            ((struct idempotent_record *)s->body)->producer_len = 3;
            ((struct idempotent_record *)s->body)->id_len = 2;
            break;
        case RECORD_NAMED:
            *(struct named_record *)s->body = (struct named_record){NAMED_CHECKPOINT, 3, 0};
            memcpy(s->body + sizeof(struct named_record), "abc", 3);
            break;
        case RECORD_REMOVE:
            put_u64(s, 24, 1);
            break;
        case RECORD_TIMELINE:
            ((struct timeline_record *)s->body)->reason = TIMELINE_FLUSHED;
            break;
        default:
            break;
        }
        check_sample(s);
        bool about_stream = s->kind != RECORD_GROUP_DROP && s->kind != RECORD_GROUP_POSITION &&
                            s->kind != RECORD_CONSUMER_DROP && s->kind != RECORD_ACK &&
                            s->kind != RECORD_PENDING && s->kind != RECORD_CONSUMER &&
                            s->kind != RECORD_TIMELINE && s->kind != RECORD_NAMED;
        if (s->kind == RECORD_NAMED) continue;
        struct record r = {.body = s->body, .len = (uint32_t)s->len, .kind = (uint8_t)s->kind};
        put_u64(s, s->kind == RECORD_GROUP ? 8 : 0, UINT64_C(1) << 31); /* no stream's number */
        CHECK(record_valid(&r) != about_stream);
    }
}

TEST(removed_versions_must_ascend) {
    struct {
        uint64_t stream;
        struct removed_event events[2];
    } body = {1, {{5, 50}, {6, 60}}};
    struct record r = {.body = &body, .len = sizeof body, .kind = RECORD_REMOVE};
    CHECK(record_valid(&r));
    body.events[1].version = 5;
    CHECK(!record_valid(&r));
    body.events[1].version = UINT64_C(1) << 32;
    CHECK(!record_valid(&r));
}

TEST(an_event_of_fields_must_hold_fields) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event_fields f = {.payload = STR("*2\r\n$1\r\na\r\n$0\r\n\r\n"), .flags = EVENT_FIELDS};
    struct event *e = event_create(&f, n);
    CHECK(event_record_valid(&e->rec, event_record_len(&e->rec)));
    event_unref(e);
    f.payload = STR("*2\r\n$1\r\na\r\n$1\r\n\r\n");
    e = event_create(&f, n);
    CHECK(!event_record_valid(&e->rec, event_record_len(&e->rec)));
    event_unref(e);
    f = (struct event_fields){.flags = EVENT_FIELDS | EVENT_ERASED};
    e = event_create(&f, n);
    CHECK(event_record_valid(&e->rec, event_record_len(&e->rec)));
    event_unref(e);
    f.payload = STR("x"); /* an erased event has none */
    e = event_create(&f, n);
    CHECK(!event_record_valid(&e->rec, event_record_len(&e->rec)));
    event_unref(e);
    stream_name_unref(n);
}

static struct record named(void *body, unsigned class, unsigned flags, const char *name,
                           size_t value) {
    struct named_record *r = body;
    *r = (struct named_record){(uint16_t) class, (uint16_t)strlen(name), flags};
    memcpy(r->bytes, name, r->name_len);
    memset(r->bytes + r->name_len, 0, value);
    return (struct record){
        .body = body, .len = (uint32_t)(sizeof *r + r->name_len + value), .kind = RECORD_NAMED};
}

TEST(what_has_a_name_has_a_class_a_name_and_a_value_that_goes_with_it) {
    _Alignas(8) char body[128];
    struct record r = named(body, NAMED_VIEW, 0, "orders", 0);
    CHECK(record_valid(&r));
    r = named(body, NAMED_VIEW, 0, "orders", 9);
    CHECK(record_valid(&r));
    r.len = sizeof(struct named_record) + 5; /* shorter than its name */
    CHECK(!record_valid(&r));
    r = named(body, NAMED_VIEW, NAMED_GONE, "orders", 9);
    CHECK(!record_valid(&r));
    r = named(body, NAMED_CHECKPOINT, NAMED_GONE, "orders", 0);
    CHECK(record_valid(&r));
    r = named(body, NAMED_CHECKPOINT, 0, "orders", 0);
    CHECK(!record_valid(&r));
    r = named(body, 0, 0, "orders", 0);
    CHECK(!record_valid(&r));
    r = named(body, NAMED_CLASSES, 0, "orders", 0);
    CHECK(!record_valid(&r));
    r = named(body, NAMED_VIEW, 2, "orders", 0);
    CHECK(!record_valid(&r));
    r = named(body, NAMED_VIEW, 0, "", 0);
    CHECK(!record_valid(&r));
    r = named(body, NAMED_VIEW, 0, "two\nlines", 0);
    CHECK(!record_valid(&r));
}

TEST(the_deletion_of_a_virtual_stream_says_so_and_counts_for_nothing) {
    struct delete_record body = {.number = 5, .kind = KIND_VIRTUAL};
    struct record r = {.body = &body, .len = sizeof body, .kind = RECORD_DELETE};
    CHECK(record_valid(&r));
    CHECK_INT(record_streams(&r), 0);
    body.kind = KIND_STREAM;
    CHECK(!record_valid(&r));
    r.len = sizeof(struct number_record);
    CHECK(record_valid(&r));
    CHECK_INT(record_streams(&r), -1);
    r.len = 12;
    CHECK(!record_valid(&r));
    _Alignas(8) char bytes[sizeof(struct stream_record) + 8] = {0};
    struct stream_record *made = (struct stream_record *)(void *)bytes;
    made->number = 5;
    made->name_len = 4;
    memcpy(made->name, "@all", 4);
    struct record m = {.body = made, .len = sizeof *made + 4, .kind = RECORD_STREAM};
    int counts[] = {[KIND_STREAM] = 1, [KIND_STRING] = 1, [KIND_VIRTUAL] = 0};
    for (uint16_t kind = 0; kind <= KIND_VIRTUAL; kind++) {
        made->kind = kind;
        CHECK(record_valid(&m));
        CHECK_INT(record_streams(&m), counts[kind]);
    }
    made->kind = KIND_VIRTUAL + 1;
    CHECK(!record_valid(&m));
}
