/* SQL text only; see the header.
 *
 * How it is laid out, and why (figures: docs/storage.md): events are ordinary rows in the order
 * of the log, so that writing them is appending; (stream, version) -> sequence is a table of
 * its own, written in sorted bulk behind the rows (`indexed` says how far it is); everything else
 * that is looked up by value has a table with entries only for the events that carry it. */
#include "store/sqlite_schema.h"

/* clang-format off */

#define UUID_TEXT(c)                                                                               \
    "CASE WHEN " c " IS NULL THEN NULL ELSE lower("                                                \
        "substr(hex(" c "),1,8)||'-'||"                                                            \
        "substr(hex(" c "),9,4)||'-'||"                                                            \
        "substr(hex(" c "),13,4)||'-'||"                                                           \
        "substr(hex(" c "),17,4)||'-'||"                                                           \
        "substr(hex(" c "),21,12)) END"

/* A transaction of one event: its id with the version nibble 4 and the variant's top bit set. */
#define TRANSACTION_TEXT(id)                                                                       \
    "lower("                                                                                       \
        "substr(hex(" id "),1,8)||'-'||"                                                           \
        "substr(hex(" id "),9,4)||'-4'||"                                                          \
        "substr(hex(" id "),14,3)||'-'||"                                                          \
        "substr('89abcdef89abcdef',instr('0123456789ABCDEF',substr(hex(" id "),17,1)),1)||"        \
        "substr(hex(" id "),18,3)||'-'||"                                                          \
        "substr(hex(" id "),21,12))"

/* Halves of entry ids are integers up to 2^63 - 1, beyond it text of 20 digits: SQL orders
 * text behind integers. */
#define U64_TEXT(c) "CASE typeof(" c ") WHEN 'text' THEN ltrim(" c ",'0') ELSE " c " END"

#define EVENT_VIEW_COLUMNS                                                                         \
    "SELECT e.sequence AS sequence, s.name AS stream, e.version AS version,"                       \
    " (SELECT name FROM types WHERE number = e.type) AS type, "                                    \
    UUID_TEXT("e.event_id") " AS event_id, "                                                       \
    U64_TEXT("e.entry_ms") " || '-' || " U64_TEXT("e.entry_seq") " AS entry_id,"                   \
    " e.timestamp AS timestamp, e.recorded AS recorded,"                                           \
    " CASE WHEN e.transaction_id IS NULL THEN " TRANSACTION_TEXT("e.event_id")                     \
    "  ELSE " UUID_TEXT("e.transaction_id") " END AS transaction_id, "                             \
    UUID_TEXT("coalesce(e.partition_key, s.partition_key)") " AS partition_key, "                  \
    UUID_TEXT("e.correlation") " AS correlation_id, "                                              \
    UUID_TEXT("e.causation") " AS causation_id,"                                                   \
    " e.aggregate AS aggregate_id,"                                                                \
    " CAST(coalesce(e.metadata, '') AS TEXT) AS metadata,"                                         \
    " CAST(e.payload AS TEXT) AS payload "

static const char step_1[] =
    "CREATE TABLE store ("
    " one INTEGER PRIMARY KEY CHECK (one = 1),"
    " schema_version INTEGER NOT NULL, store_id BLOB NOT NULL, id_key INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL, journal_open INTEGER NOT NULL, flushes INTEGER NOT NULL,"
    " applied INTEGER NOT NULL, indexed INTEGER NOT NULL, next_sequence INTEGER NOT NULL,"
    " next_stream INTEGER NOT NULL, stream_count INTEGER NOT NULL, recorded INTEGER NOT NULL,"
    " entry_ms NOT NULL, entry_seq NOT NULL);"

    "CREATE TABLE streams ("
    " number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,"
    " partition_key BLOB NOT NULL);"

    "CREATE TABLE types (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"

    "CREATE TABLE events ("
    " sequence INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL,"
    " type INTEGER NOT NULL, timestamp INTEGER NOT NULL, recorded INTEGER NOT NULL,"
    " entry_ms NOT NULL, entry_seq NOT NULL, event_id BLOB NOT NULL, content_hash BLOB,"
    " partition_key BLOB, transaction_id BLOB, correlation BLOB, causation BLOB, aggregate TEXT,"
    " metadata BLOB, payload BLOB NOT NULL);"

    "CREATE TABLE stream_index (key INTEGER PRIMARY KEY, sequence INTEGER);"
    "CREATE TABLE event_ids (id BLOB PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;"
    "CREATE TABLE type_blocks (type INTEGER, block INTEGER, PRIMARY KEY (type, block))"
    " WITHOUT ROWID;"
    "CREATE TABLE correlations (id BLOB, sequence INTEGER, PRIMARY KEY (id, sequence))"
    " WITHOUT ROWID;"
    "CREATE TABLE causations (id BLOB, sequence INTEGER, PRIMARY KEY (id, sequence))"
    " WITHOUT ROWID;"
    "CREATE TABLE aggregates (id TEXT, sequence INTEGER, PRIMARY KEY (id, sequence))"
    " WITHOUT ROWID;"

    /* Indexed events through the index (which serves both a stream's events and, by its key, a walk
     * along the log), then the tail that is not indexed yet. */
    "CREATE VIEW cairn_events AS " EVENT_VIEW_COLUMNS "FROM streams s, stream_index i, events e"
    " WHERE i.key BETWEEN (s.number << 32) AND (s.number << 32) + 4294967295"
    " AND e.sequence = i.sequence AND s.number = e.stream"
    " AND i.key = (e.stream << 32) + e.version"
    " AND e.sequence < (SELECT indexed FROM store) "
    "UNION ALL " EVENT_VIEW_COLUMNS "FROM streams s, events e"
    " WHERE s.number = e.stream AND e.sequence >= (SELECT indexed FROM store);"

    "CREATE VIEW cairn_streams AS SELECT number, name,"
    " CASE instr(name, '-') WHEN 0 THEN name ELSE substr(name, 1, instr(name, '-') - 1) END"
    "  AS category, created, "
    UUID_TEXT("partition_key") " AS partition_key"
    " FROM streams;"

    "CREATE VIEW cairn_status AS SELECT schema_version, "
    UUID_TEXT("store_id") " AS store_id,"
    " epoch, applied, indexed, next_sequence, stream_count AS streams,"
    " CASE journal_open WHEN 0 THEN 'closed' ELSE 'open' END AS journal"
    " FROM store;";

/* clang-format on */

const char *const sqlite_schema_steps[SCHEMA_VERSION] = {step_1};

const char sqlite_flush_sql[] = "DELETE FROM events; DELETE FROM stream_index;"
                                "DELETE FROM streams; DELETE FROM types; DELETE FROM event_ids;"
                                "DELETE FROM type_blocks; DELETE FROM correlations;"
                                "DELETE FROM causations; DELETE FROM aggregates;";

#define EVENT_COLUMNS                                                                              \
    "sequence, stream, version, type, timestamp, recorded, entry_ms, entry_seq, event_id,"         \
    " content_hash, partition_key, transaction_id, correlation, causation, aggregate, metadata,"   \
    " payload"
#define BY_VALUE(table, order)                                                                     \
    "SELECT sequence FROM " table " WHERE id = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY"         \
    " sequence " order

const char *const sqlite_sql[SQL_COUNT] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_STATE] = "SELECT store_id, id_key, epoch, journal_open, flushes, applied, indexed,"
                  " next_sequence, next_stream, stream_count, recorded, entry_ms, entry_seq"
                  " FROM store",
    [SQL_SET_STATE] = "UPDATE store SET flushes = ?2, applied = ?3, indexed = ?4,"
                      " next_sequence = ?5, next_stream = ?6, stream_count = ?7, recorded = ?8,"
                      " entry_ms = ?9, entry_seq = ?10 WHERE epoch = ?1",
    [SQL_SET_INDEXED] = "UPDATE store SET indexed = ?2 WHERE epoch = ?1",
    [SQL_SET_JOURNAL] = "UPDATE store SET journal_open = ?2 WHERE epoch = ?1",
    [SQL_RAISE_EPOCH] = "UPDATE store SET epoch = epoch + 1 WHERE epoch = ?1",

    [SQL_ADD_STREAM] = "INSERT INTO streams (number, name, created, partition_key)"
                       " VALUES (?1, ?2, ?3, ?4)",
    [SQL_ADD_TYPE] = "INSERT INTO types (name) VALUES (?1) RETURNING number",
    [SQL_ADD_EVENTS] =
        "INSERT OR FAIL INTO events (" EVENT_COLUMNS ") SELECT " EVENT_COLUMNS " FROM bulk_events",
    [SQL_ADD_BLOCK] = "INSERT OR IGNORE INTO type_blocks (type, block) VALUES (?1, ?2)",
    [SQL_ADD_CORRELATION] = "INSERT INTO correlations (id, sequence) VALUES (?1, ?2)",
    [SQL_ADD_CAUSATION] = "INSERT INTO causations (id, sequence) VALUES (?1, ?2)",
    [SQL_ADD_AGGREGATE] = "INSERT INTO aggregates (id, sequence) VALUES (?1, ?2)",
    [SQL_ADD_INDEX] = "INSERT OR REPLACE INTO stream_index (key, sequence)"
                      " SELECT key, sequence FROM bulk_index",

    [SQL_ADD_IDS] = "INSERT OR REPLACE INTO event_ids (id, sequence)"
                    " SELECT id, sequence FROM bulk_ids",

    [SQL_TYPE_NUMBER] = "SELECT number FROM types WHERE name = ?1",
    [SQL_TYPE_NAME] = "SELECT name FROM types WHERE number = ?1",
    [SQL_TYPE_MAX] = "SELECT max(number) FROM types",
    [SQL_TYPES_FROM] = "SELECT number, name FROM types WHERE number >= ?1 ORDER BY number",
    [SQL_TAIL] = "SELECT sequence, stream, version, CASE WHEN content_hash IS NOT NULL THEN"
                 " event_id END FROM events WHERE sequence >= ?1 ORDER BY sequence",
    [SQL_HEAD] = "SELECT version, entry_ms, entry_seq, recorded FROM events WHERE sequence = ?1",
    [SQL_STREAM_BY_NAME] = "SELECT number, created FROM streams WHERE name = ?1",
    [SQL_STREAM_BY_NUMBER] = "SELECT number, name, created, partition_key FROM streams"
                             " WHERE number = ?1",
    [SQL_STREAMS_FROM] = "SELECT number, name, created, partition_key FROM streams"
                         " WHERE number >= ?1 ORDER BY number",
    [SQL_INDEX_LAST] = "SELECT key, sequence FROM stream_index WHERE key BETWEEN ?1 AND ?2"
                       " ORDER BY key DESC LIMIT 1",
    [SQL_INDEX_FORWARD] = "SELECT key, sequence FROM stream_index WHERE key BETWEEN ?1 AND ?2"
                          " ORDER BY key",
    [SQL_INDEX_REVERSE] = "SELECT key, sequence FROM stream_index WHERE key BETWEEN ?1 AND ?2"
                          " ORDER BY key DESC",
    [SQL_RECORDED_BEFORE] = "SELECT sequence, recorded FROM events WHERE sequence BETWEEN ?1"
                            " AND ?2 ORDER BY sequence DESC LIMIT 1",
    [SQL_EVENT] = "SELECT " EVENT_COLUMNS " FROM events WHERE sequence = ?1",
    [SQL_EVENTS_FORWARD] = "SELECT " EVENT_COLUMNS " FROM events WHERE sequence BETWEEN ?1 AND ?2"
                           " ORDER BY sequence",
    [SQL_EVENTS_REVERSE] = "SELECT " EVENT_COLUMNS " FROM events WHERE sequence BETWEEN ?1 AND ?2"
                           " ORDER BY sequence DESC",
    [SQL_ID] = "SELECT sequence FROM event_ids WHERE id = ?1",
    [SQL_BLOCK_NEXT] = "SELECT block FROM type_blocks WHERE type = ?1 AND block >= ?2"
                       " ORDER BY block LIMIT 1",
    [SQL_BLOCK_BEFORE] = "SELECT block FROM type_blocks WHERE type = ?1 AND block <= ?2"
                         " ORDER BY block DESC LIMIT 1",
    [SQL_CORRELATION_FORWARD] = BY_VALUE("correlations", "ASC"),
    [SQL_CORRELATION_REVERSE] = BY_VALUE("correlations", "DESC"),
    [SQL_CAUSATION_FORWARD] = BY_VALUE("causations", "ASC"),
    [SQL_CAUSATION_REVERSE] = BY_VALUE("causations", "DESC"),
    [SQL_AGGREGATE_FORWARD] = BY_VALUE("aggregates", "ASC"),
    [SQL_AGGREGATE_REVERSE] = BY_VALUE("aggregates", "DESC"),
};
