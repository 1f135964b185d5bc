/* The statements: SQL text only; see the header. tables.c has what they are about. */
#include "store/postgres/schema.h"

#include "store/postgres/parts.h"

/* clang-format off */

/* Up to $3 rows of frames beyond $1, up to $2: how many there were, and the last one's. */
#define FOLD(table, keys, update)                                                                  \
    "WITH d AS (DELETE FROM " table " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " table             \
    "  WHERE frame > $1::int8 AND frame <= $2::int8 ORDER BY frame LIMIT $3::int8)) RETURNING *),"  \
    " n AS (SELECT DISTINCT ON (" keys ") * FROM d ORDER BY " keys ", frame DESC),"                \
    " u AS (" update ") SELECT count(*), max(frame) FROM d"

#define LAST_FRAME "(SELECT last_frame FROM @commits ORDER BY last_frame DESC LIMIT 1)"
/* The row is as this server wrote it last. */
#define IF_OURS " WHERE epoch = $1::int8 AND store_id = $2::uuid AND " LAST_FRAME " = $3::int8"
#define STREAM_COLUMNS "number, name, created, partition_key, is_string, expires"

/* u64 as two's complement, so that it compares as u64 does. */
#define ORDERED(c) "(" c " # (1::int8 << 63))"

#define EVENT_ROW_WITH(metadata, payload)                                                          \
    "e.sequence, e.stream, e.version, e.timestamp, e.recorded, e.entry_ms, e.entry_seq,"           \
    " e.event_id, e.content_hash, e.partition_key, e.transaction_id, e.correlation, e.causation,"  \
    " e.aggregate, " metadata ", " payload ", e.fields, e.erased, t.name, s.name, s.created,"      \
    " s.partition_key, s.is_string, s.first_version"
#define EVENT_ROW EVENT_ROW_WITH("e.metadata", "e.payload")
#define EVENT_JOINS                                                                                \
    " LEFT JOIN @streams s ON s.number = e.stream LEFT JOIN @types t ON t.number = e.type"

/* Up to $3 rows. Those with more than $4 bytes come without them, payload NULL: whoever reads asks
 * for one of these by itself. */
#define IF_SMALL(column)                                                                           \
    "CASE WHEN octet_length(e.payload) + coalesce(octet_length(e.metadata), 0) <= $4::int8 THEN "  \
    column " END"
#define EVENTS(where, order)                                                                       \
    "SELECT " EVENT_ROW_WITH(IF_SMALL("e.metadata"), IF_SMALL("e.payload")) " FROM (SELECT * FROM" \
    " @events " where " ORDER BY " order " LIMIT $3::int8) e" EVENT_JOINS " ORDER BY e." order
#define OF_LOG    "WHERE sequence BETWEEN $1::int8 AND $2::int8"
#define OF_STREAM "WHERE stream = $5::int4 AND version BETWEEN $1::int8 AND $2::int8"
/* The same of the sequences that any of several values names. */
#define BY_VALUE(type, condition, order)                                                           \
    EVENTS("WHERE sequence = ANY (ARRAY(SELECT f.sequence FROM unnest($5::" type "[]) v(x),"       \
           " LATERAL (SELECT sequence FROM @events WHERE " condition " AND sequence"               \
           " BETWEEN $1::int8 AND $2::int8 ORDER BY sequence " order " LIMIT $3::int8) f"          \
           " ORDER BY f.sequence " order " LIMIT $3::int8))",                                      \
           "sequence " order)
#define AGGREGATE_IS "aggregate IS NOT NULL AND sha256(aggregate) = sha256(v.x)"

#define KEY_OF(block, category)                                                                    \
    "((" block " >> 8) << 32) | (" category " << 8) | (" block " & 255)"
/* Blocks $1 to $2 of any of the types $4 and, unless $5 is NULL, of any of the categories $5. */
#define TYPE_BLOCKS(order)                                                                         \
    "SELECT DISTINCT b.block FROM unnest($4::int4[]) v(x), LATERAL (SELECT block FROM"             \
    " @type_blocks WHERE type = v.x AND block BETWEEN $1::int8 AND $2::int8"                       \
    " AND ($5::int8[] IS NULL OR EXISTS (SELECT 1 FROM unnest($5::int8[]) k(x)"                    \
    "  JOIN @category_blocks c ON c.key = (" KEY_OF("block", "k.x") ")))"                          \
    " ORDER BY block " order " LIMIT $3::int8) b ORDER BY b.block " order " LIMIT $3::int8"
#define CATEGORY_BLOCKS(order)                                                                     \
    "SELECT DISTINCT (g.x << 8) | (c.key & 255) AS block FROM"                                     \
    " generate_series($1::int8 >> 8, $2::int8 >> 8) g(x), unnest($4::int8[]) k(x),"                \
    " LATERAL (SELECT key FROM @category_blocks WHERE key BETWEEN (g.x << 32) | (k.x << 8)"        \
    "  AND (g.x << 32) | (k.x << 8) | 255) c"                                                      \
    " WHERE (g.x << 8) | (c.key & 255) BETWEEN $1::int8 AND $2::int8"                              \
    " ORDER BY block " order " LIMIT $3::int8"

const char *const postgres_sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_BEGIN_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [SQL_LOCK_EVENTS] = "LOCK TABLE @events IN ACCESS SHARE MODE",
    /* It raises (division by zero) unless the store is as this server left it: in a pipeline the
     * COMMIT is on its way already, and a count of rows would stop nothing. */
    [SQL_FENCE] = "SELECT 1 / count(*)::int4 FROM (SELECT 1 FROM @store" IF_OURS " FOR SHARE) s",
    /* Both in one: what is usual. */
    [SQL_FENCE_COMMIT] =
        "INSERT INTO @commits SELECT $4::int8, $5::int8, $6::int8, $7::int8, $8::int8, $9::int8,"
        " $10::int8, $11::int8, $12::int8, $13::int8, $14::int8, $15::int8, $16::int8, $17::int4[]"
        " FROM (SELECT 1 / count(*)::int4 AS ours FROM (SELECT 1 FROM @store" IF_OURS
        " FOR SHARE) s) f WHERE f.ours = 1",
    [SQL_ADD_COMMIT] = "INSERT INTO @commits VALUES ($1::int8, $2::int8, $3::int8, $4::int8,"
                       " $5::int8, $6::int8, $7::int8, $8::int8, $9::int8, $10::int8, $11::int8,"
                       " $12::int8, $13::int8, $14::int4[])",
    [SQL_SET_LEFT] = "UPDATE @store SET journal_open = $4::bool, left_as = $5::text" IF_OURS
                     " RETURNING 1",
    [SQL_SET_RUN] = "UPDATE @store SET run = $4::int8" IF_OURS " RETURNING 1",
    [SQL_ADOPT] = "UPDATE @store SET store_id = $4::uuid, id_key = $5::int8" IF_OURS " RETURNING 1",
    [SQL_ADOPT_TIMELINE] = "UPDATE @timelines SET id = $1::text WHERE reason = 'first'",
    [SQL_TOUCH] = "UPDATE @store SET epoch = epoch" IF_OURS " RETURNING 1",
    [SQL_COUNTS] = "SELECT (SELECT min(expires) FROM @streams WHERE expires > 0),"
                   " (SELECT count(*) FROM @streams WHERE expires > 0),"
                   " (SELECT count(*) FROM @streams s JOIN @groups g ON g.stream = s.number"
                   "  WHERE s.name >= '\\x40' AND s.name < '\\x41' AND s.is_string = 2)",
    [SQL_TIMELINES] = "SELECT id, began, created, reason FROM @timelines ORDER BY number",
    [SQL_ADD_TIMELINES] = "INSERT INTO @timelines SELECT (SELECT coalesce(max(number), 0)"
                          " FROM @timelines) + n, id, began, created, reason FROM"
                          " unnest($1::text[], $2::int8[], $3::int8[], $4::text[])"
                          " WITH ORDINALITY t(id, began, created, reason, n)",
    [SQL_PRUNE_TIMELINES] = "DELETE FROM @timelines WHERE number <= (SELECT max(number) - $1::int8"
                            " FROM @timelines)",
    [SQL_FIND_TYPES] = "SELECT t.number, t.name FROM unnest($1::bytea[]) v(x) JOIN @types t"
                       " ON sha256(t.name) = sha256(v.x)",
    [SQL_LAST_TYPE] = "SELECT coalesce(max(number), 0) FROM @types",
    [SQL_FIND_NAMES] = "SELECT s.number, s.name FROM unnest($1::int4[]) v(x) JOIN @streams s"
                       " ON s.number = v.x",
    [SQL_ADD_TYPES] = "INSERT INTO @types SELECT * FROM unnest($1::int4[], $2::bytea[],"
                      " $3::text[])",
    [SQL_ADD_TYPE_BLOCKS] = "INSERT INTO @type_blocks SELECT * FROM unnest($1::int4[], $2::int8[])"
                            " ON CONFLICT DO NOTHING",
    [SQL_ADD_CATEGORY_BLOCKS] = "INSERT INTO @category_blocks SELECT * FROM unnest($1::int8[])"
                                " ON CONFLICT DO NOTHING",
    [SQL_ADD_EVENTS] = "INSERT INTO @events (sequence, version, timestamp, recorded, entry_ms,"
                       " entry_seq, stream, type, fields, shown, erased, event_id, content_hash,"
                       " partition_key, transaction_id, correlation, causation, aggregate,"
                       " metadata, payload) SELECT * FROM unnest($1::@event_row[])",

    [SQL_DROP_STREAMS] = "WITH d AS (DELETE FROM @streams WHERE number = ANY ($1::int4[])"
                         " RETURNING number, is_string, purged)"
                         " INSERT INTO @deleted_streams SELECT number, purged FROM d"
                         " WHERE is_string <> 1",
    [SQL_DROP_VALUES] = "DELETE FROM @strings WHERE stream = ANY ($1::int4[])",
    [SQL_ADD_STREAMS] = "INSERT INTO @streams (number, name, label, partition_key, created,"
                        " is_string) SELECT * FROM unnest($1::int4[], $2::bytea[], $3::text[],"
                        " $4::uuid[], $5::int8[], $6::int2[])",
    /* No name holds a line feed. */
    [SQL_FREE_NAMES] = "UPDATE @streams SET name = '\\x0a'::bytea"
                       " || convert_to(number::text, 'UTF8') WHERE number = ANY ($1::int4[])",
    [SQL_RENAME_STREAMS] = "UPDATE @streams s SET name = t.name, label = t.label,"
                           " partition_key = t.key FROM unnest($1::int4[], $2::bytea[],"
                           " $3::text[], $4::uuid[]) t(number, name, label, key)"
                           " WHERE s.number = t.number",
    [SQL_ADD_MOVED] = "INSERT INTO @moved_streams SELECT x, 0 FROM unnest($1::int4[]) v(x)"
                      " ON CONFLICT (stream) DO UPDATE SET next = 0",
    [SQL_SET_STREAMS] = "UPDATE @streams s SET first_version = t.a, next_version = t.b,"
                        " entries_added = t.c, last_ms = t.d, last_seq = t.e, deleted_ms = t.f,"
                        " deleted_seq = t.g, expires = t.h, idempotent_seconds = t.i,"
                        " idempotent_max = t.j FROM unnest($1::int4[], $2::int8[], $3::int8[],"
                        " $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::int8[], $9::int8[],"
                        " $10::int8[], $11::int8[]) t(number, a, b, c, d, e, f, g, h, i, j)"
                        " WHERE s.number = t.number",
    [SQL_TRIM_HOLES] = "DELETE FROM @holes h USING unnest($1::int4[], $2::int8[])"
                       " t(stream, version) WHERE h.stream = t.stream AND h.first < t.version"
                       " AND h.last < t.version",
    [SQL_SET_VALUES] = "INSERT INTO @strings SELECT * FROM unnest($1::int4[], $2::bytea[])"
                       " ON CONFLICT (stream) DO UPDATE SET value = excluded.value",
    [SQL_CLEAR_IDEMPOTENT] = "DELETE FROM @idempotent WHERE stream = ANY ($1::int4[])",
    [SQL_ADD_IDEMPOTENT] = "INSERT INTO @idempotent SELECT * FROM unnest($1::int4[], $2::bytea[],"
                           " $3::bytea[], $4::int8[], $5::int8[], $6::int8[]) ON CONFLICT"
                           " (stream, sha256(producer), sha256(id)) DO UPDATE SET"
                           " entry_ms = excluded.entry_ms, entry_seq = excluded.entry_seq,"
                           " added = excluded.added",
    [SQL_DROP_EVENTS] = "DELETE FROM @events WHERE sequence = ANY ($1::int8[])",
    [SQL_ERASE_EVENTS] = "UPDATE @events SET payload = '', metadata = NULL, fields = fields * 0,"
                         " erased = true, shown = shown | 5 WHERE sequence = ANY ($1::int8[])",
    /* The new holes, and those that they touch, become one each. */
    [SQL_ADD_ERASURE] = "INSERT INTO @erasures VALUES ($1::int8, $2::int8)",
    [SQL_FORGET_ERASURES] = "DELETE FROM @erasures WHERE frame <= $1::int8",
    [SQL_ADD_HOLES] =
        "WITH n AS (SELECT * FROM unnest($1::int4[], $2::int8[], $3::int8[]) t(stream, first, last)),"
        " gone AS (DELETE FROM @holes h USING n WHERE h.stream = n.stream AND h.first >= coalesce("
        "  (SELECT p.first FROM @holes p WHERE p.stream = n.stream AND p.first < n.first"
        "   ORDER BY p.first DESC LIMIT 1), n.first)"
        "  AND h.first <= n.last + 1 AND h.last >= n.first - 1"
        "  RETURNING h.stream, h.first, h.last),"
        " every AS (SELECT stream, first, last FROM n UNION ALL SELECT stream, first, last FROM gone),"
        " marked AS (SELECT stream, first, last, CASE WHEN first <= 1 + max(last) OVER (PARTITION BY"
        "  stream ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        "  THEN 0 ELSE 1 END AS begins FROM every),"
        " runs AS (SELECT stream, first, last, sum(begins) OVER (PARTITION BY stream ORDER BY first)"
        "  AS run FROM marked)"
        " INSERT INTO @holes SELECT stream, min(first), max(last) FROM runs GROUP BY stream, run",

    [SQL_DROP_GROUPS] = "WITH d AS (DELETE FROM @groups WHERE number = ANY ($1::int8[])"
                        " RETURNING number) INSERT INTO @dropped_groups SELECT number FROM d"
                        " ON CONFLICT DO NOTHING",
    [SQL_ADD_GROUPS] = "INSERT INTO @groups SELECT * FROM unnest($1::int8[], $2::int4[],"
                       " $3::bytea[], $4::text[], $5::int8[], $6::int8[], $7::int8[], $8::int8[])",
    [SQL_SET_POSITIONS] = "INSERT INTO @group_moves SELECT * FROM unnest($1::int8[], $2::int8[],"
                          " $3::int8[], $4::int8[], $5::int8[])",
    [SQL_DROP_CONSUMER_PENDING] = "DELETE FROM @pending p USING unnest($1::int8[], $2::int8[])"
                                  " t(grp, consumer) WHERE p.grp = t.grp"
                                  " AND p.consumer = t.consumer",
    [SQL_DROP_CONSUMERS] = "WITH t AS (SELECT * FROM unnest($1::int8[], $2::int8[])"
                           " t(grp, number)), d AS (DELETE FROM @consumer_moves m USING t"
                           " WHERE m.grp = t.grp AND m.consumer = t.number)"
                           " DELETE FROM @consumers c USING t WHERE c.grp = t.grp"
                           " AND c.number = t.number",
    [SQL_SET_CONSUMERS] = "WITH t AS (SELECT * FROM unnest($1::int8[], $2::int8[], $3::bytea[],"
                          " $4::text[], $5::int8[], $6::int8[], $7::int8[])"
                          " t(grp, number, name, label, seen, active, frame)),"
                          " a AS (INSERT INTO @consumers SELECT grp, number, name, label, seen,"
                          "  active FROM t ON CONFLICT (grp, number) DO NOTHING)"
                          " INSERT INTO @consumer_moves SELECT grp, number, frame, seen, active"
                          " FROM t",
    [SQL_DROP_PENDING] = "DELETE FROM @pending p USING unnest($1::int8[], $2::int8[], $3::int8[])"
                         " t(grp, ms, seq) WHERE p.grp = t.grp AND p.entry_ms = t.ms"
                         " AND p.entry_seq = t.seq",
    [SQL_SET_PENDING] = "INSERT INTO @pending SELECT * FROM unnest($1::int8[], $2::int8[],"
                        " $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[])"
                        " ON CONFLICT (grp, entry_ms, entry_seq) DO UPDATE SET"
                        " version = excluded.version, consumer = excluded.consumer,"
                        " delivered = excluded.delivered, deliveries = excluded.deliveries",
    [SQL_DROP_CHECKPOINTS] = "DELETE FROM @checkpoints c USING unnest($1::bytea[]) t(name)"
                             " WHERE sha256(c.name) = sha256(t.name)",
    [SQL_SET_CHECKPOINTS] = "INSERT INTO @checkpoints SELECT (SELECT coalesce(max(number), 0)"
                            " FROM @checkpoints) + n, name, label, position, updated, timeline FROM"
                            " unnest($1::bytea[], $2::text[], $3::int8[], $4::int8[], $5::text[])"
                            " WITH ORDINALITY t(name, label, position, updated, timeline, n)"
                            " ON CONFLICT (sha256(name)) DO UPDATE SET"
                            " position = excluded.position, updated = excluded.updated,"
                            " timeline = excluded.timeline",
    [SQL_DROP_NAMED] = "DELETE FROM @named c USING unnest($1::int4[], $2::bytea[]) t(class, name)"
                       " WHERE c.class = t.class AND sha256(c.name) = sha256(t.name)",
    [SQL_SET_NAMED] = "INSERT INTO @named SELECT (SELECT coalesce(max(number), 0) FROM @named) + n,"
                      " class, name, label, value, shown FROM unnest($1::int4[], $2::bytea[],"
                      " $3::text[], $4::bytea[], $5::text[]) WITH ORDINALITY"
                      " t(class, name, label, value, shown, n) ON CONFLICT (class, sha256(name))"
                      " DO UPDATE SET value = excluded.value, shown = excluded.shown",

    [SQL_RESERVED] = "SELECT " STREAM_COLUMNS " FROM @streams WHERE name >= '\\x40'"
                     " AND name < '\\x41' AND is_string <> 2 ORDER BY name LIMIT $1::int8",
    [SQL_NEXT_TRIMMED] = "SELECT number, purged, first_version FROM @streams"
                         " WHERE purged < first_version AND number > $1::int4"
                         " ORDER BY number LIMIT 1",
    [SQL_PURGE_EVENTS] = "WITH d AS (DELETE FROM @events WHERE stream = $1::int4 AND version = ANY"
                         " (ARRAY(SELECT version FROM @events WHERE stream = $1::int4"
                         "  AND version >= $2::int8 AND version < $3::int8 ORDER BY version"
                         "  LIMIT $4::int8)) RETURNING version)"
                         " SELECT count(*), coalesce(max(version), 0) FROM d",
    [SQL_SET_PURGED] = "UPDATE @streams SET purged = $2::int8 WHERE number = $1::int4",
    [SQL_NEXT_DELETED] = "SELECT number, purged FROM @deleted_streams ORDER BY number LIMIT 1",
    [SQL_SET_DELETED] = "UPDATE @deleted_streams SET purged = $2::int8 WHERE number = $1::int4",
    [SQL_DROP_GROUPS_OF] = "WITH d AS (DELETE FROM @groups WHERE number = ANY (ARRAY(SELECT number"
                           " FROM @groups WHERE stream = $1::int4 LIMIT 64)) RETURNING number)"
                           " INSERT INTO @dropped_groups SELECT number FROM d"
                           " ON CONFLICT DO NOTHING RETURNING 1",
    [SQL_PURGE_HOLES] = "DELETE FROM @holes WHERE stream = $1::int4 AND first = ANY (ARRAY(SELECT"
                        " first FROM @holes WHERE stream = $1::int4 LIMIT 1024)) RETURNING 1",
    [SQL_PURGE_IDEMPOTENT] = "DELETE FROM @idempotent WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
                             " @idempotent WHERE stream = $1::int4 LIMIT 1024)) RETURNING 1",
    [SQL_END_DELETED] = "DELETE FROM @deleted_streams WHERE number = $1::int4 RETURNING 1",
    [SQL_NEXT_DROPPED] = "SELECT number FROM @dropped_groups ORDER BY number LIMIT 1",
    [SQL_PURGE_PENDING] = "DELETE FROM @pending WHERE ctid = ANY (ARRAY(SELECT ctid FROM @pending"
                          " WHERE grp = $1::int8 LIMIT 1024)) RETURNING 1",
    [SQL_PURGE_CONSUMERS] = "DELETE FROM @consumers WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
                            " @consumers WHERE grp = $1::int8 LIMIT 1024)) RETURNING 1",
    [SQL_PURGE_GROUP_MOVES] = "DELETE FROM @group_moves WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
                              " @group_moves WHERE grp = $1::int8 LIMIT 1024)) RETURNING 1",
    [SQL_PURGE_CONSUMER_MOVES] = "DELETE FROM @consumer_moves WHERE ctid = ANY (ARRAY(SELECT ctid"
                                 " FROM @consumer_moves WHERE grp = $1::int8 LIMIT 1024))"
                                 " RETURNING 1",
    [SQL_FOLD_GROUPS] =
        FOLD("@group_moves", "grp",
             "UPDATE @groups g SET last_ms = n.last_ms, last_seq = n.last_seq,"
             " entries_read = n.entries_read FROM n WHERE g.number = n.grp"),
    [SQL_FOLD_CONSUMERS] =
        FOLD("@consumer_moves", "grp, consumer",
             "UPDATE @consumers c SET seen = n.seen, active = n.active FROM n"
             " WHERE c.grp = n.grp AND c.number = n.consumer"),
    [SQL_END_DROPPED] = "DELETE FROM @dropped_groups WHERE number = $1::int8 RETURNING 1",
    [SQL_ADD_REMOVED] = "UPDATE @store SET removed = removed + $1::int8",
    [SQL_NEXT_MOVED] = "SELECT m.stream, m.next, s.name FROM @moved_streams m LEFT JOIN @streams s"
                       " ON s.number = m.stream ORDER BY m.stream LIMIT 1",
    [SQL_MOVE_BLOCKS] = "WITH e AS (SELECT version, sequence FROM @events WHERE stream = $1::int4"
                        "  AND version >= $2::int8 ORDER BY version LIMIT $4::int8),"
                        " a AS (INSERT INTO @category_blocks SELECT DISTINCT"
                        "  " KEY_OF("(sequence >> 10)", "$3::int8") " FROM e ON CONFLICT DO NOTHING)"
                        " SELECT count(*), coalesce(max(version), 0) FROM e",
    [SQL_SET_MOVED] = "UPDATE @moved_streams SET next = $2::int8 WHERE stream = $1::int4",
    [SQL_END_MOVED] = "DELETE FROM @moved_streams WHERE stream = $1::int4",
    [SQL_PRUNE_COMMITS] = "DELETE FROM @commits WHERE last_frame = ANY (ARRAY(SELECT last_frame"
                          " FROM @commits WHERE last_frame < $1::int8 ORDER BY last_frame"
                          " LIMIT 10000)) RETURNING 1",
    [SQL_PRUNE_PRODUCERS] =
        "WITH l AS (SELECT coalesce(nullif(idempotent_max, 0), $3::int8) AS most,"
        "  coalesce(nullif(idempotent_seconds, 0), $4::int8) AS seconds FROM @streams"
        "  WHERE number = $1::int4),"
        " r AS (SELECT i.ctid AS at, i.added < $2::int8 - l.seconds * 1000 AS old, l.most,"
        "  row_number() OVER (PARTITION BY i.producer, i.added < $2::int8 - l.seconds * 1000 ORDER BY"
        "  i.entry_ms # (1::int8 << 63) DESC, i.entry_seq # (1::int8 << 63) DESC) AS n"
        "  FROM @idempotent i, l WHERE i.stream = $1::int4)"
        " DELETE FROM @idempotent WHERE ctid = ANY (ARRAY(SELECT r.at FROM r WHERE r.n > r.most"
        "  OR r.old))",
    [SQL_NEXT_PRODUCERS] = "SELECT stream FROM @idempotent WHERE stream > $1::int4"
                           " ORDER BY stream LIMIT 1",
    [SQL_SIZE] = "SELECT sum(pg_total_relation_size(t.oid))::int8 FROM pg_class o, pg_class t"
                 " WHERE o.oid = (SELECT tableoid FROM @store) AND t.relnamespace = o.relnamespace"
                 " AND t.relkind = 'r'",

    [SQL_STATE] = "SELECT s.store_id, s.id_key, s.epoch, s.journal_open, s.left_as, s.run,"
                  " c.last_frame, c.next_sequence, c.next_stream, c.next_group, c.stream_count,"
                  " c.removed, c.flushes, c.renames, c.recorded, c.entry_ms, c.entry_seq"
                  " FROM @store s, LATERAL (SELECT * FROM @commits ORDER BY last_frame DESC LIMIT 1) c",
    [SQL_EVENTS_FORWARD] = EVENTS(OF_LOG, "sequence"),
    [SQL_EVENTS_REVERSE] = EVENTS(OF_LOG, "sequence DESC"),
    [SQL_STREAM_FORWARD] = EVENTS(OF_STREAM, "version"),
    [SQL_STREAM_REVERSE] = EVENTS(OF_STREAM, "version DESC"),
    [SQL_BY_CORRELATION_FORWARD] = BY_VALUE("uuid", "correlation = v.x", "ASC"),
    [SQL_BY_CORRELATION_REVERSE] = BY_VALUE("uuid", "correlation = v.x", "DESC"),
    [SQL_BY_CAUSATION_FORWARD] = BY_VALUE("uuid", "causation = v.x", "ASC"),
    [SQL_BY_CAUSATION_REVERSE] = BY_VALUE("uuid", "causation = v.x", "DESC"),
    [SQL_BY_AGGREGATE_FORWARD] = BY_VALUE("bytea", AGGREGATE_IS, "ASC"),
    [SQL_BY_AGGREGATE_REVERSE] = BY_VALUE("bytea", AGGREGATE_IS, "DESC"),
    [SQL_TYPE_BLOCKS_FORWARD] = TYPE_BLOCKS("ASC"),
    [SQL_TYPE_BLOCKS_REVERSE] = TYPE_BLOCKS("DESC"),
    [SQL_CATEGORY_BLOCKS_FORWARD] = CATEGORY_BLOCKS("ASC"),
    [SQL_CATEGORY_BLOCKS_REVERSE] = CATEGORY_BLOCKS("DESC"),
    /* What no block tells: streams on their way to another category, and those of these names,
     * which have no '-'. */
    [SQL_UNBLOCKED_NAMES] = "SELECT EXISTS (SELECT 1 FROM @moved_streams) OR EXISTS (SELECT 1 FROM"
                            " @streams WHERE name = ANY ($1::bytea[]))",
    [SQL_TYPES_FROM] = "SELECT number, name FROM @types WHERE number > $1::int4 ORDER BY number",
    [SQL_LAST_EVENT] = "SELECT sequence, entry_ms, entry_seq, recorded FROM @events"
                       " WHERE sequence BETWEEN $1::int8 AND $2::int8 ORDER BY sequence DESC LIMIT 1",
    [SQL_LAST_OF_STREAM] = "SELECT version, entry_ms, entry_seq, recorded FROM @events"
                           " WHERE version BETWEEN $1::int8 AND $2::int8 AND stream = $3::int4"
                           " ORDER BY version DESC LIMIT 1",
    [SQL_STREAM_BY_NAME] =
        "SELECT s.number, s.created, s.is_string, s.first_version, s.next_version,"
        " s.entries_added, s.last_ms, s.last_seq, s.deleted_ms, s.deleted_seq, s.expires,"
        " s.idempotent_seconds, s.idempotent_max, l.version, l.entry_ms, l.entry_seq, l.recorded,"
        " (SELECT h.last FROM @holes h WHERE h.stream = s.number ORDER BY h.first DESC LIMIT 1),"
        " EXISTS (SELECT 1 FROM @groups g WHERE g.stream = s.number),"
        " EXISTS (SELECT 1 FROM @idempotent i WHERE i.stream = s.number)"
        " FROM @streams s LEFT JOIN LATERAL (SELECT e.version, e.entry_ms, e.entry_seq, e.recorded"
        "  FROM @events e WHERE e.stream = s.number AND e.version >= s.first_version"
        "  ORDER BY e.version DESC LIMIT 1) l ON true WHERE s.name = $1::bytea",
    [SQL_FIRST_VERSIONS] =
        "SELECT version, sequence FROM @events WHERE stream = $1::int4 AND version >= (SELECT"
        " first_version FROM @streams WHERE number = $1::int4) ORDER BY version LIMIT $2::int8",
    [SQL_STREAM_EXTENT] = "SELECT s.first_version, " STREAM_NEXT
                          " FROM @streams s WHERE s.number = $1::int4",
    /* Ids of a stream ascend with its versions: halving, among the events that exist. The row at
     * whose end nothing is left between low and high tells what was found. */
    [SQL_FIND_ENTRY] =
        "WITH RECURSIVE h (low, high, found) AS ("
        "SELECT greatest($2::int8, s.first_version), " STREAM_NEXT ", NULL::int8"
        " FROM @streams s WHERE s.number = $1::int4"
        " UNION ALL SELECT CASE WHEN f.version IS NULL THEN h.low + (h.high - h.low) / 2 + 1"
        "  ELSE h.low END, coalesce(f.version, h.high), coalesce(f.version, h.found)"
        " FROM h LEFT JOIN LATERAL (SELECT e.version FROM"
        "  (SELECT version, entry_ms, entry_seq FROM @events WHERE stream = $1::int4 AND"
        "   version BETWEEN h.low AND h.low + (h.high - h.low) / 2 ORDER BY version DESC LIMIT 1) e"
        "  WHERE (" ORDERED("e.entry_ms") ", " ORDERED("e.entry_seq") ")"
        "   >= (" ORDERED("$3::int8") ", " ORDERED("$4::int8") ")) f ON true"
        " WHERE h.low < h.high) SELECT found FROM h WHERE low >= high",
    [SQL_HOLES] = "SELECT first, last FROM @holes WHERE stream = $1::int4 ORDER BY first",
    [SQL_VALUE] = "SELECT value FROM @strings WHERE stream = $1::int4",
    [SQL_GROUPS] = "SELECT number, name, created, last_ms, last_seq, entries_read FROM " GROUPS_NOW
                   " g WHERE stream = $1::int4 ORDER BY number",
    [SQL_COUNT_GROUPS] = "SELECT count(*) FROM @streams s JOIN @groups g ON g.stream = s.number"
                         " WHERE s.name = $1::bytea AND s.is_string = 2",
    [SQL_CONSUMERS] = "SELECT c.grp, c.number, c.name, coalesce(m.seen, c.seen), CASE WHEN m.frame"
                      " IS NULL THEN c.active ELSE m.active END FROM @groups g"
                      " JOIN @consumers c ON c.grp = g.number LEFT JOIN LATERAL (SELECT * FROM"
                      "  @consumer_moves WHERE grp = c.grp AND consumer = c.number"
                      "  ORDER BY frame DESC LIMIT 1) m ON true WHERE g.stream = $1::int4"
                      " ORDER BY c.grp, c.number",
    [SQL_PENDING] = "SELECT p.grp, p.entry_ms, p.entry_seq, p.version, p.consumer, p.delivered,"
                    " p.deliveries FROM @groups g JOIN @pending p ON p.grp = g.number"
                    " WHERE g.stream = $1::int4 ORDER BY p.grp,"
                    " p.entry_ms # (1::int8 << 63), p.entry_seq # (1::int8 << 63)",
    [SQL_IDEMPOTENT] = "SELECT producer, id, entry_ms, entry_seq, added FROM @idempotent"
                       " WHERE stream = $1::int4 ORDER BY entry_ms # (1::int8 << 63),"
                       " entry_seq # (1::int8 << 63)",
    [SQL_ID] = "SELECT " EVENT_ROW " FROM @events e" EVENT_JOINS " WHERE e.event_id = $1::uuid AND"
               " e.sequence = coalesce((SELECT i.sequence FROM @events i WHERE i.event_id = $1::uuid"
               "  AND i.content_hash IS NOT NULL ORDER BY i.sequence DESC LIMIT 1), $2::int8)",
    [SQL_IDS_FROM] = "SELECT event_id FROM @events WHERE content_hash IS NOT NULL"
                     " AND event_id >= $1::uuid ORDER BY event_id LIMIT $2::int8",
    [SQL_STREAMS_FROM] = "SELECT " STREAM_COLUMNS " FROM @streams WHERE number >= $1::int8"
                         " ORDER BY number LIMIT $2::int8",
    [SQL_STREAM_LENGTHS] =
        "SELECT coalesce(sum(n.next_version - n.first_version - coalesce((SELECT sum(h.last"
        "  - greatest(h.first, n.first_version) + 1) FROM @holes h WHERE h.stream = n.number"
        "  AND h.last >= n.first_version), 0)), 0)::int8"
        " FROM (SELECT s.number AS number, s.first_version AS first_version,"
        "  " STREAM_NEXT " AS next_version FROM @streams s WHERE s.is_string = 0"
        "  AND s.number = ANY($1::int4[])) n",
    [SQL_EXPIRING] = "SELECT " STREAM_COLUMNS " FROM @streams WHERE expires <= $1::int8"
                     " ORDER BY expires, number LIMIT $2::int8",
    [SQL_NEXT_DEADLINE] = "SELECT min(expires) FROM @streams WHERE expires > $1::int8",
    [SQL_CHECKPOINT] = "SELECT position, updated, timeline FROM @checkpoints"
                       " WHERE sha256(name) = sha256($1::bytea)",
    [SQL_CHECKPOINTS_FROM] = "SELECT number, name, position, updated, timeline FROM @checkpoints"
                             " WHERE number >= $1::int8 ORDER BY number LIMIT $2::int8",
    [SQL_NAMED] = "SELECT value FROM @named WHERE sha256(name) = sha256($1::bytea)"
                  " AND class = $2::int4",
    [SQL_BEAT] = "SELECT s.epoch, s.store_id, (SELECT last_frame FROM @commits"
                 " ORDER BY last_frame DESC LIMIT 1), pg_is_in_recovery() FROM @store s",
    [SQL_NAMED_FROM] = "SELECT number, name, value FROM @named WHERE number >= $1::int8"
                       " AND class = $3::int4 ORDER BY number LIMIT $2::int8",
};
