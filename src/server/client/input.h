/* From received bytes to commands that have run. Loop thread. */
#ifndef SERVER_CLIENT_INPUT_H
#define SERVER_CLIENT_INPUT_H

#include "server/client/client.h"

#define INPUT_AHEAD 16 /* requests parsed ahead of the one that runs */

/* Runs the commands in data, in order, as far as they are whole and can run. Returns how many bytes
 * are done with; *more: the portion of one turn is used up and the rest is to be run in the next.
 */
size_t input_run(struct client *c, const char *data, size_t len, bool *more);

#endif
