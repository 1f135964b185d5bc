/* For the tests of backends: where a test's store in PostgreSQL is. */
#ifndef TESTS_UNIT_POSTGRES_PATH_H
#define TESTS_UNIT_POSTGRES_PATH_H

#include "base/uuid.h"
#include "unit.h"

/* A store of this test's own: in the cluster of tests/lib/postgres. */
static inline const char *postgres_path(void) {
    static char path[512];
    const char *uri = getenv("CAIRN_TEST_POSTGRES");
    if (uri == NULL) {
        fprintf(stderr, "  CAIRN_TEST_POSTGRES is not set: tests/lib/postgres run ...\n");
        exit(1);
    }
    if (path[0] == '\0')
        snprintf(path, sizeof path, "%s&schema=t_%llx", strchr(uri, ':') + 1,
                 (unsigned long long)random_u64());
    return path;
}

#endif
