/* For tests of this backend only. */
#ifndef STORE_POSTGRES_TESTING_H
#define STORE_POSTGRES_TESTING_H

#include "store/backend.h"

/* A writer takes over from one that is there, as if its session were gone. */
extern bool postgres_ignores_lock;
/* From now on a slice of maintenance takes so many rows; 0: as time allows. */
void postgres_set_slices(struct backend_conn *w, uint64_t rows);

#endif
