/* The rows that are the store's threads' work, called here one after the other: what the applier
 * does with batches, and the journal. The files are in the working directory. */
#include "bench/inside/inside.h"

#include "base/alloc.h"
#include "record/batch.h"
#include "record/event.h"
#include "store/backend.h"
#include "store/journal/journal.h"

#define STREAMS        1000
#define FRAMES_A_BATCH 500
#define BATCHES        20    /* that one apply takes: some 3 MB */
#define CLOCK_NS       20000 /* a look: the merge's slices end by the clock, every 64 rows */

static struct stream_name *names[STREAMS];
static uint64_t versions[STREAMS], next_sequence;
static unsigned categories; /* 0: names without a dash */

static struct stream_name *name_of(struct batch *b, uint64_t i) {
    char text[32];
    if (categories > 0)
        snprintf(text, sizeof text, "category%u-%04u", (unsigned)i % categories, (unsigned)i);
    else
        snprintf(text, sizeof text, "s:%04u", (unsigned)i);
    if (names[i] != NULL) return names[i];
    names[i] = stream_name_create(i + 1, 1700000000000, str_c(text));
    const struct stream_record *rec = &names[i]->rec;
    batch_add(b, RECORD_STREAM, rec, sizeof *rec + rec->name_len);
    return names[i];
}

/* One event, as EAPPEND makes it, in a frame of its own. */
static void add_event(struct batch *b, uint64_t id_key) {
    uint64_t i = draw(STREAMS), sequence = next_sequence++;
    uint64_t now = 1700000000000 + sequence / 100;
    struct stream_name *name = name_of(b, i);
    struct event_fields f = {.sequence = sequence,
                             .version = versions[i]++,
                             .timestamp = now,
                             .recorded = now,
                             .entry_ms = now,
                             .entry_seq = sequence + 1,
                             .type = STR("t"),
                             .payload = str_c(payload)};
    event_id_make(now, partition_hash(&name->partition_key), f.sequence, id_key, &f.event_id);
    struct event *e = event_create(&f, name);
    batch_add(b, RECORD_EVENT, &e->rec, event_record_len(&e->rec));
    batch_note_category(b, name->category);
    batch_end_frame(b);
}

static struct batch *make_batch(uint64_t first_frame, unsigned frames, uint64_t id_key) {
    struct batch *b = batch_create(first_frame);
    for (unsigned i = 0; i < frames; i++) add_event(b, id_key);
    return b;
}

static void maintain(struct backend_conn *w, bool all) {
    struct err err;
    for (bool more = true; more;)
        if (backend_sqlite.maintain(w, all, &more, &err) != 0) die("maintain: %s", err.text);
}

static struct backend_conn *open_store(struct store_state *state) {
    struct backend_conn *w;
    struct err err;
    if (backend_sqlite.open_writer(&w, "cairn.db", &err) != 0 ||
        backend_sqlite.load_state(w, state, &err) != 0)
        die("%s", err.text);
    return w;
}

void count_apply(unsigned events) {
    struct store_state state;
    struct err err;
    struct backend_conn *w = open_store(&state);
    clock_ns_a_look = CLOCK_NS;
    count_start();
    uint64_t frame = state.applied + 1;
    for (unsigned done = 0; done < events; done += BATCHES * FRAMES_A_BATCH) {
        struct batch *batches[BATCHES];
        for (unsigned i = 0; i < BATCHES; i++, frame += FRAMES_A_BATCH)
            batches[i] = make_batch(frame, FRAMES_A_BATCH, state.id_key);
        count_begin();
        if (backend_sqlite.apply(w, batches, BATCHES, &err) != 0) die("apply: %s", err.text);
        maintain(w, false);
        count_end();
        for (unsigned i = 0; i < BATCHES; i++) batch_destroy(batches[i]);
    }
    count_begin();
    maintain(w, true);
    count_end();
    count_finish(events);
}

void count_apply_with_categories(unsigned n) {
    categories = n;
    count_apply(100000);
}

/* The log as who catches up reads it: the reader thread's part, and dropping the pages. */
void count_reads(const char *how) {
    const unsigned batches = 40;
    struct store_state state;
    struct err err;
    struct backend_conn *w = open_store(&state), *c;
    for (unsigned i = 0; i < batches; i++) {
        struct batch *b = make_batch(state.applied + 1 + (uint64_t)i * FRAMES_A_BATCH,
                                     FRAMES_A_BATCH, state.id_key);
        if (backend_sqlite.apply(w, &b, 1, &err) != 0) die("apply: %s", err.text);
        batch_destroy(b);
    }
    if (backend_sqlite.open_reader(&c, w, &err) != 0) die("%s", err.text);
    count_start();
    struct read_range range = {.end = UINT64_MAX,
                               .count_max = 1000,
                               .lean = strcmp(how, "lean") == 0,
                               .bytes_max = UINT64_MAX,
                               .examined_max = UINT64_MAX};
    for (bool done = false; !done;) {
        struct page page;
        page_init(&page);
        count_begin();
        if (backend_sqlite.read_events(c, &range, &page, &err) != 0) die("read: %s", err.text);
        done = page.done;
        range.start = page.next;
        page_clear(&page);
        count_end();
    }
    count_finish((uint64_t)batches * FRAMES_A_BATCH);
}

static int no_replay(struct batch *b, void *arg, struct err *err) {
    UNUSED(b);
    UNUSED(arg);
    return err_set(err, ERR_FAILED, "the journal is not new");
}

void count_journal(unsigned frames_a_batch) {
    struct journal *j;
    struct journal_config config = {.dir = "journal", .epoch = 1, .segment_bytes = 64u << 20};
    struct err err;
    const unsigned batches = 10000 / frames_a_batch;
    if (journal_open(&j, &config, 0, false, no_replay, NULL, &err) != 0 ||
        journal_start(j, 1, &err) != 0)
        die("%s", err.text);
    count_start();
    uint64_t frame = 1;
    for (unsigned i = 0; i < batches; i++, frame += frames_a_batch) {
        struct batch *b = make_batch(frame, frames_a_batch, 1);
        count_begin();
        if (journal_write(j, b, frame - 1, &err) != 0 || journal_sync(j, &err) != 0)
            die("%s", err.text);
        count_end();
        batch_destroy(b);
    }
    count_finish((uint64_t)batches * frames_a_batch);
}
