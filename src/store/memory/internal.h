/* What the files of the memory backend share. Everything is under the store's mutex. */
#ifndef STORE_MEMORY_INTERNAL_H
#define STORE_MEMORY_INTERNAL_H

#include <pthread.h>

#include "base/hash.h"
#include "base/list.h"
#include "store/backend.h"

/* What one producer has added to one stream, oldest first. */
struct memory_producer {
    struct list node;    /* of the stream */
    struct list records; /* of struct memory_idempotent */
    size_t count;
    struct str name; /* in its first record's bytes or a copy: owned */
};
struct memory_idempotent {
    struct list node;
    struct idempotent_record *record;
};

struct memory_pending {
    struct hash_node node; /* by id */
    struct pending_item item;
};

struct memory_group {
    struct hash_node node; /* by number */
    struct memory_stream *stream;
    struct group_record *record;
    struct consumer_record **consumers;
    size_t consumer_count, consumer_cap;
    struct hash_table pending;
};

struct memory_stream {
    struct hash_node node; /* by name */
    struct stream_name *name;
    uint64_t *sequences; /* by version */
    size_t count, cap;
    bool has_state;
    struct stream_state_record state;
    uint64_t trimmed; /* events below it have been freed */
    char *value;      /* a string's */
    size_t value_len;
    struct memory_group **groups; /* ascending numbers */
    size_t group_count, group_cap;
    struct list producers;
};

struct memory_id {
    struct hash_node node;
    struct uuid id;
    uint64_t sequence;
};

/* What has a name of its own (RECORD_NAMED). */
struct memory_named {
    struct hash_node node; /* by class and name */
    uint64_t number;
    enum named_class class;
    struct str name, value; /* one block, which begins with the name */
};

struct memory_store {
    pthread_mutex_t mutex;
    struct store_state state;
    struct timelines timelines;
    struct event_record **events; /* by sequence; NULL: gone */
    size_t event_cap;
    struct memory_stream **streams; /* by number; [0] unused */
    size_t stream_end, stream_cap;
    struct hash_table names, ids; /* ids: the client-made ones */
    struct hash_table groups;     /* by number */
    struct hash_table named_table;
    struct memory_named **named; /* by number; [0] unused; NULL: gone */
    size_t named_end, named_cap;
};

struct backend_conn {
    struct memory_store *store;
    bool writer;
};

/* Room for `need` elements. */
void *memory_grow(void *array, size_t *cap, size_t need, size_t size);
struct memory_stream *memory_find_stream(struct memory_store *m, struct str name);
static inline struct memory_stream *memory_stream_at(struct memory_store *m, uint64_t number) {
    return number < m->stream_end ? m->streams[number] : NULL;
}
/* NULL: it is gone. */
static inline struct event_record *memory_event(const struct memory_store *m,
                                                const struct memory_stream *s, uint64_t version) {
    return version < s->count ? m->events[s->sequences[version]] : NULL;
}
static inline uint64_t memory_first_version(const struct memory_stream *s) {
    return s->has_state ? s->state.first_version : 0;
}
static inline uint64_t memory_next_version(const struct memory_stream *s) {
    return MAX((uint64_t)s->count, s->has_state ? s->state.next_version : 0);
}

/* --- groups.c ------------------------------------------------------------- */

/* RECORD_GROUP to RECORD_ACK. */
void memory_apply_to_group(struct memory_store *m, const struct record *r);
/* With its stream's reference to it. */
void memory_drop_group(struct memory_store *m, struct memory_group *g);
void memory_image_groups(const struct memory_stream *s, struct stream_detail *d);

void memory_add_idempotent(struct memory_store *m, const struct idempotent_record *r);
/* Forgets what the stream's limits do not keep; all: everything. */
void memory_prune_idempotent(struct memory_store *m, struct memory_stream *s, bool all);
void memory_list_idempotent(const struct memory_stream *s, struct stream_detail *d);

/* --- named.c -------------------------------------------------------------- */

void memory_apply_named(struct memory_store *m, const struct named_record *r, size_t len);
/* Checkpoints, or everything. */
void memory_drop_named(struct memory_store *m, bool all);
int memory_read_named(struct backend_conn *c, enum named_class class, struct str name,
                      struct str *value, uint64_t *applied, struct err *err);
int memory_list_named(struct backend_conn *c, enum named_class class, uint64_t from,
                      size_t count_max, struct named_list *out, struct err *err);

/* --- read.c --------------------------------------------------------------- */

int memory_read_head(struct backend_conn *c, struct str name, struct stream_head *out,
                     uint64_t *applied, struct err *err);
int memory_read_events(struct backend_conn *c, const struct read_range *range, struct page *out,
                       struct err *err);
int memory_find_entry(struct backend_conn *c, uint64_t stream, uint64_t from, struct entry_id at,
                      uint64_t *version, uint64_t *applied, struct err *err);
int memory_list_ids(struct backend_conn *c, const struct uuid *from, size_t count_max,
                    struct id_list *out, struct err *err);
int memory_list_reserved(struct backend_conn *c, size_t count_max, struct stream_list *out,
                         struct err *err);
int memory_list_expiring(struct backend_conn *c, uint64_t until, size_t count_max,
                         struct stream_list *out, struct err *err);
int memory_read_id(struct backend_conn *c, const struct uuid *id, struct event **out,
                   uint64_t *applied, struct err *err);
int memory_list_streams(struct backend_conn *c, uint64_t from, struct str pattern,
                        struct str category, size_t count_max, size_t examined_max,
                        struct stream_list *out, struct err *err);
int memory_count_groups(struct backend_conn *c, struct str name, uint64_t *count, uint64_t *applied,
                        struct err *err);
int memory_count_streams(struct backend_conn *c, uint64_t from, const struct selector *selector,
                         size_t examined_max, struct page *out, struct err *err);

#endif
