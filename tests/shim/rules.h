#ifndef DISKSHIM_RULES_H
#define DISKSHIM_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The control file of diskshim.c: its lines as rules, and what they say about one call. No locks
 * and no system calls on files here; the caller serialises. README.md has the language. */

enum call_class { CALL_WRITE, CALL_SYNC, CALL_OPEN, CALL_ALLOC, CALL_RENAME, CALL_CLASSES };

enum action {
    ACTION_COUNT, /* nothing but counting */
    ACTION_DELAY,
    ACTION_HOLD,
    ACTION_FAIL,
    ACTION_SHORT, /* half of a write succeeds and says so */
    ACTION_TORN,  /* half of a write happens, then the error */
    ACTION_KILL,  /* SIGKILL to the process before the call */
};

enum { RULES_MAX = 32, PATTERNS_MAX = 64, PATTERN_LEN = 256 };

#define GO_UNSAID UINT64_MAX

struct rule {
    enum action action;
    unsigned classes;         /* bit set of 1 << enum call_class */
    unsigned first, patterns; /* its patterns in ruleset.pattern; none: every path */
    unsigned delay_us;
    int error;
    uint64_t after; /* so many matching calls pass first */
    uint64_t count; /* then so many are acted on */
    uint64_t go;    /* hold: so many of those that wait go on, the oldest first; GO_UNSAID: it holds
                       only calls that come after it */
    uint64_t gone;  /* so many did */
    uint64_t calls; /* matching calls so far */
    uint64_t hits;  /* of these, acted on */
};

struct ruleset {
    unsigned rule_count, pattern_count;
    struct rule rule[RULES_MAX];
    char pattern[PATTERNS_MAX][PATTERN_LEN];
};

/* What is to be done with one call. All zero: let it through. */
struct verdict {
    uint64_t delay_us;
    int error;
    bool half; /* transfer only half of the bytes */
    bool kill;
};

extern const char *const call_class_name[CALL_CLASSES];

/* Reads the text. Bad lines are reported on stderr and left out. Counters start at zero. */
void rules_parse(struct ruleset *set, const char *text);
/* Bit set of the rules whose patterns match the path. */
uint32_t rules_match(const struct ruleset *set, const char *path);
/* Counts the call and says what the rules of the bit set `matching` want. */
struct verdict rules_judge(struct ruleset *set, uint32_t matching, enum call_class c);
/* Is the call held at the moment? oldest: it has waited longer than all others, so that it is the
 * one that may go on, which is counted. */
bool rules_hold(struct ruleset *set, uint32_t matching, enum call_class c, bool oldest);

#endif
