/* Options of the section Store: where events are kept, durability, journal, memory, limits. */
#include "config/internal.h"

#include "store/backend.h"

static int check_store(struct option_value *v, struct err *err) {
    const char *path;
    if (backend_find(v->text, &path) == NULL)
        return err_set(err, ERR_FAILED, "'%s' is no store: " BACKEND_WORDS " is expected", v->text);
    return OK;
}

static int check_segment(struct option_value *v, struct err *err) {
    if (v->number % 4096 != 0)
        return err_set(err, ERR_FAILED, "argument must be a multiple of 4096");
    return OK;
}

const struct option store_options[] = {
    {.section = "Store",
     .name = "store",
     .type = OPTION_STRING,
     .offset = FIELD(store),
     .initial = "sqlite:./cairn.db",
     .check = check_store,
     .help = "Where events are kept: sqlite:PATH, with the journal in a directory beside it; "
             "postgres://USER@HOST/DATABASE?schema=NAME, in PostgreSQL; or memory: , "
             "which keeps nothing over a restart and is meant for tests."},
    {.name = "durability",
     .type = OPTION_DURABILITY,
     .offset = FIELD(durability),
     .initial = "journal",
     .flags = OPTION_SETTABLE,
     .help =
         "When an append is acknowledged. journal: it is in the journal, synced. backend: its "
         "transaction has been committed in the store, synced (the default with PostgreSQL; "
         "where journal-dir is needed for the others). interval MS: at once, the journal is synced "
         "every MS milliseconds, and a crash may lose what was acknowledged since. At run time "
         "only the MS of interval can be changed; the mode cannot be."},
    {.name = "journal-dir",
     .type = OPTION_STRING,
     .offset = FIELD(journal_dir),
     .initial = "",
     .help = "With PostgreSQL: the directory of the journal, on a local disk of the server's own. "
             "It is made if need be. Needed with 'durability journal' or 'interval', and until "
             "what it holds has been brought into the store. With SQLite the journal is beside the "
             "database."},
    {.name = "journal-segment-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(journal_segment_bytes),
     .initial = "64mb",
     .min = 256 * KB,
     .max = 4 * GB,
     .check = check_segment,
     .help = "Size of a file of the journal, allocated beforehand; a multiple of 4096. One "
             "command's events "
             "must fit in one."},
    {.name = "journal-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(journal_bytes_max),
     .initial = "4gb",
     .min = 512 * KB,
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "How far the journal may run ahead of the store. Above it producers wait."},
    {.name = "pinned-bytes-max",
     .type = OPTION_BYTES,
     .offset = FIELD(pinned_bytes_max),
     .initial = "0",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Memory of events that are in the journal and not yet in the store. Above it "
             "producers wait. "
             "0: half of cache-bytes."},
    {.name = "apply-delay-ms",
     .type = OPTION_INT,
     .offset = FIELD(apply_delay_ms),
     .initial = "500",
     .max = 60000,
     .help = "How long events may wait in the journal for others to share a transaction of the "
             "store with. "
             "Acknowledgements do not wait for it."},
    {.name = "outage-reply-ms",
     .type = OPTION_INT,
     .offset = FIELD(outage_reply_ms),
     .initial = "10000",
     .max = 86400000,
     .flags = OPTION_SETTABLE,
     .help =
         "With PostgreSQL: when nothing could be committed for so long, replies that wait become "
         "IOERR (outcome unknown: what was sent is still stored when the database is back), and "
         "appends are refused until then. Reads of what is not in memory wait as long. 0: all of "
         "them wait as long as it takes."},
    {.name = "lease-ms",
     .type = OPTION_INT,
     .offset = FIELD(lease_ms),
     .initial = "2000",
     .max = 3600000,
     .flags = OPTION_SETTABLE,
     .help = "With PostgreSQL and durability backend: when the database has not confirmed for so "
             "long that this server is the one that writes, appends are refused until it does. "
             "0: they wait for it."},
    {.name = "stale-reads",
     .type = OPTION_BOOL,
     .offset = FIELD(stale_reads),
     .initial = "yes",
     .flags = OPTION_SETTABLE,
     .help = "no: then reads are refused, too, as another server may have written by now."},
    {.name = "reader-threads",
     .type = OPTION_INT,
     .offset = FIELD(reader_threads),
     .initial = "2",
     .min = 1,
     .max = 16,
     .help = "Threads that read from the store what is not in memory."},
    {.name = "disk-free-min",
     .type = OPTION_BYTES,
     .offset = FIELD(disk_free_min),
     .initial = "64mb",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "When less than this is free on the store's disk, appends are refused; they resume by "
             "themselves. 0: not watched."},
    {.name = "backup-dir",
     .type = OPTION_STRING,
     .offset = FIELD(backup_dir),
     .initial = "",
     .help = "Directory that BACKUP writes to: its names are relative to it and do not lead out of "
             "it. Empty: where the store is. It cannot be changed while the server runs."},
    {.name = "cache-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(cache_bytes),
     .initial = "512mb",
     .min = MB,
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Memory for streams and recent events. What does not fit is read from the store when "
             "it is "
             "asked for."},
    {.name = "max-event-bytes",
     .type = OPTION_BYTES,
     .offset = FIELD(max_event_bytes),
     .initial = "8mb",
     .min = 1,
     .max = GB,
     .flags = OPTION_SETTABLE,
     .help = "Largest event: payload and metadata together. More is answered with -TOOLARGE."},
    {.name = NULL},
};
