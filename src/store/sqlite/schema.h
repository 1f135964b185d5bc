/* The SQL text of the SQLite backend: the schema, as versioned steps, and every statement that
 * runs in the server's life. docs/storage.md describes the tables to strangers.
 *
 * CHECKLIST for a new step: append it to `steps` (never change one that was released),
 * raise SCHEMA_VERSION, update docs/storage.md and the statements below. */
#ifndef STORE_SQLITE_SCHEMA_H
#define STORE_SQLITE_SCHEMA_H

#include "base/base.h"

#define SCHEMA_VERSION        4
#define SCHEMA_APPLICATION_ID 0x43616972 /* "Cair", in the file's header: `file` shows it */

/* [i] leads from version i to i + 1. */
extern const char *const sqlite_schema_steps[SCHEMA_VERSION];

/* Parameters of the statements that change the row of `store`; ?1 is the epoch. */
#define OURS_APPLIED  20
#define OURS_STORE_ID 21

#define BLOCK_BITS 10 /* type_blocks: 1024 sequences a block */

enum sql {
    /* the writer's only */
    SQL_BEGIN_WRITE,
    SQL_SET_STATE,
    SQL_SET_PROGRESS,
    SQL_SET_LEFT,
    SQL_ADD_TIMELINE,
    SQL_PRUNE_TIMELINES,
    SQL_ADOPT_TIMELINE,
    SQL_RAISE_EPOCH,
    SQL_SET_RUN,
    SQL_ADOPT,
    SQL_ADD_STREAM,
    SQL_DROP_STREAM,
    SQL_FREE_NAME,
    SQL_RENAME_STREAM,
    SQL_SET_STREAM,
    SQL_SET_VALUE,
    SQL_DROP_VALUE,
    SQL_ADD_DELETED,
    SQL_DROP_EVENT,
    SQL_DROP_INDEX,
    SQL_DROP_ID,
    SQL_DROP_CORRELATION,
    SQL_DROP_CAUSATION,
    SQL_DROP_AGGREGATE,
    SQL_ERASE_EVENT,
    SQL_ADD_HOLE,
    SQL_DROP_HOLE,
    SQL_TRIM_HOLES,
    SQL_ADD_GROUP,
    SQL_SET_POSITION,
    SQL_DROP_GROUP,
    SQL_ADD_DROPPED,
    SQL_SET_CONSUMER,
    SQL_DROP_CONSUMER,
    SQL_DROP_CONSUMER_PENDING,
    SQL_SET_PENDING,
    SQL_DROP_PENDING,
    SQL_ADD_IDEMPOTENT,
    SQL_CLEAR_IDEMPOTENT,
    SQL_IDEMPOTENT_LIMITS,
    SQL_PRUNE_BY_AGE,
    SQL_PRUNE_BY_COUNT,
    SQL_NEXT_PRODUCER,
    SQL_PRODUCER,
    SQL_NEXT_TRIMMED,
    SQL_SET_PURGED,
    SQL_NEXT_DELETED,
    SQL_SET_DELETED,
    SQL_DROP_ONE_GROUP,
    SQL_PURGE_HOLES,
    SQL_PURGE_IDEMPOTENT,
    SQL_END_DELETED,
    SQL_NEXT_DROPPED,
    SQL_PURGE_PENDING,
    SQL_PURGE_CONSUMERS,
    SQL_END_DROPPED,
    SQL_SET_CHECKPOINT,
    SQL_DROP_CHECKPOINT,
    SQL_SET_NAMED,
    SQL_DROP_NAMED,
    SQL_ADD_TYPE,
    SQL_ADD_EVENTS, /* all that bulk_events has */
    SQL_ADD_BLOCK,
    SQL_ADD_CATEGORY_BLOCK,
    SQL_DROP_CATEGORY_BLOCKS,
    SQL_SET_MOVED,
    SQL_NEXT_MOVED,
    SQL_END_MOVED,
    SQL_STREAMS_BEFORE,
    SQL_ADD_CORRELATION,
    SQL_ADD_CAUSATION,
    SQL_ADD_AGGREGATE,
    SQL_ADD_INDEX, /* from bulk_index, until the time is up */
    SQL_ADD_IDS,   /* from bulk_ids, likewise */
    SQL_WRITER_END,
    /* everybody's */
    SQL_BEGIN_READ = SQL_WRITER_END,
    SQL_COMMIT,
    SQL_STATE,
    SQL_LEFT,
    SQL_TIMELINES,
    SQL_TYPE_NUMBER,
    SQL_TYPE_NAME,
    SQL_TYPE_MAX,
    SQL_TYPES_FROM,
    SQL_TAIL,
    SQL_HEAD,
    SQL_STREAM_BY_NAME,
    SQL_STREAM_BY_NUMBER,
    SQL_STREAMS_FROM,
    SQL_EXPIRING,
    SQL_DEADLINE,
    SQL_RESERVED,
    SQL_VIRTUAL_GROUPS,
    SQL_COUNT_GROUPS,
    SQL_STREAM_EXTENT,
    SQL_ANY_HIDDEN,
    SQL_HOLE_BEFORE,
    SQL_HOLES,
    SQL_VALUE,
    SQL_GROUPS,
    SQL_CONSUMERS,
    SQL_PENDING,
    SQL_IDEMPOTENT,
    SQL_INDEX_LAST,
    SQL_INDEX_FORWARD,
    SQL_INDEX_REVERSE,
    SQL_RECORDED_BEFORE,
    SQL_EVENT,
    SQL_EVENTS_FORWARD,
    SQL_EVENTS_LEAN,
    SQL_EVENTS_REVERSE,
    SQL_CHECKPOINT,
    SQL_CHECKPOINTS_FROM,
    SQL_NAMED,
    SQL_NAMED_FROM,
    SQL_ID,
    SQL_IDS_FROM,
    SQL_BLOCK_NEXT,
    SQL_BLOCK_BEFORE,
    SQL_NEXT_CATEGORY_BLOCK,
    SQL_CATEGORY_BLOCK_BEFORE,
    SQL_MOVED,
    SQL_NAME,
    SQL_NAMES_BETWEEN,
    SQL_CORRELATION_FORWARD,
    SQL_CORRELATION_REVERSE,
    SQL_CAUSATION_FORWARD,
    SQL_CAUSATION_REVERSE,
    SQL_AGGREGATE_FORWARD,
    SQL_AGGREGATE_REVERSE,
    SQL_COUNT
};
extern const char *const sqlite_sql[SQL_COUNT];

/* What a flush runs: everything goes but the store's identity, and what `named` holds. */
extern const char sqlite_flush_sql[];

/* Columns of an event's row, in the order in which the statements above name them. */
enum event_column {
    COL_SEQUENCE,
    COL_STREAM,
    COL_VERSION,
    COL_TYPE,
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
};

#endif
