/* The functions of the commands about the store and the server, by the file that holds them; the
 * rows are in rows.c. */
#ifndef COMMANDS_ADMIN_FAMILY_H
#define COMMANDS_ADMIN_FAMILY_H

#include "server/command/command.h"

/* command.c */
command_fn cmd_command, cmd_command_count, cmd_command_info, cmd_command_list, cmd_command_getkeys,
    cmd_command_getkeysandflags, cmd_command_help;
/* command_docs.c */
command_fn cmd_command_docs;
/* config.c */
command_fn cmd_config_get, cmd_config_set, cmd_config_rewrite, cmd_config_resetstat,
    cmd_config_help;
void config_set_rehearse(struct client *c, const struct request *r);
/* debug.c */
command_fn cmd_debug;
/* info.c */
command_fn cmd_info;
/* latency.c */
command_fn cmd_latency_latest, cmd_latency_history, cmd_latency_graph, cmd_latency_reset,
    cmd_latency_doctor, cmd_latency_histogram, cmd_latency_help;
/* memory.c */
command_fn cmd_memory_usage, cmd_memory_stats, cmd_memory_malloc_stats, cmd_memory_purge,
    cmd_memory_doctor, cmd_memory_help;
/* monitor.c */
command_fn cmd_monitor;
/* replicas.c */
command_fn cmd_wait, cmd_role, cmd_replconf;
/* slowlog.c */
command_fn cmd_slowlog_get, cmd_slowlog_len, cmd_slowlog_reset, cmd_slowlog_help;
/* store.c */
command_fn cmd_esync, cmd_save, cmd_bgsave, cmd_lastsave, cmd_waitaof, cmd_backup, cmd_flushall,
    cmd_shutdown;

#endif
