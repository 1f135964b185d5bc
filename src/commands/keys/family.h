/* The functions of the commands on keys and strings, by the file that holds them; the rows are in
 * rows.c. */
#ifndef COMMANDS_KEYS_FAMILY_H
#define COMMANDS_KEYS_FAMILY_H

#include "server/command/command.h"

/* dump.c */
command_fn cmd_dump, cmd_restore, cmd_copy;
/* expire.c */
command_fn cmd_expire, cmd_pexpire, cmd_expireat, cmd_pexpireat, cmd_ttl, cmd_pttl, cmd_expiretime,
    cmd_pexpiretime, cmd_persist;
/* keys.c */
command_fn cmd_dbsize, cmd_del, cmd_exists, cmd_type, cmd_object, cmd_object_help, cmd_rename,
    cmd_renamenx, cmd_scan, cmd_keys, cmd_randomkey;
/* lcs.c */
command_fn cmd_lcs;
/* string.c */
command_fn cmd_get, cmd_mget, cmd_strlen, cmd_getrange;
/* string_set.c */
command_fn cmd_set, cmd_setnx, cmd_setex, cmd_psetex, cmd_getset, cmd_mset, cmd_msetnx, cmd_getdel,
    cmd_getex;
/* string_change.c */
command_fn cmd_incr, cmd_decr, cmd_incrby, cmd_decrby, cmd_incrbyfloat, cmd_append, cmd_setrange;

#endif
