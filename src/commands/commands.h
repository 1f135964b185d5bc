/* Every command function, by the file that holds it; the rows are in table.c. The syntax
 * stands above the functions. */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

#include "server/command/command.h"

/* cmd_event*.c */
command_fn cmd_eappend, cmd_emappend, cmd_eget, cmd_escan, cmd_epscan, cmd_esver, cmd_epseq,
    cmd_estreams, cmd_einfo, cmd_esync;
command_fn cmd_backup, cmd_flushall, cmd_shutdown, cmd_waitaof;

/* commands/event/remove.c */
command_fn cmd_etruncate, cmd_eerase, cmd_edelete;

/* commands/keys/keys.c, commands/keys/expire.c, commands/keys/string.c */
command_fn cmd_del, cmd_exists, cmd_type, cmd_object, cmd_object_help, cmd_rename, cmd_renamenx,
    cmd_scan, cmd_keys, cmd_randomkey;
command_fn cmd_expire, cmd_pexpire, cmd_expireat, cmd_pexpireat, cmd_ttl, cmd_pttl, cmd_expiretime,
    cmd_pexpiretime, cmd_persist;
command_fn cmd_get, cmd_set, cmd_mget, cmd_mset, cmd_incr;

/* commands/keys/dump.c */
command_fn cmd_dump, cmd_restore, cmd_copy;

/* commands/connection/multi.c */
command_fn cmd_multi, cmd_exec, cmd_discard, cmd_watch, cmd_unwatch;

/* commands/connection/connection.c */
command_fn cmd_hello, cmd_ping, cmd_echo, cmd_quit, cmd_reset, cmd_select, cmd_auth;

/* commands/connection/client.c, commands/connection/client.c */
command_fn cmd_client_id, cmd_client_info, cmd_client_list, cmd_client_kill, cmd_client_setname,
    cmd_client_getname, cmd_client_setinfo, cmd_client_reply, cmd_client_pause, cmd_client_unpause,
    cmd_client_unblock, cmd_client_no_evict, cmd_client_no_touch, cmd_client_tracking,
    cmd_client_trackinginfo, cmd_client_caching, cmd_client_getredir, cmd_client_capa,
    cmd_client_import_source, cmd_client_help;

/* commands/admin/config.c */
command_fn cmd_config_get, cmd_config_set, cmd_config_rewrite, cmd_config_resetstat,
    cmd_config_help;

/* commands/admin/command.c, commands/admin/command_docs.c */
/* "get" or "config|get"; NULL: unknown. */
const struct command *command_find_full(struct str name);
command_fn cmd_command, cmd_command_count, cmd_command_list, cmd_command_info, cmd_command_docs,
    cmd_command_getkeys, cmd_command_getkeysandflags, cmd_command_help;

/* commands/stream/xadd.c, commands/stream/xdel.c, commands/stream/xrange.c,
 * commands/stream/xread.c, commands/stream/xreadgroup.c */
command_fn cmd_xadd, cmd_xlen, cmd_xtrim, cmd_xsetid;
command_fn cmd_xdel, cmd_xdelex;
command_fn cmd_xrange, cmd_xrevrange;
command_fn cmd_xread, cmd_xreadgroup;

/* commands/stream/xgroup.c, commands/stream/xinfo.c, commands/stream/xack.c,
 * commands/stream/xclaim.c, commands/stream/xpending.c, commands/stream/xcfgset.c */
command_fn cmd_xgroup_create, cmd_xgroup_createconsumer, cmd_xgroup_delconsumer, cmd_xgroup_destroy,
    cmd_xgroup_setid, cmd_xgroup_help;
command_fn cmd_xinfo_consumers, cmd_xinfo_groups, cmd_xinfo_stream, cmd_xinfo_help;
command_fn cmd_xack, cmd_xackdel, cmd_xnack;
command_fn cmd_xclaim, cmd_xautoclaim;
command_fn cmd_xpending, cmd_xcfgset;

/* commands/admin/info.c */
command_fn cmd_info;

/* commands/admin/slowlog.c */
command_fn cmd_slowlog_get, cmd_slowlog_len, cmd_slowlog_reset, cmd_slowlog_help;
command_fn cmd_latency_latest, cmd_latency_history, cmd_latency_reset, cmd_latency_histogram,
    cmd_latency_doctor, cmd_latency_help;

/* commands/admin/monitor.c */
command_fn cmd_monitor;

/* commands/admin/debug.c */
command_fn cmd_debug;

/* commands/redis/compat.c */
command_fn cmd_time, cmd_dbsize, cmd_lolwut, cmd_cluster, cmd_function_flush, cmd_script_flush,
    cmd_flush_help, cmd_memory_usage, cmd_memory_doctor, cmd_memory_help, cmd_wait, cmd_get,
    cmd_acl_whoami, cmd_acl_help;

#endif
