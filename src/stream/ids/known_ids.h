/* What is known of the client-made event ids that are not in memory (known_ids.c). */
#ifndef STREAM_IDS_KNOWN_IDS_H
#define STREAM_IDS_KNOWN_IDS_H

#include "store/store.h"
#include "stream/ids/id_filter.h"

struct known_ids {
    enum { KNOWN_IDS_OFF, KNOWN_IDS_LOADING, KNOWN_IDS_COMPLETE } state;
    struct id_filter filter;
    bool asked; /* the request is under way */
    bool again; /* and what it finds is of before a flush that is void now */
    struct store_request request;
};

#endif
