/* The functions of the X commands, by the file that holds them; the rows are in rows.c. */
#ifndef COMMANDS_STREAM_FAMILY_H
#define COMMANDS_STREAM_FAMILY_H

#include "server/command/command.h"

/* xack.c */
command_fn cmd_xack, cmd_xackdel, cmd_xnack;
/* xadd.c */
command_fn cmd_xadd, cmd_xlen, cmd_xtrim, cmd_xsetid;
/* xcfgset.c */
command_fn cmd_xcfgset;
/* xclaim.c */
command_fn cmd_xclaim, cmd_xautoclaim;
/* xdel.c */
command_fn cmd_xdel, cmd_xdelex;
/* xgroup.c */
command_fn cmd_xgroup_create, cmd_xgroup_setid, cmd_xgroup_destroy, cmd_xgroup_createconsumer,
    cmd_xgroup_delconsumer, cmd_xgroup_help;
/* xgroup_stats.c */
command_fn cmd_xgroup_stats;
/* xinfo.c */
command_fn cmd_xinfo_stream, cmd_xinfo_groups, cmd_xinfo_consumers, cmd_xinfo_help;
/* xpending.c */
command_fn cmd_xpending;
/* xrange.c */
command_fn cmd_xrange, cmd_xrevrange;
/* xread.c */
command_fn cmd_xread;
/* xreadgroup.c */
command_fn cmd_xreadgroup;

keys_fn keys_of_xread;

#endif
