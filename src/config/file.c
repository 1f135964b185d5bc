/* Where options come from and go to: the command line, the option file, CONFIG REWRITE, and the
 * texts made from the table (--help, --sample-conf).
 *
 * The file is as Redis': `name value` a line, # comments, values with blanks in quotes. The last of
 * several lines for the same option counts. REWRITE leaves every line alone whose option still has
 * the value that the line says, so comments, order and the way a person wrote a size survive. */
#include "config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/version.h"
#include "store/backend.h"
#include "store/store.h"

enum { FILE_BYTES_MAX = 1 << 20, LINE_WORDS_MAX = 64 };

static bool is_blank(char ch) {
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

/* Appends the character that the escape at p (behind the backslash) stands for; its length. */
static size_t unescape(const char *p, size_t left, struct buf *out) {
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    char ch = *p;
    size_t used = 1;
    const char *at = ch != '\0' ? strchr(from, ch) : NULL;
    if (at != NULL) {
        ch = to[at - from];
    } else if (ch == 'x' && left >= 3 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
        ch = (char)(hex_digit(p[1]) * 16 + hex_digit(p[2]));
        used = 3;
    }
    buf_put(out, &ch, 1);
    return used;
}

/* One quoted part from behind the quote; the length including the closing quote, or 0: not closed.
 */
static size_t split_quoted(const char *p, size_t left, char quote, struct buf *out) {
    for (size_t i = 0; i < left;) {
        if (p[i] == quote) {
            /* What follows a closing quote must be a blank. */
            return i + 1 == left || is_blank(p[i + 1]) ? i + 1 : 0;
        }
        if (p[i] == '\\' && i + 1 < left && (quote == '"' || p[i + 1] == '\'')) {
            i += 1 + unescape(p + i + 1, left - i - 1, out);
        } else {
            buf_put(out, p + i, 1);
            i++;
        }
    }
    return 0;
}

int config_split(struct str line, struct buf *out, struct str *words, size_t max) {
    size_t n = 0, i = 0;
    /* The buffer must not move under the words. */
    buf_reserve(out, line.len + 1);
    while (true) {
        while (i < line.len && is_blank(line.ptr[i])) i++;
        if (i == line.len) return (int)n;
        if (n == max) return -2;
        size_t start = out->len;
        if (line.ptr[i] == '"' || line.ptr[i] == '\'') {
            size_t used = split_quoted(line.ptr + i + 1, line.len - i - 1, line.ptr[i], out);
            if (used == 0) return -1;
            i += 1 + used;
        } else {
            size_t first = i;
            while (i < line.len && !is_blank(line.ptr[i])) i++;
            buf_put(out, line.ptr + first, i - first);
        }
        words[n++] = str_of(out->data + start, out->len - start);
    }
}

/* Reading */

static bool takes_words(const struct option *o) {
    return o->type == OPTION_WORDS || o->type == OPTION_LIMITS || o->type == OPTION_DURABILITY;
}

/* The words as one text. */
static void join(const struct str *words, size_t n, struct buf *out) {
    for (size_t i = 0; i < n; i++) {
        if (i > 0) buf_put(out, " ", 1);
        buf_put_str(out, words[i]);
    }
    buf_put(out, "", 1);
    out->len--;
}

int option_read(struct config *c, struct str name, const struct str *words, size_t n,
                struct err *err) {
    struct buf text;
    buf_init(&text, 0);
    join(words, n, &text);
    int status = OK;
    const struct option *o = option_find(name);
    const struct option_fixed *fixed = option_fixed_find(name);
    struct option_value v;
    if (fixed != NULL) {
        if (n == 0 || !str_eq_nocase(buf_str(&text), str_c(fixed->value)))
            status = err_set(err, ERR_FAILED, "%s: this option of Redis is fixed here to \"%s\"",
                             fixed->name, fixed->value);
    } else if (o == NULL || o->flags & OPTION_SWITCH) {
        status = err_set(err, ERR_FAILED, "unknown option '%.*s'", (int)MIN(name.len, (size_t)128),
                         name.ptr);
    } else if (n == 0) {
        status = err_set(err, ERR_FAILED, "%s: a value is missing", o->name);
    } else if (n > 1 && !takes_words(o)) {
        status = err_set(err, ERR_FAILED, "%s: takes one value, %zu are given", o->name, n);
    } else if ((status = option_parse(o, buf_str(&text), &v, err)) < 0) {
        status = o->flags & OPTION_SECRET
                     ? err_wrap(err, status, "%s", o->name)
                     : err_wrap(err, status, "%s '" STR_FMT "'", o->name, STR_ARG(buf_str(&text)));
    } else {
        option_assign(o, c, &v);
    }
    buf_clear(&text);
    return status;
}

/* Editors of other systems put a mark in front of a text. */
static int drop_mark(const char *path, struct buf *text, struct err *err) {
    static const char utf8[] = "\xef\xbb\xbf";
    size_t n = sizeof utf8 - 1;
    if (text->len >= 2 &&
        (memcmp(text->data, "\xff\xfe", 2) == 0 || memcmp(text->data, "\xfe\xff", 2) == 0))
        return err_set(err, ERR_FAILED, "%s: is UTF-16: save it as UTF-8 or ASCII", path);
    if (text->len < n || memcmp(text->data, utf8, n) != 0) return OK;
    memmove(text->data, text->data + n, text->len - n);
    text->len -= n;
    return OK;
}

static int read_whole(const char *path, struct buf *out, struct err *err) {
    int status = OK;
    FILE *f = fopen(path, "re");
    if (f == NULL) return err_errno(err, "%s", path);
    while (status == OK) {
        char *at = buf_reserve(out, 4096);
        size_t n = fread(at, 1, 4096, f);
        out->len += n;
        if (n == 0) break;
        if (out->len > FILE_BYTES_MAX)
            status =
                err_set(err, ERR_TOO_LARGE, "%s: is larger than %d bytes", path, FILE_BYTES_MAX);
    }
    if (ferror(f)) status = err_errno(err, "%s", path);
    fclose(f);
    return status == OK ? drop_mark(path, out, err) : status;
}

/* The line that starts at *at, without its newline; moves *at behind it. false: no more. */
static bool next_line(const struct buf *b, size_t *at, struct str *line) {
    if (*at >= b->len) return false;
    const char *start = b->data + *at;
    const char *end = memchr(start, '\n', b->len - *at);
    size_t len = end != NULL ? (size_t)(end - start) : b->len - *at;
    *at += len + (end != NULL);
    if (len > 0 && start[len - 1] == '\r') len--;
    *line = str_of(start, len);
    return true;
}

/* Words of a line of the file; 0 for blank lines and comments. */
static int split_line(struct str line, struct buf *scratch, struct str *words, struct err *err) {
    size_t i = 0;
    while (i < line.len && is_blank(line.ptr[i])) i++;
    if (i == line.len || line.ptr[i] == '#') return 0;
    buf_reset(scratch);
    int n = config_split(line, scratch, words, LINE_WORDS_MAX);
    if (n == -1) return err_set(err, ERR_FAILED, "quotes are not balanced");
    if (n == -2) return err_set(err, ERR_FAILED, "more than %d words", LINE_WORDS_MAX);
    return n;
}

static int load_file(struct config *c, const char *path, struct err *err) {
    struct buf text, scratch;
    buf_init(&text, 0);
    buf_init(&scratch, 0);
    int status = read_whole(path, &text, err);
    if (status < 0) goto out;
    c->file = realpath(path, NULL);
    if (c->file == NULL) {
        status = err_errno(err, "%s", path);
        goto out;
    }
    struct str line, words[LINE_WORDS_MAX];
    size_t at = 0;
    for (int number = 1; status == OK && next_line(&text, &at, &line); number++) {
        int n = split_line(line, &scratch, words, err);
        if (n < 0)
            status = n;
        else if (n > 0)
            status = option_read(c, words[0], words + 1, (size_t)n - 1, err);
        if (status < 0) err_wrap(err, status, "%s:%d", path, number);
    }
out:
    buf_clear(&text);
    buf_clear(&scratch);
    return status;
}

/* --option word ... until the next word that starts with "--". */
static int load_arguments(struct config *c, int argc, char **argv, int first, struct err *err) {
    for (int i = first; i < argc;) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0')
            return err_set(
                err, ERR_FAILED,
                "command line: '%s' is neither an option (--name) nor the value of one; a "
                "file of options must come first",
                argv[i]);
        struct str name = str_c(argv[i] + 2), words[LINE_WORDS_MAX];
        size_t n = 0;
        for (i++; i < argc && strncmp(argv[i], "--", 2) != 0; i++) {
            if (n == LINE_WORDS_MAX)
                return err_set(err, ERR_FAILED, "command line: more than %d words", LINE_WORDS_MAX);
            words[n++] = str_c(argv[i]);
        }
        const struct option *o = option_find(name);
        if (o != NULL && o->flags & OPTION_SWITCH && n == 0) {
            *(bool *)((char *)c + o->offset) = true;
            continue;
        }
        int status = option_read(c, name, words, n, err);
        if (status < 0) return err_wrap(err, status, "command line");
    }
    return OK;
}

static void print_and_exit(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            config_print_help(stdout);
        else if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-v") == 0)
            printf("Cairn server v=%s bits=%zu\n", CAIRN_VERSION, sizeof(void *) * 8);
        else if (strcmp(argv[i], "--sample-conf") == 0)
            config_print_sample(stdout);
        else
            continue;
        exit(fflush(stdout) == 0 ? 0 : 1);
    }
}

int config_load(struct config *c, int argc, char **argv, struct err *err) {
    print_and_exit(argc, argv);
    config_defaults(c);
    int first = 1, status = OK;
    if (argc > 1 && strncmp(argv[1], "--", 2) != 0) {
        first = 2;
        status = load_file(c, argv[1], err);
    }
    if (status == OK) status = load_arguments(c, argc, argv, first, err);
    /* A database elsewhere is synced by itself: a journal in front of it would be lost with this
     * machine. */
    if (status == OK && !c->durability_given && backend_find(c->store, NULL)->remote)
        c->durability = DURABILITY_BACKEND;
    return status == OK ? config_check_journal_max(c, c->journal_bytes_max, err) : status;
}

/* Rewriting */

static bool needs_quotes(const struct option *o, struct str s) {
    if (s.len == 0) return true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch == ' ' && takes_words(o)) continue;
        if (ch <= ' ' || ch == '"' || ch == '\'' || ch == '\\' || ch == '#' || ch >= 0x7f)
            return true;
    }
    return false;
}

static void put_quoted(struct buf *out, struct str s) {
    buf_put(out, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch == '"' || ch == '\\')
            buf_printf(out, "\\%c", ch);
        else if (ch < ' ' || ch >= 0x7f)
            buf_printf(out, "\\x%02x", ch);
        else
            buf_put(out, &s.ptr[i], 1);
    }
    buf_put(out, "\"", 1);
}

void option_print_line(const struct option *o, const struct config *c, struct buf *out) {
    struct buf value;
    buf_init(&value, 0);
    option_print(o, c, &value);
    struct str s = buf_str(&value);
    buf_printf(out, "%s ", o->name);
    if (needs_quotes(o, s))
        put_quoted(out, s);
    else
        buf_put_str(out, s);
    buf_clear(&value);
}

/* Whether a value says the same as the option's value now. */
static bool same_value(const struct option *o, const struct config *c, struct str text) {
    struct config other;
    config_defaults(&other);
    struct option_value v;
    struct err ignored;
    bool same = false;
    if (option_parse(o, text, &v, &ignored) == OK) {
        option_assign(o, &other, &v);
        struct buf a, b;
        buf_init(&a, 0);
        buf_init(&b, 0);
        option_print(o, c, &a);
        option_print(o, &other, &b);
        same = str_eq(buf_str(&a), buf_str(&b));
        buf_clear(&a);
        buf_clear(&b);
    }
    config_free(&other);
    return same;
}

/* Copies the file's lines: the first line of an option says its value, further ones go. */
static void rewrite_lines(const struct config *c, const struct buf *old, bool *written,
                          struct buf *out) {
    struct buf scratch, text;
    buf_init(&scratch, 0);
    buf_init(&text, 0);
    struct str line, words[LINE_WORDS_MAX];
    for (size_t at = 0; next_line(old, &at, &line);) {
        int n = split_line(line, &scratch, words, NULL);
        const struct option *o = n > 0 ? option_find(words[0]) : NULL;
        if (o != NULL && !(o->flags & OPTION_SWITCH)) {
            if (written[option_index(o)]) continue;
            written[option_index(o)] = true;
            buf_reset(&text);
            join(words + 1, (size_t)n - 1, &text);
            if (!same_value(o, c, buf_str(&text))) {
                option_print_line(o, c, out);
                buf_put(out, "\n", 1);
                continue;
            }
        }
        buf_put_str(out, line);
        buf_put(out, "\n", 1);
    }
    OPTION_EACH(o) {
        if (o->flags & OPTION_SWITCH || written[option_index(o)]) continue;
        if (same_value(o, c, str_c(o->initial))) continue;
        option_print_line(o, c, out);
        buf_put(out, "\n", 1);
    }
    buf_clear(&scratch);
    buf_clear(&text);
}

static int write_all(int fd, struct str s) {
    while (s.len > 0) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        s = str_of(s.ptr + n, s.len - (size_t)n);
    }
    return 0;
}

/* A new file beside the old one, synced, takes its place: a crash leaves the one or the other. */
static int replace_file(const char *path, mode_t mode, struct str text, struct err *err) {
    char temp[4200], dir[4200];
    snprintf(temp, sizeof temp, "%.4096s.rewrite-%ld", path, (long)getpid());
    snprintf(dir, sizeof dir, "%.4096s", path);
    *(strrchr(dir, '/') + 1) = '\0'; /* the path is absolute */
    int status = OK, dir_fd = -1;
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return err_errno(err, "%s", temp);
    if (fchmod(fd, mode) < 0 || write_all(fd, text) < 0 || fsync(fd) < 0)
        status = err_errno(err, "%s", temp);
    if (close(fd) < 0 && status == OK) status = err_errno(err, "%s", temp);
    if (status == OK && rename(temp, path) < 0) status = err_errno(err, "%s", path);
    if (status < 0) {
        unlink(temp);
        return status;
    }
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fsync(dir_fd) < 0) status = err_errno(err, "%s", dir);
    if (dir_fd >= 0) close(dir_fd);
    return status;
}

int config_rewrite(const struct config *c, struct err *err) {
    if (c->file == NULL)
        return err_set(err, ERR_NOT_FOUND, "The server is running without a config file");
    struct buf old, text;
    buf_init(&old, 0);
    buf_init(&text, 0);
    bool written[128] = {false};
    assert(option_index(NULL) <= ARRAY_LEN(written));
    struct stat st;
    /* The password may be in it: a file that has to be made anew is its owner's alone. */
    mode_t mode = 0600;
    int status = OK;
    if (stat(c->file, &st) == 0) {
        mode = st.st_mode & 07777;
        status = read_whole(c->file, &old, err);
    } else if (errno != ENOENT) {
        status = err_errno(err, "%s", c->file);
    }
    if (status == OK) {
        rewrite_lines(c, &old, written, &text);
        status = replace_file(c->file, mode, buf_str(&text), err);
    }
    buf_clear(&old);
    buf_clear(&text);
    return status < 0 ? err_wrap(err, status, "Rewriting config file") : OK;
}

/* Texts from the table */

/* The text in lines of at most `width`, each behind `prefix`. */
static void print_wrapped(FILE *f, const char *text, const char *prefix, size_t width) {
    while (*text != '\0') {
        size_t n = strlen(text);
        if (n > width) {
            n = width;
            while (n > 0 && text[n] != ' ') n--;
        }
        fprintf(f, "%s%.*s\n", prefix, (int)n, text);
        text += n;
        while (*text == ' ') text++;
    }
}

static void print_default(FILE *f, const struct option *o) {
    bool quoted = needs_quotes(o, str_c(o->initial));
    fprintf(f, quoted ? "\"%s\"" : "%s", o->initial);
}

void config_print_help(FILE *f) {
    fprintf(
        f, "Usage: cairn-server [FILE] [--option value ...]\n\n"
           "FILE holds options, one `name value` a line; those of the command line come after it.\n"
           "  --help, -h       this text\n"
           "  --version, -v    the version\n"
           "  --sample-conf    an option file that explains every option\n");
    OPTION_EACH(o) {
        if (o->section != NULL) fprintf(f, "\n%s\n", o->section);
        if (o->flags & OPTION_SWITCH) {
            fprintf(f, "  --%s\n", o->name);
        } else {
            fprintf(f, "  --%s ", o->name);
            print_default(f, o);
            fputs("\n", f);
        }
        print_wrapped(f, o->help, "        ", 88);
    }
}

void config_print_sample(FILE *f) {
    fprintf(f, "# Options of cairn-server: start it with this file as its first argument.\n"
               "#\n"
               "# Every option is here with its default, as a comment; take away the # to change "
               "one. Sizes may\n"
               "# be written as 64kb, 1mb, 2gb (powers of 1024). Values with blanks stand in "
               "quotes. Options marked\n"
               "# (CONFIG SET) can also be changed while the server runs; CONFIG REWRITE then "
               "keeps them.\n");
    OPTION_EACH(o) {
        if (o->flags & OPTION_SWITCH) continue;
        if (o->section != NULL) fprintf(f, "\n######## %s\n", o->section);
        fputs("\n", f);
        print_wrapped(f, o->help, "# ", 96);
        if (o->flags & OPTION_SETTABLE) fputs("# (CONFIG SET)\n", f);
        fprintf(f, "# %s ", o->name);
        print_default(f, o);
        fputs("\n", f);
    }
    fprintf(f, "\n######## Options of Redis that are fixed here\n\n"
               "# Clients ask for them (CONFIG GET). They are accepted with these values only.\n");
    for (const struct option_fixed *x = option_fixed_table; x->name != NULL; x++)
        fprintf(f, "# %s %s\n", x->name, x->value[0] != '\0' ? x->value : "\"\"");
}
