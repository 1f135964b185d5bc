/* The sections of INFO. Each stands beside what it tells of and appends its lines to the text; the
 * server's own are listed in server/info_sections.c, those of a family of commands in its row of
 * commands/families.c. Loop thread. */
#ifndef SERVER_STATS_INFO_H
#define SERVER_STATS_INFO_H

#include "base/buf.h"

struct server;
typedef void info_fn(struct server *srv, struct buf *out);

struct info_section {
    const char *name, *title; /* lower case; as the text shows it */
    info_fn *write;
    bool in_default;   /* told when INFO names no section */
    const char *after; /* a family's: the server's section behind which it stands; NULL: the last */
};
extern const struct info_section server_sections[]; /* terminated by a NULL name */

/* server/info_process.c */
info_fn info_server, info_clients, info_memory, info_replication, info_cpu;
/* server/info_store.c: events and where they are kept */
info_fn info_persistence, info_store, info_journal, info_cache, info_keyspace;
/* server/stats/info.c */
info_fn info_stats, info_commandstats, info_errorstats, info_latencystats;

/* What the process has of the machine's memory; 0: not known. A slow call. */
uint64_t info_resident_bytes(void);

/* name:value, CR LF. */
void info_put_u64(struct buf *out, const char *name, uint64_t v);
/* Control bytes become '?'. */
void info_put_text(struct buf *out, const char *name, const char *text);
/* Also NAME_human. */
void info_put_bytes(struct buf *out, const char *name, uint64_t v);

#endif
