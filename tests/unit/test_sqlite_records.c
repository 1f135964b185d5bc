/* What is SQLite's alone of everything beside events: what is never written, what is purged and
 * when, what is left in the file, the views, files of the first schema. */
#include "sqlite_world.h"

#include <fcntl.h>
#include <unistd.h>

#include "record/fields.h"

static void apply_frame(struct world *x) {
    world_frame(x);
    world_apply(x);
}

static uint64_t make_stream(struct world *x, const char *name, size_t n) {
    uint64_t number = world_stream(x, name);
    for (size_t i = 0; i < n; i++) {
        struct uuid hash = uuid_n(i), id;
        uuid_v4(&id);
        x->clock_ms++;
        world_add(x, name,
                  (struct event_fields){.type = STR("t"),
                                        .payload = STR("payload"),
                                        .event_id = id,
                                        .correlation = i % 5 == 0 ? &hash : NULL,
                                        .content_hash = i % 4 == 0 ? &hash : NULL});
    }
    world_frame(x);
    return number;
}

static void check_all(struct world *x) {
    for (uint64_t s = 0; s <= x->stream_count; s++)
        world_check_range(x, range_of(s, 0, UINT64_MAX));
}

static int rows_changed(struct world *x) {
    return sqlite3_total_changes(x->w->db);
}

static void put_group(struct world *x, uint64_t number, uint64_t stream, const char *name) {
    size_t len = strlen(name);
    struct group_record *r = world_record(x, RECORD_GROUP, sizeof *r + len);
    r->number = number;
    r->stream = stream;
    r->created = 777;
    r->entries_read = -1;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
}

static void put_pending(struct world *x, uint64_t group, uint64_t ms, uint32_t deliveries,
                        uint32_t flags) {
    struct pending_record *r =
        world_record(x, RECORD_PENDING, sizeof *r + sizeof(struct pending_item));
    r->group = group;
    r->items[0] = (struct pending_item){
        .id = {ms, 0}, .delivered = 99, .consumer = 1, .deliveries = deliveries, .flags = flags};
}

static void put_position(struct world *x, uint64_t group, uint64_t ms) {
    struct position_record *r = world_record(x, RECORD_GROUP_POSITION, sizeof *r);
    *r = (struct position_record){group, {ms, 0}, 1};
}

static void put_ack(struct world *x, uint64_t group, uint64_t ms) {
    struct ack_record *r = world_record(x, RECORD_ACK, sizeof *r + sizeof(struct entry_id));
    r->group = group;
    r->ids[0] = (struct entry_id){ms, 0};
}

/* --- what is not written ------------------------------------------------------------ */

TEST(an_entry_delivered_and_acknowledged_in_one_apply_costs_no_row) {
    struct world *x = open_world();
    put_group(x, 1, make_stream(x, "s", 1), "g");
    apply_frame(x);
    int before = rows_changed(x);
    for (uint64_t i = 1; i <= 1000; i++) {
        put_pending(x, 1, i, 1, PENDING_IS_NEW);
        put_position(x, 1, i);
        world_frame(x);
        put_ack(x, 1, i);
        world_frame(x);
    }
    world_apply(x);
    CHECK_INT(rows_changed(x) - before, 2); /* the group's position, the store's state */
    CHECK_SQL("SELECT count(*) FROM pending", "0");
    CHECK_SQL("SELECT last_ms FROM groups", "1000");
    world_close(x);
}

TEST(several_changes_of_an_entry_are_one_row) {
    struct world *x = open_world();
    put_group(x, 1, make_stream(x, "s", 1), "g");
    apply_frame(x);
    int before = rows_changed(x);
    for (uint64_t i = 1; i <= 10; i++)
        for (uint32_t d = 1; d <= 10; d++) put_pending(x, 1, i, d, d == 1 ? PENDING_IS_NEW : 0);
    apply_frame(x);
    CHECK_INT(rows_changed(x) - before, 11);
    CHECK_SQL("SELECT count(*), min(deliveries) FROM pending", "10|10");
    world_close(x);
}

static void put_value(struct world *x, uint64_t stream, char value) {
    struct value_record *v = world_record(x, RECORD_VALUE, sizeof *v + 1);
    v->stream = stream;
    v->bytes[0] = (uint8_t)value;
    world_frame(x);
}

TEST(a_string_that_changes_often_in_one_apply_is_one_row) {
    struct world *x = open_world();
    uint64_t s = ++x->stream_count;
    x->streams[s] = stream_name_create(s, 4, STR("key"));
    x->streams[s]->rec.kind = KIND_STRING;
    batch_add(x->open, RECORD_STREAM, &x->streams[s]->rec, sizeof(struct stream_record) + 3);
    put_value(x, s, 'a');
    world_apply(x);
    int before = rows_changed(x);
    for (int i = 0; i < 1000; i++) put_value(x, s, (char)('a' + i % 26));
    world_apply(x);
    CHECK_INT(rows_changed(x) - before, 2); /* the value, the store's state */
    CHECK_SQL("SELECT value FROM cairn_strings", "l");
    world_close(x);
}

TEST(events_trimmed_or_deleted_by_the_apply_that_adds_them_are_never_written) {
    struct world *x = open_world();
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t s = make_stream(x, "capped", 10);
        world_trim(x, s, i * 10);
        world_frame(x);
    }
    uint64_t gone = make_stream(x, "gone", 100);
    world_delete(x, gone);
    world_frame(x);
    int before = rows_changed(x);
    world_apply(x);
    /* 10 events, their 2 correlations, the type and its 2 blocks, the stream twice, the state */
    CHECK_INT(rows_changed(x) - before, 18);
    check_all(x);
    world_maintain(x, true);
    check_all(x);
    CHECK_SQL("SELECT count(*) FROM stream_index", "10");
    CHECK_SQL("SELECT count(*) FROM event_ids", "3");
    CHECK_SQL("SELECT count(*) FROM deleted_streams", "0");
    /* Sequences go on; the tail that is not indexed is read again at a start. */
    make_stream(x, "capped", 3);
    world_apply(x);
    world_disconnect(x);
    world_connect(x);
    check_all(x);
    world_close(x);
}

/* --- purging ------------------------------------------------------------------------ */

static void check_purged(struct world *x) {
    size_t left = 0;
    char n[32];
    for (size_t i = 0; i < x->event_count; i++) left += !x->events[i]->removed;
    snprintf(n, sizeof n, "%zu", left);
    CHECK_SQL("SELECT count(*) FROM events", n);
    CHECK_SQL("SELECT count(*) FROM stream_index", n);
    CHECK_SQL("SELECT count(*) FROM cairn_events", n);
    CHECK_SQL("SELECT (SELECT count(*) FROM event_ids) ="
              " (SELECT count(content_hash) FROM events)",
              "1");
    CHECK_SQL("SELECT (SELECT count(*) FROM correlations) ="
              " (SELECT count(correlation) FROM events)",
              "1");
    CHECK_SQL("SELECT count(*) FROM deleted_streams", "0");
    CHECK_SQL("SELECT count(*) FROM streams WHERE purged <> first_version", "0");
}

/* Two long streams, of which one is deleted and the other trimmed; some of it is indexed. */
static struct world *world_to_purge(void) {
    struct world *x = open_world();
    uint64_t a = make_stream(x, "a", 20000), b = make_stream(x, "b", 20000);
    make_stream(x, "c", 1000);
    world_apply(x);
    world_maintain(x, true);
    for (int i = 0; i < 5; i++) {
        make_stream(x, "a", 4000);
        make_stream(x, "b", 4000);
        world_apply(x);
    }
    world_remove(x, b, 30000, 30010);
    world_frame(x);
    world_delete(x, a);
    world_frame(x);
    world_trim(x, b, 35000);
    apply_frame(x);
    world_slices(x, 1000);
    return x;
}

TEST(what_is_gone_is_purged_in_slices_and_hidden_all_along) {
    struct world *x = world_to_purge();
    int slices = 0;
    check_all(x);
    CHECK_SQL("SELECT count(*) FROM cairn_events", "6000");
    CHECK_SQL("SELECT count(*) FROM cairn_streams", "2");
    CHECK_SQL("SELECT events, first_version FROM cairn_streams WHERE name = 'b'", "5000|35000");
    for (bool more = true; more; slices++) {
        WORLD_OK(x, x->b->maintain(x->w, false, &more, &err));
        world_check_range(x, range_of(0, 0, UINT64_MAX));
        world_check_range(x, range_of(2, 0, UINT64_MAX));
        if (slices % 7 == 0) make_stream(x, "b", 10);
        if (slices % 7 == 0) world_apply(x);
    }
    CHECK(slices >= 40);
    world_maintain(x, true);
    check_purged(x);
    check_all(x);
    world_close(x);
}

TEST(purging_goes_on_after_a_restart_and_after_a_crash) {
    struct world *x = world_to_purge();
    for (int round = 0; round < 3; round++) {
        bool more = false;
        for (int i = 0; i < 4; i++) WORLD_OK(x, x->b->maintain(x->w, round > 0, &more, &err));
        CHECK(more);
        if (round == 1) { /* what a crash would leave: the files as they are now */
            CHECK(system("cp " DB " crash.db; cp " DB "-wal crash.db-wal") == 0);
            CHECK(system("mv crash.db new.db; mv crash.db-wal new.db-wal") == 0);
        }
        world_disconnect(x);
        if (round == 1)
            CHECK(system("rm -f " DB "*; mv new.db " DB "; mv new.db-wal " DB "-wal") == 0);
        world_connect(x);
        check_all(x);
    }
    world_maintain(x, true);
    check_purged(x);
    check_all(x);
    world_close(x);
}

TEST(a_slice_of_purging_that_fails_is_done_again) {
    struct world *x = world_to_purge();
    struct err failure;
    bool more = true;
    int slices = 0;
    for (int i = 0; more; i++, slices++) {
        sqlite3 *db = sql_open(DB); /* its lock makes every other slice fail */
        if (i % 2 == 0 && i < 6)
            CHECK(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
        sqlite3_busy_timeout(x->w->db, 1);
        int rc = x->b->maintain(x->w, true, &more, &failure);
        CHECK_INT(rc, i % 2 == 0 && i < 6 ? ERR_BUSY : 0);
        if (rc != 0) more = true;
        sqlite3_close(db);
    }
    CHECK(slices >= 40);
    check_purged(x);
    check_all(x);
    world_close(x);
}

TEST(a_removal_that_fails_changes_nothing_and_can_be_repeated) {
    struct world *x = open_world();
    uint64_t s = make_stream(x, "s", 3000);
    world_apply(x);
    for (int merged = 0; merged < 2; merged++) {
        uint64_t first = merged ? 1000 : 10;
        world_remove(x, s, first, first + 500);
        world_frame(x);
        writer_pragma(x, "PRAGMA query_only = 1");
        struct err failure;
        for (int i = 0; i < 2; i++) CHECK(world_try_apply(x, &failure) != 0);
        for (uint64_t v = first; v <= first + 500; v++) world_event(x, s, v)->removed = 0;
        x->next_frame--; /* what readers see */
        check_all(x);
        x->next_frame++;
        for (uint64_t v = first; v <= first + 500; v++) world_event(x, s, v)->removed = 1;
        writer_pragma(x, "PRAGMA query_only = 0");
        world_apply(x);
        check_all(x);
        world_maintain(x, true);
        check_all(x);
        check_purged(x);
    }
    world_close(x);
}

TEST(a_dropped_group_is_purged_in_slices) {
    struct world *x = open_world();
    uint64_t s = make_stream(x, "s", 1);
    for (uint64_t g = 1; g <= 3; g++) {
        put_group(x, g, s, g == 1 ? "a" : g == 2 ? "b" : "c");
        for (uint64_t i = 1; i <= 20000; i++) put_pending(x, g, i, 1, PENDING_IS_NEW);
    }
    apply_frame(x);
    world_number(x, RECORD_GROUP_DROP, 2);
    apply_frame(x);
    CHECK_SQL("SELECT count(*) FROM cairn_pending", "40000");
    world_delete(x, s);
    apply_frame(x);
    CHECK_SQL("SELECT count(*) FROM cairn_pending", "0");
    world_slices(x, 1000);
    bool more = true;
    int slices = 0;
    for (; more; slices++) WORLD_OK(x, x->b->maintain(x->w, false, &more, &err));
    CHECK(slices > 10);
    CHECK_SQL("SELECT (SELECT count(*) FROM pending), (SELECT count(*) FROM groups),"
              " (SELECT count(*) FROM dropped_groups)",
              "0|0|0");
    world_close(x);
}

static int runs_of(struct world *x, enum sql id) {
    return sqlite3_stmt_status(x->w->stmts[id], SQLITE_STMTSTATUS_RUN, 1);
}

TEST(a_consumer_that_has_nothing_goes_without_a_look_at_what_others_have) {
    struct world *x = open_world();
    uint64_t s = make_stream(x, "s", 1);
    put_group(x, 1, s, "g");
    for (uint64_t i = 1; i <= 100; i++) put_pending(x, 1, i, 1, PENDING_IS_NEW); /* 1 has them */
    apply_frame(x);
    for (uint32_t consumer = 3; consumer > 0; consumer--) {
        struct consumer_drop_record *r = world_record(x, RECORD_CONSUMER_DROP, sizeof *r);
        *r = (struct consumer_drop_record){1, consumer, consumer > 1 ? CONSUMER_HAS_NOTHING : 0};
    }
    runs_of(x, SQL_DROP_CONSUMER_PENDING);
    apply_frame(x);
    CHECK_INT(runs_of(x, SQL_DROP_CONSUMER_PENDING), 1);
    CHECK_INT(runs_of(x, SQL_DROP_CONSUMER), 3);
    CHECK_SQL("SELECT count(*) FROM pending", "0");
    world_close(x);
}

TEST(producers_that_add_no_more_are_pruned_by_the_walk) {
    struct world *x = open_world();
    uint64_t s = make_stream(x, "s", 1);
    for (unsigned p = 0; p < 300; p++) {
        struct idempotent_record *r = world_record(x, RECORD_IDEMPOTENT, sizeof *r + 5);
        *r = (struct idempotent_record){
            .stream = s, .added = x->clock_ms, .producer_len = 4, .id_len = 1};
        char text[8];
        snprintf(text, sizeof text, "%04ui", p);
        memcpy(r->bytes, text, 5);
    }
    apply_frame(x);
    world_maintain(x, true);
    world_disconnect(x); /* a new server does not know who added */
    world_connect(x);
    world_maintain(x, true);
    CHECK_SQL("SELECT count(*) FROM idempotent", "300");
    x->clock_ms += (IDEMPOTENT_SECONDS + 1) * UINT64_C(1000);
    world_slices(x, 10);
    for (int i = 0; i < 1000 && strcmp(sql_rows(DB, "SELECT count(*) FROM idempotent"), "0"); i++) {
        x->clock_ms += 3600001; /* a walk an hour, and it may take several slices */
        make_stream(x, "s", 1);
        world_apply(x);
        world_maintain(x, true);
    }
    CHECK_SQL("SELECT count(*) FROM idempotent", "0");
    world_close(x);
}

/* --- erasing ------------------------------------------------------------------------ */

static bool file_holds(const char *path, struct str bytes) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return false;
    off_t n = lseek(fd, 0, SEEK_END);
    char *all = xmalloc((size_t)n + 1);
    CHECK(pread(fd, all, (size_t)n, 0) == n);
    close(fd);
    bool found = memmem(all, (size_t)n, bytes.ptr, bytes.len) != NULL;
    free(all);
    return found;
}

TEST(nothing_of_an_erased_event_is_left_in_the_database) {
    struct world *x = open_world();
    char *large = xmalloc(50000);
    for (size_t i = 0; i < 50000; i += 10) memcpy(large + i, "LARGEsecrt", 10);
    make_stream(x, "s", 5);
    struct event *small = world_add(
        x, "s",
        (struct event_fields){.payload = STR("SMALLsecret"), .metadata = STR("METAsecret")});
    struct event *big = world_add(x, "s", (struct event_fields){.payload = str_of(large, 50000)});
    free(large);
    world_frame(x);
    make_stream(x, "s", 50);
    world_apply(x);
    writer_pragma(x, "PRAGMA wal_checkpoint(TRUNCATE)");
    CHECK(file_holds(DB, STR("SMALLsecret")));
    CHECK(file_holds(DB, STR("LARGEsecrtLARGE")));
    struct event *erased[] = {small, big};
    for (int i = 0; i < 2; i++) {
        struct erase_record *r = world_record(x, RECORD_ERASE, sizeof *r);
        *r = (struct erase_record){1, erased[i]->rec.version, erased[i]->rec.sequence};
        world_frame(x);
    }
    world_apply(x);
    CHECK_SQL("SELECT group_concat(version), sum(length(payload)), count(metadata) FROM"
              " cairn_events WHERE erased",
              "5,6|0|2");
    writer_pragma(x, "PRAGMA wal_checkpoint(TRUNCATE)");
    CHECK(!file_holds(DB, STR("SMALLsecret")));
    CHECK(!file_holds(DB, STR("METAsecret")));
    CHECK(!file_holds(DB, STR("LARGEsecrt")));
    CHECK(!file_holds(DB "-wal", STR("secr")));
    world_close(x);
}

/* --- views -------------------------------------------------------------------------- */

TEST(the_views_show_what_there_is) {
    struct world *x = open_world();
    char array[128];
    struct str args[] = {STR("name"), STR("v\xff"), STR("name"), STR("w")};
    uint64_t s = make_stream(x, "order-1", 10);
    world_add(x, "order-1",
              (struct event_fields){
                  .payload = str_of(array, (size_t)(fields_write(array, args, 4) - array)),
                  .flags = EVENT_FIELDS});
    world_frame(x);
    put_group(x, 1, s, "g");
    struct consumer_record *c = world_record(x, RECORD_CONSUMER, sizeof *c + 5);
    *c = (struct consumer_record){.group = 1, .seen = 5, .active = 6, .number = 1, .name_len = 5};
    memcpy(c->name, "alice", 5);
    put_pending(x, 1, UINT64_MAX, 7, PENDING_IS_NEW);
    world_frame(x);
    x->streams[++x->stream_count] = stream_name_create(2, 4, STR("key"));
    x->streams[2]->rec.kind = KIND_STRING;
    batch_add(x->open, RECORD_STREAM, &x->streams[2]->rec, sizeof(struct stream_record) + 3);
    struct value_record *v = world_record(x, RECORD_VALUE, sizeof *v + 5);
    v->stream = 2;
    memcpy(v->bytes, "value", 5);
    world_frame(x);
    uint64_t gone = make_stream(x, "gone", 5);
    world_apply(x);
    world_remove(x, s, 5, 6);
    world_state(x, s)->expires = 99999;
    world_trim(x, s, 3);
    world_delete(x, gone);
    apply_frame(x);
    for (int merged = 0; merged < 2; merged++) {
        CHECK_SQL("SELECT group_concat(version), count(DISTINCT stream) FROM cairn_events",
                  "3,4,7,8,9,10|1");
        CHECK_SQL("SELECT payload FROM cairn_events WHERE version = 10",
                  "{\"name\":\"v\\udcff\",\"name\":\"w\"}");
        CHECK_SQL("SELECT fields FROM events WHERE version = 10", "2");
        CHECK_SQL("SELECT name, events, first_version, next_version, entries_added, expires"
                  " FROM cairn_streams",
                  "order-1|6|3|11|11|NULL");
        CHECK_SQL("SELECT name, value FROM cairn_strings", "key|value");
        CHECK_SQL("SELECT stream, name, created, last_delivered, entries_read, consumers, pending"
                  " FROM cairn_groups",
                  "order-1|g|777|0-0|NULL|1|1");
        CHECK_SQL("SELECT stream, \"group\", consumer, entry_id, version, delivered, deliveries"
                  " FROM cairn_pending",
                  "order-1|g|alice|18446744073709551615-0|0|99|7");
        CHECK_SQL("SELECT streams FROM cairn_status", "2");
        world_maintain(x, true);
    }
    world_close(x);
}

/* --- the first schema ----------------------------------------------------------------- */

static const char first_schema[] =
    "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), schema_version INTEGER NOT NULL,"
    " store_id BLOB NOT NULL, id_key INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " journal_open INTEGER NOT NULL, flushes INTEGER NOT NULL, applied INTEGER NOT NULL,"
    " indexed INTEGER NOT NULL, next_sequence INTEGER NOT NULL, next_stream INTEGER NOT NULL,"
    " stream_count INTEGER NOT NULL, recorded INTEGER NOT NULL, entry_ms NOT NULL,"
    " entry_seq NOT NULL);"
    "CREATE TABLE streams (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " created INTEGER NOT NULL, partition_key BLOB NOT NULL);"
    "CREATE TABLE types (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE events (sequence INTEGER PRIMARY KEY, stream INTEGER NOT NULL,"
    " version INTEGER NOT NULL, type INTEGER NOT NULL, timestamp INTEGER NOT NULL,"
    " recorded INTEGER NOT NULL, entry_ms NOT NULL, entry_seq NOT NULL, event_id BLOB NOT NULL,"
    " content_hash BLOB, partition_key BLOB, transaction_id BLOB, correlation BLOB,"
    " causation BLOB, aggregate TEXT, metadata BLOB, payload BLOB NOT NULL);"
    "CREATE TABLE stream_index (key INTEGER PRIMARY KEY, sequence INTEGER);"
    "CREATE TABLE event_ids (id BLOB PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;"
    "CREATE TABLE type_blocks (type INTEGER, block INTEGER, PRIMARY KEY (type, block))"
    " WITHOUT ROWID;"
    "CREATE TABLE correlations (id BLOB, sequence INTEGER, PRIMARY KEY (id, sequence))"
    " WITHOUT ROWID;"
    "CREATE TABLE causations (id BLOB, sequence INTEGER, PRIMARY KEY (id, sequence))"
    " WITHOUT ROWID;"
    "CREATE TABLE aggregates (id TEXT, sequence INTEGER, PRIMARY KEY (id, sequence))"
    " WITHOUT ROWID;"
    "CREATE VIEW cairn_events AS SELECT e.sequence AS sequence, s.name AS stream FROM streams s,"
    " events e WHERE s.number = e.stream;"
    "CREATE VIEW cairn_streams AS SELECT number, name, created FROM streams;"
    "CREATE VIEW cairn_status AS SELECT schema_version, epoch FROM store;"
    "PRAGMA user_version = 1; PRAGMA application_id = 1130457458;";

TEST(a_file_of_the_first_schema_is_brought_up_to_date) {
    struct world *x = open_world();
    make_stream(x, "s-1", 5);
    make_stream(x, "s-2", 3);
    world_apply(x);
    world_maintain(x, true);
    make_stream(x, "s-1", 2);
    world_apply(x);
    world_disconnect(x);
    /* The same rows in a file as version 1 made it. */
    CHECK(rename(DB, "new.db") == 0);
    sql(DB, first_schema);
    sql(DB, "ATTACH 'new.db' AS n;"
            "INSERT INTO store SELECT one, 1, store_id, id_key, epoch, journal_open, flushes,"
            " applied, indexed, next_sequence, next_stream, stream_count, recorded, entry_ms,"
            " entry_seq FROM n.store;"
            "INSERT INTO streams SELECT number, name, created, partition_key FROM n.streams;"
            "INSERT INTO types SELECT * FROM n.types;"
            "INSERT INTO events SELECT sequence, stream, version, type, timestamp, recorded,"
            " entry_ms, entry_seq, event_id, content_hash, partition_key, transaction_id,"
            " correlation, causation, aggregate, metadata, payload FROM n.events;"
            "INSERT INTO stream_index SELECT * FROM n.stream_index;"
            "INSERT INTO event_ids SELECT * FROM n.event_ids;"
            "INSERT INTO type_blocks SELECT * FROM n.type_blocks;"
            "INSERT INTO correlations SELECT * FROM n.correlations;");
    uint64_t epoch = x->state.epoch;
    world_connect(x);
    CHECK_INT(x->state.epoch, epoch + 1);
    CHECK_INT(x->state.next_group, 1);
    CHECK_INT(x->state.next_sequence, 10);
    check_all(x);
    CHECK_SQL("PRAGMA user_version", "4");
    CHECK_SQL("SELECT schema_version FROM cairn_status", "4");
    CHECK_SQL("SELECT timeline = substr(store_id, 1, 8) FROM cairn_status", "1");
    CHECK_SQL("SELECT began, ended, created > 0, reason FROM cairn_timelines", "0|NULL|1|first");
    CHECK_SQL("SELECT name, events FROM cairn_streams ORDER BY number", "s-1|7\ns-2|3");
    CHECK_SQL("SELECT count(*), sum(erased) FROM cairn_events", "10|0");
    world_remove(x, 1, 0, 2);
    put_group(x, 1, 1, "g");
    apply_frame(x);
    make_stream(x, "s-1", 2);
    world_apply(x);
    check_all(x);
    world_maintain(x, true);
    check_purged(x);
    world_close(x);
}

TEST(a_backup_holds_everything_and_goes_on_purging) {
    struct world *x = world_to_purge();
    put_group(x, 1, 3, "g");
    put_pending(x, 1, 7, 1, PENDING_IS_NEW);
    apply_frame(x);
    WORLD_OK(x, x->b->backup(x->r, "copy.db", NULL, NULL, &err));
    world_disconnect(x);
    x->path = "copy.db";
    world_connect(x);
    check_all(x);
    world_maintain(x, true);
    check_all(x);
    CHECK(strcmp(sql_rows("copy.db", "SELECT count(*) FROM events"), "6000") == 0);
    CHECK(strcmp(sql_rows("copy.db", "SELECT count(*) FROM cairn_pending"), "1") == 0);
    world_close(x);
}
