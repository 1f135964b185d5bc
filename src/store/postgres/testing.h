/* For tests of this backend only. */
#ifndef STORE_POSTGRES_TESTING_H
#define STORE_POSTGRES_TESTING_H

#include "store/backend.h"

/* A writer takes over from one that is there, as if its session were gone. */
extern bool postgres_ignores_lock;
/* How long the server may say nothing; 30 s. */
extern unsigned postgres_answer_ms;
/* Statements of sessions that were given up whose cancelling the server has heard. */
uint64_t postgres_cancelled(const struct backend_conn *w);
/* How long after a VACUUM the next may begin, and how often it is looked whether it could. */
void postgres_set_vacuum(struct backend_conn *w, uint64_t interval_ms, uint64_t look_ms);
/* From now on a slice of maintenance takes so many rows; 0: as time allows. */
void postgres_set_slices(struct backend_conn *w, uint64_t rows);

#endif
