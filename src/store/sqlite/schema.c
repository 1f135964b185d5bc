/* SQL text only; see the header.
 *
 * How it is laid out, and why (figures: docs/storage.md): events are ordinary rows in the order
 * of the log, so that writing them is appending; (stream, version) -> sequence is a table of
 * its own, written in sorted bulk behind the rows (`indexed` says how far it is); everything else
 * that is looked up by value has a table with entries only for the events that carry it. */
#include "store/sqlite/schema.h"

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

/* The next version of stream s: what its state says, or its last event (indexed, or of the tail t
 * that is not), or a hole at its end. */
#define STREAM_NEXT                                                                                \
    "max(coalesce(s.next_version, 0), coalesce(t.next, 0),"                                        \
    " coalesce((SELECT max(i.key) - (s.number << 32) + 1 FROM stream_index i WHERE i.key"          \
    "  BETWEEN (s.number << 32) AND (s.number << 32) + 4294967295), 0),"                           \
    " coalesce((SELECT h.last + 1 FROM holes h WHERE h.stream = s.number"                          \
    "  ORDER BY h.first DESC LIMIT 1), 0))"

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

/* What is beyond plain streams of events. An event's row, and a stream's that is nothing but its
 * events, have the defaults of the new columns. A view cannot be altered: they are made anew. */
static const char step_2[] =
    "DROP VIEW cairn_events;"
    "DROP VIEW cairn_streams;"
    "DROP VIEW cairn_status;"

    "ALTER TABLE store ADD COLUMN next_group INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE store ADD COLUMN renames INTEGER NOT NULL DEFAULT 0;"

    "ALTER TABLE events ADD COLUMN fields INTEGER;"
    "ALTER TABLE events ADD COLUMN erased INTEGER;"

    "ALTER TABLE streams ADD COLUMN is_string INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE streams ADD COLUMN first_version INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE streams ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE streams ADD COLUMN next_version INTEGER;"
    "ALTER TABLE streams ADD COLUMN entries_added INTEGER;"
    "ALTER TABLE streams ADD COLUMN last_ms;"
    "ALTER TABLE streams ADD COLUMN last_seq;"
    "ALTER TABLE streams ADD COLUMN deleted_ms;"
    "ALTER TABLE streams ADD COLUMN deleted_seq;"
    "ALTER TABLE streams ADD COLUMN expires INTEGER;"
    "ALTER TABLE streams ADD COLUMN idempotent_seconds INTEGER;"
    "ALTER TABLE streams ADD COLUMN idempotent_max INTEGER;"
    "CREATE INDEX streams_expires ON streams (expires) WHERE expires IS NOT NULL;"
    "CREATE INDEX streams_trimmed ON streams (number) WHERE purged < first_version;"

    "CREATE TABLE holes (stream INTEGER, first INTEGER, last INTEGER NOT NULL,"
    " PRIMARY KEY (stream, first)) WITHOUT ROWID;"
    "CREATE TABLE strings (stream INTEGER PRIMARY KEY, value BLOB NOT NULL);"
    "CREATE TABLE idempotent (stream INTEGER, producer BLOB, id BLOB, entry_ms NOT NULL,"
    " entry_seq NOT NULL, added INTEGER NOT NULL, PRIMARY KEY (stream, producer, id))"
    " WITHOUT ROWID;"
    "CREATE TABLE groups (number INTEGER PRIMARY KEY, stream INTEGER NOT NULL, name TEXT NOT NULL,"
    " created INTEGER NOT NULL, last_ms NOT NULL, last_seq NOT NULL, entries_read INTEGER,"
    " UNIQUE (stream, name));"
    "CREATE TABLE consumers (grp INTEGER, number INTEGER, name TEXT NOT NULL,"
    " seen INTEGER NOT NULL, active INTEGER, PRIMARY KEY (grp, number)) WITHOUT ROWID;"
    "CREATE TABLE pending (grp INTEGER, entry_ms, entry_seq, version INTEGER NOT NULL,"
    " consumer INTEGER NOT NULL, delivered INTEGER NOT NULL, deliveries INTEGER NOT NULL,"
    " PRIMARY KEY (grp, entry_ms, entry_seq)) WITHOUT ROWID;"

    /* What is gone and whose rows are still to be taken away. */
    "CREATE TABLE deleted_streams (number INTEGER PRIMARY KEY, purged INTEGER NOT NULL);"
    "CREATE TABLE dropped_groups (number INTEGER PRIMARY KEY);"

    "CREATE VIEW cairn_events AS " EVENT_VIEW_COLUMNS ", e.erased IS NOT NULL AS erased"
    " FROM streams s, stream_index i, events e"
    " WHERE i.key BETWEEN (s.number << 32) + s.first_version AND (s.number << 32) + 4294967295"
    " AND e.sequence = i.sequence AND s.number = e.stream"
    " AND i.key = (e.stream << 32) + e.version"
    " AND e.sequence < (SELECT indexed FROM store) "
    "UNION ALL " EVENT_VIEW_COLUMNS ", e.erased IS NOT NULL"
    " FROM streams s, events e"
    " WHERE s.number = e.stream AND e.version >= s.first_version"
    " AND e.sequence >= (SELECT indexed FROM store);"

    "CREATE VIEW cairn_streams AS"
    " SELECT n.number, n.name, n.category, n.created, n.partition_key,"
    " n.next_version - n.first_version - coalesce((SELECT sum(h.last - h.first + 1) FROM holes h"
    "  WHERE h.stream = n.number), 0) AS events,"
    " n.first_version, n.next_version, n.entries_added, n.expires FROM"
    " (SELECT s.number AS number, s.name AS name,"
    "  CASE instr(s.name, '-') WHEN 0 THEN s.name"
    "   ELSE substr(s.name, 1, instr(s.name, '-') - 1) END AS category,"
    "  s.created AS created, " UUID_TEXT("s.partition_key") " AS partition_key,"
    "  s.first_version AS first_version, " STREAM_NEXT " AS next_version,"
    "  coalesce(s.entries_added - s.next_version, 0) + " STREAM_NEXT " AS entries_added,"
    "  s.expires AS expires"
    "  FROM streams s LEFT JOIN (SELECT stream, max(version) + 1 AS next FROM events"
    "   WHERE sequence >= (SELECT indexed FROM store) GROUP BY stream) t ON t.stream = s.number"
    "  WHERE s.is_string = 0) n;"

    "CREATE VIEW cairn_strings AS"
    " SELECT s.name AS name, s.created AS created, s.expires AS expires,"
    " CAST(v.value AS TEXT) AS value"
    " FROM streams s JOIN strings v ON v.stream = s.number;"

    "CREATE VIEW cairn_groups AS"
    " SELECT s.name AS stream, g.name AS name, g.created AS created, "
    U64_TEXT("g.last_ms") " || '-' || " U64_TEXT("g.last_seq") " AS last_delivered,"
    " g.entries_read AS entries_read,"
    " (SELECT count(*) FROM consumers c WHERE c.grp = g.number) AS consumers,"
    " (SELECT count(*) FROM pending p WHERE p.grp = g.number) AS pending"
    " FROM groups g JOIN streams s ON s.number = g.stream;"

    "CREATE VIEW cairn_pending AS"
    " SELECT s.name AS stream, g.name AS \"group\", c.name AS consumer, "
    U64_TEXT("p.entry_ms") " || '-' || " U64_TEXT("p.entry_seq") " AS entry_id,"
    " p.version AS version, CASE p.consumer WHEN 0 THEN NULL ELSE p.delivered END AS delivered,"
    " p.deliveries AS deliveries"
    " FROM streams s JOIN groups g ON g.stream = s.number JOIN pending p ON p.grp = g.number"
    " LEFT JOIN consumers c ON c.grp = p.grp AND c.number = p.consumer;"

    "CREATE VIEW cairn_status AS SELECT schema_version, "
    UUID_TEXT("store_id") " AS store_id,"
    " epoch, applied, indexed, next_sequence, stream_count AS streams,"
    " CASE journal_open WHEN 0 THEN 'closed' ELSE 'open' END AS journal"
    " FROM store;";

/* Which server's run wrote last: whether a journal belongs to what is here. */
static const char step_3[] = "ALTER TABLE store ADD COLUMN run INTEGER NOT NULL DEFAULT 0;";

/* The histories that the store has been on; the first one's id is that of timeline_of_store. And
 * where the streams of a category have events (categories.c): `categorized` says how far back that
 * is noted. */
static const char step_4[] =
    "DROP VIEW cairn_status;"

    "ALTER TABLE store ADD COLUMN left_as TEXT NOT NULL DEFAULT 'closed';"

    "CREATE TABLE timelines (number INTEGER PRIMARY KEY, id TEXT NOT NULL,"
    " began INTEGER NOT NULL, created INTEGER NOT NULL, reason TEXT NOT NULL);"
    "INSERT INTO timelines SELECT 1, lower(substr(hex(store_id), 1, 8)), 0,"
    " strftime('%s', 'now') * 1000, 'first' FROM store;"

    "CREATE VIEW cairn_timelines AS SELECT id AS timeline, began, min(began) OVER (ORDER BY number"
    " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ended, created, reason"
    " FROM timelines ORDER BY number;"

    "CREATE VIEW cairn_status AS SELECT schema_version, "
    UUID_TEXT("store_id") " AS store_id,"
    " epoch, applied, indexed, next_sequence, stream_count AS streams,"
    " CASE journal_open WHEN 0 THEN 'closed' ELSE 'open' END AS journal,"
    " (SELECT id FROM timelines ORDER BY number DESC LIMIT 1) AS timeline"
    " FROM store;"

    /* What has a name of its own. A flush empties `checkpoints`. */
    "CREATE TABLE checkpoints (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " position INTEGER NOT NULL, updated INTEGER NOT NULL, timeline TEXT NOT NULL);"
    "CREATE TABLE named (number INTEGER PRIMARY KEY, class INTEGER NOT NULL, name TEXT NOT NULL,"
    " value BLOB NOT NULL, UNIQUE (class, name));"

    "CREATE VIEW cairn_checkpoints AS SELECT name, position, timeline, updated,"
    " max((SELECT next_sequence FROM store) - position, 0) AS behind FROM checkpoints;"
    "CREATE VIEW cairn_views AS SELECT name, CAST(value AS TEXT) AS selector FROM named"
    " WHERE class = 2;"

    /* How many events of the store lie beyond the position of a virtual stream's group: pairs of
     * when they were recorded and their sequence, which never decrease. Mostly the event that the
     * position is the id of tells, or its neighbours when it was removed; else it is looked for by
     * halving (`low` events lie before it at least, and fewer than `bit` more). */
    "DROP VIEW cairn_groups;"
    "CREATE VIEW cairn_groups AS"
    " SELECT s.name AS stream, g.name AS name, g.created AS created, "
    U64_TEXT("g.last_ms") " || '-' || " U64_TEXT("g.last_seq") " AS last_delivered,"
    " g.entries_read AS entries_read,"
    " (SELECT count(*) FROM consumers c WHERE c.grp = g.number) AS consumers,"
    " (SELECT count(*) FROM pending p WHERE p.grp = g.number) AS pending,"
    " CASE WHEN s.is_string <> 2 THEN NULL"
    "  WHEN g.last_seq < o.next_sequence"
    "   AND coalesce((SELECT e.recorded FROM events e WHERE e.sequence <= g.last_seq"
    "    ORDER BY e.sequence DESC LIMIT 1) <= g.last_ms, 1)"
    "   AND coalesce((SELECT e.recorded FROM events e WHERE e.sequence > g.last_seq"
    "    ORDER BY e.sequence LIMIT 1) >= g.last_ms, 1)"
    "  THEN o.next_sequence - g.last_seq - 1"
    "  ELSE o.next_sequence - (WITH RECURSIVE beyond (low, bit) AS (SELECT 0, 1 << 40 UNION ALL"
    "   SELECT low + CASE WHEN low + bit <= o.next_sequence AND (SELECT e.recorded < g.last_ms"
    "    OR (e.recorded = g.last_ms AND e.sequence <= g.last_seq) FROM events e"
    "    WHERE e.sequence >= low + bit - 1 ORDER BY e.sequence LIMIT 1) THEN bit ELSE 0 END,"
    "   bit >> 1 FROM beyond WHERE bit > 0) SELECT low FROM beyond WHERE bit = 0) END AS behind"
    " FROM groups g JOIN streams s ON s.number = g.stream, store o;"

    "CREATE TABLE category_blocks (key INTEGER PRIMARY KEY);"
    "CREATE TABLE moved_streams (stream INTEGER PRIMARY KEY, next INTEGER NOT NULL);"
    "ALTER TABLE store ADD COLUMN categorized INTEGER NOT NULL DEFAULT 0;"
    "UPDATE store SET categorized = next_sequence;"

    /* Of the sequences from `removed_from` on, how many have no row any more. */
    "ALTER TABLE store ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE store ADD COLUMN removed_from INTEGER NOT NULL DEFAULT 0;"
    "UPDATE store SET removed_from = next_sequence;";

/* clang-format on */

const char *const sqlite_schema_steps[SCHEMA_VERSION] = {step_1, step_2, step_3, step_4};

const char sqlite_flush_sql[] = "DELETE FROM events; DELETE FROM stream_index;"
                                "DELETE FROM streams; DELETE FROM types; DELETE FROM event_ids;"
                                "DELETE FROM type_blocks; DELETE FROM category_blocks;"
                                "DELETE FROM moved_streams; DELETE FROM correlations;"
                                "DELETE FROM causations; DELETE FROM aggregates;"
                                "DELETE FROM holes; DELETE FROM strings; DELETE FROM idempotent;"
                                "DELETE FROM groups; DELETE FROM consumers; DELETE FROM pending;"
                                "DELETE FROM deleted_streams; DELETE FROM dropped_groups;"
                                "DELETE FROM checkpoints;"
                                "UPDATE store SET removed = 0, removed_from = 0;";

#define EVENT_COLUMNS                                                                              \
    "sequence, stream, version, type, timestamp, recorded, entry_ms, entry_seq, event_id,"         \
    " content_hash, partition_key, transaction_id, correlation, causation, aggregate, metadata,"   \
    " payload, fields, erased"
/* Each column that is read costs, also if nobody looks at it. The others keep their places. */
#define LEAN_COLUMNS                                                                               \
    "sequence, stream, version, type, timestamp, recorded, NULL, NULL, NULL, NULL, NULL, NULL,"    \
    " NULL, NULL, NULL, NULL, payload, fields, erased"
/* The row is as this server wrote it last: see sqlite_bind_ours. */
#define IF_OURS " WHERE epoch = ?1 AND applied = ?20 AND store_id = ?21"
_Static_assert(OURS_APPLIED == 20 && OURS_STORE_ID == 21, "IF_OURS");
#define STREAM_COLUMNS "number, name, created, partition_key, is_string"
#define BY_VALUE(table, order)                                                                     \
    "SELECT sequence FROM " table " WHERE id = ?1 AND sequence BETWEEN ?2 AND ?3 ORDER BY"         \
    " sequence " order

const char *const sqlite_sql[SQL_COUNT] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_STATE] = "SELECT store_id, id_key, epoch, journal_open, flushes, applied, indexed,"
                  " next_sequence, next_stream, stream_count, recorded, entry_ms, entry_seq,"
                  " next_group, renames, run, categorized, removed, removed_from FROM store",
    [SQL_SET_STATE] = "UPDATE store SET flushes = ?2, applied = ?3, indexed = ?4,"
                      " next_sequence = ?5, next_stream = ?6, stream_count = ?7, recorded = ?8,"
                      " entry_ms = ?9, entry_seq = ?10, next_group = ?11, renames = ?12,"
                      " categorized = ?13, removed = removed + ?14" IF_OURS,
    [SQL_SET_PROGRESS] = "UPDATE store SET indexed = ?2, categorized = ?3,"
                         " removed = removed + ?4" IF_OURS,
    [SQL_SET_LEFT] = "UPDATE store SET journal_open = ?2, left_as = ?3" IF_OURS,
    [SQL_LEFT] = "SELECT left_as FROM store",
    [SQL_TIMELINES] = "SELECT id, began, created, reason FROM timelines ORDER BY number",
    [SQL_ADD_TIMELINE] = "INSERT INTO timelines (id, began, created, reason)"
                         " VALUES (?1, ?2, ?3, ?4)",
    [SQL_PRUNE_TIMELINES] = "DELETE FROM timelines WHERE number <= (SELECT max(number) - ?1"
                            " FROM timelines)",
    [SQL_ADOPT_TIMELINE] = "UPDATE timelines SET id = ?1 WHERE reason = 'first'",
    [SQL_SET_RUN] = "UPDATE store SET run = ?2" IF_OURS,
    [SQL_ADOPT] = "UPDATE store SET store_id = ?2, id_key = ?3" IF_OURS,
    [SQL_RAISE_EPOCH] = "UPDATE store SET epoch = epoch + 1" IF_OURS,

    [SQL_ADD_STREAM] = "INSERT INTO streams (" STREAM_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_DROP_STREAM] = "DELETE FROM streams WHERE number = ?1 RETURNING is_string, purged",
    /* No name holds a line feed. */
    [SQL_FREE_NAME] = "UPDATE streams SET name = char(10) || number WHERE number = ?1",
    [SQL_RENAME_STREAM] = "UPDATE streams SET name = ?2, partition_key = ?3 WHERE number = ?1",
    [SQL_SET_STREAM] = "UPDATE streams SET first_version = ?2, next_version = ?3,"
                       " entries_added = ?4, last_ms = ?5, last_seq = ?6, deleted_ms = ?7,"
                       " deleted_seq = ?8, expires = ?9, idempotent_seconds = ?10,"
                       " idempotent_max = ?11 WHERE number = ?1",
    [SQL_SET_VALUE] = "INSERT OR REPLACE INTO strings (stream, value) VALUES (?1, ?2)",
    [SQL_DROP_VALUE] = "DELETE FROM strings WHERE stream = ?1",
    [SQL_ADD_DELETED] = "INSERT INTO deleted_streams (number, purged) VALUES (?1, ?2)",
    [SQL_DROP_EVENT] = "DELETE FROM events WHERE sequence = ?1 RETURNING CASE WHEN content_hash"
                       " IS NOT NULL THEN event_id END, correlation, causation, aggregate",
    [SQL_DROP_INDEX] = "DELETE FROM stream_index WHERE key BETWEEN ?1 AND ?2",
    [SQL_DROP_ID] = "DELETE FROM event_ids WHERE id = ?1 AND sequence = ?2",
    [SQL_DROP_CORRELATION] = "DELETE FROM correlations WHERE id = ?1 AND sequence = ?2",
    [SQL_DROP_CAUSATION] = "DELETE FROM causations WHERE id = ?1 AND sequence = ?2",
    [SQL_DROP_AGGREGATE] = "DELETE FROM aggregates WHERE id = ?1 AND sequence = ?2",
    [SQL_ERASE_EVENT] = "UPDATE events SET payload = x'', metadata = NULL, fields = fields * 0,"
                        " erased = 1 WHERE sequence = ?1",
    [SQL_ADD_HOLE] = "INSERT INTO holes (stream, first, last) VALUES (?1, ?2, ?3)",
    [SQL_DROP_HOLE] = "DELETE FROM holes WHERE stream = ?1 AND first = ?2",
    [SQL_TRIM_HOLES] = "DELETE FROM holes WHERE stream = ?1 AND first < ?2",
    [SQL_ADD_GROUP] = "INSERT INTO groups (number, stream, name, created, last_ms, last_seq,"
                      " entries_read) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_SET_POSITION] = "UPDATE groups SET last_ms = ?2, last_seq = ?3, entries_read = ?4"
                         " WHERE number = ?1",
    [SQL_DROP_GROUP] = "DELETE FROM groups WHERE number = ?1",
    [SQL_ADD_DROPPED] = "INSERT OR IGNORE INTO dropped_groups (number) VALUES (?1)",
    [SQL_SET_CONSUMER] = "INSERT OR REPLACE INTO consumers (grp, number, name, seen, active)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_DROP_CONSUMER] = "DELETE FROM consumers WHERE grp = ?1 AND number = ?2",
    [SQL_DROP_CONSUMER_PENDING] = "DELETE FROM pending WHERE grp = ?1 AND consumer = ?2",
    [SQL_SET_PENDING] = "INSERT OR REPLACE INTO pending (grp, entry_ms, entry_seq, version,"
                        " consumer, delivered, deliveries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_DROP_PENDING] = "DELETE FROM pending WHERE grp = ?1 AND entry_ms = ?2 AND entry_seq = ?3",
    [SQL_ADD_IDEMPOTENT] = "INSERT OR REPLACE INTO idempotent (stream, producer, id, entry_ms,"
                           " entry_seq, added) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_CLEAR_IDEMPOTENT] = "DELETE FROM idempotent WHERE stream = ?1",
    [SQL_IDEMPOTENT_LIMITS] = "SELECT idempotent_seconds, idempotent_max FROM streams"
                              " WHERE number = ?1",
    [SQL_PRUNE_BY_AGE] = "DELETE FROM idempotent WHERE stream = ?1 AND producer = ?2"
                         " AND added < ?3",
    [SQL_PRUNE_BY_COUNT] = "DELETE FROM idempotent WHERE stream = ?1 AND producer = ?2 AND id IN"
                           " (SELECT id FROM idempotent WHERE stream = ?1 AND producer = ?2"
                           " ORDER BY entry_ms DESC, entry_seq DESC"
                           " LIMIT -1 OFFSET ?3)",
    [SQL_NEXT_PRODUCER] = "SELECT stream, producer FROM idempotent WHERE (stream, producer) >"
                          " (?1, coalesce(?2, x'')) ORDER BY stream, producer LIMIT 1",
    [SQL_PRODUCER] = "SELECT count(*), min(added) FROM idempotent WHERE stream = ?1"
                     " AND producer = ?2",

    [SQL_NEXT_TRIMMED] = "SELECT number, purged, first_version FROM streams INDEXED BY"
                         " streams_trimmed WHERE purged < first_version AND number > ?1"
                         " ORDER BY number LIMIT 1",
    [SQL_SET_PURGED] = "UPDATE streams SET purged = ?2 WHERE number = ?1",
    [SQL_NEXT_DELETED] = "SELECT number, purged FROM deleted_streams ORDER BY number LIMIT 1",
    [SQL_SET_DELETED] = "UPDATE deleted_streams SET purged = ?2 WHERE number = ?1",
    [SQL_DROP_ONE_GROUP] = "DELETE FROM groups WHERE number = (SELECT number FROM groups"
                           " WHERE stream = ?1 LIMIT 1) RETURNING number",
    [SQL_PURGE_HOLES] = "DELETE FROM holes WHERE stream = ?1 AND first IN (SELECT first FROM holes"
                        " WHERE stream = ?1 LIMIT 256)",
    [SQL_PURGE_IDEMPOTENT] = "DELETE FROM idempotent WHERE stream = ?1 AND (producer, id) IN"
                             " (SELECT producer, id FROM idempotent WHERE stream = ?1 LIMIT 256)",
    [SQL_END_DELETED] = "DELETE FROM deleted_streams WHERE number = ?1",
    [SQL_NEXT_DROPPED] = "SELECT number FROM dropped_groups ORDER BY number LIMIT 1",
    [SQL_PURGE_PENDING] = "DELETE FROM pending WHERE grp = ?1 AND (entry_ms, entry_seq) IN"
                          " (SELECT entry_ms, entry_seq FROM pending WHERE grp = ?1 LIMIT 256)",
    [SQL_PURGE_CONSUMERS] = "DELETE FROM consumers WHERE grp = ?1 AND number IN (SELECT number"
                            " FROM consumers WHERE grp = ?1 LIMIT 256)",
    [SQL_END_DROPPED] = "DELETE FROM dropped_groups WHERE number = ?1",
    [SQL_SET_CHECKPOINT] = "INSERT INTO checkpoints (name, position, updated, timeline)"
                           " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET"
                           " position = excluded.position, updated = excluded.updated,"
                           " timeline = excluded.timeline",
    [SQL_DROP_CHECKPOINT] = "DELETE FROM checkpoints WHERE name = ?1",
    [SQL_SET_NAMED] = "INSERT INTO named (name, class, value) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (class, name) DO UPDATE SET value = excluded.value",
    [SQL_DROP_NAMED] = "DELETE FROM named WHERE name = ?1 AND class = ?2",
    [SQL_ADD_TYPE] = "INSERT INTO types (name) VALUES (?1) RETURNING number",
    [SQL_ADD_EVENTS] =
        "INSERT OR FAIL INTO events (" EVENT_COLUMNS ") SELECT " EVENT_COLUMNS " FROM bulk_events",
    [SQL_ADD_CATEGORY_BLOCK] = "INSERT OR IGNORE INTO category_blocks (key) VALUES (?1)",
    [SQL_DROP_CATEGORY_BLOCKS] = "DELETE FROM category_blocks WHERE key IN (SELECT key"
                                 " FROM category_blocks WHERE key BETWEEN ?1 AND ?2 LIMIT 4096)",
    [SQL_SET_MOVED] = "INSERT OR REPLACE INTO moved_streams (stream, next) VALUES (?1, ?2)",
    [SQL_NEXT_MOVED] = "SELECT stream, next FROM moved_streams ORDER BY stream LIMIT 1",
    [SQL_END_MOVED] = "DELETE FROM moved_streams WHERE stream = ?1",
    [SQL_STREAMS_BEFORE] = "SELECT sequence, stream FROM events WHERE sequence < ?1"
                           " ORDER BY sequence DESC",
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
    [SQL_STREAM_BY_NAME] =
        "SELECT number, created, is_string, first_version, next_version, entries_added, last_ms,"
        " last_seq, deleted_ms, deleted_seq, expires, idempotent_seconds, idempotent_max"
        " FROM streams WHERE name = ?1",
    [SQL_STREAM_BY_NUMBER] = "SELECT " STREAM_COLUMNS " FROM streams WHERE number = ?1",
    [SQL_STREAMS_FROM] = "SELECT " STREAM_COLUMNS ", expires FROM streams WHERE number >= ?1"
                         " ORDER BY number",
    [SQL_EXPIRING] = "SELECT " STREAM_COLUMNS ", expires FROM streams WHERE expires <= ?1"
                     " ORDER BY expires",
    [SQL_DEADLINE] = "SELECT min(expires), count(*) FROM streams WHERE expires > ?1",
    [SQL_RESERVED] = "SELECT " STREAM_COLUMNS ", expires FROM streams WHERE name >= '@'"
                     " AND name < 'A' AND is_string <> 2 ORDER BY name",
    [SQL_VIRTUAL_GROUPS] = "SELECT count(*) FROM streams s CROSS JOIN groups g"
                           " ON g.stream = s.number"
                           " WHERE s.name >= '@' AND s.name < 'A' AND s.is_string = 2",
    [SQL_COUNT_GROUPS] = "SELECT count(*) FROM streams s CROSS JOIN groups g"
                         " ON g.stream = s.number WHERE s.name = ?1 AND s.is_string = 2",
    [SQL_STREAM_EXTENT] = "SELECT first_version, next_version FROM streams WHERE number = ?1",
    [SQL_ANY_HIDDEN] = "SELECT EXISTS (SELECT 1 FROM deleted_streams) OR EXISTS (SELECT 1 FROM"
                       " streams INDEXED BY streams_trimmed WHERE purged < first_version)",
    [SQL_HOLE_BEFORE] = "SELECT first, last FROM holes WHERE stream = ?1 AND first <= ?2"
                        " ORDER BY first DESC LIMIT 1",
    [SQL_HOLES] = "SELECT first, last FROM holes WHERE stream = ?1 ORDER BY first",
    [SQL_VALUE] = "SELECT value FROM strings WHERE stream = ?1",
    [SQL_GROUPS] = "SELECT number, name, created, last_ms, last_seq, entries_read FROM groups"
                   " WHERE stream = ?1 ORDER BY number",
    [SQL_CONSUMERS] = "SELECT number, name, seen, active FROM consumers WHERE grp = ?1"
                      " ORDER BY number",
    [SQL_PENDING] = "SELECT entry_ms, entry_seq, version, consumer, delivered, deliveries"
                    " FROM pending WHERE grp = ?1 ORDER BY entry_ms, entry_seq",
    [SQL_IDEMPOTENT] = "SELECT producer, id, entry_ms, entry_seq, added FROM idempotent"
                       " WHERE stream = ?1 ORDER BY entry_ms, entry_seq",
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
    [SQL_EVENTS_LEAN] = "SELECT " LEAN_COLUMNS " FROM events WHERE sequence BETWEEN ?1 AND ?2"
                        " ORDER BY sequence",
    [SQL_EVENTS_REVERSE] = "SELECT " EVENT_COLUMNS " FROM events WHERE sequence BETWEEN ?1 AND ?2"
                           " ORDER BY sequence DESC",
    [SQL_CHECKPOINT] = "SELECT position, updated, timeline FROM checkpoints WHERE name = ?1",
    [SQL_CHECKPOINTS_FROM] = "SELECT number, name, position, updated, timeline FROM checkpoints"
                             " WHERE number >= ?1 ORDER BY number",
    [SQL_NAMED] = "SELECT value FROM named WHERE name = ?1 AND class = ?2",
    [SQL_NAMED_FROM] = "SELECT number, name, value FROM named WHERE number >= ?1 AND class = ?2"
                       " ORDER BY number",
    [SQL_ID] = "SELECT sequence FROM event_ids WHERE id = ?1",
    [SQL_IDS_FROM] = "SELECT id FROM event_ids WHERE id >= ?1 ORDER BY id",
    [SQL_BLOCK_NEXT] = "SELECT block FROM type_blocks WHERE type = ?1 AND block >= ?2"
                       " ORDER BY block LIMIT 1",
    [SQL_BLOCK_BEFORE] = "SELECT block FROM type_blocks WHERE type = ?1 AND block <= ?2"
                         " ORDER BY block DESC LIMIT 1",
    [SQL_NEXT_CATEGORY_BLOCK] = "SELECT key FROM category_blocks WHERE key BETWEEN ?1 AND ?2"
                                " ORDER BY key LIMIT 1",
    [SQL_CATEGORY_BLOCK_BEFORE] = "SELECT key FROM category_blocks WHERE key BETWEEN ?1 AND ?2"
                                  " ORDER BY key DESC LIMIT 1",
    /* CROSS: in this order, or all streams are looked at. */
    [SQL_MOVED] = "SELECT m.stream, s.name FROM moved_streams m CROSS JOIN streams s"
                  " ON s.number = m.stream",
    [SQL_NAME] = "SELECT name FROM streams WHERE number = ?1",
    [SQL_NAMES_BETWEEN] = "SELECT number, name FROM streams WHERE name >= ?1 AND name < ?2"
                          " ORDER BY name",
    [SQL_CORRELATION_FORWARD] = BY_VALUE("correlations", "ASC"),
    [SQL_CORRELATION_REVERSE] = BY_VALUE("correlations", "DESC"),
    [SQL_CAUSATION_FORWARD] = BY_VALUE("causations", "ASC"),
    [SQL_CAUSATION_REVERSE] = BY_VALUE("causations", "DESC"),
    [SQL_AGGREGATE_FORWARD] = BY_VALUE("aggregates", "ASC"),
    [SQL_AGGREGATE_REVERSE] = BY_VALUE("aggregates", "DESC"),
};
