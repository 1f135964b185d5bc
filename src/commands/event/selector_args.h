/* The words of a selector (store/selector.h) in the arguments of a command, each with one value:
 *
 *   STREAM pattern | CATEGORY name | TYPE pattern | CORRELATION uuid | CAUSATION uuid
 *   | AGGREGATE id | VIEW name | SINCE ms | UNTIL ms
 *
 * Any of them may be repeated: repeats of a word are alternatives, different words must all hold.
 * A view (EVIEW) is replaced by its words here, so nothing below knows of views. That is right only
 * where it means the same, and refused elsewhere: a word that stands in a view may stand neither
 * beside it nor in another one, unless the views are alternatives of that one word.
 * Every command that selects events takes them from here. Loop thread. */
#ifndef COMMANDS_EVENT_SELECTOR_ARGS_H
#define COMMANDS_EVENT_SELECTOR_ARGS_H

#include "server/client/client.h"
#include "server/command/command.h"
#include "store/selector.h"

#define SELECTOR_SYNTAX                                                                            \
    " [STREAM pattern] [CATEGORY category] [TYPE pattern] [CORRELATION uuid] [CAUSATION uuid]"     \
    " [AGGREGATE id] [VIEW name] [SINCE milliseconds] [UNTIL milliseconds]"
#define SELECTOR_SYNTAX_OF_VIEWS                                                                   \
    " [STREAM pattern] [CATEGORY category] [TYPE pattern] [CORRELATION uuid] [CAUSATION uuid]"     \
    " [AGGREGATE id] [SINCE milliseconds]"
#define SELECTOR_WORDS                                                                             \
    "STREAM, CATEGORY, TYPE, CORRELATION, CAUSATION, AGGREGATE, VIEW, SINCE, UNTIL"
#define SELECTOR_WORDS_OF_VIEWS    "STREAM, CATEGORY, TYPE, CORRELATION, CAUSATION, AGGREGATE, SINCE"
#define SELECTOR_VALUES_MAX        1000
#define SELECTOR_BYTES_MAX         262144 /* of all values */
#define SELECTOR_PATTERN_BYTES_MAX 65536  /* of all patterns of a word */
#define SELECTOR_STAR_BYTES_MAX    16384  /* of it, behind the first star of each */

enum selector_word {
    WORD_STREAM,
    WORD_CATEGORY,
    WORD_TYPE,
    WORD_CORRELATION,
    WORD_CAUSATION,
    WORD_AGGREGATE,
    WORD_VIEW,
    WORD_SINCE,
    WORD_UNTIL,
    SELECTOR_WORD_COUNT,
};

struct selector_args {
    struct selector_draft draft;
    struct kept_uuid *uuids; /* what CORRELATION and CAUSATION gave: the draft points to them */
    struct used_view *views; /* the names behind VIEW, and, in the end, what they say */
};

/* The word that arg is, in any case; SELECTOR_WORD_COUNT: none. */
enum selector_word selector_word_of(struct str arg);
struct str selector_word_name(enum selector_word word); /* ends with NUL */
/* SELECT_KINDS: it is no kind of values. */
enum selector_kind selector_word_kind(enum selector_word word);
/* The word at argv[*at], of a command that selects and has words of its own, `own`; all of them
 * take one value, which is in *value, and *at behind it. false: the word is not known, or there is
 * no value, which was replied (-INVALIDARG). */
bool selecting_word_or_reply(struct client *c, const struct request *r, size_t *at, bool known,
                             const char *own, struct str *value);
/* Adds a value, which stays the caller's until selector_create. false: it is not one of that word,
 * or there are too many, which was replied (-INVALIDARG). */
bool selector_value_or_reply(struct client *c, struct selector_args *a, enum selector_word word,
                             struct str value);
/* The same of a view's, which was taken once: it may name what no stream can be called any more. */
bool selector_kept_value_or_reply(struct client *c, struct selector_args *a,
                                  enum selector_word word, struct str value);
/* What was gathered, with what its views say as of c->view; the caller has a reference. NULL:
 * everything. false: a view does not exist (-NOTFOUND), views and words do not go together, or
 * comparing an event with the patterns would take too long (-INVALIDARG), which was replied. Once.
 */
bool selector_or_reply(struct client *c, struct selector_args *a, struct selector **out);
/* For who keeps the selector: the views that it was made from, each in use (named_view_use) until
 * it is given back, in an array that is the caller's. After selector_or_reply. NULL: none. */
struct named **selector_use_views(struct client *c, const struct selector_args *a, size_t *n);
/* For who waits: the virtual streams of its views (server/command/virtual.h), the same on every run
 * of a command. One block of memory, the caller's. NULL: none. */
struct str *selector_view_keys(const struct selector_args *a, size_t *n);
void selector_args_clear(struct selector_args *a);
/* Appends what it would be asked for with: words and values, a value in quotes where a blank or a
 * quote would make it look like others. NULL, everything: STREAM *. */
void selector_describe(const struct selector *s, struct buf *out);

#endif
