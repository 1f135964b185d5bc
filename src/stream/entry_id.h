/* Entry ids for the containers of stream/: the lowest and the highest. */
#ifndef STREAM_ENTRY_ID_H
#define STREAM_ENTRY_ID_H

#include "record/record.h"

#define ENTRY_ID_MIN ((struct entry_id){0, 0})
#define ENTRY_ID_MAX ((struct entry_id){UINT64_MAX, UINT64_MAX})

#endif
