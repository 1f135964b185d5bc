/* Whether the files are still those that this server writes to; see place.c. */
#ifndef STORE_SQLITE_PLACE_H
#define STORE_SQLITE_PLACE_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/base.h"
#include "base/uuid.h"

/* The row of table `store` as it stands in the database file itself, which is behind what SQL shows
 * until the WAL has been copied. */
struct file_row {
    bool known; /* false: the file has no such row (yet) */
    struct uuid store_id;
    uint64_t epoch, applied;
};

struct place_file {
    const char *path; /* SQLite's, resolved */
    dev_t device;
    ino_t inode;
};

/* The writer's. */
struct sqlite_place {
    struct place_file database, wal, shm;
    uint32_t page_size, row_page; /* where the row is; 0: not known */
    uint8_t *page;                /* room for it */
    struct file_row row;          /* as of the last look */
    bool copied;                  /* what the WAL had is in the file that was moved away */
    _Atomic bool replaced;        /* another's contents are in our file: for good */
    char why[320];                /* then */
};

/* The row of a page of table `store`; false: it is no such page. */
bool file_row_of_page(const uint8_t *page, uint32_t size, struct file_row *out);

#endif
