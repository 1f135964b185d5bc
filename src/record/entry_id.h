/* Entry ids: the lowest and the highest, and their text `ms-seq`. */
#ifndef RECORD_ENTRY_ID_H
#define RECORD_ENTRY_ID_H

#include "base/str.h"
#include "record/record.h"

#define ENTRY_ID_MIN      ((struct entry_id){0, 0})
#define ENTRY_ID_MAX      ((struct entry_id){UINT64_MAX, UINT64_MAX})
#define ENTRY_ID_TEXT_MAX 41 /* two numbers of 20 digits and a dash */

/* `ms-seq`, or `ms`, which stands for ms-missing_seq; as Redis reads them. auto_seq not NULL:
 * `ms-*` as well, then *auto_seq is set and the id's seq 0. false: it is none. */
bool entry_id_parse(struct str text, uint64_t missing_seq, struct entry_id *out, bool *auto_seq);
/* Writes `ms-seq`, at most ENTRY_ID_TEXT_MAX bytes without NUL; returns how many. */
size_t entry_id_format(struct entry_id id, char *out);

#endif
