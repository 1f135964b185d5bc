/* Whether the tables agree with each other, and each event is found by what it is looked up by:
 * each statement's answer is damages, in words. How the indexes are built is PostgreSQL's to check
 * (amcheck). */
#include "base/alloc.h"
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

/* --- categories ---
 * The number of a category is a hash, which PostgreSQL does not know: the beginnings of names come
 * here, once for each block in which they have an event. What was renamed is looked for otherwise
 * (moved_streams). */

static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t *sorted_keys(const PGresult *r, size_t *n) {
    *n = (size_t)PQntuples(r);
    uint64_t *keys = xcalloc(*n + 1, sizeof *keys);
    for (size_t i = 0; i < *n; i++) keys[i] = strtoull(PQgetvalue(r, (int)i, 0), NULL, 10);
    qsort(keys, *n, sizeof *keys, by_key);
    return keys;
}

static void check_blocks(struct verify *v, const PGresult *wanted, const uint64_t *keys, size_t n) {
    for (int i = 0; i < PQntuples(wanted); i++) {
        const char *hex = PQgetvalue(wanted, i, 0);
        size_t len = 0;
        unsigned char *name = PQunescapeBytea((const unsigned char *)hex, &len);
        if (name == NULL) abort();
        uint64_t block = strtoull(PQgetvalue(wanted, i, 1), NULL, 10);
        uint64_t key = category_key(block, category_number(str_of((char *)name, len)));
        if (bsearch(&key, keys, n, sizeof *keys, by_key) == NULL)
            verify_damage(v, "category-block-missing", "category_blocks lacks %.*s in block %llu",
                          (int)MIN(len - 1, (size_t)100), (char *)name, (unsigned long long)block);
        PQfreemem(name);
    }
}

static int check_categories(struct backend_conn *c, struct verify *v, struct err *err) {
    static const char have[] = "SELECT key FROM @category_blocks";
    static const char want[] =
        "SELECT DISTINCT substring(s.name FROM 1 FOR position('\\x2d'::bytea IN s.name)),"
        " e.sequence >> 10 FROM @events e JOIN @streams s ON s.number = e.stream"
        " WHERE position('\\x2d'::bytea IN s.name) > 0 AND e.version >= s.first_version"
        " AND NOT EXISTS (SELECT 1 FROM @moved_streams m WHERE m.stream = s.number)";
    PGresult *blocks = NULL, *wanted = NULL;
    int rc = postgres_exec(c, have, &blocks, err);
    if (rc == 0) rc = postgres_exec(c, want, &wanted, err);
    if (rc == 0) {
        size_t n = 0;
        uint64_t *keys = sorted_keys(blocks, &n);
        check_blocks(v, wanted, keys, n);
        free(keys);
    }
    PQclear(blocks);
    PQclear(wanted);
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
    if (rc == 0) rc = check_categories(c, v, err);
    if (rc == 0) rc = let_scan(c, false, err);
    if (rc == 0) rc = check_all(c, v, "indexes of events", lookups, ARRAY_LEN(lookups), err);
    return rc;
}
