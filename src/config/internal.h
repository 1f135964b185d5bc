/* What the three files behind config.h share: one row of the option table, and reading and
 * printing the value of a row. Nobody else includes this. Loop thread. */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config/config.h"

enum option_type {
    OPTION_INT,        /* uint64_t */
    OPTION_SIGNED,     /* int64_t */
    OPTION_BYTES,      /* uint64_t; the text may carry kb, mb, gb */
    OPTION_OCTAL,      /* uint64_t */
    OPTION_BOOL,       /* bool */
    OPTION_ENUM,       /* uint64_t: index into `names` */
    OPTION_STRING,     /* char * */
    OPTION_WORDS,      /* char *: words, one blank between them */
    OPTION_EVENTS,     /* uint64_t of enum notify_flag, one letter each */
    OPTION_LIMITS,     /* struct output_limit[]: those classes that are named */
    OPTION_DURABILITY, /* uint64_t mode and, beside it, config.durability_interval_ms */
};

enum option_flag {
    OPTION_SETTABLE = 1 << 0, /* by CONFIG SET; without it only at start */
    OPTION_SECRET = 1 << 1,   /* its value never stands in an error or a log line */
    OPTION_SWITCH = 1 << 2,   /* command line only, takes no value */
};

struct option_value {
    uint64_t number, interval_ms;
    int64_t signed_number;
    char *text; /* owned */
};

struct option {
    const char *section; /* begins a section of the sample file; NULL: as the row before */
    const char *name;
    enum option_type type;
    size_t offset;
    const char *initial; /* the default, as one would write it */
    int64_t min, max;
    const char *const *names; /* ENUM, NULL-terminated */
    unsigned flags;
    /* A further condition on a value that has been parsed; may write it in another way. NULL: none.
     */
    int (*check)(struct option_value *v, struct err *err);
    const char *help;
};

/* The tables, each terminated by a NULL name. */
extern const struct option network_options[], subscription_options[], store_options[],
    stream_options[], operation_options[];
extern const struct option *const option_tables[]; /* all of them; terminated by NULL */
#define OPTION_EACH(o)                                                                             \
    for (const struct option *const *table_##o = option_tables; *table_##o != NULL; table_##o++)   \
        for (const struct option *o = *table_##o; o->name != NULL; o++)
/* Its place among all options; of NULL: how many there are. */
size_t option_index(const struct option *o);

#define KB          ((int64_t)1024)
#define MB          (KB * 1024)
#define GB          (MB * 1024)
#define FIELD(name) offsetof(struct config, name) /* of a row */

/* Options of Redis that clients ask for and whose value is fixed here. */
struct option_fixed {
    const char *name, *value;
};
extern const struct option_fixed option_fixed_table[];

const struct option *option_find(struct str name);
const struct option_fixed *option_fixed_find(struct str name);
/* Text to value; the value is checked against the row. Free it with option_value_clear. */
MUST_CHECK int option_parse(const struct option *o, struct str text, struct option_value *out,
                            struct err *err);
void option_value_clear(struct option_value *v);
/* Takes the value over into the struct. */
void option_assign(const struct option *o, struct config *c, struct option_value *v);
/* The value as CONFIG GET says it. */
void option_print(const struct option *o, const struct config *c, struct buf *out);
/* Like option_print, but as a line of the file: quoted when needed. */
void option_print_line(const struct option *o, const struct config *c, struct buf *out);
/* One option from file or command line; the words are its values. */
MUST_CHECK int option_read(struct config *c, struct str name, const struct str *words, size_t n,
                           struct err *err);
void config_defaults(struct config *c);
/* Whether journal-bytes-max may be this, beside journal-segment-bytes. */
MUST_CHECK int config_check_journal_max(const struct config *c, uint64_t bytes, struct err *err);

/* --help and --sample-conf. */
void config_print_help(FILE *f);
void config_print_sample(FILE *f);

/* Splits a line at blanks, with "..." (escapes \n \r \t \b \a \xHH \\ \") and '...' (escape \').
 * The words are views into `out`, which the caller clears. -1: quotes are not balanced; -2: too
 * many. */
int config_split(struct str line, struct buf *out, struct str *words, size_t max);

#endif
