/* The SQL text of the PostgreSQL backend: the schema, as versioned steps (tables.c), and every
 * statement that runs in the server's life (schema.c). docs/postgres.md describes the tables to
 * strangers.
 *
 * `@` stands for the store's schema, quoted, and a dot (`@@` for itself). Every name of ours has it
 * in front; what has none is PostgreSQL's, whatever search_path somebody set.
 *
 * CHECKLIST for a new step: append it to `steps` (never change one that was released), raise
 * POSTGRES_SCHEMA_VERSION, update docs/postgres.md and the statements below. */
#ifndef STORE_POSTGRES_SCHEMA_H
#define STORE_POSTGRES_SCHEMA_H

#include "base/base.h"

#define POSTGRES_SCHEMA_VERSION 1

/* [i] leads from version i to i + 1. */
extern const char *const postgres_schema_steps[POSTGRES_SCHEMA_VERSION];

#define BLOCK_BITS 10 /* type_blocks: 1024 sequences a block */
#define GROUP_BITS 8  /* category_blocks: 256 blocks a group, 262144 events */

enum sql {
    /* the writer's only */
    SQL_BEGIN,
    SQL_FENCE,
    SQL_FENCE_COMMIT,
    SQL_ADD_COMMIT,
    SQL_SET_LEFT,
    SQL_SET_RUN,
    SQL_ADOPT,
    SQL_ADOPT_TIMELINE,
    SQL_TOUCH,
    SQL_COUNTS,
    SQL_TIMELINES,
    SQL_ADD_TIMELINES,
    SQL_PRUNE_TIMELINES,
    SQL_FIND_TYPES,
    SQL_LAST_TYPE,
    SQL_FIND_NAMES,
    SQL_ADD_TYPES,
    SQL_ADD_TYPE_BLOCKS,
    SQL_ADD_CATEGORY_BLOCKS,
    SQL_ADD_EVENTS,
    SQL_DROP_STREAMS,
    SQL_DROP_VALUES,
    SQL_ADD_STREAMS,
    SQL_FREE_NAMES,
    SQL_RENAME_STREAMS,
    SQL_ADD_MOVED,
    SQL_SET_STREAMS,
    SQL_TRIM_HOLES,
    SQL_SET_VALUES,
    SQL_CLEAR_IDEMPOTENT,
    SQL_ADD_IDEMPOTENT,
    SQL_DROP_EVENTS,
    SQL_ERASE_EVENTS,
    SQL_ADD_ERASURE,
    SQL_FORGET_ERASURES,
    SQL_ADD_HOLES,
    SQL_DROP_GROUPS,
    SQL_ADD_GROUPS,
    SQL_SET_POSITIONS,
    SQL_DROP_CONSUMER_PENDING,
    SQL_DROP_CONSUMERS,
    SQL_SET_CONSUMERS,
    SQL_DROP_PENDING,
    SQL_SET_PENDING,
    SQL_DROP_CHECKPOINTS,
    SQL_SET_CHECKPOINTS,
    SQL_DROP_NAMED,
    SQL_SET_NAMED,
    SQL_RESERVED,
    SQL_NEXT_TRIMMED,
    SQL_PURGE_EVENTS,
    SQL_SET_PURGED,
    SQL_NEXT_DELETED,
    SQL_SET_DELETED,
    SQL_DROP_GROUPS_OF,
    SQL_PURGE_HOLES,
    SQL_PURGE_IDEMPOTENT,
    SQL_END_DELETED,
    SQL_NEXT_DROPPED,
    SQL_PURGE_PENDING,
    SQL_PURGE_CONSUMERS,
    SQL_PURGE_GROUP_MOVES,
    SQL_PURGE_CONSUMER_MOVES,
    SQL_FOLD_GROUPS,
    SQL_FOLD_CONSUMERS,
    SQL_END_DROPPED,
    SQL_ADD_REMOVED,
    SQL_NEXT_MOVED,
    SQL_MOVE_BLOCKS,
    SQL_SET_MOVED,
    SQL_END_MOVED,
    SQL_PRUNE_COMMITS,
    SQL_PRUNE_PRODUCERS,
    SQL_NEXT_PRODUCERS,
    SQL_SIZE,
    SQL_WRITER_END,
    /* everybody's */
    SQL_COMMIT = SQL_WRITER_END,
    SQL_BEGIN_READ,
    SQL_LOCK_EVENTS,
    SQL_STATE,
    SQL_FIRST_VERSIONS,
    SQL_EVENTS_FORWARD,
    SQL_EVENTS_REVERSE,
    SQL_STREAM_FORWARD,
    SQL_STREAM_REVERSE,
    SQL_BY_CORRELATION_FORWARD,
    SQL_BY_CORRELATION_REVERSE,
    SQL_BY_CAUSATION_FORWARD,
    SQL_BY_CAUSATION_REVERSE,
    SQL_BY_AGGREGATE_FORWARD,
    SQL_BY_AGGREGATE_REVERSE,
    SQL_TYPE_BLOCKS_FORWARD,
    SQL_TYPE_BLOCKS_REVERSE,
    SQL_CATEGORY_BLOCKS_FORWARD,
    SQL_CATEGORY_BLOCKS_REVERSE,
    SQL_UNBLOCKED_NAMES,
    SQL_TYPES_FROM,
    SQL_LAST_EVENT,
    SQL_LAST_OF_STREAM,
    SQL_STREAM_BY_NAME,
    SQL_STREAM_EXTENT,
    SQL_FIND_ENTRY,
    SQL_HOLES,
    SQL_VALUE,
    SQL_GROUPS,
    SQL_COUNT_GROUPS,
    SQL_CONSUMERS,
    SQL_PENDING,
    SQL_IDEMPOTENT,
    SQL_ID,
    SQL_IDS_FROM,
    SQL_STREAMS_FROM,
    SQL_STREAM_LENGTHS,
    SQL_EXPIRING,
    SQL_NEXT_DEADLINE,
    SQL_CHECKPOINT,
    SQL_CHECKPOINTS_FROM,
    SQL_NAMED,
    SQL_NAMED_FROM,
    SQL_BEAT,
    SQL_COUNT
};
extern const char *const postgres_sql[SQL_COUNT];

/* What a flush empties: everything but the store's identity, its commits and what `named` holds.
 * The first of them is the one that readers lock (read.c). */
extern const char postgres_flush_tables[];

/* Parameters of statements that change the row of `store` only if it is as this server wrote it
 * last: $1 the epoch, $2 the store's id, $3 applied. */

/* Columns of an event's row, in the order in which the statements above name them. */
enum event_column {
    COL_SEQUENCE,
    COL_STREAM,
    COL_VERSION,
    COL_TIMESTAMP,
    COL_RECORDED,
    COL_ENTRY_MS,
    COL_ENTRY_SEQ,
    COL_EVENT_ID,
    COL_CONTENT_HASH,
    COL_PARTITION_KEY,
    COL_TRANSACTION,
    COL_CORRELATION,
    COL_CAUSATION,
    COL_AGGREGATE,
    COL_METADATA,
    COL_PAYLOAD,
    COL_FIELDS, /* pairs, when the payload is a JSON object of them */
    COL_ERASED,
    COL_TYPE_NAME,
    COL_STREAM_NAME, /* then: of its stream */
    COL_STREAM_CREATED,
    COL_STREAM_KEY,
    COL_STREAM_KIND,
    COL_STREAM_FIRST, /* its first_version; NULL: the stream is deleted */
    EVENT_COLUMN_COUNT
};

/* Columns of SQL_STATE. */
enum state_column {
    STATE_STORE_ID,
    STATE_ID_KEY,
    STATE_EPOCH,
    STATE_JOURNAL_OPEN,
    STATE_LEFT,
    STATE_RUN,
    STATE_APPLIED,
    STATE_NEXT_SEQUENCE,
    STATE_NEXT_STREAM,
    STATE_NEXT_GROUP,
    STATE_STREAM_COUNT,
    STATE_REMOVED,
    STATE_FLUSHES,
    STATE_RENAMES,
    STATE_RECORDED,
    STATE_ENTRY_MS,
    STATE_ENTRY_SEQ,
    STATE_COUNT
};

#endif
