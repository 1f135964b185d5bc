/* Whether the tables agree with each other, and each event is found by what it is looked up by:
 * each statement's answer is damages, in words. How the indexes are built is PostgreSQL's to check
 * (amcheck). */
#include "store/postgres/internal.h"

#define NO_STREAM(column)                                                                          \
    "NOT EXISTS (SELECT 1 FROM @streams s WHERE s.number = " column ")"                            \
    " AND NOT EXISTS (SELECT 1 FROM @deleted_streams d WHERE d.number = " column ")"
#define NO_GROUP(column)                                                                           \
    "NOT EXISTS (SELECT 1 FROM @groups g WHERE g.number = " column ")"                             \
    " AND NOT EXISTS (SELECT 1 FROM @dropped_groups d WHERE d.number = " column ")"
#define STATE "(SELECT * FROM @commits ORDER BY last_frame DESC LIMIT 1)"

struct check {
    const char *kind, *sql;
};
static const struct check checks[] = {
    {"sequence-gap",
     "SELECT format('of the %s sequences %s have a row and %s were removed', c.next_sequence,"
     " e.n, c.removed + s.removed) FROM (SELECT count(*) AS n FROM @events) e, @store s, " STATE
     " c WHERE e.n + c.removed + s.removed <> c.next_sequence"},
    {"event-beyond", "SELECT format('event %s is beyond the end of the store', e.sequence)"
                     " FROM @events e, " STATE " c WHERE e.sequence >= c.next_sequence"},
    {"event-stray", "SELECT format('event %s is of stream %s, which is not there', e.sequence,"
                    " e.stream) FROM @events e WHERE " NO_STREAM("e.stream")},
    /* Of events that are hidden the id may be another's by now. */
    {"id-twice", "SELECT format('events %s and %s have the same id, %s', min(e.sequence),"
                 " max(e.sequence), e.event_id) FROM @events e JOIN @streams s"
                 " ON s.number = e.stream AND s.first_version <= e.version"
                 " WHERE e.content_hash IS NOT NULL GROUP BY e.event_id HAVING count(*) > 1"},
    {"type-missing", "SELECT format('event %s has type %s, which is not there', e.sequence, e.type)"
                     " FROM @events e WHERE NOT EXISTS (SELECT 1 FROM @types t"
                     "  WHERE t.number = e.type)"},
    {"type-block-missing",
     "SELECT format('type_blocks lacks type %s in block %s', b.type, b.block) FROM (SELECT DISTINCT"
     " type, sequence >> 10 AS block FROM @events) b WHERE NOT EXISTS (SELECT 1 FROM @type_blocks t"
     "  WHERE t.type = b.type AND t.block = b.block)"},
    {"type-block-stray",
     "SELECT format('type_blocks: block %s of type %s, which is not there', b.block, b.type)"
     " FROM @type_blocks b WHERE NOT EXISTS (SELECT 1 FROM @types t WHERE t.number = b.type)"},
    {"hole-stray", "SELECT format('holes: versions %s to %s of stream %s, which is not there',"
                   " h.first, h.last, h.stream) FROM @holes h WHERE " NO_STREAM("h.stream")},
    {"string-stray", "SELECT format('strings: a value of %s, which is no string', v.stream)"
                     " FROM @strings v WHERE NOT EXISTS (SELECT 1 FROM @streams s"
                     "  WHERE s.number = v.stream AND s.is_string = 1)"},
    {"group-stray", "SELECT format('groups: %s of stream %s, which is not there', k.number,"
                    " k.stream) FROM @groups k WHERE " NO_STREAM("k.stream")},
    {"consumer-stray", "SELECT format('consumers: %s of group %s, which is not there', k.number,"
                       " k.grp) FROM @consumers k WHERE " NO_GROUP("k.grp")},
    {"group-move-stray", "SELECT format('group_moves: a position of group %s, which is not there',"
                         " k.grp) FROM @group_moves k WHERE " NO_GROUP("k.grp")},
    {"consumer-move-stray", "SELECT format('consumer_moves: %s of group %s, which is not there',"
                            " k.consumer, k.grp) FROM @consumer_moves k WHERE " NO_GROUP("k.grp")},
    {"pending-stray", "SELECT format('pending: entry %s-%s of group %s, which is not there',"
                      " k.entry_ms, k.entry_seq, k.grp) FROM @pending k WHERE " NO_GROUP("k.grp")},
    {"idempotent-stray", "SELECT format('idempotent: an id of stream %s, which is not there',"
                         " k.stream) FROM @idempotent k WHERE " NO_STREAM("k.stream")},
    {"stream-twice", "SELECT format('stream %s is there, and is deleted', s.number) FROM @streams s"
                     " JOIN @deleted_streams d ON d.number = s.number"},
    {"group-twice", "SELECT format('group %s is there, and is dropped', g.number) FROM @groups g"
                    " JOIN @dropped_groups d ON d.number = g.number"},
};

/* These look each event up as readers do, through the index; the event itself comes by its
 * sequence, or from the table (num_nulls is a condition that no index has). */
#define BY_VALUE(column, value, words)                                                             \
    "SELECT format('" words "', e.sequence) FROM @events e WHERE num_nulls(e." column ") = 0 AND"  \
    " (SELECT i.sequence FROM @events i WHERE i." column                                           \
    " IS NOT NULL AND (" value("i") ", i.sequence) >= (" value(                                    \
        "e") ", e.sequence) ORDER BY " value("i") ", i.sequence LIMIT 1)"                          \
                                                  " IS DISTINCT FROM e.sequence"
#define CORRELATION(of) of ".correlation"
#define CAUSATION(of)   of ".causation"
#define AGGREGATE(of)   "sha256(" of ".aggregate)"
static const struct check lookups[] = {
    {"index-missing",
     "SELECT format('event %s is not found as version %s of stream %s', e.sequence,"
     " e.version, e.stream) FROM @events e WHERE (SELECT i.sequence FROM @events i"
     "  WHERE i.stream = e.stream AND i.version = e.version)"
     " IS DISTINCT FROM e.sequence"},
    {"id-missing", "SELECT format('event %s is not found by its id, %s', e.sequence, e.event_id)"
                   " FROM @events e WHERE num_nulls(e.content_hash) = 0 AND (SELECT count(*)"
                   "  FROM @events i WHERE i.event_id = e.event_id AND i.content_hash IS NOT NULL)"
                   " = 0"},
    {"correlation-missing",
     BY_VALUE("correlation", CORRELATION, "event %s is not found by its correlation")},
    {"causation-missing",
     BY_VALUE("causation", CAUSATION, "event %s is not found by its causation")},
    {"aggregate-missing",
     BY_VALUE("aggregate", AGGREGATE, "event %s is not found by its aggregate")},
};

static int check(struct backend_conn *c, struct verify *v, const char *kind, const char *sql,
                 struct err *err) {
    PGresult *r = NULL;
    int rc = postgres_exec(c, sql, &r, err);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++)
        verify_damage(v, kind, "%s", PQgetvalue(r, i, 0));
    PQclear(r);
    return rc;
}

/* These read whole tables, which elsewhere no statement of ours may. */
static int let_scan(struct backend_conn *c, bool scan, struct err *err) {
    char sql[160];
    const char *word = scan ? "on" : "off";
    snprintf(sql, sizeof sql,
             "SET LOCAL enable_seqscan = %s; SET LOCAL enable_hashjoin = %s;"
             " SET LOCAL enable_mergejoin = %s",
             word, word, word);
    return postgres_exec(c, sql, NULL, err);
}

static int check_all(struct backend_conn *c, struct verify *v, const char *step,
                     const struct check *all, size_t n, struct err *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!v->progress(step, i, n, v->arg)) return err_set(err, ERR_FAILED, "stopped");
        rc = check(c, v, all[i].kind, all[i].sql, err);
    }
    return rc;
}

int postgres_verify(struct backend_conn *c, struct verify *v, struct err *err) {
    assert(c->pinned);
    int rc = let_scan(c, true, err);
    if (rc == 0) rc = check_all(c, v, "rows of tables", checks, ARRAY_LEN(checks), err);
    if (rc == 0) rc = let_scan(c, false, err);
    if (rc == 0) rc = check_all(c, v, "indexes of events", lookups, ARRAY_LEN(lookups), err);
    return rc;
}
