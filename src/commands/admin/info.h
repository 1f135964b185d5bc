/* The sections of INFO: each appends its lines to the text. info.c has the table of them. Loop
 * thread. */
#ifndef COMMANDS_ADMIN_INFO_H
#define COMMANDS_ADMIN_INFO_H

#include "base/buf.h"

struct server;
typedef void info_fn(struct server *srv, struct buf *out);

/* info_server.c: the process and its clients */
info_fn info_server, info_clients, info_memory, info_stats, info_replication, info_cpu;
/* info_store.c: events and where they are kept */
info_fn info_persistence, info_store, info_journal, info_cache, info_keyspace;
/* info.c: by command and by error */
info_fn info_commandstats, info_errorstats, info_latencystats, info_modules, info_cluster;

/* name:value, CR LF. */
void info_put_u64(struct buf *out, const char *name, uint64_t v);
void info_put_text(struct buf *out, const char *name,
                   const char *text);                               /* control bytes become '?' */
void info_put_bytes(struct buf *out, const char *name, uint64_t v); /* and name_human */

/* Bytes allocated, and bytes that the allocator holds for them. */
void allocator_read(uint64_t *used, uint64_t *held);

#endif
