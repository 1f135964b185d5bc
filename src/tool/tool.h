/* The program `cairn`, which is used beside the server or without it. Its subcommands are the rows
 * of one table (table.c), from which help follows. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "store/backend.h"

/* Exit statuses of every subcommand. */
enum {
    EXIT_GOOD = 0,
    EXIT_BAD = 1,     /* it looked, and what it found is not good */
    EXIT_NOT_RUN = 2, /* it could not look, or was asked in a wrong way; stderr says why */
};

struct tool_option {
    const char *name, *summary; /* "--json" */
};

struct tool {
    const char *name;
    const char *arguments; /* as shown: "STORE" */
    int argument_count;    /* exactly */
    const char *summary;   /* one line, without a full stop */
    const char *text;      /* for --help of the subcommand: some lines */
    struct tool_option options[4];
    /* values: as many as argument_count; given[i]: options[i] was. Returns the exit status. */
    int (*run)(char *const *values, const bool *given);
};
extern const struct tool tools[];
extern const size_t tool_count;

int tool_main(int argc, char **argv);

/* A store as people name it: a URL, or the path of an SQLite file. */
struct tool_store {
    const struct backend *backend;
    const char *path; /* the backend's */
    char *url;        /* as it was named, which path points into */
    char shown[512];  /* for people: without a password */
};
/* ERR_REFUSED: no such scheme, or a backend that nothing can be looked at without a server. */
int tool_store_find(struct tool_store *out, const char *named, struct err *err);
void tool_store_clear(struct tool_store *s);
/* Says on stderr why, and returns EXIT_NOT_RUN. named: the store as it was named. */
int tool_refuse(const char *named, const struct err *err);

int tool_verify(char *const *values, const bool *given);
int tool_migrate(char *const *values, const bool *given);

#endif
