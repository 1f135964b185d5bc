/* The functions of the E commands, by the file that holds them; the rows are in rows.c. */
#ifndef COMMANDS_EVENT_FAMILY_H
#define COMMANDS_EVENT_FAMILY_H

#include "server/command/command.h"

/* append.c */
command_fn cmd_eappend, cmd_emappend;
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
