/* Options: values from text and back, and setting them at run time. The rows are in table.c;
 * files and command line in file.c. A set of several options is all or none: everything is
 * parsed first, and what has been parsed can be assigned without failing. Error texts are Redis',
 * since tools show them. */
#include "config/internal.h"
#include "config/notify_flags.h"

#include "base/alloc.h"
#include "store/backend.h"
#include "store/store.h"

const struct option *option_find(struct str name) {
    OPTION_EACH(o)
    if (str_eq_nocase(name, str_c(o->name))) return o;
    return NULL;
}

const struct option_fixed *option_fixed_find(struct str name) {
    for (const struct option_fixed *f = option_fixed_table; f->name != NULL; f++)
        if (str_eq_nocase(name, str_c(f->name))) return f;
    return NULL;
}

void option_value_clear(struct option_value *v) {
    free(v->text);
    v->text = NULL;
}

/* Values */

static int parse_enum(const struct option *o, struct str text, uint64_t *out, struct err *err) {
    struct buf all;
    buf_init(&all, 0);
    for (size_t i = 0; o->names[i] != NULL; i++) {
        if (str_eq_nocase(text, str_c(o->names[i]))) {
            *out = i;
            buf_clear(&all);
            return OK;
        }
        buf_printf(&all, "%s%s", i > 0 ? ", " : "", o->names[i]);
    }
    err_set(err, ERR_FAILED, "argument(s) must be one of the following: " STR_FMT,
            STR_ARG(buf_str(&all)));
    buf_clear(&all);
    return ERR_FAILED;
}

static int parse_octal(struct str text, uint64_t *out, struct err *err) {
    uint64_t v = 0;
    bool good = text.len > 0 && text.len <= 6;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.ptr[i] >= '0' && text.ptr[i] <= '7';
        v = v * 8 + (uint64_t)(text.ptr[i] - '0');
    }
    if (!good) return err_set(err, ERR_FAILED, "argument couldn't be parsed as an octal number");
    *out = v;
    return OK;
}

/* journal | backend | interval <ms> */
static int parse_durability(struct str text, struct option_value *out, struct err *err) {
    if (str_eq_nocase(text, STR("journal"))) {
        out->number = DURABILITY_JOURNAL;
        return OK;
    }
    if (str_eq_nocase(text, STR("backend"))) {
        out->number = DURABILITY_BACKEND;
        return OK;
    }
    static const struct str prefix = {"interval ", 9};
    if (text.len > prefix.len && str_eq_nocase(str_of(text.ptr, prefix.len), prefix) &&
        str_to_u64(str_of(text.ptr + prefix.len, text.len - prefix.len), &out->interval_ms) &&
        out->interval_ms >= 1 && out->interval_ms <= 3600000) {
        out->number = DURABILITY_INTERVAL;
        return OK;
    }
    return err_set(err, ERR_FAILED,
                   "argument must be journal, backend or interval MS (1 to 3600000 milliseconds)");
}

static int parse_number(const struct option *o, struct str text, struct option_value *out,
                        struct err *err) {
    int status = OK;
    bool good = true, below = false;
    if (o->type == OPTION_SIGNED) {
        good = str_to_i64(text, &out->signed_number);
        below = good && (out->signed_number < o->min || out->signed_number > o->max);
    } else {
        if (o->type == OPTION_OCTAL)
            status = parse_octal(text, &out->number, err);
        else if (o->type == OPTION_BYTES)
            good = str_to_bytes(text, &out->number);
        else
            good = str_to_u64(text, &out->number);
        if (status < 0) return status;
        below = good && (out->number < (uint64_t)o->min || out->number > (uint64_t)o->max);
        int64_t negative;
        if (!good && str_to_i64(text, &negative)) good = below = true;
    }
    if (!good)
        return err_set(err, ERR_FAILED, "%s",
                       o->type == OPTION_BYTES ? "argument must be a memory value"
                                               : "argument couldn't be parsed into an integer");
    if (!below) return OK;
    if (o->type == OPTION_OCTAL)
        return err_set(err, ERR_FAILED, "argument must be between %llo and %llo inclusive",
                       (unsigned long long)o->min, (unsigned long long)o->max);
    return err_set(err, ERR_FAILED, "argument must be between %lld and %lld inclusive",
                   (long long)o->min, (long long)o->max);
}

/* Classes of which a limit was given, with it. */
struct limits {
    bool given[OUTPUT_CLASSES];
    struct output_limit of[OUTPUT_CLASSES];
};

static bool class_of_word(struct str word, enum output_class *class) {
    static const struct {
        const char *name;
        enum output_class class;
    } names[] = {{"normal", OUTPUT_NORMAL},
                 {"slave", OUTPUT_REPLICA},
                 {"replica", OUTPUT_REPLICA},
                 {"pubsub", OUTPUT_PUBSUB}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_eq_nocase(word, str_c(names[i].name))) continue;
        *class = names[i].class;
        return true;
    }
    return false;
}

static int parse_limit(const struct str words[4], struct limits *out, struct err *err) {
    enum output_class class;
    struct output_limit limit;
    if (!class_of_word(words[0], &class))
        return err_set(err, ERR_FAILED,
                       "Invalid client class specified in buffer limit configuration.");
    if (!str_to_bytes(words[1], &limit.hard) || !str_to_bytes(words[2], &limit.soft) ||
        !str_to_u64(words[3], &limit.soft_s) || limit.soft_s > INT32_MAX)
        return err_set(err, ERR_FAILED,
                       "Error in hard, soft or soft_seconds setting in buffer limit "
                       "configuration.");
    out->given[class] = true;
    out->of[class] = limit;
    return OK;
}

/* class hard soft seconds, for one class or several. */
static int parse_limits(struct str text, struct limits *out, struct err *err) {
    enum { WORDS_MAX = 64 };
    struct str words[WORDS_MAX];
    struct buf scratch;
    int status = OK;
    buf_init(&scratch, 0);
    *out = (struct limits){0};
    int n = config_split(text, &scratch, words, WORDS_MAX);
    if (n < 0 || n % 4 != 0)
        status =
            err_set(err, ERR_FAILED, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; status == OK && i < n; i += 4) status = parse_limit(words + i, out, err);
    buf_clear(&scratch);
    return status;
}

static void assign_limits(struct config *c, const char *text) {
    struct limits limits;
    struct err err;
    int status = parse_limits(str_c(text), &limits, &err);
    assert(status == OK);
    for (size_t i = 0; i < OUTPUT_CLASSES; i++)
        if (limits.given[i]) c->output_limits[i] = limits.of[i];
}

/* As Redis writes it. */
static void print_limits(const struct config *c, struct buf *out) {
    static const char *const names[OUTPUT_CLASSES] = {"normal", "slave", "pubsub"};
    typedef unsigned long long ull;
    for (size_t i = 0; i < OUTPUT_CLASSES; i++) {
        const struct output_limit *l = &c->output_limits[i];
        buf_printf(out, "%s%s %llu %llu %llu", i > 0 ? " " : "", names[i], (ull)l->hard,
                   (ull)l->soft, (ull)l->soft_s);
    }
}

/* One blank between words, none at the ends. */
static char *squeeze(struct str text) {
    char *out = str_dup(text);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char ch = out[i] == '\t' ? ' ' : out[i];
        if (ch == ' ' && (n == 0 || out[n - 1] == ' ')) continue;
        out[n++] = ch;
    }
    if (n > 0 && out[n - 1] == ' ') n--;
    out[n] = '\0';
    return out;
}

int option_parse(const struct option *o, struct str text, struct option_value *out,
                 struct err *err) {
    *out = (struct option_value){0};
    int status = OK;
    struct limits limits;
    switch (o->type) {
    case OPTION_INT:
    case OPTION_SIGNED:
    case OPTION_BYTES:
    case OPTION_OCTAL:
        status = parse_number(o, text, out, err);
        break;
    case OPTION_BOOL:
        out->number = str_eq_nocase(text, STR("yes"));
        if (!out->number && !str_eq_nocase(text, STR("no")))
            status = err_set(err, ERR_FAILED, "argument must be 'yes' or 'no'");
        break;
    case OPTION_ENUM:
        status = parse_enum(o, text, &out->number, err);
        break;
    case OPTION_STRING:
    case OPTION_WORDS:
        /* They become C strings. A line break could not be read back from some formats. */
        if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
            return err_set(err, ERR_FAILED, "argument must not contain a zero byte");
        if (text.len > 4096) return err_set(err, ERR_FAILED, "argument is longer than 4096 bytes");
        out->text = o->type == OPTION_WORDS ? squeeze(text) : str_dup(text);
        break;
    case OPTION_EVENTS:
        if (!notify_flags_parse(text, &out->number))
            status =
                err_set(err, ERR_FAILED, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        break;
    case OPTION_LIMITS:
        status = parse_limits(text, &limits, err);
        if (status == OK) out->text = squeeze(text);
        break;
    case OPTION_DURABILITY:
        status = parse_durability(text, out, err);
        break;
    }
    if (status == OK && o->check != NULL) status = o->check(out, err);
    if (status < 0) option_value_clear(out);
    return status;
}

void option_assign(const struct option *o, struct config *c, struct option_value *v) {
    void *field = (char *)c + o->offset;
    switch (o->type) {
    case OPTION_SIGNED:
        *(int64_t *)field = v->signed_number;
        break;
    case OPTION_BOOL:
        *(bool *)field = v->number != 0;
        break;
    case OPTION_STRING:
    case OPTION_WORDS:
        free(*(char **)field);
        *(char **)field = v->text;
        v->text = NULL;
        break;
    case OPTION_LIMITS:
        assign_limits(c, v->text);
        option_value_clear(v);
        break;
    case OPTION_DURABILITY:
        c->durability = v->number;
        c->durability_given = true;
        if (v->number == DURABILITY_INTERVAL) c->durability_interval_ms = v->interval_ms;
        break;
    case OPTION_INT:
    case OPTION_BYTES:
    case OPTION_OCTAL:
    case OPTION_ENUM:
    case OPTION_EVENTS:
        *(uint64_t *)field = v->number;
        break;
    }
}

void option_print(const struct option *o, const struct config *c, struct buf *out) {
    const void *field = (const char *)c + o->offset;
    switch (o->type) {
    case OPTION_INT:
    case OPTION_BYTES:
        buf_printf(out, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case OPTION_SIGNED:
        buf_printf(out, "%lld", (long long)*(const int64_t *)field);
        break;
    case OPTION_OCTAL:
        buf_printf(out, "%llo", (unsigned long long)*(const uint64_t *)field);
        break;
    case OPTION_BOOL:
        buf_printf(out, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case OPTION_ENUM:
        buf_printf(out, "%s", o->names[*(const uint64_t *)field]);
        break;
    case OPTION_STRING:
    case OPTION_WORDS:
        buf_put_str(out, str_c(*(char *const *)field));
        break;
    case OPTION_EVENTS:
        notify_flags_print(*(const uint64_t *)field, out);
        break;
    case OPTION_LIMITS:
        print_limits(c, out);
        break;
    case OPTION_DURABILITY:
        if (c->durability == DURABILITY_INTERVAL)
            buf_printf(out, "interval %llu", (unsigned long long)c->durability_interval_ms);
        else
            buf_printf(out, "%s", c->durability == DURABILITY_BACKEND ? "backend" : "journal");
        break;
    }
}

void config_defaults(struct config *c) {
    memset(c, 0, sizeof *c);
    c->durability_interval_ms = 1000;
    OPTION_EACH(o) {
        struct option_value v;
        struct err err;
        int status = option_parse(o, str_c(o->initial), &v, &err);
        assert(status == OK); /* a row with a default out of its range */
        option_assign(o, c, &v);
    }
    c->durability_given = false;
}

void config_free(struct config *c) {
    OPTION_EACH(o)
    if (o->type == OPTION_STRING || o->type == OPTION_WORDS)
        free(*(char **)((char *)c + o->offset));
    free(c->file);
    memset(c, 0, sizeof *c);
}

/* CONFIG SET */

static int set_failed(struct err *err, struct str name, const char *why) {
    char copy[sizeof err->text]; /* why may be err's own text */
    snprintf(copy, sizeof copy, "%s", why);
    return err_set(err, ERR_FAILED,
                   "CONFIG SET failed (possibly related to argument '" STR_FMT "') - %s",
                   STR_ARG(name), copy);
}

/* Known, and named once. */
static int set_check_names(const struct str *names, size_t n, struct err *err) {
    for (size_t i = 0; i < n; i++) {
        const struct option *o = option_find(names[i]);
        if (option_fixed_find(names[i]) == NULL && (o == NULL || o->flags & OPTION_SWITCH))
            return err_set(err, ERR_NOT_FOUND,
                           "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                           (int)MIN(names[i].len, (size_t)128), names[i].ptr);
        for (size_t k = 0; k < i; k++)
            if (str_eq_nocase(names[i], names[k]))
                return set_failed(err, names[i], "duplicate parameter");
    }
    return OK;
}

/* Whether the text says what the option already is. */
static bool is_current(const struct option *o, const struct config *c, struct str text) {
    struct buf now;
    buf_init(&now, 0);
    option_print(o, c, &now);
    bool same = str_eq(buf_str(&now), text);
    buf_clear(&now);
    return same;
}

int config_check_journal_max(const struct config *c, uint64_t bytes, struct err *err) {
    if (bytes >= 2 * c->journal_segment_bytes) return OK;
    return err_set(err, ERR_FAILED,
                   "journal-bytes-max must be at least twice journal-segment-bytes");
}

/* What a start would refuse or lower beside the other options and the system's limits. */
static int set_check_beside(const struct option *o, const struct config *c,
                            const struct option_value *v, struct err *why) {
    if (o->offset == FIELD(journal_bytes_max)) return config_check_journal_max(c, v->number, why);
    if (o->type != OPTION_INT || c->may_change == NULL) return OK;
    if (v->number == *(const uint64_t *)((const char *)c + o->offset)) return OK;
    return c->may_change(o->name, v->number, c->changed_arg, why);
}

/* *found is NULL when there is nothing to change: a value that cannot be set may be set to what it
 * is, so that what CONFIG GET has returned can always be given back. */
static int set_parse(const struct config *c, struct str name, struct str value,
                     const struct option **found, struct option_value *v, struct err *err) {
    *found = NULL;
    const struct option_fixed *fixed = option_fixed_find(name);
    if (fixed != NULL) {
        if (str_eq_nocase(value, str_c(fixed->value))) return OK;
        return set_failed(err, name, "can't set immutable config: its value is fixed here");
    }
    const struct option *o = option_find(name);
    assert(o != NULL);
    if (!(o->flags & OPTION_SETTABLE)) {
        if (is_current(o, c, value)) return OK;
        return set_failed(err, name, "can't set immutable config");
    }
    struct err why;
    if (option_parse(o, value, v, &why) < 0) return set_failed(err, name, why.text);
    if (o->type == OPTION_DURABILITY && v->number != c->durability)
        return set_failed(err, name, "can't set immutable config: the mode is chosen at start");
    if (set_check_beside(o, c, v, &why) != OK) return set_failed(err, name, why.text);
    *found = o;
    return OK;
}

int config_set(struct config *c, const struct str *names, const struct str *values, size_t n,
               struct err *err) {
    int status = set_check_names(names, n, err);
    if (status < 0) return status;
    struct option_value *parsed = xcalloc(n, sizeof *parsed);
    const struct option **found = xcalloc(n, sizeof *found);
    for (size_t i = 0; i < n && status == OK; i++)
        status = set_parse(c, names[i], values[i], &found[i], &parsed[i], err);
    for (size_t i = 0; i < n && status == OK; i++)
        if (found[i] != NULL) option_assign(found[i], c, &parsed[i]);
    for (size_t i = 0; i < n && status == OK; i++)
        if (found[i] != NULL && c->changed != NULL) c->changed(found[i]->name, c->changed_arg);
    for (size_t i = 0; i < n; i++) option_value_clear(&parsed[i]);
    free(parsed);
    free(found);
    return status;
}

/* Its text in the struct, when it has one that can be set: the others stay where they are. */
static char **settable_text(const struct option *o, struct config *c) {
    bool text = o->type == OPTION_STRING || o->type == OPTION_WORDS;
    return text && o->flags & OPTION_SETTABLE ? (char **)((char *)c + o->offset) : NULL;
}

struct config *config_save(const struct config *c) {
    struct config *saved = xmalloc(sizeof *saved);
    *saved = *c;
    OPTION_EACH(o) {
        char **text = settable_text(o, saved);
        if (text != NULL) *text = xstrdup(*text);
    }
    return saved;
}

void config_restore(struct config *c, struct config *saved) {
    OPTION_EACH(o) {
        char **text = settable_text(o, c);
        if (text != NULL) free(*text);
    }
    *c = *saved;
    free(saved);
}

void config_show_store(const struct config *c, char *out, size_t size) {
    backend_show(c->store, out, size);
}

/* A password in it is nobody's who may only ask. */
static void put_store(const struct config *c, struct buf *out) {
    size_t size = strlen(c->store) + 8;
    backend_show(c->store, buf_reserve(out, size), size);
    out->len += strlen(out->data + out->len);
}

void config_get(const struct config *c, struct str pattern,
                void (*each)(const char *name, const char *value, void *arg), void *arg) {
    struct buf value;
    buf_init(&value, 0);
    OPTION_EACH(o) {
        if (o->flags & OPTION_SWITCH || !str_match_glob(pattern, str_c(o->name), true)) continue;
        buf_reset(&value);
        if (o->offset == FIELD(store))
            put_store(c, &value);
        else
            option_print(o, c, &value);
        buf_put(&value, "", 1);
        each(o->name, value.data, arg);
    }
    for (const struct option_fixed *f = option_fixed_table; f->name != NULL; f++)
        if (str_match_glob(pattern, str_c(f->name), true)) each(f->name, f->value, arg);
    buf_clear(&value);
}
