/* The texts that a connection gives itself: CLIENT SETNAME, SETINFO, HELLO SETNAME. */
#ifndef COMMANDS_CONNECTION_CLIENT_NAME_H
#define COMMANDS_CONNECTION_CLIENT_NAME_H

#include "server/client/client.h"

/* Only '!' to '~': CLIENT LIST prints it bare. `what` begins the error. */
bool client_name_valid_or_reply(struct client *c, struct str name, const char *what);
/* Replaces *field; an empty text makes it NULL. */
void client_set_text(char **field, struct str text);

#endif
