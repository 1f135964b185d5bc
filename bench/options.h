#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "load.h"

struct mode {
    const char *name;
    enum request_kind kind;
    bool x;              /* of the X commands: prefills with XADD */
    bool read;           /* reads */
    bool mixed;          /* some of the connections read while the others write */
    enum talk_kind talk; /* of those that read; one stream then */
    bool events;         /* TALK_LISTEN: to channels of events */
};

/* The command line. */
struct options {
    struct load load;
    struct request_spec spec;
    const struct mode *mode;
    unsigned connections, depth, readers;
    uint64_t requests, prefill;
    double rate, read_rate;
    uint64_t read_streams;
    const char *group;
    const char *stream; /* NULL: as the mode has it */
    const char *probe;
    bool json, full_parse, no_ack, page_probe;
};

/* Exits with 2 and the usage when the command line is wrong. */
void options_parse(struct options *o, int argc, char **argv);

#endif
