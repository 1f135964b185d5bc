/* The names that streams were given, in the order in which they were: also when one frame gives
 * several, and whatever qsort does with equals. */
#include "unit.h"

#include "base/alloc.h"
#include "record/batch.h"
#include "record/event.h"
#include "store/internal.h"
#include "stream/model.h"

/* In the place of libc's: it leaves equals in the opposite order, as it may. */
void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *)) {
    char *items = base, *moved = xmalloc(size);
    for (size_t end = n; end > 1; end--) {
        size_t most = 0;
        for (size_t i = 1; i < end; i++)
            if (compare(items + i * size, items + most * size) > 0) most = i;
        memcpy(moved, items + most * size, size);
        memmove(items + most * size, items + (most + 1) * size, (end - most - 1) * size);
        memcpy(items + (end - 1) * size, moved, size);
    }
    free(moved);
}

static void put_name(struct batch *b, uint64_t number, const char *name) {
    size_t len = strlen(name);
    struct stream_record *r = batch_alloc(b, sizeof *r + len);
    memset(r, 0, sizeof *r);
    r->number = number;
    r->name_len = (uint16_t)len;
    memcpy(r->name, name, len);
    batch_add(b, RECORD_RENAME, r, sizeof *r + len);
    b->names = true;
}

TEST(of_several_names_of_one_frame_the_last_is_the_last) {
    struct store store = {0};
    struct model *m = xcalloc(1, sizeof *m);
    list_init(&store.outstanding);
    m->store = &store;
    struct batch *b = batch_create(1);
    enum { STREAMS = 900 }; /* enough for them to be sorted */
    for (uint64_t number = STREAMS; number > 0; number--) {
        put_name(b, number, "first");
        put_name(b, number, "second");
        batch_end_frame(b);
    }
    given_names_add(m, b);
    CHECK(m->given.sorted > 0);
    for (size_t i = 0; i < m->given.sorted; i++) {
        const struct stream_record *r = m->given.items[i].record;
        bool last = i + 1 == m->given.sorted || m->given.items[i + 1].number != r->number;
        CHECK_INT(r->name_len, strlen(last ? "second" : "first"));
        if (last) CHECK_INT(given_names_beyond(&m->given, r->number, UINT64_MAX), i + 1);
    }
    given_names_clear(&m->given);
    batch_destroy(b);
    free(m);
}
