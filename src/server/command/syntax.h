/* The syntax texts of the command table, taken apart: for COMMAND DOCS, from which redis-cli makes
 * its hints. */
#ifndef SERVER_COMMAND_SYNTAX_H
#define SERVER_COMMAND_SYNTAX_H

#include "base/base.h"
#include "base/str.h"

enum syntax_kind {
    SYNTAX_VALUE, /* a lower case word, possibly behind its token */
    SYNTAX_TOKEN, /* an upper case word alone */
    SYNTAX_ONEOF, /* children are alternatives */
    SYNTAX_BLOCK, /* children stand one after the other */
};

struct syntax_node {
    enum syntax_kind kind;
    struct str name, token;   /* token len 0: none */
    size_t start, value, end; /* in the text: the node, the part behind its token, its end */
    bool optional, multiple, multiple_token;
    struct syntax_node *children, *next;
    size_t count; /* of children */
};

enum { SYNTAX_NODES_MAX = 128 };

struct syntax {
    struct syntax_node nodes[SYNTAX_NODES_MAX];
    size_t used;
    struct syntax_node *first; /* the arguments, NULL: none */
    size_t count;
    /* private: */
    const char *text;
    size_t at;
};

/* false: the text is malformed (a mistake in the table). text must outlive s. */
bool syntax_parse(struct syntax *s, const char *text);

#endif
