/* The EXEC that runs its commands now (commands/connection/multi.c). Loop thread. */
#ifndef SERVER_CLIENT_EXEC_H
#define SERVER_CLIENT_EXEC_H

#include "base/base.h"

struct client;
struct config;

struct exec_state {
    struct client *client; /* whose EXEC it is; NULL: nobody's */
    bool abort;            /* its command has replied an error that takes all of it back */
    size_t at, count;      /* which of its commands runs, of how many */
    uint64_t command_at;   /* where the reply of that begins in client->out */
    bool acted;            /* a command of this run has changed something beside the model */
    struct config *config; /* the rehearsal's: the options as they were; NULL: none was set */
};

#endif
