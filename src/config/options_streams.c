/* Options of streams, which go on in the section Store: versions, trimming, idempotent producers,
 * protection. */
#include "config/internal.h"

const struct option stream_options[] = {
    {.name = "strict-versioning",
     .type = OPTION_BOOL,
     .offset = FIELD(strict_versioning),
     .initial = "no",
     .flags = OPTION_SETTABLE,
     .help = "yes: appends must state EXPECTED_VERSION, and it must not be ANY."},
    {.name = "stream-node-max-entries",
     .type = OPTION_INT,
     .offset = FIELD(stream_node_max_entries),
     .initial = "100",
     .max = INT64_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Entries of a stream that MAXLEN ~ and MINID ~ remove together: they trim in steps of "
             "so many versions. 0: not at all."},
    {.name = "stream-idmp-duration",
     .type = OPTION_INT,
     .offset = FIELD(stream_idmp_duration_s),
     .initial = "100",
     .min = 1,
     .max = IDMP_DURATION_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Seconds for which XADD IDMP remembers a producer's ids, where XCFGSET says nothing "
             "else."},
    {.name = "stream-idmp-maxsize",
     .type = OPTION_INT,
     .offset = FIELD(stream_idmp_maxsize),
     .initial = "100",
     .min = 1,
     .max = IDMP_MAXSIZE_MAX,
     .flags = OPTION_SETTABLE,
     .help = "Ids of one producer in one stream that XADD IDMP remembers, where XCFGSET says "
             "nothing else."},
    {.name = "protected-streams",
     .type = OPTION_WORDS,
     .offset = FIELD(protected_streams),
     .initial = "",
     .flags = OPTION_SETTABLE,
     .help = "Patterns of the names of streams, with blanks between them: what would delete, trim, "
             "erase, rename or overwrite such a stream, or make it expire, is refused with "
             "-PROTECTED."},
    {.name = NULL},
};
