/* The conformance suite of backends, second part: everything beside events. Each test runs over
 * memory, SQLite and PostgreSQL; where it makes a difference what is merged and purged, before and
 * after maintenance. */
#include "backend_world.h"
#include "selectors.h"
#include "base/clock.h"
#include "record/fields.h"

#include <pthread.h>
#include <stdatomic.h>

#define BOTH(id)                                                                                   \
    static void id(struct world *x);                                                               \
    TEST(memory_##id) {                                                                            \
        struct world x;                                                                            \
        world_open(&x, &backend_memory, "");                                                       \
        id(&x);                                                                                    \
        world_close(&x);                                                                           \
    }                                                                                              \
    TEST(sqlite_##id) {                                                                            \
        struct world x;                                                                            \
        world_open(&x, &backend_sqlite, "test.db");                                                \
        world_slices(&x, draw(2) ? 20 + draw(200) : 0);                                            \
        id(&x);                                                                                    \
        world_close(&x);                                                                           \
    }                                                                                              \
    IN_POSTGRES(id)                                                                                \
    static void id(struct world *x)

/* Runs what follows twice: as applied, and when all maintenance is done. */
#define BEFORE_AND_AFTER_MAINTENANCE(x)                                                            \
    for (int turn = 0; turn < 2; turn++, turn < 2 ? world_maintain(x, true) : (void)0)

static struct stream_head head_of(struct world *x, const char *name) {
    struct stream_head h;
    uint64_t applied = 0;
    WORLD_OK(x, x->b->read_head(x->r, str_c(name), &h, &applied, &err));
    CHECK_INT(applied, x->next_frame - 1);
    return h;
}

static uint64_t find(struct world *x, uint64_t stream, uint64_t from, uint64_t ms, uint64_t seq) {
    uint64_t version = 0, applied = 0;
    WORLD_OK(x, x->b->find_entry(x->r, stream, from, (struct entry_id){ms, seq}, &version, &applied,
                                 &err));
    CHECK_INT(applied, x->next_frame - 1);
    return version;
}

static bool id_exists(struct world *x, const struct uuid *id) {
    struct event *e = NULL;
    uint64_t applied = 0;
    WORLD_OK(x, x->b->read_id(x->r, id, &e, &applied, &err));
    if (e == NULL) return false;
    CHECK(uuid_eq(&e->rec.event_id, id));
    event_unref(e);
    return true;
}

static struct store_state state_of(struct world *x) {
    struct store_state s;
    WORLD_OK(x, x->b->load_state(x->w, &s, &err));
    return s;
}

static void apply_frame(struct world *x) {
    world_frame(x);
    world_apply(x);
}

/* n events, each a millisecond later than the one before. */
static uint64_t make_stream(struct world *x, const char *name, size_t n) {
    uint64_t number = world_stream(x, name);
    for (size_t i = 0; i < n; i++) {
        x->clock_ms++;
        world_add(x, name, (struct event_fields){.type = STR("t"), .payload = STR("payload")});
    }
    world_frame(x);
    return number;
}

static void check_everything(struct world *x) {
    for (int reverse = 0; reverse < 2; reverse++)
        for (uint64_t s = 0; s <= x->stream_count; s++) {
            struct read_range r = range_of(s, 0, UINT64_MAX);
            r.reverse = reverse != 0;
            world_check_range(x, r);
        }
    for (size_t i = 0; i < x->event_count; i++)
        CHECK(id_exists(x, &x->events[i]->rec.event_id) == !x->events[i]->removed);
}

/* --- streams ------------------------------------------------------------------------ */

BOTH(a_plain_stream_has_no_detail) {
    make_stream(x, "s", 3);
    world_apply(x);
    CHECK(head_of(x, "s").detail == NULL);
}

BOTH(the_state_of_a_stream_is_kept_and_events_go_on_from_it) {
    uint64_t s = make_stream(x, "s", 3);
    struct stream_state_record *r = world_state(x, s);
    r->last = (struct entry_id){5000000, UINT64_MAX};
    r->deleted = (struct entry_id){UINT64_MAX, 7};
    r->entries_added = 10;
    r->expires = 77;
    r->idempotent_seconds = 60;
    r->idempotent_max = 9;
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.next_version, 3);
    CHECK_INT(h.entry_ms, 5000000);
    CHECK(h.entry_seq == UINT64_MAX);
    CHECK_INT(h.recorded, x->events[2]->rec.recorded);
    CHECK(h.detail != NULL);
    CHECK_INT(h.detail->first_version, 0);
    CHECK(h.detail->deleted.ms == UINT64_MAX);
    CHECK_INT(h.detail->deleted.seq, 7);
    CHECK_INT(h.detail->entries_added, 10);
    CHECK_INT(h.detail->expires, 77);
    CHECK_INT(h.detail->idempotent_seconds, 60);
    CHECK_INT(h.detail->idempotent_max, 9);
    stream_head_clear(&h);
    x->clock_ms = 5000001;
    make_stream(x, "s", 2);
    world_apply(x);
    h = head_of(x, "s");
    CHECK_INT(h.next_version, 5);
    CHECK_INT(h.entry_ms, x->clock_ms);
    CHECK_INT(h.detail->entries_added, 12);
    stream_head_clear(&h);
}

BOTH(of_several_states_in_one_apply_the_last_one_counts) {
    uint64_t s = make_stream(x, "s", 10);
    for (uint64_t i = 1; i <= 4; i++) {
        world_trim(x, s, i);
        world_frame(x);
    }
    world_state(x, s)->first_version = 4;
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->first_version, 4);
    stream_head_clear(&h);
    check_everything(x);
}

BOTH(trimmed_events_are_gone_at_once) {
    uint64_t s = make_stream(x, "s", 20);
    make_stream(x, "other", 20);
    world_apply(x);
    world_trim(x, s, 12);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        check_everything(x);
        CHECK_INT(find(x, s, 0, 0, 0), 12);
        struct stream_head h = head_of(x, "s");
        CHECK_INT(h.next_version, 20);
        CHECK_INT(h.detail->first_version, 12);
        CHECK_INT(h.detail->hole_count, 0);
        stream_head_clear(&h);
    }
    make_stream(x, "s", 2);
    world_trim(x, s, 21);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) check_everything(x);
}

BOTH(a_stream_trimmed_to_nothing_keeps_its_versions) {
    uint64_t s = make_stream(x, "s", 5);
    world_trim(x, s, 5);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        struct stream_head h = head_of(x, "s");
        CHECK(h.exists);
        CHECK_INT(h.next_version, 5);
        CHECK_INT(h.entry_ms, x->clock_ms);
        CHECK_INT(h.recorded, 0);
        CHECK_INT(h.detail->first_version, 5);
        stream_head_clear(&h);
        check_everything(x);
        CHECK(find(x, s, 0, 0, 0) == UINT64_MAX);
    }
    make_stream(x, "s", 1);
    world_apply(x);
    check_everything(x);
}

BOTH(removed_events_leave_holes_that_join) {
    uint64_t s = make_stream(x, "s", 30);
    world_apply(x);
    world_remove(x, s, 5, 5);
    world_frame(x);
    world_remove(x, s, 8, 9);
    world_frame(x);
    world_remove(x, s, 20, 22);
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->hole_count, 3);
    CHECK_INT(h.detail->holes[1].first, 8);
    CHECK_INT(h.detail->holes[1].last, 9);
    stream_head_clear(&h);
    check_everything(x);
    world_remove(x, s, 6, 7); /* the two become one */
    world_frame(x);
    world_remove(x, s, 0, 0);
    world_frame(x);
    world_remove(x, s, 23, 29);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        h = head_of(x, "s");
        CHECK_INT(h.next_version, 30);
        CHECK_INT(h.detail->hole_count, 3);
        CHECK_INT(h.detail->holes[0].first, 0);
        CHECK_INT(h.detail->holes[0].last, 0);
        CHECK_INT(h.detail->holes[1].first, 5);
        CHECK_INT(h.detail->holes[1].last, 9);
        CHECK_INT(h.detail->holes[2].first, 20);
        CHECK_INT(h.detail->holes[2].last, 29);
        CHECK_INT(h.detail->entries_added, 30);
        stream_head_clear(&h);
        check_everything(x);
    }
}

BOTH(holes_below_the_first_version_are_forgotten) {
    uint64_t s = make_stream(x, "s", 20);
    world_remove(x, s, 2, 3);
    world_remove(x, s, 6, 12);
    apply_frame(x);
    world_trim(x, s, 9);
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->hole_count, 1);
    CHECK_INT(h.detail->holes[0].first, 9);
    CHECK_INT(h.detail->holes[0].last, 12);
    stream_head_clear(&h);
    world_trim(x, s, 13);
    apply_frame(x);
    h = head_of(x, "s");
    CHECK_INT(h.detail->hole_count, 0);
    stream_head_clear(&h);
    check_everything(x);
}

BOTH(an_event_may_be_removed_by_the_apply_that_adds_it) {
    struct uuid hash = uuid_n(1), correlation = uuid_n(2);
    uint64_t s = make_stream(x, "s", 3);
    world_add(x, "s",
              (struct event_fields){.event_id = uuid_n(9),
                                    .content_hash = &hash,
                                    .correlation = &correlation,
                                    .aggregate = STR("a")});
    world_frame(x);
    world_remove(x, s, 2, 3);
    world_frame(x);
    make_stream(x, "s", 2);
    world_apply(x);
    struct selector *selector = selector_of(&(struct wanted){.correlation = {&correlation}});
    struct read_range r = range_of(0, 0, UINT64_MAX);
    r.selector = selector;
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        check_everything(x);
        CHECK_INT(world_check_range(x, r), 0);
        struct stream_head h = head_of(x, "s");
        CHECK_INT(h.next_version, 6);
        CHECK_INT(h.detail->hole_count, 1);
        stream_head_clear(&h);
    }
    selector_unref(selector);
}

BOTH(an_id_can_be_used_again_when_its_event_was_removed) {
    struct uuid hash = uuid_n(1), id = uuid_n(9);
    struct event_fields f = {.event_id = id, .content_hash = &hash};
    uint64_t s = world_stream(x, "s");
    for (int round = 0; round < 3; round++) {
        struct event *e = world_add(x, "s", f);
        world_frame(x);
        if (round > 0) world_apply(x);
        if (round > 0) CHECK(id_exists(x, &id));
        if (round == 2) break;
        world_remove(x, s, e->rec.version, e->rec.version);
        apply_frame(x);
        CHECK(!id_exists(x, &id));
    }
    world_maintain(x, true);
    CHECK(id_exists(x, &id));
    CHECK_INT(world_check_range(x, range_of(s, 0, UINT64_MAX)), 1);
}

BOTH(a_deleted_stream_is_gone_at_once_and_its_name_is_free) {
    uint64_t s = make_stream(x, "s", 10), other = make_stream(x, "other", 4);
    world_apply(x);
    world_delete(x, s);
    world_frame(x);
    uint64_t again = make_stream(x, "s", 3); /* in the same apply */
    CHECK(again != s);
    world_apply(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        check_everything(x);
        struct stream_head h = head_of(x, "s");
        CHECK_INT(h.number, again);
        CHECK_INT(h.next_version, 3);
        CHECK(h.detail == NULL);
        CHECK_INT(state_of(x).stream_count, 2);
        CHECK(find(x, s, 0, 0, 0) == UINT64_MAX);
    }
    world_delete(x, other);
    world_frame(x);
    world_delete(x, again);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        check_everything(x);
        CHECK(!head_of(x, "s").exists);
        CHECK(!head_of(x, "other").exists);
        CHECK_INT(state_of(x).stream_count, 0);
        struct stream_list l;
        stream_list_init(&l);
        WORLD_OK(x, x->b->list_streams(x->r, 0, STR(""), STR(""), 10, 10, &l, &err));
        CHECK_INT(l.count, 0);
        CHECK(l.done);
    }
    CHECK_INT(state_of(x).next_sequence, 17);
}

BOTH(a_stream_may_come_and_go_and_come_within_one_apply) {
    for (int i = 0; i < 4; i++) {
        uint64_t s = make_stream(x, "s", 2);
        if (i == 3) break;
        world_delete(x, s);
        world_frame(x);
    }
    world_apply(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        check_everything(x);
        CHECK_INT(head_of(x, "s").number, 4);
        CHECK_INT(state_of(x).stream_count, 1);
        CHECK_INT(state_of(x).next_stream, 5);
    }
}

static void rename_stream(struct world *x, uint64_t number, const char *name) {
    size_t len = strlen(name);
    struct stream_record *r = world_record(x, RECORD_RENAME, sizeof *r + len);
    r->number = number;
    r->created = x->streams[number]->rec.created;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
    world_frame(x);
}

static struct str name_in_log(struct world *x, uint64_t sequence, struct page *p) {
    struct read_range r = range_of(0, sequence, sequence);
    page_init(p);
    WORLD_OK(x, x->b->read_events(x->r, &r, p, &err));
    CHECK_INT(p->count, 1);
    return stream_name_str(p->events[0]->name);
}

BOTH(a_renamed_stream_has_its_new_name_everywhere) {
    uint64_t s = make_stream(x, "old-1", 2);
    world_apply(x);
    struct page p;
    CHECK(str_eq(name_in_log(x, 1, &p), STR("old-1"))); /* readers may keep names */
    page_clear(&p);
    rename_stream(x, s, "new-1");
    world_apply(x);
    CHECK(!head_of(x, "old-1").exists);
    struct stream_head h = head_of(x, "new-1");
    CHECK_INT(h.number, s);
    CHECK_INT(h.next_version, 2);
    CHECK(h.detail == NULL);
    CHECK(str_eq(name_in_log(x, 1, &p), STR("new-1")));
    struct uuid key;
    partition_key_of(STR("new-1"), &key);
    CHECK(uuid_eq(&p.events[0]->name->partition_key, &key));
    page_clear(&p);
    CHECK_INT(state_of(x).stream_count, 1);
}

BOTH(names_may_move_in_a_circle_within_one_apply) {
    uint64_t a = make_stream(x, "a", 1), b = make_stream(x, "b", 2), c = make_stream(x, "c", 3);
    world_apply(x);
    rename_stream(x, a, "aside");
    rename_stream(x, c, "a");
    rename_stream(x, b, "c");
    rename_stream(x, a, "b");
    world_apply(x);
    CHECK_INT(head_of(x, "a").number, c);
    CHECK_INT(head_of(x, "b").number, a);
    CHECK_INT(head_of(x, "c").number, b);
    CHECK(!head_of(x, "aside").exists);
    /* Over one that is deleted, while a new one takes the old name. */
    world_number(x, RECORD_DELETE, b);
    world_frame(x);
    rename_stream(x, a, "c");
    x->streams[++x->stream_count] = stream_name_create(4, 1, STR("b"));
    const struct stream_record *made = &x->streams[4]->rec;
    batch_add(x->open, RECORD_STREAM, made, sizeof *made + made->name_len);
    apply_frame(x);
    CHECK_INT(head_of(x, "c").number, a);
    CHECK_INT(head_of(x, "b").number, 4);
    CHECK_INT(state_of(x).stream_count, 3);
}

static uint64_t make_string(struct world *x, const char *name, struct str value) {
    uint64_t number = ++x->stream_count;
    x->streams[number] = stream_name_create(number, x->clock_ms, str_c(name));
    struct stream_record *made = &x->streams[number]->rec;
    made->kind = KIND_STRING;
    batch_add(x->open, RECORD_STREAM, made, sizeof *made + made->name_len);
    struct value_record *v = world_record(x, RECORD_VALUE, sizeof *v + value.len);
    v->stream = number;
    memcpy(v->bytes, value.ptr, value.len);
    return number;
}

BOTH(a_string_has_a_value) {
    uint64_t s = make_string(x, "key", STR("one\0two"));
    make_string(x, "empty", STR(""));
    apply_frame(x);
    struct stream_head h = head_of(x, "key");
    CHECK(h.kind == KIND_STRING);
    CHECK(str_eq(str_of(h.detail->value, h.detail->value_len), STR("one\0two")));
    stream_head_clear(&h);
    h = head_of(x, "empty");
    CHECK(h.kind == KIND_STRING);
    CHECK(h.detail->value != NULL);
    CHECK_INT(h.detail->value_len, 0);
    stream_head_clear(&h);
    struct value_record *v = world_record(x, RECORD_VALUE, sizeof *v + 3);
    v->stream = s;
    memcpy(v->bytes, "new", 3);
    world_state(x, s)->expires = 1234;
    apply_frame(x);
    h = head_of(x, "key");
    CHECK(str_eq(str_of(h.detail->value, h.detail->value_len), STR("new")));
    CHECK_INT(h.detail->expires, 1234);
    stream_head_clear(&h);
    struct stream_list l;
    stream_list_init(&l);
    WORLD_OK(x, x->b->list_streams(x->r, 0, STR(""), STR(""), 10, 10, &l, &err));
    CHECK_INT(l.count, 2);
    CHECK_INT(l.names[0]->rec.kind, KIND_STRING);
    stream_list_clear(&l);
    world_number(x, RECORD_DELETE, s);
    apply_frame(x);
    CHECK(!head_of(x, "key").exists);
    CHECK_INT(state_of(x).stream_count, 1);
}

BOTH(what_expires_is_listed_earliest_first) {
    char name[16];
    for (uint64_t i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "s%d", (int)i);
        uint64_t s = make_stream(x, name, 1);
        if (i == 3) continue;
        world_state(x, s)->expires = 1000 - i * 10;
        world_frame(x);
    }
    world_apply(x);
    CHECK_INT(state_of(x).next_deadline, 910);
    CHECK_INT(state_of(x).expiring_count, 9);
    struct stream_list l;
    stream_list_init(&l);
    WORLD_OK(x, x->b->list_expiring(x->r, 950, 3, &l, &err));
    CHECK_INT(l.applied, x->next_frame - 1);
    CHECK_INT(l.count, 3);
    CHECK(!l.done);
    for (size_t i = 0; i < 3; i++) CHECK_INT(l.names[i]->rec.number, 10 - i);
    stream_list_clear(&l);
    WORLD_OK(x, x->b->list_expiring(x->r, 950, 100, &l, &err));
    CHECK_INT(l.count, 5);
    CHECK(l.done);
    CHECK_INT(l.next, 960);
    stream_list_clear(&l);
    WORLD_OK(x, x->b->list_expiring(x->r, 909, 100, &l, &err));
    CHECK_INT(l.count, 0);
    CHECK(l.done);
    CHECK_INT(l.next, 910);
    WORLD_OK(x, x->b->list_expiring(x->r, 1000, 100, &l, &err));
    CHECK_INT(l.count, 9);
    CHECK_INT(l.next, 0);
    stream_list_clear(&l);
    world_state(x, 10)->expires = 0;
    apply_frame(x);
    CHECK_INT(state_of(x).next_deadline, 920);
    CHECK_INT(state_of(x).expiring_count, 8);
}

/* --- events ------------------------------------------------------------------------- */

BOTH(an_erased_event_keeps_everything_but_its_content) {
    struct uuid hash = uuid_n(1), correlation = uuid_n(2);
    char array[64];
    struct str args[] = {STR("f"), STR("v")};
    struct event_fields f = {.type = STR("type"),
                             .payload = STR("secret"),
                             .metadata = STR("secret too"),
                             .aggregate = STR("agg"),
                             .correlation = &correlation,
                             .event_id = uuid_n(9),
                             .content_hash = &hash};
    for (int same_apply = 0; same_apply < 2; same_apply++) {
        f.event_id = uuid_n(9 + (uint64_t)same_apply);
        struct event *e = world_add(x, "s", f);
        struct event *fields =
            world_add(x, "s",
                      (struct event_fields){
                          .payload = str_of(array, (size_t)(fields_write(array, args, 2) - array)),
                          .flags = EVENT_FIELDS});
        world_frame(x);
        if (!same_apply) world_apply(x);
        struct event *erased[] = {e, fields};
        for (int i = 0; i < 2; i++) {
            struct erase_record *r = world_record(x, RECORD_ERASE, sizeof *r);
            *r = (struct erase_record){1, erased[i]->rec.version, erased[i]->rec.sequence};
            world_frame(x);
        }
        world_apply(x);
        BEFORE_AND_AFTER_MAINTENANCE(x) {
            struct page p;
            struct read_range r = range_of(1, e->rec.version, e->rec.version + 1);
            page_init(&p);
            WORLD_OK(x, x->b->read_events(x->r, &r, &p, &err));
            CHECK_INT(p.count, 2);
            const struct event_record *have = &p.events[0]->rec;
            CHECK_INT(have->flags, e->rec.flags | EVENT_ERASED);
            CHECK_INT(have->payload_len, 0);
            CHECK_INT(have->metadata_len, 0);
            CHECK(str_eq(event_type(have), STR("type")));
            CHECK(str_eq(event_aggregate(have), STR("agg")));
            CHECK(uuid_eq(event_content_hash(have), &hash));
            CHECK(uuid_eq(event_correlation(have), &correlation));
            CHECK_INT(have->entry_ms, e->rec.entry_ms);
            CHECK_INT(p.events[1]->rec.flags, EVENT_FIELDS | EVENT_ERASED);
            CHECK_INT(p.events[1]->rec.payload_len, 0);
            CHECK(event_record_valid(have, event_record_len(have)));
            page_clear(&p);
            CHECK(id_exists(x, &f.event_id));
        }
    }
}

BOTH(fields_come_back_as_they_were) {
    char bytes[256], array[4096];
    for (int i = 0; i < 256; i++) bytes[i] = (char)i;
    struct str all[] = {
        STR("name"),     STR("value"),   STR("name"),         STR("again"),
        STR(""),         STR(""),        str_of(bytes, 256),  str_of(bytes + 100, 156),
        STR("\xc3\xa4"), STR("\"\\/\b"), STR("\xed\xa0\x80"), STR("\xf0\x9f\x98\x80")};
    for (size_t n = 2; n <= ARRAY_LEN(all); n += 2) {
        char *end = fields_write(array, all, n);
        world_add(x, "s",
                  (struct event_fields){.payload = str_of(array, (size_t)(end - array)),
                                        .metadata = STR("meta"),
                                        .flags = EVENT_FIELDS});
        world_append(x, "s", "t", "{\"not\":\"fields\"}");
    }
    world_apply(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), ARRAY_LEN(all));
        CHECK_INT(world_check_range(x, range_of(1, 0, UINT64_MAX)), ARRAY_LEN(all));
    }
}

BOTH(entries_are_found_by_their_ids_across_holes) {
    uint64_t s = world_stream(x, "s");
    for (uint64_t i = 0; i < 200; i++) { /* 10-0, 10-1, 20-0, 20-1 ... */
        world_add(x, "s", (struct event_fields){.entry_ms = (i / 2 + 1) * 10, .entry_seq = i % 2});
        if (i % 3 == 0) make_stream(x, "other", 1);
    }
    world_frame(x);
    world_apply(x);
    CHECK_INT(find(x, s, 0, 0, 0), 0);
    CHECK_INT(find(x, s, 0, 10, 1), 1);
    CHECK_INT(find(x, s, 0, 10, 2), 2);
    CHECK_INT(find(x, s, 0, 1000, 1), 199);
    CHECK(find(x, s, 0, 1000, 2) == UINT64_MAX);
    CHECK_INT(find(x, s, 50, 0, 0), 50);
    CHECK(find(x, s, 200, 0, 0) == UINT64_MAX);
    CHECK(find(x, 77, 0, 0, 0) == UINT64_MAX);
    world_remove(x, s, 40, 79);
    world_remove(x, s, 0, 3);
    world_remove(x, s, 190, 199);
    apply_frame(x);
    for (int merged = 0; merged < 2; merged++) {
        CHECK_INT(find(x, s, 0, 0, 0), 4);
        CHECK_INT(find(x, s, 0, 210, 0), 80);
        CHECK_INT(find(x, s, 0, 200, 1), 39);
        CHECK_INT(find(x, s, 45, 0, 0), 80);
        CHECK_INT(find(x, s, 0, 950, 1), 189);
        CHECK(find(x, s, 0, 950, 2) == UINT64_MAX);
        for (uint64_t v = 0; v < 200; v++) {
            uint64_t want = v < 4 ? 4 : v >= 40 && v < 80 ? 80 : v >= 190 ? UINT64_MAX : v;
            CHECK(find(x, s, 0, (v / 2 + 1) * 10, v % 2) == want);
        }
        world_maintain(x, true);
    }
    /* Half of it in the table, half not. */
    for (uint64_t i = 200; i < 300; i++)
        world_add(x, "s", (struct event_fields){.entry_ms = (i / 2 + 1) * 10, .entry_seq = i % 2});
    world_frame(x);
    world_remove(x, s, 220, 230);
    apply_frame(x);
    for (uint64_t v = 180; v < 300; v++) {
        uint64_t want = v >= 190 && v < 200 ? 200 : v >= 220 && v <= 230 ? 231 : v;
        CHECK_INT(find(x, s, 0, (v / 2 + 1) * 10, v % 2), want);
    }
    world_trim(x, s, 250);
    apply_frame(x);
    CHECK_INT(find(x, s, 0, 0, 0), 250);
    CHECK_INT(find(x, s, 0, 1400, 0), 278);
}

/* --- groups ------------------------------------------------------------------------- */

static void put_group(struct world *x, uint64_t number, uint64_t stream, const char *name) {
    size_t len = strlen(name);
    struct group_record *r = world_record(x, RECORD_GROUP, sizeof *r + len);
    r->number = number;
    r->stream = stream;
    r->last = (struct entry_id){5, 6};
    r->entries_read = -1;
    r->created = 777;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
}

static void put_consumer(struct world *x, uint64_t group, uint32_t number, const char *name,
                         uint64_t seen, uint64_t active) {
    size_t len = strlen(name);
    struct consumer_record *r = world_record(x, RECORD_CONSUMER, sizeof *r + len);
    r->group = group;
    r->number = number;
    r->seen = seen;
    r->active = active;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
}

static void put_pending(struct world *x, uint64_t group, uint64_t ms, uint32_t consumer,
                        uint32_t deliveries, uint32_t flags) {
    struct pending_record *r =
        world_record(x, RECORD_PENDING, sizeof *r + sizeof(struct pending_item));
    r->group = group;
    r->items[0] = (struct pending_item){.id = {ms, 0},
                                        .delivered = x->clock_ms,
                                        .version = (uint32_t)(ms % 1000),
                                        .consumer = consumer,
                                        .deliveries = deliveries,
                                        .flags = flags};
}

static void put_ack(struct world *x, uint64_t group, uint64_t ms) {
    struct ack_record *r = world_record(x, RECORD_ACK, sizeof *r + sizeof(struct entry_id));
    r->group = group;
    r->ids[0] = (struct entry_id){ms, 0};
}

BOTH(a_group_is_kept_with_all_that_it_has) {
    uint64_t s = make_stream(x, "s", 3);
    put_group(x, 1, s, "first");
    put_group(x, 4, s, "second");
    put_consumer(x, 1, 1, "alice", 10, CONSUMER_NEVER_ACTIVE);
    put_consumer(x, 1, 2, "bob", 11, 12);
    put_pending(x, 1, 30, 1, 1, PENDING_IS_NEW);
    put_pending(x, 1, UINT64_MAX, 2, DELIVERIES_MAX, PENDING_IS_NEW);
    put_pending(x, 1, 20, 0, 3, PENDING_IS_NEW);
    apply_frame(x);
    CHECK_INT(state_of(x).next_group, 5);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->group_count, 2);
    CHECK_INT(h.detail->entries_added, 3);
    const struct group_image *g = &h.detail->groups[0];
    CHECK_INT(g->record->number, 1);
    CHECK_INT(g->record->stream, s);
    CHECK_INT(g->record->created, 777);
    CHECK_INT(g->record->entries_read, -1);
    CHECK_INT(g->record->last.ms, 5);
    CHECK_INT(g->record->last.seq, 6);
    CHECK(str_eq(str_of(g->record->name, g->record->name_len), STR("first")));
    CHECK_INT(g->consumer_count, 2);
    CHECK_INT(g->consumers[0]->number, 1);
    CHECK(str_eq(str_of(g->consumers[0]->name, g->consumers[0]->name_len), STR("alice")));
    CHECK_INT(g->consumers[0]->seen, 10);
    CHECK(g->consumers[0]->active == CONSUMER_NEVER_ACTIVE);
    CHECK_INT(g->consumers[1]->active, 12);
    CHECK_INT(g->pending_count, 3);
    CHECK_INT(g->pending[0].id.ms, 20);
    CHECK_INT(g->pending[0].consumer, 0);
    CHECK_INT(g->pending[1].id.ms, 30);
    CHECK_INT(g->pending[1].version, 30);
    CHECK_INT(g->pending[1].flags, 0);
    CHECK_INT(g->pending[1].delivered, x->clock_ms);
    CHECK(g->pending[2].id.ms == UINT64_MAX);
    CHECK(g->pending[2].deliveries == DELIVERIES_MAX);
    CHECK(str_eq(str_of(h.detail->groups[1].record->name, 6), STR("second")));
    stream_head_clear(&h);
}

BOTH(what_changes_in_a_group_replaces_what_was) {
    uint64_t s = make_stream(x, "s", 3);
    put_group(x, 1, s, "g");
    put_consumer(x, 1, 1, "alice", 10, 10);
    for (uint64_t i = 1; i <= 5; i++) put_pending(x, 1, i, 1, 1, PENDING_IS_NEW);
    apply_frame(x);
    struct position_record *p = world_record(x, RECORD_GROUP_POSITION, sizeof *p);
    *p = (struct position_record){1, {UINT64_MAX, 9}, 44};
    put_consumer(x, 1, 1, "alice", 20, 21);
    put_consumer(x, 1, 2, "bob", 22, 22);
    put_pending(x, 1, 2, 2, 2, 0); /* claimed */
    put_ack(x, 1, 3);
    put_ack(x, 1, 99);
    put_pending(x, 1, 6, 2, 1, PENDING_IS_NEW);
    put_ack(x, 1, 6);
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    const struct group_image *g = &h.detail->groups[0];
    CHECK(g->record->last.ms == UINT64_MAX);
    CHECK_INT(g->record->entries_read, 44);
    CHECK_INT(g->consumer_count, 2);
    CHECK_INT(g->consumers[0]->seen, 20);
    CHECK_INT(g->pending_count, 4);
    CHECK_INT(g->pending[1].id.ms, 2);
    CHECK_INT(g->pending[1].consumer, 2);
    CHECK_INT(g->pending[1].deliveries, 2);
    CHECK_INT(g->pending[2].id.ms, 4);
    stream_head_clear(&h);
}

BOTH(a_dropped_consumer_takes_along_what_it_has_pending) {
    uint64_t s = make_stream(x, "s", 3);
    put_group(x, 1, s, "g");
    put_consumer(x, 1, 1, "alice", 10, 10);
    put_consumer(x, 1, 2, "bob", 10, 10);
    for (uint64_t i = 1; i <= 6; i++) put_pending(x, 1, i, 1 + i % 2, 1, PENDING_IS_NEW);
    apply_frame(x);
    put_pending(x, 1, 1, 1, 2, 0);              /* bob's, claimed by alice */
    put_pending(x, 1, 2, 2, 2, 0);              /* alice's, claimed by bob */
    put_pending(x, 1, 7, 1, 1, PENDING_IS_NEW); /* new and alice's */
    struct consumer_drop_record *r = world_record(x, RECORD_CONSUMER_DROP, sizeof *r);
    *r = (struct consumer_drop_record){.group = 1, .consumer = 1};
    put_pending(x, 1, 4, 2, 1, PENDING_IS_NEW); /* delivered again, after it went with alice */
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    const struct group_image *g = &h.detail->groups[0];
    CHECK_INT(g->consumer_count, 1);
    CHECK_INT(g->consumers[0]->number, 2);
    CHECK_INT(g->pending_count, 4);
    static const uint64_t left[] = {2, 3, 4, 5};
    for (size_t i = 0; i < 4; i++) CHECK_INT(g->pending[i].id.ms, left[i]);
    stream_head_clear(&h);
}

BOTH(a_dropped_group_is_gone_and_its_name_is_free) {
    uint64_t s = make_stream(x, "s", 3);
    put_group(x, 1, s, "g");
    put_consumer(x, 1, 1, "alice", 10, 10);
    for (uint64_t i = 1; i <= 50; i++) put_pending(x, 1, i, 1, 1, PENDING_IS_NEW);
    apply_frame(x);
    put_pending(x, 1, 51, 1, 1, PENDING_IS_NEW);
    world_number(x, RECORD_GROUP_DROP, 1);
    put_group(x, 2, s, "g");
    put_pending(x, 2, 7, 0, 1, PENDING_IS_NEW);
    put_group(x, 3, s, "short"); /* made and dropped at once */
    put_pending(x, 3, 8, 0, 1, PENDING_IS_NEW);
    world_number(x, RECORD_GROUP_DROP, 3);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        struct stream_head h = head_of(x, "s");
        CHECK_INT(h.detail->group_count, 1);
        CHECK_INT(h.detail->groups[0].record->number, 2);
        CHECK_INT(h.detail->groups[0].consumer_count, 0);
        CHECK_INT(h.detail->groups[0].pending_count, 1);
        stream_head_clear(&h);
        CHECK_INT(state_of(x).next_group, 4);
    }
}

BOTH(groups_go_with_their_stream) {
    uint64_t s = make_stream(x, "s", 3);
    put_group(x, 1, s, "g");
    put_pending(x, 1, 7, 0, 1, PENDING_IS_NEW);
    apply_frame(x);
    put_group(x, 2, s, "late");
    put_pending(x, 2, 7, 0, 1, PENDING_IS_NEW);
    world_delete(x, s);
    world_frame(x);
    make_stream(x, "s", 1);
    world_apply(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) CHECK(head_of(x, "s").detail == NULL);
}

BOTH(pending_entries_outlive_the_events_that_they_are_of) {
    uint64_t s = make_stream(x, "s", 3);
    put_group(x, 1, s, "g");
    put_pending(x, 1, x->events[1]->rec.entry_ms, 0, 1, PENDING_IS_NEW);
    apply_frame(x);
    world_remove(x, s, 1, 1);
    apply_frame(x);
    world_trim(x, s, 3);
    apply_frame(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        struct stream_head h = head_of(x, "s");
        CHECK_INT(h.detail->groups[0].pending_count, 1);
        stream_head_clear(&h);
    }
}

/* --- idempotent ids ------------------------------------------------------------------- */

static void put_idempotent(struct world *x, uint64_t stream, const char *producer, unsigned id) {
    char text[64];
    size_t len = strlen(producer);
    size_t n = (size_t)snprintf(text, sizeof text, "%sid-%u", producer, id);
    struct idempotent_record *r = world_record(x, RECORD_IDEMPOTENT, sizeof *r + n);
    r->stream = stream;
    r->id = (struct entry_id){x->clock_ms, id};
    r->added = x->clock_ms++;
    r->producer_len = (uint16_t)len;
    r->id_len = (uint16_t)(n - len);
    memcpy(r->bytes, text, n);
}

BOTH(idempotent_ids_are_kept_in_the_order_in_which_they_came) {
    uint64_t s = make_stream(x, "s", 1);
    put_idempotent(x, s, "p", 3);
    put_idempotent(x, s, "q", 1);
    put_idempotent(x, s, "p", 2);
    apply_frame(x);
    put_idempotent(x, s, "p", 3); /* again: it is the newest now */
    put_idempotent(x, s, "p", 1);
    apply_frame(x);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->idempotent_count, 4);
    static const char *const order[] = {"id-1", "id-2", "id-3", "id-1"};
    for (size_t i = 0; i < 4; i++) {
        const struct idempotent_record *r = h.detail->idempotent[i];
        CHECK(str_eq(idempotent_id(r), str_c(order[i])));
        CHECK_INT(r->stream, s);
        CHECK(r->bytes[0] == (i == 0 ? 'q' : 'p'));
        CHECK_INT(r->id.ms, r->added);
    }
    stream_head_clear(&h);
    put_idempotent(x, s, "p", 9);
    world_number(x, RECORD_IDEMPOTENT_CLEAR, s);
    put_idempotent(x, s, "p", 8);
    apply_frame(x);
    h = head_of(x, "s");
    CHECK_INT(h.detail->idempotent_count, 1);
    CHECK(str_eq(idempotent_id(h.detail->idempotent[0]), STR("id-8")));
    stream_head_clear(&h);
}

BOTH(each_producer_keeps_as_many_ids_as_the_stream_says) {
    uint64_t s = make_stream(x, "s", 1), plain = make_stream(x, "plain", 1);
    world_state(x, s)->idempotent_max = 5;
    world_frame(x);
    for (unsigned i = 0; i < 40; i++) {
        put_idempotent(x, s, "p", i);
        if (i < 3) put_idempotent(x, s, "q", i);
        put_idempotent(x, plain, "p", i);
        world_frame(x);
        if (i % 7 == 0) world_apply(x);
    }
    world_apply(x);
    world_maintain(x, true);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->idempotent_count, 8);
    CHECK(str_eq(idempotent_id(h.detail->idempotent[7]), STR("id-39")));
    CHECK(str_eq(idempotent_id(h.detail->idempotent[3]), STR("id-35")));
    stream_head_clear(&h);
    h = head_of(x, "plain");
    CHECK_INT(h.detail->idempotent_count, 40);
    stream_head_clear(&h);
}

BOTH(ids_that_are_too_old_are_forgotten) {
    uint64_t s = make_stream(x, "s", 1);
    world_state(x, s)->idempotent_seconds = 100;
    for (unsigned i = 0; i < 10; i++) put_idempotent(x, s, "p", i);
    apply_frame(x);
    x->clock_ms += 99000;
    make_stream(x, "s", 1);
    put_idempotent(x, s, "p", 10);
    apply_frame(x);
    world_maintain(x, true);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->idempotent_count, 11);
    stream_head_clear(&h);
    x->clock_ms += 2000;
    make_stream(x, "s", 1);
    put_idempotent(x, s, "p", 11);
    apply_frame(x);
    world_maintain(x, true);
    h = head_of(x, "s");
    CHECK_INT(h.detail->idempotent_count, 2);
    stream_head_clear(&h);
}

/* The store's clock is a day ahead of the system's, after a step of that; ids come by the latter.
 */
static void put_id_added(struct world *x, uint64_t stream, unsigned id, uint64_t added) {
    char text[16];
    size_t n = (size_t)snprintf(text, sizeof text, "pid-%u", id);
    struct idempotent_record *r = world_record(x, RECORD_IDEMPOTENT, sizeof *r + n);
    *r = (struct idempotent_record){.stream = stream,
                                    .id = {x->clock_ms, id},
                                    .added = added,
                                    .producer_len = 1,
                                    .id_len = (uint16_t)(n - 1)};
    memcpy(r->bytes, text, n);
}

BOTH(ids_are_kept_in_order_while_the_clock_is_behind_that_of_the_store) {
    static const char *const order[] = {"id-2", "id-4", "id-5"};
    uint64_t s = make_stream(x, "s", 1), now = clock_wall_ms();
    struct stream_state_record *state = world_state(x, s);
    state->idempotent_seconds = 3600;
    state->idempotent_max = 3;
    x->clock_ms = now + 86400000;
    make_stream(x, "s", 1);
    put_id_added(x, s, 1, x->clock_ms);
    put_id_added(x, s, 2, x->clock_ms);
    apply_frame(x);
    put_id_added(x, s, 3, now - 7200000); /* out of its window by then */
    put_id_added(x, s, 4, now);
    put_id_added(x, s, 5, now);
    apply_frame(x);
    world_maintain(x, true);
    struct stream_head h = head_of(x, "s");
    CHECK_INT(h.detail->idempotent_count, 3);
    for (size_t i = 0; i < 3 && i < h.detail->idempotent_count; i++)
        CHECK(str_eq(idempotent_id(h.detail->idempotent[i]), str_c(order[i])));
    stream_head_clear(&h);
}

/* --- all of it ------------------------------------------------------------------------- */

BOTH(a_flush_takes_everything_along) {
    uint64_t s = make_stream(x, "s", 10);
    make_string(x, "key", STR("value"));
    put_group(x, 1, s, "g");
    put_consumer(x, 1, 1, "alice", 10, 10);
    put_pending(x, 1, 7, 1, 1, PENDING_IS_NEW);
    put_idempotent(x, s, "p", 1);
    world_remove(x, s, 2, 2);
    uint64_t gone = make_stream(x, "gone", 3);
    world_apply(x);
    world_delete(x, gone);
    world_trim(x, s, 5);
    world_state(x, s)->expires = 5;
    world_frame(x);
    batch_add(x->open, RECORD_FLUSH, NULL, 0);
    apply_frame(x);
    world_forget(x);
    CHECK_INT(state_of(x).next_group, 1);
    CHECK_INT(state_of(x).next_deadline, 0);
    CHECK_INT(state_of(x).stream_count, 0);
    s = make_stream(x, "s", 6);
    world_apply(x);
    BEFORE_AND_AFTER_MAINTENANCE(x) {
        check_everything(x);
        CHECK(head_of(x, "s").detail == NULL);
        CHECK(!head_of(x, "key").exists);
        CHECK_INT(find(x, s, 0, 0, 0), 0);
    }
}

/* --- threads ------------------------------------------------------------------------ */

struct reading {
    struct world *x;
    _Atomic bool stop;
    _Atomic uint64_t rounds;
};

/* Frame f adds the versions 10f - 10 to 10f - 1 and trims to the last 50; every third frame removes
 * version 10f - 5 as well. So a snapshot's frame says exactly what must be seen. */
static size_t expected_events(uint64_t frame, uint64_t first) {
    size_t n = (size_t)(frame * 10 - first);
    for (uint64_t f = 3; f <= frame; f += 3) n -= f * 10 - 5 >= first;
    return n;
}

static void *read_capped(void *arg) {
    struct reading *g = arg;
    const struct backend *b = g->x->b;
    struct backend_conn *r = NULL;
    struct err err;
    if (b->open_reader(&r, g->x->w, &err) != 0) abort();
    while (!atomic_load(&g->stop)) {
        struct page p;
        page_init(&p);
        struct read_range range = range_of(draw(2), 0, UINT64_MAX);
        if (b->read_events(r, &range, &p, &err) != 0) abort();
        uint64_t first = p.applied > 5 ? p.applied * 10 - 50 : 0;
        CHECK(p.done);
        CHECK_INT(p.count, expected_events(p.applied, first));
        for (size_t i = 0; i < p.count; i++) {
            uint64_t version = p.events[i]->rec.version;
            CHECK(version >= first);
            CHECK(i == 0 || version > p.events[i - 1]->rec.version);
        }
        page_clear(&p);
        struct stream_head h;
        uint64_t applied = 0, version = 0;
        if (b->read_head(r, STR("capped"), &h, &applied, &err) != 0) abort();
        first = applied > 5 ? applied * 10 - 50 : 0;
        CHECK_INT(h.next_version, applied * 10);
        if (applied > 0) CHECK_INT(h.detail->first_version, first);
        stream_head_clear(&h);
        if (b->find_entry(r, 1, 0, (struct entry_id){0, 0}, &version, &applied, &err) != 0) abort();
        if (applied > 0) CHECK_INT(version, applied > 5 ? applied * 10 - 50 : 0);
        atomic_fetch_add(&g->rounds, 1);
    }
    b->close(r);
    return NULL;
}

BOTH(readers_see_whole_frames_while_events_go_and_are_purged) {
    struct reading g = {.x = x};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, read_capped, &g);
    for (uint64_t f = 1; f <= 300 || atomic_load(&g.rounds) < 20; f++) {
        for (int i = 0; i < 10; i++)
            world_add(x, "capped", (struct event_fields){.type = STR("t")});
        if (f % 3 == 0) world_remove(x, 1, f * 10 - 5, f * 10 - 5);
        world_trim(x, 1, f > 5 ? f * 10 - 50 : 0);
        world_frame(x);
        if (f % 4 == 0) world_apply(x);
        bool more = false;
        if (f % 8 == 0) WORLD_OK(x, x->b->maintain(x->w, f % 16 == 0, &more, &err));
    }
    atomic_store(&g.stop, true);
    for (size_t i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    world_batch(x);
    if (x->batch_count > 0) world_apply(x);
    check_everything(x);
}

/* --- what has a name of its own ---------------------------------------------------- */

static void put_named(struct world *x, enum named_class class, const char *name,
                      const char *value) {
    size_t len = strlen(name), n = value == NULL ? 0 : strlen(value);
    struct named_record *r = world_record(x, RECORD_NAMED, sizeof *r + len + n);
    *r = (struct named_record){(uint16_t) class, (uint16_t)len, value == NULL ? NAMED_GONE : 0};
    memcpy(r->bytes, name, len);
    if (n > 0) memcpy(r->bytes + len, value, n);
}

static void put_checkpoint(struct world *x, const char *name, uint64_t position) {
    size_t len = strlen(name);
    struct checkpoint_value v = {.position = position, .updated = 1000 + position};
    struct named_record *r = world_record(x, RECORD_NAMED, sizeof *r + len + sizeof v);
    *r = (struct named_record){NAMED_CHECKPOINT, (uint16_t)len, 0};
    memcpy(r->bytes, name, len);
    memcpy(r->bytes + len, &v, sizeof v);
}

/* -1: there is none. */
static int64_t position_of(struct world *x, const char *name) {
    struct checkpoint_value v;
    struct str value;
    uint64_t applied = 0;
    WORLD_OK(x, x->b->read_named(x->r, NAMED_CHECKPOINT, str_c(name), &value, &applied, &err));
    CHECK_INT(applied, x->next_frame - 1);
    if (value.ptr == NULL) return -1;
    CHECK_INT(value.len, sizeof v);
    memcpy(&v, value.ptr, sizeof v);
    CHECK_INT(v.updated, 1000 + v.position);
    free((char *)(uintptr_t)value.ptr);
    return (int64_t)v.position;
}

static void check_view(struct world *x, const char *name, const char *want) {
    struct str value;
    uint64_t applied = 0;
    WORLD_OK(x, x->b->read_named(x->r, NAMED_VIEW, str_c(name), &value, &applied, &err));
    CHECK((value.ptr != NULL) == (want != NULL));
    if (want != NULL) CHECK(str_eq(value, str_c(want)));
    free((char *)(uintptr_t)value.ptr);
}

BOTH(checkpoints_and_views_are_the_last_that_was_said_of_them) {
    put_checkpoint(x, "a", 7);
    put_named(x, NAMED_VIEW, "a", "TYPE paid");
    apply_frame(x);
    CHECK_INT(position_of(x, "a"), 7);
    CHECK_INT(position_of(x, "b"), -1);
    check_view(x, "a", "TYPE paid");
    check_view(x, "b", NULL);
    put_checkpoint(x, "a", 8);
    put_checkpoint(x, "b", 1);
    put_named(x, NAMED_CHECKPOINT, "a", NULL);
    put_checkpoint(x, "a", 3);
    put_named(x, NAMED_CHECKPOINT, "b", NULL);
    put_named(x, NAMED_VIEW, "a", "");
    apply_frame(x);
    CHECK_INT(position_of(x, "a"), 3);
    CHECK_INT(position_of(x, "b"), -1);
    check_view(x, "a", "");
    put_named(x, NAMED_CHECKPOINT, "a", NULL);
    put_named(x, NAMED_VIEW, "a", NULL);
    put_named(x, NAMED_VIEW, "never", NULL);
    apply_frame(x);
    CHECK_INT(position_of(x, "a"), -1);
    check_view(x, "a", NULL);
}

BOTH(a_walk_by_number_finds_each_checkpoint_once_whatever_is_set_meanwhile) {
    char name[16];
    for (int i = 0; i < 25; i++) {
        snprintf(name, sizeof name, "c%02d", i);
        put_checkpoint(x, name, (uint64_t)i);
        put_named(x, NAMED_VIEW, name, "v");
    }
    apply_frame(x);
    unsigned seen[25] = {0};
    struct named_list l = {0};
    do {
        uint64_t from = l.next;
        named_list_clear(&l);
        WORLD_OK(x, x->b->list_named(x->r, NAMED_CHECKPOINT, from, 4, &l, &err));
        CHECK(l.count <= 4);
        CHECK_INT(l.applied, x->next_frame - 1);
        for (size_t i = 0; i < l.count; i++) {
            CHECK(i == 0 || l.items[i].number > l.items[i - 1].number);
            unsigned which = (unsigned)atoi(l.items[i].name.ptr + 1);
            CHECK(which < 25 && l.items[i].name.len == 3);
            CHECK_INT(l.items[i].value.len, sizeof(struct checkpoint_value));
            seen[which]++;
        }
        for (int i = 0; i < 25; i += 3) {
            snprintf(name, sizeof name, "c%02d", i);
            put_checkpoint(x, name, 100);
        }
        apply_frame(x);
    } while (!l.done);
    named_list_clear(&l);
    for (int i = 0; i < 25; i++) CHECK_INT(seen[i], 1);
}

BOTH(a_flush_takes_checkpoints_and_leaves_views) {
    put_checkpoint(x, "old", 7);
    put_named(x, NAMED_VIEW, "old", "TYPE paid");
    apply_frame(x);
    /* Also what is new in the same apply. */
    put_checkpoint(x, "new", 7);
    put_named(x, NAMED_VIEW, "new", "TYPE sent");
    put_named(x, NAMED_VIEW, "gone", "TYPE lost");
    put_named(x, NAMED_VIEW, "gone", NULL);
    world_frame(x);
    world_record(x, RECORD_FLUSH, 0);
    world_frame(x);
    put_checkpoint(x, "later", 0);
    put_named(x, NAMED_VIEW, "later", "TYPE late");
    apply_frame(x);
    CHECK_INT(position_of(x, "old"), -1);
    CHECK_INT(position_of(x, "new"), -1);
    CHECK_INT(position_of(x, "later"), 0);
    check_view(x, "old", "TYPE paid");
    check_view(x, "new", "TYPE sent");
    check_view(x, "gone", NULL);
    check_view(x, "later", "TYPE late");
}
