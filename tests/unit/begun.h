/* For the tests of backends: several applies under way, as the applier has them. */
#ifndef TESTS_UNIT_BEGUN_H
#define TESTS_UNIT_BEGUN_H

#include "store/backend.h"
#include "unit.h"

/* One group; what passes by itself is waited for. */
static inline int apply_until(const struct backend *b, struct backend_conn *w,
                              struct batch *const batches[], size_t n, struct err *err) {
    int rc = 0;
    for (int tries = 0; tries < 1000; tries++) {
        rc = b->apply(w, batches, n, err);
        if (rc != ERR_BUSY && rc != ERR_UNKNOWN) return rc;
        usleep(10000);
    }
    return rc;
}

/* Applies the batches in groups of any size, as many of them at a time as the backend takes. A
 * session may be lost meanwhile. *behind (or NULL): how many groups were begun behind another. */
static inline int apply_begun(const struct backend *b, struct backend_conn *w,
                              struct batch *const batches[], size_t n, unsigned *behind,
                              struct err *err) {
    size_t begin[8], under_way = 0, at = 0; /* begin[i]: where the i-th that is under way begins */
    int rc = 0;
    while (rc == 0 && (at < n || under_way > 0)) {
        bool begun = false, over = true;
        size_t count = at < n ? 1 + draw(n - at) : 0;
        begin[under_way] = at;
        if (count > 0) rc = b->apply_begin(w, batches + at, count, &begun, err);
        if (begun) {
            if (behind != NULL) *behind += under_way > 0;
            under_way++;
            at += count;
            continue;
        }
        if (rc != 0) { /* those that are under way, and this one */
            under_way++;
            at += count;
        } else if (under_way > 0) {
            rc = b->apply_end(w, -1, &over, err);
            CHECK(rc != 0 || over);
            if (rc == 0) memmove(begin, begin + 1, --under_way * sizeof *begin);
        } else {
            rc = b->apply(w, batches + at, count, err);
            if (rc == 0) at += count;
            if (rc == ERR_BUSY || rc == ERR_UNKNOWN) {
                under_way++;
                at += count;
            }
        }
        if (rc != ERR_BUSY && rc != ERR_UNKNOWN) continue;
        rc = 0;
        for (size_t i = 0; rc == 0 && i < under_way; i++) {
            size_t end = i + 1 < under_way ? begin[i + 1] : at;
            rc = apply_until(b, w, batches + begin[i], end - begin[i], err);
        }
        under_way = 0;
    }
    return rc;
}

#endif
