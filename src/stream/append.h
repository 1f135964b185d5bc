/* Appending: expected versions, idempotency, ids, one frame. The caller has made sure that every
 * stream is in memory (model_stream) and that every client-made id is either in memory or known to
 * be absent (struct append.known_event / id_checked). Loop thread. */
#ifndef STREAM_APPEND_H
#define STREAM_APPEND_H

#include "stream/model.h"

enum expected { EXPECT_ANY, EXPECT_EXISTS, EXPECT_EMPTY, EXPECT_VERSION };

/* next: the version after the stream's last; 0 when it has none. */
bool expected_holds(enum expected kind, uint64_t version, uint64_t next);

/* One event to append, as the client asked for it; all strs are views. */
struct append {
    struct str stream_name;
    struct event_fields fields; /* type, payload, metadata, aggregate, correlation, causation,
                                   partition_key; event_id when has_id; the rest is decided here */
    struct uuid ids[3];         /* what the fields' pointers point to, for the parser's use */
    uint64_t timestamp;
    enum expected expected;
    uint64_t expected_version;
    bool has_id, has_timestamp;
    struct stream *stream;    /* in: resolved by the caller */
    struct event *existing;   /* in: the event that has this client-made id, or NULL */
    struct uuid content_hash; /* computed here when has_id */
    struct event *event;      /* out: appended, or the original */
};

enum append_status {
    APPEND_OK,
    APPEND_REPEATED, /* all ids stand already, with the same content: `event`s are the originals */
    APPEND_WRONG_VERSION, /* failed: index; current */
    APPEND_DUPLICATE_ID,  /* failed: index */
    APPEND_LIMIT,         /* a version, stream or sequence number would pass its limit */
};

struct append_result {
    enum append_status status;
    size_t failed;      /* index of the append that failed */
    bool current_empty; /* WRONG_VERSION: the stream is empty, else: */
    uint64_t current;   /* its version (inside the transaction) */
    const char *why;    /* DUPLICATE_ID, LIMIT */
    uint64_t frame;     /* the frame that the reply depends on */
};

/* All or none. */
void model_append(struct model *m, struct append *appends, size_t n, struct append_result *out);

#endif
