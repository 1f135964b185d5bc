/* What bench/instructions runs under callgrind: one row, in a process of its own, so that a row's
 * count does not depend on the others.
 *
 *   build/instructions --rows       "name TAB what" of each row
 *   build/instructions --versions   compiler and libraries, whose code is counted too
 *   build/instructions NAME         counts it; prints how many operations that were
 */
#include "bench/inside/inside.h"

#include <event2/event.h>
#include <gnu/libc-version.h>
#include <isa-l.h>
#include <jemalloc/jemalloc.h>
#include <sqlite3.h>

#ifndef BUILT_WITH
#error "the Makefile says with which options"
#endif

static const struct row {
    const char *name, *what;
    void (*of_number)(unsigned n);
    unsigned n;
    void (*of_command)(const char *command);
    const char *command;
    void (*plain)(void);
} rows[] = {
    {"append-1", "EAPPEND P=1", .of_number = count_appends, 1},
    {"append-16", "EAPPEND P=16", .of_number = count_appends, 16},
    {"append-16-full", "EAPPEND P=16, memory full", .of_number = count_appends_full, 16},
    {"append-1-many", "EAPPEND P=1, streams of a category", .of_number = count_appends_alone, 1},
    {"append-1-idle", "the same beside 6000 who wait in vain",
     .of_number = count_appends_beside_idle, 1},
    {"append-16-many", "EAPPEND P=16, streams of a category", .of_number = count_appends_alone, 16},
    {"append-16-idle", "the same beside 6000 who wait in vain",
     .of_number = count_appends_beside_idle, 16},
    {"append-16-rare", "the same, a group gets one in 1000", .of_number = count_appends_beside_rare,
     16},
    {"push-1", "EAPPEND P=1, pushed to one", .of_number = count_pushes_to_one, 50},
    {"push-1000", "an event pushed to each of 1000", .of_number = count_pushes_one_by_one, 1000},
    {"push-1000-16", "the same, 16 events a turn", .of_number = count_pushes_together, 1000},
    {"mappend-100", "EMAPPEND of 100, an event", .plain = count_multi_appends},
    {"mappend-ids", "EMAPPEND of 1000 with ids, an event",
     .of_number = count_multi_appends_with_ids, 1000},
    {"xadd-1", "XADD P=1", .of_number = count_xadds, 1},
    {"group-1", "XREADGROUP COUNT 1, XACK", .of_number = count_groups, 1},
    {"group-10", "XREADGROUP COUNT 10, XACK, an entry", .of_number = count_groups, 10},
    {"group-100", "XREADGROUP COUNT 100, XACK, an entry", .of_number = count_groups, 100},
    {"group-10-stream", "the same of a stream of events, 10", .of_command = count_groups_of_events,
     .command = "s-0000"},
    {"group-10-category", "the same of their category, 10", .of_command = count_groups_of_events,
     .command = "@category:s"},
    {"escan-100", "ESCAN of 100, an event", .of_command = count_pages, .command = "ESCAN"},
    {"xrange-100", "XRANGE of 100, an entry", .of_command = count_pages, .command = "XRANGE"},
    {"claim-20k", "XCLAIM IDLE, 20k pending", .of_command = count_grown, .command = "claim"},
    {"xdel-20k", "XDEL, 20k holes", .of_command = count_grown, .command = "delete"},
    {"consumer-20k", "XGROUP CREATECONSUMER, 20k", .of_command = count_grown,
     .command = "consumer"},
    {"groups-20k", "XADD MAXLEN, 20k groups", .of_command = count_grown, .command = "groups"},
    {"delref-20k", "XADD DELREF, 20k references to what is gone", .of_command = count_grown,
     .command = "references"},
    {"shares-20k", "the share of each of 20k connections", .of_command = count_grown,
     .command = "shares"},
    {"journal-50", "journal, 50 frames a batch, an event", .of_number = count_journal, 50},
    {"apply-100k", "apply of 100k, an event", .of_number = count_apply, 100000},
    {"apply-categories", "the same, streams of 20 categories",
     .of_number = count_apply_with_categories, 20},
    {"read-1000", "pages of 1000 from the database, an event", .of_command = count_reads,
     .command = "whole"},
    {"read-1000-lean", "the same, as most FIELDS want them", .of_command = count_reads,
     .command = "lean"},
};

static void print_versions(void) {
    const char *jemalloc = "none";
    size_t size = sizeof jemalloc;
    mallctl("version", &jemalloc, &size, NULL, 0);
#ifdef __clang__
    printf("clang-%d\t%s", __clang_major__, __VERSION__);
#else
    printf("gcc-%d\tgcc %s", __GNUC__, __VERSION__);
#endif
    printf(" %s; glibc %s, SQLite %s, libevent %s, jemalloc %.*s, ISA-L %d.%d.%d\n", BUILT_WITH,
           gnu_get_libc_version(), sqlite3_libversion(), event_get_version(),
           (int)strcspn(jemalloc, "-"), jemalloc, ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION,
           ISAL_PATCH_VERSION);
}

int main(int argc, char **argv) {
    const char *name = argc == 2 ? argv[1] : "";
    if (strcmp(name, "--versions") == 0) {
        print_versions();
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *r = &rows[i];
        if (strcmp(name, "--rows") == 0) printf("%s\t%s\n", r->name, r->what);
        if (strcmp(name, r->name) != 0) continue;
        if (r->of_number != NULL) r->of_number(r->n);
        if (r->of_command != NULL) r->of_command(r->command);
        r->plain();
    }
    if (strcmp(name, "--rows") == 0) return 0;
    fprintf(stderr, "usage: instructions --rows | --versions | NAME of a row\n");
    return 2;
}
