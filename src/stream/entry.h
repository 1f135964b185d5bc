/* Streams by entry id, as Redis clients see them: adding entries, finding the place of an id. The
 * stream is LIVE or ABSENT and no string. None of these ends the frame: model_commit does, so that
 * a command may do several things in one. Loop thread. */
#ifndef STREAM_ENTRY_H
#define STREAM_ENTRY_H

#include "stream/model.h"

enum entry_id_kind {
    ENTRY_ID_AUTO,     /* '*' */
    ENTRY_ID_AUTO_SEQ, /* 'ms-*' */
    ENTRY_ID_GIVEN,
};

enum entry_status {
    ENTRY_OK,
    ENTRY_ID_SMALL,     /* not above the stream's last id */
    ENTRY_ID_EXHAUSTED, /* the last id is the highest there is */
    ENTRY_LIMIT,        /* a version, stream or sequence number would pass its limit */
};

struct entry_add {
    enum entry_id_kind kind;
    struct entry_id id;       /* AUTO_SEQ: ms; GIVEN */
    const struct str *fields; /* names and values in turn */
    size_t count;             /* of them: 2n, at least 2 */
    struct event *event;      /* out */
};

/* Creates the stream when it is ABSENT (then the name in struct stream must be the client's). The
 * event's type is the value of the first field `type`, when that is a name of at most 512 bytes. */
enum entry_status model_add_entry(struct model *m, struct stream *s, struct entry_add *add);
/* Whether its id is above the stream's last, as model_add_entry wants it. */
bool entry_id_is_beyond(struct stream *s, const struct entry_add *add);
/* A copy of an event, as the fields say: type, payload (with EVENT_FIELDS: the fields' bytes),
 * metadata, ids, timestamp and entry id, which is above the stream's last (else ENTRY_ID_SMALL).
 * Its event id is a new one of the server's. Creates the stream when it is ABSENT. */
enum entry_status model_add_copy(struct model *m, struct stream *s, struct event_fields *f);
/* XGROUP CREATE ... MKSTREAM: an empty stream. s is ABSENT. */
enum entry_status model_create_stream(struct model *m, struct stream *s);
/* The same for one that is virtual: it has groups, and nothing else. */
enum entry_status model_create_virtual(struct model *m, struct stream *s);
/* XSETID. added UINT64_MAX: stays; deleted NULL: stays. The caller has checked them. */
void model_set_last_id(struct model *m, struct stream *s, struct entry_id last, uint64_t added,
                       const struct entry_id *deleted);

/* The lowest version of s, among those that exist, whose entry id is not below `at`; next_version
 * when there is none. false: not known in memory: ask the store (STORE_FIND_ENTRY from
 * stream_first_version, at) and call again with its answer in *asked (NULL: none yet). */
bool model_find_entry(const struct model *m, const struct stream *s, struct entry_id at,
                      const uint64_t *asked, uint64_t *version);
/* The next higher id; false: there is none. */
bool entry_id_next(struct entry_id *id);
bool entry_id_previous(struct entry_id *id);

#endif
