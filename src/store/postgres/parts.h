/* Parts of SQL that the views (tables.c) and the statements (schema.c) have in common. */
#ifndef STORE_POSTGRES_PARTS_H
#define STORE_POSTGRES_PARTS_H

/* clang-format off */

#define STREAM_NEXT                                                                                \
    "greatest(coalesce(s.next_version, 0),"                                                        \
    " coalesce((SELECT e.version + 1 FROM @events e WHERE e.stream = s.number"                     \
    "  ORDER BY e.version DESC LIMIT 1), 0),"                                                      \
    " coalesce((SELECT h.last + 1 FROM @holes h WHERE h.stream = s.number"                         \
    "  ORDER BY h.first DESC LIMIT 1), 0))"

/* Where groups are, and when consumers were seen, changes all the time: a commit adds a row to
 * group_moves and consumer_moves, and maintain() folds those of long ago into the groups' and the
 * consumers' own rows. */
#define GROUPS_NOW                                                                                 \
    "(SELECT b.number, b.stream, b.name, b.label, b.created, coalesce(m.last_ms, b.last_ms) AS"    \
    " last_ms, coalesce(m.last_seq, b.last_seq) AS last_seq, CASE WHEN m.frame IS NULL THEN"       \
    " b.entries_read ELSE m.entries_read END AS entries_read FROM @groups b LEFT JOIN LATERAL"     \
    " (SELECT * FROM @group_moves WHERE grp = b.number ORDER BY frame DESC LIMIT 1) m ON true)"

#endif
