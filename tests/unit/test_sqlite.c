/* What is SQLite's alone: files that are not ours, reopening, epochs, the merge of the index,
 * views, foreign users of the file, backups. The rest is in test_backend.c. */
#include "sqlite_world.h"
#include "selectors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void fill(struct world *x, size_t n, unsigned streams) {
    char name[32];
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "s-%u", (unsigned)draw(streams));
        x->clock_ms += i % 5 == 0;
        struct uuid id, hash = uuid_n(i);
        uuid_v4(&id);
        world_add(x, name,
                  (struct event_fields){.type = i % 2 == 0 ? STR("even") : STR("odd"),
                                        .payload = STR("payload"),
                                        .event_id = id,
                                        .content_hash = i % 3 == 0 ? &hash : NULL});
        world_frame(x);
        if (i % 500 == 499) world_apply(x);
    }
    if (x->open->frame_count > 0) world_apply(x);
}

static void write_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK(fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

static int try_open(const char *path, struct err *err) {
    struct backend_conn *w = NULL;
    err->text[0] = '\0';
    int rc = backend_sqlite.open_writer(&w, path, err);
    if (rc == 0) backend_sqlite.close(w);
    return rc;
}

/* --- files -------------------------------------------------------------------- */

TEST(an_empty_path_is_refused) {
    struct err err;
    CHECK_INT(try_open("", &err), ERR_REFUSED);
}

TEST(a_directory_that_is_missing_is_an_error_with_the_systems_words) {
    struct err err;
    CHECK_INT(try_open("none/x.db", &err), ERR_IO);
    CHECK(strstr(err.text, "none/x.db") != NULL);
    CHECK(strstr(err.text, "No such file") != NULL);
}

TEST(a_file_that_is_no_database_is_refused_with_sqlites_words) {
    struct err err;
    char text[8192];
    memset(text, 'z', sizeof text);
    write_file(DB, text, sizeof text);
    CHECK_INT(try_open(DB, &err), ERR_CORRUPT);
    CHECK(strstr(err.text, "file is not a database") != NULL);
}

TEST(another_programs_database_is_refused_and_left_alone) {
    struct err err;
    sql(DB, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
    CHECK_INT(try_open(DB, &err), ERR_REFUSED);
    CHECK(strstr(err.text, "not a Cairn store") != NULL);
    CHECK_SQL("SELECT x FROM mine", "1");
    CHECK_SQL("PRAGMA journal_mode", "delete");
}

TEST(a_newer_schema_is_refused_naming_both_versions) {
    struct err err;
    CHECK_INT(try_open(DB, &err), 0);
    sql(DB, "PRAGMA user_version = 4711");
    CHECK_INT(try_open(DB, &err), ERR_REFUSED);
    CHECK(strstr(err.text, "4711") != NULL);
    CHECK(strstr(err.text, "versions up to 4") != NULL);
}

TEST(a_damaged_database_is_an_error_and_not_a_crash) {
    struct world *x = open_world();
    fill(x, 3000, 10);
    world_maintain(x, true);
    world_close(x);
    struct stat st;
    CHECK(stat(DB, &st) == 0);
    int fd = open(DB, O_RDWR);
    char junk[4096];
    memset(junk, 0xa5, sizeof junk);
    for (off_t at = 4096; at < st.st_size; at += 4096) CHECK(pwrite(fd, junk, 4096, at) == 4096);
    close(fd);
    struct err err;
    CHECK_INT(try_open(DB, &err), ERR_CORRUPT);
    CHECK(strstr(err.text, "malformed") != NULL);
}

TEST(a_damaged_row_is_an_error_naming_it) {
    struct world *x = open_world();
    fill(x, 10, 2);
    sql(DB, "UPDATE events SET event_id = x'00' WHERE sequence = 4");
    struct page p;
    page_init(&p);
    struct err err;
    struct read_range r = range_of(0, 0, UINT64_MAX);
    CHECK_INT(backend_sqlite.read_events(x->r, &r, &p, &err), ERR_CORRUPT);
    CHECK(strstr(err.text, "row 4") != NULL);
    page_clear(&p);
    world_close(x);
}

/* --- opening again --------------------------------------------------------------- */

static void check_all(struct world *x) {
    CHECK_INT(world_check_range(x, range_of(0, 0, UINT64_MAX)), x->event_count);
    for (uint64_t i = 1; i <= x->stream_count; i++) {
        CHECK_INT(world_check_range(x, range_of(i, 0, UINT64_MAX)), x->versions[i]);
        struct stream_head h;
        uint64_t applied = 0;
        WORLD_OK(x, x->b->read_head(x->r, stream_name_str(x->streams[i]), &h, &applied, &err));
        CHECK_INT(h.number, i);
        CHECK_INT(h.next_version, x->versions[i]);
    }
    for (size_t i = 0; i < x->event_count; i += 1 + draw(x->event_count / 50 + 1)) {
        struct event *e = NULL;
        uint64_t applied = 0;
        WORLD_OK(x, x->b->read_id(x->r, &x->events[i]->rec.event_id, &e, &applied, &err));
        CHECK(e != NULL);
        check_same_event(e, x->events[i], false);
        event_unref(e);
    }
}

TEST(a_store_opened_again_is_as_it_was) {
    struct world *x = open_world();
    for (int round = 0; round < 4; round++) {
        fill(x, 1500, 20);
        if (round % 2 == 1) world_maintain(x, true);
        struct store_state before = x->state;
        WORLD_OK(x, x->b->load_state(x->w, &before, &err));
        WORLD_OK(x, x->b->set_left(x->w, round % 2 == 0 ? LEFT_JOURNAL : LEFT_CLOSED, &err));
        before.journal_open = round % 2 == 0;
        world_disconnect(x);
        world_connect(x);
        CHECK_INT(x->state.epoch, before.epoch + 1);
        before.epoch++;
        CHECK(memcmp(&before.store_id, &x->state.store_id, 16) == 0);
        CHECK_INT(x->state.id_key, before.id_key);
        CHECK_INT(x->state.applied, before.applied);
        CHECK_INT(x->state.next_sequence, before.next_sequence);
        CHECK_INT(x->state.next_stream, before.next_stream);
        CHECK_INT(x->state.stream_count, before.stream_count);
        CHECK_INT(x->state.recorded, before.recorded);
        CHECK_INT(x->state.entry_ms, before.entry_ms);
        CHECK_INT(x->state.entry_seq, before.entry_seq);
        CHECK_INT(x->state.journal_open, before.journal_open);
        check_all(x);
    }
    world_close(x);
}

TEST(entry_ids_at_the_end_of_64_bits_keep_their_order_in_sql) {
    struct world *x = open_world();
    static const uint64_t ms[] = {1, INT64_MAX, (uint64_t)INT64_MAX + 1, 10000000000000000000u,
                                  UINT64_MAX};
    x->clock_ms = UINT64_MAX; /* so that they count as the store's own */
    for (size_t i = 0; i < ARRAY_LEN(ms); i++)
        world_add(x, "s", (struct event_fields){.entry_ms = ms[i], .entry_seq = ms[i]});
    world_frame(x);
    world_apply(x);
    CHECK_SQL("SELECT group_concat(sequence, '') FROM (SELECT sequence FROM events ORDER BY"
              " entry_ms, entry_seq)",
              "01234");
    CHECK_SQL("SELECT entry_id FROM cairn_events WHERE sequence = 4",
              "18446744073709551615-18446744073709551615");
    CHECK_SQL("SELECT entry_id FROM cairn_events WHERE sequence = 1",
              "9223372036854775807-9223372036854775807");
    world_disconnect(x);
    world_connect(x);
    CHECK(x->state.entry_ms == UINT64_MAX);
    CHECK(x->state.entry_seq == UINT64_MAX);
    check_all(x);
    world_close(x);
}

/* --- one writer ------------------------------------------------------------------- */

TEST(a_writer_that_was_replaced_can_write_nothing_more) {
    struct world *x = open_world();
    struct err err;
    struct backend_conn *other = NULL;
    fill(x, 100, 3);
    CHECK_INT(backend_sqlite.open_writer(&other, DB, &err), 0);
    world_append(x, "late", "t", "");
    CHECK_INT(world_try_apply(x, &err), ERR_REFUSED);
    CHECK(strstr(err.text, "another server") != NULL);
    CHECK_INT(world_try_apply(x, &err), ERR_REFUSED); /* and again */
    CHECK_INT(backend_sqlite.set_left(x->w, LEFT_JOURNAL, &err), ERR_REFUSED);
    bool more = false;
    CHECK_INT(backend_sqlite.maintain(x->w, true, &more, &err), ERR_REFUSED);
    struct store_state s;
    CHECK_INT(backend_sqlite.load_state(other, &s, &err), 0);
    CHECK_INT(s.next_sequence, 100);
    backend_sqlite.close(other);
    CHECK_SQL("SELECT count(*) FROM events", "100");
    world_close(x);
}

/* --- the files ------------------------------------------------------------------- */

TEST(the_row_of_the_store_is_found_in_its_page_and_in_no_other_bytes) {
    static uint8_t page[4096], good[4096];
    struct world *x = open_world();
    fill(x, 300, 3);
    world_maintain(x, true); /* with a checkpoint */
    int root = atoi(sql_rows(DB, "SELECT rootpage FROM sqlite_master WHERE name = 'store'"));
    FILE *f = fopen(DB, "rb");
    CHECK(f != NULL);
    CHECK(fseek(f, (long)(root - 1) * 4096, SEEK_SET) == 0 && fread(good, 4096, 1, f) == 1);
    fclose(f);
    struct file_row row;
    CHECK(file_row_of_page(good, sizeof good, &row));
    CHECK(row.known && uuid_eq(&row.store_id, &x->state.store_id));
    CHECK_INT(row.applied, x->next_frame - 1);
    CHECK_INT(row.epoch, x->state.epoch);
    for (int i = 0; i < 200000; i++) { /* whatever the bytes are, it stays within them */
        memcpy(page, good, sizeof page);
        for (uint64_t k = draw(4) + 1; k > 0; k--) {
            uint64_t at = draw(3) == 0 ? draw(16) : draw(sizeof page);
            if (draw(2) == 0) at = sizeof page - 1 - draw(120);
            page[at] = (uint8_t)draw(256);
        }
        file_row_of_page(page, sizeof page, &row);
    }
    memset(page, 0, sizeof page);
    CHECK(!file_row_of_page(page, sizeof page, &row));
    world_close(x);
}

TEST(a_database_that_is_emptied_is_noticed) {
    struct world *x = open_world();
    struct err err;
    fill(x, 300, 3);
    world_maintain(x, true);
    CHECK_INT(x->b->check(x->w, &err), 0);
    CHECK(truncate(DB, 0) == 0);
    world_append(x, "late", "t", "");
    CHECK_INT(world_try_apply(x, &err), ERR_LOST);
    CHECK(strstr(err.text, "no store is in it") != NULL);
    for (size_t k = 0; k < x->batch_count; k++) batch_destroy(x->batches[k]);
    x->batch_count = 0;
    world_close(x);
}

TEST(a_database_that_is_not_what_was_written_last_is_not_written_to) {
    static const char *const changes[] = {
        "UPDATE store SET applied = applied - 1", "UPDATE store SET applied = applied + 1",
        "UPDATE store SET store_id = randomblob(16)", "UPDATE store SET epoch = epoch - 1"};
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct world *x = open_world();
        struct err err;
        bool more = false;
        fill(x, 100, 3);
        world_append(x, "late", "t", "");
        sql(DB, changes[i]);
        CHECK_INT(world_try_apply(x, &err), ERR_LOST);
        CHECK_INT(world_try_apply(x, &err), ERR_LOST);
        CHECK_INT(x->b->check(x->w, &err), ERR_LOST);
        CHECK_INT(x->b->set_left(x->w, LEFT_CLOSED, &err), ERR_LOST);
        CHECK_INT(x->b->maintain(x->w, true, &more, &err), ERR_LOST);
        CHECK_INT(x->b->probe(x->w, &err), ERR_LOST);
        struct stream_head h;
        uint64_t applied;
        CHECK(x->b->read_head(x->r, STR("late"), &h, &applied, &err) < 0);
        for (size_t k = 0; k < x->batch_count; k++) batch_destroy(x->batches[k]);
        x->batch_count = 0;
        world_close(x);
        CHECK(system("rm -f " DB "*") == 0);
    }
}

/* --- the index --------------------------------------------------------------------- */

TEST(the_index_is_merged_in_slices_and_reads_are_right_all_along) {
    struct world *x = open_world();
    fill(x, 30000, 50);
    struct backend_stats st;
    x->b->stats(x->w, &st);
    CHECK_INT(st.index_tail, 30000);
    CHECK_INT(st.indexed, 0);
    bool more = false;
    WORLD_OK(x, x->b->maintain(x->w, false, &more, &err));
    CHECK(!more); /* too few to be worth it */
    x->b->stats(x->w, &st);
    CHECK_INT(st.indexed, 0);
    world_slices(x, 1000);
    int slices = 0;
    for (more = true; more; slices++) {
        WORLD_OK(x, x->b->maintain(x->w, true, &more, &err));
        for (int i = 0; i < 3; i++) {
            uint64_t s = draw(x->stream_count) + 1;
            struct read_range r = range_of(s, x->versions[s] / 3, UINT64_MAX);
            r.reverse = i % 2 == 0;
            world_check_range(x, r);
        }
        if (x->event_count < 31000) fill(x, 100, 60);
    }
    CHECK(slices >= 40); /* 30,000 versions, 10,000 ids */
    world_maintain(x, true);
    x->b->stats(x->w, &st);
    CHECK_INT(st.index_tail, 0);
    CHECK_INT(st.indexed, x->event_count);
    CHECK(st.database_bytes > 0);
    char n[32];
    snprintf(n, sizeof n, "%zu", x->event_count);
    CHECK_SQL("SELECT count(*) FROM stream_index", n);
    CHECK_SQL("SELECT count(*) FROM stream_index i JOIN events e ON e.sequence = i.sequence"
              " WHERE i.key = (e.stream << 32) + e.version",
              n);
    CHECK_SQL("SELECT (SELECT count(*) FROM event_ids i JOIN events e ON e.sequence = i.sequence"
              " WHERE i.id = e.event_id) = count(content_hash) FROM events",
              "1");
    check_all(x);
    world_close(x);
}

/* The stream "long" has every event's aggregate, a rare correlation near its end, and another that
 * is not rare in the store. */
static void fill_long(struct world *x) {
    struct uuid rare = uuid_n(1), common = uuid_n(2);
    for (unsigned i = 0; i < 6000; i++) {
        const struct uuid *id = i == 5000 || i == 5990 ? &rare : i % 2 == 0 ? &common : NULL;
        world_add(x, i % 2 == 0 ? "long" : "other",
                  (struct event_fields){.aggregate = STR("agg"), .correlation = id});
        if (i % 100 == 99) world_frame(x);
        if (i % 1000 == 999) world_apply(x);
    }
}

TEST(a_rare_value_in_a_long_stream_is_found_without_a_walk_along_it) {
    struct world x;
    world_open(&x, &backend_sqlite, "test.db");
    fill_long(&x);
    struct uuid rare = uuid_n(1), common = uuid_n(2), nobody = uuid_n(3);
    const struct wanted wanted[] = {{.correlation = {&rare}},
                                    {.correlation = {&nobody}},
                                    {.correlation = {&common}},
                                    {.aggregate = {STR("agg")}}};
    static const size_t found[][2] = {{2, 2}, {0, 0}, {5, 10}, {10, 10}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        struct selector *selector = selector_of(&wanted[i]);
        for (int reverse = 0; reverse < 2; reverse++) {
            struct page p;
            page_init(&p);
            struct read_range range = range_of(1, 10, 2998);
            range.selector = selector;
            range.reverse = reverse != 0;
            range.examined_max = 10;
            WORLD_OK(&x, x.b->read_events(x.r, &range, &p, &err));
            CHECK(p.done == (i < 2));
            CHECK(p.count >= found[i][0]);
            CHECK(p.count <= found[i][1]);
            if (i == 0) CHECK_INT(p.events[reverse]->rec.version, 2500);
            if (i == 0) CHECK_INT(p.events[!reverse]->rec.version, 2995);
            if (!p.done) CHECK_INT(p.next, reverse ? 2988 : 20);
            page_clear(&p);
        }
        selector_unref(selector);
    }
    world_close(&x);
}

TEST(half_a_merge_is_done_again_after_a_crash) {
    struct world *x = open_world();
    fill(x, 6000, 50);
    world_slices(x, 1000);
    bool more = true;
    WORLD_OK(x, x->b->maintain(x->w, true, &more, &err));
    CHECK(more);
    /* What a crash would leave: the files as they are now. */
    CHECK(system("cp " DB " crash.db; cp " DB "-wal crash.db-wal") == 0);
    x->path = "crash.db";
    world_disconnect(x);
    world_connect(x);
    struct backend_stats st;
    x->b->stats(x->w, &st);
    CHECK_INT(st.index_tail, 6000);
    check_all(x);
    world_maintain(x, true);
    check_all(x);
    world_close(x);
}

TEST(a_flush_during_a_merge_ends_it) {
    struct world *x = open_world();
    fill(x, 6000, 50);
    world_slices(x, 1000);
    bool more = true;
    WORLD_OK(x, x->b->maintain(x->w, true, &more, &err));
    CHECK(more);
    batch_add(x->open, RECORD_FLUSH, NULL, 0);
    world_frame(x);
    world_apply(x);
    world_forget(x);
    fill(x, 5000, 20);
    check_all(x);
    world_maintain(x, true);
    check_all(x);
    CHECK_SQL("SELECT count(*) FROM stream_index", "5000");
    world_close(x);
}

TEST(the_wal_stays_bounded) {
    struct world *x = open_world();
    char *payload = xmalloc(64 << 10);
    memset(payload, 'p', 64 << 10);
    uint64_t most = 0;
    for (int i = 0; i < 150; i++) {
        for (int j = 0; j < 32; j++) {
            world_add(x, "s", (struct event_fields){.payload = str_of(payload, 64 << 10)});
            world_frame(x);
        }
        world_apply(x);
        bool more = false;
        WORLD_OK(x, x->b->maintain(x->w, false, &more, &err));
        struct backend_stats st;
        x->b->stats(x->w, &st);
        most = MAX(most, st.log_bytes);
    }
    free(payload);
    CHECK(most < 64u << 20); /* of 300 MB written */
    world_close(x);
}

/* --- faults ---------------------------------------------------------------------------- */

TEST(an_apply_that_fails_changes_nothing_and_can_be_repeated) {
    struct world *x = open_world();
    fill(x, 3000, 20);
    char *payload = xmalloc(100000);
    memset(payload, 'p', 100000);
    for (int round = 0; round < 3; round++) {
        writer_pragma(x, "PRAGMA max_page_count = 1"); /* as many as there are: a full disk */
        uint64_t before = x->next_frame;
        size_t events = x->event_count;
        uint64_t streams = x->stream_count;
        for (int i = 0; i < 50; i++) {
            char type[32], name[32];
            snprintf(type, sizeof type, "new type %d %d", round, i);
            snprintf(name, sizeof name, "new stream %d %d", round, i % 5);
            world_add(
                x, name,
                (struct event_fields){.type = str_c(type), .payload = str_of(payload, 100000)});
            world_frame(x);
        }
        struct err failure;
        for (int i = 0; i < 2; i++) {
            CHECK_INT(world_try_apply(x, &failure), ERR_IO);
            CHECK(strstr(failure.text, "full") != NULL);
        }
        struct store_state s;
        WORLD_OK(x, x->b->load_state(x->w, &s, &err));
        CHECK_INT(s.applied, before - 1);
        CHECK_INT(s.next_sequence, events);
        CHECK_INT(s.stream_count, streams);
        uint64_t after = x->next_frame;
        size_t all = x->event_count;
        x->next_frame = before; /* what readers see */
        x->event_count = events;
        x->stream_count = streams;
        check_all(x);
        x->next_frame = after;
        x->event_count = all;
        x->stream_count = streams + 5;
        writer_pragma(x, "PRAGMA max_page_count = 1000000");
        world_apply(x);
        check_all(x);
        if (round == 1) world_maintain(x, true);
    }
    free(payload);
    world_close(x);
}

TEST(a_merge_that_fails_goes_on_later) {
    struct world *x = open_world();
    fill(x, 40000, 50);
    world_slices(x, 1000);
    bool more = true;
    struct err failure;
    for (int i = 0; i < 3; i++) WORLD_OK(x, x->b->maintain(x->w, true, &more, &err));
    CHECK(more);
    writer_pragma(x, "PRAGMA max_page_count = 1"); /* as many as there are: a full disk */
    int rc = 0;
    while (rc == 0 && more) rc = x->b->maintain(x->w, true, &more, &failure);
    CHECK_INT(rc, ERR_IO);
    CHECK_SQL("SELECT count(*) % 1000, count(*) >= 3000, count(*) < 40000 FROM stream_index",
              "0|1|1");
    check_all(x);
    writer_pragma(x, "PRAGMA max_page_count = 1000000");
    fill(x, 100, 5);
    world_maintain(x, true);
    check_all(x);
    CHECK_SQL("SELECT count(*) FROM stream_index", "40100");
    world_close(x);
}

/* --- foreign users of the file ------------------------------------------------------- */

TEST(a_foreign_writer_makes_an_apply_wait_and_not_fail) {
    struct world *x = open_world();
    fill(x, 10, 2);
    sqlite3 *db = sql_open(DB);
    CHECK(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    world_append(x, "s-0", "t", "");
    struct err err;
    CHECK_INT(world_try_apply(x, &err), ERR_BUSY);
    x->next_frame--; /* readers still see what was before */
    CHECK_INT(world_check_range(x, range_of(0, 0, 9)), 10);
    x->next_frame++;
    CHECK(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    world_apply(x); /* the same groups */
    check_all(x);
    world_close(x);
}

TEST(a_foreign_reader_keeps_its_snapshot_and_stops_nobody) {
    struct world *x = open_world();
    fill(x, 1000, 5);
    sqlite3 *db = sql_open(DB);
    sqlite3_stmt *stmt = NULL;
    CHECK(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, "SELECT count(*) FROM cairn_events", -1, &stmt, NULL) ==
          SQLITE_OK);
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    CHECK_INT(sqlite3_column_int(stmt, 0), 1000);
    sqlite3_reset(stmt);
    for (int i = 0; i < 5; i++) {
        fill(x, 2000, 5);
        world_maintain(x, true);
    }
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    CHECK_INT(sqlite3_column_int(stmt, 0), 1000);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    check_all(x);
    world_close(x);
}

TEST(a_foreign_change_of_the_schema_disturbs_nothing) {
    struct world *x = open_world();
    fill(x, 100, 5);
    sql(DB, "CREATE INDEX mine ON events (timestamp); ANALYZE");
    fill(x, 100, 5);
    world_maintain(x, true);
    check_all(x);
    sql(DB, "DROP INDEX mine; VACUUM");
    fill(x, 100, 5);
    check_all(x);
    world_close(x);
}

/* --- views ----------------------------------------------------------------------------- */

TEST(the_view_of_events_shows_words_and_texts) {
    struct world *x = open_world();
    struct uuid a = uuid_n(0x0a), b = uuid_n(0x0b), c = uuid_n(0x0c), hash = uuid_n(1);
    world_append(x, "order-1", "order.created", "{\"a\":1}");
    world_add(x, "order-1",
              (struct event_fields){.type = STR("order.paid"),
                                    .payload = STR("{\"a\":2}"),
                                    .metadata = STR("meta"),
                                    .aggregate = STR("agg"),
                                    .correlation = &a,
                                    .causation = &b,
                                    .partition_key = &c,
                                    .transaction = &a,
                                    .content_hash = &hash,
                                    .event_id = uuid_n(0x0d),
                                    .timestamp = 5});
    world_frame(x);
    world_apply(x);
    for (int indexed = 0; indexed < 2; indexed++) {
        CHECK_SQL("SELECT sequence, stream, version, type, event_id, entry_id, timestamp, recorded,"
                  " transaction_id, partition_key, correlation_id, causation_id, aggregate_id,"
                  " metadata, payload FROM cairn_events WHERE stream = 'order-1' AND version = 1",
                  "1|order-1|1|order.paid|ee000000-0000-0000-0d00-000000000000|1000000-1|5|1000000|"
                  "ee000000-0000-0000-0a00-000000000000|ee000000-0000-0000-0c00-000000000000|"
                  "ee000000-0000-0000-0a00-000000000000|ee000000-0000-0000-0b00-000000000000|agg|"
                  "meta|{\"a\":2}");
        CHECK_SQL("SELECT json_extract(payload, '$.a') FROM cairn_events ORDER BY sequence",
                  "1\n2");
        CHECK_SQL("SELECT metadata, correlation_id FROM cairn_events WHERE sequence = 0", "|NULL");
        char text[UUID_TEXT_LEN + 1] = "", expected[UUID_TEXT_LEN * 3];
        struct uuid id;
        event_transaction_id(&x->events[0]->rec, &id);
        uuid_format(&id, text);
        size_t n = (size_t)snprintf(expected, sizeof expected, "%s|", text);
        uuid_format(&x->streams[1]->partition_key, text);
        snprintf(expected + n, sizeof expected - n, "%s", text);
        CHECK_SQL("SELECT transaction_id, partition_key FROM cairn_events WHERE sequence = 0",
                  expected);
        world_maintain(x, true);
    }
    CHECK_SQL("SELECT number, name, category, created FROM cairn_streams",
              "1|order-1|order|1000000");
    world_close(x);
}

TEST(the_transaction_of_one_event_is_derived_as_the_server_does) {
    struct world *x = open_world();
    char expected[64 * 40], text[UUID_TEXT_LEN + 1] = "";
    size_t n = 0;
    struct uuid hash = uuid_n(1), id;
    for (unsigned i = 0; i < 32; i++) {
        random_bytes(&id, sizeof id);
        id.b[8] = (uint8_t)(i << 4 | i >> 4);
        struct event *e =
            world_add(x, "s", (struct event_fields){.content_hash = &hash, .event_id = id});
        event_transaction_id(&e->rec, &id);
        uuid_format(&id, text);
        n += (size_t)snprintf(expected + n, sizeof expected - n, "%s%s", i > 0 ? "\n" : "", text);
        world_frame(x);
    }
    world_apply(x);
    CHECK_SQL("SELECT transaction_id FROM cairn_events ORDER BY sequence", expected);
    world_close(x);
}

TEST(the_view_is_complete_whatever_is_indexed) {
    struct world *x = open_world();
    fill(x, 3000, 7);
    for (int i = 0; i < 3; i++) {
        char n[32];
        snprintf(n, sizeof n, "%zu|%zu", x->event_count, x->event_count);
        CHECK_SQL("SELECT count(*), count(DISTINCT sequence) FROM cairn_events", n);
        snprintf(n, sizeof n, "%llu", (unsigned long long)x->versions[1]);
        char query[128];
        snprintf(query, sizeof query, "SELECT count(*) FROM cairn_events WHERE stream = '%.*s'",
                 STR_ARG(stream_name_str(x->streams[1])));
        CHECK_SQL(query, n);
        world_maintain(x, true);
        if (i == 1) fill(x, 1000, 7);
    }
    world_close(x);
}

TEST(a_stream_of_the_view_is_looked_up_and_not_scanned) {
    struct world *x = open_world();
    fill(x, 100, 3);
    const char *plan = sql_rows(DB, "EXPLAIN QUERY PLAN SELECT * FROM cairn_events WHERE"
                                    " stream = 'order-1' ORDER BY version");
    CHECK(strstr(plan, "SEARCH s USING INDEX sqlite_autoindex_streams_1 (name=?)") != NULL);
    CHECK(strstr(plan, "SEARCH i USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)") != NULL);
    CHECK(strstr(plan, "SCAN e") == NULL && strstr(plan, "SCAN i") == NULL);
    plan = sql_rows(DB, "EXPLAIN QUERY PLAN SELECT * FROM cairn_events WHERE sequence > 1000000"
                        " ORDER BY sequence LIMIT 100");
    CHECK(strstr(plan, "SCAN e") == NULL && strstr(plan, "SCAN i") == NULL);
    CHECK(strstr(plan, "SCAN s\n") == NULL && strstr(plan, "TEMP B-TREE") == NULL);
    world_close(x);
}

TEST(the_view_of_the_status_shows_the_numbers) {
    struct world *x = open_world();
    fill(x, 1200, 3);
    CHECK_SQL("SELECT schema_version, epoch, applied, indexed, next_sequence, streams, journal"
              " FROM cairn_status",
              "4|1|1200|0|1200|3|closed");
    WORLD_OK(x, x->b->set_left(x->w, LEFT_JOURNAL, &err));
    world_maintain(x, true);
    CHECK_SQL("SELECT indexed, journal, length(store_id) FROM cairn_status", "1200|open|36");
    world_close(x);
}

/* --- backups ---------------------------------------------------------------------------- */

struct steps {
    struct world *x;
    uint64_t count, last, total;
    uint64_t stop_at;
    uint64_t at_end; /* how often it was asked when all was copied: by the check */
    uint64_t stop_at_end;
};

static bool note_step(uint64_t done, uint64_t total, void *arg) {
    struct steps *s = arg;
    CHECK(done >= s->last && done <= total);
    s->last = done;
    s->total = total;
    s->count++;
    if (s->x != NULL && s->count < 3) fill(s->x, 200, 5); /* the applier goes on */
    if (done == total) s->at_end++;
    return s->count != s->stop_at && (s->at_end == 0 || s->at_end != s->stop_at_end);
}

TEST(a_backup_is_a_store_of_its_own_as_of_one_moment) {
    struct world *x = open_world();
    fill(x, 30000, 10);
    world_maintain(x, true);
    fill(x, 5000, 10);
    WORLD_OK(x, x->b->set_left(x->w, LEFT_JOURNAL, &err));
    struct steps steps = {.x = x};
    uint64_t applied = x->next_frame - 1;
    size_t events = x->event_count;
    struct err err;
    int rc = x->b->backup(x->r, "copy.db", note_step, &steps, &err);
    if (rc != 0) fprintf(stderr, "  %s\n", err.text);
    CHECK_INT(rc, 0);
    CHECK(steps.count >= 3);
    CHECK_INT(steps.last, steps.total);
    CHECK(x->event_count > events);
    check_all(x);
    CHECK(access("copy.db-wal", F_OK) != 0);
    CHECK(system("ls copy.db?* > /dev/null 2>&1") != 0);

    struct backend_conn *w = NULL;
    struct store_state s;
    CHECK_INT(backend_sqlite.open_writer(&w, "copy.db", &err), 0);
    CHECK_INT(backend_sqlite.load_state(w, &s, &err), 0);
    CHECK_INT(s.applied, applied);
    CHECK_INT(s.next_sequence, events);
    CHECK(!s.journal_open);
    CHECK_INT(s.left, LEFT_BACKUP); /* so that its first start begins a timeline */
    CHECK(memcmp(&s.store_id, &x->state.store_id, 16) != 0);
    CHECK_INT(s.id_key, x->state.id_key); /* or its events would not be found by their ids */
    backend_sqlite.close(w);
    CHECK_INT(atoi(sql_rows("copy.db", "SELECT count(*) FROM cairn_events")), (int)events);
    CHECK(strcmp(sql_rows("copy.db", "PRAGMA integrity_check"), "ok") == 0);
    world_close(x);
}

TEST(a_backup_that_is_stopped_or_fails_says_so) {
    struct world *x = open_world();
    struct err err;
    struct steps steps = {.stop_at = 1};
    fill(x, 20000, 5);
    CHECK_INT(x->b->backup(x->r, "copy.db", note_step, &steps, &err), ERR_FAILED);
    CHECK(strstr(err.text, "stopped") != NULL);
    unlink("copy.db");
    for (uint64_t n = 1; n <= 4; n++) { /* at the end of the copying, and in the check */
        steps = (struct steps){.stop_at_end = n};
        CHECK_INT(x->b->backup(x->r, "copy.db", note_step, &steps, &err), ERR_FAILED);
        CHECK(strstr(err.text, "stopped") != NULL);
        CHECK_INT(steps.at_end, n);
        unlink("copy.db");
    }
    CHECK(system("ls copy.db* > /dev/null 2>&1") != 0);
    CHECK(x->b->backup(x->r, "none/copy.db", NULL, NULL, &err) != 0);
    CHECK(strstr(err.text, "No such file") != NULL);
    check_all(x); /* the reader goes on */
    CHECK_INT(x->b->backup(x->r, "copy.db", NULL, NULL, &err), 0);
    world_close(x);
}
