/* The little language of the control file; see rules.h and README.md. */
#include "rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const call_class_name[CALL_CLASSES] = {"write", "sync", "open", "alloc", "rename"};

static const struct {
    const char *name;
    int value;
} error_names[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG},
    {"EROFS", EROFS},   {"EACCES", EACCES}, {"EPERM", EPERM},   {"EMFILE", EMFILE},
    {"ENFILE", ENFILE}, {"ENOENT", ENOENT}, {"ENOMEM", ENOMEM}, {"EINTR", EINTR},
    {"EAGAIN", EAGAIN}, {"EBUSY", EBUSY},   {"EINVAL", EINVAL}, {"EOPNOTSUPP", EOPNOTSUPP},
};

static const struct {
    const char *name;
    enum action action;
    bool error; /* takes an error name; may be left out where there is a default */
} action_names[] = {
    {"count", ACTION_COUNT, false}, {"delay_us", ACTION_DELAY, false}, {"hold", ACTION_HOLD, false},
    {"fail", ACTION_FAIL, true},    {"short", ACTION_SHORT, false},    {"torn", ACTION_TORN, true},
    {"kill", ACTION_KILL, false},
};

static bool parse_class(const char *word, unsigned *classes) {
    if (word == NULL) return false;
    if (strcmp(word, "all") == 0) {
        *classes = (1U << CALL_CLASSES) - 1;
        return true;
    }
    for (unsigned i = 0; i < CALL_CLASSES; i++) {
        if (strcmp(word, call_class_name[i]) != 0) continue;
        *classes = 1U << i;
        return true;
    }
    return false;
}

static bool parse_error(const char *word, int *error) {
    for (size_t i = 0; word != NULL && i < sizeof error_names / sizeof error_names[0]; i++) {
        if (strcmp(word, error_names[i].name) != 0) continue;
        *error = error_names[i].value;
        return true;
    }
    return false;
}

static bool parse_number(const char *word, uint64_t *out) {
    char *end = NULL;
    if (word == NULL || *word < '0' || *word > '9') return false;
    *out = strtoull(word, &end, 10);
    return *end == '\0';
}

/* <action> <class> [value] [after N] [count M] [go K]; the action's word has been taken. */
static bool parse_rule(struct rule *r, size_t action, char **save) {
    uint64_t value = 0;

    r->action = action_names[action].action;
    r->count = UINT64_MAX;
    r->go = GO_UNSAID;
    r->error = EIO;
    if (!parse_class(strtok_r(NULL, " \t", save), &r->classes)) return false;
    if (r->action == ACTION_DELAY) {
        if (!parse_number(strtok_r(NULL, " \t", save), &value) || value > 3600000000U) return false;
        r->delay_us = (unsigned)value;
    }
    if (action_names[action].error && !parse_error(strtok_r(NULL, " \t", save), &r->error))
        return false;
    for (char *word; (word = strtok_r(NULL, " \t", save)) != NULL;) {
        uint64_t *field = strcmp(word, "after") == 0   ? &r->after
                          : strcmp(word, "count") == 0 ? &r->count
                          : strcmp(word, "go") == 0    ? &r->go
                                                       : NULL;
        if (field == NULL || !parse_number(strtok_r(NULL, " \t", save), field)) return false;
    }
    return true;
}

/* match <pattern>...: for the rules from here to the next match. */
static bool parse_match(struct ruleset *set, unsigned *first, unsigned *patterns, char **save) {
    *first = set->pattern_count;
    for (char *word; (word = strtok_r(NULL, " \t", save)) != NULL;) {
        if (set->pattern_count == PATTERNS_MAX || strlen(word) >= PATTERN_LEN) return false;
        strcpy(set->pattern[set->pattern_count++], word);
    }
    *patterns = set->pattern_count - *first;
    return *patterns > 0;
}

void rules_parse(struct ruleset *set, const char *text) {
    unsigned first = 0, patterns = 0;
    char *copy = strdup(text), *next = copy;

    memset(set, 0, sizeof *set);
    for (char *line; copy != NULL && (line = strsep(&next, "\n")) != NULL;) {
        char kept[PATTERN_LEN], *save = NULL;
        snprintf(kept, sizeof kept, "%s", line);
        char *word = strtok_r(line, " \t", &save);
        if (word == NULL || *word == '#') continue;
        bool good = false;
        if (strcmp(word, "match") == 0) good = parse_match(set, &first, &patterns, &save);
        for (size_t i = 0; i < sizeof action_names / sizeof action_names[0]; i++) {
            if (strcmp(word, action_names[i].name) != 0 || set->rule_count == RULES_MAX) continue;
            struct rule *r = &set->rule[set->rule_count];
            *r = (struct rule){.first = first, .patterns = patterns};
            good = parse_rule(r, i, &save);
            if (good) set->rule_count++;
        }
        if (!good) fprintf(stderr, "diskshim: bad line in the control file: %s\n", kept);
    }
    free(copy);
}

static bool matches(const char *pattern, const char *path) {
    if (strpbrk(pattern, "*?[") != NULL) return fnmatch(pattern, path, 0) == 0;
    return strstr(path, pattern) != NULL;
}

uint32_t rules_match(const struct ruleset *set, const char *path) {
    uint32_t found = 0;

    for (unsigned i = 0; i < set->rule_count; i++) {
        const struct rule *r = &set->rule[i];
        bool hit = r->patterns == 0;
        for (unsigned k = 0; k < r->patterns && !hit; k++)
            hit = matches(set->pattern[r->first + k], path);
        if (hit) found |= UINT32_C(1) << i;
    }
    return found;
}

struct verdict rules_judge(struct ruleset *set, uint32_t matching, enum call_class c) {
    struct verdict v = {0};

    for (unsigned i = 0; i < set->rule_count; i++) {
        struct rule *r = &set->rule[i];
        if ((matching >> i & 1) == 0 || (r->classes >> c & 1) == 0) continue;
        uint64_t before = r->calls++;
        if (before < r->after || before - r->after >= r->count) continue;
        r->hits++;
        if (r->action == ACTION_DELAY) v.delay_us += r->delay_us;
        if (r->action == ACTION_FAIL || r->action == ACTION_TORN) v.error = r->error;
        if (r->action == ACTION_SHORT || r->action == ACTION_TORN) v.half = true;
        if (r->action == ACTION_FAIL) v.half = false;
        if (r->action == ACTION_KILL) v.kill = true;
    }
    return v;
}

bool rules_hold(struct ruleset *set, uint32_t matching, enum call_class c, bool oldest) {
    struct rule *goes = NULL;

    for (unsigned i = 0; i < set->rule_count; i++) {
        struct rule *r = &set->rule[i];
        if (r->action != ACTION_HOLD) continue;
        if ((matching >> i & 1) == 0 || (r->classes >> c & 1) == 0) continue;
        /* The call itself is counted already when this is asked; but not by rules that came later:
         * those hold it only if they say which calls go on. */
        if (r->go == GO_UNSAID && (r->calls <= r->after || r->calls - r->after > r->count))
            continue;
        if (!oldest || r->go == GO_UNSAID || r->gone == r->go) return true;
        goes = r;
    }
    if (goes != NULL) goes->gone++;
    return false;
}
