/* The tables and views, as versioned steps: SQL text only; see schema.h.
 *
 * How it is laid out, and why: what changes with every commit is one new row of `commits`, never an
 * update: a row that is updated each time has as many dead versions as a long snapshot of somebody
 * else lets stand. Events are found by indexes of their own table; those on what few events carry
 * have entries only for these. Types and categories are noted by blocks of 1024 sequences. What may
 * be longer than an entry of an index can be (2,700 bytes) is indexed by its SHA-256.
 *
 * u64 stands as two's complement in bigint; the views show it as numeric. Names are bytes; `label`
 * is what a view shows of them (text.c). */
#include "store/postgres/schema.h"

#include "store/postgres/parts.h"

/* clang-format off */

#define U64(c)                                                                                     \
    "CASE WHEN " c " < 0 THEN " c "::numeric + 18446744073709551616 ELSE " c "::numeric END"

/* A transaction of one event: its id with the version nibble 4 and the variant's top bit set. */
#define TRANSACTION_OF(id)                                                                         \
    "overlay(overlay(" id "::text PLACING '4' FROM 15 FOR 1) PLACING"                              \
    " translate(substr(" id "::text, 20, 1), '01234567', '89abcdef') FROM 20 FOR 1)::uuid"

#define QUEUE_LIKE                                                                                 \
    " WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"

static const char step_1[] =
    "CREATE TABLE @store ("
    " one integer PRIMARY KEY CHECK (one = 1), schema_version integer NOT NULL,"
    " store_id uuid NOT NULL, id_key bigint NOT NULL, epoch bigint NOT NULL,"
    " journal_open boolean NOT NULL, left_as text NOT NULL, run bigint NOT NULL,"
    " removed bigint NOT NULL, system_identifier text, system_timeline text,"
    " relation bigint);" /* the oid of this table */

    "CREATE TABLE @commits ("
    " last_frame bigint PRIMARY KEY, first_frame bigint NOT NULL, epoch bigint NOT NULL,"
    " next_sequence bigint NOT NULL, next_stream bigint NOT NULL, next_group bigint NOT NULL,"
    " stream_count bigint NOT NULL, removed bigint NOT NULL, flushes bigint NOT NULL,"
    " renames bigint NOT NULL, recorded bigint NOT NULL, entry_ms bigint NOT NULL,"
    " entry_seq bigint NOT NULL, streams integer[]);"

    "CREATE TABLE @streams ("
    " number integer PRIMARY KEY, name bytea NOT NULL, label text COLLATE \"C\" NOT NULL,"
    " created bigint NOT NULL, partition_key uuid NOT NULL, is_string smallint NOT NULL,"
    " first_version bigint NOT NULL DEFAULT 0, purged bigint NOT NULL DEFAULT 0,"
    " next_version bigint, entries_added bigint, last_ms bigint, last_seq bigint,"
    " deleted_ms bigint, deleted_seq bigint, expires bigint, idempotent_seconds bigint,"
    " idempotent_max bigint);"
    "CREATE UNIQUE INDEX streams_name ON @streams (name);"
    "CREATE INDEX streams_label ON @streams (label);"
    "CREATE INDEX streams_expires ON @streams (expires, number) WHERE expires IS NOT NULL;"
    "CREATE INDEX streams_trimmed ON @streams (number) WHERE purged < first_version;"

    "CREATE TABLE @types (number integer PRIMARY KEY, name bytea NOT NULL, label text NOT NULL);"
    "CREATE UNIQUE INDEX types_name ON @types (sha256(name));"

    "CREATE TABLE @events ("
    " sequence bigint PRIMARY KEY, version bigint NOT NULL, timestamp bigint NOT NULL,"
    " recorded bigint NOT NULL, entry_ms bigint NOT NULL, entry_seq bigint NOT NULL,"
    " stream integer NOT NULL, type integer NOT NULL, fields integer, shown smallint NOT NULL,"
    " erased boolean, event_id uuid NOT NULL, content_hash uuid, partition_key uuid,"
    " transaction_id uuid, correlation uuid, causation uuid, aggregate bytea, metadata bytea,"
    " payload bytea NOT NULL)"
    " WITH (autovacuum_vacuum_insert_threshold = 1000000, autovacuum_vacuum_insert_scale_factor = 0,"
    " autovacuum_freeze_min_age = 0);"
    "ALTER TABLE @events ALTER payload SET STORAGE EXTERNAL;"
    /* As the server sends them: an array of rows costs the database a third of what an array for
     * each column does. */
    "CREATE TYPE @event_row AS (sequence bigint, version bigint, timestamp bigint, recorded bigint,"
    " entry_ms bigint, entry_seq bigint, stream integer, type integer, fields integer,"
    " shown smallint, erased boolean, event_id uuid, content_hash uuid, partition_key uuid,"
    " transaction_id uuid, correlation uuid, causation uuid, aggregate bytea, metadata bytea,"
    " payload bytea);"
    "CREATE UNIQUE INDEX events_version ON @events (stream, version);"
    "CREATE INDEX events_client_id ON @events (event_id) WHERE content_hash IS NOT NULL;"
    "CREATE INDEX events_correlation ON @events (correlation, sequence)"
    " WHERE correlation IS NOT NULL;"
    "CREATE INDEX events_causation ON @events (causation, sequence) WHERE causation IS NOT NULL;"
    "CREATE INDEX events_aggregate ON @events (sha256(aggregate), sequence)"
    " WHERE aggregate IS NOT NULL;"

    "CREATE TABLE @type_blocks (type integer, block bigint, PRIMARY KEY (type, block));"
    "CREATE TABLE @category_blocks (key bigint PRIMARY KEY);"
    "CREATE TABLE @moved_streams (stream integer PRIMARY KEY, next bigint NOT NULL);"
    "CREATE TABLE @holes (stream integer, first bigint, last bigint NOT NULL,"
    " PRIMARY KEY (stream, first));"
    "CREATE TABLE @strings (stream integer PRIMARY KEY, value bytea NOT NULL);"
    "CREATE TABLE @idempotent (stream integer NOT NULL, producer bytea NOT NULL,"
    " id bytea NOT NULL, entry_ms bigint NOT NULL, entry_seq bigint NOT NULL,"
    " added bigint NOT NULL)" QUEUE_LIKE ";"
    "CREATE UNIQUE INDEX idempotent_id ON @idempotent (stream, sha256(producer), sha256(id));"
    /* Without a key a publication FOR ALL TABLES would refuse to have its rows deleted. */
    "ALTER TABLE @idempotent REPLICA IDENTITY FULL;"
    "CREATE TABLE @groups (number bigint PRIMARY KEY, stream integer NOT NULL,"
    " name bytea NOT NULL, label text NOT NULL, created bigint NOT NULL, last_ms bigint NOT NULL,"
    " last_seq bigint NOT NULL, entries_read bigint)" QUEUE_LIKE ";"
    "CREATE INDEX groups_stream ON @groups (stream, number);"
    "CREATE TABLE @group_moves (grp bigint, frame bigint, last_ms bigint NOT NULL,"
    " last_seq bigint NOT NULL, entries_read bigint, PRIMARY KEY (grp, frame))" QUEUE_LIKE ";"
    "CREATE INDEX group_moves_frame ON @group_moves (frame);"
    "CREATE TABLE @consumers (grp bigint, number bigint, name bytea NOT NULL,"
    " label text NOT NULL, seen bigint NOT NULL, active bigint, PRIMARY KEY (grp, number))"
    QUEUE_LIKE ";"
    "CREATE TABLE @pending (grp bigint, entry_ms bigint, entry_seq bigint,"
    " version bigint NOT NULL, consumer bigint NOT NULL, delivered bigint NOT NULL,"
    " deliveries bigint NOT NULL, PRIMARY KEY (grp, entry_ms, entry_seq))" QUEUE_LIKE ";"
    "CREATE TABLE @consumer_moves (grp bigint, consumer bigint, frame bigint, seen bigint NOT NULL,"
    " active bigint, PRIMARY KEY (grp, consumer, frame))" QUEUE_LIKE ";"
    "CREATE INDEX consumer_moves_frame ON @consumer_moves (frame);"

    /* What is gone and whose rows are still to be taken away. */
    "CREATE TABLE @deleted_streams (number integer PRIMARY KEY, purged bigint NOT NULL);"
    "CREATE TABLE @dropped_groups (number bigint PRIMARY KEY);"

    /* Events that were erased and whose bytes may still be in the file: the frames from which on, how
     * many. And what is looked at to see whether a VACUUM would take something away (house.c). */
    "CREATE TABLE @erasures (frame bigint PRIMARY KEY, events bigint NOT NULL);"
    "CREATE TABLE @horizon (n integer); ALTER TABLE @horizon REPLICA IDENTITY FULL;"

    "CREATE TABLE @timelines (number bigint PRIMARY KEY, id text NOT NULL, began bigint NOT NULL,"
    " created bigint NOT NULL, reason text NOT NULL);"
    "CREATE TABLE @checkpoints (number bigint PRIMARY KEY, name bytea NOT NULL,"
    " label text NOT NULL, position bigint NOT NULL, updated bigint NOT NULL,"
    " timeline text NOT NULL)" QUEUE_LIKE ";"
    "CREATE UNIQUE INDEX checkpoints_name ON @checkpoints (sha256(name));"
    "CREATE TABLE @named (number bigint PRIMARY KEY, class integer NOT NULL, name bytea NOT NULL,"
    " label text NOT NULL, value bytea NOT NULL, shown text);"
    "CREATE UNIQUE INDEX named_name ON @named (class, sha256(name));"

    "CREATE VIEW @cairn_events AS"
    " SELECT e.sequence AS sequence, s.label AS stream, e.version AS version, t.label AS type,"
    " e.event_id AS event_id, (" U64("e.entry_ms") ") || '-' || (" U64("e.entry_seq") ") AS entry_id,"
    " " U64("e.timestamp") " AS timestamp, e.recorded AS recorded,"
    " coalesce(e.transaction_id, " TRANSACTION_OF("e.event_id") ") AS transaction_id,"
    " coalesce(e.partition_key, s.partition_key) AS partition_key,"
    " e.correlation AS correlation_id, e.causation AS causation_id,"
    " CASE WHEN e.shown & 8 <> 0 THEN convert_from(e.aggregate, 'UTF8') END AS aggregate_id,"
    " CASE WHEN e.shown & 4 <> 0 THEN convert_from(coalesce(e.metadata, ''), 'UTF8') END AS metadata,"
    " CASE WHEN e.shown & 1 <> 0 THEN convert_from(e.payload, 'UTF8') END AS payload,"
    " CASE WHEN e.shown & 2 <> 0 THEN convert_from(e.payload, 'UTF8')::jsonb END AS json,"
    " e.erased IS NOT NULL AS erased"
    " FROM @streams s JOIN @events e ON e.stream = s.number AND e.version >= s.first_version"
    " JOIN @types t ON t.number = e.type;"

    "CREATE VIEW @cairn_streams AS"
    " SELECT n.number, n.name, split_part(n.name, '-', 1) AS category, n.created, n.partition_key,"
    " n.next_version - n.first_version - coalesce((SELECT sum(h.last - greatest(h.first,"
    "  n.first_version) + 1) FROM @holes h WHERE h.stream = n.number"
    "  AND h.last >= n.first_version), 0) AS events,"
    " n.first_version, n.next_version, n.entries_added, n.expires FROM"
    " (SELECT s.number AS number, s.label AS name, s.created AS created,"
    "  s.partition_key AS partition_key, s.first_version AS first_version,"
    "  " STREAM_NEXT " AS next_version,"
    "  coalesce(s.entries_added - s.next_version, 0) + " STREAM_NEXT " AS entries_added,"
    "  " U64("s.expires") " AS expires FROM @streams s WHERE s.is_string = 0) n;"

    "CREATE VIEW @cairn_strings AS"
    " SELECT s.label AS name, s.created AS created, " U64("s.expires") " AS expires,"
    " encode(v.value, 'escape') AS value FROM @streams s JOIN @strings v ON v.stream = s.number;"

    /* Of the groups of virtual streams, how many events of the store lie beyond the position: pairs of
     * when they were recorded and their sequence, which never decrease. Mostly the event that the
     * position is the id of tells, or its neighbours when it was removed; else it is looked for by
     * halving (`low` events lie before it at least, and fewer than `bit` more). */
    "CREATE VIEW @cairn_groups AS"
    " SELECT s.label AS stream, g.label AS name, g.created AS created,"
    " p.ms || '-' || p.seq AS last_delivered, g.entries_read AS entries_read,"
    " (SELECT count(*) FROM @consumers c WHERE c.grp = g.number) AS consumers,"
    " (SELECT count(*) FROM @pending p WHERE p.grp = g.number) AS pending,"
    " CASE WHEN s.is_string <> 2 THEN NULL"
    "  WHEN p.seq < o.next_sequence"
    "   AND coalesce((SELECT e.recorded FROM @events e WHERE e.sequence <= g.last_seq"
    "    ORDER BY e.sequence DESC LIMIT 1) <= p.ms, true)"
    "   AND coalesce((SELECT e.recorded FROM @events e WHERE e.sequence > g.last_seq"
    "    ORDER BY e.sequence LIMIT 1) >= p.ms, true)"
    "  THEN o.next_sequence - g.last_seq - 1"
    "  ELSE o.next_sequence - (WITH RECURSIVE beyond (low, bit) AS (SELECT 0::int8, 1::int8 << 40"
    "   UNION ALL SELECT low + CASE WHEN low + bit <= o.next_sequence AND (SELECT e.recorded < p.ms"
    "    OR (e.recorded = p.ms AND e.sequence <= p.seq) FROM @events e"
    "    WHERE e.sequence >= low + bit - 1 ORDER BY e.sequence LIMIT 1) THEN bit ELSE 0 END,"
    "   bit >> 1 FROM beyond WHERE bit > 0) SELECT low FROM beyond WHERE bit = 0) END AS behind"
    " FROM " GROUPS_NOW " g JOIN @streams s ON s.number = g.stream,"
    " LATERAL (SELECT " U64("g.last_ms") " AS ms, " U64("g.last_seq") " AS seq) p,"
    " (SELECT next_sequence FROM @commits ORDER BY last_frame DESC LIMIT 1) o;"

    "CREATE VIEW @cairn_pending AS"
    " SELECT s.label AS stream, g.label AS \"group\", c.label AS consumer,"
    " (" U64("p.entry_ms") ") || '-' || (" U64("p.entry_seq") ") AS entry_id, p.version AS version,"
    " CASE p.consumer WHEN 0 THEN NULL ELSE p.delivered END AS delivered,"
    " p.deliveries AS deliveries"
    " FROM @streams s JOIN @groups g ON g.stream = s.number JOIN @pending p ON p.grp = g.number"
    " LEFT JOIN @consumers c ON c.grp = p.grp AND c.number = p.consumer;"

    "CREATE VIEW @cairn_timelines AS SELECT id AS timeline, began, min(began) OVER (ORDER BY number"
    " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ended, created, reason"
    " FROM @timelines ORDER BY number;"

    "CREATE VIEW @cairn_status AS SELECT s.schema_version, s.store_id, s.epoch,"
    " c.last_frame AS applied, c.next_sequence AS indexed, c.next_sequence,"
    " c.stream_count AS streams, CASE WHEN s.journal_open THEN 'open' ELSE 'closed' END AS journal,"
    " (SELECT id FROM @timelines ORDER BY number DESC LIMIT 1) AS timeline,"
    " (SELECT coalesce(sum(events), 0)::bigint FROM @erasures) AS erasures_to_vacuum"
    " FROM @store s, (SELECT * FROM @commits ORDER BY last_frame DESC LIMIT 1) c;"

    "CREATE VIEW @cairn_checkpoints AS SELECT label AS name, position, timeline, updated,"
    " greatest((SELECT next_sequence FROM @cairn_status) - position, 0) AS behind"
    " FROM @checkpoints;"
    "CREATE VIEW @cairn_views AS SELECT label AS name, shown AS selector FROM @named"
    " WHERE class = 2;"

    /* What SQLite has as tables of their own. */
    "CREATE VIEW @stream_index AS SELECT (stream::bigint << 32) | version AS key, sequence"
    " FROM @events;"
    "CREATE VIEW @event_ids AS SELECT event_id AS id, sequence FROM @events"
    " WHERE content_hash IS NOT NULL;"
    "CREATE VIEW @correlations AS SELECT correlation AS id, sequence FROM @events"
    " WHERE correlation IS NOT NULL;"
    "CREATE VIEW @causations AS SELECT causation AS id, sequence FROM @events"
    " WHERE causation IS NOT NULL;"
    "CREATE VIEW @aggregates AS SELECT aggregate AS id, sequence FROM @events"
    " WHERE aggregate IS NOT NULL;";

const char *const postgres_schema_steps[POSTGRES_SCHEMA_VERSION] = {step_1};

const char postgres_flush_tables[] =
    "@events, @streams, @types, @type_blocks, @category_blocks, @moved_streams, @holes, @strings,"
    " @idempotent, @groups, @group_moves, @consumers, @consumer_moves, @pending, @deleted_streams, @dropped_groups, @checkpoints,"
    " @erasures";
