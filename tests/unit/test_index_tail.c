/* The pending index against a plain array of entries. */
#include "base/alloc.h"
#include "base/uuid.h"
#include "store/sqlite/index_tail.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#define STREAMS 13

struct plain {
    uint64_t stream[40000], version[40000]; /* by sequence */
    struct uuid id[40000];
    bool has_id[40000];
    uint64_t versions[STREAMS + 1];
    uint64_t count;
};

static void push(struct index_tail *p, struct plain *a, size_t n) {
    struct index_entry *entries = xmalloc((n + 1) * sizeof *entries);
    struct index_id *ids = xmalloc((n + 1) * sizeof *ids);
    size_t id_count = 0;
    uint64_t start = a->count;
    for (size_t i = 0; i < n; i++) {
        uint64_t stream = draw(STREAMS) + 1, version = a->versions[stream]++;
        a->stream[a->count] = stream;
        a->version[a->count] = version;
        a->has_id[a->count] = draw(3) == 0;
        if (a->has_id[a->count]) {
            random_bytes(&a->id[a->count], sizeof a->id[0]);
            ids[id_count++] = (struct index_id){a->id[a->count], a->count};
        }
        entries[i] = (struct index_entry){index_key(stream, version), a->count++};
    }
    index_tail_push(
        p, &(struct index_keys){.entries = entries, .count = n, .ids = ids, .id_count = id_count},
        start, a->count);
    free(entries);
    free(ids);
}

static void unpush(struct plain *a, uint64_t to) {
    while (a->count > to) a->versions[a->stream[--a->count]]--;
}

/* Every stream's entries in the view, below limit, are versions first ... in order and name the
 * right sequences. */
static void check_view(const struct index_view *v, const struct plain *a, uint64_t from,
                       uint64_t limit) {
    uint64_t found = 0, expected = 0;
    for (uint64_t stream = 1; stream <= STREAMS; stream++) {
        uint64_t previous = UINT64_MAX;
        for (size_t run = 0; run < v->count; run++) {
            struct index_slice s = index_view_slice(v, run, stream, 0, INDEX_VERSION_MAX, limit);
            for (size_t i = s.begin; i < s.end; i++) {
                uint64_t sequence = index_run_sequence(s.run, i);
                uint64_t version = s.run->keys[i] & INDEX_VERSION_MAX;
                CHECK(sequence >= from && sequence < limit);
                CHECK_INT(s.run->keys[i] >> 32, stream);
                CHECK_INT(a->stream[sequence], stream);
                CHECK_INT(a->version[sequence], version);
                CHECK(previous == UINT64_MAX || version == previous + 1);
                previous = version;
                found++;
            }
        }
    }
    for (uint64_t i = from; i < MIN(limit, a->count); i++) expected++;
    CHECK_INT(found, expected);
    for (uint64_t i = 0; i < a->count; i += a->count / 50 + 1) {
        uint64_t sequence = UINT64_MAX;
        bool has = index_view_id(v, &a->id[i], limit, &sequence);
        CHECK(has == (a->has_id[i] && i >= from && i < limit));
        CHECK(!has || sequence == i);
    }
}

TEST(entries_are_found_by_stream_and_version) {
    static struct plain a;
    struct index_tail *p = index_tail_create();
    struct index_view v;
    for (int i = 0; i < 200; i++) {
        push(p, &a, draw(i % 20 == 0 ? 2000 : 30));
        index_tail_settle(p);
        if (i % 10 != 0) continue;
        index_view_take(p, &v);
        CHECK_INT(v.start, 0);
        check_view(&v, &a, 0, a.count);
        check_view(&v, &a, 0, a.count / 3);
        index_view_drop(p, &v);
    }
    CHECK_INT(index_tail_count(p), a.count);
    CHECK(index_tail_bytes(p) > 12 * a.count);
    index_tail_destroy(p);
}

TEST(slices_keep_to_their_versions) {
    struct index_tail *p = index_tail_create();
    struct index_entry entries[100];
    for (uint64_t i = 0; i < 100; i++)
        entries[i] = (struct index_entry){index_key(5 + i % 2, i / 2), i};
    index_tail_push(p, &(struct index_keys){.entries = entries, .count = 100}, 0, 100);
    index_tail_settle(p);
    struct index_view v;
    index_view_take(p, &v);
    struct index_slice s = index_view_slice(&v, 0, 5, 10, 19, UINT64_MAX);
    CHECK_INT(s.end - s.begin, 10);
    CHECK_INT(s.run->keys[s.begin], index_key(5, 10));
    s = index_view_slice(&v, 0, 6, 40, UINT64_MAX, UINT64_MAX);
    CHECK_INT(s.end - s.begin, 10);
    s = index_view_slice(&v, 0, 6, 0, UINT64_MAX, 20);
    CHECK_INT(s.end - s.begin, 10);
    s = index_view_slice(&v, 0, 4, 0, UINT64_MAX, UINT64_MAX);
    CHECK_INT(s.end - s.begin, 0);
    s = index_view_slice(&v, 0, 5, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    CHECK_INT(s.end - s.begin, 0);
    index_view_drop(p, &v);
    index_tail_destroy(p);
}

TEST(there_are_few_runs_however_many_pushes) {
    static struct plain a;
    struct index_tail *p = index_tail_create();
    struct index_view v;
    for (int i = 0; i < 5000; i++) {
        push(p, &a, 1 + (i % 64 == 0 ? draw(100) : 0));
        index_tail_settle(p);
    }
    index_view_take(p, &v);
    CHECK(v.count <= 16);
    check_view(&v, &a, 0, a.count);
    index_view_drop(p, &v);
    index_tail_destroy(p);
}

TEST(a_push_can_be_taken_back) {
    static struct plain a;
    struct index_tail *p = index_tail_create();
    struct index_view v, during;
    for (int i = 0; i < 50; i++) {
        uint64_t before = a.count;
        push(p, &a, 1 + draw(50));
        index_view_take(p, &during); /* a reader in between sees it, and ignores it */
        check_view(&during, &a, 0, before);
        index_tail_pop(p);
        check_view(&during, &a, 0, before);
        index_view_drop(p, &during);
        unpush(&a, before);
        push(p, &a, 1 + draw(50));
        index_tail_settle(p);
        index_view_take(p, &v);
        check_view(&v, &a, 0, a.count);
        index_view_drop(p, &v);
    }
    CHECK_INT(index_tail_count(p), a.count);
    index_tail_destroy(p);
}

TEST(frozen_runs_stay_as_they_are_until_dropped) {
    static struct plain a;
    struct index_tail *p = index_tail_create();
    struct index_view v;
    for (int i = 0; i < 10; i++) {
        push(p, &a, 100);
        index_tail_settle(p);
    }
    size_t frozen = index_tail_freeze(p);
    CHECK(frozen > 0);
    CHECK_INT(index_tail_frozen_end(p), 1000);
    const struct index_run *first = index_tail_run(p, 0);
    for (int i = 0; i < 30; i++) {
        push(p, &a, 100);
        index_tail_settle(p);
    }
    CHECK(index_tail_run(p, 0) == first);
    CHECK_INT(index_tail_run(p, frozen - 1)->end, 1000);
    index_view_take(p, &v); /* of before the drop */
    index_tail_drop_frozen(p);
    CHECK_INT(index_tail_count(p), 3000);
    check_view(&v, &a, 0, a.count);
    index_view_drop(p, &v);
    index_view_take(p, &v);
    CHECK_INT(v.start, 1000);
    check_view(&v, &a, 1000, a.count);
    index_view_drop(p, &v);
    index_tail_destroy(p);
}

TEST(a_reset_begins_anew) {
    static struct plain a;
    struct index_tail *p = index_tail_create();
    struct index_view old, v;
    push(p, &a, 500);
    index_tail_settle(p);
    index_view_take(p, &old);
    struct index_entry e[] = {{index_key(2, 0), 1}, {index_key(1, 0), 0}};
    index_tail_hold(p);
    index_tail_reset(p, &(struct index_keys){.entries = e, .count = 2}, 0, 2, 7);
    index_tail_release(p);
    CHECK_INT(index_tail_count(p), 2);
    index_view_take(p, &v);
    CHECK_INT(v.generation, 7);
    CHECK_INT(v.start, 0);
    CHECK_INT(v.count, 1);
    CHECK_INT(index_run_sequence(v.runs[0], 0), 0);
    check_view(&old, &a, 0, 500);
    index_view_drop(p, &v);
    index_view_drop(p, &old);
    index_tail_destroy(p);
}

TEST(holes_in_the_sequences_are_no_matter) {
    struct index_tail *p = index_tail_create();
    struct index_entry e[] = {{index_key(1, 9), 105}, {index_key(1, 3), 101}};
    struct index_view v;
    index_tail_hold(p);
    index_tail_reset(p, NULL, 100, 100, 0);
    index_tail_release(p);
    index_tail_push(p, &(struct index_keys){.entries = e, .count = 2}, 100, 110);
    index_tail_settle(p);
    index_view_take(p, &v);
    CHECK_INT(index_run_sequence(v.runs[0], 0), 101);
    CHECK_INT(index_run_sequence(v.runs[0], 1), 105);
    CHECK_INT(v.start, 100);
    index_view_drop(p, &v);
    index_tail_destroy(p);
}

struct taking {
    struct index_tail *p;
    _Atomic bool stop;
};

static void *take_views(void *arg) {
    struct taking *t = arg;
    while (!atomic_load(&t->stop)) {
        struct index_view v;
        index_view_take(t->p, &v);
        uint64_t end = v.start, entries = 0;
        for (size_t i = 0; i < v.count; i++) {
            CHECK_INT(v.runs[i]->sequence, end);
            end = v.runs[i]->end;
            entries += v.runs[i]->count;
        }
        CHECK_INT(entries, end - v.start);
        index_view_drop(t->p, &v);
    }
    return NULL;
}

TEST(views_are_whole_while_the_writer_works) {
    static struct plain a;
    struct taking t = {.p = index_tail_create()};
    pthread_t thread;
    pthread_create(&thread, NULL, take_views, &t);
    for (int i = 0; i < 2000; i++) {
        uint64_t before = a.count;
        push(t.p, &a, draw(20));
        if (i % 7 == 0) {
            index_tail_pop(t.p);
            unpush(&a, before);
        } else {
            index_tail_settle(t.p);
        }
        if (i % 100 == 50) index_tail_freeze(t.p);
        if (i % 100 == 99) index_tail_drop_frozen(t.p);
    }
    atomic_store(&t.stop, true);
    pthread_join(thread, NULL);
    index_tail_destroy(t.p);
}
