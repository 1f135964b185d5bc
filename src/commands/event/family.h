/* The functions of the E commands, by the file that holds them; the rows are in rows.c. */
#ifndef COMMANDS_EVENT_FAMILY_H
#define COMMANDS_EVENT_FAMILY_H

#include "server/command/command.h"

/* append.c */
command_fn cmd_eappend, cmd_emappend;
/* checkpoint.c */
command_fn cmd_echeckpoint_set, cmd_echeckpoint_get, cmd_echeckpoint_del, cmd_echeckpoint_list,
    cmd_echeckpoint_wait, cmd_echeckpoint_help;
/* view.c */
command_fn cmd_eview_set, cmd_eview_get, cmd_eview_del, cmd_eview_list, cmd_eview_help;
/* eread.c */
command_fn cmd_eread;
/* esub.c */
command_fn cmd_esub, cmd_epsub;
/* esubscribe.c */
command_fn cmd_esubscribe, cmd_eunsubscribe, cmd_eack, cmd_esubs_list, cmd_esubs_help;
/* info.c */
command_fn cmd_esver, cmd_epseq, cmd_einfo, cmd_estreams;
/* remove.c */
command_fn cmd_etruncate, cmd_eerase, cmd_edelete;
/* scan.c */
command_fn cmd_escan, cmd_epscan, cmd_eget;

keys_fn keys_of_emappend;

#endif
