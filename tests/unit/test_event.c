#include "unit.h"

#include "base/alloc.h"
#include "record/event.h"

static const struct uuid k1 = {{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16}};
static const struct uuid k2 = {{0xff, 2}}, k3 = {{0xfe, 3}}, k4 = {{0xfd, 4}}, k5 = {{0xfc, 5}};

static struct event_fields plain(void) {
    return (struct event_fields){
        .sequence = 41,
        .version = 7,
        .timestamp = 1000,
        .recorded = 2000,
        .entry_ms = 2000,
        .entry_seq = 3,
        .event_id = k1,
        .type = STR("order.created"),
        .metadata = STR("{\"m\":1}"),
        .payload = STR("{\"p\":2}"),
    };
}

TEST(an_event_gives_back_what_it_was_made_of) {
    struct stream_name *n = stream_name_create(9, 5, STR("order-1"));
    struct event_fields f = plain();
    f.aggregate = STR("order-1");
    f.partition_key = &k2;
    f.transaction = &k3;
    f.correlation = &k4;
    f.causation = &k5;
    f.content_hash = &k1;
    struct event *e = event_create(&f, n);
    const struct event_record *r = &e->rec;
    CHECK_INT(e->refs, 1);
    CHECK_INT(n->refs, 2);
    CHECK_INT(r->stream, 9);
    CHECK_INT(r->sequence, 41);
    CHECK_INT(r->version, 7);
    CHECK_INT(r->entry_seq, 3);
    CHECK(uuid_eq(&r->event_id, &k1));
    CHECK(uuid_eq(event_partition_key(r), &k2));
    CHECK(uuid_eq(event_transaction(r), &k3));
    CHECK(uuid_eq(event_correlation(r), &k4));
    CHECK(uuid_eq(event_causation(r), &k5));
    CHECK(uuid_eq(event_content_hash(r), &k1));
    CHECK(str_eq(event_type(r), f.type));
    CHECK(str_eq(event_aggregate(r), f.aggregate));
    CHECK(str_eq(event_metadata(r), f.metadata));
    CHECK(str_eq(event_payload(r), f.payload));
    CHECK(event_record_valid(r, event_record_len(r)));
    CHECK_INT(e->size, sizeof(struct event) + event_record_len(r) - sizeof *r);
    CHECK(event_unref(e));
    CHECK_INT(n->refs, 1);
    stream_name_unref(n);
}

TEST(packed_events_are_as_their_originals_and_go_with_the_last_of_them) {
    struct stream_name *n = stream_name_create(9, 5, STR("order-1"));
    struct event_fields f = plain();
    struct event *events[3], *copies[3];
    size_t bytes = EVENT_BLOCK_BYTES;
    for (size_t i = 0; i < 3; i++) {
        f.version = i;
        f.payload = str_of("xxxxxxxxxxxx", i * 5); /* of any alignment */
        events[i] = event_create(&f, n);
        events[i]->frame = 70 + i;
        events[i]->counted = 1;
        bytes += event_packed_size(events[i]);
    }
    CHECK_INT(event_pack(events, 3, copies), bytes);
    CHECK_INT(n->refs, 1 + 3 + 3);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(copies[i]->refs, 1);
        CHECK_INT(copies[i]->counted, 0);
        CHECK_INT(copies[i]->frame, 70 + i);
        CHECK_INT(copies[i]->size, events[i]->size);
        CHECK_INT(event_record_len(&copies[i]->rec), event_record_len(&events[i]->rec));
        CHECK_INT(memcmp(&copies[i]->rec, &events[i]->rec, event_record_len(&events[i]->rec)), 0);
        CHECK_INT((uintptr_t)copies[i] & 7, 0);
        CHECK(event_unref(events[i]) > 0);
    }
    event_ref(copies[1]);
    CHECK_INT(event_unref(copies[1]), 0);
    CHECK_INT(event_unref(copies[1]), 0);
    CHECK_INT(event_unref(copies[2]), 0);
    CHECK(str_eq(event_payload(&copies[0]->rec), STR("")));
    CHECK_INT(event_unref(copies[0]), bytes);
    CHECK_INT(n->refs, 1);
    stream_name_unref(n);
}

TEST(every_choice_of_optional_ids_is_kept) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    for (unsigned set = 0; set < 1u << EVENT_UUID_FLAGS; set++) {
        struct event_fields f = plain();
        f.partition_key = set & 1 ? &k1 : NULL;
        f.transaction = set & 2 ? &k2 : NULL;
        f.correlation = set & 4 ? &k3 : NULL;
        f.causation = set & 8 ? &k4 : NULL;
        f.content_hash = set & 16 ? &k5 : NULL;
        struct event *e = event_create(&f, n);
        const struct uuid *expected[] = {f.partition_key, f.transaction, f.correlation, f.causation,
                                         f.content_hash};
        const struct uuid *actual[] = {event_partition_key(&e->rec), event_transaction(&e->rec),
                                       event_correlation(&e->rec), event_causation(&e->rec),
                                       event_content_hash(&e->rec)};
        for (size_t i = 0; i < ARRAY_LEN(actual); i++) {
            CHECK((actual[i] == NULL) == (expected[i] == NULL));
            if (actual[i] != NULL) CHECK(uuid_eq(actual[i], expected[i]));
        }
        CHECK(str_eq(event_type(&e->rec), f.type));
        CHECK(str_eq(event_payload(&e->rec), f.payload));
        CHECK_INT(e->rec.flags, set);
        event_unref(e);
    }
    stream_name_unref(n);
}

TEST(a_record_of_another_length_or_with_unknown_bits_is_not_valid) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event_fields f = plain();
    struct event *e = event_create(&f, n);
    struct event_record *r = &e->rec;
    size_t len = event_record_len(r);
    for (size_t i = 0; i < len; i++) CHECK(!event_record_valid(r, i));
    CHECK(event_record_valid(r, len));
    CHECK(!event_record_valid(r, len + 1));
    r->flags = 1 << 5;
    CHECK(!event_record_valid(r, len));
    r->flags = EVENT_HAS_CAUSATION;
    CHECK(!event_record_valid(r, len));
    CHECK(event_record_valid(r, len + 16));
    r->flags = 0;
    r->reserved = 1;
    CHECK(!event_record_valid(r, len));
    r->reserved = 0;
    r->stream = 0;
    CHECK(!event_record_valid(r, len));
    r->stream = (uint64_t)1 << 31;
    CHECK(!event_record_valid(r, len));
    r->stream = 1;
    r->payload_len = UINT32_MAX;
    r->metadata_len = UINT32_MAX;
    CHECK(!event_record_valid(r, len));
    event_unref(e);
    CHECK(stream_record_valid(&n->rec, sizeof n->rec + 1));
    CHECK(!stream_record_valid(&n->rec, sizeof n->rec));
    CHECK(!stream_record_valid(&n->rec, sizeof n->rec + 2));
    n->rec.name_len = 0;
    CHECK(!stream_record_valid(&n->rec, sizeof n->rec));
    stream_name_unref(n);
}

TEST(a_transaction_of_one_has_the_events_id_as_a_random_one) {
    struct stream_name *n = stream_name_create(1, 0, STR("s"));
    struct event_fields f = plain();
    event_id_make(123456789, 0x1234, 5, 77, &f.event_id);
    struct event *e = event_create(&f, n);
    struct uuid t;
    event_transaction_id(&e->rec, &t);
    CHECK_INT(t.b[6] >> 4, 4);
    CHECK(t.b[8] & 0x80);
    t.b[6] = f.event_id.b[6];
    CHECK(uuid_eq(&t, &f.event_id));
    event_unref(e);
    f.transaction = &k5;
    e = event_create(&f, n);
    event_transaction_id(&e->rec, &t);
    CHECK(uuid_eq(&t, &k5));
    event_unref(e);
    stream_name_unref(n);
}

TEST(a_stream_knows_its_partition) {
    struct stream_name *n = stream_name_create(3, 4, STR("user-123"));
    char text[UUID_TEXT_LEN];
    struct uuid key;
    partition_key_of(STR("user-123"), &key);
    CHECK(uuid_eq(&key, &n->partition_key));
    uuid_format(&key, text);
    CHECK_INT(text[14], '5'); /* version */
    CHECK_INT(n->category, category_number(STR("user-9")));
    CHECK(str_eq(stream_name_str(n), STR("user-123")));
    stream_name_ref(n);
    stream_name_unref(n);
    stream_name_unref(n);
}

/* They stand in the files of stores. */
TEST(categories_have_numbers_that_stay) {
    CHECK_INT(category_number(STR("order-1")), 5363536);
    CHECK(category_number(STR("-")) > CATEGORY_NONE);
    CHECK_INT(category_number(STR("order")), CATEGORY_NONE);
    CHECK(category_number(STR("order-1")) == category_number(STR("order-2-3")));
    CHECK_INT(category_number_of(STR("order")), 5363536);
    CHECK(category_number(STR("order-1")) != category_number(STR("orders-1")));
    for (int i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d-x", i);
        uint32_t number = category_number(str_c(name));
        CHECK(number > CATEGORY_NONE && number >> CATEGORY_BITS == 0);
    }
}

TEST(a_server_made_id_says_time_hash_and_sequence) {
    const uint64_t key = 0x2a5a5a5a5a5a;
    const uint64_t sequences[] = {0, 1, 77, 1u << 31, ((uint64_t)1 << EVENT_SEQUENCE_BITS) - 1};
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        struct uuid id;
        const uint64_t ms = 0x0123456789ab;
        event_id_make(ms, 0xbeef, sequences[i], key, &id);
        uint64_t got = 0;
        for (int b = 0; b < 6; b++) got = got << 8 | id.b[b];
        CHECK_INT(got, ms);
        CHECK_INT(id.b[6] >> 4, 7);
        CHECK_INT(id.b[8] >> 6, 2);
        CHECK_INT(partition_hash(&id), 0xbeef);
        CHECK_INT(event_id_sequence(&id, key), sequences[i]);
        CHECK(event_id_sequence(&id, key ^ 1) != sequences[i]);
    }
}

TEST(the_content_hash_is_of_what_was_given_and_nothing_else) {
    struct event_fields f = plain(), other = plain();
    struct uuid a, b;
    event_content_hash_of(&f, NULL, &a);
    /* Ours: */
    other.sequence = 1;
    other.version = 2;
    other.recorded = other.timestamp = other.entry_ms = 5;
    other.event_id = k4;
    other.transaction = &k3;
    other.aggregate = STR("");
    event_content_hash_of(&other, NULL, &b);
    CHECK(uuid_eq(&a, &b));
    /* The client's: */
    const uint64_t timestamp = 1000;
    event_content_hash_of(&f, &timestamp, &b);
    CHECK(!uuid_eq(&a, &b));
    struct event_fields variants[8];
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) variants[i] = f;
    variants[0].type = STR("order.create");
    variants[1].payload = STR("");
    variants[2].metadata = STR("");
    variants[3].aggregate = STR("x");
    variants[4].partition_key = &k1;
    variants[5].correlation = &k1;
    variants[6].causation = &k1;
    variants[7].metadata = f.payload;
    variants[7].payload = f.metadata;
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        event_content_hash_of(&variants[i], NULL, &b);
        CHECK(!uuid_eq(&a, &b));
        for (size_t k = 0; k < i; k++) {
            struct uuid c;
            event_content_hash_of(&variants[k], NULL, &c);
            CHECK(!uuid_eq(&c, &b));
        }
    }
}

TEST(the_content_hash_depends_on_each_byte_of_short_and_long_payloads) {
    char *bytes = xcalloc(1, 5000);
    for (size_t len = 900; len < 5000; len = len < 1020 ? len + 1 : len + 997) {
        struct event_fields f = plain();
        struct uuid a, b;
        f.payload = str_of(bytes, len);
        event_content_hash_of(&f, NULL, &a);
        bytes[len - 1] ^= 1;
        event_content_hash_of(&f, NULL, &b);
        CHECK(!uuid_eq(&a, &b));
        bytes[len - 1] ^= 1;
        event_content_hash_of(&f, NULL, &b);
        CHECK(uuid_eq(&a, &b));
    }
    free(bytes);
}

/* The hash is stored with events: it must never change. */
TEST(the_content_hash_stays_what_it_is) {
    struct event_fields f = plain();
    struct uuid hash;
    char text[UUID_TEXT_LEN + 1] = "";
    event_content_hash_of(&f, NULL, &hash);
    uuid_format(&hash, text);
    if (strcmp(text, "d7d2ed3e-07f7-60a1-fb22-5aaab0f53835") != 0) fprintf(stderr, "  %s\n", text);
    CHECK(strcmp(text, "d7d2ed3e-07f7-60a1-fb22-5aaab0f53835") == 0);
}
